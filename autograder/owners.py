"""Whose files these are, as far as names tell: learning platforms, nbgrader's folders, folders and files of people.

A learning platform's names are looked for first, because they say an id. nbgrader's layout counts at the top of
the input and below `submitted/`. Everywhere else a file belongs to the outermost folder or archive whose name can
be a person's, or to the person in its own name. A folder is passed over where it only holds several people (a
section, the one folder or archive of the class).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autograder.course import CHAPTERS, Chapter
from autograder.unpack import Found

_MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<rest>.*)", re.DOTALL)
_CANVAS = re.compile(r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)", re.IGNORECASE)
_COPY = re.compile(r"\s*(?:\((\d+)\)|-Copy(\d*)|-(\d{1,2}))$", re.IGNORECASE)
_MARKED_COPY = re.compile(r"\s*(?:\(\d+\)|-Copy\d*)$", re.IGNORECASE)
_COPY_OF = re.compile(r"^(?:copy of|kopie von|copie de|copia de|copia di|cópia de)\s+", re.IGNORECASE)
_ENDS = re.compile(r"(?:\.ipynb|\.txt|\.json|\.zip)+$", re.IGNORECASE)
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d([-_.])\d\d?\1\d\d?(?!\d)")
_NUMBER = r"(?:\d{1,3}|(?:19|20)\d\d)"
_WORD = (
    r"(?:copy|copie|kopie|final|finished|solved|solutions?|submissions?|submitted|uploads?|homework|assignments?|"
    r"exercises?|notebooks?|chapter|hw|v|version|untitled|export)"
)
_NOISE = re.compile(rf"{_WORD}?{_NUMBER}?", re.IGNORECASE)
_COUNTED = re.compile(_WORD, re.IGNORECASE)  # a number after such a word counts it and is nobody's
_MANY = 4  # so many names below one folder are those of people
# What many share: alone it names nobody, with a number it does.
_GENERIC = re.compile(
    r"(?:students?|groups?|teams?|users?|participants?|persons?|members?|candidates?|pupils?|learners?|partners?|pairs?|"
    r"sections?|class|classes|labs?|gruppen?|teilnehmer(?:in)?|studenten?|studentin|person|kurs|groupe|équipe|equipe|"
    r"étudiante?|etudiante?|grupo|equipo|estudiante|alumno|aluno|gruppo|studente|nr|no|num|number|id|anon|anonymous)",
    re.IGNORECASE,
)
# Folders of the course itself and of people's computers.
_COURSE = re.compile(
    r"course|deep[\s_-]?learning[\s_-]?by[\s_-]?hand|submitted|release|source|work|downloads?|documents|desktop|"
    r"class|inbox|files?|attachments?|new folder|neuer ordner",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Named:
    """A file with what names say of it.

    `rest` is the file's own name, without what the platform added; `owner` tells two folders of one name apart.
    """

    found: Found
    name: str
    rest: str
    platform_id: str = ""
    chapter: Chapter | None = None
    late: bool = False
    order: tuple[int, ...] = ()
    exact_id: bool = False  # nbgrader's layout: the folder's name is the student's id
    owner: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    reason: str = ""  # why it cannot be used, if so

    @property
    def is_identified(self) -> bool:
        """Whether a platform or nbgrader says whose it is, even where the file itself is no notebook."""
        return bool(self.platform_id) or self.exact_id


def known_chapters(chapters: Sequence[Chapter]) -> list[Chapter]:
    """The chapters that are graded, then all others: their names must not be taken for students."""
    return [*chapters, *(c for c in CHAPTERS if c.folder not in {k.folder for k in chapters})]


def named(files: Iterable[Found], chapters: Sequence[Chapter], in_place: bool = False) -> list[Named]:
    """What the names of all files say; `in_place` if the input is nbgrader's own folder `submitted`."""
    names = _Names(known_chapters(chapters))
    found: list[Named] = []
    rest: list[Found] = []
    for file in files:
        item = in_place and names.nbgrader(file, 0, in_place)
        item = item or names.below_submitted(file) or _moodle(file) or _canvas(file)
        found.append(item) if item else rest.append(file)
    top = names.top(rest)
    unsure = []
    for file in rest:
        item = names.nbgrader(file, top)
        found.append(item) if item else unsure.append(file)
    return [*found, *names.of_people([file for file in unsure if not file.aside])]


def _moodle(found: Found) -> Named | None:
    for place, part in enumerate(found.parts):
        if match := _MOODLE.fullmatch(part):
            rest = match["rest"] if place == len(found.parts) - 1 else found.parts[-1]
            return Named(found, match["name"], rest, match["id"], order=_copy_number(rest))
    return None


