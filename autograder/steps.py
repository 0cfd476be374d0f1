"""The steps that this project puts into nbgrader's pipeline, by configuration (`nbgrader_config.py`).

    sanitise:  RepairSubmission, then nbgrader's own ClearOutput ... OverwriteCells ... CheckCellMetadata
    autograde: RunSubmission in the place of Execute, nbgrader's own LimitOutput,
               SavePoints in the place of SaveAutoGrades

So `nbgrader autograde`, Formgrader's button and `autograder grade` do the same. Points come from the record that
the runner made, never from what stands in a cell's outputs: in nbgrader's own rule a cell that did not run, or
that shows something unreadable, has full points, and any warning on stderr has none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute, NbGraderPreprocessor, SaveAutoGrades
from nbgrader.utils import compute_checksum, is_grade, is_solution
from traitlets import Bool, Enum, Unicode

from autograder.clean import Budget, clean_outputs
from autograder.judge.record import Record
from autograder.reading import Unreadable, parse_cells
from autograder.reference import Reference
from autograder.runners import NAMES, make_runner
from autograder.submission import check_cells

_RESOURCE = "autograder_record"


class CannotGrade(Exception):
    """This submission cannot be graded; the message says why. nbgrader goes on with the next one."""


def find(course: CourseDirectory, step: str, place: dict[str, str]) -> Path | None:
    """The chapter's notebook in the source or release directory, or None if there is none."""
    folder = course.format_path(step, ".", place["assignment"])
    path = Path(course.root, folder, f"{place['notebook']}.ipynb")
    return path if path.exists() else None


class RepairSubmission(NbGraderPreprocessor):
    """Rebuild the submitted notebook from the released one, with the student's sources in it.

    `checked` is for the driver alone, whose submissions are files that it has rebuilt itself in the workers: this
    process writes the gradebook for all of them and should not do their work again.
    """

    checked = Bool(False, help="Every submission was checked and rebuilt before.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """The repaired notebook. Raises `CannotGrade` if it is no notebook of this chapter."""
        if self.checked:
            return nb, resources
        place = resources["nbgrader"]
        course = CourseDirectory(parent=self)
        released = find(course, course.release_directory, place)
        if released is None:
            self.log.warning("No released notebook of %s: the submission is taken as it is", place["assignment"])
            return nb, resources
        try:
            cells, notes = parse_cells(nbformat.writes(nb).encode("utf-8"))
        except Unreadable as error:
            raise CannotGrade(str(error)) from None
        checked = check_cells(cells, Reference.read(released, place["assignment"]), notes)
        if checked.notebook is None:
            raise CannotGrade(checked.problem)
        for note in checked.notes:
            self.log.info("%s: %s", place["student"], note)
        return checked.notebook, resources


class RunSubmission(Execute):
    """Take the outputs from the submission's record; make the record first if there is none yet."""

    runner = Enum(NAMES, "judge", help="Who runs submissions: the judge, or a plain kernel.").tag(config=True)
    fewer_walls = Bool(False, help="Let the judge run where the machine cannot give all walls of its sandbox.").tag(
        config=True
    )
    records = Unicode("", help="Folder of the records; default: grading/records in the course's root.").tag(config=True)
    run_again = Bool(False, help="Run again what has a record.").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any], km: Any = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Fill in the outputs. Raises `CannotGrade` if the notebook could not be run."""
        course = CourseDirectory(parent=self)
        source_path = find(course, course.source_directory, resources["nbgrader"])
        if source_path is None:
            self.log.warning("No source notebook: the submission is run as nbgrader does it")
            return super().preprocess(nb, resources, km)
        source = nbformat.read(source_path, as_version=4)
        record = self._record(nb, source, Path(self.records or Path(course.root, "grading", "records")))
        if not record.gradable:
            raise CannotGrade(record.error)
        apply_record(nb, record)
        resources[_RESOURCE] = record
        return nb, resources

    def _record(self, nb: NotebookNode, source: NotebookNode, folder: Path) -> Record:
        runner = make_runner(self.runner, self.fewer_walls)
        path = folder / f"{runner.key(nb, source)}.json"
        record = None if self.run_again else Record.load(path)
        if not runner.accepts(record):
            with runner:
                record = runner.run(nb, source)
            if record.gradable:
                record.save(path)
        return record


def apply_record(nb: NotebookNode, record: Record) -> None:
    """Put the outputs and the outcomes of a record into a notebook with the cells that were run.

    Code cells are matched in order: submissions with the same code share a record, whatever text is between.
    Raises `CannotGrade` if the record is of a notebook with other cells.
    """
    cells = [cell for cell in nb.cells if cell.cell_type == "code"]
    runs = [run for run in record.cells if run.index is not None]
    if [_grade_id(cell) for cell in cells] != [run.grade_id for run in runs]:
        raise CannotGrade("The record belongs to another notebook.")
    budget = Budget()
    for cell, run in zip(cells, runs, strict=True):
        cell.execution_count = run.execution_count if run.status != "skipped" else None
        cell.outputs = clean_outputs([NotebookNode(output) for output in run.outputs], budget)
    results = {test.grade_id: test for test in record.tests}
    for cell in nb.cells:
        result = results.get(_grade_id(cell))
        if result is not None:
            cell.metadata["autograder"] = {
                "outcome": result.outcome,
                "message": result.message,
                "hint": result.hint,
            }


class SavePoints(SaveAutoGrades):
    """Write the record's points into the gradebook, all of a notebook's in one transaction."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """As nbgrader's, with the points of the record that `RunSubmission` left in the resources."""
        record = resources.get(_RESOURCE)
        if record is None:
            return super().preprocess(nb, resources)
        place = resources["nbgrader"]
        points = {test.grade_id: test.points for test in record.tests}
        with Gradebook(place["db_url"]) as book:
            submission = book.find_submission_notebook(place["notebook"], place["assignment"], place["student"])
            grades = {grade.name: grade for grade in submission.grades}
            comments = {comment.name: comment for comment in submission.comments}
            seen = set()
            for cell in nb.cells:
                grade_id = _grade_id(cell)
                if is_grade(cell) and grade_id in grades:
                    seen.add(grade_id)
                    if is_solution(cell):  # a written answer: for a person to grade
                        grades[grade_id].auto_score = 0.0 if _untouched(cell) else None
                        grades[grade_id].needs_manual_grade = not _untouched(cell)
                    else:
                        _save(grades[grade_id], points.get(grade_id, 0.0))
                if is_solution(cell) and grade_id in comments:
                    comments[grade_id].auto_comment = "No response." if _untouched(cell) else None
            for name, grade in grades.items():
                if name not in seen and grade.cell.cell_type == "code":
                    _save(grade, points.get(name, 0.0))
            book.db.commit()
        return nb, resources


def _grade_id(cell: NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _save(grade: Any, points: float) -> None:
    grade.auto_score = min(max(float(points), 0.0), float(grade.max_score))
    grade.needs_manual_grade = grade.manual_score is not None


def _untouched(cell: NotebookNode) -> bool:
    return cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
