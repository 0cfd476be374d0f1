"""Wrong answers to exercise 6: batch normalisation."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_train = wrongs_of("ex6-batch-norm", "ex6-batch-norm-train-test")
_gradients = wrongs_of("ex6-batch-norm", "ex6-batch-norm-gradients-test")
_running = wrongs_of("ex6-batch-norm", "ex6-batch-norm-running-test")
_eval = wrongs_of("ex6-batch-norm", "ex6-batch-norm-eval-test")

_STATISTICS = "mean, var = x.mean(dim=0), x.var(dim=0, correction=0)"
_RETURN = "return self.gamma * (x - mean) / torch.sqrt(var + self.eps) + self.beta"
_UPDATE_MEAN = "self.running_mean.lerp_(mean, self.momentum)"
_UPDATE_VAR = "self.running_var.lerp_(var * n / (n - 1), self.momentum)"
_FROZEN = "mean, var = self.running_mean, self.running_var"

MISCONCEPTIONS = [
    _train(
        "uses-torch-by-another-name",
        ("class BatchNorm1d", "from torch.nn.functional import batch_norm as _normalised\n\n\nclass BatchNorm1d"),
        (
            _RETURN,
            "buffers = self.running_mean.clone(), self.running_var.clone()\n"
            "        return _normalised(x, *buffers, self.gamma, self.beta, self.training, self.momentum, self.eps)",
        ),
        says="torch.nn.functional.batch_norm may not be used in this exercise",
        hint="The point of the exercise is to write batch normalisation yourself.",
    ),
    _train(
        "uses-torch-operation",
        (
            _RETURN,
            "rows = x, self.gamma, self.beta, None, None, self.training, self.momentum, self.eps\n"
            "        return torch.ops.aten.native_batch_norm(*rows)[0]",
        ),
        says="may not be used in this exercise",
        hint="This is torch's batch norm one floor below: write it yourself.",
    ),
    _train(
        "over-the-features",
        (
            _RETURN,
            "mean, var = x.mean(dim=1, keepdim=True), x.var(dim=1, correction=0, keepdim=True)\n        " + _RETURN,
        ),
        says="statistics over the batch, dim=0",
        hint="Over the features of one example this would be layer normalisation. Batch norm: one mean per feature.",
    ),
    _train(
        "normalises-with-the-unbiased-variance",
        (_RETURN, "if self.training:\n            var = var * len(x) / (len(x) - 1)\n        " + _RETURN),
        says="the (biased) variance of each column",
        hint="For normalising, the variance is divided by N; the unbiased one is for the running statistics only.",
    ),
    _train(
        "eps-outside-of-the-root",
        ("torch.sqrt(var + self.eps)", "(torch.sqrt(var) + self.eps)"),
        says="eps is added to the variance, before the root",
        hint="eps goes under the root, to the variance.",
    ),
    _train(
        "divides-by-the-variance",
        ("torch.sqrt(var + self.eps)", "(var + self.eps)"),
        says="divide by sqrt(var + eps)",
        hint="Divide by the standard deviation, the root of the variance.",
    ),
    _train(
        "mean-not-subtracted",
        ("self.gamma * (x - mean)", "self.gamma * x"),
        says="the mean of each column",
        hint="Subtract the batch's mean before dividing.",
    ),
    _train(
        "gamma-and-beta-unused",
        (_RETURN, "return (x - mean) / torch.sqrt(var + self.eps)"),
        says="gamma and beta set",
        hint="The normalised x is multiplied by gamma and shifted by beta, so that the layer loses no freedom.",
    ),
    _train(
        "shift-before-scale",
        (_RETURN, "return self.gamma * ((x - mean) / torch.sqrt(var + self.eps) + self.beta)"),
        says="gamma and beta set",
        hint="gamma times the normalised x, THEN plus beta.",
    ),
    _train(
        "running-statistics-in-training",
        (_RETURN, f"{_FROZEN}\n        {_RETURN}"),
        says="the mean of each column",
        hint="In training the batch's own mean and variance are used; the running ones are for evaluation.",
    ),
    _train(
        "batch-of-one-passes",
        ("if n == 1:", "if n == 0:"),
        says="a batch of one in training mode",
        hint="The variance of one number is 0 and its unbiased version 0/0: refuse a batch of one in training mode.",
    ),
    _train(
        "width-unchecked",
        ("if x.ndim != 2 or x.shape[1] != len(self.gamma):", "if x.ndim != 2:"),
        says="3 columns instead of 2",
        hint="A single column would broadcast against gamma: compare the width.",
    ),
    _train(
        "fixed-eps",
        ("torch.sqrt(var + self.eps)", "torch.sqrt(var + 1e-5)"),
        says="the output",
        hint="Use the eps that the layer was made with.",
    ),
    _gradients(
        "statistics-detached",
        (_STATISTICS, "mean, var = x.detach().mean(dim=0), x.detach().var(dim=0, correction=0)"),
        says="do not detach the batch's mean and variance",
        hint="Mean and variance depend on x: the gradient flows through them as well.",
    ),
    _gradients(
        "variance-detached",
        (_STATISTICS, "mean, var = x.mean(dim=0), x.detach().var(dim=0, correction=0)"),
        says="do not detach them",
        hint="The variance depends on x too: without its gradient the scale of x is not held in check.",
    ),
    _gradients(
        "statistics-under-no-grad",
        (f"            {_STATISTICS}  # [D]\n", f"            with torch.no_grad():\n                {_STATISTICS}\n"),
        says="do not detach the batch's mean and variance",
        hint="Only the update of the buffers belongs under no_grad, not the statistics with which x is normalised.",
    ),
    _gradients(
        "mean-detached",
        (_STATISTICS, "mean, var = x.detach().mean(dim=0), x.var(dim=0, correction=0)"),
        says="do not detach the batch's mean and variance",
        hint="Shifting the whole batch changes nothing; the gradient knows that only if the mean is part of the graph.",
    ),
    _gradients(
        "gamma-not-in-the-graph",
        (_RETURN, _RETURN.replace("self.gamma *", "self.gamma.detach() *")),
        says="the output does not depend on x, gamma and beta",
        hint="gamma is trained: do not detach it.",
    ),
    _running(
        "biased-running-variance",
        (_UPDATE_VAR, "self.running_var.lerp_(var, self.momentum)"),
        says="here the variance is the unbiased one",
        hint="The running variance estimates the population's: N / (N - 1) times the biased one.",
    ),
    _running(
        "variance-around-the-running-mean",
        (_UPDATE_VAR, "self.running_var.lerp_((x - self.running_mean).pow(2).sum(dim=0) / (n - 1), self.momentum)"),
        says="the variance is the unbiased one",
        hint="As printed in some texts; the batch's variance is meant, around the batch's own mean.",
    ),
    _running(
        "momentum-reversed",
        (_UPDATE_MEAN, "self.running_mean.lerp_(mean, 1 - self.momentum)"),
        (_UPDATE_VAR, "self.running_var.lerp_(var * n / (n - 1), 1 - self.momentum)"),
        says="(1 - momentum) * old + momentum * new",
        hint="momentum is the weight of the NEW batch, 0.1; the old average keeps 0.9.",
    ),
    _running(
        "deviation-stored-as-variance",
        (_UPDATE_VAR, "self.running_var.lerp_((var * n / (n - 1)).sqrt(), self.momentum)"),
        says="running_var",
        hint="The buffer holds the variance, not its root.",
    ),
    _running(
        "never-updated",
        (f"                {_UPDATE_MEAN}\n                {_UPDATE_VAR}", "                pass"),
        says="running_mean after a batch of mean 3",
        hint="Each batch in training mode moves the running statistics.",
    ),
    _running(
        "buffers-are-parameters",
        (
            'self.register_buffer("running_mean", torch.zeros(num_features))',
            "self.running_mean = nn.Parameter(torch.zeros(num_features))",
        ),
        (
            'self.register_buffer("running_var", torch.ones(num_features))',
            "self.running_var = nn.Parameter(torch.ones(num_features))",
        ),
        says="the names of the parameters",
        hint="The optimiser would train them. Running statistics are buffers: register_buffer.",
    ),
    _running(
        "buffers-are-plain-attributes",
        (
            'self.register_buffer("running_mean", torch.zeros(num_features))',
            "self.running_mean = torch.zeros(num_features)",
        ),
        (
            'self.register_buffer("running_var", torch.ones(num_features))',
            "self.running_var = torch.ones(num_features)",
        ),
        says="the names of the buffers",
        hint="A plain attribute is not in the state_dict and does not move with .to(device): register_buffer.",
    ),
    _running(
        "graph-kept",
        (
            f"            with torch.no_grad():\n                {_UPDATE_MEAN}\n                {_UPDATE_VAR}",
            "            m = self.momentum\n            self.running_mean = (1 - m) * self.running_mean + m * mean\n"
            "            self.running_var = (1 - m) * self.running_var + m * var * n / (n - 1)",
        ),
        says="drag the graph of every batch along",
        hint="Each update hangs the whole graph of its batch on the buffer: memory grows without end. Use no_grad.",
    ),
    _running(
        "fixed-momentum",
        (_UPDATE_MEAN, "self.running_mean.lerp_(mean, 0.1)"),
        (_UPDATE_VAR, "self.running_var.lerp_(var * n / (n - 1), 0.1)"),
        says="running_mean after batch 1",
        hint="Use the momentum that the layer was made with.",
    ),
    _running(
        "variance-starts-at-zero",
        (
            'self.register_buffer("running_var", torch.ones(num_features))',
            'self.register_buffer("running_var", torch.zeros(num_features))',
        ),
        says="running_var",
        hint="An untrained layer should change nothing in evaluation: running_var starts at 1.",
    ),
    _running(
        "last-batch-only",
        (_UPDATE_MEAN, "self.running_mean.copy_(mean)"),
        (_UPDATE_VAR, "self.running_var.copy_(var * n / (n - 1))"),
        says="running_mean after a batch of mean 3",
        hint="A running average: the new batch counts with the weight momentum only.",
    ),
    _eval(
        "batch-statistics-in-eval",
        (
            f"        else:\n            {_FROZEN}\n",
            "        else:\n            mean, var = x.mean(dim=0), x.var(dim=0, correction=0)\n",
        ),
        says="in eval mode (self.training is False) the running statistics are used",
        hint="In evaluation an answer must not depend on who else is in the batch: use the running statistics.",
    ),
    _eval(
        "updated-in-eval",
        (
            f"            {_FROZEN}\n",
            f"            {_FROZEN}\n            if len(x) > 1:\n"
            "                self.running_mean.lerp_(x.detach().mean(dim=0), self.momentum)\n",
        ),
        says="the running statistics are used, and not updated",
        hint="Evaluation changes nothing in the layer.",
    ),
    _eval(
        "gamma-and-beta-ignored-in-eval",
        (
            f"            {_FROZEN}\n",
            "            return (x - self.running_mean) / torch.sqrt(self.running_var + self.eps)\n",
        ),
        says="gamma, beta and eps work as in training",
        hint="gamma and beta belong to the layer in both modes.",
    ),
    _eval(
        "eps-forgotten-in-eval",
        (
            f"            {_FROZEN}\n",
            "            return self.gamma * (x - self.running_mean) / self.running_var.sqrt() + self.beta\n",
        ),
        says="gamma, beta and eps work as in training",
        hint="The same formula with the same eps, only with other statistics.",
    ),
    _eval(
        "only-the-mean-is-frozen",
        (
            f"            {_FROZEN}\n",
            "            mean = self.running_mean\n"
            "            var = x.var(dim=0, correction=0) if len(x) > 1 else self.running_var\n",
        ),
        says="the running statistics are used, and not updated",
        hint="Both mean and variance come from the buffers in evaluation.",
    ),
    _eval(
        "batch-of-one-refused-in-eval",
        (
            "        if self.training:\n            n = len(x)\n            if n == 1:\n"
            '                raise ValueError("a batch of one has no variance: use more rows, or call eval()")\n',
            "        n = len(x)\n        if n == 1:\n"
            '            raise ValueError("a batch of one has no variance: use more rows, or call eval()")\n'
            "        if self.training:\n",
        ),
        says="a batch of one has no variance",
        hint="In evaluation one example is fine: nothing is computed from the batch.",
    ),
]
