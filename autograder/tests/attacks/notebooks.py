"""Attacks on the notebook around the exercise: ids, points, outputs, metadata."""

from __future__ import annotations

from collections.abc import Callable

from nbformat import NotebookNode
from nbformat.v4 import new_output

from autograder.tests.attacks.cells import WRONG
from autograder.tests.attacks.chapter import attacked
from autograder.tests.judging import exercise, notebook, plain, test_of

PATCH = "import numpy as np\nnp.allclose = lambda *a, **k: True"


def _base() -> NotebookNode:
    return attacked(WRONG)


def _test_cell(handed_in: NotebookNode) -> NotebookNode:
    return next(c for c in handed_in.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "ex1-test")


def forged_ids() -> NotebookNode:
    """The exercise's cell says that it is the test."""
    handed_in = _base()
    cell = next(c for c in handed_in.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "ex1")
    cell.metadata["nbgrader"] = dict(_test_cell(handed_in).metadata["nbgrader"])
    cell.source += "\n10"
    return handed_in


def swapped_ids() -> NotebookNode:
    """Test and exercise swap their ids."""
    handed_in = _base()
    a, b = handed_in.cells[2], handed_in.cells[3]
    a.metadata["nbgrader"], b.metadata["nbgrader"] = b.metadata["nbgrader"], a.metadata["nbgrader"]
    b.source = "pass"
    return handed_in


def duplicated_test() -> NotebookNode:
    """A second test cell, which passes."""
    handed_in = _base()
    return notebook(*handed_in.cells, test_of("ex1-test", 10, "pass"))


def duplicated_test_before() -> NotebookNode:
    """A passing test cell in front of the true one."""
    handed_in = _base()
    return notebook(test_of("ex1-test", 10, "10"), *handed_in.cells)


def deleted_test() -> NotebookNode:
    """No test cell at all."""
    return notebook(*_base().cells[:-1])


def emptied_test() -> NotebookNode:
    """The test cell's text is gone."""
    handed_in = _base()
    _test_cell(handed_in).source = ""
    return handed_in


def test_as_markdown() -> NotebookNode:
    """The test cell is no code cell any more."""
    handed_in = _base()
    cell = _test_cell(handed_in)
    cell["cell_type"] = "markdown"
    cell.pop("outputs"), cell.pop("execution_count")
    return handed_in


test_as_markdown.__test__ = False


def changed_points() -> NotebookNode:
    """A million points, and negative ones."""
    handed_in = notebook(*_base().cells, test_of("ex1-bonus-test", 10**6, "10**6"))
    _test_cell(handed_in).metadata["nbgrader"]["points"] = -10
    return handed_in


def forged_outputs() -> NotebookNode:
    """Outputs of a full success are there before anything runs."""
    handed_in = _base()
    for cell in handed_in.cells[1:]:
        cell.execution_count = 1
        cell.outputs = [new_output("execute_result", data={"text/plain": "10.0"}, execution_count=1)]
    return handed_in


def skipped_by_tags() -> NotebookNode:
    """Tags and kinds that keep a cell from being run."""
    handed_in = _base()
    cell = _test_cell(handed_in)
    cell.metadata["tags"] = ["skip-execution", "raises-exception"]
    cell.metadata["coursekit"] = {"kind": "demo"}
    return handed_in


def edited_kernelspec() -> NotebookNode:
    """A kernel of the student's choice."""
    handed_in = _base()
    handed_in.metadata["kernelspec"] = {"name": "bash", "display_name": "x", "argv": ["touch", "/tmp/owned"]}
    handed_in.metadata["record"] = {"points": 10}
    return handed_in


def patched_in_another_cell() -> NotebookNode:
    """The patch sits in cells before, between and behind the others."""
    cells = _base().cells
    return notebook(plain(PATCH), *cells[:3], plain(PATCH), *cells[3:], plain(PATCH))


def patched_in_a_given_id() -> NotebookNode:
    """A cell that pretends to be a locked one of an id that the source does not have."""
    cell = exercise("given-by-me", PATCH)
    cell.metadata["nbgrader"].update(locked=True, solution=False)
    return notebook(cell, *_base().cells)


def autograder_metadata() -> NotebookNode:
    """Results of an earlier grading, forged."""
    handed_in = _base()
    _test_cell(handed_in).metadata["autograder"] = {"outcome": "passed", "message": "", "hint": None}
    handed_in.metadata["autograder"] = {"notes": ["<script>alert(1)</script>"]}
    return handed_in


NOTEBOOKS: dict[str, Callable[[], NotebookNode]] = {
    make.__name__.replace("_", "-"): make
    for make in (
        forged_ids,
        swapped_ids,
        duplicated_test,
        duplicated_test_before,
        deleted_test,
        emptied_test,
        test_as_markdown,
        changed_points,
        forged_outputs,
        skipped_by_tags,
        edited_kernelspec,
        patched_in_another_cell,
        patched_in_a_given_id,
        autograder_metadata,
    )
}
