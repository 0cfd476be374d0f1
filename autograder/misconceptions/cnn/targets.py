"""Wrong answers to exercise 8: box coding and grid targets."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_encode = wrongs_of("ex8-encode-boxes")
_decode = wrongs_of("ex8-decode-boxes")
_grid = wrongs_of("ex8-yolo-encode")

_CODE = "return torch.cat([(g_centre - p_centre) / p_size, torch.log(g_size / p_size)], dim=1)"
_NEW_SIZE = "new_size = size * torch.exp(deltas[:, 2:].clamp(max=max_log))"
_NEW_CENTRE = "centre = (proposals[:, :2] + proposals[:, 2:]) / 2 + deltas[:, :2] * size"
_BOX = "return torch.cat([centre - new_size / 2, centre + new_size / 2], dim=1)"
_CELL = "i, j = min(int(y), S - 1), min(int(x), S - 1)"
_FIRST = "if target[i, j, 0] == 0:"
_OFFSET = "target[i, j, 0], target[i, j, 1], target[i, j, 2] = 1.0, x - j, y - i"
_SIZES = "(boxes[:, 2:] - boxes[:, :2]) / image_size"
_CENTRES = "centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2 * S / image_size"

MISCONCEPTIONS = [
    _encode(
        "corners-instead-of-centres",
        (_CODE, _CODE.replace("(g_centre - p_centre)", "(gt[:, :2] - proposals[:, :2])")),
        says="centres, in units of the proposal's size",
        hint="The code is about centres: the mean of the two corners.",
    ),
    _encode(
        "ratio-upside-down",
        (_CODE, _CODE.replace("g_size / p_size", "p_size / g_size")),
        says="ln(truth / proposal)",
        hint="How much larger is the truth than the proposal? ln(truth / proposal).",
    ),
    _encode(
        "in-units-of-the-truth",
        (_CODE, _CODE.replace("(g_centre - p_centre) / p_size", "(g_centre - p_centre) / g_size")),
        says="in units of the proposal's size",
        hint="At test time the truth is not known: divide by the PROPOSAL's size.",
    ),
    _encode(
        "binary-logarithm",
        (_CODE, _CODE.replace("torch.log(", "torch.log2(")),
        says="the code of a box",
        hint="The natural logarithm, since decoding uses exp.",
    ),
    _encode(
        "no-logarithm",
        (_CODE, _CODE.replace("torch.log(g_size / p_size)", "g_size / p_size - 1")),
        says="the code of a box",
        hint="Sizes are coded by the logarithm of their ratio, so that decoding can never give a negative size.",
    ),
    _encode(
        "centre-not-scaled",
        (_CODE, _CODE.replace("(g_centre - p_centre) / p_size", "g_centre - p_centre")),
        says="the code of a box",
        hint="Divide the shift by the proposal's size, or ten pixels mean the same for small and large objects.",
    ),
    _encode(
        "flat-boxes-pass",
        ("if (p_size <= 0).any() or (g_size <= 0).any():", "if (p_size < 0).any() or (g_size < 0).any():"),
        says="a proposal of width 0",
        hint="A width of 0 leads to a division by zero: refuse it.",
    ),
    _encode(
        "only-proposals-checked",
        ("if (p_size <= 0).any() or (g_size <= 0).any():", "if (p_size <= 0).any():"),
        says="a truth like this is refused",
        hint="ln 0 is minus infinity: a truth without size is refused too.",
    ),
    _decode(
        "not-limited",
        (_NEW_SIZE, "new_size = size * torch.exp(deltas[:, 2:])"),
        says="clamp(max=max_log)",
        hint="exp(1000) is infinite: limit tw and th from above first.",
    ),
    _decode(
        "limited-on-both-sides",
        (_NEW_SIZE, _NEW_SIZE.replace("clamp(max=max_log)", "clamp(-max_log, max_log)")),
        says="no limit from below",
        hint="Only from above: exp of a very negative number is simply 0.",
    ),
    _decode(
        "centre-limited-too",
        (_NEW_CENTRE, _NEW_CENTRE.replace("deltas[:, :2]", "deltas[:, :2].clamp(max=max_log)")),
        says="the centre is not",
        hint="Only the sizes go through exp: the shift of the centre is not limited.",
    ),
    _decode(
        "corner-plus-size",
        (_BOX, "return torch.cat([centre, centre + new_size], dim=1)"),
        says="half of the new size to both sides",
        hint="The centre lies in the middle: half of the size to the left, half to the right.",
    ),
    _decode(
        "shift-in-new-sizes",
        (_NEW_CENTRE, "centre = (proposals[:, :2] + proposals[:, 2:]) / 2"),
        (_BOX, "centre = centre + deltas[:, :2] * new_size\n    " + _BOX),
        says="the box that a code stands for",
        hint="The shift is in units of the PROPOSAL's size, not of the new one.",
    ),
    _decode(
        "fixed-limit",
        (_NEW_SIZE, _NEW_SIZE.replace("max=max_log", "max=4.135")),
        says="only tw and th are limited",
        hint="Use the argument max_log.",
    ),
    _grid(
        "row-and-column-swapped",
        (_CELL, "j, i = min(int(y), S - 1), min(int(x), S - 1)"),
        (_OFFSET, "target[i, j, 0], target[i, j, 1], target[i, j, 2] = 1.0, x - i, y - j"),
        says="the row of the cell comes from y",
        hint="Row first: the row comes from y, the column from x.",
    ),
    _grid(
        "offset-in-the-picture",
        (_OFFSET, "target[i, j, 0], target[i, j, 1], target[i, j, 2] = 1.0, x / S, y / S"),
        says="x and y within the cell",
        hint="x and y say where in its CELL the centre lies: subtract the cell's number.",
    ),
    _grid(
        "sizes-in-cells",
        (_SIZES, "(boxes[:, 2:] - boxes[:, :2]) * S / image_size"),
        says="w and h in units of the picture",
        hint="Width and height are in units of the whole picture.",
    ),
    _grid(
        "corner-instead-of-centre",
        (_CENTRES, "centres, sizes = boxes[:, :2] * S / image_size"),
        says="cell (1, 1)",
        hint="The cell of the CENTRE is responsible: the mean of the corners.",
    ),
    _grid(
        "last-box-wins",
        (_FIRST, "target[i, j] = 0\n        if True:"),
        says="the first box in the list stays",
        hint="If two centres fall into one cell, the first box stays.",
    ),
    _grid(
        "always-float32",
        ("boxes.new_zeros(S, S, 5 + C)", "torch.zeros(S, S, 5 + C)"),
        says="takes the dtype of boxes",
        hint="What you create takes dtype and device of the input.",
    ),
    _grid(
        "whole-numbers-stay-whole",
        ("        boxes = boxes.float()\n", "        pass\n"),
        says="make the boxes float first",
        hint="A target of whole numbers cannot hold 0.5: convert to float first.",
    ),
    _grid(
        "classes-add-up",
        (
            "            target[i, j, 5 + label] = 1.0\n",
            "        target[i, j, 5 + label] = 1.0\n",
        ),
        says="with its own class",
        hint="A cell that is taken keeps one class: do not set a second one.",
    ),
    _grid(
        "border-forgotten",
        (_CELL, "i, j = int(y), int(x)"),
        says="raised",
        hint="A centre on the far border would fall into cell S, which does not exist: min(..., S - 1).",
    ),
    _grid(
        "border-wraps-around",
        (_CELL, "i, j = int(y) % S, int(x) % S"),
        says="min(..., S - 1)",
        hint="A centre on the far border belongs to the LAST cell.",
    ),
    _grid(
        "rounded-instead-of-floored",
        (_CELL, "i, j = min(round(float(y)), S - 1), min(round(float(x)), S - 1)"),
        says="the row of the cell comes from y",
        hint="Cells are half-open intervals: round down.",
    ),
    _grid(
        "label-as-a-number",
        ("target[i, j, 5 + label] = 1.0", "target[i, j, 5] = float(label)"),
        says="[obj, x, y, w, h, one-hot]",
        hint="One channel for each class, 1 for the right one.",
    ),
]
