"""From norms kept during training to table rows: the one place where tensors become numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from gradflow.hooks.forms import Form, OutputKey, Signature, form_of, joint
from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import Scalar
from gradflow.hooks.passes import Output
from gradflow.hooks.readings import Parameters, Readings
from gradflow.hooks.times import Reading, TimeRows

STATISTICS = ("act_rms", "act_mean", "act_zero_fraction", "act_saturation")


class _Kept(NamedTuple):
    """One recorded step: numbers and device scalars, by parameter and by output."""

    step: int
    gradients: list[Scalar]
    weights: list[Scalar]
    updates: list[Scalar]
    outputs: list[Scalar]
    statistics: list[Scalar]  # four an output, if there are any
    n_nonfinite: dict[int, int]  # of parameters' gradients; see Readings
    n_nonfinite_outputs: dict[int, int]


class Buffer:
    """Scalars waiting on their device, and the tables they become."""

    def __init__(self, layers: list[Layer], parameters: Parameters) -> None:
        self._layers = layers
        self._parameters = parameters
        self._steps: list[dict[str, Any]] = []
        self._forms: dict[Signature, Form] = {}
        self._kept: dict[Signature, list[_Kept]] = {}
        self._times = TimeRows()
        self._chunks: dict[str, list[pd.DataFrame]] = {"steps": [], "layers": [], "times": []}
        self._n_rows = 0

    @property
    def n_waiting(self) -> int:
        """Rows that are not yet a table."""
        return self._n_rows + len(self._steps) + self._times.n_waiting

    def add_scalars(self, step: int, scalars: dict[str, Any]) -> None:
        """Keep one step's scalars; a list of norms becomes the norm of them all."""
        self._steps.append({"step": step, **scalars})

    def add_layers(self, step: int, readings: Readings, outputs: list[Output], *, is_compiled: bool) -> Form:
        """Keep one recorded step: a row per layer, backward pass, call and output. Returns the rows' form."""
        keys = tuple([OutputKey(o.layer.number, o.backward, o.call, o.index, o.status) for o in outputs])
        updated = frozenset(readings.updated)
        signature = Signature(keys, frozenset(readings.arrived), updated, is_compiled)
        form = self._forms.get(signature)
        if form is None:
            form = self._forms[signature] = form_of(signature, self._layers, self._parameters)
            self._kept[signature] = []
        norms = [output.norm for output in outputs]
        counts = {place: output.n_nonfinite for place, output in enumerate(outputs) if output.n_nonfinite}
        statistics = [value for output in outputs for value in output.statistics or ()]
        self._kept[signature].append(
            _Kept(
                step, readings.gradients, readings.weights, readings.updates, norms, statistics,
                readings.n_nonfinite, counts,
            )
        )  # fmt: skip
        self._n_rows += len(form.number)
        return form

    def add_times(self, step: int, readings: list[Reading], is_counted: Callable[[int], bool]) -> None:
        """Keep one recorded step's gradients by time step, of the backward passes that count."""
        self._times.add(step, readings, is_counted)

    def flush(self) -> None:
        """Turn what is pending into tables, after one transfer per device."""
        read = _Transfer()
        for row in self._steps:
            read.collect(row.values())
        for kept in self._kept.values():
            for one in kept:
                for values in (one.gradients, one.weights, one.updates, one.outputs, one.statistics):
                    read.collect(values)
        read.move()
        if self._steps:
            frame = pd.DataFrame([{key: read.number(value) for key, value in row.items()} for row in self._steps])
            self._chunks["steps"].append(frame)
        tables = [_table(self._forms[signature], kept, read) for signature, kept in self._kept.items() if kept]
        if tables:
            table = pd.concat(tables, ignore_index=True).sort_values("step", kind="stable", ignore_index=True)
            places = pd.DataFrame(_places(self._layers)).iloc[table.pop("number")].reset_index(drop=True)
            self._chunks["layers"].append(pd.concat([table, places], axis=1))
        if self._times.n_waiting:
            self._chunks["times"].append(self._times.flush())
        self._steps, self._kept, self._forms, self._n_rows = [], {}, {}, 0

    def forget(self, table: str) -> None:
        """Let go of a table's flushed rows: they are on disk from now on."""
        self._chunks[table] = []

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the flushed rows."""
        return {
            table: pd.concat(chunks, ignore_index=True) if chunks else pd.DataFrame()
            for table, chunks in self._chunks.items()
        }


def _table(form: Form, kept: list[_Kept], read: _Transfer) -> pd.DataFrame:
    """Return the rows of all steps that share a form."""
    n_steps, n_rows = len(kept), len(form.number)
    n_parameters, n_outputs = len(kept[0].gradients), len(kept[0].outputs)

    def owned(norms: list[list[Scalar]], numbers: dict[int, list[int]]) -> NDArray[np.float64]:
        return joint(read.matrix(norms, n_parameters), numbers, n_rows).ravel()

    # One more output, which is NaN, is what a row without an output (-1) takes its numbers from.
    outputs = np.pad(read.matrix([one.outputs for one in kept], n_outputs), ((0, 0), (0, 1)), constant_values=np.nan)
    described = read.matrix([one.statistics for one in kept], 4 * n_outputs).reshape(n_steps, n_outputs, 4)
    described = np.pad(described, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan)
    columns: dict[str, Any] = {
        "step": np.repeat([one.step for one in kept], n_rows),
        **{name: np.tile(getattr(form, name), n_steps) for name in ("backward", "number", "call", "output")},
        "grad_norm": owned([one.gradients for one in kept], form.gradients),
        "out_grad_norm": outputs[:, form.source].ravel(),
        "weight_norm": owned([one.weights for one in kept], form.weights),
        "update_norm": owned([one.updates for one in kept], form.updates),
        "n_nonfinite": np.concatenate([_counts(form, one) for one in kept]),
        "status": form.status * n_steps,
    }
    for place, name in enumerate(STATISTICS):
        columns[name] = described[:, form.described, place].ravel()
    return pd.DataFrame(columns)


def _counts(form: Form, one: _Kept) -> NDArray[np.int64]:
    """Return the non-finite entries by row: the output gradient's and, on a layer's first row, its parameters'."""
    counts = np.zeros(len(form.number), dtype=np.int64)
    if one.n_nonfinite or one.n_nonfinite_outputs:
        for row, source in enumerate(form.source):
            numbers = form.gradients.get(row, [])
            found = [one.n_nonfinite.get(number, 0) for number in numbers]
            found.append(one.n_nonfinite_outputs.get(source, 0))
            counts[row] = -1 if -1 in found else sum(found)
    return counts


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

    def matrix(self, rows: list[list[Scalar]], width: int) -> NDArray[np.float64]:
        """Return numbers of shape (rows, width); NaN throughout in a row that was not read."""
        full = [row or [math.nan] * width for row in rows]
        numbers = [[self.number(value) for value in row] for row in full] if self._numbers else full
        return np.array(numbers, dtype=np.float64).reshape(len(rows), width)

    def number(self, value: Any) -> Any:
        """Return the number for a value; a list of norms becomes the norm of them all."""
        if isinstance(value, Tensor):
            return self._numbers[id(value)]
        return math.hypot(*map(self.number, value)) if isinstance(value, list) else value


def scalar(key: str, value: Any) -> Scalar:
    """Return a float, or a 0-d tensor of its own where reading the value would wait for the device."""
    if key == "step":
        raise ValueError("step counts the calls itself and cannot be passed as a scalar; give it another name.")
    if not isinstance(value, Tensor):
        return float(value)
    if value.numel() != 1:
        raise ValueError(f"{key} must be one value; got a tensor of shape {tuple(value.shape)}. Pass its mean.")
    # Elsewhere a copy: the caller may change it in place.
    return float(value.item()) if value.is_cpu else value.detach().reshape(()).clone()


def combined(norms: Sequence[Scalar]) -> Any:
    """Return several norms as one: a float at once; with scalars on a device, the list, to be combined when moved."""
    return list(norms) if any(isinstance(norm, Tensor) for norm in norms) else math.hypot(*norms) if norms else math.nan
