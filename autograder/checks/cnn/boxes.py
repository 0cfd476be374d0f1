"""Exercise 7: overlap of boxes and non-maximum suppression. Oracles: scalar loops and the rule, word by word."""

from __future__ import annotations

from typing import Any

import torch
from coursekit.checking import hidden
from coursekit.shapes import pair_overlap

from autograder.checks.probe import Probe
from autograder.testing import ship

# Runs beside the student's code: stands in for box_iou, so that a slip there costs points once.
IOU = """
    import torch

    def box_iou(a, b):
        low, high = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])
        for boxes in (a, b):
            if boxes.ndim != 2 or boxes.shape[1] != 4 or (boxes[:, 2:] < boxes[:, :2]).any():
                raise ValueError("boxes")
        shared = (high - low).clamp(min=0).prod(dim=-1)
        areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (a, b)]
        union = areas[0][:, None] + areas[1] - shared
        return torch.where(union > 0, shared / union.clamp(min=1e-300), torch.zeros_like(union))
"""


def table_of(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The definition, pair by pair: float64 [N, M]."""
    rows = [[pair_overlap(p, q) for q in b.tolist()] for p in a.tolist()]
    return torch.tensor(rows, dtype=torch.float64).view(len(a), len(b))


def drawn_boxes(generator: torch.Generator, n: int, size: float = 12.0, spread: float = 20.0) -> torch.Tensor:
    """n boxes with corners of all kinds: float64 [n, 4]."""
    corner = spread * torch.rand(n, 2, generator=generator, dtype=torch.float64)
    sides = size * torch.rand(n, 2, generator=generator, dtype=torch.float64)
    return torch.cat([corner, corner + sides], dim=1)


_IOU = "shared / (area + area - shared), where each side of the shared box is at least 0"


def box_iou(box_iou):
    """Hidden test of box_iou."""
    double = {"dtype": torch.float64}
    with hidden("Exercise 7: box_iou") as expect:
        run = Probe(expect, box_iou, "a b", forbidden=("coursekit.shapes.pair_overlap",))
        for case, a, b in (
            ("boxes apart in both directions", [[0, 0, 2, 3]], [[4, 5, 6, 9], [-9, -8, -1, -2]]),
            ("boxes apart in one direction", [[0, 0, 2, 3]], [[4, 1, 6, 2], [0.5, 7, 1, 9]]),
            ("touching edges and corners", [[0, 0, 2, 3]], [[2, 0, 4, 3], [0, 3, 2, 6], [2, 3, 4, 4]]),
            ("one inside the other", [[0, 0, 10, 6]], [[2, 1, 4, 3], [0, 0, 10, 6], [-5, -5, 20, 20]]),
            ("boxes without area", [[1, 1, 1, 1], [0, 0, 2, 0]], [[1, 1, 1, 1], [0, 0, 2, 0], [0, 0, 3, 3]]),
            ("lines", [[0, 0, 0, 5], [0, 0, 5, 0], [3, 3, 3, 3]], [[0, 0, 0, 5], [0, 0, 5, 0]]),
            ("half a unit apart: no plus one pixel", [[0, 0, 1, 1]], [[1.5, 0, 2.5, 1], [0.5, 0, 1.5, 1]]),
        ):
            expect.case(case)
            a, b = torch.tensor(a, **double), torch.tensor(b, **double)
            got = run(a, b).value
            hint = "[N, M]: a in the rows, b in the columns"
            expect.shape(got, (len(a), len(b)), "the table of overlaps", likely=hint)
            expect.finite(got, "the overlaps", likely="0 / 0 where the union is empty: the answer is 0")
            expect.close(got, table_of(a, b), "the overlaps", rtol=1e-12, atol=1e-12, likely=_IOU)
        generator = torch.Generator().manual_seed(71)
        expect.case("14 by 15 random boxes, float64")
        a, b = drawn_boxes(generator, 14), drawn_boxes(generator, 15)
        want = table_of(a, b)
        expect.close(run(a, b).value, want, "the overlaps", rtol=1e-12, atol=1e-12, likely=_IOU)
        expect.close(run(b, a).value, want.T, "the overlaps, arguments exchanged", rtol=1e-12, atol=1e-12)
        swap = [1, 0, 3, 2]
        for what, change in (
            ("shifted", lambda t: t + 3.25),
            ("shifted below zero", lambda t: t - 100),
            ("scaled by 7", lambda t: 7 * t),
            ("scaled by 0.01", lambda t: 0.01 * t),
            ("with axes exchanged", lambda t: t[:, swap]),
        ):
            expect.case(f"all boxes {what}")
            expect.close(run(change(a), change(b)).value, want, "the overlaps", rtol=1e-9, atol=1e-11, likely=_IOU)
        expect.case("a set with itself, numbers that do not lie side by side in memory")
        own = run(a, a, apart=True).value
        expect.close(own.diagonal(), torch.ones(14), "the diagonal", rtol=1e-12)
        expect.true(bool(((own >= 0) & (own <= 1)).all()), "overlaps must lie between 0 and 1", likely=_IOU)
        expect.case("float32, coordinates around 10 000")
        big = 1e4 + a
        got = run(big.float(), (1e4 + b).float()).value
        expect.close(got, want, "the overlaps", rtol=0, atol=2e-3, likely=_IOU)
        expect.dtype(got, torch.float32, "the overlaps")
        none = torch.zeros(0, 4, **double)
        for p, q in ((none, a), (a, none), (none, none)):
            expect.case(f"{len(p)} against {len(q)} boxes")
            expect.shape(run(p, q).value, (len(p), len(q)), "the table of overlaps")
        bad = torch.tensor([[0.0, 0, 5, 5], [3, 0, 2, 5]], **double)
        flat = torch.tensor([[0.0, 0, 5, 5], [0, 3, 5, 2]], **double)
        for case, p, q in (
            ("x2 < x1 in a", bad, a),
            ("x2 < x1 in b", a, bad),
            ("y2 < y1 in a", flat, a),
            ("y2 < y1 in b", a, flat),
            ("boxes of 5 numbers", torch.ones(3, 5), a),
            ("b with 3 numbers", a, torch.ones(2, 3)),
            ("a single box without its axis", a[0], b),
            ("b with three axes", a, b[None]),
        ):
            expect.case(case)
            run.refuses("this input is refused", p, q)


def kept_by_the_rule(boxes, scores, threshold: float, classes=None) -> list[int]:
    """The rule, word by word."""
    order = sorted(range(len(boxes)), key=lambda i: (-float(scores[i]), i))
    kept: list[int] = []
    rows = boxes.tolist()
    for i in order:
        rivals = [j for j in kept if classes is None or int(classes[i]) == int(classes[j])]
        if all(pair_overlap(rows[i], rows[j]) <= threshold for j in rivals):
            kept.append(i)
    return kept


_RULE = (
    "by decreasing score; a box goes if a KEPT box overlaps it by more than the threshold; dropped boxes drop nobody"
)


def nms(nms):
    """Hidden test of non-maximum suppression."""
    with hidden("Exercise 7: nms") as expect:
        run = Probe(expect, nms, "boxes scores iou_threshold classes", replacing={"box_iou": ship(IOU, "box_iou")})
        chain = torch.tensor([[0.0, 0, 10, 4], [4, 0, 14, 4], [8, 0, 18, 4], [12, 0, 22, 4]]).double()
        for order in ([0.9, 0.8, 0.7, 0.6], [0.6, 0.7, 0.8, 0.9], [0.7, 0.9, 0.6, 0.8]):
            expect.case(f"a chain in which only neighbours overlap, scores {order}")
            scores = torch.tensor(order).double()
            _kept(expect, run(chain, scores, 0.3).value, kept_by_the_rule(chain, scores, 0.3))
        expect.case("an overlap of exactly 0.5, threshold 0.5")
        half = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2], [0, 0, 2, 4]]).double()
        scores = torch.tensor([0.9, 0.8, 0.7]).double()
        _kept(expect, run(half, scores, 0.5).value, [0, 1, 2], "greater than the threshold: at the threshold it stays")
        expect.case("equal boxes, thresholds 1 and 0")
        same = torch.tensor([[0.0, 0, 4, 4]]).double().repeat(3, 1)
        _kept(expect, run(same, scores, 1.0).value, [0, 1, 2], "no overlap is greater than 1")
        _kept(expect, run(same, scores, 0).value, [0])
        expect.case("equal scores")
        ties = torch.tensor([[20.0, 0, 24, 4], [0, 0, 4, 4], [0, 0, 4, 3.9], [10, 0, 14, 4]]).double()
        _kept(
            expect, run(ties, torch.full((4,), 0.5).double(), 0.5).value, [0, 1, 3], "of equal scores the lower index"
        )

        generator = torch.Generator().manual_seed(72)
        for i in range(30):
            n, threshold = 3 + i % 12, (0.1, 0.3, 0.5, 0.7)[i % 4]
            boxes = drawn_boxes(generator, n, spread=8.0)
            scores = torch.randint(1, 8, (n,), generator=generator).double() / 8  # many ties
            classes = torch.randint(0, 3, (n,), generator=generator) if i % 2 else None
            text = "" if classes is None else f", classes {classes.tolist()}"
            expect.case(f"{n} random boxes, scores {scores.tolist()}, threshold {threshold}{text}")
            got = run(boxes, scores, threshold, classes).value
            hint = _RULE if classes is None else "only boxes of the same class suppress each other"
            _kept(expect, got, kept_by_the_rule(boxes, scores, threshold, classes), hint)
        expect.case("a set of boxes in another order")
        boxes, scores = drawn_boxes(generator, 12, spread=8.0), torch.rand(12, generator=generator).double()
        order = torch.randperm(12, generator=generator)
        got = run(boxes[order], scores[order], 0.3).value
        expect.equal(order[got], run(boxes, scores, 0.3).value, "the same boxes, kept in the same order", likely=_RULE)
        expect.case("classes with large numbers and boxes far from zero")
        classes = torch.tensor([1000, 7, 1000])
        _kept(expect, run(same - 5000.0, scores[:3] * 0 + 0.5, 0.5, classes).value, [0, 1])
        expect.case("float32, numbers that do not lie side by side in memory")
        got = run(boxes.float(), scores.float(), 0.3, apart=True).value
        _kept(expect, got, kept_by_the_rule(boxes.float(), scores.float(), 0.3))
        expect.case("no boxes at all")
        got = run(torch.zeros(0, 4), torch.zeros(0), 0.5).value
        expect.shape(got, (0,), "what is kept")
        expect.dtype(got, "int64", "what is kept", likely="torch.tensor([]) is float: say dtype=torch.int64")
        _many(expect, nms, generator)
        _refusals(expect, run)


def _kept(expect: Any, got: Any, want: list[int], likely: str = _RULE) -> None:
    expect.dtype(got, "int64", "what is kept", likely="numbers of boxes, not a mask and not the boxes themselves")
    expect.equal(got, torch.tensor(want, dtype=torch.int64), "the numbers of the boxes kept", likely=likely)


def _many(expect: Any, nms: Any, generator: torch.Generator) -> None:
    expect.case("1 000 boxes: at most 3 seconds")
    boxes = drawn_boxes(generator, 1000, spread=60.0)
    scores = torch.randperm(1000, generator=generator).double()
    run = Probe(expect, nms, "boxes scores iou_threshold", time_limit=3.0, replacing={"box_iou": ship(IOU, "box_iou")})
    got = run(boxes, scores, 0.4).value
    ranked = boxes[scores.argsort(descending=True)]
    table = torch.tril(overlaps(ranked, ranked), -1) > 0.4  # rows: worse, columns: better
    kept = torch.zeros(1000, dtype=torch.bool)
    for i in range(1000):
        kept[i] = not (table[i] & kept).any()
    _kept(expect, got, scores.argsort(descending=True)[kept].tolist())


def overlaps(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The overlaps of many boxes at once: [N, M]."""
    low, high = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (a, b)]
    return shared / (areas[0][:, None] + areas[1] - shared).clamp(min=1e-300)


