"""The options that say who makes the runs: worker processes of this machine, a Ray cluster, or torchrun's processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gradflow.cli.values import Number

LOCAL, RAY = "local", "ray"
RAY_ALONE = ("address", "gpus_per_run")


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
