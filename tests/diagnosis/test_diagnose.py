"""Findings on networks whose numbers are laid out by hand, so that what must be found is known beforehand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gradflow import Recording
from gradflow.diagnosis import diagnose

N_LAYERS = 20


def recording(
    *, family="plain", depth=N_LAYERS, seed=0, factor=1.0, train_error=0.0, growth=1.0, loss=None, grad_norm=None
):
    """Return a net whose activation gradient changes by `factor` a layer toward the input, at steps 0 and 100."""
    depths = np.arange(1, N_LAYERS + 1)
    rows = []
    for step, scale in ((0, 1.0), (100, growth)):
        norms = factor ** (N_LAYERS - depths).astype(float)
        rows.append(
            pd.DataFrame(
                {
                    "step": step,
                    "layer": [f"conv{one}" for one in depths],
                    "order": depths - 1,
                    "layer_depth": depths,
                    "stage": 0,
                    "kind": ["BatchNorm2d" if one == N_LAYERS else "Conv2d" for one in depths],
                    "weighted": True,
                    "n_params": 10,
                    "out_grad_norm": norms,
                    "grad_norm": norms if grad_norm is None else grad_norm,
                    "weight_norm": 2.0 * scale,
                }
            )
        )
    steps = pd.DataFrame(
        {"step": [0, 100], "loss": loss or [2.3, 1.0], "lr": 0.1, "train_error": [np.nan, train_error]}
    )
    names = {"family": family, "depth": depth} if family else {}
    run = f"{family or 'mine'}-{depth}-seed{seed}"
    return Recording(layers=pd.concat(rows), steps=steps, meta={"run": run, "seed": seed, **names})


def keys(findings):
    return {(finding.key, finding.subject.label) for finding in findings}


def of(findings, key):
    (found,) = [finding for finding in findings if finding.key == key]
    return found


def test_degraded_is_paired_over_seeds():
    shallow, deep = [0.01, 0.03, 0.02], [0.40, 0.46, 0.43]
    runs = [recording(depth=20, seed=seed, train_error=error) for seed, error in enumerate(shallow)]
    runs += [recording(depth=56, seed=seed, train_error=error) for seed, error in enumerate(deep)]
    found = of(diagnose(runs), "degraded")
    differences = np.subtract(deep, shallow)
    interval = stats.t.interval(0.95, 2, differences.mean(), stats.sem(differences))
    assert found.severity == "problem"
    assert found.subject.label == "plain-56"
    assert found.values["difference"][:3] == pytest.approx((differences.mean(), *interval))
    assert found.values["difference"].n == 3


def test_an_interval_that_holds_zero_is_no_degradation():
    runs = [recording(depth=20, seed=seed, train_error=error) for seed, error in enumerate([0.0, 0.5, 0.1])]
    runs += [recording(depth=56, seed=seed, train_error=error) for seed, error in enumerate([0.9, 0.0, 0.2])]
    found = diagnose(runs)
    assert ("degraded", "plain-56") not in keys(found)
    assert of(found, "degradation_unclear").severity == "notice"


def test_an_interval_that_allows_a_point_does_not_show_that_nothing_is_lost():
    runs = [recording(depth=20, seed=seed, train_error=0.01) for seed in range(3)]
    runs += [recording(depth=56, seed=seed, train_error=error) for seed, error in enumerate([0.0, 0.02, 0.01])]
    assert of(diagnose(runs), "degradation_unclear").severity == "notice"
    near = [recording(depth=56, seed=seed, train_error=error) for seed, error in enumerate([0.010, 0.011, 0.009])]
    assert of(diagnose([*runs[:3], *near]), "not_degraded").severity == "healthy"


@pytest.mark.parametrize(
    ("deep", "key", "severity"),
    [
        ([0.005, 0.02, 0.02, 0.02, 0.02], "degraded", "problem"),  # 0.9 to 2.5 points
        ([0.008, 0.009, 0.010, 0.009, 0.009], "not_degraded", "healthy"),  # 0.8 to 1.0 points: above 0, below one
        ([0.01, 0.01, 0.01, 0.01, 0.01], "degraded", "problem"),  # one point counts
        ([0.01, 0.01, 0.01, 0.01, 0.0099], "degradation_unclear", "notice"),
        ([-0.02, -0.03, -0.02, -0.025, -0.02], "not_degraded", "healthy"),
        ([0.01, 0.2, 0.01, 0.01, 0.01], "degraded", "notice"),  # each by a point, their interval holds 0
    ],
)
def test_both_ends_of_the_interval_decide_whether_depth_harms(deep, key, severity):
    shallow = 0.03 if min(deep) < 0 else 0.0  # no error is below 0
    runs = [recording(depth=20, seed=seed, train_error=shallow) for seed in range(5)]
    runs += [recording(depth=56, seed=seed, train_error=shallow + error) for seed, error in enumerate(deep)]
    found = {one.key: one.severity for one in diagnose(runs) if one.key.endswith(("degraded", "degradation_unclear"))}
    assert found == {key: severity}


def test_one_seed_is_a_notice_that_says_so():
    found = of(diagnose([recording(depth=20), recording(depth=56, train_error=0.4)]), "degraded")
    assert found.severity == "notice"
    assert "+40.0 points (1 seed, no interval)" in str(found)


def test_one_seed_that_is_no_worse_is_not_degraded():
    found = of(
        diagnose([recording(depth=20, train_error=0.02), recording(depth=56, train_error=0.025)]), "not_degraded"
    )
    assert (found.severity, found.values["difference"].n) == ("healthy", 1)


def test_intervals_of_errors_stay_within_what_an_error_can_be():
    runs = [recording(depth=20, seed=seed, train_error=error) for seed, error in enumerate([0.0, 0.02])]
    runs += [recording(depth=56, seed=seed, train_error=error) for seed, error in enumerate([0.1, 0.92])]
    values = of(diagnose(runs), "degraded").values
    assert values["difference"][:3] == pytest.approx((0.5, -1.0, 1.0))
    assert values["train_error"][:3] == pytest.approx((0.51, 0.0, 1.0))
    assert values["shallow_error"][1] == 0.0


def test_plain_is_compared_with_the_residual_net_of_its_depth():
    runs = [recording(seed=seed, train_error=0.5 + 0.01 * seed) for seed in range(3)]
    runs += [recording(family="residual", seed=seed, train_error=0.0) for seed in range(3)]
    found = of(diagnose(runs), "skip_helps")
    assert found.values["difference"].mean == pytest.approx(0.51)
    assert found.values["residual"] == "residual-20"


@pytest.mark.parametrize(("factor", "key", "other"), [(0.7, "vanishing", "exploding"), (1.4, "exploding", "vanishing")])
def test_the_gradient_s_slope_is_found_with_its_decades(factor, key, other):
    runs = [recording(seed=seed, factor=factor * (1 + 0.001 * seed)) for seed in range(3)]
    found = [finding for finding in diagnose(runs) if finding.key == key]
    assert {finding.values["when"] for finding in found} == {"start", "end"}
    assert all(finding.severity == "notice" for finding in found), "each run ends at an error of 0 %"
    assert found[0].values["decades"].mean == pytest.approx((N_LAYERS - 1) * np.log10(factor * 1.001), rel=1e-3)
    assert found[0].values["factor"].mean == pytest.approx(factor * 1.001, rel=1e-5)
    assert other not in {finding.key for finding in diagnose(runs)}


def test_findings_are_not_inferred_from_one_another():
    exploding = {finding.key for finding in diagnose([recording(factor=1.4, train_error=0.0)])}
    assert exploding & {"exploding", "degraded", "stalled", "vanishing"} == {"exploding"}
    degraded = diagnose([recording(depth=20), recording(depth=56, train_error=0.9)])
    assert {finding.key for finding in degraded} & {"exploding", "vanishing", "stalled"} == set()
    assert of(degraded, "shattering_not_measured").severity == "unmeasured"


def test_a_ratio_below_two_decades_is_healthy_and_says_its_numbers():
    found = diagnose([recording(factor=1.2, seed=seed) for seed in range(2)])
    assert {finding.key for finding in found} == {"healthy_trained", "shattering_not_measured"}
    assert "31.9 times larger at layer conv1" in str(of(found, "healthy_trained"))  # 1.2 to the power of 19


@pytest.mark.parametrize(("growth", "is_stalled"), [(9.0, False), (50.0, True)])
def test_weight_growth_under_batch_norm_stalls_the_first_layer(growth, is_stalled):
    found = diagnose([recording(growth=growth)])
    assert ("stalled" in {finding.key for finding in found}) == is_stalled
    if is_stalled:
        assert of(found, "stalled").values["slowdown"] == pytest.approx(2500.0)


def test_divergence_names_its_step_and_the_layers_between_which_the_gradient_broke():
    broken = recording(loss=[2.3, np.inf])
    layers = broken.layers.copy()
    last = layers.step == 100
    layers.loc[last & (layers.layer_depth <= 7), ["n_nonfinite", "out_grad_norm", "grad_norm"]] = [3, np.nan, np.nan]
    layers.loc[last & (layers.layer_depth > 7), "n_nonfinite"] = 0
    layers.loc[layers.step == 0, "n_nonfinite"] = 0
    found = diagnose(Recording(layers=layers, steps=broken.steps, meta=broken.meta))
    assert of(found, "diverged").values["step"] == 100
    values = of(found, "nonfinite_backward").values
    assert (values["source"], values["layer"], values["step"], values["after"]) == ("conv7", "conv8", 100, 0)


@pytest.mark.parametrize(
    ("loss", "meta", "step"),
    [
        ([2.3, 1.0], {"diverged_step": 57}, 57),
        ([2.3, 1.0], {}, 100),  # it does not say where: the last
        ([np.inf, 1.0], {}, 0),
        ([np.inf, 1.0], {"diverged_step": 57}, 57),
    ],
)
def test_a_run_that_says_that_it_diverged_is_believed(loss, meta, step):
    run = recording(loss=loss)
    said = Recording(layers=run.layers, steps=run.steps, meta={**run.meta, "status": "diverged", **meta})
    assert of(diagnose(said), "diverged").values["step"] == step


def test_a_loss_that_was_never_passed_in_is_no_divergence():
    silent = recording(loss=[np.nan, np.nan])
    assert "diverged" not in {finding.key for finding in diagnose(silent)}


def test_exactly_zero_gradients_and_missing_ones_are_named():
    gradients = np.ones(N_LAYERS)
    gradients[4] = 0.0
    net = recording(grad_norm=gradients)
    layers = net.layers.copy()
    layers.loc[layers.layer == "conv9", ["status", "grad_norm", "out_grad_norm"]] = ["not in the graph", np.nan, np.nan]
    found = diagnose(Recording(layers=layers, steps=net.steps, meta=net.meta))
    assert of(found, "zero_gradient").values["example"] == "conv5"
    assert of(found, "no_gradient").values["example"] == "conv9"


@pytest.mark.parametrize("status", ["measured at its base", "output is the input", "lost", "frozen"])
def test_a_gradient_that_was_not_looked_for_is_not_called_absent(status):
    net = recording()
    layers = net.layers.assign(n_params=9, status=status)
    assert "no_gradient" not in {one.key for one in diagnose(Recording(layers=layers, steps=net.steps, meta=net.meta))}


def test_a_users_run_needs_no_family_depth_or_seed():
    own = Recording(layers=recording(factor=0.5).layers, meta={"run": "mine"})
    assert ("vanishing", "mine") in keys(diagnose(own))


def test_residual_nets_are_not_told_to_add_residual_connections():
    (found, *_) = [one for one in diagnose(recording(family="residual", factor=1.5)) if one.key == "exploding"]
    assert "remedy.skip" not in found.remedies


def test_nothing_recorded_gives_no_error():
    assert {finding.key for finding in diagnose(Recording(meta={"run": "empty"}))} == {"shattering_not_measured"}
    assert diagnose([]) == []


def test_variants_are_subjects_of_their_own_and_paired_by_their_settings():
    runs = [
        Recording(
            steps=pd.DataFrame({"step": [0, 1], "loss": 1.0, "train_error": [0.9, error + seed / 1000]}),
            meta={"run": f"{family}{lr}{seed}", "family": family, "depth": 20, "seed": seed, "settings": {"lr": lr}},
        )
        for family, lr, error in (
            ("plain", 0.1, 0.5),
            ("plain", 0.2, 0.7),
            ("residual", 0.1, 0.1),
            ("residual", 0.2, 0.2),
        )
        for seed in (0, 1, 2)
    ]
    helped = {one.subject.label: one.values for one in diagnose(runs) if one.key == "skip_helps"}
    assert {label: values["residual"] for label, values in helped.items()} == {
        "plain-20, lr 0.1": "residual-20, lr 0.1",
        "plain-20, lr 0.2": "residual-20, lr 0.2",
    }
    assert helped["plain-20, lr 0.2"]["difference"].mean == pytest.approx(0.5)


def trained(losses, *, name="mine", dead_from=None, zero_loss=False, **meta):
    """Return a run with a loss a step, its second layer's gradient zero from a step on."""
    steps = np.arange(len(losses))
    layers = pd.DataFrame(
        {
            "step": np.repeat(steps, 2),
            "layer": ["first", "second"] * len(steps),
            "order": [0, 1] * len(steps),
            "layer_depth": [1, 2] * len(steps),
            "weighted": True,
            "n_params": 3,
            "out_grad_norm": 1.0,
            "grad_norm": 1.0,
        }
    )
    if dead_from is not None:
        layers.loc[(layers["step"] >= dead_from) & (layers["layer"] == "second"), "grad_norm"] = 0.0
    loss = np.where(steps >= dead_from, 0.0, losses) if zero_loss else losses
    return Recording(
        layers=layers, steps=pd.DataFrame({"step": steps, "loss": loss}), meta={"run": name, "seed": None, **meta}
    )


