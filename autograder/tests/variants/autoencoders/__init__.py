"""Differently written right answers of chapter 08: the tests must accept every one of them."""

from autograder.tests.variants.autoencoders import bottleneck, denoising, mixtures, pca, variance

VARIANTS = [
    right
    for module in (
        pca,
        bottleneck,
        denoising,
        variance,
        mixtures,
    )
    for right in module.VARIANTS
]
