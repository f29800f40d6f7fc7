"""Ignite: supervised trainers with accumulation, clipping of one's own, bf16, errors and checkpoints."""

import pytest
import torch
from ignite.engine import Engine, Events, create_supervised_trainer
from ignite.handlers import Checkpoint, DiskSaver
from steps import BATCH, TOLERANCE, data, handed, is_bare, load, net, same, worst_error
from torch import nn

from gradflow.integrations.ignite import GradientFlow

CASES = {
    "plain": ({}, {}),
    "accumulated": ({"gradient_accumulation_steps": 2}, {}),
    "bf16": ({}, {"is_bf16": True}),
    "checkpointed": ({}, {"is_checkpointed": True}),
    "all": ({"gradient_accumulation_steps": 2}, {"is_bf16": True, "is_checkpointed": True}),
}


def loader():
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data()), batch_size=BATCH)


def supervised(model, **options):
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    return create_supervised_trainer(model, optimizer, nn.functional.cross_entropy, **options), optimizer


@pytest.mark.parametrize("case", CASES)
def test_norms_are_those_that_the_optimizer_uses_and_training_is_the_same(tmp_path, monkeypatch, case):
    options, of_model = CASES[case]
    bare, model = net(**of_model), net(**of_model)
    supervised(bare, **options)[0].run(loader(), max_epochs=1)
    trainer, optimizer = supervised(model, **options)
    outputs = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: outputs.append(engine.state.output))
    GradientFlow(tmp_path / "run").attach(trainer, model, optimizer)
    with handed(monkeypatch) as steps:
        trainer.run(loader(), max_epochs=1)
    recording, n = load(tmp_path / "run"), options.get("gradient_accumulation_steps", 1)
    assert worst_error(recording, model, steps) < TOLERANCE
    assert same(bare, model)
    assert is_bare(model)
    assert recording.steps["loss"].tolist() == pytest.approx([sum(outputs[i : i + n]) / n for i in range(0, 6, n)])
    assert trainer.state.metrics["gradflow/total_grad_norm"] > 0


def test_clipping_of_ones_own(tmp_path, monkeypatch):
    def make(model):
        optimizer = torch.optim.SGD(model.parameters(), 0.1)

        def process(engine, batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.05)
            optimizer.step()
            return {"loss": loss.item()}

        return Engine(process), optimizer

    bare, model = net(), net()
    make(bare)[0].run(loader())
    engine, optimizer = make(model)
    GradientFlow(tmp_path / "run").attach(engine, model, optimizer, loss=lambda output: output["loss"])
    with handed(monkeypatch) as steps:
        engine.run(loader())
    recording = load(tmp_path / "run")
    assert worst_error(recording, model, steps) < TOLERANCE
    assert recording.steps["total_grad_norm"].to_numpy() == pytest.approx(0.05, rel=1e-3)
    assert recording.steps["loss"].notna().all()
    assert same(bare, model)


@pytest.mark.parametrize("is_handled", [False, True])
def test_an_error_leaves_no_hook_and_ends_as_without_us(tmp_path, is_handled):
    model = net()
    trainer, optimizer = supervised(model)
    GradientFlow(tmp_path / "run").attach(trainer, model, optimizer)
    seen = []
    if is_handled:
        trainer.add_event_handler(Events.EXCEPTION_RAISED, lambda engine, error: seen.append(str(error)))

    @trainer.on(Events.ITERATION_COMPLETED(once=2))
    def fail():
        raise RuntimeError("boom")

    if is_handled:
        trainer.run(loader())
        assert seen == ["boom"]
    else:
        with pytest.raises(RuntimeError, match="boom"):
            trainer.run(loader())
    assert is_bare(model)
    assert len(load(tmp_path / "run").steps) == 2


def test_a_resumed_training_goes_on_with_the_recording_of_its_checkpoint(tmp_path):
    def make(model, folder):
        trainer, optimizer = supervised(model)
        return trainer, {
            "model": model,
            "optimizer": optimizer,
            "trainer": trainer,
            "gradflow": GradientFlow(tmp_path / folder).attach(trainer, model, optimizer),
        }

    whole = net()
    make(whole, "whole")[0].run(loader(), max_epochs=3)
    trainer, parts = make(net(), "run")
    saved = Checkpoint(parts, DiskSaver(tmp_path / "saved", require_empty=False), n_saved=None)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, saved)
    trainer.run(loader(), max_epochs=2)
    again = net()
    trainer, parts = make(again, "run")
    first = min((tmp_path / "saved").iterdir(), key=lambda path: int(path.stem.rpartition("_")[2]))
    Checkpoint.load_objects(parts, torch.load(first))
    trainer.run(loader(), max_epochs=3)
    assert same(whole, again)
    assert load(tmp_path / "run").layers.equals(load(tmp_path / "whole").layers)
