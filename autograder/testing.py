"""What a hidden test may do with a student's object beyond calling it.

Hidden tests run in two places with the same result: in a plain kernel, where the student's objects are
ordinary Python objects, and in the judge, where they are proxies of objects in another process. Whatever
depends on *being in the student's process* therefore goes through this module:

=============================  ===============================================================
``observe(fn, *args, ...)``    call `fn`; see its inputs as the call left them, its output, its warnings;
                               with numpy's errors raised, with forbidden functions, under a time limit
``ship(source, name)``         run helper code where the student's code lives
``counted(fn)``                a callback that counts how often the student's code called it
=============================  ===============================================================

In a plain kernel they act directly. Two delegation points make them work across processes:

* a callable whose class defines ``__observe__(args, kwargs, options)`` gets the whole call and returns an
  `Observation` (`options` is a dict of the keywords in `OPTIONS`; `call_observed` does the work there);
* `ship` asks `current_side()`, which `using_side` sets for a block of code.

This module imports nothing of the project but coursekit and `forbidden.py`: the student's process may run it, and
it holds no secret.
"""

from __future__ import annotations

import contextlib
import functools
import io
import signal
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Protocol

import numpy as np
from coursekit.standins import replaced

from autograder.forbidden import ForbiddenCall, banned

OPTIONS = ("np_errors", "forbidden", "time_limit", "replacing")

_NP_ERRORS = {
    "ignore": {"all": "ignore"},
    "warn": {"over": "warn", "invalid": "warn", "divide": "warn", "under": "ignore"},
    # Stable formulas underflow by design (exp(-1000) is 0 and should be).
    "raise": {"over": "raise", "invalid": "raise", "divide": "raise", "under": "ignore"},
}


class TimeLimitExceeded(RuntimeError):
    """The observed call took longer than its time limit."""

    finding = True  # a check reports it as a wrong answer, with this text as the problem


