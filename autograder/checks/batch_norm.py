"""What the hidden tests of batch normalisation share: one driver for layers of rows and of maps.

`_SOURCE` runs beside the student's code: it makes a layer, sets its scale and shift, feeds it a list of batches and
reports outputs, gradients and buffers as plain values. The same code drives torch's layer in the judge, as oracle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from autograder.checks.probe import here
from autograder.testing import observe, ship

FORBIDDEN = (
    *("torch.nn.functional.batch_norm", "torch.batch_norm", "torch.native_batch_norm"),
    *("torch.nn.functional.instance_norm", "torch.nn.functional.group_norm", "torch.nn.functional.layer_norm"),
    *(f"torch.nn.BatchNorm{n}d.__init__" for n in (1, 2, 3)),
    *("torch.nn.BatchNorm1d.forward", "torch.nn.SyncBatchNorm.__init__", "torch.nn.GroupNorm.__init__"),
    *(f"torch.nn.LazyBatchNorm{n}d.__init__" for n in (1, 2)),
)

# float64, variances of order 1; eps = 1e-5 keeps every quotient well conditioned
CLOSE = {"rtol": 1e-9, "atol": 1e-9}

_SOURCE = """
    import torch

    def plain(value):
        return value.detach().clone() if isinstance(value, torch.Tensor) else value

    def made(cls, width, options, names, affine, default, convert):
        before = torch.get_default_dtype()
        torch.set_default_dtype(default)
        try:
            layer = cls(width, **options)
        finally:
            torch.set_default_dtype(before)
        layer = layer.to(convert)
        if affine is not None:
            with torch.no_grad():
                for name, value in zip(names, affine):
                    getattr(layer, name).copy_(value)
        return layer

    def run(cls, width, options, names, affine, default, convert, batches):
        layer = made(cls, width, options, names, affine, default, convert)
        scale, shift = (getattr(layer, name) for name in names)
        reports = []
        for mode, x, upstream in batches:
            layer.train(mode == "train")
            leaf = x.detach().clone().requires_grad_()
            y = layer(leaf)
            grads = None
            if upstream is not None and isinstance(y, torch.Tensor) and y.requires_grad:
                grads = torch.autograd.grad(y, [leaf, scale, shift], upstream, allow_unused=True)
                grads = [None if g is None else g.detach() for g in grads]
            buffers = [layer.running_mean, layer.running_var]
            reports.append({
                "y": plain(y), "grads": grads, "x": plain(leaf), "mean": plain(buffers[0]), "var": plain(buffers[1]),
                "free": not any(getattr(b, "requires_grad", True) for b in buffers),
            })
        return reports

    def refuse(cls, width, mode, x):
        return plain(cls(width).train(mode == "train")(x))

    def state(cls, width):
        layer = cls(width)
        return {
            "parameters": {name: plain(p) for name, p in layer.named_parameters()},
            "buffers": {name: plain(b) for name, b in layer.named_buffers()},
            "names": list(layer.state_dict()),
        }

    def reloaded(cls, width, values, x):
        layer = cls(width).to(x.dtype)
        own = layer.state_dict()
        layer.load_state_dict({name: values.get(name, own[name]) for name in own})
        return plain(layer.eval()(x))

    def tools():
        return run, refuse, state, reloaded
"""

Batch = tuple[str, torch.Tensor, torch.Tensor | None]  # mode ("train" or "eval"), x, upstream gradient


def affine(width: int) -> list[torch.Tensor]:
    """A scale and a shift that differ from channel to channel, float64 [width]."""
    return [torch.linspace(-1.5, 2.0, width).double() + 0.1, torch.linspace(0.5, -0.7, width).double() - 0.2]


class BatchNormDriver:
    """The student's class and torch's layer, fed the same batches."""

    def __init__(self, expect: Any, cls: Any, like: type[torch.nn.Module], names: tuple[str, str]):
        """`like` is torch's layer; `names` are those of the student's scale and shift."""
        self.expect, self.cls, self.like, self.names = expect, cls, like, names
        self._run, self._refuse, self._state, self._reloaded = ship(_SOURCE, "tools")()
        self._oracle = here(_SOURCE, "tools")()[0]

    def student(
        self,
        width: int,
        batches: Sequence[Batch],
        affine: Sequence[torch.Tensor] | None = None,
        *,
        default: torch.dtype | None = None,
        convert: torch.dtype | None = None,
        **options: Any,
    ) -> list[dict]:
        """The reports of the student's layer; its inputs must be as before and its outputs of the same shape.

        The layer is made under the `default` dtype, then moved to `convert`; both are those of the batches by default.
        """
        dtype = batches[0][1].dtype
        args = (self.cls, width, options, self.names, affine, default or dtype, convert or dtype, list(batches))
        reports = observe(self._run, *args, forbidden=FORBIDDEN, time_limit=20.0).value
        for report, (_, x, _) in zip(reports, batches, strict=True):
            self.expect.equal(report["x"], x, "x after the call", likely="an operation in place: work on a copy")
            self.expect.shape(report["y"], tuple(x.shape), "the output")
            self.expect.dtype(report["y"], x.dtype, "the output")
        return reports

    def oracle(
        self, width: int, batches: Sequence[Batch], affine: Sequence[torch.Tensor] | None = None, **options: Any
    ) -> list[dict]:
        """The same from torch's layer."""
        names, dtype = ("weight", "bias"), batches[0][1].dtype
        return self._oracle(self.like, width, options, names, affine, torch.float64, dtype, list(batches))

    def refuses(self, width: int, mode: str, x: torch.Tensor, what: str) -> None:
        """A fresh layer in this mode raises a ValueError for x."""
        self.expect.raises(ValueError, self._refuse, self.cls, width, mode, x, what=what)

    def fresh(self, width: int) -> dict[str, Any]:
        """Parameters, buffers and the names in the state of a fresh layer."""
        return self._state(self.cls, width)

    def reloaded(self, width: int, values: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        """What a fresh layer into which `values` were loaded gives in evaluation mode."""
        return observe(self._reloaded, self.cls, width, dict(values), x, forbidden=FORBIDDEN).value
