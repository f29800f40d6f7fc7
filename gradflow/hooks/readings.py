"""The readings of one step: norms of gradients, of weights and of the optimizer's changes to them.

All tensors of a kind are measured together and, if that fails, parameter by parameter, so that only the one is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gradflow.hooks import sharded
from gradflow.hooks.failures import OnFailure, together
from gradflow.hooks.histograms import GRADIENT, WEIGHT, Counts, counts_of
from gradflow.hooks.layers import Layer, OwnParameter
from gradflow.hooks.norms import TOGETHER, Scalar, SmallCopies, are_small, is_small, unscaled
from gradflow.hooks.optimizers import rate
from gradflow.hooks.scalers import scale_after_backward, scale_of_rest, scale_where_used

_GRADIENT, _WEIGHT, _UPDATE = "the gradient", "the weight", "the update"  # what a failure is reported of


class Readings:
    """Reads one step's norms, as floats or device scalars; what cannot be read is NaN and goes to `on_failure`.

    Parameters
    ----------
    parameters : Parameters
        The parameters that are read.
    scaler : GradScaler, optional
        Its scale is divided out of gradients that still carry it.
    with_weights : bool
        Read the norms of weights at all.
    with_counts : bool
        Count gradients and weights by their size, too.
    on_failure : callable
        Receives what could not be measured, and the error; unless it raises, training goes on.

    Attributes
    ----------
    gradients, weights, updates : list of float or Tensor
        Norms by the numbers of the parameters' pieces, NaN where there is none or until `take_norms`; `weights` and
        `updates` are empty if not read.
    arrived, updated : frozenset of int
        The pieces that had a gradient, and those that an optimizer moved.
    failed : frozenset of int
        Of those that had a gradient, the pieces whose norm could not be taken.
    n_nonfinite : dict
        Number of NaN and inf entries of a piece's gradient, where there are any; -1 where they were not counted.
    counts : dict
        Of gradients and weights of recorded layers, by the parameter's number and kind, if they are counted: see
        `gradflow.hooks.histograms`.
    n_held : int
        Entries of small tensors that are held until `take_norms`.
    rates : list
        Learning rates of the optimizers' groups, each with the numbers of the pieces that it moves.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        scaler: torch.amp.GradScaler | None,
        with_weights: bool,
        with_counts: bool = False,
        on_failure: OnFailure,
    ) -> None:
        self.gradients: list[Scalar] = [math.nan] * len(parameters.pieces)
        self.weights: list[Scalar] = []
        self.updates: list[Scalar] = []
        self.n_nonfinite: dict[int, int] = {}
        self.rates: list[tuple[tuple[int, ...], Scalar]] = []
        self.arrived: frozenset[int] = frozenset()
        self.updated: frozenset[int] = frozenset()
        self.failed: frozenset[int] = frozenset()
        self.counts: dict[tuple[int, str], Counts] = {}
        self._parameters = parameters
        self._scaler = scaler
        self._with_weights = with_weights
        self._with_counts = with_counts
        self._has_weights = False
        self._on_failure = on_failure
        self._before: dict[int, Tensor | float] = {}
        self._before_together: dict[tuple[int, ...], SmallCopies] = {}
        self._held: list[_Held] = []
        self.n_held = 0
        self._is_read: set[int] = set()  # parameters
        self._is_used: set[int] = set()  # those of optimizers that have made their step

    def total(self) -> Total:
        """Return the norm of all gradients as they were read last, to be taken later."""
        held = [one for one in self._held if one.what is _GRADIENT]
        known = self.arrived.difference(*(one.pieces for one in held))
        return Total([self.gradients[piece] for piece in known], held)

    def arrived_gradients(self) -> list[Scalar]:
        """Return the norm of each parameter's gradient, of those that have one."""
        self.take_norms()
        if len(self.arrived) == len(self.gradients):  # nearly always
            return self.gradients
        return [self.gradients[number] for number in sorted(self.arrived)]

    def frozen(self) -> frozenset[int]:
        """Return the pieces of parameters that have no gradient and require none just now."""
        if len(self.arrived) == len(self.gradients):  # nearly always
            return frozenset()
        every, pieces = self._parameters.every, enumerate(self._parameters.pieces)
        return frozenset(
            number
            for number, piece in pieces
            if number not in self.arrived and not every[piece.parameter].requires_grad
        )

    def read_after_backward(self, optimizers: Sequence[Optimizer]) -> None:
        """Read gradients as they are in `.grad` just now; what a scaler is still to divide by is divided out.

        Those that an optimizer has used in this step stay as it used them: another loss may have reached them since.
        """
        numbers: Sequence[int] = self._parameters.numbers
        if self._is_used:
            numbers = [number for number in numbers if number not in self._is_used]
        if self._scaler is None:
            self._read(numbers, 1.0)
            return
        rest = {*numbers}
        for optimizer in optimizers:
            numbers = [number for number in self._parameters.of(optimizer) if number in rest]
            rest.difference_update(numbers)
            self._read(numbers, scale_after_backward(self._scaler, optimizer))
        self._read(sorted(rest), scale_of_rest(self._scaler, optimizers))

    def read_where_used(self, optimizer: Optimizer) -> None:
        """Read the gradients that an optimizer uses, where it uses them."""
        self._read(self._parameters.of(optimizer), scale_where_used(optimizer))

    def read_rest(self, optimizers: Sequence[Optimizer]) -> None:
        """Read the gradients that none of the optimizers uses, where they were not read yet."""
        if len(self._is_read) < len(self._parameters.every):
            rest = sorted({*self._parameters.numbers} - self._is_read)
            self._read(rest, scale_of_rest(self._scaler, optimizers))

    def _read(self, numbers: Sequence[int], scale: Scalar) -> None:
        every = self._parameters.every
        found = [number for number in numbers if every[number].grad is not None]
        if self.arrived or self._held:  # a gradient of an earlier reading may be gone, or held twice after an error
            gone = self._parameters.all_pieces(numbers)
            self._forget(gone)
            for piece in gone:
                self.gradients[piece] = math.nan
            self.arrived -= gone
            self.failed -= gone
            self.n_nonfinite = {piece: n for piece, n in self.n_nonfinite.items() if piece not in gone}
        self.arrived |= self._measure(_GRADIENT, found, lambda some: [every[n].grad for n in some], scale)  # type: ignore[misc]
        self._is_read.update(numbers)
        if self._with_counts:
            for number in numbers:
                self._count(GRADIENT, number, every[number].grad, scale)

    def _forget(self, pieces: frozenset[int]) -> None:
        """Let go of gradients whose norms were to be taken; those that are held together with others are taken."""

        def is_of_them(held: _Held) -> bool:
            return held.what is _GRADIENT and not pieces.isdisjoint(held.pieces)

        if not all(pieces.issuperset(one.pieces) for one in filter(is_of_them, self._held)):
            self.take_norms()
        self._held = [one for one in self._held if not is_of_them(one)]

    def _count(self, kind: str, number: int, tensor: Tensor | None, scale: Scalar = 1.0) -> None:
        """Count the entries of a parameter of a recorded layer, or of its gradient, by their size."""
        self.counts.pop((number, kind), None)  # of an earlier reading
        if tensor is not None and number in self._parameters.names:
            try:
                self.counts[number, kind] = counts_of(tensor, scale)
            except Exception as error:
                self._report(f"the distribution of the {kind}", number, error)

    def read_weights(self, optimizer: Optimizer | None = None) -> None:
        """Read the weights, if they are wanted; all of them the first time, then those that an optimizer changes."""
        if not (self._with_weights or self._with_counts):
            return
        every = self._parameters.every
        numbers = self._parameters.of(optimizer) if self._has_weights and optimizer else self._parameters.owned
        self._has_weights = True
        if self._with_weights:
            self.weights = self.weights or [math.nan] * len(self._parameters.pieces)
            self._measure(_WEIGHT, numbers, lambda some: [every[number].detach() for number in some])
        for number in numbers if self._with_counts else ():
            self._count(WEIGHT, number, every[number])

    def keep(self, optimizer: Optimizer) -> None:
        """Keep an optimizer's parameters as they are before its step."""
        every = self._parameters.every
        groups = self._parameters.groups_of(optimizer)
        numbers = [number for group in groups for number in group]

        def copy(some: Sequence[int]) -> None:
            tensors = [every[number].detach() for number in some]
            if are_small(tensors):
                _, pieces = self._parameters.in_pieces(some, tensors)
                self._before_together[tuple(some)] = SmallCopies(pieces)
            else:
                self._before |= {number: tensor.clone() for number, tensor in zip(some, tensors, strict=True)}

        def lose(number: int, error: Exception) -> None:
            self._before[number] = math.nan  # and so will be the update
            self._report(_UPDATE, number, error)

        for some in self._parameters.by_size(numbers):
            together(copy, some, lose)
        for members, group in zip(groups, optimizer.param_groups, strict=True):
            pieces = tuple([piece for number in members for piece in self._parameters.pieces_of(every[number])])
            try:
                self.rates.append((pieces, rate(group.get("lr", math.nan))))
            except Exception as error:
                self._on_failure("the learning rate", error)

    def read_updates(self, optimizer: Optimizer) -> None:
        """Read how far an optimizer moved the parameters that were kept; its gradients are not read again."""
        every, before, of_optimizer = self._parameters.every, self._before, self._parameters.of(optimizer)
        self._is_used.update(of_optimizer)
        self.updates = self.updates or [math.nan] * len(self._parameters.pieces)
        own = frozenset(of_optimizer)
        for numbers in [some for some in self._before_together if own.issuperset(some)]:
            self._subtract(numbers, self._before_together[numbers])
            del self._before_together[numbers]
        alone = [number for number in of_optimizer if number in before]
        updates = lambda some: [every[number].detach() - before[number] for number in some]  # noqa: E731
        self.updated |= self._measure(_UPDATE, alone, updates)
        for number in alone:
            del before[number]

    def _subtract(self, numbers: Sequence[int], before: SmallCopies) -> None:
        """Hold the updates of parameters that were copied together; if that fails, they are to be read one by one."""
        every = self._parameters.every
        try:
            pieces, parts = self._parameters.in_pieces(numbers, [every[number].detach() for number in numbers])
            updates = SmallCopies(parts)
            updates.subtract(before)
        except Exception:
            self._before |= zip(numbers, before.shaped([every[number] for number in numbers]), strict=True)
            return
        self._hold(_UPDATE, pieces, updates, 1.0)
        self.updated |= self._parameters.all_pieces(numbers)

    def _hold(self, what: str, pieces: Sequence[int], copies: SmallCopies, scale: Scalar) -> None:
        self._held.append(_Held(what, pieces, copies, scale))
        self.n_held += copies.n_entries

    def take_norms(self) -> None:
        """Take the norms of all that is held, and let go of it."""
        while self._held:
            self._take_held(*self._held[0])
            del self._held[0]
        self.n_held = 0

    def _take_held(self, what: str, pieces: Sequence[int], copies: SmallCopies, scale: Scalar) -> None:
        def take(places: Sequence[int]) -> None:
            norms = copies.some_norms(places)
            odd = [] if math.isfinite(sum(norms)) else [n for n, norm in enumerate(norms) if not math.isfinite(norm)]
            counts = {n: copies.n_nonfinite(places[n]) for n in odd}
            self._keep(what, [pieces[place] for place in places], [*norms], counts, scale)

        together(take, range(len(pieces)), lambda place, error: self._lose(what, [pieces[place]], error))

    def _measure(
        self,
        what: str,
        numbers: Sequence[int],
        tensors_of: Callable[[Sequence[int]], list[Tensor]],
        scale: Scalar = 1.0,
    ) -> frozenset[int]:
        """Measure something of some parameters, or hold it until `take_norms`; return the pieces of them.

        `tensors_of` returns what is measured of parameters, given their numbers.
        """
        if not numbers:
            return frozenset()
        parameters = self._parameters

        def measure(some: Sequence[int]) -> None:
            pieces, tensors = parameters.in_pieces(some, tensors_of(some))
            if are_small(tensors):
                self._hold(what, pieces, SmallCopies(tensors), scale)
            else:
                self._keep(what, pieces, *sharded.norms_of(tensors), scale)

        def lose(number: int, error: Exception) -> None:
            self._lose(what, parameters.pieces_of(parameters.every[number]), error)

        if parameters.are_sharded:
            try:
                measure(numbers)
            except Exception as error:  # other processes take part, so that it cannot be tried again here alone
                for number in numbers:
                    lose(number, error)
        else:
            together(measure, numbers, lose)
        return parameters.all_pieces(numbers)

    def _keep(
        self, what: str, pieces: Sequence[int], norms: list[Scalar], counts: Mapping[int, int], scale: Scalar
    ) -> None:
        """Keep what was measured of some pieces: norms, and numbers of non-finite entries by place among them."""
        if type(scale) is not float or scale != 1.0:
            norms = [norm / scale for norm in norms]
        kept = self._norms(what)
        for piece, norm in zip(pieces, norms, strict=True):
            kept[piece] = norm
        if what is _GRADIENT:
            self.n_nonfinite.update({pieces[place]: count for place, count in counts.items()})

    def _lose(self, what: str, pieces: Sequence[int], error: Exception) -> None:
        """Report that something of a parameter's pieces could not be measured."""
        for piece in pieces:
            self._norms(what)[piece] = math.nan
        if what is _GRADIENT:
            self.failed |= frozenset(pieces)
        self._report(what, self._parameters.pieces[pieces[0]].parameter, error)

    def _norms(self, what: str) -> list[Scalar]:
        return {_GRADIENT: self.gradients, _WEIGHT: self.weights, _UPDATE: self.updates}[what]

    def _report(self, what: str, number: int, error: Exception) -> None:
        self._on_failure(f"{what} of {self._parameters.name(number)}", error)


