"""nbgrader's own commands with the shipped configuration: the exchange from release to feedback, in one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.course import ROOT
from autograder.tests import tiny_class
from autograder.tests.tiny_class import SECRET, answered, cell, write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="nbgrader has no exchange on Windows"),
]
INSTRUCTORS_FILE = "nobody but the instructor may read this"


class Class:
    """An instructor's course folder, a student's folder and an exchange between them."""

    def __init__(self, base: Path):
        self.course, self.home, self.exchange = base / "course", base / "home", base / "exchange"
        for folder in (self.course, self.home, self.exchange):
            folder.mkdir(parents=True)
        self.exchange.chmod(0o777)
        self.chapter = tiny_class.make_course(self.course)
        for name in ("jupyter", "data"):
            (base / name).mkdir()
        self.environment = os.environ | {
            "JUPYTER_CONFIG_DIR": str(base / "jupyter"),
            "JUPYTER_DATA_DIR": str(base / "data"),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
        }

    def nbgrader(self, *command: str, where: Path | None = None, ok: bool = True) -> str:
        """Run nbgrader there; return what it said."""
        settings = [f"--Exchange.root={self.exchange}", "--RunSubmission.runner=plain"]
        if where:
            settings.append("--course=deep-learning-by-hand")
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *command, *settings],
            cwd=where or self.course,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) == ok, said
        return said


@pytest.fixture(scope="module")
def handed_back(tmp_path_factory):
    """The whole way: release, fetch, submit (twice), collect, autograde, feedback, release and fetch feedback."""
    room = Class(tmp_path_factory.mktemp("room"))
    student = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    said = {}
    room.nbgrader("generate_assignment", "91_tiny", "--force")
    room.nbgrader("release_assignment", "91_tiny")
    room.nbgrader("fetch_assignment", "91_tiny", where=room.home)
    mine = room.home / "91_tiny"
    assert [p.name for p in mine.iterdir()] == ["tiny.ipynb"]
    work = answered(room.chapter, ex1_double="def double(x):\n    return abs(2 * x)")
    cell(work, "ex2-cube-test").metadata.nbgrader.points = 300
    cell(work, "setup").metadata.nbgrader.schema_version = 99  # stock nbgrader ends the whole batch over this
    write(work, mine / "tiny.ipynb")
    (mine / "my_notes.txt").write_text("the student's own file", encoding="utf-8")
    secret = room.course / "solutions" / "91_tiny" / "secret.txt"
    secret.write_text(INSTRUCTORS_FILE, encoding="utf-8")
    (mine / "innocent.txt").symlink_to(secret)
    room.nbgrader("submit", "91_tiny", where=room.home)
    inbound = next((room.exchange / "deep-learning-by-hand" / "inbound").iterdir())
    (inbound / "innocent.txt").unlink(missing_ok=True)  # as a student who owns the folder can
    (inbound / "innocent.txt").symlink_to(secret)
    said["collect"] = room.nbgrader("collect", "91_tiny")
    secret.unlink()
    room.nbgrader("autograde", "91_tiny")
    room.nbgrader("generate_feedback", "91_tiny")
    room.nbgrader("release_feedback", "91_tiny")
    room.nbgrader("fetch_feedback", "91_tiny", where=room.home)
    return room, student, said


def test_the_student_gets_feedback_without_secrets(handed_back):
    room, _, _ = handed_back
    pages = list((room.home / "91_tiny" / "feedback").rglob("*.html"))
    assert len(pages) == 1
    text = pages[0].read_text("utf-8")
    assert "8 of 12 points" in text
    assert "double is wrong for a negative number" in text
    assert SECRET not in text and "HIDDEN" not in text and str(room.course) not in text
    assert "metadata of cell" in text


def test_the_points_are_in_the_gradebook(handed_back):
    from nbgrader.api import Gradebook

    room, student, _ = handed_back
    with Gradebook(f"sqlite:///{room.course / 'gradebook.db'}") as book:
        notebook = book.find_submission_notebook("tiny", "91_tiny", student)
        assert {g.name: (g.score, g.max_score) for g in notebook.grades} == {
            "ex1-double-test": (0.0, 4.0),
            "ex2-square-test": (3.0, 3.0),
            "ex2-cube-test": (3.0, 3.0),
            "q1-test": (2.0, 2.0),
        }


def test_no_link_of_a_student_is_followed(handed_back):
    room, student, said = handed_back
    assert "A link was left out" in said["collect"]
    assert not (room.course / "submitted" / student / "91_tiny" / "innocent.txt").exists()
    for path in room.home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert INSTRUCTORS_FILE not in path.read_text("utf-8", errors="replace")


def test_only_pages_go_back(handed_back):
    room, student, _ = handed_back
    folder = room.course / "feedback" / student / "91_tiny"
    assert sorted(p.name for p in folder.iterdir()) == [*("submission_secret.txt", "timestamp.txt", "tiny.html")]


def test_one_file_that_cannot_be_read_does_not_stop_the_others(handed_back):
    room, student, _ = handed_back
    bad = {"broken": '{"cells": [', "foreign": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}'}
    for name, text in bad.items():
        path = room.course / "submitted" / name / "91_tiny" / "tiny.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    write(answered(room.chapter), room.course / "submitted" / "zoe" / "91_tiny" / "tiny.ipynb")
    said = room.nbgrader("autograde", "91_tiny", ok=False)
    assert "The notebook has no cells" in said
    graded = {p.name for p in (room.course / "autograded").iterdir() if any(p.rglob("*.ipynb"))}
    assert graded == {student, "zoe"}


def test_validate_tells_a_student_what_fails(handed_back):
    room, _, _ = handed_back
    write(answered(room.chapter, q1='answer_one = "z"'), room.home / "check" / "tiny.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "validate", "tiny.ipynb"],
        cwd=room.home / "check",
        env=room.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "answer_one is one of a, b" in done.stdout + done.stderr
