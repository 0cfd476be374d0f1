"""Known wrong answers of chapter 08, autoencoders, each with what its author needs to hear."""

from autograder.misconceptions.autoencoders import bottleneck, denoising, mixtures, pca, variance

MISCONCEPTIONS = [
    wrong
    for module in (
        pca,
        bottleneck,
        denoising,
        variance,
        mixtures,
    )
    for wrong in module.MISCONCEPTIONS
]
