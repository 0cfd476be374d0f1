"""Stand-ins for the student's earlier work, shipped where the student's code lives.

An error in one exercise must cost nothing in another, so a test that needs a `Dual`, a `Tensor`, layers, a
loss or a network brings its own. All of them leave the mathematics to torch.

Code that is shipped can be read and used over there. So a test ships what it needs and no more (`LAYER`,
`NETWORK`, …), never anything that does the work of the exercise under test. What such a test compares with runs
in the judge (`probe.here`). `autograder/tests/test_shipped.py` watches over it.
"""

from __future__ import annotations

_ENGINE = '''
    import numpy as np
    import torch

    def _t(value):
        return torch.tensor(np.asarray(value, dtype=np.float64))

    def _attach(cls):
        import operator
        for name, fn in (("add", operator.add), ("sub", operator.sub), ("mul", operator.mul),
                         ("truediv", operator.truediv), ("matmul", operator.matmul)):
            setattr(cls, f"__{name}__", lambda self, other, fn=fn: cls._do(fn, self, other))
            setattr(cls, f"__r{name}__", lambda self, other, fn=fn: cls._do(fn, other, self))
        for name in ("exp", "log", "sin", "cos", "tanh", "sigmoid", "relu"):
            setattr(cls, name, lambda self, name=name: cls._do(lambda a: getattr(a, name)(), self))
        cls.__neg__ = lambda self: cls._do(operator.neg, self)
        cls.sum = lambda self, axis=None, keepdims=False: cls._do(
            lambda a: a.sum() if axis is None else a.sum(axis, keepdims), self
        )
        return cls
'''

_DUAL = '''
    @_attach
    class Dual:
        """A value and its tangent; torch differentiates every operation."""

        __array_ufunc__ = None

        def __init__(self, val, dot):
            self.val, self.dot = np.array(val, dtype=np.float64), np.array(dot, dtype=np.float64)
            if self.val.shape != self.dot.shape:
                raise ValueError("val and dot have different shapes")

        shape = property(lambda self: self.val.shape)

        @staticmethod
        def _do(fn, *operands):
            duals = [o if isinstance(o, Dual) else Dual(o, np.zeros(np.shape(o))) for o in operands]
            values, tangents = (tuple(_t(getattr(d, name)) for d in duals) for name in ("val", "dot"))
            inputs = tuple(v.requires_grad_() for v in values)
            out = fn(*inputs)
            weights = torch.zeros_like(out, requires_grad=True)
            parts = torch.autograd.grad((out * weights).sum(), inputs, create_graph=True, allow_unused=True)
            total = sum((g * t).sum() for g, t in zip(parts, tangents) if g is not None)
            tangent = None
            if getattr(total, "requires_grad", False):
                (tangent,) = torch.autograd.grad(total, weights, allow_unused=True)
            return Dual(out.detach().numpy(), np.zeros(out.shape) if tangent is None else tangent.numpy())

        def __pow__(self, n): return Dual._do(lambda a: a ** n, self)
        def __getitem__(self, index): return Dual._do(lambda a: a[index], self)
'''

_TENSOR = '''
    @_attach
    class Tensor:
        """Data with a gradient; backward is torch's."""

        __array_ufunc__ = None

        def __init__(self, data, requires_grad=False, *unused, **ignored):
            self._value = _t(data).requires_grad_(bool(requires_grad))
            self._leaves = {id(self): self} if requires_grad else {}
            self.grad = None

        data = property(lambda self: self._value.detach().numpy())
        shape = property(lambda self: tuple(self._value.shape))
        requires_grad = property(lambda self: self._value.requires_grad)
        T = property(lambda self: self.transpose())

        @staticmethod
        def _do(fn, *operands):
            tensors = [o if isinstance(o, Tensor) else Tensor(o) for o in operands]
            out = Tensor(0.0)
            out._value = fn(*[t._value for t in tensors])
            for t in tensors:
                out._leaves.update(t._leaves)
            return out

        def __pow__(self, n): return Tensor._do(lambda a: a ** n, self)
        def __getitem__(self, index): return Tensor._do(lambda a: a[index], self)
        def reshape(self, *shape): return Tensor._do(lambda a: a.reshape(*shape), self)
        def transpose(self): return Tensor._do(lambda a: a.T, self)
        def detach(self): return Tensor(self.data)
        def zero_grad(self): self.grad = None

        def backward(self, grad=None):
            if not self.requires_grad:
                raise RuntimeError("nothing to differentiate")
            if grad is None:
                if self._value.numel() != 1:
                    raise RuntimeError("a gradient is needed")
                grad = np.ones(self.shape)
            if np.shape(grad) != self.shape:
                raise ValueError("the gradient has another shape")
            leaves = list(self._leaves.values())
            root = (self._value * _t(grad)).sum()
            wanted = [leaf._value for leaf in leaves]
            found = torch.autograd.grad(root, wanted, retain_graph=True, allow_unused=True)
            for leaf, part in zip(leaves, found):
                if part is not None:
                    part = part.numpy()
                    leaf.grad = part.copy() if leaf.grad is None else leaf.grad + part
'''

DUAL, TENSOR = _ENGINE + _DUAL, _ENGINE + _TENSOR

