"""What the released notebook says about each of its cells: the yardstick for a submitted one.

A submission is never believed about ids, points, types or locks; all of that comes from here.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import nbformat
from nbformat import NotebookNode

from autograder.course import CHAPTERS
from autograder.reading import RawCell

_TOP_LEVEL_NAME = re.compile(r"^(?:def|class)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE)
_PARSED_CHARACTERS = 200_000
_SETUP_LINE = re.compile(r"""^[^#\n]*\bsetup\(\s*["'](\w+)["']""", re.MULTILINE)
# Ids that chapters share say nothing of which chapter it is.
_SHARED_ID = re.compile(r"setup|q\d+(?:-test)?|alone(?:-\d+)?")
_MAGIC = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)
CLEAR = 3  # so many cells that only one chapter has leave no doubt
_TELLING = 20  # characters of a cell that can be recognised by its text


def normalised(source: str) -> str:
    """A cell's source without what editors and copying change: trailing blanks, empty ends, odd spaces."""
    source = source.replace("\N{NO-BREAK SPACE}", " ").replace("\N{ZERO WIDTH NO-BREAK SPACE}", "")
    return "\n".join(line.rstrip() for line in source.expandtabs(4).strip("\n").split("\n")).strip("\n")


# What is worked out of a cell's text is kept: most cells of a submission are those of all others, and the student's own
# are asked for several times.
_kept = functools.lru_cache(maxsize=1024)


@_kept
def defined_names(source: str) -> frozenset[str]:
    """The names of functions, classes and variables that a code cell defines at its top level.

    Falls back to a pattern where the code does not parse (a syntax error, a magic line).
    """
    try:
        if len(source) > _PARSED_CHARACTERS:
            raise MemoryError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd escapes in a student's strings are not our business
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset(a or b for a, b in _TOP_LEVEL_NAME.findall(source))
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
    return frozenset(names)


@_kept
def definitions(source: str) -> Mapping[str, str]:
    """For each name that a code cell defines at its top level, what it is last set to, in a form to compare.

    Comments and layout do not matter. Names that are only announced (a stub's `raise`, `pass`, `...`) are left
    out, and so is everything where the code does not parse.
    """
    found: dict[str, str] = {}
    for node in _statements(source):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.pop(node.name, None)
            if not _is_open(node):
                found[node.name] = _dump(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)]
            found |= dict.fromkeys(names, _dump(node))
    return MappingProxyType(found)


def is_same_code(source: str, other: str) -> bool:
    """Whether two code cells differ at most in comments and layout."""
    return _code(source) != () and _code(source) == _code(other)


@_kept
def _code(source: str) -> tuple[str, ...]:
    """The statements of a code cell, in a form to compare."""
    return tuple(map(_dump, _statements(source)))


def _dump(node: ast.AST) -> str:
    try:
        return ast.dump(node)
    except RecursionError:  # an expression of thousands of terms
        return f"at line {getattr(node, 'lineno', 0)}"


