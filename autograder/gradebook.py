"""nbgrader's gradebook and pipeline, driven one submission at a time through nbgrader's own API.

The shipped `nbgrader_config.py` is read as nbgrader reads it; only the places are set to the class folder's. What
nbgrader would log is kept, to be told if a step fails.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets.config import Config, PyFileConfigLoader

from autograder.course import Chapter
from autograder.judge.record import content_key
from autograder.layout import ClassFolder

RELEASE = Path("grading", "release")


class GradebookError(RuntimeError):
    """nbgrader refused a step; the message says why, in a line or two."""


@dataclass(frozen=True)
class Scores:
    """One student's result in the gradebook: points by test cell, points that could be had, and the sum.

    `total` holds manual scores, extra credit and the late penalty, as nbgrader counts them.
    """

    student: str
    points: dict[str, float]
    most: dict[str, float]
    total: float
    penalty: float = 0.0
    needs_manual: bool = False


class ClassGradebook:
    """The gradebook of a class and the steps that write it. One writer at a time: see `autograder.grade`."""

    def __init__(
        self,
        folder: ClassFolder,
        config_file: Path,
        course_root: Path,
        runner: str | None = None,
        fewer_walls: bool | None = None,
    ):
        """`runner` and `fewer_walls` override what is configured. Nothing is opened or imported yet."""
        self.folder, self.config_file = folder, config_file
        self.config = _config(folder, config_file, course_root)
        if runner:
            self.config.RunSubmission.runner = runner
        if fewer_walls is not None:
            self.config.RunSubmission.fewer_walls = fewer_walls
        self._api: Any = None

    @property
    def runner(self) -> str:
        """The name of the runner that the configuration asks for."""
        configured = self.config.RunSubmission.get("runner")
        return configured if isinstance(configured, str) else "judge"

    @property
    def fewer_walls(self) -> bool:
        """Whether the judge may run without all walls of its sandbox."""
        return self.config.RunSubmission.get("fewer_walls") is True

    @property
    def db_url(self) -> str:
        """The database."""
        return self.config.CourseDirectory.db_url

    # ------------------------------------------------------------------------------------------------ steps

    def prepare(self, chapter: Chapter) -> Path:
        """Write the chapter's cells and points into the gradebook; return the released notebook that goes with it.

        Raises `GradebookError`, for instance if cells were added or removed since submissions were graded.
        """
        self._run("generate_assignment", chapter.folder, force=True)
        return self.folder.path / RELEASE / chapter.folder / f"{chapter.topic}.ipynb"

    def write(self, student: str, chapter: Chapter, name: str = "") -> None:
        """Sanitise, fill in the record's outputs, and save the points of one checked submission.

        `name` is the student's, for nbgrader's list of students, if that has none yet.
        """
        self._run("autograde", chapter.folder, student, force=True, create=True)
        first, _, last = name.strip().rpartition(" ")
        if last:
            with self._open() as book:
                known = book.find_student(student)
                if not known.first_name and not known.last_name:
                    known.first_name, known.last_name = first or None, last
                    book.db.commit()

    def feedback(self, student: str, chapter: Chapter) -> Path:
        """Write the feedback page of one graded submission; return it."""
        self._run("generate_feedback", chapter.folder, student, force=True)
        return self.folder.feedback / student / chapter.folder / f"{chapter.topic}.html"

    # ------------------------------------------------------------------------------------------ what is there

    def chapter_cells(self, chapter: Chapter) -> str:
        """The chapter's cells as the gradebook knows them, as a hash; empty if it does not know the chapter."""
        from nbgrader import api

        with self._open() as book:
            grades, sources = (
                book.db.query(*columns)
                .select_from(kind)
                .join(api.Notebook, api.Notebook.id == kind.notebook_id)
                .join(api.Assignment, api.Assignment.id == api.Notebook.assignment_id)
                .filter(api.Assignment.name == chapter.folder)
                .all()
                for kind, columns in (
                    (api.GradeCell, (api.GradeCell.name, api.GradeCell.max_score)),
                    (api.SourceCell, (api.SourceCell.name, api.SourceCell.checksum)),
                )
            )
        return (
            content_key(*(f"{name} {what}" for name, what in sorted((*grades, *sources), key=str))) if sources else ""
        )

    def automatic_scores(self, chapter: Chapter) -> dict[str, dict[str, float]]:
        """The points that were written for each student's test cells, whatever a person has changed since."""
        from nbgrader import api

        found: dict[str, dict[str, float]] = {}
        with self._open() as book:
            for student, cell, score in self._grades(
                book, chapter, api.Student.id, api.BaseCell.name, api.Grade.auto_score
            ):
                mine = found.setdefault(student, {})
                if score is not None:
                    mine[cell] = float(score)
        return found

    def by_hand(self, chapter: Chapter) -> dict[str, str]:
        """What people have added to each student's grade (scores, extra credit, comments), as a hash."""
        from nbgrader import api

        found: dict[str, list[str]] = {}
        with self._open() as book:
            grades = self._grades(
                book, chapter, api.Student.id, api.BaseCell.name, api.Grade.manual_score, api.Grade.extra_credit
            )
            comments = self._grades(
                book, chapter, api.Student.id, api.BaseCell.name, api.Comment.manual_comment, kind=api.Comment
            )
            for student, cell, *added in (*grades, *comments):
                if any(one not in (None, "") for one in added):
                    found.setdefault(student, []).append(f"{cell} {added}")
        return {student: content_key(*sorted(parts)) for student, parts in found.items()}

    @staticmethod
    def _grades(book: Any, chapter: Chapter, *columns: Any, kind: Any = None) -> Any:
        """These columns of all grades (or comments) of a chapter, each with its cell, notebook and student."""
        from nbgrader import api

        kind = kind or api.Grade
        return (
            book.db.query(*columns)
            .select_from(kind)
            .join(api.BaseCell, api.BaseCell.id == kind.cell_id)
            .join(api.SubmittedNotebook, api.SubmittedNotebook.id == kind.notebook_id)
            .join(api.SubmittedAssignment, api.SubmittedAssignment.id == api.SubmittedNotebook.assignment_id)
            .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
            .join(api.Student, api.Student.id == api.SubmittedAssignment.student_id)
            .filter(api.Assignment.name == chapter.folder)
        )

    # ----------------------------------------------------------------------------------------------- scores

    def scores(self, chapter: Chapter) -> dict[str, Scores]:
        """What the gradebook says now, by student id: one query, manual changes included."""
        from nbgrader import api

        found: dict[str, Scores] = {}
        with self._open() as book:
            rows = self._grades(
                book,
                chapter,
                api.Student.id,
                api.BaseCell.name,
                api.Grade.score,
                api.Grade.max_score,
                api.Grade.needs_manual_grade,
                api.SubmittedNotebook.late_submission_penalty,
            )
            for student, cell, score, most, manual, penalty in rows:
                item = found.setdefault(student, Scores(student, {}, {}, 0.0))
                item.points[cell], item.most[cell] = float(score or 0.0), float(most or 0.0)
                found[student] = Scores(
                    student,
                    item.points,
                    item.most,
                    max(0.0, sum(item.points.values()) - float(penalty or 0.0)),
                    float(penalty or 0.0),
                    item.needs_manual or bool(manual),
                )
        return found

    def export(self, path: Path) -> None:
        """Write nbgrader's own long CSV."""
        from nbgrader.plugins import CsvExportPlugin

        with self._open() as book:
            plugin = CsvExportPlugin(config=self.config)
            plugin.log = _quiet_log(_Messages())
            plugin.to = str(path)
            plugin.export(book)

    # --------------------------------------------------------------------------------------------- nbgrader

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        from nbgrader.api import Gradebook
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with Gradebook(self.db_url, self.config.CourseDirectory.course_id) as book:
                yield book
        except SQLAlchemyError as error:
            raise GradebookError(f"the database says: {getattr(error, 'orig', None) or error}") from error

    def _run(self, step: str, *names: str, **options: Any) -> None:
        messages = _Messages()
        log = _quiet_log(messages)
        if self._api is None:
            from nbgrader.apps import NbGraderAPI
            from nbgrader.coursedir import CourseDirectory

            # It looks for the exchange at once, and complains where there is none; grading does not need it.
            quiet = _quiet_log(_Messages())
            self._api = NbGraderAPI(CourseDirectory(config=self.config, log=quiet), config=self.config, log=quiet)
        self._api.log = self._api.coursedir.log = log
        with _muted(), _engines_kept():
            result = getattr(self._api, step)(*names, **options)
        if not result["success"]:
            raise GradebookError(messages.reason() or _last_line(result.get("error", "")) or f"{step} failed")


