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
# # Convolutional networks: how machines see
#
# Show a multilayer perceptron a thousand sevens, move each of them two pixels to the right, and it is lost. It never
# knew that pixels have neighbours. A convolutional network knows it from the start: it looks at small
# patches, uses the same detector everywhere, and needs a sixth of the weights.
#
# **What you will build**
# - convolution, its backward pass, transposed convolution and max pooling, all by hand;
# - a digit classifier that trains through *your* forward and backward passes;
# - batch norm for maps, residual blocks and a 56-layer network that can learn;
# - all parts of an object detector: overlap, suppression, box coding, grid targets, average precision. At the
#   end it finds, names and frames the shapes below in pictures it has never seen.

# %% setup=true
import copy
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from coursekit import check, setup
from coursekit.data import emoji, mnist
from coursekit.figures import COLOR, blank, figure, heatmap, image_grid, line_style, show
from coursekit.shapes import SHAPES, draw_boxes, shapes
from coursekit.training import minibatches, train
from coursekit.widgets import Choice, Slider, Toggle, explore
from torch import Tensor, nn

lab = setup("03_cnn")

# %% demo=true
scene = shapes(lab.rng("opening"), 12)
pick = max(range(12), key=lambda i: (len(set(scene.labels[i].tolist())), len(scene.labels[i])))
picture, boxes, labels = scene.images[pick], scene.boxes[pick], scene.labels[pick]
names = [SHAPES[k] for k in labels]
largest = int(np.argmax(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))
fig, axes = figure(1, 4, size=(10, 2.9))
tasks = ("classification", "localisation", "detection", "segmentation")
for ax, task in zip(axes, tasks, strict=True):
    ax.imshow(picture, extent=(0, 64, 64, 0))
    ax.set(title=task, xlim=(0, 64), ylim=(64, 0))
    ax.axis("off")
axes[0].text(32, 70, f'"{names[largest]}"', ha="center", va="top")
draw_boxes(axes[1], boxes[largest : largest + 1], [names[largest]])
draw_boxes(axes[2], boxes, names)
axes[3].imshow(scene.masks[pick], extent=(0, 64, 64, 0), cmap="viridis", alpha=0.8, interpolation="nearest")
show(fig, "Four questions to one picture. What is it? What and where is the main object? Which objects, and where, "
    "however many there are? To which object does each pixel belong? You will answer all four.")

# %% [markdown]
# | part | points | difficulty | about |
# |---|---|---|---|
# | 1 Sizes, parameters, receptive fields | 6 | ★☆☆ | 30 min |
# | 2 Convolution, forward | 12 | ★★☆ | 60 min |
# | 3 Convolution, backward; transposed convolution | 14 | ★★★ | 90 min |
# | 4 Max pooling | 8 | ★★☆ | 45 min |
# | 5 Batch norm for maps | 8 | ★★☆ | 35 min |
# | 6 Residual blocks, a deep network | 8 | ★★☆ | 45 min |
# | 7 Overlap and suppression | 9 | ★★☆ | 45 min |
# | 8 Box coding and grid targets | 7 | ★★☆ | 45 min |
# | 9 Average precision | 8 | ★★★ | 50 min |
# | Experiments A, B, C | 10 | ★☆☆ | 20 min |
# | Questions | 10 | ★☆☆ | 20 min |
#
# About 8 hours in all. Parts 7 to 9 need none of the parts before them.

# %% [markdown]
# **What you need to know**: networks of linear layers and ReLU, what a gradient is and that a backward pass
# carries it from the output of a layer to its inputs and weights (chapter 02), batch norm and skip connections
# for vectors (chapter 01, sections 6 and 7).
#
# **How it works**: replace `raise NotImplementedError()` by your code, run the cell, then run the check below
# it. You may leave exercises open: later checks that do not need them still run, and figures that do need
# them say so. More inputs are tried after handing in. Whatever you create takes dtype and device of its inputs,
# inputs are never changed, and bad input raises `ValueError`.
#
# **Notation**: images are `[N, C, H, W]`: $N$ pictures, $C$ channels (3 for colour, more inside a network), $H$
# rows, $W$ columns. Kernels are `[O, C, kh, kw]`: $O$ output channels, each with a small window over all $C$ input
# channels. $k,s,p,d$: kernel size, stride, padding, dilation. Boxes are $(x_1,y_1,x_2,y_2)$ in continuous
# coordinates: a box from 3 to 5 is 2 wide, with no "plus one pixel".

# %% [markdown]
# ## 0 Why not an MLP?
#
# A digit is a grid of $28\times28$ numbers. A multilayer perceptron (MLP) takes it as a list of 784, and nothing in
# the list says that entry 100 lies *below* entry 72. Two thought experiments show what is lost.
#
# *Shuffle the pixels*, all pictures with the same permutation. No information is gone, yet no person can read
# the digits any more. And the MLP? Permute the columns of its first weight matrix in the same way, and it
# computes what it did before. Fresh random columns are as good in any order, so its learning problem is *exactly*
# the same: it never used the neighbourhood of pixels at all.
#
# *Shift a picture by one pixel.* A person hardly notices; the list of 784 numbers changes almost everywhere, and so
# do the activations, in no predictable way. An MLP has to learn every position of every stroke from data.

