"""Recorded norms of distributed training equal those of one process on the same global batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from oracles import norm64
from torch import nn

import gradflow

WORKER = Path(__file__).with_name("distributed_worker.py")
STOPPING = Path(__file__).with_name("stopping_worker.py")
STEPS, BATCH = 3, 8


def launch(world, folder, *mode, worker=WORKER):
    """What every rank printed, or their errors."""
    base = {**os.environ, "WORLD_SIZE": str(world), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-W", "ignore", str(worker), *mode, str(folder / "out")]
    processes = [
        subprocess.Popen(
            command, env={**base, "RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for rank in range(world)
    ]
    results = [process.communicate() for process in processes]
    return [(process.returncode, *result) for process, result in zip(processes, results, strict=True)]


def alone(accumulate):
    """Gradient, weight and update norms of each layer, by hand, in one process on the whole batch."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 7), nn.ReLU(), nn.Linear(7, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    norms = []
    for step in range(STEPS):
        x = torch.randn(accumulate, BATCH, 6, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        for micro in x:
            model(micro).square().mean().backward()
        before = {name: [p.detach().clone() for p in layer.parameters()] for name, layer in model.named_children()}
        gradients = {
            name: norm64(*[p.grad for p in layer.parameters()])
            for name, layer in model.named_children()
            if before[name]
        }
        optimizer.step()
        norms.append(
            {
                name: [
                    gradient,
                    norm64(*before[name]),
                    norm64(*[p - q for p, q in zip(model.get_submodule(name).parameters(), before[name], strict=True)]),
                ]
                for name, gradient in gradients.items()
            }
        )
    return norms


def counted(accumulate):
    """What a recorder counts of the parameters in one process on the whole batch."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 7), nn.ReLU(), nn.Linear(7, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gradflow.record(model, optimizer=optimizer, distributions=True, activations=False) as recorder:
        for step in range(STEPS):
            x = torch.randn(accumulate, BATCH, 6, generator=torch.Generator().manual_seed(step))
            optimizer.zero_grad()
            for micro in x:
                model(micro).square().mean().backward()
            optimizer.step()
    return recorder.recording.distributions.drop(columns=["layer", "parameter"])


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "world"), [("ddp", 2), ("fsdp", 2), ("fsdp", 4), ("fsdp-accumulate", 2), ("tp", 2)])
def test_norms_are_those_of_the_global_batch_on_every_rank(mode, world, tmp_path):
    if mode.startswith("fsdp") and not hasattr(torch.cpu.Stream, "record_event"):
        pytest.skip("this PyTorch's fully_shard does not run on the CPU")
    results = launch(world, tmp_path, mode)
    assert [code for code, _, _ in results] == [0] * world, results[0][2]
    expected = alone(2 if mode.endswith("accumulate") else 1)
    for _, output, _ in results:
        found = json.loads(output.splitlines()[-1])
        assert found["meta"].startswith("rank-local")
        for step in range(STEPS):
            assert found["norms"][step].keys() == expected[step].keys()
            for layer, values in expected[step].items():
                assert found["norms"][step][layer] == pytest.approx(values, rel=1e-5), (layer, step)
    written = gradflow.load(tmp_path / "out.run")
    assert written.steps.step.tolist() == [0, 1, 2]
    of_parameters = written.distributions.query("kind != 'activation'").drop(columns=["layer", "parameter"])
    whole = counted(2 if mode.endswith("accumulate") else 1)
    assert of_parameters["count"].sum() == whole["count"].sum()
    weights, expected = (
        rows.query("kind == 'weight' and step == 0").drop(columns="kind") for rows in (of_parameters, whole)
    )
    pd.testing.assert_frame_equal(weights.reset_index(drop=True), expected.reset_index(drop=True))


@pytest.mark.slow
def test_ranks_that_disagree_on_the_schedule_are_told(tmp_path):
    results = launch(2, tmp_path, "fsdp-disagree")
    assert all(code != 0 for code, _, _ in results)
    # The one that is told first may be gone before the other has heard from it.
    told = [errors for _, _, errors in results if "distributions must be the same on every rank" in errors]
    assert told
    assert all("ranks 0 and 1 differ at step 0" in errors for errors in told)


@pytest.mark.slow
def test_slices_of_a_flat_parameter_are_refused(tmp_path):
    results = launch(2, tmp_path, "fsdp1")
    for code, _, errors in results:
        assert code != 0
        told = errors.partition("ValueError: ")[2]
        assert "FSDP1" in told
        assert "fully_shard" in told


@pytest.mark.slow
def test_findings_stop_all_processes_at_one_step_and_change_nothing_else(tmp_path):
    results = launch(2, tmp_path, worker=STOPPING)
    assert [code for code, _, _ in results] == [0, 0], results
    first, second = (json.loads(output.splitlines()[-1]) for _, output, _ in results)
    for how in ("stopped", "diverges", "healthy", "bare"):
        assert first[how] == second[how]
    assert first["stopped"]["keys"]
    assert first["stopped"]["losses"] == 11  # ten recorded steps are looked at once the step after them has ended
    assert first["stopped"]["weights"] == first["diverges"]["weights"]
    assert first["healthy"] == first["bare"]
    for refused in (first, second):
        assert 'since on_finding="stop" stops all at one step; ranks 0 and 1 differ at step 1' in refused["disagree"]
        assert refused["overhead"].startswith("overhead leaves out steps by the clock of each process")
    assert "so each must make a recorder with it; not all did within 1 s" in first["alone"]
