"""The networks by name: which families, depths and options each has, and how one is built from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import nn

from gradflow.factories import nearest
from gradflow.models.bottleneck import STRIDES_ON
from gradflow.models.cifar import CIFAR_DEPTHS, IMAGE_FAMILIES, MINI_DEPTHS, SHORTCUTS, cifar_net, mini_net
from gradflow.models.costs import check_memory
from gradflow.models.depths import Depths
from gradflow.models.layer_parts import ACTIVATIONS, FAN_OUT, IMAGE_INITS, IMAGE_NORMS, check_critical
from gradflow.models.mlp import mlp
from gradflow.models.resnet import RESNET_DEPTHS, STEMS, resnet
from gradflow.models.transformer import TOKEN_NORMS, TRANSFORMER_DEPTHS, TRANSFORMER_FAMILIES, check_heads, transformer
from gradflow.ranges import RANGES, shown
from gradflow.settings import OptionSettings
from gradflow.theory import INITS

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One kind of network; of its families the one without skips comes first, where there is one.

    Options are by name: sequences are tuples of positive ints of that length, ints positive, words of `choices`. `make`
    takes (depth, family, input_shape, num_classes, options), which are checked.
    """

    name: str
    families: tuple[str, ...]
    options: Options
    make: Callable[[int, str, tuple[int, ...], int, Options], nn.Module]
    depths: Depths
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _make_on_images(net: Callable[..., nn.Module]) -> Callable[[int, str, tuple[int, ...], int, Options], nn.Module]:
    return lambda depth, family, input_shape, num_classes, options: net(
        depth, family=family, in_channels=input_shape[0], num_classes=num_classes, **options
    )


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


def _make_transformer(
    depth: int, family: str, input_shape: tuple[int, ...], num_classes: int, options: Options
) -> nn.Module:
    return transformer(depth, family=family, input_shape=input_shape, num_classes=num_classes, **options)  # type: ignore[arg-type]  # checked by the entry


IMAGE_OPTIONS: Options = {"norm": "batch", "activation": "relu", "init": FAN_OUT}
IMAGE_CHOICES: Mapping[str, tuple[str, ...]] = {
    "shortcut": SHORTCUTS,
    "norm": IMAGE_NORMS,
    "activation": tuple(ACTIVATIONS),
    "init": IMAGE_INITS,
}
_ENTRIES = (
    Entry(
        "cifar",
        IMAGE_FAMILIES,
        {"shortcut": OptionSettings.shortcut, "widths": tuple(OptionSettings.widths), **IMAGE_OPTIONS},
        _make_on_images(cifar_net),
        CIFAR_DEPTHS,
        IMAGE_CHOICES,
    ),
    Entry(
        "resnet",
        IMAGE_FAMILIES,
        {"stem": "imagenet", "stride_on": "3x3", "widths": (64, 128, 256, 512), **IMAGE_OPTIONS},
        _make_on_images(resnet),
        RESNET_DEPTHS,
        {**IMAGE_CHOICES, "stem": STEMS, "stride_on": STRIDES_ON},
    ),
    Entry(
        "mini",
        IMAGE_FAMILIES,
        {"shortcut": "A", "widths": (16, 32), **IMAGE_OPTIONS},
        _make_on_images(mini_net),
        MINI_DEPTHS,
        IMAGE_CHOICES,
    ),
    Entry(
        "mlp",
        ("plain", "residual"),
        {"width": 256, "activation": "relu", "init": "default", "norm": "none"},
        _make_mlp,
        Depths("at least 2", smallest=2),
        {"activation": tuple(ACTIVATIONS), "init": INITS, "norm": ("none", "batch", "layer")},
    ),
    Entry(
        "transformer",
        TRANSFORMER_FAMILIES,
        {"width": 64, "heads": 4, "mlp_ratio": 4, "patch": 4}
        | {"norm": "layer", "activation": "gelu", "init": "default"},
        _make_transformer,
        TRANSFORMER_DEPTHS,
        {"norm": TOKEN_NORMS, "activation": tuple(ACTIVATIONS), "init": INITS},
    ),
)
CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def check(model: str, depth: int, family: str, options: Options) -> dict[str, Any]:
    """Return all options of a network, defaults filled in, as JSON values.

    Sequences may be lists or "16,32,64", ints may be "64", no norm may be None. Raises ValueError where anything of it
    does not exist; the line names what is nearest or allowed.

    Examples
    --------
    >>> check("cifar", 20, "residual", {"widths": [8, 16, 32]})
    {'shortcut': 'A', 'widths': [8, 16, 32], 'norm': 'batch', 'activation': 'relu', 'init': 'kaiming-fan-out'}
    """
    if model not in CATALOGUE:
        raise ValueError(f"model must be one of {', '.join(CATALOGUE)}; got {model!r}.{nearest(model, CATALOGUE, 1)}")
    entry = CATALOGUE[model]
    entry.depths.check(depth)
    if family not in entry.families:
        raise ValueError(f"family must be one of {', '.join(entry.families)}; got {family!r}.")
    for name in options:
        if name not in entry.options:
            known = ", ".join(entry.options)
            raise ValueError(
                f"options of {model} must be among {known}; got {str(name)!r}.{nearest(name, entry.options, 1)}"
            )
    read = {name: _read(entry, name, options.get(name, default)) for name, default in entry.options.items()}
    check_critical(read["init"], read["activation"])
    if "heads" in read:
        check_heads(read["width"], read["heads"])
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

    Arguments are as in `check`, and `input_shape` is (channels, height, width) of an image. Raises ValueError as there,
    or where the network cannot be built for such images or classes.

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

    def make() -> nn.Module:
        return CATALOGUE[model].make(depth, family, tuple(input_shape), num_classes, checked)

    check_memory(f"{model}-{depth}", depth, max(checked.get("widths") or [checked["width"]]), make)
    return make()


def _read(entry: Entry, name: str, given: Any) -> Any:
    """Return an option's value as a JSON value of its default's kind."""
    if name in entry.choices:
        word = "none" if given is None else given
        if word not in entry.choices[name]:
            raise ValueError(f"{name} must be one of {', '.join(entry.choices[name])}; got {shown(given)}.")
        return word
    default = entry.options[name]
    if not isinstance(default, tuple):
        return _size(name, given)
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, list | tuple) or len(parts) != len(default):
        example = ", ".join(str(one) for one in default)
        raise ValueError(f"{name} must be {len(default)} positive ints, such as {example}; got {shown(given)}.")
    return [_size(name, part) for part in parts]


def _size(name: str, given: Any) -> int:
    """Return a size, given as a number or as its digits."""
    allowed = RANGES["size"]
    if isinstance(given, str):
        return int(allowed.read(name, given))
    wrong = allowed.complaint(name, given)
    if wrong:
        raise ValueError(wrong)
    return int(given)
