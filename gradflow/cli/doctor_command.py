"""`gradflow doctor`: its options."""

from __future__ import annotations

from typing import Any

from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.target_options import (
    of_data,
    of_device,
    of_factory,
    of_mode,
    of_shape,
    of_target,
    of_updates,
    one_batch,
)


@command
@of_target
@of_factory
@of_shape
@of_data
@of_updates()
@of_mode
@of_device
@option("--forecast", "forecasts", is_flag=True, group="measure")
@option("--json", "as_json", is_flag=True)
@lang_option
def doctor(target: str, **options: Any) -> None:
    """Find what is wrong with a network before any training, from one batch."""
    one_batch()
    with busy("reading"):
        from gradflow.cli.doctoring import examine  # brings torch, which --help and errors of usage need not

    examine(target, **options)
