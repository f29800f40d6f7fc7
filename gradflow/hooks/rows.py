"""From norms kept during training to table rows: the one place where tensors become numbers."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gradflow.hooks.norms import Scalar

if TYPE_CHECKING:
    from gradflow.hooks.recorder import Entry

MEASURED = "measured"
IS_INPUT = "output is the input"
PARAMETERS_ONLY = "parameters only"
NOT_IN_GRAPH = "not in the graph"
FROZEN = "frozen"
NO_GRADIENT = "no gradient"


@dataclass(eq=False)
class Layer:
    """One recorded layer: who it is, and its place once it has run."""

    name: str
    module: nn.Module
    is_weighted: bool
    parameters: list[nn.Parameter]
    order: int | None = None
    depth: int | None = None
    stage_key: tuple[int, ...] | None = None

    @property
    def kind(self) -> str:
        """Module class."""
        return type(self.module).__name__


@dataclass(frozen=True)
class ParameterNorms:
    """Norms of one step: of each parameter's gradient, with its non-finite entries, and of each parameter."""

    gradients: Mapping[nn.Parameter, tuple[Scalar, int]]
    weights: Mapping[nn.Parameter, Scalar]


@dataclass
class Buffer:
    """Scalars waiting on their device, and the tables they become."""

    layers: list[Layer]
    _pending: list[Any] = field(default_factory=list)
    _steps: list[dict[str, Any]] = field(default_factory=list)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _chunks: dict[str, list[pd.DataFrame]] = field(default_factory=lambda: {"steps": [], "layers": []})
    _n_placed: int = 0

    @property
    def n_rows(self) -> int:
        """Layer rows that are not yet a table."""
        return len(self._rows)

    def next_order(self) -> int:
        """Return the place in execution order of a layer that runs for the first time."""
        self._n_placed += 1
        return self._n_placed - 1

    def add_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Keep one step's scalars."""
        self._steps.append({"step": step, **scalars})

    def add_gradients(self, step: int, norms: ParameterNorms, entries: Iterable[Entry]) -> None:
        """Keep one recorded step: its total norm, and one row per layer, call and output."""
        self._steps[-1]["total_grad_norm"] = [norm for norm, _ in norms.gradients.values()]
        by_layer: dict[int, list[Entry]] = {}
        for entry in entries:
            by_layer.setdefault(id(entry.layer), []).append(entry)
        for layer in self.layers:
            self._rows.extend(_layer_rows(step, layer, norms, by_layer.get(id(layer), [])))

    def flush(self) -> None:
        """Turn what is pending into tables, after one transfer per device."""
        if not self._steps:
            return
        read = _Transfer()
        for row in [*self._steps, *self._rows]:
            for value in row.values():
                read.collect(value)
        read.move()
        place = _places(self.layers)
        steps = [{key: read.number(value) for key, value in row.items()} for row in self._steps]
        layers = [
            {key: value if key in _LABELS else read.number(value) for key, value in row.items()} | place[row["layer"]]
            for row in self._rows
        ]
        self._chunks["steps"].append(pd.DataFrame(steps))
        if layers:
            self._chunks["layers"].append(pd.DataFrame(layers))
        self._steps, self._rows = [], []

    def take(self) -> dict[str, pd.DataFrame]:
        """Return the tables and forget them: they are on disk from now on."""
        tables = self.tables()
        self._chunks = {"steps": [], "layers": []}
        return tables

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the flushed rows."""
        return {
            table: pd.concat(chunks, ignore_index=True) if chunks else pd.DataFrame()
            for table, chunks in self._chunks.items()
        }


_LABELS = frozenset({"step", "backward", "layer", "call", "output", "status", "n_nonfinite"})


def _layer_rows(step: int, layer: Layer, norms: ParameterNorms, entries: list[Entry]) -> list[dict[str, Any]]:
    """Return one row per measured output of a layer, or one row that says why there is none."""
    gradients = [norms.gradients[parameter] for parameter in layer.parameters if parameter in norms.gradients]
    weights = [norms.weights[parameter] for parameter in layer.parameters if parameter in norms.weights]
    own: dict[str, Any] = {
        "grad_norm": [norm for norm, _ in gradients] or math.nan,
        "weight_norm": weights or math.nan,
        "n_nonfinite": _count(count for _, count in gradients),
    }
    arrived = [entry for entry in entries if entry.norm is not None]
    if not arrived:
        status = PARAMETERS_ONLY if gradients else _absence(layer, entries)
        return [_row(step, layer.name, 0, 0, 0, math.nan, status) | own]
    table = []
    for number, entry in enumerate(sorted(arrived, key=lambda entry: (entry.backward, entry.call, entry.output))):
        status = IS_INPUT if entry.is_input else MEASURED
        row = _row(step, layer.name, entry.backward, entry.call, entry.output, entry.norm, status)
        row["n_nonfinite"] = entry.n_nonfinite
        if number == 0:
            row |= own | {"n_nonfinite": _count([entry.n_nonfinite, own["n_nonfinite"]])}
        table.append(row)
    return table


def _row(step: int, layer: str, backward: int | None, call: int, output: int, norm: Any, status: str) -> dict[str, Any]:
    return {
        "step": step,
        "backward": backward,
        "layer": layer,
        "call": call,
        "output": output,
        "grad_norm": math.nan,
        "out_grad_norm": norm,
        "weight_norm": math.nan,
        "n_nonfinite": 0,
        "status": status,
    }


def _absence(layer: Layer, entries: list[Entry]) -> str:
    """Return why no gradient arrived at a layer in this step."""
    if layer.parameters and not any(parameter.requires_grad for parameter in layer.parameters):
        return FROZEN
    return NO_GRADIENT if entries else NOT_IN_GRAPH


def _count(counts: Iterable[int]) -> int:
    known = list(counts)
    return -1 if -1 in known else sum(known)


def _places(layers: list[Layer]) -> dict[str, dict[str, Any]]:
    """Return order, depth, stage and the like of each layer; what follows a weighted layer shares its stage."""
    places: dict[str, dict[str, Any]] = {}
    ordered = sorted((layer for layer in layers if layer.order is not None), key=lambda layer: layer.order or 0)
    stage, depth, key = -1, 0, None
    for layer in ordered:
        if layer.is_weighted and layer.stage_key != key:
            stage, key = stage + 1, layer.stage_key
        depth = layer.depth if layer.depth is not None else depth + int(layer.is_weighted)
        places[layer.name] = {"order": layer.order, "layer_depth": depth, "stage": stage}
    for layer in layers:
        place = places.setdefault(layer.name, {"order": -1, "layer_depth": -1, "stage": -1})
        place["kind"] = layer.kind
        place["weighted"] = layer.is_weighted
        place["n_params"] = sum(parameter.numel() for parameter in layer.parameters)
    return places


class _Transfer:
    """Moves scalars to the host: one stack and one copy per device, whatever their number."""

    def __init__(self) -> None:
        self._waiting: dict[torch.device, list[Tensor]] = {}
        self._numbers: dict[int, float] = {}

    def collect(self, value: Any) -> None:
        """Note the tensors in a value: a scalar, or a list of norms to be combined."""
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Tensor):
                self._waiting.setdefault(item.device, []).append(item)

    def move(self) -> None:
        """Copy what was noted."""
        for device, tensors in self._waiting.items():
            wide = torch.float32 if device.type == "mps" else torch.float64
            moved = torch.stack([tensor.to(wide) for tensor in tensors]).cpu().tolist()
            self._numbers.update({id(tensor): number for tensor, number in zip(tensors, moved, strict=True)})

    def number(self, value: Any) -> Any:
        """Return the number for a value; a list of norms becomes the norm of them all."""
        if isinstance(value, list):
            return math.hypot(*[self.number(item) for item in value])
        return self._numbers[id(value)] if isinstance(value, Tensor) else value


def describe(model: nn.Module, parameters: list[nn.Parameter]) -> dict[str, Any]:
    """Return what a report needs to know of the model and its surroundings."""
    return {
        "model": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "device": str(parameters[0].device),
        "device_name": device_name(parameters[0].device),
        "dtype": str(parameters[0].dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "versions": {
            "gradflow": _version("gradflow-torch"),
            "torch": torch.__version__,
            "numpy": np.__version__,
        }
        | {"python": platform.python_version()},
        "gradients": "as in .grad when step() was called",
    }


def device_name(device: torch.device) -> str:
    """Return the processor's name, for the record."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
