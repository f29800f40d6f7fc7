"""Solve u'' = -pi^2 sin(pi x), u(0) = u(1) = 0, with a network: its derivatives are part of the loss.

After Raissi et al. 2019. The solution is u = sin(pi x).
"""

import argparse
import math

import torch
from torch import nn

import gradflow  # gradflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1000)
steps = parser.parse_args().steps

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def derivative(of, by):
    return torch.autograd.grad(of.sum(), by, create_graph=True)[0]


recorder = gradflow.record(model, optimizer=optimizer, path="runs/pinn")  # gradflow
for _ in range(steps):
    x = torch.rand(64, 1, requires_grad=True)
    u = model(x)
    equation = derivative(derivative(u, x), x) + math.pi**2 * torch.sin(math.pi * x)
    edges = model(torch.tensor([[0.0], [1.0]]))
    loss = equation.square().mean() + 100 * edges.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    recorder.step(loss=loss)  # gradflow
recorder.close()  # gradflow

x = torch.linspace(0, 1, 101).view(-1, 1)
with torch.no_grad():
    error = (model(x) - torch.sin(math.pi * x)).abs().max()
print(f"loss {loss:.4f}, largest error {error:.4f}")
