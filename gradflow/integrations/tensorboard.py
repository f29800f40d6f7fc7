"""TensorBoard: a sink for a `SummaryWriter`; TensorBoard itself is the writer's affair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradflow.integrations.trackers import Pixels, Tracker


class TensorBoard(Tracker):
    """Show each flush in TensorBoard: `gradflow.record(model, sinks=[TensorBoard(writer)])`.

    Parameters
    ----------
    writer : torch.utils.tensorboard.SummaryWriter
        Stays open.
    **options
        `prefix`, `step_offset`, `layers` and `picture`, as in `Tracker`.
    """

    def __init__(self, writer: Any, **options: Any) -> None:
        super().__init__(**options)
        self._writer = writer

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Show numbers among the scalars."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def show(self, name: str, pixels: Pixels, step: int) -> None:
        """Show a picture among the images."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Bring to the disk what the writer holds."""
        self._writer.flush()
