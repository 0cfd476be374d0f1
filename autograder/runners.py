"""Who runs a checked submission: the judge, or a plain kernel as nbgrader does it.

Both take the checked notebook and the trusted source notebook and return the same `Record`, so everything after
them (gradebook, autograded notebook, feedback, report) does not know which one it was. The plain runner is for
machines where the judge's sandbox cannot stand, and for comparison: it runs hidden tests in the student's process,
so it protects against nothing.
"""

from __future__ import annotations

import contextlib
import copy
import os
import re
import subprocess
import tempfile
import time
from types import TracebackType
from typing import Any, Protocol, Self

from nbformat import NotebookNode

from autograder.basis import record_key
from autograder.clean import Budget, clean_outputs, plain_text
from autograder.judge.limits import Limits
from autograder.judge.record import CellRun, Record, TestResult, partial_points
from autograder.threads import ONE_THREAD

NAMES = ("judge", "plain")
SKIP_TAG = "skip-execution"
HEADLINES = {  # the end of the first line of coursekit's messages: the outcome that it names
    "not attempted yet": "open",
    "a name is missing": "missing",
    "your code raised an exception": "raised",
    "not right yet": "wrong",
}
_BY_TYPE = {"NotImplementedError": "open", "NameError": "missing", "AssertionError": "wrong", "CheckFailed": "wrong"}
_MOST_MESSAGE = 4_000
_NUMBER = re.compile(r"(?:np\.\w+\('?)?([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan))(?:'?\))?")


