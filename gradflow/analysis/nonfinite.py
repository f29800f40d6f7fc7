"""Where NaN and inf come from: the first layer and step at which one appears, forward and backward."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.remembered import remembered
from gradflow.analysis.runs import as_list, identities
from gradflow.recording import Recording

ARRIVED = ("measured", "measured at its base", "output is the input")  # statuses of outputs whose gradient was read
# Statuses of layers whose parameters may have a gradient although none was read at the output.
_WITHOUT_OUTPUT = ("parameters only", "compiled", "scripted", "lost", "failed", "several passes", "double backward")

# What is looked at, in which column, and from which end of the execution order the value travels.
DIRECTIONS = (("forward", "act_rms", True), ("backward", "out_grad_norm", False), ("parameters", "grad_norm", False))


def arrived_nonfinite(frame: pd.DataFrame, measure: str) -> pd.Series[bool]:
    """Return which rows hold a gradient that arrived and is not finite; NaN also stands for "not measured".

    The rows are those of `Recording.layers` or of `profile`: the measure, n_nonfinite, status, and layer or
    layer_depth. Of a measure other than out_grad_norm, grad_norm and grad_times_weight only infinite values count.

    Notes
    -----
    inf is a value. A NaN is one where the entries were counted and some are not finite. On an accelerator they are not
    counted (-1): there an output's NaN is one if its status says that the gradient was read. A NaN of parameters, which
    may be frozen, is one if they have a finite gradient in another row, their output's gradient is not finite either,
    or the status says that they have one.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": ["a", "b"], "out_grad_norm": np.nan, "n_nonfinite": -1,
    ...                        "status": ["measured", "no gradient"]})
    >>> arrived_nonfinite(layers, "out_grad_norm").tolist()
    [True, False]
    """
    values = frame[measure]
    broken = pd.Series(np.isinf(values.to_numpy(dtype=np.float64)), index=frame.index)
    is_nan = values.isna() & (frame["n_nonfinite"] != 0)
    if measure not in ("out_grad_norm", "grad_norm", "grad_times_weight") or not is_nan.any():
        return broken
    if measure == "grad_times_weight":
        return broken | (is_nan & frame["weight_norm"].notna() & arrived_nonfinite(frame, "grad_norm"))
    if measure == "out_grad_norm":
        is_counted = (frame["n_nonfinite"] > 0) & frame["status"].isin(["several passes", "double backward"])
        return broken | (is_nan & (frame["status"].isin(ARRIVED) | is_counted))
    return broken | (is_nan & _has_gradient(frame))


def nonfinite_rows(layers: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of `Recording.layers` hold a gradient, of the output or of parameters, that is not finite."""
    broken = arrived_nonfinite(layers, "out_grad_norm") | arrived_nonfinite(layers, "grad_norm")
    return broken | (layers["n_nonfinite"] > 0)


def _has_gradient(frame: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows with a NaN for their parameters' gradient are of parameters that have one."""
    name = "layer" if "layer" in frame.columns else "layer_depth"
    keys = [key for key in ("run", name) if key in frame.columns]
    is_known = frame["grad_norm"].notna().groupby([frame[key] for key in keys]).transform("any")
    is_counted = (frame["n_nonfinite"] > 0) & ~frame["status"].isin(["frozen"])
    found = is_counted | (frame["status"] == "parameters only")
    found |= is_known & frame["status"].isin([*ARRIVED, *_WITHOUT_OUTPUT])
    if "out_grad_norm" in frame.columns:
        found |= arrived_nonfinite(frame, "out_grad_norm")
    if "n_params" in frame.columns:
        found &= frame["n_params"] > 0
    if "call" in frame.columns:  # parameters are described on their layer's first row alone
        found &= ~frame.duplicated([*keys, "step"])
    return found


def first_nonfinite(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the first layer and step with a NaN or inf, per run and direction.

    Outputs are looked at where they were recorded (`gradflow.record(statistics=True)`).

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


@remembered
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
    bad = recording.layers.loc[nonfinite_rows(recording.layers), "step"]
    is_certain = np.isinf(after) | np.isin(step[n_before:], bad)
    if recording.meta.get("status") == "diverged" or (n_before > 1 and len(finite) == n_before):
        is_certain[:] = True
    return (int(step[n_before + is_certain.argmax()]), float(after[-1])) if is_certain.any() else None


def _first(layers: pd.DataFrame, column: str, *, is_forward: bool) -> dict[str, object] | None:
    broken = layers[nonfinite_outputs(layers) if column == "act_rms" else arrived_nonfinite(layers, column)]
    if not len(broken):
        return None
    now = broken[broken.step == broken.step.min()].sort_values(["order", "call"], ascending=is_forward)
    row = now.iloc[0]
    named = {name: row[name] for name in ("step", "layer", "kind", "order", "call")}
    return named | {"value": float(row[column])}


def nonfinite_outputs(layers: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows of `Recording.layers` are of an output that holds a NaN or an infinity.

    A NaN mean square says so of a layer that has statistics in another row; and where others have them at that step, of
    an output with a gradient, since outputs of integers have none.
    """
    values = layers["act_rms"]
    is_infinite = pd.Series(np.isinf(values.to_numpy(dtype=np.float64)), index=layers.index)
    is_nan = values.isna() & layers["act_mean"].isna()
    if not is_nan.any():
        return is_infinite
    is_described = layers["layer"].isin(layers.loc[values.notna(), "layer"].unique())
    is_described |= layers["status"].isin([*ARRIVED, "several passes"]) & _has_statistics(layers)
    return is_infinite | (is_nan & is_described & ~layers["status"].isin(["not called", "no tensor"]))


def _has_statistics(layers: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows are of steps at which statistics of any output were taken."""
    columns = ["act_rms", "act_mean", "act_zero_fraction", "act_saturation"]
    return layers["step"].isin(layers.loc[layers[columns].notna().any(axis=1), "step"])
