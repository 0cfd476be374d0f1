"""Exercise 2: from the step unit to logistic regression. Oracles: a plain loop, autograd, Newton's method."""

from __future__ import annotations

import numpy as np
import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.probe import DTYPES, SINGLE, Probe, dtype_name, same, truth
from autograder.testing import ship

_AUTOGRAD = (
    "torch.autograd.grad",
    "torch.autograd.backward",
    "torch.Tensor.backward",
    "torch.autograd.functional.jacobian",
    "torch.func.grad",
    "torch.func.grad_and_value",
    "torch.func.vjp",
    "torch.func.jacrev",
)


def xor_network(student):
    """Hidden test of `xor_network() -> (W1, b1, w2, b2)`."""
    with hidden("Exercise 2: XOR by hand") as expect:
        parts = student()
        expect.true(
            isinstance(parts, list | tuple) and len(parts) == 4,
            "xor_network must return four tensors: W1, b1, w2, b2",
        )
        shapes = {"W1": (2, 2), "b1": (2,), "w2": (2,), "b2": ()}
        for part, (name, shape) in zip(parts, shapes.items(), strict=True):
            expect.shape(part, shape, name)
            tensor = isinstance(part, torch.Tensor) or not shape
            expect.true(tensor, f"{name} must be a tensor", likely="torch.tensor([...])")
            expect.finite(part, name)
        W1, b1, w2, b2 = map(same, parts)
        for x, out in (((0, 0), 0), ((0, 1), 1), ((1, 0), 1), ((1, 1), 0)):
            expect.case(f"input {x}")
            step = (W1 @ torch.tensor(x, dtype=torch.float64) + b1 > 0).double()
            came = int(w2 @ step + b2 > 0)
            hint = "each hidden unit cuts the plane once; the output unit combines the two cuts"
            expect.true(came == out, f"the output is {came}", likely=hint)


# --- the perceptron ---------------------------------------------------------------------------------------


def _rosenblatt(x: np.ndarray, y: np.ndarray, epochs: int) -> tuple[np.ndarray, int, bool]:
    w, updates = np.zeros(x.shape[1]), 0
    for _ in range(epochs):
        before = updates
        for row, label in zip(x, y, strict=True):
            if label * (row @ w) <= 0:
                w = w + label * row
                updates += 1
        if updates == before:
            break
    return w, updates, bool((y * (x @ w) > 0).all())


_AND = [[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]]