# %% demo=true
digits = mnist(full=lab.preset == "full")
zero = torch.from_numpy(digits.x_train[digits.y_train == 0][3] / 255.0).float()  # [28, 28]
moves = {"as it is": (0, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}
shifted = torch.stack([zero.roll(move, dims=(0, 1)) for move in moves.values()])  # [4, 28, 28]
with lab.seeded("untrained"):
    dense, kernel = nn.Linear(784, 196), torch.randn(1, 1, 5, 5)
hidden_units = dense(shifted.flatten(1)).relu().detach().view(4, 14, 14)
maps = F.conv2d(shifted[:, None], kernel, padding=2).relu()[:, 0]
fig, axes = figure(4, 4, size=(9.2, 6.2), width_ratios=[1, 2.2, 1, 1])
for i, name in enumerate(moves):
    axes[i, 0].imshow(shifted[i], cmap="gray")
    axes[i, 0].set_ylabel(name)
    axes[i, 1].plot(shifted[i].flatten()[280:480], linewidth=1)
    axes[i, 2].imshow(hidden_units[i])
    axes[i, 3].imshow(maps[i])
    for j in (0, 2, 3):
        axes[i, j].set(xticks=[], yticks=[])
for ax, title in zip(axes[0], ("one zero, moved", "pixels 280 to 480 of the list", "196 units of an MLP",
                               "a map of a conv layer"), strict=True):  # fmt: skip
    ax.set_title(title, fontsize=9.5)
show(fig, "A zero moved by one pixel. The list of numbers moves by 1 or by 28 places, the units of an untrained MLP "
    "answer with another pattern each time; the map of a convolutional layer, untrained as well, just moves along.")

# %% [markdown]
# So we have three wishes for a layer: it should **use the order** of its inputs; it should have **fewer weights**
# than one that connects everything with everything; and when the input moves, its output should **move along**.

# %% [markdown]
# ## 1 Locality and sharing
#
# Take the smallest case, a line of 5 inputs and 5 outputs. A fully connected layer has $5\cdot5=25$ weights. First
# idea, **locality**: each output looks at 3 neighbours only, which leaves 13 links (15, less one at either border).
# Second idea, **weight sharing**: all outputs use the *same* 3 weights,
#
# $$y_i=b+\sum_{\Delta\in\{-1,0,1\}}w_\Delta\,x_{i+\Delta}.$$
#
# Now every unit asks the same question at another place: it has become a detector of one *feature*, wherever that
# is. And the number of weights no longer depends on how long the line is. With several channels each output channel
# $o$ adds up all input channels $c$ (mind the index $i+\Delta$, which some printed versions lose):
#
# $$y_{i,o}=b_o+\sum_\Delta\sum_c w_{\Delta,o,c}\,x_{i+\Delta,c}.$$

# %% demo=true
rng = lab.rng("wiring")
full, band = rng.normal(size=(5, 5)), np.abs(np.subtract.outer(range(5), range(5))) <= 1
shared = sum(weight * np.eye(5, k=k) for k, weight in ((-1, 0.9), (0, -0.4), (1, 0.3)))
wirings = {"dense: 25 weights": full, "local: 13 weights": np.where(band, full, np.nan),
    "shared: 3 weights": np.where(band, shared, np.nan), "shared, transposed": np.where(band, shared.T, np.nan)}
fig, axes = figure(1, 4, size=(10, 2.8))
for ax, (title, matrix) in zip(axes, wirings.items(), strict=True):
    heatmap(matrix, ax, numbers=False, center=0.0)
    ax.set(title=title, xlabel="input", ylabel="output")
axes[3].set(xlabel="output", ylabel="input")
show(fig, "One layer from 5 inputs to 5 outputs as a matrix; empty cells are missing links. Sharing makes it "
    "constant along its diagonals. Its transpose, right, is a convolution again, with the kernel turned around: it "
    "will carry the gradient back.")

# %% [markdown]
# Three knobs decide how a window walks over its input, and how long the output is. **Padding** $p$ adds zeros
# at both ends; without it ("valid") the output is shorter than the input. One pads to keep the size, so that
# $x+\text{conv}(x)$ makes sense and deep stacks do not shrink away, and so that pixels at the border count. **Stride**
# $s$ is the step of the window: neighbouring windows see nearly the same, so one may skip some. **Dilation**
# $d$ spreads the $k$ taps of a window over $d(k-1)+1$ places. For $n$ inputs, along each axis,
#
# $$n_{\text{out}}=\Big\lfloor\frac{n+2p-d(k-1)-1}{s}\Big\rfloor+1 .$$
#
# Mind the floor, which is often left out: a window that does not fit entirely is not taken, and a remainder of the
# input may remain unread.

# %% [markdown]
# **Parameters.** Each of the $O$ filters has $k_hk_w$ weights per input channel and one bias, $O(Ck_hk_w+1)$ in
# all. (In $g$ *groups*, filters see only $C/g$ channels each.) **Receptive field**: how many input pixels can
# one unit deep in the network see? Walk from the input to the output and keep two numbers, the size $r$ of the
# field and the *jump* $j$, the distance in input pixels between two neighbouring units:
#
# $$r\leftarrow r+(k-1)\,d\,j,\qquad j\leftarrow j\,s,\qquad\text{from }r=1,\;j=1.$$
#
# The order matters: a layer's own stride spreads the units of the *next* layer.

# %% [markdown]
# **Exercise 1 · 6 points · ★☆☆ · 30 min.** Three small functions that will read whole architectures for you.
#
# <details><summary>Hint 1: a question</summary>A window of 3 on 4 pixels with stride 2: where can it start? How many
# places are that, and what does your formula say?</details>
# <details><summary>Hint 2</summary>Test the arguments first. Is the size of the output to be refused as well?
# <code>//</code> rounds towards minus infinity, so a window that does not fit gives 0 or less.</details>

# %% exercise="ex1-conv-out-size"
def conv_out_size(n: int, k: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Number of outputs of a convolution (or pooling) along one axis of length n.

    ValueError if n, k, stride or dilation is not positive, padding is negative, or the window does not fit.
    """
    ### BEGIN SOLUTION
    if min(n, k, stride, dilation) < 1 or padding < 0:
        raise ValueError(f"no window of {k} with stride {stride}, padding {padding}, dilation {dilation} on {n}")
    size = (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1
    if size < 1:
        raise ValueError(f"a window of {k} does not fit on {n} pixels with padding {padding}")
    return size
    ### END SOLUTION

# %% test="ex1-conv-out-size-test" points=2 exercise_no=1
with check("Exercise 1: conv_out_size") as expect:
    expect.equal(conv_out_size(227, 11, 4), 55, "outputs for n=227, k=11, stride 4 (the first layer of AlexNet)")
    expect.equal(conv_out_size(28, 5, 1, 2), 28, "outputs for n=28, k=5, stride 1, padding 2",
        likely="padding adds p zeros at BOTH ends: n + 2p")
    expect.equal(conv_out_size(14, 3, 2), 6, "outputs for n=14, k=3, stride 2",
        likely="round down: the last window would reach one pixel beyond the end")
    expect.equal(conv_out_size(9, 3, 1, 0, 2), 5, "outputs for n=9, k=3, dilation 2",
        likely="three taps two apart reach over 2 * (3 - 1) + 1 = 5 places")
    expect.raises(ValueError, conv_out_size, 4, 5, what="a window of 5 on 4 pixels")
    expect.raises(ValueError, conv_out_size, 4, 3, 0, what="stride 0")
    expect.why("Most errors in a first network are errors of size. Now you can compute them beforehand.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_out_size(conv_out_size)
### END HIDDEN TESTS

# %% exercise="ex1-conv-params"
def conv_params(c_in: int, c_out: int, k: int | tuple[int, int], bias: bool = True, groups: int = 1) -> int:
    """Number of parameters of a convolution with c_out filters over c_in channels; k: size, or (height, width).

    ValueError if a size or count is not positive, or if groups does not divide both channel counts.
    """
    ### BEGIN SOLUTION
    kh, kw = (k, k) if isinstance(k, int) else k
    if min(c_in, c_out, kh, kw, groups) < 1 or c_in % groups or c_out % groups:
        raise ValueError(f"no layer from {c_in} to {c_out} channels with kernel {k} in {groups} groups")
    return c_out * (c_in // groups * kh * kw + int(bias))
    ### END SOLUTION

# %% test="ex1-conv-params-test" points=2 exercise_no=1
with check("Exercise 1: conv_params") as expect:
    expect.equal(conv_params(1, 6, 5), 156, "parameters of 6 filters of 5 x 5 on one channel",
        likely="each filter has 25 weights and ONE bias")
    expect.equal(conv_params(3, 8, (3, 5), bias=False), 360, "weights of 8 filters of 3 x 5 on 3 channels")
    expect.equal(conv_params(8, 12, 3, groups=4), 228, "parameters with 8 channels to 12 in 4 groups",
        likely="in 4 groups each filter sees 8 / 4 = 2 channels; there are still 12 filters")
    expect.raises(ValueError, conv_params, 3, 8, 3, True, 2, what="3 channels in 2 groups")
    expect.why("156, whether the picture has 28 x 28 pixels or 28 million: sharing makes weights independent of size.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_params(conv_params)
### END HIDDEN TESTS

# %% exercise="ex1-receptive-field"
def receptive_field(layers: list[tuple[int, int, int]]) -> tuple[int, int]:
    """Size of the receptive field of one output unit, and the jump between two neighbours, in input pixels.

    layers: (kernel, stride, dilation) of each layer, from the input to the output
    ValueError if an entry is not positive.
    """
    ### BEGIN SOLUTION
    size, jump = 1, 1
    for k, stride, dilation in layers:
        if min(k, stride, dilation) < 1:
            raise ValueError(f"kernel, stride and dilation must be positive, got {(k, stride, dilation)}")
        size += (k - 1) * dilation * jump
        jump *= stride
    return size, jump
    ### END SOLUTION

# %% test="ex1-receptive-field-test" points=2 exercise_no=1
with check("Exercise 1: receptive_field") as expect:
    expect.equal(receptive_field([(3, 1, 1)] * 3), (7, 1), "(size, jump) of three layers of 3 x 3")
    expect.equal(receptive_field([(5, 1, 1), (2, 2, 1), (5, 1, 1)]), (14, 2), "(size, jump) of 5, pooling 2/2, 5",
        likely="5, then one pixel more for the pooling, then four steps of 2 pixels")
    expect.equal(receptive_field([(2, 1, d) for d in (1, 2, 4, 8)]), (16, 1), "(size, jump), dilations 1, 2, 4, 8")
    expect.raises(ValueError, receptive_field, [(3, 1, 1), (3, 0, 1)], what="a layer with stride 0")
    expect.why("Ten layers of kernel 2 with doubling dilation see 1,024 steps, ten plain ones 11.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.receptive_field(receptive_field)
### END HIDDEN TESTS

# %% [markdown]
# **Small and deep beats large and shallow.** One layer with a $7\times7$ kernel and $c$ channels in and out has
# $49c^2$ weights. Three layers of $3\times3$ see the same $7\times7$ pixels with $27c^2$, and have three
# nonlinearities in place of one: the argument behind the VGG network (Simonyan and Zisserman 2015).
#
# And the digits? The MLP of this chapter, $784\to225\to144\to10$, has $176{,}400+32{,}400+1{,}440=210{,}240$
# weights. Nine $5\times5$ filters in place of its first layer need $225$. Do not think that it computes less: it
# has $28\cdot28\cdot9=7056$ signals where the MLP had 225.

# %% demo=true
mlp_weights = sum(a * b for a, b in pairwise([784, 225, 144, 10]))
cnn_weights = [conv_params(1, 9, 5, bias=False), conv_params(9, 16, 5, bias=False), 16 * 14 * 14 * 10]
print(f"MLP: {mlp_weights:,} weights;  CNN: {' + '.join(map(str, cnn_weights))} = {sum(cnn_weights):,}")
print(f"64 channels: one 7x7 layer {conv_params(64, 64, 7, False):,}, three 3x3 {3 * conv_params(64, 64, 3, False):,}")
assert mlp_weights == 210_240 and sum(cnn_weights) == 35_185

# %% [markdown]
# ## 2 The convolutional layer
#
# On pictures the window has two axes. With zero-padded input $\tilde x$, for picture $n$, output channel $o$
# and place $(i,j)$,
#
# $$y_{n,o,i,j}=b_o+\sum_{c,u,v}w_{o,c,u,v}\;\tilde x_{n,c,\;i s_h+u d_h,\;j s_w+v d_w}.$$
#
# Shapes: $x$ `[N, C, H, W]`, $w$ `[O, C, kh, kw]`, $b$ `[O]`, $y$ `[N, O, Ho, Wo]`. A filter adds up its
# response over all input channels and has one bias. Filters of one layer do not see each other; the next layer
# mixes them. All places can be computed at once, which is why graphics cards like this layer. Usually a ReLU
# follows.
#
# **A name that misleads.** The *convolution* of mathematics turns one of its arguments around,
# $(w*x)[t]=\sum_aw[a]\,x[t-a]$. What deep learning calls convolution does not: our formula is a **cross-correlation**.
# For learned kernels it makes no difference. For kernels written by hand, and in your code, it does.

# %% demo=true
canvas = torch.zeros(9, 9)
canvas[2:7, 2:7] = 1.0  # a white square
filters = {
    "edge: bright below": torch.tensor([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]]),
    "edge: bright to the right": torch.tensor([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    "corner: top left": torch.tensor([[-1.0, -1, -1], [-1, 1, 1], [-1, 1, 1]]),
}
fig, axes = figure(1, 4, size=(10, 2.9))
heatmap(canvas, axes[0], numbers=False, cmap="gray")
axes[0].set_title("a picture, 9 x 9")
for ax, (name, kernel) in zip(axes[1:], filters.items(), strict=True):
    heatmap(F.conv2d(canvas[None, None], kernel[None, None], padding=1)[0, 0], ax, fmt=".0f", center=0.0)
    ax.set_title(name, fontsize=10)
    ax.set(xticks=[], yticks=[])
show(fig, "Three filters at work: two for edges, whose answer is strongly negative at the opposite edge (a ReLU would "
    "remove it), and one that is largest exactly where the square has its top left corner.")

# %% [markdown]
# How to compute it without six nested loops? Loop over the few offsets $(u,v)$ of the window only. For one
# offset, all places of all pictures read a *shifted and strided copy* of the padded input, and `einsum` sums
# over the channels:
#
# $$y\mathrel{+}=\text{einsum}\big(\text{nchw},\,\text{oc}\to\text{nohw}\big)\;\text{ of that slice and }w_{:,:,u,v}.$$
#
# The other way is `F.unfold`, which writes all windows into the columns of one matrix, and a single product.
#
# **Exercise 2 · 12 points · ★★☆ · 60 min.** All convolutions of torch are forbidden while your function runs;
# `F.pad`, `F.unfold`, `einsum` and slices are fine. Networks will train through your function, so it has to be
# differentiable: no `.detach()`, no `.data`.
#
# <details><summary>Hint 1: a question</summary>Padded input of 9 columns, kernel of 3, stride 2, dilation 2: which
# columns does the tap v = 1 read, one for each output? Write them as a slice start:stop:step.</details>
# <details><summary>Hint 2</summary>start = v·d, step = s, and there are Wo of them, so the last one is v·d + s·(Wo − 1)
# and stop is one more. Cutting at stop matters where the stride leaves a remainder.</details>
# <details><summary>Hint 3</summary>A bias [O] added to [N, O, Ho, Wo] broadcasts over the LAST axis. Give it the shape
# [1, O, 1, 1]; and add it once, not once for each offset.</details>

# %% exercise="ex2-conv-forward"
def conv2d_forward(x: Tensor, w: Tensor, b: Tensor | None = None, stride: int | tuple[int, int] = 1,
                   padding: int | tuple[int, int] = 0, dilation: int | tuple[int, int] = 1) -> Tensor:  # fmt: skip
    """Convolution as deep learning means it: a cross-correlation, the kernel is not turned around.

    x: [N, C, H, W]; w: [O, C, kh, kw]; b: [O] or None; stride, padding, dilation: one number, or
    (vertical, horizontal). Returns [N, O, Ho, Wo] of the dtype of x, differentiable in x, w and b.
    ValueError if x or w has not four axes, channels differ, b is not [O], or the kernel does not fit.
    """
    ### BEGIN SOLUTION
    (sh, sw), (ph, pw), (dh, dw) = ((a, a) if isinstance(a, int) else a for a in (stride, padding, dilation))
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ValueError(f"x {tuple(x.shape)} and w {tuple(w.shape)} must be [N, C, H, W] and [O, C, kh, kw]")
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"b must have shape {tuple(w.shape[:1])}, not {tuple(b.shape)}")
    (n, _, height, width), (n_out, _, kh, kw) = x.shape, w.shape
    rows = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    cols = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    if rows < 1 or cols < 1:
        raise ValueError(f"a kernel of {kh} x {kw} does not fit on {height} x {width} pixels")
    padded = F.pad(x, (pw, pw, ph, ph))  # left, right, top, bottom
    y = x.new_zeros(n, n_out, rows, cols)
    for u in range(kh):
        for v in range(kw):
            window = padded[:, :, u * dh :: sh, v * dw :: sw][:, :, :rows, :cols]  # [N, C, Ho, Wo]
            y = y + torch.einsum("nchw,oc->nohw", window, w[:, :, u, v])
    return y if b is None else y + b[:, None, None]
    ### END SOLUTION

# %% test="ex2-conv-values-test" points=5 exercise_no=2
with check("Exercise 2: the values of conv2d_forward") as expect:
    x = torch.arange(9.0).view(1, 1, 3, 3)
    w = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    y = conv2d_forward(x, w)
    expect.shape(y, (1, 1, 2, 2), "a 2 x 2 kernel on a 3 x 3 picture, without padding")
    expect.close(y, [[[[27.0, 37.0], [57.0, 67.0]]]], "the kernel [[1, 2], [3, 4]] on the numbers 0 to 8", rtol=1e-6,
        likely="the top left answer is 0*1 + 1*2 + 3*3 + 4*4 = 27; 13 means that the kernel was turned around")
    square = torch.zeros(1, 1, 6, 6)
    square[0, 0, 2:4, 2:4] = 1.0
    corner = torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]]])
    found = conv2d_forward(square, corner, torch.tensor([-0.5]), padding=1)
    expect.shape(found, (1, 1, 6, 6), "a 3 x 3 kernel with padding 1: as large as the picture")
    expect.true(found.max() == found[0, 0, 2, 2], "the corner detector must answer most strongly at the corner (2, 2)",
        likely="zeros belong on all four sides")
    expect.close(found[0, 0, 2, 2], 2.5, "a corner detector with bias -0.5 at the corner", rtol=1e-6,
        likely="three ones under the three weights, plus the bias ONCE")
    expect.why("A filter is a question, the map its answer for every place: 3 at the corner, plus the bias.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_values(conv2d_forward)
### END HIDDEN TESTS

# %% test="ex2-conv-options-test" points=4 exercise_no=2
with check("Exercise 2: stride, padding, dilation") as expect:
    x, ones = torch.arange(35.0).view(1, 1, 5, 7), torch.ones(1, 1, 2, 2)
    strided = conv2d_forward(x, ones, stride=(2, 3))
    expect.shape(strided, (1, 1, 2, 2), "2 x 2 on 5 x 7 with stride (2, 3): (vertical, horizontal)",
        likely="round down; and the FIRST number of a pair is the vertical one")
    expect.close(strided, [[[[16.0, 28.0], [72.0, 84.0]]]], "sums of 2 x 2 windows, stride (2, 3)", rtol=1e-6)
    expect.shape(conv2d_forward(x, ones, padding=(1, 0)), (1, 1, 6, 6), "padding (1, 0)",
        likely="F.pad takes (left, right, top, bottom): the last axis first")
    dilated = conv2d_forward(x, ones, dilation=2)
    expect.shape(dilated, (1, 1, 3, 5), "2 x 2 with dilation 2 on 5 x 7")
    expect.close(dilated[0, 0, 0, 0], 0 + 2 + 14 + 16, "the first sum with dilation 2", rtol=1e-6,
        likely="the taps lie two pixels apart, in both directions")
    expect.why("With these three knobs one loop over the window does what a zoo of layers needs.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_options(conv2d_forward)
### END HIDDEN TESTS

# %% given="bad-gradient"
def slope_and_refusals(conv: Callable) -> tuple:
    """The gradient of the sum of a convolution in w, or None if there is none. (No need to read it.)"""
    w = torch.ones(1, 1, 2, 2, requires_grad=True)
    y = conv(torch.arange(9.0).view(1, 1, 3, 3), w)
    return torch.autograd.grad(y.sum(), w)[0] if y.requires_grad else None

# %% test="ex2-conv-use-test" points=3 exercise_no=2
with check("Exercise 2: in a network") as expect:
    slope = slope_and_refusals(conv2d_forward)
    expect.true(slope is not None, "the result cannot be differentiated in w", likely="look for .detach() or .data")
    expect.close(slope, [[[[8.0, 12.0], [20.0, 24.0]]]], "the gradient of the sum in w", rtol=1e-6)
    x, w = torch.zeros(2, 3, 5, 6), torch.zeros(4, 3, 3, 3)
    expect.raises(ValueError, conv2d_forward, x, torch.zeros(4, 2, 3, 3), what="2 channels in w, 3 in x")
    expect.raises(ValueError, conv2d_forward, x, w, torch.zeros(3), what="a bias of length 3 for 4 filters")
    expect.raises(ValueError, conv2d_forward, x[0], w, what="a picture without a batch axis")
    expect.raises(ValueError, conv2d_forward, x, torch.zeros(4, 3, 6, 3), what="a kernel of 6 rows on 5")
    expect.why("Autograd can differentiate your loop. In the next exercise you do it yourself.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_use(conv2d_forward)
### END HIDDEN TESTS

# %% [markdown]
# **Some kernels have a meaning of their own.** A $1\times1$ kernel looks at one pixel only: it is a linear
# layer over the channels, the same for every pixel, and the cheap way to change the number of channels. A
# kernel as large as the map has one place to go: it is a fully connected layer. This is how OverFeat (Sermanet
# et al. 2014) turned a classifier into a detector: write its linear layers as convolutions, then feed a *larger*
# picture, and get the answers of all windows at once, with everything that overlaps computed once.

# %% demo=true
def fc_to_conv(linear: nn.Linear, channels: int, h: int, w: int) -> Tensor:
    """The weight of a linear layer on flattened maps [channels, h, w], as a kernel [O, channels, h, w]."""
    return linear.weight.view(linear.out_features, channels, h, w)


with lab.seeded("overfeat"):
    linear, large = nn.Linear(3 * 4 * 4, 5), torch.randn(1, 3, 6, 7)
answers = conv2d_forward(large, fc_to_conv(linear, 3, 4, 4), linear.bias)  # [1, 5, 3, 4]
windows = [[linear(large[:, :, i : i + 4, j : j + 4].flatten(1)) for j in range(4)] for i in range(3)]
assert torch.allclose(answers[0], torch.stack([torch.cat(row).T for row in windows], dim=1), atol=1e-5)
one_by_one = torch.randn(5, 3, 1, 1, generator=lab.generator("1x1"))
per_pixel = F.linear(large.permute(0, 2, 3, 1), one_by_one[:, :, 0, 0]).permute(0, 3, 1, 2)
assert torch.allclose(conv2d_forward(large, one_by_one), per_pixel, atol=1e-5)
print("a linear layer on 3 x 4 windows of a larger picture:", tuple(answers.shape), "from one convolution")

# %% [markdown]
# **Equivariance.** Shift the input, and the map shifts along: $f(T(x))=T(f(x))$. That is what *equivariant* means.
# *Invariant* would be $f(T(x))=f(x)$, the answer stays the same; a convolution is not invariant. Two footnotes: zero
# padding breaks equivariance near the border, and with stride $s$ only shifts by multiples of $s$ come out
# as whole shifts.

# %% demo=true
x = torch.from_numpy(digits.x_train[7] / 255.0).float()[None, None]  # [1, 1, 28, 28]
edge = filters["edge: bright to the right"][None, None]
fig, axes = figure(1, 3, size=(9, 2.7))
for ax, (stride, shift) in zip(axes, ((1, 1), (2, 2), (2, 1)), strict=True):
    before = conv2d_forward(x, edge, stride=stride, padding=1)
    after = conv2d_forward(x.roll(shift, dims=3), edge, stride=stride, padding=1)
    step = max(1, shift // stride)
    gap = (after[..., step:] - before[..., :-step])[0, 0]
    heatmap(gap[2:-2, 2:-2], ax, numbers=False, center=0.0, vmin=-4, vmax=4)
    ax.set(title=f"stride {stride}, input shifted by {shift}", xticks=[], yticks=[])
show(fig, "The map of the shifted digit minus the shifted map, borders left out. White is equivariant: with stride 1 "
    "always, with stride 2 for a shift by 2. A shift by 1 falls between the places of a stride of 2.")

# %% [markdown]
# **Widget 1: what does one unit see?** Every panel shows the input; darker pixels enter the central output
# unit along more paths. Find (1) how many $3\times3$ layers see as much as one of $7\times7$, (2) dilations that grow
# the field fast, (3) the danger of using the *same* dilation in all layers.
#
# <details><summary>What to find</summary>Three. With dilation d in every layer only every d-th pixel is ever seen:
# holes ("gridding"); doubling dilations see every pixel, and the field grows exponentially.</details>

# %% demo=true
def seen_by_one_unit(kernel, stride, dilations, padding=0):
    """Number of paths from each input pixel to the central output unit, [size, size]; and the output size."""
    size, _ = receptive_field([(kernel, stride, d) for d in dilations])
    n = max(size + 8, 32)
    x = torch.ones(1, 1, 1, n, dtype=torch.float64, requires_grad=True)
    h = x
    for d in dilations:  # one axis is enough: the window is a product of two
        h = F.conv2d(h, torch.ones(1, 1, 1, kernel, dtype=h.dtype), stride=stride, dilation=d, padding=(0, padding))
    (paths,) = torch.autograd.grad(h[0, 0, 0, h.shape[3] // 2], x)
    paths = paths[0, 0, 0]
    return torch.outer(paths, paths), h.shape[3], n


def field(fig, kernel, stride, padding, dilation, layers, doubling):
    ax, text = fig.subplots(1, 2, width_ratios=[1.4, 1])
    text.axis("off")
    dilations = [dilation * 2**i if doubling else dilation for i in range(layers)]
    size, jump = receptive_field([(kernel, stride, d) for d in dilations])
    if size > 400:
        text.text(0, 0.5, f"field of {size:,} pixels:\ntoo large to draw here")
        ax.axis("off")
        return
    paths, out, n = seen_by_one_unit(kernel, stride, dilations, padding)
    ax.imshow((paths / paths.max()) ** 0.3, cmap="Blues", extent=(0, n, n, 0), interpolation="nearest")
    ax.set(title="paths from each pixel to the central unit", xlabel="column", ylabel="row")
    ax.grid(False)
    seen = int((paths.sum(dim=0) > 0).sum())
    lines = [f"receptive field {size} x {size}", f"pixels really seen {seen} x {seen}", f"jump {jump}",
        f"output {out} x {out} from {n} x {n}", f"weights {layers * kernel**2} per channel pair"]  # fmt: skip
    text.text(0, 0.75, "\n\n".join(lines), va="top")


explore(field, "The input pixels that one output unit sees, darker where more paths lead from the pixel to the unit. "
    "Small kernels stacked see as far as a large one, and look harder at the centre.", size=(8, 3.8),
    kernel=Slider(1, 7, 3), stride=Slider(1, 4, 1), padding=Slider(0, 3, 0), dilation=Slider(1, 8, 1),
    layers=Slider(1, 8, 3), doubling=Toggle(False, "double the dilation in each layer"))

# %% [markdown]
# ## 3 Backwards: the transposed convolution
#
# Let $g=\partial\mathcal L/\partial y$ arrive from above, `[N, O, Ho, Wo]`. Which loss does a weight feel? It
# was used at every place of every picture, so its gradient is a sum over all of them; the same goes for the
# bias:
#
# $$\frac{\partial\mathcal L}{\partial w_{o,c,u,v}}=\sum_{n,i,j}g_{n,o,i,j}\;\tilde x_{n,c,\,is+ud,\,js+vd},\qquad
# \frac{\partial\mathcal L}{\partial b_o}=\sum_{n,i,j}g_{n,o,i,j}.$$
#
# And an input pixel? It was read by several windows. Each of them sends its gradient back along the weight that
# had read it, and where windows overlap these messages *add up*. Written as a scatter, for every $(n,o,i,j)$
# and $(c,u,v)$:
#
# $$\frac{\partial\mathcal L}{\partial\tilde x_{n,c,\,is+ud,\,js+vd}}\mathrel{+}=g_{n,o,i,j}\,w_{o,c,u,v},$$
#
# and at the end the padding is cut off. For stride 1 and no padding this reads
# $\partial\mathcal L/\partial x_{n,c,i,j}=\sum_{o,u,v}g_{n,o,i-u,j-v}\,w_{o,c,u,v}$, where terms outside of $g$
# are zero: a convolution with the kernel turned around, and the picture grows back to its full size.

# %% [markdown]
# **Exercise 3 · 14 points · ★★★ · 90 min.** First the gradients. Neither autograd nor any convolution of torch,
# and no `F.fold`. The loop is that of exercise 2, read backwards.
#
# <details><summary>Hint 1: a question</summary>Forward, output (i, j) read pixel (i s + u d, j s + v d) of the padded
# input. Which slice of a padded array of zeros must receive g times w[:, :, u, v]?</details>
# <details><summary>Hint 2</summary>The gradient has the shape of the PADDED INPUT, not one computed from g: rows that
# no window reads stay 0. Use <code>+=</code>, since windows overlap.</details>
# <details><summary>Hint 3</summary>Which axes does the sum for w run over? einsum with "nohw,nchw->oc" sums over
# pictures and places. A mean over the batch would be wrong: the loss has taken its mean already.</details>

# %% exercise="ex3-conv-backward"
def conv2d_backward(grad_y: Tensor, x: Tensor, w: Tensor, stride: int | tuple[int, int] = 1,
                    padding: int | tuple[int, int] = 0, dilation: int | tuple[int, int] = 1) -> tuple:  # fmt: skip
    """Gradients of a loss in the inputs of y = conv2d_forward(x, w, b, stride, padding, dilation).

    grad_y: gradient in y, [N, O, Ho, Wo]; x: [N, C, H, W]; w: [O, C, kh, kw]
    Returns (grad_x, grad_w, grad_b) with the shapes of x, w and b [O].
    """
    ### BEGIN SOLUTION
    (sh, sw), (ph, pw), (dh, dw) = ((a, a) if isinstance(a, int) else a for a in (stride, padding, dilation))
    (height, width), (kh, kw), (rows, cols) = x.shape[2:], w.shape[2:], grad_y.shape[2:]
    padded = F.pad(x, (pw, pw, ph, ph))
    grad_padded, grad_w = torch.zeros_like(padded), torch.zeros_like(w)
    for u in range(kh):
        for v in range(kw):
            down = slice(u * dh, u * dh + sh * (rows - 1) + 1, sh)
            right = slice(v * dw, v * dw + sw * (cols - 1) + 1, sw)
            grad_w[:, :, u, v] = torch.einsum("nohw,nchw->oc", grad_y, padded[:, :, down, right])
            grad_padded[:, :, down, right] += torch.einsum("nohw,oc->nchw", grad_y, w[:, :, u, v])
    grad_x = grad_padded[:, :, ph : ph + height, pw : pw + width]
    return grad_x, grad_w, grad_y.sum(dim=(0, 2, 3))
    ### END SOLUTION

# %% test="ex3-conv-backward-weights-test" points=4 exercise_no=3
with check("Exercise 3: gradients in w and b") as expect:
    x, w = torch.arange(9.0).view(1, 1, 3, 3), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    _, grad_w, grad_b = conv2d_backward(torch.ones(1, 1, 2, 2), x, w)
    expect.close(grad_w, [[[[8.0, 12.0], [20.0, 24.0]]]], "the gradient in w of the sum of all outputs", rtol=1e-6,
        likely="w[0, 0] was used at four places and met the pixels 0, 1, 3 and 4: their sum is 8")
    expect.close(grad_b, [4.0], "the gradient in b of the sum of four outputs", rtol=1e-6)
    _, twice, twice_b = conv2d_backward(torch.ones(2, 1, 2, 2), torch.cat([x, x]), w)
    expect.close(twice, 2 * grad_w, "the gradient in w for two equal pictures", rtol=1e-6,
        likely="a sum over the batch, not a mean")
    expect.close(twice_b, [8.0], "the gradient in b for two pictures", rtol=1e-6,
        likely="sum over pictures, rows and columns: axes 0, 2 and 3")
    expect.why("One weight, used everywhere, hears from everywhere: that is what sharing means on the way back.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_backward_weights(conv2d_backward)
### END HIDDEN TESTS

# %% test="ex3-conv-backward-inputs-test" points=5 exercise_no=3
with check("Exercise 3: the gradient in x") as expect:
    x, w = torch.zeros(1, 1, 3, 3), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    grad_x, _, _ = conv2d_backward(torch.ones(1, 1, 2, 2), x, w)
    expect.shape(grad_x, (1, 1, 3, 3), "the gradient in x")
    expect.close(grad_x, [[[[1.0, 3.0, 2.0], [4.0, 10.0, 6.0], [3.0, 7.0, 4.0]]]], "the gradient in x of the sum",
        rtol=1e-6, likely="the central pixel was read by all four windows, once under each weight: 1 + 2 + 3 + 4")
    x = torch.zeros(1, 1, 6, 6)
    grad_x, _, _ = conv2d_backward(torch.ones(1, 1, 2, 2), x, w, stride=3)
    expect.shape(grad_x, (1, 1, 6, 6), "the gradient in x for a picture of 6 x 6 and stride 3",
        likely="it has the shape of x, also where the stride leaves rows that no window reads")
    expect.close(grad_x[0, 0, 2], np.zeros(6), "the gradient in row 2, which no window reads")
    grad_x, _, _ = conv2d_backward(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 3, 3), w, padding=1)
    expect.close(grad_x, np.full((1, 1, 3, 3), 10.0), "the gradient in x with padding 1", rtol=1e-6,
        likely="cut the padding off again, on all sides")
    expect.why("Spread, add up, crop: the gradient has found its way back to every pixel.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_backward_inputs(conv2d_backward)
### END HIDDEN TESTS

# %% [markdown]
# The map $g\mapsto\partial\mathcal L/\partial x$ is useful in its own right: a layer that makes pictures *larger*,
# in U-Nets below and in generators (chapter 12). Called **transposed convolution**, it is the transpose of the
# matrix that a convolution is (the picture in section 1), and so its *adjoint*,
#
# $$\langle\,\text{conv}(x),\,z\,\rangle=\langle\,x,\,\text{conv}^{\top}(z)\,\rangle\quad\text{for all }x,z.$$
#
# It is not an inverse: it gives back the shape, not the numbers ("deconvolution" is a misnomer). With stride
# $s$ several input sizes lead to the same output size, so one has to say which is meant: `output_padding` adds
# rows and columns at the bottom and on the right, $H=(h-1)s-2p+k_h+\text{output\_padding}$.

# %% exercise="ex3-conv-transpose"
def conv_transpose2d(z: Tensor, w: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    """Transposed convolution: what conv2d_backward does to grad_y, as a layer.

    z: [N, O, h, w]; w: [O, C, kh, kw], laid out as for the convolution from C to O channels; returns [N, C, H, W]
    with H = (h - 1) stride - 2 padding + kh + output_padding, W likewise.
    ValueError if z or w has not four axes, channels differ, output_padding >= stride, or H or W < 1.
    """
    ### BEGIN SOLUTION
    if z.ndim != 4 or w.ndim != 4 or z.shape[1] != w.shape[0]:
        raise ValueError(f"z {tuple(z.shape)} and w {tuple(w.shape)} must be [N, O, h, w] and [O, C, kh, kw]")
    if output_padding >= stride:
        raise ValueError(f"output_padding {output_padding} must be smaller than the stride {stride}")
    (n, _, rows, cols), (_, channels, kh, kw) = z.shape, w.shape
    height, width = ((m - 1) * stride + k + output_padding for m, k in ((rows, kh), (cols, kw)))
    if min(height, width) <= 2 * padding:
        raise ValueError(f"padding {padding} leaves nothing of {height} x {width} pixels")
    y = z.new_zeros(n, channels, height, width)
    for u in range(kh):
        for v in range(kw):
            part = torch.einsum("nohw,oc->nchw", z, w[:, :, u, v])
            y[:, :, u : u + stride * (rows - 1) + 1 : stride, v : v + stride * (cols - 1) + 1 : stride] += part
    return y[:, :, padding : height - padding, padding : width - padding]
    ### END SOLUTION

# %% test="ex3-conv-transpose-test" points=5 exercise_no=3
with check("Exercise 3: conv_transpose2d") as expect:
    w = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    y = conv_transpose2d(torch.ones(1, 1, 2, 2), w)
    expect.close(y, [[[[1.0, 3.0, 2.0], [4.0, 10.0, 6.0], [3.0, 7.0, 4.0]]]], "four ones, spread by [[1, 2], [3, 4]]",
        rtol=1e-6, likely="every input puts a copy of the kernel into the output; copies that overlap are added")
    stamped = conv_transpose2d(torch.tensor([[[[1.0, 10.0]]]]), w, stride=2)
    expect.close(stamped, [[[[1.0, 2.0, 10.0, 20.0], [3.0, 4.0, 30.0, 40.0]]]], "two copies with stride 2", rtol=1e-6,
        likely="the stride spreads the INPUT: copies start s pixels apart")
    padded = conv_transpose2d(torch.ones(1, 1, 3, 4), w, 2, 1, 1)
    expect.shape(padded, (1, 1, 5, 7), "3 x 4 with stride 2, padding 1 and output padding 1",
        likely="padding takes away p rows on both sides, output_padding adds one at the end")
    expect.raises(ValueError, conv_transpose2d, torch.ones(1, 1, 3, 3), w, 2, 0, 2, what="output_padding 2 at stride 2")
    expect.raises(ValueError, conv_transpose2d, torch.ones(1, 3, 3, 3), w, what="3 channels in z, 1 in w")
    expect.why("Rubber stamps: each number of z prints the kernel, in its own ink. That is all a transposed conv does.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_transpose(conv_transpose2d)
### END HIDDEN TESTS

# %% [markdown]
# Forward and backward together make a layer. `torch.autograd.Function` is the place where torch accepts a
# backward pass written by hand; `StudentConv2d` uses it with *your* two functions, and starts with He's
# weights, $\mathcal N\big(0,\,2/(Ck^2)\big)$.

# %% given="student-conv"
class ConvFn(torch.autograd.Function):
    """Your convolution, forward and backward, as one operation of autograd."""

    @staticmethod
    def forward(ctx, x, w, b, stride, padding):
        ctx.save_for_backward(x, w)
        ctx.options = stride, padding
        return conv2d_forward(x, w, b, stride, padding)

    @staticmethod
    def backward(ctx, grad_y):
        x, w = ctx.saved_tensors
        return *conv2d_backward(grad_y, x, w, *ctx.options), None, None


class StudentConv2d(nn.Module):
    """A convolutional layer that runs on conv2d_forward and conv2d_backward."""

    def __init__(self, c_in: int, c_out: int, k: int, stride: int = 1, padding: int = 0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, k, k) * math.sqrt(2 / (c_in * k * k)))
        self.bias = nn.Parameter(torch.zeros(c_out))
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return ConvFn.apply(x, self.weight, self.bias, self.stride, self.padding)

# %% demo=true
generator = lab.generator("gradcheck")
parts = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    for shape in ((2, 2, 5, 4), (3, 2, 3, 2), (3,))]  # fmt: skip
print("gradcheck of your convolution:", torch.autograd.gradcheck(lambda *p: ConvFn.apply(*p, 2, 1), parts))
z, x = torch.randn(1, 3, 3, 3, generator=generator), torch.randn(1, 2, 5, 4, generator=generator)
w = parts[1].detach().float()
left = (conv2d_forward(x, w, stride=2, padding=1) * z).sum()
right = (x * conv_transpose2d(z, w, 2, 1)).sum()
print(f"<conv(x), z> = {left:.5f},  <x, convT(z)> = {right:.5f}")
assert torch.allclose(left, right, atol=1e-4)
