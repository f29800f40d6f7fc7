"""Train a network on 8 x 8 digits with Lightning (pip install lightning)."""

import argparse

import lightning
import torch
from torch import nn
from torch.nn import functional as F

from gradflow.experiments.data import load_data
from gradflow.integrations.lightning import GradientFlow  # gradflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=100)
steps = parser.parse_args().steps


class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch, _):
        inputs, targets = batch
        loss = F.cross_entropy(self.net(inputs), targets)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


lightning.seed_everything(0, verbose=False)
digits = load_data("digits")
rows = torch.utils.data.TensorDataset(digits.train_images, digits.train_labels)
trainer = lightning.Trainer(
    max_steps=steps,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    callbacks=[GradientFlow("runs/lightning")],  # gradflow
)
trainer.fit(Digits(), torch.utils.data.DataLoader(rows, batch_size=64, shuffle=True))
print(f"loss {trainer.callback_metrics['loss']:.4f}")
