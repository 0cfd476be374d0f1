"""The judge's side of a submission's processes: runs cells, makes copies, keeps the limits."""

from __future__ import annotations

import contextlib
import json
import math
import select
import socket
import time
from collections.abc import Callable, Iterator

from .limits import Limits
from .proxy import Gone, Link
from .sandbox import WallsMissing
from .wire import TICK, Channel, Closed, WireError

START_SECONDS = 120
BETWEEN_LOOKS = 0.5  # seconds
ANSWER_SECONDS = 20  # for our own trusted processes; a busy machine is slow


class JudgeFault(RuntimeError):
    """A process of the judge's own failed: says nothing about the submission, which is to be judged again."""


class Clock:
    """Limits on what is waited for; its `tick` is the channels'. `copy_number` is 0 in the process itself."""

    def __init__(self, process: Process, copy_number: int = 0):
        self.process = process
        self.copy_number = copy_number
        self.limits = process.limits
        self.started = 0.0
        self.looked = 0.0
        self.cpu_before: float | None = None
        self.cpu_limit = self.wall_limit = 0.0
        self.message = ""
        self.test_started = 0.0  # of the copy's own CPU seconds
        self.depth = 0

    @contextlib.contextmanager
    def limit(self, cpu: float, message: str) -> Iterator[None]:
        """Let nothing in the block take longer; blocks within are part of it."""
        if self.depth == 0:
            self.started, self.cpu_before = time.monotonic(), None
            self.cpu_limit, self.wall_limit, self.message = cpu + self.limits.grace, self.limits.wall(cpu), message
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def tick(self) -> None:
        """Raise `Gone` when a limit is reached while waiting."""
        if time.monotonic() - max(self.started, self.looked) >= TICK:
            self._look()

    def between(self) -> None:
        """As `tick` between two calls: many calls add up of which each is too short to be waited for."""
        if time.monotonic() - self.looked >= BETWEEN_LOOKS:
            self._look()

    def _look(self) -> None:
        self.looked = time.monotonic()
        waited = self.looked - self.started
        if waited > self.wall_limit:
            raise Gone("time", self.message)
        if self.looked > self.process.last_moment:
            raise Gone("time", "the notebook took too long in all")
        cpu, copy_cpu = self.process.times(self.copy_number)
        if self.cpu_before is None:
            self.cpu_before = cpu - min(waited, cpu)
        if cpu - self.cpu_before > self.cpu_limit:
            raise Gone("time", self.message)
        if self.copy_number and copy_cpu - self.test_started > self.limits.test_seconds:
            raise Gone("time", f"the test took longer than {self.limits.test_seconds:g} s of computing time")
        if cpu > self.limits.submission_seconds:
            raise Gone("time", f"the notebook took longer than {self.limits.submission_seconds:g} s in all")


class Copy:
    """The student's process as it was at a test cell, ready for that test."""

    def __init__(self, process: Process, sock: socket.socket, number: int):
        self.process = process
        self.number = number
        self.clock = Clock(process, number)
        self.used = False
        self.link = ClockedLink(Channel(sock, max_bytes=process.limits.message, tick=self.clock.tick), self.clock)

    def begin(self) -> None:
        """The test starts now. A new copy has used no time yet, which need not be asked for."""
        if self.used:
            _, self.clock.test_started = self.process.times(self.number)
        self.used = True

    def cpu(self) -> float:
        """CPU seconds that it has used."""
        return self.process.times(self.number)[1]

    def end(self) -> None:
        """End it, whatever it is doing."""
        self.link.channel.close()
        self.process.kill(self.number)


class ClockedLink(Link):
    """A link whose requests are limited in time; `recorder` is told of each one that is not part of another."""

    def __init__(self, channel: Channel, clock: Clock):
        super().__init__(channel)
        self.clock = clock
        self.slow = f"one call took longer than {clock.limits.call_seconds:g} s"
        self.recorder: Callable[[str, tuple], Callable[[object], None]] | None = None

    def request(self, operation: str, *arguments: object) -> object:
        if self.recorder is None or self.clock.depth:
            return self._limited(operation, arguments)
        done = self.recorder(operation, arguments)
        result = self._limited(operation, arguments)
        done(result)
        return result

    def _limited(self, operation: str, arguments: tuple) -> object:
        seconds = self.clock.limits.call_seconds
        try:
            with self.clock.limit(seconds, self.slow):
                answer = super().request(operation, *arguments)
                self.clock.between()
                return answer
        except Gone as gone:
            self.gone = gone
            if gone.outcome == "crashed":
                self.gone = self._reason()
        except JudgeFault as fault:
            self.gone = Gone("fault", str(fault))
        raise self.gone from None

    def _reason(self) -> Gone:
        try:
            return self.clock.process.why()
        except JudgeFault as fault:  # no `Exception` that a check would report as the student's
            return Gone("fault", str(fault))


