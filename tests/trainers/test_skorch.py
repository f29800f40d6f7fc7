"""skorch: closures, clipping, accumulation, bf16, errors, partial_fit, clones."""

import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import GradientNormClipping
from steps import BATCH, TOLERANCE, Net, data, handed, is_bare, load, same, worst_error
from torch import nn

import gradflow
from gradflow.integrations.skorch import GradientFlow


class Accumulating(NeuralNetClassifier):
    """As skorch's documentation does it."""

    def get_loss(self, *args, **kwargs):
        return super().get_loss(*args, **kwargs) / 2

    def train_step(self, batch, **fit_params):
        self.n_seen = getattr(self, "n_seen", 0) + 1
        step = self.train_step_single(batch, **fit_params)
        if self.n_seen % 2 == 0:
            self.notify("on_grad_computed", named_parameters=list(self.module_.named_parameters()), training=True)
            self.optimizer_.step()
            self.optimizer_.zero_grad()
        return step


CASES = {
    "plain": (NeuralNetClassifier, False, {}),
    "accumulated": (Accumulating, False, {}),
    "clipped": (NeuralNetClassifier, True, {}),
    "bf16": (NeuralNetClassifier, False, {"is_bf16": True}),
    "checkpointed": (NeuralNetClassifier, False, {"is_checkpointed": True}),
    "all": (Accumulating, True, {"is_bf16": True, "is_checkpointed": True}),
}


def make(kind=NeuralNetClassifier, callbacks=(), max_epochs=1, optimizer=torch.optim.AdamW, verbose=0, **of_model):
    torch.manual_seed(0)
    options = {f"module__{name}": value for name, value in of_model.items()}
    return kind(
        Net, criterion=nn.CrossEntropyLoss, optimizer=optimizer, lr=1e-2, batch_size=BATCH, max_epochs=max_epochs,
        train_split=None, callbacks=[*callbacks], verbose=verbose, **options,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_norms_are_those_that_the_optimizer_uses_and_training_is_the_same(tmp_path, monkeypatch, case):
    kind, is_clipped, of_model = CASES[case]
    clip = lambda: [GradientNormClipping(0.05)] if is_clipped else []  # noqa: E731
    bare = make(kind, clip(), **of_model).fit(*data())
    flow = GradientFlow(tmp_path / "run")
    with handed(monkeypatch) as steps:
        found = make(kind, [flow, *clip()], **of_model).fit(*data())
    recording, model = load(tmp_path / "run"), found.module_
    assert len(steps) == (3 if kind is Accumulating else 6)
    assert worst_error(recording, model, steps) < TOLERANCE
    assert same(bare.module_, model)
    assert is_bare(model)
    assert "fit_loop" not in vars(found)
    assert recording.steps["loss"].notna().all()
    if is_clipped:
        assert (recording.steps["unclipped_grad_norm"] > 0.0501).all()
        assert recording.steps["total_grad_norm"].to_numpy() == pytest.approx(0.05, rel=1e-3)
    assert found.history[-1, "total_grad_norm"] == pytest.approx(recording.steps["total_grad_norm"].iloc[-1])


def test_an_optimizer_that_changes_gradients_while_it_steps(tmp_path, monkeypatch):
    options = {"optimizer": torch.optim.SGD}
    nesterov = {"optimizer__momentum": 0.9, "optimizer__nesterov": True, "optimizer__foreach": True}
    found = make(callbacks=[GradientFlow(tmp_path / "run")], **options).set_params(**nesterov)
    with handed(monkeypatch) as steps:
        found.fit(*data())
    assert worst_error(load(tmp_path / "run"), found.module_, steps) < TOLERANCE


def test_an_error_leaves_no_hook_and_partial_fit_goes_on(tmp_path):
    class Fails(NeuralNet):
        n = 0

        def get_loss(self, *args, **kwargs):
            self.n += 1
            if self.n == 3:
                raise RuntimeError("boom")
            return super().get_loss(*args, **kwargs)

    found = make(Fails, [GradientFlow(tmp_path / "run")])
    with pytest.raises(RuntimeError, match="boom"):
        found.fit(*data())
    assert is_bare(found.module_)
    assert "fit_loop" not in vars(found)
    assert len(load(tmp_path / "run").steps) == 2
    found.partial_fit(*data())
    assert load(tmp_path / "run").steps["step"].tolist() == [*range(8)]
    with pytest.raises(gradflow.recording.GradflowError, match="has recorded another model"):
        found.fit(*data())  # with a new module


def test_another_process_goes_on_with_the_state_and_clones_keep_options(tmp_path):
    flow = GradientFlow(tmp_path / "run", schedule=2)
    make(callbacks=[flow]).fit(*data())
    again = GradientFlow(tmp_path / "run", schedule=2)
    again.load_state_dict(flow.state_dict())
    make(callbacks=[again]).fit(*data())
    assert len(load(tmp_path / "run").steps) == 12
    assert sorted(load(tmp_path / "run").layers["step"].unique()) == [0, 2, 4, 6, 8, 10]
    assert clone(flow).get_params() == {"path": tmp_path / "run", "schedule": 2}
