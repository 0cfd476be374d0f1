"""`autograder grade`: a class of submissions from files to grades, feedback pages and a report.

    take in -> [check and repair -> run] in worker processes -> gradebook, feedback -> table, report, CSV

Workers only write records, one file each in one step; this process alone writes the gradebook. So it can be
killed at any moment: the next run finds what has a record (not run again), what the gradebook already has (not
written again) and does the rest. A submission is done again when its file, the chapter, the tests or the
environment changed.

Nothing is ever a silent zero: who could not be graded is listed with the reason, gets a feedback page that says
so, and has no grade in the gradebook.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import nbformat

from autograder.basis import chapter_basis
from autograder.course import ROOT, Chapter
from autograder.gradebook import ClassGradebook, GradebookError, Scores
from autograder.intake import MAX_COMPANION, Intake, Submission, take_in
from autograder.judge.limits import Limits
from autograder.judge.record import Record, content_key, write_atomically
from autograder.layout import Busy, ClassFolder
from autograder.pool import Failure, Pool, failure
from autograder.reference import Reference
from autograder.runners import Runner, make_runner
from autograder.submission import check_file
from autograder.unpack import COMPANIONS


class GradingError(RuntimeError):
    """The class cannot be graded at all; the message says what to do."""


@dataclass(frozen=True)
class Outcome:
    """What became of one submission.

    `graded` is False where there is no grade, for `reason`; `fresh` where this run did the work; `ran` where the
    student's code was run (and not taken from a record). `notes` are what the student is told about the file,
    `notices` what only the instructor is told.
    """

    submission: Submission
    graded: bool
    reason: str = ""
    notes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    fresh: bool = True
    ran: bool = False
    key: str = ""


@dataclass
class ChapterResult:
    """A graded chapter: the reference, one outcome a student, the gradebook's scores and the records."""

    chapter: Chapter
    reference: Reference
    outcomes: list[Outcome]
    scores: dict[str, Scores] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)

    @property
    def others(self) -> list[str]:
        """Students whom the gradebook knows from earlier runs, and of whom nothing was handed in to this one."""
        return sorted(set(self.scores) - {outcome.submission.student for outcome in self.outcomes})


@dataclass
class ClassResult:
    """All graded chapters of a class, and the files that were not used."""

    folder: ClassFolder
    chapters: list[ChapterResult]
    intake: Intake

    @property
    def outcomes(self) -> list[Outcome]:
        """All outcomes, chapter by chapter."""
        return [outcome for result in self.chapters for outcome in result.outcomes]


@dataclass(frozen=True)
class _Task:
    """What a worker needs to check and run one submission; plain data, because it crosses to another process."""

    student: str
    assignment: str
    file: Path
    released: Path
    source: Path
    checked: Path
    records: Path
    again: bool


@dataclass(frozen=True)
class _Done:
    """A worker's answer: a `problem` with the file, an `error` while running, or the record's key and points."""

    key: str = ""
    points: dict[str, float] = field(default_factory=dict)
    problem: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    ran: bool = False


Watch = Callable[[Outcome, int, int], None]


def grade(
    chapters: Sequence[Chapter],
    submissions: Path | None,
    folder: ClassFolder,
    *,
    assignment: Chapter | None = None,
    jobs: int | None = None,
    runner: str | None = None,
    fewer_walls: bool | None = None,
    again: bool = False,
    course_root: Path = ROOT,
    watch: Watch | None = None,
) -> ClassResult:
    """Grade what lies in `submissions` (default: what was collected into the class folder) for these chapters.

    `jobs` is the number of worker processes (default: one a core; 0: in this process, for debugging), `runner` and
    `fewer_walls` override what is configured, `again` runs even what has a record. `watch(outcome, done, total)`
    is called after each submission. Raises `GradingError` if the class cannot be graded at all, for instance while
    another process grades it.
    """
    try:
        with folder.locked():
            book = ClassGradebook(folder, course_root / "nbgrader_config.py", course_root, runner, fewer_walls)
            intake = _take_in(submissions or folder.submitted, folder, chapters, assignment)
            return _Grading(folder, book, intake, _jobs(jobs), again, watch).run(chapters)
    except Busy as error:
        raise GradingError(str(error)) from None
    except PermissionError as error:
        what = f"The class folder {folder.path} cannot be written ({error.strerror}: {error.filename})"
        raise GradingError(f"{what}; choose another one with --folder.") from None
    except GradebookError as error:
        raise GradingError(f"The gradebook cannot be read: {error}. Run this again to go on.") from None


