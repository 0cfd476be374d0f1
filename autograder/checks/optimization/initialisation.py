"""Exercise 5: initial weights and the statistics of the signal.

Moments of random weights are compared with their expectation; every tolerance is at least five standard
errors, so a right solution fails less than once in a million seeds, and the seeds are fixed.
"""

from __future__ import annotations

import itertools
import math

import torch
from coursekit.checking import hidden

from autograder.checks.probe import CLOSE, Probe, dtype_name, same
from autograder.testing import observe, ship

# Finished initialisers would be the solution; normal_ and uniform_ are not.
FORBIDDEN = tuple(
    f"torch.nn.init.{name}"
    for name in (
        "xavier_uniform_",
        "xavier_normal_",
        "kaiming_uniform_",
        "kaiming_normal_",
        "calculate_gain",
        "_calculate_fan_in_and_fan_out",
        "xavier_uniform",
        "xavier_normal",
        "kaiming_uniform",
        "kaiming_normal",
    )
)

_FILL = """
    import torch

    def fill(init_weight_, scheme, shape, dtype, seed, parameter):
        W = torch.full(shape, 7.0, dtype=dtype)
        W = torch.nn.Parameter(W) if parameter else W
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        start = None if seed is None else generator.get_state()
        address, before = W.data_ptr(), torch.get_rng_state()
        out = init_weight_(W, scheme, generator=generator)
        same = isinstance(out, torch.Tensor) and out.data_ptr() == address and out.shape == W.shape
        return {
            "W": W.detach().clone(),
            "in_place": W.data_ptr() == address,
            "returned": same,
            "global_untouched": bool(torch.equal(before, torch.get_rng_state())),
            "generator_used": seed is None or not torch.equal(start, generator.get_state()),
            "requires_grad": W.requires_grad,
            "leaf": W.is_leaf,
        }

    def fill_strided(init_weight_, scheme, seed):
        wide = torch.full((40, 60), 7.0)
        init_weight_(wide[:, ::2], scheme, generator=torch.Generator().manual_seed(seed))
        return wide

    def twice(init_weight_, scheme, seed):
        torch.manual_seed(seed)
        first = init_weight_(torch.zeros(4, 3), scheme).detach().clone()
        second = init_weight_(torch.zeros(4, 3), scheme).detach().clone()
        torch.manual_seed(seed)
        return first, second, init_weight_(torch.zeros(4, 3), scheme).detach().clone()

    def tools():
        return fill, fill_strided, twice
"""

RANDOM = ("small_normal", "unit_normal", "lecun_normal", "xavier_normal", "xavier_uniform", "he_normal")


def _std(scheme: str, out: int, fan_in: int) -> float:
    return {
        "small_normal": 0.01,
        "unit_normal": 1.0,
        "lecun_normal": math.sqrt(1 / fan_in),
        "xavier_normal": math.sqrt(2 / (fan_in + out)),
        "xavier_uniform": math.sqrt(2 / (fan_in + out)),
        "he_normal": math.sqrt(2 / fan_in),
    }[scheme]


def _hint(scheme: str) -> str:
    if scheme == "xavier_uniform":
        return "the variance of U[-d, d] is d^2 / 3, so the bound is sqrt(3) standard deviations"
    if scheme in ("small_normal", "unit_normal"):
        return "this scheme does not depend on the shape; normal_ takes the standard deviation"
    return "W is [out, in]: fan-in is W.shape[1]; normal_ takes the standard deviation, the ROOT of the variance"


