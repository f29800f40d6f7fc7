"""Where the gradient stops on its way from the loss to the input: exactly zero behind a place, or nearly so."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradflow.analysis.output_gradients import Node, Outputs

# What passes below this is no attenuation: float32 leaves about 1e-7 of a sum that cancels (a norm under a plain sum),
# and a saturated tanh or softmax passes on less and less. Layers of sound networks pass on more than a thousandth.
NEARLY_NOTHING = 1e-5


class Stop(NamedTuple):
    """A place where the gradient stops: it is zero at the output of `layer`.

    `user` is a layer that uses the output and has a gradient; "" where the loss itself sends none. `here` and `there`
    are the norms at the outputs of both, at the last of the steps looked at; NaN where there is no user. `cuts_off`
    says whether every output that ran before has none either.
    """

    layer: str
    user: str
    here: float
    there: float
    cuts_off: bool


def zero_stops(found: Outputs, steps: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[Stop]:
    """Return where the gradient is exactly zero at all of the steps chosen, the stop nearest to the loss first.

    Several outputs that one layer uses are one stop.
    """
    norms = found.norms[steps]
    if not len(norms) or not (norms == 0).any():
        return []
    largest = _largest(norms)
    zero = {node for node, norm in zip(found.nodes, largest, strict=True) if norm == 0}
    alive = {node for node, norm in zip(found.nodes, largest, strict=True) if norm > 0 or np.isinf(norm)}
    first_alive = next((place for place, node in enumerate(found.nodes) if node in alive), len(found.nodes))
    last = dict(zip(found.nodes, norms[-1], strict=True))
    stops: dict[Node | None, Stop] = {}
    for place, node in reversed(list(enumerate(found.nodes))):
        if node not in zero or node not in found.users:
            continue
        users = found.users[node]
        user = next((user for user in users if user in alive), None)
        if user is None and users:
            continue  # its users have none either: the stop is behind them
        cuts_off = place < first_alive
        there = last[user] if user is not None else np.nan
        stops.setdefault(user, Stop(node[0], user[0] if user else "", 0.0, float(there), cuts_off))
    return list(stops.values())


def near_stop(found: Outputs) -> Stop | None:
    """Return where next to nothing passes, at all recorded steps and on every path to the layers before; None else."""
    norms = found.norms
    places = {node: place for place, node in enumerate(found.nodes)}
    so_far = np.fmax.accumulate(norms, axis=1)  # the largest norm up to each node, at each step
    best: Stop | None = None
    with np.errstate(all="ignore"):
        for place, node in reversed(list(enumerate(found.nodes))):
            users = [places[user] for user in found.users.get(node, ())]
            # The last step says of nearly all places that something passes, in a comparison of two numbers.
            if not users or so_far[-1, place] >= NEARLY_NOTHING * np.hypot.reduce(norms[-1, users]):
                continue
            if not np.isfinite(norms[:, [place, *users]]).all():
                continue
            here, arriving = norms[:, place], np.hypot.reduce(norms[:, users], axis=1)
            if (arriving > 0).all() and (here > 0).any() and (so_far[:, place] < NEARLY_NOTHING * arriving).all():
                user = max(users, key=lambda user: norms[-1, user])
                best = Stop(node[0], found.nodes[user][0], float(here[-1]), float(norms[-1, user]), True)
                break
    return best


def _largest(norms: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return each column's largest norm, NaN where it has none."""
    filled = np.where(np.isnan(norms), -1.0, norms).max(axis=0)
    return np.where(filled < 0, np.nan, filled)
