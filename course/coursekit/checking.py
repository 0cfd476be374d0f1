"""Checks that tell a student what is wrong in words they can act on.

    with check("Exercise 1: gradient") as expect:
        grad = numerical_grad(lambda x: (x**3).sum(), np.array([1.0, 2.0]))
        expect.close(grad, [3.0, 12.0], "the gradient of sum(x**3) at (1, 2)")
        expect.why("Central differences are the judge of every backward pass you will write.")

A check ends in one of five outcomes:

* right: a green box with the text of `why`;
* open: the exercise was not attempted (its function raises `NotImplementedError()`, or its answer is still
  None or `...`): a neutral box;
* missing: a name that the check uses does not exist;
* raised: the student's code raised an exception: its type, its text and the student's own line;
* wrong: what was checked, what was expected, what came, and the likely cause.

All but the first raise `CheckFailed` with the whole message as its text, except that an open exercise only
shows its box while a student works (the environment variable NBGRADER_EXECUTION is not set). Nothing is ever
written on stderr.

Hidden tests use the same methods with `reveal=False` (see `hidden`): their messages name the property, the
case and the kind of deviation, never the expected values.

Values may be NumPy arrays, torch tensors, Python numbers and lists or tuples of these. Shapes must agree
exactly: nothing is broadcast. An exception that carries a text attribute `student_traceback` (one that
happened in another process) is reported with that text in place of a line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import boxes
from .compare import (
    INF_HINT,
    NAN_HINT,
    Difference,
    difference,
    dtype_hint,
    error_size,
    pattern_hint,
    shape_hint,
)
from .explain import (
    check_line,
    exception_text,
    is_stub,
    likely_cause,
    missing_name,
    similar_name,
    student_line,
)
from .structure import Mismatch, mismatch
from .values import (
    NotNumbers,
    Numbers,
    clean,
    describe,
    number_text,
    shape_text,
    to_numbers,
    type_name,
)

FILL_IN = "replace `raise NotImplementedError()` in its cell with your code, run that cell, then this one"
NOT_RUN = "the cell that defines it has not been run, or stopped with an error, or its name was changed"

# Names that an exercise cell still open would define: they count as "not attempted", not as missing.
open_names: set[str] = set()


class CheckFailed(AssertionError):
    """A check that did not pass; its text is the whole message.

    Attributes: `outcome` ("open", "missing", "raised" or "wrong"), `what` (the property that was checked),
    `likely` (the likely cause, or None), `title` (of the check), `case` (None or the case being tested).
    """

    def __init__(
        self,
        message: str = "the check did not pass",
        *,
        outcome: str = "wrong",
        what: str = "",
        likely: str | None = None,
        title: str = "",
        case: str | None = None,
    ):
        super().__init__(message or "the check did not pass")
        self.outcome = outcome
        self.what = what
        self.likely = likely
        self.title = title
        self.case = case

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the message, its headline in bold red."""
        headline, *rest = str(self).split("\n")
        return [f"\x1b[1;31m{headline}\x1b[0m", *rest]


class BadCheck(Exception):
    """The check itself is written wrongly (an expected value that cannot be compared, an empty text)."""