def _canvas(found: Found) -> Named | None:
    for place, part in enumerate(found.parts):
        if match := _CANVAS.fullmatch(part):
            rest = match["rest"] if place == len(found.parts) - 1 else found.parts[-1]
            order = (int(match["file"]), *_copy_number(rest))
            return Named(found, match["name"], rest, match["id"], late=bool(match["late"]), order=order)
    return None


def _copy_number(name: str) -> tuple[int, ...]:
    match = _COPY.search(_ENDS.sub("", name))
    return (int(next((g for g in match.groups() if g), 1)),) if match else (0,)


@dataclass(frozen=True)
class _Name:
    """What of a file's or folder's name can be a person's; `full` keeps the numbers that `short` leaves out."""

    short: str
    full: str

    @property
    def is_generic(self) -> bool:
        """Whether only a word is left that many share: then the number is what tells them apart."""
        return all(_GENERIC.fullmatch(word) for word in self.short.split())

    @property
    def is_group(self) -> bool:
        """Whether this is the name of several: a common word and at most a letter."""
        first, *others = self.short.split() or [""]
        return bool(_GENERIC.fullmatch(first)) and all(len(word) == 1 for word in others)

    @property
    def best(self) -> str:
        """The name, as far as it can be told without looking at the others."""
        return self.full if self.short and self.is_generic else self.short


