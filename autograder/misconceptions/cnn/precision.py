"""Wrong answers to exercise 9: average precision."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_ap = wrongs_of("ex9-average-precision")
_map = wrongs_of("ex9-mean-average-precision")

_HIT = "hit = float(overlaps[best]) >= iou_threshold and int(rows[best]) not in claimed"
_ROWS = "rows = (gt_image == det_image[k]).nonzero()[:, 0]"
_ORDER = "for k in torch.argsort(det_score, descending=True, stable=True).tolist():"
_AREA = "return float(envelope[np.array(hits, dtype=bool)].sum() / len(gt_box)) if hits else 0.0"
_ENVELOPE = "envelope = np.maximum.accumulate(precision[::-1])[::-1]"
_BEST = "best = int(overlaps.argmax())"
_MEAN = "return sum(values) / len(values) if values else math.nan"
_VALUES = "values = [average_precision(*inputs, iou_threshold) for inputs in classes if len(inputs[4])]"

MISCONCEPTIONS = [
    _ap(
        "claimed-twice",
        (_HIT, "hit = float(overlaps[best]) >= iou_threshold"),
        says="an object can be claimed once",
        hint="A second detection of the same object is a false positive.",
    ),
    _ap(
        "across-pictures",
        (_ROWS, "rows = torch.arange(len(gt_box))"),
        says="match within a picture only",
        hint="A box at the right place of another picture finds nothing.",
    ),
    _ap(
        "recall-of-what-was-found",
        (_AREA, "return float(envelope[np.array(hits, dtype=bool)].sum() / max(sum(hits), 1)) if hits else 0.0"),
        says="recall is divided by ALL objects",
        hint="Objects that were never found count too: divide by G.",
    ),
    _ap(
        "ascending",
        (_ORDER, "for k in torch.argsort(det_score, stable=True).tolist():"),
        says="AP of hit, miss",
        hint="Begin with the highest score.",
    ),
    _ap(
        "no-envelope",
        (_ENVELOPE, "envelope = precision"),
        says="the best precision from there on",
        hint="Precision is made monotone first: the best precision from here to the end.",
    ),
    _ap(
        "envelope-from-the-left",
        (_ENVELOPE, "envelope = np.maximum.accumulate(precision)"),
        says="the envelope makes precision monotone",
        hint="The maximum runs over HIGHER recalls: from the right.",
    ),
    _ap(
        "eleven-points",
        (
            _AREA,
            "recall = found / len(gt_box)\n"
            "    grid = [max(precision[recall >= r - 1e-12], default=0.0) for r in np.linspace(0, 1, 11)]\n"
            "    return float(np.mean(grid)) if hits else 0.0",
        ),
        says="AP of hit, miss",
        hint="That is the older rule, which reads the curve at 11 recalls. Here the whole area counts.",
    ),
    _ap(
        "trapezoids",
        (
            _AREA,
            "recall = found / len(gt_box)\n    return float(np.trapezoid(precision, recall)) if hits else 0.0",
        ),
        says="AP of a perfect detector",
        hint="The curve is a staircase: sum the steps of the recall times the envelope, no trapezoids.",
    ),
    _ap(
        "mean-precision-at-all-detections",
        (_AREA, "return float(envelope.sum() / len(gt_box)) if hits else 0.0"),
        says="AP of hit, miss",
        hint="Recall grows at hits only: sum the envelope at the hits.",
    ),
    _ap(
        "second-best-object",
        (
            _BEST,
            "free = [o if int(g) not in claimed else -1.0 for o, g in zip(overlaps.tolist(), rows, strict=True)]\n"
            "            best = int(np.argmax(free))",
        ),
        says="only the ground truth with the HIGHEST overlap counts",
        hint="Under this rule the best object decides, taken or not (COCO's rule differs here).",
    ),
    _ap(
        "above-the-threshold-only",
        (_HIT, _HIT.replace(">= iou", "> iou")),
        says="at least the threshold",
        hint="An overlap equal to the threshold is enough.",
    ),
    _ap(
        "fixed-threshold",
        (_HIT, _HIT.replace("iou_threshold", "0.5")),
        says="use iou_threshold",
        hint="Use the argument iou_threshold.",
    ),
    _ap(
        "nan-without-detections",
        (_AREA, _AREA.replace("else 0.0", "else math.nan")),
        says="AP without detections",
        hint="Objects, but nothing found: that is 0, not undefined.",
    ),
    _ap(
        "zero-without-objects",
        ("        return math.nan\n", "        return 0.0\n"),
        says="AP must be nan",
        hint="Where there is nothing to find the score is undefined: nan.",
    ),
    _ap(
        "picture-by-picture",
        (
            _ORDER,
            "order = sorted(range(len(det_score)), key=lambda k: (int(det_image[k]), -float(det_score[k])))\n"
            "    for k in order:",
        ),
        says="AP of hit, miss",
        hint="One list over ALL pictures, by score; otherwise the order of the pictures decides.",
    ),
    _ap(
        "a-miss-claims-too",
        ("            if hit:\n                claimed", "            if True:\n                claimed"),
        says="AP",
        hint="Only a true positive claims its object; a poor box leaves it free for a better one.",
    ),
    _map(
        "empty-classes-count",
        (_VALUES, "values = [average_precision(*i, iou_threshold) if len(i[4]) else 0.0 for i in classes]"),
        says="classes without ground truth are left out",
        hint="A class that does not occur says nothing about the detector.",
    ),
    _map(
        "undetected-classes-left-out",
        (_VALUES, _VALUES.replace("if len(inputs[4])", "if len(inputs[4]) and len(inputs[2])")),
        says="it has objects, so it counts",
        hint="A class with objects and no detections counts with 0.",
    ),
    _map(
        "nan-spreads",
        (_VALUES, "values = [average_precision(*inputs, iou_threshold) for inputs in classes]"),
        says="classes without ground truth are left out",
        hint="nan plus a number is nan: leave out the classes without ground truth.",
    ),
    _map(
        "weighted-by-objects",
        (
            _VALUES,
            "values = [average_precision(*i, iou_threshold) for i in classes if len(i[4]) for _ in range(len(i[4]))]",
        ),
        says="whatever their size",
        hint="Each class counts once, frequent or rare.",
    ),
    _map(
        "threshold-lost",
        (_VALUES, "values = [average_precision(*inputs) for inputs in classes if len(inputs[4])]"),
        says="hand iou_threshold on",
        hint="The threshold belongs to every call of average_precision.",
    ),
    _map(
        "zero-for-nothing",
        (_MEAN, _MEAN.replace("math.nan", "0.0")),
        says="mAP must be nan",
        hint="With no class to average the result is undefined: nan.",
    ),
]
