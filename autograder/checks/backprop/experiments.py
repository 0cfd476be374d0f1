"""The graded experiments: each trains the student's own code and scores it by labels that stay here.

The training runs beside the student's code (`_LAB`, `_SPIRAL`, shipped), so that the pictures cross once. The
budgets are smaller than in the notebook. Right solutions and subtly wrong ones were measured over several
seeds, and every threshold lies in the gap between them; the numbers stand beside it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from coursekit.checking import hidden
from coursekit.data import mnist

from autograder.testing import observe, ship

_TIME_LIMIT = 120.0

_LAB = """
    import numpy as np

    class Lab:
        def __init__(self, images, labels, unlabelled):
            images, unlabelled = images / np.float32(255), unlabelled / np.float32(255)
            mean, std = images.mean(), images.std()
            for pixels in (images, unlabelled):  # in place: clearing fresh memory costs more than the arithmetic
                pixels -= mean
                pixels /= std
            self.x, self.y, self.unlabelled = images, labels, unlabelled

        def network(self, Sequential, Linear, Activation, sizes, seed, gain):
            rng = np.random.default_rng(seed)
            self.linear = [Linear(a, b, rng, gain=gain) for a, b in zip(sizes[:-1], sizes[1:])]
            layers = []
            for layer in self.linear[:-1]:
                layers += [layer, Activation()]
            return Sequential(*layers, self.linear[-1])

        def train(self, net, train_epoch, Loss, rates, seed):
            rng = np.random.default_rng(seed)
            return [float(train_epoch(net, Loss(), self.x, self.y, 64, rate, rng)) for rate in rates]

        def predict(self, predict, net):
            return predict(net, self.unlabelled)

        def gradient_norms(self, net, Loss, count):
            loss = Loss()
            loss.forward(net.forward(self.x[:count]), self.y[:count])
            net.backward(loss.backward())
            return [float(np.linalg.norm(layer.dW)) for layer in self.linear]
"""


def _lab(train: int, seed: int):
    """A laboratory with standardised digits, and the labels of the test part, which stay here."""
    images, labels, unlabelled, answers = _digits(train, seed)
    return ship(_LAB, "Lab")(images, labels, unlabelled), answers


@cache
def _digits(train: int, seed: int):
    """Read once a process: unpacking the file takes longer than a small test."""
    data = mnist()
    pick = np.random.default_rng(seed).permutation(len(data.x_train))[:train]
    images, unlabelled = data.x_train[pick].reshape(train, -1), data.x_test.reshape(len(data.x_test), -1)
    return images, data.y_train[pick].astype(np.int64), unlabelled, data.y_test


def _accuracy(expect, lab, net, predict, labels, losses) -> float:
    expect.finite(losses, "the losses of the epochs", likely="a missing 1/N makes every step far too long")
    classes = observe(lab.predict, predict, net, time_limit=_TIME_LIMIT).value
    expect.shape(classes, labels.shape, "the predictions for the test digits")
    return float((np.asarray(classes) == labels).mean())


def experiment_digits(Sequential, Linear, ReLU, SoftmaxCrossEntropy, train_epoch, predict):
    """Graded experiment A: 784-100-100-10 with ReLU, 12 000 digits, two epochs with lr 0.1 and 0.02."""
    with hidden("Experiment A: digits") as expect:
        expect.case("784-100-100-10, ReLU, batch 64, lr 0.1 and 0.02, one epoch each")
        lab, labels = _lab(12_000, seed=0)
        net = lab.network(Sequential, Linear, ReLU, [784, 100, 100, 10], 1, 2.0)
        losses = observe(
            lab.train, net, train_epoch, SoftmaxCrossEntropy, [0.1, 0.02], 2, time_limit=_TIME_LIMIT
        ).value
        accuracy = _accuracy(expect, lab, net, predict, labels, losses)
        # right: 0.933 to 0.942; no ReLU derivative at most 0.917; start of spread gain/d_in 0.89; first
        # layers not trained 0.74; wrong sign in dx, no 1/N, labels shuffled apart below 0.5
        expect.true(
            accuracy >= 0.925,
            f"the test accuracy is {accuracy:.3f}, a right network reaches more than 0.925 here",
            likely="a layer that passes back a wrong dx, layers that are not trained, or a wrong start; "
            "the checks of exercises 5 to 7 say which",
        )


def experiment_vanishing(Sequential, Linear, Sigmoid, Tanh, ReLU, SoftmaxCrossEntropy, train_epoch, predict):
    """Graded experiment C: gradient ratios of eight, and accuracy of five hidden layers, by activation."""
    table = (
        # activation, gain, ratio from, to, epochs' learning rates, accuracy from, to
        # ratio, right: sigmoid 1.4e-4 to 2.3e-4, tanh 0.85 to 1.1, relu 0.47 to 0.69;
        # wrong: no sigmoid derivative 0.8 to 1.3, start of spread gain/d_in 2e-10; no tanh' 2.1 to 2.3,
        # tanh' = 1 - y 2.8 to 3.3; no relu derivative 5.6 to 7.9
        # accuracy, right: sigmoid 0.10, tanh 0.893 to 0.911, relu 0.878 to 0.905;
        # wrong: tanh' = 1 - y at most 0.49, no relu derivative 0.1, no 1/N 0.1, start of spread 1 0.20, of spread
        # gain/d_in 0.1; no tanh' reaches 0.875 and is caught by the ratio
        ("Sigmoid", Sigmoid, 1.0, (1e-6, 5e-3), [0.1], (0.0, 0.3)),
        ("Tanh", Tanh, 1.0, (0.5, 1.6), [0.1, 0.02], (0.85, 1.0)),
        ("ReLU", ReLU, 2.0, (0.2, 3.0), [0.1, 0.02], (0.85, 1.0)),
    )
    with hidden("Experiment C: vanishing gradients") as expect:
        lab, labels = _lab(4_000, seed=0)
        for name, Activation, gain, (low, high), _, _ in table:
            expect.case(f"{name}, eight hidden layers, at the start")
            net = lab.network(Sequential, Linear, Activation, [784, *[100] * 8, 10], 101, gain)
            norms = observe(lab.gradient_norms, net, SoftmaxCrossEntropy, 256, time_limit=_TIME_LIMIT).value
            expect.finite(norms, "the norms of the weight gradients")
            ratio = norms[1] / norms[7] if norms[7] else np.inf
            expect.true(
                low <= ratio <= high,
                f"the weight gradient of hidden layer 2 is {ratio:.2g} times that of hidden layer 8, "
                f"which is not in the range of {name}",
                likely="a derivative in backward, or the variance gain / d_in of the weights at the start",
            )
        for name, Activation, gain, _, rates, (low, high) in table:
            expect.case(f"{name}, five hidden layers, batch 64, lr {' and '.join(map(str, rates))}")
            net = lab.network(Sequential, Linear, Activation, [784, *[100] * 5, 10], 1, gain)
            losses = observe(
                lab.train, net, train_epoch, SoftmaxCrossEntropy, rates, 2, time_limit=_TIME_LIMIT
            ).value
            accuracy = _accuracy(expect, lab, net, predict, labels, losses)
            expect.true(
                low <= accuracy <= high,
                f"the test accuracy is {accuracy:.3f}, outside of {low} to {high}",
                likely="a derivative in backward, or the variance gain / d_in of the weights at the start",
            )


_SPIRAL = """
    import numpy as np

    def train(Tensor, start, x, labels, unlabelled, steps, rate):
        values = [np.array(p) for p in start]
        speeds = [np.zeros(p.shape) for p in values]

        def network(inputs, p):
            hidden = (inputs @ p[0] + p[1]).tanh()
            hidden = (hidden @ p[2] + p[3]).tanh()
            return hidden @ p[4] + p[5]

        losses = []
        for step in range(steps):
            p = [Tensor(value, requires_grad=True) for value in values]
            logits = network(Tensor(x), p)
            logits = logits - logits.max(axis=1, keepdims=True).detach()
            chosen = logits[np.arange(len(labels)), labels]
            loss = (logits.exp().sum(axis=1).log() - chosen).mean()
            loss.backward()
            losses.append(float(np.asarray(loss.data)))
            for i, parameter in enumerate(p):
                speeds[i] = 0.9 * speeds[i] - rate * parameter.grad
                values[i] = values[i] + speeds[i]
        return losses, np.array(network(Tensor(unlabelled), [Tensor(v) for v in values]).data)
