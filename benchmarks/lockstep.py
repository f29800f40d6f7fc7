"""Functions that go forward together, one at a time, and how long each has run."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch

Stepped = Callable[[Callable[[int], object]], object]
Times = tuple[float, float]  # wall and processor seconds


class Lockstep:
    """Runs functions in threads of which one runs at a time; each passes on whenever it calls its argument.

    Every turn lets each function that is not done run once, in a new random order.
    """

    def __init__(self, functions: Mapping[str, Stepped], seed: int) -> None:
        self._order = np.random.default_rng(seed)
        self._functions = functions
        self._go = {name: threading.Semaphore(0) for name in functions}
        self._back = threading.Semaphore(0)
        self._times: dict[str, list[Times]] = {name: [] for name in functions}
        self._done: set[str] = set()
        self._errors: list[BaseException] = []

    def run(self) -> dict[str, list[Times]]:
        """Run all of them to their end and return what each took, turn by turn."""
        threads = {name: threading.Thread(target=self._thread, args=(name,), daemon=True) for name in self._functions}
        for thread in threads.values():
            thread.start()
        while running := [name for name in threads if name not in self._done]:
            for name in self._order.permutation(running):
                self._go[name].release()
                self._back.acquire()
                if self._errors:
                    raise self._errors[0]
        return self._times

    def _thread(self, name: str) -> None:
        torch.set_num_threads(1)
        began = self._begin(name)

        def pass_on(step: int) -> None:
            nonlocal began
            self._add(name, began)
            self._back.release()
            began = self._begin(name)

        try:
            self._functions[name](pass_on)
        except BaseException as error:  # raised where run() was called
            self._errors.append(error)
        self._add(name, began)
        self._done.add(name)
        self._back.release()

    def _begin(self, name: str) -> Times:
        self._go[name].acquire()
        return time.perf_counter(), time.thread_time()

    def _add(self, name: str, began: Times) -> None:
        ended = (time.perf_counter(), time.thread_time())
        self._times[name].append((ended[0] - began[0], ended[1] - began[1]))


def timed(call: Callable[[], object]) -> Times:
    """Return what a call took, processes that it started and ended included."""
    began, cpu_began = time.perf_counter(), _cpu()
    call()
    return time.perf_counter() - began, _cpu() - cpu_began


def _cpu() -> float:
    """Return processor seconds of this process and of those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime
