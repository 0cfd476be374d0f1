"""Where a class is graded.

    submitted/<student>/<assignment>/topic.ipynb     what was handed in, laid out as nbgrader wants it
    autograded/  feedback/  gradebook.db             nbgrader's own
    grading/     uploads.csv                         which file became which student
                 checked/ records/ state/            clean notebooks, results, what the gradebook already has
                 report.html grades.csv grades_long.csv

By default this is the repository itself, so that `nbgrader` and Formgrader, started there, see the class that
`autograder grade --submissions DIR` graded. The example class gets a folder of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout


class Busy(RuntimeError):
    """Another process is at work in the class folder."""


@dataclass(frozen=True)
class ClassFolder:
    """The folder in which one class is graded."""

    path: Path

    @property
    def submitted(self) -> Path:
        """What was handed in, laid out as nbgrader wants it, unchanged."""
        return self.path / "submitted"

    @property
    def autograded(self) -> Path:
        """nbgrader's autograded notebooks."""
        return self.path / "autograded"

    @property
    def feedback(self) -> Path:
        """The pages that students get back."""
        return self.path / "feedback"

    @property
    def gradebook(self) -> Path:
        """nbgrader's gradebook, unless the configuration names another database."""
        return self.path / "gradebook.db"

    @property
    def grading(self) -> Path:
        """What belongs to `autograder grade` alone."""
        return self.path / "grading"

    @property
    def checked(self) -> Path:
        """The submissions after checking and repairing: what nbgrader reads."""
        return self.grading / "checked"

    @property
    def records(self) -> Path:
        """One result for each submission content, checks and environment."""
        return self.grading / "records"

    @property
    def state(self) -> Path:
        """For each student and assignment, what has been written into the gradebook."""
        return self.grading / "state"

    @property
    def lock_file(self) -> Path:
        """Held by whoever writes into the folder; the system releases it when that process ends, however."""
        return self.grading / "lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Have the folder alone within the block. `Busy` if another process has it."""
        self.grading.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.lock_file, timeout=0):
                yield
        except Timeout:
            raise Busy("This class is being graded by another process; wait for it to end.") from None
