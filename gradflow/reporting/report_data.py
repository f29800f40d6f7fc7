"""What a report holds: the recordings, the findings, and each frame computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from gradflow.analysis.contribution import contribution, counterfactual
from gradflow.analysis.decay import decay, decay_over_seeds
from gradflow.analysis.degradation import degradation, degradation_over_seeds, paired_difference
from gradflow.analysis.distributions import distributions
from gradflow.analysis.paths import recorded_paths
from gradflow.analysis.predicted import predicted
from gradflow.analysis.profile import profile, profile_over_seeds
from gradflow.analysis.runs import stacked
from gradflow.analysis.shattering import EXPERIMENT, autocorrelation_by_lag, shattering_by_depth, shattering_by_layer
from gradflow.analysis.stall import has_batch_norm, stall, stall_over_seeds
from gradflow.analysis.summary import summary
from gradflow.analysis.times import gradient_over_time
from gradflow.analysis.training import training, window_means
from gradflow.analysis.updates import updates
from gradflow.analysis.vanishing_degree import LEAVE_OUT, degree, degree_over_seeds
from gradflow.analysis.vanishing_table import table_and_profile
from gradflow.analysis.weights import weight_growth, weight_growth_over_seeds, weights
from gradflow.diagnosis import Findings, diagnose
from gradflow.diagnosis.first_last_ratio import ONE_BATCH
from gradflow.figures.training_figure import WINDOW
from gradflow.recording import AUTOCORRELATION, INPUT, SHATTERING, Recording
from gradflow.reporting.method import coverage
from gradflow.tables import Table

DEMONSTRATION = "vanishing"  # meta["experiment"] of the runs measured at initialisation alone

MIN_STEPS = 300  # below so many a loss is drawn step by step
GROWTH_SHOWN = ("first_growth", "first_effective_lr")


@dataclass(frozen=True, eq=False)
class ReportData:
    """The recordings of one report and the frames that its sections share."""

    recordings: list[Recording]
    folder: Path
    command: str | None = None
    difference: Sequence[Table] = ()  # between two groups of the recordings, where a report of that was asked for

    @cached_property
    def runs(self) -> list[Recording]:
        """The recordings of trained networks: all but the demonstration's and those made for one probe alone."""
        return [run for run in self.recordings if run.meta.get("experiment") not in (DEMONSTRATION, EXPERIMENT)]

    @cached_property
    def probed(self) -> list[Recording]:
        """The recordings that may hold probes: all but the demonstration's."""
        return [run for run in self.recordings if run.meta.get("experiment") != DEMONSTRATION]

    @cached_property
    def demonstration(self) -> list[Recording]:
        """The recordings of the vanishing-gradient demonstration."""
        return [run for run in self.recordings if run.meta.get("experiment") == DEMONSTRATION]

    @cached_property
    def findings(self) -> Findings:
        """What the trained networks show; the demonstration's table holds its own verdicts unless it is alone."""
        return diagnose(self.runs or self.demonstration)

    @cached_property
    def with_layers(self) -> list[Recording]:
        """The trained networks' recordings that hold gradients."""
        return [run for run in self.runs if len(run.layers)]

    @cached_property
    def has_batch_norm(self) -> bool:
        """Whether a trained network has batch norm, which is spoken of only then."""
        return any(map(has_batch_norm, self.with_layers))

    @cached_property
    def is_comparison(self) -> bool:
        """Whether the runs are of several families or depths, as `gradflow compare` makes them."""
        nets = {(run.meta.get("family"), run.meta.get("depth")) for run in self.runs}
        return len(nets) > 1 and all(family and depth is not None for family, depth in nets)

    @cached_property
    def is_of_compare(self) -> bool:
        """Whether `gradflow compare` or a sweep made every run: its probes look at the first batch."""
        return bool(self.runs) and all(run.meta.get("experiment") == "compare" for run in self.runs)

    @cached_property
    def is_analysis(self) -> bool:
        """Whether every run is the analysis of one batch, which knows nothing of any training."""
        return bool(self.runs) and all(run.meta.get("experiment") == ONE_BATCH for run in self.runs)

    # One row per run: errors after training
    errors = cached_property(lambda data: degradation(data.runs))
    # One row per network: errors after training with intervals
    errors_over_seeds = cached_property(lambda data: degradation_over_seeds(data.errors))
    # One row per depth: plain minus residual
    differences = cached_property(lambda data: paired_difference(data.errors))
    # One row per network: what the comparison found
    summary = cached_property(lambda data: summary(data.runs))
    # One row per run and step: loss and errors
    training = cached_property(lambda data: training(data.runs))
    # One row per run and window: the minibatch error's mean
    windows = cached_property(lambda data: window_means(data.training, window=WINDOW))

    @cached_property
    def losses(self) -> pd.DataFrame:
        """One row per run and window: the loss's mean; each step's loss where the runs are short."""
        is_long = self.training.groupby("run")["step"].count().max() >= MIN_STEPS
        return window_means(self.training, window=WINDOW if is_long else 1, measure="loss")

    # One row per run, step and weighted layer, at a few steps
    profile = cached_property(lambda data: profile(data.with_layers))
    # Gradient -> one row per network, step and weighted layer
    profile_over_seeds = cached_property(
        lambda data: {one: profile_over_seeds(data.profile, one) for one in ("out_grad_norm", "grad_norm")}
    )
    # One row per run, step and weighted layer: weight norms and effective learning rates
    weights = cached_property(lambda data: weights(data.with_layers))
    # One row per run and step: weight growth of the first layer and of the median one
    growth = cached_property(lambda data: weight_growth(data.weights))

    @cached_property
    def growth_over_seeds(self) -> dict[str, pd.DataFrame]:
        """Measure -> one row per network and step, with intervals over seeds; what no run measured is left out."""
        frames = {measure: weight_growth_over_seeds(self.growth, measure) for measure in GROWTH_SHOWN}
        return {measure: frame for measure, frame in frames.items() if frame[["n", "n_zero"]].to_numpy().any()}

    # One row per run, step and one of three layers: the norm of the update over that of the weights
    updates = cached_property(lambda data: updates(data.with_layers))

    @cached_property
    def decay(self) -> pd.DataFrame:
        """One row per run and stage: the activation gradient's factor per layer at step 0, fitted as in `degree`."""
        started = [run for run in self.with_layers if (run.layers["step"] == 0).any()]
        return decay(started, leave_out=LEAVE_OUT)

    # One row per network and stage: the factor per layer with its interval over seeds
    factors = cached_property(lambda data: decay_over_seeds(data.decay))
    # One row per run, moment, gradient and stage: factor, law, decades
    degree = cached_property(lambda data: degree(data.with_layers))
    # One row per network, gradient, moment and stage: factor, law and decades with intervals
    degree_over_seeds = cached_property(lambda data: degree_over_seeds(data.degree))
    # One row per run: the links from the gradient before training to the one after it
    stall = cached_property(lambda data: stall(data.with_layers))
    # One row per network: the links with their intervals
    stall_over_seeds = cached_property(lambda data: stall_over_seeds(data.stall))
    # One row per run, step and weighted layer, at all recorded steps
    heatmap = cached_property(lambda data: profile(data.with_layers, steps="recorded"))
    # One row per run, recorded step, sequence of a recurrent layer and position in it
    times = cached_property(
        lambda data: gradient_over_time([run for run in data.runs if len(run.times)], steps="recorded")
    )
    # One row per run, kind, step, layer and bin of magnitudes
    distributions = cached_property(lambda data: distributions([run for run in data.runs if len(run.distributions)]))
    # One row per setting of the demonstration: measured beside predicted
    vanishing = cached_property(lambda data: data._vanishing[0])
    # One row per setting, measure and layer of the demonstration
    vanishing_profile = cached_property(lambda data: data._vanishing[1])
    _vanishing = cached_property(lambda data: table_and_profile(data.demonstration))

    @cached_property
    def predicted(self) -> pd.DataFrame:
        """One row per setting, or network and stage: the factor per layer beside its closed form."""
        measured = self.vanishing if self.demonstration else None
        return predicted(self.recordings, measured=measured)

    # One row per network: the correlation of gradients at the input
    shattering = cached_property(lambda data: shattering_by_depth(holding(data.probed, SHATTERING)))
    # One row per network and weighted layer: the correlation of gradients there
    shattering_by_layer = cached_property(lambda data: shattering_by_layer(holding(data.probed, SHATTERING)))
    # One row per run, step and residual join: what comes back through the skip
    contribution = cached_property(lambda data: contribution(data.runs))
    # One row per run, variant and weighted layer: the gradient as it is and without a share of it
    counterfactual = cached_property(lambda data: counterfactual(data.runs))
    # One row per network and lag: the autocorrelation of gradients along a line of inputs
    autocorrelation = cached_property(lambda data: autocorrelation_by_lag(holding(data.probed, AUTOCORRELATION)))
    # One row per run and path length
    paths = cached_property(lambda data: stacked(data.probed, [recorded_paths(run) for run in data.probed]))
    # One row per run and layer whose output gradient was never measured
    coverage = cached_property(lambda data: coverage(data.recordings))

    def finding_for(self, figure: str) -> str:
        """Return the sentence of the first finding that a section shows, or an empty string."""
        return next((str(finding) for finding in self.findings if finding.figure == figure), "")


def holding(recordings: list[Recording], probe: str) -> list[Recording]:
    """Return the recordings that hold a probe at the input."""
    rows = [(one, one.probes[one.probes["probe"] == probe]) for one in recordings]
    return [one for one, found in rows if (found["layer"] == INPUT).any()]
