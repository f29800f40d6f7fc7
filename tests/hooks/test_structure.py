import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

import gradflow
from gradflow import analyze_gradients
from gradflow.hooks.coverage import REASONS
from gradflow.recording import PARAMETER_COLUMNS
from gradflow.text import language, text


def record(model, *inputs, steps=1, optimizer=None, **options):
    """Return the recording of a few steps on the sum of the squared outputs."""
    with gradflow.record(model, optimizer=optimizer, **options) as recorder:
        for _ in range(steps):
            model.zero_grad()
            loss = model(*inputs).square().sum()
            loss.backward()
            recorder.step(loss=loss)
            if optimizer is not None:
                optimizer.step()
    return recorder.recording


def edges(recording):
    return {(row.layer, row.call, row.source, row.source_call) for row in recording.graph.itertuples()}


def step_rows(recording, step=0):
    rows = recording.layers[recording.layers.step == step]
    return rows.drop_duplicates("layer").set_index("layer")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_status_has_its_words(lang):
    with language(lang):
        assert all(text(f"word.{status}") for status in REASONS)
        assert all(text(f"status.{status}") for status in REASONS if status != "measured")


class WithEmbedding(nn.Module):
    """Owns a position, a class token and a frozen table at its root, and a matrix after the last layer."""

    def __init__(self):
        super().__init__()
        self.first, self.layers = nn.Linear(3, 4), nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.head = nn.Linear(4, 2)
        self.position, self.token = nn.Parameter(torch.randn(5, 4)), nn.Parameter(torch.randn(1, 1, 4))
        self.matrix = nn.Parameter(torch.randn(2, 2))
        self.table = nn.Parameter(torch.ones(4), requires_grad=False)

    def forward(self, x):
        x = self.first(x) + self.position
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) * self.table
        for layer in self.layers:
            x = x + layer(x).tanh()
        return self.head(x.mean(1)) @ self.matrix


def test_parameters_of_the_root_stand_where_the_graph_uses_them():
    rows = step_rows(record(WithEmbedding(), torch.randn(6, 5, 3)))
    assert "(root)" not in rows.index
    ran = rows[rows.order >= 0].sort_values("order")
    assert ran.index.tolist() == ["first", "position", "token", "layers.0", "layers.1", "head", "matrix"]
    assert ran.layer_depth.tolist() == [1, 1, 1, 2, 3, 4, 5]
    assert ran.weighted.tolist() == [True, False, False, True, True, True, True]  # multiplied, as the matrix is
    assert rows.kind["position"] == "Parameter"
    assert rows.status["position"] == "parameters only"
    assert rows.status["table"] == "frozen"


def test_the_gradient_of_a_roots_parameter_is_autograds():
    model, x = WithEmbedding(), torch.randn(6, 5, 3)
    recording = record(model, x)
    owned = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    found = torch.autograd.grad(model(x).square().sum(), owned.values())
    rows = recording.parameters.assign(name=lambda frame: _full_name(frame)).set_index("name")
    for (name, _), gradient in zip(owned.items(), found, strict=True):
        assert rows.grad_norm[name] == pytest.approx(gradient.norm().item(), rel=1e-5)


def _full_name(frame):
    return frame.layer.where(frame.layer == frame.parameter, frame.layer + "." + frame.parameter)


def test_a_container_with_parameters_has_a_row_where_it_is_named():
    recording = record(WithEmbedding(), torch.randn(6, 5, 3), layers=["*", "(root)"])
    assert step_rows(recording).n_params["(root)"] == 0
    assert step_rows(recording).out_grad_norm["(root)"] > 0


def test_a_module_with_a_weight_and_an_activation_inside_is_one_layer():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.activation = nn.Parameter(torch.randn(3, 3)), nn.Tanh()

        def forward(self, x):
            return self.activation(x @ self.weight)

    rows = step_rows(record(nn.Sequential(Own(), Own()), torch.randn(4, 3)))
    assert rows.weighted.to_dict() == {"0": True, "0.activation": False, "1": True, "1.activation": False}
    assert rows.out_grad_norm.notna().all()


WRAPPERS = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "old weight_norm": lambda layer: nn.utils.weight_norm(layer),
    "old spectral_norm": nn.utils.spectral_norm,
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_parametrized_modules_are_weighted_layers_of_their_class(wrap):
    model = nn.Sequential(wrap(nn.Linear(4, 4)), nn.Tanh(), nn.Linear(4, 2))
    rows = step_rows(record(model, torch.randn(5, 4)))
    assert rows.index.tolist() == ["0", "1", "2"]
    assert rows.kind.tolist() == ["Linear", "Tanh", "Linear"]
    assert rows.weighted.tolist() == [True, False, True]
    assert rows.layer_depth.tolist() == [1, 1, 2]
    own = math.hypot(*(p.grad.norm().item() for p in model[0].parameters() if p.grad is not None))
    assert rows.grad_norm["0"] == pytest.approx(own, rel=1e-5)


