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

import numpy as np
import torch
import torch.nn.functional as F
from coursekit import check, setup
from coursekit.data import emoji, fashion_mnist, mnist
from coursekit.figures import COLOR, DIVERGING, PALETTE, blank, figure, heatmap, image_grid, line_style, show
from coursekit.latents import draw_codes, first_map, manifold, neighbour_accuracy, tsne
from coursekit.training import train
from coursekit.widgets import Choice, Slider, Toggle, explore
from torch import Tensor, nn

lab = setup("08_autoencoders")

# %% demo=true
x_first = torch.from_numpy(mnist().x_train.reshape(-1, 784)).float() / 255
with lab.seeded("first map"):
    decode_first = first_map(x_first, steps=lab.pick(smoke=100, quick=800))
fig, ax = figure(size=(6.2, 6.2))
ax.imshow(manifold(decode_first, 16), cmap="gray", extent=(-2.4, 2.4, -2.4, 2.4))
ax.set(title="decoded images over a plane of two latent numbers", xlabel="$z_1$", ylabel="$z_2$")
ax.grid(False)
show(fig, "Every place in this plane decodes to a digit, and neighbours look alike. Nobody told the network that there "
    "are ten kinds of them.")

# %% [markdown]
# | part | points | difficulty | about |
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
# About 6 hours in all; parts 1 to 4 make a first evening. Running everything takes about three minutes on a
# laptop.

# %% [markdown]
# **What you need to know**: matrices and eigenvalues, the normal distribution, a network in PyTorch and its
# training (chapters 01 and 02).
#
# **How it works**: replace `raise NotImplementedError()` by your code, run the cell, then run the check below
# it. You may leave exercises open: later checks that do not need them still run. More inputs are tried after
# handing in. Whatever you create takes dtype and device of its inputs, and inputs are not changed.
#
# **Notation**: a batch `x` is `[B, n]` (or `[B, 1, 28, 28]`), its codes `z` are `[B, m]`, $D$ is the number of
# data dimensions (784 for digits). *The squared error of an example* is the **sum** over its dimensions; a loss
# is the **mean** of that over the batch, $\mathcal L=\frac1B\sum_i\lVert\mathbf x_i-\hat{\mathbf x}_i\rVert^2$.
# Log-likelihoods and divergences are in nats.

# %% [markdown]
# ## 0 Learning without labels
#
# So far every picture came with its answer. Now we have only $\mathbf x^{(1)},\dots,\mathbf x^{(n)}$: no map
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
digits = mnist()
x_train, x_test = (torch.from_numpy(a.reshape(len(a), -1)).float() / 255 for a in (digits.x_train, digits.x_test))
y_train, y_test = (torch.from_numpy(a.astype("int64")) for a in (digits.y_train, digits.y_test))
show(image_grid(digits.x_train[:24], ncols=12), "The data of this chapter: 12,000 handwritten digits of 28 × 28 "
    "pixels, used without their labels. Most of the 784 numbers say little that their neighbours do not.")

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
        likely="eigh returns the eigenvalues in ASCENDING order; and subtract the mean before the covariance")
    along = (points - points.mean(dim=0)) @ direction
    expect.close(var[0], along.pow(2).mean(), "the variance along the line", rtol=1e-3,
        likely="the eigenvalue of the covariance with 1/N")
    expect.raises(ValueError, pca_fit, points, 4, what="m = 4 in 3-D")
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
total = float((x_train.double() - pca_mean).pow(2).sum(dim=1).mean())
pca_error = {}
for m in (2, 10, 30, 100):
    codes = pca_encode(x_test.double(), pca_mean, pca_W[:, :m])
    error = (x_test - pca_decode(codes, pca_mean, pca_W[:, :m])).pow(2).sum(dim=1).mean()
    pca_error[m] = float(error)
    print(f"PCA with {m:3d} numbers: test error {pca_error[m]:5.2f} of {total:.1f} per digit")
rows = torch.cat([pca_W[:, :10].T, pca_mean[None]]).reshape(-1, 28, 28)
show(image_grid(rows, [f"$w_{{{k + 1}}}$" for k in range(10)] + ["mean"], ncols=11),
    "The ten leading directions of the digits, as pictures, and their mean. Each is a whole picture of strokes to add "
    "or to take away: there are no parts, and no digits.")
