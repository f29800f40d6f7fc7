import json
import math

import pytest
import torch
from torch.optim import lr_scheduler

from gradflow.experiments.recipe import Recipe
from gradflow.experiments.schedules import LOOK_EVERY, LearningRate


def rates(recipe):
    rate = LearningRate(recipe)
    return [rate.at(step) for step in range(recipe.steps + 1)]


def rates_of(lr, make, steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize(
    ("recipe", "make"),
    [
        ({"schedule": "cosine"}, lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=97)),
        ({"schedule": "step"}, lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [49, 73], gamma=0.1)),
        (
            {"schedule": "multistep", "milestones": (3, 40, 96)},
            lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [3, 40, 96], gamma=0.1),
        ),
        ({"schedule": "constant"}, lambda optimizer: lr_scheduler.ConstantLR(optimizer, factor=1.0)),
        (
            {"schedule": "constant", "warmup": 10},
            lambda optimizer: lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=9),
        ),
    ],
    ids=["cosine", "step", "multistep", "constant", "warmup"],
)
def test_every_update_has_the_rate_of_torchs_scheduler(recipe, make):
    assert rates(Recipe(steps=97, lr=0.3, **recipe)) == pytest.approx(rates_of(0.3, make, 97), rel=1e-12, abs=1e-15)


def test_warmup_scales_the_schedule():
    cosine, warm = rates(Recipe(steps=50, schedule="cosine")), rates(Recipe(steps=50, schedule="cosine", warmup=5))
    shares = [found / full for found, full in zip(warm[:8], cosine[:8], strict=True)]
    assert shares == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1])


def followed(errors, *, until=0.8, state_at=None):
    """The rates before each of some batches, and after the last; at one of them a second object takes over."""
    recipe = Recipe(steps=1000, lr=0.1, schedule="constant", warmup_until=until)
    rate, found = LearningRate(recipe), []
    for step, error in enumerate(errors):
        if step == state_at:
            state = json.loads(json.dumps(rate.state_dict()))
            rate = LearningRate(recipe)
            rate.load_state_dict(state)
        found.append(rate.at(step))
        rate.observe(torch.tensor(error))
    return [*found, rate.at(len(errors))]


def test_the_rate_is_a_tenth_until_the_mean_of_twenty_errors_is_below_the_fraction():
    errors = [0.9] * LOOK_EVERY + [0.1] * (LOOK_EVERY // 2) + [0.9] * (LOOK_EVERY // 2) + [1.0] * 100
    found = followed(errors)
    low = [0.01] * (2 * LOOK_EVERY)  # mean 0.5 is seen after the second twenty, and the rate stays up after that
    assert found == pytest.approx(low + [0.1] * (len(errors) + 1 - len(low)))


def test_an_error_that_equals_the_fraction_is_not_below_it():
    assert followed([0.5] * 50, until=0.5)[-1] == pytest.approx(0.01)
    assert followed([0.5] * 50, until=0.51)[-1] == pytest.approx(0.1)


@pytest.mark.parametrize("at", [1, 7, LOOK_EVERY, LOOK_EVERY + 1, 2 * LOOK_EVERY])
def test_the_state_goes_on_where_it_was_taken(at):
    errors = [0.8 + 0.1 * math.cos(step) - step / 300 for step in range(3 * LOOK_EVERY)]
    assert followed(errors, state_at=at) == followed(errors)
    assert len(set(followed(errors))) == 2


def test_without_warmup_until_no_error_is_kept():
    rate = LearningRate(Recipe())
    rate.observe(torch.tensor(0.5))
    assert rate.state_dict() == {"is_low": False, "errors": []}