def _refusals(expect: Any, run: Probe) -> None:
    boxes, scores = torch.tensor([[0.0, 0, 4, 4], [1, 1, 5, 5], [0, 9, 3, 12]]), torch.tensor([0.5, 0.7, 0.6])
    bad, flat = boxes.clone(), boxes.clone()
    bad[1, 2], flat[2, 3] = 0.5, 8.0
    for case, args in (
        ("two scores for three boxes", (boxes, scores[:2], 0.5)),
        ("scores [3, 1]", (boxes, scores[:, None], 0.5)),
        ("a single score for three boxes", (boxes, scores[:1], 0.5)),
        ("two classes for three boxes", (boxes, scores, 0.5, torch.tensor([0, 1]))),
        ("a single class for three boxes", (boxes, scores, 0.5, torch.tensor([1]))),
        ("boxes of 5 numbers", (torch.ones(3, 5), scores, 0.5)),
        ("threshold -0.1", (boxes, scores, -0.1)),
        ("threshold 1.1", (boxes, scores, 1.1)),
        ("threshold 50", (boxes, scores, 50)),
        ("a box with x2 < x1", (bad, scores, 0.5)),
        ("a box with y2 < y1", (flat, scores, 0.5)),
    ):
        expect.case(case)
        run.refuses("this input is refused", *args)