"""


def _spiral(rng: np.random.Generator, n: int = 100):
    """Three arms of n points: x [3n, 2] and the number of the arm."""
    t = np.tile(np.linspace(0.1, 1.0, n), 3)
    arm = np.repeat(np.arange(3), n)
    angle = 4 * t + 2 * np.pi * arm / 3 + rng.normal(0.0, 0.15, size=3 * n)
    return np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1), arm


def experiment_spiral(Tensor):
    """Graded experiment B: 2-32-32-3 with tanh from the student's Tensors, 300 steps with momentum."""
    rng = np.random.default_rng(291)
    with hidden("Experiment B: spiral") as expect:
        expect.case("2-32-32-3, tanh, full batch, momentum 0.9, 300 steps")
        x, labels = _spiral(rng)
        unlabelled, answers = _spiral(rng)
        start = []
        for a, b in ((2, 32), (32, 32), (32, 3)):
            start += [rng.normal(0.0, np.sqrt(1 / a), size=(a, b)), np.zeros(b)]
        train = ship(_SPIRAL, "train")
        losses, logits = observe(
            train, Tensor, start, x, labels, unlabelled, 300, 0.2, time_limit=_TIME_LIMIT
        ).value
        hint = "an operation passes a wrong gradient back; the checks of exercise 3 say which"
        expect.finite(losses, "the losses", likely=hint)
        expect.shape(logits, (300, 3), "the outputs for the test points")
        accuracy = float((np.asarray(logits).argmax(axis=1) == answers).mean())
        # right: loss 0.0018 to 0.0027, accuracy 0.997 to 1; overwritten gradients, gradients of exp, log,
        # matmul or mean wrong: loss above 1; tanh' without the square: loss above 0.24, accuracy below 0.954
        expect.true(
            losses[-1] <= 0.05, f"the last training loss is {losses[-1]:.3f}, above 0.05", likely=hint
        )
        expect.true(accuracy >= 0.97, f"the test accuracy is {accuracy:.3f}, below 0.97", likely=hint)