class Runner(Protocol):
    """Runs submissions one after the other. A context manager; enter it in the process that runs."""

    name: str

    def key(self, notebook: NotebookNode, source: NotebookNode) -> str:
        """What the record depends on, as a hash; computed without running anything."""

    def accepts(self, record: Record | None) -> bool:
        """Whether this is a record that this runner need not make again."""

    def run(self, notebook: NotebookNode, source: NotebookNode) -> Record:
        """The record of a checked notebook. Never raises for anything that is in the notebook."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def make_runner(name: str, fewer_walls: bool = False) -> Runner:
    """The runner of this name; `ValueError` with the known ones if there is none.

    `fewer_walls` lets the judge run where the machine cannot give all walls of its sandbox.
    """
    if name == "plain":
        return PlainRunner()
    if name == "judge":
        return JudgeRunner(fewer_walls)
    raise ValueError(f"no runner {name!r}; there are {', '.join(NAMES)}")


class JudgeRunner:
    """The judge: student code in a sandboxed process, tests outside of it."""

    name = "judge"

    def __init__(self, fewer_walls: bool = False) -> None:
        self.fewer_walls = fewer_walls
        self._stack = contextlib.ExitStack()
        self._judge: Any = None

    def __enter__(self) -> Self:
        from autograder.judge.runner import Judge

        self._judge = self._stack.enter_context(Judge(fewer_walls=self.fewer_walls))
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def key(self, notebook: NotebookNode, source: NotebookNode) -> str:
        """As `Runner.key`."""
        from autograder.judge.runner import submission_key

        return submission_key(notebook, source)

    def accepts(self, record: Record | None) -> bool:
        """As `Runner.accepts`; a record that was made without all walls is none where all have to stand."""
        return record is not None and record.gradable and (self.fewer_walls or not record.walls_missing)

    def run(self, notebook: NotebookNode, source: NotebookNode) -> Record:
        """As `Runner.run`."""
        from autograder.judge.runner import run_submission

        return run_submission(notebook, source, judge=self._judge)


class PlainRunner:
    """A fresh kernel for each submission, tests and student code together in it."""

    name = "plain"

    def __init__(self, limits: Limits | None = None):
        self.limits = limits or Limits()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def key(self, notebook: NotebookNode, source: NotebookNode) -> str:
        """As `Runner.key`."""
        code = [c for c in notebook.cells if c.cell_type == "code"]
        cells = [f"{c.metadata.get('nbgrader', {}).get('grade_id')}\n{_locked_id(c) or c.source}" for c in code]
        return record_key("plain", cells, source, self.limits)

    def accepts(self, record: Record | None) -> bool:
        """As `Runner.accepts`."""
        return record is not None and record.gradable

    def run(self, notebook: NotebookNode, source: NotebookNode) -> Record:
        """As `Runner.run`."""
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

        started, begin = time.time(), time.monotonic()
        running = with_tests(notebook, source)
        notices, fault = [], ""
        deadline = begin + self.limits.wall(self.limits.submission_seconds)
        try:
            _execute(running, self.limits.wall(self.limits.cell_seconds), deadline)
        except _OutOfTime:
            notices.append("The time for the whole notebook was used up; the last cells were not run.")
        except (DeadKernelError, CellExecutionError, CellTimeoutError, RuntimeError) as error:
            at = _last_run(running)
            what = "the Python process ended" if isinstance(error, DeadKernelError) else type(error).__name__
            fault = f"The notebook could not be run to its end: {what} in cell {at}."
        record = record_of(running, self.key(notebook, source), fault)
        record.notices, record.started, record.seconds = notices, started, time.monotonic() - begin
        return record


def record_of(running: NotebookNode, key: str, fault: str = "") -> Record:
    """The record of a notebook that was run; `fault` says why it cannot be graded, if so."""
    budget = Budget()
    code = [(index, cell) for index, cell in enumerate(running.cells) if cell.cell_type == "code"]
    cells = [_cell_run(index, cell, budget) for index, cell in code]
    tests = [_result(cell) for cell in running.cells if _is_test(cell)] if not fault else []
    return Record(key=key, gradable=not fault, error=fault, tests=tests, cells=cells)


# ------------------------------------------------------------------------------------------------- running


class _OutOfTime(Exception):
    """The whole notebook took too long."""


def with_tests(notebook: NotebookNode, source: NotebookNode) -> NotebookNode:
    """A copy of the checked notebook with its locked cells as the source has them, hidden tests included, and
    with experiments marked to be skipped."""
    trusted = {_locked_id(cell): cell for cell in source.cells if _locked_id(cell)}
    running = copy.deepcopy(notebook)
    for cell in running.cells:
        own = trusted.get(_locked_id(cell))
        if own is not None:
            cell.source = own.source
        if cell.cell_type == "code" and cell.metadata.get("coursekit", {}).get("kind") == "demo":
            cell.metadata["tags"] = [SKIP_TAG]
    return running


def grading_environment(preset: str | None = None) -> dict[str, str]:
    """The environment variables under which submissions are run: headless, on the CPU, at the smallest preset."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE_", "NBGRADER_"))}
    return (
        kept
        | ONE_THREAD
        | {
            "NBGRADER_EXECUTION": "autograde",
            "COURSE_HEADLESS": "1",
            "COURSE_PRESET": preset or os.environ.get("COURSE_PRESET", "smoke"),
            "COURSE_DEVICE": "cpu",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
    )


def _execute(running: NotebookNode, cell_seconds: float, deadline: float) -> None:
    from nbclient import NotebookClient

    def check_time(cell: NotebookNode, cell_index: int) -> None:
        if time.monotonic() > deadline:
            raise _OutOfTime

    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as scratch:
        client = NotebookClient(
            running,
            timeout=int(cell_seconds),
            interrupt_on_timeout=True,
            error_on_timeout={
                "ename": "CellTimeoutError",
                "evalue": f"This cell ran longer than {cell_seconds:.0f} s and was stopped.",
                "traceback": [],
            },
            allow_errors=True,
            raise_on_iopub_timeout=False,
            shutdown_kernel="immediate",
            record_timing=False,
            store_widget_state=False,
            skip_cells_with_tag=SKIP_TAG,
            resources={"metadata": {"path": scratch}},
        )
        client.on_cell_execute = check_time
        client.on_cell_executed = _keep_error
        client.execute(env=grading_environment(), stderr=subprocess.DEVNULL)


def _keep_error(cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
    """An error that only the kernel's reply tells (a time-out, a silenced traceback) becomes an output."""
    content = execute_reply["content"]
    if content["status"] != "error" or any(o.get("ename") == content["ename"] for o in cell.outputs):
        return
    # What the interrupt after a time-out left behind would hide why.
    cell.outputs = [o for o in cell.outputs if o.get("ename") != "KeyboardInterrupt"]
    lines = content.get("traceback") or ["An error occurred whose traceback was not shown."]
    output = {"output_type": "error", "ename": content["ename"], "evalue": content["evalue"], "traceback": lines}
    cell.outputs.append(NotebookNode(output))


def _last_run(running: NotebookNode) -> int:
    done = [i for i, c in enumerate(running.cells) if c.cell_type == "code" and c.execution_count]
    return (done[-1] if done else -1) + 2


def _locked_id(cell: NotebookNode) -> str | None:
    meta = cell.metadata.get("nbgrader", {})
    return meta.get("grade_id") if not meta.get("solution") else None


def _is_test(cell: NotebookNode) -> bool:
    meta = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(meta.get("grade")) and not meta.get("solution")


def _cell_run(index: int, cell: NotebookNode, budget: Budget) -> CellRun:
    kind = cell.metadata.get("coursekit", {}).get("kind")
    kind = {"test": "test", "demo": "demo", "setup": "given", "given": "given"}.get(kind, "student")
    made = CellRun(index=index, kind=kind, grade_id=cell.metadata.get("nbgrader", {}).get("grade_id"))
    if not cell.execution_count:
        made.status = "skipped"
        return made
    made.execution_count = cell.execution_count
    made.outputs = [dict(output) for output in clean_outputs(cell.outputs, budget)]
    errors = [o for o in cell.outputs if o.output_type == "error"]
    if errors:
        made.status = "time" if errors[-1].ename == "CellTimeoutError" else "error"
    return made


def _result(cell: NotebookNode) -> TestResult:
    """Points of a test cell that ran: all of them, unless it failed or printed a number of its own.

    Unlike nbgrader's rule, text on stderr (warnings, progress bars) costs nothing, and a cell that did not run
    earns nothing. What a number is worth, `partial_points` says.
    """
    meta = cell.metadata["nbgrader"]
    made = TestResult(meta["grade_id"], 0.0, float(meta["points"]), "passed")
    if not cell.execution_count:
        made.outcome, made.message = "time", "This test was not run: the time for the whole notebook was used up."
        return made
    for output in cell.outputs:
        if output.output_type == "error":
            made.outcome, made.message = _outcome(output)
            return made
    numbers = [o for o in cell.outputs if o.output_type == "execute_result"]
    value = _number(numbers[0].data.get("text/plain")) if numbers else None
    made.points = partial_points(value, made.max_points)
    if made.points < made.max_points:
        made.outcome, made.message = "wrong", f"Partly right: {made.points:g} of {made.max_points:g} points."
    return made


def _number(text: object) -> int | float | None:
    """The real number that a kernel shows as this text, one of numpy's too; None if it shows something else."""
    found = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    with contextlib.suppress(ValueError):
        return int(found[1])
    return float(found[1])


def _outcome(output: NotebookNode) -> tuple[str, str]:
    """The outcome and the message of a failed test cell, from its error output."""
    message = plain_text(str(output.evalue))[:_MOST_MESSAGE].strip() or f"{output.ename} (without a message)"
    if output.ename == "CellTimeoutError":
        return "time", message
    if output.ename == "CheckFailed":
        first = message.partition("\n")[0]
        return next((key for words, key in HEADLINES.items() if first.endswith(words)), "wrong"), message
    outcome = _BY_TYPE.get(output.ename, "raised")
    if outcome == "open":
        message = "This exercise was not attempted."
    elif outcome != "wrong":
        message = f"{output.ename}: {message}"
    return outcome, message