def init_scale(init_weight_):
    """Hidden test of the distributions of `init_weight_(W, scheme, generator=None)`."""
    fill, *_ = ship(_FILL, "tools")()
    with hidden("Exercise 5: the scale of the weights") as expect:
        for scheme in RANDOM:
            for shape in ((64, 1024), (1024, 64), (256, 250)):
                for dtype in (torch.float32, torch.float64) if shape[0] == 64 else (torch.float32,):
                    expect.case(f"{scheme}, W of shape {shape}, {dtype_name(dtype)}")
                    seen = observe(fill, init_weight_, scheme, shape, dtype, 51, False, forbidden=FORBIDDEN)
                    _moments(expect, same(seen.value["W"]), scheme, shape)
        expect.case("zeros, W of shape (5, 3)")
        seen = observe(fill, init_weight_, "zeros", (5, 3), torch.float32, 51, False, forbidden=FORBIDDEN)
        expect.equal(seen.value["W"], torch.zeros(5, 3), "the weights")


def _moments(expect, W, scheme: str, shape) -> None:
    std, n, hint = _std(scheme, *shape), W.numel(), _hint(scheme)
    expect.shape(W, shape, "W afterwards")
    expect.finite(W, "the weights")
    # 64 000 draws: the standard error of a normal's variance is 0.56 %
    expect.true(abs(W.var().item() / std**2 - 1) < 0.03, "the variance is off by more than 3 %", likely=hint)
    expect.true(abs(W.mean().item()) < 5 * std / math.sqrt(n), "the mean of the weights is not 0")
    kurtosis = (W**4).mean().item() / (W**2).mean().item() ** 2
    if scheme == "xavier_uniform":
        bound = math.sqrt(3) * std
        largest = W.abs().max().item()
        expect.true(largest <= bound * (1 + 1e-6), "weights lie outside of [-bound, bound]", likely=_hint(scheme))
        expect.true(largest >= 0.99 * bound, "the weights do not fill [-bound, bound]", likely=_hint(scheme))
        expect.true(abs(kurtosis - 1.8) < 0.05, "the weights are not uniformly distributed")
    else:
        expect.true(abs(kurtosis - 3.0) < 0.1, "the weights are not normally distributed", likely="normal_")
    # every weight is a draw of its own: rows and columns vary as much as chance has it
    for axis, name in ((0, "rows"), (1, "columns")):
        spread = W.mean(dim=axis).std().item() * math.sqrt(W.shape[axis]) / std
        expect.true(0.5 < spread < 1.5, f"the weights depend on each other: all {name} look alike")


def init_in_place(init_weight_):
    """Hidden test of what `init_weight_` does to W, to the generators, and what it refuses."""
    fill, fill_strided, twice = ship(_FILL, "tools")()

    def filled(scheme, shape, dtype, seed, parameter):
        return observe(fill, init_weight_, scheme, shape, dtype, seed, parameter, forbidden=FORBIDDEN).value

    with hidden("Exercise 5: in place, and reproducible") as expect:
        for scheme in ("zeros", *RANDOM):
            for dtype, parameter in ((torch.float32, True), (torch.float64, False), (torch.float64, True)):
                kind = "a Parameter" if parameter else "a tensor"
                expect.case(f"{scheme}, W: {kind} of shape (4, 3), {dtype_name(dtype)}")
                seen = filled(scheme, (4, 3), dtype, 52, parameter)
                hint = "fill W itself: W.normal_(...), W.copy_(...), not W = ..."
                expect.true(not (seen["W"] == 7.0).any(), "W still holds its old values", likely=hint)
                expect.dtype(seen["W"], dtype, "W afterwards")
                expect.true(seen["in_place"], "W has other memory than before", likely=hint)
                expect.true(seen["returned"], "what is returned is not W itself", likely="return W")
                expect.true(
                    seen["requires_grad"] is parameter and seen["leaf"],
                    "W has become part of a graph, or its requires_grad was changed",
                    likely="fill it under torch.no_grad()",
                )
                again, other = filled(scheme, (4, 3), dtype, 52, False), filled(scheme, (4, 3), dtype, 53, False)
                hint = "hand the generator on: W.normal_(mean, std, generator=generator)"
                expect.equal(again["W"], seen["W"], "W from an equally seeded generator", likely=hint)
                expect.true(
                    seen["global_untouched"],
                    "torch's global generator was used although one was handed in",
                    likely=hint,
                )
                if scheme != "zeros":
                    expect.true(seen["generator_used"], "the generator was not used", likely=hint)
                    expect.true(
                        not torch.equal(other["W"], seen["W"]),
                        "another seed gives the same weights",
                        likely=hint,
                    )
        for scheme in RANDOM:
            expect.case(f"{scheme} without a generator, twice in a row")
            first, second, repeated = twice(init_weight_, scheme, 54)
            expect.true(
                not torch.equal(first, second), "two calls give the same weights", likely="do not seed anything"
            )
            hint = "without a generator torch's own is used: torch.manual_seed decides"
            expect.equal(repeated, first, "the weights after the same torch.manual_seed", likely=hint)
        expect.case("W is every second column of a larger matrix")
        wide = fill_strided(init_weight_, "unit_normal", 55)
        expect.true(bool((wide[:, 1::2] == 7.0).all()), "memory outside of W was written")
        expect.true(not (wide[:, ::2] == 7.0).any(), "W still holds its old values")

        for scheme in ("he", "He_normal", "xavier", ""):
            expect.case(f"the unknown scheme {scheme!r}")
            expect.raises(ValueError, init_weight_, torch.ones(3, 4), scheme, what="it is refused")
        for shape in ((3,), (2, 3, 4), ()):
            for scheme in ("he_normal", "zeros", "unit_normal"):
                expect.case(f"{scheme}, W of shape {shape}")
                what = "a W that is not a matrix is refused"
                expect.raises(ValueError, init_weight_, torch.ones(shape), scheme, what=what)


