"""What a network computes, read from a recording's meta, which may come from a stranger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from gradflow.analysis.remembered import remembered
from gradflow.diagnosis.beginning import as_number
from gradflow.diagnosis.places import place
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

MAP, NORM, BATCH_NORM, ACTIVATION, ADDITION, MAX_POOL, POOL = (
    "map", "norm", "batch norm", "activation", "addition", "max pool", "pool",
)  # fmt: skip
NORMS = (NORM, BATCH_NORM)
NO_NUMBER = -1


class Operation(NamedTuple):
    """One operation of the forward pass; sizes are 0 and variances NaN where it is no map with a weight of its own.

    `place` is the line that calls it, as values of a finding; empty where it is not known.
    """

    number: int
    kind: str
    name: str
    module: str
    type: str
    reads: tuple[int, ...]
    shape: tuple[int, ...]
    place: Mapping[str, Value]
    inputs: int
    outputs: int
    groups: int
    fan_in: int
    bias: bool
    weight_variance: float
    bias_variance: float


class Join(NamedTuple):
    """A residual join: the operations that are its fork, its addition, and the ends of its skip and its branches."""

    name: str
    kind: str
    fork: int
    adds: int
    skip: int
    branches: tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """The operations of a forward pass, each before those that read it, and its residual joins."""

    operations: tuple[Operation, ...]
    joins: tuple[Join, ...]

    @cached_property
    def readers(self) -> list[list[Operation]]:
        """By number, the operations that read an operation."""
        found: list[list[Operation]] = [[] for _ in self.operations]
        for one in self.operations:
            for number in dict.fromkeys(one.reads):
                found[number].append(one)
        return found

    def of(self, kind: str) -> Iterator[Operation]:
        """Yield the operations of a kind."""
        return (one for one in self.operations if one.kind == kind)

    def source(self, operation: Operation) -> Operation | None:
        """Return what an operation reads, None where that is not one operation."""
        return self.operations[operation.reads[0]] if len(operation.reads) == 1 else None

    def between(self, end: int, fork: int) -> set[int]:
        """Return the operations that the data pass from a fork to an end, the end included."""
        reached: dict[int, bool] = {fork: True}
        for number in range(fork + 1, end + 1):
            reached[number] = any(reached.get(one, False) for one in self.operations[number].reads)
        found, stack = set(), [end]
        while stack:
            number = stack.pop()
            if number not in found and number > fork and reached.get(number, False):
                found.add(number)
                stack += self.operations[number].reads
        return found


@remembered
def structure(recording: Recording) -> Structure | None:
    """Return what was recorded of a network's operations; None if nothing was, or it does not hold together."""
    meta = recording.meta.get("structure")
    if not isinstance(meta, Mapping):
        return None
    rows = _rows(meta.get("operations"))
    operations = tuple(_operation(number, row) for number, row in enumerate(rows))
    joins = tuple(_join(row, len(operations)) for row in _rows(meta.get("joins")))
    return Structure(operations, tuple(join for join in joins if join is not None)) if operations else None


def _operation(number: int, row: Mapping[str, Any]) -> Operation:
    kind, name, module, made = (_word(row.get(key)) for key in ("kind", "name", "module", "type"))
    inputs, outputs, groups, fan_in = (_count(row.get(key)) for key in ("inputs", "outputs", "groups", "fan_in"))
    return Operation(
        number=number,
        kind=kind,
        name=name,
        module=module,
        type=made,
        reads=tuple(one for one in _whole(row.get("reads")) if 0 <= one < number),
        shape=tuple(_whole(row.get("shape"))),
        place=place(row),
        inputs=inputs,
        outputs=outputs,
        groups=groups,
        fan_in=fan_in,
        bias=row.get("bias") is True,
        weight_variance=as_number(row.get("weight_variance")),
        bias_variance=as_number(row.get("bias_variance")),
    )


def _join(row: Mapping[str, Any], n_operations: int) -> Join | None:
    fork, adds, skip = (_index(row.get(name), n_operations) for name in ("fork", "adds", "skip"))
    branches = tuple(one for one in _whole(row.get("branches")) if 0 <= one < n_operations)
    if NO_NUMBER in (fork, adds, skip) or not branches or not fork <= skip < adds or max(branches) >= adds:
        return None
    return Join(_word(row.get("name")), _word(row.get("kind")), fork, adds, skip, branches)


def _rows(found: object) -> list[Mapping[str, Any]]:
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _whole(found: object) -> Sequence[int]:
    return [one for one in found if type(one) is int] if isinstance(found, list) else []


def _index(value: object, below: int) -> int:
    return value if type(value) is int and 0 <= value < below else NO_NUMBER


def _count(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
