"""How a check that did not pass is put into words: `CheckFailed` and the text it carries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any, NoReturn

from . import boxes
from .explain import (
    Line,
    check_line,
    error_text,
    exception_text,
    is_stub,
    likely_cause,
    missing_name,
    similar_name,
    student_line,
)
from .values import clean

FILL_IN = "replace `raise NotImplementedError()` in its cell with your code, run that cell, then this one"
NOT_RUN = "the cell that defines it has not been run, or stopped with an error, or its name was changed"

# Names that an exercise cell still open would define: they count as "not attempted", not as missing.
open_names: set[str] = set()
# Names that a cell would have made which stopped at an open exercise, and that exercise.
stopped_names: dict[str, str] = {}


Rows = Sequence[tuple[str, str]]  # (label, text) of a message


class CheckFailed(AssertionError):
    """A check that did not pass; its text is the whole message.

    Attributes: `outcome` ("open", "missing", "raised" or "wrong"), `what` (the property that was checked),
    `likely` (the likely cause, or None), `title` (of the check), `case` (None or the case being tested).
    """

    def __init__(
        self,
        message: str = "",
        *,
        outcome: str = "wrong",
        what: str = "",
        likely: str | None = None,
        title: str = "",
        case: str | None = None,
    ):
        super().__init__(message.strip() or "the check did not pass, without saying why")
        self.outcome = outcome
        self.what = what
        self.likely = likely
        self.title = title
        self.case = case

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the message, headline and labels in bold.

        No colours: the error output has its own, and no red is readable on both its light and its dark one.
        """
        headline, *rest = str(self).split("\n")
        labels = re.compile(r"^(  )([A-Z][a-z ]+:)(?= )")
        return [f"\x1b[1m{headline}\x1b[0m", *(labels.sub("\\1\x1b[1m\\2\x1b[0m", line) for line in rest)]


class BadCheck(Exception):
    """The check itself is written wrongly (an expected value that cannot be compared, an empty text)."""


def words(text: Any, name: str) -> str:
    """The text, stripped. Raises `BadCheck` where it says nothing."""
    if not isinstance(text, str) or not text.strip():
        raise BadCheck(f"`{name}` must say something")
    return text.strip()


class Report:
    """The title and the case of a check, and the failures in which it may end."""

    title: str
    reveal: bool
    _case: str | None = None

    def wrong(self, what: str, rows: Rows, likely: str | None = None) -> NoReturn:
        """Raise the failure of the property `what`."""
        what = words(what, "what")
        raise self.failure("wrong", what, [("Checked", what), *rows], likely)

    def not_attempted(self, what: str) -> NoReturn:
        """Raise the failure of an exercise that is still open."""
        raise self.failure("open", what, [("", what)])

    def expected(self, wanted: str, came: str) -> list[tuple[str, str]]:
        """The rows of what was expected and what came."""
        return [("Expected", wanted), ("Got", came)]

    def failure(self, outcome: str, what: str, rows: Rows, likely: str | None = None) -> CheckFailed:
        """The exception with the whole message: headline, rows, the case and the likely cause."""
        rows = list(rows)
        if self._case and outcome != "open":
            rows.insert(1, ("Case", self._case))
        if likely:
            rows.append(("Likely cause", likely))
        text = boxes.message(f"{self.title} - {boxes.WORDS[outcome]}", rows)
        return CheckFailed(
            text, outcome=outcome, what=what, likely=likely, title=self.title, case=self._case
        )

    def from_exception(
        self, error: BaseException, tb: TracebackType | None, frame: FrameType | None
    ) -> CheckFailed:
        """The failure that reports an exception raised inside the check whose frame is `frame`."""
        elsewhere = student_traceback(error)
        line = None if elsewhere is not None else student_line(tb, frame)
        if is_stub(error):
            return self._open(line.function if line else _last_function(elsewhere or ""))
        text = exception_text(error)
        if getattr(type(error), "finding", False) is True:
            return self.failure("wrong", text, [("Problem", error_text(error)), *code_rows(error, line)])
        if isinstance(error, NameError) and line is None and elsewhere is None:
            return self._missing(missing_name(error), frame)
        rows = [("Raised", text), *code_rows(error, line)]
        at = check_line(tb, frame) if self.reveal else None
        if at is not None and at.text:  # which of the check's calls it was
            rows.append(("In the check", str(at)))
        likely = likely_cause(error, line)
        if likely is None and line is None and elsewhere is None and type(error).__module__ == "builtins":
            likely = "what your code returned cannot be used the way the exercise says: look at its type"
        return self.failure("raised", text, rows, likely)

    def _open(self, name: str) -> CheckFailed:
        what = f"`{name}` is still open" if name else "the exercise is still open"
        return self.failure("open", what, [("", f"{what}: {FILL_IN}")])

    def _missing(self, name: str, frame: FrameType | None) -> CheckFailed:
        if name in open_names:
            return self._open(name)
        if name in stopped_names:
            return self._open(stopped_names[name])
        what = f"the name `{name}` does not exist"
        similar = similar_name(name, frame) if self.reveal else None
        likely = f"did you mean `{similar}`?" if similar else NOT_RUN
        return self.failure("missing", what, [("Missing", what)], likely)


def student_traceback(error: BaseException) -> str | None:
    """The student's lines as text, for an exception that happened in another process; else None."""
    try:
        text = error.student_traceback
    except Exception:
        return None
    return text if type(text) is str else None


def code_rows(error: BaseException, line: Line | None) -> list[tuple[str, str]]:
    """The row with the student's own code in it: the text from the other process, or the line."""
    elsewhere = (student_traceback(error) or "").strip("\n")
    if elsewhere.strip():
        return [("Your code", clean(elsewhere, 1500))]
    return [("Your line", str(line))] if line is not None else []


def _last_function(text: str) -> str:
    """The function named last in a traceback's text (`..., line 3, in Linear.forward`)."""
    names = re.findall(r", in ([\w.]+)", text)
    return names[-1] if names and names[-1] != "module" else ""
