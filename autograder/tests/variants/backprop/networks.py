"""Right answers to exercise 7, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex7-sequential",
        name="recursive",
        code="""
class Sequential:
    def __init__(self, *layers):
        self.first = layers[0] if layers else None
        self.rest = Sequential(*layers[1:]) if layers else None
        self.layers = layers

    def forward(self, x):
        return x if self.first is None else self.rest.forward(self.first.forward(x))

    def backward(self, dy):
        return dy if self.first is None else self.first.backward(self.rest.backward(dy))

    def parameters(self):
        if self.first is None:
            return []
        names = [n for n in ("W", "b", "alpha") if type(getattr(self.first, n, 0.0)) is np.ndarray]
        return [(self.first, n) for n in names] + self.rest.parameters()
""",
    ),
    Right(
        exercise="ex7-sequential",
        name="reduce-and-gradient-names",
        code="""
import functools


class Sequential:
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x):
        return functools.reduce(lambda value, layer: layer.forward(value), self.layers, x)

    def backward(self, dy):
        return functools.reduce(lambda value, layer: layer.backward(value), self.layers[::-1], dy)

    def parameters(self):
        names = ("alpha", "b", "W")
        has = lambda layer, n: hasattr(layer, n) and hasattr(layer, "d" + n)
        return [[layer, n] for n in names for layer in self.layers if has(layer, n)]
""",
    ),
    Right(
        exercise="ex7-sgd-step",
        name="in-place",
        code="""
def sgd_step(net, lr):
    for layer, name in net.parameters():
        p = getattr(layer, name)
        p -= lr * getattr(layer, "d" + name)
""",
    ),
    Right(
        exercise="ex7-sgd-step",
        name="all-new-values-first",
        code="""
def sgd_step(net, lr):
    new = [(l, n, vars(l)[n] + (-lr) * vars(l)[f"d{n}"]) for l, n in net.parameters()]
    for layer, name, value in new:
        layer.__dict__[name] = value
""",
    ),
    Right(
        exercise="ex7-train-epoch",
        name="shuffled-indices-and-average",
        code="""
def train_epoch(net, loss, X, y, batch_size, lr, rng):
    indices = np.arange(len(X))
    rng.shuffle(indices)
    losses, sizes = [], []
    while len(indices):
        batch, indices = indices[:batch_size], indices[batch_size:]
        losses.append(loss.forward(net.forward(X[batch]), y[batch]))
        sizes.append(len(batch))
        net.backward(loss.backward())
        sgd_step(net, lr)
    return np.average(losses, weights=sizes)
""",
    ),
    Right(
        exercise="ex7-train-epoch",
        name="sorted-random-keys-and-own-step",
        code="""
def train_epoch(net, loss, X, y, batch_size, lr, rng):
    n = X.shape[0]
    order = rng.random(n).argsort()
    Xs, ys = X[order], y[order]
    mean = 0.0
    for i in range(math.ceil(n / batch_size)):
        part = slice(i * batch_size, (i + 1) * batch_size)
        out = net.forward(Xs[part])
        mean += float(loss.forward(out, ys[part])) * (len(ys[part]) / n)
        net.backward(loss.backward())
        for layer, name in net.parameters():
            setattr(layer, name, getattr(layer, name) - lr * getattr(layer, "d" + name))
    return mean
""",
    ),
    Right(
        exercise="ex7-predict",
        name="one-row-at-a-time",
        code="""
def predict(net, X):
    return np.array([int(np.argmax(net.forward(X[i : i + 1]))) for i in range(len(X))])
""",
    ),
    Right(
        exercise="ex7-predict",
        name="sorted",
        code="""
def predict(net, X):
    return np.argsort(net.forward(X), axis=-1)[:, -1]
""",
    ),
]
