"""Wrong answers to exercise 3: the backward pass of a convolution and the transposed convolution."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_weights = wrongs_of("ex3-conv-backward", "ex3-conv-backward-weights-test")
_inputs = wrongs_of("ex3-conv-backward", "ex3-conv-backward-inputs-test")
_transpose = wrongs_of("ex3-conv-transpose", "ex3-conv-transpose-test")

_GRAD_W = 'grad_w[:, :, u, v] = torch.einsum("nohw,nchw->oc", grad_y, padded[:, :, down, right])'
_SCATTER = 'grad_padded[:, :, down, right] += torch.einsum("nohw,oc->nchw", grad_y, w[:, :, u, v])'
_CROP = "grad_x = grad_padded[:, :, ph : ph + height, pw : pw + width]"
_RETURN = "return grad_x, grad_w, grad_y.sum(dim=(0, 2, 3))"
_SLICES = (
    "            down = slice(u * dh, u * dh + sh * (rows - 1) + 1, sh)\n"
    "            right = slice(v * dw, v * dw + sw * (cols - 1) + 1, sw)\n"
)
_STAMP = "y[:, :, u : u + stride * (rows - 1) + 1 : stride, v : v + stride * (cols - 1) + 1 : stride] += part"
_CROP_T = "return y[:, :, padding : height - padding, padding : width - padding]"

MISCONCEPTIONS = [
    _weights(
        "mean-over-the-batch",
        (_GRAD_W, _GRAD_W.replace("padded[:, :, down, right])", "padded[:, :, down, right]) / len(x)")),
        says="a sum over the batch, not a mean",
        hint="The loss has divided by N already if it is a mean: the gradient in w is a plain sum.",
    ),
    _weights(
        "mean-over-places",
        (_GRAD_W, _GRAD_W.replace("padded[:, :, down, right])", "padded[:, :, down, right]) / (rows * cols)")),
        says="their sum is 8",
        hint="A shared weight sums what all places tell it.",
    ),
    _weights(
        "bias-over-the-batch-only",
        (_RETURN, "return grad_x, grad_w, grad_y.sum(dim=0)"),
        says="the gradient in b",
        hint="The bias is shared by all places: sum over rows and columns as well.",
    ),
    _weights(
        "bias-mean",
        (_RETURN, "return grad_x, grad_w, grad_y.mean(dim=(0, 2, 3))"),
        says="the gradient in b of the sum of four outputs",
        hint="A sum over pictures, rows and columns, not a mean.",
    ),
    _weights(
        "outputs-and-inputs-swapped",
        (
            _GRAD_W,
            'swapped = torch.einsum("nohw,nchw->co", grad_y, padded[:, :, down, right])\n'
            "            grad_w[:, :, u, v] = swapped.reshape(w.shape[:2])",
        ),
        says="a sum over pictures, rows and columns",
        hint="grad_w has the shape of w, [O, C, kh, kw]: the channel of y comes first.",
    ),
    _weights(
        "unpadded-input",
        (_GRAD_W, _GRAD_W.replace("padded[", "F.pad(x, (0, 2 * pw, 0, 2 * ph))[")),
        says="the padded x that this weight met",
        hint="Weights met the padded picture: the same slice of the same array as in the forward pass.",
    ),
    _weights(
        "kernel-turned",
        (_GRAD_W, _GRAD_W.replace("grad_w[:, :, u, v]", "grad_w[:, :, kh - 1 - u, kw - 1 - v]")),
        says="met the pixels 0, 1, 3 and 4",
        hint="Offset (u, v) of the gradient belongs to weight (u, v).",
    ),
    _weights(
        "overwrites-in-the-batch",
        (_GRAD_W, 'grad_w[:, :, u, v] = torch.einsum("ohw,chw->oc", grad_y[-1], padded[-1][:, down, right])'),
        says="a sum over the batch",
        hint="All pictures of the batch contribute.",
    ),
    _weights(
        "by-autograd",
        (
            _RETURN,
            "leaf = w.clone().requires_grad_()\n"
            "    (slope,) = torch.autograd.grad((leaf * grad_w).sum(), leaf)\n"
            "    return grad_x, slope, grad_y.sum(dim=(0, 2, 3))",
        ),
        says="may not be used in this exercise",
        hint="Autograd is what you are writing here.",
    ),
    _weights(
        "by-autograd-imported-before",
        ("def conv2d_backward", "from torch.autograd import grad as _slope\n\n\ndef conv2d_backward"),
        (
            _RETURN,
            "leaf = w.clone().requires_grad_()\n"
            "    (slope,) = _slope((leaf * grad_w).sum(), leaf)\n"
            "    return grad_x, slope, grad_y.sum(dim=(0, 2, 3))",
        ),
        says="torch.autograd.grad may not be used in this exercise",
        hint="Autograd is what you are writing here, under any name.",
    ),
    _inputs(
        "assigns-where-windows-overlap",
        (_SCATTER, _SCATTER.replace("+=", "=")),
        says="1 + 2 + 3 + 4",
        hint="A pixel hears from every window that read it: add up.",
    ),
    _inputs(
        "padding-not-cut",
        (_CROP, "grad_x = grad_padded"),
        says="the gradient in x",
        hint="The padding is no part of x: cut it off again.",
    ),
    _inputs(
        "padding-cut-on-one-side",
        (_CROP, "grad_x = grad_padded[:, :, :height, :width]"),
        says="on all sides",
        hint="x starts at row p and column p of the padded picture.",
    ),
    _inputs(
        "shape-from-the-output",
        (
            _CROP,
            "seen_h, seen_w = sh * (rows - 1) + dh * (kh - 1) + 1, sw * (cols - 1) + dw * (kw - 1) + 1\n"
            "    grad_x = grad_padded[:, :, ph : min(seen_h, ph + height), pw : min(seen_w, pw + width)]",
        ),
        says="it has the shape of x",
        hint="Where the stride leaves a remainder, some rows were never read; their gradient is 0, but it exists.",
    ),
    _inputs(
        "kernel-turned-in-the-scatter",
        (_SCATTER, _SCATTER.replace("w[:, :, u, v]", "w[:, :, kh - 1 - u, kw - 1 - v]")),
        says="the gradient in x",
        hint="In the scatter the weight that read a pixel sends the gradient back to it: nothing is flipped. Only the "
        "gather form, a convolution with grad_y, has a flipped kernel.",
    ),
    _inputs(
        "strides-the-gradient",
        (
            _SLICES,
            "            grad_y_ = grad_y[:, :, ::sh, ::sw]\n"
            "            down = slice(u * dh, u * dh + grad_y_.shape[2])\n"
            "            right = slice(v * dw, v * dw + grad_y_.shape[3])\n",
        ),
        (_GRAD_W, _GRAD_W.replace("grad_y,", "grad_y_,")),
        (_SCATTER, _SCATTER.replace("grad_y,", "grad_y_,")),
        says="read",
        hint="The stride spreads the gradient over the picture; it does not thin it out.",
    ),
    _inputs(
        "mean-over-filters",
        (_SCATTER, _SCATTER.replace("w[:, :, u, v])", "w[:, :, u, v]) / len(w)")),
        says="the gradient in x",
        hint="A pixel adds up what all filters send back.",
    ),
    _inputs(
        "padding-cut-with-the-other-number",
        (_CROP, "grad_x = F.pad(grad_padded, (0, ph, 0, pw))[:, :, pw : pw + height, ph : ph + width]"),
        says="each pair is (vertical, horizontal)",
        hint="Rows are cut by the vertical padding, columns by the horizontal one.",
    ),
    _inputs(
        "dilation-ignored",
        (
            _SCATTER,
            "grad_padded[:, :, u : u + sh * (rows - 1) + 1 : sh, v : v + sw * (cols - 1) + 1 : sw] += "
            'torch.einsum("nohw,oc->nchw", grad_y, w[:, :, u, v])',
        ),
        says="row i s + u d",
        hint="With dilation, tap u read the row u * d further down: send the gradient there.",
    ),
    _transpose(
        "overlaps-overwritten",
        (_STAMP, _STAMP.replace("+= part", "= part")),
        says="copies that overlap are added",
        hint="Where stamps overlap their numbers add up.",
    ),
    _transpose(
        "shrinks-with-the-stride",
        (
            "height, width = ((m - 1) * stride + k + output_padding for m, k in ((rows, kh), (cols, kw)))",
            "height, width = ((m - 1) // stride + k + output_padding for m, k in ((rows, kh), (cols, kw)))\n"
            "    z = z[:, :, ::stride, ::stride]\n    (rows, cols), stride = z.shape[2:], 1",
        ),
        says="the stride spreads the INPUT",
        hint="Transposed, the stride makes pictures larger: copies of the kernel start s pixels apart.",
    ),
    _transpose(
        "padding-adds",
        (_CROP_T, "return F.pad(y, (padding, padding, padding, padding))"),
        says="padding takes away p rows",
        hint="The padding of the forward pass is cut off here: p rows and columns on each side.",
    ),
    _transpose(
        "padding-cut-once",
        (_CROP_T, "return y[:, :, padding:, padding:]"),
        says="padding takes away p rows on both sides",
        hint="p rows and columns are cut off on both sides.",
    ),
    _transpose(
        "output-padding-at-the-top",
        (_CROP_T, "y = y.roll((output_padding, output_padding), (2, 3))\n    " + _CROP_T),
        says="copy of w[o]",
        hint="output_padding adds rows at the bottom and columns on the right.",
    ),
    _transpose(
        "output-padding-is-zeros",
        (
            _CROP_T,
            "extra = output_padding\n"
            "    y = y[:, :, padding : height - extra - padding, padding : width - extra - padding]\n"
            "    return F.pad(y, (0, extra, 0, extra))",
        ),
        says="what was printed there stays",
        hint="output_padding cuts less off at the end: the kernels may have printed there, so it is not simply zeros.",
    ),
    _transpose(
        "channels-of-w-swapped",
        (
            'part = torch.einsum("nohw,oc->nchw", z, w[:, :, u, v])',
            "turned = w[:, :, u, v].reshape(w.shape[1], w.shape[0]).T\n"
            '            part = torch.einsum("nohw,oc->nchw", z, turned)',
        ),
        says="the sum runs over O",
        hint="w is laid out as for the convolution from C to O channels, [O, C, kh, kw]; reshape does not transpose.",
    ),
    _transpose(
        "output-padding-ignored",
        (" + output_padding for m, k", " for m, k"),
        says="output_padding adds one at the end",
        hint="H = (h - 1) stride - 2 padding + kh + output_padding.",
    ),
    _transpose(
        "kernel-turned",
        (
            'part = torch.einsum("nohw,oc->nchw", z, w[:, :, u, v])',
            'part = torch.einsum("nohw,oc->nchw", z, w[:, :, kh - 1 - u, kw - 1 - v])',
        ),
        says="copy",
        hint="Each input prints the kernel as it is. Only seen from the output does it look turned around.",
    ),
    _transpose(
        "large-output-padding-passes",
        ("    if output_padding >= stride:\n", "    if output_padding > stride:\n"),
        says="output_padding 2 at stride 2",
        hint="From output_padding = stride on another input size would be meant: refuse it.",
    ),
    _transpose(
        "channels-unchecked",
        ("if z.ndim != 4 or w.ndim != 4 or z.shape[1] != w.shape[0]:", "if z.ndim != 4 or w.ndim != 4:"),
        ('"nohw,oc->nchw", z, w[:, :, u, v]', '"nohw,oc->nchw", z[:, : len(w)], w[: z.shape[1], :, u, v]'),
        says="3 channels in z, 1 in w",
        hint="z carries the OUTPUT channels of the convolution: compare with w.shape[0].",
    ),
    _transpose(
        "nothing-left-and-nobody-says-so",
        ("    if min(height, width) <= 2 * padding:\n", "    if min(height, width) < 0:\n"),
        says="padding that takes all rows away",
        hint="Padding may not cut everything off: H and W must be at least 1.",
    ),
]
