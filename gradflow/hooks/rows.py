"""From norms kept during training to table rows: the one place where tensors become numbers."""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import Scalar
from gradflow.hooks.passes import Output

PARAMETERS_ONLY = "parameters only"
NOT_IN_GRAPH = "not in the graph"
FROZEN = "frozen"
NO_GRADIENT = "no gradient"
LOST = "lost"
COMPILED = "compiled"
SCRIPTED = "scripted"
FAILED = "failed"

Value = TypeVar("Value")


@dataclass
class StepNorms:
    """What was read at one step, by parameter: gradient norms with non-finite entries, weights, updates."""

    gradients: dict[nn.Parameter, tuple[Scalar, int]] = field(default_factory=dict)
    weights: dict[nn.Parameter, Scalar] = field(default_factory=dict)
    updates: dict[nn.Parameter, Scalar] = field(default_factory=dict)
    is_compiled: bool = False


@dataclass
class Buffer:
    """Scalars waiting on their device, and the tables they become."""

    layers: list[Layer]
    _steps: list[dict[str, Any]] = field(default_factory=list)
    _rows: list[tuple[Any, ...]] = field(default_factory=list)
    _chunks: dict[str, list[pd.DataFrame]] = field(default_factory=lambda: {"steps": [], "layers": []})
    _n_placed: int = 0

    @property
    def n_waiting(self) -> int:
        """Rows that are not yet a table."""
        return len(self._rows) + len(self._steps)

    def next_order(self) -> int:
        """Return the place in execution order of a layer that runs for the first time."""
        self._n_placed += 1
        return self._n_placed - 1

    def add_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Keep one step's scalars; lists of norms become the norm of them all."""
        joint = {key: _joint(value) if isinstance(value, list) else value for key, value in scalars.items()}
        self._steps.append({"step": step, **joint})

    def add_layers(self, step: int, norms: StepNorms, outputs: Iterable[Output]) -> None:
        """Keep one recorded step: a row per layer, backward pass, call and output."""
        by_layer: list[list[Output]] = [[] for _ in self.layers]
        for output in outputs:
            by_layer[output.layer.number].append(output)
        for layer in self.layers:
            self._rows.extend(_layer_rows(step, layer, norms, by_layer[layer.number]))

    def flush(self) -> None:
        """Turn what is pending into tables, after one transfer per device."""
        columns = [list(column) for column in zip(*self._rows, strict=True)]
        read = _Transfer()
        for row in self._steps:
            read.collect(row.values())
        for name, column in zip(_ROW, columns, strict=False):
            if name not in _LABELS:
                read.collect(column)
        read.move()
        if self._steps:
            frame = pd.DataFrame([{key: read.number(value) for key, value in row.items()} for row in self._steps])
            self._chunks["steps"].append(frame)
        if columns:
            table = pd.DataFrame(dict(zip(_ROW, map(read.numbers, columns), strict=True)))
            places = pd.DataFrame(_places(self.layers)).iloc[table.pop("number")].reset_index(drop=True)
            self._chunks["layers"].append(pd.concat([table, places], axis=1))
        self._steps, self._rows = [], []

    def forget(self, table: str) -> None:
        """Let go of a table's flushed rows: they are on disk from now on."""
        self._chunks[table] = []

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the flushed rows."""
        return {
            table: pd.concat(chunks, ignore_index=True) if chunks else pd.DataFrame()
            for table, chunks in self._chunks.items()
        }


_ROW = (
    "step", "backward", "number", "call", "output", "grad_norm", "out_grad_norm", "weight_norm", "update_norm",
    "n_nonfinite", "status", "act_rms", "act_mean", "act_zero_fraction", "act_saturation",
)  # fmt: skip
_LABELS = frozenset({"step", "backward", "number", "call", "output", "n_nonfinite", "status"})
_NO_STATISTICS = (math.nan,) * 4
_NO_PARAMETERS: tuple[Any, Any, Any] = (math.nan,) * 3


def _layer_rows(step: int, layer: Layer, norms: StepNorms, outputs: list[Output]) -> Iterator[tuple[Any, ...]]:
    """Yield one row per measured output of a layer, or one row that says why there is none."""
    gradients: list[tuple[Scalar, int]] = []
    own, n_nonfinite = _NO_PARAMETERS, 0
    if layer.parameters:
        gradients = _chosen(norms.gradients, layer)
        n_nonfinite = _count([count for _, count in gradients])
        joint = _joint([norm for norm, _ in gradients])
        own = (joint, _joint(_chosen(norms.weights, layer)), _joint(_chosen(norms.updates, layer)))
    arrived = [output for output in outputs if output.norm is not None]
    if not arrived:
        status = _absence(layer, outputs, norms, has_gradients=bool(gradients))
        statistics = next((output.statistics for output in outputs if output.statistics), _NO_STATISTICS)
        yield (step, 0, layer.number, 0, 0, own[0], math.nan, own[1], own[2], n_nonfinite, status, *statistics)
        return
    if len(arrived) > 1:
        arrived.sort(key=lambda output: (output.backward, output.call, output.index))
    for output in arrived:
        count = _count((output.n_nonfinite, n_nonfinite))
        place = (step, output.backward, layer.number, output.call, output.index)
        yield (
            *place,
            own[0],
            output.norm,
            own[1],
            own[2],
            count,
            output.status,
            *(output.statistics or _NO_STATISTICS),
        )
        own, n_nonfinite = _NO_PARAMETERS, 0


def _chosen(values: Mapping[nn.Parameter, Value], layer: Layer) -> list[Value]:
    """Return the values of a layer's parameters, where there are any."""
    return [values[parameter] for parameter in layer.parameters if parameter in values] if values else []


