"""The options that say what is to be trained, for every command that trains."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

import click

from gradflow.cli.help import option
from gradflow.cli.values import Number, PathTo, Several
from gradflow.settings import ExecutionSettings, OptionSettings, RecipeSettings, RunSettings, Setting, settings_of
from gradflow.text import text

LOCAL, RAY = "local", "ray"  # who makes the runs
RAY_ALONE = ("address", "gpus_per_run")

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def vary(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, list[Any]]:
    """Return {name: values} of NAME=VALUE,VALUE."""
    found = by_name(values, "usage.form_vary", may_be_empty=False)
    return {name: [plain(part) for part in listed.split(",")] for name, listed in found.items()}


def by_name(given: Iterable[str], form: str, *, may_be_empty: bool) -> dict[str, str]:
    """Return {name: value} of NAME=VALUE, or fail with what was given and the text of the form that it has to have."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip() or not (may_be_empty or value.strip()):
            raise click.BadParameter(text(form, value=repr(one)))
        name = name.strip().replace("-", "_")
        if name in found:
            raise click.BadParameter(text("usage.twice", name=name))
        found[name] = value
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


def options(*given: Decorator) -> Decorator:
    """Return a decorator that gives a command several options."""

    def give(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(given):
            command = decorator(command)
        return command

    return give


def options_of(*groups: type, without: Container[str] = (), **how: Any) -> Decorator:
    """Return a decorator that gives a command the options of groups of settings, as they are declared."""
    return options(*(_option(one, **how) for name, one in settings_of(*groups).items() if name not in without))


def _option(one: Setting, **how: Any) -> Decorator:
    number = Number(one.name, one.range) if one.range else None
    kind = (number or str) if one.is_one else Several(number)
    how = {"group": one.group, **how}
    return option(f"--{one.name.replace('_', '-')}", type=kind, setting=one, **how)


# Each option may be given several times: every combination is then a run. torchrun says how many processes there are.
_ONCE = ("device", "processes")
_OF_RUNS = settings_of(RunSettings, OptionSettings, RecipeSettings).keys() - _ONCE
# Every option that shapes a run but depths, families and seeds
settings_options = options(
    options_of(RunSettings, OptionSettings, RecipeSettings, without=_ONCE, multiple=True),
    option("--vary", "varied", callback=vary, multiple=True, metavar="NAME=VALUE,...", group="sweep"),
)
# Who makes the runs, how, where and whether
execution_options = options(
    option("--engine", type=click.Choice([LOCAL, RAY]), group="execution"),
    options_of(ExecutionSettings, without=("retries",)),
    _option(settings_of(RunSettings)["device"], group="execution"),
    option("--out", type=PathTo()),
    option("--name"),
    option("--scaled", is_flag=True, group="sweep"),
    option("--dry-run", is_flag=True, group="execution"),
)


def plan_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as arguments of `gradflow.experiments.plan`: one value is a setting, several are varied.

    Examples
    --------
    >>> plan_arguments({"lr": (0.1, 0.02), "norm": (), "steps": (30,), "varied": {"clip": [1.0, 2.0]}, "seeds": 3})
    {'steps': 30, 'seeds': 3, 'vary': {'lr': (0.1, 0.02), 'clip': [1.0, 2.0]}}
    """
    given = {name: value for name, value in settings.items() if name != "varied" and value not in ((), None)}
    single = {name: value[0] for name, value in given.items() if name in _OF_RUNS and len(value) == 1}
    several = {name: value for name, value in given.items() if name in _OF_RUNS and len(value) > 1}
    twice = [name for name in settings.get("varied", {}) if name in several]
    if twice:
        option = twice[0].replace("_", "-")
        raise click.UsageError(text("usage.twice_vary", name=twice[0], option=f"--{option}"))
    alone = {name: value for name, value in given.items() if name not in _OF_RUNS}
    return {**single, **alone, "vary": {**several, **settings.get("varied", {})}}
