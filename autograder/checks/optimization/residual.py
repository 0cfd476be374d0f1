"""Exercise 7: the residual network. The oracle is the same network written as a chain of functions."""

from __future__ import annotations

import math

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.probe import DTYPES, dtype_name
from autograder.testing import observe, ship

_DRIVER = """
    import torch

    def linears(net):
        found = [("inp", net.inp)]
        for i in range(len(net.blocks)):
            block = net.blocks[i]
            found += [(f"blocks[{i}].fc1", block.fc1), (f"blocks[{i}].fc2", block.fc2)]
        return found + [("out", net.out)]

    def describe(cls, args, options, seed):
        torch.manual_seed(seed)
        net = cls(*args, **options)
        found = linears(net)
        return {
            "names": [name for name, _ in found],
            "weights": [layer.weight.detach().clone() for _, layer in found],
            "biases": [None if layer.bias is None else layer.bias.detach().clone() for _, layer in found],
            "count": sum(p.numel() for p in net.parameters()),
            "trainable": all(p.requires_grad for p in net.parameters()),
        }

    def loaded(cls, args, options, weights, biases, dtype):
        net = cls(*args, **options).to(dtype)
        with torch.no_grad():
            for (_, layer), weight, bias in zip(linears(net), weights, biases):
                layer.weight.copy_(weight)
                layer.bias.copy_(bias)
        return net

    def run(cls, args, options, weights, biases, x, upstream):
        net = loaded(cls, args, options, weights, biases, x.dtype)
        leaf = x.clone().requires_grad_()
        y = net(leaf)
        wanted = [leaf] + [p for _, layer in linears(net) for p in (layer.weight, layer.bias)]
        grads = None
        if isinstance(y, torch.Tensor) and y.requires_grad and y.shape == upstream.shape:
            grads = torch.autograd.grad(y, wanted, upstream, allow_unused=True)
            grads = [None if g is None else g.detach() for g in grads]
        return {"y": y.detach() if isinstance(y, torch.Tensor) else y, "x": leaf.detach(), "grads": grads}

    def learn(cls, args, options, x, y, seed):
        torch.manual_seed(seed)
        net = cls(*args, **options)
        found = []
        for _ in range(2):
            net.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            rows = [(float(b.fc1.weight.grad.norm()), float(b.fc2.weight.grad.norm())) for b in net.blocks]
            found.append(rows)
            with torch.no_grad():
                for p in net.parameters():
                    if p.grad is not None:
                        p -= 0.1 * p.grad
        return found

    def refuse(cls, args, options):
        return type(cls(*args, **options)).__name__

    def tools():
        return describe, run, learn, refuse
"""

_BLOCK = (
    "x + fc2(relu(fc1(x))) with the x that enters THIS block, and nothing after the sum; "
    "without skip relu(fc2(relu(fc1(x))))"
)


def _shapes(d_in: int, width: int, n_blocks: int, d_out: int) -> list[tuple[int, int]]:
    return [(width, d_in), *[(width, width)] * (2 * n_blocks), (d_out, width)]


def chain(x, weights, biases, skip: bool, stack: bool = False):
    """The network as functions; with `stack` the signals before and after the blocks."""
    h = before = torch.relu(F.linear(x, weights[0], biases[0]))
    for i in range(1, len(weights) - 1, 2):
        branch = F.linear(torch.relu(F.linear(h, weights[i], biases[i])), weights[i + 1], biases[i + 1])
        h = h + branch if skip else torch.relu(branch)
    return (before, h) if stack else F.linear(h, weights[-1], biases[-1])


def residual_forward(ResidualMLP):
    """Hidden test of the forward pass and its gradients, with weights and biases set by the test."""
    _, run, *_ = ship(_DRIVER, "tools")()
    with hidden("Exercise 7: the forward pass") as expect:
        for sizes, n, options in (
            ((4, 5, 1, 3), 6, {}),
            ((4, 5, 3, 2), 7, {"branch_init": "he"}),
            ((4, 5, 3, 2), 7, {"branch_init": "zero", "skip": True}),
            ((3, 6, 2, 4), 1, {"branch_init": "scaled", "skip": True}),
            ((4, 5, 0, 3), 6, {}),
            ((4, 5, 0, 3), 6, {"skip": False}),
            ((4, 5, 1, 3), 6, {"branch_init": "he", "skip": False}),
            ((3, 6, 3, 2), 5, {"skip": False}),
        ):
            for dtype, close in DTYPES:
                text = "".join(f", {name}={value!r}" for name, value in options.items())
                expect.case(f"ResidualMLP{sizes}{text}, {n} rows, {dtype_name(dtype)}, weights of the test's own")
                _compare(expect, run, ResidualMLP, sizes, n, options, dtype, close)


