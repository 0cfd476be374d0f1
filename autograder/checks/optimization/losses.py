"""Exercise 1: losses that stay finite. torch's own losses are the oracle."""

from __future__ import annotations

import torch
from coursekit.checking import hidden
from torch.nn import functional as F

from autograder.checks.probe import CLOSE, DTYPES, Probe, dtype_name
from autograder.testing import ship

FORBIDDEN = (
    "torch.nn.functional.cross_entropy",
    "torch.nn.functional.nll_loss",
    "torch.nn.functional.log_softmax",
    "torch.nn.functional.softmax",
    "torch.nn.functional.binary_cross_entropy",
    "torch.nn.functional.binary_cross_entropy_with_logits",
    "torch.nn.functional.mse_loss",
    "torch.binary_cross_entropy_with_logits",
    "torch.log_softmax",
    "torch.softmax",
    "torch.logsumexp",
    "torch.special.log_softmax",
    "torch.special.softmax",
    "torch.special.logsumexp",
    "torch.Tensor.log_softmax",
    "torch.Tensor.softmax",
    "torch.Tensor.logsumexp",
)

# A slip in log_softmax costs its own points, not those of cross_entropy. The name is looked up before it is
# forbidden, and the call goes past the mode that would see it (forbidden.py).
_STAND_IN = """
    import torch
    _given = torch.log_softmax

    def log_softmax(h):
        with torch._C.DisableTorchFunction():
            return _given(h, -1)
"""



