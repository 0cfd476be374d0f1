"""Bundled data: every file has a card and a right checksum; damage is told in words that say what to do."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil

import numpy as np
import pytest
from coursekit import data
from coursekit.data import DataError, data_dir, data_file, emoji, fashion_mnist, mnist, open_npz, read_manifest

from autograder.course import COURSE, DATA

NOT_DATA = {"manifest.json", "CARDS.md", "make_data.py", ".gitattributes"}


def problems_of(folder):
    """What is wrong with a data folder: files, manifest and cards must name each other."""
    manifest = read_manifest(folder)
    cards = (folder / "CARDS.md").read_text(encoding="utf-8")
    files = {p.name for p in folder.iterdir() if p.is_file()} - NOT_DATA
    found = [f"{name}: not in the manifest" for name in sorted(files - set(manifest))]
    for name, entry in manifest.items():
        if problem := data.damage(folder / name, entry):
            found.append(f"{name} {problem}")
        if f"\n## {entry['card']}\n" not in cards:
            found.append(f"{name}: no card {entry['card']!r}")
            continue
        card = cards.split(f"\n## {entry['card']}\n", 1)[1].split("\n## ", 1)[0]
        for line in (f"- File: `{name}`", "- Source: ", "- Licence: ", "- Attribution: ", "- Contents: "):
            if line not in card:
                found.append(f"{name}: its card has no line {line!r}")
        if f"| {name} | {entry['bytes']:,} |" not in cards:
            found.append(f"{name}: not in the table of cards, or with another size")
    return found


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the data folder that COURSE_DATA points to."""
    folder = tmp_path / "data"
    folder.mkdir()
    for path in DATA.iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    monkeypatch.setenv("COURSE_DATA", str(folder))
    return folder


def test_every_file_has_a_card_and_the_right_checksum():
    assert problems_of(DATA) == []


def flip_a_byte(folder):
    path = folder / "mnist.npz"
    raw = bytearray(path.read_bytes())
    raw[1000] ^= 1
    path.write_bytes(raw)


def edit_cards(folder, old, new):
    path = folder / "CARDS.md"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (flip_a_byte, "mnist.npz is damaged: its size is right"),
        (lambda folder: (folder / "mnist.npz").write_bytes(b"short"), "mnist.npz is damaged: it has 5 bytes"),
        (lambda folder: (folder / "mnist.npz").unlink(), "mnist.npz is missing"),
        (lambda folder: (folder / "new.csv").write_text("a,b"), "new.csv: not in the manifest"),
        (lambda folder: edit_cards(folder, "## MNIST", "## Digits"), "mnist.npz: no card"),
        (lambda folder: edit_cards(folder, "- Licence: MIT", "- Free: MIT"), "no line '- Licence: '"),
        (lambda folder: edit_cards(folder, "1,971,982", "1,971,983"), "with another size"),
    ],
    ids=["byte", "cut", "gone", "unknown", "card", "licence", "table"],
)
def test_the_check_of_the_folder_finds_what_is_wrong(copy, spoil, problem):
    assert problems_of(copy) == []
    spoil(copy)
    assert any(problem in found for found in problems_of(copy)), problems_of(copy)


def test_nothing_needs_pickle_and_no_machine_path_is_in_the_texts():
    for name in read_manifest(DATA):
        with np.load(DATA / name, allow_pickle=False) as archive:
            assert all(archive[key].dtype != object for key in archive.files)
    for name in ("CARDS.md", "make_data.py", "manifest.json"):
        text = (DATA / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://|/home/|/root/|/work\b", text), name


@pytest.mark.parametrize("load", [mnist, fashion_mnist])
def test_image_sets(load):
    images = load()
    assert images.x_train.shape == (12000, 28, 28)
    assert images.x_test.shape == (2000, 28, 28)
    assert {a.dtype for a in (images.x_train, images.y_train, images.x_test, images.y_test)} == {
        np.dtype("uint8")
    }
    assert np.bincount(images.y_train).tolist() == [1200] * 10
    assert np.bincount(images.y_test).tolist() == [200] * 10
    assert len(images.names) == 10
    assert images.x_train.min() == 0
    assert images.x_train.max() == 255
    # torch.from_numpy warns on stderr about read-only arrays
    assert images.x_train.flags.writeable
    assert "x_train (12000, 28, 28)" in repr(images)


def test_the_labels_fit_the_pictures():
    """The nearest class mean reaches what the cards say, so pictures and labels belong together."""
    for load, accuracy in ((mnist, 0.825), (fashion_mnist, 0.675)):
        images = load()
        x, x_test = (a.reshape(len(a), -1).astype(np.float32) for a in (images.x_train, images.x_test))
        means = np.stack([x[images.y_train == c].mean(0) for c in range(10)])
        nearest = (x_test @ means.T - 0.5 * (means**2).sum(1)).argmax(1)
        assert abs((nearest == images.y_test).mean() - accuracy) < 0.002


def test_the_emoji():
    found = emoji()
    n = 4 * 1594
    assert found.images.shape == (n, 32, 32, 3) and found.images.dtype == np.uint8
    assert all(len(a) == n for a in (found.style, found.group, found.item, found.split))
    assert found.styles == ("noto", "twemoji", "openmoji", "fluent") and len(found.names) == 9
    assert np.bincount(found.style).tolist() == [1594] * 4 and found.group.max() == 8
    assert np.bincount(found.split).tolist() == [4 * 1276, 4 * 159, 4 * 159]
    # one emoji has one group and one split in every style
    for column in (found.group, found.split):
        assert all((column[found.item == i] == column[i]).all() for i in (0, 700, 1593))
    assert (found.images[:, 0, 0] > 200).mean() > 0.9  # on white
    assert "6376" in repr(found)


def test_changing_a_loaded_array_changes_no_later_one():
    first = mnist()
    first.x_train[:] = 0
    assert mnist().x_train.max() == 255


def test_open_npz_takes_both_spellings_and_lists_the_known_names():
    assert set(open_npz("mnist")) == set(open_npz("mnist.npz")) >= {"x_train", "index_train"}
    with pytest.raises(DataError, match=r"no data file 'minst.npz'. Known: emoji32.npz, fashion_mnist.npz, mnist.npz"):
        open_npz("minst")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (flip_a_byte, "checksum differs"),
        (lambda folder: (folder / "mnist.npz").write_bytes(b"cut"), "has 3 bytes and should have 1,971,982"),
        (lambda folder: (folder / "mnist.npz").unlink(), "is missing"),
    ],
    ids=["byte", "cut", "gone"],
)
def test_a_damaged_file_is_refused_with_a_remedy(copy, spoil, words):
    spoil(copy)
    with pytest.raises(DataError) as caught:
        mnist()
    assert words in str(caught.value)
    assert "Copy mnist.npz again" in str(caught.value)
    assert fashion_mnist().x_test.shape == (2000, 28, 28)


