"""Recorders: several networks that train together, such as a GAN's two, each with a recorder of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gradflow.errors import GradflowError
from gradflow.hooks.recorder import Recorder
from gradflow.hooks.sinks import Sink
from gradflow.recording import Recording

if TYPE_CHECKING:
    from gradflow.analysis.flushed import Flushed


class Recorders(Mapping[str, Recorder]):
    """Recorders by the names of their networks; made by `gradflow.record({"G": (generator, optimizer), ...})`.

    Each network's steps end with those of its own optimizer, so their number may differ. Also a context manager,
    which closes them all.
    """

    def __init__(self, recorders: Mapping[str, Recorder]) -> None:
        self._recorders = dict(recorders)

    def __getitem__(self, name: str) -> Recorder:
        return self._recorders[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._recorders)

    def __len__(self) -> int:
        return len(self._recorders)

    @property
    def recordings(self) -> list[Recording]:
        """What was recorded so far of each network, for `gradflow.diagnose` and `gradflow.report`."""
        return [recorder.recording for recorder in self.values()]

    def flush(self) -> None:
        """Flush every recorder."""
        for recorder in self.values():
            recorder.flush()

    def close(self) -> None:
        """Close every recorder, even if one fails; twice is as good as once."""
        with ExitStack() as stack:
            for recorder in reversed(self._recorders.values()):
                stack.callback(recorder.close)

    def state_dict(self) -> dict[str, Any]:
        """Return every recorder's state, for a checkpoint."""
        return {name: recorder.state_dict() for name, recorder in self.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken; call it before the first step."""
        for name, recorder in self.items():
            recorder.load_state_dict(state[name])

    def __enter__(self) -> Recorders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Shared:
    """A sink of several recorders: it is told whose rows it gets, and ends when the last of them does.

    Parameters
    ----------
    sink : Sink
    names : sequence of str
        Of the networks.
    """

    def __init__(self, sink: Sink, names: Sequence[str]) -> None:
        self.sink = sink
        self._open = set(names)

    def of(self, name: str) -> Sink:
        """Return the sink for one network."""
        return _Part(self, name)

    def close(self, name: str) -> None:
        """End what one network shows."""
        self._open.discard(name)
        if not self._open:
            self.sink.close()


class _Part:
    """A sink for one of several networks."""

    def __init__(self, shared: Shared, part: str) -> None:
        self._shared, self._part = shared, part
        self.name = type(shared.sink).__name__

    def write(self, flushed: Flushed) -> None:
        """Show the rows as this network's."""
        self._shared.sink.write(replace(flushed, part=self._part))

    def close(self) -> None:
        """End, if all others have."""
        self._shared.close(self._part)


def check_parts(parts: Mapping[str, Any]) -> None:
    """Raise GradflowError unless each name can be a folder's and each value is a network with its optimizer."""
    if not parts:
        raise GradflowError("model must be a network, or name at least one: {'G': (generator, optimizer)}; got {}.")
    for name, pair in parts.items():
        if not isinstance(name, str) or not name or Path(name).name != name or name in (os.curdir, os.pardir):
            raise GradflowError(f"the name of a network must be one that a folder can have; got {name!r}.")
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise GradflowError(f"{name} must be a network and its optimizer, (model, optimizer); got {pair!r:.60}.")
