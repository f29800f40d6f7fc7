"""A sweep from plan to report: what `compare` and `sweep` share."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradflow.cli import output, torchrun
from gradflow.cli.engine_options import take_engine
from gradflow.cli.run_options import taken_out
from gradflow.cli.values import MAX_NAME, refuse
from gradflow.ranges import shown
from gradflow.text import text

if TYPE_CHECKING:
    from gradflow.experiments import Run
    from gradflow.experiments.sweepfile import Sweep
    from gradflow.recording import Recording

RUNS_FAILED = 3
REPORTS = Path("reports")

Extra = Callable[[Path], Sequence["Recording"]]
Write = Callable[[Sequence["Recording"], Path, str | None, str | None], None]


@dataclass(frozen=True)
class Orders:
    """How a sweep is to be carried out, as the command line says: `out` None is a folder of the sweep's name."""

    title: str | None
    out: Path | None
    form: str | None = None
    dry_run: bool = False
    execution: Mapping[str, Any] = field(default_factory=dict)

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


def orders_of(settings: dict[str, Any], form: str | None) -> Orders:
    """Return the orders among a command's settings, taken out of them."""
    execution = {**take_engine(settings), **taken_out(settings)}
    return Orders(settings.pop("name"), settings.pop("out"), form, settings.pop("dry_run"), execution)


def carry_out(sweep: Sweep, given: Mapping[str, Any], orders: Orders, *, write: Write, extra: Extra | None) -> None:
    """Print the plan; unless this is a dry run, make the runs, print what they found and write the report.

    Parameters
    ----------
    sweep, given
        The sweep, and arguments that replace its own.
    orders : Orders
    write : callable
        Writes the report: recordings, folder, title, form.
    extra : callable, optional
        Makes recordings to be shown beside the runs.
    """
    if sweep.experiment == "shattering":
        _shattering(sweep, given, orders, write, extra)
        return
    from gradflow import experiments
    from gradflow.cli.plan_table import print_plan
    from gradflow.cli.progress import follow
    from gradflow.cli.tables import print_summary
    from gradflow.experiments.folder import guarded
    from gradflow.experiments.run import check_execution, check_fit
    from gradflow.notes import annotated, write_notes

    began = time.perf_counter()
    together = torchrun.engine()
    runs = sweep.plan(given if together is None else {**given, "processes": together.processes})
    folder = orders.folder(name_of(sweep, runs))
    if orders.dry_run:
        check_execution(runs, out=folder, **orders.execution)
        check_fit(runs)
    print_plan(runs, sweep.notes, folder, orders.form, orders.execution.get("workers"), dry_run=orders.dry_run)
    if orders.dry_run:
        return
    failures: dict[str, str] = {}
    with follow(runs, to_stderr=orders.form is not None) as on_event:
        try:
            recordings = experiments.execute(
                runs, out=folder, on_event=on_event, command=command_line(), **orders.execution
            )
        except experiments.RunsFailedError as error:
            failures, recordings = error.failures, error.recordings
    trained = time.perf_counter() - began
    with guarded(folder) as check:
        write_notes(folder, {**sweep.notes, "title": orders.title or sweep.notes.get("title", "")})
        if recordings:
            print_summary(recordings, orders.form)
            shown = [*annotated(recordings, sweep.notes), *(extra(folder) if extra else ())]
            check()
            write(shown, folder, orders.title or heading(sweep.notes), orders.form)
    output.say_where("recordings", folder / "runs", orders.form)
    took = {"trained": f"{trained:.0f}", "whole": f"{time.perf_counter() - began:.0f}"}
    output.say(text("progress.took", **took), orders.form)
    for run, reason in failures.items():
        output.say_where("failed", f"{run}: {reason}", err=True)
    if failures:
        click.get_current_context().exit(RUNS_FAILED)


def _shattering(sweep: Sweep, given: Mapping[str, Any], orders: Orders, write: Write, extra: Extra | None) -> None:
    """Measure shattering by depth and write the report."""
    import torch

    from gradflow import experiments
    from gradflow.cli.plan_table import print_shattering
    from gradflow.experiments.folder import check_out
    from gradflow.experiments.shattering import check_shattering
    from gradflow.notes import annotated, write_notes

    arguments = dict(sweep.arguments)
    unfit = [name for name, value in given.items() if value not in (None, {}) and name != "seeds"]
    unfit += [*orders.execution, *(["demo"] if extra else [])]
    if unfit:
        raise experiments.PlanError(f"{sweep.source} trains nothing, so it takes no {unfit[0].replace('_', '-')}.")
    if given.get("seeds") is not None:
        arguments["seeds"] = given["seeds"]
    check_shattering(**arguments)
    folder = orders.folder(name_of(sweep, []))
    check_out(folder)
    print_shattering(arguments, orders.form, dry_run=orders.dry_run)
    if orders.dry_run:
        return
    torch.set_num_threads(1)
    recordings = experiments.shattering_by_depth(**arguments)
    experiments.keep_all(recordings, folder, group="shattering", command=command_line())
    write_notes(folder, sweep.notes)
    write(annotated(recordings, sweep.notes), folder, orders.title or heading(sweep.notes), orders.form)


def heading(notes: Mapping[str, Any]) -> str | None:
    """Return a report's heading: the sweep's title, whether it is scaled, and its question; None without any."""
    from gradflow.text import text
    from gradflow.text.words import PRESET, reworded

    title = reworded(notes.get("title") or "", PRESET)
    question = reworded(notes.get("question") or "", PRESET)
    if title and notes.get("scaled"):
        title = text("sweep.title.scaled", title=title)
    if title and question:
        return text("sweep.heading", title=title, question=question)
    return title or question or None


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


def command_line() -> str:
    """Return the command as it was given."""
    return shlex.join(["gradflow", *sys.argv[1:]])
