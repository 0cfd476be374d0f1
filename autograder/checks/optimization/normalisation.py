"""Exercise 6: batch normalisation. The oracle is torch's own layer, in float64."""

from __future__ import annotations

from typing import Any

import torch
from coursekit.checking import hidden

from autograder.checks.batch_norm import CLOSE, BatchNormDriver, affine


def _batches(sizes, width: int, seed: int, mode: str = "train", dtype: torch.dtype = torch.float64) -> list:
    """(mode, x, upstream gradient) with a mean and a spread of its own in every column."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.linspace(0.3, 2.0, width, dtype=torch.float64)
    found = []
    for n in sizes:
        x, upstream = torch.randn(2, n, width, generator=generator, dtype=torch.float64)
        found.append((mode, (x * spread + 3 * spread - 2).to(dtype), upstream.to(dtype)))
    return found


def _driver(expect: Any, BatchNorm1d: Any) -> BatchNormDriver:
    return BatchNormDriver(expect, BatchNorm1d, torch.nn.BatchNorm1d, ("gamma", "beta"))


_OUTPUT = "gamma * (x - mean) / sqrt(var + eps) + beta: mean and BIASED variance over the batch, column by column"


def batch_norm_train(BatchNorm1d):
    """Hidden test of the output in training mode."""
    with hidden("Exercise 6: batch norm in training") as expect:
        driver = _driver(expect, BatchNorm1d)
        for n, width in ((7, 3), (2, 4), (5, 1), (64, 2)):
            expect.case(f"a batch of shape {(n, width)}, gamma = 1, beta = 0")
            batch = _batches([n], width, 61)
            y = driver.student(width, batch)[0]["y"]
            zero, one = torch.zeros(width), torch.ones(width)
            expect.finite(y, "the output")
            hint = "subtract the mean over the batch (dim=0) of each column"
            expect.close(y.mean(0), zero, "the mean of each column", rtol=0, atol=1e-9, likely=hint)
            hint = "divide by sqrt(var + eps), where var is the biased variance of the column"
            if n > 2:
                expect.close(y.var(0, correction=0), one, "the variance of each column", rtol=1e-3, likely=hint)

        for eps in (0.5, 1e-3, 1e-5):
            expect.case(f"a batch of shape (6, 3), eps={eps}, gamma and beta set")
            batch = _batches([6], 3, 62)
            hint = "eps is added to the variance, before the root" if eps > 1e-4 else _OUTPUT
            got = driver.student(3, batch, affine=affine(3), eps=eps)[0]["y"]
            want = driver.oracle(3, batch, affine=affine(3), eps=eps)[0]["y"]
            expect.close(got, want, "the output", likely=hint, **CLOSE)
        for n, width in ((7, 3), (2, 4), (5, 1), (64, 2)):
            expect.case(f"a batch of shape {(n, width)}, entry by entry")
            batch = _batches([n], width, 61)
            y, want = driver.student(width, batch)[0]["y"], driver.oracle(width, batch)[0]["y"]
            expect.close(y, want, "the output", likely=_OUTPUT, **CLOSE)
        expect.case("columns with a standard deviation of 1e-3, default eps")
        small = [("train", 1e-3 * _batches([8], 3, 63)[0][1], None)]
        want = driver.oracle(3, small)[0]["y"]
        hint = "the default eps is 1e-5, added to the variance"
        expect.close(driver.student(3, small)[0]["y"], want, "the output", likely=hint, **CLOSE)

        expect.case("x and 3 x + 5")
        _, x, _ = _batches([9], 3, 64)[0]
        first, second = driver.student(3, [("train", x, None), ("train", 3 * x + 5, None)], eps=1e-12)
        hint = "shift and scale of the input must drop out: mean and variance are those of this batch"
        expect.close(second["y"], first["y"], "the output, which must not change", likely=hint, **CLOSE)

        expect.case("a constant column")
        x = _batches([5], 3, 65)[0][1]
        x[:, 1] = 4.0
        batch = [("train", x, torch.ones_like(x))]
        y = driver.student(3, batch, affine=affine(3))[0]["y"]
        expect.finite(y, "the output", likely="the variance is 0 here: eps keeps the root away from 0")
        expect.close(y, driver.oracle(3, batch, affine=affine(3))[0]["y"], "the output", likely=_OUTPUT, **CLOSE)

        expect.case("float32")
        batch = _batches([10], 3, 66, dtype=torch.float32)
        got = driver.student(3, batch, affine(3), default=torch.float32)[0]["y"]
        want = driver.oracle(3, batch, affine=affine(3))[0]["y"]
        expect.close(got, want, "the output", rtol=1e-4, atol=1e-5)

        _refusals(expect, driver)


def _refusals(expect, driver) -> None:
    for mode in ("train", "eval"):
        for shape in ((4, 2), (4, 4), (4, 1), (3,), (2, 3, 3), (4, 3, 1)):
            expect.case(f"x of shape {shape} for num_features = 3, {mode} mode")
            what = "an x that is not [N, num_features] is refused"
            driver.refuses(3, mode, torch.ones(shape), what)
    expect.case("x of shape (1, 3) in train mode")
    what = "a batch of one is refused in training mode: it has no variance"
    driver.refuses(3, "train", torch.ones(1, 3), what)


def batch_norm_gradients(BatchNorm1d):
    """Hidden test of the gradients in x, gamma and beta, in training mode."""
    through = "the batch's mean and variance depend on x: do not detach them, and no no_grad around them"
    with hidden("Exercise 6: gradients of batch norm") as expect:
        driver = _driver(expect, BatchNorm1d)
        for (n, width), eps in (((7, 3), 1e-5), ((2, 4), 1e-5), ((5, 1), 0.3), ((16, 2), 1e-3)):
            expect.case(f"a batch of shape {(n, width)}, eps={eps}")
            batch = _batches([n], width, 71)
            report = driver.student(width, batch, affine=affine(width), eps=eps)[0]
            grads = report["grads"]
            expect.true(
                grads is not None and all(g is not None for g in grads),
                "the output does not depend on x, gamma and beta in a way that can be differentiated",
                likely="gamma and beta are Parameters, and nothing on the way is detached or under no_grad",
            )
            dx, dgamma, dbeta = grads
            zero = torch.zeros(width)
            what = "the sum over the batch of the gradient in x, which is 0"
            expect.close(dx.sum(0), zero, what, rtol=0, atol=1e-9, likely=through)
            want = driver.oracle(width, batch, affine=affine(width), eps=eps)[0]["grads"]
            expect.close(dbeta, want[2], "the gradient in beta", **CLOSE)
            expect.close(dgamma, want[1], "the gradient in gamma", **CLOSE)
            expect.close(dx, want[0], "the gradient in x", likely=through, **CLOSE)
        expect.case("an almost vanishing eps: the gradient in x against the normalised x")
        batch = _batches([8], 3, 72)
        report = driver.student(3, batch, eps=1e-12)[0]
        dx, y = report["grads"][0], report["y"]
        what = "the sum over the batch of (normalised x) * (gradient in x), which is 0"
        expect.close((dx * y).sum(0), torch.zeros(3), what, rtol=0, atol=1e-8, likely=through)
        expect.case("the second of two batches, float32")
        batches = _batches([5, 6], 3, 73, dtype=torch.float32)
        got = driver.student(3, batches, affine(3), default=torch.float32)[1]["grads"]
        want = driver.oracle(3, batches, affine=affine(3))[1]["grads"]
        for name, g, w in zip(("x", "gamma", "beta"), got, want, strict=True):
            expect.close(g, w, f"the gradient in {name}", rtol=1e-3, atol=1e-4, likely=through)


_MEAN = "running_mean = (1 - momentum) * running_mean + momentum * (mean of the batch)"
_VAR = (
    "running_var = (1 - momentum) * running_var + momentum * v, where v is the UNBIASED variance (N - 1) of the "
    "batch around its own mean"
)


def batch_norm_running(BatchNorm1d):
    """Hidden test of the running statistics, the state and its dtype."""
    with hidden("Exercise 6: running statistics") as expect:
        driver = _driver(expect, BatchNorm1d)
        expect.case("a fresh layer of 3 features")
        found = driver.fresh(3)
        likely = "nn.Parameter for gamma and beta, register_buffer for running_mean and running_var"
        expect.equal(sorted(found["parameters"]), ["beta", "gamma"], "the names of the parameters", likely=likely)
        buffers = sorted(name for name, value in found["buffers"].items() if value.numel() > 1)
        expect.equal(buffers, ["running_mean", "running_var"], "the names of the buffers", likely=likely)
        counters = set(found["names"]) - {"gamma", "beta", "running_mean", "running_var"}
        expect.true(
            len(found["names"]) <= 5 and counters <= set(found["buffers"]),
            "state_dict holds more than gamma, beta, the two buffers and perhaps a counter of batches",
            likely=likely,
        )
        for name, value in (("gamma", 1.0), ("beta", 0.0)):
            expect.equal(found["parameters"][name], torch.full((3,), value), f"{name} at the start")
        for name, value in (("running_mean", 0.0), ("running_var", 1.0)):
            expect.equal(found["buffers"][name], torch.full((3,), value), f"{name} at the start")

        for sizes, width in (([4, 7, 2, 16, 3], 3), ([5], 1)):
            for options in ({}, {"momentum": 0.3}, {"momentum": 1.0}, {"momentum": 0.0}, {"eps": 0.5}):
                text = ", ".join(f"{name}={value}" for name, value in options.items()) or "defaults"
                expect.case(f"batches of {sizes} rows, {width} features, {text}")
                batches = _batches(sizes, width, 81)
                got = driver.student(width, batches, affine=affine(width), **options)
                want = driver.oracle(width, batches, affine=affine(width), **options)
                for i, (report, right) in enumerate(zip(got, want, strict=True), 1):
                    what = f"after batch {i}"
                    expect.close(report["mean"], right["mean"], f"running_mean {what}", likely=_MEAN, **CLOSE)
                    expect.close(report["var"], right["var"], f"running_var {what}", likely=_VAR, **CLOSE)
                    hint = "detach the batch's statistics, or update the buffers under torch.no_grad()"
                    expect.true(
                        report["free"],
                        "the running statistics drag the graph of every batch along",
                        likely=hint,
                    )

        expect.case("a layer turned into float64 by .double(), one batch")
        batch = _batches([6], 3, 82)
        report = driver.student(3, batch, default=torch.float32, convert=torch.float64)[0]
        right = driver.oracle(3, batch)[0]
        hint = "register_buffer: then .double() and .to(device) move the running statistics along"
        expect.dtype(report["mean"], torch.float64, "running_mean", likely=hint)
        expect.close(report["mean"], right["mean"], "running_mean", likely=hint, **CLOSE)
        expect.dtype(report["var"], torch.float64, "running_var", likely=hint)
        expect.close(report["var"], right["var"], "running_var", likely=hint, **CLOSE)
        expect.close(report["y"], right["y"], "the output", likely=hint, **CLOSE)

        expect.case("a state_dict loaded into a fresh layer, then eval()")
        state = {
            "gamma": torch.tensor([1.5, -2.0]),
            "beta": torch.tensor([0.25, 3.0]),
            "running_mean": torch.tensor([1.0, -1.0]),
            "running_var": torch.tensor([4.0, 0.25]),
        }
        state = {name: value.double() for name, value in state.items()}
        x = torch.tensor([[3.0, 0.0], [0.0, -2.0], [1.0, 1.0]]).double()
        scale = state["gamma"] / (state["running_var"] + 1e-5).sqrt()
        want = scale * (x - state["running_mean"]) + state["beta"]
        got = driver.reloaded(2, state, x)
        expect.close(got, want, "the output", likely="evaluation uses what stands in the buffers", **CLOSE)


def batch_norm_eval(BatchNorm1d):
    """Hidden test of evaluation mode."""
    frozen = "when self.training is False, use running_mean and running_var in place of the batch's statistics"
    with hidden("Exercise 6: batch norm in evaluation") as expect:
        driver = _driver(expect, BatchNorm1d)
        for width, options in ((3, {}), (2, {"eps": 0.5}), (4, {"momentum": 1.0}), (1, {"momentum": 0.3})):
            text = ", ".join(f"{name}={value}" for name, value in options.items()) or "defaults"
            expect.case(f"two batches in train mode, then 64 rows and the first of them alone, {text}")
            train = _batches([8, 5], width, 91)
            _, x, upstream = _batches([64], width, 92, "eval")[0]
            single = ("eval", x[:1].clone(), upstream[:1].clone())
            batches = [*train, ("eval", x, upstream), single, ("train", x[:9].clone(), upstream[:9].clone())]
            got = driver.student(width, batches, affine=affine(width), **options)
            want = driver.oracle(width, batches, affine=affine(width), **options)
            expect.finite(got[3]["y"], "the output for a single row", likely=frozen)
            expect.close(
                got[3]["y"],
                got[2]["y"][:1],
                "the output for a row, alone and among 64",
                rtol=1e-12,
                atol=1e-12,
                likely=frozen,
            )
            for i in (2, 3):
                for name in ("mean", "var"):
                    hint = "in eval mode nothing is updated"
                    what = f"running_{name}, before and after evaluation"
                    expect.equal(got[i][name], got[1][name], what, likely=hint)
            # what the running statistics are is tested elsewhere; here they are taken as they came
            for i, name in ((2, "64 rows"), (3, "one row")):
                gamma, beta = affine(width)
                scale = gamma / (got[1]["var"] + options.get("eps", 1e-5)).sqrt()
                value = scale * (batches[i][1] - got[1]["mean"]) + beta
                hint = f"{frozen}; gamma, beta and eps work as in training"
                expect.close(got[i]["y"], value, f"the output for {name}", likely=hint, **CLOSE)
                grads = got[i]["grads"]
                expect.true(
                    grads is not None and all(g is not None for g in grads),
                    "the output in eval mode cannot be differentiated in x, gamma and beta",
                )
                what = "the gradient in x in eval mode"
                expect.close(grads[0], scale * batches[i][2], what, likely=frozen, **CLOSE)
                expect.close(grads[2], batches[i][2].sum(0), "the gradient in beta in eval mode", **CLOSE)
            hint = "train() brings the statistics of the batch back"
            expect.close(got[4]["y"], want[4]["y"], "the output back in train mode", likely=hint, **CLOSE)
