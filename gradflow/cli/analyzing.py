"""What one batch's gradient does in a model that a target names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.cli import output
from gradflow.cli.commands import command_line
from gradflow.cli.strip import Line, strips
from gradflow.cli.terminal import show
from gradflow.experiments.data import load_data
from gradflow.probe import Analysis, analyze_gradients
from gradflow.recording import Recording
from gradflow.storage import StorageError, save
from gradflow.tables.data import as_json
from gradflow.targets import Target, load_target, moved
from gradflow.text import text

RECORDING = "recording"  # folder below --out
DATA_BATCH = 64  # examples of --data, as an update of compare has by default


def analyze_target(
    target: str,
    *,
    settings: dict[str, Any],
    shape: tuple[int, ...] | None,
    data: str | None,
    skips: bool,
    joins: str,
    lesions: bool,
    twin: str | None,
    evaluates: bool | None,
    device: str | None,
    seed: int,
    out: Path | None,
    form: str | None,
) -> None:
    """Analyze one batch's gradient in a target's model, print what was found, and write a report where `out` says."""
    batch = None if data is None else _batch(data, seed)
    made_for: dict[str, Any] = {"shape": shape, "seed": seed, "settings": settings}
    if batch is not None:
        made_for |= {"shape": batch.inputs.shape, "num_classes": batch.num_classes}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loaded = load_target(target, **made_for)
        if batch is not None:
            loaded = loaded._replace(inputs=batch.inputs, targets=batch.labels, origin=str(data))
        if device is not None:
            loaded = moved(loaded, device)
        model = loaded.model if evaluates is None else loaded.model.train(not evaluates)
        asked: dict[str, Any] = {"skips": skips, "joins": joins, "lesions": lesions}
        if twin is not None:
            torch.manual_seed(seed)
            beside = load_target(twin, **made_for)
            asked["twin"] = (beside if device is None else moved(beside, device)).model.train(model.training)
        found = _described(analyze_gradients(model, loaded.inputs, loaded.targets, **asked), loaded, seed)
    _PRINT[form](found)
    if out is not None:
        _write(found.recording, out, form)


class _Batch(NamedTuple):
    """Training examples of a data set, with their labels."""

    inputs: Tensor
    labels: Tensor
    num_classes: int


def _batch(data: str, seed: int) -> _Batch:
    """Return examples of a data set, drawn by the seed."""
    known = load_data(data)
    chosen = torch.randperm(len(known.train_labels), generator=torch.Generator().manual_seed(seed))[:DATA_BATCH]
    return _Batch(known.train_images[chosen], known.train_labels[chosen], known.num_classes)


def _described(found: Analysis, target: Target, seed: int) -> Analysis:
    """Return the analysis with the target as its name, and with what it was made from."""
    meta = {"run": target.name, "inputs_from": target.origin, "seed": seed, "command": command_line()}
    return found.with_meta(meta)


def _print_tables(found: Analysis) -> None:
    show(*found.tables, strips(text("terminal.strip.title_one"), [Line(found.recording.name, _norms(found))]))


def _norms(found: Analysis) -> list[float]:
    """Return the norms of the layers' output gradients, inf where a gradient that arrived is not finite."""
    layers = found.layers
    broken = arrived_nonfinite(layers, "out_grad_norm")
    return [float(norm) for norm in layers["out_grad_norm"].mask(broken, float("inf"))]


def _print_json(found: Analysis) -> None:
    recording = found.recording
    tables = {"degree": found.degree, "layers": recording.layers, "skips": recording.skips, "probes": recording.probes}
    frames = {name: frame.to_dict("records") for name, frame in tables.items()}
    findings = [str(finding) for finding in found.findings]
    output.emit(as_json({"meta": recording.meta, **frames, "findings": findings}))


def _print_csv(found: Analysis) -> None:
    output.print_data("csv", found.recording.layers.to_dict("records"))


_PRINT = {None: _print_tables, "json": _print_json, "csv": _print_csv}


def _write(recording: Recording, out: Path, form: str | None) -> None:
    """Write report and recording."""
    from gradflow.reporting import report  # brings matplotlib, for --out alone

    try:
        page = report(recording, out, command=str(recording.meta["command"]))
        kept = save(recording, out / RECORDING)
    except OSError as error:
        raise StorageError(f"cannot write to {out}: {error.strerror or error}.") from None
    for name, path in (("report", page), ("figures", page.parent / "figures"), ("recording", kept)):
        output.say_where(name, path, form)
