"""`gradflow diagnose`: its options."""

from __future__ import annotations

from pathlib import Path

import click

from gradflow.cli.busy import busy
from gradflow.cli.lang_option import lang_option
from gradflow.cli.values import PathTo


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PathTo())
@click.option("--json", "as_json", is_flag=True, help="Print findings and checks as JSON.")
@lang_option
def diagnose(runs: tuple[Path, ...], as_json: bool) -> None:
    """Say what is wrong with recorded runs, why, and what to change first.

    RUNS are folders of single runs, or of whole comparisons. Findings are ranked: causes before what follows from them.
    What was checked and fine, and what could not be checked and how to record it, comes last. Needs no torch.
    """
    with busy("reading"):
        from gradflow.cli.diagnosing import print_diagnosis  # brings pandas, which --help and errors of usage need not

    print_diagnosis(runs, as_json=as_json)
