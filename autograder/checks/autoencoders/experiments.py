"""The graded experiments: short trainings with the student's own code, on data and with encoders of the test's.

The loops run beside the student's code (shipped), the yardsticks and the scores are computed on this side. Right
solutions and subtly wrong ones were measured over several seeds; every threshold lies in the gap between them, and
the numbers stand beside it.
"""

from __future__ import annotations

import math

import torch
from coursekit.checking import hidden

from autograder.checks.probe import same
from autograder.checks.training import one_thread, pixels
from autograder.testing import observe, ship

_TIME_LIMIT = 90.0


_LAB = """
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(2, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1),
                nn.ReLU(), nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, width))

        def forward(self, x):
            images = x.reshape(-1, 1, 28, 28)
            return self.layers(torch.cat([images, images.abs()], dim=1))

    def decoder(width):
        return nn.Sequential(nn.Linear(10, 128), nn.ReLU(), nn.Linear(128, 256), nn.ReLU(), nn.Linear(256, width))

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = Encoder(10), decoder(784)

        def forward(self, x):
            return self.decoder(self.encoder(x))

    class Lab:
        def __init__(self, train, test):
            torch.set_num_threads(1)  # on a busy machine threads wait for each other
            self.masks, self.test = train.float() / 255, test.float() / 255

        def _train(self, net, loss_of, steps, seed, lr, rate, draw=None):
            optimizer = torch.optim.Adam(net.parameters(), lr=lr, fused=True)  # one pass over all numbers
            generator = torch.Generator().manual_seed(seed)
            for i in range(steps):
                for group in optimizer.param_groups:
                    group["lr"] = lr * rate(i)
                batch = self.masks[torch.randint(len(self.masks), (64,), generator=generator)]
                loss = loss_of(net, batch if draw is None else draw(batch), i)
                if not bool(torch.isfinite(loss)):
                    return False
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return True

        def bottleneck(self, Net, loss, seed, steps):
            torch.manual_seed(seed)
            net = Net(784, (256, 64), 10)
            rate = lambda i: min(1.0, 2 * (steps - i) / steps)
            if not self._train(net, lambda net, x, i: loss(x, net(x)[0]), steps, seed, 2e-3, rate):
                return None
            with torch.no_grad():
                return net(self.test)[0]

        def _slow(self, steps):
            return lambda i: min(1.0, (i + 1) / 50, (steps - i) / (0.4 * steps))

        def ae(self, loss, draw, seed, steps):
            torch.manual_seed(seed)
            net, rate = Plain(), self._slow(steps)
            if not self._train(net, lambda net, x, i: loss(x, net(x)), steps, seed, 3e-3, rate, draw):
                return None
            with torch.no_grad():
                clean = draw(self.test)
                return clean, net(clean)

        def dae(self, loss, draw, Gated, seed, steps):
            torch.manual_seed(seed)
            net, rate = Gated(Encoder(10), decoder(784)), self._slow(steps)
            noisy = lambda net, x, i: loss(lambda t: net(t)[0], x, 0.2)
            if not self._train(net, noisy, steps, seed, 3e-3, rate, draw):
                return None
            with torch.no_grad():
                clean = self.test * torch.randn(self.test.shape, generator=torch.Generator().manual_seed(7))
                noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(8))
                return clean, net(clean + 0.2 * noise)[0]

        def vae(self, VAE, elbo, draw, seed, steps):
            torch.manual_seed(seed)
            net, rate = VAE(Encoder(20), decoder(1568), 10), self._slow(steps)

            def loss(net, x, i):
                parts = elbo(x, net.encode, net.decode)
                return -(parts["rec"] - min(1.0, (i + 1) / 100) * parts["kl"]).mean()

            if not self._train(net, loss, steps, seed, 3e-3, rate, draw):
                return None
            with torch.no_grad():
                clean = self.test * torch.randn(self.test.shape, generator=torch.Generator().manual_seed(7))
                mu, logvar = net.encode(clean)
                z = mu + (logvar / 2).exp() * torch.randn(mu.shape, generator=torch.Generator().manual_seed(8))
                mean, log_sigma = net.decode(z)
                return clean, mu, logvar, mean, log_sigma
"""


def _lab(train: int, test: int):
    return ship(_LAB, "Lab")(pixels(train), pixels(test, test=True))


def _squared(x, x_hat) -> float:
    return (same(x) - same(x_hat)).pow(2).sum(dim=1).mean().item()


def pca_ratio(lab, Net, loss, seed: int = 201, steps: int = 800) -> float | None:
    """Test error of the bottleneck of ten over that of PCA with ten numbers."""
    x_hat = observe(lab.bottleneck, Net, loss, seed, steps, time_limit=_TIME_LIMIT).value
    if x_hat is None or tuple(x_hat.shape) != (1000, 784):
        return None
    train, test = pixels(6000).double() / 255, pixels(1000, test=True).double() / 255
    mean = train.mean(dim=0)
    W = torch.linalg.eigh((train - mean).T @ (train - mean))[1][:, -10:]
    pca = _squared(test, mean + (test - mean) @ W @ W.T)
    return _squared(test, x_hat) / pca


def experiment_bottleneck(BottleneckAutoencoder, reconstruction_loss):
    """Graded experiment X1: 784-256-64-10-64-256-784 on digits, 800 steps, against PCA."""
    with one_thread(), hidden("Experiment X1: a bottleneck against PCA") as expect:
        expect.case("784-256-64-10-64-256-784, 6 000 digits, 800 steps of Adam at 2e-3")
        ratio = pca_ratio(_lab(6000, 1000), BottleneckAutoencoder, reconstruction_loss)
        hint = "no activation on code and output, ReLU behind every hidden layer, the squared error: see exercise 2"
        expect.true(ratio is not None, "the training diverges, or x_hat has a wrong shape", likely=hint)
        # right, over 6 seeds: 0.68 to 0.76; activation on the code 0.83 to 1.05, on the output 0.88 to 1.03, none at
        # all 1.00
        expect.true(ratio < 0.80, f"the test error is {ratio:.3f} times that of PCA with ten numbers", likely=hint)


