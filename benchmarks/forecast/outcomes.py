"""What counts as a failure, and the study's rows as the signs that verdicts are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gradflow.probe.forecast_verdict import Rules, decide

# Fixed before the networks were trained: a network failed if its loss stopped being finite, or if its training error
# after the budget is above BOUND of the way from the lowest error of any network on the same data to that of naming the
# most frequent class. Telling one of three equal classes from the rest is half of the way, so a failure.
BOUND = 0.4
OTHER_BOUNDS = (0.2, 0.3, 0.6, 0.8)  # what the counts would be, had it been fixed elsewhere
UPDATES = 10  # of the trial that verdicts rest on; the study's rows have later moments too


def load(path: Path) -> pd.DataFrame:
    """Return one row per network, with `excess` (0 the best on its data, 1 chance)."""
    frame = pd.read_csv(path)
    best = frame.train_error.groupby(frame.data).transform("min")
    excess = (frame.train_error - best) / (frame.chance - best)
    columns = {"excess": excess, "failed": failed(frame.diverged_step, excess, BOUND)}
    return pd.concat([frame, pd.DataFrame(columns)], axis=1).copy()


def failed(diverged_step: pd.Series, excess: pd.Series, bound: float) -> pd.Series:
    """Return whether each network failed."""
    return diverged_step.notna() | (excess > bound)


def signs_of(frame: pd.DataFrame, updates: int = UPDATES) -> pd.DataFrame:
    """Return the signs after so many updates, one row per network."""
    found = {column.split("@")[0]: frame[column] for column in frame.columns if column.endswith(f"@{updates}")}
    found["relative_error"] = found["probe_error"] / frame.chance
    found["relative_loss"] = found["probe_loss"] / frame["probe_loss@0"]
    found["diverged"] = (~np.isfinite(found["loss"])).astype(float)
    return pd.DataFrame(found)


def verdicts(frame: pd.DataFrame, rules: Rules) -> pd.Series:
    """Return each network's verdict, by the same function that the product uses."""
    moments = sorted({condition["updates"] for kind in rules.values() for rule in kind for condition in rule} | {0})
    tables = {moment: signs_of(frame, moment) for moment in moments}
    diverged = signs_of(frame).diverged  # anywhere in the trial: the product has it at every moment
    found = []
    for place in frame.index:
        signs = pd.DataFrame({moment: table.loc[place] for moment, table in tables.items()}).T
        found.append(decide(signs.assign(diverged=diverged[place]), rules)[0])
    return pd.Series(found, index=frame.index)