def _statements(source: str) -> list[ast.stmt]:
    """The statements of a code cell at its top level, without IPython's magics; none where it does not parse."""
    if len(source) > _PARSED_CHARACTERS:
        return []
    for text in (source, _MAGIC.sub(r"\1pass", source)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(text).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return []


def _is_open(node: ast.stmt) -> bool:
    """Whether nothing was written in a function, or in any of a class's functions."""
    body = [n for n in node.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    if isinstance(node, ast.ClassDef):
        return all(isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and _is_open(n) for n in body)
    return all(isinstance(n, ast.Pass) or (isinstance(n, ast.Raise) and "NotImpl" in _dump(n)) for n in body)


def names_needed_at_once(source: str) -> frozenset[str] | None:
    """The names that a cell reads while it runs, not only when its functions are called; None if unknown."""
    statements = _statements(source)
    if not statements and source.strip():
        return None
    found: set[str] = set()
    todo: list[ast.AST] = list(statements)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            found |= {node.id} if isinstance(node.ctx, ast.Load) else set()
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            todo += [node.args, *node.decorator_list, *([node.returns] if node.returns else [])]
            continue
        elif isinstance(node, ast.Lambda):
            todo.append(node.args)
            continue
        todo += ast.iter_child_nodes(node)
    return frozenset(found)


@dataclass(frozen=True)
class ReferenceCell:
    """One cell of the released notebook.

    `kind` is the builder's (setup, given, plain, demo, exercise, test, markdown); `grade_id` is None for
    cells that nbgrader does not know; `heading` is the section it stands in; `names` are what the cell defines
    at its top level.
    """

    index: int
    node: NotebookNode
    kind: str
    grade_id: str | None
    points: float
    heading: str

    @property
    def cell_id(self) -> str | None:
        """The id that Jupyter gives to cells."""
        return self.node.get("id")

    @property
    def locked(self) -> bool:
        """Whether the student may not change the source."""
        return self.grade_id is not None and self.kind != "exercise"

    @cached_property
    def text(self) -> str:
        """The source, normalised for comparison."""
        return normalised(self.node.source)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that the cell defines."""
        return defined_names(self.node.source) if self.node.cell_type == "code" else frozenset()


@dataclass(frozen=True)
class Exercise:
    """The tests of one exercise: a short label for a table's column, and the section's heading."""

    label: str
    title: str
    tests: list[ReferenceCell]

    @property
    def most(self) -> float:
        """The points that can be had."""
        return sum(cell.points for cell in self.tests)


def exercise_label(grade_id: str) -> str:
    """The exercise that a test belongs to, from its id: `ex3-engine-test` is 3, `exA-digits-test` A, `q2-test` Q."""
    match = re.match(r"ex([0-9]+|[A-Z])\b", grade_id)
    if match:
        return match[1]
    return "Q" if re.match(r"q[0-9]+\b", grade_id) else grade_id.removesuffix("-test")


class Reference:
    """The released notebook of one chapter."""

    def __init__(self, notebook: NotebookNode, name: str):
        """`name` is the assignment's name, for messages."""
        self.name = name
        self.metadata = notebook.metadata
        self.cells = tuple(_reference_cells(notebook.cells))
        self.by_grade_id = {cell.grade_id: cell for cell in self.cells if cell.grade_id}
        self.exercise_names = frozenset(name for cell in self.cells if cell.kind == "exercise" for name in cell.names)

    @classmethod
    def read(cls, path: Path, name: str) -> Reference:
        """The reference from a released notebook on disk; `FileNotFoundError` if there is none."""
        return cls(nbformat.read(path, as_version=4), name)

    @property
    def exercises(self) -> list[Exercise]:
        """The graded test cells by exercise, in the order of the notebook."""
        found: dict[str, Exercise] = {}
        for cell in self.tests:
            label = exercise_label(cell.grade_id or "")
            found.setdefault(label, Exercise(label, cell.heading, [])).tests.append(cell)
        return list(found.values())

    @property
    def tests(self) -> list[ReferenceCell]:
        """The graded test cells, in order."""
        return [cell for cell in self.cells if cell.kind == "test"]

    @cached_property
    def marks(self) -> frozenset[tuple[str, str]]:
        """What cells of this chapter can be recognised by: ids, texts, names that exercises define, the set-up line."""
        found = {("setup", self.name)}
        for cell in self.cells:
            found |= {("text", cell.text)} if len(cell.text) >= _TELLING else set()
            found |= {("id", cell.grade_id)} if cell.grade_id and not _SHARED_ID.fullmatch(cell.grade_id) else set()
            found |= {("name", name) for name in cell.names} if cell.kind == "exercise" else set()
        return frozenset(found)

    def is_shared(self, grade_id: str) -> bool:
        """Whether cells of this id are in many chapters."""
        return bool(_SHARED_ID.fullmatch(grade_id))

    @cached_property
    def all_names(self) -> frozenset[tuple[str, str]]:
        """The names that any cell defines, as marks."""
        return frozenset(("name", name) for cell in self.cells for name in cell.names)

    def signature(self, cell: ReferenceCell) -> frozenset[str]:
        """The names by which an exercise cell can be recognised: those that no other exercise defines."""
        others = {n for c in self.cells if c.kind == "exercise" and c is not cell for n in c.names}
        return cell.names - others


def own_cells(cells: Sequence[RawCell], references: Sequence[Reference | None]) -> list[int]:
    """For each chapter the number of submitted cells that can only be its own; 0 where there is no chapter.

    A cell that claims the id of one chapter counts for no other. Ids that many chapters have say nothing.
    """
    return _counts(cells, _own_marks(references))


def _counts(cells: Sequence[RawCell], own: Sequence[frozenset[tuple[str, str]]]) -> list[int]:
    """For each chapter's own marks the number of cells that have them."""
    counts = [0] * len(own)
    for cell in cells:
        marks = _marks(cell)
        claimed = {mark for mark in marks if mark[0] == "id"}
        by_id = [n for n, known in enumerate(own) if claimed & known]
        for n in by_id or [n for n, known in enumerate(own) if marks & known]:
            counts[n] += 1
    return counts


def other_chapter(cells: Sequence[RawCell], reference: Reference) -> str | None:
    """The chapter that a submitted notebook belongs to, if that is clearly not the reference's, else None.

    One cell that only the reference's chapter can have, by its id or its text, is enough for it, and one or two
    cells of another say nothing: they may have been pasted.
    """
    known = [other for other in _released_chapters() if other.name != reference.name]
    marks = _own_marks([reference, *known])
    own, *counts = _counts(cells, marks)
    strong = {mark for mark in marks[0] if mark[0] != "name"}
    best = max(range(len(known)), key=counts.__getitem__, default=None)
    if best is None or counts[best] < CLEAR or counts[best] <= 10 * own or any(_marks(cell) & strong for cell in cells):
        return None
    return known[best].name


@functools.cache
def _released_chapters() -> tuple[Reference, ...]:
    built = (chapter for chapter in CHAPTERS if chapter.student_notebook.exists())
    return tuple(Reference.read(chapter.student_notebook, chapter.folder) for chapter in built)


def _own_marks(references: Sequence[Reference | None]) -> list[frozenset[tuple[str, str]]]:
    """For each chapter the marks that no other has."""
    own = []
    for reference in references:
        others = [other.marks | other.all_names for other in references if other and other is not reference]
        own.append(reference.marks.difference(*others) if reference else frozenset())
    return own


def _marks(cell: RawCell) -> set[tuple[str, str]]:
    found = {("text", normalised(cell.source))}
    if cell.grade_id:
        found.add(("id", cell.grade_id))
    if cell.cell_type == "code":
        found |= {("name", name) for name in defined_names(cell.source)}
        found |= {("setup", name) for name in _SETUP_LINE.findall(cell.source)}
    return found


def _reference_cells(cells: Iterable[NotebookNode]) -> Iterable[ReferenceCell]:
    heading = ""
    for index, node in enumerate(cells):
        meta = node.metadata.get("nbgrader", {})
        kind = node.metadata.get("coursekit", {}).get("kind") or _kind_from_nbgrader(node, meta)
        if node.cell_type == "markdown":
            lines = [line for line in node.source.split("\n") if re.match(r"#{1,2} \S", line)]
            heading = lines[-1].lstrip("# ").strip() if lines else heading
        points = float(meta.get("points", 0) or 0) if meta.get("grade") else 0.0
        yield ReferenceCell(index, node, kind, meta.get("grade_id"), points, heading)


def _kind_from_nbgrader(node: NotebookNode, meta: dict) -> str:
    """The kind of a cell that does not say it: notebooks that were not built by this project's builder."""
    if node.cell_type != "code":
        return "markdown"
    if meta.get("solution"):
        return "exercise"
    if meta.get("grade"):
        return "test"
    return "given" if meta.get("locked") else "plain"
