"""The graded experiments: each trains with the student's own code, and the judge scores what the training has made.

The loops run beside the student's code (shipped), so that the training pictures cross once. What comes back are
weights; in B and C the test pictures stay here, and so does the forward pass that is scored. The outputs of the
student's own network are only compared with it: no answer can be stated, it has to be in the weights. The budgets
are smaller than in the notebook. Right solutions and subtly wrong ones were measured over several seeds, and every
threshold lies in the gap between them; the numbers stand beside it. The upper ends are what the training cannot reach.
"""

from __future__ import annotations

import functools
import math

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.optimization.residual import chain
from autograder.checks.probe import same
from autograder.checks.training import apart, digits, one_thread, pixels
from autograder.testing import observe, ship

_TIME_LIMIT = 90.0


def _labels(count: int | None, test: bool = False) -> torch.Tensor:
    data = digits()
    return torch.from_numpy((data.y_test if test else data.y_train)[:count].astype("int64"))


def _accuracy(logits, labels) -> float:
    if not torch.isfinite(logits).all():
        return 0.0
    return (logits.argmax(1) == labels).double().mean().item()


@functools.cache
def _standard(train: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first 64 training digits and all test digits, standardised as beside the student's code."""
    pictures, test = pixels(train).float() / 255, pixels(None, test=True).float() / 255
    mean, std = pictures.mean(), pictures.std()
    return (pictures[:64] - mean) / std, (test - mean) / std


def _outputs(expect, got, want, likely: str) -> None:
    """What the student's network says for 64 training digits is what these weights say."""
    expect.shape(got, (64, 10), "the outputs for 64 training digits")
    # right: 1e-6
    text = "the outputs for 64 training digits are not those of a network with the trained weights"
    expect.true(apart(got, want) <= 0.01, text, likely=likely)


# --- A: conditioning of the inputs ---------------------------------------------------------------------------

_DESCEND = """
    import torch

    def descend(cross_entropy, X, y, lr, steps):
        W = torch.zeros(X.shape[1], 10, requires_grad=True)
        b = torch.zeros(10, requires_grad=True)
        for _ in range(steps):
            loss = cross_entropy(X @ W + b, y)
            grads = torch.autograd.grad(loss, (W, b))
            with torch.no_grad():
                for p, g in zip((W, b), grads):
                    p -= lr * g
        return W.detach(), b.detach()
"""


@functools.cache
def _digits() -> tuple[torch.Tensor, torch.Tensor, float]:
    """2 000 digits and 1 000 test digits in [0, 1], and the largest eigenvalue of their second moments."""
    X, X_test = pixels(2000).float() / 255, pixels(1000, test=True).float() / 255
    return X, X_test, torch.linalg.eigvalsh((X.T @ X / len(X)).double())[-1].item()


@functools.cache
def _products() -> torch.Tensor:
    """The inner products [1000, 2000] of whitened test and training digits: no sign and no rotation is seen in them."""
    X, X_test, _ = _digits()
    centred = (X - X.mean(0)).double()
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(X))
    forward = axes[:, -100:] / (variances[-100:] + 1e-2).sqrt()
    Z, Z_test = centred @ forward, (X_test - X.mean(0)).double() @ forward
    return (Z_test @ Z.T).float()


def _regression(descend, cross_entropy, X, y, X_test, y_test, curvature) -> tuple[float, float]:
    """Training loss and test accuracy of softmax regression after 60 steps of a safe size."""
    lr = min(2.0, 2 / curvature)
    W, b = observe(descend, cross_entropy, X, y, lr, 60, time_limit=_TIME_LIMIT).value
    return F.cross_entropy(X @ W + b, y).item(), _accuracy(X_test @ W + b, y_test)


