"""Training without a loss that falls: a generator, its discriminator, and a policy."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import gradflow

STEPS = 150


def layers(n_in, n_out):
    return nn.Sequential(
        nn.Linear(n_in, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, n_out)
    )


def problems(recorder):
    recorder.close()
    return [finding.key for finding in gradflow.diagnose(recorder.recording) if finding.severity == "problem"]


@pytest.mark.parametrize("seed", [0, 1])
def test_neither_network_of_a_game_is_called_faulty(seed):
    torch.manual_seed(seed)
    generator, discriminator = layers(4, 2), layers(2, 1)
    of_g = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.5, 0.9))
    of_d = torch.optim.Adam(discriminator.parameters(), 1e-3, betas=(0.5, 0.9))
    options = {"weights": True, "statistics": True, "schedule": lambda step: step < 10 or step % 10 == 0}
    g, d = (
        gradflow.record(generator, optimizer=of_g, **options),
        gradflow.record(discriminator, optimizer=of_d, **options),
    )
    bce = functional.binary_cross_entropy_with_logits
    for _ in range(STEPS):
        real = torch.randn(64, 2) * 0.5 + 2.0
        fake = generator(torch.randn(64, 4))
        of_d.zero_grad()
        loss = bce(discriminator(real), torch.ones(64, 1)) + bce(discriminator(fake.detach()), torch.zeros(64, 1))
        loss.backward()
        d.step(loss=loss)
        of_d.step()
        of_g.zero_grad()
        loss = bce(discriminator(fake), torch.ones(64, 1))
        loss.backward()
        g.step(loss=loss)
        of_g.step()
    assert (problems(g), problems(d)) == ([], [])


@pytest.mark.parametrize("seed", [0, 1])
def test_a_policy_s_loss_that_stays_level_is_no_problem(seed):
    torch.manual_seed(seed)
    policy = layers(4, 3)
    optimizer = torch.optim.Adam(policy.parameters(), 1e-3)
    recorder = gradflow.record(policy, optimizer=optimizer, weights=True, statistics=True)
    for _ in range(STEPS):
        state = torch.randn(64, 4)
        chosen = torch.distributions.Categorical(logits=policy(state))
        action = chosen.sample()
        reward = (action == state[:, :3].argmax(1)).float()
        loss = -(chosen.log_prob(action) * (reward - reward.mean())).mean()
        optimizer.zero_grad()
        loss.backward()
        recorder.step(loss=loss)
        optimizer.step()
    assert problems(recorder) == []
