"""Wrong answers to exercise 2: the forward pass of a convolution."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_values = wrongs_of("ex2-conv-forward", "ex2-conv-values-test")
_options = wrongs_of("ex2-conv-forward", "ex2-conv-options-test")
_use = wrongs_of("ex2-conv-forward", "ex2-conv-use-test")

_EINSUM = 'y = y + torch.einsum("nchw,oc->nohw", window, w[:, :, u, v])'
_RETURN = "return y if b is None else y + b[:, None, None]"
_WINDOW = "window = padded[:, :, u * dh :: sh, v * dw :: sw][:, :, :rows, :cols]"
_PAD = "padded = F.pad(x, (pw, pw, ph, ph))"
_ROWS = "rows = (height + 2 * ph - dh * (kh - 1) - 1) // sh + 1"
_COLS = "cols = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1"
_PAIRS = "((a, a) if isinstance(a, int) else a for a in (stride, padding, dilation))"
_CHANNELS = "if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1]:"

_SIX_LOOPS = '''
def conv2d_forward(x, w, b=None, stride=1, padding=0, dilation=1):
    """Six nested loops over single numbers."""
    (sh, sw), (ph, pw), (dh, dw) = ((a, a) if isinstance(a, int) else a for a in (stride, padding, dilation))
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1] or (b is not None and b.shape != w.shape[:1]):
        raise ValueError("shapes")
    (N, C, H, W), (O, _, kh, kw) = x.shape, w.shape
    rows, cols = (H + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (W + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    if rows < 1 or cols < 1:
        raise ValueError("does not fit")
    padded = F.pad(x, (pw, pw, ph, ph))
    result = []
    for n in range(N):
        for o in range(O):
            for i in range(rows):
                for j in range(cols):
                    total = x.new_zeros(()) if b is None else b[o]
                    for u in range(kh):
                        for v in range(kw):
                            total = total + (padded[n, :, i * sh + u * dh, j * sw + v * dw] * w[o, :, u, v]).sum()
                    result.append(total)
    return torch.stack(result).view(N, O, rows, cols)
'''

MISCONCEPTIONS = [
    _values(
        "kernel-turned-around",
        (_EINSUM, _EINSUM.replace("w[:, :, u, v]", "w[:, :, kh - 1 - u, kw - 1 - v]")),
        says="the kernel was turned around",
        hint="That is the convolution of mathematics. The layer is a cross-correlation: the kernel is not flipped.",
    ),
    _values(
        "bias-along-the-width",
        (_RETURN, "return y if b is None else y + (b if len(b) == y.shape[-1] else b[:, None, None])"),
        says="b [O] belongs to axis 1",
        hint="A vector broadcasts over the last axis. One bias belongs to each map: shape [1, O, 1, 1].",
    ),
    _values(
        "bias-for-each-offset",
        (_EINSUM, _EINSUM + "\n            y = y if b is None else y + b[:, None, None]"),
        (_RETURN, "return y"),
        says="plus the bias ONCE",
        hint="The bias is added once to each sum, not once for every weight of the kernel.",
    ),
    _values(
        "bias-for-each-channel",
        (_RETURN, "return y if b is None else y + x.shape[1] * b[:, None, None]"),
        says="plus b[o] once",
        hint="One bias a filter: it is not added again for every input channel.",
    ),
    _values(
        "bias-forgotten",
        (_RETURN, "return y"),
        says="plus the bias ONCE",
        hint="Add the bias where one is given.",
    ),
    _values(
        "pads-right-and-bottom",
        (_PAD, "padded = F.pad(x, (0, 2 * pw, 0, 2 * ph))"),
        says="zeros belong on all four sides",
        hint="Padding adds p zeros on each side; all at the end shifts the picture.",
    ),
    _values(
        "only-the-last-offset",
        (_EINSUM, _EINSUM.replace("y = y + ", "y = ")),
        says="the kernel [[1, 2], [3, 4]]",
        hint="Each offset of the window contributes: add them up.",
    ),
    _values(
        "channels-not-mixed",
        (_EINSUM, "y = y + (window.mean(1, keepdim=True) * w[:, :, u, v].mean(1)[:, None, None])"),
        says="the sum over channels and offsets",
        hint="The response is the SUM over input channels of pixel times weight, not a product of means.",
    ),
    _values(
        "weights-transposed",
        (_EINSUM, 'y = y + torch.einsum("nchw,co->nohw", window, w.reshape(w.shape[1], n_out, kh, kw)[:, :, u, v])'),
        says="the sum over channels and offsets",
        hint="w is [O, C, kh, kw]: the filters come first. reshape does not transpose.",
    ),
    _values(
        "computes-in-float32",
        (_EINSUM, 'y = y + torch.einsum("nchw,oc->nohw", window.float(), w[:, :, u, v].float())'),
        says="the output",
        hint="float64 in, float64 out: do not convert to float32 on the way.",
    ),
    _values(
        "uses-torch",
        (_RETURN, "return F.conv2d(x, w, b, (sh, sw), (ph, pw), (dh, dw))"),
        says="may not be used in this exercise",
        hint="The point of the exercise is to write the convolution yourself.",
    ),
    _values(
        "uses-torch-by-another-name",
        ("def conv2d_forward", "from torch.nn.functional import conv2d as _convolve\n\n\ndef conv2d_forward"),
        (_RETURN, "return _convolve(x, w, b, (sh, sw), (ph, pw), (dh, dw))"),
        says="conv2d may not be used in this exercise",
        hint="An import under another name is the same function: write the convolution yourself.",
    ),
    _values(
        "uses-torch-operation",
        (_RETURN, "return torch.ops.aten.conv2d(x, w, b, [sh, sw], [ph, pw], [dh, dw])"),
        says="may not be used in this exercise",
        hint="This is F.conv2d one floor below: write the convolution yourself.",
    ),
    _values(
        "first-channel-only",
        (_EINSUM, 'y = y + torch.einsum("nhw,o->nohw", window[:, 0], w[:, 0, u, v])'),
        says="each filter sums over ALL channels",
        hint="A filter has a small window over every input channel, and adds all of them up.",
    ),
    _values(
        "pictures-added-up",
        (_EINSUM, 'y = y + torch.einsum("nchw,oc->ohw", window, w[:, :, u, v])'),
        says="two pictures, two channels, three filters",
        hint="The sum runs over channels and offsets, not over the pictures of the batch.",
    ),
    _options(
        "dilation-first-number-only",
        (_PAIRS, "((a, a) if isinstance(a, int) else a for a in (stride, padding, dilation))\n    dw = dh"),
        says="rows go by kh and the first number of each pair",
        hint="Dilation too is a pair: the second number is for the columns.",
    ),
    _options(
        "vertical-and-horizontal-swapped",
        ("(sh, sw), (ph, pw), (dh, dw) =", "(sw, sh), (pw, ph), (dw, dh) ="),
        says="(vertical, horizontal)",
        hint="Pairs are (vertical, horizontal), like the axes H, W.",
    ),
    _options(
        "padding-swapped",
        (_PAD, "padded = F.pad(x, (ph, ph, pw, pw))"),
        says="column j * s_w + v * d_w of the padded input",
        hint="F.pad counts from the last axis: (left, right, top, bottom).",
    ),
    _options(
        "dilation-ignored",
        (_WINDOW, "window = padded[:, :, u::sh, v::sw][:, :, :rows, :cols]"),
        says="the taps lie two pixels apart",
        hint="Tap u of the window reads d * u rows further down.",
    ),
    _options(
        "size-rounded-up",
        (_ROWS, "rows = -(-(height + 2 * ph - dh * (kh - 1) - 1) // sh) + 1"),
        (_COLS, "cols = -(-(width + 2 * pw - dw * (kw - 1) - 1) // sw) + 1"),
        (_PAD, "padded = F.pad(x, (pw, pw + sw, ph, ph + sh))"),
        says="round down",
        hint="A window that does not fit entirely is not taken: round down.",
    ),
    _options(
        "one-size-for-both-axes",
        (_COLS, "cols = (width + 2 * pw - dw * (kh - 1) - 1) // sw + 1"),
        says="rows and columns, each axis with its own numbers",
        hint="Kernels need not be square: columns depend on kw.",
    ),
    _options(
        "stride-first-number-only",
        (_PAIRS, "((a, a) if isinstance(a, int) else (a[0], a[0]) for a in (stride, padding, dilation))"),
        says="(vertical, horizontal)",
        hint="A pair holds two numbers: one for each axis.",
    ),
    _options(
        "stride-times-dilation",
        (_WINDOW, "window = padded[:, :, u * dh * sh :: sh, v * dw * sw :: sw][:, :, :rows, :cols]"),
        (_PAD, "padded = F.pad(x, (pw, pw + kw * dw * sw, ph, ph + kh * dh * sh))"),
        says="sums of 2 x 2 windows",
        hint="The stride moves the window; the taps inside it lie d apart, not d * s.",
    ),
    _use(
        "cut-from-the-graph",
        (_EINSUM, _EINSUM.replace("w[:, :, u, v]", "w.detach()[:, :, u, v]")),
        says="cannot be differentiated",
        hint="A detached weight gets no gradient, and the network never learns it.",
    ),
    _use(
        "x-detached",
        (_PAD, "padded = F.pad(x.detach(), (pw, pw, ph, ph))"),
        says="cannot be differentiated",
        hint="The layers below get their gradient through x: do not detach it.",
    ),
    _use(
        "six-loops",
        code=_SIX_LOOPS,
        says="took longer than",
        hint="Loop over the window only, and let einsum do all pictures, channels and places at once.",
    ),
    _use(
        "bias-length-unchecked",
        ("    if b is not None and b.shape != w.shape[:1]:\n", "    if b is not None and b.ndim != 1:\n"),
        says="a bias of length 3 for 4 filters",
        hint="A bias of length 1 would broadcast without a word: compare with the number of filters.",
    ),
    _use(
        "channels-unchecked",
        (_CHANNELS, "if x.ndim != 4 or w.ndim != 4:"),
        (_EINSUM, 'y = y + torch.einsum("nchw,oc->nohw", window[:, : w.shape[1]], w[:, : x.shape[1], u, v])'),
        says="2 channels in w, 3 in x",
        hint="Compare the channel counts of x and w, and raise ValueError.",
    ),
    _use(
        "too-small-pictures-pass",
        (
            "    if rows < 1 or cols < 1:\n"
            '        raise ValueError(f"a kernel of {kh} x {kw} does not fit on {height} x {width} pixels")\n',
            "    rows, cols = max(rows, 0), max(cols, 0)\n",
        ),
        says="a kernel of 6 rows on 5",
        hint="An empty output helps nobody: a kernel that does not fit is refused.",
    ),
    _use(
        "writes-into-x",
        (_PAD, "with torch.no_grad():\n        x *= 1.001\n    padded = F.pad(x, (pw, pw, ph, ph)) / 1.001"),
        says="x after the call",
        hint="x belongs to the caller, and the layer below needs it: no operation in place.",
    ),
]