@dataclass(frozen=True)
class Observation:
    """What came out of an observed call.

    `args` and `kwargs` are the inputs as they are AFTER the call. They are the student's copies: the test's
    own arrays never change, so "x is unchanged" is `observe(f, x).args[0] == x`.
    """

    value: Any
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    stdout: str = ""
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def observe(
    fn: Callable,
    /,
    *args: Any,
    np_errors: str = "ignore",
    forbidden: tuple[str, ...] = (),
    time_limit: float | None = None,
    replacing: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Observation:
    """Call `fn(*args, **kwargs)` where it lives and report what happened.

    `fn` must be the student's callable itself or something shipped; a function of the test around it would
    set `np_errors` and the rest in the wrong process.

    * `np_errors`: "ignore"; "warn" (see `.warnings`); "raise": overflow, invalid and division by zero raise
      `FloatingPointError`, underflow never does.
    * `forbidden`: dotted names ("torch.nn.functional.conv2d") that raise `ForbiddenCall` during the call, also
      when the code under test swallows the exception or has the function under another name (`forbidden.py`).
    * `time_limit`: seconds, then `TimeLimitExceeded`.
    * `replacing`: global names of the function's module or notebook with another value during the call.

    Whatever `fn` raises comes through. `ValueError` for an unknown `np_errors`, `LookupError` for a
    forbidden name that does not exist.
    """
    if np_errors not in _NP_ERRORS:
        raise ValueError(f"np_errors is one of {sorted(_NP_ERRORS)}, not {np_errors!r}")
    options = {
        "np_errors": np_errors,
        "forbidden": tuple(forbidden),
        "time_limit": time_limit,
        "replacing": dict(replacing or {}),
    }
    delegate = getattr(type(fn), "__observe__", None)
    if delegate is not None:
        return delegate(fn, args, kwargs, options)
    memo: dict[int, Any] = {}
    return call_observed(fn, by_value(args, memo), by_value(kwargs, memo), options)


def call_observed(fn: Callable, args: tuple, kwargs: dict, options: Mapping[str, Any]) -> Observation:
    """The plain-kernel half of `observe`: call `fn` with these very objects under these options."""
    limit, out = options.get("time_limit"), io.StringIO()
    with contextlib.ExitStack() as stack:
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.enter_context(np.errstate(**_NP_ERRORS[options.get("np_errors", "ignore")]))
        called = stack.enter_context(banned(options.get("forbidden", ())))
        stack.enter_context(replaced(fn, options.get("replacing") or {}))
        stack.enter_context(contextlib.redirect_stdout(out))
        if limit is not None:
            stack.enter_context(time_limit(limit))
        start = time.perf_counter()
        try:
            value = fn(*args, **kwargs)
        except Exception as error:
            _raise_first(called, error)
            raise
        seconds = time.perf_counter() - start
    _raise_first(called)
    texts = [f"{w.category.__name__}: {w.message}" for w in caught]
    return Observation(value, tuple(args), dict(kwargs), out.getvalue(), texts, seconds)


def _raise_first(called: list[ForbiddenCall], instead_of: Exception | None = None) -> None:
    """Raise the first forbidden call, whose traceback knows the line, although the code swallowed or replaced it."""
    if called and called[0] is not instead_of:
        raise called[0] from None


# ---------------------------------------------------------------------------------------------------- sides


class Side(Protocol):
    """Where the student's code lives."""

    def ship(self, source: str, name: str) -> Any:
        """Run `source` in a fresh namespace over there and return (a proxy of) its global `name`."""


class PlainKernel:
    """The student's code lives in this very process."""

    def ship(self, source: str, name: str) -> Any:
        """Run `source` here, in a namespace of its own."""
        return self.run_shipped(compiled_shipment(source, name), name)

    def run_shipped(self, code: CodeType, name: str) -> Any:
        """Run what `compiled_shipment` made; its global `name`."""
        namespace: dict[str, Any] = {"__name__": "shipped"}
        exec(code, namespace)
        if name not in namespace:
            raise LookupError(f"the shipped source defines no {name!r}")
        return namespace[name]


@functools.lru_cache(maxsize=512)
def compiled_shipment(source: str, name: str) -> CodeType:
    """The code of a source that is shipped: the same few are shipped for every submission."""
    return compile(textwrap.dedent(source), f"<shipped {name}>", "exec")


_side: ContextVar[Side] = ContextVar("autograder_side")


def current_side() -> Side:
    """The side that `ship` uses: what `using_side` set, else this process."""
    return _side.get(None) or PlainKernel()


@contextlib.contextmanager
def using_side(side: Side) -> Iterator[Side]:
    """Let `ship` go to `side` within the block."""
    token = _side.set(side)
    try:
        yield side
    finally:
        _side.reset(token)


def ship(source: str, name: str) -> Any:
    """Run helper code (not secret: students can read it) beside the student's code; return the object `name`.

    For what cannot cross by value: read-only or non-contiguous arrays, functions whose meaning depends on
    identity (a view of the argument), stand-ins for a class of the student's, long loops over the
    student's operators. `LookupError` if the source does not define `name`.
    """
    return current_side().ship(source, name)


# ------------------------------------------------------------------------------------------------ callbacks


class Counted:
    """A callback with `.calls` and, one entry a call, `.shapes` and `.dtypes` of the first argument."""

    def __init__(self, fn: Callable):
        self._fn = fn
        self.calls = 0
        self.shapes: list[tuple | None] = []
        self.dtypes: list[str | None] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        value = args[0] if args else None
        if isinstance(value, (int, float, complex, list, tuple)):
            value = np.asarray(value)
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        self.shapes.append(None if shape is None else tuple(shape))
        self.dtypes.append(None if dtype is None else str(dtype))
        return self._fn(*args, **kwargs)


def counted(fn: Callable) -> Counted:
    """Wrap a callback of the test so that it counts its calls."""
    return Counted(fn)


# ------------------------------------------------------------------------------------------------- by value


_IMMUTABLE = frozenset({type(None), bool, int, float, complex, str, bytes})


def by_value(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """A copy as it would arrive in another process: arrays, tensors, generators and plain containers are
    copied (one object stays one object within a `memo`), everything else is passed as it is."""
    if type(value) in _IMMUTABLE:
        return value
    memo = {} if memo is None else memo
    if id(value) in memo:
        return memo[id(value)][0]
    copy = _copy(value, memo)
    memo[id(value)] = (copy, value)  # holds `value`, so that its id cannot be used again
    return copy


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in (list, set):
        return kind(by_value(v, memo) for v in value)
    if kind is tuple:
        return tuple(by_value(v, memo) for v in value)
    if kind is dict:
        return {key: by_value(v, memo) for key, v in value.items()}
    if kind is np.ndarray and value.dtype != object:
        return np.array(value, order="C")
    if kind is np.random.Generator:
        bits = type(value.bit_generator)()
        bits.state = value.bit_generator.state
        return np.random.Generator(bits)
    if kind.__module__.partition(".")[0] == "torch":
        return _copy_torch(value)
    return value


def _copy_torch(value: Any) -> Any:
    import torch  # a notebook without torch never gets here

    if isinstance(value, torch.Tensor):
        copy = value.detach().clone().requires_grad_(value.requires_grad)
        if value.is_leaf and value.grad is not None:
            copy.grad = value.grad.detach().clone()
        return copy
    if isinstance(value, torch.Generator):
        return torch.Generator(device=value.device).set_state(value.get_state())
    return value


# --------------------------------------------------------------------------------------------- during a call


class _Interrupt(BaseException):
    """Raised inside the observed call; not an Exception, so that `except Exception` does not swallow it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitExceeded` when the block takes longer. Nests; the tighter limit wins.

    Interrupts Python code on the main thread where the system has interval timers; elsewhere (Windows, other
    threads) the block is measured and the error comes after it.
    """
    message = f"took longer than {seconds:g} s: is there an endless loop, or one that grows too fast?"
    start = time.monotonic()
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        if time.monotonic() - start > seconds:
            raise TimeLimitExceeded(message)
        return

    token, rung = _Interrupt(), []

    def ring(signum: int, frame: Any) -> None:
        rung.append(True)
        raise token

    outer_handler = signal.signal(signal.SIGALRM, ring)
    # Rings again and again: a bare `except:` may swallow one of them.
    outer_left, outer_interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    inner = outer_left == 0 or seconds <= outer_left
    if not inner:
        signal.setitimer(signal.ITIMER_REAL, outer_left, 0.05)
        signal.signal(signal.SIGALRM, outer_handler)
    try:
        yield
        if rung:  # the code swallowed the interrupt and ended all the same
            raise token
    except _Interrupt as interrupt:
        if interrupt is not token:
            raise
        raise TimeLimitExceeded(message) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, outer_handler)
        if outer_left:
            left = max(outer_left - (time.monotonic() - start), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, left, outer_interval)
