"""Which module's call made which node of the autograd graph."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.graph import Node, sequence_number
from gradflow.hooks.layers import ROOT


@dataclass(eq=False)
class Call:
    """One call of a module: the nodes made from `start` up to `end`, both sequence numbers."""

    name: str
    kind: type[nn.Module]
    parent: Call | None
    start: int
    end: int | None = None

    def holds(self, number: int) -> bool:
        """Whether a node of this sequence number was made during the call."""
        return self.start <= number and (self.end is None or number < self.end)


class ModuleCalls:
    """A context in which every module's calls are noted; the hooks return nothing and go when it is left.

    Nodes get sequence numbers in the order in which they are made, so the nodes of a module's call are a range.
    Scripted modules take no hooks: their nodes belong to the module that calls them.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    >>> with ModuleCalls(model) as calls:
    ...     output = model(torch.ones(1, 2))
    >>> calls.innermost(output.grad_fn).name
    '1'
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._calls: list[Call] = []
        self._open: list[Call] = []
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> ModuleCalls:
        for name, module in self._model.named_modules():
            if not isinstance(module, torch.jit.ScriptModule):
                hook = _CallHook(self, name or ROOT)
                self._handles.append(module.register_forward_pre_hook(hook.begin))
                self._handles.append(module.register_forward_hook(hook.end, always_call=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def begin(self, name: str, kind: type[nn.Module]) -> None:
        """Note that a module is being called."""
        call = Call(name, kind, self._open[-1] if self._open else None, sequence_number())
        self._calls.append(call)
        self._open.append(call)

    def finish(self) -> None:
        """Note that the module called last has returned."""
        if self._open:
            self._open.pop().end = sequence_number()

    @property
    def current(self) -> str:
        """The name of the module that is being called, the innermost one."""
        return self._open[-1].name if self._open else ROOT

    def innermost(self, node: Node) -> Call | None:
        """Return the innermost call during which the node was made, None if there is none."""
        number = node._sequence_nr()
        place = bisect_right(self._calls, number, key=lambda call: call.start)
        call = self._calls[place - 1] if place else None
        while call is not None and not call.holds(number):
            call = call.parent
        return call


class _CallHook:
    """The two hooks of one module."""

    def __init__(self, calls: ModuleCalls, name: str) -> None:
        self._calls = calls
        self._name = name

    def begin(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._calls.begin(self._name, type(module))

    def end(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._calls.finish()
