"""Exercise 8: box coding and grid targets. Oracles: the formulas, number by number."""

from __future__ import annotations

import math
from typing import Any

import torch
from coursekit.checking import hidden

from autograder.checks.cnn.boxes import drawn_boxes
from autograder.checks.probe import CLOSE, SINGLE, Probe


def _boxes(generator: torch.Generator, n: int) -> torch.Tensor:
    """Boxes with sides of at least 1."""
    boxes = drawn_boxes(generator, n)
    boxes[:, 2:] += 1
    return boxes


def _code(p: list[float], g: list[float]) -> list[float]:
    """The code of one box, by the formulas."""
    pw, ph, gw, gh = p[2] - p[0], p[3] - p[1], g[2] - g[0], g[3] - g[1]
    x, y = (g[0] + g[2] - p[0] - p[2]) / 2, (g[1] + g[3] - p[1] - p[3]) / 2
    return [x / pw, y / ph, math.log(gw / pw), math.log(gh / ph)]


def _codes(proposals: torch.Tensor, gt: torch.Tensor) -> torch.Tensor:
    rows = [_code(p, g) for p, g in zip(proposals.tolist(), gt.tolist(), strict=True)]
    return torch.tensor(rows, dtype=torch.float64).view(-1, 4)


_ENCODE = (
    "centre of the truth minus centre of the proposal, over the PROPOSAL's size; ln(truth / proposal) of the sizes"
)


def encode_boxes(encode_boxes):
    """Hidden test of encode_boxes."""
    with hidden("Exercise 8: encode_boxes") as expect:
        run = Probe(expect, encode_boxes, "proposals gt")
        generator = torch.Generator().manual_seed(81)
        p, g = _boxes(generator, 9), _boxes(generator, 9)
        for case, a, b in (
            ("nine random pairs", p, g),
            ("one pair", p[:1], g[:1]),
            ("no pair at all", p[:0], g[:0]),
            ("boxes left of and above zero", p - 50, g - 50),
            ("boxes smaller than 1", p / 50, g / 50),
        ):
            expect.case(case)
            expect.close(run(a, b).value, _codes(a, b), "the code", likely=_ENCODE, **CLOSE)
        want = _codes(p, g)
        expect.case("both shifted by (3, -7)")
        shift = torch.tensor([3.0, -7, 3, -7], dtype=torch.float64)
        expect.close(run(p + shift, g + shift).value, want, "the code, which must not change", rtol=1e-9, atol=1e-9)
        expect.case("both scaled by 13")
        expect.close(run(13 * p, 13 * g).value, want, "the code, which must not change", rtol=1e-9, atol=1e-9)
        expect.case("float32, numbers that do not lie side by side in memory")
        got = run(p.float(), g.float(), apart=True).value
        expect.close(got, want, "the code", likely=_ENCODE, rtol=1e-4, atol=1e-4)
        expect.dtype(got, torch.float32, "the code")
        expect.case("the gradient in the truth and in the proposals")
        upstream = torch.linspace(-1, 1, 36, dtype=torch.float64).view(9, 4)
        seen = run(p, g, wrt=(0, 1), upstream=upstream)
        leaves = [p.clone().requires_grad_(), g.clone().requires_grad_()]
        mid, size = [(t[:, :2] + t[:, 2:]) / 2 for t in leaves], [t[:, 2:] - t[:, :2] for t in leaves]
        code = torch.cat([(mid[1] - mid[0]) / size[0], (size[1] / size[0]).log()], 1)
        for got, right in zip(seen.grads, torch.autograd.grad(code, leaves, upstream), strict=True):
            expect.close(got, right, "the gradient", **CLOSE)
        for i, what in ((2, "width"), (3, "height")):
            for gap in (0.0, -1.0):
                bad = p.clone()
                bad[4, i] = bad[4, i - 2] + gap
                expect.case(f"a box of {what} {gap}")
                run.refuses("a proposal like this is refused", bad, g)
                run.refuses("a truth like this is refused", p, bad)


