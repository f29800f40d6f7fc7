"""Who draws a report's figures: this process and, where there is more than one processor, one more beside it."""

from __future__ import annotations

import json
import pickle
import subprocess
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import matplotlib as mpl

from gradflow.reporting.drawing import Drawn, Job, drawn
from gradflow.reporting.second_process import second_process
from gradflow.storage import for_children
from gradflow.text import current_language


class Ticket:
    """A figure that is drawn, or will be: `result` is there once the pool has finished."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.result: Drawn | None = None

    def draw(self) -> None:
        """Draw the figure here and now."""
        self.result = drawn(self.job)


class RenderPool:
    """Figures asked for, drawn by a second process while this one goes on, and by this one in the end.

    The second process begins with the last that was asked for, this one with the first. On the page of one run the heat
    maps, for which this one would import seaborn with all of SciPy's statistics, are among the last.

    What the second process cannot draw, because it ended or for whatever it says, is drawn here, where an error is
    raised as if there were no second one.
    """

    def __init__(self, process: subprocess.Popen[bytes] | None = None) -> None:
        self._waiting: deque[Ticket] = deque()
        self._came = threading.Semaphore(0)
        self._ends = False
        self._warned: list[str] = []
        self._process = process
        self._language = current_language()
        self._thread = threading.Thread(target=self._hand_over, daemon=True) if self._process else None
        if self._thread is not None:
            self._thread.start()

    def ask(self, job: Job) -> Ticket:
        """Return a ticket for a figure, which is drawn at once if there is no second process."""
        ticket = Ticket(job)
        if self._process is None:
            ticket.draw()
        else:
            self._waiting.append(ticket)
            self._came.release()
        return ticket

    def finish(self) -> None:
        """Draw what nobody has begun, wait for the rest, and say what the second process warned of."""
        self._draw_waiting()
        self._ends = True
        self._came.release()
        if self._thread is not None:
            self._thread.join()
        self._draw_waiting()  # what the second process gave back
        for message in self._warned:
            warnings.warn(message, stacklevel=2)

    def close(self) -> None:
        """Give nothing more to the second process."""
        self._ends = True
        self._waiting.clear()
        self._came.release()

    def _draw_waiting(self) -> None:
        while True:
            try:
                ticket = self._waiting.popleft()
            except IndexError:
                return
            ticket.draw()

    def _hand_over(self) -> None:
        """Give figure by figure to the second process, until all are drawn or it fails."""
        while True:
            self._came.acquire()
            try:
                ticket = self._waiting.pop()
            except IndexError:
                if self._ends:
                    return
                continue
            try:
                answer = self._answer(ticket.job)
                ticket.result = Drawn(*answer["drawn"])
                self._warned += answer["warned"]
            except (OSError, ValueError, KeyError, TypeError, AttributeError, pickle.PicklingError):
                self._waiting.append(ticket)
                return

    def _answer(self, job: Job) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # To a process of our own; what comes back, as all that is read from elsewhere, is no pickle.
        sent = job._replace(folder=for_children(job.folder)), self._language, _own_settings()
        pickle.dump(sent, self._process.stdin)
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


_CURRENT: ContextVar[RenderPool | None] = ContextVar("render_pool", default=None)


@contextmanager
def render_pool(*, is_alone: bool = False) -> Iterator[RenderPool]:
    """Let figures be asked for inside the block; unless `is_alone`, a second process helps on a second processor."""
    with nullcontext() if is_alone else second_process() as process:
        found = RenderPool(process)
        before = _CURRENT.set(found)
        try:
            yield found
        finally:
            _CURRENT.reset(before)
            found.close()


def ask(job: Job) -> Ticket:
    """Return a ticket from the block's pool; without a block the figure is drawn at once."""
    current = _CURRENT.get()
    if current is not None:
        return current.ask(job)
    ticket = Ticket(job)
    ticket.draw()
    return ticket


def _own_settings() -> dict[str, Any]:
    """Return what of matplotlib's settings this process has changed."""
    default = mpl.rcParamsDefault
    return {name: value for name, value in mpl.rcParams.items() if value != default[name] and name != "backend"}
