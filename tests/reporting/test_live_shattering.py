"""The live figure of agreeing gradients draws families as every other figure does."""

import pandas as pd

from gradflow.figures.shattering_figure import shattering
from gradflow.reporting.live.screen import live


def test_residual_lines_are_solid_and_plain_ones_dashed():
    rows = [
        {"family": family, "norm": norm, "depth": depth, "mean": 0.5, "low": 0.4, "high": 0.6, "n": 5, "predicted": 0.5}
        for family in ("plain", "residual")
        for norm in ("", "batch")
        for depth in (1, 4)
    ]
    spec = live(shattering(pd.DataFrame(rows))).wide
    (scale,) = [
        layer["encoding"]["strokeDash"]["scale"]
        for layer in spec["layer"]
        if "domain" in (layer["encoding"].get("strokeDash") or {}).get("scale", {})
    ]
    dashes = dict(zip(scale["domain"], scale["range"], strict=True))
    assert dashes["residual, no norm"] == dashes["residual, batch norm"] == [1, 0]
    assert dashes["plain, no norm"][1] > 0
