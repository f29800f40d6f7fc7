"""A library model and batches that may fit it."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SEED = 0
MOST_PARAMETERS = 200_000_000


class LeftOutError(Exception):
    """A model that is not checked, with the reason: too large, or nothing here builds or runs it."""


@dataclass(frozen=True)
class Batch:
    """What a forward pass is called with."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def to(self, dtype: torch.dtype) -> Batch:
        """Return the batch with every floating tensor in another dtype."""
        return Batch(cast(self.args, dtype), cast(dict(self.kwargs), dtype))

    def __str__(self) -> str:
        shapes = [str(tuple(tensor.shape)) for tensor in tensors_in((self.args, dict(self.kwargs)))]
        return " ".join(shapes[:3])


@dataclass(frozen=True)
class Specimen:
    """A way to build a model, and the batches to try on it, smallest first."""

    make: Callable[[], nn.Module]
    batches: Sequence[Callable[[nn.Module], Batch]]


def first_that_runs(candidates: Iterable[Specimen]) -> tuple[nn.Module, Batch]:
    """Build the first candidate that has a batch it can be called with, in train mode.

    Raises
    ------
    LeftOutError
        The model is too large, or no candidate runs; the text names the last error.
    """
    cause = "no candidate"
    for specimen in candidates:
        try:
            model = _build(specimen)
        except LeftOutError:
            raise
        except Exception as error:  # any library's own error: the next candidate is tried
            cause = f"build: {one_line(error)}"
            continue
        causes = []
        for make_batch in specimen.batches:
            try:
                batch = make_batch(model)
                if not _takes(model, batch):
                    continue
                seed_all()
                with torch.no_grad():
                    model(*batch.args, **batch.kwargs)
            except Exception as error:  # as above
                causes.append(f"forward: {one_line(error)}")
                continue
            return model, batch
        cause = causes[0] if causes else "forward: takes none of the batches tried"
    raise LeftOutError(cause)


def seed_all() -> None:
    """Seed every generator that a model may draw from."""
    torch.manual_seed(SEED)
    random.seed(SEED)
    np.random.seed(SEED)


def tensors_in(nest: Any) -> Iterator[Tensor]:
    """Yield every tensor of a nest in order."""
    if isinstance(nest, Tensor):
        yield nest
    elif isinstance(nest, Mapping):
        for item in nest.values():
            yield from tensors_in(item)
    elif isinstance(nest, (tuple, list)):
        for item in nest:
            yield from tensors_in(item)
    elif is_dataclass(nest) and not isinstance(nest, type):
        for entry in fields(nest):
            yield from tensors_in(getattr(nest, entry.name, None))


def cast(nest: Any, dtype: torch.dtype) -> Any:
    """Return lists, tuples and dicts with their floating tensors in another dtype."""
    if isinstance(nest, Tensor):
        return nest.to(dtype) if nest.is_floating_point() else nest
    if isinstance(nest, dict):
        return {key: cast(item, dtype) for key, item in nest.items()}
    if isinstance(nest, (tuple, list)):
        return type(nest)(cast(item, dtype) for item in nest)
    return nest


def one_line(error: BaseException) -> str:
    """Return an error's type and the head of its text on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:240]


def _build(specimen: Specimen) -> nn.Module:
    """Build in train mode, after a count on the meta device where the library allows one."""
    try:
        with torch.device("meta"):
            _refuse_large(specimen.make())
    except LeftOutError:
        raise
    except Exception:  # many models read values while they are built
        pass
    seed_all()
    model = specimen.make().train()
    _refuse_large(model)
    return model


def _takes(model: nn.Module, batch: Batch) -> bool:
    """Whether the model's forward has a parameter for every keyword of the batch."""
    parameters = inspect.signature(model.forward).parameters
    return all(key in parameters for key in batch.kwargs)


def _refuse_large(model: nn.Module) -> None:
    n = sum(parameter.numel() for parameter in model.parameters())
    if n > MOST_PARAMETERS:
        raise LeftOutError(f"too large: {n / 1e6:.0f} million parameters")
