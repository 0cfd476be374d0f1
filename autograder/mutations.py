"""One-change mutants of a reference solution: every small slip that a syntax tree allows.

Only code inside `### BEGIN SOLUTION` regions is changed, one place at a time. What an exception's text says
is nobody's promise, so messages are left alone. A mutant's key is made of the cell, the function and the
changed expression as Python prints it, so it survives reformatting and changes elsewhere in the cell.
"""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.source import SOLUTION, SourceCell

_BINARY = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.Mult,),
    ast.Pow: (ast.Mult,),
}
_COMPARE = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_NAMES = {
    "max": "min",
    "min": "max",
    "maximum": "minimum",
    "minimum": "maximum",
    "argmax": "argmin",
    "sum": "mean",
    "mean": "sum",
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "exp": "expm1",
    "expm1": "exp",
    "sin": "cos",
    "cos": "sin",
    "sqrt": "square",
    "log": "log1p",
}

_COMMUTATIVE = ("max", "min", "maximum", "minimum")


@dataclass(frozen=True)
class Mutant:
    """One change of one exercise cell: its key, the cell's id and both texts."""

    key: str
    cell: str
    before: str
    after: str

    def diff(self) -> str:
        """The change as a unified diff without its header."""
        lines = difflib.unified_diff(self.before.split("\n"), self.after.split("\n"), lineterm="", n=1)
        return "\n".join(list(lines)[2:])


def mutants(cell: SourceCell) -> list[Mutant]:
    """All mutants of an exercise cell, in the order of the text."""
    tree = ast.parse(cell.text)
    lines = _solution_lines(cell.text)
    made, seen, counts = [], {cell.text}, Counter()
    for scope, node, parent in _walk(tree):
        if getattr(node, "lineno", None) not in lines or getattr(node, "end_lineno", 0) not in lines:
            continue
        for new in _changes(node, parent):
            after = _spliced(cell.text, node, new)
            if after in seen or not _parses(after):
                continue
            seen.add(after)
            key = f"{cell.id} {scope}: {_shown(node)} -> {_shown(new)}"
            counts[key] += 1
            if counts[key] > 1:
                key += f" #{counts[key]}"
            made.append(Mutant(key, cell.id, cell.text, after))
    return made


def _solution_lines(text: str) -> set[int]:
    inside, found = False, set()
    for number, line in enumerate(text.split("\n"), 1):
        if SOLUTION[0] in line:
            inside = True
        elif SOLUTION[1] in line:
            inside = False
        elif inside:
            found.add(number)
    return found


def _walk(tree: ast.Module) -> Iterator[tuple[str, ast.AST, ast.AST]]:
    """(dotted scope, node, parent) of all nodes but those in a raise, an f-string or an annotation."""

    def visit(node: ast.AST, scope: tuple[str, ...]) -> Iterator[tuple[str, ast.AST, ast.AST]]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns") or isinstance(node, ast.Raise | ast.JoinedStr):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield ".".join(scope), child, node
                    named = isinstance(child, ast.FunctionDef | ast.ClassDef)
                    yield from visit(child, (*scope, child.name) if named else scope)

    return visit(tree, ())


def _shown(node: ast.AST | None) -> str:
    text = "nothing" if node is None else " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else text[:86] + " ..."


def _spliced(text: str, node: ast.AST, new: ast.AST | None) -> str:
    """The text with the node's piece replaced; offsets of the syntax tree count bytes."""
    lines = text.encode().split(b"\n")
    first, last = node.lineno - 1, node.end_lineno - 1
    head, tail = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
    statement = isinstance(node, ast.stmt)
    if new is None:
        piece = b"pass"
    else:
        piece = ast.unparse(new).encode()
        if statement:
            piece = piece.replace(b"\n", b"\n" + b" " * node.col_offset)
        else:
            piece = b"(" + b" ".join(piece.split()) + b")" if _needs_brackets(new) else piece
    lines[first : last + 1] = [head + piece + tail]
    return b"\n".join(lines).decode()


def _needs_brackets(node: ast.AST) -> bool:
    simple = (ast.Name, ast.Constant, ast.Call, ast.Attribute, ast.Subscript, ast.Slice)
    bracketed = (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.GeneratorExp)
    negative = isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.value < 0
    return negative or not isinstance(node, simple + bracketed)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


