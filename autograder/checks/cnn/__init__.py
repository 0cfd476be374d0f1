"""Hidden tests of chapter 03, convolutional networks: a function per test cell, given the student's objects."""

from autograder.checks.cnn.sizes import conv_out_size, conv_params, receptive_field

__all__ = [
    "conv_out_size",
    "conv_params",
    "receptive_field",
]
