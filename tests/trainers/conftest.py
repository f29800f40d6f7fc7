"""Trainers and trackers are optional, and the core tests do without them: GRADFLOW_TRAINERS=1 asks for these."""

import os
import sys
from pathlib import Path

IS_WANTED = os.environ.get("GRADFLOW_TRAINERS") == "1"
collect_ignore_glob = [] if IS_WANTED else ["test_*.py"]
sys.path.insert(0, str(Path(__file__).parent))  # steps.py


def pytest_configure(config):
    if IS_WANTED:  # the trainers warn of much that is theirs
        config.addinivalue_line("filterwarnings", "ignore")
        config.addinivalue_line("filterwarnings", "error::gradflow.hooks.failures.GradflowWarning")
        config.addinivalue_line("filterwarnings", "error::gradflow.recording.RecordingWarning")
