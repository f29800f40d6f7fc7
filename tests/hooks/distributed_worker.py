"""One process of a distributed test: trains as told, prints what its recorder measured as JSON."""

import json
import os
import sys

import torch
from torch import distributed, nn

import gradflow
from gradflow.hooks import stream

RANK, WORLD = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
STEPS, BATCH = 3, 8


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 7), nn.ReLU(), nn.Linear(7, 3))


def wrap(mode):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    model = net()
    if mode == "ddp":
        return nn.parallel.DistributedDataParallel(model)
    if mode == "fsdp1":
        from torch.distributed.fsdp import FullyShardedDataParallel

        return FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device("cpu"))
    mesh = init_device_mesh("cpu", (WORLD,))
    if mode.startswith("fsdp"):
        for layer in model:
            if isinstance(layer, nn.Linear):
                fully_shard(layer, mesh=mesh)
        return fully_shard(model, mesh=mesh)
    return parallelize_module(model, mesh, {"0": ColwiseParallel(), "2": RowwiseParallel()})


def main(mode, out):
    distributed.init_process_group("gloo", init_method=f"file://{out}.store", rank=RANK, world_size=WORLD)
    model = wrap(mode)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = (lambda step: step != RANK) if mode.endswith("disagree") else 1
    accumulate = 2 if mode.endswith("accumulate") else 1
    stream.FIRST_SECONDS = stream.FLUSH_SECONDS = 1e9  # rows are read where they wait
    recorder = gradflow.record(
        model,
        optimizer=optimizer,
        weights=True,
        schedule=schedule,
        distributions=not mode.endswith("disagree"),
        path=f"{out}.run",
    )
    norms = []
    for step in range(STEPS):
        x = torch.randn(accumulate, BATCH, 6, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        for micro in range(accumulate):
            mine = x[micro] if mode == "tp" else x[micro].chunk(WORLD)[RANK]
            model(mine).square().mean().backward()
        optimizer.step()
        recorder._buffer.flush()
        norms.append(
            recorder._buffer.tables()["layers"].query(f"step == {step} and grad_norm == grad_norm").set_index("layer")
        )
    columns = ["grad_norm", "weight_norm", "update_norm"]
    found = [{layer: [row[c] for c in columns] for layer, row in table.iterrows() if row.n_params} for table in norms]
    recorder.close()
    print(json.dumps({"rank": RANK, "norms": found, "meta": recorder.meta.get("outputs")}))  # noqa: T201  (the parent reads it)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
