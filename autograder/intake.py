"""Lay out a class's submissions as nbgrader wants them, whatever they were exported from.

    nbgrader   <student>/02_backprop/backprop.ipynb                       (also below submitted/)
    Moodle     Jane Doe_12345_assignsubmission_file_/backprop.ipynb       (folders or one flat archive)
    Canvas     doejane_LATE_12345_67890_backprop-1.ipynb
    folders    Jane Doe/backprop.ipynb,  Jane Doe.zip
    flat       jane_doe_backprop.ipynb,  02_backprop - Jane Doe (1).ipynb

Whose file it is comes from names; of several files of one student the newest counts. Everything is recorded in
`uploads.csv`: which file became which student, and which file was not used and why. The input is only read.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import shutil
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from autograder.course import Chapter
from autograder.layout import ClassFolder
from autograder.owners import Named, known_chapters, named
from autograder.reading import MAX_BYTES, Unreadable, read_cells
from autograder.reference import CLEAR, Reference, own_cells
from autograder.tables import write_csv
from autograder.unpack import COMPANIONS, Found, gather, no_notebook, visible

MAX_COMPANION = 1000
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d|feedback)", re.IGNORECASE)


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one chapter.

    `path` is the file under the class folder, or None where there is nothing to grade because of `problem`.
    `name` is the student's name as the input spelled it, `platform_id` a learning platform's number, if any.
    """

    student: str
    chapter: Chapter
    path: Path | None
    origin: str
    name: str = ""
    platform_id: str = ""
    modified: datetime | None = None
    late: bool = False
    notes: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Intake:
    """All submissions, by chapter and student, and (origin, reason) of the files that were not used."""

    submissions: tuple[Submission, ...]
    unused: tuple[tuple[str, str], ...] = ()


def take_in(
    source: Path,
    folder: ClassFolder,
    chapters: Sequence[Chapter],
    assignment: Chapter | None = None,
) -> Intake:
    """Lay out what lies in `source` (folder, zip archive or notebook) under `folder.submitted`.

    `assignment` says which chapter all files belong to; without it names and contents tell. Files of chapters
    that are not in `chapters` are not used. Raises `FileNotFoundError` or `ValueError` for an unusable `source`.
    """
    in_place = source.exists() and source.resolve() == folder.submitted.resolve()
    incoming = folder.grading / "incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    try:
        files = list(gather(source, incoming))
        intake = _sorted_out(files, chapters, assignment, in_place)
        laid_out = tuple(_lay_out(item, folder, source if in_place else None, files) for item in intake.submissions)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    intake = replace(intake, submissions=laid_out)
    write_mapping(folder.grading / "uploads.csv", intake)
    return intake


# ------------------------------------------------------------------------------------------------- sorting out


def _sorted_out(
    files: list[Found], chapters: Sequence[Chapter], assignment: Chapter | None, in_place: bool = False
) -> Intake:
    unused: list[tuple[str, str]] = []
    usable: list[Named] = []
    useless: list[Named] = []  # of students whom a platform names
    contents = Contents(known_chapters(chapters))
    for item in named(files, chapters, in_place):
        if item.found.parts[-1] in COMPANIONS or (item.exact_id and item.chapter not in chapters):
            continue
        item, reason = _with_chapter(item, chapters, assignment, contents)
        if not reason:
            usable.append(item)
        elif item.is_identified:
            useless.append(replace(item, reason=reason))
        elif not item.found.aside:
            unused.append((item.found.origin, reason))
    main = assignment or _most_frequent(usable, chapters)
    have = {(item.name, item.platform_id) for item in usable}
    for item in useless:
        if item.exact_id or (item.name, item.platform_id) not in have:
            usable.append(replace(item, chapter=item.chapter if item.exact_id else main))
        elif not item.found.aside:
            unused.append((item.found.origin, item.reason))
    submissions = []
    for student, items in _by_student(usable).items():
        by_chapter: dict[Chapter, list[Named]] = defaultdict(list)
        for item in items:
            by_chapter[item.chapter].append(item)
        submissions += [_chosen(student, chapter, group, unused, contents) for chapter, group in by_chapter.items()]
    submissions.sort(key=lambda s: (s.chapter.folder, s.student))
    return Intake(tuple(submissions), tuple(sorted(unused)))


