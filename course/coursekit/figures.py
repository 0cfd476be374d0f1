"""Figures that are readable by everyone: required descriptions, safe colours, light and dark themes.

Colours: Okabe and Ito, Color Universal Design (2008), ordered by contrast on white; each line also has its
own dash pattern and marker, so that figures survive a grey print.

`show` displays HTML, `<figure><img alt=...><figcaption>`, because JupyterLab's own renderer of `image/png`
writes an `<img>` without alternative text whatever the metadata say.
"""

from __future__ import annotations

import base64
import html
import io
import math
import sys
import warnings
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

COLOR = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
    "yellow": "#F0E442",
}
PALETTE = tuple(COLOR.values())
LINESTYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)), (0, (3, 4)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SEQUENTIAL = "cividis"
DIVERGING = "PuOr_r"

DPI = 96
MIN_DESCRIPTION = 20

STYLE = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": DPI,
    "figure.figsize": (6.4, 3.6),
    "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=LINESTYLES),
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "font.size": 10,
    "image.cmap": SEQUENTIAL,
}

_styled = False


def apply_style() -> None:
    """Make matplotlib's defaults those of the course (also for figures of the student's own)."""
    global _styled
    mpl.rcParams.update(STYLE)
    _styled = True


def line_style(i: int) -> dict:
    """Colour, dash pattern and marker of the i-th curve: `ax.plot(x, y, **line_style(i))`."""
    return {
        "color": PALETTE[i % len(PALETTE)],
        "linestyle": LINESTYLES[i % len(LINESTYLES)],
        "marker": MARKERS[i % len(MARKERS)],
    }


def figure(rows: int = 1, cols: int = 1, *, size: tuple[float, float] | None = None, **subplots):
    """A new figure with `rows` x `cols` axes: `(fig, ax)` for one, else `(fig, array of axes [rows, cols])`.

    A single row or column gives a 1-d array, as in `plt.subplots`. `size` is (width, height) in inches;
    by default every panel gets its share. Other keywords go to `Figure.subplots`. The figure is not known
    to pyplot: only `show` displays it, once.
    """
    fig = blank(size or (min(3.4 * cols + 0.6, 10.0) if cols > 1 else 6.4, 2.9 * rows if rows > 1 else 3.6))
    return fig, fig.subplots(rows, cols, **subplots)


def blank(size: tuple[float, float] = (6.4, 3.6)) -> Figure:
    """An empty figure in the course's style, laid out by matplotlib's constrained layout."""
    if not _styled:
        apply_style()
    fig = Figure(figsize=size, layout="constrained", facecolor="white")
    FigureCanvasAgg(fig)
    return fig


def check_description(description: str) -> str:
    """The description, stripped. `ValueError` if it does not say at least something."""
    if not isinstance(description, str) or len(" ".join(description.split())) < MIN_DESCRIPTION:
        raise ValueError(
            f"A figure needs a description of at least {MIN_DESCRIPTION} characters that says what to look "
            f"for; it is its caption and its alternative text. Got {description!r}."
        )
    return " ".join(description.split())


