"""Hooks that fire inside torch.compile, at the price of a graph break each. Imported only where they are asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gradflow.hooks.gradients import OutputHook


class BreakingHook(OutputHook):
    """An `OutputHook` that is not skipped while the module is compiled: the graph ends at the module's output."""

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Pass the output on, from compiled code as well."""
        _outside(self, module, args, output)


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _outside(hook: OutputHook, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
    OutputHook.__call__(hook, module, args, output)
