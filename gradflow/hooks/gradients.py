"""Gradients handed to a callback as they flow: the utilities that the recorder, too, is built on.

Module backward hooks raise on in-place operations after a layer and can change the order in which gradients are
added up. A forward hook that puts a hook on the output tensor does neither (pytorch issue 61519).
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gradflow.hooks.layers import check_shapes, select_layers

GradientCallback = Callable[[str, Tensor], object]

_functorch_level = torch._C._functorch.peek_interpreter_stack
_tracing_state = torch._C._get_tracing_state


@contextmanager
def on_output_gradients(
    model: nn.Module, callback: GradientCallback, *, layers: str | Iterable[str] = "*"
) -> Iterator[None]:
    """Call `callback(layer, gradient)` with the loss gradient with respect to each layer's output.

    The gradient arrives during `backward()`, last layer first, detached, in the shape of the output. A layer that
    is called twice, or returns two tensors, causes two calls; one that returns its input (`nn.Identity`) gets the
    gradient of that tensor, including all its other uses. The return value of the callback is ignored, so gradients
    and training do not change; to keep a gradient beyond the callback, clone it. After the `with` block, none of
    these hooks is left on the model, also after an exception.

    Parameters
    ----------
    model : nn.Module
        Any model.
    callback : callable
        Receives the layer's dotted name and the gradient.
    layers : str or iterable of str
        Shell patterns as in `select_layers`.

    Raises
    ------
    ValueError
        A pattern matches no layer.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    >>> shapes = {}
    >>> with on_output_gradients(model, lambda layer, gradient: shapes.update({layer: tuple(gradient.shape)})):
    ...     model(torch.ones(4, 2)).sum().backward()
    >>> shapes
    {'2': (4, 1), '1': (4, 3), '0': (4, 3)}
    """
    chosen = select_layers(model, layers)

    def on_output(layer: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        for tensor in tensors_in(output):
            if tensor.requires_grad:
                handle = add_hook(tensor, _Forward(callback, layer))
                if (
                    handle is not None and tensor.is_leaf
                ):  # a parameter that a module returns would keep the hook for ever
                    handles.append(handle)

    handles = [module.register_forward_hook(OutputHook(on_output, name)) for name, module in chosen.items()]
    try:
        yield
    finally:
        remove(handles)


@contextmanager
def on_parameter_gradients(
    model: nn.Module, callback: GradientCallback, *, layers: str | Iterable[str] = "*"
) -> Iterator[None]:
    """Call `callback(parameter, gradient)` with the loss gradient with respect to each parameter.

    The gradient is that of the current backward pass, summed over all uses of the parameter: under gradient
    accumulation one micro-batch, under data parallelism this process alone. For the gradient that the optimizer
    sees, read `.grad` or use `gradflow.record`.

    Parameters
    ----------
    model : nn.Module
        Any model.
    callback : callable
        Receives the parameter's dotted name (`fc.weight`) and the gradient, detached.
    layers : str or iterable of str
        Shell patterns for the layers whose own parameters count, as in `select_layers`.

    Raises
    ------
    ValueError
        A pattern matches no layer.
    LazyModelError
        The model has lazy parameters, whose shape the first batch decides.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> with on_parameter_gradients(model, lambda parameter, gradient: print(parameter, gradient.tolist())):
    ...     model(torch.ones(4, 2)).sum().backward()
    weight [[4.0, 4.0]]
    """
    check_shapes(model)
    modules = set(select_layers(model, layers).values())
    names = {parameter: name for name, parameter in reversed(list(model.named_parameters(remove_duplicate=False)))}
    owned = [parameter for module in modules for parameter in module.parameters(recurse=False)]
    handles = [
        parameter.register_hook(_Forward(callback, names[parameter]))
        for parameter in dict.fromkeys(owned)
        if parameter.requires_grad
    ]
    try:
        yield
    finally:
        remove(handles)


def tensors_in(output: Any) -> Iterator[Tensor]:
    """Yield every tensor in a nest of tuples, lists, mappings and dataclasses."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list)):
        for item in output:
            yield from tensors_in(item)
    elif isinstance(output, Mapping):
        for item in output.values():
            yield from tensors_in(item)
    elif is_dataclass(output) and not isinstance(output, type):
        for field in fields(output):
            yield from tensors_in(getattr(output, field.name, None))


