"""True norms of tensors that are spread over processes (FSDP2, tensor parallelism).

A shard's own norm is too small by about the square root of the number of shards. The squares of all shards are added
up in one collective per device mesh, which every process must therefore call at the same step.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from gradflow.hooks.norms import Scalar, count_nonfinite, is_small, l2_norm, l2_norms, small_norms

Key = TypeVar("Key")
T = TypeVar("T")

COMPARED_STEPS = 1000  # of the schedules, when a recorder is attached
MEETING_SECONDS = 300  # from the first process that makes a recorder to the last


def rank() -> int:
    """Return this process's rank, 0 if there are no others."""
    return distributed.get_rank() if is_distributed() else 0


def is_distributed() -> bool:
    """Whether this process trains together with others."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def is_sharded(tensor: Tensor) -> bool:
    """Whether a tensor is a DTensor, of which this process may hold a part only."""
    if type(tensor) is Tensor or type(tensor) is nn.Parameter:
        return False
    tensors = sys.modules.get("torch.distributed.tensor")
    return tensors is not None and isinstance(tensor, tensors.DTensor)


def check_can_be_read(model: nn.Module) -> None:
    """Raise ValueError for a model in FSDP1's wrapper, whose parameters are slices of a flat one, without a shape."""
    wrappers = sys.modules.get("torch.distributed.fsdp")
    if wrappers is None or not hasattr(wrappers, "FullyShardedDataParallel"):
        return
    if any(isinstance(module, wrappers.FullyShardedDataParallel) for module in model.modules()):
        raise ValueError(
            "FullyShardedDataParallel (FSDP1) leaves each process slices of a flat parameter, from which no layer's "
            "norm can be read. Shard the model with torch.distributed.fsdp.fully_shard (FSDP2) instead."
        )


def norms_of(tensors: list[Tensor]) -> tuple[list[Scalar], dict[int, int]]:
    """Return each tensor's norm, of the whole where it is spread over processes, and its non-finite entries.

    The latter by place, where there are any; -1 where they were not counted.
    """
    if all(map(is_small, tensors)):  # so none is sharded
        norms = small_norms(tensors)
        if math.isfinite(sum(norms)):
            return norms, {}
    else:
        spread = {place: tensor for place, tensor in enumerate(tensors) if is_sharded(tensor)}
        if spread:
            return _norms_of_mixed(tensors, spread)
        norms = l2_norms(tensors)
    odd = [place for place, norm in enumerate(norms) if isinstance(norm, Tensor) or not math.isfinite(norm)]
    return norms, {place: count_nonfinite(tensors[place], norms[place]) for place in odd}


def _norms_of_mixed(tensors: list[Tensor], spread: Mapping[int, Tensor]) -> tuple[list[Scalar], dict[int, int]]:
    """As `norms_of`, where some tensors are DTensors."""
    places = [place for place in range(len(tensors)) if place not in spread]
    norms, counts = norms_of([tensors[place] for place in places])
    found = dict(zip(places, norms, strict=True))
    n_nonfinite = {places[number]: count for number, count in counts.items()}
    for place, (norm, count) in global_norms(spread).items():
        found[place] = norm
        if count:
            n_nonfinite[place] = count
    return [found[place] for place in range(len(tensors))], n_nonfinite


def global_norms(tensors: Mapping[Key, Any]) -> dict[Key, tuple[Scalar, int]]:
    """Return the norm of each whole DTensor and its number of non-finite entries (-1 not counted).

    Parameters
    ----------
    tensors : mapping
        The same keys in the same order on every process.
    """
    groups: dict[tuple[Any, tuple[int, ...]], list[Key]] = {}
    local: dict[Key, tuple[Scalar, int]] = {}
    for key, tensor in tensors.items():
        part, shards = part_of(tensor)
        norm = l2_norm(part)
        local[key] = (norm, count_nonfinite(part, norm))
        groups.setdefault((tensor.device_mesh, shards), []).append(key)
    norms: dict[Key, tuple[Scalar, int]] = {}
    for (mesh, shards), keys in groups.items():
        norms |= _summed([local[key] for key in keys], keys, mesh, shards)
    return norms