class _Held(NamedTuple):
    """Something of some pieces whose norm is still to be taken."""

    what: str
    pieces: Sequence[int]
    copies: SmallCopies
    scale: Scalar


class Total(NamedTuple):
    """The norm of several gradients together: norms that are known, and gradients whose norms are still to be taken."""

    known: list[Scalar]
    held: list[_Held]

    def norms(self) -> list[Scalar]:
        """Return the norm of each; raise the error of one that cannot be taken."""
        norms, errors = [*self.known], []
        for _, pieces, copies, scale in self.held:
            for taken in together(copies.some_norms, range(len(pieces)), lambda _, error: errors.append(error)):
                norms += [unscaled(norm, scale) for norm in taken]
        if errors:
            raise errors[0]
        return norms


class Piece(NamedTuple):
    """What has a norm of its own: a parameter, or the rows of a fused one that belong together."""

    parameter: int  # its number in `Parameters.every`
    part: str  # empty for a whole parameter
    rows: slice


class Parameters:
    """The parameters that are read, by number, and the pieces that they are read in.

    `every` holds those of the whole model: one that is frozen has no gradient, until it is thawed. `owned` are the
    numbers of those that recorded layers own, `names` the layers and what these call them. `pieces` holds each whole
    parameter, or its parts where it is fused.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], layers: Iterable[Layer]) -> None:
        owned = [(layer, own) for layer in layers for own in layer.owned]
        self.every = list(dict.fromkeys([*parameters, *(own.parameter for _, own in owned)]))
        self._numbers = {id(parameter): number for number, parameter in enumerate(self.every)}
        self.owned = [self._numbers[id(own.parameter)] for _, own in owned]
        self.names = {number: (layer.name, own.name) for number, (layer, own) in zip(self.owned, owned, strict=True)}
        parts = {id(own.parameter): parts_of(layer.module, own) for layer, own in owned}
        self.pieces: list[Piece] = []
        self._pieces: list[list[int]] = []
        for number, parameter in enumerate(self.every):
            fused = parts.get(id(parameter)) or {"": slice(None)}
            self._pieces.append([*range(len(self.pieces), len(self.pieces) + len(fused))])
            self.pieces += [Piece(number, part, rows) for part, rows in fused.items()]
        self.numbers = [*range(len(self.every))]
        self._small = {number for number, parameter in enumerate(self.every) if is_small(parameter)}
        self.has_parts = len(self.pieces) > len(self.every)
        self._all_pieces = frozenset(range(len(self.pieces)))
        self.are_sharded = any(map(sharded.is_sharded, self.every))

    def __contains__(self, parameter: object) -> bool:
        return id(parameter) in self._numbers

    def pieces_of(self, parameter: nn.Parameter) -> list[int]:
        """Return the numbers of a parameter's pieces."""
        return self._pieces[self._numbers[id(parameter)]]

    def all_pieces(self, numbers: Sequence[int]) -> frozenset[int]:
        """Return the numbers of all pieces of some parameters, each of which is named once."""
        if len(numbers) == len(self.every):  # nearly always: one set, so that steps are told to be alike by identity
            return self._all_pieces
        return frozenset([piece for number in numbers for piece in self._pieces[number]])

    def name(self, number: int) -> str:
        """Return what a parameter is called in a message."""
        layer, own = self.names.get(number, ("", ""))
        return f"{own} of {layer}" if own else f"parameter {number}, of no recorded layer"

    def of(self, optimizer: Optimizer) -> list[int]:
        """Return the numbers of an optimizer's parameters, of those that are read."""
        return [number for group in self.groups_of(optimizer) for number in group]

    def groups_of(self, optimizer: Optimizer) -> list[list[int]]:
        """Return the numbers of the parameters in each of an optimizer's groups, of those that are read."""
        groups = [
            (self._numbers.get(id(parameter)) for parameter in group["params"]) for group in optimizer.param_groups
        ]
        return [[number for number in group if number is not None] for group in groups]

    def by_size(self, numbers: Sequence[int]) -> Iterator[Sequence[int]]:
        """Yield the numbers of small parameters, as many at a time as are copied together, and those of the others."""
        small: list[int] = []
        n_entries = 0
        for number in numbers:
            if number in self._small:
                size = self.every[number].numel()
                if n_entries + size > TOGETHER:
                    yield small
                    small, n_entries = [], 0
                small.append(number)
                n_entries += size
        if small:
            yield small
        others = [number for number in numbers if number not in self._small]
        if others:
            yield others

    def in_pieces(self, numbers: Sequence[int], tensors: list[Tensor]) -> tuple[Sequence[int], list[Tensor]]:
        """Return the pieces of some parameters and of tensors in their shapes."""
        if not self.has_parts:
            return numbers, tensors
        found = [
            (piece, tensor if not self.pieces[piece].part else tensor[self.pieces[piece].rows])
            for number, tensor in zip(numbers, tensors, strict=True)
            for piece in self._pieces[number]
        ]
        return [piece for piece, _ in found], [tensor for _, tensor in found]


