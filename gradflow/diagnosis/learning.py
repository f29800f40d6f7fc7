"""Whether a run learns: an odd gradient is a problem where it does harm, and a note where the network learns."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from gradflow.analysis.nonfinite import loss_lost
from gradflow.analysis.remembered import remembered
from gradflow.diagnosis.beginning import empty_loss
from gradflow.diagnosis.fresh_weights import is_fresh
from gradflow.recording import Recording

Learning = Literal["learns", "level", "rises", "diverged", "solved", "unknown"]
HARMLESS: tuple[Learning, ...] = ("learns", "solved")
HARMFUL: tuple[Learning, ...] = ("level", "rises", "diverged")

# Fewer losses have not had the time to fall, and their ends are single batches.
MIN_STEPS = 20
FIRST_STEPS = 10  # of a long run: what is learnt quickly must not have been learnt within the first part already
LAST_SHARE = 0.1
MIN_PART = 3  # losses in either part: a median that one odd batch does not move
# A fresh output layer falls by some percent to the loss of a constant answer, whatever the layers before it do.
FALL, LEVEL = 0.1, 0.02  # as shares of the first loss
STANDARD_ERRORS = 3.0  # a change within the noise of batches is none
# A fall that ended early, above half of the first loss, may be that constant answer as well.
HALF = 0.5
UNFITTED = 0.4  # of the loss of a constant answer
SOLVED_SHARE = 0.01  # of the first loss
NEAR_ZERO = 1e-3  # a loss that begins here has nothing to learn, and a rise from here says little
ABSURD = 2.0  # times the loss of a constant answer
CONSTANT_SHARE, STILL_FALLS = 0.9, 0.05  # of the loss of a constant answer
# AUTOTRAINER (Zhang et al. 2021) calls a gradient vanished where first over last layer is below 1e-3.
CERTAIN_DECADES = 3.0
SOLVED_ERROR, UNFITTED_ERROR = 0.01, 0.1  # training errors, where they were measured


class Losses(NamedTuple):
    """A run's first loss, medians of its first, its second quarter's and its last losses, their noise, and how many.

    Below `MIN_STEPS` losses, `first` is the first one alone.
    """

    start: float
    first: float
    early: float
    last: float
    noise: float
    steps: int


@remembered
def learning(recording: Recording) -> Learning:
    """Return what became of a run's loss.

    "diverged": no loss was finite any more at the end. "solved": the loss ended below 1 % of its first value or was
    near zero all along, of weights that were not fresh, or the training error ended below 1 %. "learns": the median of
    the last losses lies clearly below that of the first. "rises": clearly above. "level": it did not fall. "unknown":
    fewer than 20 losses, or a change that the noise of batches, or the constant answer of an output layer, would
    explain too.

    Examples
    --------
    >>> import pandas as pd
    >>> learning(Recording(steps=pd.DataFrame({"step": range(40), "loss": [0.693] * 40})))
    'level'
    """
    if recording.meta.get("status") == "diverged" or loss_lost(recording) is not None:
        return "diverged"
    error = _last_error(recording)
    if error <= SOLVED_ERROR:
        return "solved"
    found = losses(recording)
    if found is not None and found.first > ABSURD * (constant := empty_loss(recording)):
        found = found._replace(first=constant)  # to fall from far above it is not to learn
    if found is None or found.steps < MIN_STEPS:
        return "unknown"
    verdict = _verdict(found, has_learnt=not is_fresh(recording))
    return "unknown" if verdict == "learns" and error > UNFITTED_ERROR else verdict


@remembered
def is_stuck(recording: Recording) -> bool:
    """Whether a run learnt nothing: its loss ended where it began, above, or no better than a constant answer.

    The constant answer is known where the loss is a cross-entropy of the model's outputs. A loss that still falls has
    not ended there.
    """
    if learning(recording) in HARMFUL:
        return True
    constant, found = empty_loss(recording), losses(recording)
    if found is None or found.steps < MIN_STEPS or learning(recording) in ("solved", "diverged"):
        return False
    return found.last >= CONSTANT_SHARE * constant and found.early - found.last <= STILL_FALLS * constant


@remembered
def is_unfitted(recording: Recording) -> bool:
    """Whether a run learnt nothing, or stayed above two fifths of a constant answer's loss, else of its first one.

    It says that a cause has done harm, not that there is one: a hard task, or a short run, ends there as well.
    """
    if is_stuck(recording):
        return True
    found, constant = losses(recording), empty_loss(recording)
    if found is None or found.steps < MIN_STEPS or learning(recording) == "solved":
        return False
    return found.last > UNFITTED * (found.first if math.isnan(constant) else constant)


def is_before_training(recording: Recording) -> bool:
    """Whether one batch was looked at to say what training would come to, so that no harm can have been done yet."""
    return recording.meta.get("before_training") is True


def may_harm(recording: Recording) -> bool:
    """Whether a cause has done harm, as `is_unfitted` says, or there was no training yet in which it could."""
    return is_before_training(recording) or is_unfitted(recording)


@remembered
def losses(recording: Recording) -> Losses | None:
    """Return where a run's finite losses began and ended; None if it has fewer than two.

    Steps are compared by medians of several, because one batch says little. `noise` is the standard error of the
    difference of two such medians, from the differences of successive losses, in which a trend cancels.
    """
    loss = recording.steps["loss"].to_numpy(dtype=np.float64)
    loss = loss[np.isfinite(loss)]
    if len(loss) < 2:
        return None
    n_last = math.ceil(LAST_SHARE * len(loss))
    n_last = max(n_last, MIN_PART) if len(loss) >= MIN_STEPS else n_last
    n_first = min(n_last, FIRST_STEPS)
    quarter = loss[len(loss) // 4 : max(len(loss) // 2, len(loss) // 4 + 1)]
    first, early, last = (float(np.median(part)) for part in (loss[:n_first], quarter, loss[-n_last:]))
    with np.errstate(over="ignore"):
        spread = 1.4826 * float(np.median(np.abs(np.diff(loss)))) / math.sqrt(2)  # of normal noise, outliers aside
    noise = 1.2533 * spread * math.sqrt(1 / n_first + 1 / n_last)
    return Losses(float(loss[0]), first, early, last, noise, len(loss))


def severity(verdict: Learning, decades: float, *, is_high: bool = False) -> Literal["problem", "notice"]:
    """Return how grave a gradient is that is so many decades smaller or larger at one end of a network.

    A problem where the loss did not fall; where nothing is known of it or it fell and is still high, as `is_unfitted`
    says, beyond three decades; else a notice.

    Examples
    --------
    >>> severity("level", -2.5), severity("unknown", -2.5), severity("learns", -10.0)
    ('problem', 'notice', 'notice')
    """
    if verdict in HARMFUL:
        return "problem"
    return "problem" if (verdict == "unknown" or is_high) and abs(decades) > CERTAIN_DECADES else "notice"


def _verdict(found: Losses, *, has_learnt: bool) -> Learning:
    fall, scale = found.first - found.last, abs(found.first)
    is_clear = abs(fall) > max(FALL * scale, STANDARD_ERRORS * found.noise)
    if 0 <= found.last <= max(SOLVED_SHARE * found.first, NEAR_ZERO if has_learnt and found.first <= NEAR_ZERO else 0):
        return "solved"
    if is_clear and fall < 0:
        return "unknown" if 0 <= found.first <= NEAR_ZERO else "rises"
    if is_clear:
        still_falls = found.early - found.last > max(LEVEL * scale, STANDARD_ERRORS * found.noise)
        return "learns" if still_falls or found.last <= HALF * found.first else "unknown"
    return "level" if fall <= LEVEL * scale else "unknown"


def _last_error(recording: Recording) -> float:
    """Return the last training error that was measured after training began, or NaN."""
    steps = recording.steps
    measured = steps.loc[(steps["step"] > 0) & steps["train_error"].notna(), "train_error"]
    return float(measured.iloc[-1]) if len(measured) else math.nan
