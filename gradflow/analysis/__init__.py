"""Recordings in, one or several, small tidy frames out: one question, one module. What is given stays as it is."""

from gradflow.analysis.clipping import clipping
from gradflow.analysis.contribution import (
    contribution,
    contribution_over_seeds,
    counterfactual,
    counterfactual_ends,
    counterfactual_over_seeds,
)
from gradflow.analysis.decay import decay, decay_over_seeds
from gradflow.analysis.degradation import degradation, degradation_over_seeds, paired_difference
from gradflow.analysis.distributions import distributions
from gradflow.analysis.gradient_flow import gradient_flow
from gradflow.analysis.intervals import Interval, mean_interval
from gradflow.analysis.layer_ranking import ranking
from gradflow.analysis.nonfinite import first_nonfinite
from gradflow.analysis.paths import binomial_shares, path_lengths, path_probes
from gradflow.analysis.predicted import predicted
from gradflow.analysis.profile import beside_main_path, first_to_last, main_path, profile, profile_over_seeds
from gradflow.analysis.published import published
from gradflow.analysis.shattering import autocorrelation_by_lag, shattering_by_depth, shattering_by_layer
from gradflow.analysis.stall import stall, stall_over_seeds
from gradflow.analysis.summary import summary
from gradflow.analysis.times import gradient_over_time, gradient_over_time_over_seeds, reach_over_time
from gradflow.analysis.training import errors_over_seeds, training, window_means
from gradflow.analysis.updates import updates, updates_over_seeds
from gradflow.analysis.vanishing_degree import degree, degree_over_seeds
from gradflow.analysis.vanishing_table import vanishing_profile, vanishing_table
from gradflow.analysis.weights import weight_growth, weight_growth_over_seeds, weights

__all__ = [
    "Interval",
    "autocorrelation_by_lag",
    "beside_main_path",
    "binomial_shares",
    "clipping",
    "contribution",
    "contribution_over_seeds",
    "counterfactual",
    "counterfactual_ends",
    "counterfactual_over_seeds",
    "decay",
    "decay_over_seeds",
    "degradation",
    "degradation_over_seeds",
    "degree",
    "degree_over_seeds",
    "distributions",
    "errors_over_seeds",
    "first_nonfinite",
    "first_to_last",
    "gradient_flow",
    "gradient_over_time",
    "gradient_over_time_over_seeds",
    "main_path",
    "mean_interval",
    "paired_difference",
    "path_lengths",
    "path_probes",
    "predicted",
    "profile",
    "profile_over_seeds",
    "published",
    "ranking",
    "reach_over_time",
    "shattering_by_depth",
    "shattering_by_layer",
    "stall",
    "stall_over_seeds",
    "summary",
    "training",
    "updates",
    "updates_over_seeds",
    "vanishing_profile",
    "vanishing_table",
    "weight_growth",
    "weight_growth_over_seeds",
    "weights",
    "window_means",
]
