"""How far apart the gradient's norm is at the two ends of a network's paths, and what explains it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from gradflow.analysis.decay import decay
from gradflow.analysis.intervals import Interval, mean_interval
from gradflow.analysis.numbered_rows import between, numbered_layers
from gradflow.analysis.path_ends import PART_OF_LOSS, Flow, Lost, PathEnds, flow, path_ends
from gradflow.analysis.vanishing_degree import LEAVE_OUT
from gradflow.diagnosis.geometric_mean import geometric
from gradflow.diagnosis.learning import HARMLESS, Learning, learning
from gradflow.recording import Recording

# Widths and map sizes move a norm by up to about a decade within one healthy network. At two, the learning
# rate that fits one end is a hundredfold wrong at the other. AUTOTRAINER (Zhang et al. 2021) draws its lines
# at 1.8 and 3.
DECADES = 2.0
MIN_STAGE = 3  # layers of a stage that have a factor
# An output layer that answers rightly hands on little of what it receives: of a network that learns that is no fault.
ANSWERS = PART_OF_LOSS | {"Sigmoid", "Softmax"}
MOST = 0.5  # of the decades between two ends
When = Literal["start", "end", "batch"]
ONE_BATCH = "analyze"  # meta["experiment"] of recordings that know nothing of any training


@dataclass(frozen=True, eq=False)
class RunEnds:
    """The paths of one run at one step, and whether the run learns."""

    recording: Recording
    step: int
    measure: str
    learning: Learning

    @cached_property
    def flow(self) -> Flow:
        """The gradient's way through the network."""
        without = ANSWERS if self.learning in HARMLESS else PART_OF_LOSS
        return flow(self.recording, self.step, self.measure, without=without)

    @cached_property
    def paths(self) -> list[PathEnds]:
        """Both ends of each path."""
        return path_ends(self.flow)


@dataclass(frozen=True, eq=False)
class Beyond:
    """One path over the runs: its worst value and the run of that, and the decades between its ends in all runs.

    `measured` are the runs that have the path, `hit` those in which any path lies beyond the threshold.
    """

    worst: PathEnds
    decades: Interval
    measured: tuple[RunEnds, ...]
    hit: tuple[RunEnds, ...]
    run: RunEnds

    @property
    def factor(self) -> Interval:
        """That of the longest stage of three layers or more, or from call to call.

        n = 0 where there is none, or where it does not go the path's way.
        """
        return self._stage[0]

    @property
    def layers(self) -> int:
        """The layers of that stage, 0 of calls."""
        return self._stage[1]

    @cached_property
    def _stage(self) -> tuple[Interval, int]:
        return _factor(self.measured, self.worst)  # a regression, which what is healthy need not pay for

    @property
    def lost(self) -> Lost | None:
        """Where on the way more than half of it is lost, of a path of three layers or more."""
        found = self.run.flow.lost(self.worst.first, self.worst.last)
        is_path = (found.before, found.behind) != (self.worst.first, self.worst.last)
        return found if is_path and found.decades / self.worst.decades > MOST else None

    @property
    def kinds(self) -> set[str]:
        """Classes of the layers on the way."""
        names = {node[0] for node in self.run.flow.between(self.worst.first, self.worst.last)}
        of_layers, rows = numbered_layers(self.run.recording), self.run.recording.layers
        own = [place for place, (name,) in enumerate(of_layers.keys) if name in names]
        kinds, words = rows["kind"].factorize()
        return set(words[np.unique(kinds[np.isin(of_layers.place, own)])])