# The test functions of exercise 4, for numbers of any class that has the operators. Run on both sides.
MAPS = """
    class Counted:
        def __init__(self, f):
            self.f, self.calls = f, 0

        def __call__(self, x):
            self.calls += 1
            return self.f(x)

    def maps(A, B):
        \"\"\"name -> f; A is (4, 3) and B is (2, 4).\"\"\"
        inner = lambda x: (A @ x).tanh()
        outer = lambda u: (B @ u).exp()
        found = {
            "products": lambda x: [x[0] * x[1], x[0] + x[1], x[1] ** 2],
            "quotients": lambda x: [x[0] / x[1] - 2 / x[2], 3 - x[2] * x[0]],
            "inner": inner,
            "outer": outer,
            "composed": lambda x: outer(inner(x)),
            "linear": lambda x: A @ x,
            "scalar": lambda x: x[0] * x[1] ** 3 / x[2],
            "with a constant": lambda x: [x[0] * x[1], 7.0],
            "one": lambda x: [x[0] ** 2, (x[0] * 2.0).exp(), 1 / x[0]],
        }
        return {name: Counted(f) for name, f in found.items()}

    def extra(x):
        return ((x * x).sum() + x[0].log()) * x
"""

_TOOLS = '''
    import numpy as np
    import torch

    def _fixed(value):
        return torch.tensor(np.array(value, dtype=np.float64))

    def _leaf(value):
        return _fixed(value).requires_grad_()
'''

_LAYER = '''
    class Layer:
        """One step of a network with parameters W, b, alpha as given; torch does the mathematics."""

        def __init__(self, kind, hyper=None, **parameters):
            self._kind, self._names = kind, list(parameters)
            self.passes = []                       # "forward" and "backward", in the order they came
            if hyper is not None:
                self.alpha = hyper                 # a plain number that is not learned
            for name, value in parameters.items():
                setattr(self, name, np.array(value, dtype=np.float64))
                setattr(self, "d" + name, np.zeros(np.shape(value)))

        def forward(self, x):
            self.passes.append("forward")
            self._x = _leaf(x)
            self._p = {name: _leaf(getattr(self, name)) for name in self._names}
            with torch.enable_grad():
                self._y = self._apply(self._x, **self._p)
            return self._y.detach().numpy().copy()

        def _apply(self, x, W=None, b=None, alpha=None):
            F = torch.nn.functional
            if self._kind == "linear":
                return F.linear(x, W.T, b)
            if self._kind == "prelu":
                return F.prelu(x, alpha)
            if self._kind == "leaky":
                return F.leaky_relu(x, self.alpha)
            if self._kind == "elu":
                return F.elu(x, self.alpha)
            if self._kind == "maxout":
                return torch.stack([F.linear(x, w.T, c) for w, c in zip(W, b)]).amax(0)
            if self._kind == "scale":
                return x * W
            return getattr(torch, self._kind)(x)

        def backward(self, dy):
            self.passes.append("backward")
            if np.shape(dy) != tuple(self._y.shape):
                shapes = f"dy of shape {np.shape(dy)}, its output had shape {tuple(self._y.shape)}"
                raise ValueError(f"backward of a {self._kind} layer was given {shapes}")
            wanted = [self._x, *self._p.values()]
            found = torch.autograd.grad((self._y * _fixed(dy)).sum(), wanted, retain_graph=True)
            for name, part in zip(self._names, found[1:]):
                setattr(self, "d" + name, part.numpy().copy())
            return found[0].numpy().copy()
'''

_NET = '''
    class Net:
        """Layers in a row, with the methods that training code relies on; torch differentiates the whole."""

        def __init__(self, *layers):
            self.layers = list(layers)
            self.seen, self.events = [], []

        def forward(self, x):
            self.seen.append(np.array(x))
            self.events.append("forward")
            self._x = value = _leaf(x)
            self._p = []
            with torch.enable_grad():
                for layer in self.layers:
                    p = {name: _leaf(getattr(layer, name)) for name in layer._names}
                    self._p.append(p)
                    value = layer._apply(value, **p)
            self._y = value
            return value.detach().numpy().copy()

        def backward(self, dy):
            self.events.append("backward")
            wanted = [t for p in self._p for t in p.values()]
            found = torch.autograd.grad((self._y * _fixed(dy)).sum(), [self._x, *wanted], retain_graph=True)
            parts = iter(found[1:])
            for layer, p in zip(self.layers, self._p):
                for name in p:
                    setattr(layer, "d" + name, next(parts).numpy().copy())
            return found[0].numpy().copy()

        def parameters(self):
            return [(layer, name) for layer in self.layers for name in layer._names]

        def values(self):
            return [np.array(getattr(layer, name)) for layer, name in self.parameters()]

        def gradients(self):
            return [np.array(getattr(layer, "d" + name)) for layer, name in self.parameters()]
'''

_LOSS = '''
    class Loss:
        """Mean over the batch of log cosh of the distance to +1 (the label) and -1 (all others)."""

        def __init__(self):
            self.seen = []

        def forward(self, logits, y):
            self.seen.append(np.array(y))
            self._z = _leaf(logits)
            with torch.enable_grad():
                target = 2.0 * torch.eye(self._z.shape[1], dtype=torch.float64)[_fixed(y).long()] - 1.0
                self._loss = (self._z - target).cosh().log().sum(1).mean()
            return float(self._loss.detach())

        def backward(self):
            return torch.autograd.grad(self._loss, self._z, retain_graph=True)[0].numpy().copy()
'''

_STEP = '''
    def sgd_step(net, lr):
        for layer, name in net.parameters():
            value, gradient = (torch.tensor(np.array(getattr(layer, n))) for n in (name, "d" + name))
            setattr(layer, name, torch.sub(value, gradient, alpha=float(lr)).numpy())
'''

LAYER, NETWORK = _TOOLS + _LAYER, _TOOLS + _LAYER + _NET
LOSS, STEP = _TOOLS + _LOSS, _TOOLS + _STEP
