"""Gradients that are not cleared between steps: they hold the sum of all steps so far."""

from __future__ import annotations

from gradflow.diagnosis.each_run import Found, each_run
from gradflow.diagnosis.learning import is_unfitted
from gradflow.diagnosis.movement import movement
from gradflow.diagnosis.rules.learning_rate import HIGH
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

# What arrives at an output is of one step alone, and beside it the gradient of the parameters of healthy runs grows
# with the layer's inputs. A sum of n steps that are alike grows n-fold, from the first step on.
GROWTH = 2.0
AT_ONCE = (1.3, 1.6, 1.8)  # after one, two and three steps more
FIRST, LAST = 4, 9  # steps, counted from 0
MIN_STEPS = 4
REMEDIES = ("remedy.zero_grad",)


@each_run("profile")
def find(recording: Recording) -> Found | None:
    """Return a problem where the parameters' gradients outgrow what arrives at the outputs."""
    rows = recording.layers
    rows = rows[rows["in_grad"] & (rows["step"] <= LAST) & (rows["call"] == 0) & rows["weighted"]]
    rows = rows[(rows["grad_norm"] > 0) & (rows["out_grad_norm"] > 0)]
    if rows["step"].nunique() < MIN_STEPS or not is_unfitted(recording):
        return None
    ratios = rows.assign(ratio=rows["grad_norm"] / rows["out_grad_norm"]).pivot_table(
        index="step", columns="layer", values="ratio", sort=False
    )
    if ratios.index.min() != 0 or ratios.index.max() < FIRST:
        return None
    growth = ratios.loc[ratios.index >= FIRST].median() / ratios.loc[0]
    early = (ratios.loc[[1, 2, 3]] / ratios.loc[0]).median(axis=1) if {1, 2, 3} <= set(ratios.index) else None
    moved = movement(recording)
    if moved is not None and max(moved.first, moved.early) > HIGH:
        return None  # the activations themselves grow from step to step
    if early is None or not growth.median() > GROWTH or not (early.to_numpy() > AT_ONCE).all():
        return None
    last = str(growth.index[-1])
    values: dict[str, Value] = {
        "layer": last,
        "growth": float(growth.to_numpy()[-1]),
        "steps": int(ratios.index.max()) + 1,
    }
    return Found("gradients_kept", "problem", values, "", REMEDIES)