def _with_chapter(
    item: Named, chapters: Sequence[Chapter], assignment: Chapter | None, contents: Contents
) -> tuple[Named, str]:
    """The item with the chapter that it belongs to, and the reason why it cannot be used, if so."""
    found = item.found
    if found.file is None or not found.is_notebook:
        return item, found.reason or no_notebook(found.parts[-1])
    if not item.name:
        return item, (
            "no student's name in it: put the student's name into the file's name, "
            "or put the file into a folder that is called like the student"
        )
    chapter = assignment or item.chapter or _chapter_of(item, chapters, contents)
    if chapter is None:
        return item, "not clear which chapter it belongs to; say so with --assignment"
    if chapter not in chapters:
        return item, f"belongs to {chapter.folder}, which is not graded now"
    return replace(item, chapter=chapter), ""


def _most_frequent(items: list[Named], chapters: Sequence[Chapter]) -> Chapter:
    """The chapter of an export, for students of whom nothing can be used."""
    counts = Counter(item.chapter for item in items)
    return max(chapters, key=lambda chapter: counts[chapter])


def _chapter_of(item: Named, chapters: Sequence[Chapter], contents: Contents) -> Chapter | None:
    """The chapter that names or the content point to; the content decides where it is clear."""
    by_name = _chapter_by_name(item, chapters)
    if by_name is None and len(chapters) == 1:
        by_name = chapters[0] if contents.chapter(item.found.file) in (None, *chapters) else None
    if len(chapters) == 1 and by_name in chapters:
        return by_name
    clear = contents.clear_chapter(item.found.file)
    if clear in chapters or (clear and by_name is None):
        return clear
    return by_name or contents.chapter(item.found.file)


def _chapter_by_name(item: Named, chapters: Sequence[Chapter]) -> Chapter | None:
    parts = (item.rest, *reversed(item.found.parts[:-1]))
    return next((c for part in parts for c in known_chapters(chapters) if _names(part, c)), None)


def _names(part: str, chapter: Chapter) -> bool:
    """Whether a file's or folder's name holds the chapter's."""
    pattern = re.escape(chapter.topic).replace("_", r"[\s_-]*")
    return bool(re.search(rf"(?<![^\W\d_]){pattern}(?![^\W\d_])", part, re.IGNORECASE))


class Contents:
    """Which chapter a notebook belongs to by its cells; every file is read once."""

    def __init__(self, chapters: Sequence[Chapter]):
        self.chapters = chapters
        self._found: dict[Path, dict[Chapter, int] | None] = {}

    def cells_of(self, file: Path | None) -> dict[Chapter, int] | None:
        """For each chapter the number of cells that are its own; None if the file cannot be read."""
        if file not in self._found:
            try:
                cells, _ = read_cells(file) if file else ([], [])
            except Unreadable:
                self._found[file] = None
            else:
                self._found[file] = dict(zip(self.chapters, own_cells(cells, self._references), strict=True))
        return self._found[file]

    @cached_property
    def _references(self) -> list[Reference | None]:
        there = (chapter.student_notebook.exists() for chapter in self.chapters)
        return [
            Reference.read(chapter.student_notebook, chapter.folder) if built else None
            for chapter, built in zip(self.chapters, there, strict=True)
        ]

    def chapter(self, file: Path | None) -> Chapter | None:
        """The chapter of most cells, if any cell is a chapter's own."""
        counts = self.cells_of(file) or {}
        best = max(counts, key=counts.__getitem__, default=None)
        return best if best and counts[best] else None

    def clear_chapter(self, file: Path | None) -> Chapter | None:
        """The chapter of the content, if there is no doubt about it."""
        best, counts = self.chapter(file), self.cells_of(file) or {}
        others = max((n for chapter, n in counts.items() if chapter is not best), default=0)
        return best if best and counts[best] >= max(CLEAR, 3 * others) else None

    def fits(self, item: Named, chapter: Chapter) -> bool:
        """Whether the file's own name or its content says that it is the chapter's, and nothing says otherwise."""
        clear = self.clear_chapter(item.found.file)
        own = (self.cells_of(item.found.file) or {}).get(chapter, 0)
        return clear == chapter or (clear is None and (own > 0 or _names(item.rest, chapter)))


