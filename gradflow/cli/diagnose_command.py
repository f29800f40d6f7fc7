"""`gradflow diagnose`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli.busy import busy
from gradflow.cli.help import command, option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import PathTo


@command
@click.argument("runs", nargs=-1, required=True, type=PathTo())
@option("--json", "as_json", is_flag=True)
@lang_option
def diagnose(runs: tuple[Path, ...], as_json: bool) -> None:
    """Say what is wrong with recorded runs, why, and what to change first."""
    with busy("reading"):
        from gradflow.cli.diagnosing import print_diagnosis  # brings pandas, which --help and errors of usage need not

    print_diagnosis(runs, as_json=as_json)
