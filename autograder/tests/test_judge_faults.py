"""Processes killed from outside at random moments: no result is ever wrong, and nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from autograder.course import ROOT
from autograder.judge.record import Record
from autograder.judge.runner import Judge, run_submission
from autograder.tests.judging import PATIENT, ends, exercise, family, notebook, test_of, the_judge

SOURCE = notebook(
    *(
        cell
        for n in range(4)
        for cell in (
            exercise(
                f"ex{n}", f"import time\ntime.sleep(0.02)\ndef f{n}(x):\n    time.sleep(0.005)\n    return x + {n}"
            ),
            test_of(f"ex{n}-test", 1, f"for x in range(4):\n    assert f{n}(x) == x + {n}"),
        )
    )
)


def kill_some(judge: Judge, depth: int, after: float, killed: list[int]) -> None:
    """Kill -9, after a moment, a process so many levels below the judge's own child, which is the launcher."""
    time.sleep(after)
    zygote = judge._zygote
    if zygote is None:
        return
    chosen = [pid for pid, level in family(zygote.process.pid).items() if level == depth]
    if chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(random.choice(chosen), signal.SIGKILL)
            killed.append(depth)


# launcher, zygote, supervisor, student's process, its copies
@pytest.mark.parametrize(("depth", "times"), [(0, 2), (1, 4), (2, 40), (3, 40), (4, 30)])
@pytest.mark.slow
def test_kills_at_random_moments_cost_nobody_a_point(depth, times):
    with Judge() as judge:
        rng, killed, failed = random.Random(depth), [], 0
        for _ in range(times):
            killer = threading.Thread(target=kill_some, args=(judge, depth, rng.uniform(0.0, 0.3), killed))
            killer.start()
            record = run_submission(SOURCE, SOURCE, judge=judge, limits=PATIENT, diagnose=False)
            killer.join()
            failed += not record.gradable
            assert record.points == 4 if record.gradable else (record.error and not record.tests), record
        assert len(killed) >= times // 2, "the kills came too late to mean anything"
        assert failed <= times // 5
        assert run_submission(SOURCE, SOURCE, judge=judge, limits=PATIENT).points == 4
        pid = judge._zygote.process.pid
        assert ends(lambda: set(family(pid).values()) <= {0, 1}), "a process of a submission was left behind"
    assert not Path(f"/proc/{pid}").exists()


def test_a_killed_zygote_is_replaced():
    judge = the_judge()
    before = judge.zygote().process.pid
    os.kill(before, signal.SIGKILL)
    record = run_submission(SOURCE, SOURCE, judge=judge, limits=PATIENT)
    assert record.points == 4 and judge.zygote().process.pid != before


GRADER = """
import os, sys, time
from autograder.tests.judging import the_judge, PATIENT
judge = the_judge()
process = judge.fork(PATIENT)
print(judge.zygote().process.pid, flush=True)
process.run("import os\\nfor _ in range(3):\\n    if os.fork() == 0:\\n        while True: pass\\nwhile True: pass", 1)
"""


def test_a_killed_grader_leaves_no_process():
    grader = subprocess.Popen([sys.executable, "-c", GRADER], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    launcher = int(grader.stdout.readline())
    time.sleep(0.5)
    everyone = set(family(launcher))
    assert len(everyone) >= 4
    grader.kill()
    grader.wait()
    assert ends(lambda: not any(Path(f"/proc/{pid}").exists() for pid in everyone))


FULL = """
import sys
from pathlib import Path
from autograder.judge.record import Record
path = Path(sys.argv[1]) / "record.json"
small, large = Record("small"), Record("large", error="x" * 200_000)
small.save(path)
try:
    large.save(path)
except OSError as error:
    print(error.errno, Record.load(path).key, len(list(path.parent.iterdir())))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk_keeps_the_old_record(tmp_path):
    script = f"mount -t tmpfs -o size=64k tmpfs {tmp_path} && exec {sys.executable} -c '{FULL}' {tmp_path}"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["28", "small", "1"], done.stderr


def test_a_clock_that_jumps_changes_no_result(monkeypatch):
    jumps = iter([1e9, -1e9, 0.0] * 1000)
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    record = run_submission(SOURCE, SOURCE, judge=the_judge(), limits=PATIENT)
    assert record.points == 4 and 0 < record.seconds < 600
    assert Record.from_json(record.to_json()) == record
