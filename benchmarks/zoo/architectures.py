"""Architectures and how many residual joins each has, worked out from its configuration.

The numbers come from papers and configurations (depths of stages, numbers of layers), not from a run of gradflow. What
counts as a join where the literature leaves it open is defined in `gradflow.hooks.joins`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from transformers import AutoConfig, AutoModel, logging

from .from_transformers import BATCHES, shrink
from .specimen import Batch, Specimen


@dataclass(frozen=True)
class Architecture:
    """A model to build, and the joins that its configuration says it has."""

    name: str
    library: str
    specimen: Specimen
    additions: int
    three_way: int = 0  # of the additions: three branches, the skip included
    concatenations: int = 0


# name: (residual additions, size of the image); concatenations are named apart
TORCHVISION: Mapping[str, tuple[int, int]] = {
    "resnet18": (sum([2, 2, 2, 2]), 64),
    "resnet34": (sum([3, 4, 6, 3]), 64),
    "resnet50": (sum([3, 4, 6, 3]), 64),
    "resnet101": (sum([3, 4, 23, 3]), 64),
    "resnet152": (sum([3, 8, 36, 3]), 64),
    "wide_resnet50_2": (sum([3, 4, 6, 3]), 64),
    "resnext50_32x4d": (sum([3, 4, 6, 3]), 64),
    # inverted residuals whose stride is 1 and whose width stays: all of a stage but its first
    "mobilenet_v2": (sum(n - 1 for n in [1, 2, 3, 4, 3, 3, 1]), 64),
    "mnasnet0_5": (sum(n - 1 for n in [3, 3, 3, 2, 4, 1]), 64),
    "mobilenet_v3_small": (6, 64),  # table 2 of the paper: rows 3, 5, 6, 8, 10 and 11 keep size and width
    "mobilenet_v3_large": (10, 64),  # table 1: rows 1, 3, 5, 6, 8, 9, 10, 12, 14 and 15
    "efficientnet_b0": (sum(n - 1 for n in [1, 2, 2, 3, 3, 4, 1]), 64),
    "efficientnet_b1": (sum(n - 1 for n in [2, 3, 3, 4, 4, 5, 2]), 64),  # depth multiplier 1.1
    "regnet_y_400mf": (sum([1, 3, 6, 6]), 64),
    "regnet_x_400mf": (sum([1, 2, 7, 12]), 64),
    "swin_t": (2 * sum([2, 2, 6, 2]), 64),
    "swin_v2_t": (2 * sum([2, 2, 6, 2]), 64),
    "vit_b_16": (2 * 12, 64),
    "vit_b_32": (2 * 12, 64),
    "convnext_tiny": (sum([3, 3, 9, 3]), 64),
    "maxvit_t": (5 * sum([2, 2, 5, 2]), 224),  # MBConv, then attention and MLP in blocks and in the grid
    "alexnet": (0, 64),
    "vgg11_bn": (0, 64),
    "squeezenet1_1": (0, 64),
    "googlenet": (0, 64),
    "inception_v3": (0, 299),
    "shufflenet_v2_x0_5": (0, 64),
    "densenet121": (0, 64),
    "densenet169": (0, 64),
}
CONCATENATIONS: Mapping[str, int] = {
    "densenet121": sum([6, 12, 24, 16]),
    "densenet169": sum([6, 12, 32, 32]),
    "inception_v3": 2,  # the two reductions put a pooled copy of their input beside the convolutions
    "inception_resnet_v2": 2,  # likewise
    "cait_xxs24_224": 2,  # class token and patches, after the first and the second class attention
    "xcit_nano_12_p8_224": 2,  # each class attention puts the new class token beside the patches
    "efficientvit_b0": 2 * 2,  # each attention puts queries, keys and values beside their aggregates
    "ese_vovnet19b_dw": sum([1, 1, 1, 1]),  # each aggregates its input and all its layers once
    "rdnet_tiny": 3 * 7,  # seven dense stages of three blocks
    "ghostnet_100": 2 * 16,  # a ghost module puts what it made beside what it made it from
    "dla34": 6,  # roots of two trees in levels 2 and 5, of four in levels 3 and 4: 1 + 2 + 2 + 1
}

TIMM: Mapping[str, tuple[int, int]] = {
    "deit_tiny_patch16_224": (2 * 12, 224),
    "poolformer_s12": (2 * sum([2, 2, 6, 2]), 64),
    "mixer_s32_224": (2 * 8, 224),
    "caformer_s18": (2 * sum([3, 3, 9, 3]), 64),
    "gmlp_s16_224": (30, 224),
    "nfnet_f0": (sum([1, 2, 6, 3]), 64),
    "resnetv2_50": (sum([3, 4, 6, 3]), 64),
    "seresnet18": (sum([2, 2, 2, 2]), 64),
    "skresnet18": (sum([2, 2, 2, 2]), 64),
    "resnest14d": (sum([1, 1, 1, 1]), 64),
    "res2net50_26w_4s": (sum([3, 4, 6, 3]), 64),  # the sums inside a block add other parts of a split: no joins
    "cspresnet50": (sum([3, 3, 5, 2]), 64),
    "legacy_xception": (12, 96),
    "inception_resnet_v2": (10 + 20 + 10, 128),
    "hrnet_w18_small": (1 + 2 * 2 + 3 * 2 + 4 * 2 + 4, 64),  # blocks by stage and branch, and the head's four
    "dla34": (2 + 4 + 4 + 2, 64),
    "repvgg_a0": (sum(n - 1 for n in [2, 4, 14, 1]), 64),  # blocks that keep their shape have the identity branch
    "repvit_m0_9": (2 * (sum([2, 2, 14, 2]) + 3) + 3, 64),  # 3 downsamplings: a block each, and a feed-forward
    "ghostnet_100": (16, 64),
    "ese_vovnet19b_dw": (0, 64),
    "rdnet_tiny": (0, 64),
    "starnet_s1": (sum([2, 2, 8, 3]), 64),
    "inception_next_atto": (sum([2, 2, 6, 2]), 64),
    "mambaout_femto": (sum([3, 3, 9, 3]), 64),
    "convnextv2_atto": (2 * sum([2, 2, 6, 2]), 64),  # a block and the normalisation inside it
    "edgenext_xx_small": (sum([2, 2, 6, 2]) + 3, 64),  # three of the blocks hold attention and an MLP
    "efficientformer_l1": (2 * sum([3, 2, 6, 4]), 224),
    "efficientvit_b0": (1 + 1 + 1 + 2 * 2 + 2 * 2, 64),  # stem, two convolutional stages, two with attention
    "tiny_vit_5m_224": (2 + 2 * sum([2, 6, 2]), 224),  # the first stage is of convolutions
    "levit_128s": (2 * sum([2, 3, 4]) + 2, 224),  # two subsamplings, each followed by an MLP
    "visformer_tiny": (7 + 2 * sum([4, 4]), 224),  # the first stage has no attention
    "cait_xxs24_224": (2 * 24 + 2 * 2 - 1, 224),  # the class token is a parameter at its first attention: no fork
    "xcit_nano_12_p8_224": (3 * 12 + 2 * 2, 224),
    "pit_ti_224": (2 * sum([2, 6, 4]), 224),
    "twins_svt_small": (2 * sum([2, 2, 10, 4]) + 4, 64),  # and a position encoding by stage
    "coat_tiny": (3 * sum([2, 2, 2, 2]) + 6 * 9, 224),  # serial: encoding, attention, MLP; parallel: those of 3 scales
    "crossvit_tiny_240": (3 * (2 * (1 + 4) + 2), 240),  # two scales, and a cross attention each
    "davit_tiny": (8 * sum([1, 1, 3, 1]), 64),  # a spatial and a channel block, two encodings each
    "mvitv2_tiny": (2 * sum([1, 2, 5, 2]), 224),
    "nest_tiny": (2 * sum([2, 2, 8]), 224),
    "gcvit_xxtiny": (2 * sum([2, 2, 6, 2]) + 4 + (3 + 2 + 1 + 1), 224),  # downsamplings, global queries
    "focalnet_tiny_srf": (2 * sum([2, 2, 6, 2]), 64),
    "sequencer2d_s": (2 * sum([4, 3, 8, 3]), 224),
    "beit_base_patch16_224": (2 * 12, 224),
    "tnt_s_patch16_224": (4 * 12, 224),
}
THREE_WAY: Mapping[str, int] = {
    "repvgg_a0": sum(n - 1 for n in [2, 4, 14, 1]),
    "repvit_m0_9": sum([2, 2, 14, 2]) + 3,
}


# model type: (layers in the configuration, additions, of them three-way)
TRANSFORMERS: Mapping[str, tuple[dict[str, int], int, int]] = {
    **{name: ({"n_layer": 4}, 8, 0) for name in ("gpt2", "gpt_bigcode", "openai-gpt", "xlnet", "bloom")},
    **{
        name: ({"num_hidden_layers": 4}, 8, 0)
        for names in (
            ("bert", "roberta", "electra", "deberta", "deberta-v2", "mpnet", "convbert", "nystromformer", "albert"),
            ("opt", "llama", "mistral", "mixtral", "qwen2", "gemma", "gemma2", "olmo", "olmo2", "stablelm"),
            ("starcoder2", "vit", "beit", "dinov2", "vit_mae"),
        )
        for name in names
    },
    "distilbert": ({"n_layers": 4}, 8, 0),
    "qwen2_moe": ({"num_hidden_layers": 4}, 8, 4),  # routed and shared experts side by side
    "gptj": ({"n_layer": 4, "rotary_dim": 4}, 4, 4),
    "gpt_neox": ({"num_hidden_layers": 4}, 4, 4),
    "falcon": ({"num_hidden_layers": 4}, 4, 4),
    "phi": ({"num_hidden_layers": 4}, 4, 4),
    "cohere": ({"num_hidden_layers": 4}, 4, 4),
    "mamba": ({"num_hidden_layers": 4}, 4, 0),
    "fnet": ({"num_hidden_layers": 4}, 4, 0),  # its Fourier mixing has no parameters
    "mobilebert": ({"num_hidden_layers": 4}, 4 * (1 + 4 + 1), 0),  # attention, four feed-forwards, the bottleneck
    "wav2vec2": ({"num_hidden_layers": 4}, 2 * 4 + 1, 0),  # and the position convolution
    "t5": ({"num_layers": 3, "num_decoder_layers": 3}, 2 * 3 + 3 * 3, 0),
    "bart": ({"encoder_layers": 3, "decoder_layers": 3}, 2 * 3 + 3 * 3, 0),
    "whisper": ({"encoder_layers": 3, "decoder_layers": 3}, 2 * 3 + 3 * 3, 0),
    # ResNet-50, two encoder layers, and two decoder layers whose first queries are no function of the batch
    "detr": ({"encoder_layers": 2, "decoder_layers": 2}, 16 + 2 * 2 + 3 * 2 - 1, 0),
}


def architectures() -> Iterator[Architecture]:
    """Yield every architecture with its expected joins."""
    for name, (additions, size) in TORCHVISION.items():
        yield _images(name, "torchvision", _torchvision(name, size), size, additions)
    fpn = partial(resnet_fpn_backbone, backbone_name="resnet50", weights=None)
    # each of the three upper levels is added to the next one's projection
    yield _images("resnet50 with FPN", "torchvision", partial(fpn, trainable_layers=5), 64, 16 + 3)
    for name, (additions, size) in TIMM.items():
        yield _images(name, "timm", partial(timm.create_model, name), size, additions)
    for name, (layers, additions, three_way) in TRANSFORMERS.items():
        specimen = Specimen(partial(_transformer, name, layers), BATCHES)
        yield Architecture(name, "transformers", specimen, additions, three_way)


def _images(name: str, library: str, make: Callable[[], nn.Module], size: int, additions: int) -> Architecture:
    specimen = Specimen(make, [lambda model: Batch((_noise(2, 3, size, size),))])
    return Architecture(name, library, specimen, additions, THREE_WAY.get(name, 0), CONCATENATIONS.get(name, 0))


def _torchvision(name: str, size: int) -> Callable[[], nn.Module]:
    options: dict[str, Any] = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name.startswith("vit_"):
        options["image_size"] = size
    return partial(models.get_model, name, weights=None, **options)


def _transformer(name: str, layers: Mapping[str, int]) -> nn.Module:
    logging.set_verbosity_error()
    config = AutoConfig.for_model(name, **layers)
    kept = {key: getattr(config, key) for key in (*layers, "layer_types") if key in vars(config)}
    shrink(config)
    for key, value in kept.items():
        setattr(config, key, value)
    model: nn.Module = AutoModel.from_config(config)
    return model


def _noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))
