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
#
# A network is a formula with a million screws. Learning means turning all of them, a little at a time, until
# one number, the *loss*, is small. Which number? Which way to turn, and how far? From where, and what if
# nothing moves? These questions decide whether a network learns in a minute, in a month, or never.
#
# **What you will build**
# - losses that survive extreme numbers, and the three historical classifiers, by hand;
# - the theory of one step: before a run you will know the best step size and the number of steps;
# - whitening, initialisation, batch norm and skip connections: 42 layers that learn;
# - seven optimisers, which then race each other down the valley below, and a training loop for real digits.

# %% setup=true
import math
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from coursekit import check, setup
from coursekit.data import fashion_mnist, mnist
from coursekit.figures import COLOR, blank, figure, line_style, show
from coursekit.landscapes import descend, draw_race, draw_surface, quadratic, rosenbrock, saddle
from coursekit.standins import StandIns
from coursekit.training import TrainingDiverged, train
from coursekit.widgets import Choice, Slider, Toggle, explore
from torch import Tensor, nn

lab = setup("01_optimization")

# %% demo=true
optim = torch.optim  # here PyTorch's; at the end of section 8 your own
racers = {
    "gradient descent": lambda params: optim.SGD(params, lr=2e-3),
    "momentum": lambda params: optim.SGD(params, lr=1e-3, momentum=0.9),
    "Nesterov": lambda params: optim.SGD(params, lr=1e-3, momentum=0.9, nesterov=True),
    "Rprop": lambda params: optim.Rprop(params, lr=1e-2),
    "AdaGrad": lambda params: optim.Adagrad(params, lr=0.5),
    "RMSprop": lambda params: optim.RMSprop(params, lr=0.03, alpha=0.9),
    "Adam": lambda params: optim.Adam(params, lr=0.3),
}
paths = {name: descend(make, rosenbrock(), 200) for name, make in racers.items()}
fig = blank((8.8, 3.4))
draw_race(fig, rosenbrock(), paths)
show(fig, "Seven optimisers, 200 steps each, from the dot towards the star at the bottom of a bent valley. All reach "
    "the valley at once; following its floor is what separates them.")

# %% [markdown]
# | part | points | difficulty | about |
# |---|---|---|---|
# | 1 Losses that stay finite | 8 | ★☆☆ | 35 min |
# | 2 From a neuron on paper to logistic regression | 10 | ★★☆ | 50 min |
# | 3 How far can one step go? | 12 | ★★☆ | 50 min |
# | 4 Conditioning the inputs | 8 | ★★☆ | 40 min |
# | 5 How large at the start? | 8 | ★★☆ | 40 min |
# | 6 Batch normalisation | 12 | ★★★ | 50 min |
# | 7 Residual connections | 6 | ★★☆ | 30 min |
# | 8 Seven optimisers | 16 | ★★☆ | 75 min |
# | 9 The training loop | 8 | ★★☆ | 40 min |
# | Experiments A, B, C | 6 | ★☆☆ | 20 min |
# | Questions | 6 | ★☆☆ | 15 min |
#
# About 7½ hours in all; parts 0 to 3 make a first evening. Running everything takes about two minutes on a
# laptop, up to five on an old or busy one; the longest cell, in experiment B, takes a third of it.

# %% [markdown]
# **What you need to know**: the gradient of a function of several variables, products of matrices,
# eigenvalues of a symmetric matrix, torch tensors. Where a network is differentiated here, PyTorch does it;
# chapter 02 shows how. The two chapters can be worked in either order.
#
# **How it works**: replace `raise NotImplementedError()` by your code, run the cell, then run the check below
# it. You may leave exercises open: later checks that do not need them still run, and figures that do need
# them say so. More inputs are tried after handing in. Whatever you create takes dtype and device of its
# inputs.
#
# **Notation**: $N$ examples, $D$ input features, $K$ classes; $\theta$ all parameters, $\mathcal L(\theta)$
# the loss, $g=\nabla_\theta\mathcal L$ its gradient, $\eta$ the learning rate. A linear layer computes
# $y=Wx+b$ with $W$ `[out, in]`, for a batch of rows `X @ W.T + b`. That is the layout of `torch.nn.Linear`;
# chapter 02 writes its own layers with `[d_in, d_out]`.

# %% [markdown]
# ## 0 Learning instead of designing
#
# For decades a classifier began with *feature engineering*: people decided what to measure, word counts for
# spam, field positions for invoices, corner descriptors (SIFT) for photographs, and only the last step was
# learned. Good features took a community years, left stubborn errors, and became unmaintainable. *Deep
# learning* learns the features as well: early layers find edges, later ones corners and arcs, then wheels and
# windows, then cars (Zeiler and Fergus 2014 made them visible). Such features appear in days, and carry over
# to new tasks. Depth is not needed in principle, one wide hidden layer can approximate any continuous
# function, but a hierarchy of parts is how the world seems to be built.

# %% [markdown]
# The idea is old. The first hierarchy of learned features, Fukushima's *neocognitron* of 1980, copied what is
# known of seeing in mammals, and is the ancestor of convolutional networks (chapter 03). Neural networks came in
# three waves: neurons on paper (1940s to 60s); backpropagation, Hopfield networks, Boltzmann machines and
# self-organising maps (mid-1980s, until support vector machines and random forests did as well with less
# trouble); and since 2006, when Hinton and colleagues showed a deep network beating shallow ones on handwritten
# digits, the wave that we are in, under the name *deep learning*.

# %% demo=true
events = [
    (1943, "McCulloch, Pitts: neuron"), (1958, "Rosenblatt: perceptron"), (1969, "Minsky, Papert: no XOR"),
    (1980, "Fukushima: neocognitron"), (1986, "backpropagation spreads"), (1989, "LeCun: zip codes"),
    (2006, "Hinton: deep beats shallow"), (2012, "AlexNet wins ImageNet"), (2013, "DeepMind plays Atari"),
    (2014, "speech, translation"), (2015, "batch norm, Adam, ResNet"), (2016, "AlphaGo beats Lee Sedol"),
]  # fmt: skip
fig, ax = figure(size=(10, 3.0))
waves = {"first wave": (1943, 1969, "sky"), "second wave": (1985, 1995, "orange"), "third wave": (2006, 2022, "green")}
for name, (start, end, color) in waves.items():
    ax.axvspan(start, end, color=COLOR[color], alpha=0.25)
    ax.text((start + end) / 2, 1.5, name, ha="center", fontweight="bold")
heights = [1.0, 0.5, 1.0, 0.0, 0.75, 0.4, 1.25, 1.0, 0.75, 0.5, 0.25, 0.0]
for (year, what), height in zip(events, heights, strict=True):
    ax.plot(year, height, marker="o", color="black", markersize=4)
    ax.text(year + 0.7, height, f"{year} {what}", va="center", fontsize=8.5)
ax.set(ylim=(-0.25, 1.75), xlim=(1940, 2042), xticks=range(1940, 2021, 10), yticks=[])
ax.set_title("eighty years in three waves")
ax.grid(False)
show(fig, "Three waves of neural networks. Between them the ideas waited: for data, for computers, for the "
    "tricks of this chapter.")

# %% [markdown]
# **Why did the second wave need 25 more years?** Hinton's answer has four parts: data sets were thousands of
# times too small, computers millions of times too slow, *weights were initialised badly*, *and the wrong
# nonlinearity was used*. The last two are a matter of a few lines; you will write them in section 5.
#
# **Better than people?** AlexNet (2012) was the first deep network to win the ImageNet competition, after
# years of hand-crafted features: 15.3 % top-5 error against 26.2 % for the runner-up. It did not beat people,
# whose error is put at about 5.1 %. That came in 2015, with 4.94 % (He et al.): after better initialisation.
# Speech (Graves and Jaitly 2014) and translation (Cho et al. 2014) followed on the same path.
#
# **Why does it work at all?** Gradient descent is greedy: it takes the steepest way down from where it
# happens to stand. That this leads to good networks, and not into the nearest ditch, is an experience rather
# than a theorem: for natural, hierarchical data there seems to be a way down from almost everywhere.

# %% [markdown]
# ## 1 Losses that stay finite
#
# What should a classifier be punished for? Let it output a probability for every class, and choose weights
# under which the observed labels are *likely*. The likelihood of $N$ independent examples is a product; minus
# its logarithm is a sum, and its mean over the examples is our loss. Every loss below is born this way.
#
# For $K$ classes the network gives $K$ numbers $h$, the *logits*, and **softmax** makes them probabilities,
#
# $$f_j=\frac{e^{h_j}}{\sum_{j'}e^{h_{j'}}},\qquad 0\le f_j\le 1,\quad \textstyle\sum_jf_j=1 .$$
#
# If one logit dominates, $f$ tends to the *one-hot* vector of the largest: 1 there, 0 elsewhere. With the
# label one-hot as well, $y_j\in\{0,1\}$, $\sum_jy_j=1$, the model says $p(y\mid x)=\prod_jf_j^{\,y_j}$, and
# the loss is the **cross-entropy** $\mathcal H(p,q)=-\sum_jp_j\log q_j$ of label and model, averaged:
#
# $$\mathcal L=-\frac1N\sum_{n=1}^N\sum_{j=1}^K y^{(n)}_j\log f_j\big(x^{(n)}\big).$$

# %% [markdown]
# On paper that is all. In a machine $e^{100}$ is infinite in float32, and $\log 0$ is $-\infty$. The cure:
# adding a constant to all logits of a row changes nothing, so subtract the row's largest, $c=\max_jh_j$, and
# never form $f$ itself:
#
# $$\log f_j=h_j-c-\log\sum_{j'}e^{h_{j'}-c}.$$

# %% [markdown]
# **Exercise 1 · 8 points · ★☆☆ · 35 min.** First `log_softmax`, then `cross_entropy` with it. Without torch's
# own: `softmax`, `log_softmax`, `logsumexp`, `F.cross_entropy`, `F.nll_loss`, `F.binary_cross_entropy*` and
# `F.mse_loss` are not allowed. Everything else is, `F.softplus` and `torch.sigmoid` too.
#
# <details><summary>Hint 1: a question</summary>Two rows of a batch hold logits around 1000 and around −1000.
# You subtract the largest entry of the whole matrix. What is left of the second row after exp, and what does
# log make of it?</details>
# <details><summary>Hint 2</summary><code>h.amax(dim=-1, keepdim=True)</code> keeps a last axis of length 1,
# so that it broadcasts against h. Do not write into h: it belongs to the caller.</details>
# <details><summary>Hint 3</summary>For class numbers, pick one entry a row: <code>log_f[torch.arange(n),
# y]</code> (the index on the device of h). For float targets multiply and sum over the classes. Either way:
# the mean over N. Test the shapes first and raise ValueError.</details>

# %% exercise="ex1-log-softmax"
def log_softmax(h: Tensor) -> Tensor:
    """Logarithm of the softmax over the last axis.

    h: logits [..., K], float32 or float64
    Returns log f, shape [..., K], dtype of h; finite if the differences within each row are. h is not changed.
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
    h = torch.tensor([[1000.0, 0.0], [-1000.0, -1001.0]])
    far = log_softmax(h)
    expect.equal(h, [[1000.0, 0.0], [-1000.0, -1001.0]], "h after the call", likely="`h -= ...` writes into h itself")
    expect.finite(far, "log_softmax of rows with logits around 1000 and -1000",
        likely="exp(1000) is infinite: subtract the largest entry of each ROW first, it cancels. And never take the "
        "logarithm of f itself, which may be 0: use the formula for log f")
    expect.close(far, [[0.0, -1000.0], [-0.3132617, -1.3132617]], "log_softmax of rows 2000 apart", rtol=1e-4)
    expect.why("Nothing changes on paper, everything in the machine: exp never sees a positive number.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.log_softmax(log_softmax)
### END HIDDEN TESTS

# %% given="alone"
def logistic_grad_by_autograd(X, y, w, b):
    w, b = w.clone().requires_grad_(), b.clone().requires_grad_()
    loss = F.binary_cross_entropy_with_logits(X @ w + b, y.to(X.dtype))
    return loss.detach(), *torch.autograd.grad(loss, (w, b))


alone = StandIns(  # calls one function; a slip in your others must not show in its check
    log_softmax=lambda h: torch.log_softmax(h, -1),
    bce_with_logits=F.binary_cross_entropy_with_logits,
    logistic_grad=logistic_grad_by_autograd,
)

# %% exercise="ex1-cross-entropy"
def cross_entropy(h: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy, in nats, of softmax(h) against the targets y.

    h: logits [N, K]
    y: class numbers [N] (int64, 0 ... K-1), or one distribution over the classes per row, [N, K] (float)
    Returns a 0-dim tensor that can be differentiated.
    Raises ValueError for an empty batch, shapes that do not fit (also for integers [N, K]: one-hot rows must be
    float), and class numbers outside 0 ... K-1.
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
    expect.raises(ValueError, alone, cross_entropy, h, torch.tensor([0, -1]), what="class number -1",
        likely="an index of -1 would silently mean the last class: test y.min() as well")
    expect.raises(ValueError, alone, cross_entropy, h, torch.tensor([[0], [1]]), what="class numbers of shape [2, 1]")
    expect.why("Whoever gives 1/K to every class pays ln K: 2.30 for ten classes. A network that starts far above it "
        "is too sure of what it cannot know yet.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.cross_entropy(cross_entropy)
### END HIDDEN TESTS

# %% [markdown]
# With two classes one number is enough: $f=\sigma(z)=1/(1+e^{-z})$ is the probability of class 1, that of
# class 0 is $1-f$. The Bernoulli likelihood $p(y\mid x)=f^y(1-f)^{1-y}$ gives the **binary cross-entropy**
#
# $$\mathcal L=-\frac1N\sum_n\Big[y^{(n)}\log f(x^{(n)})+(1-y^{(n)})\log\big(1-f(x^{(n)})\big)\Big].$$
#
# Mind the bracket: some printed versions lose it, and then the minus acts on the first term only. Mind the
# $1/N$ as well: with a sum instead of a mean, $N$ silently multiplies the learning rate. In terms of the
# logit $z$ one example costs $\max(z,0)-zy+\log(1+e^{-|z|})$, which overflows nowhere, and its gradient is
# simply $\sigma(z)-y$.
#
# <details><summary>Hint: a question</summary>At z = 0 the gradient must be ½ − y. What gradient does torch
# give <code>z.clamp(min=0)</code> at 0? And <code>torch.maximum(z, torch.zeros_like(z))</code>, which splits
# a tie evenly?</details>

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
    z = torch.zeros(2, requires_grad=True)
    bce_with_logits(z, torch.tensor([0.0, 1.0])).backward()
    expect.close(z.grad, [0.25, -0.25], "the gradient at z = 0 for y = 0 and y = 1 (N = 2)", rtol=1e-5,
        likely="it is (sigmoid(z) - y) / N at z = 0 too; clamp and relu have a kink there, see the hint")
    expect.raises(ValueError, bce_with_logits, torch.zeros(3, 1), torch.zeros(3), what="shape [3, 1] against [3]")
    expect.why("[3, 1] against [3] would broadcast to 9 numbers without a word: the bug that this ValueError stops.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.bce(bce_with_logits)
### END HIDDEN TESTS

# %% [markdown]
# For *regression* assume Gaussian noise of variance $s^2$ around the output,
# $p(y\mid x)=\mathcal N(y\mid f(x),s^2I)$. Up to a constant and the factor $1/(2s^2)$ the negative log
# likelihood is the **squared error** $\frac1N\sum_n\lVert y^{(n)}-f(x^{(n)})\rVert^2$: *summed* over the $K$
# outputs, averaged over the examples.

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
#
# McCulloch and Pitts (1943) described a nerve cell in one line: $f(x)=\phi\big(\sum_jw_jx_j+b\big)$ with
# inputs $x_j\in\{0,1\}$ and a step $\phi(a)=\mathbb 1[a>0]$, which is 1 where $a>0$, else 0. It did not
# learn; weights were set by hand. One such unit cuts the plane along a straight line, which does for AND and
# OR, but **XOR**, "one or the other, not both", needs more than one cut. Minsky and Papert (1969) made this
# limitation famous.
#
# Two layers suffice: $h=\phi(W_1x+b_1)$ makes two cuts, and in the plane of $(h_1,h_2)$ the classes can be
# separated by a third one, $y=\phi(w_2^\top h+b_2)$.

# %% [markdown]
# **Exercise 2 · 10 points · ★★☆ · 50 min.** Begin as in 1943: choose the weights yourself.
#
# <details><summary>Hint: a question</summary>Which two questions about (x₁, x₂), each answered by one
# straight cut, decide XOR if you know both answers?</details>

# %% exercise="ex2-xor-network"
def xor_network() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights, chosen by hand, of a two-layer network of step units that computes XOR.

    hidden = step(W1 @ x + b1), output = step(w2 @ hidden + b2), with step(a) = 1 if a > 0 else 0.
    Returns float tensors W1 [2, 2], b1 [2], w2 [2], b2 [].
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
    hidden_units = (X @ W1.float().T + b1 > 0).float()
    expect.equal((hidden_units @ w2.float() + b2 > 0).int(), [0, 1, 1, 0], "the outputs for (0,0), (0,1), (1,0), (1,1)",
        likely="let one hidden unit say 'at least one input is on' and the other 'both are on'; step(0) is 0, so put "
        "every cut BETWEEN the values it separates, at 0.5 and 1.5")
    expect.why("Two straight cuts and a third one on their results: what no single straight line can do.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.xor_network(xor_network)
### END HIDDEN TESTS

# %% demo=true
W1, b1, w2, b2 = xor_network()
W1, w2 = W1.float(), w2.float()
corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
codes = (corners @ W1.T + b1 > 0).float()
fig, axes = figure(1, 2, size=(7.4, 3.3))
t = torch.linspace(-3, 3, 2)
for ax, points, cuts in ((axes[0], corners, [*zip(W1, b1, strict=True)]), (axes[1], codes, [(w2, b2)])):
    for i, (w, b) in enumerate(cuts):
        foot = -b * w / (w @ w)  # the point of the line w.x + b = 0 that is closest to the origin
        line = foot[:, None] + torch.stack([-w[1], w[0]])[:, None] * t / w.norm()
        ax.plot(*line, color=list(COLOR.values())[2 + i], linestyle=("-", "--")[i])
    for k, marker in ((0, "o"), (1, "s")):
        here = points[[0, 3]] if k == 0 else points[[1, 2]]
        ax.plot(*here.T, linestyle="", marker=marker, markersize=11, color=list(COLOR.values())[k], label=f"XOR = {k}")
    ax.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), aspect="equal")
axes[0].set(title="your two hidden units", xlabel="$x_1$", ylabel="$x_2$")
axes[1].set(title="the same points in hidden space", xlabel="$h_1$", ylabel="$h_2$")
axes[1].legend(loc="upper right")
show(fig, "Left: no single line separates circles from squares, your two hidden units draw two. Right: in the plane "
    "of the hidden units the classes lie on two sides of one line.")

# %% [markdown]
# Rosenblatt's **perceptron** (1958) was the first neuron that *learned*. It predicts
# $\hat y=\mathrm{sign}(w^\top x)$ for labels $y\in\{-1,+1\}$, looks at one example at a time, and changes
# only after a mistake, towards the example or away from it:
#
# $$\text{if } y^{(i)}\,w^\top x^{(i)}\le 0:\qquad w\leftarrow w+y^{(i)}x^{(i)},$$
#
# which strengthens connections that fire together, as Hebb had proposed for real neurons. If some unit vector
# $w_*$ separates the data with margin $\gamma$, $y^{(i)}w_*^\top x^{(i)}\ge\gamma$, and
# $\lVert x^{(i)}\rVert\le R$, there are at most $(R/\gamma)^2$ updates (Novikoff 1962). If not, it never
# stops. The threshold is a weight on an input that is always 1.
#
# <details><summary>Hint: a question</summary>You start at w = 0, where every score is 0. If a score of 0 is
# not a mistake, what happens in the first epoch? And in the second?</details>

# %% exercise="ex2-perceptron"
def perceptron_fit(X: Tensor, y: Tensor, max_epochs: int = 100) -> tuple[Tensor, int, bool]:
    """Rosenblatt's rule: pass over the examples in the given order, correct every mistake at once.

    X: inputs [N, D] (a bias is a column of ones, appended by the caller); y: labels [N], each -1 or +1
    Starts at w = 0; a score of exactly 0 is a mistake; stops after an epoch without mistakes.
    Returns w [D], the number of updates, and whether w classifies every row correctly (no score of 0).
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

