"""Known wrong and differently right answers, and the suite that runs the tests against them.

Each chapter has a list of wrong answers (`autograder/misconceptions/<topic>.py`, `MISCONCEPTIONS`) and one of
right answers written differently (`autograder/tests/variants/<topic>.py`, `VARIANTS`). An answer is the
reference solution's cell with edits, or a whole cell. The suite proves that

* every wrong answer fails the test cell that it names, and its hidden tests alone as well, and one of the two
  messages says what it should;
* every right answer passes all test cells of its exercise.

Where the cells run is a `Runner`'s business: `PlainRunner` runs them in this process; the judge brings one
that runs them in a sandbox. Both give `Outcome`s, so their results can be compared one by one.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any, Protocol

import numpy as np
import torch
from coursekit.checking import CheckFailed

from autograder.course import chapter as find_chapter
from autograder.source import SourceCell, read_source
from autograder.testing import TimeLimitExceeded, time_limit

HIDDEN_PART = " (hidden)"
CELL_SECONDS = 20.0
TEST_SECONDS = 60.0


class VariantError(ValueError):
    """A variant is written wrongly: an edit that does not match once, an unknown exercise or test."""


@dataclass(frozen=True)
class Variant:
    """An answer: `edits` (old, new) on the reference cell of the exercise, or a whole cell as `code`.

    `also` replaces further exercise cells: an answer may put into one cell what the reference spreads over
    several.
    """

    exercise: str
    name: str
    code: str | None = None
    edits: Sequence[tuple[str, str]] = ()
    also: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.code is None) == (not self.edits):
            raise VariantError(f"{self.id}: give either code or edits")

    @property
    def id(self) -> str:
        """`exercise/name`."""
        return f"{self.exercise}/{self.name}"


class Right(Variant):
    """A right answer, written differently."""


@dataclass(frozen=True, kw_only=True)
class Wrong(Variant):
    """A wrong answer that a person could well write.

    `hint`: what its author needs to hear, one or two sentences; `caught_by`: the id of the test cell that
    must fail; `says`: what a failure's message (or the hint) must contain.
    """

    hint: str
    caught_by: str
    says: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.hint.strip() and self.says.strip()):
            raise VariantError(f"{self.id}: hint and says must not be empty")


def misconceptions(chapter: str) -> list[Wrong]:
    """The known wrong answers of a chapter. `LookupError` if there is no such list."""
    return _listed("autograder.misconceptions", chapter, "MISCONCEPTIONS")


def rights(chapter: str) -> list[Right]:
    """The differently written right answers of a chapter. `LookupError` if there is no such list."""
    return _listed("autograder.tests.variants", chapter, "VARIANTS")


def _listed(package: str, chapter: str, name: str) -> list:
    module = f"{package}.{find_chapter(chapter).topic}"
    try:
        return list(getattr(importlib.import_module(module), name))
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise LookupError(f"there is no {module}") from None


# ----------------------------------------------------------------------------------------- cells of a variant


def cells_of(chapter: str | Sequence[SourceCell]) -> list[SourceCell]:
    """A chapter's checked cells; a list of cells is passed through."""
    return read_source(chapter, check_points=False) if isinstance(chapter, str) else list(chapter)


def source_of(variant: Variant, cells: Iterable[SourceCell]) -> dict[str, str]:
    """Exercise id to the source that the variant gives it. Raises `VariantError`."""
    known = {cell.id: cell.text for cell in cells if cell.kind == "exercise"}
    for name in (variant.exercise, *variant.also):
        if name not in known:
            raise VariantError(f"{variant.id}: there is no exercise cell {name!r}")
    text = known[variant.exercise] if variant.code is None else variant.code
    for old, new in variant.edits:
        count = text.count(old)
        if count != 1:
            raise VariantError(f"{variant.id}: the edit {old!r} matches {count} times in its cell, not once")
        if old == new:
            raise VariantError(f"{variant.id}: the edit {old!r} changes nothing")
        text = text.replace(old, new)
    return {variant.exercise: text, **variant.also}


def code_cells(chapter: str | Sequence[SourceCell], replaced: Mapping[str, str] | None = None) -> list[tuple]:
    """(id, source) of the set-up, given and exercise cells in order, some exercise cells replaced.

    Test cells use nothing else: plain and demo cells are left out.
    """
    replaced = replaced or {}
    kinds = ("setup", "given", "exercise")
    return [(c.id or c.kind, replaced.get(c.id, c.text)) for c in cells_of(chapter) if c.kind in kinds]


