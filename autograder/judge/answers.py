"""Run variants (wrong and right answers) across the judge: the sandboxed counterpart of `variants.PlainRunner`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from autograder.source import SourceCell
from autograder.variants import Outcome

from .limits import Limits
from .plan import Step
from .process import JudgeFault, Process
from .proxy import Gone
from .runner import SEED, Judge, as_while_grading
from .testcell import run_test

_KINDS = {"time": "raised", "memory": "raised", "crashed": "raised", "fault": "crashed"}


class AnswersInJudge:
    """Each answer's cells in a fresh sandboxed process, its test cells in this one. See `variants.Runner`."""

    def __init__(self, judge: Judge, limits: Limits | None = None):
        self.judge = judge
        self.limits = limits or Limits()

    def run(self, cells: Sequence[tuple], tests: Sequence[SourceCell]) -> dict[str, Outcome]:
        """One outcome per test cell; `cells` are (id, source) in order."""
        process = self.judge.fork(self.limits)
        try:
            with as_while_grading():
                failure = self._cells(process, cells)
                return {test.id: failure or self._test(process, test) for test in tests}
        finally:
            process.end()

    def _cells(self, process: Process, cells: Sequence[tuple]) -> Outcome | None:
        """The outcome that a failing cell stands for, None where all ran."""
        for number, (cell_id, source) in enumerate(cells, 1):
            try:
                status, outputs = process.run(source, number)
            except Gone as gone:
                return Outcome("cell", f"the cell {cell_id} failed: {gone.message}")
            if status != "ok":
                error = next((o for o in outputs if o.get("output_type") == "error"), {})
                text = f"{error.get('ename')}: {error.get('evalue')}"
                return Outcome("cell", f"the cell {cell_id} failed: {text}")
        return None

    def _test(self, process: Process, test: SourceCell) -> Outcome:
        began = time.perf_counter()
        copy = process.copy(SEED)
        copy.begin()
        try:
            step = Step(None, "test", test.id, test.text, float(test.points or 0))
            tested = run_test(step, copy.link, self.limits, SEED)
        except JudgeFault as fault:
            return Outcome("crashed", str(fault))
        finally:
            copy.end()
        result = tested.result
        kind = "crashed" if tested.notice else _KINDS.get(result.outcome, result.outcome)
        message = tested.notice or result.message
        return Outcome(kind, message, tested.what, tested.case, time.perf_counter() - began)
