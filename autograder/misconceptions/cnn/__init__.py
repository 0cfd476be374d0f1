"""Known wrong answers of chapter 03, convolutional networks, each with what its author needs to hear."""

from autograder.misconceptions.cnn import (
    backward,
    boxes,
    convolution,
    experiments,
    normalisation,
    pooling,
    precision,
    questions,
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
        experiments,
        normalisation,
        pooling,
        precision,
        questions,
        residual,
        sizes,
        targets,
    )
    for wrong in module.MISCONCEPTIONS
]
