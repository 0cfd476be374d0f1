"""Exercise 4: variance digits, the best gain, two yardsticks, and the gated denoiser."""

from __future__ import annotations

import torch
from coursekit.checking import hidden

from autograder.checks.autoencoders.noise import called, draws, normal, statistics, uniform
from autograder.checks.probe import DTYPES, Probe, dtype_name, same
from autograder.testing import observe, ship


def _masks(seed: int, *shape: int, dtype=torch.float64) -> torch.Tensor:
    """Masks in [0, 1] with some exact zeros and ones."""
    mask = uniform(seed, *shape, dtype=dtype)
    mask[..., 0] = 0
    mask[0, -1] = 1
    return mask


def variance_digits(student):
    """Hidden test of `variance_digits(mask, randn_like)`."""
    hint = "mask times noise, one draw for every pixel of every image: the mask is the STANDARD DEVIATION"
    with hidden("Exercise 4: variance digits") as expect:
        probe = Probe(expect, student, "mask", time_limit=10.0)
        for dtype, close in DTYPES:
            for shape in ((4, 5), (1, 3), (6, 2)):
                expect.case(f"a mask of shape {shape}, prepared noise, {dtype_name(dtype)}")
                mask, e = _masks(80, *shape, dtype=dtype), normal(81, *shape, dtype=dtype)
                source = draws(e)
                came = probe(mask, randn_like=source).value
                called(expect, source, [shape], "it is called once, on the mask")
                expect.close(came, mask * e, "the variance digits", likely=hint, **close)
                expect.dtype(came, dtype, "the variance digits")
        expect.case("20 000 rows of one mask, default noise")
        mask = torch.tensor([0.0, 0.2, 0.5, 1.0, 0.0], dtype=torch.float64)
        many = probe(mask.expand(20000, 5).contiguous()).value
        expect.true(bool((same(many)[:, mask == 0] == 0).all()), "where the mask is 0 the pixel must be exactly 0")
        statistics(expect, same(many), mask)
        expect.case("two calls with one mask, default noise")
        first, second = (same(probe(_masks(82, 3, 4)).value) for _ in range(2))
        expect.true(
            not torch.equal(first, second), "two calls return the same numbers", likely="draw new noise at every call"
        )
        for value, case in ((-0.01, "a mask with -0.01"), (1.01, "a mask with 1.01")):
            expect.case(case)
            mask = _masks(83, 3, 4)
            mask[1, 2] = value
            probe.refuses("a mask that leaves [0, 1] is refused", mask)


def wiener_gain(student):
    """Hidden test of `wiener_gain(mask, sigma)`."""
    hint = "m² / (m² + σ²), and 0 where m = 0"
    with hidden("Exercise 4: the gain") as expect:
        probe = Probe(expect, student, "mask sigma", time_limit=10.0)
        for dtype, close in DTYPES:
            for shape, sigma in (((4, 5), 0.3), ((1, 7), 2.0), ((3, 2), 1.0)):
                expect.case(f"a mask of shape {shape}, sigma = {sigma}, {dtype_name(dtype)}")
                mask = _masks(84, *shape, dtype=dtype)
                came = probe(mask, sigma).value
                expect.close(came, mask**2 / (mask**2 + sigma**2), "the gain", likely=hint, **close)
                expect.dtype(came, dtype, "the gain")
        expect.case("without noise, sigma = 0")
        mask = _masks(85, 4, 5)
        came = probe(mask, 0.0).value
        expect.finite(came, "the gain", likely="0 / 0 where the mask is 0: the gain is 0 there")
        expect.equal(came, (mask > 0).double(), "the gain", likely=hint)
        for case, bad, sigma in (
            ("a mask with -0.01", mask - 0.01, 1.0),
            ("a mask with 1.01", mask + 0.01, 1.0),
            ("sigma = -0.5", mask, -0.5),
        ):
            expect.case(case)
            probe.refuses("a mask outside [0, 1] and a negative sigma are refused", bad, sigma)


def _risk(gain, power, sigma):
    return (1 - gain) ** 2 * power + gain**2 * sigma**2


