"""Which changes let a recurrent network learn from the far end of its sequences.

    python -m benchmarks.remedies_over_time --out gradflow/reference/remedies_over_time.json

The label of each sequence of 80 random tokens hangs on the first one. A network counts as repaired once its error on
512 fresh sequences is below `REPAIRED` within the updates; the ones without a change never are.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import gradflow

LENGTH, TOKENS, WIDTH = 80, 50, 32
UPDATES, BATCH_SIZE, LR = 2000, 32, 3e-3
REPAIRED = 0.05
KINDS: dict[str, type[nn.RNNBase]] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
SEEDS = (0, 1, 2)


class Change(NamedTuple):
    """What is done to a network: how it reads its outputs, its gates' bias, its recurrent weights, and the training."""

    read: str = "last"
    gate_bias: float | None = None
    orthogonal: bool = False
    clip: bool = False
    lr: float = LR


# By remedy: in words, and the changes that stand for it, of which each is tried.
REMEDIES: dict[str, tuple[str, tuple[Change, ...]]] = {
    "remedy.pool_over_time": (
        "mean, maximum or attention over the outputs of all time steps instead of the last one",
        (Change("mean"), Change("maximum"), Change("attention")),
    ),
    "remedy.gate_bias": (
        "bias ln(80) of the forget gate (LSTM) or the update gate (GRU)",
        (Change(gate_bias=math.log(LENGTH)),),
    ),
    "remedy.gate_bias_one": ("bias 1 of that gate", (Change(gate_bias=1.0),)),
    "remedy.orthogonal": ("orthogonal recurrent weights", (Change(orthogonal=True),)),
    "remedy.clip": ("gradient norm at most 1", (Change(clip=True),)),
    "remedy.raise_lr": ("ten times the learning rate", (Change(lr=10 * LR),)),
}


class Net(nn.Module):
    """An embedding, one recurrent layer, and a classifier of its outputs."""

    def __init__(self, kind: str, change: Change) -> None:
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, WIDTH)
        self.rnn = KINDS[kind](WIDTH, WIDTH, batch_first=True)
        self.head, self.score = nn.Linear(WIDTH, 2), nn.Linear(WIDTH, 1)
        self.read = change.read
        with torch.no_grad():
            if change.orthogonal:
                for block in self.rnn.weight_hh_l0.split(WIDTH):
                    nn.init.orthogonal_(block)
            if change.gate_bias is not None:
                gate = slice(WIDTH, 2 * WIDTH)  # the second block of both
                self.rnn.bias_hh_l0[gate] = change.gate_bias - self.rnn.bias_ih_l0[gate]

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (batch, 2) of tokens (batch, time)."""
        h = self.rnn(self.embedding(tokens))[0]
        if self.read == "attention":
            return self.head((self.score(h).softmax(1) * h).sum(1))
        return self.head(h[:, -1] if self.read == "last" else h.mean(1) if self.read == "mean" else h.amax(1))


def train(kind: str, change: Change, seed: int) -> tuple[bool, bool]:
    """Train one network; return whether it was repaired and whether `diagnose` found the fault in its first steps."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = Net(kind, change)
    optimizer = torch.optim.Adam(model.parameters(), change.lr)
    generator = torch.Generator().manual_seed(1000 + seed)
    recorder = gradflow.record(model, schedule=gradflow.hooks.First(20))

    def draw(n: int) -> tuple[Tensor, Tensor]:
        tokens = torch.randint(0, TOKENS, (n, LENGTH), generator=generator)
        return tokens, (tokens[:, 0] >= TOKENS // 2).long()

    is_repaired = False
    for step in range(UPDATES):
        tokens, labels = draw(BATCH_SIZE)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(tokens), labels)
        loss.backward()
        recorder.step(loss=loss)
        if change.clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 49:
            tokens, labels = draw(512)
            with torch.no_grad():
                is_repaired = (model(tokens).argmax(1) != labels).double().mean().item() < REPAIRED
            if is_repaired:
                break
    recorder.close()
    return is_repaired, any(one.key == "vanishing_over_time" for one in gradflow.diagnose(recorder.recording))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    began = time.perf_counter()
    work: list[tuple[str, str, Change, int]] = [
        (remedy, kind, change, seed)
        for remedy, changes in [("", (Change(),)), *((name, changes) for name, (_, changes) in REMEDIES.items())]
        for change in changes
        for kind in KINDS
        for seed in SEEDS
        if kind != "RNN" or change.gate_bias is None  # which has no gates
    ]
    with ProcessPoolExecutor(arguments.workers) as pool:
        made = list(pool.map(train, *([one[place] for one in work] for place in (1, 2, 3))))
    for one, (is_repaired, _) in zip(work, made, strict=True):
        print(*one, "repaired" if is_repaired else "not repaired")

    def counted(is_counted: Callable[[str], bool]) -> list[tuple[bool, bool]]:
        return [found for one, found in zip(work, made, strict=True) if is_counted(one[0])]

    plants = counted(lambda name: not name)
    counts = {
        remedy: [sum(repaired for repaired, _ in tried), len(tried)]
        for remedy in REMEDIES
        if (tried := counted(lambda name, remedy=remedy: name == remedy))  # type: ignore[misc]
    }
    result = {
        "command": "python -m benchmarks.remedies_over_time --out gradflow/reference/remedies_over_time.json",
        "date": datetime.date.today().isoformat(),
        "data": f"{LENGTH} random tokens, the first decides the label; {UPDATES} updates of {BATCH_SIZE}, Adam",
        "seeds": list(SEEDS),
        "device": f"CPU ({torch.backends.cpu.get_cpu_capability()}), torch {torch.__version__}, one thread",
        "repaired": f"error below {REPAIRED} on fresh sequences; {sum(done for done, _ in plants)} without a change",
        "applied": {remedy: words for remedy, (words, _) in REMEDIES.items()},
        "faults": {
            "vanishing_over_time": {
                "findings": ["vanishing_over_time"],
                "plants": len(plants),
                "found": sum(found for _, found in plants),
                "remedies": dict(sorted(counts.items(), key=lambda item: -item[1][0] / item[1][1])),
            }
        },
    }
    print(json.dumps(result["faults"], indent=1))
    print(f"{time.perf_counter() - began:.0f} s")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
