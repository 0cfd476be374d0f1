"""Reading chapter sources: what is read, and that each slip is told with its line."""

from __future__ import annotations

import pytest

from autograder.course import CHAPTERS
from autograder.source import SourceError, parse_source, points_by_exercise, read_source
from autograder.tests.small_course import SOURCE, make_course

EXERCISE = '# %% exercise="ex1"\ndef f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n'
TEST = '# %% test="ex1-test" points=100\nassert f() == 1\n'


def test_cells_of_the_small_chapter():
    cells = parse_source(SOURCE, points=100)
    assert [c.kind for c in cells] == [
        "markdown",
        "setup",
        "markdown",
        "exercise",
        "test",
        "given",
        "demo",
        "plain",
        "exercise",
        "test",
    ]
    assert [c.id for c in cells if c.id] == ["ex1-double", "ex1-double-test", "table", "q1", "q1-test"]
    assert [c.index for c in cells] == list(range(10))
    test = cells[4]
    assert (test.points, test.exercise_no) == (60, 1)
    assert SOURCE.split("\n")[test.line - 1].startswith('# %% test="ex1-double-test"')
    assert points_by_exercise(cells) == {0: 40, 1: 60}


def test_views_of_a_cell():
    cells = {c.id: c for c in parse_source(SOURCE) if c.id}
    exercise, test = cells["ex1-double"], cells["ex1-double-test"]
    assert exercise.solution == "    shifted = x + 1000\n    return shifted + shifted - 2000"
    assert exercise.stub == (
        'def double(x):\n    """Twice x."""\n    # YOUR CODE HERE\n    raise NotImplementedError()'
    )
    assert test.hidden == 'assert double(-3.5) == -7, "double of a negative number"'
    assert "negative" not in test.visible
    assert 'print("right")' in test.visible


def test_flags_and_magics():
    cells = parse_source('# %% demo=true varies=true raises=true\n!ls\n# %%\n%timeit 1\nprint("# %% no cell")\n')
    assert (cells[0].varies, cells[0].raises, cells[0].text) == (True, True, "!ls")
    assert not cells[1].varies and not cells[1].raises
    assert cells[1].text == '%timeit 1\nprint("# %% no cell")'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (EXERCISE + EXERCISE, 6, "id 'ex1' is taken by the cell at line 1"),
        ('# %% test="ex1-test"\nassert True\n', 1, "needs points=<whole number>, found None"),
        ('# %% test="ex1-test" points=2.5\nassert True\n', 1, "needs points=<whole number>, found 2.5"),
        ('# %% test="ex1-test" points=true\nassert True\n', 1, "needs points=<whole number>, found True"),
        ('# %% test="ex1" points=1\nassert True\n', 1, "ends in -test"),
        ('# %% test="ex1-test" points=1 exercise_no="one"\nassert True\n', 1, "exercise_no is a whole number"),
        ("# %% points=3\nx = 1\n", 1, "points belongs to test cells, this is a plain cell"),
        ('# %% exercise="ex1"\n### BEGIN SOLUTION\nx = 1\n', 1, "BEGIN SOLUTION without END SOLUTION"),
        ('# %% exercise="ex1"\nx = 1\n### END SOLUTION\n', 1, "END SOLUTION without BEGIN SOLUTION"),
        ('# %% exercise="ex1"\n### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION\n', 1, "before the first"),
        ('# %% exercise="ex1"\n#BEGIN SOLUTION\nx = 1\n### END SOLUTION\n', 1, "alone on its line"),
        ('# %% exercise="ex1"\nx = 1\n', 1, "needs a ### BEGIN SOLUTION region"),
        ("# %%\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n", 1, "stands in a plain cell"),
        ("# %% [markdown]\n# ### BEGIN SOLUTION\n", 1, "stands in a markdown cell"),
        ("# %%\n### BEGIN HIDDEN TESTS\nx = 1\n### END HIDDEN TESTS\n", 1, "stands in a plain cell"),
        (EXERCISE + "### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS\n", 1, "belongs in test cells"),
        ("# %% graded=true\nx = 1\n", 1, "unknown metadata key 'graded'"),
        ("# %% demo\nx = 1\n", 1, "read as a title"),
        ("# %% demo=false\nx = 1\n", 1, "write demo=true"),
        ("# %% varies=1\nx = 1\n", 1, "write varies=true"),
        ('# %% demo=true given="a"\nx = 1\n', 1, "a cell has one kind"),
        ('# %% given="Not An Id"\nx = 1\n', 1, "is no id"),
        ('# %% given="setup"\nx = 1\n', 1, "is taken"),
        (f'# %% given="{"a" * 65}"\nx = 1\n', 1, "longer than 64"),
        ("# %% [markdown] demo=true\n# text\n", 1, "text cells take no metadata"),
        ("# %% [raw]\n# text\n", 1, "raw cells are not part of the format"),
        ("# %% setup=true\nx = 1\n# %% setup=true\ny = 1\n", 3, "a second set-up cell"),
        ("# %% [markdown]\n# # One\n# %% [markdown]\n# # Two\n", 3, "a second first-level heading"),
        ("# %% [markdown]\n# # One\n#\n# # Two\n", 1, "a second first-level heading"),
        ("# %%\nfrom autograder.checks import start\n", 1, "students have no autograder package"),
        ('# %% test="a-test" points=1\nimport autograder\n', 1, "students have no autograder package"),
    ],
)
def test_slips_are_told_with_their_line(text, line, message):
    with pytest.raises(SourceError) as told:
        parse_source(text, name="small.py")
    assert message in str(told.value)
    assert str(told.value).startswith(f"small.py, line {line}:")


def test_a_comment_in_a_code_fence_is_no_heading():
    text = "# %% [markdown]\n# # One\n#\n# ```python\n# # a comment\n# ```\n# %%\n# # a comment in code\nx = 1\n"
    assert len(parse_source(text)) == 2


def test_points_must_add_up(tmp_path):
    item = make_course(tmp_path, EXERCISE + TEST.replace("100", "99"))
    with pytest.raises(SourceError, match=r"small\.py: the test cells add up to 99 points, the chapter has 100"):
        read_source(item)
    assert len(read_source(item, check_points=False)) == 2
    item.source.write_text(EXERCISE + TEST)
    assert len(read_source(item)) == 2
    with pytest.raises(SourceError, match="add up to 100 points, the chapter has 0"):
        read_source(make_course(tmp_path / "zero", EXERCISE + TEST, points=0))


def test_paths_and_unknown_names(tmp_path):
    item = make_course(tmp_path)
    assert read_source(item.source) == read_source(item)
    with pytest.raises(KeyError, match="known chapters: 00_start"):
        read_source("99_nothing")


@pytest.mark.parametrize("item", CHAPTERS, ids=lambda c: c.folder)
def test_every_chapter_can_be_read(item):
    kinds = [cell.kind for cell in read_source(item)]
    assert kinds.count("setup") == 1
    assert kinds[0] == "markdown"
