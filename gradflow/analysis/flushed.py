"""Flushed: the rows that a recorder has just moved to the host, in a dozen numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradflow.analysis.profile import one_row_per_layer
from gradflow.recording import LAYER_COLUMNS, Recording


@dataclass(frozen=True, eq=False)
class Flushed:
    """Rows of a recording that came since the last flush; only the last recorded step of them is looked at closely.

    `part` names which of several networks the rows are of; it is empty where there is one. `n_findings` is how many
    problems and notices were found so far, None where nobody looks.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 3, "layer": ["a", "b"], "out_grad_norm": [0.01, 1.0], "weighted": True,
    ...                        "order": [0, 1], "layer_depth": [1, 2]})
    >>> flushed = Flushed(pd.DataFrame({"step": [3], "total_grad_norm": [0.5]}), layers, {})
    >>> flushed.step, flushed.scalars["first_to_last_decades"], flushed.scalars["total_grad_norm"]
    (3, -2.0, 0.5)
    """

    steps: pd.DataFrame
    layers: pd.DataFrame
    meta: Mapping[str, Any]
    part: str = ""
    n_findings: int | None = None

    @cached_property
    def step(self) -> int:
        """The last recorded step, or the last of all where none was recorded."""
        last = self.layers if len(self.layers) else self.steps
        return int(last["step"].iloc[-1])

    @cached_property
    def _now(self) -> pd.DataFrame:
        """The rows of the last recorded step."""
        rows = self.layers[self.layers["step"] == self.step] if len(self.layers) else self.layers
        is_whole = LAYER_COLUMNS.keys() <= set(rows.columns)  # as a recorder's are; the gate takes ten milliseconds
        return rows if is_whole else Recording(layers=rows).layers

    @cached_property
    def profile(self) -> pd.DataFrame:
        """One row per layer at the last recorded step, in order of depth: the columns of `analysis.profile`."""
        return one_row_per_layer(self._now)

    @property
    def measure(self) -> str:
        """Which gradient is compared from layer to layer: at the outputs or, if not recorded, the weights'."""
        return "out_grad_norm" if self.profile["out_grad_norm"].notna().any() else "grad_norm"

    @cached_property
    def scalars(self) -> dict[str, float]:
        """The numbers of a flush, by name; those that were not measured are left out.

        Of the last recorded step: total_grad_norm, unclipped_grad_norm, first_to_last_decades (log10 of the first
        weighted layer's gradient over the last one's), worst_factor (the largest change of the gradient from a weighted
        layer to the one before it, in either direction), largest_grad_norm and smallest_grad_norm (of the layers' own
        parameters), update_ratio and largest_update_ratio (median and largest of the update's norm over the weight's),
        zero_layers and missing_layers (how many layers have a gradient of exactly zero, or none). Of all steps since
        the last flush: nonfinite_layers and skipped_steps. Of all steps so far, where they are looked for: findings.
        """
        findings = {} if self.n_findings is None else {"findings": float(self.n_findings)}
        numbers = {**self._of_steps(), **self._of_depth(), **self._of_parameters(), **findings}
        return {name: float(value) for name, value in numbers.items() if not math.isnan(value)}

    def _of_steps(self) -> dict[str, float]:
        now = self.steps[self.steps["step"] == self.step]
        numbers = {
            name: float(now[name].iloc[-1])
            for name in ("total_grad_norm", "unclipped_grad_norm")
            if name in now.columns and len(now)
        }
        return numbers | ({"skipped_steps": float(self.steps["skipped"].sum())} if "skipped" in self.steps else {})

    def _of_depth(self) -> dict[str, float]:
        table = self.profile
        path = table[table["weighted"] & (table["layer_depth"] >= 0)].drop_duplicates("layer_depth")
        norms = path[self.measure].to_numpy(dtype=np.float64)
        norms = norms[~np.isnan(norms)]
        if len(norms) < 2:
            return {}
        with np.errstate(divide="ignore", invalid="ignore"):
            decades = float(np.log10(norms[0]) - np.log10(norms[-1]))
            factors = norms[:-1] / norms[1:]
            sizes = np.abs(np.log10(factors))
        worst = factors[np.nanargmax(sizes)] if not np.isnan(sizes).all() else math.nan
        return {"first_to_last_decades": decades, "worst_factor": float(worst)}

    def _of_parameters(self) -> dict[str, float]:
        table, rows = self.profile, self.layers
        if not len(rows):
            return {}
        nonfinite = rows.loc[rows["n_nonfinite"] > 0, "layer"] if "n_nonfinite" in rows else rows["layer"].head(0)
        norms = table["grad_norm"].to_numpy(dtype=np.float64)
        measured = norms[~np.isnan(norms)]
        numbers = {
            "zero_layers": float((measured == 0).sum()),
            "missing_layers": float((table["status"] == "no gradient").sum()),
            "nonfinite_layers": float(nonfinite.nunique()),
        }
        if len(measured):
            numbers |= {"smallest_grad_norm": measured.min(), "largest_grad_norm": measured.max()}
        ratios = self._update_ratios()
        return numbers | (
            {"update_ratio": float(np.median(ratios)), "largest_update_ratio": ratios.max()} if len(ratios) else {}
        )

    def _update_ratios(self) -> NDArray[np.float64]:
        """Return the update's norm over the weight's, of each layer at the last recorded step where both are known."""
        updates, weights = (self._now[name].to_numpy(dtype=np.float64) for name in ("update_norm", "weight_norm"))
        known = ~np.isnan(updates) & (weights > 0)
        ratios: NDArray[np.float64] = updates[known] / weights[known]
        return ratios
