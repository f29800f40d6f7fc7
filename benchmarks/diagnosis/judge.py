"""What became of each run beside its twin, and what the diagnosis says of it: one row a run."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

import gradflow
from gradflow.analysis.intervals import wilson

from .faults import FAULTS
from .odd import ODD
from .runs import TWIN

HARMFUL, HARMLESS = 0.2, 0.05  # of what the twin gained over a constant answer; between the two a run is not counted
SHORT = "short"  # recordings of too few updates to learn anything: healthy whatever their score
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


def findings(run: Path) -> list[str]:
    """Return what `gradflow.diagnose` says of a run, in its order: "severity:key"."""
    found = gradflow.diagnose(gradflow.load(run))
    return [f"{one.severity}:{one.key}" for one in found if one.severity in ("problem", "notice")]


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


def rates(frame: pd.DataFrame) -> dict[str, str]:
    """Return the counts of one part of the study."""
    harmful, healthy = frame[frame["truth"] == "harmful"], frame[frame["truth"] == "healthy"]
    plain = healthy[healthy["kind"].isin(list(ODD))]
    plants = healthy[~healthy["kind"].isin(list(ODD))]
    return {
        "harmful runs": str(len(harmful)),
        "a problem named": _share(harmful["problem"]),
        "cause among the first two": _share(harmful["named"]),
        "cause anywhere, notices too": _share(harmful["anywhere"]),
        "healthy runs with a problem": _share(plain["problem"]),
        "harmless plants with a problem": _share(plants["problem"]),
    }


def _share(values: pd.Series) -> str:  # type: ignore[type-arg]
    found = wilson(int(values.sum()), len(values))
    return f"{found.hits} of {found.n}" + (f", {100 * found.hits / found.n:.1f} %" if found.n else "")
