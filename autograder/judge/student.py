"""The untrusted end of the wire: holds a submission's objects and does what the judge asks.

This code runs in the student's process, where a submission can change anything, itself included. Nothing
here is a defence; it only has to serve honest submissions well.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import operator
import os
import random
import resource
import signal
import socket
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from coursekit import explain, failures

from autograder.testing import ForbiddenCall, PlainKernel, TimeLimitExceeded, call_observed

from . import known
from .peer import FarError, Peer
from .shell import Shell, run_cell
from .wire import Channel, WireError

_OPERATORS = {
    name: getattr(operator, name)
    for name in "add sub mul truediv floordiv mod pow matmul neg pos abs invert".split()  # noqa: SIM905
}


class TimeIsUp(BaseException):
    """The soft time limit: raised in the running code, so that its state survives."""


class JudgeFunction:
    """A callable of the test, called back over the wire."""

    def __init__(self, server: Server, number: int):
        self._server = server
        self._number = number
        self.__name__ = "function_of_the_test"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._server.request("call", self, args, kwargs)


class FunctionOfTheTestFailed(RuntimeError):
    """A function that the test passed in raised an exception."""

    def __init__(self, kind: str, failure: int):
        super().__init__(f"the function that the test passed in raised {kind}")
        self.failure = failure


class Server(Peer):
    """Serves one submission: first its cells, then, as a copy, one test cell."""

    def __init__(self, channel: Channel, shell: Shell):
        super().__init__(channel)
        self.shell = shell
        self.functions: dict[int, JudgeFunction] = {}
        self.shipped: dict[tuple[str, str], Any] = {}
        self.call_seconds = 10.0

    # ------------------------------------------------------------------------------------ what crosses how

    def by_value(self, value: Any) -> bool:
        kind = type(value)
        return kind.__module__ != "__main__" or (isinstance(value, tuple) and hasattr(kind, "_fields"))

    def refer(self, value: Any) -> list:
        if type(value) is JudgeFunction:
            return ["j", value._number]
        return ["h", self.keep(value), type(value).__name__]

    def resolve(self, node: list) -> Any:
        if node[0] == "h":
            return self.look_up(node[1])
        if node[0] == "j":
            return self.functions.setdefault(node[1], JudgeFunction(self, node[1]))
        if node[0] == "k":
            return known.find(node[1], node[2])
        raise WireError("unknown tag")

    def request(self, operation: str, *arguments: Any) -> Any:
        try:
            return super().request(operation, *arguments)
        except FarError as error:
            raise FunctionOfTheTestFailed(*error.fields) from None

    # ------------------------------------------------------------------------------------------- operations

    def perform(self, operation: str, arguments: tuple) -> Any:
        handler = getattr(self, "do_" + operation.replace(" ", "_"))
        if self.nesting > 1:  # within a callback: the limit of the outer call goes on
            return handler(*arguments)
        with cpu_limit(self.call_seconds):
            return handler(*arguments)

    def do_call(self, function: Any, args: tuple, kwargs: dict) -> Any:
        return function(*args, **kwargs)

    def do_observe(self, function: Any, args: tuple, kwargs: dict, options: dict) -> tuple:
        seen = call_observed(function, args, kwargs, options)
        return seen.value, seen.args, seen.kwargs, seen.stdout, seen.warnings, float(seen.seconds)

    def do_seed(self, seed: int) -> None:
        self.seed(seed)

    def do_ship(self, code: bytes, name: str) -> Any:
        return PlainKernel().run_shipped(marshal.loads(code), name)

    def do_name(self, name: str) -> tuple:
        """The object of that name in a tuple; else whether the cell that defines it is still open."""
        if name in self.shell.user_ns and name not in self.shell.user_ns_hidden:
            return (True, self.shell.user_ns[name])
        return (False, name in failures.open_names)

    def do_get(self, owner: Any, name: str) -> Any:
        return getattr(owner, name)

    def do_set(self, owner: Any, name: str, value: Any) -> None:
        setattr(owner, name, value)

    def do_delete(self, owner: Any, name: str) -> None:
        delattr(owner, name)

    def do_item(self, owner: Any, key: Any) -> Any:
        return owner[key]

    def do_set_item(self, owner: Any, key: Any, value: Any) -> None:
        owner[key] = value

    def do_delete_item(self, owner: Any, key: Any) -> None:
        del owner[key]

    def do_len(self, owner: Any) -> int:
        return len(owner)

    def do_float(self, owner: Any) -> float:
        return float(owner)

    def do_int(self, owner: Any) -> int:
        return int(owner)

    def do_iterate(self, owner: Any) -> Any:
        return _Steps(iter(owner))

    def do_next(self, steps: Any) -> tuple:
        for value in steps.iterator:
            return (value,)
        return ()

    def do_enter(self, owner: Any) -> Any:
        return owner.__enter__()

    def do_exit(self, owner: Any) -> None:
        owner.__exit__(None, None, None)

    def do_operator(self, name: str, operands: tuple) -> Any:
        return _OPERATORS[name](*operands)

    def do_gradients(self, number: int, wanted: list, upstream: torch.Tensor) -> list:
        return self.gradients_of(number, wanted, upstream)

    def do_add_grad(self, number: int, delta: torch.Tensor) -> torch.Tensor:
        return self.add_to_grad(number, delta)

    # --------------------------------------------------------------------------------------- cells and copies

    def run(self, source: str, number: int, seconds: float) -> tuple:
        """Run a cell; its status and outputs."""
        with cpu_limit(seconds):
            status, outputs = run_cell(self.shell, source, number, lambda e: isinstance(e, TimeIsUp))
        return status, json.dumps(outputs, ensure_ascii=True)

    def serve(self) -> None:
        """Serve the judge until it goes."""
        while True:
            message = self.channel.receive()
            if message[0] == "run":
                try:
                    answer = ["=", *self.run(*message[1:])]
                except BaseException as error:  # the limit rang between two lines of ours, or IPython broke
                    answer = ["=", "time" if isinstance(error, TimeIsUp) else "error", "[]"]
                self.channel.send(answer)
            elif message[0] == "copy":
                if self.copy():
                    self.seed(message[1])
            elif message[0] == "?":
                self.answer(message)

    def copy(self) -> bool:
        """Fork; True in the copy, which talks on the socket that came with the request."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.channel.send(["=", "send"])
        _, files, _, _ = socket.recv_fds(self.channel.sock, 1, 1)
        pid = os.fork()
        if pid:
            os.close(files[0])
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            self.channel.send(["=", pid])
            return False
        self.channel.close()
        self.channel = Channel(socket.socket(fileno=files[0]))
        return True

    def seed(self, seed: int) -> None:
        """The state in which every test finds the global generators."""
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (the student's code may use it)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed asks after every device there is: 4 ms

    # ------------------------------------------------------------------------------------------------ errors

    def describe_error(self, error: BaseException) -> list:
        kind = type(error)
        flag, failure = "", -1
        if isinstance(error, TimeIsUp):
            flag = "time"
        elif isinstance(error, ForbiddenCall):
            flag = "forbidden"
        elif isinstance(error, TimeLimitExceeded):
            flag = "limit"
        elif getattr(kind, "finding", False) is True:
            flag = "finding"
        seen: BaseException | None = error
        for _ in range(20):
            if isinstance(seen, FunctionOfTheTestFailed):
                failure = seen.failure
            seen = getattr(seen, "__cause__", None)
        bases = [k.__name__ for k in kind.__mro__ if k.__module__ == "builtins"]
        lines = ""
        with contextlib.suppress(Exception):
            line = explain.student_line(error.__traceback__)
            lines = "" if line is None else str(line)
        return [kind.__name__, bases, failures.error_text(error), lines, flag, failure]


class _Steps:
    def __init__(self, iterator: Any):
        self.iterator = iterator


@contextlib.contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUp` in the block once it has computed for so long, again and again until it ends."""

    def ring(number: int, frame: types.FrameType | None) -> None:
        raise TimeIsUp

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
