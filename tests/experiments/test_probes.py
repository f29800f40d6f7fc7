"""What a run's probes measure, beside the tables that training recorded and beside passes made here by hand."""

import numpy as np
import pytest
import torch
from made import one_run
from torch.nn import functional

from gradflow.analysis import counterfactual, counterfactual_ends, shattering_by_layer
from gradflow.experiments import PlanError, load_data, plan, probes, train
from gradflow.experiments.train import build
from gradflow.recording import AS_IT_IS, INPUT, SHATTERING

STEPS = 4
SETTINGS = {"steps": STEPS, "widths": [4, 8, 8], "eval_every": STEPS, "record_every": STEPS}


def probe(recording, name):
    rows = recording.probes[recording.probes["probe"] == name]
    return rows.set_index("layer")["value"]


@pytest.fixture(scope="module")
def residual():
    torch.set_num_threads(1)  # as the tests have; this fixture comes before theirs
    return train(one_run("residual", **SETTINGS))


def test_probes_change_no_number_of_the_training(residual):
    bare = train(one_run("residual", probes=["none"], **SETTINGS))
    assert bare.skips.empty
    assert bare.probes.empty
    assert bare.layers.equals(residual.layers)
    assert bare.steps.equals(residual.steps)


def test_the_gradient_as_it_is_is_that_of_the_first_recorded_step(residual):
    recorded = residual.layers[(residual.layers["step"] == 0) & residual.layers["weighted"]]
    found = probe(residual, AS_IT_IS)
    assert found.to_dict() == pytest.approx(recorded.set_index("layer")["out_grad_norm"].to_dict(), rel=1e-5)
    frame = counterfactual(residual)
    as_it_is = frame[frame["variant"] == AS_IT_IS].set_index("layer")["out_grad_norm"]
    assert as_it_is.to_dict() == pytest.approx(found.to_dict())


def test_of_augmented_training_all_variants_are_of_one_pass():
    flipped = train(one_run("residual", augment=["flip", "jitter"], **SETTINGS))
    frame = counterfactual(flipped)
    last = frame[frame["layer"] == "fc"].set_index("variant")["out_grad_norm"]
    assert last.to_numpy() == pytest.approx(np.full(3, last[AS_IT_IS]), rel=1e-6)
    recorded = flipped.layers[(flipped.layers["step"] == 0) & (flipped.layers["layer"] == "fc")]
    assert recorded["out_grad_norm"].iloc[0] != pytest.approx(last[AS_IT_IS], rel=1e-3)


def test_skips_are_measured_before_the_first_update_and_after_the_last(residual):
    skips = residual.skips
    assert skips["join"].tolist() == 2 * ["stage1.0", "stage2.0", "stage3.0"]
    assert skips["step"].tolist() == [0, 0, 0, STEPS, STEPS, STEPS]
    assert (skips["skip_sq"] + skips["branch_sq"] + skips["cross"]).to_numpy() == pytest.approx(np.ones(6), rel=1e-5)
    before, after = skips["skip_share"][:3].to_numpy(), skips["skip_share"][3:].to_numpy()
    assert (before != after).all()


def test_a_skip_s_share_is_that_of_a_pass_whose_branch_is_cut(residual):
    data = load_data("digits")
    index = torch.randperm(len(data.train_labels), generator=torch.Generator().manual_seed(0))[:64]
    model = build(one_run("residual", **SETTINGS), data)
    block, kept = model.stage3[0], []
    block.register_forward_pre_hook(lambda module, args: kept.append(args[0]))

    def gradient():
        loss = functional.cross_entropy(model(data.train_images[index]), data.train_labels[index])
        return torch.autograd.grad(loss, kept[-1])[0]

    whole = gradient()
    block.conv1.register_forward_pre_hook(lambda module, args: args[0].detach())
    skip = gradient()
    share = (skip * whole).sum() / whole.square().sum()
    assert residual.skips["skip_share"][2] == pytest.approx(share.item(), rel=1e-4)


def test_gradients_of_a_deeper_plain_network_agree_less():
    runs = [train(one_run(family, depth=14, **SETTINGS)) for family in ("plain", "residual")]
    plain, residual = (probe(run, SHATTERING) for run in runs)
    assert set(plain.index) == set(residual.index)
    assert INPUT in plain.index
    assert plain.iloc[-1] == pytest.approx(1.0)
    middle = shattering_by_layer(runs).set_index(["family", "layers_after"])["mean"]
    assert middle["plain", 7] < middle["residual", 7] / 2
    assert runs[0].skips.empty


def test_ends_are_decades_between_the_first_and_the_last_layer(residual):
    ends = counterfactual_ends(counterfactual(residual)).set_index("variant")
    norms = probe(residual, AS_IT_IS)
    assert ends.loc[AS_IT_IS, "mean"] == pytest.approx(np.log10(norms["conv1"] / norms["fc"]))
    assert ends["n"].tolist() == [1, 1, 1]


def test_a_probe_that_fails_costs_its_own_numbers(monkeypatch):
    def fails(*args, **kwargs):
        raise RuntimeError("not enough memory\nfor this")

    monkeypatch.setattr(probes, "shattering", fails)
    recording = train(one_run("residual", **SETTINGS))
    assert recording.meta["not_probed"] == {"shattering": "not enough memory"}
    assert recording.meta["status"] == "done"
    assert len(recording.skips) == 6


def test_a_run_that_diverged_is_kept():
    recording = train(one_run("residual", lr=1e30, **SETTINGS))
    assert recording.meta["status"] == "diverged"
    assert recording.skips[recording.skips["step"] == 0]["skip_share"].notna().all()


def test_what_a_constant_answer_would_get_is_noted(residual):
    labels = load_data("digits").train_labels.tolist()
    most = max(labels.count(label) for label in set(labels))
    assert residual.meta["constant_error"] == pytest.approx(1 - most / len(labels))


def test_which_probes_there_are():
    (run,) = plan([8], families=["plain"], seeds=1, probes=["paths", "skips"], device="cpu")
    assert run.probes == ("skips", "paths")
    varied = plan([8], families=["plain"], seeds=1, vary={"probes": [None, "paths"]}, device="cpu")
    assert {run.probes for run in varied} == {(), ("paths",)}
    with pytest.raises(PlanError, match="probes must be none, or some of skips, shattering, paths; got skip"):
        plan([8], probes=["skip"])


def test_of_a_network_without_residual_connections_nothing_is_analysed(monkeypatch):
    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr(probes, "analyze_gradients", never)
    found = train(one_run("plain", probes=["skips"], **SETTINGS))
    assert found.skips.empty
    assert found.probes.empty
    with pytest.raises(AssertionError):
        train(one_run("residual", probes=["skips"], **SETTINGS))
