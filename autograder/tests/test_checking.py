"""Checks: the five outcomes, what their messages say, what hidden ones keep to themselves, hostile values."""

from __future__ import annotations

import io
import linecache
import pickle
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction

import numpy as np
import pytest
import torch
from coursekit import boxes, values
from coursekit.checking import BadCheck, CheckFailed, Expect, check, hidden, strictly
from coursekit.compare import difference
from coursekit.failures import open_names


@pytest.fixture(autouse=True)
def _a_student_works(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


def failure(act, *, reveal=True, title="Exercise 1: gradient") -> CheckFailed:
    """The failure of a check whose body is `act(expect)`."""
    with pytest.raises(CheckFailed) as caught, Expect(title, reveal) as expect:
        act(expect)
    return caught.value


def shown(act) -> boxes.Box:
    """The box that a visible check shows."""
    seen: list[boxes.Box] = []
    with boxes.boxes_to(seen.append), check("Exercise 1: gradient") as expect:
        act(expect)
    (box,) = seen
    return box


def run_cells(test: str, student: str = "", **names) -> dict:
    """Run two notebook cells, the student's and the check's; the check's block is the lines of `test`."""
    space = {"check": check, "hidden": hidden, "np": np, "torch": torch, **names}
    for name, code in (("<cell student>", student), ("<cell test>", test)):
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        exec(compile(code, name, "exec"), space)
    return space


def cell_failure(test: str, student: str = "", **names) -> CheckFailed:
    with pytest.raises(CheckFailed) as caught:
        run_cells(f"with check('Exercise 1') as expect:\n    {test}\n", student, **names)
    return caught.value


# ------------------------------------------------------------------------------------------ the five outcomes


def test_right_shows_the_reason_and_nothing_is_raised():
    def act(expect):
        expect.close(np.array([1.0, 2.0]), [1.0, 2.0], "the gradient")
        expect.why("Because `W.T` < W matters.")

    box = shown(act)
    assert box.outcome == "right"
    assert "Because `W.T` < W matters." in box.text() and box.text().isascii()
    assert "<code>W.T</code> &lt; W matters." in box.html()


def test_open_is_a_neutral_box_while_a_student_works():
    def grad(x):
        raise NotImplementedError()

    box = shown(lambda expect: expect.close(grad(1.0), 2.0, "the gradient"))
    assert box.outcome == "open"
    assert "`grad` is still open" in box.text() and "raise NotImplementedError()" in box.text()


@pytest.mark.parametrize("mode", ["autograde", "validate"])
def test_open_fails_when_nbgrader_runs_the_check(monkeypatch, mode):
    monkeypatch.setenv("NBGRADER_EXECUTION", mode)

    class Linear:
        def forward(self, x):
            raise NotImplementedError

    failed = failure(lambda expect: expect.close(Linear().forward(1.0), 2.0, "y"))
    assert failed.outcome == "open"
    assert "`Linear.forward` is still open" in str(failed)


def test_open_fails_where_a_grader_asks_for_it():
    def grad(x):
        raise NotImplementedError()

    with strictly():
        assert failure(lambda expect: grad(1.0)).outcome == "open"
    assert shown(lambda expect: grad(1.0)).outcome == "open"


def test_hidden_open_fails_even_while_a_student_works():
    def grad(x):
        raise NotImplementedError()

    assert failure(lambda expect: grad(1.0), reveal=False).outcome == "open"


@pytest.mark.parametrize("placeholder", [None, ...])
def test_an_unanswered_question_is_open(placeholder):
    assert shown(lambda expect: expect.answered(placeholder, "answer_dz")).outcome == "open"
    failed = failure(lambda expect: expect.answered(placeholder, "answer_dz"), reveal=False)
    assert failed.outcome == "open" and "`answer_dz` holds no answer yet" in str(failed)


def test_a_value_left_as_ellipsis_is_open():
    assert shown(lambda expect: expect.close(..., 2.0, "the slope")).outcome == "open"


def test_a_library_s_own_not_implemented_error_is_no_open_exercise():
    def f():
        raise NotImplementedError("Could not run 'aten::x' on this backend")

    failed = failure(lambda expect: f())
    assert failed.outcome == "raised" and "aten::x" in str(failed)


def test_missing_names_the_name():
    failed = cell_failure("numerical_grad(1.0)")
    assert failed.outcome == "missing"
    assert "`numerical_grad` does not exist" in str(failed)
    assert "has not been run" in failed.likely


def test_missing_suggests_a_name_of_the_notebook():
    failed = cell_failure("expect.close(numercal_grad(-1.0), 1.0, 'it')", "numerical_grad = abs")
    assert failed.outcome == "missing" and failed.likely == "did you mean `numerical_grad`?"


def test_a_name_of_a_cell_still_open_counts_as_open():
    seen: list[boxes.Box] = []
    open_names.add("Engine")
    try:
        with boxes.boxes_to(seen.append):
            run_cells("with check('Exercise 1') as expect:\n    Engine(3)\n")
    finally:
        open_names.discard("Engine")
    assert [box.outcome for box in seen] == ["open"] and "`Engine` is still open" in seen[0].text()


def test_a_name_missing_inside_the_student_s_function_is_their_exception():
    failed = cell_failure("f(1)", "def f(x):\n    return nmp.sum(x)\n")
    assert failed.outcome == "raised"
    assert "line 2, in f" in str(failed)


def test_raised_shows_type_text_and_the_student_s_line():
    def forward(W, x):
        return x @ W

    failed = failure(lambda expect: forward(np.ones((3, 2)), np.ones((4, 5))))
    assert failed.outcome == "raised"
    text = str(failed)
    assert "ValueError: matmul" in text and "in forward:" in text and "return x @ W" in text
    assert "x is (4, 5), W is (3, 2)" in failed.likely


def test_the_innermost_line_of_the_student_counts_not_the_callback_of_the_check():
    student = "def apply(f, x):\n    y = x * 2\n    return f(y)\n"
    failed = cell_failure("apply(lambda v: 1 / 0, 3)", student)
    own, in_the_check = str(failed).split("In the check")
    assert "line 3, in apply:" in own and "return f(y)" in own and "lambda" not in own
    assert "apply(lambda v: 1 / 0, 3)" in in_the_check


def test_attributes_of_self_are_among_the_shapes_and_no_property_runs_for_them():
    student = (
        "class Linear:\n"
        "    def __init__(self):\n"
        "        self.W = np.ones((3, 2))\n"
        "    @property\n"
        "    def b(self):\n"
        "        raise SystemExit\n"
        "    def forward(self, x):\n"
        "        return x @ self.W if True else self.b\n"
    )
    failed = cell_failure("Linear().forward(np.ones((4, 5)))", student)
    assert "in Linear.forward" in str(failed) and "x is (4, 5), self.W is (3, 2)" in failed.likely


def test_a_wrong_call_shows_the_line_of_the_check_but_never_that_of_a_hidden_test():
    def grad(x):
        return x

    visible = failure(lambda expect: grad(1, 2))
    assert "grad() takes 1 positional argument" in str(visible) and "more arguments" in visible.likely
    assert "line 2" in str(cell_failure("grad(1, 2)", grad=grad))
    with pytest.raises(CheckFailed) as caught:
        run_cells("with hidden('Exercise 1') as expect:\n    secret = grad(1, 2)\n", grad=grad)
    assert "secret" not in str(caught.value) and "line 2" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "likely"),
    [
        ("x.shape\n", "return"),
        ("x + 1\n", "return"),
        ("f()\n", "case that stops it"),
        ("z = np.ones(2)\n    z[2]\n", "the wrong axis indexed; at this line z is (2,)"),
        ("np.zeros(2).unsqueeze(0)\n", "other library"),
        ("float(y)\n    y = 1\n", "local"),
        ("y\n", "typing error"),
        ("1 / 0\n", "divisor is 0"),
        ("{}['a']\n", "never stored"),
        ("exit()\n", "do not call exit"),
        ("np.array([[1], [2, 3]])\n", "different lengths"),
        ("t = (1, 2)\n    t(3)\n", "called like a function"),
        ("1 if np.ones(2) > 0 else 2\n", "one truth value"),
        ("torch.ones(2, requires_grad=True).detach().sum().backward()\n", "graph is cut"),
        ("torch.ones(2, 3) @ torch.ones(2, 3)\n", "shapes do not fit"),
        ("torch.ones(2, 2) @ torch.ones(2, 2).double()\n", "dtype"),
    ],
)
def test_common_exceptions_come_with_a_likely_cause(code, likely):
    def leave():
        raise SystemExit

    failed = cell_failure("f()", f"def f(x=None):\n    {code}", exit=leave)
    assert failed.outcome == "raised"
    assert likely in (failed.likely or "")


