"""Factor per layer: against scipy's regression, known profiles and the networks' own recordings."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from gradflow import Recording, record
from gradflow.analysis.decay import decay, decay_over_seeds
from gradflow.models import cifar_net


def recording(norms, *, stages=None, step=0, meta=None, **columns):
    n = len(norms)
    layers = pd.DataFrame(
        {
            "step": step,
            "layer": [f"l{i}" for i in range(n)],
            "out_grad_norm": norms,
            "weighted": True,
            "order": range(n),
            "layer_depth": range(1, n + 1),
            "stage": stages or 0,
            **columns,
        }
    )
    return Recording(layers=layers, meta=meta or {"run": "mine"})


def only(frame):
    assert len(frame) == 1
    return frame.iloc[0]


def test_exact_exponential_has_its_factor_and_no_width():
    row = only(decay(recording(0.8 ** np.arange(19, -1, -1))))
    assert row.factor == pytest.approx(0.8, rel=1e-12)
    assert row.high - row.low < 1e-9
    assert row.ratio == pytest.approx(0.8**19)
    assert row.decades == pytest.approx(19 * math.log10(0.8))
    assert (row.first_depth, row.last_depth, row.n_layers, row.status) == (1, 20, 20, "measured")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(1e-9, 1e9), min_size=3, max_size=30))
def test_factor_is_that_of_scipys_regression(norms):
    assume(np.ptp(np.log(norms)) > 1e-3)  # scipy has no slope for a constant
    fit = stats.linregress(np.arange(1, len(norms) + 1), np.log(norms))
    row = only(decay(recording(norms)))
    assert row.factor == pytest.approx(np.exp(-fit.slope), rel=1e-6)
    assert row.low < row.factor < row.high


def test_roles_of_a_block_stand_on_levels_of_their_own():
    """A zigzag of conv1 and conv2 is no change over depth."""
    norms = 0.9 ** np.arange(20, 0, -1) * np.tile([1.0, 30.0], 10)
    names = [f"stage1.{block}.{role}" for block in range(10) for role in ("conv1", "conv2")]
    row = only(decay(recording(norms, layer=names)))
    assert row.factor == pytest.approx(0.9, rel=1e-12)
    assert row.high - row.low < 1e-6
    assert only(decay(recording(norms))).factor != pytest.approx(0.9, abs=0.005)


def test_evidence_for_a_law_is_positive_for_a_power_law():
    depth = np.arange(1, 17)
    wiggle = np.exp(0.01 * np.sin(7.0 * depth))
    power, exponential = (only(decay(recording(norms * wiggle))) for norms in (depth**-0.5, 0.8**-depth))
    assert power.exponent == pytest.approx(-0.5, abs=0.02)
    assert power.delta_aicc > 10
    assert exponential.delta_aicc < -10
    assert power.exponent_low < power.exponent < power.exponent_high
    assert math.isnan(only(decay(recording(depth[:8] ** -0.5))).delta_aicc)


def test_each_stage_is_fitted_apart_and_the_ratio_is_the_networks():
    norms = [*(2.0 ** -np.arange(5)), *(3.0 ** np.arange(4)), 7.0]
    frame = decay(recording(norms, stages=[0] * 5 + [1] * 4 + [2]))
    assert frame.stage.tolist() == [0, 1, 2]
    assert frame.factor[:2].tolist() == pytest.approx([2.0, 1 / 3])
    assert math.isnan(frame.factor[2])
    assert frame.status[2] == "fewer than two positive norms"
    assert frame.ratio.tolist() == pytest.approx([1 / 7] * 3)


def test_zeros_and_nonfinite_norms_are_left_out_and_counted():
    norms = [0.0, 0.25, np.inf, 1.0, 2.0, np.nan]
    row = only(decay(recording(norms, n_nonfinite=[0, 0, 1, 0, 0, 4])))
    assert (row.n_layers, row.n_zero, row.n_nonfinite) == (3, 1, 2)
    assert row.factor == pytest.approx(0.5)
    assert math.isnan(row.ratio)


def test_a_gradient_that_never_arrived_is_not_counted_as_nonfinite():
    row = only(decay(recording([np.nan, 1.0, 2.0], status=["frozen", "measured", "measured"])))
    assert (row.n_nonfinite, row.status) == (0, "two layers: no interval")
    assert row.factor == pytest.approx(0.5)
    assert math.isnan(row.low)


def test_a_vanished_end_is_minus_infinity_decades():
    row = only(decay(recording([0.0, 1.0, 2.0, 4.0])))
    assert row.ratio == 0
    assert row.decades == -math.inf


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (recording([0.0, 0.0, 0.0]), "fewer than two positive norms"),
        (recording([np.nan, np.nan]), "fewer than two positive norms"),
        (recording([1.0, 2.0], layer_depth=-1), "no weighted layer of known depth"),
        (recording([1.0, 2.0], weighted=False), "no weighted layer of known depth"),
        (recording([1.0, 2.0], step=5), "step not recorded"),
        (Recording(), "step not recorded"),
    ],
)
def test_nothing_to_fit_is_nan_with_its_reason(given, status):
    row = only(decay(given))
    assert row[["factor", "low", "high", "exponent", "exponent_low", "exponent_high", "delta_aicc"]].isna().all()
    assert (row.first_depth, row.last_depth, row.n_layers, row.status) == (-1, -1, 0, status)
    if status == "fewer than two positive norms":
        norms = given.layers.out_grad_norm
        assert (row.stage, row.n_zero, row.n_nonfinite) == (0, norms.eq(0).sum(), norms.isna().sum())
    else:
        assert (row.stage, row.n_zero, row.n_nonfinite) == (-1, 0, 0)


def test_layers_left_out_stay_out_of_the_fit():
    norms = [50.0, *(0.5 ** np.arange(5, 0, -1)), 30.0]
    row = only(decay(recording(norms), leave_out=(1, 1)))
    assert row.factor == pytest.approx(0.5)
    assert (row.first_depth, row.last_depth) == (2, 6)
    assert row.ratio == pytest.approx(50 / 30)
    assert only(decay(recording(norms), leave_out=(4, 9))).n_layers == 0


def test_projection_shortcuts_do_not_count():
    norms = [1.0, 2.0, 100.0, 4.0]
    row = only(decay(recording(norms, layer_depth=[1, 2, 2, 3])))
    assert row.factor == pytest.approx(0.5)


def test_identity_falls_back_to_the_runs_name():
    row = only(decay(recording([1.0, 2.0, 4.0])))
    assert (row.run, row.family, row.setting) == ("mine", "mine", "")
    assert pd.isna(row.depth)
    assert pd.isna(row.seed)


def test_unknown_measure_and_negative_leave_out():
    with pytest.raises(ValueError, match=r"measure must be one of grad_norm, .*; got 'norm'"):
        decay(recording([1.0]), measure="norm")
    with pytest.raises(ValueError, match=r"leave_out must be two counts .*; got \(-1, 0\)"):
        decay(recording([1.0]), leave_out=(-1, 0))


def seeds(factors, **meta):
    return [
        recording(factor ** np.arange(4, -1, -1.0), meta={"run": f"r{seed}", "seed": seed, **meta})
        for seed, factor in enumerate(factors)
    ]


def test_over_seeds_is_a_geometric_mean_with_students_interval():
    factors = [0.5, 0.6, 0.9]
    row = only(decay_over_seeds(decay(seeds(factors, family="plain", depth=20))))
    logs = np.log(factors)
    expected = np.exp(stats.t.interval(0.95, 2, logs.mean(), stats.sem(logs)))
    assert row.factor == pytest.approx(np.exp(logs.mean()))
    np.testing.assert_allclose([row.low, row.high], expected)
    assert row.decades == pytest.approx(4 * np.log10(factors).mean())
    assert (row.n, row.decades_n, row.family, row.depth) == (3, 3, "plain", 20)


def test_one_seed_has_no_interval():
    row = only(decay_over_seeds(decay(seeds([0.5], family="plain", depth=20))))
    assert row.factor == pytest.approx(0.5)
    assert math.isnan(row.low)
    assert row.n == 1


def test_settings_and_unnamed_runs_are_groups_of_their_own():
    frame = decay([*seeds([0.5, 0.6], setting="a"), *seeds([0.7], setting="b"), recording([1.0, 2.0, 4.0])])
    assert decay_over_seeds(frame).sort_values("setting").n.tolist() == [1, 2, 1]


def test_seeds_without_a_finite_ratio_do_not_count_in_decades():
    rows = decay(
        [
            recording(norms, meta={"run": run, "setting": "a"})
            for run, norms in [("r0", [0.0, 1.0, 2.0, 4.0]), ("r1", [0.5, 1.0, 2.0, 4.0])]
        ]
    )
    row = only(decay_over_seeds(rows))
    assert row.decades == pytest.approx(math.log10(0.125))
    assert (row.n, row.decades_n) == (2, 1)


def test_cifar_net_explodes_by_the_batch_norm_law_in_its_first_stage():
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cifar_net(32, family="plain", in_channels=1)
        images, labels = torch.randn(64, 1, 8, 8), torch.randint(10, (64,))
        with record(model) as recorder:
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            recorder.step()
    frame = decay(recorder.recording, leave_out=(1, 0))
    assert frame.n_layers.tolist() == [10, 9, 9, 0]
    assert 1.1 < frame.factor[0] < 1.35


def test_one_layer_has_no_first_and_last():
    layers = pd.DataFrame({"step": 0, "layer": ["a"], "out_grad_norm": 2.0, "weighted": True, "layer_depth": 1})
    assert decay(Recording(layers=layers))[["ratio", "decades"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("first", "last", "factor"),
    [(8e153, 1e-154, 8e307), (2e154, 1e-154, math.inf), (1e300, 1e-300, math.inf), (1e-300, 1e300, 0.0)],
)
def test_a_factor_that_no_float_holds_is_infinite(first, last, factor):
    row = only(decay(recording([first, last])))
    assert row.factor == pytest.approx(factor)
    spread = [first, 1.0, last, 1.0]
    bounds = only(decay(recording(spread)))
    assert bounds.low <= bounds.factor <= bounds.high


def test_a_step_counts_only_where_it_was_recorded():
    early, late = recording([1.0, 2.0, 4.0], step=0), recording([1.0, 3.0, 9.0], step=5)
    both = Recording(layers=pd.concat([early.layers, late.layers]), meta={"run": "both"})
    assert [only(decay(both, step=step)).factor for step in (0, 5)] == pytest.approx([0.5, 1 / 3])


def test_each_measure_is_of_its_own_column():
    norms = {"grad_norm": [1.0, 5.0, 25.0], "weight_norm": [9.0, 3.0, 1.0]}
    given = recording([1.0, 2.0, 4.0], **norms)
    factors = [only(decay(given, measure=name)).factor for name in ("out_grad_norm", *norms, "grad_times_weight")]
    assert factors == pytest.approx([1 / 2, 1 / 5, 3.0, 3 / 5])


def test_runs_of_other_layers_are_each_fitted_to_their_own():
    frame = decay([recording(0.5 ** np.arange(n, 0, -1.0), meta={"run": f"r{n}"}) for n in (6, 3, 6, 9)])
    assert frame.n_layers.tolist() == [6, 3, 6, 9]
    assert frame.factor.tolist() == pytest.approx([0.5] * 4)
    assert frame.ratio.tolist() == pytest.approx([0.5**5, 0.5**2, 0.5**5, 0.5**8])


def test_layers_are_in_the_order_of_their_depth():
    row = only(decay(recording([4.0, 1.0, 2.0], layer_depth=[3, 1, 2])))
    assert (row.ratio, row.first_depth, row.last_depth) == (0.25, 1, 3)


def test_the_power_laws_interval_is_that_of_the_line_over_logarithms():
    norms = np.exp(np.random.default_rng(0).standard_normal(7).cumsum())
    depth = np.arange(1.0, 8.0)
    row = only(decay(recording(norms)))
    for x, (low, middle, high), sign in (
        (depth, np.log([row.low, row.factor, row.high]), -1),
        (np.log(depth), (row.exponent_low, row.exponent, row.exponent_high), 1),
    ):
        assert middle == pytest.approx(sign * stats.linregress(x, np.log(norms)).slope)
        assert high - middle == pytest.approx(middle - low)
        assert high - middle > 0
