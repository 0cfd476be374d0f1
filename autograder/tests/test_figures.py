"""Figures carry a description, survive both themes and a grey print, and stay small."""

from __future__ import annotations

import base64
import html
import io
import os
import re
import subprocess
import sys
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest
from coursekit import figures
from coursekit.data import mnist
from coursekit.figures import LINESTYLES, MARKERS, PALETTE, figure, heatmap, image_grid, line_style, png, show
from matplotlib.colors import to_rgb
from PIL import Image

DESCRIPTION = "A straight line: look at how steeply it rises."


@pytest.fixture
def displayed(monkeypatch):
    """What `show` hands to the notebook, as (html, plain text)."""
    shown = []
    monkeypatch.setattr(figures, "display_html", lambda content, plain: shown.append((content, plain)))
    return shown


def line(title="Rising"):
    fig, ax = figure()
    ax.plot([0, 1], [0, 1])
    ax.set_title(title)
    return fig


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.mark.parametrize("bad", ["", "A line.", "   spaces          spaces   ", None, 3], ids=repr)
def test_show_refuses_a_missing_or_short_description(displayed, bad):
    with pytest.raises(ValueError, match="at least 20 characters"):
        show(line(), bad)
    assert displayed == []


def test_show_has_no_default_description():
    with pytest.raises(TypeError, match="description"):
        show(line())


def test_show_displays_the_picture_with_alternative_text_and_caption(displayed):
    assert show(line(), DESCRIPTION) is None
    ((content, plain),) = displayed
    assert plain == f"[figure] {DESCRIPTION}"
    alt = re.search(r'<img alt="([^"]*)"', content)[1]
    assert html.unescape(alt) == DESCRIPTION
    assert f"<figcaption><i>{DESCRIPTION}</i></figcaption>" in content
    data = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', content)[1])
    picture = Image.open(io.BytesIO(data))
    assert f'width="{picture.width}" height="{picture.height}"' in content


def test_a_caption_of_its_own(displayed):
    show(line(), DESCRIPTION, caption="Figure 3.")
    ((content, _),) = displayed
    assert "<figcaption><i>Figure 3.</i>" in content
    assert f'alt="{DESCRIPTION}"' in content


def test_a_description_cannot_break_out_of_its_place(displayed):
    show(line(), 'Points with "x" < 3 & y > 2: <script>alert(1)</script>')
    ((content, _),) = displayed
    assert "<script" not in content
    assert content.count('"') % 2 == 0
    assert html.unescape(re.search(r'alt="([^"]*)"', content)[1]).startswith('Points with "x" < 3 & y > 2')


def test_show_closes_a_figure_of_pyplot(displayed):
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        fig, ax = plt.subplots()
        ax.plot([1, 2])
        assert plt.fignum_exists(fig.number)
        show(fig, DESCRIPTION)
        assert not plt.fignum_exists(fig.number), "an open figure is shown a second time"


def test_our_figures_are_unknown_to_pyplot():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    line()
    assert plt.get_fignums() == before


def test_outside_of_a_notebook_the_description_is_printed(capsys):
    show(line(), DESCRIPTION)
    assert capsys.readouterr() == (f"[figure] {DESCRIPTION}\n", "")


def test_the_background_is_white_and_opaque():
    data = png(line())
    picture = Image.open(io.BytesIO(data))
    assert "transparency" not in picture.info
    assert picture.mode in ("P", "RGB")
    assert pixels(data)[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [[255, 255, 255]] * 4


def test_diagrams_are_small_and_look_the_same():
    fig, ax = figure()
    for i in range(6):
        ax.plot(np.arange(8), i * np.arange(8), **line_style(i), label=f"curve {i}")
    ax.legend()
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=figures.DPI, facecolor="white")
    data = png(fig)
    assert len(data) < 25_000
    assert len(data) < 0.6 * len(buffer.getvalue())
    assert np.abs(pixels(data) - pixels(buffer.getvalue())).max() <= 24


