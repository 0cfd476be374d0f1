"""Exercise 9: batches, schedules, clipping, noise, averaged weights and the update ratio."""

from __future__ import annotations

import math

import torch
from coursekit.checking import hidden

from autograder.checks.probe import Probe, same
from autograder.testing import observe, ship

_F64 = torch.float64

_BATCHES = """
    import torch

    def epochs(minibatches, n, batch_size, seed, count, options):
        generator = torch.Generator().manual_seed(seed)
        before = torch.get_rng_state()
        found = []
        for _ in range(count):
            found.append([b.clone() if isinstance(b, torch.Tensor) else b
                          for b in minibatches(n, batch_size, generator, **options)])
        return found, bool(torch.equal(before, torch.get_rng_state()))
"""


def minibatches(student):
    """Hidden test of `minibatches(n, batch_size, generator, drop_last=False)`."""
    epochs = ship(_BATCHES, "epochs")

    def draw(n, batch_size, seed=1, count=1, **options):
        return observe(epochs, student, n, batch_size, seed, count, options, time_limit=20.0).value

    with hidden("Exercise 9: minibatches") as expect:
        for n, size in ((10, 4), (12, 4), (7, 1), (5, 5), (3, 8), (1, 1), (50, 16)):
            for options in ({}, {"drop_last": False}, {"drop_last": True}):
                text = "".join(f", {name}={value}" for name, value in options.items())
                expect.case(f"minibatches({n}, {size}{text})")
                (batches,), untouched = draw(n, size, **options)
                sizes = [min(size, n - start) for start in range(0, n, size)]
                if options.get("drop_last"):
                    sizes = [s for s in sizes if s == size]
                _indices(expect, batches)
                came = [len(b) for b in batches]
                hint = "the last batch is shorter where batch_size does not divide n; only drop_last=True drops it"
                expect.true(came == sizes, f"the batches have the sizes {came}", likely=hint)
                seen = [int(i) for b in batches for i in b]
                hint = "cut ONE permutation of 0 ... n-1 into pieces"
                expect.true(len(set(seen)) == len(seen), "an example comes twice in one epoch", likely=hint)
                expect.true(set(seen) <= set(range(n)), "an index is not one of 0 ... n-1", likely=hint)
                hint = "torch.randperm(n, generator=generator): no other source of random numbers"
                expect.true(untouched, "torch's global generator was used", likely=hint)

        expect.case("minibatches(40, 10), several epochs")
        (one, two), _ = draw(40, 10, seed=3, count=2)
        (again,), _ = draw(40, 10, seed=3)
        (other,), _ = draw(40, 10, seed=4)
        one, two, again, other = (torch.cat(epoch).tolist() for epoch in (one, two, again, other))
        hint = "draw a fresh permutation from the generator that is handed in, once a call"
        expect.true(one != list(range(40)), "the examples come in their own order", likely=hint)
        expect.true(one != two, "two epochs with one generator have the same order", likely=hint)
        expect.true(one == again, "equally seeded generators give another order", likely=hint)
        expect.true(one != other, "another seed gives the same order", likely=hint)

        expect.case("minibatches(6, 2), 400 epochs")
        many, _ = draw(6, 2, seed=5, count=400)
        orders = torch.stack([torch.cat(epoch) for epoch in many])
        # every example stands at every place 66.7 times on average, with a standard deviation of 7.5
        counts = torch.stack([(orders == i).sum(0) for i in range(6)])
        even = bool(((counts > 25) & (counts < 110)).all())
        neighbours = (orders[:, 1:] == orders[:, :-1] + 1).double().mean().item()
        hint = "every order of the examples must be equally likely: torch.randperm"
        expect.true(even, "some examples come at some places far too often", likely=hint)
        # by chance 1/6, with a standard deviation of 0.8 %
        expect.true(neighbours < 0.25, "example i is followed by i + 1 far too often", likely=hint)

        for size in (0, -1):
            expect.case(f"minibatches(10, {size})")
            expect.raises(ValueError, draw, 10, size, what="a batch size below 1 is refused")


def _indices(expect, batches) -> None:
    for batch in batches:
        expect.true(
            isinstance(batch, torch.Tensor) and batch.ndim == 1 and batch.dtype == torch.int64,
            "a batch must be a LongTensor of indices with one axis",
            likely="torch.randperm gives one; its pieces (order[i : i + batch_size]) are as well",
        )


