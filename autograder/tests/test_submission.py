"""Every way in which a submitted file can be wrong gets one clear finding, and what is safe is repaired."""

from __future__ import annotations

import copy
import json

import nbformat
import pytest

from autograder import reading
from autograder.course import chapter as chapter_named
from autograder.reading import Unreadable, parse_cells, read_cells
from autograder.reference import Reference, defined_names, definitions, names_needed_at_once
from autograder.submission import check_file
from autograder.tests import tiny_class
from autograder.tests.tiny_class import answered, cell, released, without_metadata, write

START = chapter_named("00_start")


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    return tiny_class.make_course(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def reference(chapter):
    return Reference.read(chapter.student_notebook, chapter.folder)


@pytest.fixture
def check(tmp_path, reference):
    """Check a notebook (or bytes) as a submitted file."""

    def run(notebook):
        path = tmp_path / "tiny.ipynb"
        if isinstance(notebook, bytes):
            path.write_bytes(notebook)
        else:
            write(notebook, path)
        return check_file(path, reference)

    return run


def ids(checked):
    return [c.metadata["nbgrader"]["grade_id"] for c in checked.notebook.cells if "nbgrader" in c.metadata]


def source(checked, grade_id):
    return cell(checked.notebook, grade_id).source


def run_defs(checked):
    """The names that a top-to-bottom run of the clean notebook leaves behind (tests left out)."""
    space = {}
    for node in checked.notebook.cells:
        if node.cell_type == "code" and node.metadata.coursekit.kind not in ("test", "demo"):
            exec(node.source, space)
    return space


# ---------------------------------------------------------------------------------------------- what is fine


def test_an_untouched_and_a_solved_notebook_pass_without_notes(check, chapter, reference):
    for notebook in (released(chapter), answered(chapter)):
        checked = check(notebook)
        assert checked.problem is None
        assert checked.notes == ()
        assert ids(checked) == list(reference.by_grade_id)
        nbformat.validate(checked.notebook)
    assert "return x + x" in source(checked, "ex1-double")


def test_a_clean_notebook_is_checked_to_the_same_notebook(check, chapter):
    once = check(answered(chapter))
    assert check(once.notebook).notebook == once.notebook


def test_outputs_attachments_and_foreign_metadata_are_dropped(check, chapter):
    notebook = answered(chapter)
    notebook.metadata["kernelspec"] = {"name": "evil", "display_name": "x", "language": "bash"}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    target = cell(notebook, "ex1-double")
    target.outputs = [nbformat.v4.new_output("display_data", {"text/html": "<script>1</script>"})]
    target.metadata["tags"] = ["skip-execution"]
    target.metadata["magics_language"] = "x"
    checked = check(notebook)
    assert checked.notebook.metadata.kernelspec.name == "python3"
    assert "script" not in json.dumps(checked.notebook)
    assert "skip-execution" not in json.dumps(checked.notebook)
    assert "widgets" not in checked.notebook.metadata


# -------------------------------------------------------------------------------------------- unreadable files


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n\t\0", "empty"),
        (b"this is no JSON", "damaged"),
        (b'{"cells": [{"cell_type": "code", "sour', "ends in the middle"),
        (b'{"cells": [{"cell_type": "code"}', "ends in the middle"),
        (b'{"cells": [], "metadata": {', "ends in the middle"),
        (b'{"cells": [,], "metadata": {}}', "line 1 cannot be read"),
        (b"<!DOCTYPE html><html>login</html>", "web page"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "zip archive"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c..", "a 7z archive"),
        (b"import numpy as np\n", "Python code, not a notebook. Hand in the .ipynb file itself"),
        (b"# %%\ndef double(x):", "Python code"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 3_000_000, "nested values"),
        (b"[1, 2, 3]", "not a notebook"),
        (b'{"a": 1}', "not a notebook"),
        (b'{"nbformat": 4, "metadata": {}}', "no list of cells"),
        (b'{"nbformat": 5, "cells": []}', "format 5"),
        (b'{"nbformat": 4, "cells": []}', "no cells"),
        (b'{"nbformat": 4, "cells": [3, {"cell_type": "code", "source": 5}]}', "no cells"),
        (b'{"nbformat": 3, "worksheets": [{"cells": [1]}]}', "old format 3"),
        (b'{"nbformat": ' + b"9" * 5000 + b"}", "damaged"),
        (b"\xff\xfe\x00", "claims to be UTF-16"),
        (b"\x80\x81\x82 binary", "damaged"),
    ],
)
def test_a_file_that_is_no_notebook_gets_one_clear_sentence(check, data, says):
    checked = check(data)
    assert checked.notebook is None
    assert says in checked.problem
    assert "Traceback" not in checked.problem and "/" not in checked.problem


