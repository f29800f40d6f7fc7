import os
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
import torch

mpl.use("Agg")
for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(name, None)  # what whoever runs the tests has their terminal do
sys.path.insert(0, str(Path(__file__).parent))  # tests/oracles.py


@pytest.fixture(autouse=True)
def _no_second_process_draws(monkeypatch):
    """The processor that it would take is another test's."""
    if "gradflow.reporting.second_process" in sys.modules:
        monkeypatch.setattr("gradflow.reporting.second_process._processors", lambda: 1)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)
