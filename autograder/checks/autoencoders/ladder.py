"""Exercise 8: the ladder and its loss. Oracle: the same passes as a chain of functions, and loops."""

from __future__ import annotations

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.autoencoders.noise import called, draws, normal
from autograder.checks.probe import DTYPES, Probe, dtype_name
from autograder.testing import observe, ship

FORBIDDEN = ("torch.nn.functional.cross_entropy", "torch.nn.CrossEntropyLoss", "torch.nn.functional.nll_loss")
_NAMES = ("W1", "W2", "W3", "V3", "V2", "V1")

_NET = """
    import torch

    def describe(cls, sizes):
        net = cls(*sizes)
        return {name: tuple(value.shape) for name, value in net.state_dict().items()}

    def run(cls, sizes, weights, x, up_logits, up_x):
        net = cls(*sizes).to(x.dtype)
        net.load_state_dict(weights)
        logits, x_hat = net(x)
        found = {"logits": logits.detach(), "x_hat": x_hat.detach()}
        for key, value, upstream in (("of logits", logits, up_logits), ("of x_hat", x_hat, up_x)):
            if value.shape != upstream.shape:
                continue
            grads = torch.autograd.grad(value, list(net.parameters()), upstream, retain_graph=True, allow_unused=True)
            names = [name for name, _ in net.named_parameters()]
            found[key] = {n: None if g is None else g.detach() for n, g in zip(names, grads)}
        return found

    def tools():
        return describe, run
"""


def _shapes(n, h1, h2, k):
    sizes = {"W1": (h1, n), "W2": (h2, h1), "W3": (k, h2), "V3": (h2, k), "V2": (h1, 2 * h2), "V1": (n, 2 * h1)}
    return {f"{name}.{part}": sizes[name][: 2 if part == "weight" else 1]
            for name in _NAMES for part in ("weight", "bias")}  # fmt: skip


def _passes(w, x):
    layer = lambda name, h: F.linear(h, w[f"{name}.weight"], w[f"{name}.bias"])
    h1 = layer("W1", x).relu()
    h2 = layer("W2", h1).relu()
    logits = layer("W3", h2)
    u2 = layer("V3", logits).relu()
    u1 = layer("V2", torch.cat([u2, h2], dim=1)).relu()
    return logits, layer("V1", torch.cat([u1, h1], dim=1))


def ladder_mlp(LadderMLP):
    """Hidden test of the network, with weights of the test's own."""
    describe, run = ship(_NET, "tools")()
    with hidden("Exercise 8: the ladder") as expect:
        for sizes in ((6, 5, 4, 3), (3, 4, 7, 2)):
            want = _shapes(*sizes)
            expect.case(f"LadderMLP{sizes}")
            found = observe(describe, LadderMLP, sizes).value
            expect.true(
                [*found] == [*want],
                f"state_dict() holds {', '.join(found)}",
                likely="six nn.Linear layers with biases, stored as W1, W2, W3, V3, V2, V1 in this order",
            )
            expect.true(
                {name: tuple(shape) for name, shape in found.items()} == want,
                "a layer has a wrong width",
                likely="V3: classes to h2, V2: [u2; h2] to h1, V1: [u1; h1] to n",
            )
            for dtype, close in DTYPES:
                expect.case(f"LadderMLP{sizes}, weights of the test's own, {dtype_name(dtype)}")
                weights = {name: 0.7 * normal(230 + i, *s, dtype=dtype) for i, (name, s) in enumerate(want.items())}
                n, _, _, k = sizes
                x, up_logits, up_x = (normal(245 + i, 9, d, dtype=dtype) for i, d in enumerate((n, k, n)))
                leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
                logits, x_hat = _passes(leaves, x)
                came = observe(run, LadderMLP, sizes, weights, x, up_logits, up_x, time_limit=10.0).value
                hint = "relu behind W1 and W2, nothing behind W3; forward returns (logits, x_hat)"
                expect.close(came["logits"], logits, "the logits", likely=hint, **close)
                hint = "relu behind V3 and V2, nothing behind V1; [u2; h2] and [u1; h1], in this order"
                expect.close(came["x_hat"], x_hat, "x_hat", likely=hint, **close)
                expect.dtype(came["x_hat"], dtype, "x_hat")
                for key, value, upstream in (("of logits", logits, up_logits), ("of x_hat", x_hat, up_x)):
                    grads = torch.autograd.grad(
                        value, [*leaves.values()], upstream, retain_graph=True, allow_unused=True
                    )
                    for name, right in zip(leaves, grads, strict=True):
                        got = came[key][name]
                        what = f"the gradient {key} in {name}"
                        expect.true(
                            (got is None) == (right is None),
                            f"{what} {'is missing' if right is not None else 'exists'}",
                        )
                        if right is not None:
                            expect.close(got, right, what, likely="nothing on the way is detached", **close)


_STUB = """
    import torch

    class Stub:
        \"\"\"A model that notes what it was given: linear logits, and a bent copy of its input.\"\"\"

        def __init__(self, A, scale=1.0):
            self.A, self.scale, self.seen = A, scale, []

        def __call__(self, x):
            self.seen.append(x.detach().clone())
            return self.scale * (x @ self.A), torch.tanh(x) * 1.5
"""