def _jobs(wanted: int | None) -> int:
    return (os.cpu_count() or 1) if wanted is None else max(0, wanted)


def _take_in(source: Path, folder: ClassFolder, chapters: Sequence[Chapter], assignment: Chapter | None) -> Intake:
    try:
        return take_in(source, folder, chapters, assignment)
    except (FileNotFoundError, ValueError) as error:
        raise GradingError(f"No submissions: {error}") from None


class _Grading:
    """One run of `grade`, with the lock held."""

    def __init__(
        self, folder: ClassFolder, book: ClassGradebook, intake: Intake, jobs: int, again: bool, watch: Watch | None
    ):
        self.folder, self.book, self.intake, self.jobs, self.again = folder, book, intake, jobs, again
        self.watch = watch or (lambda outcome, done, total: None)
        self.done = 0
        self.by_hand: dict[str, str] = {}  # what people have added to the grades of the chapter at hand

    def run(self, chapters: Sequence[Chapter]) -> ClassResult:
        wanted = [c for c in chapters if any(s.chapter == c for s in self.intake.submissions)]
        return ClassResult(self.folder, [self._chapter(chapter) for chapter in wanted], self.intake)

    def _chapter(self, chapter: Chapter) -> ChapterResult:
        for path in (chapter.solution_notebook, chapter.student_notebook):
            if not path.exists():
                raise GradingError(f"{chapter.folder} is not built: run `autograder build {chapter.folder}`.")
        basis = chapter_basis(chapter, self.book.runner, self.book.fewer_walls, self.book.config_file)
        mine = [item for item in self.intake.submissions if item.chapter == chapter]
        known = self._known(chapter, mine, basis)
        to_run = [item for item in mine if item.path is not None and known[item] is None]
        with self._workers(len(to_run)) as run:  # they start while the gradebook is told of the chapter
            released = self._prepared(chapter, basis)
            result = ChapterResult(chapter, Reference.read(released, chapter.folder), [])
            for item in mine:
                if item.path is None or known[item]:
                    self._tell(result, known[item] or self._failed(item, _Done(problem=item.problem or "")))
            tasks = {self._task(item, released): item for item in to_run}
            for task, done in run(list(tasks)):
                self._tell(result, self._settled(tasks[task], done, basis))
        result.outcomes.sort(key=lambda outcome: outcome.submission.student)
        result.scores = self.book.scores(chapter)
        keys = {outcome.submission.student: outcome.key for outcome in result.outcomes if outcome.key}
        loaded = {student: Record.load(self.folder.records / f"{key}.json") for student, key in keys.items()}
        result.records = {student: record for student, record in loaded.items() if record}
        return result

    def _tell(self, result: ChapterResult, outcome: Outcome) -> None:
        result.outcomes.append(outcome)
        self.done += 1
        self.watch(outcome, self.done, len(self.intake.submissions))

    # ------------------------------------------------------------------------------------------ gradebook

    def _prepared(self, chapter: Chapter, basis: str) -> Path:
        """The released notebook that the gradebook knows, after telling the gradebook of a changed chapter."""
        state = self.folder.state / chapter.folder / "_chapter.json"
        released = self.folder.grading / "release" / chapter.folder / f"{chapter.topic}.ipynb"
        before = _read_state(state)
        known = before.get("basis") == basis and released.exists()
        if not known or before.get("cells") != self.book.chapter_cells(chapter):  # a database can get lost
            try:
                released = self.book.prepare(chapter)
                cells = self.book.chapter_cells(chapter)
            except GradebookError as error:
                advice = "Once submissions were graded, grade a changed chapter into a new class folder (--folder)."
                advice = f" {advice}" if "add or remove cells" in str(error) else ""
                raise GradingError(f"The gradebook refused {chapter.folder}: {error}.{advice}") from None
            _write_state(state, {"basis": basis, "cells": cells})
        return released

    def _settled(self, item: Submission, done: _Done | Failure, basis: str) -> Outcome:
        """Write one submission's result into the gradebook and its feedback page."""
        if isinstance(done, Failure):
            if done.setup:
                raise GradingError(done.reason)
            done = _Done(error=f"The grading did not work: {done.reason}")
        self._state(item).unlink(missing_ok=True)  # from here on the page may be another one
        if done.problem or done.error:
            outcome = self._failed(item, done)
        else:
            outcome = self._written(item, done)
            if outcome.notices != done.notices or not outcome.graded:
                return outcome  # something is left to do: no state, so that the next run does it
        if not done.error:  # what failed for a reason of ours or of the machine is tried again next time
            state = {"file": _digest(item), "basis": basis, "intake": list(item.notes), **asdict(done)}
            state["by_hand"] = self.by_hand.get(item.student, "")
            _write_state(self._state(item), state)
        return outcome

    def _written(self, item: Submission, done: _Done) -> Outcome:
        """Into the gradebook and onto the feedback page."""
        try:
            self.book.write(item.student, item.chapter, item.name)
        except GradebookError as error:
            return self._failed(item, replace(done, error=f"The grade could not be written: {error}"))
        notices = done.notices
        try:
            self.book.feedback(item.student, item.chapter)
        except GradebookError as error:
            notices = (*notices, f"The feedback page could not be written: {error}")
        return Outcome(item, True, "", _notes(item, done), notices, ran=done.ran, key=done.key)

    def _failed(self, item: Submission, done: _Done) -> Outcome:
        from autograder.feedback import problem_page

        reason = done.problem or done.error
        page = self.folder.feedback / item.student / item.chapter.folder / f"{item.chapter.topic}.html"
        notes = _notes(item, done)
        if item.path:
            _copy_companions(item.path, page.parent)
        write_atomically(page, problem_page(item.chapter.title, item.name or item.student, reason, notes))
        return Outcome(item, False, reason, notes, ran=done.ran)

    # -------------------------------------------------------------------------------------------- running

    def _task(self, item: Submission, released: Path) -> _Task:
        checked = self.folder.checked / item.student / item.chapter.folder / f"{item.chapter.topic}.ipynb"
        source = item.chapter.solution_notebook
        return _Task(
            item.student, item.chapter.folder, item.path, released, source, checked, self.folder.records, self.again
        )

    @contextlib.contextmanager
    def _workers(self, count: int) -> Iterator[Callable[[list[_Task]], Iterable[tuple[_Task, Any]]]]:
        """What runs tasks; for `count` of them, in processes that start now."""
        make = functools.partial(make_runner, self.book.runner, self.book.fewer_walls)
        if not count:
            yield lambda tasks: ()
        elif not self.jobs:
            yield lambda tasks: _run_here(make, tasks)
        else:
            limits = Limits()
            longest = limits.wall(limits.submission_seconds) + 120
            with Pool[_Task](min(self.jobs, count), make, check_and_run, longest) as pool:
                pool.warm_up()
                yield pool.run

    # ---------------------------------------------------------------------------------------------- state

    def _state(self, item: Submission) -> Path:
        return self.folder.state / item.chapter.folder / f"{item.student}.json"

    def _known(self, chapter: Chapter, items: list[Submission], basis: str) -> dict[Submission, Outcome | None]:
        """For each submission the outcome of an earlier run, if everything that it depended on is as it was."""
        states = {item: {} if self.again else _read_state(self._state(item)) for item in items}
        self.by_hand = {}
        if not any(states.values()):
            return dict.fromkeys(items)
        scores = self.book.automatic_scores(chapter)  # a database can get lost, or be an older one
        self.by_hand = self.book.by_hand(chapter)
        known = {item: self._unchanged(item, states[item], scores.get(item.student), basis) for item in items}
        for item, outcome in known.items():
            if outcome and outcome.graded and states[item].get("by_hand", "") != self.by_hand.get(item.student, ""):
                known[item] = self._page_again(item, outcome, states[item])
        return known

    def _page_again(self, item: Submission, outcome: Outcome, state: dict[str, Any]) -> Outcome:
        """Write the feedback page of an unchanged submission to whose grade a person has added something."""
        try:
            self.book.feedback(item.student, item.chapter)
        except GradebookError as error:
            return replace(outcome, notices=(*outcome.notices, f"The feedback page could not be written: {error}"))
        _write_state(self._state(item), {**state, "by_hand": self.by_hand.get(item.student, "")})
        return outcome

    def _unchanged(
        self, item: Submission, state: dict[str, Any], scores: dict[str, float] | None, basis: str
    ) -> Outcome | None:
        if item.path is None or state.get("basis") != basis or state.get("intake") != list(item.notes):
            return None
        if state.get("file") != _digest(item):
            return None
        points = state.get("points", {})
        if not state.get("problem") and (scores is None or any(scores.get(c) != points[c] for c in points)):
            return None
        name = f"{item.chapter.topic}"
        page = self.folder.feedback / item.student / item.chapter.folder / f"{name}.html"
        graded = self.folder.autograded / item.student / item.chapter.folder / f"{name}.ipynb"
        if not page.exists() or not (state.get("problem") or graded.exists()):
            return None
        told = {name: tuple(state.get(name, ())) for name in ("notes", "notices")}
        done = _Done(state.get("key", ""), problem=state.get("problem", ""), **told)
        notes = _notes(item, done)
        return Outcome(item, not done.problem, done.problem, notes, done.notices, fresh=False, key=done.key)


