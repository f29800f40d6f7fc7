"""Which layers and parameters are trained, and how grave it is that some of them get no gradient."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pandas as pd

from gradflow.analysis.remembered import remembered
from gradflow.diagnosis.finding import Severity
from gradflow.diagnosis.learning import HARMLESS, learning
from gradflow.recording import Recording

HALF = 0.5  # of the trained layers with weights: without so many the network is another one


def own_rows(recording: Recording, *columns: str) -> pd.DataFrame:
    """Return columns of the rows of layers with parameters, of passes that are part of the optimizer's gradient."""
    layers = recording.layers
    return layers.loc[layers["in_grad"] & ((layers["n_params"] > 0) | layers["weighted"]), list(columns)]


@remembered
def trained_layers(recording: Recording) -> list[str]:
    """Return the layers with parameters that require a gradient, in execution order; those that never ran come last."""
    rows = own_rows(recording, "layer", "order", "status")
    frozen = rows["status"] == "frozen"
    is_frozen = frozen.groupby(rows["layer"], sort=False).all()
    kept = set(is_frozen.index[~is_frozen])
    parameters = recording.parameters
    if len(parameters):
        kept &= set(parameters.loc[parameters["status"] != "frozen", "layer"].unique())
    order = rows["order"].where(rows["order"] >= 0, rows["order"].max() + 1)
    return [layer for layer in rows["layer"].iloc[order.argsort(kind="stable")].unique() if layer in kept]


def is_half(recording: Recording, layers: Collection[str]) -> bool:
    """Whether the layers are at least half of the trained ones with weights, or, where none has any, of the trained."""
    trained = trained_layers(recording)
    weighted = set(recording.layers.loc[recording.layers["weighted"], "layer"])
    counted = [layer for layer in trained if layer in weighted] or trained
    return sum(layer in layers for layer in counted) >= HALF * len(counted) > 0


def severity(recording: Recording, layers: Collection[str], *, cuts_off: bool) -> Severity:
    """Return how grave it is that layers get no gradient.

    A problem where all that run before get none either, where they are half of the network, or where it does not learn
    without them; a notice in a network that learns.
    """
    if cuts_off or is_half(recording, layers):
        return "problem"
    return "notice" if learning(recording) in HARMLESS else "problem"


def is_left_out(recording: Recording, layers: Collection[str]) -> bool:
    """Whether no optimizer holds a parameter of the layers while one holds others: then no gradient was wanted."""
    parameters = recording.parameters
    held = parameters["lr"].notna()
    return bool(held.any()) and not bool(held[parameters["layer"].isin(list(layers))].any())


def named(names: Iterable[str], most: int = 3) -> str:
    """Return up to so many names in a row, with dots where there are more."""
    found = list(names)
    return ", ".join(found[:most]) + (", …" if len(found) > most else "")
