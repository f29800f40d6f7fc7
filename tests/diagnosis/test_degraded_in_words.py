"""A difference that every seed shows and the interval does not settle is said to be unsure."""

import pandas as pd
import pytest

from gradflow import Recording
from gradflow.diagnosis import diagnose


def net(depth, seed, error):
    steps = pd.DataFrame({"step": [0, 5], "loss": [2.0, 1.0], "train_error": [None, error]})
    meta = {"run": f"plain-{depth}-{seed}", "family": "plain", "depth": depth, "seed": seed}
    return Recording(steps=steps, meta=meta)


@pytest.mark.parametrize(
    ("deep", "severity", "is_unsure"), [((0.12, 0.5), "notice", True), ((0.5, 0.51), "problem", False)]
)
def test_every_seed_may_agree_where_the_interval_includes_zero(deep, severity, is_unsure):
    runs = [net(8, seed, 0.1) for seed in (0, 1)] + [net(14, seed, error) for seed, error in enumerate(deep)]
    (found,) = [one for one in diagnose(runs) if one.key == "degraded"]
    assert found.severity == severity
    assert ("the interval includes zero" in str(found)) == is_unsure
    assert (found.values["difference"].low <= 0) == is_unsure
