"""Residual blocks whose addition no activation follows, although they are not built to do without one."""

from __future__ import annotations

from gradflow.diagnosis.each_run import Found, each_run
from gradflow.diagnosis.recorded_structure import (
    ACTIVATION,
    ADDITION,
    BATCH_NORM,
    MAP,
    NORMS,
    Join,
    Operation,
    Structure,
    structure,
)
from gradflow.recording import Recording

FLAT = 2  # axes of the outputs of a classifier
MIN_MAPS = 2  # in a branch with an activation inside


@each_run("layers")
def find(recording: Recording) -> Found | None:
    """Return a notice where a classifier has such blocks.

    Left in peace are blocks that begin with norm or activation (He et al. 2016), linear bottlenecks, whose branch ends
    with fewer channels than it has inside or goes through a depthwise convolution (Sandler et al. 2018), blocks without
    batch norm, blocks whose branch ends with an activation, and networks that give images.
    """
    found = structure(recording)
    if found is None or not _is_classifier(found):
        return None
    sums = [one for one in found.joins if found.operations[one.adds].kind == ADDITION]
    bare = [one for one in sums if _ends_bare(one, found)]
    if any(_is_linear_bottleneck(one, found) for one in bare):
        return None
    missing = [one for one in bare if _is_post_activation(one, found) and _is_read_bare(one, found)]
    if not missing:
        return None
    first = found.operations[missing[0].adds]
    values = {"n": len(missing), "of": len(sums), "layer": missing[0].name, **first.place}
    return Found("no_activation_after_addition", "notice", values, "cause.no_activation_after_addition")


def _is_classifier(found: Structure) -> bool:
    return len(found.operations[-1].shape) == FLAT


def _region(join: Join, found: Structure) -> list[Operation]:
    """Return the operations of the branches, in forward order."""
    numbers = set().union(*(found.between(end, join.fork) for end in join.branches))
    return [found.operations[number] for number in sorted(numbers)]


def _ends_bare(join: Join, found: Structure) -> bool:
    """Whether each branch ends with a layer, or a layer and its batch norm."""
    return all(_last_map(end, found) is not None for end in join.branches)


def _last_map(end: int, found: Structure) -> Operation | None:
    one: Operation | None = found.operations[end]
    if one is not None and one.kind == BATCH_NORM:
        one = found.source(one)
    return one if one is not None and one.kind == MAP else None


def _is_linear_bottleneck(join: Join, found: Structure) -> bool:
    lasts = [one for end in join.branches if (one := _last_map(end, found)) is not None]
    maps = [one for one in _region(join, found) if one.kind == MAP]
    narrows = any(one.inputs > one.outputs for one in lasts) and len(maps) >= MIN_MAPS
    return narrows or any(one.groups == one.inputs > 1 for one in maps)


def _is_post_activation(join: Join, found: Structure) -> bool:
    """Whether the branch is layer, activation, ..., layer, batch norm, and begins with a layer."""
    inside = _region(join, found)
    starts = [one for one in inside if join.fork in one.reads]
    return (
        all(found.operations[end].kind == BATCH_NORM for end in join.branches)
        and all(one.kind == MAP for one in starts)
        and any(one.kind == ACTIVATION for one in inside)
        and sum(one.kind == MAP for one in inside) >= MIN_MAPS
    )


def _is_read_bare(join: Join, found: Structure) -> bool:
    """Whether a layer reads the sum itself, and no norm or other operation that may stand for an activation does."""
    others = [one for one in found.readers[join.adds] if one.kind != ADDITION]
    return any(one.kind == MAP for one in others) and not any(
        one.kind in (*NORMS, "product", "other") for one in others
    )