def test_the_graph_of_a_chain_a_skip_and_two_towers():
    class Towers(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.left, self.right, self.head = (nn.Linear(4, 4) for _ in range(4))

        def forward(self, x):
            x = self.stem(x)
            return self.head(self.left(x).tanh() + x) + self.right(x)

    assert edges(record(Towers(), torch.randn(2, 4))) == {
        ("left", 0, "stem", 0),
        ("head", 0, "left", 0),
        ("head", 0, "stem", 0),
        ("right", 0, "stem", 0),
    }


def test_the_graph_of_one_layer_called_again_and_again():
    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.Linear(3, 3)

        def forward(self, x):
            for _ in range(3):
                x = self.cell(x).tanh()
            return x

    recording = record(nn.Sequential(Reused(), nn.Linear(3, 1)), torch.randn(2, 3), steps=3)
    chain = {("0.cell", 1, "0.cell", 0), ("0.cell", 2, "0.cell", 1), ("1", 0, "0.cell", 2)}
    assert edges(recording) == chain
    assert len(recording.graph) == len(chain)  # once, not once a step


def test_a_detach_cuts_the_graph():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.b(self.a(x).detach())

    recording = record(Cut(), torch.randn(2, 3))
    assert edges(recording) == set()
    assert step_rows(recording).status.to_dict() == {"a": "no gradient", "b": "measured"}


@pytest.mark.parametrize("reentrant", [True, False])
def test_the_order_of_layers_in_a_checkpoint_is_that_of_the_forward_pass(reentrant):
    class Pieces(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(3, 3) for _ in range(4))

        def forward(self, x):
            for layer in self.layers:
                x = checkpoint(lambda x, layer=layer: layer(x).tanh(), x, use_reentrant=reentrant)
            return x

    recording = record(Pieces(), torch.randn(2, 3, requires_grad=True))
    rows = step_rows(recording).sort_values("order")
    assert rows.index.tolist() == [f"layers.{number}" for number in range(4)]
    assert rows.layer_depth.tolist() == [1, 2, 3, 4]
    assert edges(recording) == {(f"layers.{n}", 0, f"layers.{n - 1}", 0) for n in (1, 2, 3)}
    assert "unregistered" not in recording.meta


class Mute(nn.Module):
    """Returns no tensor."""

    def forward(self, x):
        self.kept = x


def test_why_a_layer_has_no_gradient():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.never, self.quiet, self.cut, self.used = (nn.Linear(3, 3) for _ in range(4))
            self.flat, self.mute = nn.Flatten(), Mute()

        def forward(self, x):
            x = self.flat(x)
            self.mute(x)
            with torch.no_grad():
                self.quiet(x)
            self.cut(x)
            return self.used(x)

    assert step_rows(record(Parts(), torch.randn(2, 3))).status.to_dict() == {
        "never": "not called",
        "quiet": "called without gradients",
        "cut": "no gradient",
        "used": "measured",
        "flat": "not in the graph",
        "mute": "no tensor",
    }


def test_tensors_that_train_but_belong_to_no_parameter_are_noted():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)
            self.hidden = [nn.Linear(4, 4) for _ in range(2)]
            self.matrix = torch.randn(4, 4, requires_grad=True)

        def forward(self, x):
            x = self.first(x)
            for layer in self.hidden:
                x = layer(x)
            return self.last(x @ self.matrix)

    x = torch.randn(5, 3, requires_grad=True)  # an input is none of them
    unregistered = record(Hidden(), x).meta["unregistered"]
    assert unregistered["count"] == 5
    assert sorted(unregistered["shapes"]) == [[4], [4], [4, 4], [4, 4], [4, 4]]
    assert "unregistered" not in record(nn.Linear(3, 1), x).meta


def test_what_the_inputs_were_computed_from_is_not_the_models():
    x = torch.randn(5, 3, requires_grad=True)
    for inputs in (x * 2, nn.Sequential(nn.Linear(3, 3), nn.Tanh())(x)):  # as a discriminator gets a generator's
        assert "unregistered" not in record(nn.Linear(3, 1), inputs).meta
    assert "unregistered" not in analyze_gradients(nn.Linear(3, 1), x).recording.meta


