"""What is to be trained: one Run per network, all of it validated before the first starts."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from gradflow.experiments import own_factory
from gradflow.experiments.combinations import agrees, check_distinct, check_matches, kept
from gradflow.experiments.data import check_data
from gradflow.experiments.data import is_own as is_own_data
from gradflow.experiments.network import Network, check_model, is_own, network, own_network, settled
from gradflow.experiments.planned_run import Run
from gradflow.experiments.recipe import RECIPE_FIELDS, PlanError, Recipe, check, check_names, seed_numbers, unique
from gradflow.factories import source_digest
from gradflow.models.catalogue import CATALOGUE
from gradflow.ranges import shown
from gradflow.settings import OneRunSettings, RunSettings, SweepSettings, listed, settings_of
from gradflow.text import text

MAX_RUNS = 20_000
RUN_SETTINGS = tuple(settings_of(RunSettings))
AXES = tuple(settings_of(OneRunSettings))


@dataclass(frozen=True)
class Override:
    """Other settings for some runs of a plan: those whose settings equal all of `when` get those of `set`."""

    when: Mapping[str, Any]
    set: Mapping[str, Any]


def plan(
    depths: Iterable[int] | None = None,
    *,
    families: Iterable[str] | None = None,
    seeds: int | Iterable[int] = SweepSettings.seeds,
    vary: Mapping[str, Iterable[Any]] | None = None,
    overrides: Iterable[Override] = (),
    leave_out: Iterable[Mapping[str, Any]] = (),
    **settings: Any,
) -> list[Run]:
    """Return every run of a comparison or sweep, longest first; nothing is trained.

    Parameters
    ----------
    depths : iterable of int, optional
        Weighted layers, each 6n + 2 for the default model. A factory of the user's need not have a depth.
    families : iterable of str, optional
        As the model has them; "plain" and "residual" by default, or all of them where it has no such pair.
    seeds : int or iterable of int
        How many seeds (0, 1, ...), or which. Runs of one seed share the data order, and plain and option A nets the
        initial weights: differences are paired.
    vary : mapping, optional
        Settings by name with the values that each takes; every combination is a run. "depth" and "family" may be
        among them, in place of `depths` and `families`.
    overrides : iterable of Override
        Other settings for some of the runs; later ones win.
    leave_out : iterable of mapping
        Combinations that are no runs: those whose settings equal all of one mapping's.
    **settings
        Those of `gradflow.settings.RunSettings` (`model`, `data`, `record_every`, `eval_every`, `probes`, `device`,
        `processes`), fields of `Recipe` (`steps`, `batch_size`, `lr`, ...) and options of the model (`shortcut`,
        `widths`, ...).

    Raises
    ------
    PlanError, DataError
        An argument is out of range, an override or what is left out matches no run, or two combinations are one run.

    Examples
    --------
    >>> [run.label for run in plan([8], families=["plain"], seeds=1, vary={"lr": [0.1, 0.01]})]
    ['plain-8, lr 0.1 seed 0', 'plain-8, lr 0.01 seed 0']
    """
    shared = {**{name: one.default for name, one in settings_of(RunSettings).items()}, **settings}
    shared["probes"] = listed(shared["probes"])
    check_once(settings.keys() - RUN_SETTINGS, vary or {})  # what is varied replaces a run's own
    varied = {name: unique(name, (settled(name, value) for value in values)) for name, values in (vary or {}).items()}
    depths = _either("depth", depths, varied)
    named = _either("family", families, varied)
    if "seed" in varied:
        raise PlanError("vary must not name seed; it has an argument of its own.")
    # operator.index turns NumPy's integers into Python's, which JSON knows
    axes: dict[str, list[Any]] = {
        "seed": seed_numbers(seeds),
        "depth": [None] if depths is None else unique("depths", map(operator.index, depths)),
        **varied,
    }
    named = None if named is None else unique("families", named)
    changes, codes = tuple(overrides), Codes()
    count = math.prod(map(len, axes.values())) * len(named or (None,))
    if count > MAX_RUNS:
        raise PlanError(text("error.plan.too_many", most=MAX_RUNS, n=shown(count)))
    combinations: list[dict[str, Any]] = []
    for combination in itertools.product(*axes.values()):
        chosen = {**shared, **dict(zip(axes, combination, strict=True))}
        combinations += [{**chosen, "family": family} for family in named or _default_families(chosen["model"])]
    combinations = kept(combinations, list(leave_out))
    check_matches("override", [change.when for change in changes], combinations)
    runs = [_run(chosen, changes, tuple(varied), codes) for chosen in combinations]
    check_distinct(runs)
    return sorted(runs, key=lambda run: -run.cost)


class Codes:
    """The factories and digests of one plan, each looked up once."""

    def __init__(self) -> None:
        self.factory = cache(own_factory.Factory.of)
        self.digest = cache(lambda data: source_digest(data) if is_own_data(data) else "")


def check_once(settings: Iterable[str], vary: Iterable[str]) -> None:
    """Raise PlanError for a setting that is varied and given by itself: one of them would be ignored."""
    twice = sorted({*settings} & {*vary})
    if twice:
        raise PlanError(text("error.plan.twice", name=twice[0]))


def _either(name: str, argument: Iterable[Any] | None, varied: dict[str, list[Any]]) -> Iterable[Any] | None:
    """Return an axis's values: the argument's, or those of `vary`, taken out of it; both is an error."""
    if name not in varied:
        return argument
    if argument is not None:
        raise PlanError(text("error.plan.twice", name=name))
    return varied.pop(name)


def _run(chosen: dict[str, Any], overrides: Sequence[Override], varied: tuple[str, ...], codes: Codes) -> Run:
    """Return the run of one combination of settings."""
    for override in overrides:
        if agrees(override.when, chosen):
            chosen = {**chosen, **override.set}
    check_data(chosen["data"])
    check(RunSettings, **{name: chosen[name] for name in RUN_SETTINGS})
    probes = listed(chosen["probes"])
    recipe = Recipe(**{name: chosen[name] for name in RECIPE_FIELDS if name in chosen})
    device = resolve_device(chosen["device"])
    _check_parts(recipe, chosen["processes"], device)
    return Run(
        network=_network(chosen, codes),
        recipe=recipe,
        seed=chosen["seed"],
        data=chosen["data"],
        record_every=chosen["record_every"],
        eval_every=chosen["eval_every"],
        probes=tuple(name for name in settings_of(RunSettings)["probes"].choices if name in probes),
        device=device,
        data_code=codes.digest(chosen["data"]),
        processes=chosen["processes"],
        varied=varied,
    )


def _check_parts(recipe: Recipe, processes: int, device: str) -> None:
    """Check that every process has an equal part of the batch, and a device of its own."""
    if recipe.batch_size % (processes * recipe.accumulate):
        raise PlanError(
            f"batch size must be a multiple of the {processes} processes times accumulate {recipe.accumulate}; "
            f"got {recipe.batch_size}."
        )
    if processes > 1 and device not in ("cpu", "cuda"):
        raise PlanError(f"device must be cpu or cuda where several processes train one network; got {device!r}.")


def _network(chosen: Mapping[str, Any], codes: Codes) -> Network:
    """Return the network of one combination; what is no setting of a run or recipe is an option of the model."""
    model, family, depth = (chosen[name] for name in ("model", "family", "depth"))
    known = (*AXES, *RUN_SETTINGS, *RECIPE_FIELDS)
    options = {name: value for name, value in chosen.items() if name not in known}
    if is_own(model):
        return own_network(codes.factory(model), family, depth, options)
    if depth is None:
        raise PlanError(text("error.plan.no_depths"))
    check_model(model)
    check_names("a sweep", options, (*known, *CATALOGUE[model].options))
    return network(model, family, depth, options)


def _default_families(model: str) -> Sequence[str | None]:
    if is_own(model):
        return (None,)
    check_model(model)
    known = CATALOGUE[model].families
    pair = SweepSettings.families
    return pair if set(pair) <= set(known) else known


def resolve_device(device: str) -> str:
    """Return PyTorch's name of the device, or raise PlanError if this machine does not have it."""
    available = ["cpu"]
    if torch.cuda.is_available():
        available += ["cuda", *[f"cuda:{index}" for index in range(torch.cuda.device_count())]]
    if torch.backends.mps.is_available():
        available.append("mps")
    if device == "auto":
        return "cuda" if "cuda" in available else "cpu"
    if device not in available:
        raise PlanError(text("error.plan.device", names=", ".join(available), value=repr(device)))
    return device
