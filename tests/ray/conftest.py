import os

import pytest


def pytest_collection_modifyitems(items):
    """Run these tests where Ray is installed and asked for: `GRADFLOW_RAY=1 pytest tests/ray`."""
    if not os.environ.get("GRADFLOW_RAY"):
        skip = pytest.mark.skip(reason="needs Ray and GRADFLOW_RAY=1")
        for item in items:
            if "tests/ray" in item.path.as_posix():
                item.add_marker(skip)
