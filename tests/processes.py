"""Commands as processes of their own, and the worker processes that they start."""

import os
import signal
import subprocess
import sys


def start(*arguments, cwd):
    """Start `gradflow` with arguments, its output in pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "gradflow", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        # A test run started in the background ignores SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def workers_of(folder):
    """Return the numbers of the worker processes that are at work below a folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as stream:
                    line = stream.read().decode()
            except OSError:
                continue
            if "gradflow.experiments.worker" in line and str(folder) in line:
                found.append(int(entry))
    return found
