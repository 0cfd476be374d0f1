"""Differently written right answers of chapter 08: the tests must accept every one of them."""

from autograder.tests.variants.autoencoders import (
    bottleneck,
    denoising,
    elbo,
    ladder,
    mixtures,
    pca,
    questions,
    sampling,
    variance,
)

VARIANTS = [
    right
    for module in (
        pca,
        bottleneck,
        denoising,
        variance,
        mixtures,
        sampling,
        elbo,
        ladder,
        questions,
    )
    for right in module.VARIANTS
]
