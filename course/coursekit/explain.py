"""Find the student's own line in a traceback, and say what an exception usually means.

A cell of a notebook is a file to Python (`.../ipykernel_<pid>/<hash>.py`, `<ipython-input-...>`) whose text
`linecache` knows. Code run from text outside of a notebook counts as a cell too if its file name starts
with `<cell`.
"""

from __future__ import annotations

import builtins
import difflib
import linecache
import os
import re
import sys
import sysconfig
from dataclasses import dataclass
from types import FrameType, TracebackType

import numpy as np

from .causes import CAUSES, SHAPES
from .values import clean, is_exactly, shape_text, type_name

_CELL_FILE = re.compile(r"[/\\]ipykernel_\d+[/\\][^/\\]+\.py$|^<ipython-input-|^<cell")
# installed packages, and the course's own tests and tools
_OTHER_CODE = re.compile(r"[/\\]site-packages[/\\]|[/\\]autograder[/\\]((checks|judge)[/\\]|\w+\.py$)")
_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple(
    os.path.normcase(os.path.realpath(folder)) + os.sep
    for folder in (
        *(_PATHS[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")),
        os.path.dirname(__file__),
    )
)


@dataclass(frozen=True)
class Line:
    """One line of code: `where` ("cell In[3], line 4, in forward"), its text, and its frame."""

    where: str
    text: str
    function: str
    frame: FrameType | None = None

    def __str__(self) -> str:
        return f"{self.where}:\n    {self.text}" if self.text else self.where


def is_cell(filename: str) -> bool:
    """Whether this file name is that of a notebook cell."""
    return bool(_CELL_FILE.search(filename)) or _cell_label(filename) is not None


def _cell_label(filename: str) -> str | None:
    """`In[3]` for the file name of a cell of the running notebook, else None."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    try:
        label = shell.compile.format_code_name(filename)
    except Exception:
        return None
    return label[1] if label else None


def _is_library(filename: str) -> bool:
    if filename.startswith(("<frozen", "<shipped")):  # the latter: helper code of a hidden test
        return True
    path = os.path.normcase(os.path.realpath(filename))
    return path.startswith(_LIBRARIES) or bool(_OTHER_CODE.search(path))


def _line(frame: FrameType, number: int) -> Line:
    filename = frame.f_code.co_filename
    function = function_name(frame)
    label = _cell_label(filename)
    where = f"cell {label}, line {number}" if label else f"line {number}"
    if function:
        where += f", in {function}"
    return Line(where, clean(linecache.getline(filename, number).strip(), 160), function, frame)


def function_name(frame: FrameType) -> str:
    """`Linear.forward` for a method's frame, `""` at the top level of a cell."""
    parts = [part for part in frame.f_code.co_qualname.split(".<locals>.") if not part.startswith("<")]
    return clean(parts[-1], 80) if parts else ""


def student_line(tb: TracebackType | None, check_frame: FrameType | None = None) -> Line | None:
    """The innermost line of the student's in a traceback, or None.

    `check_frame` is the frame that runs the check: it and what was called before it do not count, nor does
    any other code of the same cell (a callback that the check handed in). Where no cell is found, as in plain
    Python, the innermost frame that is not of a library counts.
    """
    entries = []
    while tb is not None:
        entries.append((tb.tb_frame, tb.tb_lineno))
        tb = tb.tb_next
    frames = [frame for frame, _ in entries]
    if check_frame in frames:
        entries = entries[frames.index(check_frame) + 1 :]
    own = check_frame.f_code.co_filename if check_frame is not None else None
    cells = [e for e in entries if is_cell(e[0].f_code.co_filename) and e[0].f_code.co_filename != own]
    if not cells and (own is None or not is_cell(own)):
        cells = [e for e in entries if not _is_library(e[0].f_code.co_filename)]
    return _line(*cells[-1]) if cells else None


def check_line(tb: TracebackType | None, check_frame: FrameType | None) -> Line | None:
    """The line of the check itself at which the exception passed."""
    while tb is not None:
        if tb.tb_frame is check_frame:
            return _line(tb.tb_frame, tb.tb_lineno)
        tb = tb.tb_next
    return None


def is_stub(error: BaseException) -> bool:
    """Whether this is the `NotImplementedError()` of an exercise still open (it carries no text)."""
    return isinstance(error, NotImplementedError) and not error_text(error)


def error_text(error: BaseException) -> str:
    """The exception's text, cut; its type may be the student's own and its `__str__` may fail."""
    try:
        return clean(str(error), 400).strip()
    except BaseException:
        return "(its text could not be read)"


def missing_name(error: NameError) -> str:
    """The name that a `NameError` is about (`""` if it does not say)."""
    name = getattr(error, "name", None)
    if not isinstance(name, str):
        found = re.search(r"name '([^']+)'", error_text(error))
        name = found.group(1) if found else ""
    return clean(name, 80)


def similar_name(name: str, frame: FrameType | None) -> str | None:
    """A name of the frame's that looks like `name`."""
    if frame is None:
        return None
    known = {n for n in (*frame.f_locals, *frame.f_globals, *dir(builtins)) if isinstance(n, str)}
    lower = {n.lower(): n for n in sorted(known) if not n.startswith("_") and n != name}
    close = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.75)
    return lower[close[0]] if close else None


def likely_cause(error: BaseException, line: Line | None) -> str | None:
    """What this exception usually means; with the shapes at the student's line where they are the matter."""
    text = error_text(error)
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
        name = missing_name(error)
        similar = similar_name(name, line.frame if line else None)
        if similar:
            return f"did you mean `{similar}`?"
        return "a typing error, or the cell that defines it has not been run (or stopped with an error)"
    shapes = f"at this line {found}" if (found := shapes_at(line)) else ""
    for kind, pattern, cause in CAUSES:
        if isinstance(error, kind) and re.search(pattern, text):
            return f"{cause}; {shapes}" if shapes and isinstance(error, IndexError) else cause
    if isinstance(error, ValueError | RuntimeError | IndexError) and SHAPES.search(text):
        return f"the shapes do not fit together; {shapes or 'print the shapes just before this line'}"
    return None


def shapes_at(line: Line | None) -> str:
    """`W is (3, 2), x is (4, 3)` for the arrays that the line names, attributes of `self` included."""
    if line is None or line.frame is None:
        return ""
    torch = sys.modules.get("torch")
    array_types = (np.ndarray,) if torch is None else (np.ndarray, torch.Tensor)
    found = []
    for dotted in dict.fromkeys(re.findall(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?", line.text)):
        name, _, attribute = dotted.partition(".")
        value = line.frame.f_locals.get(name, line.frame.f_globals.get(name))
        if attribute and not issubclass(type(value), array_types):
            try:  # the instance's own dict: no property or __getattr__ of the student's runs
                value = object.__getattribute__(value, "__dict__").get(attribute)
            except Exception:
                continue
        elif attribute:
            dotted = name
        if is_exactly(value, *array_types) and f"{dotted} is" not in " ".join(found):
            found.append(f"{dotted} is {shape_text(value.shape)}")
    return ", ".join(found[:6])


def exception_text(error: BaseException) -> str:
    """`ValueError: operands could not be broadcast ...` (the type alone where there is no text)."""
    text = error_text(error)
    return f"{type_name(error)}: {text}" if text else type_name(error)
