"""No chapter writes a device into its code, and the lint that says so finds what it should."""

from __future__ import annotations

import pytest

from autograder.course import CHAPTERS
from autograder.device_lint import hard_wired
from autograder.source import SourceCell, read_source


def found(text: str, kind: str = "plain") -> list[str]:
    return list(hard_wired([SourceCell(kind, None, None, text, 0)]))


@pytest.mark.parametrize("chapter", [c for c in CHAPTERS if c.source.exists()], ids=lambda c: c.folder)
def test_no_chapter_names_a_device(chapter):
    assert list(hard_wired(read_source(chapter))) == []


@pytest.mark.parametrize(
    "text",
    [
        "x = x.cuda()",
        'x = x.to("cpu")',
        'x = torch.zeros(3, device="cuda:0")',
        'd = torch.device("mps")',
        'lab = setup("01_optimization", device="cpu")',
    ],
)
def test_a_named_device_is_found(text):
    assert len(found(text)) == 1 and text.split(" = ")[1].replace('"', "'") in found(text)[0]


@pytest.mark.parametrize("text", ["x = x.to(lab.device)", "y = x.cpu().numpy()", 'x = rename(x, "cpu")', "x.to(y)"])
def test_what_follows_the_lab_or_another_tensor_is_fine(text):
    assert found(text) == []


def test_in_an_exercise_new_tensors_follow_the_inputs():
    wrong = "def f(x):\n    return x + torch.zeros(3)"
    right = "def f(x):\n    return x + torch.zeros(3, device=x.device) + torch.zeros_like(x)"
    assert len(found(wrong, "exercise")) == 1 and found(right, "exercise") == []
    assert found(wrong, "demo") == []
    module = "class A(nn.Module):\n    def __init__(self, n):\n        self.w = nn.Parameter(torch.zeros(n))"
    assert found(module, "exercise") == [] and found("def f():\n    return torch.ones(2)", "exercise") == []
