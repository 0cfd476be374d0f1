"""Wrong answers to exercise 1: sizes, parameters, receptive fields."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_size = wrongs_of("ex1-conv-out-size")
_params = wrongs_of("ex1-conv-params")
_field = wrongs_of("ex1-receptive-field")

_FORMULA = "size = (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1"
_COUNT = "return c_out * (c_in // groups * kh * kw + int(bias))"
_GROW = "        size += (k - 1) * dilation * jump\n        jump *= stride"
_BAD_LAYER = (
    "        if min(k, stride, dilation) < 1:\n"
    '            raise ValueError(f"kernel, stride and dilation must be positive, got {(k, stride, dilation)}")\n'
)

MISCONCEPTIONS = [
    _size(
        "true-division",
        (_FORMULA, _FORMULA.replace("//", "/")),
        says="`//`, not `/`",
        hint="A number of places is whole: divide with //, which rounds down.",
    ),
    _size(
        "rounds-up",
        (_FORMULA, "size = math.ceil((n + 2 * padding - dilation * (k - 1) - 1) / stride) + 1"),
        says="round down",
        hint="A window that does not fit entirely is not taken: round down.",
    ),
    _size(
        "rounds-to-nearest",
        (_FORMULA, "size = round((n + 2 * padding - dilation * (k - 1) - 1) / stride) + 1"),
        says="round down",
        hint="Round down, always: a window that does not fit entirely is not taken.",
    ),
    _size(
        "pads-once",
        (_FORMULA, _FORMULA.replace("2 * padding", "padding")),
        says="padding adds p zeros at BOTH ends",
        hint="Padding adds p zeros on each side, 2p in all.",
    ),
    _size(
        "dilated-kernel-too-long",
        (_FORMULA, "size = (n + 2 * padding - dilation * k) // stride + 1"),
        says="three taps two apart",
        hint="k taps have k - 1 gaps between them: the window reaches over d (k - 1) + 1 places.",
    ),
    _size(
        "dilation-ignored",
        (_FORMULA, "size = (n + 2 * padding - k) // stride + 1"),
        says="three taps two apart",
        hint="Dilation spreads the taps: the window reaches over d (k - 1) + 1 places.",
    ),
    _size(
        "plus-one-forgotten",
        (_FORMULA, "size = (n + 2 * padding - dilation * (k - 1) - 1) // stride"),
        says="outputs for n=227",
        hint="Even with no room to move there is one place: + 1.",
    ),
    _size(
        "nothing-fits-and-nobody-says-so",
        (
            "    if size < 1:\n"
            '        raise ValueError(f"a window of {k} does not fit on {n} pixels with padding {padding}")\n',
            "",
        ),
        says="a window of 5 on 4 pixels",
        hint="A size of 0 or less means that the window does not fit: refuse it with a ValueError.",
    ),
    _size(
        "negative-padding-passes",
        ("min(n, k, stride, dilation) < 1 or padding < 0", "min(n, k, stride, dilation) < 1"),
        says="padding at least 0",
        hint="Padding cannot be negative.",
    ),
    _size(
        "fits-without-its-dilation",
        ("    if size < 1:\n", "    if n + 2 * padding < k:\n"),
        says="three taps two apart on 4 pixels",
        hint="A dilated window reaches over d (k - 1) + 1 places: that must fit, not only k.",
    ),
    _size(
        "fits-without-its-padding",
        ("    if size < 1:\n", "    if size < 1 or dilation * (k - 1) + 1 > n:\n"),
        says="does not fit on 4 pixels with padding 1",
        hint="The window moves over the PADDED input: n + 2p places.",
    ),
    _params(
        "one-bias-a-layer",
        (_COUNT, "return c_out * (c_in // groups) * kh * kw + int(bias)"),
        says="ONE bias",
        hint="Each of the c_out filters has its own bias.",
    ),
    _params(
        "a-bias-for-each-input-channel",
        (_COUNT, "return c_out * (c_in // groups) * (kh * kw + int(bias))"),
        says="in 4 groups",
        hint="One bias a filter, not one for each of its input channels.",
    ),
    _params(
        "bias-always",
        (_COUNT, _COUNT.replace("int(bias)", "1")),
        says="8 filters of 3 x 5",
        hint="With bias=False there is none to count.",
    ),
    _params(
        "groups-ignored",
        (_COUNT, _COUNT.replace("c_in // groups", "c_in")),
        says="in 4 groups",
        hint="In g groups each filter sees c_in / g channels.",
    ),
    _params(
        "groups-divided-twice",
        (_COUNT, "return c_out // groups * (c_in // groups * kh * kw + int(bias))"),
        says="there are still 12 filters",
        hint="Only the input channels are divided: the layer still has c_out filters.",
    ),
    _params(
        "square-kernels-only",
        ("kh, kw = (k, k) if isinstance(k, int) else k", "kh = kw = k if isinstance(k, int) else k[0]"),
        says="3 x 5",
        hint="A pair (height, width) may have two different sizes.",
    ),
    _params(
        "uneven-groups-pass",
        (" or c_in % groups or c_out % groups", ""),
        says="3 channels in 2 groups",
        hint="Groups of equal size must use up all input and all output channels.",
    ),
    _params(
        "outputs-in-uneven-groups",
        (" or c_out % groups", ""),
        says="groups must divide both",
        hint="The filters are shared out among the groups too: groups must divide c_out.",
    ),
    _field(
        "own-stride-first",
        (_GROW, "        jump *= stride\n        size += (k - 1) * dilation * jump"),
        says="one pixel more for the pooling",
        hint="A layer's own stride spreads the units of the NEXT layer: first the size, then the jump.",
    ),
    _field(
        "stride-ignored",
        (_GROW, "        size += (k - 1) * dilation"),
        says="(size, jump) of 5, pooling 2/2, 5",
        hint="Behind a stride of 2 neighbouring units lie two input pixels apart.",
    ),
    _field(
        "last-stride-only",
        (_GROW, "        size += (k - 1) * dilation * jump\n        jump = stride"),
        says="(size, jump)",
        hint="Jumps multiply: two strides of 2 make 4 input pixels.",
    ),
    _field(
        "dilation-widens-the-jump",
        (_GROW, "        jump *= dilation\n        size += (k - 1) * jump\n        jump *= stride"),
        says="dilations 1, 2, 4, 8",
        hint="Dilation spreads the taps of one layer; neighbouring units lie as far apart as before.",
    ),
    _field(
        "nothing-for-no-layers",
        ("    size, jump = 1, 1\n", "    size, jump = 1, 1\n    if not layers:\n        return 0, 1\n"),
        says="no layers at all",
        hint="With no layer in between a unit sees itself: (1, 1).",
    ),
    _field(
        "dilation-ignored",
        (_GROW, "        size += (k - 1) * jump\n        jump *= stride"),
        says="dilations 1, 2, 4, 8",
        hint="With dilation d the taps lie d units apart.",
    ),
    _field(
        "kernel-and-not-gaps",
        (_GROW, "        size += k * dilation * jump\n        jump *= stride"),
        says="three layers of 3 x 3",
        hint="A window of k reaches k - 1 steps beyond its first tap.",
    ),
    _field(
        "from-the-output",
        ("for k, stride, dilation in layers:", "for k, stride, dilation in reversed(layers):"),
        says="layers",
        hint="The layers come from the input to the output, and this recursion walks the same way.",
    ),
    _field(
        "bad-layers-pass",
        (_BAD_LAYER, ""),
        says="stride 0",
        hint="Kernel, stride and dilation must be at least 1.",
    ),
]
