"""Known wrong answers of chapter 02, backpropagation, each with what its author needs to hear."""

from autograder.misconceptions.backprop import (
    activations,
    duals,
    engine,
    gates,
    gradients,
    layers,
    networks,
    pieces,
    questions,
)

MISCONCEPTIONS = [
    wrong
    for module in (gradients, gates, engine, duals, activations, layers, networks, pieces, questions)
    for wrong in module.MISCONCEPTIONS
]