def yardsticks(fixed, oracle):
    """Hidden test of `fixed_gain_loss` and `oracle_loss`: against the risk of every gain, minimised by brute force."""
    with hidden("Exercise 4: two yardsticks") as expect:
        for function, name in ((fixed, "fixed"), (oracle, "oracle")):
            probe = Probe(expect, function, "masks sigma", time_limit=10.0)
            for dtype, close in DTYPES:
                for shape, sigma in (((4, 5), 0.3), ((1, 7), 2.0), ((6, 2), 1.0)):
                    expect.case(f"{name}: masks of shape {shape}, sigma = {sigma}, {dtype_name(dtype)}")
                    masks = _masks(86, *shape, dtype=dtype)
                    power = masks.pow(2)
                    if name == "fixed":
                        power = power.mean(dim=0, keepdim=True)
                        hint = "a_d is the mean over the images of the SQUARES; then the sum over the pixels"
                    else:
                        hint = "every image with its own gain: sum over the pixels, MEAN over the images"
                    gain = power / (power + sigma**2)
                    want = _risk(gain, power, sigma).sum(dim=1).mean()
                    came = probe(masks, sigma).value
                    expect.shape(came, (), "the loss, one number")
                    expect.close(came, want, "the loss", likely=hint, **close)
                    expect.dtype(came, dtype, "the loss")
            expect.case(f"{name}: no noise, and pixels that are always 0")
            came = probe(_masks(87, 3, 4), 0.0).value
            expect.finite(came, "the loss", likely="terms with a variance of 0 and sigma = 0 are 0 / 0, and count 0")
            expect.close(came, 0.0, "the loss", rtol=0, atol=1e-12)
            expect.case(f"{name}: all masks are 0")
            expect.close(probe(torch.zeros(3, 4), 0.0).value, 0.0, "the loss", rtol=0, atol=1e-12)
            expect.close(probe(torch.zeros(3, 4), 1.0).value, 0.0, "the loss", rtol=0, atol=1e-12)
            for case, bad, sigma in (
                ("a mask with -0.01", _masks(87, 3, 4) - 0.01, 1.0),
                ("a mask with 1.01", _masks(87, 3, 4) + 0.01, 1.0),
                ("sigma = -0.5", _masks(87, 3, 4), -0.5),
            ):
                expect.case(f"{name}: {case}")
                probe.refuses("a mask outside [0, 1] and a negative sigma are refused", bad, sigma)
        expect.case("all masks agree: then the oracle knows no more")
        one = _masks(88, 1, 6).expand(5, 6).contiguous()
        both = [float(observe(fn, one, 0.4).value) for fn in (fixed, oracle)]
        expect.close(both[0], both[1], "the fixed gain's loss, compared with the oracle's", rtol=1e-10)


_GATED = """
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self, matrix):
            super().__init__()
            self.matrix = nn.Parameter(matrix)
            self.seen = []

        def forward(self, x):
            self.seen.append(x.detach().clone())
            return torch.tanh(x @ self.matrix)

    class Decoder(nn.Module):
        def __init__(self, matrix, shift):
            super().__init__()
            self.matrix, self.shift = nn.Parameter(matrix), shift

        def forward(self, z):
            return z @ self.matrix + self.shift

    def run(cls, E, D, shift, xt):
        encoder, decoder = Encoder(E), Decoder(D, shift)
        net = cls(encoder, decoder)
        count = len(list(net.parameters()))
        x_hat, z = net(xt)
        grads = None
        if isinstance(x_hat, torch.Tensor) and x_hat.requires_grad:
            grads = torch.autograd.grad(x_hat.pow(2).sum(), [encoder.matrix, decoder.matrix], allow_unused=True)
        return {"x_hat": x_hat.detach(), "z": z.detach(), "seen": encoder.seen, "count": count,
                "grads": grads and [None if g is None else g.detach() for g in grads]}
"""


def gated_dae(GatedDAE):
    """Hidden test of the gated denoiser, with an encoder and a decoder of the test's own."""
    run = ship(_GATED, "run")
    hint = "x_hat = xt * sigmoid(decoder(encoder(xt))): the gate multiplies the noisy INPUT"
    with hidden("Exercise 4: the gated denoiser") as expect:
        for dtype, close in DTYPES:
            for B, D, m in ((5, 4, 2), (1, 3, 6)):
                expect.case(f"{B} rows, D = {D}, m = {m}, {dtype_name(dtype)}")
                xt, E = 2 * normal(90, B, D, dtype=dtype), normal(91, D, m, dtype=dtype)
                V = normal(92, m, D, dtype=dtype)
                e_leaf, v_leaf = E.clone().requires_grad_(), V.clone().requires_grad_()
                z = torch.tanh(xt @ e_leaf)
                want = xt * torch.sigmoid(z @ v_leaf + 0.2)
                grads = torch.autograd.grad(want.pow(2).sum(), (e_leaf, v_leaf))
                came = observe(run, GatedDAE, E, V, 0.2, xt, time_limit=10.0).value
                expect.true(came["count"] == 2, "the encoder's and the decoder's parameters are not among parameters()")
                expect.true(len(came["seen"]) == 1, "the encoder must be called once")
                expect.equal(came["seen"][0], xt, "what the encoder was given", likely="the encoder sees xt itself")
                expect.close(came["z"], z, "z", likely="forward returns (x_hat, z)", **close)
                expect.close(came["x_hat"], want, "x_hat", likely=hint, **close)
                expect.dtype(came["x_hat"], dtype, "x_hat")
                expect.true(
                    came["grads"] is not None and all(g is not None for g in came["grads"]),
                    "the gradient does not reach encoder and decoder",
                )
                for got, right, name in zip(came["grads"], grads, ("the encoder", "the decoder"), strict=True):
                    expect.close(got, right, f"the gradient in {name}", likely=hint, **close)
        for shift in (50.0, -50.0):
            expect.case(f"a decoder that always says {shift:g}")
            xt = 3 * normal(93, 4, 3)
            zeros = torch.zeros(3, 2, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64)
            came = observe(run, GatedDAE, *zeros, shift, xt).value
            want = xt if shift > 0 else torch.zeros_like(xt)
            expect.close(came["x_hat"], want, "x_hat", rtol=0, atol=1e-6, likely="sigmoid turns any number into a gain")
