"""Checks that tell a student what is wrong in words they can act on.

    with check("Exercise 1: gradient") as expect:
        grad = numerical_grad(lambda x: (x**3).sum(), np.array([1.0, 2.0]))
        expect.close(grad, [3.0, 12.0], "the gradient of sum(x**3) at (1, 2)")
        expect.why("Central differences are the judge of every backward pass you will write.")

A check ends in one of five outcomes:

* right: a green box with the text of `why`; a blue one that says no more than "form accepted" after
  `answered`, or "written, not yet tested" after `written`;
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
exactly: nothing is broadcast.

Exceptions from elsewhere: a text attribute `student_traceback` (the error happened in another process) is
shown in place of a line; a type with `finding = True` (a time limit, a forbidden call) counts as "wrong",
its text being the problem.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

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
    plainly_close,
    plainly_equal,
    shape_hint,
)
from .explain import exception_text, is_stub, student_line
from .failures import BadCheck, CheckFailed, Report, code_rows, words
from .structure import Mismatch, mismatch
from .values import (
    NotNumbers,
    Numbers,
    describe,
    describe_wanted,
    is_exactly,
    is_kind,
    number_text,
    place_text,
    shape_text,
    to_numbers,
    type_name,
)

__all__ = ["BadCheck", "CheckFailed", "Expect", "check", "grading", "hidden", "strictly"]


_strict: ContextVar[bool] = ContextVar("coursekit_strict", default=False)


@contextmanager
def strictly() -> Iterator[None]:
    """Within the block an open exercise fails its check, as it does under nbgrader."""
    token = _strict.set(True)
    try:
        yield
    finally:
        _strict.reset(token)


def grading() -> bool:
    """Whether an open exercise fails: under nbgrader (NBGRADER_EXECUTION is set) and within `strictly`."""
    return _strict.get() or bool(os.environ.get("NBGRADER_EXECUTION"))


def check(title: str) -> Expect:
    """A visible check: `with check("Exercise 1: gradient") as expect:`."""
    return Expect(title)


def hidden(title: str) -> Expect:
    """A hidden test: `Expect(title, reveal=False)`.

    Its methods may be called at once, or inside `with hidden(title) as expect:`, which also turns exceptions
    of the student's code into `CheckFailed`. Passing shows nothing.
    """
    return Expect(title, reveal=False)


class Expect(Report):
    """The methods by which a check states what it expects. Each raises `CheckFailed` where it does not hold.

    `what` names the checked property in words ("the gradient of sum(x**3) at (1, 2)"); `likely` says what
    probably went wrong. Where `likely` is left out, common mistakes are recognised from the numbers.
    """

    def __init__(self, title: str, reveal: bool = True):
        self.title = words(title, "title")
        self.reveal = reveal
        self._why: str | None = None
        self._passed = "right"
        self._frame = None

    def case(self, text: str | None) -> Expect:
        """Name the case (shape, dtype, seed) that the following expectations are about; None forgets it."""
        self._case = words(text, "case") if text is not None else None
        return self

    def why(self, text: str) -> None:
        """Why the result matters; shown in the green box. `code` in backticks is set as code."""
        self._why = words(text, "why")

    def written(self, text: str) -> None:
        """As `why`, for a check that sees only that code is there: the box says "written, not yet tested"."""
        self._why, self._passed = words(text, "written"), "written"

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
        """Numbers agree: same shape and `|got - want| <= atol + rtol * |want|`; NaN equals NaN only.

        The dtypes need not agree (see `dtype`). Raises `BadCheck` if `want` is not made of numbers.
        """
        if plainly_close(got, want, rtol, atol):
            return
        try:
            wanted = to_numbers(want)
        except NotNumbers as error:
            raise BadCheck(f"the expected value is not made of numbers: {error}") from None
        self._compare(got, wanted, what, rtol, atol, likely)

    def equal(self, got: Any, want: Any, what: str, *, likely: str | None = None) -> None:
        """Values agree exactly: numbers, arrays (entry by entry), text, None, and containers of these.

        Lists, tuples and arrays of the same entries are equal; a bool and a number are not.
        """
        if plainly_equal(got, want):
            return
        try:
            wanted = to_numbers(want)
        except NotNumbers:
            wanted = None
        if wanted is not None and wanted.array.size and wanted.shape != ():
            self._compare(got, wanted, what, 0.0, 0.0, likely)
            return
        try:
            found = mismatch(got, want)
        except Exception:
            found = Mismatch("", f"the {type_name(got)} that came could not be compared")
        if found is not None:
            came = describe(got)
            rows = self.expected(describe(want), came) if self.reveal else [("Got", came)]
            if sentence := found.sentence(self.reveal):
                rows.append(("Differs", sentence))
            self.wrong(what, rows, likely or _type_hint(got))

    def true(self, condition: Any, problem: str, *, likely: str | None = None) -> None:
        """The condition holds; `problem` says what is wrong if it does not.

        The condition is a bool, an array of bools (all must hold) or a plain Python value; anything else,
        such as an object of a student's class, counts as not holding.
        """
        problem = words(problem, "problem")
        if is_exactly(condition, bool, int, float, str, list, tuple, dict, set, type(None)):
            holds = bool(condition)
        else:
            try:
                numbers = to_numbers(condition)
                holds = numbers.array.dtype.kind == "b" and bool(numbers.array.all())
            except NotNumbers:
                holds = False
        if not holds:
            raise self.failure("wrong", problem, [("Problem", problem)], likely)

    def shape(self, got: Any, shape: Sequence[int] | int, what: str, *, likely: str | None = None) -> None:
        """The value is made of numbers and its shape is exactly `shape`."""
        shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
        came = self._numbers(got, what, f"numbers of shape {shape_text(shape)}", likely)
        if came.shape != shape:
            self._wrong_shape(got, came, shape, what, likely)

    def dtype(self, got: Any, dtype: Any, what: str, *, likely: str | None = None) -> None:
        """The value's dtype is `dtype` (NumPy's, torch's, its name, or a Python type)."""
        name = dtype_name(dtype)
        came = self._numbers(got, what, f"dtype {name}", likely)
        actual = came.array.dtype.name if came.origin == "number" else came.dtype
        if actual != name:
            rows = self.expected(f"dtype {name}", f"dtype {actual} ({came.kind})")
            self.wrong(what, rows, likely or dtype_hint(name, actual))

    def finite(self, got: Any, what: str, *, likely: str | None = None) -> None:
        """No entry is NaN or infinite."""
        came = self._numbers(got, what, "finite numbers", likely)
        bad = ~np.isfinite(came.array)
        if bad.any():
            nan = int(np.isnan(came.array).sum())
            inf, size = int(bad.sum()) - nan, came.array.size
            counts = " and ".join(f"{n} {name}" for n, name in ((nan, "NaN"), (inf, "infinite")) if n)
            text = f"{counts} of {size} entries, the first at {place_text(np.argwhere(bad)[0])}"
            if size == 1:
                text = number_text(came.array.flat[0])
            self.wrong(what, self.expected("finite numbers", text), likely or (NAN_HINT if nan else INF_HINT))

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
        """`fn(*args, **kw)` raises an exception of this type; `what` names the input that must be refused.

        An exercise still open, an interrupt and a failed check pass through.
        """
        kinds = exc_type if isinstance(exc_type, tuple) else (exc_type,)
        names = " or ".join(kind.__name__ for kind in kinds)
        try:
            value = fn(*args, **kw)
        except CheckFailed:
            raise
        except (Exception, SystemExit, *kinds) as error:
            if getattr(type(error), "finding", False) is True:
                raise
            # both are RuntimeErrors, but nobody who asks for one of these means them
            accident = isinstance(error, RecursionError | NotImplementedError) and type(error) not in kinds
            if isinstance(error, kinds) and not accident:
                return
            if is_stub(error):
                raise
            rows = self.expected(f"{names} is raised", exception_text(error))
            rows += code_rows(error, student_line(error.__traceback__, sys._getframe()))
            self.wrong(what, rows, likely or f"this input must be refused with {names}")
        came = f"no exception; the call returned {describe(value, values=self.reveal)}"
        hint = f"test for this case first, and `raise {kinds[0].__name__}(...)` with a text that says why"
        self.wrong(what, self.expected(f"{names} is raised", came), likely or hint)

    def answered(
        self, value: Any, name: str, *, kind: str | None = None, options: Sequence[str] | None = None
    ) -> None:
        """The variable `name` of a question holds an answer; None and `...` mean that it is still open.

        With `options` the answer must be one of them; with `kind` ("number", "numbers" or "text") of that
        kind. Neither says whether it is right, and the box says "form accepted".
        """
        self._passed = "form"
        if value is None or value is Ellipsis:
            self.not_attempted(f"`{name}` holds no answer yet")
        if options is not None and not (type(value) is str and value in list(options)):
            listed = ", ".join(repr(option) for option in options)
            rows = self.expected(f"one of {listed}", describe(value))
            things = "letters" if all(len(option) == 1 for option in options) else "words"
            self.wrong(f"the form of `{name}`", rows, f"the answer is one of the {things}, in quotes")
        if kind is not None and not is_kind(value, kind):
            wanted = {"number": "a number", "numbers": "a tuple of numbers", "text": "a text in quotes"}[kind]
            self.wrong(f"the form of `{name}`", self.expected(wanted, describe(value)))

    # --- the block ---------------------------------------------------------------------------------------

    def __enter__(self) -> Expect:
        self._frame = sys._getframe(1)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, tb: Any) -> bool:
        frame, self._frame = self._frame, None
        if kind is None:
            if self.reveal:
                boxes.show(boxes.Box(self._passed, self.title, [("", self._why)] if self._why else []))
            return False
        if issubclass(kind, CheckFailed):
            failed = error
        elif issubclass(kind, BadCheck) or not issubclass(kind, Exception | SystemExit):
            return False
        else:
            failed = self.from_exception(error, tb, frame)
        if failed.outcome == "open" and self.reveal and not grading():
            lines = str(failed).split("\n")[1:]
            boxes.show(boxes.Box("open", failed.title, [("", "\n".join(line.strip() for line in lines))]))
            return True
        if failed is error:
            return False
        raise failed from None

    # --- what went wrong with numbers ----------------------------------------------------------------------

    def _compare(
        self, got: Any, wanted: Numbers, what: str, rtol: float, atol: float, likely: str | None
    ) -> None:
        expected = describe_wanted(wanted) if self.reveal else wanted.kind
        came = self._numbers(got, what, expected, likely)
        if came.shape != wanted.shape:
            self._wrong_shape(got, came, wanted.shape, what, likely)
        if rtol == atol == 0 and (came.array.dtype.kind == "b") != (wanted.array.dtype.kind == "b"):
            kinds = [("True and False" if n.array.dtype.kind == "b" else "numbers") for n in (wanted, came)]
            self.wrong(what, self.expected(*kinds), likely)
        found = difference(came.array, wanted.array, rtol, atol)
        if found is not None:
            self._wrong_numbers(got, came, wanted, found, what, likely)

    def _numbers(self, got: Any, what: str, expected: str, likely: str | None) -> Numbers:
        """The value as numbers, or the failure that says what it is instead."""
        if got is Ellipsis:
            self.not_attempted(f"{what}: the value is still `...`")
        try:
            return to_numbers(got)
        except NotNumbers as error:
            came = str(error)
        except Exception:
            came = f"a {type_name(got)} that could not be read"
        self.wrong(what, self.expected(expected, came), likely or _type_hint(got, came))

    def _wrong_shape(
        self, got: Any, came: Numbers, shape: tuple[int, ...], what: str, likely: str | None
    ) -> NoReturn:
        wanted = f"shape {shape_text(shape)}" if shape else "one number"
        came_text = came.kind if came.shape else describe(got)
        if self.reveal and came.shape and came.array.size <= 12:
            came_text = describe(got)
        self.wrong(what, self.expected(wanted, came_text), likely or shape_hint(came.shape, shape))

    def _wrong_numbers(
        self, got: Any, came: Numbers, wanted: Numbers, found: Difference, what: str, likely: str | None
    ) -> NoReturn:
        digits = 6
        while digits < 17 and number_text(found.got, digits) == number_text(found.want, digits):
            digits += 1
        one = found.size == 1
        if self.reveal:
            rows = self.expected(describe_wanted(wanted, digits), describe(got, digits))
        else:
            rows = [("Got", number_text(found.got, digits) if one else came.kind)]
        parts = []
        if not one:
            parts.append(f"{found.count} of {found.size} entries")
            bad = [f"{n} {name}" for n, name in ((found.nan, "NaN"), (found.inf, "infinite")) if n]
            if bad:
                parts[0] += f" ({', '.join(bad)})"
            worst = f"the worst at {found.place}: {number_text(found.got, digits)} came"
            if self.reveal:
                worst += f", {number_text(found.want, digits)} was expected"
            parts.append(worst)
        if size := error_size(found, self.reveal):
            parts.append(size)
        if parts:
            rows.append(("Differs", "; ".join(parts)))
        self.wrong(what, rows, likely or pattern_hint(came, wanted.array, found, self.reveal))


def dtype_name(dtype: Any) -> str:
    """`float32` for `np.float32`, `torch.float32`, `"float32"`; Python's `float` is `float64`."""
    name = str(dtype).removeprefix("torch.")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(getattr(torch, name, None), torch.dtype):
        return name
    try:
        return np.dtype(dtype).name
    except TypeError:
        raise BadCheck(f"not a dtype: {dtype!r}") from None


def _type_hint(got: Any, came: str = "") -> str | None:
    """The likely cause where something came that is not a value of the expected kind at all."""
    if got is None:
        return "your function returned None: is a `return` missing? (Or this value was never stored.)"
    if came.startswith("an object of type"):
        return "numbers are needed here, not the object that holds them: which attribute has them?"
    return None
