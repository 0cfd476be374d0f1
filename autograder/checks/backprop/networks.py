"""Exercise 7: composing and training. Layers, loss and optimiser are stand-ins: only this exercise counts."""

from __future__ import annotations

import numpy as np
from coursekit.checking import hidden

from autograder.checks.backprop.standins import LAYER, LOSS, NETWORK, STEP
from autograder.checks.probe import here
from autograder.testing import observe, ship

# float64, three or four layers, sums of a few dozen products of order 1.
_CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def _stack(rng, Layer):
    """Layers that do not commute, with every kind of parameter; (5, 4) in, (5, 2) out."""
    return [
        Layer("linear", W=rng.normal(size=(4, 6)), b=rng.normal(size=6)),
        Layer("prelu", alpha=rng.uniform(0.1, 0.5, size=6)),
        Layer("linear", W=rng.normal(size=(6, 3)), b=rng.normal(size=3)),
        Layer("tanh"),
        Layer("maxout", W=rng.normal(size=(2, 3, 5)), b=rng.normal(size=(2, 5))),
        Layer("leaky", hyper=0.2),
        Layer("elu", hyper=1.0),
        Layer("linear", W=rng.normal(size=(5, 2)), b=rng.normal(size=2)),
    ]


_GRADIENTS = ("linear", "prelu", "linear", "tanh", "maxout", "leaky", "elu", "linear")


def sequential(Sequential):
    """Hidden test of `Sequential(*layers)`."""
    Layer = ship(LAYER, "Layer")
    with hidden("Exercise 7: Sequential") as expect:
        # Two equal stacks: one in the student's container, one in a network of the test's own, in the judge.
        layers, twins = (_stack(np.random.default_rng(271), cls) for cls in (Layer, here(LAYER, "Layer")))
        net, reference = Sequential(*layers), here(NETWORK, "Net")(*twins)
        rng = np.random.default_rng(272)
        for n in (5, 1):
            expect.case(f"eight layers ({', '.join(_GRADIENTS)}), x of shape {(n, 4)}")
            x, dy = rng.normal(size=(n, 4)), rng.normal(size=(n, 2))
            seen = observe(net.forward, x)
            want, want_dx = reference.forward(x.copy()), reference.backward(dy.copy())
            hint = "feed the output of each layer to the next one, in the order given"
            expect.close(seen.value, want, "forward", likely=hint, **_CLOSE)
            expect.equal(seen.args[0], x, "x after forward")
            back = observe(net.backward, dy)
            hint = (
                "go through the layers in REVERSE; each gets what the backward of the one behind it returned"
            )
            expect.close(back.value, want_dx, "backward: dx", likely=hint, **_CLOSE)
            expect.equal(back.args[0], dy, "dy after backward")
            for i, (layer, twin) in enumerate(zip(layers, twins, strict=True)):
                for name in ("W", "b", "alpha"):
                    want = getattr(twin, "d" + name, None)
                    if want is not None:
                        what = f"the gradient of {name} in layer {i + 1} of 8 ({_GRADIENTS[i]})"
                        expect.close(getattr(layer, "d" + name), want, what, likely=hint, **_CLOSE)
                        what = f"{name} in layer {i + 1} after backward"
                        likely = "backward only computes gradients; the step comes when all of them are known"
                        expect.equal(getattr(layer, name), getattr(twin, name), what, likely=likely)
        passes = [layer.passes for layer in layers]
        expect.true(
            all(came == ["forward", "backward"] * 2 for came in passes),
            "one forward and one backward of the network must call those of each layer exactly once",
        )

        _parameters(expect, net, layers)

        expect.case("Sequential() without layers")
        empty, x = Sequential(), rng.normal(size=(2, 3))
        expect.equal(empty.forward(x.copy()), x, "forward of the empty network, the identity")
        expect.equal(empty.backward(x.copy()), x, "backward of the empty network, the identity")
        expect.equal(list(empty.parameters()), [], "parameters() of the empty network")

        expect.case("two networks, used in turn")
        one, two = Sequential(Layer("scale", W=[2.0])), Sequential(Layer("tanh"), Layer("scale", W=[3.0]))
        x = rng.normal(size=(2, 3))
        hint = "keep the layers on self, not on the class"
        expect.close(one.forward(x.copy()), 2 * x, "forward of the first network", likely=hint, **_CLOSE)
        expect.close(
            two.forward(x.copy()), 3 * np.tanh(x), "forward of the second network", likely=hint, **_CLOSE
        )


