"""Which layers a model has: selection by name, what counts as weighted, depth and stage."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.utils import parametrize

from gradflow.errors import GradflowError
from gradflow.text.controls import utf8

ROOT = "(root)"
PARAMETER = "Parameter"  # kind of a layer that is a parameter which a container owns
# Modules with children that are one layer all the same: the children are details of how PyTorch builds them.
_ONE_LAYER = (nn.MultiheadAttention,)
_PARAMETRIZATIONS = "parametrizations"  # the name under which torch.nn.utils.parametrize keeps a module's own

Selector = str | type[nn.Module] | Callable[[str, nn.Module], bool]


class OwnParameter(NamedTuple):
    """A parameter that a layer owns, and its name within the layer."""

    name: str
    parameter: nn.Parameter


class LazyModelError(GradflowError):
    """A model with parameters or buffers that have no shape yet; the message is one line and says what to do."""


@dataclass(eq=False)
class Layer:
    """One recorded layer: who it is, and its place once it has run.

    Names are PyTorch's, with what is no UTF-8 written out. `owned` are its own parameters; one that several layers
    share belongs to the first. A layer without a module is a parameter that a container owns, such as a position
    embedding: it stands where the graph uses it. `kind` is the module's class, of a parametrized module the class that
    it had before. One that is gone is no longer part of the model.
    """

    number: int
    name: str
    module: nn.Module | None
    is_weighted: bool
    owned: list[OwnParameter]
    order: int | None = None
    depth: int | None = None
    stage_key: tuple[int, ...] | None = None
    dtype: str = ""
    kind: str = field(init=False)
    is_gone: bool = False

    def __post_init__(self) -> None:
        self.kind = PARAMETER if self.module is None else _class_of(self.module).__name__

    def leave(self) -> None:
        """Note that the layer is no longer part of the model, and let go of what it held."""
        self.is_gone = True
        self.module, self.owned = None, []

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Its own parameters."""
        return [parameter for _, parameter in self.owned]


def layers_of(chosen: Mapping[str, nn.Module], *, by_name: Container[str] = ()) -> list[Layer]:
    """Return the chosen modules as layers, in the model's order.

    A container that owns parameters gives a layer for each of them, and one for its output only where `by_name` holds
    its name.
    """
    taken: set[Tensor] = set()
    layers: list[Layer] = []
    for name, module in chosen.items():
        owned = [own for own in own_parameters(module) if own.parameter not in taken]
        taken.update(parameter for _, parameter in owned)
        if not is_container(module):
            layers.append(Layer(len(layers), utf8(name), module, is_weighted(module), owned))
            continue
        prefix = "" if name == ROOT else f"{utf8(name)}."
        layers += [
            Layer(number, f"{prefix}{own.name}", None, False, [own]) for number, own in enumerate(owned, len(layers))
        ]
        if name in by_name:
            layers.append(Layer(len(layers), utf8(name), module, False, []))
    return layers


def own_parameters(module: nn.Module) -> list[OwnParameter]:
    """Return the parameters that a module owns itself, those of its parametrizations included."""
    own = list(module.named_parameters(recurse=False))
    if parametrize.is_parametrized(module):
        own += module.get_submodule(_PARAMETRIZATIONS).named_parameters(prefix=_PARAMETRIZATIONS)
    return [OwnParameter(utf8(name), parameter) for name, parameter in own]


def select_layers(
    model: nn.Module, layers: Selector | Iterable[Selector] = "*", exclude: Selector | Iterable[Selector] = ()
) -> dict[str, nn.Module]:
    """Return the layers to record, by PyTorch's dotted name, in the model's own order.

    A layer is a module without children, or one that owns parameters itself (as `nn.MultiheadAttention` does). A
    container is chosen only by its exact name.

    Parameters
    ----------
    model : nn.Module
        Not changed. A model that is a single layer is named "(root)".
    layers, exclude : str, module class, callable, or iterable of these
        A shell pattern (`fc`, `layer1.*`, `*.conv[12]`) is matched against dotted names, case-sensitive. A class
        stands for its instances; a callable takes name and module and returns whether the layer is meant.

    Raises
    ------
    ValueError
        One of `layers` or `exclude` matches nothing; for a pattern the message gives the nearest names.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> list(select_layers(model, exclude="1"))
    ['0', '2']
    """
    modules = {name or ROOT: module for name, module in named_modules(model)}
    chosen = {name for selector in as_list(layers) for name in _matching(modules, "layers", selector)}
    excluded = {name for selector in as_list(exclude) for name in _matching(modules, "exclude", selector)}
    return {name: module for name, module in modules.items() if name in chosen - excluded}