def png(fig, dpi: int = DPI, *, trim: bool = False, reduce: bool = True) -> bytes:
    """The figure as PNG on an opaque background; `trim=True` cuts off empty margins.

    Reduced to 256 colours (a third of the bytes) where no pixel changes by more than 24 of 255 levels:
    nearly every diagram, hardly any colour photograph. `reduce=False` leaves that out and is twice as fast:
    for pictures that are not saved.
    """
    buffer = io.BytesIO()
    box = {"bbox_inches": "tight", "pad_inches": 0.08} if trim else {}
    options = {"dpi": dpi, "facecolor": "white", "edgecolor": "none", **box}
    if not reduce:
        options["pil_kwargs"] = {"compress_level": 1}
    with warnings.catch_warnings():
        # matplotlib's remarks (a layout without subplots, a missing glyph) would go to stderr: points lost
        warnings.simplefilter("ignore", UserWarning)
        fig.savefig(buffer, format="png", metadata={"Software": None}, **options)
    if not reduce:
        return buffer.getvalue()
    full = Image.open(buffer).convert("RGB")
    small = _in_256_colours(full)
    error = np.abs(np.asarray(small.convert("RGB"), np.int16) - np.asarray(full, np.int16))
    out = io.BytesIO()
    (small if error.max() <= 24 else full).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _in_256_colours(full: Image.Image, exact: int = 64) -> Image.Image:
    """The picture with a palette: its `exact` commonest colours as they are, the others near enough.

    Pillow's own palettes move the commonest colours as well, which tints large areas of light grey.
    """
    pixels = np.asarray(full).reshape(-1, 3).astype(np.int32)
    codes, place, counts = np.unique(pixels @ (65536, 256, 1), return_inverse=True, return_counts=True)
    if len(codes) <= 256:
        return full.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    if len(codes) > 20_000:
        return full  # a photograph: no palette is near enough
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1)
    ranked = np.argsort(-counts, kind="stable")
    rest = Image.fromarray(colours[ranked[exact:]][None].astype(np.uint8))
    rest = rest.quantize(256 - exact, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette = np.concatenate([colours[ranked[:exact]], np.reshape(rest.getpalette(), (-1, 3))])[:256]
    nearest = np.empty(len(codes), np.uint8)
    for start in range(0, len(codes), 512):  # in pieces, to save memory
        gaps = colours[start : start + 512, None] - palette[None]
        nearest[start : start + 512] = (gaps * gaps).sum(axis=-1).argmin(axis=1)
    small = Image.fromarray(nearest[place.reshape(-1)].reshape(full.height, full.width), "P")
    small.putpalette(palette.astype(np.uint8).tobytes())
    return small


def figure_html(data: bytes, description: str, caption: str | None = None) -> str:
    """`<figure>` with the picture, its alternative text and its caption (default: the same text)."""
    width, height = Image.open(io.BytesIO(data)).size
    text = html.escape(description)
    return (
        f'<figure style="margin: 0.5em 0"><img alt="{text}" width="{width}" height="{height}" '
        'style="max-width: 100%; height: auto; background-color: white" '
        f'src="data:image/png;base64,{base64.b64encode(data).decode()}">'
        f"<figcaption><i>{html.escape(description if caption is None else caption)}</i></figcaption></figure>"
    )


def show(fig, description: str, *, caption: str | None = None, dpi: int = DPI) -> None:
    """Display a figure with a caption that says what to look for, and close it.

    `description` is required (at least 20 characters) and becomes the alternative text; it is the caption
    too, unless `caption` gives another one. Outside of a notebook the description is printed.
    """
    description = check_description(description)
    display_html(figure_html(png(fig, dpi, trim=True), description, caption), f"[figure] {description}")
    close(fig)


def close(fig) -> None:
    """Free the figure, also where pyplot made it: else the notebook would show it a second time."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)
    fig.clear()


def display_html(content: str, plain: str) -> None:
    """Display HTML with a plain-text equivalent; print the latter where there is no notebook."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None:
        print(plain)
    else:
        display({"text/html": content, "text/plain": plain}, raw=True)


def _rgb(images, vmin, vmax, cmap) -> np.ndarray:
    """Pictures `[N, H, W]` or `[N, H, W, 3]` as uint8 `[N, H, W, 3]`."""
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3):
        raise ValueError(f"images must have shape [N, H, W] or [N, H, W, 3], got {images.shape}")
    if len(images) == 0:
        raise ValueError("image_grid needs at least one image")
    if images.ndim == 4 and images.dtype == np.uint8:
        return images
    images = images.astype(float)
    lo = float(np.nanmin(images)) if vmin is None else vmin
    hi = float(np.nanmax(images)) if vmax is None else vmax
    scaled = np.clip((images - lo) / (hi - lo if hi > lo else 1.0), 0, 1)
    if images.ndim == 4:
        return np.rint(255 * scaled).astype(np.uint8)
    return mpl.colormaps[cmap](scaled, bytes=True)[..., :3]