def _compare(expect, run, ResidualMLP, sizes, n, options, dtype, close) -> None:
    generator = torch.Generator().manual_seed(101)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    shapes = _shapes(*sizes)
    weights = [draw(*shape) / math.sqrt(shape[1]) for shape in shapes]
    biases = [0.5 * draw(shape[0]) for shape in shapes]
    x, upstream = draw(n, sizes[0]), draw(n, sizes[3])
    seen = observe(run, ResidualMLP, sizes, options, weights, biases, x, upstream, time_limit=20.0).value
    expect.shape(seen["y"], (n, sizes[3]), "the output")
    expect.equal(seen["x"], x, "x after the call")

    leaves = [t.clone().requires_grad_() for t in (x, *weights, *biases)]
    count = len(weights)
    want = chain(leaves[0], leaves[1 : 1 + count], leaves[1 + count :], options.get("skip", True))
    expect.close(seen["y"], want, "the output", likely=_BLOCK, **close)
    expect.dtype(seen["y"], dtype, "the output")
    grads = torch.autograd.grad(want, leaves, upstream)
    expect.true(
        seen["grads"] is not None and all(g is not None for g in seen["grads"]),
        "the output does not depend on every weight and bias, and on x, in a way that can be differentiated",
    )
    order = [grads[0]] + [g for pair in zip(grads[1 : 1 + count], grads[1 + count :], strict=True) for g in pair]
    names = ["x"] + [
        f"the {kind} of linear layer {i + 1} of {count}" for i in range(count) for kind in ("weight", "bias")
    ]
    for name, got, right in zip(names, seen["grads"], order, strict=True):
        expect.close(got, right, f"the gradient in {name}", likely=_BLOCK, **close)


_SIZES = (50, 128, 6, 40)


def residual_init(ResidualMLP):
    """Hidden test of the initial weights, of what a `zero` network learns, and of what is refused."""
    describe, _, learn, refuse = ship(_DRIVER, "tools")()
    with hidden("Exercise 7: the start of the branches") as expect:
        for options in ({"branch_init": "he"}, {"branch_init": "scaled"}, {"branch_init": "zero"}, {}):
            for skip in (True, False) if options else (True,):
                kind = options.get("branch_init", "scaled")
                given = f", branch_init={kind!r}" if options else ""
                expect.case(f"ResidualMLP{_SIZES}{given}{'' if skip else ', skip=False'}")
                settings = {**options, **({} if skip else {"skip": False})}
                _weights(expect, observe(describe, ResidualMLP, _SIZES, settings, 111).value, kind)
        expect.case("ResidualMLP(50, 128, 1, 40), branch_init='scaled', fc2 of the only block")
        only = observe(describe, ResidualMLP, (50, 128, 1, 40), {"branch_init": "scaled"}, 110).value
        share = only["weights"][2].double().std().item() / math.sqrt(2 / 128)
        expect.true(abs(share - 1) < 0.06, "with one block there is nothing to divide: sqrt(n_blocks) is 1")
        expect.case(f"two networks ResidualMLP{_SIZES} in a row")
        first, second = (observe(describe, ResidualMLP, _SIZES, {}, seed).value for seed in (1, 2))
        expect.true(
            not torch.equal(first["weights"][1], second["weights"][1]),
            "both start with the same weights",
            likely="do not seed anything inside the class",
        )

        generator = torch.Generator().manual_seed(112)
        x = torch.randn(64, 50, generator=generator)
        for n_blocks, kind in ((2, "scaled"), (20, "scaled"), (20, "he")):
            expect.case(f"{n_blocks} blocks of width 128, branch_init={kind!r}")
            found = observe(describe, ResidualMLP, (50, 128, n_blocks, 4), {"branch_init": kind}, 113).value
            before, after = chain(x, found["weights"], found["biases"], True, stack=True)
            growth = (after.pow(2).mean() / before.pow(2).mean()).sqrt().item()
            # right, over seeds: scaled 2.0 to 2.9, he above 3e4 at 20 blocks
            hint = "divide fc2 by the ROOT of the number of blocks: then the variance grows by at most e"
            right = 1.5 <= growth <= 3.5 if kind == "scaled" else growth > 1e3
            expect.true(right, f"the blocks multiply the size of the signal by {growth:.3g}: not so", likely=hint)

        expect.case("branch_init='zero', the gradients before and after one step")
        y = torch.arange(64) % 4
        before, after = observe(learn, ResidualMLP, (50, 32, 3, 4), {"branch_init": "zero"}, x, y, 114).value
        hint = "only fc2 starts at zero; if fc1 is zero as well, no gradient ever reaches either of them"
        expect.true(all(fc1 == 0 for fc1, _ in before), "fc1 has a gradient although fc2 is zero", likely=hint)
        expect.true(all(fc2 > 0 for _, fc2 in before), "the gradient of fc2 is zero: it cannot learn", likely=hint)
        expect.true(all(fc1 > 0 for fc1, _ in after), "fc1 gets no gradient after a step either", likely=hint)

        for n_blocks in (0, 2):
            for kind in ("Zero", "scale", ""):
                expect.case(f"n_blocks={n_blocks}, branch_init={kind!r}")
                what = "an unknown branch_init is refused"
                expect.raises(ValueError, refuse, ResidualMLP, (4, 5, n_blocks, 3), {"branch_init": kind}, what=what)
        for n_blocks in (-1, -3):
            expect.case(f"n_blocks={n_blocks}")
            expect.raises(ValueError, refuse, ResidualMLP, (4, 5, n_blocks, 3), {}, what="n_blocks < 0 is refused")


