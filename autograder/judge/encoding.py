"""From values to nodes; see `values`."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch

from .values import (
    BIT_GENERATORS,
    INT_MAX,
    INT_MIN,
    MAX_DEPTH,
    MAX_HEX,
    MAX_KEYS,
    MAX_NODES,
    NUMPY_DTYPE,
    PLAIN,
    TOO_MUCH,
    TORCH_NAMES,
    Side,
)


def encode(value: Any, side: Side) -> Any:
    """The node of a value. `ValueError` if it is too large or holds itself; `TypeError` from `refer`."""
    return Encoder(side).node(value, 0)


class Encoder:
    """One message's walk over a value."""

    def __init__(self, side: Side):
        self.side = side
        self.count = 0
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []  # keeps ids from being used again
        self.open: set[int] = set()

    def node(self, value: Any, depth: int) -> Any:
        """The node of `value`, which lies `depth` containers deep."""
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_NODES:
            raise ValueError(TOO_MUCH)
        kind = type(value)
        if kind in PLAIN:
            return value
        if kind is int:
            if INT_MIN <= value <= INT_MAX:
                return value
            if value.bit_length() > MAX_HEX * 4 - 16:
                raise ValueError(f"an integer of {value.bit_length()} bits is too large")
            return ["i", hex(value)]
        encoder = _ENCODERS.get(kind) or self.subclass(value)
        if encoder is None or (encoder in _CONDITIONAL and not _crosses(value, encoder)):
            return self.side.refer(value)
        if encoder not in _SHARED:
            return encoder(self, value, depth + 1)
        key = id(value)
        if key in self.open:
            raise ValueError("the value holds itself")
        if key in self.seen:
            return ["r", self.seen[key]]
        self.seen[key] = len(self.seen)
        self.alive.append(value)
        self.open.add(key)
        node = encoder(self, value, depth + 1)
        self.open.discard(key)
        return node

    def subclass(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return Encoder.tensor
        if isinstance(value, np.ndarray):
            return Encoder.array
        if isinstance(value, np.generic):
            return Encoder.scalar
        if isinstance(value, np.dtype):
            return Encoder.numpy_dtype
        for base, encoder in _BASES:
            if isinstance(value, base):
                return encoder if self.side.by_value(value) else None
        return None

    def items(self, values: Any, depth: int) -> list:
        nodes = []
        for value in values:
            if type(value) in PLAIN:  # most of what is sent: not worth a call each
                self.count += 1
                nodes.append(value)
            else:
                nodes.append(self.node(value, depth))
        if nodes and (depth > MAX_DEPTH or self.count > MAX_NODES):
            raise ValueError(TOO_MUCH)
        return nodes

    def list_(self, value: list, depth: int) -> list:
        return ["l", self.items(list.__iter__(value), depth)]

    def tuple_(self, value: tuple, depth: int) -> list:
        return ["t", self.items(tuple.__iter__(value), depth)]

    def size(self, value: torch.Size, depth: int) -> list:
        return ["sz", [int(n) for n in value]]

    def dict_(self, value: dict, depth: int) -> list:
        if len(value) > MAX_KEYS:
            raise ValueError(f"a dict of {len(value)} entries is too large")
        return ["d", [self.items(pair, depth) for pair in dict.items(value)]]

    def set_(self, value: set | frozenset, depth: int) -> list:
        if len(value) > MAX_KEYS:
            raise ValueError(f"a set of {len(value)} entries is too large")
        return ["s" if isinstance(value, set) else "fs", self.items(value, depth)]

    def complex_(self, value: complex, depth: int) -> list:
        return ["c", value.real, value.imag]

    def slice_(self, value: slice, depth: int) -> list:
        return ["sl", *self.items((value.start, value.stop, value.step), depth)]

    def range_(self, value: range, depth: int) -> list:
        return ["rg", *self.items((value.start, value.stop, value.step), depth)]

    def ellipsis_(self, value: Any, depth: int) -> list:
        return ["el"]

    def torch_dtype(self, value: torch.dtype, depth: int) -> list:
        return ["dt", str(value).removeprefix("torch.")]

    def numpy_dtype(self, value: np.dtype, depth: int) -> list:
        return ["nd", _sent_as(value).str]

    def device(self, value: torch.device, depth: int) -> list:
        return ["dv", str(value)]

    def scalar(self, value: np.generic, depth: int) -> list:
        dtype = _sent_as(value.dtype)
        return ["N", dtype.str, np.asarray(value).astype(dtype, copy=False).tobytes()]

    def array(self, value: np.ndarray, depth: int) -> list:
        if np.ma.isMaskedArray(value):
            value = value.filled(np.nan) if value.dtype.kind in "fc" else value.filled()
        value = np.asarray(value)
        dtype = _sent_as(value.dtype)
        return ["A", dtype.str, list(value.shape), value.astype(dtype, copy=False).tobytes()]

    def tensor(self, value: torch.Tensor, depth: int) -> list:
        with torch._C.DisableTorchFunctionSubclass():
            requires_grad = bool(value.requires_grad)
            grad = value.grad if value.is_leaf else None
            node = ["T", *_tensor_fields(value), requires_grad]
            grad_node = None if grad is None else ["T", *_tensor_fields(grad), False, None, None]
            extra = self.side.tensor_out(value) if requires_grad else None
        return [*node, grad_node, extra]

    def generator(self, value: np.random.Generator, depth: int) -> list:
        bits = value.bit_generator
        state = bits.state
        inner = [hex(state["state"]["state"]), hex(state["state"]["inc"])]
        return ["G", type(bits).__name__, *inner, state["has_uint32"], state["uinteger"]]

    def torch_generator(self, value: torch.Generator, depth: int) -> list:
        return ["tg", _bytes_of(value.get_state())]


def _crosses(value: Any, encoder: Any) -> bool:
    """Whether this very object can be sent by value, its type being one that can."""
    if encoder is Encoder.tensor:
        with torch._C.DisableTorchFunctionSubclass():
            dense = value.layout is torch.strided and value.device.type != "meta"
            return dense and value.dtype in TORCH_NAMES
    if encoder in (Encoder.array, Encoder.scalar):
        return _sent_as(value.dtype) is not None
    if encoder is Encoder.numpy_dtype:
        return _sent_as(value) is not None
    if encoder is Encoder.generator:
        return type(value.bit_generator).__name__ in BIT_GENERATORS
    if encoder is Encoder.torch_generator:
        return value.device.type == "cpu"
    return value in TORCH_NAMES


@functools.lru_cache(maxsize=256)
def _sent_as(dtype: np.dtype) -> np.dtype | None:
    """The dtype with which an array's numbers are sent: little-endian, long doubles as doubles; None for none."""
    if dtype.kind in "fc" and dtype.itemsize > (8 if dtype.kind == "f" else 16):
        dtype = np.dtype(np.float64 if dtype.kind == "f" else np.complex128)
    little = dtype.newbyteorder("<")
    return little if NUMPY_DTYPE.fullmatch(little.str) else None


def _tensor_fields(value: torch.Tensor) -> list:
    plain = value.detach()
    if type(plain) is not torch.Tensor:
        plain = plain.as_subclass(torch.Tensor)
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    return [TORCH_NAMES[plain.dtype], list(plain.shape), _bytes_of(plain)]


def _bytes_of(value: torch.Tensor) -> bytes:
    flat = value.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    if not flat.numel():
        return b""
    if flat.stride() != (1,):  # one entry of an expanded tensor
        flat = flat.clone(memory_format=torch.contiguous_format).as_strided(flat.shape, (1,))
    return flat.view(torch.uint8).numpy().tobytes()


_ENCODERS = {
    list: Encoder.list_,
    tuple: Encoder.tuple_,
    dict: Encoder.dict_,
    set: Encoder.set_,
    frozenset: Encoder.set_,
    complex: Encoder.complex_,
    slice: Encoder.slice_,
    range: Encoder.range_,
    type(Ellipsis): Encoder.ellipsis_,
    torch.Size: Encoder.size,
    torch.dtype: Encoder.torch_dtype,
    torch.device: Encoder.device,
    torch.Tensor: Encoder.tensor,
    torch.nn.Parameter: Encoder.tensor,
    np.ndarray: Encoder.array,
    np.random.Generator: Encoder.generator,
    torch.Generator: Encoder.torch_generator,
}
_SHARED = {
    Encoder.list_,
    Encoder.dict_,
    Encoder.set_,
    Encoder.array,
    Encoder.tensor,
    Encoder.generator,
    Encoder.torch_generator,
}
_CONDITIONAL = {  # not every object of these types crosses
    Encoder.tensor,
    Encoder.array,
    Encoder.scalar,
    Encoder.numpy_dtype,
    Encoder.torch_dtype,
    Encoder.generator,
    Encoder.torch_generator,
}
# Subclasses of plain types that cross by value (bool and np.bool_ are handled before).
_BASES = (
    (torch.Size, Encoder.size),
    (list, Encoder.list_),
    (tuple, Encoder.tuple_),
    (dict, Encoder.dict_),
    (set, Encoder.set_),
    (frozenset, Encoder.set_),
    (int, lambda self, value, depth: self.node(int(value), depth)),
    (float, lambda self, value, depth: self.node(float(value), depth)),
    (complex, lambda self, value, depth: self.node(complex(value), depth)),
    (str, lambda self, value, depth: self.node(str.__str__(value), depth)),
    (bytes, lambda self, value, depth: self.node(bytes(value), depth)),
)
