"""A class to try grading on: ten students with the mistakes, repairs and damages that real classes have.

Nothing of it is kept: every notebook is made from the built student notebook and the reference solutions, wrong
answers from the chapter's list of misconceptions. So the example class is never out of date with the chapter.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.course import Chapter
from autograder.judge.record import content_key
from autograder.layout import ClassFolder
from autograder.source import SOLUTION, read_source
from autograder.variants import misconceptions, source_of

CHAPTER = "02_backprop"
_BROKEN_SETUP = "import backprop_helpers_that_nobody_else_has\n"


@dataclass(frozen=True)
class ExampleStudent:
    """One student: `wrong` answers as exercise/name of the chapter's misconceptions, exercises left `open`, and
    what happened to the file (`damage`, of the notebook and the released one)."""

    name: str
    wrong: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    damage: Callable[[NotebookNode, NotebookNode], NotebookNode | bytes] = field(default=lambda mine, released: mine)


def _edited_setup(notebook: NotebookNode, released: NotebookNode) -> NotebookNode:
    """Changed the locked set-up cell, which now fails."""
    cell = next(c for c in notebook.cells if c.metadata.get("coursekit", {}).get("kind") == "setup")
    cell.source = _BROKEN_SETUP + cell.source
    return notebook


def _through_colab(notebook: NotebookNode, released: NotebookNode) -> NotebookNode:
    """Saved by a tool that drops what it does not know: no nbgrader metadata, new cell ids, no kernel."""
    for number, cell in enumerate(notebook.cells):
        cell.metadata = NotebookNode({"id": f"{number:012x}"})
        cell["id"] = f"{number:08x}"
    notebook.metadata = NotebookNode({"colab": {"provenance": []}, "kernelspec": {"name": "python3"}})
    return notebook


def _copied_and_moved(notebook: NotebookNode, released: NotebookNode) -> NotebookNode:
    """Pasted an exercise's empty cell below the answer, changed a test cell, deleted another."""
    by_id = {c.metadata.get("nbgrader", {}).get("grade_id"): c for c in notebook.cells}
    place = notebook.cells.index(by_id["ex5-tanh"])
    pasted = copy.deepcopy(released.cells[place])
    pasted["id"] = "pasted"
    notebook.cells.insert(place + 1, pasted)
    by_id["ex5-relu-test"].source = 'print("looks right to me")'
    notebook.cells.remove(by_id["ex6-mse-test"])
    return notebook


def _cut_off(notebook: NotebookNode, released: NotebookNode) -> bytes:
    """The upload broke off."""
    text = nbformat.writes(notebook).encode("utf-8")
    return text[: len(text) * 2 // 3]


def _nothing(notebook: NotebookNode, released: NotebookNode) -> bytes:
    """An empty file."""
    return b""


STUDENTS = (
    ExampleStudent("Amara Okafor"),
    ExampleStudent("Chloé Martin", wrong=("ex5-maxout/bias-forgotten",), damage=_through_colab),
    ExampleStudent("Ingrid Solberg", damage=_copied_and_moved),
    ExampleStudent("Jonas Berg", wrong=("ex6-bce/gradient-with-the-logit",), damage=_edited_setup),
    ExampleStudent(
        "Lena Fischer",
        wrong=(
            "ex2-branch-graph/last-path-overwrites",
            "ex3-engine-indexing/gradient-assigned-at-the-index",
            "ex6-linear/db-averaged",
            "q5/one-edge",
        ),
    ),
    ExampleStudent(
        "Mateo García",
        wrong=(
            "ex1-numerical-grad/central-divided-by-h",
            "ex2-branch-graph/last-path-overwrites",
            "ex5-elu/cases-exchanged",
            "ex6-mse/mean-over-all-entries",
            "q1/sign-lost",
            "q4/zero",
        ),
    ),
    ExampleStudent("Omar Haddad", damage=_cut_off),
    ExampleStudent("Priya Raman", open=("ex3-engine-matmul",)),
    ExampleStudent("Sofia Rossi", damage=_nothing),
    ExampleStudent(
        "Yuki Tanaka",
        wrong=(
            "ex2-gate-backward/max-to-both",
            "ex3-engine-reductions/max-copies-to-all-ties",
            "ex7-train-epoch/shuffles-x-only",
            "ex8-count-pieces/counts-knots",
        ),
    ),
)


def make_example_class(folder: ClassFolder, chapters: Sequence[Chapter]) -> Path:
    """Write the example class's uploads into the class folder; return where they are.

    A class folder of an older state of the chapter is emptied first: its grades would no longer fit. Raises
    `FileNotFoundError` if the chapter is not built, `ValueError` if it is not among `chapters` or the folder holds
    something else, `Busy` while another process grades there.
    """
    chapter = next((c for c in chapters if c.folder == CHAPTER), None)
    if chapter is None:
        raise ValueError(f"the example class has submissions of {CHAPTER} only")
    uploads, stamp = folder.path / "uploads", folder.path / "made-from.txt"
    made = files_of(chapter)
    basis = content_key(chapter.student_notebook.read_bytes(), *made, *made.values())
    if stamp.exists() and stamp.read_text(encoding="utf-8") == basis:
        return uploads
    if not stamp.exists() and folder.path.exists() and any(folder.path.iterdir()):
        raise ValueError(f"{folder.path.name} holds something else than an example class; name another folder")
    with folder.locked():
        _empty(folder)
        uploads.mkdir()
        for name, content in made.items():
            (uploads / name).write_bytes(content)
        stamp.write_text(basis, encoding="utf-8")
    return uploads


def _empty(folder: ClassFolder) -> None:
    """Remove everything but the lock that is held."""
    for place in (folder.path, folder.grading):
        for path in place.iterdir():
            if path in (folder.grading, folder.lock_file):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def files_of(chapter: Chapter) -> dict[str, bytes]:
    """File name to content, byte by byte, for every student."""
    cells = read_source(chapter)
    released = nbformat.read(chapter.student_notebook, as_version=4)
    known = {wrong.id: wrong for wrong in misconceptions(chapter.folder)}
    files = {}
    for student in STUDENTS:
        answers = {cell.id: cell.text for cell in cells if cell.kind == "exercise" and cell.id not in student.open}
        for name in student.wrong:
            answers |= source_of(known[name], cells)
        left = student.damage(_answered(released, answers), released)
        if not isinstance(left, bytes):
            left = (json.dumps(left, indent=1, ensure_ascii=False) + "\n").encode()
        files[f"{student.name.replace(' ', '_')}_{chapter.topic}.ipynb"] = left
    return files


def _answered(released: NotebookNode, answers: dict[str | None, str]) -> NotebookNode:
    """The released notebook with these answers in its exercise cells; the others stay open."""
    notebook = copy.deepcopy(released)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in answers:
            cell.source = _without_markers(answers[grade_id])
    return notebook


def _without_markers(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not any(marker in line for marker in SOLUTION))
