"""The process that draws figures beside the one that asks for them: jobs in, one line of JSON a figure out."""

from __future__ import annotations

import json
import os
import pickle
import sys
import warnings

from gradflow.reporting.own_process import importing, lean
from gradflow.text import language


def main() -> None:
    """Draw each job of standard input, until it ends; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with lean():
        with importing():
            import matplotlib as mpl

            from gradflow.plots.fonts import FontWarning
            from gradflow.reporting.drawing import drawn

        while True:
            try:
                job, spoken, settings = pickle.load(sys.stdin.buffer)  # from the process that started this one
            except EOFError:
                return
            with language(spoken), warnings.catch_warnings(record=True) as caught, mpl.rc_context(settings):
                warnings.simplefilter("always")
                warnings.simplefilter("ignore", FontWarning)  # the asking process says it
                found = drawn(job)
            answer = {"drawn": found, "warned": [str(warning.message) for warning in caught]}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
