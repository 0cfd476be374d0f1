"""The graded experiments: short trainings with the student's own code, on data and with encoders of the test's.

The loops run beside the student's code (shipped), on the digits of the training set, and hand over the weights that
they arrive at. The judge puts these weights into networks of its own and scores them there, on digits that the
student's process is never shown: so nothing that could be scored is told by that process, and a high score can be
had by training only. Right solutions and subtly wrong ones were measured over several seeds; every threshold lies in
the gap between them, and the numbers stand beside it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from coursekit.checking import hidden
from torch import nn
from torch.nn import functional as F

from autograder.checks.autoencoders.bottleneck import layer_shapes, passes
from autograder.checks.autoencoders.noise import normal
from autograder.checks.probe import here
from autograder.checks.training import fitted, one_thread, pixels
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

    def halves(code, out):
        return nn.Sequential(Encoder(code), decoder(out))

    def weights(net):
        return [value.detach() for value in net.state_dict().values()]

    class Lab:
        def __init__(self, train):
            torch.set_num_threads(1)  # on a busy machine threads wait for each other
            self.masks = train.float() / 255

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
            fine = self._train(net, lambda net, x, i: loss(x, net(x)[0]), steps, seed, 2e-3, rate)
            return weights(net) if fine else None

        def _slow(self, steps):
            return lambda i: min(1.0, (i + 1) / 50, (steps - i) / (0.4 * steps))

        def ae(self, loss, draw, seed, steps):
            torch.manual_seed(seed)
            net, rate = halves(10, 784), self._slow(steps)
            fine = self._train(net, lambda net, x, i: loss(x, net(x)), steps, seed, 3e-3, rate, draw)
            return weights(net) if fine else None

        def dae(self, loss, draw, Gated, seed, steps):
            torch.manual_seed(seed)
            both, rate = halves(10, 784), self._slow(steps)
            noisy = lambda net, x, i: loss(lambda t: net(t)[0], x, 0.2)
            fine = self._train(Gated(*both), noisy, steps, seed, 3e-3, rate, draw)
            return weights(both) if fine else None

        def vae(self, VAE, elbo, draw, seed, steps):
            torch.manual_seed(seed)
            both, rate = halves(20, 1568), self._slow(steps)

            def loss(net, x, i):
                parts = elbo(x, net.encode, net.decode)
                return -(parts["rec"] - min(1.0, (i + 1) / 100) * parts["kl"]).mean()

            fine = self._train(VAE(*both, 10), loss, steps, seed, 3e-3, rate, draw)
            return weights(both) if fine else None
"""


def _lab(train: int) -> Any:
    return ship(_LAB, "Lab")(pixels(train))


def _unseen() -> torch.Tensor:
    """The digits that networks are scored on: float32 [1000, 784]."""
    return pixels(1000, test=True).float() / 255


def _drawn(masks: torch.Tensor) -> torch.Tensor:
    """Variance digits, the same for everybody."""
    return masks * normal(7, *masks.shape, dtype=masks.dtype)


def _halves(weights: Any, code: int, out: int) -> nn.Sequential | None:
    """Encoder and decoder of the shipped loop, with these weights; None where they are no such weights."""
    return fitted(lambda: here(_LAB, "halves")(code, out), weights)


def _squared(x: torch.Tensor, x_hat: torch.Tensor) -> float:
    return (x.double() - x_hat.double()).pow(2).sum(dim=1).mean().item()


def _in_order(weights: Any) -> list[torch.Tensor] | None:
    """Weights and biases of the bottleneck in the order of use, whichever half is listed first; None for others."""
    if not isinstance(weights, list) or not all(isinstance(w, torch.Tensor) for w in weights):
        return None
    shapes = layer_shapes(784, (256, 64), 10)
    layers = {tuple(w.shape): (w, b) for w, b in zip(weights[::2], weights[1::2], strict=False)}
    found = [t.float() for shape in shapes[::2] for t in layers.get(shape, ())]
    return found if [tuple(t.shape) for t in found] == shapes else None


