"""Recording: what was measured while a model trained, as tables with named columns, types and units."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from gradflow.errors import GradflowError

# Of integers, either way: float64, in which frames compute and figures place, still knows halves there.
MOST = 10**15


class Range(NamedTuple):
    """Which values a column can hold, in numbers and in words; NaN, where its type knows it, is not measured."""

    low: float
    high: float
    says: str
    has_nan: bool = True
    is_whole: bool = False

    def outside(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Return which values it does not hold, None if there are none."""
        if not len(values):
            return None
        lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)
        is_bounded = not (lowest < self.low or highest > self.high)  # of NaN alone neither is true
        if is_bounded and self.has_nan and not self.is_whole:
            return None
        outside = (values < self.low) | (values > self.high) | (np.isnan(values) & (not self.has_nan))
        outside |= (values != np.rint(values)) & self.is_whole
        return outside if outside.any() else None


ANY = Range(-math.inf, math.inf, "be a number")
NORM = Range(0.0, math.inf, "be 0 or larger")
SHARE = Range(0.0, 1.0 + 1e-6, "lie between 0 and 1")  # a mean of float32 may round beyond 1
ANGLE = Range(0.0, 180.0, "lie between 0 and 180")
COUNT = Range(0, MOST, "lie between 0 and 10^15")
PLACE = Range(-1, MOST, "lie between -1 and 10^15")  # -1 is unknown
WHOLE = Range(0, MOST, "be a whole number between 0 and 10^15", has_nan=False, is_whole=True)
CORRELATION = Range(-1.0 - 1e-6, 1.0 + 1e-6, "lie between -1 and 1")
INPUTS = Range(0, 10**6, "lie between 0 and 10^6")  # figures compute with an array of so many
COORDINATE = Range(-MOST, MOST, "lie between -10^15 and 10^15", has_nan=False)


class Column(NamedTuple):
    """One column of a table: its NumPy type (or "str"), its unit, what it says, and which values it can hold.

    A value that is not the recorder's own but `given`, by whoever trained, is taken as not measured where it lies out
    of range; any other makes the table no recording.
    """

    dtype: str
    unit: str
    meaning: str
    holds: Range = ANY
    is_given: bool = False


STEP_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "step": Column("int64", "updates", "optimizer updates (earlier step() calls) made before this one", COUNT),
        "loss": Column("float64", "", "loss of this step's batch"),
        "batch_error": Column(
            "float64", "fraction", "share of this step's batch classified wrongly", SHARE, is_given=True
        ),
        "train_error": Column(
            "float64", "fraction", "share of the whole training set classified wrongly, eval mode", SHARE, is_given=True
        ),
        "test_error": Column(
            "float64", "fraction", "share of the test set classified wrongly, eval mode", SHARE, is_given=True
        ),
        "lr": Column("float64", "", "learning rate of the update that follows", NORM, is_given=True),
        "total_grad_norm": Column(
            "float64", "", "L2 norm of the gradient of all parameters; NaN on steps not recorded", NORM
        ),
        "skipped": Column("bool", "", "whether the scaler skipped the update, because a gradient was not finite"),
    }
)

LAYER_KEYS: Mapping[str, Column] = MappingProxyType(
    {
        "step": Column("int64", "updates", "as in steps", COUNT),
        "backward": Column("int64", "", "which backward pass of the step (gradient accumulation has several)", COUNT),
        "layer": Column("str", "", "PyTorch's dotted module name; '(root)' for the model itself"),
        "call": Column(
            "int64",
            "",
            "which call of the layer within the forward pass (shared modules have several); -1 the rest of many",
            PLACE,
        ),
        "output": Column("int64", "", "which tensor of the layer's output (LSTMs and the like have several)", COUNT),
    }
)

