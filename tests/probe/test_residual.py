"""Residual connections in one batch, against networks written out by hand."""

import copy
import math

import pytest
import torch
from oracles import hook_counts, norm64, output_gradients
from torch import nn
from torch.nn import functional

from gradflow.probe import AnalysisError, analyze_gradients

INPUTS = torch.linspace(-1, 1, 20).reshape(5, 4)
CLASSES = torch.tensor([0, 2, 1, 0, 2])


class Block(nn.Module):
    """x + F(x), of which either operand can be cut out of the backward pass by hand."""

    def __init__(self, *, projects=False, cut=""):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
        self.project = nn.Linear(6, 6) if projects else nn.Identity()
        self.cut = cut

    def forward(self, x):
        branch = self.inner(x.detach() if self.cut == "branches" else x)
        return self.project(x.detach() if self.cut == "skips" else x) + branch


def network(cut=""):
    torch.manual_seed(0)
    blocks = [Block(cut=cut), Block(projects=True, cut=cut), Block(cut=cut)]
    return nn.Sequential(nn.Linear(4, 6), *blocks, nn.Tanh(), nn.Linear(6, 3))


def loss_of(outputs):
    return functional.cross_entropy(outputs, CLASSES)


def test_every_join_with_its_names():
    skips = analyze_gradients(network(), INPUTS, CLASSES).skips
    assert skips[["join", "fork"]].values.tolist() == [["1", "0"], ["2", "1"], ["3", "2"]]
    assert skips.kind.tolist() == ["identity", "projection", "identity"]
    assert skips.order.tolist() == [0, 1, 2]
    assert set(skips.status) == {"measured"}


@pytest.mark.parametrize("place", [1, 2, 3])
def test_shares_are_those_of_autograd(place):
    model = network()
    with torch.no_grad():
        fork = model[:place](INPUTS)
    skip, branch = fork.clone().requires_grad_(), fork.clone().requires_grad_()
    block = model[place]
    ahead = block.project(skip) + block.inner(branch)
    loss_of(model[place + 1 :](ahead)).backward()
    s, b = skip.grad.double(), branch.grad.double()
    total = (s + b).square().sum()
    row = analyze_gradients(model, INPUTS, CLASSES).skips.iloc[place - 1]
    assert row.grad_norm == pytest.approx(total.sqrt().item(), rel=1e-6)
    assert row.skip_sq == pytest.approx((s.square().sum() / total).item(), rel=1e-5)
    assert row.branch_sq == pytest.approx((b.square().sum() / total).item(), rel=1e-5)
    assert row.cross == pytest.approx((2 * (s * b).sum() / total).item(), rel=1e-5)
    assert row.skip_share == pytest.approx(((s * (s + b)).sum() / total).item(), rel=1e-5)
    angle = math.degrees(math.acos((s * b).sum() / s.norm() / b.norm()))
    assert row.angle == pytest.approx(angle, rel=1e-4)
    forward = block.inner(fork).norm() / block.project(fork).norm()
    assert row.branch_ratio == pytest.approx(forward.item(), rel=1e-6)


@pytest.mark.parametrize("cut", ["skips", "branches"])
def test_a_removed_share_is_a_detached_operand(cut):
    found = analyze_gradients(network(), INPUTS, CLASSES).recording
    rows = found.probes[found.probes.probe == f"without {cut}"].set_index("layer")
    expected = output_gradients_or_zero(network(cut))
    weighted = [name for name, module in network().named_modules() if isinstance(module, nn.Linear)]
    assert sorted(rows.index) == sorted(weighted)
    for name in weighted:
        assert rows.value[name] == pytest.approx(expected.get(name, 0.0), rel=1e-6), name
    depths = found.layers.drop_duplicates("layer").set_index("layer").layer_depth
    assert rows.x.tolist() == depths[rows.index].tolist()


def output_gradients_or_zero(model):
    return {name: norm64(gradient) for name, gradient in output_gradients(model, INPUTS, loss_of).items()}


def test_the_real_profile_stays_as_without_skips_measured():
    one, two = (analyze_gradients(network(), INPUTS, CLASSES, skips=skips).recording for skips in (True, False))
    assert one.layers.equals(two.layers)
    assert two.skips.empty
    assert two.probes.empty
    assert one.meta["input_grad_norm"] == two.meta["input_grad_norm"]


def test_nothing_is_left_on_the_model():
    model = network()
    before = hook_counts(model)
    analyze_gradients(model, INPUTS, CLASSES)
    assert hook_counts(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())
    with pytest.raises(ValueError, match="torn"):
        analyze_gradients(model, INPUTS, CLASSES, loss_fn=lambda y, t: _tear())
    assert hook_counts(model) == before


def _tear():
    raise RuntimeError("torn")


def test_a_branch_that_starts_at_zero_is_reported_as_such():
    model = network()
    with torch.no_grad():
        model[1].inner[2].weight.zero_()
        model[1].inner[2].bias.zero_()
    found = analyze_gradients(model, INPUTS, CLASSES)
    row = found.skips.iloc[0]
    assert (row.status, row.skip_share, row.branch_ratio) == ("zero branch", 1.0, 0.0)
    assert "zero branch" in str(found)


def test_a_plain_network_has_none():
    found = analyze_gradients(nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)), INPUTS, CLASSES)
    assert found.skips.empty
    assert found.counterfactuals.empty
    assert "Residual connections" not in str(found)


