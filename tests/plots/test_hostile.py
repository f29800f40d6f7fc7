"""Names of layers, families and sources as strangers may choose them: shown as text, in PNG and in SVG."""

from xml.etree import ElementTree

import pandas as pd
import pytest
from drawings import along, contribution, errors, profile
from matplotlib.text import Text

from gradflow import plots
from gradflow.plots import contribution_figure

HOSTILE = ("$\\frac{", "</svg><script>alert(1)</script>", "a\nb\x1b[31m", "_hidden", "-->&<!--")


def labels(figure):
    return [artist.get_text() for artist in figure.findobj(lambda artist: isinstance(artist, Text))]


@pytest.mark.parametrize("family", HOSTILE)
def test_names_of_families_are_text_in_every_format(family, tmp_path):
    pairs = [(family, 8), ("residual", 8)]
    entry = {"family": family, "depth": 8, "error": 0.1, "source": family, "kind": "published", "measure": ""}
    own = pd.DataFrame([entry])
    joins = contribution(pairs, 0.5)
    for figure in (
        plots.degradation_figure(*errors(pairs), published=own),
        plots.profiles(profile(pairs, steps=[0])),
        plots.learning_curves(along(pairs)),
        contribution_figure({"skip_share": joins, "branch_ratio": joins}),
    ):
        png, svg = plots.save_each(figure, tmp_path / "figure", ["png", "svg"], dpi=40)
        assert png.stat().st_size
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(svg).iter()}
        assert "script" not in tags
        assert not any("\x1b" in text for text in labels(figure))


def test_a_dollar_is_drawn_as_a_dollar():
    figure = plots.learning_curves(along([("$\\frac{", 8)]))
    assert any(r"\$\frac{" in text for text in labels(figure))
