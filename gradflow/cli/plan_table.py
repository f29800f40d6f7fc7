"""A plan in the terminal: its runs, what varies among them, and how long they will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradflow.cli import output
from gradflow.cli.terminal import say_wrapped, show
from gradflow.experiments import Run
from gradflow.experiments.estimate import Estimate, estimate
from gradflow.experiments.shattering_depths import SETTINGS
from gradflow.notes import nearest_depth
from gradflow.reference.published_figures import ILLUSTRATIVE
from gradflow.settings import ShatteringSettings, settings_of
from gradflow.tables import Column, Table
from gradflow.text import text
from gradflow.text.numbers import count
from gradflow.text.numbers import seconds as in_minutes
from gradflow.text.words import named, scaled_from

MAX_ROWS = 20  # of a plan that is run at once; a dry run shows all
HOUR, DAY = 3600.0, 86400.0
HOURS_FROM, DAYS_FROM = 2 * HOUR, 2 * DAY


def print_plan(
    runs: Sequence[Run],
    notes: Mapping[str, Any],
    folder: Path,
    form: str | None,
    workers: int | None,
    *,
    dry_run: bool,
) -> None:
    """Print the plan; with `dry_run` its estimated time too, and as data where `form` asks."""
    if form is not None and not dry_run:
        output.say(text("plan.count", runs=count(len(runs), "runs")), form)
        return

    found = estimate(runs, workers=workers) if dry_run else None
    if form is not None:
        output.print_data(form, _records(runs, found))
    else:
        show(_table(runs, found, None if dry_run else MAX_ROWS))
    made = sum((folder / "runs" / run.id).is_dir() for run in runs)
    lines = [text("plan.made", n=made, folder=folder)] if made else []
    lines += _nearest(runs, notes)
    if notes.get("scaled"):
        lines.append(scaled_from(str(notes.get("preset") or ""), str(notes["scaled"])))
    if found is not None:
        lines += [*_told(found), text("plan.dry")]
    for line in lines:
        say_wrapped(line, form)


def print_shattering(arguments: Mapping[str, Any], form: str | None, *, dry_run: bool) -> None:
    """Print what `shattering_by_depth` will measure."""
    known = {name: arguments.get(name, one.default) for name, one in settings_of(ShatteringSettings).items()}
    line = text(
        "plan.shattering",
        networks=count(len(known["blocks"]) * len(SETTINGS) * known["seeds"], "networks"),
        blocks=text("list.enumeration").join(map(str, known["blocks"])),
        width=known["width"],
        seeds=count(known["seeds"], "seeds"),
    )
    say_wrapped(line, form)
    if dry_run:
        output.say(text("plan.dry"), form)


def _table(runs: Sequence[Run], found: Estimate | None, most: int | None) -> Table:
    """Return a row for each network and combination of settings, its seeds together."""
    varied = list(dict.fromkeys(name for run in runs for name in run.varied))
    differing = [name for name in ("steps", "data") if len({run.settings[name] for run in runs}) > 1 or name == "steps"]
    settings = [*varied, *(name for name in differing if name not in varied)]
    rows: dict[tuple[str, ...], list[int]] = {}
    for number, run in enumerate(runs):
        rows.setdefault((_network(run), *map(run.shown, settings)), []).append(number)
    known = {"steps": text("setting.steps"), "data": text("head.data")}
    columns = [
        Column("network", lambda row: row[0][0], is_number=False),
        *(_setting(name, place, known) for place, name in enumerate(settings, start=1)),
        Column("seed", lambda row: _seeds([runs[number].seed for number in row[1]])),
    ]
    if found is not None:
        columns.append(Column("seconds", lambda row: long(found.of_runs[row[1][0]]), head=text("plan.column.seconds")))
    caption = text("plan.more", n=len(rows) - most) if most is not None and len(rows) > most else ""
    return Table(text("plan.title", n=len(runs)), tuple(columns), list(rows.items())[:most], caption, "head")


def _setting(name: str, place: int, known: Mapping[str, str]) -> Column:
    """Return the column of a setting, which stands at a place of each row's words."""
    return Column(name, lambda row: row[0][place], head=known.get(name, name.replace("_", " ")))


def _records(runs: Sequence[Run], found: Estimate | None) -> list[dict[str, Any]]:
    rows = [{"run": run.id, "family": run.family, "depth": run.depth, "seed": run.seed, **run.settings} for run in runs]
    if found is None:
        return rows
    return [{**row, "estimated_seconds": taken} for row, taken in zip(rows, found.of_runs, strict=True)]


def _told(found: Estimate) -> list[str]:
    """Return the estimate and how it was made."""
    scaled = text("plan.estimate.scaled", networks=count(found.scaled, "networks")) if found.scaled else ""
    return [
        text(
            "plan.estimate",
            total=long(found.seconds),
            workers=count(found.workers, "workers"),
            sum=long(found.total_seconds),
        ),
        text("plan.estimate.how", measured=count(found.measured, "networks"), scaled=scaled),
    ]


def _nearest(runs: Sequence[Run], notes: Mapping[str, Any]) -> list[str]:
    """Return which measured depth each depth of an illustrative curve stands beside, where they differ."""
    measured = sorted({run.depth for run in runs if run.depth is not None})
    shown = [one for one in notes.get("published", []) if one.get("kind") == ILLUSTRATIVE and "error" in one]
    pairs = [
        text("plan.nearest.pair", published=depth, measured=near)
        for depth in sorted({one["depth"] for one in shown})
        if (near := nearest_depth(depth, measured)) not in (None, depth)
    ]
    return (
        [text("plan.nearest", source=shown[0]["source"], pairs=text("list.enumeration").join(pairs))] if pairs else []
    )


def _network(run: Run) -> str:
    return named(run.family if run.depth is None else f"{run.family}-{run.depth}")


def _seeds(seeds: Sequence[int]) -> str:
    ordered = sorted(seeds)
    whole = ordered == list(range(ordered[0], ordered[-1] + 1))
    return f"{ordered[0]}–{ordered[-1]}" if whole and len(ordered) > 2 else ", ".join(map(str, ordered))


def long(value: float) -> str:
    """Return a duration in the unit in which it reads best, to two or three digits: it is an estimate."""
    if value < HOURS_FROM:
        return in_minutes(value)
    if value < DAYS_FROM:
        return text("unit.hours", value=f"{value / HOUR:.0f}")
    return text("plan.days", value=f"{value / DAY:.0f}")
