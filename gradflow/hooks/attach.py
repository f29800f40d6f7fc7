"""record(): attach a recorder to a model in training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import Optimizer

from gradflow.hooks import sharded
from gradflow.hooks.budget import checked_share
from gradflow.hooks.layers import Layer, Selector, as_list, check_shapes, layers_of, select_layers
from gradflow.hooks.optimizers import parameters_of, unwrapped_optimizer
from gradflow.hooks.schedule import Schedule, as_schedule, distribution_schedule, either
from gradflow.text.controls import utf8

if TYPE_CHECKING:
    from gradflow.hooks.recorder import Recorder
    from gradflow.hooks.recorders import Recorders
    from gradflow.hooks.sinks import Sink
    from gradflow.hooks.training_findings import OnFinding


@overload
def record(model: nn.Module, **options: Any) -> Recorder: ...
@overload
def record(model: Mapping[str, tuple[nn.Module, Any]], **options: Any) -> Recorders: ...
def record(  # type: ignore[misc]  # options are named once, below
    model: nn.Module | Mapping[str, tuple[nn.Module, Any]],
    *,
    optimizer: Optimizer | Iterable[Optimizer] | Any = None,
    scaler: torch.amp.GradScaler | None = None,
    schedule: int | Schedule = 1,
    distributions: bool | int | Schedule = False,
    overhead: float | None = None,
    layers: Selector | Iterable[Selector] = "*",
    exclude: Selector | Iterable[Selector] = (),
    activations: bool = True,
    statistics: bool = False,
    weights: bool = False,
    max_calls: int | None = 64,
    compiled: bool = False,
    path: str | os.PathLike[str] | None = None,
    strict: bool = False,
    on_finding: OnFinding | None = None,
    name: str | None = None,
    meta: Mapping[str, Any] | None = None,
    sinks: Sequence[Sink] = (),
) -> Recorder | Recorders:
    """Attach a recorder to a model; call its `step` after each `backward()`, or give it the optimizer.

    Losses, gradients, weights, buffers and random state stay bit-identical to a run without it. If layers or
    parameters are replaced, added or removed later, the recorder follows from the next recorded step on, with a
    warning.

    Parameters
    ----------
    model : nn.Module or mapping
        The model in training. On recorded steps it has one forward hook per layer, otherwise none. Layers have the
        names of the model inside `torch.compile` and `DistributedDataParallel`. Or several models that train
        together, each with its own optimizer: `{"G": (generator, first), "D": (discriminator, second)}`. Each then
        has its own recorder, whose steps are those of its optimizer, and its own folder in `path`.
    optimizer : Optimizer or several, optional
        Read the gradients where the optimizer steps: accumulated, reduced, clipped, unscaled. The norm of the
        update is then recorded too, and `step` only keeps scalars and the total norm before clipping. With several
        optimizers, a step ends when all have stepped, in any order. A wrapper (of Accelerate, fastai or Lightning)
        counts as the optimizer inside it.
    scaler : GradScaler, optional
        Divide gradients by its loss scale, unless the scaler has already done so. With `optimizer`, a step that it
        skips is a step as any other, `skipped` in `recording.steps`; to see it, `scaler.step` is replaced, on this
        scaler alone, until the recorder is closed.
    schedule : int or callable
        Record every k-th step, or the steps for which `schedule(step)` is true (`gradflow.hooks.Every`).
    overhead : float, optional
        Share of the training time that recording may take: 0.02 for 2 %. Only as many steps of `schedule` are
        recorded as the measured time allows; steps 0, 1, 10, 100, 1,000 and so on always are.
        `recorder.meta["overhead"]` says how many were recorded and what share of the time they took. If steps are
        too short for the promise (a few tenths of a millisecond), a warning says so.
    layers, exclude : str, module class, callable, or iterable of these
        As in `gradflow.hooks.select_layers`.
    activations : bool
        Also record the gradient with respect to each layer's output and, for recurrent layers, at each time step.
        Without it the model has hooks only in the first recorded step, to find each layer's place in the network.
    statistics : bool
        Also record the rms, mean, fraction of zeros and saturation of each layer's output.
    weights : bool
        Also record the norm of each layer's parameters.
    distributions : bool, int or callable
        Also count the entries of each layer's gradients, weights and, where `activations` are recorded, output by
        their size, for histograms (`gradflow.plots.distributions`): True for steps 0, 1, 10, 100, 1,000 and so on, k
        for every k-th step, or a callable as for `schedule`. These steps are recorded whatever `schedule` says. The
        table is `recording.distributions`.
    max_calls : int or None
        At most this many rows for one layer's calls in one step: the first, the last and evenly spaced ones in
        between. The other calls share a row, whose call is -1 and whose norm is that of them all. Passes that are
        not part of the optimizer's gradient are counted separately, and so is each tensor of an output. None keeps
        every call.
    compiled : bool
        Also record the gradients at outputs inside `torch.compile`. Each recorded layer then breaks the graph,
        which costs speed, and `fullgraph=True` raises an error. Without it, compiled code is unchanged and only
        parameters are recorded.
    path : path, optional
        Stream the rows into this folder, which `gradflow.load` reads. Otherwise they are kept in memory. The folder
        is locked until `close`: a second recorder for it raises an error, in this process and in others.

        Rows are written after 1, 3, 7, 15 and 31 seconds and then every 30 seconds, by `close`, when the recorder
        is garbage collected, when the interpreter exits (also after an uncaught error), and on SIGTERM, if it has
        no other handler and `record` was called in the main thread. SIGKILL, `os._exit` or a machine failure lose
        the rows since the last write: about half of a run's at first, never more than 30 seconds. While the folder
        cannot be written (a full disk, for example), up to 500,000 rows wait in memory; later ones are dropped. A
        warning says so at the first failure, and `close` says how many rows are missing. Processes forked from this
        one write nothing.
    strict : bool
        Raise an error if a measurement fails, instead of warning once and continuing.
    on_finding : "print", "warn", "stop" or callable, optional
        Diagnose the recording so far after 10, 20, 50, 100, 200, 500, ... recorded steps, up to five million rows,
        and once more in `close`. A callable receives each new problem and notice once, as a
        `gradflow.diagnosis.Finding`; an error that it raises becomes a warning, and training continues. For
        problems that are not consequences of others, "print" prints each with what to change first, "warn" issues a
        warning, and "stop" raises `gradflow.TrainingStoppedError` from the optimizer's `step()`, or from this
        recorder's if it has no optimizer. That step is then complete, in the model and in the recording. A callable
        may raise this error too. With several processes, the first one diagnoses. With "stop", each of them must have
        a recorder, on the same schedule, and all stop at the same step.
    name : str, optional
        The run's name in figures and reports. By default the name of the folder `path`, otherwise of the model's
        class.
    meta : mapping, optional
        Anything worth keeping with the numbers, as JSON values: seed, depth, data, ...
    sinks : sequence of Sink
        Trackers that receive new rows every two seconds, or less often to stay within 2 % of the time:
        `gradflow.integrations.TensorBoard` and others. With several processes, rank 0 sends.

    Returns
    -------
    Recorder or Recorders
        Also a context manager, which closes it. `Recorders` is a mapping from the names of several networks to theirs.

    Raises
    ------
    ValueError
        The model has no trainable parameters, is already being recorded, or a selector matches no layer; an
        optimizer is not one, or holds none of the model's parameters; `max_calls` is under 3; `on_finding` is
        invalid; `overhead` is not a share, or processes must record the same steps, because the model is sharded or
        they stop together; the model is in the FSDP1 wrapper.
    StorageError
        `path` contains other files, cannot be written, or is in use (`InUseError`); `name` or `meta` is not valid
        Unicode.
    LazyModelError
        The model has lazy parameters, whose shape is set by the first batch.

    Examples
    --------
    >>> model = nn.Linear(3, 1)
    >>> with record(model) as recorder:
    ...     model(torch.ones(2, 3)).sum().backward()
    ...     recorder.step()
    >>> float(recorder.recording.layers.grad_norm.iloc[0])  # sqrt(2² + 2² + 2² + 2²)
    4.0
    """
    # They bring pandas, which takes longer to import than all else.
    from gradflow.hooks.recorder import Recorder
    from gradflow.hooks.training_findings import check_on_finding
    from gradflow.storage import check_json, check_meta

    check_on_finding(on_finding)
    if isinstance(model, Mapping):
        return _several(
            model,
            optimizer,
            name,
            path,
            sinks,
            scaler=scaler,
            schedule=schedule,
            distributions=distributions,
            overhead=None if overhead is None else checked_share(overhead) / max(len(model), 1),
            layers=layers,
            exclude=exclude,
            activations=activations,
            statistics=statistics,
            weights=weights,
            max_calls=max_calls,
            compiled=compiled,
            strict=strict,
            on_finding=on_finding,
            meta=meta,
        )
    check_json("name", name)
    check_meta(meta or {})
    root = unwrapped(model)
    sharded.check_can_be_read(root)
    selectors = as_list(layers)
    by_name = {selector for selector in selectors if isinstance(selector, str)}
    if max_calls is not None and not (isinstance(max_calls, int) and max_calls >= 3):
        raise ValueError(f"max_calls must be 3 or more, or None for every call; got {max_calls!r}.")

    def select(root: nn.Module) -> list[Layer]:
        check_shapes(root)
        return layers_of(select_layers(root, selectors, exclude), by_name=by_name)

    recorded, counted = as_schedule(schedule), distribution_schedule(distributions)
    return Recorder(
        root,
        optimizers=_optimizers(optimizer, root),
        scaler=scaler,
        schedule=recorded if counted is None else either(recorded, counted),
        distributions=counted,
        overhead=None if overhead is None else checked_share(overhead),
        select=select,
        activations=activations,
        statistics=statistics,
        weights=weights,
        max_calls=max_calls,
        compiled=compiled,
        path=path,
        strict=strict,
        on_finding=on_finding,
        meta={"run": name or _folder_name(path) or type(root).__name__, **(meta or {})},
        sinks=sinks,
    )


def _several(
    parts: Mapping[str, tuple[nn.Module, Any]],
    optimizer: Any,
    name: str | None,
    path: str | os.PathLike[str] | None,
    sinks: Sequence[Sink],
    **options: Any,
) -> Recorders:
    """Return a recorder for each of several networks; none is left attached where one cannot be."""
    from gradflow.hooks.recorders import Recorders, Shared, check_parts

    check_parts(parts)
    if optimizer is not None:
        raise ValueError("optimizer must be left out where each network brings its own.")
    shared = [Shared(sink, [*parts]) for sink in sinks]
    recorders: dict[str, Recorder] = {}
    try:
        for part, (model, own) in parts.items():
            recorders[part] = record(
                model,
                optimizer=own,
                name=part if name is None else f"{name} {part}",
                path=None if path is None else Path(path) / part,
                sinks=[one.of(part) for one in shared],
                **options,
            )
    except BaseException:
        Recorders(recorders).close()
        raise
    return Recorders(recorders)


def _optimizers(given: Any, model: nn.Module) -> list[Optimizer]:
    """Return the torch optimizers meant by the argument, each once."""
    if given is None:
        return []
    several = isinstance(given, Iterable) and not isinstance(given, Optimizer)
    found = [unwrapped_optimizer(one) for one in (given if several else [given])]
    trainable = set(map(id, model.parameters()))
    for one in found:
        if trainable.isdisjoint(map(id, parameters_of(one))):
            raise ValueError(
                f"optimizer must hold parameters of the model; this {type(one).__name__} holds none of "
                f"{type(model).__name__}'s. Pass the one that updates it, made after the model was moved or replaced."
            )
    return list({id(one): one for one in found}.values())


def _folder_name(path: str | os.PathLike[str] | None) -> str:
    return "" if path is None else utf8(Path(path).absolute().name)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside torch.compile's and the data-parallel wrappers."""
    if isinstance(model, (DataParallel, DistributedDataParallel)):
        return unwrapped(model.module)
    inner = getattr(model, "_orig_mod", None)
    return unwrapped(inner) if isinstance(inner, nn.Module) else model
