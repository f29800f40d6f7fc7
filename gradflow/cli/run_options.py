"""The options that say what is to be trained, for every command that trains."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import click

from gradflow.cli.engine_options import engine_options
from gradflow.cli.values import Number, PathTo
from gradflow.ranges import is_whole


def words(context: click.Context, option: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Return the words of a comma-separated option."""
    if value is None:
        return None
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not found:
        raise click.BadParameter(f"{value!r} names nothing.")
    return found


def whole_numbers(setting: str) -> Callable[..., tuple[int, ...] | None]:
    """Return a callback for a comma-separated option whose values are a setting's."""
    number = Number(setting)

    def read(context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
        if value is None:
            return None
        parts = value.split(",")
        if not all(map(is_whole, parts)):
            raise click.BadParameter(f"{value!r} is no list of whole numbers such as 20,56,110.")
        return tuple(int(number.convert(part, option, context)) for part in parts)

    return read


def _lists(convert: Callable[..., Any]) -> Callable[..., Any]:
    """Return a callback for an option that may be repeated, each time with a comma-separated list."""
    return lambda context, option, values: tuple(convert(context, option, value) for value in values)


def vary(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, list[Any]]:
    """Return {name: values} of NAME=VALUE,VALUE."""
    found: dict[str, list[Any]] = {}
    for value in values:
        name, equals, listed = value.partition("=")
        if not equals or not name.strip() or not listed.strip():
            raise click.BadParameter(f"{value!r} is not of the form NAME=VALUE,VALUE, such as lr=0.1,0.02.")
        setting = name.strip().replace("-", "_")
        if setting in found:
            raise click.BadParameter(f"{setting} is given twice.")
        found[setting] = [plain(part) for part in listed.split(",")]
    return found


def plain(word: str) -> Any:
    """Return the number, truth value or None that a word is, or else the word.

    Examples
    --------
    >>> plain("0.1"), plain("20"), plain("true"), plain("none"), plain("relu")
    (0.1, 20, True, None, 'relu')
    """
    value = literal(word)
    return value if isinstance(value, int | float | None) else word.strip()


def literal(word: str) -> Any:
    """Return what a word is in Python (a number, a tuple, a list, a quoted word), true, false or none, or the word.

    Examples
    --------
    >>> literal("5"), literal("0.1"), literal("true"), literal("relu"), literal("13,"), literal("'5'")
    (5, 0.1, True, 'relu', (13,), '5')
    """
    known = {"true": True, "false": False, "none": None}
    word = word.strip()
    if word.lower() in known:
        return known[word.lower()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "1or" is a word, however Python likes it
            return ast.literal_eval(word)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return word


# name: (type or callback, help). Each may be given several times: every combination is then a run.
# Defaults are the plan's.
_SETTINGS: Mapping[str, tuple[Any, str]] = MappingProxyType(
    {
        "model": (str, "cifar, resnet, mini, mlp, transformer.  [default: cifar]"),
        "data": (str, "digits, mnist5k, cifar10 or cifar10:FOLDER.  [default: digits]"),
        "shortcut": (str, "A: zero-padded identity, B: projection.  [default: A]"),
        "widths": (_lists(whole_numbers("size")), "Channels of stages.  [default: 16,32,64]"),
        "width": (Number("size"), "Units of a layer, where the model has one width."),
        "activation": (str, "relu, tanh, gelu, ..."),
        "init": (str, "Initialisation: kaiming, xavier, default, ..."),
        "norm": (str, "batch, layer, none, ..."),
        "steps": (Number("steps"), "Optimizer updates.  [default: 300]"),
        "batch_size": (Number("batch_size"), "Images an update.  [default: 64]"),
        "accumulate": (Number("accumulate"), "Backward passes an update.  [default: 1]"),
        "optimizer": (str, "sgd or adamw.  [default: sgd]"),
        "lr": (Number("lr"), "Peak learning rate.  [default: 0.02]"),
        "momentum": (Number("momentum"), "Of SGD; beta1 of AdamW.  [default: 0.9]"),
        "weight_decay": (Number("weight_decay"), "[default: 0.0001]"),
        "schedule": (str, "cosine, step, multistep or constant.  [default: cosine]"),
        "milestones": (_lists(whole_numbers("milestones")), "Updates at which multistep falls."),
        "warmup": (Number("warmup"), "First steps with a rising learning rate.  [default: 0]"),
        "warmup_until": (Number("warmup_until"), "A tenth of lr until the training error is below this."),
        "augment": (_lists(words), "Of crop,flip,jitter.  [default: none]"),
        "clip": (Number("clip"), "Largest total gradient norm.  [default: none]"),
        "precision": (str, "float32, bf16 or fp16.  [default: float32]"),
        "record_every": (Number("record_every"), "Steps between recorded gradients.  [default: 10]"),
        "eval_every": (Number("eval_every"), "Steps between errors on whole sets.  [default: 150]"),
        "probes": (_lists(words), "Of skips,shattering,paths, or none.  [default: skips,shattering]"),
    }
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every option that shapes a run but depths, families and seeds."""
    command = click.option(
        "--vary", "varied", callback=vary, multiple=True, help="NAME=VALUE,VALUE: any other setting."
    )(command)
    for name, (kind, told) in reversed(list(_SETTINGS.items())):
        how = {"type": kind} if isinstance(kind, type | click.ParamType) else {"callback": kind}
        command = click.option(f"--{name.replace('_', '-')}", multiple=True, help=told, **how)(command)
    return command


def execution_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how, where and whether its runs are made."""
    options = (
        click.option(
            "--workers", type=Number("workers"), help="Processes of one thread each.  [default: one per core]"
        ),
        click.option(
            "--checkpoint-every",
            type=Number("checkpoint_every"),
            help="Seconds between checkpoints of a run.  [default: 20]",
        ),
        click.option("--device", help="auto, cpu, cuda, ...  [default: auto]"),
        click.option("--out", type=PathTo(), help="Folder to write to.  [default: reports/NAME]"),
        click.option("--name", help="Title of the report.  [default: what was compared]"),
        click.option("--scaled", is_flag=True, help="The version of a preset or file that runs on a laptop."),
        click.option("--dry-run", is_flag=True, help="Print the plan with its estimated time, and end."),
    )
    for option in reversed(options):
        command = option(command)
    return engine_options(command)


def plan_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as arguments of `gradflow.experiments.plan`: one value is a setting, several are varied.

    Examples
    --------
    >>> plan_arguments({"lr": (0.1, 0.02), "norm": (), "steps": (30,), "varied": {"clip": [1.0, 2.0]}, "seeds": 3})
    {'steps': 30, 'seeds': 3, 'vary': {'lr': (0.1, 0.02), 'clip': [1.0, 2.0]}}
    """
    given = {name: value for name, value in settings.items() if name != "varied" and value not in ((), None)}
    single = {name: value[0] for name, value in given.items() if name in _SETTINGS and len(value) == 1}
    several = {name: value for name, value in given.items() if name in _SETTINGS and len(value) > 1}
    twice = [name for name in settings.get("varied", {}) if name in several]
    if twice:
        option = twice[0].replace("_", "-")
        raise click.UsageError(f"{twice[0]} is given twice, in --{option} and in --vary; give one of them.")
    alone = {name: value for name, value in given.items() if name not in _SETTINGS}
    return {**single, **alone, "vary": {**several, **settings.get("varied", {})}}
