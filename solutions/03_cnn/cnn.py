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
# A multilayer perceptron reads nine digits of ten. Move the digits by up to three pixels, and it reads four: it never
# knew that pixels have neighbours. A convolutional network knows it from the start: it looks at small patches, uses
# the same detector everywhere, and needs a sixth of the weights.
#
# **What you will build**
# - convolution, its backward pass, transposed convolution and max pooling, all by hand;
# - a digit classifier that trains through *your* forward and backward passes;
# - batch norm for maps, residual blocks and a 56-layer network that can learn;
# - all parts of an object detector: overlap, suppression, box coding, grid targets, average precision. At the end it
#   finds, names and frames the shapes below in pictures it has never seen.

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
from coursekit.shapes import SHAPES, box_overlaps, draw_boxes, shapes
from coursekit.standins import StandIns
from coursekit.training import minibatches, train
from coursekit.widgets import Slider, Toggle, explore
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
    ax.imshow(picture, extent=(0, 64, 64, 0), interpolation="nearest")
    ax.set(title=task, xlim=(0, 64), ylim=(64, 0))
    ax.axis("off")
axes[0].text(3, 60, f'"{names[largest]}"', color=COLOR["yellow"])
draw_boxes(axes[1], boxes[largest : largest + 1], [names[largest]])
draw_boxes(axes[2], boxes, names)
axes[3].imshow(scene.masks[pick], extent=(0, 64, 64, 0), cmap="viridis", alpha=0.8, interpolation="nearest")
show(fig, "Four questions to one picture. What is it? What and where is the main object? Which objects, "
    "and where, however many there are? Of which class is each pixel? This chapter answers all four; "
    "the third with your code.")

# %% [markdown]
# | exercise | in section | points, in the order of the checks | difficulty | about |
# |---|---|---|---|---|
# | 1 Sizes, parameters, receptive fields | 1 | 2 + 2 + 2 = 6 | ★☆☆ | 30 min |
# | 2 Convolution, forward | 2 | 5 + 4 + 3 = 12 | ★★☆ | 60 min |
# | 3 Convolution, backward; transposed convolution | 3 | 4 + 5 + 5 = 14 | ★★★ | 90 min |
# | 4 Max pooling | 4 | 5 + 3 = 8 | ★★☆ | 45 min |
# | 5 Batch norm for maps | 5 | 3 + 2 + 2 + 1 = 8 | ★★☆ | 35 min |
# | 6 Residual blocks, a deep network | 6 | 4 + 4 = 8 | ★★☆ | 45 min |
# | 7 Overlap and suppression | 9 | 4 + 5 = 9 | ★★☆ | 45 min |
# | 8 Box coding and grid targets | 9 | 2 + 2 + 3 = 7 | ★★☆ | 45 min |
# | 9 Average precision | 9 | 6 + 2 = 8 | ★★★ | 50 min |
# | Experiments A, B, C | 4, 6, 9 | 4 + 2 + 4 = 10 | ★☆☆ | 20 min |
# | Questions | end | 1 + 2 + 2 + 2 + 2 + 1 = 10 | ★☆☆ | 20 min |
# | together | | 100 | | about 8 hours |
#
# Exercises 7 to 9 need none of the exercises before them.

# %% [markdown]
# **What you need to know**: networks of linear layers and ReLU, what a gradient is and that a backward pass carries
# it from the output of a layer to its inputs and weights (chapter 02), batch norm and skip connections for vectors
# (chapter 01, sections 6 and 7).
#
# **How it works**: replace `raise NotImplementedError()` by your code, run the cell, then run the check below it. You
# may leave exercises open: later checks that do not need them still run, and figures that do need them say so. More
# inputs are tried after handing in; that is also when it is checked that functions of torch which an exercise forbids
# are not used. Whatever you create takes dtype and device of its inputs, and inputs are never changed. Each docstring
# says which input is refused with a `ValueError`.
#
# **Notation**: images are `[N, C, H, W]`: $N$ pictures, $C$ channels (3 for colour, more inside a network), $H$ rows,
# $W$ columns; in formulas $n$, $c$ number pictures and channels, and $i,j$ rows and columns. Kernels are
# `[O, C, kh, kw]`: $O$ output channels, each with a small window over all $C$ input channels. $k,s,p,d$: kernel size,
# stride, padding, dilation. Boxes are $(x_1,y_1,x_2,y_2)$ in continuous coordinates: a box from 3 to 5 is 2 wide,
# with no "plus one pixel"; lists of boxes are `[K, 4]`, a second one beside it `[M, 4]`.

# %% [markdown]
# ## 0 Why not an MLP?
#
# A digit is a grid of $28\times28$ numbers. A multilayer perceptron (MLP) takes it as a list of 784, and nothing in
# the list says that entry 100 lies *below* entry 72. Two thought experiments show what is lost.
#
# *Shuffle the pixels*, all pictures with the same permutation. No information is gone, yet no person can read the
# digits any more. And the MLP? Permute the columns of its first weight matrix in the same way, and it computes what
# it did before. Fresh random columns are as good in any order, so its learning problem is *exactly* the same: it
# never used the neighbourhood of pixels at all.
#
# *Shift a picture by one pixel.* A person hardly notices; the list of 784 numbers changes along every stroke, and
# all activations with it, in no predictable way. An MLP has to learn every position of every stroke from data.

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
    axes[i, 1].plot(range(340, 430), shifted[i].flatten()[340:430], linewidth=1.2)
    axes[i, 2].imshow(hidden_units[i])
    axes[i, 3].imshow(maps[i])
    for j in (0, 2, 3):
        axes[i, j].set(xticks=[], yticks=[])
for ax, title in zip(axes[0], ("one zero, moved", "pixels 340 to 430 of the list", "196 units of an MLP",
                               "a map of a conv layer"), strict=True):
    ax.set_title(title, fontsize=9.5)
show(fig, "A zero moved by one pixel. The list of numbers moves by 1 or by 28 places, the units of an "
    "untrained MLP answer with another pattern each time; the map of a convolutional layer, untrained "
    "as well, just moves along.")

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
# Now every unit asks the same question at another place: it has become a detector of one *feature*, wherever that is.
# And the number of weights no longer depends on how long the line is. With several channels each output channel $o$
# adds up all input channels $c$ (mind the index: $i+\Delta$, not $\Delta$):
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
show(fig, "One layer from 5 inputs to 5 outputs as a matrix; empty cells are missing links. Sharing "
    "makes it constant along its diagonals. Its transpose, right, is a convolution again, with the "
    "kernel turned around: it will carry the gradient back.")

# %% [markdown]
# Three knobs decide how a window walks over its input, and how long the output is. **Padding** $p$ adds zeros at both
# ends; without it ("valid") the output is shorter than the input. One pads to keep the size, so that
# $x+\text{conv}(x)$ makes sense and deep stacks do not shrink away, and so that pixels at the border count.
# **Stride** $s$ is the step of the window: neighbouring windows see nearly the same, so one may skip some.
# **Dilation** $d$ spreads the $k$ taps of a window over $d(k-1)+1$ places. From $\ell$ inputs (the argument `n`
# below), along each axis,
#
# $$\ell_{\text{out}}=\Big\lfloor\frac{\ell+2p-d(k-1)-1}{s}\Big\rfloor+1 .$$
#
# Mind the floor: a window that does not fit entirely is not taken, and a remainder of the
# input may remain unread.

