"""Exact comparison of values that are not one array: text, flags, dicts, sets, lists of unlike things."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from .compare import difference
from .values import (
    MAX_DEPTH,
    NotNumbers,
    describe,
    is_exactly,
    plain_items,
    shape_text,
    to_numbers,
    type_name,
)

_EXACT = (int, Fraction, Decimal)


@dataclass(frozen=True)
class Mismatch:
    """The first place at which two values differ (`""` for the value itself), and how.

    `wanted` is what was expected there, for messages that may show it.
    """

    place: str
    problem: str
    wanted: str = ""

    def sentence(self, reveal: bool) -> str:
        """The place and the problem in words (`""` where the values themselves say all)."""
        problem = self.problem
        if problem and self.wanted and reveal:
            problem += f", {self.wanted} was expected"
        return f"at {self.place}: {problem}" if self.place and problem else problem


def _came(got: Any, want: Any, place: str) -> Mismatch:
    """Two single values differ: at the top the message shows both anyway."""
    return Mismatch(place, f"{describe(got)} came" if place else "", describe(want))


def mismatch(got: Any, want: Any, place: str = "", depth: int = 0) -> Mismatch | None:
    """How `got` differs from `want`, or None. `want` is trusted, `got` is not.

    Lists and tuples of the same entries are equal, numbers are equal by value whatever their type, a bool
    equals only a bool, and an object of an unknown type equals nothing.
    """
    if depth > MAX_DEPTH:
        return Mismatch(place, "nested too deeply to compare")
    cls = type(got)
    if want is None or want is Ellipsis:
        return None if got is want else _came(got, want, place)
    if isinstance(want, bool | np.bool_):
        return _flag(got, bool(want), place)
    if isinstance(want, str | bytes):
        base = str if isinstance(want, str) else bytes
        same = issubclass(cls, base) and base.__eq__(got, want) is True
        return None if same else _came(got, want, place)
    if isinstance(want, dict):
        return _dicts(got, want, place, depth)
    if isinstance(want, set | frozenset):
        return _sets(got, want, place)
    if is_exactly(want, *_EXACT) and is_exactly(got, *_EXACT):  # exact for integers of any size
        return None if got == want else _came(got, want, place)
    try:
        wanted = to_numbers(want)
    except NotNumbers:
        wanted = None
    if wanted is not None and wanted.array.size and wanted.array.dtype.kind != "O":
        return _numbers(got, wanted, place)
    if isinstance(want, list | tuple | range):
        return _sequences(got, want, place, depth)
    torch = sys.modules.get("torch")
    known = (slice, *((torch.dtype, torch.device) if torch is not None else ()))
    if issubclass(cls, np.dtype) or is_exactly(got, *known):
        return None if cls is type(want) and got == want else _came(got, want, place)
    if wanted is not None:
        return _numbers(got, wanted, place)
    if got is want:
        return None
    return Mismatch(place, f"a {type_name(got)} came, which cannot be compared")


def _flag(got: Any, want: bool, place: str) -> Mismatch | None:
    try:
        numbers = to_numbers(got)
    except NotNumbers:
        return Mismatch(place, "True or False was expected")
    if numbers.shape != () or numbers.array.dtype.kind != "b":
        return Mismatch(place, "True or False was expected")
    return None if bool(numbers.array) is want else _came(got, want, place)


def _numbers(got: Any, wanted, place: str) -> Mismatch | None:
    try:
        came = to_numbers(got)
    except NotNumbers as error:
        return Mismatch(place, f"{error} is not a number" if wanted.shape == () else f"{error} came")
    if came.shape != wanted.shape:
        return Mismatch(place, f"shape {shape_text(came.shape)}, not {shape_text(wanted.shape)}")
    if came.array.dtype.kind == "b" and wanted.array.dtype.kind != "b":
        return Mismatch(place, "True and False came, not numbers")
    found = difference(came.array, wanted.array, 0.0, 0.0)
    if found is None:
        return None
    if wanted.shape == ():
        return _came(got, wanted.array[()], place)
    return Mismatch(place, f"{found.count} of {found.size} entries differ, the worst at {found.place}")


def _sequences(got: Any, want: Any, place: str, depth: int) -> Mismatch | None:
    if not issubclass(type(got), list | tuple) and type(got) is not range:
        if issubclass(type(got), np.ndarray) and got.ndim and not len(want) and not got.size:
            return None
        return Mismatch(place, f"a {type_name(got)} came where a {type_name(want)} was expected")
    items, wanted = plain_items(got), list(want)
    if len(items) != len(wanted):
        return Mismatch(place, f"{len(items)} entries, not {len(wanted)}")
    for i, (a, b) in enumerate(zip(items, wanted, strict=True)):
        found = mismatch(a, b, f"{place}[{i}]", depth + 1)
        if found is not None:
            return found
    return None


def _is_plain(value: Any) -> bool:
    """Whether the value may be hashed and compared: Python's own type, all the way down."""
    if is_exactly(value, tuple):
        return all(_is_plain(v) for v in value)
    return is_exactly(value, str, int, float, bool, bytes, type(None))


def _dicts(got: Any, want: dict, place: str, depth: int) -> Mismatch | None:
    if not issubclass(type(got), dict):
        return Mismatch(place, f"a {type_name(got)} came where a dict was expected")
    pairs = list(dict.items(got))
    odd = [key for key, _ in pairs if not _is_plain(key)]
    if odd:
        return Mismatch(place, f"a key of type {type_name(odd[0])}")
    entries = dict(pairs)
    for key in want:
        if key not in entries:
            return Mismatch(place, f"the key {key!r} is missing")
        found = mismatch(entries[key], want[key], f"{place}[{key!r}]", depth + 1)
        if found is not None:
            return found
    extra = [k for k in entries if k not in want]
    return Mismatch(place, f"the key {describe(extra[0])} is one too many") if extra else None


def _sets(got: Any, want: set | frozenset, place: str) -> Mismatch | None:
    if not issubclass(type(got), set | frozenset):
        return Mismatch(place, f"a {type_name(got)} came where a set was expected")
    items = list(set.__iter__(got) if issubclass(type(got), set) else frozenset.__iter__(got))
    if not all(_is_plain(v) for v in items):
        return Mismatch(place, "it holds entries of another type")
    missing, extra = len(set(want) - set(items)), len(set(items) - set(want))
    if missing or extra:
        return Mismatch(place, f"{missing} entries are missing, {extra} are too many")
    return None
