"""The command line: what each command prints, and that failures end it with status 1 and a message."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from autograder import course
from autograder.cli import app
from autograder.tests.small_course import SOURCE, make_course


@pytest.fixture
def item(tmp_path, monkeypatch):
    """A small course in place of the real one."""
    made = make_course(tmp_path)
    monkeypatch.setattr(course, "CHAPTERS", (made,))
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "COURSE", tmp_path / "course")
    return made


def run(*arguments):
    """Exit status and everything printed."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_build_check_and_scan(item):
    code, text = run("build", "--check")
    assert code == 1
    assert "solutions/01_small/small.ipynb is missing; run: autograder build 01_small" in text

    code, text = run("build", "small")
    assert code == 0
    assert "solutions/01_small/small.ipynb: executed at preset quick\ncourse/01_small/small.ipynb: released" in text
    assert "nothing of the instructors' in it" in text
    assert run("build", "--check") == (0, "The notebooks are what their sources give.\n")
    assert "01_small: up to date" in run("build")[1]

    leak = item.student_notebook.with_name("notes.md")
    leak.write_text("    shifted = x + 1000\n")
    for command in ("scan", "build"):
        code, text = run(command)
        assert code == 1
        assert "01_small/notes.md: solution line of 01_small ex1-double: shifted = x + 1000" in text


def test_slips_end_in_a_sentence(item, tmp_path):
    assert run("build", "99") == (1, "no chapter '99'; known chapters: 01_small\n")
    item.source.write_text(SOURCE + "\n# %% [markdown]\n# # Another\n")
    code, text = run("build")
    assert code == 1 and "a second first-level heading; use ## from here on" in text and "Traceback" not in text
    item.source.write_text(SOURCE.replace("TABLE[3]", "TABLE[30]"))
    code, text = run("build")
    assert code == 1 and "cell small-cell-007 failed" in text and "KeyError" in text
    code, text = run("measure", "--preset", "smoke")
    assert code == 1 and "cell small-cell-007 failed" in text
    assert run("build", "--preset", "slow")[1].startswith("unknown preset 'slow'")
    item.source.unlink()
    code, text = run("bundle", str(tmp_path / "out.zip"))
    assert code == 1 and "course/01_small/small.ipynb is missing" in text


def test_measure_prints_a_table(item):
    code, text = run("measure", "01", "--preset", "smoke", "--no-cells")
    assert code == 0
    assert "01_small at preset smoke" in text and "peak RSS" in text and "ex1-double" not in text


def test_the_module_runs_as_a_command():
    command = [sys.executable, "-m", "autograder", "--help"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for name in ("build", "scan", "bundle", "measure", "grade", "variants", "mutate", "lab", "doctor"):
        assert f" {name} " in done.stdout
