"""Does "will fail" hold beyond the study's budgets? Networks that were called so, trained for ten times as long."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pandas as pd

from gradflow.analysis.intervals import wilson
from gradflow.probe.forecast_verdict import WILL_FAIL
from gradflow.reference import forecast_study

from .designs import draw
from .networks import OPTIMIZERS, build
from .outcomes import BOUND, load, verdicts
from .tasks import load_task
from .train import train

TIMES = 10
COLUMNS = ("number", "budget", "diverged_step", "train_error", "excess", "failed")


def longer(study: Path, out: Path, runs: int) -> None:
    """Append a row a network to the file and print the count.

    Chosen are those called so whose loss stays finite, those with the fewest layers times updates first: they are
    cheap, and their signal has the fewest layers to cross.
    """
    frame = load(study)
    frame = frame.assign(verdict=verdicts(frame, forecast_study()["rules"]))
    best = frame.groupby("data").train_error.min()
    called = frame[(frame.verdict == WILL_FAIL) & frame.diverged_step.isna()]
    is_conv = called.kind == "conv"  # many times the work of a fully connected layer
    cost = called.depth * called.budget
    chosen = called.assign(is_conv=is_conv, cost=cost).sort_values(["is_conv", "cost", "number"]).head(runs)
    done = set(pd.read_csv(out).number) if out.exists() else set()
    with out.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        if not done:
            writer.writeheader()
        for number in chosen.number:
            if number not in done:
                writer.writerow(_row(number, best))
                stream.flush()
    rows = pd.read_csv(out)
    share = wilson(int(rows.failed.sum()), len(rows))
    print(f"{share.hits} of {share.n} failed after {TIMES} times the budget too, [{share.low:.2f}, {share.high:.2f}].")


def _row(number: int, best: pd.Series) -> dict[str, float]:
    design = draw(number)
    design = replace(design, budget=TIMES * design.budget)
    task = load_task(design.data)
    model = build(design, task)
    outcome = train(model, OPTIMIZERS[design.optimizer](model.parameters(), design.lr), task, design)
    excess = (outcome["train_error"] - best[design.data]) / (task.chance - best[design.data])
    has_failed = outcome["diverged_step"] == outcome["diverged_step"] or excess > BOUND  # NaN: it did not diverge
    return {
        "number": number,
        "budget": design.budget,
        "diverged_step": outcome["diverged_step"],
        "train_error": outcome["train_error"],
        "excess": excess,
        "failed": int(has_failed),
    }
