"""What the operations of an autograd graph do to their data, by the names that PyTorch gives their nodes.

Only what a residual join needs is told apart: additions and their operands; maps with weights; operations that keep,
cut, scale or pool the data linearly; everything else counts as non-linear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# Operands of an addition as groups of a node's slots: addcmul(x, a, b) adds a * b to x.
_TWO = ((0,), (1,))
_WITH_PRODUCT = ((0,), (1, 2))
ADDITIONS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    # CopySlices is a view changed in place, x[...] += y for one. As an addition that broadcasts is no join, what is
    # written into a part of its base is none either.
    **dict.fromkeys(("Add", "Sub", "Rsub", "Lerp", "CopySlices"), _TWO),
    **dict.fromkeys(("Addcmul", "Addcdiv", "Addmm", "Baddbmm", "Addbmm", "Addmv", "Addr"), _WITH_PRODUCT),
}
CONCATENATION = "Cat"

_CONVOLUTION = re.compile(r"Conv|^DeformConv2D$")
_PRODUCT = frozenset({"Addmm", "Mm", "Bmm", "Baddbmm", "Addbmm", "Addmv", "Mv", "Linear", "MkldnnLinear", "Dot"})
# Where a product or a convolution holds its data, if its weight is the trained one: the batch needs no gradient there.
_DATA_SLOT: Mapping[str, int] = {"Addmm": 1, "Mm": 0, "Bmm": 0, "Linear": 0, "MkldnnLinear": 0}
_LOOK_UP = frozenset({"Embedding", "EmbeddingBag", "Index", "IndexSelect", "Gather"})

_NORM = re.compile(r"Norm")
_POOL = re.compile(r"Pool|^Upsample|^GridSampler|^Fft|^Mean$|^Sum$|Pad")
_SCALE = frozenset(
    {"Mul", "Div", "Neg", "ToCopy", "Clone", "Copy", "CopyBackwards", "NativeDropout", "FusedDropout", "FeatureDropout"}
    | {"Add", "Sub", "Rsub", "CopySlices", "MaskedFill", "Tril", "Triu", "Where", "Alias", "Real", "Conj", "ViewAsReal"}
)
_RESHAPE = frozenset(
    {"View", "UnsafeView", "ReshapeAlias", "Reshape", "Transpose", "T", "Permute", "Unsqueeze", "Squeeze", "Expand"}
    | {"AsStrided", "Unfold", "Roll", "Flip", "Repeat", "PixelShuffle", "PixelUnshuffle", "Im2Col", "Col2Im", "Rot90"}
    | {"Cat", "Stack", "Flatten", "Unflatten", "Contiguous", "ViewAsComplex", "AsStridedScatter", "SliceScatter"}
)
_CUT = frozenset(
    {"Slice", "Select", "Narrow", "Split", "SplitWithSizes", "Unbind", "Chunk", "Index", "IndexSelect", "Gather"}
    | {"Diagonal", "Take", "TakeAlongDim", "UnsafeSplit", "UnsafeSplitWithSizes", "UnsafeChunk"}
)
# Nodes that hold a piece of the network inside, parameters included.
OPAQUE = frozenset({"CheckpointFunction", "CompiledFunction"})


def operation(node_name: str) -> str:
    """Return the bare name of a node's operation.

    >>> operation("torch::autograd::CopyBackwards"), operation("AddBackward0"), operation("SqueezeBackward1")
    ('CopyBackwards', 'Add', 'Squeeze')
    """
    return re.sub(r"Backward\d*$", "", node_name.rpartition("::")[2])


def is_convolution(name: str) -> bool:
    """Whether the operation is a convolution of any make."""
    return _CONVOLUTION.search(name) is not None


def is_product(name: str) -> bool:
    """Whether the operation multiplies matrices; by which is told by what its operands are made of."""
    return name in _PRODUCT


def is_known(name: str) -> bool:
    """Whether the operation is one of those listed here; an unknown one with parameters is taken for a network."""
    return is_convolution(name) or is_product(name) or is_linear(name)


def is_linear(name: str) -> bool:
    """Whether a residual path may hold the operation: linear in its data, or a norm, or a pooling."""
    return (
        is_convolution(name)
        or is_product(name)
        or keeps_all(name)
        or cuts(name)
        or _NORM.search(name) is not None
        or _POOL.search(name) is not None
    )


def keeps_all(name: str) -> bool:
    """Whether the operation hands on all of its data, in another shape or scaled."""
    return name in _SCALE or name in _RESHAPE


def cuts(name: str) -> bool:
    """Whether the operation hands on a part of its data."""
    return name in _CUT


def rearranges(name: str) -> bool:
    """Whether the operation hands its data on as it is, all of it or a part, in another shape or type."""
    return name in _RESHAPE or name in _CUT or name in ("ToCopy", "Clone", "Copy", "Alias")


def looks_up(name: str) -> bool:
    """Whether the operation reads rows of a table: where token numbers enter the graph."""
    return name in _LOOK_UP


def data_slot(name: str) -> int | None:
    """Return the slot of the data in a map with a weight, None for other operations."""
    return 0 if is_convolution(name) else _DATA_SLOT.get(name)
