"""What a student sees in a real kernel: short messages for checks and open exercises, nothing on stderr."""

from __future__ import annotations

import os
import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import determine_grade

CELLS = {
    "setup": (
        "import numpy as np\n"
        "from coursekit import check, setup\n"
        "lab = setup('02_backprop', device='cpu')"
    ),
    "stub": "def grad(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
    "stub class": "class Engine:\n    # YOUR CODE HERE\n    raise NotImplementedError()",
    "stub answer": "answer = None\n# YOUR CODE HERE\nraise NotImplementedError()",
    "call": "grad(3.0)",
    "stopped": "slopes, table = [grad(3.0)], {}",
    "after stopped": "total = sum(slopes)",
    "stopped block": (
        "with np.errstate(all='ignore'):\n    for start in (1.0, 2.0):\n        if start > 0:\n"
        "            steps = grad(start)\n    best, (last, *others) = steps, [p for p in steps]"
    ),
    "after block": "print(steps)",
    "after a later line of the block": "print(others)",
    "inside a comprehension": "print(p)",
    "two after": "def twice():\n    return 2 * total\ntwice()",
    "check after stopped": "with check('Experiment A') as expect:\n    expect.close(slopes, [6.0], 'the slopes')",
    "unknown name": "print(nowhere)",
    "open": "with check('Exercise 1') as expect:\n    expect.close(grad(1.0), 2.0, 'the slope')",
    "open class": "with check('Exercise 2') as expect:\n    expect.close(Engine(1.0), 2.0, 'the value')",
    "open answer": "with check('Question 1') as expect:\n    expect.answered(answer, 'answer')",
    "solve": "def grad(x):\n    return 2.0 * x",
    "wrong": "with check('Exercise 1') as expect:\n    expect.close(grad(1.0), 3.0, 'the slope at 1')",
    "right": "with check('Exercise 1') as expect:\n    expect.close(grad(1.0), 2.0, 'the slope')",
    "break": "def grad(x):\n    W = np.ones((3, 2))\n    return W @ x",
    "raised": "with check('Exercise 1') as expect:\n    expect.close(grad(np.ones(3)), 2.0, 'the slope')",
    "missing": "with check('Exercise 1') as expect:\n    expect.close(gradd(1.0), 2.0, 'the slope')",
    "other error": "{}['key']",
    "other open": "raise NotImplementedError('no such backend')",
    "warn": "import warnings\nwarnings.warn('careful')\nnp.log(np.zeros(1))\nNone",
    "figure": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nNone",
}


def run(cells: list[str], **environment: str) -> dict[str, list]:
    """The outputs of these cells, run in one new kernel."""
    notebook = new_notebook(cells=[new_code_cell(CELLS[name]) for name in cells])
    client = NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=120)
    unset = ("NBGRADER_EXECUTION", "COURSE_PRESET", "COURSE_DEVICE", "COURSE_HEADLESS")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    client.execute(env=env | environment)
    nbformat.validate(notebook)
    return {name: cell.outputs for name, cell in zip(cells, notebook.cells, strict=True)}


@pytest.fixture(scope="module")
def student():
    """The outputs that a student gets who works through the notebook."""
    return run(list(CELLS))


def error(outputs: list):
    """The only output, which must be an error, and its traceback without colours."""
    (output,) = outputs
    assert output.output_type == "error"
    return output, re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.traceback))


def box(outputs: list) -> str:
    """The plain text of the only output, which must be a box with an HTML side."""
    (output,) = outputs
    assert output.output_type == "display_data" and output.data["text/html"].startswith('<div role="status"')
    return output.data["text/plain"]


def test_nothing_is_written_on_stderr(student):
    streams = [o for outputs in student.values() for o in outputs if o.output_type == "stream"]
    assert streams and {o.name for o in streams} == {"stdout"}


def test_setup_prints_its_line(student):
    (output,) = student["setup"]
    assert output.text == "02_backprop: device cpu, preset quick\n"