# -------------------------------------------------------------------------------------------------- in workers


def _run_here(make: Callable[[], Runner], tasks: list[_Task]) -> Iterator[tuple[_Task, _Done | Failure]]:
    """As the pool does it, one after the other in this process."""
    with contextlib.ExitStack() as stack:
        try:
            runner = stack.enter_context(make())
        except Exception as error:
            yield tasks[0], Failure(str(error), setup=True)
            return
        for task in tasks:
            try:
                done: _Done | Failure = check_and_run(runner, task)
            except Exception as error:  # the task fails, the others go on
                done = failure(error)
            yield task, done


def check_and_run(runner: Runner, task: _Task) -> _Done:
    """Check and repair one submitted file and make sure that it has a record. Runs in a worker process."""
    checked = check_file(task.file, _reference(task.released, task.assignment))
    if checked.notebook is None:
        return _Done(problem=checked.problem or "", notes=checked.notes)
    write_atomically(task.checked, nbformat.writes(checked.notebook) + "\n")
    _copy_companions(task.file, task.checked.parent)
    source = nbformat.read(task.source, as_version=4)
    key = runner.key(checked.notebook, source)
    path = task.records / f"{key}.json"
    record = None if task.again else Record.load(path)
    ran = not runner.accepts(record)
    if ran:
        record = runner.run(checked.notebook, source)
        if not record.gradable:
            return _Done(error=record.error, notes=checked.notes, ran=True)
        record.save(path)
    points = {test.grade_id: test.points for test in record.tests}
    return _Done(key, points, notes=checked.notes, notices=tuple(record.notices), ran=ran)


