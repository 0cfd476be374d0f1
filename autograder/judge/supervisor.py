"""The trusted parent of one student's process: builds the walls, watches memory, kills, and tells what it
cost.

It is a fork of the zygote and the parent of the first process in the student's process namespace: killing
that one ends all of them. It ends them as well when the judge goes away, whatever the student's process
does.

    judge -> supervisor   ["cpu", number]    -> ["cpu", seconds, bytes, seconds of the copy with this number]
                          ["kill", number]      kill the copy with this number inside the namespace
                          ["why"]               why has the wire closed? -> ["why", reason], or as if it had ended
                          ["end"]            -> ["ended", reason, seconds, bytes]
    unasked, when the student's process ends: ["ended", reason, seconds, bytes]
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import socket
import tempfile
import time
import traceback
from collections.abc import Callable

from . import sandbox
from .wire import Channel, Closed, WireError

EXIT_SECONDS = 3  # to wait for a process that has closed its wire
LOOK = 0.25  # seconds between two looks at the memory
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def supervise(wire: int, control: int, options: dict, student: Callable[[int, list[str], dict], None]) -> None:
    """Run `student(wire, missing walls)` in a child behind the walls and serve the judge until it ends."""
    os.setsid()  # a signal to its process group is the student's own affair
    missing: list[str] = list(options["missing"])
    sandbox.separate(missing)
    folder = None if _own_scratch(missing) else tempfile.mkdtemp(prefix="submission-")
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            sandbox.close_files({wire, 2})
            if folder:
                os.chdir(folder)
            sandbox.confine(
                options["readable"] + ([folder] if folder else []),
                options["limits"],
                missing,
                own_spaces="user" not in missing,
                own_tree="tree" not in missing,
            )
            student(wire, missing, options["limits"])
        except BaseException:
            report_failure()
        finally:
            os._exit(0)
    os.close(wire)
    try:
        _Watch(child, Channel(socket.socket(fileno=control)), options["limits"], folder).serve()
    finally:
        with contextlib.suppress(OSError):
            os.kill(child, signal.SIGKILL)


def report_failure() -> None:
    """Write the exception being handled where the judge finds it when a process of ours could not start."""
    os.write(2, traceback.format_exc().encode())


def _own_scratch(missing: list[str]) -> bool:
    return "tree" not in missing and "user" not in missing


class _Watch:
    def __init__(self, child: int, channel: Channel, limits: dict, folder: str | None):
        self.child = child
        self.folder = folder
        self.channel = channel
        self.copies: dict[int, int] = {}  # number inside the namespace -> number here
        self.memory_limit = limits["memory"]
        self.cpu_limit = limits["submission_seconds"]
        self.free_at_start = _free_memory()
        self.reason = ""
        self.cpu = 0.0
        self.seen: dict[tuple[int, bytes], float] = {}  # (number, start) of a process: its own CPU seconds
        self.peak = 0
        self.at_start = _resident(child)  # mostly shared with the zygote
        self.grown = 0  # bytes that the processes hold above that, what copies share counted for each
        self.summed = 0  # the growth for which the exact sum was taken
        self.looked = time.monotonic()
        # one small file a process, where the kernel has it, instead of a look at all processes
        self.children_told = os.path.exists(f"/proc/self/task/{os.getpid()}/children")

    def serve(self) -> None:
        """Until the student's processes have ended and the judge knows."""
        poller = select.poll()
        poller.register(self.channel.fileno(), select.POLLIN)
        ended = os.pidfd_open(self.child) if hasattr(os, "pidfd_open") else None
        if ended is not None:
            poller.register(ended, select.POLLIN)
        while not self.reap(os.WNOHANG):
            ready = {fd for fd, _ in poller.poll(0 if self.channel.has_more() else LOOK * 1000)}
            asked = self.channel.fileno() in ready or self.channel.has_more()
            if asked and not self.obey():
                break
            if time.monotonic() - self.looked > LOOK:
                self.look_at_memory()
                self.looked = time.monotonic()
        self.measure()
        self.kill()
        self.reap(0)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(Closed):
            self.channel.send(["ended", self.reason or "crashed", self.cpu, self.peak])

    def obey(self) -> bool:
        """Do what the judge says; False at the end."""
        try:
            message = self.channel.receive()
        except (Closed, WireError):
            self.reason = "left"
            return False
        if message[0] == "cpu":
            self.measure()
            copy = self.copy(message[1]) if message[1] else None
            self.channel.send(["cpu", self.cpu, self.peak, 0.0 if copy is None else _seconds(copy)])
        elif message[0] == "kill":
            copy = self.copy(message[1])
            if copy is not None:
                with contextlib.suppress(OSError):
                    os.kill(copy, signal.SIGKILL)
                del self.copies[message[1]]
        elif message[0] == "why":
            end = time.monotonic() + (EXIT_SECONDS if self.reason else 0.2)
            while time.monotonic() < end:
                if self.reap(os.WNOHANG):
                    return False
                time.sleep(0.005)
            self.channel.send(["why", self.reason])
        elif message[0] == "end":
            self.reason = "end"
            return False
        return True

    def copy(self, number: int) -> int | None:
        """The process with this number inside the namespace, if it is there and a copy of the student's.

        Processes are looked through once and remembered; what is remembered is looked at again before it is used,
        since the number may be another process's by now.
        """
        pid = self.copies.get(number)
        if pid is None or not self.is_copy(pid, number):
            self.copies = {_number_inside(pid): pid for pid in self.family() if pid != self.child}
            pid = self.copies.get(number)
        return pid

    def is_copy(self, pid: int, number: int) -> bool:
        told = _status(pid)
        return told.get("NSpid", "").split()[-1:] == [str(number)] and told.get("PPid", "").strip() == str(self.child)

    def family(self) -> list[int]:
        """The student's processes, as far as they can be found."""
        family = [self.child]
        if self.children_told:
            for pid in family:
                family += _children(pid)
            return family
        parents: dict[int, int] = {}
        for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
            if name.isdigit():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    parents[int(name)] = int(_stat(int(name))[1])
        for pid in family:
            family += [child for child, parent in parents.items() if parent == pid and child not in family]
        return family

    def measure(self) -> None:
        """CPU seconds so far, of living and of ended processes."""
        total, self.grown = 0.0, 0
        for pid in self.family():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = _stat(pid)
                total += _seconds_in(fields)
                self.seen[pid, fields[19]] = sum(map(int, fields[11:13])) / _TICKS
                held = _resident_in(fields)
                self.grown += max(0, held - self.at_start)
                self.peak = max(self.peak, held)
        # An ended process counts for its parent, unless the parent never waits for it.
        self.cpu = max(self.cpu, total, sum(self.seen.values()))

    def look_at_memory(self) -> None:
        """End the submission when all its processes together hold too much.

        Each process has its own limit on address space. Sharing between copies makes the exact sum costly, so
        it is only taken when the processes have grown, or the machine's free memory has shrunk, by as much.
        """
        self.measure()
        self.summed = min(self.summed, self.grown)
        grown = self.grown >= max(self.memory_limit, self.summed + self.memory_limit // 8)
        if not grown and self.free_at_start - _free_memory() < self.memory_limit:
            return
        self.summed = self.grown
        held = sum(_proportional_memory(pid) for pid in self.family())
        self.peak = max(self.peak, held)
        if held > self.memory_limit + (512 << 20):
            self.reason = "memory"
            self.kill()

    def kill(self) -> None:
        """End the first process, and with it all of its namespace."""
        for pid in reversed(self.family()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def reap(self, flags: int) -> bool:
        """Whether the first process has ended."""
        try:
            pid, status, usage = os.wait4(self.child, flags)
        except ChildProcessError:
            return True
        if pid == 0:
            return False
        self.cpu = max(self.cpu, usage.ru_utime + usage.ru_stime)
        self.peak = max(self.peak, usage.ru_maxrss * 1024)
        if not self.reason and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            # The first process of a namespace cannot be killed from within: this came from its limit on CPU time,
            # or from outside.
            used_up = usage.ru_utime + usage.ru_stime >= self.cpu_limit
            self.reason = "time" if used_up else "fault"
        return True


def _children(pid: int) -> list[int]:
    """The children of all threads of a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended meanwhile
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return found


def _stat(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat after the name, which may hold anything."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds, what it shares included."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return _resident_in(_stat(pid))
    return 0


def _resident_in(fields: list[bytes]) -> int:
    return int(fields[21]) * resource.getpagesize()


def _free_memory() -> int:
    with contextlib.suppress(OSError, ValueError), open("/proc/meminfo") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return 0


def _proportional_memory(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return 0


def _seconds_in(fields: list[bytes]) -> float:
    """CPU seconds of a process and of its children that have ended."""
    return sum(map(int, fields[11:15])) / _TICKS


def _seconds(pid: int) -> float:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return _seconds_in(_stat(pid))
    return 0.0


def _status(pid: int) -> dict[str, str]:
    """What /proc/PID/status tells; empty when the process has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        return dict(line.split(":", 1) for line in file if ":" in line)
    return {}


def _number_inside(pid: int) -> int:
    with contextlib.suppress(IndexError, ValueError):
        return int(_status(pid).get("NSpid", "").split()[-1])
    return -1
