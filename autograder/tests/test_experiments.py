"""What the graded experiments of several chapters measure with."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from autograder.checks.training import apart


@pytest.mark.parametrize(
    ("got", "want", "distance"),
    [
        (np.array([3.0, 4.0]), torch.tensor([3.0, 4.0]), 0.0),
        (torch.zeros(2), torch.tensor([3.0, 4.0]), 1.0),
        (torch.tensor([3.0, 4.5]), torch.tensor([3.0, 4.0]), 0.1),
        (torch.zeros(2), torch.zeros(2), 0.0),
        (torch.ones(2), torch.zeros(2), math.inf),
    ],
)
def test_the_distance_is_a_share_of_what_should_have_come(got, want, distance):
    assert apart(got, want) == pytest.approx(distance)


def test_what_is_no_number_is_near_nothing():
    assert not apart(torch.tensor([math.nan, 4.0]), torch.tensor([3.0, 4.0])) <= 1e9