@functools.lru_cache(maxsize=4)
def _reference(path: Path, name: str) -> Reference:
    return Reference.read(path, name)


def _copy_companions(file: Path, folder: Path) -> None:
    """Copy what nbgrader's exchange wrote beside a submission, except a time that would make nbgrader fail."""
    there = dict(_companions(file))
    for name in COMPANIONS:
        text = there.get(name, b"").decode("utf-8", "replace").strip()
        if name in there and (name != "timestamp.txt" or _is_time(text)):
            write_atomically(folder / name, text)
        else:
            (folder / name).unlink(missing_ok=True)


def _companions(file: Path) -> Iterator[tuple[str, bytes]]:
    for name in COMPANIONS:
        path = file.with_name(name)
        if not path.is_symlink() and path.is_file() and path.stat().st_size <= MAX_COMPANION:
            yield name, path.read_bytes()


def _is_time(text: str) -> bool:
    from nbgrader.utils import parse_utc

    try:
        parse_utc(text)
    except (ValueError, OverflowError, TypeError):
        return False
    return True


# ----------------------------------------------------------------------------------------------------- helpers


def _notes(item: Submission, done: _Done) -> tuple[str, ...]:
    """What the student is told about the file: how it was chosen, then what was repaired in it."""
    return (*item.notes, *done.notes)


def _digest(item: Submission) -> str:
    """Of the submitted file and of what lies beside it (when it was handed in)."""
    if item.path is None:
        return ""
    companions = [part for name, content in _companions(item.path) for part in (name, content)]
    return content_key(item.path.read_bytes(), *companions)


def _read_state(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_state(path: Path, state: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(state))
