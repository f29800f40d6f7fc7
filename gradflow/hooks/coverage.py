"""What is measured of each layer, and where something is not, why."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import pandas as pd

from gradflow.hooks.capture import (
    BASE,
    FAILED,
    IS_INPUT,
    LOST,
    MEASURED,
    NO_GRADIENT,
    NOT_IN_GRAPH,
    OWN_DERIVATIVE,
    SEVERAL_PASSES,
    TOO_MANY,
)
from gradflow.hooks.layers import Layer
from gradflow.hooks.row_layout import (
    ADDED,
    COMPILED,
    FROZEN,
    GONE,
    NO_TENSOR,
    NOT_CALLED,
    NOT_USED,
    PARAMETERS_ONLY,
    SCRIPTED,
    WITHOUT_GRADIENTS,
    RowLayout,
)

NAMED = 5  # layers in one warning

REASONS: Mapping[str, str] = {
    MEASURED: "the gradient arrived at the layer's output",
    BASE: "the output is a view that was changed in place; its gradient was read at the tensor it is a view of",
    IS_INPUT: "the layer returned its input: the gradient is that of the tensor, all its other uses included",
    PARAMETERS_ONLY: "the layer was not called as a module, or its output has no gradient; its parameters have one",
    NOT_IN_GRAPH: "the layer's output needs no gradient: nothing before it is trained, or it is detached there",
    NOT_CALLED: "the layer was not called as a module",
    NO_TENSOR: "the layer was called and returned no tensor",
    WITHOUT_GRADIENTS: "the layer was only called where gradients are switched off (no_grad or inference_mode)",
    FROZEN: "its parameters require no gradient, and none passed its output",
    NO_GRADIENT: "the layer was called, but the loss does not depend on its output",
    LOST: "the output is a view of the input whose hook did not fire: it was changed in place, or nothing uses it",
    COMPILED: "the layer runs inside torch.compile, where hooks would break the graph; parameters are read",
    SCRIPTED: "TorchScript modules take no hooks; parameters are read",
    NOT_USED: (
        "gradients arrived, but none was part of the one that the optimizer used: autograd.grad() was called, or "
        "zero_grad() cleared them"
    ),
    SEVERAL_PASSES: "several backward passes reached the output, and their sum is measured from the next step on",
    OWN_DERIVATIVE: (
        "a backward pass went through the layer's derivative, which is computed from this output, so that the loss's "
        "gradient is mixed with another"
    ),
    ADDED: "the layer was added to the model; its output is measured from the next recorded step on",
    GONE: "the layer is no longer part of the model",
    TOO_MANY: "more layers' outputs were seen in one step than are kept: was step() called after each backward()?",
    FAILED: "measuring raised an error, which was warned of once",
}


def coverage(layers: Sequence[Layer], recorded: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of each layer at the last recorded step: see `Recorder.coverage`."""
    last = recorded[recorded.step == recorded.step.max()].drop_duplicates("layer").set_index("layer")
    statuses = [str(last.status.get(layer.name, "")) for layer in layers]
    table = pd.DataFrame(
        {
            "layer": [layer.name for layer in layers],
            "kind": [layer.kind for layer in layers],
            "n_params": [sum(parameter.numel() for parameter in layer.parameters) for layer in layers],
            "status": statuses,
            "reason": [REASONS.get(status, "no step was recorded yet") for status in statuses],
        }
    )
    order = [len(layers) if layer.order is None else layer.order for layer in layers]
    return table.iloc[pd.Series(order).argsort(kind="stable")].reset_index(drop=True)


def has_compiled() -> bool:
    """Whether torch.compile has made anything in this process."""
    utils = sys.modules.get("torch._dynamo.utils")
    return bool(utils is not None and utils.counters["stats"]["unique_graphs"])


def unmeasurable(layers: Sequence[Layer], layout: RowLayout) -> str:
    """Return the sentence that names the layers whose output no hook can read, or "" if there is none."""
    found: dict[str, list[str]] = {}
    for number, status in zip(layout.number, layout.status, strict=True):
        if status in (LOST, SCRIPTED):
            found.setdefault(status, []).append(layers[number].name)
    parts = []
    for status, names in found.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        parts.append(f"{', '.join(names[:NAMED])}{more} ({status}: {REASONS[status]})")
    return f"no gradient at the output of {'; of '.join(parts)}. coverage() lists all layers." if parts else ""
