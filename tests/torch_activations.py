"""PyTorch's own activations and their slopes by autograd: an oracle for gradflow.theory."""

import torch
from torch.nn import functional

TORCH = {
    "relu": torch.relu,
    "leaky-relu": functional.leaky_relu,
    "identity": lambda x: x,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "elu": functional.elu,
    "selu": functional.selu,
    "softplus": functional.softplus,
}


def value_and_slope(activation, x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = TORCH[activation](x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    return value.detach().numpy(), slope.numpy()