def _parameters(expect, net, layers) -> None:
    expect.case("parameters() of the eight layers")
    pairs = net.parameters()
    ok = isinstance(pairs, list | tuple) and all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs)
    expect.true(ok, "parameters() must return a list of pairs (layer, name)")
    expect.true(
        all(isinstance(name, str) for _, name in pairs), "the second entry of a pair is the name, a str"
    )
    came = sorted(name for _, name in pairs)
    wanted = ["W"] * 4 + ["alpha"] + ["b"] * 4
    hint = (
        "every array among W, b and alpha of every layer (PReLU and Maxout included); the alpha of LeakyReLU "
        "and ELU is a plain number that is not learned"
    )
    expect.true(
        came == wanted, f"the names listed are {came}, which are not those of all learned arrays", likely=hint
    )
    # layers are told apart by what they hold
    held = [np.asarray(getattr(layer, name)) for layer, name in pairs]
    own = [getattr(layers[i], name) for i in range(8) for name in _learned(i)]
    for i, want in enumerate(own):
        same = [h.shape == want.shape and np.array_equal(h, want) for h in held]
        expect.true(
            sum(same) == 1, f"parameter {i + 1} of {len(own)} is not listed exactly once", likely=hint
        )


def _learned(i: int) -> tuple[str, ...]:
    return {"linear": ("W", "b"), "maxout": ("W", "b"), "prelu": ("alpha",)}.get(_GRADIENTS[i], ())


def sgd_step(student):
    """Hidden test of `sgd_step(net, lr)`."""
    Layer, Net = (ship(NETWORK, name) for name in ("Layer", "Net"))
    rng = np.random.default_rng(273)
    with hidden("Exercise 7: SGD step") as expect:
        for lr in (0.1, 0.5, 0.0):
            expect.case(f"a network with W, b and alpha, lr = {lr}")
            layers = _stack(rng, Layer)
            net = Net(*layers)
            net.forward(rng.normal(size=(5, 4)))
            net.backward(rng.normal(size=(5, 2)))
            before, gradients = net.values(), net.gradients()
            student(net, lr)
            hint = (
                "p - lr * dp has to reach the layer: setattr(layer, name, ...), or change the array in place"
            )
            for i, (got, old, gradient) in enumerate(zip(net.values(), before, gradients, strict=True)):
                what = f"parameter {i + 1} of {len(before)} after the step"
                expect.close(got, old - lr * gradient, what, rtol=1e-12, atol=1e-12, likely=hint)
            for got, old in zip(net.gradients(), gradients, strict=True):
                expect.equal(got, old, "the gradients after the step")


def train_epoch(student):
    """Hidden test of `train_epoch(net, loss, X, y, batch_size, lr, rng)`."""
    pieces = (NETWORK, "Layer"), (NETWORK, "Net"), (LOSS, "Loss"), (STEP, "sgd_step")
    there, judge = ([bring(*piece) for piece in pieces] for bring in (ship, here))
    rng = np.random.default_rng(274)

    def make(parts=there):
        Layer, Net, Loss, step = parts
        w, v = np.random.default_rng(275).normal(size=(2, 3, 6))
        first = Layer("linear", W=w, b=np.zeros(6))
        return Net(first, Layer("tanh"), Layer("linear", W=v.T.copy(), b=np.zeros(3))), Loss(), step

    def epoch(net, loss, x, y, batch_size, lr, seed=0):
        # a slip in sgd_step costs its own point, not this exercise
        replacing = {"sgd_step": there[-1]}
        generator = np.random.default_rng(seed)
        return observe(student, net, loss, x, y, batch_size, lr, generator, replacing=replacing)

    with hidden("Exercise 7: one epoch of training") as expect:
        orders = []
        for n, batch_size in ((10, 4), (9, 3), (7, 1), (6, 6), (5, 8)):
            expect.case(f"{n} examples, batch_size = {batch_size}")
            x, y = rng.normal(size=(n, 3)), rng.integers(3, size=n)
            net, loss, _ = make()
            seen = epoch(net, loss, x, y, batch_size, 0.3)
            expect.equal(
                seen.args[2], x, "X after the call", likely="do not shuffle the caller's arrays in place"
            )
            expect.equal(
                seen.args[3], y, "y after the call", likely="do not shuffle the caller's arrays in place"
            )
            order = _batches(expect, net, loss, x, y, batch_size)
            orders.append(np.concatenate(order))
            _replay(expect, make(judge), x, y, order, 0.3, net, seen.value)

        expect.case("10 examples, batch_size = 4, lr = 0")
        x, y = rng.normal(size=(10, 3)), rng.integers(3, size=10)
        net, loss, _ = make()
        before = net.values()
        epoch(net, loss, x, y, 4, 0.0)
        for got, old in zip(net.values(), before, strict=True):
            expect.equal(got, old, "the parameters after an epoch with lr = 0")

        _order(expect, epoch, make, rng)

        expect.case("a separable toy: 30 examples of 3 classes, 5 epochs with lr = 0.5")
        y = np.arange(30) % 3
        x = 3.0 * np.eye(3)[y] + 0.1 * rng.normal(size=(30, 3))
        net, loss, _ = make()
        losses = [np.asarray(epoch(net, loss, x, y, 8, 0.5, seed).value) for seed in range(5)]
        expect.shape(losses[-1], (), "the returned mean loss")
        expect.true(
            float(losses[-1]) < 0.5 * float(losses[0]), "the loss does not go down from epoch to epoch"
        )


