"""Wrong answers to the questions."""

from __future__ import annotations

from autograder.misconceptions.writing import wrongs_of

_q1, _q2, _q3, _q4, _q5, _q6 = (wrongs_of(f"q{i}") for i in range(1, 7))
_LINEAR = 'answer_linear_autoencoder = "d"'
_PCA = "answer_pca_error = 2.0"
_DENOISED = "answer_denoised = 4.0"
_GAP = "answer_gap = 4.3"
_BLIND = 'answer_blind = "b"'
_COUNT = "answer_parameters = 1_200_000"

MISCONCEPTIONS = [
    _q1(
        "the-encoder",
        (_LINEAR, 'answer_linear_autoencoder = "a"'),
        says="what changes in the reconstruction",
        hint="Any invertible A may be put between encoder and decoder.",
    ),
    _q1(
        "the-decoder",
        (_LINEAR, 'answer_linear_autoencoder = "b"'),
        says="what changes in the reconstruction",
        hint="Any invertible A may be put between encoder and decoder.",
    ),
    _q1(
        "both",
        (_LINEAR, 'answer_linear_autoencoder = "c"'),
        says="what changes in the reconstruction",
        hint="Only their product, the projector on the principal subspace, is fixed.",
    ),
    _q1(
        "no-letter",
        (_LINEAR, 'answer_linear_autoencoder = "the product"'),
        says="the answer is one of the letters",
        hint="Give the letter, in quotes.",
    ),
    _q2("what-is-kept", (_PCA, "answer_pca_error = 8.0"), says="what is lost", hint="The tail is lost: 1 + 0.5 + 0.5."),
    _q2(
        "mean-of-the-tail",
        (_PCA, "answer_pca_error = 2 / 3"),
        says="the SUM over its dimensions",
        hint="Sum over the dimensions.",
    ),
    _q2(
        "share",
        (_PCA, "answer_pca_error = 0.2"),
        says="share of the whole variance",
        hint="The error itself, not its share.",
    ),
    _q2(
        "the-next-one-only",
        (_PCA, "answer_pca_error = 1.0"),
        says="the variance along every direction",
        hint="All three directions that are left out count: 1 + 0.5 + 0.5.",
    ),
    _q3("no-shrinkage", (_DENOISED, "answer_denoised = 5"), says="without shrinkage", hint="5 · 4 / (4 + 1)."),
    _q3(
        "score-of-the-clean-data",
        (_DENOISED, "answer_denoised = 3.75"),
        says="NOISY",
        hint="5 - 5 / 4 uses the density of the clean data; the noisy one has variance 5.",
    ),
    _q3("the-noise", (_DENOISED, "answer_denoised = 1.0"), says="taken away", hint="1 is the estimated noise."),
    _q3(
        "the-prior-mean",
        (_DENOISED, "answer_denoised = 0"),
        says="ignores the observation",
        hint="The observation counts too: 5 · 4 / (4 + 1).",
    ),
    _q4("negative", (_GAP, "answer_gap = -4.3"), says="never negative", hint="log p(x) - ELBO, not the reverse."),
    _q4("the-sum", (_GAP, "answer_gap = 178.7"), says="what is the difference", hint="The gap is the difference."),
    _q4("zero", (_GAP, "answer_gap = 0"), says="what is the difference", hint="The ELBO is below log p(x) here."),
    _q4(
        "no-number",
        (_GAP, 'answer_gap = "4.3 nats"'),
        says="a number",
        hint="A number, without its unit.",
    ),
    _q5(
        "unreadable",
        (_BLIND, 'answer_blind = "a"'),
        says="people read them",
        hint="The information is there: in the variances.",
    ),
    _q5("ten-numbers", (_BLIND, 'answer_blind = "c"'), says="ten numbers as well", hint="The loss is blind."),
    _q5("network", (_BLIND, 'answer_blind = "d"'), says="the same kind of network", hint="The loss is blind."),
    _q5(
        "no-letter",
        (_BLIND, 'answer_blind = "mean 0"'),
        says="one of the letters",
        hint="Give the letter, in quotes.",
    ),
    _q6(
        "means-only",
        (_COUNT, "answer_parameters = 600_000"),
        says="AND a standard deviation",
        hint="A mean and a standard deviation for each latent number.",
    ),
    _q6("one-example", (_COUNT, "answer_parameters = 20"), says="for one example", hint="Times the examples."),
    _q6(
        "full-covariances",
        (_COUNT, "answer_parameters = 60_000 * (10 + 55)"),
        says="examples times latent numbers",
        hint="The q of each example is diagonal: ten means and ten standard deviations.",
    ),
    _q6(
        "shared-by-all",
        (_COUNT, "answer_parameters = 60_000 + 20"),
        says="examples times latent numbers",
        hint="Without an encoder nothing is shared: every example has twenty numbers of its own.",
    ),
]
