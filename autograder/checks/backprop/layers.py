"""Exercises 5 and 6: Maxout, the affine layer and the losses."""

from __future__ import annotations

import numpy as np
import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.backprop.activations import both
from autograder.testing import observe

# float64, sums of a few dozen products of order 1.
_CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def maxout(Maxout):
    """Hidden test of `Maxout(d_in, d_out, k, rng)`."""
    rng = np.random.default_rng(261)
    with hidden("Exercise 5: Maxout") as expect:
        expect.case("Maxout(5, 2, 3, rng)")
        layer = Maxout(5, 2, 3, np.random.default_rng(1))
        expect.shape(layer.W, (3, 5, 2), "W: [k, d_in, d_out]")
        expect.shape(layer.b, (3, 2), "b: [k, d_out]")
        expect.true(np.std(np.asarray(layer.W)) > 0, "all entries of W are equal: draw them from rng")
        again = Maxout(5, 2, 3, np.random.default_rng(1))
        expect.equal(again.W, np.asarray(layer.W), "W of a second layer from a generator in the same state")

        for n, d_in, d_out, k in ((4, 5, 2, 3), (1, 3, 4, 2), (6, 2, 3, 1), (3, 1, 2, 5)):
            expect.case(f"N = {n}, d_in = {d_in}, d_out = {d_out}, k = {k}")
            w, b = rng.normal(size=(k, d_in, d_out)), rng.normal(size=(k, d_out))
            layer = _with_weights(Maxout(d_in, d_out, k, np.random.default_rng(2)), w, b)
            x, dy = rng.normal(size=(n, d_in)), rng.normal(size=(n, d_out))
            y, dx = both(expect, layer, x, dy)
            want, gradients = _maxout_oracle(x, w, b, dy)
            hint = "for each example and output the LARGEST of the k values x W[k] + b[k]"
            expect.close(y, want, "forward: the largest of the k affine maps", likely=hint, **_CLOSE)
            _compare_gradients(expect, layer, dx, gradients, _PIECE_HINTS)
            expect.equal(layer.W, w, "W after backward", likely="backward does not update the weights")

        expect.case("W = [A, -A], b = 0: |x A|")
        a = rng.normal(size=(3, 2))
        layer = _with_weights(Maxout(3, 2, 2, np.random.default_rng(2)), np.stack([a, -a]), np.zeros((2, 2)))
        x = rng.normal(size=(4, 3))
        expect.close(layer.forward(x), np.abs(x @ a), "forward", **_CLOSE)
        expect.case("W = [1, 0.25], b = 0: PReLU with slope 0.25")
        layer = _with_weights(
            Maxout(1, 1, 2, np.random.default_rng(2)), np.array([[[1.0]], [[0.25]]]), np.zeros((2, 1))
        )
        y, dx = both(expect, layer, np.array([[-2.0], [3.0]]), np.array([[1.0], [10.0]]))
        expect.close(y, [[-0.5], [3.0]], "forward", **_CLOSE)
        expect.close(dx, [[0.25], [10.0]], "backward: dx", **_CLOSE)

        expect.case("two equal pieces: a tie everywhere")
        layer = _with_weights(Maxout(3, 2, 2, np.random.default_rng(2)), np.stack([a, a]), np.zeros((2, 2)))
        dy = rng.normal(size=(4, 2))
        y, dx = both(expect, layer, x, dy)
        hint = "on a tie one winner gets the gradient, or the shares sum to 1"
        expect.close(y, x @ a, "forward", **_CLOSE)
        expect.close(dx, dy @ a.T, "backward: dx on a tie", likely=hint, **_CLOSE)
        expect.close(np.asarray(layer.dW).sum(axis=0), x.T @ dy, "dW on a tie, summed", likely=hint, **_CLOSE)
        expect.close(
            np.asarray(layer.db).sum(axis=0), dy.sum(axis=0), "db on a tie, summed", likely=hint, **_CLOSE
        )

        _state(expect, lambda: Maxout(3, 2, 2, np.random.default_rng(3)), rng, 3, 2)
        for k in (0, -1):
            expect.case(f"k = {k}")
            expect.raises(ValueError, Maxout, 2, 3, k, np.random.default_rng(0), what="k < 1 is refused")
        expect.case("backward before forward")
        fresh = Maxout(3, 2, 2, np.random.default_rng(0))
        expect.raises(ValueError, fresh.backward, np.ones((4, 2)), what="backward before forward is refused")
        for shape in ((4, 2), (4, 1), (3,), (2, 4, 3)):
            expect.case(f"x of shape {shape} for d_in = 3")
            what = "an x that is not [N, d_in] is refused, also one that would broadcast (einsum does)"
            expect.raises(ValueError, fresh.forward, np.ones(shape), what=what)
        _wrong_dy(expect, fresh, rng.normal(size=(4, 3)), 2)


