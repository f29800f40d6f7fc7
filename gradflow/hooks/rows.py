"""From norms kept during training to table rows: the one place where tensors become numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gradflow import storage
from gradflow.hooks.attachment import Edge
from gradflow.hooks.capture import OutputGradientHook
from gradflow.hooks.failures import Failures, OnFailure, retried, together
from gradflow.hooks.histograms import ACTIVATION, DistributionRows, Histogram
from gradflow.hooks.layers import Layer
from gradflow.hooks.norms import Scalar
from gradflow.hooks.passes import Pass
from gradflow.hooks.readings import Parameters, Piece, Readings, Total
from gradflow.hooks.row_layout import Conditions, RowLayout, Signature, joint, layout_of
from gradflow.hooks.sequence_norms import Reading, TimeRows
from gradflow.hooks.statistics import STATISTICS
from gradflow.recording import checked

UNCLIPPED = "unclipped_grad_norm"
FRESH_STEPS = 32  # whose norms are taken together
FRESH_ENTRIES = 1 << 20  # that they hold before: 4 MiB, and a step's
_NOT_DESCRIBED = (math.nan,) * len(STATISTICS)


class _Kept(NamedTuple):
    """One recorded step: numbers and device scalars, by parameter and by output.

    Tuples of them, since Python's garbage collector looks at lists again and again.
    """

    step: int
    gradients: tuple[Scalar, ...]
    weights: tuple[Scalar, ...]
    updates: tuple[Scalar, ...]
    outputs: tuple[Scalar, ...]
    statistics: tuple[Scalar, ...]  # four an output, if there are any
    n_nonfinite: dict[int, int]  # of parameters' gradients; see Readings
    rates: tuple[tuple[tuple[int, ...], Scalar], ...]
    n_nonfinite_outputs: dict[int, int]


class _Fresh(NamedTuple):
    """One recorded step whose norms are still to be taken."""

    readings: Readings
    watched: Pass
    outputs: list[OutputGradientHook]
    conditions: Conditions
    scalars: dict[str, Any]


class Buffer:
    """Scalars waiting on their device, and the tables they become.

    A step is kept before anything is derived from it. The norms of several are taken one after the other, which costs
    half as much as in between the user's steps, and rows become a table all at once or, if that fails, step by step:
    `failures` receives the error of a step that cannot become one, which is lost. `on_tables` receives the new tables
    of each flush, by name.
    """

    def __init__(
        self,
        layers: list[Layer],
        parameters: Parameters,
        failures: Failures,
        on_tables: Callable[[Mapping[str, list[pd.DataFrame]]], object] = lambda tables: None,
    ) -> None:
        self._layers = layers
        self._parameters = parameters
        self._failures = failures
        self._on_tables = on_tables
        self._steps: list[dict[str, Any]] = []
        self._layouts: dict[Signature, RowLayout] = {}
        self._fresh: list[_Fresh] = []
        self._n_fresh = 0  # entries that they hold
        self._kept: dict[Signature, list[_Kept]] = {}
        self._times = TimeRows()
        self._distributions = DistributionRows()
        self._chunks: dict[str, list[pd.DataFrame]] = {
            table: [] for table in ("steps", "layers", "parameters", "graph", "times", "distributions")
        }
        self._n_checked: dict[str, int] = {}  # chunks, which come first
        self._n_rows = 0

    @property
    def n_waiting(self) -> int:
        """Rows that are not yet a table."""
        return self._n_rows + len(self._steps) + self._times.n_waiting + self._distributions.n_waiting

    def add_scalars(self, scalars: dict[str, Any]) -> None:
        """Keep one step's scalars, which name the step; a list of norms becomes the norm of them all."""
        self._steps.append(scalars)

    def amend_scalars(self, step: int, scalars: dict[str, Any]) -> bool:
        """Add to the scalars of the step that ended last; return whether they were still at hand."""
        is_at_hand = bool(self._steps) and self._steps[-1]["step"] == step
        if is_at_hand:
            self._steps[-1] |= scalars
        return is_at_hand

    def follow(self, parameters: Parameters) -> None:
        """Go on with layers and parameters that have changed; what was pending must have become tables before."""
        self._parameters = parameters

    def add_edges(self, edges: list[Edge]) -> None:
        """Keep connections of the layers' graph."""
        if edges:
            self._chunks["graph"].append(pd.DataFrame(edges))

    def add_layers(
        self,
        readings: Readings,
        watched: Pass,
        outputs: list[OutputGradientHook],
        conditions: Conditions,
        scalars: dict[str, Any],
    ) -> None:
        """Keep one recorded step: a row per layer, backward pass, call and output.

        Its `total_grad_norm` will be put among its scalars, which name the step.
        """
        self._fresh.append(_Fresh(readings, watched, outputs, conditions, scalars))
        self._n_fresh += readings.n_held + watched.n_copied
        self._n_rows += max(len(self._layers), len(outputs))

    @property
    def is_full(self) -> bool:
        """Whether the steps that wait for their norms to be taken are many, or large."""
        return len(self._fresh) >= FRESH_STEPS or self._n_fresh >= FRESH_ENTRIES

    def settle(self) -> None:
        """Take the norms of all steps that wait for it."""
        while self._fresh:
            settled = self._failures.attempt("the rows of a step", self._settled, self._fresh[0])
            del self._fresh[0]
            if settled is not None:
                signature, kept = settled
                self._kept.setdefault(signature, []).append(kept)
        self._n_fresh = 0

    def _settled(self, fresh: _Fresh) -> tuple[Signature, _Kept]:
        """Return one step's numbers, and what its rows' layout depends on."""
        readings, watched, outputs, conditions, scalars = fresh
        watched.take_norms()
        scalars["total_grad_norm"] = combined(readings.arrived_gradients())
        self._take_unclipped(scalars)
        keys = tuple([(o.layer.number, o.backward, o.call, o.index, o.status, o.in_grad) for o in outputs])
        signature = Signature(keys, readings.arrived, readings.updated, readings.failed, conditions)
        norms = tuple([output.norm for output in outputs])
        counts = {place: output.n_nonfinite for place, output in enumerate(outputs) if output.n_nonfinite}
        statistics: list[Scalar] = []
        if watched.with_statistics and any(output.statistics is not None for output in outputs):
            statistics = [value for output in outputs for value in output.statistics or _NOT_DESCRIBED]
        kept = _Kept(
            scalars["step"], (*readings.gradients,), (*readings.weights,), (*readings.updates,), norms, (*statistics,),
            readings.n_nonfinite, (*readings.rates,), counts,
        )  # fmt: skip
        watched.let_go()
        return signature, kept

    def _take_unclipped(self, scalars: dict[str, Any]) -> None:
        """Take the total norm before clipping, if it is still to be taken."""
        total = scalars.get(UNCLIPPED)
        if isinstance(total, Total):
            scalars[UNCLIPPED] = self._failures.attempt(UNCLIPPED, lambda: combined(total.norms()), default=math.nan)

    def first_layout(self) -> RowLayout | None:
        """Return the layout of the first step that is kept and no table yet."""
        self.settle()
        return self._layout(next(iter(self._kept))) if self._kept else None

    def _layout(self, signature: Signature) -> RowLayout:
        """Return the layout of steps of a signature."""
        layout = self._layouts.get(signature)
        if layout is None:
            layout = self._layouts[signature] = layout_of(signature, self._layers, self._parameters)
        return layout

    def add_times(self, step: int, readings: list[Reading]) -> None:
        """Keep one recorded step's gradients by time step, of the backward passes that were used."""
        self._times.add(step, readings)

    def add_distributions(self, step: int, readings: Readings, watched: Pass) -> None:
        """Keep one recorded step's histograms, if it has any."""
        of_parameters = [
            Histogram(step, *self._parameters.names[number], kind, counts)
            for (number, kind), counts in sorted(readings.counts.items(), key=lambda one: one[0])
        ]
        of_outputs = [Histogram(step, layer, "", ACTIVATION, counts) for (layer, _), counts in watched.counts.items()]
        self._distributions.add([*of_parameters, *of_outputs])

    def flush(self, *, keeps_last: bool = False) -> None:
        """Turn what is pending into tables, after one transfer per device; the last step's scalars may wait."""
        self.settle()
        read = _Transfer(self._failures)
        n_ended = len(self._steps) - keeps_last
        ended, left = self._steps[:n_ended], self._steps[n_ended:]
        for row in ended:
            self._take_unclipped(row)
            read.collect(row.values())
        steps = [(signature, one) for signature, alike in self._kept.items() for one in alike]
        steps.sort(key=lambda step: step[1].step)
        for _, one in steps:
            for values in (one.gradients, one.weights, one.updates, one.outputs, one.statistics):
                read.collect(values)
            read.collect(lr for _, lr in one.rates)
        read.move()
        made = {
            "steps": self._made("steps", lambda rows: _scalar_rows(rows, read), ended),
            "layers": self._made("layers", lambda kept: self._layer_table(kept, read), steps),
            "parameters": self._made("parameters", lambda kept: self._parameter_table(kept, read), steps),
            "times": self._times.tables(self._failures),
            "distributions": self._distributions.tables(self._failures),
        }
        times, distributions = TimeRows(), DistributionRows()
        for table, frames in made.items():  # from here on nothing can fail: rows are pending or in a table, not both
            self._chunks[table] += frames
        self._times, self._distributions = times, distributions
        self._steps, self._kept, self._layouts, self._n_rows = left, {}, {}, 0
        self._on_tables(made)

    def _made(self, table: str, make: Callable[[Sequence[Any]], pd.DataFrame], rows: list[Any]) -> list[pd.DataFrame]:
        lost = f"a step's rows in the table {table}"
        return together(retried(make), rows, lambda _, error: self._failures(lost, error)) if rows else []

    def _layer_table(self, kept: Sequence[tuple[Signature, _Kept]], read: _Transfer) -> pd.DataFrame:
        rows = [_layer_rows(layout, numbers, read) for layout, numbers in self._by_layout(kept, read)]
        return _in_order(rows, pd.DataFrame(_places(self._layers)))

    def _parameter_table(self, kept: Sequence[tuple[Signature, _Kept]], read: _Transfer) -> pd.DataFrame:
        rows = [_parameter_rows(layout, numbers) for layout, numbers in self._by_layout(kept, read)]
        return _in_order(rows, pd.DataFrame({"layer": [one.name for one in self._layers]}), self._described_pieces())

    def _by_layout(
        self, kept: Sequence[tuple[Signature, _Kept]], read: _Transfer
    ) -> Iterator[tuple[RowLayout, _Numbers]]:
        """Yield each layout of some steps, and the numbers of those that share it."""
        steps: dict[Signature, list[_Kept]] = {}
        for signature, one in kept:
            steps.setdefault(signature, []).append(one)
        for signature, alike in steps.items():
            yield self._layout(signature), _Numbers(alike, len(self._parameters.pieces), read)

    def _described_pieces(self) -> pd.DataFrame:
        """Return part, n_entries and dim of each piece."""
        every = self._parameters.every
        sizes = [(every[piece.parameter], piece) for piece in self._parameters.pieces]
        return pd.DataFrame(
            {
                "part": [piece.part for _, piece in sizes],
                "n_entries": [_n_entries(parameter, piece) for parameter, piece in sizes],
                "dim": [parameter.dim() for parameter, _ in sizes],
            }
        )

    @property
    def n_kept(self) -> int:
        """Rows that are a table."""
        return sum(len(chunk) for chunks in self._chunks.values() for chunk in chunks)

    def drain(self, write: Callable[[str, pd.DataFrame], object]) -> None:
        """Hand the flushed rows to `write(table, frame)`, and let go of what it has taken."""
        for table, chunks in self._chunks.items():
            if chunks:
                chunks[:] = [pd.concat(chunks, ignore_index=True) if len(chunks) > 1 else chunks[0]]
                write(table, chunks[0])
                chunks.clear()
                self._n_checked.pop(table, None)

    def drop_waiting(self) -> int:
        """Let go of the rows that are no table yet, and return how many they were."""
        n_kept, n_chunks = self.n_kept, {table: len(chunks) for table, chunks in self._chunks.items()}
        self.flush()
        n_dropped = self.n_kept - n_kept
        for table, n in n_chunks.items():
            del self._chunks[table][n:]
        return n_dropped

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the flushed rows, each table in one piece that has passed `checked`.

        Only rows that have come since the last call are looked at: a recording is asked for again and again.
        """
        for table, chunks in self._chunks.items():
            n_checked = self._n_checked.get(table, 0)
            if len(chunks) > n_checked:
                pieces = chunks[:n_checked] + [checked(table, chunk) for chunk in chunks[n_checked:]]
                chunks[:] = [pd.concat(pieces, ignore_index=True) if len(pieces) > 1 else pieces[0]]
                self._n_checked[table] = 1
        # Shallow copies: pandas copies a column where either side is written to.
        return {table: chunks[0].copy(deep=False) for table, chunks in self._chunks.items() if chunks}


def _scalar_rows(rows: Sequence[dict[str, Any]], read: _Transfer) -> pd.DataFrame:
    """Return the scalars of steps, a row per step."""
    frame = pd.DataFrame([{key: read.number(value) for key, value in row.items()} for row in rows])
    return frame.assign(skipped=frame["skipped"] > 0 if "skipped" in frame else False)


class _Numbers:
    """The numbers of all steps that share a layout, as matrices: a row per step."""

    def __init__(self, kept: list[_Kept], n_pieces: int, read: _Transfer) -> None:
        self.kept = kept
        self.gradients, self.weights, self.updates = (
            read.matrix([getattr(one, name) for one in kept], n_pieces) for name in ("gradients", "weights", "updates")
        )
        self.rates = np.full(self.gradients.shape, np.nan)
        for row, one in enumerate(kept):
            for pieces, lr in one.rates:
                self.rates[row, [*pieces]] = read.number(lr)


def _in_order(tables: list[pd.DataFrame], layers: pd.DataFrame, pieces: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return tables as one, by step, with what is known of each row's layer and piece."""
    table = pd.concat(tables, ignore_index=True).sort_values("step", kind="stable", ignore_index=True)
    columns = [table, layers.iloc[table.pop("number")].reset_index(drop=True)]
    if pieces is not None:
        columns.append(pieces.iloc[table.pop("piece")].reset_index(drop=True))
    return pd.concat(columns, axis=1)


