"""Batch norm in the wrong place: behind the activation, twice in a row, or missing on a projection shortcut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from gradflow.diagnosis.each_run import Found, over_runs
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.recorded_structure import (
    ACTIVATION,
    BATCH_NORM,
    MAP,
    NORMS,
    Join,
    Operation,
    Structure,
    structure,
)
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "layers"
PROJECTION = "projection"


def find(cases: list[Case]) -> list[Finding]:
    """Return notices for each case with such norms, and with layers whose bias a batch norm takes away.

    None keeps a network from training: networks that train have each of them.
    """
    return [
        one for look in (_behind, _twice, _missing, _biased) for one in over_runs(cases, partial(_seen, look), FIGURE)
    ]


def _seen(look: Callable[[Structure], Found | None], recording: Recording) -> Found | None:
    found = structure(recording)
    return None if found is None else look(found)


def _behind(found: Structure) -> Found | None:
    """Find norms behind the activation of a layer that has none before it.

    Not those of blocks that begin with norm and activation: these read a sum, a pooling, or are followed by the
    activation.
    """
    norms = [one for one in found.of(BATCH_NORM) if _is_behind(one, found)]
    of = sum(1 for _ in found.of(BATCH_NORM))
    return _notice("norm_after_activation", norms, {"n": len(norms), "of": of, **_line(norms)})


def _is_behind(norm: Operation, found: Structure) -> bool:
    activation = found.source(norm)
    if activation is None or activation.kind != ACTIVATION or len(found.readers[activation.number]) != 1:
        return False
    layer = found.source(activation)
    follows = any(reader.kind == ACTIVATION for reader in found.readers[norm.number])
    return layer is not None and layer.kind == MAP and not follows


def _twice(found: Structure) -> Found | None:
    norms = [
        one
        for one in found.of(BATCH_NORM)
        if (before := found.source(one)) is not None
        and before.kind == BATCH_NORM
        and len(found.readers[before.number]) == 1
    ]
    values: dict[str, Value] = {"n": len(norms), **_line(norms)}
    if norms:
        values["before"] = found.operations[norms[0].reads[0]].module
    return _notice("norm_twice", norms, values)


def _missing(found: Structure) -> Found | None:
    """Find projections without a norm beside branches that end with one."""
    joins = [one for one in found.joins if one.kind == PROJECTION and _maps(one, found)]
    bare = [one for one in joins if not _has_norm(one, found) and _ends_normed(one, found)]
    maps = [_maps(one, found)[-1] for one in bare]
    return _notice("projection_without_norm", maps, {"n": len(bare), "of": len(joins)})


def _maps(join: Join, found: Structure) -> list[Operation]:
    on_skip = sorted(found.between(join.skip, join.fork))
    return [found.operations[number] for number in on_skip if found.operations[number].kind == MAP]


def _has_norm(join: Join, found: Structure) -> bool:
    return any(found.operations[number].kind in NORMS for number in found.between(join.skip, join.fork))


def _ends_normed(join: Join, found: Structure) -> bool:
    """Whether each branch ends with a layer and its batch norm."""
    for number in join.branches:
        end = found.operations[number]
        layer = found.source(end)
        if end.kind != BATCH_NORM or layer is None or layer.kind != MAP:
            return False
    return True


def _biased(found: Structure) -> Found | None:
    layers = [one for one in found.of(MAP) if one.bias and _goes_into_batch_norms(one, found)]
    entries = sum({one.module: one.outputs for one in layers}.values())
    return _notice("bias_before_norm", layers, {"n": len(layers), "entries": entries})


def _goes_into_batch_norms(layer: Operation, found: Structure) -> bool:
    readers = found.readers[layer.number]
    return bool(readers) and all(one.kind == BATCH_NORM and "Instance" not in one.type for one in readers)


def _line(operations: Sequence[Operation]) -> Mapping[str, Value]:
    """Return the line that calls the first operation; where another layer is wanted it is the one that makes it."""
    return operations[0].place if operations else {}


def _notice(key: str, operations: Sequence[Operation], values: Mapping[str, Value]) -> Found | None:
    if not operations:
        return None
    return Found(key, "notice", {**values, "layer": operations[0].module}, f"cause.{key}")
