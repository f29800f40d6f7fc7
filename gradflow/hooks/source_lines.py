"""Which line of code made which node of the autograd graph, and which addition could not be made."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gradflow.hooks.additions import is_addition, works_in_place
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.gradients import tensors_in
from gradflow.hooks.graph import Node
from gradflow.hooks.layers import ROOT
from gradflow.text.controls import utf8

# Code that calls the model, or that the model's own lines call.
NO_LINES = (Path(torch.__file__).parent, Path(__file__).parent, Path(__file__).parents[1] / "probe")
MAX_CODE = 120  # characters of a line
GENERATED = ("<frozen", "<eval_with_key", "<string")  # which nobody can change


class Line(NamedTuple):
    """A line of source code."""

    file: str
    number: int

    def written(self) -> dict[str, Any]:
        """Return it as JSON values: its file, relative to where it is found from, its number and its text."""
        code = linecache.getline(self.file, self.number).strip()
        return {"file": utf8(_relative(self.file)), "line": self.number, "code": utf8(code[:MAX_CODE])}


class Clash(NamedTuple):
    """An addition of two tensors whose shapes do not fit, the module that makes it, and its line."""

    first: Tensor
    second: Tensor
    module: str
    line: Line | None


class SourceLines(TorchFunctionMode):
    """A context for a forward pass, in which it is noted which line of a model's code calls each operation.

    A line is that of the model's own `forward`: what PyTorch calls from there belongs to it. An operation inside an
    `nn.Sequential` that nothing else calls has none.

    Parameters
    ----------
    calls : ModuleCalls, optional
        Knows which module is being called.

    Attributes
    ----------
    clash : Clash or None
        The addition that raised, if one did.

    Examples
    --------
    >>> with SourceLines() as lines:
    ...     output = torch.ones(2, requires_grad=True) + 1
    >>> lines.of(output.grad_fn).number
    2
    """

    def __init__(self, calls: ModuleCalls | None = None) -> None:
        super().__init__()
        self.clash: Clash | None = None
        self._calls = calls
        self._lines: dict[Node, Line] = {}

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call the operation and note where it was called."""
        kwargs = kwargs or {}
        try:
            result = function(*args, **kwargs)
        except RuntimeError:
            if self.clash is None and is_addition(function) and not _fit(function, args):
                module = ROOT if self._calls is None else self._calls.current
                self.clash = Clash(args[0], args[1], module, _line(sys._getframe(1)))
            raise
        if torch.is_grad_enabled():
            made = [one.grad_fn for one in tensors_in(result) if one.grad_fn is not None]
            if any(node not in self._lines for node in made):
                line = _line(sys._getframe(1))
                if line is not None:
                    self._lines.update({node: line for node in made if node not in self._lines})
        return result

    def of(self, node: Node) -> Line | None:
        """Return the line that made a node; None where it is not known."""
        return self._lines.get(node)


def _fit(function: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    """Whether two tensors can be added, in place where the function works so."""
    if len(args) < 2 or not all(isinstance(one, Tensor) for one in args[:2]):
        return True
    try:
        shape = torch.broadcast_shapes(args[0].shape, args[1].shape)
    except RuntimeError:
        return False
    return not works_in_place(function) or shape == args[0].shape


def _line(frame: FrameType | None) -> Line | None:
    """Return the innermost line that is the model's own, looked for outward as far as where the model was called."""
    while frame is not None:
        place = _kind(frame.f_code.co_filename)
        if place == "own":
            return Line(frame.f_code.co_filename, frame.f_lineno)
        if place == "ours":
            return None
        frame = frame.f_back
    return None


@cache
def _kind(file: str) -> str:
    """Return "torch" for a file of PyTorch, "ours" for one that calls models, else "own"."""
    torch_folder, *ours = map(str, NO_LINES)
    if file.startswith((torch_folder, *GENERATED)):
        return "torch"
    return "ours" if any(file.startswith(one) for one in ours) else "own"


def _relative(file: str) -> str:
    """Return a path relative to the working folder, else to where Python imports from, else the name alone."""
    for base in (os.getcwd(), *sorted(filter(None, sys.path), key=len, reverse=True)):
        folder = os.path.join(os.path.abspath(base), "")
        if file.startswith(folder):
            return file.removeprefix(folder)
    return os.path.basename(file)
