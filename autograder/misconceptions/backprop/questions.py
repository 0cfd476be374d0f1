"""Wrong answers to the questions."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_dz = wrongs_of("q1")
_passes = wrongs_of("q2")
_bound = wrongs_of("q3")
_zigzag = wrongs_of("q4")
_double = wrongs_of("q5")
_units = wrongs_of("q6")

MISCONCEPTIONS = [
    _dz(
        "sign-lost",
        ("answer_dz = -72", "answer_dz = 72"),
        says="look at the sign",
        hint="q = 3 * (-4) is negative, so 2q is too.",
    ),
    _dz(
        "gradient-of-s",
        ("answer_dz = -72", "answer_dz = 96"),
        says="z receives the OTHER input",
        hint="2q z is the gradient of s. z receives 2q s.",
    ),
    _dz(
        "without-2",
        ("answer_dz = -72", "answer_dz = -36"),
        says="the square node's derivative",
        hint="The derivative of q^2 is 2q.",
    ),
    _dz(
        "stops-at-q",
        ("answer_dz = -72", "answer_dz = -24"),
        says="one more edge leads to z",
        hint="2q is the gradient of q; multiply it by dq/dz = s.",
    ),
    _passes(
        "exchanged",
        ("(1000, 3)", "(3, 1000)"),
        says="the first number is for forward mode",
        hint="Forward mode takes one pass per input, reverse mode one per output.",
    ),
    _passes(
        "one-reverse-pass",
        ("(1000, 3)", "(1000, 1)"),
        says="reverse mode asks one output at a time",
        hint="One reverse pass is enough for one output; here there are three.",
    ),
    _passes(
        "all-entries",
        ("(1000, 3)", "(3000, 3000)"),
        says="forward mode moves one input at a time",
        hint="One pass gives a whole column or row of the Jacobian.",
    ),
    _passes(
        "one-number",
        ("(1000, 3)", "1000"),
        says="answer_passes",
        hint="The answer is a pair: (forward, reverse).",
    ),
    _bound(
        "added-up",
        ("0.25**10", "10 * 0.25"),
        says="the ten derivatives multiply",
        hint="Along a path the derivatives multiply, they do not add.",
    ),
    _bound(
        "largest-derivative-1",
        ("0.25**10", "1.0"),
        says="has a largest value",
        hint="The slope of the sigmoid is largest at 0, where it is 1/4.",
    ),
    _bound(
        "one-half",
        ("0.25**10", "0.5**10"),
        says="has a largest value",
        hint="1/2 is the value of the sigmoid at 0; its slope there is 1/2 * (1 - 1/2).",
    ),
    _bound(
        "one-layer",
        ("0.25**10", "0.25"),
        says="the ten derivatives multiply",
        hint="1/4 is the bound for one layer.",
    ),
    _zigzag(
        "mixed",
        ('"b"', '"a"'),
        says="which factor can change its sign",
        hint="dL/dw_i = upstream * x_i with all x_i > 0: the sign is that of upstream.",
    ),
    _zigzag(
        "zero",
        ('"b"', '"c"'),
        says="neither need be zero",
        hint="The gradients are upstream times x_i, in general not 0.",
    ),
    _zigzag(
        "cancel", ('"b"', '"d"'), says="can such numbers cancel", hint="Numbers of one sign cannot sum to 0."
    ),
    _zigzag(
        "capital-letter",
        ('"b"', '"B"'),
        says="one of the letters",
        hint="Answer with the letter as it is written, in lower case and in quotes.",
    ),
    _double(
        "one-edge",
        ('"b"', '"a"'),
        says="two edges",
        hint="x is used twice, and the gradients of both edges add.",
    ),
    _double(
        "shared",
        ('"b"', '"c"'),
        says="does not share",
        hint="An add gate gives each input the whole upstream gradient.",
    ),
    _double("number", ('"b"', "2"), says="one of the letters", hint="The answer is a letter in quotes."),
    _double(
        "open",
        ('answer_double = "b"', "answer_double = None"),
        says="holds no answer yet",
        hint="The answer is still open.",
    ),
    _units(
        "pieces",
        ("1023", "1024"),
        says="how many knots separate them",
        hint="1024 pieces are separated by 1023 knots.",
    ),
    _units(
        "knots-plus-2",
        ("1023", "1025"),
        says="k knots separate k + 1 pieces",
        hint="The ends of the interval need no knots.",
    ),
    _units(
        "as-many-as-the-tent",
        ("1023", "20"),
        says="a shallow one gains one piece per unit",
        hint="With one hidden layer every unit adds at most one piece.",
    ),
    _units(
        "depth-times-width",
        ("1023", "100"),
        says="count the pieces of the tent network",
        hint="Each layer doubles the number of pieces: 2^10 of them.",
    ),
]