def lr_at(student):
    """Hidden test of `lr_at(k, kind, lr0, **kw)`."""
    with hidden("Exercise 9: schedules") as expect:
        probe = Probe(expect, student, "k kind lr0", time_limit=5.0)

        def test(k, kind, lr0, want, hint, **kw):
            text = ", ".join(f"{name}={value}" for name, value in kw.items())
            expect.case(f"lr_at({k}, {kind!r}, {lr0}, {text})")
            expect.close(probe(k, kind, lr0, **kw).value, want, "the rate", rtol=1e-9, atol=0, likely=hint)

        for lr0 in (0.5, 2.0):
            for k in (0, 1, 7, 100):
                for rate in (0.05, 0.3, 0.0):
                    hint = "lr0 * exp(-rate * k)"
                    test(k, "exponential", lr0, lr0 * math.exp(-rate * k), hint, rate=rate)
                    test(k, "inverse", lr0, lr0 / (1 + rate * k), "lr0 / (1 + rate * k)", rate=rate)
            for every, factor in ((10, 0.1), (3, 0.5), (1, 0.9)):
                for k in (0, 1, every - 1, every, every + 1, 2 * every - 1, 2 * every, 100):
                    want = lr0
                    for _ in range(every, k + 1, every):
                        want *= factor
                    hint = "update `every` is the first with the smaller rate: k // every periods have gone by"
                    test(k, "step", lr0, want, hint, every=every, factor=factor)
        for kind in ("cosine", "Step", "exp", ""):
            expect.case(f"kind={kind!r}")
            what = "an unknown kind is refused"
            probe.refuses(what, 1, kind, 0.5, rate=0.1, every=2, factor=0.5)


# --- in-place functions of gradients -------------------------------------------------------------------------

_CHANGE = """
    import torch

    def change(fn, grads, args, options, as_generator, seed):
        params = []
        for g in grads:
            p = torch.nn.Parameter(torch.zeros(3) if g is None else torch.full_like(g, 0.5))
            p.grad = None if g is None else g.clone()
            params.append(p)
        tensors = [p.grad for p in params]
        if seed is not None:
            options = {**options, "generator": torch.Generator().manual_seed(seed)}
        before = torch.get_rng_state()
        returned = fn((p for p in params) if as_generator else params, *args, **options)
        return {
            "returned": returned.detach() if isinstance(returned, torch.Tensor) else returned,
            "grads": [None if p.grad is None else p.grad.detach().clone() for p in params],
            "same": all(p.grad is t for p, t in zip(params, tensors)),
            "params": all(bool((p == (0.5 if g is not None else 0.0)).all()) for p, g in zip(params, grads)),
            "global_untouched": bool(torch.equal(before, torch.get_rng_state())),
        }
"""


def _changer(expect, fn):
    change = ship(_CHANGE, "change")

    def call(grads, *args, as_generator=False, seed=None, **options):
        seen = observe(change, fn, grads, args, options, as_generator, seed, time_limit=20.0).value
        skipped = "parameters without a gradient are skipped"
        for before, after in zip(grads, seen["grads"], strict=True):
            if before is None:
                expect.true(after is None, "a parameter without a gradient has got one", likely=skipped)
            else:
                expect.true(after is not None, "a gradient has gone")
                expect.dtype(after, before.dtype, "the gradient")
        hint = "change p.grad itself: mul_, clamp_, add_"
        expect.true(seen["same"], "p.grad is another tensor than before", likely=hint)
        expect.true(seen["params"], "the parameters themselves have changed", likely="only p.grad is changed")
        return seen

    return call


def _grads(scale: float = 1.0, dtype: torch.dtype = _F64, seed: int = 91) -> list:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 3), None, (4,), ())
    made = [s if s is None else scale * torch.randn(s, generator=generator, dtype=_F64).to(dtype) for s in shapes]
    return made


_ONCE = "params may be a generator, which can be walked through once: list(params) first"