def test_tokens_have_joins_and_counterfactuals():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.block, self.head = nn.Embedding(9, 6), Block(), nn.Linear(6, 9)

        def forward(self, tokens):
            return self.head(self.block(self.embedding(tokens)))

    found = analyze_gradients(Model(), torch.randint(0, 9, (2, 5)))
    assert found.skips["join"].tolist() == ["block"]
    assert (found.recording.probes.groupby("probe").size() == 4).all()


def test_degree_and_counterfactuals_agree_with_the_probes():
    found = analyze_gradients(network(), INPUTS, CLASSES)
    without = found.counterfactuals[found.counterfactuals.variant == "without skips"]
    ratio = without.out_grad_norm.iloc[0] / without.out_grad_norm.iloc[-1]
    degree = found.degree[found.degree.measure == "without skips"]
    assert degree.decades.iloc[0] == pytest.approx(math.log10(ratio))
    as_it_is = found.counterfactuals[found.counterfactuals.variant == "as it is"]
    assert as_it_is.out_grad_norm.tolist() == found.layers.out_grad_norm.tolist()


def test_shares_are_removed_at_the_chosen_joins_alone():
    model = network()
    found = analyze_gradients(model, INPUTS, CLASSES, joins="[13]")
    assert found.skips["join"].tolist() == ["1", "2", "3"]
    for cut in ("skips", "branches"):
        by_hand = network()
        by_hand[1].cut = by_hand[3].cut = cut
        expected = output_gradients_or_zero(by_hand)
        rows = found.recording.probes[found.recording.probes.probe == f"without {cut}"].set_index("layer")
        for name in rows.index:
            assert rows.value[name] == pytest.approx(expected.get(name, 0.0), rel=1e-6), (cut, name)
    assert found.recording.meta["joins"] == "[13]"
    assert "removed at the joins [13]" in " ".join(str(found).split())
    assert "at the joins" not in str(analyze_gradients(model, INPUTS, CLASSES))


def test_an_empty_pattern_measures_every_join_and_removes_no_share():
    model = network()
    found = analyze_gradients(model, INPUTS, CLASSES, joins="")
    assert found.skips.equals(analyze_gradients(model, INPUTS, CLASSES).skips)
    assert found.recording.probes.empty


def test_a_pattern_that_matches_nothing_names_the_nearest():
    blocks = nn.ModuleDict({"early": Block(), "late": Block()})

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.blocks = nn.Linear(4, 6), blocks

        def forward(self, x):
            return self.blocks["late"](self.blocks["early"](self.stem(x)))

    with pytest.raises(AnalysisError, match=r"of 2; got 'blocks.lat'. Nearest: blocks.late, blocks.early\.$"):
        analyze_gradients(Model(), INPUTS, joins="blocks.lat")
    plain = nn.Linear(4, 3)
    with pytest.raises(AnalysisError, match=r"joins='a\*' matches nothing: the model has no residual connection"):
        analyze_gradients(plain, INPUTS, joins="a*")
    assert analyze_gradients(plain, INPUTS, lesions=True).skips.empty
    with pytest.raises(AnalysisError, match=r"joins and lesions need skips=True; got skips=False, .*lesions=True"):
        analyze_gradients(plain, INPUTS, skips=False, lesions=True)


@pytest.mark.parametrize("training", [True, False])
def test_a_lesion_is_the_change_of_the_loss_without_the_branch(training):
    model = nn.Sequential(network()[:3], nn.Dropout(0.5), nn.BatchNorm1d(6), network()[3:]).train(training)
    joins = {"0.1": model[0][1], "0.2": model[0][2], "3.3": model[3][0]}
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def loss():
        with torch.random.fork_rng(), torch.no_grad():
            return loss_of(copy.deepcopy(model)(INPUTS)).item()

    found = analyze_gradients(model, INPUTS, CLASSES, lesions=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    whole = loss()
    assert found.recording.steps.loss[0] == pytest.approx(whole, rel=1e-6)
    rows = found.skips.set_index("join")
    assert set(rows.lesion_status) == {"measured"}
    for name, block in joins.items():
        inner, block.inner = block.inner, Zero()
        assert rows.lesion[name] == pytest.approx(loss() - whole, rel=1e-4, abs=1e-6), name
        block.inner = inner
    assert "The loss without each branch" in str(found)


class Zero(nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


def test_lesions_are_of_the_chosen_joins_and_of_none_unless_asked_for():
    chosen = analyze_gradients(network(), INPUTS, CLASSES, joins="2", lesions=True).skips
    assert chosen.lesion.notna().tolist() == [False, True, False]
    assert chosen.lesion_status.tolist() == ["", "measured", ""]
    without = analyze_gradients(network(), INPUTS, CLASSES)
    assert without.skips.lesion.isna().all()
    assert "without one branch" not in str(without)


def test_inputs_that_no_gradient_reaches_are_named_and_the_rest_is_measured():
    class Detached(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x):
            return self.net(x.detach())

    found = analyze_gradients(Detached(), INPUTS, CLASSES)
    assert "the loss reaches parameters, but not the inputs" in " ".join(str(found).split())
    assert found.recording.meta["inputs_reached"] is False
    reached = analyze_gradients(network(), INPUTS, CLASSES)
    assert "not the inputs" not in " ".join(str(reached).split())
    assert reached.recording.meta["inputs_reached"] is True
    assert found.recording.probes.value.tolist() == pytest.approx(reached.recording.probes.value.tolist(), rel=1e-6)
