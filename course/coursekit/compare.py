"""How two arrays differ, and what the likely cause is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .values import Numbers, number_text, place_text

NAN_HINT = "NaN comes from 0/0, inf - inf, 0 * inf, or the log or root of a negative number"
INF_HINT = "infinity comes from a division by 0, log(0), or exp of a large number"


@dataclass(frozen=True)
class Difference:
    """How two arrays of one shape differ: at `count` entries, most at `index`."""

    count: int
    size: int
    index: tuple[int, ...]
    got: object
    want: object
    nan: int  # entries that are NaN and should not be
    inf: int  # entries that are infinite and should not be
    relative: float  # |got - want| / |want| at the worst place; inf where want is 0

    @property
    def place(self) -> str:
        return place_text(self.index)


def plainly_close(got: object, want: object, rtol: float, atol: float) -> bool:
    """True for what is close without any doubt: two plain float64 arrays. False leaves it to `difference`.

    A check of many arrays spends most of its time on those that are right.
    """
    if not (type(got) is type(want) is np.ndarray and got.shape == want.shape):
        return False
    if not got.dtype == want.dtype == np.float64:
        return False
    with np.errstate(all="ignore"):
        gap = np.abs(got - want)
        return bool(((gap <= atol + rtol * np.abs(want)) & np.isfinite(gap)).all())


def plainly_equal(got: object, want: object) -> bool:
    """True for what is equal without any doubt: the same type and value of a plain kind, or a tuple of such."""
    if type(got) is not type(want):
        return False
    if type(want) is tuple:
        return len(got) == len(want) and all(map(plainly_equal, got, want))
    return type(want) in (bool, int, str, type(None)) and got == want


def difference(got: np.ndarray, want: np.ndarray, rtol: float, atol: float) -> Difference | None:
    """Where `|got - want| > atol + rtol |want|`, or None. NaN equals NaN, infinities equal by sign.

    Both arrays must have the same shape (nothing is broadcast here).
    """
    assert got.shape == want.shape, "shapes are compared first"
    if got.size == 0:
        return None
    with np.errstate(all="ignore"):
        if rtol == atol == 0:
            bad = ~((got == want) | (np.isnan(got) & np.isnan(want)))
        g = got.astype(np.complex128 if np.iscomplexobj(got) or np.iscomplexobj(want) else np.float64)
        w = want.astype(g.dtype)
        gap = np.abs(g - w)
        if not rtol == atol == 0:
            same = (g == w) | (np.isnan(g) & np.isnan(w))
            # where one side is infinite or NaN, only `same` counts: inf <= rtol * inf would be true
            near = np.isfinite(g) & np.isfinite(w) & (gap <= atol + rtol * np.abs(w))
            bad = ~(same | near)
        if not bad.any():
            return None
        size = np.abs(w)
        relative = np.where(size > 0, gap / np.where(size > 0, size, 1), np.inf)
        # the worst place: not finite first, then farthest outside the tolerance
        rank = np.where(np.isfinite(gap), gap / (atol + rtol * size + 1e-300), np.inf)
        rank = np.where(bad, rank, -1.0)
    index = np.unravel_index(int(np.argmax(rank)), rank.shape)
    return Difference(
        count=int(bad.sum()),
        size=bad.size,
        index=tuple(int(i) for i in index),
        got=got[index],
        want=want[index],
        nan=int((np.isnan(got) & bad).sum()),
        inf=int((np.isinf(got) & bad).sum()),
        relative=float(relative[index]),
    )


def shape_hint(got: tuple[int, ...], want: tuple[int, ...]) -> str | None:
    """The likely cause of a wrong shape."""
    squeeze = lambda shape: tuple(n for n in shape if n != 1)
    if want == ():
        if got and all(n == 1 for n in got):
            return "one plain number was expected, not an array that holds one (index it, or drop keepdims)"
        return "one number was expected: is a sum or a mean over all entries missing?"
    if got == ():
        return "one number came for a whole array: was a sum, mean or max taken over all axes at once?"
    if squeeze(got) == squeeze(want):
        more = "too many" if len(got) > len(want) else "missing" if len(got) < len(want) else "misplaced"
        return f"an axis of length 1 is {more}: look at keepdims, reshape and [:, None]"
    if got == want[::-1]:
        return "the axes are reversed: is a transpose missing, or one too many?"
    if sorted(got) == sorted(want):
        return "the same axes in another order: is a transpose missing, or one too many?"
    if np.prod(got) == np.prod(want):
        return "as many entries, otherwise arranged: look at reshape"
    if len(got) == len(want) - 1:
        for axis in range(len(want)):
            if want[:axis] + want[axis + 1 :] == got:
                return f"axis {axis} is gone: was it summed, averaged or indexed away?"
    if len(got) == len(want) + 1:
        for axis in range(len(got)):
            if got[:axis] + got[axis + 1 :] == want:
                return f"axis {axis} is one too many: is a sum, mean or index over it missing?"
    return None


def pattern_hint(got: Numbers, want: np.ndarray, found: Difference, reveal: bool) -> str | None:
    """The likely cause of wrong numbers in the right shape, where one pattern explains them all."""
    g, w = got.array, want
    if found.nan:
        return NAN_HINT
    if found.inf:
        return INF_HINT
    with np.errstate(all="ignore"):
        if not (np.isfinite(g).all() and np.isfinite(w).all()):
            return None
        if g.dtype.kind == "b" or w.dtype.kind == "b":
            inverted = g.dtype.kind == w.dtype.kind and g.size > 1 and (g != w).all()
            return "every entry is the opposite of what it should be" if inverted else None
        if got.dtype in ("float32", "float16", "bfloat16") and found.relative < 1e-2:
            gap, scale = np.abs(g.astype(float) - w).max(), np.abs(w).max()
            if gap <= {"float32": 3e-6, "float16": 1e-2, "bfloat16": 3e-2}[got.dtype] * scale:
                return f"only the last digits differ: this was computed in {got.dtype}, is that meant?"
        if not g.any():
            return "everything that came is 0: was the result never filled in or added to?"
        if g.size < 2 and not reveal:
            return None  # for a single number a pattern would be the answer
        if np.allclose(g, -w, rtol=1e-6, atol=1e-12):
            return "the sign is wrong, otherwise it is right"
        if g.ndim >= 2 and g.shape[-1] == g.shape[-2] and np.allclose(g, np.swapaxes(w, -1, -2), 1e-6, 1e-12):
            return "it is the transpose of what was expected"
        mask = np.abs(w) > 1e-12 * max(1.0, float(np.abs(w).max()))
        if mask.sum() >= min(2, g.size) and not np.any(np.abs(g[~mask]) > 1e-9):
            ratio = g[mask] / w[mask]
            factor = ratio.flat[0]
            if np.allclose(ratio, factor, rtol=1e-5) and np.abs(factor) > 1e-9:
                if not reveal:
                    return "everything is off by one common factor"
                if mask.sum() > 1:
                    return f"everything is {number_text(factor, 4)} times what was expected"
    return None


def dtype_hint(wanted: str, actual: str) -> str | None:
    """The likely cause of a wrong dtype."""
    if wanted == "float32" and actual == "float64":
        return "somewhere a float64 array joins in: np.zeros, np.array of floats and rng.normal make float64"
    if wanted.startswith("float") and actual.startswith(("int", "uint")):
        return "the result is cut to whole numbers: was an integer array made to hold it?"
    if wanted == "float64" and actual == "float32":
        return "precision was lost on the way: float32 is torch's default"
    return None


def error_size(found: Difference, reveal: bool) -> str:
    """The size of the worst error; only its order of magnitude where the answer must not be given away."""
    with np.errstate(all="ignore"):
        gap = float(np.abs(np.complex128(found.got) - np.complex128(found.want)))
    if not np.isfinite(gap):
        return ""
    relative = np.isfinite(found.relative)
    size = found.relative if relative else gap
    name = "relative error" if relative else "error"
    if reveal:
        return f"{name} {size:.2g}"
    return f"{name} about {10.0 ** round(np.log10(size)):.0e}" if size > 0 else ""
