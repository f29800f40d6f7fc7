"""Small frames in, figures out: colour is depth, line style is family, in every one of them."""

from gradflow.plots.degradation import degradation, degradation_figure
from gradflow.plots.degree import degree, degree_figure
from gradflow.plots.files import save, save_each, sizes
from gradflow.plots.gradient_flow import gradient_flow, gradient_flow_figure
from gradflow.plots.heatmap import heatmap, heatmaps
from gradflow.plots.learning import learning_curve, learning_curves
from gradflow.plots.paired import paired_difference
from gradflow.plots.paths import paths, paths_figure
from gradflow.plots.profile import profile, profiles
from gradflow.plots.shattering import (
    autocorrelation,
    autocorrelation_figure,
    shattering,
    shattering_figure,
    shattering_layers,
    shattering_layers_figure,
)
from gradflow.plots.stall import stall_figure, stall_link
from gradflow.plots.style import DOUBLE, SINGLE, context
from gradflow.plots.times import gradient_over_time, gradient_over_time_figure
from gradflow.plots.training import loss_curve, loss_curves, training_curve, training_curves
from gradflow.plots.vanishing import vanishing, vanishing_figure
from gradflow.plots.weights import weight_figure, weight_growth

__all__ = [
    "DOUBLE",
    "SINGLE",
    "autocorrelation",
    "autocorrelation_figure",
    "context",
    "degradation",
    "degradation_figure",
    "degree",
    "degree_figure",
    "gradient_flow",
    "gradient_flow_figure",
    "gradient_over_time",
    "gradient_over_time_figure",
    "heatmap",
    "heatmaps",
    "learning_curve",
    "learning_curves",
    "loss_curve",
    "loss_curves",
    "paired_difference",
    "paths",
    "paths_figure",
    "profile",
    "profiles",
    "save",
    "save_each",
    "shattering",
    "shattering_figure",
    "shattering_layers",
    "shattering_layers_figure",
    "sizes",
    "stall_figure",
    "stall_link",
    "training_curve",
    "training_curves",
    "vanishing",
    "vanishing_figure",
    "weight_figure",
    "weight_growth",
]
