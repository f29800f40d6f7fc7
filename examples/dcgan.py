"""Train a generator and a discriminator on 8 x 8 digits (after DCGAN, Radford et al. 2016)."""

import argparse

import torch
from torch import nn
from torch.nn import functional as F

import gradflow  # gradflow
from gradflow.experiments.data import load_data

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
steps = parser.parse_args().steps

torch.manual_seed(0)
images = load_data("digits").train_images
images = images / images.abs().max()

generator = nn.Sequential(
    nn.ConvTranspose2d(16, 32, 4),  # 1 x 1 to 4 x 4
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),  # to 8 x 8
    nn.Tanh(),
)
discriminator = nn.Sequential(
    nn.Conv2d(1, 32, 4, stride=2, padding=1),
    nn.LeakyReLU(0.2),
    nn.Conv2d(32, 64, 4),
    nn.LeakyReLU(0.2),
    nn.Flatten(),
    nn.Linear(64, 1),
)
optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
networks = {"G": (generator, optimizer_g), "D": (discriminator, optimizer_d)}  # gradflow
recorders = gradflow.record(networks, path="runs/dcgan")  # gradflow


def loss_of(scores, is_real):
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(is_real)))


for _ in range(steps):
    real = images[torch.randint(len(images), (64,))]
    fake = generator(torch.randn(64, 16, 1, 1))
    loss_d = loss_of(discriminator(real), is_real=True) + loss_of(discriminator(fake.detach()), is_real=False)
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()

    loss_g = loss_of(discriminator(fake), is_real=True)
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
recorders.close()  # gradflow
print(f"loss of G {loss_g:.4f}, of D {loss_d:.4f}")
