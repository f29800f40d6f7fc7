"""Analysis: what one batch's gradient did in a model, as tables to read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from gradflow.analysis.contribution import counterfactual, removed
from gradflow.analysis.layer_ranking import ranking
from gradflow.analysis.profile import profile
from gradflow.analysis.vanishing_degree import degree
from gradflow.diagnosis import Findings, diagnose
from gradflow.probe.loss import AnalysisError
from gradflow.probe.text_tables import text_tables
from gradflow.recording import PLAIN_TWIN, Recording
from gradflow.storage import save
from gradflow.tables import Table
from gradflow.tables.html import for_notebook
from gradflow.tables.lines import as_text


@dataclass(frozen=True, eq=False, repr=False)
class Analysis:
    """What `analyze_gradients` measured; `print` shows it as tables, a notebook as HTML.

    Parameters
    ----------
    recording : Recording
        One step: `layers` with statistics and weights, `skips`, `probes`, and `meta`. A saved analysis is
        `Analysis(gradflow.load(path))`.

    Examples
    --------
    >>> depth = range(1, 5)
    >>> layers = pd.DataFrame({"step": 0, "layer": list("abcd"), "out_grad_norm": [1.0, 2.0, 4.0, 8.0], "stage": 0})
    >>> layers = layers.assign(weighted=True, order=depth, layer_depth=depth)
    >>> Analysis(Recording(layers=layers)).layers[["layer_depth", "out_grad_norm"]].tail(1)
       layer_depth  out_grad_norm
    3            4            8.0
    """

    recording: Recording

    @cached_property
    def layers(self) -> pd.DataFrame:
        """The weighted layers on the main path, in order of depth: see `gradflow.analysis.profile`."""
        return profile(self.recording, steps="recorded")

    @cached_property
    def ranking(self) -> pd.DataFrame:
        """The layers with parameters, the most unusual gradient first: see `gradflow.analysis.ranking`."""
        return ranking(self.recording)

    @cached_property
    def degree(self) -> pd.DataFrame:
        """How far the gradient vanishes or explodes: one row per measure and stage, as of `gradflow.analysis.degree`.

        Where residual connections were measured there are also the measures "without skips" and "without branches",
        the activation gradient with their share removed from the backward pass.
        """
        frames = [degree(self.recording, asked=(0,))]
        for variant in self.counterfactuals["variant"].unique()[1:]:
            found = degree(removed(self.recording, variant), measures=("out_grad_norm",), asked=(0,))
            frames.append(found.assign(measure=variant))
        found = pd.concat(frames, ignore_index=True)
        return found[["measure", *(name for name in found.columns if name != "measure")]]

    @cached_property
    def counterfactuals(self) -> pd.DataFrame:
        """The activation gradient with and without the skips: see `gradflow.analysis.counterfactual`."""
        return counterfactual(self.recording)

    @property
    def skips(self) -> pd.DataFrame:
        """The residual connections: one row per join, columns as in `gradflow.recording.SKIP_COLUMNS`."""
        return self.recording.skips

    @cached_property
    def findings(self) -> Findings:
        """What `gradflow.diagnose` finds, without the rules that nothing was measured for."""
        found = diagnose(self.recording)
        return Findings((one for one in found if one.severity != "unmeasured"), found.checks)

    @cached_property
    def tables(self) -> list[Table]:
        """What is printed."""
        return text_tables(self.recording, self.layers, self.ranking, self.degree, self.findings)

    def with_meta(self, meta: Mapping[str, Any]) -> Analysis:
        """Return the same analysis with more, or other, metadata."""
        return Analysis(self.recording.having(meta={**self.recording.meta, **meta}))

    def beside(self, twin: Analysis) -> Analysis:
        """Return the same analysis with the gradient of a plain twin beside it, as one more of `counterfactuals`.

        Raises AnalysisError where the twin has not the weighted layers of this network on its main path.
        """
        own, other = set(self.layers["layer"]), set(twin.layers["layer"])
        if own != other:
            odd = sorted(own ^ other)
            raise AnalysisError(
                f"twin must have the model's weighted layers, by name, on its main path; {odd[0]!r} is in one alone "
                f"({len(odd)} in all)."
            )
        rows = twin.layers.assign(probe=PLAIN_TWIN, x=twin.layers["layer_depth"].astype("float64"))
        rows = rows.rename(columns={"out_grad_norm": "value"})[["probe", "layer", "x", "value"]]
        probes = pd.concat([self.recording.probes, rows], ignore_index=True)
        meta = {**self.recording.meta, "twin": twin.recording.name}
        return Analysis(self.recording.having(probes=probes, meta=meta))

    def worst(self, n: int = 5) -> pd.DataFrame:
        """Return the first n rows of `ranking`."""
        return self.ranking.head(n)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the recording to a new or empty folder, which `gradflow.load` reads, and return the folder."""
        return save(self.recording, path)

    def __repr__(self) -> str:
        """Return all tables as text, 80 columns wide."""
        return as_text(self.tables)

    def _repr_html_(self) -> str:
        """Return all tables as HTML, for notebooks."""
        return for_notebook(self.tables)
