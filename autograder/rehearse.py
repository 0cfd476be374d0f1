"""`autograder rehearse`: the first steps of preset `full`, on a machine that is too slow for all of it.

Every cell of a chapter's source runs at preset full, with a few steps of each training, and is cut after some
seconds. What a cut cell would have made may be missing later on, and thresholds on metrics are not reached: both
are told apart from what is broken. Instead of downloading the full data sets, the bundled ones are repeated up to
their size.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from coursekit.ipython import bound_names

from autograder.build import BuildError, run_environment
from autograder.course import Chapter, chapter
from autograder.source import SourceCell, read_source
from autograder.testing import TimeLimitExceeded, time_limit

RAN, CUT, SHORT, NOT_REACHED, FAILED = "ran", "cut", "metric", "not reached", "failed"
_STEPS = 3  # of each training
_FULL = (60_000, 10_000)  # images for training and for testing


@dataclass(frozen=True)
class Rehearsed:
    """What became of one code cell; `words` say why where it did not run to its end."""

    line: int
    name: str
    outcome: str
    words: str = ""


def rehearse(item: Chapter, seconds: float, device: str = "cpu") -> str:
    """The report on a chapter, run in a process of its own. `BuildError` with it if a cell is broken."""
    command = [sys.executable, "-m", "autograder.rehearse", item.folder, str(seconds)]
    done = subprocess.run(command, env=run_environment("full", device), capture_output=True, text=True)
    if done.returncode:
        raise BuildError(done.stdout + done.stderr[-2000:])
    return done.stdout


def rehearsed(cells: list[SourceCell], seconds: float) -> list[Rehearsed]:
    """What becomes of each code cell, run here one after the other."""
    namespace: dict = {"__name__": "__main__"}
    missing: set[str] = set()  # names that a cut cell would have made
    told = []
    for cell in cells:
        if not cell.is_code or cell.raises:
            continue
        outcome, words = _run(cell, namespace, seconds, missing)
        if outcome != RAN:
            missing |= bound_names(ast.parse(cell.visible)) - namespace.keys()
        told.append(Rehearsed(cell.line, cell.id or cell.kind, outcome, words))
    return told


def _run(cell: SourceCell, namespace: dict, seconds: float, missing: set[str]) -> tuple[str, str]:
    from coursekit.checking import CheckFailed

    text = cell.visible if cell.kind == "test" else cell.text
    name = f"<cell at line {cell.line}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    try:
        with time_limit(seconds), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, name, "exec"), namespace)
    except TimeLimitExceeded:
        return CUT, f"cut after {seconds:g} s"
    except CheckFailed as error:
        return (SHORT if cell.kind == "demo" else FAILED), " ".join(str(error).split())
    except NameError as error:
        if error.name in missing:
            return NOT_REACHED, f"needs {error.name}, which a cut cell would have made"
        return FAILED, f"NameError: {error}"
    except Exception as error:
        return FAILED, f"{type(error).__name__}: {error}"
    return RAN, ""


def repeated(arrays: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """`x_train, y_train, x_test, y_test` repeated up to the size of the full data sets."""
    sizes = (_FULL[0], _FULL[0], _FULL[1], _FULL[1])
    return tuple(np.resize(array, (size, *array.shape[1:])) for array, size in zip(arrays, sizes, strict=True))


def _shortened(run: Callable) -> Callable:
    """`coursekit.training.train` with a few steps only."""

    def train(step: Callable, steps: int, **options: Any) -> Any:
        return run(step, min(steps, _STEPS), **options)

    return train


def table(told: list[Rehearsed]) -> str:
    """How many cells had which outcome, and a line for each that did not run to its end."""
    counts = {outcome: sum(t.outcome == outcome for t in told) for outcome in (RAN, CUT, SHORT, NOT_REACHED, FAILED)}
    lines = [", ".join(f"{number} {outcome}" for outcome, number in counts.items())]
    lines += [f"  line {t.line:>5} {t.name:<32} {t.outcome}: {t.words[:160]}" for t in told if t.outcome != RAN]
    return "\n".join(lines)


def main() -> None:
    """`python -m autograder.rehearse CHAPTER SECONDS`, in the environment of preset full."""
    from coursekit import data, download, training

    def full_images(name: str) -> tuple[np.ndarray, ...]:
        few = {"mnist": data.mnist, "fashion_mnist": data.fashion_mnist}[name]()
        return repeated((few.x_train, few.y_train, few.x_test, few.y_test))

    download.full_images = full_images
    training.train = _shortened(training.train)
    told = rehearsed(read_source(chapter(sys.argv[1])), float(sys.argv[2]))
    print(table(told))
    sys.exit(any(t.outcome == FAILED for t in told))


if __name__ == "__main__":
    main()
