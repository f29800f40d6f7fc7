"""Several networks that train together: each has its own steps, rows, folder and sinks."""

import pytest
import torch
from oracles import norm64
from torch import nn

import gradflow
from gradflow.analysis.flushed import Flushed
from gradflow.errors import GradflowError

N_CRITIC = 3  # updates of the discriminator for one of the generator


class Kept:
    def __init__(self):
        self.flushed, self.n_closed = [], 0

    def write(self, flushed):
        self.flushed.append(flushed)

    def close(self):
        self.n_closed += 1


def networks():
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 6))
    discriminator = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    of_g, of_d = (torch.optim.SGD(one.parameters(), 0.1) for one in (generator, discriminator))
    return {"G": (generator, of_g), "D": (discriminator, of_d)}


def train(parts, recorders=None, n_steps=6):
    """Train in the order of DCGAN, the generator every third time; return both networks' gradients where they step."""
    torch.manual_seed(1)
    (generator, of_g), (discriminator, of_d) = parts["G"], parts["D"]
    truth = {"G": [], "D": []}
    for step in range(n_steps):
        fake = generator(torch.randn(5, 4))
        of_d.zero_grad()
        loss = nn.functional.softplus(-discriminator(torch.randn(5, 6))).mean()
        loss = loss + nn.functional.softplus(discriminator(fake.detach())).mean()
        loss.backward()
        truth["D"].append(norm64(*[p.grad for p in discriminator[0].parameters()]))
        of_d.step()
        if recorders:
            recorders["D"].step(loss=loss)
        if step % N_CRITIC == 0:
            of_g.zero_grad()
            nn.functional.softplus(-discriminator(fake)).mean().backward()
            truth["G"].append(norm64(*[p.grad for p in generator[0].parameters()]))
            of_g.step()
    return truth


def test_each_network_has_its_own_steps_and_the_gradients_that_its_optimizer_uses():
    bare, parts = networks(), networks()
    train(bare)
    with gradflow.record(parts) as recorders:
        truth = train(parts, recorders)
    for name in ("G", "D"):
        recording = recorders[name].recording
        rows = recording.layers[(recording.layers["layer"] == "0") & recording.layers["grad_norm"].notna()]
        assert rows.drop_duplicates("step")["grad_norm"].tolist() == pytest.approx(truth[name], rel=1e-6)
        assert recording.steps["step"].tolist() == [*range(len(truth[name]))]
        for a, b in zip(bare[name][0].parameters(), parts[name][0].parameters(), strict=True):
            assert torch.equal(a, b)
        assert not any(module._forward_hooks for module in parts[name][0].modules())
    assert (len(truth["G"]), len(truth["D"])) == (2, 6)
    assert recorders["D"].recording.steps["loss"].notna().all()
    assert [one.meta["run"] for one in recorders.recordings] == ["G", "D"]
    assert gradflow.diagnose(recorders.recordings) is not None


def test_folders_states_and_sinks_are_apart(tmp_path):
    sink, parts = Kept(), networks()
    recorders = gradflow.record(parts, path=tmp_path / "gan", sinks=[sink], name="gan")
    train(parts)
    state = recorders.state_dict()
    recorders["G"].close()
    assert sink.n_closed == 0
    recorders.close()
    assert sink.n_closed == 1
    assert {flushed.part for flushed in sink.flushed} == {"G", "D"}
    assert all(isinstance(flushed, Flushed) and flushed.scalars for flushed in sink.flushed)
    assert [one.meta["run"] for one in gradflow.load(tmp_path / "gan")] == ["gan D", "gan G"]
    again = networks()
    with gradflow.record(again, path=tmp_path / "gan") as recorders:
        recorders.load_state_dict(state)
        train(again)
    assert [len(one.steps) for one in gradflow.load(tmp_path / "gan")] == [12, 4]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "name at least one"),
        ({"G": nn.Linear(2, 2)}, r"G must be a network and its optimizer, \(model, optimizer\); got Linear"),
        ({"a/b": (nn.Linear(2, 2), None)}, "must be one that a folder can have; got 'a/b'"),
        ({"..": (nn.Linear(2, 2), None)}, "must be one that a folder can have"),
    ],
)
def test_what_is_no_network_with_its_optimizer_is_refused_in_one_line(parts, message):
    with pytest.raises(GradflowError, match=message) as raised:
        gradflow.record(parts)
    assert "\n" not in str(raised.value)


def test_no_hook_is_left_where_one_of_them_cannot_be_recorded():
    parts = networks()
    wrong = torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.1)
    with pytest.raises(ValueError, match="this SGD holds none of Sequential's"):
        gradflow.record({"G": parts["G"], "D": (parts["D"][0], wrong)})
    assert not any(module._forward_hooks for module in parts["G"][0].modules())
    with pytest.raises(ValueError, match="left out where each network brings its own"):
        gradflow.record(parts, optimizer=parts["G"][1])
