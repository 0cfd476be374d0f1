"""Right answers to exercise 5, written differently."""

from autograder.variants import Right

_CHECK = """
    def backward(self, dy):
        if self.x is None:
            raise ValueError("call forward first")
        if np.shape(dy) != self.x.shape:
            raise ValueError("dy must have the shape of the output")
        return np.asarray(dy) * self.slope(self.x)
"""

VARIANTS = [
    Right(
        exercise="ex5-sigmoid",
        name="through-tanh",
        code="""
class Sigmoid:
    x = None

    def forward(self, x):
        self.x = np.array(x)
        return 0.5 * (1 + np.tanh(0.5 * self.x))

    def slope(self, x):
        return 0.25 * (1 - np.tanh(0.5 * x) ** 2)
"""
        + _CHECK,
    ),
    Right(
        exercise="ex5-sigmoid",
        name="two-masks",
        code="""
class Sigmoid:
    def __init__(self):
        self.cache = None

    def forward(self, x):
        x = np.asarray(x)
        y = np.empty_like(x)
        right = x >= 0
        y[right] = 1 / (1 + np.exp(-x[right]))
        left = np.exp(x[~right])
        y[~right] = left / (1 + left)
        self.cache = y.copy()
        return y

    def backward(self, dy):
        if self.cache is None or self.cache.shape != dy.shape:
            raise ValueError("forward first, and a dy of its output's shape")
        return (self.cache - self.cache**2) * dy
""",
    ),
    Right(
        exercise="ex5-tanh",
        name="from-exponentials",
        code="""
class Tanh:
    x = None

    def forward(self, x):
        self.x = np.array(x)
        small = np.exp(-2 * np.abs(self.x))
        return np.sign(self.x) * (1 - small) / (1 + small)

    def slope(self, x):
        small = np.exp(-2 * np.abs(x))
        return 4 * small / (1 + small) ** 2
"""
        + _CHECK,
    ),
    Right(
        exercise="ex5-tanh",
        name="keeps-the-derivative",
        code="""
class Tanh:
    def __init__(self):
        self.local = None

    def forward(self, x):
        out = np.tanh(np.asarray(x))
        self.local = (1 - out) * (1 + out)
        return out

    def backward(self, dy):
        if self.local is None:
            raise ValueError("nothing to go back through")
        if np.shape(dy) != np.shape(self.local):
            raise ValueError("shape of dy")
        return np.multiply(dy, self.local)
""",
    ),
    Right(
        exercise="ex5-relu",
        name="half-slope-at-0",
        code="""
class ReLU:
    x = None

    def forward(self, x):
        self.x = np.array(x)
        return (np.abs(self.x) + self.x) / 2

    def slope(self, x):
        return ((np.sign(x) + 1) / 2).astype(x.dtype)
"""
        + _CHECK,
    ),
    Right(
        exercise="ex5-relu",
        name="keeps-the-output",
        code="""
class ReLU:
    def __init__(self):
        self.y = None

    def forward(self, x):
        self.y = np.where(np.asarray(x) < 0, np.zeros((), dtype=np.asarray(x).dtype), x)
        return self.y.copy()

    def backward(self, dy):
        if self.y is None or dy.shape != self.y.shape:
            raise ValueError("backward needs a forward pass, and its shape")
        dx = np.array(dy)
        dx[self.y <= 0] = 0
        return dx
""",
    ),
    Right(
        exercise="ex5-leaky-relu",
        name="slope-array",
        code="""
class LeakyReLU:
    x = None

    def __init__(self, alpha=0.01):
        self.alpha = alpha

    def forward(self, x):
        self.x = np.array(x)
        return self.x * self.slope(self.x)

    def slope(self, x):
        return np.where(x >= 0, x.dtype.type(1), x.dtype.type(self.alpha))
"""
        + _CHECK,
    ),
    Right(
        exercise="ex5-leaky-relu",
        name="positive-and-negative-part",
        code="""
class LeakyReLU:
    def __init__(self, alpha=0.01):
        self.negative_slope, self.negative = float(alpha), None

    def forward(self, x):
        self.negative = np.less(x, 0)
        return np.maximum(x, 0) + self.negative_slope * np.minimum(x, 0)

    def backward(self, dy):
        if self.negative is None:
            raise ValueError("forward first")
        if np.shape(dy) != np.shape(self.negative):
            raise ValueError("shape")
        return dy * ~self.negative + dy * self.negative * self.negative_slope
""",
    ),
    Right(
        exercise="ex5-prelu",
        name="moved-axis-and-einsum",
        code="""
class PReLU:
    def __init__(self, num_parameters=1, init=0.25):
        self.alpha = np.ones(num_parameters) * init
        self.dalpha = np.zeros(num_parameters)
        self.x = None

    def _spread(self):
        if len(self.alpha) == 1:
            return self.alpha[0]
        return self.alpha.reshape((-1,) + (1,) * (self.x.ndim - 2))

    def forward(self, x):
        self.x = np.array(x)
        return np.maximum(self.x, 0) + self._spread() * np.minimum(self.x, 0)

    def backward(self, dy):
        if self.x is None or np.shape(dy) != self.x.shape:
            raise ValueError("forward first, and a dy of its shape")
        parts = dy * np.minimum(self.x, 0)
        if len(self.alpha) == 1:
            self.dalpha = np.array([parts.sum()])
        else:
            flat = np.moveaxis(parts, 1, 0).reshape(len(self.alpha), -1)
            self.dalpha = np.einsum("pe->p", flat)
        return dy * np.where(self.x > 0, 1.0, self._spread())
""",
    ),
    Right(
        exercise="ex5-prelu",
        name="loop-over-features",
        code="""
class PReLU:
    seen = None

    def __init__(self, num_parameters=1, init=0.25):
        self.alpha = np.array([init] * num_parameters, dtype=float)

    def _groups(self):
        if self.alpha.size == 1:
            yield 0, (Ellipsis,)
        else:
            for p in range(self.alpha.size):
                yield p, (slice(None), p)

    def forward(self, x):
        self.seen = np.asarray(x) * 1.0
        y = self.seen.copy()
        for p, where in self._groups():
            part = y[where]
            y[where] = np.where(part > 0, part, self.alpha[p] * part)
        return y

    def backward(self, dy):
        if self.seen is None:
            raise ValueError("forward first")
        if dy.shape != self.seen.shape:
            raise ValueError("shape of dy")
        dx, self.dalpha = dy * 1.0, np.zeros(self.alpha.size)
        for p, where in self._groups():
            off = self.seen[where] <= 0
            self.dalpha[p] = (dy[where] * self.seen[where] * off).sum()
            dx[where] = np.where(off, self.alpha[p] * dy[where], dy[where])
        return dx
""",
    ),
    Right(
        exercise="ex5-elu",
        name="slope-from-the-output",
        code="""
class ELU:
    def __init__(self, alpha=1.0):
        self.alpha, self.y = alpha, None

    def forward(self, x):
        x = np.asarray(x)
        self.y = np.maximum(x, 0) + self.alpha * (np.exp(np.minimum(x, 0)) - 1)
        self.positive = x > 0
        return self.y.copy()

    def backward(self, dy):
        if self.y is None or np.shape(dy) != self.y.shape:
            raise ValueError("forward first")
        return np.where(self.positive, dy, dy * (self.y + self.alpha))
""",
    ),
    Right(
        exercise="ex5-elu",
        name="masked-assignment",
        code="""
class ELU:
    def __init__(self, alpha=1.0):
        self.alpha = alpha
        self.x = None

    def forward(self, x):
        self.x = np.array(x)
        y = self.x.copy()
        low = self.x < 0
        y[low] = self.alpha * np.expm1(y[low])
        return y

    def backward(self, dy):
        if self.x is None:
            raise ValueError("no forward yet")
        if dy.shape != self.x.shape:
            raise ValueError("dy")
        dx = dy.copy()
        low = self.x < 0
        dx[low] *= self.alpha * np.exp(self.x[low])
        return dx
""",
    ),
    Right(
        exercise="ex5-maxout",
        name="loops",
        code="""
class Maxout:
    def __init__(self, d_in, d_out, k, rng):
        if not k >= 1:
            raise ValueError("k")
        self.W = rng.standard_normal((k, d_in, d_out)) / np.sqrt(d_in)
        self.b = rng.standard_normal((k, d_out)) * 0.1
        self.x = None

    def forward(self, x):
        if np.shape(x)[1:] != self.W.shape[1:2]:
            raise ValueError("x")
        pieces = [x @ w + c for w, c in zip(self.W, self.b)]
        self.x = np.array(x)
        y = pieces[0].copy()
        self.best = np.zeros(y.shape, dtype=int)
        for j, piece in enumerate(pieces):
            better = piece > y
            y[better], self.best[better] = piece[better], j
        return y

    def backward(self, dy):
        if self.x is None or dy.shape != self.best.shape:
            raise ValueError("forward first")
        dx = np.zeros_like(self.x, dtype=float)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)
        for n, o in np.ndindex(dy.shape):
            j = self.best[n, o]
            dx[n] += dy[n, o] * self.W[j, :, o]
            self.dW[j, :, o] += dy[n, o] * self.x[n]
            self.db[j, o] += dy[n, o]
        return dx
""",
    ),
    Right(
        exercise="ex5-maxout",
        name="matmul-and-shared-ties",
        code="""
class Maxout:
    def __init__(self, d_in, d_out, k, rng):
        if k < 1:
            raise ValueError("at least one piece")
        self.W = rng.uniform(-1, 1, (k, d_in, d_out))
        self.b = np.zeros((k, d_out))
        self.share = None

    def forward(self, x):
        if np.ndim(x) != 2 or len(x.T) != self.W.shape[1]:
            raise ValueError("x")
        z = np.matmul(x[None], self.W) + self.b[:, None]
        y = np.max(z, axis=0)
        self.share = (z == y) / (z == y).sum(axis=0)
        self.xT = np.array(x).T
        return y

    def backward(self, dy):
        if self.share is None:
            raise ValueError("forward first")
        if dy.shape != self.share.shape[1:]:
            raise ValueError("dy")
        g = self.share * dy
        self.dW = np.matmul(self.xT[None], g)
        self.db = g.sum(1)
        return sum(gk @ wk.T for gk, wk in zip(g, self.W))
""",
    ),
]