def test_wrong_says_what_was_checked_expected_and_came():
    def act(expect):
        expect.case("seed 3")
        expect.close(np.array([3.0, 7.0]), [3.0, 12.0], "the gradient of sum(x**3)", likely="a factor")

    failed = failure(act)
    assert failed.outcome == "wrong" and failed.what == "the gradient of sum(x**3)"
    assert (failed.likely, failed.case, failed.title) == ("a factor", "seed 3", "Exercise 1: gradient")
    text = str(failed)
    for part in ("not right yet", "seed 3", "[3.0, 12.0]", "[3.0, 7.0]", "1 of 2 entries", "[1]", "0.42"):
        assert part in text
    assert pickle.loads(pickle.dumps(failed)).outcome == "wrong"


def test_errors_of_another_process_are_shown_with_its_lines():
    class Remote(ValueError):
        student_traceback = "cell In[4], line 2, in forward\n    return a + b"

    def act(expect):
        raise Remote("operands could not be broadcast together")

    failed = failure(act, reveal=False)
    assert failed.outcome == "raised"
    assert "cell In[4], line 2, in forward" in str(failed) and "test_checking" not in str(failed)

    class RemoteOpen(NotImplementedError):
        student_traceback = "cell In[4], line 2, in Linear.forward"

    def still_open(expect):
        raise RemoteOpen

    assert "`Linear.forward` is still open" in str(failure(still_open, reveal=False))


