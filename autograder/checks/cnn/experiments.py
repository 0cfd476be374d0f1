"""The graded experiments: each trains with the student's own code and is scored in the judge.

The loops run beside the student's code (shipped) and hand over the weights that they arrive at; the judge puts these
into networks of its own and scores them on pictures that the student's process is never shown. The budgets are
smaller than in the notebook. Right solutions and subtly wrong ones were measured over several seeds, and every
threshold lies in the gap between them; the numbers stand beside it.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import torch
from coursekit.checking import hidden
from coursekit.shapes import shapes
from torch import nn
from torch.nn import functional as F

from autograder.checks.cnn import convolution, pooling
from autograder.checks.cnn.backward import AUTOGRAD
from autograder.checks.cnn.boxes import overlaps, table_of
from autograder.checks.cnn.precision import ap_by_the_rule
from autograder.checks.probe import here, same
from autograder.checks.training import digits, fitted, one_thread
from autograder.testing import observe, ship

_TIME_LIMIT = 90.0


# --- A: locality ---------------------------------------------------------------------------------------------

_LOCALITY = """
    import torch
    from autograder.testing import call_observed
    from torch import nn

    def tools(forward, backward, pool, pool_backward):
        banned = ()  # what the two backward passes may not call; the loop itself calls loss.backward()

        def watched(fn, *args):
            return call_observed(fn, args, {}, {"forbidden": banned}).value if banned else fn(*args)

        class Conv(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, w, b):
                ctx.save_for_backward(x, w)
                return forward(x, w, b, 1, 2)

            @staticmethod
            def backward(ctx, g):
                return tuple(watched(backward, g, *ctx.saved_tensors, 1, 2))

        class Pool(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                y, idx = pool(x, 3, 2, 1)
                ctx.save_for_backward(idx)
                ctx.shape = tuple(x.shape)
                return y

            @staticmethod
            def backward(ctx, g):
                return watched(pool_backward, g, *ctx.saved_tensors, ctx.shape)

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                generator = torch.Generator().manual_seed(101)
                draw = lambda *s: nn.Parameter(torch.randn(*s, generator=generator) * (2 / (s[1] * 25)) ** 0.5)
                self.w1, self.b1 = draw(6, 1, 5, 5), nn.Parameter(torch.zeros(6))
                self.w2, self.b2 = draw(12, 6, 5, 5), nn.Parameter(torch.zeros(12))
                self.w3 = nn.Parameter(torch.randn(10, 12 * 49, generator=generator) * 0.04)
                self.b3 = nn.Parameter(torch.zeros(10))

            def forward(self, x):
                h = Pool.apply(torch.relu(Conv.apply(x, self.w1, self.b1)))
                h = Pool.apply(torch.relu(Conv.apply(h, self.w2, self.b2)))
                return nn.functional.linear(h.flatten(1), self.w3, self.b3)

        def run(pictures, labels, steps, forbidden):
            nonlocal banned
            banned, x, net = forbidden, pictures.float()[:, None] / 255, Net()
            optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
            generator, losses = torch.Generator().manual_seed(102), []
            for _ in range(steps):
                rows = torch.randint(len(x), (32,), generator=generator)
                loss = nn.functional.cross_entropy(net(x[rows]), labels[rows])
                losses.append(float(loss.detach()))
                if not losses[-1] < 1e3:
                    return losses, None
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return losses, [value.detach() for value in net.state_dict().values()]

        return Net, run
"""


def _right_backward(g: torch.Tensor, x: torch.Tensor, w: torch.Tensor, stride: int, padding: int) -> tuple:
    """Torch's gradients of a convolution."""
    return (
        torch.nn.grad.conv2d_input(x.shape, w, g, stride, padding),
        torch.nn.grad.conv2d_weight(x, w.shape, g, stride, padding),
        g.sum((0, 2, 3)),
    )


def _right_pool(x: torch.Tensor, k: int, stride: int, padding: int) -> tuple:
    return F.max_pool2d(x, k, stride, padding, return_indices=True)


def _right_pool_backward(g: torch.Tensor, idx: torch.Tensor, shape: tuple) -> torch.Tensor:
    grad = g.new_zeros(*shape[:2], shape[2] * shape[3])
    return grad.scatter_add_(2, idx.flatten(2), g.flatten(2)).view(shape)


def experiment_locality(conv2d_forward, conv2d_backward, max_pool2d, max_pool2d_backward):
    """Graded experiment A: a small CNN learns digits through the student's forward and backward passes."""
    with one_thread(), hidden("Experiment A: locality") as expect:
        expect.case("conv 6@5x5, pool 3/2, conv 12@5x5, pool 3/2, linear; 2 000 digits, 120 steps of SGD, batch 32")
        data = digits()
        x = torch.from_numpy(data.x_train[:2000].copy())
        y = torch.from_numpy(data.y_train[:2000].astype("int64"))
        test = torch.from_numpy(data.x_test[:1000].copy())
        labels = torch.from_numpy(data.y_test[:1000].astype("int64"))
        moved = torch.stack([t.roll((i % 5 - 2, i // 5 % 5 - 2), (0, 1)) for i, t in enumerate(test)])
        make = ship(_LOCALITY, "tools")
        _, run = observe(make, conv2d_forward, conv2d_backward, max_pool2d, max_pool2d_backward).value
        Net, right = here(_LOCALITY, "tools")(F.conv2d, _right_backward, _right_pool, _right_pool_backward)
        hint = "a forward or backward pass of exercises 2 to 4 is not right"
        watch = {"forbidden": convolution.FORBIDDEN + pooling.FORBIDDEN, "time_limit": _TIME_LIMIT}
        losses, weights = observe(run, x, y, 12, AUTOGRAD, **watch).value
        expect.true(weights is not None, "the training diverges", likely=hint)
        want, _ = right(x, y, 12, ())
        gap = max(abs(a - b) / b for a, b in zip(losses, want, strict=True))
        # right: below 1e-5; wrong, 2 seeds: bias gradient a mean 0.009, kernel turned in grad_x 0.014, not cropped
        # 0.012, scatter_ in pooling 0.045, mean over the batch 0.13; the accuracies below hardly notice most of them
        expect.true(
            gap < 1e-3, f"within 12 steps the loss differs by {100 * gap:.2g} % from what it must be", likely=hint
        )
        _, weights = observe(run, x, y, 120, (), **watch).value
        net = fitted(Net, weights)
        expect.true(net is not None, "the training diverges", likely=hint)
        scores = [(net(t.float()[:, None] / 255).argmax(1) == labels).double().mean().item() for t in (test, moved)]
        # right, 5 seeds: plain 0.916 to 0.950, moved 0.793 to 0.851
        expect.true(scores[0] >= 0.88, f"the test accuracy is {scores[0]:.3f}", likely=hint)
        expect.true(scores[1] >= 0.73, f"the accuracy on moved digits is {scores[1]:.3f}", likely=hint)


# --- B: shattered gradients ----------------------------------------------------------------------------------


def _profile(depth: int, residual: bool, seed: int, width: int = 200, beta: float = 1.0) -> torch.Tensor:
    """The derivative of the network of the notebook, by hand: the forward derivative, layer by layer."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x = torch.linspace(-2, 2, 256, dtype=torch.float64)
    slope = math.sqrt(2) * normal(width)
    a = x[:, None] * slope + 0.5 * normal(width)
    h, d = a.clamp(min=0), (a > 0) * slope
    for _ in range(depth - 1):
        W = math.sqrt(2 / width) * normal(width, width)
        a, da = h @ W.T, d @ W.T
        r, dr = a.clamp(min=0), (a > 0) * da
        h, d = (h + beta * r, d + beta * dr) if residual else (r, dr)
    return d @ normal(width) / math.sqrt(width)


def _changes(profile: torch.Tensor) -> int:
    signs = torch.sign(same(profile))
    return int((signs[1:] != signs[:-1]).sum())


def experiment_shattering(gradient_profile):
    """Graded experiment B: the derivative of random networks, and how often it changes its sign."""
    with one_thread(), hidden("Experiment B: shattered gradients") as expect:
        cases = [(1, False, 3, 200, 1.0), (2, False, 4, 60, 1.0), (2, True, 4, 60, 1.0), (6, True, 5, 50, 0.3)]
        cases += [(6, False, 5, 50, 0.3), (9, True, 6, 40, 1.0), (9, True, 6, 40, 0.0)]
        for depth, residual, seed, width, beta in cases:
            expect.case(f"depth {depth}, residual={residual}, seed {seed}, width {width}, beta {beta}")
            got = observe(gradient_profile, depth, residual, seed, width, beta, time_limit=20.0).value
            expect.shape(got, (256,), "the derivative")
            want = _profile(depth, residual, seed, width, beta)
            hint = "h = h + beta * r with skips, h = r without, where r = relu(h @ W.T)"
            scale = want.abs().max().item()
            expect.close(got, want, "the derivative", rtol=1e-8, atol=1e-10 * scale, likely=hint)
        for residual in (False, True):
            expect.case(f"depth 24, residual={residual}, width 100, ten networks")
            profiles = [observe(gradient_profile, 24, residual, seed, 100, time_limit=20.0).value for seed in range(10)]
            mean = float(np.mean([_changes(profile) for profile in profiles]))
            # right, these ten: 25.4 without skips, 1.0 with; three other tens of seeds: 16.1 to 25.7, 1.0 to 1.2
            hint = "without skips the derivative must shatter, with skips it must not"
            expect.true(mean < 6 if residual else mean > 12, f"{mean:.1f} sign changes on average", likely=hint)


# --- C: a detector ---------------------------------------------------------------------------------------------

_DETECTOR = """
    import numpy as np
    import torch
    from coursekit.shapes import shapes
    from torch import nn

    def grid(out):
        out = out.permute(0, 2, 3, 1)
        s = out.shape[1]
        raw = torch.sigmoid(out[..., :10]).unflatten(-1, (2, 5))
        cell = torch.arange(s)
        centre = torch.stack([cell[None, :, None] + raw[..., 1], cell[:, None, None] + raw[..., 2]], dim=-1) / s
        half = raw[..., 3:] ** 2 / 2
        return raw, torch.cat([centre - half, centre + half], dim=-1), torch.softmax(out[..., 10:], dim=-1)

    def loss_of(out, target):
        raw, boxes, probs = grid(out)
        obj, s = target[..., 0], target.shape[1]
        cell = torch.arange(s)
        centre = torch.stack([cell + target[..., 1], cell[:, None] + target[..., 2]], dim=-1) / s
        true = torch.cat([centre - target[..., 3:5] / 2, centre + target[..., 3:5] / 2], dim=-1)[..., None, :]
        with torch.no_grad():
            sides = torch.minimum(boxes[..., 2:], true[..., 2:]) - torch.maximum(boxes[..., :2], true[..., :2])
            shared, size = sides.clamp(min=0).prod(-1), lambda b: (b[..., 2:] - b[..., :2]).prod(-1)
            iou = shared / (size(boxes) + size(true) - shared).clamp(min=1e-9)
            mine = nn.functional.one_hot(iou.argmax(-1), 2) * obj[..., None]
        want = torch.cat([target[..., 1:3], target[..., 3:5].clamp(min=0).sqrt()], dim=-1)[..., None, :]
        coords = (mine[..., None] * (raw[..., 1:] - want) ** 2).sum()
        confidence = (mine * (raw[..., 0] - iou) ** 2).sum() + 0.5 * ((1 - mine) * raw[..., 0] ** 2).sum()
        return (5 * coords + confidence + (obj[..., None] * (probs - target[..., 5:]) ** 2).sum()) / len(out)

    def network():
        layers, a = [], 3
        for b, pooled in ((16, True), (32, True), (32, False), (32, False)):
            layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pooled else []
            a = b
        return nn.Sequential(*layers, nn.Conv2d(a, 13, 1))

    def learner(yolo_encode, steps, seed):
        made = shapes(np.random.default_rng(1000 + seed), 800, size=32)
        pairs = zip(made.boxes, made.labels)
        targets = torch.stack([
            yolo_encode(torch.from_numpy(b).float(), torch.from_numpy(k), 8, 3, 32).detach().float() for b, k in pairs
        ])
        x = torch.from_numpy(made.images).permute(0, 3, 1, 2).float() / 255
        torch.manual_seed(seed)
        net = network()
        generator = torch.Generator().manual_seed(seed)
        optimizer = torch.optim.Adam(net.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)

        def learn(count):
            for _ in range(count):
                rows = torch.randint(len(x), (32,), generator=generator)
                loss = loss_of(net(x[rows]), targets[rows])
                if not bool(torch.isfinite(loss)):
                    return False
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
            return True

        def weights():
            return [value.detach() for value in net.state_dict().values()]

        return learn, weights

    def suppress(nms, scores, boxes):
        found = []
        for c in range(3):
            kept = []
            for k in range(len(scores)):
                rows = (scores[k, :, c] > 0.05).nonzero()[:, 0]
                mine = nms(boxes[k, rows], scores[k, rows, c], 0.5)
                kept.append(rows[mine])
            found.append((torch.cat([torch.full((len(rows),), k) for k, rows in enumerate(kept)]), torch.cat(kept)))
        return found

    def tools():
        return learner, suppress
"""


@functools.cache
def _unseen() -> tuple[torch.Tensor, list[tuple]]:
    """Test pictures, and for each class the pictures and boxes of its objects."""
    made = shapes(np.random.default_rng(77), 60, size=32)
    classes = []
    for c in range(3):
        mine = [boxes[labels == c] for boxes, labels in zip(made.boxes, made.labels, strict=True)]
        image = torch.cat([torch.full((len(boxes),), k) for k, boxes in enumerate(mine)])
        classes.append((image, torch.from_numpy(np.concatenate(mine)).float()))
    return torch.from_numpy(made.images), classes


def experiment_detector(yolo_encode, nms, mean_average_precision):
    """Graded experiment C: a detector trained on the student's targets, cleaned by nms, scored by mAP."""
    with one_thread(), hidden("Experiment C: the detector") as expect:
        expect.case("a detector with S = 8 on 800 pictures of 32 x 32, 160 steps of batch 32")
        learner, suppress = ship(_DETECTOR, "tools")()
        pictures, truth = _unseen()
        learn, weights = observe(learner, yolo_encode, 160, 1, time_limit=_TIME_LIMIT).value
        for _ in range(16):  # in pieces, so that one call stays short on a busy machine too
            expect.true(learn(10), "the training diverges", likely="are all targets finite numbers?")
        net = fitted(here(_DETECTOR, "network"), weights())
        expect.true(net is not None, "the training diverges", likely="are all targets finite numbers?")
        scores, boxes = _detections(net, pictures)
        kept = observe(suppress, nms, scores, boxes, time_limit=_TIME_LIMIT).value
        hint = "nms returns the numbers of boxes: whole numbers from 0 to K - 1"
        expect.true(all(_are_boxes(*part, scores) for part in kept), "what nms keeps are no boxes", likely=hint)
        found = [(image, scores[image, rows, c], boxes[image, rows]) for c, (image, rows) in enumerate(kept)]
        twice, count = _duplicates(found)
        hint = "nms must leave no two boxes of a class and picture with an overlap over its threshold"
        expect.true(
            twice == 0, f"{twice} of {count} boxes overlap a better one of their class by more than 0.5", likely=hint
        )
        best = sum(_best_kept(part, scores[..., c]) for c, part in enumerate(found))
        expect.true(best == 0, f"nms drops the best box of {best} pictures", likely="the best box is kept first")
        lost = sum(_lost(*part, scores[..., c], boxes) for c, part in enumerate(kept))
        lost /= max(1, int((scores > 0.05).sum()))
        # right: 0; boxes that are gone drop others: 0.05, which exercise 7 sees; boxes that touch: 0.51, all but the
        # best: 0.71 (mAP hardly notices, since shapes of one class are seldom close together)
        hint = "a box goes only where a better one that stays overlaps it by more than the threshold"
        expect.true(lost < 0.15, f"nms drops {lost:.0%} of the boxes though no better one overlaps them", likely=hint)
        inputs = [(*part, *gt) for part, gt in zip(found, truth, strict=True)]
        values = {t: float(np.mean([ap_by_the_rule(*part, t) for part in inputs])) for t in (0.5, 0.75)}
        # right, 5 seeds: 0.965 to 0.986 and 0.44 to 0.66; x and y in the picture 0.63, 0.68 and 0.02, 0.04; rows and
        # columns swapped 0.21, 0.27; class always the first 0.12; size in cells 0.01; corner for centre 0.00
        hint = "the targets of yolo_encode are not what exercise 8 says"
        expect.true(values[0.5] >= 0.85, f"mAP@0.5 is {values[0.5]:.3f}", likely=hint)
        expect.true(values[0.75] >= 0.30, f"mAP@0.75 is {values[0.75]:.3f}: boxes are only roughly right", likely=hint)
        mine = observe(mean_average_precision, inputs, 0.5, time_limit=_TIME_LIMIT).value
        hint = "see exercise 9"
        expect.close(mine, values[0.5], "your mAP@0.5 of these detections", rtol=1e-6, atol=1e-6, likely=hint)


def _detections(net: nn.Module, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores [N, K, 3] and boxes [N, K, 4] that the network finds."""
    raw, boxes, probs = here(_DETECTOR, "grid")(net(pictures.permute(0, 3, 1, 2).float() / 255))
    return (raw[..., :1] * probs[..., None, :]).flatten(1, 3), 32 * boxes.flatten(1, 3)


def _are_boxes(image: Any, rows: Any, scores: torch.Tensor) -> bool:
    """Whether these are numbers of pictures and of their boxes."""
    count, most = scores.shape[:2]
    for numbers, limit in ((image, count), (rows, most)):
        if not isinstance(numbers, torch.Tensor) or numbers.dtype != torch.int64 or numbers.shape != image.shape:
            return False
        if numbers.ndim != 1 or len(numbers) > count * most or not bool(((numbers >= 0) & (numbers < limit)).all()):
            return False
    return True


def _lost(image: torch.Tensor, rows: torch.Tensor, scores: torch.Tensor, boxes: torch.Tensor) -> int:
    """How many boxes over the cut are neither kept nor overlapped by a kept one that is at least as good."""
    lost = 0
    for k, score in enumerate(scores):
        candidates, kept = (score > 0.05).nonzero()[:, 0], rows[image == k]
        table = overlaps(boxes[k, candidates].double(), boxes[k, kept].double())
        covered = (table > 0.5 - 1e-5) & (score[kept] >= score[candidates, None])
        lost += int((~covered.any(dim=1)).sum())  # a kept box covers itself
    return lost


def _duplicates(found: list[tuple]) -> tuple[int, int]:
    """Boxes that overlap an earlier one of their class and picture by more than 0.5, and the number of all boxes."""
    twice = kept = 0
    for image, _, box in found:
        for k in image.unique().tolist():
            table = table_of(box[image == k], box[image == k])
            twice += int((torch.triu(table, 1) > 0.5 + 1e-6).any(dim=0).sum())
            kept += len(table)
    return twice, kept


def _best_kept(part: tuple, scores: torch.Tensor) -> int:
    """In how many pictures the best box of a class is missing although its score is over the cut."""
    image, score, _ = part
    missing = 0
    for k, best in enumerate(scores.amax(dim=1).tolist()):
        if best > 0.05:
            mine = score[image == k]
            missing += int(len(mine) == 0 or mine.max().item() < best)
    return missing
