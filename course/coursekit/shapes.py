"""Pictures of coloured shapes on a noisy dark ground, with boxes, classes and masks known exactly.

    pictures = shapes(lab.rng("shapes"), 100)
    pictures.images, pictures.boxes[0], pictures.labels[0]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .figures import COLOR

SHAPES = ("ellipse", "rectangle", "triangle")
_TRIES = 30


@dataclass(frozen=True)
class ShapeSet:
    """Pictures and what is in them.

    `images`: uint8 `[n, size, size, 3]`; `boxes`: n arrays float64 `[k, 4]`, (x1, y1, x2, y2) in pixels, a continuous
    measure in which the picture runs from 0 to `size`; `labels`: n arrays int64 `[k]`, numbers into `SHAPES`;
    `masks`: uint8 `[n, size, size]`, 0 for the ground and 1 + class where a shape is (the later one on top).
    """

    images: np.ndarray
    boxes: list[np.ndarray]
    labels: list[np.ndarray]
    masks: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def shapes(rng: np.random.Generator, n: int, size: int = 64, most: int = 3, overlap: float = 0.1) -> ShapeSet:
    """`n` pictures with 1 to `most` shapes each.

    Widths lie between 0.19 and 0.41 of `size`, heights are 0.75 to 1.33 times that; the boxes of two shapes share
    at most `overlap` of the smaller one.
    """
    images = rng.uniform(0, 0.35, (n, 1, 1, 3)) + rng.normal(0, 0.04, (n, size, size, 3))
    masks = np.zeros((n, size, size), np.uint8)
    boxes, labels = [], []
    for image, mask in zip(images, masks, strict=True):
        placed: list[np.ndarray] = []
        kinds: list[int] = []
        for _ in range(int(rng.integers(1, most + 1))):
            box = _place(rng, size, placed, overlap)
            if box is None:
                continue
            kind = int(rng.integers(len(SHAPES)))
            inside = _inside(box, kind, size)
            color = rng.uniform(0.45, 1, 3) + rng.normal(0, 0.04, (int(inside.sum()), 3))
            image[inside], mask[inside] = color, kind + 1
            placed.append(box)
            kinds.append(kind)
        boxes.append(np.array(placed).reshape(-1, 4))
        labels.append(np.array(kinds, np.int64))
    return ShapeSet(np.rint(255 * np.clip(images, 0, 1)).astype(np.uint8), boxes, labels, masks)


def _place(rng: np.random.Generator, size: int, placed: Sequence[np.ndarray], overlap: float) -> np.ndarray | None:
    """A box inside the picture that keeps clear of the others, or None after 30 tries."""
    for _ in range(_TRIES):
        width = rng.uniform(12, 26) * size / 64
        height = width * rng.uniform(0.75, 1.33)
        x, y = rng.uniform(0, size - width), rng.uniform(0, size - height)
        box = np.array([x, y, x + width, y + height])
        if all(_shared(box, other) <= overlap for other in placed):
            return box
    return None


def _shared(a: np.ndarray, b: np.ndarray) -> float:
    """The common area of two boxes, as a share of the smaller one."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(np.prod(np.maximum(sides, 0)) / min(np.prod(a[2:] - a[:2]), np.prod(b[2:] - b[:2])))


def _inside(box: np.ndarray, kind: int, size: int) -> np.ndarray:
    """Which pixel centres lie inside the shape: bool `[size, size]`."""
    x1, y1, x2, y2 = box
    centres = np.arange(size) + 0.5
    u = (2 * centres - (x1 + x2))[None, :] / (x2 - x1)
    v = (2 * centres - (y1 + y2))[:, None] / (y2 - y1)
    if kind == 0:
        return u**2 + v**2 <= 1
    if kind == 1:
        return (abs(u) <= 1) & (abs(v) <= 1)
    return (abs(v) <= 1) & (abs(u) <= (v + 1) / 2)


def box_overlaps(a, b):
    """Intersection over union of all pairs of boxes (x1, y1, x2, y2): tensors `[K, 4]` and `[M, 4]` to `[K, M]`.

    Pair by pair and slow, for checks that need overlaps and are not about them. `ValueError` for other shapes and for a
    box with x2 < x1 or y2 < y1.
    """
    if tuple(a.shape[1:]) != (4,) or tuple(b.shape[1:]) != (4,):
        raise ValueError(f"two lists of boxes [K, 4] and [M, 4] are needed, not {tuple(a.shape)} and {tuple(b.shape)}")
    for x1, y1, x2, y2 in (*a.tolist(), *b.tolist()):
        if x2 < x1 or y2 < y1:
            raise ValueError(f"no box: ({x1:g}, {y1:g}, {x2:g}, {y2:g}) has x2 < x1 or y2 < y1")
    return a.new_tensor([pair_overlap(p, q) for p in a.tolist() for q in b.tolist()]).view(len(a), len(b))


def pair_overlap(p: Sequence[float], q: Sequence[float]) -> float:
    """Intersection over union of two boxes; 0 where the union is empty."""
    width, height = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
    both = max(width, 0.0) * max(height, 0.0)
    either = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1]) - both
    return both / either if either > 0 else 0.0


def draw_boxes(
    ax, boxes, labels: Sequence | None = None, *, color: str = "yellow", linestyle: str = "-", width: float = 1.8
) -> None:
    """Boxes (x1, y1, x2, y2) over a picture, each with its label above it.

    The picture is drawn with `ax.imshow(image, extent=(0, W, H, 0))`, so that its pixels are as long as in the boxes.
    """
    for i, (x1, y1, x2, y2) in enumerate(np.asarray(boxes, float).reshape(-1, 4)):
        ax.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=COLOR[color], linestyle=linestyle, linewidth=width)
        if labels is not None:
            ax.text(x1, y1 - 1, str(labels[i]), color=COLOR[color], fontsize=8, va="bottom")
