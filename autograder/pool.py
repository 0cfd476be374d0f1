"""Worker processes that survive each other: each runs one task at a time, and a dead one is known by its task.

`concurrent.futures` declares a whole pool broken when one process dies, and cannot say on which task; a class has
submissions that kill their worker (memory), and the others have to go on.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")

_GRACE = 5.0


@dataclass(frozen=True)
class Failure:
    """A task that has no result: what happened, in words.

    `died` where the process ended or had to be ended, `setup` where it could not begin at all: then no task can.
    """

    reason: str
    died: bool = False
    setup: bool = False


def failure(error: Exception) -> Failure:
    """The failure of a task that raised: what, and where in our code."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Failure(f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})")


class Pool(Generic[Task]):
    """Runs `work(context, task)` in `jobs` processes; `make()` gives each its context (a context manager).

    `make` and `work` are functions of a module (they are pickled). A context manager: leaving it ends the workers.
    If the process that made the pool is killed, the workers end themselves at once.
    """

    def __init__(self, jobs: int, make: Callable[[], Any], work: Callable[[Any, Task], Any], seconds: float):
        """`seconds` is the longest a task may take before its process is killed."""
        self._spawn = multiprocessing.get_context("spawn")
        self._make, self._work, self._seconds = make, work, seconds
        self._jobs = max(1, jobs)
        self._workers: list[_Worker] = []

    def __enter__(self) -> Pool[Task]:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.end(_GRACE)
        self._workers.clear()

    def warm_up(self) -> None:
        """Start the processes, which then make their contexts while the caller gets the tasks ready."""
        while len(self._workers) < self._jobs:
            self._workers.append(_Worker(self._spawn, self._make, self._work))

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        """(task, result or `Failure`) in the order in which they finish."""
        waiting = deque(tasks)
        while waiting or any(w.task is not None for w in self._workers):
            self._start(waiting)
            yield from self._collect()

    def _start(self, waiting: deque[Task]) -> None:
        for worker in self._workers:
            if worker.task is None and waiting:
                worker.give(waiting.popleft())
        while waiting and len(self._workers) < self._jobs:
            worker = _Worker(self._spawn, self._make, self._work)
            self._workers.append(worker)
            worker.give(waiting.popleft())

    def _collect(self) -> Iterator[tuple[Task, Any]]:
        busy = {w.channel: w for w in self._workers if w.task is not None}
        if not busy:
            return
        oldest = min(w.since for w in busy.values())
        patience = max(0.0, oldest + self._seconds - time.monotonic())
        for channel in connection.wait(list(busy), timeout=min(patience, 60.0)):
            worker = busy.pop(channel)
            task, worker.task = worker.task, None
            try:
                yield task, channel.recv()
            except (EOFError, OSError):
                worker.end(_GRACE)
                self._workers.remove(worker)
                yield task, Failure(f"the grading process ended ({worker.how_it_ended()})", died=True)
        for worker in busy.values():
            if time.monotonic() > worker.since + self._seconds:
                task, worker.task = worker.task, None
                worker.end(0.0)
                self._workers.remove(worker)
                yield task, Failure(f"grading took longer than {self._seconds:.0f} s", died=True)


class _Worker:
    def __init__(self, spawn: Any, make: Callable, work: Callable):
        self.channel, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(theirs, make, work), daemon=True)
        self.process.start()
        theirs.close()  # so that the end of the process is the end of the channel
        self.task: Any = None
        self.since = 0.0

    def give(self, task: Any) -> None:
        self.task, self.since = task, time.monotonic()
        with contextlib.suppress(OSError):  # it is dead already: noticed when its answer is waited for
            self.channel.send(task)

    def stop(self) -> None:
        """Tell an idle worker to end."""
        with contextlib.suppress(OSError):
            self.channel.send(None)

    def end(self, grace: float) -> None:
        self.process.join(grace if self.task is None else 0)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(_GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.channel.close()

    def how_it_ended(self) -> str:
        code = self.process.exitcode
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit status {code}"


def _serve(channel: connection.Connection, make: Callable, work: Callable) -> None:
    """A worker's life."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    with contextlib.ExitStack() as stack:
        context: Any = None
        failed: Failure | None = None
        settled = False
        try:
            context = stack.enter_context(make())
        except KeyboardInterrupt:
            return
        except Exception as error:
            failed = Failure(str(error), setup=True)
        while True:
            try:
                task = channel.recv()
            except (EOFError, OSError):
                return
            if task is None:
                return
            try:
                answer = failed or work(context, task)
                if not settled:  # what the first task imported stays for good: no need to look through it again
                    gc.collect()
                    gc.freeze()
                    settled = True
            except KeyboardInterrupt:
                return
            except Exception as error:  # the task fails, the worker goes on
                answer = failure(error)
            try:
                channel.send(answer)
            except OSError:
                return


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
