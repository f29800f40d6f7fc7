"""Train an LSTM to remember its first input to the end of a sequence, and see how far back the gradient reaches."""

import argparse

import torch
from torch import nn
from torch.nn import functional as F

import gradflow  # gradflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
parser.add_argument("--length", type=int, default=50)
arguments = parser.parse_args()

torch.manual_seed(0)


class Memory(nn.Module):
    def __init__(self, classes=4, width=32):
        super().__init__()
        self.classes = classes
        self.lstm = nn.LSTM(classes + 1, width, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, inputs):  # (batch, time, classes + 1)
        return self.head(self.lstm(inputs)[0][:, -1])


model = Memory()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
recorder = gradflow.record(model, optimizer=optimizer, path="runs/lstm")  # gradflow
for _ in range(arguments.steps):
    wanted = torch.randint(model.classes, (32,))
    inputs = torch.zeros(32, arguments.length, model.classes + 1)
    inputs[:, 0, :-1] = F.one_hot(wanted, model.classes).float()
    inputs[:, 1:, -1] = 1.0  # nothing to remember here
    loss = F.cross_entropy(model(inputs), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    recorder.step(loss=loss)  # gradflow
recorder.close()  # gradflow
print(f"loss {loss:.4f}")
gradflow.plots.gradient_over_time_figure(recorder.recording).savefig("runs/lstm.png")  # gradflow
