"""Known answers across the judge: the same verdicts as in a plain kernel, and hints for known mistakes."""

from __future__ import annotations

import functools

import nbformat
import numpy as np
import pytest
import torch

from autograder import variants
from autograder.course import CHAPTERS, chapter
from autograder.judge.answers import AnswersInJudge
from autograder.judge.diagnosis import Diagnosis, same
from autograder.judge.limits import Limits
from autograder.judge.plan import build_plan
from autograder.judge.runner import SEED, run_submission
from autograder.judge.testcell import run_test
from autograder.tests.judging import QUICK, exercise, given, notebook, test_of, the_judge, with_answers

START = chapter("00")


@functools.cache
def plain_rows(name: str) -> list[variants.Row]:
    return variants.run_variants(name)


def verdicts(rows: list[variants.Row]) -> dict[str, dict[str, bool]]:
    """Whether each test of each variant passed."""
    return {row.variant.id: {test: o.passed for test, o in row.outcomes.items()} for row in rows}


def test_the_first_chapter_has_equal_results_both_ways():
    far = variants.run_variants("00", runner=AnswersInJudge(the_judge()))
    assert [row.problem for row in far if not row.ok] == [] and len(far) > 20
    assert verdicts(far) == verdicts(plain_rows("00"))
    kinds = lambda rows: {r.variant.id: {t: (o.kind, o.what, o.case) for t, o in r.outcomes.items()} for r in rows}
    assert kinds(far) == kinds(plain_rows("00"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [c.folder for c in CHAPTERS if c.folder != "00_start" and c.source.exists()])
def test_every_chapters_verdicts_hold_across_the_judge(name):
    """Wrong answers fail and right ones pass; the plain suite of the chapter says the same for a plain kernel."""
    try:
        far = variants.run_variants(name, runner=AnswersInJudge(the_judge()))
    except LookupError:
        pytest.skip("no list of variants")
    broken = {r.variant.id: o.message for r in far for o in r.outcomes.values() if o.kind == "crashed"}
    assert not broken
    wrong = [
        r.variant.id for r in far if isinstance(r.variant, variants.Wrong) and r.outcomes[r.variant.caught_by].passed
    ]
    right = [
        (r.variant.id, o.message)
        for r in far
        if not isinstance(r.variant, variants.Wrong)
        for o in r.outcomes.values()
        if not o.passed
    ]
    assert not wrong and not right


# -------------------------------------------------------------------------------------------------- diagnosis


def diagnosed(**answers: str):
    source = nbformat.read(START.solution_notebook, as_version=4)
    record = run_submission(with_answers(source, **answers), source, judge=the_judge(), limits=Limits())
    return record.test("ex1-mean-square-test")


@pytest.mark.parametrize(
    "code, name",
    [
        (
            "def mean_square(x):\n    x = np.array(x, float)\n    return sum((x * x).ravel()) / x.shape[0]",
            "divides-by-rows",
        ),
        ("def mean_square(x):\n    m = sum(np.ravel(x).tolist()) / np.size(x)\n    return m * m", "square-of-the-mean"),
        ("def mean_square(x):\n    x = np.array(x, float)\n    return float(np.vdot(x, x))", "sum-of-squares"),
    ],
)
def test_a_mistake_is_recognised_however_it_is_written(code, name):
    result = diagnosed(ex1_mean_square=code)
    assert result.outcome == "wrong" and result.misconception == name and result.hint


@pytest.mark.parametrize(
    "code",
    [
        "def mean_square(x):\n    return 123.0",
        "def mean_square(x):\n    return float(np.mean(np.abs(np.array(x, float)) ** 3))",
        "def mean_square(x):\n    raise ValueError('no')",
        "def mean_square(x):\n    import os; os._exit(0)",
    ],
)
def test_other_mistakes_get_no_hint(code):
    result = diagnosed(ex1_mean_square=code)
    assert result.outcome != "passed" and result.misconception is None and result.hint is None


NOISY = notebook(
    given("setup", "import numpy as np"),
    exercise("ex1-noisy", "def noisy(x):\n    return x + np.random.normal(size=3)"),
    test_of(
        "ex1-noisy-test",
        1,
        "for k in range(4):\n    mean = np.mean([noisy(np.full(3, float(k))) for _ in range(20)])\n"
        "    assert abs(mean - k) < 0.6",
    ),
)


def test_a_mistake_is_recognised_where_random_numbers_are_drawn():
    """What was learned of it was learned from a fresh state of the generators; the failed test has used that up."""
    with_two = "def noisy(x):\n    r = np.random.normal(size=3)\n    return r - 2.0 + x"
    wrong = variants.Wrong(
        "ex1-noisy", "two-less", with_two, hint="Take nothing away.", caught_by="ex1-noisy-test", says="hold"
    )
    diagnosis = Diagnosis(NOISY, the_judge().fork, QUICK, SEED)
    diagnosis.wrongs = [wrong]
    answered = with_answers(NOISY, ex1_noisy="def noisy(x):\n    return x + np.random.normal(size=3) - 2")
    step = next(s for s in build_plan(answered, NOISY)[0] if s.kind == "test")
    process = the_judge().fork(QUICK)
    try:
        for number, cell in enumerate(answered.cells[:-1], 1):
            process.run(cell.source, number)
        copy = process.copy(SEED)
        copy.begin()
        assert run_test(step, copy.link, QUICK, SEED).result.outcome == "wrong"
        assert diagnosis.hint(step, copy) is wrong
    finally:
        process.end()


def test_a_right_answer_gets_no_hint():
    result = diagnosed(
        ex1_mean_square="def mean_square(x):\n    x = np.array(x, float).ravel()\n    return float(x @ x / len(x))"
    )
    assert result.outcome == "passed" and result.hint is None


@pytest.mark.parametrize(
    "a, b, equal",
    [
        (1.0, 1.0 + 1e-12, True),
        (1.0, 1.001, False),
        (1, 1.0, True),
        (True, 1, False),
        (np.arange(3.0), np.arange(3.0) + 1e-12, True),
        (np.arange(3.0), np.arange(4.0), False),
        (np.array([np.nan]), np.array([np.nan]), True),
        (torch.ones(2), torch.ones(2) + 1e-6, True),
        (torch.ones(2), torch.ones(2, dtype=torch.float64), False),
        ([1, "a"], [1, "a"], True),
        ({"k": np.ones(2)}, {"k": np.zeros(2)}, False),
        (None, 0.0, False),
        ("x", "x", True),
    ],
)
def test_outputs_are_compared_by_value(a, b, equal):
    assert same(a, b) is equal
