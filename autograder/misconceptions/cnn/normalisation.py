"""Wrong answers to exercise 5: batch normalisation of maps."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_train = wrongs_of("ex5-batch-norm", "ex5-batch-norm-train-test")
_gradients = wrongs_of("ex5-batch-norm", "ex5-batch-norm-gradients-test")
_running = wrongs_of("ex5-batch-norm", "ex5-batch-norm-running-test")
_eval = wrongs_of("ex5-batch-norm", "ex5-batch-norm-eval-test")

_STATISTICS = "mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)"
_SCALE = "scale = self.weight / torch.sqrt(var + self.eps)"
_RETURN = "return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]"
_MEAN = "self.running_mean.lerp_(mean, self.momentum)"
_VAR = "self.running_var.lerp_(var * n / (n - 1), self.momentum)"
_FROZEN = "            mean, var = self.running_mean, self.running_var\n"

MISCONCEPTIONS = [
    _train(
        "uses-torch-by-another-name",
        ("class BatchNorm2d", "from torch.nn.functional import batch_norm as _normalised\n\n\nclass BatchNorm2d"),
        (
            _SCALE,
            "buffers = self.running_mean, self.running_var\n"
            "        return _normalised(x, *buffers, self.weight, self.bias, self.training, self.momentum, self.eps)\n"
            f"        {_SCALE}",
        ),
        says="torch.nn.functional.batch_norm may not be used in this exercise",
        hint="The point of the exercise is to write batch normalisation yourself.",
    ),
    _train(
        "per-pixel",
        (
            _SCALE,
            "if self.training and len(x) > 1:\n            m, v = x.mean(0), x.var(0, correction=0)\n"
            "            gain, shift = self.weight[:, None, None], self.bias[:, None, None]\n"
            "            return (x - m) / torch.sqrt(v + self.eps) * gain + shift\n"
            f"        {_SCALE}",
        ),
        says="the variance of each channel",
        hint="Statistics over the batch only, one for each pixel, break the equivariance. Pixels are examples too.",
    ),
    _train(
        "per-picture",
        (
            _SCALE,
            "if self.training:\n            m = x.mean((2, 3), keepdim=True)\n"
            "            v = x.var((2, 3), correction=0, keepdim=True)\n"
            "            gain, shift = self.weight[:, None, None], self.bias[:, None, None]\n"
            "            return (x - m) / torch.sqrt(v + self.eps) * gain + shift\n"
            f"        {_SCALE}",
        ),
        says="entry by entry",
        hint="Statistics of each picture for itself are instance norm. Batch norm takes the whole batch together.",
    ),
    _train(
        "all-channels-together",
        (
            _SCALE,
            "if self.training:\n            mean, var = mean * 0 + x.mean(), var * 0 + x.var(correction=0)\n"
            f"        {_SCALE}",
        ),
        says="the mean of each channel",
        hint="Every channel has a mean and a variance of its own.",
    ),
    _train(
        "broadcast-along-the-width",
        (
            _RETURN,
            "if x.shape[3] == x.shape[2] == x.shape[1]:\n            return (x - mean) * scale + self.bias\n"
            f"        {_RETURN}",
        ),
        says="the mean of each channel",
        hint="A [C] broadcasts over the last axis: give it the shape [C, 1, 1].",
    ),
    _train(
        "normalises-with-the-unbiased-variance",
        (_SCALE, f"if self.training:\n            var = var * n / (n - 1)\n        {_SCALE}"),
        says="biased",
        hint="For normalising, the variance is divided by N H W; the unbiased one is for the running statistics only.",
    ),
    _train(
        "eps-outside-of-the-root",
        ("torch.sqrt(var + self.eps)", "(torch.sqrt(var) + self.eps)"),
        says="eps is added to the variance",
        hint="eps goes under the root, to the variance.",
    ),
    _train(
        "fixed-eps",
        ("torch.sqrt(var + self.eps)", "torch.sqrt(var + 1e-5)"),
        says="eps is added to the variance",
        hint="Use the eps that the layer was made with.",
    ),
    _train(
        "gamma-ignored",
        (_SCALE, "scale = 1 / torch.sqrt(var + self.eps)"),
        says="each channel is scaled by its weight (gamma)",
        hint="After normalising comes the layer's own scale: times weight, plus bias.",
    ),
    _train(
        "bias-ignored",
        (_RETURN, "return (x - mean[:, None, None]) * scale[:, None, None]"),
        says="then shifted by its bias",
        hint="The last step adds the bias of each channel.",
    ),
    _train(
        "bias-scaled-too",
        (_RETURN, "return (x - mean[:, None, None] + self.bias[:, None, None]) * scale[:, None, None]"),
        says="the output",
        hint="First scale, then shift: the bias is not divided by the deviation.",
    ),
    _train(
        "one-value-passes",
        ("if n == 1:", "if n == 0:"),
        says="one value per channel in training",
        hint="The variance of one value is 0 and its unbiased version 0/0: refuse it in training.",
    ),
    _train(
        "channels-unchecked",
        ("if x.ndim != 4 or x.shape[1] != len(self.weight):", "if x.ndim != 4:"),
        says="2 channels instead of 3",
        hint="Compare the number of channels: with one channel the weights would broadcast without a word.",
    ),
    _gradients(
        "statistics-detached",
        (_STATISTICS, _STATISTICS.replace("x.mean", "x.detach().mean").replace("x.var", "x.detach().var")),
        says="do not detach its mean and variance",
        hint="Mean and variance depend on x: the gradient flows through them as well.",
    ),
    _gradients(
        "variance-detached",
        (_STATISTICS, _STATISTICS.replace("x.var", "x.detach().var")),
        says="do not detach them",
        hint="The variance depends on x too.",
    ),
    _gradients(
        "weight-not-in-the-graph",
        (_SCALE, _SCALE.replace("self.weight", "self.weight.detach()")),
        says="the output does not depend on x, weight and bias",
        hint="The weight is trained: do not detach it.",
    ),
    _gradients(
        "mean-under-no-grad",
        (
            _STATISTICS,
            "with torch.no_grad():\n                mean = x.mean(dim=(0, 2, 3))\n"
            "            var = x.var(dim=(0, 2, 3), correction=0)",
        ),
        says="do not detach",
        hint="Only the update of the buffers belongs under no_grad.",
    ),
    _running(
        "biased-running-variance",
        (_VAR, "self.running_var.lerp_(var, self.momentum)"),
        says="the unbiased one",
        hint="The running variance estimates the population's: n / (n - 1) times the biased one, n = N H W.",
    ),
    _running(
        "corrected-by-the-batch-size",
        (_VAR, "self.running_var.lerp_(var * len(x) / max(len(x) - 1, 1), self.momentum)"),
        says="running_var",
        hint="n is the number of values per channel, N H W, not the number of pictures.",
    ),
    _running(
        "momentum-reversed",
        (_MEAN, _MEAN.replace("self.momentum", "1 - self.momentum")),
        (_VAR, _VAR.replace("self.momentum", "1 - self.momentum")),
        says="(1 - momentum) * old + momentum * new",
        hint="momentum is the weight of the NEW batch.",
    ),
    _running(
        "deviation-stored-as-variance",
        (_VAR, _VAR.replace("var * n / (n - 1)", "(var * n / (n - 1)).sqrt()")),
        says="running_var",
        hint="The buffer holds the variance, not its root.",
    ),
    _running(
        "never-updated",
        (f"                {_MEAN}\n                {_VAR}", "                pass"),
        says="running_mean after maps of mean 3",
        hint="Each batch in training mode moves the running statistics.",
    ),
    _running(
        "buffers-are-plain-attributes",
        ('self.register_buffer("running_mean", torch.zeros(c))', "self.running_mean = torch.zeros(c)"),
        ('self.register_buffer("running_var", torch.ones(c))', "self.running_var = torch.ones(c)"),
        says="the names of the buffers",
        hint="A plain attribute is not saved and does not move with .to(device): register_buffer.",
    ),
    _running(
        "buffers-are-parameters",
        ('self.register_buffer("running_mean", torch.zeros(c))', "self.running_mean = nn.Parameter(torch.zeros(c))"),
        ('self.register_buffer("running_var", torch.ones(c))', "self.running_var = nn.Parameter(torch.ones(c))"),
        says="the names of the parameters",
        hint="The optimiser would train them: register_buffer.",
    ),
    _running(
        "graph-kept",
        (
            f"            with torch.no_grad():\n                {_MEAN}\n                {_VAR}",
            "            m = self.momentum\n            self.running_mean = (1 - m) * self.running_mean + m * mean\n"
            "            self.running_var = (1 - m) * self.running_var + m * var * n / (n - 1)",
        ),
        says="drag the graph of every batch along",
        hint="Each update hangs the graph of its batch on the buffer: memory grows without end. Use no_grad.",
    ),
    _eval(
        "batch-statistics-in-eval",
        (_FROZEN, f"            {_STATISTICS}\n"),
        says="in eval mode the running statistics are used",
        hint="In evaluation an answer must not depend on the other pictures.",
    ),
    _eval(
        "updated-in-eval",
        (_FROZEN, _FROZEN + "            self.running_mean.lerp_(x.detach().mean(dim=(0, 2, 3)), self.momentum)\n"),
        says="a single pixel of 2",
        hint="Evaluation changes nothing in the layer.",
    ),
    _eval(
        "weight-and-bias-ignored-in-eval",
        (
            _FROZEN,
            "            mean, var = self.running_mean[:, None, None], self.running_var[:, None, None]\n"
            "            return (x - mean) / torch.sqrt(var + self.eps)\n",
        ),
        says="the output in eval mode",
        hint="Weight and bias belong to the layer in both modes.",
    ),
    _eval(
        "eps-forgotten-in-eval",
        (_SCALE, "scale = self.weight / torch.sqrt(var + (self.eps if self.training else 0))"),
        says="the output in eval mode",
        hint="The same formula with the same eps, only with other statistics.",
    ),
]
