"""A small course in a folder of its own, for tests of building, scanning and bundling."""

from __future__ import annotations

import shutil
from pathlib import Path

from autograder.course import ROOT, Chapter

SOURCE = '''\
# %% [markdown]
# # A small chapter
#
# Twice as much.

# %% setup=true
import os

print("preset", os.environ.get("COURSE_PRESET"))

# %% [markdown]
# ## Exercise 1
#
# ![a parabola opening upwards](parabola.png)

# %% exercise="ex1-double"
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    shifted = x + 1000
    return shifted + shifted - 2000
    ### END SOLUTION

# %% test="ex1-double-test" points=60 exercise_no=1
assert double(2) == 4, "double(2) should be 4"
print("right")
### BEGIN HIDDEN TESTS
assert double(-3.5) == -7, "double of a negative number"
### END HIDDEN TESTS

# %% given="table"
TABLE = {n: n * n for n in range(4)}

# %% demo=true
print("demo at", os.environ.get("COURSE_PRESET"))

# %%
TABLE[3]

# %% exercise="q1"
### BEGIN SOLUTION
answer_one = "because it is linear"
### END SOLUTION

# %% test="q1-test" points=40
assert isinstance(answer_one, str)
'''


def make_course(root: Path, source: str = SOURCE, *, points: int = 100) -> Chapter:
    """A course with the one chapter `01_small` under `root`, with the shipped nbgrader configuration."""
    item = Chapter("01_small", "A small chapter", points=points, root=root)
    item.source.parent.mkdir(parents=True)
    item.source.write_text(source, encoding="utf-8")
    shutil.copy(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    return item
