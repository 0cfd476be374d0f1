"""Right answers to the questions, written differently."""

from autograder.variants import Right

VARIANTS = [
    Right(exercise="q1", name="float", code="answer_dz = -72.0\n"),
    Right(exercise="q1", name="computed", code="answer_dz = 2 * (1 + 2) * (-4) * (1 + 2)\n"),
    Right(exercise="q2", name="list", code="answer_passes = [1000, 3]\n"),
    Right(
        exercise="q2",
        name="by-the-function",
        code='answer_passes = passes(1000, 3, "forward"), passes(1000, 3, "reverse")\n',
    ),
    Right(exercise="q3", name="rounded", code="answer_sigmoid_bound = 9.5e-7\n"),
    Right(exercise="q3", name="power-of-2", code="answer_sigmoid_bound = np.float64(2.0) ** -20\n"),
    Right(exercise="q4", name="single-quotes", code="answer_zigzag = 'b'\n"),
    Right(exercise="q4", name="chosen-from-a-list", code='answer_zigzag = "abcd"[1]\n'),
    Right(exercise="q5", name="single-quotes", code="answer_double = 'b'\n"),
    Right(exercise="q5", name="chosen-from-a-list", code='answer_double = "abc"[1]\n'),
    Right(exercise="q6", name="computed", code="answer_units = 2**10 - 1\n"),
    Right(exercise="q6", name="float", code="answer_units = 1023.0\n"),
]
