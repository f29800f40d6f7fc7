"""Gradient health as a regression test: what a baseline holds, what fails against it, and what it cannot be."""

import json
import statistics

import numpy as np
import pandas as pd
import pytest

import gradflow
from gradflow import Recording
from gradflow.analysis.levels import MIN_CHANGE, allowed, levels
from gradflow.diagnosis.baseline import BaselineError, write_baseline
from tests.diagnosis.frames import chain, learnt

STEPS = 40


def run(seed=0, spread=0.0, noise=0.1, scale=None, losses=None, **options):
    """Return a run of a chain of layers a to e, whose norms vary between runs and from step to step."""
    generator = np.random.default_rng(seed)
    level = {name: 10 ** (spread * generator.normal()) * (scale or {}).get(name, 1.0) for name in "abcde"}
    outputs = {name: own * 10 ** (noise * generator.normal(size=STEPS)) for name, own in level.items()}
    return chain(outputs, steps=STEPS, losses=learnt(STEPS) if losses is None else losses, **options)


def failed(found):
    return {(change.layer, change.measure) for change in found.failures}


def test_levels_are_medians_over_steps_and_means_over_runs():
    runs = [run(seed, spread=0.3) for seed in range(3)]
    frame = levels(runs).set_index(["layer", "measure"])
    for layer in "abcde":
        logs = []
        for one in runs:
            rows = one.layers[one.layers["layer"] == layer]
            logs.append(statistics.median(float(np.log10(norm)) for norm in rows["out_grad_norm"]))
        row = frame.loc[layer, "out_grad_norm"]
        assert row["level"] == pytest.approx(statistics.mean(logs))
        assert row["spread"] == pytest.approx(statistics.stdev(logs))
        assert row["n_runs"] == 3


def test_of_one_run_the_spread_is_that_of_single_steps_in_which_a_trend_cancels():
    generator = np.random.default_rng(0)
    noise = {name: 0.1 * generator.normal(size=2000) for name in "ab"}
    trend = np.linspace(0, 3, 2000)
    rows = [{"step": step, "layer": name, "grad_norm": 10 ** (noise[name][step] + trend[step])}
            for step in range(2000) for name in "ab"]  # fmt: skip
    assert levels(Recording(layers=pd.DataFrame(rows)))["spread"].tolist() == pytest.approx([0.1, 0.1], rel=0.1)


@pytest.mark.slow
def test_runs_that_differ_by_chance_fail_in_one_of_a_hundred_checks():
    """Simulated: seeds that vary by 0.1 decades, 40 layers, three runs in the baseline and one later."""
    generator = np.random.default_rng(0)
    n_failed, n_checks, n_layers = 0, 2000, 40
    for _ in range(n_checks):
        before = 0.1 * generator.normal(size=(3, n_layers))
        frame = pd.DataFrame({"measure": "grad_norm", "spread": before.std(axis=0, ddof=1), "n_runs": 3})
        now = 0.1 * generator.normal(size=n_layers)
        n_failed += bool((np.abs(now - before.mean(axis=0)) > allowed(frame, 1, n_layers).to_numpy()).any())
    assert n_failed / n_checks < 0.02


def test_a_run_is_as_its_own_baseline_and_other_seeds_are(tmp_path):
    file = write_baseline(run(0), tmp_path / "baseline.json")
    found = gradflow.check(run(0), file)
    assert found.passed
    assert {change.was for change in found.changes} == {change.now for change in found.changes}
    seeds = write_baseline([run(seed, spread=0.1) for seed in range(4)], tmp_path / "seeds.json")
    assert all(gradflow.check(run(seed, spread=0.1), seeds).passed for seed in range(4, 12))


@pytest.mark.parametrize("layer", ["a", "c", "e"])
def test_a_layer_whose_gradient_has_changed_fails_and_no_other(tmp_path, layer):
    file = write_baseline([run(seed, spread=0.1) for seed in range(4)], tmp_path / "baseline.json")
    found = gradflow.check(run(5, spread=0.1, scale={layer: 30.0}), file)
    assert failed(found) == {(layer, "grad_norm"), (layer, "out_grad_norm")}
    assert not found.passed
    assert [change.failed for change in found.changes] == sorted((one.failed for one in found.changes), reverse=True)


def test_a_tolerance_given_decides_to_the_digit(tmp_path):
    file = write_baseline(run(noise=0.0), tmp_path / "baseline.json")
    changed = run(noise=0.0, scale={"b": 10**0.5})
    assert failed(gradflow.check(changed, file)) == {("b", "grad_norm"), ("b", "out_grad_norm")}
    assert gradflow.check(changed, file, tolerances={"grad_norm": 0.5, "out_grad_norm": 0.5}).passed
    found = gradflow.check(changed, file, tolerances={"grad_norm": 0.499, "out_grad_norm": 0.5})
    assert failed(found) == {("b", "grad_norm")}
    assert gradflow.check(run(noise=0.0, scale={"b": 10 ** (0.9 * MIN_CHANGE)}), file).passed


