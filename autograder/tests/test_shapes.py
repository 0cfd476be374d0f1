"""The pictures of shapes: what is said about them is true."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from coursekit.figures import figure
from coursekit.shapes import SHAPES, box_overlaps, draw_boxes, shapes


def test_boxes_masks_and_labels_belong_together():
    made = shapes(np.random.default_rng(0), 60)
    assert made.images.shape == (60, 64, 64, 3) and made.images.dtype == np.uint8 and len(made) == 60
    counts = [len(boxes) for boxes in made.boxes]
    assert min(counts) == 1 and max(counts) == 3 and len(SHAPES) == 3
    for boxes, labels, mask in zip(made.boxes, made.labels, made.masks, strict=True):
        assert boxes.shape == (len(labels), 4) and (boxes >= 0).all() and (boxes <= 64).all()
        assert set(np.unique(mask)) - {0} <= {label + 1 for label in labels}
        for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
            assert 12 <= x2 - x1 <= 26 and 0.75 <= (y2 - y1) / (x2 - x1) <= 1.33
            assert mask[int((y1 + y2) / 2), int((x1 + x2) / 2)] == label + 1
    ground = made.images[made.masks == 0].mean()
    assert ground < 60 < 150 < made.images[made.masks > 0].mean()


@pytest.mark.parametrize(("kind", "share"), [(0, np.pi / 4), (1, 1.0), (2, 0.5)])
def test_a_shape_fills_its_share_of_the_box(kind, share):
    made = shapes(np.random.default_rng(1), 400, most=1)
    found = []
    for boxes, labels, mask in zip(made.boxes, made.labels, made.masks, strict=True):
        if labels[0] == kind:
            found.append((mask > 0).sum() / np.prod(boxes[0, 2:] - boxes[0, :2]))
    assert np.mean(found) == pytest.approx(share, abs=0.02)


def test_sizes_scale_and_one_seed_gives_one_set():
    small, again = (shapes(np.random.default_rng(2), 20, size=32) for _ in range(2))
    assert small.images.shape == (20, 32, 32, 3)
    assert np.array_equal(small.images, again.images) and np.array_equal(small.masks, again.masks)
    widths = np.concatenate([boxes[:, 2] - boxes[:, 0] for boxes in small.boxes])
    assert widths.min() >= 6 and widths.max() <= 13


def test_crowded_pictures_overlap():
    made = shapes(np.random.default_rng(3), 30, most=6, overlap=0.9)
    assert max(len(boxes) for boxes in made.boxes) == 6


def test_boxes_are_drawn():
    fig, ax = figure()
    draw_boxes(ax, [[1, 2, 5, 9], [3, 3, 4, 4]], ["a", 1])
    draw_boxes(ax, np.zeros((0, 4)))
    assert len(ax.lines) == 2 and [text.get_text() for text in ax.texts] == ["a", "1"]
    assert fig is ax.figure


def test_overlaps_are_areas_shared_and_refuse_what_is_no_box():
    a = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [1, 1, 1, 1]])
    b = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6], [1, 1, 1, 1]])
    want = torch.tensor([[1, 1 / 3, 0, 0], [1 / 7, 1 / 3, 0, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(box_overlaps(a, b), want)
    assert box_overlaps(a.double(), b[:0].double()).shape == (3, 0)
    for bad in (a[0], a[:, :3], torch.tensor([[0.0, 2, 2, 1]])):
        with pytest.raises(ValueError, match="box"):
            box_overlaps(bad, b)