def _with_weights(layer, w, b):
    layer.W, layer.b = w.copy(), b.copy()
    return layer


def _maxout_oracle(x, w, b, dy):
    """Piece by piece, entry by entry: forward and the gradients (dx, dW, db)."""
    y = np.empty(dy.shape)
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(b.shape)
    for n in range(len(x)):
        for o in range(dy.shape[1]):
            values = [x[n] @ w[k, :, o] + b[k, o] for k in range(len(w))]
            best = int(np.argmax(values))
            y[n, o] = values[best]
            dx[n] += dy[n, o] * w[best, :, o]
            dw[best, :, o] += dy[n, o] * x[n]
            db[best, o] += dy[n, o]
    return y, (dx, dw, db)


_GRADIENT_HINTS = {
    "dx": "back through the weights: dx = dy W^T",
    "dW": "dW = x^T dy: the batch axis is summed away, without a 1/N",
    "db": "db is the SUM of dy over the batch; the 1/N belongs to the loss",
}
_PIECE_HINTS = {
    "dx": "back through the weights of the piece that won, for each example and output; the others get "
    "nothing",
    "dW": "a piece learns from the examples that it won, and only from them; sum over the batch",
    "db": "a piece learns from the examples that it won, and only from them; sum over the batch",
}


def _compare_gradients(expect, layer, dx, wanted, hints):
    for name, got, want in zip(("dx", "dW", "db"), (dx, layer.dW, layer.db), wanted, strict=True):
        expect.close(got, want, f"backward: {name}", likely=hints[name], **_CLOSE)


def _state(expect, make, rng, d_in: int, d_out: int) -> None:
    """Gradients are set and not added; the last forward pass counts; two layers do not share anything."""
    first, x, dy = rng.normal(size=(4, d_in)), rng.normal(size=(5, d_in)), rng.normal(size=(5, d_out))
    expect.case("the same forward and backward on a fresh layer, and again on a used one")
    fresh, used = make(), make()
    fresh.forward(x)
    want_dx = np.array(fresh.backward(dy))
    want = np.array(fresh.dW), np.array(fresh.db)
    used.forward(first)
    used.backward(rng.normal(size=(4, d_out)))
    used.forward(first)
    used.forward(x)
    hint = "backward belongs to the last forward pass; it sets dW and db and does not add to them"
    for _ in range(2):
        expect.close(used.backward(dy), want_dx, "backward: dx", likely=hint, **_CLOSE)
        expect.close(used.dW, want[0], "backward: dW", likely=hint, **_CLOSE)
        expect.close(used.db, want[1], "backward: db", likely=hint, **_CLOSE)
    expect.case("two layers in turn: forward, forward, backward, backward")
    one, two = make(), make()
    one.forward(x)
    two.forward(first)
    hint = "both layers keep their values in one place: store them on self, not on the class"
    expect.close(one.backward(dy), want_dx, "backward of the layer that ran first", likely=hint, **_CLOSE)
    two.backward(np.ones((4, d_out)))
    expect.close(one.dW, want[0], "dW of the layer that ran first", likely=hint, **_CLOSE)


def _wrong_dy(expect, layer, x, d_out: int) -> None:
    n = len(x)
    layer.forward(x)
    shapes = [
        (n + 1, d_out),
        (n, d_out + 1),
        (1, d_out),
        (d_out,),
        (n, 1),
        (n,),
        (n, d_out, 1),
        (2, n, d_out),
    ]
    for shape in shapes:
        expect.case(f"dy of shape {shape} where y has shape {(n, d_out)}")
        what = "a dy of another shape is refused, also one that would broadcast"
        expect.raises(ValueError, layer.backward, np.ones(shape), what=what)


