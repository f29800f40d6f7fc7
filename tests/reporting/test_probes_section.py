"""Sections on shattering and path lengths: present where probes hold them, with the probes' numbers."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis.paths import path_probes, path_shares, recorded_paths
from gradflow.plots import fonts
from gradflow.reporting import report
from gradflow.reporting.page_figures import Picture
from gradflow.reporting.paths_section import PATHS
from gradflow.reporting.report_data import ReportData
from gradflow.reporting.sections import files
from gradflow.reporting.shattering_section import SHATTERING_SECTION
from gradflow.reporting.skips_section import SKIPS
from gradflow.tables import Table

N_BLOCKS = 9


def lengths(scale):
    length = np.arange(N_BLOCKS + 1)
    gradient = scale**length
    frame = pd.DataFrame({"length": length, "paths": [float(math.comb(N_BLOCKS, k)) for k in length]})
    frame = frame.assign(gradient=gradient, low=0.9 * gradient, high=1.1 * gradient, n=10)
    return frame.assign(share=path_shares(gradient))


def mine(probes, **meta):
    steps = pd.DataFrame({"step": [0, 1], "loss": [2.0, 1.0]})
    return Recording(steps=steps, probes=probes, meta={"run": "mine", **meta})


def correlation(family, depth, seed, value, **meta):
    probes = pd.DataFrame({"probe": "shattering", "layer": ["(input)", "0"], "x": [3.0, 2.0], "value": [value, 0.5]})
    kind = {"family": family, "depth": depth, "seed": seed, "norm": "batch"}
    return Recording(probes=probes, meta={"run": f"{family}-{depth}-{seed}", **kind, **meta})


def data(recordings, folder):
    (folder / "figures").mkdir()
    (folder / "tables").mkdir()
    return ReportData(recordings, folder)


def cells(found):
    (table,) = (block for block in found.blocks if isinstance(block, Table))
    return [[cell.main for cell in row] for row in table.cells]


def pictures(found):
    return [block.name for block in found.blocks if isinstance(block, Picture)]


def test_paths_come_back_from_their_probes():
    frame = lengths(0.25)
    back = recorded_paths(mine(path_probes(frame).sample(frac=1, random_state=0)))
    pd.testing.assert_frame_equal(back, frame[back.columns])
    assert recorded_paths(mine(path_probes(frame).query("probe != 'paths drawn'"))).empty


def test_lengths_are_those_of_the_binomial(tmp_path):
    scale = 0.5
    found = PATHS.shown(data([mine(path_probes(lengths(scale)))], tmp_path))
    mean = N_BLOCKS * scale / (1 + scale)  # of the binomial with p = a / (1 + a)
    assert cells(found) == [["mine", "9", f"{mean:.1f}", "2 – 4", "0 – 6"]]
    assert f"mine: 9 blocks; the mean length is {mean:.1f}" in found.paragraphs[1]
    assert pictures(found) == ["paths"]


def test_a_gradient_that_did_not_arrive_has_no_length(tmp_path):
    frame = lengths(0.5).assign(share=math.nan)
    found = PATHS.shown(data([mine(path_probes(frame))], tmp_path))
    assert cells(found) == [["mine", "9", "–", "–", "–"]]
    assert pictures(found) == []
    assert "no finite gradient arrived" in found.paragraphs[1]


def test_one_figure_a_network_and_one_row_a_run(tmp_path):
    kinds = [("residual", 20, 0), ("residual", 20, 1), ("residual", 56, 0)]
    runs = [
        mine(path_probes(lengths(0.3)), family=family, depth=depth, seed=seed).meta
        | {"run": f"{family}-{depth}-{seed}"}
        for family, depth, seed in kinds
    ]
    recordings = [Recording(probes=path_probes(lengths(0.3)), meta=meta) for meta in runs]
    found = PATHS.shown(data(recordings, tmp_path))
    assert pictures(found) == ["paths", "paths-2"]
    assert [row[0] for row in cells(found)] == ["residual-20, seed 0", "residual-20, seed 1", "residual-56, seed 0"]


def test_correlations_with_their_intervals(tmp_path):
    values = {
        ("plain", 2): (0.3, 0.2),
        ("plain", 8): (0.1, 0.0),
        ("residual", 2): (0.7, 0.6),
        ("residual", 8): (0.5, 0.4),
    }
    runs = [correlation(*kind, seed, value) for kind, both in values.items() for seed, value in enumerate(both)]
    found = SHATTERING_SECTION.shown(data(runs, tmp_path))
    assert pictures(found) == ["shattering"]
    means = {"plain-2": "0.25", "plain-8": "0.050", "residual-2": "0.65", "residual-8": "0.45"}
    assert cells(found) == [[network, "batch norm", mean] for network, mean in means.items()]
    (table,) = (block for block in found.blocks if isinstance(block, Table))
    assert table.cells[0][2].sub == "−0.39 to 0.89"  # 0.25 ± 12.706 * 0.05, Student's t of two seeds


def test_a_model_of_ones_own_has_a_row_and_no_figure(tmp_path):
    probes = pd.DataFrame({"probe": "shattering", "layer": ["(input)"], "x": [3.0], "value": [0.25]})
    found = SHATTERING_SECTION.shown(data([mine(probes)], tmp_path))
    assert cells(found) == [["mine", "no norm", "0.25"]]
    assert pictures(found) == []


def test_without_probes_there_is_no_section(tmp_path):
    elsewhere = pd.DataFrame({"probe": "without skips", "layer": ["0"], "x": [1.0], "value": [0.25]})
    held = data([mine(elsewhere)], tmp_path)
    assert SHATTERING_SECTION.shown(held) is None
    assert PATHS.shown(held) is None


@pytest.mark.parametrize("experiment", ["shattering", "mine"])
def test_the_page_holds_them(tmp_path, experiment):
    runs = [correlation("plain", depth, 0, 1 / depth, experiment=experiment, norm="batch") for depth in (2, 8)]
    if experiment == "shattering":  # its networks of one depth and seed differ in norm
        runs += [correlation("plain", depth, 0, 1 / depth, experiment=experiment, norm="") for depth in (2, 8)]
        runs = [Recording(probes=one.probes, meta={**one.meta, "run": f"{place}"}) for place, one in enumerate(runs)]
    page = report([*runs, mine(path_probes(lengths(0.5)))], tmp_path / "out").read_text(encoding="utf-8")
    assert "Do the gradients of different inputs agree?" in page
    assert "How long are the paths that the gradient takes?" in page
    assert (tmp_path / "out" / "tables" / "shattering.csv").is_file()
    assert len(pd.read_csv(tmp_path / "out" / "tables" / "paths.csv")) == N_BLOCKS + 1


def test_layers_of_a_network_are_drawn_where_they_were_measured(tmp_path):
    def one(family, seed):
        probes = pd.DataFrame({"probe": "shattering", "layer": ["(input)", "a", "b"], "x": [2.0, 1.0, 0.0]})
        meta = {"run": f"{family}-{seed}", "family": family, "depth": 2, "seed": seed, "experiment": "compare"}
        return Recording(probes=probes.assign(value=[0.25, 0.5, 1.0]), meta=meta)

    held = data([one(family, seed) for family in ("plain", "residual") for seed in (0, 1)], tmp_path)
    found = SHATTERING_SECTION.shown(held)
    (picture,) = (block for block in found.blocks if isinstance(block, Picture))
    assert picture.live.rows.groupby("network")["mean"].apply(list).to_dict() == {
        "plain-2": [1.0, 0.5, 0.25],
        "residual-2": [1.0, 0.5, 0.25],
    }
    assert "at the input 0.25 to 0.25 over 2 networks" in picture.alt
    assert "before the first update" in found.paragraphs[1]
    names = [name for name, _ in files(held)]
    assert "shattering_by_layer" in names


def residual(depth, seed, *, first=0.1):
    """Return a trained network's joins at both ends of training, and its gradient at three layers, as it is and not."""
    joins = pd.DataFrame({"join": ["a", "b"], "order": [0, 1], "kind": "identity", "branch_ratio": 0.5})
    joins = pd.concat([joins.assign(step=step, skip_share=0.5 + step / 100) for step in (0, 10)])
    layers = pd.DataFrame({"step": 0, "layer": ["x", "y", "z"], "order": [0, 1, 2], "layer_depth": [1, 2, 3]})
    layers = layers.assign(weighted=True, out_grad_norm=1.0, grad_norm=1.0, weight_norm=1.0, stage=0, status="measured")
    values = {"as it is": [10 * first, 1.0, 1.0], "without skips": [first, 0.5, 1.0], "without branches": [0.0, 1, 1]}
    probes = pd.concat(
        [
            pd.DataFrame({"probe": name, "layer": ["x", "y", "z"], "x": [1, 2, 3.0], "value": value})
            for name, value in values.items()
        ]
    )
    meta = {"run": f"residual-{depth}-{seed}", "family": "residual", "depth": depth, "seed": seed}
    return Recording(layers=layers, skips=joins, probes=probes, meta={**meta, "experiment": "compare"})