def _absence(layer: Layer, outputs: list[Output], norms: StepNorms, *, has_gradients: bool) -> str:
    """Return why no gradient arrived at a layer's output in this step."""
    if isinstance(layer.module, torch.jit.ScriptModule):
        return SCRIPTED
    if norms.is_compiled:
        return COMPILED
    if any(output.failed for output in outputs):
        return FAILED
    if any(output.is_unreadable for output in outputs):
        return LOST
    if has_gradients:
        return PARAMETERS_ONLY
    if layer.parameters and not any(parameter.requires_grad for parameter in layer.parameters):
        return FROZEN
    return NO_GRADIENT if any(output.is_in_graph for output in outputs) else NOT_IN_GRAPH


def _joint(norms: Sequence[Scalar]) -> Any:
    """Return several norms as one: a float at once, scalars on a device as a list to combine later."""
    if len(norms) < 2:
        return norms[0] if norms else math.nan
    return list(norms) if any(isinstance(norm, Tensor) for norm in norms) else math.hypot(*norms)


def _count(counts: Iterable[int]) -> int:
    known = list(counts)
    return -1 if -1 in known else sum(known)


def _places(layers: list[Layer]) -> list[dict[str, Any]]:
    """Return order, depth, stage and the like of each layer; what follows a weighted layer shares its stage."""
    places: list[dict[str, Any]] = [
        {
            "layer": layer.name,
            "order": -1,
            "layer_depth": -1,
            "stage": -1,
            "kind": layer.kind,
            "weighted": layer.is_weighted,
            "n_params": sum(parameter.numel() for parameter in layer.parameters),
        }
        for layer in layers
    ]
    stage, depth, key = -1, 0, None
    for layer in sorted((layer for layer in layers if layer.order is not None), key=lambda layer: layer.order or 0):
        if layer.is_weighted and layer.stage_key != key:
            stage, key = stage + 1, layer.stage_key
        depth = layer.depth if layer.depth is not None else depth + int(layer.is_weighted)
        places[layer.number] |= {"order": layer.order, "layer_depth": depth, "stage": stage}
    return places


class _Transfer:
    """Moves scalars to the host: one stack and one copy per device, whatever their number."""

    def __init__(self) -> None:
        self._waiting: dict[torch.device, list[Tensor]] = {}
        self._numbers: dict[int, float] = {}

    def collect(self, values: Iterable[Any]) -> None:
        """Note the tensors among values: scalars, or lists of norms to be combined."""
        for value in values:
            if type(value) is float or type(value) is int:  # nearly all of them, on the CPU
                continue
            if isinstance(value, Tensor):
                self._waiting.setdefault(value.device, []).append(value)
            elif isinstance(value, list):
                self.collect(value)

    def move(self) -> None:
        """Copy what was noted."""
        for device, tensors in self._waiting.items():
            wide = torch.float32 if device.type == "mps" else torch.float64
            moved = torch.stack([tensor.to(wide) for tensor in tensors]).cpu().tolist()
            self._numbers.update({id(tensor): number for tensor, number in zip(tensors, moved, strict=True)})

    def numbers(self, column: list[Any]) -> list[Any]:
        """Return the numbers of a column; one that was never on a device is returned as it is."""
        return [self.number(value) for value in column] if self._numbers else column

    def number(self, value: Any) -> Any:
        """Return the number for a value; a list of norms becomes the norm of them all."""
        if isinstance(value, Tensor):
            return self._numbers[id(value)]
        return math.hypot(*map(self.number, value)) if isinstance(value, list) else value


def scalar(key: str, value: Any) -> Any:
    """Return a detached 0-d tensor or a float."""
    if key == "step":
        raise ValueError("step counts the calls itself and cannot be passed as a scalar; give it another name.")
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"{key} must be one value; got a tensor of shape {tuple(value.shape)}. Pass its mean.")
        return value.detach().reshape(()).clone()  # the caller may change it in place
    return float(value)


def describe(model: nn.Module, parameters: list[nn.Parameter]) -> dict[str, Any]:
    """Return what a report needs to know of the model and its surroundings."""
    return {
        "model": type(model).__name__,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "device": str(parameters[0].device),
        "device_name": device_name(parameters[0].device),
        "dtype": str(parameters[0].dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "versions": {"gradflow": _version("gradflow-torch"), "torch": torch.__version__, "numpy": np.__version__}
        | {"python": platform.python_version()},
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
