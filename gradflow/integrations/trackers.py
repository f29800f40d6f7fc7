"""Tracker: what TensorBoard, W&B, MLflow and CSV files have in common: a dozen numbers and a picture at each flush."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gradflow.analysis.flushed import Flushed
from gradflow.integrations.picture import Picture

Pixels = NDArray[np.uint8]  # (height, width, 3)


class Tracker(ABC):
    """A sink of `gradflow.record` that shows each flush in a tracker, at the last recorded step.

    Parameters
    ----------
    prefix : str
        What the names of all series begin with.
    step_offset : int
        Added to the recorder's steps, where the tracker's run is older than the recording.
    layers : bool
        Also show a series of each layer's gradients: grad_norm and out_grad_norm.
    picture : bool
        Show one picture of all layers' gradients over the steps so far.
    """

    def __init__(
        self, *, prefix: str = "gradflow", step_offset: int = 0, layers: bool = False, picture: bool = True
    ) -> None:
        self._prefix = prefix
        self._step_offset = step_offset
        self._layers = layers
        self._has_picture = picture
        self._pictures: dict[str, Picture] = {}  # by network
        self._part = ""  # the network that is shown at the moment

    def write(self, flushed: Flushed) -> None:
        """Show what was flushed."""
        step = flushed.step + self._step_offset
        numbers = flushed.scalars
        if self._layers:
            numbers = {**numbers, **_of_layers(flushed)}
        self._part = flushed.part
        self.log({f"{self.prefix}/{name}": value for name, value in numbers.items()}, step)
        if self._has_picture and len(flushed.layers):
            picture = self._pictures.setdefault(flushed.part, Picture())
            picture.add(step, flushed.profile, flushed.measure)
            self.show(f"{self.prefix}/layers", picture.pixels(), step)

    @property
    def prefix(self) -> str:
        """What the names of series begin with: the prefix, and the network where there are several."""
        return f"{self._prefix}/{self._part}" if self._part else self._prefix

    @abstractmethod
    def log(self, numbers: Mapping[str, float], step: int) -> object:
        """Show numbers by their names."""

    def show(self, name: str, pixels: Pixels, step: int) -> object:  # noqa: B027  # a tracker may know no pictures
        """Show a picture."""

    def close(self) -> object:  # noqa: B027  # most have nothing to end: their runs are the user's
        """End."""


class Logged(Tracker):
    """Hands the numbers of each flush, and their step, to a trainer's own log."""

    def __init__(self, log: Callable[[Mapping[str, float], int], object]) -> None:
        super().__init__(picture=False)
        self._log = log

    def log(self, numbers: Mapping[str, float], step: int) -> object:
        """Hand them on."""
        return self._log(numbers, step)


def _of_layers(flushed: Flushed) -> dict[str, float]:
    """Return each layer's norms by name, of those that were measured."""
    table = flushed.profile
    return {
        f"{measure}/{layer}": float(value)
        for measure in ("grad_norm", "out_grad_norm")
        for layer, value in zip(table["layer"], table[measure], strict=True)
        if value == value
    }
