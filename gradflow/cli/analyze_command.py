"""`gradflow analyze`: what one batch's gradient does in a model that a target names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gradflow.cli import output
from gradflow.cli.lang_option import lang_option
from gradflow.cli.run_options import literal
from gradflow.cli.values import Number, PathTo
from gradflow.ranges import is_whole

if TYPE_CHECKING:
    from torch import Tensor

    from gradflow.probe import Analysis
    from gradflow.recording import Recording
    from gradflow.targets import Target

# Torch, pandas and rich are imported inside, so that --help answers at once.

RECORDING = "recording"  # folder below --out
DATA_BATCH = 64  # examples of --data, as an update of compare has by default


def _shape(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Return the sizes of a shape, or fail with what was given."""
    if value is None:
        return None
    parts = value.split(",")
    if not all(map(is_whole, parts)):
        raise click.BadParameter(f"{value!r} is no shape such as 8,3,224,224.")
    return tuple(int(Number("input").convert(part, option, context)) for part in parts)


def _settings(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Return {name: value} of NAME=VALUE, or fail with what was given."""
    found: dict[str, Any] = {}
    for given in values:
        name, equals, value = given.partition("=")
        if not equals or not name.strip():
            raise click.BadParameter(f"{given!r} is not of the form NAME=VALUE, such as depth=5.")
        name = name.strip().replace("-", "_")
        if name in found:
            raise click.BadParameter(f"{name} is given twice.")
        found[name] = literal(value)
    return found


@click.command()
@click.argument("target")
@click.option(
    "--set", "settings", callback=_settings, multiple=True, metavar="NAME=VALUE", help="An argument of the factory."
)
@click.option("--input", "shape", callback=_shape, help="Shape, batch first: 8,3,224,224.  [default: guessed]")
@click.option("--data", help="A batch of digits, mnist5k, cifar10, cifar10:FOLDER or a factory's, with its labels.")
@click.option("--with-skips/--without-skips", "skips", default=True, show_default=True, help="Residual connections.")
@click.option(
    "--joins", default="*", show_default=True, help="Counterfactuals at joins of these names (shell pattern)."
)
@click.option("--lesions", is_flag=True, help="Change of the loss without each block's branch.")
@click.option("--twin", metavar="TARGET", help="The same network built without skips, to stand beside.")
@click.option("--eval/--train", "evaluates", default=None, help="Mode of the model.  [default: as it was made]")
@click.option("--device", help="Where to run: cpu, cuda, cuda:1, mps.  [default: where the model was made]")
@click.option("--seed", type=Number("seed"), default=0, show_default=True, help="Of weights and inputs.")
@click.option("--out", type=PathTo(), help="Folder for a report, its figures and the recording.")
@output.data_options("Print all numbers as JSON.", "Print the layers as CSV.")
@lang_option
def analyze(
    target: str,
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
    """Analyze one batch's gradient in a model.

    TARGET is torchvision:resnet50, timm:convnext_tiny, package.module:factory or path/to/file.py:factory. Weights are
    fresh; inputs are random unless --data says of what. A factory returns a model, (model, inputs) or (model, inputs,
    targets); --set depth=5 is an argument of it.
    """
    import torch

    from gradflow.probe import analyze_gradients
    from gradflow.targets import load_target, moved

    if data is not None and shape is not None:
        raise click.UsageError("--input and --data are two batches; give one.")
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
    import torch

    from gradflow.experiments.data import load_data

    known = load_data(data)
    chosen = torch.randperm(len(known.train_labels), generator=torch.Generator().manual_seed(seed))[:DATA_BATCH]
    return _Batch(known.train_images[chosen], known.train_labels[chosen], known.num_classes)


def _described(found: Analysis, target: Target, seed: int) -> Analysis:
    """Return the analysis with the target as its name, and with what it was made from."""
    from gradflow.cli.sweeping import command_line

    meta = {"run": target.name, "inputs_from": target.origin, "seed": seed, "command": command_line()}
    return found.with_meta(meta)


def _print_tables(found: Analysis) -> None:
    from gradflow.cli.strip import Line, strips
    from gradflow.probe.shown import WORDS
    from gradflow.text import text

    for one in found.shown:
        words = [number for number, key in enumerate(one.columns) if key in WORDS]
        output.show(output.table(one.title, one.heads, one.rows, words=words, caption=one.caption))
        click.echo()
    output.show(strips(text("terminal.strip.title_one"), [Line(found.recording.name, _norms(found))]))


def _norms(found: Analysis) -> list[float]:
    """Return the norms of the layers' output gradients, inf where a gradient that arrived is not finite."""
    from gradflow.analysis.nonfinite import arrived_nonfinite

    layers = found.layers
    broken = arrived_nonfinite(layers, "out_grad_norm")
    return [float(norm) for norm in layers["out_grad_norm"].mask(broken, float("inf"))]


def _print_json(found: Analysis) -> None:
    recording = found.recording
    tables = {"degree": found.degree, "layers": recording.layers, "skips": recording.skips, "probes": recording.probes}
    frames = {name: output.records(frame) for name, frame in tables.items()}
    findings = [str(finding) for finding in found.findings]
    output.print_json({"meta": recording.meta, **frames, "findings": findings})


def _print_csv(found: Analysis) -> None:
    output.print_rows("csv", output.records(found.recording.layers))


_PRINT = {None: _print_tables, "json": _print_json, "csv": _print_csv}


def _write(recording: Recording, out: Path, form: str | None) -> None:
    """Write report and recording."""
    from gradflow.reporting import report
    from gradflow.storage import StorageError, save

    try:
        page = report(recording, out, command=str(recording.meta["command"]))
        kept = save(recording, out / RECORDING)
    except OSError as error:
        raise StorageError(f"cannot write to {out}: {error.strerror or error}.") from None
    for name, path in (("report", page), ("figures", page.parent / "figures"), ("recording", kept)):
        output.say_where(name, path, form)
