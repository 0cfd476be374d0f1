"""Differently written right answers of chapter 08: the tests must accept every one of them."""

from autograder.tests.variants.autoencoders import bottleneck, denoising, elbo, mixtures, pca, sampling, variance

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
    )
    for right in module.VARIANTS
]
