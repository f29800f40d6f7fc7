"""Where the first NaN or infinity of a run comes from: the forward pass, the weights, the loss or the backward pass."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from gradflow.analysis.nonfinite import arrived_nonfinite, nonfinite_outputs, nonfinite_rows
from gradflow.analysis.output_gradients import nodes_of, users_of
from gradflow.recording import Recording

Kind = Literal[
    "forward", "weights", "loss", "from_loss", "with_loss", "backward", "parameter", "gradient", "other_pass"
]


class Origin(NamedTuple):
    """Where a run's first value that is not finite comes from.

    Attributes
    ----------
    kind : str
        "forward": `layer` made it in the forward pass, the first to run whose output holds one. "weights": the weights
        of `layer` held one already. "loss": every output is finite, the loss is not. "from_loss": the gradient that
        the loss sends to `layer` holds one, which is the first that it reaches. "with_loss": the same, where the loss
        is not finite either and outputs were not looked at. "backward": the backward pass of `layer`, whose output's
        gradient is finite, made the one at the output of `source`. "parameter": the gradients of outputs are finite,
        that of `layer`'s `source`, a parameter or "", is not. "gradient": which layer made it is not known; `layer` is
        the first that the backward pass reaches. "other_pass": only in a pass that the optimizer's gradient is no part
        of, at `layer`.
    step : int
        The first recorded step that has one.
    after : int
        The last recorded step before, -1 none.
    is_first : bool
        Whether no recorded layer comes before `layer` in the forward pass.
    n_steps : int
        Recorded steps with one.
    has_passed : bool
        Whether the last recorded step has none.
    """

    kind: Kind
    step: int
    after: int
    layer: str = ""
    source: str = ""
    is_first: bool = False
    n_steps: int = 1
    has_passed: bool = False


def nonfinite_origin(recording: Recording) -> Origin | None:
    """Return where the first NaN or infinity comes from; None if no gradient and no output holds one.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": list("abc"), "order": range(3), "n_nonfinite": [3, 0, 0],
    ...                        "out_grad_norm": [np.nan, 1.0, 1.0]})
    >>> nonfinite_origin(Recording(layers=layers))[:5]
    ('backward', 0, -1, 'b', 'a')
    """
    layers = recording.layers
    forward = nonfinite_outputs(layers)
    broken = nonfinite_rows(layers) | forward
    if not broken.any():
        return None
    steps = sorted(set(layers.loc[broken, "step"]))
    step = int(steps[0])
    recorded = layers["step"]
    found = _at(recording, step, layers[forward & (recorded == step)])
    earlier = recorded[recorded < step]
    return found._replace(
        after=int(earlier.max()) if len(earlier) else -1,
        n_steps=len(steps),
        has_passed=bool(recorded.max() > steps[-1]),
    )


def _at(recording: Recording, step: int, forward: pd.DataFrame) -> Origin:
    """Return the origin at a step, given the rows of outputs that hold a value that is not finite."""
    layers = recording.layers
    rows = layers[(layers["step"] == step) & layers["in_grad"]].sort_values(["order", "call"], kind="stable")
    if forward.empty and not nonfinite_rows(rows).any():
        others = layers[(layers["step"] == step) & nonfinite_rows(layers)].sort_values("order", kind="stable")
        return Origin("other_pass", step, -1, str(others.iloc[-1]["layer"]))
    weights = _broken_weights(recording, step)
    if len(forward):
        row = forward.sort_values(["order", "call"], kind="stable").iloc[0]
        layer = str(row["layer"])
        is_first = int(row["order"]) <= int(rows.loc[rows["order"] >= 0, "order"].min())
        return Origin("weights" if layer in weights else "forward", step, -1, layer, is_first=is_first)
    has_statistics = bool(rows["act_rms"].notna().any())
    if weights and not has_statistics:
        return Origin("weights", step, -1, next(layer for layer in rows["layer"] if layer in weights))
    return _backward(recording, step, rows, outputs_are_finite=has_statistics)


def _backward(recording: Recording, step: int, rows: pd.DataFrame, *, outputs_are_finite: bool) -> Origin:
    """Return the origin among gradients."""
    if not len(recording.graph):
        rows = rows.assign(call=0)  # without a graph a layer's calls are one
    is_broken = arrived_nonfinite(rows, "out_grad_norm")
    broken = set(nodes_of(rows[is_broken]))
    measured = list(dict.fromkeys(nodes_of(rows[is_broken | rows["out_grad_norm"].notna()])))
    if not broken:
        own = rows[arrived_nonfinite(rows, "grad_norm") | (rows["n_nonfinite"] > 0)]
        layer = str(own.iloc[-1]["layer"])
        if not measured:
            return Origin("gradient", step, -1, layer)
        return Origin("parameter", step, -1, layer, _parameter(recording, step, layer))
    users = users_of(recording, measured)
    for node in reversed(measured):  # as the backward pass reaches them
        if node in broken and node in users:
            if not users[node]:
                return _from_loss(recording, step, node[0], outputs_are_finite=outputs_are_finite)
            if broken.isdisjoint(users[node]):
                return Origin("backward", step, -1, users[node][-1][0], node[0])
    return Origin("gradient", step, -1, next(node[0] for node in reversed(measured) if node in broken))


def _from_loss(recording: Recording, step: int, layer: str, *, outputs_are_finite: bool) -> Origin:
    """Return the origin where the gradient is not finite at the first output that it reaches."""
    losses = recording.steps.loc[recording.steps["step"] == step, "loss"]
    is_passed_in = bool(recording.steps["loss"].notna().any())
    is_finite = bool(np.isfinite(losses).all() and len(losses))
    if outputs_are_finite and is_passed_in and len(losses) and not is_finite:
        return Origin("loss", step, -1, layer)
    return Origin("from_loss" if is_finite or outputs_are_finite else "with_loss", step, -1, layer)


def _broken_weights(recording: Recording, step: int) -> set[str]:
    """Return the layers whose weights are known and not finite; a NaN counts where they were finite at another step."""
    found: set[str] = set()
    for table in (recording.layers, recording.parameters):
        norms = table["weight_norm"]
        known = set(table.loc[np.isfinite(norms), "layer"])
        now = table["step"] == step
        gone = norms.isna() & table["layer"].isin(known) & (table["n_params"] > 0 if "n_params" in table else True)
        if "call" in table:  # weights are described on their layer's first row alone
            gone &= ~table.duplicated(["step", "layer"])
        found |= set(table.loc[now & (np.isinf(norms) | gone), "layer"])
    return found


def _parameter(recording: Recording, step: int, layer: str) -> str:
    """Return the name of the layer's first parameter whose gradient is not finite, or "" where that is not recorded."""
    rows = recording.parameters
    own = rows[(rows["step"] == step) & (rows["layer"] == layer) & (rows["status"] == "measured")]
    broken = own[~np.isfinite(own["grad_norm"])]
    return str(broken.iloc[0]["parameter"]) if len(broken) else ""
