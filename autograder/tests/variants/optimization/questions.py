"""Right answers to the questions, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(exercise="q1", name="other-quotes", code="answer_first_loss = 'b'\n"),
    Right(exercise="q1", name="built-from-pieces", code='answer_first_loss = "abcd"[1]\n'),
    Right(exercise="q2", name="rounded", code="answer_stable_step = (0.04, 0.98)\n"),
    Right(
        exercise="q2",
        name="computed",
        code="kappa = 50 / 0.5\nanswer_stable_step = [2 / 50, (kappa - 1) / (kappa + 1)]\n",
    ),
    Right(exercise="q3", name="with-its-sign", code="answer_limit_velocity = -0.2\n"),
    Right(exercise="q3", name="computed", code="answer_limit_velocity = 0.01 * 2 / (1 - 0.9)\n"),
    Right(exercise="q4", name="computed", code="answer_adam_first_step = 0.1 / 0.001**0.5\n"),
    Right(exercise="q4", name="rounded", code="answer_adam_first_step = 3.16\n"),
    Right(exercise="q5", name="other-quotes", code="answer_clipping = 'norm'\n"),
    Right(exercise="q5", name="chosen", code='answer_clipping = ("value", "norm")[1]\n'),
    Right(exercise="q6", name="other-quotes", code="answer_rmsprop_zero = 'b'\n"),
    Right(exercise="q6", name="built-from-pieces", code='answer_rmsprop_zero = "abcd"[1]\n'),
]
