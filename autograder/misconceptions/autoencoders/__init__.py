"""Known wrong answers of chapter 08, autoencoders, each with what its author needs to hear."""

from autograder.misconceptions.autoencoders import bottleneck, pca

MISCONCEPTIONS = [
    wrong
    for module in (
        pca,
        bottleneck,
    )
    for wrong in module.MISCONCEPTIONS
]