LAYER_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        **LAYER_KEYS,
        "order": Column("int64", "", "execution order of the layer's first call", PLACE),
        "layer_depth": Column(
            "int64", "weighted layers", "longest chain of weighted layers from the input to here", PLACE
        ),
        "stage": Column("int64", "", "index of the run of layers with one feature-map size; -1 unknown", PLACE),
        "kind": Column("str", "", "module class"),
        "weighted": Column("bool", "", "whether papers count it as a layer: convolutions and fully connected layers"),
        "n_params": Column("int64", "", "parameters that the layer itself owns", COUNT),
        "dtype": Column("str", "", "type of the entries of the layer's output, as torch names it; empty unknown"),
        "grad_norm": Column(
            "float64", "", "L2 norm of the loss gradient w.r.t. the layer's own parameters (call 0 only)", NORM
        ),
        "out_grad_norm": Column(
            "float64",
            "",
            "L2 norm of the loss gradient w.r.t. the layer's output, all uses of that tensor counted",
            NORM,
        ),
        "in_grad": Column(
            "bool",
            "",
            "whether this backward pass is part of the gradient that the optimizer used: autograd.grad() is not, nor a "
            "pass whose gradients zero_grad() cleared before the step",
        ),
        "weight_norm": Column("float64", "", "L2 norm of the layer's own parameters (call 0 only)", NORM),
        "update_norm": Column("float64", "", "L2 norm of the optimizer's change of the parameters (call 0 only)", NORM),
        "act_rms": Column("float64", "", "root mean square of the layer's output", NORM),
        "act_mean": Column("float64", "", "mean of the layer's output"),
        "act_zero_fraction": Column("float64", "fraction", "exact zeros in the output of ReLU and its kin", SHARE),
        "act_saturation": Column(
            "float64", "fraction", "output of sigmoid, tanh and kin within 1 % of either end", SHARE
        ),
        "n_nonfinite": Column("int64", "entries", "non-finite entries of both gradients; -1 not counted", PLACE),
        "status": Column("str", "", "measured, or why a gradient is missing"),
    }
)

PARAMETER_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "step": Column("int64", "updates", "as in steps", COUNT),
        "layer": Column("str", "", "the layer that owns the parameter, as in layers"),
        "parameter": Column("str", "", "the parameter's name within its layer"),
        "part": Column(
            "str", "", "part of a fused parameter: q, k, v, or a recurrent layer's gate; empty for a whole one"
        ),
        "n_entries": Column("int64", "entries", "entries of the parameter, or of the part", COUNT),
        "dim": Column("int64", "", "dimensions of the parameter: 1 is a vector, such as a bias", PLACE),
        "grad_norm": Column("float64", "", "L2 norm of its gradient; NaN where it has none", NORM),
        "weight_norm": Column("float64", "", "its L2 norm", NORM),
        "update_norm": Column(
            "float64", "", "L2 norm of the optimizer's change; NaN where no optimizer changed it", NORM
        ),
        "lr": Column("float64", "", "learning rate of its group in the optimizer; NaN where it is in none", NORM),
        "n_nonfinite": Column("int64", "entries", "non-finite entries of its gradient; -1 not counted", PLACE),
        "status": Column("str", "", "measured, no gradient, or frozen"),
    }
)

GRAPH_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "step": Column(
            "int64", "updates", "from which on the network is so, as in steps; the latest is the network's", COUNT
        ),
        "layer": Column("str", "", "a layer, as in layers"),
        "call": Column("int64", "", "which call of it", COUNT),
        "source": Column("str", "", "a layer whose output it uses, with no other recorded layer in between"),
        "source_call": Column("int64", "", "which call of that one", COUNT),
    }
)

TIME_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "step": Column("int64", "updates", "as in steps", COUNT),
        "layer": Column("str", "", "a recurrent layer (nn.RNN, nn.LSTM, nn.GRU), as in layers"),
        "tensor": Column("str", "", "input or output: the sequence that the gradient is of"),
        "time": Column("int64", "time steps", "position in the sequence, from 0", COUNT),
        "grad_norm": Column("float64", "", "L2 norm over the batch of the loss gradient w.r.t. that position", NORM),
    }
)

DISTRIBUTION_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "step": Column("int64", "updates", "as in steps", COUNT),
        "layer": Column("str", "", "a layer, as in layers"),
        "parameter": Column("str", "", "the parameter's name within its layer; empty for the layer's output"),
        "kind": Column("str", "", "gradient or weight, of the parameter, or activation: the layer's output"),
        "low": Column("float64", "", "lower end of the bin; of zeros 0 and of infinities inf, like high; of NaN NaN"),
        "high": Column("float64", "", "its upper end; of the two the bin holds the one that is nearer to 0"),
        "count": Column("int64", "entries", "how many entries are in the bin; all bins together hold all", COUNT),
    }
)

