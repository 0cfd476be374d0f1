"""Trying one function alone: others that it calls are replaced for the time of the call.

    alone = StandIns(softmax=torch.softmax)
    alone(cross_entropy, logits, labels)      # as cross_entropy(logits, labels), with torch's softmax

So a slip in one exercise does not show up as a failed check of another.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class StandIns:
    """Calls functions with the given objects in place of the global names that they look up."""

    def __init__(self, **names: Any):
        """`names`: the global names to replace, with what stands in for them."""
        self.names = names

    def __call__(self, function: Callable, /, *args: Any, **settings: Any) -> Any:
        """`function(*args, **settings)`. `TypeError` if it is nothing that has global names."""
        with replaced(function, self.names):
            return function(*args, **settings)


@contextlib.contextmanager
def replaced(function: Any, names: Mapping[str, Any]) -> Iterator[None]:
    """Let `names` be other global names of `function`'s module or notebook within the block."""
    if not names:
        yield
        return
    space = _globals_of(function)
    missing = object()
    before = {name: space.get(name, missing) for name in names}
    space.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is missing:
                space.pop(name, None)
            else:
                space[name] = value


def _globals_of(function: Any) -> dict:
    """The global names that a function, a method, a partial, a class or an instance sees."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isclass(function) or not hasattr(function, "__code__"):
        owner = function if inspect.isclass(function) else type(function)
        own = [v for v in vars(owner).values() if inspect.isfunction(v)]
        function = getattr(function, "__func__", None) or (own[0] if own else function)
    function = inspect.unwrap(function)
    space = getattr(function, "__globals__", None)
    if space is None:
        raise TypeError(f"{function!r} has no global names to replace")
    return space
