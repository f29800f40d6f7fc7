"""A Run: one network to train, with everything that shapes its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from gradflow.experiments.network import Network
from gradflow.experiments.recipe import Recipe
from gradflow.hooks.environment import installed_version
from gradflow.settings import RunSettings, brief

RUN_FIELDS = ("seed", "data", "record_every", "eval_every", "probes", "device", "data_code", "processes")


@dataclass(frozen=True)
class Run:
    """One network to train: everything that shapes its result.

    The gradient is recorded every `record_every` steps and at 0, 1, 10, 100 and the end; the errors on the whole sets
    are measured every `eval_every` steps and at the end, not before the first update, when batch norm's running
    statistics hold nothing yet; `probes` (`gradflow.experiments.probes`) look at the network before and after training.
    `processes` train it together, each on its part of the batch. `varied` names the settings that a plan varies, for
    the label alone.
    """

    network: Network
    recipe: Recipe
    seed: int
    data: str = RunSettings.data
    record_every: int = RunSettings.record_every
    eval_every: int = RunSettings.eval_every
    probes: tuple[str, ...] = ()
    device: str = "cpu"
    data_code: str = ""
    processes: int = 1
    varied: tuple[str, ...] = field(default=(), compare=False)

    @property
    def family(self) -> str:
        """The network's family."""
        return self.network.family

    @property
    def depth(self) -> int | None:
        """The network's depth; None where a factory of the user's has none."""
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
            **vars(self.recipe),
            "data": self.data,
            "device": self.device,
            "processes": self.processes,
        }

    @property
    def label(self) -> str:
        """What the run is called in progress displays."""
        varied = "".join(f", {name.replace('_', ' ')} {self.shown(name)}" for name in self.varied)
        return f"{self._name}{varied} seed {self.seed}"

    def shown(self, name: str) -> str:
        """Return a setting's value in few characters, "none" for none; empty where the run has no such setting."""
        settings = {field: getattr(self, field) for field in RUN_FIELDS} | self.settings
        return brief(settings[name]) if name in settings else ""

    @property
    def id(self) -> str:
        """Folder name: readable, and different for any difference in what shapes the result."""
        versions = {"torch": torch.__version__, "gradflow": installed_version("gradflow-torch")}
        described = json.dumps({**self.to_json(), **versions}, sort_keys=True)
        digest = hashlib.sha256(described.encode()).hexdigest()[:8]
        return f"{self._name}-seed{self.seed}-{digest}"

    @property
    def _name(self) -> str:
        return self.family if self.depth is None else f"{self.family}-{self.depth}"

    @property
    def cost(self) -> float:
        """Expected time in arbitrary units, to start the longest first."""
        return (self.depth or 1) * self.steps * self.recipe.batch_size

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        named = {name: getattr(self, name) for name in RUN_FIELDS}
        return {"network": self.network.to_json(), "recipe": {**vars(self.recipe)}, **named}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Run:
        """Return the run that `to_json` described."""
        made = {"network": Network.from_json(values["network"]), "recipe": Recipe(**values["recipe"])}
        return cls(**{**values, **made, "probes": tuple(values["probes"])})
