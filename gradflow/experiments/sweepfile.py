"""A sweep as a file: every key of it known and of the right type, then a plan.

A file holds what `gradflow.experiments.plan` takes, and what a report says beside it:

    title = "Learning rates"            # and question = "..."
    depths = [20, 56]                   # families, seeds, and any setting: steps, lr, widths, ...
    steps = 300
    leave_out = [{ family = "plain", depth = 56 }]
    published = "he2015-table6"         # or [[published]] family, depth, error, source, kind, measure
    [vary]
    lr = [0.1, 0.02]
    [[override]]
    when = { depth = 56 }
    set = { warmup = 20 }
    [scaled]                            # keys that replace those above in the scaled version
    how = "fewer steps"
    steps = 100

With experiment = "shattering" it holds the arguments of `gradflow.experiments.shattering_by_depth` instead.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gradflow.experiments.data import DataError
from gradflow.experiments.network import settled
from gradflow.experiments.plan import Override, check_once, plan
from gradflow.experiments.planned_run import Run
from gradflow.experiments.recipe import PlanError
from gradflow.experiments.sweepkeys import SweepFileError, read_keys
from gradflow.notes import check_figure
from gradflow.reference.published_figures import published
from gradflow.settings import FigureSettings, NotesSettings, settings_of
from gradflow.text import text

_AXES = {"depths": "depth", "families": "family", "seeds": "seed"}
MAX_BYTES = 2**20
_TOLD = (*settings_of(NotesSettings), "published", "scaled")  # keys that shape no run


@dataclass(frozen=True)
class Sweep:
    """What a file asks for; `source` is the file, as errors name it, empty for a sweep that is in no file.

    `arguments` are for `plan` if the experiment is "compare", for `shattering_by_depth` if it is "shattering". `notes`
    are what the report says beside the runs, as `gradflow.notes` keeps it: title, question, scaled, published.
    """

    source: str
    experiment: str
    arguments: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def plan(self, given: Mapping[str, Any] | None = None) -> list[Run]:
        """Return every run, checked; arguments given here replace the file's.

        Where they leave some combinations out, overrides and what is left out of those count no longer. Raises
        PlanError as `gradflow.experiments.plan` does, led by the file's name.
        """
        arguments = _merged(self.arguments, given or {})
        try:
            check_once(arguments, arguments["vary"])
            return plan(**arguments)
        except (PlanError, DataError) as error:
            if not self.source:
                raise
            raise SweepFileError(f"{self.source}: {error}") from None


def read_sweep(path: str | os.PathLike[str], *, scaled: bool = False) -> Sweep:
    """Return the sweep of a TOML file.

    Raises SweepFileError, one line that names file and key: there is no such file, it is no TOML (with the line), or a
    key is unknown (with the nearest) or of a wrong type.
    """
    try:
        content = _regular(Path(path)).decode()
    except OSError as error:
        raise SweepFileError(text("error.sweep.unreadable", path=path, reason=error.strerror or error)) from None
    except UnicodeDecodeError as error:
        raise SweepFileError(text("error.sweep.not_utf8", path=path, byte=error.start)) from None
    return parse_sweep(content, source=str(path), scaled=scaled)


def _regular(path: Path) -> bytes:
    """Return a file's bytes; a pipe or a device, which may never end, is not read."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise SweepFileError(text("error.sweep.no_file", path=path))
    if about.st_size > MAX_BYTES:
        raise SweepFileError(text("error.sweep.too_large", path=path, size=about.st_size, most=MAX_BYTES))
    return path.read_bytes()


def parse_sweep(content: str, *, source: str, scaled: bool = False) -> Sweep:
    r"""Return the sweep that a TOML text holds; `source` is what errors call it.

    Examples
    --------
    >>> sweep = parse_sweep("depths = [8]\nseeds = 1\n[vary]\nlr = [0.1, 0.02]", source="rates.toml")
    >>> [run.label for run in sweep.plan({"families": ["plain"]})]
    ['plain-8, lr 0.1 seed 0', 'plain-8, lr 0.02 seed 0']
    """
    if content.startswith("\ufeff"):
        raise SweepFileError(text("error.sweep.bom", source=source))
    try:
        values = tomllib.loads(content)
    except RecursionError:
        raise SweepFileError(text("error.sweep.deep", source=source)) from None
    except ValueError as error:  # of TOML, or of a number with more digits than Python reads
        reason = str(error).partition(";")[0]
        raise SweepFileError(text("error.sweep.not_toml", source=source, reason=reason)) from None
    values = read_keys(values, source)
    how = ""
    if scaled:
        how, values = _scaled(values, source)
        values = read_keys(values, source)
    experiment = values.get("experiment", NotesSettings.experiment)
    arguments = {name: value for name, value in values.items() if name not in _TOLD}
    if "override" in arguments:
        arguments["overrides"] = tuple(Override(**one) for one in arguments.pop("override"))
    figures = _figures(values.get("published", []), source)
    told = {name: values.get(name, "") for name in ("title", "question")}
    return Sweep(source, experiment, arguments, {**told, "scaled": how, "published": figures})


def _scaled(values: dict[str, Any], source: str) -> tuple[str, dict[str, Any]]:
    """Return how the scaled version differs, in words, and its keys."""
    if "scaled" not in values:
        raise SweepFileError(text("error.sweep.no_scaled", source=source))
    changes = dict(values["scaled"])
    if "how" not in changes:
        raise SweepFileError(text("error.sweep.no_how", source=source))
    how = changes.pop("how")
    return how, {name: value for name, value in {**values, **changes}.items() if name != "scaled"}


def _figures(given: Any, source: str) -> list[dict[str, Any]]:
    """Return published figures: those of a name, or those that the file holds, checked."""
    known = settings_of(FigureSettings)
    try:
        if isinstance(given, str):
            return published(given)
        for number, figure in enumerate(given, 1):
            if not {name for name, one in known.items() if one.default is ...} <= figure.keys():
                raise ValueError(text("error.sweep.published", number=number))
            check_figure(figure)
    except ValueError as error:
        raise SweepFileError(f"{source}: {error}") from None
    defaults = {name: one.default for name, one in known.items() if one.default is not ...}
    return [{**defaults, **figure} for figure in given]


def _merged(arguments: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the file's arguments with others in their place.

    A setting given once is not varied any more; one that is varied is no setting of all runs.
    """
    replaced = {name: value for name, value in given.items() if value is not None and name != "vary"}
    several = dict(given.get("vary") or {})
    vary = {name: values for name, values in arguments.get("vary", {}).items() if name not in replaced} | several
    merged = {**{name: value for name, value in arguments.items() if name not in several}, **replaced, "vary": vary}
    narrowed: dict[str, Any] = {_AXES.get(name, name): _listed(name, value) for name, value in replaced.items()}
    narrowed |= {name: [settled(name, value) for value in values] for name, values in several.items()}
    for name, condition_of in (("leave_out", lambda one: one), ("overrides", lambda one: one.when)):
        if name in merged and name not in replaced:
            merged[name] = [one for one in merged[name] if _may_match(condition_of(one), narrowed)]
    return merged


def _listed(name: str, value: Any) -> list[Any]:
    """Return the values that an argument gives its setting."""
    if name == "seeds" and isinstance(value, int):
        return list(range(value))
    return list(value) if name in _AXES else [settled(name, value)]


def _may_match(condition: Mapping[str, Any], narrowed: Mapping[str, list[Any]]) -> bool:
    return all(name not in narrowed or settled(name, value) in narrowed[name] for name, value in condition.items())
