"""Models are called what they are, whatever their class is called."""

import pytest
import torch
from torch import nn

import gradflow
from gradflow.text import language
from gradflow.text.model_words import described


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 8, num_layers=2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.layer(x).relu()


def mlp():
    return nn.Sequential(*(module for _ in range(3) for module in (nn.Linear(4, 4), nn.Sigmoid())), nn.Linear(4, 2))


MODELS = {
    "MLP, 4 linear layers, sigmoid": (mlp, (4,)),
    "LSTM, 2 layers, and 1 linear layer": (Net, (5, 4)),
    "MLP, 3 Block blocks": (lambda: nn.Sequential(*(Block() for _ in range(3))), (4,)),
    "CNN, 1 convolution, 1 linear layer, ReLU": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)),
        (1, 4, 4),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_recorded_model_is_called_what_it_is(name):
    make, shape = MODELS[name]
    model = make()
    with gradflow.record(model) as recorder:
        model(torch.zeros(2, *shape)).sum().backward()
        recorder.step()
    assert described(recorder.recording.meta) == name


@pytest.mark.parametrize(
    ("meta", "name"),
    [
        ({}, ""),
        ({"run": "mine"}, "mine"),
        ({"model": "Odd", "modules": {"Mystery": 3}}, "Odd"),
        (
            {"model": "GPT", "modules": {"Linear": 50, "GELU": 12}, "blocks": {"Block": 12, "MLP": 12}},
            "GPT, 12 Block blocks",
        ),
        ({"model": "Mine", "modules": {"Linear": 2, "Tanh": 1}}, "Mine, 2 linear layers, tanh"),
        ({"model": "Net", "modules": {"Linear": -1, "x": "y"}, "blocks": [3]}, "Net"),
    ],
)
def test_names_of_any_meta(meta, name):
    assert described(meta) == name


def test_in_chinese():
    with language("zh"):
        assert described({"model": "Net", "modules": {"LSTM": 2, "Linear": 1}}) == "LSTM，2 层，以及 1 个线性层"
