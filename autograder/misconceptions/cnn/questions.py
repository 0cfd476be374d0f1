"""Wrong answers to the questions."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_q1, _q2, _q3, _q4, _q5, _q6 = (wrongs_of(f"q{i}") for i in range(1, 7))
_PERM = 'answer_perm = "b"'
_WEIGHTS = "answer_conv_weights = 96"
_FLIP = "answer_flip = -1"
_EQUIV = 'answer_equiv = "c"'
_DILATED = "answer_dilated = 14"
_TRANSFER = 'answer_transfer = "b"'

MISCONCEPTIONS = [
    _q1(
        "falls-to-chance",
        (_PERM, 'answer_perm = "a"'),
        says="permute the columns",
        hint="A person cannot read the digits any more, but an MLP never knew which pixels are neighbours.",
    ),
    _q1(
        "falls-slightly",
        (_PERM, 'answer_perm = "c"'),
        says="the columns of a random first layer have no order",
        hint="Random columns are as good in any order: the problem is exactly the same.",
    ),
    _q1(
        "rises",
        (_PERM, 'answer_perm = "d"'),
        says="adds no information",
        hint="It is the same problem with other names for the inputs.",
    ),
    _q1(
        "no-letter",
        (_PERM, 'answer_perm = "unchanged"'),
        says="the answer is one of the letters",
        hint="Give the letter, in quotes.",
    ),
    _q2(
        "with-biases",
        (_WEIGHTS, "answer_conv_weights = 104"),
        says="biases are not counted",
        hint="3 * 4 * 8 = 96 weights; the 8 biases are not asked for.",
    ),
    _q2(
        "times-the-length",
        (_WEIGHTS, "answer_conv_weights = 96_000"),
        says="shared by all positions",
        hint="The same 96 weights serve all positions.",
    ),
    _q2(
        "one-filter",
        (_WEIGHTS, "answer_conv_weights = 12"),
        says="there are 8 of them",
        hint="12 weights per filter, 8 filters.",
    ),
    _q2(
        "one-input-channel",
        (_WEIGHTS, "answer_conv_weights = 24"),
        says="4 input channels",
        hint="Each filter reads all input channels.",
    ),
    _q3(
        "kernel-turned",
        (_FLIP, "answer_flip = 1"),
        says="does not turn the kernel around",
        hint="1*0 + 0*0 - 1*1 = -1; with the kernel flipped it would be +1.",
    ),
    _q3(
        "second-output",
        (_FLIP, "answer_flip = -2"),
        says="the second output",
        hint="The first window covers 0, 0, 1.",
    ),
    _q3(
        "with-padding",
        (_FLIP, "answer_flip = 0"),
        says="no padding",
        hint="Without padding the first window is the first three numbers.",
    ),
    _q3(
        "text",
        (_FLIP, 'answer_flip = "minus one"'),
        says="a number",
        hint="Give a number.",
    ),
    _q4(
        "conv-is-invariant",
        (_EQUIV, 'answer_equiv = "a"'),
        says="moves along with the input",
        hint="That is equivariance: the map moves along. Invariant would be: it stays as it is.",
    ),
    _q4(
        "stride-two",
        (_EQUIV, 'answer_equiv = "b"'),
        says="shifted by one pixel",
        hint="Only shifts by multiples of 2 come out as whole shifts.",
    ),
    _q4(
        "pooling-is-exact",
        (_EQUIV, 'answer_equiv = "d"'),
        says="do the pooling windows move along",
        hint="Pooling makes it approximately invariant to small shifts, not exactly.",
    ),
    _q4(
        "not-an-option",
        (_EQUIV, 'answer_equiv = "e"'),
        says="the answer is one of the letters",
        hint="Give one of the four letters.",
    ),
    _q5(
        "one-too-few",
        (_DILATED, "answer_dilated = 13"),
        says="8,192",
        hint="13 layers see 2**13 = 8,192 steps, 14 see 16,384.",
    ),
    _q5(
        "one-too-many",
        (_DILATED, "answer_dilated = 15"),
        says="one less is enough",
        hint="2**14 = 16,384 is at least 16,000.",
    ),
    _q5(
        "without-dilation",
        (_DILATED, "answer_dilated = 15_999"),
        says="without dilation",
        hint="With doubling dilations the field doubles with each layer.",
    ),
    _q5(
        "cd-sound",
        (_DILATED, "answer_dilated = 16"),
        says="44,100",
        hint="The question has 16,000 samples a second.",
    ),
    _q6(
        "everything-at-once",
        (_TRANSFER, 'answer_transfer = "a"'),
        says="large random gradients",
        hint="A random head would wreck the good features before it has learned anything.",
    ),
    _q6(
        "first-layers",
        (_TRANSFER, 'answer_transfer = "c"'),
        says="edges and colours",
        hint="The first layers are the most general ones: they change last.",
    ),
    _q6(
        "capital-words",
        (_TRANSFER, 'answer_transfer = "the head"'),
        says="the answer is one of the letters",
        hint="Give the letter, in quotes.",
    ),
    _q6(
        "open",
        (_TRANSFER, "answer_transfer = 2"),
        says="the answer is one of the letters",
        hint="Give the letter, in quotes.",
    ),
]
