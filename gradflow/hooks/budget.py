"""A schedule that keeps a promise: recording takes no more than a stated share of the time of training."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gradflow.hooks.schedule import Schedule

N_FIRST = 5  # steps that are not recorded, before the price of one that is can be told
N_ENOUGH = 50  # steps before the promise is given up
N_BESIDE = 4  # steps before a recorded one that are timed for it to be compared with
WINDOW = 65  # steps of either kind whose median is their time
HIDDEN = 2.0  # times its own clock's seconds that a step costs which is not recorded: 12 us for 6, of an MLP
MOST = 3.0  # times its own clock's seconds a recorded step costs: beyond that something else took place beside it
CONTROL = 16  # the last two steps in so many are never recorded, so that there is something to compare with


def checked_share(share: Any) -> float:
    """Return a share of the training time as a float, or raise ValueError."""
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise ValueError(f"overhead must be a share of the training time, above 0 and at most 1; got {share!r}.")
    return float(share)


class Budget:
    """Says which steps are recorded, so that recording stays within a share of the time that training takes without.

    What a recorded step costs is the difference of two medians, of the last steps that were recorded and of those
    before them that were not, within bounds that the recorder's own clock sets. The step after it costs something
    too: caches are to be filled again. What is done for many steps at once, as writing them, is paid when it is
    done. A step is recorded once its price has been saved up. Steps 0, 1, 10, 100 and the further powers of ten are
    recorded always, and paid for like the others.

    Parameters
    ----------
    share : float
        Of the time of a step without a recorder, above 0 and at most 1.
    schedule : callable
        The steps that may be recorded beside those.
    warn : callable
        Is told where the promise cannot be kept.
    clock : callable
        Seconds.

    Attributes
    ----------
    watches_from : float
        The next step of which `end_step` is to be told; the others before it leave no time to do more than count them.
    """

    def __init__(
        self,
        share: float,
        schedule: Schedule,
        warn: Callable[[str], object],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.share = share
        self.watches_from = 0.0
        self._schedule = schedule
        self._warn = warn
        self._clock = clock
        self._recorded: deque[float] = deque(maxlen=WINDOW)  # seconds of steps, without what is paid apart
        self._own: deque[float] = deque(maxlen=WINDOW)  # seconds of them in the recorder, by its own clock
        self._after: deque[float] = deque(maxlen=WINDOW)  # seconds of the steps that follow one, less their own
        self._bare: deque[float] = deque(maxlen=WINDOW)  # the same of other steps
        self._idle: deque[float] = deque(maxlen=WINDOW)  # seconds of them in the recorder
        self._last: tuple[int, float] | None = None  # the step that was told of last, and when it ended
        self._paid_until = -1  # the last step that has been paid for
        self._n_recorded = self._n_after = self._n_idle = 0  # told of since
        self._was_recorded = False  # the step before
        self._own_idle = 0.0  # of those of them that were not recorded
        self._saved = self._spent = self._trained = 0.0  # seconds
        self._watches_later = 0.0  # from which step on, when the one after a recorded one has been told of
        self._next = math.inf  # the step at which the price of another one will have been saved up
        self._pause = 1  # steps in which the price of one is saved up
        self._fixed = 0  # the next step that is recorded whatever it costs

    def __call__(self, step: int) -> bool:
        """Whether this step is recorded; to be asked of each step in turn."""
        if step >= self._fixed:
            while self._fixed <= step:
                self._fixed = self._fixed * 10 or 1
            return self._fixed == step * 10 or step < 2
        if not self._recorded:  # after a resume: one, for its price to be known
            return len(self._bare) >= N_FIRST and bool(self._schedule(step))
        if step < self._next or step % CONTROL >= CONTROL - 2 or not self._schedule(step):
            return False
        self._next = step + self._pause  # until the step has been paid for
        return True

    def end_step(self, step: int, *, is_recorded: bool, own: float, apart: float = 0.0) -> None:
        """Note that a step has ended.

        Parameters
        ----------
        step : int
        is_recorded : bool
        own : float
            Seconds of it in the recorder, `apart` not among them.
        apart : float
            Seconds in which the recorder did something for many steps at once since the last call.
        """
        now = self._clock()
        if self._last is None:  # when it began is not known, and it is like no other
            self._pay(own + apart)
            self._paid_until = step
        else:
            self._pay(apart)
            self._count(own, is_recorded=is_recorded)
            before, ended = self._last
            if before == step - 1:
                self._time(now - ended - apart, own, is_recorded=is_recorded)
            if len(self._bare) >= N_FIRST and self._recorded and (is_recorded or not self._trained):
                self._plan(step)
        self._was_recorded = is_recorded
        end = self._clock()
        self._pay(end - now)
        self._last = step, end

    def _count(self, own: float, *, is_recorded: bool) -> None:
        if is_recorded:
            self._n_recorded += 1
        else:
            self._n_idle += 1
            self._own_idle += own
            if self._was_recorded:
                self._n_after += 1
                self.watches_from = self._watches_later

    def _time(self, seconds: float, own: float, *, is_recorded: bool) -> None:
        if is_recorded:
            self._recorded.append(seconds)
            self._own.append(own)
        elif self._was_recorded:
            self._after.append(seconds - own)
        else:
            self._bare.append(seconds - own)
            self._idle.append(own)

    def _plan(self, step: int) -> None:
        """Save for the steps up to this one and pay for them, and tell when another one will be recorded."""
        bare, idle = statistics.median(self._bare), HIDDEN * statistics.median(self._idle)
        own = statistics.median(self._own)
        price = min(max(statistics.median(self._recorded) - bare, own), MOST * own)
        after = min(max(statistics.median(self._after) - bare, 0.0), own) if self._after else 0.0
        n_steps, self._paid_until = step - self._paid_until, step
        self._trained += n_steps * bare
        self._saved += n_steps * self.share * bare
        n_untold = n_steps - self._n_recorded - self._n_idle
        self._pay(self._n_recorded * price + self._n_after * after + HIDDEN * self._own_idle + n_untold * idle)
        self._n_recorded = self._n_after = self._n_idle = 0
        self._own_idle = 0.0
        price += after
        gain = self.share * bare - idle
        if gain > 0:
            self._pause = max(int(price / gain), 1)
            self._next = step + 1 + max(math.ceil((price - self._saved) / gain), 0)
            self._watches_later = min(self._next, self._fixed) - N_BESIDE
            self.watches_from = step + 1
        elif step >= N_ENOUGH and self.watches_from < math.inf:
            self._next = self.watches_from = math.inf
            self._warn(
                f"steps of {1e3 * bare:.2g} ms are too short for overhead={self.share:g}: the calls alone take "
                f"{1e3 * idle:.2g} ms. From here on steps 100, 1,000, 10,000 and so on are recorded."
            )

    def _pay(self, seconds: float) -> None:
        self._spent += seconds
        self._saved -= seconds

    def described(self) -> dict[str, Any]:
        """Return what was promised and what it came to, as JSON values: shares of the time of training."""
        return {"promised": self.share, **({"spent": self._spent / self._trained} if self._trained else {})}
