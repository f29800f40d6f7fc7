"""What the skip connections contribute to the gradient, and what is left of it without them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gradflow.analysis.decay import MEASURED
from gradflow.analysis.profile import first_to_last, profile_over_seeds, rows_read, weighted_layers
from gradflow.analysis.runs import NETWORK, as_list, over_seeds, stacked
from gradflow.recording import AS_IT_IS, PLAIN_TWIN, WITHOUT_BRANCHES, WITHOUT_SKIPS, Recording

CONTRIBUTIONS = ("skip_share", "skip_sq", "branch_sq", "cross", "angle", "grad_norm", "branch_ratio")
VARIANTS = (AS_IT_IS, WITHOUT_SKIPS, WITHOUT_BRANCHES, PLAIN_TWIN)


def contribution(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return what comes back through the skip at every residual join.

    Returns
    -------
    DataFrame
        One row per (run, step, join), in forward order: run, family, depth, seed, and the columns of
        `gradflow.recording.SKIP_COLUMNS`. Recordings without joins have none.

    Examples
    --------
    >>> skips = pd.DataFrame({"step": 0, "join": ["a", "b"], "order": [0, 1], "skip_share": [0.5, 0.9]})
    >>> contribution(Recording(skips=skips, meta={"run": "mine"}))[["run", "join", "skip_share"]]
        run join  skip_share
    0  mine    a         0.5
    1  mine    b         0.9
    """
    found = as_list(recordings)
    return stacked(found, [one.skips.sort_values(["step", "order"], kind="stable") for one in found])


def counterfactual(recordings: Recording | Iterable[Recording]) -> pd.DataFrame:
    """Return the gradient at every weighted layer as it is, without the skips' share and without the branches'.

    Returns
    -------
    DataFrame
        One row per (run, variant, layer): the columns of `gradflow.analysis.profile` and `variant` ("as it is",
        "without skips", "without branches", "plain twin"). Only out_grad_norm differs between variants: the share of
        the skips, or of the branches, is removed from the backward pass at all joins, or at those that meta["joins"]
        names; activations keep their skips, and weights and loss are the same. "plain twin" is another network, built
        without skips, where one was analyzed beside. Recordings that hold no such measurement have no rows. Of a run
        that was trained it is one batch before the first update.
    """
    found = [one for one in as_list(recordings) if one.probes["probe"].isin(VARIANTS).any()]
    frames = []
    for variant in VARIANTS:
        with_it = [one for one in found if variant == AS_IT_IS or (one.probes["probe"] == variant).any()]
        if with_it or variant == AS_IT_IS:
            measured = weighted_layers(with_it, [rows_read(_layers_without(one, variant)) for one in with_it])
            frames.append(measured.assign(variant=variant))
    return pd.concat(frames, ignore_index=True)


def removed(recording: Recording, variant: str) -> Recording:
    """Return the recording with the gradients of a variant at the outputs of its layers, to be analyzed as any other.

    Layers at which the variant was not measured have no gradient in it; gradients of parameters are left out. Raises
    ValueError where `variant` is none of `VARIANTS`.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}; got {variant!r}.")
    return recording.having(layers=_layers_without(recording, variant))


def _layers_without(recording: Recording, variant: str) -> pd.DataFrame:
    """Return the rows of layers with the gradients of a variant."""
    probes = recording.probes[recording.probes["probe"] == variant]
    if variant == AS_IT_IS and probes.empty:
        return recording.layers
    norms = probes.drop_duplicates("layer").set_index("layer")["value"]
    layers = recording.layers.drop_duplicates("layer")
    return layers.assign(out_grad_norm=layers["layer"].map(norms), grad_norm=np.nan, status=MEASURED)


def contribution_over_seeds(frame: pd.DataFrame, measure: str = "skip_share") -> pd.DataFrame:
    """Return one measure of every join of each network, over its seeds.

    Parameters
    ----------
    frame : DataFrame
        From `contribution`.
    measure : str
        skip_share, skip_sq, branch_sq, cross, angle, grad_norm or branch_ratio. The last two are averaged as geometric
        means.

    Returns
    -------
    DataFrame
        One row per (family, depth, step, order, join, kind), in forward order: mean, low, high, n; low and high are
        Student's 95 % interval, NaN for one seed.

    Raises
    ------
    ValueError
        `measure` is none of these.
    """
    if measure not in CONTRIBUTIONS:
        raise ValueError(f"measure must be one of {', '.join(CONTRIBUTIONS)}; got {measure!r}.")
    by = (*NETWORK, "step", "order", "join", "kind")
    return over_seeds(frame, by, measure, geometric=measure in ("grad_norm", "branch_ratio"))


def counterfactual_ends(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how much larger `counterfactual`'s gradient is at the first weighted layer than at the last, by variant.

    Returns
    -------
    DataFrame
        One row per (family, depth, variant): mean, low, high, n of log10 of the first over the last norm, in decades
        (Student's 95 % interval over seeds, NaN for one). A run in which either is zero or not finite has none.
    """
    parts = [first_to_last(rows, "out_grad_norm").assign(variant=name) for name, rows in frame.groupby("variant")]
    ends = pd.concat(parts, ignore_index=True)
    ratio = ends["ratio"].where((ends["ratio"] > 0) & np.isfinite(ends["ratio"]))
    return over_seeds(ends.assign(decades=np.log10(ratio)), [*NETWORK, "variant"], "decades")


def counterfactual_over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one profile per network and variant of `counterfactual`: geometric means over seeds.

    Returns
    -------
    DataFrame
        One row per (variant, family, depth, step, layer_depth), the columns of `gradflow.analysis.profile_over_seeds`
        of out_grad_norm, and `variant`.
    """
    parts = [
        profile_over_seeds(rows, "out_grad_norm").assign(variant=variant)
        for variant, rows in frame.groupby("variant", sort=False)
    ]
    empty = profile_over_seeds(frame, "out_grad_norm").assign(variant="")
    return pd.concat(parts, ignore_index=True) if parts else empty