_GATES: Mapping[type[nn.Module], tuple[str, ...]] = {
    nn.LSTM: ("input", "forget", "cell", "output"),
    nn.LSTMCell: ("input", "forget", "cell", "output"),
    nn.GRU: ("reset", "update", "new"),
    nn.GRUCell: ("reset", "update", "new"),
}


def parts_of(module: nn.Module | None, own: OwnParameter) -> dict[str, slice]:
    """Return the parts of a parameter that PyTorch fuses out of several, as rows by name; none for other parameters.

    They are those of `nn.MultiheadAttention`'s in_proj and of the gates of LSTMs and GRUs, in the order that PyTorch
    documents for each.
    """
    names: tuple[str, ...] = ()
    if isinstance(module, nn.MultiheadAttention) and own.name.startswith("in_proj_"):
        names = ("q", "k", "v")
    elif own.name.startswith(("weight_ih", "weight_hh", "bias_ih", "bias_hh")):
        names = next((gates for kind, gates in _GATES.items() if isinstance(module, kind)), ())
    if not names or sharded.is_sharded(own.parameter) or own.parameter.shape[0] % len(names):
        return {}
    size = own.parameter.shape[0] // len(names)
    return {name: slice(place * size, (place + 1) * size) for place, name in enumerate(names)}
