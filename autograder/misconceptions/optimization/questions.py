"""Wrong answers to the questions."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_q1, _q2, _q3, _q4, _q5, _q6 = (wrongs_of(f"q{i}") for i in range(1, 7))
_FIRST = 'answer_first_loss = "b"'
_STEP = "answer_stable_step = (0.04, 99 / 101)"
_VELOCITY = "answer_limit_velocity = 0.2"
_ADAM = "answer_adam_first_step = 3.162"
_ZERO = 'answer_rmsprop_zero = "b"'

MISCONCEPTIONS = [
    _q1(
        "all-is-well",
        (_FIRST, 'answer_first_loss = "a"'),
        says="the same probability",
        hint="A network that knows nothing has the loss ln 10 = 2.3. A loss of 23 is ten times that.",
    ),
    _q1(
        "learning-rate",
        (_FIRST, 'answer_first_loss = "c"'),
        says="no step has been taken yet",
        hint="Before the first step the learning rate has no influence.",
    ),
    _q1(
        "one-hot-labels",
        (_FIRST, 'answer_first_loss = "d"'),
        says="give the same loss",
        hint="The form of the labels does not change the loss.",
    ),
    _q1(
        "no-letter",
        (_FIRST, 'answer_first_loss = "the logits are too large"'),
        says="the answer is one of the letters",
        hint="Give the letter, in quotes.",
    ),
    _q2(
        "best-step-for-the-largest",
        (_STEP, "answer_stable_step = (2 / 50.5, 99 / 101)"),
        says="that is the BEST step",
        hint="2 / (smallest + largest) is the best step, 2 / largest the largest stable one.",
    ),
    _q2(
        "one-over-the-largest",
        (_STEP, "answer_stable_step = (0.02, 99 / 101)"),
        says="which one decides?",
        hint="|1 - lr * 50| < 1 holds up to lr = 2 / 50.",
    ),
    _q2(
        "order-exchanged",
        (_STEP, "answer_stable_step = (99 / 101, 0.04)"),
        says="the first number is the step",
        hint="The step first, then the rate.",
    ),
    _q2(
        "rate-for-the-smallest-step",
        (_STEP, "answer_stable_step = (0.04, 0.96)"),
        says="the best rate",
        hint="The best rate is (kappa - 1) / (kappa + 1) with kappa = 100.",
    ),
    _q2(
        "smallest-eigenvalue",
        (_STEP, "answer_stable_step = (4.0, 99 / 101)"),
        says="which one decides?",
        hint="The steepest direction, with the largest eigenvalue, diverges first.",
    ),
    _q3(
        "first-step",
        (_VELOCITY, "answer_limit_velocity = 0.02"),
        says="later steps add up to more",
        hint="0.02 is the first step. With momentum 0.9 the steps add up to ten times that.",
    ),
    _q3(
        "gradient-forgotten",
        (_VELOCITY, "answer_limit_velocity = 0.1"),
        says="that is for a gradient of 1",
        hint="lr / (1 - momentum) is 0.1; the gradient is 2.",
    ),
    _q3(
        "divided-by-the-momentum",
        (_VELOCITY, "answer_limit_velocity = 0.02 / 0.9"),
        says="1 / (1 - a), not 1 / a",
        hint="The geometric series is 1 / (1 - 0.9).",
    ),
    _q3(
        "grows-without-bound",
        (_VELOCITY, 'answer_limit_velocity = float("inf")'),
        says="the limit of the velocity",
        hint="What is 10 % of the velocity is lost in every step: it settles where loss and gain agree.",
    ),
    _q4(
        "with-correction",
        (_ADAM, "answer_adam_first_step = 1.0"),
        says="that is the step WITH bias correction",
        hint="With the correction the first step is 1. Without it m = 0.1 and the root of v = 0.0316.",
    ),
    _q4(
        "root-forgotten",
        (_ADAM, "answer_adam_first_step = 100.0"),
        says="divide by the root of v",
        hint="0.1 / 0.001 forgets the root.",
    ),
    _q4(
        "inverted",
        (_ADAM, "answer_adam_first_step = 0.316"),
        says="m / sqrt(v), not sqrt(v) / m",
        hint="The step is m / sqrt(v).",
    ),
    _q4(
        "first-moment-only",
        (_ADAM, "answer_adam_first_step = 0.1"),
        says="m and v start at 0",
        hint="m is 0.1, but v is too small as well, and its root stands below.",
    ),
    _q5(
        "value",
        ('answer_clipping = "norm"', 'answer_clipping = "value"'),
        says="draw both arrows",
        hint="Clipped by value (3, -0.5) becomes (1, -0.5), another direction.",
    ),
    _q5(
        "both",
        ('answer_clipping = "norm"', 'answer_clipping = "both"'),
        says="one of",
        hint="Only one of them multiplies both entries by the same number.",
    ),
    _q5(
        "neither",
        ('answer_clipping = "norm"', "answer_clipping = False"),
        says="one of",
        hint="One common factor, as in clipping by norm, changes the length and not the direction.",
    ),
    _q5(
        "the-clipped-gradient",
        ('answer_clipping = "norm"', "answer_clipping = (1.0, -0.5)"),
        says="one of",
        hint="Name the kind of clipping. (1, -0.5) is what clipping by value gives: it points elsewhere.",
    ),
    _q6(
        "adagrad",
        (_ZERO, 'answer_rmsprop_zero = "a"'),
        says="nothing of the past is left",
        hint="AdaGrad is the SUM of all squares. beta = 0 forgets everything but the last gradient.",
    ),
    _q6(
        "plain-descent",
        (_ZERO, 'answer_rmsprop_zero = "c"'),
        says="what is g / |g|",
        hint="g divided by the root of g^2 is the sign of g: the size drops out.",
    ),
    _q6(
        "adam",
        (_ZERO, 'answer_rmsprop_zero = "d"'),
        says="no average of the gradient itself",
        hint="Adam also averages the gradient.",
    ),
    _q6(
        "in-words",
        (_ZERO, 'answer_rmsprop_zero = "sign descent"'),
        says="one of",
        hint="That is right, but give the letter, in quotes.",
    ),
]
