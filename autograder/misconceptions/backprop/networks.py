"""Wrong answers to exercise 7, and what breaks the graded experiments."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_sequential = wrongs_of("ex7-sequential")
_step = wrongs_of("ex7-sgd-step")
_epoch = wrongs_of("ex7-train-epoch")
_predict = wrongs_of("ex7-predict")

_BACK = "for layer in reversed(self.layers):\n            dy = layer.backward(dy)\n        return dy"
_SET = "setattr(layer, name, value - lr * gradient)"
_DRAW = "order = rng.permutation(len(X))"
_MEAN = "return total / len(X)"

MISCONCEPTIONS = [
    _sequential(
        "backward-in-forward-order",
        ("reversed(self.layers)", "self.layers"),
        says="eight layers (linear, prelu, linear, tanh, maxout, leaky, elu, linear), x of shape (5, 4)",
        hint="The gradient enters at the output: the last layer goes first.",
    ),
    _sequential(
        "same-dy-for-every-layer",
        (
            _BACK,
            "for layer in reversed(self.layers):\n            dx = layer.backward(dy)\n        return dx",
        ),
        says="eight layers (linear, prelu, linear, tanh, maxout, leaky, elu, linear), x of shape (5, 4)",
        hint="Each layer's backward returns the gradient at its input; that is what the layer before it "
        "needs.",
    ),
    _sequential(
        "steps-while-going-back",
        (
            _BACK,
            _BACK.replace(
                "dy = layer.backward(dy)",
                "dy = layer.backward(dy)\n            for name in ('W', 'b'):\n"
                "                if hasattr(layer, 'd' + name):\n"
                "                    setattr(layer, name, getattr(layer, name) - 0.1 * getattr(layer, 'd' "
                "+ name))",
            ),
        ),
        says="backward only computes gradients",
        hint="If a layer is updated before the gradient has passed through all layers, the gradients are "
        "of no "
        "network at all. First all gradients, then the step.",
    ),
    _sequential(
        "forgets-alpha",
        ('("W", "b", "alpha")', '("W", "b")'),
        says="every array among W, b and alpha",
        hint="PReLU learns its slope alpha: list it as well.",
    ),
    _sequential(
        "lists-plain-numbers",
        ("isinstance(getattr(layer, name, None), np.ndarray)", "hasattr(layer, name)"),
        says="is a plain number that is not learned",
        hint="LeakyReLU and ELU have an alpha too, but it is a fixed number without a gradient. List "
        "arrays only.",
    ),
    _sequential(
        "ignores-all-but-the-last-layer",
        (_BACK, "return self.layers[-1].backward(dy) if self.layers else dy"),
        says="go through the layers in REVERSE; each gets what the backward",
        hint="The gradient has to travel through all layers, not only the last one.",
    ),
    _sequential(
        "layers-on-the-class",
        (
            "        for layer in self.layers:\n            x = layer.forward(x)\n        return x",
            "        Sequential.shared = self.layers if not hasattr(Sequential, 'shared') else "
            "Sequential.shared\n        for layer in Sequential.shared:\n"
            "            x = layer.forward(x)\n        return x",
        ),
        says="Exercise 7: Sequential",
        hint="A class attribute is shared by all networks. Keep the layers on self.",
    ),
    _step(
        "local-name",
        (_SET, "value = value - lr * gradient"),
        says="p - lr * dp has to reach the layer: setattr(layer, name, ...)",
        hint="`value = ...` only gives the local name a new array; the layer keeps the old one.",
    ),
    _step(
        "uphill",
        (_SET, "setattr(layer, name, value + lr * gradient)"),
        says="p - lr * dp has to reach the layer: setattr(layer, name, ...)",
        hint="The gradient points uphill: subtract it.",
    ),
    _step(
        "without-lr",
        (_SET, "setattr(layer, name, value - gradient)"),
        says="p - lr * dp has to reach the layer: setattr(layer, name, ...)",
        hint="The step is lr times the gradient.",
    ),
    _step(
        "weights-only",
        (
            "    for layer, name in net.parameters():\n",
            "    for layer, name in net.parameters():\n        if name != 'W':\n            continue\n",
        ),
        says="parameter 2",
        hint="Biases and learned slopes are parameters as well: update everything that parameters() lists.",
    ),
    _step(
        "scales-the-gradient-in-place",
        (_SET, "gradient *= lr\n        setattr(layer, name, value - gradient)"),
        says="the gradients after the step",
        hint="`gradient *= lr` changes the layer's dW. Whoever looks at it afterwards sees another gradient.",
    ),
    _epoch(
        "shuffles-x-only",
        ("y[batch]", "y[start : start + batch_size]"),
        says="index X and y with the same batch",
        hint="Row i of X belongs to y[i]: use the same permutation for both.",
    ),
    _epoch(
        "mean-of-the-batch-means",
        ("total += value * len(batch)", "total += value"),
        (_MEAN, "return total / math.ceil(len(X) / batch_size)"),
        says="weight each batch's loss with its size",
        hint="The last batch may be shorter and must count for less: weight each loss with its batch's size.",
    ),
    _epoch(
        "no-shuffling",
        (_DRAW, "order = np.arange(len(X))"),
        says="the examples came in the order of X",
        hint="Data are often sorted by class. Draw a fresh permutation for every epoch.",
    ),
    _epoch(
        "drops-the-last-batch",
        ("range(0, len(X), batch_size)", "range(0, len(X) - batch_size + 1, batch_size)"),
        says="every example exactly once",
        hint="The examples of the last, shorter batch are never seen.",
    ),
    _epoch(
        "draws-with-replacement",
        (_DRAW, "order = rng.integers(len(X), size=len(X))"),
        says="every example exactly once",
        hint="Drawn with replacement, a third of the examples is missing in an epoch. Use a permutation.",
    ),
    _epoch(
        "shuffles-in-place",
        (
            _DRAW,
            "order = rng.permutation(len(X))\n    X[:], y[:] = X[order], y[order]\n"
            "    order = np.arange(len(X))",
        ),
        says="do not shuffle the caller's arrays",
        hint="X and y belong to the caller. Shuffle indices, not the data.",
    ),
    _epoch(
        "step-before-backward",
        (
            "        net.backward(loss.backward())\n        sgd_step(net, lr)\n",
            "        sgd_step(net, lr)\n        net.backward(loss.backward())\n",
        ),
        says="one step with these gradients alone",
        hint="The step uses the gradients of the batch before. Backward first, then the step.",
    ),
    _epoch(
        "one-step-per-epoch",
        ("        sgd_step(net, lr)\n        total", "        total"),
        (_MEAN, "sgd_step(net, lr)\n    return total / len(X)"),
        says="one step with these gradients alone",
        hint="Each batch is followed by a step of its own.",
    ),
    _epoch(
        "own-random-numbers",
        (_DRAW, "order = np.random.default_rng(0).permutation(len(X))"),
        says="draw the permutation from the rng that is handed in",
        hint="A generator made here gives the same order in every epoch. Use the caller's.",
    ),
    _epoch(
        "sum-of-the-losses",
        (_MEAN, "return total"),
        says="the mean over EXAMPLES",
        hint="Divide by the number of examples.",
    ),
    _predict(
        "argmax-of-the-columns",
        ("argmax(axis=1)", "argmax(axis=0)"),
        says="one class per row: the classes lie on axis 1",
        hint="axis=0 looks for the best example of each class.",
    ),
    _predict(
        "largest-value-instead-of-its-place",
        ("argmax(axis=1)", "max(axis=1)"),
        says="argmax, not max",
        hint="max gives the largest output itself; argmax gives its class.",
    ),
    _predict(
        "smallest-output",
        ("argmax(axis=1)", "argmin(axis=1)"),
        says="the position of the largest output of each row, also where all",
        hint="The largest logit has the largest probability.",
    ),
    _predict(
        "largest-in-magnitude",
        ("net.forward(X).argmax(axis=1)", "np.abs(net.forward(X)).argmax(axis=1)"),
        says="also where all outputs are negative",
        hint="A large negative logit means a tiny probability: no absolute values.",
    ),
    # What goes wrong in training although each layer works by itself is seen in the graded experiments too.
    wrongs_of("ex5-relu")(
        "digits-without-the-relu-derivative",
        ("return dy * self.mask", "return dy"),
        by="exA-digits-test",
        says="the test accuracy is",
        hint="With a wrong backward the network still learns, but less well than with a right one.",
    ),
    wrongs_of("ex6-softmax-cross-entropy")(
        "digits-without-1-over-n",
        ("return grad / len(self.y)", "return grad"),
        by="exA-digits-test",
        says="a missing 1/N makes every step far too long",
        hint="Without 1/N every step is as many times too long as there are examples in a batch.",
    ),
    wrongs_of("ex7-sequential")(
        "digits-train-the-last-layer-only",
        (
            "        for layer in self.layers:\n            for name",
            "        for layer in self.layers[-1:]:\n            for name",
        ),
        by="exA-digits-test",
        says="the test accuracy is",
        hint="parameters() has to list the arrays of every layer: only the last one is trained.",
    ),
    wrongs_of("ex7-predict")(
        "digits-read-off-the-wrong-end",
        ("argmax(axis=1)", "argmin(axis=1)"),
        by="exA-digits-test",
        says="predict says another class than a network with the trained W and b",
        hint="The network has learned; what is read off its outputs is the least likely class.",
    ),
    wrongs_of("ex3-engine-core")(
        "spiral-with-overwritten-gradients",
        ("self.grad = g.copy() if self.grad is None else self.grad + g", "self.grad = g.copy()"),
        by="exB-spiral-test",
        says="the last training loss is",
        hint="Where a tensor is used twice its gradients add.",
    ),
    wrongs_of("ex3-engine-functions")(
        "spiral-with-a-wrong-tanh",
        ("g * (1.0 - out**2)", "g * (1.0 - out)"),
        by="exB-spiral-test",
        says="the last training loss is",
        hint="tanh' = 1 - tanh^2.",
    ),
    wrongs_of("ex5-tanh")(
        "deep-network-without-the-tanh-derivative",
        ("return dy * (1.0 - self.y**2)", "return dy"),
        by="exC-vanishing-test",
        says="the weight gradient of hidden layer 2",
        hint="backward multiplies by the local derivative 1 - y^2.",
    ),
    wrongs_of("ex5-sigmoid")(
        "deep-network-without-the-sigmoid-derivative",
        ("return dy * self.y * (1.0 - self.y)", "return dy"),
        by="exC-vanishing-test",
        says="the weight gradient of hidden layer 2",
        hint="Each sigmoid multiplies the gradient by at most 1/4; yours lets it pass unchanged.",
    ),
    wrongs_of("ex6-linear")(
        "deep-network-with-a-wrong-start",
        ("np.sqrt(gain / d_in)", "gain / d_in"),
        by="exC-vanishing-test",
        says="the weight gradient of hidden layer 2",
        hint="gain / d_in is the variance; with it as standard deviation all signals die out.",
    ),
]