def test_a_finite_loss_that_ends_ten_times_higher_is_a_problem():
    found = of(diagnose(trained([2.0, 3e6, 1e6, 2e6])), "loss_rose")
    assert (found.severity, found.values["first"], found.values["last"]) == ("problem", 2.0, 2e6)
    assert "remedy.lower_lr" in found.remedies
    assert "loss_rose" not in {one.key for one in diagnose(trained([2.0, 3e6, 1e6, 19.0]))}


def test_a_loss_that_ends_where_it_began_is_a_notice_after_twenty_steps():
    level = [2.3] * 10 + [2.4] * 10
    found = of(diagnose(trained(level)), "loss_level")
    assert (found.severity, found.values["first"], found.values["last"]) == ("notice", 2.3, 2.4)
    assert "loss_level" not in {one.key for one in diagnose(trained(level[:-1]))}
    assert "loss_level" not in {one.key for one in diagnose(trained([2.3] * 10 + [2.4] * 7 + [2.2] * 3))}


def test_one_odd_first_batch_is_no_rise():
    assert "loss_rose" not in {one.key for one in diagnose(trained([0.05] + [1.0] * 29))}
    assert of(diagnose(trained([2.0] + [3e6] * 29)), "loss_rose").values["first"] == 2.0


def test_a_loss_that_rises_from_near_its_floor_is_no_problem():
    assert of(diagnose(trained([9e-4] * 2 + [1e-2] * 8 + [0.02] * 10)), "loss_rose").severity == "notice"


