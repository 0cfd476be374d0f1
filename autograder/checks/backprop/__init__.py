"""Hidden tests of chapter 02, backpropagation: a function per test cell, given the student's objects."""

from autograder.checks.backprop.activations import elu, leaky_relu, prelu, relu, sigmoid, tanh
from autograder.checks.backprop.duals import dual, jacobian_forward, jacobian_reverse, passes
from autograder.checks.backprop.engine import engine_elementwise
from autograder.checks.backprop.engine_graph import engine_graph
from autograder.checks.backprop.engine_parts import engine_indexing, engine_matmul, engine_reductions
from autograder.checks.backprop.experiments import experiment_digits, experiment_spiral, experiment_vanishing
from autograder.checks.backprop.gates import branch_graph, gate_backward, square_graph
from autograder.checks.backprop.gradients import check_grad, numerical_grad, numerical_jacobian
from autograder.checks.backprop.layers import bce, linear, maxout, mse, softmax_cross_entropy
from autograder.checks.backprop.networks import predict, sequential, sgd_step, train_epoch
from autograder.checks.backprop.pieces import count_pieces, max_regions, tent_network
from autograder.checks.backprop.questions import (
    question_double,
    question_dz,
    question_passes,
    question_sigmoid_bound,
    question_units,
    question_zigzag,
)

__all__ = [
    "bce",
    "branch_graph",
    "check_grad",
    "count_pieces",
    "dual",
    "elu",
    "engine_elementwise",
    "engine_graph",
    "engine_indexing",
    "engine_matmul",
    "engine_reductions",
    "experiment_digits",
    "experiment_spiral",
    "experiment_vanishing",
    "gate_backward",
    "jacobian_forward",
    "jacobian_reverse",
    "leaky_relu",
    "linear",
    "max_regions",
    "maxout",
    "mse",
    "numerical_grad",
    "numerical_jacobian",
    "passes",
    "predict",
    "prelu",
    "question_double",
    "question_dz",
    "question_passes",
    "question_sigmoid_bound",
    "question_units",
    "question_zigzag",
    "relu",
    "sequential",
    "sgd_step",
    "sigmoid",
    "softmax_cross_entropy",
    "square_graph",
    "tanh",
    "tent_network",
    "train_epoch",
]