def image_grid(
    images,
    labels: Sequence | None = None,
    ncols: int = 8,
    *,
    title: str | None = None,
    cell: float = 0.8,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str = "gray",
    ax=None,
):
    """Pictures side by side with a label under each; returns the figure, to be passed to `show`.

    `images`: `[N, H, W]` (any number type, one common grey scale from `vmin` to `vmax`, default the range
    of the values) or `[N, H, W, 3]`; `labels`: N strings or None; `cell`: width of one picture in inches.
    All pictures are one mosaic in one axes (`ax`, if given): 64 of them draw as fast as one.
    """
    tiles = _rgb(images, vmin, vmax, cmap)
    n, height, width, _ = tiles.shape
    if labels is not None and len(labels) != n:
        raise ValueError(f"{n} images but {len(labels)} labels")
    if ncols < 1:
        raise ValueError(f"image_grid needs at least one column, got ncols={ncols}")
    ncols = min(ncols, n)
    nrows = math.ceil(n / ncols)
    gap = max(1, width // 14)
    # a line of 9-point text is 0.15 inch high: as many pixels of the picture as that takes
    foot = 0 if labels is None else math.ceil(0.17 / cell * width)
    canvas = np.full((nrows * (height + gap + foot), ncols * (width + gap), 3), 255, np.uint8)
    if ax is None:
        fig = blank(
            (max(ncols * cell * (1 + gap / width), 2.0), nrows * cell * (height + gap + foot) / width)
        )
        ax = fig.subplots()
        if title:
            fig.set_size_inches(fig.get_figwidth(), fig.get_figheight() + 0.3)
    for i, tile in enumerate(tiles):
        top, left = (i // ncols) * (height + gap + foot), (i % ncols) * (width + gap)
        canvas[top : top + height, left : left + width] = tile
        if labels is not None:
            ax.text(left + width / 2, top + height, str(labels[i]), ha="center", va="top", fontsize=9)
    ax.imshow(canvas, interpolation="nearest")
    ax.axis("off")
    if title:
        ax.set_title(title)
    return ax.figure


def heatmap(
    matrix,
    ax,
    *,
    numbers: bool = True,
    fmt: str = ".2g",
    xlabels: Sequence | None = None,
    ylabels: Sequence | None = None,
    center: float | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str | None = None,
    colorbar: bool = False,
):
    """A matrix `[rows, columns]` as coloured cells, with its numbers written in them.

    `center` (0, say) gives colours that differ on its two sides. `xlabels` and `ylabels` name columns and
    rows. Returns the image object.
    """
    matrix = np.asarray(matrix, dtype=float)
    if matrix.ndim != 2:
        raise ValueError(f"heatmap draws a matrix, got shape {matrix.shape}")
    if center is not None:
        reach = float(np.nanmax(np.abs(matrix - center))) or 1.0
        vmin = center - reach if vmin is None else vmin
        vmax = center + reach if vmax is None else vmax
    image = ax.imshow(
        matrix, cmap=cmap or (SEQUENTIAL if center is None else DIVERGING), vmin=vmin, vmax=vmax
    )
    ax.grid(False)
    for names, axis in ((xlabels, ax.xaxis), (ylabels, ax.yaxis)):
        if names is None:
            axis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        else:
            axis.set_ticks(range(len(names)), [str(name) for name in names])
    if numbers:
        for (i, j), value in np.ndenumerate(matrix):
            red, green, blue, _ = image.cmap(image.norm(value))
            light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.55
            ax.text(
                j,
                i,
                format(value, fmt),
                ha="center",
                va="center",
                fontsize=8,
                color="black" if light else "white",
            )
    if colorbar:
        ax.figure.colorbar(image, ax=ax, shrink=0.8)
    return image
