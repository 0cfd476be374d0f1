"""Whole submissions: what is run, in which order, what a test's result is, and what the graded notebook shows."""

from __future__ import annotations

import json
import os

import nbformat
import pytest

from autograder.clean import clean_outputs
from autograder.course import chapter
from autograder.judge.plan import build_plan
from autograder.judge.process import JudgeFault
from autograder.judge.record import OUTCOMES, Record
from autograder.judge.runner import run_submission, submission_key
from autograder.tests.judging import (
    QUICK,
    demo,
    exercise,
    given,
    judged,
    notebook,
    plain,
    shown,
    test_of,
    text,
    the_judge,
    with_answers,
)

STUB = "def {name}(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
CHECK = """with check("Exercise {n}") as expect:
    expect.close({name}(np.array([1.0, 2.0])), {want}, "{name} at (1, 2)")
    expect.why("Because.")
### BEGIN HIDDEN TESTS
from coursekit.checking import hidden as _hidden
with _hidden("Exercise {n}, hidden") as expect:
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=4)
        expect.close({name}(x), {oracle}, "{name} of normal numbers")
### END HIDDEN TESTS
"""

SOURCE = notebook(
    text("# A small chapter"),
    given("setup", "import numpy as np\nfrom coursekit import check, setup\nlab = setup('tiny')"),
    plain("import matplotlib.pyplot as plt\nbase = 2"),
    exercise("ex1-double", "def double(x):\n    return base * x"),
    test_of("ex1-double-test", 3, CHECK.format(n=1, name="double", want="[2.0, 4.0]", oracle="2 * x")),
    demo("raise RuntimeError('demos are not run')"),
    exercise("ex2-square", "def square(x):\n    return x * x"),
    test_of("ex2-square-test", 4, CHECK.format(n=2, name="square", want="[1.0, 4.0]", oracle="x ** 2")),
    given("helper", "def helper(x):\n    return x + 1"),
    exercise("q1", "answer = 'b'"),
    test_of("q1-test", 1, 'with check("Question") as expect:\n    expect.equal(answer, "b", "the answer")'),
)
HONEST = notebook(*SOURCE.cells)


def results(record: Record) -> list[tuple[str, float, str]]:
    return [(t.grade_id, t.points, t.outcome) for t in record.tests]


def test_an_honest_notebook_earns_all():
    record = judged(HONEST, SOURCE)
    assert results(record) == [
        ("ex1-double-test", 3.0, "passed"),
        ("ex2-square-test", 4.0, "passed"),
        ("q1-test", 1.0, "passed"),
    ]
    assert record.gradable and record.points == record.max_points == 8 and not record.notices
    assert [c.status for c in record.cells].count("skipped") == 1  # the demo
    assert record.key == submission_key(HONEST, SOURCE, QUICK) and record.student_cpu > 0
    assert "Because." in shown(record)


def test_the_same_submission_gives_the_same_record_twice():
    code = "import random, torch\ndef double(x):\n    return 2 * x if random.random() < 0.5 else x"
    handed_in = with_answers(SOURCE, ex1_double=code)
    first, second = judged(handed_in, SOURCE), judged(handed_in, SOURCE)
    assert results(first) == results(second)
    assert [t.message for t in first.tests] == [t.message for t in second.tests]
    assert [c.outputs for c in first.cells] == [c.outputs for c in second.cells]


@pytest.mark.parametrize(
    "answer, outcome, says",
    [
        (STUB.format(name="double"), "open", "`double` is still open"),
        ("def double(x):\n    return 3 * x", "wrong", "double at (1, 2)"),
        ("def double(x):\n    return 2 * x if len(x) < 3 else -x", "wrong", "double of normal numbers"),
        ("def double(x):\n    return x + np.ones(5)", "raised", "broadcast"),
        ("def double(x):\n    return dubble", "raised", "dubble"),
        ("def double(x) return x", "missing", "double"),
        ("doubl = lambda x: x", "missing", "double"),
        ("def double(x):\n    while True: pass", "time", "too long"),
        ("def double(x):\n    import os; os._exit(0)", "crashed", "ended the process"),
        ("def double(x):\n    return None", "wrong", "return"),
        ("def double(x):\n    return object()", "wrong", "object"),
        ("double = None", "raised", "NoneType"),
        ("def double(x):\n    raise SystemExit", "raised", "SystemExit"),
    ],
)
def test_each_outcome_and_its_message(answer, outcome, says):
    record = judged(with_answers(SOURCE, ex1_double=answer), SOURCE)
    first, *others = record.tests
    assert (first.outcome, first.points) == (outcome, 0.0) and says in first.message, first.message
    assert first.outcome in OUTCOMES
    assert [t.points for t in others] == [4.0, 1.0], "an error in one exercise costs no points in another"
    cell = next(c for c in record.cells if c.grade_id == "ex1-double-test")
    error = cell.outputs[-1]
    assert error["output_type"] == "error" and error["evalue"].strip()
    assert "random.default_rng" not in shown(record) and "2 * x" not in error["evalue"]