# %% [markdown]
# **Parameters.** Each of the $O$ filters has $k_hk_w$ weights per input channel and one bias, $O(Ck_hk_w+1)$ in all.
# (In $g$ *groups*, filters see only $C/g$ channels each.) **Receptive field**: how many input pixels can one unit
# deep in the network see? Walk from the input to the output and keep two numbers, the size $r$ of the field and the
# *jump* $j$, the distance in input pixels between two neighbouring units:
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

    ValueError if n, k, stride or dilation is not positive, if padding is negative, or if the window does
    not fit.
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
    expect.equal(conv_out_size(227, 11, 4), 55,
        "outputs for n=227, k=11, stride 4 (the first layer of AlexNet)")
    expect.equal(conv_out_size(28, 5, 1, 2), 28, "outputs for n=28, k=5, stride 1, padding 2",
        likely="padding adds p zeros at BOTH ends: n + 2p")
    expect.equal(conv_out_size(14, 3, 2), 6, "outputs for n=14, k=3, stride 2",
        likely="round down: the last window would reach one pixel beyond the end")
    expect.equal(conv_out_size(9, 3, 1, 0, 2), 5, "outputs for n=9, k=3, dilation 2",
        likely="three taps two apart reach over 2 * (3 - 1) + 1 = 5 places")
    expect.raises(ValueError, conv_out_size, 4, 5, what="a window of 5 on 4 pixels")
    expect.raises(ValueError, conv_out_size, 4, 3, 0, what="stride 0")
    expect.raises(ValueError, conv_out_size, 4, 3, 1, 0, 2, what="three taps two apart on 4 pixels",
        likely="whether a window fits depends on its reach, d (k - 1) + 1, and not on k alone")
    expect.equal(conv_out_size(4, 5, 1, 1), 2, "outputs for n=4, k=5, stride 1, padding 1")
    expect.raises(ValueError, conv_out_size, 9, 3, 1, -1, what="padding -1")
    expect.why("Most errors in a first network are errors of size. Now you can compute them beforehand.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_out_size(conv_out_size)
### END HIDDEN TESTS

# %% exercise="ex1-conv-params"
def conv_params(c_in: int, c_out: int, k: int | tuple[int, int], bias: bool = True,
                groups: int = 1) -> int:
    """Number of parameters of a convolution with c_out filters over c_in channels.

    k: size of the kernel, or (height, width)
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
    expect.equal(conv_params(3, 8, (3, 5), bias=False), 360,
        "weights of 8 filters of 3 x 5 on 3 channels")
    expect.equal(conv_params(8, 12, 3, groups=4), 228, "parameters with 8 channels to 12 in 4 groups",
        likely="in 4 groups each filter sees 8 / 4 = 2 channels; there are still 12 filters")
    expect.raises(ValueError, conv_params, 3, 8, 3, True, 2, what="3 channels in 2 groups")
    expect.raises(ValueError, conv_params, 4, 6, 3, True, 4, what="6 filters in 4 groups")
    expect.raises(ValueError, conv_params, 0, 8, 3, what="a layer with no input channels")
    expect.why("156, whether the picture has 28 x 28 pixels or 28 million: sharing makes weights "
        "independent of size.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_params(conv_params)
### END HIDDEN TESTS

# %% exercise="ex1-receptive-field"
def receptive_field(layers: list[tuple[int, int, int]]) -> tuple[int, int]:
    """Size of the receptive field of one output unit, and the jump between two neighbours, in pixels.

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
    expect.equal(receptive_field([(5, 1, 1), (2, 2, 1), (5, 1, 1)]), (14, 2),
        "(size, jump) of 5, pooling 2/2, 5",
        likely="5, then one pixel more for the pooling, then four steps of 2 pixels")
    expect.equal(receptive_field([(2, 1, d) for d in (1, 2, 4, 8)]), (16, 1),
        "(size, jump), dilations 1, 2, 4, 8")
    expect.equal(receptive_field([(3, 2, 1), (3, 2, 1), (3, 1, 2)]), (23, 4),
        "(size, jump): 3/2, 3/2, 3 with dilation 2", likely="jumps multiply: behind two strides of 2 "
        "one unit is 4 pixels; dilation 2 makes steps of two units")
    expect.equal(receptive_field([]), (1, 1), "(size, jump) of no layers at all",
        likely="a unit of the input sees itself")
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
# And the digits? The MLP of this chapter, $784\to225\to144\to10$, has $176{,}400+32{,}400+1{,}440=210{,}240$ weights.
# Nine $5\times5$ filters in place of its first layer need $225$. Do not think that it computes less: it has
# $28\cdot28\cdot9=7056$ signals where the MLP had 225.

# %% demo=true
mlp_weights = sum(a * b for a, b in pairwise([784, 225, 144, 10]))
cnn_weights = [conv_params(1, 9, 5, bias=False), conv_params(9, 16, 5, bias=False), 16 * 14 * 14 * 10]
print(f"MLP: {mlp_weights:,} weights;  CNN: {' + '.join(map(str, cnn_weights))} = {sum(cnn_weights):,}")
large, small = conv_params(64, 64, 7, False), conv_params(64, 64, 3, False)
print(f"64 channels: one layer of 7x7 has {large:,} weights, three of 3x3 have {3 * small:,}")
assert mlp_weights == 210_240 and sum(cnn_weights) == 35_185

# %% [markdown]
# ## 2 The convolutional layer
#
# On pictures the window has two axes. With zero-padded input $\tilde x$, for picture $n$, output channel $o$ and
# place $(i,j)$,
#
# $$y_{n,o,i,j}=b_o+\sum_{c,u,v}w_{o,c,u,v}\;\tilde x_{n,c,\;i s_h+u d_h,\;j s_w+v d_w}.$$
#
# Shapes: $x$ `[N, C, H, W]`, $w$ `[O, C, kh, kw]`, $b$ `[O]`, $y$ `[N, O, Ho, Wo]`. A filter adds up its response
# over all input channels and has one bias. Filters of one layer do not see each other; the next layer mixes them. All
# places can be computed at once, which is why graphics cards like this layer. Usually a ReLU follows.
#
# **A name that misleads.** The *convolution* of mathematics turns one of its arguments around,
# $(w*x)[t]=\sum_aw[a]\,x[t-a]$. What deep learning calls convolution does not: our formula is a
# **cross-correlation**. For learned kernels it makes no difference. For kernels written by hand, and in your code, it
# does.

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
show(fig, "Three filters at work: two for edges, whose answer is strongly negative at the opposite edge "
    "(a ReLU would remove it), and one that is largest exactly where the square has its top left "
    "corner.")

# %% [markdown]
# How to compute it without six nested loops? Loop over the few offsets $(u,v)$ of the window only. For one offset,
# all places of all pictures read a *shifted and strided copy* of the padded input, and `einsum` sums over the
# channels:
#
# $$y\mathrel{+}=\text{einsum}\big(\text{nchw},\,\text{oc}\to\text{nohw}\big)\;\text{ of that slice and }w_{:,:,u,v}.$$
#
# The other way is `F.unfold`, which writes all windows into the columns of one matrix, and a single product.
#
# **Exercise 2 · 12 points · ★★☆ · 60 min.** All convolutions of torch are forbidden while your function runs (checked
# after handing in); `F.pad`, `F.unfold`, `einsum` and slices are fine. Networks will train through your function, so
# it has to be differentiable: no `.detach()`, no `.data`.
#
# <details><summary>Hint 1: a question</summary>Padded input of 9 columns, kernel of 3, stride 2, dilation 2: which
# columns does the tap v = 1 read, one for each output? Write them as a slice start:stop:step.</details>
# <details><summary>Hint 2</summary>start = v·d, step = s, and there are Wo of them, so the last one is v·d +
# s·(Wo − 1) and stop is one more. Cutting at stop matters where the stride leaves a remainder. <code>F.pad</code> takes
# (left, right, top, bottom).</details>
# <details><summary>Hint 3</summary>A bias [O] added to [N, O, Ho, Wo] broadcasts over the LAST axis. Give it the
# shape [1, O, 1, 1]; and add it once, not once for each offset.</details>

# %% exercise="ex2-conv-forward"
def conv2d_forward(x: Tensor, w: Tensor, b: Tensor | None = None, stride: int | tuple[int, int] = 1,
                   padding: int | tuple[int, int] = 0,
                   dilation: int | tuple[int, int] = 1) -> Tensor:
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
    expect.close(y, [[[[27.0, 37.0], [57.0, 67.0]]]],
        "the kernel [[1, 2], [3, 4]] on the numbers 0 to 8", rtol=1e-6,
        likely="the top left answer is 0*1 + 1*2 + 3*3 + 4*4 = 27; 13 means that the kernel was turned "
        "around")
    expect.equal(x, torch.arange(9.0).view(1, 1, 3, 3), "x after the call",
        likely="x belongs to the caller: work on a copy")
    square = torch.zeros(1, 1, 6, 6)
    square[0, 0, 2:4, 2:4] = 1.0
    corner = torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 0.0]]]])
    found = conv2d_forward(square, corner, torch.tensor([-0.5]), padding=1)
    expect.shape(found, (1, 1, 6, 6), "a 3 x 3 kernel with padding 1: as large as the picture")
    expect.true(found.max() == found[0, 0, 2, 2],
        "the corner detector must answer most strongly at the corner (2, 2)",
        likely="zeros belong on all four sides")
    expect.close(found[0, 0, 2, 2], 2.5, "a corner detector with bias -0.5 at the corner", rtol=1e-6,
        likely="three ones under the three weights, plus the bias ONCE")
    pictures = torch.arange(8.0).view(2, 2, 1, 2)  # [N, C, H, W]
    weights = torch.tensor([[[1.0, 10], [100, 1000]], [[1, 0], [0, 0]], [[0, 0], [0, 1]]])[:, :, None]  # [O, C, 1, 2]
    mixed = conv2d_forward(pictures, weights, torch.tensor([0.0, 10, 20]))
    expect.shape(mixed, (2, 3, 1, 1), "3 filters of 1 x 2 on 2 pictures with 2 channels of 1 x 2",
        likely="y is [N, O, Ho, Wo], and a bias [O] belongs to axis 1: one number for each map")
    expect.close(mixed[:, :, 0, 0], [[3210.0, 10, 23], [7654, 14, 27]],
        "two pictures, two channels, three filters", rtol=1e-6,
        likely="w is [O, C, kh, kw]: each filter sums over ALL channels of one picture, and adds its "
        "bias once")
    expect.why(
        "A filter is a question, the map its answer for every place: 3 at the corner, plus the bias.")
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
    expect.close(strided, [[[[16.0, 28.0], [72.0, 84.0]]]], "sums of 2 x 2 windows, stride (2, 3)",
        rtol=1e-6)
    expect.shape(conv2d_forward(x, ones, padding=(1, 0)), (1, 1, 6, 6), "padding (1, 0)",
        likely="F.pad takes (left, right, top, bottom): the last axis first")
    dilated = conv2d_forward(x, ones, dilation=2)
    expect.shape(dilated, (1, 1, 3, 5), "2 x 2 with dilation 2 on 5 x 7")
    expect.close(dilated[0, 0, 0, 0], 0 + 2 + 14 + 16, "the first sum with dilation 2", rtol=1e-6,
        likely="the taps lie two pixels apart, in both directions")
    pictures, weights = torch.arange(48.0).view(2, 2, 4, 3), torch.arange(1.0, 13).view(3, 2, 1, 2)
    both = conv2d_forward(pictures, weights, torch.tensor([0.0, 100, 200]), stride=(3, 1), dilation=(1, 2))
    want = [[[96.0, 186], [308, 542], [520, 898]], [[336, 426], [932, 1166], [1528, 1906]]]  # [N, O, Ho]
    expect.close(both, torch.tensor(want)[..., None],
        "2 pictures, 2 channels, 3 filters of 1 x 2, stride (3, 1), dilation (1, 2)", rtol=1e-6,
        likely="rows go by kh and the first number of each pair, columns by kw and the second")
    expect.why("With these three knobs one loop over the window does what a zoo of layers needs.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_options(conv2d_forward)
### END HIDDEN TESTS

# %% given="slopes"
def slopes(conv: Callable) -> tuple:
    """The gradients of the sum of a convolution in x and w, None where there is none."""
    x = torch.arange(9.0).view(1, 1, 3, 3).requires_grad_()
    w = torch.ones(1, 1, 2, 2, requires_grad=True)
    y = conv(x, w)
    return torch.autograd.grad(y.sum(), (x, w), allow_unused=True) if y.requires_grad else (None, None)

# %% test="ex2-conv-use-test" points=3 exercise_no=2
with check("Exercise 2: in a network") as expect:
    for name, slope, want in zip("xw", slopes(conv2d_forward),
            ([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], [[8.0, 12], [20, 24]]), strict=True):
        expect.true(slope is not None, f"the result cannot be differentiated in {name}",
            likely="look for .detach() or .data")
        expect.close(slope, [[want]], f"the gradient of the sum in {name}", rtol=1e-6)
    x, w = torch.zeros(2, 3, 5, 6), torch.zeros(4, 3, 3, 3)
    expect.raises(ValueError, conv2d_forward, x, torch.zeros(4, 2, 3, 3), what="2 channels in w, 3 in x")
    expect.raises(ValueError, conv2d_forward, x, w, torch.zeros(3),
        what="a bias of length 3 for 4 filters")
    expect.raises(ValueError, conv2d_forward, x, w, torch.zeros(1),
        what="a bias of length 1 for 4 filters")
    expect.raises(ValueError, conv2d_forward, x[0], w, what="a picture without a batch axis")
    expect.raises(ValueError, conv2d_forward, x, torch.zeros(4, 3, 6, 3), what="a kernel of 6 rows on 5")
    expect.why("Autograd can differentiate your loop. In the next exercise you do it yourself.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_use(conv2d_forward)
### END HIDDEN TESTS

# %% [markdown]
# **Some kernels have a meaning of their own.** A $1\times1$ kernel looks at one pixel only: it is a linear layer over
# the channels, the same for every pixel, and the cheap way to change the number of channels. A kernel as large as the
# map has one place to go: it is a fully connected layer. This is how OverFeat (Sermanet et al. 2014) turned a
# classifier into a detector: write its linear layers as convolutions, then feed a *larger* picture, and get the
# answers of all windows at once, with everything that overlaps computed once.

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
# padding breaks equivariance near the border, and with stride $s$ only shifts by multiples of $s$ come out as whole
# shifts.

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
show(fig, "The map of the shifted digit minus the shifted map, borders left out. White is equivariant: "
    "with stride 1 always, with stride 2 for a shift by 2. A shift by 1 falls between the places of a "
    "stride of 2.")

# %% [markdown]
# **Widget 1: what does one unit see?** The picture shows the input; darker pixels enter the central output unit along
# more paths. Find (1) how many $3\times3$ layers see as much as one of $7\times7$, (2) dilations that grow the field
# fast, (3) the danger of using the *same* dilation in all layers.
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
    ax.imshow((paths / paths.max().clamp(min=1)) ** 0.3, cmap="Blues", extent=(0, n, n, 0), interpolation="nearest")
    ax.set(title="paths from each pixel to the central unit", xlabel="column", ylabel="row")
    ax.grid(False)
    seen = int((paths.sum(dim=0) > 0).sum())
    lines = [f"receptive field {size} x {size}", f"pixels really seen {seen} x {seen}", f"jump {jump}",
        f"output {out} x {out} from {n} x {n}", f"weights {layers * kernel**2} per channel pair"]
    text.text(0, 0.75, "\n\n".join(lines), va="top")


explore(field, "The input pixels that one output unit sees, darker where more paths lead from the pixel "
    "to the unit. Small kernels stacked see as far as a large one, and look harder at the centre.",
    size=(8, 3.8), kernel=Slider(1, 7, 3), stride=Slider(1, 4, 1), padding=Slider(0, 3, 0),
    dilation=Slider(1, 8, 1), layers=Slider(1, 8, 3),
    doubling=Toggle(False, "double the dilation in each layer"))

# %% [markdown]
# ## 3 Backwards: the transposed convolution
#
# Let $g=\partial\mathcal L/\partial y$ arrive from above, `[N, O, Ho, Wo]`. Which loss does a weight feel? It was
# used at every place of every picture, so its gradient is a sum over all of them; the same goes for the bias:
#
# $$\frac{\partial\mathcal L}{\partial w_{o,c,u,v}}=\sum_{n,i,j}g_{n,o,i,j}\;\tilde x_{n,c,\,is+ud,\,js+vd},\qquad
# \frac{\partial\mathcal L}{\partial b_o}=\sum_{n,i,j}g_{n,o,i,j}.$$
#
# And an input pixel? It was read by several windows. Each of them sends its gradient back along the weight that had
# read it, and where windows overlap these messages *add up*. Written as a scatter, for every $(n,o,i,j)$ and
# $(c,u,v)$:
#
# $$\frac{\partial\mathcal L}{\partial\tilde x_{n,c,\,is+ud,\,js+vd}}\mathrel{+}=g_{n,o,i,j}\,w_{o,c,u,v},$$
#
# and at the end the padding is cut off. For stride 1, dilation 1 and no padding this reads
# $\partial\mathcal L/\partial x_{n,c,i,j}=\sum_{o,u,v}g_{n,o,i-u,j-v}\,w_{o,c,u,v}$, where terms outside of $g$ are
# zero: a convolution with the kernel turned around, and the picture grows back to its full size.

# %% [markdown]
# **Exercise 3 · 14 points · ★★★ · 90 min.** First the gradients. Forbidden (checked after handing in): autograd, all
# convolutions of torch, `F.fold`. The loop is that of exercise 2, read backwards.
#
# <details><summary>Hint 1: a question</summary>Forward, output (i, j) read pixel (i s + u d, j s + v d) of the padded
# input. Which slice of a padded array of zeros must receive g times w[:, :, u, v]?</details>
# <details><summary>Hint 2</summary>The gradient has the shape of the PADDED INPUT, not one computed from g: rows that
# no window reads stay 0. Use <code>+=</code>, since windows overlap.</details>
# <details><summary>Hint 3</summary>Which axes does the sum for w run over? einsum with "nohw,nchw->oc" sums over
# pictures and places. A mean over the batch would be wrong: the loss has taken its mean already.</details>

# %% exercise="ex3-conv-backward"
def conv2d_backward(grad_y: Tensor, x: Tensor, w: Tensor, stride: int | tuple[int, int] = 1,
                    padding: int | tuple[int, int] = 0,
                    dilation: int | tuple[int, int] = 1) -> tuple:
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

# %% given="torch-gradients"
def uneven_case() -> tuple:
    """A convolution with two pictures, three channels, four filters, options that differ by axis.

    Returns grad_y, x, w, (stride, padding, dilation), and torch's gradients in x, w and b.
    """
    generator = torch.Generator().manual_seed(3)
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    x, w, b = (normal(*shape).requires_grad_() for shape in ((2, 3, 6, 7), (4, 3, 3, 2), (4,)))
    options = (2, 1), (1, 0), (1, 2)
    y = F.conv2d(x, w, b, *options)
    grad_y = normal(*y.shape)
    return grad_y, x.detach(), w.detach(), options, torch.autograd.grad(y, (x, w, b), grad_y)

# %% test="ex3-conv-backward-weights-test" points=4 exercise_no=3
with check("Exercise 3: gradients in w and b") as expect:
    x, w = torch.arange(9.0).view(1, 1, 3, 3), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    _, grad_w, grad_b = conv2d_backward(torch.ones(1, 1, 2, 2), x, w)
    expect.close(grad_w, [[[[8.0, 12.0], [20.0, 24.0]]]], "the gradient in w of the sum of all outputs",
        rtol=1e-6,
        likely="w[0, 0] was used at four places and met the pixels 0, 1, 3 and 4: their sum is 8")
    expect.close(grad_b, [4.0], "the gradient in b of the sum of four outputs", rtol=1e-6)
    _, twice, twice_b = conv2d_backward(torch.ones(2, 1, 2, 2), torch.cat([x, x]), w)
    expect.close(twice, 2 * grad_w, "the gradient in w for two equal pictures", rtol=1e-6,
        likely="a sum over the batch, not a mean")
    expect.close(twice_b, [8.0], "the gradient in b for two pictures", rtol=1e-6,
        likely="sum over pictures, rows and columns: axes 0, 2 and 3")
    grad_y, x, w, options, (_, want_w, want_b) = uneven_case()
    _, grad_w, grad_b = conv2d_backward(grad_y, x, w, *options)
    what = "2 pictures, 3 channels, 4 filters of 3 x 2, stride (2, 1), padding (1, 0), dilation (1, 2)"
    expect.close(grad_w, want_w, f"the gradient in w: {what}", rtol=1e-6,
        likely="the same slice of the padded x as in the forward pass; grad_w is [O, C, kh, kw] like w")
    expect.close(grad_b, want_b, f"the gradient in b: {what}", rtol=1e-6)
    expect.why("One weight, used everywhere, hears from everywhere: that is what sharing means on the "
        "way back.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_backward_weights(conv2d_backward)
### END HIDDEN TESTS

# %% test="ex3-conv-backward-inputs-test" points=5 exercise_no=3
with check("Exercise 3: the gradient in x") as expect:
    x, w = torch.zeros(1, 1, 3, 3), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    grad_x, _, _ = conv2d_backward(torch.ones(1, 1, 2, 2), x, w)
    expect.shape(grad_x, (1, 1, 3, 3), "the gradient in x")
    expect.close(grad_x, [[[[1.0, 3.0, 2.0], [4.0, 10.0, 6.0], [3.0, 7.0, 4.0]]]],
        "the gradient in x of the sum", rtol=1e-6,
        likely="the central pixel was read by all four windows, once under each weight: 1 + 2 + 3 + 4")
    x = torch.zeros(1, 1, 6, 6)
    grad_x, _, _ = conv2d_backward(torch.ones(1, 1, 2, 2), x, w, stride=3)
    expect.shape(grad_x, (1, 1, 6, 6), "the gradient in x for a picture of 6 x 6 and stride 3",
        likely="it has the shape of x, also where the stride leaves rows that no window reads")
    expect.close(grad_x[0, 0, 2], np.zeros(6), "the gradient in row 2, which no window reads")
    grad_x, _, _ = conv2d_backward(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 3, 3), w, padding=1)
    expect.close(grad_x, np.full((1, 1, 3, 3), 10.0), "the gradient in x with padding 1", rtol=1e-6,
        likely="cut the padding off again, on all sides")
    grad_y, x, w, options, (want_x, *_) = uneven_case()
    what = "2 pictures, 3 channels, 4 filters of 3 x 2, stride (2, 1), padding (1, 0), dilation (1, 2)"
    expect.close(conv2d_backward(grad_y, x, w, *options)[0], want_x, f"the gradient in x: {what}",
        rtol=1e-6, atol=1e-9, likely="each pair is (vertical, horizontal); tap (u, v) read the pixel (i "
        "s + u d, j s + v d) of the PADDED x")
    expect.why("Spread, add up, crop: the gradient has found its way back to every pixel.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_backward_inputs(conv2d_backward)
### END HIDDEN TESTS

# %% [markdown]
# The map $g\mapsto\partial\mathcal L/\partial x$ is useful in its own right: a layer that makes pictures *larger*, in
# U-Nets below and in generators (chapter 12). Called **transposed convolution**, it is the transpose of the matrix
# that a convolution is (the picture in section 1), and so its *adjoint*,
#
# $$\langle\,\text{conv}(x),\,z\,\rangle=\langle\,x,\,\text{conv}^{\top}(z)\,\rangle\quad\text{for all }x,z.$$
#
# It is not an inverse: it gives back the shape, not the numbers ("deconvolution" is a misnomer). With stride $s$
# several input sizes lead to the same output size, so one has to say which is meant: `output_padding` makes the
# canvas that much larger at the bottom and on the right, $H=(h-1)s-2p+k_h+\text{output\_padding}$. Print all kernels
# first and cut $p$ rows and columns off on every side last: what then stands in the extra rows is what was printed
# there, or 0.

# %% exercise="ex3-conv-transpose"
def conv_transpose2d(z: Tensor, w: Tensor, stride: int = 1, padding: int = 0,
                     output_padding: int = 0) -> Tensor:
    """Transposed convolution: what conv2d_backward does to grad_y, as a layer.

    z: [N, O, h, w]; w: [O, C, kh, kw], laid out as for the convolution from C to O channels.
    Returns [N, C, H, W] with H = (h - 1) stride - 2 padding + kh + output_padding, W likewise.
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
    expect.close(y, [[[[1.0, 3.0, 2.0], [4.0, 10.0, 6.0], [3.0, 7.0, 4.0]]]],
        "four ones, spread by [[1, 2], [3, 4]]", rtol=1e-6,
        likely="every input puts a copy of the kernel into the output; copies that overlap are added")
    stamped = conv_transpose2d(torch.tensor([[[[1.0, 10.0]]]]), w, stride=2)
    expect.close(stamped, [[[[1.0, 2.0, 10.0, 20.0], [3.0, 4.0, 30.0, 40.0]]]],
        "two copies with stride 2", rtol=1e-6,
        likely="the stride spreads the INPUT: copies start s pixels apart")
    padded = conv_transpose2d(torch.ones(1, 1, 3, 4), w, 2, 1, 1)
    expect.shape(padded, (1, 1, 5, 7), "3 x 4 with stride 2, padding 1 and output padding 1",
        likely="padding takes away p rows on both sides, output_padding adds one at the end")
    wide = torch.tensor([[[[1.0, 2, 4], [0, 0, 0], [8, 16, 32]]]])
    kept = conv_transpose2d(torch.ones(1, 1, 1, 2), wide, 2, 1, 1)
    expect.close(kept, [[[[0.0, 0, 0, 0], [16, 40, 16, 32]]]],
        "two copies of a 3 x 3 kernel, stride 2, padding 1, output padding 1", rtol=1e-6,
        likely="print first, cut afterwards: one row and column less is cut off at the bottom and on "
        "the right, and what was printed there stays")
    wider = conv_transpose2d(torch.ones(1, 1, 1, 2), torch.tensor([[[[1.0, 2, 3]]]]), 2, 0, 1)
    expect.close(wider, [[[[1.0, 2, 4, 2, 3, 0], [0, 0, 0, 0, 0, 0]]]],
        "two copies of a 1 x 3 kernel, stride 2, output padding 1", rtol=1e-6,
        likely="rows go by kh, columns by kw; and both axes grow by output_padding, with zeros if "
        "nothing is printed there")
    channels = conv_transpose2d(torch.tensor([1.0, 10]).view(1, 2, 1, 1), torch.arange(6.0).view(2, 3, 1, 1))
    expect.close(channels, [[[[30.0]], [[41]], [[52]]]], "2 channels in, 3 out, a kernel of 1 x 1",
        rtol=1e-6, likely="w is [O, C, kh, kw] and z is [N, O, h, w]: the sum runs over O")
    expect.raises(ValueError, conv_transpose2d, torch.ones(1, 1, 3, 3), w, 2, 0, 2,
        what="output_padding 2 at stride 2")
    expect.raises(ValueError, conv_transpose2d, torch.ones(1, 1, 1, 4), w, 1, 1,
        what="padding 1 that takes away both rows")
    expect.raises(ValueError, conv_transpose2d, torch.ones(1, 3, 3, 3), w,
        what="3 channels in z, 1 in w")
    expect.why("Rubber stamps: each number of z prints the kernel, in its own ink. That is all a "
        "transposed conv does.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.conv_transpose(conv_transpose2d)
### END HIDDEN TESTS

# %% [markdown]
# Forward and backward together make a layer. `torch.autograd.Function` is the place where torch accepts a backward
# pass written by hand; `StudentConv2d` uses it with *your* two functions, and starts with He's weights,
# $\mathcal N\big(0,\,2/(Ck^2)\big)$.

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
    for shape in ((2, 2, 5, 4), (3, 2, 3, 2), (3,))]
print("gradcheck of your convolution:", torch.autograd.gradcheck(lambda *p: ConvFn.apply(*p, 2, 1), parts))
z, x = torch.randn(1, 3, 3, 3, generator=generator), torch.randn(1, 2, 5, 4, generator=generator)
w = parts[1].detach().float()
left = (conv2d_forward(x, w, stride=2, padding=1) * z).sum()
right = (x * conv_transpose2d(z, w, 2, 1)).sum()
print(f"<conv(x), z> = {left:.5f},  <x, convT(z)> = {right:.5f}")
assert torch.allclose(left, right, atol=1e-4)

# %% [markdown]
# ## 4 Max pooling
#
# After a detector of strokes we often care *whether* there is a stroke, and only roughly where. **Max pooling** keeps
# the largest value of each $k\times k$ window, channel by channel, without any parameter:
#
# $$y_{n,c,i,j}=\max_{u,v<k}\tilde x_{n,c,\,is+u,\,js+v},\qquad\tilde x=-\infty\text{ in the padding}.$$
#
# With $k=s=2$ three quarters of the values are dropped, and a shift by one pixel often changes nothing: *approximate*
# invariance. On the way back, the gradient of an output goes to the pixel that won, and to nobody else. So the
# forward pass remembers the winners, and where windows overlap one pixel may have won several times:
#
# $$\frac{\partial\mathcal L}{\partial x_{n,c,q}}=\sum_{i,j:\;\text{idx}_{n,c,i,j}=q}g_{n,c,i,j},$$
#
# where $q$ numbers the pixels of a map row by row.
#
# **Exercise 4 · 8 points · ★★☆ · 45 min.** Torch's pooling is forbidden here (checked after handing in), and in the
# backward pass autograd.
#
# <details><summary>Hint 1: a question</summary>A picture of negative numbers, padding 1 with zeros: which value wins
# in the corner? Which padding value can never win?</details>
# <details><summary>Hint 2</summary><code>x.unfold(2, k, s).unfold(3, k, s)</code> is a view [N, C, Ho, Wo, k, k].
# Flatten the window, take <code>max(dim=-1)</code>: it also tells where, as u·k + v. From (i, j, u, v) you get row
# and column in the padded picture, then in the picture itself.</details>
# <details><summary>Hint 3</summary>Two windows with the same winner: <code>scatter_</code> writes the second value
# over the first. Which method adds?</details>

# %% exercise="ex4-max-pool"
def max_pool2d(x: Tensor, k: int, stride: int | None = None, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Maximum of each k x k window, and where it was.

    x: [N, C, H, W], float; stride: None means k
    Returns y [N, C, Ho, Wo] and idx (int64, same shape): row * W + column of the winner in the picture
    without padding; of equal values the first in reading order wins.
    ValueError if padding > k // 2, or if the window does not fit.
    """
    ### BEGIN SOLUTION
    step = k if stride is None else stride
    height, width = x.shape[2:]
    if padding > k // 2 or min(height, width) + 2 * padding < k:
        raise ValueError(f"no window of {k} with padding {padding} on {height} x {width} pixels")
    padded = F.pad(x, (padding, padding, padding, padding), value=-math.inf)
    windows = padded.unfold(2, k, step).unfold(3, k, step).flatten(4)  # [N, C, Ho, Wo, k * k]
    y, place = windows.max(dim=-1)
    rows = torch.arange(y.shape[2], device=x.device)[:, None] * step + place // k - padding
    cols = torch.arange(y.shape[3], device=x.device) * step + place % k - padding
    return y, rows * width + cols
    ### END SOLUTION

# %% test="ex4-max-pool-test" points=5 exercise_no=4
with check("Exercise 4: max_pool2d") as expect:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    y, idx = max_pool2d(x, 2)
    expect.close(y, [[[[5.0, 7.0], [13.0, 15.0]]]], "the numbers 0 to 15, pooled 2 x 2",
        likely="without a stride, windows do not overlap: stride=None means k")
    expect.equal(idx, [[[[5, 7], [13, 15]]]], "where they were: row * W + column in the whole picture",
        likely="the place in the window, u * k + v, has to be turned into a place in the picture")
    y, idx = max_pool2d(-1 - x, 3, 2, 1)
    expect.close(y, [[[[-1.0, -2.0], [-5.0, -6.0]]]], "negative numbers, k = 3, stride 2, padding 1",
        likely="a padding of zeros beats every negative number: pad with minus infinity")
    expect.equal(idx, [[[[0, 1], [4, 5]]]], "their places, in the picture without padding")
    _, idx = max_pool2d(torch.zeros(1, 1, 2, 4), 2)
    expect.equal(idx, [[[[0, 2]]]], "the places of the winners among equals",
        likely="the first one wins")
    y, idx = max_pool2d(torch.tensor([[[[0.0, 1], [2, 3]], [[9, 8], [7, 6]]]]), 2)
    expect.close(y, [[[[3.0]], [[9.0]]]], "two channels with one window each",
        likely="each channel is pooled for itself")
    expect.equal(idx, [[[[3]], [[0]]]], "the places in two channels",
        likely="idx counts within its own channel")
    y, idx = max_pool2d(torch.arange(24.0).view(1, 1, 4, 6), 2)
    expect.equal(idx, [[[[7, 9, 11], [19, 21, 23]]]], "the places in a picture of 4 x 6",
        likely="row * W + column, where W is the number of COLUMNS of the picture")
    expect.raises(ValueError, max_pool2d, x, 3, 1, 2, what="padding 2 with k = 3")
    expect.raises(ValueError, max_pool2d, x, 5, what="a window of 5 on 4 x 4")
    expect.why("4 of 16 values are left. What was thrown away is where exactly they were, and that was "
        "the point.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.max_pool(max_pool2d)
### END HIDDEN TESTS

# %% exercise="ex4-max-pool-backward"
def max_pool2d_backward(grad_y: Tensor, idx: Tensor, x_shape: tuple[int, ...]) -> Tensor:
    """Gradient in x [N, C, H, W] = x_shape, from the gradient in y and the winners idx of max_pool2d."""
    ### BEGIN SOLUTION
    n, c, height, width = x_shape
    grad_x = grad_y.new_zeros(n, c, height * width)
    return grad_x.scatter_add_(2, idx.flatten(2), grad_y.flatten(2)).view(n, c, height, width)
    ### END SOLUTION

# %% test="ex4-max-pool-backward-test" points=3 exercise_no=4
with check("Exercise 4: max_pool2d_backward") as expect:
    grad_y, idx = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[[1, 2], [4, 7]]]])
    grad_x = max_pool2d_backward(grad_y, idx, (1, 1, 2, 4))
    expect.close(grad_x, [[[[0.0, 1.0, 2.0, 0.0], [3.0, 0.0, 0.0, 4.0]]]],
        "four gradients to the places 1, 2, 4 and 7")
    grad_x = max_pool2d_backward(grad_y, torch.tensor([[[[1, 2], [2, 7]]]]), (1, 1, 2, 4))
    expect.close(grad_x[0, 0, 0, 2], 5.0, "the gradient of a pixel that won twice", rtol=1e-6,
        likely="add up what arrives: scatter_add_, not scatter_")
    grad_y, idx = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1), torch.tensor([3, 0]).view(1, 2, 1, 1)
    grad_x = max_pool2d_backward(grad_y, idx, (1, 2, 2, 2))
    expect.close(grad_x, [[[[0.0, 0], [0, 1]], [[2, 0], [0, 0]]]], "two channels with one window each",
        likely="idx counts within its own channel: the gradient of a channel stays in it")
    expect.why(
        "Losers get nothing: they could have been a little larger without changing the output at all.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.max_pool_backward(max_pool2d_backward)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment A: does locality pay?
#
# **4 points.** Two networks on the same digits. The MLP $784\to225\to144\to10$ (210,240 weights), and a CNN with
# 35,185: nine $5\times5$ filters with padding 2, ReLU, pooling to $14\times14$; sixteen $5\times5$ filters over these
# nine channels, ReLU; flatten, linear to 10. It runs on *your* convolution and pooling, both ways. Each is trained
# twice from the same weights and in the same batches, on the digits as they are and with their pixels in a shuffled
# order, and the networks are also asked about test digits that were moved by up to three pixels. (On shuffled digits
# the CNN has torch's layers in place of yours: the same weights and the same numbers, only faster.) What do you
# expect?

# %% given="student-pool"
class PoolFn(torch.autograd.Function):
    """Your pooling, forward and backward, as one operation of autograd."""

    @staticmethod
    def forward(ctx, x, k, stride, padding):
        y, idx = max_pool2d(x, k, stride, padding)
        ctx.save_for_backward(idx)
        ctx.shape = tuple(x.shape)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        return max_pool2d_backward(grad_y, *ctx.saved_tensors, ctx.shape), None, None, None


class StudentMaxPool2d(nn.Module):
    """A pooling layer that runs on max_pool2d and max_pool2d_backward."""

    def __init__(self, k: int, stride: int | None = None, padding: int = 0):
        super().__init__()
        self.options = k, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        return PoolFn.apply(x, *self.options)

# %% demo=true
def make_mlp() -> nn.Module:
    """784-225-144-10 with ReLU."""
    layers = [nn.Linear(784, 225), nn.ReLU(), nn.Linear(225, 144), nn.ReLU(), nn.Linear(144, 10)]
    return nn.Sequential(nn.Flatten(), *layers)


def make_cnn(conv: Callable = StudentConv2d, pool: Callable = StudentMaxPool2d) -> nn.Module:
    """conv 9@5x5, ReLU, pool 2, conv 16@5x5, ReLU, linear; nn.Conv2d, nn.MaxPool2d: torch's own layers."""
    layers = [conv(1, 9, 5, padding=2), nn.ReLU(), pool(2), conv(9, 16, 5, padding=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 14 * 14, 10))


for make, parameters in ((make_mlp, 210_619), (make_cnn, 35_220)):
    assert sum(p.numel() for p in make().parameters()) == parameters
x = torch.randn(2, 3, 7, 6, generator=lab.generator("pool"))
assert torch.equal(StudentMaxPool2d(3, 2, 1)(x), F.max_pool2d(x, 3, 2, 1))
prediction_a = None  # your guess: accuracy of the CNN with shuffled pixels, 0.1 to 1 (no points)

# %% demo=true
n_train, n_test, epochs_a = lab.pick(smoke=(640, 200, 1), quick=(5000, 1000, 2), full=(60_000, 10_000, 12))
as_images = lambda x: torch.from_numpy(x / 255.0).float()[:, None]  # [N, 1, 28, 28]
pixels, pixels_test = (as_images(x).to(lab.device) for x in (digits.x_train[:n_train], digits.x_test[:n_test]))
digit, digit_test = (torch.from_numpy(a.astype("int64")).to(lab.device) for a in (digits.y_train, digits.y_test))
digit, digit_test = digit[:n_train], digit_test[:n_test]
order = torch.randperm(784, generator=lab.generator("permutation")).to(lab.device)
permuted = lambda x: x.flatten(1)[:, order].view_as(x)
moves = torch.randint(-3, 4, (len(pixels_test), 2), generator=lab.generator("moves")).tolist()
pixels_moved = torch.stack([x.roll(tuple(m), dims=(1, 2)) for x, m in zip(pixels_test, moves, strict=True)])


def accuracy_on(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of right answers in evaluation mode."""
    net.eval()
    with torch.no_grad():
        outputs = torch.cat([net(part) for part in x.split(500)])
    net.train()
    return float((outputs.argmax(dim=1) == y).float().mean())


def fit(net: nn.Module, x: Tensor, y: Tensor, epochs: int, label: str, lr: float = 1e-3, batch_size: int = 64):
    """Adam on the cross-entropy, one record a step; every network gets the same batches."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    batches = minibatches(len(x), batch_size, lab.rng("batches"), epochs=None, drop_last=True)

    def step(i):
        rows = torch.from_numpy(next(batches)).to(lab.device)
        loss = F.cross_entropy(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return train(step, epochs * (len(x) // batch_size), label=label)

# %% demo=true
trained, accuracies = {}, {}
torch_cnn = lambda: make_cnn(nn.Conv2d, nn.MaxPool2d)  # the same network, faster: for the shuffled digits
for name, makers in (("MLP", (make_mlp, make_mlp)), ("CNN", (make_cnn, torch_cnn))):
    with lab.seeded(f"A {name}"):
        start = makers[0]().state_dict()
    for kind, change, make in zip(("digits", "shuffled"), (lambda x: x, permuted), makers, strict=True):
        net = make()
        net.load_state_dict(start)
        fit(net.to(lab.device), change(pixels), digit, epochs_a, f"{name}, {kind}")
        trained[name, kind] = net
        accuracies[name, kind] = accuracy_on(net, change(pixels_test), digit_test)
    accuracies[name, "moved"] = accuracy_on(trained[name, "digits"], pixels_moved, digit_test)
nets_a, rows_a = trained, accuracies

# %% demo=true
fig, ax = figure(size=(7, 3.2))
kinds = ("digits", "moved", "shuffled")
for i, name in enumerate(("MLP", "CNN")):
    values = [rows_a[name, kind] for kind in kinds]
    look = {"color": line_style(i)["color"], "hatch": "/" * i}
    bars = ax.bar(np.arange(3) + (i - 0.5) * 0.38, values, 0.36, label=name, **look)
    ax.bar_label(bars, fmt="%.3f", fontsize=8)
if prediction_a is not None:
    ax.plot(2.19, prediction_a, "*", color="black", markersize=12, label="your guess")
ax.set_xticks(range(3), ["digits", "test digits moved\nby up to 3 pixels", "pixels shuffled\n(training and test)"])
ax.set(ylabel="test accuracy", ylim=(0, 1.25), title="what knowing the neighbourhood of pixels is worth")
ax.legend(loc="upper right", ncols=3)
show(fig, "Test accuracy. The CNN is better on digits with a sixth of the weights, and better on digits "
    "that were moved, which neither has seen in training. Shuffled pixels mean nothing to the MLP; the "
    "CNN loses its advantage.")

with check("Experiment A: locality") as expect:
    # quick, six runs: the CNN 0.924 to 0.938, the MLP 0.892 to 0.907; moved, in five: 0.105 to 0.147 better
    plain, gain = lab.pick(smoke=(0.2, -1.0), quick=(0.91, 0.05), full=(0.98, 0.10))
    cnn_plain, cnn_gain = rows_a["CNN", "digits"], rows_a["CNN", "moved"] - rows_a["MLP", "moved"]
    expect.true(cnn_plain >= plain,
        f"the CNN reaches {cnn_plain:.3f} on digits, expected at least {plain}",
        likely="your layers do not compute what they should: run the checks of exercises 2 to 4")
    expect.true(cnn_gain >= gain,
        f"on moved digits the CNN is {cnn_gain:.3f} better, expected at least {gain}")
    expect.why("The same idea, fewer weights, better generalisation: an assumption about the world, "
        "built into wires.")

# %% test="exA-locality-test" points=4
with check("Experiment A: your four functions") as expect:
    picture = torch.ones(1, 1, 4, 4)
    expect.finite(conv2d_forward(picture, torch.ones(2, 1, 3, 3)), "a convolution")
    expect.finite(conv2d_backward(torch.ones(1, 2, 2, 2), picture, torch.ones(2, 1, 3, 3))[1],
        "the gradient in w")
    expect.shape(max_pool2d(picture, 2)[0], (1, 1, 2, 2), "a pooled picture")
    one, first = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1).long()
    expect.finite(max_pool2d_backward(one, first, (1, 1, 2, 2)), "the gradient of pooling")
    expect.written(
        "Graded by training a CNN on digits with your four functions, step by step beside torch's.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.experiment_locality(conv2d_forward, conv2d_backward, max_pool2d, max_pool2d_backward)
### END HIDDEN TESTS

# %% [markdown]
# A good accuracy says little about gradients. Two seeds each, preset quick: with the gradient in $w$ divided by the
# number of pictures the CNN reached 0.930 and 0.937 (Adam forgives a wrong scale), with that in $x$ taken as zero, so
# that the first layer keeps its random kernels, 0.926 and 0.932; with right gradients 0.930 and 0.938. So what is
# graded compares the losses of the first steps with those of right gradients.
#
# What has it learned? Here are the nine kernels of the first layer, and what they see in one digit. At full size,
# with 60,000 digits and 12 epochs, a network of this kind errs on about 1 % of the test digits: LeNet-5 reached
# 0.95 %, and 0.8 % with distorted copies of the training digits (LeCun et al. 1998).

# %% demo=true
first = nets_a["CNN", "digits"][0]
with torch.no_grad():
    seen = torch.relu(first(pixels_test[:1]))[0].cpu()  # [9, 28, 28]
kernels = first.weight.detach().cpu()[:, 0]  # [9, 5, 5]
fig = blank((9.6, 2.5))
top, bottom = fig.subplots(2, 1)
image_grid(kernels, ncols=9, ax=top, cmap="PuOr_r", vmin=-float(kernels.abs().max()),
    vmax=float(kernels.abs().max()))
image_grid(seen / seen.amax(dim=(1, 2), keepdim=True).clamp(min=1e-6), ncols=9, ax=bottom,
    cmap="cividis")
top.set_title("nine learned kernels, and their maps of one digit")
show(fig, "Kernels that the network found by itself, still noisy after so short a training. Below, what "
    "they answer to: some light up along the whole stroke, some on one side or in one direction only.")

# %% [markdown]
# ## 5 Batch norm for maps
#
# Deeper networks need their signals kept level (chapter 01, section 6). In a convolutional network one channel is one
# feature, at every place, so it gets *one* mean and *one* variance: over the batch **and** over all pixels,
#
# $$\mu_c=\frac1{NHW}\sum_{n,i,j}x_{n,c,i,j},\quad\sigma_c^2=\frac1{NHW}\sum_{n,i,j}(x_{n,c,i,j}-\mu_c)^2,\quad
# y_{n,c,i,j}=\gamma_c\frac{x_{n,c,i,j}-\mu_c}{\sqrt{\sigma_c^2+\epsilon}}+\beta_c .$$
#
# Statistics per pixel would break equivariance. Running mean $\bar\mu$ and variance $\bar v$ as in chapter 01, with
# momentum $\alpha$:
#
# $$\bar\mu\leftarrow(1-\alpha)\bar\mu+\alpha\mu,\qquad
# \bar v\leftarrow(1-\alpha)\bar v+\alpha\,\tfrac{NHW}{NHW-1}\sigma^2 .$$
#
# **Exercise 5 · 8 points · ★★☆ · 35 min.** Torch's batch norm is forbidden (checked after handing in).
#
# <details><summary>Hint: a question</summary>mean over which dims leaves [C]? And against which axis does a [C]
# broadcast in [N, C, H, W] if you do nothing about it?</details>

# %% exercise="ex5-batch-norm"
class BatchNorm2d(nn.Module):
    """Batch normalisation of each channel of maps [N, C, H, W], C = c.

    Parameters weight, bias [c] (ones, zeros); buffers running_mean, running_var [c] (zeros, ones).
    momentum is the weight of the NEW batch in the running statistics; eps is added to the variance.
    """

    def __init__(self, c: int, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        ### BEGIN SOLUTION
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))
        self.register_buffer("running_mean", torch.zeros(c))
        self.register_buffer("running_var", torch.ones(c))
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W].

        Training: normalise by the batch (biased variance), update the running statistics (unbiased variance).
        Evaluation: normalise by the running statistics, change nothing.
        ValueError if x is not [N, c, H, W], and in training if there is only one value per channel.
        """
        ### BEGIN SOLUTION
        if x.ndim != 4 or x.shape[1] != len(self.weight):
            raise ValueError(f"x must have shape [N, {len(self.weight)}, H, W], not {tuple(x.shape)}")
        if self.training:
            n = x.numel() // x.shape[1]
            if n == 1:
                raise ValueError("one value per channel has no variance: use a larger batch, or call eval()")
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)  # [C]
            with torch.no_grad():
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var * n / (n - 1), self.momentum)
        else:
            mean, var = self.running_mean, self.running_var
        scale = self.weight / torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]
        ### END SOLUTION

# %% test="ex5-batch-norm-train-test" points=3 exercise_no=5
with check("Exercise 5: batch norm in training") as expect:
    bn = BatchNorm2d(3)
    expect.true({"weight", "bias"} <= set(bn.state_dict()), "the layer has no weight and bias",
        likely="gamma is called self.weight and beta self.bias; both are nn.Parameter")
    x = 2 * torch.randn(4, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    x += torch.tensor([5.0, 0, -3])[:, None, None]
    y = bn(x)
    expect.shape(y, (4, 3, 5, 6), "the output")
    expect.close(y.mean(dim=(0, 2, 3)), np.zeros(3), "the mean of each channel", atol=1e-5,
        likely="one mean per channel, over the batch AND over all pixels: dim=(0, 2, 3)")
    expect.close(y.var(dim=(0, 2, 3), correction=0), np.ones(3), "the (biased) variance of each channel",
        rtol=1e-4, likely="divide by sqrt(var + eps), with the biased variance of the channel")
    pair = BatchNorm2d(1, eps=3.0)(torch.tensor([0.0, 2]).view(2, 1, 1, 1))  # mean 1, variance 1
    expect.close(pair.flatten(), [-0.5, 0.5], "two pictures of one pixel, 0 and 2, with eps = 3",
        rtol=1e-6, likely="eps is added to the variance, under the root")
    four = BatchNorm2d(1)(torch.tensor([0.0, 2, 4, 6]).view(2, 1, 1, 2))  # mean 3, variance 5
    expect.close(four.flatten(), np.array([-3, -1, 1, 3]) / math.sqrt(5),
        "two pictures, (0, 2) and (4, 6)", rtol=1e-4,
        likely="ONE mean and variance for the channel: not for each picture, not for each pixel")
    bn.load_state_dict(bn.state_dict() | {"weight": torch.tensor([2.0, 1, 3]), "bias": torch.tensor([0.0, 7, -1])})
    y = bn(x)
    expect.close(y.mean(dim=(0, 2, 3)), [0.0, 7, -1], "the mean of each channel with bias (0, 7, -1)",
        atol=1e-5,
        likely="after normalising, each channel is scaled by its weight, then shifted by its bias")
    expect.close(y.std(dim=(0, 2, 3), correction=0), [2.0, 1, 3],
        "the standard deviation with weight (2, 1, 3)", rtol=1e-4,
        likely="after normalising, each channel is scaled by its weight (gamma), then shifted by its "
        "bias")
    expect.raises(ValueError, bn, torch.zeros(4, 2, 5, 6), what="2 channels instead of 3")
    expect.raises(ValueError, bn, torch.zeros(1, 3, 1, 1), what="one value per channel in training")
    expect.why(
        "A pixel is an example as well: even a batch of one picture has a mean and a variance here.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.batch_norm_train(BatchNorm2d)
### END HIDDEN TESTS

# %% test="ex5-batch-norm-gradients-test" points=2 exercise_no=5
with check("Exercise 5: gradients of batch norm") as expect:
    bn = BatchNorm2d(2)
    x = torch.arange(16.0).view(2, 2, 2, 2).requires_grad_()
    bn(x)[0, 0, 0, 0].backward()
    expect.close(x.grad.sum(), 0.0, "the sum of the gradient in x over all its entries", atol=1e-5,
        likely="adding a constant to a channel changes nothing; do not detach its mean and variance")
    expect.close((x.grad * x.detach()).sum(), 0.0, "the sum of gradient times x over all entries",
        atol=1e-3, likely="multiplying a channel by a constant changes nothing either: its variance "
        "depends on x, do not detach it")
    expect.why("No pixel of a channel can be pushed up without the others being pushed down.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.batch_norm_gradients(BatchNorm2d)
### END HIDDEN TESTS

# %% given="graph-of-statistics"
def graph_of_statistics(cls) -> bool:
    """Whether running statistics depend on x after a batch that asks for gradients."""
    layer = cls(1)
    layer(torch.tensor([1.0, 3.0]).view(1, 1, 1, 2).requires_grad_())
    return layer.running_mean.requires_grad or layer.running_var.requires_grad

# %% test="ex5-batch-norm-running-test" points=2 exercise_no=5
with check("Exercise 5: running statistics") as expect:
    bn = BatchNorm2d(1)
    bn(torch.tensor([1.0, 3.0, 5.0]).view(1, 1, 1, 3))
    expect.close(bn.running_mean, [0.3], "running_mean after maps of mean 3", rtol=1e-5,
        likely="(1 - momentum) * old + momentum * new, with momentum = 0.1")
    expect.close(bn.running_var, [1.3], "running_var after maps of unbiased variance 4", rtol=1e-5,
        likely="here the variance is the unbiased one, divided by N H W - 1")
    half = BatchNorm2d(1, momentum=0.5)
    half(torch.tensor([1.0, 3.0, 5.0]).view(1, 1, 1, 3))
    expect.close(half.running_mean, [1.5], "running_mean with momentum 0.5", rtol=1e-5,
        likely="use the argument momentum")
    expect.true(not graph_of_statistics(BatchNorm2d), "the running statistics drag the graph of the batch along",
        likely="update them under torch.no_grad(), or from detached statistics")
    trained = sum(p.numel() for p in bn.parameters())
    expect.equal(trained, 2, "how many numbers are trained, with one channel",
        likely="weight and bias are Parameters; the running statistics are buffers: register_buffer")
    names = {"weight", "bias", "running_mean", "running_var"}
    expect.true(names <= set(bn.state_dict()),
        "the running statistics would not be saved with the network",
        likely="a plain attribute is not part of the state: register_buffer")
    expect.why(
        "With 64 maps of 28 x 28 nobody sees the difference. With 3 numbers in a test, everybody does.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.batch_norm_running(BatchNorm2d)
### END HIDDEN TESTS

# %% test="ex5-batch-norm-eval-test" points=1 exercise_no=5
with check("Exercise 5: batch norm in evaluation") as expect:
    bn = BatchNorm2d(1)
    bn(torch.tensor([1.0, 3.0, 5.0]).view(1, 1, 1, 3))
    bn.eval()
    single = bn(torch.full((1, 1, 1, 1), 2.0))
    expect.close(single, [[[[(2.0 - 0.3) / math.sqrt(1.3 + 1e-5)]]]], "a single pixel of 2", rtol=1e-4,
        likely="in eval mode the running statistics are used")
    expect.close(bn.running_mean, [0.3], "running_mean after evaluation", rtol=1e-5,
        likely="eval mode changes nothing")
    bn.load_state_dict(bn.state_dict() | {"weight": torch.tensor([2.0]), "bias": torch.tensor([5.0])})
    fresh = BatchNorm2d(1, eps=3.0)
    fresh.eval()
    expect.close(fresh(torch.full((1, 1, 1, 1), 2.0)).flatten(), [1.0],
        "a pixel of 2 in a fresh layer, eps = 3", rtol=1e-6,
        likely="the same formula in both modes, with eps")
    expect.close(bn(torch.full((1, 1, 1, 1), 2.0)), 2 * single + 5,
        "the same pixel with weight 2 and bias 5", rtol=1e-4,
        likely="weight and bias belong to the layer in both modes")
    expect.why("What the network says about a picture must not depend on the pictures beside it.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.batch_norm_eval(BatchNorm2d)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 Depth
#
# More layers, more powerful features, so let us add layers? In 2015 people found the **degradation problem**: plain
# networks of 56 layers had a *higher training error* on CIFAR-10 than networks of 20. This is not overfitting, the
# error is on the training set. Nor is it a lack of power: the deep network could copy the shallow one and let its
# remaining layers be the identity. It is a problem of optimisation: the identity is hard to learn for a stack of
# convolutions and ReLUs.
#
# He et al. (2016) turned the task around: let the layers learn a *correction* $h$, and add it to what came in,
#
# $$\mathbf y=\mathbf x+h(\mathbf x).$$
#
# The identity is $h=0$, which is easy. And where a signal forks, gradients add,
#
# $$\frac{\partial\mathcal L}{\partial\mathbf x}=\frac{\partial\mathcal L}{\partial\mathbf y}
# \Big(I+\frac{\partial h}{\partial\mathbf x}\Big).$$
#
# Whatever the branch does, the 1 stays. In a plain stack the gradient is a product of many factors, and it vanishes
# if they are small. (With tanh, for example, whose values lie in $(-1,1)$ and whose *slope* lies in $(0,1]$.)
# Skips may jump over one layer or over several.

# %% [markdown]
# ### Experiment B: shattered gradients
#
# **2 points.** There is more to it than size. Balduzzi et al. (2017) took a random ReLU network
# $f:\mathbb R\to\mathbb R$ and looked at its derivative as a function of $x$. With one layer it hardly changes
# between neighbouring points. With 24 it looks like noise: the gradient at one point says little about the gradient a
# short way beside it, and no long step in its direction makes sense. With skips, order returns.
#
# Fill in one layer of the network: $h\leftarrow r$ without skips, $h\leftarrow h+\beta\,r$ with them, where
# $r=\text{relu}(hW^\top)$.

# %% exercise="exB-gradient-profile"
def gradient_profile(depth: int, residual: bool, seed: int, width: int = 200,
                     beta: float = 1.0) -> Tensor:
    """df/dx of a random ReLU network from R to R at 256 points of [-2, 2]: float64 [256].

    depth: number of ReLU layers; residual: with skips around all of them but the first
    beta: weight of a branch
    """
    generator = torch.Generator().manual_seed(seed)
    device = generator.device  # the CPU
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64, device=device)
    x = torch.linspace(-2, 2, 256, dtype=torch.float64, device=device).requires_grad_()
    h = torch.relu(x[:, None] * math.sqrt(2) * normal(width) + 0.5 * normal(width))  # [256, width]
    for _ in range(depth - 1):
        W = math.sqrt(2 / width) * normal(width, width)  # He
        ### BEGIN SOLUTION
        r = torch.relu(h @ W.T)
        h = h + beta * r if residual else r
        ### END SOLUTION
    f = h @ normal(width) / math.sqrt(width)  # [256]
    return torch.autograd.grad(f.sum(), x)[0]

# %% test="exB-shattering-test" points=2
with check("Experiment B: shattered gradients") as expect:
    profile = gradient_profile(2, False, 0)
    expect.shape(profile, (256,), "the derivative at 256 points")
    expect.close(profile[[0, 100, 255]], [1.0753, 0.8378, 0.2056], "three derivatives at depth 2",
        rtol=1e-3, likely="without skips: h = relu(h @ W.T)")
    profile = gradient_profile(3, True, 0, beta=0.5)
    expect.close(profile[[0, 100, 255]], [2.1029, 1.7315, -0.2432],
        "three, depth 3 with skips, beta 0.5", rtol=1e-3,
        likely="h + beta * relu(h @ W.T), with the h that enters this layer")
    expect.why("Now look at the derivative itself, below.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.experiment_shattering(gradient_profile)
### END HIDDEN TESTS

# %% demo=true
def sign_changes(profile: Tensor) -> int:
    """How often the derivative changes its sign along x."""
    return int((torch.sign(profile[1:]) != torch.sign(profile[:-1])).sum())


def autocorrelation(profile: Tensor, lags: int = 15) -> Tensor:
    """Correlation of the derivative with itself, some points further: [lags + 1]."""
    centred = profile - profile.mean()
    products = [(centred[: len(centred) - lag] * centred[lag:]).sum() for lag in range(lags + 1)]
    return torch.stack(products) / (centred**2).sum().clamp(min=1e-30)


cases = {"1 layer": (1, False), "24 layers": (24, False), "24 layers with skips": (24, True)}
fig, axes = figure(1, 3, size=(10, 2.8))
for ax, (name, (depth, residual)) in zip(axes, cases.items(), strict=True):
    profiles = [gradient_profile(depth, residual, seed, width=100) for seed in range(5)]
    profile, changes = profiles[1], np.mean([sign_changes(p) for p in profiles])
    ax.plot(np.linspace(-2, 2, 256), profile / profile.abs().max(), linewidth=1)
    ax.axhline(0, color="black", linewidth=0.6)
    ax.set(title=f"{name}, sign changes: {changes:.0f}", xlabel="x")
axes[0].set_ylabel("df/dx, scaled")
show(fig, "The derivative of a random network of width 100 over its input; above, how often its sign "
    "changes, a mean over five networks. One layer: a few steps. 24 plain layers: noise. 24 layers "
    "with skips: order again.")

# %% [markdown]
# **Widget 2: shattering.** (1) Take the skips away: what does depth do to the sign changes, and to the correlation of
# neighbouring points? (2) With skips, at depth 30, move the weight $\beta$ of the branch from 0 to 1: does the
# derivative ever break up as it does without them? (3) Does depth still matter?
#
# <details><summary>What to find</summary>Without skips the sign changes rise from a handful to some tens within the
# first 20 layers, and the correlation falls off within a few points. With skips a few changes are left at most
# depths, whatever β is (here some more around depth 10), and neighbours stay correlated. A large β makes f itself
# explode, which the picture does not show, since it is scaled.</details>

# %% demo=true
def shattering(fig, depth, width, skips, beta):
    profile = gradient_profile(depth, skips, 1, width, beta)
    left, right = fig.subplots(1, 2)
    left.plot(np.linspace(-2, 2, 256), profile / profile.abs().max().clamp(min=1e-30), linewidth=1)
    left.set(title=f"sign changes: {sign_changes(profile)}", ylim=(-1.05, 1.05))
    left.set(xlabel="x", ylabel="df/dx, scaled")
    right.plot(autocorrelation(profile), marker="o", markersize=3)
    right.set(title="correlation with neighbours", xlabel="distance in points", ylim=(-0.3, 1.05))


explore(shattering, "The derivative of a random ReLU network along x, and its correlation with itself a "
    "few points further. A shattered gradient loses its correlation within a few points.",
    size=(8.4, 3.2), depth=Slider(1, 50, 30), width=Slider(20, 200, 100, 20),
    skips=Toggle(True, "skips"), beta=Slider(0.0, 1.0, 0.5, 0.1, label="weight β of the branch"))

# %% [markdown]
# **Exercise 6 · 8 points · ★★☆ · 45 min.** The block of a residual network. With $W*$ a $3\times3$ convolution with
# padding 1 and without bias (batch norm has one),
#
# $$y=\text{relu}\big(\text{BN}_2(W_2*\text{relu}(\text{BN}_1(W_1*x)))+\text{sc}(x)\big).$$
#
# If the block keeps the shape, the shortcut $\text{sc}$ is the identity and has no parameters. If it changes the
# number of channels or halves the map (stride 2, in the *first* convolution), the shortcut is a $1\times1$
# convolution with that stride, then batch norm. With `residual=False` nothing is added.
#
# `make_resnet(n)` stacks them as He et al. did for CIFAR-10, `6n + 2` layers with weights: a $3\times3$ convolution
# with norm and ReLU (the *stem*), then three stages of `n` blocks with `width`, `2 width`, `4 width` channels, the
# second and third stage starting with stride 2, then the mean over all pixels, and a linear layer. Use `nn.Conv2d`
# for the convolutions. (In their networks for CIFAR-10 the shortcuts had no parameters; these are the ones of their
# larger networks.)
#
# <details><summary>Hint: a question</summary>Four blocks share one norm object that was made once and used four
# times. Which statistics does it keep? Make a new one for each place: <code>norm(c_out)</code>.</details>

# %% exercise="ex6-residual-block"
class ResidualBlock(nn.Module):
    """relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)).

    Maps [N, c_in, H, W] to [N, c_out, ceil(H / stride), ceil(W / stride)].
    norm: a class or function that makes a norm layer from a number of channels
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1, residual: bool = True,
                 norm: Callable = BatchNorm2d):
        super().__init__()
        ### BEGIN SOLUTION
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.norm1 = norm(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.norm2 = norm(c_out)
        self.residual, self.shortcut = residual, nn.Identity()
        if residual and (stride != 1 or c_in != c_out):
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), norm(c_out))
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        ### BEGIN SOLUTION
        branch = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(branch + self.shortcut(x)) if self.residual else torch.relu(branch)
        ### END SOLUTION

