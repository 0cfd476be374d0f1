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
#
# A network of a million weights makes an error. How much is each single weight to blame? In this chapter you
# answer that question with a pencil, then with some 150 lines of code that could train any network you will ever
# meet, and in the end you train real ones with nothing but your own lines.
#
# **What you will build**
# - a small *autograd engine*: write any formula, get its exact gradient (left picture);
# - layers, losses and a training loop, tried on handwritten digits and on the spiral in the middle;
# - a network with two units per layer that folds the line again and again (right), to see what depth buys.

# %% setup=true
import math
from itertools import pairwise

import numpy as np
from coursekit import check, setup
from coursekit.data import mnist
from coursekit.figures import COLOR, figure, heatmap, line_style, show
from coursekit.graphs import Node, draw_graph, nodes_of
from coursekit.toys import draw_regions, spiral
from coursekit.training import train
from coursekit.widgets import Choice, Slider, Toggle, explore

lab = setup("02_backprop")

# %% demo=true
import torch


def torch_mlp(params, x):
    """A tanh network in torch; params is the list W1, b1, W2, b2, ..."""
    for i in range(0, len(params) - 2, 2):
        x = torch.tanh(x @ params[i] + params[i + 1])
    return x @ params[-2] + params[-1]


points, arm = spiral(lab.rng("preview"))
shapes, generator = [(2, 32), (32,), (32, 32), (32,), (32, 3), (3,)], lab.generator("preview")
params = [0.3 * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
optimizer = torch.optim.Adam([p.requires_grad_() for p in params], lr=0.02)
for _ in range(lab.pick(smoke=100, quick=300)):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(torch_mlp(params, torch.tensor(points)), torch.tensor(arm)).backward()
    optimizer.step()

# %% demo=true
fig, (left, middle, right) = figure(1, 3, size=(10, 3.3), width_ratios=[1.3, 1, 1])
draw_graph(left, [
    Node("x", 2.0, 6.0), Node("y", 1.0, 6.0), Node("z", -1.0, -18.0),
    Node("s", 3.0, 6.0, ("x", "y"), "+"), Node("q", -3.0, -6.0, ("s", "z"), "×"),
    Node("f", 9.0, 1.0, ("q",), "( )²"),
], at={"x": (0, 1.6), "z": (1, -1.1), "s": (1, 0.7), "q": (2, 0), "f": (3, 0), "y": (0, 0)},
    title="exercises 2 and 3: exact gradients")
draw_regions(middle, lambda p: torch_mlp(params, torch.tensor(p)).argmax(1).numpy(), points, arm)
middle.set_title("experiment B: a trained network")
x = np.linspace(0, 1, 1025)
for row, depth in enumerate((1, 3, 5)):
    y = x
    for _ in range(depth):
        y = 1 - abs(1 - 2 * y)
    right.plot(x, y + 1.3 * row, linestyle="-", linewidth=1.2)
    right.text(1.02, 1.3 * row + 0.5, f"depth {depth}", va="center", fontsize=9)
right.set(title="exercise 8: what depth buys", xlabel="x", yticks=[])
show(fig, "What you will build. Left: a graph with values (blue, above) and gradients (orange, below). Middle: "
    "regions learned for three spiral arms. Right: tent maps with 2, 8 and 32 straight pieces.")

# %% [markdown]
# | part | points, in the order of the checks | difficulty | about |
# |---|---|---|---|
# | 1 Numerical derivatives | 4 + 2 + 2 = 8 | ★☆☆ | 25 min |
# | 2 Gates by hand | 2 + 4 + 2 = 8 | ★☆☆ | 25 min |
# | 3 A reverse-mode engine | 6 + 7 + 3 + 4 + 2 = 22 | ★★★ | 130 min |
# | 4 Forward mode and Jacobians | 4 + 3 + 2 + 1 = 10 | ★★☆ | 40 min |
# | 5 Activations | 7 × 2 = 14 | ★★☆ | 45 min |
# | 6 Affine layer and losses | 4 + 4 + 2 + 2 = 12 | ★★☆ | 40 min |
# | 7 Composing and training | 3 + 1 + 3 + 1 = 8 | ★★☆ | 30 min |
# | A, B, C Experiments | 3 × 2 = 6 | ★☆☆ | 20 min |
# | 8 What depth buys | 3 + 2 + 1 = 6 | ★★★ | 60 min |
# | Questions | 6 × 1 = 6 | ★☆☆ | 15 min |
# | together | 100 | | about 7 hours |

# %% [markdown]
# **What you need to know**: derivatives and the chain rule of one variable, the product of two matrices,
# NumPy arrays and broadcasting. In exercises use NumPy and Python's standard library only, nothing that
# differentiates for you. Numbers are `float64` unless said otherwise.
#
# **How it works**: replace `raise NotImplementedError()` with your code, run the cell, run the check below
# it. A check says what it expected, what came and the likely cause. Exercises may be left open: later checks
# that do not need them still run. After handing in, more inputs are tried than the visible checks show.
#
# **Notation**: a batch is a matrix of rows, $X$ `[N, d_in]` with one example a row, here and in all chapters.
# In this one, where you write the layers, weights are $W$ `[d_in, d_out]` and $Y = XW + b$; PyTorch's layers
# hold the transpose, `[d_out, d_in]`, and so do the chapters that use them. `dy` stands for
# $\partial\mathcal L/\partial y$, the derivative of the loss $\mathcal L$ with respect to `y`; it always has
# the shape of `y`.

# %% [markdown]
# ## 0 Who is to blame?
#
# A layer computes $h=\phi(xW+b)$ with a nonlinear function $\phi$ (here for one example, a row $x$); a
# network composes layers, $f=f_3(f_2(f_1(x,\theta_1),\theta_2),\theta_3)$, where $\theta_k$ are the parameters
# of layer $k$. A loss $\mathcal L$, for classifiers the negative log likelihood of the right answers, says how
# bad the output is, and gradient descent moves $\theta_{t+1}=\theta_t-\eta_t\,g(\theta_t)$ with learning rate
# $\eta_t$. All it needs is $g=\partial\mathcal L/\partial\theta$, for all $\theta_k$ at once.
#
# In the 1960s nobody knew how to get it. Rosenblatt's rule for the perceptron compares a unit's output with
# the correct one, but data give correct outputs for the *last* layer only. Who is to blame for an error,
# which hidden unit and how much? This is the **credit assignment problem**. The answer, the chain rule from
# the output backwards, was found by Linnainmaa (1970) and Werbos (thesis 1974, paper 1982) and became
# popular through Rumelhart, Hinton and Williams (1986).

# %% [markdown]
# The smallest network with something hidden: a number $x$ goes through $h=\tanh(wx)$ and $y=\theta h$ into
# the loss $\mathcal L=(y-t)^2$ with target $t$. The chain rule $F(x)=f(g(x))\Rightarrow F'(x)=f'(g(x))\,g'(x)$,
# used from the output backwards, gives
#
# $$\frac{\partial\mathcal L}{\partial\theta}=
# \frac{\partial\mathcal L}{\partial y}\frac{\partial y}{\partial\theta},\qquad
# \frac{\partial\mathcal L}{\partial h}=\frac{\partial\mathcal L}{\partial y}\frac{\partial y}{\partial h},\qquad
# \frac{\partial\mathcal L}{\partial w}=\frac{\partial\mathcal L}{\partial h}\frac{\partial h}{\partial w}.$$
#
# The hidden unit has no correct answer, yet $\partial\mathcal L/\partial h$ tells it how the loss would like
# it to change. Storing it means that nothing is computed twice. That is the entire algorithm.

# %% demo=true
x, w, theta, target = 1.0, 0.5, 2.0, 0.2
h = np.tanh(w * x)
y = theta * h
dy = 2 * (y - target)
dtheta, dh = dy * h, dy * theta
dw, dx = dh * (1 - h**2) * x, dh * (1 - h**2) * w

fig, ax = figure(size=(8, 2.9))
draw_graph(ax, [
    Node("$x$", x, dx), Node("$w$", w, dw), Node("$h$", h, dh, ("$x$", "$w$")), Node("$θ$", theta, dtheta),
    Node("$y$", y, dy, ("$h$", "$θ$")), Node("$L$", (y - target) ** 2, 1.0, ("$y$",)),
], at={"$x$": (0, 0), "$w$": (0, -1.3), "$h$": (1, 0), "$θ$": (1, -1.3), "$y$": (2, 0), "$L$": (3, 0)},
    title="forward values above, derivatives of the loss below")
show(fig, "The two-layer scalar network: blue values are computed from left to right, orange derivatives "
    "from right to left, each from its neighbour on the right.")

# %% [markdown]
# There are three ways to get a gradient. **Numerically**: wiggle every parameter; simple, slow and inexact.
# **By hand**: derive a formula, then implement it; double work and easy to get wrong, so check it
# numerically. **Automatically**: let a program apply the chain rule to the graph of the computation; exact
# to rounding, and for a loss about as cheap as a few forward passes. You will build all three, in this order,
# and each will check the next.

# %% [markdown]
# ## 1 Numerical derivatives
#
# **Exercise 1 · 8 points · ★☆☆ · 25 min.** To first order, $f(x+he_i)-f(x)\approx h\,\partial f/\partial x_i$,
# where $e_i$ is 1 in place $i$ and 0 elsewhere. Two schemes follow, for every component $i$ of $x$:
#
# $$\text{forward: }\frac{f(x+he_i)-f(x)}{h}\qquad\qquad\text{central: }\frac{f(x+he_i)-f(x-he_i)}{2h}$$

# %% [markdown]
# The Taylor series says how far they are off. The forward scheme errs by $O(h)$. In the central one the
# terms with $f''$ cancel and $O(h^2)$ is left: for a quadratic, nothing at all. A computer adds a second
# error: $f$ is known to about 16 digits ($\varepsilon\approx2.2\cdot10^{-16}$), and dividing by a tiny $h$ magnifies
# the lost ones, $O(\varepsilon/h)$. The sum of both is smallest near $h\approx\sqrt\varepsilon$ (forward) and
# $h\approx\sqrt[3]\varepsilon$ (central): hence the defaults $1.5\cdot10^{-8}$ and $6\cdot10^{-6}$.
#
# Write `numerical_grad`. It must never touch the caller's `x`, and must work for every shape.
#
# <details><summary>Hint 1: a question</summary>If you write <code>x[i] += h</code> and forget one thing, the
# second component comes out wrong. Which thing? And what does <code>np.array([1, 2])[0] += 1e-6</code>
# do?</details>
# <details><summary>Hint 2</summary>Start with <code>x = np.array(x, dtype=np.float64)</code>, a float copy.
# <code>np.ndindex(x.shape)</code> walks through all index tuples, also the single one, <code>()</code>, of a
# 0-d array.</details>
# <details><summary>Hint 3</summary>For each index make <code>plus = x.copy(); plus[i] += step</code>, so that
# <code>f</code> gets an array of its own each time.</details>

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
    point = np.array([1.0, 2.0])
    grad = numerical_grad(lambda x: x[0] ** 2 * x[1], point, h=0.5)
    expect.close(grad, [4.0, 1.0], "the gradient of x0² x1 at (1, 2) with h = 0.5, exact here",
        likely="put x[i] back before you move the next component, or start each from a fresh copy of x")
    expect.equal(point, [1.0, 2.0], "the caller's x after the call", likely="work on a copy of x")
    grad = numerical_grad(lambda x: (x**2).sum(), np.array([[1, 3], [2, 5]]))
    expect.close(grad, [[2.0, 6.0], [4.0, 10.0]], "the gradient of sum(x**2) at the integers [[1, 3], [2, 5]]",
        rtol=1e-6, likely="an integer array cannot hold x + h: convert x to float64 first; and np.ndindex(x.shape) "
        "visits every entry, range(len(x)) only rows")
    one_sided = numerical_grad(lambda x: (x**2).sum(), np.array([1.0]), h=0.5, scheme="forward")
    expect.close(one_sided, [2.5], "the forward difference of x**2 at 1 with h = 0.5",
        likely="forward is (f(x + h) - f(x)) / h, and its error of exactly h shows here")
    expect.raises(ValueError, numerical_grad, np.sum, np.ones(2), h=-1.0, what="h = -1")
    expect.why("Central differences are now your judge: every backward pass below has to agree with them.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.numerical_grad(numerical_grad)
### END HIDDEN TESTS

# %% demo=true
steps = np.logspace(-13, 0, 66)
fig, ax = figure(size=(6.4, 3.4))
for scheme, marker in (("forward", "o"), ("central", "s")):
    errors = [abs(numerical_grad(np.exp, np.array(1.0), h, scheme) - math.e) for h in steps]
    ax.loglog(steps, np.maximum(errors, 1e-13), marker=marker, markersize=3, label=scheme)
ax.axhline(4e-16, color="black", linestyle=":", label="automatic (rounding only)")
ax.set(title="Error of the numerical derivative of exp at 1", xlabel="step $h$", ylabel="absolute error")
ax.legend()
show(fig, "Error against step: each curve falls with its slope (1 for forward, 2 for central), then rounding "
    "takes over and it climbs again. Central reaches a few 1e-11 near h = 5e-6, forward only about 1e-8.")

# %% [markdown]
# A vector function $y=f(x)$ with $n$ inputs and $m$ outputs has $m\cdot n$ derivatives. They form the
# **Jacobian** $J$ `[m, n]`, $J_{ji}=\partial y_j/\partial x_i$: row = output, column = input. Central
# differences give one whole column per input.

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
    jacobian = numerical_jacobian(lambda x: [x[0] * x[1], x[1]], np.array([3.0, 2.0]))
    expect.close(jacobian, [[2.0, 3.0], [0.0, 1.0]], "the Jacobian of the list [x0 x1, x1] at (3, 2)", rtol=1e-6)
    expect.why("Rows are outputs, columns are inputs; both modes of exercise 4 must give this very matrix.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.numerical_jacobian(numerical_jacobian)
### END HIDDEN TESTS

# %% [markdown]
# To compare two gradients use the *relative* error, component by component, and take the worst:
#
# $$\mathrm{error}(a,b)=\max_i\frac{|a_i-b_i|}{\max(|a_i|+|b_i|,\;10^{-8})}$$
#
# A mean would hide one bad component among many good ones. The floor $10^{-8}$ is there because two tiny
# numbers differ by noise alone. `check_grad` then answers the question you will ask all the time: *is my
# backward pass right?*

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
    expect.close(rel_error([100.0, 3.0], [100.0, 1.0]), 0.5,
        "the error of (100, 3) against (100, 1): |3 - 1| / (3 + 1)",
        likely="divide each component by its own |a| + |b|, then take the maximum, not the mean")
    expect.close(rel_error(0.0, 0.0), 0.0, "the error of 0 against 0", likely="the floor 1e-8 prevents 0 / 0")
    expect.why("A symmetric, scale-free error: 1e-9 means 'equal', 1e-2 means 'a bug'.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.check_grad(rel_error, check_grad)
### END HIDDEN TESTS

# %% demo=true
with check("Exercise 1: check_grad finds a bug of one per cent") as expect:
    point = np.array([[0.3, -2.0], [1.0, 5.0]])
    expect.true(check_grad(lambda x: np.sin(x).sum(), np.cos, point), "the right gradient of sin was refused")
    expect.true(not check_grad(lambda x: np.sin(x).sum(), lambda x: 1.01 * np.cos(x), point),
        "a gradient that is 1 % off was accepted")
    expect.why("Two warnings: at a kink, such as |x| at 0, no scheme is right, so keep 10 h away from kinks; and "
        "in float32, which has 7 digits, h = 1e-6 is hopeless: check in float64.")

# %% [markdown]
# ## 2 Gates by hand
#
# **Exercise 2 · 8 points · ★☆☆ · 25 min.** Any formula is a **computational graph**: nodes are operations,
# edges carry numbers. To differentiate $f=((x+y)z)^2$ name what comes in between, $s=x+y$ and $q=sz$, so
# $f=q^2$. Begin with $\partial f/\partial f=1$ and walk back. At every edge multiply the **upstream**
# gradient (what arrived from the right) with the **local** derivative of the node:
#
# $$\frac{\partial f}{\partial q}=2q,\quad \frac{\partial f}{\partial s}=\frac{\partial f}{\partial q}\,z,\quad
# \frac{\partial f}{\partial z}=\frac{\partial f}{\partial q}\,s,\quad
# \frac{\partial f}{\partial x}=\frac{\partial f}{\partial y}=\frac{\partial f}{\partial s}.$$
#
# Predict the five numbers at $(x,y,z)=(1,2,-4)$ with a pencil before you run the check.

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

# %% [markdown]
# The same few gates return everywhere. Let $g$ be the upstream gradient.
#
# | gate | forward | backward | in a word |
# |---|---|---|---|
# | add | $a+b$ | $g$ to both | distributes |
# | mul | $ab$ | $g\,b$ to $a$, $g\,a$ to $b$ | switches |
# | max | $\max(a,b)$ | $g$ to the larger input, 0 to the other | routes |
# | copy (fan-out) | $a\mapsto(a,a)$ | the sum of the two upstream gradients | adds |
#
# At a tie the derivative of max does not exist; any split $(t,1-t)$ will do, and with real data exact ties
# are rare. For the add gate one set of lecture notes prints $\partial(y+y)/\partial y=1$. Meant is
# $\partial(x+y)/\partial y=1$; the derivative of $y+y$ is of course 2. Which row of the table gets that right?

# %% [markdown]
# <details><summary>Hint 1: a question</summary>For <code>max</code> at (3, −5) with upstream 2: by how much
# does the output change when the <em>smaller</em> input moves a little?</details>
# <details><summary>Hint 2</summary>Inputs may be arrays, so decide with <code>np.where(a &gt;= b, ...)</code>
# instead of <code>if</code>; make sure that the shares of a tie sum to 1.</details>
# <details><summary>Hint 3</summary>In <code>branch_graph</code> name the pieces: p = xy, m = max(p, x), f = m +
# x y². List every path from f back to x (three) and to y (two), then add what each brings.</details>

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
    expect.close(sum(gate_backward("max", (4.0, 4.0), 2.0)), 2.0, "max gate at a tie, upstream 2: the two shares' sum",
        likely="at a tie let one input have all, or both a half")
    expect.close(gate_backward("copy", (3.0,), (1.0, 10.0)), (11.0,),
        "fan-out with upstream gradients 1 and 10",
        likely="gradients of several outgoing edges are added; return a tuple with one entry, (total,)")
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
# **Widget 1: gradient flow.** Move $x,y,z$. Then replace the square by $f=\max(q,x)+y$, in which $x$ and $y$
# are used twice. When does $z$ receive nothing at all? When does $y$ receive the sum of two gradients, and
# why does that never happen to $x$?

# %% demo=true
def gradient_flow(fig, x, y, z, use_max):
    s, q = x + y, (x + y) * z
    places = {"x": (0, 1.3), "y": (0, 0), "z": (1, -1.3), "s": (1, 0.4), "q": (2, -0.4), "f": (3, 0.0)}
    to_max, to_end = 0.0, 0.0
    if use_max:
        dm, to_end = gate_backward("add", (max(q, x), y), 1.0)
        dq, to_max = gate_backward("max", (q, x), dm)
        top = [Node("m", max(q, x), dm, ("q", "x"), "max", (dq, to_max)),
            Node("f", max(q, x) + y, 1.0, ("m", "y"), "+", (dm, to_end))]
        places |= {"y": (0, -2.2), "z": (1.2, -1.2), "m": (3, 0.9), "f": (4, -1.3)}
    else:
        dq = square_graph(x, y, z)[1]["q"]
        top = [Node("f", q**2, 1.0, ("q",), "( )²", (dq,))]
    ds, dz = gate_backward("mul", (s, z), dq)
    through_x, through_y = gate_backward("add", (x, y), ds)
    (dx,), (dy,) = gate_backward("copy", (x,), (through_x, to_max)), gate_backward("copy", (y,), (through_y, to_end))
    draw_graph(fig.subplots(), [
        Node("x", x, dx), Node("y", y, dy), Node("z", z, dz), Node("s", s, ds, ("x", "y"), "+", (through_x, through_y)),
        Node("q", q, dq, ("s", "z"), "×", (ds, dz)), *top,
    ], at=places)


explore(gradient_flow, "Gradient flow: blue values forward, orange gradients backward, also along the edges; "
    "dotted edges carry no gradient.", size=(8, 4.0), x=Slider(-4.0, 4.0, 1.0, 0.5),
    y=Slider(-4.0, 4.0, 2.0, 0.5), z=Slider(-4.0, 4.0, -4.0, 0.5),
    use_max=Toggle(False, "max(q, x) + y instead of q²"))

# %% [markdown]
# ## 3 A reverse-mode engine
#
# **Exercise 3 · 22 points · ★★★ · 130 min.** Now the machine does the walking. First the chain rule for many
# variables: let $u=g(x)$ and $y=f(u)$ with $x\in\mathbb R^N$, $u\in\mathbb R^K$, $y\in\mathbb R^M$. The
# Jacobian of the composition is a matrix product, $J_F(x)=J_f(u)\,J_g(x)$, entry by entry
# $\frac{\partial y_j}{\partial x_i}=\sum_k\frac{\partial y_j}{\partial u_k}\frac{\partial u_k}{\partial x_i}$:
# a sum over all ways in which $x_i$ can reach $y_j$. For a loss behind two vector layers
# $x\xrightarrow{w}h\xrightarrow{\theta}y\to\mathcal L$ that means
#
# $$\frac{\partial\mathcal L}{\partial\theta_j}=
# \sum_k\frac{\partial\mathcal L}{\partial y_k}\frac{\partial y_k}{\partial\theta_j},\quad
# \frac{\partial\mathcal L}{\partial h_l}=
# \sum_k\frac{\partial\mathcal L}{\partial y_k}\frac{\partial y_k}{\partial h_l},\quad
# \frac{\partial\mathcal L}{\partial w_i}=
# \sum_l\frac{\partial\mathcal L}{\partial h_l}\frac{\partial h_l}{\partial w_i}.$$

# %% [markdown]
# Each sum is a row vector times a Jacobian, $\bar x=\bar y^\top J$, where $\bar y$ means
# $\partial\mathcal L/\partial y$. A **vector-Jacobian product** (VJP) never needs the whole $J$: for an
# elementwise function of a million numbers $J$ would have $10^{12}$ entries, its VJP is one multiplication
# each. So an engine needs two things only:
#
# 1. for every operation and every operand a function `vjp` that maps the upstream gradient `g` to the
#    operand's share;
# 2. a rule for the order: *a node may pass its gradient on only after everyone who uses it has reported*.
#    That is the reverse of a **topological order** (operands before results). Then each node is visited
#    once, and the cost grows with the number of edges; the number of *paths* can be astronomical.

# %% [markdown]
# The table is the whole mathematics of the engine. `g` is the upstream gradient, `out` the result.
#
# | operation | forward | share of the first / of the second operand |
# |---|---|---|
# | `a + b`, `a - b` | $a\pm b$ | `g` / `g` or `-g` |
# | `a * b` | $ab$ | `g * b` / `g * a` |
# | `a / b` | $a/b$ | `g / b` / `-g * a / b**2` |
# | `a ** n`, n a number | $a^n$ | `g * n * a**(n-1)`; for n = 0 it is 0, also at a = 0 |
# | `exp`, `log` | $e^a,\ \ln a$ | `g * out`, `g / a` |
# | `tanh`, `sigmoid` | $\tanh a,\ \sigma(a)$ | `g * (1 - out**2)`, `g * out * (1 - out)` |
# | `relu` | $\max(a,0)$ | `g * mask`, with the mask of the forward pass |
# | `a @ b` | $AB$ | `g @ swap(b)` / `swap(a) @ g`; `swap` exchanges the last two axes |
# | `sum`, `mean` | over axes | put the axes back, broadcast; `mean` divides by the count |
# | `max` | over axes | `g` shared among the largest entries, shares summing to 1 |
# | `reshape`, `T` | | the inverse on `g` |
# | `a[index]` | | zeros, then `np.add.at(zeros, index, g)` |

# %% [markdown]
# **Broadcasting** copies: a bias `[3]` added to `[2, 3]` is used by both rows. A copy is a fan-out, so its
# backward pass adds. `unbroadcast(g, shape)` sums over the axes that broadcasting put in front, then over
# those where the operand had size 1 (keeping that axis).
#
# **The class.** A `Tensor` holds `data`, `grad` and `edges`, its pairs (parent, vjp). The method
# `Tensor._result(op, data, *edges)` is given: it makes the result of an operation and drops edges to
# constants, which never get a gradient; `op` is a label for the drawing. All gradients enter a tensor through
# `_accumulate`, the one place for `unbroadcast`: no vjp needs it. Write `unbroadcast`, `_accumulate`, `+` and `*`.
#
# <details><summary>Hint 1: a question</summary>In <code>x + x</code> both edges lead to the same tensor. What
# must <code>_accumulate</code> do when it is called the second time?</details>
# <details><summary>Hint 2</summary><code>(other, lambda g: g * self.data)</code> is an edge. Both edges of an
# add gate get the very same array <code>g</code>: if one parent later changes it in place, the other's gradient
# changes too. <code>self.grad + g</code> makes a new array, <code>self.grad += g</code> does not.</details>

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


def chain(x, n):
    """x + 1 + 1 + ... + 1 with n additions: a very deep graph."""
    for _ in range(n):
        x = x + 1.0
    return x

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
        """Add g, of any shape that self broadcasts to, to self.grad; change neither g nor the old grad.

        self.grad becomes an array of its own, of the shape of self, that shares no memory with g.
        """
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

# %% demo=true
with check("Exercise 3: the core, for a start") as expect:
    for shape, want in (((3,), [2, 2, 2]), ((2, 1), [[3], [3]]), ((), 6), ((2, 3), np.ones((2, 3)))):
        expect.close(unbroadcast(np.ones((2, 3)), shape), want, f"unbroadcast of (2, 3) ones to shape {shape}",
            likely="sum over added axes; over axes of size 1 that were stretched, with keepdims=True")
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    tries = ("a + b", a + b, [4, 6], 2), ("a * b", a * b, [3, 8], 2), ("1 + a", 1.0 + a, [2, 3], 1)
    for text, out, want, edges in tries:
        expect.close(out.data, want, f"{text} for a = (1, 2), b = (3, 4)")
        expect.equal(len(out.edges), edges, f"the number of edges of {text}",
            likely="make the result by Tensor._result, with one edge (parent, vjp) per operand")
    for g in ([1.0, 10.0], [5.0, 5.0]):
        a._accumulate(np.array(g))
    expect.close(a.grad, [6.0, 15.0], "grad after _accumulate of (1, 10) and (5, 5)", likely="add, do not assign")
    expect.why("Worth no points, but the next steps stand on it.")

# %% [markdown]
# The decorator `@adds_to(Tensor)` copies the methods of a class body into `Tensor`, so that we can write it
# in several cells. Whenever you run the class cell again, run all `@adds_to(Tensor)` cells after it again too:
# the new class starts without their methods. Now the heart, `backward`, with these rules:
#
# - gradients of **leaves** (tensors without edges) accumulate over calls until `zero_grad()`;
# - gradients of **interior** nodes are forgotten at the start of each call;
# - `backward()` without argument starts from 1 and needs a result with one element.
#
# <details><summary>Hint 1: a question</summary>Take a = 2x, b = 3a, c = b + a, L = c·a. If a passes its
# gradient on as soon as L has reported, which shares are still missing?</details>
# <details><summary>Hint 2</summary>Depth-first search lists a node after all its parents: append it when its
# last edge is done. Walk that list backwards. A chain of 5000 nodes is too deep for recursion: keep a list of
# pairs <code>(node, iter(node.edges))</code> as your own stack.</details>
# <details><summary>Hint 3</summary>Then: set <code>grad = None</code> where <code>node.edges</code> is not
# empty, <code>self._accumulate(grad)</code>, and for each node in reverse order
# <code>parent._accumulate(vjp(node.grad))</code> for each of its edges.</details>

# %% exercise="ex3-engine-backward"
@adds_to(Tensor)
class Backward:
    def backward(self, grad=None):
        """Add d(self)/d(leaf), weighted with grad, to the grad of every leaf that self was computed from.

        grad: ndarray of the shape of self (no list); None means 1 and is allowed for one-element tensors only.
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
    x.zero_grad()
    chain(x, 5000).backward()
    expect.close(x.grad, 1.0, "the gradient through a chain of 5000 additions",
        likely="a recursive search hits Python's recursion limit: keep your own stack")
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    seed = np.ones(2)
    ((a + b) + a).backward(seed)
    own = "two tensors share one array: grad must be an array of its own, and `self.grad + g` makes a new one"
    expect.close(a.grad, [2.0, 2.0], "the gradient of a in (a + b) + a", likely=own)
    expect.close(b.grad, [1.0, 1.0], "the gradient of b in (a + b) + a", likely=own)
    expect.equal(seed, [1.0, 1.0], "the array given to backward, after the call", likely=own)
    expect.raises(RuntimeError, a.backward, what="backward() on two elements")
    expect.why("Each node is visited once, after all that use it: the cost grows with edges, not with paths.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.engine_graph(Tensor)
### END HIDDEN TESTS

# %% [markdown]
# Reflected methods make `3 - t` work: Python first asks `3`, which does not know tensors, then calls
# `t.__rsub__(3)`. Write the remaining operators and the elementwise functions; each is one row of the table.
#
# <details><summary>Hint 1: a question</summary>Why is <code>__radd__ = __add__</code> right, but
# <code>__rsub__ = __sub__</code> wrong?</details>
# <details><summary>Hint 2</summary><code>exp(-|x|)</code> never overflows. For x ≥ 0, σ(x) = 1 / (1 + exp(-x));
# for x &lt; 0 the same number is exp(x) / (1 + exp(x)).</details>

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
    cases = {  # at t = 4: expression, value, derivative, likely cause
        "-t": (lambda t: -t, -4.0, -1.0, "-t is t times -1"),
        "t - 3": (lambda t: t - 3.0, 1.0, 1.0, "t - 3 calls t.__sub__(3)"),
        "3 - t": (lambda t: 3.0 - t, -1.0, -1.0, "3 - t calls t.__rsub__(3): mind the order"),
        "t / 2": (lambda t: t / 2.0, 2.0, 0.5, "the share of a in a / b is g / b"),
        "2 / t": (lambda t: 2.0 / t, 0.5, -0.125, "2 / t calls t.__rtruediv__(2); b's share of a / b is -g a / b²"),
        "t ** 3": (lambda t: t**3, 64.0, 48.0, "the slope of a**n is n a**(n-1), with the factor n"),
    }
    for text, (f, value, slope, likely) in cases.items():
        t = Tensor(4.0, requires_grad=True)
        out = f(t)
        expect.close(out.data, value, f"{text} at t = 4", likely=likely)
        out.backward(np.array(10.0))
        expect.close(t.grad, 10 * slope, f"the gradient through {text} at t = 4, upstream 10", likely=likely)
    bias, column = Tensor([0.5, -1.0, 2.0], requires_grad=True), Tensor([[5.0], [7.0]], requires_grad=True)
    g = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    (Tensor(np.ones((2, 3))) * bias).backward(g)
    expect.shape(bias.grad, (3,), "the gradient of a bias of shape (3,) used with a (2, 3) array")
    expect.close(bias.grad, [11.0, 22.0, 33.0], "the gradient of that bias",
        likely="where broadcasting copied the operand, its gradient is the sum over the copies")
    (Tensor(np.ones((2, 3))) * column).backward(g)
    expect.close(column.grad, [[6.0], [60.0]], "the gradient of a column of shape (2, 1) used with that array",
        likely="unbroadcast: sum over axes of size 1 that were stretched, with keepdims=True")
    slopes = {"exp": math.e, "log": 1.0, "tanh": 0.41997434, "sigmoid": 0.19661193, "relu": 1.0}
    for name, slope in slopes.items():
        x = Tensor([1.0], requires_grad=True)
        getattr(x, name)().backward(np.array([10.0]))
        expect.close(x.grad, [10 * slope], f"the gradient through {name} at 1, upstream 10", rtol=1e-6,
            likely="the row of the table, with the factor g; tanh: 1 - out², sigmoid: out (1 - out)")
    expect.why("Broadcasting copies forward, so its backward pass sums: that is the whole secret of biases.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.engine_elementwise(Tensor)
### END HIDDEN TESTS

# %% [markdown]
# Now your engine draws the graph of exercise 2 by itself. The drawing follows `edges` from the result back
# to the leaves, and shows `data` above and `grad` below each node.

# %% demo=true
x, y, z = (Tensor(value, requires_grad=True) for value in (1.0, 2.0, -4.0))
f = ((x + y) * z) ** 2
f.backward()
fig, ax = figure(size=(7, 3.2))
draw_graph(ax, nodes_of(f, {"x": x, "y": y, "z": z}, flows=True), title="((x + y) z)² by your engine")
show(fig, "The graph of ((x + y) z)², drawn from the engine's own parents: the gradients 96, 96 and -72 are "
    "those you found by hand.")
with check("Exercises 2 and 3 agree") as expect:
    value, grads = square_graph(1.0, 2.0, -4.0)
    expect.close(f.data, value, "the value of ((x + y) z)² at (1, 2, -4)")
    expect.close([x.grad, y.grad, z.grad], [grads[name] for name in "xyz"], "its three gradients")
    expect.why("Nobody will have to derive these by hand again.")

# %% [markdown]
# **The matrix product** $C=AB$: $\bar A=\bar C B^\top$ and $\bar B=A^\top\bar C$. If you forget which one is
# transposed, let the shapes decide; but do not test with square matrices, which forgive everything. With
# batch axes (`[4, 5, 3] @ [3, 2]`) exchange the last two axes only; `_accumulate` sums over the batch.
# A vector counts as one row (on the left) or one column (on the right), as in NumPy.
#
# <details><summary>Hint 1: a question</summary>A is [n, k], B is [k, m], so the gradient of A must be [n, k].
# Which product of g [n, m] and B [k, m] (or its transpose) has that shape?</details>
# <details><summary>Hint 2</summary>Give vectors their missing axis first: <code>a[None, :]</code> on the left,
# <code>b[:, None]</code> on the right; reshape <code>g</code> to the shape of that product, and take the extra
# axis away at the end.</details>

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

# %% [markdown]
# **Reductions.** `sum` lets every entry through with weight 1, so its backward pass hands `g` to each;
# `mean` divides by the number of entries averaged; `max` routes. Watch the axes: after `sum(axis=1)` the
# gradient `[2]` cannot be broadcast to `[2, 3]` until the lost axis is put back.
#
# <details><summary>Hint 1: a question</summary>With shape (2, 2), a missing <code>expand_dims</code> raises no
# error. What does broadcasting do instead, and why is that worse?</details>
# <details><summary>Hint 2</summary><code>np.expand_dims(g, axis)</code> accepts negative axes and tuples.
# <code>mean</code> can be built from <code>sum</code>.</details>
# <details><summary>Hint 3</summary>For <code>max</code>: mark the entries equal to the maximum (keepdims=True)
# and divide the marks by how many there are.</details>

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
    expect.close(column.grad, np.full((3, 1), 4.0), "the gradient of a (3, 1) column added to a (1, 4) row",
        likely="unbroadcast: sum over axes of size 1 that were stretched, with keepdims=True")
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
    tie = Tensor([3.0, 3.0, 1.0], requires_grad=True)
    tie.max().backward()
    expect.close(tie.grad.sum(), 1.0, "the sum of the shares in max of (3, 3, 1)",
        likely="equal largest entries share the gradient: divide by how many there are")
    expect.why("A reduction is a fan-in: sum copies its gradient back, mean divides it, max routes it.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.engine_reductions(Tensor)
### END HIDDEN TESTS

# %% [markdown]
# **Shapes and indices** change no number, only its place: the backward pass puts it back. `a[index]` reads
# entries; its backward pass writes `g` into zeros at the same places.
#
# <details><summary>Hint: a question</summary>In <code>v[[0, 0, 2]]</code> entry 0 is used twice, so what must
# its gradient be? What does <code>grad[[0, 0, 2]] += g</code> give instead, and what does
# <code>np.add.at</code>?</details>

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
    expect.close(x.grad, np.arange(6.0).reshape(2, 3), "the gradient through reshape(3, 2)",
        likely="bring g back to the operand's shape: the vjp is itself a reshape")
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
# Does your engine agree with PyTorch? Below, both evaluate the same expressions on random inputs of unequal
# shapes. Then the time: for tiny arrays both pay some microseconds of overhead per operation, for large ones
# the arithmetic counts, and that is compiled code in both.

# %% demo=true
expressions = {
    "a * b + b": lambda a, b, w: (a * b + b).sum(),
    "softmax": lambda a, b, w: ((a + b).exp() / (a + b).exp().sum(axis=1, keepdims=True) * a).sum(),
    "two layers": lambda a, b, w: (((a @ w).tanh() @ w.T) * b).mean(),
    "division, powers": lambda a, b, w: ((1.0 - a) / (b**2 + 1.0)).sum(),
    "indices": lambda a, b, w: (a[[0, 0, 1]] * w.T[1].reshape(1, 3)).sum(),
    "fan-outs": lambda a, b, w: ((a + a) * a - a * b).relu().sum(),
}
rng = lab.rng("expressions")
arrays = [rng.normal(size=shape) for shape in ((2, 3), (3,), (3, 4))]
with check("Exercise 3: your engine beside PyTorch") as expect:
    for name, expression in expressions.items():
        mine = [Tensor(array, requires_grad=True) for array in arrays]
        theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
        expression(*mine).backward()
        expression(*theirs).backward()
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            if b.grad is not None:
                expect.close(a.grad, b.grad, f"the gradient of operand {i} in: {name}", rtol=1e-10)
    expect.why("Equal to ten digits: an engine like yours is inside every deep-learning library.")

# %% demo=true
import timeit


def microseconds(make, operation):
    a, b = make(data), make(data)
    repeats = lab.pick(smoke=20, quick=50)
    return 1e6 * min(timeit.repeat(lambda: operation(a, b).sum().backward(), number=1, repeat=repeats))


operations = {"a + b": lambda a, b: a + b, "a * b": lambda a, b: a * b, "tanh": lambda a, b: a.tanh(),
    "a @ b": lambda a, b: a @ b}
for n in (10, 300):
    data = lab.rng("timing").normal(size=(n, n))
    for name, operation in operations.items():
        mine = microseconds(lambda array: Tensor(array, requires_grad=True), operation)
        theirs = microseconds(lambda array: torch.tensor(array, requires_grad=True), operation)
        print(f"{n:3d} x {n:<3d}  {name:6s} engine {mine:7.0f} µs   torch {theirs:7.0f} µs")

# %% [markdown]
# ## 4 Forward mode and Jacobians
#
# **Exercise 4 · 10 points · ★★☆ · 40 min.** The chain rule can be multiplied out from either end.
# *Reverse mode*, what you just built, pulls a row back: $\bar y^\top\mapsto\bar y^\top J$; one pass gives
# the derivatives of **one output** with respect to all inputs. *Forward mode* pushes a direction through:
# $\dot x\mapsto J\dot x$; one pass gives the derivatives of all outputs along **one input direction**. (One
# set of lecture notes says forward mode computes $\partial x/\partial y$. It does not: both compute
# $\partial y/\partial x$.)
#
# Forward mode needs no graph. Carry a pair $(a,\dot a)$, value and tangent, through every operation:
#
# $$(a,\dot a)(b,\dot b)=(ab,\ \dot ab+a\dot b),\qquad
# \frac{(a,\dot a)}{(b,\dot b)}=\Big(\frac ab,\ \frac{\dot ab-a\dot b}{b^2}\Big),\qquad
# e^{(a,\dot a)}=(e^a,\ e^a\dot a).$$
#
# A number is a constant: its tangent is 0. Such pairs are called **dual numbers**.

# %% [markdown]
# Operations that are linear, such as picking an entry, `sum` and the product with a constant matrix, do the
# same to value and tangent; they are given, together with `as_dual`, which turns a number into a constant. Here
# too: after running the class cell again, run the two `@adds_to(Dual)` cells again.
#
# <details><summary>Hint 1: a question</summary>What is the tangent of <code>5 - d</code>? And of
# <code>d - 5</code>? Which method does Python call for each?</details>
# <details><summary>Hint 2</summary><code>other = as_dual(other)</code> at the start of a method makes numbers
# and duals alike. Power: n aⁿ⁻¹ ȧ, and 0 for n = 0.</details>

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

# %% [markdown]
# **Jacobians.** `jvp` runs `f` once on `Dual(x, v)` and returns value and $Jv$. With $v=e_i$ this is column
# $i$ of $J$: $n$ passes for all. With the engine, seed output $j$ with 1 and the others with 0: `backward`
# leaves row $j$ in the leaf: $m$ passes.
#
# <details><summary>Hint 1: a question</summary>After the row of output 0 you call <code>backward</code> for
# output 1. What is in <code>leaf.grad</code> now?</details>
# <details><summary>Hint 2</summary><code>f</code> may return one Dual (Tensor) or a list of scalars. Treat a
# single Tensor as a list of one, and give <code>backward</code> a seed of the output's shape that is 1 in one
# place.</details>

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

    f: takes a Tensor of shape [n]; returns one Tensor (scalar or [m]), or a list of scalar Tensors; none is a
       constant.
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
with check("Exercise 4: jacobian_reverse") as expect:
    expect.raises(TypeError, jacobian_reverse, None, np.zeros(2), what="f = None, which cannot be called")
    expect.written("The next cell tests it with your engine. It is graded with one of the grader's own: slips in "
        "exercise 3 cost nothing here.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.jacobian_reverse(jacobian_reverse)
### END HIDDEN TESTS

# %% demo=true
def curve(x):
    return [x[0] * x[1], x[0] + x[1], x[1] ** 2]


A, B = lab.rng("A").normal(size=(4, 3)), lab.rng("B").normal(size=(2, 4))
inner, outer = lambda x: (A @ x).tanh(), lambda u: (B @ u) ** 2  # R³ -> R⁴ -> R²
with check("Exercise 4: all roads lead to one Jacobian") as expect:
    point, want = np.array([3.0, 2.0]), [[2.0, 3.0], [1.0, 1.0], [0.0, 4.0]]
    expect.close(jacobian_forward(curve, point), want, "the forward Jacobian of (x0 x1, x0 + x1, x1²) at (3, 2)")
    expect.close(jacobian_reverse(curve, point), want, "its reverse Jacobian",
        likely="reset the leaf's gradient between two rows; rows are outputs")
    x = np.array([0.5, -0.2, 0.1])
    whole = jacobian_reverse(lambda x: outer(inner(x)), x)
    product = jacobian_forward(outer, np.tanh(A @ x)) @ jacobian_forward(inner, x)
    expect.close(whole, product, "J of outer(inner(x)) in reverse, against J_outer J_inner in forward mode")
    expect.why("That last line is the multivariate chain rule: the Jacobian of a composition is a product.")

# %% [markdown]
# What does a full Jacobian cost? Count the passes for $n$ inputs and $m$ outputs. A loss has $m=1$, and that
# is why deep learning runs in reverse.

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
#
# From here on we trade generality for speed: whole layers, each with a formula of its own. The contract is
# the block interface: `forward(x)` computes $y=f(x,\theta)$ and keeps what will be needed; `backward(dy)`
# receives $\partial\mathcal L/\partial y$, returns $\partial\mathcal L/\partial x$ and stores
# $\partial\mathcal L/\partial\theta$ in attributes. Without an activation between them two linear layers
# collapse into one, $(xW_1)W_2=x(W_1W_2)$, so the choice of $\phi$ matters.
#
# **Exercise 5 · 14 points · ★★☆ · 45 min.** Seven classes, two points each. The given helper `upstream(dy,
# shape)` raises the `ValueError`s for you: `self.shape` is None until `forward` has set it.
#
# <details><summary>Hint 1: a question</summary>What must be remembered in <code>forward</code>: x, y, or only a
# mask? For each class, which is the cheapest that suffices?</details>
# <details><summary>Hint 2</summary><code>backward</code> returns <code>dy</code> times the local derivative,
# never the local derivative alone. Do not write into <code>x</code> or <code>dy</code>; they belong to somebody
# else.</details>

# %% [markdown]
# | class | $y$ | $dy/dx$ | remarks |
# |---|---|---|---|
# | Sigmoid | $\sigma(x)=1/(1+e^{-x})\in(0,1)$ | $\sigma(1-\sigma)\le\frac14$ | saturates on both sides |
# | Tanh | $\tanh x\in(-1,1)$ | $1-\tanh^2x\le1$ | saturates; zero-centred; $\tanh x=2\sigma(2x)-1$ |
# | ReLU | $\max(0,x)$ | 1 for $x>0$, 0 for $x<0$ | saturates on the left; any value in [0, 1] at 0 |
# | LeakyReLU | $x$ if $x>0$, else $\alpha x$ | 1 or $\alpha$ | $\alpha=0.01$ fixed; never saturates |
# | PReLU | the same | the same; $\frac{\partial\mathcal L}{\partial\alpha}=\sum_{x<0}dy\,x$ | learned, from 0.25 |
# | ELU | $x$ if $x>0$, else $\alpha(e^x-1)$ | 1 or $\alpha e^x$ | $\in(-\alpha,\infty)$; smooth at 0 if $\alpha=1$ |
# | Maxout | $\max_k(xW_k+b_k)$ | $W_k$ of the winner | the activation is learned |
#
# Three slips that are in print: PReLU as $\max(\alpha x,x)$ (true only for $\alpha\le1$), ELU's two slopes
# exchanged, and ELU's range given as all of $\mathbb R$ (it falls to $-\alpha$ at most, its limit on the left).

# %% given="layer-tools"
def upstream(dy, shape):
    """dy as an array, checked before a backward pass; `shape` is that of the last output, or None.

    Raises ValueError if forward has not run yet or if dy has another shape.
    """
    if shape is None:
        raise ValueError("backward() before forward(), or forward() did not set self.shape")
    dy = np.asarray(dy)
    if dy.shape != shape:
        raise ValueError(f"dy has shape {dy.shape}, the output had shape {shape}")
    return dy

# %% [markdown]
# **Sigmoid.** Its output reads as a probability or as the position of a switch; gates of LSTMs, recurrent
# networks with a memory, use it. Two weaknesses: at most a quarter of the gradient survives, next to
# nothing where $|x|$ is large; and outputs are all positive, while a sigmoid wants centred inputs: far from
# 0 it answers nearly the same to all. So a stack of sigmoids spoils its own inputs, one reason why image
# networks avoid it. Use $\sigma(x)=e^x/(1+e^x)$ for $x<0$, so that nothing overflows.

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

# %% [markdown]
# **Tanh** is a sigmoid stretched to $(-1,1)$: zero-centred, full gradient at 0, still flat far outside, in
# general the better of the two; LSTMs use it for signed, bounded values. If you read that it is "worse for
# binary outputs", remember that it is only a rescaling of the sigmoid.

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
    expect.close(layer.backward(np.array([1.0, 10.0])), [1.0, 4.1997434], "dx at 0 and 1 for dy = (1, 10)", rtol=1e-6,
        likely="tanh' = 1 - y², with the square; then times dy")
    expect.raises(ValueError, layer.backward, np.ones((2, 1)), what="a dy of shape (2, 1) for an output (2,)")
    expect.why("tanh lets the whole gradient through at 0: four times as much as the sigmoid.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.tanh(Tanh)
### END HIDDEN TESTS

# %% [markdown]
# **ReLU** is a switch that the forward pass sets. On the right the gradient passes whole, at any depth.
# Krizhevsky et al. (2012) reached 25 % training error on CIFAR-10 about six times faster with it than with
# tanh. The price: a unit that is negative for *all* data gets no gradient and stays **dead**; some start
# with a bias of 0.01 to lower the risk. Its outputs are not zero-centred, and without an upper limit it is no
# switch for logic or gates.

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

# %% [markdown]
# **Leaky ReLU** (Maas et al. 2013) keeps a small slope on the left, **PReLU** (He et al. 2015) learns it.
# Decide by the sign of $x$; with $\max(\alpha x,x)$ the two branches change places once $\alpha>1$. PReLU's
# $\alpha$ is shared by many entries, so its gradient is a sum over them: over all, or over each feature's
# own (axis 1).

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
    """y = x for x > 0, alpha x otherwise; alpha [P] is learned, P = 1 or one per feature (axis 1).

    Further axes are allowed, e.g. x [N, P, H, W].
    """

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
    expect.close(layer.backward(np.array([2.0, 3.0])), [0.5, 3.0], "dx for dy = (2, 3)",
        likely="dy times 1 or alpha")
    expect.close(layer.dalpha, [-4.0], "dalpha for x = (-2, 3), dy = (2, 3)",
        likely="dalpha = sum over x < 0 of dy * x: a sum, not a mean, with the factor x, as an array of shape [P]")
    layer = PReLU(2)
    layer.backward(layer.forward(-np.ones((3, 2, 4, 5))))
    expect.close(layer.dalpha, [15.0, 15.0], "dalpha for images [3, 2, 4, 5] of -1, dy = -0.25",
        likely="sum over every axis but axis 1")
    layer.forward(np.array([[-1.0, -2.0], [-3.0, 4.0], [5.0, -6.0]]))
    layer.backward(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 10.0]]))
    expect.close(layer.dalpha, [-4.0, -62.0], "dalpha of two features, batch of 3",
        likely="sum over the batch, keep the features apart")
    expect.why("The slope is a parameter like any other: shared by many entries, so its gradient is a sum.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.prelu(PReLU)
### END HIDDEN TESTS

# %% [markdown]
# **ELU** (Clevert et al. 2016) bends smoothly to $-\alpha$ on the left, so outputs can average to zero. Use
# `np.expm1(np.minimum(x, 0))` for $e^x-1$: exact near 0, no overflow on the right.

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
    expect.close(layer.backward(np.array([10.0, 3.0])), [3.6787944, 3.0], "dx at -1 and 2 for dy = (10, 3)", rtol=1e-6,
        likely="the slope is 1 for x > 0 and alpha exp(x) for x < 0, not the other way round; then times dy")
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

# %% [markdown]
# **Maxout** (Goodfellow et al. 2013) computes $k$ affine maps and keeps the largest, entry by entry. It is
# the max gate in matrix form: only the winner's $W_k$, $b_k$ receive gradient, and $dx$ runs through the
# winner only. It never saturates and contains ReLU, leaky ReLU, PReLU ($\alpha\le1$) and $|x|$ as special
# cases, for $k$ times the parameters.
#
# <details><summary>Hint 1: a question</summary>Four index letters are enough: n example, i input, o output, k
# piece. Which letters does each of W, y, dW and dx carry?</details>
# <details><summary>Hint 2</summary><code>np.einsum("ni,kio-&gt;kno", x, W)</code> gives all pieces: einsum
# multiplies entries with matching letters and sums over the letters that the result lacks.
# <code>argmax(axis=0)</code> the winners. Make a mask [k, N, d_out] and multiply it with
# <code>dy</code>.</details>

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

# %% demo=true
maxout = Maxout(1, 1, 3, lab.rng("maxout"))
maxout.W, maxout.b = np.array([[[-0.5]], [[0.2]], [[1.0]]]), np.array([[-1.0], [0.3], [-0.8]])
layers = [Sigmoid(), Tanh(), ReLU(), LeakyReLU(0.1), PReLU(), ELU(), maxout]
x = np.linspace(-4, 4, 201)[:, None]  # (201, 1)
fig, axes = figure(2, 4, size=(10, 4.6), sharex=True)
for ax, layer in zip(axes.flat, layers, strict=False):
    y = layer.forward(x)
    ax.plot(x, y, label="value")
    ax.plot(x, layer.backward(np.ones_like(y)), label="derivative")
    ax.set(title=type(layer).__name__, ylim=(-1.3, 2.3))
axes[0, 3].set_title("LeakyReLU, α = 0.1")
axes[1, 0].set_title("PReLU, α = 0.25")
axes[1, 2].set_title("Maxout, k = 3")
axes[1, 3].axis("off")
axes[1, 3].legend(*axes[0, 0].get_legend_handles_labels(), loc="center", fontsize=11)
fig.supxlabel("input x", fontsize=10)
show(fig, "The seven activations (solid) and their derivatives (dashed). Look where the dashed curve is near 0: "
    "there the unit learns nothing. Only leaky ReLU, PReLU and Maxout have no such region. Far to the left both "
    "curves of Sigmoid and ReLU lie on 0.")

# %% [markdown]
# **Why centre the inputs?** A unit computes $w^\top x$; its gradient is $\partial\mathcal L/\partial w=g\,x$
# with one number $g$ for the whole unit. If all $x_i>0$, all components have the sign of $g$: every step
# raises all weights together or lowers all of them. To raise one and lower another the path must zigzag.
# Sigmoid outputs are such inputs. (So are raw pixels, which is why we standardise them.)

# %% demo=true
fig, axes = figure(1, 2, size=(8, 3.5), sharey=True)
goal, inputs = np.array([1.5, -1.5]), lab.rng("zigzag").uniform(0.2, 1.0, size=(60, 2))
for ax, shift, name in zip(axes, (0.0, 0.6), ("all inputs positive", "centred inputs"), strict=True):
    path = [np.zeros(2)]
    for x in inputs - shift:
        error = x @ (path[-1] - goal)
        path.append(path[-1] - 0.9 / (x @ x) * error * x)
    ax.plot(*np.transpose(path), marker="o", markersize=3, linewidth=1)
    ax.plot(*goal, "*", color=COLOR["vermillion"], markersize=13)
    ax.set(title=name, xlabel="weight 0", aspect="equal")
axes[0].set_ylabel("weight 1")
show(fig, "Steps of one linear unit towards its best weights (star). With positive inputs both weights always "
    "move in the same direction, up or down together: a zigzag. Centred inputs allow every direction.")

# %% [markdown]
# ## 6 Affine layer and losses
#
# **Exercise 6 · 12 points · ★★☆ · 40 min.** The workhorse: $Y=XW+b$ with $X$ `[N, d_in]`, $W$ `[d_in, d_out]`,
# $b$ `[d_out]`. Entry by entry $Y_{no}=\sum_iX_{ni}W_{io}+b_o$. Ask of each quantity where it is used:
#
# $$dX=dY\,W^\top,\qquad dW=X^\top dY,\qquad db=\sum_n dY_n,$$
#
# of the shapes `[N, d_in]`, `[d_in, d_out]` and `[d_out]` of $X$, $W$ and $b$.
#
# All $N$ examples share $W$ and $b$, a fan-out, so the batch index is summed away. Weights start from
# $\mathcal N(0,\text{gain}/d_{in})$: `gain` = 2 keeps the scale of signals through ReLU layers (He et al.
# 2015), 1 through tanh. Do not take a sum for a mean: the $1/N$ belongs to the loss, and nowhere else.
#
# <details><summary>Hint 1: a question</summary>With N = d_in = d_out a wrong transpose goes unnoticed. Which
# shapes would you test with?</details>
# <details><summary>Hint 2</summary>A standard deviation is the square root of a variance.</details>

# %% demo=true
fig, ax = figure(size=(8, 2.9))
ax.text(0.5, 0.5, "Linear\nkeeps X, W", ha="center", va="center", fontsize=12,
    bbox={"boxstyle": "round,pad=1.1", "facecolor": "#EEEEEE", "edgecolor": "#444444"})
arrows = [  # from, to, colour, text, where the text stands
    ((0.08, 0.62), (0.38, 0.62), "blue", "X  [n i]", (0.22, 0.66)),
    ((0.62, 0.62), (0.92, 0.62), "blue", "Y = X W + b   ni, io → no", (0.79, 0.66)),
    ((0.92, 0.38), (0.62, 0.38), "vermillion", "dY  [n o]", (0.78, 0.25)),
    ((0.38, 0.38), (0.08, 0.38), "vermillion", "dX   no, io → ni", (0.21, 0.25)),
    ((0.5, 0.25), (0.5, 0.02), "vermillion", "dW   ni, no → io\ndb   no → o", (0.61, 0.02)),
    ((0.5, 0.98), (0.5, 0.75), "blue", "W  [i o],  b  [o]", (0.6, 0.88)),
]
for start, end, colour, text, at in arrows:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": COLOR[colour], "lw": 2})
    ax.text(*at, text, color=COLOR[colour], ha="center", fontsize=10)
ax.set(xlim=(0, 1), ylim=(-0.05, 1.05))
ax.axis("off")
show(fig, "One block, forward (blue) and backward (orange), with the index letters of each einsum: n example, i input, "
    "o output. A letter that is missing on the right of an arrow is summed over.")

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
    wide = Linear(400, 50, np.random.default_rng(1), gain=4.0)
    expect.close(wide.W.std(), 0.1, "the standard deviation of W for d_in = 400, gain = 4", rtol=0.03,
        likely="gain / d_in is the variance: the standard deviation is its square root; use the argument gain")
    expect.why("Three contractions. The batch axis vanishes in dW and db because all examples share W and b.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.linear(Linear)
### END HIDDEN TESTS

# %% [markdown]
# **Softmax cross-entropy.** Logits (scores of any size, not yet probabilities) $h$ `[N, K]`, labels $y$ `[N]`.
# With $p=\mathrm{softmax}(h)$, row by row $p_{nk}=e^{h_{nk}}/\sum_je^{h_{nj}}$, and $\mathrm{onehot}(y)$, 1
# at the label and 0 elsewhere,
#
# $$\mathcal L=-\frac1N\sum_n\log p_{n,y_n},\qquad \log p_{nk}=h_{nk}-\log\sum_je^{h_{nj}},\qquad
# \frac{\partial\mathcal L}{\partial h}=\frac1N\big(p-\mathrm{onehot}(y)\big).$$
#
# Subtract each row's largest logit first: $p$ does not change and `exp` cannot overflow. And never take the
# logarithm of a rounded probability: `log p` comes straight from the logits.
#
# <details><summary>Hint 1: a question</summary>Why must the rows of the gradient sum to 0? (What does softmax
# do when you add the same number to all logits of a row?)</details>
# <details><summary>Hint 2</summary>A cache is not a scratch pad: if <code>backward</code> subtracts the one-hot
# from the stored softmax in place, its second call is wrong.</details>

# %% exercise="ex6-softmax-cross-entropy"
class SoftmaxCrossEntropy:
    """Mean over the batch of -log softmax(logits)[label]."""

    probabilities = None  # set by forward; before that, backward raises ValueError

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
        "the loss of equal logits, 4 classes", likely="softmax runs over the classes, axis 1; then the mean over rows")
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

# %% [markdown]
# **Squared error** for outputs $f$ and targets $y$, both `[N, K]`; **binary cross-entropy** for one logit
# $z$ and a label $y\in[0,1]$ per example, with $\sigma$ folded in for the same numerical reasons:
#
# $$\mathcal L=\frac1N\sum_{n,k}(f_{nk}-y_{nk})^2,\quad \frac{\partial\mathcal L}{\partial f}=\frac2N(f-y);$$
#
# $$\mathcal L=\frac1N\sum_n\big[\max(z_n,0)-z_ny_n+\log(1+e^{-|z_n|})\big],\quad
# \frac{\partial\mathcal L}{\partial z}=\frac1N(\sigma(z)-y).$$
#
# <details><summary>Hint: a question</summary>Where does −y log σ(z) − (1 − y) log(1 − σ(z)) become max(z, 0) −
# z y + log(1 + exp(−|z|))? Try z ≥ 0 first, with log σ(z) = −log(1 + exp(−z)). <code>np.log1p</code> is exact
# for small arguments.</details>

# %% exercise="ex6-mse"
class MSE:
    """Squared error: sum over the K outputs, mean over the N examples."""

    difference = None  # set by forward; before that, backward raises ValueError

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

    z = None  # set by forward; before that, backward raises ValueError

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
# Let your own judge speak: numerical gradients of all parameters of a layer, behind a loss.

# %% demo=true
rng = lab.rng("judge")
layer, loss = Linear(3, 2, rng), MSE()
x, target = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))


def loss_with(name, value):
    """The loss when parameter `name` of the layer is `value`; the layer is left as it was."""
    kept = getattr(layer, name)
    setattr(layer, name, value)
    result = loss.forward(layer.forward(x), target)
    setattr(layer, name, kept)
    return result


loss.forward(layer.forward(x), target)
layer.backward(loss.backward())
with check("Exercises 1 and 6: Linear and MSE against numerical gradients") as expect:
    for name in ("W", "b"):
        numerical = numerical_grad(lambda value, name=name: loss_with(name, value), getattr(layer, name))
        error = rel_error(numerical, getattr(layer, "d" + name))
        expect.true(error < 1e-6, f"d{name} is off by a relative error of {error:.1e}")
    expect.why("This is how every new layer of the course will be tested.")

# %% [markdown]
# **The batch by Einstein summation.** Here is a whole network, two sigmoid layers and a linear one, without
# any class. Lecture notes often store examples as *columns*: then $W$ is `[d_out, d_in]`, a layer is
# $WX+b$, and the gradient of its weights reads `einsum("ib,jb->ij", dL, hid)`. We keep rows. The letters
# change places, the thought is the same: contract the batch for parameters, contract the outputs to go back.

# %% demo=true
rng, N, sizes = lab.rng("listing"), 5, [4, 6, 3, 2]
W = [rng.normal(size=shape) for shape in pairwise(sizes)]
b = [rng.normal(size=n) for n in sizes[1:]]
X, T = rng.normal(size=(N, 4)), rng.normal(size=(N, 2))

h = [X]  # inputs of the three layers, then the output
for k in range(3):
    pre = np.einsum("ni,io->no", h[k], W[k]) + b[k]
    h.append(1 / (1 + np.exp(-pre)) if k < 2 else pre)
dW, db, d = [None] * 3, [None] * 3, 2 * (h[3] - T) / N
for k in (2, 1, 0):
    dW[k], db[k] = np.einsum("ni,no->io", h[k], d), np.einsum("no->o", d)
    d = np.einsum("no,io,ni->ni", d, W[k], h[k] * (1 - h[k]))  # the sigmoid's slope, from its output

columns = np.einsum("ib,jb->ij", (2 * (h[3] - T) / N).T, h[2].T)  # the same in column convention
weights, biases = [Tensor(w, requires_grad=True) for w in W], [Tensor(v, requires_grad=True) for v in b]
out = Tensor(X)
for k in range(3):
    out = out @ weights[k] + biases[k]
    out = out.sigmoid() if k < 2 else out
(((out - T) ** 2).sum() / N).backward()
with check("The einsum network against your engine") as expect:
    for k in range(3):
        expect.close(weights[k].grad, dW[k], f"the gradient of W{k + 1}")
        expect.close(biases[k].grad, db[k], f"the gradient of b{k + 1}")
    expect.close(columns.T, dW[2], "the gradient of W3 computed with examples as columns")
    expect.why("Three lines a layer. The engine does the same, without anybody deriving it.")

# %% [markdown]
# ## 7 Composing and training
#
# **Exercise 7 · 8 points · ★★☆ · 30 min.** `Sequential` runs layers in order and their backward passes in
# reverse, each fed with what the layer behind it returned. The parameters of a layer are those of its
# attributes `W`, `b`, `alpha` that are arrays (the `alpha` of a LeakyReLU is a number, hence fixed).
# One epoch of stochastic gradient descent visits every example once, in a fresh random order:
#
# for each batch: `forward` → `loss.forward` → `loss.backward` → `backward` → step $p\leftarrow p-\eta\,dp$.
#
# <details><summary>Hint 1: a question</summary>The last batch may be shorter. Is the mean of the batch losses
# the mean loss over all examples? And if you permute X, what about y?</details>
# <details><summary>Hint 2</summary><code>W = layer.W; W = W - lr * dW</code> changes a local name only.
# <code>getattr(layer, name)</code> and <code>setattr(layer, name, value)</code> read and write an attribute
# whose name you hold in a string.</details>
# <details><summary>Hint 3</summary><code>order = rng.permutation(N)</code>, then
# <code>batch = order[start : start + batch_size]</code> indexes X and y alike.</details>

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
    first, square, last = Scale(3.0), Square(), Scale(10.0)
    square.alpha = 0.01  # a number, hence fixed
    net = Sequential(first, square, last)
    expect.close(net.forward(np.array([1.0, 2.0])), [90.0, 360.0], "10 (3x)² at 1 and 2",
        likely="apply the layers in order")
    expect.close(net.backward(np.array([1.0, 1.0])), [180.0, 360.0], "its derivative 180 x",
        likely="each layer gets the gradient that the one behind it returned")
    reverse = "walk through the layers in REVERSE: the last one receives dy itself"
    expect.close(last.dW, [45.0], "the gradient of the last layer's W", likely=reverse)
    expect.close(first.dW, [300.0], "the gradient of the first layer's W", likely=reverse)
    expect.equal([name for _, name in net.parameters()], ["W", "W"], "the names in parameters()",
        likely="list a (layer, name) pair for every ARRAY among W, b, alpha; here alpha = 0.01 is a number")
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
with check("Exercise 7: train_epoch") as expect:
    arguments = None, None, np.zeros((4, 2)), np.zeros(4, dtype=int), 2, 0.1, np.random.default_rng(0)
    expect.raises((AttributeError, TypeError), train_epoch, *arguments, what="net = None, which has no forward")
    expect.written("The cell after predict tests it with your layers. It is graded with a network, a loss and an "
        "sgd_step of the grader's own.")
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
    expect.shape(classes, (2,), "the predictions for two examples", likely="the classes lie along axis 1")
    expect.equal(classes, [1, 0], "the classes with the largest output",
        likely="the classes lie along axis 1")
    expect.why("Softmax is not needed here: it does not change which logit is the largest.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.predict(predict)
### END HIDDEN TESTS

# %% demo=true
rng = lab.rng("whole network")
net, loss = Sequential(Linear(4, 5, rng), ReLU(), Linear(5, 3, rng)), SoftmaxCrossEntropy()
X, y = rng.normal(size=(7, 4)), rng.integers(0, 3, size=7)


def loss_at(layer, name, value):
    kept = getattr(layer, name)
    setattr(layer, name, value)
    result = loss.forward(net.forward(X), y)
    setattr(layer, name, kept)
    return result


with check("Exercise 7: ten parameters of a 4-5-3 network against numerical gradients") as expect:
    loss.forward(net.forward(X), y)
    net.backward(loss.backward())
    for layer, name in [net.parameters()[i] for i in rng.integers(0, 4, size=10)]:
        place = tuple(rng.integers(0, n) for n in getattr(layer, name).shape)
        numerical = numerical_grad(lambda v, l=layer, n=name: loss_at(l, n, v), getattr(layer, name))[place]
        error = rel_error(numerical, getattr(layer, "d" + name)[place])
        expect.true(error < 1e-5, f"d{name}{[int(i) for i in place]} has a relative error of {error:.1e}")
    before = loss.forward(net.forward(X), y)
    mean = train_epoch(net, loss, X, y, batch_size=3, lr=0.0, rng=rng)
    expect.close(mean, before, "the mean loss of an epoch at lr = 0 with batches of 3, 3 and 1", rtol=1e-12,
        likely="X and y are indexed by the same batch, and the loss of a batch counts once per example in it")
    probe, last_batches = Square(), set()  # a Square keeps its input: here the last batch
    for _ in range(5):
        train_epoch(Sequential(probe, *net.layers), loss, X, y, batch_size=4, lr=0.0, rng=rng)
        last_batches.add(np.asarray(probe.x).tobytes())
    expect.true(len(last_batches) > 1, "five epochs visited the examples in one and the same order",
        likely="draw a fresh rng.permutation(N) in every epoch")
    for _ in range(20):
        mean = train_epoch(net, loss, X, y, batch_size=3, lr=0.1, rng=rng)
    expect.true(mean < 0.5 * before, f"20 epochs took the loss from {before:.2f} to {mean:.2f}, not to half of it",
        likely="does each batch call loss.backward, net.backward and sgd_step, in this order?")
    expect.why("Gradients right, loss falling: you have a deep-learning library.")

# %% [markdown]
# **The same formulas on a GPU.** PyTorch accepts a hand-written backward pass: a `torch.autograd.Function`
# with two methods. Below are three of your blocks as such; nothing else changes, and they run on whatever
# `lab.device` is. The check compares them with your NumPy layers. Preset `full` trains with them.

# %% demo=true
class LinearOnDevice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return x @ W + b

    @staticmethod
    def backward(ctx, dy):
        x, W = ctx.saved_tensors
        return dy @ W.mT, x.mT @ dy, dy.sum(dim=0)


class ReLUOnDevice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x > 0)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dy):
        return torch.where(ctx.saved_tensors[0], dy, 0.0)


class CrossEntropyOnDevice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, y):
        log_p = logits - logits.logsumexp(dim=1, keepdim=True)
        ctx.save_for_backward(log_p, y)
        return -log_p.gather(1, y[:, None]).mean()

    @staticmethod
    def backward(ctx, dy):
        log_p, y = ctx.saved_tensors
        onehot = torch.zeros_like(log_p).scatter(1, y[:, None], 1.0)
        return dy * (log_p.exp() - onehot) / len(y), None


# %% demo=true
def forward_on_device(params, x):
    """A ReLU network; params is the list W1, b1, W2, b2, ..."""
    for i in range(0, len(params) - 2, 2):
        x = ReLUOnDevice.apply(LinearOnDevice.apply(x, params[i], params[i + 1]))
    return LinearOnDevice.apply(x, params[-2], params[-1])


def to_device(array, dtype=torch.float32):
    return torch.tensor(array).to(lab.device, dtype)


params = [to_device(getattr(*pair)).requires_grad_() for pair in net.parameters()]
loss_on_device = CrossEntropyOnDevice.apply(forward_on_device(params, to_device(X)), to_device(y, torch.int64))
loss_on_device.backward()
value = loss.forward(net.forward(X), y)
net.backward(loss.backward())
with check("The blocks on the device against your layers") as expect:
    expect.close(loss_on_device, value, "the loss", rtol=1e-4)
    for i, (layer, name) in enumerate(net.parameters()):
        expect.close(params[i].grad, getattr(layer, "d" + name), f"d{name} number {i}", rtol=1e-3, atol=1e-5)
    expect.why("Same formulas, float32, any device.")

# %% [markdown]
# ## Experiment A: handwritten digits with your own layers
#
# **2 points, together with B and C about 20 min.** 28 × 28 pixels become 784 inputs, standardised with one
# mean and one standard deviation. The network 784-100-100-10 has 89,610 parameters, and every one of them
# learns by your code: SGD, learning rate 0.1, batches of 64, five epochs over 8,000 digits. Only the
# activation changes between runs. `Identity` is the baseline that tells what depth without an activation is
# worth. When the chapter is graded, your classes are trained once more from the start.

# %% demo=true
digits = mnist()
n_train = lab.pick(smoke=1500, quick=8000)
pixels = digits.x_train[:n_train].reshape(-1, 784) / 255
mean, std = pixels.mean(), pixels.std()
X_train, y_train = (pixels - mean) / std, digits.y_train[:n_train].astype(np.int64)  # (N, 784), (N,)
X_test, y_test = (digits.x_test.reshape(-1, 784) / 255 - mean) / std, digits.y_test.astype(np.int64)


class Identity:
    def forward(self, x):
        return x

    def backward(self, dy):
        return dy


def mlp(activation, hidden=2, gain=2.0, seed="weights"):
    """784 inputs, `hidden` layers of 100 units with the given activation class, 10 outputs."""
    rng, layers, d_in = lab.rng(seed), [], 784
    for _ in range(hidden):
        layers += [Linear(d_in, 100, rng, gain), activation()]
        d_in = 100
    return Sequential(*layers, Linear(d_in, 10, rng, gain))


def train_digits(net, label):
    loss, rng = SoftmaxCrossEntropy(), lab.rng("batches")
    return train(
        lambda i: train_epoch(net, loss, X_train, y_train, batch_size=64, lr=0.1, rng=rng),
        lab.pick(smoke=1, quick=5), every=1, label=label,
        evaluate=lambda i: {"acc": (predict(net, X_test) == y_test).mean()},
    )


# %% demo=true
gains = {ReLU: 2.0, LeakyReLU: 2.0, ELU: 2.0, Tanh: 1.0, Sigmoid: 1.0, Identity: 0.5}
runs = {kind.__name__: train_digits(mlp(kind, gain=gain), kind.__name__) for kind, gain in gains.items()}

fig, (left, right) = figure(1, 2, size=(9, 3.4))
for i, (name, history) in enumerate(runs.items()):
    history.plot(left, "loss", label=name, **line_style(i))
    history.plot(right, "acc", label=name, **line_style(i))
epochs = history.at("acc")
left.set(title="training loss", xlabel="epoch", xticks=epochs)
right.set(title="accuracy on 2,000 test digits", xlabel="epoch", ylabel="accuracy", xticks=epochs)
right.legend(fontsize=8)
show(fig, "Six activations in the same network. The piecewise linear ones and tanh learn fast, the sigmoid lags; "
    "without any activation accuracy stops at that of a linear classifier.")

# %% demo=true
with check("Experiment A: digits") as expect:
    accuracy = {name: history.last("acc") for name, history in runs.items()}
    print("  ".join(f"{name} {value:.3f}" for name, value in accuracy.items()))
    needed, gap = lab.pick(smoke=(0.5, -0.2), quick=(0.925, 0.02))
    expect.true(accuracy["ReLU"] >= needed, f"ReLU reached {accuracy['ReLU']:.3f}, expected at least {needed}",
        likely="are X and y indexed by the same batch? does the local derivative stand in every backward? is 1/N "
        "in the loss? do all layers get updated?")
    expect.true(accuracy["ReLU"] - accuracy["Identity"] >= gap,
        "ReLU should clearly beat the network without activation")
    expect.why("At preset quick, without the derivative of the activation it would be about 0.90, with only the last "
        "layer learning 0.78, without the 1/N nothing at all.")

# %% test="exA-digits-test" points=2
with check("Experiment A: the network fits together") as expect:
    rng = np.random.default_rng(0)
    net = Sequential(Linear(784, 100, rng), ReLU(), Linear(100, 100, rng), ReLU(), Linear(100, 10, rng))
    expect.shape(net.forward(np.zeros((5, 784))), (5, 10), "the output for 5 blank digits")
    expect.written("Graded by training it afresh on real digits.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.experiment_digits(Sequential, Linear, ReLU, SoftmaxCrossEntropy, train_epoch, predict)
### END HIDDEN TESTS

# %% demo=true
hidden, epochs, n = lab.pick(smoke=(100, 1, 1280), quick=(100, 2, 8000), full=(800, 30, 60000))
data = mnist(full=lab.preset == "full")
pixels = data.x_train[:n].reshape(-1, 784) / 255
x_dev, y_dev = to_device((pixels - pixels.mean()) / pixels.std()), to_device(data.y_train[:n], torch.int64)
x_out = to_device((data.x_test.reshape(-1, 784) / 255 - pixels.mean()) / pixels.std())
y_out = to_device(data.y_test, torch.int64)
rng, shapes = lab.rng("device"), [(784, hidden), (hidden, hidden), (hidden, 10)]
params = [p for m, k in shapes for p in (rng.normal(0, (2 / m) ** 0.5, (m, k)), np.zeros(k))]
params = [to_device(p).requires_grad_() for p in params]


def epoch_on_device(i):
    total = torch.zeros((), device=lab.device)
    for batch in to_device(rng.permutation(n), torch.int64).split(64):
        loss = CrossEntropyOnDevice.apply(forward_on_device(params, x_dev[batch]), y_dev[batch])
        grads = torch.autograd.grad(loss, params)
        with torch.no_grad():
            for p, g in zip(params, grads, strict=True):
                p -= 0.1 * g
        total += loss.detach() * len(batch)
    return total / n


def errors_on_device(i):
    with torch.no_grad():
        return {"error": (forward_on_device(params, x_out).argmax(1) != y_out).float().mean()}


history = train(epoch_on_device, epochs, every=1, evaluate=errors_on_device, label=f"{lab.device.type}")
print(f"784-{hidden}-{hidden}-10, {n} digits, {epochs} epochs: {history.last('error'):.1%} test error")

# %% [markdown]
# With preset `full` that cell trains two layers of 800 units on all 60,000 digits for 30 epochs; such a run
# ended at about 1.6 % test error. Simard, Steinkraus and Platt (2003) report about 1.6 % for a network with 800
# hidden units, trained with cross-entropy on the undistorted digits. Start Jupyter with `COURSE_PRESET=full`
# to try; it downloads the full data first, and takes minutes without a GPU.

# %% [markdown]
# ## Experiment B: your engine learns a spiral
#
# **2 points.** No layers this time: a 2-32-32-3 tanh network of 1,251 parameters, written as formulas with
# your `Tensor`s, loss included; beside it softmax regression, a single linear layer. Full batch, 600 steps
# with momentum, $v\leftarrow0.9v-0.1g$, $\theta\leftarrow\theta+v$. A second draw of the spiral is the test set.

# %% demo=true
def forward_engine(params, x):
    h = Tensor(x)
    for i in range(0, len(params) - 2, 2):
        h = (h @ params[i] + params[i + 1]).tanh()
    return h @ params[-2] + params[-1]


def cross_entropy_engine(logits, y):
    shifted = logits - logits.max(axis=1, keepdims=True).detach()
    log_p = shifted - shifted.exp().sum(axis=1, keepdims=True).log()
    return -log_p[np.arange(len(y)), y].mean()


def start_weights(rng, sizes):
    pairs = pairwise(sizes)
    return [array for m, n in pairs for array in (rng.normal(0, m**-0.5, (m, n)), np.zeros(n))]


def train_engine(params, x, y, steps, label):
    velocity = [np.zeros(p.shape) for p in params]

    def step(i):
        for p in params:
            p.zero_grad()
        loss = cross_entropy_engine(forward_engine(params, x), y)
        loss.backward()
        for j, p in enumerate(params):
            velocity[j] = 0.9 * velocity[j] - 0.1 * p.grad
            p.data = p.data + velocity[j]
        return loss.data

    return train(step, steps, label=label)


# %% demo=true
per_arm = lab.pick(smoke=100, quick=100, full=1000)
x_spiral, y_spiral = spiral(lab.rng("spiral"), per_arm)
x_fresh, y_fresh = spiral(lab.rng("fresh spiral"), per_arm)


def run_spiral(name, sizes):
    """Train a network of these sizes; its history, parameters and accuracy on the fresh spiral."""
    params = [Tensor(array, requires_grad=True) for array in start_weights(lab.rng(name), sizes)]
    history = train_engine(params, x_spiral, y_spiral, lab.pick(smoke=200, quick=600), name)
    return history, params, (forward_engine(params, x_fresh).data.argmax(axis=1) == y_fresh).mean()


networks = {"softmax regression": [2, 3], "2-32-32-3": [2, 32, 32, 3]}
results = {name: run_spiral(name, sizes) for name, sizes in networks.items()}

fig, axes = figure(1, 3, size=(10, 3.4))
for ax, (name, (history, params, test)) in zip(axes, results.items(), strict=False):
    draw_regions(ax, lambda p, q=params: forward_engine(q, p).data.argmax(axis=1), x_spiral, y_spiral)
    ax.set_title(f"{name}: {test:.3f} right")
    history.plot(axes[2], "loss", label=name)
axes[2].set(title="training loss", yscale="log")
axes[2].legend(fontsize=8)
show(fig, "Regions learned by your engine, and the accuracy on a fresh spiral. Straight borders cannot follow the "
    "arms; two hidden layers can.")

# %% demo=true
with check("Experiment B: the spiral") as expect:
    history, _, accuracy_b = results["2-32-32-3"]
    needed, limit = lab.pick(smoke=(0.9, 0.2), quick=(0.97, 0.05))
    expect.true(accuracy_b >= needed, f"test accuracy {accuracy_b:.3f}, expected at least {needed}")
    expect.true(history.last() <= limit, f"final loss {history.last():.3f}, expected at most {limit}")
    expect.true(results["softmax regression"][2] <= 0.7, "softmax regression should not be able to follow the arms")
    arrays = start_weights(lab.rng("twins"), [2] + [32] * lab.pick(smoke=2, quick=2, full=8) + [3])
    mine = train_engine([Tensor(a, requires_grad=True) for a in arrays], x_spiral, y_spiral, 100, "engine")
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    optimizer = torch.optim.SGD(theirs, lr=0.1, momentum=0.9)
    for _ in range(100):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(torch_mlp(theirs, torch.tensor(x_spiral)), torch.tensor(y_spiral))
        loss.backward()
        optimizer.step()
    expect.close(mine.last(), loss, "the loss of the 100th step, in PyTorch", rtol=0, atol=1e-6)
    expect.why("And after 100 identical steps your loss and PyTorch's still agree to 1e-6.")

# %% test="exB-spiral-test" points=2
with check("Experiment B: the engine builds a network") as expect:
    hidden_layer = (Tensor(np.ones((4, 2))) @ Tensor(np.ones((2, 3)), requires_grad=True)).tanh()
    expect.shape(hidden_layer.data, (4, 3), "a tanh layer built from Tensors")
    expect.written("Graded by training a small classifier with your Tensors.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.experiment_spiral(Tensor)
### END HIDDEN TESTS

# %% [markdown]
# ## Experiment C: vanishing gradients
#
# **2 points.** Now five hidden layers, and the same recipe otherwise. On its way back the gradient is
# multiplied once per layer by the slope of the activation: at most 1/4 for the sigmoid, so after eight layers
# little is left, whatever the learning rate. First look at an untrained network with eight hidden layers:
# after one backward pass, how large is $\lVert dW\rVert$ in each hidden-to-hidden layer?

# %% demo=true
def gradient_norms(net, x, y):
    """The norm of dW for every Linear layer of net, first to last, after one backward pass."""
    loss = SoftmaxCrossEntropy()
    loss.forward(net.forward(x), y)
    net.backward(loss.backward())
    return [float(np.linalg.norm(layer.dW)) for layer, name in net.parameters() if name == "W"]


gains = {"Sigmoid": (Sigmoid, 1.0), "Tanh": (Tanh, 1.0), "ReLU": (ReLU, 2.0)}
norms = {name: gradient_norms(mlp(kind, 8, gain), X_train[:256], y_train[:256])[1:8]
    for name, (kind, gain) in gains.items()}
ratios = {name: values[0] / values[-1] for name, values in norms.items()}
deep = {name: train_digits(mlp(kind, 5, gain), name) for name, (kind, gain) in gains.items()}

fig, (left, right) = figure(1, 2, size=(9, 3.4))
for i, name in enumerate(gains):
    left.semilogy(range(2, 9), norms[name], label=name, **line_style(i))
    deep[name].plot(right, "acc", label=name, **line_style(i))
left.set(title="gradient norm at the start", xlabel="layer (2 = near the input)", ylabel="norm of dW")
right.set(title="accuracy, five hidden layers", xlabel="epoch", ylabel="accuracy", ylim=(0, 1),
    xticks=deep["Tanh"].at("acc"))
left.legend()
show(fig, "Left: on the way back through sigmoid layers the gradient shrinks by a factor of about four per layer, "
    "while tanh and ReLU keep it level. Right: tanh and ReLU learn, at preset quick on nearly "
    "the same curve; the deep sigmoid network hardly leaves chance, 0.1.")

# %% demo=true
with check("Experiment C: vanishing gradients") as expect:
    accuracy = {name: history.last("acc") for name, history in deep.items()}
    for name, value in accuracy.items():
        print(f"{name:8s} first over last gradient norm {ratios[name]:.1e}, accuracy {value:.3f}")
    needed = lab.pick(smoke={"ReLU": 0.5, "Tanh": 0.5}, quick={"ReLU": 0.88, "Tanh": 0.90})
    expect.true(ratios["Sigmoid"] < 5e-3, f"sigmoid: first over last gradient norm {ratios['Sigmoid']:.1e}")
    for name in needed:
        expect.true(0.2 <= ratios[name] <= 5, f"{name}: gradient norms should be level, ratio {ratios[name]:.2f}",
            likely="the standard deviation of W is sqrt(gain / d_in); is the local derivative right?")
        expect.true(accuracy[name] >= needed[name], f"{name} reached {accuracy[name]:.3f}")
    expect.true(accuracy["Sigmoid"] <= 0.3, f"the deep sigmoid network reached {accuracy['Sigmoid']:.3f}")
    expect.why("Activation and scale of the weights decide whether a deep network can learn at all.")

# %% test="exC-vanishing-test" points=2
with check("Experiment C: a deep network fits together") as expect:
    rng = np.random.default_rng(0)
    net = Sequential(*[Linear(20, 20, rng) if i % 2 == 0 else Tanh() for i in range(11)])
    expect.shape(net.forward(np.zeros((5, 20))), (5, 20), "the output of a stack of eleven layers")
    expect.written("Graded by comparing gradients and training across activations.")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.experiment_vanishing(
    Sequential, Linear, Sigmoid, Tanh, ReLU, SoftmaxCrossEntropy, train_epoch, predict
)
### END HIDDEN TESTS

# %% [markdown]
# **Widget 2: saturation.** Can a cleverer weight scale rescue the sigmoid? Search for a setting in which the
# gradients of 20 layers stay level *and* the activations still vary. For tanh and ReLU there is a sweet spot.

# %% demo=true
def saturation(fig, activation, depth, scale):
    kind = {"Sigmoid": Sigmoid, "Tanh": Tanh, "ReLU": ReLU}[activation]
    rng = lab.rng("widget")
    layers = [layer for _ in range(depth) for layer in (Linear(50, 50, rng, gain=scale**2), kind())]
    h, spread = rng.normal(size=(64, 50)), []
    for layer in layers:
        h = layer.forward(h)
        spread.append(h.std(axis=0).mean())
    Sequential(*layers).backward(rng.normal(size=h.shape) / 64)
    norms = [np.linalg.norm(layer.dW) for layer in layers[::2]]
    left, right = fig.subplots(1, 2, sharey=True)
    numbers = range(1, depth + 1)
    left.semilogy(numbers, np.clip(norms, 1e-8, 1e4), marker="o", color=COLOR["vermillion"])
    right.semilogy(numbers, np.clip(spread[1::2], 1e-8, 1e4), marker="s", color=COLOR["blue"])
    left.set_title("gradient: norm of dW")
    right.set_title("signal: spread over the batch")
    for ax in (left, right):
        ax.set(xlabel="layer", ylim=(5e-9, 2e4), xticks=numbers[:: max(1, depth // 7)])


explore(saturation, "Gradient norm and spread of the activations in every layer of an untrained network: level "
    "curves in both pictures mean that all layers can learn.", size=(8, 3.2),
    activation=Choice(["Sigmoid", "Tanh", "ReLU"], "Sigmoid"), depth=Slider(1, 20, 10),
    scale=Slider(0.1, 3.0, 1.0, 0.1, "weight scale"))

# %% [markdown]
# **Dead units.** A ReLU unit that is negative for all data has gradient 0 and cannot come back. Bad starts
# do that, and so do large steps. Which of the two is the bigger danger, and how much does the much-quoted
# bias of 0.01 help?

# %% demo=true
def share_of_dead_units(bias, lr):
    rng, n = lab.rng("dead"), lab.pick(smoke=400, quick=3000)
    first, relu = Linear(784, 100, rng), ReLU()
    first.b = first.b + bias
    net = Sequential(first, relu, Linear(100, 10, rng))
    train_epoch(net, SoftmaxCrossEntropy(), X_train[:n], y_train[:n], batch_size=64, lr=lr, rng=rng)
    return (relu.forward(first.forward(X_train[:1000])) == 0).all(axis=0).mean()


biases, rates = [-6.0, -3.0, 0.0, 0.01, 1.0], [0.1, 0.3, 1.0, 3.0]
with np.errstate(all="ignore"):  # the largest rate may diverge
    dead = [[share_of_dead_units(bias, lr) for lr in rates] for bias in biases]
fig, ax = figure(size=(4.8, 3.6))
heatmap(dead, ax, fmt=".0%", xlabels=rates, ylabels=biases, vmin=0, vmax=1)
ax.set(title="dead ReLU units after one epoch", xlabel="learning rate", ylabel="bias at the start")
show(fig, "Share of hidden units that are 0 on all of 1,000 digits. Read along a row: large learning rates kill most "
    "units; read down: a very negative bias starts them dead. A bias of 0.01 instead of 0 changes little.")

# %% [markdown]
# **Advice** that fits these experiments: try ReLU first, then leaky ReLU, maxout, ELU; sigmoid only for
# logical outputs and gates; expect little from tanh in deep stacks without care for the weights. Why one
# activation suits a task better than another, nobody can derive yet: networks resist interpretation, so
# people try and measure.

# %% [markdown]
# ## 8 What depth buys
#
# **Exercise 8 · 6 points · ★★★ · 60 min.** One hidden layer is enough, says the universal approximation
# theorem (Cybenko 1989): with finitely many sigmoidal units it comes as close as you like to any continuous
# function on a compact set. It does not say *how many* units. In the 1980s two or three hidden layers were
# common, today networks have over a hundred. What does depth buy?

# %% demo=true
x = np.linspace(0, 1, 400)
bump = np.exp(-((x - 0.5) ** 2) / 0.02) + 0.3 * np.sin(12 * x)
fig, axes = figure(1, 3, size=(10, 2.9), sharey=True)
for ax, units in zip(axes, (3, 10, 100), strict=True):
    knots = np.linspace(0, 1, units, endpoint=False)
    hidden = np.maximum(x[:, None] - knots, 0)  # (400, units): relu(x - knot)
    features = np.column_stack([hidden, np.ones(400)])
    fit = features @ np.linalg.lstsq(features, bump, rcond=None)[0]
    ax.plot(x, bump, color="black", linestyle=":", label="target")
    ax.plot(x, fit, label="network")
    ax.set(title=f"{units} units: largest error {abs(fit - bump).max():.2g}", xlabel="x")
axes[0].legend(fontsize=8)
show(fig, "One hidden layer of ReLU units with fixed knots, output weights by least squares: 3, 10 and 100 straight "
    "pieces come closer and closer to a smooth target.")

# %% [markdown]
# A ReLU network is **piecewise linear**: between the points where some unit switches, everything is a
# straight line. So count pieces. On the line, $N$ units in one layer have $N$ knots: at most $N+1$ pieces,
# four for three units. With $n$ inputs, the exact maximum is $\sum_{j=0}^n\binom Nj$ (Zaslavsky): for $N=Lm$
# units in one layer, as many as $L$ layers of $m$ have, that is $O(L^nm^n)$, a polynomial (Pascanu et al.
# 2014). With $L$ layers of $m\ge n$ units a network can have $\Omega\big((m/n)^{(L-1)n}m^n\big)$ regions:
# exponential in $L$ (Montúfar et al. 2014).
#
# Why exponential? Because layers *fold*. The tent $t(x)=2\,\mathrm{relu}(x)-4\,\mathrm{relu}(x-\frac12)$ lays
# $[0,1]$ twice over itself; whatever the next layer computes then happens twice. $L$ tents in a row have
# $2^L$ pieces with $2L$ units (Telgarsky 2016).

# %% [markdown]
# **Counting exactly.** A grid would miss thin pieces. Instead keep segments on which all units are known
# straight lines $p+qx$ (arrays $p,q$ `[m]`, at the start one segment with $p=0,q=1$). For each layer:
# new lines $pW+b$ and $qW$; cut the segment where one of them crosses 0; in each part ReLU keeps a line or
# sets it to 0, as the sign in the middle of the part says. After the last layer count the changes of slope.
#
# <details><summary>Hint 1: a question</summary>How many pieces have three knots inside (lo, hi)? And a unit
# whose outgoing weight is 0?</details>
# <details><summary>Hint 2</summary>The line p + q x crosses 0 at −p/q, if q ≠ 0. Sort the crossings strictly
# inside the segment, drop those within about 1e-12 of each other or of an end: they are the same point, rounded
# differently.</details>
# <details><summary>Hint 3</summary>For the tent network write one tent as out-weights [2, −4] behind units
# relu(x), relu(x − ½). Between two hidden layers these out-weights meet the next layer's in-weights [1, 1]: a
# [2, 2] matrix.</details>

# %% exercise="ex8-count-pieces"
def count_linear_pieces(Ws: list, bs: list, lo: float, hi: float) -> int:
    """Number of maximal linear pieces on [lo, hi] of a ReLU network from a number to a number.

    Ws:  weight matrices [1, m1], [m1, m2], ..., [mL, 1];  bs: biases [m1], ..., [1]
    ReLU follows every layer but the last. Neighbouring pieces count as one if their slopes differ by at most
    1e-9 times the larger of the two absolute slopes, or by at most 1e-12; knots closer to each other or to an
    end than 1e-12 (hi - lo) are one point, rounded differently. Raises ValueError if lo >= hi.
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
    expect.close(relu_net(Ws, bs, [0.0, 0.25, 0.5, 1.0]), [0.0, 0.5, 1.0, 0.0], "one tent at 0, 1/4, 1/2, 1",
        likely="the second unit is relu(x - 1/2): its bias is -1/2, its output weight -4")
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

# %% demo=true
depths = range(1, 11)
pieces = [count_linear_pieces(*tent_network(depth), 0.0, 1.0) for depth in depths]
with check("Exercise 8: the tent network in numbers") as expect:
    expect.equal(pieces, [2**depth for depth in depths], "the pieces of tent networks of depth 1 to 10")
    expect.why("2 L units, 2 to the power of L pieces.")

fig, axes = figure(2, 4, size=(10, 4.4))
x = np.linspace(0, 1, 2049)
for depth, ax in zip((1, 2, 3, 4, 5, 6), [*axes[0, :3], *axes[1, :3]], strict=True):
    ax.plot(x, relu_net(*tent_network(depth), x), linewidth=1)
    ax.set_title(f"depth {depth}: {pieces[depth - 1]} pieces")
grid = axes[0, 3].get_gridspec()
axes[0, 3].remove()
axes[1, 3].remove()
ax = fig.add_subplot(grid[:, 3])
ax.semilogy([2 * depth for depth in depths], pieces, marker="o", label="deep: $2^L$")
ax.semilogy([2 * depth for depth in depths], [2 * depth + 1 for depth in depths], marker="s", label="shallow: $N+1$")
ax.set(title="pieces", xlabel="hidden units")
ax.legend()
show(fig, "Tent networks of depth 1 to 6, and right, pieces against hidden units on a logarithmic scale: 20 units "
    "give 1,024 pieces in ten layers of two, and 21 in one layer.")

# %% [markdown]
# **Widget 3: linear pieces.** The bounds say what is possible. What is typical? Draw random networks of
# various width and depth, and compare with the tent weights.

# %% demo=true
def pieces_of_random_net(fig, width, depth, tent):
    if tent:
        (Ws, bs), (lo, hi), width = tent_network(depth), (0.0, 1.0), 2
    else:
        rng, (lo, hi), sizes = lab.rng("random net"), (-3.0, 3.0), [1] + [width] * depth + [1]
        Ws = [rng.normal(0, (2 / m) ** 0.5, (m, n)) for m, n in pairwise(sizes)]
        bs = [rng.normal(0, 0.5, n) for n in sizes[1:]]
    count = count_linear_pieces(Ws, bs, lo, hi)
    x = np.linspace(lo, hi, 4001)
    ax = fig.subplots()
    ax.plot(x, relu_net(Ws, bs, x), linewidth=1.2)
    ax.set(xlabel="x", ylabel="output", title=f"pieces: {count}.  {width * depth} units in one layer: at most "
        f"{max_regions_shallow(width * depth, 1)}; {depth} layers can have ${width}^{{{depth}}}$ or more")


explore(pieces_of_random_net, "A ReLU network on the line and its number of straight pieces: random deep networks "
    "stay far below what their depth allows, the tent weights reach it.", size=(7.5, 3.4),
    width=Slider(2, 32, 8), depth=Slider(1, 6, 3), tent=Toggle(False, "tent weights"))

# %% [markdown]
# So many pieces are possible, not automatic. When does depth pay? Poggio et al. (2019): to approximate a
# generic function of $n$ variables any network needs a number of parameters exponential in $n$; if the
# function is a *hierarchy of local functions*, deep convolutional networks get by with a number linear in
# $n$, shallow ones do not. In practice: on the street-view house numbers, shallow networks overfit from
# about 20 million parameters on, deeper ones still gain beyond 60 million (Goodfellow et al. 2014). Choosing
# depth is an assumption, an **inductive bias**: that the target is a composition of many simple functions.

# %% [markdown]
# ## Questions
#
# **6 points · ★☆☆ · 15 min.** Put your answer into the variable. The check tells whether its form is right;
# whether it is right itself you learn, with the reason, after handing in.
#
# **Question 1.** $f=((x+y)z)^2$ at $(x,y,z)=(1,2,-4)$: the number $\partial f/\partial z$?

# %% exercise="q1"
answer_dz = None
### BEGIN SOLUTION
answer_dz = -72
### END SOLUTION

# %% test="q1-test" points=1
with check("Question 1") as expect:
    expect.answered(answer_dz, "answer_dz", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_dz(answer_dz)
### END HIDDEN TESTS

# %% [markdown]
# **Question 2.** How many passes does the full Jacobian of $f:\mathbb R^{1000}\to\mathbb R^3$ take, in forward
# mode and in reverse mode? A tuple `(forward, reverse)`.

# %% exercise="q2"
answer_passes = None  # (forward, reverse)
### BEGIN SOLUTION
answer_passes = (1000, 3)
### END SOLUTION

# %% test="q2-test" points=1
with check("Question 2") as expect:
    expect.answered(answer_passes, "answer_passes", kind="numbers")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_passes(answer_passes)
### END HIDDEN TESTS

# %% [markdown]
# **Question 3.** Along a path through ten sigmoid layers with all weights 1, the gradient is multiplied by
# ten derivatives of the sigmoid. What is the largest number that their product can be?

# %% exercise="q3"
answer_sigmoid_bound = None
### BEGIN SOLUTION
answer_sigmoid_bound = 0.25**10
### END SOLUTION

# %% test="q3-test" points=1
with check("Question 3") as expect:
    expect.answered(answer_sigmoid_bound, "answer_sigmoid_bound", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_sigmoid_bound(answer_sigmoid_bound)
### END HIDDEN TESTS

# %% [markdown]
# **Question 4.** All inputs of a unit are positive. Its weight gradients for one example (a) have mixed
# signs, (b) all share one sign, (c) are zero, (d) sum to zero. One letter in quotes.

# %% exercise="q4"
answer_zigzag = None
### BEGIN SOLUTION
answer_zigzag = "b"
### END SOLUTION

# %% test="q4-test" points=1
with check("Question 4") as expect:
    expect.answered(answer_zigzag, "answer_zigzag", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_zigzag(answer_zigzag)
### END HIDDEN TESTS

# %% [markdown]
# **Question 5.** $y=x+x$. What do the gates of exercise 2 give for $dy/dx$: (a) 1, (b) 2, (c) 0.5?

# %% exercise="q5"
answer_double = None
### BEGIN SOLUTION
answer_double = "b"
### END SOLUTION

# %% test="q5-test" points=1
with check("Question 5") as expect:
    expect.answered(answer_double, "answer_double", options="abc")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_double(answer_double)
### END HIDDEN TESTS

# %% [markdown]
# **Question 6.** The tent network of 10 layers has 20 units. How many hidden units does a ReLU network with
# *one* hidden layer need for as many pieces on $[0,1]$?

# %% exercise="q6"
answer_units = None
### BEGIN SOLUTION
answer_units = 1023
### END SOLUTION

# %% test="q6-test" points=1
with check("Question 6") as expect:
    expect.answered(answer_units, "answer_units", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import backprop as hidden

hidden.question_units(answer_units)
### END HIDDEN TESTS

# %% [markdown]
# ## What you have built, and what it reaches at full size
#
# - A gradient is a sum over paths; visiting nodes in reverse topological order adds up all paths while
#   touching each edge once.
# - Four words for gates: distribute, switch, route, add. Broadcasting is a fan-out, so its gradient sums.
# - Reverse mode costs one pass per output, forward mode one per input; a loss has one output.
# - Mean or sum, $1/N$, is part of the backward pass. Caches are read-only. Gradients of leaves accumulate.
# - Test with unequal sizes, with N = 1, away from kinks, in float64: bugs hide behind square shapes.
# - Activation and weight scale decide whether gradients survive depth; depth folds space.

# %% [markdown]
# | what | here, preset quick | published, full size |
# |---|---|---|
# | MLP on digits, test error | about 5 %; with preset full about 1.6 % | about 1.6 % (Simard et al. 2003) |
# | ReLU beside tanh | see experiment C | about 6 × faster to 25 % training error (Krizhevsky et al. 2012) |
# | PReLU beside ReLU | exercise 5 | ImageNet top-1 error about 32.6 % beside 33.8 %, 14 layers (He et al. 2015) |
# | ELU | experiment A | about 6.6 % on CIFAR-10, 24.3 % on CIFAR-100 (Clevert et al. 2016) |
# | Maxout | exercise 5 | about 0.94 % on MNIST as a plain vector, with dropout (Goodfellow et al. 2013) |
#
# All but the first of the published numbers need larger data, convolutions (chapter 3) or dropout
# (chapter 4); they are quoted, not reproduced here.

# %% [markdown]
# **Further reading.** *The algorithm*: Linnainmaa (1970); Werbos (1974, 1982); Rumelhart, Hinton and Williams,
# Learning representations by back-propagating errors (1986); Baydin et al., Automatic differentiation in
# machine learning: a survey (2018). *Activations*: Glorot, Bordes and Bengio (2011, ReLU); Maas et al. (2013,
# leaky ReLU); Goodfellow et al. (2013, maxout); He et al. (2015, PReLU and initialisation); Clevert et al.
# (2016, ELU); Krizhevsky et al. (2012). *Depth*: Cybenko (1989); Pascanu et al. (2014); Montúfar et al.
# (2014); Telgarsky (2016, tent maps); Poggio et al. (2019); Goodfellow et al. (2014, street-view numbers).
# *Digits*: Simard, Steinkraus and Platt (2003).
