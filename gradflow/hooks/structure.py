"""What a model computes in one forward pass, as a small graph: its layers, norms, activations and additions.

Read off the autograd graph, so it works on whatever runs. Operations that only reshape, cut, scale or drop are left
out, and so is what is computed from parameters alone: what is left reads what it would read without them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gradflow.hooks import operations
from gradflow.hooks.calls import Call, ModuleCalls
from gradflow.hooks.graph import Graph, Node, Use, Weight
from gradflow.hooks.joins import Join, Operand
from gradflow.hooks.source_lines import SourceLines
from gradflow.text.controls import utf8

# Activations by their operation in autograd, named as the classes of PyTorch are.
ACTIVATIONS = {
    "Relu": "ReLU",
    "Threshold": "ReLU",
    "LeakyRelu": "LeakyReLU",
    "Hardtanh": "Hardtanh",
    "Hardswish": "Hardswish",
    "Hardsigmoid": "Hardsigmoid",
    "Gelu": "GELU",
    "Silu": "SiLU",
    "Mish": "Mish",
    "Elu": "ELU",
    "Sigmoid": "Sigmoid",
    "Tanh": "Tanh",
    "Softplus": "Softplus",
    "LogSigmoid": "LogSigmoid",
    "PreluKernel": "PReLU",
    "Prelu": "PReLU",
    "RreluWithNoise": "RReLU",
    "Glu": "GLU",
    "Clamp": "Clamp",
    "ClampMin": "Clamp",
}
NORMS = frozenset({"NativeLayerNorm", "NativeGroupNorm", "FusedRmsNorm", "RmsNorm"})
BATCH_NORM = "BatchNorm"
DROPPED = "Dropout"
POOLED = ("Avg", "Mean", "Sum")
MAX_OPERATIONS = 20_000

MAP, NORM, BATCH, ACTIVATION, ADDITION, CONCATENATION, PRODUCT, MAX_POOL, POOL, RECURRENT, OTHER = (
    "map", "norm", "batch norm", "activation", "addition", "concatenation", "product", "max pool", "pool", "recurrent",
    "other",
)  # fmt: skip
INPUT = "input"


def structure(
    model: nn.Module, outputs: Any, inputs: Any, calls: ModuleCalls, joins: list[Join], lines: SourceLines
) -> dict[str, Any]:
    """Return the operations of a forward pass and its residual joins, as JSON values.

    To be called between the forward and the backward pass.

    Returns
    -------
    dict
        `operations`, in forward order, each with its `kind`, its `name` (the class of an activation, otherwise as
        autograd has it), the `module` in whose call it was made and that module's `type`, what it `reads` (numbers of
        operations), `shape` of its result, and `file`, `line` and `code` where they are known. A map, a layer with
        a weight matrix, also has `inputs` and `outputs` (features, channels), `fan_in`, `groups`, `bias`, and
        `weight_variance` and `bias_variance`, of its entries. `joins`, each with its `name`, `kind`, the operation
        that is the `fork`, the one that `adds`, the last of the `skip` and those of the `branches`. Both are empty
        for more than 20,000 operations.
    """
    graph = Graph(outputs, inputs)
    if len(graph.nodes) > MAX_OPERATIONS:
        return {"operations": [], "joins": []}
    return _Reader(model, graph, calls, lines).read(joins)


class _Reader:
    """One reading of a graph."""

    def __init__(self, model: nn.Module, graph: Graph, calls: ModuleCalls, lines: SourceLines) -> None:
        self._modules = dict(model.named_modules())
        self._graph = graph
        self._calls = calls
        self._lines = lines
        self._found: list[dict[str, Any]] = []
        self._stands_for: list[int | None] = []  # by node: the operation whose result it hands on
        self._recurrent: dict[int, int] = {}

    def read(self, joins: list[Join]) -> dict[str, Any]:
        for node in range(len(self._graph.nodes)):
            self._stands_for.append(self._read_node(node))
        number = {id(node): place for place, node in enumerate(self._graph.nodes)}
        return {"operations": self._found, "joins": [self._join(one, number) for one in joins]}

    def _read_node(self, node: int) -> int | None:
        graph = self._graph
        if not graph.carries[node]:
            return None
        call = self._calls.innermost(graph.nodes[node])
        uses = graph.carried(node)
        if not uses and not graph.reads[node]:
            return self._add(INPUT, node, call, [])
        if call is not None and issubclass(call.kind, nn.RNNBase | nn.RNNCellBase):
            return self._in_recurrent(node, call, uses)
        name = graph.operations[node]
        kind = self._kind(node, name, uses)
        if kind is None:
            return self._source(uses[0])
        if kind == ADDITION:
            uses = [group[0] for group in self._operands(node) if group]
        return self._add(kind, node, call, [self._source(use) for use in uses])

    def _kind(self, node: int, name: str, uses: list[Use]) -> str | None:
        """Return what an operation is, None for one that only hands on."""
        graph = self._graph
        if operations.is_convolution(name) or (operations.is_product(name) and graph.weight(node) is Weight.LINEAR):
            return MAP
        if BATCH_NORM in name:
            return BATCH
        if name in NORMS:
            return NORM
        if name in ACTIVATIONS:
            return ACTIVATION
        if name in operations.ADDITIONS and sum(map(bool, self._operands(node))) >= 2:
            return ADDITION
        if len(uses) > 1:
            return CONCATENATION if name in ("Cat", "Stack") else PRODUCT if name in ("Mul", "Div") else OTHER
        if "MaxPool" in name:
            return MAX_POOL
        if "Pool" in name or name in POOLED:
            return POOL
        hands_on = operations.keeps_all(name) or operations.cuts(name) or DROPPED in name
        return None if uses and hands_on else OTHER

    def _operands(self, node: int) -> list[list[Use]]:
        return [self._graph.carried(node, slots) for slots in operations.ADDITIONS[self._graph.operations[node]]]

    def _source(self, use: Use) -> int | None:
        return self._stands_for[self._graph.source(use).node]

    def _in_recurrent(self, node: int, call: Call, uses: list[Use]) -> int:
        """Return the one operation that a call of a recurrent layer is."""
        known = self._recurrent.get(id(call))
        sources = [self._source(use) for use in uses]
        if known is None:
            known = self._recurrent[id(call)] = self._add(RECURRENT, node, call, sources)
        else:
            reads = self._found[known]["reads"]
            reads += [one for one in sources if one is not None and one != known and one not in reads]
        return known

    def _add(self, kind: str, node: int, call: Call | None, reads: list[int | None]) -> int:
        graph = self._graph
        name = graph.operations[node]
        found: dict[str, Any] = {
            "kind": kind,
            "name": ACTIVATIONS.get(name, name),
            "module": "" if call is None else utf8(call.name),
            "type": "" if call is None else call.kind.__name__,
            "reads": [one for one in reads if one is not None],
            "shape": _shape(graph.nodes[node]),
        }
        line = self._lines.of(graph.nodes[node])
        if line is not None:
            found |= line.written()
        if kind == MAP:
            found |= _of_map(self._modules.get("" if call is None else call.name))
        self._found.append(found)
        return len(self._found) - 1

    def _join(self, join: Join, number: dict[int, int]) -> dict[str, Any]:
        return {
            "name": utf8(join.name),
            "kind": join.kind,
            "fork": self._stands_for[number[id(join.fork_node)]],
            "adds": self._stands_for[number[id(join.node)]],
            "skip": self._operand(join.skip_operand, number),
            "branches": [self._operand(one, number) for one in join.branch_operands],
        }

    def _operand(self, operand: Operand, number: dict[int, int]) -> int | None:
        node = number[id(operand.node)]
        groups = operations.ADDITIONS.get(self._graph.operations[node])
        slots = (operand.place,) if groups is None else groups[operand.place]
        uses = self._graph.carried(node, slots)
        return self._source(uses[0]) if uses else None


def _shape(node: Node) -> list[int]:
    """Return the shape of a node's first result; empty for what hands on none."""
    if hasattr(node, "variable"):
        return list(node.variable.shape)
    try:
        return [int(size) for size in node._input_metadata[0].shape]
    except (AttributeError, IndexError, TypeError):
        return []


@torch.no_grad()
def _of_map(module: nn.Module | None) -> dict[str, Any]:
    """Return the sizes and variances of a layer's weight; nothing where it has none of its own."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() < 2 or not weight.is_floating_point() or weight.is_meta:
        return {}
    bias = getattr(module, "bias", None)
    is_transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
    groups = int(getattr(module, "groups", 1))
    rows, columns = weight.shape[0], weight.shape[1]
    inputs, outputs = (rows, columns * groups) if is_transposed else (columns * groups, rows)
    kernel = weight[0, 0].numel()
    return {
        "inputs": inputs,
        "outputs": outputs,
        "groups": groups,
        "fan_in": inputs // groups * kernel,
        "bias": isinstance(bias, Tensor),
        "weight_variance": float(weight.detach().double().square().mean()),
        "bias_variance": float(bias.detach().double().square().mean()) if isinstance(bias, Tensor) else 0.0,
    }
