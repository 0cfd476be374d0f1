"""Exercise 6: residual blocks and a deep network. Oracles: the formula with the block's own weights, known counts.

A block is known by its behaviour and by the order in which its layers are listed, never by an attribute's name. While a
test runs, torch's batch norm stands in for the student's, so that a slip in exercise 5 costs nothing here.
"""

from __future__ import annotations

from typing import Any

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.cnn.convolution import drawn
from autograder.checks.probe import CLOSE
from autograder.testing import observe, ship

_DRIVER = """
    import torch
    from torch import nn

    class Standing:
        '''Torch's batch norm in the place of the student's, wherever a default or a global name holds it.'''

        def __init__(self, *made):
            self.made = made

        def __enter__(self):
            fns = [thing.__init__ if isinstance(thing, type) else thing for thing in self.made]
            self.names = fns[0].__globals__
            self.own = self.names.get("BatchNorm2d")
            self.undo = [(fn, fn.__defaults__, fn.__kwdefaults__) for fn in fns]
            if self.own is None:
                return
            self.names["BatchNorm2d"] = nn.BatchNorm2d
            swap = lambda default: nn.BatchNorm2d if default is self.own else default
            for fn, defaults, keywords in self.undo:
                fn.__defaults__ = defaults and tuple(map(swap, defaults))
                fn.__kwdefaults__ = keywords and {name: swap(default) for name, default in keywords.items()}

        def __exit__(self, *error):
            for fn, defaults, keywords in self.undo:
                fn.__defaults__, fn.__kwdefaults__ = defaults, keywords
            if self.own is not None:
                self.names["BatchNorm2d"] = self.own

    def parts(net, kind):
        found = []
        for module in net.modules():
            if isinstance(module, kind) and module not in found:
                found.append(module)
        return found

    def run_block(cls, args, options, x, upstream, seed, zero_last):
        torch.manual_seed(seed)
        with Standing(cls):
            block = cls(*args, norm=nn.BatchNorm2d, **options).to(x.dtype)
        convs, norms = parts(block, nn.Conv2d), parts(block, nn.BatchNorm2d)
        with torch.no_grad():
            for i, norm in enumerate(norms):
                norm.weight.copy_(torch.linspace(0.5, 1.5, len(norm.weight)) + 0.1 * i)
                norm.bias.copy_(torch.linspace(-0.3, 0.4, len(norm.bias)) - 0.1 * i)
                if zero_last and i == 1:
                    norm.weight.zero_()
                    norm.bias.zero_()
        leaf = x.clone().requires_grad_()
        modes = []
        for training in (True, False):
            block.train(training)
            y = block(leaf)
            grad = None
            if training and upstream is not None and y.requires_grad and y.shape == upstream.shape:
                grad = torch.autograd.grad(y, leaf, upstream)[0]
            modes.append([y.detach(), grad])
        return {
            "modes": modes, "x": leaf.detach(),
            "convs": [[c.weight.detach(), list(c.stride), list(c.padding), c.bias is None] for c in convs],
            "norms": [[n.weight.detach(), n.bias.detach(), n.running_mean, n.running_var] for n in norms],
            "count": sum(p.numel() for p in block.parameters()),
        }

    def describe(make, block, args, options, shape):
        torch.manual_seed(0)
        with Standing(make, block):
            net = make(*args, **options)
        convs, norms = parts(net, nn.Conv2d), parts(net, nn.BatchNorm2d)
        linears = parts(net, nn.Linear)
        sizes = []
        hooks = [c.register_forward_hook(lambda m, i, o: sizes.append(list(o.shape[1:]))) for c in convs]
        with torch.no_grad():
            y = net(torch.zeros(shape))
        for hook in hooks:
            hook.remove()
        return {
            "count": sum(p.numel() for p in net.parameters()), "y": list(y.shape),
            "convs": sorted([list(c.weight.shape) + list(c.stride) for c in convs]),
            "sizes": sorted(sizes), "linears": [list(m.weight.shape) for m in linears],
            "biases": sum(c.bias is not None for c in convs), "norms": len(norms),
        }

    def slopes(make, block, residual, x, y, seed):
        torch.manual_seed(seed)
        with Standing(make, block):
            net = make(9, residual=residual)
        torch.nn.functional.cross_entropy(net(x), y).backward()
        convs = [c for c in parts(net, nn.Conv2d) if tuple(c.kernel_size) == (3, 3)]
        return [float(c.weight.grad.norm()) for c in convs if c.weight.grad is not None]

    def answers(make, block, options, x, seed):
        torch.manual_seed(seed)
        with Standing(make, block):
            net = make(1, **options)
        net.train()
        before = x.clone()
        one = net(x).detach()
        net.eval()
        with torch.no_grad():
            return {"train": one, "eval": net(x), "alone": net(x[:1]), "again": net(x), "x": x, "before": before,
                    "moved": net(x.roll(4, 3))}

    def tools():
        return run_block, describe, slopes, answers
"""


