"""The group of commands: each comes from a module of its own, imported when it is asked for."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import click

from gradflow.cli.help import HELP, Group, Option
from gradflow.cli.lang_option import lang_option
from gradflow.cli.torchrun_start import take_part

CHECK_FAILED, BAD_INPUT, RUNS_FAILED, INTERRUPTED = 1, 2, 3, 130  # exit codes
REPORTS = Path("reports")  # where commands write to unless --out says otherwise
COMMANDS = (
    "analyze", "check", "compare", "diagnose", "diff", "doctor", "env", "forecast", "models", "report", "runs", "sweep",
    "theory", "vanishing", "watch",
)  # fmt: skip


class LazyCommands(Mapping[str, click.Command]):
    """All commands by name, each imported from its module, `name` of `name_command.py`, when it is asked for.

    Those modules hold the options alone, so that --help and errors of usage come at once; the work is in modules that
    they import when the command runs. A mapping, and not a group that overrides `get_command`, so that
    click suggests a name where one is misspelt.
    """

    def __getitem__(self, name: str) -> click.Command:
        """Return a command."""
        if name not in COMMANDS:
            raise KeyError(name)
        command: click.Command = getattr(import_module(f"gradflow.cli.{name}_command"), name)
        return command

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(COMMANDS)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(COMMANDS)


@click.group(
    "gradflow",
    cls=Group,
    commands=LazyCommands(),
    context_settings={"help_option_names": HELP, "max_content_width": 100},
)
@click.version_option(package_name="gradflow-torch", prog_name="gradflow", cls=Option)
@lang_option
@click.pass_context
def cli(context: click.Context) -> None:
    """Gradient-flow analysis for PyTorch: train, record, compare, report."""
    take_part(context)


def command_line() -> str:
    """Return the command as it was given."""
    return shlex.join(["gradflow", *sys.argv[1:]])
