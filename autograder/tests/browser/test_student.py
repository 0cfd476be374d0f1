"""A student's notebook in JupyterLab: open it, run it, solve an exercise, move a widget, press Validate."""

from __future__ import annotations

import shutil

import pytest

from autograder.course import COURSE, DATA, ROOT

START = "course/00_start/start.ipynb"

MEAN_SQUARE = '''def mean_square(x: np.ndarray) -> float:
    """The mean of the squares of all entries."""
    x = np.asarray(x, dtype=np.float64)
    return float((x * x).sum() / x.size)
'''

ACCURACY = '''def accuracy(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of rows whose largest score stands at the true class."""
    return (scores.max(dim=1).indices == labels).sum().item() / len(labels)
'''


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab over a copy of what students get."""
    from autograder.tests.browser.conftest import running_lab

    root = tmp_path_factory.mktemp("student")
    shutil.copytree(COURSE, root / "course", ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    (root / "data").symlink_to(DATA)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    with running_lab(root, tmp_path_factory.mktemp("private"), COURSE_PRESET="smoke") as running:
        yield running


@pytest.fixture(autouse=True)
def untouched_notebook(lab):
    """Every test begins with the notebook as it is handed out: JupyterLab saves what the one before typed."""
    shutil.copy(ROOT / START, lab.root / START)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_run_solve_and_move(lab, open_notebook, dark):
    """Run All reports the open exercise in words and goes on; the solved exercise is right; the widget moves."""
    theme = "dark" if dark else "light"
    notebook = open_notebook(lab, START, dark=dark)
    notebook.run_all()
    check_cell = notebook.cell('check("Exercise 1: mean square")')
    assert "not attempted yet" in notebook.output(check_cell)
    notebook.shot(f"start-open-{theme}")
    # a cell below the open exercises ran all the same
    assert "[OK]" in notebook.output(notebook.cell("doctor()"))

    exercise = notebook.cell("def mean_square")
    notebook.replace_source(exercise, MEAN_SQUARE.replace("(x * x).sum() / x.size", "(x * x).sum() / len(x)"))
    notebook.run_cell(exercise)
    notebook.run_cell(check_cell)
    wrong = notebook.output(check_cell)
    assert "not right yet" in wrong and "len(x) is the number of rows" in wrong
    notebook.shot(f"start-wrong-{theme}")

    notebook.replace_source(exercise, MEAN_SQUARE)
    notebook.run_cell(exercise)
    notebook.run_cell(check_cell)
    assert "correct" in notebook.output(check_cell)
    notebook.shot(f"start-right-{theme}")

    exercise = notebook.cell("def accuracy")
    notebook.replace_source(exercise, ACCURACY)
    notebook.run_cell(exercise)
    notebook.run_cell(notebook.cell("def score(pictures, averages)"))
    widget = notebook.cell("def draw_means")
    notebook.run_cell(widget)
    before = notebook.picture(widget)
    widget.locator("input[type=range], .noUi-handle, .ui-slider-handle").first.focus()
    notebook.page.keyboard.press("End")
    after = notebook.picture(widget, other_than=before)
    assert after != before
    notebook.shot(f"start-widget-{theme}")


def test_validate(lab, open_notebook):
    """nbgrader's Validate names the open exercises; on a solved notebook it reports success."""
    notebook = open_notebook(lab, START)
    text = notebook.validate()
    assert "failed" in text.lower() and "mean_square" in text
    notebook.shot("start-validate-open")
    notebook.page.keyboard.press("Escape")

    for name, source in (
        ("def mean_square", MEAN_SQUARE),
        ("def accuracy", ACCURACY),
        ("answer_restart = None", 'answer_restart = "b"'),
    ):
        notebook.replace_source(notebook.cell(name), source)
    text = notebook.validate()
    notebook.shot("start-validate-right")
    assert "passed" in text.lower() or "success" in text.lower()