def _layer_rows(layout: RowLayout, numbers: _Numbers, read: _Transfer) -> pd.DataFrame:
    """Return the layers' rows of all steps that share a layout."""
    kept = numbers.kept
    n_steps, n_rows, n_outputs = len(kept), len(layout.number), len(kept[0].outputs)
    # One more output, which is NaN, is what a row without an output (-1) takes its numbers from.
    outputs = np.pad(read.matrix([one.outputs for one in kept], n_outputs), ((0, 0), (0, 1)), constant_values=np.nan)
    described = read.matrix([one.statistics for one in kept], 4 * n_outputs).reshape(n_steps, n_outputs, 4)
    described = np.pad(described, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan)
    columns: dict[str, Any] = {
        "step": np.repeat([one.step for one in kept], n_rows),
        **{name: np.tile(getattr(layout, name), n_steps) for name in ("backward", "number", "call", "output")},
        "grad_norm": joint(numbers.gradients, layout.gradients, n_rows).ravel(),
        "out_grad_norm": outputs[:, layout.source].ravel(),
        "weight_norm": joint(numbers.weights, layout.weights, n_rows).ravel(),
        "update_norm": joint(numbers.updates, layout.updates, n_rows).ravel(),
        "n_nonfinite": np.concatenate([_counts(layout, one) for one in kept]),
        "status": layout.status * n_steps,
        "in_grad": layout.in_grad * n_steps,
    }
    for place, name in enumerate(STATISTICS):
        columns[name] = described[:, layout.described, place].ravel()
    return pd.DataFrame(columns)


