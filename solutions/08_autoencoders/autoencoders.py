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
# # Autoencoders: what the data says for itself
#
# Nobody labels most of what there is to see. Can a network learn something useful from pictures alone? Give it
# a harder way to copy: through a narrow door, through noise, or through a cloud of probability. To come out
# right on the other side, it has to find out what the pictures have in common.
#
# **What you will build**
# - principal components, and the networks that contain them as a special case;
# - a denoiser, and the proof that it knows the slope of the data's density;
# - EM, the free energy, and from them, line by line, a variational autoencoder (VAE);
# - the map below: two numbers say which digit is drawn. At the end it lies under your mouse.

# %% setup=true
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from coursekit import check, setup
from coursekit.data import emoji, fashion_mnist, mnist
from coursekit.figures import COLOR, DIVERGING, PALETTE, blank, figure, image_grid, line_style, show
from coursekit.latents import draw_codes, first_map, manifold, neighbour_accuracy, tsne
from coursekit.standins import StandIns
from coursekit.training import train
from coursekit.widgets import Choice, Slider, Toggle, explore
from torch import Tensor, nn

lab = setup("08_autoencoders")

# %% demo=true
# Only a picture to look forward to; what is behind it comes in sections 5 to 7.
x_first = torch.from_numpy(mnist().x_train.reshape(-1, 784)).float() / 255
with lab.seeded("first map"):
    decode_first = first_map(x_first, steps=lab.pick(smoke=30, quick=800))
fig, ax = figure(size=(4.9, 4.9))
ax.imshow(manifold(decode_first, 13), cmap="gray", extent=(-2.4, 2.4, -2.4, 2.4))
ax.set(title="decoded images over a plane of two latent numbers", xlabel="$z_1$", ylabel="$z_2$")
ax.grid(False)
show(fig, "Every place in this plane decodes to a digit, and neighbours look alike. Nobody told the network that there "
    "are ten kinds of them.", dpi=76)

# %% [markdown]
# | exercise | points | difficulty | about |
# |---|---|---|---|
# | 1 Principal components | 9 | ★☆☆ | 25 min |
# | 2 Bottleneck autoencoders | 10 | ★★☆ | 40 min |
# | 3 Denoising | 12 | ★★☆ | 45 min |
# | 4 Variance digits | 9 | ★★☆ | 30 min |
# | 5 Hidden causes: EM and the free energy | 12 | ★★☆ | 50 min |
# | 6 Sampling with a gradient, and the KL | 9 | ★★☆ | 30 min |
# | 7 The variational autoencoder | 13 | ★★★ | 60 min |
# | 8 A ladder: few labels, many pictures | 8 | ★★☆ | 30 min |
# | Experiments X1, X2 | 12 | ★☆☆ | 30 min |
# | Questions | 6 | ★☆☆ | 15 min |
#
# About 6 hours in all; exercises 1 to 4 with experiment X1 make a first evening. Running everything takes about
# three minutes on a laptop.

# %% [markdown]
# **What you need to know**: matrices and eigenvalues, the normal distribution, a network in PyTorch and its
# training (chapters 01 and 02).
#
# **How it works**: replace `raise NotImplementedError()` by your code, run the cell, then run the check below
# it. You may leave exercises open: later checks that do not need them still run. More inputs are tried after
# handing in. Whatever you create takes dtype and device of its inputs, and inputs are not changed.
#
# **Notation**: a data set has $N$ examples, a batch $B$; an example has $n$ numbers (784 for digits), its code $m$.
# So a batch `x` is `[B, n]` (or `[B, 1, 28, 28]`), its codes `z` are `[B, m]`. Where densities are multiplied over
# the dimensions, the literature writes $D$ for $n$, and so do we. *The squared error of an example* is the **sum**
# over its dimensions; a loss is the **mean** of that over the batch,
# $\mathcal L=\frac1B\sum_i\lVert\mathbf x_i-\hat{\mathbf x}_i\rVert^2$. Log-likelihoods and divergences are in nats.

# %% [markdown]
# ## 0 Learning without labels
#
# So far every picture came with its answer. Now we have only $\mathbf x_1,\dots,\mathbf x_N$: no map
# from input to output is asked for, but *structure*. Clustering, dimensionality reduction and density estimation
# are the classical forms. What is it good for? (i) *Novelty*: what does not fit the structure is a fault, a
# fraud, an illness. (ii) *Seeing*: a picture of the data in two dimensions shows patterns that nobody asked
# for. (iii) *Making*: whoever knows how the data is distributed can draw more of it.
#
# And (iv), *representation learning*: a map $\mathbf x\xrightarrow{f}\mathbf z$ whose code helps with later
# tasks that are not known yet. That problem is not well defined, and no loss is right for all of them. A popular
# answer: keep what comes often and compress the rest away. We will test codes by what they were *not* trained
# for: how well do nearest neighbours of a code tell the digit?

# %% demo=true
digits = mnist(full=lab.preset == "full")
x_train, x_test = (torch.from_numpy(a.reshape(len(a), -1)).float() / 255 for a in (digits.x_train, digits.x_test))
y_train, y_test = (torch.from_numpy(a.astype("int64")) for a in (digits.y_train, digits.y_test))
x_dev, x_test_dev = x_train.to(lab.device), x_test.to(lab.device)
total = float((x_test - x_train.mean(dim=0)).double().pow(2).sum(dim=1).mean())  # error of the mean digit
show(image_grid(digits.x_train[:24], ncols=12), f"The data of this chapter: {len(x_train):,} handwritten digits of "
    "28 × 28 pixels, used without their labels. Most of the 784 numbers say little that their neighbours do not.")

# %% [markdown]
# ## 1 Principal components
#
# Which *one* number says most about a point $\mathbf x\in\mathbb R^n$? Let the data have mean zero and project it
# on a direction, $y_1=\mathbf w_1^\top\mathbf x$ with $\lVert\mathbf w_1\rVert=1$. The number that varies most
# tells points apart best, so we maximise
#
# $$E[y_1^2]=E[\mathbf w_1^\top\mathbf x\mathbf x^\top\mathbf w_1]=\mathbf w_1^\top\mathbf C\mathbf w_1,\qquad
# \mathbf C=E[\mathbf x\mathbf x^\top]\;[n,n].$$
#
# On the unit sphere a quadratic form is largest along the eigenvector of the largest eigenvalue: $\mathbf w_1$ is
# the dominant eigenvector of the covariance $\mathbf C$, and $E[y_1^2]=\lambda_1$. The next component maximises
# the variance in the orthogonal complement of the first, which gives the second eigenvector, and so on.

# %% [markdown]
# The same answer comes from a second question: which $m$ numbers allow the best *reconstruction*? With orthonormal
# columns $\mathbf W=[\mathbf w_1\dots\mathbf w_m]$, $[n,m]$, $\mathbf W^\top\mathbf W=\mathbf I$,
#
# $$\mathbf z=\mathbf W^\top(\mathbf x-\bar{\mathbf x}),\qquad
# \hat{\mathbf x}=\bar{\mathbf x}+\mathbf W\mathbf z
# =\bar{\mathbf x}+\sum_{k\le m}\mathbf w_k\mathbf w_k^\top(\mathbf x-\bar{\mathbf x}).$$
#
# What is lost are the components that were left out. Their mean squares are eigenvalues, so
# $\;\frac1N\sum_i\lVert\mathbf x_i-\hat{\mathbf x}_i\rVert^2=\lambda_{m+1}+\dots+\lambda_n$, and this is smallest
# if the largest $\lambda$ are kept: the $\mathbf W$ of PCA minimises $E\lVert\mathbf x-\hat{\mathbf x}\rVert^2$.
# It is not the only minimum. $\mathbf W\mathbf R$ with any rotation $\mathbf R$ $[m,m]$ spans the same subspace and
# reconstructs the same points (*principal subspace analysis*); only the variance view picks out the axes.

# %% [markdown]
# **Exercise 1 · 9 points · ★☆☆ · 25 min.** Write PCA. Let $\mathbf C=\frac1N\sum_i(\mathbf x_i-\bar{\mathbf
# x})(\mathbf x_i-\bar{\mathbf x})^\top$: we describe these points, so the mean is over $N$, not $N-1$.
#
# <details><summary>Hint: a question</summary>In which order does <code>torch.linalg.eigh</code> return the
# eigenvalues? Are the eigenvectors the rows or the columns of what it returns?</details>
# <details><summary>Hint 2</summary><code>values.flip(0)</code> and <code>vectors.flip(1)</code> turn both
# around. For data of another batch the mean of the TRAINING data counts: encode and decode get it as an
# argument.</details>

# %% exercise="ex1-pca-fit"
def pca_fit(X: Tensor, m: int) -> tuple[Tensor, Tensor, Tensor]:
    """The m leading principal components of the rows of X.

    X: data [N, n], float32 or float64; 1 <= m <= n
    Returns mean [n], W [n, m] with orthonormal columns, and var [m]: the variance (with 1/N, no Bessel
    correction) along each column, largest first.
    Raises ValueError if X does not have two axes, or m is not in 1 ... n.
    """
    ### BEGIN SOLUTION
    if X.ndim != 2:
        raise ValueError(f"X must have shape [N, n], not {tuple(X.shape)}")
    N, n = X.shape
    if not 1 <= m <= n:
        raise ValueError(f"m must lie in 1 ... {n}, not {m}")
    mean = X.mean(dim=0)
    centred = X - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / N)  # ascending
    return mean, axes.flip(1)[:, :m], variances.flip(0)[:m]
    ### END SOLUTION

# %% test="ex1-pca-fit-test" points=6 exercise_no=1
with check("Exercise 1: pca_fit") as expect:
    generator = torch.Generator().manual_seed(0)
    direction = torch.tensor([2.0, -1.0, 2.0]) / 3
    points = 4 + 5 * torch.randn(200, 1, generator=generator) * direction
    points = points + 0.01 * torch.randn(200, 3, generator=generator)
    mean, W, var = pca_fit(points, 1)
    expect.shape(W, (3, 1), "W of 200 points in 3-D, m = 1", likely="the directions are the columns of W, [n, m]")
    expect.close(mean, points.mean(dim=0), "the mean", rtol=1e-5)
    expect.close((W.T @ W).squeeze(), 1.0, "the squared length of the column of W", rtol=1e-4)
    expect.close(abs(direction @ W[:, 0]), 1.0, "the cosine between W and the line on which the points lie", rtol=1e-3,
        likely="eigh returns eigenvalues in ASCENDING order, eigenvectors as COLUMNS; and subtract the mean first")
    along = (points - points.mean(dim=0)) @ direction
    expect.close(var[0], along.pow(2).mean(), "the variance along the line", rtol=1e-3,
        likely="the eigenvalue of the covariance with 1/N: a variance, not its square root")
    _, both, spread = pca_fit(torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 2)
    expect.close(spread, [4.5, 0.5], "the variances of four points on a cross", rtol=1e-5,
        likely="largest first, and divided by N = 4")
    expect.close(abs(both), torch.eye(2), "the directions of the cross, without their signs", atol=1e-5,
        likely="sort the columns of W together with the variances")
    expect.raises(ValueError, pca_fit, points, 4, what="m = 4 in 3-D")
    expect.raises(ValueError, pca_fit, points, 0, what="m = 0")
    expect.raises(ValueError, pca_fit, points[0], 1, what="X of shape [3]")
    expect.why("One matrix, one call of eigh: the best linear code there is, with a proof.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.pca_fit(pca_fit)
### END HIDDEN TESTS

# %% exercise="ex1-pca-codes"
def pca_encode(X: Tensor, mean: Tensor, W: Tensor) -> Tensor:
    """Codes [N, m] of the rows of X [N, n], for the mean [n] and the orthonormal columns W [n, m]."""
    ### BEGIN SOLUTION
    return (X - mean) @ W
    ### END SOLUTION


def pca_decode(Z: Tensor, mean: Tensor, W: Tensor) -> Tensor:
    """Reconstructions [N, n] of codes Z [N, m]."""
    ### BEGIN SOLUTION
    return mean + Z @ W.T
    ### END SOLUTION

# %% test="ex1-pca-codes-test" points=3 exercise_no=1
with check("Exercise 1: codes and reconstructions") as expect:
    mean, W = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[0.6], [0.0], [0.8]])
    x = torch.tensor([[1.6, 2.0, 3.8], [1.0, 5.0, 3.0]])
    z = pca_encode(x, mean, W)
    expect.close(z, [[1.0], [0.0]], "the codes of two points", rtol=1e-5, atol=1e-6,
        likely="W^T (x - mean), with the mean that is given and not that of this batch")
    expect.close(pca_decode(z, mean, W), [[1.6, 2.0, 3.8], [1.0, 2.0, 3.0]], "the reconstructions", rtol=1e-5,
        likely="mean + W z: the second point falls on the mean, what is orthogonal to W is lost")
    expect.why("A linear autoencoder: W^T is the encoder, W the decoder.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.pca_codes(pca_encode, pca_decode)
### END HIDDEN TESTS

# %% demo=true
turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])
cloud = torch.randn(300, 2, generator=lab.generator("cloud")) * torch.tensor([1.5, 0.4])
cloud = torch.tensor([1.0, 0.5]) + cloud @ turn.T
mean, W, var = pca_fit(cloud, 2)
onto_first = pca_decode(pca_encode(cloud, mean, W[:, :1]), mean, W[:, :1])
fig, ax = figure(size=(6.4, 4.0))
ax.plot(*torch.stack([cloud, onto_first], dim=0).permute(2, 0, 1), color="#999999", linewidth=0.5, linestyle="-")
ax.plot(*cloud.T, "o", markersize=3)
for k, name in enumerate(("first", "second")):
    end = mean + 2 * var[k].sqrt() * W[:, k]
    ax.plot(*torch.stack([mean, end]).T, linewidth=4, linestyle="-", color=PALETTE[1 + k],
        label=f"{name} component, λ = {var[k]:.2f}")
