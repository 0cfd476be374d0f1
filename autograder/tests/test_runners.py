"""The plain runner: what it runs, what it gives points for, and how it tells why not."""

from __future__ import annotations

import os
import stat

import nbformat
import numpy as np
import pytest
from coursekit.boxes import WORDS
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from autograder.judge.limits import Limits
from autograder.judge.record import Record, partial_points, write_atomically
from autograder.reference import Reference
from autograder.runners import HEADLINES, JudgeRunner, PlainRunner, make_runner, record_of, with_tests
from autograder.submission import check_file
from autograder.tests import tiny_class
from autograder.tests.tiny_class import SECRET, answered, cell, write


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    return tiny_class.make_course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def checked(chapter, tmp_path):
    """A function that gives the checked notebook of these answers."""

    def make(**answers):
        path = write(answered(chapter, **answers), tmp_path / "tiny.ipynb")
        return check_file(path, Reference.read(chapter.student_notebook, chapter.folder)).notebook

    return make


@pytest.fixture(scope="module")
def source(chapter):
    return nbformat.read(chapter.solution_notebook, as_version=4)


def graded(*outputs: NotebookNode, ran: bool = True, points: float = 4.0):
    """The result of a test cell with these outputs."""
    test = new_code_cell("check", outputs=list(outputs), execution_count=3 if ran else None)
    test.metadata["nbgrader"] = {"grade_id": "ex1-f-test", "grade": True, "solution": False, "points": points}
    return record_of(nbformat.v4.new_notebook(cells=[test]), "key").tests[0]


def error(name: str, value: str) -> NotebookNode:
    return new_output("error", ename=name, evalue=value, traceback=[])


def number(text: str) -> NotebookNode:
    return new_output("execute_result", {"text/plain": text}, execution_count=1)


# ---------------------------------------------------------------------------------------------------- points


def test_a_test_that_ran_without_an_error_has_its_points():
    warned = new_output("stream", name="stderr", text="UserWarning: careful")
    assert graded().points == graded(warned).points == 4.0
    assert graded(new_output("display_data", {"text/plain": "7"})).outcome == "passed"


VALUES = [
    *((3, 3), (0, 0), (4.0, 4), (2.5e-3, 0.0025), (5, 4), (-1, 0), (10**400, 4), (-(10**400), 0)),
    *((float("nan"), 0), (float("inf"), 0), (-float("inf"), 0)),
    *((np.float64(1.0), 1), (np.float32(0.5), 0.5), (np.int64(3), 3), (np.longdouble(1.5), 1.5)),
    *((np.float64("nan"), 0), (np.float32("-inf"), 0)),
    *((True, 4), (False, 4), (np.False_, 4), (None, 4), ("1", 4), ("nan", 4), (1 + 0j, 4), ([1], 4), (np.ones(1), 4)),
]


@pytest.mark.parametrize(("value", "points"), VALUES)
def test_a_number_at_the_end_is_partial_credit_and_anything_else_is_none(value, points):
    assert partial_points(value, 4.0) == points
    assert type(partial_points(value, 4.0)) is float
    shown = [] if value is None else [number(repr(value))]
    result = graded(*shown)
    assert (result.points, result.outcome) == (points, "passed" if points == 4 else "wrong")


def test_an_object_that_only_claims_to_be_a_number_is_none():
    class Claims:
        __class__ = float

    assert partial_points(Claims(), 4.0) == 4.0


def test_a_test_that_did_not_run_has_no_points():
    result = graded(ran=False)
    assert (result.points, result.outcome) == (0, "time")
    assert result.message


