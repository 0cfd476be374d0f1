"""IPython without a kernel: cells run as in Jupyter, and what they show is kept as nbformat outputs.

Magics, top-level await, `display`, figures at the end of a cell, rich results, coloured tracebacks and custom
exception handlers work; there is nobody to type, so `input()` says so.
"""

from __future__ import annotations

import base64
import builtins
import sys
from collections.abc import Callable
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.text import SList
from traitlets import Type
from traitlets.config import Config

MAX_OUTPUT_BYTES = 8 << 20  # of one cell; a limit for the honest, the reader has its own


MAX_WRITE = 1 << 20  # characters of one write


class Outputs:
    """What the running cell has shown so far. Too much is dropped, and said."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.size = 0
        self.clear_next = False

    def add(self, output: dict[str, Any], size: int) -> None:
        """Add one output; stream text joins the text before it."""
        if self.clear_next:
            self.clear()
        if self.size > MAX_OUTPUT_BYTES:
            return
        self.size += size
        if self.size > MAX_OUTPUT_BYTES:
            output = {"output_type": "stream", "name": "stdout", "text": "\n[more output was left out]\n"}
        last = self.taken[-1] if self.taken else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["parts"].append(output["text"])
        else:
            if output["output_type"] == "stream":
                output["parts"] = [output.pop("text")]
            self.taken.append(output)

    def clear(self, wait: bool = False) -> None:
        """Forget what was shown: now, or (`wait`) when the next output comes."""
        self.clear_next = wait
        if not wait:
            self.taken.clear()

    def take(self) -> list[dict[str, Any]]:
        """All outputs since the last call."""
        taken, self.taken, self.size, self.clear_next = self.taken, [], 0, False
        for output in taken:
            if "parts" in output:
                output["text"] = "".join(output.pop("parts"))
        return taken


class Stream:
    """A `sys.stdout` or `sys.stderr` that writes into the outputs."""

    encoding = "utf-8"
    errors = "replace"
    closed = False

    def __init__(self, name: str, outputs: Outputs):
        self.name = name
        self.outputs = outputs

    def write(self, text: str) -> int:
        """Keep the text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if len(text) > MAX_WRITE:
            half = MAX_WRITE // 2
            text = f"{text[:half]}\n[{len(text) - MAX_WRITE} characters were left out]\n{text[-half:]}"
        if text:
            self.outputs.add({"output_type": "stream", "name": self.name, "text": text}, len(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is ever held back."""

    def isatty(self) -> bool:
        """No terminal."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """No."""
        return False

    def fileno(self) -> int:
        """No file stands behind it."""
        raise OSError("this stream has no file")


class Publisher(DisplayPublisher):
    """Keeps what is displayed."""

    outputs: Outputs

    def publish(self, data: dict, metadata: dict | None = None, **kwargs: Any) -> None:
        """Keep one displayed object; updates of a display are shown as displays."""
        data, metadata = _plain(data), _plain(metadata or {})
        size = sum(len(v) for v in data.values() if isinstance(v, str))
        self.outputs.add({"output_type": "display_data", "data": data, "metadata": metadata}, size)

    def clear_output(self, wait: bool = False) -> None:
        """Forget what the cell has shown."""
        self.outputs.clear(wait)


class ResultHook(DisplayHook):
    """Keeps the value of a cell's last expression as its result."""

    def write_output_prompt(self) -> None:
        """The number is a field of the output."""

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        """Keep the value's representations."""
        data = _plain(format_dict)
        self.shell.display_pub.outputs.add(
            {
                "output_type": "execute_result",
                "data": data,
                "metadata": _plain(md_dict or {}),
                "execution_count": self.prompt_count,
            },
            sum(len(v) for v in data.values() if isinstance(v, str)),
        )

    def finish_displayhook(self) -> None:
        """Nothing to end."""


def _plain(data: Any) -> Any:
    """Representations as text: bytes (pictures) in base64, everything unexpected left out."""
    if isinstance(data, bytes):
        return base64.b64encode(data).decode("ascii")
    if isinstance(data, dict):
        return {str(k): _plain(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(v) for v in data]
    return data if data is None or isinstance(data, bool | int | float | str) else str(data)


class Shell(InteractiveShell):
    """The shell in which a submission's cells run."""

    display_pub_class = Type(Publisher)
    displayhook_class = Type(ResultHook)
    kernel = None  # coursekit looks for the attribute to know a notebook

    def init_history(self) -> None:
        """A history in memory only, and no thread that saves it."""
        self.config.HistoryManager.enabled = False
        super().init_history()

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        try:
            text = str(evalue)
        except BaseException:
            text = "(its text could not be read)"
        lines = [str(line) for line in stb]
        output = {"output_type": "error", "ename": str(etype.__name__), "evalue": text, "traceback": lines}
        self.outputs.add(output, sum(map(len, lines)) + len(text))

    def enable_gui(self, gui: str | None = None) -> None:
        """There is no window to show."""

    def system(self, cmd: str) -> None:
        """No other program runs here; a cell that installs something goes on without it."""
        print(f"[not run while grading: !{cmd}]")
        self.user_ns["_exit_code"] = 127

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        """As `system`: there is no output."""
        self.system(cmd)
        return SList() if split else ""

    @property
    def outputs(self) -> Outputs:
        """What the running cell has shown."""
        return self.display_pub.outputs


def make_shell() -> Shell:
    """The shell, with figures inline, streams and `input` replaced. Once in a process."""
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.colors = "Linux"
    config.InteractiveShell.banner1 = ""
    shell = Shell.instance(config=config)
    outputs = Outputs()
    shell.display_pub.outputs = outputs
    sys.stdout, sys.stderr = Stream("stdout", outputs), Stream("stderr", outputs)
    builtins.input = _no_input
    shell.enable_matplotlib("inline")
    return shell


def _no_input(prompt: object = "") -> str:
    raise StdinNotImplementedError(
        "input() cannot be used while grading: nobody is there to type. Put the value into a variable."
    )


def run_cell(shell: Shell, source: str, number: int, interrupted: Callable[[BaseException], bool]) -> tuple:
    """Run one cell as `In[number]`: ("ok", "error" or "time", outputs).

    `interrupted` tells whether an exception is the time limit's.
    """
    shell.execution_count = number
    result = shell.run_cell(source, store_history=True)
    error = result.error_before_exec or result.error_in_exec
    status = "ok" if error is None else "time" if interrupted(error) else "error"
    return status, shell.outputs.take()
