import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

import gradflow
from gradflow.analysis import clipping
from gradflow.recording import Recording


def recorded(before, after):
    steps = pd.DataFrame({"step": range(len(before)), "unclipped_grad_norm": before, "total_grad_norm": after})
    return Recording(steps=steps, meta={"run": "mine"})


def test_steps_where_clipping_binds_are_those_above_the_bound():
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = []
    with gradflow.record(model, optimizer=optimizer) as recorder:
        for step in range(12):
            optimizer.zero_grad()
            (model(torch.full((3, 4), 0.1 * (step + 1))) * (step % 3)).sum().backward()
            recorder.step()
            before.append(nn.utils.clip_grad_norm_(model.parameters(), 2.0).item())
            optimizer.step()
    found = clipping(recorder.recording).iloc[0]
    bound = [norm for norm in before if norm > 2.0]
    assert 0 < len(bound) < 12
    assert (found.n, found.n_bound) == (12, len(bound))
    assert found.kept == pytest.approx(np.median([2.0 / norm for norm in bound]), rel=1e-4)
    assert found.step == max(step for step, norm in enumerate(before) if norm > 2.0)
    interval = stats.binomtest(len(bound), 12).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_rounding_does_not_bind_and_infinity_does():
    found = clipping(recorded([1.0, math.inf, math.nan, 3.0], [1.0 - 1e-7, 0.0, 1.0, 3.0])).iloc[0]
    assert (found.n, found.n_bound) == (3, 1)


def test_runs_without_both_norms_have_no_row():
    plain = Recording(steps=pd.DataFrame({"step": [0], "total_grad_norm": [1.0]}), meta={"run": "other"})
    assert clipping(plain).empty
    assert clipping([plain, recorded([1.0], [0.5])]).run.tolist() == ["mine"]


def test_the_report_says_how_often(tmp_path):
    page = gradflow.report([recorded([1.0, 4.0], [1.0, 1.0])], tmp_path)
    html = page.read_text()
    assert "how often it binds" in html
    assert "1 / 2" in html
