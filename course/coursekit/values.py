"""Turn whatever a student's code returned into plain numbers, and describe it in words.

Nothing here trusts the value that came: only NumPy arrays, torch tensors, Python numbers and (nested)
lists or tuples of these count as numbers. Methods that a class of the student's could have overridden
(`__array__`, `__eq__`, `__repr__`, `__len__`, ...) are never called, so an odd object can neither crash a
check nor make it pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from types import BuiltinFunctionType, FunctionType, GeneratorType, MethodType

import numpy as np

MAX_ENTRIES = 1_000_000  # of nested lists; arrays and tensors may be larger
MAX_DEPTH = 24
_CALLABLES = (FunctionType, MethodType, BuiltinFunctionType)
MAX_TEXT = 400  # characters of one value in a message


class NotNumbers(Exception):
    """The value is not made of numbers; the text says what it is instead."""


@dataclass(frozen=True)
class Numbers:
    """A value as a plain NumPy array, with what it was before (`origin`: number, array, tensor or list)."""

    array: np.ndarray
    dtype: str
    origin: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def kind(self) -> str:
        """In words: `float64 array of shape (2, 3)`, `a number`."""
        if self.origin == "number":
            return "a number" if self.dtype in ("int", "float") else f"a {self.dtype}"
        return f"{self.dtype} {self.origin} of shape {shape_text(self.shape)}"


def is_exactly(value: object, *types: type) -> bool:
    """Whether the value's type is one of these. Unlike `in`, it asks no `__eq__` of a metaclass."""
    cls = type(value)
    return any(cls is kind for kind in types)


# For types that stand for an object elsewhere (in another process): how to name what they stand for.
TYPE_NAMES: dict[type, Callable[[object], str]] = {}


def type_name(value: object) -> str:
    """The name of the value's type, whatever the type's metaclass says (see also `TYPE_NAMES`)."""
    cls = type(value)
    for known, name_of in TYPE_NAMES.items():
        if cls is known:
            return clean(name_of(value), 60)
    return clean(type.__dict__["__name__"].__get__(cls), 60)


def clean(text: object, limit: int = MAX_TEXT) -> str:
    """Text without control characters, cut to `limit` characters."""
    text = str.__str__(text) if isinstance(text, str) else ""
    text = "".join(c if c.isprintable() or c == "\n" else " " for c in text[: limit + 1])
    return text if len(text) <= limit else text[: limit - 4].rstrip() + " ..."


def shape_text(shape: tuple[int, ...]) -> str:
    """`(3,)`, `()`: a shape as Python writes it."""
    return str(tuple(int(n) for n in shape))


def place_text(index) -> str:
    """`[1, 2]`: the place of an entry."""
    return "[" + ", ".join(str(int(i)) for i in index) + "]"


def to_numbers(value: object) -> Numbers:
    """The value as `Numbers`. Raises `NotNumbers` for anything that is not made of numbers."""
    return _to_numbers(value, 0, [MAX_ENTRIES])


def _to_numbers(value: object, depth: int, budget: list[int]) -> Numbers:
    cls = type(value)
    torch = sys.modules.get("torch")
    if issubclass(cls, np.ndarray):
        return _from_array(np.ndarray.view(value, np.ndarray), "array")
    if issubclass(cls, np.generic):
        return _from_array(np.asarray(value), "scalar")
    if torch is not None and issubclass(cls, torch.Tensor):
        return _from_tensor(value, torch)
    if cls is bool:
        return Numbers(np.asarray(value), "bool", "number")
    if issubclass(cls, int):
        return _from_int(int.__add__(value, 0))
    if issubclass(cls, float):
        return Numbers(np.asarray(float.__add__(value, 0.0)), "float", "number")
    if issubclass(cls, complex):
        return Numbers(np.asarray(complex.__add__(value, 0j)), "complex", "number")
    if is_exactly(value, Fraction, Decimal):
        return Numbers(np.asarray(float(value)), cls.__name__, "number")
    if issubclass(cls, list | tuple) or cls is range:
        return _from_sequence(value, depth, budget)
    raise NotNumbers(describe(value))


def _from_int(value: int) -> Numbers:
    try:
        array = np.asarray(value if abs(value) < 2**63 else float(value))
    except OverflowError:
        array = np.asarray(np.inf if value > 0 else -np.inf)
    return Numbers(array, "int", "number")


