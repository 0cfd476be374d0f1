"""Run one test cell in the judge against a copy of the student's process."""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import io
import marshal
import math
import random
import re
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import torch
from coursekit import boxes, failures
from coursekit.checking import check, hidden

from autograder.testing import TimeLimitExceeded, compiled_shipment, time_limit, using_side

from .limits import Limits
from .plan import Step
from .process import JudgeFault
from .proxy import Gone, Link, NotByValue, StudentError
from .record import TestResult, partial_points
from .wire import WireError

MAX_MESSAGE = 8_000
_TRUSTED = {"np": np, "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "math": math, "check": check}
_CHECK_TITLE = re.compile(r"\b(?:check|hidden)\(\s*[\"']([^\"']+)")
_HIDDEN = re.compile(r"###\s*BEGIN HIDDEN TESTS.*?###\s*END HIDDEN TESTS", re.DOTALL)


class Names(dict):
    """The names of a test cell: its own, the trusted ones, and else the student's objects."""

    def __init__(self, link: Link):
        super().__init__(_TRUSTED, __name__="test", __builtins__=builtins)
        self.link = link

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        answer = self.link.request("name", name)
        if type(answer) is not tuple or len(answer) != 2 or type(answer[0]) is not bool:
            raise WireError("not an answer to a name")
        if not answer[0]:
            if answer[1] is True:  # the cell that defines it is still open
                failures.open_names.add(name)
            raise KeyError(name)
        return answer[1]


class StudentSide:
    """Where `testing.ship` runs its helpers: in the student's process."""

    def __init__(self, link: Link):
        self.link = link

    def ship(self, source: str, name: str) -> Any:
        """Run `source` there and return its global `name`."""
        return self.link.request("ship", _marshalled(source, name), name)


@functools.lru_cache(maxsize=512)
def _marshalled(source: str, name: str) -> bytes:
    """Compiled here once, not in each copy of each student's process, which runs the same Python."""
    return marshal.dumps(compiled_shipment(source, name))


@dataclass
class TestRun:
    """A test's result and what its cell shows. `notice` is for the instructor; `what` and `case` name the check
    that failed."""

    __test__ = False

    result: TestResult
    outputs: list[dict[str, Any]] = field(default_factory=list)
    notice: str = ""
    what: str = ""
    case: str | None = None


def run_test(step: Step, link: Link, limits: Limits, seed: int) -> TestRun:
    """Run the test cell `step`; never raises for anything that the student's process does.

    `JudgeFault` if a process of the judge's own failed.
    """
    result = TestResult(step.grade_id or "", 0.0, step.points, "passed")
    run = TestRun(result)
    started, cpu = time.monotonic(), time.process_time()
    printed = io.StringIO()
    try:
        with _surroundings(link, run.outputs, printed, limits, seed):
            result.points = partial_points(_execute(step, link), step.points)
        if link.gone is not None:  # the test swallowed it, or never looked at what it asked for
            raise link.gone
        if result.points < step.points:
            result.outcome, result.message = "wrong", f"{result.points:g} of {step.points:g} points"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        if link.gone is not None and link.gone.outcome == "fault":
            raise JudgeFault(link.gone.message) from None
        result.points = 0.0
        _failed(run, step, link.gone or error)
    text = printed.getvalue()
    if text:
        run.outputs.insert(0, {"output_type": "stream", "name": "stdout", "text": text})
    result.seconds, result.cpu = time.monotonic() - started, time.process_time() - cpu
    result.message = result.message[:MAX_MESSAGE]
    return run


@contextlib.contextmanager
def _surroundings(link: Link, outputs: list, printed: io.StringIO, limits: Limits, seed: int) -> Iterator[None]:
    """Boxes and prints are kept, `ship` leads to the student, global generators start afresh."""

    def show(box: boxes.Box) -> None:
        data = {"text/html": box.html(), "text/plain": box.text()}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})

    open_before = set(failures.open_names)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (a test's own slip must not make points depend on luck)
    torch.manual_seed(seed)
    try:
        with contextlib.ExitStack() as stack:
            stack.enter_context(using_side(StudentSide(link)))
            stack.enter_context(boxes.boxes_to(show))
            stack.enter_context(contextlib.redirect_stdout(printed))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            if threading.current_thread() is threading.main_thread():
                stack.enter_context(time_limit(limits.wall(limits.test_seconds)))
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(states[2])
        failures.open_names.clear()
        failures.open_names.update(open_before)


def _execute(step: Step, link: Link) -> Any:
    """Run the cell's code; the value of its last line if that is an expression, else None."""
    names = Names(link)
    tree = ast.parse(step.source, f"<test {step.grade_id}>")
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, f"<test {step.grade_id}>", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), f"<test {step.grade_id}>", "eval"), names)


