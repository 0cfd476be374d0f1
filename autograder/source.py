"""Read a chapter's source: a jupytext percent text with short cell metadata.

    # %% [markdown]
    # %% setup=true                         the one set-up cell, locked
    # %% given="draw-graph"                 locked code that later cells or tests need
    # %%                                    plain code, unlocked
    # %% demo=true                          figure, widget or ungraded experiment, skipped while grading
    # %% exercise="ex1-gradient"            answer cell, holds ### BEGIN SOLUTION ... ### END SOLUTION
    # %% test="ex1-gradient-test" points=4 exercise_no=1

Two flags go with any kind of code cell: `varies=true` (the output depends on the preset or the machine; it is
not compared when the notebook is replayed) and `raises=true` (the cell fails on purpose, to show a message).

`read_source` returns the cells with everything checked that can be checked without running them, so that a
slip in the text is told in words with its line instead of surfacing later as a wrong notebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import jupytext

from autograder.course import CHAPTERS, Chapter, chapter

KINDS = ("markdown", "setup", "given", "plain", "demo", "exercise", "test")
SOLUTION = ("BEGIN SOLUTION", "END SOLUTION")
HIDDEN = ("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")

_KIND_KEYS = {"setup": bool, "demo": bool, "given": str, "exercise": str, "test": str}
_TEST_KEYS = {"points", "exercise_no"}
_FLAG_KEYS = {"varies", "raises"}
_RESERVED = {"setup"}
_JUPYTEXT_KEYS = {"lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker"}
_ID = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_CELL_START = re.compile(r"#\s*%%(?!%)")
_IMPORTS_AUTOGRADER = re.compile(r"^\s*(from|import)\s+autograder\b", re.MULTILINE)
_HEADING = re.compile(r"# \S")
_FENCE = re.compile(r"\s*(```|~~~)")


class SourceError(ValueError):
    """A chapter's source breaks the rules of the format; the message names file, line and what to do."""


@dataclass(frozen=True)
class SourceCell:
    """One cell of a chapter's source.

    `kind` is one of `KINDS`; `id` the grade id of a given, exercise or test cell (else None); `points` and
    `exercise_no` belong to test cells; `text` is the cell's source as the instructor sees it; `index` its
    position among all cells, `line` the line of its `# %%` in the file (0 where unknown).
    """

    kind: str
    id: str | None
    points: int | None
    text: str
    index: int
    exercise_no: int | None = None
    line: int = 0
    varies: bool = False
    raises: bool = False

    @property
    def is_code(self) -> bool:
        """Whether the cell runs."""
        return self.kind != "markdown"

    @property
    def visible(self) -> str:
        """The text without its hidden-test regions: what a student sees of a test cell."""
        return "\n".join(_outside(self.text, HIDDEN))

    @property
    def hidden(self) -> str:
        """The text of the hidden-test regions, without the markers; empty where there is none."""
        return "\n".join(_inside(self.text, HIDDEN))

    @property
    def solution(self) -> str:
        """The text of the solution regions, without the markers; empty where there is none."""
        return "\n".join(_inside(self.text, SOLUTION))

    @property
    def stub(self) -> str:
        """What a student finds in the cell: each solution region replaced by nbgrader's stub."""
        lines, within = [], False
        for line in self.visible.split("\n"):
            if SOLUTION[0] in line:
                within = True
                indent = line[: len(line) - len(line.lstrip())]
                lines.extend(indent + stub for stub in STUB)
            elif SOLUTION[1] in line:
                within = False
            elif not within:
                lines.append(line)
        return "\n".join(lines)


def read_source(which: Chapter | str | Path, *, check_points: bool = True) -> list[SourceCell]:
    """The checked cells of a chapter, given as `Chapter`, as its name, or as the path of a source file.

    `check_points=False` lets the points differ from the chapter's total (a chapter being written).
    A path outside the chapter list is held to 100 points. Raises `SourceError` for a slip in the source,
    `FileNotFoundError` if there is no source and `KeyError` for an unknown name.
    """
    if isinstance(which, Path):
        path = which
        total = next((c.points for c in CHAPTERS if c.source == path.resolve()), 100)
    else:
        item = chapter(which) if isinstance(which, str) else which
        path, total = item.source, item.points
    text = path.read_text(encoding="utf-8")
    return parse_source(text, name=path.name, points=total if check_points else None)


