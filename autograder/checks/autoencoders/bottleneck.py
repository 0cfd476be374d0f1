"""Exercise 2: the squared error, tied weights and the deep autoencoder."""

from __future__ import annotations

from itertools import pairwise

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.autoencoders.noise import normal, orthonormal
from autograder.checks.probe import DTYPES, Probe, dtype_name, same
from autograder.testing import observe, ship

_SUM = "add up the squares over ALL dimensions of an example, then take the mean over the batch"


def _squared_error(x: torch.Tensor, x_hat: torch.Tensor) -> torch.Tensor:
    return (x - x_hat).pow(2).sum() / len(x)


def reconstruction_loss(student):
    """Hidden test of `reconstruction_loss(x, x_hat)`."""
    with hidden("Exercise 2: the squared error") as expect:
        probe = Probe(expect, student, "x x_hat", time_limit=10.0)
        for dtype, close in DTYPES:
            for shape in ((3, 4), (3, 1, 2, 5), (1, 6), (5, 1), (4, 2, 3)):
                expect.case(f"shape {shape}, {dtype_name(dtype)}")
                x, x_hat = normal(30, *shape, dtype=dtype), normal(31, *shape, dtype=dtype)
                leaf = x_hat.clone().requires_grad_()
                want = _squared_error(x, leaf)
                (grad,) = torch.autograd.grad(want, leaf)
                seen = probe(x, x_hat, wrt=(1,))
                expect.shape(seen.value, (), "the loss, one number")
                expect.close(seen.value, want, "the loss", likely=_SUM, **close)
                expect.dtype(seen.value, dtype, "the loss")
                expect.close(seen.grads[0], grad, "the gradient in x_hat", likely=_SUM, **close)
        hint = "compare the shapes first: torch broadcasts what does not fit, without a word"
        for one, other in (((4, 3), (3,)), ((4, 1), (4,)), ((1, 3), (4, 3)), ((4, 3), (4, 1)), ((4, 1, 2), (4, 2))):
            expect.case(f"shapes {one} and {other}")
            what = "shapes that differ are refused"
            probe.refuses(what, torch.zeros(one), torch.zeros(other), likely=hint)


_TIED = """
    import torch

    def describe(cls, n, m):
        model = cls(n, m)
        return {"shapes": [tuple(p.shape) for p in model.parameters()],
                "names": list(model.state_dict()),
                "zero": any(bool((p == 0).all()) for p in model.parameters())}

    def run(cls, W, x, z):
        model = cls(*W.shape).to(W.dtype)
        name = next(iter(model.state_dict()))
        model.load_state_dict({name: W})
        x_hat, code = model(x)
        return {"encode": model.encode(x).detach(), "decode": model.decode(z).detach(),
                "x_hat": x_hat.detach(), "z": code.detach()}

    def learn(cls, penalty, x, m, steps):
        torch.manual_seed(5)
        model = cls(x.shape[1], m).to(x.dtype)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(steps):
            (W,) = model.parameters()
            x_hat = model(x)[0]
            loss = (x - x_hat).pow(2).sum(dim=1).mean() + penalty(W)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        (W,) = model.parameters()
        return {"W": W.detach(), "x_hat": model(x)[0].detach()}

    def tools():
        return describe, run, learn
"""


