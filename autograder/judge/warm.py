"""The judge's side of the warm process: starts the zygote in a clean environment and asks it for forks."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

from autograder.course import COURSE, DATA, ROOT
from autograder.threads import ONE_THREAD

from .limits import Limits
from .process import ANSWER_SECONDS, START_SECONDS, JudgeFault, Process

_PACKAGE = Path(__file__).resolve().parent.parent


def _environment() -> dict[str, str]:
    """What the zygote, and so every submission, finds in its environment; nothing of the grader's."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join((str(_PACKAGE.parent), str(COURSE))),
        # Large pages make a fork several times cheaper: less of the page table is copied.
        "PYTHONMALLOC": "malloc",
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        **ONE_THREAD,
        "OMP_THREAD_LIMIT": "1",  # whatever a notebook sets: threads do not survive a fork
        "CUDA_VISIBLE_DEVICES": "",
        "NBGRADER_EXECUTION": "autograde",
        "COURSE_HEADLESS": "1",
        "COURSE_PRESET": "smoke",
        "COURSE_DEVICE": "cpu",
        "COURSE_DATA": str(DATA),
    }


def _config() -> dict:
    """What the zygote's file tree holds."""
    paths = sysconfig.get_paths()
    prefixes = {sys.prefix, sys.base_prefix, paths["purelib"], paths["platlib"], paths["stdlib"]}
    prefixes = {os.path.realpath(p) for p in prefixes} | prefixes
    prefixes = {p for p in prefixes if p not in ("/", "/usr", "/usr/local")}
    coursekit = COURSE / "coursekit"
    own = [_PACKAGE / name for name in ("__init__.py", "testing.py", "forbidden.py", "judge")]
    readable = [*sorted(prefixes), str(coursekit), str(DATA)]
    import matplotlib

    return {
        "readable": readable,
        "hidden": [str(_PACKAGE)],
        "within_hidden": [*map(str, own)],
        "fonts": matplotlib.get_cachedir(),
        "only_while_warming": [str(ROOT), str(_PACKAGE.parent)],
    }


class Zygote:
    """The warm process. Start it once; `fork` as often as needed; `close` ends all that came of it."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control = ours
        with theirs:
            environment = _environment() | {"JUDGE_CONTROL": str(theirs.fileno())}
            self.errors = _Tail()
            self.process = subprocess.Popen(
                [sys.executable, "-s", "-c", "from autograder.judge.zygote import main; main()"],
                cwd="/",
                env=environment,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors.write_end,
                start_new_session=True,
            )
        self.errors.close_write_end()
        self.walls_missing: list[str] = []
        try:
            self.control.send(json.dumps(_config()).encode())
            self.walls_missing = self._await_ready()
        except BaseException:
            self.close()
            raise

    def _await_ready(self) -> list[str]:
        if not select.select([self.control], [], [], START_SECONDS)[0]:
            raise JudgeFault("the warm process did not start")
        data = self.control.recv(1 << 16)
        if not data:
            self.process.wait(ANSWER_SECONDS)
            raise JudgeFault(f"the warm process could not start: {self.errors.read()}")
        return json.loads(data)[1]

    def fork(self, limits: Limits) -> Process:
        """A fresh student's process. `JudgeFault` if the zygote is gone."""
        wire, far_wire = socket.socketpair()
        control, far_control = socket.socketpair()
        with far_wire, far_control:
            message = json.dumps(["fork", {"limits": limits.to_dict()}]).encode()
            try:
                socket.send_fds(self.control, [message], [far_wire.fileno(), far_control.fileno()])
            except OSError:
                wire.close()
                control.close()
                raise JudgeFault("the warm process has ended") from None
        process = Process(wire, control, limits, self.failures)
        try:
            process.await_hello()
        except BaseException:
            process.end()
            raise
        return process

    def failures(self) -> str:
        """What a process of ours that could not start has said."""
        return self.errors.read()

    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it and everything it started. Closing twice is fine."""
        self.control.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


class _Tail:
    """What a process wrote on stderr, as far as it is kept."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        os.set_blocking(self.write_end, False)

    def close_write_end(self) -> None:
        os.close(self.write_end)

    def read(self) -> str:
        with contextlib.suppress(OSError):
            return os.read(self.read_end, 1 << 16).decode("utf-8", "replace").strip()[-2000:]
        return ""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.read_end)