def linear(Linear):
    """Hidden test of `Linear(d_in, d_out, rng, gain=2.0)`."""
    rng = np.random.default_rng(262)
    with hidden("Exercise 6: Linear") as expect:
        _initialisation(expect, Linear)
        for n, d_in, d_out in ((4, 3, 2), (1, 3, 5), (5, 1, 2), (2, 4, 1), (7, 3, 6)):
            expect.case(f"N = {n}, d_in = {d_in}, d_out = {d_out}")
            w, b = rng.normal(size=(d_in, d_out)), rng.normal(size=d_out)
            layer = _with_weights(Linear(d_in, d_out, np.random.default_rng(0)), w, b)
            x, dy = rng.normal(size=(n, d_in)), rng.normal(size=(n, d_out))
            y, dx = both(expect, layer, x, dy)
            t, tw, tb = (torch.tensor(v, requires_grad=True) for v in (x, w, b))
            want = F.linear(t, tw.T, tb)
            (want * torch.tensor(dy)).sum().backward()
            expect.close(y, want, "forward: x W + b", **_CLOSE)
            _compare_gradients(expect, layer, dx, (t.grad, tw.grad, tb.grad), _GRADIENT_HINTS)
            expect.equal(layer.W, w, "W after backward", likely="backward does not update the weights")
            expect.equal(layer.b, b, "b after backward", likely="backward does not update the weights")
        _state(expect, lambda: Linear(3, 2, np.random.default_rng(3)), rng, 3, 2)

        layer = Linear(3, 2, np.random.default_rng(0))
        for shape in ((4, 2), (4, 4), (3,), (2, 4, 3)):
            expect.case(f"x of shape {shape} for d_in = 3")
            expect.raises(
                ValueError, layer.forward, np.ones(shape), what="an x that is not [N, d_in] is refused"
            )
        _wrong_dy(expect, layer, rng.normal(size=(4, 3)), 2)


def _initialisation(expect, Linear):
    for gain in (None, 1.0):
        expect.case(f"Linear(300, 200, rng{'' if gain is None else f', gain={gain}'})")
        options = {} if gain is None else {"gain": gain}
        layer = Linear(300, 200, np.random.default_rng(7), **options)
        expect.shape(layer.W, (300, 200), "W: [d_in, d_out]")
        expect.equal(layer.b, np.zeros(200), "b at the start")
        w = np.asarray(layer.W)
        # 60 000 draws: the standard error of the standard deviation is 0.3 %, of the mean 0.4 % of it,
        # and of the share within one deviation (0.683 for a normal, 0.577 for a uniform one) 0.002
        spread = np.sqrt((gain or 2.0) / 300)
        hint = "gain / d_in is the variance: the standard deviation is its square root"
        expect.true(abs(w.std() / spread - 1) < 0.03, "the spread of W is off by more than 3 %", likely=hint)
        expect.true(abs(w.mean()) < 0.03 * spread, "the mean of W is not 0")
        share = (np.abs(w) < spread).mean()
        expect.true(abs(share - 0.6827) < 0.02, "W is not normally distributed", likely="rng.normal")
        again = Linear(300, 200, np.random.default_rng(7), **options)
        hint = "draw from the rng that is handed in, not from np.random"
        expect.equal(again.W, w, "W of a second layer from a generator in the same state", likely=hint)
        other = np.asarray(Linear(300, 200, np.random.default_rng(8), **options).W)
        expect.true(not np.allclose(other, w), "generators in different states gave the same W", likely=hint)


# ---------------------------------------------------------------------------------------------------- losses


def _loss(expect, make, arguments: tuple, want: torch.Tensor, leaf: torch.Tensor, hint: str, **options):
    """Forward and two backward calls of a loss against torch; the inputs stay as they are."""
    want.backward()
    layer = make()
    seen = observe(layer.forward, *arguments, **options)
    expect.close(seen.value, want, "the loss", likely=hint, **_CLOSE)
    for before, after, name in zip(arguments, seen.args, ("first", "second"), strict=True):
        expect.equal(
            after, before, f"the {name} argument after forward", likely="make a copy before you write"
        )
    first = np.array(observe(layer.backward, **options).value)
    expect.close(first, leaf.grad, "the gradient", likely=hint, **_CLOSE)
    hint = "backward changed what forward had kept (`p[rows, y] -= 1` on the cached softmax): work on a copy"
    expect.close(layer.backward(), first, "the gradient of a second backward call", likely=hint, **_CLOSE)