def tied(TiedLinearAutoencoder, orthogonality_penalty):
    """Hidden test of the penalty and of the autoencoder with one shared matrix."""
    describe, run, learn = ship(_TIED, "tools")()
    with hidden("Exercise 2: tied weights") as expect:
        probe = Probe(expect, orthogonality_penalty, "W", time_limit=10.0)
        hint = "W^T W - I with I of size m, the sum of the SQUARES of its entries"
        for dtype, close in DTYPES:
            for n, m in ((6, 2), (5, 5), (4, 1), (3, 2)):
                expect.case(f"the penalty of a W of shape {(n, m)}, {dtype_name(dtype)}")
                W = normal(40, n, m, dtype=dtype)
                leaf = W.clone().requires_grad_()
                want = (leaf.T @ leaf - torch.eye(m, dtype=dtype)).square().sum()
                (grad,) = torch.autograd.grad(want, leaf)
                seen = probe(W, wrt=(0,))
                expect.close(seen.value, want, "the penalty", likely=hint, **close)
                expect.dtype(seen.value, dtype, "the penalty")
                expect.close(seen.grads[0], grad, "the gradient of the penalty", likely=hint, **close)
        expect.case("the penalty of orthonormal columns, shape (6, 2)")
        expect.close(probe(orthonormal(41, 6, 2)).value, 0.0, "the penalty", rtol=0, atol=1e-12, likely=hint)

        for n, m in ((7, 3), (4, 1)):
            expect.case(f"TiedLinearAutoencoder({n}, {m})")
            found = observe(describe, TiedLinearAutoencoder, n, m).value
            expect.true(
                [tuple(shape) for shape in found["shapes"]] == [(n, m)],
                f"the parameters have the shapes {[tuple(shape) for shape in found['shapes']]}, "
                f"and must be one matrix {(n, m)}",
                likely="the decoder uses W^T of the SAME parameter; there are no biases",
            )
            expect.true(not found["zero"], "W starts at zero: then every gradient is zero and nothing is ever learned")
            for dtype, close in DTYPES:
                expect.case(f"TiedLinearAutoencoder({n}, {m}), weights of the test's own, {dtype_name(dtype)}")
                W, x, z = normal(42, n, m, dtype=dtype), normal(43, 5, n, dtype=dtype), normal(44, 6, m, dtype=dtype)
                came = observe(run, TiedLinearAutoencoder, W, x, z, time_limit=10.0).value
                expect.close(came["encode"], x @ W, "encode(x)", likely="z = x W", **close)
                expect.close(came["decode"], z @ W.T, "decode(z)", likely="x_hat = z W^T", **close)
                expect.close(came["z"], x @ W, "the z of forward", likely="forward returns (x_hat, z)", **close)
                expect.close(came["x_hat"], x @ W @ W.T, "x_hat", likely="forward returns (x_hat, z)", **close)

        expect.case("trained with the penalty on 500 points in 8-D, m = 2")
        spectrum = torch.tensor([6, 3, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05], dtype=torch.float64)
        x = normal(45, 500, 8) * spectrum.sqrt() @ orthonormal(46, 8, 8).T
        x = x - x.mean(dim=0)
        came = observe(learn, TiedLinearAutoencoder, orthogonality_penalty, x, 2, 800, time_limit=60.0).value
        values, axes = torch.linalg.eigh(x.T @ x / len(x))
        error, best = _squared_error(x, same(came["x_hat"])).item(), values[:-2].sum().item()
        hint = "the model with the penalty does not find the principal subspace"
        expect.true(error <= 1.02 * best, f"the error after training is {error / best:.3f} times PCA's", likely=hint)
        basis = torch.linalg.qr(same(came["W"]))[0]
        cosines = torch.linalg.svdvals(basis.T @ axes[:, -2:])
        expect.true(bool((cosines >= 0.99).all()), "the columns of W do not span the principal subspace", likely=hint)
        unit = (same(came["W"]).T @ same(came["W"]) - torch.eye(2, dtype=torch.float64)).abs().max().item()
        expect.true(unit < 0.05, "the columns of W are not orthonormal after training", likely=hint)


_NETS = """
    import torch

    def describe(cls, n, hidden, m):
        torch.manual_seed(3)
        net = cls(n, hidden, m)
        x = torch.randn(16, n)
        net(x)[0].pow(2).sum().backward()
        parameters = list(net.parameters())
        return {"count": sum(p.numel() for p in parameters),
                "blind": sum(p.grad is None or not bool(p.grad.abs().sum() > 0) for p in parameters),
                "shapes": [tuple(t.shape) for t in net.state_dict().values()]}

    def run(cls, args, act, weights, x):
        net = cls(*args) if act is None else cls(*args, act=getattr(torch.nn, act))
        net = net.to(x.dtype)
        net.load_state_dict(dict(zip(net.state_dict(), weights)))
        x_hat, z = net(x)
        code = net.encode(x)
        return {"x_hat": x_hat.detach(), "z": z.detach(), "encode": code.detach(), "decode": net.decode(code).detach()}

    def refuse(cls, args, shape):
        net = cls(*args)
        return None if shape is None else net(torch.zeros(shape))[0].shape

    def refuse_code(cls, args, shape):
        return cls(*args).encode(torch.zeros(shape)).shape

    def tools():
        return describe, run, refuse, refuse_code
"""


def _widths(n: int, hidden_widths: tuple, m: int) -> list[tuple[int, int]]:
    up = [n, *hidden_widths, m]
    return [*pairwise(up), *pairwise(up[::-1])]


def layer_shapes(n: int, hidden_widths: tuple, m: int) -> list[tuple]:
    """Shapes of the weights and biases in the order of use."""
    return [shape for a, b in _widths(n, hidden_widths, m) for shape in ((b, a), (b,))]


def _half(act, part, h):
    """One half of the network: act behind every layer but the last."""
    for i in range(0, len(part), 2):
        h = F.linear(h, part[i], part[i + 1])
        if i < len(part) - 2:
            h = act(h)
    return h


def passes(act, weights, x):
    """Code and reconstruction by hand."""
    half = len(weights) // 2
    code = _half(act, weights[:half], x.flatten(1))
    return code, _half(act, weights[half:], code)


