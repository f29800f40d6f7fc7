"""forecast(): whether a network will train, from a few updates of a copy, with the verdict's own track record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import pandas as pd
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow.analysis.intervals import Share, wilson
from gradflow.probe.forecast_verdict import OPEN, WILL_FAIL, WILL_TRAIN, Reason, Verdict, decide
from gradflow.probe.indicators import indicators
from gradflow.probe.loss import LossFunction
from gradflow.probe.trial import try_training
from gradflow.recording import Recording
from gradflow.reference import forecast_study
from gradflow.tables import DASH, Table, column, words
from gradflow.tables.lines import WIDTH, lines
from gradflow.text import text
from gradflow.text.numbers import multiple, number, percent
from gradflow.text.widths import wrapped
from gradflow.text.words import head

NO_BREAK = "\u00a0"
UNSEEN = "new data and factors"  # the split of the study that no limit was chosen on
SHOWN = ("loss", "relative_loss", "relative_error", "gradient_decades", "unlikeness", "update_ratio_min", "growth")


def forecast(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    optimizer: Optimizer | None = None,
    lr: float | None = None,
    loss_fn: LossFunction | None = None,
    batch_size: int = 64,
) -> Forecast:
    """Train a copy of the model for a few updates and say whether it will fail, will train, or is open.

    The model, its optimizer, inputs, targets and random states are left exactly as found.

    Parameters
    ----------
    model : nn.Module
        In train mode, as it would start training.
    inputs, targets : Tensor
        A few batches, (n, ...) each; the study behind the verdicts used four. When they run out, they are used
        again from the start.
    optimizer : Optimizer, optional
        The model's optimizer; a copy of it is used, at its current learning rate.
    lr : float, optional
        In place of an optimizer: SGD with momentum 0.9 at this learning rate.
    loss_fn : callable, optional
        (outputs, targets) -> loss. Otherwise cross-entropy for class indices, mean squared error for real numbers.
    batch_size : int
        Examples per update.

    Returns
    -------
    Forecast
        Prints as a text. "will fail": training fails within some hundred updates. "will train": it does not, and
        reaches a low training error on this task; possible only where targets are class indices. "open": neither is
        known.

    Raises
    ------
    ForecastError, AnalysisError
        Model, batches, optimizer or loss do not fit; the message is one line and says what to do.

    Notes
    -----
    Rules, limits and track record are those of `gradflow.reference.forecast_study()`: small fully connected and
    convolutional networks, small data, 100 to 300 updates. A failure is a training error above 40 % of the way from
    the best network's on the same data to chance, or a loss that stops being finite.

    Blind spots: failures of learning rate and budget with healthy gradients. Too few updates, or a step size that
    ruins training only later, show no sign in ten updates and get the verdict "open". A network whose loss stayed
    level for more than 1,000 updates before it fell was forecast to fail.

    Examples
    --------
    >>> import torch
    >>> layers = [layer for _ in range(20) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    >>> inputs = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    >>> forecast(nn.Sequential(*layers, nn.Linear(16, 2)), inputs, (inputs[:, 0] > 0).long(), lr=0.1).verdict
    'will fail'
    """
    rules = forecast_study()["rules"]
    moments = {condition["updates"] for kind in rules.values() for rule in kind for condition in rule}
    return Forecast(
        try_training(
            model,
            inputs,
            targets,
            optimizer=optimizer,
            lr=lr,
            loss_fn=loss_fn,
            batch_size=batch_size,
            moments=moments,
        )
    )


@dataclass(frozen=True, eq=False, repr=False)
class Forecast:
    """What a trial says of a network's training; `print` shows it with the track record of each verdict.

    Parameters
    ----------
    recording : Recording
        Of `gradflow.probe.trial.try_training`. A saved forecast is `Forecast(gradflow.load(path))`.
    """

    recording: Recording

    @cached_property
    def signs(self) -> pd.DataFrame:
        """The measured numbers, one row per moment: see `gradflow.probe.indicators.indicators`."""
        return indicators(self.recording)

    @cached_property
    def _decision(self) -> tuple[Verdict, list[Reason]]:
        return decide(self.signs, forecast_study()["rules"])

    @property
    def verdict(self) -> Verdict:
        """One of "will fail", "will train" and "open"."""
        return self._decision[0]

    @property
    def reasons(self) -> list[Reason]:
        """The conditions that made the verdict, each with the measured value and its limit."""
        return self._decision[1]

    @property
    def is_experimental(self) -> bool:
        """Whether the interval of how often this verdict was right reaches below its target in the study."""
        return self.verdict in forecast_study()["experimental"]

    def __repr__(self) -> str:
        """Return the verdict, its reasons, the numbers, and how often each verdict was right."""
        return "\n".join(self.lines(WIDTH))

    def lines(self, width: int) -> list[str]:
        """Return the same as lines of a width in columns."""
        table = [line.text for line in lines(_table(self.signs), width)]
        below = [*_track_record(), self.blind_spots]
        return [*_wrapped(self._head(), width), *table, *_wrapped(below, width)]

    @property
    def blind_spots(self) -> str:
        """What ten updates cannot show."""
        return text("forecast.blind")

    def _repr_html_(self) -> str:
        """Return the same text for a notebook."""
        return f"<pre>{escape(repr(self))}</pre>"

    def _head(self) -> list[str]:
        meta = self.recording.meta
        named = text(f"forecast.verdict.{self.verdict}")
        if self.is_experimental:
            target = percent(forecast_study()["targets"][self.verdict], digits=0)
            named = text("forecast.experimental", verdict=named, target=target)
        facts = {name: meta[name] for name in ("optimizer", "batch_size", "n_examples")}
        return [
            text("forecast.head", name=self.recording.name, verdict=named),
            text("forecast.trial", updates=int(self.recording.steps.step.max()), lr=number(meta["lr"]), **facts),
            text(f"forecast.because.{self.verdict}"),
            *map(_sentence, self.reasons),
        ]


def track_record() -> dict[str, Share]:
    """Return how the verdicts did on the study's networks of new data and new factors.

    "will fail", "will train": how often the verdict was right. "will fail caught", "will train caught": how many of
    those that failed, and that trained, it was given to. "open failed": how many of the open ones failed.
    """
    counts = forecast_study()["measured"][UNSEEN]
    failing, hopeful, left = (counts[verdict] for verdict in (WILL_FAIL, WILL_TRAIN, OPEN))
    trained = counts["n"] - counts["failed"]
    return {
        WILL_FAIL: wilson(failing["failed"], failing["n"]),
        f"{WILL_FAIL} caught": wilson(failing["failed"], counts["failed"]),
        WILL_TRAIN: wilson(hopeful["n"] - hopeful["failed"], hopeful["n"]),
        f"{WILL_TRAIN} caught": wilson(hopeful["n"] - hopeful["failed"], trained),
        f"{OPEN} failed": wilson(left["failed"], left["n"]),
    }


def _sentence(reason: Reason) -> str:
    if reason.condition.sign == "diverged":
        return text("forecast.reason.diverged")
    sign = reason.condition.sign
    return text(
        f"forecast.reason.{reason.condition.side}",
        what=text(f"forecast.sign.{sign}"),
        value=_written(sign, reason.value),
        updates=reason.condition.updates,
        limit=_written(sign, reason.condition.limit),
    )


def _written(sign: str, value: float) -> str:
    if math.isnan(value):
        return DASH
    return multiple(value) if sign == "gradient_decades" else number(value)


def _table(frame: pd.DataFrame) -> Table:
    """Return the measured numbers, one column per moment."""
    moments = (column(str(moment), head=text("forecast.table.updates", updates=moment)) for moment in frame.index)
    rows = [
        {"measured": head(name), **{str(moment): _written(name, value) for moment, value in frame[name].items()}}
        for name in SHOWN
    ]
    return Table("", (words("measured"), *moments), rows, head_words="head")


def _track_record() -> list[str]:
    study: Mapping[str, Any] = forecast_study()
    counts = study["measured"][UNSEEN]
    found = {name: _share(share) for name, share in track_record().items()}
    return [
        text("forecast.record.head", n=counts["n"], failed=counts["failed"], budgets=study["budgets"]),
        text("forecast.record.will_fail", right=found[WILL_FAIL], caught=found[f"{WILL_FAIL} caught"]),
        text("forecast.record.will_train", right=found[WILL_TRAIN], caught=found[f"{WILL_TRAIN} caught"]),
        text("forecast.record.open", failed=found[f"{OPEN} failed"]),
        text("forecast.record.source", command=study["command"], date=study["date"], n=study["n"]),
    ]


def _wrapped(said: Iterable[str], width: int) -> list[str]:
    return [part for line in said for part in wrapped(line, width, indent="  ")]


def _share(share: Share) -> str:
    if not share.n:
        return text("forecast.record.none")
    fractions = {"share": (share.hits / share.n, 1), "low": (share.low, 0), "high": (share.high, 0)}
    # A line is broken at blanks only, so a percentage stays whole.
    parts = {name: percent(*fraction).replace(" ", NO_BREAK) for name, fraction in fractions.items()}
    return text("forecast.record.share", hits=share.hits, n=share.n, **parts)
