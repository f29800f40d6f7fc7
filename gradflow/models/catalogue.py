"""The networks by name: which families, depths and options each has, and how one is built from them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import nn

from gradflow.models.cifar import DEPTH_OFFSET, DEPTH_STEP, FAMILIES, SHORTCUTS, cifar_net
from gradflow.models.mlp import mlp
from gradflow.theory.initialisations import BUILT_ACTIVATIONS, BUILT_CRITICAL, INITS

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One kind of network.

    Attributes
    ----------
    name : str
    families : tuple of str
        What `family` may be; the one without skips first, where there is one.
    options : mapping of str to default value
        Sequences are tuples of positive ints of that length, ints positive, words of `choices`.
    make : callable
        (depth, family, input_shape, num_classes, options) to the network; arguments are checked.
    depths : str
        Which depths there are, in words.
    nearest : callable
        A depth to the depths nearest to it that there are: itself alone if it is one.
    choices : mapping of str to tuple of str
        The words that an option may be.
    """

    name: str
    families: tuple[str, ...]
    options: Options
    make: Callable[[int, str, tuple[int, ...], int, Options], nn.Module]
    depths: str
    nearest: Callable[[int], tuple[int, ...]]
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _at_least(smallest: int) -> Callable[[int], tuple[int, ...]]:
    return lambda depth: (max(depth, smallest),)


def _nearest_cifar(depth: int) -> tuple[int, ...]:
    below = max(DEPTH_STEP + DEPTH_OFFSET, depth - (depth - DEPTH_OFFSET) % DEPTH_STEP)
    return (depth,) if below == depth else (below, below + DEPTH_STEP)


def _make_cifar(depth: int, family: str, input_shape: tuple[int, ...], num_classes: int, options: Options) -> nn.Module:
    return cifar_net(depth, family=family, in_channels=input_shape[0], num_classes=num_classes, **options)  # type: ignore[arg-type]  # a family of the entry


def _make_mlp(depth: int, family: str, input_shape: tuple[int, ...], num_classes: int, options: Options) -> nn.Module:
    channels, height, width = input_shape
    norm = None if options["norm"] == "none" else options["norm"]
    return mlp(
        depth,
        in_features=channels * height * width,
        num_classes=num_classes,
        skip=family == "residual",
        **{**options, "norm": norm},
    )


CATALOGUE: Mapping[str, Entry] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Entry(
                "cifar",
                FAMILIES,
                {"shortcut": "A", "widths": (16, 32, 64)},
                _make_cifar,
                "6n + 2 (8, 14, 20, ...)",
                _nearest_cifar,
                {"shortcut": SHORTCUTS},
            ),
            Entry(
                "mlp",
                ("plain", "residual"),
                {"width": 256, "activation": "relu", "init": "default", "norm": "none"},
                _make_mlp,
                "at least 2",
                _at_least(2),
                {"activation": BUILT_ACTIVATIONS, "init": INITS, "norm": ("none", "batch")},
            ),
        )
    }
)


def check(model: str, depth: int, family: str, options: Options) -> dict[str, Any]:
    """Return all options of a network, defaults filled in, as JSON values.

    Parameters
    ----------
    model : str
        A name of `CATALOGUE`.
    depth : int
    family : str
    options : mapping
        Of those of the entry. Sequences may be lists or "16,32,64", ints may be "64", no norm may be None.

    Raises
    ------
    ValueError
        Anything of it does not exist; the line names what is nearest or allowed.

    Examples
    --------
    >>> check("cifar", 20, "residual", {"widths": [8, 16, 32]})
    {'shortcut': 'A', 'widths': [8, 16, 32]}
    """
    if model not in CATALOGUE:
        raise ValueError(f"model must be one of {', '.join(CATALOGUE)}; got {model!r}.{_nearest(model, CATALOGUE)}")
    entry = CATALOGUE[model]
    nearest = entry.nearest(depth)
    if depth not in nearest:
        raise ValueError(
            f"depth must be {entry.depths}; got {depth}. Nearest: {', '.join(str(one) for one in nearest)}."
        )
    if family not in entry.families:
        raise ValueError(f"family must be one of {', '.join(entry.families)}; got {family!r}.")
    for name in options:
        if name not in entry.options:
            known = ", ".join(entry.options)
            raise ValueError(
                f"options of {model} must be among {known}; got {str(name)!r}.{_nearest(name, entry.options)}"
            )
    read = {name: _read(entry, name, options.get(name, default)) for name, default in entry.options.items()}
    if read.get("init") == "critical" and read["activation"] not in BUILT_CRITICAL:
        raise ValueError(
            f"init='critical' is for activation {' or '.join(BUILT_CRITICAL)}; got {read['activation']!r}."
        )
    return read


def build(
    model: str,
    depth: int,
    *,
    family: str,
    input_shape: tuple[int, ...],
    num_classes: int,
    options: Options,
) -> nn.Module:
    """Build a network of the catalogue; its weights are drawn from PyTorch's global generator.

    Parameters
    ----------
    model, depth, family, options
        As in `check`.
    input_shape : tuple of int
        Channels, height and width of an image.
    num_classes : int

    Raises
    ------
    ValueError
        As in `check`, or the network cannot be built for such images or classes.

    Examples
    --------
    >>> net = build("mlp", 3, family="plain", input_shape=(1, 8, 8), num_classes=10, options={"width": 32})
    >>> sum(parameter.numel() for parameter in net.parameters())
    3466
    """
    checked = check(model, depth, family, options)
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise ValueError(f"input_shape must be channels, height, width, each at least 1; got {tuple(input_shape)}.")
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1; got {num_classes}.")
    return CATALOGUE[model].make(depth, family, tuple(input_shape), num_classes, checked)


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.4)
    return f" Nearest: {found[0]}." if found else ""


def _read(entry: Entry, name: str, given: Any) -> Any:
    """Return an option's value as a JSON value of its default's kind."""
    if name in entry.choices:
        word = "none" if given is None else given
        if word not in entry.choices[name]:
            raise ValueError(f"{name} must be one of {', '.join(entry.choices[name])}; got {given!r}.")
        return word
    default = entry.options[name]
    if isinstance(default, tuple):
        parts = given.split(",") if isinstance(given, str) else given
        sizes = [_positive(part) for part in parts] if isinstance(parts, list | tuple) else []
        if len(sizes) != len(default) or None in sizes:
            example = ", ".join(str(one) for one in default)
            raise ValueError(f"{name} must be {len(default)} positive ints, such as {example}; got {given!r}.")
        return sizes
    size = _positive(given)
    if size is None:
        raise ValueError(f"{name} must be an int of at least 1; got {given!r}.")
    return size


def _positive(given: Any) -> int | None:
    """Return a positive int, given as one or as its digits; None for anything else."""
    if isinstance(given, str) and given.strip().isdecimal():
        given = int(given)
    return given if isinstance(given, int) and not isinstance(given, bool) and given >= 1 else None
