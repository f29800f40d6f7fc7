"""One model, one batch or none: what its gradients do, the model left exactly as it was found."""

from gradflow.probe.analysis_value import Analysis
from gradflow.probe.analyze import analyze_gradients
from gradflow.probe.loss import AnalysisError
from gradflow.probe.paths import PathsError, effective_paths
from gradflow.probe.shattering import ShatteringError, autocorrelation, shattering

__all__ = [
    "Analysis",
    "AnalysisError",
    "PathsError",
    "ShatteringError",
    "analyze_gradients",
    "autocorrelation",
    "effective_paths",
    "shattering",
]
