"""Differently written right answers of chapter 01: the tests must accept every one of them."""

from autograder.tests.variants.optimization import (
    adaptive,
    batch_norm,
    classifiers,
    initialisation,
    losses,
    optimisers,
    quadratics,
    questions,
    residual,
    training_loop,
    whitening,
)

VARIANTS = [
    right
    for module in (
        losses,
        classifiers,
        quadratics,
        whitening,
        initialisation,
        batch_norm,
        residual,
        optimisers,
        adaptive,
        training_loop,
        questions,
    )
    for right in module.VARIANTS
]
