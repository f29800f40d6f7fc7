"""What a network computes, read from meta: whatever stands there, the rules go on."""

import copy

import pytest

from gradflow.diagnosis.places import line_of, placed
from gradflow.diagnosis.recorded_structure import structure
from gradflow.diagnosis.rules import (
    after_addition,
    first_update,
    init_gain,
    inputs,
    norm_place,
    output_range,
    skip_shape,
)
from gradflow.diagnosis.seed_groups import cases
from gradflow.recording import Recording

ROWS = [
    {"kind": "input", "name": "AccumulateGrad", "module": "", "type": "", "reads": [], "shape": [8, 3, 8, 8]},
    {"kind": "map", "name": "Convolution", "module": "conv", "type": "Conv2d", "reads": [0], "shape": [8, 4, 8, 8],
     "inputs": 3, "outputs": 4, "groups": 1, "fan_in": 27, "bias": True, "weight_variance": 0.1, "bias_variance": 0.0,
     "file": "nets.py", "line": 7, "code": "x = self.conv(x)"},
    {"kind": "batch norm", "name": "NativeBatchNorm", "module": "bn", "type": "BatchNorm2d", "reads": [1],
     "shape": [8, 4, 8, 8]},
    {"kind": "batch norm", "name": "NativeBatchNorm", "module": "bn2", "type": "BatchNorm2d", "reads": [2],
     "shape": [8, 4, 8, 8]},
    {"kind": "addition", "name": "Add", "module": "", "type": "", "reads": [3, 1], "shape": [8, 4, 8, 8]},
]  # fmt: skip
JOINS = [{"name": "block", "kind": "projection", "fork": 0, "adds": 4, "skip": 1, "branches": [3]}]
JUNK = [None, -1, 5, 1e308, float("nan"), "x", [], [None], [5], [-1], {"a": 1}, True]


def recorded(rows, joins=JOINS):
    return Recording(meta={"before_training": True, "structure": {"operations": rows, "joins": joins}})


RULES = (after_addition, first_update, init_gain, inputs, norm_place, output_range, skip_shape)


def found_in(recording):
    findings = [placed(one, [recording]) for rule in RULES for one in rule.find(cases(recording))]
    return [(str(one), one.change, line_of(one)) and one for one in findings]


def keys(recording):
    return {one.key for one in found_in(recording)}


def test_operations_know_their_readers_and_what_lies_between():
    found = structure(recorded(ROWS))
    assert [one.number for one in found.readers[1]] == [2, 4]
    assert found.between(3, 0) == {1, 2, 3}
    assert found.between(1, 2) == set()
    assert found.operations[1].place == {"file": "nets.py", "line": 7, "code": "x = self.conv(x)"}


def test_rules_read_it():
    assert keys(recorded(ROWS)) == {"norm_twice"}  # the convolution's bias is read by the addition too
    without = copy.deepcopy(ROWS)
    without[4]["reads"] = [3]
    assert keys(recorded(without, [])) == {"norm_twice", "bias_before_norm"}


@pytest.mark.parametrize("name", [*ROWS[1], "nothing"])
def test_any_value_of_an_operation_is_read(name):
    for value in JUNK:
        for number in range(len(ROWS)):
            rows = copy.deepcopy(ROWS)
            rows[number][name] = value
            found_in(recorded(rows))


@pytest.mark.parametrize("name", [*JOINS[0], "nothing"])
def test_any_value_of_a_join_is_read(name):
    for value in JUNK:
        found_in(recorded(ROWS, [{**JOINS[0], name: value}]))


@pytest.mark.parametrize(
    "key", ["structure", "shape_clash", "first_update", "entrances", "constructors", "targets", "mode"]
)
def test_any_value_of_a_description_is_read(key):
    values = {"lr": 0.1, "before": 1.0, "after": 99.0, "module": "m", "skip": "1", "branch": "2", "operations": [None]}
    for value in [*JUNK, values, *({**values, name: one} for name in values for one in JUNK)]:
        recording = recorded(ROWS)
        recording.meta[key] = value
        found_in(recording)


def test_operations_that_are_no_table_are_none():
    assert structure(Recording(meta={"structure": {"operations": "x"}})) is None
    assert structure(Recording()) is None