def _oracle(A, x_lab, y, x_unl, sigma, lam, e, scale=1.0):
    x = torch.cat([x_lab, x_unl])
    noisy = x + sigma * e
    ce = -torch.log_softmax(scale * (noisy @ A), dim=1)[torch.arange(len(y)), y].sum() / len(y)
    den = sum(((row - torch.tanh(bad) * 1.5) ** 2).sum() for row, bad in zip(x, noisy, strict=True)) / len(x)
    return ce + lam * den, ce, den


def ladder_loss(student):
    """Hidden test of `ladder_loss(model, x_lab, y, x_unl, sigma, lam, randn_like)`."""
    stub = ship(_STUB, "Stub")
    with hidden("Exercise 8: the loss of the ladder") as expect:
        probe = Probe(expect, student, "model x_lab y x_unl sigma", forbidden=FORBIDDEN, time_limit=10.0)
        for dtype, close in DTYPES:
            for B1, B2, sigma, lam in (
                (3, 5, 0.4, 1.0),
                (4, 1, 1.0, 0.3),
                (2, 0, 0.5, 2.0),
                (1, 6, 0.0, 1.0),
                (3, 3, 0.7, 0.0),
            ):
                expect.case(f"B1 = {B1}, B2 = {B2}, sigma = {sigma}, lam = {lam}, prepared noise, {dtype_name(dtype)}")
                A, x_lab, x_unl = (normal(250 + i, *s, dtype=dtype) for i, s in enumerate(((4, 3), (B1, 4), (B2, 4))))
                y, e = (2 * torch.arange(B1) + 1) % 3, normal(254, B1 + B2, 4, dtype=dtype)
                model, source = stub(A), draws(e)
                settings = {} if lam == 1.0 else {"lam": lam}
                came = probe(model, x_lab, y, x_unl, sigma, randn_like=source, **settings).value
                called(expect, source, [(B1 + B2, 4)], "it is called once, on all rows, the labelled ones first")
                given = model.seen
                expect.true(len(given) == 1, f"the model was called {len(given)} times, not once")
                noisy = torch.cat([x_lab, x_unl]) + sigma * e
                hint = "every row is corrupted, labelled and unlabelled"
                expect.close(given[0], noisy, "what the model was given", likely=hint, **close)
                expect.true(isinstance(came, list) and len(came) == 3, "ladder_loss must return (total, ce, den)")
                total, ce, den = _oracle(A, x_lab, y, x_unl, sigma, lam, e)
                hint = "the MEAN over the B1 noisy labelled rows of minus the log-probability of the right class"
                expect.close(came[1], ce, "ce", likely=hint, **close)
                hint = "the squared error to the CLEAN rows, summed over dimensions, the mean over ALL B1 + B2 rows"
                expect.close(came[2], den, "den", likely=hint, **close)
                expect.close(came[0], total, "total", likely="ce + lam * den", **close)
                for value, name in zip(came, ("total", "ce", "den"), strict=True):
                    expect.shape(value, (), f"{name}, one number")
                    expect.dtype(value, dtype, name)
        expect.case("other labels: ce changes, den does not")
        A, x_lab, x_unl, e = (normal(255 + i, *s) for i, s in enumerate(((4, 3), (3, 4), (2, 4), (5, 4))))
        first, second = (
            probe(stub(A), x_lab, torch.tensor(y), x_unl, 0.5, randn_like=draws(e)).value
            for y in ([0, 1, 2], [1, 2, 0])
        )
        expect.true(float(first[1]) != float(second[1]), "ce does not depend on the labels")
        expect.true(float(first[2]) == float(second[2]), "den depends on the labels")
        expect.case("logits around ±1000")
        y = torch.tensor([0, 1, 2])
        came = probe(stub(A, 1000.0), x_lab, y, x_unl, 0.5, randn_like=draws(e)).value
        hint = "exp(1000) is infinite: logsumexp of the row minus the picked logit"
        expect.finite(came[1], "ce", likely=hint)
        want = _oracle(A, x_lab, y, x_unl, 0.5, 1.0, e, 1000.0)[1]
        expect.close(came[1], want, "ce", likely=hint, rtol=1e-9)
        for name, index, wanted in (("ce", 1, (True, False)), ("den", 2, (False, True)), ("total", 0, (True, True))):
            expect.case(f"the gradient of {name} in a model's parameters")
            found = observe(ship(_REACH, "reach"), student, x_lab, y, x_unl, e, index, time_limit=10.0).value
            hint = "nothing on the way is detached; ce depends on the logits, den on x_hat"
            expect.true(tuple(found) == wanted, f"{name} does not depend on logits and x_hat as it should", likely=hint)
        for rows in (0, 4):
            expect.case(f"no labelled row, {rows} unlabelled ones")
            empty = torch.zeros(0, 4, dtype=torch.float64), torch.zeros(0, dtype=torch.int64)
            probe.refuses("a batch without labelled rows is refused", stub(A), *empty, normal(259, rows, 4), 0.5)


_REACH = """
    import torch

    def reach(loss, x_lab, y, x_unl, e, index):
        a = torch.ones((), dtype=x_lab.dtype, requires_grad=True)
        b = torch.ones((), dtype=x_lab.dtype, requires_grad=True)
        value = loss(lambda x: (a * x[:, :3], b * x), x_lab, y, x_unl, 0.5, randn_like=lambda t: e)[index]
        if not value.requires_grad:
            return (False, False)
        grads = torch.autograd.grad(value, [a, b], allow_unused=True)
        return tuple(g is not None and bool(g != 0) for g in grads)
"""
