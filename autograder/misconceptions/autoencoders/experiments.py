"""Wrong parts that the graded experiments notice by what they do to a training."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_net = wrongs_of("ex2-bottleneck", "exX1-bottleneck-test")
_plain = wrongs_of("ex4-variance-digits", "exX2-ae-test")
_noisy = wrongs_of("ex3-dae-loss", "exX2-dae-test")
_gate = wrongs_of("ex4-gated-dae", "exX2-dae-test")
_bound = wrongs_of("ex7-elbo", "exX2-vae-test")
_lik = wrongs_of("ex7-log-likelihood", "exX2-vae-test")

_DRAW = "z = reparameterize(mu, logvar, randn_like)"
_ERROR = "return (x - denoiser(noisy)).pow(2).flatten(1).sum(dim=1).mean()"
_GATE = "return xt * torch.sigmoid(self.decoder(z)), z"

MISCONCEPTIONS = [
    _net(
        "x1-activation-on-the-code",
        ("return self.encoder(flat)", "return torch.relu(self.encoder(flat))"),
        says="times that of PCA",
        hint="A ReLU on the code leaves half of every axis: ten numbers do the work of fewer.",
    ),
    _net(
        "x1-no-activations",
        ("nn.Linear(widths[i], widths[i + 1]), act()]", "nn.Linear(widths[i], widths[i + 1]), nn.Identity()]"),
        says="times that of PCA",
        hint="A chain of linear layers can at best reach PCA.",
    ),
    _net(
        "x1-activation-on-the-output",
        ("return self.decoder(z)", "return torch.relu(self.decoder(z))"),
        says="times that of PCA",
        hint="A pixel whose output falls below 0 gets no gradient any more.",
    ),
    _plain(
        "x2-one-value-for-each-image",
        ("return mask * randn_like(mask)", "return mask * randn_like(mask)[:, :1]"),
        says="the error is",
        hint="With one value for an image the data is a scaled digit, which any autoencoder can copy.",
    ),
    _plain(
        "x2-adds-the-mask",
        ("return mask * randn_like(mask)", "return mask + mask * randn_like(mask)"),
        says="the error is",
        hint="With a mean that shows the digit a squared error can see it.",
    ),
    _noisy(
        "x2-target-is-corrupted",
        (_ERROR, _ERROR.replace("(x - ", "(noisy - ")),
        says="of the gap",
        hint="Then the best gain is 1 everywhere: nothing is learned.",
    ),
    _gate(
        "x2-no-direct-path",
        (_GATE, "return self.decoder(z), z"),
        says="of the gap",
        hint="Ten numbers cannot carry hundreds of random signs.",
    ),
    _gate(
        "x2-no-sigmoid",
        (_GATE, "return xt * self.decoder(z), z"),
        says="of the gap",
        hint="A gain without bounds starts at 0 and learns slowly.",
    ),
    _bound(
        "x2-decodes-the-mean",
        (_DRAW, "z = mu"),
        says="of the gap",
        hint="Trained without draws the decoder is lost where q really is.",
    ),
    _bound(
        "x2-draw-detached",
        (_DRAW, _DRAW + ".detach()"),
        says="of the gap",
        hint="The encoder gets the KL only, and falls silent.",
    ),
    _bound(
        "x2-one-draw-for-the-batch",
        (_DRAW, "z = mu + torch.exp(logvar / 2) * randn_like(mu)[:1]"),
        says="of the gap",
        hint="Common noise can be undone by the batch as a whole: each example needs its own.",
    ),
    _lik(
        "x2-averaged-over-pixels",
        ("return terms.flatten(1).sum(dim=1)", "return terms.flatten(1).mean(dim=1)"),
        says="of the gap",
        hint="A hidden weight of 784 on the KL: the posterior collapses.",
    ),
]