def group(cell_id: str) -> str:
    """The exercise that a cell belongs to: `ex3` of `ex3-engine-core`, `q1` of `q1-test`."""
    return cell_id.split("-", 1)[0]


def tests_of(variant: Variant, cells: Iterable[SourceCell]) -> list[SourceCell]:
    """The test cells that a variant is held against; for a wrong answer also its hidden part alone.

    `VariantError` if there are none.
    """
    tests = [cell for cell in cells if cell.kind == "test"]
    if isinstance(variant, Wrong):
        found = [cell for cell in tests if cell.id == variant.caught_by]
        found += [replace(cell, id=cell.id + HIDDEN_PART, text=cell.hidden) for cell in found if cell.hidden]
    else:
        found = [cell for cell in tests if group(cell.id) == group(variant.exercise)]
    if not found:
        missing = variant.caught_by if isinstance(variant, Wrong) else f"{group(variant.exercise)}-...-test"
        raise VariantError(f"{variant.id}: there is no test cell {missing!r}")
    return found


# ---------------------------------------------------------------------------------------------------- running


@dataclass(frozen=True)
class Outcome:
    """How one test cell ended.

    `kind`: "passed"; "wrong", "raised", "missing" or "open" as the check says; "cell" if a cell of the answer
    itself failed; "crashed" if the test failed otherwise than in words, which is the test's own fault.
    """

    kind: str
    message: str = ""
    what: str = ""
    case: str | None = None
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the test cell gives its points."""
        return self.kind == "passed"


class Runner(Protocol):
    """Runs an answer's cells and then test cells on what they defined."""

    def run(self, cells: Sequence[tuple], tests: Sequence[SourceCell]) -> dict[str, Outcome]:
        """`cells` are (id, source) in order; the result has one outcome per test cell."""


class PlainRunner:
    """Runs everything in this process, each answer in a namespace of its own."""

    def __init__(self, cell_seconds: float = CELL_SECONDS, test_seconds: float = TEST_SECONDS):
        self.cell_seconds = cell_seconds
        self.test_seconds = test_seconds
        self._compiled: dict[tuple[str, str], CodeType] = {}

    def run(self, cells: Sequence[tuple], tests: Sequence[SourceCell]) -> dict[str, Outcome]:
        """See `Runner`. Output is swallowed."""
        with _as_while_grading():
            namespace, failure = self.namespace(cells)
            torch.set_num_threads(1)  # small arrays: a second thread only waits
            return {test.id: failure or self._test(test, namespace) for test in tests}

    def namespace(self, cells: Sequence[tuple]) -> tuple[dict[str, Any], Outcome | None]:
        """What the cells define, and the outcome that a failing cell stands for (else None)."""
        space: dict[str, Any] = {"__name__": "__main__"}
        start = time.perf_counter()
        for cell_id, source in cells:
            try:
                with time_limit(self.cell_seconds):
                    exec(self._code(source, f"<cell {cell_id}>"), space)
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:
                text = f"the cell {cell_id} failed: {type(error).__name__}: {error}"
                return space, Outcome("cell", text, seconds=time.perf_counter() - start)
        return space, None

    def _test(self, test: SourceCell, namespace: dict[str, Any]) -> Outcome:
        start = time.perf_counter()
        try:
            with time_limit(self.test_seconds):
                exec(self._code(test.text, f"<cell {test.id}>"), namespace)
        except CheckFailed as error:
            return Outcome(error.outcome, str(error), error.what, error.case, time.perf_counter() - start)
        except TimeLimitExceeded as error:
            return Outcome("raised", f"TimeLimitExceeded: {error}", seconds=time.perf_counter() - start)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
            return Outcome("crashed", text, seconds=time.perf_counter() - start)
        return Outcome("passed", seconds=time.perf_counter() - start)

    def _code(self, source: str, name: str) -> CodeType:
        if (source, name) not in self._compiled:
            self._compiled[source, name] = compile(source, name, "exec")
        return self._compiled[source, name]