def test_large_areas_keep_their_exact_colour():
    fig, ax = figure()
    x = np.linspace(0, 1, 200)
    greys = [str(grey) for grey in np.linspace(0.97, 0.8, 12)]
    ax.contourf(x, x, x[:, None] + x, levels=np.linspace(0, 2, 13), colors=greys, antialiased=False)
    for i in range(7):
        ax.plot(x, np.sin((i + 3) * x), **line_style(i))
    full, reduced = png(fig, reduce=False), png(fig)
    assert Image.open(io.BytesIO(reduced)).mode == "P"
    full, reduced = (pixels(data).reshape(-1, 3) for data in (full, reduced))
    colours, counts = np.unique(full, axis=0, return_counts=True)
    for colour in colours[np.argsort(-counts)[:20]]:
        area = (full == colour).all(axis=1)
        assert (reduced[area] == colour).all(), colour


def test_the_fast_way_is_not_reduced():
    picture = Image.open(io.BytesIO(png(line(), reduce=False)))
    assert picture.mode == "RGBA"
    assert np.asarray(picture)[..., 3].min() == 255, "opaque all the same"


def test_a_photograph_keeps_its_colours():
    fig = figures.blank((3, 3))
    fig.set_layout_engine("none")
    fig.add_axes((0, 0, 1, 1)).imshow(np.random.default_rng(0).random((60, 60, 3)))
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=figures.DPI, facecolor="white")
    np.testing.assert_array_equal(pixels(png(fig)), pixels(buffer.getvalue()))


def test_remarks_of_matplotlib_do_not_reach_stderr(recwarn):
    fig = figures.blank()
    fig.add_axes((0, 0, 1, 1)).set_title("a glyph that the font lacks: \N{CJK UNIFIED IDEOGRAPH-5B57}")
    png(fig, trim=True)
    assert len(recwarn) == 0


def test_the_same_figure_gives_the_same_bytes_and_names_no_software():
    assert png(line(), trim=True) == png(line(), trim=True)
    assert b"Matplotlib" not in png(line())


def test_trim_cuts_off_empty_margins():
    fig = figures.blank((5, 5))
    fig.text(0.5, 0.5, "small")
    assert min(Image.open(io.BytesIO(png(fig))).size) == 5 * figures.DPI
    assert max(Image.open(io.BytesIO(png(fig, trim=True))).size) < 100


def luminance(color):
    """Relative luminance by WCAG 2."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def protan(color):
    """How someone without red cones sees a colour (Vienot, Brettel and Mollon 1999), linear RGB."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]) @ linear


def test_the_palette_is_okabe_and_itos():
    published = {"000000", "E69F00", "56B4E9", "009E73", "F0E442", "0072B2", "D55E00", "CC79A7"}
    assert {color.lstrip("#") for color in PALETTE} == published
    assert set(figures.COLOR.values()) == set(PALETTE)


def test_the_first_colours_stand_out_from_white_and_from_each_other():
    contrast = [1.05 / (luminance(color) + 0.05) for color in PALETTE[:4]]
    assert min(contrast[:3]) > 3, "WCAG asks for 3:1 for graphics"
    assert contrast[3] > 2.5
    for a, b in combinations(PALETTE, 2):
        assert np.abs(protan(a) - protan(b)).max() > 0.05, (a, b)


def test_curves_differ_without_colour():
    styles = [line_style(i) for i in range(8)]
    for a, b in combinations(styles, 2):
        assert a["linestyle"] != b["linestyle"]
        assert a["marker"] != b["marker"]
    assert line_style(8) == line_style(0)
    assert len(LINESTYLES) == len(MARKERS) == len(PALETTE)
    _, ax = figure()
    lines = [ax.plot([0, 1])[0] for _ in range(4)]
    assert [line.get_color() for line in lines] == list(PALETTE[:4])
    assert len({line.get_linestyle() for line in lines}) == 4, "plain plot() calls get dash patterns too"


def test_figure_gives_axes_as_pyplot_does():
    _, ax = figure()
    assert not isinstance(ax, np.ndarray)
    assert figure(1, 3)[1].shape == (3,)
    assert figure(2, 3)[1].shape == (2, 3)
    fig, axes = figure(2, 2, size=(4, 3), sharex=True)
    assert tuple(fig.get_size_inches()) == (4, 3)
    assert axes[0, 0].get_shared_x_axes().joined(axes[0, 0], axes[1, 1])


