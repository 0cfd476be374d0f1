"""Check one submitted notebook against the release and repair it where that is safe.

The result is built from nothing: only the cells' sources are the student's; every id, point, type, lock and
kind comes from the release, and outputs are dropped. Cells are recognised, in this order, by their nbgrader id,
by Jupyter's cell id, by their exact content, and (exercises only) by the names they define. So a notebook that
lost its metadata in Colab, or whose cells were copied, split or pasted, is graded like any other, and every
repair is told to the student in a sentence. What cannot be repaired safely is left as the student wrote it.

Safe means: never run less of the student's code than Jupyter would, and never run a released stub that would
overwrite an answer that stands above it. An exercise cell that was moved below its own test runs at its place in
the released notebook, unless it needs something that the student wrote in between.
"""

from __future__ import annotations

import bisect
import difflib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from autograder.reading import RawCell, Unreadable, read_cells
from autograder.reference import (
    Reference,
    ReferenceCell,
    defined_names,
    definitions,
    is_same_code,
    names_needed_at_once,
    normalised,
    other_chapter,
)

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
        self.written = [definitions(c.source) if c.cell_type == "code" else {} for c in self.cells]

    # ------------------------------------------------------------------------------------------- matching

    def match(self) -> None:
        """Decide which submitted cell is which released one."""
        self._by_grade_id()
        self._by_cell_id()
        self._by_content()
        self._by_names()
        self._demos()
        self._stubs()
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

    def _stubs(self) -> None:
        """A released stub is left out where the student's answer stands above it in another cell."""
        empty: list[str] = []
        places: set[int] = set()
        for index, released in list(self.taken.items()):
            if released.kind != "exercise" or not released.names or not self._is_untouched(index):
                continue
            above = [i for i in self._answers(released) if i < index]
            if above and released.names <= set().union(*(self.written[i] for i in above)):
                self.dropped.add(index)
                empty.append(released.grade_id)
                places.update(above)
        if empty:
            self.notes.append(
                f"Empty exercise cells were left out: {_some(empty)}. Their answers stand above them, in "
                f"{self._places(sorted(places))}, and the empty cells would overwrite them."
            )

    def _is_untouched(self, index: int) -> bool:
        """Whether a cell is as it was released; comments and layout do not matter."""
        released, source = self.taken[index], self.cells[index].source
        return normalised(source) == released.text or is_same_code(source, released.node.source)

    def _answers(self, released: ReferenceCell) -> list[int]:
        """The other cells of the student in which something of this exercise is written."""
        given = definitions(released.node.source)
        found = []
        for index in range(len(self.cells)):
            here = self.taken.get(index)
            if (
                here is released
                or index in self.dropped
                or (here and (here.kind == "demo" or self._is_untouched(index)))
            ):
                continue
            own = here.names if here and here.kind == "exercise" else frozenset()
            written = self.written[index]
            if any(written.get(name, given.get(name)) != given.get(name) for name in released.names - own):
                found.append(index)
        return found

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
        moved = self._moved()
        placed: list[tuple[tuple[float, float], NotebookNode]] = []
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
            placed.append((moved.get(index, (index, 1)), _as_released(released, cell.source)))
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
        lost = []
        for released in gone:
            inside = [i for i in self._answers(released) if i in self.taken]
            if inside and released.names <= set().union(elsewhere, *(self.written[i] for i in inside)):
                self.notes.append(
                    f"Cell '{released.grade_id}' is missing; its answer was found in {self._places(inside)}."
                )
            elif not released.names or not released.names <= elsewhere:
                lost.append(released.grade_id)
        if lost:
            self.notes.append(
                f"Exercise cells are missing from the notebook: {_some(lost)}. Copy them from the released notebook "
                "back into yours, answer them there, and hand it in again."
            )
        for index, released in self.taken.items():
            if released.kind != "exercise" or index in self.dropped or not self._is_untouched(index):
                continue
            test = next((c for c in self.reference.tests if c.index > released.index), None)
            below = self._answers(released)
            if test and below and max(below) > self.place.get(test.index, len(self.cells)):
                self.notes.append(
                    f"Your answer to '{released.grade_id}' seems to stand below its test, in {self._places(below)}; "
                    "cells run from top to bottom, so the test sees the empty one."
                )

    def _places(self, indices: list[int]) -> str:
        """Cells for a sentence: by their ids, or by their number from the top."""
        ids = [self.taken[i].grade_id for i in indices if i in self.taken and self.taken[i].grade_id]
        extra = [f"number {i + 1} from the top" for i in indices if i not in self.taken]
        return "cell " + " and cell ".join([*(f"'{name}'" for name in ids), *extra][:4])

    # ------------------------------------------------------------------------------------------------ order

    def _moved(self) -> dict[int, tuple[float, float]]:
        """The places of exercises that stand below their own test, where these can safely be put right."""
        placed = [i for i in sorted(self.taken) if i not in self.dropped]
        kept = {placed[n] for n in _longest_rising([self.taken[i].index for i in placed])}
        ordered = 2 * len(kept) > len(placed)
        found: dict[int, tuple[float, float]] = {}
        left: list[str] = []
        for index in placed:
            released = self.taken[index]
            test = next((c for c in self.reference.tests if c.index > released.index), None)
            at = self.place.get(test.index) if test else None
            if released.kind != "exercise" or at is None or at > index or self._is_untouched(index):
                continue
            moves, stays = (index, at) if at in kept else (at, index)
            after = min((i for i in kept if self.taken[i].index > self.taken[moves].index), default=len(self.cells))
            if (
                not ordered
                or stays not in kept
                or moves in kept
                or (moves == index and not self._may_run(index, after))
            ):
                left.append(released.grade_id)
                continue
            found[moves] = (after - 0.5, 1 + self.taken[moves].index / len(self.reference.cells))
            what = "it was" if moves == index else "the test was"
            self.notes.append(
                f"Cell '{released.grade_id}' stood below its test '{test.grade_id}'; {what} run at its place in the "
                "released notebook."
            )
        if left:
            self.notes.append(
                f"Exercise cells stand below their tests: {_some(left)}. Cells run from top to bottom, so the tests do "
                "not see these answers; put the cells back in the order of the released notebook."
            )
        return found

    def _may_run(self, index: int, place: int) -> bool:
        """Whether a cell can run before the one at `place` as it did where it stands."""
        needed = names_needed_at_once(self.cells[index].source)
        if needed is None or self._answers(self.taken[index]):
            return False
        between = range(place, index)
        theirs = [i for i in between if i not in self.taken or self.taken[i].kind == "exercise"]
        return not any(self.names[i] & needed for i in theirs)

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


def _longest_rising(numbers: list[int]) -> list[int]:
    """The places of a longest subsequence that rises: what is left of a sequence when the moved ones are out."""
    ends: list[int] = []  # for each length the place where the lowest such subsequence ends
    before: list[int] = []
    for place, number in enumerate(numbers):
        length = bisect.bisect_left(ends, number, key=numbers.__getitem__)
        before.append(ends[length - 1] if length else -1)
        ends[length : length + 1] = [place]
    found, place = [], ends[-1] if ends else -1
    while place >= 0:
        found.append(place)
        place = before[place]
    return found[::-1]


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