SKIP_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "step": Column("int64", "updates", "as in steps", COUNT),
        "join": Column("str", "", "module that adds the paths, and with several joins in it the branch's"),
        "order": Column("int64", "", "place among the joins, in forward order", PLACE),
        "fork": Column("str", "", "where the paths part"),
        "kind": Column("str", "", "identity, projection or concatenation"),
        "n_branches": Column("int64", "", "paths that meet, the skip included", COUNT),
        "skip_sq": Column("float64", "fraction", "|s|² / |g|²: s came back through the skip, g = s + b in all", NORM),
        "branch_sq": Column("float64", "fraction", "|b|² / |g|²: b came back through the branches", NORM),
        "cross": Column("float64", "fraction", "2 <s, b> / |g|²; skip_sq + branch_sq + cross = 1"),
        "skip_share": Column("float64", "fraction", "<s, g> / |g|², the additive share of the skip"),
        "angle": Column("float64", "degrees", "angle between s and b", ANGLE),
        "grad_norm": Column("float64", "", "|g|, L2 norm of the gradient at the fork that this join sends back", NORM),
        "branch_ratio": Column("float64", "", "|F(x)| / |x| in the forward pass; 0 is the identity mapping", NORM),
        "n_other_uses": Column(
            "int64", "", "uses of the fork beside this join, whose gradients g does not hold", COUNT
        ),
        "status": Column("str", "", "measured, or why it is missing"),
        "lesion": Column("float64", "", "change of the loss with this join's branches removed in the forward pass"),
        "lesion_status": Column("str", "", "measured, or why there is no lesion; empty where none was asked for"),
    }
)

PROBE_COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "probe": Column("str", "", "name of the measurement"),
        "layer": Column("str", "", "layer it belongs to, or empty"),
        "x": Column("float64", "", "abscissa, in the probe's own unit", COORDINATE),
        "value": Column("float64", "", "measured value"),
        "n": Column("int64", "inputs", "how many inputs the value is of; 0 where the probe does not say", INPUTS),
    }
)


class Probe(NamedTuple):
    """What a probe's two numbers are."""

    x: Column
    value: Column


SHATTERING, AUTOCORRELATION = "shattering", "autocorrelation"
PATH_COUNTS, PATH_GRADIENTS, PATH_SHARES = "path counts", "path gradients", "path shares"
PATH_LOWS, PATH_HIGHS, PATH_DRAWN = "path gradients, low", "path gradients, high", "paths drawn"
AS_IT_IS = "as it is"
WITHOUT_SKIPS, WITHOUT_BRANCHES, PLAIN_TWIN = "without skips", "without branches", "plain twin"
EVERY_JOIN = "*"  # meta["joins"] where the counterfactuals are of all joins
NO_JOIN = ""  # where there are none
CERTAIN_LOSS = "certain_loss"  # in meta: what certain and right outputs would have, if they are taken for logits
INPUT = "(input)"  # the layer of a probe that belongs to the model's input
_PATH_LENGTH = Column("float64", "modules", "residual branches on the path from the output to the input", WHOLE)

_LAYER_DEPTH = Column("float64", "weighted layers", "longest chain of weighted layers from the input to the layer")

PROBES: Mapping[str, Probe] = MappingProxyType(
    {
        AS_IT_IS: Probe(
            _LAYER_DEPTH,
            Column(
                "float64",
                "",
                "out_grad_norm of the pass that the two below are of, where it is none of the steps",
                NORM,
            ),
        ),
        WITHOUT_SKIPS: Probe(
            _LAYER_DEPTH,
            Column(
                "float64", "", "out_grad_norm with the skips' share removed from the backward pass, and it alone", NORM
            ),
        ),
        WITHOUT_BRANCHES: Probe(
            _LAYER_DEPTH,
            Column(
                "float64",
                "",
                "out_grad_norm with the branches' share removed from the backward pass, and it alone",
                NORM,
            ),
        ),
        PLAIN_TWIN: Probe(
            _LAYER_DEPTH,
            Column(
                "float64", "", "out_grad_norm at the same layer of another network, which was built without skips", NORM
            ),
        ),
        SHATTERING: Probe(
            Column("float64", "weighted layers", "between the layer's output and the model's", WHOLE),
            Column("float64", "correlation", "mean cosine between the gradients of different inputs", CORRELATION),
        ),
        AUTOCORRELATION: Probe(
            Column("float64", "inputs", "lag along a line of inputs", WHOLE),
            Column("float64", "correlation", "sample autocorrelation of the gradients along the line", CORRELATION),
        ),
        PATH_COUNTS: Probe(_PATH_LENGTH, Column("float64", "paths", "how many paths have the length", NORM)),
        PATH_GRADIENTS: Probe(
            _PATH_LENGTH, Column("float64", "", "mean L2 norm at the input of the gradient through one such path", NORM)
        ),
        PATH_LOWS: Probe(
            _PATH_LENGTH, Column("float64", "", "lower end of that mean's 95 % interval over paths drawn")
        ),
        PATH_HIGHS: Probe(_PATH_LENGTH, Column("float64", "", "its upper end")),
        PATH_DRAWN: Probe(_PATH_LENGTH, Column("float64", "paths", "how many paths of the length were taken", WHOLE)),
        PATH_SHARES: Probe(
            _PATH_LENGTH,
            Column("float64", "fraction", "paths times gradient per path, as a share of all lengths'", SHARE),
        ),
    }
)

