"""How gradient norms run through a network's depth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.analysis.runs import IDENTITY, NETWORK, as_list, check_seeds, over_seeds, stacked
from gradflow.recording import LAYER_KEYS, Recording

MOMENTS = (0, 1, 10, 100)  # updates after which a profile is looked at, besides the last recorded ones
MEASURES = ("grad_norm", "out_grad_norm", "weight_norm", "grad_times_weight")
_PLACE = ("kind", "order", "layer_depth", "stage", "weighted")
_RECORDED = [*LAYER_KEYS, *_PLACE, "grad_norm", "out_grad_norm", "in_grad", "weight_norm", "n_nonfinite", "status"]
NOT_USED = "not of the loss"
UNKNOWN = ("several passes", "double backward")  # statuses of one call or output that leave the norm of all unknown


def profile(
    recordings: Recording | Iterable[Recording],
    *,
    steps: Iterable[int] | Literal["recorded"] | None = None,
    layers: Literal["weighted", "all"] = "weighted",
) -> pd.DataFrame:
    """Return the norms of each layer at a few steps.

    Parameters
    ----------
    steps : iterable of int or "recorded", optional
        Which steps. By default those of 0, 1, 10 and 100 that were recorded, and each run's last recorded
        step; "recorded" gives them all.
    layers : "weighted" or "all"
        Weighted layers are those that papers count, on the main path: where several share a layer_depth, as a
        projection shortcut does, the one that ran first. Layers that never ran have no depth and are not
        among them.

    Returns
    -------
    DataFrame
        One row per (run, step, layer), in order of depth: run, family, depth, seed, step, layer, kind, order,
        layer_depth, stage, weighted, grad_norm, out_grad_norm, weight_norm, grad_times_weight, n_nonfinite,
        status. Of a layer with several calls or outputs, out_grad_norm is the norm of all of them as one
        vector.

    Raises
    ------
    ValueError
        A step was recorded in no run; the message names the nearest one that was.

    Notes
    -----
    grad_times_weight is |g| |w| per layer. Under batch norm a weight's gradient scales as 1/|w| (van
    Laarhoven 2017, arXiv 1706.05350), so that the product compares layers whose weights differ in scale.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": ["a", "b"], "grad_norm": [0.1, 0.4], "weighted": True,
    ...                        "order": [0, 1], "layer_depth": [1, 2]})
    >>> profile(Recording(layers=layers, meta={"run": "mine"}))[["run", "step", "layer", "grad_norm"]]
        run  step layer  grad_norm
    0  mine     0     a        0.1
    1  mine     0     b        0.4
    """
    if layers not in ("weighted", "all"):
        raise ValueError(f"layers must be 'weighted' or 'all'; got {layers!r}.")
    found = as_list(recordings)
    wanted = None if steps is None or isinstance(steps, str) else _checked_steps(found, steps)
    tables = []
    for table in (recording.layers for recording in found):
        of_run = [*MOMENTS, table["step"].max()] if steps is None else wanted
        tables.append(rows_read(table, of_run, layers))
    return weighted_layers(found, tables) if layers == "weighted" else _layers(found, tables)


def profile_over_seeds(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return one profile per network and step: geometric means over seeds of a column of `profile`.

    Parameters
    ----------
    frame : DataFrame
        From `profile`. Of several layers with one layer_depth the main path's weighted one counts.
    measure : str
        grad_norm, out_grad_norm, weight_norm or grad_times_weight.

    Returns
    -------
    DataFrame
        One row per (family, depth, step, layer_depth): mean, low, high, n (seeds with a positive finite
        value), n_zero, n_nonfinite. Bounds are Student's 95 % in log space, NaN for one seed; mean is 0 where
        all values are.
    """
    if measure not in MEASURES:
        raise ValueError(f"measure must be one of {', '.join(MEASURES)}; got {measure!r}.")
    check_seeds(frame)
    path = main_path(frame)
    # A gradient that arrived and holds NaN was measured; over_seeds takes NaN for "not measured".
    path = path.assign(**{measure: path[measure].mask(arrived_nonfinite(path, measure), np.inf)})
    return over_seeds(path, (*NETWORK, "step", "layer_depth"), measure, geometric=True)


def few_steps(steps: Sequence[int], most: int) -> list[int]:
    """Return at most so many steps: the first, the last, those of `MOMENTS`, and between them evenly in logarithm.

    Examples
    --------
    >>> few_steps(range(0, 301, 10), 6)
    [0, 10, 30, 100, 170, 300]
    """
    found = sorted({int(step) for step in steps})
    if len(found) <= most:
        return found
    kept = dict.fromkeys([found[0], found[-1], *(step for step in MOMENTS if step in found)][:most])
    logs = np.log1p(np.asarray(found, dtype=np.float64) - found[0])
    while len(kept) < most:
        distance = np.min([np.abs(logs - logs[found.index(step)]) for step in kept], axis=0)
        kept[found[int(distance.argmax())]] = None
    return sorted(kept)


