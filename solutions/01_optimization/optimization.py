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
# # Optimization: how networks learn

# %% setup=true
import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from coursekit import check, setup
from torch import Tensor, nn

lab = setup("01_optimization")

# %% [markdown]
# ## 1 Losses that stay finite

# %% given="alone"
def logistic_grad_by_autograd(X, y, w, b):
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    loss = F.binary_cross_entropy_with_logits(X @ w + b, y.to(X.dtype))
    return loss.detach(), *torch.autograd.grad(loss, (w, b))


def alone(function, *args):
    """function(*args), with torch's versions in place of your log_softmax and logistic_grad: for checks that
    are about this one function, so that a slip in one exercise does not cost you another."""
    names = function.__globals__
    yours = dict(names)
    names["log_softmax"] = lambda h: torch.log_softmax(h, -1)
    names["logistic_grad"] = logistic_grad_by_autograd
    try:
        return function(*args)
    finally:
        for name in ("log_softmax", "logistic_grad"):
            del names[name]
            if name in yours:
                names[name] = yours[name]

# %% exercise="ex1-log-softmax"
def log_softmax(h: Tensor) -> Tensor:
    """Logarithm of the softmax over the last axis.

    h: logits [..., K], float32 or float64
    Returns log f, shape [..., K], dtype of h; finite for every finite h. h is not changed.
    """
    ### BEGIN SOLUTION
    shifted = h - h.detach().amax(dim=-1, keepdim=True)  # [..., K], every row has a 0 as its largest entry
    return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()
    ### END SOLUTION