@pytest.mark.parametrize(
    ("name", "value", "outcome", "says"),
    [
        ("NotImplementedError", "", "open", "not attempted"),
        ("NameError", "name 'f' is not defined", "missing", "f"),
        ("AssertionError", "f(1) is 1", "wrong", "f(1) is 1"),
        ("AssertionError", "", "wrong", "without a message"),
        ("ZeroDivisionError", "division by zero", "raised", "ZeroDivisionError: division"),
        ("CellTimeoutError", "ran longer than 30 s", "time", "30 s"),
        ("CheckFailed", "Exercise 1 - not attempted yet\n  `f` is open", "open", "`f` is open"),
        ("CheckFailed", "Exercise 1 - a name is missing\n  f", "missing", "f"),
        ("CheckFailed", "Exercise 1 - your code raised an exception\n  x", "raised", "x"),
        ("CheckFailed", "Exercise 1 - not right yet\n  x", "wrong", "x"),
        ("CheckFailed", "\x1b[31mplain\x1b[0m", "wrong", "plain"),
    ],
)
def test_a_failure_says_why(name, value, outcome, says):
    result = graded(error(name, value))
    assert (result.points, result.outcome) == (0, outcome)
    assert says in result.message and "\x1b" not in result.message


def test_the_headlines_are_coursekits():
    assert {outcome: words for words, outcome in HEADLINES.items()} == {
        name: WORDS[name] for name in HEADLINES.values()
    }


# --------------------------------------------------------------------------------------------------- running


def test_hidden_tests_are_put_in_and_experiments_skipped(checked, source):
    running = with_tests(checked(), source)
    assert SECRET in cell(running, "ex1-double-test").source
    demos = [c for c in running.cells if c.metadata.coursekit.kind == "demo"]
    assert [c.metadata.tags for c in demos] == [["skip-execution"]]
    assert SECRET not in "".join(c.source for c in checked().cells)


def test_a_cell_that_takes_too_long_is_stopped_and_the_others_go_on(checked, source):
    runner = PlainRunner(Limits(cell_seconds=1, wall_factor=1, wall_extra=1))
    loop = "def double(x):\n    while True:\n        pass"
    with runner:
        record = runner.run(checked(ex1_double=loop), source)
    results = {test.grade_id: test for test in record.tests}
    assert results["ex1-double-test"].outcome == "time" and "2 s" in results["ex1-double-test"].message
    assert results["ex2-cube-test"].points == 3


def test_a_kernel_that_dies_is_no_zero(checked, source):
    with PlainRunner() as runner:
        record = runner.run(checked(ex1_double="import os\nos._exit(1)"), source)
    assert not record.gradable and record.tests == []
    assert "process ended in cell" in record.error


def test_the_key_depends_on_code_and_tests_only(chapter, checked, source, tmp_path):
    runner, notebook = PlainRunner(), checked()
    key = runner.key(notebook, source)
    chatty = checked()
    chatty.cells.insert(0, nbformat.v4.new_markdown_cell("my notes"))
    cell(chatty, "ex1-double").outputs = [new_output("stream", text="x")]
    assert runner.key(chatty, source) == key
    assert runner.key(checked(q1='answer_one = "c"'), source) != key
    other = nbformat.from_dict(source)
    cell(other, "ex1-double-test").source += "\nassert double(1) == 2"
    assert runner.key(notebook, other) != key
    assert PlainRunner(Limits(cell_seconds=1)).key(notebook, source) != key


def test_a_record_made_without_all_walls_counts_only_where_that_is_accepted():
    whole, holed = Record("k"), Record("k", walls_missing=["landlock"])
    assert JudgeRunner().accepts(whole) and JudgeRunner(fewer_walls=True).accepts(holed)
    assert not JudgeRunner().accepts(holed)
    for runner in (JudgeRunner(fewer_walls=True), PlainRunner()):
        assert not runner.accepts(None) and not runner.accepts(Record("k", gradable=False))


@pytest.mark.skipif(os.name != "posix", reason="no umask here")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_can_be_read_by_whom_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "page.html", "half a pair: \ud800")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == mode
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text("utf-8") == "half a pair: ?"


def test_an_unknown_runner_is_named():
    with pytest.raises(ValueError, match="judge, plain"):
        make_runner("docker")