def test_findings_of_the_test_tools_are_wrong_answers():
    from autograder.testing import observe

    def f(x):
        return torch.relu(x)

    failed = failure(lambda expect: observe(f, torch.ones(2), forbidden=["torch.relu"]), reveal=False)
    assert failed.outcome == "wrong" and "torch.relu may not be used" in str(failed)


def test_interrupts_and_broken_checks_pass_through():
    with pytest.raises(KeyboardInterrupt), check("Exercise 1"):
        raise KeyboardInterrupt
    with pytest.raises(BadCheck), check("Exercise 1") as expect:
        expect.close(1.0, "one", "the value")
    for act in (lambda e: e.close(1, 2, " "), lambda e: e.equal(1, 2, ""), lambda e: e.true(False, "")):
        with pytest.raises(BadCheck), check("Exercise 1") as expect:
            act(expect)
    for act in (lambda: check(""), lambda: check("x").why(" "), lambda: check("x").case("")):
        with pytest.raises(BadCheck):
            act()


def test_no_message_is_empty_and_none_reaches_stderr():
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        with check("Exercise 1") as expect:
            expect.close(np.float64(np.inf) * np.ones(2), [np.inf, np.inf], "the limit")
        failed = failure(lambda expect: expect.close(np.array([np.nan, np.inf]), [1.0, np.nan], "y"))
    assert err.getvalue() == "" and "[OK] Exercise 1 - correct" in out.getvalue()
    assert str(failed).strip() and str(CheckFailed("")).strip()


