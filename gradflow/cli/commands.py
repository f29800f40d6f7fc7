"""The commands: parse, compose public calls, draw progress, echo. What is computed, a library call computes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradflow.cli import output
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import execution_options, plan_arguments, settings_options, whole_numbers, words
from gradflow.cli.sweeping import REPORTS, carry_out, command_line, heading, orders_of
from gradflow.cli.torchrun import take_part
from gradflow.cli.values import Number, PathTo, given

if TYPE_CHECKING:
    from gradflow.recording import Recording

# Torch, pandas and matplotlib are imported inside the commands, so that --help answers at once.

BAD_INPUT, INTERRUPTED = 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gradflow-torch", prog_name="gradflow")
@click.pass_context
def cli(context: click.Context) -> None:
    """Gradient-flow analysis for PyTorch: train, record, compare, report."""
    take_part(context)


@cli.command()
@click.option("--depths", callback=whole_numbers("depth"), help="Weighted layers, each 6n + 2: 20,56,110.")
@click.option("--families", callback=words, help="As the model has them.  [default: plain,residual]")
@click.option("--seeds", type=Number("seeds"), help="Networks of each kind.  [default: 3]")
@click.option("--preset", help="The experiment of a paper or of the tutorial: a name, or list.")
@settings_options
@execution_options
@click.option("--demo/--no-demo", default=None, help="Add the vanishing-gradient demo.  [default: without a preset]")
@output.data_options()
@lang_option
def compare(preset: str | None, demo: bool | None, form: str | None, **settings: Any) -> None:
    """Train plain and residual networks of several depths on real data; report errors and gradients.

    An option given several times is varied: every combination is a run. With --preset, options replace the preset's.
    Runs that are already in the folder are not made again: after an interruption, give the same command.
    """
    if preset == "list":
        ignored = [name for name in given() if name not in ("preset", "json", "csv", "lang")]
        if ignored:
            raise click.UsageError(f"--preset list takes no --{ignored[0].replace('_', '-')}.")
        from gradflow.cli.plan_table import print_presets

        print_presets(form)
        return
    if preset is None and settings["depths"] is None and not _names_own_model(settings):
        raise click.UsageError("Missing option '--depths', or '--preset' (gradflow compare --preset list).")
    from gradflow.experiments.presets import read_preset
    from gradflow.experiments.sweepfile import Sweep

    scaled = settings.pop("scaled")
    if scaled and preset is None:
        raise click.UsageError("--scaled goes with --preset.")
    sweep = Sweep("", "compare", {}) if preset is None else read_preset(preset, scaled=scaled)
    orders = orders_of(settings, form)
    with_demo = preset is None if demo is None else demo
    carry_out(sweep, plan_arguments(settings), orders, write=write_report, extra=_demo if with_demo else None)


def _names_own_model(settings: dict[str, Any]) -> bool:
    """Whether the model is a user's own, which need not have depths."""
    return any(":" in model for model in settings["model"])


@cli.command()
@click.option("--depth", type=Number("depth"), default=20, show_default=True, help="Weighted layers.")
@click.option("--width", type=Number("size"), default=256, show_default=True, help="Units of a hidden layer.")
@click.option("--seeds", type=Number("seeds"), default=10, show_default=True, help="Networks of each setting.")
@click.option("--settings", callback=words, help="Which settings.  [default: all]")
@click.option("--data", default="digits", show_default=True, help="digits, mnist5k, cifar10 or cifar10:FOLDER.")
@click.option("--batch-size", type=Number("batch_size"), default=128, show_default=True)
@click.option("--out", type=PathTo(), help="Folder to write to.  [default: reports/vanishing]")
@output.data_options("Print the measured table as JSON.", "Print the measured table as CSV.")
@lang_option
def vanishing(out: Path | None, form: str | None, **settings: Any) -> None:
    """Show the vanishing gradient: the arithmetic, then what real networks measure at initialisation."""
    from gradflow import theory
    from gradflow.cli.tables import print_toy, print_vanishing

    folder = out or REPORTS / "vanishing"
    recordings = _demo(folder, **settings)
    if form is None:
        print_toy(theory.toy().tolist())
    print_vanishing(recordings, form)
    write_report(recordings, folder, None, form)


@cli.command()
@click.argument("runs", nargs=-1, required=True, type=PathTo())
@click.option("--out", type=PathTo(), help="Folder to write to.  [default: the first of RUNS]")
@click.option("--title", help="Title of the report.")
@click.option(
    "--formats", callback=words, default="png", show_default=True, help="Of the figures: png, pdf, svg, or several."
)
@lang_option
def report(runs: tuple[Path, ...], out: Path | None, title: str | None, formats: tuple[str, ...]) -> None:
    """Make a report of recordings: folders of single runs, or of whole comparisons, mixed at will.

    Needs no torch.
    """
    from gradflow import storage
    from gradflow.analysis.sources import by_folder, from_sources
    from gradflow.notes import annotated, mark_problem, read_notes
    from gradflow.text.controls import utf8

    storage.find(runs)  # all of them, before any is read
    seen: set[Path] = set()
    groups: dict[str, list[Recording]] = {}
    titles: dict[Path, str | None] = {}
    given: dict[Path, Path] = {}
    for path in runs:
        given.setdefault(path.resolve(), path)  # a folder has several spellings
    for path in given.values():
        folders = [folder for folder in storage.find([path]) if folder.resolve() not in seen]
        seen.update(folder.resolve() for folder in folders)
        notes = read_notes(path)
        problem = mark_problem(path)
        if problem is not None:
            output.say(f"gradflow: {problem}; the report is made without it.", err=True)
        titles[path] = heading(notes)
        found = by_folder({utf8(folder.resolve()): storage.load_one(folder) for folder in folders})
        groups[utf8(path.resolve())] = annotated(found, notes)
    recordings = from_sources(groups)
    alone = next(iter(titles.values())) if len(titles) == 1 else None
    write_report(recordings, out or runs[0], title or alone, formats=formats)


def _demo(folder: Path, **settings: Any) -> list[Recording]:
    """Measure the vanishing-gradient demo and keep its recordings in the folder."""
    import torch

    from gradflow import experiments

    torch.set_num_threads(1)  # the networks are small: a second thread costs more than it brings
    recordings = experiments.vanishing(**settings)
    experiments.keep_all(recordings, folder, group="vanishing", command=command_line())
    return recordings


def write_report(
    recordings: Sequence[Recording],
    folder: Path,
    title: str | None = None,
    form: str | None = None,
    formats: Sequence[str] = ("png",),
) -> None:
    """Write a report and say where it is."""
    from gradflow.reporting import report as write
    from gradflow.storage import StorageError

    try:
        page = write(recordings, folder, title=title, command=command_line(), formats=formats)
    except OSError as error:
        raise StorageError(f"cannot write a report to {folder}: {error.strerror or error}.") from None
    output.say_where("report", page, form)
    output.say_where("figures", page.parent / "figures", form)
    output.say_where("tables", page.parent / "tables", form)
