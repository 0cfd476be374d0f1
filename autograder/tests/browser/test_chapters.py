"""Every chapter in JupyterLab: the solved notebook runs, and each of its widgets redraws when it is moved."""

from __future__ import annotations

import shutil

import pytest

from autograder.course import CHAPTERS, DATA, ROOT, SOLUTIONS
from autograder.source import read_source

CONTROLS = ".jp-OutputArea input[type=range], .jp-OutputArea .noUi-handle, .jp-OutputArea select"
CONTROLS += ", .jp-OutputArea input[type=checkbox]"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab over a copy of the solution notebooks."""
    from autograder.tests.browser.conftest import running_lab

    root = tmp_path_factory.mktemp("solutions")
    shutil.copytree(SOLUTIONS, root / "solutions", ignore=shutil.ignore_patterns("*.py", ".ipynb_checkpoints"))
    (root / "data").symlink_to(DATA)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    with running_lab(root, tmp_path_factory.mktemp("private"), COURSE_PRESET="smoke") as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.folder)
def test_runs_and_every_widget_moves(lab, open_notebook, chapter):
    """No cell fails that should not, and each control of each widget gives another picture."""
    notebook = open_notebook(lab, f"solutions/{chapter.folder}/{chapter.topic}.ipynb")
    notebook.run_all(seconds=300)
    complaints = notebook.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').all_text_contents()
    assert len(complaints) == sum(cell.raises for cell in read_source(chapter)), "\n".join(complaints)

    widgets = [cell for cell in read_source(chapter) if "explore(" in cell.text and "import" not in cell.text]
    assert widgets, "a chapter has at least one widget"
    for number, source in enumerate(widgets, 1):
        cell = notebook.cell(source.text.split("\n", 1)[0])
        picture = notebook.picture(cell)
        controls = cell.locator(CONTROLS)
        controls.first.wait_for(state="attached", timeout=20_000)
        for index in range(controls.count()):
            if index:  # from the start again: with some choices another control rightly changes nothing
                notebook.run_cell(cell)
                picture = notebook.picture(cell)
                controls.nth(index).wait_for(state="attached", timeout=20_000)
            before, picture = picture, notebook.move(controls.nth(index), cell, picture)
            assert picture != before, f"control {index} of widget {number} changes nothing"
        notebook.page.wait_for_timeout(300)  # the browser paints the new picture
        notebook.shot(f"{chapter.folder}-widget-{number}")
