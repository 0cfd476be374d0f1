"""Wrong answers to exercise 7: overlap of boxes and non-maximum suppression."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_iou = wrongs_of("ex7-box-iou")
_nms = wrongs_of("ex7-nms")

_SHARED = "shared = (high - low).clamp(min=0).prod(dim=-1)"
_UNION = "union = area_a[:, None] + area_b - shared"
_SAFE = (
    "return torch.where(union > 0, shared / union.where(union > 0, torch.ones_like(union)), torch.zeros_like(union))"
)
_ORDER = "for i in torch.argsort(scores, descending=True, stable=True).tolist():"
_RIVALS = "rivals = box_iou(boxes, boxes) > iou_threshold"
_CLASSES = "        rivals &= classes[:, None] == classes\n"
_WALK = "        if alive[i]:\n            kept.append(i)\n            alive &= ~rivals[i]\n"
_RESULT = "return torch.tensor(kept, dtype=torch.int64, device=boxes.device)"

MISCONCEPTIONS = [
    _iou(
        "no-clamp",
        (_SHARED, "shared = (high - low).prod(dim=-1)"),
        says="clamp EACH side at 0",
        hint="Two boxes apart in both directions have two negative sides, whose product is positive.",
    ),
    _iou(
        "area-clamped",
        (_SHARED, "shared = (high - low).prod(dim=-1).clamp(min=0)"),
        says="clamp EACH side at 0",
        hint="Clamp each side, not the area: minus times minus is plus.",
    ),
    _iou(
        "union-counts-the-overlap-twice",
        (_UNION, "union = area_a[:, None] + area_b"),
        says="subtract it once",
        hint="The intersection lies in both areas: subtract it once.",
    ),
    _iou(
        "plus-one-pixel",
        (_SHARED, "shared = (high - low + 1).clamp(min=0).prod(dim=-1)"),
        (
            "area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (a, b))",
            "area_a, area_b = ((boxes[:, 2:] - boxes[:, :2] + 1).prod(dim=1) for boxes in (a, b))",
        ),
        says="the overlaps",
        hint="Boxes are continuous here: from 3 to 5 is 2 wide, with no plus one.",
    ),
    _iou(
        "corner-and-size",
        (
            "    low = torch.maximum",
            "    a, b = (torch.cat([t[:, :2], t[:, :2] + t[:, 2:]], dim=1) for t in (a, b))\n    low = torch.maximum",
        ),
        says="the overlaps",
        hint="The last two numbers are the other corner, (x1, y1, x2, y2), not width and height.",
    ),
    _iou(
        "nan-for-empty-boxes",
        (_SAFE, "return shared / union"),
        says="0 / 0: the union is empty",
        hint="Two boxes without area have an empty union: the answer is 0.",
    ),
    _iou(
        "over-the-smaller-box",
        (_UNION, "union = torch.minimum(area_a[:, None], area_b)"),
        says="the overlaps",
        hint="Divide by the union of both boxes, not by the smaller one.",
    ),
    _iou(
        "transposed",
        (_SAFE, _SAFE.replace("torch.zeros_like(union))", "torch.zeros_like(union)).T")),
        says="the overlaps of 2 with 3 boxes",
        hint="Rows belong to a, columns to b: [N, M].",
    ),
    _iou(
        "inverted-boxes-pass",
        ("if (boxes[:, 2:] < boxes[:, :2]).any():", "if (boxes[:, 2:] < boxes[:, :2]).all():"),
        says="a box with x2 < x1",
        hint="One such box is enough to refuse: any, not all.",
    ),
    _iou(
        "shape-unchecked",
        ("if boxes.ndim != 2 or boxes.shape[1] != 4:", "if boxes.ndim != 2:"),
        ("(boxes[:, 2:] < boxes[:, :2])", "(boxes[:, 2:4] < boxes[:, : boxes[:, 2:4].shape[1]])"),
        (
            "low = torch.maximum(a[:, None, :2], b[:, :2])",
            "a, b = (F.pad(t, (0, 4 - t.shape[1])) for t in (a, b))\n    low = torch.maximum(a[:, None, :2], b[:, :2])",
        ),
        says="boxes of 5 numbers",
        hint="A box has exactly four numbers.",
    ),
    _iou(
        "the-course-s-own",
        (_SAFE, "return box_overlaps(a, b)"),
        says="may not be used in this exercise",
        hint="box_overlaps is for the checks of other exercises: write the overlap yourself.",
    ),
    _nms(
        "ascending",
        (_ORDER, "for i in torch.argsort(scores, stable=True).tolist():"),
        says="in the order of decreasing score",
        hint="The best box comes first.",
    ),
    _nms(
        "dropped-boxes-drop-others",
        (_WALK, "        if alive[i]:\n            kept.append(i)\n        alive &= ~rivals[i]\n"),
        says="the box in the middle was dropped",
        hint="Only boxes that were kept suppress others.",
    ),
    _nms(
        "compares-with-the-last-kept",
        (
            _WALK,
            "        if not kept or not rivals[i, kept[-1]]:\n            kept.append(i)\n",
        ),
        says="the boxes kept with threshold",
        hint="Compare with ALL boxes kept so far, not only with the last one.",
    ),
    _nms(
        "at-the-threshold-dropped",
        (_RIVALS, _RIVALS.replace("> iou", ">= iou")),
        says="at the threshold it stays",
        hint="A box is dropped if its overlap is greater than the threshold, not equal.",
    ),
    _nms(
        "across-classes",
        (_CLASSES, "        pass\n"),
        says="only boxes of the same class",
        hint="A cat does not suppress the dog that it sits on: compare within a class.",
    ),
    _nms(
        "only-other-classes",
        (_CLASSES, "        rivals &= classes[:, None] != classes\n"),
        says="only boxes of the same class",
        hint="Boxes of the SAME class are rivals.",
    ),
    _nms(
        "returns-a-mask",
        (
            _RESULT,
            "return torch.tensor([i in kept for i in range(len(boxes))], dtype=torch.bool)",
        ),
        says="numbers of boxes",
        hint="Return the numbers of the boxes, best first, not a mask.",
    ),
    _nms(
        "sorted-by-number",
        (_RESULT, "return torch.tensor(sorted(kept), dtype=torch.int64, device=boxes.device)"),
        says="in the order of decreasing score",
        hint="The order of the result is that of the scores.",
    ),
    _nms(
        "unstable-order",
        (_ORDER, "for i in (len(scores) - 1 - torch.argsort(scores.flip(0), descending=True, stable=True)).tolist():"),
        says="of equal scores the lower index",
        hint="Among equal scores the lower index comes first: a stable sort.",
    ),
    _nms(
        "float-when-empty",
        (_RESULT, "return torch.tensor(kept)"),
        says="say dtype=torch.int64",
        hint="torch.tensor([]) is float32. Say the dtype.",
    ),
    _nms(
        "fails-without-boxes",
        ("    alive = torch.ones(", "    scores.argmax()\n    alive = torch.ones("),
        says="Raised",
        hint="A picture in which nothing was found is no error: keep nothing, an empty int64 tensor.",
    ),
    _nms(
        "threshold-unchecked",
        ("    if not 0 <= iou_threshold <= 1:\n", "    if iou_threshold < 0:\n"),
        says="threshold 1.1",
        hint="An overlap lies in [0, 1], and so does a threshold.",
    ),
    _nms(
        "scores-unchecked",
        ("if scores.shape != boxes.shape[:1] or (", "if ("),
        (_ORDER, _ORDER.replace(".tolist()", ".flatten().tolist()")),
        ("classes.shape != scores.shape)", "len(classes) != len(scores))"),
        says="three scores for five boxes",
        hint="One score for each box.",
    ),
    _nms(
        "one-round-only",
        (
            _WALK,
            "        better = [j for j in range(len(boxes)) if rivals[i, j] and scores[j] > scores[i]]\n"
            "        if not better:\n            kept.append(i)\n",
        ),
        says="the box in the middle was dropped",
        hint="A box falls only to a better box that was itself kept.",
    ),
]
