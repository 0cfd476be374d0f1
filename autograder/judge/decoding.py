"""From nodes to values: the one place where data from a student becomes objects of the judge.

Nothing in a node is trusted: every tag, type, shape, length, depth and count is checked before it is
used, and nothing is made but plain values, arrays and tensors.
"""

from __future__ import annotations

import functools
import math
import re
from typing import Any

import numpy as np
import torch

from .values import (
    BIT_GENERATORS,
    INT_MAX,
    INT_MIN,
    MAX_DEPTH,
    MAX_DIMS,
    MAX_HEX,
    MAX_KEYS,
    MAX_NODES,
    MAX_NUMBERS,
    MAX_VALUE_BYTES,
    NUMPY_DTYPE,
    PLAIN,
    TOO_MUCH,
    TORCH_DTYPES,
    Side,
)
from .wire import WireError

_AS_THEY_ARE = PLAIN | {int}
_DEVICE = re.compile(r"(cpu|cuda|mps|meta|xpu)(:\d{1,2})?")


def decode(node: Any, side: Side) -> Any:
    """The value of a node. `WireError` for anything that `encode` would not have made."""
    try:
        return Decoder(side).value(node, 0)
    except WireError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, RuntimeError, MemoryError) as error:
        raise WireError(f"a value that cannot be ({type(error).__name__})") from None