def experiment_conditioning(cross_entropy, Whitener):
    """Graded experiment A: softmax regression on raw and on whitened digits."""
    with one_thread(), hidden("Experiment A: conditioning") as expect:
        expect.case("2 000 digits, 60 steps of gradient descent from zero, raw and PCA to 100 components")
        X, X_test, curvature = _digits()
        y, y_test = _labels(2000), _labels(1000, test=True)
        whitener = observe(Whitener("pca", eps=1e-2, n_components=100).fit, X).value
        expect.true(whitener is not None, "fit must return self")
        Z, Z_test = whitener.transform(X), whitener.transform(X_test)
        for what, values, n in (("digits", Z, 2000), ("test digits", Z_test, 1000)):
            expect.shape(values, (n, 100), f"the whitened {what}")
            expect.finite(values, f"the whitened {what}")
        descend = ship(_DESCEND, "descend")
        raw, _ = _regression(descend, cross_entropy, X, y, X_test, y_test, curvature)
        curvature = torch.linalg.eigvalsh((Z.T @ Z / len(Z)).double())[-1].item()
        loss, accuracy = _regression(descend, cross_entropy, Z, y, Z_test, y_test, curvature)
        # right, over random subsets: ratio 3.8 to 4.4, loss 0.22 to 0.26, accuracy 0.86 to 0.88
        # divides by the eigenvalue: 1.0, 0.92, 0.74; transform does not centre: 1.2, 0.83, 0.85; no scaling:
        # 2.1, 0.45, 0.88; smallest components: 0.4, 2.3, 0.1; fitted again on the test digits: accuracy 0.11;
        # loss divided by K: 3.3, 0.62, 0.88; softmax over the batch: 2.6, 0.46, 0.87
        hint = "the whitening does not do what it should, or the loss is not the mean over N: see exercises 1 and 4"
        expect.true(raw / loss >= 3.0, f"whitening makes the loss only {raw / loss:.2f} times smaller", likely=hint)
        expect.true(loss <= 0.33, f"the training loss on whitened digits is {loss:.3f}", likely=hint)
        hint = "test digits go through the map that was fitted on the training digits"
        expect.true(accuracy >= 0.82, f"the test accuracy on whitened digits is {accuracy:.3f}", likely=hint)
        # right 4e-6; N - 1 for N 0.0005; sqrt(variance) + eps 0.03; one component more or less 0.09
        hint = (
            "PCA whitening gives (x - mean) times eigenvectors over sqrt(variance + eps), for both with what fit found"
        )
        text = "the whitened test digits do not lie to the whitened training digits as they should"
        expect.true(apart(Z_test @ Z.T, _products()) <= 0.2, text, likely=hint)


# --- B: depth --------------------------------------------------------------------------------------------------

_DEPTH = """
    import torch

    class Lab:
        def __init__(self, train, labels):
            train = train.float() / 255
            self.x, self.y = (train - train.mean()) / train.std(), labels

        def weights(self, init_weight_, seed):
            generator = torch.Generator().manual_seed(seed)
            found = [torch.empty(128, 128 if i else 784, dtype=torch.float64) for i in range(20)]
            with torch.no_grad():
                for W in found:
                    init_weight_(W, "he_normal", generator)
            return found

        def normed(self, weights, BatchNorm1d):
            h = self.x[:512].double()
            with torch.no_grad():
                for W in weights:
                    h = torch.relu(BatchNorm1d(128).double()(h @ W.T))
            return h

        def train(self, ResidualMLP, options, seed):
            torch.manual_seed(seed)
            net = ResidualMLP(784, 64, 20, 10, **options)
            generator = torch.Generator().manual_seed(seed)
            params = list(net.parameters())
            speeds = [torch.zeros_like(p) for p in params]
            for _ in range(100):
                rows = torch.randint(len(self.x), (128,), generator=generator)
                loss = torch.nn.functional.cross_entropy(net(self.x[rows]), self.y[rows])
                if not bool(torch.isfinite(loss)):
                    return None
                net.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for p, v in zip(params, speeds):
                        if p.grad is not None:
                            v.mul_(0.9).add_(p.grad)
                            p.sub_(0.01 * v)
            net.eval()
            blocks = [net.blocks[i] for i in range(len(net.blocks))]
            layers = [net.inp, *[fc for block in blocks for fc in (block.fc1, block.fc2)], net.out]
            with torch.no_grad():
                outputs = net(self.x[:64])
            return outputs, [l.weight.detach().clone() for l in layers], [l.bias.detach().clone() for l in layers]
"""


def _rank(h) -> int:
    s = torch.linalg.svdvals(same(h))
    return int((s >= 1e-2 * s[0]).sum()) if torch.isfinite(s).all() else 0


def _signal(weights, norm: bool) -> torch.Tensor:
    """512 training digits behind the layers with these weights, in float32: cheap, and exact enough."""
    h = _depth_input()
    for W in weights:
        h = h @ W.float().T
        if norm:
            h = (h - h.mean(0)) / (h.var(0, correction=0) + 1e-5).sqrt()
        h = torch.relu(h)
    return h


@functools.cache
def _depth_input() -> torch.Tensor:
    x = pixels(4000).float() / 255
    return (x[:512] - x.mean()) / x.std()


