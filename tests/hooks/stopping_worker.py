"""One process of several that findings stop: trains in several ways, prints where each ended as JSON."""

import json
import os
import sys

import torch
from torch import distributed, nn
from torch.nn import functional

import gradflow
from gradflow.hooks import sharded

RANK, WORLD = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
HEALTHY, DIVERGES = 0.05, 1e4  # learning rates


def trained(lr, n_steps, *, is_recorded):
    """Return after how many losses training ended, by which findings, and the weights."""
    torch.manual_seed(0)
    model = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3)))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    recorder = gradflow.record(model, optimizer=optimizer, weights=True, on_finding="stop") if is_recorded else None
    keys, n_losses, generator = [], 0, torch.Generator().manual_seed(RANK)
    try:
        for _ in range(n_steps):
            x = torch.randn(16, 6, generator=generator)
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), x[:, :3].argmax(1))
            loss.backward()
            if recorder is not None:
                recorder.step(loss=loss)
            n_losses += 1
            optimizer.step()
    except gradflow.TrainingStoppedError as stopped:
        keys = [finding.key for finding in stopped.findings]
    if recorder is not None:
        recorder.close()
    weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    return {"losses": n_losses, "keys": keys, "weights": weights.numpy().tobytes().hex()}


def refused(**options):
    """Return why a recorder that is to stop training is refused."""
    try:
        gradflow.record(nn.Linear(2, 1), on_finding="stop", **options)
    except ValueError as error:
        return str(error)
    return ""


def main(out):
    distributed.init_process_group("gloo", init_method=f"file://{out}.store", rank=RANK, world_size=WORLD)
    found = {
        "stopped": trained(DIVERGES, 35, is_recorded=True),
        "diverges": trained(DIVERGES, 11, is_recorded=False),
        "healthy": trained(HEALTHY, 35, is_recorded=True),
        "bare": trained(HEALTHY, 35, is_recorded=False),
        "disagree": refused(schedule=RANK + 1),
        "overhead": refused(overhead=0.1),
    }
    sharded.MEETING_SECONDS = 1
    found["alone"] = refused() if RANK == 0 else ""
    print(json.dumps(found))  # noqa: T201  (the parent reads it)
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1])
