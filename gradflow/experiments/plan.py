"""What is to be trained: one Run per network, all of it validated before the first starts."""

from __future__ import annotations

import hashlib
import itertools
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from gradflow.experiments.combinations import agrees, check_distinct, check_matches, kept
from gradflow.experiments.data import check_data
from gradflow.experiments.network import Network, frozen, network
from gradflow.experiments.recipe import RECIPE_FIELDS, PlanError, Recipe, check_count, check_names, one_of
from gradflow.models.catalogue import CATALOGUE

MODEL = "cifar"
DATA = "digits"
RECORD_EVERY = 10
EVAL_EVERY = 150
SEEDS = 3
PAIR = ("plain", "residual")  # what is compared unless families are named
PROBES = ("paths",)  # of the trained network, as `gradflow.experiments.probes` measures them
RUN_SETTINGS = ("model", "data", "record_every", "eval_every", "probes", "device")
AXES = ("depth", "family", "seed")


@dataclass(frozen=True)
class Run:
    """One network to train: everything that shapes its result.

    The gradient is recorded every `record_every` steps and at 0, 1, 10, 100 and the end; the errors on the whole sets
    are measured every `eval_every` steps and at the end, not before the first update, when batch norm's running
    statistics hold nothing yet; `probes` (`gradflow.experiments.probes`) look at the trained network. `varied` names
    the settings that a plan varies, for the label alone.
    """

    network: Network
    recipe: Recipe
    seed: int
    data: str = DATA
    record_every: int = RECORD_EVERY
    eval_every: int = EVAL_EVERY
    probes: tuple[str, ...] = ()
    device: str = "cpu"
    varied: tuple[str, ...] = field(default=(), compare=False)

    @property
    def family(self) -> str:
        """The network's family."""
        return self.network.family

    @property
    def depth(self) -> int:
        """The network's depth."""
        return self.network.depth

    @property
    def steps(self) -> int:
        """Optimizer updates."""
        return self.recipe.steps

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that shapes the result besides family, depth and seed, by name; JSON values."""
        return {
            "model": self.network.model,
            **dict(self.network.options),
            **asdict(self.recipe),
            "data": self.data,
            "device": self.device,
        }

    @property
    def label(self) -> str:
        """What the run is called in progress displays."""
        settings = self.settings
        varied = "".join(f", {name.replace('_', ' ')} {_short(settings[name])}" for name in self.varied)
        return f"{self.family}-{self.depth}{varied} seed {self.seed}"

    @property
    def id(self) -> str:
        """Folder name: readable, and different for any difference in what shapes the result."""
        described = json.dumps({**self.to_json(), "torch": torch.__version__}, sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()[:8]
        return f"{self.family}-{self.depth}-seed{self.seed}-{digest}"

    @property
    def cost(self) -> float:
        """Expected time in arbitrary units, to start the longest first."""
        return self.depth * self.steps * self.recipe.batch_size

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        names = ("seed", "data", "record_every", "eval_every", "probes", "device")
        named = {name: getattr(self, name) for name in names}
        return {"network": self.network.to_json(), "recipe": asdict(self.recipe), **named}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Run:
        """Return the run that `to_json` described."""
        made = {"network": Network.from_json(values["network"]), "recipe": Recipe(**values["recipe"])}
        return cls(**{**values, **made, "probes": tuple(values["probes"])})


@dataclass(frozen=True)
class Override:
    """Other settings for some runs of a plan: those whose settings equal all of `when` get those of `set`."""

    when: Mapping[str, Any]
    set: Mapping[str, Any]

    def applies_to(self, chosen: Mapping[str, Any]) -> bool:
        """Whether a combination of settings is meant."""
        return agrees(self.when, chosen)


def plan(
    depths: Iterable[int],
    *,
    families: Iterable[str] | None = None,
    seeds: int | Iterable[int] = SEEDS,
    vary: Mapping[str, Iterable[Any]] | None = None,
    overrides: Iterable[Override] = (),
    leave_out: Iterable[Mapping[str, Any]] = (),
    model: str = MODEL,
    data: str = DATA,
    record_every: int = RECORD_EVERY,
    eval_every: int = EVAL_EVERY,
    probes: Iterable[str] = (),
    device: str = "auto",
    **settings: Any,
) -> list[Run]:
    """Return every run of a comparison or sweep, longest first; nothing is trained.

    Parameters
    ----------
    depths : iterable of int
        Weighted layers, each 6n + 2 for the default model.
    families : iterable of str, optional
        As the model has them; "plain" and "residual" by default, or all of them where it has no such pair.
    seeds : int or iterable of int
        How many seeds (0, 1, ...), or which. Runs of one seed share the data order, and plain and option A nets the
        initial weights: differences are paired.
    vary : mapping, optional
        Settings by name with the values that each takes; every combination is a run.
    overrides : iterable of Override
        Other settings for some of the runs; later ones win.
    leave_out : iterable of mapping
        Combinations that are no runs: those whose settings equal all of one mapping's.
    model, data, record_every, eval_every, probes
        As in `Run`.
    device : str
        "auto" takes the GPU if there is one; otherwise PyTorch's name.
    **settings
        Fields of `Recipe` (`steps`, `batch_size`, `lr`, ...) and options of the model (`shortcut`, `widths`, ...).

    Raises
    ------
    PlanError, DataError
        An argument is out of range, an override or what is left out matches no run, or two combinations are one run.

    Examples
    --------
    >>> [run.label for run in plan([8], families=["plain"], seeds=1, vary={"lr": [0.1, 0.01]})]
    ['plain-8, lr 0.1 seed 0', 'plain-8, lr 0.01 seed 0']
    """
    shared = {
        "model": model,
        "data": data,
        "record_every": record_every,
        "eval_every": eval_every,
        "probes": tuple(probes),
        "device": device,
        **settings,
    }
    varied = {name: [frozen(value) for value in _unique(name, values)] for name, values in (vary or {}).items()}
    twice = next((name for name in varied if name in AXES), None)
    if twice is not None:
        raise PlanError(f"vary must not name {twice}; it has an argument of its own.")
    # operator.index turns NumPy's integers into Python's, which JSON knows
    axes: dict[str, list[Any]] = {
        "seed": _seeds(seeds),
        "depth": _unique("depths", map(operator.index, depths)),
        **varied,
    }
    named = None if families is None else _unique("families", families)
    changes = tuple(overrides)
    combinations: list[dict[str, Any]] = []
    for combination in itertools.product(*axes.values()):
        chosen = {**shared, **dict(zip(axes, combination, strict=True))}
        combinations += [{**chosen, "family": family} for family in named or _default_families(chosen["model"])]
    combinations = kept(combinations, list(leave_out))
    check_matches("override", [change.when for change in changes], combinations)
    runs = [_run(chosen, changes, tuple(varied)) for chosen in combinations]
    check_distinct(runs)
    return sorted(runs, key=lambda run: -run.cost)


def _run(chosen: dict[str, Any], overrides: Sequence[Override], varied: tuple[str, ...]) -> Run:
    """Return the run of one combination of settings."""
    for override in overrides:
        if override.applies_to(chosen):
            chosen = {**chosen, **override.set}
    one_of("model", chosen["model"], tuple(CATALOGUE))
    options = CATALOGUE[chosen["model"]].options
    check_names("a sweep", chosen, (*AXES, *RUN_SETTINGS, *RECIPE_FIELDS, *options))
    check_data(chosen["data"])
    for name in ("record_every", "eval_every"):
        check_count(name, chosen[name])
    return Run(
        network=network(
            chosen["model"],
            chosen["family"],
            chosen["depth"],
            {name: chosen[name] for name in options if name in chosen},
        ),
        recipe=Recipe(**{name: chosen[name] for name in RECIPE_FIELDS if name in chosen}),
        seed=chosen["seed"],
        data=chosen["data"],
        record_every=chosen["record_every"],
        eval_every=chosen["eval_every"],
        probes=_probes(chosen["probes"]),
        device=resolve_device(chosen["device"]),
        varied=varied,
    )


def _probes(names: Iterable[str]) -> tuple[str, ...]:
    for name in names:
        one_of("probes", name, PROBES)
    return tuple(names)


def _default_families(model: str) -> Sequence[str]:
    one_of("model", model, tuple(CATALOGUE))
    known = CATALOGUE[model].families
    return PAIR if set(PAIR) <= set(known) else known


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
        raise PlanError(f"device must be auto or one of {', '.join(available)} on this machine; got {device!r}.")
    return device


def _seeds(seeds: int | Iterable[int]) -> list[int]:
    if isinstance(seeds, int):
        check_count("seeds", seeds)
        return list(range(seeds))
    return _unique("seeds", map(operator.index, seeds))


def _unique(name: str, values: Iterable[Any]) -> list[Any]:
    """Return the values without repeats; none at all is an error."""
    kept = list(dict.fromkeys(map(frozen, values)))
    if not kept:
        raise PlanError(f"{name} must name at least one; got none.")
    return kept


def _short(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
