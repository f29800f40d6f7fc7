"""What a model is called where nobody named it: by what it consists of, as its recording's meta counts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradflow.text import has, text

# Names of classes that say nothing of a network: what it consists of then does.
_SAYS_NOTHING = frozenset(
    {"sequential", "module", "model", "mymodel", "net", "mynet", "network", "neuralnetwork", "neuralnet", "classifier"}
)
# Modules by which a network is called, the first that it has: of recurrent ones the name is the class.
_CALLED: Mapping[str, str] = {
    "LSTM": "LSTM",
    "GRU": "GRU",
    "RNN": "RNN",
    "MultiheadAttention": "transformer",
    "Conv1d": "convolutional",
    "Conv2d": "convolutional",
    "Conv3d": "convolutional",
    "Linear": "mlp",
}
_RECURRENT = ("LSTM", "GRU", "RNN")
_ACTIVATIONS = ("Sigmoid", "Tanh", "ReLU", "GELU", "SiLU", "ELU", "SELU", "LeakyReLU", "PReLU", "Softplus", "Mish")
_AS_WRITTEN = ("ReLU", "GELU", "SiLU", "ELU", "SELU", "LeakyReLU", "PReLU")


def described(meta: Mapping[str, Any]) -> str:
    """Return what a recording's model is, by its meta: its class, or its kind where that says nothing, and its parts.

    "model" is the class, "modules" how many there are of each class, "blocks" the same of classes that hold others.

    Examples
    --------
    >>> described({"model": "Sequential", "modules": {"Linear": 11, "Sigmoid": 10}})
    'MLP, 11 linear layers, sigmoid'
    >>> described({"model": "ResNet", "modules": {"Conv2d": 53, "Linear": 1, "ReLU": 17}, "blocks": {"Bottleneck": 16}})
    'ResNet, 16 Bottleneck blocks'
    >>> described({"model": "Net", "modules": {"LSTM": 2, "Linear": 1}})
    'LSTM, 2 layers, and 1 linear layer'
    """
    name = str(meta.get("model") or meta.get("run") or "")
    modules, blocks = _counts(meta.get("modules")), _counts(meta.get("blocks"))
    kind = next((kind for kind in _CALLED if modules.get(kind)), "")
    if not kind:
        return name
    says_nothing = name.lower() in _SAYS_NOTHING
    if says_nothing:
        called = _CALLED[kind]
        name = called if called in _RECURRENT else text(f"model.kind.{called}")
    separator = text("list.separator")
    if blocks:
        block, n = max(blocks.items(), key=lambda item: item[1])
        return separator.join([name, text("model.blocks", n=n, block=block)])
    if says_nothing and kind in _RECURRENT:
        others = [_layers(other, modules) for other in ("Linear",) if modules.get(other)]
        layers = separator.join([name, text("count.layers", n=modules[kind])])
        return text("model.and", first=layers, last=others[0]) if others else layers
    weighted = dict.fromkeys(_layers(other, modules) for other in _CALLED if modules.get(other))
    activations = [_activation(one) for one in _ACTIVATIONS if modules.get(one)]
    return separator.join([name, *weighted, *activations[:1]])


def _layers(kind: str, modules: Mapping[str, int]) -> str:
    """Return how many layers there are of a kind, convolutions of all dimensions together."""
    called = _CALLED[kind]
    n = sum(count for other, count in modules.items() if _CALLED.get(other) == called)
    return text(f"model.layers.{called}" if has(f"model.layers.{called}") else "model.layers.other", n=n, kind=kind)


def _activation(kind: str) -> str:
    return kind if kind in _AS_WRITTEN else kind.lower()


def _counts(value: Any) -> dict[str, int]:
    """Return the positive counts of a mapping that may come from a stranger."""
    if not isinstance(value, dict):
        return {}
    return {str(name): n for name, n in value.items() if isinstance(n, int) and not isinstance(n, bool) and n > 0}
