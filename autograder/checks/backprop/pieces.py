"""Exercise 8: counting linear pieces."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from coursekit.checking import hidden

from autograder.testing import observe


def _tent(depth: int) -> tuple[list, list]:
    fold = np.array([[2.0, 2.0], [-4.0, -4.0]])
    weights = [np.ones((1, 2)), *[fold] * (depth - 1), np.array([[2.0], [-4.0]])]
    return weights, [np.array([0.0, -0.5])] * depth + [np.zeros(1)]


def _shallow(knots, slopes, weights=None) -> tuple[list, list]:
    """Hidden unit i is relu(w_i (x - knot_i)), with outgoing weight slopes_i."""
    knots, slopes = np.asarray(knots, dtype=float), np.asarray(slopes, dtype=float)
    w = np.ones(len(knots)) if weights is None else np.asarray(weights, dtype=float)
    return [w[None], slopes[:, None]], [-w * knots, np.zeros(1)]


def _deep(seed: int) -> tuple[list, list]:
    """1-8-8-8-1, weights drawn first, layer by layer, then the biases."""
    rng = np.random.default_rng(seed)
    sizes = [1, 8, 8, 8, 1]
    weights = [rng.normal(0.0, np.sqrt(2 / a), size=(a, b)) for a, b in pairwise(sizes)]
    return weights, [rng.normal(0.0, 0.5, size=b) for b in sizes[1:]]


def _folded(w: float, b: float, scales, s: float) -> tuple[list, list]:
    """One unit h = w x + b, then units relu(scale (h - s)), which all bend where h = s.

    The products scale * s are exact, so the knots are one point also for the float64 numbers as they stand;
    computed in float64 they may come out a rounding error apart.
    """
    scales = np.asarray(scales, dtype=float)
    return [np.array([[w]]), scales[None], np.ones((len(scales), 1))], [np.array([b]), -scales * s, np.zeros(1)]


_DEEP_PIECES = (32, 21, 17, 25, 26, 22, 28, 19, 19, 25)


def count_pieces(student):
    """Hidden test of `count_linear_pieces(Ws, bs, lo, hi)`."""
    rng = np.random.default_rng(281)
    with hidden("Exercise 8: linear pieces") as expect:

        def count(case, net, lo, hi, want, hint):
            expect.case(case)
            seen = observe(student, *net, lo, hi, time_limit=20.0)
            expect.equal(seen.value, want, "the number of linear pieces", likely=hint)
            for before, after in zip([*net[0], *net[1]], [*seen.args[0], *seen.args[1]], strict=True):
                expect.equal(after, before, "the weights and biases after the call")

        for units in (1, 5, 12):
            knots = np.sort(rng.uniform(-2, 2, size=units))
            net = _shallow(
                knots, rng.uniform(0.5, 1.5, size=units), rng.uniform(0.5, 2, size=units) * _signs(rng, units)
            )
            for lo, hi in ((-3.0, 3.0), (-1.0, 1.5), (2.5, 4.0)):
                inside = int(((knots > lo) & (knots < hi)).sum())
                words = f"one hidden layer of {units} units, on [{lo}, {hi}]"
                count(words, net, lo, hi, inside + 1, "k knots inside the interval separate k + 1 pieces")

        hint = "merge neighbouring pieces of equal slope"
        knots = [0.5, 1.0, 1.5, 2.0]
        count("a unit with outgoing weight 0", _shallow(knots, [1, 0, 2, -1]), 0.0, 3.0, 4, hint)
        count("two units that cancel", _shallow([1.0, 1.0, 2.0], [3, -3, 1]), 0.0, 3.0, 2, hint)
        count("two units with one knot", _shallow([1.0, 1.0, 2.0], [1, 2, 1]), 0.0, 3.0, 3, hint)
        count(
            "two units with one knot, facing away",
            _shallow([1.0, 1.0], [1, -1], [1.0, -1.0]),
            0.0,
            3.0,
            1,
            hint,
        )
        count("a unit with incoming weight 0", _shallow([1.0, 1.0], [1, 1], [0.0, 1.0]), 0.0, 3.0, 2, hint)
        count("incoming weights 1 and -1", _shallow([1.0, 2.0], [1, 1], [1.0, -1.0]), 0.0, 3.0, 3, hint)
        count("all outgoing weights 0", _shallow(knots, [0, 0, 0, 0]), 0.0, 3.0, 1, hint)
        alive = ([np.ones((1, 2)), np.array([[1.0], [1.0]]), np.ones((1, 1))],
                 [np.array([-1.0, -2.0]), np.array([-1e6]), np.zeros(1)])  # fmt: skip
        count("a second layer that is off everywhere", alive, 0.0, 3.0, 1, hint)
        count(
            "no hidden layer",
            ([np.array([[3.0]])], [np.array([1.0])]),
            -1.0,
            1.0,
            1,
            "a straight line is one piece",
        )

        hint = "a knot at an end of the interval separates nothing"
        count("knots at both ends", _shallow([0.0, 1.0, 2.0], [1, 1, 1]), 0.0, 2.0, 2, hint)
        count("an interval between two knots", _shallow([0.0, 1.0, 2.0], [1, 1, 1]), 0.25, 0.75, 1, hint)

        hint = "within each piece of the layer before, a unit is a straight line: insert every zero crossing"
        for depth in range(1, 11):
            count(f"the tent map applied {depth} times, on [0, 1]", _tent(depth), 0.0, 1.0, 2**depth, hint)
        count("the tent map applied 6 times, on [0.25, 0.5]", _tent(6), 0.25, 0.5, 2**4, hint)
        count("the tent map applied 3 times, on [-1, 2]", _tent(3), -1.0, 2.0, 10, hint)

        hint = "no grid finds knots that lie this close"
        count("two knots 1e-7 apart", _shallow([1.0, 1.0 + 1e-7], [1, 1]), 0.0, 3.0, 3, hint)
        hint = (
            "crossings within about 1e-12 of each other, or of an end, are one point that was rounded "
            "differently: keep one of them"
        )
        for w, b, s, lo, hi in (
            (0.8, 4.2, 3.5, -3.0, 3.0),
            (0.6, 4.6, 3.75, -3.0, 3.0),
            (0.8, 3.3, 2.75, -3.0, 0.0),
            (0.2, 1003.6, 901.75, -1000.0, 1000.0),
        ):
            words = f"two units of the second layer with one knot, on [{lo:g}, {hi:g}]"
            count(words, _folded(w, b, [1.0, 3.0], s), lo, hi, 2, hint)
        # h is 1 at an end of the interval, exactly, and the second unit bends there
        for numerator, scale, end in ((249296581, 2.3, -3.0), (242261545, 2.2, 3.0), (211916917, 1.8, 3.0)):
            w = numerator / 2**31
            words = f"a unit of the second layer with its knot at {end:g}, on [-3, 3]"
            count(words, _folded(w, 1.0 - end * w, [scale], 1.0), -3.0, 3.0, 1, hint)

        hint = "relu follows every layer but the last"
        net = _shallow([0.5, 1.5], [1, -4])
        count("an output that changes its sign", net, 0.0, 3.0, 3, hint)

        hint = "equal means: within 1e-9 of the larger slope, or within 1e-12"
        count("slopes 1 and 1 + 1.5e-9", _shallow([-1.0, 1.0], [1.0, 1.5e-9]), 0.0, 3.0, 2, hint)
        count("slopes 1 and 1 + 5e-10", _shallow([-1.0, 1.0], [1.0, 5e-10]), 0.0, 3.0, 1, hint)
        count("slopes 0 and 1.5e-12", _shallow([1.0], [1.5e-12]), 0.0, 3.0, 2, hint)
        count("slopes 1 and 1 + 1e-6", _shallow([-1.0, 1.0], [1.0, 1e-6]), 0.0, 3.0, 2, hint)
        count("slopes 1e6 and 1e6 + 1e-4", _shallow([-1.0, 1.0], [1e6, 1e-4]), 0.0, 3.0, 1, hint)
        count("slopes 1e-6 and 1.001e-6", _shallow([-1.0, 1.0], [1e-6, 1e-9]), 0.0, 3.0, 2, hint)
        count("slopes 1e-7 and -1e-7", _shallow([-1.0, 1.0], [1e-7, -2e-7]), 0.0, 3.0, 2, hint)
        count("slopes 0 and 1e-13", _shallow([1.0], [1e-13]), 0.0, 3.0, 1, hint)
        count("slopes -1e6 and -1e6 - 1e-4", _shallow([-1.0, 1.0], [-1e6, -1e-4]), 0.0, 3.0, 1, hint)

        hint = "crossings of every layer count, also of units whose input bends"
        for seed, want in enumerate(_DEEP_PIECES):
            count(f"random network 1-8-8-8-1, seed {seed}, on [-3, 3]", _deep(seed), -3.0, 3.0, want, hint)

        for lo, hi in ((1.0, 1.0), (2.0, -2.0)):
            expect.case(f"lo = {lo}, hi = {hi}")
            expect.raises(ValueError, student, *_tent(1), lo, hi, what="an interval with lo >= hi is refused")


def _signs(rng, n: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size=n)


def tent_network(student):
    """Hidden test of `tent_network(depth) -> (Ws, bs)`."""
    with hidden("Exercise 8: the tent network") as expect:
        for depth in (1, 2, 3, 5, 10):
            expect.case(f"depth = {depth}")
            pair = student(depth)
            ok = (
                isinstance(pair, tuple | list)
                and len(pair) == 2
                and all(isinstance(p, list | tuple) for p in pair)
            )
            expect.true(ok, "tent_network must return two lists, Ws and bs")
            weights, biases = pair
            expect.true(
                len(weights) == len(biases) == depth + 1, "there must be depth + 1 weights and biases"
            )
            wanted = [(1, 2), *[(2, 2)] * (depth - 1), (2, 1)]
            for i, (w, b, shape) in enumerate(zip(weights, biases, wanted, strict=True)):
                expect.shape(w, shape, f"W of layer {i + 1} of {depth + 1}: two hidden units a layer")
                expect.shape(b, shape[1:], f"b of layer {i + 1} of {depth + 1}")
            # multiples of 2^-12 are exact in float64; at other points every fold doubles the rounding error
            grid = np.arange(2**12 + 1) / 2**12
            odd = np.random.default_rng(282).uniform(size=50)
            for x, words in ((grid, "on the multiples of 2^-12"), (odd, "at 50 random points")):
                want = x.copy()
                for _ in range(depth):
                    want = 1 - np.abs(2 * want - 1)
                hint = "the next layer reads 2 h0 - 4 h1 of this one: fold that into its weights"
                if depth == 1:
                    hint = "tent(x) = 2 relu(x) - 4 relu(x - 1/2)"
                what = f"the tent map applied {depth} times, {words}"
                expect.close(_evaluate(weights, biases, x), want, what, rtol=0, atol=1e-12, likely=hint)
        for depth in (0, -1):
            expect.case(f"depth = {depth}")
            expect.raises(ValueError, student, depth, what="depth < 1 is refused")


def _evaluate(weights, biases, x):
    h = x[:, None]
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        h = np.maximum(h @ np.asarray(w) + np.asarray(b), 0.0)
    return (h @ np.asarray(weights[-1]) + np.asarray(biases[-1]))[:, 0]


def max_regions(student):
    """Hidden test of `max_regions_shallow(units, n)`."""
    with hidden("Exercise 8: regions of a shallow network") as expect:
        for units, n in ((3, 1), (3, 2), (10, 2), (10, 3), (2, 5), (1, 1), (7, 7), (40, 6)):
            expect.case(f"{units} units, {n} inputs")
            want = sum(math.comb(units, j) for j in range(n + 1))
            hint = "add the binomials C(units, j) for j = 0 ... n; C is 0 where j > units"
            expect.equal(student(units, n), want, "the largest number of regions", likely=hint)