def bottleneck_parts(BottleneckAutoencoder):
    """Hidden test of parameters, shapes and refusals."""
    describe, _, refuse, refuse_code = ship(_NETS, "tools")()
    with hidden("Exercise 2: the parts of the deep autoencoder") as expect:
        for args in ((6, (5, 4), 2), (7, (), 3), (5, [4], 1), (784, (256, 64), 10)):
            expect.case(f"BottleneckAutoencoder{(args[0], tuple(args[1]), args[2])}")
            found = observe(describe, BottleneckAutoencoder, *args, time_limit=20.0).value
            want = [tuple(shape) for shape in layer_shapes(*args)]
            expect.true(
                [tuple(shape) for shape in found["shapes"]] == want,
                "state_dict() does not hold the weights and biases of the layers in the order of use",
                likely="nn.Sequential or nn.ModuleList registers layers, a plain list hides them; the decoder's widths "
                "are the encoder's in reverse; every layer has a bias",
            )
            count = sum(a * b + b for a, b in _widths(*args))
            expect.true(
                found["count"] == count, f"the network has {found['count']} parameters: not as many as it should"
            )
            expect.true(found["blind"] == 0, f"{found['blind']} parameters get no gradient from the reconstruction")
        for shape in ((4, 6), (4, 1, 2, 3), (1, 6), (1, 1, 3, 2)):
            expect.case(f"input of shape {shape}")
            came = observe(refuse, BottleneckAutoencoder, (6, (5,), 2), shape).value
            expect.true(tuple(came) == shape, f"x_hat has the shape {tuple(came)}, not that of the input")
            came = observe(refuse_code, BottleneckAutoencoder, (6, (5,), 2), shape).value
            expect.true(tuple(came) == (shape[0], 2), f"encode returns the shape {tuple(came)}, not [B, m]")
        for shape in ((4, 5), (4, 1, 2, 2), (4, 7), (3, 12), (2, 1, 6, 6)):
            expect.case(f"input of shape {shape} for n_in = 6")
            what, hint = "an input with another number of entries is refused", "count the entries of ONE example"
            expect.raises(ValueError, refuse, BottleneckAutoencoder, (6, (5,), 2), shape, what=what, likely=hint)
            expect.raises(ValueError, refuse_code, BottleneckAutoencoder, (6, (), 2), shape, what=what, likely=hint)
        for m in (0, -2):
            expect.case(f"m = {m}")
            expect.raises(ValueError, refuse, BottleneckAutoencoder, (6, (5,), m), None, what="m < 1 is refused")


def bottleneck_forward(BottleneckAutoencoder):
    """Hidden test of the forward pass with weights of the test's own, and of the link to PCA."""
    _, run, *_ = ship(_NETS, "tools")()
    hint = "act() behind every linear layer EXCEPT the code layer and the output layer"
    with hidden("Exercise 2: the pass through the bottleneck") as expect:
        for args, act, shape in (
            ((6, (5, 4), 2), None, (7, 6)),
            ((6, (5, 4), 2), "Tanh", (7, 6)),
            ((6, (3,), 4), "ReLU", (5, 1, 2, 3)),
            ((6, (), 2), None, (4, 6)),
            ((5, (4, 3, 6), 1), "Sigmoid", (1, 5)),
        ):
            for dtype, close in DTYPES:
                expect.case(f"BottleneckAutoencoder{args}, act {act or 'by default'}, x {shape}, {dtype_name(dtype)}")
                weights = [normal(50 + i, *s, dtype=dtype) for i, s in enumerate(layer_shapes(*args))]
                x = normal(49, *shape, dtype=dtype)
                function = {None: torch.relu, "ReLU": torch.relu, "Tanh": torch.tanh, "Sigmoid": torch.sigmoid}[act]
                code, x_hat = passes(function, weights, x)
                came = observe(run, BottleneckAutoencoder, args, act, weights, x, time_limit=10.0).value
                expect.close(came["z"], code, "z", likely=hint, **close)
                expect.close(came["encode"], code, "encode(x)", likely=hint, **close)
                expect.close(came["decode"], x_hat, "decode(z)", likely=hint, **close)
                expect.close(came["x_hat"], x_hat.reshape(shape), "x_hat", likely=hint, **close)
                expect.dtype(came["x_hat"], dtype, "x_hat")
        expect.case("hidden = () with the weights of PCA")
        x = normal(48, 40, 6) * torch.tensor([3.0, 2, 1, 0.5, 0.2, 0.1], dtype=torch.float64) + 5
        mean = x.mean(dim=0)
        W = torch.linalg.eigh((x - mean).T @ (x - mean))[1][:, -2:]
        weights = [W.T.contiguous(), -W.T @ mean, W, mean]
        came = observe(run, BottleneckAutoencoder, (6, (), 2), None, weights, x).value
        right = mean + (x - mean) @ W @ W.T
        expect.close(
            came["x_hat"], right, "x_hat, compared with PCA's reconstruction", rtol=1e-8, atol=1e-8, likely=hint
        )