# ------------------------------------------------------------------------------------------------- close


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        (torch.tensor([1.0, 2.0], requires_grad=True), np.array([1.0, 2.0])),
        ([1, 2], torch.tensor([1.0, 2.0])),
        ((torch.tensor(1.0), 2.0), [1.0, 2.0]),
        (3, 3.0),
        (np.float32(0.5), 0.5),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (Fraction(1, 2), 0.5),
        (1 + 2j, np.complex128(1 + 2j)),
        ([np.nan, np.inf, -np.inf], [np.nan, np.inf, -np.inf]),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (torch.eye(2).to_sparse(), np.eye(2)),
        (1.0 + 5e-8, 1.0),
    ],
)
def test_close_accepts(got, want):
    Expect("t").close(got, want, "it")


@pytest.mark.parametrize(
    ("got", "want", "says"),
    [
        (np.ones((3, 1)), np.ones(3), "an axis of length 1 is too many"),
        (np.ones(3), np.ones((3, 1)), "an axis of length 1 is missing"),
        (1.0, np.ones(3), "taken over all axes at once"),
        (np.ones(3), 1.0, "a sum or a mean over all entries missing"),
        (np.ones(1), 1.0, "not an array that holds one"),
        (np.ones((2, 3)), np.ones((3, 2)), "transpose"),
        (np.ones(6), np.ones((3, 2)), "reshape"),
        (np.ones(2), np.ones((3, 2)), "axis 0 is gone"),
        (np.ones((5, 3, 2)), np.ones((5, 2)), "axis 1 is one too many"),
        ([[1.0], [2.0, 3.0]], np.ones(2), "different shapes or lengths"),
        (None, np.ones(2), "your function returned None: is a `return` missing?"),
        ("12", 12, "'12'"),
        (np.array(["a"]), [1.0], "does not hold numbers"),
        (np.array([1.0, np.nan]), [1.0, 2.0], "1 NaN"),
        (np.array([1.0, np.inf]), [1.0, 2.0], "1 infinite"),
        (np.array([1.0, 2.0]), [1.0, np.nan], "1 of 2 entries"),
        (np.array([np.inf, 2.0]), [-np.inf, 2.0], "1 of 2 entries"),
        (np.array([1e30, 2.0]), [np.inf, 2.0], "1 of 2 entries"),
        (np.array([-1.0, 2.0]), [1.0, -2.0], "the sign is wrong"),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), [[1.0, 3.0], [2.0, 4.0]], "it is the transpose"),
        (np.array([2.0, 4.0, 0.0]), [1.0, 2.0, 0.0], "everything is 2.0 times what was expected"),
        (np.zeros(3), [1.0, 2.0, 0.0], "everything that came is 0"),
        (np.array([1, 2], np.float32) / 3, np.array([1, 2]) / 3, "computed in float32"),
        (1.0000001, 1.0000003, "1.0000003"),
        (abs, 3.0, "a function (is the pair of parentheses"),
        ((i for i in range(3)), [0, 1, 2], "a generator"),
        (np.arange(400.0), np.arange(400.0) + (np.arange(400) == 250), "the worst at [250]: 250.0 came"),
    ],
)
def test_close_refuses_and_says_why(got, want, says):
    failed = failure(lambda expect: expect.close(got, want, "it", rtol=1e-9))
    assert failed.outcome == "wrong"
    assert says in str(failed)
    assert len(str(failed)) < 3000


def test_nothing_is_broadcast_whatever_the_shapes():
    shapes = [(), (1,), (3,), (1, 3), (3, 1), (1, 1), (1, 1, 3), (3, 3)]
    for got in shapes:
        for want in shapes:
            if got == want:
                Expect("t").close(np.ones(got), np.ones(want), "it")
                continue
            with pytest.raises(CheckFailed, match="Expected"):
                Expect("t").close(np.ones(got), np.ones(want), "it")


def test_tolerance_is_relative_to_what_was_expected():
    expect = Expect("t")
    expect.close(1e6 + 0.05, 1e6, "it", rtol=1e-7, atol=0)
    with pytest.raises(CheckFailed):
        expect.close(1e6 + 0.2, 1e6, "it", rtol=1e-7, atol=0)
    with pytest.raises(CheckFailed):
        expect.close(2.0, 1.0, "it", rtol=0.6, atol=0)
    with pytest.raises(CheckFailed, match="error 2e-09"):
        expect.close(2e-9, 0.0, "it")