@contextlib.contextmanager
def _as_while_grading() -> Iterator[None]:
    """The environment of a grading run, no output, one thread, numpy's state as it was afterwards."""
    wanted = {"NBGRADER_EXECUTION": "autograde", "COURSE_HEADLESS": "1", "COURSE_PRESET": "smoke"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    threads, errors = torch.get_num_threads(), np.geterr()
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(threads)
        np.seterr(**errors)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def build(chapter: str | Sequence[SourceCell], variant: Variant | None = None) -> dict[str, Any]:
    """The names that a chapter's notebook defines with this answer in it (None: the reference solution).

    Raises `VariantError` if the variant does not fit, `RuntimeError` if one of the cells fails.
    """
    cells = cells_of(chapter)
    runner = PlainRunner()
    with _as_while_grading():
        space, failure = runner.namespace(code_cells(cells, source_of(variant, cells) if variant else None))
    if failure:
        raise RuntimeError(failure.message)
    return space


# ------------------------------------------------------------------------------------------------- the suite


@dataclass(frozen=True)
class Row:
    """One variant's result. `problem` is empty where the suite is content with it."""

    variant: Variant
    outcomes: Mapping[str, Outcome]
    problem: str

    @property
    def ok(self) -> bool:
        """Whether the tests treat this variant as they should."""
        return not self.problem


def judge_variant(variant: Variant, cells: Sequence[SourceCell], runner: Runner) -> Row:
    """Run one variant and say what is wrong with how the tests treat it."""
    try:
        tests, replaced = tests_of(variant, cells), source_of(variant, cells)
    except VariantError as error:
        return Row(variant, {}, f"it does not fit the source: {error}")
    outcomes = runner.run(code_cells(cells, replaced), tests)
    check = _wrong_problem if isinstance(variant, Wrong) else _right_problem
    return Row(variant, outcomes, check(variant, [(test.id, outcomes[test.id]) for test in tests]))


def _wrong_problem(variant: Wrong, outcomes: list[tuple[str, Outcome]]) -> str:
    for test, outcome in outcomes:
        if outcome.kind == "crashed":
            return f"{test} crashed instead of failing in words: {outcome.message}"
        if outcome.kind == "cell":
            return outcome.message
        if outcome.passed:
            return f"{test} accepted this wrong answer"
    said = [outcome.message for _, outcome in outcomes]
    if any(variant.says in text for text in (*said, variant.hint)):
        return ""
    return f"failed, but nothing says {variant.says!r}: " + "\n".join(said)


def _right_problem(variant: Variant, outcomes: list[tuple[str, Outcome]]) -> str:
    words = {"cell": "did not run", "crashed": "crashed on this right answer"}
    refused = [
        f"{test} {words.get(outcome.kind, 'refused this right answer')}: {outcome.message}"
        for test, outcome in outcomes
        if not outcome.passed
    ]
    return "; ".join(refused)


def run_variants(
    chapter: str,
    only: str | None = None,
    runner: Runner | None = None,
    variants: Iterable[Variant] | None = None,
) -> list[Row]:
    """Every wrong and right answer of a chapter against its tests.

    `only` keeps variants whose id contains it; `variants` replaces the chapter's lists. A variant that does
    not fit the source is a row with a problem.
    """
    cells, runner = cells_of(chapter), runner or PlainRunner()
    if variants is None:
        variants = [*misconceptions(chapter), *rights(chapter)]
    chosen = [v for v in variants if only is None or only in v.id]
    return [judge_variant(variant, cells, runner) for variant in chosen]


def table(rows: Iterable[Row]) -> str:
    """Counts per exercise, then every problem in full."""
    rows = list(rows)
    lines = [f"{'exercise':<12} {'wrong':>6} {'caught':>7} {'right':>6} {'accepted':>9}"]
    for name in dict.fromkeys(group(row.variant.exercise) for row in rows):
        wrong, right = (
            [r for r in rows if group(r.variant.exercise) == name and isinstance(r.variant, Wrong) is kind]
            for kind in (True, False)
        )
        caught, accepted = sum(r.ok for r in wrong), sum(r.ok for r in right)
        lines.append(f"{name:<12} {len(wrong):>6} {caught:>7} {len(right):>6} {accepted:>9}")
    wrong = [r for r in rows if isinstance(r.variant, Wrong)]
    right = [r for r in rows if not isinstance(r.variant, Wrong)]
    caught, accepted = sum(r.ok for r in wrong), sum(r.ok for r in right)
    lines.append(f"{'all':<12} {len(wrong):>6} {caught:>7} {len(right):>6} {accepted:>9}")
    lines += [f"\n{row.variant.id}\n  {row.problem}" for row in rows if not row.ok]
    return "\n".join(lines)


def variants(chapter: str, only: str | None = None, runner: Runner | None = None) -> tuple[str, int]:
    """What `autograder variants` prints, and its exit status: 1 if a variant is not treated as it should."""
    rows = run_variants(chapter, only, runner)
    if not rows:
        return f"{chapter}: no variant's id contains {only!r}", 1
    return table(rows), int(not all(row.ok for row in rows))
