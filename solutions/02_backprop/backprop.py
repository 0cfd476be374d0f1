# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Backpropagation: every gradient by hand

# %% setup=true
import math
from itertools import pairwise

import numpy as np
from coursekit import check, setup

lab = setup("02_backprop")

# %% [markdown]
# ## 1 Numerical derivatives

# %% exercise="ex1-numerical-grad"
def numerical_grad(f, x: np.ndarray, h: float | None = None, scheme: str = "central") -> np.ndarray:
    """Gradient of the scalar function f at x by finite differences.

    f:       takes a float64 array of the shape of x and returns one number
    x:       array of any shape, () included; never changed (it may be read-only or of integer type)
    h:       step for every component; None: 6e-6 (central) or 1.5e-8 (forward) times max(1, |x_i|)
    scheme:  "central" (two calls of f per component) or "forward" (one per component and one at x)
    Returns a float64 array of the shape of x.
    Raises ValueError for an unknown scheme, for h <= 0, and if f returns more than one number.
    """
    ### BEGIN SOLUTION
    if scheme not in ("central", "forward"):
        raise ValueError(f'scheme must be "central" or "forward", not {scheme!r}')
    if h is not None and h <= 0:
        raise ValueError(f"the step h must be positive, not {h}")

    def value(point):
        out = np.asarray(f(point))
        if out.size != 1:
            raise ValueError(f"f must return one number, it returned an array of shape {out.shape}")
        return float(out.reshape(()))

    x = np.array(x, dtype=np.float64)
    grad = np.zeros_like(x)
    at_x = value(x.copy()) if scheme == "forward" else 0.0
    for i in np.ndindex(x.shape):
        scale = max(1.0, abs(x[i]))
        plus, minus = x.copy(), x.copy()
        if scheme == "central":
            step = 6e-6 * scale if h is None else h
            plus[i] += step
            minus[i] -= step
            grad[i] = (value(plus) - value(minus)) / (2 * step)
        else:
            step = 1.5e-8 * scale if h is None else h
            plus[i] += step
            grad[i] = (value(plus) - at_x) / step
    return grad
    ### END SOLUTION


