"""What `gradflow doctor` prints: what is wrong with a network before any training, and which line to change."""

from __future__ import annotations

from typing import Any

from gradflow.cli import output
from gradflow.cli.commands import command_line
from gradflow.cli.diagnosing import as_data
from gradflow.cli.forecasting import BATCHES, forecast_of
from gradflow.cli.forecasting import as_data as as_forecast
from gradflow.cli.target_options import OF_UPDATES
from gradflow.cli.targeting import DATA_BATCH, Aim, aimed, optimizer_of
from gradflow.cli.terminal import show, width
from gradflow.diagnosis.cards import cards
from gradflow.probe.doctor import Checkup, doctor
from gradflow.tables.exports import as_json as as_json_text


def examine(target: str, *, forecasts: bool, as_json: bool, **options: Any) -> None:
    """Examine a target's model and its batch, forecast its training where that is asked for, and print both."""
    settings = {name: options.pop(name) for name in OF_UPDATES}
    aim = Aim(**options)
    with aimed(target, aim, examples=DATA_BATCH * (BATCHES if forecasts else 1), must_run=False) as loaded:
        batch = loaded
        if aim.data is not None:  # more examples than one batch are the forecast's
            batch = loaded._replace(inputs=loaded.inputs[:DATA_BATCH], targets=loaded.targets[:DATA_BATCH])
        has_rate = any(value is not None for value in settings.values())
        optimizer = optimizer_of(loaded.model, settings) if has_rate else None
        found = doctor(batch.model, batch.inputs, batch.targets, optimizer=optimizer)
        forecast = forecast_of(loaded, settings) if forecasts else None
    meta = {"run": target, "inputs_from": loaded.origin, "seed": aim.seed, "command": command_line()}
    findings = Checkup(found.recording.having(meta={**found.recording.meta, **meta})).findings
    if as_json:
        more = {} if forecast is None else {"forecast": as_forecast(forecast)}
        output.emit(as_json_text({**as_data(findings), **more}))
        return
    show(*cards(findings, findings.checks))
    if forecast is not None:
        for line in ("", *forecast.lines(width())):
            output.say(line)
