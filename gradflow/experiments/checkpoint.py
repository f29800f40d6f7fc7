"""Checkpoints: tensors and plain values in one file with its checksum, whole or not at all; never plain pickle."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from gradflow import storage
from gradflow.errors import GradflowError
from gradflow.experiments.run_failures import is_out_of_memory
from gradflow.experiments.set_aside import leave_room, set_aside
from gradflow.storage import write_whole

HEADER = "gradflow-checkpoint 1 sha256 "  # and 64 digits and a line's end; then what torch.save wrote
PREFIX, SUFFIX = "checkpoint-", ".pt"
KEPT = 2  # the newest, and the one before should that be damaged


class CheckpointError(GradflowError):
    """A checkpoint that is cut short, damaged, of another format or of another run."""


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state so that the file appears whole, and is on the disk on return; after an OSError it is as it was."""
    stream = io.BytesIO()
    torch.save(dict(state), stream)
    payload = stream.getbuffer()
    write_whole(path, (HEADER + hashlib.sha256(payload).hexdigest() + "\n").encode(), payload)


def read(path: Path) -> dict[str, Any]:
    """Return the state in a file, on the CPU.

    Nothing is unpickled but tensors and plain values, and that only once the checksum is right. Raises CheckpointError
    where it is no file, cut short, damaged, of another format, holds no state, or asks for anything else to be
    unpickled.
    """
    try:
        content = memoryview(storage.read_bytes(path))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.name} cannot be read: {error}.") from error
    size = len(HEADER) + 64 + 1
    payload = content[size:]
    if bytes(content[:size]) != (HEADER + hashlib.sha256(payload).hexdigest() + "\n").encode():
        raise CheckpointError(f"{path.name} is cut short, damaged or of another format.")
    try:
        state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch lets through whatever its parts raise
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"{path.name} holds more than tensors and plain values.") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path.name} holds no state.")
    return state


class Checkpoints:
    """The checkpoints of one run, in its folder.

    `identity` is all that the states depend on, as JSON values: a state of another identity is never given back.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder = folder
        self._identity = json.dumps(identity, sort_keys=True)

    def write(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the state after so many updates, and remove all but the newest two; an OSError leaves earlier ones."""
        path = self._folder / f"{PREFIX}{step:09d}{SUFFIX}"
        leave_room(path)
        write(path, {"identity": self._identity, "state": dict(state)})
        for old in self._files()[KEPT:]:
            leave_room(old)
            old.unlink(missing_ok=True)

    def states(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield file and state of those that can be trusted, the newest first; others are set aside."""
        for path in self._files():
            try:
                found = read(path)
                identity, state = found.get("identity"), found.get("state")
                if not isinstance(identity, str) or identity != self._identity:
                    raise CheckpointError(f"{path.name} is of another run, or of another version's.")
                if not isinstance(state, dict):
                    raise CheckpointError(f"{path.name} holds no state.")
            except CheckpointError:
                set_aside(path)
            else:
                yield path, state

    def _files(self) -> list[Path]:
        """Return the checkpoints, newest first."""
        return sorted(self._folder.glob(f"{PREFIX}*{SUFFIX}"), reverse=True)
