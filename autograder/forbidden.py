"""Library functions that raise during an observed call: an exercise asks to write them by hand.

A forbidden function is met under whatever name the code under test has it:

* The dotted name itself refuses: `F.conv2d(...)`, `x.softmax(0)`, a class, numpy's functions.
* A Python function, or the `__init__` of a class, runs other code for the time of the call. So a name that was
  bound before refuses as well: `from torch.autograd import grad as g`.
* torch's functions written in C are recognised as they are called, by a `TorchFunctionMode`, and with them the
  operations below them: `from torch.nn.functional import conv2d as c`, `torch.ops.aten.convolution`.

Operations are refused where they are called, not where torch uses them inside of another function: what is not
forbidden keeps working, and no result changes. A lesson aid, not a wall: code that wants to can undo all of it.

This module imports nothing of the project: the student's process runs it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

_CONVOLUTION = (
    *("convolution", "_convolution", "_convolution_mode", "convolution_overrideable", "convolution_backward"),
    *("mkldnn_convolution", "cudnn_convolution", "cudnn_convolution_transpose", "thnn_conv2d", "_slow_conv2d_forward"),
    *("_conv_depthwise2d", "conv_depthwise3d", "slow_conv3d", "slow_conv_dilated2d", "slow_conv_dilated3d"),
    *("slow_conv_transpose2d", "slow_conv_transpose3d", "_nnpack_spatial_convolution"),
)

# The last part of a forbidden name: other operations of torch that do the same work.
SAME_WORK = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _CONVOLUTION),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _CONVOLUTION),
    **dict.fromkeys(("convolution", "_convolution"), _CONVOLUTION),
    "conv_tbc": ("conv_tbc_backward",),
    "fold": ("col2im",),
    "max_pool1d": ("max_pool1d_with_indices", "quantized_max_pool1d"),
    "max_pool2d": ("max_pool2d_with_indices", "max_pool2d_with_indices_backward", "mkldnn_max_pool2d"),
    "max_pool3d": ("max_pool3d_with_indices", "max_pool3d_with_indices_backward", "mkldnn_max_pool3d"),
    "batch_norm": (
        *("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"),
        *("_native_batch_norm_legit_functional", "_batch_norm_with_update", "_batch_norm_with_update_functional"),
        *("_batch_norm_no_update", "_batch_norm_impl_index", "cudnn_batch_norm", "native_batch_norm_backward"),
    ),
    "layer_norm": ("native_layer_norm",),
    "group_norm": ("native_group_norm",),
    "cross_entropy": ("cross_entropy_loss",),
    "nll_loss": ("nll_loss_nd", "nll_loss2d", "nll_loss_forward", "nll_loss2d_forward"),
    "softmax": ("_softmax", "_safe_softmax", "special_softmax"),
    "log_softmax": ("_log_softmax", "special_log_softmax"),
    "logsumexp": ("special_logsumexp",),
}

_OF_OPERATIONS = ("torch", "torch.Tensor", "torch.nn.functional", "torch.special")


class ForbiddenCall(RuntimeError):
    """The observed code called a function that the exercise asks to write by hand."""

    finding = True  # a check reports it as a wrong answer, with this text as the problem


@contextlib.contextmanager
def banned(names: tuple[str, ...]) -> Iterator[list[ForbiddenCall]]:
    """Let these dotted names raise `ForbiddenCall` within the block; what was raised, also if it was swallowed.

    `LookupError` for a name that does not exist.
    """
    called: list[ForbiddenCall] = []
    found = [_Found(name) for name in names]
    functions, operations = _torch_functions(found), _operations(found)
    with contextlib.ExitStack() as stack:
        for one in found:
            refuse = _refusal(one.name, called)
            if one.python is not None:
                stack.enter_context(_other_code(one.python, refuse))
            stack.enter_context(_other_attribute(one.owner, one.attribute, refuse))
        if functions:
            refuse = {function: _refusal(name, called) for function, name in functions.items()}
            below = {f"aten.{name}": _refusal(f"torch.ops.aten.{name}", called) for name in operations}
            stack.enter_context(_watching()(refuse, below))
        yield called


def by_name_only(name: str) -> bool:
    """Whether the function is met under this name alone: code that bound it to another name before gets by."""
    found = _Found(name)
    return found.python is None and found.function not in _torch_functions([found]) and not found.through_its_class


class _Found:
    """What a dotted name stands for."""

    def __init__(self, name: str):
        self.name = name
        self.owner, self.attribute = _resolve(name)
        self.function = getattr(self.owner, self.attribute)
        own = self.attribute in vars(self.owner)
        # a method is looked up on its class, which is one object under every name
        self.through_its_class = isinstance(self.owner, type) and isinstance(self.function, FunctionType)
        self.python: FunctionType | None = None
        if own:  # what is inherited belongs to other classes as well
            code = vars(self.function).get("__init__") if isinstance(self.function, type) else self.function
            self.python = code if isinstance(code, FunctionType) else None


def _resolve(name: str) -> tuple[Any, str]:
    """The object that owns the last part of a dotted name, and that part."""
    parts = name.split(".")
    try:
        owner: Any = importlib.import_module(parts[0])
        for i, part in enumerate(parts[1:-1], 2):
            owner = getattr(owner, part, None) or importlib.import_module(".".join(parts[:i]))
        getattr(owner, parts[-1])
    except (ImportError, AttributeError):
        raise LookupError(f"there is no {name!r} to forbid") from None
    return owner, parts[-1]


def _refusal(name: str, called: list[ForbiddenCall]) -> Callable:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        called.append(ForbiddenCall(f"{name} may not be used in this exercise: write it yourself"))
        raise called[-1]

    return refuse


# ------------------------------------------------------------------------------------------ names and Python code


@contextlib.contextmanager
def _other_attribute(owner: Any, attribute: str, value: Any) -> Iterator[None]:
    own, before = attribute in vars(owner), vars(owner).get(attribute)
    try:
        setattr(owner, attribute, value)
        yield
    finally:
        if own:
            setattr(owner, attribute, before)
        else:
            delattr(owner, attribute)


@contextlib.contextmanager
def _other_code(function: FunctionType, refuse: Callable) -> Iterator[None]:
    before = function.__code__, function.__kwdefaults__
    try:
        function.__kwdefaults__ = {"_refuse": refuse}
        function.__code__ = _refusing_code(len(function.__code__.co_freevars))
        yield
    finally:
        function.__code__, function.__kwdefaults__ = before


@functools.cache
def _refusing_code(closed_over: int) -> CodeType:
    """The code of a function that takes anything and calls its default `_refuse`.

    A function takes other code only if that closes over as many variables as its own.
    """
    names = ", ".join(f"v{i}" for i in range(closed_over))
    source = f"def outer({names}):\n def refusing(*args, _refuse, **kwargs): _refuse(); ({names})\n return refusing"
    space: dict[str, Any] = {}
    exec(compile(source, "<shipped refusal>", "exec"), space)
    return space["outer"](*range(closed_over)).__code__


# --------------------------------------------------------------------------------------------- torch's C functions


def _operations(found: list[_Found]) -> dict[str, str]:
    """The operations of torch that do the work of the names, each with the name that forbids it."""
    operations: dict[str, str] = {}
    for one in found:
        if one.name.rpartition(".")[0] in _OF_OPERATIONS:
            for operation in (one.attribute, *SAME_WORK.get(one.attribute, ())):
                operations.setdefault(operation, one.name)
    return operations


def _torch_functions(found: list[_Found]) -> dict[Any, str]:
    """torch's C functions for the names and for their operations: each with the name that forbids it."""
    operations = _operations(found)
    if not operations:
        return {}
    import torch  # a notebook without torch never gets here

    functions = {one.function: one.name for one in reversed(found) if one.attribute in operations}
    for place in map(vars, (torch, torch._C.TensorBase, torch._C._nn, torch._C._special)):
        for operation, name in operations.items():
            functions.setdefault(place.get(operation), name)
    return {f: name for f, name in functions.items() if callable(f) and not isinstance(f, FunctionType | type)}


@functools.cache
def _watching() -> type:
    """The class of the mode that sees each of torch's functions as it is called."""
    from torch._ops import OpOverload, OpOverloadPacket
    from torch.overrides import TorchFunctionMode

    operators = (OpOverload, OpOverloadPacket)

    class Watching(TorchFunctionMode):
        def __init__(self, functions: dict[Any, Callable], operations: dict[str, Callable]):
            super().__init__()
            self.functions, self.operations = functions, operations

        def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
            refuse = self.functions.get(func)
            if refuse is None and type(func) in operators:
                refuse = self.operations.get(".".join(str(func).split(".")[:2]))  # "aten.conv2d.default"
            if refuse is not None:
                refuse()
            return func(*args, **kwargs) if kwargs else func(*args)

    return Watching
