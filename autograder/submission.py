"""Check one submitted notebook against the release and repair it where that is safe.

The result is built from nothing: only the cells' sources are the student's; every id, point, type, lock and
kind comes from the release, and outputs are dropped. Cells are recognised, in this order, by their nbgrader id,
by Jupyter's cell id, by their exact content, and (exercises only) by the names they define. So a notebook that
lost its metadata in Colab, or whose cells were copied, split or pasted, is graded like any other, and every
repair is told to the student in a sentence. What cannot be repaired safely is left as the student wrote it.

Safe means: never run less of the student's code than Jupyter would, and never run a released stub that would
overwrite an answer.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from autograder.reading import RawCell, Unreadable, read_cells
from autograder.reference import Reference, ReferenceCell, defined_names, normalised, other_chapter

_NEW_CELL = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}
_SAME_DEMO = 0.5
_COMPARED_CHARACTERS = 5_000


@dataclass(frozen=True)
class Checked:
    """What became of a submitted file: a clean notebook, or the problem that keeps it from being graded.

    `notes` are sentences for the student about repairs. Exactly one of `notebook` and `problem` is None.
    """

    notebook: NotebookNode | None
    notes: tuple[str, ...] = ()
    problem: str | None = None


def check_file(path: Path, reference: Reference) -> Checked:
    """Read, check and repair one submitted file. Never raises for anything that is in the file."""
    try:
        cells, notes = read_cells(path)
        return check_cells(cells, reference, notes)
    except Unreadable as problem:
        return Checked(None, (), str(problem))


def check_cells(cells: list[RawCell], reference: Reference, notes: list[str] | None = None) -> Checked:
    """As `check_file`, from cells that were read before."""
    work = _Repair(cells, reference, list(notes or []))
    work.match()
    if problem := work.problem():
        return Checked(None, tuple(work.notes), problem)
    notebook = work.build()
    unique = tuple(dict.fromkeys(work.notes))
    notebook.metadata["autograder"] = {"notes": list(unique)}
    return Checked(notebook, unique)


@dataclass
class _Repair:
    """The state of one repair: which submitted cell stands for which released one."""

    cells: list[RawCell]
    reference: Reference
    notes: list[str]
    taken: dict[int, ReferenceCell] = field(default_factory=dict)  # submitted index -> released cell
    place: dict[int, int] = field(default_factory=dict)  # released index -> submitted index
    dropped: set[int] = field(default_factory=set)
    recovered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = [defined_names(c.source) if c.cell_type == "code" else frozenset() for c in self.cells]

    # ------------------------------------------------------------------------------------------- matching

    def match(self) -> None:
        """Decide which submitted cell is which released one."""
        self._by_grade_id()
        self._by_cell_id()
        self._by_content()
        self._by_names()
        self._demos()
        if self.recovered:
            self.notes.append(
                "The nbgrader metadata of " + _some(self.recovered) + " was lost (Colab, or copying cells, does "
                "that); the cells were recognised by their content."
            )

    def _by_grade_id(self) -> None:
        claims: dict[str, list[int]] = defaultdict(list)
        for index, cell in enumerate(self.cells):
            if cell.grade_id in self.reference.by_grade_id:
                claims[cell.grade_id].append(index)
        for grade_id, indices in claims.items():
            released = self.reference.by_grade_id[grade_id]
            same = [i for i in indices if normalised(self.cells[i].source) == released.text]
            if released.kind == "exercise":
                answers = [i for i in indices if i not in same and self.cells[i].source.strip()]
                whole = [i for i in answers if released.names and released.names <= self.names[i]]
                chosen = (whole or answers or indices)[-1]
                surplus = [i for i in same if i != chosen]
            else:
                # The last copy of a test, so that the answer stands above it; the first of what later cells need.
                chosen = (same or indices)[-1 if released.kind == "test" else 0]
                surplus = [i for i in indices if i != chosen and (i in same or not self._holds_answer(i))]
            self._take(chosen, released)
            self.dropped.update(surplus)
            if len(indices) > 1:
                what = "the others were left out" if released.locked else "all of them run, in their order"
                self.notes.append(f"Cell '{grade_id}' is in the notebook {len(indices)} times; {what}.")

    def _by_cell_id(self) -> None:
        """Jupyter's ids survive Colab; a copied cell gets a new one."""
        released = {c.cell_id: c for c in self._open() if c.cell_id}
        for index, cell in self._free():
            found = released.get(cell.cell_id)
            if found is None or found.index in self.place or found.node.cell_type != cell.cell_type:
                continue
            alike = normalised(cell.source) == found.text
            if alike or found.kind not in ("test", "given", "setup") or not self._holds_answer(index):
                self._recover(index, found)

    def _by_content(self) -> None:
        same: dict[tuple[str, str], list[ReferenceCell]] = defaultdict(list)
        for released in self._open():
            same[(released.node.cell_type, released.text)].append(released)
        for index, cell in self._free():
            waiting = same.get((cell.cell_type, normalised(cell.source)))
            if waiting:
                self._recover(index, waiting.pop(0))

    def _by_names(self) -> None:
        for released in self._open():
            signature = self.reference.signature(released)
            if released.kind != "exercise" or not signature:
                continue
            fits = [i for i, _ in self._free() if signature <= self.names[i]]
            if fits:  # several: all of them run, and the last definition counts, as in Jupyter
                self._recover(fits[-1], released)

    def _demos(self) -> None:
        """Ungraded experiments are skipped while grading, also when the student changed them."""
        waiting = [c for c in self._open() if c.kind == "demo"]
        for index, cell in self._free():
            if not waiting or cell.cell_type != "code" or self._holds_answer(index):
                continue
            scores = [_alike(cell.source, released.node.source) for released in waiting]
            best = max(range(len(scores)), key=scores.__getitem__)
            if scores[best] >= _SAME_DEMO:
                self._take(index, waiting.pop(best))

    def _take(self, index: int, released: ReferenceCell) -> None:
        self.taken[index] = released
        self.place[released.index] = index

    def _recover(self, index: int, released: ReferenceCell) -> None:
        self._take(index, released)
        if released.grade_id:
            self.recovered.append(released.grade_id)

    def _open(self) -> list[ReferenceCell]:
        return [c for c in self.reference.cells if c.index not in self.place]

    def _free(self) -> list[tuple[int, RawCell]]:
        return [(i, c) for i, c in enumerate(self.cells) if i not in self.taken and i not in self.dropped]

    def _holds_answer(self, index: int) -> bool:
        return bool(self.names[index] & self.reference.exercise_names)

    # ------------------------------------------------------------------------------------------- findings

    def problem(self) -> str | None:
        """Why this cannot be a submission of this chapter, if so."""
        graded = [c for c in self.reference.cells if c.kind in ("exercise", "test")]
        if not graded:
            return None
        foreign = {c.grade_id for c in self.cells if c.grade_id} - set(self.reference.by_grade_id)
        foreign = {grade_id for grade_id in foreign if not self.reference.is_shared(grade_id)}
        other = other_chapter(self.cells, self.reference)
        if other is None and any(c.index in self.place for c in graded):
            return None
        hint = (
            f" Its cells are called {_some(sorted(foreign))}: is it the notebook of another chapter?" if foreign else ""
        )
        if other:
            hint = f" Its cells are those of {other}: is it the notebook of another chapter?"
        return f"No exercise and no test of {self.reference.name} was found in the notebook.{hint}"

    # ------------------------------------------------------------------------------------------- building

    def build(self) -> NotebookNode:
        """The clean notebook; adds the notes on what was changed or is missing."""
        self._note_missing_answers()
        placed: list[tuple[tuple[float, int], NotebookNode]] = []
        changed: list[str] = []
        for index, cell in enumerate(self.cells):
            if index in self.dropped:
                continue
            released = self.taken.get(index)
            if released is None:
                placed.append(((index, 1), self._extra(index, cell.cell_type, cell.source)))
                continue
            if self._was_forged(cell, released):
                self.notes.append(f"The metadata of cell '{released.grade_id}' was changed; the released one counts.")
            if cell.cell_type != released.node.cell_type:
                self.notes.append(f"Cell '{released.grade_id}' was turned into {cell.cell_type}; it counts as code.")
            if released.locked and normalised(cell.source) != released.text:
                changed.append(released.grade_id)
                if self._holds_answer(index):  # an answer pasted into a locked cell: keep it, above the cell
                    placed.append(((index, 0), self._extra(index, "code", cell.source)))
            placed.append(((index, 1), _as_released(released, cell.source)))
        if changed:
            self.notes.append(
                f"Locked cells differ from the released ones: {_some(changed)}; the released ones were run."
            )
        placed += self._missing_locked()
        placed.sort(key=lambda item: item[0])
        notebook = new_notebook(cells=[node for _, node in placed])
        for key in ("kernelspec", "language_info"):
            if key in self.reference.metadata:
                notebook.metadata[key] = self.reference.metadata[key]
        _unique_ids(notebook.cells)
        return notebook

    def _missing_locked(self) -> list[tuple[tuple[float, int], NotebookNode]]:
        """Locked cells that are gone, each with a place: tests below, given code above what stands around."""
        missing = [c for c in self._open() if c.locked and c.node.cell_type == "code"]
        if missing:
            names = [c.grade_id for c in missing]
            self.notes.append(f"Locked cells were missing and were put back: {_some(names)}.")
        found = []
        for released in missing:
            before = max((i for r, i in self.place.items() if r < released.index), default=-1)
            after = [i for r, i in self.place.items() if r > released.index and i > before]
            # A test goes to the end of the gap, so that pieces of a split answer run before it.
            place = min(after) - 0.5 if released.kind == "test" and after else before + 0.5
            if released.kind == "test" and not after:
                place = len(self.cells)
            found.append(((place, 2 + released.index), _as_released(released, "")))
        return found

    def _note_missing_answers(self) -> None:
        gone = [c for c in self._open() if c.kind == "exercise"]
        elsewhere = set().union(*(self.names[i] for i, _ in self._free()))
        lost = [c.grade_id for c in gone if not c.names or not c.names <= elsewhere]
        if lost:
            self.notes.append(f"Exercise cells are missing from the notebook: {_some(lost)}.")
        for index, released in self.taken.items():
            if released.kind != "exercise" or normalised(self.cells[index].source) != released.text:
                continue
            test = next((c for c in self.reference.tests if c.index > released.index), None)
            below = [i for i, _ in self._free() if released.names and released.names <= self.names[i]]
            if test and below and max(below) > self.place.get(test.index, len(self.cells)):
                self.notes.append(
                    f"Your answer to '{released.grade_id}' seems to stand below its test; cells run from top to "
                    "bottom, so the test sees the empty one."
                )

    def _extra(self, index: int, cell_type: str, source: str) -> NotebookNode:
        node = _NEW_CELL[cell_type](source)
        node["id"] = f"extra-{index}"
        node.metadata["coursekit"] = {"kind": "extra"}
        return node

    def _was_forged(self, cell: RawCell, released: ReferenceCell) -> bool:
        claimed = cell.metadata.get("nbgrader")
        if released.grade_id is None or not isinstance(claimed, dict) or not claimed.get("grade_id"):
            return False
        true = released.node.metadata["nbgrader"]
        keys = ("grade_id", "grade", "solution", "locked", "points", "task")
        return any(claimed.get(key, true.get(key)) != true.get(key) for key in keys)


