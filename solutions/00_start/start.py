# %% [markdown]
# # Getting started
#
# In fifteen minutes you will know how this course works: how to run a cell, read a check, take a hint, and
# hand in. On the way you write two small functions, and at the end they read handwritten digits.
#
# | part | minutes | points |
# | --- | --- | --- |
# | 1 Cells and the kernel | 2 | |
# | 2 Your first exercise: the mean square | 4 | 0 |
# | 3 Five things a check can tell you | 3 | |
# | 4 Your second exercise: accuracy | 3 | 0 |
# | 5 Your functions at work | 2 | |
# | 6 One question, then hand in | 3 | 0 |
#
# Nothing counts here: every exercise is worth 0 points, so try things out. You need a little Python,
# nothing else.

# %% [markdown]
# ## 1 Cells and the kernel
#
# A notebook is a list of *cells*: text, such as this one, and code, such as the next one. Click on the code
# below and press **Shift + Enter**. While a cell runs, `[*]` stands beside it, then the number of the run.
#
# The next cell is the *set-up*: each chapter has one, and everything after it needs it. So it comes first,
# always.

# %% setup=true
import numpy as np
import torch
from coursekit import check, setup
from coursekit.data import mnist
from coursekit.doctor import doctor
from coursekit.figures import image_grid, show
from coursekit.widgets import Choice, explore

lab = setup("00_start")

# %% [markdown]
# The line above names the device on which this notebook computes (a graphics card, if you have one) and the
# *preset*: how large the experiments are. `quick` suits a laptop.
#
# This is where you are going. Each picture is the average of more than a thousand handwritten digits; with
# the two functions that you are about to write, they recognise new ones.

# %% demo=true
digits = mnist()
x_train = digits.x_train / 255.0  # (12000, 28, 28): black is 0, ink is 1
x_test = digits.x_test / 255.0  # (2000, 28, 28)


def class_means(pictures, labels):
    """The average picture of each digit: (N, 28, 28) and (N,) to (10, 28, 28)."""
    return np.stack([pictures[labels == digit].mean(axis=0) for digit in range(10)])


means = class_means(x_train, digits.y_train)
show(
    image_grid(means, labels=digits.names, ncols=10),
    "The ten average digits: blurred, yet each is easily told from the others, except perhaps 4 from 9.",
)

# %% [markdown]
# The value of a cell's last line is shown below it. Run this one, change the numbers, run it again.

# %%
(40 + 2, np.arange(6).reshape(2, 3))

# %% [markdown]
# All cells talk to one Python process, the *kernel*, which remembers every variable until it is restarted.
# It sees the cells in the order in which **you run them**, not in the order of the page. If something
# behaves strangely, choose *Kernel > Restart Kernel and Run All Cells*: that is the order in which your
# work will be graded.
#
# If the kernel dies (too little memory, a computer that slept), your text is still there: restart, and run
# from the top.

# %% [markdown]
# ## 2 Your first exercise: the mean square
#
# Most of what a network learns, it learns by making a mean of squares small. For $n$ numbers $x_1, \dots,
# x_n$
#
# $$m = \frac{1}{n} \sum_{i=1}^{n} x_i^2 .$$
#
# The numbers may come in any shape: for a matrix of 2 rows and 3 columns, $n = 6$.
#
# **Exercise 1** (easy, 4 minutes). First run both cells below as they are, and see what the check says
# about an open exercise. Then write the function in place of `raise NotImplementedError()`, and run both
# cells again.

# %% exercise="ex1-mean-square"
def mean_square(x: np.ndarray) -> float:
    """The mean of the squares of all entries.

    x:  array of any shape and any number type (also uint8, as pictures are stored); never changed
    Returns one number, computed in float64.
    """
    ### BEGIN SOLUTION
    x = np.asarray(x, dtype=np.float64)
    return float((x**2).mean())
    ### END SOLUTION


# %% test="ex1-mean-square-test" points=0 exercise_no=1
with check("Exercise 1: mean square") as expect:
    expect.close(mean_square(np.array([3.0, -4.0])), 12.5, "the mean square of [3, -4]",
        likely="square first: (9 + 16) / 2")
    table = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    expect.close(mean_square(table), 91 / 6, "the mean square of a table of 2 rows and 3 columns",
        likely="n counts all entries, 6 here; len(x) is the number of rows")
    pixels = np.array([[200, 100]], dtype=np.uint8)
    expect.close(mean_square(pixels), 25_000.0, "the mean square of the uint8 numbers [[200, 100]]",
        likely="a uint8 holds 0 to 255 and starts again at 0: turn x into float64 before squaring")
    expect.why("This is the loss of linear regression, and the distance by which you will soon compare pictures.")
### BEGIN HIDDEN TESTS
from autograder.checks import start as hidden

hidden.mean_square(mean_square)
### END HIDDEN TESTS