def test_messages_name_the_students_line():
    record = judged(with_answers(SOURCE, ex1_double="def double(x):\n    y = 1\n    return x + [1, 2, 3]"), SOURCE)
    assert "return x + [1, 2, 3]" in record.tests[0].message and "In[3], line 3" in record.tests[0].message


@pytest.mark.parametrize(
    "ender, status",
    [
        ("import os; os._exit(1)", "crashed"),
        ("import os; os.abort()", "crashed"),
        ("import ctypes; ctypes.string_at(0)", "crashed"),
        ("sum(range(10**13))", "time"),
    ],
)
def test_a_cell_that_ends_the_process_is_left_out(ender, status):
    record = judged(with_answers(SOURCE, ex1_double=ender), SOURCE)
    assert [t.points for t in record.tests] == [0.0, 4.0, 1.0]
    cell = next(c for c in record.cells if c.grade_id == "ex1-double")
    assert cell.status == status and "left out" in cell.outputs[-1]["evalue"]


def test_many_cells_that_end_the_process_do_not_hang_the_judge():
    cells = [plain("import os; os._exit(0)") for _ in range(8)]
    handed_in = notebook(*HONEST.cells[:3], *cells, *HONEST.cells[3:])
    record = judged(handed_in, SOURCE)
    assert record.gradable and record.points == 0
    assert all("was not run: cells before it ended the process" in t.message for t in record.tests)
    fewer = notebook(*HONEST.cells[:3], *cells[: QUICK.replays], *HONEST.cells[3:])
    assert judged(fewer, SOURCE).points == 8


def test_endless_cells_do_not_cost_the_exercises_after_them():
    limits = QUICK.with_(cell_seconds=2, submission_seconds=5, replay_seconds=4, wall_factor=10)
    loops = [plain("while True: pass") for _ in range(4)]
    record = judged(notebook(*HONEST.cells[:3], *loops, *HONEST.cells[3:]), SOURCE, limits)
    assert record.gradable, record.error
    assert [t.points for t in record.tests] == [3.0, 4.0, 1.0]
    texts = [c.outputs[-1]["evalue"] for c in record.cells if c.status == "time"]
    assert len(texts) == 4 and all(text.startswith("The ") and " s" in text for text in texts), texts


def test_what_sleeps_in_every_test_ends_with_the_time_for_all():
    slow = "import time\ndef double(x):\n    time.sleep(2)\n    return 2 * x"
    limits = QUICK.with_(submission_seconds=2, wall_factor=1, wall_extra=3)
    record = judged(with_answers(SOURCE, ex1_double=slow), SOURCE, limits)
    assert {t.outcome for t in record.tests} == {"time"} and record.seconds < 15 and record.gradable


def test_many_short_calls_add_up():
    code = "def double(x):\n    for i in range(20_000): pass\n    return 2 * x"
    source = notebook(
        exercise("ex", code), test_of("ex-test", 1, "for i in range(10**6):\n    assert double(1) == 2")
    )
    record = judged(source, source, QUICK.with_(test_seconds=2, wall_factor=20))
    assert record.tests[0].outcome == "time" and "computing time" in record.tests[0].message
    assert record.student_cpu < 8


def test_a_cell_that_fills_the_memory_is_left_out():
    hog = plain("big = []\nwhile True:\n    big.append(bytes(10**7))")
    record = judged(notebook(*HONEST.cells[:3], hog, *HONEST.cells[3:]), SOURCE, QUICK.with_(memory=300 << 20))
    assert [t.points for t in record.tests] == [3.0, 4.0, 1.0] and record.cells[2].status == "memory"


def test_a_stopped_cell_says_so_and_shows_nothing_of_the_judge():
    record = judged(notebook(*HONEST.cells, plain("print('before')\nwhile True: pass")), SOURCE)
    last = record.cells[-1]
    assert last.status == "time" and last.outputs[0]["text"] == "before\n"
    assert "longer than 1.5 s and was stopped" in last.outputs[-1]["evalue"] and "student.py" not in shown(record)