def test_the_style_is_applied_once_so_that_a_student_may_change_it():
    figure()
    with mpl.rc_context({"lines.linewidth": 7}):
        _, ax = figure()
        assert ax.plot([1, 2])[0].get_linewidth() == 7
    with mpl.rc_context():
        figures.apply_style()
        assert mpl.rcParams["image.cmap"] == "cividis"


def test_image_grid_shows_every_picture_with_its_label(displayed):
    digits = mnist()
    labels = [digits.names[y] for y in digits.y_train[:10]]
    fig = image_grid(digits.x_train[:10], labels, 5, title="Ten digits")
    (ax,) = fig.axes
    assert [text.get_text() for text in ax.texts] == labels
    assert ax.get_title() == "Ten digits"
    canvas = ax.get_images()[0].get_array()
    for i in (0, 4, 5, 9):
        label = ax.texts[i]
        left, bottom = round(label.get_position()[0] - 14), round(label.get_position()[1])
        tile = canvas[bottom - 28 : bottom, left : left + 28]
        np.testing.assert_allclose(tile[..., 0].astype(float), digits.x_train[i], atol=1)
    show(fig, "Ten handwritten digits, each above its label.")
    assert len(displayed) == 1


def test_image_grid_takes_colours_floats_and_fewer_pictures_than_columns():
    rng = np.random.default_rng(0)
    colour = image_grid(rng.integers(0, 256, (3, 8, 9, 3), dtype=np.uint8), ncols=8)
    assert colour.axes[0].get_images()[0].get_array().shape == (9, 30, 3)
    grey = image_grid(np.linspace(-1, 1, 2 * 16).reshape(2, 4, 4), vmin=0, vmax=2, ncols=1)
    canvas = grey.axes[0].get_images()[0].get_array()
    assert canvas.shape == (10, 5, 3)
    assert canvas[:4, :4].max() == 0, "values below vmin are black"
    assert 100 < canvas[5:9, :4].max() < 150, "1 lies in the middle of 0 ... 2"
    assert image_grid(np.zeros((2, 5, 5, 1))).axes


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (np.zeros((2, 5)), None, r"\[N, H, W\] or \[N, H, W, 3\], got \(2, 5\)"),
        (np.zeros((2, 5, 5, 4)), None, r"got \(2, 5, 5, 4\)"),
        (np.zeros((2, 5, 5)), ["a"], "2 images but 1 labels"),
        (np.zeros((0, 5, 5)), None, "at least one image"),
    ],
)
def test_image_grid_says_what_is_wrong(images, labels, words):
    with pytest.raises(ValueError, match=words):
        image_grid(images, labels)


def test_heatmap_writes_readable_numbers():
    _, ax = figure()
    names = {"xlabels": "ab", "ylabels": ["up", "down"]}
    image = heatmap([[0.0, 1.0], [2.0, 3.25]], ax, fmt=".2f", colorbar=True, **names)
    assert [text.get_text() for text in ax.texts] == ["0.00", "1.00", "2.00", "3.25"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["a", "b"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["up", "down"]
    for text, value in zip(ax.texts, [0, 1, 2, 3.25], strict=True):
        back, front = luminance(image.cmap(image.norm(value))), luminance(text.get_color())
        assert (max(back, front) + 0.05) / (min(back, front) + 0.05) > 4, f"{value} can hardly be read"


def test_heatmap_around_a_centre_and_without_numbers():
    _, ax = figure()
    image = heatmap([[-1.0, 3.0]], ax, center=0, numbers=False)
    assert image.get_clim() == (-3, 3)
    assert len(ax.texts) == 0
    middle = image.cmap(image.norm(0.0))
    assert min(middle[:3]) > 0.9, "the centre is nearly white"
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        heatmap([1, 2, 3], ax)


def test_importing_figures_imports_no_pyplot():
    """Start-up time, and no window system is looked for."""
    code = "import sys, coursekit.figures; assert 'matplotlib.pyplot' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, check=False)
    assert done.returncode == 0
