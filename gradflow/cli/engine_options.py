"""The options that say who makes the runs: worker processes of this machine, a Ray cluster, or torchrun's processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gradflow.cli import torchrun
from gradflow.cli.values import Number

LOCAL, RAY = "local", "ray"
_RAY_ALONE = ("address", "gpus_per_run")


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of engines and stores."""
    options = (
        click.option("--engine", type=click.Choice([LOCAL, RAY]), help="Who makes the runs.  [default: local]"),
        click.option("--address", help="Ray: HOST:PORT of a cluster, or auto.  [default: one on this machine]"),
        click.option(
            "--gpus-per-run",
            type=Number("gpus_per_run"),
            help="Ray: GPUs a run takes up, such as 0.25.  [default: 1 on cuda]",
        ),
        click.option("--store", help="URL that finished runs are copied to: s3://bucket/sweep, file:///..."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def take_engine(settings: dict[str, Any]) -> dict[str, Any]:
    """Return `engine` and `store` as `gradflow.experiments.execute` takes them, taken out of a command's settings.

    Raises
    ------
    click.UsageError
        Options of one engine are given with the other.
    PlanError
        A value is out of range.
    """
    chosen = settings.pop("engine") or LOCAL
    details = {name: settings.pop(name) for name in _RAY_ALONE}
    given = {name: value for name, value in details.items() if value is not None}
    store = settings.pop("store")
    arguments = {} if store is None else {"store": store}
    together = torchrun.engine()
    if together is not None:
        if settings.get("workers") is not None or chosen != LOCAL or given:
            raise click.UsageError("torchrun makes the runs: leave out --workers, --engine and what goes with it.")
        return {"engine": together, **arguments}
    if chosen == LOCAL:
        for name in given:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --engine ray.")
        return arguments
    if settings.get("workers") is not None:
        raise click.UsageError("--workers goes with --engine local; on a cluster every run takes up one CPU.")
    from gradflow.experiments.ray_engine import RayEngine

    return {"engine": RayEngine(**given), **arguments}
