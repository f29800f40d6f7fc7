"""How many seeds a figure's means stand on, and whether their intervals are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from gradflow.figures.looks import Look, Network, looks
from gradflow.text import text

MAX_BANDS = 8  # more interval bands than this in one panel hide each other


def seeds_text(n: Iterable[int]) -> str:
    """Return how many seeds a mean stands on, and whether it has an interval.

    Examples
    --------
    >>> seeds_text([3, 3]), seeds_text([1]), seeds_text([1, 3])
    ('95 % interval, n = 3 seeds', '1 seed, no interval', '95 % interval, n = 1 to 3 seeds')
    """
    counts = sorted({int(count) for count in n if count > 0}) or [0]
    if counts[-1] <= 1:
        return text("figure.seeds.no_interval", n=counts[-1])
    return text("figure.seeds.interval", n=span(counts))


def mean_text(n: pd.Series[int]) -> str:
    """Return that means are drawn, and of how many seeds."""
    return text("figure.mean", seeds=seeds_text(n)) if int(n.max()) > 1 else seeds_text(n)


def draws_bands(networks: Mapping[Network, Look] | pd.DataFrame) -> bool:
    """Whether so few networks share the axes that interval bands can be told apart."""
    found = looks(networks) if isinstance(networks, pd.DataFrame) else networks
    return len(found) <= MAX_BANDS


def bands_text(frame: pd.DataFrame) -> str:
    """Return `seeds_text` for a figure with bands, or that its intervals are left out."""
    if draws_bands(frame) or frame.n.max() <= 1:
        return seeds_text(frame.n)
    return text("figure.seeds.undrawn", n=span(count for count in frame.n if count > 0))


def span(counts: Iterable[int]) -> str:
    """Return how many there are, from the fewest to the most; one number where all agree."""
    found = sorted({int(count) for count in counts})
    return str(found[0]) if len(found) == 1 else text("list.range", low=found[0], high=found[-1])