def _norm(x: torch.Tensor, values: list, training: bool) -> torch.Tensor:
    weight, bias, mean, var = (v.to(x.dtype) for v in values)
    if training:
        return F.batch_norm(x, None, None, weight, bias, True)
    return F.batch_norm(x, mean, var, weight, bias)


def _formula(x: torch.Tensor, seen: dict, stride: int, residual: bool, shortcut: bool, training: bool) -> torch.Tensor:
    convs, norms = [c[0].to(x.dtype) for c in seen["convs"]], seen["norms"]
    threes = [w for w in convs if w.shape[-1] == 3]
    h = torch.relu(_norm(F.conv2d(x, threes[0], stride=stride, padding=1), norms[0], training))
    h = _norm(F.conv2d(h, threes[1], padding=1), norms[1], training)
    if residual:
        ones = [w for w in convs if w.shape[-1] == 1]
        h = h + (_norm(F.conv2d(x, ones[0], stride=stride), norms[2], training) if shortcut else x)
    return torch.relu(h)


_BLOCK = "relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)): one ReLU inside the branch, one after the sum"
_COUNT = "3x3 convolutions without bias, a norm after each, a 1x1 convolution and a norm only where the shape changes"


def residual_block(ResidualBlock):
    """Hidden test of the block: shapes, counts, the formula with the block's own weights, gradients, inputs."""
    run, *_ = ship(_DRIVER, "tools")()
    with hidden("Exercise 6: ResidualBlock") as expect:
        generator = torch.Generator().manual_seed(61)
        for i, (c_in, c_out, stride, residual) in enumerate(
            (
                (4, 4, 1, True),
                (4, 6, 1, True),
                (4, 4, 2, True),
                (3, 5, 2, True),
                (4, 4, 1, False),
                (3, 5, 2, False),
                (5, 2, 3, True),
            )
        ):
            expect.case(f"ResidualBlock({c_in}, {c_out}, stride={stride}, residual={residual}) on maps of 7 x 8")
            x = drawn(generator, 3, c_in, 7, 8)
            rows, cols = -(-7 // stride), -(-8 // stride)
            upstream = drawn(generator, 3, c_out, rows, cols)
            options = {} if (stride, residual) == (1, True) else {"stride": stride, "residual": residual}
            args = (ResidualBlock, (c_in, c_out), options, x, upstream, 61 + i, False)
            seen = observe(run, *args, time_limit=20.0).value
            shortcut = residual and (stride != 1 or c_in != c_out)
            count = 9 * c_in * c_out + 9 * c_out**2 + 4 * c_out + shortcut * (c_in * c_out + 2 * c_out)
            expect.equal(seen["count"], count, "the number of parameters", likely=_COUNT)
            expect.equal(seen["x"], x, "x after the call", likely="no operation in place on x: the shortcut needs it")
            expect.equal(len(seen["norms"]), 3 if shortcut else 2, "the number of norms", likely=_COUNT)
            expect.equal(len(seen["convs"]), 3 if shortcut else 2, "the number of convolutions", likely=_COUNT)
            for (y, _), training in zip(seen["modes"], (True, False), strict=True):
                expect.shape(y, (3, c_out, rows, cols), "the output")
                leaf = x.clone().requires_grad_()
                want = _formula(leaf, seen, stride, residual, shortcut, training)
                mode = "train" if training else "eval"
                likely = _BLOCK if residual else "with residual=False nothing is added: relu(norm(conv(...)))"
                hits = [_close(y, _formula(leaf, s, stride, residual, shortcut, training)) for s in _orders(seen)]
                if not any(hits):
                    expect.close(y, want, f"the output in {mode} mode", likely=likely, **CLOSE)
                if training and not shortcut:
                    (right,) = torch.autograd.grad(want, leaf, upstream)
                    got = seen["modes"][0][1]
                    expect.true(got is not None, "the output cannot be differentiated in x")
                    expect.close(got, right, "the gradient in x", likely=likely, **CLOSE)
        expect.case("a block from 4 to 4 channels whose second norm has weight 0 and bias 0")
        x = drawn(generator, 2, 4, 5, 6)
        seen = observe(run, ResidualBlock, (4, 4), {}, x, None, 69, True, time_limit=20.0).value
        expect.close(seen["modes"][0][0], torch.relu(x), "the output, which is relu(x)", likely=_BLOCK, **CLOSE)


def _orders(seen: dict) -> list[dict]:
    """The layers as listed, and with the shortcut's norm listed first or second: a matter of taste."""
    norms = seen["norms"]
    found = [seen]
    if len(norms) == 3:
        found += [seen | {"norms": [norms[1], norms[2], norms[0]]}, seen | {"norms": [norms[0], norms[2], norms[1]]}]
    return found


def _close(got: Any, want: torch.Tensor) -> bool:
    return got.shape == want.shape and torch.allclose(got, want, rtol=1e-9, atol=1e-9)


def make_resnet(make_resnet, ResidualBlock):
    """Hidden test of the network: counts, layers, sizes of maps, gradients at the start, evaluation."""
    _, describe, slopes, answers = ship(_DRIVER, "tools")()
    with hidden("Exercise 6: make_resnet") as expect:
        for args, options, count in (
            ((3,), {}, 272_474),
            ((3,), {"residual": False}, 269_722),
            ((9,), {}, 855_770),
            ((2,), {"width": 4, "num_classes": 7, "c_in": 1}, None),
            ((1,), {"width": 6, "num_classes": 3, "c_in": 2, "residual": False}, None),
        ):
            text = "".join(f", {name}={value}" for name, value in options.items())
            expect.case(f"make_resnet({args[0]}{text}) on pictures of 15 x 12")
            shape = (2, options.get("c_in", 3), 15, 12)
            seen = observe(describe, make_resnet, ResidualBlock, args, options, shape, time_limit=20.0).value
            want = _plan(args[0], **options)
            if count is not None:
                expect.equal(seen["count"], count, "the number of parameters", likely=_COUNT)
            expect.equal(seen["y"], [2, options.get("num_classes", 10)], "the shape of the output")
            hint = "stem, then n blocks each of width, 2 width, 4 width; the first block of stages 2 and 3 has stride 2"
            expect.equal(seen["convs"], want["convs"], "the shapes and strides of all convolutions", likely=hint)
            expect.equal(seen["sizes"], want["sizes"], "the sizes of all maps", likely=hint)
            width, classes = options.get("width", 16), options.get("num_classes", 10)
            expect.equal(seen["linears"], [[classes, 4 * width]], "the linear layers", likely="one, behind the mean")
            expect.equal(seen["biases"], 0, "the number of convolutions with a bias", likely=_COUNT)
            hint = "one norm object for each convolution: an object used twice mixes up two statistics"
            expect.equal(seen["norms"], len(want["convs"]), "the number of norms", likely=hint)

        generator = torch.Generator().manual_seed(62)
        x = drawn(generator, 8, 3, 8, 8, dtype=torch.float32)
        y = torch.arange(8)
        for residual in (True, False):
            expect.case(f"56 layers, residual={residual}: the gradient in the first and in the last convolution")
            found = observe(slopes, make_resnet, ResidualBlock, residual, x, y, 63, time_limit=20.0).value
            expect.equal(len(found), 55, "the number of 3x3 convolutions with a gradient")
            ratio = found[0] / max(found[-1], 1e-30)
            # right, 3 seeds: 9.3 to 11.8 with skips, 1042 to 1220 without
            hint = "y = relu(branch + shortcut(x)) with skips, relu(branch) without; no norm may be left out"
            fine = ratio < 100 if residual else ratio > 200
            expect.true(fine, f"the first gradient is {ratio:.3g} times the last", likely=hint)

        expect.case("make_resnet(1, width=4), eight pictures, training and evaluation")
        x = drawn(generator, 8, 3, 8, 8, dtype=torch.float32)
        seen = observe(answers, make_resnet, ResidualBlock, {"width": 4}, x, 64, time_limit=20.0).value
        expect.equal(seen["x"], seen["before"], "x after the call")
        expect.equal(seen["eval"], seen["again"], "two evaluations of the same pictures")
        hint = "in evaluation nothing depends on the other pictures"
        expect.close(seen["alone"], seen["eval"][:1], "a picture alone", rtol=1e-4, atol=1e-4, likely=hint)
        apart = (seen["train"] - seen["eval"]).abs().max().item()
        expect.true(apart > 1e-4, "train and eval mode give the same: where are the norms?")


def _plan(n: int, width: int = 16, num_classes: int = 10, c_in: int = 3, residual: bool = True) -> dict:
    """All convolutions, as [out, in, kh, kw, stride, stride], and the sizes of their maps, for pictures of 15 x 12."""
    convs, sizes = [[width, c_in, 3, 3, 1, 1]], [[width, 15, 12]]
    before, height, cols = width, 15, 12
    for stage in range(3):
        out = width * 2**stage
        for i in range(n):
            stride = 2 if stage and i == 0 else 1
            height, cols = -(-height // stride), -(-cols // stride)
            convs += [[out, before, 3, 3, stride, stride], [out, out, 3, 3, 1, 1]]
            sizes += [[out, height, cols]] * 2
            if residual and (stride != 1 or before != out):
                convs.append([out, before, 1, 1, stride, stride])
                sizes.append([out, height, cols])
            before = out
    return {"convs": sorted(convs), "sizes": sorted(sizes)}