TABLES: Mapping[str, Mapping[str, Column]] = MappingProxyType(
    {
        "steps": STEP_COLUMNS,
        "layers": LAYER_COLUMNS,
        "parameters": PARAMETER_COLUMNS,
        "graph": GRAPH_COLUMNS,
        "times": TIME_COLUMNS,
        "distributions": DISTRIBUTION_COLUMNS,
        "skips": SKIP_COLUMNS,
        "probes": PROBE_COLUMNS,
    }
)

REQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "steps": ("step",),
        "layers": ("step", "layer"),
        "parameters": ("step", "layer", "parameter"),
        "graph": ("layer", "source"),
        "times": ("step", "layer", "tensor", "time"),
        "distributions": ("step", "layer", "kind", "count"),
        "skips": ("step", "join"),
        "probes": ("probe", "x", "value"),
    }
)

# What tells the rows of a table apart; a recorder may keep passes of which it used only one under the same keys.
KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "steps": ("step",),
        "layers": tuple(LAYER_KEYS),
        "parameters": ("step", "layer", "parameter", "part"),
        "times": ("step", "layer", "tensor", "time"),
        "distributions": ("step", "layer", "parameter", "kind", "low", "high"),
        "skips": ("step", "join"),
        "probes": ("probe", "layer", "x"),
    }
)

# What an absent column means, and a cell without a value: no other value can be mistaken for a measurement.
_MISSING: Mapping[str, Any] = {"float64": np.nan, "str": "", "int64": 0, "bool": False}
_MISSING_BY_NAME: Mapping[str, Any] = {
    "order": -1,
    "layer_depth": -1,
    "stage": -1,
    "n_nonfinite": -1,
    "status": "measured",
    "in_grad": True,
    "dim": -1,
}


class RecordingError(GradflowError):
    """A table that is no recording: a column missing, of the wrong type, or with values that it cannot hold."""


class RecordingWarning(UserWarning):
    """Values that whoever trained passed in, and that are taken as not measured."""


COMPARED_ROWS = 500_000
MAX_SHOWN = 60  # characters of a name in a notebook
NO_MATHEMATICS = "tex2jax_ignore mathjax_ignore"  # classes in which a notebook reads no dollar sign as mathematics


def _shortened(name: str, most: int = MAX_SHOWN) -> str:
    name = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    return name if len(name) <= most else f"{name[: most - 9]}…{name[-8:]}"


