"""Train a small network under the recorder, and read what is said of it."""

import itertools

import torch
from torch import nn
from torch.nn import functional

import gradflow

QUIET = "shattering_not_measured"


def recorded(model, inputs, targets, *, steps=3, lr=0.0, loss_of=functional.cross_entropy, **options):
    """Return the recording of some steps on one batch; at a learning rate of 0 no weight changes."""
    recorder = gradflow.record(model, **options)
    for _ in range(steps):
        model.zero_grad()
        loss = loss_of(model(inputs), targets)
        loss.backward()
        recorder.step(loss=loss)
        if lr:
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.grad is not None:
                        parameter -= lr * parameter.grad
    recorder.close()
    return recorder.recording


def found(recording):
    """Return the findings, without the one that says that shattering was not measured."""
    return [finding for finding in gradflow.diagnose(recording) if finding.key != QUIET]


def keys(findings, *severities):
    """Return the keys, of some severities or of all."""
    return {finding.key for finding in findings if not severities or finding.severity in severities}


def of(findings, key):
    """Return the one finding of a key."""
    (finding,) = [finding for finding in findings if finding.key == key]
    return finding


def worst(findings, key):
    """Return the largest number of decades that findings of a key give, either way."""
    return max((finding.values["decades"].mean for finding in findings if finding.key == key), key=abs)


def naming(findings, *words):
    """Return the findings whose sentence holds all the words."""
    return [finding for finding in findings if all(word in str(finding) for word in words)]


def chain(widths, act, *, gain=None, wrap=lambda layer: layer, n_out=3):
    """Return Linear and activation per pair of widths, and a head; PyTorch's initialisation unless a gain is given."""
    layers = []
    for n_in, n_to in itertools.pairwise(widths):
        linear = nn.Linear(n_in, n_to)
        if gain is not None:
            nn.init.normal_(linear.weight, 0.0, gain / n_in**0.5)
        layers += [wrap(linear), act()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], n_out))
