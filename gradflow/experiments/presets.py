"""Sweeps that ship with the package: experiments of papers, of the tutorial, and one that takes seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files

from gradflow.experiments.recipe import PlanError, did_you_mean
from gradflow.experiments.sweepfile import Sweep, parse_sweep
from gradflow.experiments.sweepkeys import SweepFileError
from gradflow.text import text

PRESETS = ("smoke", "tutorial", "he2015-fig6", "he2015-table6", "veit2016-paths", "balduzzi2017-shattering")


@dataclass(frozen=True)
class Summary:
    """What a preset is: its name, title and data; `scaled` says how its scaled version differs, if it has one.

    Title and `scaled` are keys of texts (`gradflow.text.words.said`).
    """

    name: str
    title: str
    data: str
    scaled: str


def read_preset(name: str, *, scaled: bool = False) -> Sweep:
    """Return the sweep of a preset, or its scaled version, which runs on a laptop; PlanError if there is none.

    Examples
    --------
    >>> len(read_preset("he2015-fig6", scaled=True).plan({"device": "cpu"}))
    27
    """
    if name not in PRESETS:
        names, hint = ", ".join(PRESETS), did_you_mean(name, PRESETS)
        raise PlanError(text("error.plan.preset", names=names, value=repr(name), hint=hint))
    content = files("gradflow.experiments").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")
    sweep = parse_sweep(content, source=f"preset {name}", scaled=scaled)
    told = {"preset": name, "title": f"preset.{name}.title", "question": f"preset.{name}.question"}
    return replace(sweep, notes={**sweep.notes, **told})


def presets() -> list[Summary]:
    """Return what there is.

    Examples
    --------
    >>> [preset.name for preset in presets()][0]
    'smoke'
    """
    return [_summary(name) for name in PRESETS]


def _summary(name: str) -> Summary:
    sweep = read_preset(name)
    try:
        scaled = str(read_preset(name, scaled=True).notes["scaled"])
    except SweepFileError:
        scaled = ""
    return Summary(name, str(sweep.notes["title"]), str(sweep.arguments.get("data", "")), scaled)
