import numpy as np
import pandas as pd
import pytest

from gradflow import Recording
from gradflow.analysis import distributions
from gradflow.analysis.distributions import MAX_STEPS
from gradflow.errors import GradflowError


def recording(rows, run="mine", **tables):
    """A recording of rows (step, layer, parameter, kind, low, high, count)."""
    columns = ["step", "layer", "parameter", "kind", "low", "high", "count"]
    return Recording(distributions=pd.DataFrame(rows, columns=columns), meta={"run": run}, **tables)


def test_parameters_of_a_layer_are_one_and_bins_are_halves_of_powers_of_two():
    inf, nan = np.inf, np.nan
    bins = [(-2.5, -2.0, 1), (-1.5, -1.25, 2), (0.0, 0.0, 4), (1.0, 1.25, 8), (1.25, 1.5, 16), (1.75, 2.0, 32)]
    odd = [(inf, inf, 3), (nan, nan, 2), (-inf, -inf, 1)]
    rows = [(0, "a", "weight", "gradient", *one) for one in bins + odd]
    rows += [(0, "a", "bias", "gradient", 1.0, 1.25, 59)]
    found = distributions(recording(rows))
    assert found[["low", "high"]].to_numpy().tolist() == [[1.0, 1.5], [1.5, 2.0], [2.0, 3.0]]
    assert (found[["negative", "positive"]] * 128).to_numpy().tolist() == [[2.0, 83.0], [0.0, 32.0], [1.0, 0.0]]
    assert (found["n"] == 128).all()
    assert (found["zeros"] * 128 == 4).all()
    assert (found["nonfinite"] == 6).all()


def test_bins_of_the_smallest_numbers_count():
    tiny = np.finfo(np.float32).tiny
    found = distributions(
        recording([(0, "a", "", "weight", 0.0, tiny / 4, 5), (0, "a", "", "weight", -tiny / 4, 0.0, 3)])
    )
    assert found[["negative", "positive", "zeros"]].to_numpy().tolist() == [[3 / 8, 5 / 8, 0.0]]


def test_a_layer_without_a_number_other_than_zero_has_a_row():
    found = distributions(recording([(0, "a", "", "weight", 0.0, 0.0, 5)]))
    assert found[["low", "high"]].isna().to_numpy().all()
    assert found[["zeros", "n"]].to_numpy().tolist() == [[1.0, 5.0]]


def test_layers_come_in_the_order_in_which_they_run_and_kinds_in_one():
    layers = pd.DataFrame(
        {"step": 0, "layer": ["b", "a"], "order": [0, 1], "weighted": [True, False], "n_params": [6, 0]}
    )
    rows = [(0, layer, "", kind, 1.0, 1.25, 1) for layer in ("z", "a", "b") for kind in ("activation", "gradient")]
    found = distributions(recording(rows, layers=layers))
    assert found["layer"].tolist() == ["b", "a", "z"] * 2
    assert found["kind"].tolist() == ["gradient"] * 3 + ["activation"] * 3
    assert found["weighted"].tolist()[:3] == [True, False, False]
    assert found["n_params"].tolist()[:3] == [6, 0, 0]


def test_few_steps_unless_others_are_asked_for():
    found = recording([(step, "a", "", "weight", 1.0, 1.25, 1) for step in range(40)])
    few = distributions(found).step.unique().tolist()
    assert len(few) == MAX_STEPS
    assert few[:3] == [0, 1, 10] or {0, 1, 10, 39} <= set(few)
    assert distributions(found, steps="recorded").step.unique().tolist() == list(range(40))
    assert distributions(found, steps=[7]).step.unique().tolist() == [7]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layers": ["b"]}, "there are no distributions of layer 'b'; there are of a."),
        ({"kind": "activation"}, "there are no distributions of kind 'activation'; there are of weight."),
        ({"steps": [3]}, "there are no distributions of step 3; there are of 0."),
    ],
)
def test_what_is_not_there_is_said_in_one_line(asked, said):
    with pytest.raises(GradflowError) as error:
        distributions(recording([(0, "a", "", "weight", 1.0, 1.25, 1)]), **asked)
    assert str(error.value) == said


def test_recordings_without_distributions_have_no_row():
    assert distributions([]).empty
    assert distributions(Recording(meta={"run": "old"})).empty
    assert "positive" in distributions([])


def test_bins_that_are_none_count_as_not_finite():
    rows = [(0, "a", "", "weight", *ends, 1) for ends in ((2.0, 1.0), (-1.0, 1.0), (1.0, np.nan))]
    found = distributions(recording([*rows, (0, "a", "", "nonsense", 1.0, 2.0, 1)]))
    assert found[["nonfinite", "n"]].to_numpy().tolist() == [[3, 3]]


def test_the_largest_numbers_have_a_bin_with_an_end():
    largest = np.finfo(np.float64).max
    found = distributions(recording([(0, "a", "", "weight", 0.9 * largest, np.inf, 2)]))
    assert found[["high", "positive"]].to_numpy().tolist() == [[largest, 1.0]]