def _whole(seed: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers, so that every sum is exact, with a column of ones; labels at random."""
    rng = np.random.default_rng(seed)
    x = np.hstack([rng.integers(-4, 5, size=(n, m - 1)), np.ones((n, 1), dtype=int)]).astype(float)
    return x, rng.choice([-1.0, 1.0], size=n)


def perceptron(student):
    """Hidden test of `perceptron_fit(X, y, max_epochs=100) -> (w, n_updates, converged)`."""
    with hidden("Exercise 2: the perceptron") as expect:
        probe = Probe(expect, student, "X y max_epochs", time_limit=20.0)
        x = np.array(_AND, dtype=float)
        _same_run(expect, probe, "one example, one epoch", [[2.0, -1.0]], [-1.0], 1)
        _same_run(expect, probe, "AND", x, [-1, -1, -1, 1])
        _same_run(expect, probe, "OR, the rows reversed", x[::-1].copy(), [1, 1, 1, -1])
        for epochs in (1, 2, 13):
            _same_run(expect, probe, f"XOR, max_epochs={epochs}", x, [-1, 1, 1, -1], epochs)
        _same_run(expect, probe, "XOR, default max_epochs", x, [-1, 1, 1, -1])
        _same_run(expect, probe, "a row of zeros", [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], [1, 1, -1], 4)
        for seed, n, m in ((1, 9, 4), (2, 7, 3), (3, 12, 2), (4, 5, 6)):
            for epochs in (1, 3, 40):
                case = f"{n} rows of {m} whole numbers, max_epochs={epochs}"
                _same_run(expect, probe, case, *_whole(seed, n, m), epochs)
        _same_run(expect, probe, "float32", *_whole(5, 6, 3), 5, dtype=torch.float32)

        expect.case("AND, max_epochs=10 000 000")
        patient = Probe(expect, student, "X y max_epochs", time_limit=3.0)
        hint = "stop after an epoch without mistakes: nothing can change any more"
        w, *_ = _run(expect, patient, x, [-1, -1, -1, 1], 10_000_000)
        expect.equal(w, _rosenblatt(x, np.array([-1, -1, -1, 1]), 100)[0], "w", likely=hint)

        rng = np.random.default_rng(21)
        expect.case("30 separable points with a margin")
        x, teacher = rng.normal(size=(60, 4)), np.array([1.0, -2.0, 0.5, 1.5])
        teacher /= np.linalg.norm(teacher)
        x = x[np.abs(x @ teacher) > 0.4][:30]
        y = np.sign(x @ teacher)
        w, updates, converged = _run(expect, probe, x, y, 1000)
        bound = (np.linalg.norm(x, axis=1).max() / np.abs(x @ teacher).min()) ** 2
        hint = "only mistakes are corrected, by adding y * x, whatever the size of the error"
        expect.true(
            updates <= bound,
            f"{updates} updates: more than (R / margin)^2, which no run may exceed",
            likely=hint,
        )
        expect.true((y * (x @ w) > 0).all(), "the returned weights make mistakes on separable points")
        expect.true(converged, "converged is False although the points are separable")

        labels = {"0 and 1": [0, 1, 1], "-1, 0 and 1": [-1, 0, 1], "1 and 2": [1, 2, 1], "-2 and 2": [-2, 2, 2]}
        for case, y in labels.items():
            expect.case(f"labels {case}")
            y = torch.tensor(y, dtype=torch.float64)
            probe.refuses("labels other than -1 and +1 are refused", torch.ones(3, 2).double(), y)


def _run(expect, probe, x, y, *epochs, dtype=torch.float64):
    seen = probe(torch.tensor(np.array(x), dtype=dtype), torch.tensor(np.array(y), dtype=dtype), *epochs).value
    expect.true(
        isinstance(seen, list | tuple) and len(seen) == 3,
        "perceptron_fit must return three values: w, n_updates, converged",
    )
    w, updates, converged = seen
    expect.shape(w, (len(x[0]),), "w")
    expect.shape(updates, (), "n_updates, one number")
    return same(w).numpy(), int(updates), truth(expect, converged, "converged")


def _same_run(expect, probe, case: str, x, y, *epochs, dtype=torch.float64) -> None:
    expect.case(case)
    x, y = np.array(x, dtype=float), np.array(y, dtype=float)
    want = _rosenblatt(x, y, *(epochs or (100,)))
    w, updates, converged = _run(expect, probe, x, y, *epochs, dtype=dtype)
    order = (
        "w starts at 0; row by row, in the order given: if y * (w @ x) <= 0 then w + y * x at once, and the next "
        "row already sees the new w"
    )
    expect.equal(w, want[0], "w", likely=order)
    expect.equal(updates, want[1], "n_updates", likely="one for each correction, in all epochs together")
    hint = "after the last epoch: does the returned w give every row a score of the right sign, none of them 0?"
    expect.true(converged == want[2], f"converged is {converged}, which is not so", likely=hint)


# --- logistic regression -------------------------------------------------------------------------------------


def _classes(seed: int, n: int, m: int, dtype: torch.dtype = torch.float64):
    """Points of two overlapping classes, weights and a bias."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, m, generator=generator, dtype=torch.float64)
    y = (x.sum(1) + torch.randn(n, generator=generator, dtype=torch.float64) > 0).double()
    w = torch.randn(m, generator=generator, dtype=torch.float64)
    return x.to(dtype), y.to(dtype), w.to(dtype), torch.tensor(0.3, dtype=dtype)


def _loss_and_gradient(x, y, w, b):
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    loss = F.binary_cross_entropy_with_logits(x @ w + b, y)
    return loss.detach(), *torch.autograd.grad(loss, (w, b))


_GRADIENT = {
    "the loss": "the mean over N of softplus(z) - y z, in a form that does not overflow",
    "the gradient in w": "X.T @ (sigmoid(z) - y) / N: the loss is a mean, so its gradient has the 1/N as well",
    "the gradient in b": "the mean over N of sigmoid(z) - y",
}


# the loss of exercise 1 may be used: a slip in it costs its own points only
_STAND_IN_LOSS = """
    import torch

    def bce_with_logits(z, y):
        return torch.nn.functional.binary_cross_entropy_with_logits(z, y)
"""


def logistic_grad(student):
    """Hidden test of `logistic_grad(X, y, w, b) -> (loss, gw, gb)`, written without autograd."""
    replacing = {"bce_with_logits": ship(_STAND_IN_LOSS, "bce_with_logits")}
    with hidden("Exercise 2: the logistic gradient") as expect:
        probe = Probe(expect, student, "X y w b", forbidden=_AUTOGRAD, replacing=replacing, time_limit=10.0)
        cases = [((n, m), 1.0) for n, m in ((7, 3), (1, 4), (5, 1), (6, 2))]
        cases += [((4, 3), 300.0), ((5, 2), 1000.0), ((4, 3), 1e4)]
        for (n, m), scale in cases:
            for dtype, close in DTYPES:
                x, y, w, b = _classes(221, n, m, dtype)
                x, y = (scale * x, y) if scale == 1 else (scale * x, (torch.arange(n) % 2).to(dtype))
                expect.case(f"X of shape {(n, m)}, {dtype_name(dtype)}, scores of the order of {scale:g}")
                seen = probe(x, y, w, b).value
                expect.true(
                    isinstance(seen, list | tuple) and len(seen) == 3,
                    "logistic_grad must return three values: loss, gw, gb",
                )
                wanted = _loss_and_gradient(x, y, w, b)
                for (what, hint), got, want in zip(_GRADIENT.items(), seen, wanted, strict=True):
                    expect.shape(got, tuple(want.shape), what)
                    expect.finite(got, what, likely="exp(-z) overflows for z = -1000: use torch.sigmoid")
                    expect.close(got, want, what, likely=hint, **close)
                    expect.dtype(got, dtype, what)
        x, y, w, b = _classes(222, 3, 2)
        for case, labels in {"-1 and 1": [-1, 1, 1], "0.5": [0, 0.5, 1], "1 and 2": [1, 2, 1]}.items():
            expect.case(f"labels {case}")
            y = torch.tensor(labels, dtype=torch.float64)
            probe.refuses("labels other than 0 and 1 are refused", x, y, w, b)


# torch's gradient in place of the student's: a slip in logistic_grad costs its own points only
_STAND_IN = """
    import torch

    def logistic_grad(X, y, w, b):
        if not bool(((y == 0) | (y == 1)).all()):
            raise ValueError("labels must be 0 or 1")
        w = torch.as_tensor(w, dtype=X.dtype).detach().clone().requires_grad_()
        b = torch.as_tensor(b, dtype=X.dtype).detach().clone().requires_grad_()
        with torch.enable_grad():
            loss = torch.nn.functional.binary_cross_entropy_with_logits(X @ w + b, y.to(X.dtype))
        return loss.detach(), *torch.autograd.grad(loss, (w, b))
"""


def logistic_fit(student):
    """Hidden test of `logistic_fit(X, y, lr, steps, w0=None, b0=None) -> (w, b, losses)`."""
    replacing = {"logistic_grad": ship(_STAND_IN, "logistic_grad")}
    with hidden("Exercise 2: logistic_fit") as expect:
        probe = Probe(expect, student, "X y lr steps", replacing=replacing, time_limit=30.0)
        every = ((), ("w0", "b0"), ("w0",), ("b0",))
        for (n, m), lr, steps, dtype, starts in (
            ((9, 3), 0.7, 12, torch.float64, every),
            ((5, 2), 1.0, 1, torch.float64, every),
            ((6, 4), 0.5, 0, torch.float64, every),
            ((4, 1), 0.2, 3, torch.float32, every[:2]),
        ):
            x, y, w, b = _classes(231, n, m, dtype)
            for names in starts:
                start = {name: {"w0": w, "b0": b}[name] for name in names}
                given = f"from {' and '.join(names)}" if names else "from zero"
                expect.case(f"X of shape {(n, m)}, {dtype_name(dtype)}, {steps} steps of {lr}, {given}")
                got = _fit(expect, probe, m, x, y, lr, steps, **start)
                _compare_fits(expect, got, _descend(x, y, lr, steps, **start), dtype)

        x, y, _, _ = _classes(232, 40, 3)
        x = (x - x.mean(0)) / x.std(0, correction=0)
        bordered = torch.hstack([x, torch.ones(len(x), 1, dtype=x.dtype)])
        largest = torch.linalg.eigvalsh(bordered.T @ bordered / len(x))[-1].item()
        expect.case("40 points, 40 steps of 4 / (largest eigenvalue of X~' X~ / N)")
        losses = _fit(expect, probe, 3, x, y, 4 / largest, 40)[2]
        expect.true(
            (losses.diff() <= 1e-12).all(),
            "the loss rises although the step size is small enough",
            likely="w minus lr times the gradient",
        )
        expect.case("40 points of two overlapping classes, 400 steps of 2")
        w, b, losses = _fit(expect, probe, 3, x, y, 2.0, 400)
        best = _newton(bordered, y)
        expect.close(
            torch.cat([w, b[None]]),
            best,
            "w and b against the optimum that Newton's method finds",
            rtol=0,
            atol=1e-4,
        )


def _fit(expect, probe, m, x, y, lr, steps, **start):
    seen = probe(x, y, lr, steps, **start).value
    expect.true(
        isinstance(seen, list | tuple) and len(seen) == 3,
        "logistic_fit must return three values: w, b, losses",
    )
    expect.shape(seen[0], (m,), "w")
    expect.shape(seen[1], (), "b")
    count = "the loss at the start and after each of the steps"
    expect.shape(seen[2], (steps + 1,), f"losses, {count}", likely=count)
    return tuple(map(same, seen))


def _compare_fits(expect, got, want, dtype) -> None:
    # rounding adds up over the steps
    close = SINGLE if dtype == torch.float32 else {"rtol": 1e-9, "atol": 1e-10}
    recorded = "record the loss BEFORE each step, and once more after the last"
    expect.close(got[2][0], want[2][0], "losses[0], the loss at the start", likely=recorded, **close)
    hint = "w - lr * gw, and b - lr * gb as well"
    expect.close(got[1], want[1], "b after the last step", likely=hint, **close)
    expect.close(got[0], want[0], "w after the last step", likely=hint, **close)
    expect.close(got[2], want[2], "losses", likely=recorded, **close)


def _descend(x, y, lr, steps, w0=None, b0=None):
    w = torch.zeros(x.shape[1], dtype=x.dtype) if w0 is None else w0.clone()
    b = torch.zeros((), dtype=x.dtype) if b0 is None else b0.clone()
    losses = []
    for t in range(steps + 1):
        loss, gw, gb = _loss_and_gradient(x, y, w, b)
        losses.append(loss)
        if t < steps:
            w, b = w - lr * gw, b - lr * gb
    return w, b, torch.stack(losses)


def _newton(x, y):
    """The optimum of the logistic loss of x (with its column of ones)."""
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(30):
        p = torch.sigmoid(x @ w)
        hessian = (x.T * (p * (1 - p))) @ x
        w = w - torch.linalg.solve(hessian, x.T @ (p - y))
    return w
