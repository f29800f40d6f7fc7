"""What `gradflow forecast` prints: a verdict, its reasons, and how often it came true."""

from __future__ import annotations

from typing import Any

from gradflow.cli import output
from gradflow.cli.targeting import DATA_BATCH, Aim, aimed, optimizer_of
from gradflow.cli.terminal import width
from gradflow.errors import GradflowError
from gradflow.probe.forecast import Forecast, forecast, track_record
from gradflow.tables.exports import as_json
from gradflow.targets import Target
from gradflow.text import text

BATCHES = 4  # as in the study behind the verdicts
OF_AIM = ("settings", "data", "device", "seed")


def print_forecast(target: str, *, form: str | None, **options: Any) -> None:
    """Forecast the training of a target's model and print it."""
    aim = Aim(shape=None, evaluates=False, **{name: options.pop(name) for name in OF_AIM})
    with aimed(target, aim, examples=BATCHES * (options["batch_size"] or DATA_BATCH)) as loaded:
        found = forecast_of(loaded, options, options["batch_size"] or DATA_BATCH)
    if form is None:
        for line in found.lines(width()):
            output.say(line)
    elif form == "csv":
        output.print_data("csv", found.signs.reset_index().to_dict("records"))
    else:
        output.emit(as_json(as_data(found)))


def forecast_of(loaded: Target, settings: dict[str, Any], batch_size: int = DATA_BATCH) -> Forecast:
    """Return the forecast of a target with the optimizer that settings of a recipe make."""
    if loaded.targets is None:
        raise GradflowError(text("error.forecast.examples", name=loaded.name))
    found = forecast(
        loaded.model,
        loaded.inputs,
        loaded.targets,
        optimizer=optimizer_of(loaded.model, settings),
        batch_size=batch_size,
    )
    return Forecast(found.recording.having(meta={**found.recording.meta, "run": loaded.name}))


def as_data(found: Forecast) -> dict[str, Any]:
    """Return a forecast as JSON values."""
    return {
        "verdict": found.verdict,
        "experimental": found.is_experimental,
        "reasons": [{**one.condition._asdict(), "value": one.value} for one in found.reasons],
        "signs": found.signs.reset_index().to_dict("records"),
        "track_record": {name: share._asdict() for name, share in track_record().items()},
        "blind_spots": found.blind_spots,
        "meta": found.recording.meta,
    }