def test_a_file_of_100_mb_is_refused_without_being_read(check, tmp_path, monkeypatch):
    path = tmp_path / "big.ipynb"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    monkeypatch.setattr(type(path), "read_bytes", lambda self: pytest.fail("the file was read"))
    with pytest.raises(Unreadable, match="100 MB"):
        read_cells(path)


def test_a_symlink_is_refused(tmp_path, chapter):
    link = tmp_path / "link.ipynb"
    try:
        link.symlink_to(chapter.solution_notebook)
    except OSError:
        pytest.skip("this system does not allow symbolic links here")
    with pytest.raises(Unreadable, match="regular file"):
        read_cells(link)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
def test_other_encodings_are_read_and_said(check, chapter, encoding):
    notebook = answered(chapter, q1='answer_one = "b"  # überprüft')
    checked = check(json.dumps(notebook, ensure_ascii=False).encode(encoding))
    assert checked.problem is None
    assert "überprüft" in source(checked, "q1")
    assert any("stored as" in note for note in checked.notes)


def test_old_formats_are_upgraded(check):
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {},
        "worksheets": [
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "input": "def double(x):\n    return 2 * x",
                        "outputs": [],
                        "language": "python",
                    },
                ],
                "metadata": {},
            }
        ],
    }
    checked = check(json.dumps(old).encode())
    assert checked.problem is None
    assert "2 * x" in source(checked, "ex1-double")
    assert any("old format 3" in note for note in checked.notes)


def test_characters_that_cannot_be_stored_are_replaced(check, chapter):
    data = json.dumps(answered(chapter, q1='answer_one = "b" # X')).replace("# X", "# \\ud800 \\u0000")
    checked = check(data.encode())
    assert checked.problem is None
    source(checked, "q1").encode("utf-8")
    assert "\0" not in source(checked, "q1")


def test_some_broken_cells_do_not_spoil_the_rest(check, chapter):
    notebook = json.loads(json.dumps(answered(chapter)))
    notebook["cells"].insert(2, {"cell_type": "heading", "source": "x"})
    notebook["cells"].insert(3, "nonsense")
    checked = check(json.dumps(notebook).encode())
    assert checked.problem is None
    assert any("2 of" in note for note in checked.notes)


def test_too_many_cells_are_refused():
    many = {"nbformat": 4, "cells": [{"cell_type": "code", "source": ""}] * (reading.MAX_CELLS + 1)}
    with pytest.raises(Unreadable, match="2001 cells"):
        parse_cells(json.dumps(many).encode())


def test_another_chapters_notebook_is_named(check, chapter):
    notebook = answered(chapter)
    for node in notebook.cells:
        node.source = "# other"
        node["id"] = "other" + node["id"]
        if "nbgrader" in node.metadata:
            node.metadata.nbgrader.grade_id = "conv-" + node.metadata.nbgrader.grade_id
    checked = check(notebook)
    assert "another chapter" in checked.problem
    assert "conv-" in checked.problem


@pytest.mark.parametrize("stripped", [False, True])
def test_another_chapters_notebook_is_named_although_it_has_ids_that_all_chapters_have(check, stripped):
    notebook = released(START)
    assert {"setup", "q1", "q1-test"} <= {c.metadata.get("nbgrader", {}).get("grade_id") for c in notebook.cells}
    checked = check(without_metadata(notebook) if stripped else notebook)
    assert "Its cells are those of 00_start: is it the notebook of another chapter?" in checked.problem


@pytest.mark.parametrize("kept", ["ex1-double", "ex2-square", "q1", "ex1-double-test"])
@pytest.mark.parametrize("stripped", [False, True])
def test_one_cell_of_the_right_chapter_is_never_refused(check, chapter, kept, stripped):
    whole = answered(chapter)
    place = whole.cells.index(cell(whole, kept))
    notebook = without_metadata(whole) if stripped else whole
    notebook.cells = [notebook.cells[place]]
    assert check(notebook).problem is None
    notebook.cells.insert(0, nbformat.v4.new_code_cell('lab = setup("00_start")'))  # pasted from elsewhere
    assert check(notebook).problem is None