def test_skips_of_several_runs_are_told_by_network(tmp_path):
    runs = [residual(depth, seed, first=0.1 * 10**-seed) for depth in (8, 14) for seed in (0, 1)]
    found = SKIPS.shown(data(runs, tmp_path))
    assert pictures(found) == ["skips-share", "skips-without"]
    share = next(block for block in found.blocks if isinstance(block, Picture))
    assert sorted(share.live.rows["step"].unique()) == [0, 10]
    assert cells(found) == [[f"residual-{depth}", "2", "÷ 3.2", "÷ 32", "–"] for depth in (8, 14)]
    (table,) = (block for block in found.blocks if isinstance(block, Table))
    assert table.cells[0][4].sub == "not measured"
    assert "before the first update and after the last one" in found.paragraphs[0]


def test_skips_of_one_run_are_told_by_join(tmp_path):
    found = SKIPS.shown(data([residual(8, 0)], tmp_path))
    assert [row[0] for row in cells(found)] == ["a", "b"]
    assert found.paragraphs[0].startswith("2 residual connections")
    assert "is no larger at the first layer" in found.paragraphs[-1]


def test_networks_of_two_norms_are_drawn_by_depth_and_never_joined(tmp_path):
    runs = [correlation("plain", depth, 0, 1 / depth, norm=norm) for depth in (2, 4, 8) for norm in ("batch", "")]
    runs = [Recording(probes=one.probes, meta={**one.meta, "run": f"{place}"}) for place, one in enumerate(runs)]
    found = SHATTERING_SECTION.shown(data(runs, tmp_path))
    (picture,) = (block for block in found.blocks if isinstance(block, Picture))
    assert "depth" in picture.live.rows.columns
    assert len(picture.live.rows) == 6


def test_moments_in_figures_are_in_the_language_of_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "chinese_font", lambda: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        page = report([residual(depth, seed) for depth in (8, 14) for seed in (0, 1)], tmp_path, lang="zh")
    assert [warning.category for warning in caught] == [fonts.FontWarning]
    assert "残差连接" in page.read_text(encoding="utf-8")