def test_a_state_that_an_earlier_call_returned_hides_no_tensors_of_the_models():
    class Cell(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)
            self.matrix = torch.randn(3, 3, requires_grad=True)

        def forward(self, x, state):
            return torch.tanh(self.linear(x) + state @ self.matrix)

    model, state = Cell(), torch.randn(2, 3, requires_grad=True)
    with gradflow.record(model) as recorder:
        for x in torch.randn(4, 2, 3):
            state = model(x, state)
        state.sum().backward()
        recorder.step()
    assert recorder.recording.meta["unregistered"] == {"count": 1, "shapes": [[3, 3]]}


@pytest.mark.parametrize(
    ("module", "parts"),
    [
        (nn.MultiheadAttention(4, 2, batch_first=True), {"in_proj_weight": "qkv", "in_proj_bias": "qkv"}),
        (nn.LSTM(4, 3, batch_first=True), {"weight_ih_l0": ["input", "forget", "cell", "output"]}),
        (nn.GRU(4, 3, num_layers=2, batch_first=True), {"weight_hh_l1": ["reset", "update", "new"]}),
        (nn.RNN(4, 3, batch_first=True), {"weight_hh_l0": [""]}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parts_of_fused_parameters_have_their_own_norms(module, parts):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, x):
            return self.inner(x, x, x)[0] if isinstance(module, nn.MultiheadAttention) else self.inner(x)[0]

    model = Net()
    recording = record(model, torch.randn(2, 5, 4), weights=True)
    rows = recording.parameters
    for name, names in parts.items():
        own = rows[(rows.layer == "inner") & (rows.parameter == name)]
        assert own.part.tolist() == list(names)
        for norms, tensor in (
            (own.grad_norm, module.get_parameter(name).grad),
            (own.weight_norm, module.get_parameter(name)),
        ):
            expected = [chunk.norm().item() for chunk in tensor.detach().chunk(len(names))]
            assert norms.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-9)
        assert own.n_entries.sum() == module.get_parameter(name).numel()
    joint = math.hypot(*rows[(rows.layer == "inner") & rows.grad_norm.notna()].grad_norm)
    assert step_rows(recording).grad_norm["inner"] == pytest.approx(joint, rel=1e-12)


def test_a_parameters_rows_say_what_moves_it_and_how_fast():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    optimizer = torch.optim.SGD(
        [{"params": [model[0].weight], "lr": 0.5}, {"params": [model[0].bias, model[2].weight]}], lr=0.125
    )
    before = copy.deepcopy(model.state_dict())
    recording = record(model, torch.randn(6, 3), optimizer=optimizer, weights=True)
    assert list(recording.parameters.columns) == list(PARAMETER_COLUMNS)
    rows = recording.parameters.set_index(["layer", "parameter"])
    assert rows.lr["0", "weight"] == 0.5
    assert rows.lr["2", "weight"] == 0.125
    assert math.isnan(rows.lr["2", "bias"])
    assert math.isnan(rows.update_norm["2", "bias"])
    assert rows.grad_norm["2", "bias"] > 0
    moved = (model[0].weight.detach() - before["0.weight"]).norm().item()
    assert rows.update_norm["0", "weight"] == pytest.approx(moved, rel=1e-5)


def test_a_weight_used_detached_has_no_gradient_though_its_layers_output_has():
    class Cut(nn.Linear):
        def forward(self, x):
            return nn.functional.linear(x, self.weight.detach(), self.bias)

    recording = record(nn.Sequential(nn.Linear(3, 3), Cut(3, 3), nn.Linear(3, 1)), torch.randn(4, 3))
    rows = recording.parameters.set_index(["layer", "parameter"])
    assert rows.status["1", "weight"] == "no gradient"
    assert rows.status["1", "bias"] == "measured"
    assert step_rows(recording).out_grad_norm["1"] > 0


def test_training_with_parts_and_root_parameters_is_bit_identical():
    def train(recorded):
        torch.manual_seed(0)
        model = nn.Sequential(WithEmbedding(), nn.Unflatten(1, (1, 2)), nn.LSTM(2, 3, batch_first=True))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        recorder = gradflow.record(model, optimizer=optimizer, weights=True, statistics=True) if recorded else None
        seen = []
        for _ in range(4):
            optimizer.zero_grad()
            loss = model(torch.randn(6, 5, 3))[0].square().sum()
            loss.backward()
            optimizer.step()
            seen += [loss.item(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]
        if recorder is not None:
            recorder.close()
        return seen, model.state_dict()

    (plain, weights), (recorded, same) = train(False), train(True)
    assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(plain, recorded, strict=True))
    assert all(torch.equal(weights[name], same[name]) for name in weights)
