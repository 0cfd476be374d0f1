"""Hidden tests of chapter 08, autoencoders. One function for each test cell."""

from autograder.checks.autoencoders.pca import pca_codes, pca_fit

__all__ = ["pca_codes", "pca_fit"]