def add_hook(tensor: Tensor, hook: Callable[[Any], None]) -> RemovableHandle | None:
    """Put a hook on a tensor: `tensor.register_hook` at half its price where nobody needs a handle.

    Returns None where the tensor is no leaf and had no hook: the hook goes when the graph does. Half of
    `register_hook` is the making of the handle; the two calls below are the other half.
    """
    node = tensor.grad_fn
    if node is None or tensor._backward_hooks is not None or type(tensor) is not Tensor:
        handle: RemovableHandle = tensor.register_hook(hook)
        return handle
    tensor._backward_hooks = OrderedDict(((_NO_HANDLE, hook),))
    node._register_hook_dict(tensor)
    return None


_NO_HANDLE = -1  # key among the hooks of a tensor; those of handles count from 0


def remove(handles: Iterable[RemovableHandle]) -> None:
    """Remove the hooks behind the handles; twice is as good as once."""
    for handle in handles:
        handle.remove()


class OutputHook:
    """Forward hook of one layer: `receive(key, module, args, output)` on calls made with grad enabled.

    Calls made without are `unseen(key)`. An error goes to `on_failure(key, error)`, if that is given.

    A copy of the model must not write into the original's recorder, and a closure could not be pickled: a copied or
    unpickled hook does nothing. `owner` is the recorder that the hook belongs to, held weakly.
    """

    def __init__(
        self,
        receive: Callable[..., None] | None,
        key: Any,
        owner: weakref.ref[Any] | None = None,
        unseen: Callable[[Any], None] | None = None,
        on_failure: Callable[[Any, Exception], None] | None = None,
    ) -> None:
        self.receive = receive
        self.key = key
        self.owner = owner
        self.unseen = unseen
        self.on_failure = on_failure

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """Pass the output on, unless the model is compiled, traced or transformed: such tensors must not escape."""
        try:
            if torch.compiler.is_compiling() or self.receive is None:
                return
            if _functorch_level() is not None or _tracing_state() is not None:
                return
            if torch.is_grad_enabled():
                self.receive(self.key, module, args, output)
            elif self.unseen is not None:
                self.unseen(self.key)
        except Exception as error:
            if self.on_failure is None:
                raise
            self.on_failure(self.key, error)

    def __reduce__(self) -> tuple[Any, ...]:
        return (OutputHook, (None, None))


def keep_out_of_copies(module: nn.Module) -> None:
    """Have a module copied, pickled and scripted as if no `OutputHook` were on it, until `allow_in_copies`.

    A saved model must load where gradflow is not installed, and with `weights_only=True`. Pickle and copy ask the
    dictionary of hooks itself how to reduce it, `torch.jit.script` compiles its `values()`, and calls of the module go
    through its `items()`. Another dictionary in its place would part users' handles from their hooks.
    """
    hooks: Any = module._forward_hooks
    hooks.__reduce_ex__ = partial(_reduced, weakref.ref(hooks))
    hooks.values = partial(_others, weakref.ref(hooks))


def allow_in_copies(module: nn.Module) -> None:
    """Undo `keep_out_of_copies`, unless another recorder's hook is on the module; twice is as good as once."""
    if any(isinstance(hook, OutputHook) for _, hook in module._forward_hooks.items()):  # values() hides them
        return
    for name in ("__reduce_ex__", "values"):
        vars(module._forward_hooks).pop(name, None)


def _others(hooks: weakref.ref[Any]) -> list[Any]:
    return [hook for _, hook in _other_items(hooks)]


def _other_items(hooks: weakref.ref[Any]) -> list[tuple[int, Any]]:
    return [(key, hook) for key, hook in (hooks() or {}).items() if not isinstance(hook, OutputHook)]


def _reduced(hooks: weakref.ref[Any], protocol: int) -> tuple[Any, ...]:
    return OrderedDict, (), None, None, iter(_other_items(hooks))


class _Forward:
    """Tensor hook that hands the gradient to a callback under a name."""

    __torch_unserializable__ = True  # saving the tensor warns of no hook

    def __init__(self, callback: GradientCallback, name: str) -> None:
        self.callback = callback
        self.name = name

    def __call__(self, gradient: Tensor | None) -> None:
        if gradient is not None:  # see OutputGradientHook in capture.py
            self.callback(self.name, gradient.detach())
