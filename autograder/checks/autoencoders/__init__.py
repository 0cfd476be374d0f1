"""Hidden tests of chapter 08, autoencoders. One function for each test cell."""

from autograder.checks.autoencoders.bottleneck import bottleneck_forward, bottleneck_parts, reconstruction_loss, tied
from autograder.checks.autoencoders.denoising import corrupt, dae_loss, denoiser, score
from autograder.checks.autoencoders.elbo import elbo, log_likelihood, vae
from autograder.checks.autoencoders.experiments import (
    experiment_ae,
    experiment_bottleneck,
    experiment_dae,
    experiment_vae,
)
from autograder.checks.autoencoders.ladder import ladder_loss, ladder_mlp
from autograder.checks.autoencoders.mixtures import e_step, free_energy, log_lik, m_step
from autograder.checks.autoencoders.pca import pca_codes, pca_fit
from autograder.checks.autoencoders.questions import (
    question_blind,
    question_denoised,
    question_gap,
    question_linear_autoencoder,
    question_parameters,
    question_pca_error,
)
from autograder.checks.autoencoders.sampling import kl_diag, kl_standard, reparameterize
from autograder.checks.autoencoders.variance import gated_dae, variance_digits, wiener_gain, yardsticks

__all__ = [
    "bottleneck_forward",
    "bottleneck_parts",
    "corrupt",
    "dae_loss",
    "denoiser",
    "e_step",
    "elbo",
    "experiment_ae",
    "experiment_bottleneck",
    "experiment_dae",
    "experiment_vae",
    "free_energy",
    "gated_dae",
    "kl_diag",
    "kl_standard",
    "ladder_loss",
    "ladder_mlp",
    "log_lik",
    "log_likelihood",
    "m_step",
    "pca_codes",
    "pca_fit",
    "question_blind",
    "question_denoised",
    "question_gap",
    "question_linear_autoencoder",
    "question_parameters",
    "question_pca_error",
    "reconstruction_loss",
    "reparameterize",
    "score",
    "tied",
    "vae",
    "variance_digits",
    "wiener_gain",
    "yardsticks",
]
