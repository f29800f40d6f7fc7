"""The autograd graph behind some tensors, numbered in forward order: what each node reads, and who uses what.

Walking it takes milliseconds and changes nothing. It has to be done before `backward` frees the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any, NamedTuple

import torch
from torch import nn

from gradflow.hooks import operations
from gradflow.hooks.gradients import tensors_in

Node = Any  # torch.autograd.graph.Node, whose attributes differ between the kinds of node


class Value(NamedTuple):
    """One tensor of the forward pass: the node that made it, by number, and which of the node's outputs it is."""

    node: int
    output: int


class Use(NamedTuple):
    """One reading of a value: the node that reads it, by number, and the slot of that node's operand."""

    node: int
    slot: int


class Weight(IntEnum):
    """What a node, or a path, applies to the data, from nothing to a network."""

    NONE = 0
    ELEMENTWISE = 1  # parameters that scale or shift: norms, layer scale
    LINEAR = 2  # a convolution or a matrix
    NETWORK = 3  # a matrix or convolution, and a non-linearity


class Graph:
    """The nodes between a model's outputs and its inputs.

    A node *carries* the batch if the batch reaches it: it leads to an input that requires grad, to a table that is
    looked up (an embedding), or to a weight whose data needs no gradient (the first layer on an image). All other
    nodes compute on parameters alone.

    Parameters
    ----------
    outputs, inputs : Tensor or nest of tensors
        What a model returned and what it was given. Of the inputs those that require grad are looked for.
    """

    def __init__(self, outputs: Any, inputs: Any) -> None:
        self._inputs = [tensor for tensor in tensors_in(inputs) if tensor.requires_grad]
        roots = [tensor.grad_fn for tensor in tensors_in(outputs) if tensor.grad_fn is not None]
        self.nodes: list[Node] = _in_forward_order(roots, {tensor.grad_fn for tensor in self._inputs} - {None})
        number = {node: place for place, node in enumerate(self.nodes)}
        self.operations = [operations.operation(node.name()) for node in self.nodes]
        self.reads: list[dict[int, Value]] = [
            {slot: Value(number[maker], output) for slot, (maker, output) in _operands(node) if maker in number}
            for node in self.nodes
        ]
        self.uses: dict[Value, list[Use]] = defaultdict(list)
        self.n_uses = [0] * len(self.nodes)
        for node, reads in enumerate(self.reads):
            for slot, value in reads.items():
                self.uses[value].append(Use(node, slot))
                self.n_uses[value.node] += 1
        self.carries = self._find_carriers(number)
        self._weights: dict[int, Weight] = {}

    def source(self, use: Use) -> Value:
        """Return the value that is read there."""
        return self.reads[use.node][use.slot]

    def carried(self, node: int, slots: Iterable[int] | None = None) -> list[Use]:
        """Return the node's operands that carry the batch, of all slots or of some."""
        reads = self.reads[node]
        chosen = reads if slots is None else [slot for slot in slots if slot in reads]
        return [Use(node, slot) for slot in chosen if self.carries[reads[slot].node]]

    def shape(self, value: Value) -> tuple[int, ...]:
        """Return the shape of a value."""
        return tuple(self.nodes[value.node]._input_metadata[value.output].shape)

    def weight(self, node: int) -> Weight:
        """Return what the node applies to its data by itself: nothing, elementwise parameters, or a weight."""
        if node not in self._weights:
            self._weights[node] = self._weight(node)
        return self._weights[node]

    def is_linear(self, node: int) -> bool:
        """Whether the node is linear in the batch, a norm, or a pooling; a product of two such operands is not."""
        name = self.operations[node]
        if name in operations.ADDITIONS and self._is_addition(node):
            return True
        multiplies = name in ("Mul", "Div") or operations.is_product(name)
        return operations.is_linear(name) and not (multiplies and len(self.carried(node)) > 1)

    def behind(self, uses: Iterable[Use], oldest: int) -> set[int]:
        """Return the nodes younger than `oldest` that the batch passes on its way to the uses."""
        seen: set[int] = set()
        stack = [self.source(use).node for use in uses]
        while stack:
            node = stack.pop()
            if node <= oldest or node in seen or not self.carries[node]:
                continue
            seen.add(node)
            stack.extend(value.node for value in self.reads[node].values())
        return seen

    def _is_addition(self, node: int) -> bool:
        groups = operations.ADDITIONS[self.operations[node]]
        return all(len(self.carried(node, slots)) <= 1 for slots in groups)

    def _weight(self, node: int) -> Weight:
        name = self.operations[node]
        if name in operations.OPAQUE:
            return Weight.NETWORK
        has_parameters = any(not self.carries[value.node] for value in self.reads[node].values())
        if operations.is_convolution(name):
            return Weight.LINEAR
        if operations.is_product(name):
            return Weight.LINEAR if len(self.carried(node)) == 1 else Weight.NONE
        if not has_parameters:
            return Weight.NONE
        return Weight.ELEMENTWISE if operations.is_known(name) else Weight.NETWORK

    def _find_carriers(self, number: dict[Node, int]) -> list[bool]:
        leaves = {id(tensor) for tensor in self._inputs}
        makers = {number[tensor.grad_fn] for tensor in self._inputs if tensor.grad_fn in number}
        carries: list[bool] = []
        for place, node in enumerate(self.nodes):
            reads = self.reads[place]
            carries.append(
                place in makers
                or id(getattr(node, "variable", None)) in leaves
                or any(carries[value.node] for value in reads.values())
                or (bool(reads) and self._is_entrance(place))
            )
        return carries

    def _is_entrance(self, node: int) -> bool:
        """Whether data without a gradient meets parameters there."""
        name = self.operations[node]
        data = operations.data_slot(name)
        if data is None or data not in self.reads[node]:
            return data is not None or operations.looks_up(name)
        return self._is_plain_leaf(self.reads[node][data].node)

    def _is_plain_leaf(self, node: int) -> bool:
        """Whether the node stands for a leaf that is no parameter: some models have their input require grad."""
        leaf = getattr(self.nodes[node], "variable", None)
        return leaf is not None and not isinstance(leaf, nn.Parameter)


def _operands(node: Node) -> Iterator[tuple[int, tuple[Node, int]]]:
    return ((slot, edge) for slot, edge in enumerate(node.next_functions) if edge[0] is not None)


def _in_forward_order(roots: Iterable[Node], ends: set[Node]) -> list[Node]:
    """Return every node behind the roots, each after those that it reads; nothing behind the ends."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, Iterator[Node]]] = []

    def enter(node: Node) -> None:
        seen.add(node)
        makers = () if node in ends else tuple(maker for maker, _ in node.next_functions if maker is not None)
        stack.append((node, iter(makers)))

    for root in roots:
        if root not in seen:
            enter(root)
        while stack:
            node, makers = stack[-1]
            maker = next((maker for maker in makers if maker not in seen), None)
            if maker is None:
                order.append(node)
                stack.pop()
            else:
                enter(maker)
    return order


def sequence_number() -> int:
    """Return the number that the next node of the autograd graph will get; nodes are numbered as they are made."""
    return int(torch.autograd._get_sequence_nr())  # type: ignore[attr-defined]  # private, since torch 2.1