@dataclass(frozen=True, eq=False)
class Ends:
    """A network's gradient at one time, in each of its runs."""

    when: When
    step: int
    measure: str
    runs: tuple[RunEnds, ...]

    @property
    def is_placed(self) -> bool:
        """Whether graph or depth is known; otherwise the layers' order is the model's own."""
        return all(run.flow.is_placed for run in self.runs)

    @cached_property
    def farthest(self) -> Beyond:
        """The path whose ends are farthest apart, either way, in any run."""
        return self._over_runs(max(self._all(), key=lambda path: abs(path.decades)), 0)

    def beyond(self, sign: int) -> Beyond | None:
        """Return the worst path in any run that shrinks (sign -1) or grows (1) beyond the threshold, or None."""
        worst = max(self._all(), key=lambda path: sign * path.decades)
        return self._over_runs(worst, sign) if sign * worst.decades > DECADES else None

    def _all(self) -> list[PathEnds]:
        return [path for run in self.runs for path in run.paths]

    def _over_runs(self, worst: PathEnds, sign: int) -> Beyond:
        same = [(run, _alike(run.paths, worst)) for run in self.runs]
        measured = [(run, path) for run, path in same if path]
        decades = mean_interval(path.decades for _, path in measured)
        hit = tuple(run for run in self.runs if any(sign * path.decades > DECADES for path in run.paths))
        run = next(run for run, path in measured if path.decades == worst.decades)
        return Beyond(worst, decades, tuple(run for run, _ in measured), hit, run)


def ends(recordings: Sequence[Recording], when: When) -> Ends | None:
    """Return the paths at step 0 or at each run's last recorded step; None if no path has two measured ends.

    The activation gradients are used, or the parameters' where no activation gradient was recorded.
    """
    measure = "out_grad_norm"
    if not any(recording.layers["out_grad_norm"].notna().any() for recording in recordings):
        measure = "grad_norm"
    runs = [
        RunEnds(recording, step, measure, learning(recording))
        for recording in recordings
        if (step := 0 if when == "start" else _last_step(recording)) >= (when == "end")
    ]
    runs = [run for run in runs if run.paths]
    if not runs:
        return None
    is_batch = all(recording.meta.get("experiment") == ONE_BATCH for recording in recordings)
    return Ends("batch" if is_batch else when, max(run.step for run in runs), measure, tuple(runs))


def _alike(paths: Sequence[PathEnds], wanted: PathEnds) -> PathEnds | None:
    return next((path for path in paths if path[:3] == wanted[:3]), None)


def _factor(runs: Sequence[RunEnds], worst: PathEnds) -> tuple[Interval, int]:
    """Return the factor per layer of the path's longest stage of three layers or more, over seeds, and its layers.

    Of one run, the regression's interval over that run's layers. Where the path begins with calls of one layer that
    follow one another, the factor per call, from the first to the last; layers is then 0.
    """
    calls = [path for run in runs for path in run.paths if path.kind == "calls" and path.first == worst.first]
    if calls:
        found = [path.decades / (path.last[1] - path.first[1]) for path in calls]
        return _forward(geometric(10**decades for decades in found), worst), 0
    stages = [stage for run in runs if (stage := _longest(run, worst)) is not None]
    over_seeds = geometric([float(stage["factor"]) for stage in stages])
    if over_seeds.n == 1:
        stage = stages[0]
        over_seeds = Interval(float(stage["factor"]), float(stage["low"]), float(stage["high"]), 1)
    return _forward(over_seeds, worst), int(stages[0]["n_layers"]) if stages else 0


def _longest(run: RunEnds, worst: PathEnds) -> pd.Series[float] | None:
    """Return the row of `decay` of the path's stage with the most layers, as the report gives it."""
    if worst.first not in run.flow.norms or worst.last not in run.flow.norms:
        return None
    inside = {node[0] for node in run.flow.between(worst.first, worst.last)}
    rows = between(run.recording.layers, run.step, run.step)
    rows = rows[rows["layer"].isin(inside)]
    frame = decay(run.recording.having(layers=rows), step=run.step, measure=run.measure, leave_out=LEAVE_OUT)
    longest = frame.iloc[int(frame["n_layers"].to_numpy().argmax())]
    is_stage = longest["n_layers"] + sum(LEAVE_OUT) >= MIN_STAGE and math.isfinite(longest["factor"])
    return longest if is_stage else None


def _forward(factor: Interval, worst: PathEnds) -> Interval:
    """Return the factor, or none where it does not change the norm the way the path does."""
    goes_along = factor.n > 0 and (factor.mean - 1) * worst.decades > 0
    return factor if goes_along else Interval(math.nan, math.nan, math.nan, 0)


def _last_step(recording: Recording) -> int:
    """Return the last step whose gradients were recorded, or -1."""
    used = np.flatnonzero(recording.layers["in_grad"].to_numpy())
    return int(recording.layers["step"].iloc[used[-1]]) if len(used) else -1
