"""Units that are off: how grave that is follows from when they went off, and from what lies behind them."""

import numpy as np
import pandas as pd
import pytest

from gradflow import Recording, diagnose
from gradflow.diagnosis.finding import Finding
from gradflow.diagnosis.ranking import ranked
from gradflow.diagnosis.seed_groups import Subject

FALLS, IS_HIGH = np.linspace(2.3, 0.2, 60), np.linspace(2.3, 1.4, 60)


@pytest.mark.parametrize(
    ("first", "loss", "severity"),
    [
        (0.5, IS_HIGH, ["problem"]),  # they went off in training
        (0.99, IS_HIGH, ["notice"]),  # they began so, and the loss falls
        (0.99, [2.3] * 60, ["problem"]),
        (0.5, FALLS, []),
    ],
)
def test_units_that_go_off_in_training_are_a_problem_where_the_loss_stays_high(first, loss, severity):
    layers = pd.DataFrame(
        {
            "step": range(60),
            "layer": "act",
            "kind": "ReLU",
            "in_grad": True,
            "order": 0,
            "act_zero_fraction": [first, *[0.99] * 59],
        }
    )
    run = Recording(layers=layers, steps=pd.DataFrame({"step": range(60), "loss": loss}), meta={"run": "mine"})
    assert [one.severity for one in diagnose(run) if one.key == "units_off"] == severity


def test_units_that_pass_little_on_are_as_grave_as_the_gradient_behind_them():
    mine, other = Subject("mine"), Subject("other")
    given = [Finding("units_saturated", "notice", mine), Finding("vanishing", "problem", mine),
             Finding("units_saturated", "notice", other)]  # fmt: skip
    found = ranked(given)
    assert [(one.key, one.severity, one.subject) for one in found] == [
        ("units_saturated", "problem", mine), ("vanishing", "problem", mine), ("units_saturated", "notice", other),
    ]  # fmt: skip