def _empty() -> pd.DataFrame:
    return pd.DataFrame()


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """What was measured on one model, as eight tables and a dictionary.

    Every other room takes and returns these values; none needs the model again. NaN means not measured or that
    no gradient arrived (`status` tells which), 0.0 means exactly zero, and inf is data.

    Parameters
    ----------
    layers : DataFrame
        One row per (step, backward, layer, call, output); columns as in `LAYER_COLUMNS`.
    steps : DataFrame
        One row per step; columns as in `STEP_COLUMNS`, and any scalar that was passed to `Recorder.step`.
    parameters : DataFrame
        One row per (step, layer, parameter, part); columns as in `PARAMETER_COLUMNS`.
    graph : DataFrame
        Which layer uses the output of which: one row per connection; columns as in `GRAPH_COLUMNS`.
    times : DataFrame
        The gradient by time step of recurrent layers: one row per (step, layer, tensor, time); columns as in
        `TIME_COLUMNS`.
    distributions : DataFrame
        Histograms: one row per (step, layer, parameter, kind) and bin with an entry; columns as in
        `DISTRIBUTION_COLUMNS`. Empty unless distributions were recorded.
    skips : DataFrame
        One row per (step, join); columns as in `SKIP_COLUMNS`. Empty unless skips were recorded.
    probes : DataFrame
        Results that belong to no step: one row per (probe, layer, x).
    meta : mapping
        What was run (run, model, family, depth, seed, ...) and what the numbers are. JSON values only.

    Raises
    ------
    RecordingError
        A required column is missing, a column holds a value that is not of its type or out of its range (norms are 0
        or larger, inf or NaN; integers at most 10^15), or a step has several rows in steps. The message names table and
        column.

    Examples
    --------
    >>> import pandas as pd
    >>> Recording(steps=pd.DataFrame({"step": [0, 1], "loss": [2.3, 2.1]}), meta={"run": "mine"})
    Recording 'mine': 2 steps (0 to 1), 0 layers, 0 layer rows
    """

    layers: pd.DataFrame = field(default_factory=_empty)
    steps: pd.DataFrame = field(default_factory=_empty)
    parameters: pd.DataFrame = field(default_factory=_empty)
    graph: pd.DataFrame = field(default_factory=_empty)
    times: pd.DataFrame = field(default_factory=_empty)
    distributions: pd.DataFrame = field(default_factory=_empty)
    skips: pd.DataFrame = field(default_factory=_empty)
    probes: pd.DataFrame = field(default_factory=_empty)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table in TABLES:
            object.__setattr__(self, table, _validated(table, getattr(self, table)))
        object.__setattr__(self, "meta", dict(self.meta))

    @classmethod
    def deferred(cls, readers: Mapping[str, Callable[[], pd.DataFrame]], meta: Mapping[str, Any]) -> Recording:
        """Return a recording whose tables are read when they are first asked for, and kept from then on.

        Parameters
        ----------
        readers : mapping
            For each table a function that returns its rows, which have passed `checked`, or a frame without columns.
            What it raises, the first use of the table raises.
        meta : mapping
            As in `Recording`.
        """
        recording = object.__new__(cls)
        object.__setattr__(recording, "meta", dict(meta))
        object.__setattr__(recording, "_readers", dict(readers))
        return recording

    @classmethod
    def of_checked(cls, tables: Mapping[str, pd.DataFrame], meta: Mapping[str, Any]) -> Recording:
        """Return a recording of tables that have passed `checked` and whose rows are in order of steps, each once.

        Nothing is looked at again.
        """
        recording = object.__new__(cls)
        empty = {table: _no_rows(table).copy() for table in TABLES if table not in tables}
        vars(recording).update(tables, **empty, meta=dict(meta))
        return recording

    def having(self, *, meta: Mapping[str, Any] | None = None, **tables: pd.DataFrame) -> Recording:
        """Return the recording with other tables, or another `meta`; what stays is neither checked again nor read.

        Raises
        ------
        RecordingError
            As by `Recording`, of the tables that are given.

        Examples
        --------
        >>> Recording(meta={"run": "mine"}).having(meta={"run": "yours"}).name
        'yours'
        """
        recording = object.__new__(type(self))
        checked_tables = {table: _validated(table, frame) for table, frame in tables.items()}
        vars(recording).update(vars(self), **checked_tables, meta=dict(self.meta if meta is None else meta))
        return recording

    if not TYPE_CHECKING:  # a type checker would take any attribute for one that exists

        def __getattr__(self, name: str) -> Any:
            """Read a table that was deferred; Python asks here only for what the recording does not hold yet."""
            readers = self.__dict__.get("_readers", {})
            if name not in readers:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            try:
                frame = _ordered(name, readers[name](), f"{self.name}: ")
            except RecordingError as error:
                raise RecordingError(f"{self.name}: {error}") from None
            object.__setattr__(self, name, frame)
            return frame

    @property
    def name(self) -> str:
        """The run's name, for messages and legends."""
        return str(self.meta.get("run") or self.meta.get("model") or "recording")

    def __repr__(self) -> str:
        """One line: how much was recorded."""
        span = f" ({self.steps.step.min()} to {self.steps.step.max()})" if len(self.steps) else ""
        n_layers = self.layers.layer.nunique()
        return (
            f"Recording {self.name!r}: {len(self.steps)} steps{span}, {n_layers} layers, {len(self.layers)} layer rows"
        )

    def __str__(self) -> str:
        """Return that line, and under it what `gradflow.diagnose` finds, 80 columns wide."""
        shelf = import_module("gradflow")  # the rooms above this one are imported on first use, as on the shelf
        return f"{self!r}\n\n{shelf.diagnose(self)}"

    def _repr_html_(self) -> str:
        """Show the last recorded step's layers in a notebook, under the one-line summary."""
        from html import escape

        step = self.layers.step.max() if len(self.layers) else None
        last = self.layers[self.layers.step == step]
        shown = last[["layer", "kind", "layer_depth", "grad_norm", "out_grad_norm", "weight_norm", "status"]]
        words = {name: shown[name].map(_shortened) for name in ("layer", "kind", "status")}
        table = shown.assign(**words).to_html(index=False, max_rows=40, float_format=lambda value: f"{value:.3g}")
        said = escape(_shortened(repr(self), 4 * MAX_SHOWN))
        which = "" if step is None else f"<br>Last recorded step: {step}"
        return f'<div class="{NO_MATHEMATICS}"><p><strong>{said}</strong>{which}</p>{table}</div>'


