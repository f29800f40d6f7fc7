"""What became of each run beside its twin, and what the diagnosis says of it: one row a run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import beta

import gradflow
from gradflow.recording import Recording

from .faults import FAULTS
from .odd import ODD
from .program import DENSE_STEPS
from .runs import TWIN

HARMFUL, HARMLESS = 0.2, 0.05  # of what the twin gained over a constant answer; between the two a run is not counted
SHORT = "short"  # recordings of too few updates to learn anything: healthy whatever their score
WHOLE = "whole"
FINDINGS_AHEAD = 2  # among the first so many findings the planted cause is to be


def truths(folder: Path) -> pd.DataFrame:
    """Return one row per finished run, with its harm and its truth: "harmful", "healthy" or "unclear"."""
    rows = [json.loads(path.read_text()) for path in sorted(folder.glob("*/truth.json"))]
    frame = pd.DataFrame(rows)
    frame["run"] = [path.parent.name for path in sorted(folder.glob("*/truth.json"))]
    twins = frame[frame["kind"] == TWIN].set_index(["network", "seed"])["score"]
    frame["twin"] = [twins.get(key, math.nan) for key in zip(frame["network"], frame["seed"], strict=True)]
    frame["harm"] = (frame["score"] - frame["twin"]) / (frame["chance"] - frame["twin"])
    frame["truth"] = [_truth(row) for row in frame.to_dict("records")]
    return frame[frame["twin"].notna()].reset_index(drop=True)


def _truth(row: dict[str, Any]) -> str:
    if row["kind"] == SHORT or row["harm"] <= HARMLESS:
        return "healthy"
    if row["kind"] in ODD:
        return "unclear"
    return "harmful" if row["harm"] >= HARMFUL else "unclear"


def findings(run: Path, seen: str = WHOLE) -> list[str]:
    """Return what `gradflow.diagnose` says of what is seen of a run, in its order: "severity:key"."""
    found = gradflow.diagnose(SEEN[seen](gradflow.load(run)))
    return [f"{one.severity}:{one.key}" for one in found if one.severity in ("problem", "notice")]


def _begun(share: float) -> Callable[[Recording], Recording]:
    """Return a function that keeps the first share of a run, as if it were still under way."""

    def kept(whole: Recording) -> Recording:
        n_steps = math.ceil(share * len(whole.steps))
        return _only(whole, lambda step: step < n_steps, all_steps=False)

    return kept


def _only(whole: Recording, is_kept: Callable[[pd.Series], pd.Series], *, all_steps: bool) -> Recording:  # type: ignore[type-arg]
    """Return a recording of some steps; of losses all are kept where a schedule would have left out gradients alone."""
    tables = {name: getattr(whole, name) for name in ("steps", "layers", "parameters", "times")}
    cut = {
        name: table if name == "steps" and all_steps else table[is_kept(table["step"])]
        for name, table in tables.items()
    }
    return whole.having(**cut)


SEEN: dict[str, Callable[[Recording], Recording]] = {
    WHOLE: lambda whole: whole,
    **{f"first {share:.0%}": _begun(share) for share in (0.1, 0.25, 0.5)},
    "every 10": lambda whole: _only(whole, lambda step: step % DENSE_STEPS == 0, all_steps=True),
    "0, 1, 10, 100": lambda whole: _only(whole, lambda step: step.isin((0, 1, 10, 100)), all_steps=True),
}


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with what was said of each run, and whether that is right."""
    problems = [[name.partition(":")[2] for name in names if name.startswith("problem")] for names in frame["findings"]]
    named = [set(FAULTS[kind].named) if kind in FAULTS else set() for kind in frame["kind"]]
    is_named = [bool(set(keys[:FINDINGS_AHEAD]) & names) for keys, names in zip(problems, named, strict=True)]
    is_anywhere = [
        bool({one.partition(":")[2] for one in keys} & names)
        for keys, names in zip(frame["findings"], named, strict=True)
    ]
    return frame.assign(
        problem=[bool(keys) for keys in problems],
        first=[keys[0] if keys else "" for keys in problems],
        named=is_named,
        anywhere=is_anywhere,
    )


def tables(frame: pd.DataFrame) -> str:
    """Return the counts of one part of the study, and those of each kind of fault, as Markdown."""
    harmful, healthy = frame[frame["truth"] == "harmful"], frame[frame["truth"] == "healthy"]
    is_meant = healthy["kind"].isin(list(ODD))
    known = harmful[[bool(FAULTS[kind].named) for kind in harmful["kind"]]]
    lines = [
        "| counted | of | share, 95 % interval |",
        "|---|---|---|",
        _line("harmful runs with a problem named", harmful["problem"]),
        _line("planted cause among the first two problems", known["named"]),
        _line("planted cause named at all, notices too", known["anywhere"]),
        _line("healthy runs with a problem named", healthy[is_meant]["problem"]),
        _line("planted faults without harm, with a problem named", healthy[~is_meant]["problem"]),
        "",
        "| fault | harmful runs | problem named | cause among the first two | named first |",
        "|---|---|---|---|---|",
    ]
    for kind, own in harmful.groupby("kind"):
        firsts = ", ".join(f"{key or 'nothing'} {n}" for key, n in own["first"].value_counts().items())
        lines.append(f"| {kind} | {len(own)} | {own['problem'].sum()} | {own['named'].sum()} | {firsts} |")
    lines += ["", "| named first | times in harmful runs | right | false in healthy runs |", "|---|---|---|---|"]
    for key in sorted({*harmful["first"], *healthy["first"]} - {""}):
        own = harmful[harmful["first"] == key]
        right = sum(key in FAULTS[kind].named for kind in own["kind"])
        lines.append(f"| {key} | {len(own)} | {right} | {(healthy['first'] == key).sum()} |")
    return "\n".join(lines)


def counted(frame: pd.DataFrame) -> dict[str, list[int]]:
    """Return of each finding how often it named the planted fault where it was the first problem: [right, of].

    Runs in which a planted fault did no harm count: what is said of them is true. Runs that are unclear do not.
    """
    clear = frame[(frame["truth"] != "unclear") & (frame["first"] != "")]
    right = [
        first in FAULTS[kind].named if kind in FAULTS else False
        for first, kind in zip(clear["first"], clear["kind"], strict=True)
    ]
    counts = clear.assign(right=right).groupby("first")["right"].agg(["sum", "count"])
    return {key: [int(right), int(n)] for key, right, n in counts.itertuples()}


def _line(words: str, values: pd.Series) -> str:  # type: ignore[type-arg]
    """Return a row with a count and its exact (Clopper-Pearson) interval."""
    hits, n = int(values.sum()), len(values)
    if not n:
        return f"| {words} | 0 of 0 | |"
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(0.975, hits + 1, n - hits))
    return f"| {words} | {hits} of {n} | {100 * hits / n:.1f} % ({100 * low:.1f} to {100 * high:.1f}) |"