@dataclass(frozen=True)
class _Names:
    """The rules for names, for a course with these chapters."""

    chapters: list[Chapter]

    # --------------------------------------------------------------------------------------- nbgrader's layout

    def nbgrader(self, found: Found, top: int, in_place: bool = False) -> Named | None:
        """<student>/<assignment>/... at depth `top`."""
        if len(found.parts) < top + (2 if found.aside else 3):
            return None
        student, folder, *inside = found.parts[top:]
        chapter = next((c for c in self.chapters if c.folder == folder), None)
        if chapter is None or (not in_place and not self.may_be_owner(student)):
            return None
        exact = (int(inside == [f"{chapter.topic}.ipynb"]),)
        return Named(found, student, found.parts[-1], chapter=chapter, order=exact, exact_id=True)

    def below_submitted(self, found: Found) -> Named | None:
        """nbgrader's layout in a class folder that was handed over whole."""
        place = next((n for n, part in enumerate(found.parts[:2]) if part == "submitted"), None)
        return None if place is None else self.nbgrader(found, place + 1)

    def may_be_owner(self, part: str) -> bool:
        """Whether this can be a student's folder: no archive and no folder of the course itself."""
        ours = {word for c in self.chapters for word in (c.folder, c.topic)}
        return not _COURSE.fullmatch(part) and part not in ours and not part.lower().endswith(".zip")

    def top(self, files: list[Found]) -> int:
        """1 if all files lie in one folder or archive that holds nbgrader's layout for several students."""
        files = [file for file in files if not file.aside]
        if len({file.parts[0] for file in files}) != 1 or any(self.nbgrader(file, 0) for file in files):
            return 0
        inside = {item.name for file in files if (item := self.nbgrader(file, 1))}
        return int(sum(bool(self.read(name).best) for name in inside) > 1)

    # ------------------------------------------------------------------------------------------------- people

    def read(self, name: str) -> _Name:
        """What of a name can be a person's: without the chapter, copy marks, dates and common words."""
        name = _COPY_OF.sub("", _ENDS.sub("", name))
        if _COURSE.fullmatch(name):
            return _Name("", "")
        short, full = (self._words(mark.sub("", name)) for mark in (_COPY, _MARKED_COPY))
        return _Name(" ".join(w for w in short if not _NOISE.fullmatch(w)), " ".join(_without_counts(full)))

    def _words(self, name: str) -> list[str]:
        for chapter in self.chapters:
            for word in (chapter.folder, chapter.topic):
                pattern = re.escape(word).replace("_", r"[\s_-]*")
                name = re.sub(rf"(?<![^\W_]){pattern}(?![^\W\d_])", " chapter ", name, flags=re.IGNORECASE)
        name = _DATE.sub(" ", name)
        return [w for w in re.split(r"[\s_\-.,()\[\]+]+", _MARKED_COPY.sub("", name.strip())) if w]

    def of_people(self, files: list[Found]) -> list[Named]:
        """The files with their owners, from folders, archives and names of files."""
        found: list[Named] = []
        self._level(files, 0, (), found)
        return found

    def _level(self, files: list[Found], depth: int, owner: tuple[str, ...], found: list[Named]) -> None:
        """Name what lies at one level; `owner` are the sections on the way here."""
        folders: dict[str, list[Found]] = defaultdict(list)
        loose = [f for f in files if len(f.parts) == depth + 1]
        for file in files:
            if len(file.parts) > depth + 1:
                folders[file.parts[depth]].append(file)
        self._loose(loose, owner, found)
        people = self._apart(self._folder_names(folders))
        held = {part: self._people(folders[part], depth + 1) for part in people}
        alone = len(people) == 1 and not any(f.is_notebook for f in loose)
        sections = len(held) > 1 and sum(len(names) > 1 for names in held.values()) * 2 >= len(held)
        for part, inside in folders.items():
            if part not in people:
                self._level(inside, depth + 1, owner, found)
            elif self._holds_several(part, held[part], _has_loose(inside, depth + 1), alone, sections):
                self._level(inside, depth + 1, owner if alone else (*owner, part), found)
            else:
                key = (*owner, _ENDS.sub("", part))
                for file in inside:
                    name, rest = people[part], file.parts[-1]
                    found.append(Named(file, name, rest, order=_copy_number(rest), owner=key))

    def _holds_several(self, part: str, names: set[str], by_file: bool, alone: bool, sections: bool) -> bool:
        """Whether a folder that could be a person's only holds the folders or files of several.

        In the one folder of a class a file's own name counts (`by_file`); a single folder there is its owner's.
        """
        group = self.read(part).is_group
        if alone:
            return len(names) > 1 or (bool(names) and by_file)
        return len(names) > _MANY or (len(names) > 1 and (sections or group)) or (bool(names) and sections and group)

    def _people(self, files: list[Found], depth: int) -> set[str]:
        """Who could be the people in a folder; nobody if it holds a notebook without a name."""
        files = [f for f in files if f.file is not None and f.is_notebook]
        loose = [f for f in files if len(f.parts) == depth + 1]
        names = {self.read(f.parts[depth]).best for f in loose}
        inside: dict[str, list[Found]] = defaultdict(list)
        for file in files:
            if len(file.parts) > depth + 1:
                inside[file.parts[depth]].append(file)
        folders = self._apart(self._folder_names(inside))
        for part, group in inside.items():
            if part not in folders:
                names |= self._people(group, depth + 1) or {""}
        if "" in names:
            return set()
        if len(folders) == 1 and not names:  # a folder in a folder: whose, says what is inside
            (part,) = folders
            deeper = self._people(inside[part], depth + 1)
            return deeper if len(deeper) > 1 else set(folders.values())
        return names | set(folders.values())

    def _folder_names(self, folders: Iterable[str]) -> dict[str, _Name]:
        """The folders and archives that can be people's; numbers are, where there are several and no names."""
        read = {part: self.read(part) for part in folders}
        people = {part: name for part, name in read.items() if name.short}
        numbers = {part: _Name(n.full, n.full) for part, n in read.items() if n.full and not _COURSE.fullmatch(part)}
        return people or (numbers if len(numbers) > 1 else {})

    @staticmethod
    def _apart(names: dict[str, _Name]) -> dict[str, str]:
        """A name for each folder, with its number where the names would be the same without."""
        raw = {part: _ENDS.sub("", part) for part in names}
        found = {part: name.best for part, name in names.items()}
        for fuller in ({part: name.full for part, name in names.items()}, raw):
            same: dict[str, set[str]] = defaultdict(set)
            for part, name in found.items():
                same[name.casefold()].add(raw[part])
            found = {
                part: fuller[part] or name if len(same[name.casefold()]) > 1 else name for part, name in found.items()
            }
        return found

    def _loose(self, files: list[Found], owner: tuple[str, ...], found: list[Named]) -> None:
        """Files that lie in nobody's folder: each is its own name's; copies of one name are one person's."""
        read = {file: self.read(file.parts[-1]) if file.is_notebook else _Name("", "") for file in files}
        spelled: dict[str, set[str]] = defaultdict(set)
        for name in read.values():
            spelled[name.best.casefold()].add(name.full.casefold())
        for file, name in read.items():
            best = name.full if name.best and len(spelled[name.best.casefold()]) > 1 else name.best
            rest = file.parts[-1]
            found.append(Named(file, best, rest, order=_copy_number(rest), owner=owner))


def _has_loose(files: list[Found], depth: int) -> bool:
    """Whether notebooks lie directly in the folder at this depth."""
    return any(f.file is not None and f.is_notebook and len(f.parts) == depth + 1 for f in files)


def _without_counts(words: list[str]) -> Iterable[str]:
    """Words without common ones and the numbers that count these (`version 2`, `chapter 3`)."""
    after = False
    for word in words:
        number = re.fullmatch(_NUMBER, word)
        if not number and _NOISE.fullmatch(word):
            after = bool(_COUNTED.fullmatch(word))
        elif not (number and after):
            yield word
            after = False
