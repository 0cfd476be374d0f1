"""Right answers to single cells of exercise 3, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(
        exercise="ex3-engine-core",
        name="unbroadcast-axis-by-axis",
        edits=[
            (
                "    added = g.ndim - len(shape)\n    g = g.sum(axis=tuple(range(added)))\n",
                "    while g.ndim > len(shape):\n        g = g.sum(axis=0)\n",
            ),
            (
                "    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)\n"
                "    return g.sum(axis=stretched, keepdims=True)",
                "    for axis, n in enumerate(shape):\n        if n == 1:\n"
                "            g = g.sum(axis=axis, keepdims=True)\n    return g",
            ),
        ],
    ),
    Right(
        exercise="ex3-engine-backward",
        name="counts-the-users-of-each-node",
        code='''
@adds_to(Tensor)
class Backward:
    """Kahn's algorithm: a node goes on when all that use it have reported."""

    def backward(self, grad=None):
        if not self.requires_grad:
            raise RuntimeError("no graph")
        if grad is None:
            if self.data.size != 1:
                raise RuntimeError("give a gradient")
            grad = np.ones_like(self.data)
        grad = np.asarray(grad, dtype=float)
        if grad.shape != self.data.shape:
            raise ValueError("shape")
        users, nodes = {id(self): 0}, [self]
        for node in nodes:
            for parent, _ in node.edges:
                if id(parent) not in users:
                    users[id(parent)] = 0
                    nodes.append(parent)
                users[id(parent)] += 1
        for node in nodes:
            if node.edges:
                node.grad = None
        self._accumulate(grad)
        ready = [self]
        while ready:
            node = ready.pop()
            for parent, vjp in node.edges:
                parent._accumulate(vjp(node.grad))
                users[id(parent)] -= 1
                if users[id(parent)] == 0:
                    ready.append(parent)

    def zero_grad(self):
        self.grad = np.zeros_like(self.data)

    def detach(self):
        return Tensor(self.data.copy())
''',
    ),
    Right(
        exercise="ex3-engine-elementwise",
        name="by-negative-powers",
        code="""
@adds_to(Tensor)
class Arithmetic:
    def __neg__(self):
        return Tensor._result("neg", -self.data, (self, np.negative))

    def __sub__(self, other):
        other = as_tensor(other)
        return Tensor._result("-", self.data - other.data, (self, lambda g: g), (other, lambda g: -g))

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * as_tensor(other) ** -1

    def __rtruediv__(self, other):
        return self**-1 * other

    def __pow__(self, n):
        if n == 0:
            return Tensor._result("one", np.ones(self.shape), (self, np.zeros_like))
        if n == 1:
            return self * 1.0
        a = self.data
        return Tensor._result("pow", np.power(a, n), (self, lambda g: g * n * np.power(a, n - 1)))
""",
    ),
    Right(
        exercise="ex3-engine-functions",
        name="other-formulas",
        code="""
@adds_to(Tensor)
class Functions:
    def exp(self):
        a = self.data.copy()
        return Tensor._result("exp", np.exp(a), (self, lambda g: np.exp(a) * g))

    def log(self):
        inverse = 1.0 / self.data
        return Tensor._result("log", -np.log(inverse), (self, lambda g: inverse * g))

    def tanh(self):
        e = np.exp(-2 * np.abs(self.data))
        out = np.sign(self.data) * (1 - e) / (1 + e)
        return Tensor._result("tanh", out, (self, lambda g: g * 4 * e / (1 + e) ** 2))

    def sigmoid(self):
        out = 0.5 * (1.0 + np.tanh(0.5 * self.data))
        return Tensor._result("sigmoid", out, (self, lambda g: g * out * (1.0 - out)))

    def relu(self):
        slope = np.heaviside(self.data, 0.3)
        return Tensor._result("relu", 0.5 * (self.data + np.abs(self.data)), (self, lambda g: slope * g))
""",
    ),
    Right(
        exercise="ex3-engine-matmul",
        name="einsum-without-vectors",
        code="""
@adds_to(Tensor)
class Matmul:
    def __matmul__(self, other):
        other = as_tensor(other)
        a, b = self.data, other.data
        return Tensor._result(
            "@",
            np.einsum("...ij,...jk->...ik", a, b),
            (self, lambda g: np.einsum("...ik,...jk->...ij", g, b)),
            (other, lambda g: np.einsum("...ij,...ik->...jk", a, g)),
        )

    def __rmatmul__(self, other):
        return Tensor(other) @ self
""",
    ),
    Right(
        exercise="ex3-engine-reductions",
        name="first-maximum-and-own-mean",
        code='''
@adds_to(Tensor)
class Reductions:
    def _spread(self, g, axis, keepdims):
        axes = range(self.data.ndim) if axis is None else np.atleast_1d(axis) % self.data.ndim
        shape = [1 if i in axes else n for i, n in enumerate(self.shape)]
        return np.reshape(g, shape) * np.ones(self.shape)

    def sum(self, axis=None, keepdims=False):
        value = np.sum(self.data, axis, keepdims=keepdims)
        return Tensor._result("sum", value, (self, lambda g: self._spread(g, axis, keepdims)))

    def mean(self, axis=None, keepdims=False):
        value = np.mean(self.data, axis, keepdims=keepdims)
        share = np.size(value) / self.data.size
        return Tensor._result("mean", value, (self, lambda g: self._spread(g, axis, keepdims) * share))

    def max(self, axis=None, keepdims=False):
        """Of equal maxima the first one gets the gradient."""
        if axis is None:
            out = self.reshape(self.data.size).max(0)
            return out.reshape(*[1] * self.data.ndim) if keepdims else out
        if isinstance(axis, tuple):
            raise NotImplementedError("one axis at a time")
        value = np.max(self.data, axis=axis, keepdims=keepdims)
        position = np.expand_dims(np.arange(self.shape[axis]), tuple(range(1, self.data.ndim)))
        wins = np.moveaxis(position, 0, axis) == np.expand_dims(self.data.argmax(axis), axis)
        return Tensor._result("max", value, (self, lambda g: self._spread(g, axis, keepdims) * wins))
''',
    ),
    Right(
        exercise="ex3-engine-indexing",
        name="by-numbered-entries",
        code="""
@adds_to(Tensor)
class Shapes:
    def reshape(self, *shape):
        return Tensor._result("reshape", np.reshape(self.data, shape).copy(),
                              (self, lambda g: np.reshape(g, self.shape)))

    def transpose(self):
        return Tensor._result("T", np.einsum("ij->ji", self.data), (self, lambda g: np.einsum("ij->ji", g)))

    @property
    def T(self):
        return self.transpose()

    def __getitem__(self, index):
        places = np.arange(self.data.size).reshape(self.shape)[index]

        def back(g):
            grad = [0.0] * self.data.size
            for place, part in zip(np.ravel(places).tolist(), np.ravel(g).tolist()):
                grad[place] += part
            return np.array(grad).reshape(self.shape)

        return Tensor._result("take", self.data.ravel()[places], (self, back))
""",
    ),
]