# %% given="torch-norm"
torch_norm = nn.BatchNorm2d  # torch's own, so that a slip in exercise 5 does not show in the check of the block


def without_branch(block: nn.Module, x: Tensor) -> Tensor:
    """The block's answer when the weights of all its norms are 0: nothing comes out of its branch."""
    for module in block.modules():
        if isinstance(module, torch_norm):
            nn.init.zeros_(module.weight)
    return block(x).detach()


def with_dead_relu(block: nn.Module, x: Tensor) -> Tensor:
    """The block's answer when its first norm gives -1 everywhere, so that the ReLU behind it gives 0."""
    norms = []
    hooks = [m.register_forward_hook(lambda m, inputs, y: norms.append(m)) for m in block.modules()
        if isinstance(m, torch_norm)]
    block(x)
    for hook in hooks:
        hook.remove()
    nn.init.zeros_(norms[0].weight)
    nn.init.constant_(norms[0].bias, -1.0)
    return block(x).detach()


def map_sizes(net: nn.Module, x: Tensor) -> list[int]:
    """Heights of the maps behind the convolutions that are not shortcuts, in the order of running."""
    heights = []
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d) and tuple(m.kernel_size) != (1, 1)]
    hooks = [m.register_forward_hook(lambda m, inputs, y: heights.append(y.shape[2])) for m in convs]
    net(x)
    for hook in hooks:
        hook.remove()
    return heights

