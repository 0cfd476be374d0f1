"""Do the hidden tests notice every small slip? One-change mutants of the reference solutions against them.

    autograder mutate 02_backprop
    autograder mutate 02_backprop --sample 150

Every mutant runs in a forked process with a time limit, against the hidden tests of its exercise, its own
test cell first; the first test that fails kills it. Survivors are printed as diffs. A survivor that behaves
like the reference in all that the exercise promises is listed in
`autograder/checks/equivalent_mutants/<topic>.toml`,

    [[equivalent]]
    mutant = "ex1-check-grad rel_error: np.max(...) -> ..."
    reason = "..."

by its key (see `mutations`). The command fails on a survivor that is not listed, and, when all mutants ran,
on a listed key that no longer exists or that the tests kill after all.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.course import chapter as find_chapter
from autograder.mutations import Mutant, mutants
from autograder.source import SourceCell
from autograder.variants import Outcome, PlainRunner, Runner, cells_of, code_cells, group

EQUIVALENTS = Path(__file__).resolve().parent / "checks" / "equivalent_mutants"
SEED = 2024
MEMORY = 4 << 30  # bytes that a mutant may take: some build arrays without end


@dataclass(frozen=True)
class Result:
    """One mutant's fate: the test that killed it (None: it survived) and how."""

    mutant: Mutant
    killed_by: str | None
    message: str = ""


