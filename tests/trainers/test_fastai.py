"""fastai: its own optimizer and wrapped ones, accumulation, clipping, errors, going on."""

import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.fp16 import MixedPrecision
from fastai.callback.training import GradientAccumulation, GradientClip
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.optimizer import SGD, OptimWrapper
from steps import BATCH, TOLERANCE, data, handed, is_bare, load, net, same, worst_error
from torch import nn

from gradflow.integrations.fastai import GradientFlow

CASES = {
    "plain": ([], {}),
    "accumulated": ([lambda: GradientAccumulation(2 * BATCH)], {}),
    "clipped": ([lambda: GradientClip(0.05)], {}),
    "bf16": ([], {"is_bf16": True}),
    "checkpointed": ([], {"is_checkpointed": True}),
    "all": (
        [lambda: GradientAccumulation(2 * BATCH), lambda: GradientClip(0.05)],
        {"is_bf16": True, "is_checkpointed": True},
    ),
}


def wrapped(parameters, **options):
    return OptimWrapper(parameters, torch.optim.AdamW, **options)


def learner(model, optimizer, path):
    rows = [*zip(*data(), strict=True)]
    loaders = DataLoaders(DataLoader(rows, bs=BATCH), DataLoader(rows, bs=BATCH))
    found = Learner(loaders, model, nn.functional.cross_entropy, opt_func=optimizer, path=path)
    found.remove_cbs([one for one in found.cbs if one.name == "progress"])
    found.logger = lambda *args: None
    return found


def fit(model, optimizer, path, callbacks=(), monkeypatch=None, epochs=1):
    torch.manual_seed(1)
    found, steps = learner(model, optimizer, path), []
    found.create_opt()
    if monkeypatch is not None and optimizer is SGD:  # which is none of torch's: its gradients are read where it steps
        step = type(found.opt).step

        def spy(self, *args, **kwargs):
            used = [p for p in model.parameters() if p.grad is not None]
            steps.append({id(p): p.grad.double().norm().item() for p in used})
            return step(self, *args, **kwargs)

        monkeypatch.setattr(type(found.opt), "step", spy)
    found.fit(epochs, lr=0.05, cbs=[*callbacks])
    return found, steps


@pytest.mark.parametrize("optimizer", [SGD, wrapped])
@pytest.mark.parametrize("case", CASES)
def test_norms_are_those_that_the_optimizer_uses_and_training_is_the_same(tmp_path, monkeypatch, case, optimizer):
    others, of_model = CASES[case]
    bare, model = net(**of_model), net(**of_model)
    fit(bare, optimizer, tmp_path, [make() for make in others])
    with handed(monkeypatch) as of_torch:
        callbacks = [GradientFlow(tmp_path / "run", weights=True), *(make() for make in others)]
        found, of_fastai = fit(model, optimizer, tmp_path, callbacks, monkeypatch)
    steps = of_fastai if optimizer is SGD else of_torch
    recording = load(tmp_path / "run")
    assert len(steps) == (3 if "accumulated" in case or case == "all" else 6)
    assert worst_error(recording, model, steps) < TOLERANCE
    assert same(bare, model)
    assert is_bare(model)
    assert "step" not in vars(found.opt)
    assert recording.steps["loss"].notna().all()
    assert (recording.parameters["lr"] == 0.05).all()
    assert (recording.layers.loc[recording.layers["grad_norm"] > 0, "update_norm"] > 0).all()
    if case in ("clipped", "all"):
        assert (recording.steps["unclipped_grad_norm"] > 0.0501).all()
        assert recording.steps["total_grad_norm"].to_numpy() == pytest.approx(0.05, rel=1e-3)


def test_updates_are_those_that_fastais_optimizer_makes(tmp_path):
    model = net()
    before = model.first.weight.detach().clone()
    found = learner(model, SGD, tmp_path)
    found.fit(1, lr=0.05, cbs=[GradientFlow(tmp_path / "run", schedule=lambda step: step == 0)])
    row = load(tmp_path / "run").parameters.query("layer == 'first' and parameter == 'weight'").iloc[0]
    assert row["update_norm"] == pytest.approx(0.05 * row["grad_norm"], rel=1e-5)
    assert not torch.equal(before, model.first.weight)


def test_rates_are_those_of_each_step(tmp_path):
    class Doubles(Callback):
        def before_step(self):
            self.learn.opt.set_hypers(lr=0.01 * 2**self.learn.iter)

    learner(net(), SGD, tmp_path).fit(1, lr=0.05, cbs=[Doubles(), GradientFlow(tmp_path / "run")])
    rates = load(tmp_path / "run").parameters.groupby("step")["lr"].unique()
    assert [rate.tolist() for rate in rates] == [[pytest.approx(0.01 * 2**step)] for step in range(6)]


def test_mixed_precision_keeps_losses_with_their_steps(tmp_path, monkeypatch):
    """On a CPU fastai's autocast and scaler do nothing; its callback comes before ours all the same."""
    bare, model = net(), net()
    fit(bare, wrapped, tmp_path, [MixedPrecision()])
    with handed(monkeypatch) as steps:
        fit(model, wrapped, tmp_path, [MixedPrecision(), GradientFlow(tmp_path / "run")])
    recording = load(tmp_path / "run")
    assert worst_error(recording, model, steps) < TOLERANCE
    assert recording.steps["loss"].notna().all()
    assert same(bare, model)


@pytest.mark.parametrize("optimizer", [SGD, wrapped])
def test_an_error_leaves_no_hook_and_a_second_fit_goes_on(tmp_path, optimizer):
    model = net()
    found = learner(model, optimizer, tmp_path)
    flow = GradientFlow(tmp_path / "run")
    found.add_cb(flow)
    calls = []

    def fails(*args):
        calls.append(args)
        if len(calls) == 3:
            raise RuntimeError("boom")
        return nn.functional.cross_entropy(*args)

    found.loss_func = fails
    with pytest.raises(RuntimeError, match="boom"):
        found.fit(1)
    assert is_bare(model)
    assert "step" not in vars(found.opt)
    assert "_do_epoch" not in vars(found)
    assert len(load(tmp_path / "run").steps) == 2
    found.loss_func = nn.functional.cross_entropy
    found.fit(1)
    assert load(tmp_path / "run").steps["step"].tolist() == [*range(8)]


def test_another_process_goes_on_with_the_state(tmp_path):
    flow = GradientFlow(tmp_path / "run")
    fit(net(), SGD, tmp_path, [flow])
    again = GradientFlow(tmp_path / "run")
    again.load_state_dict(flow.state_dict())
    fit(net(), SGD, tmp_path, [again])
    assert len(load(tmp_path / "run").steps) == 12
