"""Recognise the mistake: does an answer behave as a known wrong answer does, on the same inputs?

What a test asks of an answer is recorded once, on the reference solution: a program of calls, attribute reads and
operators. For a failed test the program is played on the student's objects, and what comes out is compared with
what the reference and each known wrong answer of the exercise gave (played once, and kept). Where the wrong answer
differs from the reference on at least two inputs and the student's answer does the same on all of them, its hint is
the student's hint. Everything is played in sandboxed processes; the plays of a class of answers cost each test of
a chapter once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from nbformat import NotebookNode

from autograder.source import SourceCell
from autograder.testing import by_value
from autograder.variants import VariantError, Wrong, source_of

from .limits import Limits
from .plan import Step, checked_topics, grade_id_of, kind_of
from .process import Copy, JudgeFault, Process
from .proxy import Gone, Link, Proxy
from .testcell import run_test

MAX_STEPS = 300
MAX_SECONDS = 3.0  # CPU seconds of the reference's test: longer ones (experiments) are not played again
ENOUGH = 2  # inputs on which the wrong answer must show itself
_PLAYED = {"name", "call", "observe", "operator", "get", "set", "item", "set item", "len", "float", "int", "ship"}


@dataclass(frozen=True)
class Ref:
    """An object that an earlier step returned: the step's number and the way to it in the result."""

    step: int
    path: tuple = ()


@dataclass
class Program:
    """What a test asks for: (operation, arguments) with `Ref` in the place of the student's objects."""

    steps: list[tuple[str, tuple]] = field(default_factory=list)
    _places: dict[int, Ref] = field(default_factory=dict)

    def note(self, operation: str, arguments: tuple) -> Callable[[Any], None]:
        """Record a step before it is done; call what this returns with its result."""
        if operation not in _PLAYED or len(self.steps) >= MAX_STEPS:
            return lambda result: None
        number = len(self.steps)
        self.steps.append((operation, _mapped(by_value(arguments), self._ref)))

        def done(result: Any) -> None:
            for path, proxy in _proxies(result):
                self._places[id(proxy)] = Ref(number, path)
                self._alive.append(proxy)

        return done

    def __post_init__(self) -> None:
        self._alive: list[Proxy] = []  # so that no id is used twice

    def _ref(self, proxy: Proxy) -> Any:
        return self._places.get(id(proxy), Ref(-1))

    def close(self) -> Program:
        """Let go of the objects that the program was recorded with."""
        self._places.clear()
        self._alive.clear()
        return self


def play(program: Program, link: Link) -> list[Any]:
    """What each step gives on this side: a plain value, or `Failed`. Ends early when the process does."""
    results: list[Any] = []
    for operation, arguments in program.steps:
        try:
            given = _mapped(by_value(arguments), lambda ref: _found(results, ref), Ref)
            results.append(link.request(operation, *given))
        except Gone:
            break
        except Exception as error:
            results.append(Failed(type(error).__name__, str(error)))
    plain = [_plain(step[0], result) for step, result in zip(program.steps, results, strict=False)]
    return plain + [None] * (len(program.steps) - len(results))


@dataclass(frozen=True)
class Failed:
    """A step that raised."""

    kind: str
    text: str


def _found(results: list[Any], ref: Ref) -> Any:
    if not 0 <= ref.step < len(results) or isinstance(results[ref.step], Failed):
        raise LookupError("the step that makes this object failed")
    value = results[ref.step]
    for key in ref.path:
        value = value[key]
    return value


def _mapped(value: Any, change: Callable[[Any], Any], kind: type = Proxy) -> Any:
    """The value with every object of `kind` in its containers changed."""
    if type(value) is kind:
        return change(value)
    if type(value) in (list, tuple, set):
        return type(value)(_mapped(v, change, kind) for v in value)
    if type(value) is dict:
        return {k: _mapped(v, change, kind) for k, v in value.items()}
    return value


def _proxies(value: Any, path: tuple = ()) -> list[tuple[tuple, Proxy]]:
    if type(value) is Proxy:
        return [(path, value)]
    if type(value) in (list, tuple):
        return [found for i, v in enumerate(value) for found in _proxies(v, (*path, i))]
    if type(value) is dict:
        return [found for k, v in value.items() for found in _proxies(v, (*path, k))]
    return []


def _plain(operation: str, value: Any) -> Any:
    """For comparing: no objects of the student's; of an observation the value and the inputs, not the time."""
    if operation == "observe" and type(value) is tuple:
        value = value[:3]
    return _mapped(value, lambda proxy: "<object>")


def same(a: Any, b: Any) -> bool:
    """Equal but for rounding."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.dtype != b.dtype:
            return False
        if a.dtype in (torch.float16, torch.bfloat16):
            a, b = a.float(), b.float()
        a, b = a.detach().numpy(), b.detach().numpy()
    if isinstance(a, np.ndarray | np.generic | int | float | complex) and not isinstance(a, bool):
        if not isinstance(b, np.ndarray | np.generic | int | float | complex) or isinstance(b, bool):
            return False
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype.kind not in "biufc" or b.dtype.kind not in "biufc":
            return a.shape == b.shape and bool(np.array_equal(a, b))
        rtol = 1e-4 if min(a.dtype.itemsize, b.dtype.itemsize) < 8 and a.dtype.kind == "f" else 1e-7
        return bool(np.allclose(a, b, rtol=rtol, atol=1e-9, equal_nan=True))
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


# ------------------------------------------------------------------------------------------------ known answers


@dataclass
class Known:
    """What a test's program gives on the reference and on each wrong answer that shows itself."""

    program: Program
    wrongs: list[tuple[Wrong, list[int], list[Any]]]  # the steps where it differs from the reference, its results


