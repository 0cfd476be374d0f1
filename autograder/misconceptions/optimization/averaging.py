"""Wrong answers to exercise 9: gradient noise, averaged weights, the update ratio."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_noise = wrongs_of("ex9-gradient-noise")
_ema = wrongs_of("ex9-ema")
_ratio = wrongs_of("ex9-update-ratio")

_SWAP = (
    "live = {name: value.clone() for name, value in self.model.state_dict().items()}\n"
    "        self.model.load_state_dict(self.shadow)\n        self.shadow = live"
)
_AVERAGE = "self.shadow[name].mul_(self.gamma).add_((1 - self.gamma) * value)"
_START = "{name: value.detach().clone() for name, value in model.state_dict().items()}"
_RATIO = "return math.sqrt(moved / size)"

MISCONCEPTIONS = [
    _noise(
        "variance-for-standard-deviation",
        ("std = math.sqrt(eta / (1 + k) ** gamma)", "std = eta / (1 + k) ** gamma"),
        says="is the VARIANCE",
        hint="eta / (1 + k)^gamma is the variance; randn is multiplied by its root.",
    ),
    _noise(
        "gamma-as-a-factor",
        ("math.sqrt(eta / (1 + k) ** gamma)", "math.sqrt(eta / ((1 + k) * gamma))"),
        says="the standard deviation of the noise",
        hint="As misprinted in one of the sources: gamma is an exponent.",
    ),
    _noise(
        "the-same-noise-for-all",
        (
            "    for p in params:\n        if p.grad is not None:\n            noise = torch.randn(p.grad.shape, "
            "generator=generator, dtype=p.grad.dtype, device=p.grad.device)\n",
            "    many = torch.randn(10**5, generator=generator)\n    for p in params:\n        if p.grad is not None:\n"
            "            noise = many[: p.grad.numel()].reshape(p.grad.shape).to(p.grad.dtype)\n",
        ),
        says="two parameters must not get the same noise",
        hint="Draw anew for each parameter.",
    ),
    _noise(
        "one-number-for-all-entries",
        ("torch.randn(p.grad.shape,", "torch.randn((),"),
        says="the standard deviation of the noise",
        hint="Each entry gets noise of its own: randn with the shape of the gradient.",
    ),
    _noise(
        "noise-instead-of-gradient",
        ("p.grad.add_(std * noise)", "p.grad.copy_(std * noise)"),
        says="noise is ADDED to the gradient",
        hint="The noise is added to the gradient, it does not replace it.",
    ),
    _noise(
        "uniform-noise",
        ("torch.randn(p.grad.shape,", "12**0.5 * torch.rand(p.grad.shape,"),
        says="the mean of the gradient has changed",
        hint="rand is uniform on [0, 1) and never negative: randn.",
    ),
    _noise(
        "counts-from-one",
        ("(1 + k) ** gamma", "max(k, 1) ** gamma"),
        says="times as strong as it should be",
        hint="k counts from 0, so the variance is eta / (1 + k)^gamma.",
    ),
    _noise(
        "global-generator",
        ("generator=generator, dtype", "dtype"),
        says="global generator was used",
        hint="Hand the generator on.",
    ),
    _noise(
        "missing-gradient-gets-noise",
        (
            "        if p.grad is not None:\n            noise",
            "        if p.grad is None:\n            p.grad = torch.zeros_like(p)\n        if True:\n            noise",
        ),
        says="parameters without a gradient are skipped",
        hint="A parameter without a gradient is skipped.",
    ),
    _ema(
        "shadow-is-the-live-model",
        (_START, "dict(model.state_dict())"),
        says="keep a copy, not the live weight",
        hint="state_dict holds the live tensors: clone them, or the average changes with every step.",
    ),
    _ema(
        "roles-of-gamma-exchanged",
        (_AVERAGE, "self.shadow[name].mul_(1 - self.gamma).add_(self.gamma * value)"),
        says="gamma is the share of the OLD average",
        hint="gamma = 0.9 keeps 0.9 of the average and takes 0.1 of the model.",
    ),
    _ema(
        "starts-at-zero",
        ("value.detach().clone() for name, value in model", "torch.zeros_like(value) for name, value in model"),
        says="the average before an update",
        hint="It starts at the model's values: from 0 it would need a correction as in Adam.",
    ),
    _ema(
        "parameters-only",
        (_START, "{name: value.detach().clone() for name, value in model.named_parameters()}"),
        (
            "for name, value in self.model.state_dict().items():\n            if value",
            "for name, value in self.model.named_parameters():\n            if value",
        ),
        (
            _SWAP,
            "live = {name: value.detach().clone() for name, value in self.model.named_parameters()}\n"
            "        self.model.load_state_dict(self.shadow, strict=False)\n        self.shadow = live",
        ),
        says="the names in shadow",
        hint="Averaged weights with the live running statistics of batch norm do not fit: average the buffers too.",
    ),
    _ema(
        "swap-only-there",
        (_SWAP, "self.model.load_state_dict(self.shadow)"),
        says="swap is an exchange",
        hint="The live weights must be kept in shadow meanwhile, or they are lost.",
    ),
    _ema(
        "shadow-shares-memory-after-a-swap",
        (
            _SWAP,
            "live = dict(self.model.state_dict())\n        self.model.load_state_dict(self.shadow)\n"
            "        self.shadow = live",
        ),
        says="swap is an exchange",
        hint="state_dict holds the live tensors, which load_state_dict overwrites: clone them first.",
    ),
    _ema(
        "whole-numbers-averaged",
        (
            "            else:\n                self.shadow[name].copy_(value)\n",
            "            else:\n"
            "                self.shadow[name] = (self.gamma * self.shadow[name] + (1 - self.gamma) * value).long()\n",
        ),
        says="buffers of whole numbers",
        hint="A counter is no quantity to average: copy it.",
    ),
    _ema(
        "gamma-of-one-passes",
        ("if not 0 <= gamma < 1:", "if not 0 <= gamma <= 1:"),
        says="gamma 1",
        hint="With gamma = 1 the average never moves: refuse it.",
    ),
    _ema(
        "plain-average",
        (_AVERAGE, "self.shadow[name].add_(value).div_(2)"),
        says="gamma is the share of the OLD average",
        hint="This is gamma = 1/2, whatever gamma is.",
    ),
    _ema(
        "new-parameters-on-swap",
        (
            _SWAP,
            "live = {name: value.detach().clone() for name, value in self.model.state_dict().items()}\n"
            "        self.model.load_state_dict({n: v.clone() for n, v in self.shadow.items()}, assign=True)\n"
            "        self.shadow = live",
        ),
        says="the model has other Parameter objects than before",
        hint="An optimiser holds the Parameter objects: copy values into them, do not replace them.",
    ),
    _ratio(
        "ratio-of-the-two-norms",
        ("(b - a).pow(2)", "b.pow(2)"),
        says="the norm of the CHANGE over the norm of the weights",
        hint="As printed in one of the sources, and close to 1 always: the norm of the CHANGE is meant.",
    ),
    _ratio(
        "mean-of-the-ratios",
        (
            "moved = sum(float((b - a).pow(2).sum()) for a, b in zip(before, after, strict=True))\n"
            "    size = sum(float(a.pow(2).sum()) for a in before)\n    return math.sqrt(moved / size)",
            "return sum(float((b - a).norm() / a.norm()) for a, b in zip(before, after, strict=True)) / len(before)",
        ),
        says="each norm over all parameters together",
        hint="A small bias vector would count as much as a large matrix: one norm over all parameters.",
    ),
    _ratio(
        "without-the-root",
        (_RATIO, "return moved / size"),
        says="the norm of the CHANGE over the norm of the weights",
        hint="The norm is the ROOT of the sum of squares.",
    ),
    _ratio(
        "relative-to-the-weights-afterwards",
        ("for a in before)", "for a in after)"),
        says="|after - before| / |before|",
        hint="Relative to the weights BEFORE the update.",
    ),
    _ratio(
        "absolute-values",
        ("(b - a).pow(2).sum()", "(b - a).abs().sum()"),
        ("float(a.pow(2).sum())", "float(a.abs().sum())"),
        (_RATIO, "return moved / size"),
        says="each norm over all parameters together",
        hint="The 2-norm: squares and a root, not absolute values.",
    ),
]
