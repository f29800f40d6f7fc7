"""Sinks: told of each row once, on time, and never in the way of training."""

import warnings

import pytest
import torch
from torch import nn

import gradflow
from gradflow.hooks import sinks as module
from gradflow.hooks.failures import GradflowWarning


class Kept:
    def __init__(self):
        self.flushed, self.n_closed = [], 0

    def write(self, flushed):
        self.flushed.append(flushed)

    def close(self):
        self.n_closed += 1


class Broken(Kept):
    def write(self, flushed):
        raise OSError("no network\nand more")

    def close(self):
        raise OSError("no network")


def train(sinks, n_steps=5, path=None, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = gradflow.record(model, optimizer=optimizer, sinks=sinks, path=path, weights=True, **options)
    for _ in range(n_steps):
        optimizer.zero_grad()
        loss = model(torch.randn(4, 6)).square().sum()
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss)
    recorder.close()
    return recorder, [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("seconds", [0.0, 1000.0])
def test_every_row_arrives_once_and_is_kept_all_the_same(tmp_path, monkeypatch, is_streamed, seconds):
    monkeypatch.setattr(module, "MIN_SECONDS", seconds)
    monkeypatch.setattr(module, "MAX_SHARE", 1e9)
    sink = Kept()
    recorder, _ = train([sink], path=tmp_path / "run" if is_streamed else None)
    # The first step is told at once; a step is over when the next one ends, since its loss may come after it.
    assert [flushed.step for flushed in sink.flushed] == ([0, 1, 2, 3, 4] if not seconds else [0, 4])
    recording = recorder.recording
    for table in ("steps", "layers"):
        told = [getattr(flushed, table) for flushed in sink.flushed]
        assert sum(map(len, told)) == len(getattr(recording, table))
    assert [loss for flushed in sink.flushed for loss in flushed.steps["loss"]] == recording.steps["loss"].tolist()
    assert sink.n_closed == 1
    recorder.close()
    assert sink.n_closed == 1


def test_sinks_take_a_small_share_of_the_time(monkeypatch):
    monkeypatch.setattr(module, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(module, "MAX_SHARE", 1e-9)
    sink = Kept()
    train([sink])
    assert [flushed.step for flushed in sink.flushed] == [0, 4]


def test_training_is_the_same_to_the_bit(monkeypatch):
    monkeypatch.setattr(module, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(module, "MAX_SHARE", 1e9)
    _, bare = train([])
    sink = Kept()
    _, told = train([sink])
    for a, b in zip(bare, told, strict=True):
        assert torch.equal(a, b)
    assert sink.flushed[0].scalars


def test_sinks_are_told_how_many_findings_there_are_where_they_are_looked_for():
    found, sink = [], Kept()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3))
    model[1].register_forward_hook(lambda module, args, output: output.detach())  # the loss no longer reaches it
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer, sinks=[sink], on_finding=found.append) as recorder:
        for _ in range(30):
            optimizer.zero_grad()
            model(torch.randn(4, 6)).square().sum().backward()
            optimizer.step()
        recorder.flush()
    assert found
    assert sink.flushed[0].scalars["findings"] == 0
    assert sink.flushed[-1].scalars["findings"] == len(found)
    bare = Kept()
    train([bare])
    assert "findings" not in bare.flushed[-1].scalars


@pytest.mark.parametrize("strict", [False, True])
def test_a_sink_that_fails_is_named_once_and_the_others_go_on(monkeypatch, strict):
    monkeypatch.setattr(module, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(module, "MAX_SHARE", 1e9)
    sink = Kept()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        recorder, _ = train([Broken(), sink], strict=strict)
    said = [str(one.message) for one in seen if one.category is GradflowWarning]
    assert said == ["Broken failed (OSError: no network); training goes on."]
    assert len(recorder.recording.steps) == 5
    assert sum(len(flushed.steps) for flushed in sink.flushed) == 5
