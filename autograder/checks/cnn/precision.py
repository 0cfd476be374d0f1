"""Exercise 9: average precision. The oracle is the rule, detection by detection."""

from __future__ import annotations

import math
from typing import Any

import torch
from coursekit.checking import hidden
from coursekit.shapes import pair_overlap

from autograder.checks.cnn.boxes import IOU, drawn_boxes
from autograder.checks.probe import Probe
from autograder.testing import ship

_NAMES = "det_image det_score det_box gt_image gt_box iou_threshold"


def ap_by_the_rule(det_image, det_score, det_box, gt_image, gt_box, threshold: float = 0.5) -> float:
    """Average precision, word by word."""
    if len(gt_box) == 0:
        return math.nan
    order = sorted(range(len(det_score)), key=lambda k: (-float(det_score[k]), k))
    claimed, hits = set(), []
    truths = gt_box.tolist()
    for k in order:
        best, overlap = None, -1.0
        for g, box in enumerate(truths):
            if int(gt_image[g]) == int(det_image[k]):
                value = pair_overlap(det_box[k].tolist(), box)
                if value > overlap:
                    best, overlap = g, value
        hit = best is not None and overlap >= threshold and best not in claimed
        if hit:
            claimed.add(best)
        hits.append(hit)
    precision = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))]
    return sum(max(precision[k:]) for k in range(len(hits)) if hits[k]) / len(gt_box)


_NEAR, _FAR = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]


def _pattern(hits: list[int], objects: int) -> tuple:
    """Detections that hit (1) and miss (0), by decreasing score, every object in a picture of its own."""
    image, hit = [], 0
    for h in hits:
        image.append(hit if h else 0)
        hit += h
    boxes = torch.tensor([_NEAR if h else _FAR for h in hits], dtype=torch.float64).view(-1, 4)
    scores = torch.linspace(0.9, 0.1, len(hits), dtype=torch.float64) if hits else torch.zeros(0).double()
    truth = torch.tensor([_NEAR] * objects, dtype=torch.float64).view(-1, 4)
    return torch.tensor(image, dtype=torch.int64), scores, boxes, torch.arange(objects), truth


def _scene(generator: torch.Generator, objects: int, detections: int) -> tuple:
    """Objects in three pictures, and detections near some of them, with many equal scores and crowded boxes."""
    gt_image = torch.randint(0, 3, (objects,), generator=generator)
    gt_box = drawn_boxes(generator, objects, size=6, spread=8)
    gt_box[:, 2:] += 4
    which = torch.randint(0, objects, (detections,), generator=generator)
    noise = torch.randn(detections, 4, generator=generator, dtype=torch.float64)
    det_box = gt_box[which] + 0.8 * noise
    det_box[:, 2:] = torch.maximum(det_box[:, 2:], det_box[:, :2] + 0.5)
    det_image = gt_image[which].clone()
    astray = torch.rand(detections, generator=generator) < 0.15
    det_image[astray] = 3
    score = torch.randint(1, 10, (detections,), generator=generator).double() / 10
    return det_image, score, det_box, gt_image, gt_box


_SUM = "the sum over the hits of the best precision from there on, divided by the number of ALL objects"


