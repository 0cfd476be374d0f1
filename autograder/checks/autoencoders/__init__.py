"""Hidden tests of chapter 08, autoencoders. One function for each test cell."""

from autograder.checks.autoencoders.bottleneck import bottleneck_forward, bottleneck_parts, reconstruction_loss, tied
from autograder.checks.autoencoders.pca import pca_codes, pca_fit

__all__ = ["bottleneck_forward", "bottleneck_parts", "pca_codes", "pca_fit", "reconstruction_loss", "tied"]