def test_the_worst_place_is_the_one_farthest_outside_the_tolerance():
    found = difference(np.array([1.0, 2.1, 100.0]), np.array([1.0, 2.0, 101.0]), 1e-3, 0.0)
    assert (found.count, found.index) == (2, (1,))
    assert difference(np.array([1.0, np.nan]), np.array([5.0, 2.0]), 1e-3, 0.0).index == (1,)


# ------------------------------------------------------------------------------------------------- equal


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ("b", "b"),
        (8, 8),
        (np.int64(8), 8),
        (8.0, 8),
        (10**40, 10**40),
        (np.bool_(True), True),
        (None, None),
        ([1, 2], (1, 2)),
        (torch.Size([2, 3]), (2, 3)),
        (np.arange(3), [0, 1, 2]),
        ({"a": [1, 2], "b": "x"}, {"a": (1, 2), "b": "x"}),
        ({1, 2}, {2, 1}),
        ([("W", 1), ("b", 2)], [("W", 1), ("b", 2)]),
        ([], []),
        (torch.float32, torch.float32),
        (slice(1, 2), slice(1, 2)),
        (np.array([np.nan]), [np.nan]),
        (["a", None, True], ["a", None, True]),
    ],
)
def test_equal_accepts(got, want):
    Expect("t").equal(got, want, "it")


@pytest.mark.parametrize(
    ("got", "want", "says"),
    [
        ("b", "c", "'b'"),
        (7, 8, "Got:      7"),
        (10**40 + 1, 10**40, "integer of"),
        (1, True, "True or False was expected"),
        (False, True, "False"),
        (True, 1, "True and False came"),
        (np.array([True, False]), [1, 0], "True and False"),
        ([1, 0], [True, False], "True and False"),
        (0, None, "None"),
        (None, 3, "is a `return` missing"),
        ([1, 2, 3], [1, 2], "shape (2,)"),
        (["a", "b"], ["a"], "2 entries, not 1"),
        (["a", "c"], ["a", "b"], "at [1]: 'c' came, 'b' was expected"),
        ({"a": 1}, {"a": 1, "b": 2}, "the key 'b' is missing"),
        ({"a": 1, "c": 2}, {"a": 1}, "the key 'c' is one too many"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "at ['a']['b']: 1 came, 2 was expected"),
        ({1, 2}, {1, 3}, "1 entries are missing"),
        ("abc", ["abc"], "was expected"),
        (torch.float64, torch.float32, "float64"),
        (np.array([1, 2, 4]), [1, 2, 3], "1 of 3 entries"),
        (2**53 + 1, 2**53, "9007199254740993"),
    ],
)
def test_equal_refuses_and_says_why(got, want, says):
    assert says in str(failure(lambda expect: expect.equal(got, want, "it")))


# ----------------------------------------------------------------------------------- the other expectations


def test_true_takes_bools_and_plain_values_only():
    expect = Expect("t")
    for good in (True, np.True_, np.array([True, True]), torch.tensor(True), [1], 3):
        expect.true(good, "it is wrong")
    odd = (object(), AlwaysEqual(), EqualClass(), np.ones(2))
    for bad in (False, np.array([True, False]), 0, [], None, *odd):
        with pytest.raises(CheckFailed, match="the input was changed"):
            expect.true(bad, "the input was changed")


def test_shape_and_dtype():
    expect = Expect("t")
    expect.shape(np.ones((2, 3)), (2, 3), "y")
    expect.shape(torch.ones(2, 3), torch.Size([2, 3]), "y")
    expect.shape(3.0, (), "y")
    expect.shape(np.ones(4), 4, "y")
    expect.dtype(np.ones(2, np.float32), torch.float32, "y")
    expect.dtype(torch.ones(2, dtype=torch.bfloat16), "bfloat16", "y")
    expect.dtype(3.0, float, "y")
    expect.dtype(np.ones(2, bool), bool, "y")
    assert "shape (2, 3)" in str(failure(lambda e: e.shape(np.ones((3, 2)), (2, 3), "y")))
    assert "is a `return` missing" in str(failure(lambda e: e.shape(None, (2, 3), "y")))
    failed = failure(lambda e: e.dtype(np.ones(2), np.float32, "y"))
    assert "dtype float32" in str(failed) and "dtype float64" in str(failed) and "float64" in failed.likely
    assert "whole numbers" in failure(lambda e: e.dtype(np.ones(2, int), float, "y")).likely
    with pytest.raises(BadCheck):
        expect.dtype(1.0, "float33", "y")


