"""Wrong answers to exercise 8: the optimisers that divide by a moving average."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_rmsprop = wrongs_of("ex8-rmsprop")
_rmsprop_eps = wrongs_of("ex8-rmsprop", "ex8-rmsprop-eps-test")
_adam = wrongs_of("ex8-adam")
_adam_eps = wrongs_of("ex8-adam", "ex8-adam-eps-test")
_STATE = "[torch.zeros_like(p) for p in self.params]"
_RMS_V = "v.mul_(self.beta).add_((1 - self.beta) * p.grad**2)"
_RMSPROP = "p.sub_(self.lr * p.grad / (v.sqrt() + self.eps))"
_ADAM = "p.sub_(self.lr * m_hat / (v_hat.sqrt() + self.eps))"
_ADAM_M = "m.mul_(beta1).add_((1 - beta1) * p.grad)"
_ADAM_V = "v.mul_(beta2).add_((1 - beta2) * p.grad**2)"

MISCONCEPTIONS = [
    _rmsprop(
        "average-not-its-root",
        (_RMSPROP, "p.sub_(self.lr * p.grad / (v + self.eps))"),
        says="divide by the root of the NEW v",
        hint="Divide by the ROOT of the average of the squares.",
    ),
    _rmsprop(
        "average-updated-after-the-step",
        (f"            {_RMS_V}\n", ""),
        (_RMSPROP, _RMSPROP + f"\n            {_RMS_V}"),
        says="divide by the root of the NEW v",
        hint="Update v first: otherwise the first step divides by eps alone.",
    ),
    _rmsprop(
        "sum-like-adagrad",
        (_RMS_V, "v.add_(p.grad**2)"),
        says="three steps with beta = 0.75",
        hint="RMSprop averages: the past fades with beta, the new square counts 1 - beta.",
    ),
    _rmsprop(
        "new-square-in-full",
        (_RMS_V, "v.mul_(self.beta).add_(p.grad**2)"),
        says="(1 - beta) * g^2",
        hint="An average: the new square gets the weight 1 - beta.",
    ),
    _rmsprop(
        "beta-and-one-minus-beta-exchanged",
        (_RMS_V, "v.mul_(1 - self.beta).add_(self.beta * p.grad**2)"),
        says="Checked",
        hint="beta is the weight of the PAST: 0.99 of the old average stays.",
    ),
    _rmsprop(
        "starts-at-the-first-square",
        (_RMS_V, "v.copy_(p.grad**2) if not v.any() else " + _RMS_V),
        says="three steps with beta = 0.75",
        hint="v starts at zero. (Starting at the first square is a cure for that, but not the rule asked for.)",
    ),
    _rmsprop(
        "corrected-like-adam",
        (
            _RMSPROP,
            'self.t = getattr(self, "t", 0) + 1\n'
            "            p.sub_(self.lr * p.grad / ((v / (1 - self.beta**self.t)).sqrt() + self.eps))",
        ),
        says="three steps with beta = 0.75",
        hint="The bias correction belongs to Adam; RMSprop has none.",
    ),
    _rmsprop(
        "gradient-cut-in-place",
        (_RMS_V, "v.mul_(self.beta).add_((1 - self.beta) * p.grad.pow_(2))"),
        says="three steps with beta = 0.75",
        hint="`pow_` squares the caller's gradient itself. Write p.grad**2.",
    ),
    _rmsprop(
        "beta-of-one-passes",
        ("not 0 <= beta < 1", "not 0 <= beta <= 1"),
        says="these settings are refused",
        hint="With beta = 1 nothing new is ever seen: refuse it.",
    ),
    _rmsprop_eps(
        "eps-inside-the-root",
        (_RMSPROP, "p.sub_(self.lr * p.grad / (v + self.eps).sqrt())"),
        says="eps outside of the root",
        hint="sqrt(v + eps) acts as if eps were its own root: 1e-4 instead of 1e-8.",
    ),
    _rmsprop_eps(
        "eps-added-to-the-average",
        (_RMSPROP, "v.add_(self.eps**2)\n            p.sub_(self.lr * p.grad / v.sqrt())"),
        says="eps outside of the root",
        hint="eps is added when dividing, to the root, and does not enter the average.",
    ),
    _rmsprop_eps(
        "other-default",
        ("eps: float = 1e-8", "eps: float = 1e-10"),
        says="one step for a gradient of 1e-8",
        hint="The default of the exercise is 1e-8.",
    ),
    _rmsprop_eps(
        "largest-of-both",
        (_RMSPROP, "p.sub_(self.lr * p.grad / v.sqrt().clamp(min=self.eps))"),
        says="eps outside of the root",
        hint="eps is added, it is no lower bound.",
    ),
    _adam(
        "no-bias-correction",
        ("m_hat = m / (1 - beta1**self.t)", "m_hat = m"),
        ("v_hat = v / (1 - beta2**self.t)", "v_hat = v"),
        says="correct BOTH averages for their start at zero",
        hint="m and v start at 0 and are too small at first; v more so, which makes the first steps 3 times too large.",
    ),
    _adam(
        "second-moment-not-corrected",
        ("v_hat = v / (1 - beta2**self.t)", "v_hat = v"),
        says="correct BOTH averages for their start at zero",
        hint="As printed in one of the sources: v needs its correction as well.",
    ),
    _adam(
        "first-moment-not-corrected",
        ("m_hat = m / (1 - beta1**self.t)", "m_hat = m"),
        says="correct BOTH averages for their start at zero",
        hint="m starts at 0 as well: without correction the first step is ten times too small.",
    ),
    _adam(
        "clock-starts-at-zero",
        ("        self.t += 1\n        beta1", "        beta1"),
        (_ADAM, _ADAM + "\n        self.t += 1"),
        says="the first step for the gradient (3, -0.01)",
        hint="At the first step t is 1: with t = 0 the correction divides by 0.",
    ),
    _adam(
        "clock-ticks-for-every-parameter",
        ("        self.t += 1\n        beta1", "        beta1"),
        (_ADAM_M, f"self.t += 1\n            {_ADAM_M}"),
        says="parameter",
        hint="t counts the calls of step(), not the parameters: increment it once, before the loop.",
    ),
    _adam(
        "one-second-moment-for-the-whole-parameter",
        (_ADAM_V, "v.mul_(beta2).add_((1 - beta2) * (p.grad**2).sum())"),
        says="the first step for the gradient (3, -0.01)",
        hint="As printed in one of the sources. v is kept coordinate by coordinate, not as one squared norm.",
    ),
    _adam(
        "betas-exchanged",
        ("beta1, beta2 = self.betas", "beta2, beta1 = self.betas"),
        says="three steps for gradients 2, -1, 0.5",
        hint="betas[0] belongs to the gradient, betas[1] to its square.",
    ),
    _adam(
        "correction-without-the-power",
        ("m_hat = m / (1 - beta1**self.t)", "m_hat = m / (1 - beta1)"),
        ("v_hat = v / (1 - beta2**self.t)", "v_hat = v / (1 - beta2)"),
        says="three steps for gradients 2, -1, 0.5",
        hint="The bias fades: the correction is 1 - beta^t, which goes to 1.",
    ),
    _adam(
        "squared-gradient-not-its-root",
        (_ADAM, "p.sub_(self.lr * m_hat / (v_hat + self.eps))"),
        says="the first step for the gradient (3, -0.01)",
        hint="Divide by the ROOT of the second moment.",
    ),
    _adam(
        "gradient-instead-of-its-average",
        (_ADAM, "p.sub_(self.lr * p.grad / (v_hat.sqrt() + self.eps))"),
        says="three steps for gradients 2, -1, 0.5",
        hint="Adam steps along the averaged gradient; with the gradient itself this is RMSprop with correction.",
    ),
    _adam(
        "moments-of-another-optimiser",
        (
            f"self.mean = {_STATE}\n        self.mean_square = {_STATE}",
            f"self.mean = {_STATE}\n        self.mean_square = self.mean",
        ),
        says="Checked",
        hint="Two averages, two tensors: both names stand for the same one.",
    ),
    _adam(
        "second-beta-unchecked",
        ("not all(0 <= beta < 1 for beta in betas)", "not 0 <= betas[0] < 1"),
        says="these settings are refused",
        hint="Both betas must lie in [0, 1).",
    ),
    _adam_eps(
        "eps-inside-the-root",
        (_ADAM, "p.sub_(self.lr * m_hat / (v_hat + self.eps).sqrt())"),
        says="outside of the root",
        hint="As printed in one of the sources. In the published rule eps is added to the root.",
    ),
    _adam_eps(
        "eps-before-the-correction",
        (_ADAM, "p.sub_(self.lr * m_hat / ((v.sqrt() + self.eps) / (1 - beta2**self.t) ** 0.5))"),
        says="added after the correction",
        hint="First correct v, then take the root, then add eps.",
    ),
    _adam_eps(
        "other-default",
        ("eps: float = 1e-8", "eps: float = 1e-7"),
        says="one step for a gradient of 1e-8",
        hint="The default of the exercise is 1e-8.",
    ),
    _adam_eps(
        "eps-forgotten",
        (_ADAM, "p.sub_(self.lr * m_hat / v_hat.sqrt())"),
        says="one step for a gradient of 1e-8",
        hint="Without eps a gradient of 0 gives 0 / 0.",
    ),
]