def ae_ratio(lab, loss, draw, seed: int = 202, steps: int = 100) -> float | None:
    """Error of the plain autoencoder on fresh variance digits, over that of predicting 0 for these digits."""
    found = observe(lab.ae, loss, draw, seed, steps, time_limit=_TIME_LIMIT).value
    return None if found is None else _squared(*found) / same(found[0]).pow(2).sum(dim=1).mean().item()


def experiment_ae(reconstruction_loss, variance_digits):
    """Graded experiment X2, first part: the plain autoencoder must fail."""
    with one_thread(), hidden("Experiment X2: the plain autoencoder") as expect:
        expect.case("a plain autoencoder of ten numbers on variance digits, 100 steps")
        ratio = ae_ratio(_lab(6000, 1000), reconstruction_loss, variance_digits)
        hint = "see variance_digits (exercise 4) and reconstruction_loss (exercise 2)"
        expect.true(ratio is not None, "the training diverges", likely=hint)
        # right, over 6 seeds: 0.985 to 0.992; adds the noise to the mask 0.946 to 0.953, adds the mask as well 0.69
        # to 0.71, noise without its sign 0.61 to 0.63, one noise value for an image 0.51 to 0.53
        expect.true(
            0.97 <= ratio <= 1.02,
            f"the error is {ratio:.3f} times that of predicting 0: a plain autoencoder comes to about 1",
            likely=hint,
        )


def dae_gap(lab, loss, draw, Gated, seed: int = 203, steps: int = 400) -> float | None:
    """Where the denoiser stands between the best fixed gain (0) and the gain with the true mask (1)."""
    found = observe(lab.dae, loss, draw, Gated, seed, steps, time_limit=_TIME_LIMIT).value
    if found is None:
        return None
    power = (pixels(1000, test=True).double() / 255).pow(2)
    fixed, oracle = ((p * 0.04 / (p + 0.04)).sum(dim=1).mean().item() for p in (power.mean(dim=0, keepdim=True), power))
    return (fixed - _squared(*found)) / (fixed - oracle)


def experiment_dae(dae_loss, variance_digits, GatedDAE):
    """Graded experiment X2, second part: the gated denoising autoencoder."""
    with one_thread(), hidden("Experiment X2: the denoising autoencoder") as expect:
        expect.case("a gated denoiser of ten numbers on variance digits, sigma = 0.2, 400 steps")
        gap = dae_gap(_lab(6000, 1000), dae_loss, variance_digits, GatedDAE)
        hint = "noisy input, clean target, the gate on the noisy input: see exercises 3 and 4"
        expect.true(gap is not None, "the training diverges", likely=hint)
        # right, over 6 seeds: 0.385 to 0.444; no sigmoid on the gate 0.18 to 0.21, one noise value for an image -0.24
        # to 0.08, code detached -0.01, sigma squared -0.8, clean input -1.9, corrupted target -2.3, no direct path -9.1
        expect.true(gap >= 0.30, f"the denoiser closes {gap:.2f} of the gap from fixed gain to oracle", likely=hint)


def vae_gap(lab, VAE, elbo, draw, seed: int = 204, steps: int = 250) -> float | None:
    """Where the bound stands between the best single normal distribution (0) and the known mask (1)."""
    found = observe(lab.vae, VAE, elbo, draw, seed, steps, time_limit=_TIME_LIMIT).value
    if found is None:
        return None
    x, mu, logvar, mean, log_sigma = (same(t) for t in found)
    if mean.shape != x.shape or log_sigma.shape != x.shape or bool((log_sigma.abs() > 2.001).any()):
        return None
    rec = torch.distributions.Normal(mean, log_sigma.exp()).log_prob(x).sum(dim=1)
    bound = (rec - 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1)).mean().item()
    power, floor = (pixels(1000, test=True).double() / 255).pow(2), math.exp(-2.0)
    scores = []
    for p in (power.mean(dim=0, keepdim=True), power):
        sigma = p.sqrt().clamp(min=floor)
        scores.append((-0.5 * math.log(2 * math.pi) - sigma.log() - p / (2 * sigma**2)).sum(dim=1).mean().item())
    return (bound - scores[0]) / (scores[1] - scores[0])


def experiment_vae(VAE, elbo, variance_digits):
    """Graded experiment X2, third part: the variational autoencoder with learned variances."""
    with one_thread(), hidden("Experiment X2: the variational autoencoder") as expect:
        expect.case("a VAE of ten numbers on variance digits, 250 steps, the KL ramped over the first 100")
        gap = vae_gap(_lab(6000, 1000), VAE, elbo, variance_digits)
        hint = "sums over pixels and latents, a fresh draw for each example, log σ within its range: see 6 and 7"
        expect.true(gap is not None, "the training diverges, or shapes or range of the decoder are wrong", likely=hint)
        # right, over 6 seeds: 0.116 to 0.180; one noise value for an image -0.12 to 0.04, one draw for the batch
        # -0.02 to 0.01, draw detached -0.02, likelihood averaged over the pixels -0.02, log sigma as log variance
        # -0.7, mean decoded instead of a draw -0.8, KL added: diverges
        expect.true(gap >= 0.08, f"the ELBO closes {gap:.2f} of the gap from one normal to the oracle", likely=hint)
