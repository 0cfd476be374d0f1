"""Helpers of the judge's tests: one warm judge for all of them, and small notebooks to judge."""

from __future__ import annotations

import atexit
import contextlib
import copy
import functools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.judge.limits import Limits
from autograder.judge.process import JudgeFault
from autograder.judge.record import Record
from autograder.judge.runner import SEED, Judge, run_submission
from autograder.judge.sandbox import WallsMissing
from autograder.judge.testcell import Names

QUICK = Limits(
    cell_seconds=1.5,
    call_seconds=1,
    test_seconds=4,
    submission_seconds=20,
    grace=0.5,
    wall_factor=2,
    wall_extra=3,
    processes=64,
)
PATIENT = QUICK.with_(cell_seconds=30, call_seconds=30, submission_seconds=90)


@functools.cache
def the_judge() -> Judge:
    """The judge of this test process. Skips, with the reason, where the sandbox cannot stand."""
    judge = Judge()
    try:
        judge.__enter__()
    except (WallsMissing, JudgeFault, OSError) as error:
        pytest.skip(f"the sandbox cannot stand here: {error}")
    atexit.register(judge.close)
    return judge


@contextlib.contextmanager
def student(code: str = "", limits: Limits = QUICK) -> Iterator[Names]:
    """The names of a student's process that ran `code`, as a test cell sees them."""
    process = the_judge().fork(limits)
    try:
        status, outputs = process.run(code, 1)
        assert status == "ok", outputs
        apart = process.copy(SEED)
        apart.begin()
        yield Names(apart.link)
    finally:
        process.end()


def plain(text: str) -> NotebookNode:
    """A code cell that nbgrader does not know."""
    return _cell(text, "plain")


def demo(text: str) -> NotebookNode:
    """A cell that is not run while grading."""
    return _cell(text, "demo")


def given(name: str, text: str) -> NotebookNode:
    """Locked code."""
    return _cell(text, "given", name, locked=True)


def exercise(name: str, text: str) -> NotebookNode:
    """An answer cell."""
    return _cell(text, "exercise", name, solution=True)


def test_of(name: str, points: float, text: str) -> NotebookNode:
    """A graded test cell."""
    return _cell(text, "test", name, locked=True, grade=True, points=points)


test_of.__test__ = False


def text(words: str) -> NotebookNode:
    """A markdown cell."""
    return new_markdown_cell(words)


def _cell(source: str, kind: str, grade_id: str | None = None, points: float | None = None, **flags: bool):
    cell = new_code_cell(source)
    cell.metadata["coursekit"] = {"kind": kind}
    if grade_id:
        meta = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
        cell.metadata["nbgrader"] = {**meta, **flags, "grade_id": grade_id, "cell_type": "code"}
        cell["id"] = grade_id
        if points is not None:
            cell.metadata["nbgrader"]["points"] = points
    return cell


def notebook(*cells: NotebookNode) -> NotebookNode:
    """A notebook of copies of these cells."""
    return new_notebook(cells=[copy.deepcopy(cell) for cell in cells])


def with_answers(source: NotebookNode, **answers: str) -> NotebookNode:
    """The notebook with the exercises' text replaced; `ex_one` names the exercise `ex-one`."""
    handed_in = notebook(*source.cells)
    for cell in handed_in.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "").replace("-", "_")
        if name in answers:
            cell.source = answers[name]
    return handed_in


def judged(handed_in: NotebookNode, source: NotebookNode, limits: Limits = QUICK, **options) -> Record:
    """The record of this submission."""
    return run_submission(handed_in, source, judge=the_judge(), limits=limits, **options)


def shown(record: Record) -> str:
    """Everything that a reader of the graded notebook or its feedback can see, as one text."""
    parts = [str(cell.outputs) for cell in record.cells]
    return "\n".join([*parts, *(f"{t.message} {t.hint}" for t in record.tests)])


def family(root: int) -> dict[int, int]:
    """Descendants of a process: pid to depth below it."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(name)] = int(Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[1])
    found, level = {root: 0}, [root]
    while level:
        level = [pid for pid, parent in parents.items() if parent in level and pid not in found]
        found |= dict.fromkeys(level, max(found.values()) + 1)
    return found


def ends(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes to hold soon."""
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.05)
    return False
