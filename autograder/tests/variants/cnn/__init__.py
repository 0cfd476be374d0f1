"""Differently written right answers of chapter 03: the tests must accept every one of them."""

from autograder.tests.variants.cnn import convolution, detection, networks, questions, sizes

VARIANTS = [
    right
    for module in (
        convolution,
        detection,
        networks,
        questions,
        sizes,
    )
    for right in module.VARIANTS
]