def _failed(run: TestRun, step: Step, error: BaseException) -> None:
    """Fill in outcome and message for the exception that ended the test."""
    result = run.result
    if isinstance(error, Gone):
        result.outcome, result.message = error.outcome, _gone_message(error)
    elif isinstance(error, failures.CheckFailed):
        result.outcome, result.message = error.outcome, str(error)
        run.what, run.case = error.what, error.case
    elif isinstance(error, failures.BadCheck | SyntaxError | ImportError) and not isinstance(error, StudentError):
        result.outcome = "fault"
        result.message = "This test is broken. Your instructor has been told; it is not your mistake."
        run.notice = f"The test {step.grade_id!r} is broken: {type(error).__name__}: {error}"
    elif isinstance(error, TimeLimitExceeded) and not getattr(error, "student_traceback", ""):
        result.outcome, result.message = "time", "The test took too long and was stopped."
    elif type(error) is AssertionError and not error.args:
        result.outcome, result.message = "wrong", _assertion(step, error)
    elif type(error) is AssertionError:
        result.outcome, result.message = "wrong", str(error)
    else:
        tb = error.__traceback__
        described = hidden(_title(step)).from_exception(error, tb, _frame_of_test(tb, step))
        result.outcome, result.message = described.outcome, str(described)
        if not isinstance(error, StudentError | NotByValue | NameError):
            run.notice = f"The test {step.grade_id!r} ended with {type(error).__name__} in its own code."
    run.outputs.append(_shown(result.message))


def add_row(run: TestRun, label: str, text: str) -> None:
    """Add one more row to the message of a failed test."""
    run.result.message = f"{run.result.message}\n  {label}: {text}"[:MAX_MESSAGE]
    run.outputs[-1] = _shown(run.result.message)


def _shown(message: str) -> dict[str, Any]:
    lines = failures.CheckFailed(message)._render_traceback_()
    return {"output_type": "error", "ename": "CheckFailed", "evalue": message, "traceback": lines}


def _title(step: Step) -> str:
    """The title of the cell's first check, for a failure outside of all of them."""
    found = _CHECK_TITLE.search(step.source)
    return found[1] if found else step.grade_id or "test"


def _frame_of_test(tb: TracebackType | None, step: Step) -> FrameType | None:
    """The frame of the test cell in a traceback: what stands there is not the student's."""
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == f"<test {step.grade_id}>":
            return tb.tb_frame
        tb = tb.tb_next
    return None


def _gone_message(gone: Gone) -> str:
    words = {
        "time": "Your code was stopped: it took too long",
        "memory": "Your code was stopped: it took too much memory",
        "crashed": "Your code ended the process that it ran in",
    }
    return f"{words[gone.outcome]}\n  {gone.message}"


def _assertion(step: Step, error: AssertionError) -> str:
    """An assert without a message: its line, if students can see it."""
    tb = error.__traceback__
    line = None
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == f"<test {step.grade_id}>":
            line = tb.tb_lineno
        tb = tb.tb_next
    visible = _HIDDEN.sub(lambda m: "\n" * m[0].count("\n"), step.source).split("\n")
    if line is not None and line <= len(visible) and visible[line - 1].strip():
        return f"This does not hold: {visible[line - 1].strip()}"
    return "A hidden test does not hold."
