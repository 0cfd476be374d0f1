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

import os
import re
import shutil
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from autograder.course import CHAPTERS, Chapter
from autograder.layout import ClassFolder
from autograder.reading import Unreadable, read_cells
from autograder.reference import Reference
from autograder.tables import write_csv
from autograder.unpack import COMPANIONS, Found, gather, visible

_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<rest>.*)", re.DOTALL)
_CANVAS = re.compile(r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)", re.IGNORECASE)
_COPY = re.compile(r"\s*(?:\((\d+)\)|-Copy(\d*)|-(\d{1,2}))$", re.IGNORECASE)
_ENDS = re.compile(r"(?:\.ipynb|\.txt|\.json|\.zip)+$", re.IGNORECASE)
_NOISE = re.compile(
    r"(?:copy|copie|kopie|final|finished|solved|solutions?|submissions?|submitted|uploads?|homework|assignments?|"
    r"exercises?|notebooks?|chapter|hw|v|version|untitled|export)?(?:\d{1,3}|(?:19|20)\d\d)?",
    re.IGNORECASE,
)
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


@dataclass(frozen=True)
class _Named:
    """A file with what its name says."""

    found: Found
    name: str
    rest: str  # the file's own name, without what the platform added
    platform_id: str = ""
    chapter: Chapter | None = None
    late: bool = False
    order: tuple[int, ...] = ()
    exact_id: bool = False  # nbgrader's layout: the folder's name is the student's id
    notes: tuple[str, ...] = field(default=())


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
        intake = _sorted_out(files, chapters, assignment)
        laid_out = tuple(_lay_out(item, folder, source if in_place else None, files) for item in intake.submissions)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    intake = replace(intake, submissions=laid_out)
    write_mapping(folder.grading / "uploads.csv", intake)
    return intake


# ---------------------------------------------------------------------------------------------- whose it is


def _sorted_out(files: list[Found], chapters: Sequence[Chapter], assignment: Chapter | None) -> Intake:
    unused: list[tuple[str, str]] = []
    named: list[_Named] = []
    for item in _named(files, chapters):
        chapter = assignment or item.chapter or _chapter_of(item, chapters)
        if item.found.parts[-1] in COMPANIONS or (item.exact_id and item.chapter not in chapters):
            continue
        if item.found.file is None and not _belongs_to_someone(item):
            unused.append((item.found.origin, item.found.reason or ""))
        elif not item.name:
            unused.append((item.found.origin, "no student's name in it"))
        elif chapter is None:
            unused.append((item.found.origin, "not clear which chapter it belongs to; say so with --assignment"))
        elif chapter not in chapters:
            unused.append((item.found.origin, f"belongs to {chapter.folder}, which is not graded now"))
        else:
            named.append(replace(item, chapter=chapter))
    submissions = []
    for student, items in _by_student(named).items():
        by_chapter: dict[Chapter, list[_Named]] = defaultdict(list)
        for item in items:
            by_chapter[item.chapter].append(item)
        submissions += [_chosen(student, chapter, group, unused) for chapter, group in by_chapter.items()]
    submissions.sort(key=lambda s: (s.chapter.folder, s.student))
    return Intake(tuple(submissions), tuple(sorted(unused)))


def _known(chapters: Sequence[Chapter]) -> list[Chapter]:
    """The chapters that are graded, then all others: their names must not be taken for students."""
    return [*chapters, *(c for c in CHAPTERS if c.folder not in {k.folder for k in chapters})]


def _belongs_to_someone(item: _Named) -> bool:
    """A platform says whose it is even where the file itself is no notebook."""
    return bool(item.platform_id) or item.exact_id


