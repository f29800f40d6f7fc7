"""Losses that end far above their first values, and losses that end no lower than they began."""

from __future__ import annotations

from gradflow.diagnosis.beginning import NEVER_NEGATIVE, constant_loss, operations
from gradflow.diagnosis.finding import Finding, Severity
from gradflow.diagnosis.fresh_weights import is_fresh
from gradflow.diagnosis.learning import CONSTANT_SHARE, Losses, is_stuck, learning, losses
from gradflow.diagnosis.rules.diverged import REMEDIES, diverged_step
from gradflow.diagnosis.seed_groups import Case
from gradflow.diagnosis.wording import Value
from gradflow.recording import Recording

FIGURE = "training"
# A fresh network's loss lies near that of a constant answer; ten times that is out of reach of any noise of batches.
RISE = 10.0
# Against the first loss alone, which one odd batch can make, where the loss rose within the first few updates.
RISE_AT_ONCE = 100.0
# A discriminator's loss, or that of a network that is trained on, begins near its floor, and tenfold is still little.
NEAR_FLOOR = 0.01
MIN_STEPS = 50  # some losses stay level for tens of steps before they fall
LEVEL_REMEDIES = ("remedy.raise_lr", "remedy.lower_lr", "remedy.add_norm")


def find(cases: list[Case]) -> list[Finding]:
    """Return findings for each case with a loss that rose, that did not fall, or that cannot be what it is.

    Runs whose loss became NaN or infinite are left to `diverged`. A loss that did not fall is a problem where it is one
    that cannot be negative, of a network with fresh weights, and ends no better than a constant answer where that is
    known. Losses of games and of policies rise and stay level in training that goes well.
    """
    findings = []
    for case in cases:
        runs = [(run, found) for run in case.recordings if diverged_step(run) is None and (found := losses(run))]
        rose = [found for _, found in runs if _rose(found)]
        all_runs = [(run, found) for run in case.recordings if (found := losses(run))]
        negative = [(run, found) for run, found in all_runs if _is_negative(run, found)]
        constant = [(run, found) for run, found in runs if _is_constant(run, found) and found not in rose]
        verdicts = [(run, found) for run, found in runs if learning(run) in ("level", "rises")]
        level = [(run, found) for run, found in verdicts if found not in rose and (run, found) not in constant]
        if negative:
            values = _values([found for _, found in negative], case) | {"loss_name": operations(negative[0][0])[0]}
            findings.append(_finding("loss_negative", "problem", case, values, ("remedy.right_sign",)))
        if rose:
            severity: Severity = "problem" if any(_reference(found) > NEAR_FLOOR for found in rose) else "notice"
            findings.append(_finding("loss_rose", severity, case, _values(rose, case) | {"threshold": RISE}, REMEDIES))
        if constant:
            values = _values([found for _, found in constant], case) | {"constant": constant_loss(constant[0][0])}
            severity = "problem" if any(_should_fall(run) for run, _ in constant) else "notice"
            findings.append(_finding("loss_constant", severity, case, values, LEVEL_REMEDIES))
        if level:
            values = _values([found for _, found in level], case)
            severity = "problem" if any(_should_fall(run) for run, _ in level) else "notice"
            findings.append(_finding("loss_level", severity, case, values, LEVEL_REMEDIES))
    return findings


def _finding(key: str, severity: Severity, case: Case, values: dict[str, Value], remedies: tuple[str, ...]) -> Finding:
    return Finding(key, severity, case.subject, values, FIGURE, remedies=remedies)


def _is_negative(recording: Recording, found: Losses) -> bool:
    """Whether a loss is negative that by its operation cannot be."""
    return (
        operations(recording)[:1] != ()
        and operations(recording)[0] in NEVER_NEGATIVE
        and min(found.start, found.last) < 0
    )


def _is_constant(recording: Recording, found: Losses) -> bool:
    return is_stuck(recording) and found.last >= CONSTANT_SHARE * constant_loss(recording)


def _should_fall(recording: Recording) -> bool:
    """Whether a loss is to fall: it is a usual one, the weights are fresh, and no other loss plays against it."""
    names = operations(recording)
    is_usual = names[:1] != () and names[0] in NEVER_NEGATIVE
    is_game = not recording.layers["in_grad"].all() or recording.meta.get("optimizers", 1) not in (0, 1)
    found = losses(recording)
    return is_usual and not is_game and found is not None and found.steps >= MIN_STEPS and is_fresh(recording)


def has_risen(recording: Recording) -> bool:
    """Whether the loss ended tenfold above where it began, or became NaN or infinite."""
    found = losses(recording)
    return diverged_step(recording) is not None or (found is not None and _rose(found))


def _rose(found: Losses) -> bool:
    return found.last > RISE * found.first > 0 or found.last > RISE_AT_ONCE * found.start > 0


def _reference(found: Losses) -> float:
    """Return the loss that a rise is measured from."""
    return found.start if found.last > RISE_AT_ONCE * found.start > 0 else found.first


def _values(found: list[Losses], case: Case) -> dict[str, Value]:
    """Return how many runs it is true of, and the losses of the one that ended highest."""
    worst = max(found, key=lambda one: one.last)
    counts = {"n_runs": len(found), "runs": len(case.recordings), "steps": worst.steps}
    return {**counts, "first": _reference(worst), "last": worst.last}