def test_seeds_that_are_each_worse_are_worse_together_however_far_apart():
    runs = [recording(depth=20, seed=seed, train_error=0.0) for seed in range(3)]
    runs += [recording(depth=56, seed=seed, train_error=error) for seed, error in enumerate([0.02, 0.5, 0.1])]
    found = of(diagnose(runs), "degraded")
    assert found.values["difference"].low < 0
    assert found.severity == "notice"


def test_weights_that_grew_in_every_seed_are_found_however_far_apart():
    runs = [recording(seed=seed, growth=growth, train_error=0.5) for seed, growth in enumerate([5000.0, 4000.0, 11.0])]
    found = of(diagnose(runs), "stalled")
    assert found.values["growth"].low < 10
    assert found.severity == "problem"
    assert of(diagnose(recording(growth=5000.0)), "stalled").severity == "notice", "its error ends at 0 %"


def test_a_loss_that_left_the_finite_numbers_did_not_also_rise():
    keys_found = {one.key for one in diagnose(trained([2.0, 3e6, np.inf, 2e6]))}
    assert "diverged" in keys_found
    assert "loss_rose" not in keys_found


def test_a_layer_whose_gradient_becomes_zero_for_good_is_named_with_its_step():
    found = of(diagnose(trained([2.0, 1.0, 0.9, 0.8, 0.7], dead_from=2)), "lost_gradient")
    assert (found.values["example"], found.values["step"], found.values["layers"]) == ("second", 2, 1)


