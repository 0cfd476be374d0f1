"""The graded experiments: each trains the student's own code, and the judge scores what the training has made.

The training runs beside the student's code (`_LAB`, `_SPIRAL`, shipped). What comes back are the weights, from
layers' attributes `W` and `b` or from the spiral's steps; the test pictures and points and their labels stay
here, and so do the forward pass and the gradients that count. What the student's own `predict` and `dW` say is
only compared with them: no answer can be stated, it has to be in the weights.

The budgets are smaller than in the notebook. Right solutions and subtly wrong ones were measured over several
seeds, and every threshold lies in the gap between them; the numbers stand beside it. The upper ends are what the
training cannot reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.training import apart, digits, one_thread
from autograder.testing import observe, ship

_TIME_LIMIT = 120.0
_ROWS = 500  # training digits for which `predict` must say what the weights say

_LAB = """
    import numpy as np

    class Lab:
        def __init__(self, images, labels):
            pixels = images / np.float32(255)
            mean, std = pixels.mean(), pixels.std()
            pixels -= mean  # in place: clearing fresh memory costs more than the arithmetic
            pixels /= std
            self.x, self.y = pixels, labels

        def network(self, Sequential, Linear, Activation, sizes, seed, gain):
            rng = np.random.default_rng(seed)
            self.linear = [Linear(a, b, rng, gain=gain) for a, b in zip(sizes[:-1], sizes[1:])]
            layers = []
            for layer in self.linear[:-1]:
                layers += [layer, Activation()]
            return Sequential(*layers, self.linear[-1])

        def parameters(self):
            return [np.array(value, dtype=float) for layer in self.linear for value in (layer.W, layer.b)]

        def train(self, net, train_epoch, Loss, rates, seed):
            rng = np.random.default_rng(seed)
            losses = [float(train_epoch(net, Loss(), self.x, self.y, 64, rate, rng)) for rate in rates]
            return losses, self.parameters()

        def predict(self, predict, net, count):
            return predict(net, self.x[:count])

        def step(self, net, train_epoch, Loss, count, rate):
            train_epoch(net, Loss(), self.x[:count], self.y[:count], count, rate, np.random.default_rng(3))
            return self.parameters()

        def gradients(self, net, Loss, count):
            before = self.parameters()
            loss = Loss()
            loss.forward(net.forward(self.x[:count]), self.y[:count])
            net.backward(loss.backward())
            return before, [np.array(layer.dW, dtype=float) for layer in self.linear[1:-1]]
