"""The release scan finds each kind of leak, and nothing in what is meant for students."""

from __future__ import annotations

import json
import zipfile

import pytest

from autograder.course import CHAPTERS, COURSE, COURSEKIT
from autograder.release import student_text
from autograder.release_scan import (
    Finding,
    gather_secrets,
    scan,
    scan_file,
    undescribed_calls,
    undescribed_images,
)
from autograder.tests.small_course import SOURCE, make_course

MISCONCEPTIONS = '''\
"""Known wrong answers of the small chapter."""

from autograder.variants import Wrong

MISCONCEPTIONS = [
    Wrong(
        exercise="ex1-double",
        name="squares",
        code="""
def double(x):
    squared_by_mistake = x ** 2
    return squared_by_mistake
""",
        hint="This is the square of x; "
        "two times two hides the difference.",
        caught_by="ex1-double-test",
        says="double(2) should be 4",
    ),
]
'''
CHECKS = '''\
"""Hidden tests of the small chapter."""


def doubles_many_numbers(double):
    for number in (-1.5, 0.25, 1e9):
        assert double(number) - number == number, "not twice the number"
'''


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A small course with instructors' modules, its student notebook (as text) and its secrets."""
    from autograder.build import expand
    from autograder.source import parse_source

    root = tmp_path_factory.mktemp("course")
    item = make_course(root)
    for folder, text in (("misconceptions", MISCONCEPTIONS), ("checks", CHECKS)):
        path = root / "autograder" / folder / "small.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    library = root / "course" / "coursekit" / "math.py"
    library.parent.mkdir(parents=True)
    library.write_text("def doubled(x):\n    return x + x\n")
    text = student_text(item, expand(parse_source(SOURCE), item))
    return text, gather_secrets([item], root)


def scanned(course, change=None, name="01_small/small.ipynb"):
    """The findings of the student notebook after `change(notebook)`."""
    text, secrets = course
    notebook = json.loads(text)
    if change:
        change(notebook)
    return scan_file(name, json.dumps(notebook).encode(), secrets)


def cell_of(notebook, cell_id):
    return next(cell for cell in notebook["cells"] if cell["id"] == cell_id)


def adding(line, cell_id="ex1-double"):
    def change(notebook):
        cell_of(notebook, cell_id)["source"].append(f"\n{line}")

    return change


def setting(cell_id, **values):
    def change(notebook):
        cell_of(notebook, cell_id).update(values)

    return change


def test_a_clean_notebook_has_no_findings(course):
    assert scanned(course) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (adding("    shifted = x + 1000"), "solution line of 01_small ex1-double"),
        (adding("\tshifted  =  x + 1000   # a comment"), "solution line of 01_small ex1-double"),
        (adding('answer_one = "because it is linear"', "small-cell-000"), "solution line of 01_small q1"),
        (adding('assert double(-3.5) == -7, "double of a negative number"'), "hidden test line of 01_small"),
        (adding("It is the square of x; This is the square of x; two\ntimes two hides the difference.",
                "small-cell-000"), "text of autograder/misconceptions/small.py"),
        (adding("def double(x):\n    squared_by_mistake = x ** 2\n    return squared_by_mistake"),
         "lines of autograder/misconceptions/small.py"),
        (adding("\n".join(CHECKS.split("\n")[3:])), "lines of autograder/checks/small.py"),
        (adding("### BEGIN SOLUTION"), "leftover marker"),
        (adding("### END SOLUTION"), "leftover marker"),
        (adding("### BEGIN HIDDEN TESTS"), "leftover marker"),
        (adding("### END HIDDEN TESTS"), "leftover marker"),
        (setting("setup", execution_count=1), "execution count"),
        (setting("setup", outputs=[{"output_type": "stream", "name": "stdout", "text": ["hello"]}]), "output"),
        (adding('DATA = "/home/anna/data.npz"'), "absolute path"),
        (adding(r"see C:\Users\anna", "small-cell-000"), "absolute path"),
        (adding("\n# Another title", "small-cell-002"), "second first-level heading"),
        (setting("small-cell-000", source=["no title"]), "no first-level heading"),
        (adding("![](parabola.png)", "small-cell-002"), "figure without description"),
        (adding('<img src="parabola.png">', "small-cell-002"), "figure without description"),
        (adding("show(fig)"), "figure without description"),
        (lambda n: n["metadata"].update(author="/home/anna/x"), "absolute path"),
    ],
)  # fmt: skip
def test_each_leak_is_found(course, change, rule):
    findings = scanned(course, change)
    assert [f.rule for f in findings if f.rule.startswith(rule)], findings
    assert all(f.file == "01_small/small.ipynb" and f.found for f in findings)