@pytest.mark.parametrize("norm", [0.0, np.inf, np.nan])
def test_a_gradient_that_is_lost_fails_whatever_is_allowed(tmp_path, norm):
    file = write_baseline(run(), tmp_path / "baseline.json")
    healthy = run()
    layers = healthy.layers.assign(
        grad_norm=healthy.layers["grad_norm"].where(healthy.layers["layer"] != "b", norm), n_nonfinite=-1
    )
    lost = Recording(layers=layers, steps=healthy.steps, graph=healthy.graph, meta=healthy.meta)
    assert ("b", "grad_norm") in failed(gradflow.check(lost, file, tolerances={"grad_norm": 99.0}))
    other = write_baseline(lost, tmp_path / "lost.json")
    assert failed(gradflow.check(lost, other)) == set()
    assert (("b", "grad_norm") in failed(gradflow.check(run(), other))) is True


def test_a_higher_loss_fails_and_a_lower_one_does_not(tmp_path):
    losses = np.array(learnt(STEPS))
    file = write_baseline(run(losses=losses), tmp_path / "baseline.json")
    assert failed(gradflow.check(run(losses=2.5 * losses), file)) == {("", "loss")}
    assert gradflow.check(run(losses=0.5 * losses), file, tolerances={"loss": 0.01}).passed
    assert gradflow.check(run(losses=2.5 * losses), file, tolerances={"loss": 1.0}).passed
    diverged = gradflow.check(run(losses=[*losses[:-9], *[np.nan] * 9]), file)
    assert failed(diverged) == {("", "loss")}
    assert [finding.key for finding in diverged.new] == ["diverged"]


def test_a_problem_that_is_new_fails_and_one_that_is_gone_does_not(tmp_path):
    healthy, faulty = run(), run(meta={"optimizers": 1, "optimizer_steps": 0})
    found = gradflow.check(faulty, write_baseline(healthy, tmp_path / "healthy.json"))
    assert ([finding.key for finding in found.new], found.failures, found.passed) == (["never_stepped"], (), False)
    found = gradflow.check(healthy, write_baseline(faulty, tmp_path / "faulty.json"))
    assert (found.new, found.gone, found.passed) == ((), ("never_stepped",), True)


def test_a_baseline_is_the_same_bytes_for_the_same_runs_with_a_sorted_line_a_layer(tmp_path):
    runs = [run(seed, spread=0.1) for seed in range(3)]
    written = [write_baseline(given, tmp_path / "b.json").read_text() for given in (runs, runs[::-1])]
    assert written[0] == written[1]
    held = json.loads(written[0])
    assert list(held["layers"]) == sorted(held["layers"])
    assert sum(line.startswith('  "') for line in written[0].splitlines()) == len(held["layers"]) == 5
    numbers = [number for measures in held["layers"].values() for pair in measures.values() for number in pair]
    assert numbers == [round(number, 3) for number in numbers]


def test_paths_and_recordings_are_the_same_runs(tmp_path):
    gradflow.save(run(), tmp_path / "run")
    file = write_baseline(tmp_path / "run", tmp_path / "b.json")
    assert gradflow.check(run(), file) == gradflow.check([tmp_path / "run"], file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, r"b.json has version 2; this gradflow reads up to 1"),
        ({"format": "else"}, r"b.json is not a baseline of gradflow\.$"),
        ({"layers": {"z": {}}}, r"is of another model: the runs lack its layer z\. --write makes"),
        ({"layers": {}}, r"is of another model: it lacks the layers a, b, c, \.\.\."),
        ({"runs": 0}, r"is damaged \(ValueError"),
        ({"runs": 10**400}, r"is damaged \(ValueError"),
        ({"loss": [1.0]}, r"is damaged \(ValueError"),
        ({"layers": {"a": {"grad_norm": ["x", 1.0]}}}, r"is damaged \(KeyError: 'x'"),
        ({"layers": [1]}, r"is damaged \(AttributeError"),
    ],
)
def test_what_is_no_baseline_of_these_runs_is_said_in_one_line(tmp_path, change, message):
    file = write_baseline(run(), tmp_path / "b.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(BaselineError, match=message) as raised:
        gradflow.check(run(), file)
    assert "\n" not in str(raised.value)


def test_missing_and_unreadable_files_measures_and_tolerances(tmp_path):
    with pytest.raises(BaselineError, match=r"nowhere\.json is missing; --write makes it"):
        gradflow.check(run(), tmp_path / "nowhere.json")
    (tmp_path / "half.json").write_text('{"format": "gradflow-base')
    with pytest.raises(BaselineError, match=r"half\.json cannot be read: "):
        gradflow.check(run(), tmp_path / "half.json")
    file = write_baseline(run(), tmp_path / "b.json")
    with pytest.raises(BaselineError, match="contains weight_norm, which these runs did not record"):
        gradflow.check(run(weight_norm=np.nan), file)
    for tolerances in ({"grad": 1.0}, {"loss": -1.0}, {"loss": float("nan")}, {"loss": "1"}):
        with pytest.raises(ValueError, match="tolerance"):
            gradflow.check(run(), file, tolerances=tolerances)
    with pytest.raises(BaselineError, match="no layer was recorded"):
        gradflow.check(Recording(), file)