# %% test="ex1-log-softmax-test" points=2 exercise_no=1
with check("Exercise 1: log_softmax") as expect:
    even = log_softmax(torch.zeros(2, 10))
    expect.shape(even, (2, 10), "log_softmax of 10 equal logits in 2 rows")
    expect.close(even, np.full((2, 10), -math.log(10)), "log_softmax of 10 equal logits", rtol=1e-5,
        likely="softmax gives 1/10 to each: normalise over the last axis, and take the logarithm")
    far = log_softmax(torch.tensor([[1000.0, 0.0], [-1000.0, -1001.0]]))
    expect.finite(far, "log_softmax of rows with logits around 1000 and -1000",
        likely="exp(1000) is infinite: subtract the largest entry of each ROW first, it cancels")
    expect.close(far, [[0.0, -1000.0], [-0.3132617, -1.3132617]], "log_softmax of rows 2000 apart", rtol=1e-4)
    expect.why("Nothing changes on paper, everything in the machine: exp never sees a positive number.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.log_softmax(log_softmax)
### END HIDDEN TESTS

# %% exercise="ex1-cross-entropy"
def cross_entropy(h: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy, in nats, of softmax(h) against the targets y.

    h: logits [N, K]
    y: class numbers [N] (integers 0 ... K-1), or one distribution over the classes per row, [N, K] (float)
    Returns a 0-dim tensor that can be differentiated.
    Raises ValueError for an empty batch, shapes that do not fit, and class numbers outside 0 ... K-1.
    """
    ### BEGIN SOLUTION
    if h.ndim != 2 or h.shape[0] == 0:
        raise ValueError(f"h must have shape [N, K] with N > 0, not {tuple(h.shape)}")
    n, k = h.shape
    log_f = log_softmax(h)  # [N, K]
    if y.is_floating_point():
        if y.shape != h.shape:
            raise ValueError(f"soft targets need shape {(n, k)}, not {tuple(y.shape)}")
        return -(y * log_f).sum(dim=1).mean()
    if y.shape != (n,):
        raise ValueError(f"class numbers need shape {(n,)}, not {tuple(y.shape)}")
    if y.min() < 0 or y.max() >= k:
        raise ValueError(f"class numbers must lie in 0 ... {k - 1}")
    return -log_f[torch.arange(n, device=h.device), y.long()].mean()
    ### END SOLUTION

# %% test="ex1-cross-entropy-test" points=3 exercise_no=1
with check("Exercise 1: cross_entropy") as expect:
    labels = torch.tensor([3, 1, 4, 1])
    expect.close(alone(cross_entropy, torch.zeros(4, 10), labels), math.log(10), "the loss of 10 equal logits",
        rtol=1e-5, likely="minus the mean over the N examples of the log-probability of the right class")
    h = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0]])
    by_number = alone(cross_entropy, h, torch.tensor([0, 2]))
    expect.close(by_number, 1.0671074, "the loss of two rows with the classes 0 and 2", rtol=1e-5)
    by_row = alone(cross_entropy, h, torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    expect.close(by_row, 1.0671074, "the same targets as one-hot rows", rtol=1e-5,
        likely="with float targets: sum y * log f over the classes, then average over the rows (not over N * K)")
    expect.raises(ValueError, alone, cross_entropy, h, torch.tensor([0, 3]), what="class number 3 of K = 3")
    expect.raises(ValueError, alone, cross_entropy, h, torch.tensor([[0], [1]]), what="class numbers of shape [2, 1]")
    expect.why("A network that knows nothing starts at ln K. Remember 2.30 for ten classes: it is your first test.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.cross_entropy(cross_entropy)
### END HIDDEN TESTS

# %% exercise="ex1-bce"
def bce_with_logits(z: Tensor, y: Tensor) -> Tensor:
    """Mean binary cross-entropy, in nats, of p(y=1) = sigmoid(z).

    z: logits [N]; y: targets [N], 0 or 1 (or a probability in between), same float dtype as z
    Returns a 0-dim tensor; its gradient in z is (sigmoid(z) - y) / N everywhere, z = 0 included.
    Raises ValueError for an empty batch and for shapes that differ (in particular [N, 1] against [N]).
    """
    ### BEGIN SOLUTION
    if z.shape != y.shape or z.ndim != 1 or len(z) == 0:
        raise ValueError(f"z and y must share a shape [N] with N > 0, not {tuple(z.shape)}, {tuple(y.shape)}")
    positive_part = torch.maximum(z, torch.zeros_like(z))  # its gradient at 0 is 1/2, that of clamp is not
    return (positive_part - z * y + torch.log1p(torch.exp(-z.abs()))).mean()
    ### END SOLUTION

# %% test="ex1-bce-test" points=2 exercise_no=1
with check("Exercise 1: bce_with_logits") as expect:
    zero, one = torch.tensor([0.0]), torch.tensor([1.0])
    expect.close(bce_with_logits(zero, one), math.log(2), "the loss at z = 0, y = 1", rtol=1e-5)
    expect.close(bce_with_logits(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 0.0])), 1.126928,
        "the mean loss at z = 2 with y = 1 and y = 0", rtol=1e-5,
        likely="the minus stands before the whole bracket: both terms of the sum are negated")
    expect.close(bce_with_logits(torch.tensor([1000.0, -1000.0]), torch.tensor([0.0, 1.0])), 1000.0,
        "the loss at z = ±1000, both wrong",
        likely="log(sigmoid(-1000)) is log(0): use max(z, 0) - z y + log(1 + exp(-|z|)), which is the same function")
    expect.raises(ValueError, bce_with_logits, torch.zeros(3, 1), torch.zeros(3), what="shape [3, 1] against [3]")
    expect.why("[3, 1] against [3] would broadcast to 9 numbers without a word: the bug that this ValueError stops.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.bce(bce_with_logits)
### END HIDDEN TESTS

# %% exercise="ex1-mse"
def mse(f: Tensor, y: Tensor) -> Tensor:
    """Squared error: summed over the K outputs, averaged over the N examples.

    f, y: predictions and targets, both [N, K]
    Returns a 0-dim tensor.
    Raises ValueError for an empty batch and for shapes that differ.
    """
    ### BEGIN SOLUTION
    if f.shape != y.shape or f.ndim != 2 or len(f) == 0:
        raise ValueError(f"f and y must share a shape [N, K] with N > 0, not {tuple(f.shape)}, {tuple(y.shape)}")
    return ((y - f) ** 2).sum(dim=1).mean()
    ### END SOLUTION

# %% test="ex1-mse-test" points=1 exercise_no=1
with check("Exercise 1: mse") as expect:
    f = torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
    y = torch.tensor([[0.0, 0.0], [3.0, 3.0], [0.0, 0.0]])
    expect.close(mse(f, y), 2.0, "the loss of rows with squared errors 1 + 4, 0 + 1 and 0", rtol=1e-6,
        likely="add up the K outputs of a row, then average over the N = 3 rows: 6 / 3")
    expect.raises(ValueError, mse, torch.zeros(3, 1), torch.zeros(3), what="shape [3, 1] against [3]")
    expect.why("torch's MSELoss divides by N * K: gradients K times smaller, as if the learning rate had changed.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.mse(mse)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 From a neuron on paper to logistic regression

# %% exercise="ex2-xor-network"
def xor_network() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights, chosen by hand, of a two-layer network of step units that computes XOR.

    hidden = step(W1 @ x + b1), output = step(w2 @ hidden + b2), with step(a) = 1 if a > 0 else 0.
    Returns W1 [2, 2], b1 [2], w2 [2], b2 [].
    """
    ### BEGIN SOLUTION
    W1 = torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    b1 = torch.tensor([-0.5, -1.5])  # the first unit says "at least one", the second "both"
    w2 = torch.tensor([1.0, -1.0])
    b2 = torch.tensor(-0.5)
    return W1, b1, w2, b2
    ### END SOLUTION

# %% test="ex2-xor-network-test" points=2 exercise_no=2
with check("Exercise 2: XOR by hand") as expect:
    W1, b1, w2, b2 = xor_network()
    for tensor, shape, name in ((W1, (2, 2), "W1"), (b1, (2,), "b1"), (w2, (2,), "w2"), (b2, (), "b2")):
        expect.shape(tensor, shape, name)
    X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    hidden_units = (X @ W1.T + b1 > 0).float()
    expect.equal((hidden_units @ w2 + b2 > 0).int(), [0, 1, 1, 0], "the outputs for (0,0), (0,1), (1,0), (1,1)",
        likely="let one hidden unit say 'at least one input is on' and the other 'both are on'")
    expect.why("Two straight cuts and a third one on their results: what no single straight line can do.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.xor_network(xor_network)
### END HIDDEN TESTS

# %% exercise="ex2-perceptron"
def perceptron_fit(X: Tensor, y: Tensor, max_epochs: int = 100) -> tuple[Tensor, int, bool]:
    """Rosenblatt's rule: pass over the examples in the given order, correct every mistake at once.

    X: inputs [N, m] (a bias is a column of ones, appended by the caller); y: labels [N], each -1 or +1
    Starts at w = 0; a score of exactly 0 is a mistake; stops after an epoch without mistakes.
    Returns w [m], the number of updates, and whether w classifies every row correctly (no score of 0).
    Raises ValueError for labels other than -1 and +1.
    """
    ### BEGIN SOLUTION
    if not bool((y.abs() == 1).all()):
        raise ValueError("labels must be -1 or +1")
    y = y.to(X.dtype)
    w = torch.zeros(X.shape[1], dtype=X.dtype, device=X.device)
    n_updates = 0
    for _ in range(max_epochs):
        mistakes = 0
        for x_i, y_i in zip(X, y, strict=True):
            if y_i * (w @ x_i) <= 0:
                w = w + y_i * x_i
                mistakes += 1
        n_updates += mistakes
        if mistakes == 0:
            break
    converged = bool((y * (X @ w) > 0).all())
    return w, n_updates, converged
    ### END SOLUTION

# %% test="ex2-perceptron-test" points=4 exercise_no=2
with check("Exercise 2: the perceptron") as expect:
    X = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])  # the bias is column 3
    w, n_updates, converged = perceptron_fit(X, torch.tensor([-1.0, -1.0, -1.0, 1.0]))
    expect.shape(w, (3,), "the weights w")
    expect.close(w, [3.0, 2.0, -4.0], "the weights for AND",
        likely="start at 0, take the rows in order, correct each mistake at once; a score of exactly 0 is a mistake")
    expect.equal(n_updates, 18, "the number of updates for AND", likely="count corrections, not epochs")
    expect.equal(converged, True, "converged for AND")
    _, _, converged = perceptron_fit(X, torch.tensor([-1.0, 1.0, 1.0, -1.0]), max_epochs=20)
    expect.equal(converged, False, "converged for XOR")
    expect.raises(ValueError, perceptron_fit, X, torch.tensor([0.0, 0.0, 0.0, 1.0]), what="labels 0 and 1")
    expect.why("It found AND by itself, and it would look for XOR for ever: no straight line separates it.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.perceptron(perceptron_fit)
### END HIDDEN TESTS

# %% exercise="ex2-logistic-grad"
def logistic_grad(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean binary cross-entropy of sigmoid(X @ w + b), with its gradient by formula (no autograd).

    X: inputs [N, m]; y: labels [N], each 0 or 1; w: weights [m]; b: bias []
    Returns the loss [], the gradient in w [m], the gradient in b []; finite for scores of +-1000.
    Raises ValueError for labels other than 0 and 1.
    """
    ### BEGIN SOLUTION
    if not bool(((y == 0) | (y == 1)).all()):
        raise ValueError("labels must be 0 or 1")
    y = y.to(X.dtype)
    z = X @ w + b  # [N]
    loss = (torch.logaddexp(z, torch.zeros_like(z)) - y * z).mean()
    error = torch.sigmoid(z) - y  # [N]
    return loss, X.T @ error / len(X), error.mean()
    ### END SOLUTION

# %% test="ex2-logistic-grad-test" points=2 exercise_no=2
with check("Exercise 2: the logistic gradient") as expect:
    X = torch.tensor([[0.5, -1.0], [1.5, 0.3], [-0.7, 2.0], [0.1, 0.4], [2.0, -0.6]], dtype=torch.float64)
    y = torch.tensor([1, 0, 1, 1, 0])
    w, b, h = torch.tensor([0.3, -0.8], dtype=torch.float64), torch.tensor(0.1, dtype=torch.float64), 1e-5
    loss, gw, gb = logistic_grad(X, y, w, b)
    expect.close(loss, 1.0554038, "the mean loss of 5 points", rtol=1e-6)
    for i, step in enumerate(torch.eye(2, dtype=torch.float64) * h):
        slope = (logistic_grad(X, y, w + step, b)[0] - logistic_grad(X, y, w - step, b)[0]) / (2 * h)
        expect.close(gw[i], slope, f"gw[{i}] against a central difference of the loss", rtol=1e-6,
            likely="X.T @ (sigmoid(X w + b) - y) / N: the loss is a mean, so its gradient has the 1/N too")
    slope = (logistic_grad(X, y, w, b + h)[0] - logistic_grad(X, y, w, b - h)[0]) / (2 * h)
    expect.close(gb, slope, "gb against a central difference of the loss", rtol=1e-6)
    expect.finite(logistic_grad(1000 * X, y, w, b)[0], "the loss at scores around 1000")
    expect.why("Prediction minus truth, times the input: the same shape of formula will return in every chapter.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.logistic_grad(logistic_grad)
### END HIDDEN TESTS

# %% exercise="ex2-logistic-fit"
def logistic_fit(
    X: Tensor, y: Tensor, lr: float, steps: int, w0: Tensor | None = None, b0: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient descent on the logistic loss, all examples in every step.

    X [N, m], y [N] (0 or 1); lr: step size; w0 [m], b0 []: where to start (None: zeros), never changed
    Returns w [m], b [], losses [steps + 1]; losses[0] is the loss at the start, losses[t] after t steps.
    """
    ### BEGIN SOLUTION
    w = X.new_zeros(X.shape[1]) if w0 is None else w0
    b = X.new_zeros(()) if b0 is None else b0
    losses = []
    for _ in range(steps):
        loss, gw, gb = logistic_grad(X, y, w, b)
        losses.append(loss)
        w = w - lr * gw
        b = b - lr * gb
    losses.append(logistic_grad(X, y, w, b)[0])
    return w, b, torch.stack(losses)
    ### END SOLUTION

# %% test="ex2-logistic-fit-test" points=2 exercise_no=2
with check("Exercise 2: logistic_fit") as expect:
    X, y = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0.0, 1.0, 0.0, 1.0])
    w, b, losses = alone(logistic_fit, X, y, 1.0, 1)
    expect.shape(losses, (2,), "the losses of one step", likely="the loss before the step and the loss after it")
    expect.close(losses[0], math.log(2), "the loss at w = 0", rtol=1e-5,
        likely="record the loss BEFORE each step, and once more after the last one")
    expect.close(w, [0.25], "the weight after one step of size 1", rtol=1e-5, likely="w minus lr times the gradient")
    w, b, losses = alone(logistic_fit, X, y, 1.0, 20)
    expect.close(losses[-1], 0.6419534, "the loss after 20 steps", rtol=1e-5)
    expect.why("The loss is convex: no other valley to fall into, whatever the start.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.logistic_fit(logistic_fit)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 How far can one step go?

# %% given="symmetric"
def require_symmetric(A: Tensor) -> None:
    """Raise ValueError unless A is square and symmetric (up to 1e-8 of its largest entry)."""
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError(f"A must be square, not of shape {tuple(A.shape)}")
    if (A - A.T).abs().max() > 1e-8 * A.abs().max():
        raise ValueError("A must be symmetric")


def spectrum(A: Tensor) -> Tensor:
    """The eigenvalues [M] of a symmetric positive definite matrix, ascending; ValueError for any other matrix."""
    require_symmetric(A)
    eigenvalues = torch.linalg.eigvalsh(A)
    if eigenvalues[0] <= 0:
        raise ValueError(f"A must be positive definite; its smallest eigenvalue is {eigenvalues[0]:.3g}")
    return eigenvalues

# %% exercise="ex3-gd-quadratic"
def gd_quadratic(A: Tensor, b: Tensor, w0: Tensor, lr: float, steps: int) -> Tensor:
    """Gradient descent on L(w) = w.A.w / 2 - b.w, every iterate kept.

    A: symmetric [M, M] (it may be indefinite); b, w0: [M]; lr: step size
    Returns [steps + 1, M]: row 0 is w0, row t the weights after t steps.
    Raises ValueError if A is not symmetric.
    """
    ### BEGIN SOLUTION
    require_symmetric(A)
    path = [w0]
    for _ in range(steps):
        path.append(path[-1] - lr * (A @ path[-1] - b))
    return torch.stack(path)
    ### END SOLUTION

# %% test="ex3-gd-quadratic-test" points=2 exercise_no=3
with check("Exercise 3: gradient descent on a quadratic") as expect:
    A, b = torch.tensor([[2.0, 1.0], [1.0, 4.0]]), torch.tensor([1.0, 0.0])
    path = gd_quadratic(A, b, torch.tensor([1.0, 1.0]), 0.25, 2)
    expect.shape(path, (3, 2), "the path of 2 steps, start included")
    expect.close(path, [[1.0, 1.0], [0.5, -0.25], [0.5625, -0.125]], "the path from (1, 1)", rtol=1e-5,
        likely="w - lr * (A w - b); keep every iterate, the start first, and do not overwrite them in place")
    skew = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
    expect.raises(ValueError, gd_quadratic, skew, b, b, 0.1, 1, what="an asymmetric A")
    expect.why("Every smooth loss looks like this close to a minimum, with A its Hessian.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.gd_quadratic(gd_quadratic)
### END HIDDEN TESTS

# %% exercise="ex3-gd-closed-form"
def gd_closed_form(A: Tensor, b: Tensor, w0: Tensor, lr: float, t: int) -> Tensor:
    """The weights after t steps of gradient descent on L(w) = w.A.w / 2 - b.w, without taking the steps.

    A: symmetric and invertible [M, M]; b, w0: [M]
    Returns [M], equal to row t of gd_quadratic.
    Raises ValueError if A is not symmetric.
    """
    ### BEGIN SOLUTION
    require_symmetric(A)
    eigenvalues, Q = torch.linalg.eigh(A)  # [M], columns of Q [M, M] are the eigenvectors
    w_star = torch.linalg.solve(A, b)
    z = Q.T @ (w0 - w_star)
    return w_star + Q @ ((1 - lr * eigenvalues) ** t * z)
    ### END SOLUTION

# %% test="ex3-gd-closed-form-test" points=2 exercise_no=3
with check("Exercise 3: the path in closed form") as expect:
    A, b = torch.tensor([[2.0, 1.0], [1.0, 4.0]], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    start = torch.ones(2, dtype=torch.float64)
    w = start
    for t in range(6):
        expect.close(gd_closed_form(A, b, start, 0.25, t), w, f"the weights after t = {t} steps", rtol=1e-9, atol=1e-12,
            likely="z = Q.T (w0 - w_star) shrinks by (1 - lr * eigenvalue)^t; then go back: w_star + Q z")
        w = w - 0.25 * (A @ w - b)
    expect.why("In eigen-coordinates nothing mixes: M separate problems, each a geometric sequence.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.gd_closed_form(gd_closed_form)
### END HIDDEN TESTS

# %% exercise="ex3-step-sizes"
def convergence_rate(A: Tensor, lr: float) -> float:
    """Factor by which the slowest error coordinate changes per step of gradient descent (>= 1: no convergence).

    A: symmetric positive definite [M, M], else ValueError; lr: step size
    """
    ### BEGIN SOLUTION
    return float((1 - lr * spectrum(A)).abs().max())
    ### END SOLUTION


def optimal_lr(A: Tensor) -> float:
    """The step size with the smallest convergence rate. A as above."""
    ### BEGIN SOLUTION
    eigenvalues = spectrum(A)
    return float(2 / (eigenvalues[0] + eigenvalues[-1]))
    ### END SOLUTION


def max_stable_lr(A: Tensor) -> float:
    """The step size above which gradient descent diverges. A as above."""
    ### BEGIN SOLUTION
    return float(2 / spectrum(A)[-1])
    ### END SOLUTION

# %% test="ex3-convergence-rate-test" points=2 exercise_no=3
with check("Exercise 3: convergence_rate") as expect:
    A = torch.diag(torch.tensor([1.0, 100.0], dtype=torch.float64))
    expect.close(convergence_rate(A, 2 / 101), 99 / 101, "the rate for eigenvalues 1 and 100 at lr = 2/101", rtol=1e-9)
    expect.close(convergence_rate(A, 0.001), 0.999, "the rate at lr = 0.001", rtol=1e-9,
        likely="the slowest coordinate counts: the largest |1 - lr * eigenvalue|")
    expect.close(convergence_rate(A, 0.03), 2.0, "the rate at lr = 0.03, where the path diverges", rtol=1e-9,
        likely="1 - 0.03 * 100 is -2: take the absolute value")
    expect.raises(ValueError, convergence_rate, -A, 0.1, what="a matrix that is not positive definite")
    expect.why("One number for the whole path: the error shrinks by this factor, step after step.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.convergence_rate(convergence_rate)
### END HIDDEN TESTS

# %% test="ex3-optimal-lr-test" points=1 exercise_no=3
with check("Exercise 3: optimal_lr") as expect:
    A = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)  # eigenvalues 1 and 3
    expect.close(optimal_lr(A), 0.5, "the best step size for eigenvalues 1 and 3", rtol=1e-9,
        likely="where the two outermost eigenvalues shrink equally fast: 1 - lr * 1 = -(1 - lr * 3)")
    expect.why("A compromise: too timid for the flat direction, nearly too bold for the steep one.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.optimal_lr(optimal_lr)
### END HIDDEN TESTS

# %% test="ex3-max-stable-lr-test" points=1 exercise_no=3
with check("Exercise 3: max_stable_lr") as expect:
    A = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)  # eigenvalues 1 and 3
    expect.close(max_stable_lr(A), 2 / 3, "the largest stable step size for eigenvalues 1 and 3", rtol=1e-9,
        likely="|1 - lr * eigenvalue| < 1 must hold for the steepest direction")
    expect.why("The steepest direction alone decides how far you may step, however flat the rest is.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.max_stable_lr(max_stable_lr)
### END HIDDEN TESTS

# %% exercise="ex3-newton-step"
def newton_step(grad: Tensor, hess: Tensor) -> Tensor:
    """The increment of Newton's method: adding it to the weights makes the local quadratic model stationary.

    grad: gradient [M]; hess: symmetric, invertible Hessian [M, M] (it may be indefinite)
    Returns [M]. Raises ValueError if hess is not symmetric.
    """
    ### BEGIN SOLUTION
    require_symmetric(hess)
    return -torch.linalg.solve(hess, grad)
    ### END SOLUTION

# %% test="ex3-newton-step-test" points=2 exercise_no=3
with check("Exercise 3: Newton's step") as expect:
    A, b = torch.tensor([[2.0, 1.0], [1.0, 4.0]], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    start = torch.tensor([5.0, -3.0], dtype=torch.float64)
    step = newton_step(A @ start - b, A)
    expect.shape(step, (2,), "the increment")
    expect.close(A @ (start + step), b, "the gradient after one step on a quadratic is zero: A w against b", rtol=1e-9,
        atol=1e-9, likely="solve hess @ step = -grad; mind the sign, the step is ADDED to the weights")
    expect.why("One step, whatever the conditioning. The price is solving M equations with an M x M matrix.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.newton_step(newton_step)
### END HIDDEN TESTS

# %% exercise="ex3-critical-point"
def classify_critical_point(H: Tensor, tol: float = 1e-8) -> str:
    """What kind of critical point has the Hessian H.

    H: symmetric [M, M], else ValueError
    tol: an eigenvalue counts as zero if its size is at most tol times that of the largest
    Returns "minimum", "maximum", "saddle", or "degenerate" if any eigenvalue is zero.
    """
    ### BEGIN SOLUTION
    require_symmetric(H)
    eigenvalues = torch.linalg.eigvalsh(H)
    if bool((eigenvalues.abs() <= tol * eigenvalues.abs().max()).any()):
        return "degenerate"
    if bool((eigenvalues > 0).all()):
        return "minimum"
    return "maximum" if bool((eigenvalues < 0).all()) else "saddle"
    ### END SOLUTION

# %% test="ex3-critical-point-test" points=2 exercise_no=3
with check("Exercise 3: critical points") as expect:
    cases = {(2, 1): "minimum", (-2, -1): "maximum", (2, -1): "saddle", (2, 0): "degenerate"}
    for diagonal, kind in cases.items():
        H = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        expect.equal(classify_critical_point(H), kind, f"the point with the Hessian diag{diagonal}",
            likely="a zero eigenvalue leaves it undecided, whatever the others are: test for it first")
    H = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    expect.equal(classify_critical_point(H), "saddle", "the point with Hessian [[1, 2], [2, 1]]",
        likely="look at the eigenvalues (-1 and 3 here), not at the diagonal")
    expect.why("With a million weights, a critical point needs a million positive eigenvalues to be a minimum.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.critical_point(classify_critical_point)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 Inputs: conditioning by whitening

# %% exercise="ex4-whitener"
class Whitener:
    """An affine map, fitted on training data, that makes features comparable.

    method: "standardize" (each feature on its own), "pca" (whitened coordinates along the eigenvectors,
    largest variance first) or "zca" (the same, rotated back). eps is added to the variances before the root;
    n_components (with "pca" only) keeps the first ones. ValueError for any other combination.
    """

    def __init__(self, method: str, eps: float = 1e-5, n_components: int | None = None):
        ### BEGIN SOLUTION
        if method not in ("standardize", "pca", "zca") or (n_components is not None and method != "pca"):
            raise ValueError(f"no method {method!r} with n_components={n_components}")
        self.method, self.eps, self.n_components, self.mean = method, eps, n_components, None
        ### END SOLUTION

    def fit(self, X: Tensor) -> "Whitener":
        """Learn the map from X [N, D]; returns self. ValueError if n_components > D."""
        ### BEGIN SOLUTION
        if (self.n_components or 0) > X.shape[1]:
            raise ValueError(f"{self.n_components} components of {X.shape[1]} features")
        self.mean = X.mean(dim=0)
        covariance = (X - self.mean).T @ (X - self.mean) / len(X)  # [D, D]
        if self.method == "standardize":
            variances, axes = covariance.diagonal(), torch.eye(X.shape[1], dtype=X.dtype, device=X.device)
        else:
            variances, axes = torch.linalg.eigh(covariance)  # ascending, one eigenvector a column
            variances, axes = variances.flip(0)[: self.n_components], axes.flip(1)[:, : self.n_components]
        scale = (variances.clamp(min=0) + self.eps).sqrt()  # [C]
        self.forward, self.backward = axes / scale, (axes * scale).T  # [D, C], [C, D]
        if self.method == "zca":
            self.forward, self.backward = self.forward @ axes.T, axes @ self.backward
        return self
        ### END SOLUTION

    def transform(self, X: Tensor) -> Tensor:
        """Whiten X: [n, D] to [n, C]. RuntimeError before fit, ValueError for another width than D."""
        ### BEGIN SOLUTION
        if self.mean is None:
            raise RuntimeError("fit comes before transform")
        if X.ndim != 2 or X.shape[1] != len(self.mean):
            raise ValueError(f"fitted on {len(self.mean)} features, got {tuple(X.shape)}")
        return (X - self.mean) @ self.forward
        ### END SOLUTION

    def inverse_transform(self, Z: Tensor) -> Tensor:
        """Back from [n, C] to [n, D]; what dropped components held is lost. RuntimeError before fit."""
        ### BEGIN SOLUTION
        if self.mean is None:
            raise RuntimeError("fit comes before inverse_transform")
        return Z @ self.backward + self.mean
        ### END SOLUTION

# %% test="ex4-whitener-standardize-test" points=2 exercise_no=4
with check("Exercise 4: standardize") as expect:
    X = torch.tensor([[0.0, 10.0], [2.0, 10.0], [4.0, 40.0]], dtype=torch.float64)
    whitener = Whitener("standardize", eps=0.0).fit(X)
    Z = whitener.transform(X)
    expect.close(Z.mean(dim=0), [0.0, 0.0], "the mean of each column", atol=1e-9,
        likely="subtract the mean over the rows, dim=0")
    expect.true(abs(Z.std(dim=0) - 1).max() < 0.3, "the columns must have variance 1",
        likely="divide by the root of the variance")
    expect.close(whitener.transform(X[:1] + 2)[0, 0], Z[1, 0], "the first column of the new row (2, 12)",
        rtol=1e-9, likely="transform uses the mean and variance that fit has stored, and computes nothing anew")
    expect.raises(RuntimeError, Whitener("zca").transform, X, what="transform before fit")
    expect.raises(ValueError, Whitener, "white", what='the method "white"')
    expect.why("Test data go through the map of the training data. Always.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.whitener_standardize(Whitener)
### END HIDDEN TESTS

# %% test="ex4-whitener-pca-test" points=3 exercise_no=4
with check("Exercise 4: PCA whitening") as expect:
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.normal(size=(2000, 2)) @ np.array([[3.0, 1.0], [0.0, 0.5]]) + 5)
    Z = Whitener("pca", eps=0.0).fit(X).transform(X)
    expect.shape(Z, (2000, 2), "2000 whitened points")
    expect.close(Z.T @ Z / 2000, np.eye(2), "the covariance of the whitened points", atol=1e-2,
        likely="project on the eigenvectors of the covariance, then divide by the ROOT of its eigenvalues")
    first = Whitener("pca", eps=0.0, n_components=1).fit(X).transform(X)
    expect.shape(first, (2000, 1), "one component of 2000 points")
    correlation = torch.corrcoef(torch.stack([first[:, 0], X[:, 0]]))[0, 1]
    expect.true(abs(correlation) > 0.9, "the component that is kept must be the one of largest variance, almost x0",
        likely="eigh sorts the eigenvalues in ascending order: the largest one comes last")
    expect.why("In these coordinates the Hessian of linear regression is the identity: condition number 1.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.whitener_pca(Whitener)
### END HIDDEN TESTS

# %% test="ex4-whitener-zca-test" points=2 exercise_no=4
with check("Exercise 4: ZCA whitening") as expect:
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.normal(size=(2000, 2)) @ np.array([[3.0, 1.0], [0.0, 0.5]]) + 5)
    Z = Whitener("zca", eps=0.0).fit(X).transform(X)
    expect.close(Z.T @ Z / 2000, np.eye(2), "the covariance of the whitened points", atol=1e-2)
    cross = (X - X.mean(dim=0)).T @ Z / 2000  # symmetric only if no rotation is left
    expect.close(cross[0, 1], cross[1, 0], "the covariance of x0 with z1 against that of x1 with z0", rtol=1e-6,
        likely="ZCA is PCA whitening rotated back to the original axes: multiply by E once more")
    expect.why("Of all whitened versions this one stays closest to the original: a digit still looks like a digit.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.whitener_zca(Whitener)
### END HIDDEN TESTS

# %% test="ex4-whitener-inverse-test" points=1 exercise_no=4
with check("Exercise 4: inverse_transform") as expect:
    rng = np.random.default_rng(0)
    mix = np.array([[3.0, 1.0, 0.0], [0.0, 0.5, 1.0], [0.2, 0.0, 1.0]])
    X = torch.from_numpy(rng.normal(size=(50, 3)) @ mix + 5)
    for method in ("standardize", "pca", "zca"):
        whitener = Whitener(method).fit(X)
        expect.close(whitener.inverse_transform(whitener.transform(X)), X, f"there and back with {method}", rtol=1e-6,
            likely="undo the steps in reverse order: scale back, rotate back, add the mean (with the same eps)")
    expect.why("Nothing is lost by whitening, until you drop components.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.whitener_inverse(Whitener)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 Weights: how large at the start?

# %% exercise="ex5-init-weight"
def init_weight_(W: Tensor, scheme: str, generator: torch.Generator | None = None) -> Tensor:
    """Fill the weight matrix W [out, in] in place and return it.

    scheme: "zeros", "small_normal" (std 0.01), "unit_normal" (std 1), "lecun_normal", "xavier_normal",
            "xavier_uniform" or "he_normal"
    Random numbers come from `generator` (None: torch's own). W may be a Parameter that requires grad.
    Raises ValueError for an unknown scheme and if W is not a matrix.
    """
    ### BEGIN SOLUTION
    if W.ndim != 2:
        raise ValueError(f"W must be a matrix, not of shape {tuple(W.shape)}")
    fan_out, fan_in = W.shape
    std = {
        "zeros": 0.0,
        "small_normal": 0.01,
        "unit_normal": 1.0,
        "lecun_normal": math.sqrt(1 / fan_in),
        "xavier_normal": math.sqrt(2 / (fan_in + fan_out)),
        "xavier_uniform": math.sqrt(2 / (fan_in + fan_out)),
        "he_normal": math.sqrt(2 / fan_in),
    }
    if scheme not in std:
        raise ValueError(f"unknown scheme {scheme!r}; known: {', '.join(std)}")
    with torch.no_grad():
        if scheme == "xavier_uniform":
            bound = math.sqrt(3) * std[scheme]  # the variance of U[-bound, bound] is bound**2 / 3
            return W.uniform_(-bound, bound, generator=generator)
        return W.normal_(0.0, std[scheme], generator=generator)
    ### END SOLUTION

# %% test="ex5-init-scale-test" points=3 exercise_no=5
with check("Exercise 5: the scale of the weights") as expect:
    generator = torch.Generator().manual_seed(0)
    W = init_weight_(torch.empty(300, 100), "xavier_uniform", generator)
    bound = math.sqrt(6 / 400)
    expect.true(abs(W).max() <= bound, "xavier_uniform on [300, 100] must stay inside ±sqrt(6/400)")
    expect.close(abs(W).max(), bound, "the largest |weight| of xavier_uniform on [300, 100]", rtol=0.02,
        likely="the variance of U[-d, d] is d^2/3; the bound is not the standard deviation")
    stds = {"lecun_normal": 0.1, "he_normal": 0.1414, "xavier_normal": 0.0707, "small_normal": 0.01}
    for scheme, std in stds.items():
        W = init_weight_(torch.empty(300, 100), scheme, generator)
        expect.close(W.std(), std, f"the standard deviation of {scheme} on [out=300, in=100]", rtol=0.03,
            likely="fan-in is W.shape[1]; normal_ takes the standard deviation, not the variance")
    expect.why("A factor of 2 in the variance sounds harmless. Over 30 layers it scales the signal by 30,000.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.init_scale(init_weight_)
### END HIDDEN TESTS

# %% test="ex5-init-in-place-test" points=2 exercise_no=5
with check("Exercise 5: in place, and reproducible") as expect:
    first = init_weight_(torch.empty(3, 4), "he_normal", torch.Generator().manual_seed(7))
    second = init_weight_(torch.empty(3, 4), "he_normal", torch.Generator().manual_seed(7))
    expect.shape(first, (3, 4), "what init_weight_ returns", likely="return W itself")
    expect.equal(first, second, "two fillings with equally seeded generators",
        likely="hand the generator on: W.normal_(mean, std, generator=generator)")
    expect.equal(init_weight_(torch.ones(3, 4), "zeros"), np.zeros((3, 4)), "the scheme zeros")
    expect.raises(ValueError, init_weight_, torch.empty(3, 4), "he", what='the unknown scheme "he"')
    expect.raises(ValueError, init_weight_, torch.empty(3), "he_normal", what="a vector")
    expect.why("The underscore says that W itself changes: this is how it gets into a layer's Parameter.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.init_in_place(init_weight_)
### END HIDDEN TESTS

# %% exercise="ex5-signal-stats"
def signal_stats(x: Tensor, Ws: list[Tensor], phi: Callable[[Tensor], Tensor]) -> Tensor:
    """Statistics of the signal on its way through a stack of layers x -> phi(x @ W.T).

    x: input [N, D]; Ws: weight matrices [out, in] that fit one behind the other; phi: elementwise activation
    Returns [L + 1, 3]: for the input (row 0) and the output of every activation, over all its entries,
    mean, population standard deviation, and root mean square.
    """
    ### BEGIN SOLUTION
    def row(h: Tensor) -> Tensor:
        return torch.stack([h.mean(), h.std(correction=0), h.pow(2).mean().sqrt()])

    rows = [row(x)]
    for W in Ws:
        x = phi(x @ W.T)
        rows.append(row(x))
    return torch.stack(rows)
    ### END SOLUTION

# %% test="ex5-signal-stats-test" points=3 exercise_no=5
with check("Exercise 5: signal_stats") as expect:
    x, W = torch.tensor([[1.0, 2.0], [3.0, 6.0]]), torch.tensor([[1.0, -1.0], [0.0, 2.0], [1.0, 1.0]])
    stats = signal_stats(x, [W], torch.relu)
    expect.shape(stats, (2, 3), "the statistics of one layer: row 0 is the input",
        likely="one row for the input and one for each layer; columns mean, std, rms")
    expect.close(stats[0], [3.0, 1.8708287, 3.5355339], "mean, std and rms of the input", rtol=1e-5,
        likely="the population standard deviation divides by the number of entries: std(correction=0)")
    expect.close(stats[1], [4.6666667, 4.4596960, 6.4549722], "mean, std and rms after relu(x @ W.T)", rtol=1e-5,
        likely="over all entries of the ACTIVATION, and the layer is x @ W.T")
    expect.why("Three numbers a layer tell you whether a network can learn, before the first update.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.signal_stats(signal_stats)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 Batch normalisation

# %% exercise="ex6-batch-norm"
class BatchNorm1d(nn.Module):
    """Batch normalisation of the columns of x [N, D], D = num_features.

    Parameters gamma, beta [D] (ones, zeros); buffers running_mean, running_var [D] (zeros, ones).
    momentum is the weight of the NEW batch in the running statistics; eps is added to the variance.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        ### BEGIN SOLUTION
        self.eps, self.momentum = eps, momentum
        self.gamma = nn.Parameter(torch.ones(num_features))
        self.beta = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """[N, D] -> [N, D]. Training: normalise by the batch (biased variance) and update the running
        statistics (unbiased variance). Evaluation: normalise by the running statistics, change nothing.
        ValueError if x is not a matrix of width D, and for a batch of one in training.
        """
        ### BEGIN SOLUTION
        if x.ndim != 2 or x.shape[1] != len(self.gamma):
            raise ValueError(f"x must have shape [N, {len(self.gamma)}], not {tuple(x.shape)}")
        if self.training:
            n = len(x)
            if n == 1:
                raise ValueError("a batch of one has no variance: use more rows, or call eval()")
            mean, var = x.mean(dim=0), x.var(dim=0, correction=0)  # [D]
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var * n / (n - 1), self.momentum)
        else:
            mean, var = self.running_mean, self.running_var
        return self.gamma * (x - mean) / torch.sqrt(var + self.eps) + self.beta
        ### END SOLUTION

# %% test="ex6-batch-norm-train-test" points=4 exercise_no=6
with check("Exercise 6: batch norm in training") as expect:
    bn = BatchNorm1d(2)
    y = bn(torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0], [7.0, 0.0]]))
    expect.shape(y, (4, 2), "the output")
    expect.close(y.mean(dim=0), [0.0, 0.0], "the mean of each column", atol=1e-6,
        likely="statistics over the batch, dim=0: each feature has its own")
    expect.close(y.var(dim=0, correction=0), [1.0, 1.0], "the (biased) variance of each column", rtol=1e-4,
        likely="divide by sqrt(var + eps), with the biased variance of the batch")
    expect.raises(ValueError, bn, torch.zeros(4, 3), what="3 columns instead of 2")
    expect.raises(ValueError, bn, torch.zeros(1, 2), what="a batch of one in training mode")
    expect.why("Whatever the layer below does to scale and offset, this layer undoes.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.batch_norm_train(BatchNorm1d)
### END HIDDEN TESTS

# %% test="ex6-batch-norm-gradients-test" points=3 exercise_no=6
with check("Exercise 6: gradients of batch norm") as expect:
    bn = BatchNorm1d(1)
    x = torch.tensor([[1.0], [2.0], [6.0]], requires_grad=True)
    bn(x)[0, 0].backward()
    expect.close(x.grad.sum(), 0.0, "the sum over the batch of the gradient in x", atol=1e-5,
        likely="shifting the whole batch changes nothing; do not detach the batch's mean and variance")
    expect.why("The gradient, too, is centred: the batch cannot be pushed in one direction as a whole.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.batch_norm_gradients(BatchNorm1d)
### END HIDDEN TESTS

# %% test="ex6-batch-norm-running-test" points=3 exercise_no=6
with check("Exercise 6: running statistics") as expect:
    bn = BatchNorm1d(1)
    expect.close(bn.running_mean, [0.0], "running_mean at the start")
    bn(torch.tensor([[1.0], [3.0], [5.0]]))
    expect.close(bn.running_mean, [0.3], "running_mean after a batch of mean 3", rtol=1e-5,
        likely="(1 - momentum) * old + momentum * new, with momentum = 0.1")
    expect.close(bn.running_var, [1.3], "running_var after a batch of unbiased variance 4", rtol=1e-5,
        likely="0.9 * 1 + 0.1 * 4: here the variance is the unbiased one, divided by N - 1")
    expect.why("A frozen estimate of the training set, ready for the day when a batch holds one example.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.batch_norm_running(BatchNorm1d)
### END HIDDEN TESTS

# %% test="ex6-batch-norm-eval-test" points=2 exercise_no=6
with check("Exercise 6: batch norm in evaluation") as expect:
    bn = BatchNorm1d(1)
    bn(torch.tensor([[1.0], [3.0], [5.0]]))
    bn.eval()
    single, batch = bn(torch.tensor([[2.0]])), bn(torch.tensor([[2.0], [90.0], [-40.0]]))
    expect.close(single[0], batch[0], "one example, alone and in a batch", rtol=1e-6,
        likely="in eval mode (self.training is False) the running statistics are used")
    expect.close(bn.running_mean, [0.3], "running_mean after evaluation", rtol=1e-5,
        likely="eval mode must not update it")
    expect.why("Answers must not depend on who else is in the batch. Forgetting eval() is the classic bug.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.batch_norm_eval(BatchNorm1d)
### END HIDDEN TESTS

# %% [markdown]
# ## 7 Residual connections

# %% exercise="ex7-residual-mlp"
class ResidualBlock(nn.Module):
    """x -> x + F(x), or relu(F(x)) without skip, with F(x) = fc2(relu(fc1(x))). x itself is not changed."""

    def __init__(self, width: int, skip: bool):
        super().__init__()
        self.fc1, self.fc2, self.skip = nn.Linear(width, width), nn.Linear(width, width), skip

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        branch = self.fc2(torch.relu(self.fc1(x)))
        return x + branch if self.skip else torch.relu(branch)
        ### END SOLUTION


class ResidualMLP(nn.Module):
    """inp (Linear), relu, blocks (a ModuleList of n_blocks), out (Linear): [N, d_in] to [N, d_out].

    All weights he_normal and all biases 0; then branch_init "scaled" divides the weights of every fc2 by
    sqrt(n_blocks), "zero" sets them to 0, "he" leaves them. ValueError for another branch_init, n_blocks < 0.
    """

    def __init__(self, d_in, width, n_blocks, d_out, branch_init="scaled", skip=True):
        super().__init__()
        ### BEGIN SOLUTION
        if branch_init not in ("he", "scaled", "zero") or n_blocks < 0:
            raise ValueError(f"no network with branch_init={branch_init!r} and n_blocks={n_blocks}")
        self.inp, self.out = nn.Linear(d_in, width), nn.Linear(width, d_out)
        self.blocks = nn.ModuleList(ResidualBlock(width, skip) for _ in range(n_blocks))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        factor = {"he": 1.0, "scaled": 1 / math.sqrt(max(n_blocks, 1)), "zero": 0.0}[branch_init]
        with torch.no_grad():
            for block in self.blocks:
                block.fc2.weight.mul_(factor)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        x = torch.relu(self.inp(x))
        for block in self.blocks:
            x = block(x)
        return self.out(x)
        ### END SOLUTION

# %% test="ex7-residual-forward-test" points=3 exercise_no=7
with check("Exercise 7: the forward pass") as expect:
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    net = ResidualMLP(4, 5, 2, 3, branch_init="he")
    expect.shape(net(x), (3, 3), "the output for 3 examples")
    h = torch.relu(net.inp(x))
    for block in net.blocks:
        h = h + block.fc2(torch.relu(block.fc1(h)))
    expect.close(net(x), net.out(h), "the output, against inp, relu, the blocks, out", rtol=1e-5, atol=1e-6,
        likely="x + F(x) with the x that enters this block, and nothing after the sum")
    expect.why("Every block can only add something. What is already there passes through untouched.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.residual_forward(ResidualMLP)
### END HIDDEN TESTS

# %% test="ex7-residual-init-test" points=3 exercise_no=7
with check("Exercise 7: the start of the branches") as expect:
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    net = ResidualMLP(4, 5, 3, 2, branch_init="zero")
    expect.close(net(x), net.out(torch.relu(net.inp(x))), "the output with branch_init='zero'", rtol=1e-5, atol=1e-6,
        likely="zero the weights of fc2 (not of fc1: then nothing would ever learn), and all biases")
    expect.true(abs(net.blocks[0].fc1.weight).max() > 0, "fc1 must not be zero")
    expect.raises(ValueError, ResidualMLP, 4, 5, 3, 2, "scale", what='branch_init="scale"')
    expect.why("At the start, a network of any depth is one of two layers, and its gradient arrives everywhere.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.residual_init(ResidualMLP)
### END HIDDEN TESTS

# %% [markdown]
# ## 8 Optimisers

# %% given="optimizer-base"
class Optimizer:
    """What all optimisers share: the list of parameters, and forgetting the gradients."""

    def __init__(self, params: Iterable[nn.Parameter]):
        self.params = list(params)

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None

    def step(self) -> None:
        raise NotImplementedError


def feed(optimizer_class: type, start: list, grads: list, **settings) -> Tensor:
    """Where a parameter goes when it is fed these gradients: [steps + 1, M], the start included (float64)."""
    p = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = optimizer_class([p], **settings)
    path = [p.detach().clone()]
    for grad in grads:
        p.grad = torch.tensor(grad, dtype=torch.float64)
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path)

# %% exercise="ex8-sgd"
class SGD(Optimizer):
    """Gradient descent, with momentum (heavy ball) or Nesterov's."""

    def __init__(self, params, lr: float, momentum: float = 0.0, nesterov: bool = False):
        """ValueError for lr < 0, momentum outside [0, 1), and nesterov without momentum."""
        super().__init__(params)
        ### BEGIN SOLUTION
        if lr < 0 or not 0 <= momentum < 1:
            raise ValueError(f"need lr >= 0 and 0 <= momentum < 1, got {lr} and {momentum}")
        if nesterov and momentum == 0:
            raise ValueError("nesterov needs momentum")
        self.lr, self.momentum, self.nesterov = lr, momentum, nesterov
        self.velocity = [torch.zeros_like(p) for p in self.params]
        ### END SOLUTION

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient, in place; gradients stay as they are."""
        ### BEGIN SOLUTION
        mu = self.momentum
        for p, v in zip(self.params, self.velocity, strict=True):
            if p.grad is None:
                continue
            before = v.clone()
            v.mul_(mu).sub_(self.lr * p.grad)
            p.add_((1 + mu) * v - mu * before if self.nesterov else v)
        ### END SOLUTION

# %% test="ex8-sgd-momentum-test" points=3 exercise_no=8
with check("Exercise 8: SGD with momentum") as expect:
    plain = feed(SGD, [1.0, -1.0], [[2.0, 0.0], [2.0, 1.0]], lr=0.1)
    expect.close(plain, [[1.0, -1.0], [0.8, -1.0], [0.6, -1.1]], "two plain steps", rtol=1e-9)
    heavy = feed(SGD, [0.0], [[1.0]] * 3, lr=0.1, momentum=0.5)
    expect.close(heavy[:, 0], [0.0, -0.1, -0.25, -0.425], "three steps with momentum 0.5 and gradient 1", rtol=1e-9,
        likely="v = momentum * v - lr * g, then theta + v: no factor (1 - momentum), and v starts at 0")
    expect.raises(ValueError, feed, SGD, [0.0], [], lr=0.1, momentum=1.0, what="momentum 1")
    expect.why("Steps that agree add up to lr / (1 - momentum); steps that contradict each other cancel.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.sgd_momentum(SGD)
### END HIDDEN TESTS

# %% test="ex8-sgd-nesterov-test" points=2 exercise_no=8
with check("Exercise 8: Nesterov momentum") as expect:
    path = feed(SGD, [0.0], [[1.0]] * 3, lr=0.1, momentum=0.5, nesterov=True)
    expect.close(path[:, 0], [0.0, -0.15, -0.325, -0.5125], "three steps with gradient 1", rtol=1e-9,
        likely="phi - mu * v_old + (1 + mu) * v_new, with the same velocity as the heavy ball")
    expect.raises(ValueError, feed, SGD, [0.0], [], lr=0.1, nesterov=True, what="nesterov without momentum")
    expect.why("Look where the momentum will carry you, and correct there: it brakes earlier.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.sgd_nesterov(SGD)
### END HIDDEN TESTS

# %% exercise="ex8-rprop"
class Rprop(Optimizer):
    """A step size of its own for every weight, adapted by the signs of the last two gradients (full batches)."""

    def __init__(self, params, lr: float = 1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)):
        """lr: first step size; etas: factors after a change / no change of sign; step_sizes: smallest, largest.
        ValueError for lr < 0."""
        super().__init__(params)
        ### BEGIN SOLUTION
        if lr < 0:
            raise ValueError(f"lr must not be negative, got {lr}")
        self.etas, self.step_sizes = etas, step_sizes
        self.step_size = [torch.full_like(p, lr, requires_grad=False) for p in self.params]
        self.last_sign = [torch.zeros_like(p) for p in self.params]
        ### END SOLUTION

    @torch.no_grad()
    def step(self) -> None:
        """Adapt, clamp, then step against the sign of the gradient."""
        ### BEGIN SOLUTION
        slower, faster = self.etas
        for p, size, last in zip(self.params, self.step_size, self.last_sign, strict=True):
            if p.grad is None:
                continue
            sign = p.grad.sign()
            agree = sign * last  # +1 same sign, -1 opposite, 0 at the first step or for a zero gradient
            size[agree > 0] *= faster
            size[agree < 0] *= slower
            size.clamp_(*self.step_sizes)
            p.sub_(size * sign)
            last.copy_(sign)
        ### END SOLUTION

# %% test="ex8-rprop-test" points=2 exercise_no=8
with check("Exercise 8: Rprop") as expect:
    path = feed(Rprop, [0.0, 0.0], [[3.0, 0.01], [0.5, 0.02], [-9.0, 0.01]], lr=0.1)
    expect.close(path[:, 1], [0.0, -0.1, -0.22, -0.364], "steps for three gradients of one sign", rtol=1e-9,
        likely="0.1, then 1.2 times that, and again: the size of the gradient plays no role")
    expect.close(path[:, 0], [0.0, -0.1, -0.22, -0.16], "steps for gradients 3, 0.5, -9", rtol=1e-9,
        likely="after a change of sign halve the step size, then step against the new sign")
    expect.why("Only the sign counts: a plateau with gradient 1e-6 is crossed as fast as a cliff.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.rprop(Rprop)
### END HIDDEN TESTS

# %% exercise="ex8-adagrad"
class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far, weight by weight."""

    def __init__(self, params, lr: float = 1e-2, eps: float = 1e-10):
        """ValueError for lr < 0."""
        super().__init__(params)
        ### BEGIN SOLUTION
        if lr < 0:
            raise ValueError(f"lr must not be negative, got {lr}")
        self.lr, self.eps = lr, eps
        self.total = [torch.zeros_like(p) for p in self.params]
        ### END SOLUTION

    @torch.no_grad()
    def step(self) -> None:
        """s += g^2, then theta -= lr * g / (sqrt(s) + eps)."""
        ### BEGIN SOLUTION
        for p, s in zip(self.params, self.total, strict=True):
            if p.grad is None:
                continue
            s.add_(p.grad**2)
            p.sub_(self.lr * p.grad / (s.sqrt() + self.eps))
        ### END SOLUTION

# %% test="ex8-adagrad-test" points=2 exercise_no=8
with check("Exercise 8: AdaGrad") as expect:
    path = feed(Adagrad, [0.0, 0.0], [[5.0, 0.1]] * 4, lr=1.0)
    steps = -np.array([1.0, 1 / math.sqrt(2), 1 / math.sqrt(3), 1 / math.sqrt(4)])
    for i in range(2):
        came = path[1:, i] - path[:-1, i]
        expect.close(came, steps, f"the steps of coordinate {i} under a constant gradient", rtol=1e-6,
            likely="each coordinate has its own sum of squares, and the step is divided by its root")
    expect.why("1, 1/√2, 1/√3, …: the scale of the gradient has dropped out, and the steps only shrink.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.adagrad(Adagrad)
### END HIDDEN TESTS

# %% exercise="ex8-rmsprop"
class RMSprop(Optimizer):
    """Steps divided by the root of a moving average of the squared gradients."""

    def __init__(self, params, lr: float = 1e-2, beta: float = 0.99, eps: float = 1e-8):
        """ValueError for lr < 0 and beta outside [0, 1)."""
        super().__init__(params)
        ### BEGIN SOLUTION
        if lr < 0 or not 0 <= beta < 1:
            raise ValueError(f"need lr >= 0 and 0 <= beta < 1, got {lr} and {beta}")
        self.lr, self.beta, self.eps = lr, beta, eps
        self.mean_square = [torch.zeros_like(p) for p in self.params]
        ### END SOLUTION

    @torch.no_grad()
    def step(self) -> None:
        """v = beta * v + (1 - beta) * g^2, then theta -= lr * g / (sqrt(v) + eps)."""
        ### BEGIN SOLUTION
        for p, v in zip(self.params, self.mean_square, strict=True):
            if p.grad is None:
                continue
            v.mul_(self.beta).add_((1 - self.beta) * p.grad**2)
            p.sub_(self.lr * p.grad / (v.sqrt() + self.eps))
        ### END SOLUTION

# %% test="ex8-rmsprop-test" points=2 exercise_no=8
with check("Exercise 8: RMSprop") as expect:
    path = feed(RMSprop, [0.0], [[2.0], [2.0], [-4.0]], lr=0.1, beta=0.5)
    expect.close(path[:, 0], [0.0, -0.1414214, -0.2568915, -0.1271144], "three steps with beta = 0.5", rtol=1e-6,
        likely="first v = beta * v + (1 - beta) * g^2, then divide by the root of the NEW v")
    expect.why("A memory that fades: unlike AdaGrad's sum, this average can grow and shrink with the terrain.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.rmsprop(RMSprop)
### END HIDDEN TESTS

# %% test="ex8-rmsprop-eps-test" points=1 exercise_no=8
with check("Exercise 8: where eps stands in RMSprop") as expect:
    path = feed(RMSprop, [0.0], [[1e-8]], lr=1.0, beta=0.0)
    expect.close(path[1], [-0.5], "one step for a gradient of 1e-8, as large as eps", rtol=1e-6,
        likely="sqrt(v) + eps, with eps outside of the root")
    expect.why("Inside the root, the same eps = 1e-8 would already matter for gradients below 1e-4.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.rmsprop_eps(RMSprop)
### END HIDDEN TESTS

# %% exercise="ex8-adam"
class Adam(Optimizer):
    """Momentum on top of RMSprop, both averages corrected for their start at zero."""

    def __init__(self, params, lr: float = 1e-3, betas=(0.9, 0.999), eps: float = 1e-8):
        """ValueError for lr < 0 and a beta outside [0, 1)."""
        super().__init__(params)
        ### BEGIN SOLUTION
        if lr < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"need lr >= 0 and 0 <= beta < 1, got {lr} and {betas}")
        self.lr, self.betas, self.eps, self.t = lr, betas, eps, 0
        self.mean = [torch.zeros_like(p) for p in self.params]
        self.mean_square = [torch.zeros_like(p) for p in self.params]
        ### END SOLUTION

    @torch.no_grad()
    def step(self) -> None:
        """Update m and v, correct both, then theta -= lr * m_hat / (sqrt(v_hat) + eps)."""
        ### BEGIN SOLUTION
        self.t += 1
        beta1, beta2 = self.betas
        for p, m, v in zip(self.params, self.mean, self.mean_square, strict=True):
            if p.grad is None:
                continue
            m.mul_(beta1).add_((1 - beta1) * p.grad)
            v.mul_(beta2).add_((1 - beta2) * p.grad**2)
            m_hat = m / (1 - beta1**self.t)
            v_hat = v / (1 - beta2**self.t)
            p.sub_(self.lr * m_hat / (v_hat.sqrt() + self.eps))
        ### END SOLUTION

# %% test="ex8-adam-test" points=3 exercise_no=8
with check("Exercise 8: Adam") as expect:
    path = feed(Adam, [0.0, 0.0], [[3.0, -0.01]], lr=0.1)
    expect.close(path[1], [-0.1, 0.1], "the first step for the gradient (3, -0.01)", rtol=1e-4,
        likely="correct BOTH averages for their start at zero: divide by 1 - beta^t, with t = 1 at the first step")
    path = feed(Adam, [0.0], [[2.0], [-1.0], [0.5]], lr=0.1)
    expect.close(path[1:, 0], [-0.1, -0.1266337, -0.1606766], "three steps for gradients 2, -1, 0.5", rtol=1e-5,
        likely="t counts the calls of step, once a call and not once a parameter")
    expect.why("The first step is lr in every coordinate, whatever the gradient: Adam chooses the size, not the loss.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.adam(Adam)
### END HIDDEN TESTS

# %% test="ex8-adam-eps-test" points=1 exercise_no=8
with check("Exercise 8: where eps stands in Adam") as expect:
    path = feed(Adam, [0.0], [[1e-8]], lr=1.0)
    expect.close(path[1], [-0.5], "one step for a gradient of 1e-8, as large as eps", rtol=1e-6,
        likely="sqrt(v_hat) + eps: outside of the root, and added after the correction")
    expect.why("Where the gradient is far below eps, Adam falls back to tiny steps in its direction.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.adam_eps(Adam)
### END HIDDEN TESTS

# %% [markdown]
# ## 9 The training loop

# %% exercise="ex9-minibatches"
def minibatches(n: int, batch_size: int, generator: torch.Generator, drop_last: bool = False) -> Iterable[Tensor]:
    """One epoch: the numbers 0 ... n-1 in a fresh random order, in batches.

    Yields LongTensors of batch_size indices; the last one is shorter where batch_size does not divide n,
    and left out with drop_last=True. Random numbers come from `generator` only.
    Raises ValueError for batch_size < 1.
    """
    ### BEGIN SOLUTION
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    order = torch.randperm(n, generator=generator, device=generator.device)
    batches = list(order.split(batch_size))
    if drop_last and len(batches[-1]) < batch_size:
        batches.pop()
    return batches
    ### END SOLUTION

# %% test="ex9-minibatches-test" points=2 exercise_no=9
with check("Exercise 9: minibatches") as expect:
    generator = torch.Generator().manual_seed(0)
    batches = list(minibatches(10, 4, generator))
    expect.equal([len(batch) for batch in batches], [4, 4, 2], "the sizes of the batches of 10 examples",
        likely="the last batch is what is left over")
    expect.equal(sorted(int(i) for batch in batches for i in batch), list(range(10)), "all indices of an epoch, sorted",
        likely="one permutation an epoch, cut into pieces: no example twice, none left out")
    dropped = list(minibatches(10, 4, torch.Generator().manual_seed(0), drop_last=True))
    expect.equal([len(batch) for batch in dropped], [4, 4], "the sizes with drop_last=True")
    expect.raises(ValueError, lambda: list(minibatches(10, 0, torch.Generator())), what="batch_size 0")
    expect.why("Every example once, in an order that changes every epoch: so the noise averages out.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.minibatches(minibatches)
### END HIDDEN TESTS

# %% exercise="ex9-lr-at"
def lr_at(k: int, kind: str, lr0: float, **kw) -> float:
    """The learning rate for update number k = 0, 1, ...

    "exponential" (keyword rate): lr0 * exp(-rate * k); "inverse" (rate): lr0 / (1 + rate * k);
    "step" (every, factor): multiplied by factor after each `every` updates.
    Raises ValueError for another kind.
    """
    ### BEGIN SOLUTION
    if kind == "exponential":
        return lr0 * math.exp(-kw["rate"] * k)
    if kind == "inverse":
        return lr0 / (1 + kw["rate"] * k)
    if kind == "step":
        return lr0 * kw["factor"] ** (k // kw["every"])
    raise ValueError(f"unknown schedule {kind!r}")
    ### END SOLUTION

# %% test="ex9-lr-at-test" points=1 exercise_no=9
with check("Exercise 9: schedules") as expect:
    expect.close(lr_at(0, "exponential", 0.5, rate=0.1), 0.5, "exponential at k = 0")
    expect.close(lr_at(10, "exponential", 0.5, rate=0.1), 0.1839397, "exponential at k = 10", rtol=1e-6)
    expect.close(lr_at(10, "inverse", 0.5, rate=0.1), 0.25, "inverse at k = 10", likely="lr0 / (1 + rate * k)")
    steps = [lr_at(k, "step", 1.0, every=5, factor=0.1) for k in (4, 5, 10)]
    expect.close(steps, [1.0, 0.1, 0.01], "step at k = 4, 5, 10", likely="the number of whole periods is k // every")
    expect.raises(ValueError, lr_at, 1, "cosine", 0.5, what='the kind "cosine"')
    expect.why("Large steps to get there, small ones to settle.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.lr_at(lr_at)
### END HIDDEN TESTS

# %% given="change-grads"
def change_grads(change: Callable, grads: list, *args, **settings) -> tuple:
    """Apply an in-place function of gradients; returns what it returned, and the gradients afterwards."""
    params = [nn.Parameter(torch.zeros(len(grad))) for grad in grads]
    for p, grad in zip(params, grads, strict=True):
        p.grad = torch.tensor(grad)
    returned = change(params, *args, **settings)
    return returned, [p.grad for p in params]

# %% exercise="ex9-clip"
def clip_grad_value_(params: Iterable[nn.Parameter], g_max: float) -> None:
    """Clip every entry of every gradient to [-g_max, g_max], in place.

    Parameters without a gradient are skipped. Raises ValueError for g_max <= 0.
    """
    ### BEGIN SOLUTION
    if g_max <= 0:
        raise ValueError(f"g_max must be positive, got {g_max}")
    for p in params:
        if p.grad is not None:
            p.grad.clamp_(-g_max, g_max)
    ### END SOLUTION


def clip_grad_norm_(params: Iterable[nn.Parameter], max_norm: float) -> float:
    """Scale all gradients by one common factor, in place, so that their joint 2-norm is at most max_norm.

    Gradients with a smaller norm are left alone. Returns the norm before clipping, as a float.
    Parameters without a gradient are skipped. Raises ValueError for max_norm <= 0.
    """
    ### BEGIN SOLUTION
    if max_norm <= 0:
        raise ValueError(f"max_norm must be positive, got {max_norm}")
    grads = [p.grad for p in params if p.grad is not None]
    norm = math.sqrt(sum(float(g.pow(2).sum()) for g in grads))
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return norm
    ### END SOLUTION

# %% test="ex9-clip-value-test" points=1 exercise_no=9
with check("Exercise 9: clipping by value") as expect:
    _, grads = change_grads(clip_grad_value_, [[3.0, -0.5], [-7.0]], 1.0)
    expect.close(grads[0], [1.0, -0.5], "the gradient (3, -0.5) clipped at 1")
    expect.close(grads[1], [-1.0], "the gradient (-7) clipped at 1")
    expect.raises(ValueError, change_grads, clip_grad_value_, [[1.0]], 0.0, what="g_max 0")
    expect.why("The direction has changed: it pointed along (3, -0.5) and now points along (1, -0.5).")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.clip_value(clip_grad_value_)
### END HIDDEN TESTS

# %% test="ex9-clip-norm-test" points=1 exercise_no=9
with check("Exercise 9: clipping by norm") as expect:
    norm, grads = change_grads(clip_grad_norm_, [[3.0], [0.0, 4.0]], 1.0)
    expect.close(norm, 5.0, "the returned norm of the gradients (3) and (0, 4)", rtol=1e-5,
        likely="the norm BEFORE clipping, over all parameters together")
    expect.close(grads[0], [0.6], "the first gradient afterwards", rtol=1e-4,
        likely="one factor for all: max_norm / norm")
    expect.close(grads[1], [0.0, 0.8], "the second gradient afterwards", rtol=1e-4)
    _, grads = change_grads(clip_grad_norm_, [[0.3], [0.0, 0.4]], 1.0)
    expect.close(grads[1], [0.0, 0.4], "a gradient that is already short enough", rtol=1e-5, likely="never scale UP")
    expect.why("Shorter, never turned: that is why recurrent networks (chapter 05) are trained with it.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.clip_norm(clip_grad_norm_)
### END HIDDEN TESTS

# %% exercise="ex9-gradient-noise"
def add_gradient_noise_(params: Iterable[nn.Parameter], k: int, eta: float = 0.01, gamma: float = 0.55,
                        generator: torch.Generator | None = None) -> None:  # fmt: skip
    """Add independent Gaussian noise of VARIANCE eta / (1 + k)^gamma to every gradient entry, in place.

    k: number of the update, from 0. Parameters without a gradient are skipped.
    """
    ### BEGIN SOLUTION
    std = math.sqrt(eta / (1 + k) ** gamma)
    for p in params:
        if p.grad is not None:
            noise = torch.randn(p.grad.shape, generator=generator, dtype=p.grad.dtype, device=p.grad.device)
            p.grad.add_(std * noise)
    ### END SOLUTION

# %% test="ex9-gradient-noise-test" points=1 exercise_no=9
with check("Exercise 9: gradient noise") as expect:
    for k, std in ((0, 1.0), (99, 0.2818)):
        _, grads = change_grads(add_gradient_noise_, [[0.0] * 20000, [0.0] * 20000], k, eta=1.0,
            generator=torch.Generator().manual_seed(0))  # fmt: skip
        expect.close(grads[0].std(), std, f"the standard deviation of the noise at k = {k}, eta = 1", rtol=0.05,
            likely="eta / (1 + k)^gamma is the VARIANCE")
        expect.true(abs(grads[0] - grads[1]).max() > 0, "two parameters must not get the same noise")
    expect.why("Hot at first, cool later: the noise shakes the weights out of narrow valleys, then lets them rest.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.gradient_noise(add_gradient_noise_)
### END HIDDEN TESTS

# %% given="one-weight"
def one_weight(value: float) -> nn.Linear:
    """A model with a single weight."""
    model = nn.Linear(1, 1, bias=False)
    return set_weight(model, value)


def set_weight(model: nn.Linear, value: float) -> nn.Linear:
    with torch.no_grad():
        model.weight.fill_(value)
    return model

# %% exercise="ex9-ema"
class EMA:
    """Exponential moving average of everything in a model's state_dict.

    shadow: name -> averaged tensor (own memory, no gradient), starts at the model's values.
    """

    def __init__(self, model: nn.Module, gamma: float):
        """gamma: how much of the old average is kept. ValueError outside [0, 1)."""
        ### BEGIN SOLUTION
        if not 0 <= gamma < 1:
            raise ValueError(f"gamma must lie in [0, 1), got {gamma}")
        self.model, self.gamma = model, gamma
        self.shadow = {name: value.detach().clone() for name, value in model.state_dict().items()}
        ### END SOLUTION

    @torch.no_grad()
    def update(self) -> None:
        """shadow = gamma * shadow + (1 - gamma) * model; whole-number buffers are copied."""
        ### BEGIN SOLUTION
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.shadow[name].mul_(self.gamma).add_((1 - self.gamma) * value)
            else:
                self.shadow[name].copy_(value)
        ### END SOLUTION

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's values with the averages; a second call exchanges them back."""
        ### BEGIN SOLUTION
        live = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.shadow)
        self.shadow = live
        ### END SOLUTION

# %% test="ex9-ema-test" points=1 exercise_no=9
with check("Exercise 9: the average of the weights") as expect:
    model = one_weight(1.0)
    ema = EMA(model, 0.9)
    set_weight(model, 2.0)
    expect.close(ema.shadow["weight"], [[1.0]], "the average before an update",
        likely="keep a copy, not the live weight")
    ema.update()
    expect.close(ema.shadow["weight"], [[1.1]], "the average after an update from 1 towards 2", rtol=1e-5,
        likely="gamma is the share of the OLD average: 0.9 * 1 + 0.1 * 2")
    ema.swap()
    expect.close(model.weight, [[1.1]], "the model's weight after swap()", rtol=1e-5)
    ema.swap()
    expect.close(model.weight, [[2.0]], "the model's weight after a second swap()", rtol=1e-5,
        likely="swap is an exchange: the live weights must be kept in shadow meanwhile")
    expect.raises(ValueError, EMA, model, 1.0, what="gamma 1")
    expect.why("Evaluate with the average, go on training with the live weights: swap before, swap after.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.ema(EMA)
### END HIDDEN TESTS

# %% exercise="ex9-update-ratio"
def update_ratio(before: list[Tensor], after: list[Tensor]) -> float:
    """How far an update moved the parameters, relative to their size: |after - before| / |before|.

    before, after: the same parameters before and after the update; the norm runs over all of them jointly.
    """
    ### BEGIN SOLUTION
    moved = sum(float((b - a).pow(2).sum()) for a, b in zip(before, after, strict=True))
    size = sum(float(a.pow(2).sum()) for a in before)
    return math.sqrt(moved / size)
    ### END SOLUTION

# %% test="ex9-update-ratio-test" points=1 exercise_no=9
with check("Exercise 9: the update ratio") as expect:
    before, after = [torch.ones(2), torch.ones(3)], [torch.full((2,), 1.001), torch.full((3,), 0.999)]
    expect.close(update_ratio(before, after), 1e-3, "the ratio when ones move by 0.001", rtol=1e-3,
        likely="the norm of the CHANGE over the norm of the weights, all parameters together")
    expect.why("About 1e-3 is healthy; 1e-1 is a learning rate that tears the network apart, 1e-6 one that sleeps.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.update_ratio(update_ratio)
### END HIDDEN TESTS

# %% [markdown]
# ## 10 Experiments

# %% test="exA-conditioning-test" points=2
with check("Experiment A: whitening and loss fit together") as expect:
    X = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 5.0], [2.0, 2.0, 0.0], [3.0, 1.0, 1.0]])
    Z = Whitener("pca", n_components=2).fit(X).transform(X)
    expect.shape(Z, (4, 2), "four examples with two components")
    expect.finite(cross_entropy(Z, torch.tensor([0, 1, 1, 0])), "the loss of these components as logits")
    expect.why("Graded by training a classifier on whitened and on raw digits.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.experiment_conditioning(cross_entropy, Whitener)
### END HIDDEN TESTS

# %% test="exB-depth-test" points=2
with check("Experiment B: a deep residual network") as expect:
    net = ResidualMLP(6, 8, 20, 3, branch_init="zero")
    expect.shape(net(torch.zeros(5, 6)), (5, 3), "the output of 20 blocks")
    expect.finite(BatchNorm1d(6)(init_weight_(torch.empty(9, 6), "he_normal")), "batch norm of random numbers")
    expect.why("Graded by training at depth 42, and by the rank of the signal with and without your batch norm.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.experiment_depth(ResidualMLP, BatchNorm1d, init_weight_)
### END HIDDEN TESTS

# %% test="exC-batch-norm-test" points=2
with check("Experiment C: batch norm at a learning rate of 1") as expect:
    expect.finite(BatchNorm1d(4)(torch.eye(5, 4)), "batch norm of five rows")
    expect.finite(cross_entropy(torch.zeros(2, 3), torch.tensor([0, 2])), "a loss")
    expect.equal(len(list(minibatches(6, 2, torch.Generator().manual_seed(0)))), 3, "the number of batches")
    expect.finite(feed(SGD, [1.0], [[1.0]], lr=1.0), "a step")
    expect.why("Graded by training on digits with your loss, batches, initialisation, batch norm and SGD.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.experiment_batch_norm(BatchNorm1d, SGD, cross_entropy, minibatches, init_weight_)
### END HIDDEN TESTS

# %% [markdown]
# ## 11 Questions

# %% exercise="q1"
answer_first_loss = None
### BEGIN SOLUTION
answer_first_loss = "b"
### END SOLUTION

# %% test="q1-test" points=1
with check("Question 1: the form of your answer") as expect:
    expect.answered(answer_first_loss, "answer_first_loss", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.question_first_loss(answer_first_loss)
### END HIDDEN TESTS

# %% exercise="q2"
answer_stable_step = None  # (largest stable step, best rate)
### BEGIN SOLUTION
answer_stable_step = (0.04, 99 / 101)
### END SOLUTION

# %% test="q2-test" points=1
with check("Question 2: the form of your answer") as expect:
    expect.answered(answer_stable_step, "answer_stable_step", kind="numbers")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.question_stable_step(answer_stable_step)
### END HIDDEN TESTS

# %% exercise="q3"
answer_limit_velocity = None
### BEGIN SOLUTION
answer_limit_velocity = 0.2
### END SOLUTION

# %% test="q3-test" points=1
with check("Question 3: the form of your answer") as expect:
    expect.answered(answer_limit_velocity, "answer_limit_velocity", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.question_limit_velocity(answer_limit_velocity)
### END HIDDEN TESTS

# %% exercise="q4"
answer_adam_first_step = None
### BEGIN SOLUTION
answer_adam_first_step = 3.162
### END SOLUTION

# %% test="q4-test" points=1
with check("Question 4: the form of your answer") as expect:
    expect.answered(answer_adam_first_step, "answer_adam_first_step", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.question_adam_first_step(answer_adam_first_step)
### END HIDDEN TESTS

# %% exercise="q5"
answer_clipping = None
### BEGIN SOLUTION
answer_clipping = "norm"
### END SOLUTION

# %% test="q5-test" points=1
with check("Question 5: the form of your answer") as expect:
    expect.answered(answer_clipping, "answer_clipping", options=("value", "norm"))
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.question_clipping(answer_clipping)
### END HIDDEN TESTS

# %% exercise="q6"
answer_rmsprop_zero = None
### BEGIN SOLUTION
answer_rmsprop_zero = "b"
### END SOLUTION

# %% test="q6-test" points=1
with check("Question 6: the form of your answer") as expect:
    expect.answered(answer_rmsprop_zero, "answer_rmsprop_zero", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.question_rmsprop_zero(answer_rmsprop_zero)
### END HIDDEN TESTS
