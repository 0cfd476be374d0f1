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
# the digits any more. And the MLP? Permute the columns of its first weight matrix in the same way, and it computes what
# it did before. Fresh random columns are as good in any order, so its learning problem is *exactly* the same:
# it never used the neighbourhood of pixels at all.
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
show(fig, "One layer from 5 inputs to 5 outputs as a matrix; empty cells are links that are not there. Sharing makes it "
    "constant along its diagonals. Its transpose, right, is a convolution again, with the kernel turned around: it will "
    "carry the gradient back.")

# %% [markdown]
# Three knobs decide how a window walks over its input, and how long the output is. **Padding** $p$ adds zeros at both
# ends; without it ("valid") the output is shorter than the input. One pads to keep the size, so that $x+\text{conv}(x)$
# makes sense and deep stacks do not shrink away, and so that pixels at the border count. **Stride** $s$ is the
# step of the window: neighbouring windows see nearly the same, so one may skip some. **Dilation** $d$ spreads the $k$
# taps of a window over $d(k-1)+1$ places. For $n$ inputs, along each axis,
#
# $$n_{\text{out}}=\Big\lfloor\frac{n+2p-d(k-1)-1}{s}\Big\rfloor+1 .$$
#
# Mind the floor, which is often left out: a window that does not fit entirely is not taken, and a remainder of the
# input may remain unread.

# %% [markdown]
# **Parameters.** Each of the $O$ filters has $k_hk_w$ weights per input channel and one bias, $O(Ck_hk_w+1)$ in
# all. (In $g$ *groups*, filters see only $C/g$ channels each.) **Receptive field**: how many input pixels can one unit
# deep in the network see? Walk from the input to the output and keep two numbers, the size $r$ of the field and
# the *jump* $j$, the distance in input pixels between two neighbouring units:
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
