"""Known wrong answers of chapter 00, each with what its author needs to hear."""

from __future__ import annotations

from autograder.variants import Wrong

_MEAN = "return float((x**2).mean())"
_FLOAT = "x = np.asarray(x, dtype=np.float64)"

MISCONCEPTIONS = [
    Wrong(
        exercise="ex1-mean-square",
        name="divides-by-rows",
        edits=[(_MEAN, "return float((x**2).sum() / len(x))")],
        hint="`len(x)` is the number of rows. The number of entries is `x.size`, and `x.mean()` knows it by itself.",
        caught_by="ex1-mean-square-test",
        says="a table of 2 rows and 3 columns",
    ),
    Wrong(
        exercise="ex1-mean-square",
        name="square-of-the-mean",
        edits=[(_MEAN, "return float(x.mean() ** 2)")],
        hint="You averaged first and squared then. The mean of the squares squares every entry before averaging.",
        caught_by="ex1-mean-square-test",
        says="the mean square of [3, -4]",
    ),
    Wrong(
        exercise="ex1-mean-square",
        name="root-mean-square",
        edits=[(_MEAN, "return float(np.sqrt((x**2).mean()))")],
        hint="This is the root of the mean square. The formula has no root.",
        caught_by="ex1-mean-square-test",
        says="the mean square of [3, -4]",
    ),
    Wrong(
        exercise="ex1-mean-square",
        name="sum-of-squares",
        edits=[(_MEAN, "return float((x**2).sum())")],
        hint="This is the sum of the squares: divide by the number of entries, or use `mean`.",
        caught_by="ex1-mean-square-test",
        says="the mean square of [3, -4]",
    ),
    Wrong(
        exercise="ex1-mean-square",
        name="one-mean-per-column",
        edits=[(_MEAN, "return (x**2).mean(axis=0)")],
        hint="`axis=0` gives one mean for each column. Without an axis, `mean` averages over all entries.",
        caught_by="ex1-mean-square-test",
        says="a table of 2 rows and 3 columns",
    ),
    Wrong(
        exercise="ex1-mean-square",
        name="squares-in-uint8",
        edits=[(_FLOAT, "x = np.asarray(x)")],
        hint="Pictures are stored as uint8: 200 squared is 40000, and a uint8 keeps only its remainder modulo 256.",
        caught_by="ex1-mean-square-test",
        says="a uint8 holds 0 to 255",
    ),
    Wrong(
        exercise="ex1-mean-square",
        name="squares-in-place",
        edits=[(_MEAN, "x *= x\n    return float(x.mean())")],
        hint="`x *= x` changes the caller's array: after your function returns, the data are squared. Write `x * x`.",
        caught_by="ex1-mean-square-test",
        says="x after the call",
    ),
    Wrong(
        exercise="ex1-mean-square",
        name="computes-in-float32",
        edits=[(_FLOAT, "x = np.asarray(x, dtype=np.float32)")],
        hint="float32 keeps only 7 digits; the docstring asks for float64.",
        caught_by="ex1-mean-square-test",
        says="turn x into float64 before squaring",
    ),
    Wrong(
        exercise="ex2-accuracy",
        name="argmax-of-the-columns",
        edits=[("scores.argmax(dim=1)", "scores.argmax(dim=0)")],
        hint="`dim=0` looks for the best picture of each class. The best class of each picture is along `dim=1`.",
        caught_by="ex2-accuracy-test",
        says="your code raised an exception",
    ),
    Wrong(
        exercise="ex2-accuracy",
        name="counts-instead-of-a-share",
        edits=[(".double().mean()", ".double().sum()")],
        hint="This is the number of right answers. Divide by the number of pictures.",
        caught_by="ex2-accuracy-test",
        says="the accuracy on 4 pictures",
    ),
    Wrong(
        exercise="ex2-accuracy",
        name="per-cent",
        edits=[(".mean().item()", ".mean().item() * 100")],
        hint="An accuracy is a share between 0 and 1; per cent is a matter of printing (`f'{share:.1%}'`).",
        caught_by="ex2-accuracy-test",
        says="the accuracy on 4 pictures",
    ),
    Wrong(
        exercise="ex2-accuracy",
        name="mean-of-truth-values",
        edits=[(".double().mean()", ".mean()")],
        hint="torch does not average True and False: turn them into numbers with `.double()` first.",
        caught_by="ex2-accuracy-test",
        says="your code raised an exception",
    ),
    Wrong(
        exercise="ex2-accuracy",
        name="error-instead-of-accuracy",
        edits=[("answers == labels", "answers != labels")],
        hint="This is the error rate, 1 minus the accuracy.",
        caught_by="ex2-accuracy-test",
        says="the accuracy on 4 pictures",
    ),
    Wrong(
        exercise="ex2-accuracy",
        name="all-scores-above-a-half",
        edits=[("scores.argmax(dim=1)", "(scores > 0.5).long().argmax(dim=1)")],
        hint="Scores need not be probabilities: the answer is the largest one, be it 0.4 or -3.",
        caught_by="ex2-accuracy-test",
        says="the accuracy on",
    ),
    Wrong(
        exercise="ex2-accuracy",
        name="divides-by-the-classes",
        edits=[
            (
                "(answers == labels).double().mean().item()",
                "(answers == labels).sum().item() / scores.shape[1]",
            )
        ],
        hint="`scores.shape[1]` is the number of classes; the mean is over the pictures, `scores.shape[0]`.",
        caught_by="ex2-accuracy-test",
        says="the accuracy on 4 pictures",
    ),
    Wrong(
        exercise="q1",
        name="output-means-variable",
        edits=[('answer_restart = "b"', 'answer_restart = "a"')],
        hint="An output below a cell is a picture of the past. Whether the variable exists, only the kernel knows.",
        caught_by="q1-test",
        says="this is not what happens",
    ),
    Wrong(
        exercise="q1",
        name="code-is-lost",
        edits=[('answer_restart = "b"', 'answer_restart = "c"')],
        hint="The text of the notebook lives in the browser and in the file, not in the kernel.",
        caught_by="q1-test",
        says="this is not what happens",
    ),
    Wrong(
        exercise="q1",
        name="imports-survive",
        edits=[('answer_restart = "b"', 'answer_restart = "d"')],
        hint="Imports live in the kernel like everything else: after a restart, run the set-up cell first.",
        caught_by="q1-test",
        says="this is not what happens",
    ),
    Wrong(
        exercise="q1",
        name="letter-without-quotes-in-capitals",
        edits=[('answer_restart = "b"', 'answer_restart = "B"')],
        hint="The answer is one of the letters as they are written in the question: lower case, in quotes.",
        caught_by="q1-test",
        says="one of the letters",
    ),
]
