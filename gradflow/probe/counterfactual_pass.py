"""The gradient at every layer once more, with what the skips or the branches send back removed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import torch
from torch import Tensor, nn

from gradflow.hooks.edges import without_shares
from gradflow.hooks.gradients import on_output_gradients
from gradflow.hooks.joins import Join
from gradflow.hooks.layers import is_container, is_weighted, named_modules
from gradflow.hooks.norms import Scalar, l2_norm
from gradflow.recording import WITHOUT_BRANCHES, WITHOUT_SKIPS


class Counterfactuals:
    """Gradient norms at the outputs of weighted layers in backward passes that something was removed from.

    Activations, loss and weights are those of the whole model, which is not edited: only what is sent back changes.
    """

    def __init__(self) -> None:
        self._norms: dict[str, dict[str, list[Scalar]]] = {}
        self._probe = ""

    def measure(self, loss: Tensor, joins: Sequence[Join], wanted: Sequence[Tensor]) -> None:
        """Walk the graph of the loss, kept from its first backward pass, twice more; it is freed at the end.

        `joins` lose a share; `wanted`, leaves of the graph, say how far back to go.
        """
        for probe, is_last in ((WITHOUT_SKIPS, False), (WITHOUT_BRANCHES, True)):
            self._probe = probe
            self._norms[probe] = {}
            removed = {"skips": joins} if probe == WITHOUT_SKIPS else {"branches": joins}
            with without_shares(**removed):
                torch.autograd.grad(loss, list(wanted), allow_unused=True, retain_graph=not is_last)
        self._probe = ""

    def receive(self, layer: str, gradient: Tensor) -> None:
        """Take the norm at one layer's output; nothing in the pass that nothing was removed from."""
        if self._probe:
            self._norms[self._probe].setdefault(layer, []).append(l2_norm(gradient))

    def frame(self, layers: pd.DataFrame) -> pd.DataFrame:
        """Return rows for `Recording(probes=...)`: probe, layer, x (its layer_depth), value.

        Several calls of a layer count as one vector. A layer that no gradient reaches any more is exactly zero.
        """
        depths = layers.drop_duplicates("layer").set_index("layer")["layer_depth"]
        reached = {layer for norms in self._norms.values() for layer in norms}
        rows = [
            (probe, layer, float(depth), math.hypot(*map(float, norms.get(layer, [0.0]))))
            for probe, norms in self._norms.items()
            for layer, depth in depths.items()
            if layer in reached
        ]
        return pd.DataFrame(rows, columns=["probe", "layer", "x", "value"])


@contextmanager
def counterfactuals(model: nn.Module) -> Iterator[Counterfactuals]:
    """Make ready to measure counterfactuals of the forward pass that runs inside.

    Examples
    --------
    >>> from gradflow.hooks.joins import find_joins
    >>> class Block(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inner = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2))
    ...     def forward(self, x):
    ...         return x + self.inner(x)
    >>> model, x = nn.Sequential(nn.Linear(2, 2), Block()), torch.ones(1, 2, requires_grad=True)
    >>> with counterfactuals(model) as found:
    ...     y = model(x)
    ...     found.measure(y.sum(), find_joins(y, x), [x])
    >>> found.frame(pd.DataFrame({"layer": ["0"], "layer_depth": [1]}))[["probe", "layer", "x"]]
                  probe layer    x
    0     without skips     0  1.0
    1  without branches     0  1.0
    """
    found = Counterfactuals()
    names = [name for name, module in named_modules(model) if name and _is_measured(module)]
    if not names:
        yield found
        return
    with on_output_gradients(model, found.receive, layers=names):
        yield found


def _is_measured(module: nn.Module) -> bool:
    return is_weighted(module) and not is_container(module) and not isinstance(module, torch.jit.ScriptModule)