"""


@dataclass(frozen=True)
class _Digits:
    """Training digits as they cross, and what stays here: standardised pictures and the labels of the test part."""

    images: np.ndarray
    labels: np.ndarray
    x: torch.Tensor  # the first _ROWS training digits
    x_test: torch.Tensor  # float32: all of them go through every network
    y_test: torch.Tensor


@cache
def _digits(train: int, seed: int) -> _Digits:
    """Made once a process: it takes longer than a small test."""
    data = digits()
    pick = np.random.default_rng(seed).permutation(len(data.x_train))[:train]
    images = data.x_train[pick].reshape(train, -1)
    pixels = images / np.float32(255)
    mean, std = pixels.mean(), pixels.std()
    x_test = (data.x_test.reshape(len(data.x_test), -1) / np.float32(255) - mean) / std
    return _Digits(
        images,
        data.y_train[pick].astype(np.int64),
        torch.from_numpy((pixels[:_ROWS] - mean) / std).double(),
        torch.from_numpy(x_test),
        torch.from_numpy(data.y_test.astype(np.int64)),
    )


def _forward(parameters: list[torch.Tensor], activation, x: torch.Tensor) -> torch.Tensor:
    """The outputs of the network with these W, b, W, b, ..."""
    for i in range(0, len(parameters) - 2, 2):
        x = activation(x @ parameters[i] + parameters[i + 1])
    return x @ parameters[-2] + parameters[-1]


def _gradients(parameters: list[torch.Tensor], activation, x, y) -> list[torch.Tensor]:
    """The gradients of the mean cross-entropy in all of them."""
    leaves = [p.clone().requires_grad_() for p in parameters]
    return list(torch.autograd.grad(F.cross_entropy(_forward(leaves, activation, x), y), leaves))


def _received(expect, parameters, sizes) -> list[torch.Tensor]:
    """W and b of every layer, with the shapes that they must have."""
    for i, (a, b) in enumerate(pairwise(sizes)):
        expect.shape(parameters[2 * i], (a, b), f"W of linear layer {i + 1}")
        expect.shape(parameters[2 * i + 1], (b,), f"b of linear layer {i + 1}")
    return [torch.as_tensor(p, dtype=torch.float64) for p in parameters]


def _accuracy(expect, lab, net, predict, data: _Digits, sizes, activation, found) -> tuple[float, list]:
    """The share of test digits that the trained weights get right, reckoned here, and these weights."""
    losses, parameters = found
    expect.finite(losses, "the losses of the epochs", likely="a missing 1/N makes every step far too long")
    parameters = _received(expect, parameters, sizes)
    classes = observe(lab.predict, predict, net, _ROWS, time_limit=_TIME_LIMIT).value
    expect.shape(classes, (_ROWS,), f"the predictions for {_ROWS} training digits")
    own = _forward(parameters, activation, data.x).argmax(1).numpy()
    others = int((np.asarray(classes) != own).sum())
    # right: 0; float32 may turn a tie
    expect.true(
        others <= _ROWS // 100,
        f"predict says another class than a network with the trained W and b for {others} of {_ROWS} digits",
        likely="a forward pass: y = x W + b, the activation, the layers in their order; or predict itself",
    )
    right = _forward([p.float() for p in parameters], activation, data.x_test).argmax(1) == data.y_test
    return right.double().mean().item(), parameters


def experiment_digits(Sequential, Linear, ReLU, SoftmaxCrossEntropy, train_epoch, predict):
    """Graded experiment A: 784-100-100-10 with ReLU, 12 000 digits, two epochs with lr 0.1 and 0.02."""
    sizes = [784, 100, 100, 10]
    with one_thread(), hidden("Experiment A: digits") as expect:
        expect.case("784-100-100-10, ReLU, batch 64, lr 0.1 and 0.02, one epoch each")
        data = _digits(12_000, seed=0)
        lab = ship(_LAB, "Lab")(data.images, data.labels)
        net = lab.network(Sequential, Linear, ReLU, sizes, 1, 2.0)
        found = observe(lab.train, net, train_epoch, SoftmaxCrossEntropy, [0.1, 0.02], 2, time_limit=_TIME_LIMIT).value
        accuracy, before = _accuracy(expect, lab, net, predict, data, sizes, torch.relu, found)
        # right: 0.933 to 0.942; no ReLU derivative at most 0.917; start of spread gain/d_in 0.89; first
        # layers not trained 0.74; wrong sign in dx, no 1/N, labels shuffled apart below 0.5
        expect.true(
            accuracy >= 0.925,
            f"the test accuracy is {accuracy:.3f}, a right network reaches more than 0.925 here",
            likely="a layer that passes back a wrong dx, layers that are not trained, or a wrong start; "
            "the checks of exercises 5 to 7 say which",
        )
        expect.true(
            accuracy <= 0.96,
            f"the test accuracy is {accuracy:.3f}, more than these two epochs can reach",
            likely="train_epoch takes one step a batch, and learns from the X and y that it is given",
        )
        count, rate = 256, 0.1
        expect.case(f"the trained network, one epoch of a single batch of {count} digits, lr {rate}")
        after = observe(lab.step, net, train_epoch, SoftmaxCrossEntropy, count, rate, time_limit=_TIME_LIMIT).value
        y = torch.from_numpy(data.labels[:count])
        gradients = _gradients(before, torch.relu, data.x[:count], y)
        for i, (old, new, gradient) in enumerate(
            zip(before[::2], _received(expect, after, sizes)[::2], gradients[::2], strict=True)
        ):
            # right: 1e-12; float32 1e-4
            expect.true(
                apart(new - old, -rate * gradient) <= 0.01,
                f"the step of W in linear layer {i + 1} is not minus lr times its gradient",
                likely="forward, loss, loss.backward, net.backward and one sgd_step for each batch",
            )


def experiment_vanishing(Sequential, Linear, Sigmoid, Tanh, ReLU, SoftmaxCrossEntropy, train_epoch, predict):
    """Graded experiment C: gradient ratios of eight, and accuracy of five hidden layers, by activation."""
    table = (
        # activation and its oracle, gain, ratio from, to, epochs' learning rates, accuracy from, to
        # ratio, right: sigmoid 1.4e-4 to 2.3e-4, tanh 0.85 to 1.1, relu 0.47 to 0.69;
        # wrong: start of spread gain/d_in 2e-10. A wrong derivative is seen in dW before: the norm of hidden layer 2
        # is then 0.1 to 10 000 times what it should be
        # accuracy, right: sigmoid 0.10, tanh 0.893 to 0.911, relu 0.878 to 0.905;
        # wrong: tanh' = 1 - y at most 0.49, no relu derivative 0.1, no 1/N 0.1, start of spread 1 0.20, of spread
        # gain/d_in 0.1; no tanh' reaches 0.875 and is caught by the gradient
        ("Sigmoid", Sigmoid, torch.sigmoid, 1.0, (1e-6, 5e-3), [0.1], (0.0, 0.3)),
        ("Tanh", Tanh, torch.tanh, 1.0, (0.5, 1.6), [0.1, 0.02], (0.85, 0.95)),
        ("ReLU", ReLU, torch.relu, 2.0, (0.2, 3.0), [0.1, 0.02], (0.85, 0.95)),
    )
    start = "the variance gain / d_in of the weights at the start"
    with one_thread(), hidden("Experiment C: vanishing gradients") as expect:
        data = _digits(4_000, seed=0)
        lab = ship(_LAB, "Lab")(data.images, data.labels)
        sizes = [784, *[100] * 8, 10]
        for name, Activation, activation, gain, (low, high), _, _ in table:
            expect.case(f"{name}, eight hidden layers, 256 digits, at the start")
            net = lab.network(Sequential, Linear, Activation, sizes, 101, gain)
            parameters, found = observe(lab.gradients, net, SoftmaxCrossEntropy, 256, time_limit=_TIME_LIMIT).value
            norms = _hidden_gradients(expect, data, _received(expect, parameters, sizes), activation, found)
            ratio = norms[0] / norms[-1] if norms[-1] else np.inf
            expect.true(
                low <= ratio <= high,
                f"the weight gradient of hidden layer 2 is {ratio:.2g} times that of hidden layer 8, "
                f"which is not in the range of {name}",
                likely=start,
            )
        sizes = [784, *[100] * 5, 10]
        for name, Activation, activation, gain, _, rates, (low, high) in table:
            expect.case(f"{name}, five hidden layers, batch 64, lr {' and '.join(map(str, rates))}")
            net = lab.network(Sequential, Linear, Activation, sizes, 1, gain)
            found = observe(lab.train, net, train_epoch, SoftmaxCrossEntropy, rates, 2, time_limit=_TIME_LIMIT).value
            accuracy, _ = _accuracy(expect, lab, net, predict, data, sizes, activation, found)
            expect.true(
                low <= accuracy <= high,
                f"the test accuracy is {accuracy:.3f}, outside of {low} to {high}",
                likely=f"a derivative in backward, or {start}",
            )


def _hidden_gradients(expect, data: _Digits, parameters, activation, found) -> list[float]:
    """The norms of the weight gradients of hidden layers 2 to 8, reckoned here; `found` must be these gradients."""
    gradients = _gradients(parameters, activation, data.x[:256], torch.from_numpy(data.labels[:256]))[2:-2:2]
    for i, (got, want) in enumerate(zip(found, gradients, strict=True)):
        what = f"the weight gradient of hidden layer {i + 2}"
        expect.shape(got, tuple(want.shape), what)
        expect.finite(got, what)
        # right: 1e-13; float32 1e-5
        expect.true(
            apart(got, want) <= 0.01,
            f"{what} has the norm {np.linalg.norm(got):.2g}, and is not the gradient of the loss for these weights, "
            f"which has the norm {want.norm():.2g}",
            likely="a derivative in backward of the activation, or dW and dx in that of Linear, or 1/N in the loss",
        )
    return [g.norm().item() for g in gradients]


_SPIRAL = """
    import numpy as np

    def train(Tensor, start, x, labels, steps, rate):
        values = [np.array(p) for p in start]
        speeds = [np.zeros(p.shape) for p in values]
        losses = []
        for step in range(steps):
            p = [Tensor(value, requires_grad=True) for value in values]
            hidden = (Tensor(x) @ p[0] + p[1]).tanh()
            hidden = (hidden @ p[2] + p[3]).tanh()
            logits = hidden @ p[4] + p[5]
            logits = logits - logits.max(axis=1, keepdims=True).detach()
            chosen = logits[np.arange(len(labels)), labels]
            loss = (logits.exp().sum(axis=1).log() - chosen).mean()
            loss.backward()
            losses.append(float(np.asarray(loss.data)))
            for i, parameter in enumerate(p):
                speeds[i] = 0.9 * speeds[i] - rate * parameter.grad
                values[i] = values[i] + speeds[i]
        return losses, [np.array(value) for value in values]