def _depth_accuracy(expect, found, skip: bool, likely: str) -> float:
    """Test accuracy of the trained weights, reckoned here."""
    outputs, weights, biases = found
    x, x_test = _standard(4000)
    _outputs(expect, outputs, chain(x, weights, biases, skip), likely)
    return _accuracy(chain(x_test, weights, biases, skip), _labels(None, test=True))


def experiment_depth(ResidualMLP, BatchNorm1d, init_weight_):
    """Graded experiment B: rank of the signal with and without batch norm; depth 42 with and without skips."""
    with one_thread(), hidden("Experiment B: depth") as expect:
        lab = ship(_DEPTH, "Lab")(pixels(4000), _labels(4000))
        expect.case("20 layers of width 128, he_normal, ReLU, 512 digits, at the start")
        weights = observe(lab.weights, init_weight_, 121, time_limit=_TIME_LIMIT).value
        plain = _signal(weights, norm=False)
        expect.finite(plain, "the signal behind the last layer", likely="the scale of he_normal")
        size = plain.pow(2).mean().sqrt().item()
        # right, over 40 seeds: 0.3 to 2.2; without the factor 2 of He: 0.001
        hint = "he_normal has the standard deviation sqrt(2 / fan-in)"
        expect.true(0.1 <= size <= 10.0, f"the signal behind 20 layers has the rms {size:.2g}", likely=hint)
        rank = _rank(plain)
        # right, over 40 seeds: 13 to 60
        expect.true(rank <= 90, f"the rank behind 20 layers is {rank} without batch norm, and must collapse")
        expect.case("the same with batch norm before each ReLU")
        normed = observe(lab.normed, weights, BatchNorm1d, time_limit=_TIME_LIMIT).value
        expect.shape(normed, (512, 128), "the signal behind the last layer")
        rank = _rank(normed)
        # right 128; over the feature axis 19 to 41, mean not subtracted 65 to 89, identity 13 to 60
        hint = "batch norm subtracts the mean and divides by the deviation of each COLUMN"
        expect.true(rank >= 110, f"the rank behind 20 layers is {rank} with batch norm", likely=hint)
        # right 1e-6; N - 1 in the variance 0.001
        text = "the signal behind 20 layers is not that of batch norm after each of them"
        expect.true(apart(normed, _signal(weights, norm=True)) <= 0.05, text, likely=hint)

        expect.case("ResidualMLP(784, 64, 20, 10), branch_init='zero', 100 steps on 4 000 digits")
        found = observe(lab.train, ResidualMLP, {"branch_init": "zero"}, 122, time_limit=_TIME_LIMIT).value
        hint = "x + F(x), with fc2 = 0 at the start: see exercise 7"
        expect.true(found is not None, "the training diverges", likely=hint)
        accuracy = _depth_accuracy(expect, found, True, hint)
        # right, over seeds: 0.888 to 0.916; skip ignored: 0.10; branch_init ignored: diverges
        expect.true(accuracy >= 0.84, f"the test accuracy is {accuracy:.3f}", likely=hint)
        text = f"the test accuracy is {accuracy:.3f}, more than 100 steps can reach"
        expect.true(accuracy <= 0.95, text, likely="a forward pass that changes weights")
        expect.case("the same with branch_init='he', skip=False: a plain chain of 42 layers")
        options = {"branch_init": "he", "skip": False}
        found = observe(lab.train, ResidualMLP, options, 122, time_limit=_TIME_LIMIT).value
        hint = "with skip=False nothing is added: relu(F(x))"
        accuracy = 0.0 if found is None else _depth_accuracy(expect, found, False, hint)
        # right, over seeds: 0.13 to 0.38
        expect.true(accuracy <= 0.6, f"without skips the test accuracy is {accuracy:.3f}, too good", likely=hint)


# --- C: batch norm at a learning rate of 1 ---------------------------------------------------------------------

