"""Wrong parts that the graded experiments notice by what they do to a training."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_whitener = wrongs_of("ex4-whitener", "exA-conditioning-test")
_cross_entropy = wrongs_of("ex1-cross-entropy", "exA-conditioning-test")
_residual = wrongs_of("ex7-residual-mlp", "exB-depth-test")
_init = wrongs_of("ex5-init-weight", "exB-depth-test")
_rank = wrongs_of("ex6-batch-norm", "exB-depth-test")
_batch_norm = wrongs_of("ex6-batch-norm", "exC-batch-norm-test")
_sgd = wrongs_of("ex8-sgd", "exC-batch-norm-test")

_SCALE = "scale = (variances.clamp(min=0) + self.eps).sqrt()"
_TRANSFORM = "return (X - self.mean) @ self.forward"
_PICK = "return -log_f[torch.arange(n, device=h.device), y.long()].mean()"
_SUM = "return x + branch if self.skip else torch.relu(branch)"
_UPDATES = (
    "                self.running_mean.lerp_(mean, self.momentum)\n"
    "                self.running_var.lerp_(var * n / (n - 1), self.momentum)"
)

MISCONCEPTIONS = [
    _whitener(
        "a-divides-by-the-eigenvalue",
        (_SCALE, _SCALE.replace(".sqrt()", "")),
        says="whitening makes the loss only",
        hint="Divided by the eigenvalue, the digits are as badly conditioned as before, the other way round.",
    ),
    _whitener(
        "a-not-centred",
        (_TRANSFORM, "return X @ self.forward"),
        says="whitening makes the loss only",
        hint="Without centring the mean of the digits stays the dominant direction.",
    ),
    _whitener(
        "a-smallest-components",
        (
            "variances.flip(0)[: self.n_components], axes.flip(1)[:, : self.n_components]",
            "variances[: self.n_components], axes[:, : self.n_components]",
        ),
        says="whitening makes the loss only",
        hint="The components of smallest variance of a digit are its empty corners.",
    ),
    _whitener(
        "a-fits-again-on-test-digits",
        (_TRANSFORM, "self.fit(X)\n        return (X - self.mean) @ self.forward"),
        says="test digits go through the map that was fitted on the training digits",
        hint="Fitted anew, the components of the test digits come in another order and with other signs.",
    ),
    _cross_entropy(
        "a-mean-over-n-and-k",
        (_PICK, _PICK.replace(".mean()", ".sum() / (n * k)")),
        says="the training loss on whitened digits",
        hint="Divided by K as well, the gradient is ten times too small and 60 steps are not enough.",
    ),
    _rank(
        "b-over-the-features",
        (
            "return self.gamma * (x - mean)",
            "mean, var = x.mean(dim=1, keepdim=True), x.var(dim=1, correction=0, keepdim=True)\n"
            "        return self.gamma * (x - mean)",
        ),
        says="with batch norm",
        hint="Normalising every example by itself does not keep the examples apart: the rank collapses all the same.",
    ),
    _rank(
        "b-mean-not-subtracted",
        ("self.gamma * (x - mean)", "self.gamma * x"),
        says="with batch norm",
        hint="The common mean of all examples is the direction into which they collapse: subtract it.",
    ),
    _init(
        "b-scale-of-xavier",
        ('"he_normal": math.sqrt(2 / fan_in)', '"he_normal": math.sqrt(1 / fan_in)'),
        says="the signal behind 20 layers has the rms",
        hint="Without the factor 2 every ReLU layer halves the second moment: 2^-20 behind 20 layers.",
    ),
    _residual(
        "b-product",
        (_SUM, "return x * branch if self.skip else torch.relu(branch)"),
        says="the outputs for 64 training digits are not those",
        hint="With the branch at zero a product is zero and passes no gradient.",
    ),
    _residual(
        "b-zero-ignored",
        ('"zero": 0.0', '"zero": 1.0'),
        says="x + F(x), with fc2 = 0 at the start",
        hint="Unscaled branches triple the variance in each of 20 blocks: the training diverges.",
    ),
    _residual(
        "b-skip-always-off",
        (_SUM, "return torch.relu(branch)"),
        says="the outputs for 64 training digits are not those",
        hint="With fc2 = 0 and no skip nothing passes.",
    ),
    _batch_norm(
        "c-never-updated",
        (_UPDATES, "                pass"),
        says="running statistics that do not fit the weights",
        hint="Evaluation then normalises by mean 0 and variance 1, which the signal never had.",
    ),
    _batch_norm(
        "c-deviation-stored-as-variance",
        (
            "self.running_var.lerp_(var * n / (n - 1), self.momentum)",
            "self.running_var.lerp_(var.sqrt(), self.momentum)",
        ),
        says="running statistics that do not fit the weights",
        hint="running_var holds the variance.",
    ),
    _batch_norm(
        "c-batch-statistics-in-eval",
        (
            "mean, var = self.running_mean, self.running_var",
            "mean = x.mean(dim=0) if len(x) > 1 else self.running_mean\n"
            "            var = x.var(dim=0, correction=0) if len(x) > 1 else self.running_var",
        ),
        says="the answer depends on who else is in the batch",
        hint="Use the running statistics in evaluation.",
    ),
    _sgd(
        "c-ascends",
        ("v.mul_(mu).sub_(self.lr * p.grad)", "v.mul_(mu).add_(self.lr * p.grad)"),
        says="Problem",
        hint="v = momentum * v MINUS lr * g.",
    ),
]
