"""Whole engines for exercise 3, built on other ideas than the reference."""

from autograder.variants import Right

_REST = (
    "ex3-engine-backward",
    "ex3-engine-elementwise",
    "ex3-engine-functions",
    "ex3-engine-matmul",
    "ex3-engine-reductions",
    "ex3-engine-indexing",
)
_EMPTY = dict.fromkeys(_REST, "# everything stands in the first cell of the exercise\n")

# One global list of operations in the order of their making; backward walks it from the end.
_TAPE = """

TAPE = []


def fit(g, shape):
    while g.ndim > len(shape):
        g = g.sum(0)
    for axis in range(len(shape)):
        if shape[axis] == 1:
            g = g.sum(axis, keepdims=True)
    return g.reshape(shape)


class Tensor:
    __array_priority__ = 1000

    def __init__(self, data, requires_grad=False):
        self.data = np.array(data, dtype=float)
        self.requires_grad = requires_grad
        self.grad = None
        self.is_leaf = True

    @property
    def shape(self):
        return self.data.shape

    @property
    def T(self):
        return self.transpose()

    def __array__(self, *args, **kwargs):
        raise TypeError("a Tensor is no array")

    def _record(self, value, *rules):
        rules = [(t, rule) for t, rule in rules if t.requires_grad]
        out = Tensor(value, bool(rules))
        if rules:
            out.is_leaf = False
            out.position = len(TAPE)
            TAPE.append((out, rules))
        return out

    def backward(self, grad=None):
        if not self.requires_grad:
            raise RuntimeError("no gradient is required")
        if grad is None:
            if self.data.size > 1:
                raise RuntimeError("not a scalar")
            grad = np.ones_like(self.data)
        grad = np.array(grad, dtype=float)
        if grad.shape != self.data.shape:
            raise ValueError("shape of grad")
        flowing = {id(self): grad}
        if self.is_leaf:
            self.grad = grad if self.grad is None else self.grad + grad
            return
        for out, rules in reversed(TAPE[: self.position + 1]):
            g = flowing.pop(id(out), None)
            if g is None:
                continue
            out.grad = g
            for t, rule in rules:
                part = fit(np.asarray(rule(g)), t.shape)
                if t.is_leaf:
                    t.grad = part + 0.0 if t.grad is None else t.grad + part
                else:
                    flowing[id(t)] = flowing.get(id(t), 0.0) + part

    def zero_grad(self):
        self.grad = None

    def detach(self):
        return Tensor(self.data)

    def __add__(self, o):
        o = as_tensor(o)
        return self._record(self.data + o.data, (self, lambda g: g), (o, lambda g: g))

    def __sub__(self, o):
        o = as_tensor(o)
        return self._record(self.data - o.data, (self, lambda g: g), (o, lambda g: -g))

    def __mul__(self, o):
        o = as_tensor(o)
        a, b = self.data.copy(), o.data.copy()
        return self._record(a * b, (self, lambda g: g * b), (o, lambda g: g * a))

    def __truediv__(self, o):
        o = as_tensor(o)
        a, b = self.data.copy(), o.data.copy()
        return self._record(a / b, (self, lambda g: g / b), (o, lambda g: -g * (a / b) / b))

    def __matmul__(self, o):
        o = as_tensor(o)
        a, b = self.data, o.data
        return self._record(
            a @ b,
            (self, lambda g: np.einsum("...ik,...jk->...ij", g, b)),
            (o, lambda g: np.einsum("...ki,...kj->...ij", a, g)),
        )

    def __pow__(self, n):
        a = self.data
        return self._record(a**n, (self, lambda g: g * n * a ** (n - 1) if n else 0.0 * g))

    def __neg__(self):
        return self._record(-self.data, (self, np.negative))

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, o):
        return as_tensor(o).__sub__(self)

    def __rtruediv__(self, o):
        return as_tensor(o).__truediv__(self)

    def __rmatmul__(self, o):
        return as_tensor(o).__matmul__(self)

    def exp(self):
        y = np.exp(self.data)
        return self._record(y, (self, lambda g: g * y))

    def log(self):
        a = self.data
        return self._record(np.log(a), (self, lambda g: g / a))

    def tanh(self):
        y = np.tanh(self.data)
        return self._record(y, (self, lambda g: g - g * y * y))

    def sigmoid(self):
        y = 0.5 + 0.5 * np.tanh(self.data / 2)
        return self._record(y, (self, lambda g: g * (y - y * y)))

    def relu(self):
        on = (self.data > 0).astype(float)
        return self._record(self.data * on, (self, lambda g: g * on))

    def _axes(self, axis):
        axes = range(self.data.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return tuple(a % self.data.ndim for a in axes)

    def sum(self, axis=None, keepdims=False):
        kept = tuple(1 if i in self._axes(axis) else n for i, n in enumerate(self.shape))
        ones = np.ones(self.shape)
        value = self.data.sum(axis=axis, keepdims=keepdims)
        return self._record(value, (self, lambda g: ones * np.reshape(g, kept)))

    def mean(self, axis=None, keepdims=False):
        count = 1
        for a in self._axes(axis):
            count *= self.shape[a]
        return self.sum(axis, keepdims) * (1.0 / count)

    def max(self, axis=None, keepdims=False):
        kept = tuple(1 if i in self._axes(axis) else n for i, n in enumerate(self.shape))
        best = self.data.max(axis=axis, keepdims=keepdims)
        hits = (self.data == best.reshape(kept)) * 1.0
        hits = hits / hits.sum(axis=axis, keepdims=True)
        return self._record(best, (self, lambda g: hits * np.reshape(g, kept)))

    def reshape(self, *shape):
        return self._record(self.data.reshape(*shape), (self, lambda g: g.reshape(self.shape)))

    def transpose(self):
        return self._record(self.data.T.copy(), (self, np.transpose))

    def __getitem__(self, index):
        def scatter(g):
            numbers = np.arange(self.data.size).reshape(self.shape)[index]
            flat = np.bincount(np.ravel(numbers), np.ravel(g), minlength=self.data.size)
            return flat.reshape(self.shape)

        return self._record(self.data[index], (self, scatter))
"""