def main_path(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of weighted layers on the main path: one per run, step and layer_depth.

    Of several weighted layers with one layer_depth the first to run is kept.
    """
    weighted = frame[frame["weighted"] & (frame["layer_depth"] >= 0)]
    place = [*_run(frame), "step", "layer_depth"]
    if not weighted.duplicated(place).any():
        return weighted
    ordered = weighted.sort_values("order", kind="stable")
    return ordered.drop_duplicates(place).sort_index()


def beside_main_path(recordings: Iterable[Recording]) -> int:
    """Return how many weighted layers lie beside the main path, of the recording with the most.

    They are layers of towers and experts, and projection shortcuts: `profile` leaves them out by default.

    Examples
    --------
    >>> layers = pd.DataFrame({"step": 0, "layer": ["a", "b", "c"], "weighted": True, "order": [0, 1, 2],
    ...                        "layer_depth": [1, 1, 2]})
    >>> beside_main_path([Recording(layers=layers)])
    1
    """
    found = [0]
    for recording in recordings:
        rows = recording.layers[recording.layers["weighted"] & (recording.layers["layer_depth"] >= 0)]
        rows = rows.drop_duplicates("layer")
        found.append(len(rows) - rows["layer_depth"].nunique())
    return max(found)


def first_to_last(frame: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the first weighted layer's norm over the last one's, per run and step.

    Returns
    -------
    DataFrame
        One row per (run, step): run, family, depth, seed, step, first, last, ratio. The ratio is NaN where a
        norm is missing or the last is zero.
    """
    ordered = main_path(frame).sort_values("layer_depth", kind="stable")
    keys = [*IDENTITY, "step"]
    # Positions, not GroupBy.first: that one passes over NaN to the next layer.
    ends = ordered.groupby(keys, dropna=False, sort=False)[measure].agg(
        first=lambda values: values.iloc[0], last=lambda values: values.iloc[-1]
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ends["ratio"] = (ends["first"] / ends["last"]).where(ends["last"] != 0)
    return ends.reset_index()


def _checked_steps(recordings: list[Recording], steps: Iterable[int]) -> frozenset[int]:
    wanted = frozenset(steps)
    recorded = {int(step) for recording in recordings for step in recording.layers.step.unique()}
    missing = sorted(wanted - recorded)
    if missing and recorded:
        nearest = min(recorded, key=lambda step: abs(step - missing[0]))
        raise ValueError(f"steps holds {missing[0]}, which was recorded in no run. Nearest: {nearest}.")
    return wanted


def rows_read(
    table: pd.DataFrame, steps: Iterable[int] | None = None, layers: Literal["weighted", "all"] = "weighted"
) -> pd.DataFrame:
    """Return rows of a recording's `layers` as `weighted_layers` takes them: at some steps, in the columns it reads.

    Most rows are of norms and activations, and most columns are not read: both are left out at once, and early.
    """
    is_read = table["weighted"].to_numpy(dtype=bool) if layers == "weighted" else np.full(len(table), fill_value=True)
    if steps is not None:
        is_read = is_read & np.isin(table["step"].to_numpy(), list(steps))
    return table[_RECORDED][is_read]


def weighted_layers(recordings: list[Recording], tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the main path's weighted layers of several recordings, one row per (run, step, layer), as `profile` does.

    `tables` are what `rows_read` returns of each one's `layers`.
    """
    return main_path(_layers(recordings, tables)).reset_index(drop=True)


def _layers(recordings: list[Recording], tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return `one_row_per_layer` of several recordings, led by run, family, depth and seed."""
    return one_row_per_layer(stacked(recordings, tables or [pd.DataFrame(columns=_RECORDED)]))


def one_row_per_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Return layer rows with calls, outputs and backward passes joined, sorted by run, step and order.

    The layer's own parameters are described on its first row; its output gradients are one vector in several
    pieces. Backward passes that are no part of the gradient that the optimizer used are left out: a layer that has
    no others keeps its parameters' numbers.
    """
    keys = [*_run(rows), "step", "layer"]
    rows = _of_the_loss(rows, keys)
    table = rows
    if rows.duplicated(keys).any():
        rows = rows.sort_values(["backward", "call", "output"], kind="stable")
        grouped = rows.groupby(keys, sort=False)
        joined = grouped.agg(out_grad_norm=("out_grad_norm", _joint_norm), n_nonfinite=("n_nonfinite", _joint_count))
        table = rows.drop_duplicates(keys)
        by_layer = pd.MultiIndex.from_frame(table[keys])
        joined = joined.reindex(by_layer)
        norms, counts = joined["out_grad_norm"].to_numpy(), joined["n_nonfinite"].to_numpy()
        table = table.assign(out_grad_norm=norms, n_nonfinite=counts)
        for status in UNKNOWN:
            unknown = rows.loc[rows["status"] == status, keys]
            if len(unknown):
                is_one = by_layer.isin(pd.MultiIndex.from_frame(unknown))
                table = table.assign(status=table["status"].mask(is_one, status))
    table = table.assign(grad_times_weight=table["grad_norm"] * table["weight_norm"])
    runs = [pd.factorize(table["run"])[0]] if "run" in table.columns else []  # in the order given, not by name
    places = [table[name].to_numpy() for name in ("layer_depth", "order", "step")]
    columns = [*(name for name in IDENTITY if name in table.columns), "step", "layer", *_PLACE]
    columns += [*MEASURES, "n_nonfinite", "status"]
    return table[columns].iloc[np.lexsort([*places, *runs])].reset_index(drop=True)


def _of_the_loss(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the rows of passes that are in the gradient that the optimizer used; of layers without any, one row."""
    if rows["in_grad"].all():
        return rows
    used = rows[rows["in_grad"]]
    left_out = rows[~rows["in_grad"]].sort_values("grad_norm", na_position="last").drop_duplicates(keys)
    has_used = pd.MultiIndex.from_frame(left_out[keys]).isin(pd.MultiIndex.from_frame(used[keys]))
    others = left_out[~has_used].assign(out_grad_norm=np.nan, status=NOT_USED)
    return pd.concat([used, others]) if len(others) else used


def _run(frame: pd.DataFrame) -> list[str]:
    return ["run"] if "run" in frame.columns else []


def _joint_count(counts: pd.Series[Any]) -> int:
    return -1 if (counts < 0).any() else int(counts.sum())


def _joint_norm(norms: pd.Series[Any]) -> float:
    # hypot neither overflows nor underflows where the sum of squares would.
    return float(np.hypot.reduce(norms.to_numpy(dtype=np.float64)))
