"""Hidden tests of chapter 03, convolutional networks: a function per test cell, given the student's objects."""

from autograder.checks.cnn.backward import conv_backward_inputs, conv_backward_weights, conv_transpose
from autograder.checks.cnn.boxes import box_iou, nms
from autograder.checks.cnn.convolution import conv_options, conv_use, conv_values
from autograder.checks.cnn.experiments import experiment_detector, experiment_locality, experiment_shattering
from autograder.checks.cnn.normalisation import (
    batch_norm_eval,
    batch_norm_gradients,
    batch_norm_running,
    batch_norm_train,
)
from autograder.checks.cnn.pooling import max_pool, max_pool_backward
from autograder.checks.cnn.precision import average_precision, mean_average_precision
from autograder.checks.cnn.questions import (
    question_conv_weights,
    question_dilated,
    question_equiv,
    question_flip,
    question_perm,
    question_transfer,
)
from autograder.checks.cnn.residual import make_resnet, residual_block
from autograder.checks.cnn.sizes import conv_out_size, conv_params, receptive_field
from autograder.checks.cnn.targets import decode_boxes, encode_boxes, yolo_encode

__all__ = [
    "average_precision",
    "batch_norm_eval",
    "batch_norm_gradients",
    "batch_norm_running",
    "batch_norm_train",
    "box_iou",
    "conv_backward_inputs",
    "conv_backward_weights",
    "conv_options",
    "conv_out_size",
    "conv_params",
    "conv_transpose",
    "conv_use",
    "conv_values",
    "decode_boxes",
    "encode_boxes",
    "experiment_detector",
    "experiment_locality",
    "experiment_shattering",
    "make_resnet",
    "max_pool",
    "max_pool_backward",
    "mean_average_precision",
    "nms",
    "question_conv_weights",
    "question_dilated",
    "question_equiv",
    "question_flip",
    "question_perm",
    "question_transfer",
    "receptive_field",
    "residual_block",
    "yolo_encode",
]
