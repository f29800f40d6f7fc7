"""A sweep from plan to report: what `compare` and `sweep` share."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import torch

from gradflow import experiments, storage
from gradflow.cli import demonstration, output, torchrun_start
from gradflow.cli.commands import REPORTS, RUNS_FAILED, command_line
from gradflow.cli.early_page import EarlyPages, early_pages
from gradflow.cli.plan_table import print_plan, print_shattering
from gradflow.cli.printed_tables import print_summary
from gradflow.cli.progress import follow
from gradflow.cli.report_writing import heading, say_report, write_report
from gradflow.cli.run_options import LOCAL, RAY_ALONE, plan_arguments
from gradflow.cli.values import MAX_NAME, refuse
from gradflow.experiments import Event, Run
from gradflow.experiments.folder import RUNS, check_out, guarded
from gradflow.experiments.presets import read_preset
from gradflow.experiments.ray_engine import RayEngine
from gradflow.experiments.recipe import check
from gradflow.experiments.run import check_execution, check_fit
from gradflow.experiments.sweepfile import Sweep, read_sweep
from gradflow.notes import annotated, write_notes
from gradflow.ranges import shown
from gradflow.settings import ShatteringSettings
from gradflow.text import text

# The options of a command that say how and where runs are made; all others shape the runs.
EXECUTION = ("name", "out", "dry_run", "workers", "checkpoint_every", "engine", "store", *RAY_ALONE)


@dataclass(frozen=True)
class ExecutionOptions:
    """How a sweep is to be carried out, as the command line says: `out` None is a folder of the sweep's name."""

    title: str | None
    out: Path | None
    form: str | None = None
    dry_run: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        """Return where everything goes; by the title only where it can be a folder's name."""
        if self.out is not None:
            return self.out
        if self.title is not None and not _is_name(self.title):
            refuse(f"name must be a folder's name, unless --out says where to write; got {shown(self.title)}.")
        return REPORTS / (self.title or name)


def _is_name(title: str) -> bool:
    """Whether a folder can be called so, below reports and nowhere else."""
    return title.strip(". ") != "" and "/" not in title and os.sep not in title and len(title.encode()) <= MAX_NAME


def compare_networks(
    preset: str | None, *, scaled: bool, demo: bool | None, form: str | None, options: Mapping[str, Any]
) -> None:
    """Make the runs of a preset or of the options alone; by default the demo goes with the latter."""
    sweep = Sweep("", "compare", {}) if preset is None else read_preset(preset, scaled=scaled)
    execution = execution_options(options, form)
    settings = {name: value for name, value in options.items() if name not in EXECUTION}
    run_sweep(sweep, plan_arguments(settings), execution, with_demo=preset is None if demo is None else demo)


def sweep_of(file: Path, *, scaled: bool, form: str | None, options: Mapping[str, Any]) -> None:
    """Make the runs of a sweep file."""
    execution = execution_options(options, form)
    run_sweep(read_sweep(file, scaled=scaled), {"device": options["device"]}, execution)


def execution_options(options: Mapping[str, Any], form: str | None) -> ExecutionOptions:
    """Return how to execute a sweep, by a command's options.

    Raises UsageError where options of one engine are given with the other, PlanError where a value is out of range.
    """
    given = {name: options[name] for name in ("store", "workers", "checkpoint_every") if options[name] is not None}
    return ExecutionOptions(options["name"], options["out"], form, options["dry_run"], {**_engine(options), **given})