# %% [markdown]
# A step has no slope, so the perceptron cannot know *how* wrong it was. Replace the step by the sigmoid and
# the loss by the binary cross-entropy: $f(x)=\sigma(w^\top x+b)$ with $x,w\in\mathbb R^D$ is **logistic
# regression**, smooth in $w$. Now there is a gradient $g=(\partial\mathcal L/\partial
# w_1,\dots,\partial\mathcal L/\partial w_D)^\top$. It points where the loss *rises* fastest, at right angles
# to the lines of equal loss, and fades towards the minimum. So walk against it: **gradient descent**,
# $w_{t+1}=w_t-\eta_t\,g(w_t)$. Here, with $X$ `[N, D]`,
#
# $$g_w=\frac1NX^\top\big(\sigma(Xw+b)-y\big),\qquad g_b=\frac1N\sum_n\big(\sigma(z_n)-y_n\big).$$
#
# There are three ways to a gradient: *numerically* (wiggle the weights: $D+1$ losses for one-sided
# differences, $2D$ for central ones, inexact), *analytically* (exact, but mistakes creep in, so check it
# numerically), *automatically* (chapter 02). And there is a way without any: *random search*. It is never
# trapped in a local minimum, finds the best point in infinite time, and is useless in a million dimensions.

# %% exercise="ex2-logistic-grad"
def logistic_grad(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean binary cross-entropy of sigmoid(X @ w + b), with its gradient by formula (no autograd).

    X: inputs [N, D]; y: labels [N], each 0 or 1, integer or float; w: weights [D]; b: bias []
    Returns the loss [], the gradient in w [D], the gradient in b []; finite for scores of +-1000.
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
    loss, gw, gb = alone(logistic_grad, X, y, w, b)
    expect.close(loss, 1.0554038, "the mean loss of 5 points", rtol=1e-6)
    for i, step in enumerate(torch.eye(2, dtype=torch.float64) * h):
        up, down = alone(logistic_grad, X, y, w + step, b)[0], alone(logistic_grad, X, y, w - step, b)[0]
        slope = (up - down) / (2 * h)
        expect.close(gw[i], slope, f"gw[{i}] against a central difference of the loss", rtol=1e-6,
            likely="X.T @ (sigmoid(X w + b) - y) / N: the loss is a mean, so its gradient has the 1/N too")
    slope = (alone(logistic_grad, X, y, w, b + h)[0] - alone(logistic_grad, X, y, w, b - h)[0]) / (2 * h)
    expect.close(gb, slope, "gb against a central difference of the loss", rtol=1e-6,
        likely="the MEAN of sigmoid(X w + b) - y over the N examples")
    expect.finite(alone(logistic_grad, 1000 * X, y, w, b)[0], "the loss at scores around 1000")
    expect.why("Prediction minus truth, times the input: the same shape of formula will return in every chapter.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.logistic_grad(logistic_grad)
### END HIDDEN TESTS

# %% [markdown]
# Now walk.
#
# <details><summary>Hint: a question</summary>Two steps visit three points. How many losses are there, and
# which of them do you know before the first step? Write <code>w = w - lr * gw</code>, not <code>w -=
# ...</code>, which would change the caller's w0.</details>

# %% exercise="ex2-logistic-fit"
def logistic_fit(
    X: Tensor, y: Tensor, lr: float, steps: int, w0: Tensor | None = None, b0: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradient descent on the logistic loss, all examples in every step.

    X [N, D], y [N] (0 or 1); lr: step size; w0 [D], b0 []: where to start (None: zeros), never changed
    Returns w [D], b [], losses [steps + 1]; losses[0] is the loss at the start, losses[t] after t steps.
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
    w0 = torch.zeros(1)
    alone(logistic_fit, X, y, 1.0, 2, w0)
    expect.equal(w0, [0.0], "w0 after the call", likely="`w -= ...` writes into the caller's w0: write w = w - ...")
    expect.why("The loss is convex: no other valley to fall into, whatever the start.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.logistic_fit(logistic_fit)
### END HIDDEN TESTS

# %% [markdown]
# Below is your gradient on a toy problem with two weights and no bias. Where do the arrows point, and where
# are they short?

# %% demo=true
rng = lab.rng("toy")
X = torch.tensor(np.concatenate([rng.normal((-0.6, -0.8), 1.0, (60, 2)), rng.normal((0.9, 0.5), 1.0, (60, 2))]))
y = torch.cat([torch.zeros(60), torch.ones(60)]).double()
none = torch.zeros((), dtype=torch.float64)
path = [torch.tensor([-1.5, 2.6], dtype=torch.float64)]
for _ in range(40):
    path.append(path[-1] - 2.0 * logistic_grad(X, y, path[-1], none)[1])
path = torch.stack(path)

fig, (left, right) = figure(1, 2, size=(8.8, 3.4))
axis = torch.linspace(-2, 4, 80, dtype=torch.float64)
grid = torch.cartesian_prod(axis, axis)
scores = X @ grid.T  # [N, 6400]
heights = (F.softplus(scores) - y[:, None] * scores).mean(dim=0).reshape(80, 80).T
levels = heights.min() + torch.linspace(0.05, 1.3, 10) ** 2  # denser near the minimum
left.contour(axis, axis, heights, levels=levels, colors="#8C8C8C", linewidths=0.8)
ends = torch.cartesian_prod(axis[4::12], axis[4::12])
arrows = torch.stack([logistic_grad(X, y, w, none)[1] for w in ends])
left.quiver(*ends.T, *arrows.T, color=COLOR["blue"], width=0.005)
left.plot(*path.T, color=COLOR["vermillion"], linestyle="-", marker="o", markersize=3)
left.set(title="loss of two weights", xlabel="$w_1$", ylabel="$w_2$", aspect="equal")
for k, marker in ((0, "o"), (1, "s")):
    right.plot(*X[y == k].T, marker, markersize=4, color=list(COLOR.values())[k], alpha=0.6, label=f"class {k}")
t = torch.tensor([-5.0, 5.0], dtype=torch.float64)
for i, step in enumerate((0, 2, 5, 40)):
    w = path[step] / path[step].norm()
    right.plot(-w[1] * t, w[0] * t, color="black", linestyle=(":", "-.", "--", "-")[i], label=f"step {step}")
right.set(title="where the model is undecided", xlabel="$x_1$", ylabel="$x_2$", xlim=(-3, 3), ylim=(-3, 3))
right.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
show(fig, "Left: arrows show the gradient, across the contours and uphill, and the orange path walks against them. "
    "Right: the line between the classes turns as the weights move.")

# %% [markdown]
# Stack such layers, $f=f_3\circ f_2\circ f_1$ with $f_k(h)=\phi(W_kh+b_k)$ and $\theta_k=(W_k,b_k)$, all
# units of one layer connected to all of the next, and you have a **multilayer perceptron**: input, hidden and
# output layers. For $\phi$ the default is now $\mathrm{relu}(a)=\max(a,0)$; $\tanh$ and $\sigma$ ruled the
# second wave and live on in recurrent networks. Without $\phi$ depth is an illusion:
# $W_2(W_1x+b_1)+b_2=W'x+b'$ with $W'=W_2W_1$, $b'=W_2b_1+b_2$.

# %% demo=true
generator = lab.generator("linear stack")
first, second = (torch.randn(5, 5, generator=generator, dtype=torch.float64) for _ in range(2))
offset, shift, x = (torch.randn(5, generator=generator, dtype=torch.float64) for _ in range(3))
torch.testing.assert_close(second @ (first @ x + offset) + shift, (second @ first) @ x + (second @ offset + shift))

# %% [markdown]
# ## 3 How far can one step go?
#
# A small learning rate crawls, a large one zigzags, a too large one explodes. All of it can be understood
# exactly on one model, because close to a minimum every smooth loss is a bowl (a quadratic). To second order
# around $w_t$, with gradient $g$ and the matrix of second derivatives, the **Hessian** $H$ `[M, M]`,
#
# $$\mathcal L(w)\approx\mathcal L(w_t)+g^\top(w-w_t)+\tfrac12(w-w_t)^\top H\,(w-w_t).$$
#
# So take $\mathcal L(w)=\frac12w^\top Aw-b^\top w$ with a symmetric $A$ `[M, M]`. Its gradient is $Aw-b$, its
# minimum $w_*=A^{-1}b$ (if all eigenvalues are positive), and gradient descent reads
#
# $$w_{t+1}=w_t-\eta\,(Aw_t-b).$$
#
# **Exercise 3 · 12 points · ★★☆ · 50 min.** Every matrix that comes in is tested with `require_symmetric`
# below, and with `spectrum` where it must be positive definite.

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

# %% [markdown]
# **Now without taking the steps.** The eigenvectors of
# $A=Q\,\mathrm{diag}(\lambda_1\le\dots\le\lambda_M)\,Q^\top$ are the axes of the elliptic contours, the
# eigenvalues the curvatures along them. In these coordinates, $z=Q^\top(w-w_*)$, nothing mixes:
# $z_{t+1}=(I-\eta\Lambda)\,z_t$, one number $1-\eta\lambda_m$ per coordinate (Goh 2017). Back again:
#
# $$w_t=w_*+Q\,(I-\eta\Lambda)^t\,Q^\top(w_0-w_*).$$
#
# <details><summary>Hint: a question</summary>At t = 0 the formula must return w0. Does yours, if b is not 0?
# And in which coordinates do you hand the result back?</details>

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
    A = torch.tensor([[2.0, 1.0, 0.0], [1.0, 4.0, 1.5], [0.0, 1.5, 3.0]], dtype=torch.float64)
    b, start = torch.tensor([1.0, 0.0, -2.0], dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    w = start
    for t in range(6):
        expect.close(gd_closed_form(A, b, start, 0.25, t), w, f"the weights after t = {t} steps", rtol=1e-9, atol=1e-12,
            likely="z = Q.T (w0 - w_star) shrinks by (1 - lr * eigenvalue)^t; then go back: w_star + Q z. eigh puts "
            "the eigenvectors into the COLUMNS of Q")
        w = w - 0.25 * (A @ w - b)
    expect.why("In eigen-coordinates nothing mixes: M separate problems, each a geometric sequence.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.gd_closed_form(gd_closed_form)
### END HIDDEN TESTS

# %% [markdown]
# The error in coordinate $m$ is multiplied by $|1-\eta\lambda_m|$ per step, so it shrinks only if that is
# below 1: the steepest direction sets the limit, $0<\eta<\eta_{\max}=2/\lambda_M$. The slowest coordinate
# sets the pace,
#
# $$\mathrm{rate}(\eta)=\max_m|1-\eta\lambda_m|=\max\{|1-\eta\lambda_1|,\,|1-\eta\lambda_M|\},$$
#
# which is smallest where both are equal:
#
# $$\eta_*=\frac2{\lambda_1+\lambda_M},\qquad \mathrm{rate}(\eta_*)=\frac{\kappa-1}{\kappa+1},\qquad
# \kappa=\frac{\lambda_M}{\lambda_1}.$$
#
# The **condition number** $\kappa$ is all that matters: with $\kappa=1$ the best step is the only step, with
# $\kappa=100$ it takes 691 to gain six digits. Most of this chapter is one fight against $\kappa$.

# %% exercise="ex3-step-sizes"
def convergence_rate(A: Tensor, lr: float) -> float:
    """Factor by which the slowest error coordinate changes per step of gradient descent (>= 1: no convergence).

    A: symmetric positive definite [M, M], else ValueError; lr: step size
    """
    ### BEGIN SOLUTION
    return float((1 - lr * spectrum(A)).abs().max())
    ### END SOLUTION


def optimal_lr(A: Tensor) -> float:
    """The step size with the smallest convergence rate. A: symmetric positive definite, else ValueError."""
    ### BEGIN SOLUTION
    eigenvalues = spectrum(A)
    return float(2 / (eigenvalues[0] + eigenvalues[-1]))
    ### END SOLUTION


def max_stable_lr(A: Tensor) -> float:
    """The step size above which gradient descent diverges. A: symmetric positive definite, else ValueError."""
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

# %% demo=true
A, start = torch.diag(torch.tensor([0.1, 1.0], dtype=torch.float64)), torch.tensor([-1.7, 0.9], dtype=torch.float64)
rates = {"timid": 0.5, "best": optimal_lr(A), "too bold": 1.02 * max_stable_lr(A)}
fig, axes = figure(1, 4, size=(10, 2.7), width_ratios=[1.25, 1, 1, 1])
eigenvalue = torch.linspace(0, 1.15, 100)
for i, (name, lr) in enumerate(rates.items()):
    style = line_style(i)
    axes[0].plot(eigenvalue, (1 - lr * eigenvalue).abs(), color=style["color"], linestyle=style["linestyle"])
    path = gd_quadratic(A, torch.zeros(2, dtype=torch.float64), start, lr, 25)
    draw_surface(axes[i + 1], quadratic(10.0), levels=6)
    axes[i + 1].plot(*path.T, color=style["color"], linestyle="-", marker="o", markersize=2.5, linewidth=1)
    axes[i + 1].set(title=f"{name}: η = {lr:.2f}, rate {convergence_rate(A, lr):.2f}", ylabel="")
    axes[i + 1].title.set(color=style["color"], fontsize=9.5)
for value, name in ((0.1, "$λ_1$"), (1.0, "$λ_M$")):
    axes[0].axvline(value, color="black", linestyle=":", linewidth=1)
    axes[0].text(value + 0.02, 0.03, name)
axes[0].axhline(1, color="black", linewidth=0.8, linestyle="-")
axes[0].set(title="factor per step", xlabel="eigenvalue λ", ylabel="|1 − ηλ|", ylim=(0, 1.3))
show(fig, "Left: the factor by which each coordinate shrinks; at the best step both ends are equally slow. Then, in "
    "the same colours, 25 steps each. Beyond the limit the steep coordinate grows, although the flat one does fine.")

# %% [markdown]
# **Widget 1: rolling downhill.** Find the cliff: push $\eta$ slowly across $\eta_{\max}$ and watch the error.
# Does it matter for the *best* rate how the valley is turned? What does doubling $\kappa$ do?

# %% demo=true
def rolling(fig, kappa, share, angle):
    surface = quadratic(kappa, angle)
    A = torch.tensor([surface.gradient(1.0, 0.0), surface.gradient(0.0, 1.0)], dtype=torch.float64)
    A = (A + A.T) / 2  # symmetric to the last bit
    start, lr = torch.tensor(surface.start, dtype=torch.float64), share * max_stable_lr(A)
    path = gd_quadratic(A, torch.zeros(2, dtype=torch.float64), start, lr, 100)
    error, predicted = path.norm(dim=1), convergence_rate(A, lr)
    measured = float((error[100] / error[80]) ** (1 / 20)) if error[100] > 1e-14 else float("nan")
    left, right = fig.subplots(1, 2)
    draw_surface(left, surface)
    left.plot(*path.T, color=COLOR["vermillion"], linestyle="-", marker="o", markersize=3, linewidth=1)
    left.set_title(f"η = {lr:.3g}, best {optimal_lr(A):.3g}, limit {max_stable_lr(A):.3g}")
    right.semilogy(error, label="distance to the minimum")
    right.semilogy(error[0] * predicted ** torch.arange(101.0), label="predicted rate")
    right.set(title=f"rate predicted {predicted:.4f}, measured {measured:.4f}", xlabel="step", ylim=(1e-6, 1e3))
    right.legend(fontsize=8)


explore(rolling, "Gradient descent on a valley, and its distance to the minimum beside the predicted rate: above the "
    "limit, η/η_max = 1, the distance grows.", size=(9, 3.6),
    kappa=Slider(1.0, 1000.0, 20.0, label="condition number κ", log=True),
    share=Slider(0.01, 1.1, 0.7, 0.01, "η / η_max"), angle=Slider(0.0, 90.0, 30.0, 5.0, "angle"))

# %% [markdown]
# **Newton's method** uses the Hessian instead of one learning rate: jump to where the quadratic model is
# flat, $\theta_{t+1}=\theta_t-H_t^{-1}g_t$. On a quadratic one step is enough, from anywhere, whatever
# $\kappa$. The price: a matrix with $M^2$ entries, $O(M^3)$ operations, trouble where $H$ is nearly singular,
# and *attraction to saddle points*, where $H$ has negative eigenvalues. For millions of weights it is out of
# the question; as an idea it is behind most of what follows.
#
# <details><summary>Hint: a question</summary>The step s solves H s = −g. Which function of
# <code>torch.linalg</code> finds it without ever inverting H?</details>

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

# %% [markdown]
# What does the Hessian say about a **critical point** ($g=0$)? All eigenvalues positive: a minimum. All
# negative: a maximum. Both signs: a saddle. We call a point *degenerate* if any eigenvalue is zero: along that
# direction the second order says nothing. (If the others have one sign, even the kind of point stays open; if
# they have both, it is certainly a saddle, and we call it degenerate all the same.)
#
# <details><summary>Hint: a question</summary>When is an eigenvalue that a computer returns as 1e-12 a zero?
# Compare with the largest one: multiplying the loss by 10⁶ must not change the answer.</details>

# %% exercise="ex3-critical-point"
def classify_critical_point(H: Tensor, tol: float = 1e-8) -> str:
    """What kind of critical point has the Hessian H.

    H: symmetric [M, M], else ValueError
    tol: an eigenvalue counts as zero if its absolute value is at most tol times the largest absolute value
    Returns "degenerate" if any eigenvalue is zero, whatever the others are; else "minimum", "maximum" or "saddle".
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
    cases = {(2, 1): "minimum", (-2, -1): "maximum", (2, -1): "saddle", (2, 0): "degenerate", (2, 0, -1): "degenerate",
        (2e6, 1e-4): "degenerate"}  # fmt: skip
    for diagonal, kind in cases.items():
        H = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
        expect.equal(classify_critical_point(H), kind, f"the point with the Hessian diag{diagonal}",
            likely="any zero eigenvalue, measured against the largest one, makes it degenerate here, even where the "
            "others have both signs: test for it first")
    H = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    expect.equal(classify_critical_point(H), "saddle", "the point with Hessian [[1, 2], [2, 1]]",
        likely="look at the eigenvalues (-1 and 3 here), not at the diagonal")
    expect.why("With a million weights, a critical point needs a million positive eigenvalues to be a minimum.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.critical_point(classify_critical_point)
### END HIDDEN TESTS

# %% [markdown]
# Between gradient descent and Newton stands **L-BFGS**: it approximates the product with the *inverse*
# Hessian from the last ten moves $s$ and gradient changes $y$, and never builds a matrix. The step starts
# from $\gamma=s^\top y/y^\top y$, a guess of the inverse curvature, and is halved until the loss falls
# enough. Read it once; it is given.

# %% demo=true
def lbfgs(loss_and_grad: Callable, w: Tensor, steps: int, memory: int = 10) -> Tensor:
    """The path [steps + 1, M] of L-BFGS: two-loop recursion, backtracking line search (Liu and Nocedal 1989)."""
    path, pairs = [w], []  # pairs of a move s and the change y of the gradient
    loss, grad = loss_and_grad(w)
    for _ in range(steps):
        direction, weights = grad, []
        for s, y in reversed(pairs):  # newest first
            weights.append((s @ direction) / (s @ y))
            direction = direction - weights[-1] * y
        if pairs:
            s, y = pairs[-1]
            direction = direction * (s @ y) / (y @ y)
        for (s, y), weight in zip(pairs, reversed(weights), strict=True):  # oldest first
            direction = direction + (weight - (y @ direction) / (s @ y)) * s
        step = 1.0 if pairs else min(1.0, 1 / float(grad.norm().clamp(min=1e-12)))
        while loss_and_grad(w - step * direction)[0] > loss - 1e-4 * step * (grad @ direction) and step > 1e-10:
            step /= 2
        new_w = w - step * direction
        loss, new_grad = loss_and_grad(new_w)
        s, y = new_w - w, new_grad - grad
        if s @ y > 1e-14 * (y @ y):
            pairs = [*pairs, (s, y)][-memory:]
        w, grad = new_w, new_grad
        path.append(w)
    return torch.stack(path)


def rosenbrock_loss_and_grad(w):
    surface = rosenbrock()
    return surface.value(*w), torch.stack(surface.gradient(*w))


lbfgs_path = lbfgs(rosenbrock_loss_and_grad, torch.tensor([-1.2, 1.0], dtype=torch.float64), 60)
torch.testing.assert_close(lbfgs_path[-1], torch.ones(2, dtype=torch.float64))

# %% demo=true
def rosenbrock_hessian(x, y):
    return torch.tensor([[2 - 400 * (y - 3 * x * x), -400 * x], [-400 * x, 200.0]], dtype=torch.float64)


surface, w = rosenbrock(), torch.tensor([-1.2, 1.0], dtype=torch.float64)
newton_path = [w]
for _ in range(8):
    w = w + newton_step(torch.stack(surface.gradient(*w)), rosenbrock_hessian(*w))
    newton_path.append(w)
fig, (left, right) = figure(1, 2, size=(8.6, 3.3))
draw_surface(left, surface)
here = torch.tensor([-0.7, -0.4], dtype=torch.float64)
grad, hess = torch.stack(surface.gradient(*here)), rosenbrock_hessian(*here)
axis = torch.linspace(-2.4, 2.4, 160, dtype=torch.float64)
moves = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
model = moves @ grad + ((moves @ hess) * moves).sum(dim=-1) / 2
left.contour(here[0] + axis, here[1] + axis, model - model.min(), levels=[3, 15, 40, 90],
    colors=COLOR["vermillion"], linewidths=1.2)
left.annotate("", xy=here + newton_step(grad, hess), xytext=here, arrowprops={"arrowstyle": "->", "lw": 2})
left.annotate("", xy=here - 0.5 * grad / grad.norm(), xytext=here, arrowprops={"arrowstyle": "->", "lw": 2, "ls": ":"})
left.set_title("local bowl (orange), Newton's step (solid), −g (dotted)", fontsize=10)
plain = descend(lambda params: torch.optim.SGD(params, lr=1.5e-3), surface, 40)
for i, (name, path) in enumerate({"gradient descent": plain, "L-BFGS": lbfgs_path[:41], "Newton": newton_path}.items()):
    values = torch.tensor([float(surface.value(*w)) for w in path])
    right.semilogy(torch.where(values > 1e-20, values, torch.nan), label=name, **line_style(i), markersize=3)
right.set(title="Rosenbrock's valley", xlabel="step", ylabel="loss")
right.legend()
show(fig, "Left: the quadratic model at one point, and Newton's step to its minimum on the valley floor. Right: "
    "Newton leaps up once before it converges, L-BFGS descends steadily, gradient descent crawls.")

# %% [markdown]
# How fast is fast? With $\epsilon_k=\lVert w_k-w_*\rVert$ one speaks of **linear** convergence if
# $\epsilon_{k+1}\le\mu\,\epsilon_k$ with $\mu<1$, so $\epsilon_k=O(\mu^k)$: a straight line in the picture,
# the fate of gradient descent. **Quadratic** is $\epsilon_{k+1}\le\mu\,\epsilon_k^2$, so
# $\epsilon_k\le(\mu\epsilon_0)^{2^k}/\mu$: the number of right digits doubles with every step, as for Newton
# close to the end. With mini-batches (section 9) and $\eta_k\propto1/k$ the loss of a strongly convex problem
# comes down to its minimum like $1/k$: a million steps for six digits, about the precision of float32.

# %% [markdown]
# ## 4 Conditioning the inputs
#
# Where does a bad $\kappa$ come from? Look at linear regression,
# $\mathcal L=\frac1{2N}\sum_n(y_n-w^\top x_n)^2$. Its Hessian is
#
# $$H=\frac1N\sum_nx_nx_n^\top,$$
#
# the covariance $C_x$ of the inputs, if their mean is zero. Conditioning of the *inputs* is conditioning of
# the *problem*: two lengths that vary about as much, one in millimetres and one in kilometres, make
# $\kappa\approx10^{12}$. There are three cures, each an affine map fitted on the training data, with mean $\mu$
# and covariance $C_x=Q\Lambda Q^\top$ (eigenvectors in the columns of $Q$, eigenvalues in $\Lambda$, as before):

# %% [markdown]
# | | map | after it |
# |---|---|---|
# | standardise | $(x-\mu)/\sqrt{\mathrm{var}+\epsilon}$, per feature | mean 0, variance 1 |
# | PCA whitening | $(\Lambda+\epsilon)^{-1/2}Q^\top(x-\mu)$ | covariance $I$; may drop small components |
# | ZCA whitening | $Q(\Lambda+\epsilon)^{-1/2}Q^\top(x-\mu)$ | covariance $I$, closest to the original |

# %% [markdown]
# The $\epsilon$ keeps directions without variance, such as pixels that are always black, from being blown up.
# For photographs people often subtract the mean only, the mean image (AlexNet) or one mean per colour channel
# (VGG): pixels are bounded anyway, and their relative variance may carry information. And, whatever you
# choose: **test data go through the map of the training data**. Nothing is fitted at test time.
#
# **Exercise 4 · 8 points · ★★☆ · 40 min.**
#
# <details><summary>Hint 1: a question</summary><code>torch.linalg.eigh</code> sorts ascending and puts one
# eigenvector in each <i>column</i>. Your X has one example in each <i>row</i>. Which side of X does Q go to,
# and is it transposed there?</details>
# <details><summary>Hint 2</summary>All three maps are "subtract the mean, multiply by a matrix [D, C]".
# Compute that matrix and its inverse in <code>fit</code>, and the other methods are one line each.</details>
# <details><summary>Hint 3</summary>Rounding can make an eigenvalue slightly negative:
# <code>clamp(min=0)</code> before the root. <code>flip(0)</code> and <code>flip(1)</code> reverse the order
# of values and columns.</details>

# %% exercise="ex4-whitener"
class Whitener:
    """An affine map, fitted on training data, that makes features comparable.

    method: "standardize" (each feature on its own), "pca" (whitened coordinates along the eigenvectors,
    largest variance first) or "zca" (the same, rotated back). eps is added to the variances before the root;
    n_components (with "pca" only, 1 ... D) keeps the first ones. ValueError for any other combination.
    Variance and covariance divide by N, as in H above (N - 1 is accepted too); C = n_components, else C = D.
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
    expect.close(whitener.transform(X[1:]), Z[1:], "the last two rows, transformed without the first", rtol=1e-9,
        likely="transform uses the mean and variance that fit has stored, and computes nothing anew")
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
        likely="ZCA is PCA whitening rotated back to the original axes: multiply by Q once more")
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

# %% demo=true
digits = mnist(full=lab.preset == "full")
n_train = lab.pick(smoke=2000, quick=12000, full=60000)
x_train = torch.tensor(digits.x_train[:n_train]).flatten(1) / 255  # [N, 784], float32
x_test = torch.tensor(digits.x_test).flatten(1) / 255
y_train = torch.tensor(digits.y_train[:n_train]).long().to(lab.device)
y_test = torch.tensor(digits.y_test).long().to(lab.device)

# %% demo=true
whiteners = {
    "standardised": Whitener("standardize", eps=1e-2),
    "PCA": Whitener("pca", eps=1e-2, n_components=100),
    "ZCA": Whitener("zca", eps=0.1),
}
inputs = {"raw": (x_train, x_test), "centred": (x_train - x_train.mean(dim=0), x_test - x_train.mean(dim=0))}
for name, whitener in whiteners.items():
    whitener.fit(x_train)
    inputs[name] = whitener.transform(x_train), whitener.transform(x_test)

# %% demo=true
rng = lab.rng("clouds")
cloud = torch.tensor(rng.normal(size=(400, 2)) @ np.array([[2.0, 1.1], [0.0, 0.4]]) + [3.0, 1.0])
fig, axes = figure(2, 4, size=(9, 4.6))
for column, name in enumerate(("raw", "standardised", "PCA", "ZCA")):
    method = {"standardised": "standardize"}.get(name, name.lower())
    points = cloud if name == "raw" else Whitener(method).fit(cloud).transform(cloud)
    axes[0, column].scatter(*points.T, s=5, c=cloud[:, 0], cmap="cividis")
    axes[0, column].set(title=name, aspect="equal", xlim=(-5, 11) if name == "raw" else (-4, 4))
    axes[0, column].set_ylim((-7, 9) if name == "raw" else (-4, 4))
    picture = inputs[name][0][7]
    side = 10 if name == "PCA" else 28
    axes[1, column].imshow(picture.reshape(side, side), cmap="gray", aspect="equal")
    axes[1, column].set_title("100 coefficients" if name == "PCA" else "")
    axes[1, column].set_axis_off()
show(fig, "Above: a stretched cloud; standardising keeps its tilt, PCA turns (and may mirror) and rounds it, "
    "ZCA rounds it without turning (colour: the original first coordinate). Below: one digit. ZCA leaves a sharpened "
    "digit, PCA gives a code.")

# %% [markdown]
# ### Experiment A: the same classifier on five versions of the digits
#
# **2 points.** Softmax regression, logits $Wx+b$ from zero weights, trained by 100 steps on all examples (60
# in the smoke preset). The Hessian of this loss is at most half that of the linear regression above, so steps up
# to $4/\lambda_{\max}$ are stable; every version gets half of that, $\eta=\min(2,\,2/\lambda_{\max})$ with the
# $\lambda_{\max}$ of *its own* inputs. (The cap: the bias is an input as well, always 1.) Before you run it:
# which of `raw`, `centred`, `standardised`, `PCA` and `ZCA` ends with the lowest loss?

# %% demo=true
prediction_a = None  # your guess, one of the five names in quotes (no points)

# %% demo=true
def softmax_regression(Z, Z_test, steps, label):
    """Full-batch gradient descent from zero; the history of the loss, with the test accuracy at the end."""
    lr = min(2.0, 2 / float(torch.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]))
    Z, Z_test = Z.to(lab.device), Z_test.to(lab.device)
    W = torch.zeros(10, Z.shape[1], device=lab.device, requires_grad=True)
    b = torch.zeros(10, device=lab.device, requires_grad=True)

    def step(i):
        loss = cross_entropy(Z @ W.T + b, y_train)
        grads = torch.autograd.grad(loss, (W, b))
        with torch.no_grad():
            for p, g in zip((W, b), grads, strict=True):
                p -= lr * g
        return loss

    def evaluate(i):
        with torch.no_grad():
            return {"acc": ((Z_test @ W.T + b).argmax(dim=1) == y_test).float().mean()}

    return train(step, steps, every=steps, evaluate=evaluate, label=label)


steps_a = lab.pick(smoke=60, quick=100, full=1000)
runs_a = {name: softmax_regression(*pair, steps_a, name) for name, pair in inputs.items()}

# %% demo=true
fig, (left, right) = figure(1, 2, size=(9.6, 3.6))
for i, (name, history) in enumerate(runs_a.items()):
    style = line_style(i) | {"marker": ""}
    Z = inputs[name][0]
    eigenvalues = torch.linalg.eigvalsh(Z.T @ Z / len(Z)).flip(0)[:400]
    index, label = range(1, len(eigenvalues) + 1), f"{name}: {eigenvalues[0]:.2g}"
    left.loglog(index, eigenvalues.clamp(min=1e-6), label=label, **style)
    history.plot(right, "loss", label=f"{name}: {history.last('acc'):.3f}", **style)
left.set(title="eigenvalues of the input (largest in the legend)", xlabel="index", ylim=(1e-4, 300))
left.set_ylabel("eigenvalue of $Z^TZ/N$")
left.legend(fontsize=8)
right.set(title="training loss (test accuracy in the legend)", ylim=(0.1, 2.4))
right.legend(fontsize=8)
show(fig, "Left: the flatter the spectrum, the better conditioned the problem. Right: the same number of steps of the "
    "same algorithm, in other coordinates, each at the step that its largest eigenvalue allows.")
lowest = min(runs_a, key=lambda name: runs_a[name].last("loss"))
print(f"your prediction: {prediction_a}; lowest training loss: {lowest}")

with check("Experiment A: conditioning") as expect:
    loss = {name: history.last("loss") for name, history in runs_a.items()}
    gain, limit, needed = lab.pick(smoke=(3.0, 0.33, 0.82), quick=(2.2, 0.36, 0.87), full=(1.2, 0.30, 0.90))
    expect.true(loss["raw"] / loss["PCA"] >= gain,
        f"the loss on raw digits is {loss['raw']:.3f}, on whitened ones {loss['PCA']:.3f}: too little gained",
        likely="PCA divides by the root of the eigenvalue, and keeps the LARGEST components")
    expect.true(loss["PCA"] <= limit, f"the loss on whitened digits is {loss['PCA']:.3f}, expected at most {limit}")
    reached = runs_a["PCA"].last("acc")
    expect.true(reached >= needed, f"test accuracy {reached:.3f} on whitened digits, expected at least {needed}",
        likely="was the whitener fitted again on the test data?")
    expect.why("Dividing by the eigenvalue itself would give a loss of 0.80, fitting anew on the test data an accuracy "
        "of 0.36: right on the training set, useless outside.")

# %% test="exA-conditioning-test" points=2
with check("Experiment A: whitening and loss fit together") as expect:
    X = torch.tensor([[0.0, 1.0, 2.0], [1.0, 0.0, 5.0], [2.0, 2.0, 0.0], [3.0, 1.0, 1.0]])
    Z = Whitener("pca", n_components=2).fit(X).transform(X)
    expect.shape(Z, (4, 2), "four examples with two components")
    expect.finite(cross_entropy(Z, torch.tensor([0, 1, 1, 0])), "the loss of these components as logits")
    expect.written("Graded by training a classifier on whitened and on raw digits.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.experiment_conditioning(cross_entropy, Whitener)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>What happened, version by version</summary>
#
# - *Centring* alone nearly halves the loss: the mean digit is one huge eigenvalue, about eight times the next, and
#   it alone had dictated the step.
# - *Standardising* gains nothing over that here. It blows up the pixels at the rim, which are almost always
#   black: all eigenvalues grow, the largest too.
# - *PCA and ZCA* flatten the spectrum, so they may step several times as far. ZCA is not better *because*
#   it is ZCA: with all 784 components and the same $\epsilon$, PCA descends exactly as ZCA does (a rotation of
#   the inputs changes nothing for gradient descent). PCA kept 100 of them, and so has less to fit with.
#
# </details>

# %% [markdown]
# ## 5 How large at the start?
#
# Set all weights to zero and every hidden unit gets the same zero signal and, through zero weights, zero
# gradient: no weight ever moves (only the last bias does). Equal weights other than zero move, but all units
# of a layer stay equal: nothing breaks the symmetry. So draw them at random. How large? Take one unit,
# $y_i=\sum_jw_{ij}x_j$, with $N_x$ uncorrelated inputs of mean 0 and variance 1, and independent weights of
# mean 0. Variances add:
#
# $$\mathrm{var}\,y_i=N_x\,\mathrm{var}\,w\;\Rightarrow\;v_f=\frac1{N_x},\qquad
# \mathrm{var}\frac{\partial\mathcal L}{\partial x_j}=N_y\,\mathrm{var}\,w\;\Rightarrow\;v_b=\frac1{N_y},$$
#
# where $v_f$ is the variance of $w$ that keeps the signal level on its way *forward*, and $v_b$ the one that
# keeps the gradient level on its way *back*, where it is collected from the $N_y$ outputs. Both at once is
# possible for square layers only. Every factor other than 1 acts *once per layer*: $0.9^{50}=0.005$,
# $1.1^{50}=117$.

# %% [markdown]
# | scheme | variance of $w$ | idea |
# |---|---|---|
# | `lecun_normal` | $1/N_x$ | forward (LeCun et al. 1998); some texts call it Xavier |
# | `xavier_normal` | $2/(N_x+N_y)$ | harmonic mean of $v_f$ and $v_b$ (Glorot and Bengio 2010) |
# | `xavier_uniform` | the same | $\mathcal U[-\Delta,\Delta]$ has variance $\Delta^2/3$: $\Delta=\sqrt{6/(N_x+N_y)}$ |
# | `he_normal` | $2/N_x$ | for ReLU (He et al. 2015) |
#
# Why the 2? ReLU sets half of all values to zero, *in every layer*, and with them half of the mean square.
# Without the 2 the signal shrinks by $\sqrt2$ per layer, $2^{-L/2}$ after $L$, although no more units are zero
# in deep layers than in the first: about half of them everywhere. $N_x$ is called *fan-in*, $N_y$ *fan-out*.

# %% [markdown]
# **Exercise 5 · 8 points · ★★☆ · 40 min.** Fill the matrix with `normal_` and `uniform_`, not with `nn.init`.
#
# <details><summary>Hint: a question</summary>W has shape [out, in]. Which of the two numbers is the fan-in?
# And what does <code>normal_(mean, ...)</code> want next: a variance or a standard deviation? (A Parameter
# may be changed in place inside <code>with torch.no_grad():</code>.)</details>

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

# %% given="fill-parameter"
def fill_parameter(init: Callable, scheme: str, seed: int) -> tuple[Tensor, Tensor]:
    """What init returns for a Parameter [3, 4] of zeros, and what the Parameter holds afterwards."""
    W = nn.Parameter(torch.zeros(3, 4))
    returned = init(W, scheme, torch.Generator().manual_seed(seed))
    return returned, W.detach().clone()

# %% test="ex5-init-in-place-test" points=2 exercise_no=5
with check("Exercise 5: in place, and reproducible") as expect:
    first, W = fill_parameter(init_weight_, "he_normal", 7)
    expect.true(abs(W).max() > 0, "W itself is as before",
        likely="a new tensor does not help the caller: fill W with W.normal_(...) or W.uniform_(...)")
    second = init_weight_(torch.empty(3, 4), "he_normal", torch.Generator().manual_seed(7))
    expect.shape(first, (3, 4), "what init_weight_ returns", likely="return W itself")
    expect.equal(W, second, "two fillings with equally seeded generators",
        likely="hand the generator on: W.normal_(mean, std, generator=generator)")
    expect.equal(init_weight_(torch.ones(3, 4), "zeros"), np.zeros((3, 4)), "the scheme zeros")
    expect.raises(ValueError, init_weight_, torch.empty(3, 4), "he", what='the unknown scheme "he"')
    expect.raises(ValueError, init_weight_, torch.empty(3), "he_normal", what="a vector")
    expect.why("The underscore says that W itself changes: this is how it gets into a layer's Parameter.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.init_in_place(init_weight_)
### END HIDDEN TESTS

# %% [markdown]
# Now follow a signal through a stack $x\leftarrow\phi(xW^\top)$ and keep three numbers per layer: mean,
# standard deviation, and root mean square, rms $=\sqrt{\text{mean of }x^2}$.

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
    expect.close(stats[0, 0], 3.0, "the mean of the input", rtol=1e-5)
    expect.close(stats[0, 1], 1.8708287, "the standard deviation of the input", rtol=1e-5,
        likely="the population standard deviation divides by the number of entries: std(correction=0)")
    expect.close(stats[0, 2], 3.5355339, "the rms of the input", rtol=1e-5,
        likely="the root of the MEAN of x^2: a norm is the root of the sum")
    expect.close(stats[1], [4.6666667, 4.4596960, 6.4549722], "mean, std and rms after relu(x @ W.T)", rtol=1e-5,
        likely="over all entries of the ACTIVATION, and the layer is x @ W.T")
    expect.why("Three numbers a layer tell you whether a network can learn, before the first update.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.signal_stats(signal_stats)
### END HIDDEN TESTS

# %% demo=true
def gradients_on_the_way_back(x: Tensor, Ws: list, phi: Callable) -> tuple[list, list]:
    """Activations of a stack, input included, and the rms of the gradient that arrives at each of them when
    random numbers are fed in at the end."""
    signals = [x.clone().requires_grad_()]
    for W in Ws:
        signals.append(phi(signals[-1] @ W.T))
        signals[-1].retain_grad()
    signals[-1].backward(torch.randn(signals[-1].shape, generator=torch.Generator().manual_seed(0)))
    return [s.detach() for s in signals], [float(s.grad.pow(2).mean().sqrt()) for s in signals]


def draw_histograms(ax, signals, lo=-2.0, hi=2.0):
    """One histogram per layer, side by side, dark where many values are (layer 0 is the input)."""
    counts = torch.stack([torch.histc(s.clamp(lo, hi), 60, lo, hi) for s in signals], dim=1)  # [60, layers]
    shown = (counts / counts.amax(dim=0)).sqrt()
    last = len(signals) - 1
    where = (-0.5, last + 0.5, lo, hi)
    ax.imshow(shown, origin="lower", aspect="auto", cmap="Blues", interpolation="nearest", extent=where)
    ax.set_xticks(range(0, last + 1, max(1, last // 5)))
    ax.grid(False)

# %% demo=true
activations = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu}
schemes = {"small_normal": "σ = 0.01", "unit_normal": "σ = 1", "xavier_normal": "Xavier", "he_normal": "He"}
generator = lab.generator("histograms")
x = torch.randn(500, 300, generator=generator)
fig, axes = figure(4, 4, size=(9.6, 7.4), sharex=True)
for column, (scheme, title) in enumerate(schemes.items()):
    Ws = [init_weight_(torch.empty(300, 300), scheme, generator) for _ in range(10)]
    for row, (name, phi) in enumerate(activations.items()):
        signals, backward = gradients_on_the_way_back(x, Ws, phi)
        draw_histograms(axes[row, column], signals)
        axes[row, column].set_title(f"{title}: last rms {signal_stats(x, Ws, phi)[-1, 2]:.1g}", fontsize=9)
        axes[3, column].semilogy(backward, label=name, **line_style(row), markersize=3)
        axes[row, 0].set_ylabel(name)
    axes[3, column].set(ylim=(1e-15, 1e13), xlabel="layer")
axes[3, 0].set_ylabel("rms of the gradient")
axes[3, 0].legend(fontsize=8, loc="upper left")
show(fig, "Ten layers of 300 units: histograms of the activations (above; layer 0 is the input; values beyond ±2 are "
    "counted at the edge), and the gradient on its way back (below). Too small: everything ends on one value. Too "
    "large: saturation, or off the scale for ReLU. He keeps ReLU level; tanh fades slowly with Xavier.")

# %% [markdown]
# Why does tanh fade with Xavier? Since $|\tanh a|<|a|$, every layer shrinks a little; the factor that makes up for
# it (5/3 in PyTorch's `calculate_gain`) is close to He's $\sqrt2$. Xavier keeps the *activations* of a sigmoid
# network alive, but its gradient loses a factor of four or more per layer, because $\sigma'\le\frac14$. Only
# with σ = 1 the gradient survives the sigmoid: 300 weights of that size, $\sqrt{300}\approx17$, outweigh
# $\sigma'$, at the price of saturation.
#
# Initialisation is no mere detail: there are subnetworks
# that train well from their own initial weights and fail from fresh ones ("lottery tickets", Frankle and
# Carbin 2018).
#
# **Widget 2: signal in a deep network.** For ReLU, depth 50, find the $\sigma$ that keeps the two curves
# level. How wide is the window? Then switch on *batch norm* (section 6) or *skip* (section 7), and try again:
# which $\sigma$ does each of them forgive?
#
# <details><summary>What to find</summary>Ten per cent off, to either side, is a factor of 100 after 50
# layers. Batch norm makes the signal independent of σ, though not the gradient's growth with depth. A skip
# (here divided by the root of the depth) forgives any σ that is too small, and none that is too
# large.</details>

# %% demo=true
def signal(fig, sigma, depth, activation, norm, skip):
    width, generator = 100, lab.generator("signal")
    phi = activations[activation]
    h = torch.randn(200, width, generator=generator).requires_grad_()
    signals = [h]
    for _ in range(depth):
        a = signals[-1] @ (sigma * torch.randn(width, width, generator=generator)).T
        if norm:
            a = (a - a.mean(dim=0)) / (a.std(dim=0, correction=0) + 1e-12)
        signals.append(signals[-1] + phi(a) / depth**0.5 if skip else phi(a))
        signals[-1].retain_grad()
    signals[-1].backward(torch.randn(200, width, generator=generator))
    left, right = fig.subplots(1, 2)
    draw_histograms(left, [s.detach() for s in signals], -3.0, 3.0)
    left.set(title="activations", xlabel="layer")
    for name, values, i in (("signal", signals, 0), ("gradient", [s.grad for s in signals], 1)):
        rms = [float(v.detach().double().pow(2).mean().sqrt().nan_to_num(1e38)) for v in values]
        right.semilogy(np.clip(rms, 1e-12, 1e12), label=f"{name}, rms", **line_style(i), markersize=3)
    last = signals[-1].detach().double().nan_to_num(0.0)
    singular = torch.linalg.svdvals(last)
    rank = int((singular > 1e-2 * singular[0]).sum())
    right.set(title=f"numerical rank of the last layer: {rank} of {width}", xlabel="layer", ylim=(1e-12, 1e12))
    right.set_xticks(left.get_xticks())
    right.legend(fontsize=8, loc="upper left")


explore(signal, "Histograms of the activations by layer, and the size of signal and gradient: both must stay level. "
    "Without help one σ does it; for ReLU and 100 units it is √(2/100) = 0.14.", size=(9, 3.6),
    sigma=Slider(0.001, 2.0, 0.05, label="σ of the weights", log=True), depth=Slider(1, 50, 20),
    activation=Choice(["ReLU", "tanh", "sigmoid"]), norm=Toggle(False, "batch norm"), skip=Toggle(False, "skip"))

# %% [markdown]
# ## 6 Batch normalisation
#
# A right start is not enough. In a deep stack conditioning decays *by itself*, with perfectly whitened inputs
# and perfect scales. *Power iteration*, $v\leftarrow Wv/\lVert Wv\rVert$ again and again, turns every vector
# towards the dominant direction of $W$. A linear network has a new matrix in each layer and does not divide, but
# a product of many matrices behaves alike: its singular values drift apart, layer by layer all inputs turn the
# same way, and what distinguishes them is lost.

# %% demo=true
def numerical_rank(h: Tensor) -> int:
    """How many singular values of the features h [N, D] are at least 1 % of the largest."""
    singular = torch.linalg.svdvals(h.double())
    return int((singular >= 1e-2 * singular[0]).sum())


def mean_cosine(h: Tensor) -> float:
    """The mean cosine between the feature vectors (rows) of two different examples."""
    h = F.normalize(h.double(), dim=1)
    n = len(h)
    return float(((h @ h.T).sum() - n) / (n * n - n))


def mlp(sizes: list, norm: type | None = None, init: str | None = "he_normal", tag: str = "mlp", phi=nn.ReLU):
    """Linear, [norm], phi, ..., Linear. Weights by your init_weight_, biases 0; init=None: as PyTorch does it."""
    layers, generator = [], lab.generator(tag)
    for i, (d_in, d_out) in enumerate(pairwise(sizes)):
        with lab.seeded(f"{tag} {i}"):
            layers.append(nn.Linear(d_in, d_out))
        if init is not None:
            init_weight_(layers[-1].weight, init, generator)
            nn.init.zeros_(layers[-1].bias)
        if i < len(sizes) - 2:
            layers += [phi()] if norm is None else [norm(d_out), phi()]
    return nn.Sequential(*layers)

# %% demo=true
def cosines_by_depth(norm, depth=30):
    """The mean cosine of two digits after each of `depth` untrained ReLU layers (weights: He)."""
    net, h, cosines = mlp([784] + [128] * depth + [10], norm, tag="cosine"), x_train[:512], []
    h = (h - h.mean()) / h.std()
    for module in net[:-1]:
        h = module(h).detach()
        if isinstance(module, nn.ReLU):
            cosines.append(mean_cosine(h))
    return cosines


generator = lab.generator("rank")
h = 20 * torch.linalg.qr(torch.randn(400, 32, generator=generator))[0]  # covariance I: perfectly white
fig, (left, middle, right) = figure(1, 3, size=(10.5, 3.3))
ranks = []
for layer in range(41):
    ranks.append(int(torch.linalg.matrix_rank(h)))
    if layer in (0, 1, 3, 5):
        values = torch.linalg.eigvalsh(h.T.double() @ h.double() / len(h)).flip(0)
        left.semilogy(values, label=f"layer {layer}", **line_style(len(left.lines)), markersize=3)
    h = h @ init_weight_(torch.empty(32, 32), "xavier_normal", generator).T
left.set(title="spectrum in a linear stack", xlabel="index", ylabel="eigenvalue of the covariance", ylim=(1e-12, 1e3))
left.legend(fontsize=8)
middle.plot(ranks, marker=".")
middle.set(title="its rank in float32", xlabel="layer", ylabel="rank of 32", ylim=(0, 33))
right.plot(range(1, 31), cosines_by_depth(None), marker=".")
right.set(title="ReLU layers: cosine of two digits", xlabel="layer", ylabel="mean cosine", ylim=(0, 1.02))
show(fig, "Left: whitened inputs become ill-conditioned within a few layers. Middle: directions vanish below the "
    "precision of float32. Right: ReLU layers with the right scale turn all digits the same way.")

# %% [markdown]
# For ReLU networks Daneshmand et al. (2020) find the same: the rank shrinks with depth, the direction of the
# output depends on the input less and less, and beyond a dozen layers learning becomes slow, then fails.
# Bjorck et al. (2018) see such networks predict one class for *every* input, and gradients with a few huge
# entries, so that only tiny learning rates survive.
#
# If normalising the input helps, normalise inside as well. But signals change while the network learns, so it
# has to be done afresh in every mini-batch: **batch normalisation** (Ioffe and Szegedy 2015). For each
# feature, over the $N$ examples of the batch,
#
# $$\mu=\frac1N\sum_ix^{(i)},\quad\sigma^2=\frac1N\sum_i\big(x^{(i)}-\mu\big)^2,\quad
# \tilde x=\frac{x-\mu}{\sqrt{\sigma^2+\epsilon}},\quad y=\gamma\odot\tilde x+\beta,$$
#
# with learned $\gamma,\beta$ `[D]`, which could undo it all, so nothing is lost. What is gained: level
# signals and gradients, larger learning rates, little dependence on the start, and a bit of regularising
# noise.

# %% [markdown]
# A batch of one has no variance, and answers should not depend on the company one is in. So training also
# keeps **running statistics** with momentum $\alpha=0.1$, and evaluation uses these, frozen:
#
# $$\bar\mu\leftarrow(1-\alpha)\bar\mu+\alpha\,\mu,\qquad
# \bar\sigma^2\leftarrow(1-\alpha)\bar\sigma^2+\alpha\,\frac N{N-1}\sigma^2 .$$
#
# The variance here is the *unbiased* one, around the mean of the *batch*, not around $\bar\mu$.
# `model.train()` and `model.eval()` set `self.training` in every layer. In use: `nn.Linear(1, 100)`,
# `BatchNorm1d(100)`, `nn.ReLU()`, `nn.Linear(100, 1)`, in this order.

# %% [markdown]
# **Exercise 6 · 12 points · ★★★ · 50 min.**
#
# <details><summary>Hint 1: a question</summary>Which four arrays belong to the layer, and which two does the
# optimiser train? The other two must move with <code>.to(device)</code> and be saved, but get no gradient:
# see <code>register_buffer</code>.</details>
# <details><summary>Hint 2</summary>The gradient must flow through the batch's mean and variance, but not into
# the running ones: update these inside <code>with torch.no_grad():</code>.</details>

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
    batch = bn(torch.tensor([[2.0], [90.0], [-40.0]]))
    expect.close(batch[0], [(2.0 - 0.3) / math.sqrt(1.3 + 1e-5)], "the first of three examples", rtol=1e-4,
        likely="in eval mode (self.training is False) the running statistics are used, and not updated")
    expect.close(bn(torch.tensor([[2.0]]))[0], batch[0], "the same example alone", rtol=1e-6)
    expect.close(bn.running_mean, [0.3], "running_mean after evaluation", rtol=1e-5,
        likely="eval mode must not update it")
    expect.why("Answers must not depend on who else is in the batch. Forgetting eval() is the classic bug.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.batch_norm_eval(BatchNorm1d)
### END HIDDEN TESTS

# %% [markdown]
# Does it keep digits apart? The picture from above once more, with your layer before every ReLU:

# %% demo=true
fig, ax = figure(size=(6.4, 3.0))
for i, (name, norm) in enumerate({"He": None, "He, your batch norm": BatchNorm1d}.items()):
    ax.plot(range(1, 31), cosines_by_depth(norm), label=name, **line_style(i), markersize=3)
ax.axhline(1 / math.pi, color="black", linestyle=":", linewidth=1, label="unrelated signals behind a ReLU: 1/π")
ax.set(title="ReLU layers: cosine of two digits", xlabel="layer", ylabel="mean cosine", ylim=(0, 1.02))
ax.legend(loc="center right")
show(fig, "Without batch norm the cosine between any two digits tends to 1: one direction for all. With it any two "
    "digits are as different as unrelated signals, and after ten layers two sevens hardly more alike than a seven "
    "and a one: kept apart, but not sorted.")

# %% [markdown]
# ## 7 Residual connections
#
# Through 50 layers the gradient is a product of 50 weight matrices and 50 slopes. The slope of $\tanh$ lies in
# $(0,1]$, that of the sigmoid in $(0,\frac14]$, and weights of the right size make up for it at the start only:
# sooner or later such products vanish or explode. What if there were a way past? A **residual block** (He et
# al. 2016) adds to its input instead of replacing it:
#
# $$x_{l+1}=x_l+F(x_l),\qquad F(x)=W_2\,\mathrm{relu}(W_1x+b_1)+b_2 .$$
#
# Where a signal forks, gradients add: $\partial\mathcal L/\partial x_l=\partial\mathcal L/\partial
# x_{l+1}+(\partial F/ \partial x)^\top\partial\mathcal L/\partial x_{l+1}$. The first term arrives unchanged,
# however deep the stack. (A skip may as well span several layers.)

# %% [markdown]
# A skip alone does not make depth safe. If $F$ starts with He weights, its output has twice the mean square
# of its input, the sum three times: $\sqrt3$ per block in rms, 60,000 after 20. So the branch must start
# small: divided by $\sqrt n$ for $n$ blocks (`scaled`), which gives $\sqrt{(1+2/n)^n}<e$ in all, or at
# `zero`, so that the whole stack starts as the identity.

# %% [markdown]
# **Exercise 7 · 6 points · ★★☆ · 30 min.** Nothing comes after the sum. With `skip=False` the block is a
# plain pair of layers, $x\leftarrow\mathrm{relu}(F(x))$, to compare with. You may use `nn.init` here.
#
# <details><summary>Hint: a question</summary>With <code>zero</code>, fc2 is zero, so fc1 gets no gradient in
# the first step. Why does the block learn all the same? And what would happen with fc1 at zero as
# well?</details>

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
    net = ResidualMLP(4, 5, 0, 3, branch_init="he")
    expect.shape(net(x), (3, 3), "the output for 3 examples")
    expect.close(net(x), net.out(torch.relu(net.inp(x))), "the output without any block, against inp, relu, out",
        rtol=1e-5, atol=1e-6, likely="relu comes after inp, and nothing else before out")
    for skip in (True, False):
        net = ResidualMLP(4, 5, 2, 3, branch_init="he", skip=skip)
        h = torch.relu(net.inp(x))
        for block in net.blocks:
            branch = block.fc2(torch.relu(block.fc1(h)))
            h = h + branch if skip else torch.relu(branch)
        expect.close(net(x), net.out(h), f"the output of two blocks with skip={skip}", rtol=1e-5, atol=1e-6,
            likely="x + F(x) with the x that enters this block, and nothing after the sum" if skip
            else "without skip nothing is added: relu(F(x))")
    expect.why("Every block can only add something. What is already there passes through untouched.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.residual_forward(ResidualMLP)
### END HIDDEN TESTS

# %% test="ex7-residual-init-test" points=3 exercise_no=7
with check("Exercise 7: the start of the branches") as expect:
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    net = ResidualMLP(4, 5, 3, 2, branch_init="zero")
    expect.equal(len(list(net.parameters())), 16, "the number of weights and biases in inp, 3 blocks and out",
        likely="keep the blocks in an nn.ModuleList: the layers in a plain list are invisible to parameters()")
    expect.close(net(x), net.out(torch.relu(net.inp(x))), "the output with branch_init='zero'", rtol=1e-5, atol=1e-6,
        likely="zero the weights of fc2 (not of fc1: then nothing would ever learn), and all biases")
    expect.true(abs(net.blocks[0].fc1.weight).max() > 0, "fc1 must not be zero",
        likely="zero fc2 only: with both at zero no gradient ever reaches the block")
    net = ResidualMLP(4, 100, 9, 2, branch_init="scaled")
    for name, std in (("fc1", math.sqrt(2 / 100)), ("fc2", math.sqrt(2 / 100) / 3)):
        weight = net.blocks[4].fc1.weight if name == "fc1" else net.blocks[4].fc2.weight
        expect.close(weight.detach().std(), std, f"the standard deviation of {name}, 'scaled', width 100, 9 blocks",
            rtol=0.06, likely="he_normal has sqrt(2 / fan-in); then fc2 is divided by the ROOT of the number of blocks")
    expect.raises(ValueError, ResidualMLP, 4, 5, 3, 2, "scale", what='branch_init="scale"')
    expect.why("At the start, a network of any depth is one of two layers, and its gradient arrives everywhere.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.residual_init(ResidualMLP)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment B: does depth help?
#
# **2 points.** First look at untrained networks of 42 layers: how large is the gradient in each block, seen
# by a hook on every layer? Then train, 200 steps each, at three depths: plain layers with He weights, the
# same with your batch norm, and your residual network. (The training takes about half a minute on a laptop.)

# %% demo=true
prediction_b = None  # your guess: the test accuracy of the plain network of 42 layers, 0.1 to 1 (no points)

# %% demo=true
deep = fashion_mnist(full=True) if lab.preset == "full" else digits  # full: the data of Daneshmand et al. 2020
pixels = torch.tensor(deep.x_train[:n_train]).flatten(1) / 255
x_deep = ((pixels - pixels.mean()) / pixels.std()).to(lab.device)
x_deep_test = ((torch.tensor(deep.x_test).flatten(1) / 255 - pixels.mean()) / pixels.std()).to(lab.device)
y_deep, y_deep_test = (torch.tensor(y[:n_train]).long().to(lab.device) for y in (deep.y_train, deep.y_test))
width = lab.pick(smoke=64, quick=128, full=512)


def residual(n_blocks=20, **settings):
    with lab.seeded("deep"):
        return ResidualMLP(784, width, n_blocks, 10, **settings).to(lab.device)


def gradient_norms(net, x, y):
    """The norm of the loss's gradient at the output of every block, first to last, collected by hooks."""
    norms = []
    for block in net.blocks:
        block.register_full_backward_hook(lambda block, grad_in, grad_out: norms.append(float(grad_out[0].norm())))
    F.cross_entropy(net(x), y).backward()
    return norms[::-1]  # the backward pass visits the last block first


starts = {
    "plain, He": {"branch_init": "he", "skip": False},
    "skip, He": {"branch_init": "he"},
    "skip, scaled": {"branch_init": "scaled"},
    "skip, zero": {"branch_init": "zero"},
}
fig, ax = figure(size=(7.6, 3.4))
for i, (name, settings) in enumerate(starts.items()):
    norms = gradient_norms(residual(**settings), x_deep[:256], y_deep[:256])
    ax.semilogy(range(1, 21), norms, label=name, **line_style(i))
ax.set(title="gradient at the start, 20 blocks", xlabel="block (1 = next to the input)", ylabel="norm")
ax.set_xticks([1, 5, 10, 15, 20])
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
show(fig, "Gradient norm at the output of each block before training. With skips and He branches it grows by a "
    "factor per block on its way to the input; scaled or zero branches keep it level. So does the plain net, "
    "and yet it will fail: a level gradient is not enough.")

# %% demo=true
def fit_deep(net, label, lr=0.01):
    """Train with PyTorch's SGD (momentum 0.9, batches of 128); the test accuracy, or NaN if the loss diverged."""
    optimizer = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    generator = lab.generator("deep batches")

    def step(i):
        batch = torch.randint(len(x_deep), (128,), generator=generator).to(lab.device)
        loss = F.cross_entropy(net(x_deep[batch]), y_deep[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    try:
        train(step, lab.pick(smoke=100, quick=200, full=2000), label=label)
    except TrainingDiverged:
        return float("nan")
    with torch.no_grad():
        return float((net.eval()(x_deep_test).argmax(dim=1) == y_deep_test).float().mean())


def plain_with_batch_norm(n_blocks):
    return mlp([784] + [width] * (2 * n_blocks + 1) + [10], BatchNorm1d, tag="deep").to(lab.device)


kinds = {
    "plain, He": (lambda n: residual(n, branch_init="he", skip=False), 0.01),
    "plain, He, batch norm": (plain_with_batch_norm, 0.01),
    "skip, zero": (lambda n: residual(n, branch_init="zero"), 0.01),
    "skip, scaled (η = 0.003)": (lambda n: residual(n, branch_init="scaled"), 0.003),
}
blocks = lab.pick(smoke=[2, 20], quick=[2, 8, 20], full=[4, 8, 16, 32])
accuracy_b = {name: [fit_deep(build(n), f"{name}, {2 * n + 2} layers", lr) for n in blocks]
    for name, (build, lr) in kinds.items()}  # fmt: skip

# %% demo=true
fig, ax = figure(size=(7.6, 3.4))
for i, (name, values) in enumerate(accuracy_b.items()):
    ax.plot([2 * n + 2 for n in blocks], values, label=name, **line_style(i))
if prediction_b is not None:
    ax.plot(2 * blocks[-1] + 2, prediction_b, "*", color="black", markersize=12, label="your guess (plain)")
ax.set(title="test accuracy after the same number of steps", xlabel="layers", ylabel="accuracy", ylim=(0, 1))
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
show(fig, "Accuracy against depth. Plain networks get worse with depth, although the deeper one could represent all "
    "that the shallower one can, and batch norm alone does not change that. Skips with a small branch do.")

# %% [markdown]
# He initialisation keeps the *size* of the signal, yet the plain network fails, in good part because of the
# collapse of section 6, which no scale can cure. Look at 20 untrained ReLU layers: how different are the
# signals of different digits? With PyTorch's default weights everything looks the same.
#
# Batch norm does keep the digits apart. Why is it no help at 42 layers? Keeping *all* apart, sevens from sevens
# too, is not yet order (the cosine 1/π above); and without skips it has a price: the gradient grows by a factor
# of about 1.2 per layer on its way back (Yang et al. 2019), 2,000-fold in all. In practice deep networks combine
# the two, batch norm inside of residual blocks. (Do not rank the two plain curves at 42 layers: each is one draw
# between about 0.2 and 0.6, which changes even with the number of threads.)

# %% demo=true
nets = {"default": (None, None), "He": (None, "he_normal"), "He, batch norm": (BatchNorm1d, "he_normal")}
fig, axes = figure(1, 4, size=(10.5, 3.3), width_ratios=[1, 1, 1, 1.5])
rank_b, images = {}, x_deep[:512].cpu()
for i, (name, (norm, scheme)) in enumerate(nets.items()):
    net = mlp([784] + [128] * 20 + [10], norm, scheme, tag="untrained")
    with torch.no_grad():
        features = net[:-1](images)
        rank_b[name], cosine = numerical_rank(features), mean_cosine(features)
    logits = net(images)
    middle = [layer for layer in net if isinstance(layer, nn.Linear)][10]
    (grad,) = torch.autograd.grad(F.cross_entropy(logits, y_deep[:512].cpu()), middle.weight)
    entries = (grad / grad.pow(2).mean().sqrt()).flatten()
    shown = logits.detach() - logits.detach().mean(dim=1, keepdim=True)
    axes[i].imshow((shown / shown.abs().max())[:40], aspect="auto", cmap="PuOr_r", vmin=-1, vmax=1)
    axes[i].set_title(f"{name}\nrank {rank_b[name]}, cosine {cosine:.2f}", fontsize=9)
    axes[i].set(xlabel="class", xticks=[0, 9], yticks=[])
    axes[i].grid(False)
    if scheme is not None:
        axes[3].hist(entries.numpy(), bins=np.linspace(-12, 12, 80), histtype="step", log=True, linewidth=1.6,
            color=line_style(i)["color"], linestyle=line_style(i)["linestyle"], label=name)  # fmt: skip
axes[0].set_ylabel("40 digits, one a row")
axes[3].set(xlabel="entry of dL/dW, layer 10, in units of its rms", ylabel="count")
axes[3].set_title("heavy tails", fontsize=9)
axes[3].legend(fontsize=8)
show(fig, "Left: outputs of untrained networks of 20 layers for 40 digits. Vertical stripes: the same answer for all. "
    "Right: gradient entries, with He weights. Without batch norm a few are ten times the rms, with it they look "
    "normal. (With default weights they are smaller by many decades.)")

with check("Experiment B: depth") as expect:
    at = blocks.index(20) if 20 in blocks else -1
    plain, zero = accuracy_b["plain, He"][at], accuracy_b["skip, zero"][at]
    needed, limit = lab.pick(smoke=(0.84, 0.65), quick=(0.88, 0.75), full=(0.75, 0.75))
    expect.true(zero >= needed, f"the residual network reached {zero:.3f}, expected at least {needed}",
        likely="x + F(x) with the block's own input; with zero only fc2 is zero")
    expect.true(not plain > limit, f"the plain network reached {plain:.3f}: is skip=False honoured?")
    expect.true(rank_b["He, batch norm"] >= 110, f"rank {rank_b['He, batch norm']} with batch norm, expected >= 110",
        likely="batch norm takes its statistics over the batch, not over the features")
    expect.true(rank_b["He"] <= 90, f"rank {rank_b['He']} without batch norm, expected at most 90")
    expect.why("Two diseases: a wrong scale (He, Xavier, scaled branches cure it), and collapse (skips, batch norm).")

# %% test="exB-depth-test" points=2
with check("Experiment B: a deep residual network") as expect:
    net = ResidualMLP(6, 8, 20, 3, branch_init="zero")
    expect.shape(net(torch.zeros(5, 6)), (5, 3), "the output of 20 blocks")
    expect.finite(BatchNorm1d(6)(init_weight_(torch.empty(9, 6), "he_normal")), "batch norm of random numbers")
    expect.written("Graded by training at depth 42, and by the rank of the signal with and without your batch norm.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.experiment_depth(ResidualMLP, BatchNorm1d, init_weight_)
### END HIDDEN TESTS

# %% [markdown]
# ## 8 Seven optimisers
#
# In a narrow valley the gradient is large where little travel is needed, across, and small where much is,
# along: gradient descent zigzags. Whatever we did to the inputs, weights and layers, some of that remains. So
# change the rule of the step. All optimisers below share this base class, and `feed` shows where one goes
# when it is fed given gradients.
#
# **Exercise 8 · 16 points · ★★☆ · 75 min.** The rules of the house: change parameters in place (`step` runs
# without autograd), never change `p.grad`, skip parameters whose `grad` is None, keep state per parameter,
# put $\epsilon$ *outside* of the root, refuse a negative `lr` and a momentum or beta outside $[0,1)$ with a
# ValueError.
# Keep the learning rate in `self.lr` and read it there in every step: a schedule may change it.

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
    """Where a parameter p goes when it is fed these gradients: [steps + 1, M], the start included (float64).

    Before p stand a parameter without gradient, to be skipped, and one with gradients of its own (state must not be
    shared). New gradients are written into the same tensors, as a backward pass may do.
    """
    p = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    idle, other = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
    optimizer = optimizer_class([idle, other, p], **settings)
    p.grad, other.grad = torch.zeros_like(p), torch.zeros(3)
    path = [p.detach().clone()]
    for grad in grads:
        p.grad.copy_(torch.tensor(grad, dtype=torch.float64))
        other.grad.fill_(-7.0)
        optimizer.step()
        path.append(p.detach().clone())
    return torch.stack(path)

# %% [markdown]
# **Momentum** (Polyak 1964). Let a heavy ball roll: keep a velocity $v$, which the gradient only accelerates,
#
# $$v_{t+1}=\mu v_t-\eta g_t,\qquad\theta_{t+1}=\theta_t+v_{t+1},\qquad v_0=0,$$
#
# with friction $1-\mu$; usual are $\mu=0.9$, 0.5 or 0.99, or a rise from one to the other. Across the valley
# successive pushes cancel, along it they add up to an effective step of $\eta/(1-\mu)$: it is an average of
# $\frac\eta{1-\mu}g$ that forgets. On a quadratic the best choice is
# $\mu=\big(\frac{\sqrt\kappa-1}{\sqrt\kappa+1}\big)^2$,
# $\eta=\big(\frac2{\sqrt{\lambda_1}+\sqrt{\lambda_M}}\big)^2$, with the rate
# $\frac{\sqrt\kappa-1}{\sqrt\kappa+1}$ (Goh 2017): as if the condition number were its root.

# %% [markdown]
# **Nesterov** (1983) measures the gradient where the momentum will carry it, at $\psi=\theta+\mu v$. The
# parameter `p` then holds $\psi$, and $\theta$ is never stored: with $\theta'=\theta+v'$ and
# $\psi'=\theta'+\mu v'$, put $\theta=\psi-\mu v$ to get
#
# $$v'=\mu v-\eta\,g(\psi),\qquad\psi'=\psi-\mu v+(1+\mu)v'.$$
#
# <details><summary>Hint: a question</summary>v' needs the old v, and so does ψ'. What is in your v when you
# come to the second formula? (State: a list of <code>torch.zeros_like(p)</code>, in step with
# self.params.)</details>

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
    expect.close(plain, [[1.0, -1.0], [0.8, -1.0], [0.6, -1.1]], "two plain steps", rtol=1e-9,
        likely="p - lr * p.grad, in place: p.sub_(...) or p.add_(...); `p = p + v` only names a new tensor p")
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
        likely="psi - mu * v_old + (1 + mu) * v_new, with the same velocity as the heavy ball")
    expect.raises(ValueError, feed, SGD, [0.0], [], lr=0.1, nesterov=True, what="nesterov without momentum")
    expect.why("Look where the momentum will carry you, and correct there: it brakes earlier.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.sgd_nesterov(SGD)
### END HIDDEN TESTS

# %% demo=true
def errors_on_quadratic(kappa, steps=250):
    """Distance to the minimum, step by step, of five methods on 20 eigenvalues between 1 and kappa."""
    eigenvalues, start = torch.logspace(0, math.log10(kappa), 20, dtype=torch.float64), torch.ones(20).double()
    root, mu = math.sqrt(kappa), (math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1)
    makers = {
        "gradient descent": lambda p: SGD([p], lr=2 / (1 + kappa)),
        "heavy ball": lambda p: SGD([p], lr=(2 / (1 + root)) ** 2, momentum=mu**2),
        "Nesterov": lambda p: SGD([p], lr=1 / kappa, momentum=mu, nesterov=mu > 0),
    }
    errors = {}
    for name, make in makers.items():
        p = nn.Parameter(start.clone())
        optimizer, errors[name] = make(p), [float(p.detach().norm())]
        for _ in range(steps):
            p.grad = eigenvalues * p.detach()
            optimizer.step()
            errors[name].append(float(p.detach().norm()))
    jump = newton_step(eigenvalues * start, torch.diag(eigenvalues))
    errors["Newton"] = [float(start.norm()), float((start + jump).norm())]
    path = lbfgs(lambda w: ((eigenvalues * w * w).sum() / 2, eigenvalues * w), start, 120)
    errors["L-BFGS"] = path.norm(dim=1).tolist()
    return errors


fig, axes = figure(1, 4, size=(10, 3.0), sharey=True)
for ax, kappa in zip(axes, (1, 10, 100, 1000), strict=True):
    for i, (name, errors) in enumerate(errors_on_quadratic(kappa).items()):
        shown = np.maximum(np.array(errors) / errors[0], 1e-12)
        ax.semilogy(shown, label=name, **line_style(i) | {"marker": ""})
    gd = 1 if kappa == 1 else math.ceil(math.log(1e-6) / math.log((kappa - 1) / (kappa + 1)))
    ax.set(xlabel="step", ylim=(1e-9, 3), xlim=(-5, 250))
    ax.set_title(f"κ = {kappa}: GD needs {gd:,} step{'s' * (gd > 1)}", fontsize=10)
    ax.axhline(1e-6, color="black", linewidth=0.6, linestyle=":")
axes[0].set_ylabel("distance to the minimum")
axes[0].legend(fontsize=8)
show(fig, "The same bowl at four condition numbers, each method at the settings of its theory (L-BFGS for 120 steps); "
    "the dotted line marks six digits. Momentum needs about as many steps as gradient descent would at the root of κ.")

# %% [markdown]
# **A step size for every weight.** A network's gradients differ by orders of magnitude from layer to layer,
# and one $\eta$ must do for all. **Rprop** (Riedmiller and Braun 1993) ignores the size of the gradient
# altogether. Each weight has a step size $\Delta$ of its own, $\times1.2$ while the sign of its gradient
# stays the same, $\times0.5$ when it changes, $\times1$ if either gradient was 0 (so also at the first step),
# clamped to a range; then it moves by $-\Delta\,\mathrm{sign}(g)$. It crosses plateaus like nothing else, but
# needs full batches: we shall see why.
#
# <details><summary>Hint: a question</summary>You keep the last gradient with <code>self.last = p.grad</code>.
# The next backward pass writes into the same tensor. What do you compare then? (PyTorch's Rprop pauses after
# a change of sign; ours always steps.)</details>

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
        likely="0.1, then 1.2 times that, and again: is the last sign remembered, as a copy? The size of the "
        "gradient plays no role")
    expect.close(path[:, 0], [0.0, -0.1, -0.22, -0.16], "steps for gradients 3, 0.5, -9", rtol=1e-9,
        likely="after a change of sign halve the step size, then step against the new sign")
    path = feed(Rprop, [0.0], [[1.0], [1.0], [-1.0]], lr=0.1, step_sizes=(0.09, 0.11))
    expect.close(path[:, 0], [0.0, -0.1, -0.21, -0.12], "steps with sizes between 0.09 and 0.11", rtol=1e-9,
        likely="clamp the step sizes to the range after changing them, before the step")
    expect.why("Only the sign counts: a plateau with gradient 1e-6 is crossed as fast as a cliff.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.rprop(Rprop)
### END HIDDEN TESTS

# %% [markdown]
# **AdaGrad** (Duchi et al. 2011) divides by what a weight has seen so far, *coordinate by coordinate*
# ($\odot$ is the elementwise product; one number $\lVert g\rVert^2$ would rescale all weights alike):
#
# $$s'=s+g\odot g,\qquad\theta'=\theta-\frac{\eta}{\sqrt{s'}+\epsilon}\odot g .$$
#
# The first steps are large, and since $s$ only grows, steps only shrink. **RMSprop** (Hinton 2012) forgets:
# the sum becomes a moving average,
#
# $$v_t=\beta v_{t-1}+(1-\beta)\,g_t^2,\qquad\theta_t=\theta_{t-1}-\frac{\eta\,g_t}{\sqrt{v_t}+\epsilon}.$$

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
    path = feed(RMSprop, [0.0], [[2.0], [2.0], [-4.0]], lr=0.1, beta=0.75)
    expect.close(path[:, 0], [0.0, -0.2, -0.3511858, -0.1776414], "three steps with beta = 0.75", rtol=1e-6,
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

# %% [markdown]
# **Adam** (Kingma and Ba 2015) is momentum on top of RMSprop: moving averages of the gradient and of its
# square, the first two *moments*. Both start at 0 and are too small at first; dividing by $1-\beta^t$ makes
# up for it exactly.
#
# $$m_t=\beta_1m_{t-1}+(1-\beta_1)g_t,\quad v_t=\beta_2v_{t-1}+(1-\beta_2)g_t^2,\quad
# \hat m=\frac{m_t}{1-\beta_1^t},\;\hat v=\frac{v_t}{1-\beta_2^t},\quad
# \theta_t=\theta_{t-1}-\frac{\eta\,\hat m}{\sqrt{\hat v}+\epsilon}.$$
#
# Versions differ in print: $\epsilon$ inside the root, one scalar $v$, $v$ without its correction. This one
# is the paper's.
#
# <details><summary>Hint: a question</summary>What must t be at the first step, so that nothing is divided by
# 0? And if a model has six parameters, how often per step does t grow?</details>

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
        """Update m and v, correct both, then theta -= lr * m_hat / (sqrt(v_hat) + eps).

        t counts the calls of step. (To count for each parameter, as PyTorch does, is accepted too; it differs only for
        a parameter that gets its first gradient late.)
        """
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
        likely="t counts the calls of step, one a call and not one a parameter; m and v are kept from step to step")
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
# **How far does Adam step?** Since $\hat m\approx\mathbb Eg$ and $\hat v\approx\mathbb Eg^2$, about
# $\eta\,|\mathbb E g|/\sqrt{\mathbb E g^2}$, and that is at most $\eta$, because
# $\mathbb E g^2=(\mathbb Eg)^2+\mathrm{Var}\,g$. Near a minimum $\mathbb Eg\approx0$ while $\mathbb Eg^2>0$,
# so steps shrink by themselves: an automatic annealing. The bound holds *usually*: a single gradient after a
# long silence moves by $\eta(1-\beta_1)/\sqrt{1-\beta_2}$, and with $\beta=(0.5,0.99)$ that is $5\,\eta$.
#
# **Why not just signs?** Hinton's example: over ten mini-batches a gradient is $+0.1$ nine times and $-0.9$
# once. Its mean is 0, so the weight should stay. What does each method do?

# %% demo=true
cycle, cycles = [[0.1]] * 9 + [[-0.9]], 100
methods = {
    "signs only": (Rprop, {"lr": 1.0, "etas": (1.0, 1.0)}),
    "RMSprop, β = 0.9": (RMSprop, {"lr": 1.0, "beta": 0.9}),
    "RMSprop, β = 0.99": (RMSprop, {"lr": 1.0, "beta": 0.99}),
    "Adam": (Adam, {"lr": 1.0}),
}
fig, ax = figure(size=(7.6, 3.3))
for i, (name, (method, settings)) in enumerate(methods.items()):
    path = feed(method, [0.0], cycle * cycles, **settings)[-31:, 0]
    drift = round(float(path[-1] - path[-11]), 2) + 0.0  # never -0.00
    ax.plot(path - path[0], label=f"{name}: {drift:+.2f} η per cycle", **line_style(i), markersize=3)
ax.set(title="the last three of 100 cycles", xlabel="mini-batch", ylabel="position in units of η")
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
show(fig, "A gradient that is 0 on average. Sign steps drift by 8 steps per cycle; the longer the memory of the "
    "squares, the less RMSprop drifts, because all ten steps are divided by nearly the same number. Adam averages "
    "the gradient itself as well: over a cycle its mean is 0, and it stays.")

# %% [markdown]
# **Widget 3: the race.** Your seven optimisers on a surface of your choice, each at a learning rate tuned for
# it (a comparison at one common rate means nothing). Three things to find:
#
# - on the quadratic, turn the valley. Whose curves do not change at all? Whose do, and why?
# - how does the best momentum change with $\kappa$?
# - on the saddle all start next to the ridge. Who gets away first?

# %% demo=true
TUNED = {  # learning rates: quadratic, Rosenbrock, saddle
    "gradient descent": (1.5, 2e-3, 0.3),
    "momentum": (0.5, 1e-3, 0.2),
    "Nesterov": (0.5, 1e-3, 0.3),
    "Rprop": (0.1, 1e-2, 0.1),
    "AdaGrad": (1.0, 0.5, 0.5),
    "RMSprop": (0.03, 0.03, 0.03),
    "Adam": (0.3, 0.3, 0.1),
}


def your_racers(which, factor, momentum):
    lrs = {name: factor * rates[which] for name, rates in TUNED.items()}
    return {
        "gradient descent": lambda p: SGD(p, lrs["gradient descent"]),
        "momentum": lambda p: SGD(p, lrs["momentum"], momentum),
        "Nesterov": lambda p: SGD(p, lrs["Nesterov"], momentum, nesterov=momentum > 0),
        "Rprop": lambda p: Rprop(p, lrs["Rprop"]),
        "AdaGrad": lambda p: Adagrad(p, lrs["AdaGrad"]),
        "RMSprop": lambda p: RMSprop(p, lrs["RMSprop"], beta=0.9),
        "Adam": lambda p: Adam(p, lrs["Adam"], betas=(momentum, 0.999)),
    }

# %% demo=true
def race(fig, surface, kappa, angle, factor, momentum):
    which = ["quadratic", "Rosenbrock", "saddle"].index(surface)
    ground = (quadratic(kappa, angle), rosenbrock(), saddle())[which]
    paths = {}
    for name, make in your_racers(which, factor, momentum).items():
        try:
            paths[name] = descend(make, ground, 100)
        except NotImplementedError:
            continue  # not written yet: it joins the race later
    draw_race(fig, ground, paths)


explore(race, "Your optimisers racing to the star, and their losses, best first in the legend. Those that scale every "
    "coordinate depend on how the valley is turned, the others do not.", size=(8.8, 3.5),
    surface=Choice(["quadratic", "Rosenbrock", "saddle"]),
    kappa=Slider(1.0, 1000.0, 30.0, label="condition number κ", log=True),
    angle=Slider(0.0, 90.0, 30.0, 5.0, "angle of the valley"),
    factor=Slider(0.1, 3.0, 1.0, label="learning rates ×", log=True), momentum=Slider(0.0, 0.99, 0.9, 0.01))

# %% [markdown]
# <details><summary>What to find</summary>Gradient descent and both momentum methods treat all directions
# alike, so turning the valley turns their paths and nothing else. Rprop, AdaGrad, RMSprop and Adam scale each
# <i>coordinate</i>: with the valley along an axis they undo κ entirely, at an angle they cannot. The larger
# κ, the closer to 1 the best momentum. Beside the ridge the gradient is tiny but steady: whoever divides by
# its size gets away at once.</details>
#
# Adam is everybody's first choice, because it works at $\eta=10^{-3}$ without tuning. That makes it a default
# and no law: carefully tuned momentum is often as good.

# %% [markdown]
# ## 9 The training loop
#
# A gradient over all data is a luxury: data are redundant, and the mean over a random **mini-batch**
# $\mathcal B$ is an unbiased estimate, $g\approx\frac1{|\mathcal B|}\sum_{n\in\mathcal B}\nabla\ell_n$, at a
# fraction of the price. Usual sizes are 32, 64, 128; larger ones mean less noise and matrix products that
# keep a GPU busy, until its memory is full. One **epoch** visits every example once, in a *new* random order
# each time, so that no batch is all sevens.
#
# **Exercise 9 · 8 points · ★★☆ · 40 min.** A loop has four ailments: examples in a bad order (batches), a noise
# floor (schedules, averages), sudden spikes (clipping), and a rate that nobody has checked (the update ratio).
# One small tool against each; noise that is added on purpose is the odd one out.

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

# %% given="epochs-of"
def epochs_of(minibatches: Callable, epochs: int, seed: int) -> list:
    """The orders in which consecutive epochs visit 50 examples, one generator for all of them."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.cat(list(minibatches(50, 8, generator))).tolist() for _ in range(epochs)]

# %% test="ex9-minibatches-test" points=2 exercise_no=9
with check("Exercise 9: minibatches") as expect:
    generator = torch.Generator().manual_seed(0)
    batches = list(minibatches(10, 4, generator))
    expect.equal([len(batch) for batch in batches], [4, 4, 2], "the sizes of the batches of 10 examples",
        likely="the last batch is what is left over")
    expect.equal(sorted(int(i) for batch in batches for i in batch), list(range(10)), "all indices of an epoch, sorted",
        likely="one permutation an epoch, cut into pieces: no example twice, none left out")
    first, second = epochs_of(minibatches, 2, 3)
    expect.true(first != second and first != list(range(50)), "two epochs must come in two random orders",
        likely="a new torch.randperm(n, generator=generator) in every call")
    again = epochs_of(minibatches, 2, 3)
    expect.true(again == [first, second], "generators with the same seed must give the same order",
        likely="hand the generator on: torch.randperm(n, generator=generator)")
    dropped = list(minibatches(10, 4, torch.Generator().manual_seed(0), drop_last=True))
    expect.equal([len(batch) for batch in dropped], [4, 4], "the sizes with drop_last=True")
    expect.raises(ValueError, lambda: list(minibatches(10, 0, torch.Generator())), what="batch_size 0")
    expect.why("Every example once, in an order that changes every epoch: so the noise averages out.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.minibatches(minibatches)
### END HIDDEN TESTS

# %% [markdown]
# At a constant rate SGD never arrives: at the minimum the *mean* gradient is zero, those of the batches are
# not, and the weights dance around it. One cure is to reduce the rate, exponentially, $\eta_k=\eta_0e^{-rk}$,
# inversely, $\eta_k=\eta_0/(1+rk)$, in steps, or by hand when the loss stops falling.

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
    expect.close(lr_at(10, "exponential", 0.5, rate=0.1), 0.1839397, "exponential at k = 10", rtol=1e-6,
        likely="lr0 * exp(-rate * k): mind the sign")
    expect.close(lr_at(10, "inverse", 0.5, rate=0.1), 0.25, "inverse at k = 10", likely="lr0 / (1 + rate * k)")
    steps = [lr_at(k, "step", 1.0, every=5, factor=0.1) for k in (4, 5, 10)]
    expect.close(steps, [1.0, 0.1, 0.01], "step at k = 4, 5, 10", likely="the number of whole periods is k // every")
    expect.raises(ValueError, lr_at, 1, "cosine", 0.5, what='the kind "cosine"')
    expect.why("Large steps to get there, small ones to settle.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.lr_at(lr_at)
### END HIDDEN TESTS

# %% [markdown]
# **Clipping.** Now and then one batch gives a gradient a hundred times too large, and one step ruins an hour.
# Clip each entry to $[-g_{\max},g_{\max}]$, which turns the direction, or scale all gradients by one factor
# (Pascanu et al. 2013), which does not:
#
# $$g\leftarrow g\cdot\min\big(1,\;c/\lVert g\rVert_2\big),\qquad\lVert g\rVert_2\text{ over all parameters together.}$$
#
# The extreme is to keep *only the sign*: one bit per weight. Rprop does, and RMSprop comes close; on some
# problems that is enough.

# %% [markdown]
# **Noise** can help as well: add $\mathcal N(0,s_k^2)$ to the gradient with the variance
# $s_k^2=s_0^2/(1+k)^\gamma$, $\gamma=0.55$, $s_0^2\in\{0.01,0.3,1\}$ (Neelakantan et al. 2015, who call
# $s_0^2$ $\eta$: hence the argument `eta`, which is no learning rate). It acts like a temperature that is slowly
# lowered.
#
# <details><summary>Hint: a question</summary>params may be a generator, which can be walked through once. How
# often does your clip_grad_norm_ walk? And what does it do with a gradient that is short enough already, or
# exactly zero?</details>

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
    expect.close(grads[0], [1.0, -0.5], "the gradient (3, -0.5) clipped at 1",
        likely="in place, p.grad.clamp_(...) with the underscore; and both sides are clipped")
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
        _, grads = change_grads(add_gradient_noise_, [[5.0] * 20000, [0.0] * 20000], k, eta=1.0,
            generator=torch.Generator().manual_seed(0))  # fmt: skip
        expect.close(grads[0].std(), std, f"the standard deviation of the noise at k = {k}, eta = 1", rtol=0.05,
            likely="eta / (1 + k)^gamma is the VARIANCE")
        expect.close(grads[0].mean(), 5.0, "the mean of a gradient that was 5 everywhere", rtol=0.02,
            likely="the noise is ADDED to the gradient, and its mean is 0")
        expect.true(abs(grads[0] - 5 - grads[1]).max() > 1e-3, "two parameters must not get the same noise")
    expect.why("Hot at first, cool later: the noise shakes the weights out of narrow valleys, then lets them rest.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.gradient_noise(add_gradient_noise_)
### END HIDDEN TESTS

# %% [markdown]
# The other cure for the dance is to *average the weights* and leave the rate alone,
# $\theta'_t=\gamma\theta'_{t-1}+(1-\gamma)\theta_t$ with, say, $\gamma=0.9$. The average is used for
# evaluation only. Batch norm's running statistics belong to the weights, so they are averaged too;
# whole-number buffers are copied.
#
# <details><summary>Hint: a question</summary><code>model.state_dict()</code> returns the live tensors. What
# is in your shadow after the next update of the model if you stored just these?</details>

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

# %% demo=true
def noisy_descent(lr_of_step, steps=300, gamma=0.95):
    """SGD on a bowl with noisy gradients, 20 runs: the paths [steps, 20, 2] of the weights and of their averages."""
    model, generator = nn.Linear(2, 20, bias=False), lab.generator("noise")  # every row is a run of its own
    curvature, w = torch.tensor([0.3, 1.0]), model.weight
    with torch.no_grad():
        w.copy_(torch.tensor([-1.9, 1.4]))
        ema, path, average = EMA(model, gamma), [], []
        for k in range(steps):
            w -= lr_of_step(k) * (curvature * w + 0.6 * torch.randn(20, 2, generator=generator))
            ema.update()
            path.append(w.clone())
            average.append(ema.shadow["weight"].clone())
    return torch.stack(path), torch.stack(average)


constant, averaged = noisy_descent(lambda k: 0.3)
decayed, _ = noisy_descent(lambda k: lr_at(k, "inverse", 0.3, rate=0.05))
runs = {"constant rate": constant, "rate ∝ 1/(1 + 0.05 k)": decayed, "average of the weights": averaged}
fig, axes = figure(1, 4, size=(9.8, 2.8), width_ratios=[1, 1, 1, 1.3])
for i, (name, path) in enumerate(runs.items()):
    draw_surface(axes[i], quadratic(3.3), levels=5)
    axes[i].plot(*path[:, 0].T, color=line_style(i)["color"], linewidth=0.8, linestyle="-")
    axes[i].set(title=name, ylabel="")
    axes[3].semilogy(path.norm(dim=2).mean(dim=1), **line_style(i) | {"marker": ""}, label=name)
axes[3].set(title="distance to the minimum", xlabel="step")
show(fig, "The noise floor. At a constant rate SGD keeps dancing around the star; a decaying rate or an average of the "
    "weights stays closer to it (right: mean over 20 runs, same colours), though the average first has to forget the "
    "start.")

# %% [markdown]
# Is the learning rate sensible? Compare one update with the weights it changes,
# $\lVert\theta_{k+1}-\theta_k\rVert/ \lVert\theta_k\rVert$. In the first steps of a healthy run it is about
# $10^{-2}$, later $10^{-3}$. That tells the decade of the rate, not the rate itself.

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
    before, after = [torch.tensor([3.0]), torch.tensor([4.0])], [torch.tensor([3.0]), torch.tensor([4.5])]
    expect.close(update_ratio(before, after), 0.1, "the ratio when (3), (4) become (3), (4.5)", rtol=1e-5,
        likely="one norm over all parameters: 0.5 / 5, not a mean of the ratios 0 and 0.125")
    expect.why("1e-2 at first and 1e-3 later is healthy; 1e-1 tears a network apart, 1e-6 is a rate that sleeps.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.update_ratio(update_ratio)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment C: batch norm at a learning rate of 1
#
# **2 points.** Everything together: your loss, batches, initialisation, batch norm and SGD, 784-128-128-10,
# at a learning rate of **1.0**, ten times what such a network usually gets. And a bug on purpose: what if you
# forget `eval()`?

# %% demo=true
prediction_c = None  # your guess: the accuracy if digits are tested in pairs, in train mode, 0.1 to 1 (no points)

# %% demo=true
x_all, x_all_test = (((x - x_train.mean()) / x_train.std()).to(lab.device) for x in (x_train, x_test))


def train_mlp(net, optimizer, epochs, batch_size=64, label=""):
    """Your minibatches and cross_entropy with any optimiser; one record an epoch. Stops when the loss is NaN."""
    generator = lab.generator("epochs")

    def epoch(i):
        total = 0.0
        for batch in minibatches(len(x_all), batch_size, generator, drop_last=True):
            loss = cross_entropy(net(x_all[batch.to(lab.device)]), y_train[batch.to(lab.device)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * batch_size / len(x_all)
        return total

    try:
        return train(epoch, epochs, every=1, evaluate=lambda i: {"acc": accuracy(net)}, label=label)
    except TrainingDiverged as diverged:
        return diverged.history


def accuracy(net, batch_size=None, training=False):
    """Accuracy on the test digits, in evaluation mode unless `training`, in batches of a size."""
    net.train(training)
    with torch.no_grad():
        outputs = [net(part) for part in x_all_test.split(batch_size or len(x_all_test))]
    net.train()
    return float((torch.cat(outputs).argmax(dim=1) == y_test).float().mean())


epochs_c = lab.pick(smoke=4, quick=4, full=20)
with_bn, without_bn = (mlp([784, 128, 128, 10], norm, tag="C").to(lab.device) for norm in (BatchNorm1d, None))
runs_c = {
    "with batch norm": train_mlp(with_bn, SGD(with_bn.parameters(), lr=1.0), epochs_c, label="batch norm"),
    "without": train_mlp(without_bn, SGD(without_bn.parameters(), lr=1.0), epochs_c, label="without"),
}

# %% demo=true
sizes = [2, 4, 8, 16, 32, 64, 128, 250]
by_size = {mode: [accuracy(with_bn, size, mode == "train") for size in sizes] for mode in ("train", "eval")}
with_bn.eval()
with torch.no_grad():
    final_ce = float(F.cross_entropy(with_bn(x_all_test), y_test))
    gap = float((with_bn(x_all_test[:1]) - with_bn(x_all_test[:64])[:1]).abs().max())
fig, ax = figure(size=(6.4, 3.3))
for i, (mode, values) in enumerate(by_size.items()):
    ax.semilogx(sizes, values, base=2, label=f"{mode} mode", **line_style(i))
ax.axhline(runs_c["without"].last("acc") if "acc" in runs_c["without"] else 0.1, color="black", linestyle=":",
    label="without batch norm")
if prediction_c is not None:
    ax.plot(2, prediction_c, "*", color="black", markersize=12, label="your guess (pairs)")
ax.set(title="the eval-mode bug", xlabel="batch size at test time", ylabel="accuracy", ylim=(0, 1), xticks=sizes)
ax.set_xticklabels(sizes)
ax.legend()
show(fig, "Accuracy of one and the same network against the size of the batches in which it is tested. In train mode "
    "the answer for a digit depends on its neighbours, and in pairs about every second one is wrong; in eval mode it "
    "does not.")

with check("Experiment C: batch norm at learning rate 1") as expect:
    best = runs_c["with batch norm"].last("acc")
    needed, limit = lab.pick(smoke=(0.88, 0.40), quick=(0.945, 0.20), full=(0.97, 0.25))
    expect.true(best >= needed, f"accuracy {best:.3f} with batch norm, expected at least {needed}",
        likely="are the running statistics updated in training, and used in evaluation?")
    expect.true(final_ce <= limit, f"test cross-entropy {final_ce:.3f}, expected at most {limit}",
        likely="is running_var a variance, not a standard deviation? does the gradient flow through mean and var?")
    expect.true(gap < 1e-4, f"one digit, alone and in a batch of 64: the outputs differ by {gap:.1e}")
    plain = runs_c["without"].last("acc") if "acc" in runs_c["without"] else 0.1
    expect.true(plain <= 0.3, f"without batch norm a learning rate of 1 should fail, but it reached {plain:.3f}")
    expect.why("Level signals allow ten times the step. And eval() decides what the network is worth on the last day.")

# %% test="exC-batch-norm-test" points=2
with check("Experiment C: batch norm at a learning rate of 1") as expect:
    expect.finite(BatchNorm1d(4)(torch.eye(5, 4)), "batch norm of five rows")
    expect.finite(cross_entropy(torch.zeros(2, 3), torch.tensor([0, 2])), "a loss")
    expect.equal(len(list(minibatches(6, 2, torch.Generator().manual_seed(0)))), 3, "the number of batches")
    expect.finite(feed(SGD, [1.0], [[1.0]], lr=1.0), "a step")
    expect.written("Graded by training on digits with your loss, batches, initialisation, batch norm and SGD.")
### BEGIN HIDDEN TESTS
from autograder.checks import optimization as hidden

hidden.experiment_batch_norm(BatchNorm1d, SGD, cross_entropy, minibatches, init_weight_)
### END HIDDEN TESTS

# %% [markdown]
# And the optimisers on real digits, the same network without batch norm, four epochs. Each at a rate from its
# own grid of decades; if the order surprises you, change the rates.

# %% demo=true
contest = {
    "SGD, 0.01": lambda p: SGD(p, lr=0.01),
    "SGD, 0.1": lambda p: SGD(p, lr=0.1),
    "momentum, 0.01": lambda p: SGD(p, lr=0.01, momentum=0.9),
    "AdaGrad, 0.01": lambda p: Adagrad(p, lr=0.01),
    "RMSprop, 0.001": lambda p: RMSprop(p, lr=1e-3),
    "Adam, 0.001": lambda p: Adam(p, lr=1e-3),
}
results = {}
for name, make in contest.items():
    net = mlp([784, 128, 128, 10], tag="contest").to(lab.device)
    results[name] = train_mlp(net, make(net.parameters()), lab.pick(smoke=1, quick=4, full=20), label=name)
fig, (left, right) = figure(1, 2, size=(9.6, 3.4))
for i, (name, history) in enumerate(results.items()):
    history.plot(left, "loss", label=f"{name}: {history.last('acc'):.3f}", **line_style(i))
    history.plot(right, "acc", **line_style(i))
for ax, title in ((left, "training loss (final accuracy in the legend)"), (right, "test accuracy")):
    ax.set(title=title, xlabel="epoch", xticks=history.at("acc"))
right.set(ylabel="accuracy", ylim=(0.8, 1.0))
left.legend(fontsize=8)
show(fig, "Six optimisers on digits. At its own good rate every method arrives at about the same place; at a rate ten "
    "times too small, plain SGD is the last.")

# %% [markdown]
# **At full size** the classical experiment is that of Ioffe and Szegedy (2015, section 4.1): a *sigmoid*
# network, three hidden layers of 100 units, small random weights, batches of 60. The next cell runs its
# beginning; preset `full` runs all 50,000 steps.

# %% demo=true
def sigmoid_net(norm):
    return mlp([784, 100, 100, 100, 10], norm, "small_normal", tag="sigmoid", phi=nn.Sigmoid).to(lab.device)


def train_sigmoid(net, steps, label):
    optimizer, generator = torch.optim.SGD(net.parameters(), lr=0.5), lab.generator("sigmoid batches")

    def step(i):
        batch = torch.randint(len(x_all), (60,), generator=generator).to(lab.device)
        loss = F.cross_entropy(net(x_all[batch]), y_train[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return train(step, steps, evaluate=lambda i: {"acc": accuracy(net)}, label=label)


steps_c = lab.pick(smoke=100, quick=1000, full=50_000)
fig, ax = figure(size=(6.4, 3.2))
for i, (name, norm) in enumerate({"with your batch norm": BatchNorm1d, "without": None}.items()):
    history = train_sigmoid(sigmoid_net(norm), steps_c, name)
    history.plot(ax, "acc", label=f"{name}: {history.last('acc'):.3f}", **line_style(i))
ax.set(title="a sigmoid network of three hidden layers", ylabel="test accuracy", ylim=(0, 1))
ax.legend()
show(fig, "With batch norm a sigmoid network learns at once from tiny weights; without it, it sits on a plateau first "
    "and is slow to leave it.")

# %% [markdown]
# ## 10 When a network does not learn
#
# A recipe, in this order. **Preprocess** the data. Choose the **architecture** from what you know about the
# task, and the **loss** by the output: cross-entropy for classes, squared error for numbers, not the other
# way round. Then four checks, each a minute well spent: the initial loss is near $\ln K$ (without a penalty on
# the weights); it *rises* when a penalty is switched on; twenty examples can be learned by heart; and the update
# ratio lies between $10^{-3}$ and $10^{-2}$. Only then the full data.
#
# The first check holds for *small* logits only. Our `mlp` fails it: its last layer has He weights too, although no
# ReLU follows, its logits are of order $\sqrt2$, and with ten classes it starts between 3 and 4, not at 2.30. It
# has to unlearn that first. Many people therefore make the last layer smaller:

# %% demo=true
def objective(net: nn.Module, x: Tensor, y: Tensor, penalty: float = 0.0) -> Tensor:
    """What the training loop minimises: the cross-entropy, and a penalty on the squared weights."""
    return F.cross_entropy(net(x), y) + penalty * sum(p.pow(2).sum() for p in net.parameters())


def sanity_checks(net: nn.Module, x: Tensor, y: Tensor, n_classes: int) -> dict:
    """What must hold before a long run: initial loss, the effect of a penalty, and twenty examples by heart."""
    with torch.no_grad():
        loss, penalised = objective(net, x, y).item(), objective(net, x, y, penalty=1e-2).item()
    report = {"initial loss - ln K": loss - math.log(n_classes), "with penalty": penalised - math.log(n_classes)}
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        objective(net, x[:20], y[:20]).backward()
        optimizer.step()
    return report | {"loss on twenty examples": objective(net, x[:20], y[:20]).item()}


x, y = torch.randn(100, 30, generator=lab.generator("sanity")), torch.arange(100) % 5
for factor in (1.0, 0.1):
    net = mlp([30, 32, 5], tag="sanity")
    with torch.no_grad():
        net[-1].weight.mul_(factor)
    report = sanity_checks(net, x, y, 5)
    print(f"last layer × {factor}:", ", ".join(f"{name} {value:.2f}" for name, value in report.items()))
assert abs(report["initial loss - ln K"]) < 0.1, report
assert report["with penalty"] > report["initial loss - ln K"] + 0.1 and report["loss on twenty examples"] < 0.01, report

# %% [markdown]
# **Reading the learning rate.** It comes first among the hyperparameters, and on a logarithmic scale: 2e-4
# behaves like 1e-4. Loss flat: too low. Loss exploding: too high. Sweep the decades with short runs, stop at
# three times the initial loss, then search more finely (coarse to fine). After it come the architecture, the
# decay schedule, the kind of optimiser, and the strength of regularisation. A small gap between training and
# test accuracy is normal; no gap at all means that the model is too small, so widen it; a large one calls for
# regularisation (chapter 04).

# %% demo=true
def sweep(lr, steps=100):
    """A short run at one learning rate: the mean of the last ten losses, and the median update ratio."""
    net, generator = mlp([784, 64, 10], tag="sweep").to(lab.device), lab.generator("sweep")
    optimizer, losses, ratios = SGD(net.parameters(), lr=lr), [], []
    for _ in range(steps):
        batch = torch.randint(len(x_all), (64,), generator=generator).to(lab.device)
        loss = F.cross_entropy(net(x_all[batch]), y_train[batch])
        losses.append(loss.item())
        if not losses[-1] < 3 * losses[0]:
            break  # not going to recover
        optimizer.zero_grad()
        loss.backward()
        before = [p.detach().clone() for p in net.parameters()]
        optimizer.step()
        ratios.append(update_ratio(before, [p.detach() for p in net.parameters()]))
    return np.mean(losses[-10:]) if len(losses) == steps else np.nan, np.median(ratios)


rates = np.logspace(-5, 1, lab.pick(smoke=7, quick=13))
losses, ratios = zip(*(sweep(lr) for lr in rates), strict=True)
fig, (left, right) = figure(1, 2, size=(9.6, 3.3))
left.semilogx(rates, losses, marker="o")
stopped = rates[np.isnan(losses)]
left.plot(stopped, np.full(len(stopped), left.get_ylim()[1]), "x", color="black", label="stopped", clip_on=False)
left.set(title="loss after 100 steps", xlabel="learning rate", ylabel="loss")
right.loglog(rates, ratios, marker="s", color=COLOR["vermillion"])
right.axhline(1e-3, color="black", linestyle=":", label="rule of thumb")
right.set(title="update ratio", xlabel="learning rate", ylabel="|Δθ| / |θ|")
for ax in (left, right):
    ax.legend()
show(fig, "A sweep over six decades. Left: flat where steps are too small, then a valley, and a wall. Right: in these "
    "first 100 steps the best rates have a ratio of about 1e-2; the rule of thumb, 1e-3, describes later training.")

# %% [markdown]
# **Grid or random?** For two or more hyperparameters, draw the points at random (Bergstra and Bengio 2012).
# Usually one of them matters far more than the rest, and nobody knows beforehand which. A grid of nine trials
# tests three values of it, nine random trials test nine.

# %% demo=true
def score(important, other):
    """A made-up validation score that depends on one hyperparameter a lot and on the other a little."""
    return np.exp(-((important - 0.68) ** 2) / 0.012) + 0.08 * np.sin(3 * other)


axis = np.linspace(0, 1, 80)
grid = np.array([(i, j) for i in (1 / 6, 0.5, 5 / 6) for j in (1 / 6, 0.5, 5 / 6)])
trials = {"grid": grid, "random": lab.rng("search").uniform(size=(9, 2))}
fig, axes = figure(1, 2, size=(8.4, 3.6))
for ax, (name, points) in zip(axes, trials.items(), strict=True):
    ax.contourf(axis, axis, score(axis[None, :], axis[:, None]), levels=14, alpha=0.5)
    ax.plot(*points.T, "o", color=COLOR["vermillion"])
    ax.plot(points[:, 0], np.full(9, -0.06), "|", color="black", markersize=12, clip_on=False)
    values = len(np.unique(points[:, 0].round(9)))
    ax.set(xlabel="learning rate (matters)", ylabel="something else", xlim=(0, 1), ylim=(-0.1, 1), xticks=[], yticks=[])
    ax.set_title(f"{name}: {values} values of what matters, best {score(*points.T).max():.2f}", fontsize=9.5)
show(fig, "Nine trials each, on a made-up score. The ticks below show which values of the important hyperparameter "
    "were tried: the grid misses the bright ridge, random search does not.")
searches = [score(*lab.rng(f"search {i}").uniform(size=(2, 9))).max() for i in range(200)]
print(f"best of nine on the grid: {score(*grid.T).max():.2f}; at random, on average: {np.mean(searches):.2f}")

# %% [markdown]
# ## Questions
#
# **6 points · ★☆☆ · 15 min.** Put your answer into the variable. The check tells whether its form is right;
# whether it is right itself you learn, with the reason, after handing in.
#
# **Question 1.** An untrained network with ten classes, balanced data, small random weights: the first
# cross-entropy is 23. Most likely (a) that is normal, (b) the logits are far too large at the start, (c) the
# learning rate is too low, (d) the labels are one-hot. One letter in quotes.

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

# %% [markdown]
# **Question 2.** The Hessian of a quadratic has the eigenvalues 0.5 and 50. What is the largest stable step
# of gradient descent, and the rate at the best step? A tuple of two numbers.

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

# %% [markdown]
# **Question 3.** SGD with momentum 0.9 and learning rate 0.01, a constant gradient of 2. What magnitude does
# the velocity approach?

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

# %% [markdown]
# **Question 4.** Adam with $\beta=(0.9,0.999)$, but *without* the corrections, and a constant gradient of 1.
# How long is the first step, in units of $\eta$? (Both moments are too small. Is the step?)

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

# %% [markdown]
# **Question 5.** The gradient $(3,-0.5)$ is clipped at 1. Which kind of clipping keeps its direction,
# `"value"` or `"norm"`?

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

# %% [markdown]
# **Question 6.** RMSprop with $\beta=0$ is (a) AdaGrad, (b) sign descent, (c) plain SGD, (d) Adam.

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

# %% [markdown]
# Five more, to think about, without points.
#
# <details><summary>A model says f = 0.1 for an example of class 1. What is its likelihood, and what does it
# cost? And f = 0.1 for one of class 0?</summary>0.1 and −ln 0.1 = 2.30; 0.9 and −ln 0.9 = 0.105. Both at once:
# 0.1 · 0.9, and the sum of the two losses.</details>
# <details><summary>Two linear layers, 784 to 5 to 10, with nothing in between. Can they do all that one layer
# from 784 to 10 can?</summary>No, less: their product is one matrix [10, 784], but of rank 5 at
# most.</details>

# %% [markdown]
# <details><summary>All weights of a network start at zero. Which parameters can change in the first
# step?</summary>The bias of the last layer, and nothing else: the hidden signals are 0 (ReLU, tanh), so the
# last weights get gradient 0, and through zero weights nothing flows back.</details>
# <details><summary>An error of 0.1, quadratic convergence with μ = 1: how large is it after four steps? And
# with linear convergence, μ = 0.1?</summary>10⁻¹⁶ and 10⁻⁵.</details>
# <details><summary>One bit per gradient entry, sent between 1,000 machines. What is saved, and what does
# Hinton's example say about the price?</summary>31 of 32 bits. The mean of signs is not the sign of the mean:
# with noisy gradients the weights drift, unless what was rounded away is remembered and added next
# time.</details>

# %% [markdown]
# ## What you have built, and what it reaches at full size
#
# - A loss is a negative log likelihood; shift by the row maximum, take the mean. Small logits start at $\ln K$.
# - Gradient descent is stable below $2/\lambda_M$ and slow by $\kappa$. Momentum turns $\kappa$ into
#   $\sqrt\kappa$.
# - Whitening, initialisation, batch norm and skip connections are four answers to one question: conditioning.
# - Scale and collapse are two diseases. He initialisation cures the first only.
# - Adaptive methods rescale coordinates, not directions: turn the valley, and they feel it.
# - Shuffle, clip by norm, lower the rate or average, call `eval()`, and look at the first loss.
#
# Losses here are means; sums multiply the learning rate by $N$. Compare optimisers only when each is tuned.

# %% [markdown]
# | what | here, preset quick | published, full size |
# |---|---|---|
# | linear classifier, digits, error | 9 % (12,000 digits, whitened) | 12.0 %, deskewed 8.4 % (LeCun et al. 1998) |
# | plain, residual | accuracy 0.2 to 0.6, 0.93 (42 layers) | ImageNet error 28.5 %, 25.0 % (34 layers, He 2016) |
# | very deep, residual | | CIFAR-10 error 6.4 % (110 layers, He et al. 2016) |
# | plain, ever deeper | falls with depth, experiment B | fails beyond a dozen layers (Daneshmand et al. 2020) |
# | 256-128-100, Fashion-MNIST | | accuracy 0.883 (benchmark of the data set's authors) |
#
# The published numbers need more data, more steps, or convolutions (chapter 03); they are quoted, not
# reproduced. To run the full set-ups, start Jupyter with `COURSE_PRESET=full`; they download the full data
# and are meant for a GPU.

# %% [markdown]
# **Further reading.** *Neurons*: McCulloch and Pitts (1943); Rosenblatt (1958); Novikoff (1962); Minsky and
# Papert (1969); Fukushima (1980). *Steps*: Polyak (1964); Nesterov (1983); Liu and Nocedal (1989, L-BFGS);
# Riedmiller and Braun (1993); Duchi et al. (2011); Hinton, lecture 6 (2012); Kingma and Ba (2015); and above
# all Goh, Why momentum really works (2017, with pictures that move). *Conditioning*: LeCun et al., Efficient
# BackProp (1998); Glorot and Bengio (2010); He et al., Delving deep into rectifiers (2015) and Deep residual
# learning (2016); Ioffe and Szegedy (2015); Bjorck et al. (2018); Yang et al., A mean field theory of batch
# normalization (2019); Daneshmand et al. (2020). *Loop and search*: Bergstra and Bengio (2012); Pascanu et
# al. (2013); Neelakantan et al. (2015); Frankle and Carbin (2018). *Features*: Zeiler and Fergus (2014).
