"""Known wrong answers of chapter 08, autoencoders, each with what its author needs to hear."""

from autograder.misconceptions.autoencoders import bottleneck, denoising, pca, variance

MISCONCEPTIONS = [
    wrong
    for module in (
        pca,
        bottleneck,
        denoising,
        variance,
    )
    for wrong in module.MISCONCEPTIONS
]
