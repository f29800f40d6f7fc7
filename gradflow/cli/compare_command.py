"""`gradflow compare`: its options."""

from __future__ import annotations

from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import execution_options, options_of, settings_options
from gradflow.cli.values import given, preset_names
from gradflow.settings import SweepSettings
from gradflow.text import text


@command
@options_of(SweepSettings)
@option("--preset", known=lambda: [*preset_names(), "list"], group="sweep")
@settings_options
@execution_options
@option("--demo/--no-demo", default=None, group="sweep")
@output.data_options
@lang_option
def compare(preset: str | None, demo: bool | None, scaled: bool, form: str | None, **options: Any) -> None:
    """Train plain and residual networks of several depths on real data; report errors and gradients."""
    ignored = [name.replace("_", "-") for name in given() if name not in ("preset", "json", "csv", "lang")]
    if preset == "list" and ignored:
        raise click.UsageError(text("usage.together", option=f"--{ignored[0]}", other="--preset list"))
    names_own_model = any(":" in model for model in options["model"])  # which need not have depths
    if preset is None and options["depths"] is None and not names_own_model:
        raise click.UsageError(text("usage.missing_depths"))
    if scaled and preset is None:
        raise click.UsageError(text("usage.only_with", option="--scaled", other="--preset"))
    # Both bring torch, which --help and errors of usage need not; the second one matplotlib too.
    if preset == "list":
        with busy("loading"):
            from gradflow.cli.presets_table import print_presets

        print_presets(form)
    else:
        with busy("loading"):
            from gradflow.cli.sweeping import compare_networks

        compare_networks(preset, scaled=scaled, demo=demo, form=form, options=options)