def _parameter_rows(layout: RowLayout, numbers: _Numbers) -> pd.DataFrame:
    """Return the parameters' rows of all steps that share a layout."""
    layers, names, pieces, statuses = zip(*layout.pieces, strict=True) if layout.pieces else ((), (), (), ())
    n_steps, chosen = len(numbers.kept), list(pieces)
    counts = [[one.n_nonfinite.get(piece, 0) for piece in chosen] for one in numbers.kept]
    return pd.DataFrame(
        {
            "step": np.repeat([one.step for one in numbers.kept], len(chosen)),
            "number": np.tile(np.array(layers, dtype=np.int64), n_steps),
            "piece": np.tile(np.array(pieces, dtype=np.int64), n_steps),
            "parameter": list(names) * n_steps,
            "grad_norm": numbers.gradients[:, chosen].ravel(),
            "weight_norm": numbers.weights[:, chosen].ravel(),
            "update_norm": numbers.updates[:, chosen].ravel(),
            "lr": numbers.rates[:, chosen].ravel(),
            "n_nonfinite": np.array(counts, dtype=np.int64).ravel(),
            "status": list(statuses) * n_steps,
        }
    )


def _n_entries(parameter: nn.Parameter, piece: Piece) -> int:
    if not piece.part:
        return parameter.numel()
    n_rows = int(piece.rows.stop) - int(piece.rows.start)
    return parameter.numel() // parameter.shape[0] * n_rows


