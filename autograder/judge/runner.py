"""Judge one notebook: run the student's cells in the sandbox, the test cells outside of it."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import nbformat
import torch

from autograder.clean import Budget, clean_outputs

from .diagnosis import Diagnosis
from .limits import Limits
from .plan import Step, build_plan, plan_key
from .process import Copy, JudgeFault, Process, check_walls
from .proxy import Gone
from .record import CellRun, Record, TestResult, content_key
from .testcell import add_row, run_test
from .warm import Zygote

if TYPE_CHECKING:
    from nbformat import NotebookNode

SEED = 20_240_229
_CELL_FILE = re.compile(r"<ipython-input-(\d+)-\w+>")


class Judge:
    """A warm judge: one zygote, reused for every submission. A context manager, one per worker process.

        with Judge() as judge:
            for notebook in notebooks:
                record = run_submission(notebook, source, judge=judge)

    Not for use from several threads at once; start it from the worker's main thread. A killed zygote is started
    again by the next submission. `fewer_walls=True` runs even where walls of the sandbox are missing (else
    `sandbox.WallsMissing` says which); `judge.walls_missing` lists them.
    """

    def __init__(self, *, fewer_walls: bool = False):
        self.fewer_walls = fewer_walls
        self.walls_missing: list[str] = []
        self._zygote: Zygote | None = None
        self._diagnoses: dict[str, Diagnosis] = {}

    def __enter__(self) -> Self:
        torch.set_num_threads(1)
        self.zygote()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def zygote(self) -> Zygote:
        """The running zygote; a new one if there is none or it was killed. `WallsMissing`, `JudgeFault`."""
        if self._zygote is not None and not self._zygote.alive():
            self.close()
        if self._zygote is None:
            self._zygote = Zygote()
            try:
                check_walls(self._zygote.walls_missing, self.fewer_walls)
            except BaseException:
                self.close()
                raise
        return self._zygote

    def fork(self, limits: Limits) -> Process:
        """A fresh student's process; where that fails once more, and then once on a fresh zygote."""
        for attempt in (1, 2, 3):
            try:
                process = self.zygote().fork(limits)
                break
            except JudgeFault:
                if attempt >= 2:
                    self.close()
                if attempt == 3:
                    raise
        self.walls_missing = process.walls_missing
        try:
            check_walls(self.walls_missing, self.fewer_walls)
        except BaseException:
            process.end()
            raise
        return process

    def diagnosis(self, source: NotebookNode, limits: Limits) -> Diagnosis:
        """The diagnosis for a chapter, kept: its known wrong answers are played once."""
        from autograder.basis import tests_key

        key = content_key(*(cell.source for cell in source.cells), repr(limits), tests_key(source))
        if key not in self._diagnoses:
            self._diagnoses[key] = Diagnosis(source, self.fork, limits, SEED)
        return self._diagnoses[key]

    def close(self) -> None:
        """End the zygote and all that came of it."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None


def run_submission(
    notebook: NotebookNode | Path,
    source: NotebookNode | Path,
    *,
    judge: Judge | None = None,
    limits: Limits | None = None,
    diagnose: bool = True,
) -> Record:
    """Judge `notebook` (what a student handed in) against `source` (the trusted notebook with all tests).

    Never raises for anything that is in the student's notebook: what could not be run is in the record. Raises
    `sandbox.WallsMissing` where the machine cannot give the sandbox, and whatever a broken `source` causes.
    """
    if judge is None:
        with Judge() as own:
            return run_submission(notebook, source, judge=own, limits=limits, diagnose=diagnose)
    notebook, source, limits = _read(notebook), _read(source), limits or Limits()
    steps, notices = build_plan(notebook, source)
    record = Record(key=_key(steps, source, limits), started=time.time(), notices=notices)
    begun, cpu = time.monotonic(), time.process_time()
    with as_while_grading():
        for _attempt in (1, 2):
            run = _Run(steps, limits, judge, record, judge.diagnosis(source, limits) if diagnose else None)
            try:
                run.everything()
                record.gradable, record.error = True, ""
                break
            except JudgeFault as fault:  # not the submission's fault: once more
                record.gradable, record.error = False, f"The judge failed: {fault}"
                record.tests, record.cells = [], []
                record.notices = list(notices)
            finally:
                run.close()
    record.walls_missing = list(judge.walls_missing)
    record.seconds, record.judge_cpu = time.monotonic() - begun, time.process_time() - cpu
    return record


def submission_key(notebook: NotebookNode | Path, source: NotebookNode | Path, limits: Limits | None = None) -> str:
    """The key of the record that `run_submission` would make: the same for the same cells, tests and machine.

    It depends on the sources and grade ids of the student's cells (not on outputs, and not on what nbgrader's
    sanitising changes), on the source notebook, on the hidden tests and coursekit, and on the versions of Python,
    torch and numpy. So a driver can look for a record before running anything.
    """
    source = _read(source)
    steps, _ = build_plan(_read(notebook), source)
    return _key(steps, source, limits or Limits())


def _key(steps: list[Step], source: NotebookNode, limits: Limits) -> str:
    from autograder.basis import record_key

    return record_key("judge", [plan_key(steps)], source, limits)


def _read(notebook: NotebookNode | Path) -> NotebookNode:
    return nbformat.read(notebook, as_version=4) if isinstance(notebook, Path) else notebook


@contextlib.contextmanager
def as_while_grading() -> Any:
    """coursekit's checks in this process behave as they do under nbgrader."""
    before = os.environ.get("NBGRADER_EXECUTION")
    os.environ["NBGRADER_EXECUTION"] = "autograde"
    try:
        yield
    finally:
        if before is None:
            del os.environ["NBGRADER_EXECUTION"]
        else:
            os.environ["NBGRADER_EXECUTION"] = before


