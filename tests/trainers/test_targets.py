"""Models of transformers by name: never downloaded, made as small as settings say, with a batch that fits."""

import pytest
import torch

from gradflow import targets
from gradflow.probe import analyze_gradients
from gradflow.targets import TargetError, load_target

SMALL = {"n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 50}


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("name", ["gpt2", "GPT2LMHeadModel"])
def test_a_type_and_a_class_of_model(name):
    state = torch.random.get_rng_state()
    target = load_target(f"transformers:{name}", settings=SMALL)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert target.model.config.n_layer == 2
    assert target.inputs.shape == (8, 16)
    assert target.inputs.max() < 50
    found = analyze_gradients(target.model, target.inputs)
    assert found.recording.layers["grad_norm"].max() > 0
    again = load_target(f"transformers:{name}", settings=SMALL)
    assert all(map(torch.equal, target.model.state_dict().values(), again.model.state_dict().values()))


def test_settings_go_by_the_names_that_configurations_share():
    target = load_target("transformers:gpt2", settings={"num_hidden_layers": 1, "hidden_size": 12, "vocab_size": 30})
    assert (target.model.config.n_layer, target.model.config.n_embd) == (1, 12)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("gpt22", {}, "transformers has no model 'gpt22'. Nearest: gpt2"),
        ("GPT2LMHeadModle", {}, "Nearest: GPT2LMHeadModel"),
        ("Trainer", {}, "transformers has no model 'Trainer'"),
        ("gpt2", {"n_layers": 2}, r"gpt2 takes no setting n_layers\. Nearest: n_layer"),
        ("gpt2", {**SMALL, "n_head": 3}, r"gpt2 cannot be created with"),
        ("gpt2", {**SMALL, "n_layer": "many"}, r"gpt2 cannot be created with"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(name, settings, message):
    with pytest.raises(TargetError, match=message) as raised:
        load_target(f"transformers:{name}", settings=settings)
    assert "\n" not in str(raised.value)


def test_a_model_that_does_not_fit_memory_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr(targets, "lack", lambda n_bytes: f"{n_bytes} bytes are too many" if n_bytes > 10**6 else "")
    with pytest.raises(TargetError, match=r"parameters: .* are too many\. Make it smaller \(--set hidden_size=64\)"):
        load_target("transformers:gpt2")
