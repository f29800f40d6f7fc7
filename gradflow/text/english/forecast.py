"""The sentences of a forecast, in English."""

from __future__ import annotations

from collections.abc import Mapping

FORECAST: Mapping[str, str] = {
    "forecast.head": "Forecast for {name}: {verdict}",
    "forecast.trial": (
        "Tried on a copy: {updates} updates of {optimizer}, learning rate {lr}, batches of {batch_size} from "
        "{n_examples} examples."
    ),
    "forecast.verdict.doomed": "doomed",
    "forecast.verdict.will train": "will train, on this task",
    "forecast.verdict.open": "open",
    "forecast.experimental": "{verdict} (experimental: may be right less often than the {target} aimed at)",
    "forecast.because.doomed": "Because:",
    "forecast.because.will train": "No sign of doom, and:",
    "forecast.because.open": "No sign of doom, but what networks show that train is not there yet:",
    "forecast.reason.below": "- {what}: {value} after {updates} updates (the rule asks for less than {limit})",
    "forecast.reason.above": "- {what}: {value} after {updates} updates (the rule asks for more than {limit})",
    "forecast.reason.diverged": "- the loss stopped being finite",
    "forecast.sign.gradient_decades": "decades of gradient from the last hidden layer back to the first",
    "forecast.sign.unlikeness": "1 - mean cosine of two samples at the last layer's input",
    "forecast.sign.update_ratio_min": "smallest |update| / |weights| of a layer",
    "forecast.sign.relative_error": "error on the examples over that of naming the most frequent class",
    "forecast.sign.relative_loss": "loss on the examples over that before training",
    "forecast.table.updates": "{updates} updates",
    "forecast.table.sign": "measured",
    "forecast.record.head": (
        "How often this came true on {n} networks of data and factors that no limit was chosen on, {failed} of which "
        "failed within {budgets} updates (95 % Wilson intervals):"
    ),
    "forecast.record.doomed": "- doomed: right {right}; given to {caught} of the failures",
    "forecast.record.will_train": "- will train: right {right}; given to {caught} of those that trained",
    "forecast.record.open": "- open: {failed} failed",
    "forecast.record.share": "{hits} of {n} ({share}, {low} to {high})",
    "forecast.record.none": "0 of 0",
    "forecast.record.source": "Source: {command}, {date}, {n} networks.",
    "forecast.blind": (
        "Not seen: failures of learning rate and budget with healthy gradients (too few updates, steps too small, or "
        "too large later on). They end as open."
    ),
}
