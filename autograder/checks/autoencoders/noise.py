"""Prepared noise: a `randn_like` that hands out draws of the test, so that sampled results can be compared exactly."""

from __future__ import annotations

from typing import Any

import torch

from autograder.testing import ship

# Lives beside the student's code, so that the noise crosses once and calls cost nothing.
_DRAWS = """
    import torch

    class Draws:
        def __init__(self, prepared):
            self.prepared = list(prepared)
            self.shapes = []

        def __call__(self, like):
            i = len(self.shapes)
            self.shapes.append(tuple(like.shape))
            if i < len(self.prepared) and self.prepared[i].shape == like.shape:
                return self.prepared[i].to(like.dtype).clone()
            return torch.full_like(like, 3.0)
"""


def draws(*prepared: torch.Tensor) -> Any:
    """A callable for `randn_like` that returns these tensors one after the other; `.shapes` notes what it was given.

    Asked once more, or for another shape, it returns a tensor full of threes.
    """
    return ship(_DRAWS, "Draws")(list(prepared))


def called(expect: Any, source: Any, shapes: list[tuple[int, ...]], what: str) -> None:
    """`source` was called exactly once for each of these shapes, in this order."""
    came = [tuple(shape) for shape in source.shapes]
    if not came:
        likely = "the noise must come from the argument randn_like, not from torch.randn or torch.randn_like"
        expect.true(False, f"randn_like was not called; {what}", likely=likely)
    expect.true(came == list(shapes), f"randn_like was called on tensors of the shapes {came}; {what}")


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Standard normal numbers of a seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def uniform(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Numbers between 0 and 1 of a seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype)


def orthonormal(seed: int, n: int, m: int) -> torch.Tensor:
    """n x m with orthonormal columns."""
    return torch.linalg.qr(normal(seed, n, n))[0][:, :m].contiguous()


def statistics(expect, noise: torch.Tensor, std: torch.Tensor) -> None:
    """Mean 0, the standard deviations `std` of the columns, rows and columns independent; 20 000 rows."""
    rows = len(noise)
    # 20 000 rows: standard errors of 0.7 % of a std for the mean, 0.5 % for the std, 0.007 for a correlation
    expect.true(bool((noise.mean(dim=0).abs() <= 0.036 * std + 1e-12).all()), "the mean of the noise is not 0")
    ratio = (noise.std(dim=0) / std.clamp(min=1e-12))[std > 0]
    expect.true(
        bool(((ratio - 1).abs() < 0.027).all()),
        f"the standard deviation of the noise is {ratio[(ratio - 1).abs().argmax()]:.3g} times what it should be",
    )
    z = noise[:, std > 0] / std[std > 0]
    beside = (z[:, 1:] * z[:, :-1]).mean(dim=0).abs().max().item() if z.shape[1] > 1 else 0.0
    below = (z[1:] * z[:-1]).mean(dim=0).abs().max().item()
    expect.true(beside < 0.036, "neighbouring entries of a row get the same or related noise")
    expect.true(below < 0.036, f"the {rows} rows get the same or related noise", likely="one draw for every entry")