_TRAIN = """
    import torch
    from torch import nn

    class Lab:
        def __init__(self, train, labels):
            train = train.float() / 255
            self.x, self.y = (train - train.mean()) / train.std(), labels

        def run(self, BatchNorm1d, SGD, cross_entropy, minibatches, init_weight_, seed, epochs):
            torch.manual_seed(seed)
            generator = torch.Generator().manual_seed(seed)
            linears, norms, layers = [], [], []
            for a, b in ((784, 128), (128, 128), (128, 10)):
                linears.append(nn.Linear(a, b))
                init_weight_(linears[-1].weight, "he_normal", generator)
                nn.init.zeros_(linears[-1].bias)
                layers.append(linears[-1])
                if b == 128:
                    if BatchNorm1d is not None:
                        norms.append(BatchNorm1d(b))
                        layers.append(norms[-1])
                    layers.append(nn.ReLU())
            net = nn.Sequential(*layers)
            optimizer, n = SGD(net.parameters(), lr=1.0), len(self.x)
            for _ in range(epochs):
                for rows in minibatches(n, 64, generator):
                    loss = cross_entropy(net(self.x[rows]), self.y[rows])
                    if not bool(torch.isfinite(loss)):
                        return None
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
            net.eval()
            with torch.no_grad():
                single, batch = torch.cat([net(self.x[i : i + 1]) for i in range(4)]), net(self.x[:64])
            return (
                single,
                batch,
                [(l.weight.detach().clone(), l.bias.detach().clone()) for l in linears],
                [[t.detach().clone() for t in (m.gamma, m.beta, m.running_mean, m.running_var)] for m in norms],
            )
"""


def _evaluated(x, linears, norms) -> torch.Tensor:
    """The outputs of the network with these weights and running statistics."""
    for i, (weight, bias) in enumerate(linears):
        x = F.linear(x, weight, bias)
        if i < 2:
            if norms:
                gamma, beta, mean, var = norms[i]
                x = gamma * (x - mean) / (var + 1e-5).sqrt() + beta
            x = torch.relu(x)
    return x


def experiment_batch_norm(BatchNorm1d, SGD, cross_entropy, minibatches, init_weight_):
    """Graded experiment C: 784-128-128-10 at a learning rate of 1, with batch norm and without."""
    parts = (SGD, cross_entropy, minibatches, init_weight_)
    with one_thread(), hidden("Experiment C: batch norm") as expect:
        lab = ship(_TRAIN, "Lab")(pixels(8000), _labels(8000))
        x, x_test = _standard(8000)
        y_test = _labels(None, test=True)
        expect.case("784-128-128-10 with batch norm, 8 000 digits, batch 64, lr 1, 4 epochs")
        found = observe(lab.run, BatchNorm1d, *parts, 131, 4, time_limit=_TIME_LIMIT).value
        hint = "see exercises 1, 5, 6, 8 and 9: one of their parts is not right"
        expect.true(found is not None, "the training diverges in spite of batch norm", likely=hint)
        single, batch, linears, norms = found
        logits = _evaluated(x_test, linears, norms)
        accuracy, loss = _accuracy(logits, y_test), F.cross_entropy(logits, y_test).item()
        # right, over seeds: accuracy 0.944 to 0.965, loss 0.12 to 0.17, batch of one 4e-6; running statistics
        # never updated 0.85 / 2; deviation stored as variance 0.93 / 0.50; over the feature axis 0.925 / 0.25;
        # statistics of the batch in eval: 1.6 and more for the batch of one; ascent or a summed loss: 0.1
        apart = (same(single) - same(batch)[:4]).abs().max().item()
        hint = "evaluation must use the running statistics, or the answer depends on who else is in the batch"
        expect.true(apart <= 1e-4, f"a digit alone and among 64 gives outputs {apart:.2g} apart", likely=hint)
        hint = "in evaluation gamma * (x - running_mean) / sqrt(running_var + eps) + beta"
        _outputs(expect, batch, _evaluated(x, linears, norms), hint)
        hint = "running statistics that do not fit the weights, or a wrong part: see exercises 1, 5, 6, 8 and 9"
        expect.true(accuracy >= 0.93, f"the test accuracy is {accuracy:.3f}", likely=hint)
        expect.true(math.isfinite(loss) and loss <= 0.23, f"the test loss is {loss:.3f}", likely=hint)
        text = f"the test accuracy is {accuracy:.3f}, more than four epochs can reach"
        expect.true(accuracy <= 0.98, text, likely="a part that trains more often than it is called")
        expect.case("the same without batch norm")
        found = observe(lab.run, None, *parts, 131, 1, time_limit=_TIME_LIMIT).value
        accuracy = 0.0 if found is None else _accuracy(_evaluated(x_test, *found[2:]), y_test)
        hint = "without batch norm a learning rate of 1 is far too large here: is it the one that SGD uses?"
        expect.true(accuracy <= 0.3, f"without batch norm the accuracy is {accuracy:.3f}, too good", likely=hint)
