"""What a figure needs of a frame, and one line for a frame of something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd

from gradflow.recording import Recording

Data = pd.DataFrame | Recording | Iterable[Recording]
Frame = pd.DataFrame | None  # beside the first
Several = Mapping[str, pd.DataFrame] | Data  # by measure


def require(frame: pd.DataFrame, columns: Sequence[str], source: str, argument: str = "frame") -> None:
    """Raise ValueError naming the first column that an argument lacks, or that it has no rows."""
    require_columns(frame, columns, source, argument)
    if not len(frame):
        raise ValueError(f"{argument} has no rows, so there is nothing to draw; see {source}.")


def require_columns(frame: pd.DataFrame, columns: Sequence[str], source: str, argument: str = "frame") -> None:
    """Raise ValueError naming the first column that an argument lacks; TypeError if it is no frame."""
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"{argument} must be a DataFrame from {source}; got {type(frame).__name__}.")
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ValueError(f"{argument} lacks the column {missing[0]!r}; pass what {source} returns.")


def frame_of(data: Data, make: Callable[[list[Recording]], pd.DataFrame]) -> pd.DataFrame:
    """Return what `make` makes of recordings; a frame is returned as it is."""
    if isinstance(data, Recording):
        return make([data])
    if isinstance(data, pd.DataFrame) or not isinstance(data, Iterable):
        return data  # `require` says what else it is
    found = list(data)
    are_recordings = bool(found) and all(isinstance(one, Recording) for one in found)
    return make(found) if are_recordings else cast(pd.DataFrame, data)


def frames_of(
    data: Several, make: Callable[[list[Recording]], pd.DataFrame]
) -> Mapping[str, pd.DataFrame] | pd.DataFrame:
    """Return what `make` makes of recordings; frames are returned as they are."""
    return data if isinstance(data, Mapping) else frame_of(data, make)


def counted(rows: pd.DataFrame, values: pd.Series[float]) -> pd.DataFrame:
    """Return rows of a value each with how many are zero, and how many not finite: one or none."""
    return rows.assign(n_zero=(values == 0).astype(int), n_nonfinite=np.isinf(values).astype(int))


def each(frames: pd.DataFrame | Mapping[str, pd.DataFrame], measure: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield measure, name of the argument and frame, of several frames by measure or of a single one."""
    if not isinstance(frames, Mapping):
        yield measure, "frames", frames
        return
    for name, frame in frames.items():
        yield name, f"frames[{name!r}]", frame


def joined(
    frames: pd.DataFrame | Mapping[str, pd.DataFrame], measure: str, columns: Sequence[str], source: str
) -> pd.DataFrame:
    """Return the rows of all frames, each with its measure, once every frame has been checked."""
    parts = []
    for name, argument, frame in each(frames, measure):
        require(frame, columns, source, argument)
        parts.append(frame.assign(measure=name))
    return pd.concat(parts, ignore_index=True)
