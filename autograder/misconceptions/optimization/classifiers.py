"""Wrong answers to exercise 2: from the step unit to logistic regression."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_xor = wrongs_of("ex2-xor-network")
_perceptron = wrongs_of("ex2-perceptron")
_grad = wrongs_of("ex2-logistic-grad")
_fit = wrongs_of("ex2-logistic-fit")

_UPDATE = "w = w + y_i * x_i"
_LOSS = "loss = (torch.logaddexp(z, torch.zeros_like(z)) - y * z).mean()"

MISCONCEPTIONS = [
    _xor(
        "or-network",
        ("torch.tensor([1.0, -1.0])", "torch.tensor([1.0, 1.0])"),
        says="the outputs for (0,0), (0,1), (1,0), (1,1)",
        hint="This answers OR. The unit that sees both inputs on has to switch the output off: a negative weight.",
    ),
    _xor(
        "and-network",
        ("torch.tensor([1.0, -1.0])", "torch.tensor([0.0, 1.0])"),
        says="the outputs for (0,0), (0,1), (1,0), (1,1)",
        hint="This answers AND.",
    ),
    _xor(
        "thresholds-with-the-wrong-sign",
        ("torch.tensor([-0.5, -1.5])", "torch.tensor([0.5, 1.5])"),
        says="the outputs for (0,0), (0,1), (1,0), (1,1)",
        hint="A unit fires if W x + b > 0: to fire from 0.5 on, b must be -0.5.",
    ),
    _xor(
        "cuts-through-the-points",
        ("torch.tensor([-0.5, -1.5])", "torch.tensor([-1.0, -2.0])"),
        ("b2 = torch.tensor(-0.5)", "b2 = torch.tensor(-1.0)"),
        says="step(0) is 0",
        hint="These thresholds fit a step that fires AT 0; this one fires above it: put the cuts between the values.",
    ),
    _xor(
        "both-hidden-units-alike",
        ("torch.tensor([-0.5, -1.5])", "torch.tensor([-0.5, -0.5])"),
        says="the outputs for (0,0), (0,1), (1,0), (1,1)",
        hint="Two equal hidden units cut the plane in the same place: one straight line cannot do XOR.",
    ),
    _xor(
        "bias-with-an-axis",
        ("b2 = torch.tensor(-0.5)", "b2 = torch.tensor([-0.5])"),
        says="b2",
        hint="b2 is a single number: a tensor with no axes, `torch.tensor(-0.5)`.",
    ),
    _perceptron(
        "updates-on-every-example",
        ("if y_i * (w @ x_i) <= 0:", "if y_i * (w @ x_i) <= 0 or True:"),
        says="the weights for AND",
        hint="Only mistakes are corrected; on a right answer the perceptron does nothing.",
    ),
    _perceptron(
        "zero-score-counts-as-right",
        ("(w @ x_i) <= 0", "(w @ x_i) < 0"),
        says="a score of exactly 0 is a mistake",
        hint="At w = 0 every score is 0: if that is no mistake, nothing ever happens.",
    ),
    _perceptron(
        "labels-zero-and-one-in-the-update",
        (_UPDATE, "w = w + (y_i + 1) / 2 * x_i"),
        says="the weights for AND",
        hint="With labels 0 and 1 the examples of one class never change w. Here y is -1 or +1.",
    ),
    _perceptron(
        "corrects-once-an-epoch",
        (_UPDATE, "total = total + y_i * x_i"),
        ("        mistakes = 0\n", "        mistakes, total = 0, torch.zeros_like(w)\n"),
        ("        n_updates += mistakes\n", "        n_updates += mistakes\n        w = w + total\n"),
        says="correct each mistake at once",
        hint="The next example must already see the corrected weights: update at once, not at the end of the epoch.",
    ),
    _perceptron(
        "counts-epochs",
        ("n_updates += mistakes", "n_updates += 1"),
        says="count corrections, not epochs",
        hint="n_updates counts the corrections of w, several in one epoch.",
    ),
    _perceptron(
        "counts-the-last-epoch-only",
        ("n_updates += mistakes", "n_updates = mistakes"),
        says="count corrections, not epochs",
        hint="n_updates is the number of corrections in all epochs together.",
    ),
    _perceptron(
        "converged-means-an-epoch-without-mistakes",
        ("converged = bool((y * (X @ w) > 0).all())", "converged = mistakes == 0"),
        says="does the returned w give every row a score of the right sign",
        hint="The last correction may have been the one that was missing: test the weights that you return.",
    ),
    _perceptron(
        "forgets-the-label",
        (_UPDATE, "w = w + x_i"),
        says="the weights for AND",
        hint="The correction is y * x: examples of class -1 are subtracted.",
    ),
    _perceptron(
        "learning-rate-of-a-half",
        (_UPDATE, "w = w + 0.5 * y_i * x_i"),
        says="the weights for AND",
        hint="Rosenblatt's rule adds y * x itself, without a learning rate.",
    ),
    _perceptron(
        "starts-at-one",
        ("w = torch.zeros(", "w = torch.ones("),
        says="the number of updates for AND",
        hint="w starts at zero.",
    ),
    _perceptron(
        "labels-unchecked",
        ("if not bool((y.abs() == 1).all()):", "if len(y) != len(X):"),
        says="labels 0 and 1",
        hint="With a label 0 the product y * score is 0 for ever: refuse all labels but -1 and +1.",
    ),
    _perceptron(
        "only-zero-labels-refused",
        ("if not bool((y.abs() == 1).all()):", "if bool((y == 0).any()):"),
        says="labels other than -1 and +1 are refused",
        hint="2 and -2 are no labels either: allow -1 and +1 only.",
    ),
    _perceptron(
        "one-epoch-only",
        ("for _ in range(max_epochs):", "for _ in range(1):"),
        says="the weights for AND",
        hint="Go through the data again until an epoch passes without a mistake, at most max_epochs times.",
    ),
    _grad(
        "without-1-over-n",
        ("X.T @ error / len(X)", "X.T @ error"),
        says="the loss is a mean, so its gradient has the 1/N too",
        hint="The loss is a mean over N examples, and so is its gradient.",
    ),
    _grad(
        "bias-gradient-forgotten",
        (", error.mean()", ", torch.zeros_like(b)"),
        says="gb against a central difference",
        hint="The bias is an input that is always 1: its gradient is the mean of sigmoid(z) - y.",
    ),
    _grad(
        "bias-gradient-summed",
        (", error.mean()", ", error.sum()"),
        says="gb against a central difference",
        hint="The 1/N belongs to the gradient in b as well.",
    ),
    _grad(
        "truth-minus-prediction",
        ("error = torch.sigmoid(z) - y", "error = y - torch.sigmoid(z)"),
        says="gw[0] against a central difference",
        hint="The gradient is prediction minus truth; the minus of the descent comes later, in the step.",
    ),
    _grad(
        "derivative-of-the-sigmoid-left-in",
        ("error = torch.sigmoid(z) - y", "p = torch.sigmoid(z)\n    error = (p - y) * p * (1 - p)"),
        says="gw[0] against a central difference",
        hint="With cross-entropy the factor p (1 - p) cancels; it would stay with a squared error.",
    ),
    _grad(
        "logarithm-of-zero",
        (_LOSS, "p = torch.sigmoid(z)\n    loss = -(y * p.log() + (1 - y) * (1 - p).log()).mean()"),
        says="the loss at scores around 1000",
        hint="sigmoid(1000) is 1 and log(1 - 1) infinite: use softplus(z) - y z.",
    ),
    _grad(
        "exponential-overflows",
        (_LOSS, "loss = (y * torch.log1p(torch.exp(-z)) + (1 - y) * torch.log1p(torch.exp(z))).mean()"),
        says="the loss at scores around 1000",
        hint="exp(1000) is infinite, and infinity times 0 is nan: use torch.logaddexp or F.softplus.",
    ),
    _grad(
        "autograd",
        (
            "error = torch.sigmoid(z) - y  # [N]\n    return loss, X.T @ error / len(X), error.mean()",
            "v, c = w.clone().requires_grad_(), b.clone().requires_grad_()\n"
            "    out = (torch.logaddexp(X @ v + c, torch.zeros(len(X), dtype=X.dtype)) - y * (X @ v + c)).mean()\n"
            "    return loss, *torch.autograd.grad(out, (v, c))",
        ),
        says="may not be used in this exercise",
        hint="The exercise is to write the gradient by formula: X.T @ (sigmoid(z) - y) / N.",
    ),
    _grad(
        "labels-unchecked",
        ("if not bool(((y == 0) | (y == 1)).all()):", "if len(y) != len(X):"),
        says="labels other than 0 and 1 are refused",
        hint="Labels -1 and +1 give a loss without meaning, and no error: refuse them.",
    ),
    _grad(
        "bias-not-in-the-score",
        ("z = X @ w + b", "z = X @ w"),
        says="the mean loss of 5 points",
        hint="The score is X w + b.",
    ),
    _grad(
        "sum-as-loss",
        (_LOSS, _LOSS.replace(".mean()", ".sum()")),
        says="the mean loss of 5 points",
        hint="The loss is the mean over the N examples.",
    ),
    _fit(
        "records-after-the-step",
        ("        losses.append(loss)\n", ""),
        (
            "        b = b - lr * gb\n    losses.append(logistic_grad(X, y, w, b)[0])",
            "        b = b - lr * gb\n        losses.append(logistic_grad(X, y, w, b)[0])\n"
            "    losses.append(logistic_grad(X, y, w, b)[0])",
        ),
        says="record the loss BEFORE each step",
        hint="losses[0] is the loss at the start: record it before the first step.",
    ),
    _fit(
        "ascends",
        ("w = w - lr * gw", "w = w + lr * gw"),
        says="w minus lr times the gradient",
        hint="The gradient points uphill: subtract it.",
    ),
    _fit(
        "bias-not-trained",
        ("        b = b - lr * gb\n", ""),
        says="- lr * gb",
        hint="The bias is a parameter like the weights: it takes a step as well.",
    ),
    _fit(
        "last-loss-missing",
        ("    losses.append(logistic_grad(X, y, w, b)[0])\n", ""),
        says="the loss before the step and the loss after it",
        hint="There are steps + 1 losses: one more after the last step.",
    ),
    _fit(
        "start-changed-in-place",
        ("w = w - lr * gw", "w -= lr * gw"),
        says="w0 after the call",
        hint="`w -= ...` writes into the w0 that the caller handed in. Write `w = w - ...`, or start from a clone.",
    ),
    _fit(
        "ignores-the-start",
        ("w = X.new_zeros(X.shape[1]) if w0 is None else w0", "w = X.new_zeros(X.shape[1])"),
        says="losses[0], the loss at the start",
        hint="Start from w0 and b0 where they are given.",
    ),
    _fit(
        "step-divided-by-n",
        ("w = w - lr * gw", "w = w - lr * gw / len(X)"),
        says="the weight after one step of size 1",
        hint="The gradient is a mean already: dividing by N again makes the step N times too small.",
    ),
    _fit(
        "bias-steps-with-the-new-weights",
        ("        b = b - lr * gb\n", "        b = b - lr * logistic_grad(X, y, w, b)[2]\n"),
        says="b after the last step",
        hint="Both gradients belong to the same point: take them together, then move w and b.",
    ),
]