def _normal(seed: int, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def _oracle(loss, *args, wrt: int = 0):
    """The value and the gradient that torch's own function gives."""
    args = list(args)
    args[wrt] = args[wrt].clone().requires_grad_()
    value = loss(*args)
    upstream = _normal(7, *value.shape, dtype=value.dtype)
    (grad,) = torch.autograd.grad(value, args[wrt], upstream)
    return value.detach(), grad, upstream


def log_softmax(student):
    """Hidden test of `log_softmax(h[..., K])`."""
    hint = "h - c - log(sum(exp(h - c))), with the sum and c = the largest logit taken over the LAST axis"
    with hidden("Exercise 1: log_softmax") as expect:
        probe = Probe(expect, student, "h", forbidden=FORBIDDEN, time_limit=10.0)
        expect.case("the logits themselves")
        probe(_normal(100, 3, 4))
        for shape in ((7, 5), (1, 3), (4, 1), (2, 3, 4), (6,)):
            for dtype, close in DTYPES:
                expect.case(f"h of shape {shape}, {dtype_name(dtype)}")
                h = _normal(101, *shape, scale=3.0, dtype=dtype)
                want, grad, upstream = _oracle(lambda x: F.log_softmax(x, -1), h)
                seen = probe(h, wrt=(0,), upstream=upstream)
                expect.close(seen.value, want, "log_softmax", likely=hint, **close)
                expect.dtype(seen.value, dtype, "log_softmax")
                expect.close(seen.grads[0], grad, "the gradient of log_softmax", **close)

        expect.case("rows around 10000, around -10000, and both in one row")
        stay = "subtract the LARGEST logit of each ROW before exp: nothing else is safe for every row"
        rows = [[1e4, 9999.0, -1e4], [-1e4, -10001.0, -9998.0], [0.0, 1.0, 2.0], [0.0, 1e4, 1e4]]
        # float32 knows a logit of 10 000 to 1e-3
        for dtype, close in ((torch.float64, CLOSE), (torch.float32, {"rtol": 2e-5, "atol": 2e-3})):
            h = torch.tensor(rows, dtype=dtype)
            want, grad, upstream = _oracle(lambda x: F.log_softmax(x, -1), h)
            seen = probe(h, wrt=(0,), upstream=upstream)
            expect.finite(seen.value, "log_softmax", likely=stay)
            expect.close(seen.value, want, "log_softmax", likely=stay, **close)
            expect.finite(seen.grads[0], "the gradient of log_softmax", likely=stay)
            expect.close(seen.grads[0], grad, "the gradient of log_softmax", likely=stay, **close)

        expect.case("1000 added to every logit, float32")
        h = _normal(102, 3, 5).float() + 1000
        want = F.log_softmax(h.double(), -1)
        # float32 knows logits around 1000 to 6e-5
        expect.close(probe(h).value, want, "log_softmax", rtol=0, atol=1e-4, likely=stay)

        expect.case("h that does not lie in one piece in memory")
        h = _normal(103, 4, 3)
        expect.close(probe(h, apart=True).value, F.log_softmax(h, -1), "log_softmax", **CLOSE)


def cross_entropy(student):
    """Hidden test of `cross_entropy(h[N, K], y)` for class numbers and for soft targets."""
    replacing = {"log_softmax": ship(_STAND_IN, "log_softmax")}
    mean = "minus the mean over the N rows of the log-probability of the right class"
    with hidden("Exercise 1: cross_entropy") as expect:
        probe = Probe(expect, student, "h y", forbidden=FORBIDDEN, replacing=replacing, time_limit=10.0)
        expect.case("logits and targets themselves")
        probe(_normal(110, 3, 4), torch.tensor([3, 0, 1]))
        for n, k in ((7, 5), (1, 3), (4, 1), (3, 10), (4, 4)):
            for dtype, close in DTYPES:
                h = _normal(111, n, k, scale=3.0, dtype=dtype)
                y = torch.arange(n) * 3 % k  # the first and the last class among them
                y[0] = k - 1
                expect.case(f"h of shape {(n, k)}, {dtype_name(dtype)}, y: class numbers")
                _compare(expect, probe, F.cross_entropy, h, y, mean, close)
                expect.case(f"h of shape {(n, k)}, {dtype_name(dtype)}, y: one-hot rows")
                hint = "with float targets: sum y * log f over the K classes, average over the N rows"
                _compare(expect, probe, F.cross_entropy, h, F.one_hot(y, k).to(dtype), hint, close)
                expect.case(f"h of shape {(n, k)}, {dtype_name(dtype)}, y: soft targets")
                soft = F.softmax(_normal(112, n, k, dtype=dtype), -1)
                _compare(expect, probe, F.cross_entropy, h, soft, hint, close)

        expect.case("h = log p and y = p: the loss is the entropy of p")
        p = F.softmax(_normal(113, 5, 3), -1)
        entropy = -(p * p.log()).sum(1).mean()
        expect.close(probe(p.log(), p).value, entropy, "the loss", likely=hint, **CLOSE)

        expect.case("logits of +-10000, all wrong")
        stay = "work with log f: a probability of 0 has no logarithm, and a clamped one has no gradient"
        h = torch.tensor([[1e4, -1e4, 0.0], [0.0, 1e4, -1e4]], dtype=torch.float64)
        for y in (torch.tensor([1, 0]), torch.eye(3, dtype=torch.float64)[[1, 0]]):
            _compare(expect, probe, F.cross_entropy, h, y, stay, CLOSE)

        expect.case("h that does not lie in one piece in memory")
        h, y = _normal(114, 4, 3), torch.tensor([2, 0, 1, 1])
        expect.close(probe(h, y, apart=True).value, F.cross_entropy(h, y), "the loss", **CLOSE)

        _refusals(expect, probe)


def _compare(expect, probe, loss, h, y, hint, close) -> None:
    want, grad, upstream = _oracle(loss, h, y)
    seen = probe(h, y, wrt=(0,), upstream=upstream)
    expect.shape(seen.value, (), "the loss, one number")
    expect.finite(seen.value, "the loss", likely=hint)
    expect.close(seen.value, want, "the loss", likely=hint, **close)
    expect.dtype(seen.value, h.dtype, "the loss")
    expect.close(seen.grads[0], grad, "the gradient of the loss in the logits", likely=hint, **close)


def _refusals(expect, probe) -> None:
    h, row = torch.zeros(4, 3), torch.full((4, 3), 1 / 3)
    number = torch.tensor([0, 1, 2, 0])
    shape = "compare the shapes first: torch broadcasts what does not fit, without a word"
    bad = {
        "an empty batch, h of shape (0, 3)": (h[:0], number[:0]),
        "an empty batch with soft targets": (h[:0], row[:0]),
        "h of shape (3,) without a batch axis": (h[0], number[0]),
        "h of shape (4, 3, 2)": (torch.zeros(4, 3, 2), torch.zeros(4, 2).long()),
        "h of shape (4, 3, 2) and soft targets of that shape": (torch.zeros(4, 3, 2), torch.zeros(4, 3, 2)),
        "class numbers of shape (4, 1)": (h, number[:, None]),
        "class numbers of shape (1, 4)": (h, number[None]),
        "class numbers of shape (1,) for 4 rows": (h, number[:1]),
        "class numbers of shape (5,) for 4 rows": (h, torch.zeros(5).long()),
        "class numbers of shape () for 4 rows": (h, number[0]),
        "soft targets of shape (4, 1)": (h, row[:, :1]),
        "soft targets of shape (1, 3)": (h, row[:1]),
        "soft targets of shape (3,)": (h, row[0]),
        "soft targets of shape (3, 4)": (h, row.T),
    }
    for case, arguments in bad.items():
        expect.case(case)
        probe.refuses("an empty batch and shapes that do not fit are refused", *arguments, likely=shape)
    for wrong in (-1, 3, -100, 7):
        for place in (0, 3):
            expect.case(f"class number {wrong} in row {place} where K = 3")
            y = number.clone()
            y[place] = wrong
            hint = "y.min() and y.max() tell; index -1 would silently be the last class"
            probe.refuses("class numbers outside 0 ... K-1 are refused", h, y, likely=hint)


def bce(student):
    """Hidden test of `bce_with_logits(z[N], y[N])`."""
    hint = "the minus stands before the whole bracket: -(y log p + (1 - y) log(1 - p)), averaged over N"
    with hidden("Exercise 1: bce_with_logits") as expect:
        probe = Probe(expect, student, "z y", forbidden=FORBIDDEN, time_limit=10.0)
        expect.case("logits and targets themselves")
        probe(_normal(120, 3), torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64))
        for n in (6, 1, 5):
            for dtype, close in DTYPES:
                z = _normal(121, n, scale=3.0, dtype=dtype)
                for kind, y in (
                    ("0 and 1", (torch.arange(n) % 2).to(dtype)),
                    ("1 and 0", (1 - torch.arange(n) % 2).to(dtype)),
                    ("between 0 and 1", torch.linspace(0.1, 0.8, n, dtype=dtype)),
                ):
                    expect.case(f"z of shape {(n,)}, {dtype_name(dtype)}, y: {kind}")
                    _compare(expect, probe, F.binary_cross_entropy_with_logits, z, y, hint, close)

        for size in (200.0, 1000.0, 1e4):
            expect.case(f"z = +-{size:g}")
            stay = "max(z, 0) - z y + log(1 + exp(-|z|)) never overflows; a clamped probability has no gradient"
            z = torch.tensor([size, size, -size, -size, 0.3], dtype=torch.float64)
            y = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
            for dtype, close in DTYPES:
                _compare(expect, probe, F.binary_cross_entropy_with_logits, z.to(dtype), y.to(dtype), stay, close)

        expect.case("z = 0, y = 0, 1 and 0.25")
        kink = "at z = 0 clamp and abs have a kink: max(z, 0) as torch.maximum, or softplus(z) - z y, is smooth"
        z, y = torch.zeros(3, dtype=torch.float64), torch.tensor([0.0, 1.0, 0.25], dtype=torch.float64)
        _compare(expect, probe, F.binary_cross_entropy_with_logits, z, y, kink, CLOSE)

        expect.case("z and y that do not lie in one piece in memory")
        z, y = _normal(122, 5), torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0], dtype=torch.float64)
        want = F.binary_cross_entropy_with_logits(z, y)
        expect.close(probe(z, y, apart=True).value, want, "the loss", **CLOSE)

        _unlike(expect, probe, [((3, 1), (3,)), ((3,), (3, 1)), ((3,), (4,)), ((3,), (1,)), ((1,), (3,))])
        for case, shape in (("an empty batch", (0,)),):
            expect.case(case)
            probe.refuses("an empty batch is refused", torch.zeros(shape), torch.zeros(shape))