def part_of(tensor: Any) -> tuple[Tensor, tuple[int, ...]]:
    """Return the part of a DTensor that this process holds, and the dimensions of its mesh that share the rest."""
    tensor = tensor.detach()
    if any(placement.is_partial() for placement in tensor.placements):
        replicated = [_whole(placement) for placement in tensor.placements]
        tensor = tensor.redistribute(placements=replicated)
    return tensor.to_local(), tuple(dim for dim, placement in enumerate(tensor.placements) if placement.is_shard())


def summed_over(counts: Tensor, tensor: Any, shards: tuple[int, ...]) -> Tensor:
    """Return counts of the parts of a DTensor as those of the whole: one collective per mesh dimension."""
    for dim in shards:
        distributed.all_reduce(counts, group=tensor.device_mesh.get_group(dim))
    return counts


def _whole(placement: Any) -> Any:
    from torch.distributed.tensor import Replicate

    return Replicate() if placement.is_partial() else placement


def _summed(parts: list[tuple[Scalar, int]], keys: list[Key], mesh: Any, shards: tuple[int, ...]) -> dict[Key, Any]:
    """Add up squares and counts over the processes that hold the shards: one collective per mesh dimension."""
    device = mesh.device_type
    squares = [torch.as_tensor(norm, dtype=torch.float64, device=device) ** 2 for norm, _ in parts]
    counts = torch.tensor([count for _, count in parts], dtype=torch.float64, device=device)
    both = torch.stack([torch.stack(squares), counts])
    for dim in shards:
        distributed.all_reduce(both, group=mesh.get_group(dim))
    if both.device.type == "cpu":
        found = [(square**0.5, int(max(count, -1))) for square, count in zip(*both.tolist(), strict=True)]
        return dict(zip(keys, found, strict=True))
    return {key: (norm, -1) for key, norm in zip(keys, both[0].sqrt().unbind(), strict=True)}


def from_first(value: T | None) -> T:
    """Return the value of the first process, which every process must ask for at the same step."""
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]  # type: ignore[return-value]  # the first one's, which is a value


def check_all_record() -> None:
    """Raise ValueError on the processes that are here unless every process is, after a while.

    They meet at the store by which the process group was made: a collective would never return.
    """
    store = distributed.distributed_c10d._get_default_store()
    number = store.add(f"gradflow recorders of {rank()}", 1)
    store.set(f"gradflow recorder {number} of {rank()}", "made")
    everyone = [f"gradflow recorder {number} of {one}" for one in range(distributed.get_world_size())]
    try:
        store.wait(everyone, timedelta(seconds=MEETING_SECONDS))
    except RuntimeError as error:
        raise ValueError(
            f'on_finding="stop" stops all {len(everyone)} processes at one step, so each must make a recorder with it; '
            f"not all did within {MEETING_SECONDS} s."
        ) from error


def check_processes(
    schedule: Callable[[int], bool],
    distributions: Callable[[int], bool] | None,
    overhead: float | None,
    trainable: Iterable[Tensor],
    *,
    are_stopped: bool,
) -> None:
    """Raise ValueError unless all processes record the same steps, where norms or a finding that stops all need it."""
    reasons = {
        "norms of sharded tensors are summed over them": any(map(is_sharded, trainable)),
        'on_finding="stop" stops all at one step': are_stopped,
    }
    why = next((reason for reason, is_so in reasons.items() if is_so), None)
    if why is None:
        return
    if overhead is not None:
        raise ValueError(
            f"overhead leaves out steps by the clock of each process, and all must record the same, since {why}; give "
            "schedule instead."
        )
    if are_stopped:
        check_all_record()
    counted = distributions or (lambda step: False)
    check_schedules([(bool(schedule(step)), bool(counted(step))) for step in range(COMPARED_STEPS)], why)


def check_schedules(due: list[tuple[bool, bool]], why: str) -> None:
    """Raise ValueError on every process unless all would record the same steps."""
    gathered: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(gathered, due)
    different = [number for number, other in enumerate(gathered) if other != gathered[0]]
    if different:
        step = next(
            i for i, pair in enumerate(zip(gathered[0], gathered[different[0]], strict=True)) if len(set(pair)) > 1
        )
        raise ValueError(
            f"schedule and distributions must be the same on every rank, since {why}; ranks 0 and {different[0]} "
            f"differ at step {step}."
        )
