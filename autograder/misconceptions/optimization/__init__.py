"""Known wrong answers of chapter 01, optimisation, each with what its author needs to hear."""

from autograder.misconceptions.optimization import (
    adaptive,
    averaging,
    batch_norm,
    classifiers,
    experiments,
    initialisation,
    losses,
    optimisers,
    quadratics,
    questions,
    residual,
    training_loop,
    whitening,
)

MISCONCEPTIONS = [
    wrong
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
        averaging,
        experiments,
        questions,
    )
    for wrong in module.MISCONCEPTIONS
]
