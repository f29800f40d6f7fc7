"""The commands: parse, compose public calls, draw progress, echo. What is computed, a library call computes."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradflow.cli import output
from gradflow.cli.run_options import plan_arguments, settings_options, whole_numbers, words

if TYPE_CHECKING:
    from gradflow.recording import Recording

# Torch, pandas and matplotlib are imported inside the commands, so that --help answers at once.

BAD_INPUT, RUNS_FAILED, INTERRUPTED = 2, 3, 130
REPORTS = Path("reports")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gradflow-torch", prog_name="gradflow")
def cli() -> None:
    """Gradient-flow analysis for PyTorch: train, record, compare, report."""


@cli.command()
@click.option("--depths", callback=whole_numbers, required=True, help="Weighted layers, each 6n + 2: 20,56,110.")
@click.option("--families", callback=words, help="As the model has them.  [default: plain,residual]")
@click.option("--seeds", type=int, default=3, show_default=True, help="Networks of each kind.")
@settings_options
@click.option("--workers", type=int, help="Processes of one thread each.  [default: one per core]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, ...")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.  [default: reports/NAME]")
@click.option("--name", help="Title of the report.  [default: from data and depths]")
@click.option("--demo/--no-demo", default=True, show_default=True, help="Add the vanishing-gradient demo.")
@output.data_options()
def compare(
    depths: tuple[int, ...], out: Path | None, name: str | None, demo: bool, form: str | None, **settings: Any
) -> None:
    """Train plain and residual networks of several depths on real data; report errors and gradients.

    Runs that are already in the folder are not made again: after an interruption, give the same command.
    """
    from gradflow import experiments
    from gradflow.cli.progress import follow
    from gradflow.cli.tables import print_summary

    began = time.perf_counter()
    workers = settings.pop("workers")
    runs = experiments.plan(depths, **plan_arguments(settings))
    title = name or f"compare-{runs[0].data.partition(':')[0]}-{'-'.join(map(str, depths))}"
    folder = out or REPORTS / title
    failures: dict[str, str] = {}
    with follow(runs, to_stderr=form is not None) as on_event:
        try:
            recordings = experiments.execute(runs, out=folder, workers=workers, on_event=on_event, command=_command())
        except experiments.RunsFailedError as error:
            failures, recordings = error.failures, error.recordings
    trained = time.perf_counter() - began
    if recordings:
        print_summary(recordings, form)
        shown = [*recordings, *(_demo(folder) if demo else ())]
        _report(shown, folder, name, form)
    output.say(f"recordings  {folder / 'runs'}", form)
    output.say(f"{trained:.0f} s to train, {time.perf_counter() - began:.0f} s in all", form)
    for run, reason in failures.items():
        output.say(f"failed      {run}: {reason}", err=True)
    if failures:
        click.get_current_context().exit(RUNS_FAILED)


@cli.command()
@click.option("--depth", type=int, default=20, show_default=True, help="Weighted layers.")
@click.option("--width", type=int, default=256, show_default=True, help="Units of a hidden layer.")
@click.option("--seeds", type=int, default=10, show_default=True, help="Networks of each setting.")
@click.option("--settings", callback=words, help="Which settings.  [default: all]")
@click.option("--data", default="digits", show_default=True, help="digits, mnist5k, cifar10 or cifar10:FOLDER.")
@click.option("--batch-size", type=int, default=128, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.  [default: reports/vanishing]")
@output.data_options("Print the measured table as JSON.", "Print the measured table as CSV.")
def vanishing(out: Path | None, form: str | None, **settings: Any) -> None:
    """Show the vanishing gradient: the arithmetic, then what real networks measure at initialisation."""
    from gradflow import theory
    from gradflow.cli.tables import print_toy, print_vanishing

    folder = out or REPORTS / "vanishing"
    if form is None:
        print_toy(theory.toy().tolist())
    recordings = _demo(folder, **settings)
    print_vanishing(recordings, form)
    _report(recordings, folder, None, form)


@cli.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write to.  [default: the first of RUNS]")
@click.option("--title", help="Title of the report.")
def report(runs: tuple[Path, ...], out: Path | None, title: str | None) -> None:
    """Make a report of recordings: folders of single runs, or of whole comparisons, mixed at will.

    Needs no torch.
    """
    from gradflow import storage
    from gradflow.analysis.variants import from_sources

    storage.find(runs)  # all of them, before any is read
    seen: set[Path] = set()
    groups: dict[str, list[Recording]] = {}
    for path in dict.fromkeys(runs):
        folders = [folder for folder in storage.find([path]) if folder.resolve() not in seen]
        seen.update(folder.resolve() for folder in folders)
        groups[str(path.resolve())] = [storage.load(folder) for folder in folders]
    recordings = from_sources(groups)
    _report(recordings, out or runs[0], title)


def _demo(folder: Path, **settings: Any) -> list[Recording]:
    """Measure the vanishing-gradient demo and keep its recordings in the folder."""
    import torch

    from gradflow import experiments

    torch.set_num_threads(1)  # the networks are small: a second thread costs more than it brings
    recordings = experiments.vanishing(**settings)
    experiments.keep_all(recordings, folder, group="vanishing", command=_command())
    return recordings


def _report(recordings: list[Recording], folder: Path, title: str | None, form: str | None = None) -> None:
    from gradflow.reporting import report as write
    from gradflow.storage import StorageError

    try:
        page = write(recordings, folder, title=title, command=_command())
    except OSError as error:
        raise StorageError(f"cannot write a report to {folder}: {error.strerror or error}.") from None
    output.say(f"report      {page}", form)
    output.say(f"figures     {page.parent / 'figures'}", form)
    output.say(f"tables      {page.parent / 'tables'}", form)


def _command() -> str:
    """Return the command as it was given."""
    return shlex.join(["gradflow", *sys.argv[1:]])
