"""The table of layers: a line in each row, beside the numbers at its ends."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.reporting.layers_section import LAYERS
from gradflow.reporting.report_data import ReportData
from gradflow.tables.html import for_page
from gradflow.tables.value import COURSE_HEIGHT


def courses(tmp_path, norms, n_seeds=1):
    """The heights of each layer's line: layer -> norms by step."""
    rows = [
        {"step": step, "layer": name, "order": place, "layer_depth": place + 1, "weighted": True, "grad_norm": norm}
        for place, (name, every) in enumerate(norms.items())
        for step, norm in enumerate(every)
    ]
    frame = pd.DataFrame(rows)
    runs = [
        Recording(
            layers=frame.assign(grad_norm=frame["grad_norm"] * 10.0**seed),
            meta={"family": "plain", "depth": 8, "seed": seed, "run": f"seed {seed}"},
        )
        for seed in range(n_seeds)
    ]
    (table,) = LAYERS.shown(ReportData(runs, tmp_path)).blocks
    return {row[1].main: row[-2].course for row in table.cells}, table


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_a_line_is_the_logarithm_of_the_geometric_mean(tmp_path, n_seeds):
    found, _ = courses(
        tmp_path, {"falls": [1.0, 1e-1, 1e-4], "level": [5.0, 5.0, 5.0], "rises": [1.0, 2.0, 4.0]}, n_seeds
    )
    assert found["falls"] == [16, 12, 0]
    assert found["level"] == [8, 8, 8]
    half = COURSE_HEIGHT * math.log10(2)  # of a decade
    np.testing.assert_allclose(found["rises"], [8 - half, 8, 8 + half], atol=0.5)


def test_zeros_are_at_the_foot_infinities_on_top_and_what_was_not_measured_is_a_gap(tmp_path):
    found, table = courses(tmp_path, {"odd": [0.0, 1.0, math.nan, 1e-2, math.inf], "never": [math.nan] * 5})
    assert found["odd"] == [0, 16, None, 0, 16]
    assert list(found["never"]) == []
    assert re.findall(r'<path d="([^"]*)"', for_page(table, str)) == ["M1 17L5 1M13 17L17 1"]


def test_long_runs_have_few_points(tmp_path):
    found, _ = courses(tmp_path, {"a": np.geomspace(1, 1e4, 401)})
    assert found["a"][0] == 0
    assert found["a"][-1] == 16
    assert len(found["a"]) == 20
