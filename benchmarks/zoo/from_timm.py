"""timm's architectures: of every model file, the smallest few of each naming family."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

import timm
import torch
from timm.models import list_modules
from torch import nn

from .specimen import Batch, Specimen

PER_FAMILY = 2
# Names tell size; the first that a name holds ranks it, and a name with none is ranked as middling.
SIZES = (
    "test|atto|femto|pico|nano|xxs|xxt",
    "tiny|mini|micro|xs|_t_|_t$|_ti|050|_s0|_b0|_m0|_l1|small_?0|18|14d|pit_ti",
    "small|_s_|_s$|_24|26|34|b1|12|lite",
)
HUGE = re.compile(
    r"giant|gigantic|huge|enormous|large|_g_|_\d+b_|xlarge|_xl|x4_|412m|570m|300m|_d5|nasnetalarge|pnasnet5large"
)


def names() -> list[str]:
    """Return the two smallest of each family (a file and the letters that a name starts with), all firsts first."""
    members: list[list[str]] = []
    for module in sorted(list_modules()):
        families: dict[str, list[str]] = defaultdict(list)
        for name in timm.list_models(module=module):
            families[_family(name)].append(name)
        members.extend(sorted(names, key=_rank) for names in families.values())
    return [names[place] for place in range(PER_FAMILY) for names in members if place < len(names)]


def kind_of(name: str) -> str:
    """Return the file of timm that holds the model."""
    return str(timm.models.model_entrypoint(name).__module__).rpartition(".")[2]


def specimens(name: str) -> Iterator[Specimen]:
    """Yield ways to build a model: with dropout where it has some, at a small size where it takes one."""
    cfg = timm.get_pretrained_cfg(name)
    own = cfg.input_size[-1] if cfg is not None else 224
    make = partial(timm.create_model, name, pretrained=False)
    for dropout in ({"drop_rate": 0.1}, {}):
        if cfg is not None and cfg.fixed_input_size:
            for size in (64, 96, 128):
                yield Specimen(partial(make, img_size=size, **dropout), [_images(size)])
        yield Specimen(partial(make, **dropout), [_images(size) for size in (64, 96, 128, own)])


def _images(size: int) -> Callable[[nn.Module], Batch]:
    noise = torch.Generator().manual_seed(1)
    return lambda model: Batch((torch.randn(2, 3, size, size, generator=noise),))


def _family(name: str) -> str:
    """Return the letters before the first number or size: resnet of resnet50d, vit of vit_tiny_patch16_224."""
    head = re.split(r"[\d_]", name.removeprefix("test_").removeprefix("legacy_"), maxsplit=1)[0]
    return head or name


def _rank(name: str) -> tuple[bool, int, int, str]:
    size = next((rank for rank, pattern in enumerate(SIZES) if re.search(pattern, name)), len(SIZES))
    return (HUGE.search(name) is not None, size, len(name), name)
