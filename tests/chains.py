"""Made frames for the figures of a slope over time, of a stall, of paths and of lags; each number has its place."""

import numpy as np
import pandas as pd

from gradflow.figures.stall_figure import LINKS, ordered


def degrees(family="plain"):
    """Return decades of two networks at four moments, for two measures."""
    rows = [
        {"family": name, "depth": 20, "measure": measure, "moment": moment, "steps": steps, "decades": value * scale}
        for name, scale in ((family, 1.0), ("residual", 0.2))
        for measure in ("out_grad_norm", "grad_norm")
        for moment, steps, value in (("end", "40", -2.0), ("0", "0", 3.0), ("10", "10", 0.5), ("2", "2", 1.0))
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(decades_low=frame["decades"] - 0.2, decades_high=frame["decades"] + 0.2, decades_n=3)


def links(family="plain", **given):
    """Return each link of two networks with an interval; `given` replaces columns."""
    names = sorted({name for link in LINKS for name in (link.filled, link.hollow) if name})
    frame = pd.DataFrame({"family": [family, "residual"], "depth": 56, "n": 3})
    for name in names:
        frame[name] = [0.5, 0.8]
        frame[f"{name}_low"], frame[f"{name}_high"] = frame[name] * 0.9, frame[name] * 1.1
    return ordered(frame.assign(**given))


def lengths():
    """Return paths of six blocks, each half as strong as one a block shorter."""
    length = np.arange(7)
    count = np.array([1, 6, 15, 20, 15, 6, 1])
    gradient = 0.5**length
    share = count * gradient / (count * gradient).sum()
    bounds = {"low": 0.9 * gradient, "high": 1.1 * gradient, "n": 20}
    return pd.DataFrame({"length": length, "paths": count, "gradient": gradient, **bounds, "share": share})


def lags(norm="batch"):
    """Return the autocorrelation of two families without and with a norm."""
    rows = [
        {"family": family, "norm": kind, "depth": depth, "lag": lag, "mean": 0.9**lag, "n": 5, "points": 64}
        for family in ("plain", "residual")
        for kind in ("", norm)
        for depth in (2, 10)
        for lag in range(16)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(low=frame["mean"] - 0.05, high=frame["mean"] + 0.05)


def layers_after():
    """Return the correlation of gradients at six places of two networks."""
    rows = [
        {"family": family, "depth": 20, "layers_after": place, "mean": base**place, "n": 3}
        for family, base in (("plain", 0.5), ("residual", 0.9))
        for place in range(6)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(low=frame["mean"] - 0.05, high=frame["mean"] + 0.05)


def errors(published):
    """Return the arguments of a live degradation of one network beside an entry of what was published of its test."""
    frame = pd.DataFrame(
        [{"family": "plain", "depth": 20, "seed": 0, "train_error": 0.1, "test_error": 0.2, "diverged": False}]
    )
    bounds = {f"{name}_{end}": np.nan for name in ("train_error", "test_error") for end in ("low", "high")}
    entry = {"family": "plain", "depth": 20, "error": 0.4, "source": "a paper", "kind": "published"}
    known = pd.DataFrame([{**entry, "measure": "test_error", **published}])
    return frame, frame.drop(columns="seed").assign(n=1, n_test=1, **bounds), known
