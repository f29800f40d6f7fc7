"""What autograd alone says of a network: zero leaves added to every module's output, and `torch.autograd.grad`."""

import math
from typing import NamedTuple

import torch


class Judgement(NamedTuple):
    """By (layer, call) in forward order: gradient norm at its output (None: the loss does not depend on it), the
    calls that it depends on, whether its output is finite; by parameter that wants one: gradient norm, or None."""

    outputs: dict
    behind: dict
    is_finite: dict
    parameters: dict


def judge(model, inputs, loss_of):
    """Add a zero that requires a gradient to every output that requires one, and ask autograd for all gradients."""
    zeros, outputs, is_finite = {}, {}, {}

    def add_zero(name):
        def hook(module, args, output):
            key = name, sum(layer == name for layer, _ in is_finite)
            is_finite[key] = bool(output.isfinite().all())
            if output.requires_grad:
                outputs[key], zeros[key] = output, torch.zeros_like(output, requires_grad=True)
                return output + zeros[key]
            return output

        return hook

    leaves = [(name, module) for name, module in model.named_modules() if "parametrizations" not in name]
    leaves = [(name, module) for name, module in leaves if set(dict(module.named_children())) <= {"parametrizations"}]
    handles = [module.register_forward_hook(add_zero(name)) for name, module in leaves]
    loss = loss_of(model(*inputs))
    for handle in handles:
        handle.remove()
    wanted = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    found = iter(_gradients(loss, [*zeros.values(), *wanted.values()]))
    norms = {key: _norm(next(found)) for key in (*zeros, *wanted)}
    behind = {
        key: {source for source, found in zip(zeros, _gradients(outputs[key].sum(), list(zeros.values())), strict=True)
              if found is not None}
        for key in zeros
    }  # fmt: skip
    return Judgement({key: norms[key] for key in zeros}, behind, is_finite, {name: norms[name] for name in wanted})


def decades(judgement):
    """By source, a call that depends on no other: the call where its path ends, and first over last norm in decades."""
    known = {key: norm for key, norm in judgement.outputs.items() if norm}
    sinks = {source: [key for key in known if source in judgement.behind[key]] for source in known}
    return {
        source: (sinks[source][-1], math.log10(known[source] / known[sinks[source][-1]]))
        for source in known
        if sinks[source] and not judgement.behind[source] & set(known)
    }


def decades_of_calls(judgement):
    """By layer that is called three times or more: the norm at its first call over that at its last, in decades."""
    calls = {}
    for (layer, _), norm in judgement.outputs.items():
        calls.setdefault(layer, []).extend([norm] if norm else [])
    return {layer: math.log10(norms[0] / norms[-1]) for layer, norms in calls.items() if len(norms) > 2}


def _gradients(loss, leaves):
    return torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)


def _norm(gradient):
    return None if gradient is None else gradient.double().norm().item()
