"""What a process of our own, which makes a report and ends, can do without: no user's process is changed so."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Which seaborn imports where they are, for density and cluster plots: most of the half second that its import takes.
BESIDES = ("scipy.stats", "scipy.cluster")
OBJECTS = 20_000  # made between two looks for garbage; Python's own 700 take a tenth of a report's time


@contextmanager
def lean() -> Iterator[None]:
    """Within the block seaborn is imported without parts of SciPy that no heat map needs, and garbage is left longer.

    What was imported before is not looked through for garbage. seaborn does without SciPy from then on. Columns of
    words are Python's strings, a tenth of a report's time quicker than Arrow's in tables as small as a report's.
    """
    missing = [name for name in BESIDES if name not in sys.modules]
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type]  # None: Python takes it that there is none
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(OBJECTS)
    try:
        with importing():
            import pandas as pd

        with pd.option_context("mode.string_storage", "python"):
            yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        for name in missing:
            del sys.modules[name]


@contextmanager
def importing() -> Iterator[None]:
    """Within the block no garbage is looked for, and what it makes is not looked through until `lean` ends.

    Nearly all that imports make stays: to look through it takes a tenth of their time.
    """
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if is_enabled:
            gc.enable()
