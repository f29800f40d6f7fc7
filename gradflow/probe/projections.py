"""Additions that failed: which operand is the skip, and the projection that would make it fit."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from gradflow.hooks.layer_graph import leaves_behind
from gradflow.hooks.layers import ROOT
from gradflow.hooks.source_lines import Clash

MAX_STRIDE = 8
CONVOLUTIONS = {1: "Conv1d", 2: "Conv2d", 3: "Conv3d"}  # by the number of axes behind batch and channels


def described(clash: Clash, model: nn.Module) -> dict[str, Any]:
    """Return an addition that failed as JSON values: see `gradflow.diagnosis.rules.skip_shape`.

    The skip is the operand that the other was computed from. Where that holds of neither, no projection is named.
    """
    is_second = _is_from(clash.first, clash.second)
    skip, branch = (clash.second, clash.first) if is_second else (clash.first, clash.second)
    found: dict[str, Any] = {"module": clash.module, "skip": _sizes(skip), "branch": _sizes(branch)}
    if is_second or _is_from(branch, skip):
        module = model if clash.module == ROOT else model.get_submodule(clash.module)
        has_convolutions = any(isinstance(one, nn.modules.conv._ConvNd) for one in module.modules())
        found["projection"] = projection(tuple(skip.shape), tuple(branch.shape), has_convolutions=has_convolutions)
    return found | ({} if clash.line is None else clash.line.written())


def projection(skip: tuple[int, ...], branch: tuple[int, ...], *, has_convolutions: bool) -> str:
    """Return the layer that takes a tensor of the skip's shape to the branch's, as code; empty where there is none.

    Examples
    --------
    >>> projection((8, 16, 32, 32), (8, 32, 16, 16), has_convolutions=True)
    'nn.Conv2d(16, 32, kernel_size=1, stride=2, bias=False)'
    >>> projection((8, 64), (8, 32), has_convolutions=False)
    'nn.Linear(64, 32, bias=False)'
    """
    if len(skip) != len(branch) or len(skip) < 2 or skip[0] != branch[0]:
        return ""
    if has_convolutions and len(skip) - 2 in CONVOLUTIONS:
        strides = {_stride(before, after) for before, after in zip(skip[2:], branch[2:], strict=True)}
        if len(strides) != 1 or not (stride := strides.pop()):
            return ""
        stepping = "" if stride == 1 else f", stride={stride}"
        kind = CONVOLUTIONS[len(skip) - 2]
        return f"nn.{kind}({skip[1]}, {branch[1]}, kernel_size=1{stepping}, bias=False)"
    return f"nn.Linear({skip[-1]}, {branch[-1]}, bias=False)" if skip[:-1] == branch[:-1] else ""


def _stride(before: int, after: int) -> int:
    """Return the stride at which a kernel of one pixel makes one size of another; 0 if none does."""
    return next((stride for stride in range(1, MAX_STRIDE + 1) if -(-before // stride) == after), 0)


def _is_from(tensor: Tensor, source: Tensor) -> bool:
    """Whether a tensor was computed from another."""
    if source.grad_fn is None:
        return any(leaf is source for leaf in leaves_behind(tensor))
    seen, stack = set(), [tensor.grad_fn]
    while stack:
        node = stack.pop()
        if node is source.grad_fn:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            stack += [maker for maker, _ in node.next_functions]
    return False


def _sizes(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape))
