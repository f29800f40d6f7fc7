"""Weights & Biases: a sink for a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradflow.integrations.optional import library
from gradflow.integrations.trackers import Pixels, Tracker


class WandB(Tracker):
    """Show each flush in a run of Weights & Biases: `gradflow.record(model, sinks=[WandB(run)])`.

    All series are plotted over `gradflow/step`, which counts the optimizer's steps, whatever the run's own steps
    are.

    Parameters
    ----------
    run : wandb.Run
        Stays open.
    commit : bool
        Create a step of the run for each flush. With False, the values are sent with your next `run.log`, so only
        the last flush before it is seen; needed if you number the run's steps yourself, for example by epoch.
    **options
        `prefix`, `step_offset`, `layers` and `picture`, as in `Tracker`.
    """

    def __init__(self, run: Any, *, commit: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self._wandb = library("wandb", extra="wandb", least="0.19")
        self._run, self._commit = run, commit
        self._waiting: dict[str, Any] = {}
        self._is_defined: set[str] = set()

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Show numbers, and the picture that belongs to them."""
        if self.prefix not in self._is_defined:
            self._is_defined.add(self.prefix)
            self._run.define_metric(f"{self.prefix}/step", hidden=True)
            self._run.define_metric(f"{self.prefix}/*", step_metric=f"{self.prefix}/step")
        self._waiting = {**self._waiting, **numbers, f"{self.prefix}/step": step}
        if not self._has_picture:
            self._send()

    def show(self, name: str, pixels: Pixels, step: int) -> None:
        """Show a picture, with the numbers of its step."""
        self._waiting[name] = self._wandb.Image(pixels)
        self._send()

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._run.log(waiting, commit=self._commit)

    def close(self) -> None:
        """Send what was not sent: the numbers of a flush without layers."""
        if self._waiting:
            self._send()