"""


def _spiral(rng: np.random.Generator, n: int = 100):
    """Three arms of n points: x [3n, 2] and the number of the arm."""
    t = np.tile(np.linspace(0.1, 1.0, n), 3)
    arm = np.repeat(np.arange(3), n)
    angle = 4 * t + 2 * np.pi * arm / 3 + rng.normal(0.0, 0.15, size=3 * n)
    return np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1), arm


def experiment_spiral(Tensor):
    """Graded experiment B: 2-32-32-3 with tanh from the student's Tensors, 300 steps with momentum."""
    rng, sizes, rate = np.random.default_rng(291), [2, 32, 32, 3], 0.2
    with one_thread(), hidden("Experiment B: spiral") as expect:
        expect.case("2-32-32-3, tanh, full batch, momentum 0.9, 300 steps")
        x, labels = _spiral(rng)
        fresh, answers = (torch.from_numpy(a) for a in _spiral(rng))
        start = []
        for a, b in pairwise(sizes):
            start += [rng.normal(0.0, np.sqrt(1 / a), size=(a, b)), np.zeros(b)]
        train = ship(_SPIRAL, "train")
        losses, trained = observe(train, Tensor, start, x, labels, 300, rate, time_limit=_TIME_LIMIT).value
        hint = "an operation passes a wrong gradient back; the checks of exercise 3 say which"
        expect.finite(losses, "the losses", likely=hint)
        trained = _received(expect, trained, sizes)
        loss = F.cross_entropy(_forward(trained, torch.tanh, torch.from_numpy(x)), torch.from_numpy(labels)).item()
        accuracy = (_forward(trained, torch.tanh, fresh).argmax(1) == answers).double().mean().item()
        # right: loss 0.0018 to 0.0027, accuracy 0.997 to 1; overwritten gradients, gradients of exp, log,
        # matmul or mean wrong: loss above 1; tanh' without the square: loss above 0.24, accuracy below 0.954
        expect.true(loss <= 0.05, f"the last training loss is {loss:.3f}, above 0.05", likely=hint)
        expect.true(accuracy >= 0.97, f"the test accuracy is {accuracy:.3f}, below 0.97", likely=hint)
        too_good = f"the last training loss is {loss:.1e}, less than 300 steps can reach"
        expect.true(loss >= 0.001, too_good, likely="a Tensor changes no array of its caller")

        expect.case("the first of these steps")
        (value,), moved = observe(train, Tensor, start, x, labels, 1, rate, time_limit=_TIME_LIMIT).value
        first = [torch.from_numpy(p) for p in start]
        want = F.cross_entropy(_forward(first, torch.tanh, torch.from_numpy(x)), torch.from_numpy(labels)).item()
        expect.close(value, want, "the loss at the start", rtol=1e-6, atol=0, likely="the value of an operation")
        gradients = _gradients(first, torch.tanh, torch.from_numpy(x), torch.from_numpy(labels))
        for i, (old, new, gradient) in enumerate(zip(first, _received(expect, moved, sizes), gradients, strict=True)):
            # right: 1e-13
            what = f"the gradient of {'Wb'[i % 2]} in layer {i // 2 + 1} is not that of the loss"
            expect.true(apart(new - old, -rate * gradient) <= 0.01, what, likely=hint)