def as_list(selectors: Selector | Iterable[Selector]) -> list[Selector]:
    """Return one selector or several as a list."""
    return [selectors] if isinstance(selectors, str) or callable(selectors) else list(selectors)


def _matching(modules: Mapping[str, nn.Module], argument: str, selector: Selector) -> set[str]:
    """Return the names that a selector means; a container is meant only by its exact name."""
    if isinstance(selector, str):
        found = {
            name
            for name, module in modules.items()
            if name == selector or (is_layer(module) and fnmatchcase(name, selector))
        }
    elif isinstance(selector, type):
        found = {name for name, module in modules.items() if isinstance(module, selector)}
    else:
        found = {name for name, module in modules.items() if is_layer(module) and selector(name, module)}
    if found:
        return found
    if isinstance(selector, str):
        nearest = difflib.get_close_matches(selector, modules, n=3, cutoff=0.3) or list(modules)[:3]
        raise ValueError(f"{argument}={selector!r} matches no layer. Nearest names: {', '.join(nearest)}.")
    kinds = sorted({type(module).__name__ for module in modules.values()})
    raise ValueError(f"{argument}={selector!r} matches no layer. The model's classes: {', '.join(kinds)}.")


def named_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield a model's modules with their dotted names, without the modules that make up parametrizations."""
    inside = f".{_PARAMETRIZATIONS}."
    for name, module in model.named_modules():
        if inside not in f".{name}.":
            yield name, module


def check_shapes(model: nn.Module) -> None:
    """Raise LazyModelError for a model with lazy parameters or buffers, which get their shape from the first batch."""
    for name, module in model.named_modules():
        tensors = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if any(map(nn.parameter.is_lazy, tensors)):
            raise LazyModelError(
                f"{type(model).__name__} has parameters without a shape yet, first in {name or ROOT} "
                f"({type(module).__name__}); run one batch through it first."
            )


def is_layer(module: nn.Module) -> bool:
    """Whether the module is a layer: it has no children, or parameters of its own."""
    return not _has_children(module) or bool(own_parameters(module))


def is_container(module: nn.Module) -> bool:
    """Whether the module holds weighted layers: it is then none itself, and parameters of its own are used among them.

    A module with a weight of its own and, say, an activation or a dropout inside is one layer.
    """
    if isinstance(module, _ONE_LAYER):
        return False
    return any(is_weighted(inner) for name, inner in named_modules(module) if name)


def is_weighted(module: nn.Module) -> bool:
    """Whether papers count the module as a layer: it owns a weight of two or more dimensions and is no norm.

    This is the count behind "ResNet-50" or "VGG-16": convolutions and fully connected layers.
    """
    if "Norm" in _class_of(module).__name__:
        return False
    return any(parameter.dim() >= 2 for _, parameter in own_parameters(module))


def _has_children(module: nn.Module) -> bool:
    return any(name != _PARAMETRIZATIONS for name, _ in module.named_children())


def _class_of(module: nn.Module) -> type[nn.Module]:
    return parametrize.type_before_parametrizations(module)


def stage_key(module: nn.Module, output: Tensor) -> tuple[int, ...]:
    """Return what stays the same along a stage: the feature map's size, or the width of a fully connected layer.

    Convolutions put channels second, (batch, channels, ...); linear layers put features last, (batch, ..., features).
    """
    if isinstance(module, nn.modules.conv._ConvNd):
        return tuple(output.shape[2:])
    return tuple(output.shape[1:-1]) if output.dim() > 2 else tuple(output.shape[1:])
