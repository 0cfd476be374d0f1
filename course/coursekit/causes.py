"""What an exception in a student's code usually means: a table of types, texts and likely causes."""

from __future__ import annotations

import re

SHAPES = re.compile(
    r"shape|broadcast|mismatch in its core dimension|must match|size of tensor|dimension|not aligned|"
    r"concatenat|einstein sum|einsum|cannot reshape|did not match",
    re.I,
)
_NONE = (
    "something here is None: did a function you call forget its `return`, or was a value read before it was "
    "stored (backward before forward, or a node of a graph visited before all that use it)?"
)
_TRUTH = "`if`, `and` and `or` want one truth value: use `where`, a mask with `&` and `|`, or .all() / .any()"
# (exception type, pattern in its text, likely cause); the first that fits
CAUSES: list[tuple[type[BaseException], str, str]] = [
    (
        TypeError,
        r"missing \d+ required (positional|keyword)",
        "it is called with fewer arguments than your definition asks for: keep the signature of the exercise",
    ),
    (
        TypeError,
        r"takes .* positional arguments? but|takes no arguments",
        "it is called with more arguments than your definition takes: keep the exercise's signature, and "
        "`self` as the first parameter of every method",
    ),
    (
        TypeError,
        r"unexpected keyword argument|multiple values for argument",
        "the names of the parameters are part of the signature: keep those of the exercise",
    ),
    (TypeError, r"NoneType", _NONE),
    (
        TypeError,
        r"object is not callable",
        "a value is called like a function: was a function's name reused for a variable, or is an operator "
        "(`*`) missing before a parenthesis?",
    ),
    (TypeError, r"object is not subscriptable", "square brackets follow something that holds no entries"),
    (
        TypeError,
        r"must be Tensor|expected Tensor|expected np|can't convert .* tensor",
        "a NumPy array where torch wants a tensor, or the reverse",
    ),
    (
        TypeError,
        r"unsupported operand|ufunc .* not supported|can't multiply sequence|can only concatenate",
        "two values of types that do not go together: is one of them a list or a text and not an array?",
    ),
    (
        UnboundLocalError,
        r"",
        "a name that a function assigns anywhere is local to it everywhere: give it a value before this "
        "line, on every path",
    ),
    (AttributeError, r"NoneType", _NONE),
    (
        AttributeError,
        # `Tensor` may be the student's own class, too: only what NumPy's arrays have and torch's tensors have not
        r"module 'torch|module 'numpy|'numpy.ndarray' object|'Tensor' object has no attribute "
        r"'(astype|copy|fill|ptp|tobytes|compress|choose|partition|base|flat)'",
        "NumPy and torch name some functions differently: is this one of the other library?",
    ),
    (
        AttributeError,
        r"has no attribute",
        "a typing error in the name, or an attribute that no method has stored on `self` yet",
    ),
    (
        RecursionError,
        r"",
        "a function calls itself without end: a recursion needs a case that stops it, and a method must not "
        "use the very operator that it defines",
    ),
    (
        IndexError,
        r"out of (bounds|range)",
        "indices run from 0 to length - 1: a loop may be one step too long, or the wrong axis indexed",
    ),
    (IndexError, r"too many indices", "the array has fewer axes here than indices are given"),
    (KeyError, r"", "this key was never stored in the dict"),
    (ZeroDivisionError, r"", "the divisor is 0 here: does an empty input or a zero norm need its own case?"),
    (
        FloatingPointError,
        r"overflow",
        "exp of a large number: use the form of the formula that takes exp of numbers <= 0 only",
    ),
    (
        FloatingPointError,
        r"divide|invalid",
        "a division by 0, or the log or root of a number that must be positive: treat that case apart",
    ),
    (OverflowError, r"", "a number too large: use the form of the formula that takes exp of numbers <= 0"),
    (
        RuntimeError,
        r"does not require grad|element 0 of tensors",
        "the graph is cut on the way: look for `.detach()`, `.item()`, `.data`, NumPy or `no_grad`",
    ),
    (
        RuntimeError,
        r"in-?place operation",
        "a tensor that backward still needs was changed in place: write `x = x + ...`, not `x += ...`",
    ),
    (
        RuntimeError,
        r"tensors to be on the same device",
        "a tensor was made on another device: pass `device=x.device` where you create it",
    ),
    (ValueError, r"truth value of an array", _TRUTH),
    (RuntimeError, r"Boolean value of Tensor", _TRUTH),
    (RuntimeError, r"dtype|scalar type", "two dtypes meet: pass `dtype=x.dtype` where you create a tensor"),
    (ValueError, r"read-only", "the input was changed in place: make a copy before you write into it"),
    (ValueError, r"inhomogeneous", "the rows of a list have different lengths, so they make no array"),
    (ValueError, r"to unpack", "as many names on the left as values on the right are needed"),
    (ImportError, r"", "the exercises need nothing but what the notebook imports"),
    (SystemExit, r"", "do not call exit() or quit() in a notebook"),
]