# %% test="ex6-residual-block-test" points=4 exercise_no=6
with check("Exercise 6: ResidualBlock") as expect:
    block = ResidualBlock(16, 16, norm=torch_norm)
    count = sum(p.numel() for p in block.parameters())
    expect.equal(count, 4672, "parameters of a block from 16 to 16 channels",
        likely="two 3 x 3 convolutions without bias, two norms, and no shortcut layer: 2 * 9 * 16 * 16 "
        "+ 4 * 16")
    down = ResidualBlock(4, 6, 2, norm=torch_norm)
    expect.shape(down(torch.zeros(2, 4, 7, 8)), (2, 6, 4, 4), "a block with stride 2 on maps of 7 x 8",
        likely="only the first convolution and the shortcut have the stride")
    expect.equal(sum(p.numel() for p in down.parameters()), 9 * 4 * 6 + 9 * 36 + 24 + 3 * 12,
        "its parameters", likely="the shortcut is a 1 x 1 convolution without bias, and a norm")
    expect.equal(map_sizes(down, torch.zeros(2, 4, 8, 8)), [4, 4],
        "heights of the maps behind its two 3 x 3 convolutions, on maps of 8 x 8",
        likely="the stride belongs to the FIRST convolution")
    bare = ResidualBlock(4, 6, 2, residual=False, norm=torch_norm)
    expect.equal(sum(p.numel() for p in bare.parameters()), 9 * 4 * 6 + 9 * 36 + 24,
        "parameters of a block with residual=False", likely="without skips there is no shortcut layer")
    noise = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    expect.true(bare(noise).min() >= 0, "the output of a block with residual=False must not be negative",
        likely="the last ReLU stays")
    same = ResidualBlock(4, 4, 2, norm=torch_norm)
    expect.equal(sum(p.numel() for p in same.parameters()), 2 * 9 * 16 + 16 + 16 + 8,
        "parameters of a block from 4 to 4 channels with stride 2",
        likely="the stride changes the shape too: a 1 x 1 convolution with this stride, and a norm")
    expect.true(down(torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))).min() >= 0,
        "the output must not be negative", likely="the last ReLU comes AFTER the addition")
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    before = x.clone()
    still = without_branch(ResidualBlock(3, 3, norm=torch_norm), x)
    expect.close(still, x.relu(), "a block from 3 to 3 channels whose branch gives 0: relu(x)",
        rtol=1e-6,
        likely="relu(branch + x): what came in is added as it is, and the ReLU comes after the sum")
    expect.equal(x, before, "x after the call",
        likely="no operation in place on x: the shortcut needs it")
    dead = with_dead_relu(ResidualBlock(3, 3, norm=torch_norm), x)
    expect.close(dead, x.relu(), "a block whose first norm gives -1 everywhere: relu(x)", rtol=1e-5,
        atol=1e-6, likely="a ReLU follows the first norm: without it two convolutions in a row are one")
    plain = without_branch(ResidualBlock(3, 3, residual=False, norm=torch_norm), x)
    expect.close(plain, torch.zeros(2, 3, 4, 5), "the same with residual=False: 0", atol=1e-6,
        likely="with residual=False nothing is added to the branch")
    expect.why(
        "With the weight of its last norm at 0 the block is relu(x): doing nothing has become easy.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.residual_block(ResidualBlock)
### END HIDDEN TESTS

# %% exercise="ex6-make-resnet"
def make_resnet(n: int, width: int = 16, num_classes: int = 10, c_in: int = 3,
                residual: bool = True) -> nn.Module:
    """Residual network with 6n + 2 weight layers for small pictures: [N, c_in, H, W] to [N, num_classes].

    Stem (3x3 convolution without bias, norm, ReLU), three stages of n blocks with width, 2 width, 4 width
    channels, stride 2 at the start of the second and third, mean over all pixels, linear.
    """
    ### BEGIN SOLUTION
    layers = [nn.Conv2d(c_in, width, 3, padding=1, bias=False), BatchNorm2d(width), nn.ReLU()]
    channels = width
    for stage in range(3):
        for i in range(n):
            stride = 2 if stage > 0 and i == 0 else 1
            layers.append(ResidualBlock(channels, width * 2**stage, stride, residual))
            channels = width * 2**stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
    ### END SOLUTION

# %% test="ex6-make-resnet-test" points=4 exercise_no=6
with check("Exercise 6: make_resnet") as expect:
    net = make_resnet(1, width=4, num_classes=5, c_in=2)
    expect.shape(net(torch.zeros(3, 2, 12, 8)), (3, 5), "three pictures with 2 channels, 5 classes")
    heights = map_sizes(net, torch.zeros(2, 2, 16, 16))
    expect.equal(heights, [16, 16, 16, 8, 8, 4, 4],
        "heights of the maps behind the seven 3 x 3 convolutions, on pictures of 16 x 16",
        likely="stem, then two in each block: the first convolution of stages 2 and 3, and no other, "
        "has stride 2")
    expect.equal(sum(p.numel() for p in make_resnet(3).parameters()), 272_474,
        "parameters of make_resnet(3)", likely="stem, 3 x 3 blocks with 16, 32, 64 channels, linear; "
        "shortcut layers only where the shape changes")
    plain = make_resnet(3, residual=False)
    expect.equal(sum(p.numel() for p in plain.parameters()), 269_722, "parameters without skips",
        likely="hand `residual` on to the blocks: then there are no shortcut layers either")
    expect.why("20 layers with weights. ResNet-20, 32, 44, 56, 110 differ in n alone: 3, 5, 7, 9, 18.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.make_resnet(make_resnet, ResidualBlock)
### END HIDDEN TESTS

# %% [markdown]
# Does the gradient get through? The picture shows its size in every $3\times3$ convolution of an untrained network of
# 56 layers. Then both kinds learn small digits for a while; it is the *training* loss that we compare.

# %% demo=true
def gradient_sizes(net: nn.Module, x: Tensor, y: Tensor) -> list[float]:
    """Norm of the gradient in each 3x3 convolution, from the first to the last."""
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    return [float(m.weight.grad.norm()) for m in convs]


x, labels = torch.randn(16, 3, 16, 16, generator=lab.generator("56")), torch.arange(16) % 10
small = F.avg_pool2d(pixels, 2)  # [N, 1, 14, 14]
blocks, steps_b = lab.pick(smoke=(1, 4), quick=(9, 60), full=(9, 2000))
fig, (left, right) = figure(1, 2, size=(9.6, 3.2))
for i, (name, residual) in enumerate({"plain": False, "residual": True}.items()):
    with lab.seeded("56 layers"):
        sizes = gradient_sizes(make_resnet(9, residual=residual), x, labels)
        spread = max(sizes) / min(sizes)
        net = make_resnet(blocks, width=8, c_in=1, residual=residual).to(lab.device)
    text = f"{name}: largest / smallest = {spread:,.0f}"
    left.semilogy(sizes, label=text, **line_style(i), markevery=6)
    epochs = max(1, steps_b // (len(small) // 64))
    history = fit(net, small[: 64 * steps_b], digit[: 64 * steps_b], epochs, name)
    history.plot(right, "loss", label=name, **line_style(i) | {"marker": ""})
left.set(title="56 layers, untrained", xlabel="3 x 3 convolution", ylabel="norm of the gradient")
right.set(title=f"training loss, {6 * blocks + 2} layers, width 8", ylabel="loss")
for ax in (left, right):
    ax.legend()
show(fig, "Left: in the plain network the gradient grows on its way back, from layer to layer, by a "
    "factor of thousands in all, so no learning rate suits all layers; with skips it stays within a "
    "factor of some tens. Right: the training loss of both, trained alike.")

# %% [markdown]
# ## 7 Architectures are arithmetic
#
# With three small functions you can read the tables in any paper. The first network of this family was Fukushima's
# *neocognitron* (1980): layers of local feature detectors with shared weights, without backpropagation. Trained with
# it were the time-delay network for speech (Waibel et al. 1989), the networks for zip codes (LeCun et al. 1989) and
# **LeNet-5** (LeCun et al. 1998). Today one writes it with max pooling and ReLU; the original had a trainable kind of
# average pooling, tanh, a partial table of connections, and another output layer.
#
# **AlexNet** (Krizhevsky et al. 2012) is a larger LeNet with heavy augmentation and dropout ($p=0.5$). It did not
# invent the ReLU (Jarrett et al. 2009, Nair and Hinton 2010), it made it work at the scale of ImageNet. Its paper
# says that pictures have 224 pixels a side; its own maps of $55\times55$ need 227, $(227-11)/4+1=55$ without padding,
# and that is what one uses today. **VGG-19** has 16 convolutions of $3\times3$ and three linear layers: 19 layers
# *with weights*, not 19 convolutions.

# %% demo=true
def shape_table(name: str, layers: list, size: int, channels: int, show_rows: bool = True) -> int:
    """Print size and parameters of layers (kind, channels, kernel, stride, padding). Returns the sum."""
    total = 0
    for kind, out, k, stride, padding in layers:
        if kind == "fc":
            k, size = size, 1  # a linear layer is a convolution whose kernel covers the whole map
        else:
            size = conv_out_size(size, k, stride, padding)
        count = 0 if kind == "pool" else conv_params(channels, out, k)
        channels = channels if kind == "pool" else out
        total += count
        if show_rows:
            print(f"{kind:5} {k:2}x{k:<2} /{stride}  -> {channels:4} x {size:3} x {size:3}  {count:12,}")
    print(f"{name}: {total:,} parameters\n")
    return total


conv = lambda out, k, stride=1, padding=0: ("conv", out, k, stride, padding)
pool = lambda k, stride: ("pool", 0, k, stride, 0)
fc = lambda out: ("fc", out, 0, 1, 0)
lenet5 = [conv(6, 5, 1, 2), pool(2, 2), conv(16, 5), pool(2, 2), fc(120), fc(84), fc(10)]
alexnet = [conv(96, 11, 4), pool(3, 2), conv(256, 5, 1, 2), pool(3, 2), conv(384, 3, 1, 1), conv(384, 3, 1, 1),
    conv(256, 3, 1, 1), pool(3, 2), fc(4096), fc(4096), fc(1000)]
vgg19 = [layer for width, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
    for layer in [conv(width, 3, 1, 1)] * count + [pool(2, 2)]] + [fc(4096), fc(4096), fc(1000)]
assert shape_table("LeNet-5", lenet5, 28, 1) == 61_706
assert shape_table("AlexNet, in one tower", alexnet, 227, 3) == 62_378_344
assert shape_table("VGG-19", vgg19, 224, 3, show_rows=False) == 143_667_240

# %% [markdown]
# Nearly all of AlexNet's parameters lie in its linear layers, and nearly all of its work in the convolutions.
# (Trained on two cards, with half of the channels separate, the original had 60,965,224.) Rules of thumb from that
# time: numbers of filters are powers of two; $(k,s,p)$ is $(3,1,1)$, $(5,1,2)$, $(1,1,0)$, or, to halve a map,
# $(5,2,2)$, which gives $\lceil\ell/2\rceil$; maps should shrink neither too slowly nor too fast. Later networks have
# smaller kernels and more layers, stride in place of pooling, and a mean over all pixels in place of the linear
# layers.

# %% demo=true
entries = [("2010", 28.2, "shallow"), ("2011", 25.8, "shallow"), ("2012", 16.4, "AlexNet, 8 layers"),
    ("2013", 11.7, "Clarifai (after ZFNet), 8 layers"), ("2014, second", 7.3, "VGG, 19 layers"),
    ("2014", 6.7, "GoogLeNet, 22 layers"), ("2015", 3.57, "ResNet, 152 layers")]
fig, ax = figure(size=(7.4, 3.2))
for row, (_, error, name) in enumerate(entries):
    ax.barh(row, error, color=COLOR["sky" if name == "shallow" else "blue"])
    ax.text(max(error, 5.1) + 0.4, row, f"{error} %, {name}", fontsize=8, va="center")
ax.axvline(5.1, color="black", linestyle=":", label="one person, estimated: 5.1 %")
ax.set_yticks(range(len(entries)), [year for year, *_ in entries])
ax.invert_yaxis()
ax.set(title="ImageNet: top-5 error of the winners, and their depth", xlabel="error in %", xlim=(0, 36))
ax.legend(loc="lower right")
show(fig, "The error of the winning entry each year, and of the second in 2014 (published, no outside data). "
    "Convolutional networks enter in 2012; then depth goes up, from 8 to 152 layers, and the error "
    "goes down, below that of a person in 2015.")

# %% [markdown]
# ## 8 Using a trained trunk again
#
# The early layers of a trained network are good at seeing in general; only the head knows the classes. **Transfer
# learning** takes a trained trunk, replaces the head, *freezes* the trunk and trains the head. With more data one
# goes on to train deeper layers too, carefully: the last convolutions at about $\frac1{10}$ of the learning rate of
# the head, the ones before at about $\frac1{100}$. Freezing must include batch norm: its running statistics change in
# train mode, with no gradient at all.
#
# We try it on real drawings of 1,594 things, each in four styles: train on three styles (nine groups such as food,
# animals, travel), then move to a fourth style that the trunk has never seen, with few labels. The data has a *split*
# by thing: the trunk and the labels use 1,276 things, and the accuracy is that on 318 others, which were seen in no
# style.

# %% given="transfer"
def freeze(trunk: nn.Module) -> None:
    """No gradients, and evaluation mode, so that batch norm keeps its statistics."""
    trunk.eval()
    for p in trunk.parameters():
        p.requires_grad_(False)


def discriminative_groups(head: nn.Module, convs: list[nn.Module], base: float) -> list[dict]:
    """Groups for an optimiser: the head at `base`, the last convolution at base / 10, earlier base / 100."""
    rates = [base / 100] * (len(convs) - 1) + [base / 10]
    groups = [{"params": list(m.parameters()), "lr": rate} for m, rate in zip(convs, rates, strict=True)]
    return [{"params": list(head.parameters()), "lr": base}, *groups]

# %% demo=true
things = emoji()
pictures = torch.from_numpy(things.images).permute(0, 3, 1, 2).float() / 255  # [n, 3, 32, 32]
groups, style = torch.from_numpy(things.group.astype("int64")), torch.from_numpy(things.style)
for_training = torch.from_numpy(things.split == 0)  # the same things in every style
which = [int(((groups == g) & (style == 0)).nonzero()[2]) for g in (1, 3, 4, 8)]
rows = [things.images[i + s * 1594] for s in range(4) for i in which]
titles = [things.styles[s] if k == 0 else "" for s in range(4) for k in range(4)]
fig = image_grid(np.stack(rows), titles, ncols=4)
show(fig, "The same four things in four styles, a row each. Three styles are for training the trunk; "
    "that of the last row is the new task.")

# %% demo=true
def make_trunk() -> nn.Sequential:
    """Three stages of convolution, batch norm, ReLU and pooling: [N, 3, 32, 32] to [N, 64 * 4 * 4]."""
    stages = []
    for a, b in ((3, 16), (16, 32), (32, 64)):
        layers = [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
        stages.append(nn.Sequential(*layers))
    return nn.Sequential(*stages, nn.Flatten())


def train_classifier(trunk, head, x, y, steps, frozen, label, groups=None):
    """Adam; a frozen trunk is computed once and stays as it is."""
    if frozen:
        freeze(trunk)
        with torch.no_grad():
            x = trunk(x)
    net = head if frozen else nn.Sequential(trunk, head).train()
    optimizer = torch.optim.Adam(groups or net.parameters(), lr=2e-3)
    generator = lab.generator(f"transfer {label}")

    def step(i):
        batch = torch.randint(len(x), (min(64, len(x)),), generator=generator).to(x.device)
        loss = F.cross_entropy(net(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return train(step, steps, label=label)


x_all, y_all = pictures.to(lab.device), groups.to(lab.device)
old = ((style < 3) & for_training).nonzero()[:, 0].to(lab.device)
new = ((style == 3) & for_training).nonzero()[:, 0]
shuffled = new[torch.randperm(len(new), generator=lab.generator("new style"))]
held_out = ((style == 3) & ~for_training).nonzero()[:, 0].to(lab.device)
with lab.seeded("trunk"):
    trunk, old_head = make_trunk().to(lab.device), nn.Linear(1024, 9).to(lab.device)
steps_old = lab.pick(smoke=6, quick=300, full=3000)
train_classifier(trunk, old_head, x_all[old], y_all[old], steps_old, False, "three styles")
buffers = [b.clone() for b in trunk.buffers()]
few, results = (100, 400) if lab.preset == "smoke" else (50, 200, 800), {}
steps_t = lab.pick(smoke=3, quick=100, full=400)
for n in few:
    rows = shuffled[:n].to(lab.device)
    for name in ("frozen trunk, new head", "then fine-tuned", "from scratch"):
        with lab.seeded(f"transfer {n}"):
            body, head = make_trunk().to(lab.device), nn.Linear(1024, 9).to(lab.device)
        if name != "from scratch":
            body = copy.deepcopy(trunk)
            train_classifier(body, head, x_all[rows], y_all[rows], steps_t, True, "head")
        if name == "then fine-tuned":
            for p in body.parameters():
                p.requires_grad_(True)
        if name != "frozen trunk, new head":
            rates = discriminative_groups(head, list(body)[:3], 2e-3) if name == "then fine-tuned" else None
            train_classifier(body, head, x_all[rows], y_all[rows], steps_t, False, name, rates)
        results[name, n] = accuracy_on(nn.Sequential(body, head), x_all[held_out], y_all[held_out])
freeze(trunk)
with torch.no_grad():
    trunk(x_all[:64])
assert all(torch.equal(a, b) for a, b in zip(trunk.buffers(), buffers, strict=True)), "frozen means frozen"

# %% demo=true
fig, ax = figure(size=(6.6, 3.2))
for i, name in enumerate(("frozen trunk, new head", "then fine-tuned", "from scratch")):
    ax.semilogx(few, [results[name, n] for n in few], label=name, **line_style(i))
ax.set(title="a new drawing style, new things", xlabel="labelled pictures of the new style",
    ylabel="accuracy", xticks=few)
ax.set_xticklabels(few)
ax.minorticks_off()
largest = float(y_all[held_out].bincount().max()) / len(held_out)
ax.axhline(largest, color="black", linestyle=":", label="always the largest group")
ax.legend(fontsize=8)
show(fig, "Accuracy on things of the fourth style that were seen in no style, by the number of labels. "
    "Compare, where labels are few, the trunk that was trained on other styles with training from "
    "scratch; and watch its lead.")

# %% [markdown]
# **Two heads: localisation.** One object, one box: put a second head on the same trunk, which predicts the four
# numbers $b$ of a box by regression (here its corners, as shares of the picture), and add the losses,
# $\mathcal L=\text{CE}+\lambda\lVert b-\hat b\rVert^2$. The usual recipe with a large trunk: train or download a
# classifier, add the regression head, freeze the trunk, train that head, then fine-tune everything. Our pictures are
# simple enough to train trunk and both heads together from the start, with $\lambda=10$. For a *fixed* number of
# boxes the head has 4 outputs a box; for points, such as the joints of a person (pose), 2 a point.

# %% demo=true
class TwoHeadNet(nn.Module):
    """A trunk, a head for the class and a head for one box."""

    def __init__(self, trunk: nn.Module, features: int, classes: int):
        super().__init__()
        self.trunk, self.classes, self.box = trunk, nn.Linear(features, classes), nn.Linear(features, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.trunk(x)
        return self.classes(features), self.box(features)


one = shapes(lab.rng("one shape"), lab.pick(smoke=150, quick=1000), size=32, most=1)
x_one = torch.from_numpy(one.images).permute(0, 3, 1, 2).float().to(lab.device) / 255
kind = torch.from_numpy(np.concatenate(one.labels)).to(lab.device)
where = torch.from_numpy(np.concatenate(one.boxes)).float().to(lab.device) / 32  # in units of the picture
with lab.seeded("two heads"):
    two = TwoHeadNet(make_trunk(), 1024, 3).to(lab.device)
optimizer = torch.optim.Adam(two.parameters(), lr=2e-3)


def localise(i):
    rows = torch.randint(len(x_one) - 50, (64,), generator=lab.generator(f"two heads {i}")).to(lab.device)
    scores, box = two(x_one[rows])
    loss = F.cross_entropy(scores, kind[rows]) + 10 * (box - where[rows]).pow(2).sum(dim=1).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


train(localise, lab.pick(smoke=5, quick=250, full=1000), label="two heads")
two.eval()
with torch.no_grad():
    scores, found = (part.cpu() for part in two(x_one[-50:]))
fig, axes = figure(1, 5, size=(10, 2.3))
for ax, i in zip(axes, range(5), strict=True):
    ax.imshow(one.images[-50 + i], extent=(0, 32, 32, 0), interpolation="nearest")
    ax.set(xlim=(0, 32), ylim=(32, 0))
    draw_boxes(ax, 32 * where[-50 + i].cpu()[None], color="sky", linestyle="--")
    draw_boxes(ax, 32 * found[i][None], [SHAPES[int(scores[i].argmax())]])
    ax.axis("off")
show(fig, "Localisation: five pictures that the network has not seen, with the true box (blue, dashed) "
    "and its answer (yellow). A regression gives exactly one box, whether there is one object or none.")
freeze(two.trunk)
scores, box = two(x_one[:8])
two.zero_grad()
(box.pow(2).sum() + scores.sum() * 0).backward()
assert all(p.grad is None for p in two.trunk.parameters()) and two.box.weight.grad.abs().sum() > 0

# %% [markdown]
# **A class for each pixel: segmentation.** A stack of convolutions and pooling knows *what* there is, but has lost
# *where*. The **U-Net** (Ronneberger et al. 2015) goes down as usual, then up again with transposed convolutions, and
# at every level hands the maps of the way down over to the way up. It **concatenates** them (a ResNet *adds*), so the
# decision for a pixel can use both: what the coarse maps know, and where exactly the edge is. The output here is a
# mask with one class per pixel, *semantic* segmentation; *instance* segmentation also tells objects of one class
# apart.

# %% demo=true
def double(a: int, b: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch norm and ReLU."""
    layers = []
    for c_in, c_out in ((a, b), (b, b)):
        layers += [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down with max pooling, up with transposed convolutions; `skips` hands maps over by concatenation."""

    def __init__(self, classes: int, levels: int = 3, width: int = 16, skips: bool = True):
        super().__init__()
        widths = [width * 2**i for i in range(levels)]
        self.down = nn.ModuleList(double(a, b) for a, b in pairwise([3, *widths]))
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(double(2 * a if skips else a, a) for a in widths[:-1])
        self.head, self.skips = nn.Conv2d(width, classes, 1), skips

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        for up, merge, skip in zip(reversed(self.up), reversed(self.merge), reversed(kept[:-1]), strict=True):
            x = up(x)
            x = merge(torch.cat([skip, x], dim=1) if self.skips else x)
        return self.head(x)


assert UNet(4)(torch.zeros(2, 3, 32, 32)).shape == (2, 4, 32, 32)
field_of = shapes(lab.rng("masks"), lab.pick(smoke=60, quick=500, full=3000), size=32)
x_seg = torch.from_numpy(field_of.images).permute(0, 3, 1, 2).float().to(lab.device) / 255
masks = torch.from_numpy(field_of.masks.astype("int64")).to(lab.device)


def mean_iou(predicted: Tensor, truth: Tensor) -> float:
    """Mean over the classes of (pixels in both) / (pixels in either)."""
    both = [((predicted == c) & (truth == c)).sum() for c in range(4)]
    either = [((predicted == c) | (truth == c)).sum() for c in range(4)]
    return float(np.mean([float(b) / max(float(e), 1) for b, e in zip(both, either, strict=True)]))


seen_masks, score_of = {}, {}
for name, skips in (("with skips", True), ("skips cut", False)):
    with lab.seeded("unet"):
        unet = UNet(4, width=8, skips=skips).to(lab.device)
    optimizer = torch.optim.Adam(unet.parameters(), lr=4e-3)

    def segment(i, unet=unet, optimizer=optimizer):
        rows = torch.randint(len(x_seg) - 40, (16,), generator=lab.generator(f"unet {i}")).to(lab.device)
        loss = F.cross_entropy(unet(x_seg[rows]), masks[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    train(segment, lab.pick(smoke=4, quick=150, full=2000), label=f"U-Net, {name}")
    unet.eval()
    with torch.no_grad():
        seen_masks[name] = unet(x_seg[-40:]).argmax(dim=1)
    score_of[name] = mean_iou(seen_masks[name], masks[-40:])
in_colour = lambda m: 255 * np.stack([m.cpu().numpy() == c for c in (1, 2, 3)], axis=-1).astype(np.uint8)
answers = (masks[-40:-34], seen_masks["with skips"][:6], seen_masks["skips cut"][:6])
tiles = [field_of.images[-40:-34], *map(in_colour, answers)]
names = ["picture", "truth", f"skips: {score_of['with skips']:.2f}", f"cut: {score_of['skips cut']:.2f}"]
titles = [name if i == 0 else "" for name in names for i in range(6)]
fig = image_grid(np.concatenate(tiles), titles, ncols=6, cell=1.1)
show(fig, "Pictures, true masks, and masks by a small U-Net with and without its skips (mean IoU over "
    "pixels below the first of each row). Red: ellipse, green: rectangle, blue: triangle. Compare the "
    "edges of the last two rows, and the classes that are still missing without skips.")

# %% [markdown]
# ## 9 Detection
#
# How many objects are there? Nobody says beforehand, so the output has no fixed size. One could slide a classifier
# over all places and scales and merge the answers (OverFeat, section 2), at a high price. **Region proposals** are
# cheaper: a simple method marks two thousand "blobby" regions, and only these are classified. How the family of
# **R-CNN** became fast is a story in three steps, and each step removes work that was done twice:
#
# | | how | time per picture (VGG-16) |
# |---|---|---|
# | R-CNN (Girshick et al. 2014) | every proposal is cut out, warped and sent through the CNN | 50 s |
# | Fast R-CNN (Girshick 2015) | one pass; *RoI pooling* cuts features out of the map | 2 s |
# | Faster R-CNN (Ren et al. 2015) | a small network on the same map proposes, at 9 *anchors* per place | 0.2 s |
#
# These times, rounded, include that for the proposals: Fast R-CNN is 25 times and Faster R-CNN 250 times as fast as
# R-CNN. (Girshick 2015 counts without the proposals, and says 213 times for Fast R-CNN.) In R-CNN a classifier
# trained on ImageNet got a new last layer, was fine-tuned on the detection classes, and then its features were stored
# on disk for one SVM and one linear regression of the box per class: neither trained the CNN. Faster R-CNN sums four
# losses, class and box, for proposals and for the final answer.
#
# Do people search like this? Eckstein et al. (2017) found that we often miss an object of the wrong size, such as a
# giant toothbrush on a washbasin, because we look where and for what we expect. Detectors see it.

# %% demo=true
def roi_max_pool(features: Tensor, boxes: Tensor, out: int = 7) -> Tensor:
    """Fast R-CNN: features [C, H, W] inside each box [K, 4] (in pixels of the map), [K, C, out, out]."""
    pooled = []
    edges = lambda a, b, i: (math.floor(a + (b - a) * i / out), math.ceil(a + (b - a) * (i + 1) / out))
    for x1, y1, x2, y2 in boxes.tolist():
        rows, cols = ([edges(a, b, i) for i in range(out)] for a, b in ((y1, y2), (x1, x2)))
        bins = [features[:, t:b, left:r].amax(dim=(1, 2)) for t, b in rows for left, r in cols]
        pooled.append(torch.stack(bins, dim=1).view(-1, out, out))
    return torch.stack(pooled)


def anchors(shape: tuple[int, int], stride: int, scales: tuple, ratios: tuple) -> Tensor:
    """Faster R-CNN: boxes of all scales and height-to-width ratios at each place of a map: [H W S R, 4]."""
    rows, cols = torch.meshgrid(torch.arange(shape[0]), torch.arange(shape[1]), indexing="ij")
    centres = torch.stack([cols, rows], dim=-1).view(-1, 1, 2) * stride + stride / 2  # [H W, 1, 2]
    sizes = torch.tensor([(s / r**0.5, s * r**0.5) for s in scales for r in ratios])  # [S R, 2], (w, h)
    return torch.cat([centres - sizes / 2, centres + sizes / 2], dim=-1).view(-1, 4)


def smooth_l1(t: Tensor) -> Tensor:
    """t^2 / 2 near 0 and |t| - 1/2 beyond 1: a squared error whose gradient never exceeds 1."""
    return torch.where(t.abs() < 1, 0.5 * t**2, t.abs() - 0.5)


def assign_anchors(overlaps: Tensor) -> Tensor:
    """Labels for anchors from their IoU with the objects, [anchors, K]: 1 object, 0 background, -1 ignored."""
    best = overlaps.amax(dim=1)
    label = torch.where(best >= 0.7, 1, torch.where(best < 0.3, 0, -1))
    closest = (overlaps == overlaps.amax(dim=0)) & (overlaps > 0)  # no object goes without an anchor
    return label.masked_fill(closest.any(dim=1), 1)


assert assign_anchors(torch.tensor([[0.8, 0], [0.5, 0], [0.1, 0.2], [0.1, 0.0]])).tolist() == [1, -1, 1, 0]
features = torch.randn(4, 13, 9, generator=lab.generator("roi"))
whole = roi_max_pool(features, torch.tensor([[0.0, 0.0, 9.0, 13.0]]), 3)
assert torch.equal(whole, F.adaptive_max_pool2d(features, 3)[None])
grid = anchors((4, 6), 16, (32, 64, 128), (0.5, 1.0, 2.0))
assert grid.shape == (9 * 4 * 6, 4) and torch.allclose((grid[:, 2] - grid[:, 0])[1], torch.tensor(32.0))
t = torch.tensor([-3.0, -1.0, 0.5, 1.0, 2.0], requires_grad=True)
assert torch.allclose(torch.autograd.grad(smooth_l1(t).sum(), t)[0], t.detach().clamp(-1, 1))
print(f"{len(grid)} anchors on a map of 4 x 6; RoI pooling of the whole map is adaptive pooling")

# %% [markdown]
# All of them share four parts, and you are going to build these: a measure of overlap, a way to throw duplicates out,
# a code for boxes, and a fair score.
#
# **Overlap.** *Intersection over union* is 1 for equal boxes, 0 for disjoint ones, and does not depend on the scale:
#
# $$\text{IoU}(A,B)=\frac{|A\cap B|}{|A|+|B|-|A\cap B|},\qquad|A\cap B|=\max(0,\Delta x)\cdot\max(0,\Delta y),$$
#
# where $\Delta x=\min(x_2^A,x_2^B)-\max(x_1^A,x_1^B)$, and $\Delta y$ likewise. If the union is empty, IoU is 0.
#
# **Exercise 7 · 9 points · ★★☆ · 45 min.** First `box_iou`, for all pairs at once.
#
# <details><summary>Hint: a question</summary>Two boxes, one at the top left and one at the bottom right: what are Δx
# and Δy, and what is their product?</details>

# %% exercise="ex7-box-iou"
def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of all pairs of boxes (x1, y1, x2, y2).

    a: [K, 4]; b: [M, 4], floats; K or M may be 0. Returns [K, M]; 0 where the union is empty.
    ValueError if a or b has not two axes or not four columns, or if a box has x2 < x1 or y2 < y1.
    """
    ### BEGIN SOLUTION
    for boxes in (a, b):
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes must have shape [K, 4], not {tuple(boxes.shape)}")
        if (boxes[:, 2:] < boxes[:, :2]).any():
            raise ValueError("a box has x2 < x1 or y2 < y1")
    low = torch.maximum(a[:, None, :2], b[:, :2])  # [K, M, 2]
    high = torch.minimum(a[:, None, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)  # [K, M]
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (a, b))
    union = area_a[:, None] + area_b - shared
    return torch.where(union > 0, shared / union.where(union > 0, torch.ones_like(union)), torch.zeros_like(union))
    ### END SOLUTION

# %% test="ex7-box-iou-test" points=4 exercise_no=7
with check("Exercise 7: box_iou") as expect:
    a = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3]])
    b = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]])
    iou = box_iou(a, b)
    expect.shape(iou, (2, 3), "the overlaps of 2 with 3 boxes")
    far = box_iou(torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[2.0, 2, 3, 3]]))
    expect.close(far, [[0.0]], "two boxes apart in both directions",
        likely="minus times minus: clamp EACH side at 0")
    expect.close(iou, [[1, 1 / 3, 0], [1 / 7, 1 / 3, 0]], "the overlaps", rtol=1e-5,
        likely="intersection over union: the intersection is counted in both areas, so subtract it once")
    point = torch.tensor([[1.0, 1, 1, 1]])
    expect.close(box_iou(point, point), [[0.0]], "a box without area with itself",
        likely="0 / 0: the union is empty")
    expect.raises(ValueError, box_iou, torch.tensor([[2.0, 0, 1, 1]]), a, what="a box with x2 < x1")
    expect.raises(ValueError, box_iou, a, torch.tensor([[0.0, 0, 1, 1], [0, 3, 2, 1]]),
        what="y2 < y1 in one of two boxes")
    expect.raises(ValueError, box_iou, a[0], b, what="a single box [4] without its axis")
    expect.raises(ValueError, box_iou, torch.ones(3, 5), b, what="boxes of 5 numbers")
    expect.shape(box_iou(torch.zeros(0, 4), b), (0, 3), "the overlaps of no boxes with 3")
    expect.why("IoU punishes too large and too small boxes alike, and is the same on every screen.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.box_iou(box_iou)
### END HIDDEN TESTS

# %% [markdown]
# **Duplicates.** Neighbouring cells and anchors find the same object. *Non-maximum suppression* keeps the box with
# the highest score, drops all boxes of the same class that overlap it by more than a threshold, and repeats with what
# is left. A box that was dropped drops nobody: in a chain A-B-C, where A removes B, C stays if it overlaps only B.
#
# <details><summary>Hint: a question</summary>You walk through the boxes by decreasing score. With which boxes do you
# compare the next one: all before it, the last one kept, or all that were kept?</details>

# %% exercise="ex7-nms"
def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, classes: Tensor | None = None) -> Tensor:
    """Non-maximum suppression: int64 [kept], numbers of the boxes kept, by decreasing score.

    boxes: [K, 4], K may be 0; scores: [K]
    classes: None, or int64 [K]: then only boxes of one class suppress each other
    A box is dropped if its IoU with a box already kept is greater than the threshold; of equal scores the
    lower index comes first.
    ValueError for other shapes, a threshold outside [0, 1], or a box with x2 < x1 or y2 < y1.
    """
    ### BEGIN SOLUTION
    if scores.shape != boxes.shape[:1] or (classes is not None and classes.shape != scores.shape):
        raise ValueError("one score and one class for each box")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"the threshold must lie in [0, 1], got {iou_threshold}")
    rivals = box_iou(boxes, boxes) > iou_threshold  # [K, K]
    if classes is not None:
        rivals &= classes[:, None] == classes
    alive = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    kept = []
    for i in torch.argsort(scores, descending=True, stable=True).tolist():
        if alive[i]:
            kept.append(i)
            alive &= ~rivals[i]
    return torch.tensor(kept, dtype=torch.int64, device=boxes.device)
    ### END SOLUTION

# %% given="alone-7"
# Calls a function of yours with a box_iou of the course's: a slip in your box_iou must not show in its check.
alone = StandIns(box_iou=box_overlaps)

# %% test="ex7-nms-test" points=5 exercise_no=7
with check("Exercise 7: nms") as expect:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30], [0, 0, 10, 10.5], [6, 0, 16, 10]])
    scores = torch.tensor([0.8, 0.9, 0.7, 0.6, 0.75])
    expect.equal(alone(nms, boxes, scores, 0.5), [1, 4, 2], "the boxes kept with threshold 0.5",
        likely="numbers of boxes, in the order of decreasing score; each is compared with ALL that were kept")
    expect.equal(alone(nms, boxes, scores, 0.2), [1, 2], "the boxes kept with threshold 0.2")
    expect.equal(alone(nms, boxes, scores, 0.9), [1, 0, 4, 2], "the boxes kept with threshold 0.9")
    classes = torch.tensor([0, 1, 1, 0, 0])
    expect.equal(alone(nms, boxes, scores, 0.5, classes), [1, 0, 4, 2],
        "the boxes kept with two classes", likely="only boxes of the same class suppress each other")
    chain = torch.tensor([[0.0, 0, 10, 4], [4, 0, 14, 4], [8, 0, 18, 4]])
    kept = alone(nms, chain, torch.tensor([0.9, 0.8, 0.7]), 0.3)
    expect.equal(kept, [0, 2], "the boxes kept of a chain in which only neighbours overlap",
        likely="the box in the middle was dropped, so it may not drop the last one")
    half = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2]])
    expect.equal(alone(nms, half, torch.tensor([0.9, 0.8]), 0.5), [0, 1],
        "two boxes with an IoU of exactly 0.5, threshold 0.5",
        likely="a box is dropped if its IoU is GREATER than the threshold")
    expect.equal(alone(nms, boxes[[2, 0]], torch.tensor([0.5, 0.5]), 0.5), [0, 1],
        "two boxes with equal scores", likely="of equal scores the lower index comes first")
    nothing = alone(nms, torch.zeros(0, 4), torch.zeros(0), 0.5)
    expect.shape(nothing, (0,), "what is kept of no boxes", likely="nothing to keep: an empty tensor")
    expect.dtype(nothing, "int64", "what is kept of no boxes",
        likely="an empty list becomes float: say the dtype")
    expect.raises(ValueError, alone, nms, boxes, scores[:3], 0.5, what="three scores for five boxes")
    expect.raises(ValueError, alone, nms, boxes, scores, 1.5, what="threshold 1.5")
    inverted = torch.tensor([[0.0, 0, 4, 4], [5, 0, 1, 4]])
    expect.raises(ValueError, alone, nms, inverted, torch.tensor([0.9, 0.8]), 0.5,
        what="a box with x2 < x1", likely="box_iou refuses such boxes: is it asked about all of them?")
    expect.why("A greedy rule of six lines, and every detector of ten years ended with it.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.nms(nms)
### END HIDDEN TESTS

# %% [markdown]
# **A code for boxes.** Coordinates in pixels are bad targets: a pixel matters for a small box and not for a large
# one. R-CNN predicts *corrections* of a proposal $p$, with centres $(x,y)$ and sizes $(w,h)$:
#
# $$t_x=\frac{g_x-p_x}{p_w},\quad t_y=\frac{g_y-p_y}{p_h},\quad t_w=\ln\frac{g_w}{p_w},\quad t_h=\ln\frac{g_h}{p_h}.$$
#
# They do not change if proposal and truth $g$ are shifted or scaled together. Decoding turns this around; since
# $e^{t}$ of a wild guess could overflow, $t_w$ and $t_h$ are limited from above by $\ln(1000/16)\approx4.135$.
#
# **Exercise 8 · 7 points · ★★☆ · 45 min.**
#
# <details><summary>Hint: a question</summary>The proposal runs from 0 to 10, the truth from 5 to 25. Where are the
# two centres, how far apart are they, and how much is that in widths of the PROPOSAL?</details>

# %% exercise="ex8-encode-boxes"
def encode_boxes(proposals: Tensor, gt: Tensor) -> Tensor:
    """Corrections (tx, ty, tw, th) that turn proposals into ground truth, box by box.

    proposals, gt: [K, 4] as (x1, y1, x2, y2); returns [K, 4].
    ValueError if a box of either has zero (or negative) width or height.
    """
    ### BEGIN SOLUTION
    p_size, g_size = proposals[:, 2:] - proposals[:, :2], gt[:, 2:] - gt[:, :2]
    if (p_size <= 0).any() or (g_size <= 0).any():
        raise ValueError("a box without width or height has no code")
    p_centre, g_centre = (proposals[:, :2] + proposals[:, 2:]) / 2, (gt[:, :2] + gt[:, 2:]) / 2
    return torch.cat([(g_centre - p_centre) / p_size, torch.log(g_size / p_size)], dim=1)
    ### END SOLUTION

# %% test="ex8-encode-boxes-test" points=2 exercise_no=8
with check("Exercise 8: encode_boxes") as expect:
    proposal, truth = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 5, 25, 15]])
    expect.close(encode_boxes(proposal, truth), [[1.0, 0.0, 0.6931472, -0.6931472]], "the code of a box",
        rtol=1e-5, atol=1e-6,
        likely="centres, in units of the proposal's size; then ln(truth / proposal) of width and height")
    expect.close(encode_boxes(truth, truth), np.zeros((1, 4)), "the code of a perfect proposal",
        atol=1e-6)
    expect.raises(ValueError, encode_boxes, torch.tensor([[0.0, 0, 0, 20]]), truth,
        what="a proposal of width 0")
    expect.raises(ValueError, encode_boxes, proposal, torch.tensor([[5.0, 5, 25, 5]]),
        what="a truth of height 0")
    expect.why("Numbers of the order of 1, whatever the size of the object: what a regression likes.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.encode_boxes(encode_boxes)
### END HIDDEN TESTS

# %% exercise="ex8-decode-boxes"
def decode_boxes(deltas: Tensor, proposals: Tensor, max_log: float = 4.135) -> Tensor:
    """The boxes (x1, y1, x2, y2) that corrections (tx, ty, tw, th) make of proposals, box by box.

    deltas, proposals: [K, 4]; returns [K, 4]. tw and th are limited from above by max_log.
    """
    ### BEGIN SOLUTION
    size = proposals[:, 2:] - proposals[:, :2]
    centre = (proposals[:, :2] + proposals[:, 2:]) / 2 + deltas[:, :2] * size
    new_size = size * torch.exp(deltas[:, 2:].clamp(max=max_log))
    return torch.cat([centre - new_size / 2, centre + new_size / 2], dim=1)
    ### END SOLUTION

# %% test="ex8-decode-boxes-test" points=2 exercise_no=8
with check("Exercise 8: decode_boxes") as expect:
    proposal = torch.tensor([[0.0, 0, 10, 20]])
    box = decode_boxes(torch.tensor([[1.0, 0.0, 0.6931472, -0.6931472]]), proposal)
    expect.close(box, [[5.0, 5, 25, 15]], "the box that a code stands for", rtol=1e-5,
        likely="the new centre, then half of the new size to both sides")
    wild = decode_boxes(torch.tensor([[0.0, 0.0, 1000.0, -1000.0]]), proposal)
    expect.close(wild[0, 2] - wild[0, 0], 624.9, "the width with tw = 1000", rtol=1e-3,
        likely="clamp(max=max_log)")
    expect.close(wild[0, 3] - wild[0, 1], 0.0, "the height with th = -1000", atol=1e-4,
        likely="no limit from below")
    far = decode_boxes(torch.tensor([[30.0, 0.0, 0.0, 0.0]]), proposal)
    expect.close(far, [[300.0, 0, 310, 20]], "a box with tx = 30", rtol=1e-5,
        likely="only tw and th are limited")
    small = decode_boxes(torch.tensor([[0.0, 0.0, 2.0, 0.0]]), proposal, 1.0)
    expect.close(small[0, 2] - small[0, 0], 10 * math.e, "the width with tw = 2 and max_log = 1",
        rtol=1e-4, likely="use the argument max_log")
    expect.why("exp keeps sizes positive, and the limit keeps a wild guess from ruining a whole batch.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.decode_boxes(decode_boxes)
### END HIDDEN TESTS

# %% [markdown]
# **YOLO** ("you only look once", Redmon et al. 2016) needs no proposals: one network, one regression. The picture is
# divided into $S\times S$ cells. The cell that holds the *centre* of an object is responsible for it. Each cell
# predicts $B$ boxes, with 4 coordinates and a confidence, and $C$ class scores: a tensor $S\times S\times(5B+C)$,
# which for PASCAL VOC was $7\times7\times(5\cdot2+20)=7\times7\times30$. Its targets, for a picture of $I\times I$
# pixels and a box with centre $(c_x,c_y)$:
#
# $$i=\min(\lfloor c_yS/I\rfloor,S-1),\quad j=\min(\lfloor c_xS/I\rfloor,S-1),\quad x=c_xS/I-j,\quad y=c_yS/I-i,$$
#
# and $w,h$ in units of the picture. Mind that the *row* comes from $y$. If two centres fall into one cell, the first
# box in the list stays: a real weakness of this method for flocks of birds.

# %% exercise="ex8-yolo-encode"
def yolo_encode(boxes: Tensor | list, labels: Tensor | list, S: int, C: int,
                image_size: float) -> Tensor:
    """Grid targets of one picture: [S, S, 5 + C], row first, channels [obj, x, y, w, h, one-hot class].

    boxes: [K, 4] (x1, y1, x2, y2) in pixels, K may be 0; labels: [K], 0 ... C-1
    Cells without a centre are 0. The dtype is that of boxes if they are a tensor of floats, else float32.
    """
    ### BEGIN SOLUTION
    boxes, labels = (torch.as_tensor(a, device=getattr(a, "device", None)) for a in (boxes, labels))
    if not boxes.is_floating_point():
        boxes = boxes.float()
    boxes = boxes.view(-1, 4)
    target = boxes.new_zeros(S, S, 5 + C)
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2 * S / image_size, (boxes[:, 2:] - boxes[:, :2]) / image_size
    for (x, y), size, label in zip(centres, sizes, labels, strict=True):
        i, j = min(int(y), S - 1), min(int(x), S - 1)
        if target[i, j, 0] == 0:
            target[i, j, 0], target[i, j, 1], target[i, j, 2] = 1.0, x - j, y - i
            target[i, j, 3:5] = size
            target[i, j, 5 + label] = 1.0
    return target
    ### END SOLUTION

# %% test="ex8-yolo-encode-test" points=3 exercise_no=8
with check("Exercise 8: yolo_encode") as expect:
    target = yolo_encode([[0.0, 0.0, 16.0, 16.0]], [1], 4, 2, 32)
    expect.shape(target, (4, 4, 7), "the targets for S = 4, C = 2")
    expect.close(target[1, 1], [1, 0, 0, 0.5, 0.5, 0, 1],
        "cell (1, 1) of a box with its centre at (8, 8) of 32 pixels",
        likely="[obj, x, y, w, h, one-hot]: x and y within the cell, w and h in units of the picture")
    expect.close(target.sum(), 3.0, "the sum of everything: all other cells are 0")
    wide = yolo_encode([[20.0, 2.0, 28.0, 8.0]], [0], 4, 2, 32)
    expect.close(wide[0, 3], [1, 0, 0.625, 0.25, 0.1875, 1, 0], "cell (0, 3) of a box at the top right",
        likely="the row of the cell comes from y, the column from x; and x stands before y, w before h")
    border = yolo_encode([[28.0, 4.0, 36.0, 8.0], [4.0, 28.0, 8.0, 36.0]], [0, 1], 4, 2, 32)
    expect.close(border[0, 3], [1, 1.0, 0.75, 0.25, 0.125, 1, 0],
        "cell (0, 3) of a box with its centre on the right edge",
        likely="such a centre belongs to the last cell: min(..., S - 1)")
    expect.close(border[3, 0], [1, 0.75, 1.0, 0.125, 0.25, 0, 1],
        "cell (3, 0) of a box with its centre on the lower edge",
        likely="such a centre belongs to the last cell: min(..., S - 1)")
    shared = yolo_encode([[9.0, 9.0, 13.0, 15.0], [8.0, 8.0, 16.0, 14.0]], [1, 0], 4, 2, 32)
    expect.close(shared[1, 1], [1, 0.375, 0.5, 0.125, 0.1875, 0, 1],
        "cell (1, 1) with the centres of two boxes",
        likely="the first box in the list stays, with all its numbers and its class")
    expect.close(yolo_encode([], [], 4, 2, 32), np.zeros((4, 4, 7)), "a picture with nothing in it")
    whole = yolo_encode([[0, 0, 16, 16]], [1], 4, 2, 32)
    expect.dtype(whole, "float32", "the targets of a list of whole numbers",
        likely="a tensor of whole numbers cannot hold 0.5: make the boxes float first")
    exact = torch.tensor([[0.0, 0, 16, 16]], dtype=torch.float64)
    expect.dtype(yolo_encode(exact, torch.tensor([1]), 4, 2, 32), "float64",
        "the targets of float64 boxes", likely="boxes.new_zeros(...) takes the dtype of boxes")
    expect.why(
        "Detection has become regression: a fixed number of numbers, however many objects there are.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.yolo_encode(yolo_encode)
### END HIDDEN TESTS

# %% [markdown]
# **A fair score.** A detector returns boxes with scores; which cut-off should be judged? All of them. Sort the
# detections of *all* pictures by score. Going down the list, a detection is a **true positive** if its best ground
# truth in its own picture overlaps it with IoU at least 0.5 *and has not been claimed before*; else it is a false
# positive, duplicates included (and claims nothing). After $k$ detections,
#
# $$\text{precision}_k=\frac{TP_k}{k},\qquad\text{recall}_k=\frac{TP_k}{G}$$
#
# for $G$ objects. Precision zigzags; first it is made monotone, $\tilde p(r)=\max_{r'\ge r}p(r')$, the best precision
# that one can have at this recall or more. **Average precision** is the area below,
# $\text{AP}=\sum_k(r_k-r_{k-1})\,\tilde p(r_k)$, and **mAP** its mean over the classes. (Everingham et al. 2010;
# older papers read the curve at 11 points.)
#
# **Exercise 9 · 8 points · ★★★ · 50 min.**
#
# <details><summary>Hint 1: a question</summary>A detection overlaps two objects, with 0.8 and 0.6. The better one is
# taken already. Under the rule above, is it a true positive?</details>
# <details><summary>Hint 2</summary>Two steps: a list of hits (1) and misses (0) in the order of the scores, then the
# area. A monotone curve from the right: <code>np.maximum.accumulate(p[::-1])[::-1]</code>. Only at a hit does the
# recall grow, by 1/G.</details>

# %% exercise="ex9-average-precision"
def average_precision(det_image: Tensor, det_score: Tensor, det_box: Tensor, gt_image: Tensor,
                      gt_box: Tensor, iou_threshold: float = 0.5) -> float:
    """Average precision of one class (all-point rule).

    det_image: [D] int64, which picture; det_score: [D]; det_box: [D, 4]
    gt_image: [G] int64; gt_box: [G, 4]
    Each detection, by decreasing score (equal scores: the earlier first), is compared with the ground
    truth of its picture that it overlaps most: a hit if that IoU is at least iou_threshold and that object
    has not been claimed before.
    Returns a float: nan if G = 0, 0.0 if D = 0 and G > 0.
    """
    ### BEGIN SOLUTION
    if len(gt_box) == 0:
        return math.nan
    claimed, hits = set(), []
    for k in torch.argsort(det_score, descending=True, stable=True).tolist():
        rows = (gt_image == det_image[k]).nonzero()[:, 0]
        hit = False
        if len(rows):
            overlaps = box_iou(det_box[k : k + 1], gt_box[rows])[0]
            best = int(overlaps.argmax())
            hit = float(overlaps[best]) >= iou_threshold and int(rows[best]) not in claimed
            if hit:
                claimed.add(int(rows[best]))
        hits.append(hit)
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[np.array(hits, dtype=bool)].sum() / len(gt_box)) if hits else 0.0
    ### END SOLUTION

# %% given="pattern-of-hits"
def pattern(hits: list[int], objects: int) -> tuple:
    """Detections that hit (1) and miss (0) in this order of scores; every object has its own picture."""
    near, far = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]
    image, hit = [], 0
    for h in hits:
        image.append(hit if h else 0)
        hit += h
    boxes = torch.tensor([near if h else far for h in hits]).view(-1, 4)
    scores = torch.linspace(0.9, 0.1, len(hits)) if hits else torch.zeros(0)
    truth = torch.tensor([near] * objects).view(-1, 4)
    return torch.tensor(image, dtype=torch.int64), scores, boxes, torch.arange(objects), truth

# %% test="ex9-average-precision-test" points=6 exercise_no=9
with check("Exercise 9: average_precision") as expect:
    expect.close(alone(average_precision, *pattern([1, 1, 1], 3)), 1.0, "AP of a perfect detector",
        rtol=1e-6, likely="three objects in three pictures: match within a picture only")
    zigzag = alone(average_precision, *pattern([1, 0, 1, 0, 1, 0], 4))
    expect.close(zigzag, 0.5666667, "AP of hit, miss, hit, miss, hit, miss with 4 objects", rtol=1e-5,
        likely="recall is divided by ALL objects, and the envelope makes precision monotone: (1 + 2/3 + "
        "3/5) / 4")
    image, score, box, gt_image, gt_box = pattern([1, 1], 2)
    again, falling = [0, 0, 1], torch.tensor([0.9, 0.8, 0.7])
    twice = alone(average_precision, image[again], falling, box[again], gt_image, gt_box)
    expect.close(twice, 0.8333333, "AP when the first object is found twice", rtol=1e-5,
        likely="an object can be claimed once; the second detection of it is a false positive")
    elsewhere = alone(average_precision, image + 5, score, box, gt_image, gt_box)
    expect.close(elsewhere, 0.0, "AP of right boxes in wrong pictures",
        likely="match within a picture only")
    late = alone(average_precision, *pattern([0, 1, 1], 2))
    expect.close(late, 2 / 3, "AP of miss, hit, hit with 2 objects", rtol=1e-5,
        likely="the envelope is the best precision from here to the END of the list: 2/3 at both hits")
    other = [3, 0, 5, 1, 4, 2]
    *found, gt_image, gt_box = pattern([1, 0, 1, 0, 1, 0], 4)
    mixed = alone(average_precision, *(part[other] for part in found), gt_image, gt_box)
    expect.close(mixed, 0.5666667, "AP of the same zigzag, handed over in another order", rtol=1e-5,
        likely="sort by decreasing score, image numbers and boxes too")
    both = torch.tensor([[0.0, 0, 10, 10], [0, 2, 10, 12]])  # two objects in one picture, IoU 2/3
    zero, falling = torch.tensor([0, 0]), torch.tensor([0.9, 0.8])
    expect.close(alone(average_precision, zero, falling, both, zero, both), 1.0,
        "AP of two hits in one picture", rtol=1e-6,
        likely="a picture can hold several objects: each can be claimed once")
    nearer = torch.tensor([[0.0, 0, 10, 10], [0, 0.5, 10, 10.5]])  # both lie nearest to the first object
    taken = alone(average_precision, zero, falling, nearer, zero, both)
    expect.close(taken, 0.5, "AP when the second detection overlaps most the object that is taken",
        rtol=1e-6, likely="the object of the HIGHEST overlap decides: if it is taken, the detection is "
        "a false positive")
    one, near, upper = zero[:1], torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.0, 0, 10, 5]])
    expect.close(alone(average_precision, one, falling[:1], upper, one, near), 1.0,
        "AP of an IoU of exactly 0.5", rtol=1e-6, likely="IoU at LEAST the threshold is enough")
    strict = alone(average_precision, one, falling[:1], upper, one, near, 0.75)
    expect.close(strict, 0.0, "AP of an IoU of 0.5 with iou_threshold 0.75",
        likely="use the argument iou_threshold")
    expect.equal(alone(average_precision, *pattern([], 2)), 0.0, "AP without detections")
    expect.true(math.isnan(alone(average_precision, *pattern([], 0))),
        "AP must be nan if there is no object")
    expect.why(
        "One number for all cut-offs: it asks whether the right boxes stand at the top of the list.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.average_precision(average_precision)
### END HIDDEN TESTS

# %% exercise="ex9-mean-average-precision"
def mean_average_precision(classes: list[tuple], iou_threshold: float = 0.5) -> float:
    """Mean of average_precision over the classes that have ground truth; nan if none has.

    classes: for each class a tuple (det_image, det_score, det_box, gt_image, gt_box)
    """
    ### BEGIN SOLUTION
    values = [average_precision(*inputs, iou_threshold) for inputs in classes if len(inputs[4])]
    return sum(values) / len(values) if values else math.nan
    ### END SOLUTION

# %% given="alone-9"
def counted(det_image, det_score, det_box, gt_image, gt_box, iou_threshold=0.5) -> float:
    """Stands in for your average_precision in the next check: no AP, a number that is easy to foresee."""
    return len(det_box) / len(gt_box) * 0.5 / iou_threshold if len(gt_box) else math.nan


with_counted = StandIns(average_precision=counted)

# %% test="ex9-mean-average-precision-test" points=2 exercise_no=9
with check("Exercise 9: mean_average_precision") as expect:
    good, half, none = pattern([1, 1], 2), pattern([1], 2), pattern([], 0)
    both, three = (with_counted(mean_average_precision, c) for c in ([good, half], [good, none, half]))
    expect.close(both, 0.75, "mAP of two classes with AP 1 and 0.5", rtol=1e-6)
    expect.close(three, 0.75, "the same with a third class without objects", rtol=1e-6,
        likely="classes without ground truth are left out of the mean")
    expect.close(with_counted(mean_average_precision, [good, pattern([], 2)]), 0.5,
        "a class that is never detected", rtol=1e-6, likely="it has objects, so it counts, with 0")
    many = with_counted(mean_average_precision, [pattern([1, 1, 1, 1], 4), half])
    expect.close(many, 0.75, "mAP of a class with 4 objects and AP 1, and one with 2 and AP 0.5",
        rtol=1e-6, likely="a plain mean: each class counts once, frequent or rare")
    strict = with_counted(mean_average_precision, [good, half], 0.75)
    expect.close(strict, 0.5, "mAP with iou_threshold 0.75, of classes whose AP is then 2/3 and 1/3",
        rtol=1e-6, likely="hand iou_threshold on to average_precision")
    nan = with_counted(mean_average_precision, [none])
    expect.true(math.isnan(nan), "mAP must be nan if no class has objects",
        likely="the mean of nothing is nan")
    expect.why(
        "The mean over classes is what papers report: rare classes count as much as frequent ones.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.mean_average_precision(mean_average_precision)
### END HIDDEN TESTS

# %% [markdown]
# **Widget 3: thresholds.** Six pictures with objects that overlap, and a made-up detector that finds most of them,
# some twice, and now and then nothing. What happens to precision and recall if NMS is too strict, or too lax? Does
# the score cut change AP? And the matching threshold?
#
# <details><summary>What to find</summary>Too low a threshold for NMS deletes neighbours that are really there, and
# recall falls; too high leaves duplicates, and precision falls. Cutting off low scores shortens the curve at its end
# and costs a little AP, never gains any. A stricter match turns sloppy hits into false positives.</details>

# %% given="crowd"
def crowd(n: int = 6) -> tuple:
    """Crowded pictures, and detections as a mediocre detector makes them.

    Returns (pictures, truths, detections [D, 4], image [D], score [D]).
    """
    made = shapes(lab.rng("crowd"), n, most=5, overlap=0.55)
    rng = lab.rng("crowd detector")
    boxes, image, score = [], [], []
    for k, truth in enumerate(made.boxes):
        for box in truth:
            for copies in range(int(rng.choice([1, 2, 3], p=[0.3, 0.4, 0.3]))):
                boxes.append(box + rng.normal(0, 1.5 + 0.8 * copies, 4))
                image.append(k)
                score.append(np.clip(0.65 - 0.1 * copies + rng.normal(0, 0.18), 0.05, 0.99))
        for corner in rng.uniform(0, 44, (2, 2)):
            boxes.append(np.concatenate([corner, corner + rng.uniform(12, 20, 2)]))
            image.append(k)
            score.append(rng.uniform(0.05, 0.85))
    found = torch.tensor(np.array(boxes))
    found[:, 2:] = torch.maximum(found[:, 2:], found[:, :2] + 1)
    return made, [torch.from_numpy(b) for b in made.boxes], found, torch.tensor(image), torch.tensor(score)

# %% demo=true
made, truths, crowd_boxes, crowd_image, crowd_score = crowd()
flat = 32 * (made.images // 32)  # fewer colours: the pictures are drawn again at every move
truth_image = torch.cat([torch.full((len(t),), k) for k, t in enumerate(truths)])


def hits_of(rows: Tensor, match: float) -> Tensor:
    """Which of these detections, best first, are true positives: bool [len(rows)]."""
    hits, claimed = [], set()
    for row in rows.tolist():
        overlaps = box_iou(crowd_boxes[row][None], truths[crowd_image[row]])[0]
        best = (int(crowd_image[row]), int(overlaps.argmax()))
        hits.append(float(overlaps.max()) >= match and best not in claimed)
        claimed |= {best} if hits[-1] else set()
    return torch.tensor(hits, dtype=torch.bool)


def thresholds(fig, nms_threshold, score_cut, match):
    rows = (crowd_score >= score_cut).nonzero()[:, 0]
    # pictures act as classes: boxes of different pictures do not suppress each other
    rows = rows[nms(crowd_boxes[rows], crowd_score[rows], nms_threshold, crowd_image[rows])]
    hits = hits_of(rows, match)
    picked = crowd_image[rows], crowd_score[rows], crowd_boxes[rows]
    ap = average_precision(*picked, truth_image, torch.cat(truths), match)
    left, right = fig.subfigures(1, 2, width_ratios=[1.5, 1])
    for k, ax in enumerate(left.subplots(2, 3).flat):
        ax.imshow(flat[k], extent=(0, 64, 64, 0), interpolation="nearest")
        ax.set(xlim=(0, 64), ylim=(64, 0))
        ax.axis("off")
        draw_boxes(ax, truths[k], color="sky", linestyle="--", width=1)
        here = crowd_image[rows] == k
        draw_boxes(ax, crowd_boxes[rows[here & hits]], color="yellow", width=1.4)
        draw_boxes(ax, crowd_boxes[rows[here & ~hits]], color="vermillion", width=1.4)
    curve = right.subplots()
    true = np.cumsum(hits.numpy())
    precision, recall = true / np.arange(1, len(true) + 1), true / len(truth_image)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    curve.plot(recall, precision, ".", color="black", markersize=4, label="after each detection")
    across, up = np.concatenate([[0], recall]), np.concatenate([envelope[:1] if len(true) else [0], envelope])
    curve.step(across, up, where="pre", label="envelope")
    curve.fill_between(across, up, step="pre", alpha=0.2)
    curve.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
    curve.set_title(f"AP {ap:.3f}: {len(rows)} boxes, {int(hits.sum())} of {len(truth_image)} objects", fontsize=9)
    curve.legend(fontsize=8, loc="lower left")


explore(thresholds, "Truth dashed in blue, hits in yellow, false positives in red; on the right "
    "precision and recall, the envelope, and the area below it.", size=(9.6, 4.2),
    nms_threshold=Slider(0.0, 1.0, 0.5, 0.05, label="NMS threshold"),
    score_cut=Slider(0.0, 0.9, 0.05, 0.05, label="score cut"),
    match=Slider(0.3, 0.9, 0.5, 0.05, label="match at IoU"))

# %% [markdown]
# ### Experiment C: a detector
#
# **4 points.** Now everything together: a one-stage detector after YOLO on $64\times64$ pictures, with $S=8$, $B=2$
# boxes per cell and $C=3$ classes. Each cell has $5B+C=13$ outputs: for each box a confidence, $x$, $y$ and the
# *roots* $\sqrt w,\sqrt h$, all through a sigmoid, and the class scores through a softmax. The loss (Redmon et al.
# 2016) has one *responsible* box per object, the one of the cell's $B$ boxes that overlaps it most:
#
# $$5\sum_{\text{resp.}}\big[(x-\hat x)^2+(y-\hat y)^2+(\sqrt w-\sqrt{\hat w})^2+(\sqrt h-\sqrt{\hat h})^2\big]
# +\sum_{\text{resp.}}(\text{IoU}-\hat c)^2+\tfrac12\sum_{\text{others}}\hat c^2
# +\sum_{\text{cells with obj}}\sum_k(p_k-\hat p_k)^2 .$$
#
# Roots make an error of one pixel count more in small boxes. The confidence $\hat c$ learns to predict the IoU (which
# is not differentiated); boxes without an object learn $\hat c=0$, at half the weight, since they are so many.

# %% demo=true
def make_detector(boxes: int = 2, classes: int = 3) -> nn.Module:
    """Pictures [N, 3, 64, 64] to [N, 5 boxes + classes, 8, 8]."""
    layers = []
    for a, b, pooled in ((3, 16, True), (16, 32, True), (32, 64, True), (64, 64, False), (64, 64, False)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pooled else []
    return nn.Sequential(*layers, nn.Conv2d(64, 5 * boxes + classes, 1))


def read_grid(out: Tensor, boxes: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """[N, 5B + C, S, S] to raw (conf, x, y, sqrt w, sqrt h) [N, S, S, B, 5], boxes as shares of the picture
    [N, S, S, B, 4], and class probabilities [N, S, S, C]."""
    out = out.permute(0, 2, 3, 1)
    s = out.shape[1]
    raw = torch.sigmoid(out[..., : 5 * boxes]).unflatten(-1, (boxes, 5))
    cell = torch.arange(s, device=out.device)
    centre = torch.stack([cell[None, :, None] + raw[..., 1], cell[:, None, None] + raw[..., 2]], dim=-1) / s
    half = raw[..., 3:] ** 2 / 2
    return raw, torch.cat([centre - half, centre + half], dim=-1), torch.softmax(out[..., 5 * boxes :], dim=-1)


def yolo_loss(out: Tensor, target: Tensor) -> Tensor:
    """The loss above, summed over a picture, averaged over the batch; target: [N, S, S, 5 + C]."""
    raw, boxes, probs = read_grid(out)
    obj, s = target[..., 0], target.shape[1]
    cell = torch.arange(s, device=out.device)
    centre = torch.stack([cell + target[..., 1], cell[:, None] + target[..., 2]], dim=-1) / s
    true = torch.cat([centre - target[..., 3:5] / 2, centre + target[..., 3:5] / 2], dim=-1)[..., None, :]
    with torch.no_grad():  # overlap of each predicted box with the object of its cell
        sides = torch.minimum(boxes[..., 2:], true[..., 2:]) - torch.maximum(boxes[..., :2], true[..., :2])
        shared, size = sides.clamp(min=0).prod(-1), lambda b: (b[..., 2:] - b[..., :2]).prod(-1)
        iou = shared / (size(boxes) + size(true) - shared).clamp(min=1e-9)
        mine = F.one_hot(iou.argmax(-1), iou.shape[-1]) * obj[..., None]  # [N, S, S, B], 1 if responsible
    want = torch.cat([target[..., 1:3], target[..., 3:5].sqrt()], dim=-1)[..., None, :]
    coords = (mine[..., None] * (raw[..., 1:] - want) ** 2).sum()
    confidence = (mine * (raw[..., 0] - iou) ** 2).sum() + 0.5 * ((1 - mine) * raw[..., 0] ** 2).sum()
    return (5 * coords + confidence + (obj[..., None] * (probs - target[..., 5:]) ** 2).sum()) / len(out)

# %% demo=true
n_det, steps_c = lab.pick(smoke=(64, 5), quick=(1500, 300), full=(6000, 3000))
seen_set, unseen = shapes(lab.rng("detector"), n_det), shapes(lab.rng("unseen"), lab.pick(smoke=20, quick=200))
targets = torch.stack([yolo_encode(torch.from_numpy(b).float(), torch.from_numpy(k), 8, 3, 64)
    for b, k in zip(seen_set.boxes, seen_set.labels, strict=True)]).to(lab.device)
as_input = lambda images: torch.from_numpy(images).permute(0, 3, 1, 2).float().to(lab.device) / 255
x_det, x_unseen = as_input(seen_set.images), as_input(unseen.images)
with lab.seeded("detector"):
    detector = make_detector().to(lab.device)
assert sum(p.numel() for p in detector.parameters()) == 98_525
optimizer = torch.optim.Adam(detector.parameters())
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps_c)
draw_batch = lab.generator("detector batches")


def detector_step(i):
    rows = torch.randint(n_det, (32,), generator=draw_batch).to(lab.device)
    loss = yolo_loss(detector(x_det[rows]), targets[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    return loss


history = train(detector_step, steps_c, label="detector")

# %% demo=true
def detect(net: nn.Module, x: Tensor, size: float = 64, cut: float = 0.05, overlap: float = 0.5) -> list[tuple]:
    """For each class (picture, score, box) of what is left after your nms, over all pictures."""
    net.eval()
    with torch.no_grad():
        raw, boxes, probs = (part.cpu() for part in read_grid(net(x)))
    score = (raw[..., :1] * probs[..., None, :]).flatten(1, 3)  # [N, S S B, C]
    boxes = size * boxes.flatten(1, 3)
    found = []
    for c in range(score.shape[-1]):
        images, kept = [], []
        for k in range(len(x)):
            rows = (score[k, :, c] > cut).nonzero()[:, 0]
            rows = rows[nms(boxes[k, rows], score[k, rows, c], overlap)]
            images.append(torch.full((len(rows),), k))
            kept.append(rows)
        image = torch.cat(images)
        rows = torch.cat(kept)
        found.append((image, score[image, rows, c], boxes[image, rows]))
    return found


def with_truth(found: list[tuple], truth) -> list[tuple]:
    """The inputs of mean_average_precision."""
    inputs = []
    for c, part in enumerate(found):
        mine = [boxes[labels == c] for boxes, labels in zip(truth.boxes, truth.labels, strict=True)]
        image = torch.cat([torch.full((len(boxes),), k) for k, boxes in enumerate(mine)])
        inputs.append((*part, image, torch.from_numpy(np.concatenate(mine)).float()))
    return inputs


detections = detect(detector, x_unseen)
map_50, map_75 = (mean_average_precision(with_truth(detections, unseen), t) for t in (0.5, 0.75))
per_object = sum(int((score > 0.3).sum()) for _, score, _ in detections) / sum(map(len, unseen.labels))
print(f"mAP@0.5 = {map_50:.3f}, mAP@0.75 = {map_75:.3f}, detections per object {per_object:.2f}")

# %% demo=true
raw_boxes = detect(detector, x_unseen[:4], overlap=1.0)
fig = blank((10, 5.2))
axes = fig.subplots(2, 4)
for k in range(4):
    for ax, parts, cut in ((axes[0, k], raw_boxes, 0.15), (axes[1, k], detections, 0.3)):
        ax.imshow(16 * (unseen.images[k] // 16), extent=(0, 64, 64, 0), interpolation="nearest")
        ax.set(xlim=(0, 64), ylim=(64, 0))
        ax.axis("off")
        for c, (image, score, box) in enumerate(parts):
            rows = (image == k) & (score > cut)
            texts = [f"{SHAPES[c]} {s:.2f}" for s in score[rows]]
            draw_boxes(ax, box[rows], texts if ax is axes[1, k] else None, width=1.4)
    for line in range(1, 8):
        axes[0, k].plot([8 * line, 8 * line], [0, 64], color="white", linewidth=0.4, alpha=0.5)
        axes[0, k].plot([0, 64], [8 * line, 8 * line], color="white", linewidth=0.4, alpha=0.5)
axes[0, 0].set_title("before NMS", loc="left")
axes[1, 0].set_title("after NMS", loc="left")
show(fig, "Four pictures that the detector has never seen. Above, all boxes with a score over 0.15 and "
    "the grid of cells; below, what your non-maximum suppression leaves of those over 0.3, with class "
    "and score.")

with check("Experiment C: the detector") as expect:
    # quick, five runs: 0.996 to 1.000, 0.873 to 0.949, and 0.957 to 0.985 detections per object (without
    # nms 1.15 to 1.85); x and y in units of the picture, two seeds: 0.727 and 0.799, 0.066 and 0.087
    need_50, need_75 = lab.pick(smoke=(0.0, 0.0), quick=(0.90, 0.75), full=(0.95, 0.85))
    expect.true(map_50 >= need_50, f"mAP@0.5 is {map_50:.3f}, expected at least {need_50}",
        likely="are row and column right in yolo_encode? And centre, not corner?")
    expect.true(map_75 >= need_75, f"mAP@0.75 is {map_75:.3f}, expected at least {need_75}",
        likely="boxes that are roughly right only: look at x, y within the cell, and w, h in units of "
        "the picture")
    expect.true(per_object <= 1.1, f"{per_object:.2f} detections per object, expected at most 1.1",
        likely="nms leaves duplicates")
    expect.why(
        "The same idea, with a larger network, found dogs and bicycles in 45 pictures a second in 2016.")

# %% test="exC-detector-test" points=4
with check("Experiment C: your parts of a detector") as expect:
    one_box, one_score = torch.tensor([[0.0, 0, 8, 8]]), torch.tensor([0.5])
    expect.shape(yolo_encode(one_box, torch.tensor([0]), 4, 3, 32), (4, 4, 8), "targets")
    expect.equal(nms(one_box, one_score, 0.5), [0], "one box after nms")
    inputs = torch.tensor([0]), one_score, one_box, torch.tensor([0]), one_box
    expect.close(mean_average_precision([inputs]), 1.0, "mAP of a perfect detection")
    expect.written("Graded by training a small detector with your yolo_encode, and scoring it with your nms "
        "and mAP.")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.experiment_detector(yolo_encode, nms, mean_average_precision)
### END HIDDEN TESTS

# %% [markdown]
# At full size: on PASCAL VOC 2007, 20 classes of real photographs, YOLO reached 63.4 mAP@0.5 at 45 pictures a second
# (Redmon et al. 2016), Fast R-CNN 70.0 and Faster R-CNN 73.2 (VGG-16, trained on VOC 2007 and 2012): slower, and more
# accurate. mAP is no reliable alarm for duplicates: without NMS ours fell from 1.00 to between 0.84 and 0.92 in three
# trainings, but only to 0.99 in a fourth, where the extra boxes had low scores. That is why the check counts them too.
#
# ## 10 Not only pictures
#
# Convolutions suit whatever has an order: they use it, work for any length (the weights are shared), and compute all
# places in parallel.
#
# **Sound.** WaveNet (van den Oord et al. 2016) models $p(\mathbf x)=\prod_tp(x_t\mid x_1,\dots,x_{t-1})$ by *causal*
# convolutions, whose output at $t$ sees nothing later than $t$. One second of CD sound has 44,100 samples; plain
# layers of kernel 2 would need 44,099 of them to see so far, with doubling dilations 16 are enough
# ($2^{16}=65{,}536$).

# %% demo=true
class DilatedStack(nn.Module):
    """Causal convolutions of kernel 2, dilations 1, 2, 4, ...: gates tanh * sigmoid, residual, skip paths."""

    def __init__(self, channels: int = 8, layers: int = 10):
        super().__init__()
        self.gates = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 2, dilation=2**i) for i in range(layers))
        self.mixes = nn.ModuleList(nn.Conv1d(channels, channels, 1) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, T] -> [N, C, T]."""
        total = 0.0
        for gate, mix in zip(self.gates, self.mixes, strict=True):
            a, b = gate(F.pad(x, (gate.dilation[0], 0))).chunk(2, dim=1)  # zeros on the left only: causal
            h = mix(torch.tanh(a) * torch.sigmoid(b))
            x, total = x + h, total + h
        return total


with lab.seeded("wavenet"):
    stack = DilatedStack().double()
x = torch.randn(1, 8, 1500, generator=lab.generator("wave"), dtype=torch.float64).requires_grad_()
(grad,) = torch.autograd.grad(stack(x)[0, :, 1200].sum(), x)
touched = grad[0].abs().sum(dim=0).nonzero()[:, 0]
steps = int(touched[-1] - touched[0]) + 1
print(f"output 1200 depends on inputs {touched[0]} to {touched[-1]}: {steps} steps")
assert touched[-1] == 1200 and steps == receptive_field([(2, 1, 2**i) for i in range(10)])[0] == 1024

# %% [markdown]
# **Translation.** Gehring et al. (2017) translated with stacked convolutions in place of recurrence (chapter 06).
#
# **Games.** AlphaZero (Silver et al. 2017) reads the position on a board as a picture with many channels. A residual
# trunk has two heads, as in section 8: probabilities for the next move, and the probability of winning. Learning from
# games against itself only, it became superhuman in Go, chess and shogi.
#
# **Proteins.** Every two years since 1994 the CASP contest asks for the shape of proteins that nobody has published.
# The first AlphaFold (CASP13 in 2018; Senior et al. 2020) treated the task as a picture: rows and columns are the
# links of the chain, channels describe a pair, and two-dimensional dilated residual convolutions predict the distance
# between its $C_\beta$ atoms. AlphaFold 2 (CASP14 in 2020; Jumper et al. 2021), often described together with it, has
# attention in place of that trunk, and predicts coordinates directly.

# %% [markdown]
# ## Questions
#
# **10 points · ★☆☆ · 20 min.** Put your answer into the variable. The check tells whether its form is right; whether
# it is right itself you learn, with the reason, after handing in.
#
# **Question 1.** An MLP with random Gaussian weights at the start is trained on digits whose pixels were all permuted
# in one and the same way. Its expected test accuracy (a) falls to 10 %, (b) is unchanged, (c) falls slightly, (d)
# rises. One letter in quotes.

# %% exercise="q1"
answer_perm = None
### BEGIN SOLUTION
answer_perm = "b"
### END SOLUTION

# %% test="q1-test" points=1
with check("Question 1: the form of your answer") as expect:
    expect.answered(answer_perm, "answer_perm", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.question_perm(answer_perm)
### END HIDDEN TESTS

# %% [markdown]
# **Question 2.** How many weights (biases not counted) has a one-dimensional convolution with kernel 3, from 4 to 8
# channels, on a sequence of length 1,000?

# %% exercise="q2"
answer_conv_weights = None
### BEGIN SOLUTION
answer_conv_weights = 96
### END SOLUTION

# %% test="q2-test" points=2
with check("Question 2: the form of your answer") as expect:
    expect.answered(answer_conv_weights, "answer_conv_weights", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.question_conv_weights(answer_conv_weights)
### END HIDDEN TESTS

# %% [markdown]
# **Question 3.** The kernel $[1,0,-1]$ on the sequence $[0,0,1,2,3]$, without padding, as a convolutional layer
# computes it. What is the first output?

# %% exercise="q3"
answer_flip = None
### BEGIN SOLUTION
answer_flip = -1
### END SOLUTION

# %% test="q3-test" points=2
with check("Question 3: the form of your answer") as expect:
    expect.answered(answer_flip, "answer_flip", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.question_flip(answer_flip)
### END HIDDEN TESTS

# %% [markdown]
# **Question 4.** Which is true? (a) A convolution followed by ReLU is shift invariant. (b) A convolution with stride
# 2 is equivariant to shifts by any number of pixels. (c) A convolutional network with circular padding and stride 1
# that ends with the mean over all pixels is invariant to cyclic shifts. (d) Max pooling makes a network exactly
# shift invariant.

# %% exercise="q4"
answer_equiv = None
### BEGIN SOLUTION
answer_equiv = "c"
### END SOLUTION

# %% test="q4-test" points=2
with check("Question 4: the form of your answer") as expect:
    expect.answered(answer_equiv, "answer_equiv", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.question_equiv(answer_equiv)
### END HIDDEN TESTS

# %% [markdown]
# **Question 5.** Layers of kernel 2 with dilations 1, 2, 4, … are stacked, doubling each time. What is the least
# number of layers for a receptive field of at least one second of sound at 16,000 samples a second?

# %% exercise="q5"
answer_dilated = None
### BEGIN SOLUTION
answer_dilated = 14
### END SOLUTION

# %% test="q5-test" points=2
with check("Question 5: the form of your answer") as expect:
    expect.answered(answer_dilated, "answer_dilated", kind="number")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.question_dilated(answer_dilated)
### END HIDDEN TESTS

# %% [markdown]
# **Question 6.** You have a network trained on a million photographs, and 200 labelled pictures of a similar kind
# with new classes. What is trained first? (a) Everything, at the full learning rate. (b) A new head, with the rest
# frozen; then deeper layers with a tenth and a hundredth of the rate. (c) The first layers only.

# %% exercise="q6"
answer_transfer = None
### BEGIN SOLUTION
answer_transfer = "b"
### END SOLUTION

# %% test="q6-test" points=1
with check("Question 6: the form of your answer") as expect:
    expect.answered(answer_transfer, "answer_transfer", options="abc")
### BEGIN HIDDEN TESTS
from autograder.checks import cnn as hidden

hidden.question_transfer(answer_transfer)
### END HIDDEN TESTS

# %% [markdown]
# Three more, to think about, without points.
#
# <details><summary>What does Fast R-CNN compute once that R-CNN computes 2,000 times? And what remains to be done for
# each proposal?</summary>The convolutions, for the whole picture. For each proposal only RoI pooling and the small
# linear layers are left.</details>
# <details><summary>A 5 × 5 convolution is to halve a map of any size ℓ, rounding up. Which padding, with stride
# 2?</summary>p = 2: floor((ℓ + 4 − 5)/2) + 1 = floor((ℓ + 1)/2) = ceil(ℓ/2).</details>
# <details><summary>Two heads on one trunk: which gradient does the trunk get?</summary>The sum of what both heads
# send back, weighted by λ: where a signal forks, gradients add.</details>

# %% [markdown]
# ## What you have built, and what it reaches at full size
#
# - Locality and sharing turn a matrix into a small kernel; equivariance comes for free, invariance does not.
# - The backward pass of a convolution is a correlation for the weights and a transposed convolution for the input.
# - Sizes, parameters and receptive fields are arithmetic: do it before you train.
# - One channel, one mean: batch norm for maps. Skips keep gradients alive *and* in order.
# - A detector is overlap, suppression, box coding and targets around an ordinary network, and AP is its judge.
#
# | what | here, preset quick | published, full size |
# |---|---|---|
# | small CNN, digits | see experiment A | LeNet-5: error 0.95 %, with distortions 0.8 % (LeCun et al. 1998) |
# | depth, plain and residual | section 6 | CIFAR-10 error, ResNet-20, 56, 110: 8.75, 6.97, 6.43 % (He et al. 2016) |
# | one-stage detector | see experiment C, shapes | VOC 2007: YOLO 63.4, Faster R-CNN 73.2 mAP (see above) |
#
# The published numbers are quoted, not reproduced. `COURSE_PRESET=full` runs all digits and longer trainings on a
# GPU.

# %% [markdown]
# **Further reading.** *Beginnings*: Fukushima (1980); Waibel et al. (1989); LeCun et al. (1989, 1998).
# *Architectures*: Krizhevsky et al. (2012); Simonyan and Zisserman (2015); He et al. (2016); Ioffe and Szegedy
# (2015); Balduzzi et al. (2017, shattered gradients); Zeiler and Fergus (2014, what the layers see). *Arithmetic of
# sizes, with pictures that move*: Dumoulin and Visin (2016). *Dilation*: van den Oord et al. (2016, WaveNet); Yu and
# Koltun (2016). *Tasks*: Ronneberger et al. (2015, U-Net); Sermanet et al. (2014, OverFeat); Girshick et al. (2014);
# Girshick (2015); Ren et al. (2015); Redmon et al. (2016); Everingham et al. (2010, PASCAL VOC). *Elsewhere*: Gehring
# et al. (2017); Silver et al. (2017); Senior et al. (2020); Jumper et al. (2021); Eckstein et al. (2017, what people
# overlook).