def test_finite_counts_and_places():
    Expect("t").finite(np.ones(3), "y")
    failed = failure(lambda e: e.finite(np.array([1.0, np.inf, np.nan]), "the loss"))
    assert "1 NaN and 1 infinite of 3 entries, the first at [1]" in str(failed)
    assert "exp of a large number" in failure(lambda e: e.finite(float("inf"), "the loss")).likely


def test_raises_wants_the_right_exception():
    def refuse(kind):
        def f(*args, **kwargs):
            raise kind("no")

        return f

    expect = Expect("t")
    expect.raises(ValueError, refuse(ValueError), 1, what="h = -1", h=-1)
    expect.raises((TypeError, ValueError), refuse(TypeError), what="a text")
    failed = failure(lambda e: e.raises(ValueError, lambda x: x + 1, 1, what="h = -1"))
    assert "h = -1" in str(failed) and "ValueError is raised" in str(failed) and "returned 2" in str(failed)
    failed = failure(lambda e: e.raises(ValueError, refuse(KeyError), what="h = -1"))
    assert "KeyError" in str(failed) and "raise kind" in str(failed)
    # RecursionError and an open exercise are RuntimeErrors by type, not by intent
    failed = failure(lambda e: e.raises(RuntimeError, refuse(RecursionError), what="x"))
    assert "RecursionError" in str(failed)

    def still_open():
        raise NotImplementedError()

    assert failure(lambda e: e.raises(RuntimeError, still_open, what="x"), reveal=False).outcome == "open"


def test_answered_checks_the_form_and_not_the_answer():
    expect = Expect("Question 4")
    expect.answered("b", "answer", options="abcd")
    expect.answered(-72, "answer", kind="number")
    expect.answered((1000, 3), "answer", kind="numbers")
    expect.answered("why", "answer", kind="text")
    for value, how in [
        ("e", {"options": "abcd"}),
        (2, {"options": "abcd"}),
        (AlwaysEqual(), {"options": "abcd"}),
        ("72", {"kind": "number"}),
        (True, {"kind": "number"}),
        (float("nan"), {"kind": "number"}),
        (3, {"kind": "numbers"}),
        ((1.0, float("nan")), {"kind": "numbers"}),
        (3, {"kind": "text"}),
    ]:
        failed = failure(lambda e, value=value, how=how: e.answered(value, "answer", **how))
        assert failed.outcome == "wrong" and "the form of `answer`" in str(failed)


@pytest.mark.parametrize(("options", "things"), [("abcd", "letters"), (("value", "norm"), "words")])
def test_an_answer_of_the_wrong_form_is_told_which_form_is_meant(options, things):
    failed = failure(lambda e: e.answered("Norm", "answer", options=options))
    assert f"the answer is one of the {things}, in quotes" in str(failed)


# --------------------------------------------------------------------------------------- hidden expectations


def test_hidden_checks_work_without_a_block_and_pass_in_silence():
    seen: list[boxes.Box] = []
    with boxes.boxes_to(seen.append):
        hidden("Exercise 1").close(1.0, 1.0, "it")
        with hidden("Exercise 1") as expect:
            expect.equal(3, 3, "it")
        with pytest.raises(CheckFailed):
            hidden("Exercise 1").close(1.0, 2.0, "it")
    assert seen == []


SECRET = 8675.309


