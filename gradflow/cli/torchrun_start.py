"""A command that `torchrun` started in several processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gradflow.experiments.torchrun import TorchrunEngine


def take_part(context: click.Context) -> None:
    """Join the other processes, if torchrun started several: the first one goes on, the others end with it.

    The first one's engine is the context's object.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        return
    from gradflow.experiments.torchrun import joined  # brings torch, under torchrun alone

    context.obj = context.with_resource(joined())
    if context.obj is None:
        context.exit(0)


def engine() -> TorchrunEngine | None:
    """Return the engine of the processes that torchrun started, if it did."""
    found: TorchrunEngine | None = click.get_current_context().obj
    return found
