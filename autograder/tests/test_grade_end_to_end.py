"""A class from files to grades: what is graded, what is not and why, again and again, also after being killed."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock

from autograder.grade import GradingError, grade
from autograder.gradebook import ClassGradebook, GradebookError, _last_line
from autograder.judge.record import Record
from autograder.layout import ClassFolder
from autograder.report import remarks, report_page, write_reports
from autograder.runners import JudgeRunner
from autograder.tests import tiny_class
from autograder.tests.tiny_class import SECRET, QuickRunner, answered, released, without_metadata, write

WARNS = """
def double(x):
    import sys, warnings
    warnings.warn("a warning costs nothing")
    print("neither does stderr", file=sys.stderr)
    return 2 * x
"""


def hand_in(chapter, inbox: Path) -> None:
    """A small class in one flat folder."""
    write(answered(chapter), inbox / "tiny_ada.ipynb")
    write(released(chapter), inbox / "tiny_open.ipynb")
    wrong = {"ex1_double": "def double(x):\n    return abs(2 * x)", "q1": 'answer_one = "a"'}
    write(answered(chapter, **wrong), inbox / "tiny_wrong.ipynb")
    write(answered(chapter, ex1_double=WARNS), inbox / "tiny_warns.ipynb")
    write(without_metadata(answered(chapter)), inbox / "tiny_colab.ipynb")
    first = answered(chapter)
    first.cells.insert(1, nbformat.v4.new_code_cell("raise RuntimeError('the set-up fails')", id="raises"))
    write(first, inbox / "tiny_raises.ipynb")
    leaver = answered(chapter)
    leaver.cells.insert(1, nbformat.v4.new_code_cell("import os\nos._exit(3)", id="leaves"))
    write(leaver, inbox / "tiny_leaves.ipynb")
    (inbox / "tiny_damaged.ipynb").write_text('{"cells": [', encoding="utf-8")
    (inbox / "tiny_empty.ipynb").touch()
    (inbox / "notes.txt").write_text("no notebook", encoding="utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return tiny_class.make_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def graded(course, tmp_path_factory):
    """The class, graded once by the plain runner."""
    base = tmp_path_factory.mktemp("class")
    hand_in(course, base / "inbox")
    seen = []
    result = run(course, base, watch=lambda *event: seen.append(event))
    return base, result, seen

DISK_FULL = "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database or disk is full"


def run(course, base: Path, **options):
    options = {"jobs": 2, "runner": "plain"} | options
    return grade([course], base / "inbox", ClassFolder(base / "class"), course_root=course.root, **options)


def outcomes(result):
    return {outcome.submission.student: outcome for outcome in result.outcomes}


# --------------------------------------------------------------------------------------------- a graded class


def test_everyone_has_a_grade_or_a_reason(graded):
    _, result, _ = graded
    found = outcomes(result)
    assert {s for s, o in found.items() if o.graded} == {"ada", "open", "wrong", "warns", "colab", "raises"}
    assert "empty" in found["empty"].reason
    assert "damaged" in found["damaged"].reason
    assert "process ended" in found["leaves"].reason
    assert dict(result.intake.unused) == {"notes.txt": "is not a notebook"}


def test_the_gradebook_has_the_points_of_every_test(graded):
    _, result, _ = graded
    scores = {student: list(score.points.values()) for student, score in result.chapters[0].scores.items()}
    full = [4.0, 3.0, 3.0, 2.0]
    assert scores == {
        "ada": full,
        "colab": full,
        "raises": full,
        "warns": full,  # nbgrader itself gives 0 for anything on stderr
        "open": [0.0, 0.0, 0.0, 0.0],
        "wrong": [0.0, 3.0, 3.0, 0.0],
    }


def test_who_could_not_be_graded_has_no_row_in_the_gradebook(graded):
    base, _, _ = graded
    with sqlite3.connect(base / "class" / "gradebook.db") as database:
        students = {row[0] for row in database.execute("select student_id from submitted_assignment")}
    assert students == {"ada", "open", "wrong", "warns", "colab", "raises"}


def test_the_progress_counts_every_submission_once(graded):
    _, result, seen = graded
    assert [done for _, done, _ in seen] == list(range(1, 10))
    assert {total for _, _, total in seen} == {9}
    assert {o.submission.student for o, _, _ in seen} == set(outcomes(result))


def test_the_input_is_untouched(graded, course, tmp_path):
    base, _, _ = graded
    hand_in(course, tmp_path)
    now = {p.name: p.read_bytes() for p in (base / "inbox").iterdir()}
    assert now == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_every_student_gets_a_page_without_secrets_or_paths(graded):
    base, result, _ = graded
    for student, outcome in outcomes(result).items():
        page = (base / "class" / "feedback" / student / course_folder(result) / "tiny.html").read_text("utf-8")
        assert SECRET not in page and "HIDDEN" not in page and "_oracle" not in page
        assert str(base) not in page and "/tmp/" not in page
        assert "<script" not in page
        if not outcome.graded:
            assert "could not be graded" in page
    wrong = (base / "class" / "feedback" / "wrong" / course_folder(result) / "tiny.html").read_text("utf-8")
    assert "double is wrong for a negative number" in wrong
    assert "6 of 12 points" in wrong and "Feedback for wrong" in wrong


def course_folder(result):
    return result.chapters[0].chapter.folder


def test_experiments_are_not_run_and_everything_else_is(graded):
    base, _, _ = graded
    notebook = nbformat.read(base / "class" / "autograded" / "ada" / "91_tiny" / "tiny.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.execution_count is None) == (cell.metadata.coursekit.kind == "demo")


def test_the_autograded_notebook_is_nbgraders_with_hidden_tests(graded):
    base, _, _ = graded
    text = (base / "class" / "autograded" / "wrong" / "91_tiny" / "tiny.ipynb").read_text("utf-8")
    assert SECRET in text


def test_repairs_are_told_to_the_student(graded):
    base, result, _ = graded
    assert any("recognised by their content" in note for note in outcomes(result)["colab"].notes)
    page = (base / "class" / "feedback" / "colab" / "91_tiny" / "tiny.html").read_text("utf-8")
    assert "recognised by their content" in page


def test_the_reports_agree_with_the_gradebook(graded):
    _, result, _ = graded
    page, table = write_reports(result)
    assert "could not be graded" in page.read_text("utf-8")
    with table.open(encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert rows["wrong"]["total"] == "6" and rows["wrong"]["ex1-double-test (4)"] == "0"
    assert rows["damaged"]["total"] == "" and rows["damaged"]["status"] == "not graded"
    assert rows["ada"]["exercise 2 (6)"] == "6"


def test_nbgraders_own_export_works(graded, course, tmp_path):
    base, _, _ = graded
    book = ClassGradebook(ClassFolder(base / "class"), course.root / "nbgrader_config.py", course.root)
    book.export(tmp_path / "grades.csv")
    rows = list(csv.DictReader((tmp_path / "grades.csv").open()))
    assert {row["student_id"]: float(row["score"]) for row in rows if row["assignment"] == "91_tiny"}["wrong"] == 6


# ------------------------------------------------------------------------------------------------------ reruns


@pytest.fixture(scope="module")
def graded_small(course, tmp_path_factory):
    """A class of two, graded in this process: these tests are about what is done again, not about kernels."""
    base = tmp_path_factory.mktemp("small")
    write(answered(course), base / "inbox" / "tiny_ada.ipynb")
    write(released(course), base / "inbox" / "tiny_bob.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        quick(patch)
        again(course, base)
    return base


@pytest.fixture
def small(graded_small, tmp_path, monkeypatch):
    """A copy of that class for one test."""
    quick(monkeypatch)
    shutil.copytree(graded_small, tmp_path / "small")
    return tmp_path / "small"


def quick(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("autograder.grade.make_runner", lambda *settings: QuickRunner())
    patch.setattr("autograder.steps.make_runner", lambda *settings: QuickRunner())


def again(course, base: Path, **options):
    """Grade the small class once more."""
    return run(course, base, jobs=0, **options)


def test_a_second_run_does_nothing_again(course, small):
    before = stamps(small / "class")
    result = again(course, small)
    assert [(o.graded, o.fresh, o.ran) for o in result.outcomes] == [(True, False, False)] * 2
    assert result.chapters[0].scores["ada"].total == 12
    after = stamps(small / "class")
    assert {p for p in before if before[p] != after.get(p)} <= {"grading/uploads.csv", "grading/lock"}


def stamps(folder: Path):
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_only_what_changed_is_graded_again(course, small):
    write(answered(course, q1='answer_one = "b"'), small / "inbox" / "tiny_bob.ipynb")
    result = again(course, small)
    assert {s: o.ran for s, o in outcomes(result).items()} == {"ada": False, "bob": True}
    assert result.chapters[0].scores["bob"].total == 12


def test_the_same_content_is_not_run_twice_but_counts_for_both(course, small):
    write(answered(course), small / "inbox" / "tiny_cat.ipynb")
    result = again(course, small)
    assert outcomes(result)["cat"].fresh and not outcomes(result)["cat"].ran
    assert result.chapters[0].scores["cat"].total == 12


def test_again_runs_everything(course, small):
    assert all(o.ran for o in again(course, small, again=True).outcomes)


def test_nothing_is_written_past_the_progress(course, small, capfd):
    again(course, small, again=True)
    assert capfd.readouterr() == ("", "")


def test_manual_scores_survive_and_count(course, small):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{small / 'class' / 'gradebook.db'}") as book:
        grade_row = book.find_grade("q1-test", "tiny", "91_tiny", "bob")
        grade_row.manual_score = 1.5
        book.db.commit()
    assert again(course, small).chapters[0].scores["bob"].total == 1.5
    changed = again(course, small, again=True).chapters[0].scores["bob"]
    assert changed.total == 1.5 and changed.needs_manual


def test_a_page_is_written_again_when_a_person_has_graded(course, small):
    from nbgrader.api import Gradebook

    page = small / "class" / "feedback" / "ada" / "91_tiny" / "tiny.html"
    with Gradebook(f"sqlite:///{small / 'class' / 'gradebook.db'}") as book:
        grade_row = book.find_grade("q1-test", "tiny", "91_tiny", "ada")
        grade_row.manual_score, grade_row.extra_credit = 0.0, 0.5
        book.db.commit()
    before = page.read_text("utf-8")
    result = again(course, small)
    assert not outcomes(result)["ada"].fresh and result.chapters[0].scores["ada"].total == 10.5
    assert "10.5" in page.read_text("utf-8") and page.read_text("utf-8") != before
    written = page.stat().st_mtime_ns
    again(course, small)
    assert page.stat().st_mtime_ns == written


def test_those_graded_before_are_named_where_a_run_is_of_others(course, small, tmp_path):
    write(answered(course), tmp_path / "late" / "tiny_zoe.ipynb")
    late = grade([course], tmp_path / "late", ClassFolder(small / "class"), jobs=0, course_root=course.root)
    assert [o.submission.student for o in late.outcomes] == ["zoe"] and late.chapters[0].others == ["ada", "bob"]
    assert any("2 students" in line and "ada, bob" in line for line in remarks(late.chapters[0]))
    assert "ada, bob" in report_page(late) and again(course, small).chapters[0].others == ["zoe"]


def test_a_folder_that_cannot_be_written_is_named(course, small, monkeypatch):
    def refused(self, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(GradingError, match=r"cannot be written.*--folder"):
        again(course, small)


def test_what_the_database_says_is_told_and_not_the_statement():
    lines = ["Traceback (most recent call last):", '  File "x"', DISK_FULL, "[SQL: INSERT]", "[parameters: ()]"]
    told = _last_line("\n".join([*lines, "(Background on this error at: https://example.org)"]))
    assert told == "(sqlite3.OperationalError) database or disk is full"


def test_a_lost_gradebook_is_written_again_from_the_records(course, small):
    (small / "class" / "gradebook.db").unlink()
    result = again(course, small)
    assert [(o.graded, o.fresh, o.ran) for o in result.outcomes] == [(True, True, False)] * 2
    assert {s: score.total for s, score in result.chapters[0].scores.items()} == {"ada": 12, "bob": 0}
    assert not any(o.fresh for o in again(course, small).outcomes)


@pytest.mark.parametrize("options", [{}, {"again": True}])
def test_an_older_gradebook_is_brought_up_to_date(course, small, tmp_path, options):
    old = tmp_path / "old.db"
    shutil.copy(small / "class" / "gradebook.db", old)
    write(answered(course, q1='answer_one = "b"'), small / "inbox" / "tiny_bob.ipynb")
    write(answered(course), small / "inbox" / "tiny_cat.ipynb")
    again(course, small)
    os.replace(old, small / "class" / "gradebook.db")
    result = again(course, small, **options)
    if not options:
        assert {s: o.fresh for s, o in outcomes(result).items()} == {"ada": False, "bob": True, "cat": True}
    assert {s: score.total for s, score in result.chapters[0].scores.items()} == {"ada": 12, "bob": 12, "cat": 12}


def test_a_gradebook_of_an_earlier_version_of_the_chapter_is_told_of_the_new_one(course, small, tmp_path):
    text = course.solution_notebook.read_text("utf-8")
    old = tmp_path / "old.db"
    shutil.copy(small / "class" / "gradebook.db", old)
    try:
        source = nbformat.read(course.solution_notebook, as_version=4)
        tiny_class.cell(source, "q1-test").metadata.nbgrader.points = 3
        course.solution_notebook.write_text(nbformat.writes(source), encoding="utf-8")
        assert again(course, small).chapters[0].scores["ada"].total == 13
        os.replace(old, small / "class" / "gradebook.db")
        assert again(course, small).chapters[0].scores["ada"].total == 13
    finally:
        course.solution_notebook.write_text(text, encoding="utf-8")


class FailingRunner(QuickRunner):
    """A judge that cannot do its work."""

    def run(self, notebook, source):
        return Record(key=self.key(notebook, source), gradable=False, error="The judge failed: no memory")


class RaisingRunner(QuickRunner):
    """A judge with a mistake that one submission brings to light."""

    def run(self, notebook, source):
        if "x + x" in tiny_class.cell(notebook, "ex1-double").source:
            raise UnicodeEncodeError("utf-8", "a", 0, 1, "surrogates not allowed")
        return super().run(notebook, source)


class HoledRunner(QuickRunner):
    """A judge on a machine that lacks a wall, or on one that does not."""

    def __init__(self, fewer_walls: bool):
        super().__init__()
        self.judge = JudgeRunner(fewer_walls)

    def accepts(self, record):
        return self.judge.accepts(record)

    def run(self, notebook, source):
        record = super().run(notebook, source)
        record.walls_missing = ["landlock"] if self.judge.fewer_walls else []
        return record


def test_what_was_graded_with_fewer_walls_is_graded_again_with_all(course, small, monkeypatch):
    monkeypatch.setattr("autograder.grade.make_runner", lambda name, fewer_walls: HoledRunner(fewer_walls))
    ran = []
    for fewer_walls, options in ((True, {"again": True}), (True, {}), (False, {}), (True, {})):
        result = again(course, small, fewer_walls=fewer_walls, **options)
        ran.append([o.ran for o in result.outcomes])
        assert {s: score.total for s, score in result.chapters[0].scores.items()} == {"ada": 12, "bob": 0}
    assert ran == [[True, True], [False, False], [True, True], [False, False]]


def test_a_page_that_says_why_there_is_no_grade_goes_when_there_is_one(course, small, monkeypatch):
    page = small / "class" / "feedback" / "ada" / "91_tiny" / "tiny.html"
    with monkeypatch.context() as patch:
        patch.setattr("autograder.grade.make_runner", lambda *settings: FailingRunner())
        assert not any(o.graded for o in again(course, small, again=True).outcomes)
    assert "could not be graded" in page.read_text("utf-8")
    result = again(course, small)
    assert [(o.graded, o.fresh, o.ran) for o in result.outcomes] == [(True, True, False)] * 2
    assert "could not be graded" not in page.read_text("utf-8")


def test_a_mistake_of_ours_in_this_process_costs_only_its_submission(course, small, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("autograder.grade.make_runner", lambda *settings: RaisingRunner())
        found = outcomes(again(course, small, again=True))
    assert found["bob"].graded and not found["ada"].graded
    assert "UnicodeEncodeError" in found["ada"].reason and "test_grade_end_to_end.py" in found["ada"].reason


def test_a_runner_that_cannot_start_in_this_process_is_told_at_once(course, small, monkeypatch):
    def cannot(*settings):
        raise RuntimeError("there is no sandbox here")

    monkeypatch.setattr("autograder.grade.make_runner", cannot)
    with pytest.raises(GradingError, match="no sandbox"):
        again(course, small, again=True)


def test_another_time_of_handing_in_reaches_the_gradebook(course, tmp_path, monkeypatch):
    quick(monkeypatch)
    place = tmp_path / "inbox" / "ada" / "91_tiny"
    write(answered(course), place / "tiny.ipynb")
    found = []
    for day in ("2026-01-01", "2026-01-01", "2026-03-01"):
        (place / "timestamp.txt").write_text(f"{day} 10:00:00 UTC", encoding="utf-8")
        fresh = again(course, tmp_path).outcomes[0].fresh
        with sqlite3.connect(tmp_path / "class" / "gradebook.db") as database:
            ((time_of,),) = database.execute("select timestamp from submitted_assignment").fetchall()
        found.append((fresh, time_of[:10]))
    assert found == [(True, "2026-01-01"), (False, "2026-01-01"), (True, "2026-03-01")]


def test_a_time_that_was_taken_back_does_not_stay_beside_the_file(course, tmp_path, monkeypatch):
    quick(monkeypatch)
    place = tmp_path / "class" / "submitted" / "ada" / "91_tiny"
    write(answered(course), place / "tiny.ipynb")
    (place / "timestamp.txt").write_text("2026-01-01 10:00:00 UTC", encoding="utf-8")
    for wanted in (True, False):
        grade([course], None, ClassFolder(tmp_path / "class"), course_root=course.root, jobs=0, runner="plain")
        assert (tmp_path / "class/grading/checked/ada/91_tiny/timestamp.txt").exists() == wanted
        (place / "timestamp.txt").unlink(missing_ok=True)


def test_changed_settings_are_used(course, small):
    settings = course.root / "nbgrader_config.py"
    text = settings.read_text("utf-8")
    try:
        settings.write_text(f"{text}\nc.FeedbackExporter.show_given = True\n", encoding="utf-8")
        assert [(o.fresh, o.ran) for o in again(course, small).outcomes] == [(True, False)] * 2
    finally:
        settings.write_text(text, encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="no modes here")
def test_all_pages_can_be_read_by_the_same_people(course, small):
    (small / "inbox" / "tiny_dan.ipynb").write_text("{", encoding="utf-8")
    again(course, small)
    modes = {page.stat().st_mode for page in (small / "class" / "feedback").rglob("*.html")}
    assert len(modes) == 1


def test_a_broken_resubmission_keeps_the_earlier_grade_and_says_so(course, small):
    (small / "inbox" / "tiny_ada.ipynb").write_text("{", encoding="utf-8")
    result = again(course, small)
    assert not outcomes(result)["ada"].graded
    assert result.chapters[0].scores["ada"].total == 12
    _, table = write_reports(result)
    assert "the earlier grade stays" in table.read_text("utf-8")


def test_a_changed_test_is_graded_again(course, small):
    source = nbformat.read(course.solution_notebook, as_version=4)
    text = course.solution_notebook.read_text("utf-8")
    try:
        tiny_class.cell(source, "q1-test").source += "\n"
        tiny_class.cell(source, "q1-test").source = "assert answer_one == 'never'"
        course.solution_notebook.write_text(nbformat.writes(source), encoding="utf-8")
        result = again(course, small)
        assert all(o.ran for o in result.outcomes)
        assert result.chapters[0].scores["ada"].total == 10
    finally:
        course.solution_notebook.write_text(text, encoding="utf-8")


def test_added_cells_are_refused_with_advice_once_there_are_grades(course, small):
    source = nbformat.read(course.solution_notebook, as_version=4)
    text = course.solution_notebook.read_text("utf-8")
    try:
        tiny_class.cell(source, "q1-test").metadata.nbgrader.grade_id = "q2-test"
        course.solution_notebook.write_text(nbformat.writes(source), encoding="utf-8")
        with pytest.raises(GradingError, match="--folder"):
            again(course, small)
    finally:
        course.solution_notebook.write_text(text, encoding="utf-8")


def test_a_feedback_page_that_fails_is_told_and_tried_again(course, small, monkeypatch):
    def fails(self, student, chapter):
        raise GradebookError("no space left")

    write(answered(course), small / "inbox" / "tiny_cat.ipynb")
    with monkeypatch.context() as patch:
        patch.setattr(ClassGradebook, "feedback", fails)
        cat = outcomes(again(course, small))["cat"]
    assert cat.graded and "no space left" in cat.notices[0]
    cat = outcomes(again(course, small))["cat"]
    assert cat.graded and cat.fresh and not cat.ran and cat.notices == ()


@pytest.mark.slow
def test_a_locked_database_costs_nobody_a_grade(course, small):
    write(answered(course), small / "inbox" / "tiny_cat.ipynb")
    other = sqlite3.connect(small / "class" / "gradebook.db", isolation_level=None)
    other.execute("begin exclusive")
    try:
        with pytest.raises(GradingError, match="database is locked"):
            again(course, small)
    finally:
        other.execute("rollback")
        other.close()
    result = again(course, small)
    assert {s: score.total for s, score in result.chapters[0].scores.items()} == {"ada": 12, "bob": 0, "cat": 12}


def test_two_graders_do_not_write_at_once(course, small):
    with FileLock(small / "class" / "grading" / "lock"), pytest.raises(GradingError, match="another process"):
        again(course, small)


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 1}', b"\xff\xfe"])
def test_a_damaged_record_is_made_again(course, small, content):
    for path in (small / "class" / "grading" / "records").iterdir():
        path.write_bytes(content)
    for path in (small / "class" / "grading" / "state" / "91_tiny").glob("[!_]*"):
        path.write_bytes(content)
    result = again(course, small)
    assert all(o.graded and o.ran for o in result.outcomes)


def test_a_missing_class_or_chapter_is_a_clear_error(course, tmp_path):
    with pytest.raises(GradingError, match="No submissions"):
        again(course, tmp_path)
    write(answered(course), tmp_path / "inbox" / "tiny_ada.ipynb")
    course.student_notebook.rename(course.student_notebook.with_suffix(".away"))
    try:
        with pytest.raises(GradingError, match="is not built"):
            again(course, tmp_path)
    finally:
        course.student_notebook.with_suffix(".away").rename(course.student_notebook)


# -------------------------------------------------------------------------------------------------- being killed

KILLED = """
import sys
from pathlib import Path
from autograder import grade as module
from autograder.course import Chapter
from autograder.grade import grade
from autograder.layout import ClassFolder
from autograder.tests.tiny_class import make_slowed_runner

