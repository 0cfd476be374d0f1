"""Wrong answers to exercise 8: the ladder."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_net = wrongs_of("ex8-ladder-mlp")
_loss = wrongs_of("ex8-ladder-loss")

_DOWN = "self.V3, self.V2, self.V1 = nn.Linear(n_classes, h2), nn.Linear(2 * h2, h1), nn.Linear(2 * h1, n)"
_U1 = "u1 = torch.relu(self.V2(torch.cat([u2, h2], dim=1)))"
_OUT = "return logits, self.V1(torch.cat([u1, h1], dim=1))"
_CE = "ce = (torch.logsumexp(labelled, dim=1) - picked).mean()"
_DEN = "den = (x - x_hat).pow(2).sum(dim=1).mean()"
_PASS = "logits, x_hat = model(x + sigma * randn_like(x))"

MISCONCEPTIONS = [
    _net(
        "no-lateral-connections",
        (_DOWN, "self.V3, self.V2, self.V1 = nn.Linear(n_classes, h2), nn.Linear(h2, h1), nn.Linear(h1, n)"),
        (_U1, "u1 = torch.relu(self.V2(u2))"),
        (_OUT, "return logits, self.V1(u1)"),
        says="side by side",
        hint="Without the rungs the picture must be rebuilt from the class alone.",
    ),
    _net(
        "order-of-the-concatenation",
        (_U1, _U1.replace("[u2, h2]", "[h2, u2]")),
        says="in this order",
        hint="The signal from above comes first, the lateral one second.",
    ),
    _net(
        "adds-instead-of-joining",
        (_DOWN, "self.V3, self.V2, self.V1 = nn.Linear(n_classes, h2), nn.Linear(h2, h1), nn.Linear(h1, n)"),
        (_U1, "u1 = torch.relu(self.V2(u2 + h2))"),
        (_OUT, "return logits, self.V1(u1 + h1)"),
        says="side by side",
        hint="[u; h] joins the features: the layer sees both.",
    ),
    _net(
        "relu-on-the-logits",
        ("logits = self.W3(h2)", "logits = torch.relu(self.W3(h2))"),
        says="nothing behind W3",
        hint="Logits may be negative.",
    ),
    _net(
        "relu-on-the-output",
        (_OUT, "return logits, torch.relu(self.V1(torch.cat([u1, h1], dim=1)))"),
        says="nothing behind V1",
        hint="The reconstruction may be negative.",
    ),
    _net(
        "relu-forgotten-on-the-way-down",
        ("u2 = torch.relu(self.V3(logits))", "u2 = self.V3(logits)"),
        says="relu behind V3",
        hint="relu behind V3 and V2.",
    ),
    _net(
        "returns-in-the-other-order",
        (_OUT, "return self.V1(torch.cat([u1, h1], dim=1)), logits"),
        says="the logits",
        hint="forward returns the logits first.",
    ),
    _net(
        "softmax-on-the-logits",
        ("logits = self.W3(h2)", "logits = torch.softmax(self.W3(h2), dim=1)"),
        says="logits",
        hint="The loss wants logits; softmax is part of the cross-entropy.",
    ),
    _loss(
        "den-on-unlabelled-rows-only",
        (_DEN, "den = (x - x_hat)[len(x_lab) :].pow(2).sum(dim=1).mean()"),
        says="ALL B1 + B2 rows",
        hint="Every row teaches the denoiser, also the labelled ones.",
    ),
    _loss(
        "mean-of-two-means",
        (
            _DEN,
            "error = (x - x_hat).pow(2).sum(dim=1)\n    den = error[: len(x_lab)].mean()\n"
            "    if len(x_unl):\n        den = (den + error[len(x_lab) :].mean()) / 2",
        ),
        says="ALL B1 + B2 rows",
        hint="Each row weighs 1 / (B1 + B2), whichever group it belongs to.",
    ),
    _loss(
        "clean-pass-for-the-labels",
        (_PASS, "_, x_hat = model(x + sigma * randn_like(x))\n    logits, _ = model(x)"),
        says="not once",
        hint="The classifier sees the corrupted rows too, in the same single pass.",
    ),
    _loss(
        "labelled-rows-stay-clean",
        (
            _PASS,
            "noise = randn_like(x)\n    noise[: len(x_lab)] = 0\n    logits, x_hat = model(x + sigma * noise)",
        ),
        says="every row is corrupted",
        hint="The input is always corrupted.",
    ),
    _loss(
        "target-is-corrupted",
        (_PASS, "x = x + sigma * randn_like(x)\n    logits, x_hat = model(x)"),
        says="the clean rows",
        hint="The denoising target is the clean row.",
    ),
    _loss(
        "cross-entropy-summed",
        (_CE, _CE.replace(".mean()", ".sum()")),
        says="MEAN over the B1",
        hint="The mean over the labelled rows.",
    ),
    _loss(
        "naive-softmax",
        (_CE, "ce = -(torch.exp(picked) / torch.exp(labelled).sum(dim=1)).log().mean()"),
        says="exp(1000)",
        hint="exp overflows for large logits.",
    ),
    _loss(
        "divided-by-all-rows",
        (_CE, _CE.replace(".mean()", ".sum() / len(x)")),
        says="the cross-entropy",
        hint="Only the B1 labelled rows have a cross-entropy: divide by B1.",
    ),
    _loss(
        "mean-over-dimensions",
        (_DEN, "den = (x - x_hat).pow(2).mean()"),
        says="for every row",
        hint="Sum over the dimensions of a row.",
    ),
    _loss(
        "lambda-forgotten",
        ("return ce + lam * den, ce, den", "return ce + den, ce, den"),
        says="ce + 2 den",
        hint="total = ce + lam * den.",
    ),
    _loss(
        "lambda-on-the-other",
        ("return ce + lam * den, ce, den", "return lam * ce + den, ce, den"),
        says="ce + 2 den",
        hint="total = ce + lam * den.",
    ),
    _loss(
        "no-labels-accepted",
        ("if len(x_lab) == 0:", "if x_lab.ndim == 0:"),
        says="ValueError",
        hint="The mean over no labelled row is nan.",
    ),
]
