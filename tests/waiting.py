"""Waiting for what a busy machine takes longer for: until it is so, never for a fixed time."""

import time

LONGEST = 300.0  # seconds; a test that waits that long is stuck


def eventually(holds, pause=time.sleep):
    """Return what `holds` returns once it is true, or its last answer after the longest time."""
    until = time.monotonic() + LONGEST
    while not (found := holds()) and time.monotonic() < until:
        pause(0.02)
    return found
