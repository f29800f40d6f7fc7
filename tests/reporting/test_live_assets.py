import hashlib

import pandas as pd
import pytest

import gradflow
from gradflow.reporting.live import bundle
from gradflow.reporting.live.assets import BundleError, scripts
from gradflow.reporting.live.notebook import interactive_profile


@pytest.fixture
def rows():
    layers = {"step": 0, "layer": ["a", "b"], "out_grad_norm": [0.1, 0.4], "weighted": True, "order": [0, 1]}
    yield gradflow.Recording(layers=pd.DataFrame({**layers, "layer_depth": [1, 2]}), meta={"run": "mine"})
    scripts.cache_clear()


def test_the_library_is_the_one_that_the_figures_were_made_for():
    assert hashlib.sha256(bundle.BUNDLE.read_bytes()).hexdigest() == bundle.SHA256
    assert str(scripts()[0]).encode() == bundle.BUNDLE.read_bytes()
    licences = bundle.BUNDLE.with_name("LICENSES-vega.txt").read_text(encoding="utf-8")
    assert all(name in licences for name in ("vega 6.2.0", "vega-lite 6.4", "vega-embed 7.0.2"))


@pytest.mark.parametrize(("content", "what"), [(None, "missing"), (b"", "of another version")])
def test_without_the_library_one_line_says_what_to_do(rows, tmp_path, monkeypatch, content, what):
    monkeypatch.setattr(bundle, "BUNDLE", tmp_path / "vega-embed.js")
    if content is not None:
        bundle.BUNDLE.write_bytes(content)
    scripts.cache_clear()
    with pytest.raises(BundleError, match=rf"^.*vega-embed.js is {what}; make it by pip install -e \..*$"):
        interactive_profile(rows).html()