def _from_array(array: np.ndarray, origin: str) -> Numbers:
    if array.dtype.kind not in "biufc":
        raise NotNumbers(f"an array of dtype {clean(array.dtype.name, 40)}, which does not hold numbers")
    return Numbers(array, array.dtype.name, origin)


def _from_tensor(value, torch) -> Numbers:
    try:
        # a subclass's own __torch_function__ is not asked
        with torch._C.DisableTorchFunctionSubclass():
            tensor = torch.Tensor.detach(value)
            dtype = str(tensor.dtype).removeprefix("torch.")
            if tensor.layout != torch.strided:
                tensor = tensor.to_dense()
            tensor = tensor.cpu().resolve_conj().resolve_neg()
            try:
                array = tensor.numpy()
            except TypeError:  # bfloat16 and the 8-bit floats have no NumPy counterpart
                array = tensor.float().numpy()
    except Exception:
        raise NotNumbers(f"a tensor of type {type_name(value)} whose numbers could not be read") from None
    return Numbers(array, dtype, "tensor")


def _from_sequence(value, depth: int, budget: list[int]) -> Numbers:
    if depth > MAX_DEPTH:
        raise NotNumbers(f"a {type_name(value)} nested more than {MAX_DEPTH} levels deep")
    items = plain_items(value)
    budget[0] -= len(items)
    if budget[0] < 0:
        raise NotNumbers(f"a {type_name(value)} with more than {MAX_ENTRIES:,} entries")
    parts = []
    for item in items:
        try:
            parts.append(_to_numbers(item, depth + 1, budget).array)
        except NotNumbers as error:
            if depth or issubclass(type(item), list | tuple):
                raise
            raise NotNumbers(f"a {type_name(value)} that holds {error}") from None
    if not parts:
        return Numbers(np.zeros(0), "float64", "list")
    if len({p.shape for p in parts}) > 1:
        raise NotNumbers(f"a {type_name(value)} whose entries have different shapes or lengths")
    array = np.stack(parts)
    return Numbers(array, array.dtype.name, type_name(value) if is_exactly(value, list, tuple) else "list")


def plain_items(value) -> list:
    """The entries of a list, tuple or range, read past any overridden method."""
    cls = type(value)
    if issubclass(cls, list):
        return list(list.__iter__(value))
    if issubclass(cls, tuple):
        return list(tuple.__iter__(value))
    if len(value) > MAX_ENTRIES:
        raise NotNumbers(f"a range of more than {MAX_ENTRIES:,} numbers")
    return list(value)


# --- values in words ---------------------------------------------------------------------------------


def number_text(value, digits: int = 6) -> str:
    """One number: integers exactly, floats with `digits` significant digits."""
    kind = np.asarray(value).dtype.kind
    if kind in "biu":
        return str(value.item() if isinstance(value, np.generic | np.ndarray) else value)
    if kind == "c":
        value = complex(value)
        return f"{number_text(value.real, digits)}{value.imag:+.{digits}g}j"
    text = f"{float(value):.{digits}g}"
    return text if any(c in text for c in ".einn") else text + ".0"


def array_text(array: np.ndarray, digits: int = 6) -> str:
    """The entries of an array in aligned columns, the middle left out where there are many."""
    if array.ndim == 0:
        return number_text(array[()], digits)
    if array.size == 0:
        return "[]"
    most, few = (24, 8) if array.ndim == 1 else (40, 3)
    widest = max(len(number_text(v, digits)) for v in array.flat) if array.size <= most else 0
    text = np.array2string(
        array,
        threshold=most,
        edgeitems=few,
        max_line_width=88,
        separator=", ",
        formatter={"all": lambda v: number_text(v, digits).rjust(widest)},
    )
    return text if len(text) <= 2 * MAX_TEXT else text[: 2 * MAX_TEXT] + " ..."


