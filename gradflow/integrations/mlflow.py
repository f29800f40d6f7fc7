"""MLflow: a sink for a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from gradflow.integrations.optional import library
from gradflow.integrations.trackers import Pixels, Tracker


class MLflow(Tracker):
    """Show each flush in an MLflow run: `gradflow.record(model, sinks=[MLflow()])`.

    Parameters
    ----------
    run_id : str, optional
        By default that of the active run, which is started if there is none.
    **options
        `prefix`, `step_offset`, `layers` and `picture`, as in `Tracker`.
    """

    def __init__(self, run_id: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        distribution = "mlflow-skinny"  # a part of mlflow, too
        self._mlflow = library("mlflow", extra="mlflow", least="2.19", distribution=distribution)
        if run_id is None:
            run_id = (self._mlflow.active_run() or self._mlflow.start_run()).info.run_id
        self._run_id = run_id

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Show numbers among the metrics, all in one request."""
        self._mlflow.log_metrics(dict(numbers), step=step, run_id=self._run_id)

    def show(self, name: str, pixels: Pixels, step: int) -> None:
        """Replace the picture among the run's artifacts."""
        client = self._mlflow.MlflowClient()
        client.log_image(self._run_id, Image.fromarray(pixels), artifact_file=f"{name}.png")