def _config(folder: ClassFolder, config_file: Path, course_root: Path) -> Config:
    """The shipped settings, with the places of this class in them."""
    config = PyFileConfigLoader(config_file.name, path=str(config_file.parent)).load_config()
    place = config.CourseDirectory
    configured = place.get("db_url")
    place.source_directory = str(course_root / place.source_directory)
    place.release_directory = str(RELEASE)
    place.submitted_directory = str(folder.checked.relative_to(folder.path))
    place.autograded_directory = folder.autograded.name
    place.feedback_directory = folder.feedback.name
    place.root = str(folder.path)
    # A database that the configuration names belongs to the course's own class folder only.
    own = folder.path.resolve() == course_root.resolve() and isinstance(configured, str)
    place.db_url = configured if own else f"sqlite:///{folder.gradebook}"
    config.RepairSubmission.checked = True
    config.RunSubmission.records = str(folder.records)
    return config


class _Messages(logging.Handler):
    """Keeps what nbgrader says."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def reason(self) -> str:
        """The cause in nbgrader's messages: the last line of the first traceback, else the first error."""
        for text in self.lines:
            if "Traceback (most recent call last)" in text:
                return _last_line(text)
        return next((text for text in self.lines if text.strip()), "")


_SQL_DETAILS = ("[SQL:", "[parameters:", "(Background on this error")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    # what the database says stands above these
    lines = [line for line in lines if not line.startswith(_SQL_DETAILS)]
    last = lines[-1] if lines else ""
    name, _, message = last.partition(": ")
    # "autograder.steps.CannotGrade: The record ..." reads better without the class
    return message if message and name.replace(".", "").replace("_", "").isalnum() and name[-1:].isalpha() else last


def _quiet_log(handler: logging.Handler) -> logging.Logger:
    log = logging.Logger("autograder.nbgrader")
    log.addHandler(handler)
    return log


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """nbgrader's pieces log to loggers of their own, and SQLAlchemy warns of how nbgrader uses it; none of that
    belongs into a progress bar."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _engines_kept() -> Iterator[None]:
    """Keep the database engine: nbgrader makes one for each of its dozen questions about a submission, and each
    compiles all its statements anew. A file that was put in the place of another one gets its own."""
    from nbgrader import api

    made = api.create_engine
    api.create_engine = lambda url, **options: _engine(url, _file_number(url), **options)
    try:
        yield
    finally:
        api.create_engine = made


@functools.lru_cache(maxsize=4)
def _engine(url: str, number: tuple[int, int] | None, **options: Any) -> Any:
    from sqlalchemy import create_engine

    return create_engine(url, **options)


def _file_number(url: str) -> tuple[int, int] | None:
    """What tells the database's file from another one of the same name; None if there is none yet."""
    from sqlalchemy import make_url

    place = make_url(url)
    if not place.drivername.startswith("sqlite") or not place.database:
        return None
    try:
        found = os.stat(place.database)
    except OSError:
        return None
    return found.st_dev, found.st_ino