@pytest.mark.parametrize(
    "act",
    [
        lambda e: e.close(1.0, SECRET, "it"),
        lambda e: e.close(SECRET * (1 - 1e-4), SECRET, "it"),
        lambda e: e.close(np.ones(3), np.full(3, SECRET), "it"),
        lambda e: e.close(np.array([1.0, np.nan]), [SECRET, SECRET], "it"),
        lambda e: e.close(np.ones(2), [SECRET], "it"),
        lambda e: e.close(None, [SECRET], "it"),
        lambda e: e.close(object(), SECRET, "it"),
        lambda e: e.equal(1.0, SECRET, "it"),
        lambda e: e.equal([1.0, "a"], [SECRET, "a"], "it"),
        lambda e: e.equal({"a": 1}, {"a": SECRET}, "it"),
        lambda e: e.equal("x", str(SECRET), "it"),
        lambda e: e.equal(np.ones((2, 2)), np.full((2, 2), SECRET), "it"),
        lambda e: e.equal({1}, {SECRET}, "it"),
    ],
)
def test_hidden_messages_never_hold_the_expected_value(act):
    def with_case(expect):
        expect.case("float64")
        act(expect)

    text = str(failure(with_case, reveal=False))
    assert str(SECRET) not in text and "8675.3" not in text
    assert "Case" in text and "float64" in text and "Got" in text


def test_hidden_single_numbers_give_away_neither_factor_nor_sign_nor_distance():
    for got in (36.0, 72.0, -71.0, 144.0):
        text = str(failure(lambda e, got=got: e.close(got, -72.0, "the answer"), reveal=False))
        assert "72" not in text.replace("72.0", "", 1) if got == 72.0 else "72" not in text
        assert "sign" not in text and "times" not in text and "factor" not in text


def test_hidden_messages_still_say_how_an_array_differs():
    failed = failure(lambda e: e.close(np.array([1.0, 4.0, 9.0]), [1.0, 4.0, 8.0], "the sum"), reveal=False)
    assert "1 of 3 entries; the worst at [2]: 9.0 came; relative error about 1e-01" in str(failed)
    flipped = failure(lambda e: e.close(np.array([1.0, 4.0]), [-1.0, -4.0], "the sum"), reveal=False)
    assert "sign" in flipped.likely


# ------------------------------------------------------------------------------------------ hostile values


class AlwaysEqual:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash(8)

    def __bool__(self):
        return True


class Bomb:
    """Every special method raises; `__class__` lies."""

    def _boom(self, *args, **kwargs):
        raise RuntimeError("boom")

    __repr__ = __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __array__ = _boom
    __float__ = __int__ = __index__ = __getitem__ = __format__ = __array_ufunc__ = _boom
    __class__ = property(lambda self: np.ndarray)

    def __getattr__(self, name):
        raise RuntimeError("boom")


class Meta(type):
    __name__ = property(lambda cls: 1 / 0)

    def __repr__(cls):
        return 1 / 0


class OddClass(metaclass=Meta):
    def __array__(self, dtype=None, copy=None):
        return np.array(8.0)


class EqualMeta(type):
    def __eq__(cls, other):
        return True

    def __hash__(cls):
        return hash(float)


class EqualClass(metaclass=EqualMeta):
    def __bool__(self):
        return True


class LyingArray(np.ndarray):
    def __array_function__(self, func, types, args, kwargs):
        return True

    def __array_ufunc__(self, *args, **kwargs):
        return np.zeros(())

    @property
    def shape(self):
        return ()

    def __eq__(self, other):
        return True


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.tensor(8.0)


class LyingFloat(float):
    def __float__(self):
        return 8.0

    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0.0


class LyingList(list):
    def __iter__(self):
        return iter([8.0, 8.0])

    def __len__(self):
        return 2


class LyingText(str):
    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


def _nested(depth):
    value = [8.0]
    for _ in range(depth):
        value = [value]
    return value


def _endless():
    value = []
    value.append(value)
    return value


