"""The bundled example class: made from the built chapter, graded to the points that its mistakes deserve."""

from __future__ import annotations

import io
import json

import pytest
from filelock import FileLock
from rich.console import Console

from autograder.course import CHAPTERS, chapter
from autograder.example_class import CHAPTER, STUDENTS, make_example_class
from autograder.grade import GradingError
from autograder.grade_command import grade_command
from autograder.layout import Busy, ClassFolder
from autograder.reading import Unreadable, parse_cells

FULL = {"1": 8, "2": 8, "3": 22, "4": 10, "5": 14, "6": 12, "7": 8, "A": 2, "B": 2, "C": 2, "8": 6, "Q": 6}
# What each student lost, by exercise: the reasons stand in `STUDENTS`.
LOST = {
    "amara-okafor": {},
    "chloé-martin": {"5": 2},
    "ingrid-solberg": {},
    "jonas-berg": {"6": 2},
    "lena-fischer": {"2": 2, "3": 2, "6": 4, "Q": 1},
    "mateo-garcía": {"1": 4, "2": 2, "5": 2, "6": 2, "Q": 2},
    "priya-raman": {"3": 3, "B": 2},  # without a matrix product the engine trains nothing
    "yuki-tanaka": {"2": 4, "3": 4, "7": 3, "A": 2, "C": 2, "8": 3},  # shuffled labels: nothing can be learnt
}

pytestmark = pytest.mark.skipif(not chapter(CHAPTER).student_notebook.exists(), reason="the chapter is not built")


@pytest.fixture(scope="module")
def uploads(tmp_path_factory):
    return make_example_class(ClassFolder(tmp_path_factory.mktemp("example") / "class"), CHAPTERS)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The class, graded as `make grade` does it."""
    text = io.StringIO()
    folder = tmp_path_factory.mktemp("graded") / "class"
    result = grade_command(folder=folder, console=Console(file=text, width=80), fewer_walls=True)
    return result, text.getvalue()


# ------------------------------------------------------------------------------------------------- the files


def test_the_class_has_every_kind_of_student(uploads):
    files = sorted(path.name for path in uploads.iterdir())
    assert files == sorted(f"{s.name.replace(' ', '_')}_backprop.ipynb" for s in STUDENTS)
    assert len(files) >= 6
    contents = {path.name: path.read_bytes() for path in uploads.iterdir()}
    assert contents["Sofia_Rossi_backprop.ipynb"] == b""
    with pytest.raises(Unreadable, match="ends in the middle"):
        parse_cells(contents["Omar_Haddad_backprop.ipynb"])
    colab = json.loads(contents["Chloé_Martin_backprop.ipynb"])
    assert "nbgrader" not in json.dumps(colab["cells"])
    assert b"backprop_helpers_that_nobody_else_has" in contents["Jonas_Berg_backprop.ipynb"]
    priya = json.loads(contents["Priya_Raman_backprop.ipynb"])
    code = [c["source"] for c in priya["cells"] if c["cell_type"] == "code"]
    assert sum("raise NotImplementedError()" in source for source in code) == 1


def test_no_file_holds_a_hidden_test_or_a_solution_marker(uploads):
    for path in uploads.iterdir():
        text = path.read_text("utf-8")
        assert "HIDDEN" not in text and "autograder.checks" not in text and "### BEGIN SOLUTION" not in text


def test_making_the_class_again_changes_nothing(tmp_path):
    folder = ClassFolder(tmp_path / "class")
    first = {p: p.stat().st_mtime_ns for p in make_example_class(folder, CHAPTERS).iterdir()}
    folder.gradebook.write_text("grades")
    assert {p: p.stat().st_mtime_ns for p in make_example_class(folder, CHAPTERS).iterdir()} == first
    assert folder.gradebook.exists()


def test_a_class_of_an_older_chapter_is_made_anew(tmp_path):
    folder = ClassFolder(tmp_path / "class")
    make_example_class(folder, CHAPTERS)
    (folder.path / "made-from.txt").write_text("an older chapter")
    folder.gradebook.write_text("grades that no longer fit")
    folder.records.mkdir()
    make_example_class(folder, CHAPTERS)
    assert not folder.gradebook.exists() and not folder.records.exists()


def test_nothing_of_anybody_elses_is_removed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="something else"):
        make_example_class(ClassFolder(tmp_path), CHAPTERS)
    assert (tmp_path / "thesis.txt").exists()
    with pytest.raises(GradingError, match="something else"):
        grade_command(folder=tmp_path, console=Console(file=io.StringIO()))


def test_a_class_that_is_being_graded_is_left_alone(tmp_path):
    folder = ClassFolder(tmp_path / "class")
    make_example_class(folder, CHAPTERS)
    (folder.path / "made-from.txt").write_text("an older chapter")
    with FileLock(folder.lock_file), pytest.raises(Busy):
        make_example_class(folder, CHAPTERS)


# ---------------------------------------------------------------------------------------------------- grades


@pytest.mark.slow
def test_every_exercise_of_every_student_has_the_points_it_deserves(graded):
    result, _ = graded
    (chapter_result,) = result.chapters
    exercises = chapter_result.reference.exercises
    assert {e.label: e.most for e in exercises} == FULL
    found = {
        student: {e.label: sum(scores.points[t.grade_id] for t in e.tests) for e in exercises}
        for student, scores in chapter_result.scores.items()
    }
    wanted = {student: {label: FULL[label] - lost.get(label, 0) for label in FULL} for student, lost in LOST.items()}
    assert found == wanted


@pytest.mark.slow
def test_who_could_not_be_graded_is_named_with_the_reason(graded):
    result, _ = graded
    reasons = {o.submission.student: o.reason for o in result.outcomes if not o.graded}
    assert set(reasons) == {"omar-haddad", "sofia-rossi"}
    assert "ends in the middle" in reasons["omar-haddad"] and "empty" in reasons["sofia-rossi"]


@pytest.mark.slow
def test_repairs_are_told(graded):
    result, _ = graded
    notes = {o.submission.student: " ".join(o.notes) for o in result.outcomes}
    assert "recognised by their content" in notes["chloé-martin"]
    assert "'ex5-tanh' is in the notebook 2 times" in notes["ingrid-solberg"]
    assert "'ex5-relu-test'" in notes["ingrid-solberg"] and "'ex6-mse-test'" in notes["ingrid-solberg"]
    assert "Locked cells differ from the released ones: 'setup'" in notes["jonas-berg"]
    assert notes["amara-okafor"] == ""


@pytest.mark.slow
def test_the_table_names_students_exercises_and_sums(graded):
    _, text = graded
    lines = {line.split()[0]: line.split() for line in text.split("\n") if line.strip()}
    assert lines["amara-okafor"][-1] == "100"
    assert lines["yuki-tanaka"][-1] == "82"
    assert lines["omar-haddad"][2:] == ["–"] * (len(FULL) + 1)
    assert lines["student"][1:] == [*FULL, "sum"]
    assert "10 submissions, 8 graded, 2 could not be graded" in text
    assert max(map(len, text.split("\n")[12:30])) <= 80


@pytest.mark.slow
def test_feedback_names_the_mistake(graded):
    result, _ = graded
    page = (result.folder.feedback / "mateo-garcía" / CHAPTER / "backprop.html").read_text("utf-8")
    assert "Mateo García" in page and "88 of 100 points" in page
    assert "divide by 2h" in page
    for secret in ("autograder.checks", "HIDDEN", "<script"):
        assert secret not in page