def test_figures_before_a_cell_that_ends_the_process_are_kept(monkeypatch):
    figure = "plt.imshow(np.random.default_rng(0).random((200, 200)))\nplt.show()"
    cells = [*HONEST.cells, *(plain(figure) for _ in range(3))]
    pictures = lambda record: [o for c in record.cells for o in c.outputs if "image/png" in o.get("data", {})]
    shown_once = pictures(judged(notebook(*cells), SOURCE))
    size = sum(len(picture["data"]["image/png"]) for picture in shown_once)
    monkeypatch.setattr("autograder.clean.MAX_NOTEBOOK", size * 3 // 2)
    again = judged(notebook(*cells, plain("import os; os._exit(0)")), SOURCE)
    assert len(shown_once) == len(pictures(again)) == 3


def test_tests_are_run_in_the_order_of_the_source():
    """What a student's code keeps of one test is of no use in those that come before it in the source."""
    tests = [c for c in HONEST.cells if c.metadata.get("nbgrader", {}).get("grade")]
    others = [c for c in HONEST.cells if c not in tests]
    record = judged(notebook(*others, *reversed(tests)), SOURCE)
    assert [t.grade_id for t in record.tests] == ["ex1-double-test", "ex2-square-test", "q1-test"]
    assert record.points == 8


def test_an_exception_does_not_show_what_it_was_given():
    tell = "def double(x):\n    raise ValueError(f'{x.tolist()} {x} {tuple(x)}, but 3 of 4')"
    source = notebook(
        exercise("ex", tell), test_of("ex-test", 1, "double(np.array([0.123, -4.5e-6, 7.0, 8.25, 9.125]))")
    )
    record = judged(source, source)
    assert "but 3 of 4" in record.tests[0].message and "4.5e-" not in shown(record).split("'text'")[-1]


def test_a_missing_name_is_put_down_to_the_error_of_its_cell():
    record = judged(with_answers(SOURCE, ex2_square="def square(x:\n  return"), SOURCE)
    assert "ended with SyntaxError" in record.tests[1].message and "In[5], line 1" in record.tests[1].message
    cell = next(c for c in record.cells if c.grade_id == "ex2-square-test")
    assert cell.outputs[-1]["evalue"] == record.tests[1].message


def test_a_fault_of_ours_costs_no_hint_and_no_result(monkeypatch):
    real, calls = the_judge().fork, []

    def fork(limits):
        calls.append(limits)
        if len(calls) > 1:
            raise JudgeFault("no more processes")
        return real(limits)

    monkeypatch.setattr(the_judge(), "fork", fork)
    source = nbformat.read(chapter("00_start").solution_notebook, as_version=4)
    wrong = with_answers(source, ex1_mean_square="def mean_square(x):\n    return 1.0")
    record = run_submission(wrong, source, judge=the_judge(), limits=QUICK.with_(message=63 << 20))
    assert record.gradable and record.test("ex1-mean-square-test").outcome == "wrong" and len(calls) > 1


def test_a_test_that_takes_all_memory_costs_only_itself():
    hog = (
        "import os, time\ndef double(x):\n    for _ in range(10):\n        if os.fork() == 0:\n"
        "            y = b'x' * 250_000_000\n            time.sleep(60)\n    time.sleep(60)"
    )
    limits = QUICK.with_(memory=300 << 20, call_seconds=20, test_seconds=30, submission_seconds=60)
    record = judged(with_answers(SOURCE, ex1_double=hog), SOURCE, limits)
    assert record.tests[0].outcome == "memory" and [t.points for t in record.tests] == [0.0, 4.0, 1.0]


def test_a_syntax_error_costs_only_its_cell():
    record = judged(with_answers(SOURCE, ex2_square="def square(x:\n  return"), SOURCE)
    assert [t.points for t in record.tests] == [3.0, 0.0, 1.0]


# ----------------------------------------------------------------------------------------------------- order


def test_a_test_sees_the_names_as_they_were_at_its_place():
    later = notebook(*HONEST.cells, plain("double = None\nbase = 100\ndef square(x): return 0"))
    assert judged(later, SOURCE).points == 8


def test_outputs_are_sealed_before_any_hidden_input_crosses():
    spy = """
import os
log, seen = [], os.environ["TMPDIR"] + "/seen"
def double(x):
    log.append(repr(x))
    open(seen, "a").write(repr(x))
    print("seen", repr(x))
    return 2 * x
"""
    tell = plain("print('log', log)\nprint(open(seen).read() if os.path.exists(seen) else 'none')")
    handed_in = notebook(*with_answers(SOURCE, ex1_double=spy).cells, tell)
    record = judged(handed_in, SOURCE)
    assert record.points == 8
    assert record.cells[-1].outputs[0]["text"] == "log []\nnone\n" and "seen" not in shown(record)


def test_what_a_test_does_to_the_state_stays_in_the_test():
    counting = "calls = []\ndef double(x):\n    calls.append(1)\n    return 2 * x"
    source = notebook(
        *SOURCE.cells,
        test_of("count-test", 2, "assert len(calls) == 0"),
    )
    assert judged(notebook(*with_answers(source, ex1_double=counting).cells), source).points == 10


# ----------------------------------------------------------------------------------------------- trusted cells


def test_trusted_cells_come_from_the_source():
    handed_in = notebook(*HONEST.cells)
    for cell in handed_in.cells:
        meta = cell.metadata.get("nbgrader", {})
        if meta.get("grade"):
            cell.source, meta["points"] = "pass", 100
        if meta.get("grade_id") == "helper":
            cell.source = "def helper(x): return 'edited'"
    steps, notices = build_plan(handed_in, SOURCE)
    assert not notices and {s.source for s in steps if s.kind == "test"} == {
        c.source for c in SOURCE.cells if c.metadata.get("nbgrader", {}).get("grade")
    }
    assert next(s for s in steps if s.grade_id == "helper").source.endswith("x + 1")
    record = judged(handed_in, SOURCE)
    assert record.points == record.max_points == 8


def test_deleted_and_doubled_test_cells_count_once():
    tests = [c for c in HONEST.cells if c.metadata.get("nbgrader", {}).get("grade")]
    without = notebook(
        *(c for c in HONEST.cells if c not in tests and c.metadata.get("nbgrader", {}).get("grade_id") != "helper")
    )
    record = judged(without, SOURCE)
    assert record.points == 8 and len(record.notices) == 4
    doubled = notebook(*HONEST.cells, *tests, *tests)
    record = judged(doubled, SOURCE)
    assert record.points == 8 and len(record.tests) == 3


def test_damaged_metadata_is_no_stumbling_block():
    handed_in = notebook(*HONEST.cells)
    handed_in.cells[2].metadata["nbgrader"] = {"grade_id": ["x"], "grade": True, "points": "many"}
    handed_in.cells[3].metadata["coursekit"] = "demo"
    handed_in.cells.append(plain("x = 1"))
    handed_in.cells[-1].metadata["nbgrader"] = "nonsense"
    assert judged(handed_in, SOURCE).points == 8


def test_the_key_depends_on_what_is_judged_and_on_nothing_else():
    key = submission_key(HONEST, SOURCE)
    with_outputs = notebook(*HONEST.cells)
    for cell in with_outputs.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [{"output_type": "stream", "name": "stdout", "text": "1"}], 7
    with_outputs.metadata["kernelspec"] = {"name": "evil", "display_name": "x"}
    assert submission_key(with_outputs, SOURCE) == key
    assert submission_key(with_answers(SOURCE, q1="answer = 'c'"), SOURCE) != key
    changed = with_answers(SOURCE, q1_test="pass")
    assert submission_key(HONEST, changed) != key
    assert submission_key(HONEST, SOURCE, QUICK) != key


# ------------------------------------------------------------------------------------------- as in Jupyter


def test_cells_run_as_in_jupyter():
    code = """
import sys, warnings
%matplotlib inline
import matplotlib.pyplot as plt
from IPython.display import display, HTML, Markdown, clear_output
print("out"); print("err", file=sys.stderr)
display(HTML("<b onclick='x()'>bold</b><script>alert(1)</script>"))
plt.plot([1, 2]); plt.title("A figure")
%time x = 1
get_ipython().run_line_magic("who_ls", "")
5 + 1
"""
    more = [
        "import asyncio\nawait asyncio.sleep(0)\n_ * 1",
        "input('?')",
        "1/0",
        "def f():\n    raise KeyError('deep')\nf()",
        "print('gone')\nclear_output()\nprint('stays')",
        "%%capture cap\nprint('caught')",
        "cap.stdout",
        "%nonsense",
        "for i in range(3): display(i)\nNone",
        "'quiet';",
    ]
    record = judged(notebook(*HONEST.cells, plain(code), *map(plain, more)), SOURCE)
    cells = record.cells[-len(more) - 1 :]
    kinds = [o["output_type"] for o in cells[0].outputs]
    assert {"stream", "display_data", "execute_result"} <= set(kinds)
    data = [o["data"] for o in cells[0].outputs if "data" in o]
    assert any("image/png" in d for d in data) and any(d.get("text/plain") == "6" for d in data)
    assert "script" not in str(data) and "onclick" not in str(data) and "bold" in str(data)
    assert cells[1].outputs[-1]["data"]["text/plain"] == "6"
    assert "input() cannot be used" in cells[2].outputs[-1]["evalue"]
    assert cells[3].outputs[-1]["ename"] == "ZeroDivisionError" and "In[" in str(cells[3].outputs)
    assert "deep" in cells[4].outputs[-1]["evalue"] and cells[4].status == "error"
    assert cells[5].outputs[0]["text"] == "stays\n"
    assert cells[6].outputs == [] and "caught" in cells[7].outputs[0]["data"]["text/plain"]
    assert cells[9].outputs[0]["data"]["text/plain"] == "0" and len(cells[9].outputs) == 3
    assert cells[10].outputs == []
    numbers = [c.execution_count for c in record.cells if c.execution_count]
    assert numbers == list(range(1, len(numbers) + 1))


def test_huge_outputs_are_cut():
    record = judged(notebook(*HONEST.cells, plain("print('x' * 10_000_000)\nfor i in range(10**5): print(i)")), SOURCE)
    assert len(str(record.cells[-1].outputs)) < 200_000 and record.points == 8
    json.loads(record.to_json())


def test_paths_of_the_machine_are_not_shown():
    record = judged(
        notebook(*HONEST.cells, plain("import coursekit, numpy\nprint(coursekit.__file__)\nnumpy.ones(2).reshape(3)")),
        SOURCE,
    )
    assert os.path.dirname(os.path.dirname(__file__)) not in shown(record)
    assert clean_outputs(record.cells[-1].outputs)


# ------------------------------------------------------------------------------------------------- test cells


@pytest.mark.parametrize(
    "cell, points, outcome, says",
    [
        ("assert double(2) == 4", 5, "passed", ""),
        ("assert double(2) == 5", 0, "wrong", "assert double(2) == 5"),
        ("assert double(2) == 5, 'say why'", 0, "wrong", "say why"),
        (
            "### BEGIN HIDDEN TESTS\nassert double(2) == 5\n### END HIDDEN TESTS",
            0,
            "wrong",
            "A hidden test does not hold",
        ),
        ("2 if double(2) == 4 else 0", 2, "wrong", "2 of 5"),
        ("double(2) == 4", 5, "passed", ""),
        ("-3", 0, "wrong", "0 of 5"),
        ("float('nan')", 0, "wrong", "0 of 5"),
        ("np.float64(2.5)", 2.5, "wrong", "2.5 of 5"),
        ("'done'", 5, "passed", ""),
        ("1e9", 5, "passed", ""),
        ("from autograder.checks import no_such_module", 0, "fault", "not your mistake"),
        ("def (", 0, "fault", "not your mistake"),
        ("np.linalg.inv(np.zeros((2, 2)))", 0, "raised", "Singular"),
        ("x = double\nassert [x(i) for i in range(3)] == [0, 2, 4]", 5, "passed", ""),
        ("def inner():\n    return double(1)\nassert inner() == 2", 5, "passed", ""),
    ],
)
def test_a_test_cells_result(cell, points, outcome, says):
    source = notebook(exercise("ex", "def double(x):\n    return 2 * x"), test_of("ex-test", 5, cell))
    result = judged(source, source).tests[0]
    assert (result.points, result.outcome) == (points, outcome) and says in result.message
    assert bool(result.message) == (outcome != "passed")


def test_a_broken_test_is_told_to_the_instructor():
    source = notebook(exercise("ex", "x = 1"), test_of("ex-test", 5, "import no_such_thing"))
    record = judged(source, source)
    assert "no_such_thing" in record.notices[0] and "no_such_thing" not in shown(record)


def test_a_student_cannot_swallow_an_end():
    source = notebook(
        exercise("ex", "import os\ndef f(): os._exit(0)"),
        test_of("ex-test", 5, "try:\n    f()\nexcept BaseException:\n    pass\nassert True"),
    )
    result = judged(source, source).tests[0]
    assert result.points == 0 and result.outcome == "crashed"


# ------------------------------------------------------------------------------------------------------ records


def test_a_record_is_written_whole_or_not_at_all(tmp_path):
    record = judged(HONEST, SOURCE)
    path = tmp_path / "deep" / "record.json"
    record.save(path)
    assert Record.load(path) == record and [p.name for p in path.parent.iterdir()] == ["record.json"]
    for damaged in ("", "{", "[]", '{"schema": 99}', path.read_text()[:-30], '{"schema": 1, "tests": 3, "cells": []}'):
        path.write_text(damaged)
        assert Record.load(path) is None
    assert Record.load(tmp_path / "none.json") is None
