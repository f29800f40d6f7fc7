"""Accelerate: `record` before and after `prepare`, with accumulation, clipping and bf16."""

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from steps import BATCH, TOLERANCE, data, handed, net, same, worst_error
from torch import nn

import gradflow

CASES = {
    "plain": {},
    "accumulated": {"accumulate": 2},
    "clipped": {"clip": 0.05},
    "bf16": {"precision": "bf16"},
    "checkpointed": {"is_checkpointed": True},
    "all": {"accumulate": 2, "clip": 0.05, "precision": "bf16", "is_checkpointed": True},
}


def train(where, accumulate=1, clip=None, precision="no", is_checkpointed=False):
    AcceleratorState._reset_state(True)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate, mixed_precision=precision)
    inner = net(is_checkpointed=is_checkpointed)
    model, optimizer = inner, torch.optim.AdamW(inner.parameters(), 1e-2)
    recorder = gradflow.record(model, optimizer=optimizer) if where == "before" else None
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data()), batch_size=BATCH)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    recorder = gradflow.record(model, optimizer=optimizer) if where == "after" else recorder
    seen = []
    for x, y in loader:
        with accelerator.accumulate(model):
            loss = nn.functional.cross_entropy(model(x), y)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                seen.append(loss.item())
                if recorder is not None:
                    recorder.step(loss=loss)
                if clip is not None:
                    accelerator.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            optimizer.zero_grad()
    if recorder is None:
        return inner, None, seen
    recorder.close()
    return inner, recorder.recording, seen


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("case", CASES)
def test_norms_are_those_that_the_optimizer_uses_and_training_is_the_same(monkeypatch, where, case):
    options = CASES[case]
    bare, _, losses = train("nowhere", **options)
    with handed(monkeypatch) as steps:
        model, recording, seen = train(where, **options)
    assert len(steps) == 6 // options.get("accumulate", 1)
    assert worst_error(recording, model, steps) < TOLERANCE
    assert same(bare, model)
    assert losses == seen
    assert recording.steps["loss"].tolist() == pytest.approx(seen)
    if "clip" in options:
        assert (recording.steps["unclipped_grad_norm"] > 0.0501).all()
        assert recording.steps["total_grad_norm"].to_numpy() == pytest.approx(0.05, rel=1e-3)
