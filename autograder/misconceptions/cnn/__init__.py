"""Known wrong answers of chapter 03, convolutional networks, each with what its author needs to hear."""

from autograder.misconceptions.cnn import sizes

MISCONCEPTIONS = [wrong for module in (sizes,) for wrong in module.MISCONCEPTIONS]