def _batches(expect, net, loss, x, y, batch_size) -> list[np.ndarray]:
    """The row numbers of the batches that were seen; each row is known by its numbers."""
    batches = []
    hint = "batch i is order[i * batch_size : (i + 1) * batch_size]; the last one may be shorter"
    for rows in net.seen:
        expect.true(
            rows.ndim == 2 and rows.shape[1] == 3, "the network was given something that is not a batch"
        )
        found = [np.flatnonzero((x == row).all(axis=1)) for row in rows]
        expect.true(all(len(f) == 1 for f in found), "the network was given rows that are not rows of X")
        batches.append(np.array([f[0] for f in found], dtype=int))
    every = np.concatenate(batches) if batches else np.zeros(0, dtype=int)
    expect.true(
        sorted(every.tolist()) == list(range(len(x))),
        "an epoch must use every example exactly once",
        likely=hint,
    )
    n = len(x)
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    came = [len(b) for b in batches]
    expect.true(
        came == sizes,
        f"the batches have the sizes {came}, which is not what batch_size asks for",
        likely=hint,
    )
    expect.true(
        net.events == ["forward", "backward"] * len(sizes), "each batch is one forward and one backward"
    )
    labels = [np.asarray(v) for v in loss.seen]
    ok = len(labels) == len(batches) and all(np.array_equal(labels[i], y[b]) for i, b in enumerate(batches))
    hint = "index X and y with the same batch of the permutation"
    expect.true(
        ok, "the labels given to the loss are not those of the rows given to the network", likely=hint
    )
    return batches


def _replay(expect, fresh, x, y, order, lr, net, value) -> None:
    """The same batches in the same order on a fresh network, in the judge, end in the same parameters and loss."""
    reference, loss, step = fresh
    total = 0.0
    for rows in order:
        total += loss.forward(reference.forward(x[rows]), y[rows]) * len(rows)
        reference.backward(loss.backward())
        step(reference, lr)
    hint = "per batch: forward, loss, loss.backward, net.backward, and one step with these gradients alone"
    for i, (got, want) in enumerate(zip(net.values(), reference.values(), strict=True)):
        expect.close(got, want, f"parameter {i + 1} after the epoch", likely=hint, **_CLOSE)
    hint = "the mean over EXAMPLES: weight each batch's loss with its size, the last batch may be shorter"
    expect.close(value, total / len(x), "the returned mean loss", likely=hint, **_CLOSE)


def _order(expect, epoch, make, rng) -> None:
    x, y = rng.normal(size=(40, 3)), rng.integers(3, size=40)
    expect.case("40 examples, the order of three epochs")

    def order(seed):
        net, loss, _ = make()
        epoch(net, loss, x, y, 10, 0.0, seed)
        rows = np.concatenate(net.seen)
        return [int(np.flatnonzero((x == row).all(axis=1))[0]) for row in rows]

    one, again, other = order(1), order(1), order(2)
    expect.true(
        one != list(range(40)), "the examples came in the order of X", likely="draw a permutation from rng"
    )
    hint = "draw the permutation from the rng that is handed in, anew in each epoch"
    expect.true(one == again, "the same rng gave another order", likely=hint)
    expect.true(one != other, "another rng gave the same order", likely=hint)


def predict(student):
    """Hidden test of `predict(net, X)`."""
    Layer, Net = (ship(NETWORK, name) for name in ("Layer", "Net"))
    rng = np.random.default_rng(276)
    with hidden("Exercise 7: predict") as expect:
        for n, k in ((5, 3), (1, 4), (6, 2), (3, 7)):
            expect.case(f"{n} examples, {k} classes")
            x = rng.normal(size=(n, 4)) - 2.0
            w, b = rng.normal(size=(4, k)), rng.normal(size=k)
            seen = observe(student, Net(Layer("linear", W=w, b=b)), x)
            expect.shape(
                seen.value, (n,), "the predictions", likely="one class per row: the classes lie on axis 1"
            )
            expect.equal(seen.args[1], x, "X after the call")
            kind = np.asarray(seen.value).dtype.kind
            expect.true(
                kind in "iu", "the predictions are class numbers, so integers", likely="argmax, not max"
            )
            hint = "the position of the largest output of each row, also where all outputs are negative"
            expect.equal(seen.value, (x @ w + b).argmax(axis=1), "the predictions", likely=hint)