# ------------------------------------------------------------------------------------------- lost metadata


def test_metadata_dropped_by_colab_is_recovered_from_content(check, chapter, reference):
    checked = check(without_metadata(answered(chapter)))
    assert checked.problem is None
    assert ids(checked) == list(reference.by_grade_id)
    assert "return x + x" in source(checked, "ex1-double")
    assert [c.metadata.coursekit.kind for c in checked.notebook.cells].count("demo") == 1
    assert sum("recognised by their content" in note for note in checked.notes) == 1


def test_a_changed_experiment_is_still_recognised_and_skipped(check, chapter):
    notebook = without_metadata(answered(chapter))
    demo = next(c for c in notebook.cells if "slow_experiment" in c.source)
    demo.source = demo.source.replace("range(3)", "range(10_000)")
    kinds = {c.metadata.coursekit.kind for c in check(notebook).notebook.cells if "range(10_000)" in c.source}
    assert kinds == {"demo"}


def test_an_answer_in_a_cell_that_claims_to_be_an_experiment_is_run(check, chapter):
    notebook = answered(chapter)
    notebook.cells = [c for c in notebook.cells if c is not cell(notebook, "ex1-double")]
    demo = next(c for c in notebook.cells if c.metadata.get("coursekit", {}).get("kind") == "demo")
    pasted = copy.deepcopy(demo)
    pasted["id"] = "pasted"
    pasted.source = "def double(x):\n    return 2 * x"
    notebook.cells.insert(3, pasted)
    checked = check(notebook)
    assert cell(checked.notebook, "ex1-double").source == pasted.source
    assert cell(checked.notebook, "ex1-double").metadata.coursekit.kind == "exercise"


def test_only_answers_without_any_metadata_get_their_tests_back(check, chapter):
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("def double(x):\n    return 2 * x"),
            nbformat.v4.new_code_cell("def helper(x):\n    return x"),
            nbformat.v4.new_code_cell("def square(x):\n    return x * x\ndef cube(x):\n    return x ** 3"),
        ]
    )
    checked = check(notebook)
    # The test stands at the end of its gap, below what the student may have needed for the answer.
    assert ids(checked) == [
        *("setup", "ex1-double", "table", "ex1-double-test"),
        *("ex2-square", "ex2-square-test", "ex2-cube-test", "q1-test"),
    ]
    assert any("'q1'" in note and "missing" in note for note in checked.notes)


# -------------------------------------------------------------------------------- copied, split, missing cells


def test_a_pristine_copy_does_not_overwrite_the_answer(check, chapter):
    notebook, stub = answered(chapter), cell(released(chapter), "ex1-double")
    notebook.cells.insert(notebook.cells.index(cell(notebook, "ex1-double")) + 1, stub)
    checked = check(notebook)
    assert ids(checked).count("ex1-double") == 1
    assert run_defs(checked)["double"](4) == 8
    assert any("2 times" in note for note in checked.notes)


def test_an_emptied_copy_does_not_stand_for_the_answer(check, chapter):
    notebook = answered(chapter)
    empty = copy.deepcopy(cell(notebook, "ex1-double"))
    empty.source, empty["id"] = "\n", "emptied"
    notebook.cells.insert(notebook.cells.index(cell(notebook, "ex1-double")) + 1, empty)
    assert "return x + x" in source(check(notebook), "ex1-double")


def test_a_split_cell_runs_all_its_pieces_before_the_test(check, chapter):
    notebook = answered(chapter)
    whole = cell(notebook, "ex2-square")
    first, second = copy.deepcopy(whole), copy.deepcopy(whole)
    first.source, second.source = whole.source.split("\n\ndef cube")
    second.source, second["id"] = "def cube" + second.source, "split"
    place = notebook.cells.index(whole)
    notebook.cells[place : place + 1] = [first, second]
    checked = check(notebook)
    assert run_defs(checked)["cube"](2) == 8
    order = [c.source for c in checked.notebook.cells]
    assert order.index(second.source) < order.index(source(checked, "ex2-cube-test"))


