"""`autograder bench`: our grading beside stock nbgrader's, the same class, in one run.

Each of the class's submissions is a full solution that differs from the others by a comment, so none is found in
the records of another. Stock is plain `nbgrader autograde` with nbgrader's own preprocessors, in a course of its own
that holds the same source notebook. It runs every cell; because ours leaves out figures and experiments, a second
row has these marked to be skipped in stock nbgrader as well. The figures are those of the machine and the moment;
nothing is judged here.
"""

from __future__ import annotations

import copy
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.course import COURSE, ROOT, Chapter

_MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")
_STOCK_CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "bench"
c.Execute.timeout = 300
"""


@dataclass
class Timing:
    """Wall and CPU seconds of `count` submissions."""

    name: str
    count: int
    wall: float = 0.0
    cpu: float = 0.0
    extra: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """One row of the table."""
        each = f"{self.wall / self.count:8.2f} {self.cpu / self.count:8.2f}"
        return f"{self.name:<34} {self.count:>5} {self.wall:>9.1f} {self.cpu:>9.1f} {each}"


def bench(chapter: Chapter, students: int = 40, stock_students: int | None = None, jobs: int = 2) -> str:
    """The table for one chapter. `stock_students`: how many of the class stock nbgrader grades (default: all)."""
    stock_count = students if stock_students is None else min(stock_students, students)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        handed_in = [submission(chapter, number) for number in range(students)]
        rows = []
        if stock_count:
            stock = _stock("stock nbgrader autograde", folder / "stock", chapter, handed_in[:stock_count])
            fewer = "the same, without demo cells"
            skipping = _stock(fewer, folder / "fewer", chapter, handed_in[:stock_count], demos=False)
            empty = _stock("  of which its start (1, nothing run)", folder / "empty", chapter, handed_in[:1], run=False)
            rows += [stock, skipping, empty]
        first, again = _ours(folder / "ours", chapter, handed_in, jobs)
        rows += [first, again]
    lines = [f"{'':<34} {'n':>5} {'wall s':>9} {'CPU s':>9} {'wall/n':>8} {'CPU/n':>8}", *(r.line() for r in rows)]
    if stock_count:
        ours = first.wall / first.count
        faster, anyway = stock.wall / stock.count / ours, skipping.wall / skipping.count / ours
        lines.append(
            f"{chapter.folder}: {faster:.1f} times the throughput of stock nbgrader with {jobs} jobs; "
            f"{anyway:.1f} times where it skips the demo cells, too"
        )
    lines += [f"{what:<58} {value:8.3f}" for what, value in first.extra.items()]
    return "\n".join(lines)


def submission(chapter: Chapter, number: int) -> NotebookNode:
    """A full solution as a student hands it in."""
    source = nbformat.read(chapter.solution_notebook, as_version=4)
    handed_in = nbformat.read(chapter.student_notebook, as_version=4)
    answers = {_grade_id(c): c.source for c in source.cells if c.metadata.get("nbgrader", {}).get("solution")}
    for cell in handed_in.cells:
        if _grade_id(cell) in answers:
            lines = answers[_grade_id(cell)].split("\n")
            kept = [line for line in lines if line.strip() not in _MARKERS]
            cell.source = "\n".join([*kept, f"# student {number}"])
    return handed_in


def _grade_id(cell: NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _stock(
    name: str, folder: Path, chapter: Chapter, class_: list[NotebookNode], *, run: bool = True, demos: bool = True
) -> Timing:
    """Plain `nbgrader autograde` on the class; `run=False` without running anything (its fixed cost), `demos=False`
    without the cells that ours does not run."""
    source, *class_ = map(copy.deepcopy, (nbformat.read(chapter.solution_notebook, as_version=4), *class_))
    for notebook in (source, *class_):
        for cell in notebook.cells:
            if not demos and cell.metadata.get("coursekit", {}).get("kind") == "demo":
                cell.metadata["tags"] = ["skip-execution"]
    _write(source, folder / "source" / chapter.folder / f"{chapter.topic}.ipynb")
    (folder / "nbgrader_config.py").write_text(_STOCK_CONFIG)
    for number, notebook in enumerate(class_):
        _write(notebook, folder / "submitted" / f"s{number:04d}" / chapter.folder / f"{chapter.topic}.ipynb")
    _nbgrader(folder, "generate_assignment", chapter.folder, "--create", "--force")
    timing = Timing(name, len(class_))
    with _timed(timing):
        _nbgrader(folder, "autograde", chapter.folder, *([] if run else ["--no-execute"]))
    return timing


def _nbgrader(folder: Path, *arguments: str) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(COURSE))),
        "COURSE_PRESET": "smoke",
        "COURSE_HEADLESS": "1",
    }
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"nbgrader {arguments[0]} failed:\n{done.stderr[-2000:]}")


def _ours(folder: Path, chapter: Chapter, class_: list[NotebookNode], jobs: int) -> tuple[Timing, Timing]:
    """`autograder grade` on the class, and once more with nothing changed."""
    from autograder.grade import grade
    from autograder.layout import ClassFolder

    for number, notebook in enumerate(class_):
        _write(notebook, folder / "in" / f"s{number:04d}" / chapter.folder / f"{chapter.topic}.ipynb")
    first = Timing(f"autograder grade, {jobs} jobs", len(class_))
    again = Timing("autograder grade again, unchanged", len(class_))
    target = ClassFolder(folder / "class")
    with _timed(first):
        result = grade([chapter], folder / "in", target, jobs=jobs)
    with _timed(again):
        grade([chapter], folder / "in", target, jobs=jobs)
    records = list(result.chapters[0].records.values()) if result.chapters else []
    if records:
        count = len(records)
        cells = sum(r.student_cpu for r in records) / count
        first.extra = {
            "CPU s a submission, the student's processes": cells,
            "CPU s a submission, above the student's processes": first.cpu / count - cells,
            "CPU s a submission, test cells in the judge": sum(r.judge_cpu for r in records) / count,
            "wall s from request to record, median": sorted(r.seconds for r in records)[count // 2],
            "MB of a student's processes at most": max(r.memory for r in records) / 1e6,
        }
        if most := sum(r.max_points for r in records):
            first.extra["points of the class, share of all"] = sum(r.points for r in records) / most
    return first, again


def _write(notebook: NotebookNode, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


@contextmanager
def _timed(timing: Timing) -> Iterator[None]:
    def cpu() -> float:
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    wall, before = time.monotonic(), cpu()
    try:
        yield
    finally:
        timing.wall, timing.cpu = time.monotonic() - wall, cpu() - before