def average_precision(average_precision):
    """Hidden test of average_precision."""
    with hidden("Exercise 9: average_precision") as expect:
        run = Probe(expect, average_precision, _NAMES, replacing={"box_iou": ship(IOU, "box_iou")})

        def close(args: tuple, want: float, what: str = "AP", likely: str = _SUM) -> None:
            got = run(*args).value
            kind = type(got).__name__
            expect.true(kind in ("float", "float64"), f"the result is no float but a {kind}", likely="float(...)")
            expect.close(got, want, what, rtol=1e-12, atol=1e-12, likely=likely)

        for hits, objects, want in (
            ([1, 1, 1, 1], 4, 1.0),
            ([1, 1], 5, 0.4),
            ([1, 0, 1, 0, 1, 0], 4, (1 + 2 / 3 + 3 / 5) / 4),
            ([1, 1, 0, 1], 3, (1 + 1 + 3 / 4) / 3),
            ([0, 1, 1, 1], 3, 3 / 4),
            ([0, 0, 1], 1, 1 / 3),
            ([0, 1], 2, 0.25),
            ([0, 0], 2, 0.0),
            ([1, 0, 0, 0], 1, 1.0),
        ):
            expect.case(f"hits and misses {hits}, {objects} objects")
            close(_pattern(hits, objects), want)
        expect.case("no detections, 3 objects")
        close(_pattern([], 3), 0.0, likely="nothing found: 0.0, not nan")
        for hits in ([], [0, 0]):
            expect.case(f"no objects, {len(hits)} detections")
            got = run(*_pattern(hits, 0)).value
            expect.true(isinstance(got, float) and math.isnan(got), "AP must be nan where there is nothing to find")

        image, score, box, gt_image, gt_box = _pattern([1, 1, 1], 3)
        again, lower = [0, 1, 2, 0, 1, 2], torch.tensor([0.9, 0.8, 0.7, 0.3, 0.2, 0.1]).double()
        once = "an object can be claimed once; a second detection of it is a false positive"
        expect.case("duplicates with lower scores than all hits")
        close(
            (image[again], lower, box[again], gt_image, gt_box), 1.0, likely="false positives at the end cost nothing"
        )
        expect.case("a duplicate between the hits")
        mixed = [0, 0, 1, 2]
        args = image[mixed], torch.tensor([0.9, 0.85, 0.8, 0.7]).double(), box[mixed], gt_image, gt_box
        close(args, (1 + 3 / 4 + 3 / 4) / 3, likely=once)
        expect.case("the right boxes in another picture")
        close((image + 7, score, box, gt_image, gt_box), 0.0, likely="a detection is matched within its own picture")
        expect.case("two objects in one picture; the second detection overlaps the taken one most")
        pair = torch.tensor([[0.0, 0, 10, 10], [0, 2, 10, 12]]).double()
        dets = torch.tensor([[0.0, 0, 10, 10], [0, 0.5, 10, 10.5]]).double()
        zero = torch.zeros(2, dtype=torch.int64)
        args = zero, torch.tensor([0.9, 0.8]).double(), dets, zero, pair
        hint = (
            "only the ground truth with the HIGHEST overlap counts; if it is taken, the detection is a false positive"
        )
        close(args, 0.5, likely=hint)
        expect.case("an overlap of exactly one half, threshold 0.5")
        half = torch.tensor([[0.0, 0, 10, 5]]).double()
        one, truth = zero[:1], torch.tensor([_NEAR]).double()
        close((one, score[:1], half, one, truth), 1.0, likely="at least the threshold: >=")
        expect.case("the same, threshold 0.51")
        close((one, score[:1], half, one, truth, 0.51), 0.0, likely="use iou_threshold")
        expect.case("equal scores: the earlier detection comes first")
        args = zero, torch.tensor([0.5, 0.5]).double(), torch.tensor([_FAR, _NEAR]).double(), one, truth
        close(args, 0.5, likely="a stable sort: torch.argsort(..., stable=True)")

        generator = torch.Generator().manual_seed(91)
        for i in range(20):
            scene = _scene(generator, 4 + i % 5, 6 + i % 9)
            for threshold in (0.5, 0.75) if i % 2 else (0.3,):
                expect.case(f"random scene {i}, {len(scene[4])} objects, {len(scene[1])} detections, IoU {threshold}")
                close((*scene, threshold), ap_by_the_rule(*scene, threshold))
        expect.case("scores changed by a growing function")
        det_image, score, det_box, gt_image, gt_box = _scene(generator, 6, 12)
        want = ap_by_the_rule(det_image, score, det_box, gt_image, gt_box)
        close((det_image, 5 * score**3 - 7, det_box, gt_image, gt_box), want, likely="only the ORDER of scores matters")
        expect.case("detections and objects in another order, distinct scores")
        score = torch.randperm(12, generator=generator).double()
        want = ap_by_the_rule(det_image, score, det_box, gt_image, gt_box)
        a, b = torch.randperm(12, generator=generator), torch.randperm(6, generator=generator)
        close((det_image[a], score[a], det_box[a], gt_image[b], gt_box[b]), want)
        expect.case("float32")
        close((det_image, score.float(), det_box.float(), gt_image, gt_box.float()), want)


# Runs beside the student's code: an average precision of the test's own, so that a slip there costs points once.
_AP = """
    def average_precision(det_image, det_score, det_box, gt_image, gt_box, iou_threshold=0.5):
        if len(gt_box) == 0:
            return float("nan")
        return round(float(len(det_box)) / len(gt_box) / (2 * iou_threshold), 9)
"""


def _inputs(detections: int, objects: int) -> tuple:
    return (
        torch.zeros(detections, dtype=torch.int64),
        torch.zeros(detections),
        torch.zeros(detections, 4),
        torch.zeros(objects, dtype=torch.int64),
        torch.zeros(objects, 4),
    )


def mean_average_precision(mean_average_precision):
    """Hidden test of mean_average_precision; a simple function stands in for average_precision."""
    with hidden("Exercise 9: mean_average_precision") as expect:
        stand_in = {"average_precision": ship(_AP, "average_precision")}
        run = Probe(expect, mean_average_precision, "classes iou_threshold", replacing=stand_in)

        def value(sizes: list, *threshold: float) -> Any:
            return run([_inputs(*size) for size in sizes], *threshold).value

        for sizes, want in (
            ([(3, 4)], 0.75),
            ([(3, 4), (1, 4)], 0.5),
            ([(4, 4), (0, 3), (1, 2)], 0.5),
            ([(4, 4), (5, 0), (0, 0), (1, 2)], 0.75),
            ([(1, 10), (1, 1)], 0.55),
        ):
            expect.case(f"classes with (AP * objects, objects) = {sizes}")
            hint = "the plain mean over the classes that have ground truth, whatever their size"
            expect.close(value(sizes), want, "mAP", rtol=1e-6, likely=hint)
        expect.case("iou_threshold=0.75")
        hint = "hand iou_threshold on to average_precision"
        expect.close(value([(3, 4), (1, 4)], 0.75), 1 / 3, "mAP", rtol=1e-6, likely=hint)
        for sizes in ([], [(3, 0)], [(0, 0), (2, 0)]):
            expect.case(f"no class with ground truth: {sizes}")
            got = value(sizes)
            nan = isinstance(got, (float, torch.Tensor)) and math.isnan(float(got))
            expect.true(nan, "mAP must be nan", likely="the mean of nothing is nan, and must not raise")
