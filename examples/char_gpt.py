"""Train a small GPT to write this file, character by character (after nanoGPT, github.com/karpathy/nanoGPT)."""

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import gradflow  # gradflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
steps = parser.parse_args().steps

LENGTH, WIDTH, HEADS, DEPTH, BATCH = 64, 64, 4, 4, 16


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):  # (batch, time, width)
        parts = self.qkv(x).view(*x.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH), Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1]))
        return self.head(self.norm(self.blocks(x)))


torch.manual_seed(0)
text = Path(__file__).read_text(encoding="utf-8")
text = "\n".join(line for line in text.splitlines() if "gradflow" not in line)
characters = sorted(set(text))
data = torch.tensor([characters.index(character) for character in text])

model = GPT(len(characters))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
recorder = gradflow.record(model, optimizer=optimizer, weights=True, path="runs/char_gpt")  # gradflow
for _ in range(steps):
    starts = torch.randint(len(data) - LENGTH - 1, (BATCH,))
    windows = torch.stack([data[start : start + LENGTH + 1] for start in starts])
    loss = F.cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    recorder.step(loss=loss)  # gradflow: before clipping, so that both norms are kept
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
recorder.close()  # gradflow
print(f"loss {loss:.4f}")
