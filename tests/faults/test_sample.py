"""A sample of the zoo, trained for real: faults are named with their cause, and what is healthy is left in peace.

`python -m benchmarks.diagnosis` trains and scores the whole of it.
"""

import math

import pytest

import gradflow
from benchmarks.diagnosis.program import score
from tests.faults.planted import trained

FAULTY = {
    ("mlp", "rate too high", 40.0): "lr_high",
    ("mlp", "rate too high", 10.0): "lr_high",
    ("mlp", "momentum too high", 0.999): "momentum_high",
    ("mlp", "rate decays too fast", 40.0): "lr_decays",
    ("mlp", "clipping too tight", 1e-3): "clip_binds",
    ("mlp", "loss times a tiny number", 1e-4): "loss_tiny",
    ("mlp on a table", "loss times a tiny number", 1e-4): "loss_tiny",
    ("mlp", "rate zero", 1.0): "lr_zero",
    ("mlp", "weight decay too large", 1.0): "weight_decay_high",
    ("gru", "weight decay too large", 0.1): "weight_decay_high",
    ("mlp with batch norm", "gradients not cleared", 1.0): "gradients_kept",
    ("transformer", "gradients not cleared", 1.0): "gradients_kept",
    ("mlp", "layers frozen", 0.9): "mostly_frozen",
    ("gru", "layers frozen", 0.6): "mostly_frozen",
    ("mlp", "detached", 1.0): "cut_off",
    ("mlp", "all weights alike", 1.0): "identical_units",
    ("conv autoencoder", "all weights alike", 0.1): "identical_units",
    ("conv autoencoder", "biases far off", 5.0): "units_saturated",
    ("mlp", "head too large", 300.0): "outputs_large",
    ("mlp", "inputs in hundreds", 300.0): "inputs_unscaled",
    ("mlp on a table", "targets in thousands", 30.0): "targets_unscaled",
    ("mlp", "sigmoid before the loss", 1.0): "squashed_logits",
    ("mlp", "loss with the wrong sign", -1.0): "loss_negative",
    ("mlp", "loss summed", 1.0): "loss_scaled",
    ("mlp", "log of zero", 1.0): "nonfinite_loss",
    ("mlp on a table", "dropout too strong", 0.9): "dropout_strong",
    ("autoencoder", "dropout too strong", 0.98): "dropout_strong",
    ("mlp with batch norm", "weights drawn again", 2.0): "changed_elsewhere",
    ("gru", "weights drawn again", 2.0): "changed_elsewhere",
}  # fmt: skip
HEALTHY = [
    ("mlp", "as it is", 1.0), ("mlp", "zero head", 1.0), ("mlp", "cosine", 1.0), ("mlp", "short", 5.0),
    ("mlp", "warm-up", 0.4), ("mlp", "clipping that seldom binds", 1.0), ("mlp", "frozen stem", 1.0),
    ("mlp", "tiny rate on a trained network", 1000.0), ("mlp", "frozen backbone", 1.0), ("mlp", "distillation", 1.0),
    ("mlp on a table", "as it is", 1.0), ("mlp on a table", "inputs not quite centred", 0.5),
    ("mlp with batch norm", "as it is", 1.0), ("mlp with batch norm", "some dropout", 0.3),
    ("autoencoder", "tiny rate on a trained network", 1000.0), ("gru", "as it is", 1.0),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("network", "kind", "strength"), FAULTY)
def test_the_planted_cause_is_among_the_first_two_problems(network, kind, strength):
    one, recording = trained(network, kind, strength)
    findings = gradflow.diagnose(recording)
    problems = [finding.key for finding in findings if finding.severity == "problem"]
    assert FAULTY[network, kind, strength] in problems[:2]
    assert problems[0] not in ("loss_level", "loss_constant", "diverged", "loss_rose")
    assert not score(one) < 0.1  # the fault does harm, or the run ended with NaN


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("network", "kind", "strength"), HEALTHY)
def test_no_problem_is_named_in_a_healthy_run(network, kind, strength):
    one, recording = trained(network, kind, strength)
    findings = gradflow.diagnose(recording)
    assert [finding.key for finding in findings if finding.severity == "problem"] == []
    assert kind == "short" or score(one) < math.inf
