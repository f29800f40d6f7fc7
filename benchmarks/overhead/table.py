"""The rows of a run as Markdown: ratios to the bare step with their intervals, and what did not run."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from .variants import BARE

BOOTSTRAPS = 4000
NOTE_LENGTH = 160

Parts = list[tuple[float, np.ndarray]]  # the weight of each kind of step and its values, one a round


def table(rows: pd.DataFrame, every: dict[str, int]) -> str:
    """Return the Markdown table of all workloads in `rows`; `every` is the schedule of each variant."""
    lines = [
        "| workload | variant | rounds | ms a step | ratio, median [95 %] | ratio of processor time |",
        "|---|---|---|---|---|---|",
    ]
    steps = rows[rows["what"] == "step"]
    groups = dict(list(steps.groupby(["workload", "variant"])))
    for workload, variant in itertools.product(steps["workload"].unique(), every):
        if (workload, variant) not in groups:
            continue
        times = groups[workload, variant]
        is_bare = (steps["workload"] == workload) & (steps["variant"] == BARE)
        bare = steps[is_bare].set_index("round")
        own = times.set_index("round")
        milliseconds = 1e3 * _middle(_parts(own["seconds"], own["due"], every[variant]))
        ratios = [
            _interval(_parts((own[clock] / bare[clock]).loc[own.index], own["due"], every[variant]))
            for clock in ("seconds", "cpu")
        ]
        columns = " | ".join(f"{ratio:.3f} [{low:.3f}, {high:.3f}]" for ratio, low, high in ratios)
        lines.append(f"| {workload} | {variant} | {len(own)} | {milliseconds:.3f} | {columns} |")
    return "\n".join(lines)


def remarks(rows: pd.DataFrame) -> str:
    """Return what did not run, what changed the training, and what reading out costs, as a Markdown list."""
    last = rows.drop_duplicates(["workload", "variant", "what"], keep="last")
    return "\n".join(
        f"- {row.workload}, {row.variant}: {_remark(row.what, row.note, row.seconds)}"
        for what in ("failed", "differs", "flush")
        for row in last[last["what"] == what].itertuples()
    )


def _remark(what: str, note: str, seconds: float) -> str:
    match what:
        case "failed":
            return f"does not run: {note[:NOTE_LENGTH]}"
        case "differs":
            return f"changes the training: weights off by {note} after the warm-up"
        case _:
            return f"making tables of what was kept took {1e3 * seconds:.1f} ms {note}; it is not in the times above"


def _parts(values: pd.Series, due: pd.Series, every: int) -> Parts:
    """Split an alternating observer's values: due steps weigh 1 / every, the others the rest."""
    if due.isna().all():
        return [(1.0, values.to_numpy())]
    is_due = due.astype(bool)
    return [(1 / every, values[is_due].to_numpy()), (1 - 1 / every, values[~is_due].to_numpy())]


def _middle(parts: Parts) -> float:
    return float(sum(weight * np.median(values) for weight, values in parts))


def _interval(parts: Parts) -> tuple[float, float, float]:
    """Return the median and its 95 % bootstrap interval, of parts the weighted sum of the medians."""
    rng = np.random.default_rng(1)
    drawn = sum(
        weight * np.median(rng.choice(values, size=(BOOTSTRAPS, len(values))), axis=1) for weight, values in parts
    )
    return (_middle(parts), *map(float, np.quantile(drawn, [0.025, 0.975])))
