"""One model, one batch or none: what its gradients do, the model left exactly as it was found."""

from gradflow.probe.analysis_value import Analysis
from gradflow.probe.analyze import analyze_gradients
from gradflow.probe.effective_paths import PathsError, effective_paths
from gradflow.probe.gradient_agreement import ShatteringError, autocorrelation, shattering
from gradflow.probe.loss import AnalysisError

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
