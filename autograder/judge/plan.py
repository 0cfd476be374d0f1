"""What is run, in which order: the student's cells as they stand, the trusted cells from the source notebook.

Cells that the source locks (set-up, given code) and test cells are recognised by their nbgrader id and taken from
the source, whatever the submission holds under that id. Of cells with the same id the last one counts, as in
nbgrader; trusted cells that are missing are put in after the one before them in the source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from nbformat import NotebookNode

from .record import content_key

_CHECKS = re.compile(r"autograder\.checks(?:\.|\s+import\s+)(\w+)")


@dataclass(frozen=True)
class Step:
    """One code cell of the run. `index` is its place in the submitted notebook (None: put in from the source)."""

    index: int | None
    kind: str  # "student", "given", "test" or "demo"
    grade_id: str | None
    source: str
    points: float = 0.0
    exercise: str | None = None  # of a test: the id of the exercise cell before it
    place: int = 0  # of a trusted cell: its place in the source


def checked_topics(source: NotebookNode) -> list[str]:
    """The names under `autograder.checks` that the cells of a source notebook import."""
    return sorted({name for cell in source.cells for name in _CHECKS.findall(cell.source)})


def build_plan(notebook: NotebookNode, source: NotebookNode) -> tuple[list[Step], list[str]]:
    """The steps of a submission, and sentences about trusted cells that were missing.

    Running the plan of a notebook that nbgrader has sanitised (or of one that was repaired) is the same as running
    that of the notebook as handed in, if nothing was missing.
    """
    trusted = _trusted(source)
    last = {grade_id: index for index, cell in enumerate(notebook.cells) if (grade_id := grade_id_of(cell)) in trusted}
    steps: list[Step] = []
    for index, cell in enumerate(notebook.cells):
        grade_id = grade_id_of(cell)
        if grade_id in trusted and last[grade_id] == index:
            own = trusted[grade_id]
            steps.append(replace(own, index=index))
        elif cell.cell_type == "code":
            kind = "demo" if kind_of(cell) == "demo" else "student"
            steps.append(Step(index, kind, grade_id, _text(cell)))
    notices = []
    place = 0
    for cell in source.cells:  # a missing cell goes behind the cell that is before it in the source
        grade_id = grade_id_of(cell)
        if grade_id is None or cell.cell_type != "code":
            continue
        if grade_id in trusted and grade_id not in last:
            steps.insert(place, trusted[grade_id])
            what = "test" if trusted[grade_id].kind == "test" else "given"
            notices.append(f"The {what} cell {grade_id!r} was missing from the notebook and was put back.")
        place = max((i + 1 for i, step in enumerate(steps) if step.grade_id == grade_id), default=place)
    return steps, notices


def _trusted(source: NotebookNode) -> dict[str, Step]:
    """The locked cells of the source by their id, in order."""
    found: dict[str, Step] = {}
    exercise = None
    for place, cell in enumerate(source.cells):
        grade_id, meta = grade_id_of(cell), _nbgrader(cell)
        if cell.cell_type != "code" or grade_id is None:
            continue
        if meta.get("solution"):
            exercise = grade_id
        elif meta.get("grade"):
            points = float(meta.get("points", 0))
            found[grade_id] = Step(None, "test", grade_id, _text(cell), points, exercise, place)
        elif meta.get("locked"):
            kind = "demo" if kind_of(cell) == "demo" else "given"
            found[grade_id] = Step(None, kind, grade_id, _text(cell), place=place)
    return found


def plan_key(steps: list[Step]) -> str:
    """A hash of what the student contributed: the same for the same cells in the same order."""
    parts = [f"{s.kind}\n{s.grade_id}\n{s.source if s.kind == 'student' else ''}" for s in steps]
    return content_key(*parts)


def grade_id_of(cell: NotebookNode) -> str | None:
    """The cell's nbgrader id, if it has one."""
    grade_id = _nbgrader(cell).get("grade_id")
    return grade_id if isinstance(grade_id, str) else None


def kind_of(cell: NotebookNode) -> str | None:
    """The kind that the builder gave to the cell."""
    own = cell.metadata.get("coursekit", {}) if isinstance(cell.get("metadata"), dict) else {}
    return own.get("kind") if isinstance(own, dict) else None


def _nbgrader(cell: NotebookNode) -> dict[str, Any]:
    own = cell.metadata.get("nbgrader", {}) if isinstance(cell.get("metadata"), dict) else {}
    return own if isinstance(own, dict) else {}


def _text(cell: NotebookNode) -> str:
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return source if isinstance(source, str) else ""
