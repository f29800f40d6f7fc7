"""The live figure of the gradient over time, and the report's section."""

import numpy as np
import pandas as pd

from gradflow import Recording
from gradflow.analysis import gradient_over_time
from gradflow.reporting import report
from gradflow.reporting.times_section import on_screen as live


def recording(seed=0, tensors=("input", "output"), steps=(0, 1, 10), **meta):
    rows = [
        pd.DataFrame({"step": step, "layer": "rnn", "tensor": tensor, "time": range(30), "grad_norm": norms})
        for step in steps
        for tensor, norms in (
            ("input", np.geomspace(10.0 ** -(9 + step + seed), 1.0, 30)),
            ("output", np.where(np.arange(30) == 29, 0.5, 0.0)),
        )
        if tensor in tensors
    ]
    losses = pd.DataFrame({"step": range(40), "loss": 0.69})
    return Recording(times=pd.concat(rows), steps=losses, meta={"run": f"mine {seed}", "family": "mine", "seed": seed})


def test_rows_are_the_frame_s_and_each_step_has_its_axis():
    found = live(gradient_over_time(recording(), steps="recorded"))
    rows = found.rows[(found.rows["family"] == "rnn, input") & (found.rows["step"] == 10)]
    np.testing.assert_allclose(rows.sort_values("time")["mean"], np.geomspace(1e-19, 1, 30))
    assert [
        scale.signals["lo"] < 10.0 ** -(9 + step) for scale, step in zip(found.scales, (0, 1, 10), strict=True)
    ] == [True] * 3
    step, sequence = found.controls
    assert [option.value for option in step.options] == ["0", "1", "10"]
    assert [option.value for option in sequence.options] == ["", "rnn, input", "rnn, output"]


def test_zeros_stand_at_the_foot_and_a_norm_alone_has_a_mark():
    found = live(gradient_over_time(recording(steps=(0,)), steps="recorded"))
    rows = found.rows[found.rows["family"] == "rnn, output"].sort_values("time")
    assert rows["mark"].tolist() == ["zero"] * 29 + ["alone"]
    lows = {one["name"]: one["value"] for one in found.wide["params"]}
    assert (rows["edge"].iloc[:29] >= lows["lo"]).all()
    assert (rows["edge"].iloc[:29] < 1e-9).all()
    assert "Triangles" in found.note


def test_seeds_and_their_mean_can_be_chosen():
    found = live(gradient_over_time([recording(), recording(seed=1)], steps="recorded"))
    assert [control.column for control in found.controls] == ["step", "seed", "family"]


def test_a_frame_without_gradient_has_no_figure():
    assert live(gradient_over_time(Recording())) is None


def page(runs, folder, **options):
    return report(runs, folder, **options).read_text(encoding="utf-8")


def test_the_report_has_the_section_where_times_were_recorded(tmp_path):
    html = page(recording(), tmp_path / "with")
    assert 'id="times"' in html
    assert "figure-times" in html
    assert (tmp_path / "with" / "figures" / "times.png").exists()
    kept = pd.read_parquet(tmp_path / "with" / "tables" / "times.parquet")
    assert len(kept) == 3 * 2 * 30
    assert "29 → 0" in html
    bare = Recording(steps=recording().steps, meta={"run": "mine"})
    assert 'id="times"' not in page(bare, tmp_path / "without")


def test_it_says_where_the_input_was_not_measured(tmp_path):
    assert "The input of rnn requires no gradient" in page(recording(tensors=("output",)), tmp_path)


def test_it_is_in_chinese(tmp_path):
    assert "梯度随时间的变化" in page(recording(), tmp_path, lang="zh")
