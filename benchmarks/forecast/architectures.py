"""Signs and verdicts of library models as their authors initialise them: none of these may be said to fail.

Inputs and labels are random, so nothing is learned but the batches themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gradflow.probe.forecast import forecast

BATCH_SIZE = 8
BATCHES = 2
CLASSES = 10
TOKENS = 100
CONVOLUTIONAL = (
    "resnet18", "resnet50", "regnet_y_400mf", "mnasnet0_5", "mobilenet_v2", "shufflenet_v2_x1_0", "squeezenet1_1",
    "efficientnet_b0",
)  # fmt: skip
ATTENTION = ("vit_tiny_patch16_224", "xcit_nano_12_p16_224", "mixer_s32_224")
LANGUAGE = ("gpt2", "llama", "bert")


class Specimen(NamedTuple):
    """A model, its batches and its learning rate; AdamW where attention needs it, otherwise SGD with momentum."""

    name: str
    build: Callable[[], nn.Module]
    batches: tuple[Tensor, Tensor]
    lr: float
    is_adam: bool


class Logits(nn.Module):
    """A language model as a function from token ids to logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """Return (batch, length, tokens), or (batch, classes) of a classifier."""
        return self.model(input_ids=ids).logits


def architectures() -> None:
    """Print one line a model."""
    warnings.simplefilter("ignore")  # the libraries' own, about weights that are not loaded
    print(
        "| model | verdict | gradient decades after 0, 10 updates | unlikeness after 0, 10 updates |\n|---|---|---|---|"
    )
    for specimen in _specimens():
        torch.manual_seed(0)
        model = specimen.build().train()
        how: dict[str, Any] = {"lr": specimen.lr}
        if specimen.is_adam:
            how = {"optimizer": torch.optim.AdamW(model.parameters(), lr=specimen.lr)}
        found = forecast(model, *specimen.batches, batch_size=BATCH_SIZE, **how)
        signs = found.signs
        decades, unlike = (
            ", ".join(f"{value:.2g}" for value in signs[name]) for name in ("gradient_decades", "unlikeness")
        )
        print(f"| {specimen.name} | {found.verdict} | {decades} | {unlike} |", flush=True)


def _specimens() -> Iterator[Specimen]:
    import timm
    import torchvision

    generator = torch.Generator().manual_seed(0)
    n = BATCHES * BATCH_SIZE
    labels = torch.randint(0, CLASSES, (n,), generator=generator)
    images = torch.randn(n, 3, 64, 64, generator=generator)
    large = torch.randn(n, 3, 224, 224, generator=generator)
    ids = torch.randint(0, TOKENS, (n, 32), generator=generator)
    for name in LANGUAGE:
        targets = labels if name == "bert" else ids.roll(-1, 1)
        yield Specimen(f"{name}, 8 blocks", partial(_language, name), (ids, targets), 1e-3, True)
    for name in CONVOLUTIONAL:
        build = partial(getattr(torchvision.models, name), num_classes=CLASSES)
        yield Specimen(name, build, (images, labels), 1e-2, False)
    for name in ATTENTION:
        yield Specimen(name, partial(timm.create_model, name, num_classes=CLASSES), (large, labels), 1e-3, True)


def _language(name: str) -> nn.Module:
    import transformers

    sizes = {"num_hidden_layers": 8, "hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4}
    if name == "gpt2":
        config = transformers.GPT2Config(n_layer=8, n_embd=64, n_head=4, vocab_size=TOKENS, n_positions=64)
        return Logits(transformers.GPT2LMHeadModel(config))
    if name == "llama":
        return Logits(transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes, vocab_size=TOKENS)))
    config = transformers.BertConfig(**sizes, vocab_size=TOKENS, num_labels=CLASSES)
    return Logits(transformers.BertForSequenceClassification(config))
