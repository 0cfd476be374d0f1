"""The conceptual questions: answers held in variables."""

from __future__ import annotations

import math

from coursekit.checking import hidden

from autograder.checks.answers import choice, number


def _near(value: float, other: float) -> bool:
    return math.isclose(value, other, rel_tol=1e-3)


def question_linear_autoencoder(answer):
    """Question 1: what the squared error of a linear autoencoder determines."""
    with hidden("Question 1") as expect:
        free = "replace W_g by W_g A and W_f by A^-1 W_f: what changes in the reconstruction?"
        likely = {"a": free, "b": free, "c": free}
        choice(expect, answer, "answer_linear_autoencoder", "abcd", "d", likely)


def question_pca_error(answer):
    """Question 2: the error of PCA with two of the five eigenvalues 5, 3, 1, 0.5, 0.5."""
    with hidden("Question 2") as expect:
        came = number(expect, answer, "answer_pca_error")
        hint = "the variance along every direction that is left out is lost: which eigenvalues are these?"
        if _near(came, 8.0):
            hint = "that is what is kept; the error is what is lost"
        elif _near(came, 2 / 3) or _near(came, 0.4):
            hint = "the error of a point is the SUM over its dimensions"
        elif _near(came, 0.2):
            hint = "that is the share of the whole variance; the error itself is asked for"
        expect.close(came, 2.0, "the error", rtol=1e-3, atol=0, likely=hint)


def question_denoised(answer):
    """Question 3: the optimal denoiser for clean data N(0, 4), sigma 1, observed 5."""
    with hidden("Question 3") as expect:
        came = number(expect, answer, "answer_denoised")
        hint = "x + sigma² times the score of N(0, 4 + 1)"
        if _near(came, 5.0):
            hint = "without shrinkage the noise stays in: the observation is more likely too large than too small"
        elif _near(came, 3.75):
            hint = "the score is that of the NOISY data, whose variance is 4 + 1, not 4"
        elif _near(came, 5 * 16 / 17) or _near(came, 10 / 3):
            hint = "variances: 4 is one already, and sigma = 1 gives another"
        elif _near(came, 1.0):
            hint = "that is the part that is taken away"
        elif _near(came, 0.0):
            hint = "the prior mean ignores the observation altogether"
        expect.close(came, 4.0, "the estimate", rtol=1e-3, atol=0, likely=hint)


def question_gap(answer):
    """Question 4: the divergence from the posterior for log p = -87.2 and an ELBO of -91.5."""
    with hidden("Question 4") as expect:
        came = number(expect, answer, "answer_gap")
        hint = "ELBO = log p(x) - KL(q || p(z|x)): what is the difference?"
        if _near(came, -4.3):
            hint = "a divergence is never negative: the ELBO lies BELOW log p(x)"
        expect.close(came, 4.3, "the divergence", rtol=1e-3, atol=0, likely=hint)


def question_blind(answer):
    """Question 5: why a squared error is blind to variance digits."""
    with hidden("Question 5") as expect:
        likely = {
            "a": "people read them at once, and so do a DAE and a VAE",
            "c": "the DAE and the VAE had ten numbers as well",
            "d": "the DAE and the VAE had the same kind of network",
        }
        choice(expect, answer, "answer_blind", "abcd", "b", likely)


def question_parameters(answer):
    """Question 6: the variational parameters of 60 000 examples with 10 latent numbers."""
    with hidden("Question 6") as expect:
        came = number(expect, answer, "answer_parameters")
        hint = "examples times latent numbers times the parameters of one normal distribution"
        if _near(came, 600_000):
            hint = "a normal distribution has a mean AND a standard deviation"
        elif _near(came, 20):
            hint = "that is for one example: without an encoder every example has its own"
        expect.close(came, 1_200_000, "the number of parameters", rtol=1e-6, atol=0, likely=hint)
