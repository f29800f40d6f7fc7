"""The command line's tables, in English."""

from __future__ import annotations

from collections.abc import Mapping

CLI: Mapping[str, str] = {
    "cli.summary.title": "After training, errors in percent",
    "cli.summary.diverged": "{n} diverged",
    "cli.summary.caption": (
        "Errors: whole sets, eval mode, mean over seeds ± half the 95 % interval. Ratio: first over last layer's "
        "parameter-gradient norm before training, geometric mean over seeds."
    ),
    "cli.toy.title": "The arithmetic: 0.8 per layer",
    "cli.vanishing.title": "What real networks measure, before training",
    "cli.vanishing.caption": (
        "Factor per layer: |gradient of layer l - 1's output| over that of layer l, geometric mean over seeds ± half "
        "the 95 % interval. Outputs, weights: decades from the last to the first layer's gradient norm."
    ),
    "cli.column.family": "family",
    "cli.column.depth": "depth",
    "cli.column.seeds": "n",
    "cli.column.train_error": "training error",
    "cli.column.test_error": "test error",
    "cli.column.ratio": "ratio, step 0",
    "cli.column.seconds": "seconds",
    "cli.column.layers": "layers",
    "cli.column.share": "what is left of the gradient",
    "cli.column.setting": "setting",
    "cli.column.factor": "factor per layer",
    "cli.column.predicted": "closed form",
    "cli.column.decades": "outputs",
    "cli.column.weight_decades": "weights",
    "cli.column.verdict": "verdict",
    "cli.where.report": "report",
    "cli.where.figures": "figures",
    "cli.where.tables": "tables",
    "cli.where.recordings": "recordings",
    "cli.where.recording": "recording",
    "cli.where.failed": "failed",
    "progress.runs": "runs",
    "progress.resumed": "goes on from update {step}, where it was interrupted",
    "progress.failed": "failed, {reason}",
    "progress.errors": "training error {train}, test error {test}",
    "progress.diverged": "diverged at step {step}, {errors}",
    "progress.earlier": "{errors} (made earlier)",
    "progress.done": "{errors}, {seconds} s",
    "progress.took": "{trained} s to train, {whole} s in all",
}
