"""`gradflow forecast`: its options."""

from __future__ import annotations

from typing import Any

from gradflow.cli import output
from gradflow.cli.help import command
from gradflow.cli.lang_option import lang_option
from gradflow.cli.target_options import of_data, of_device, of_factory, of_target, of_updates


@command
@of_target
@of_factory
@of_data
@of_updates("batch_size")
@of_device
@output.data_options
@lang_option
def forecast(target: str, **options: Any) -> None:
    """Forecast whether a network will train, from ten updates of a copy."""
    from gradflow.cli.forecasting import print_forecast  # brings torch, which --help and errors of usage need not

    print_forecast(target, **options)
