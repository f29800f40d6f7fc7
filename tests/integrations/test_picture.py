"""The map of all layers: its colours say what was measured, and it stays small."""

import math

import numpy as np
import pandas as pd
import pytest

from gradflow.integrations.picture import HEAD, MARGIN, MAX_COLUMNS, MAX_HEIGHT, MAX_ROW, WIDTH, Picture


def profile(norms, n_nonfinite=0):
    names = [f"layer{number}" for number in range(len(norms))]
    return pd.DataFrame({"layer": names, "out_grad_norm": norms, "n_nonfinite": n_nonfinite, "weighted": True})


def cell(pixels, row, share=0.5):
    return tuple(pixels[HEAD + row * MAX_ROW + MAX_ROW // 2, MARGIN + int(WIDTH * share)].tolist())


def test_colours():
    picture = Picture()
    picture.add(0, profile([1e-4, 1.0, 0.0, math.nan, math.inf]), "out_grad_norm")
    pixels = picture.pixels()
    assert pixels.shape == (HEAD + 5 * MAX_ROW, MARGIN + WIDTH, 3)
    assert pixels.dtype == np.uint8
    found = [cell(pixels, row) for row in range(5)]
    assert found == [(68, 1, 84), (253, 231, 37), (0, 0, 0), (225, 225, 225), (214, 39, 40)]  # both ends of viridis


def test_a_gradient_that_arrived_with_nan_is_not_one_that_did_not():
    picture = Picture()
    picture.add(0, profile([1.0, math.nan], n_nonfinite=[0, 3]), "out_grad_norm")
    assert cell(picture.pixels(), 1) == (214, 39, 40)


def test_columns_are_in_order_of_steps_and_a_layer_may_come_later():
    picture = Picture()
    picture.add(0, profile([1e-2]), "out_grad_norm")
    picture.add(5, profile([1.0, 1e-2]), "out_grad_norm")
    pixels = picture.pixels()
    assert cell(pixels, 0, 0.25) == cell(pixels, 1, 0.75) != cell(pixels, 0, 0.75)
    assert cell(pixels, 1, 0.25) == (225, 225, 225)


@pytest.mark.parametrize("n_layers", [1, 100, 2000])
def test_it_stays_small_and_shows_the_last_flush(n_layers):
    picture = Picture()
    for step in range(1000):
        picture.add(step, profile([1.0] * n_layers if step < 999 else [0.0] * n_layers), "out_grad_norm")
    assert len(picture._columns) <= MAX_COLUMNS
    assert (picture._columns[0][0], picture._columns[-1][0]) == (0, 999)
    pixels = picture.pixels()
    assert pixels.shape[0] <= HEAD + max(MAX_HEIGHT, n_layers)
    assert tuple(pixels[-1, -1]) == (0, 0, 0)