def _named(files: Iterable[Found], chapters: Sequence[Chapter]) -> list[_Named]:
    """What each name says; where a folder is a student's and where it only holds files of several is decided
    by looking at all of them."""
    named: list[_Named] = []
    unsure: dict[tuple[str, ...], list[Found]] = defaultdict(list)
    for found in files:
        item = _nbgrader(found, chapters) or _moodle(found) or _canvas(found)
        if item:
            named.append(item)
        else:
            unsure[found.parts[:-1]].append(found)
    containers = {parents[:n] for parents in unsure for n in range(1, len(parents) + 1)}
    for parents, group in unsure.items():
        owner, alone = _owner(parents, containers, chapters)
        own = {f: _without_noise(f.parts[-1], chapters) if f.is_notebook else "" for f in group}
        several = len(set(own.values()) - {""}) > 1
        for found in group:
            # A single folder or archive with a named file in it is the class's, one of many is a student's.
            name = own[found] if own[found] and (several or alone) else owner
            named.append(_Named(found, name, found.parts[-1], order=_copy_number(found.parts[-1])))
    return named


def _owner(parents: tuple[str, ...], containers: set[tuple], chapters: Sequence[Chapter]) -> tuple[str, bool]:
    """The folder or archive that may be a student's, and whether it stands alone at its level.

    The innermost of several siblings is preferred: `Jane Doe.zip / work / ...` beside other archives is Jane's.
    """
    found = []
    for depth in range(len(parents), 0, -1):
        if name := _without_noise(parents[depth - 1], chapters):
            found.append((name, sum(c[:-1] == parents[: depth - 1] and len(c) == depth for c in containers) == 1))
    return next((item for item in found if not item[1]), found[0] if found else ("", True))


def _nbgrader(found: Found, chapters: Sequence[Chapter]) -> _Named | None:
    *_, student, folder, name = ("", "", *found.parts)
    chapter = next((c for c in _known(chapters) if c.folder == folder), None)
    if chapter is None or not student:
        return None
    exact = (int(name == f"{chapter.topic}.ipynb"),)
    return _Named(found, student, name, chapter=chapter, order=exact, exact_id=True)


def _moodle(found: Found) -> _Named | None:
    for place, part in enumerate(found.parts):
        if match := _MOODLE.fullmatch(part):
            rest = match["rest"] if place == len(found.parts) - 1 else found.parts[-1]
            return _Named(found, match["name"], rest, match["id"], order=_copy_number(rest))
    return None


def _canvas(found: Found) -> _Named | None:
    for place, part in enumerate(found.parts):
        if match := _CANVAS.fullmatch(part):
            rest = match["rest"] if place == len(found.parts) - 1 else found.parts[-1]
            order = (int(match["file"]), *_copy_number(rest))
            return _Named(found, match["name"], rest, match["id"], late=bool(match["late"]), order=order)
    return None


def _copy_number(name: str) -> tuple[int, ...]:
    match = _COPY.search(_ENDS.sub("", name))
    return (int(next((g for g in match.groups() if g), 1)),) if match else (0,)


def _without_noise(name: str, chapters: Sequence[Chapter]) -> str:
    """What of a file's or folder's name can be a person's: without the chapter, copy marks and common words."""
    name = _COPY.sub("", _ENDS.sub("", name))
    for chapter in _known(chapters):
        for word in (chapter.folder, chapter.topic):
            pattern = re.escape(word).replace("_", r"[\s_-]*")
            name = re.sub(rf"(?<![^\W_]){pattern}(?![^\W\d_])", " ", name, flags=re.IGNORECASE)
    words = [w for w in re.split(r"[\s_\-.,()\[\]+]+", _COPY.sub("", name.strip())) if w]
    return " ".join(w for w in words if not _NOISE.fullmatch(w))


def _chapter_of(item: _Named, chapters: Sequence[Chapter]) -> Chapter | None:
    """The chapter that names or, where they say nothing, the content point to."""
    for part in (item.rest, *reversed(item.found.parts[:-1])):
        for chapter in _known(chapters):
            pattern = re.escape(chapter.topic).replace("_", r"[\s_-]*")
            if re.search(rf"(?<![^\W\d_]){pattern}(?![^\W\d_])", part, re.IGNORECASE):
                return chapter
    if len(chapters) == 1:
        return chapters[0]
    return _chapter_by_content(item.found.file, chapters)