def equivalents(chapter: str) -> dict[str, str]:
    """Key to reason of the mutants listed as equivalent. `ValueError` if an entry has no reason."""
    path = EQUIVALENTS / f"{find_chapter(chapter).topic}.toml"
    if not path.exists():
        return {}
    listed: dict[str, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", []):
        key, reason = entry["mutant"], entry.get("reason", "").strip()
        if not reason:
            raise ValueError(f"{path.name}: {key!r} has no reason")
        if key in listed:
            raise ValueError(f"{path.name}: {key!r} is listed twice")
        listed[key] = reason
    return listed


def all_mutants(cells: Iterable[SourceCell], only: str | None = None) -> list[Mutant]:
    """The mutants of all exercise cells whose id contains `only`."""
    chosen = [c for c in cells if c.kind == "exercise" and (only is None or only in c.id)]
    return [mutant for cell in chosen for mutant in mutants(cell)]


def hidden_tests(cell: str, cells: Iterable[SourceCell]) -> list[SourceCell]:
    """The hidden tests that a mutant of this cell meets: those of its exercise, the cell's own one first."""
    tests = [replace(c, text=c.hidden) for c in cells if c.kind == "test" and c.hidden.strip()]
    mine = [t for t in tests if group(t.id) == group(cell)]
    return sorted(mine, key=lambda t: t.id != f"{cell}-test")


def judge_mutant(mutant: Mutant, cells: Sequence[SourceCell], runner: Runner) -> Result:
    """Run the tests one by one until one fails."""
    answer = code_cells(cells, {mutant.cell: mutant.after})
    for test in hidden_tests(mutant.cell, cells):
        outcome: Outcome = runner.run(answer, [test])[test.id]
        if not outcome.passed:
            return Result(mutant, test.id, f"{outcome.kind}: {outcome.message}")
    return Result(mutant, None)


def run_mutants(
    chosen: Sequence[Mutant],
    cells: Sequence[SourceCell],
    runner: Runner | None = None,
    *,
    jobs: int = 2,
    seconds: float = 20.0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Result]:
    """The fate of every mutant, in order; `seconds` is the hard limit for one.

    Each runs in a fork of this process where the system can fork, so that a mutant can neither hang nor
    spoil the next one; elsewhere they run here, one after the other.
    """
    runner = runner or PlainRunner(cell_seconds=seconds / 2, test_seconds=seconds / 2)
    if not hasattr(os, "fork"):
        return [judge_mutant(mutant, cells, runner) for mutant in chosen]
    _warm_up(cells, {mutant.cell for mutant in chosen}, runner)
    results: list[Result | None] = [None] * len(chosen)
    running: dict[int, _Child] = {}
    waiting = list(enumerate(chosen))[::-1]
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                index, mutant = waiting.pop()
                child = _Child(index, mutant, cells, runner, time.monotonic() + seconds)
                running[child.pipe] = child
            soonest = min(child.deadline for child in running.values())
            ready, _, _ = select.select(list(running), [], [], max(0.0, soonest - time.monotonic()))
            now = time.monotonic()
            for pipe, child in list(running.items()):
                if pipe in ready and not child.read():
                    continue  # more to come
                if pipe in ready or child.deadline <= now:
                    results[child.index] = child.end()
                    del running[pipe]
                    progress(len(chosen) - len(waiting) - len(running), len(chosen))
    finally:
        for child in running.values():
            child.end()
    return results


def _warm_up(cells: Sequence[SourceCell], touched: set[str], runner: Runner) -> None:
    """Load what the tests need before the first fork. `RuntimeError` if the reference does not pass."""
    tests = {t.id: t for cell in sorted(touched) for t in hidden_tests(cell, cells)}
    for test, outcome in runner.run(code_cells(cells), list(tests.values())).items():
        if not outcome.passed:
            raise RuntimeError(f"the reference solution does not pass {test}: {outcome.message}")


class _Child:
    """A forked process that judges one mutant and writes its fate into a pipe."""

    def __init__(self, index: int, mutant: Mutant, cells, runner: Runner, deadline: float):
        self.index, self.mutant, self.deadline = index, mutant, deadline
        self.pipe, out = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(self.pipe)
                os.setpgid(0, 0)
                _limit_memory()
                result = judge_mutant(mutant, cells, runner)
                os.write(out, json.dumps([result.killed_by, result.message[:2000]]).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(out)
        self.text = b""

    def read(self) -> bool:
        """Take what is there; True when the child has closed its end."""
        piece = os.read(self.pipe, 65536)
        self.text += piece
        return not piece

    def end(self) -> Result:
        """Stop the process and say what became of the mutant."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.pipe)
        if not self.text:
            return Result(self.mutant, "time or memory", "the process had to be stopped")
        killed_by, message = json.loads(self.text)
        return Result(self.mutant, killed_by, message)


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


# ----------------------------------------------------------------------------------------------- the command


@dataclass(frozen=True)
class Report:
    """All results of a run, with the list of equivalent mutants that applied."""

    results: list[Result]
    listed: dict[str, str]
    complete: bool

    @property
    def survivors(self) -> list[Result]:
        """What survived and is not listed as equivalent."""
        return [r for r in self.results if r.killed_by is None and r.mutant.key not in self.listed]

    @property
    def stale(self) -> list[str]:
        """Listed keys that no longer exist or are killed after all (only known after a complete run)."""
        if not self.complete:
            return []
        alive = {r.mutant.key for r in self.results if r.killed_by is None}
        return [key for key in self.listed if key not in alive]

    @property
    def status(self) -> int:
        """The exit status of the command."""
        return int(bool(self.survivors or self.stale))

    def text(self) -> str:
        """Counts per exercise, then survivors as diffs and stale entries."""
        lines = ["exercise    mutants  killed  equivalent  survivors  kill rate"]
        names = list(dict.fromkeys(group(r.mutant.cell) for r in self.results))
        for name in names:
            lines.append(self._row(name, [r for r in self.results if group(r.mutant.cell) == name]))
        lines.append(self._row("all", self.results))
        for result in self.survivors:
            lines.append(f"\nsurvivor: {result.mutant.key}\n{result.mutant.diff()}")
        lines += [f"\nlisted as equivalent, but killed or gone: {key}" for key in self.stale]
        return "\n".join(lines)

    def _row(self, name: str, results: Sequence[Result]) -> str:
        killed = sum(r.killed_by is not None for r in results)
        same = sum(r.killed_by is None and r.mutant.key in self.listed for r in results)
        alive = len(results) - killed - same
        rate = killed / max(1, killed + alive)
        return f"{name:<10} {len(results):>8} {killed:>7} {same:>11} {alive:>10} {rate:>10.1%}"


def mutate(
    chapter: str,
    *,
    sample: int | None = None,
    only: str | None = None,
    jobs: int = 2,
    seconds: float = 20.0,
    runner: Runner | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Run a chapter's mutants, or a sample of them drawn with a fixed seed.

    Raises `RuntimeError` if the reference solution itself does not pass its hidden tests, `ValueError` if
    nothing is chosen or the list of equivalents is faulty.
    """
    cells = cells_of(chapter)
    chosen, listed = all_mutants(cells, only), equivalents(chapter)
    if not chosen:
        raise ValueError(f"{chapter}: no exercise cell's id contains {only!r}")
    if sample is not None and sample < len(chosen):
        picked = sorted(random.Random(SEED).sample(range(len(chosen)), sample))
        chosen = [chosen[i] for i in picked]
    results = run_mutants(chosen, cells, runner, jobs=jobs, seconds=seconds, progress=progress)
    return Report(results, listed, complete=sample is None and only is None)