def _weights(expect, found, kind: str) -> None:
    shapes = _shapes(*_SIZES)
    names = ["inp", *[f"blocks[{i}].{fc}" for i in range(_SIZES[2]) for fc in ("fc1", "fc2")], "out"]
    expect.true(found["names"] == names, f"the network does not have {_SIZES[2]} blocks")
    expect.true(found["trainable"], "some parameters do not require a gradient")
    count = sum(a * b + a for a, b in shapes)
    expect.true(
        found["count"] == count,
        f"the network has {found['count']} parameters, which are not those of its linear layers",
        likely="inp, n_blocks times fc1 and fc2, out: each a Linear with a bias, and nothing else",
    )
    normal = []
    for name, weight, bias, shape in zip(names, found["weights"], found["biases"], shapes, strict=True):
        expect.shape(weight, shape, f"the weight of {name}, [out, in]")
        expect.equal(bias, torch.zeros(shape[0]), f"the bias of {name}", likely="all biases start at 0")
        std = math.sqrt(2 / shape[1])
        if name.endswith("fc2") and kind == "zero":
            expect.equal(weight, torch.zeros(shape), f"the weight of {name}", likely="zero: fc2 = 0")
            continue
        hint = "he_normal: standard deviation sqrt(2 / fan-in), fan-in = weight.shape[1]"
        if name.endswith("fc2") and kind == "scaled":
            std /= math.sqrt(_SIZES[2])
            hint = "scaled: he_normal divided by sqrt(n_blocks), fc2 only"
        # 16 384 draws and more than 5 000 in inp and out: standard errors of 0.6 % and 1 %
        share = weight.double().std().item() / std
        expect.true(
            abs(share - 1) < 0.06,
            f"the standard deviation of the weight of {name} is {share:.3g} times what it should be",
            likely=hint,
        )
        normal.append(weight.double().flatten() / std)
    values = torch.cat(normal)
    kurtosis = ((values**4).mean() / (values**2).mean() ** 2).item()
    # more than 100 000 draws: standard error 0.015
    expect.true(abs(kurtosis - 3) < 0.1, "the weights are not normally distributed", likely="he_normal, not he_uniform")
    first = [w for n, w in zip(names, found["weights"], strict=True) if n.endswith("fc1")]
    expect.true(
        not torch.equal(first[0], first[1]),
        "all blocks start with the same weights",
        likely="every block is an object of its own",
    )
