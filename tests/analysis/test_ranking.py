import math

import numpy as np
import pandas as pd
import pytest

from gradflow.analysis import ranking
from gradflow.analysis.contribution import removed
from gradflow.recording import Recording


def recording(grads, weights=None, **columns):
    layers = pd.DataFrame({"step": 0, "layer": [f"l{i}" for i in range(len(grads))], "grad_norm": grads})
    layers = layers.assign(
        order=layers.index, weighted=True, n_params=3, weight_norm=1.0 if weights is None else weights
    )
    return Recording(layers=layers.assign(**{"n_nonfinite": 0, **columns}))


def test_the_gravest_reason_comes_first():
    found = ranking(recording([1.0, 0.0, math.inf, math.nan, 100.0, 1.0]))
    assert found.layer.tolist() == ["l3", "l2", "l1", "l4", "l0", "l5"]
    assert found.reason.tolist() == ["no gradient", "not finite", "exactly zero", *["off the median"] * 3]
    assert found.decades_off.tolist()[3:] == [2.0, 0.0, 0.0]


def test_a_nan_gradient_that_arrived_is_not_finite():
    found = ranking(recording([1.0, math.nan], n_nonfinite=[0, 4]))
    assert found.reason.iloc[0] == "not finite"


def test_weights_are_divided_out():
    found = ranking(recording([1.0, 10.0, 5.0], weights=[2.0, 20.0, 0.0]))
    assert found.set_index("layer").grad_per_weight.tolist()[:2] == [0.5, 0.5]
    assert found.decades_off.dropna().tolist() == [0.0, 0.0]


def test_norms_are_compared_with_norms():
    found = ranking(recording([1.0, 1.0, 1e-3, 1e-3, 1e-5], weighted=[True, True, False, False, False]))
    assert found.layer.iloc[0] == "l4"
    assert found.decades_off.iloc[0] == pytest.approx(-2)
    assert np.allclose(found.decades_off.iloc[1:], 0)


def test_layers_without_parameters_are_left_out_and_calls_joined():
    layers = pd.DataFrame(
        {"step": 0, "layer": ["a", "a", "b"], "call": [0, 1, 0], "n_params": [2, 2, 0], "weight_norm": 1.0}
        | {"grad_norm": [2.0, math.nan, math.nan], "out_grad_norm": [3.0, 4.0, 1.0], "weighted": True}
    )
    found = ranking(Recording(layers=layers))
    assert found.layer.tolist() == ["a"]
    assert found.out_grad_norm.tolist() == [5.0]
    assert found.n_params.tolist() == [2]


def test_frozen_layers_do_not_crowd_those_that_are_trained():
    parameters = pd.DataFrame(
        {"step": 0, "layer": ["l0", "l0", "l1", "l1", "l2"], "parameter": ["weight", "bias"] * 2 + ["weight"]}
        | {"status": ["frozen", "frozen", "frozen", "no gradient", "measured"]}
    )
    one = recording([math.nan, math.nan, 1.0, math.nan], status=["measured", "measured", "measured", "frozen"])
    found = ranking(Recording(layers=one.layers, parameters=parameters))
    assert found.layer.tolist() == ["l1", "l2"]
    assert found.reason.tolist() == ["no gradient", "off the median"]
    assert ranking(one).layer.tolist() == ["l0", "l1", "l2"]  # an older recording does not tell more


def test_nothing_recorded_gives_no_rows():
    assert ranking(Recording()).empty
    assert ranking(recording([1.0]), step=7).empty


def test_an_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="as it is, without skips, without branches, plain twin; got 'plain'"):
        removed(recording([1.0]), "plain")