module.make_runner = make_slowed_runner
if __name__ == "__main__":
    base, root = Path(sys.argv[1]), Path(sys.argv[2])
    chapter = Chapter("91_tiny", "A tiny chapter", 12, root)
    grade([chapter], base / "inbox", ClassFolder(base / "class"), jobs=2, runner="plain", course_root=root)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_killed_at_any_moment_nothing_is_lost_or_done_twice(course, tmp_path, monkeypatch):
    """Each notebook leaves a mark at its end; a submission with a record must never run again."""
    marks, script = tmp_path / "marks", tmp_path / "killed.py"
    marks.mkdir()
    script.write_text(KILLED, encoding="utf-8")
    for n in range(6):
        notebook = answered(course)
        mark = f"open({str(marks)!r} + '/s{n}', 'a').write('x')"
        notebook.cells.append(nbformat.v4.new_code_cell(mark))
        write(notebook, tmp_path / "inbox" / f"tiny_s{n}.ipynb")
    records = tmp_path / "class" / "grading" / "records"
    for wanted in (1, 4):
        process = subprocess.Popen([sys.executable, str(script), str(tmp_path), str(course.root)])
        deadline = time.monotonic() + 120
        while len(list(records.glob("*.json"))) < wanted and process.poll() is None:
            assert time.monotonic() < deadline, "the class is not being graded"
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    finished = {p.stem for p in records.glob("*.json")}
    before = {p.name: len(p.read_text()) for p in marks.iterdir()}
    done_before = {json.loads((records / f"{key}.json").read_text())["key"] for key in finished}
    quick(monkeypatch)
    result = again(course, tmp_path)
    assert [o.graded for o in result.outcomes] == [True] * 6
    assert {s.total for s in result.chapters[0].scores.values()} == {12}
    for outcome in result.outcomes:
        student = outcome.submission.student
        ran_now = len((marks / student).read_text()) - before.get(student, 0)
        assert ran_now == (0 if outcome.key in done_before else 1)
        assert Record.load(records / f"{outcome.key}.json").points == 12
    assert {p.stem for p in records.glob("*.json")} == {outcome.key for outcome in result.outcomes}
