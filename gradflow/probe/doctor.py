"""doctor(): what is wrong with a network before any training, from the model and one batch, which are left as found."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow.diagnosis import Findings, diagnose
from gradflow.hooks.attach import unwrapped
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.gradients import remove, tensors_in
from gradflow.hooks.joins import Join, find_joins
from gradflow.hooks.source_lines import SourceLines
from gradflow.hooks.structure import BATCH, MAP, NORM, structure
from gradflow.probe.batch import Batch
from gradflow.probe.constructors import constructors
from gradflow.probe.loss import PROJECTED, AnalysisError, LossFunction
from gradflow.probe.one_pass import analyzed, check, eager
from gradflow.probe.preserved import left_as_found
from gradflow.probe.projections import described
from gradflow.probe.trial_update import first_update
from gradflow.recording import Recording


def doctor(
    model: nn.Module,
    inputs: Any,
    targets: Any = None,
    *,
    loss_fn: LossFunction | None = None,
    optimizer: Optimizer | None = None,
    lr: float | None = None,
) -> Checkup:
    """Examine a model and one batch before any training, and return what is wrong and which line to change.

    It finds mistakes that one forward and backward pass can show: a skip without a projection where the shape
    changes, an addition without its activation, batch norm in the wrong place or applied twice, biases that batch
    norm cancels, initial weights that do not suit the activation, inputs and targets that are not normalised,
    outputs that do not suit the loss, dead and identical units, parameters that no gradient reaches; and, with an
    optimizer, a learning rate at which the first update overshoots. The model, the optimizer and the batch are left
    exactly as found.

    Parameters
    ----------
    model : nn.Module
        The model before training, in the mode in which it will be trained.
    inputs, targets, loss_fn
        As in `gradflow.analyze_gradients`. Without targets and loss, outputs and learning rate are not checked.
    optimizer : Optimizer, optional
        The model's optimizer: one update at its current learning rate is tried on a copy. With a warm-up, first set
        the largest learning rate of the schedule.
    lr : float, optional
        Instead of an optimizer: SGD at this learning rate.

    Returns
    -------
    Checkup
        Prints as a text. `findings` are those of `gradflow.diagnose`, causes first.

    Raises
    ------
    AnalysisError, ForecastError
        Model, batch, loss or optimizer do not fit; the message is one line and says what to do. A forward pass that
        fails at an addition of two shapes is a finding, not an error.

    Notes
    -----
    Takes one forward and backward pass, and one or two forward passes more for the learning rate.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1))
    >>> found = doctor(model, torch.eye(4), torch.tensor([0, 1, 2, 0]))
    >>> [finding.key for finding in found.findings if finding.severity == "problem"]
    ['probabilities']
    """
    if not isinstance(model, nn.Module):
        raise AnalysisError(f"model must be a torch.nn.Module; got {type(model).__name__}.")
    if optimizer is not None and lr is not None:
        raise AnalysisError("optimizer and lr are two learning rates; pass one of them.")
    root = unwrapped(model)
    check(root)
    began, started = time.perf_counter(), datetime.now(UTC)
    with torch.enable_grad(), eager(root), left_as_found(root):
        recording = _examined(root, inputs, targets, loss_fn, optimizer, lr)
    seconds = {"started": started.isoformat(timespec="seconds"), "wall_seconds": time.perf_counter() - began}
    return Checkup(recording.having(meta={**recording.meta, **seconds}))


@dataclass(frozen=True, eq=False, repr=False)
class Checkup:
    """What `doctor` found; `print` shows it.

    Parameters
    ----------
    recording : Recording
        One step, with what the network computes in `meta`. A saved checkup is `Checkup(gradflow.load(path))`.
    """

    recording: Recording

    @cached_property
    def findings(self) -> Findings:
        """What `gradflow.diagnose` finds, without the rules that nothing was measured for."""
        found = diagnose(self.recording)
        return Findings((one for one in found if one.severity != "unmeasured"), found.checks)

    def __repr__(self) -> str:
        """Return the findings as text, 80 columns wide."""
        return str(self.findings)

    def _repr_html_(self) -> str:
        """Return the findings as HTML, for notebooks."""
        return self.findings._repr_html_()


def _examined(
    root: nn.Module,
    inputs: Any,
    targets: Any,
    loss_fn: LossFunction | None,
    optimizer: Optimizer | None,
    lr: float | None,
) -> Recording:
    """Return the recording of one pass, and of a first update where there is an optimizer."""
    batch = Batch(inputs)
    noted: dict[str, Any] = {"before_training": True, "constructors": constructors(root)}
    random = torch.get_rng_state()
    with ModuleCalls(root) as calls:
        watch = _Watch(root, batch, calls)
        try:
            recording = analyzed(root, batch, targets, loss_fn, watch)
        except AnalysisError:
            if watch.lines.clash is None:
                raise
            clash = {"experiment": "analyze", "run": type(root).__name__}
            return Recording(meta={**clash, **noted, "shape_clash": described(watch.lines.clash, root)})
    noted |= {"structure": watch.structure, "entrances": watch.entrances, **_targets(targets)}
    if (optimizer is not None or lr is not None) and recording.meta["loss"] != PROJECTED:
        torch.set_rng_state(random)
        loss = float(recording.steps["loss"].iloc[0])
        noted["first_update"] = first_update(root, inputs, targets, loss_fn, optimizer=optimizer, lr=lr, before=loss)
    return recording.having(meta={**recording.meta, **noted})


def _targets(targets: Any) -> dict[str, Any]:
    """Return the range of targets that are numbers, as meta has it."""
    if not isinstance(targets, Tensor) or not targets.is_floating_point() or not targets.numel():
        return {}
    low, high = (float(one) for one in targets.detach().aminmax())
    return {"targets": {"min": low, "max": high}} if math.isfinite(low) and math.isfinite(high) else {}


class _Watch:
    """What the doctor looks at in the pass: lines, joins, operations, and what layers get of the inputs as they are."""

    joins: list[Join]

    def __init__(self, root: nn.Module, batch: Batch, calls: ModuleCalls) -> None:
        self.joins = []  # whose shares are measured: none
        self.lines = SourceLines(calls)
        self.structure: dict[str, Any] = {}
        self._root = root
        self._calls = calls
        self._received: dict[str, float] = {}
        given = (batch.args, batch.kwargs)
        self._memory = {_memory(one) for one in tensors_in(given) if one.is_floating_point()}

    @contextmanager
    def forward_watched(self) -> Iterator[None]:
        """Note lines, and the size of what each layer with a weight gets that shares its memory with an input."""
        modules = [(name, one) for name, one in self._root.named_modules() if isinstance(_weight(one), Tensor)]
        handles = [one.register_forward_pre_hook(self._receiver(name), with_kwargs=True) for name, one in modules]
        try:
            with self.lines:
                yield
        finally:
            remove(handles)

    def _receiver(self, name: str) -> Any:
        def receive(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            first = next(tensors_in((args, kwargs)), None)
            if first is not None and first.is_floating_point() and first.numel() and _memory(first) in self._memory:
                self._received.setdefault(name, float(first.detach().float().square().mean().sqrt()))

        return receive

    def find(self, outputs: Any, batch: Batch) -> None:
        """Read the operations off the graph."""
        joins = find_joins(outputs, batch.leaves, self._calls)
        self.structure = structure(self._root, outputs, batch.leaves, self._calls, joins, self.lines)

    def shares_measured(self) -> Any:
        """Do nothing."""
        return nullcontext()

    def remove_shares(self, loss: Tensor, wanted: Sequence[Tensor]) -> None:
        """Do nothing."""

    def tables(self, layers: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Return none."""
        return {}

    @property
    def entrances(self) -> list[dict[str, Any]]:
        """The layers that get an input as it is, and the rms of it, but those that norms alone read."""
        rows = self.structure["operations"]
        readers: dict[int, list[str]] = {number: [] for number in range(len(rows))}
        for row in rows:
            for number in row["reads"]:
                readers[number].append(row["kind"])
        normed = {
            row["module"]
            for number, row in enumerate(rows)
            if row["kind"] == MAP and readers[number] and set(readers[number]) <= {NORM, BATCH}
        }
        return [{"module": name, "rms": rms} for name, rms in self._received.items() if name not in normed]


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _weight(module: nn.Module) -> Any:
    """Return a module's own matrix: of what is no norm."""
    weight = module._parameters.get("weight", module._parameters.get("weight_ih_l0"))
    return weight if weight is not None and weight.dim() > 1 else None