def test_copied_and_changed_test_cells_are_replaced_by_one_released_one(check, chapter, reference):
    notebook = answered(chapter)
    test = cell(notebook, "ex1-double-test")
    cheat = copy.deepcopy(test)
    cheat.source, cheat["id"] = "assert True", "cheat"
    notebook.cells.insert(1, cheat)
    checked = check(notebook)
    assert ids(checked).count("ex1-double-test") == 1
    assert source(checked, "ex1-double-test") == reference.by_grade_id["ex1-double-test"].node.source
    assert "assert True" not in json.dumps(checked.notebook)


def test_changed_locked_cells_are_put_back_and_said(check, chapter, reference):
    notebook = answered(chapter)
    cell(notebook, "ex1-double-test").source = "pass"
    cell(notebook, "setup").source = "raise RuntimeError('no')"
    checked = check(notebook)
    assert source(checked, "ex1-double-test") == reference.by_grade_id["ex1-double-test"].node.source
    assert source(checked, "setup").startswith("import math")
    assert any("Locked cells differ" in note and "'setup'" in note for note in checked.notes)


def test_an_answer_pasted_into_a_test_cell_is_kept(check, chapter):
    notebook = answered(chapter, ex1_double=cell(released(chapter), "ex1-double").source)
    cell(notebook, "ex1-double-test").source = "def double(x):\n    return 2 * x\nassert double(2) == 4"
    checked = check(notebook)
    assert run_defs(checked)["double"](4) == 8
    assert "YOUR CODE" not in source(checked, "ex1-double-test")


@pytest.mark.parametrize("gone", ["setup", "table", "ex1-double-test", "ex2-cube-test", "q1-test"])
def test_a_missing_locked_cell_comes_back_where_it_belongs(check, chapter, reference, gone):
    notebook = answered(chapter)
    notebook.cells = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") != gone]
    checked = check(notebook)
    assert ids(checked) == list(reference.by_grade_id)
    assert any("put back" in note and f"'{gone}'" in note for note in checked.notes)


def test_a_missing_exercise_is_said_and_not_filled_in(check, chapter):
    notebook = answered(chapter)
    notebook.cells = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") != "ex1-double"]
    checked = check(notebook)
    assert "ex1-double" not in ids(checked)
    assert any("Exercise cells are missing" in note for note in checked.notes)


def test_an_answer_below_its_test_is_pointed_out(check, chapter):
    notebook = answered(chapter, ex1_double=cell(released(chapter), "ex1-double").source)
    notebook.cells.append(nbformat.v4.new_code_cell("def double(x):\n    return 2 * x"))
    assert any("below its test" in note for note in check(notebook).notes)


def test_a_missing_exercise_says_what_to_do(check, chapter):
    notebook = answered(chapter)
    notebook.cells.remove(cell(notebook, "ex1-double"))
    (note,) = check(notebook).notes
    assert "Copy them from the released notebook back into yours" in note


# ------------------------------------------------------------------------ answers in other cells, moved cells

DOUBLE = "def double(x):\n    return 2 * x"
SQUARES = "def square(x):\n    return x * x\n\ndef cube(x):\n    return x ** 3"


def stub(chapter, grade_id):
    return cell(released(chapter), grade_id).source


def insert(notebook, grade_id, source, offset=0):
    """Insert a code cell above the one with this id, or `offset` cells below that place."""
    place = notebook.cells.index(cell(notebook, grade_id)) + offset
    notebook.cells.insert(place, nbformat.v4.new_code_cell(source))


def test_all_answers_in_one_cell_at_the_top_are_not_overwritten_by_the_stubs(check, chapter):
    notebook = released(chapter)
    insert(notebook, "ex1-double", "\n\n".join(["%matplotlib inline", DOUBLE, SQUARES, 'answer_one = "b"']))
    checked = check(notebook)
    space = run_defs(_without_magics(checked))
    assert (space["double"](4), space["square"](3), space["cube"](2), space["answer_one"]) == (8, 9, 8, "b")
    (note,) = checked.notes
    assert "Empty exercise cells were left out: 'ex1-double', 'ex2-square', 'q1'." in note
    assert "cell number 4 from the top" in note


def _without_magics(checked):
    for node in checked.notebook.cells:
        node.source = node.source.replace("%matplotlib inline", "")
    return checked


@pytest.mark.parametrize("comment", ["", "# to do\n"])
def test_an_answer_in_another_exercises_cell_is_not_overwritten(check, chapter, comment):
    cells = {"ex1_double": DOUBLE + "\n\n" + SQUARES, "ex2_square": comment + stub(chapter, "ex2-square")}
    checked = check(answered(chapter, **cells))
    assert run_defs(checked)["cube"](2) == 8
    assert any("'ex2-square'" in note and "in cell 'ex1-double'" in note for note in checked.notes)


