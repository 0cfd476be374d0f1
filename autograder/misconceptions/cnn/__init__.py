"""Known wrong answers of chapter 03, convolutional networks, each with what its author needs to hear."""

from autograder.misconceptions.cnn import (
    backward,
    boxes,
    convolution,
    normalisation,
    pooling,
    precision,
    residual,
    sizes,
    targets,
)

MISCONCEPTIONS = [
    wrong
    for module in (
        backward,
        boxes,
        convolution,
        normalisation,
        pooling,
        precision,
        residual,
        sizes,
        targets,
    )
    for wrong in module.MISCONCEPTIONS
]
