"""Differently written right answers of chapter 02: the tests must accept every one of them."""

from autograder.tests.variants.backprop import (
    activations,
    duals,
    engine,
    engines,
    gates,
    gradients,
    layers,
    networks,
    pieces,
    questions,
)

VARIANTS = [
    right
    for module in (gradients, gates, engines, engine, duals, activations, layers, networks, pieces, questions)
    for right in module.VARIANTS
]
