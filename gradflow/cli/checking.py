"""What `gradflow check` prints: what differs from a baseline, as a table or as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradflow.cli import output
from gradflow.cli.busy import busy
from gradflow.cli.commands import CHECK_FAILED
from gradflow.cli.terminal import show
from gradflow.cli.values import refuse
from gradflow.diagnosis.baseline import LOSS, Change, Checked, check, write_baseline
from gradflow.diagnosis.difference_card import by, norm
from gradflow.tables import DASH, Table, column, words
from gradflow.tables.exports import as_json as as_json_text
from gradflow.text import text
from gradflow.text.numbers import count, number, signed

MAX_SHOWN = 30  # changes in the terminal; --json has all
COLUMNS = (words("layer"), words("measure"), column("was"), column("now"), column("change"), column("allowed"))


def write(runs: Sequence[Path], baseline: Path) -> int:
    """Make a baseline, and say where it is."""
    with busy("reading"):
        write_baseline(runs, baseline)
    output.say_where("baseline", baseline)
    return 0


def check_runs(runs: Sequence[Path], baseline: Path, tolerances: Sequence[str], *, as_json: bool) -> int:
    """Compare runs with a baseline, print what differs, and return the exit code."""
    with busy("reading"):
        found = check(runs, baseline, tolerances=dict(map(_tolerance, tolerances)))
    if as_json:
        output.emit(as_json_text(_record(found)))
    else:
        show(*_tables(found, baseline))
    return 0 if found.passed else CHECK_FAILED


def _tolerance(given: str) -> tuple[str, float]:
    measure, mark, value = given.partition("=")
    try:
        return measure, float(value)
    except ValueError:
        refuse(f"--tolerance must be MEASURE=NUMBER, such as grad_norm=0.3{'' if mark else ' (no =)'}; got {given!r}.")


def _tables(found: Checked, baseline: Path) -> list[Table]:
    """Return what failed, or in how far nothing did, and the problems that are new or gone."""
    failed, values = found.failures, count(len(found.changes), "values")
    if found.passed:
        said = [text("baseline.largest", **_written(found.changes[0]))] if found.changes else []
        said += [text("baseline.gone", finding=key) for key in found.gone]
        title = text("baseline.passed", baseline=baseline.name, values=values)
        return [Table(title, (), [(line,) for line in said])]
    tables = []
    if failed:
        more = text("baseline.more", n=len(failed) - MAX_SHOWN) if len(failed) > MAX_SHOWN else ""
        title = text("baseline.failed", baseline=baseline.name, values=values, n=len(failed))
        rows = [_written(change) for change in failed[:MAX_SHOWN]]
        tables.append(Table(title, COLUMNS, rows, more, "baseline.column"))
    if found.new:
        tables.append(Table(text("baseline.new"), (), [(str(finding),) for finding in found.new]))
    return tables


def _written(change: Change) -> dict[str, str]:
    """Return a comparison in words: norms as they are, their change as a factor."""
    is_loss = change.measure == LOSS
    form = number if is_loss else norm
    difference = change.now - change.was
    changed = (signed(difference, 3) if math.isfinite(difference) else DASH) if is_loss else by(difference)
    within = number(change.allowed) if is_loss else by(change.allowed)
    measure = text(f"measure.{change.measure}")
    where = text("baseline.of", measure=measure, layer=change.layer) if change.layer else measure
    return {
        "where": where, "layer": change.layer or DASH, "measure": measure, "was": form(change.was),
        "now": form(change.now), "change": changed, "allowed": within,
    }  # fmt: skip


def _record(found: Checked) -> dict[str, Any]:
    changes = [{**change._asdict(), "failed": change.failed} for change in found.changes]
    new = [{"key": finding.key, "says": str(finding)} for finding in found.new]
    return {"passed": found.passed, "changes": changes, "new_problems": new, "gone_problems": list(found.gone)}
