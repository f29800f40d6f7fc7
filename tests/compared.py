"""Recordings of a comparison's networks with a factor per layer that is known."""

import numpy as np
import pandas as pd

from gradflow import Recording

PER_STAGE = 8


def network(family, factor, seed=0, depth=26, noise=0.0):
    """Return a CIFAR network's recording: three stages of 8 layers and a classifier, one factor in all."""
    depths = np.arange(1, 3 * PER_STAGE + 2)
    wiggle = np.exp(noise * np.random.default_rng(seed).standard_normal(len(depths)))
    layers = pd.DataFrame(
        {
            "step": 0,
            "layer": [f"conv{one}" for one in depths],
            "order": depths,
            "layer_depth": depths,
            "stage": (depths - 1) // PER_STAGE,
            "weighted": True,
            "out_grad_norm": factor ** -depths.astype(float) * wiggle,
        }
    )
    meta = {"experiment": "compare", "family": family, "depth": depth, "seed": seed}
    return Recording(layers=layers, meta={"run": f"{family}-{depth}-{seed}", **meta})