def _leaky(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, 0.3 * x)


def signal_stats(student):
    """Hidden test of `signal_stats(x, Ws, phi) -> [L + 1, 3]`."""
    hint = {
        0: "the mean over ALL entries of the activation",
        1: "the population standard deviation over ALL entries: divide by their number, std(correction=0)",
        2: "the root of the mean of the squares, not of the sum and not around the mean",
    }
    with hidden("Exercise 5: signal_stats") as expect:
        probe = Probe(expect, student, "x Ws phi", time_limit=10.0)
        for widths, n, name, phi in (
            ((4, 6, 3, 5), 7, "relu", torch.relu),
            ((3, 2), 1, "tanh", torch.tanh),
            ((5, 1, 2), 4, "sigmoid", torch.sigmoid),
            ((2, 3, 4), 3, "a leaky relu", _leaky),
            ((4,), 6, "relu", torch.relu),
            ((1,), 1, "tanh", torch.tanh),
        ):
            for dtype, close in ((torch.float64, CLOSE), (torch.float32, {"rtol": 1e-5, "atol": 1e-5})):
                layers = len(widths) - 1
                expect.case(f"x of shape {(n, widths[0])}, {layers} layers, phi: {name}, {dtype_name(dtype)}")
                generator = torch.Generator().manual_seed(57)
                x = (torch.randn(n, widths[0], generator=generator, dtype=torch.float64) + 0.7).to(dtype)
                Ws = [
                    torch.randn(b, a, generator=generator, dtype=torch.float64).to(dtype)
                    for a, b in itertools.pairwise(widths)
                ]
                got = probe(x, Ws, phi).value
                expect.shape(got, (layers + 1, 3), "the statistics: the input in row 0, then every layer")
                signal = x.double()
                for row in range(layers + 1):
                    where = "the input" if row == 0 else f"layer {row}, after phi"
                    want = (signal.mean(), signal.var(correction=0).sqrt(), (signal * signal).mean().sqrt())
                    for column, what in enumerate(("mean", "standard deviation", "root mean square")):
                        likely = hint[column] if row == 0 else f"{hint[column]}; the signal is phi(x @ W.T)"
                        came = same(got)[row, column]
                        expect.close(came, want[column], f"the {what} of {where}", likely=likely, **close)
                    if row < layers:
                        signal = phi(signal @ Ws[row].double().T)
                expect.dtype(got, dtype, "the statistics")
