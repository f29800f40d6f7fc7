"""`gradflow forecast`: its options."""

from __future__ import annotations

from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.lang_option import lang_option
from gradflow.cli.target_options import of_data, of_device, of_factory, of_updates


@click.command()
@click.argument("target")
@of_factory
@of_data
@of_updates("batch_size")
@of_device
@output.data_options("Print verdict, reasons and numbers as JSON.", "Print the measured numbers as CSV.")
@lang_option
def forecast(target: str, **options: Any) -> None:
    """Forecast whether a network will train, from ten updates of a copy.

    TARGET is torchvision:resnet18, timm:convnext_tiny, package.module:factory or path/to/file.py:factory. Real examples
    are needed: give --data, or a factory that returns (model, inputs, targets). The verdict is will train, will fail or
    open; how often each came true, and what ten updates cannot show, is printed with it.
    """
    from gradflow.cli.forecasting import print_forecast  # brings torch, which --help and errors of usage need not

    print_forecast(target, **options)