class Diagnosis:
    """Finds hints for one chapter's failed tests; keeps what it has played."""

    def __init__(self, source: NotebookNode, fork: Callable[[Limits], Process], limits: Limits, seed: int):
        self.fork = fork
        self.limits = limits
        self.seed = seed
        self.cells = _source_cells(source)
        self.wrongs = _wrongs(source)
        self._known: dict[str, Known | None] = {}

    def hint(self, step: Step, copy: Copy) -> Wrong | None:
        """The wrong answer that the student's answer behaves like, if any. The test ran on `copy` before."""
        listed = [w for w in self.wrongs if w.caught_by == step.grade_id]
        if not listed or copy.link.gone is not None:
            return None
        try:
            known = self._knowledge(step, listed)
            return _best(known, self._played(known.program, copy)) if known else None
        except (Exception, Gone):  # a hint is a courtesy: nothing that goes wrong here may cost a result
            return None

    def _knowledge(self, step: Step, listed: list[Wrong]) -> Known | None:
        """What is known about this test; learned the first time."""
        if step.grade_id not in self._known:
            self._known[step.grade_id] = None  # what cannot be learned is not tried for every submission
            try:
                self._known[step.grade_id] = self._learn(step, listed)
            except JudgeFault:  # not this test's fault: another time
                del self._known[step.grade_id]
        return self._known.get(step.grade_id)

    def _played(self, program: Program, copy: Copy) -> list[Any]:
        """The program's results, from the same state of the random generators each time."""
        copy.link.request("seed", self.seed)
        return play(program, copy.link)

    def _learn(self, step: Step, listed: list[Wrong]) -> Known | None:
        program = Program()

        def record(copy: Copy) -> bool:
            copy.link.recorder = program.note
            tested = run_test(step, copy.link, self.limits, self.seed)
            copy.link.recorder = None
            cpu = tested.result.cpu + copy.cpu()
            return tested.result.outcome == "passed" and cpu < MAX_SECONDS

        if not self._with_answer(None, record) or not program.close().steps:
            return None
        reference = self._with_answer(None, lambda copy: self._played(program, copy))
        wrongs = []
        for wrong in listed:
            results = self._with_answer(wrong, lambda copy: self._played(program, copy))
            if results is not None:
                shows = [i for i, (w, r) in enumerate(zip(results, reference, strict=True)) if not same(w, r)]
                wrongs.append((wrong, shows, results))
        return Known(program, wrongs)

    def _with_answer(self, wrong: Wrong | None, use: Callable[[Copy], Any]) -> Any:
        """`use` on a process that ran the chapter's cells with this answer; None if they do not run."""
        try:
            replaced = source_of(wrong, self.cells) if wrong else {}
        except VariantError:
            return None
        process = self.fork(self.limits)
        try:
            for number, cell in enumerate(self.cells, 1):
                if process.run(replaced.get(cell.id, cell.text), number)[0] != "ok":
                    return None
            copy = process.copy(self.seed)
            copy.begin()
            return use(copy)
        except Gone:
            return None
        finally:
            process.end()


def _best(known: Known, results: list[Any]) -> Wrong | None:
    """The wrong answer with the most inputs that show it, all of which the results share."""
    found = [(len(shows), wrong) for wrong, shows, theirs in known.wrongs if _behaves_like(results, theirs, shows)]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _behaves_like(results: list[Any], theirs: list[Any], shows: list[int]) -> bool:
    """Whether the results are those of the wrong answer wherever it differs from the reference."""
    pairs = [(results[i], theirs[i]) for i in shows]
    values = [pair for pair in pairs if not isinstance(pair[1], Failed)]
    if len(values) < ENOUGH:  # known by its errors alone: then by their texts as well
        return len(pairs) >= ENOUGH and all(same(a, b) for a, b in pairs)
    failures = [pair for pair in pairs if isinstance(pair[1], Failed)]
    return all(same(a, b) for a, b in values) and all(isinstance(a, Failed) for a, _ in failures)


def _source_cells(source: NotebookNode) -> list[SourceCell]:
    """The cells that define what tests use, as the variants know them."""
    cells = []
    for index, cell in enumerate(source.cells):
        kind = kind_of(cell)
        if cell.cell_type == "code" and kind in ("setup", "given", "exercise"):
            cells.append(SourceCell(kind, grade_id_of(cell), None, cell.source, index))
    return cells


def _wrongs(source: NotebookNode) -> list[Wrong]:
    """The known wrong answers of the chapter whose hidden tests the source imports."""
    found: list[Wrong] = []
    for name in checked_topics(source):
        try:
            found += importlib.import_module(f"autograder.misconceptions.{name}").MISCONCEPTIONS
        except ModuleNotFoundError as error:
            if error.name != f"autograder.misconceptions.{name}":
                raise
    return found