class _Run:
    """One try at a submission."""

    def __init__(
        self,
        steps: list[Step],
        limits: Limits,
        judge: Judge,
        record: Record,
        diagnosis: Diagnosis | None,
    ):
        self.diagnosis = diagnosis
        self.steps = steps
        self.limits = limits
        self.judge = judge
        self.record = record
        self.process: Process | None = None
        self.spent = 0.0  # CPU seconds of the processes that have ended
        self.last_moment = time.monotonic() + limits.wall(limits.submission_seconds)
        self.ended: dict[int, Gone] = {}  # steps whose cell ended the process
        self.tested: set[int] = set()
        self.runs: list[CellRun] = []
        self.budget = Budget()

    def everything(self) -> None:
        """All cells, then all tests: in the order of the source, in which no test can help one before it."""
        runs, copies = self.cells()
        self.runs = runs
        again = self.limits.replays
        tests = [(step.place, position) for position, step in enumerate(self.steps) if step.kind == "test"]
        for _, position in sorted(tests):
            step = self.steps[position]
            if again and copies and self.process.has_ended():  # a test's code took all processes with it
                again -= 1
                _, copies = self.cells()
            self.test(step, runs[position], copies.get(position))
            if again and copies and self.record.tests[-1].outcome == "crashed":
                again -= 1  # once more: a process can also be killed from outside
                _, copies = self.cells()
                self.record.tests.pop()
                self.test(step, runs[position], copies.get(position))
            self.tested.add(position)
        self.record.cells = runs

    def close(self) -> None:
        """End the processes."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(JudgeFault):  # what is known by now is not lost
            process.cpu()
        self.spent += process.last_cpu
        self.record.student_cpu += process.last_cpu
        self.record.memory = max(self.record.memory, process.peak)
        process.end()

    # -------------------------------------------------------------------------------------------- the cells

    def cells(self) -> tuple[list[CellRun], dict[int, Copy]]:
        """Run the student's cells, again without the offender where one ended the process."""
        for attempt in range(self.limits.replays + 2):
            self.close()
            self.budget = Budget()
            left = self.limits.submission_seconds - self.spent
            limits = self.limits
            if self.spent:
                limits = limits.with_(submission_seconds=max(left, limits.replay_seconds))
            self.process = self.judge.fork(limits)
            self.process.last_moment = self.last_moment
            stop = max(self.ended) if attempt == self.limits.replays + 1 else len(self.steps)
            runs, copies, offender = self.once(stop)
            if offender is None:
                return runs, copies
        self.close()
        gone = self.ended[max(self.ended)]
        for run in runs:
            run.outputs, run.status = [], "skipped"
        runs[max(self.ended)].outputs = [_message_output(gone)]
        return runs, {}

    def once(self, stop: int) -> tuple[list[CellRun], dict[int, Copy], int | None]:
        """Run the cells before `stop` but those that ended an earlier process; the step that ended this one."""
        runs: list[CellRun] = []
        copies: dict[int, Copy] = {}
        offender = None
        number = 0
        for position, step in enumerate(self.steps):
            run = CellRun(step.index, step.kind, step.grade_id)
            runs.append(run)
            number += step.kind != "demo"
            if step.kind == "demo" or offender is not None:
                run.status = "skipped"
                continue
            run.execution_count = number
            began = time.monotonic()
            try:
                if position in self.tested:
                    continue
                if step.kind == "test":
                    copies[position] = self.process.copy(SEED)
                elif position in self.ended:
                    gone = self.ended[position]
                    run.status, run.outputs = gone.outcome, [_message_output(gone)]
                elif position >= stop:
                    run.status = "skipped"
                else:
                    run.status, outputs = self.process.run(step.source, number)
                    run.outputs = [dict(output) for output in clean_outputs(outputs, self.budget)]
                    self.look_at_end(run)
            except Gone as gone:
                offender = position
                if step.kind == "test":  # what was started before ended the process between two cells
                    offender = max((i for i in range(position) if self.steps[i].kind != "test"), default=position)
                self.ended[offender] = gone
                if gone.outcome == "time":  # cells that were stopped softly would use up the time again
                    slow = Gone("time", f"the cell took longer than {self.limits.cell_seconds:g} s")
                    again = {i: slow for i, run in enumerate(runs) if run.status == "time"}
                    self.ended = again | self.ended
            run.seconds = time.monotonic() - began
        return runs, copies, offender

    def look_at_end(self, run: CellRun) -> None:
        """Say in words how a cell was stopped; `Gone` where it has filled the memory, which others need."""
        ends = [output.get("ename") for output in run.outputs if output["output_type"] == "error"]
        if run.status == "time":
            others = [output for output in run.outputs if output["output_type"] != "error"]
            text = f"The cell took longer than {self.limits.cell_seconds:g} s and was stopped. What it had done stays."
            run.outputs = [*others, _error_output("TimeLimit", text)]
        elif run.status == "error" and "MemoryError" in ends:
            raise Gone("memory", f"The limit of {self.limits.memory >> 20} MB of memory was reached")

    # -------------------------------------------------------------------------------------------- the tests

    def test(self, step: Step, run: CellRun, copy: Copy | None) -> None:
        """Run one test against its copy and write down the result."""
        outcome = message = ""
        if copy is None:
            outcome = "crashed"
            message = "This test could not be run: the notebook's cells ended the process each time."
        elif time.monotonic() > self.last_moment:
            outcome = "time"
            message = "This test was not run: the time for the whole notebook was used up."
        if outcome:
            self.record.tests.append(TestResult(step.grade_id or "", 0.0, step.points, outcome, message))
            run.status = outcome
            return
        began = time.monotonic()
        copy.begin()
        try:
            tested = run_test(step, copy.link, self.limits, SEED)
            if tested.result.outcome == "missing" and (why := self.why_missing(step)):
                add_row(tested, "Its cell", why)
            if self.diagnosis is not None and tested.result.outcome in ("wrong", "raised"):
                self.diagnose(step, copy, tested.result)
        finally:
            copy.end()
        self.record.tests.append(tested.result)
        if tested.notice:
            self.record.notices.append(tested.notice)
        run.status = "ok" if tested.result.outcome == "passed" else "error"
        run.outputs = [dict(output) for output in clean_outputs(tested.outputs, self.budget)]
        run.seconds = time.monotonic() - began

    def why_missing(self, step: Step) -> str:
        """What became of the cell of the exercise, so that a name is not said to be wrong for no reason."""
        for run in self.runs:
            if run.grade_id == step.exercise and run.status == "skipped":
                return "was not run: cells before it ended the process each time"
            if run.grade_id == step.exercise and run.status != "ok":
                errors = [output for output in run.outputs if output["output_type"] == "error"]
                if errors:
                    text = _CELL_FILE.sub(r"cell In[\1]", errors[-1]["evalue"])
                    return f"ended with {errors[-1]['ename']}: {text[:200]}"
        return ""

    def diagnose(self, step: Step, copy: Copy, result: TestResult) -> None:
        """Add the hint of the known wrong answer that this one behaves like."""
        copy.begin()
        wrong = self.diagnosis.hint(step, copy)
        if wrong is not None:
            result.hint, result.misconception = wrong.hint, wrong.name


def _message_output(gone: Gone) -> dict[str, Any]:
    words = {"time": "TimeLimit", "memory": "MemoryLimit", "crashed": "ProcessEnded"}[gone.outcome]
    said = gone.message[:1].upper() + gone.message[1:]
    return _error_output(words, f"{said}. The cell was left out, and the notebook was run again without it.")


def _error_output(name: str, text: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}
