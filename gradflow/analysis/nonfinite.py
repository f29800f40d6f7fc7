"""Where NaN and inf come from: the first layer and step at which one appears, forward and backward."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.runs import as_list, identities
from gradflow.recording import Recording

# What is looked at, in which column, and from which end of the execution order the value travels.
DIRECTIONS = (("forward", "act_rms", True), ("backward", "out_grad_norm", False), ("parameters", "grad_norm", False))


def first_nonfinite(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the first layer and step with a NaN or inf, per run and direction.

    Parameters
    ----------
    recordings : Recording or iterable of Recording
        Not changed. Outputs are looked at where they were recorded (`gradflow.record(statistics=True)`).

    Returns
    -------
    DataFrame
        One row per run and direction that has one: run, direction, step, layer, kind, order, call, value.
        "forward": the first to run of the layers whose output holds one; "backward": of the layers whose output's
        gradient holds one the last to run, since a gradient reaches it first; "parameters": the same of
        parameter gradients. A run without any has no row.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 3, "layer": ["a", "b", "c"], "order": [0, 1, 2],
    ...                        "out_grad_norm": [np.inf, np.inf, 1.0], "n_nonfinite": [5, 2, 0]})
    >>> first_nonfinite(Recording(layers=layers))[["direction", "step", "layer"]].values.tolist()
    [['backward', 3, 'b']]
    """
    found = as_list(recordings)
    rows = [
        {"run": run, "direction": direction, **first}
        for recording, run in zip(found, identities(found).run, strict=True)
        for direction, column, is_forward in DIRECTIONS
        if (first := _first(recording.layers, column, is_forward=is_forward)) is not None
    ]
    return pd.DataFrame(rows, columns=["run", "direction", "step", "layer", "kind", "order", "call", "value"])


def loss_lost(recording: Recording) -> tuple[int, float] | None:
    """Return the step since which no loss has been finite and the last loss, NaN or inf; None where one still is.

    A NaN loss also stands for a loss that was not passed in. It counts where every step before it had one, where the
    step has a gradient that is not finite, or where the run itself says that it diverged.

    Examples
    --------
    >>> loss_lost(Recording(steps=pd.DataFrame({"step": [0, 1, 2, 3], "loss": [2.3, 2.2, np.inf, np.nan]})))
    (2, nan)
    """
    loss, step = recording.steps["loss"].to_numpy(), recording.steps["step"].to_numpy()
    finite = np.flatnonzero(np.isfinite(loss))
    n_before = int(finite[-1]) + 1 if len(finite) else 0
    after = loss[n_before:]
    if not len(after):
        return None
    bad = recording.layers.loc[recording.layers["n_nonfinite"] > 0, "step"]
    is_certain = np.isinf(after) | np.isin(step[n_before:], bad)
    if recording.meta.get("status") == "diverged" or (n_before > 1 and len(finite) == n_before):
        is_certain[:] = True
    return (int(step[n_before + is_certain.argmax()]), float(after[-1])) if is_certain.any() else None


def _first(layers: pd.DataFrame, column: str, *, is_forward: bool) -> dict[str, object] | None:
    values = layers[column]
    # NaN alone may mean "not measured"; a gradient that arrived as NaN has non-finite entries.
    has_nan = values.isna() & (layers.n_nonfinite != 0) & (layers.status == "measured")
    if column == "grad_norm":
        has_nan &= layers.n_params > 0
    if column == "act_rms":
        has_nan = values.isna() & layers.act_mean.isna() & _has_statistics(layers)
    broken = layers[np.isinf(values) | has_nan]
    if not len(broken):
        return None
    now = broken[broken.step == broken.step.min()].sort_values(["order", "call"], ascending=is_forward)
    row = now.iloc[0]
    named = {name: row[name] for name in ("step", "layer", "kind", "order", "call")}
    return named | {"value": float(row[column])}


def _has_statistics(layers: pd.DataFrame) -> pd.Series[bool]:
    """Whether a row's layer has statistics in some other row: NaN there then means a NaN."""
    known = set(layers.layer[layers.act_rms.notna()])
    return layers.layer.isin(known)
