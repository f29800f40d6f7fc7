"""The calls of a layer that have rows of their own, where it has many in one step."""

from __future__ import annotations

from gradflow.hooks.capture import ARRIVED, OutputGradientHook


def bounded(outputs: list[OutputGradientHook], most: int | None) -> list[OutputGradientHook]:
    """Return outputs of which no layer has more than `most` calls, in the gradient that was used or beside it.

    The first, the last and those between at even distances are kept. The others are one output, of call -1, whose norm
    is that of all of them together.
    """
    if most is None or len(outputs) <= most:
        return outputs
    groups: dict[tuple[int, int, bool], list[OutputGradientHook]] = {}
    for output in outputs:
        groups.setdefault((output.layer.number, output.index, output.in_grad), []).append(output)
    if max(map(len, groups.values())) <= most:
        return outputs
    return [output for group in groups.values() for output in _thinned(group, most)]


def _thinned(group: list[OutputGradientHook], most: int) -> list[OutputGradientHook]:
    arrived = sorted((one for one in group if one.status in ARRIVED), key=lambda one: (one.backward, one.call))
    if len(arrived) <= most:
        return group
    last = len(arrived) - 1
    kept = {round(place * last / (most - 2)) for place in range(most - 1)}
    rest = [output for place, output in enumerate(arrived) if place not in kept]
    return [
        *(output for output in group if output.status not in ARRIVED),
        *(output for place, output in enumerate(arrived) if place in kept),
        rest[0].together(rest),
    ]