ax.set(title="principal directions of a cloud", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
ax.legend(loc="upper left")
show(fig, "Two principal directions, drawn with the length of two standard deviations. The thin lines are what one "
    "number per point cannot keep: they are orthogonal to the first direction, and their mean square is λ₂.")

# %% demo=true
pca_mean, pca_W, pca_var = pca_fit(x_train.double(), 100)


def error_of_pca(m):
    """Squared error of the test digits, coded by m numbers."""
    codes = pca_encode(x_test.double(), pca_mean, pca_W[:, :m])
    return float((x_test - pca_decode(codes, pca_mean, pca_W[:, :m])).pow(2).sum(dim=1).mean())


pca_error = {m: error_of_pca(m) for m in (2, 10, 30, 100)}
for m, error in pca_error.items():
    print(f"PCA with {m:3d} numbers: test error {error:5.2f} of {total:.1f} per digit")
rows = pca_W[:, :10].T.reshape(-1, 28, 28)
reach = float(rows.abs().max())
show(image_grid(rows, [f"$w_{{{k + 1}}}$" for k in range(10)], ncols=10, cmap=DIVERGING, vmin=-reach, vmax=reach),
    "The ten leading directions of the digits, as pictures: ink to add (one colour) and to take away (the other). "
    "Each is a whole picture of strokes; there are no parts, and no digits.")

# %% [markdown]
# ## 2 Bottleneck autoencoders
#
# Read PCA as a network: an *encoder* $\mathbf z=f(\mathbf x)$, a *decoder* $\hat{\mathbf x}=g(\mathbf z)$, both
# linear, trained together so that the output equals the input,
# $\mathcal L=E\lVert\mathbf x-g(f(\mathbf x))\rVert^2$. The input is its own target: that is an **autoencoder**.
# (The data is centred first, or both layers have a bias.) Two weight matrices are
# free; one may share them, $\mathbf W_f=\mathbf W_g^\top$, and add a penalty on
# $\lVert\mathbf W^\top\mathbf W-\mathbf I\rVert_F^2$. Neither is needed if only the error matters.
#
# Nothing is learned *without a restriction*: if $\mathbf z$ is as large as $\mathbf x$, any invertible
# $\mathbf W_f$ with $\mathbf W_g=\mathbf W_f^{-1}$ copies perfectly. The simplest restriction is a
# **bottleneck**, $m<n$. With linear layers its best code is the principal subspace (Bourlard and Kamp 1988; Oja
# 1991).

# %% [markdown]
# **Exercise 2 · 10 points · ★★☆ · 40 min.** Three parts. First the loss, with our convention: the *sum* over the
# dimensions of an example, the *mean* over the batch. Torch's `mse_loss` divides by the dimensions too, and
# later, beside a KL divergence, that factor of 784 decides whether a model lives.

# %% exercise="ex2-reconstruction-loss"
def reconstruction_loss(x: Tensor, x_hat: Tensor) -> Tensor:
    """Squared error, summed over all dimensions of an example, averaged over the batch.

    x, x_hat: [B, ...], the same shape
    Returns a 0-dim tensor. Raises ValueError if the shapes differ: nothing is broadcast.
    """
    ### BEGIN SOLUTION
    if x.shape != x_hat.shape:
        raise ValueError(f"x and x_hat must have one shape, not {tuple(x.shape)} and {tuple(x_hat.shape)}")
    return (x - x_hat).pow(2).flatten(1).sum(dim=1).mean()
    ### END SOLUTION

# %% test="ex2-reconstruction-loss-test" points=2 exercise_no=2
with check("Exercise 2: the squared error") as expect:
    expect.close(reconstruction_loss(torch.zeros(2, 5), torch.ones(2, 5)), 5.0, "zeros against ones, shape [2, 5]",
        rtol=1e-6, likely="add up the 5 dimensions, average over the 2 examples")
    image = torch.zeros(3, 1, 2, 2)
    expect.close(reconstruction_loss(image, image + 2), 16.0, "a batch of 3 images of 2 × 2, off by 2", rtol=1e-6,
        likely="ALL dimensions of an example are added up: 1 · 2 · 2 · 2²")
    expect.raises(ValueError, reconstruction_loss, torch.zeros(4, 3), torch.zeros(3), what="shape [4, 3] against [3]")
    expect.why("A sum over pixels is a log-likelihood in disguise; a mean over pixels is one that whispers.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.reconstruction_loss(reconstruction_loss)
### END HIDDEN TESTS

# %% [markdown]
# Second, the linear autoencoder with one shared matrix and the penalty that keeps its columns orthonormal,
# $\mathbf z=\mathbf x\mathbf W$ and $\hat{\mathbf x}=\mathbf z\mathbf W^\top$ for a row vector $\mathbf x$ of centred
# data. Is the penalty zero for any orthonormal basis of the subspace, or for PCA's only? The training below shows it.
#
# <details><summary>Hint: a question</summary>W is [n, m] with m < n. Can W Wᵀ be the identity of size n? Which of
# the two products can?</details>

# %% exercise="ex2-tied"
def orthogonality_penalty(W: Tensor) -> Tensor:
    """Squared Frobenius norm of W^T W - I, for W [n, m]; a 0-dim tensor."""
    ### BEGIN SOLUTION
    m = W.shape[1]
    return (W.T @ W - torch.eye(m, dtype=W.dtype, device=W.device)).pow(2).sum()
    ### END SOLUTION


class TiedLinearAutoencoder(nn.Module):
    """Encoder and decoder share one parameter, self.W [n, m], which starts with small random numbers; no biases."""

    def __init__(self, n: int, m: int):
        super().__init__()
        ### BEGIN SOLUTION
        self.W = nn.Parameter(torch.randn(n, m) / math.sqrt(n))
        ### END SOLUTION

    def encode(self, x: Tensor) -> Tensor:
        """[B, n] -> [B, m]"""
        ### BEGIN SOLUTION
        return x @ self.W
        ### END SOLUTION

    def decode(self, z: Tensor) -> Tensor:
        """[B, m] -> [B, n]"""
        ### BEGIN SOLUTION
        return z @ self.W.T
        ### END SOLUTION

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (x_hat [B, n], z [B, m])."""
        ### BEGIN SOLUTION
        z = self.encode(x)
        return self.decode(z), z
        ### END SOLUTION

# %% test="ex2-tied-test" points=3 exercise_no=2
with check("Exercise 2: tied weights") as expect:
    expect.close(orthogonality_penalty(torch.eye(6)[:, :2]), 0.0, "the penalty of two unit vectors in 6-D", atol=1e-6,
        likely="W^T W is [m, m]: its diagonal holds the squared lengths of the columns")
    long = 3.0**0.5 * torch.eye(3)[:, :2]
    expect.close(orthogonality_penalty(long), 8.0, "the penalty of two orthogonal columns of length √3", rtol=1e-5,
        likely="(3 - 1)² for each: the SQUARED norm, a sum over all entries of W^T W - I")
    tied = TiedLinearAutoencoder(5, 2)
    expect.equal(str([tuple(p.shape) for p in tied.parameters()]), "[(5, 2)]", "the shapes of the parameters",
        likely="one nn.Parameter W of shape [n, m] and nothing else")
    x_hat, z = tied(torch.ones(3, 5))
    expect.shape(x_hat, (3, 5), "x_hat")
    expect.shape(z, (3, 2), "z")
    expect.close(z, torch.ones(3, 5) @ tied.W, "z, compared with x W", rtol=1e-5, atol=1e-6)
    expect.close(x_hat, z @ tied.W.T, "x_hat, compared with z W^T", rtol=1e-5, atol=1e-6)
    expect.true(tied.W.abs().max() > 0, "W starts at zero: there the gradient is zero too",
        likely="start it with small random numbers")
    expect.why("Shared weights, no hidden layer: after training, the columns of W span the principal subspace.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.tied(TiedLinearAutoencoder, orthogonality_penalty)
### END HIDDEN TESTS

# %% demo=true
with lab.seeded("tied"):
    tied = TiedLinearAutoencoder(784, 10)
centred, optimizer = x_train[:4000] - pca_mean.float(), torch.optim.Adam(tied.parameters(), lr=1e-2)


def tied_step(i):
    batch = centred[torch.randint(len(centred), (256,), generator=tied_rows)]
    loss = reconstruction_loss(batch, tied(batch)[0]) + orthogonality_penalty(tied.W)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


tied_rows = lab.generator("tied")
train(tied_step, lab.pick(smoke=100, quick=400), label="tied weights")
with torch.no_grad():
    centred_test = x_test - pca_mean.float()
    tied_error = float(reconstruction_loss(centred_test, tied(centred_test)[0]))
    meeting = pca_W[:, :10].float().T @ tied.W  # [10, 10]: cosines between both sets of directions
    print(f"test error {tied_error:.2f}, PCA {pca_error[10]:.2f}; penalty {float(orthogonality_penalty(tied.W)):.4f}; "
        f"share of PCA's subspace in that of W: {float(meeting.pow(2).sum()) / 10:.3f}")
fig, (left, right) = figure(1, 2, size=(9.6, 3.0), width_ratios=(1.0, 1.6))
left.imshow(meeting, cmap=DIVERGING, vmin=-1, vmax=1)
left.set(title="PCA's directions in those of W", xlabel="column of W", ylabel="component of PCA")
left.grid(False)
image_grid(tied.W.detach().T.reshape(-1, 28, 28), ncols=5, ax=right, cmap=DIVERGING, vmin=-0.15, vmax=0.15)
right.set_title("the columns of W")
show(fig, "A linear autoencoder with tied weights, trained on digits: each of its directions mixes many of PCA's, and "
    "together they span nearly the same subspace. The error fixes the subspace, not the axes.")

# %% [markdown]
# Third, the *deep* autoencoder: the same loss, but $f$ and $g$ are networks with parameters $\theta_f,\theta_g=
# \arg\min E\lVert\mathbf x-g(f(\mathbf x,\theta_f),\theta_g)\rVert^2$. At the same size of the code the error is
# lower, since data lies on *curved* sheets rather than in flat subspaces.
#
# The encoder is `n_in → hidden… → m`, the decoder its mirror. An activation follows every linear layer *except*
# the code layer and the output layer: a ReLU on the code would halve the space of codes, a sigmoid on the
# output would forbid negative values.
#
# <details><summary>Hint: a question</summary>Build the list of widths [n_in, *hidden, m]; which widths does the
# decoder have? After which of its layers does act() stand?</details>

# %% exercise="ex2-bottleneck"
class BottleneckAutoencoder(nn.Module):
    """n_in -> hidden... -> m -> ...hidden reversed -> n_in, with biases, and act() behind all but code and output.

    state_dict() lists the encoder's weights and biases in the order of use, then the decoder's.
    """

    def __init__(self, n_in: int, hidden: Sequence[int], m: int, act: Callable[[], nn.Module] = nn.ReLU):
        """hidden: widths, possibly none (then both halves are linear). Raises ValueError if m < 1."""
        super().__init__()
        ### BEGIN SOLUTION
        if m < 1:
            raise ValueError(f"a code needs at least one number, m = {m}")
        self.n_in = n_in
        widths = [n_in, *hidden, m]
        self.encoder = self._stack(widths, act)
        self.decoder = self._stack(widths[::-1], act)

    @staticmethod
    def _stack(widths, act):
        layers = []
        for i in range(len(widths) - 1):
            layers += [nn.Linear(widths[i], widths[i + 1]), act()]
        return nn.Sequential(*layers[:-1])
        ### END SOLUTION

    def encode(self, x: Tensor) -> Tensor:
        """[B, n_in] or [B, 1, H, W] with H * W = n_in -> [B, m]. ValueError for another number of entries."""
        ### BEGIN SOLUTION
        flat = x.flatten(1)
        if flat.shape[1] != self.n_in:
            raise ValueError(f"an example must have {self.n_in} entries, not {flat.shape[1]}")
        return self.encoder(flat)
        ### END SOLUTION

    def decode(self, z: Tensor) -> Tensor:
        """[B, m] -> [B, n_in]"""
        ### BEGIN SOLUTION
        return self.decoder(z)
        ### END SOLUTION

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (x_hat in the shape of x, z [B, m])."""
        ### BEGIN SOLUTION
        z = self.encode(x)
        return self.decode(z).reshape(x.shape), z
        ### END SOLUTION

# %% test="ex2-bottleneck-parts-test" points=2 exercise_no=2
with check("Exercise 2: the parts of the deep autoencoder") as expect:
    net = BottleneckAutoencoder(784, (256, 64), 10)
    count = sum(p.numel() for p in net.parameters())
    expect.equal(count, 436890, "the number of parameters of 784-256-64-10-64-256-784",
        likely="the decoder has the encoder's widths, reversed; every layer has weights and biases, and is "
        "registered: nn.Sequential or nn.ModuleList, not a list")
    x_hat, z = net(torch.zeros(4, 1, 28, 28))
    expect.shape(x_hat, (4, 1, 28, 28), "x_hat for images", likely="the shape of the input")
    expect.shape(z, (4, 10), "z for images")
    expect.shape(net.encode(torch.zeros(4, 784)), (4, 10), "encode of rows")
    expect.shape(net.decode(torch.zeros(4, 10)), (4, 784), "decode of codes")
    expect.raises(ValueError, BottleneckAutoencoder, 784, (256,), 0, what="m = 0")
    expect.raises(ValueError, net, torch.zeros(4, 1, 27, 28), what="images of 27 × 28")
    expect.why("An hourglass: what passes through its neck must describe the whole picture.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.bottleneck_parts(BottleneckAutoencoder)
### END HIDDEN TESTS

# %% given="with-tanh"
def with_tanh(cls):
    """An autoencoder of your class with tanh in place of ReLU, and one without hidden layers."""
    return cls(3, (5,), 2, act=nn.Tanh), cls(3, (), 2)

# %% test="ex2-bottleneck-forward-test" points=3 exercise_no=2
with check("Exercise 2: the pass through the bottleneck") as expect:
    net = BottleneckAutoencoder(3, (5,), 2)
    x = torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -3.0]])
    state = net.state_dict()  # weight and bias of four layers, in the order of use
    w = [value.clone() for value in state.values()]
    expect.equal(str([tuple(value.shape) for value in w]), "[(5, 3), (5,), (2, 5), (2,), (5, 2), (5,), (3, 5), (3,)]",
        "the shapes in state_dict()", likely="encoder in the order of use, then the mirrored decoder")
    w[3] -= 5  # so that code and output are negative, and an activation there shows
    w[7] -= 5
    net.load_state_dict(dict(zip(state, w, strict=True)))
    code = torch.relu(x @ w[0].T + w[1]) @ w[2].T + w[3]
    x_hat, z = net(x)
    expect.close(z, code, "z, compared with W₂ relu(W₁ x + b₁) + b₂", rtol=1e-5, atol=1e-6,
        likely="no activation on the code; relu behind the hidden layer")
    right = torch.relu(code @ w[4].T + w[5]) @ w[6].T + w[7]
    expect.close(x_hat, right, "x_hat, compared with W₄ relu(W₃ z + b₃) + b₄", rtol=1e-5, atol=1e-6,
        likely="no activation on the output, but act() behind the hidden layer of the decoder")
    smooth, flat = with_tanh(BottleneckAutoencoder)
    w = [*smooth.state_dict().values()]
    code = torch.tanh(x @ w[0].T + w[1]) @ w[2].T + w[3]
    expect.close(smooth(x)[1], code, "z with act=nn.Tanh", rtol=1e-5, atol=1e-6,
        likely="the activation is the argument act, called once for each place: act()")
    w = [*flat.state_dict().values()]
    expect.close(flat(x)[1], x @ w[0].T + w[1], "z without hidden layers", rtol=1e-5, atol=1e-6)
    expect.why("Linear at both ends, curved in between.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.bottleneck_forward(BottleneckAutoencoder)
### END HIDDEN TESTS

# %% demo=true
generator = lab.generator("arc")
t_arc = 2.6 * torch.rand(400, 1, generator=generator) - 1.3
arc = torch.cat([t_arc, t_arc**2], dim=1) + 0.06 * torch.randn(400, 2, generator=generator)
with lab.seeded("arc net"):
    arc_net = BottleneckAutoencoder(2, (32,), 1, act=nn.Tanh)
optimizer = torch.optim.Adam(arc_net.parameters(), lr=1e-2)


def arc_step(i):
    loss = reconstruction_loss(arc, arc_net(arc)[0])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


history = train(arc_step, lab.pick(smoke=200, quick=1500), label="curve")
mean, W, var = pca_fit(arc, 2)
with torch.no_grad():
    z = arc_net.encode(arc)[:, 0]
    curve = arc_net.decode(torch.linspace(float(z.min()), float(z.max()), 200)[:, None])
    line = pca_decode(torch.linspace(-1.6, 1.6, 2)[:, None], mean, W[:, :1])
fig, ax = figure(size=(6.4, 3.8))
dots = ax.scatter(*arc.T, c=z, s=10, cmap="cividis")
ax.plot(*line.T, label=f"PCA, m = 1: error {float(var[1]):.3f}", color=COLOR["vermillion"])
ax.plot(*curve.T, label=f"autoencoder, m = 1: error {history.last():.3f}", color="black", linestyle="--")
ax.set(title="one number per point, on a curve", xlabel="$x_1$", ylabel="$x_2$")
fig.colorbar(dots, label="code z")
ax.legend()
show(fig, "The straight line of PCA cannot follow a bent sheet; the decoder of a nonlinear autoencoder can, and its "
    "code runs along the curve.")

# %% [markdown]
# ### Experiment X1: a bottleneck against PCA
#
# **4 points.** Ten numbers for each digit, 784-256-64-10 and back. PCA with ten numbers is the yardstick; its
# test error is computed above. How much better is a curved sheet of ten dimensions than a flat one? Guess a
# ratio before you run it. Graded is a run of 800 steps, against a limit that no flat sheet can reach.

# %% given="train-autoencoder"
def train_autoencoder(net: nn.Module, loss_of: Callable, x: Tensor, steps: int, lr: float = 2e-3, label: str = ""):
    """Adam with batches of 64, constant for the first half and then linear to 0. loss_of(net, batch) is minimised."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1.0, 2 * (steps - i) / steps))
    generator = torch.Generator().manual_seed(0)

    def step(i):
        batch = x[torch.randint(len(x), (64,), generator=generator).to(x.device)]
        loss = loss_of(net, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    return train(step, steps, label=label)

# %% demo=true
def plain_loss(net, batch):
    return reconstruction_loss(batch, net(batch)[0])


def trained_bottleneck(m):
    """A deep autoencoder with a code of m numbers, trained on the digits."""
    with lab.seeded(f"X1 {m}"):
        net = BottleneckAutoencoder(784, lab.pick(quick=(256, 64), full=(1000, 500, 250)), m).to(lab.device)
    train_autoencoder(net, plain_loss, x_dev, lab.pick(smoke=300, quick=1200, full=20_000), label=f"m = {m}")
    return net


nets = {m: trained_bottleneck(m) for m in lab.pick(quick=(10, 2), full=(30, 10, 2))}
with torch.no_grad():
    error_of_net = {m: float(plain_loss(net, x_test_dev)) for m, net in nets.items()}
ratio = {m: error / pca_error[m] for m, error in error_of_net.items()}
for m, error in error_of_net.items():
    print(f"test error with {m} numbers: {error:.2f}, PCA {pca_error[m]:.2f}")
with check("Experiment X1: a bottleneck of ten") as expect:
    needed = lab.pick(smoke=1.05, quick=0.80)
    expect.true(ratio[10] < needed, f"the error is {ratio[10]:.3f} times PCA's, expected below {needed}",
        likely="no activation on the code and the output, but one behind every hidden layer; loss: exercise 2")
    expect.why(f"{ratio[10]:.2f} of PCA's error with ten numbers, {ratio[2]:.2f} with two.")

# %% test="exX1-bottleneck-test" points=4
with check("Experiment X1: your bottleneck autoencoder") as expect:
    x_hat, z = BottleneckAutoencoder(6, (4,), 2)(torch.zeros(3, 6))
    expect.finite(reconstruction_loss(torch.zeros(3, 6), x_hat), "the loss of zeros")
    expect.written("Graded by training 784-256-64-10-64-256-784 on digits with your network and your loss.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.experiment_bottleneck(BottleneckAutoencoder, reconstruction_loss)
### END HIDDEN TESTS

# %% demo=true
with torch.no_grad():
    picks = torch.stack([torch.nonzero(y_test == k)[0, 0] for k in range(10)])
    pca_ten = pca_decode(pca_encode(x_test[picks].double(), pca_mean, pca_W[:, :10]), pca_mean, pca_W[:, :10])
    rows = [x_test[picks], pca_ten.float(), *(nets[m](x_test_dev[picks])[0].cpu() for m in (10, 2))]
fig, axes = figure(4, 1, size=(8.2, 3.9))
for ax, images, name in zip(axes, rows, ("original", "PCA, 10", "network, 10", "network, 2"), strict=True):
    image_grid(images.reshape(-1, 28, 28), ncols=10, ax=ax, vmin=0, vmax=1)
    ax.text(-3, 14, name, ha="right", va="center", fontsize=9)
show(fig, "Ten test digits and what is left of them: PCA with ten numbers leaves ghosts of other strokes; the network "
    "with ten numbers writes clean lines; with two it guesses the kind of digit.")

# %% demo=true
with torch.no_grad():
    codes_2, codes_10 = (nets[m].encode(x_test_dev).cpu() for m in (2, 10))
    train_codes = {m: nets[m].encode(x_dev[:5000]).cpu() for m in (2, 10)}
count = lab.pick(smoke=300, quick=800)
flat_10 = tsne(codes_10[:count], steps=lab.pick(smoke=100, quick=400))
fig, (left, right) = figure(1, 2, size=(9.6, 4.2))
draw_codes(left, codes_2[:1000], y_test[:1000])
draw_codes(right, flat_10, y_test[:count], legend=True)
left.set(title="codes of two numbers", xlabel="$z_1$", ylabel="$z_2$")
right.set(title="codes of ten numbers, by t-SNE", xticks=[], yticks=[])
show(fig, "Codes of test digits, coloured by a label that was never used. With ten numbers t-SNE, which lays "
    "neighbours side by side, shows islands of one kind each; 4, 7 and 9 share a coast, and 3, 5 and 8 another.")
for m, codes in ((2, codes_2), (10, codes_10)):
    by_pca = neighbour_accuracy(pca_encode(x_train[:5000].double(), pca_mean, pca_W[:, :m]), y_train[:5000],
        pca_encode(x_test.double(), pca_mean, pca_W[:, :m]), y_test)
    found = neighbour_accuracy(train_codes[m], y_train[:5000], codes, y_test)
    print(f"{m:2d} numbers: 5 nearest neighbours tell the digit with accuracy {found:.2f} (PCA {by_pca:.2f})")

# %% [markdown]
# With two numbers the network's code says far more about the digit than PCA's. With ten the two are close, both about
# 0.9, although the network's pictures are much better: *a smaller error is not yet a more useful code*. What is
# useful depends on the task, and the loss did not know the task.
#
# **Novelty.** An autoencoder copies well what it has practised, and badly what it has never seen. So its error
# is an alarm. Here it looks at clothes.

# %% demo=true
clothes = torch.from_numpy(fashion_mnist().x_test.reshape(-1, 784)).float().to(lab.device) / 255
with torch.no_grad():
    known, novel = ((x - nets[10](x)[0]).pow(2).sum(dim=1).cpu() for x in (x_test_dev, clothes))
limit = float(known.quantile(0.95))
fig, ax = figure(size=(6.4, 3.0))
for values, name, k in ((known, "digits", 0), (novel, "clothes", 1)):
    ax.hist(values.clamp(max=250), bins=60, range=(0, 250), alpha=0.6, color=PALETTE[k], label=name)
ax.axvline(limit, color="black", linestyle=":", label="95 % of the digits")
ax.set(title="the error of the digit autoencoder", xlabel="squared error (everything above 250 in the last bin)")
ax.legend()
show(fig, "The same network on digits and on clothes. A limit that lets 95 % of the digits pass raises the alarm for "
    "most of the clothes.")
print(f"alarm for {float((novel > limit).float().mean()):.1%} of the clothes")

# %% [markdown]
# Compressing first pays elsewhere too. In *World models* (Ha and Schmidhuber 2018) an autoencoder turns the
# frames of a car race and of Doom into a few dozen numbers; the agent then learns to act on those codes, which is
# a far smaller problem than learning to see and to act at once.

# %% [markdown]
# ## 3 Denoising
#
# A bottleneck is one restriction. Here is another (Vincent et al. 2008): corrupt the input and ask for the
# *clean* picture,
#
# $$\tilde{\mathbf x}=\mathbf x+\boldsymbol\epsilon,\quad\epsilon_d\sim\mathcal N(0,\sigma^2),\qquad
# \mathcal L=E\lVert\mathbf x-g(f(\tilde{\mathbf x}))\rVert^2.$$
#
# Copying no longer pays. To tell noise from ink one must know what ink looks like, so a **denoising autoencoder**
# (DAE) learns features even without a bottleneck. Noise on the input is also a form of regularisation
# (chapter 04), and that is one way to see it. The better one: we know exactly *what it learns*.

# %% [markdown]
# The best denoiser under a squared error is a conditional mean, $d(\tilde{\mathbf x})=E[\mathbf x\mid\tilde{\mathbf
# x}]$. For Gaussian noise it has a closed form (Miyasawa 1961; Robbins and Tweedie; Raphan and Simoncelli 2011):
#
# $$d(\tilde{\mathbf x})=\tilde{\mathbf x}+\sigma^2\,\nabla_{\tilde{\mathbf x}}\log p_\sigma(\tilde{\mathbf x}).$$
#
# $p_\sigma$ is the density of the **corrupted** data, and the gradient of its logarithm is called the *score*. In
# words: one step uphill, towards where more data is, of $\sigma^2$ times the slope. Whoever trains a DAE
# learns the slope of the data's log density without ever writing the density down (Alain and Bengio 2014). Chapter
# 09 builds diffusion models on this line.
#
# *Proof.* $p_\sigma(\tilde{\mathbf x})=\int p(\mathbf x)\,\mathcal N(\tilde{\mathbf x}\mid\mathbf
# x,\sigma^2\mathbf I)\,d\mathbf x$, and the gradient of the normal density in $\tilde{\mathbf x}$ is the density
# times $(\mathbf x-\tilde{\mathbf x})/\sigma^2$. Divide by $p_\sigma$:
# $\nabla\log p_\sigma=(E[\mathbf x\mid\tilde{\mathbf x}]-\tilde{\mathbf x})/\sigma^2$. With $\sigma=0$ the
# denoiser is the identity.

# %% [markdown]
# **Exercise 3 · 12 points · ★★☆ · 45 min.** First the loss. Noise comes from a callable `randn_like`, which maps
# a tensor to standard-normal noise of the same shape, dtype and device; here you call it once, on `x`. Where you call
# a function that takes a `randn_like` itself, hand yours on. (The tests bring prepared noise, so that what is random
# can be compared digit by digit.)
#
# <details><summary>Hint: a question</summary>Which of the two, x or the corrupted x, does the denoiser see, and
# with which is its answer compared?</details>

# %% exercise="ex3-corrupt"
def corrupt(x: Tensor, sigma: float, randn_like: Callable = torch.randn_like) -> Tensor:
    """x plus independent normal noise of standard deviation sigma, in the shape of x.

    Calls randn_like(x) once. Raises ValueError if sigma < 0.
    """
    ### BEGIN SOLUTION
    if sigma < 0:
        raise ValueError(f"a standard deviation is not negative, sigma = {sigma}")
    return x + sigma * randn_like(x)
    ### END SOLUTION

# %% test="ex3-corrupt-test" points=2 exercise_no=3
with check("Exercise 3: corrupt") as expect:
    x, calls = torch.zeros(4, 3), []
    noisy = corrupt(x, 0.5, randn_like=lambda t: calls.append(1) or 2 + 0 * t)
    expect.equal(len(calls), 1, "how often randn_like was called",
        likely="the noise comes from the argument randn_like, called once, on x")
    expect.close(noisy, torch.ones(4, 3), "zeros, if every draw is 2, σ = 0.5", rtol=1e-6,
        likely="x + sigma * noise: sigma is the STANDARD DEVIATION")
    noise = corrupt(torch.zeros(20000, 2), 0.3)
    expect.true(abs(noise[0] - noise[1]).max() > 1e-6, "two rows must not get the same noise")
    expect.close(noise.std(), 0.3, "the standard deviation of the noise, σ = 0.3", rtol=0.05)
    expect.raises(ValueError, corrupt, x, -0.1, what="sigma = -0.1")
    expect.why("Noise that is drawn afresh for every batch: no network can learn it by heart.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.corrupt(corrupt)
### END HIDDEN TESTS

# %% exercise="ex3-dae-loss"
def dae_loss(denoiser: Callable, x: Tensor, sigma: float, randn_like: Callable = torch.randn_like) -> Tensor:
    """Mean over the batch of the squared error (summed over all dimensions) between x and the denoised noisy x.

    denoiser: maps the corrupted batch [B, ...] to estimates of the clean one, in the same shape
    Calls randn_like(x) once. Raises ValueError if sigma < 0.
    (Write the noise again instead of calling corrupt: a slip there then costs points once.)
    """
    ### BEGIN SOLUTION
    if sigma < 0:
        raise ValueError(f"a standard deviation is not negative, sigma = {sigma}")
    noisy = x + sigma * randn_like(x)
    return (x - denoiser(noisy)).pow(2).flatten(1).sum(dim=1).mean()
    ### END SOLUTION

# %% test="ex3-dae-loss-test" points=3 exercise_no=3
with check("Exercise 3: the denoising loss") as expect:
    x, calls = torch.zeros(4, 3), []
    ones = lambda t: calls.append(1) or torch.ones_like(t)
    idle = dae_loss(lambda t: t, x, 0.5, randn_like=ones)
    expect.equal(len(calls), 1, "how often randn_like was called",
        likely="the noise comes from the argument randn_like, called once, on x")
    expect.close(idle, 0.75, "the loss of the identity, every draw 1, σ = 0.5", rtol=1e-5,
        likely="three dimensions with the error 0.5² each: add them up, average over the batch; a 0 means that the "
        "denoiser saw the clean x, or was compared with what it saw")
    perfect = dae_loss(lambda t: t - 0.5, x, 0.5, randn_like=ones)
    expect.close(perfect, 0.0, "the loss of a perfect denoiser", atol=1e-6,
        likely="the denoiser sees x + sigma * noise and is compared with the CLEAN x")
    images = dae_loss(lambda t: t, torch.zeros(2, 1, 2, 2), 0.5, randn_like=ones)
    expect.close(images, 1.0, "the same for images of 2 × 2", rtol=1e-5, likely="ALL dimensions of an example count")
    expect.raises(ValueError, dae_loss, lambda t: t, x, -1.0, what="sigma = -1")
    expect.why("Doing nothing costs D σ²: whatever is below knows something about the data.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.dae_loss(dae_loss)
### END HIDDEN TESTS

# %% [markdown]
# Now the formula itself, on data whose density we know: a mixture $\sum_kw_k\mathcal N(\boldsymbol\mu_k, s^2\mathbf
# I)$. Adding noise adds variances, so the corrupted data is $p_\sigma=\sum_kw_k\mathcal N(\boldsymbol\mu_k,
# (s^2+\sigma^2)\mathbf I)$, and with the responsibilities of the components,
#
# $$r_k=\operatorname{softmax}_k\Big[\log w_k
# -\frac{\lVert\tilde{\mathbf x}-\boldsymbol\mu_k\rVert^2}{2(s^2+\sigma^2)}\Big],\qquad
# \nabla\log p_\sigma(\tilde{\mathbf x})=\sum_kr_k\,\frac{\boldsymbol\mu_k-\tilde{\mathbf x}}{s^2+\sigma^2}.$$
#
# <details><summary>Hint: a question</summary>xt is [B, D] and mu is [K, D]. Which shapes give all the differences
# [B, K, D] by broadcasting? Over which of these axes does the softmax run?</details>
# <details><summary>Hint 2</summary>log(0) is minus infinity, and the softmax of minus infinity is 0: a weight of 0
# needs no special case.</details>

# %% exercise="ex3-score"
def noisy_mixture_score(xt: Tensor, w: Tensor, mu: Tensor, s2: float, sigma: float) -> Tensor:
    """Gradient in xt of log p_sigma(xt), the log density of the corrupted mixture.

    xt: [B, D]; w: weights [K]; mu: means [K, D]; s2: variance of every component; sigma: std of the noise
    Returns [B, D].
    Raises ValueError if sigma < 0, if a weight is negative or they do not sum to 1 (to 1e-6), if s2 + sigma² = 0.
    """
    ### BEGIN SOLUTION
    if sigma < 0 or s2 + sigma**2 == 0:
        raise ValueError(f"sigma must not be negative and s2 + sigma² not 0: s2 = {s2}, sigma = {sigma}")
    if (w < 0).any() or abs(float(w.sum()) - 1) > 1e-6:
        raise ValueError("the weights must be a distribution")
    variance = s2 + sigma**2
    towards = mu - xt[:, None]  # [B, K, D]
    r = torch.softmax(w.log() - towards.pow(2).sum(dim=2) / (2 * variance), dim=1)  # [B, K]
    return torch.einsum("bk,bkd->bd", r, towards) / variance
    ### END SOLUTION

# %% test="ex3-score-test" points=4 exercise_no=3
with check("Exercise 3: the score of the noisy density") as expect:
    one, at_zero = torch.ones(1), torch.zeros(1, 1)
    expect.close(noisy_mixture_score(torch.tensor([[3.0]]), one, at_zero, 5.0, 1.0), [[-0.5]],
        "the score at 3 for one component N(0, 5), σ = 1", rtol=1e-5,
        likely="(μ - x) / (s² + σ²): noise ADDS its variance to that of the data")
    two, means = torch.tensor([0.5, 0.5]), torch.tensor([[-1.0], [1.0]])
    halfway = noisy_mixture_score(at_zero, two, means, 0.1, 0.2)
    expect.close(halfway, [[0.0]], "the score halfway between two equal peaks", atol=1e-6)
    xt = torch.tensor([[0.0, 1.0], [0.5, -1.0]])
    uneven, peaks = torch.tensor([0.2, 0.8]), torch.tensor([[-1.0, 0.0], [1.0, 0.5]])
    expect.close(noisy_mixture_score(xt, uneven, peaks, 0.5, 0.7), [[0.7148, -0.5789], [0.2098, 1.4413]],
        "the score of an uneven mixture in 2-D, σ = 0.7", rtol=1e-3,
        likely="softmax over the K components with log w_k; the SQUARED distance, summed over D and halved; s² + σ²")
    far = noisy_mixture_score(torch.tensor([[1000.0]]), two, means, 0.0, 1.0)
    expect.close(far, [[-999.0]], "the score at 1000, peaks at ±1", rtol=1e-4,
        likely="exp(-500 000) is 0 for every component: use softmax, which subtracts the maximum first")
    more = torch.tensor([0.5, 0.6])
    expect.raises(ValueError, noisy_mixture_score, at_zero, more, means, 1.0, 1.0, what="weights 0.5, 0.6")
    expect.raises(ValueError, noisy_mixture_score, at_zero, two, means, 0.0, 0.0, what="s2 = sigma = 0")
    expect.why("An arrow at every place, pointing to where more noisy data is.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.score(noisy_mixture_score)
### END HIDDEN TESTS

# %% [markdown]
# And the denoiser, $d(\tilde{\mathbf x})=\tilde{\mathbf x}+\sigma^2\nabla\log p_\sigma(\tilde{\mathbf x})$. For
# this mixture the formula can be turned into $d=\sum_kr_k\,\dfrac{s^2\tilde{\mathbf
# x}+\sigma^2\boldsymbol\mu_k}{s^2+\sigma^2}$: shrink towards the means of the likely components, the more the
# larger the noise. Either form is fine; write down what you need of the score again rather than calling it.

# %% exercise="ex3-denoiser"
def optimal_denoiser(xt: Tensor, w: Tensor, mu: Tensor, s2: float, sigma: float) -> Tensor:
    """E[x | xt], the best estimate of the clean point; arguments and refusals as for noisy_mixture_score.

    Returns [B, D].
    """
    ### BEGIN SOLUTION
    if sigma < 0 or s2 + sigma**2 == 0:
        raise ValueError(f"sigma must not be negative and s2 + sigma² not 0: s2 = {s2}, sigma = {sigma}")
    if (w < 0).any() or abs(float(w.sum()) - 1) > 1e-6:
        raise ValueError("the weights must be a distribution")
    variance = s2 + sigma**2
    distances = (xt[:, None] - mu).pow(2).sum(dim=2)  # [B, K]
    r = torch.softmax(w.log() - distances / (2 * variance), dim=1)
    return (s2 * xt + sigma**2 * r @ mu) / variance
    ### END SOLUTION

# %% test="ex3-denoiser-test" points=3 exercise_no=3
with check("Exercise 3: the optimal denoiser") as expect:
    one, at_zero = torch.ones(1), torch.zeros(1, 1)
    expect.close(optimal_denoiser(torch.tensor([[3.0]]), one, at_zero, 5.0, 1.0), [[2.5]],
        "3 observed, clean data N(0, 5), σ = 1", rtol=1e-5,
        likely="x + σ² · score, with the score of the NOISY data, whose variance is s² + σ²")
    expect.close(optimal_denoiser(torch.tensor([[5.0]]), one, at_zero, 4.0, 0.0), [[5.0]], "without noise", rtol=1e-6)
    two, means = torch.tensor([0.5, 0.5]), torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    expect.close(optimal_denoiser(torch.tensor([[0.9, 0.3]]), two, means, 0.0, 0.2), [[1.0, 0.0]],
        "near one of two points, s² = 0", rtol=1e-4, atol=1e-4, likely="all of the noise is taken away")
    xt = torch.tensor([[0.0, 1.0], [0.5, -1.0]])
    uneven, peaks = torch.tensor([0.2, 0.8]), torch.tensor([[-1.0, 0.0], [1.0, 0.5]])
    expect.close(optimal_denoiser(xt, uneven, peaks, 0.5, 0.7), [[0.3503, 0.7164], [0.6028, -0.2937]],
        "an uneven mixture in 2-D, σ = 0.7", rtol=1e-3, likely="the shares r_k of the score: softmax with log w_k")
    expect.raises(ValueError, optimal_denoiser, at_zero, one, at_zero, 1.0, -1.0, what="sigma = -1")
    expect.why("Shrinkage: half of the art of statistics, in one line.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.denoiser(optimal_denoiser)
### END HIDDEN TESTS

# %% [markdown]
# Does a *trained* denoiser find that field? A small network without any bottleneck (2-64-64-2) gets noisy points of
# the curve from section 2, and is asked for the clean ones.

# %% demo=true
with lab.seeded("field net"):
    field_net = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
optimizer, generator = torch.optim.Adam(field_net.parameters(), lr=3e-3), lab.generator("field")


def field_step(i):
    t = 2.6 * torch.rand(256, 1, generator=generator) - 1.3
    noise = torch.randn(256, 2, generator=generator)
    loss = dae_loss(field_net, torch.cat([t, t**2], dim=1), 0.25, randn_like=lambda x: noise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


train(field_step, lab.pick(smoke=200, quick=2000), label="denoiser")
grid = torch.cartesian_prod(torch.linspace(-1.8, 1.8, 11), torch.linspace(-0.7, 2.2, 9))
with torch.no_grad():
    arrows = field_net(grid) - grid
t = torch.linspace(-1.3, 1.3, 100)
fig, ax = figure(size=(6.4, 4.4))
ax.plot(t, t**2, color=COLOR["vermillion"], linewidth=4, linestyle="-", alpha=0.5, label="clean data")
ax.quiver(*grid.T, *arrows.T, angles="xy", scale_units="xy", scale=1.0, width=0.003, color=COLOR["blue"])
ax.set(title="what a denoiser has learned: $d(\\tilde x) - \\tilde x$", xlabel="$x_1$", ylabel="$x_2$")
ax.set(ylim=(-0.9, 2.7))
ax.legend(loc="upper center")
show(fig, "The arrows of a trained denoiser point to the curve from both sides and nearly vanish on it: σ² times the "
    "slope of the log density of the noisy data, which bends and ends pull a little inwards.")

# %% [markdown]
# **Widget 1: the field of the optimal denoiser**, by your own formulas. How long are the arrows at $\sigma=0$? What
# happens to the three peaks as $\sigma$ grows: do they stay where they are? The slope of the *noisy* density is what
# a denoiser knows, and that is not the slope of the data's.

# %% demo=true
field_means = torch.tensor([[-1.2, -0.6], [1.3, -0.4], [0.0, 1.2]])
field_weights = torch.tensor([0.3, 0.3, 0.4])


def draw_field(fig, sigma, s2):
    ax = fig.subplots()
    variance = max(s2 + sigma**2, 1e-3)
    axis = torch.linspace(-3, 3, 90)
    fine = torch.cartesian_prod(axis, axis)
    distances = (fine[:, None] - field_means).pow(2).sum(dim=2)
    logs = field_weights.log() - distances / (2 * variance) - math.log(2 * math.pi * variance)
    height = torch.logsumexp(logs, dim=1).reshape(90, 90).T
    ax.contourf(axis, axis, height.clamp(min=float(height.max()) - 12), levels=14, cmap="cividis", alpha=0.6)
    coarse = torch.cartesian_prod(torch.linspace(-2.8, 2.8, 11), torch.linspace(-2.8, 2.8, 11))
    if s2 + sigma**2 > 0:
        step = optimal_denoiser(coarse, field_weights, field_means, s2, sigma) - coarse
        ax.quiver(*coarse.T, *step.T, angles="xy", scale_units="xy", scale=1.0, width=0.003)
    ax.plot(*field_means.T, "*", color=COLOR["vermillion"], markersize=11)
    ax.set(title=f"log density of the noisy data, σ = {sigma:.2f}", xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    ax.set(xlim=(-3, 3), ylim=(-3, 3))


explore(draw_field, "Log density of the corrupted data (bright is high), and the steps of the optimal denoiser: from "
    "every place to the mean of the clean points that could have become it. The stars are the means of the clean data.",
    size=(5.0, 4.5), sigma=Slider(0.0, 2.0, 0.6, 0.05, "σ of the noise"),
    s2=Slider(0.0, 0.5, 0.1, 0.01, "s² of the data"))

# %% [markdown]
# ## 4 Variance digits
#
# Now a data set that is built to fool us. Take a digit as a *mask* $\mathbf m\in[0,1]^D$ and multiply it, pixel by
# pixel, with fresh noise:
#
# $$\mathbf x=\mathbf m\odot\boldsymbol\epsilon,\qquad\boldsymbol\epsilon\sim\mathcal N(0,\mathbf I).$$
#
# These are the **clean** data. People read them at once. But the *mean* of every pixel is zero whatever the digit:
# the digit is written in the variances. A squared-error autoencoder with a code of ten numbers cannot carry a few
# hundred random signs, and given the shape the best guess for each pixel is 0. So it has no reason to care for shapes
# at all. Would a DAE or a VAE, with the same ten numbers? Note down your guess; experiment X2 has the answer.

# %% [markdown]
# What could a denoiser do here? If it knew the mask, each pixel would be one number $x_d\sim\mathcal N(0,m_d^2)$ in
# noise of variance $\sigma^2$, and the best estimate would be a *gain* times what came,
#
# $$E[x_d\mid\tilde x_d,\mathbf m]=\frac{m_d^2}{m_d^2+\sigma^2}\,\tilde x_d\;,\qquad
# E[x_d\mid\tilde{\mathbf x}]=E\Big[\frac{m_d^2}{m_d^2+\sigma^2}\,\Big|\,\tilde{\mathbf x}\Big]\,\tilde x_d .$$
#
# The second formula, without the mask, is exact too: *shape decides the gain, and the random value passes straight
# through*. So we build the denoiser that way: the code gives a gate for every pixel,
# $\hat{\mathbf x}=\tilde{\mathbf x}\odot\operatorname{sigmoid}(g(\mathbf z))$ with $\mathbf z=f(\tilde{\mathbf x})$.
# Without that direct path, a DAE would have to squeeze random signs through ten numbers, and fail like a plain AE.
# (It plays the part of the skip connections of a U-net, or of the ladder in section 8.)

# %% [markdown]
# **Exercise 4 · 9 points · ★★☆ · 30 min.** The data, the gain, and two yardsticks for the experiment:
# the best gain that is the *same for all images*, and the gain of an oracle that knows each mask. With
# $a_d=\frac1N\sum_im_{id}^2$ their expected losses are
#
# $$\text{fixed: }\sum_d\frac{a_d\,\sigma^2}{a_d+\sigma^2},\qquad
# \text{oracle: }\frac1N\sum_i\sum_d\frac{m_{id}^2\,\sigma^2}{m_{id}^2+\sigma^2}.$$
#
# A gain $g$ on a pixel of variance $a$ costs $(1-g)^2a+g^2\sigma^2$; the best one is $a/(a+\sigma^2)$.
#
# <details><summary>Hint: a question</summary>What is 0 / 0 in torch, and where does it turn up for a black pixel
# and σ = 0? What should gain and loss be there?</details>

# %% exercise="ex4-variance-digits"
def variance_digits(mask: Tensor, randn_like: Callable = torch.randn_like) -> Tensor:
    """Every pixel of the mask [B, D], in [0, 1], times its own standard-normal draw: the mask is the std.

    Calls randn_like(mask) once, so the noise is new at each call. Raises ValueError if a value leaves [0, 1].
    """
    ### BEGIN SOLUTION
    if mask.min() < 0 or mask.max() > 1:
        raise ValueError("the mask must lie in [0, 1]")
    return mask * randn_like(mask)
    ### END SOLUTION

# %% test="ex4-variance-digits-test" points=2 exercise_no=4
with check("Exercise 4: variance digits") as expect:
    mask = torch.tensor([[0.0, 0.5, 1.0]])
    calls = []
    pixels = variance_digits(mask, randn_like=lambda t: calls.append(1) or -2 + 0 * t)
    expect.equal(len(calls), 1, "how often randn_like was called",
        likely="the noise comes from the argument randn_like, called once, on the mask")
    expect.close(pixels, [[0.0, -1.0, -2.0]], "masks 0, 0.5, 1, every draw -2", rtol=1e-6, atol=1e-7,
        likely="mask TIMES noise: the mask is the standard deviation")
    many = variance_digits(mask.expand(20000, 3))
    expect.close(many.std(dim=0), [0.0, 0.5, 1.0], "the standard deviations over 20 000 rows", rtol=0.05, atol=1e-6)
    expect.true(abs((many[:, 1] * many[:, 2]).mean()) < 0.05, "pixels must get noise of their own: these go together")
    expect.raises(ValueError, variance_digits, mask + 0.1, what="a mask with 1.1")
    expect.why("All the information of a digit, and not a trace of it in any mean.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.variance_digits(variance_digits)
### END HIDDEN TESTS

# %% exercise="ex4-wiener-gain"
def wiener_gain(mask: Tensor, sigma: float) -> Tensor:
    """The best gain m² / (m² + sigma²) for every pixel, [B, D]; 0 where m = 0 (also for sigma = 0).

    Raises ValueError if the mask leaves [0, 1] or sigma < 0.
    """
    ### BEGIN SOLUTION
    if mask.min() < 0 or mask.max() > 1 or sigma < 0:
        raise ValueError("the mask must lie in [0, 1] and sigma must not be negative")
    power = mask**2
    return torch.where(mask == 0, torch.zeros_like(mask), power / (power + sigma**2))
    ### END SOLUTION

# %% test="ex4-wiener-gain-test" points=2 exercise_no=4
with check("Exercise 4: the gain") as expect:
    gain = wiener_gain(torch.tensor([[0.0, 0.5, 1.0]]), 0.5)
    expect.close(gain, [[0.0, 0.5, 0.8]], "the gain for m = 0, 0.5, 1, σ = 0.5", rtol=1e-6,
        likely="m² / (m² + σ²): variances, not standard deviations")
    expect.equal(wiener_gain(torch.tensor([[0.0, 0.5]]), 0.0), [[0.0, 1.0]], "the gain without noise",
        likely="0 / 0 is nan: set the gain to 0 where m = 0")
    expect.raises(ValueError, wiener_gain, torch.tensor([[0.5]]), -1.0, what="sigma = -1")
    expect.why("Norbert Wiener's filter of 1942, one pixel at a time: believe what is loud, mute what is not.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.wiener_gain(wiener_gain)
### END HIDDEN TESTS

# %% exercise="ex4-yardsticks"
def fixed_gain_loss(masks: Tensor, sigma: float) -> Tensor:
    """Expected squared error (summed over pixels) of the best gain per pixel that is the same for all images.

    masks: [N, D] in [0, 1]. Returns a 0-dim tensor; terms with a_d = sigma = 0 count 0.
    Raises ValueError if a mask leaves [0, 1] or sigma < 0.
    """
    ### BEGIN SOLUTION
    if masks.min() < 0 or masks.max() > 1 or sigma < 0:
        raise ValueError("masks must lie in [0, 1] and sigma must not be negative")
    power = masks.pow(2).mean(dim=0)  # [D]
    return (power * sigma**2 / (power + sigma**2)).nan_to_num(0.0).sum()
    ### END SOLUTION


def oracle_loss(masks: Tensor, sigma: float) -> Tensor:
    """The same if the gain may be chosen for each image by its true mask: mean over images, summed over pixels."""
    ### BEGIN SOLUTION
    if masks.min() < 0 or masks.max() > 1 or sigma < 0:
        raise ValueError("masks must lie in [0, 1] and sigma must not be negative")
    power = masks.pow(2)
    return (power * sigma**2 / (power + sigma**2)).nan_to_num(0.0).sum(dim=1).mean()
    ### END SOLUTION

# %% test="ex4-yardsticks-test" points=3 exercise_no=4
with check("Exercise 4: two yardsticks") as expect:
    ones = torch.ones(3, 784)
    expect.close(fixed_gain_loss(ones, 1.0), 392.0, "the fixed gain for masks of ones, D = 784, σ = 1", rtol=1e-5,
        likely="add up over the pixels: 784 · 1 · 1 / (1 + 1)")
    expect.close(oracle_loss(ones, 1.0), 392.0, "the oracle for the same masks", rtol=1e-5,
        likely="the sum over pixels, the MEAN over images")
    grey = torch.tensor([[0.5, 1.0]])
    expect.close(fixed_gain_loss(grey, 0.5), 0.325, "the fixed gain for one mask (0.5, 1), σ = 0.5", rtol=1e-5,
        likely="a_d is the mean of m SQUARED, and σ is squared")
    expect.close(oracle_loss(grey, 0.5), 0.325, "the oracle for the same mask", rtol=1e-5,
        likely="m and σ are SQUARED")
    halves = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    fixed = fixed_gain_loss(halves, 1.0)
    expect.close(fixed, 2 / 3, "the fixed gain for the masks (1, 0) and (0, 1), σ = 1", rtol=1e-5,
        likely="a_d is the mean over the images of m², here 1/2")
    expect.close(oracle_loss(halves, 1.0), 0.5, "the oracle for the same masks", rtol=1e-5)
    expect.close(oracle_loss(halves, 0.0), 0.0, "the oracle without noise", atol=1e-9,
        likely="0 / 0: a black pixel and σ = 0 count 0")
    expect.close(fixed_gain_loss(halves[:1], 0.0), 0.0, "the fixed gain without noise", atol=1e-9,
        likely="0 / 0: a pixel that is black in all images and σ = 0 count 0")
    for loss in (fixed_gain_loss, oracle_loss):
        expect.raises(ValueError, loss, grey + 0.1, 1.0, what="a mask with 1.1")
        expect.raises(ValueError, loss, grey, -1.0, what="sigma = -1")
    expect.why("Between these two numbers lies everything that knowing the shape is worth.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.yardsticks(fixed_gain_loss, oracle_loss)
### END HIDDEN TESTS

# %% given="with-linear"
def with_linear(cls, inward: tuple, outward: tuple, *settings):
    """A model of your class around two linear layers of these sizes: (model, encoder, decoder)."""
    encoder, decoder = nn.Linear(*inward), nn.Linear(*outward)
    return cls(encoder, decoder, *settings), encoder, decoder

# %% exercise="ex4-gated-dae"
class GatedDAE(nn.Module):
    """z = encoder(xt), x_hat = xt * sigmoid(decoder(z)): the code decides a gain for every pixel.

    The two modules are kept as self.encoder and self.decoder.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        ### BEGIN SOLUTION
        self.encoder, self.decoder = encoder, decoder
        ### END SOLUTION

    def forward(self, xt: Tensor) -> tuple[Tensor, Tensor]:
        """xt: noisy data [B, D]. Returns (x_hat [B, D], z [B, m])."""
        ### BEGIN SOLUTION
        z = self.encoder(xt)
        return xt * torch.sigmoid(self.decoder(z)), z
        ### END SOLUTION

# %% test="ex4-gated-dae-test" points=2 exercise_no=4
with check("Exercise 4: the gated denoiser") as expect:
    net, encoder, decoder = with_linear(GatedDAE, (3, 2), (2, 3))
    xt = torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -4.0]])
    x_hat, z = net(xt)
    expect.close(z, encoder(xt), "z, compared with encoder(xt)", rtol=1e-5)
    expect.close(x_hat, xt * torch.sigmoid(decoder(encoder(xt))), "x_hat", rtol=1e-5,
        likely="the NOISY input times the gate; sigmoid makes the decoder's numbers a gain between 0 and 1")
    expect.equal(len(list(net.parameters())), 4, "the number of parameters", likely="store both modules on self")
    expect.why("Ten numbers decide 784 gains; the values themselves take the other way.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.gated_dae(GatedDAE)
### END HIDDEN TESTS

# %% demo=true
variance_train, generator = x_train[:8], lab.generator("variance digits")
with lab.seeded("variance digits"):
    shown = variance_digits(variance_train)
    again = variance_digits(variance_train[:1].expand(8, -1))
fig, axes = figure(3, 1, size=(7.4, 3.3))
rows = (variance_train, shown, again)
for ax, images, name in zip(axes, rows, ("masks", "variance digits", "one mask"), strict=True):
    image_grid(images.reshape(-1, 28, 28), ncols=8, ax=ax, cmap="gray" if ax is axes[0] else DIVERGING,
        vmin=0 if ax is axes[0] else -2.5, vmax=1 if ax is axes[0] else 2.5)
    ax.text(-3, 14, name, ha="right", va="center", fontsize=9)
show(fig, "Top: digits as masks. Middle: variance digits, orange and purple noise where the ink was; we read them "
    "without effort. Bottom: one mask eight times. No two pixels agree, and their mean is nothing.")

# %% [markdown]
# ## 5 Hidden causes: EM and the free energy
#
# An autoencoder copies. It cannot make a *new* digit: nobody said which codes are likely, so decoding a random code
# is a stab in the dark. A **generative model** says how the data came about: it stands for a density
# $p(\mathbf x)$, and one can draw from it. Learning means bringing $p_{\text{model}}$ close to $p_{\text{data}}$.
# *Explicit* models write the density down, exactly (autoregressive models, flows) or up to a bound or a sampler
# (VAE, Boltzmann machine); *implicit* ones only draw (GAN). Besides pictures, people use them for
# super-resolution, for colouring, and for planning: a robot that can draw possible futures can choose among
# them.

# %% demo=true
tree = {
    "generative models": ((4.6, 3.0), None),
    "explicit density": ((2.9, 2.1), "generative models"), "implicit density": ((8.0, 2.1), "generative models"),
    "tractable": ((1.1, 1.2), "explicit density"), "approximate": ((4.6, 1.2), "explicit density"),
    "autoregressive:\nPixelRNN, PixelCNN\n(chapter 10)": ((0.0, 0.0), "tractable"),
    "change of variables:\nflows\n(chapter 11)": ((2.0, 0.0), "tractable"),
    "variational:\nVAE\n(here)": ((3.9, 0.0), "approximate"),
    "Markov chain:\nBoltzmann machine": ((5.6, 0.0), "approximate"),
    "direct:\nGAN\n(chapter 12)": ((7.3, 0.0), "implicit density"),
    "Markov chain:\ngenerative\nstochastic network": ((8.9, 0.0), "implicit density"),
}  # fmt: skip
fig, ax = figure(size=(9.8, 3.6))
for name, ((x, y), parent) in tree.items():
    if parent:
        ax.plot([x, tree[parent][0][0]], [y, tree[parent][0][1]], color="#888888", linestyle="-", zorder=1)
    face = COLOR["yellow"] if "VAE" in name else "white"
    box = {"boxstyle": "round", "facecolor": face, "edgecolor": "#444444"}
    ax.text(x, y, name, ha="center", va="center", fontsize=8.5, bbox=box)
ax.set(xlim=(-1, 9.8), ylim=(-0.6, 3.4))
ax.axis("off")
show(fig, "Generative models by what they do with the density: write it down exactly, approximate it, or only draw "
    "from it. This chapter takes the yellow branch.")

# %% [markdown]
# The oldest explicit model with a hidden cause: choose a component $z\in\{1,\dots,K\}$ with probability $w_z$, then
# draw $x\sim\mathcal N(\mu_z,\sigma_z^2)$,
#
# $$p(x\mid\theta)=\sum_kw_k\,\mathcal N(x\mid\mu_k,\sigma_k^2),\qquad\theta=(w,\mu,\sigma).$$
#
# For $K=2$ that is six numbers, five of them free. Which are most likely? If we knew every $z_i$, each component
# would take mean and deviation of its own points. If we knew $\theta$, Bayes' rule would tell how likely each $z_i$
# is. **Expectation maximisation** (Dempster, Laird and Rubin 1977) goes back and forth:
#
# - *E-step*: $r_{ik}=p(z_i=k\mid x_i,\theta)\propto w_k\,\mathcal N(x_i\mid\mu_k,\sigma_k^2)$, the
#   *responsibilities*;
# - *M-step*: with $N_k=\sum_ir_{ik}$ set $w_k=\frac{N_k}N$, $\mu_k=\frac1{N_k}\sum_ir_{ik}x_i$,
#   $\sigma_k^2=\frac1{N_k}\sum_ir_{ik}(x_i-\mu_k)^2$ with the *new* mean.

# %% [markdown]
# **Exercise 5 · 12 points · ★★☆ · 50 min.** Four short functions. Here `sd` is a standard deviation; all weights
# are positive. Logarithms keep far-away points finite:
# $\log\mathcal N(x\mid\mu,\sigma^2)=-\tfrac12\log2\pi-\log\sigma-\frac{(x-\mu)^2}{2\sigma^2}$.
#
# <details><summary>Hint: a question</summary>All of r_ik = softmax over k of what? Which axis is k, if
# <code>x[:, None] - mu</code> has shape [N, K]?</details>

# %% exercise="ex5-e-step"
def e_step(x: Tensor, w: Tensor, mu: Tensor, sd: Tensor) -> Tensor:
    """Responsibilities r [N, K] of the components for the points: rows sum to 1, also far from all means.

    x: [N]; w, mu, sd: weights, means, standard deviations, all [K]. ValueError if the three shapes differ.
    """
    ### BEGIN SOLUTION
    if not w.shape == mu.shape == sd.shape:
        raise ValueError("w, mu and sd must have the same shape")
    log_joint = w.log() - sd.log() - ((x[:, None] - mu) / sd).pow(2) / 2  # [N, K], up to a constant
    return torch.softmax(log_joint, dim=1)
    ### END SOLUTION

# %% test="ex5-e-step-test" points=3 exercise_no=5
with check("Exercise 5: the E-step") as expect:
    x, w = torch.tensor([0.0, 1.0, -1e4]), torch.tensor([0.25, 0.75])
    mu, sd = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0])
    r = e_step(x, w, mu, sd)
    expect.shape(r, (3, 2), "the responsibilities of 3 points, K = 2")
    expect.close(r.sum(dim=1), torch.ones(3), "the sums of the rows", rtol=1e-5,
        likely="normalise over the components; far away every density is 0, so stay with logarithms: softmax")
    expect.close(r[0, 0], 0.25 / (0.25 + 0.75 * math.exp(-0.5)), "the share of the first component in x = 0", rtol=1e-5,
        likely="w_k times the density: the weights count too; and shares, not all for the larger one")
    narrow = e_step(torch.zeros(1), torch.tensor([0.5, 0.5]), torch.zeros(2), torch.tensor([0.5, 2.0]))
    expect.close(narrow, [[0.8, 0.2]], "two components with one mean, sd 0.5 and 2, at their mean", rtol=1e-5,
        likely="the narrow one is four times as high: do not forget -log sd")
    beside = e_step(torch.ones(1), torch.tensor([0.5, 0.5]), torch.zeros(2), torch.tensor([0.5, 2.0]))
    expect.close(beside, [[0.3802, 0.6198]], "the same at x = 1", rtol=1e-3,
        likely="(x - mu)² / (2 sd²): sd is squared")
    expect.raises(ValueError, e_step, x, w[:1], mu, sd, what="one weight for two means")
    expect.why("A point is not given to one component, it is shared.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.e_step(e_step)
### END HIDDEN TESTS

# %% exercise="ex5-m-step"
def m_step(x: Tensor, r: Tensor, min_sd: float = 1e-3) -> tuple[Tensor, Tensor, Tensor]:
    """The parameters w, mu, sd (all [K]) that fit the points x [N] best under the responsibilities r [N, K].

    Every component has some share (N_k > 0); sd is not allowed below min_sd. ValueError if r does not have N rows.
    """
    ### BEGIN SOLUTION
    if r.ndim != 2 or len(r) != len(x):
        raise ValueError(f"r must have {len(x)} rows, its shape is {tuple(r.shape)}")
    count = r.sum(dim=0)  # [K]
    mu = r.T @ x / count
    variance = (r * (x[:, None] - mu).pow(2)).sum(dim=0) / count
    return count / len(x), mu, variance.sqrt().clamp(min=min_sd)
    ### END SOLUTION

# %% test="ex5-m-step-test" points=3 exercise_no=5
with check("Exercise 5: the M-step") as expect:
    x = torch.tensor([0.0, 2.0, 5.0, 5.0, 5.0], dtype=torch.float64)
    hard = torch.eye(2, dtype=torch.float64)[torch.tensor([0, 0, 1, 1, 1])]
    w, mu, sd = m_step(x, hard)
    expect.close(w, [0.4, 0.6], "the weights", rtol=1e-5, likely="N_k / N: they sum to 1")
    expect.close(mu, [1.0, 5.0], "the means", rtol=1e-5, likely="divide by N_k, the sum of the responsibilities")
    expect.close(sd, [1.0, 1e-3], "the standard deviations", rtol=1e-4,
        likely="around the NEW mean, divided by N_k; the second one has no spread and stops at min_sd")
    _, _, wide = m_step(torch.tensor([0.0, 4.0]), torch.ones(2, 1))
    expect.close(wide, [2.0], "the standard deviation of 0 and 4", rtol=1e-5, likely="the square root of the variance")
    expect.raises(ValueError, m_step, x, hard[:4], what="4 rows for 5 points")
    expect.why("Weighted means: the same formulas as with known labels, with shares in place of memberships.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.m_step(m_step)
### END HIDDEN TESTS

# %% exercise="ex5-log-lik"
def log_lik(x: Tensor, w: Tensor, mu: Tensor, sd: Tensor) -> Tensor:
    """log p(X | theta) in nats, SUMMED over the points x [N]; finite also far from all means. A 0-dim tensor.

    ValueError if the shapes of w, mu, sd differ.
    """
    ### BEGIN SOLUTION
    if not w.shape == mu.shape == sd.shape:
        raise ValueError("w, mu and sd must have the same shape")
    log_normal = -0.5 * math.log(2 * math.pi) - sd.log() - ((x[:, None] - mu) / sd).pow(2) / 2
    return torch.logsumexp(w.log() + log_normal, dim=1).sum()
    ### END SOLUTION

# %% test="ex5-log-lik-test" points=3 exercise_no=5
with check("Exercise 5: the log-likelihood") as expect:
    one = torch.ones(1)
    both = log_lik(torch.zeros(2), one, torch.zeros(1), one)
    expect.close(both, -1.837877, "two points at the mean of N(0, 1)", rtol=1e-5,
        likely="each costs ½ log 2π = 0.919; the sum over the points, not the mean")
    halves, same_place = torch.tensor([0.5, 0.5]), torch.zeros(2)
    both = log_lik(torch.zeros(2), halves, same_place, torch.ones(2))
    expect.close(both, -1.837877, "the same, in two equal halves", rtol=1e-5,
        likely="the logarithm of the SUM over the components: logsumexp")
    expect.finite(log_lik(torch.tensor([1e4]), halves, same_place, torch.ones(2)), "the log-likelihood of x = 10 000",
        likely="log(0) if the densities are computed first")
    two_points, shares = torch.tensor([0.0, 3.0]), torch.tensor([0.3, 0.7])
    means, spreads = torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 2.0])
    expect.close(log_lik(two_points, shares, means, spreads), -4.2386, "two points, sd 0.5 and 2", rtol=1e-4,
        likely="log w_k and -log σ_k in each term, and the logarithm of the SUM over k: logsumexp")
    expect.why("The sum stands inside the logarithm. That is why there is no closed form, and why EM was invented.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.log_lik(log_lik)
### END HIDDEN TESTS

# %% [markdown]
# Why does it work? Take *any* distributions $q_i$ over the hidden causes and look at the expected log joint plus the
# entropy of $q$, the **free energy**
#
# $$\mathcal F(q,\theta)=\sum_{ik}q_{ik}\big[\log w_k+\log\mathcal N(x_i\mid\mu_k,\sigma_k^2)-\log q_{ik}\big]
# =\log p(X\mid\theta)-\sum_iD_{KL}\big(q_i\,\Vert\,p(z_i\mid x_i,\theta)\big).$$
#
# (Split the joint, $p(x_i,z_i)=p(z_i\mid x_i)\,p(x_i)$, to see the second form; $0\log0=0$.) A KL divergence is
# never negative, so $\mathcal F$ is a *lower bound* of the log-likelihood, tight where $q$ is the posterior. EM
# climbs $\mathcal F$ in turns (Neal and Hinton 1998): the E-step raises it in $q$ until it touches the likelihood,
# the M-step raises it in $\theta$. So the likelihood *never falls*. It ends in a local maximum, which one depends
# on the start.

# %% exercise="ex5-free-energy"
def free_energy(x: Tensor, q: Tensor, w: Tensor, mu: Tensor, sd: Tensor) -> Tensor:
    """F(q, theta) in nats, summed over the points; q [N, K] may hold exact zeros. A 0-dim tensor.

    ValueError if shapes disagree or a row of q does not sum to 1 (to 1e-5).
    """
    ### BEGIN SOLUTION
    if not w.shape == mu.shape == sd.shape or q.shape != (len(x), len(w)):
        raise ValueError("q must have shape [N, K], and w, mu, sd shape [K]")
    if (q.sum(dim=1) - 1).abs().max() > 1e-5:
        raise ValueError("every row of q must sum to 1")
    log_normal = -0.5 * math.log(2 * math.pi) - sd.log() - ((x[:, None] - mu) / sd).pow(2) / 2
    return (q * (w.log() + log_normal)).sum() - torch.xlogy(q, q).sum()
    ### END SOLUTION

# %% test="ex5-free-energy-test" points=3 exercise_no=5
with check("Exercise 5: the free energy") as expect:
    x, w = torch.tensor([0.0, 0.0]), torch.tensor([0.5, 0.5])
    mu, sd = torch.zeros(2), torch.ones(2)
    even = torch.full((2, 2), 0.5)
    touching = free_energy(x, even, w, mu, sd)
    expect.close(touching, -1.837877, "F where q is the posterior, two points at the mean", rtol=1e-5,
        likely="there F is the log-likelihood, SUMMED over the points; MINUS q log q: the entropy is added")
    one_hot = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    expect.close(free_energy(x, one_hot, w, mu, sd), -1.837877 - 2 * math.log(2), "F for a one-hot q", rtol=1e-5,
        likely="0 log 0 is 0, not nan: torch.xlogy(q, q) knows it")
    shares, q = torch.tensor([0.3, 0.7]), torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    means, spreads = torch.tensor([-1.0, 2.0]), torch.tensor([0.5, 2.0])
    uneven = free_energy(torch.tensor([0.0, 3.0]), q, shares, means, spreads)
    expect.close(uneven, -10.8691, "F, sd 0.5 and 2", rtol=1e-4,
        likely="q is the one that is given, not the posterior; log N has a term -log σ")
    expect.raises(ValueError, free_energy, x, 0.4 + 0 * even, w, mu, sd, what="rows of q that sum to 0.8")
    expect.why("Log-likelihood minus KL: remember this line, the VAE is nothing else.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.free_energy(free_energy)
### END HIDDEN TESTS

# %% demo=true
generator = lab.generator("mixture")
x_mix = torch.cat([-2 + 0.5 * torch.randn(300, generator=generator), 1.5 + 0.8 * torch.randn(200, generator=generator)])
w, mu, sd = torch.tensor([0.5, 0.5]), torch.tensor([-0.5, 0.5]), torch.tensor([1.0, 1.0])
stages, curve = {0: (w, mu, sd)}, []
for rounds in range(1, 21):
    r = e_step(x_mix, w, mu, sd)
    curve += [(rounds - 0.5, float(log_lik(x_mix, w, mu, sd)), float(free_energy(x_mix, r, w, mu, sd)))]
    w, mu, sd = m_step(x_mix, r)
    curve += [(rounds, float(log_lik(x_mix, w, mu, sd)), float(free_energy(x_mix, r, w, mu, sd)))]
    stages[rounds] = (w, mu, sd)
line = torch.linspace(-4.5, 4.5, 300)
fig = blank((9.8, 4.4))
axes = fig.subplot_mosaic([["0", "1", "2"], ["5", "20", "F"]])
for rounds in (0, 1, 2, 5, 20):
    w, mu, sd = stages[rounds]
    ax = axes[str(rounds)]
    ax.hist(x_mix, bins=40, density=True, color="#CCCCCC")
    parts = w * torch.exp(-(((line[:, None] - mu) / sd) ** 2) / 2) / (sd * math.sqrt(2 * math.pi))
    for k in range(2):
        ax.plot(line, parts[:, k])
    ax.set(title=f"round {rounds}", yticks=[], ylim=(0, 0.55))
steps, likelihood, energy = zip(*curve, strict=True)
axes["F"].plot(steps, likelihood, label="log-likelihood")
axes["F"].plot(steps, energy, label="free energy", marker="o", markersize=2.5)
axes["F"].set(title="both climb", xlabel="round", xlim=(0.8, 6.2), ylim=(-980, -785))
axes["F"].legend()
show(fig, "EM on 500 points from two normal distributions, started in the middle. Bottom right: after each E-step "
    "(half rounds) the free energy touches the log-likelihood; each M-step lifts both.")

# %% [markdown]
# ### Continuous causes
#
# Replace the component number by a vector and the table of means by a network:
# $\mathbf z\sim\mathcal N(0,\mathbf I)$, $\mathbf x=g(\mathbf z,\theta)+\boldsymbol\varepsilon$ with
# $\boldsymbol\varepsilon\sim\mathcal N(0,\sigma^2\mathbf I)$. This **deep latent-variable model** can bend a normal
# cloud into any shape. But its likelihood
#
# $$\log p(\mathbf X\mid\theta)=\sum_i\log\int p(\mathbf x_i\mid\mathbf z_i,\theta)\,p(\mathbf z_i)\,d\mathbf z_i$$
#
# is an integral through a network, and nobody can do it for more than a few dimensions; so the posterior
# $p(\mathbf z\mid\mathbf x)=p(\mathbf x\mid\mathbf z)p(\mathbf z)/p(\mathbf x)$ is out of reach too, and with it the
# E-step.
#
# The way out: choose $q$ from a simple family, $q(\mathbf z_i)=\mathcal N(\mu_{z_i},\sigma_{z_i}^2)$, and raise
# $\mathcal F$ as far as it goes. Raising it in $q$ *is* lowering $D_{KL}(q\Vert p(\mathbf z\mid\mathbf x))$: an
# approximate E-step. That is the **variational approximation**; with one pair of numbers per example and latent
# dimension Lappalainen and Honkela (2000) trained the first nonlinear models of this kind.

# %% [markdown]
# **Widget 2: the posterior of a toy decoder**, $x=g(z)+\varepsilon$ with $g(z)=z+a\sin2z$. With one dimension every
# integral can be done on a grid.
#
# 1. How many modes of $p(z\mid x=1.6)$ can you see, how many of $p(z\mid x=0)$?
# 2. Move $q$ by hand. What happens to the bound, what to the KL, what to their sum?
# 3. Tick *fit q*: it climbs from where your sliders stand. Where does it settle from a mean of 0, of 1.5, of 3?
# 4. With the fit on, for which bend $a$ does the KL vanish, and why?
#
# <details><summary>What to find</summary>Three at 1.6, near 0.44, 1.53 and (small) 2.70; one at 0, where two more are a
# thousand times lower. The sum is log p(x), which does not know q. From 0, 1.5 and 3 the fit ends in the nearest mode,
# with a KL of about 0.4, 1.1 and 4. At a = 0 the posterior is normal itself.</details>

# %% demo=true
z_axis = torch.linspace(-6, 6, 2001, dtype=torch.float64)
dz = float(z_axis[1] - z_axis[0])
log_prior = -(z_axis**2) / 2 - math.log(2 * math.pi) / 2


def log_normal(x, mean, sd):
    return -((x - mean) ** 2) / (2 * sd**2) - math.log(sd) - math.log(2 * math.pi) / 2


def toy_bound(mean, log_sd, log_joint):
    """Free energy of q = N(mean, exp(log_sd)^2) by quadrature; q is normalised on the grid."""
    log_q = torch.log_softmax(-((z_axis - mean) ** 2) / (2 * torch.exp(2 * log_sd)), dim=0) - math.log(dz)
    return (log_q.exp() * (log_joint - log_q)).sum() * dz, log_q.exp()


def toy_posterior(fig, a, sigma, x, mean, log_sd, fit):
    g = z_axis + a * torch.sin(2 * z_axis)
    log_joint = log_normal(x, g, sigma) + log_prior
    evidence = torch.logsumexp(log_joint, dim=0) + math.log(dz)
    m, s = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (mean, log_sd))
    if fit:
        optimizer = torch.optim.Adam([m, s], lr=0.05)
        for _ in range(200):
            optimizer.zero_grad()
            (-toy_bound(m, s, log_joint)[0]).backward()
            optimizer.step()
    m, s = m.detach(), s.detach()
    bound, q = toy_bound(m, s, log_joint)
    axes = fig.subplots(1, 3, width_ratios=(1.2, 1.4, 0.8))
    x_axis = torch.linspace(-5, 5, 250, dtype=torch.float64)
    density = torch.exp(log_normal(x_axis[:, None], g, sigma) + log_prior).sum(dim=1) * dz
    axes[0].plot(x_axis, density)
    axes[0].axvline(x, color="black", linestyle=":")
    axes[0].set(title="$p(x)$ of the model", xlabel="x")
    axes[1].plot(z_axis, (log_joint - evidence).exp(), label="$p(z|x)$")
    axes[1].plot(z_axis, q, label=f"q: mean {float(m):.2f}, sd {math.exp(float(s)):.2f}")
    axes[1].set(title=f"posterior at x = {x:.2f}", xlabel="z", xlim=(-4, 4))
    axes[1].legend(fontsize=8)
    values = (float(evidence), float(bound), float(evidence - bound))
    axes[2].bar(["log p(x)", "bound", "KL"], values, color=PALETTE[:3])
    axes[2].set(title=f"{values[0]:.2f} = {values[1]:.2f} + {values[2]:.2f}")


explore(toy_posterior, "A decoder that folds the line: left the density of the data, in the middle the true posterior "
    "and the Gaussian q, right the split of log p(x) into the bound and the KL divergence of q from the posterior.",
    size=(9.8, 3.2), a=Slider(0.0, 2.0, 1.5, 0.05, "bend a"), sigma=Slider(0.05, 1.0, 0.25, 0.05, "σ"),
    x=Slider(-4.0, 4.0, 1.6, 0.05, "observed x"), mean=Slider(-3.0, 3.0, 0.0, 0.1, "mean of q"),
    log_sd=Slider(-3.0, 0.5, -1.0, 0.1, "log std of q"), fit=Toggle(False, "fit q (200 steps)"))

# %% [markdown]
# ## 6 Sampling with a gradient, and the KL
#
# A pair $(\mu_{z_i},\sigma_{z_i})$ for each of $N$ examples is a lot to fit, and a new example starts from nothing.
# *Amortised inference* (Kingma and Welling 2014; Rezende et al. 2014) lets a network answer at once,
# $q(\mathbf z\mid\mathbf x)=\mathcal N(\boldsymbol\mu(\mathbf x),\operatorname{diag}\boldsymbol\sigma^2(\mathbf x))$:
# two heads of one encoder, trained by raising the bound. Similar inputs share what was learned about them.
#
# Two obstacles. (i) The bound is a mean over $\mathbf z\sim q$; how does a gradient pass through a random draw?
# (ii) A network may output any number, a variance must be positive. So it outputs $\ell=\log\sigma^2$: any $\ell$ is
# valid. (A negative "σ" would not just be unstable, it would be no standard deviation at all.)

# %% [markdown]
# **The reparameterisation trick.** Draw the noise first, from a distribution without parameters, and compute
#
# $$\boldsymbol\epsilon\sim\mathcal N(0,\mathbf I),\qquad
# \mathbf z=\boldsymbol\mu+e^{\boldsymbol\ell/2}\odot\boldsymbol\epsilon .$$
#
# Given $\epsilon$, $\mathbf z$ is an ordinary function of $\boldsymbol\mu$ and $\boldsymbol\ell$:
# $\partial z/\partial\mu=1$, $\partial z/\partial\ell=\frac12e^{\ell/2}\epsilon$. (For a full covariance take
# $\boldsymbol\mu+\mathbf L\boldsymbol\epsilon$ with $\mathbf L\mathbf L^\top=\boldsymbol\Sigma$: Cholesky's factor
# or any other such $\mathbf L$.)

# %% demo=true
def draw_path(ax, boxes, arrows, title):
    for name, (x, y) in boxes.items():
        face = COLOR["sky"] if "ε" in name or "draw" in name else "white"
        ax.text(x, y, name, ha="center", va="center", fontsize=10,
            bbox={"boxstyle": "round", "facecolor": face, "edgecolor": "#444444"})
    for (start, end), passes in arrows.items():
        style = {"color": COLOR["green"] if passes else COLOR["vermillion"], "linestyle": "-" if passes else ":"}
        ax.annotate("", boxes[end], boxes[start], arrowprops={"arrowstyle": "->", "shrinkA": 18, "shrinkB": 18} | style)
    ax.set(xlim=(-0.5, 4.6), ylim=(-0.6, 2.5), title=title)
    ax.axis("off")


fig, (left, right) = figure(1, 2, size=(9.0, 2.4))
draw_path(left, {"x": (0, 1), "μ, ℓ": (1.3, 1), "draw z": (2.7, 1), "loss": (4.1, 1)},
    {("x", "μ, ℓ"): True, ("μ, ℓ", "draw z"): False, ("draw z", "loss"): True}, "a draw stops the gradient")
draw_path(right, {"x": (0, 1), "μ, ℓ": (1.3, 1), "z": (2.7, 1), "loss": (4.1, 1), "ε": (2.7, 2.2)},
    {("x", "μ, ℓ"): True, ("μ, ℓ", "z"): True, ("z", "loss"): True, ("ε", "z"): True}, "noise as one more input")
show(fig, "Left: no derivative passes through the act of drawing (dotted). Right: the draw is an input beside the "
    "path, and the gradient runs from the loss to the encoder.")

# %% [markdown]
# **Exercise 6 · 9 points · ★★☆ · 30 min.** The draw, and the divergence from the prior, which has a closed form:
#
# $$D_{KL}\big(\mathcal N(\mu,\operatorname{diag}e^{\ell})\,\Vert\,\mathcal N(0,\mathbf I)\big)
# =\tfrac12\sum_k\big(\mu_k^2+e^{\ell_k}-1-\ell_k\big).$$
#
# `torch.distributions` is out of bounds in this exercise (the tests after handing in look for it): write the formulas.
#
# <details><summary>Hint: a question</summary>Which power of e turns a log VARIANCE into a standard
# deviation?</details>

# %% exercise="ex6-reparameterize"
def reparameterize(mu: Tensor, logvar: Tensor, randn_like: Callable = torch.randn_like) -> Tensor:
    """A draw z [..., m] from N(mu, diag exp(logvar)) through which gradients pass to mu and logvar.

    Calls randn_like(mu) once. ValueError if mu and logvar differ in shape.
    """
    ### BEGIN SOLUTION
    if mu.shape != logvar.shape:
        raise ValueError(f"mu and logvar must have one shape, not {tuple(mu.shape)} and {tuple(logvar.shape)}")
    return mu + torch.exp(logvar / 2) * randn_like(mu)
    ### END SOLUTION

# %% test="ex6-reparameterize-test" points=4 exercise_no=6
with check("Exercise 6: reparameterize") as expect:
    mu = torch.tensor([[1.0, -2.0]], requires_grad=True)
    logvar = torch.tensor([[0.0, math.log(4.0)]], requires_grad=True)
    z = reparameterize(mu, logvar, randn_like=lambda t: torch.full_like(t, 3.0))
    expect.close(z, [[4.0, 4.0]], "z for the means 1, -2, the variances 1, 4, if every draw is 3", rtol=1e-5,
        likely="the standard deviation is exp(logvar / 2)")
    z.sum().backward()
    expect.close(mu.grad, [[1.0, 1.0]], "the gradient of the sum in mu", rtol=1e-5)
    expect.close(logvar.grad, [[1.5, 3.0]], "the gradient of the sum in logvar", rtol=1e-5,
        likely="½ exp(logvar / 2) ε: nothing on the way may be detached")
    expect.raises(ValueError, reparameterize, torch.zeros(2, 3), torch.zeros(2, 1), what="mu [2, 3], logvar [2, 1]")
    expect.why("The noise has become an input. That is the whole trick.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.reparameterize(reparameterize)
### END HIDDEN TESTS

# %% exercise="ex6-kl-standard"
def kl_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence in nats of N(mu, diag exp(logvar)) from N(0, I): [..., m] -> [...].

    Summed over the last axis only. ValueError if mu and logvar differ in shape.
    """
    ### BEGIN SOLUTION
    if mu.shape != logvar.shape:
        raise ValueError(f"mu and logvar must have one shape, not {tuple(mu.shape)} and {tuple(logvar.shape)}")
    return 0.5 * (mu.pow(2) + logvar.exp() - 1 - logvar).sum(dim=-1)
    ### END SOLUTION

# %% test="ex6-kl-standard-test" points=3 exercise_no=6
with check("Exercise 6: the divergence from the prior") as expect:
    two, quarter = torch.tensor([[-2.0]]), torch.tensor([[math.log(0.25)]])
    expect.close(kl_standard_normal(two, quarter), [2.318147], "the KL of N(-2, ¼) from N(0, 1)", rtol=1e-4,
        likely="½ (μ² + exp(ℓ) - 1 - ℓ) with ℓ = log of the VARIANCE")
    itself = kl_standard_normal(torch.zeros(2, 3), torch.zeros(2, 3))
    expect.shape(itself, (2,), "the KL of two rows", likely="one number for each row")
    expect.close(itself, [0.0, 0.0], "the KL of the prior from itself", atol=1e-7,
        likely="it is 0 where both agree: do not drop the -1")
    cube = kl_standard_normal(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))
    expect.shape(cube, (2, 3), "the KL for mu [2, 3, 4]", likely="add up over the LAST axis only")
    expect.close(kl_standard_normal(torch.ones(2, 3), torch.zeros(2, 3)), [1.5, 1.5], "three means of 1, variances 1",
        rtol=1e-5, likely="add up over the latent dimensions")
    expect.why("The price of a code, in nats: what it says beyond what one knew before.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.kl_standard(kl_standard_normal)
### END HIDDEN TESTS

# %% [markdown]
# And between two such distributions, with $q$ first,
#
# $$D_{KL}(q\Vert p)=
# \frac12\sum_k\Big[\ell^p_k-\ell^q_k+\dfrac{e^{\ell^q_k}+(\mu^q_k-\mu^p_k)^2}{e^{\ell^p_k}}-1\Big].$$
#
# It is not symmetric: $D_{KL}(q\Vert p)$ punishes $q$ for being where $p$ is not. That is why a Gaussian $q$ fitted
# to a posterior with three modes sits in one of them.

# %% exercise="ex6-kl-diag"
def kl_diag_gaussians(mu_q: Tensor, logvar_q: Tensor, mu_p: Tensor, logvar_p: Tensor) -> Tensor:
    """KL divergence in nats of N(mu_q, diag exp(logvar_q)) from N(mu_p, diag exp(logvar_p)).

    All [..., m], broadcast against each other; returns [...].
    """
    ### BEGIN SOLUTION
    ratio = (logvar_q - logvar_p).exp()
    return 0.5 * (logvar_p - logvar_q + ratio + (mu_q - mu_p).pow(2) * (-logvar_p).exp() - 1).sum(dim=-1)
    ### END SOLUTION

# %% test="ex6-kl-diag-test" points=2 exercise_no=6
with check("Exercise 6: the divergence of two normal distributions") as expect:
    one, three, four = torch.tensor([[1.0]]), torch.tensor([[3.0]]), torch.tensor([[math.log(4.0)]])
    expect.close(kl_diag_gaussians(three, four, three, four), [0.0], "the KL of N(3, 4) from itself", atol=1e-6,
        likely="all terms cancel: ratio of the variances 1, minus 1, and no difference of logarithms or means")
    apart = kl_diag_gaussians(one, 0 * one, three, four)
    expect.close(apart, [0.818147], "the KL of N(1, 1) from N(3, 4)", rtol=1e-4,
        likely="½ [ℓp - ℓq + (exp(ℓq) + (μq - μp)²) / exp(ℓp) - 1]: the squared distance is divided by p's variance")
    zero, wide = torch.zeros(1, 2), torch.full((1, 2), math.log(4.0))
    narrow_in_wide = kl_diag_gaussians(zero, zero, zero, wide)
    expect.close(narrow_in_wide, [0.636294], "the KL of N(0, I) from N(0, 4 I) in 2-D", rtol=1e-4,
        likely="the first pair is q, the second p: KL(q‖p) is not KL(p‖q)")
    wide_in_narrow = kl_diag_gaussians(zero, wide, zero, zero)
    expect.close(wide_in_narrow, [1.613706], "the KL of N(0, 4 I) from N(0, I) in 2-D", rtol=1e-4,
        likely="the first pair is q, the second p: KL(q‖p) is not KL(p‖q)")
    rows = kl_diag_gaussians(torch.ones(5, 2), torch.zeros(5, 2), torch.zeros(2), torch.zeros(2))
    expect.close(rows, torch.ones(5), "five rows against one", rtol=1e-5)
    expect.why("To be wide where the other is narrow costs more than to be narrow where the other is wide.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.kl_diag(kl_diag_gaussians)
### END HIDDEN TESTS

# %% [markdown]
# ## 7 The variational autoencoder
#
# Put it together. For one example, with $q(\mathbf z\mid\mathbf x)$ from the encoder and $p(\mathbf x\mid\mathbf
# z)$ from the decoder, *Jensen's inequality* moves the logarithm under the mean:
#
# $$\log p(\mathbf x)=\log\int q\;\frac{p(\mathbf x\mid\mathbf z)\,p(\mathbf z)}{q}\,d\mathbf z
# \;\ge\;\int q\,\log\frac{p(\mathbf x\mid\mathbf z)\,p(\mathbf z)}{q}\,d\mathbf z
# =\underbrace{E_q[\log p(\mathbf x\mid\mathbf z)]}_{\text{reconstruction}}
# \;-\;\underbrace{D_{KL}(q\,\Vert\,p(\mathbf z))}_{\text{KL to the prior}}.$$
#
# This is the **evidence lower bound** (ELBO). Without Jensen one sees what was dropped, from
# $p(\mathbf x)=p(\mathbf x\mid\mathbf z)p(\mathbf z)/p(\mathbf z\mid\mathbf x)$ and a mean over $q$:
#
# $$\log p(\mathbf x)=E_q[\log p(\mathbf x\mid\mathbf z)]-D_{KL}(q\Vert p(\mathbf z))
# +D_{KL}(q\Vert p(\mathbf z\mid\mathbf x)).$$

# %% [markdown]
# So the ELBO has *two forms*, both of them $\mathcal F$ of section 5: log-likelihood minus KL to the **posterior**,
# and reconstruction minus KL to the **prior**. The first says what it is good for, the second can be computed. One
# reads now and then that nothing forces $q$ towards the posterior. For a fixed decoder that is wrong: its
# log-likelihood does not depend on $q$, so every nat by which the encoder raises the ELBO *is* a nat less between
# $q$ and the posterior. What remains is the limit of the Gaussian family and of one shared encoder.
#
# The KL to the prior keeps codes near $\mathcal N(0,\mathbf I)$, without holes: there one can draw, and walk. The
# other term, for a Gaussian decoder with mean $\boldsymbol\mu$ and standard deviations $\boldsymbol\sigma$, is
#
# $$\log\mathcal N(\mathbf x\mid\boldsymbol\mu,\operatorname{diag}\boldsymbol\sigma^2)
# =-\tfrac D2\log2\pi-\sum_d\log\sigma_d
# -\tfrac12\sum_d\frac{(x_d-\mu_d)^2}{\sigma_d^2}:$$
#
# the squared error, up to scale and a constant, as long as $\sigma$ is fixed; and more than that if $\sigma$ is
# learned.

# %% [markdown]
# **Exercise 7 · 13 points · ★★★ · 60 min.** First the likelihood. Mind the names, three conventions meet here: the
# encoder gives `logvar` $=\log\sigma^2$, the decoder `log_sigma` $=\log\sigma$, the logarithm of the *standard
# deviation*, and a draw needs $\sigma$ itself. (`torch.distributions` is allowed again.)
#
# <details><summary>Hint: a question</summary>If log_sigma is one number for all D dimensions, how often does it
# count in the sum over d?</details>

# %% exercise="ex7-log-likelihood"
def gaussian_log_likelihood(x: Tensor, mu: Tensor, log_sigma: Tensor | float) -> Tensor:
    """log N(x | mu, diag sigma²) of every example, in nats: [B, ...] -> [B], summed over all dimensions.

    x, mu: [B, ...], the same shape (ValueError otherwise)
    log_sigma: log of the STANDARD DEVIATION. A float, a tensor [1], a tensor [n] with one value for each of the n
        entries of an example (in the order of x.flatten(1)), or a tensor like x.
    """
    ### BEGIN SOLUTION
    if x.shape != mu.shape:
        raise ValueError(f"x and mu must have one shape, not {tuple(x.shape)} and {tuple(mu.shape)}")
    log_sigma = torch.as_tensor(log_sigma, dtype=x.dtype, device=x.device)
    if log_sigma.ndim == 1 and len(log_sigma) > 1:
        log_sigma = log_sigma.reshape(x.shape[1:])
    terms = -0.5 * math.log(2 * math.pi) - log_sigma - ((x - mu) * torch.exp(-log_sigma)).pow(2) / 2  # like x
    return terms.flatten(1).sum(dim=1)
    ### END SOLUTION

# %% test="ex7-log-likelihood-test" points=4 exercise_no=7
with check("Exercise 7: the Gaussian log-likelihood") as expect:
    zeros = torch.zeros(2, 3)
    near = gaussian_log_likelihood(zeros, zeros, 0.0)
    expect.close(near, [-2.756816, -2.756816], "x = mu = 0, σ = 1, D = 3", rtol=1e-5,
        likely="each dimension costs ½ log 2π; one number for each example")
    far = gaussian_log_likelihood(zeros, zeros + 2, math.log(2.0))
    expect.close(far, [-6.336257, -6.336257], "x = 0, mu = 2, σ = 2, D = 3", rtol=1e-5,
        likely="-log σ counts D times, and the error is divided by σ² (log_sigma is a log STANDARD DEVIATION)")
    images = torch.zeros(2, 1, 2, 2)
    each = torch.tensor([0.0, 0.1, 0.2, 0.3])
    pixels = gaussian_log_likelihood(images, images, each)
    expect.close(pixels, [-4.275754, -4.275754], "one log σ for each of 4 pixels", rtol=1e-5,
        likely="reshape log_sigma to the shape of one example")
    steps = torch.arange(8.0).view(2, 1, 2, 2) / 4
    own = torch.linspace(-0.5, 0.9, 8).view(2, 1, 2, 2)
    full = gaussian_log_likelihood(steps, steps.flip(0) / 2, own)
    expect.close(full, [-3.3882, -6.9319], "a log σ for every entry of two images", rtol=1e-4,
        likely="a log_sigma like x is used as it is; sum over all dimensions of each example")
    common = gaussian_log_likelihood(steps, steps.flip(0) / 2, torch.tensor([0.4]))
    expect.close(common, [-5.3811, -6.5606], "one common log σ, of shape [1]", rtol=1e-4,
        likely="it counts for each of the D dimensions")
    expect.raises(ValueError, gaussian_log_likelihood, zeros, zeros[0], 0.0, what="x [2, 3], mu [3]")
    expect.why("A density may exceed 1, so its logarithm may be positive: an ELBO of +390 nats is no bug.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.log_likelihood(gaussian_log_likelihood)
### END HIDDEN TESTS

# %% [markdown]
# Now the bound itself, with the reconstruction term estimated by $L$ draws ($L=1$ works well in training):
#
# $$\widehat{\mathcal F}(\mathbf x)=\frac1L\sum_{l=1}^L\log p(\mathbf x\mid\mathbf z^{(l)})
# -D_{KL}\big(q(\mathbf z\mid\mathbf x)\,\Vert\,\mathcal N(0,\mathbf I)\big),\qquad
# \mathbf z^{(l)}=\boldsymbol\mu+e^{\boldsymbol\ell/2}\odot\boldsymbol\epsilon^{(l)}.$$
#
# The mean is over the *log-likelihoods*, not over the reconstructions. Call your own functions: the check below brings
# stand-ins for them, and sees only variances of 1.
#
# <details><summary>Hint: a question</summary>For each of the L draws: which four lines lead from mu and logvar to one
# log-likelihood per example? What is computed once?</details>

# %% exercise="ex7-elbo"
def elbo(x: Tensor, encode: Callable, decode: Callable, n_samples: int = 1,
         randn_like: Callable = torch.randn_like) -> dict[str, Tensor]:  # fmt: skip
    """The evidence lower bound of every example and its two parts, in nats.

    encode(x) -> (mu [B, m], logvar [B, m]); decode(z [B, m]) -> (mean like x, log_sigma as in gaussian_log_likelihood)
    randn_like(mu) is called once for each of the n_samples draws, in order.
    Returns {"elbo": [B], "rec": [B], "kl": [B]} with elbo = rec - kl.
    Raises ValueError if n_samples < 1, or the decoded mean does not have the shape of x.
    """
    ### BEGIN SOLUTION
    if n_samples < 1:
        raise ValueError(f"at least one sample is needed, n_samples = {n_samples}")
    mu, logvar = encode(x)
    total = torch.zeros_like(mu[:, 0])
    for _ in range(n_samples):
        z = reparameterize(mu, logvar, randn_like)
        mean, log_sigma = decode(z)
        total = total + gaussian_log_likelihood(x, mean, log_sigma)
    rec, kl = total / n_samples, kl_standard_normal(mu, logvar)
    return {"elbo": rec - kl, "rec": rec, "kl": kl}
    ### END SOLUTION

# %% given="alone"
# Stand-ins for your smaller functions, so that their slips show in their own checks only. They are right for
# variances of 1, which is what the next check uses.
unit_normal = torch.distributions.Normal(0.0, 1.0)
alone = StandIns(
    reparameterize=lambda mu, logvar, randn_like=torch.randn_like: mu + randn_like(mu),
    kl_standard_normal=lambda mu, logvar: mu.square().sum(dim=-1) / 2,
    gaussian_log_likelihood=lambda x, mu, log_sigma: unit_normal.log_prob(x - mu).flatten(1).sum(dim=1),
)

# %% test="ex7-elbo-test" points=5 exercise_no=7
with check("Exercise 7: the evidence lower bound") as expect:
    x = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    encode = lambda x: (torch.tensor([[1.0], [0.0]]), torch.zeros(2, 1))
    decode = lambda z: (z.expand(-1, 3), 0.0)
    parts = alone(elbo, x, encode, decode, randn_like=lambda t: torch.ones_like(t))
    expect.close(parts["kl"], [0.5, 0.0], "kl for the code means 1 and 0, variances 1", rtol=1e-5, atol=1e-6,
        likely="the divergence from the prior, one number for each example")
    expect.shape(parts["rec"], (2,), "rec", likely="one number for each example")
    expect.close(parts["rec"], [-3.756816, -4.256816], "rec, if the draw is z = mu + 1", rtol=1e-5,
        likely="decode the DRAW z, not mu, and hand randn_like on to reparameterize; then the log-likelihood of x")
    expect.close(parts["elbo"], [-4.256816, -4.256816], "elbo", rtol=1e-5, likely="rec MINUS kl")
    draws = iter((1.0, -1.0))
    two = alone(elbo, x, encode, decode, n_samples=2, randn_like=lambda t: torch.full_like(t, next(draws)))
    expect.close(two["rec"], [-6.756816, -4.256816], "rec with two draws, +1 and -1", rtol=1e-5,
        likely="the MEAN of the log-likelihoods, with a new draw for each")
    expect.raises(ValueError, alone, elbo, x, encode, decode, n_samples=0, what="n_samples = 0")
    expect.why("Two numbers that pull in opposite directions: say enough, but say no more than is normal.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.elbo(elbo)
### END HIDDEN TESTS

# %% [markdown]
# And the model: a **VAE** holds an encoder with $2m$ outputs (means first), a decoder with $2D$ outputs (means
# first), and is trained by minimising the mean of $-\widehat{\mathcal F}$. Clamp the decoder's log σ to a range:
# where data is exactly constant, as in the black margin of a digit, σ would shrink for ever and the ELBO grow
# without end.

# %% exercise="ex7-vae"
class VAE(nn.Module):
    """encoder: [B, D] -> [B, 2m], mean and log variance of z; decoder: [B, m] -> [B, 2D], mean and log std of x."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, m: int, log_sigma_range: tuple = (-2.0, 2.0)):
        super().__init__()
        ### BEGIN SOLUTION
        self.encoder, self.decoder, self.m = encoder, decoder, m
        self.low, self.high = log_sigma_range
        ### END SOLUTION

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(mu [B, m], logvar [B, m]). ValueError if the encoder does not give 2m numbers."""
        ### BEGIN SOLUTION
        both = self.encoder(x)
        if both.shape[1] != 2 * self.m:
            raise ValueError(f"the encoder must give {2 * self.m} numbers, not {both.shape[1]}")
        return both[:, : self.m], both[:, self.m :]
        ### END SOLUTION

    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """(mean [B, D], log_sigma [B, D] clamped to log_sigma_range; inside the range it passes unchanged)."""
        ### BEGIN SOLUTION
        mean, log_sigma = self.decoder(z).chunk(2, dim=1)
        return mean, log_sigma.clamp(self.low, self.high)
        ### END SOLUTION

    def forward(self, x: Tensor, randn_like: Callable = torch.randn_like) -> Tensor:
        """The loss: minus the mean over the batch of the one-sample ELBO."""
        ### BEGIN SOLUTION
        return -elbo(x, self.encode, self.decode, randn_like=randn_like)["elbo"].mean()
        ### END SOLUTION

    def sample(self, n: int, randn_like: Callable = torch.randn_like) -> tuple[Tensor, Tensor, Tensor]:
        """n new examples: (x, mean, sigma), each [n, D], with x = mean + sigma * noise.

        Two calls of randn_like: on a tensor [n, m] for z, then on mean for the noise. Dtype and device are those of
        the parameters.
        """
        ### BEGIN SOLUTION
        z = randn_like(next(self.parameters()).new_zeros(n, self.m))
        mean, log_sigma = self.decode(z)
        sigma = log_sigma.exp()
        return mean + sigma * randn_like(mean), mean, sigma
        ### END SOLUTION

# %% given="known-bound"
def known_bound(x, encode, decode, n_samples=1, randn_like=torch.randn_like):
    """What `elbo` gives for the two examples of the next check, if all weights of encoder and decoder are 0."""
    randn_like(encode(x)[0])
    return {"elbo": torch.tensor([-5.381816, -3.301816])}


with_known_bound = StandIns(elbo=known_bound)

# %% test="ex7-vae-test" points=4 exercise_no=7
with check("Exercise 7: the VAE") as expect:
    vae, encoder, decoder = with_linear(VAE, (3, 4), (2, 6), 2)
    x = torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.0, 0.3]])
    mu, logvar = vae.encode(x)
    expect.close(mu, encoder(x)[:, :2], "the means of q(z|x)", rtol=1e-5, likely="the first m outputs of the encoder")
    expect.close(logvar, encoder(x)[:, 2:], "the log variances of q(z|x)", rtol=1e-5)
    mean, log_sigma = vae.decode(100 * mu)
    expect.close(mean, decoder(100 * mu)[:, :3], "the decoded mean", rtol=1e-5,
        likely="the first D outputs of the decoder, as they are")
    expect.true((log_sigma >= -2).all() and (log_sigma <= 2).all(), "log σ leaves its range [-2, 2]")
    z = torch.tensor([[0.3, -1.0], [2.0, 0.5]])
    narrow = VAE(encoder, decoder, 2, (-0.1, 0.1)).decode(z)[1]
    expect.close(narrow, decoder(z)[:, 3:].clamp(-0.1, 0.1), "log σ in a range of ±0.1", rtol=1e-5, atol=1e-7,
        likely="clamp to log_sigma_range, and change nothing inside")
    still, *layers = with_linear(VAE, (3, 4), (2, 6), 2)
    for layer in layers:
        layer.load_state_dict({name: torch.zeros(value.shape) for name, value in layer.state_dict().items()})
    calls = []
    loss = with_known_bound(still.forward, x, randn_like=lambda t: calls.append(1) or torch.ones_like(t))
    expect.shape(loss, (), "the loss")
    expect.close(loss, 4.341816, "the loss if the bounds are -5.38 and -3.30", rtol=1e-5,
        likely="MINUS the mean of the bound over the batch")
    expect.equal(len(calls), 1, "how often randn_like was called", likely="hand randn_like on to elbo")
    new, mean, sigma = vae.sample(5, randn_like=torch.ones_like)
    right = decoder(torch.ones(5, 2))
    expect.close(mean, right[:, :3], "the means of samples if every draw is 1", rtol=1e-5, atol=1e-6, likely="z = 1")
    expect.close(sigma, right[:, 3:].clamp(-2, 2).exp(), "their sigma", rtol=1e-5, likely="exp(log σ)")
    tight = VAE(encoder, decoder, 2, (-0.1, 0.1)).sample(5, randn_like=torch.ones_like)[2]
    expect.close(tight, right[:, 3:].clamp(-0.1, 0.1).exp(), "sigma in a range of ±0.1", rtol=1e-5,
        likely="sample from what decode gives: log σ is clamped there")
    expect.close(new, mean + sigma, "the samples", rtol=1e-5, atol=1e-6, likely="mean + sigma * noise")
    odd, *_ = with_linear(VAE, (3, 5), (2, 6), 2)
    expect.raises(ValueError, odd.encode, x, what="an encoder with 5 outputs, m = 2")
    expect.why("Twenty lines: an encoder that admits its doubts, and a decoder that can dream.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.vae(VAE)
### END HIDDEN TESTS

# %% [markdown]
# ### The map
#
# Now it runs on digits. Two latent numbers, so that we can look at all of them; a decoder with a *fixed* σ (a range
# of zero width, $\log\sigma\in[-1,-1]$), so that the reconstruction term is the squared error of section 2 in nats.
# The only difference to the autoencoder with two numbers: noise on the code, and its price.

# %% demo=true
def dense(*widths):
    """Linear layers with ReLU between them."""
    layers = []
    for i in range(len(widths) - 1):
        layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


with lab.seeded("VAE 2"):
    vae_2 = VAE(dense(784, 256, 64, 4), dense(2, 64, 256, 1568), 2, log_sigma_range=(-1.0, -1.0)).to(lab.device)
    history = train_autoencoder(vae_2, lambda net, batch: net(batch), x_dev,
        lab.pick(smoke=120, quick=1500, full=20_000), label="VAE, m = 2")

# %% demo=true
with torch.no_grad():
    codes_vae, logvar_vae = (t.cpu() for t in vae_2.encode(x_test_dev))
    draws_z = torch.randn(16, 2, generator=lab.generator("draws"))
    new_ae = nets[2].decode(draws_z.to(lab.device)).cpu()
    new_vae = vae_2.decode(draws_z.to(lab.device))[0].cpu()
turn = torch.linspace(0, 2 * math.pi, 100)
fig, axes = figure(2, 2, size=(8.4, 5.8), height_ratios=(2, 1))
for ax, z, name in ((axes[0, 0], codes_2, "autoencoder"), (axes[0, 1], codes_vae, "VAE")):
    draw_codes(ax, z[:700], y_test[:700], legend=name == "VAE", size=6)
    ax.plot(2 * torch.cos(turn), 2 * torch.sin(turn), color="black", linestyle="-")
    ax.set(title=f"codes of the {name}", xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
for ax, images in ((axes[1, 0], new_ae), (axes[1, 1], new_vae)):
    image_grid(images.reshape(-1, 28, 28), ncols=8, ax=ax, vmin=0, vmax=1)
    ax.set_title("decoded draws from N(0, I)")
show(fig, "Left: a plain autoencoder puts its codes wherever it likes; the black circle holds 86 % of the draws from "
    "the prior, and what they decode to is a stab in the dark. Right: the VAE fills the circle without holes, and "
    "draws are digits.")
print(f"VAE: {-history.last():.1f} nats per digit on the last batch; codes have the standard deviations",
    ", ".join(f"{float(v):.2f}" for v in codes_vae.std(dim=0)))

# %% [markdown]
# **Widget 3: walk on the map.** Two sliders move a point in the plane of the codes; on the right is what the decoder
# makes of it. Walk from the zeros to the ones on both maps. Where does the autoencoder draw things that are no
# digit? What lies *between* two kinds in the VAE, and why is it blurred?

# %% demo=true
walks = {  # name: (decoder, codes of test digits, half the side of the map)
    "VAE": (lambda z: vae_2.decode(z)[0], codes_vae, 2.4),
    "autoencoder": (nets[2].decode, codes_2, float(codes_2.abs().max())),
}


def seen_at(which, z):
    """The images, on the CPU, to which codes z [k, 2] decode."""
    with torch.no_grad():
        return walks[which][0](z.to(lab.device)).reshape(-1, 28, 28).cpu()


grid_maps = {which: manifold(lambda z, which=which: seen_at(which, z), 13, walks[which][2]) for which in walks}


def walk(fig, which, z1, z2):
    _, codes, reach = walks[which]
    place = torch.tensor([[z1, z2]]) * reach
    image = seen_at(which, place)[0]
    left, middle, right = fig.subplots(1, 3)
    left.imshow(grid_maps[which], cmap="gray", extent=(-reach, reach, -reach, reach))
    draw_codes(middle, codes[:500], y_test[:500], size=5)
    for ax, title in ((left, "decoded images"), (middle, "codes of test digits")):
        ax.plot(*place[0], marker="P", markersize=13, color=COLOR["vermillion"], markeredgecolor="white")
        ax.set(title=title, xlim=(-reach, reach), ylim=(-reach, reach), xlabel="$z_1$", aspect="equal")
        ax.grid(False)
    right.imshow(image, cmap="gray", vmin=0, vmax=1)
    right.set(title=f"decoded: ({float(place[0, 0]):.2f}, {float(place[0, 1]):.2f})", xticks=[], yticks=[])
    right.grid(False)


explore(walk, "The map of decoded images, the codes of real digits in the same plane, and the decoded image at the "
    "cross.", size=(8.6, 3.4), which=Choice(["VAE", "autoencoder"], label="model"),
    z1=Slider(-1.0, 1.0, 0.3, 0.02, "z₁ (share of the map)"), z2=Slider(-1.0, 1.0, -0.2, 0.02, "z₂"))

# %% [markdown]
# ### Experiment X2: variance digits, three autoencoders
#
# **8 points** (AE 2, DAE 3, VAE 3). Back to the data that fools squared errors, with new noise at every step and
# ten latent numbers for each model: a plain **AE**, the gated **DAE** at $\sigma=0.2$, and a **VAE** with learned
# variances, $\mathbf z\sim\mathcal N(0,\mathbf I)$,
# $\mathbf x\sim\mathcal N(\boldsymbol\mu(\mathbf z),\operatorname{diag}\boldsymbol\sigma^2(\mathbf z))$. (A covariance
# holds *squares* of standard deviations; some texts forget that.) Which of the three will see the digits?
#
# One kindness in the encoder: it gets $\mathbf x$ and $|\mathbf x|$. The information is in magnitudes, and
# $|x|=\operatorname{relu}(x)+\operatorname{relu}(-x)$ is one layer's work, so it gives nothing away but saves time.

# %% given="variance-models"
class MagnitudeEncoder(nn.Module):
    """[B, 784] -> [B, width] through two convolutions on the channels (x, |x|)."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        images = x.reshape(-1, 1, 28, 28)
        return self.layers(torch.cat([images, images.abs()], dim=1))


def variance_decoder(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, width))


class PlainAE(nn.Module):
    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.encoder(x)
        return self.decoder(z), z


def train_on_variance(net: nn.Module, loss_of: Callable, draw: Callable, masks: Tensor, steps: int, label: str = ""):
    """Adam 3e-3 with batches of 64 masks, 50 steps of warm-up, linear to 0 over the last 40 %.

    draw(masks) gives fresh variance digits; loss_of(net, x, i) the loss of step i.
    """
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    rate = lambda i: min(1.0, (i + 1) / 50, (steps - i) / (0.4 * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    generator = torch.Generator().manual_seed(0)

    def step(i):
        loss = loss_of(net, draw(masks[torch.randint(len(masks), (64,), generator=generator).to(masks.device)]), i)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss.detach()

    return train(step, steps, label=label)

# %% [markdown]
# Six yardsticks first, all of them closed formulas. *AE*: predicting 0 costs $\sum_da_d$. *DAE*: doing nothing costs
# $D\sigma^2$, the best fixed gain less, and an oracle that knows each mask the least. *VAE*: the log-likelihood of the
# best single normal distribution for all images, and of the oracle that knows each mask (with the same floor
# $\sigma\ge e^{-2}$).
#
# The **gap closed** says where a model stands between two of them, for the DAE between fixed gain and oracle, for the
# VAE between one normal and oracle: 0 means that it makes no use of the shape, 1 that it knows the mask. Expected at
# preset quick: the AE at 0.90 or more of predicting 0 and neighbours right at most 0.35 (it must *fail*), a gap of at
# least 0.50 for the DAE and 0.40 for the VAE. Graded are shorter runs, of 100, 400 and 250 steps, against limits of
# their own: an AE between 0.97 and 1.02 of predicting 0, gaps of 0.30 and 0.08.

# %% given="yardsticks"
def nats_of_sigmas(power: Tensor, sigma: Tensor) -> Tensor:
    """Mean log-likelihood, summed over pixels, of pixels with mean 0 and mean square `power` under N(0, sigma²)."""
    return (-0.5 * math.log(2 * math.pi) - sigma.log() - power / (2 * sigma**2)).sum(dim=-1)


def yardsticks_of(masks: Tensor, sigma: float = 0.2) -> dict[str, float]:
    power = masks.double().pow(2)  # [N, D]
    mean, floor = power.mean(dim=0), math.exp(-2.0)
    return {
        "zero": float(mean.sum()),
        "identity": masks.shape[1] * sigma**2,
        "diagonal": float(nats_of_sigmas(mean, mean.sqrt().clamp(min=floor))),
        "mask known": float(nats_of_sigmas(power, power.sqrt().clamp(min=floor)).mean()),
    }

# %% demo=true
by_you = {"fixed": fixed_gain_loss(x_test.double(), 0.2), "oracle": oracle_loss(x_test.double(), 0.2)}
yard = yardsticks_of(x_test) | {name: float(value) for name, value in by_you.items()}
for name in ("zero", "identity", "fixed", "oracle", "diagonal", "mask known"):
    print(f"{name:>10}: {yard[name]:6.2f}")

# %% demo=true
def vae_loss(net, x, i, ramp=300):
    """Minus the bound; the price of the code grows from 0 to 1 over the first steps (for training only)."""
    parts = elbo(x, net.encode, net.decode)
    return -(parts["rec"] - min(1.0, (i + 1) / ramp) * parts["kl"]).mean()


losses_x2 = {
    "AE": lambda net, x, i: reconstruction_loss(x, net(x)[0]),
    "DAE": lambda net, x, i: dae_loss(lambda noisy: net(noisy)[0], x, 0.2),
    "VAE": lambda net, x, i: vae_loss(net, x, i, lab.pick(smoke=100, quick=300)),
}
steps_x2 = {
    "AE": lab.pick(smoke=150, quick=300, full=10_000),
    "DAE": lab.pick(smoke=300, quick=800, full=10_000),
    "VAE": lab.pick(smoke=250, quick=1000, full=10_000),
}


def trained_on_variance(name, make):
    """The model, trained; each has a seed of its own, so that one may be left out."""
    with lab.seeded(f"X2 {name}"):
        net = make().to(lab.device)
        train_on_variance(net, losses_x2[name], variance_digits, x_dev, steps_x2[name], label=name)
    return net


ae_x2 = trained_on_variance("AE", lambda: PlainAE(MagnitudeEncoder(10), variance_decoder(784)))

# %% demo=true
dae_x2 = trained_on_variance("DAE", lambda: GatedDAE(MagnitudeEncoder(10), variance_decoder(784)))

# %% demo=true
vae_x2 = trained_on_variance("VAE", lambda: VAE(MagnitudeEncoder(20), variance_decoder(1568), 10))

# %% demo=true
models = {"AE": ae_x2, "DAE": dae_x2, "VAE": vae_x2}
with lab.seeded("X2 test"), torch.no_grad():
    clean, clean_train = variance_digits(x_test_dev), variance_digits(x_dev[:5000])
    mse_zero = float(reconstruction_loss(clean, models["AE"](clean)[0])) / yard["zero"]
    dae = float(dae_loss(lambda noisy: models["DAE"](noisy)[0], clean, 0.2))
    bound = elbo(clean, models["VAE"].encode, models["VAE"].decode, n_samples=4)
    code_of = lambda name, x: (models["VAE"].encode(x)[0] if name == "VAE" else models[name](x)[1]).cpu()
    codes_x2 = {name: code_of(name, clean) for name in models}
    codes_of_train = {name: code_of(name, clean_train) for name in models}
gap_dae = (yard["fixed"] - dae) / (yard["fixed"] - yard["oracle"])
nats = float(bound["elbo"].mean())
gap_vae = (nats - yard["diagonal"]) / (yard["mask known"] - yard["diagonal"])
probe_x2 = {
    name: neighbour_accuracy(codes_of_train[name], y_train[:5000], codes_x2[name], y_test) for name in models
}
print(f"AE : error {mse_zero:.3f} times that of predicting 0; neighbours tell the digit with {probe_x2['AE']:.2f}")
print(f"DAE: error {dae:.2f}, gap closed {gap_dae:.2f}; neighbours {probe_x2['DAE']:.2f}")
print(f"VAE: ELBO {nats:.1f} nats (KL {float(bound['kl'].mean()):.1f}), gap closed {gap_vae:.2f}; "
    f"neighbours {probe_x2['VAE']:.2f}")

# %% demo=true
with check("Experiment X2: three autoencoders on variance digits") as expect:
    floor_dae, floor_vae = lab.pick(smoke=(0.10, 0.05), quick=(0.50, 0.40))
    expect.true(mse_zero >= 0.90 and probe_x2["AE"] <= 0.35, "the plain autoencoder should have failed, but did not",
        likely="is the noise of variance_digits fresh at every call?")
    expect.true(gap_dae >= floor_dae, f"the DAE closes {gap_dae:.2f} of its gap, expected {floor_dae}",
        likely="noisy input, clean target; the gate multiplies the noisy input")
    impossible = max(gap_dae, gap_vae) > 1 or float(bound["kl"].mean()) < 0
    expect.true(not impossible, "a model beats the oracle that knows each mask, or a KL divergence is negative",
        likely="a formula of exercise 3, 4, 6 or 7 is wrong: such a number cannot be")
    expect.true(gap_vae >= floor_vae, f"the VAE closes {gap_vae:.2f} of its gap, expected {floor_vae}",
        likely="sums over pixels and over latents, log_sigma as log standard deviation, a fresh draw for each example")
    expect.why("Same data, same ten numbers. What a model can see is decided by its loss.")

# %% test="exX2-ae-test" points=2
with check("Experiment X2: the plain autoencoder") as expect:
    expect.finite(reconstruction_loss(torch.zeros(2, 3), torch.ones(2, 3)), "a loss")
    expect.finite(variance_digits(torch.ones(2, 3)), "variance digits")
    expect.written("Graded by a short run on variance digits with your loss: it must fail to see them, as theory says.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.experiment_ae(reconstruction_loss, variance_digits)
### END HIDDEN TESTS

# %% test="exX2-dae-test" points=3
with check("Experiment X2: the denoising autoencoder") as expect:
    expect.finite(dae_loss(lambda x: x, torch.zeros(2, 3), 0.2), "a loss")
    net, *_ = with_linear(GatedDAE, (3, 2), (2, 3))
    expect.finite(net(torch.ones(2, 3))[0], "a denoised row")
    expect.written("Graded by a short run on variance digits with your loss, your data and your gated denoiser.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.experiment_dae(dae_loss, variance_digits, GatedDAE)
### END HIDDEN TESTS

# %% test="exX2-vae-test" points=3
with check("Experiment X2: the variational autoencoder") as expect:
    model, *_ = with_linear(VAE, (3, 4), (2, 6), 2)
    expect.finite(elbo(torch.ones(2, 3), model.encode, model.decode)["elbo"], "a bound")
    expect.written("Graded by a short run on variance digits with your VAE, your bound and all that they are made of.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.experiment_vae(VAE, elbo, variance_digits)
### END HIDDEN TESTS

# %% demo=true
with torch.no_grad():
    mu_x = models["VAE"].encode(clean[:8])[0]
    mean_x, log_sigma_x = (t.cpu() for t in models["VAE"].decode(mu_x))
    noisy = corrupt(clean[:8], 0.2, randn_like=lambda x: torch.randn(x.shape, generator=lab.generator("gate")).to(x))
    gate = torch.sigmoid(models["DAE"].decoder(models["DAE"](noisy)[1])).cpu()
rows = {
    "variance digits": (clean[:8].cpu(), -2.5, 2.5), "μ(z) of the VAE": (mean_x, -2.5, 2.5),
    "σ(z) of the VAE": (log_sigma_x.exp(), 0.0, 1.0), "gain of the DAE": (gate, 0.0, 1.0),
}  # fmt: skip
fig, axes = figure(4, 1, size=(7.6, 4.3))
for ax, (name, (images, low, high)) in zip(axes, rows.items(), strict=True):
    image_grid(images.reshape(-1, 28, 28), ncols=8, ax=ax, vmin=low, vmax=high, cmap=DIVERGING if low < 0 else "gray")
    ax.text(-3, 14, name, ha="right", va="center", fontsize=9)
show(fig, "What they saw. The decoded mean is empty, as it should be: every pixel has mean 0. The digit appears in the "
    "decoded standard deviation, and in the gain by which the denoiser decides what to let through.")

# %% demo=true
count = lab.pick(smoke=300, quick=600)
fig, axes = figure(1, 3, size=(9.4, 3.1))
for ax, name in zip(axes, models, strict=True):
    flat = tsne(codes_x2[name][:count], steps=lab.pick(smoke=100, quick=350), label=f"t-SNE, {name}")
    draw_codes(ax, flat, y_test[:count], legend=name == "VAE", size=8)
    ax.set(title=f"{name}: neighbours right {probe_x2[name]:.2f}", xticks=[], yticks=[])
show(fig, "Ten numbers for each variance digit, laid out by t-SNE. The autoencoder's codes are one cloud without "
    "structure; those of the DAE and of the VAE fall into islands of digits, though both worked without labels.")

# %% [markdown]
# So a VAE extracts features where a squared error finds none, because the squared error is too simple an assumption
# about *this* data; and the DAE beats the plain autoencoder with that very loss. (Why must the probe not decide
# alone? A VAE that decodes $\mu$ instead of a draw has good neighbours too, and an ELBO hundreds of nats below the
# right one.)
#
# **Posterior collapse.** What if the KL weighs too much, by a mean over pixels beside a sum over latents, a factor
# of 784 that no error message mentions? Then silence is cheapest: $q(\mathbf z\mid\mathbf x)$ becomes the prior for
# every $\mathbf x$, the KL goes to 0 and all samples look alike. A decoder so strong that it needs no code invites
# the same end. Raising the weight of the KL from 0 to 1 over the first steps, as above, is a mild medicine; a
# *chosen* weight $\beta>1$ that forces codes to be thrifty has its uses too (Higgins et al. 2017).

# %% demo=true
def collapse(weight, steps):
    """A small VAE on digits whose KL is multiplied by `weight`; returns reconstruction error and KL."""
    def loss(net, x):
        parts = elbo(x, net.encode, net.decode)
        return (weight * parts["kl"] - parts["rec"]).mean()

    with lab.seeded("collapse"):
        net = VAE(dense(784, 128, 16), dense(8, 128, 1568), 8, log_sigma_range=(-1.0, -1.0)).to(lab.device)
        train_autoencoder(net, loss, x_dev, steps, label=f"weight {weight}")
    with torch.no_grad():
        mu, logvar = net.encode(x_test_dev)
        error = reconstruction_loss(x_test_dev, net.decode(mu)[0])
        return float(error), float(kl_standard_normal(mu, logvar).mean())


weights = (0.1, 1, 10, 100, 784)
found = [collapse(weight, lab.pick(smoke=20, quick=400)) for weight in weights]
fig, ax = figure(size=(6.4, 3.3))
ax.semilogx(weights, [error for error, _ in found], label="squared error", **line_style(0))
ax.semilogx(weights, [kl for _, kl in found], label="KL, nats", **line_style(1))
ax.axhline(total, color="black", linestyle=":", label="error of the mean digit")
ax.set(title="the weight of the KL", xlabel="weight", ylim=(0, None))
ax.legend()
show(fig, "From left to right the code is made dearer. At a weight of 784, a mean over pixels beside a sum over "
    "latents, the KL is 0: the posterior has collapsed, and the model draws the mean digit whatever it sees.")

# %% [markdown]
# **What VAEs are good and bad at.** They are principled, they infer $q(\mathbf z\mid\mathbf x)$ for new data, they
# allow other posteriors than Gaussian ones, and since $q$ is diagonal, single latent numbers can sometimes be
# interpreted (the prior alone would allow any rotation).
# On the other side, a bound is a weaker yardstick than an exact density, as autoregressive models
# have, and samples are *blurred* (compare Tolstikhin et al. 2018, figure 3): where several pictures are possible, a
# Gaussian decoder answers with their mean. Hierarchies of latents can do better (NVAE, Vahdat and Kautz 2020).
#
# ### In colour
#
# The same class, now on 6,376 emoji in four styles, with convolutions and 32 latent numbers. A code is a vector,
# and vectors can be added. The difference between two styles, averaged over the *training* emoji, is a direction;
# add it to the code of an emoji that was never seen, and decode.

# %% demo=true
faces = emoji()
pixels = torch.from_numpy(faces.images).float().permute(0, 3, 1, 2).reshape(len(faces.images), -1) / 255  # [n, 3072]
style, split = (torch.from_numpy(a.astype("int64")) for a in (faces.style, faces.split))


class Unflatten(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.shape = shape

    def forward(self, x):
        return x.reshape(-1, *self.shape)


class WithFixedSigma(nn.Module):
    """A decoder that gives only means; the log standard deviations are set to 0, for VAE to clamp."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, z):
        mean = self.layers(z).flatten(1)
        return torch.cat([mean, torch.zeros_like(mean)], dim=1)


with lab.seeded("emoji"):
    colour_encoder = nn.Sequential(
        Unflatten(3, 32, 32), nn.Conv2d(3, 32, 4, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(64, 64, 4, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 64),
    )  # fmt: skip
    colour_decoder = WithFixedSigma(
        nn.Linear(32, 1024), nn.ReLU(), Unflatten(64, 4, 4), nn.ConvTranspose2d(64, 64, 4, 2, 1), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 3, 4, 2, 1),
    )  # fmt: skip
    colour_vae = VAE(colour_encoder, colour_decoder, 32, log_sigma_range=(-1.0, -1.0)).to(lab.device)
    history = train_autoencoder(colour_vae, lambda net, batch: net(batch), pixels[split == 0].to(lab.device),
        lab.pick(smoke=40, quick=700, full=60_000), lr=3e-3, label="emoji")

# %% demo=true
def pictures(x):
    return x.reshape(-1, 3, 32, 32).permute(0, 2, 3, 1).clamp(0, 1).cpu().numpy()


with torch.no_grad():
    codes = torch.cat([colour_vae.encode(part.to(lab.device))[0] for part in pixels.split(1000)])
    centre = torch.stack([codes[(style == s) & (split == 0)].mean(dim=0) for s in range(4)])
    noto, flat_style = faces.styles.index("noto"), faces.styles.index("openmoji")
    test_items = torch.nonzero((style == noto) & (split == 2))[:, 0]
    chosen = test_items[torch.linspace(0, len(test_items) - 1, 10).long()][[0, 3, 4, 5, 6, 9]]
    same_item = chosen + (flat_style - noto) * int((style == noto).sum())
    moved = codes[chosen] + centre[flat_style] - centre[noto]
    new = colour_vae.sample(6, lambda t: torch.randn(t.shape, generator=lab.generator("new emoji")).to(t))[1]
    rows = {
        "unseen emoji, noto": pixels[chosen], "reconstruction": colour_vae.decode(codes[chosen])[0],
        "+ (openmoji − noto)": colour_vae.decode(moved)[0], "true openmoji": pixels[same_item],
        "drawn from N(0, I)": new,
    }  # fmt: skip
fig, axes = figure(5, 1, size=(5.4, 4.4))
for ax, (name, images) in zip(axes, rows.items(), strict=True):
    image_grid(pictures(images), ncols=6, ax=ax)
    ax.text(-3, 16, name, ha="right", va="center", fontsize=9)
show(fig, "Emoji that the network has not seen, what it makes of them, and the same codes moved by the mean difference "
    "of two styles. The step shrinks the drawing and whitens what is around it, as openmoji does; the "
    "colours hardly change. Draws from the prior have likely colours and places, and no clear shape.")

# %% demo=true
with torch.no_grad():
    back = colour_vae.decode(moved)[0].cpu()
    truth = pixels[same_item]
    kept = reconstruction_loss(truth, colour_vae.decode(codes[chosen])[0].cpu())
    shift = reconstruction_loss(truth, back)
    path = torch.stack([codes[chosen[0]] + t * (codes[chosen[3]] - codes[chosen[0]]) for t in torch.linspace(0, 1, 10)])
    show(image_grid(pictures(colour_vae.decode(path)[0]), ncols=10), "A straight walk between the codes of two unseen "
        "emoji: every step decodes to something between them, not to two pictures on top of each other.")
note = lab.pick(smoke=" (40 steps are too few to tell)", quick="")
print(f"squared error to the true openmoji: {float(kept):.1f} without the step, {float(shift):.1f} with it{note}")

# %% [markdown]
# ## 8 A ladder: few labels, many pictures
#
# Labels are dear, pictures are cheap. A **ladder network** (Rasmus et al. 2015) is a classifier and a denoiser in
# one. Its encoder goes up from a *corrupted* picture to the logits; its decoder comes down again to a clean
# picture. A label cannot carry low-level detail, so *lateral connections* hand each layer's signal across, as in a
# U-net. The classification loss is for the labelled rows, the denoising loss for **all** of them:
#
# $$\mathcal L=\underbrace{\frac1{B_1}\sum_{i\le B_1}-\log p(y_i\mid\tilde{\mathbf x}_i)}_{\text{ce}}
# +\lambda\,\underbrace{\frac1{B_1+B_2}\sum_{i\le B_1+B_2}\lVert\mathbf x_i-\hat{\mathbf x}_i\rVert^2}_{\text{den}}.$$
#
# The original has a denoising cost at *every* layer, against batch-normalised clean activations; this is its
# special case with the cost at the input only. Its published errors on MNIST: 1.06 ± 0.37 % with 100 labels, 0.84 %
# with 1,000, 0.57 % with all (and hardly more, 1.09 ± 0.32 % with 100 labels, with the cost at the bottom layer only);
# on CIFAR-10, with 4,000 labels, 20.40 %.

# %% [markdown]
# **Exercise 8 · 8 points · ★★☆ · 30 min.** Six linear layers with their biases, named and made in this order:
#
# $$h_1=\operatorname{relu}(W_1\tilde x),\quad h_2=\operatorname{relu}(W_2h_1),\quad\text{logits}=W_3h_2;\qquad
# u_2=\operatorname{relu}(V_3\,\text{logits}),\quad u_1=\operatorname{relu}(V_2[u_2;h_2]),\quad\hat x=V_1[u_1;h_1].$$
#
# $u_2$ has the width of $h_2$, $u_1$ that of $h_1$; $[\cdot;\cdot]$ joins the features, in this order.
#
# <details><summary>Hint: a question</summary>How many inputs does V₂ have, and how many V₁? Which axis does
# <code>torch.cat</code> need?</details>

# %% exercise="ex8-ladder-mlp"
class LadderMLP(nn.Module):
    """Two hidden layers up, two down, with lateral connections; attributes W1, W2, W3, V3, V2, V1 (nn.Linear)."""

    def __init__(self, n: int, h1: int, h2: int, n_classes: int):
        super().__init__()
        ### BEGIN SOLUTION
        self.W1, self.W2, self.W3 = nn.Linear(n, h1), nn.Linear(h1, h2), nn.Linear(h2, n_classes)
        self.V3, self.V2, self.V1 = nn.Linear(n_classes, h2), nn.Linear(2 * h2, h1), nn.Linear(2 * h1, n)
        ### END SOLUTION

    def forward(self, xt: Tensor) -> tuple[Tensor, Tensor]:
        """xt: corrupted rows [B, n]. Returns (logits [B, n_classes], x_hat [B, n])."""
        ### BEGIN SOLUTION
        h1 = torch.relu(self.W1(xt))
        h2 = torch.relu(self.W2(h1))
        logits = self.W3(h2)
        u2 = torch.relu(self.V3(logits))
        u1 = torch.relu(self.V2(torch.cat([u2, h2], dim=1)))
        return logits, self.V1(torch.cat([u1, h1], dim=1))
        ### END SOLUTION

# %% test="ex8-ladder-mlp-test" points=4 exercise_no=8
with check("Exercise 8: the ladder") as expect:
    net = LadderMLP(6, 5, 4, 3)
    expect.equal([name for name in net.state_dict() if name.endswith("weight")],
        [f"{name}.weight" for name in ("W1", "W2", "W3", "V3", "V2", "V1")], "the layers, in the order of state_dict()")
    shapes = [tuple(layer.weight.shape) for layer in (net.W1, net.W2, net.W3, net.V3, net.V2, net.V1)]
    expect.equal(shapes, [(5, 6), (4, 5), (3, 4), (4, 3), (5, 8), (6, 10)], "the shapes of the weights",
        likely="V2 gets u2 and h2 side by side, V1 gets u1 and h1")
    weights = {name: torch.linspace(-1, 0.8, t.numel()).view(t.shape) for name, t in net.state_dict().items()}
    net.load_state_dict(weights)
    logits, x_hat = net(torch.tensor([[1.0, -2.0, 0.0, 0.5, 3.0, -1.0], [2.0, 1.0, 0.0, -1.0, 0.0, 1.0]]))
    expect.shape(logits, (2, 3), "the logits")
    expect.shape(x_hat, (2, 6), "x_hat")
    expect.close(logits, [[-3.23494, 0.31815, 3.87125], [-3.53784, 0.37120, 4.28025]],
        "the logits, all weights between -1 and 0.8", rtol=1e-4,
        likely="relu behind W1 and W2, nothing behind W3; forward returns (logits, x_hat)")
    expect.close(x_hat[:, :3], [[-11.7217, -7.5262, -3.3307], [-12.9456, -8.3025, -3.6594]], "x_hat, first half",
        rtol=1e-4, likely="relu behind V3 and V2, nothing behind V1; [u2; h2] and [u1; h1], in this order")
    expect.close(x_hat[:, 3:], [[0.8648, 5.0603, 9.2558], [0.9837, 5.6268, 10.2699]], "x_hat, second half", rtol=2e-4)
    expect.why("Up for the meaning, down for the picture, and rungs for the detail that a label forgets.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.ladder_mlp(LadderMLP)
### END HIDDEN TESTS

# %% [markdown]
# In the loss, every row is corrupted, labelled or not: stack the labelled rows on the unlabelled ones, draw the noise
# *once*, and pass *once*. The cross-entropy by hand: subtract the picked logit from the `logsumexp` of its row.
# (`F.cross_entropy` and `F.nll_loss` are out of bounds, and the tests after handing in look for them.)

# %% exercise="ex8-ladder-loss"
def ladder_loss(model: Callable, x_lab: Tensor, y: Tensor, x_unl: Tensor, sigma: float, lam: float = 1.0,
                randn_like: Callable = torch.randn_like) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """(total, ce, den) with total = ce + lam * den; three 0-dim tensors.

    model: corrupted rows -> (logits, x_hat), called once; x_lab [B1, n], y [B1] (int64), x_unl [B2, n], B2 may be 0
    ce: mean cross-entropy of the B1 labelled rows; den: mean over ALL rows of the squared error to the clean rows
    randn_like is called once, on the stacked rows. Raises ValueError if B1 = 0.
    """
    ### BEGIN SOLUTION
    if len(x_lab) == 0:
        raise ValueError("at least one labelled row is needed")
    x = torch.cat([x_lab, x_unl])
    logits, x_hat = model(x + sigma * randn_like(x))
    labelled = logits[: len(x_lab)]
    picked = labelled.gather(1, y[:, None]).squeeze(1)
    ce = (torch.logsumexp(labelled, dim=1) - picked).mean()
    den = (x - x_hat).pow(2).sum(dim=1).mean()
    return ce + lam * den, ce, den
    ### END SOLUTION

# %% test="ex8-ladder-loss-test" points=4 exercise_no=8
with check("Exercise 8: the loss of the ladder") as expect:
    x_lab, y, x_unl = torch.zeros(1, 2), torch.tensor([1]), torch.ones(3, 2)
    flat = lambda x: (torch.zeros(len(x), 4), x)
    total, ce, den = ladder_loss(flat, x_lab, y, x_unl, 0.5, lam=2.0, randn_like=lambda t: torch.ones_like(t))
    expect.close(ce, math.log(4), "the cross-entropy of four equal logits", rtol=1e-5)
    expect.close(den, 0.5, "the denoising loss of a model that returns its input, every draw 1, σ = 0.5", rtol=1e-5,
        likely="2 · 0.5² for every row; the mean over ALL rows, labelled and unlabelled; compare with the clean rows")
    expect.close(total, math.log(4) + 1.0, "total, compared with ce + 2 den", rtol=1e-5)
    expect.close(ladder_loss(flat, x_lab, y, x_unl[:0], 0.5)[1], math.log(4), "ce without unlabelled rows", rtol=1e-5)
    weights, calls = torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]), []
    linear = lambda x: calls.append("model") or (x @ weights, x / 2)
    ones = lambda t: calls.append("randn_like") or torch.ones_like(t)
    _, ce, den = ladder_loss(linear, torch.eye(2), torch.tensor([2, 0]), torch.tensor([[2.0, -1.0]]), 0.5, 1.0, ones)
    expect.true(sorted(calls) == ["model", "randn_like"], "model and randn_like must be called once each",
        likely="stack the rows first: one draw of noise and one pass for all of them")
    expect.close(ce, 0.907606, "ce of a linear model, two labelled rows, every draw 1, σ = 0.5", rtol=1e-4,
        likely="the labelled rows come first; logsumexp of EACH row minus its logit of y; the mean over these rows")
    expect.close(den, 0.458333, "den of a model that halves its input", rtol=1e-5, likely="all three rows count")
    expect.raises(ValueError, ladder_loss, flat, x_lab[:0], y[:0], x_unl, 0.5, what="no labelled row")
    expect.why("One pass, one noise, two teachers.")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.ladder_loss(ladder_loss)
### END HIDDEN TESTS

# %% [markdown]
# A try with 100 labels, ten of each digit, beside 5,000 pictures without, and $\lambda=0.1$, since a squared error is
# much larger than a cross-entropy. Expect a modest gain: the published numbers need noise in every layer, batch
# normalisation, a richer way to combine the two signals at each rung, and a long training on 60,000 digits.

# %% demo=true
few = torch.cat([torch.nonzero(y_train == k)[:10, 0] for k in range(10)])
x_few, y_few, x_many = x_dev[few], y_train[few].to(lab.device), x_dev[:5000]
with lab.seeded("ladder"):
    net = LadderMLP(784, 256, 64, 10).to(lab.device)
with torch.no_grad():
    by_hand, by_torch = ladder_loss(net, x_few, y_few, x_few[:0], sigma=0.0)[1], F.cross_entropy(net(x_few)[0], y_few)
print(f"cross-entropy by hand {float(by_hand):.6f}, by torch {float(by_torch):.6f}")
assert torch.isclose(by_hand, by_torch, rtol=1e-4), "your ladder_loss computes another cross-entropy than torch"
scores = {}
for name, lam in (("100 labels alone", 0.0), ("ladder, 100 labels + 5,000 pictures", 0.1)):
    with lab.seeded("ladder"):
        net = LadderMLP(784, 256, 64, 10).to(lab.device)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

        def ladder_step(i, net=net, optimizer=optimizer, lam=lam):
            rows = x_many[torch.randint(5000, (100,)).to(lab.device)]
            loss = ladder_loss(net, x_few, y_few, rows, 0.3, lam)[0]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        train(ladder_step, lab.pick(smoke=50, quick=800, full=20_000), label=name)
    with torch.no_grad():
        scores[name] = float((net(x_test_dev)[0].argmax(dim=1).cpu() == y_test).float().mean())
for name, score in scores.items():
    print(f"{name}: test accuracy {score:.3f}" + lab.pick(smoke=" (50 steps are too few to tell)", quick=""))

# %% [markdown]
# ## Questions
#
# **6 points · ★☆☆ · 15 min.** Put your answer into the variable: a small letter in quotes, or a number (with a point
# for decimals, and without commas). The check tells whether its form is right; whether it is right itself you learn,
# with the reason, after handing in.
#
# **Question 1.** A linear bottleneck autoencoder with two free matrices sits at the global minimum of its squared
# error, on data with distinct eigenvalues. What is determined uniquely? (a) $W_f$, (b) $W_g$, (c) both, (d) only
# the product $W_gW_f$.

# %% exercise="q1"
answer_linear_autoencoder = None
### BEGIN SOLUTION
answer_linear_autoencoder = "d"
### END SOLUTION

# %% test="q1-test" points=1
with check("Question 1: the form of your answer") as expect:
    expect.answered(answer_linear_autoencoder, "answer_linear_autoencoder", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.question_linear_autoencoder(answer_linear_autoencoder)
### END HIDDEN TESTS

# %% [markdown]
# **Question 2.** A covariance has the eigenvalues 5, 3, 1, 0.5, 0.5. What is the smallest mean squared reconstruction
# error (summed over the dimensions) with two numbers per point?

# %% exercise="q2"
answer_pca_error = None
### BEGIN SOLUTION
answer_pca_error = 2.0
### END SOLUTION

# %% test="q2-test" points=1
with check("Question 2: the form of your answer") as expect:
    expect.answered(answer_pca_error, "answer_pca_error", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.question_pca_error(answer_pca_error)
### END HIDDEN TESTS

# %% [markdown]
# **Question 3.** Clean data is $x\sim\mathcal N(0,4)$ (variance 4), the noise has $\sigma=1$, and 5 is observed.
# What does the optimal denoiser answer?

# %% exercise="q3"
answer_denoised = None
### BEGIN SOLUTION
answer_denoised = 4.0
### END SOLUTION

# %% test="q3-test" points=1
with check("Question 3: the form of your answer") as expect:
    expect.answered(answer_denoised, "answer_denoised", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.question_denoised(answer_denoised)
### END HIDDEN TESTS

# %% [markdown]
# **Question 4.** For one example $\log p(\mathbf x)=-87.2$ and the ELBO is $-91.5$. What is
# $D_{KL}(q(\mathbf z\mid\mathbf x)\,\Vert\,p(\mathbf z\mid\mathbf x))$?

# %% exercise="q4"
answer_gap = None
### BEGIN SOLUTION
answer_gap = 4.3
### END SOLUTION

# %% test="q4-test" points=1
with check("Question 4: the form of your answer") as expect:
    expect.answered(answer_gap, "answer_gap", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.question_gap(answer_gap)
### END HIDDEN TESTS

# %% [markdown]
# **Question 5.** Why does a bottleneck autoencoder with a squared error ignore the shape of variance digits? (a)
# Digits cannot be read in the noise. (b) Given the shape every pixel still has mean 0, so knowing the shape does
# not lower the error. (c) Ten numbers are too few for ten classes. (d) A ReLU network cannot represent it.

# %% exercise="q5"
answer_blind = None
### BEGIN SOLUTION
answer_blind = "b"
### END SOLUTION

# %% test="q5-test" points=1
with check("Question 5: the form of your answer") as expect:
    expect.answered(answer_blind, "answer_blind", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.question_blind(answer_blind)
### END HIDDEN TESTS

# %% [markdown]
# **Question 6.** 60,000 examples, ten latent numbers, and a diagonal Gaussian $q$ of its own for every example,
# without an encoder. How many variational parameters are there?

# %% exercise="q6"
answer_parameters = None
### BEGIN SOLUTION
answer_parameters = 1_200_000
### END SOLUTION

# %% test="q6-test" points=1
with check("Question 6: the form of your answer") as expect:
    expect.answered(answer_parameters, "answer_parameters", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import autoencoders as hidden

hidden.question_parameters(answer_parameters)
### END HIDDEN TESTS

# %% [markdown]
# ## What you have built, and what it reaches at full size
#
# - PCA is the best linear code. A linear autoencoder finds its subspace, a deep one a curved sheet; both need a
#   restriction, or they copy.
# - A denoiser learns the slope of the log density of the *noisy* data. It needs no bottleneck.
# - EM climbs a lower bound in turns. A VAE climbs the same bound with a network for the E-step and one draw in
#   place of the integral.
# - ELBO = log-likelihood − KL to the posterior = reconstruction − KL to the prior. Sums on both sides, nats on both
#   sides.
# - Three conventions: log σ² from the encoder, log σ from the decoder, σ in the draw. Put it into the names.
# - A floor under σ where data is constant; ELBOs with different floors cannot be compared. The KL is ramped in
#   training only, never in what is reported.

# %% [markdown]
# | what | here, preset quick | published, full size |
# |---|---|---|
# | deep autoencoder, 30 numbers, digits | | error 3.00; logistic PCA 8.01, PCA 13.87 (Hinton and Salakhutdinov 2006) |
# | 10 numbers, digits, error | 17.6 (PCA 27.1) | |
# | variance digits, share of the gap closed | DAE 0.56 to 0.60, VAE 0.54 to 0.55 (three runs) | none published |
# | VAE on binarised digits, 50 latents | | −86.8 nats (Burda et al. 2016), NVAE −78.0 (Vahdat and Kautz 2020) |
# | ladder, 100 labels, error | 23 % (27 % without it) | 1.06 % (Rasmus et al. 2015) |
#
# The published numbers need all 60,000 digits and long trainings; they are quoted, not reproduced. (Binarised digits
# have pixels 0 and 1, and a decoder that gives probabilities: their nats cannot be compared with those of densities.)
# To run larger
# versions, start Jupyter with `COURSE_PRESET=full`; that is meant for a GPU.

# %% [markdown]
# **Further reading.** *Codes*: Bourlard and Kamp (1988); Oja (1991); Tipping and Bishop, Probabilistic PCA (1999);
# Hinton and Salakhutdinov (2006); van der Maaten and Hinton, t-SNE (2008); Ha and Schmidhuber, World models (2018).
# *Denoising*: Vincent et al. (2008); Raphan and Simoncelli (2011); Alain and Bengio (2014). *Hidden causes*:
# Dempster, Laird and Rubin (1977); Neal and Hinton (1998); Lappalainen and Honkela (2000). *VAE*: Kingma and
# Welling (2014); Rezende, Mohamed and Wierstra (2014); Burda, Grosse and Salakhutdinov (2016); Higgins et al.
# (2017); Tolstikhin et al. (2018); Vahdat and Kautz (2020). *Few labels*: Rasmus et al. (2015).
