"""A user's own data: a factory by name, and what it returns, checked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gradflow.experiments.data import DataError, Dataset
from gradflow.factories import TargetError, in_a_line, load_factory
from gradflow.text import text


def load_own_data(name: str) -> Dataset:
    """Return the data set that a factory of no arguments, `package.module:FACTORY` or `path/to/file.py:FACTORY`, makes.

    It returns (train_inputs, train_labels, test_inputs, test_labels), tensors or arrays: inputs (n, ...) finite,
    floating or, for tokens, whole numbers; labels (n,) whole numbers from 0. Or a `Dataset`. Raises DataError where
    there is no such factory, it fails, or it returns something else.
    """
    try:
        made = load_factory(name)()
    except TargetError as error:
        raise DataError(text("error.data.prefix", error=error)) from None
    except Exception as error:  # whatever the factory raises
        raise DataError(text("error.data.failed", name=name, reason=in_a_line(error))) from error
    if isinstance(made, Dataset):
        return made
    if not isinstance(made, tuple | list) or len(made) != 4:
        got = text("count.values", n=len(made)) if isinstance(made, tuple | list) else type(made).__name__
        raise DataError(text("error.data.returns", name=name, value=got))
    return _dataset(name, *made)


def _dataset(name: str, train_x: Any, train_y: Any, test_x: Any, test_y: Any) -> Dataset:
    parts = {"train": (_inputs(name, train_x), train_y), "test": (_inputs(name, test_x), test_y)}
    checked = {part: _labels(name, part, inputs, labels) for part, (inputs, labels) in parts.items()}
    train, test = (inputs for inputs, _ in parts.values())
    if train.shape[1:] != test.shape[1:]:
        shapes = text("list.and", first=tuple(train.shape[1:]), last=tuple(test.shape[1:]))
        raise DataError(text("error.data.shapes", name=name, value=shapes))
    num_classes = int(max(labels.max() for labels in checked.values())) + 1
    channels = int(train.shape[1])
    return Dataset(
        name, train, checked["train"], test, checked["test"], num_classes, (0.0,) * channels, (1.0,) * channels
    )


def _inputs(name: str, values: Any) -> Tensor:
    """Return inputs as float32, or int64 where they are whole numbers."""
    inputs = _tensor(name, values)
    if inputs.ndim < 2 or not inputs.numel():
        raise DataError(text("error.data.inputs", name=name, value=tuple(inputs.shape)))
    if not inputs.is_floating_point():
        return inputs.long()
    if not inputs.isfinite().all():
        raise DataError(text("error.data.finite", name=name, n=int((~inputs.isfinite()).sum())))
    return inputs.float()


def _labels(name: str, part: str, inputs: Tensor, values: Any) -> Tensor:
    labels = _tensor(name, values)
    if labels.is_floating_point() or labels.is_complex():
        raise DataError(text("error.data.labels", name=name, value=labels.dtype, part=part))
    if labels.shape != inputs.shape[:1]:
        shape, n = tuple(labels.shape), len(inputs)
        raise DataError(text("error.data.label_count", name=name, part=part, value=shape, n=n))
    if labels.min() < 0:
        raise DataError(text("error.data.label_negative", name=name, value=int(labels.min()), part=part))
    return labels.long()


def _tensor(name: str, values: Any) -> Tensor:
    try:
        return torch.as_tensor(values)
    except Exception as error:
        raise DataError(text("error.data.arrays", name=name, reason=in_a_line(error))) from None