def _validated(table: str, frame: pd.DataFrame, of: str = "") -> pd.DataFrame:
    """Return the frame as `checked` and `_ordered` do; warnings say `of` what."""
    return _ordered(table, checked(table, frame, of), of)


def _ordered(table: str, frame: pd.DataFrame, of: str) -> pd.DataFrame:
    """Return a checked frame with its rows in order of steps and each once; warnings say `of` what.

    Raises
    ------
    RecordingError
        A step has several rows in steps.
    """
    if not len(frame.columns):
        return _no_rows(table).copy()
    if "step" in TABLES[table] and not frame["step"].is_monotonic_increasing:
        frame = frame.sort_values("step", kind="stable", ignore_index=True)
    keys = list(KEYS.get(table, ()))
    if not keys:
        return frame
    alike = _alike(frame, keys)  # of all rows next to none, so that the rest is looked at in those alone
    if not alike.any():
        return frame
    again = frame[alike].duplicated(list(TABLES[table]))
    if again.any():
        said = f"{of}{table} holds {again.sum()} of {len(frame)} rows again, which count once."
        warnings.warn(said, RecordingWarning, stacklevel=2)
        frame = frame.drop(index=again.index[again]).reset_index(drop=True)
    if table == "steps" and (several := frame.duplicated(keys)).any():
        step = frame["step"][several].iloc[0]
        raise RecordingError(f"steps must hold one row for each step; got several for {step}.")
    return frame


