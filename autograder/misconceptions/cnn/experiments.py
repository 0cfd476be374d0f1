"""Wrong parts that the graded experiments notice by what they do to a training."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_forward = wrongs_of("ex2-conv-forward", "exA-locality-test")
_backward = wrongs_of("ex3-conv-backward", "exA-locality-test")
_pool = wrongs_of("ex4-max-pool-backward", "exA-locality-test")
_profile = wrongs_of("exB-gradient-profile", "exB-shattering-test")
_grid = wrongs_of("ex8-yolo-encode", "exC-detector-test")
_nms = wrongs_of("ex7-nms", "exC-detector-test")
_map = wrongs_of("ex9-mean-average-precision", "exC-detector-test")

_EINSUM = 'y = y + torch.einsum("nchw,oc->nohw", window, w[:, :, u, v])'
_GRAD_W = 'grad_w[:, :, u, v] = torch.einsum("nohw,nchw->oc", grad_y, padded[:, :, down, right])'
_SCATTER = 'grad_padded[:, :, down, right] += torch.einsum("nohw,oc->nchw", grad_y, w[:, :, u, v])'
_CROP = "grad_x = grad_padded[:, :, ph : ph + height, pw : pw + width]"
_ADD = "return grad_x.scatter_add_(2, idx.flatten(2), grad_y.flatten(2)).view(n, c, height, width)"
_LAYER = "h = h + beta * r if residual else r"
_CELL = "i, j = min(int(y), S - 1), min(int(x), S - 1)"
_OFFSET = "target[i, j, 0], target[i, j, 1], target[i, j, 2] = 1.0, x - j, y - i"
_CENTRES = "centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2 * S / image_size"
_GOES_ANOTHER_WAY = "the loss differs by"
_TARGETS = "the targets of yolo_encode are not what exercise 8 says"

MISCONCEPTIONS = [
    _forward(
        "a-kernel-turned-in-the-forward-pass",
        (_EINSUM, _EINSUM.replace("w[:, :, u, v]", "w[:, :, kh - 1 - u, kw - 1 - v]")),
        says=_GOES_ANOTHER_WAY,
        hint="Forward and backward pass must belong together: a flipped kernel needs other gradients.",
    ),
    _backward(
        "a-mean-over-the-batch",
        (_GRAD_W, _GRAD_W.replace("padded[:, :, down, right])", "padded[:, :, down, right]) / len(x)")),
        says=_GOES_ANOTHER_WAY,
        hint="The loss has taken its mean already: divided by N again, the kernels hardly move.",
    ),
    _backward(
        "a-overlaps-overwritten",
        (_SCATTER, _SCATTER.replace("+=", "=")),
        says=_GOES_ANOTHER_WAY,
        hint="Without adding up where windows overlap, the first layer gets a wrong gradient, and yet learns.",
    ),
    _backward(
        "a-cropped-at-the-wrong-place",
        (_CROP, "grad_x = grad_padded[:, :, :height, :width]"),
        says=_GOES_ANOTHER_WAY,
        hint="The gradient is shifted by the padding: the picture begins at row and column p.",
    ),
    _pool(
        "a-scatter-overwrites",
        (_ADD, _ADD.replace("scatter_add_", "scatter_")),
        says=_GOES_ANOTHER_WAY,
        hint="A pixel that won in two windows gets the sum of both gradients.",
    ),
    _profile(
        "b-skip-ignored",
        (_LAYER, "h = r"),
        says="h + beta * relu(h @ W.T)",
        hint="With residual=True the layer ADDS to what came in.",
    ),
    _profile(
        "b-skip-always",
        (_LAYER, "h = h + beta * r"),
        says="without skips: h = relu(h @ W.T)",
        hint="With residual=False nothing is added.",
    ),
    _profile(
        "b-skip-weighted",
        (_LAYER, "h = beta * h + r if residual else r"),
        says="h + beta * relu(h @ W.T)",
        hint="beta is the weight of the BRANCH; what came in keeps the weight 1.",
    ),
    _profile(
        "b-relu-behind-the-sum",
        ("        r = torch.relu(h @ W.T)\n", "        r = h @ W.T if residual else torch.relu(h @ W.T)\n"),
        (_LAYER, "h = torch.relu(h + beta * r) if residual else r"),
        says="h + beta * relu(h @ W.T)",
        hint="Here the ReLU belongs to the branch, and nothing comes after the sum.",
    ),
    _profile(
        "b-beta-ignored",
        (_LAYER, "h = h + r if residual else r"),
        says="h + beta * relu(h @ W.T)",
        hint="The branch is weighted by beta.",
    ),
    _grid(
        "c-row-and-column-swapped",
        (_CELL, "j, i = min(int(y), S - 1), min(int(x), S - 1)"),
        (_OFFSET, "target[i, j, 0], target[i, j, 1], target[i, j, 2] = 1.0, x - i, y - j"),
        says=_TARGETS,
        hint="The network is asked for objects at mirrored places: it learns next to nothing.",
    ),
    _grid(
        "c-corner-instead-of-centre",
        (_CENTRES, "centres, sizes = boxes[:, :2] * S / image_size"),
        says=_TARGETS,
        hint="All boxes come out shifted by half their size.",
    ),
    _grid(
        "c-offset-in-the-picture",
        (_OFFSET, "target[i, j, 0], target[i, j, 1], target[i, j, 2] = 1.0, x / S, y / S"),
        says=_TARGETS,
        hint="Boxes are roughly right only: x and y count within the cell.",
    ),
    _nms(
        "c-keeps-everything",
        ("            alive &= ~rivals[i]\n", "            pass\n"),
        says="overlap a better one of their class",
        hint="mAP hardly notices missing suppression, but the picture is full of duplicates.",
    ),
    _nms(
        "c-worst-first",
        ("descending=True, stable=True", "descending=False, stable=True"),
        says="nms drops the best box",
        hint="Begin with the HIGHEST score.",
    ),
    _map(
        "c-sum-over-classes",
        ("return sum(values) / len(values)", "return sum(values)"),
        says="your mAP@0.5 of these detections",
        hint="The mean over the classes, not the sum.",
    ),
]
