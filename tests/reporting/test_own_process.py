"""A process of our own does without what it does not need, and another's is as it was afterwards."""

import gc
import subprocess
import sys

import pandas as pd

from gradflow.reporting.own_process import BESIDES, importing, lean

IMPORTS = """
import sys
from gradflow.reporting.own_process import BESIDES, lean
with lean():
    import seaborn
    assert seaborn.heatmap([[1.0]]).collections
print(*(name in sys.modules for name in BESIDES))
import scipy.stats
"""


def test_seaborn_comes_without_parts_of_scipy_which_can_be_imported_later():
    found = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False"] * len(BESIDES)


def test_garbage_is_looked_for_as_before():
    before = gc.get_threshold(), gc.get_freeze_count()
    with lean():
        assert gc.get_threshold()[0] > before[0][0]
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_no_garbage_is_looked_for_while_modules_are_imported():
    before = gc.get_freeze_count()
    with lean():
        frozen = gc.get_freeze_count()
        with importing():
            assert not gc.isenabled()
            made = [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= frozen + len(made)
    assert gc.get_freeze_count() == before


def test_words_are_strings_of_python_within_the_block_alone():
    def storage() -> str:
        return pd.Series(["a"]).dtype.storage

    outside = storage()
    with lean():
        assert storage() == "python"
    assert storage() == outside