def _alike(frame: pd.DataFrame, keys: list[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows have the keys of another one; some steps at a time, since memory must hold all they compare."""
    cuts = [0, len(frame)]
    # Columns with one number, as most have of passes, calls and outputs, tell no rows apart.
    keys = [name for name in keys if not _is_one_number(frame[name])] or keys[:1]
    if "step" in keys:
        step = frame["step"].to_numpy()
        cuts = [0, *np.unique(np.searchsorted(step, step[COMPARED_ROWS::COMPARED_ROWS])).tolist(), len(frame)]
    return np.concatenate([
        frame.iloc[start:end].duplicated(keys, keep=False).to_numpy() for start, end in itertools.pairwise(cuts)
    ])  # fmt: skip


def _is_one_number(column: pd.Series[Any]) -> bool:
    """Whether all values of a column are one number; of words that takes longer to say than it saves."""
    if column.dtype.kind == "O" or column.empty:
        return False
    values = column.to_numpy()
    return bool((values == values[0]).all())


def checked(table: str, frame: pd.DataFrame, of: str = "") -> pd.DataFrame:
    """Return the frame with the table's columns first, in order and typed; extra columns follow untouched.

    This is the one gate that tables pass, whether they were made here or read from a stranger's file: behind it every
    value is one that its column can hold. Warnings say `of` what they are.

    Raises
    ------
    RecordingError
        A required column is missing, or a column holds a value that it cannot hold. The message names table, column,
        value and in how many rows it is.
    """
    if not isinstance(frame, pd.DataFrame):
        raise RecordingError(f"{table} must be a pandas DataFrame; got {type(frame).__name__}.")
    if not len(frame.columns):
        return _no_rows(table).copy()
    columns = TABLES[table]
    if list(frame.columns[: len(columns)]) == list(columns) and _is_typed(frame, columns):
        return _in_range(table, frame.reset_index(drop=True), of)
    if not frame.columns.is_unique:
        raise RecordingError(f"{table} has two columns named {frame.columns[frame.columns.duplicated()][0]!r}.")
    missing = [name for name in REQUIRED[table] if name not in frame.columns]
    if len(frame) and missing:
        raise RecordingError(f"{table} lacks the column {missing[0]!r}; it has {', '.join(map(str, frame.columns))}.")
    known = {name: _typed(table, name, column, frame) for name, column in columns.items()}
    extra = {str(name): frame[name] for name in frame.columns if name not in known}
    return _in_range(table, pd.DataFrame({**known, **extra}, index=frame.index).reset_index(drop=True), of)


def _in_range(table: str, frame: pd.DataFrame, of: str) -> pd.DataFrame:
    """Return the frame without given values that are out of range; raise RecordingError for the first other one."""
    given = {}
    for name, column in TABLES[table].items():
        if column.holds is ANY:
            continue
        values = frame[name].to_numpy()
        outside = column.holds.outside(values)
        if outside is None:
            continue
        said = f"{table}.{name} {_said(column.holds, values, outside)}"
        if not column.is_given:
            raise RecordingError(f"{said}.")
        warnings.warn(f"{of}{said}, which count as not measured.", RecordingWarning, stacklevel=2)
        given[name] = np.where(outside, np.nan, values)
    for probe, columns in PROBES.items() if table == "probes" and len(frame) else ():
        is_of_probe = frame["probe"] == probe
        if not is_of_probe.any():
            continue
        rows = frame[is_of_probe]
        for name, column in columns._asdict().items():
            values = rows[name].to_numpy()
            outside = column.holds.outside(values)
            if outside is not None:
                raise RecordingError(f"probes.{name} of {probe!r} {_said(column.holds, values, outside)}.")
    return frame.assign(**given) if given else frame


def _said(held: Range, values: np.ndarray[Any, Any], outside: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    """Return what is wrong with values out of range, the first of them, and how many there are."""
    return f"must {held.says}; got {values[outside.argmax()]} in {np.count_nonzero(outside)} of {len(values)} rows"


@cache
def _no_rows(table: str) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([], dtype=column.dtype) for name, column in TABLES[table].items()})


def _is_typed(frame: pd.DataFrame, columns: Mapping[str, Column]) -> bool:
    found = frame.dtypes.tolist()
    are_right = all(dtype == column.dtype for dtype, column in zip(found, columns.values(), strict=False))
    return are_right and not any(frame[name].hasnans for name, column in columns.items() if column.dtype == "str")


def _typed(table: str, name: str, column: Column, frame: pd.DataFrame) -> pd.Series[Any]:
    """Return one column in its type, or filled with the value that says "not measured"."""
    missing = _MISSING_BY_NAME.get(name, _MISSING[column.dtype])
    if name not in frame.columns:
        return pd.Series([missing] * len(frame), index=frame.index, name=name, dtype=column.dtype)
    given, must = frame[name], f"{table}.{name} must hold {column.dtype} values"
    if given.dtype == column.dtype and not (column.dtype == "str" and given.hasnans):
        return given
    if column.dtype != "float64" and (is_null := given.isna()).any():
        if name in REQUIRED[table]:
            raise RecordingError(f"{must}; got none in {is_null.sum()} of {len(frame)} rows.")
        given = given.astype(object).where(~is_null, missing)
    try:
        with np.errstate(invalid="ignore"):  # of a float beyond int64, which differs from what it becomes
            typed: pd.Series[Any] = given.astype(column.dtype)  # type: ignore[call-overload]  # dtype from the table
        changed = np.zeros(len(frame), dtype=bool) if column.dtype == "str" else (typed != given) & given.notna()
    except (TypeError, ValueError, OverflowError) as error:
        raise RecordingError(f"{must}; {_shortened(str(error), 4 * MAX_SHOWN)}.") from error
    if changed.any():
        value = _shortened(repr(given.iloc[int(np.argmax(changed))]), 4 * MAX_SHOWN)
        raise RecordingError(f"{must}; got {value} in {np.count_nonzero(changed)} of {len(frame)} rows.")
    return typed
