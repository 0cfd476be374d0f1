"""Known wrong answers of chapter 08, autoencoders, each with what its author needs to hear."""

from autograder.misconceptions.autoencoders import (
    bottleneck,
    denoising,
    elbo,
    experiments,
    ladder,
    mixtures,
    pca,
    questions,
    sampling,
    variance,
)

MISCONCEPTIONS = [
    wrong
    for module in (
        pca,
        bottleneck,
        denoising,
        variance,
        mixtures,
        sampling,
        elbo,
        ladder,
        experiments,
        questions,
    )
    for wrong in module.MISCONCEPTIONS
]
