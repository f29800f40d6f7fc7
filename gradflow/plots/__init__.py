"""Small frames in, figures out: colour is depth, line style is family, in every one of them."""

from gradflow.figures import autocorrelation_figure as _autocorrelation
from gradflow.figures import contribution_figure as _contribution
from gradflow.figures import counterfactual_figure as _counterfactual
from gradflow.figures import degradation_figure as _degradation
from gradflow.figures import degree_figure as _degree
from gradflow.figures import distributions_figure as _distributions
from gradflow.figures import gradient_flow_figure as _gradient_flow
from gradflow.figures import learning_figure as _learning
from gradflow.figures import paired_figure as _paired
from gradflow.figures import paths_figure as _paths
from gradflow.figures import predicted_figure as _predicted
from gradflow.figures import profile_figure as _profile
from gradflow.figures import shattering_figure as _shattering
from gradflow.figures import shattering_layers_figure as _shattering_layers
from gradflow.figures import stall_figure as _stall
from gradflow.figures import times_figure as _times
from gradflow.figures import training_figure as _training
from gradflow.figures import updates_figure as _updates
from gradflow.figures import vanishing_figure as _vanishing
from gradflow.figures import weights_figure as _weights
from gradflow.plots import paper as _paper
from gradflow.plots.factory import as_page, on_axes
from gradflow.plots.heatmap import heatmap, heatmaps
from gradflow.plots.saving import save, save_each, sizes
from gradflow.plots.style import DOUBLE, SINGLE, context

autocorrelation = on_axes(_autocorrelation.autocorrelation, "autocorrelation")
autocorrelation_figure = as_page(_autocorrelation.autocorrelation, "autocorrelation_figure")
contribution = on_axes(_contribution.contribution, "contribution")
contribution_figure = as_page(_contribution.contribution, "contribution_figure")
counterfactual = on_axes(_counterfactual.counterfactual, "counterfactual", every=True)
counterfactuals = as_page(_counterfactual.counterfactual, "counterfactuals", every=False)
degradation = on_axes(_degradation.degradation, "degradation", by=_paper.alone, differences=_paired.NO_PAIRS)
degradation_figure = as_page(_degradation.degradation, "degradation_figure")
degree = on_axes(_degree.degree, "degree", defaults={"measure": "out_grad_norm"})
degree_figure = as_page(_degree.degree, "degree_figure")
distributions = on_axes(_distributions.distributions, "distributions", defaults={"kind": "gradient"}, every=False)
distributions_figure = as_page(_distributions.distributions, "distributions_figure", every=False)
gradient_flow = on_axes(_gradient_flow.gradient_flow, "gradient_flow")
gradient_flow_figure = as_page(_gradient_flow.gradient_flow, "gradient_flow_figure")
gradient_over_time = on_axes(_times.times, "gradient_over_time")
gradient_over_time_figure = as_page(_times.times, "gradient_over_time_figure")
learning_curve = on_axes(_learning.learning, "learning_curve", by_family=False)
learning_curves = as_page(_learning.learning, "learning_curves", by_family=True)
loss_curve = on_axes(_training.losses, "loss_curve", by_depth=False)
loss_curves = as_page(_training.losses, "loss_curves", by_depth=True)
paired_difference = on_axes(_paired.paired_difference, "paired_difference", by=_paper.alone)
paths = on_axes(_paths.paths, "paths", defaults={"quantity": "share"}, figure_name="paths")
paths_figure = as_page(_paths.paths, "paths_figure", quantity=None, figure_name="paths")
predicted = on_axes(_predicted.predicted, "predicted", by=_paper.alone)
predicted_figure = as_page(_predicted.predicted, "predicted_figure")
profile = on_axes(_profile.profile, "profile")
profiles = as_page(_profile.profile, "profiles")
shattering = on_axes(_shattering.shattering, "shattering")
shattering_figure = as_page(_shattering.shattering, "shattering_figure")
shattering_layers = on_axes(_shattering_layers.shattering_layers, "shattering_layers")
shattering_layers_figure = as_page(_shattering_layers.shattering_layers, "shattering_layers_figure")
stall_figure = as_page(_stall.stall, "stall_figure", link=None)
stall_link = on_axes(_stall.stall, "stall_link", defaults={"link": _stall.LINKS[0]})
training_curve = on_axes(_training.errors, "training_curve", by_depth=False)
training_curves = as_page(_training.errors, "training_curves", by_depth=True)
update_ratio = on_axes(_updates.updates, "update_ratio", every=True)
update_ratios = as_page(_updates.updates, "update_ratios", every=False)
_of_outputs = {"measure": "out_grad_norm"}
vanishing = on_axes(_vanishing.vanishing, "vanishing", by=_paper.alone, defaults=_of_outputs)
vanishing_figure = as_page(_vanishing.vanishing, "vanishing_figure", defaults=_of_outputs)
weight_figure = as_page(_weights.weights, "weight_figure")
weight_growth = on_axes(_weights.weights, "weight_growth")

__all__ = [
    "DOUBLE",
    "SINGLE",
    "autocorrelation",
    "autocorrelation_figure",
    "context",
    "contribution",
    "contribution_figure",
    "counterfactual",
    "counterfactuals",
    "degradation",
    "degradation_figure",
    "degree",
    "degree_figure",
    "distributions",
    "distributions_figure",
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
    "predicted",
    "predicted_figure",
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
    "update_ratio",
    "update_ratios",
    "vanishing",
    "vanishing_figure",
    "weight_figure",
    "weight_growth",
]
