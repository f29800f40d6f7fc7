"""`gradflow compare`: its options."""

from __future__ import annotations

from typing import Any

import click

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import execution_options, options_of, settings_options
from gradflow.cli.values import given
from gradflow.settings import SweepSettings


@click.command()
@options_of(SweepSettings)
@click.option("--preset", help="The experiment of a paper or of the tutorial: a name, or list.")
@settings_options
@execution_options
@click.option("--demo/--no-demo", default=None, help="Add the vanishing-gradient demo.  [default: without a preset]")
@output.data_options()
@lang_option
def compare(preset: str | None, demo: bool | None, scaled: bool, form: str | None, **options: Any) -> None:
    """Train plain and residual networks of several depths on real data; report errors and gradients.

    An option given several times is varied: every combination is a run. With --preset, options replace the preset's.
    Runs that are already in the folder are not made again: after an interruption, give the same command.
    """
    ignored = [name for name in given() if name not in ("preset", "json", "csv", "lang")]
    if preset == "list" and ignored:
        raise click.UsageError(f"--preset list takes no --{ignored[0].replace('_', '-')}.")
    names_own_model = any(":" in model for model in options["model"])  # which need not have depths
    if preset is None and options["depths"] is None and not names_own_model:
        raise click.UsageError("Missing option '--depths', or '--preset' (gradflow compare --preset list).")
    if scaled and preset is None:
        raise click.UsageError("--scaled goes with --preset.")
    # Both bring torch, which --help and errors of usage need not; the second one matplotlib too.
    if preset == "list":
        with busy("loading"):
            from gradflow.cli.presets_table import print_presets

        print_presets(form)
    else:
        with busy("loading"):
            from gradflow.cli.sweeping import compare_networks

        compare_networks(preset, scaled=scaled, demo=demo, form=form, options=options)