# ------------------------------------------------------------------------------------------------ the changes


def _changes(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST | None]:
    """Everything that may stand in place of the node; None takes a statement out."""
    if isinstance(node, ast.stmt):
        yield from _statement(node)
    elif isinstance(node, ast.Slice):
        for field in ("lower", "upper", "step"):
            if getattr(node, field) is not None:
                yield _with(node, **{field: None})
    elif isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        yield from _expression(node, parent)


def _statement(node: ast.stmt) -> Iterator[ast.AST | None]:
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass) or docstring:
        return
    yield None
    if isinstance(node, ast.AugAssign):
        yield ast.Assign([node.target], node.value, lineno=node.lineno)
        for op in _BINARY.get(type(node.op), ()):
            yield _with(node, op=op())
    if isinstance(node, ast.Break):
        yield ast.Continue()
    if isinstance(node, ast.Continue):
        yield ast.Break()


def _expression(node: ast.expr, parent: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp):
        yield from _binary(node)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for op in _COMPARE[type(node.ops[0])]:
            yield _with(node, ops=[op()])
    elif isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            for new in _COMPARE[type(op)]:
                yield _with(node, ops=[*node.ops[:i], new(), *node.ops[i + 1 :]])
    elif isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        for i in range(len(node.values)):
            rest = [v for j, v in enumerate(node.values) if j != i]
            yield rest[0] if len(rest) == 1 else _with(node, values=rest)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from _constant(node)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value
    elif (
        isinstance(node, ast.Tuple)
        and len(node.elts) == 2
        and not isinstance(parent, ast.Subscript | ast.Compare)
    ):
        if ast.dump(node.elts[0]) != ast.dump(node.elts[1]):
            yield _with(node, elts=node.elts[::-1])
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.GeneratorExp | ast.ListComp | ast.SetComp):
        for i, part in enumerate(node.generators):
            if part.ifs:
                parts = [_with(p, ifs=[]) if j == i else p for j, p in enumerate(node.generators)]
                yield _with(node, generators=parts)
    tested = isinstance(parent, ast.If | ast.IfExp | ast.While) and parent.test is node
    if tested and not isinstance(node, ast.Compare):
        yield ast.UnaryOp(ast.Not(), node)


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    for op in _BINARY.get(type(node.op), ()):
        yield _with(node, op=op())
    if isinstance(node.op, ast.MatMult | ast.Sub | ast.Div | ast.Pow):
        yield _with(node, left=node.right, right=node.left)
    yield node.left
    yield node.right


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        for new in dict.fromkeys((value + 1, value - 1, 0)):
            if new != value:
                yield ast.Constant(new)
    elif isinstance(value, float):
        for new in dict.fromkeys((value + 1, value - 1, 0.0, 2 * value)):
            if new != value:
                yield ast.Constant(new)


def _call(node: ast.Call) -> Iterator[ast.AST]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in _NAMES:
        if isinstance(node.func, ast.Attribute):
            yield _with(node, func=_with(node.func, attr=_NAMES[name]))
        elif name in ("max", "min"):
            yield _with(node, func=ast.Name(_NAMES[name], ast.Load()))
    args = node.args
    starred = any(isinstance(a, ast.Starred) for a in args)
    for i in range(len(args) - 1):
        swapped = [*args[:i], args[i + 1], args[i], *args[i + 2 :]]
        if name not in _COMMUTATIVE and not starred and ast.dump(args[i]) != ast.dump(args[i + 1]):
            yield _with(node, args=swapped)
    for i in range(len(node.keywords)):
        yield _with(node, keywords=[k for j, k in enumerate(node.keywords) if j != i])
    method = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value)
    if method and not args:  # x.copy(), x.sum(axis=0)
        yield node.func.value
    elif len(args) >= 1 and not starred:  # np.abs(x), float(x), reversed(x), max(a, b)
        yield from args


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("np", "math", "sys")


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """A shallow copy of the node with some fields changed."""
    copy = type(node)(**{**dict(ast.iter_fields(node)), **fields})
    return ast.copy_location(copy, node)
