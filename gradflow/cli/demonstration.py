"""The vanishing-gradient demonstration: measured, kept, printed and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gradflow import experiments, theory
from gradflow.cli.commands import command_line
from gradflow.cli.printed_tables import print_toy, print_vanishing
from gradflow.cli.report_writing import say_report, write_report
from gradflow.recording import Recording


def show_vanishing(folder: Path, form: str | None, **settings: Any) -> None:
    """Print the arithmetic and what networks of the settings measure, and write a report."""
    recordings = measure(folder, **settings)
    if form is None:
        print_toy(theory.toy().tolist())
    print_vanishing(recordings, form)
    say_report(write_report(recordings, folder), form)


def measure(folder: Path, **settings: Any) -> list[Recording]:
    """Measure the vanishing-gradient demo and keep its recordings in the folder."""
    torch.set_num_threads(1)  # the networks are small: a second thread costs more than it brings
    recordings = experiments.vanishing(**settings)
    experiments.keep_all(recordings, folder, group="vanishing", command=command_line())
    return recordings
