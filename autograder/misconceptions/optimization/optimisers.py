"""Wrong answers to exercise 8: momentum, Rprop and AdaGrad."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_momentum = wrongs_of("ex8-sgd", "ex8-sgd-momentum-test")
_nesterov = wrongs_of("ex8-sgd", "ex8-sgd-nesterov-test")
_rprop = wrongs_of("ex8-rprop")
_adagrad = wrongs_of("ex8-adagrad")

_V = "v.mul_(mu).sub_(self.lr * p.grad)"
_MOVE = "p.add_((1 + mu) * v - mu * before if self.nesterov else v)"
_SKIP = "            if p.grad is None:\n                continue\n"
_AS_ZERO = "            if p.grad is None:\n                p.grad = torch.zeros_like(p)\n"
_STATE = "[torch.zeros_like(p) for p in self.params]"
_SHARED = "[torch.zeros(())] * len(self.params)"
_ADAGRAD = "p.sub_(self.lr * p.grad / (s.sqrt() + self.eps))"

MISCONCEPTIONS = [
    _momentum(
        "damped-gradient",
        (_V, "v.mul_(mu).sub_((1 - mu) * self.lr * p.grad)"),
        says="no factor (1 - momentum)",
        hint="Here momentum adds the new gradient in full; with (1 - momentum) every step is ten times smaller.",
    ),
    _momentum(
        "ascends",
        (_V, "v.mul_(mu).add_(self.lr * p.grad)"),
        says="two plain steps",
        hint="The gradient points uphill: v = momentum * v MINUS lr * g.",
    ),
    _momentum(
        "name-bound-anew",
        (_MOVE, "p = p + ((1 + mu) * v - mu * before if self.nesterov else v)"),
        says="only names a new tensor",
        hint="`p = p + v` makes a new tensor and calls it p; the parameter stays where it was: use p.add_(v).",
    ),
    _momentum(
        "velocity-forgotten",
        (_V, "v.copy_(-self.lr * p.grad)"),
        says="three steps with momentum 0.5",
        hint="The velocity remembers: momentum times the old one stays.",
    ),
    _momentum(
        "one-velocity-for-all",
        (f"self.velocity = {_STATE}", "self.velocity = [torch.zeros(1)] * len(self.params)"),
        (f"{_V}\n", "v.resize_(p.shape) if v.shape != p.shape else v\n            v.mul_(mu).sub_(self.lr * p.grad)\n"),
        says="parameter",
        hint="Each parameter has a velocity of its own, of its own shape.",
    ),
    _momentum(
        "gradient-scaled-in-place",
        (_V, "v.mul_(mu).sub_(p.grad.mul_(self.lr))"),
        says="step() changed the gradients",
        hint="`p.grad.mul_` changes the caller's gradient: write lr * p.grad.",
    ),
    _momentum(
        "new-tensor-for-the-parameter",
        (_MOVE, "p.data = p + ((1 + mu) * v - mu * before if self.nesterov else v)"),
        says="the parameters have moved in memory",
        hint="p.data = ... gives the parameter new memory: whoever holds the old one is left behind. Use add_.",
    ),
    _momentum(
        "missing-gradient-counts-as-zero",
        (_SKIP, _AS_ZERO),
        says="changed the gradients",
        hint="A parameter without a gradient is skipped: nothing of it changes, not even through old velocity.",
    ),
    _momentum(
        "missing-gradient-moves-on",
        (_SKIP, "            if p.grad is None:\n                p.add_(v.mul_(mu))\n                continue\n"),
        says="nothing of this parameter changes",
        hint="A parameter without a gradient is skipped, also where its velocity is not zero.",
    ),
    _momentum(
        "generator-walked-through-twice",
        (f"self.velocity = {_STATE}", "self.velocity = [torch.zeros_like(p) for p in params]"),
        ("zip(self.params, self.velocity, strict=True)", "zip(self.params, self.velocity)"),
        says="a generator can be walked through once",
        hint="model.parameters() is a generator and is used up by super().__init__: use self.params.",
    ),
    _momentum(
        "momentum-of-one-passes",
        ("not 0 <= momentum < 1", "not 0 <= momentum <= 1"),
        says="momentum 1",
        hint="With momentum 1 nothing is ever forgotten and a constant force accelerates for ever: refuse it.",
    ),
    _momentum(
        "negative-rate-passes",
        ("if lr < 0 or not", "if not"),
        says="these settings are refused",
        hint="A negative step size climbs uphill: refuse it.",
    ),
    _momentum(
        "rate-of-zero-refused",
        ("if lr < 0 or", "if lr <= 0 or"),
        says="need lr >= 0",
        hint="lr = 0 is allowed (a schedule may end there); only lr < 0 is refused.",
    ),
    _nesterov(
        "plain-momentum",
        (_MOVE, "p.add_(v)"),
        says="with the same velocity as the heavy ball",
        hint="This is the heavy ball: nesterov looks ahead along the new velocity.",
    ),
    _nesterov(
        "new-velocity-twice",
        (_MOVE, "p.add_((1 + mu) * v - mu * v if self.nesterov else v)"),
        says="psi - mu * v_old + (1 + mu) * v_new",
        hint="Subtract mu times the OLD velocity: keep a copy before you update it.",
    ),
    _nesterov(
        "old-velocity-not-subtracted",
        (_MOVE, "p.add_((1 + mu) * v if self.nesterov else v)"),
        says="psi - mu * v_old + (1 + mu) * v_new",
        hint="The parameters stand at the shifted point already: take the old shift mu * v_old back.",
    ),
    _nesterov(
        "old-velocity-is-an-alias",
        ("before = v.clone()", "before = v"),
        says="psi - mu * v_old + (1 + mu) * v_new",
        hint="`before = v` is the same tensor, and v is changed in place: clone it.",
    ),
    _nesterov(
        "without-momentum-passes",
        ("if nesterov and momentum == 0:", "if nesterov and momentum < 0:"),
        says="nesterov without momentum",
        hint="Without momentum there is no velocity to look ahead along: refuse it.",
    ),
    _nesterov(
        "looks-ahead-with-the-old-velocity",
        (_MOVE, "p.add_(v + mu * (before - v) if self.nesterov else v)"),
        says="psi - mu * v_old + (1 + mu) * v_new",
        hint="The look-ahead goes along the new velocity, and the old shift is taken back.",
    ),
    _rprop(
        "times-the-gradient",
        ("p.sub_(size * sign)", "p.sub_(size * p.grad)"),
        says="steps for three gradients of one sign",
        hint="Rprop uses the sign of the gradient only; its size is what it wants to be independent of.",
    ),
    _rprop(
        "factors-exchanged",
        ("slower, faster = self.etas", "faster, slower = self.etas"),
        says="steps for three gradients of one sign",
        hint="Grow (1.2) while the sign stays, shrink (0.5) when it changes.",
    ),
    _rprop(
        "step-skipped-after-a-change-of-sign",
        (
            "p.sub_(size * sign)\n            last.copy_(sign)",
            "sign = torch.where(agree < 0, torch.zeros_like(sign), sign)\n            p.sub_(size * sign)\n"
            "            last.copy_(sign)",
        ),
        says="step against the new sign",
        hint="torch's version skips the step after a change of sign; the exercise always steps.",
    ),
    _rprop(
        "last-sign-never-kept",
        ("            last.copy_(sign)\n", ""),
        says="is the last sign remembered",
        hint="The comparison is always with the start, so that no step size ever changes: keep the sign.",
    ),
    _rprop(
        "never-clamped",
        ("            size.clamp_(*self.step_sizes)\n", ""),
        says="clamp the step sizes",
        hint="Step sizes stay between the two bounds.",
    ),
    _rprop(
        "remembers-the-tensor-of-the-gradient",
        (
            "for p, size, last in zip(self.params, self.step_size, self.last_sign, strict=True):",
            "for i, (p, size) in enumerate(zip(self.params, self.step_size, strict=True)):",
        ),
        ("agree = sign * last ", "agree = sign * self.last_sign[i].sign() "),
        ("last.copy_(sign)", "self.last_sign[i] = p.grad"),
        says="keep a copy of what you need",
        hint="The tensor of p.grad is overwritten by the next backward: keep a copy, or the sign.",
    ),
    _rprop(
        "zero-counts-as-disagreement",
        ("size[agree < 0] *= slower", "size[agree <= 0] *= slower"),
        says="Checked",
        hint="At the first step and for a zero gradient nothing is known: the size stays as it was.",
    ),
    _rprop(
        "adapts-after-the-step",
        ("            p.sub_(size * sign)\n", ""),
        (
            "            size[agree > 0] *= faster\n",
            "            p.sub_(size * sign)\n            size[agree > 0] *= faster\n",
        ),
        says="steps for three gradients of one sign",
        hint="Adapt first, then step with the new size.",
    ),
    _rprop(
        "one-size-per-parameter-tensor",
        ("size[agree > 0] *= faster", "size[:] *= faster if agree.sum() > 0 else 1.0"),
        ("size[agree < 0] *= slower", "size[:] *= slower if agree.sum() < 0 else 1.0"),
        says="steps for",
        hint="Every single weight has a step size of its own.",
    ),
    _rprop(
        "negative-rate-passes",
        ("if lr < 0:", "if lr is None:"),
        says="these settings are refused",
        hint="A negative step size climbs uphill: refuse it.",
    ),
    _adagrad(
        "one-sum-for-the-whole-parameter",
        ("s.add_(p.grad**2)", "s.add_((p.grad**2).sum())"),
        says="each coordinate has its own sum of squares",
        hint="As printed in some texts. AdaGrad adapts coordinate by coordinate: g * g, not the squared norm.",
    ),
    _adagrad(
        "sum-not-its-root",
        (_ADAGRAD, "p.sub_(self.lr * p.grad / (s + self.eps))"),
        says="the step is divided by its root",
        hint="Divide by the ROOT of the sum of squares.",
    ),
    _adagrad(
        "sum-updated-after-the-step",
        ("            s.add_(p.grad**2)\n", ""),
        (_ADAGRAD, _ADAGRAD + "\n            s.add_(p.grad**2)"),
        says="the steps of coordinate 0",
        hint="Add the new square first: otherwise the first step divides by eps alone.",
    ),
    _adagrad(
        "forgets-like-rmsprop",
        ("s.add_(p.grad**2)", "s.mul_(0.9).add_(0.1 * p.grad**2)"),
        says="each coordinate has its own sum of squares",
        hint="AdaGrad adds up all squares and forgets nothing.",
    ),
    _adagrad(
        "eps-inside-the-root",
        (_ADAGRAD, "p.sub_(self.lr * p.grad / (s + self.eps).sqrt())"),
        says="eps outside of the root",
        hint="eps is added to the root: sqrt(s) + eps.",
    ),
    _adagrad(
        "sum-of-absolute-values",
        ("s.add_(p.grad**2)", "s.add_(p.grad.abs()).sqrt_().square_()"),
        says="each coordinate has its own sum of squares",
        hint="The sum of the SQUARES.",
    ),
    _adagrad(
        "missing-gradient-crashes",
        (_SKIP, ""),
        says="never gets a gradient",
        hint="p.grad may be None: skip that parameter.",
    ),
    _adagrad(
        "rate-frozen-at-the-start",
        (
            "            s.add_(p.grad**2)\n",
            '            self.first = getattr(self, "first", self.lr)\n            s.add_(p.grad**2)\n',
        ),
        (_ADAGRAD, _ADAGRAD.replace("self.lr", "self.first")),
        says="store the step size as self.lr",
        hint="A schedule changes optimizer.lr: read it at every step.",
    ),
    _adagrad(
        "state-shared-by-the-class",
        (f"self.total = {_STATE}", "self.total = [torch.zeros_like(self.params[0])] * len(self.params)"),
        ("s.add_(p.grad**2)", "s = s.expand_as(p).clone() if s.shape != p.shape else s\n            s.add_(p.grad**2)"),
        says="parameter",
        hint="Each parameter has a state of its own: `[zeros] * n` is n times the same tensor.",
    ),
]