class Decoder:
    """One message's walk over a node."""

    def __init__(self, side: Side):
        self.side = side
        self.count = 0
        self.bytes = 0  # of arrays, tensors and texts, each as often as it is referred to
        self.slots: list[tuple[Any, int, int] | None] = []  # value, its nodes and bytes; None while being made

    def value(self, node: Any, depth: int) -> Any:
        """The value of `node`, which lies `depth` containers deep."""
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_NODES:
            raise WireError(TOO_MUCH)
        if type(node) is not list:
            if type(node) in _AS_THEY_ARE:
                return node
            raise WireError("not a value")
        if not node or type(node[0]) is not str:
            raise WireError("not a value")
        rule = _DECODERS.get(node[0])
        if rule is None:
            return self.side.resolve(node)
        method, length, shared = rule
        if len(node) != length:
            raise WireError("wrong number of fields")
        if not shared:
            return method(self, node, depth + 1)
        count, size, slot = self.count, self.bytes, len(self.slots)
        self.slots.append(None)
        value = method(self, node, depth + 1)
        self.slots[slot] = (value, self.count - count + 1, self.bytes - size)
        return value

    def again(self, node: list, depth: int) -> Any:
        number = _whole(node[1], 0, len(self.slots) - 1)
        made = self.slots[number]
        if made is None:
            raise WireError("a value that holds itself")
        self.count += made[1]  # what reading it costs, not what sending it cost
        self.take(made[2])
        if self.count > MAX_NODES:
            raise WireError("too many parts")
        return made[0]

    def take(self, size: int) -> None:
        """Count the bytes of numbers that whoever reads the value may come to copy."""
        self.bytes += size
        if self.bytes > MAX_VALUE_BYTES:
            raise WireError("the value has too many numbers")

    def items(self, nodes: Any, depth: int, most: int = MAX_NODES) -> list:
        if type(nodes) is not list or len(nodes) > most:
            raise WireError("not a list, or a too long one")
        values = []
        for node in nodes:
            if type(node) in _AS_THEY_ARE:
                self.count += 1
                values.append(node)
            else:
                values.append(self.value(node, depth))
        if values and (depth > MAX_DEPTH or self.count > MAX_NODES):
            raise WireError(TOO_MUCH)
        return values

    def big_int(self, node: list, depth: int) -> int:
        text = node[1]
        if type(text) is not str or len(text) > MAX_HEX or not re.fullmatch(r"-?0x[0-9a-f]+", text):
            raise WireError("not an integer")
        return int(text, 16)

    def complex_(self, node: list, depth: int) -> complex:
        if type(node[1]) is not float or type(node[2]) is not float:
            raise WireError("not a complex number")
        return complex(node[1], node[2])

    def list_(self, node: list, depth: int) -> list:
        return self.items(node[1], depth)

    def tuple_(self, node: list, depth: int) -> tuple:
        return tuple(self.items(node[1], depth))

    def size(self, node: list, depth: int) -> torch.Size:
        return torch.Size(_shape(node[1]))

    def dict_(self, node: list, depth: int) -> dict:
        pairs = node[1]
        if type(pairs) is not list or len(pairs) > MAX_KEYS:
            raise WireError("not a dict, or a too large one")
        made = {}
        for pair in pairs:
            if type(pair) is not list or len(pair) != 2:
                raise WireError("not a pair")
            key, value = self.items(pair, depth)
            made[_key(key)] = value
        return made

    def set_(self, node: list, depth: int) -> set | frozenset:
        made = {_key(v) for v in self.items(node[1], depth, MAX_KEYS)}
        return made if node[0] == "s" else frozenset(made)

    def slice_(self, node: list, depth: int) -> slice:
        return slice(*(self.value(n, depth) for n in node[1:]))

    def range_(self, node: list, depth: int) -> range:
        made = range(*(_whole(n, INT_MIN, INT_MAX) for n in node[1:]))
        try:
            self.take(8 * len(made))
        except OverflowError:
            raise WireError("a range that is too long") from None
        return made

    def ellipsis_(self, node: list, depth: int) -> Any:
        return ...

    def torch_dtype(self, node: list, depth: int) -> torch.dtype:
        return TORCH_DTYPES[node[1]] if type(node[1]) is str and node[1] in TORCH_DTYPES else _bad("dtype")

    def numpy_dtype(self, node: list, depth: int) -> np.dtype:
        return _numpy_dtype(node[1])

    def device(self, node: list, depth: int) -> torch.device:
        if type(node[1]) is not str or not _DEVICE.fullmatch(node[1]):
            raise WireError("not a device")
        return torch.device(node[1])

    def scalar(self, node: list, depth: int) -> np.generic:
        return _array(node[1], [], node[2])[()]

    def array(self, node: list, depth: int) -> np.ndarray:
        made = _array(node[1], node[2], node[3])
        self.take(made.nbytes)
        return made

    def tensor(self, node: list, depth: int) -> torch.Tensor:
        _, name, shape, data, requires_grad, grad, extra = node
        tensor = _tensor(name, shape, data)
        self.take(tensor.nbytes)
        if type(requires_grad) is not bool:
            raise WireError("not a tensor")
        if requires_grad:
            if not (tensor.is_floating_point() or tensor.is_complex()):
                raise WireError("whole numbers that require grad")
            if grad is not None:
                tensor.grad = self.gradient(grad, tensor)
            tensor = self.side.tensor_in(tensor, extra)
        elif grad is not None:
            tensor.grad = self.gradient(grad, tensor)
        return tensor

    def gradient(self, node: Any, of: torch.Tensor) -> torch.Tensor:
        if type(node) is not list or len(node) != 7 or node[0] != "T" or node[4:] != [False, None, None]:
            raise WireError("not a gradient")
        grad = _tensor(*node[1:4])
        if grad.shape != of.shape or grad.dtype != of.dtype:
            raise WireError("not a gradient of this tensor")
        return grad

    def generator(self, node: list, depth: int) -> np.random.Generator:
        _, name, state, increment, has_uint32, uinteger = node
        if type(name) is not str or name not in BIT_GENERATORS:
            raise WireError("not a generator")
        numbers = [self.big_int(["i", text], depth) for text in (state, increment)]
        if not all(0 <= n < 1 << 128 for n in numbers) or numbers[1] % 2 != 1:
            raise WireError("not a generator's state")
        bits = BIT_GENERATORS[name](0)
        bits.state = {
            "bit_generator": name,
            "state": {"state": numbers[0], "inc": numbers[1]},
            "has_uint32": _whole(has_uint32, 0, 1),
            "uinteger": _whole(uinteger, 0, (1 << 32) - 1),
        }
        return np.random.Generator(bits)

    def torch_generator(self, node: list, depth: int) -> torch.Generator:
        made = torch.Generator()
        if type(node[1]) is not bytes or len(node[1]) != made.get_state().numel():
            raise WireError("not a generator's state")
        made.set_state(torch.frombuffer(bytearray(node[1]), dtype=torch.uint8))
        return made