# %% [markdown]
# Stuck? Hints come in steps, and the first one is a question. Open one, try again, and only then open the
# next.
#
# <details><summary>Hint 1: a question</summary>
# How many numbers does an array of shape (2, 3) hold, and which attribute of an array tells you?
# </details>
# <details><summary>Hint 2: an idea</summary>
# An array has a method <code>mean</code>. Without arguments it averages over all entries, whatever the
# shape.
# </details>
# <details><summary>Hint 3: nearly there</summary>
# Three steps: turn <code>x</code> into an array of type float64 with <code>np.asarray</code>, square it,
# average it. Do not square in place (<code>x *= x</code>): the array belongs to whoever called you.
# </details>

# %% [markdown]
# ## 3 Five things a check can tell you
#
# | it says | it means | what to do |
# | --- | --- | --- |
# | **not attempted yet** | the cell still has its `raise NotImplementedError()` | start, or go on and come back |
# | **a name is missing** | a cell was not run, or a name is spelt differently | run the cell, compare the names |
# | **your code raised an exception** | Python stopped in your code | look at *your line* in the message |
# | **not right yet** | it ran, and the result differs | compare *expected* and *got*, read the *likely cause* |
# | **correct** | this part is done | read why it matters |
#
# You have met the first one, and the last. The other three are below, broken on purpose. Run each cell,
# read the whole message, mend the cell, and run it until its box is green.

# %% demo=true raises=true
largest = max(3, 1, 4)

with check("Broken on purpose: a name") as expect:
    expect.equal(largset, 4, "the largest of 3, 1 and 4")
    expect.why("Names must match to the letter. The message proposes one that looks alike.")

# %% [markdown]
# When your own code stops, the message names the exception and the line that it came from. Here two cells
# are needed, because the line is in the first one and the check in the second.

# %% demo=true
def first_of_sorted(numbers):
    """The smallest of the numbers."""
    ordered = numbers.sort()
    return ordered[0]


# %% demo=true raises=true
with check("Broken on purpose: an exception") as expect:
    expect.equal(first_of_sorted([2, 7, 1]), 1, "the smallest of 2, 7 and 1")
    expect.why("`numbers.sort()` sorts in place and returns None; `sorted(numbers)` returns a new list.")

# %% demo=true raises=true
average = 3 + 4 + 5 / 3

with check("Broken on purpose: a value") as expect:
    expect.close(average, 4.0, "the average of 3, 4 and 5", likely="division comes before addition")
    expect.why("Expected and got stand side by side: often their difference says it all.")

# %% [markdown]
# Checks that you see are a part of the tests. The grader has more of them, with other numbers and shapes: a
# function that only fits the examples above will not pass. The docstring says what must hold.

# %% [markdown]
# ## 4 Your second exercise: accuracy
#
# In most chapters the numbers live in torch tensors, which look much like arrays. A *classifier* gives
# every picture one score for each class; its answer is the class with the largest score. The accuracy is
# the share of right answers:
#
# $$\text{accuracy} = \frac{1}{N} \sum_{i=1}^{N} \mathbf{1}\big[\arg\max_c s_{ic} = y_i\big],$$
#
# with scores $s$ of shape $(N, C)$ and true classes $y$ of shape $(N,)$; the bracket is 1 where it holds,
# else 0.
#
# **Exercise 2** (easy, 3 minutes).

