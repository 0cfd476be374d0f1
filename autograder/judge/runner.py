"""Judge one notebook: run the student's cells in the sandbox, the test cells outside of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .limits import Limits
from .record import Record

if TYPE_CHECKING:
    from nbformat import NotebookNode


class Judge:
    """A warm judge: one zygote, reused for every submission. Use as a context manager, one per worker
    process.

        with Judge() as judge:
            for notebook in notebooks:
                record = run_submission(notebook, source, judge=judge)

    Not for use from several threads at once; start it from the worker's main thread. A killed zygote is
    started again by the next submission. `fewer_walls=True` runs even where walls of the sandbox are
    missing (else `sandbox.WallsMissing` says which); `judge.walls_missing` lists them.
    """


def run_submission(
    notebook: NotebookNode | Path,
    source: NotebookNode | Path,
    *,
    judge: Judge | None = None,
    limits: Limits | None = None,
    diagnose: bool = True,
) -> Record:
    """Judge `notebook` (what a student handed in) against `source` (the trusted notebook with all tests).

    Never raises for anything that is in the student's notebook: what could not be run is in the record.
    Raises `sandbox.WallsMissing` where the machine cannot give the sandbox, and whatever a broken
    `source` causes.
    """
    raise RuntimeError("the judge is not built yet")


def submission_key(notebook: NotebookNode | Path, source: NotebookNode | Path, limits: Limits | None = None) -> str:
    """The key of the record that `run_submission` would make: the same for the same cells, tests and
    environment.

    It depends on the sources and grade ids of the student's cells (not on outputs, and not on what nbgrader's
    sanitising changes), on the source notebook, on the hidden tests and coursekit, and on the versions of
    Python, torch and numpy. So a driver can look for a record before running anything.
    """
    raise RuntimeError("the judge is not built yet")
