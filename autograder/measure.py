"""`autograder measure`: time, memory and size of a chapter's notebook, run in a process of its own.

The figures depend on the machine; nothing is judged here.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from autograder.build import CELL_SECONDS, PRESET, BuildError, expand, run_environment
from autograder.course import Chapter
from autograder.source import read_source

__all__ = ["BuildError", "CellTime", "Measured", "measure", "table"]

_SAMPLE = 0.05


@dataclass(frozen=True)
class CellTime:
    """Seconds that one code cell took."""

    id: str
    kind: str
    seconds: float


@dataclass(frozen=True)
class Measured:
    """One run of a chapter's solution notebook.

    `seconds`: from asking for the kernel until the last cell; `start_seconds`: until the kernel answered;
    `cpu_seconds` and `peak_bytes`: of the kernel and its children (the peak is sampled, and at least the
    kernel's own high-water mark where the system keeps one); `solution_bytes`, `student_bytes`: the sizes of
    the notebooks on disk (0 where missing).
    """

    chapter: str
    preset: str
    cells: tuple[CellTime, ...]
    seconds: float
    start_seconds: float
    cpu_seconds: float
    peak_bytes: int
    solution_bytes: int
    student_bytes: int


def measure(item: Chapter, *, preset: str = PRESET, progress: Callable[[int, int], None] | None = None) -> Measured:
    """Run the chapter's source as the builder would, in a fresh kernel, and measure it.

    The device is that of COURSE_DEVICE, by default the CPU; at preset full no time limit holds for a cell.
    Raises `BuildError` if a cell fails.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = expand(read_source(item, check_points=False), item)
    cells: list[CellTime] = []
    client = NotebookClient(
        notebook,
        timeout=None if preset == "full" else CELL_SECONDS,
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=40"],
        resources={"metadata": {"path": str(item.source.parent)}},
    )
    before = time.perf_counter()
    with client.setup_kernel(env=run_environment(preset, os.environ.get("COURSE_DEVICE", "cpu"))):
        started = time.perf_counter()
        with _Watch(client.km.provisioner.pid) as watch:
            for index, cell in enumerate(notebook.cells):
                begin = time.perf_counter()
                try:
                    client.execute_cell(cell, index)
                except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                    raise BuildError(f"{item.source.name}: cell {cell['id']} failed\n{error}") from error
                if cell.cell_type == "code":
                    kind = cell.metadata["coursekit"]["kind"]
                    cells.append(CellTime(cell["id"], kind, time.perf_counter() - begin))
                if progress:
                    progress(index + 1, len(notebook.cells))
        seconds = time.perf_counter() - before
    return Measured(
        chapter=item.folder,
        preset=preset,
        cells=tuple(cells),
        seconds=seconds,
        start_seconds=started - before,
        cpu_seconds=watch.cpu,
        peak_bytes=watch.peak,
        solution_bytes=_size(item.solution_notebook),
        student_bytes=_size(item.student_notebook),
    )


class _Watch:
    """CPU time and peak memory of a process and its children while the block runs."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.peak = 0
        self.cpu = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        self.peak = max(self.peak, _high_water(self.process.pid))

    def _run(self) -> None:
        while not self._stop.wait(_SAMPLE):
            self._look()

    def _look(self) -> None:
        memory, cpu = 0, 0.0
        try:
            family = [self.process, *self.process.children(recursive=True)]
        except psutil.Error:
            return
        for process in family:
            try:
                memory += process.memory_info().rss
                times = process.cpu_times()
            except psutil.Error:
                continue
            cpu += times.user + times.system
        self.peak = max(self.peak, memory)
        self.cpu = max(self.cpu, cpu)


def _high_water(pid: int) -> int:
    """The largest resident size that the process ever had, where Linux keeps it; else 0."""
    if sys.platform != "linux":
        return 0
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def table(result: Measured, *, cells: bool = True) -> str:
    """The figures as text: one line a code cell (if `cells`), then the totals."""
    lines = [f"{result.chapter} at preset {result.preset}"]
    if cells:
        width = max((len(cell.id) for cell in result.cells), default=0)
        lines += [f"  {cell.id:<{width}}  {cell.kind:<8}  {cell.seconds:8.2f} s" for cell in result.cells]
    slowest = max(result.cells, key=lambda cell: cell.seconds, default=None)
    lines += [
        f"  total      {result.seconds:.1f} s ({result.start_seconds:.1f} s of it to start the kernel)",
        f"  CPU        {result.cpu_seconds:.1f} s",
        f"  peak RSS   {result.peak_bytes / 2**20:.0f} MiB",
        f"  notebooks  {result.solution_bytes / 1000:.0f} kB executed, {result.student_bytes / 1000:.0f} kB student's",
    ]
    if slowest:
        lines.append(f"  slowest    {slowest.id}: {slowest.seconds:.1f} s")
    return "\n".join(lines)