# %% exercise="ex2-accuracy"
def accuracy(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of rows whose largest score stands at the true class.

    scores:  (N, C) numbers, one row for each picture, one column for each class
    labels:  (N,) whole numbers from 0 to C - 1, the true classes
    Returns one number between 0 and 1.
    """
    ### BEGIN SOLUTION
    answers = scores.argmax(dim=1)  # (N,)
    return (answers == labels).double().mean().item()
    ### END SOLUTION


# %% test="ex2-accuracy-test" points=0 exercise_no=2
with check("Exercise 2: accuracy") as expect:
    scores = torch.tensor([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1], [0.3, 0.4, 0.3], [0.2, 0.3, 0.5]])
    expect.close(accuracy(scores, torch.tensor([1, 0, 2, 2])), 0.75, "the accuracy on 4 pictures, 3 of them right",
        likely="the answer for a picture is the column of the largest score in its row: argmax along dimension 1")
    expect.close(accuracy(scores[:3], torch.tensor([2, 1, 0])), 0.0, "the accuracy when all 3 answers are wrong")
    expect.close(accuracy(-scores[:1], torch.tensor([0])), 1.0, "the accuracy on one picture with negative scores",
        likely="the largest score can be negative: compare the scores with each other, not with 0")
    expect.why("You will meet this number in every chapter that classifies.")
### BEGIN HIDDEN TESTS
from autograder.checks import start as hidden

hidden.accuracy(accuracy)
### END HIDDEN TESTS

# %% [markdown]
# <details><summary>Hint 1: a question</summary>
# What shape must the answers have, so that they can be compared with the labels one by one?
# </details>
# <details><summary>Hint 2: an idea</summary>
# <code>scores.argmax(dim=1)</code> gives the column of the largest score in each row. <code>==</code> between
# two tensors of the same shape gives a tensor of True and False.
# </details>
# <details><summary>Hint 3: "could not infer output dtype"</summary>
# torch does not average True and False. Turn them into numbers first: <code>.double()</code> makes them 1.0
# and 0.0.
# </details>

# %% [markdown]
# ## 5 Your functions at work
#
# Here is a classifier in one idea: *a picture is the digit whose average it resembles most*. How unlike two
# pictures are, your `mean_square` tells; how often the idea is right, your `accuracy`. (If an exercise is
# still open, this cell says so.)

# %% demo=true
def score(pictures, averages):
    """How well each picture fits each average, larger is better: (N, 28, 28), (C, 28, 28) to (N, C)."""
    return torch.tensor([[-mean_square(picture - average) for average in averages] for picture in pictures])


pictures = lab.pick(smoke=200, quick=2000)
labels = torch.from_numpy(digits.y_test[:pictures]).long()
scores = score(x_test[:pictures], means)
print(f"accuracy on {pictures} new pictures: {accuracy(scores, labels):.1%} (guessing: 10 %)")

answers = scores.argmax(dim=1)
wrong = torch.nonzero(answers != labels).flatten()[:10]
show(
    image_grid(x_test[wrong], labels=[f"{labels[i]} as {answers[i]}" for i in wrong], ncols=10),
    "Ten digits that were misread. Some are slanted, some thick: an average has one slant and one thickness.",
)

# %% [markdown]
# Eight out of ten, with two functions of two lines. In chapter 02 you build a network that reads about 95 of
# 100, and you will have written every line of it.
#
# How many examples does an average need? Move the slider, and watch the pictures and the accuracy. After
# which point do more examples hardly help?

# %% demo=true
def draw_means(fig, examples):
    """The averages of the first `examples` pictures of each digit, and how well they classify."""
    few = np.stack([x_train[digits.y_train == digit][:examples].mean(axis=0) for digit in range(10)])
    share = accuracy(score(x_test[:300], few), torch.from_numpy(digits.y_test[:300]).long())
    title = f"Averages over {examples} of each digit read {share:.0%} of 300 new pictures"
    image_grid(few, labels=digits.names, ncols=10, title=title, ax=fig.subplots())


explore(
    draw_means,
    "The ten averages, from few or from many examples: how sharp they are, and how many new pictures they read.",
    size=(8, 1.6),
    examples=Choice((1, 2, 5, 10, 30, 100, 300, 1000), value=2, ordered=True, label="examples of each digit"),
)

# %% [markdown]
# ## 6 One question, then hand in
#
# Questions are answered in a variable: write your answer in place of `None`, here one of the letters in
# quotes, and take out the `raise` line. The check sees whether the answer has the right form, and then its box
# is blue; the grader sees whether it is right.
#
# **Question.** You computed `means`, then chose *Kernel > Restart Kernel*. What is true now?
#
# - `"a"`: `means` is still there, because its cell still shows its output.
# - `"b"`: `means` is gone until its cell is run again; text and outputs in the notebook are still there.
# - `"c"`: the code that you wrote is gone as well, unless you saved it before.
# - `"d"`: `means` is gone, but what was imported in the set-up cell is still there.

# %% exercise="q1"
answer_restart = None
### BEGIN SOLUTION
answer_restart = "b"
### END SOLUTION

# %% test="q1-test" points=0
with check("Question") as expect:
    expect.answered(answer_restart, "answer_restart", options="abcd")
### BEGIN HIDDEN TESTS
from autograder.checks import start as hidden

hidden.question_restart(answer_restart)
### END HIDDEN TESTS

# %% [markdown]
# Now hand in, as for every chapter:
#
# 1. *Kernel > Restart Kernel and Run All Cells*. Open exercises do not stop the run. Look at every box;
#    save (Ctrl + S).
# 2. Press **Validate** in the toolbar. It runs everything in a fresh kernel, as the grader will, and lists
#    what fails.
# 3. With nbgrader's *Assignment List*: find *00_start* and press **Submit**. Otherwise upload the file
#    `start.ipynb`, under this name, where your course collects files.
#
# You may hand in again until the deadline; the last one counts. Unfinished work is welcome: an open
# exercise costs its own points and no others.
#
# Cells that you cannot edit (set-up, checks) are graded in their original form. Add cells of your own
# wherever you like, but do not copy, split or delete the exercise cells: that is how your answers are
# found.

# %% [markdown]
# ## When something does not work
#
# - **Nothing happens, `[*]` stays**: a cell is still running. *Kernel > Interrupt Kernel* stops it.
# - **Everything is odd**: *Kernel > Restart Kernel and Run All Cells*. It cures nine problems of ten.
# - **A package or a file is missing**: ask the doctor. It looks at your installation, prints `[OK]` or
#   `[FIX]` for each part, and says what to do.

# %% demo=true
doctor()

# %% [markdown]
# All lines `[OK]`? Then you are ready for the first chapter.
#
# Going further: [JupyterLab's own tour](https://jupyterlab.readthedocs.io/en/stable/user/interface.html),
# and [the tensor tutorial of
# PyTorch](https://docs.pytorch.org/tutorials/beginner/basics/tensorqs_tutorial.html).
