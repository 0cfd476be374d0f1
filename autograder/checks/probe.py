"""What hidden tests of several chapters share: calls beside the student's code, oracles, tolerances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from autograder.testing import PlainKernel, ship

# float64: sums of a few dozen products of numbers of order 1 keep about 14 digits.
CLOSE = {"rtol": 1e-10, "atol": 1e-12}
# float32 keeps 7 digits; a few are lost in sums.
SINGLE = {"rtol": 2e-5, "atol": 2e-5}
DTYPES = ((torch.float64, CLOSE), (torch.float32, SINGLE))

# Runs beside the student's code, because gradients, memory layout and what is left of the inputs belong there.
_PROBE = '''
    import torch
    from autograder.testing import call_observed

    def own(value, apart, leaf=False):
        """A copy; with `apart` its numbers do not lie side by side in memory."""
        if isinstance(value, (list, tuple)):
            return type(value)(own(v, apart) for v in value)
        if not isinstance(value, torch.Tensor):
            return value
        value = value.detach().clone()
        if apart:
            value = torch.stack([value, torch.full_like(value, 3)], dim=-1)[..., 0]
        return value.requires_grad_(leaf)

    def plain(value):
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return value.detach() if isinstance(value, torch.Tensor) else value

    def probe(fn, args, kwargs, wrt, upstream, apart, options):
        args = tuple(own(a, apart, i in wrt) for i, a in enumerate(args))
        kwargs = {name: own(value, apart) for name, value in kwargs.items()}
        value = call_observed(fn, args, kwargs, options).value
        grads = None
        if wrt and isinstance(value, torch.Tensor) and value.requires_grad:
            if upstream is None or upstream.shape != value.shape:
                upstream = torch.ones_like(value)
            grads = torch.autograd.grad(value, [args[i] for i in wrt], upstream, allow_unused=True)
            grads = list(grads)
        return {"value": plain(value), "grads": grads, "args": plain(args), "kwargs": plain(list(kwargs.values()))}
'''


@dataclass(frozen=True)
class Seen:
    """What a call returned (detached), and its gradients in the arguments that were asked for."""

    value: Any
    grads: list[torch.Tensor]


class Probe:
    """Calls one of the student's functions on tensors of its own and watches what happens.

    Every call fails the check `expect` if a tensor among the inputs was changed, or if gradients are asked for
    (`wrt`: positions of arguments) and the result has none. `names` are those of the parameters.
    """

    def __init__(
        self,
        expect: Any,
        fn: Any,
        names: str,
        *,
        forbidden: tuple[str, ...] = (),
        replacing: dict[str, Any] | None = None,
        time_limit: float = 20.0,
    ):
        self.expect = expect
        self.fn = fn
        self.names = names.split()
        self.options = {"forbidden": forbidden, "replacing": replacing or {}, "time_limit": time_limit}
        self._run = ship(_PROBE, "probe")

    def __call__(
        self,
        *args: Any,
        wrt: tuple[int, ...] = (),
        upstream: torch.Tensor | None = None,
        apart: bool = False,
        **kwargs: Any,
    ) -> Seen:
        report = self._run(self.fn, args, kwargs, wrt, upstream, apart, self.options)
        before = [*zip(self.names, args, strict=False), *kwargs.items()]
        for (name, value), after in zip(before, report["args"] + report["kwargs"], strict=True):
            tensors = value if isinstance(value, list) else [value]
            for kept, left in zip(tensors, after if isinstance(value, list) else [after], strict=True):
                if isinstance(kept, torch.Tensor):
                    hint = "an operation in place (`-=`, `[...] =`, a method with an underscore): work on a copy"
                    self.expect.equal(left, kept, f"{name} after the call", likely=hint)
        if wrt and (report["grads"] is None or any(g is None for g in report["grads"])):
            self.expect.true(
                isinstance(report["value"], torch.Tensor),
                "what the function returned is not a tensor, so there is nothing to differentiate",
            )
            self.expect.true(
                False,
                "the result cannot be differentiated",
                likely="the graph is cut on the way: look for .detach(), .item(), .data, NumPy or no_grad",
            )
        return Seen(report["value"], report["grads"] or [])

    def refuses(self, what: str, *args: Any, likely: str | None = None, **kwargs: Any) -> None:
        """The call raises a ValueError; `what` says which input must be refused."""
        self.expect.raises(ValueError, self, *args, what=what, likely=likely, **kwargs)


def here(source: str, name: str) -> Any:
    """The same helper code as `ship`, run in the judge: for oracles that are driven like the student's code."""
    return PlainKernel().ship(source, name)


def same(values: Any) -> torch.Tensor:
    """A value that came, as float64 numbers."""
    return torch.as_tensor(values, dtype=torch.float64).detach()


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")


def truth(expect: Any, value: Any, what: str) -> bool:
    """A bool, or a tensor that holds one truth value."""
    if isinstance(value, torch.Tensor) and value.shape == () and value.dtype == torch.bool:
        value = bool(value)
    expect.true(type(value).__name__ in ("bool", "bool_"), f"{what} must be True or False")
    return bool(value)
