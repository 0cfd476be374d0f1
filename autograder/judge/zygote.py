"""The warm process: everything a notebook imports is imported once; each submission runs in a fork.

It is started with a clean environment and goes into its own file tree before it imports anything, so
nothing of the repository but what students have anyway, and nothing of the grader, is in its memory or
within its reach. One thread, no tensor operation and no device before a fork, and the garbage collector
frozen.

    judge -> zygote   {"visible": ..., ...}           once    -> ["ready", missing walls]
                      ["fork", options] + two sockets         -> nothing; the fork says hello on its wire
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
from pathlib import Path

from . import sandbox

MAX_MESSAGE = 1 << 16
_IMPORTED = (
    "torch", "torch.nn.functional", "torch.optim", "torch.utils.data", "torch._dynamo", "numpy",
    "matplotlib.pyplot", "matplotlib.animation", "matplotlib_inline.backend_inline", "ipywidgets",
    "tqdm.auto", "PIL.Image", "autograder.judge.student",
)  # fmt: skip
_IMPORTED_FROM_COURSEKIT = (
    "boxes", "checking", "compare", "data", "download", "explain", "failures", "figures", "ipython",
    "presets", "progress", "session", "standins", "structure", "training", "values", "widgets",
)  # fmt: skip


def main() -> None:
    """Run as the zygote on the control socket that the judge passed."""
    control = socket.socket(fileno=int(os.environ.pop("JUDGE_CONTROL")))
    config = json.loads(control.recv(MAX_MESSAGE))
    missing: list[str] = []
    fonts = _font_cache(config["fonts"])
    sandbox.enclose(config["readable"], config["hidden"], config["within_hidden"], missing)
    sandbox.close_files({control.fileno(), 2})
    os.environ["HOME"] = os.environ["TMPDIR"] = sandbox.SCRATCH
    with tempfile.TemporaryDirectory(prefix="matplotlib-") as folder:
        os.environ["MPLCONFIGDIR"] = folder
        for name, data in fonts.items():
            Path(folder, name).write_bytes(data)
        warm()
    sys.path[:] = [p for p in sys.path if p not in config["only_while_warming"]]
    control.send(json.dumps(["ready", missing]).encode())
    serve(control, {"missing": missing, "readable": config["readable"]})


def _font_cache(folder: str) -> dict[str, bytes]:
    """matplotlib's list of fonts, which takes seconds to make."""
    files = Path(folder).glob("fontlist-*.json") if folder else ()
    return {path.name: path.read_bytes() for path in files if path.stat().st_size < 8 << 20}


def warm() -> None:
    """Import what notebooks import, and run what is slow the first time."""
    import importlib

    for name in (*_IMPORTED, *(f"coursekit.{m}" for m in _IMPORTED_FROM_COURSEKIT)):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    import matplotlib.pyplot as plt
    import torch

    # OMP_THREAD_LIMIT is 1 here: with more threads set than may start, oneDNN waits for the missing ones for ever.
    torch.set_num_threads(1)
    torch.set_num_threads = lambda number: None

    from . import student
    from .shell import make_shell

    assert student.Server  # imported here, since a fork cannot read this folder

    shell = make_shell()
    shell.run_cell("import matplotlib.pyplot as _p; _p.plot([1], label='1'); _p.title('$x$'); _p.legend(); 1/0")
    plt.close("all")
    shell.user_ns.pop("_p", None)
    shell.reset(new_session=True)
    shell.outputs.take()
    gc.collect()
    gc.freeze()


def serve(control: socket.socket, fixed: dict) -> None:
    """Fork when asked; end, and with this process everything it started, when the judge goes."""
    supervisors: set[int] = set()
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only to end the waiting below
    wake_read, wake_write = socket.socketpair()
    wake_write.setblocking(False)
    signal.set_wakeup_fd(wake_write.fileno())
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(wake_read, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poller.poll()}
        if wake_read.fileno() in ready:
            wake_read.recv(4096)
        _reap(supervisors)
        if control.fileno() not in ready:
            continue
        message, sockets, _, _ = socket.recv_fds(control, MAX_MESSAGE, 2)
        if not message:
            break
        pid = os.fork()
        if pid == 0:
            _become_supervisor(control, (wake_read, wake_write), sockets, {**fixed, **json.loads(message)[1]})
        supervisors.add(pid)
        for number in sockets:
            os.close(number)
    for pid in supervisors:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    os._exit(0)


def _reap(supervisors: set[int]) -> None:
    """Collect ended children; what a supervisor that was killed left behind is ended as well."""
    lost = False
    with contextlib.suppress(ChildProcessError):
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            lost = lost or pid in supervisors
            supervisors.discard(pid)
    if lost and os.getpid() == 1:
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) not in supervisors and int(name) != 1:
                with contextlib.suppress(OSError, IndexError, ValueError):
                    with open(f"/proc/{name}/stat", "rb") as file:
                        parent = int(file.read().rpartition(b")")[2].split()[1])
                    if parent == 1:
                        os.kill(int(name), signal.SIGKILL)


def _become_supervisor(control: socket.socket, wakers: tuple, sockets: list[int], options: dict) -> None:
    from .supervisor import report_failure, supervise

    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        for waker in wakers:
            waker.close()
        supervise(sockets[0], sockets[1], options, _student)
    except BaseException:
        report_failure()
    finally:
        os._exit(0)


def _student(wire: int, missing: list[str], limits: dict) -> None:
    """The student's process: serves the judge until it goes."""
    from .shell import Shell
    from .student import Server
    from .wire import Channel, Closed

    channel = Channel(socket.socket(fileno=wire))
    server = Server(channel, Shell.instance())
    server.call_seconds = limits["call_seconds"]
    server.seed(0)
    sandbox.close_files({wire})
    channel.send(["hello", missing])
    with contextlib.suppress(Closed):
        server.serve()
