"""Functions and classes of torch, numpy and Python that a test may pass: they cross by name, to the
student only."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_ROOTS = ("torch", "numpy", "math", "cmath", "operator", "builtins")
_NOT_NAMED = ("builtins.exec", "builtins.eval", "builtins.open", "builtins.__import__", "builtins.input")


def name_of(value: Any) -> tuple[str, str] | None:
    """(module, name) under which a module of torch, numpy or Python holds this very object, else None."""
    if type(value) is type(sys):
        return (value.__name__, "") if value.__name__.partition(".")[0] in _ROOTS else None
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if name is None:
        name = getattr(value, "__name__", None)  # numpy's ufuncs
    if type(name) is not str:
        return None
    for place in (module, "numpy", "torch", "torch.nn.functional", "math"):
        if type(place) is not str or place.partition(".")[0] not in _ROOTS or f"{place}.{name}" in _NOT_NAMED:
            continue
        try:
            if find(place, name) is value:
                return place, name
        except LookupError:
            continue
    return None


def find(module: str, name: str) -> Any:
    """The object of that name. `LookupError` if there is none."""
    if module.partition(".")[0] not in _ROOTS:
        raise LookupError(module)
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        for part in name.split(".") if name else ():
            found = getattr(found, part)
    except (ImportError, AttributeError):
        raise LookupError(f"{module}.{name}") from None
    return found