# %% test="ex1-numerical-grad-test" points=4 exercise_no=1
with check("Exercise 1: numerical gradient") as expect:
    grad = numerical_grad(lambda x: (x**3).sum(), np.array([1.0, 2.0]))
    expect.shape(grad, (2,), "the gradient of sum(x**3) at (1, 2)")
    expect.close(grad, [3.0, 12.0], "the gradient of sum(x**3) at (1, 2)", rtol=1e-6,
        likely="for the central difference, divide by 2h; and start every component from a fresh copy of x")
    grad = numerical_grad(lambda x: (x**2).sum(), np.array([[1], [3]]))
    expect.close(grad, [[2.0], [6.0]], "the gradient of sum(x**2) at the integers [[1], [3]]", rtol=1e-6,
        likely="an integer array cannot hold x + h: convert x to float64 first")
    one_sided = numerical_grad(lambda x: (x**2).sum(), np.array([1.0]), h=0.5, scheme="forward")
    expect.close(one_sided, [2.5], "the forward difference of x**2 at 1 with h = 0.5",
        likely="forward is (f(x + h) - f(x)) / h, and its error of exactly h shows here")
    expect.raises(ValueError, numerical_grad, np.sum, np.ones(2), h=-1.0, what="h = -1")
    expect.why("Central differences are now your judge: every backward pass below has to agree with them.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.numerical_grad(numerical_grad)
### END HIDDEN TESTS

# %% exercise="ex1-numerical-jacobian"
def numerical_jacobian(f, x: np.ndarray, h: float | None = None) -> np.ndarray:
    """Jacobian of a vector function by central differences.

    f:  takes a float64 array [n] and returns an array (or list) of m numbers
    x:  array [n], never changed
    h:  step for every component; None: 6e-6 * max(1, |x_i|)
    Returns J of shape [m, n] with J[j, i] = dy_j / dx_i, float64.
    Raises ValueError for h <= 0.
    """
    ### BEGIN SOLUTION
    if h is not None and h <= 0:
        raise ValueError(f"the step h must be positive, not {h}")
    x = np.array(x, dtype=np.float64)
    columns = []
    for i in range(x.size):
        step = 6e-6 * max(1.0, abs(x[i])) if h is None else h
        plus, minus = x.copy(), x.copy()
        plus[i] += step
        minus[i] -= step
        difference = np.asarray(f(plus)) - np.asarray(f(minus))
        columns.append(np.atleast_1d(difference) / (2 * step))
    return np.stack(columns, axis=1)
    ### END SOLUTION


# %% test="ex1-numerical-jacobian-test" points=2 exercise_no=1
with check("Exercise 1: numerical Jacobian") as expect:
    matrix = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    jacobian = numerical_jacobian(lambda x: matrix @ x, np.array([0.5, -1.0, 2.0]))
    expect.shape(jacobian, (2, 3), "the Jacobian of a map from 3 numbers to 2")
    expect.close(jacobian, matrix, "the Jacobian of x -> A x, which is A", rtol=1e-6,
        likely="column i holds the change of all outputs when x_i moves")
    expect.why("Rows are outputs, columns are inputs; both modes of exercise 4 must give this very matrix.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.numerical_jacobian(numerical_jacobian)
### END HIDDEN TESTS

# %% exercise="ex1-check-grad"
def rel_error(a, b) -> float:
    """Largest componentwise relative difference of two equal-shaped arrays (or numbers).

    max over i of |a_i - b_i| / max(|a_i| + |b_i|, 1e-8), as a Python float.
    """
    ### BEGIN SOLUTION
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    size = np.maximum(np.abs(a) + np.abs(b), 1e-8)
    return float(np.max(np.abs(a - b) / size))
    ### END SOLUTION


def check_grad(f, grad_f, x: np.ndarray, tol: float = 1e-6) -> bool:
    """Does the hand-written gradient grad_f of the scalar function f agree with central differences at x?

    grad_f takes x and returns an array of the same shape.
    Returns True if rel_error(numerical_grad(f, x), grad_f(x)) < tol, else False.
    """
    ### BEGIN SOLUTION
    return rel_error(numerical_grad(f, x), grad_f(x)) < tol
    ### END SOLUTION


# %% test="ex1-check-grad-test" points=2 exercise_no=1
with check("Exercise 1: relative error") as expect:
    expect.close(rel_error([1.0, 2.0], [1.0, 2.0]), 0.0, "the error of equal arrays")
    expect.close(rel_error([1.0, 3.0], [1.0, 1.0]), 0.5,
        "the error of (1, 3) against (1, 1): |3 - 1| / (3 + 1)",
        likely="take the maximum over components, not the mean, and divide by |a| + |b|")
    expect.close(rel_error(0.0, 0.0), 0.0, "the error of 0 against 0", likely="the floor 1e-8 prevents 0 / 0")
    expect.why("A symmetric, scale-free error: 1e-9 means 'equal', 1e-2 means 'a bug'.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.check_grad(rel_error, check_grad)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 Gates by hand

# %% exercise="ex2-square-graph"
def square_graph(x, y, z) -> tuple:
    """Forward and backward through f = ((x + y) z)**2, with s = x + y and q = s z.

    x, y, z:  numbers or float64 arrays of equal shape (then everything is elementwise)
    Returns (value, grads): grads is a dict with df/dx, df/dy, df/dz, df/ds, df/dq
    under the keys "x", "y", "z", "s", "q", each of the shape of x.
    """
    ### BEGIN SOLUTION
    s = x + y
    q = s * z
    value = q**2
    dq = 2 * q
    ds = dq * z
    dz = dq * s
    dx = ds
    dy = ds
    return value, {"x": dx, "y": dy, "z": dz, "s": ds, "q": dq}
    ### END SOLUTION


# %% test="ex2-square-graph-test" points=2 exercise_no=2
with check("Exercise 2: the graph of ((x + y) z)²") as expect:
    value, grads = square_graph(1.0, 2.0, -4.0)
    expect.close(value, 144.0, "the value at (1, 2, -4)")
    expect.close(grads["q"], -24.0, "df/dq", likely="the square node's local derivative is 2q")
    expect.close(grads["s"], 96.0, "df/ds",
        likely="the product gate hands each input the OTHER input, times upstream")
    expect.close(grads["z"], -72.0, "df/dz",
        likely="the product gate hands each input the OTHER input, times upstream")
    expect.close([grads["x"], grads["y"]], [96.0, 96.0], "df/dx and df/dy",
        likely="the add gate passes the upstream gradient on to both inputs, unchanged")
    expect.why("You ran backpropagation: one multiplication per edge, from the output to the inputs.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.square_graph(square_graph)
### END HIDDEN TESTS

# %% exercise="ex2-gate-backward"
def gate_backward(kind: str, inputs: tuple, upstream) -> tuple:
    """Gradients of the loss with respect to the inputs of one gate.

    kind:      "add", "mul" or "max" with inputs (a, b); "copy", a fan-out, with inputs (a,)
    inputs:    tuple of numbers or of float64 arrays of equal shape (elementwise)
    upstream:  dL/d(output) of that shape; for "copy" a tuple with one gradient per outgoing edge
    Returns a tuple with one gradient per input. At a tie, max may share in any way that sums to 1.
    Raises ValueError for an unknown kind.
    """
    ### BEGIN SOLUTION
    if kind == "add":
        return (upstream, upstream)
    if kind == "mul":
        a, b = inputs
        return (upstream * b, upstream * a)
    if kind == "max":
        a, b = inputs
        first_wins = np.where(a >= b, 1.0, 0.0)
        return (upstream * first_wins, upstream * (1.0 - first_wins))
    if kind == "copy":
        return (sum(upstream),)
    raise ValueError(f"unknown gate {kind!r}")
    ### END SOLUTION


# %% test="ex2-gate-backward-test" points=4 exercise_no=2
with check("Exercise 2: four gates") as expect:
    expect.close(gate_backward("add", (3.0, -5.0), 7.0), (7.0, 7.0), "add gate, upstream 7",
        likely="the add gate distributes: both inputs receive the whole upstream gradient")
    expect.close(gate_backward("mul", (3.0, -5.0), 2.0), (-10.0, 6.0), "product gate at (3, -5), upstream 2",
        likely="the product gate switches: the local derivative of one input is the other input")
    expect.close(gate_backward("max", (3.0, -5.0), 2.0), (2.0, 0.0), "max gate at (3, -5), upstream 2",
        likely="the max gate routes everything to the larger input (larger, not larger in magnitude)")
    expect.close(gate_backward("copy", (3.0,), (1.0, 10.0)), (11.0,),
        "fan-out with upstream gradients 1 and 10",
        likely="gradients of several outgoing edges are added")
    expect.raises(ValueError, gate_backward, "xor", (1.0, 2.0), 1.0, what='the unknown gate "xor"')
    expect.why("Distribute, switch, route, add: these four words are all of backpropagation.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.gate_backward(gate_backward)
### END HIDDEN TESTS

# %% exercise="ex2-branch-graph"
def branch_graph(x, y) -> tuple:
    """Forward and backward through f = max(x y, x) + x y**2, in which x is used three times and y twice.

    x, y:  numbers or float64 arrays of equal shape (elementwise)
    Returns (value, df/dx, df/dy), each of the shape of x.
    """
    ### BEGIN SOLUTION
    product = x * y
    value = np.maximum(product, x) + x * y**2
    to_product = np.where(product >= x, 1.0, 0.0)
    dx = to_product * y + (1.0 - to_product) + y**2
    dy = to_product * x + 2 * x * y
    return value, dx, dy
    ### END SOLUTION


# %% test="ex2-branch-graph-test" points=2 exercise_no=2
with check("Exercise 2: a graph with branches") as expect:
    value, dx, dy = branch_graph(2.0, 3.0)
    expect.close(value, 24.0, "the value at (2, 3)")
    expect.close(dx, 12.0, "df/dx at (2, 3), where max chooses x y",
        likely="x reaches the output along three edges: add what comes back along each that is open")
    expect.close(dy, 14.0, "df/dy at (2, 3)", likely="one part through x y, one through y**2: add them")
    value, dx, dy = branch_graph(2.0, 0.5)
    expect.close([value, dx, dy], [2.5, 1.25, 2.0], "value, df/dx, df/dy at (2, 0.5), where max chooses x",
        likely="the closed branch of the max gate passes nothing, the open one passes everything")
    expect.why("A node that is used several times receives the sum over all paths from the output.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.branch_graph(branch_graph)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 An engine

# %% given="engine-tools"
def adds_to(target):
    """Class decorator: copy the methods written in the decorated body into the class `target`."""

    def move(body):
        for name, member in vars(body).items():
            if callable(member) or isinstance(member, property):
                setattr(target, name, member)
        return body

    return move


def as_tensor(value):
    """`value` itself if it is a Tensor, else a constant Tensor that holds it."""
    return value if isinstance(value, Tensor) else Tensor(value)


# %% exercise="ex3-engine-core"
def unbroadcast(g: np.ndarray, shape: tuple) -> np.ndarray:
    """Sum g over all axes that broadcasting added or stretched, so that the result has `shape`."""
    ### BEGIN SOLUTION
    added = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(added)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return g.sum(axis=stretched, keepdims=True)
    ### END SOLUTION


class Tensor:
    """A float64 array that remembers how it was computed. `grad` is None or an array shaped like `data`."""

    __array_ufunc__ = None  # makes `ndarray + Tensor` call Tensor.__radd__ instead of looping over elements

    def __init__(self, data, requires_grad=False, edges=(), op=""):
        self.data = np.array(data, dtype=np.float64)
        self.requires_grad = bool(requires_grad)
        self.grad = None
        self.edges = edges  # pairs (parent, vjp); vjp maps dL/d(self) to dL/d(parent)
        self.op = op

    shape = property(lambda self: self.data.shape)

    @staticmethod
    def _result(op, data, *edges):
        """The tensor that comes out of an operation; edges to constants are dropped."""
        edges = tuple(edge for edge in edges if edge[0].requires_grad)
        return Tensor(data, requires_grad=len(edges) > 0, edges=edges, op=op)

    def _accumulate(self, g):
        """Add g, of any shape that self broadcasts to, to self.grad; change neither g nor the old grad."""
        ### BEGIN SOLUTION
        g = unbroadcast(g, self.shape)
        self.grad = g.copy() if self.grad is None else self.grad + g
        ### END SOLUTION

    def __add__(self, other):
        ### BEGIN SOLUTION
        other = as_tensor(other)
        return Tensor._result("+", self.data + other.data, (self, lambda g: g), (other, lambda g: g))
        ### END SOLUTION

    def __mul__(self, other):
        ### BEGIN SOLUTION
        other = as_tensor(other)
        a, b = self.data, other.data
        return Tensor._result("*", a * b, (self, lambda g: g * b), (other, lambda g: g * a))
        ### END SOLUTION

    __radd__ = __add__
    __rmul__ = __mul__


# %% exercise="ex3-engine-backward"
@adds_to(Tensor)
class Backward:
    def backward(self, grad=None):
        """Add d(self)/d(leaf), weighted with grad, to the grad of every leaf that self was computed from.

        grad: array of the shape of self; None means 1 and is allowed for one-element tensors only.
        The grad of interior nodes holds the result of this call alone.
        Raises RuntimeError if self requires no grad, or if grad is None and self has not one element;
        ValueError if the shape of grad is wrong.
        """
        ### BEGIN SOLUTION
        if not self.requires_grad:
            raise RuntimeError("backward() on a tensor that requires no gradient")
        if grad is None:
            if self.data.size != 1:
                raise RuntimeError(f"backward() without argument needs one element, not shape {self.shape}")
            grad = np.ones(self.shape)
        grad = np.asarray(grad, dtype=np.float64)
        if grad.shape != self.shape:
            raise ValueError(f"grad has shape {grad.shape}, the tensor has shape {self.shape}")

        order, seen, stack = [], {id(self)}, [(self, iter(self.edges))]
        while stack:
            node, edges = stack[-1]
            for parent, _ in edges:
                if id(parent) not in seen:
                    seen.add(id(parent))
                    stack.append((parent, iter(parent.edges)))
                    break
            else:
                order.append(node)
                stack.pop()

        for node in order:
            if node.edges:
                node.grad = None
        self._accumulate(grad)
        for node in reversed(order):
            for parent, vjp in node.edges:
                parent._accumulate(vjp(node.grad))
        ### END SOLUTION

    def zero_grad(self):
        """Forget the gradient."""
        ### BEGIN SOLUTION
        self.grad = None
        ### END SOLUTION

    def detach(self):
        """A constant with the same data: gradients do not flow through it."""
        ### BEGIN SOLUTION
        return Tensor(self.data)
        ### END SOLUTION


# %% exercise="ex3-engine-elementwise"
@adds_to(Tensor)
class Arithmetic:
    """Operands are Tensors, numbers or ndarrays; the exponent n is a number."""

    def __neg__(self):
        ### BEGIN SOLUTION
        return self * -1.0
        ### END SOLUTION

    def __sub__(self, other):
        ### BEGIN SOLUTION
        return self + -as_tensor(other)
        ### END SOLUTION

    def __rsub__(self, other):
        ### BEGIN SOLUTION
        return as_tensor(other) - self
        ### END SOLUTION

    def __truediv__(self, other):
        ### BEGIN SOLUTION
        other = as_tensor(other)
        a, b = self.data, other.data
        return Tensor._result("/", a / b, (self, lambda g: g / b), (other, lambda g: -g * a / b**2))
        ### END SOLUTION

    def __rtruediv__(self, other):
        ### BEGIN SOLUTION
        return as_tensor(other) / self
        ### END SOLUTION

    def __pow__(self, n):
        ### BEGIN SOLUTION
        a = self.data
        slope = n * a ** (n - 1) if n != 0 else np.zeros(self.shape)
        return Tensor._result(f"^{n}", a**n, (self, lambda g: g * slope))
        ### END SOLUTION


# %% exercise="ex3-engine-functions"
@adds_to(Tensor)
class Functions:
    """Elementwise functions; each returns a new Tensor of the same shape."""

    def exp(self):
        ### BEGIN SOLUTION
        out = np.exp(self.data)
        return Tensor._result("exp", out, (self, lambda g: g * out))
        ### END SOLUTION

    def log(self):
        ### BEGIN SOLUTION
        a = self.data
        return Tensor._result("log", np.log(a), (self, lambda g: g / a))
        ### END SOLUTION

    def tanh(self):
        ### BEGIN SOLUTION
        out = np.tanh(self.data)
        return Tensor._result("tanh", out, (self, lambda g: g * (1.0 - out**2)))
        ### END SOLUTION

    def sigmoid(self):
        """1 / (1 + exp(-x)), without overflow for any x."""
        ### BEGIN SOLUTION
        small = np.exp(-np.abs(self.data))
        out = np.where(self.data >= 0, 1.0, small) / (1.0 + small)
        return Tensor._result("sigmoid", out, (self, lambda g: g * out * (1.0 - out)))
        ### END SOLUTION

    def relu(self):
        ### BEGIN SOLUTION
        mask = self.data > 0
        return Tensor._result("relu", np.where(mask, self.data, 0.0), (self, lambda g: g * mask))
        ### END SOLUTION


# %% test="ex3-engine-elementwise-test" points=7 exercise_no=3
with check("Exercise 3: elementwise operators") as expect:
    x = Tensor([1.0, 2.0, 4.0], requires_grad=True)
    y = 3.0 - 2.0 / x + x**2
    expect.close(y.data, [2.0, 6.0, 18.5], "3 - 2/x + x**2 at (1, 2, 4)",
        likely="3 - t calls t.__rsub__(3), and 2 / t calls t.__rtruediv__(2): mind the order")
    y.backward(np.ones(3))
    expect.close(x.grad, [4.0, 4.5, 8.125], "its gradient 2/x² + 2x")
    bias = Tensor([0.5, -1.0, 2.0], requires_grad=True)
    out = Tensor(np.ones((2, 3))) * bias
    out.backward(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    expect.shape(bias.grad, (3,), "the gradient of a bias of shape (3,) used with a (2, 3) array")
    expect.close(bias.grad, [11.0, 22.0, 33.0], "the gradient of that bias",
        likely="where broadcasting copied the operand, its gradient is the sum over the copies")
    slopes = {"exp": math.e, "log": 1.0, "tanh": 0.41997434, "sigmoid": 0.19661193, "relu": 1.0}
    for name, slope in slopes.items():
        x = Tensor(1.0, requires_grad=True)
        getattr(x, name)().backward()
        expect.close(x.grad, slope, f"the derivative of {name} at 1", rtol=1e-6)
    expect.why("Broadcasting copies forward, so its backward pass sums: that is the whole secret of biases.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.engine_elementwise(Tensor)
### END HIDDEN TESTS

# %% test="ex3-engine-graph-test" points=6 exercise_no=3
with check("Exercise 3: order and accumulation") as expect:
    x = Tensor(3.0, requires_grad=True)
    (x + x).backward()
    expect.close(x.grad, 2.0, "the gradient of x + x",
        likely="both edges of the add gate lead to x: accumulate, do not assign")
    (x + x).backward()
    expect.close(x.grad, 4.0, "the gradient of a leaf after a second backward",
        likely="leaves accumulate over calls")
    x = Tensor(1.0, requires_grad=True)
    a = 2.0 * x
    b = 3.0 * a
    c = b + a
    loss = c * a
    loss.backward()
    expect.close(x.grad, 32.0, "the gradient of (3a + a) a with a = 2x, at x = 1",
        likely="push a node's gradient on only after ALL its users have reported: reverse topological order")
    loss.backward()
    expect.close(a.grad, 16.0, "the interior gradient dL/da after a second backward",
        likely="interior nodes start from nothing in every call, only leaves accumulate over calls")
    long = x
    for _ in range(5000):
        long = long + 1.0
    x.zero_grad()
    long.backward()
    expect.close(x.grad, 1.0, "the gradient through a chain of 5000 additions",
        likely="a recursive search hits Python's recursion limit: keep your own stack")
    pair = Tensor([1.0, 2.0], requires_grad=True)
    expect.raises(RuntimeError, pair.backward, what="backward() on two elements")
    expect.why("Each node is visited once, after all that use it: the cost grows with edges, not with paths.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.engine_graph(Tensor)
### END HIDDEN TESTS

# %% exercise="ex3-engine-matmul"
@adds_to(Tensor)
class Matmul:
    """`a @ b` as in NumPy: matrices, stacks of matrices with broadcast batch axes, and plain vectors."""

    def __matmul__(self, other):
        ### BEGIN SOLUTION
        other = as_tensor(other)
        a = self.data if self.data.ndim > 1 else self.data[None, :]
        b = other.data if other.data.ndim > 1 else other.data[:, None]
        product = a @ b

        def to_self(g):
            return g.reshape(product.shape) @ np.swapaxes(b, -1, -2)

        def to_other(g):
            grad = np.swapaxes(a, -1, -2) @ g.reshape(product.shape)
            return grad if other.data.ndim > 1 else grad[..., 0]

        return Tensor._result("@", self.data @ other.data, (self, to_self), (other, to_other))
        ### END SOLUTION

    def __rmatmul__(self, other):
        ### BEGIN SOLUTION
        return as_tensor(other) @ self
        ### END SOLUTION


# %% test="ex3-engine-matmul-test" points=3 exercise_no=3
with check("Exercise 3: matrix product") as expect:
    a = Tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    b = Tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]], requires_grad=True)
    (a @ b).backward(np.array([[1.0, 10.0]]))
    expect.shape(a.grad, (1, 3), "the gradient of A")
    expect.close(a.grad, [[1.0, 10.0, -8.0]], "the gradient of A, upstream times B transposed")
    expect.close(b.grad, [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]],
        "the gradient of B, A transposed times upstream")
    weight = Tensor(np.ones((3, 2)), requires_grad=True)
    (np.ones((4, 5, 3)) @ weight).backward(np.ones((4, 5, 2)))
    expect.close(weight.grad, np.full((3, 2), 20.0),
        "the gradient of a weight shared by a batch of 4 matrices",
        likely="exchange the last two axes only, and sum over batch axes that the operand does not have")
    expect.why("These two transposes are where shapes alone almost tell you the answer.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.engine_matmul(Tensor)
### END HIDDEN TESTS

# %% exercise="ex3-engine-reductions"
@adds_to(Tensor)
class Reductions:
    """axis: None (all axes), an int or a tuple of ints; keepdims as in NumPy."""

    def sum(self, axis=None, keepdims=False):
        ### BEGIN SOLUTION
        shape = self.shape

        def to_self(g):
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return np.broadcast_to(g, shape)

        return Tensor._result("sum", self.data.sum(axis=axis, keepdims=keepdims), (self, to_self))
        ### END SOLUTION

    def mean(self, axis=None, keepdims=False):
        ### BEGIN SOLUTION
        total = self.sum(axis, keepdims)
        count = self.data.size // total.data.size
        return total / count
        ### END SOLUTION

    def max(self, axis=None, keepdims=False):
        """Largest entry along axis; equal largest entries share the gradient (the shares sum to 1)."""
        ### BEGIN SOLUTION
        winners = self.data == self.data.max(axis=axis, keepdims=True)
        share = winners / winners.sum(axis=axis, keepdims=True)

        def to_self(g):
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return g * share

        return Tensor._result("max", self.data.max(axis=axis, keepdims=keepdims), (self, to_self))
        ### END SOLUTION


# %% test="ex3-engine-reductions-test" points=4 exercise_no=3
with check("Exercise 3: sum, mean, max") as expect:
    column, row = Tensor(np.ones((3, 1)), requires_grad=True), Tensor(np.ones((1, 4)), requires_grad=True)
    (column + row).sum().backward()
    expect.close(column.grad, np.full((3, 1), 4.0), "the gradient of a (3, 1) column added to a (1, 4) row")
    expect.close(row.grad, np.full((1, 4), 3.0), "the gradient of that row")
    x = Tensor([[1.0, 5.0, 2.0], [4.0, 0.0, 4.5]], requires_grad=True)
    x.sum(axis=1).backward(np.array([1.0, 10.0]))
    expect.close(x.grad, [[1.0, 1.0, 1.0], [10.0, 10.0, 10.0]], "the gradient through sum(axis=1)",
        likely="put the reduced axis back (np.expand_dims) before broadcasting")
    x.zero_grad()
    x.mean(axis=0).backward(np.array([2.0, 4.0, 6.0]))
    expect.close(x.grad, [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], "the gradient through mean(axis=0)",
        likely="divide by the number of entries that were averaged, here 2")
    x.zero_grad()
    x.max(axis=1).backward(np.array([1.0, 10.0]))
    expect.close(x.grad, [[0.0, 1.0, 0.0], [0.0, 0.0, 10.0]], "the gradient through max(axis=1)",
        likely="only the largest entry of each row receives the gradient")
    expect.why("A reduction is a fan-in: sum copies its gradient back, mean divides it, max routes it.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.engine_reductions(Tensor)
### END HIDDEN TESTS

# %% exercise="ex3-engine-indexing"
@adds_to(Tensor)
class Shapes:
    def reshape(self, *shape):
        """The same entries in another shape; one -1 is allowed."""
        ### BEGIN SOLUTION
        old = self.shape
        return Tensor._result("reshape", self.data.reshape(*shape), (self, lambda g: g.reshape(old)))
        ### END SOLUTION

    def transpose(self):
        """Rows and columns of a 2-d tensor exchanged."""
        ### BEGIN SOLUTION
        return Tensor._result("T", self.data.T, (self, lambda g: g.T))
        ### END SOLUTION

    T = property(lambda self: self.transpose())

    def __getitem__(self, index):
        """self.data[index] for slices, integers and integer arrays; an entry may be picked several times."""
        ### BEGIN SOLUTION
        def to_self(g):
            grad = np.zeros(self.shape)
            np.add.at(grad, index, g)
            return grad

        return Tensor._result("[ ]", self.data[index], (self, to_self))
        ### END SOLUTION


# %% test="ex3-engine-indexing-test" points=2 exercise_no=3
with check("Exercise 3: shapes and indices") as expect:
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    x.reshape(3, 2).backward(np.arange(6.0).reshape(3, 2))
    expect.close(x.grad, np.arange(6.0).reshape(2, 3), "the gradient through reshape(3, 2)")
    x.zero_grad()
    x.T.backward(np.array([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]))
    expect.close(x.grad, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "the gradient through .T")
    v = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    v[[0, 0, 2]].backward(np.array([1.0, 10.0, 100.0]))
    expect.close(v.grad, [11.0, 0.0, 100.0], "the gradient through v[[0, 0, 2]]",
        likely="grad[index] += g writes a repeated index once only; np.add.at adds every time")
    expect.why("Picking an entry twice is a fan-out, so its gradients add. Embedding tables learn this way.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.engine_indexing(Tensor)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 Forward mode

# %% exercise="ex4-dual"
class Dual:
    """A value and its tangent: float64 arrays val and dot of one shape, dot = d(val)/dt along some direction.

    Raises ValueError if the shapes differ. Numbers and ndarrays in an expression are constants: tangent 0.
    """

    __array_ufunc__ = None  # makes `ndarray * Dual` call Dual.__rmul__

    def __init__(self, val, dot):
        self.val = np.asarray(val, dtype=np.float64)
        self.dot = np.asarray(dot, dtype=np.float64)
        if self.val.shape != self.dot.shape:
            raise ValueError(f"val has shape {self.val.shape}, dot has shape {self.dot.shape}")

    def __add__(self, other):
        ### BEGIN SOLUTION
        other = as_dual(other)
        return Dual(self.val + other.val, self.dot + other.dot)
        ### END SOLUTION

    def __sub__(self, other):
        ### BEGIN SOLUTION
        other = as_dual(other)
        return Dual(self.val - other.val, self.dot - other.dot)
        ### END SOLUTION

    def __mul__(self, other):
        ### BEGIN SOLUTION
        other = as_dual(other)
        return Dual(self.val * other.val, self.dot * other.val + self.val * other.dot)
        ### END SOLUTION

    def __truediv__(self, other):
        ### BEGIN SOLUTION
        other = as_dual(other)
        dot = (self.dot * other.val - self.val * other.dot) / other.val**2
        return Dual(self.val / other.val, dot)
        ### END SOLUTION

    def __pow__(self, n):
        ### BEGIN SOLUTION
        slope = n * self.val ** (n - 1) if n != 0 else np.zeros(self.val.shape)
        return Dual(self.val**n, slope * self.dot)
        ### END SOLUTION

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other):
        ### BEGIN SOLUTION
        return as_dual(other) - self
        ### END SOLUTION

    def __rtruediv__(self, other):
        ### BEGIN SOLUTION
        return as_dual(other) / self
        ### END SOLUTION


# %% given="dual-linear"
def as_dual(value):
    """`value` itself if it is a Dual, else a Dual with tangent 0."""
    if isinstance(value, Dual):
        return value
    value = np.asarray(value, dtype=np.float64)
    return Dual(value, np.zeros(value.shape))


@adds_to(Dual)
class LinearMaps:
    """A linear map treats value and tangent alike."""

    def __neg__(self):
        return Dual(-self.val, -self.dot)

    def __getitem__(self, index):
        return Dual(self.val[index], self.dot[index])

    def sum(self):
        return Dual(self.val.sum(), self.dot.sum())

    def __matmul__(self, constant):
        return Dual(self.val @ constant, self.dot @ constant)

    def __rmatmul__(self, constant):
        return Dual(constant @ self.val, constant @ self.dot)


# %% exercise="ex4-dual-functions"
@adds_to(Dual)
class DualFunctions:
    """Elementwise functions: the tangent is multiplied by the local derivative."""

    def exp(self):
        ### BEGIN SOLUTION
        out = np.exp(self.val)
        return Dual(out, out * self.dot)
        ### END SOLUTION

    def log(self):
        ### BEGIN SOLUTION
        return Dual(np.log(self.val), self.dot / self.val)
        ### END SOLUTION

    def sin(self):
        ### BEGIN SOLUTION
        return Dual(np.sin(self.val), np.cos(self.val) * self.dot)
        ### END SOLUTION

    def cos(self):
        ### BEGIN SOLUTION
        return Dual(np.cos(self.val), -np.sin(self.val) * self.dot)
        ### END SOLUTION

    def tanh(self):
        ### BEGIN SOLUTION
        out = np.tanh(self.val)
        return Dual(out, (1.0 - out**2) * self.dot)
        ### END SOLUTION


# %% test="ex4-dual-test" points=4 exercise_no=4
with check("Exercise 4: dual numbers") as expect:
    x = Dual(2.0, 1.0)
    expect.close((x**3).dot, 12.0, "the derivative of x**3 at 2")
    expect.close((x * x * x).dot, 12.0, "the derivative of x * x * x at 2",
        likely="the product rule has two terms")
    expect.close((x / (x + 1.0)).dot, 1 / 9, "the derivative of x / (x + 1) at 2",
        likely="(a/b)' = (a' b - a b') / b²: mind the sign and the square")
    expect.close((5.0 - x).dot, -1.0, "the derivative of 5 - x at 2",
        likely="5 - x calls x.__rsub__(5), which is not x - 5")
    expect.close((6.0 / x).dot, -1.5, "the derivative of 6 / x at 2", likely="6 / x calls x.__rtruediv__(6)")
    expect.close((x + 7.0).dot, 1.0, "the derivative of x + 7", likely="the tangent of a constant is 0")
    slopes = [getattr(x, name)().dot for name in ("exp", "log", "sin", "cos", "tanh")]
    expect.close(slopes, [7.3890561, 0.5, -0.41614684, -0.90929743, 0.07065082],
        "the derivatives of exp, log, sin, cos, tanh at 2", rtol=1e-6)
    expect.raises(ValueError, Dual, [1.0, 2.0], [1.0], what="val of shape (2,) with dot of shape (1,)")
    expect.why("Forward mode needs no graph: value and derivative travel together.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.dual(Dual)
### END HIDDEN TESTS

# %% exercise="ex4-jacobian-forward"
def jvp(f, x: np.ndarray, v: np.ndarray) -> tuple:
    """Value and directional derivative of f in one forward pass.

    f:     takes a Dual of shape [n]; returns one Dual, or a list of scalar Duals (numbers allowed)
    x, v:  arrays [n]: the point and the direction
    Returns (f(x), J v) as float64 arrays of equal shape; a list of m scalars becomes an array [m].
    """
    ### BEGIN SOLUTION
    out = f(Dual(x, v))
    if isinstance(out, (list, tuple)):
        out = [as_dual(part) for part in out]
        return np.array([part.val for part in out]), np.array([part.dot for part in out])
    out = as_dual(out)
    return out.val, out.dot
    ### END SOLUTION


def jacobian_forward(f, x: np.ndarray) -> np.ndarray:
    """Jacobian [m, n] of f at x [n], one forward pass per INPUT. f as in jvp; a scalar f gives m = 1."""
    ### BEGIN SOLUTION
    x = np.asarray(x, dtype=np.float64)
    columns = []
    for i in range(x.size):
        direction = np.zeros(x.size)
        direction[i] = 1.0
        tangent = jvp(f, x, direction)[1]
        columns.append(np.atleast_1d(tangent))
    return np.stack(columns, axis=1)
    ### END SOLUTION


# %% test="ex4-jacobian-forward-test" points=3 exercise_no=4
with check("Exercise 4: forward Jacobian") as expect:
    matrix, x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([1.0, 0.0, -1.0])
    value, change = jvp(lambda d: matrix @ d, x, np.array([0.0, 1.0, 1.0]))
    expect.close(value, [-2.0, -2.0], "the value of A x that jvp returns")
    expect.close(change, [5.0, 11.0], "the change of A x along v = (0, 1, 1), which is A v")
    value, change = jvp(lambda d: [d[0], 7.0], x, np.ones(3))
    expect.close(change, [1.0, 0.0], "the change of the list [x0, 7]",
        likely="a plain number in the list is a constant")
    jacobian = jacobian_forward(lambda d: matrix @ d, x)
    expect.close(jacobian, matrix, "the Jacobian of A x, which is A",
        likely="seed one input at a time with 1; what comes back is one COLUMN")
    expect.why("Linear maps only so far, so that a slip in Dual costs nothing here; the next cell goes further.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.jacobian_forward(Dual, jvp, jacobian_forward)
### END HIDDEN TESTS

# %% exercise="ex4-jacobian-reverse"
def jacobian_reverse(f, x: np.ndarray) -> np.ndarray:
    """Jacobian [m, n] of f at x [n] with the Tensor engine, one backward pass per OUTPUT.

    f: takes a Tensor of shape [n]; returns one Tensor (scalar or [m]), or a list of scalar Tensors.
    """
    ### BEGIN SOLUTION
    leaf = Tensor(x, requires_grad=True)
    out = f(leaf)
    outputs = out if isinstance(out, (list, tuple)) else [out]
    rows = []
    for output in outputs:
        for i in np.ndindex(output.shape):
            seed = np.zeros(output.shape)
            seed[i] = 1.0
            leaf.zero_grad()
            output.backward(seed)
            rows.append(leaf.grad)
    return np.stack(rows, axis=0)
    ### END SOLUTION


# %% test="ex4-jacobian-reverse-test" points=2 exercise_no=4
with check("Exercise 4: jacobian_reverse is there") as expect:
    expect.true(callable(jacobian_reverse), "jacobian_reverse has to be a function")
    expect.why("It is graded with an engine of the autograder's own: slips in exercise 3 cost nothing here.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.jacobian_reverse(jacobian_reverse)
### END HIDDEN TESTS

# %% exercise="ex4-passes"
def passes(n: int, m: int, mode: str) -> int:
    """Passes that the full Jacobian of a map from n inputs to m outputs takes in mode "forward" or "reverse".

    Raises ValueError for any other mode.
    """
    ### BEGIN SOLUTION
    if mode == "forward":
        return n
    if mode == "reverse":
        return m
    raise ValueError(f'mode must be "forward" or "reverse", not {mode!r}')
    ### END SOLUTION


# %% test="ex4-passes-test" points=1 exercise_no=4
with check("Exercise 4: the price of a Jacobian") as expect:
    expect.equal(passes(2, 5, "forward"), 2, "forward passes for 2 inputs and 5 outputs",
        likely="forward mode moves one input at a time")
    expect.equal(passes(2, 5, "reverse"), 5, "reverse passes for 2 inputs and 5 outputs",
        likely="reverse mode asks one output at a time")
    expect.raises(ValueError, passes, 2, 5, "sideways", what='the mode "sideways"')
    expect.why("A loss has one output: reverse mode gets its derivatives, millions of them, in one pass.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.passes(passes)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 Activations

# %% given="layer-tools"
def upstream(dy, shape):
    """dy as an array, checked before a backward pass; `shape` is that of the last output, or None.

    Raises ValueError if forward has not run yet or if dy has another shape.
    """
    if shape is None:
        raise ValueError("backward() before forward()")
    dy = np.asarray(dy)
    if dy.shape != shape:
        raise ValueError(f"dy has shape {dy.shape}, the output had shape {shape}")
    return dy


# %% exercise="ex5-sigmoid"
class Sigmoid:
    """y = 1 / (1 + exp(-x)) for x of any shape; float32 stays float32, no x overflows."""

    shape = None  # of the last output

    def forward(self, x):
        """Return y, of the shape of x; keep what backward needs."""
        ### BEGIN SOLUTION
        x = np.asarray(x)
        small = np.exp(-np.abs(x))
        self.y = np.where(x >= 0, 1.0, small) / (1.0 + small)
        self.shape = x.shape
        return self.y
        ### END SOLUTION

    def backward(self, dy):
        """dL/dy -> dL/dx, both of the shape of x. ValueError before forward and for a wrong shape of dy."""
        ### BEGIN SOLUTION
        dy = upstream(dy, self.shape)
        return dy * self.y * (1.0 - self.y)
        ### END SOLUTION


# %% test="ex5-sigmoid-test" points=2 exercise_no=5
with check("Exercise 5: Sigmoid") as expect:
    layer = Sigmoid()
    expect.close(layer.forward(np.array([0.0, 2.0])), [0.5, 0.880797], "σ at 0 and 2", rtol=1e-6)
    expect.close(layer.backward(np.array([1.0, 10.0])), [0.25, 1.0499359],
        "dx at 0 and 2 for dy = (1, 10)", rtol=1e-6,
        likely="σ' = y (1 - y) with y the output itself, not σ of the output; then times dy")
    with np.errstate(over="raise", invalid="raise"):
        expect.close(layer.forward(np.array([-1000.0, 1000.0])), [0.0, 1.0], "σ at -1000 and 1000",
            likely="exp of a large positive number overflows: only take exp(-|x|)")
    expect.raises(ValueError, Sigmoid().backward, np.ones(2), what="backward before forward")
    expect.why("Never more than 1/4 of the gradient gets through a sigmoid, next to none once |x| is large.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.sigmoid(Sigmoid)
### END HIDDEN TESTS

# %% exercise="ex5-tanh"
class Tanh:
    """y = tanh(x) for x of any shape."""

    shape = None

    def forward(self, x):
        """Return y, of the shape of x; keep what backward needs."""
        ### BEGIN SOLUTION
        self.y = np.tanh(x)
        self.shape = self.y.shape
        return self.y
        ### END SOLUTION

    def backward(self, dy):
        """dL/dy -> dL/dx, both of the shape of x. ValueError before forward and for a wrong shape of dy."""
        ### BEGIN SOLUTION
        dy = upstream(dy, self.shape)
        return dy * (1.0 - self.y**2)
        ### END SOLUTION


# %% test="ex5-tanh-test" points=2 exercise_no=5
with check("Exercise 5: Tanh") as expect:
    layer = Tanh()
    expect.close(layer.forward(np.array([0.0, 1.0])), [0.0, 0.76159416], "tanh at 0 and 1", rtol=1e-6)
    expect.close(layer.backward(np.array([1.0, 1.0])), [1.0, 0.41997434], "tanh' at 0 and 1", rtol=1e-6,
        likely="tanh' = 1 - y², with the square")
    expect.raises(ValueError, layer.backward, np.ones((2, 1)), what="a dy of shape (2, 1) for an output (2,)")
    expect.why("tanh lets the whole gradient through at 0: four times as much as the sigmoid.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.tanh(Tanh)
### END HIDDEN TESTS

# %% exercise="ex5-relu"
class ReLU:
    """y = max(0, x) for x of any shape. At x = 0 any slope in [0, 1] is right."""

    shape = None

    def forward(self, x):
        """Return y, of the shape of x, in an array of its own; keep what backward needs."""
        ### BEGIN SOLUTION
        x = np.asarray(x)
        self.mask = x > 0
        self.shape = x.shape
        return np.maximum(x, 0)
        ### END SOLUTION

    def backward(self, dy):
        """dL/dy -> dL/dx, both of the shape of x. ValueError before forward and for a wrong shape of dy."""
        ### BEGIN SOLUTION
        dy = upstream(dy, self.shape)
        return dy * self.mask
        ### END SOLUTION


# %% test="ex5-relu-test" points=2 exercise_no=5
with check("Exercise 5: ReLU") as expect:
    layer, x = ReLU(), np.array([-2.0, 3.0, 0.5])
    expect.close(layer.forward(x), [0.0, 3.0, 0.5], "relu(-2, 3, 0.5)")
    expect.close(x, [-2.0, 3.0, 0.5], "the caller's x after forward",
        likely="do not write zeros into x: make a new array")
    expect.close(layer.backward(np.array([-5.0, -7.0, 2.0])), [0.0, -7.0, 2.0], "dx for dy = (-5, -7, 2)",
        likely="the switch is set by the sign of x in the forward pass, not by the sign of dy")
    expect.why("A ReLU is a switch: set in the forward pass, obeyed in the backward pass.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.relu(ReLU)
### END HIDDEN TESTS

# %% exercise="ex5-leaky-relu"
class LeakyReLU:
    """y = x for x > 0, alpha x otherwise; alpha is any fixed number."""

    shape = None

    def __init__(self, alpha: float = 0.01):
        self.alpha = alpha

    def forward(self, x):
        """Return y, of the shape of x; keep what backward needs."""
        ### BEGIN SOLUTION
        x = np.asarray(x)
        self.mask = x > 0
        self.shape = x.shape
        return np.where(self.mask, x, self.alpha * x)
        ### END SOLUTION

    def backward(self, dy):
        """dL/dy -> dL/dx, both of the shape of x. ValueError before forward and for a wrong shape of dy."""
        ### BEGIN SOLUTION
        dy = upstream(dy, self.shape)
        return np.where(self.mask, dy, self.alpha * dy)
        ### END SOLUTION


# %% test="ex5-leaky-relu-test" points=2 exercise_no=5
with check("Exercise 5: LeakyReLU") as expect:
    layer = LeakyReLU()
    expect.close(layer.forward(np.array([-2.0, 3.0])), [-0.02, 3.0], "leaky relu of (-2, 3)")
    expect.close(layer.backward(np.array([10.0, 10.0])), [0.1, 10.0], "dx for dy = (10, 10)",
        likely="the slope alpha belongs into the backward pass as well")
    expect.close(LeakyReLU(1.5).forward(np.array([-2.0, 3.0])), [-3.0, 3.0], "alpha = 1.5 at (-2, 3)",
        likely="max(alpha x, x) is wrong for alpha > 1: decide by the sign of x")
    expect.why("No half line on which the unit is deaf: a leaky unit can always recover.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.leaky_relu(LeakyReLU)
### END HIDDEN TESTS

# %% exercise="ex5-prelu"
class PReLU:
    """y = x for x > 0, alpha x otherwise; alpha [P] is learned, P = 1 or one per feature (axis 1)."""

    shape = None

    def __init__(self, num_parameters: int = 1, init: float = 0.25):
        self.alpha = np.full(num_parameters, init, dtype=np.float64)  # [P]
        self.dalpha = np.zeros(num_parameters)  # [P], set by backward

    def slopes(self, x):
        """alpha in a shape that broadcasts against x. ValueError if the number of features is not P."""
        shape = [1] * x.ndim
        if self.alpha.size > 1:
            if x.ndim < 2 or x.shape[1] != self.alpha.size:
                raise ValueError(f"{self.alpha.size} slopes do not fit an input of shape {x.shape}")
            shape[1] = self.alpha.size
        return self.alpha.reshape(shape)

    def forward(self, x):
        """Return y, of the shape of x; keep what backward needs."""
        ### BEGIN SOLUTION
        self.x = np.asarray(x)
        self.shape = self.x.shape
        return np.where(self.x > 0, self.x, self.slopes(self.x) * self.x)
        ### END SOLUTION

    def backward(self, dy):
        """dL/dy -> dL/dx; sets dalpha [P], summed over all entries that share a slope. ValueError."""
        ### BEGIN SOLUTION
        dy = upstream(dy, self.shape)
        per_entry = np.where(self.x > 0, 0.0, dy * self.x)
        if self.alpha.size == 1:
            self.dalpha = per_entry.sum().reshape(1)
        else:
            others = tuple(axis for axis in range(self.x.ndim) if axis != 1)
            self.dalpha = per_entry.sum(axis=others)
        return np.where(self.x > 0, dy, self.slopes(self.x) * dy)
        ### END SOLUTION


# %% test="ex5-prelu-test" points=2 exercise_no=5
with check("Exercise 5: PReLU") as expect:
    layer = PReLU()
    expect.close(layer.forward(np.array([-2.0, 3.0])), [-0.5, 3.0], "prelu of (-2, 3) with alpha = 0.25")
    expect.close(layer.backward(np.array([1.0, 1.0])), [0.25, 1.0], "dx for dy = (1, 1)")
    expect.close(layer.dalpha, [-2.0], "dalpha for x = (-2, 3), dy = (1, 1)",
        likely="dalpha = sum over x < 0 of dy * x: a sum, not a mean, and with the factor x")
    layer = PReLU(2)
    layer.forward(np.array([[-1.0, -2.0], [-3.0, 4.0], [5.0, -6.0]]))
    layer.backward(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 10.0]]))
    expect.close(layer.dalpha, [-4.0, -62.0], "dalpha of two features, batch of 3",
        likely="sum over the batch, keep the features apart")
    expect.why("The slope is a parameter like any other: shared by many entries, so its gradient is a sum.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.prelu(PReLU)
### END HIDDEN TESTS

# %% exercise="ex5-elu"
class ELU:
    """y = x for x > 0, alpha (exp(x) - 1) otherwise."""

    shape = None

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def forward(self, x):
        """Return y, of the shape of x, without overflow for any x; keep what backward needs."""
        ### BEGIN SOLUTION
        x = np.asarray(x)
        negative = np.minimum(x, 0)
        self.slope = np.where(x > 0, 1.0, self.alpha * np.exp(negative))
        self.shape = x.shape
        return np.where(x > 0, x, self.alpha * np.expm1(negative))
        ### END SOLUTION

    def backward(self, dy):
        """dL/dy -> dL/dx, both of the shape of x. ValueError before forward and for a wrong shape of dy."""
        ### BEGIN SOLUTION
        dy = upstream(dy, self.shape)
        return dy * self.slope
        ### END SOLUTION


# %% test="ex5-elu-test" points=2 exercise_no=5
with check("Exercise 5: ELU") as expect:
    layer = ELU()
    expect.close(layer.forward(np.array([-1.0, 2.0])), [-0.63212056, 2.0], "ELU at -1 and 2", rtol=1e-6)
    expect.close(layer.backward(np.array([1.0, 1.0])), [0.36787944, 1.0], "ELU' at -1 and 2", rtol=1e-6,
        likely="the slope is 1 for x > 0 and alpha exp(x) for x < 0, not the other way round")
    layer = ELU(0.3)
    expect.close(layer.forward(np.array([-50.0])), [-0.3], "ELU with alpha = 0.3 far to the left",
        likely="the limit is -alpha")
    expect.close(layer.forward(np.array([-0.5])), [-0.11804080], "ELU with alpha = 0.3 at -0.5", rtol=1e-6)
    expect.close(layer.backward(np.array([1.0])), [0.18195920], "its slope there", rtol=1e-6,
        likely="alpha is a factor of the slope too")
    expect.why("ELU saturates on the left only, at -alpha: its outputs can average to zero.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.elu(ELU)
### END HIDDEN TESTS

# %% exercise="ex5-maxout"
class Maxout:
    """y[n, o] = max over k of (x W[k] + b[k])[n, o]: the largest of k affine maps, d_in to d_out features."""

    shape = None

    def __init__(self, d_in: int, d_out: int, k: int, rng: np.random.Generator):
        if k < 1:
            raise ValueError(f"Maxout needs k >= 1 pieces, not {k}")
        self.W = rng.normal(0.0, np.sqrt(2.0 / d_in), size=(k, d_in, d_out))  # [k, d_in, d_out]
        self.b = np.zeros((k, d_out))  # [k, d_out]
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)  # set by backward

    def forward(self, x):
        """x [N, d_in] -> y [N, d_out]; ValueError for another shape of x."""
        ### BEGIN SOLUTION
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.W.shape[1]:
            raise ValueError(f"expected x of shape [N, {self.W.shape[1]}], got {x.shape}")
        pieces = np.einsum("ni,kio->kno", x, self.W) + self.b[:, None, :]
        winner = pieces.argmax(axis=0)
        self.x = x
        self.wins = winner[None] == np.arange(len(self.W))[:, None, None]
        y = pieces.max(axis=0)
        self.shape = y.shape
        return y
        ### END SOLUTION

    def backward(self, dy):
        """dy [N, d_out] -> dx [N, d_in]; sets dW and db. Only the winning piece receives the gradient."""
        ### BEGIN SOLUTION
        dy = upstream(dy, self.shape)
        to_piece = dy[None] * self.wins
        self.dW = np.einsum("ni,kno->kio", self.x, to_piece)
        self.db = to_piece.sum(axis=1)
        return np.einsum("kno,kio->ni", to_piece, self.W)
        ### END SOLUTION


# %% test="ex5-maxout-test" points=2 exercise_no=5
with check("Exercise 5: Maxout") as expect:
    layer = Maxout(1, 1, 2, np.random.default_rng(0))
    layer.W, layer.b = np.array([[[1.0]], [[-1.0]]]), np.zeros((2, 1))
    expect.close(layer.forward(np.array([[-3.0], [2.0]])), [[3.0], [2.0]],
        "Maxout with W = (1, -1), which is |x|, at -3 and 2")
    expect.close(layer.backward(np.array([[1.0], [10.0]])), [[-1.0], [10.0]], "dx for dy = (1, 10)",
        likely="multiply by the W of the piece that won, for each example")
    expect.close(layer.dW, [[[20.0]], [[-3.0]]], "dW", likely="only the winning piece learns from an example")
    expect.close(layer.db, [[10.0], [1.0]], "db", likely="only the winning piece learns from an example")
    expect.raises(ValueError, Maxout, 2, 2, 0, np.random.default_rng(0), what="k = 0 pieces")
    expect.why("The max gate again, now between whole affine maps; |x|, ReLU and PReLU are special cases.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.maxout(Maxout)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 Affine layer and losses

# %% exercise="ex6-linear"
class Linear:
    """y = x W + b with W [d_in, d_out] and b [d_out]; rows of x are examples."""

    shape = None

    def __init__(self, d_in: int, d_out: int, rng: np.random.Generator, gain: float = 2.0):
        """W from a normal distribution with mean 0 and VARIANCE gain / d_in, drawn from rng; b = 0."""
        ### BEGIN SOLUTION
        self.W = rng.normal(0.0, np.sqrt(gain / d_in), size=(d_in, d_out))
        self.b = np.zeros(d_out)
        ### END SOLUTION

    def forward(self, x):
        """x [N, d_in] -> y [N, d_out]; ValueError for another shape of x."""
        ### BEGIN SOLUTION
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.W.shape[0]:
            raise ValueError(f"expected x of shape [N, {self.W.shape[0]}], got {x.shape}")
        self.x = x
        y = x @ self.W + self.b
        self.shape = y.shape
        return y
        ### END SOLUTION

    def backward(self, dy):
        """dy [N, d_out] -> dx [N, d_in]; sets (does not add to) dW [d_in, d_out] and db [d_out]."""
        ### BEGIN SOLUTION
        dy = upstream(dy, self.shape)
        self.dW = self.x.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T
        ### END SOLUTION


# %% test="ex6-linear-test" points=4 exercise_no=6
with check("Exercise 6: Linear") as expect:
    layer = Linear(3, 2, np.random.default_rng(0))
    expect.shape(layer.W, (3, 2), "W of Linear(3, 2)")
    expect.close(layer.b, np.zeros(2), "b at the start")
    layer.W, layer.b = np.array([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]]), np.array([0.5, -0.5])
    x, dy = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([[1.0, 10.0], [100.0, 1000.0]])
    expect.close(layer.forward(x), [[7.5, -1.5], [16.5, -1.5]], "x W + b")
    dx = layer.backward(dy)
    expect.shape(dx, (2, 3), "dx")
    expect.close(dx, [[1.0, 10.0, -8.0], [100.0, 1000.0, -800.0]], "dx", likely="dx = dy Wᵀ")
    expect.close(layer.dW, [[401.0, 4010.0], [502.0, 5020.0], [603.0, 6030.0]], "dW",
        likely="dW = xᵀ dy: it contracts the batch axis")
    expect.close(layer.db, [101.0, 1010.0], "db",
        likely="db is the SUM of dy over the batch; the 1/N belongs to the loss")
    layer.backward(dy)
    expect.close(layer.db, [101.0, 1010.0], "db after a second backward",
        likely="set dW and db, do not add to them")
    wide = Linear(400, 50, np.random.default_rng(1))
    expect.close(wide.W.std(), np.sqrt(2 / 400), "the spread of W for d_in = 400", rtol=0.03,
        likely="gain / d_in is the variance: the standard deviation is its square root")
    expect.why("Three contractions. The batch axis vanishes in dW and db because all examples share W and b.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.linear(Linear)
### END HIDDEN TESTS

# %% exercise="ex6-softmax-cross-entropy"
class SoftmaxCrossEntropy:
    """Mean over the batch of -log softmax(logits)[label]."""

    probabilities = None

    def forward(self, logits, y) -> float:
        """logits [N, K], y [N] integers in 0 .. K-1 -> the mean loss, a float; finite for logits of +-10000.

        Raises ValueError for other shapes and for labels that are not integers in 0 .. K-1.
        """
        ### BEGIN SOLUTION
        logits, y = np.asarray(logits), np.asarray(y)
        if logits.ndim != 2 or y.shape != logits.shape[:1]:
            raise ValueError(f"expected logits [N, K] and y [N], got {logits.shape} and {y.shape}")
        if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= logits.shape[1]:
            raise ValueError(f"labels must be integers in 0 .. {logits.shape[1] - 1}")
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        log_p = shifted - log_sum
        self.probabilities, self.y = np.exp(log_p), y
        return float(-log_p[np.arange(len(y)), y].mean())
        ### END SOLUTION

    def backward(self) -> np.ndarray:
        """dL/dlogits [N, K] of the last forward; the same array however often it is called."""
        ### BEGIN SOLUTION
        if self.probabilities is None:
            raise ValueError("backward() before forward()")
        grad = self.probabilities.copy()
        grad[np.arange(len(self.y)), self.y] -= 1.0
        return grad / len(self.y)
        ### END SOLUTION


# %% test="ex6-softmax-cross-entropy-test" points=4 exercise_no=6
with check("Exercise 6: softmax cross-entropy") as expect:
    loss = SoftmaxCrossEntropy()
    expect.close(loss.forward(np.zeros((2, 4)), np.array([0, 3])), math.log(4),
        "the loss of equal logits, 4 classes")
    grad = loss.backward()
    expect.close(grad, [[-0.375, 0.125, 0.125, 0.125], [0.125, 0.125, 0.125, -0.375]], "its gradient, N = 2",
        likely="(softmax - one-hot) / N: subtract 1 at the label, and do not forget the mean over the batch")
    expect.close(loss.backward(), grad, "a second call of backward",
        likely="do not subtract from the cached softmax: copy it")
    value = loss.forward(np.array([[1.0, 3.0, -2.0], [0.0, 0.5, 4.0]]), np.array([0, 1]))
    expect.close(value, 2.84010911, "the loss of two uneven rows", rtol=1e-6,
        likely="softmax runs over the classes, axis 1")
    expect.close(loss.backward().sum(axis=1), [0.0, 0.0], "the sums of the gradient's rows")
    with np.errstate(over="raise", invalid="raise"):
        expect.close(loss.forward(np.array([[1e4, 0.0]]), np.array([1])), 1e4,
            "the loss of the logits (10000, 0), label 1",
            likely="subtract the largest logit of each row before exp; take log p without log(0)")
    expect.why("Probability minus truth, over N: the commonest loss of the course has its simplest gradient.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.softmax_cross_entropy(SoftmaxCrossEntropy)
### END HIDDEN TESTS

# %% exercise="ex6-mse"
class MSE:
    """Squared error: sum over the K outputs, mean over the N examples."""

    difference = None

    def forward(self, f, y) -> float:
        """f, y [N, K] -> a float. Raises ValueError unless both are 2-d and of one shape."""
        ### BEGIN SOLUTION
        f, y = np.asarray(f), np.asarray(y)
        if f.ndim != 2 or f.shape != y.shape:
            raise ValueError(f"expected two arrays [N, K] of one shape, got {f.shape} and {y.shape}")
        self.difference = f - y
        return float((self.difference**2).sum() / len(f))
        ### END SOLUTION

    def backward(self) -> np.ndarray:
        """dL/df [N, K] of the last forward."""
        ### BEGIN SOLUTION
        if self.difference is None:
            raise ValueError("backward() before forward()")
        return 2.0 * self.difference / len(self.difference)
        ### END SOLUTION


# %% test="ex6-mse-test" points=2 exercise_no=6
with check("Exercise 6: squared error") as expect:
    loss = MSE()
    f = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    y = np.array([[0.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    expect.close(loss.forward(f, y), 9.0, "(1 + 4 + 9 + 4) / 2",
        likely="sum over the outputs, mean over the examples only")
    expect.close(loss.backward(), [[1.0, 2.0, 3.0], [0.0, -2.0, 0.0]], "its gradient",
        likely="2 (f - y) / N: the factor 2 stays, and N is the number of rows")
    expect.why("Mean or sum is part of the loss, so it is part of the backward pass.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.mse(MSE)
### END HIDDEN TESTS

# %% exercise="ex6-bce"
class BCEWithLogits:
    """Mean over the batch of -y log σ(z) - (1 - y) log(1 - σ(z)), computed from the logits z."""

    z = None

    def forward(self, z, y) -> float:
        """z [N] logits, y [N] labels in [0, 1] -> a float; finite for every z.

        Raises ValueError unless both are 1-d and of one shape, and for labels outside [0, 1].
        """
        ### BEGIN SOLUTION
        z, y = np.asarray(z, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if z.ndim != 1 or z.shape != y.shape:
            raise ValueError(f"expected z [N] and y [N], got {z.shape} and {y.shape}")
        if y.min() < 0 or y.max() > 1:
            raise ValueError("labels must lie in [0, 1]")
        self.z, self.y = z, y
        return float((np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))).mean())
        ### END SOLUTION

    def backward(self) -> np.ndarray:
        """dL/dz [N] of the last forward."""
        ### BEGIN SOLUTION
        if self.z is None:
            raise ValueError("backward() before forward()")
        small = np.exp(-np.abs(self.z))
        sigma = np.where(self.z >= 0, 1.0, small) / (1.0 + small)
        return (sigma - self.y) / len(self.y)
        ### END SOLUTION


# %% test="ex6-bce-test" points=2 exercise_no=6
with check("Exercise 6: binary cross-entropy") as expect:
    loss = BCEWithLogits()
    expect.close(loss.forward(np.array([0.0, 2.0]), np.array([1, 0])), 1.41003760,
        "z = (0, 2), y = (1, 0)", rtol=1e-6)
    expect.close(loss.backward(), [-0.25, 0.44039854], "its gradient (σ(z) - y) / N", rtol=1e-6)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        expect.close(loss.forward(np.array([1000.0, -1000.0]), np.array([0, 1])), 1000.0,
            "the loss at z = ±1000, both wrong",
            likely="max(z, 0) - z y + log(1 + exp(-|z|)) is the same function and never overflows")
    expect.why("One logit, one sigmoid, and again: probability minus truth, over N.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.bce(BCEWithLogits)
### END HIDDEN TESTS

# %% [markdown]
# ## 7 Composing and training

# %% given="stand-ins"
class Scale:
    """A toy layer y = W x with one number W: just enough to test a container."""

    def __init__(self, W):
        self.W, self.dW = np.array([float(W)]), np.zeros(1)

    def forward(self, x):
        self.x = x
        return self.W * x

    def backward(self, dy):
        self.dW = np.array([(dy * self.x).sum()])
        return self.W * dy


class Square:
    """A toy layer y = x² without parameters."""

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dy):
        return 2 * self.x * dy


class OneLayer:
    """A toy network of one layer, with the methods that training code relies on."""

    def __init__(self, layer):
        self.layer = layer
        self.forward, self.backward = layer.forward, layer.backward

    def parameters(self):
        return [(self.layer, "W")]


# %% exercise="ex7-sequential"
class Sequential:
    """Layers applied one after the other; Sequential() without layers is the identity."""

    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        """x through all layers, in order."""
        ### BEGIN SOLUTION
        for layer in self.layers:
            x = layer.forward(x)
        return x
        ### END SOLUTION

    def backward(self, dy):
        """dL/d(output) -> dL/d(input); every layer sets the gradients of its parameters."""
        ### BEGIN SOLUTION
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy
        ### END SOLUTION

    def parameters(self) -> list:
        """Pairs (layer, name) for every array among W, b, alpha of every layer, so that
        getattr(layer, name) is the parameter and getattr(layer, "d" + name) its gradient."""
        ### BEGIN SOLUTION
        pairs = []
        for layer in self.layers:
            for name in ("W", "b", "alpha"):
                if isinstance(getattr(layer, name, None), np.ndarray):
                    pairs.append((layer, name))
        return pairs
        ### END SOLUTION


# %% test="ex7-sequential-test" points=3 exercise_no=7
with check("Exercise 7: Sequential") as expect:
    first, last = Scale(3.0), Scale(10.0)
    net = Sequential(first, Square(), last)
    expect.close(net.forward(np.array([1.0, 2.0])), [90.0, 360.0], "10 (3x)² at 1 and 2",
        likely="apply the layers in order")
    expect.close(net.backward(np.array([1.0, 1.0])), [180.0, 360.0], "its derivative 180 x",
        likely="walk through the layers in REVERSE; each gets the gradient that the one behind it returned")
    expect.close(last.dW, [45.0], "the gradient of the last layer's W")
    expect.close(first.dW, [300.0], "the gradient of the first layer's W")
    expect.equal([name for _, name in net.parameters()], ["W", "W"], "the names in parameters()",
        likely="list a (layer, name) pair for every array among W, b, alpha; Square has none")
    expect.close(Sequential().forward(np.array([5.0])), [5.0], "the empty network at 5")
    expect.why("Forward in order, backward in reverse: the same two lines work for a network of any depth.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.sequential(Sequential)
### END HIDDEN TESTS

# %% exercise="ex7-sgd-step"
def sgd_step(net, lr: float) -> None:
    """One step of gradient descent: p <- p - lr * dp for every pair (layer, name) of net.parameters()."""
    ### BEGIN SOLUTION
    for layer, name in net.parameters():
        value = getattr(layer, name)
        gradient = getattr(layer, "d" + name)
        setattr(layer, name, value - lr * gradient)
    ### END SOLUTION


# %% test="ex7-sgd-step-test" points=1 exercise_no=7
with check("Exercise 7: one SGD step") as expect:
    layer = Scale(3.0)
    layer.dW = np.array([4.0])
    sgd_step(OneLayer(layer), lr=0.5)
    expect.close(layer.W, [1.0], "W = 3 with gradient 4 after a step of lr = 0.5",
        likely="the new value has to reach the layer: setattr(layer, name, ...) or change the array in place")
    expect.why("Downhill by lr times the gradient, for each parameter, after ALL gradients are known.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.sgd_step(sgd_step)
### END HIDDEN TESTS

# %% exercise="ex7-train-epoch"
def train_epoch(net, loss, X, y, batch_size: int, lr: float, rng: np.random.Generator) -> float:
    """Train for one pass over the data, in a fresh random order, and return the mean loss over all examples.

    net has forward, backward, parameters; loss has forward(output, y) -> float and backward() -> d(output).
    X [N, ...] and y [N] stay as they are; the last batch may be shorter.
    The loss of each batch is the one before its own step.
    """
    ### BEGIN SOLUTION
    order = rng.permutation(len(X))
    total = 0.0
    for start in range(0, len(X), batch_size):
        batch = order[start : start + batch_size]
        value = loss.forward(net.forward(X[batch]), y[batch])
        net.backward(loss.backward())
        sgd_step(net, lr)
        total += value * len(batch)
    return total / len(X)
    ### END SOLUTION


# %% test="ex7-train-epoch-test" points=3 exercise_no=7
with check("Exercise 7: train_epoch is there") as expect:
    expect.true(callable(train_epoch), "train_epoch has to be a function")
    expect.why("It is graded with a network, a loss and an sgd_step of the autograder's own.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.train_epoch(train_epoch)
### END HIDDEN TESTS

# %% exercise="ex7-predict"
def predict(net, X) -> np.ndarray:
    """The class with the largest output for every row of X: integers [N]."""
    ### BEGIN SOLUTION
    return net.forward(X).argmax(axis=1)
    ### END SOLUTION


# %% test="ex7-predict-test" points=1 exercise_no=7
with check("Exercise 7: predict") as expect:
    classes = predict(OneLayer(Scale(1.0)), np.array([[0.1, 0.9, 0.0], [3.0, -1.0, 2.0]]))
    expect.shape(classes, (2,), "the predictions for two examples")
    expect.equal(classes, [1, 0], "the classes with the largest output",
        likely="the classes lie along axis 1")
    expect.why("Softmax is not needed here: it does not change which logit is the largest.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.predict(predict)
### END HIDDEN TESTS

# %% [markdown]
# ## 8 What depth buys

# %% exercise="ex8-count-pieces"
def count_linear_pieces(Ws: list, bs: list, lo: float, hi: float) -> int:
    """Number of maximal linear pieces on [lo, hi] of a ReLU network from a number to a number.

    Ws:  weight matrices [1, m1], [m1, m2], ..., [mL, 1];  bs: biases [m1], ..., [1]
    ReLU follows every layer but the last. Neighbouring pieces count as one if their slopes differ by at most
    1e-9 times the larger of the two absolute slopes, or by at most 1e-12.
    Raises ValueError if lo >= hi.
    """
    ### BEGIN SOLUTION
    if lo >= hi:
        raise ValueError(f"need lo < hi, got {lo} and {hi}")
    tiny = 1e-12 * (hi - lo)
    segments = [(lo, hi, np.zeros(1), np.ones(1))]
    for W, b in zip(Ws[:-1], bs[:-1], strict=True):
        refined = []
        for left, right, intercept, slope in segments:
            intercept, slope = intercept @ W + b, slope @ W
            bends = slope != 0
            knots = [left]
            for knot in np.sort(-intercept[bends] / slope[bends]):
                if knots[-1] + tiny < knot < right - tiny:
                    knots.append(knot)
            knots.append(right)
            for start, stop in pairwise(knots):
                active = intercept + slope * (start + stop) / 2 > 0
                refined.append((start, stop, intercept * active, slope * active))
        segments = refined

    slopes = [(slope @ Ws[-1]).item() for *_, slope in segments]
    pieces = 1
    for before, after in pairwise(slopes):
        if abs(after - before) > max(1e-9 * max(abs(before), abs(after)), 1e-12):
            pieces += 1
    return pieces
    ### END SOLUTION


# %% test="ex8-count-pieces-test" points=3 exercise_no=8
with check("Exercise 8: counting pieces") as expect:
    Ws, bs = [np.ones((1, 3)), np.array([[1.0], [2.0], [-4.0]])], [np.array([-1.0, -2.0, -3.0]), np.zeros(1)]
    expect.equal(count_linear_pieces(Ws, bs, 0.0, 4.0), 4,
        "pieces of three ReLU with knots 1, 2, 3 on [0, 4]",
        likely="three knots separate four pieces")
    expect.equal(count_linear_pieces(Ws, bs, 1.0, 2.5), 2, "pieces on [1, 2.5]",
        likely="knots at the ends separate nothing")
    silent = [Ws[0], np.array([[1.0], [0.0], [-4.0]])]
    expect.equal(count_linear_pieces(silent, bs, 0.0, 4.0), 3, "pieces when the second unit has weight 0",
        likely="merge neighbouring pieces of equal slope")
    expect.raises(ValueError, count_linear_pieces, Ws, bs, 4.0, 0.0, what="lo = 4, hi = 0")
    expect.why("Exact counting needs no grid: between knots everything is a straight line, in every layer.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.count_pieces(count_linear_pieces)
### END HIDDEN TESTS

# %% exercise="ex8-tent-network"
def tent_network(depth: int) -> tuple:
    """Weights (Ws, bs) of a ReLU network that applies the tent map `depth` times on [0, 1].

    tent(x) = 2 relu(x) - 4 relu(x - 1/2): it rises from 0 to 1 and falls back to 0.
    Every hidden layer has 2 units: Ws[0] [1, 2], Ws[1 .. depth-1] [2, 2], Ws[depth] [2, 1]; bs to match.
    Raises ValueError if depth < 1.
    """
    ### BEGIN SOLUTION
    if depth < 1:
        raise ValueError(f"depth must be at least 1, not {depth}")
    read = np.ones((1, 2))
    tent = np.array([[2.0], [-4.0]])
    Ws = [read] + [tent @ read for _ in range(depth - 1)] + [tent]
    bs = [np.array([0.0, -0.5]) for _ in range(depth)] + [np.zeros(1)]
    return Ws, bs
    ### END SOLUTION


# %% given="relu-net"
def relu_net(Ws, bs, x):
    """Values [P] of the ReLU network (Ws, bs) at the points x [P]."""
    h = np.asarray(x, dtype=np.float64)[:, None]  # (P, 1)
    for W, b in zip(Ws[:-1], bs[:-1], strict=True):
        h = np.maximum(h @ W + b, 0.0)
    return (h @ Ws[-1] + bs[-1])[:, 0]


# %% test="ex8-tent-network-test" points=2 exercise_no=8
with check("Exercise 8: the tent network") as expect:
    Ws, bs = tent_network(1)
    expect.close(relu_net(Ws, bs, [0.0, 0.25, 0.5, 1.0]), [0.0, 0.5, 1.0, 0.0], "one tent at 0, 1/4, 1/2, 1")
    Ws, bs = tent_network(3)
    expect.equal([W.shape for W in Ws], [(1, 2), (2, 2), (2, 2), (2, 1)], "the shapes of Ws for depth 3")
    expect.close(relu_net(Ws, bs, np.arange(9) / 8), [0, 1, 0, 1, 0, 1, 0, 1, 0],
        "three tents at 0, 1/8, ..., 1",
        likely="between hidden layers, fold one tent's output weights into the next one's input weights")
    expect.raises(ValueError, tent_network, 0, what="depth 0")
    expect.why("Every layer folds the line once more: two units double the number of pieces.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.tent_network(tent_network)
### END HIDDEN TESTS

# %% exercise="ex8-max-regions"
def max_regions_shallow(units: int, n: int) -> int:
    """Most linear regions of one hidden layer of ReLU over n inputs: sum over j = 0 .. n of C(units, j)."""
    ### BEGIN SOLUTION
    return sum(math.comb(units, j) for j in range(n + 1))
    ### END SOLUTION


# %% test="ex8-max-regions-test" points=1 exercise_no=8
with check("Exercise 8: regions of a shallow network") as expect:
    expect.equal(max_regions_shallow(3, 1), 4, "3 units on the line",
        likely="the sum starts at j = 0 and includes j = n")
    expect.equal(max_regions_shallow(3, 2), 7, "3 units in the plane: three lines cut it into 7 parts")
    expect.why("Polynomial in the units for fixed n. The tent network is exponential in its depth.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.max_regions(max_regions_shallow)
### END HIDDEN TESTS

# %% [markdown]
# ## Experiments

# %% test="exA-digits-test" points=2
with check("Experiment A: the network fits together") as expect:
    rng = np.random.default_rng(0)
    net = Sequential(Linear(784, 100, rng), ReLU(), Linear(100, 100, rng), ReLU(), Linear(100, 10, rng))
    expect.shape(net.forward(np.zeros((5, 784))), (5, 10), "the output for 5 blank digits")
    expect.why("Graded by training it afresh on real digits.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.experiment_digits(Sequential, Linear, ReLU, SoftmaxCrossEntropy, train_epoch, predict)
### END HIDDEN TESTS

# %% test="exB-spiral-test" points=2
with check("Experiment B: the engine builds a network") as expect:
    hidden_layer = (Tensor(np.ones((4, 2))) @ Tensor(np.ones((2, 3)), requires_grad=True)).tanh()
    expect.shape(hidden_layer.data, (4, 3), "a tanh layer built from Tensors")
    expect.why("Graded by training a small classifier with your Tensors.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.experiment_spiral(Tensor)
### END HIDDEN TESTS

# %% test="exC-vanishing-test" points=2
with check("Experiment C: a deep network fits together") as expect:
    rng = np.random.default_rng(0)
    net = Sequential(*[Linear(20, 20, rng) if i % 2 == 0 else Tanh() for i in range(11)])
    expect.shape(net.forward(np.zeros((5, 20))), (5, 20), "the output of a stack of eleven layers")
    expect.why("Graded by comparing gradients and training across activations.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.experiment_vanishing(
    Sequential, Linear, Sigmoid, Tanh, ReLU, SoftmaxCrossEntropy, train_epoch, predict
)
### END HIDDEN TESTS

# %% [markdown]
# ## Questions

# %% exercise="q1"
answer_dz = None
### BEGIN SOLUTION
answer_dz = -72
### END SOLUTION

# %% test="q1-test" points=1
with check("Question 1: the form of your answer") as expect:
    expect.answered(answer_dz, "answer_dz", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_dz(answer_dz)
### END HIDDEN TESTS

# %% exercise="q2"
answer_passes = None  # (forward, reverse)
### BEGIN SOLUTION
answer_passes = (1000, 3)
### END SOLUTION

# %% test="q2-test" points=1
with check("Question 2: the form of your answer") as expect:
    expect.answered(answer_passes, "answer_passes", kind="numbers")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_passes(answer_passes)
### END HIDDEN TESTS

# %% exercise="q3"
answer_sigmoid_bound = None
### BEGIN SOLUTION
answer_sigmoid_bound = 0.25**10
### END SOLUTION

# %% test="q3-test" points=1
with check("Question 3: the form of your answer") as expect:
    expect.answered(answer_sigmoid_bound, "answer_sigmoid_bound", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_sigmoid_bound(answer_sigmoid_bound)
### END HIDDEN TESTS

# %% exercise="q4"
answer_zigzag = None
### BEGIN SOLUTION
answer_zigzag = "b"
### END SOLUTION

# %% test="q4-test" points=1
with check("Question 4: the form of your answer") as expect:
    expect.answered(answer_zigzag, "answer_zigzag", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_zigzag(answer_zigzag)
### END HIDDEN TESTS

# %% exercise="q5"
answer_double = None
### BEGIN SOLUTION
answer_double = "b"
### END SOLUTION

# %% test="q5-test" points=1
with check("Question 5: the form of your answer") as expect:
    expect.answered(answer_double, "answer_double", options="abc")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_double(answer_double)
### END HIDDEN TESTS

# %% exercise="q6"
answer_units = None
### BEGIN SOLUTION
answer_units = 1023
### END SOLUTION

# %% test="q6-test" points=1
with check("Question 6: the form of your answer") as expect:
    expect.answered(answer_units, "answer_units", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_units(answer_units)
### END HIDDEN TESTS