# tag: (method, number of fields with the tag, whether it may be referred to again)
_DECODERS = {
    "i": (Decoder.big_int, 2, False),
    "c": (Decoder.complex_, 3, False),
    "l": (Decoder.list_, 2, True),
    "t": (Decoder.tuple_, 2, False),
    "sz": (Decoder.size, 2, False),
    "d": (Decoder.dict_, 2, True),
    "s": (Decoder.set_, 2, True),
    "fs": (Decoder.set_, 2, True),
    "sl": (Decoder.slice_, 4, False),
    "rg": (Decoder.range_, 4, False),
    "el": (Decoder.ellipsis_, 1, False),
    "dt": (Decoder.torch_dtype, 2, False),
    "nd": (Decoder.numpy_dtype, 2, False),
    "dv": (Decoder.device, 2, False),
    "N": (Decoder.scalar, 3, False),
    "A": (Decoder.array, 4, True),
    "T": (Decoder.tensor, 7, True),
    "G": (Decoder.generator, 6, True),
    "tg": (Decoder.torch_generator, 2, True),
    "r": (Decoder.again, 2, False),
}


def _bad(what: str) -> Any:
    raise WireError(f"not a {what}")


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise WireError("not a whole number in its range")
    return value


def _shape(shape: Any) -> list[int]:
    if type(shape) is not list or len(shape) > MAX_DIMS:
        raise WireError("not a shape")
    entries = 1
    for n in shape:
        entries *= _whole(n, 0, MAX_NUMBERS) or 1
    if entries > MAX_NUMBERS:
        raise WireError("a shape with too many entries")
    return shape


def _key(key: Any) -> Any:
    """A dict's key or a set's entry: plain values only, so that hashing and comparing run no other code."""
    if type(key) is tuple:
        return tuple(_key(k) for k in key)
    if key is None or type(key) in (bool, int, float, complex, str, bytes, frozenset):
        return key
    if isinstance(key, np.generic):
        return key
    raise WireError("not a key")


def _numpy_dtype(name: Any) -> np.dtype:
    dtype = _named_dtype(name) if type(name) is str else None
    if dtype is None:
        raise WireError("not a dtype")
    return dtype


@functools.lru_cache(maxsize=256)
def _named_dtype(name: str) -> np.dtype | None:
    return np.dtype(name) if NUMPY_DTYPE.fullmatch(name) else None


def _array(name: Any, shape: Any, data: Any) -> np.ndarray:
    dtype, shape = _numpy_dtype(name), _shape(shape)
    if type(data) is not bytes or len(data) != math.prod(shape) * dtype.itemsize:
        raise WireError("an array whose bytes do not fit its shape")
    if dtype.kind == "b":  # any byte but 0 and 1 would be a bool that is neither
        return (np.frombuffer(data, np.uint8) != 0).reshape(shape)
    if dtype.kind == "U" and data and np.frombuffer(data, "<u4").max() > 0x10FFFF:
        raise WireError("not a text")
    return np.frombuffer(bytearray(data), dtype).reshape(shape)


def _tensor(name: Any, shape: Any, data: Any) -> torch.Tensor:
    if type(name) is not str or name not in TORCH_DTYPES:
        raise WireError("not a dtype")
    dtype, shape = TORCH_DTYPES[name], _shape(shape)
    if type(data) is not bytes or len(data) != math.prod(shape) * dtype.itemsize:
        raise WireError("a tensor whose bytes do not fit its shape")
    if not data:
        return torch.empty(shape, dtype=dtype)
    if dtype is torch.bool:
        return (torch.frombuffer(bytearray(data), dtype=torch.uint8) != 0).reshape(shape)
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape)