def pca_ratio(lab: Any, Net: Any, loss: Any, seed: int = 201, steps: int = 800) -> float | None:
    """Test error of the bottleneck of ten over that of PCA with ten numbers."""
    weights = _in_order(observe(lab.bottleneck, Net, loss, seed, steps, time_limit=_TIME_LIMIT).value)
    if weights is None:
        return None
    train, test = pixels(6000).double() / 255, _unseen()
    mean = train.mean(dim=0)
    W = torch.linalg.eigh((train - mean).T @ (train - mean))[1][:, -10:]
    pca = _squared(test, mean + (test - mean) @ W @ W.T)
    return _squared(test, passes(F.relu, weights, test)[1]) / pca


def experiment_bottleneck(BottleneckAutoencoder, reconstruction_loss):
    """Graded experiment X1: 784-256-64-10-64-256-784 on digits, 800 steps, against PCA."""
    with one_thread(), hidden("Experiment X1: a bottleneck against PCA") as expect:
        expect.case("784-256-64-10-64-256-784, 6 000 digits, 800 steps of Adam at 2e-3")
        ratio = pca_ratio(_lab(6000), BottleneckAutoencoder, reconstruction_loss)
        hint = "no activation on code and output, ReLU behind every hidden layer, the squared error: see exercise 2"
        what = "the training diverges, or state_dict() does not hold the weights and biases of the layers"
        expect.true(ratio is not None, what, likely=hint)
        # right, 6 seeds: 0.69 to 0.73; trained with an activation on the code 2.8, on the output 15, with none 2.9
        expect.true(ratio < 0.80, f"the test error is {ratio:.3f} times that of PCA with ten numbers", likely=hint)


def ae_ratio(lab: Any, loss: Any, draw: Any, seed: int = 202, steps: int = 100) -> float | None:
    """Error of the plain autoencoder on fresh variance digits, over that of predicting 0 for these digits."""
    net = _halves(observe(lab.ae, loss, draw, seed, steps, time_limit=_TIME_LIMIT).value, 10, 784)
    clean = _drawn(_unseen())
    return None if net is None else _squared(clean, net(clean)) / _squared(clean, torch.zeros(()))


def experiment_ae(reconstruction_loss, variance_digits):
    """Graded experiment X2, first part: the plain autoencoder must fail."""
    with one_thread(), hidden("Experiment X2: the plain autoencoder") as expect:
        expect.case("a plain autoencoder of ten numbers on variance digits, 100 steps")
        ratio = ae_ratio(_lab(6000), reconstruction_loss, variance_digits)
        hint = "see variance_digits (exercise 4) and reconstruction_loss (exercise 2)"
        expect.true(ratio is not None, "the training diverges", likely=hint)
        # right, 12 seeds: 0.982 to 0.991. Learned nothing (loss of another target, of nothing, of absolute errors, or
        # noise without the mask): 0.9996 to 1.02; one noise value for an image, or one image of noise 1.002 to 1.009;
        # noise added, mask added, noise without its sign or no noise 1.04 to 1.16; absolute values as target 1.36
        expect.true(
            0.97 <= ratio <= 0.997,
            f"the error is {ratio:.3f} times that of predicting 0: a plain autoencoder comes to a little less than 1",
            likely=hint,
        )


def dae_gap(lab: Any, loss: Any, draw: Any, Gated: Any, seed: int = 203, steps: int = 400) -> float | None:
    """Where the gate stands between the best fixed gain (0) and the gain with the true mask (1)."""
    net = _halves(observe(lab.dae, loss, draw, Gated, seed, steps, time_limit=_TIME_LIMIT).value, 10, 784)
    if net is None:
        return None
    masks = _unseen()
    clean = _drawn(masks)
    noisy = clean + 0.2 * normal(8, *clean.shape, dtype=clean.dtype)
    error = _squared(clean, noisy * torch.sigmoid(net(noisy)))
    power = masks.double().pow(2)
    fixed, oracle = ((p * 0.04 / (p + 0.04)).sum(dim=1).mean().item() for p in (power.mean(dim=0, keepdim=True), power))
    return (fixed - error) / (fixed - oracle)