def test_a_leak_in_an_output_or_attachment_is_found(course):
    text = {"text/plain": ["def double(x):\n", "    shifted = x + 1000\n"]}
    output = {"output_type": "display_data", "metadata": {}, "data": text}
    rules = {f.rule for f in scanned(course, setting("setup", outputs=[output]))}
    assert rules == {"output", "solution line of 01_small ex1-double"}
    attached = setting("small-cell-000", attachments={"notes.txt": {"text/plain": "shifted = x + 1000"}})
    assert [f.where for f in scanned(course, attached)] == ["metadata or outputs"]


def test_lines_that_the_author_shows_are_no_secrets(course):
    for line in (
        r"# $f:\mathbb{R}^n\to\mathbb{R}$ and f:\theta",
        '    """Twice x."""',
        "TABLE = {n: n * n for n in range(4)}",
        "    return x + x",
        "def double(x):",
    ):
        assert scanned(course, adding(line)) == []


def test_a_solution_repeated_in_a_given_cell_is_found(tmp_path):
    from autograder.build import expand
    from autograder.source import parse_source

    body = "    first_step = x + 1000\n    second_step = first_step * 2\n    return second_step - 2000\n"
    source = SOURCE.replace("    shifted = x + 1000\n    return shifted + shifted - 2000\n", body)
    source = source.replace("TABLE = {n", f"def twice(x):\n{body}\n\nTABLE = {{n")
    item = make_course(tmp_path, source)
    text = student_text(item, expand(parse_source(source), item))
    rules = [f.rule for f in scan_file("small.ipynb", text.encode(), gather_secrets([item], tmp_path))]
    assert rules == ["solution line of 01_small ex1-double"]


def test_instructor_files_are_known_by_content(course):
    _, secrets = course
    assert scan_file("notes/harmless.txt", SOURCE.encode(), secrets)
    assert scan_file("course/coursekit/tables.py", CHECKS.encode(), secrets)
    assert scan_file("data/README", MISCONCEPTIONS.encode(), secrets)
    assert scan_file("course/coursekit/math.py", b"def doubled(x):\n    return x + x\n", secrets) == []
    assert [f.rule for f in scan_file("a/small.pyc", b"\0", secrets)] == ["unexpected file"]
    assert [f.rule for f in scan_file("README.md", b"in /root/course", secrets)] == ["absolute path"]
    assert scan_file("README.md", b"https://example.org/home/x or ~/course or ./tmp/y", secrets) == []


def test_folders_and_zip_files_are_scanned_alike(course, tmp_path):
    text, secrets = course
    folder = tmp_path / "tree"
    (folder / "01_small").mkdir(parents=True)
    (folder / "01_small" / "small.ipynb").write_text(text)
    assert scan(folder, secrets) == []
    (folder / "01_small" / "small.txt").write_text(SOURCE)
    archive = tmp_path / "tree.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for path in folder.rglob("*.*"):
            made.write(path, path.relative_to(folder))
    findings = scan(folder, secrets)
    assert findings and findings == scan(archive, secrets)
    assert {f.file for f in findings} == {"01_small/small.txt"}


def test_images_and_figure_calls():
    assert undescribed_images("![a cat](cat.png) <img src='x' alt='a cat'>") == []
    assert undescribed_images("![ ](cat.png)") == ["![ ](..."]
    assert undescribed_images("<IMG src='x' alt=''>") == ["<IMG src='x' alt=''>"]
    good = "%matplotlib inline\nshow(fig, 'The loss falls in three steps.')\nfigures.show(fig, text)\n"
    assert undescribed_calls(good + "explore(draw, description='Move the slider to see it bend.')") == []
    assert len(undescribed_calls("show(fig, 'too short')\nexplore(draw)\nplt.show()\nfig.show()\n")) == 4
    assert undescribed_calls("this is (not python") == []


def test_a_finding_says_where_and_what():
    finding = Finding("01/a.ipynb", "cell 3", "leftover marker", "BEGIN SOLUTION")
    assert str(finding) == "01/a.ipynb, cell 3: leftover marker: BEGIN SOLUTION"


def test_the_course_itself_is_clean():
    assert [str(finding) for finding in scan(COURSE, gather_secrets())] == []


@pytest.mark.parametrize("item", CHAPTERS, ids=lambda c: c.folder)
def test_every_real_source_would_be_found(item):
    secrets = gather_secrets()
    for name in ("notes.txt", "course/coursekit/tools.py"):
        assert scan_file(name, item.source.read_bytes(), secrets)
    assert scan_file("notes.ipynb", item.solution_notebook.read_bytes(), secrets)
    assert COURSEKIT.is_dir()
