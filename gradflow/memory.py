"""How much memory there is, so that what cannot fit is refused before it is made."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

GIB = 2**30
_GROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # versions 2 and 1


def total_memory() -> float:
    """Return the bytes that this process may take: the machine's, its container's or its own limit; inf if unknown."""
    limits = [float("inf")]
    with suppress(AttributeError, OSError, ValueError):  # not on Windows
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in _GROUP_LIMITS:
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            limits.append(int(Path(file).read_text(encoding="ascii")))
    with suppress(ImportError):
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        limits += [] if soft == resource.RLIM_INFINITY else [soft]
    return min(limits)


def lack(needed: float) -> str:
    """Return how much memory something would need and how much there is, in words; nothing if that is enough.

    Examples
    --------
    >>> lack(8), lack(float("inf")).startswith("it needs inf GiB of memory; there are ")
    ('', True)
    """
    there = total_memory()
    if needed <= there:
        return ""
    return f"it needs {needed / GIB:,.0f} GiB of memory; there are {there / GIB:,.1f} GiB"
