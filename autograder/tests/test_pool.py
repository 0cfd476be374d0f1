"""Worker processes: results, failures, deaths, and no worker left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from autograder.pool import Failure, Pool


@contextlib.contextmanager
def context():
    yield "ready"


def broken_context():
    raise RuntimeError("there is no sandbox here")


def work(state, task):
    assert state == "ready"
    if task == "raise":
        raise ValueError("no good")
    if task == "die":
        os._exit(7)
    if task == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == "hang":
        time.sleep(60)
    return task, os.getpid()


def outcome_of(jobs, tasks, seconds=60.0, make=context):
    with Pool(jobs, make, work, seconds) as pool:
        return dict(pool.run(tasks))


def test_every_task_is_done_once_by_few_processes():
    done = outcome_of(2, list(range(8)))
    assert {task: answer[0] for task, answer in done.items()} == {n: n for n in range(8)}
    assert len({answer[1] for answer in done.values()}) <= 2


def test_a_task_that_raises_or_dies_harms_no_other():
    deaths = ["die", "kill"] if hasattr(signal, "SIGKILL") else ["die"]
    done = outcome_of(1, ["raise", 1, *deaths, 2])
    assert done[1][0] == 1 and done[2][0] == 2
    assert isinstance(done["raise"], Failure) and "no good" in done["raise"].reason and not done["raise"].died
    for death in deaths:
        assert done[death].died


def test_a_task_that_hangs_is_ended():
    done = outcome_of(1, ["hang", 1], seconds=5)
    assert done["hang"].died and "longer than" in done["hang"].reason
    assert done[1][0] == 1


def test_a_worker_that_cannot_begin_says_so():
    done = outcome_of(1, [1], make=broken_context)
    assert done[1] == Failure("there is no sandbox here", setup=True)


PARENT = """
import os, sys, time
sys.path.insert(0, {place!r})
from autograder.tests import test_pool as me
from autograder.pool import Pool
if __name__ == "__main__":
    with Pool(1, me.context, me.work, 60.0) as pool:
        for task, answer in pool.run(["first", "hang"]):
            print(answer[1], flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="looks at processes as POSIX does")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(place=os.getcwd()), encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while is_alive(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(worker)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return True