_DECODE = "centre = proposal's centre + t * proposal's size; size = proposal's size * exp(min(t, max_log))"


def decode_boxes(decode_boxes):
    """Hidden test of decode_boxes."""
    with hidden("Exercise 8: decode_boxes") as expect:
        run = Probe(expect, decode_boxes, "deltas proposals max_log")
        generator = torch.Generator().manual_seed(82)
        p, g = _boxes(generator, 9), _boxes(generator, 9)
        expect.case("the codes of nine boxes")
        expect.close(run(_codes(p, g), p).value, g, "the boxes, which are the truth again", rtol=1e-9, atol=1e-9,
                     likely=_DECODE)  # fmt: skip
        expect.case("codes of zero")
        expect.close(run(torch.zeros(9, 4).double(), p).value, p, "the boxes, which are the proposals", **CLOSE)
        expect.case("large and small numbers in all four places, the limit left out, 4.135, and 1")
        wild = torch.tensor([[30.0, -40, 5, -50], [-7, 6, -9, 300], [0, 0, 4.2, 4.1], [1, 1, 1e4, -1e4]]).double()
        for limit in (None, 4.135, 1.0):
            got = run(wild, p[:4], *([] if limit is None else [limit])).value
            size, mid = p[:4, 2:] - p[:4, :2], (p[:4, :2] + p[:4, 2:]) / 2
            mid = mid + wild[:, :2] * size
            size = size * wild[:, 2:].clamp(max=4.135 if limit is None else limit).exp()
            hint = "only tw and th are limited, and only from above; the centre is not"
            expect.finite(got, "the boxes", likely="exp of a large number is infinite: limit tw and th first")
            expect.close(got, torch.cat([mid - size / 2, mid + size / 2], 1), "the boxes", likely=hint, **CLOSE)
        expect.case("float32, numbers that do not lie side by side in memory")
        got = run(_codes(p, g).float(), p.float(), apart=True).value
        expect.close(got, g, "the boxes", rtol=1e-4, atol=1e-4, likely=_DECODE)
        expect.dtype(got, torch.float32, "the boxes")
        expect.case("no box at all")
        expect.shape(run(torch.zeros(0, 4), torch.zeros(0, 4)).value, (0, 4), "the boxes")
        expect.case("the gradient in the codes")
        upstream = torch.linspace(-1, 1, 36, dtype=torch.float64).view(9, 4)
        leaf = _codes(p, g).requires_grad_()
        size, mid = p[:, 2:] - p[:, :2], (p[:, :2] + p[:, 2:]) / 2
        mid, size = mid + leaf[:, :2] * size, size * leaf[:, 2:].exp()
        (right,) = torch.autograd.grad(torch.cat([mid - size / 2, mid + size / 2], 1), leaf, upstream)
        expect.close(run(leaf.detach(), p, wrt=(0,), upstream=upstream).grads[0], right, "the gradient", **CLOSE)


def grid_of(boxes: list, labels: list, S: int, C: int, image_size: float) -> torch.Tensor:
    """The targets, by the definition, in float64."""
    target = torch.zeros(S, S, 5 + C, dtype=torch.float64)
    for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
        x, y = (x1 + x2) / 2 * S / image_size, (y1 + y2) / 2 * S / image_size
        i, j = min(math.floor(y), S - 1), min(math.floor(x), S - 1)
        if target[i, j, 0]:
            continue
        values = [1, x - j, y - i, (x2 - x1) / image_size, (y2 - y1) / image_size]
        target[i, j, :5] = torch.tensor(values, dtype=torch.float64)
        target[i, j, 5 + label] = 1
    return target


_GRID = "row from the centre's y, column from its x; x, y within the cell; w, h in units of the picture"


