"""Which networks and kinds rules may be tuned on: fixed by a hash of their names before the first rule was written.

Half of the networks of each sort and a third of the kinds are held out. Rules and thresholds are chosen on the rest
alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from .faults import FAULTS
from .networks import NETWORKS
from .odd import ODD

SALT = "gradflow diagnosis"


def _first(names: Iterable[str], share: float) -> frozenset[str]:
    """Return the share of the names that come first by their hash."""
    ordered = sorted(names, key=lambda name: sha256(f"{SALT}: {name}".encode()).hexdigest())
    return frozenset(ordered[: round(share * len(ordered))])


SORTS = (("mlp", "autoencoder"), ("cnn", "conv autoencoder"), ("transformer", "rnn", "gru", "lstm"))  # families
TUNING_NETWORKS = frozenset().union(
    *(_first([name for name, design in NETWORKS.items() if design.family in sort], 1 / 2) for sort in SORTS)
)
SEEN_KINDS = _first(FAULTS, 2 / 3) | _first(ODD, 2 / 3)


def part(network: str, kind: str) -> str:
    """Return "tuning", "held-out networks" or "unseen kinds" (those in any network)."""
    if kind and kind not in SEEN_KINDS:
        return "unseen kinds"
    return "tuning" if network in TUNING_NETWORKS else "held-out networks"