def test_a_file_that_is_damaged_after_it_was_verified_is_found(copy):
    data_file("mnist.npz")
    (copy / "mnist.npz").write_bytes(b"x" * 1971982)
    with pytest.raises(DataError, match="damaged"):
        data_file("mnist.npz")


def test_a_verified_file_is_not_read_again(copy, monkeypatch):
    data_file("mnist.npz")
    monkeypatch.setattr(data, "damage", lambda *args: pytest.fail("hashed twice"))
    data_file("mnist.npz")


def test_the_folder_is_found_from_a_chapter_and_from_far_away(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    for place in (COURSE, tmp_path):
        monkeypatch.chdir(place)
        assert data_dir().resolve() == DATA


def test_a_copied_course_uses_its_own_data(copy, monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA")
    chapter = tmp_path / "course" / "02_backprop"
    chapter.mkdir(parents=True)
    monkeypatch.chdir(chapter)
    assert data_dir().resolve() == copy.resolve()


def test_somebody_elses_data_folder_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    other = tmp_path / "data"
    other.mkdir()
    (other / "manifest.json").write_text('{"version": 3}')
    monkeypatch.chdir(tmp_path)
    assert data_dir().resolve() == DATA


@pytest.mark.parametrize("content", [None, "no json", "[]", "{}", '{"mnist.npz": 1}', '{"mnist.npz": {}}'])
def test_a_wrong_course_data_is_an_error_that_names_the_variable(monkeypatch, tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="COURSE_DATA is set to"):
        mnist()
    with pytest.raises(DataError, match="Copy the folder `data`"):
        read_manifest(tmp_path)


def test_no_data_folder_anywhere(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "__file__", str(tmp_path / "site-packages" / "coursekit" / "data.py"))
    with pytest.raises(DataError, match=r"No data folder .* Copy the folder `data`"):
        data_dir()


def test_a_python_without_lzma_is_told(monkeypatch):
    def load(*args, **kwargs):
        raise RuntimeError("Compression requires the (missing) lzma module")

    monkeypatch.setattr(data.np, "load", load)
    with pytest.raises(DataError, match="LZMA, which this Python was built without"):
        open_npz("mnist")


def make_data():
    spec = importlib.util.spec_from_file_location("make_data", DATA / "make_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_maker_draws_balanced_subsets_and_repeats_itself(tmp_path):
    maker = make_data()
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (300, 28, 28), dtype=np.uint8), np.repeat(np.arange(10), 30).astype(np.uint8)
    for name in ("a.npz", "b.npz"):
        maker.subset(tmp_path / name, [x, y, x, y], train=20, test=5)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as made:
        assert np.bincount(made["y_train"]).tolist() == [20] * 10
        assert np.bincount(made["y_test"]).tolist() == [5] * 10
        np.testing.assert_array_equal(x[made["index_train"]], made["x_train"])
        np.testing.assert_array_equal(y[made["index_test"]], made["y_test"])


def test_the_manifest_is_what_its_maker_writes(copy):
    committed = (DATA / "manifest.json").read_text(encoding="utf-8")
    make_data().write_manifest(copy)
    assert (copy / "manifest.json").read_text(encoding="utf-8") == committed
    (copy / "mnist.npz").write_bytes(b"new")
    make_data().write_manifest(copy)
    assert json.loads((copy / "manifest.json").read_text())["mnist.npz"]["bytes"] == 3
