"""Computations that share no code with the recorder."""

import torch


def hook_counts(model):
    """How many hooks of each kind every module carries."""
    return {
        name: (len(module._forward_hooks), len(module._backward_hooks), len(module._forward_pre_hooks))
        for name, module in model.named_modules()
    }


def output_gradients(model, inputs, loss_of):
    """The gradient of a zero added to each leaf module's output: autograd's own answer, no tensor hook involved."""
    zeros, handles = {}, []

    def add_zero(name):
        def hook(module, args, output):
            zeros[name] = torch.zeros_like(output, requires_grad=True)
            return output + zeros[name]

        return hook

    for name, module in model.named_modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(add_zero(name)))
    try:
        loss = loss_of(model(inputs))
    finally:
        for handle in handles:
            handle.remove()
    return dict(zip(zeros, torch.autograd.grad(loss, list(zeros.values())), strict=True))


def norm64(*tensors):
    """L2 norm of all entries, in float64."""
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors]).norm().item()
