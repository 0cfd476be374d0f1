"""Hidden tests of chapter 01, optimisation: a function per test cell, given the student's objects."""

from autograder.checks.optimization.averaging import ema
from autograder.checks.optimization.classifiers import logistic_fit, logistic_grad, perceptron, xor_network
from autograder.checks.optimization.experiments import (
    experiment_batch_norm,
    experiment_conditioning,
    experiment_depth,
)
from autograder.checks.optimization.initialisation import init_in_place, init_scale, signal_stats
from autograder.checks.optimization.loop import (
    clip_norm,
    clip_value,
    gradient_noise,
    lr_at,
    minibatches,
    update_ratio,
)
from autograder.checks.optimization.losses import bce, cross_entropy, log_softmax, mse
from autograder.checks.optimization.normalisation import (
    batch_norm_eval,
    batch_norm_gradients,
    batch_norm_running,
    batch_norm_train,
)
from autograder.checks.optimization.optimisers import (
    adagrad,
    adam,
    adam_eps,
    rmsprop,
    rmsprop_eps,
    rprop,
    sgd_momentum,
    sgd_nesterov,
)
from autograder.checks.optimization.quadratics import (
    convergence_rate,
    critical_point,
    gd_closed_form,
    gd_quadratic,
    max_stable_lr,
    newton_step,
    optimal_lr,
)
from autograder.checks.optimization.questions import (
    question_adam_first_step,
    question_clipping,
    question_first_loss,
    question_limit_velocity,
    question_rmsprop_zero,
    question_stable_step,
)
from autograder.checks.optimization.residual import residual_forward, residual_init
from autograder.checks.optimization.whitening import (
    whitener_inverse,
    whitener_pca,
    whitener_standardize,
    whitener_zca,
)

__all__ = [
    "adagrad",
    "adam",
    "adam_eps",
    "batch_norm_eval",
    "batch_norm_gradients",
    "batch_norm_running",
    "batch_norm_train",
    "bce",
    "clip_norm",
    "clip_value",
    "convergence_rate",
    "critical_point",
    "cross_entropy",
    "ema",
    "experiment_batch_norm",
    "experiment_conditioning",
    "experiment_depth",
    "gd_closed_form",
    "gd_quadratic",
    "gradient_noise",
    "init_in_place",
    "init_scale",
    "log_softmax",
    "logistic_fit",
    "logistic_grad",
    "lr_at",
    "max_stable_lr",
    "minibatches",
    "mse",
    "newton_step",
    "optimal_lr",
    "perceptron",
    "question_adam_first_step",
    "question_clipping",
    "question_first_loss",
    "question_limit_velocity",
    "question_rmsprop_zero",
    "question_stable_step",
    "residual_forward",
    "residual_init",
    "rmsprop",
    "rmsprop_eps",
    "rprop",
    "sgd_momentum",
    "sgd_nesterov",
    "signal_stats",
    "update_ratio",
    "whitener_inverse",
    "whitener_pca",
    "whitener_standardize",
    "whitener_zca",
    "xor_network",
]