def _engine(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine as `gradflow.experiments.execute` takes it; nothing for worker processes of this machine."""
    chosen, has_workers = options["engine"] or LOCAL, options["workers"] is not None
    details = {name: options[name] for name in RAY_ALONE if options[name] is not None}
    together = torchrun_start.engine()
    if together is not None:
        if has_workers or chosen != LOCAL or details:
            raise click.UsageError(text("usage.torchrun"))
        return {"engine": together}
    if chosen == LOCAL:
        for name in details:
            raise click.UsageError(text("usage.only_with", option=f"--{name.replace('_', '-')}", other="--engine ray"))
        return {}
    if has_workers:
        raise click.UsageError(text("usage.only_with", option="--workers", other="--engine local"))
    return {"engine": RayEngine(**details)}


def run_sweep(sweep: Sweep, given: Mapping[str, Any], execution: ExecutionOptions, *, with_demo: bool = False) -> None:
    """Print the plan; unless this is a dry run, make the runs, print what they found and write the report.

    Arguments given replace the sweep's own. With `with_demo` the vanishing-gradient demo is measured too, and shown
    beside the runs.
    """
    if sweep.experiment == "shattering":
        _shattering(sweep, given, execution, with_demo=with_demo)
        return
    began = time.perf_counter()
    together = torchrun_start.engine()
    runs = sweep.plan(given if together is None else {**given, "processes": together.processes})
    folder = execution.folder(name_of(sweep, runs))
    if execution.dry_run:
        check_execution(runs, out=folder, **execution.arguments)
        check_fit(runs)
    print_plan(runs, sweep.notes, folder, execution.form, execution.arguments.get("workers"), dry_run=execution.dry_run)
    if execution.dry_run:
        return
    failures: dict[str, str] = {}
    title = execution.title or heading(sweep.notes)
    early = EarlyPages(runs, folder, title, sweep.notes, command_line())
    with early_pages(early), follow(runs, to_stderr=execution.form is not None) as on_event:

        def told(event: Event) -> None:
            early.note(event)  # first: what is said to be finished is on the page of an interruption
            on_event(event)

        try:
            recordings = experiments.execute(
                runs, out=folder, on_event=told, command=command_line(), **execution.arguments
            )
        except experiments.RunsFailedError as error:
            failures, recordings = error.failures, error.recordings
    trained = time.perf_counter() - began
    written = None
    with guarded(folder) as sweep_folder:
        write_notes(sweep_folder.anchor, {**sweep.notes, "title": execution.title or sweep.notes.get("title", "")})
        if recordings:
            there = sweep_folder.anchor / RUNS  # this very folder, whatever takes its place while it is drawn
            recordings = [storage.peek(there / run.id) for run in runs if storage.is_recording(there / run.id)]
            print_summary(recordings, execution.form)
            demo = demonstration.measure(sweep_folder.anchor) if with_demo else []
            shown = [*annotated(recordings, sweep.notes), *demo]
            sweep_folder.check()
            written = write_report(shown, folder, title, sweep=sweep_folder)
    took = {"trained": f"{trained:.0f}", "whole": f"{time.perf_counter() - began:.0f}"}
    output.say(text("progress.took", **took), execution.form)
    if written is not None:
        say_report(written, execution.form, folder / "runs")
    for run, reason in failures.items():
        output.say_where("failed", f"{run}: {reason}", err=True)
    if failures:
        click.get_current_context().exit(RUNS_FAILED)


def _shattering(sweep: Sweep, given: Mapping[str, Any], execution: ExecutionOptions, *, with_demo: bool) -> None:
    """Measure shattering by depth and write the report."""
    arguments = dict(sweep.arguments)
    unfit = [name for name, value in given.items() if value not in (None, {}) and name != "seeds"]
    unfit += [*execution.arguments, *(["demo"] if with_demo else [])]
    if unfit:
        line = text("error.plan.no_training", source=sweep.source, name=unfit[0].replace("_", "-"))
        raise experiments.PlanError(line)
    if given.get("seeds") is not None:
        arguments["seeds"] = given["seeds"]
    check(ShatteringSettings, **arguments)
    folder = execution.folder(name_of(sweep, []))
    check_out(folder)
    print_shattering(arguments, execution.form, dry_run=execution.dry_run)
    if execution.dry_run:
        return
    torch.set_num_threads(1)
    recordings = experiments.shattering_by_depth(**arguments)
    experiments.keep_all(recordings, folder, group="shattering", command=command_line())
    write_notes(folder, sweep.notes)
    written = write_report(annotated(recordings, sweep.notes), folder, execution.title or heading(sweep.notes))
    say_report(written, execution.form)


def name_of(sweep: Sweep, runs: Sequence[Run]) -> str:
    """Return a folder's name: the preset's or the file's, else the data and depths."""
    scaled = "-scaled" if sweep.notes.get("scaled") else ""
    if sweep.notes.get("preset"):
        return f"{sweep.notes['preset']}{scaled}"
    if sweep.source:
        return f"{Path(sweep.source).stem}{scaled}"
    first = runs[0]
    data = os.path.basename(first.data).partition(":")[0].removesuffix(".py")
    depths = dict.fromkeys(str(run.depth) for run in sorted(runs, key=lambda run: run.depth or 0) if run.depth)
    return "-".join(["compare", data, *depths])
