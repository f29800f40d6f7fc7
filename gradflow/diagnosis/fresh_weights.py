"""Whether training began with fresh weights, or went on with trained ones."""

from __future__ import annotations

import math
from typing import NamedTuple

from gradflow.analysis.numbered_rows import between
from gradflow.analysis.remembered import remembered
from gradflow.recording import Recording

# Of PyTorch's own uniform initialisation, times fan-in, and the relative variance of a sample's mean square. Training
# moves these by several percents, sampling by less.
VARIANCE, SPREAD = 1 / 3, 0.8
UNIT = 1e-3
STANDARD_ERRORS = 3.0
MATCHED = 0.8  # of the matrices


@remembered
def is_fresh(recording: Recording) -> bool:
    """Whether the weights at the first recorded step are an initialisation's.

    Biases that are exactly zero, scales of norms that are exactly one, or else matrices and biases whose variance is
    that of PyTorch's own initialisation say so. Without recorded weights nothing does.

    Examples
    --------
    >>> import pandas as pd
    >>> parameters = pd.DataFrame(
    ...     {"step": 0, "layer": ["a", "a"], "parameter": ["weight", "bias"], "dim": [2, 1], "n_entries": [64, 8],
    ...      "weight_norm": [3.1, 0.0]}
    ... )
    >>> is_fresh(Recording(parameters=parameters))
    True
    """
    rows = [row for row in _first_rows(recording) if not math.isnan(row.weight_norm)]
    vectors = [row for row in rows if row.dim == 1]
    if any(row.weight_norm == 0 for row in vectors if "bias" in row.parameter):
        return True
    scales = [row for row in vectors if row.parameter == "weight"]
    if scales and max(abs(row.weight_norm**2 - row.n_entries) for row in scales) < UNIT:
        return True
    biases = {(row.layer, row.parameter, row.part): row for row in vectors}
    matches = [
        _is_drawn(row, biases[key])
        for row in rows
        if row.dim >= 2 and (key := (row.layer, row.parameter.replace("weight", "bias"), row.part)) in biases
    ]
    return bool(matches) and sum(matches) >= MATCHED * len(matches)


class _Row(NamedTuple):
    layer: str
    parameter: str
    part: str
    n_entries: int
    dim: int
    weight_norm: float


def _first_rows(recording: Recording) -> list[_Row]:
    """Return the rows of parameters at step 0."""
    rows = between(recording.parameters, 0, 0)
    return list(map(_Row._make, zip(*(rows[name].tolist() for name in _Row._fields), strict=True)))


def _is_drawn(weight: _Row, bias: _Row) -> bool:
    """Whether a matrix and its bias have the variances of PyTorch's own initialisation: a third of 1 / fan-in.

    A recurrent layer draws all of its weights by its number of units.
    """
    is_recurrent = weight.parameter.startswith(("weight_ih_l", "weight_hh_l"))
    fan_in = bias.n_entries if is_recurrent else weight.n_entries / bias.n_entries
    of_weight = weight.weight_norm**2 * fan_in / weight.n_entries
    of_bias = bias.weight_norm**2 * fan_in / bias.n_entries
    return all(
        abs(found / VARIANCE - 1) < STANDARD_ERRORS * math.sqrt(SPREAD / n)
        for found, n in ((of_weight, weight.n_entries), (of_bias, bias.n_entries))
    )
