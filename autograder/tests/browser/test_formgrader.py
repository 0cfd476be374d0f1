"""The instructor's side in JupyterLab: Formgrader shows the graded class, Assignment List opens."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from autograder.course import COURSE, ROOT, SOLUTIONS, chapter

CHAPTER = chapter("02_backprop")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab over a course root in which two students are graded: one with everything, one with nothing."""
    from autograder.tests.browser.conftest import running_lab

    handed_in = tmp_path_factory.mktemp("handed_in")
    shutil.copy(CHAPTER.solution_notebook, handed_in / f"ada_{CHAPTER.topic}.ipynb")
    shutil.copy(CHAPTER.student_notebook, handed_in / f"ben_{CHAPTER.topic}.ipynb")
    root = tmp_path_factory.mktemp("course").resolve()
    command = [sys.executable, "-m", "autograder", "grade", CHAPTER.folder]
    command += ["--submissions", str(handed_in), "--folder", str(root), "--assignment", CHAPTER.folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copy(ROOT / "nbgrader_config.py", root)
    shutil.copytree(COURSE, root / "course", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SOLUTIONS, root / "solutions")
    exchange = root / "build" / "exchange"
    exchange.mkdir(parents=True)
    exchange.chmod(0o777)
    with running_lab(root, tmp_path_factory.mktemp("private")) as running:
        yield running


@pytest.mark.slow
def test_formgrader_shows_the_scores(lab, chromium):
    """The class's scores stand in Formgrader, opened from JupyterLab's menu; a submission can be looked at."""
    from autograder.tests.browser.conftest import NotebookPage

    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(lab.address("/lab"))
    page.get_by_text("Nbgrader", exact=True).first.click()
    page.get_by_text("Formgrader", exact=True).first.click()
    page.wait_for_timeout(1000)
    page.goto(lab.address("/formgrader/gradebook/" + CHAPTER.folder + "/" + CHAPTER.topic))
    table = page.locator("table")
    table.get_by_text("100 / 100").first.wait_for(timeout=60_000)
    NotebookPage(page).shot("formgrader-submissions")
    page.goto(lab.address("/formgrader/manage_submissions/" + CHAPTER.folder))
    page.get_by_text("ada").first.wait_for(timeout=60_000)
    text = page.locator("table").inner_text()
    assert "ada" in text and "ben" in text and "100 / 100" in text and "0 / 100" in text
    NotebookPage(page).shot("formgrader-class")
    context.close()


@pytest.mark.slow
def test_assignment_list_opens(lab, chromium):
    """Assignment List comes up without an error about the exchange."""
    from autograder.tests.browser.conftest import NotebookPage

    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(lab.address("/lab"))
    page.get_by_text("Nbgrader", exact=True).first.click()
    page.get_by_text("Assignment List", exact=True).first.click()
    page.get_by_text("Released assignments").first.wait_for(timeout=60_000)
    page.wait_for_timeout(3000)
    text = page.locator("body").inner_text()
    NotebookPage(page).shot("assignment-list")
    assert "exchange directory" not in text.lower() and "error" not in text.lower()
    context.close()
