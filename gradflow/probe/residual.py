"""The residual connections in one batch: found, measured, and taken away from the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from typing import Any

import pandas as pd
from torch import Tensor, nn

from gradflow.hooks.additions import Additions
from gradflow.hooks.calls import ModuleCalls
from gradflow.hooks.joins import Join, find_joins
from gradflow.hooks.shares import Shares, measure_shares
from gradflow.probe.batch import Batch
from gradflow.probe.counterfactual_pass import Counterfactuals, counterfactuals
from gradflow.probe.lesion import lesions
from gradflow.probe.loss import AnalysisError
from gradflow.recording import EVERY_JOIN, NO_JOIN, Recording
from gradflow.text import text

NEAREST = 3  # names that an error gives


class Residual:
    """What is known of the joins, step by step: `find`, `shares_measured`, `remove_shares`, `tables`, `with_lesions`.

    Of all `joins` that were found, shares and branches are removed of those `chosen`.
    """

    def __init__(
        self, calls: ModuleCalls | None, additions: Additions, removed: Counterfactuals, pattern: str = EVERY_JOIN
    ) -> None:
        self.joins: list[Join] = []
        self.chosen: list[Join] = []
        self._pattern = pattern
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
        self.chosen = _chosen(self.joins, self._pattern)

    @contextmanager
    def shares_measured(self) -> Iterator[None]:
        """Measure what comes back through skips and branches in the backward pass inside."""
        if not self.joins:
            yield
            return
        with measure_shares(self.joins) as self._shares:
            yield

    def remove_shares(self, loss: Tensor, wanted: Sequence[Tensor]) -> None:
        """Walk the graph again without the skips' and without the branches' share of the chosen joins."""
        if self.chosen:
            self._removed.measure(loss, self.chosen, wanted)

    def tables(self, layers: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Return the tables skips and probes of a recording."""
        if self._shares is None:
            return {}
        skips = self._shares.frame(self._additions.ratios(self.joins))
        skips = skips.assign(step=0, order=range(len(skips)))
        return {"skips": skips, "probes": self._removed.frame(layers)}

    def with_lesions(self, recording: Recording, model: nn.Module, compute_loss: Callable[[], Tensor]) -> Recording:
        """Return the recording with the change of the loss where the branches of a chosen join are left out.

        To be called with the model, and the random states, as they were before the forward pass.
        """
        if not self.chosen:
            return recording
        found = lesions(model, compute_loss, self.chosen, self._additions).set_index("join")
        join = recording.skips["join"]
        status = join.map(found["status"]).fillna("").astype("str")
        return recording.having(skips=recording.skips.assign(lesion=join.map(found["change"]), lesion_status=status))


def _chosen(joins: Sequence[Join], pattern: str) -> list[Join]:
    """Return the joins whose name a shell pattern matches."""
    found = [join for join in joins if fnmatchcase(join.name, pattern)]
    if found or pattern in (EVERY_JOIN, NO_JOIN):
        return found
    if not joins:
        raise AnalysisError(text("error.analyze.no_joins", value=repr(pattern)))
    names = sorted((join.name for join in joins), key=lambda name: _likeness(name, pattern), reverse=True)
    near = ", ".join(names[:NEAREST])
    raise AnalysisError(text("error.analyze.joins", n=len(joins), value=repr(pattern), names=near))


def _likeness(name: str, pattern: str) -> float:
    return SequenceMatcher(None, pattern, name).ratio()


@contextmanager
def residual(model: nn.Module, *, is_wanted: bool, pattern: str = EVERY_JOIN) -> Iterator[Residual]:
    """Make ready to measure the residual connections in the forward and backward pass inside, or to measure none.

    `pattern` chooses, by name, the joins whose shares and branches are removed.
    """
    if not is_wanted:
        yield Residual(None, Additions(), Counterfactuals())
        return
    with ExitStack() as stack:
        calls = stack.enter_context(ModuleCalls(model))
        yield Residual(calls, Additions(), stack.enter_context(counterfactuals(model)), pattern)
