"""Wrong answers to exercise 4: max pooling."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_pool = wrongs_of("ex4-max-pool")
_back = wrongs_of("ex4-max-pool-backward")

_STEP = "step = k if stride is None else stride"
_PAD = "padded = F.pad(x, (padding, padding, padding, padding), value=-math.inf)"
_ROWS = "rows = torch.arange(y.shape[2], device=x.device)[:, None] * step + place // k - padding"
_COLS = "cols = torch.arange(y.shape[3], device=x.device) * step + place % k - padding"
_RETURN = "return y, rows * width + cols"
_SCATTER = "return grad_x.scatter_add_(2, idx.flatten(2), grad_y.flatten(2)).view(n, c, height, width)"

MISCONCEPTIONS = [
    _pool(
        "pads-with-zeros",
        (_PAD, _PAD.replace(", value=-math.inf", "")),
        says="a padding of zeros beats every negative number",
        hint="A zero in the padding would win against negative numbers: pad with minus infinity.",
    ),
    _pool(
        "stride-one-by-default",
        (_STEP, "step = 1 if stride is None else stride"),
        says="stride=None means k",
        hint="Pooling windows lie side by side unless a stride is given.",
    ),
    _pool(
        "stride-ignored",
        (_STEP, "step = k"),
        says="y",
        hint="Windows start stride apart.",
    ),
    _pool(
        "place-in-the-window",
        (_RETURN, "return y, place"),
        says="has to be turned into a place in the picture",
        hint="idx counts pixels of the whole picture: window (i, j) starts at row i * s and column j * s.",
    ),
    _pool(
        "place-in-the-padded-picture",
        (_ROWS, _ROWS.replace(" - padding", "")),
        (_COLS, _COLS.replace(" - padding", "")),
        (_RETURN, "return y, rows * (width + 2 * padding) + cols"),
        says="in the picture without padding",
        hint="The padding is no part of x: subtract it from row and column.",
    ),
    _pool(
        "rows-times-height",
        (_RETURN, "return y, rows * height + cols"),
        says="row * W + column",
        hint="A row is W pixels long: row * W + column.",
    ),
    _pool(
        "over-all-channels",
        (
            "    y, place = windows.max(dim=-1)\n",
            "    y, place = windows.max(dim=-1)\n    y = y.amax(dim=1, keepdim=True).expand_as(y)\n",
        ),
        says="the largest value of each window",
        hint="Each channel is pooled for itself: the number of channels does not change.",
    ),
    _pool(
        "last-of-equals",
        (
            "    y, place = windows.max(dim=-1)\n",
            "    y, place = windows.flip(-1).max(dim=-1)\n    place = k * k - 1 - place\n",
        ),
        says="the first one wins",
        hint="Among equal values the first in reading order wins.",
    ),
    _pool(
        "mean-instead-of-maximum",
        ("    y, place = windows.max(dim=-1)\n", "    place = windows.argmax(dim=-1)\n    y = windows.mean(dim=-1)\n"),
        says="pooled 2 x 2",
        hint="That is average pooling.",
    ),
    _pool(
        "large-padding-passes",
        ("if padding > k // 2 or min", "if min"),
        says="padding 2 with k = 3",
        hint="With padding > k // 2 a window may lie wholly in the padding: refuse it.",
    ),
    _pool(
        "too-small-pictures-pass",
        ("if padding > k // 2 or min(height, width) + 2 * padding < k:", "if padding > k // 2:"),
        (
            "    windows = padded",
            "    padded = F.pad(padded, (0, max(0, k - padded.shape[3]), 0, max(0, k - padded.shape[2])))\n"
            "    windows = padded",
        ),
        says="this input is refused",
        hint="A window that does not fit is refused with ValueError.",
    ),
    _pool(
        "uses-torch",
        (_RETURN, "return F.max_pool2d(x, k, step, padding, return_indices=True)"),
        says="may not be used in this exercise",
        hint="Write the pooling yourself.",
    ),
    _back(
        "scatter-overwrites",
        (_SCATTER, _SCATTER.replace("scatter_add_", "scatter_")),
        says="scatter_add_, not scatter_",
        hint="A pixel that won in several windows collects the gradients of all of them.",
    ),
    _back(
        "channels-mixed",
        (
            _SCATTER,
            "total = grad_x.scatter_add_(2, idx.flatten(2), grad_y.flatten(2)).sum(dim=1, keepdim=True)\n"
            "    return total.expand(n, c, -1).reshape(n, c, height, width)",
        ),
        says="every output sends its gradient to the one place",
        hint="Channels do not mix: the gradient of a channel stays in it.",
    ),
    _back(
        "divided-by-the-wins",
        (
            _SCATTER,
            "count = torch.zeros_like(grad_x).scatter_add_(2, idx.flatten(2), torch.ones_like(grad_y.flatten(2)))\n"
            "    grad_x.scatter_add_(2, idx.flatten(2), grad_y.flatten(2))\n"
            "    return (grad_x / count.clamp(min=1)).view(n, c, height, width)",
        ),
        says="the gradient of a pixel that won twice",
        hint="Gradients add up; there is no mean over the windows.",
    ),
    _back(
        "ones-instead-of-gradients",
        (_SCATTER, _SCATTER.replace("grad_y.flatten(2))", "torch.ones_like(grad_y).flatten(2))")),
        says="four gradients to the places",
        hint="The gradient that arrived is passed on, not a one.",
    ),
    _back(
        "height-and-width-swapped",
        (_SCATTER, _SCATTER.replace("view(n, c, height, width)", "view(n, c, width, height).transpose(2, 3)")),
        says="four gradients to the places",
        hint="idx counts along the rows, W to a row: view(n, c, height, width).",
    ),
    _back(
        "by-autograd",
        (
            _SCATTER,
            "x = grad_y.new_zeros(n, c, height * width).requires_grad_()\n"
            "    (g,) = torch.autograd.grad(x.gather(2, idx.flatten(2)), x, grad_y.flatten(2))\n"
            "    return g.view(n, c, height, width)",
        ),
        says="may not be used in this exercise",
        hint="Autograd is what you are writing here.",
    ),
]
