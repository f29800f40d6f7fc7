"""Softmax or sigmoid before a loss that has one of its own is a fault; logits, log-probabilities and NLL are none."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow
from gradflow import analyze_gradients

INPUTS = torch.linspace(-1, 1, 20).reshape(5, 4)
CLASSES = torch.tensor([0, 2, 1, 0, 2])
ONE_HOT = functional.one_hot(CLASSES, 3).float()
OF_CLASSES = math.log(1 + 2 / math.e)  # softmax of (1, 0, 0), the best that three probabilities can do
OF_EACH = (math.log(1 + math.exp(-1)) + 2 * math.log(2)) / 3  # a 1 and two 0 taken for logits


def finding(*last, targets=CLASSES, loss_fn=None, wrap=lambda outputs: outputs, n_inputs=5):
    class Model(nn.Sequential):
        def forward(self, x):
            return wrap(super().forward(x))

    torch.manual_seed(0)
    model = Model(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), *last)
    found = analyze_gradients(model, INPUTS[:n_inputs], targets, loss_fn=loss_fn).findings
    return next((one for one in found if one.key == "probabilities"), None)


@pytest.mark.parametrize(
    ("last", "given", "certain"),
    [
        ([nn.Softmax(-1)], {}, OF_CLASSES),
        ([nn.Sigmoid()], {}, OF_CLASSES),
        ([nn.Softmax(-1)], {"loss_fn": nn.CrossEntropyLoss()}, OF_CLASSES),
        ([nn.Softmax(-1)], {"loss_fn": functional.cross_entropy, "targets": ONE_HOT}, OF_CLASSES),
        ([nn.Softmax(-1)], {"wrap": lambda outputs: {"logits": outputs}}, OF_CLASSES),
        ([nn.Softmax(-1)], {"wrap": lambda outputs: outputs.half().float()}, OF_CLASSES),
        ([nn.Softmax(-1)], {"wrap": lambda outputs: (outputs + outputs.roll(1, 0)) / 2}, OF_CLASSES),
        ([nn.Sigmoid()], {"loss_fn": nn.BCEWithLogitsLoss(), "targets": ONE_HOT}, OF_EACH),
        (
            [nn.Sigmoid()],
            {
                "loss_fn": functional.binary_cross_entropy_with_logits,
                "targets": ONE_HOT.flatten(),
                "wrap": lambda outputs: outputs.reshape(-1),
            },
            OF_EACH,
        ),
    ],
)
def test_probabilities_under_a_loss_of_logits_are_a_problem(last, given, certain):
    found = finding(*last, **given)
    assert found.severity == "problem"
    assert found.values["certain"] == pytest.approx(certain, rel=1e-5)
    assert found.values["loss"] > found.values["certain"]
    assert found.remedies == ("remedy.logits",)


@pytest.mark.parametrize(
    ("last", "given"),
    [
        ([], {}),
        ([nn.ReLU()], {}),
        ([nn.Hardtanh(0, 1)], {}),
        ([nn.LogSoftmax(-1)], {}),  # of log-probabilities the softmax changes nothing
        ([nn.LogSoftmax(-1)], {"loss_fn": nn.NLLLoss()}),
        ([nn.Softmax(-1)], {"targets": ONE_HOT}),  # mean squares
        ([nn.Softmax(-1)], {"targets": None}),
        ([nn.Sigmoid()], {"loss_fn": nn.BCELoss(), "targets": ONE_HOT}),
        ([], {"loss_fn": nn.BCEWithLogitsLoss(), "targets": ONE_HOT}),
        ([nn.Sigmoid()], {"wrap": lambda outputs: 4 * outputs - 2}),
    ],
)
def test_other_outputs_and_losses_are_none(last, given):
    assert finding(*last, **given) is None


def test_classes_that_are_ignored_count_for_nothing():
    found = finding(nn.Softmax(-1), targets=torch.tensor([0, -100, 1, -100, 2]))
    assert found.values["certain"] == pytest.approx(OF_CLASSES)


def test_it_is_kept_with_the_recording(tmp_path):
    model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1))
    analyze_gradients(model, INPUTS, CLASSES).save(tmp_path / "one")
    assert "probabilities" in {one.key for one in gradflow.diagnose(gradflow.load(tmp_path / "one"))}
