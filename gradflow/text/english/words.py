"""Words that recordings and frames hold as data, in English."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "family.plain": "plain",
    "family.residual": "residual",
    "family.preactivation": "preactivation",
    "word.sigmoid, PyTorch's default": "sigmoid, PyTorch's default",
    "word.sigmoid, Xavier": "sigmoid, Xavier",
    "word.tanh, PyTorch's default": "tanh, PyTorch's default",
    "word.ReLU, PyTorch's default": "ReLU, PyTorch's default",
    "word.ReLU, 0.8 of Kaiming": "ReLU, 0.8 of Kaiming",
    "word.ReLU, Kaiming": "ReLU, Kaiming",
    "word.ReLU, batch norm": "ReLU, batch norm",
    "word.ReLU, batch norm, skips": "ReLU, batch norm, skips",
    "word.vanishes": "vanishes",
    "word.explodes": "explodes",
    "word.flat": "flat",
    "word.power law": "power law",
    "word.exponential": "exponential",
    "word.undecided": "undecided",
    "word.no trend": "no trend",
    "word.too few layers": "too few layers",
    "word.identity": "identity",
    "word.projection": "projection",
    "word.concatenation": "concatenation",
    "word.as it is": "as it is",
    "word.without skips": "without skips",
    "word.without branches": "without branches",
    "word.plain twin": "plain twin",
}