@pytest.mark.parametrize(
    "above",
    [
        "def square(x):\n    return x * x",  # one of two functions
        "def square(x):\n    pass\n\ndef cube(x):\n    raise NotImplementedError()",  # nothing written
        "def square(x):\n    return x * x\n\ndef cube(x):\n    return x ** 3 (",  # does not run
        "print(square, cube)",
    ],
)
def test_a_stub_stays_where_nothing_whole_stands_above_it(check, chapter, above):
    notebook = answered(chapter, ex2_square=stub(chapter, "ex2-square"))
    insert(notebook, "ex2-square", above)
    assert "ex2-square" in ids(check(notebook))


def test_a_copy_of_the_stub_above_is_no_answer(check, chapter):
    notebook = answered(chapter, ex1_double=stub(chapter, "ex1-double"))
    insert(notebook, "ex1-double", stub(chapter, "ex1-double"))
    assert "ex1-double" in ids(check(notebook))


def test_an_answer_of_the_students_own_is_never_left_out(check, chapter):
    for mine in ("def double(x):\n    return 3 * x", "def double(x):\n    return 2 * x (", "double = None"):
        notebook = answered(chapter, ex1_double=mine)
        insert(notebook, "ex1-double", DOUBLE)
        assert source(check(notebook), "ex1-double") == mine


def test_an_answer_below_its_test_in_another_exercises_cell_is_pointed_out(check, chapter):
    q1 = 'answer_one = "b"\n' + DOUBLE
    (note,) = check(answered(chapter, ex1_double=stub(chapter, "ex1-double"), q1=q1)).notes
    assert "'ex1-double' seems to stand below its test, in cell 'q1'" in note


def test_the_answer_of_a_missing_cell_is_found_in_another_exercises(check, chapter):
    notebook = answered(chapter, ex2_square=DOUBLE + "\n\n" + SQUARES)
    notebook.cells.remove(cell(notebook, "ex1-double"))
    (note,) = check(notebook).notes
    assert note == "Cell 'ex1-double' is missing; its answer was found in cell 'ex2-square'."


def order(checked):
    return [c.metadata["nbgrader"]["grade_id"] for c in checked.notebook.cells if "nbgrader" in c.metadata]


def move(notebook, grade_id, place):
    node = cell(notebook, grade_id)
    notebook.cells.remove(node)
    notebook.cells.insert(place, node)
    return notebook


def test_an_exercise_below_its_test_runs_at_its_place(check, chapter, reference):
    checked = check(move(answered(chapter), "ex1-double", 99))
    assert order(checked) == list(reference.by_grade_id)
    (note,) = checked.notes
    assert "'ex1-double' stood below its test 'ex1-double-test'; it was run at its place" in note


def test_a_test_above_its_exercise_runs_at_its_place(check, chapter, reference):
    checked = check(move(answered(chapter), "ex2-square-test", 1))
    assert order(checked) == list(reference.by_grade_id)
    assert any("the test was run at its place" in note for note in checked.notes)


@pytest.mark.parametrize(
    "answer",
    ["@helper\ndef double(x):\n    return 2 * x", "def double(x=helper):\n    return 2 * x", DOUBLE + "\nhelper(1)"],
)
def test_an_exercise_that_needs_what_stands_below_its_test_stays_and_is_pointed_out(check, chapter, answer):
    notebook = move(answered(chapter, ex1_double=answer), "ex1-double", 99)
    insert(notebook, "q1", "def helper(f):\n    return f")
    checked = check(notebook)
    assert order(checked)[-1] == "ex1-double"
    assert any("below their tests: 'ex1-double'. Cells run from top to bottom" in note for note in checked.notes)


def test_an_exercise_below_its_test_stays_where_another_answer_stands_above(check, chapter):
    notebook = move(answered(chapter), "ex1-double", 99)
    insert(notebook, "ex1-double-test", DOUBLE)
    checked = check(notebook)
    assert order(checked)[-1] == "ex1-double"


def test_a_notebook_in_another_order_is_left_as_it_is_and_pointed_out(check, chapter):
    notebook = answered(chapter)
    notebook.cells = notebook.cells[::-1]
    checked = check(notebook)
    assert order(checked)[0] == "q1-test"
    assert any("Exercise cells stand below their tests" in note for note in checked.notes)


