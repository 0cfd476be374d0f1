"""Find names by which another cell could break a widget.

A widget draws again whenever it is moved, long after the cells below it have run. If one of those gives another
value to a name that the drawing reads (a check's `x`, a figure's `peaks`), the picture is lost. So a global name that
the functions of a widget's cell read is made by one cell only.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from coursekit.ipython import bound_names

from autograder.source import SourceCell


def names_at_risk(cells: Iterable[SourceCell]) -> Iterator[str]:
    """A sentence for each name that a widget reads and that more than one cell makes."""
    trees = [(cell, ast.parse(cell.text)) for cell in cells if cell.is_code]
    makers = defaultdict(list)
    for cell, tree in trees:
        for name in bound_names(tree):
            makers[name].append(cell.line)
    for cell, tree in trees:
        if any(isinstance(node, ast.Call) and ast.unparse(node.func) == "explore" for node in ast.walk(tree)):
            for name in sorted(_read_by_functions(tree)):
                if len(makers[name]) > 1:
                    lines = ", ".join(map(str, makers[name]))
                    yield f"line {cell.line}: the widget reads `{name}`, made by the cells at lines {lines}"


def _read_by_functions(tree: ast.AST) -> set[str]:
    """The names that functions of the cell read and do not make themselves."""
    read = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.Lambda):
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
            own |= {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)}
            read |= {node.id for node in names if isinstance(node.ctx, ast.Load)} - own
    return read