def experiment_dae(dae_loss, variance_digits, GatedDAE):
    """Graded experiment X2, second part: the gated denoising autoencoder."""
    with one_thread(), hidden("Experiment X2: the denoising autoencoder") as expect:
        expect.case("a gated denoiser of ten numbers on variance digits, sigma = 0.2, 400 steps")
        gap = dae_gap(_lab(6000), dae_loss, variance_digits, GatedDAE)
        hint = "noisy input, clean target, the gate on the noisy input: see exercises 3 and 4"
        expect.true(gap is not None, "the training diverges", likely=hint)
        # right, 6 seeds: 0.393 to 0.475; trained with no sigmoid on the gate -0.7, no direct path -2.2, a corrupted
        # target -2.3. Scored as it was trained, one noise value for an image came to 0.08, a detached code to -0.01. A
        # gain with the true mask comes to 1: no weights reach that on digits they have not seen.
        expect.true(gap >= 0.30, f"the denoiser closes {gap:.2f} of the gap from fixed gain to oracle", likely=hint)


def vae_gap(lab: Any, VAE: Any, elbo: Any, draw: Any, seed: int = 204, steps: int = 250) -> float | None:
    """Where the bound stands between the best single normal distribution (0) and the known mask (1)."""
    nets = _halves(observe(lab.vae, VAE, elbo, draw, seed, steps, time_limit=_TIME_LIMIT).value, 20, 1568)
    if nets is None:
        return None
    masks = _unseen()
    x = _drawn(masks)
    mu, logvar = nets[0](x).double().chunk(2, dim=1)
    z = mu + (logvar / 2).exp() * normal(8, *mu.shape)
    mean, log_sigma = nets[1](z.float()).double().chunk(2, dim=1)
    log_sigma = log_sigma.clamp(-2, 2)
    rec = -0.5 * math.log(2 * math.pi) - log_sigma - 0.5 * ((x - mean) / log_sigma.exp()) ** 2
    bound = (rec.sum(dim=1) - 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(dim=1)).mean().item()
    power, floor = masks.double().pow(2), math.exp(-2.0)
    scores = []
    for p in (power.mean(dim=0, keepdim=True), power):
        sigma = p.sqrt().clamp(min=floor)
        scores.append((-0.5 * math.log(2 * math.pi) - sigma.log() - p / (2 * sigma**2)).sum(dim=1).mean().item())
    return (bound - scores[0]) / (scores[1] - scores[0])


def experiment_vae(VAE, elbo, variance_digits):
    """Graded experiment X2, third part: the variational autoencoder with learned variances."""
    with one_thread(), hidden("Experiment X2: the variational autoencoder") as expect:
        expect.case("a VAE of ten numbers on variance digits, 250 steps, the KL ramped over the first 100")
        gap = vae_gap(_lab(6000), VAE, elbo, variance_digits)
        hint = "sums over pixels and latents, a fresh draw for each example, log σ within its range: see 6 and 7"
        expect.true(gap is not None, "the training diverges", likely=hint)
        # right, 11 seeds: 0.121 to 0.222; one draw for the batch, 6 seeds: -0.03 to 0.06; draw detached -0.02, mean
        # over the pixels in the likelihood -0.02, mean decoded instead of a draw -0.9, KL added: diverges. Scored as
        # it was trained, one noise value for an image came to 0.04.
        expect.true(gap >= 0.08, f"the ELBO closes {gap:.2f} of the gap from one normal to the oracle", likely=hint)