@pytest.mark.parametrize(
    "run",
    [
        trained([2.0, 1.0, 0.9, 0.8], dead_from=2),
        trained([2.0, 1.0, 0.9, 0.8, 0.7], dead_from=2, zero_loss=True),
        trained([2.0, 1.0, 0.9, 0.8], dead_from=0),
    ],
    ids=["two steps", "nothing left to learn", "never alive"],
)
def test_a_gradient_that_was_not_lost_is_not_called_so(run):
    assert "lost_gradient" not in {one.key for one in diagnose(run)}


def test_what_was_not_measured_at_two_layers_is_not_called_healthy():
    steps = pd.DataFrame({"step": [0, 1], "loss": [2.0, 1.0]})
    found = {one.key: one.severity for one in diagnose(Recording(steps=steps, meta={"run": "losses"}))}
    assert found["ends_not_measured"] == "unmeasured"
    assert "healthy" not in found


def test_runs_of_one_name_are_subjects_of_their_own_unless_they_are_seeds():
    two = [trained([2.0, 1.0], name="Sequential"), trained([2.0, 30.0], name="Sequential")]
    assert [(one.subject.label, one.key) for one in diagnose(two) if one.severity != "unmeasured"] == [
        ("Sequential (2)", "loss_rose"),
        ("Sequential", "healthy"),
    ]
    seeds = [trained([2.0, 30.0], name="Sequential", seed=seed) for seed in (0, 1)]
    found = of(diagnose(seeds), "loss_rose")
    assert (found.subject.label, found.values["runs"]) == ("Sequential", 2)