def _chapter_by_content(file: Path | None, chapters: Sequence[Chapter]) -> Chapter | None:
    try:
        cells, _ = read_cells(file) if file else ([], [])
    except Unreadable:
        return None
    scores = {}
    for chapter in chapters:
        if chapter.student_notebook.exists():
            reference = Reference.read(chapter.student_notebook, chapter.folder)
            known = set(reference.by_grade_id) - {"setup"}
            texts = {c.text for c in reference.cells if c.kind != "setup"}
            scores[chapter] = sum(c.grade_id in known or c.source.strip("\n") in texts for c in cells)
    best = max(scores, key=scores.__getitem__, default=None)
    return best if best and scores[best] else None


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


def _by_student(items: list[_Named]) -> dict[str, list[_Named]]:
    """Files by student id; two people of one name are told apart by the platform's number."""
    groups: dict[str, list[_Named]] = defaultdict(list)
    for item in items:
        exact = item.exact_id and _is_safe_id(item.name)
        chosen = item.name if exact else student_id(item.name)
        if item.exact_id and not exact:
            item = replace(item, notes=(f"the id {visible(item.name)!r} was changed to {chosen!r}",))
        groups[chosen or "student"].append(item)
    students: dict[str, list[_Named]] = {}
    for student, group in groups.items():
        per_chapter: dict[Chapter, set[str]] = defaultdict(set)
        for item in group:
            per_chapter[item.chapter].add(item.platform_id)
        ambiguous = any(len(numbers - {""}) > 1 for numbers in per_chapter.values())
        for item in group:
            key = f"{student}-{item.platform_id}" if ambiguous and item.platform_id else student
            students.setdefault(key, []).append(item)
    return students


def _chosen(student: str, chapter: Chapter, group: list[_Named], unused: list[tuple[str, str]]) -> Submission:
    """The newest notebook of a student for a chapter; the others are noted."""
    notebooks = [item for item in group if item.found.file is not None and item.found.is_notebook]
    first = group[0]
    about = {"name": visible(first.name), "platform_id": first.platform_id, "late": any(i.late for i in group)}
    if not notebooks:
        names = ", ".join(f"{visible(i.found.parts[-1])} ({i.found.reason})" for i in group)
        origin = "; ".join(i.found.origin for i in group)
        return Submission(student, chapter, None, origin, **about, problem=f"No notebook was handed in: {names}.")
    notebooks.sort(key=_age)
    best = notebooks[-1]
    notes = list(best.notes)
    content = best.found.file.read_bytes()
    for other in notebooks[:-1]:
        same = other.found.file.read_bytes() == content
        unused.append((other.found.origin, f"{student}: " + ("the same file" if same else "a newer file counts")))
    if older := [i for i in notebooks[:-1] if i.found.file.read_bytes() != content]:
        notes.append(f"{len(older) + 1} files were handed in; '{visible(best.rest)}', the newest, counts")
    unused += [(i.found.origin, i.found.reason or "") for i in group if i not in notebooks]
    return Submission(
        student, chapter, best.found.file, best.found.origin, modified=best.found.modified, notes=tuple(notes), **about
    )


def _age(item: _Named) -> tuple:
    if item.exact_id:  # nbgrader grades the file with the chapter's name, whatever else lies beside it
        return (*item.order, item.found.modified or datetime.min)
    return (item.found.modified or datetime.min, *item.order, item.found.parts)


# -------------------------------------------------------------------------------------------------- on disk


def _lay_out(item: Submission, folder: ClassFolder, in_place: Path | None, files: list[Found]) -> Submission:
    if item.path is None:
        return item
    if in_place is not None:
        found = next(f for f in files if f.file == item.path)
        return replace(item, path=in_place.joinpath(*found.parts))
    target = folder.submitted / item.student / item.chapter.folder / f"{item.chapter.topic}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != item.path.read_bytes():
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
