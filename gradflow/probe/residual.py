"""The residual connections in one batch: found, measured, and taken away from the backward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import pandas as pd
from torch import Tensor, nn

from gradflow.hooks.additions import Additions
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.joins import Join, find_joins
from gradflow.hooks.shares import Shares, measure_shares
from gradflow.probe.batch import Batch
from gradflow.probe.loss import AnalysisError
from gradflow.probe.without import Counterfactuals, counterfactuals


class Residual:
    """What is known of the joins, step by step: `find`, `shares_measured`, `remove_shares`, `tables`."""

    def __init__(self, calls: ModuleCalls | None, additions: Additions, removed: Counterfactuals) -> None:
        self.joins: list[Join] = []
        self._additions = additions
        self._calls = calls
        self._removed = removed
        self._shares: Shares | None = None

    @contextmanager
    def forward_watched(self) -> Iterator[None]:
        """Measure the operands of additions in the forward pass inside."""
        with self._additions if self._calls is not None else nullcontext():
            yield

    def find(self, outputs: Any, batch: Batch) -> None:
        """Find the joins, between the forward and the backward pass."""
        if self._calls is None:
            return
        try:
            self.joins = find_joins(outputs, batch.leaves, self._calls)
        except Exception as error:
            raise AnalysisError(
                f"the residual connections could not be found ({type(error).__name__}: {error}); pass skips=False to "
                "leave them out."
            ) from error

    @contextmanager
    def shares_measured(self) -> Iterator[None]:
        """Measure what comes back through skips and branches in the backward pass inside."""
        if not self.joins:
            yield
            return
        with measure_shares(self.joins) as self._shares:
            yield

    def remove_shares(self, loss: Tensor, wanted: Sequence[Tensor]) -> None:
        """Walk the graph again without the skips' and without the branches' share."""
        if self.joins:
            self._removed.measure(loss, self.joins, wanted)

    def tables(self, layers: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Return the tables skips and probes of a recording."""
        if self._shares is None:
            return {}
        skips = self._shares.frame(self._additions.ratios(self.joins))
        skips = skips.assign(step=0, order=range(len(skips)))
        return {"skips": skips, "probes": self._removed.frame(layers)}


@contextmanager
def residual(model: nn.Module, *, is_wanted: bool) -> Iterator[Residual]:
    """Make ready to measure the residual connections in the forward and backward pass inside, or to measure none."""
    if not is_wanted:
        yield Residual(None, Additions(), Counterfactuals())
        return
    with ExitStack() as stack:
        calls = stack.enter_context(ModuleCalls(model))
        yield Residual(calls, Additions(), stack.enter_context(counterfactuals(model)))