# A class per operation with forward and backward, a recursive search with a raised limit, gradients of
# interior nodes kept in a dictionary of the call.
_FUNCTIONS = '''
import sys


def unbroadcast(g, shape):
    if g.shape == shape:
        return g
    extra = len(g.shape) - len(shape)
    padded = (1,) * extra + shape
    axes = tuple(i for i in range(g.ndim) if padded[i] == 1)
    return np.sum(g, axis=axes, keepdims=True).reshape(shape)


class Op:
    def __init__(self, *inputs, **options):
        self.inputs = inputs
        self.__dict__.update(options)

    def run(self):
        value = self.forward(*(t.data for t in self.inputs))
        out = Tensor(value)
        if any(t.requires_grad for t in self.inputs):
            out.requires_grad, out.made_by = True, self
        return out


class Add(Op):
    def forward(self, a, b):
        return a + b

    def backward(self, g):
        return g, g


class Mul(Op):
    def forward(self, a, b):
        self.a, self.b = a, b
        return a * b

    def backward(self, g):
        return g * self.b, g * self.a


class Power(Op):
    def forward(self, a):
        self.a = a
        return np.power(a, self.n)

    def backward(self, g):
        if self.n == 0:
            return (np.zeros_like(self.a),)
        return (g * self.n * np.power(self.a, self.n - 1),)


class MatMul(Op):
    def forward(self, a, b):
        self.a, self.b = a, b
        return np.matmul(a, b)

    def backward(self, g):
        return np.matmul(g, np.moveaxis(self.b, -1, -2)), np.matmul(np.moveaxis(self.a, -1, -2), g)


class Elementwise(Op):
    def forward(self, a):
        value, self.slope = self.rule(a)
        return value

    def backward(self, g):
        return (g * self.slope,)


class Linear1(Op):
    """Any linear map of one array, given with its adjoint."""

    def forward(self, a):
        return self.there(a)

    def backward(self, g):
        return (self.back(g),)


def smooth(a):
    s = np.empty_like(a)
    up = a >= 0
    s[up] = 1 / (1 + np.exp(-a[up]))
    e = np.exp(a[~up])
    s[~up] = e / (1 + e)
    return s, s * (1 - s)


def hyperbolic(a):
    t = np.tanh(a)
    return t, 1 - t**2


def exponential(a):
    e = np.exp(a)
    return e, e


class Tensor:
    __array_ufunc__ = None

    def __init__(self, data, requires_grad=False):
        self.data = np.asarray(data, dtype=np.float64).copy()
        self.requires_grad, self.made_by, self.grad = requires_grad, None, None

    shape = property(lambda self: tuple(self.data.shape))
    T = property(lambda self: self.transpose())

    def backward(self, grad=None):
        if not self.requires_grad:
            raise RuntimeError("requires_grad is False")
        if grad is None and self.data.size != 1:
            raise RuntimeError("backward() needs a gradient here")
        grad = np.ones(self.shape) if grad is None else np.asarray(grad, dtype=np.float64)
        if grad.shape != self.shape:
            raise ValueError(f"{grad.shape} is not {self.shape}")
        order, seen = [], set()

        def visit(t):
            if id(t) in seen or not t.requires_grad:
                return
            seen.add(id(t))
            if t.made_by is not None:
                for parent in t.made_by.inputs:
                    visit(parent)
            order.append(t)

        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, 50_000))
        try:
            visit(self)
        finally:
            sys.setrecursionlimit(limit)
        grads = {id(self): grad}
        for t in order[::-1]:
            g = grads.pop(id(t), None)
            if g is None:
                continue
            if t.made_by is None:
                t.grad = np.array(g) if t.grad is None else t.grad + g
                continue
            t.grad = np.array(g)
            for parent, part in zip(t.made_by.inputs, t.made_by.backward(g)):
                if parent.requires_grad:
                    part = unbroadcast(np.asarray(part), parent.shape)
                    grads[id(parent)] = grads[id(parent)] + part if id(parent) in grads else part

    def zero_grad(self):
        self.grad = np.zeros(self.shape)

    def detach(self):
        return Tensor(self.data)

    def __add__(self, o): return Add(self, as_tensor(o)).run()
    def __mul__(self, o): return Mul(self, as_tensor(o)).run()
    def __pow__(self, n): return Power(self, n=n).run()
    def __neg__(self): return self * -1
    def __sub__(self, o): return self + as_tensor(o) * -1
    def __truediv__(self, o): return self * as_tensor(o) ** -1
    def __matmul__(self, o): return MatMul(self, as_tensor(o)).run()
    def __radd__(self, o): return as_tensor(o) + self
    def __rmul__(self, o): return as_tensor(o) * self
    def __rsub__(self, o): return as_tensor(o) - self
    def __rtruediv__(self, o): return as_tensor(o) / self
    def __rmatmul__(self, o): return as_tensor(o) @ self

    def exp(self): return Elementwise(self, rule=exponential).run()
    def log(self): return Elementwise(self, rule=lambda a: (np.log(a), 1 / a)).run()
    def tanh(self): return Elementwise(self, rule=hyperbolic).run()
    def sigmoid(self): return Elementwise(self, rule=smooth).run()
    def relu(self): return Elementwise(self, rule=lambda a: (np.clip(a, 0, None), np.heaviside(a, 0.5))).run()

    def sum(self, axis=None, keepdims=False):
        shape = self.shape

        def back(g):
            if axis is not None and not keepdims:
                for a in sorted(a % len(shape) for a in np.atleast_1d(axis)):
                    g = np.expand_dims(g, a)
            return np.broadcast_to(g, shape)

        return Linear1(self, there=lambda a: np.sum(a, axis=axis, keepdims=keepdims), back=back).run()

    def mean(self, axis=None, keepdims=False):
        total = self.sum(axis, keepdims)
        return total * (max(total.data.size, 1) / self.data.size)

    def max(self, axis=None, keepdims=False):
        """The gradient goes to the first of equal maxima."""
        if axis is None or isinstance(axis, tuple):
            best = self.data.max(axis=axis, keepdims=True)
            first = (self.data == best) / (self.data == best).sum(axis=axis, keepdims=True)
        else:
            first = np.zeros(self.shape)
            places = np.expand_dims(self.data.argmax(axis=axis), axis)
            np.put_along_axis(first, places, 1.0, axis=axis)
        return (self * Tensor(first)).sum(axis, keepdims)

    def reshape(self, *shape):
        old = self.shape
        return Linear1(self, there=lambda a: a.reshape(shape), back=lambda g: g.reshape(old)).run()

    def transpose(self):
        return Linear1(self, there=lambda a: a.T, back=lambda g: g.T).run()

    def __getitem__(self, index):
        def back(g):
            z = np.zeros(self.shape)
            np.add.at(z, index, g)
            return z

        return Linear1(self, there=lambda a: a[index], back=back).run()
'''