def _as_released(released: ReferenceCell, source: str) -> NotebookNode:
    """The cell that stands for a released one: its metadata, and the student's source unless it is locked."""
    node = _NEW_CELL[released.node.cell_type](released.node.source if released.locked else source)
    if released.cell_id:
        node["id"] = released.cell_id
    for key in ("nbgrader", "coursekit", "deletable", "editable"):
        if key in released.node.metadata:
            node.metadata[key] = released.node.metadata[key]
    node.metadata.setdefault("coursekit", NotebookNode({}))["kind"] = released.kind
    if not released.locked and normalised(source) != released.text:
        node.metadata["coursekit"]["changed"] = True
    return node


def _unique_ids(cells: list[NotebookNode]) -> None:
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        if cell["id"] in seen:
            cell["id"] = f"cell-{number}"
        seen.add(cell["id"])


def _alike(a: str, b: str) -> float:
    """How similar two sources are, 0 to 1; bounded in time for very long ones."""
    a, b = normalised(a)[:_COMPARED_CHARACTERS], normalised(b)[:_COMPARED_CHARACTERS]
    matcher = difflib.SequenceMatcher(None, a.split("\n"), b.split("\n"), autojunk=False)
    return matcher.ratio() if a and b else 0.0


def _some(names: list[Any], most: int = 4) -> str:
    """A list of names for a sentence, cut where it gets long."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
