"""How often the verdicts came true: rules from one split, counts on every split, as tables and as data to ship."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from gradflow.analysis.intervals import Share, wilson
from gradflow.probe.forecast_verdict import OPEN, VERDICTS, WILL_FAIL, WILL_TRAIN, Rules

from .choose import choose
from .designs import BUDGETS, CONV_BUDGET, SPLITS
from .outcomes import BOUND, OTHER_BOUNDS, UPDATES, failed, load, signs_of, verdicts

COMMAND = "python -m benchmarks.forecast evaluate --study benchmarks/forecast/study.csv"
# A verdict is experimental if the 95 % interval of how often it was right, on all networks that no limit was chosen on,
# reaches below its target.
TARGETS = {WILL_FAIL: 0.97, WILL_TRAIN: 0.95}
CHOSEN_ON = "choose"
UNSEEN = "new data and factors"
SETTLED = 714  # networks from this number on were trained after signs, conditions and margins were settled


def evaluate(path: Path, write: Path | None) -> None:
    """Print the tables; write rules and counts to a file, if there is one."""
    frame = load(path)
    rules = choose(frame[frame.split == CHOSEN_ON])
    frame = frame.assign(verdict=verdicts(frame, rules))
    print(f"{len(frame)} networks, {int(frame.failed.sum())} failed.\n")
    for verdict, kind in rules.items():
        for rule in kind:
            print(f"- {verdict}: {_words(rule)}")
    print("\n" + _by_group(frame, frame.split, list(SPLITS)))
    unseen = frame[frame.split == UNSEEN]
    held_out = frame[frame.split != CHOSEN_ON]
    print("\n" + _by_group(held_out, pd.Series("all three held out", held_out.index, name="split")))
    print("\n" + _by_group(unseen, unseen.data))
    later = (unseen.number >= SETTLED).map({False: f"before {SETTLED}", True: f"from {SETTLED} on"})
    print("\n" + _by_group(unseen, later.rename("number")))
    print("\n" + _by_group(unseen, unseen.optimizer))
    print("\n" + _by_group(unseen, unseen.norm))
    print("\n" + _by_bound(unseen))
    print("\n" + _by_reason(unseen, rules))
    print("\n" + _plain_curve(frame))
    if write is not None:
        write.write_text(json.dumps(_study(frame, rules), indent=1) + "\n", encoding="utf-8")


def counts(frame: pd.DataFrame) -> dict[str, Any]:
    """Return n and failed, of all and of each verdict."""
    by_verdict = {
        verdict: {
            "n": int((frame.verdict == verdict).sum()),
            "failed": int(frame.failed[frame.verdict == verdict].sum()),
        }
        for verdict in VERDICTS
    }
    return {"n": len(frame), "failed": int(frame.failed.sum()), **by_verdict}


def _study(frame: pd.DataFrame, rules: Rules) -> dict[str, Any]:
    measured = {split: counts(frame[frame.split == split]) for split in SPLITS}
    return {
        "command": COMMAND,
        "date": datetime.now(UTC).date().isoformat(),
        "n": len(frame),
        "budgets": f"{min(BUDGETS)} to {max(BUDGETS)}",
        "failure": (
            f"training error after the budget above {BOUND} of the way from the best network's on the same data to "
            "that of naming the most frequent class, or a loss that is not finite"
        ),
        "conv_budget": CONV_BUDGET,
        "updates": UPDATES,
        "targets": TARGETS,
        "experimental": [verdict for verdict in TARGETS if not _is_borne_out(frame, verdict)],
        "rules": rules,
        "measured": measured,
    }


def _is_borne_out(frame: pd.DataFrame, verdict: str) -> bool:
    return _right(counts(frame[frame.split != CHOSEN_ON]), verdict).low >= TARGETS[verdict]


def _right(count: dict[str, Any], verdict: str) -> Share:
    one = count[verdict]
    return wilson(one["failed"] if verdict == WILL_FAIL else one["n"] - one["failed"], one["n"])


def _by_group(frame: pd.DataFrame, group: pd.Series, order: list[str] | None = None) -> str:
    lines = [
        f"| {group.name} | n | failed | will fail, right | failures caught | will train, right | trained caught "
        "| open, failed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in order or sorted(group.unique()):
        count = counts(frame[group == name])
        failing, hope = _right(count, WILL_FAIL), _right(count, WILL_TRAIN)
        caught = wilson(failing.hits, count["failed"]), wilson(hope.hits, count["n"] - count["failed"])
        cells = (failing, caught[0], hope, caught[1], wilson(count[OPEN]["failed"], count[OPEN]["n"]))
        lines.append(f"| {name} | {count['n']} | {count['failed']} | " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines)


def _by_bound(frame: pd.DataFrame) -> str:
    """Return the counts on unseen networks, had a failure been defined by another bound; limits stay."""
    lines = [
        "| failed above | failed | will fail, right | failures caught | will train, right |",
        "|---|---|---|---|---|",
    ]
    for bound in sorted((BOUND, *OTHER_BOUNDS)):
        count = counts(frame.assign(failed=failed(frame.diverged_step, frame.excess, bound)))
        failing = _right(count, WILL_FAIL)
        cells = (failing, wilson(failing.hits, count["failed"]), _right(count, WILL_TRAIN))
        lines.append(f"| {bound} | {count['failed']} | " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines)


def _by_reason(frame: pd.DataFrame, rules: Rules) -> str:
    """Return how often each rule of "will fail" is met and right, alone."""
    lines = ['| rule of "will fail" | met, failed |', "|---|---|"]
    for rule in rules[WILL_FAIL]:
        met = frame.failed[verdicts(frame, {WILL_FAIL: [rule], WILL_TRAIN: []}) == WILL_FAIL]
        cell = _cell(wilson(int(met.sum()), len(met)))
        lines.append(f"| {_words(rule)} | {cell} |")
    return "\n".join(lines)


def _plain_curve(frame: pd.DataFrame) -> str:
    """Return what is known without gradflow: errors and losses alone, limits at the last 3 % of those that trained."""
    signs = signs_of(frame)
    scores = {
        "error after 50 plain updates over chance": frame.early_error / frame.chance,
        f"error after {UPDATES} updates over chance": signs.relative_error,
        f"loss after {UPDATES} updates over that before": signs.relative_loss,
    }
    lines = [
        "| will fail by one number alone, or a loss that is not finite | right | failures caught |",
        "|---|---|---|",
    ]
    unseen = frame.split == UNSEEN
    for name, score in scores.items():
        limit = float(score[(frame.split == CHOSEN_ON) & ~frame.failed].quantile(TARGETS[WILL_FAIL]))
        met = frame.failed[unseen & ((score > limit) | (signs.diverged > 0))]
        cells = wilson(int(met.sum()), len(met)), wilson(int(met.sum()), int(frame.failed[unseen].sum()))
        lines.append(f"| {name} above {limit:.3g} | " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join(lines)


def _words(rule: list[dict[str, Any]]) -> str:
    return " and ".join("{sign} after {updates} updates {side} {limit}".format(**condition) for condition in rule)


def _cell(share: Share) -> str:
    if not share.n:
        return "none"
    return (
        f"{share.hits} of {share.n}: {100 * share.hits / share.n:.1f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"
    )


def thin(path: Path, out: Path) -> None:
    """Write the columns that evaluation needs, numbers to six digits."""
    frame = pd.read_csv(path)
    kept = [name for name in frame.columns if "@" not in name or name in SIGN_COLUMNS]
    frame[kept].to_csv(out, index=False, float_format="%.6g")


SIGN_COLUMNS = [
    f"{sign}@{moment}"
    for sign in ("loss", "probe_loss", "probe_error", "gradient_decades", "unlikeness", "update_ratio_min", "growth")
    for moment in (0, UPDATES)
]