# Every node keeps a closure that adds to its parents' gradients; order by creation number.
_CLOSURES = """
import itertools

counter = itertools.count()


class Tensor:
    __array_ufunc__ = None

    def __init__(self, data, requires_grad=False, parents=()):
        self.data = np.array(data, dtype=np.float64)
        self.grad = None
        self.parents = [p for p in parents if p.requires_grad]
        self.requires_grad = bool(requires_grad or self.parents)
        self.push = lambda: None
        self.number = next(counter)

    @property
    def shape(self):
        return self.data.shape

    def add_to_grad(self, g):
        if not self.requires_grad:
            return
        lead = g.ndim - self.data.ndim
        g = g.sum(axis=tuple(range(lead))) if lead else g
        wide = tuple(i for i, (n, m) in enumerate(zip(self.shape, g.shape)) if n == 1 and m > 1)
        g = g.sum(axis=wide, keepdims=True) if wide else g
        if self.grad is None:
            self.grad = np.zeros(self.shape)
        self.grad += g

    def backward(self, grad=None):
        if not self.requires_grad:
            raise RuntimeError("there is no graph")
        if grad is None:
            if self.shape not in ((), (1,)) and self.data.size != 1:
                raise RuntimeError("grad can be left out for one element only")
            grad = np.ones(self.shape)
        if np.shape(grad) != self.shape:
            raise ValueError("grad has the wrong shape")
        nodes, todo = {self.number: self}, [self]
        while todo:
            for p in todo.pop().parents:
                if p.number not in nodes:
                    nodes[p.number] = p
                    todo.append(p)
        for node in nodes.values():
            if node.parents:
                node.grad = None
        self.add_to_grad(np.array(grad, dtype=float))
        for number in sorted(nodes, reverse=True):
            nodes[number].push()

    def zero_grad(self):
        self.grad = None

    def detach(self):
        out = Tensor(0.0)
        out.data = self.data
        return out

    def _binary(self, other, value, left, right):
        out = Tensor(value, parents=(self, other))

        def push():
            self.add_to_grad(left(out.grad))
            other.add_to_grad(right(out.grad))

        if out.requires_grad:
            out.push = push
        return out

    def _unary(self, value, back):
        out = Tensor(value, parents=(self,))
        if out.requires_grad:
            out.push = lambda: self.add_to_grad(back(out.grad))
        return out

    def __add__(self, o):
        o = as_tensor(o)
        return self._binary(o, self.data + o.data, lambda g: g, lambda g: g)

    def __sub__(self, o):
        o = as_tensor(o)
        return self._binary(o, self.data - o.data, lambda g: g, lambda g: -g)

    def __mul__(self, o):
        o = as_tensor(o)
        return self._binary(o, self.data * o.data, lambda g: g * o.data, lambda g: g * self.data)

    def __truediv__(self, o):
        o = as_tensor(o)
        value = self.data / o.data
        return self._binary(o, value, lambda g: g / o.data, lambda g: -g * value / o.data)

    def __matmul__(self, o):
        o = as_tensor(o)
        turn = lambda m: np.swapaxes(m, -1, -2)
        return self._binary(
            o, self.data @ o.data, lambda g: g @ turn(o.data), lambda g: turn(self.data) @ g
        )

    def __pow__(self, n):
        slope = np.zeros(self.shape) if n == 0 else n * self.data ** (n - 1)
        return self._unary(self.data**n, lambda g: g * slope)

    def __neg__(self):
        return self._unary(-self.data, lambda g: -g)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, o):
        return Tensor(o) - self

    def __rtruediv__(self, o):
        return Tensor(o) / self

    def __rmatmul__(self, o):
        return Tensor(o) @ self

    def exp(self):
        value = np.exp(self.data)
        return self._unary(value, lambda g: g * value)

    def log(self):
        x = self.data.copy()
        return self._unary(np.log(x), lambda g: g / x)

    def tanh(self):
        value = np.tanh(self.data)
        return self._unary(value, lambda g: g * (1 + value) * (1 - value))

    def sigmoid(self):
        z = np.exp(-np.abs(self.data))
        value = np.where(self.data < 0, z, 1.0) / (1 + z)
        return self._unary(value, lambda g: g * z / (1 + z) ** 2)

    def relu(self):
        on = self.data >= 0
        return self._unary(np.where(on, self.data, 0.0), lambda g: np.where(on, g, 0.0))

    def sum(self, axis=None, keepdims=False):
        shape = self.shape

        def back(g):
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return np.zeros(shape) + g

        return self._unary(self.data.sum(axis=axis, keepdims=keepdims), back)

    def mean(self, axis=None, keepdims=False):
        out = self.sum(axis=axis, keepdims=keepdims)
        return out / (self.data.size / out.data.size)

    def max(self, axis=None, keepdims=False):
        top = self.data.max(axis=axis, keepdims=True)
        share = np.equal(self.data, top).astype(float)
        share /= share.sum(axis=axis, keepdims=True)

        def back(g):
            return share * (g if keepdims or axis is None else np.expand_dims(g, axis))

        return self._unary(self.data.max(axis=axis, keepdims=keepdims), back)

    def reshape(self, *shape):
        old = self.shape
        return self._unary(np.reshape(self.data, shape), lambda g: np.reshape(g, old))

    def transpose(self):
        return self._unary(np.swapaxes(self.data, 0, 1), lambda g: np.swapaxes(g, 0, 1))

    T = property(transpose)

    def __getitem__(self, index):
        def back(g):
            z = np.zeros(self.shape)
            np.add.at(z, index, g)
            return z

        return self._unary(self.data[index], back)
"""

VARIANTS = [
    Right(exercise="ex3-engine-core", name="tape", code=_TAPE, also=_EMPTY),
    Right(exercise="ex3-engine-core", name="class-per-operation", code=_FUNCTIONS, also=_EMPTY),
    Right(exercise="ex3-engine-core", name="closures-by-creation-order", code=_CLOSURES, also=_EMPTY),
]