def parse_source(text: str, *, name: str = "source", points: int | None = None) -> list[SourceCell]:
    """The checked cells of a percent-format text.

    `name` stands in error messages; `points` is the sum that the test cells must reach (None: any).
    Raises `SourceError`.
    """
    raw = jupytext.reads(text, fmt="py:percent").cells
    lines = _cell_lines(text, len(raw))
    cells = []
    for index, (cell, line) in enumerate(zip(raw, lines, strict=True)):
        where = f"{name}, line {line}" if line else f"{name}, cell {index + 1}"
        cells.append(_checked_cell(cell, index, line, where))
    _check_whole(cells, name, points)
    return cells


def _cell_lines(text: str, count: int) -> list[int]:
    """The line of each cell's marker, or zeros if markers and cells cannot be matched one to one."""
    found = [number for number, line in enumerate(text.split("\n"), 1) if _CELL_START.match(line)]
    return found if len(found) == count else [0] * count


def _checked_cell(cell, index: int, line: int, where: str) -> SourceCell:
    meta = {key: value for key, value in cell.metadata.items() if key not in _JUPYTEXT_KEYS}
    if "title" in meta:
        raise SourceError(
            f"{where}: '# %% {meta['title']}' is read as a title; write metadata as key=value (demo=true)"
        )
    unknown = sorted(set(meta) - set(_KIND_KEYS) - _TEST_KEYS - _FLAG_KEYS)
    if unknown:
        known = ", ".join([*_KIND_KEYS, *sorted(_TEST_KEYS | _FLAG_KEYS)])
        raise SourceError(f"{where}: unknown metadata key {unknown[0]!r}; known keys: {known}")
    kinds = [key for key in _KIND_KEYS if key in meta]
    if len(kinds) > 1:
        raise SourceError(f"{where}: a cell has one kind, this one has {' and '.join(kinds)}")
    if cell.cell_type != "code":
        if meta:
            raise SourceError(f"{where}: text cells take no metadata, found {sorted(meta)[0]!r}")
        if cell.cell_type != "markdown":
            raise SourceError(f"{where}: {cell.cell_type} cells are not part of the format")
        _check_regions(cell.source, "markdown", where)
        return SourceCell("markdown", None, None, cell.source, index, line=line)

    kind = kinds[0] if kinds else "plain"
    value = meta.get(kind)
    for key in sorted(set(meta) & (_FLAG_KEYS | {k for k, v in _KIND_KEYS.items() if v is bool})):
        if meta[key] is not True:
            raise SourceError(f"{where}: write {key}=true, not {key}={meta[key]!r}")
    if kinds and _KIND_KEYS[kind] is str and not (isinstance(value, str) and _ID.fullmatch(value)):
        raise SourceError(f"{where}: {kind}={value!r} is no id; ids are letters, digits and single dashes")
    cell_id = value if isinstance(value, str) else None
    if cell_id in _RESERVED or (cell_id and len(cell_id) > 64):
        raise SourceError(f"{where}: the id {cell_id!r} is taken or longer than 64 characters")
    points, number = meta.get("points"), meta.get("exercise_no")
    if kind == "test":
        if not _is_count(points):
            raise SourceError(f"{where}: test {cell_id!r} needs points=<whole number>, found {points!r}")
        if not cell_id.endswith("-test"):
            raise SourceError(f"{where}: the id of a test cell ends in -test, found {cell_id!r}")
        if number is not None and not _is_count(number):
            raise SourceError(f"{where}: exercise_no is a whole number, found {number!r}")
    elif _TEST_KEYS & set(meta):
        key = sorted(_TEST_KEYS & set(meta))[0]
        raise SourceError(f"{where}: {key} belongs to test cells, this is a {kind} cell")
    _check_regions(cell.source, kind, where)
    made = SourceCell(
        kind,
        cell_id,
        points,
        cell.source,
        index,
        exercise_no=number,
        line=line,
        varies="varies" in meta,
        raises="raises" in meta,
    )
    if _IMPORTS_AUTOGRADER.search(made.visible):
        raise SourceError(f"{where}: students have no autograder package; import it in hidden tests only")
    return made


