"""A small chapter and its students, for the tests of grading. Built once a test run, without executing anything."""

from __future__ import annotations

import copy
import json
import shutil
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.build import expand
from autograder.course import ROOT, Chapter
from autograder.judge.record import Record
from autograder.release import student_text
from autograder.runners import PlainRunner, record_of, with_tests
from autograder.source import parse_source

FOLDER = "91_tiny"
SECRET = "the secret oracle says seventeen"

SOURCE = f'''\
# %% [markdown]
# # A tiny chapter

# %% setup=true
import math
import os

# %% [markdown]
# ## Exercise 1: Twice (4 points)
#
# Return $2x$.

# %% exercise="ex1-double"
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION

# %% test="ex1-double-test" points=4 exercise_no=1
assert double(2) == 4, "double(2) should be 4"
### BEGIN HIDDEN TESTS
_oracle = "{SECRET}"
assert double(-3.5) == -7, "double is wrong for a negative number"
### END HIDDEN TESTS

# %% given="table"
TABLE = {{n: n * n for n in range(4)}}

# %% demo=true
def slow_experiment():
    """Something to watch, not to grade."""
    for n in range(3):
        print("watching", n, TABLE[n])

slow_experiment()

# %% [markdown]
# ## Exercise 2: Squares (6 points)

# %% exercise="ex2-square"
def square(x):
    """x times x, by the table where it has it."""
    ### BEGIN SOLUTION
    return TABLE.get(x, x * x)
    ### END SOLUTION

def cube(x):
    """x to the third."""
    ### BEGIN SOLUTION
    return x * square(x)
    ### END SOLUTION

# %% test="ex2-square-test" points=3 exercise_no=2
assert square(3) == 9, "square(3) should be 9"

# %% test="ex2-cube-test" points=3 exercise_no=2
assert cube(2) == 8, "cube(2) should be 8"
### BEGIN HIDDEN TESTS
assert cube(-5) == -125, "cube is wrong for a negative number"
### END HIDDEN TESTS

# %% [markdown]
# ## Questions

# %% exercise="q1"
answer_one = None
### BEGIN SOLUTION
answer_one = "b"
### END SOLUTION

# %% test="q1-test" points=2
assert answer_one in ("a", "b"), "answer_one is one of a, b"
### BEGIN HIDDEN TESTS
assert answer_one == "b", "answer_one is another letter"
### END HIDDEN TESTS
'''

_built: dict[str, str] = {}


def make_course(root: Path) -> Chapter:
    """A course with the chapter `91_tiny`, built, under `root`, with the shipped nbgrader configuration."""
    chapter = Chapter(FOLDER, "A tiny chapter", points=12, root=root)
    if not _built:
        solution = expand(parse_source(SOURCE, points=12), chapter)
        _built["solution"] = nbformat.writes(solution) + "\n"
        _built["release"] = student_text(chapter, solution)
    for path, text in (
        (chapter.solution_notebook, _built["solution"]),
        (chapter.student_notebook, _built["release"]),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    return chapter


def released(chapter: Chapter) -> NotebookNode:
    """A fresh copy of what students got."""
    return nbformat.read(chapter.student_notebook, as_version=4)


def cell(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """The cell with this nbgrader id."""
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def answered(chapter: Chapter, **answers: str) -> NotebookNode:
    """The released notebook with the reference answers, and other sources where `answers` has them.

    Keys are grade ids with underscores (`ex1_double="def double(x): ..."`).
    """
    notebook, solution = released(chapter), nbformat.read(chapter.solution_notebook, as_version=4)
    for node in notebook.cells:
        meta = node.metadata.get("nbgrader", {})
        if meta.get("solution"):
            node.source = cell(solution, meta["grade_id"]).source
    for name, source in answers.items():
        cell(notebook, name.replace("_", "-")).source = source
    return notebook


def without_metadata(notebook: NotebookNode) -> NotebookNode:
    """What Colab or a paste makes of a notebook: no nbgrader metadata, other cell ids."""
    bare = copy.deepcopy(notebook)
    for number, node in enumerate(bare.cells):
        node.metadata = NotebookNode({"id": f"colab{number}"})
        node["id"] = f"colab{number}"
    return bare


def write(notebook: NotebookNode, path: Path) -> Path:
    """Write the notebook as JupyterLab would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


class QuickRunner(PlainRunner):
    """The plain runner without a kernel: cells are executed in this process. For tests of everything around it."""

    def run(self, notebook: NotebookNode, source: NotebookNode) -> Record:
        """The record, as the plain runner would make it for code that only defines and asserts."""
        running, space, count = with_tests(notebook, source), {}, 0
        for node in running.cells:
            if node.cell_type == "code" and "tags" not in node.metadata:
                count += 1
                node.execution_count = count
                try:
                    exec(node.source, space)
                except Exception as error:
                    node.outputs = [new_output("error", ename=type(error).__name__, evalue=str(error), traceback=[])]
        return record_of(running, self.key(notebook, source))


class SlowedRunner(QuickRunner):
    """A quick runner that takes long enough to be killed."""

    def run(self, notebook: NotebookNode, source: NotebookNode) -> Record:
        """As the quick runner, a little later."""
        time.sleep(0.3)
        return super().run(notebook, source)


def make_slowed_runner(*settings: object) -> SlowedRunner:
    """In the place of `make_runner`, in this process and in its workers."""
    return SlowedRunner()
