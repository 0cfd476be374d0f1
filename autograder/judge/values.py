"""Values as plain data: what crosses by value between the judge and a student's process.

By value: None, bool, int, float, complex, str, bytes, dense tensors and arrays with their numbers, numpy
scalars, `torch.Size`, dtypes, devices, slices, ranges, `...`, random generators by state, and list,
tuple, dict, set and frozenset of these. `encode` turns a value into a node of None, bool, int, float,
str, bytes and lists; `decode` turns a node back. Anything else is left to the `Side`, which names it by a
number (a handle).

One object that occurs twice in a message is sent once and stays one object. A cycle cannot be sent.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from .wire import MAX_ITEMS, WireError

MAX_DEPTH = 48
MAX_NODES = MAX_ITEMS
MAX_KEYS = 20_000  # entries of one dict or set: bounds what colliding hashes can cost
MAX_NUMBERS = 32 << 20  # entries of one array
MAX_VALUE_BYTES = 256 << 20  # of all arrays in a message, one that occurs twice counted twice
MAX_DIMS = 16
MAX_HEX = 4096  # digits of an integer
TOO_MUCH = "the value is nested too deeply or has too many parts"
PLAIN = frozenset((type(None), bool, float, str, bytes))  # cross as they are
INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1

TORCH_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
    )
}
TORCH_NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}
NUMPY_DTYPE = re.compile(r"\|b1|\|[iu]1|<[iu][248]|<f[248]|<c(8|16)|<U\d{1,4}|\|S\d{1,4}")
BIT_GENERATORS = {"PCG64": np.random.PCG64, "PCG64DXSM": np.random.PCG64DXSM}


class Side:
    """How one side names what does not cross by value; both halves of a conversation derive from it."""

    def refer(self, value: Any) -> list:
        """A node for an object that does not cross by value. `TypeError` if it may not cross at all."""
        raise TypeError(f"a {type(value).__name__} does not cross")

    def resolve(self, node: list) -> Any:
        """The object of a node that the other side's `refer` made. `WireError` if it is none."""
        raise WireError("unknown tag")

    def tensor_out(self, tensor: torch.Tensor) -> Any:
        """What to send along with a tensor that requires grad."""
        return None

    def tensor_in(self, tensor: torch.Tensor, extra: Any) -> torch.Tensor:
        """The tensor to use for a received one that requires grad. `WireError` for a bad `extra`."""
        return tensor.requires_grad_()

    def by_value(self, value: Any) -> bool:
        """Whether an instance of a subclass of a plain type crosses by value (losing its class)."""
        return True