def _is_count(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_regions(text: str, kind: str, where: str) -> None:
    """Markers come in pairs, stand alone on their line, do not nest, and only where they belong."""
    home = {SOLUTION[0]: "exercise", HIDDEN[0]: "test"}
    for begin, end in (SOLUTION, HIDDEN):
        opened = False
        regions = 0
        for line in text.split("\n"):
            if begin not in line and end not in line:
                continue
            if kind != home[begin]:
                raise SourceError(
                    f"{where}: {line.strip()!r} stands in a {kind} cell, it belongs in {home[begin]} cells"
                )
            marker = begin if begin in line else end
            if line.strip() != f"### {marker}":
                raise SourceError(f"{where}: write '### {marker}' alone on its line, found {line.strip()!r}")
            if (marker == begin) == opened:
                problem = "before the first one ended" if opened else f"without {begin}"
                raise SourceError(f"{where}: {marker} {problem}")
            opened = marker == begin
            regions += opened
        if opened:
            raise SourceError(f"{where}: {begin} without {end}")
        if begin == SOLUTION[0] and kind == "exercise" and not regions:
            raise SourceError(
                f"{where}: an exercise cell needs a ### {begin} region; without one nbgrader would replace "
                "the whole cell, docstring included"
            )


def _check_whole(cells: list[SourceCell], name: str, points: int | None) -> None:
    seen: dict[str, SourceCell] = {}
    for cell in cells:
        if cell.id is None:
            continue
        if cell.id in seen:
            raise SourceError(
                f"{name}, line {cell.line}: id {cell.id!r} is taken by the cell at line {seen[cell.id].line}"
            )
        seen[cell.id] = cell
    setups = [cell for cell in cells if cell.kind == "setup"]
    if len(setups) > 1:
        raise SourceError(f"{name}, line {setups[1].line}: a second set-up cell; a chapter has one")
    headings = [cell for cell in cells for _ in first_level_headings(cell)]
    if len(headings) > 1:
        where = f"{name}, line {headings[1].line}"
        raise SourceError(f"{where}: a second first-level heading; use ## from here on")
    if points is not None:
        total = sum(cell.points or 0 for cell in cells)
        if total != points:
            raise SourceError(f"{name}: the test cells add up to {total} points, the chapter has {points}")


def first_level_headings(cell: SourceCell) -> list[str]:
    """The lines of a markdown cell that start a first-level heading (`# ...`), code fences left out."""
    return markdown_headings(cell.text) if cell.kind == "markdown" else []


def markdown_headings(text: str) -> list[str]:
    """The first-level `# ...` lines of a markdown text, code fences left out."""
    found, fenced = [], False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and _HEADING.match(line):
            found.append(line)
    return found


def points_by_exercise(cells: Iterable[SourceCell]) -> dict[int, int]:
    """Points per exercise number, in the order of the numbers; tests without a number count as 0."""
    table: dict[int, int] = {}
    for cell in cells:
        if cell.kind == "test":
            table[cell.exercise_no or 0] = table.get(cell.exercise_no or 0, 0) + (cell.points or 0)
    return dict(sorted(table.items()))


def _split(text: str, markers: tuple[str, str]):
    """Yield (within region, line) for every line that is not a marker."""
    within = False
    for line in text.split("\n"):
        if markers[0] in line:
            within = True
        elif markers[1] in line:
            within = False
        else:
            yield within, line


def _inside(text: str, markers: tuple[str, str]) -> list[str]:
    return [line for within, line in _split(text, markers) if within]


def _outside(text: str, markers: tuple[str, str]) -> list[str]:
    return [line for within, line in _split(text, markers) if not within]
