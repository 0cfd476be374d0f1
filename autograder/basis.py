"""What a result depends on, each item once.

Two questions are answered from it: whether a submission has a record already (`record_key`: the cells that were run,
the tests, and everything that runs them), and whether a grade in the gradebook is still up to date (`chapter_basis`:
the same, and everything between a record and the grade and page that come of it). What is forgotten here is not
graded again when it changes.
"""

from __future__ import annotations

import functools
import json
import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.course import CHAPTERS, COURSEKIT, DATA, Chapter
from autograder.judge.limits import Limits
from autograder.judge.plan import checked_topics
from autograder.judge.record import content_key

_HERE = Path(__file__).resolve().parent

# Packages whose version a student's or a test's result may depend on, by who runs them.
_COMMON = ("torch", "numpy", "ipython", "matplotlib")
_VERSIONS = {"judge": _COMMON, "plain": (*_COMMON, "ipykernel", "nbclient")}
_SETTINGS = ("COURSE_PRESET", "COURSE_DEVICE")

# Files of ours that a record depends on beside the chapter's own: who runs, what tests and hints are made of, how
# outputs are kept.
_RUNNING = (
    *("basis.py", "clean.py", "forbidden.py", "runners.py", "source.py", "testing.py", "threads.py", "variants.py"),
    "judge/*.py",
)
# And a grade beside its record: how a file is read and repaired, what goes into the gradebook and onto the page.
_GRADING = (
    *("reading.py", "reference.py", "submission.py", "steps.py", "gradebook.py", "release.py"),
    *("feedback.py", "pages.py", "templates/*"),
)
# By chapter: hidden tests, and the known wrong answers whose hints a record holds.
_BY_TOPIC = ("checks", "misconceptions")


def record_key(runner: str, contributed: Iterable[str], source: NotebookNode, limits: Limits) -> str:
    """The key of the record of a submission that contributed these parts to the chapter's `source`."""
    parts = [*contributed, "|", *_cells(source), "|", repr(limits), *_machine(runner), _code(), tests_key(source)]
    return content_key(runner, *parts)


def chapter_basis(chapter: Chapter, runner: str, fewer_walls: bool, config_file: Path) -> str:
    """What all grades of a chapter depend on beside the submissions, as a hash."""
    source = nbformat.read(chapter.solution_notebook, as_version=4)
    files = (chapter.student_notebook.read_bytes(), config_file.read_bytes())
    settings = (runner, repr(fewer_walls), repr(Limits()), *_machine(runner))
    return content_key(*settings, _code(), _own_files(_GRADING), tests_key(source), *files, *_cells(source))


def tests_key(source: NotebookNode) -> str:
    """The hidden tests that a source notebook imports and the known wrong answers for it, as a hash."""
    return _topics(tuple(checked_topics(source)))


def _cells(source: NotebookNode) -> list[str]:
    """All of the source notebook but its outputs, ids and points included."""
    meta = [json.dumps([c.metadata.get("nbgrader"), c.metadata.get("coursekit")], sort_keys=True) for c in source.cells]
    return [f"{c.cell_type} {c.get('id')} {m}\n{c.source}" for c, m in zip(source.cells, meta, strict=True)]


def _machine(runner: str) -> list[str]:
    """The machine, the packages on it, the settings, the data."""
    settings = [f"{name}={os.environ.get(name)}" for name in _SETTINGS]
    return [platform.python_version(), platform.machine(), *settings, *_packages(runner), _data()]


# What follows is read once: our code and our data as they were when this process began to use them.


@functools.cache
def _packages(runner: str) -> tuple[str, ...]:
    found = []
    for name in _VERSIONS[runner]:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} is not there")
    return tuple(found)


@functools.cache
def _data() -> str:
    """The manifest holds the checksum of every data set."""
    return _hash([DATA / "manifest.json"])


@functools.cache
def _code() -> str:
    """What runs submissions, and the library that students and tests import."""
    return content_key(_own_files(_RUNNING), _hash(sorted(COURSEKIT.rglob("*.py"))))


@functools.cache
def _own_files(patterns: tuple[str, ...]) -> str:
    return _hash([file for pattern in patterns for file in sorted(_HERE.glob(pattern))])


@functools.cache
def _topics(topics: tuple[str, ...]) -> str:
    """The tests and wrong answers of these topics, and what is no chapter's own."""
    chapters = {chapter.topic for chapter in CHAPTERS}
    files: list[Path] = []
    for folder in (_HERE / name for name in _BY_TOPIC):
        files += [file for file in sorted(folder.glob("*.py")) if file.stem not in chapters]
        for topic in topics:
            files += [folder / f"{topic}.py", *sorted((folder / topic).rglob("*.py"))]
    return _hash(files)


def _hash(files: Iterable[Path]) -> str:
    parts: list[str | bytes] = []
    for file in files:
        if file.exists():
            parts += [f"{file.parent.name}/{file.name}", file.read_bytes()]
    return content_key(*parts)
