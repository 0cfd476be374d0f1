"""The chapter under attack."""

from __future__ import annotations

import re

from nbformat import NotebookNode

from autograder.tests.judging import exercise, notebook, plain, test_of, text, with_answers

TEST = """
assert np.shape(f(2.0)) == () and np.allclose(f(2.0), -3.25), "f(2)"
### BEGIN HIDDEN TESTS
# the-hidden-text
hidden_table = {3.0: 871.375, -1.5: 46.8125, 0.25: 5519.0625}
for x, want in hidden_table.items():
    assert np.shape(f(x)) == () and np.allclose(f(x), want), "a hidden case"
### END HIDDEN TESTS
"""
SOURCE = notebook(
    text("# f"),
    plain("import numpy as np"),
    exercise(
        "ex1",
        "def f(x):\n    ### BEGIN SOLUTION\n"
        "    return {2.0: -3.25, 3.0: 871.375, -1.5: 46.8125, 0.25: 5519.0625}[x]\n    ### END SOLUTION",
    ),
    test_of("ex1-test", 10, TEST.strip()),
)
HONEST = notebook(*SOURCE.cells)
_HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS.*### END HIDDEN TESTS", re.DOTALL)
SECRETS = ("the-hidden-text", "hidden_table", "871.375", "46.8125", "5519.0625", "a hidden case\\n")


def attacked(code: str) -> NotebookNode:
    """The student's notebook (which has no hidden tests) with this text as the answer."""
    handed_in = with_answers(SOURCE, ex1=code)
    for cell in handed_in.cells:
        cell.source = _HIDDEN.sub("", cell.source)
    return handed_in