@pytest.mark.parametrize(
    ("name", "outcome", "lines"),
    [
        ("wrong", "not right yet", ["Checked:  the slope at 1", "Expected: 3.0", "Got:      2.0"]),
        (
            "raised",
            "your code raised an exception",
            ["ValueError: matmul", "in grad:", "return W @ x", "W is (3, 2)"],
        ),
        ("missing", "a name is missing", ["`gradd` does not exist", "did you mean `grad`?"]),
    ],
)
def test_a_failed_check_is_an_error_output_with_the_message_alone(student, name, outcome, lines):
    output, text = error(student[name])
    assert output.ename == "CheckFailed" and output.evalue == text
    assert text.startswith(f"Exercise 1 - {outcome}\n")
    for line in lines:
        assert line in text
    assert "Traceback" not in text and "checking.py" not in text and len(text.splitlines()) <= 7


def test_the_student_s_line_names_the_cell_as_the_notebook_does(student):
    number = list(CELLS).index("break") + 1
    assert f"cell In[{number}], line 3, in grad" in error(student["raised"])[1]


@pytest.mark.parametrize(
    ("name", "what"),
    [("open", "grad"), ("open class", "Engine"), ("open answer", "answer"), ("check after stopped", "grad")],
)
def test_an_open_exercise_is_a_neutral_box_while_a_student_works(student, name, what):
    text = box(student[name])
    assert "not attempted yet" in text and f"`{what}`" in text


def test_a_right_answer_is_a_box(student):
    assert box(student["right"]) == "[OK] Exercise 1 - correct"


@pytest.mark.parametrize(
    ("name", "what"), [("call", "`grad`"), ("stub class", "`Engine`"), ("stub answer", "This cell")]
)
def test_an_open_exercise_that_is_run_is_one_sentence(student, name, what):
    output, text = error(student[name])
    assert output.ename == "NotImplementedError"
    advice = "replace `raise NotImplementedError()` with your code, then run the cell again."
    assert text == f"{what} is still open: {advice}"


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("after stopped", "slopes"),
        ("two after", "total"),
        ("after block", "steps"),
        ("after a later line of the block", "others"),
    ],
)
def test_a_cell_after_one_that_stopped_names_the_open_exercise(student, name, missing):
    output, text = error(student[name])
    assert output.ename == "NameError"
    cause = "the cell that makes it stopped, because `grad` is still open."
    assert text == f"`{missing}` does not exist yet: {cause}"


def test_other_exceptions_keep_the_usual_traceback(student):
    names = (("other error", "KeyError"), ("other open", "NotImplementedError"), ("unknown name", "NameError"))
    names += (("inside a comprehension", "NameError"),)
    for name, ename in names:
        output, text = error(student[name])
        assert output.ename == ename
        assert "Traceback (most recent call last)" in text and "----> 1" in text


def test_warnings_are_printed_in_one_line(student):
    (output,) = student["warn"]
    assert output.text.splitlines() == [
        "Warning (UserWarning, line 2: warnings.warn('careful')): careful",
        "Warning (RuntimeWarning, line 3: np.log(np.zeros(1))): divide by zero encountered in log",
    ]


def test_figures_appear_in_the_notebook(student):
    assert "image/png" in student["figure"][-1].data


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_nbgrader_gives_no_point_for_an_open_or_wrong_exercise(mode):
    names = ["setup", "stub", "stub class", "open", "open class", "solve", "right", "wrong"]
    outputs = run(names, NBGRADER_EXECUTION=mode)
    assert outputs["setup"][0].text == "02_backprop: device cpu, preset smoke\n"
    points = {}
    for name in ("open", "open class", "right", "wrong"):
        metadata = {"nbgrader": {"grade": True, "solution": False, "points": 4, "grade_id": "x"}}
        cell = new_code_cell(CELLS[name], outputs=outputs[name], metadata=metadata)
        points[name] = determine_grade(cell)[0]
    assert points == {"open": 0, "open class": 0, "right": 4, "wrong": 0}
    assert "`grad` is still open" in error(outputs["open"])[1]
