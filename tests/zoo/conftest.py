"""The zoo needs torchvision, timm and transformers, which the core tests do without: GRADFLOW_ZOO=1 asks for it."""

import os
import sys
from pathlib import Path

collect_ignore_glob = [] if os.environ.get("GRADFLOW_ZOO") == "1" else ["test_*.py"]
sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks.zoo
