"""Known wrong answers of chapter 03, convolutional networks, each with what its author needs to hear."""

from autograder.misconceptions.cnn import backward, convolution, normalisation, pooling, residual, sizes

MISCONCEPTIONS = [
    wrong
    for module in (
        backward,
        convolution,
        normalisation,
        pooling,
        residual,
        sizes,
    )
    for wrong in module.MISCONCEPTIONS
]