def _before_forward(expect, make) -> None:
    expect.case("backward before forward")
    what = "backward before forward is refused: there is nothing to differentiate yet"
    expect.raises(ValueError, make().backward, what=what)


_MEAN = "the loss is the MEAN over the batch, and its gradient carries the 1/N as well"


def softmax_cross_entropy(SoftmaxCrossEntropy):
    """Hidden test of `SoftmaxCrossEntropy`."""
    rng = np.random.default_rng(263)
    with hidden("Exercise 6: softmax cross-entropy") as expect:
        for n, k, dtype in ((4, 3, np.int64), (1, 5, np.int64), (6, 2, np.int32), (3, 7, np.int64)):
            expect.case(f"logits of shape {(n, k)}, labels {np.dtype(dtype).name}")
            z, y = rng.normal(scale=2.0, size=(n, k)), rng.integers(k, size=n).astype(dtype)
            _cross_entropy(expect, SoftmaxCrossEntropy, z, y, "(softmax - one-hot) / N")

        expect.case("a batch, and the same batch stacked twice")
        z, y = rng.normal(size=(2, 3)), np.array([2, 0])
        one, two = SoftmaxCrossEntropy(), SoftmaxCrossEntropy()
        value = float(np.asarray(one.forward(z, y)))
        double = two.forward(np.vstack([z, z]), np.concatenate([y, y]))
        expect.close(double, value, "the loss of the doubled batch", likely=_MEAN, **_CLOSE)
        half = np.array(one.backward()) / 2
        expect.close(
            two.backward(),
            np.vstack([half, half]),
            "the gradient of the doubled batch",
            likely=_MEAN,
            **_CLOSE,
        )
        one.forward(z[:1], y[:1])
        expect.shape(one.backward(), (1, 3), "the gradient after a second forward pass")

        for scale in (1e4, 1e3):
            expect.case(f"logits of +-{scale:g} while overflow and invalid operations raise")
            z = scale * np.array([[1.0, -1.0, 0.5], [-1.0, 1.0, 0.0], [1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])
            for y in (np.array([1, 1, 0, 2]), np.array([0, 0, 2, 1])):
                hint = "subtract each row's largest logit before exp, and take log p without log(0)"
                try:
                    _cross_entropy(expect, SoftmaxCrossEntropy, z, y, hint, np_errors="raise")
                except FloatingPointError as error:
                    expect.true(False, f"numpy reports: {error}", likely=hint)

        z = rng.normal(size=(4, 3))
        bad = {
            "a label K": (z, np.array([0, 1, 3, 2])),
            "a label -1": (z, np.array([0, 1, -1, 2])),
            "labels that are not whole numbers": (z, np.array([0.5, 1.0, 0.0, 2.0])),
            "more labels than rows": (z, np.array([0, 1, 2, 0, 1])),
            "fewer labels than rows": (z, np.array([0, 1, 2])),
            "one label for four rows": (z, np.array([1])),
            "labels of shape (4, 1)": (z, np.array([[0], [1], [2], [0]])),
            "logits of shape (3,)": (z[0], np.array([0, 1, 2])),
            "logits of shape (4, 3, 1)": (z[:, :, None], np.array([0, 1, 2, 0])),
        }
        for case, arguments in bad.items():
            expect.case(case)
            what = "a bad shape or label is refused"
            expect.raises(ValueError, SoftmaxCrossEntropy().forward, *arguments, what=what)
        _before_forward(expect, SoftmaxCrossEntropy)


def _cross_entropy(expect, make, z, y, hint, **options):
    leaf = torch.tensor(z, requires_grad=True)
    want = F.cross_entropy(leaf, torch.tensor(y.astype(np.int64)))
    _loss(expect, make, (z, y), want, leaf, hint, **options)


def mse(MSE):
    """Hidden test of `MSE`."""
    rng = np.random.default_rng(264)
    with hidden("Exercise 6: squared error") as expect:
        for shape in ((4, 3), (1, 3), (5, 1), (2, 6)):
            expect.case(f"f and y of shape {shape}")
            f, y = rng.normal(size=shape), rng.normal(size=shape)
            leaf = torch.tensor(f, requires_grad=True)
            want = F.mse_loss(leaf, torch.tensor(y), reduction="sum") / shape[0]
            hint = "sum the squares over the K outputs, average over the N examples; (f - y) times 2 / N"
            _loss(expect, MSE, (f, y), want, leaf, hint)
        expect.case("a second forward pass with another batch size")
        loss = MSE()
        loss.forward(np.ones((4, 3)), np.zeros((4, 3)))
        loss.forward(np.ones((2, 3)), np.zeros((2, 3)))
        expect.close(loss.backward(), np.ones((2, 3)), "the gradient of the last forward pass", **_CLOSE)
        unlike = [
            ((4, 3), (4, 1)),
            ((4, 3), (3,)),
            ((4, 3), (3, 4)),
            ((4, 1), (4,)),
            ((4, 3), (1, 3)),
            ((4, 3), ()),
        ]
        for left, right in [*unlike, ((4,), (4,)), ((2, 3, 4), (2, 3, 4))]:
            expect.case(f"f of shape {left}, y of shape {right}")
            what = "anything but two arrays [N, K] of one shape is refused, also where it would broadcast"
            expect.raises(ValueError, MSE().forward, np.ones(left), np.ones(right), what=what)
        _before_forward(expect, MSE)


def bce(BCEWithLogits):
    """Hidden test of `BCEWithLogits`."""
    rng = np.random.default_rng(265)
    hint = "max(z, 0) - z y + log1p(exp(-|z|)) is the same function, never overflows and needs no log(0)"
    with hidden("Exercise 6: binary cross-entropy") as expect:
        for n, dtype in ((5, np.float64), (1, np.float64), (4, np.int64)):
            expect.case(f"z of shape {(n,)}, labels {np.dtype(dtype).name}")
            z, y = rng.normal(scale=2.0, size=n), rng.integers(2, size=n).astype(dtype)
            _binary(expect, BCEWithLogits, z, y, "(s(z) - y) / N")
        expect.case("z = +-1000 and +-10000 while overflow and invalid operations raise")
        z = np.array([-1e4, -1e3, 1e3, 1e4, 0.0])
        for y in (np.array([0.0, 1.0, 0.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0, 0.0])):
            try:
                _binary(expect, BCEWithLogits, z, y, hint, np_errors="raise")
            except FloatingPointError as error:
                expect.true(False, f"numpy reports: {error}", likely=hint)
        expect.case("a batch, and the same batch stacked twice")
        one, two = BCEWithLogits(), BCEWithLogits()
        z, y = np.array([0.3, -1.2]), np.array([1.0, 0.0])
        value = float(np.asarray(one.forward(z, y)))
        double = two.forward(np.tile(z, 2), np.tile(y, 2))
        expect.close(double, value, "the loss of the doubled batch", likely=_MEAN, **_CLOSE)
        half = np.array(one.backward()) / 2
        expect.close(
            two.backward(), np.tile(half, 2), "the gradient of the doubled batch", likely=_MEAN, **_CLOSE
        )
        bad = {
            "a label 2": (np.zeros(3), np.array([0.0, 2.0, 1.0])),
            "a label -1": (np.zeros(3), np.array([0.0, -1.0, 1.0])),
            "a label 1.5": (np.zeros(2), np.array([1.5, 0.0])),
            "z of shape (3,), y of shape (2,)": (np.zeros(3), np.zeros(2)),
            "z of shape (3,), y of shape (1,)": (np.zeros(3), np.zeros(1)),
            "z of shape (3,), y of shape (3, 1)": (np.zeros(3), np.zeros((3, 1))),
            "z and y of shape (3, 1)": (np.zeros((3, 1)), np.zeros((3, 1))),
        }
        for case, arguments in bad.items():
            expect.case(case)
            expect.raises(
                ValueError, BCEWithLogits().forward, *arguments, what="a bad shape or label is refused"
            )
        _before_forward(expect, BCEWithLogits)


def _binary(expect, make, z, y, hint, **options):
    leaf = torch.tensor(z, requires_grad=True)
    want = F.binary_cross_entropy_with_logits(leaf, torch.tensor(y.astype(np.float64)))
    _loss(expect, make, (z, y), want, leaf, hint, **options)
