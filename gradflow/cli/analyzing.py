"""What one batch's gradient does in a model that a target names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradflow.analysis.nonfinite import arrived_nonfinite
from gradflow.cli import output
from gradflow.cli.commands import command_line
from gradflow.cli.profile_strip import Line, strips
from gradflow.cli.targeting import Aim, aimed
from gradflow.cli.terminal import show
from gradflow.probe import Analysis, analyze_gradients
from gradflow.recording import Recording
from gradflow.storage import StorageError, save
from gradflow.tables.exports import as_json
from gradflow.targets import Target
from gradflow.text import text

RECORDING = "recording"  # folder below --out


def analyze_target(
    target: str,
    *,
    skips: bool,
    joins: str,
    lesions: bool,
    twin: str | None,
    out: Path | None,
    form: str | None,
    **options: Any,
) -> None:
    """Analyze one batch's gradient in a target's model, print what was found, and write a report where `out` says."""
    aim = Aim(**options)
    with aimed(target, aim) as loaded:
        asked: dict[str, Any] = {"skips": skips, "joins": joins, "lesions": lesions}
        if twin is not None:
            with aimed(twin, aim) as beside:
                asked["twin"] = beside.model.train(loaded.model.training)
        found = _described(analyze_gradients(loaded.model, loaded.inputs, loaded.targets, **asked), loaded, aim.seed)
    _PRINT[form](found)
    if out is not None:
        _write(found.recording, out, form)


def _described(found: Analysis, target: Target, seed: int) -> Analysis:
    """Return the analysis with the target as its name, and with what it was made from."""
    meta = {"run": target.name, "inputs_from": target.origin, "seed": seed, "command": command_line()}
    return found.with_meta(meta)


def _print_tables(found: Analysis) -> None:
    *measured, findings = found.tables
    show(*measured, strips(text("terminal.strip.title_one"), [Line(found.recording.name, _norms(found))]), findings)


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
    from gradflow.cli.report_writing import write_report  # brings matplotlib, for --out alone

    page, _ = write_report([recording], out)
    try:
        kept = save(recording, out / RECORDING)
    except OSError as error:
        raise StorageError(text("error.unwritable", path=out, reason=error.strerror or error)) from None
    for name, path in (("recording", kept), ("figures", page.parent / "figures"), ("report", page)):
        output.say_where(name, path, form)