# ------------------------------------------------------------------------------------------- student's ids


def student_id(name: str) -> str:
    """A name as an id that is safe as a folder on every system and in nbgrader's patterns; may be empty."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).lower())
    text = re.sub(r"[\W_]+", "-", text).strip("-")[:60].strip("-")
    return f"student-{text}" if _RESERVED.fullmatch(text) else text


def _is_safe_id(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", name)) and not (
        name.endswith(".") or _RESERVED.fullmatch(name.partition(".")[0])
    )


def _by_student(items: list[Named]) -> dict[str, list[Named]]:
    """Files by student id; people and folders of one name are told apart."""
    groups: dict[str, list[Named]] = defaultdict(list)
    for item in items:
        exact = item.exact_id and _is_safe_id(item.name)
        chosen = item.name if exact else student_id(item.name)
        if item.exact_id and not exact:
            note = f"the id {visible(item.name)!r} was changed to {chosen!r}"
            item = replace(item, notes=(note,), owner=(item.name,))
        groups[chosen or "student"].append(item)
    students: dict[str, list[Named]] = {}
    for student, group in groups.items():
        numbers = _several(group, lambda item: item.platform_id)
        folders = not numbers and _several(group, lambda item: item.owner)
        for item in group:
            key = _told_apart(student, item) if numbers or folders else student
            students.setdefault(key, []).append(_with_note(item) if folders and item.owner else item)
    return students


def _several(group: list[Named], mark: Callable[[Named], object]) -> bool:
    """Whether files of one chapter have different marks; files without a mark go with any."""
    per_chapter: dict[Chapter | None, set[object]] = defaultdict(set)
    for item in group:
        per_chapter[item.chapter].add(mark(item))
    return any(len({m for m in marks if m}) > 1 for marks in per_chapter.values())


def _told_apart(student: str, item: Named) -> str:
    """An id of its own for each of several people or folders that share one, the same in every run."""
    if item.platform_id:
        return f"{student}-{item.platform_id}"
    mark = hashlib.sha256("/".join(item.owner).encode()).hexdigest()[:4]
    return f"{student}-{mark}" if item.owner else student


def _with_note(item: Named) -> Named:
    where = visible(" / ".join(item.owner))
    return replace(item, notes=(*item.notes, f"other folders have this name, too; '{where}' is graded for itself"))


def _chosen(
    student: str, chapter: Chapter, group: list[Named], unused: list[tuple[str, str]], contents: Contents
) -> Submission:
    """The newest notebook of a student for a chapter; the others are noted."""
    notebooks = [item for item in group if not item.reason]
    first = group[0]
    late = any(i.late for i in group)
    about = {"name": _person(visible(first.name)), "platform_id": first.platform_id, "late": late}
    if not notebooks:
        origin = "; ".join(i.found.origin for i in group)
        return Submission(student, chapter, None, origin, **about, problem=_nothing_usable(chapter, group))
    if len(notebooks) > 1:
        notebooks.sort(key=lambda item: [value for _, value in _reasons(item, chapter, contents)])
    best = notebooks[-1]
    notes = list(best.notes)
    why = ""
    for other in reversed(notebooks[:-1]):
        same = filecmp.cmp(other.found.file, best.found.file, shallow=False)
        reason = "the same file" if same else _why(best, other, chapter, contents)
        unused.append((other.found.origin, f"{student}: {reason}"))
        why = why or ("" if same else reason)
    older = [i for i in notebooks[:-1] if not filecmp.cmp(i.found.file, best.found.file, shallow=False)]
    if older:
        counts = _COUNTS[why].format(chapter=chapter.folder, file=f"{chapter.topic}.ipynb")
        notes.append(f"{len(older) + 1} files were handed in; '{visible(best.rest)}', {counts}, counts")
    unused += [(i.found.origin, i.reason) for i in group if i.reason and not i.found.aside]
    return Submission(
        student, chapter, best.found.file, best.found.origin, modified=best.found.modified, notes=tuple(notes), **about
    )


_COUNTS = {
    "the file with the assignment's name counts": "which has the assignment's name",
    "another file is the chapter's notebook": "which is clearly the notebook of {chapter}",
    "a newer file counts": "the newest",
    "a file with a higher number counts": "which has the highest number",
    "of files of one date the last by name counts": "the last by name of the files of one date",
}


def _reasons(item: Named, chapter: Chapter, contents: Contents) -> list[tuple[str, tuple]]:
    """What decides between several notebooks of a student, most important first, with the sentence that says so."""
    exact, *order = item.order if item.exact_id else (0, *item.order)
    says = iter(_COUNTS)
    return [
        (next(says), (exact,)),  # nbgrader grades the file with the chapter's name, whatever else lies beside it
        (next(says), (contents.fits(item, chapter),)),
        (next(says), (item.found.modified or datetime.min,)),
        (next(says), tuple(order)),
        (next(says), item.found.parts),
    ]


def _why(best: Named, other: Named, chapter: Chapter, contents: Contents) -> str:
    """Why one notebook counts and the other does not."""
    pairs = zip(_reasons(best, chapter, contents), _reasons(other, chapter, contents), strict=True)
    return next(says for (says, a), (_, b) in pairs if a != b)


def _nothing_usable(chapter: Chapter, group: list[Named]) -> str:
    """What a student is told of whom nothing can be graded."""
    inside = {item.found.parts[:n] for item in group for n in range(1, len(item.found.parts))}
    group = [item for item in group if item.found.parts not in inside]  # folders of which something is listed
    names = ", ".join(f"{visible(i.found.parts[-1])} ({i.reason})" for i in group)
    file = f"{chapter.topic}.ipynb"
    return f"No notebook was handed in that can be graded: {names}. Hand in the file {file} of {chapter.folder} itself."


def _person(name: str) -> str:
    """A name as people say it, last name last: `O'Brien, Seán (Jr.)` is `Seán (Jr.) O'Brien`."""
    last, comma, first = name.partition(",")
    if comma and first.strip() and "," not in first:
        return f"{first.strip()} {last.strip()}"
    if match := re.fullmatch(r"(.*\S)\s+(\S+)\s+(\([^()]*\))", name):
        return f"{match[1]} {match[3]} {match[2]}"
    return name


# -------------------------------------------------------------------------------------------------- on disk


def _lay_out(item: Submission, folder: ClassFolder, in_place: Path | None, files: list[Found]) -> Submission:
    if item.path is None:
        return item
    if in_place is not None:
        found = next(f for f in files if f.file == item.path)
        return replace(item, path=in_place.joinpath(*found.parts))
    target = folder.submitted / item.student / item.chapter.folder / f"{item.chapter.topic}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or not filecmp.cmp(target, item.path, shallow=False):
        _put(item.path, target)
        if item.modified:
            stamp = item.modified.timestamp()
            os.utime(target, (stamp, stamp))
    for found in files:
        near = found.parts[-1] in COMPANIONS and found.origin.startswith(_beside(item))
        if near and found.file and found.file.stat().st_size <= MAX_COMPANION:
            _put(found.file, target.with_name(found.parts[-1]))
    return replace(item, path=target)


def _beside(item: Submission) -> str:
    return item.origin.rpartition(" / ")[0] + " / "


def _put(source: Path, target: Path) -> None:
    """Copy in one step: whoever reads finds the old file or the whole new one."""
    part = target.with_name(f".{target.name}.part")
    about = source.stat()
    if about.st_size > MAX_BYTES and getattr(about, "st_blocks", 1) == 0:  # only its size was kept
        with part.open("wb") as file:
            file.truncate(about.st_size)
    else:
        shutil.copyfile(source, part)
    os.replace(part, target)


def write_mapping(path: Path, intake: Intake) -> None:
    """Write which file became which student, and which was not used, as CSV."""
    rows = []
    for item in intake.submissions:
        when = item.modified.isoformat(sep=" ", timespec="seconds") if item.modified else ""
        note = "; ".join(filter(None, (*item.notes, item.problem)))
        about = (item.student, item.name, item.platform_id, item.chapter.folder)
        rows.append((*about, item.origin, when, "late" if item.late else "", note))
    rows += [("", "", "", "", origin, "", "", f"not used: {reason}") for origin, reason in intake.unused]
    write_csv(path, ("student", "name", "platform_id", "assignment", "file", "modified", "late", "note"), rows)
