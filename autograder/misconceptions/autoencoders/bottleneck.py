"""Wrong answers to exercise 2: the squared error, tied weights, the deep autoencoder."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_loss = wrongs_of("ex2-reconstruction-loss")
_tied = wrongs_of("ex2-tied")
_parts = wrongs_of("ex2-bottleneck", "ex2-bottleneck-parts-test")
_forward = wrongs_of("ex2-bottleneck", "ex2-bottleneck-forward-test")

_SQUARES = "return (x - x_hat).pow(2).flatten(1).sum(dim=1).mean()"
_PENALTY = "return (W.T @ W - torch.eye(m, dtype=W.dtype, device=W.device)).pow(2).sum()"
_W = "self.W = nn.Parameter(torch.randn(n, m) / math.sqrt(n))"
_APPEND = "layers += [nn.Linear(widths[i], widths[i + 1]), act()]"
_LAST = "return nn.Sequential(*layers[:-1])"
_MIRROR = "self.decoder = self._stack(widths[::-1], act)"
_COUNT = "if flat.shape[1] != self.n_in:"

MISCONCEPTIONS = [
    _loss(
        "mean-over-all-entries",
        (_SQUARES, "return F.mse_loss(x_hat, x)"),
        says="add up",
        hint="mse_loss divides by the dimensions too: 784 times too small for digits.",
    ),
    _loss(
        "sum-over-the-batch",
        (_SQUARES, "return (x - x_hat).pow(2).sum()"),
        says="over the batch",
        hint="Take the mean over the examples, or a larger batch means a larger learning rate.",
    ),
    _loss(
        "sum-over-the-last-axis-only",
        (_SQUARES, "return (x - x_hat).pow(2).sum(dim=-1).mean()"),
        says="ALL dimensions",
        hint="An image has several axes: flatten(1) first, then add up.",
    ),
    _loss(
        "norm-instead-of-its-square",
        (_SQUARES, "return (x - x_hat).flatten(1).norm(dim=1).mean()"),
        says="squares",
        hint="The squared norm: no root.",
    ),
    _loss(
        "broadcasts",
        ("if x.shape != x_hat.shape:", "if x.ndim == 0:"),
        says="ValueError",
        hint="Shapes that differ are broadcast without a word: compare them first.",
    ),
    _tied(
        "penalty-of-w-w-transposed",
        (_PENALTY, "return (W @ W.T - torch.eye(len(W), dtype=W.dtype, device=W.device)).pow(2).sum()"),
        says="W^T W",
        hint="W W^T has rank m and can never be the identity of size n.",
    ),
    _tied(
        "penalty-without-the-square",
        (_PENALTY, _PENALTY.replace(".pow(2).sum()", ".norm()")),
        says="squared",
        hint="The squared Frobenius norm: the sum of squares, without the root.",
    ),
    _tied(
        "penalty-on-the-diagonal-only",
        (_PENALTY, "return (W.pow(2).sum(dim=0) - 1).pow(2).sum()"),
        says="the penalty",
        hint="The columns must be orthogonal as well: the entries off the diagonal of W^T W count too.",
    ),
    _tied(
        "penalty-as-a-mean",
        (_PENALTY, _PENALTY.replace(".pow(2).sum()", ".pow(2).mean()")),
        says="SQUARES",
        hint="The Frobenius norm adds the squares up.",
    ),
    _tied(
        "decoder-with-its-own-matrix",
        (_W, _W + "\n        self.V = nn.Parameter(torch.randn(m, n) / math.sqrt(n))"),
        ("return z @ self.W.T", "return z @ self.V"),
        says="SAME parameter",
        hint="Tied means one parameter: the decoder multiplies by W transposed.",
    ),
    _tied(
        "decoder-with-a-copy",
        ("return z @ self.W.T", "return z @ self.W.detach().clone().T"),
        says="times PCA's",
        hint="A detached copy gets no gradient: the decoder's share of the gradient is lost.",
    ),
    _tied(
        "starts-at-zero",
        (_W, "self.W = nn.Parameter(torch.zeros(n, m))"),
        says="W starts at zero",
        hint="At W = 0 code and output are zero and so is every gradient.",
    ),
    _tied(
        "returns-in-the-other-order",
        ("return self.decode(z), z", "return z, self.decode(z)"),
        says="x_hat",
        hint="forward returns the reconstruction first.",
    ),
    _parts(
        "layers-in-a-plain-list",
        (_LAST, "return layers[:-1]"),
        (
            "return self.encoder(flat)",
            "for layer in self.encoder:\n            flat = layer(flat)\n        return flat",
        ),
        ("return self.decoder(z)", "for layer in self.decoder:\n            z = layer(z)\n        return z"),
        says="a list",
        hint="Layers in a plain list are invisible to parameters(): nothing trains them.",
    ),
    _parts(
        "decoder-not-reversed",
        (_MIRROR, "self.decoder = self._stack([m, *hidden, n_in], act)"),
        says="the decoder's widths are the encoder's in reverse",
        hint="The decoder is the mirror: 10, 64, 256, 784.",
    ),
    _parts(
        "no-biases",
        (_APPEND, "layers += [nn.Linear(widths[i], widths[i + 1], bias=False), act()]"),
        says="bias",
        hint="Without biases the network must map zero to zero, and the mean of the data is not zero.",
    ),
    _parts(
        "flat-output",
        ("return self.decode(z).reshape(x.shape), z", "return self.decode(z), z"),
        says="the shape of the input",
        hint="x_hat has the shape of x: reshape it.",
    ),
    _parts(
        "any-batch-that-fits-somehow",
        ("flat = x.flatten(1)", "flat = x.reshape(-1, self.n_in)"),
        says="ValueError",
        hint="reshape(-1, n_in) cuts 3 examples of 12 entries into 6 of 6: count the entries of one example.",
    ),
    _parts(
        "m-not-tested",
        ("if m < 1:", "if m < 0:"),
        says="ValueError",
        hint="A code of no number carries nothing.",
    ),
    _forward(
        "activation-on-the-code-and-the-output",
        (_LAST, "return nn.Sequential(*layers)"),
        says="no activation on the",
        hint="A ReLU on the code leaves only the positive corner of the space of codes.",
    ),
    _forward(
        "activation-on-the-code",
        ("return self.encoder(flat)", "return torch.relu(self.encoder(flat))"),
        says="no activation on the code",
        hint="The code may be negative.",
    ),
    _forward(
        "sigmoid-on-the-output",
        ("return self.decoder(z)", "return torch.sigmoid(self.decoder(z))"),
        says="no activation on the output",
        hint="Data may be negative or larger than 1: the output layer is linear.",
    ),
    _forward(
        "no-activations",
        (_APPEND, "layers += [nn.Linear(widths[i], widths[i + 1]), nn.Identity()]"),
        says="z, compared with",
        hint="Linear layers without an activation between them are one linear layer: PCA, with more effort.",
    ),
    _forward(
        "activation-ignored",
        (_APPEND, "layers += [nn.Linear(widths[i], widths[i + 1]), nn.ReLU()]"),
        says="act() behind every linear layer",
        hint="The argument act says which activation to build.",
    ),
]
