import itertools

import colorspacious
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from gradflow import analysis, plots
from gradflow.figures import names
from gradflow.figures.columns import require
from gradflow.figures.looks import depth_color, family_style, looks
from gradflow.figures.seed_words import bands_text, seeds_text
from gradflow.plots import saving, style


def luminance(color):
    """WCAG 2 relative luminance."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("count", range(1, 13))
def test_deeper_is_darker_and_every_depth_stands_out_on_white(count):
    depths = [8 + 6 * index for index in range(count)]
    lights = [luminance(depth_color(depth, depths)) for depth in depths]
    assert all(1.05 / (light + 0.05) >= 3 for light in lights)
    assert lights == sorted(lights, reverse=True)
    assert len(set(lights)) == count


@pytest.mark.parametrize(("kind", "least"), [(None, 5), ("deuteranomaly", 5), ("protanomaly", 5), ("tritanomaly", 3)])
def test_twelve_depths_differ_for_the_colour_blind_too(kind, least):
    colors = np.array([to_rgb(depth_color(depth, range(12))) for depth in range(12)])
    if kind:
        space = {"name": "sRGB1+CVD", "cvd_type": kind, "severity": 100}
        colors = np.clip(colorspacious.cspace_convert(colors, space, "sRGB1"), 0, 1)
    pairs = itertools.combinations(colors, 2)
    # CAM02-UCS: 1 is about what can just be told side by side.
    assert min(float(colorspacious.deltaE(*pair, input_space="sRGB1")) for pair in pairs) >= least


def test_variants_of_one_family_have_styles_of_their_own_and_the_first_its_family_s():
    names = [f"{family}, width {width}" for family in ("plain", "residual") for width in (128, 16, 64)]
    found = {name: family_style(name, names) for name in names}
    assert len({str(line.linestyle) for line in found.values()}) == 6
    assert found["residual, width 16"] == family_style("residual")
    assert found["plain, width 16"] == family_style("plain")


def test_families_have_styles_of_their_own():
    families = ["plain", "residual", "dense", "highway", "mlp", "vit"]
    found = [family_style(family, families) for family in families]
    assert len({str(line.linestyle) for line in found}) == 6
    assert len({line.marker for line in found}) == 6
    assert family_style("residual", families).linestyle == "-"


def test_looks_share_colour_by_depth_and_line_by_family():
    frame = pd.DataFrame({"family": ["plain", "residual", "plain"], "depth": pd.array([20, 20, 56], dtype="Int64")})
    found = looks(frame)
    assert found["plain", 20].color == found["residual", 20].color != found["plain", 56].color
    assert found["plain", 20].linestyle == found["plain", 56].linestyle != found["residual", 20].linestyle


def test_runs_without_depth_differ_by_colour_and_line():
    frame = pd.DataFrame({"family": ["a", "b"], "depth": pd.array([None, None], dtype="Int64")})
    first, second = looks(frame).values()
    assert first.color != second.color
    assert first.linestyle != second.linestyle


def test_legend_has_one_entry_a_depth_and_one_a_family():
    frame = pd.DataFrame([(f, d) for f in ("plain", "residual") for d in range(12)], columns=["family", "depth"])
    assert len(style.legend_handles(looks(frame))) == 14


@pytest.mark.parametrize(
    ("n", "text"),
    [
        ([1, 1], "1 seed, no interval"),
        ([3, 3], "95 % interval, n = 3 seeds"),
        ([0, 2, 5], "95 % interval, n = 2 to 5 seeds"),
    ],
)
def test_the_number_of_seeds_is_said(n, text):
    assert seeds_text(n) == text


def test_intervals_that_are_not_drawn_are_said():
    frame = pd.DataFrame([("plain", d, 3) for d in range(9)], columns=["family", "depth", "n"])
    assert bands_text(frame) == "n = 3 seeds, intervals not drawn"
    assert bands_text(frame[:8]) == "95 % interval, n = 3 seeds"


def test_context_leaves_the_settings_as_they_were():
    before = dict(mpl.rcParams)
    with style.context():
        assert mpl.rcParams["font.size"] == 8
    assert dict(mpl.rcParams) == before


def test_names_are_cut_and_no_mathematics():
    assert names.shorten("a" * 100).count("a") < 30
    assert names.shorten("$x$") == r"\$x\$"
    assert not names.shorten("_hidden").startswith("_")


def test_a_missing_column_and_an_empty_frame_are_named():
    with pytest.raises(ValueError, match="lacks the column 'n'; pass what source returns"):
        require(pd.DataFrame({"mean": [1.0]}), ("mean", "n"), "source")
    with pytest.raises(ValueError, match="no rows"):
        require(pd.DataFrame({"mean": []}), ("mean",), "source")


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_the_same_figure_gives_the_same_file(form, tmp_path):
    def drawn():
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([1, 2], label="one")
        figure.legend()
        return figure

    first, second = (saving.save_each(drawn(), tmp_path / name, [form])[0] for name in ("a", "b"))
    assert first.name == f"a.{form}"
    assert first.read_bytes() == second.read_bytes()


def test_a_pdf_embeds_fonts_that_stay_text(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, "residual")
    content = saving.save(figure, tmp_path / "a.pdf").read_bytes()
    assert b"/Type /Font /Subtype /Type0" in content.replace(b"\n", b" ") or b"/FontFile2" in content
    assert b"/Subtype /Type3" not in content
    assert b"CreationDate" not in content


def test_a_suffix_that_is_no_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.png, \.pdf, \.svg; got 'a\.jpg'"):
        saving.save(Figure(), tmp_path / "a.jpg")


def test_widths_are_those_of_a_journal():
    assert [round(saving.sizes(column) * 25.4) for column in ("single", "double")] == [89, 183]
    with pytest.raises(ValueError, match="'single' or 'double'; got 'wide'"):
        saving.sizes("wide")


def test_short_names_that_would_read_alike_grow():
    every = [f"residual, {word}, batch norm, sgd, lr 0.001" for word in ("relu", "gelu")]
    found = names.short_names(every)
    assert len(set(found.values())) == 2


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\nb", "a b"), ("\x1b[31mred\u202e", "[31mred"), ("\ud800", "\ufffd"), ("$\\frac{", r"\$\frac{")],
)
def test_names_are_drawn_on_one_line_as_they_are(name, shown):
    assert names.shorten(name) == shown


def test_axes_are_the_current_ones_and_figures_are_left_out_of_pyplot(runs):
    # As in a notebook, which shows each figure that pyplot holds at the end of a cell.
    plt.switch_backend("agg")
    plt.close("all")
    frame = analysis.degradation(runs)
    means = analysis.degradation_over_seeds(frame)
    ax = plots.degradation(frame, means)
    assert ax is plt.gca()
    assert len(plt.get_fignums()) == 1
    plt.close("all")
    figure = plots.degradation_figure(frame, means, analysis.paired_difference(frame))
    assert isinstance(figure, Figure)
    assert not plt.get_fignums()
