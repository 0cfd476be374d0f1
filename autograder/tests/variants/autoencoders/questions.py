"""Right answers to the questions, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(exercise="q1", name="other-quotes", code="answer_linear_autoencoder = 'd'\n"),
    Right(exercise="q1", name="built-from-pieces", code='answer_linear_autoencoder = "abcd"[3]\n'),
    Right(exercise="q2", name="computed", code="answer_pca_error = sum([5, 3, 1, 0.5, 0.5][2:])\n"),
    Right(exercise="q2", name="whole", code="answer_pca_error = 2\n"),
    Right(exercise="q3", name="computed", code="answer_denoised = 5 * 4 / (4 + 1**2)\n"),
    Right(exercise="q3", name="whole", code="answer_denoised = 4\n"),
    Right(exercise="q4", name="computed", code="answer_gap = -87.2 - -91.5\n"),
    Right(exercise="q4", name="rounded", code="answer_gap = 4.30\n"),
    Right(exercise="q5", name="other-quotes", code="answer_blind = 'b'\n"),
    Right(exercise="q5", name="built-from-pieces", code='answer_blind = "abcd"[1]\n'),
    Right(exercise="q6", name="computed", code="answer_parameters = 60_000 * 10 * 2\n"),
    Right(exercise="q6", name="float", code="answer_parameters = 1.2e6\n"),
]
