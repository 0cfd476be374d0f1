"""The table, the page and the CSV say what the gradebook says, and nothing that a student wrote gets through."""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from rich.console import Console

from autograder.grade import ChapterResult, ClassResult, Outcome
from autograder.gradebook import Scores
from autograder.intake import Intake, Submission
from autograder.judge.record import Record, TestResult
from autograder.layout import ClassFolder
from autograder.reference import Reference, exercise_label
from autograder.report import gist, remarks, report_page, rows, table, wide, without_label, write_reports
from autograder.tests import tiny_class

EVIL = "=cmd|'/c calc'!A1<script>alert(1)</script>"
MESSAGE = """\
Exercise 1: twice - not right yet
  Checked:      double(-3.5)
  Got:          7.0
  Likely cause: a sign is lost"""


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    return tiny_class.make_course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def result(chapter, tmp_path):
    """A class of five: full marks, two with the same mistake, an evil name, one that could not be graded."""
    points = {"ann": [4, 3, 3, 2], "bob": [0, 3, 3, 0], "cat": [0, 3, 1.5, 2], "dan": [0, 0, 0, 0]}
    reference = Reference.read(chapter.student_notebook, chapter.folder)
    made = ChapterResult(chapter, reference, [])
    for student, got in points.items():
        item = Submission(student, chapter, tmp_path / "x", f"{student}.ipynb", name=student.title())
        made.outcomes.append(Outcome(item, True, key=student))
        named = {test.grade_id: float(p) for test, p in zip(reference.tests, got, strict=True)}
        most = {test.grade_id: test.points for test in reference.tests}
        made.scores[student] = Scores(student, named, most, float(sum(got)))
        tests = [TestResult(t.grade_id, named[t.grade_id], t.points, "passed") for t in reference.tests]
        for test in tests:
            if test.points < test.max_points:
                test.outcome, test.message = "wrong", MESSAGE
        made.records[student] = Record(student, tests=tests)
    made.records["bob"].tests[0].message = MESSAGE.replace("-3.5", "-4.25")
    made.outcomes[2] = replace(made.outcomes[2], notes=("repaired <b>",))
    bad = Submission("eve", chapter, None, "eve.ipynb", name=EVIL, late=True)
    made.outcomes.append(Outcome(bad, False, f"The file is damaged {EVIL}."))
    return made


@pytest.fixture
def page(result, tmp_path):
    folder = ClassFolder(tmp_path / "class")
    intake = Intake((), ((f"{EVIL}.txt", "is not a notebook"),))
    return report_page(ClassResult(folder, [result], intake))


def test_points_are_summed_by_exercise(result):
    by_student = {row.student: row for row in rows(result)}
    assert by_student["ann"].points == (4, 6, 2)
    assert by_student["cat"].points == (0, 4.5, 2) and by_student["cat"].total == 6.5
    assert by_student["eve"].points == (None, None, None) and by_student["eve"].total is None


def test_who_was_not_graded_is_never_a_zero(result, page):
    assert "not graded: The file is damaged" in " ".join(remarks(result))
    header, lines = wide(result)
    eve = dict(zip(header, next(line for line in lines if line[0] == "eve"), strict=True))
    assert eve["total"] is None and eve["status"] == "not graded"
    line = next(r for r in BeautifulSoup(page, "html.parser").select(".students tbody tr") if "eve" in r.th.get_text())
    assert [cell.get_text() for cell in line.find_all("td")][:4] == ["–"] * 4


def test_the_terminal_table_fits_80_columns(result):
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        console.print(table(result))
    text = capture.get()
    assert all(len(line) <= 80 for line in text.split("\n"))
    assert "ann" in text and "6.5" in text and "mean of 4" in text and "…" not in text


def test_the_distribution_counts_graded_students_only(page):
    cells = [
        [c.get_text(" ", strip=True) for c in row.find_all(["th", "td"])]
        for row in BeautifulSoup(page, "html.parser").find("table").tbody("tr")
    ]
    assert cells[0][0].endswith("Exercise 1: Twice (4 points)")
    assert cells[0][1:3] == ["4", "1.0 (25 %)"] and cells[0][-3:] == ["1", "0", "3"]
    assert cells[1][-3:] == ["2", "1", "1"]
    assert "5 submissions, 4 graded" in page and "1 could not be graded" in page


def test_the_most_frequent_failure_comes_first_whatever_its_numbers(page):
    first = BeautifulSoup(page, "html.parser").select_one(".failures tbody tr")
    assert [cell.get_text(strip=True) for cell in first.find_all(["th", "td"])] == [
        *("3", "ex1-double-test", "wrong"),
        "double(-4.25). Likely: a sign is lost",
        "bob, cat, dan",
    ]


def test_a_broken_test_is_named(result):
    result.records["ann"].tests[0].outcome = "fault"
    assert "broken test: ex1-double-test" in " ".join(remarks(result))


def test_nothing_active_gets_into_the_page(page):
    soup = BeautifulSoup(page, "html.parser")
    assert not soup.find_all(["script", "iframe", "object", "form", "link"])
    assert not [e for e in soup.find_all(True) if any(name.startswith("on") for name in e.attrs)]
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page


def test_the_page_is_readable_without_seeing_it(page):
    soup = BeautifulSoup(page, "html.parser")
    assert soup.html["lang"] == "en" and soup.title.get_text()
    assert all(t.caption and t.find("th", scope="col") for t in soup.find_all("table"))
    assert all(row.find("th", scope="row") for t in soup.find_all("table") for row in t.tbody("tr"))
    for figure in soup.find_all("svg"):
        assert figure.get("aria-hidden") == "true" or "points" in figure["aria-label"]
    levels = [int(h.name[1]) for h in soup.find_all(["h1", "h2", "h3"])]
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_the_csv_is_safe_for_spreadsheets_and_complete(result, tmp_path):
    folder = ClassFolder(tmp_path / "class")
    _, path = write_reports(ClassResult(folder, [result], Intake(())))
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 5
    assert lines[-1]["name"] == f"'{EVIL}"
    assert lines[1]["ex1-double-test (4)"] == "0" and lines[2]["exercise 2 (6)"] == "4.5"


def test_a_class_without_a_single_grade_has_a_report(result, tmp_path):
    result.outcomes, result.scores, result.records = result.outcomes[-1:], {}, {}
    page = report_page(ClassResult(ClassFolder(tmp_path), [result], Intake(())))
    assert "1 submission, 0 graded" in page
    Console(width=80).print(table(result))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (MESSAGE, "double(-3.5). Likely: a sign is lost"),
        ("Title - not right yet\n  Problem:  it is wrong", "it is wrong"),
        ("Title - not attempted yet\n  `f` is still open", "`f` is still open"),
        ("ValueError: bad", "ValueError: bad"),
        ("", ""),
    ],
)
def test_the_gist_of_a_message(message, said):
    assert gist(message) == said


@pytest.mark.parametrize(
    ("grade_id", "label"),
    [
        ("ex3-engine-test", "3"),
        ("ex12-x-test", "12"),
        ("exA-digits-test", "A"),
        ("q2-test", "Q"),
        ("other-test", "other"),
    ],
)
def test_exercises_are_recognised_by_the_ids_of_their_tests(grade_id, label):
    assert exercise_label(grade_id) == label


@pytest.mark.parametrize(
    ("title", "bare"),
    [("3 A reverse-mode engine", "A reverse-mode engine"), ("3. Engine", "Engine"), ("30 days", "30 days")],
)
def test_the_number_of_an_exercise_is_not_said_twice(title, bare):
    assert without_label(title, "3") == bare
