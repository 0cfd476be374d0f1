"""Hidden tests of chapter 03, convolutional networks: a function per test cell, given the student's objects."""

from autograder.checks.cnn.backward import conv_backward_inputs, conv_backward_weights, conv_transpose
from autograder.checks.cnn.convolution import conv_options, conv_use, conv_values
from autograder.checks.cnn.sizes import conv_out_size, conv_params, receptive_field

__all__ = [
    "conv_backward_inputs",
    "conv_backward_weights",
    "conv_options",
    "conv_out_size",
    "conv_params",
    "conv_transpose",
    "conv_use",
    "conv_values",
    "receptive_field",
]