def clip_value(student):
    """Hidden test of `clip_grad_value_(params, g_max)`."""
    with hidden("Exercise 9: clipping by value") as expect:
        call = _changer(expect, student)
        hint = "every entry goes to min(g_max, max(-g_max, g))"
        for g_max in (0.5, 1.0, 10.0, 1e-3):
            for dtype in (_F64, torch.float32):
                for as_generator in (False, True):
                    expect.case(f"g_max={g_max}, {'a generator' if as_generator else 'a list'} of parameters")
                    grads = _grads(2.0, dtype)
                    seen = call(grads, g_max, as_generator=as_generator)
                    for number, (g, got) in enumerate(zip(grads, seen["grads"], strict=True), 1):
                        if g is not None:
                            want = torch.where(g > g_max, g_max, torch.where(g < -g_max, -g_max, g))
                            what = f"the gradient of parameter {number}"
                            expect.close(got, want, what, rtol=1e-6, atol=0, likely=hint)
        expect.case("entries of exactly +-g_max, and zeros")
        grads = [torch.tensor([1.0, -1.0, 0.0, 1.5, -1.5])]
        expect.equal(call(grads, 1.0)["grads"][0], [1.0, -1.0, 0.0, 1.0, -1.0], "the gradient", likely=hint)
        for g_max in (0.0, -1.0):
            expect.case(f"g_max={g_max}")
            expect.raises(ValueError, call, _grads(), g_max, what="g_max <= 0 is refused")


def clip_norm(student):
    """Hidden test of `clip_grad_norm_(params, max_norm) -> float`."""
    joint = "ONE factor max_norm / norm for all gradients, where norm runs over all of them together"
    with hidden("Exercise 9: clipping by norm") as expect:
        call = _changer(expect, student)
        # a small number in the division, such as 1e-6, is allowed; float32 keeps 7 digits
        for scale, max_norm in ((3.0, 1.0), (1.0, 0.5), (100.0, 7.0), (1.0, 100.0), (0.1, 1.0)):
            for dtype in (_F64, torch.float32):
                for as_generator in (False, True):
                    expect.case(
                        f"max_norm={max_norm}, gradients of the order of {scale:g}, "
                        f"{'a generator' if as_generator else 'a list'} of parameters"
                    )
                    grads = _grads(scale, dtype)
                    norm = math.sqrt(sum(float((g.double() ** 2).sum()) for g in grads if g is not None))
                    seen = call(grads, max_norm, as_generator=as_generator)
                    expect.shape(seen["returned"], (), "the returned norm, one number")
                    what = "the returned norm"
                    expect.close(seen["returned"], norm, what, rtol=1e-5, atol=0, likely="the norm BEFORE clipping")
                    for number, (g, got) in enumerate(zip(grads, seen["grads"], strict=True), 1):
                        if g is None:
                            continue
                        what = f"the gradient of parameter {number}"
                        if norm <= max_norm:
                            up = "gradients that are short enough stay as they are: never scale UP"
                            expect.close(got, g, what, rtol=1e-6, atol=0, likely=up)
                        else:
                            hint = f"{joint}; {_ONCE}" if as_generator else joint
                            expect.close(got, g * (max_norm / norm), what, rtol=1e-5, atol=0, likely=hint)
        expect.case("gradients that are all zero")
        seen = call([torch.zeros(2, 2), None, torch.zeros(3)], 1.0)
        expect.close(seen["returned"], 0.0, "the returned norm")
        for got in (seen["grads"][0], seen["grads"][2]):
            expect.equal(got, torch.zeros(got.shape), "the gradient", likely="0 / 0: scale only if norm > max_norm")
        for max_norm in (0.0, -1.0):
            expect.case(f"max_norm={max_norm}")
            expect.raises(ValueError, call, _grads(), max_norm, what="max_norm <= 0 is refused")


