"""Combinations of settings: which are meant by a condition, which are left out, and whether any two are one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradflow.experiments.network import settled
from gradflow.experiments.planned_run import Run
from gradflow.experiments.recipe import PlanError
from gradflow.text import text

Settings = Mapping[str, Any]


def agrees(condition: Settings, chosen: Settings) -> bool:
    """Whether a combination of settings has all that a condition names."""
    return all(
        name in chosen and settled(name, chosen[name]) == settled(name, value) for name, value in condition.items()
    )


def kept(combinations: Sequence[dict[str, Any]], leave_out: Sequence[Settings]) -> list[dict[str, Any]]:
    """Return the combinations that are not left out; PlanError if a condition matches none, or nothing is left."""
    check_matches("leave_out", leave_out, combinations)
    found = [chosen for chosen in combinations if not any(agrees(wanted, chosen) for wanted in leave_out)]
    if not found:
        raise PlanError(text("error.plan.none_left", n=len(combinations)))
    return found


def check_matches(what: str, conditions: Sequence[Settings], combinations: Sequence[Settings]) -> None:
    """Raise PlanError for the first condition that no combination fulfils: it would be ignored in silence."""
    for condition in conditions:
        if not any(agrees(condition, chosen) for chosen in combinations):
            shown = ", ".join(f"{name} = {value}" for name, value in condition.items())
            raise PlanError(text("error.plan.no_match", what=what, n=len(combinations), condition=shown))


def check_distinct(runs: Sequence[Run]) -> None:
    """Raise PlanError if two combinations of settings came to the same run."""
    first: dict[Run, Run] = {}
    for run in runs:
        if run in first:
            earlier, n_more = first[run].label, len(runs) - len(set(runs))
            raise PlanError(text("error.plan.repeated", first=earlier, other=run.label, n_more=n_more, n=len(runs)))
        first[run] = run