def describe(value: object, digits: int = 6, values: bool = True) -> str:
    """A short description of any value. Never calls a method of a class it does not know."""
    cls = type(value)
    torch = sys.modules.get("torch")
    if value is None or value is Ellipsis:
        return repr(value)
    if is_exactly(value, bool, float, complex) or (cls is int and abs(value) < 10**30):
        return number_text(value, max(digits, 6)) if cls is not complex else repr(value)
    if cls is int:
        return f"an integer of {value.bit_length()} bits"
    if cls is str:
        return repr(clean(value, 80))
    if issubclass(cls, str):
        return f"text of type {type_name(value)}"
    if cls is bytes:
        return f"{len(value)} bytes"
    if is_exactly(value, slice, range) or issubclass(cls, np.dtype):
        return clean(repr(value), 80)
    if torch is not None and is_exactly(value, torch.dtype, torch.device, torch.Size):
        return clean(repr(value), 80)
    if is_exactly(value, dict, set, frozenset):
        return _describe_collection(value)
    if issubclass(cls, np.ndarray | np.generic | list | tuple) or (
        torch is not None and issubclass(cls, torch.Tensor)
    ):
        return _describe_numbers(value, digits, values)
    if issubclass(cls, type):
        return f"the class {clean(type.__dict__['__name__'].__get__(value), 60)} itself"
    name = type_name(value)
    stands_in = is_exactly(value, *TYPE_NAMES)
    if is_exactly(value, *_CALLABLES) or (stands_in and name in ("function", "method")):
        return "a function (is the pair of parentheses of a call missing?)"
    if cls is GeneratorType or (stands_in and name == "generator"):
        return "a generator (`yield` where `return` was meant?)"
    return f"an object of type {name}"


def _describe_numbers(value, digits: int, values: bool) -> str:
    try:
        numbers = to_numbers(value)
    except NotNumbers as error:
        if is_exactly(value, list, tuple):
            return _describe_collection(value)
        return str(error)
    if numbers.shape == () and numbers.origin == "scalar":
        return f"{array_text(numbers.array, digits)} ({numbers.dtype})"
    if not values:
        return numbers.kind
    if numbers.origin in ("list", "tuple") and numbers.array.ndim == 1 and numbers.array.size <= 12:
        entries = ", ".join(number_text(v, digits) for v in numbers.array)
        comma = "," if numbers.origin == "tuple" and numbers.array.size == 1 else ""
        return f"({entries}{comma})" if numbers.origin == "tuple" else f"[{entries}]"
    text = array_text(numbers.array, digits)
    gap = "\n" if "\n" in text else "   "
    return f"{text}{gap}({numbers.kind})"


def _describe_collection(value) -> str:
    count = len(value)
    entries = f"{count} entr{'y' if count == 1 else 'ies'}"
    simple = (bool, int, float, str, type(None))
    if type(value) is dict:
        keys = [k for k in value if is_exactly(k, *simple)]
        if count <= 6 and len(keys) == count and all(is_exactly(value[k], *simple) for k in keys):
            return "{" + ", ".join(f"{clean(repr(k), 30)}: {clean(repr(value[k]), 30)}" for k in keys) + "}"
        listed = ", ".join(clean(repr(k), 30) for k in keys[:8])
        return f"a dict with {entries}" + (f": {listed}{', ...' if count > 8 else ''}" if keys else "")
    items = list(value)
    if count <= 8 and all(is_exactly(v, *simple) for v in items):
        if is_exactly(value, set, frozenset):
            items = sorted(items, key=repr)
        listed = ", ".join(clean(repr(v), 40) for v in items)
        if type(value) is tuple:
            return f"({listed}{',' if count == 1 else ''})"
        return f"[{listed}]" if type(value) is list else f"{{{listed}}}"
    kinds = sorted({type_name(v) for v in items})
    return f"a {type_name(value)} of {entries} ({', '.join(kinds[:4])})"


def describe_wanted(wanted: Numbers, digits: int = 6) -> str:
    """The expected numbers in words, as short as can be."""
    if wanted.shape == ():
        return number_text(wanted.array[()], digits)
    short = wanted.array.ndim == 1 and wanted.array.size <= 12
    return describe(wanted.array.tolist() if short else wanted.array, digits)


def is_kind(value: object, kind: str) -> bool:
    """Whether the value is a "number", "numbers" in one row, or "text". NaN is no number."""
    if kind == "text":
        return type(value) is str
    try:
        numbers = to_numbers(value)
    except NotNumbers:
        return False
    array = numbers.array
    if array.dtype.kind == "b" or array.ndim != (0 if kind == "number" else 1):
        return False
    return not bool(np.isnan(array).any())
