"""The bundled data sets: found, checked against their checksums, and loaded.

Every file in `data/` stands in `data/manifest.json` with its size and SHA-256, and has a card (source,
licence, contents) in `data/CARDS.md`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

MANIFEST = "manifest.json"
_verified: set[tuple] = set()


class DataError(RuntimeError):
    """A data file is missing, unknown or damaged; the message says what to do."""


@dataclass(frozen=True)
class ImageSet:
    """Labelled pictures, split into a training and a test part.

    `x_*`: uint8 `[N, 28, 28]`, 0 is background and 255 ink; `y_*`: uint8 `[N]`, a number into `names`.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"ImageSet(x_train {self.x_train.shape}, x_test {self.x_test.shape}, {len(self.names)} classes)"
        )


@dataclass(frozen=True)
class EmojiSet:
    """Emoji as colour pictures, all styles one after the other.

    `images`: uint8 `[n, 32, 32, 3]` on white; `style`: uint8 `[n]`, a number into `styles`; `group`: uint8 `[n]`, a
    number into `names`; `item`: int64 `[n]`, which emoji it is (the same in every style); `split`: uint8 `[n]`,
    0 train, 1 validation, 2 test, the same in every style.
    """

    images: np.ndarray
    style: np.ndarray
    group: np.ndarray
    item: np.ndarray
    split: np.ndarray
    styles: tuple[str, ...]
    names: tuple[str, ...]

    def __repr__(self) -> str:
        return f"EmojiSet(images {self.images.shape}, {len(self.styles)} styles, {len(self.names)} groups)"


def read_manifest(folder: Path) -> dict[str, dict]:
    """File name to `{"sha256", "bytes", "card"}` of a data folder. `DataError` if it is none of ours."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        wellformed = all({"sha256", "bytes", "card"} <= set(entry) for entry in manifest.values())
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}). {_REMEDY}") from None
    if not manifest or not wellformed:
        raise DataError(f"{path} is not a manifest of this course. {_REMEDY}")
    return manifest


_REMEDY = (
    "Copy the folder `data` of the course again (it lies beside the folder `course`), "
    "or set the environment variable COURSE_DATA to where it is."
)


def _is_data_folder(folder: Path) -> bool:
    try:
        read_manifest(folder)
    except DataError:
        return False
    return True


def data_dir() -> Path:
    """The folder with the bundled data.

    The environment variable COURSE_DATA if it is set; else the first `data/` with a manifest of the course,
    looking upwards from the working folder and then from this file. `DataError` if there is none.
    """
    chosen = os.environ.get("COURSE_DATA")
    if chosen:
        folder = Path(chosen).expanduser()
        if not _is_data_folder(folder):
            raise DataError(
                f"COURSE_DATA is set to {chosen!r}, which has no manifest.json of the course. "
                "Correct the variable, or unset it to use the data that came with the notebooks."
            )
        return folder
    here = Path.cwd().resolve()
    kit = Path(__file__).resolve().parent
    for start in (here, kit):
        for parent in (start, *start.parents):
            if _is_data_folder(parent / "data"):
                return parent / "data"
    raise DataError(f"No data folder of the course was found above {here}. {_REMEDY}")


def damage(path: Path, entry: dict) -> str | None:
    """What is wrong with a data file, in words, or None: missing, wrong size, wrong checksum."""
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size != entry["bytes"]:
        return f"is damaged: it has {size:,} bytes and should have {entry['bytes']:,}"
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        return "is damaged: its size is right, but its SHA-256 checksum differs from manifest.json"
    return None


def data_file(name: str) -> Path:
    """Path of the bundled file `name`, verified once a process. `DataError` lists the known names."""
    folder = data_dir()
    manifest = read_manifest(folder)
    if name not in manifest:
        raise DataError(f"There is no data file {name!r}. Known: {', '.join(sorted(manifest))}.")
    path = folder / name
    try:
        state = path.stat()
        key = (str(path), state.st_size, state.st_mtime_ns, manifest[name]["sha256"])
    except OSError:
        key = None
    if key is None or key not in _verified:
        problem = damage(path, manifest[name])
        if problem:
            raise DataError(
                f"The data file {path} {problem}. Copy {name} again from the course's data folder "
                "(unpack the course archive again, or run `git restore --source=HEAD -- data` in a clone), "
                "then restart the kernel."
            )
        _verified.add(key)
    return path


def open_npz(name: str) -> dict[str, np.ndarray]:
    """All arrays of the bundled archive `name` (`"mnist"` or `"mnist.npz"`), fresh and writable.

    Raises `DataError` if the archive is unknown (with the known names), missing or damaged.
    """
    file = name if name.endswith(".npz") else f"{name}.npz"
    try:
        with np.load(data_file(file), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (NotImplementedError, RuntimeError) as error:
        if isinstance(error, DataError) or "lzma" not in str(error).lower():
            raise
        raise DataError(
            f"{file} is compressed with LZMA, which this Python was built without. "
            "Install Python from python.org, conda or your system's packages and set up the course again."
        ) from None


def _image_set(name: str, classes: tuple[str, ...]) -> ImageSet:
    arrays = open_npz(name)
    return ImageSet(*(arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")), names=classes)


def mnist(full: bool = False) -> ImageSet:
    """Handwritten digits: 12,000 for training and 2,000 for testing, the same number of each digit.

    `full=True` gives all 60,000 and 10,000, downloaded once (12 MB) and kept in a cache folder.
    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998).
    """
    if full:
        from .download import full_images

        return ImageSet(*full_images("mnist"), names=DIGITS)
    return _image_set("mnist", DIGITS)


def fashion_mnist(full: bool = False) -> ImageSet:
    """Pieces of clothing in the format of `mnist()`: 12,000 for training and 2,000 for testing.

    `full=True` gives all 60,000 and 10,000, downloaded once (31 MB) and kept in a cache folder.
    Source: Xiao, Rasul and Vollgraf, Fashion-MNIST, arXiv:1708.07747 (2017).
    """
    if full:
        from .download import full_images

        return ImageSet(*full_images("fashion_mnist"), names=CLOTHES)
    return _image_set("fashion_mnist", CLOTHES)


def emoji() -> EmojiSet:
    """1,594 emoji, each in four styles, 6,376 colour pictures in all.

    Source: Noto Emoji, Twemoji, OpenMoji, Fluent Emoji; licences on the card in `data/CARDS.md`.
    """
    arrays = open_npz("emoji32")
    styles, count = arrays["images"].shape[:2]
    return EmojiSet(
        images=arrays["images"].reshape(-1, 32, 32, 3),
        style=np.repeat(np.arange(styles, dtype=np.uint8), count),
        group=np.tile(arrays["group"], styles),
        item=np.tile(np.arange(count), styles),
        split=np.tile(arrays["split"], styles),
        styles=tuple(name.decode() for name in arrays["styles"]),
        names=tuple(name.decode() for name in arrays["group_names"]),
    )