def yolo_encode(yolo_encode):
    """Hidden test of yolo_encode."""
    with hidden("Exercise 8: yolo_encode") as expect:
        run = Probe(expect, yolo_encode, "boxes labels S C image_size")

        def compare(boxes: list, labels: list, S: int, C: int, size: float, likely: str = _GRID) -> None:
            got = run(
                torch.tensor(boxes, dtype=torch.float64).view(-1, 4), torch.tensor(labels).long(), S, C, size
            ).value
            expect.shape(got, (S, S, 5 + C), "the targets")
            _cells(expect, got, grid_of(boxes, labels, S, C, size), likely)

        expect.case("one box, its row not its column, 3 classes")
        compare([[3.0, 20.0, 9.0, 31.0]], [2], 5, 3, 40)
        expect.case("a box whose size differs in both directions, 64 pixels, S = 8")
        compare([[40.0, 10.5, 61.0, 17.5]], [0], 8, 3, 64)
        expect.case("a centre on the right border, on the lower border, in the corner")
        border = "a centre on the far border belongs to the last cell: min(..., S - 1)"
        compare([[28.0, 4.0, 36.0, 8.0]], [1], 4, 2, 32, border)
        compare([[3.0, 30.0, 8.0, 34.0]], [1], 4, 2, 32, border)
        compare([[30.0, 30.0, 34.0, 34.0]], [0], 4, 2, 32, border)
        expect.case("two centres in one cell, and a third elsewhere")
        first = "the first box in the list stays, with its own class"
        compare([[1.0, 1, 6, 7], [0, 0, 7, 7], [20, 1, 30, 9]], [1, 0, 2], 4, 3, 32, first)
        compare([[0.0, 0, 7, 7], [1, 1, 6, 7], [20, 1, 30, 9]], [0, 1, 2], 4, 3, 32, first)
        expect.case("two centres in one cell, the first of them on its left border")
        compare([[4.0, 8, 12, 16], [8, 8, 12, 16]], [1, 0], 4, 2, 32, first)
        expect.case("no boxes, in an empty list")
        got = run([], [], 3, 2, 32).value
        expect.equal(
            got, torch.zeros(3, 3, 7), "the targets", likely="torch.as_tensor([]) has the shape [0]: view(-1, 4)"
        )
        expect.case("no boxes")
        compare([], [], 3, 2, 32, "a picture with nothing in it has targets of 0")
        generator = torch.Generator().manual_seed(83)
        for i in range(6):
            S, size = 3 + i, (32.0, 64, 100)[i % 3]
            boxes = (drawn_boxes(generator, 5, size=0.3, spread=0.7) * size).tolist()
            labels = torch.randint(0, 4, (5,), generator=generator).tolist()
            expect.case(f"five random boxes, S = {S}, {size:g} pixels")
            compare(boxes, labels, S, 4, size)
        expect.case("nested lists, float32 tensors")
        boxes, labels = [[3.0, 20.0, 9.0, 31.0], [22.0, 2.0, 30.0, 12.0]], [2, 0]
        got = run(boxes, labels, 5, 3, 40).value
        _cells(
            expect, got, grid_of(boxes, labels, 5, 3, 40), "torch.as_tensor takes lists as well as tensors", **SINGLE
        )
        got = run(torch.tensor(boxes), torch.tensor(labels), 5, 3, 40).value
        _cells(expect, got, grid_of(boxes, labels, 5, 3, 40), _GRID, **SINGLE)
        expect.dtype(got, torch.float32, "the targets")
        expect.case("whole-number coordinates in a list")
        got = run([[0, 1, 7, 8]], [1], 4, 2, 16).value
        _cells(
            expect, got, grid_of([[0, 1, 7, 8]], [1], 4, 2, 16), "the targets are float, whatever comes in", **SINGLE
        )


def _cells(expect: Any, got: Any, want: torch.Tensor, likely: str, rtol: float = 1e-9, atol: float = 1e-9) -> None:
    close = {"rtol": rtol, "atol": atol, "likely": likely}
    expect.close(got[..., 0], want[..., 0], "which cells hold an object", **close)
    expect.close(got[..., 1:3], want[..., 1:3], "x and y", **close)
    expect.close(got[..., 3:5], want[..., 3:5], "w and h", **close)
    expect.close(got[..., 5:], want[..., 5:], "the one-hot classes", **close)
