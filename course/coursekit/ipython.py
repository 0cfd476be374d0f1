"""Readable errors in the notebook.

`install` makes IPython show a failed check as its message alone, and an exercise that is still open as one
sentence, both as an ordinary error output (which nbgrader needs) without a traceback. So does a cell that
misses what another cell would have made, had it not stopped at an open exercise. All other exceptions keep
IPython's own traceback. Warnings become one line of printed text: nbgrader takes anything on stderr for
an error.
"""

from __future__ import annotations

import ast
import linecache
import sys
import warnings
from types import TracebackType
from typing import Any

from .explain import Line, is_cell, is_stub, missing_name, student_line
from .failures import CheckFailed, open_names, stopped_names
from .values import clean

_STUB = "raise NotImplementedError"


def install(shell: Any) -> None:
    """Install the handlers in this IPython shell. Calling it again changes nothing."""
    shell.set_custom_exc((CheckFailed, NotImplementedError, NameError), _show)
    if hasattr(shell, "kernel"):
        warnings.showwarning = _print_warning


def _show(shell: Any, etype: type, error: BaseException, tb: Any, tb_offset: int | None = None) -> list[str]:
    """Show the exception that ended a cell (the signature is that of IPython's `set_custom_exc`)."""
    if isinstance(error, CheckFailed):
        stb = error._render_traceback_()
    elif is_stub(error) and (line := student_line(tb)) is not None and line.text.startswith(_STUB):
        stb = _open_exercise(line, tb)
    elif isinstance(error, NameError) and (cause := _cause_of_missing(error, tb)):
        stb = [
            f"\x1b[1m`{missing_name(error)}` does not exist yet\x1b[0m: the cell that makes it stopped, because "
            f"`{cause}` is still open."
        ]
    else:
        shell.showtraceback((etype, error, tb), tb_offset=tb_offset)
        return shell._last_traceback if hasattr(shell, "_last_traceback") else []
    shell._showtraceback(etype, error, stb)
    return stb


def _open_exercise(line: Line, tb: TracebackType) -> list[str]:
    """One sentence about the exercise at this line; remembers what its cell would have defined."""
    filename = line.frame.f_code.co_filename
    cell = _running_cell(tb)
    if cell == filename:
        open_names.update(_defined_names(filename))
    elif cell and line.function:
        stopped_names.update(dict.fromkeys(_defined_names(cell), line.function))
    what = f"`{line.function}` is still open" if line.function else "This cell is still open"
    advice = "replace `raise NotImplementedError()` with your code, then run the cell again."
    return [f"\x1b[1m{what}\x1b[0m: {advice}"]


def _cause_of_missing(error: NameError, tb: TracebackType) -> str | None:
    """The open exercise for which this name was not made; only for code that stands in the running cell itself."""
    cause, cell = stopped_names.get(missing_name(error)), _running_cell(tb)
    while tb.tb_next is not None:
        tb = tb.tb_next
    if cause is None or cell is None or tb.tb_frame.f_code.co_filename != cell:
        return None
    stopped_names.update({name: cause for name in _defined_names(cell) if name not in tb.tb_frame.f_globals})
    return cause


def _running_cell(tb: TracebackType | None) -> str | None:
    """The file name of the cell that was run, or None."""
    while tb is not None:
        code = tb.tb_frame.f_code
        if code.co_name == "<module>" and is_cell(code.co_filename):
            return code.co_filename
        tb = tb.tb_next
    return None


def _defined_names(filename: str) -> set[str]:
    """The names that the cell would define if it ran to its end, those in `with`, `for` and `if` blocks included."""
    try:
        return bound_names(ast.parse("".join(linecache.getlines(filename))))
    except SyntaxError:
        return set()


def bound_names(node: ast.AST) -> set[str]:
    """The names that this code gives a value in its own namespace: not those inside functions and comprehensions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return set()
    names = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
    return names.union(*map(bound_names, ast.iter_child_nodes(node)))


def _print_warning(
    message: Any, category: type, filename: str, lineno: int, file: Any = None, line: str | None = None
) -> None:
    """Print a warning in one line on stdout (the signature is that of `warnings.showwarning`)."""
    where = ""
    if is_cell(filename):
        text = line or linecache.getline(filename, lineno).strip()
        where = f", line {lineno}: {clean(text, 120)}"
    print(f"Warning ({category.__name__}{where}): {clean(str(message), 300)}", file=file or sys.stdout)