def gradient_noise(student):
    """Hidden test of `add_gradient_noise_(params, k, eta=0.01, gamma=0.55, generator=None)`."""
    hint = "the VARIANCE is eta / (1 + k)^gamma: randn times its root"
    with hidden("Exercise 9: gradient noise") as expect:
        call = _changer(expect, student)
        for k, options in (
            (0, {}),
            (1, {}),
            (99, {}),
            (0, {"eta": 1.0}),
            (99, {"eta": 1.0}),
            (1, {"eta": 0.3, "gamma": 0.9}),
            (99, {"eta": 0.3, "gamma": 0.0}),
        ):
            text = "".join(f", {name}={value}" for name, value in options.items())
            expect.case(f"k={k}{text}, gradients of 5")
            std = math.sqrt(options.get("eta", 0.01) / (1 + k) ** options.get("gamma", 0.55))
            before = [torch.full((100, 200), 5.0), None, torch.full((20000,), 5.0, dtype=_F64)]
            seen = call(before, k, seed=6, as_generator=k == 1, **options)
            noise = [same(seen["grads"][i]) - 5.0 for i in (0, 2)]
            for z in noise:
                # 20 000 draws: the standard error of the standard deviation is 0.5 %
                share = z.std().item() / std
                right = abs(share - 1) < 0.03
                expect.true(right, f"the noise is {share:.3g} times as strong as it should be", likely=hint)
                centred = abs(z.mean().item()) < 0.04 * std
                likely = "noise is ADDED to the gradient, and its mean is 0"
                expect.true(centred, "the mean of the gradient has changed", likely=likely)
                kurtosis = (z**4).mean().item() / z.var().item() ** 2
                expect.true(abs(kurtosis - 3) < 0.3, "the noise is not normally distributed", likely="torch.randn")
            both = torch.corrcoef(torch.stack([noise[0].flatten(), noise[1]]))[0, 1].item()
            expect.true(abs(both) < 0.05, "two parameters get the same noise", likely="draw anew for each")
            rows = noise[0].mean(0).std().item() * 10 / std
            expect.true(0.5 < rows < 1.5, "the entries of one gradient get the same noise", likely="randn(shape)")
            hint_rng = "all random numbers come from `generator` when one is handed in"
            expect.true(seen["global_untouched"], "torch's global generator was used", likely=hint_rng)
        small = [torch.zeros(3), None, torch.zeros(2, 2)]
        expect.case("equally and otherwise seeded generators")
        one, again, other = (call(small, 0, seed=seed)["grads"] for seed in (7, 7, 8))
        expect.equal(again[0], one[0], "the noise of an equally seeded generator", likely=hint_rng)
        expect.true(not torch.equal(other[0], one[0]), "another seed gives the same noise", likely=hint_rng)
        expect.case("without a generator, twice")
        one, two = (call(small, 0)["grads"] for _ in range(2))
        expect.true(not torch.equal(one[0], two[0]), "two calls give the same noise", likely="do not seed anything")


def update_ratio(student):
    """Hidden test of `update_ratio(before, after)`."""
    hint = "|after - before| / |before|, each norm over all parameters together"
    with hidden("Exercise 9: the update ratio") as expect:
        probe = Probe(expect, student, "before after", time_limit=5.0)

        def test(case, before, after, want):
            expect.case(case)
            got = probe(before, after).value
            expect.shape(got, (), "the ratio, one number")
            # moving 1 by 1e-3 costs float64 three of its 16 digits
            expect.close(got, want, "the ratio", rtol=1e-9, atol=0, likely=hint)

        one = torch.ones(2, 3, dtype=_F64)
        test("ones that move by 0.001", [one], [one + 1e-3], 1e-3)
        test("ones that move by -0.001", [one], [one - 1e-3], 1e-3)
        test("nothing moves", [one, one[0]], [one, one[0]], 0.0)
        test("3 moves to 3, and 4 to 5.5", [3 * one[0, 0], 4 * one[0, 0]], [3 * one[0, 0], 5.5 * one[0, 0]], 0.3)
        generator = torch.Generator().manual_seed(92)
        shapes = ((2, 3), (4,), (), (3, 1, 2))
        before = [5**i * torch.randn(s, generator=generator, dtype=_F64) for i, s in enumerate(shapes)]
        after = [b + 0.1 * torch.randn(b.shape, generator=generator, dtype=_F64) for b in before]
        flat, moved = (torch.cat([t.flatten() for t in ts]) for ts in (before, after))
        want = ((moved - flat).norm() / flat.norm()).item()
        test("four parameters of different size and shape", before, after, want)
        test("the same, backwards in time", after, before, ((moved - flat).norm() / moved.norm()).item())
        expect.case("float32")
        got = probe([b.float() for b in before], [a.float() for a in after]).value
        expect.close(got, want, "the ratio", rtol=1e-4, atol=0, likely=hint)