def grading() -> bool:
    """Whether nbgrader or the autograder runs this process (NBGRADER_EXECUTION is set)."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def check(title: str) -> Expect:
    """A visible check: use as `with check("Exercise 1: gradient") as expect:`."""
    return Expect(title)


def hidden(title: str) -> Expect:
    """A hidden test: `Expect(title, reveal=False)`.

    Its methods may be called at once, or inside `with hidden(title) as expect:`, which also turns exceptions
    of the student's code into `CheckFailed`. Passing shows nothing.
    """
    return Expect(title, reveal=False)


class Expect:
    """The methods by which a check states what it expects. Each raises `CheckFailed` where it does not hold.

    `what` names the checked property in words ("the gradient of sum(x**3) at (1, 2)"); `likely` says what
    probably went wrong. Where `likely` is left out, common mistakes are recognised from the numbers.
    """

    def __init__(self, title: str, reveal: bool = True):
        self.title = _words(title, "title")
        self.reveal = reveal
        self._case: str | None = None
        self._why: str | None = None
        self._frame = None

    def case(self, text: str | None) -> Expect:
        """Name the case (shape, dtype, seed) that the following expectations are about; None forgets it."""
        self._case = _words(text, "case") if text is not None else None
        return self

    def why(self, text: str) -> None:
        """Why the result matters; shown in the green box. `code` in backticks is set as code."""
        self._why = _words(text, "why")

    # --- expectations ----------------------------------------------------------------------------------

    def close(
        self,
        got: Any,
        want: Any,
        what: str,
        *,
        rtol: float = 1e-7,
        atol: float = 1e-9,
        likely: str | None = None,
    ) -> None:
        """Numbers agree: same shape and `|got - want| <= atol + rtol * |want|`; NaN equals NaN only."""
        wanted = _wanted(want)
        came = self._numbers(got, what, wanted, likely)
        if came.shape != wanted.shape:
            self._wrong_shape(got, came, wanted.shape, what, likely)
        found = difference(came.array, wanted.array, rtol, atol)
        if found is not None:
            self._wrong_numbers(got, came, wanted, found, what, likely)

    def equal(self, got: Any, want: Any, what: str, *, likely: str | None = None) -> None:
        """Values agree exactly: numbers, arrays (entry by entry), text, None, and containers of these.

        Lists, tuples and arrays of the same entries are equal; a bool and a number are not.
        """
        try:
            wanted = to_numbers(want) if not isinstance(want, bool | np.bool_) else None
        except NotNumbers:
            wanted = None
        if wanted is not None and wanted.shape != () and wanted.array.size:
            came = self._numbers(got, what, wanted, likely)
            if came.shape != wanted.shape:
                self._wrong_shape(got, came, wanted.shape, what, likely)
            found = difference(came.array, wanted.array, 0.0, 0.0)
            if found is not None:
                self._wrong_numbers(got, came, wanted, found, what, likely)
            return
        try:
            found = mismatch(got, want)
        except Exception:
            found = Mismatch("", "it could not be compared")
        if found is not None:
            rows = self._expected(describe(want), describe(got))
            if found.problem:
                rows.append(("Differs", found.sentence))
            self._fail("wrong", what, rows, likely or _none_hint(got))

    def true(self, condition: Any, problem: str, *, likely: str | None = None) -> None:
        """The condition holds; `problem` says what is wrong if it does not.

        The condition is a bool, an array of bools (all must hold) or a plain Python value; anything else,
        such as an object of a student's class, counts as not holding.
        """
        problem = _words(problem, "problem")
        cls = type(condition)
        if cls in (bool, int, float, str, list, tuple, dict, set, type(None)):
            holds = bool(condition)
        else:
            try:
                numbers = to_numbers(condition)
                holds = numbers.array.dtype.kind == "b" and bool(numbers.array.all())
            except NotNumbers:
                holds = False
        if not holds:
            self._fail("wrong", problem, [("Problem", problem)], likely, label=None)

    def shape(self, got: Any, shape: tuple[int, ...] | int, what: str, *, likely: str | None = None) -> None:
        """The value's shape is exactly `shape`."""
        shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
        came = self._numbers(got, what, None, likely, expected=f"numbers of shape {shape_text(shape)}")
        if came.shape != shape:
            self._wrong_shape(got, came, shape, what, likely)

    def dtype(self, got: Any, dtype: Any, what: str, *, likely: str | None = None) -> None:
        """The value's dtype is `dtype` (NumPy's, torch's, its name, or a Python type)."""
        name = dtype_name(dtype)
        came = self._numbers(got, what, None, likely, expected=f"dtype {name}")
        actual = came.array.dtype.name if came.origin == "number" else came.dtype
        if actual != name:
            rows = self._expected(f"dtype {name}", f"dtype {actual} ({came.kind})", reveal=True)
            self._fail("wrong", what, rows, likely or dtype_hint(name, actual))

    def finite(self, got: Any, what: str, *, likely: str | None = None) -> None:
        """No entry is NaN or infinite."""
        came = self._numbers(got, what, None, likely, expected="finite numbers")
        bad = ~np.isfinite(came.array)
        if bad.any():
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            nan, size = int(np.isnan(came.array).sum()), came.array.size
            counts = [f"{n} NaN" for n in [nan] if n] + [f"{n} infinite" for n in [int(bad.sum()) - nan] if n]
            place = f", the first at [{', '.join(map(str, index))}]" if index else ""
            text = f"{' and '.join(counts)} of {size} entries{place}"
            if size == 1:
                text = number_text(came.array.flat[0])
            rows = self._expected("finite numbers", text, reveal=True)
            self._fail("wrong", what, rows, likely or (NAN_HINT if nan else INF_HINT))

    def raises(
        self,
        exc_type: type[BaseException] | tuple[type[BaseException], ...],
        fn: Callable,
        /,
        *args: Any,
        what: str,
        likely: str | None = None,
        **kw: Any,
    ) -> None:
        """`fn(*args, **kw)` raises an exception of this type; `what` names the input that must be refused."""
        kinds = exc_type if isinstance(exc_type, tuple) else (exc_type,)
        names = " or ".join(kind.__name__ for kind in kinds)
        try:
            value = fn(*args, **kw)
        except kinds:
            return
        except (CheckFailed, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if is_stub(error):
                raise
            rows = self._expected(f"{names} is raised", exception_text(error), reveal=True)
            line = student_line(error.__traceback__, sys._getframe())
            rows += self._line_rows(error, line)
            self._fail("wrong", what, rows, likely or f"this input must be refused with {names}")
        else:
            came = f"no exception; the call returned {describe(value, values=self.reveal)}"
            rows = self._expected(f"{names} is raised", came, reveal=True)
            hint = f"test for this case first, and `raise {kinds[0].__name__}(...)` with a text that says why"
            self._fail("wrong", what, rows, likely or hint)

    def answered(self, value: Any, name: str, *, kind: str | None = None, options: Any = None) -> None:
        """The variable `name` of a question holds an answer; None and `...` mean that it is still open.

        With `options` the answer must be one of them; with `kind` ("number", "numbers" or "text") of that
        kind. Neither says whether it is right.
        """
        if value is None or value is Ellipsis:
            self._fail("open", f"`{name}` holds no answer yet", [("Open", f"`{name}` holds no answer yet")])
        if options is not None and not (type(value) is str and value in list(options)):
            listed = ", ".join(repr(option) for option in options)
            rows = self._expected(f"one of {listed}", describe(value), reveal=True)
            self._fail("wrong", f"the form of `{name}`", rows, "the answer is one of the letters, in quotes")
        if kind is not None:
            wanted = {"number": "a number", "numbers": "a tuple of numbers", "text": "a text in quotes"}[kind]
            if not _is_kind(value, kind):
                rows = self._expected(wanted, describe(value), reveal=True)
                self._fail("wrong", f"the form of `{name}`", rows, None)

    # --- the block ---------------------------------------------------------------------------------------

    def __enter__(self) -> Expect:
        self._frame = sys._getframe(1)
        return self

    def __exit__(self, kind, error: BaseException | None, tb) -> bool:
        frame, self._frame = self._frame, None
        if error is None:
            if self.reveal:
                boxes.show(boxes.Box("right", self.title, [("", self._why)] if self._why else []))
            return False
        if isinstance(error, CheckFailed):
            failed = error
        elif isinstance(error, BadCheck) or not isinstance(error, Exception | SystemExit):
            return False
        else:
            failed = self._from_exception(error, tb, frame)
        if failed.outcome == "open" and self.reveal and not grading():
            _, *rows = str(failed).split("\n")
            text = "\n".join(row.strip().removeprefix("Open:").strip() for row in rows)
            boxes.show(boxes.Box("open", failed.title or self.title, [("", text)]))
            return True
        if failed is error:
            return False
        raise failed from None

    def _from_exception(self, error: BaseException, tb, frame) -> CheckFailed:
        """The `CheckFailed` that reports an exception raised inside the block."""
        elsewhere = isinstance(getattr(error, "student_traceback", None), str)
        line = None if elsewhere else student_line(tb, frame)
        if is_stub(error):
            name = line.function if line else ""
            what = f"`{name}` is still open" if name else "the exercise is still open"
            return self._failure("open", what, [("Open", f"{what}: {FILL_IN}")])
        if isinstance(error, NameError) and line is None and not elsewhere:
            name = missing_name(error)
            if name in open_names:
                what = f"`{name}` is still open"
                return self._failure("open", what, [("Open", f"{what}: {FILL_IN}")])
            what = f"the name `{name}` does not exist"
            similar = similar_name(name, frame) if self.reveal else None
            likely = f"did you mean `{similar}`?" if similar else NOT_RUN
            return self._failure("missing", what, [("Missing", what)], likely)
        what = exception_text(error)
        rows = [("Raised", what), *self._line_rows(error, line)]
        if line is None and not elsewhere:
            at = check_line(tb, frame) if self.reveal else None
            if at is not None:
                rows.append(("In the check", f"{at.where}:\n    {at.text}" if at.text else at.where))
        likely = likely_cause(error, line)
        if likely is None and line is None and not elsewhere:
            likely = "what your code returned cannot be used the way the exercise says: look at its type"
        return self._failure("raised", what, rows, likely)

    def _line_rows(self, error: BaseException, line) -> list[tuple[str, str]]:
        elsewhere = getattr(error, "student_traceback", None)
        if isinstance(elsewhere, str) and elsewhere.strip():
            return [("Your code", clean(elsewhere.strip("\n"), 1500))]
        return [("Your line", str(line))] if line is not None else []

    # --- messages ----------------------------------------------------------------------------------------

    def _numbers(
        self, got: Any, what: str, wanted: Numbers | None, likely: str | None, expected: str | None = None
    ) -> Numbers:
        """The value as numbers, or the failure that says what it is instead."""
        try:
            return to_numbers(got)
        except NotNumbers as error:
            came = str(error)
        except Exception:
            came = f"a {type_name(got)} that could not be read"
        if got is Ellipsis:
            self._fail("open", what, [("Open", f"{what}: the value is still `...`")])
        if expected is None:
            expected = wanted.kind if not self.reveal else describe_wanted(wanted)
        self._fail("wrong", what, self._expected(expected, came, reveal=True), likely or _none_hint(got))
        raise AssertionError("unreachable")

    def _wrong_shape(
        self, got: Any, came: Numbers, shape: tuple[int, ...], what: str, likely: str | None
    ) -> None:
        wanted = f"shape {shape_text(shape)}" if shape else "one number (shape ())"
        came_text = f"shape {shape_text(came.shape)} ({came.kind})" if came.shape else describe(got)
        rows = self._expected(wanted, came_text, reveal=True)
        if self.reveal and came.shape and came.array.size <= 12:
            rows.append(("Values", describe(got)))
        self._fail("wrong", what, rows, likely or shape_hint(came.shape, shape))

    def _wrong_numbers(
        self, got: Any, came: Numbers, wanted: Numbers, found: Difference, what: str, likely: str | None
    ) -> None:
        digits = 6
        while digits < 17 and number_text(found.got, digits) == number_text(found.want, digits):
            digits += 2
        one = found.size == 1
        if self.reveal:
            rows = self._expected(describe_wanted(wanted, digits), describe(got, digits))
        else:
            rows = [("Got", number_text(found.got, digits) if one else came.kind)]
        parts = []
        if not one:
            parts.append(f"{found.count} of {found.size} entries differ")
            if found.nan or found.inf:
                bad = [f"{n} are {name}" for n, name in ((found.nan, "NaN"), (found.inf, "infinite")) if n]
                parts.append(", ".join(bad))
            worst = f"worst at {found.place}: {number_text(found.got, digits)} came"
            if self.reveal:
                worst += f", {number_text(found.want, digits)} was expected"
            parts.append(worst)
        if size := error_size(found, self.reveal):
            parts.append(size)
        if parts:
            rows.append(("Differs", "; ".join(parts)))
        hint = likely or pattern_hint(came, wanted.array, found, self.reveal)
        self._fail("wrong", what, rows, hint)

    def _expected(self, wanted: str, came: str, reveal: bool | None = None) -> list[tuple[str, str]]:
        """The rows of what was expected (if it may be shown) and what came."""
        show = self.reveal if reveal is None else reveal
        return [("Expected", wanted), ("Got", came)] if show else [("Got", came)]

    def _fail(
        self,
        outcome: str,
        what: str,
        rows: list[tuple[str, str]],
        likely: str | None = None,
        label: str | None = "Checked",
    ) -> None:
        what = _words(what, "what")
        head = [(label, what)] if label and outcome == "wrong" else []
        raise self._failure(outcome, what, head + rows, likely)

    def _failure(
        self, outcome: str, what: str, rows: list[tuple[str, str]], likely: str | None = None
    ) -> CheckFailed:
        if self._case and outcome != "open":
            rows = [rows[0], ("Case", self._case), *rows[1:]]
        if likely:
            rows = [*rows, ("Likely cause", likely)]
        text = boxes.message(f"{self.title} - {boxes.WORDS[outcome]}", rows)
        return CheckFailed(
            text, outcome=outcome, what=what, likely=likely, title=self.title, case=self._case
        )


FILL_IN = "replace `raise NotImplementedError()` in its cell with your code, run that cell, then this one"


def dtype_name(dtype: Any) -> str:
    """`float32` for `np.float32`, `torch.float32`, `"float32"`; Python's `float` is `float64`."""
    text = str(dtype)
    if text.startswith("torch."):
        return text.removeprefix("torch.")
    try:
        return np.dtype(dtype).name
    except TypeError:
        raise BadCheck(f"not a dtype: {dtype!r}") from None


def describe_wanted(wanted: Numbers, digits: int = 6) -> str:
    """The expected numbers, described like those that came."""
    if wanted.origin == "number" or wanted.shape == ():
        return number_text(wanted.array[()], digits)
    return describe(wanted.array.tolist() if wanted.array.ndim == 1 else wanted.array, digits)


def _wanted(want: Any) -> Numbers:
    try:
        return to_numbers(want)
    except NotNumbers as error:
        raise BadCheck(f"the expected value is not made of numbers but {error}") from None


def _words(text: Any, name: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise BadCheck(f"`{name}` must say something")
    return text.strip()


def _none_hint(got: Any) -> str | None:
    return "your function returned None: is a `return` missing?" if got is None else None


def _is_kind(value: Any, kind: str) -> bool:
    if kind == "text":
        return type(value) is str
    try:
        numbers = to_numbers(value)
    except NotNumbers:
        return False
    if numbers.array.dtype.kind == "b":
        return False
    return numbers.shape == () if kind == "number" else numbers.array.ndim == 1