def _unlike(expect, probe, pairs) -> None:
    for left, right in pairs:
        expect.case(f"shapes {left} and {right}")
        hint = "compare the shapes first: torch broadcasts [N, 1] against [N] to [N, N], without a word"
        probe.refuses("shapes that differ are refused", torch.zeros(left), torch.zeros(right), likely=hint)


def mse(student):
    """Hidden test of `mse(f[N, K], y[N, K])`."""
    hint = "add up the squares over the K outputs, average over the N rows: torch's mse_loss divides by N K"
    with hidden("Exercise 1: mse") as expect:
        probe = Probe(expect, student, "f y", forbidden=FORBIDDEN, time_limit=10.0)
        expect.case("predictions and targets themselves")
        probe(_normal(130, 3, 2), _normal(135, 3, 2))
        for n, k in ((3, 2), (5, 4), (1, 3), (6, 1)):
            for dtype, close in DTYPES:
                expect.case(f"f and y of shape {(n, k)}, {dtype_name(dtype)}")
                f, y = _normal(131, n, k, dtype=dtype), _normal(132, n, k, dtype=dtype)
                _compare(expect, probe, lambda a, b: F.mse_loss(a, b) * a.shape[1], f, y, hint, close)
        expect.case("f and y that do not lie in one piece in memory")
        f, y = _normal(133, 4, 3), _normal(134, 4, 3)
        want = F.mse_loss(f, y) * 3
        expect.close(probe(f, y, apart=True).value, want, "the loss", likely=hint, **CLOSE)
        pairs = [((3, 1), (3,)), ((3, 2), (3, 1)), ((3, 2), (2,)), ((3, 2), (1, 2)), ((1, 2), (3, 2))]
        _unlike(expect, probe, [*pairs, ((3, 2), (2, 3)), ((3, 2), (4, 2)), ((3, 2), (3, 3))])
        expect.case("an empty batch, shape (0, 2)")
        probe.refuses("an empty batch is refused", torch.zeros(0, 2), torch.zeros(0, 2))
