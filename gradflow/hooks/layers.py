"""Which layers a model has: selection by name, what counts as weighted, depth and stage."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn

from gradflow.recording import GradflowError

ROOT = "(root)"

Selector = str | type[nn.Module] | Callable[[str, nn.Module], bool]


class LazyModelError(GradflowError):
    """A model with parameters or buffers that have no shape yet; the message is one line and says what to do."""


@dataclass(eq=False)
class Layer:
    """One recorded layer: who it is, and its place once it has run.

    `parameters` are its own; one that several layers share belongs to the first.
    """

    number: int
    name: str
    module: nn.Module
    is_weighted: bool
    parameters: list[nn.Parameter]
    order: int | None = None
    depth: int | None = None
    stage_key: tuple[int, ...] | None = None

    @property
    def kind(self) -> str:
        """Module class."""
        return type(self.module).__name__


def layers_of(chosen: Mapping[str, nn.Module]) -> list[Layer]:
    """Return the chosen modules as layers, in the model's order."""
    owned: set[Tensor] = set()
    layers = []
    for number, (name, module) in enumerate(chosen.items()):
        parameters = [parameter for parameter in module.parameters(recurse=False) if parameter not in owned]
        owned.update(parameters)
        layers.append(Layer(number, name, module, is_weighted(module), parameters))
    return layers


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
    modules = {name or ROOT: module for name, module in model.named_modules()}
    chosen = {name for selector in _as_list(layers) for name in _matching(modules, "layers", selector)}
    excluded = {name for selector in _as_list(exclude) for name in _matching(modules, "exclude", selector)}
    return {name: module for name, module in modules.items() if name in chosen - excluded}


def _as_list(selectors: Selector | Iterable[Selector]) -> list[Selector]:
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
    return next(module.children(), None) is None or next(module.parameters(recurse=False), None) is not None


def is_weighted(module: nn.Module) -> bool:
    """Whether papers count the module as a layer: it owns a weight of two or more dimensions and is no norm.

    This is the count behind "ResNet-50" or "VGG-16": convolutions and fully connected layers.
    """
    if "Norm" in type(module).__name__:
        return False
    return any(parameter.dim() >= 2 for parameter in module.parameters(recurse=False))


def stage_key(module: nn.Module, output: Tensor) -> tuple[int, ...]:
    """Return what stays the same along a stage: the feature map's size, or the width of a fully connected layer.

    Convolutions put channels second, (batch, channels, ...); linear layers put features last, (batch, ..., features).
    """
    if isinstance(module, nn.modules.conv._ConvNd):
        return tuple(output.shape[2:])
    return tuple(output.shape[1:-1]) if output.dim() > 2 else tuple(output.shape[1:])


class GraphDepth:
    """Longest chain of weighted layers behind a tensor, read off the autograd graph while it is built.

    Projection shortcuts lie beside a longer chain and so do not count: the rule of He et al. 2015, by which a basic
    ResNet of b blocks has 2 b + 2 layers and a bottleneck one 3 b + 2. Every graph node is visited once; `clear`
    lets go of the graph.
    """

    def __init__(self) -> None:
        self._depths: dict[Any, int] = {}

    def of(self, output: Tensor, *, weighted: bool) -> int | None:
        """Return the depth of a layer's output, or None if it has no graph."""
        node = output.grad_fn
        if node is None:
            return None
        depth = self._behind(node) + int(weighted)
        self._depths[node] = max(depth, self._depths.get(node, 0))
        return depth

    def mark(self, output: Tensor, depth: int) -> None:
        """Note the depth of a layer's output where it is known already."""
        self._depths[output.grad_fn] = depth

    def clear(self) -> None:
        """Forget every node seen."""
        self._depths.clear()

    def _behind(self, root: Any) -> int:
        """Return the largest depth that is marked on any path behind the node (depth first, without recursion)."""
        known = self._depths
        stack = [root]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
                continue
            parents = [parent for parent, _ in node.next_functions if parent is not None]
            waiting = [parent for parent in parents if parent not in known]
            if waiting:
                stack.extend(waiting)
            else:
                known[node] = max((known[parent] for parent in parents), default=0)
                stack.pop()
        return known[root]
