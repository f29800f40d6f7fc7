"""Several processes that train one network: what each does of a step, and what they exchange.

Every process holds the network and computes the gradient of its part of the batch; DistributedDataParallel averages the
gradients, so that all make the same update. The first process alone records, measures errors on whole sets and keeps
checkpoints. Batch norm takes each process's part by itself, and running statistics are the first one's.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from gradflow.errors import GradflowError

FAILED_SECONDS = 20.0  # that a process which failed waits for the others to fail too
PRIME = 1_000_003  # between the random states of two seeds


class PartnerError(GradflowError):
    """Another process could not begin the run; its reason is the message."""


class StrandedError(GradflowError):
    """One process failed in the middle of a run and the others did not; all have to end."""


class Team:
    """The processes that make one run together, as one of them sees it: `rank` 0 of `size` is the one that records."""

    def __init__(self, rank: int = 0, size: int = 1, control: distributed.ProcessGroup | None = None) -> None:
        self.rank = rank
        self.size = size
        self._control = control
        self._has_begun = False

    @property
    def is_first(self) -> bool:
        """Whether this process records."""
        return self.rank == 0

    def begin(self, state: dict[str, Any] | None) -> dict[str, Any] | None:
        """Wait until all are ready, and return the first one's state; PartnerError if one of them could not begin."""
        if self.size == 1:
            return state
        reasons = self._exchange(None)
        for rank, reason in enumerate(reasons):
            if reason is not None:
                raise PartnerError(f"process {rank}: {reason}")
        shared = [state]
        distributed.broadcast_object_list(shared, src=0, group=self._control)
        return shared[0]

    def end(self, reason: str | None = None) -> None:
        """Leave the run, after its last step or because of an error, once all others have left it too.

        Raises StrandedError where this process failed and the others are still in the run: they wait for it in vain.
        """
        if self.size == 1:
            return
        if not self._has_begun:
            self._exchange(reason or "finished by another process")
        meeting = distributed.barrier(group=self._control, async_op=True)
        if reason is None:
            meeting.wait()
            return
        latest = time.monotonic() + FAILED_SECONDS
        while not meeting.is_completed():
            if time.monotonic() > latest:
                raise StrandedError(f"process {self.rank} failed alone, and the others wait for it: {reason}")
            time.sleep(0.01)

    def _exchange(self, reason: str | None) -> list[str | None]:
        """Tell the others why this process cannot begin, if it cannot, and return what each of them says."""
        reasons: list[Any] = [None] * self.size
        distributed.all_gather_object(reasons, reason, group=self._control)
        self._has_begun = True
        return reasons

    def spread(self, model: nn.Module) -> nn.Module:
        """Return a model whose backward pass averages gradients over the processes; its parameters are the same."""
        return model if self.size == 1 else DistributedDataParallel(model)

    def part(self, batch: Tensor) -> Tensor:
        """Return this process's part of a batch."""
        return batch if self.size == 1 else batch.chunk(self.size)[self.rank]

    def means(self, *scalars: Tensor) -> tuple[Tensor, ...]:
        """Return 0-d tensors averaged over the processes."""
        if self.size == 1:
            return scalars
        both = torch.stack(scalars)
        distributed.all_reduce(both)
        return (both / self.size).unbind()

    def seed(self, seed: int, step: int) -> None:
        """Seed the global random state for a step, of each process another, so that it need not be kept."""
        if self.size > 1:
            torch.manual_seed(((seed * PRIME + step) * self.size + self.rank) % 2**63)


ALONE = Team()
