"""Exercise 5: batch normalisation of maps. The oracle is torch's own layer, in float64."""

from __future__ import annotations

from typing import Any

import torch
from coursekit.checking import hidden

from autograder.checks.batch_norm import CLOSE, BatchNormDriver, affine
from autograder.checks.cnn.convolution import drawn

_OUTPUT = "weight * (x - mean) / sqrt(var + eps) + bias: mean and BIASED variance per channel, over batch and pixels"
_SHAPES = ((2, 3, 4, 5), (4, 4, 4, 6), (3, 3, 3, 3), (1, 2, 3, 4), (5, 3, 1, 1), (2, 1, 4, 3))


def _batches(shapes, seed: int, mode: str = "train", dtype: torch.dtype = torch.float64) -> list:
    """(mode, x, upstream gradient); every channel has a mean and a spread of its own."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for n, c, height, width in shapes:
        spread = torch.linspace(0.4, 2.0, c, dtype=torch.float64)[:, None, None]
        x = drawn(generator, n, c, height, width) * spread + 3 * spread - 2
        found.append((mode, x.to(dtype), drawn(generator, n, c, height, width, dtype=dtype)))
    return found


def _driver(expect: Any, BatchNorm2d: Any) -> BatchNormDriver:
    return BatchNormDriver(expect, BatchNorm2d, torch.nn.BatchNorm2d, ("weight", "bias"))


def batch_norm_train(BatchNorm2d):
    """Hidden test of the output in training mode."""
    with hidden("Exercise 5: batch norm in training") as expect:
        driver = _driver(expect, BatchNorm2d)
        for shape in _SHAPES:
            c, batch = shape[1], _batches([shape], 51)
            expect.case(f"x of shape {shape}, weight = 1, bias = 0")
            y = driver.student(c, batch)[0]["y"]
            hint = "one mean for each channel, over the batch AND all pixels: dim=(0, 2, 3)"
            zero, one = torch.zeros(c), torch.ones(c)
            expect.close(y.mean((0, 2, 3)), zero, "the mean of each channel", rtol=0, atol=1e-9, likely=hint)
            hint = "divide by sqrt(var + eps), where var is the biased variance of the channel"
            expect.close(y.var((0, 2, 3), correction=0), one, "the variance of each channel", rtol=1e-3, likely=hint)
            expect.case(f"x of shape {shape}, weight and bias set, entry by entry")
            got, want = (f(c, batch, affine(c))[0]["y"] for f in (driver.student, driver.oracle))
            expect.close(got, want, "the output", likely=_OUTPUT, rtol=1e-3, atol=1e-3)
        for eps in (0.5, 1e-3):
            expect.case(f"eps={eps}")
            batch = _batches([(2, 3, 4, 5)], 52)
            got, want = (f(3, batch, affine(3), eps=eps)[0]["y"] for f in (driver.student, driver.oracle))
            expect.close(got, want, "the output", likely="eps is added to the variance, before the root", **CLOSE)
        expect.case("values with a standard deviation of 1e-3, default eps")
        small = [("train", 1e-3 * _batches([(2, 3, 4, 5)], 53)[0][1], None)]
        got, want = (f(3, small)[0]["y"] for f in (driver.student, driver.oracle))
        hint = "the default eps is 1e-5, added to the variance"
        expect.close(got, want, "the output", likely=hint, **CLOSE)
        expect.case("x and 10 x + 5")
        x = _batches([(2, 3, 4, 5)], 54)[0][1]
        first, second = driver.student(3, [("train", x, None), ("train", 10 * x + 5, None)], eps=1e-12)
        hint = "shift and scale of the input must drop out"
        expect.close(second["y"], first["y"], "the output, which must not change", likely=hint, **CLOSE)
        expect.case("a constant channel")
        x = x.clone()
        x[:, 1] = 4.0
        got = driver.student(3, [("train", x, None)], affine(3))[0]["y"][:, 1]
        want = torch.full_like(got, float(affine(3)[1][1]))
        expect.close(got, want, "the output there, which is the bias", **CLOSE)
        expect.case("float32")
        batch = _batches([(3, 4, 5, 6)], 55, dtype=torch.float32)
        got, want = (f(4, batch, affine(4))[0]["y"] for f in (driver.student, driver.oracle))
        expect.close(got, want, "the output", rtol=1e-4, atol=1e-5)
        for mode in ("train", "eval"):
            for shape in ((4, 2, 3, 5), (4, 1, 3, 5), (4, 4, 3, 3), (4, 3), (3, 5, 5), (2, 3, 4, 5, 2)):
                expect.case(f"x of shape {shape} for c = 3, {mode} mode")
                what = "an x that is not [N, 3, H, W] is refused"
                driver.refuses(3, mode, torch.ones(shape), what)
        expect.case("x of shape (1, 3, 1, 1) in train mode")
        what = "one value per channel is refused in training: it has no variance"
        driver.refuses(3, "train", torch.ones(1, 3, 1, 1), what)


def batch_norm_gradients(BatchNorm2d):
    """Hidden test of the gradients in x, weight and bias, in training mode."""
    through = "the batch's mean and variance depend on x: do not detach them, and no no_grad around them"
    with hidden("Exercise 5: gradients of batch norm") as expect:
        driver = _driver(expect, BatchNorm2d)
        for shape, eps in zip(_SHAPES, (1e-5, 1e-3, 0.3, 1e-5, 1e-5, 1e-3), strict=True):
            expect.case(f"x of shape {shape}, eps={eps}")
            c, batch = shape[1], _batches([shape], 56)
            grads = driver.student(c, batch, affine(c), eps=eps)[0]["grads"]
            expect.true(
                grads is not None and all(g is not None for g in grads),
                "the output does not depend on x, weight and bias in a way that can be differentiated",
                likely="weight and bias are Parameters, and nothing on the way is detached or under no_grad",
            )
            want = driver.oracle(c, batch, affine(c), eps=eps)[0]["grads"]
            for name, got, right in zip(("x", "weight", "bias"), grads, want, strict=True):
                expect.close(got, right, f"the gradient in {name}", likely=through, **CLOSE)


_MEAN = "running_mean = (1 - momentum) * running_mean + momentum * (mean of the batch)"
_VAR = "running_var = (1 - momentum) * running_var + momentum * v, where v is the UNBIASED variance (n - 1), n = N H W"


def batch_norm_running(BatchNorm2d):
    """Hidden test of the running statistics and the state."""
    with hidden("Exercise 5: running statistics") as expect:
        driver = _driver(expect, BatchNorm2d)
        expect.case("a fresh layer of 3 channels")
        found = driver.fresh(3)
        likely = "nn.Parameter for weight and bias, register_buffer for running_mean and running_var"
        expect.equal(sorted(found["parameters"]), ["bias", "weight"], "the names of the parameters", likely=likely)
        buffers = sorted(name for name, value in found["buffers"].items() if value.numel() > 1)
        expect.equal(buffers, ["running_mean", "running_var"], "the names of the buffers", likely=likely)
        four = {"weight", "bias", "running_mean", "running_var"}
        extra = set(found["names"]) - four
        fine = four <= set(found["names"]) and len(extra) <= 1 and extra <= set(found["buffers"])
        expect.true(fine, "state_dict must hold the four names, and at most a counter of batches", likely=likely)
        for kind, name, value in (
            ("parameters", "weight", 1.0),
            ("parameters", "bias", 0.0),
            ("buffers", "running_mean", 0.0),
            ("buffers", "running_var", 1.0),
        ):
            expect.equal(found[kind][name], torch.full((3,), value), f"{name} at the start", likely="it is [c]")
        for shapes in ([(2, 3, 2, 2), (1, 3, 4, 5), (3, 3, 3, 3), (2, 3, 1, 1)], [(2, 1, 2, 1)]):
            for options in ({}, {"momentum": 0.3}, {"momentum": 1.0}, {"momentum": 0.0}, {"eps": 0.5}):
                text = ", ".join(f"{name}={value}" for name, value in options.items()) or "defaults"
                expect.case(f"batches of shapes {shapes}, {text}")
                batches, c = _batches(shapes, 57), shapes[0][1]
                got, want = (f(c, batches, affine(c), **options) for f in (driver.student, driver.oracle))
                for i, (report, right) in enumerate(zip(got, want, strict=True), 1):
                    expect.close(report["mean"], right["mean"], f"running_mean after batch {i}", likely=_MEAN, **CLOSE)
                    expect.close(report["var"], right["var"], f"running_var after batch {i}", likely=_VAR, **CLOSE)
                    hint = "detach the batch's statistics, or update the buffers under torch.no_grad()"
                    problem = "the running statistics drag the graph of every batch along"
                    expect.true(report["free"], problem, likely=hint)


def batch_norm_eval(BatchNorm2d):
    """Hidden test of evaluation mode, and of a state that was saved and loaded."""
    with hidden("Exercise 5: batch norm in evaluation") as expect:
        driver = _driver(expect, BatchNorm2d)
        shapes = [(2, 3, 4, 5), (4, 3, 2, 3), (3, 3, 3, 3)]
        modes = ["train", "train", "eval", "eval", "train", "eval"]
        batches = [(mode, x, u) for mode, (_, x, u) in zip(modes, _batches(shapes * 2, 58), strict=True)]
        expect.case("three training and three evaluation batches")
        got, want = (f(3, batches, affine(3), eps=1e-2) for f in (driver.student, driver.oracle))
        hint = "in evaluation: running statistics, with the same formula, eps, weight and bias; nothing is updated"
        for report, right, mode in zip(got, want, modes, strict=True):
            expect.close(report["y"], right["y"], f"the output in {mode} mode", likely=hint, **CLOSE)
            expect.close(report["mean"], right["mean"], f"running_mean after {mode} mode", likely=hint, **CLOSE)
            expect.close(report["var"], right["var"], f"running_var after {mode} mode", likely=hint, **CLOSE)
            grads = report["grads"]
            expect.true(grads is not None and grads[0] is not None, f"no gradient in x in {mode} mode")
            expect.close(grads[0], right["grads"][0], f"the gradient in x in {mode} mode", likely=hint, **CLOSE)
        expect.case("one picture of one pixel")
        single = [("eval", torch.tensor([1.0, -2.0, 3.0]).double().view(1, 3, 1, 1), None)]
        got, want = (f(3, single, affine(3))[0]["y"] for f in (driver.student, driver.oracle))
        expect.close(got, want, "the output of a fresh layer", likely="in evaluation one value is fine", **CLOSE)
        expect.case("a state loaded into a fresh layer")
        names = ("weight", "bias", "running_mean", "running_var")
        values = dict(zip(names, (*affine(3), torch.tensor([1.0, 2, 3]), torch.tensor([4.0, 9, 16])), strict=True))
        x = _batches([(2, 3, 4, 5)], 59)[0][1]
        layer = torch.nn.BatchNorm2d(3).double()
        layer.load_state_dict(values | {"num_batches_tracked": torch.tensor(0)})
        got = driver.reloaded(3, values, x)
        expect.close(got, layer.eval()(x), "the output", likely="all four belong to the state of the layer", **CLOSE)