def test_deep_expressions_are_checked_too(check, chapter):
    notebook = answered(chapter, ex1_double=stub(chapter, "ex1-double"))
    insert(notebook, "ex1-double", "double = " + "+".join(["1"] * 20_000))
    insert(notebook, "ex1-double", "double = " + "-" * 2_000 + "1")
    assert check(notebook).problem is None


def test_an_exercise_turned_into_text_counts_as_code(check, chapter):
    notebook = answered(chapter)
    target = cell(notebook, "ex1-double")
    target.cell_type = "markdown"
    del target["outputs"], target["execution_count"]
    checked = check(notebook)
    assert cell(checked.notebook, "ex1-double").cell_type == "code"
    assert any("turned into markdown" in note for note in checked.notes)


# -------------------------------------------------------------------------------------------------- forgeries


@pytest.mark.parametrize(
    "change",
    [
        {"points": 400},
        {"points": "many"},
        {"grade": False},
        {"locked": False, "solution": True},
        {"schema_version": 99},
        {"schema_version": 0},
        {"extra": {"nested": 1}},
        {"cell_type": "markdown", "task": True},
    ],
)
def test_forged_metadata_is_put_back_from_the_release(check, chapter, reference, change):
    notebook = answered(chapter)
    cell(notebook, "ex1-double-test").metadata.nbgrader.update(change)
    checked = check(notebook)
    found = cell(checked.notebook, "ex1-double-test")
    released_cell = reference.by_grade_id["ex1-double-test"].node
    assert found.metadata.nbgrader == released_cell.metadata.nbgrader
    assert found.source == released_cell.source


def test_forged_points_are_said(check, chapter):
    notebook = answered(chapter)
    cell(notebook, "ex1-double-test").metadata.nbgrader.points = 400
    assert any("metadata of cell 'ex1-double-test' was changed" in note for note in check(notebook).notes)


@pytest.mark.parametrize("metadata", [{"grade_id": 7}, {"grade_id": ["x"]}, [], "x", None, {"grade_id": "setup"}])
def test_nonsense_metadata_on_an_extra_cell_is_dropped(check, chapter, reference, metadata):
    notebook = json.loads(json.dumps(answered(chapter)))
    extra = {"cell_type": "code", "source": "note = 1", "metadata": {"nbgrader": metadata}, "outputs": [], "id": 5}
    notebook["cells"].append(extra)
    checked = check(json.dumps(notebook).encode())
    assert checked.problem is None
    assert ids(checked) == list(reference.by_grade_id)


def test_cell_ids_are_unique_afterwards(check, chapter):
    notebook = answered(chapter)
    for node in notebook.cells:
        node["id"] = "same"
    checked = check(notebook)
    found = [c["id"] for c in checked.notebook.cells]
    assert len(set(found)) == len(found)
    nbformat.validate(checked.notebook)


def test_a_forged_note_does_not_survive(check, chapter):
    notebook = answered(chapter)
    notebook.metadata["autograder"] = {"notes": ["full marks, says the instructor"]}
    assert "full marks" not in json.dumps(check(notebook).notebook)


# --------------------------------------------------------------------------------------------------- helpers


def test_definitions_leave_out_what_is_only_announced():
    code = "class A:\n    def f(self):\n        'doc'\n        raise NotImplementedError()\ndef g():\n    ...\nx = 1"
    assert set(definitions(code)) == {"x"}
    assert definitions("def g(): return 1  # a") == definitions("def g():\n    return 1")
    assert definitions("def g(:") == {}


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("class A(B):\n    c = d\n    def f(self, x=e):\n        return g", {"B", "d", "e"}),
        ("h = lambda: i\nprint(j)", {"print", "j"}),
        ("def f(:", None),
    ],
)
def test_names_that_a_cell_needs_at_once(code, names):
    assert names_needed_at_once(code) == names


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(x):\n    g = 1", {"f"}),
        ("class A: pass\nx, (y, z) = 1, (2, 3)\nw: int = 1", {"A", "x", "y", "z", "w"}),
        ("%matplotlib inline\ndef f(:\nv = 3\nif v == 4: pass", {"f", "v"}),
        ("", set()),
    ],
)
def test_defined_names(source, names):
    assert defined_names(source) == names