class Process:
    """A submission's process and its supervisor."""

    def __init__(self, wire: socket.socket, control: socket.socket, limits: Limits, failures: Callable[[], str]):
        self.limits = limits
        self.failures = failures
        self.clock = Clock(self)
        self.wire = Channel(wire, max_bytes=limits.message, tick=self.clock.tick)
        self.deadline = 0.0
        self.last_moment = math.inf  # for everything that the submission does, on the clock `time.monotonic`
        self.control = Channel(control, tick=self._control_tick)
        self.ended: tuple[str, float, int] | None = None
        self.walls_missing: list[str] = []
        self.last_cpu = 0.0
        self.peak = 0

    def await_hello(self) -> None:
        """Wait until the process is behind its walls."""
        end = time.monotonic() + START_SECONDS
        wire = self.wire
        wire.tick = lambda: _late(end, "the student's process did not start")
        try:
            message = wire.receive()
        except (Closed, WireError):
            raise JudgeFault(f"the student's process could not start: {self.failures()}") from None
        finally:
            wire.tick = self.clock.tick
        if message[0] != "hello":
            raise JudgeFault("the student's process could not start")
        self.walls_missing = message[1]

    # ------------------------------------------------------------------------------------------ supervisor

    def _control_tick(self) -> None:
        _late(self.deadline, "the supervisor of the student's process does not answer")

    def _ask(self, message: list, answer: str) -> list | None:
        """The supervisor's answer; None if the process has ended."""
        if self.ended is not None:
            return None
        self.deadline = time.monotonic() + ANSWER_SECONDS
        try:
            with contextlib.suppress(Closed):  # what it said before it ended can still be read
                self.control.send(message)
            while True:
                reply = self.control.receive()
                if reply[0] == "ended":
                    self.ended = tuple(reply[1:])
                    self.last_cpu = max(self.last_cpu, self.ended[1])
                    self.peak = max(self.peak, self.ended[2])
                if reply[0] == answer:
                    return reply
                if self.ended:
                    return None
        except (Closed, WireError):
            self.ended = ("fault", self.last_cpu, self.peak)
            return None

    def cpu(self) -> float:
        """CPU seconds of all the submission's processes so far."""
        return self.times(0)[0]

    def times(self, number: int) -> tuple[float, float]:
        """CPU seconds so far: of all the submission's processes, and of the copy with this number."""
        copy_cpu = 0.0
        reply = self._ask(["cpu", number], "cpu")
        if reply is not None:
            self.last_cpu, self.peak, copy_cpu = reply[1], max(self.peak, reply[2]), reply[3]
        return self.last_cpu, copy_cpu

    def has_ended(self) -> bool:
        """Whether all of the submission's processes have ended, as far as the supervisor has told."""
        if self.ended is None and select.select([self.control], [], [], 0)[0]:
            self.cpu()
        return self.ended is not None

    def kill(self, number: int) -> None:
        """End one copy."""
        if self.ended is None:
            with contextlib.suppress(Closed):
                self.control.send(["kill", number])

    def end(self) -> None:
        """End all of the submission's processes and wait until they are gone. Never raises."""
        try:
            with contextlib.suppress(JudgeFault):  # the zygote ends what its supervisor does not
                self._ask(["end"], "ended")
        finally:
            self.wire.close()
            self.control.close()

    def why(self) -> Gone:
        """Why the process ended by itself."""
        reply = self._ask(["why"], "why")
        reason = reply[1] if reply else self.ended[0] if self.ended else "crashed"
        if reason == "memory":
            return Gone("memory", f"the limit of {self.limits.memory >> 20} MB of memory was reached")
        if reason == "time":
            return Gone("time", "the limit on computing time was reached")
        if reason == "fault":
            raise JudgeFault("the student's process or its supervisor was killed from outside")
        return Gone("crashed", "the Python process ended (`exit`, `os._exit`, or a crash in compiled code)")

    # ------------------------------------------------------------------------------------------- the student

    def run(self, source: str, number: int) -> tuple[str, list]:
        """Run a cell: "ok", "error" or "time", and its outputs as sent. `Gone` if the process ended."""
        seconds = self.limits.cell_seconds
        with self.clock.limit(seconds, f"the cell took longer than {seconds:g} s"):
            message = self._exchange(["run", source, number, seconds])
        if len(message) != 3 or message[1] not in ("ok", "error", "time") or type(message[2]) is not str:
            raise Gone("crashed", "the process sent what is no result of a cell")
        return message[1], _outputs(message[2])

    def copy(self, seed: int) -> Copy:
        """A copy of the process as it is now."""
        ours, theirs = socket.socketpair()
        with theirs, self.clock.limit(self.limits.call_seconds, "the process did not answer"):
            if self._exchange(["copy", seed]) != ["=", "send"]:
                raise Gone("crashed", "the process sent what is no answer")
            try:
                socket.send_fds(self.wire.sock, [b"."], [theirs.fileno()])
            except OSError:
                raise self.why() from None
            message = self._read()
        if len(message) != 2 or message[0] != "=" or type(message[1]) is not int:
            raise Gone("crashed", "the process sent what is no answer")
        return Copy(self, ours, message[1])

    def _exchange(self, message: list) -> list:
        try:
            self.wire.send(message)
        except Closed:
            raise self.why() from None
        return self._read()

    def _read(self) -> list:
        try:
            return self.wire.receive()
        except Closed:
            raise self.why() from None
        except WireError as error:
            raise Gone("crashed", f"the process sent what is no message: {error}") from None


def _late(end: float, message: str) -> None:
    if time.monotonic() > end:
        raise JudgeFault(message)


MAX_OUTPUT_PARTS = 4_000_000  # brackets and commas, those within texts included


def _outputs(text: str) -> list:
    """A cell's outputs as untrusted plain data. What would take much more memory than it has bytes is left out."""
    if sum(map(text.count, "[{,")) > MAX_OUTPUT_PARTS:
        note = "[what this cell shows has too many parts and was left out]\n"
        return [{"output_type": "stream", "name": "stdout", "text": note}]
    try:
        outputs = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return outputs if isinstance(outputs, list) else []


def check_walls(missing: list[str], fewer_walls: bool) -> None:
    """`WallsMissing` unless all stand or fewer were accepted."""
    if missing and not fewer_walls:
        raise WallsMissing(missing)