HOSTILE = [
    AlwaysEqual(),
    Bomb(),
    OddClass(),
    OddClass,
    EqualClass(),
    EqualClass,
    {EqualClass(): 8},
    {("a", AlwaysEqual()): 8},
    np.array([1.0, 2.0]).view(LyingArray),
    torch.tensor([1.0, 2.0]).as_subclass(LyingTensor),
    LyingFloat(5.0),
    LyingList([1.0, 2.0]),
    LyingText("no"),
    _nested(500),
    _endless(),
    np.array([AlwaysEqual()], dtype=object),
    [AlwaysEqual()],
    {"a": AlwaysEqual()},
    {AlwaysEqual()},
    (AlwaysEqual(), Bomb()),
    "x" * 10**6,
    10**5000,
    torch.ones(2, device="meta"),
    np.ma.masked_array([8.0], mask=[True]),
]


EIGHTS = np.full(2, 8.0)


@pytest.mark.parametrize("value", HOSTILE, ids=[str(i) for i in range(len(HOSTILE))])
@pytest.mark.parametrize("reveal", [True, False])
@pytest.mark.parametrize("want", [8.0, 8, True, "yes", None, {"a": 8}, {8}, [8, "x"], EIGHTS], ids=str)
def test_hostile_values_neither_crash_a_check_nor_pass_it(value, reveal, want):
    calls = [lambda e: e.equal(value, want, "it")]
    if isinstance(want, float | int | np.ndarray):
        calls.append(lambda e: e.close(value, want, "it"))
    for call in calls:
        failed = failure(call, reveal=reveal)
        assert failed.outcome == "wrong"
        assert 20 < len(str(failed)) < 4000


def test_an_object_that_stands_for_another_is_named_like_it(monkeypatch):
    class Handle:
        def __init__(self, name):
            self.name = name

    monkeypatch.setitem(values.TYPE_NAMES, Handle, lambda handle: handle.name)
    assert values.describe(Handle("Tensor")) == "an object of type Tensor"
    assert values.describe(Handle("function")) == values.describe(lambda: None)
    assert values.describe(Handle("generator")) == values.describe(i for i in ())
    assert "which attribute has them" in failure(lambda e: e.close(Handle("Tensor"), 1.0, "it")).likely


def test_hostile_exceptions_are_reported():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("boom")

        @property
        def student_traceback(self):
            raise RuntimeError("boom")

    class Huge(Exception):
        def __str__(self):
            return "\x1b[31m" + "y" * 10**6

    for kind in (Odd, Huge):

        def act(expect, kind=kind):
            raise kind

        failed = failure(act)
        assert failed.outcome == "raised" and kind.__name__ in str(failed)
        assert len(str(failed)) < 2000 and "\x1b" not in str(failed)


def test_boxes_escape_what_comes_from_a_student():
    html = boxes.Box("open", "<script>x</script>", [("La<b>el", "<img onerror=x> `a<b`")]).html()
    assert "<script" not in html and "<img" not in html and "<b>" not in html
    assert 'role="status"' in html


# --- the short way for what is right ------------------------------------------------------------------


SPECIAL = [0.0, -0.0, 1.0, 1.0 + 1e-8, 1.0 + 1e-6, 1e300, -1e300, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("got", SPECIAL)
@pytest.mark.parametrize("want", SPECIAL)
def test_the_short_way_never_accepts_what_the_long_way_refuses(got, want):
    from coursekit.compare import difference, plainly_close

    a, b = np.array([1.0, got]), np.array([1.0, want])
    if plainly_close(a, b, 1e-7, 1e-9):
        assert difference(a, b, 1e-7, 1e-9) is None
    assert not plainly_close(a, b.astype(np.complex128), 1e-7, 1e-9)
    assert not plainly_close(a, b[None], 1e-7, 1e-9)
    assert not plainly_close(list(a), b, 1e-7, 1e-9)


def test_the_short_way_takes_plain_values_of_one_type_only():
    from coursekit.compare import plainly_equal

    assert plainly_equal((1, "a", None, (True,)), (1, "a", None, (True,)))
    for got, want in [(1, True), (1, 1.0), ([1], [1]), ((1,), (1, 2)), ("a", "b"), (np.int64(1), 1), ((1,), (True,))]:
        assert not plainly_equal(got, want)