def _counts(layout: RowLayout, one: _Kept) -> NDArray[np.int64]:
    """Return the non-finite entries by row: the output gradient's and, on a layer's first row, its parameters'."""
    counts = np.zeros(len(layout.number), dtype=np.int64)  # so it is, too, where not all could be measured
    if one.n_nonfinite or one.n_nonfinite_outputs:
        for row, source in enumerate(layout.source):
            numbers = layout.gradients.get(row, [])
            if not layout.failed.isdisjoint(numbers):
                continue
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
            "dtype": layer.dtype,
        }
        for layer in layers
    ]
    stage, depth, key = -1, 0, None
    for layer in sorted((layer for layer in layers if layer.order is not None), key=lambda layer: layer.order or 0):
        if layer.is_weighted and layer.module is not None and layer.stage_key != key:
            stage, key = stage + 1, layer.stage_key
        depth = layer.depth if layer.depth is not None else depth + int(layer.is_weighted)
        places[layer.number] |= {"order": layer.order, "layer_depth": depth, "stage": stage}
    return places


class _Transfer:
    """Moves scalars to the host: one stack and one copy per device, whatever their number."""

    def __init__(self, on_failure: OnFailure) -> None:
        self._on_failure = on_failure
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
        """Copy what was noted; a scalar that cannot be copied becomes NaN."""
        for device, tensors in self._waiting.items():
            lost = f"a number on {device}"
            together(self._move, tensors, lambda _, error, lost=lost: self._on_failure(lost, error))  # type: ignore[misc]

    def _move(self, tensors: Sequence[Tensor]) -> None:
        wide = torch.float32 if tensors[0].device.type == "mps" else torch.float64
        moved = torch.stack([tensor.to(wide) for tensor in tensors]).cpu().tolist()
        self._numbers.update({id(tensor): number for tensor, number in zip(tensors, moved, strict=True)})

    def matrix(self, rows: list[tuple[Scalar, ...]], width: int) -> NDArray[np.float64]:
        """Return numbers of shape (rows, width); NaN throughout in a row that was not read."""
        full = [row or (math.nan,) * width for row in rows]
        numbers = [[self.number(value) for value in row] for row in full] if self._waiting else full
        return np.array(numbers, dtype=np.float64).reshape(len(rows), width)

    def number(self, value: Any) -> Any:
        """Return the number for a value; a list of norms becomes the norm of them all."""
        if isinstance(value, Tensor):
            return self._numbers.get(id(value), math.nan)
        return math.hypot(*map(self.number, value)) if isinstance(value, list) else value


def check_scalar(key: str, value: Any) -> None:
    """Raise ValueError unless a value can be a step's scalar under that name."""
    if key == "step":
        raise ValueError("step counts the calls itself and cannot be passed as a scalar; give it another name.")
    if not key.isascii():
        storage.check_json(f"the name of the scalar {key!r}", key)
    if not isinstance(value, Tensor):
        try:
            float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{key} must be a number; got {value!r}.") from None
    elif value.numel() != 1:
        raise ValueError(f"{key} must be one value; got a tensor of shape {tuple(value.shape)}. Pass its mean.")


def scalar(value: Any) -> Scalar:
    """Return a float, or a 0-d tensor of its own where reading the value would wait for the device."""
    if not isinstance(value, Tensor):
        return float(value)
    # Elsewhere a copy: the caller may change it in place.
    return float(value.item()) if value.is_cpu else value.detach().reshape(()).clone()


def combined(norms: Sequence[Scalar]) -> Any:
    """Return several norms as one: a float at once; with scalars on a device, the list, to be combined when moved."""
    return list(norms) if Tensor in map(type, norms) else math.hypot(*norms) if norms else math.nan
