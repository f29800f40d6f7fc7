"""On random networks, what autograd alone says and what `diagnose` says never contradict each other."""

import copy
import math

import pytest
from judge import decades, decades_of_calls, judge
from random_networks import RandomNet, batch
from said import found, keys, recorded
from torch.nn import functional

BLOCK, BLOCKS = 50, 20
LIMIT, MARGIN = 2.0, 0.5  # decades: the rule's threshold, and how far beyond it nothing may be silent
AGREE = 0.05


def ratios(judgement):
    """By the layer where the gradient ends: decades of paths, and of the calls of one layer."""
    paths = [(layer, ratio) for (layer, _), (_, ratio) in decades(judgement).items()]
    return [*paths, *decades_of_calls(judgement).items()]


def contradictions(seed):
    """What a judge would object to in the findings on one network."""
    model, (x, y) = RandomNet(seed), batch(seed)
    judgement = judge(copy.deepcopy(model), (x,), lambda outputs: functional.cross_entropy(outputs, y))
    findings = found(recorded(model, x, y, steps=2))
    said = [(one, one.values["decades"].mean) for one in findings if one.key in ("vanishing", "exploding")]
    true = ratios(judgement)
    for layer, ratio in true:
        if abs(ratio) < LIMIT + MARGIN:
            continue
        key = "vanishing" if ratio < 0 else "exploding"
        of_key = [(one, value) for one, value in said if one.key == key]
        if not of_key:
            yield f"{layer} has {ratio:.2f} decades, but {sorted(keys(findings))}"
    for one, value in said:
        near = [layer for layer, ratio in true if abs(ratio - value) < AGREE and abs(ratio) > LIMIT - AGREE]
        if one.values["when"] == "start" and not any(layer in str(one) for layer in near):
            yield f"{one}: the judge has {true}"
    for sign, key in ((-1, "vanishing"), (1, "exploding")):
        worst = max((sign * ratio for _, ratio in true), default=0.0)
        shown = max((sign * value for one, value in said if one.key == key), default=None)
        if shown is not None and worst > LIMIT + MARGIN and shown < worst - AGREE:
            yield f"{key} of {shown:.2f} decades is shown, but there are {worst:.2f}"
    for one in findings:
        if one.severity == "healthy" and any(abs(ratio) > LIMIT + AGREE for _, ratio in true):
            yield f"{one}: the judge has {true}"
        if one.key == "ends_not_measured" and len(judgement.outputs) > 1 and true:
            yield f"{one}: the judge has {true}"
    yield from parameter_contradictions(model, judgement, findings)


def parameter_contradictions(model, judgement, findings):
    """A parameter without gradient must be named or lie in a part of the network that is; nobody else may be."""
    missing = {name for name, norm in judgement.parameters.items() if not norm}
    of_sizes = ("vanishing", "exploding", "outputs_large")  # of whole networks, of which these gradients say nothing
    faults = [one for one in findings if one.severity in ("problem", "notice") and one.key not in of_sizes]
    if missing and not faults:
        yield f"{sorted(missing)} have no gradient, but {sorted(keys(findings))}"
    if not missing and faults:
        yield f"every parameter has a gradient, but {[str(one) for one in faults]}"
    for name, norm in judgement.parameters.items():
        layer = name.rpartition(".")[0]
        is_whole = all(other for key, other in judgement.parameters.items() if key.rpartition(".")[0] == layer)
        if norm and is_whole and any(name in str(one).replace(",", " ").split() for one in faults):
            yield f"{name} has a gradient of {norm:.3g}, but {[str(one) for one in faults]}"


@pytest.mark.parametrize(
    "block", [pytest.param(block, marks=() if block < 2 else (pytest.mark.slow,)) for block in range(BLOCKS)]
)
def test_judge_and_diagnose_never_contradict_each_other(block):
    objections = {
        seed: words for seed in range(block * BLOCK, (block + 1) * BLOCK) if (words := list(contradictions(seed)))
    }
    assert not objections, "\n".join(f"{seed}: {'; '.join(words)}" for seed, words in objections.items())


def test_the_networks_are_of_all_kinds():
    faults = {"", "weight", "both", "cut", "never called", "output dropped"}
    models = [RandomNet(seed) for seed in range(200)]
    assert {model.fault for model in models} == faults
    assert {len(model.towers) for model in models} == {1, 2, 3}
    assert any(tower.is_reused for model in models for tower in model.towers)
    assert any(model.pos is not None for model in models)
    assert math.isclose(
        sum(not next(model.towers[0].affine.parameters()).requires_grad for model in models) / 200, 0.2, abs_tol=0.1
    )
