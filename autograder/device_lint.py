"""Find devices that are written into a notebook's code, where it would stop at a GPU or never use one.

A notebook takes its device from `lab.device`, and an exercise takes it from its inputs. Two patterns break that:
a device by its name (`.cuda()`, `.to("cpu")`, `device="cuda:0"`, `torch.device("mps")`), and, in an exercise, a new
tensor without `device=` (`torch.zeros(3)` lies on the CPU wherever the inputs are). `x.cpu()` is fine: NumPy and
Matplotlib need it; and so are new tensors where there is no input to follow, in `__init__` (the module is moved
later) and in functions without parameters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from autograder.source import SourceCell

_NAMED = re.compile(r"(cpu|cuda|mps|xpu)(:\d+)?")
_FACTORIES = {
    *("arange", "as_tensor", "empty", "eye", "from_numpy", "full", "linspace", "logspace", "ones", "rand"),
    *("randint", "randn", "randperm", "tensor", "zeros"),
}


def hard_wired(cells: Iterable[SourceCell]) -> Iterator[str]:
    """A sentence for each device that is written into the code of these cells."""
    for cell in cells:
        if not cell.is_code:
            continue
        tree = ast.parse(cell.text)
        free = {id(node) for function in ast.walk(tree) if _without_inputs(function) for node in ast.walk(function)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                follows = cell.kind == "exercise" and id(node) not in free
                for problem in _problems(node, follows):
                    yield f"line {cell.line + node.lineno}: {problem}: {ast.unparse(node)[:80]}"


def _without_inputs(node: ast.AST) -> bool:
    if not isinstance(node, ast.FunctionDef):
        return False
    given = node.args
    return node.name == "__init__" or not (given.args or given.posonlyargs or given.kwonlyargs or given.vararg)


def _problems(call: ast.Call, follows_inputs: bool) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in ("cuda", "mps"):
        yield "moves to a device by its name"
    places = [keywords["device"]] if "device" in keywords else []
    places += call.args if name in ("to", "device", "setup", "set_default_device") else []
    if any(isinstance(p, ast.Constant) and isinstance(p.value, str) and _NAMED.fullmatch(p.value) for p in places):
        yield "names a device"
    new = name in _FACTORIES and ast.unparse(call.func.value) == "torch"
    if follows_inputs and new and "device" not in keywords:
        yield "makes a tensor without device= in an exercise"
