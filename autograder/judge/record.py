"""The result of judging one notebook: plain data, written to disk in one step.

A record is made by `runner.run_submission` and read by whatever writes the gradebook, the autograded
notebook and the reports. Points come from here and never from a cell's outputs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import numbers
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = 1

OUTCOMES = {
    "passed": "all checks passed",
    "open": "not attempted",
    "missing": "a name that the test needs does not exist",
    "raised": "the student's code raised an exception",
    "wrong": "a check failed",
    "time": "a time limit was reached",
    "memory": "the memory limit was reached",
    "crashed": "the student's process ended during the test",
    "fault": "the test itself is broken: for the instructor to mend, the student cannot",
}


@dataclass
class TestResult:
    """The result of one test cell.

    `outcome` is a key of `OUTCOMES`; `message` is what the student reads (never empty unless passed);
    `hint` what a recognised misconception's author needs to hear, `misconception` its name.
    """

    __test__ = False  # not a class of tests, whatever pytest thinks of its name

    grade_id: str
    points: float
    max_points: float
    outcome: str
    message: str = ""
    hint: str | None = None
    misconception: str | None = None
    cpu: float = 0.0  # seconds of the judge's CPU, the student's calls not counted
    seconds: float = 0.0  # wall


@dataclass
class CellRun:
    """What happened to one cell, in the order of the run.

    `index` is the cell's position in the notebook that was handed in (None: it was missing there and the
    source's cell was put in at this place), `kind` one of "student", "given", "test", "demo"; `outputs`
    are cleaned nbformat outputs. `status`: "ok", "error", "skipped", "time", "memory", "crashed".
    """

    index: int | None
    kind: str
    grade_id: str | None
    status: str = "ok"
    execution_count: int | None = None
    outputs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Record:
    """One submission's result.

    `key` names the content that was judged: submission, tests and environment (see `content_key`).
    `gradable` is False where the judge could not do its work (a fault of ours or of the machine: costs
    the student nothing and is to be run again); `error` says why. `notices` are things to tell the
    instructor (cells put back, cells that had to be skipped). `walls_missing` lists the sandbox's walls
    that did not stand.
    """

    key: str
    notebook: str = ""
    gradable: bool = True
    error: str = ""
    tests: list[TestResult] = field(default_factory=list)
    cells: list[CellRun] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    walls_missing: list[str] = field(default_factory=list)
    started: float = 0.0  # Unix time
    seconds: float = 0.0  # wall, from the request to the finished record
    student_cpu: float = 0.0
    judge_cpu: float = 0.0
    memory: int = 0  # most bytes the student's processes held together
    schema: int = SCHEMA

    @property
    def points(self) -> float:
        """Points earned."""
        return sum(test.points for test in self.tests)

    @property
    def max_points(self) -> float:
        """Points that could be earned."""
        return sum(test.max_points for test in self.tests)

    def test(self, grade_id: str) -> TestResult:
        """The result of this test cell; `KeyError` if the record has none."""
        for result in self.tests:
            if result.grade_id == grade_id:
                return result
        raise KeyError(grade_id)

    def to_json(self) -> str:
        """As text; `from_json` reads it back."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read `to_json`'s text. `ValueError` if it is damaged or of another schema."""
        try:
            data = json.loads(text)
            if data.get("schema") != SCHEMA:
                raise ValueError(f"record schema {data.get('schema')!r}, expected {SCHEMA}")
            data["tests"] = [TestResult(**item) for item in data["tests"]]
            data["cells"] = [CellRun(**item) for item in data["cells"]]
            return cls(**data)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"damaged record: {error}") from None

    def save(self, path: Path) -> None:
        """Write to `path` in one step: a reader finds the old file or the whole new one, never a part."""
        write_atomically(path, self.to_json())

    @classmethod
    def load(cls, path: Path) -> Record | None:
        """The record at `path`; None where there is none or it is damaged (it is to be made again)."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None


def write_atomically(path: Path, text: str) -> None:
    """Write a text file by a temporary one beside it, flushed to disk, and a rename.

    Who may read it is what the umask says. What no file can hold (half a surrogate pair) becomes a question mark.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("x", encoding="utf-8", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise


def partial_points(value: object, most: float) -> float:
    """The points of a test cell that ended with this value, of `most`.

    A real number (numpy's too) is partial credit, as in nbgrader, as far as there are points for it; one that is
    not finite earns nothing. Anything else, nothing at all and True included, is no number: all points.
    """
    if type(value) is bool or not issubclass(type(value), numbers.Real):
        return most
    if not isinstance(value, numbers.Rational) and not math.isfinite(value):
        return 0.0
    return float(min(max(value, 0), most))


def content_key(*parts: str | bytes) -> str:
    """One hash of several parts, each with its length, so that no two lists of parts run together."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big"))
        total.update(data)
    return total.hexdigest()
