"""torchvision's classification, segmentation, detection, video and optical-flow models, without weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from .specimen import Batch, Specimen

KINDS = {
    "classification": models,
    "segmentation": models.segmentation,
    "detection": models.detection,
    "video": models.video,
    "optical flow": models.optical_flow,
}
NO_WEIGHTS = {"weights": None}
NO_BACKBONE = {"weights": None, "weights_backbone": None}
FEW_PROPOSALS = {"rpn_pre_nms_top_n_train": 100, "rpn_post_nms_top_n_train": 50, "box_batch_size_per_image": 32}


def names() -> list[str]:
    """Every builder, quantised ones aside."""
    return [name for module in KINDS.values() for name in models.list_models(module=module)]


def kind_of(name: str) -> str:
    """Return the task a builder belongs to."""
    return next(kind for kind, module in KINDS.items() if name in models.list_models(module=module))


def specimens(name: str) -> Iterator[Specimen]:
    """Yield ways to build a model at a small size, then at its own."""
    makers: dict[str, Callable[[str], Iterator[Specimen]]] = {
        "classification": _classification,
        "segmentation": _segmentation,
        "detection": _detection,
        "video": _video,
        "optical flow": _optical_flow,
    }
    return makers[kind_of(name)](name)


def _maker(name: str, options: dict[str, Any]) -> Callable[[], nn.Module]:
    return partial(models.get_model, name, **options)


def _classification(name: str) -> Iterator[Specimen]:
    sizes = (64, 96, 128, 224)
    if name.startswith("vit_"):
        size = 70 if name.endswith("_14") else 64  # a multiple of the patch
        yield Specimen(_maker(name, NO_WEIGHTS | {"image_size": size}), [_images(size)])
    elif name in ("googlenet", "inception_v3"):
        yield Specimen(_maker(name, NO_WEIGHTS | {"init_weights": False}), [_images(64), _images(299)])
    else:
        yield Specimen(_maker(name, NO_WEIGHTS), [_images(size) for size in sizes])


def _segmentation(name: str) -> Iterator[Specimen]:
    yield Specimen(_maker(name, NO_BACKBONE), [_images(64), _images(96)])


def _detection(name: str) -> Iterator[Specimen]:
    if not name.startswith("ssd"):  # their size is fixed
        few = FEW_PROPOSALS if "rcnn" in name else {}
        yield Specimen(_maker(name, NO_BACKBONE | few | {"min_size": 96, "max_size": 128}), [_scenes])
    yield Specimen(_maker(name, NO_BACKBONE), [_scenes])


def _video(name: str) -> Iterator[Specimen]:
    if name.startswith("mvit"):
        yield Specimen(_maker(name, NO_WEIGHTS), [_clips(16, 224, batch=1)])
    else:
        yield Specimen(_maker(name, NO_WEIGHTS), [_clips(8, 64), _clips(16, 64), _clips(16, 112), _clips(16, 224)])


def _optical_flow(name: str) -> Iterator[Specimen]:
    yield Specimen(_maker(name, NO_WEIGHTS), [_frame_pairs])


def _noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def _images(size: int) -> Callable[[nn.Module], Batch]:
    return lambda model: Batch((_noise(2, 3, size, size),))


def _clips(frames: int, size: int, batch: int = 2) -> Callable[[nn.Module], Batch]:
    return lambda model: Batch((_noise(batch, 3, frames, size, size),))


def _frame_pairs(model: nn.Module) -> Batch:
    return Batch((_noise(2, 3, 128, 128), _noise(2, 3, 128, 128)), {"num_flow_updates": 2})


def _scenes(model: nn.Module) -> Batch:
    """Two images with two boxes each, their masks and keypoints."""
    boxes = torch.tensor([[8.0, 8.0, 56.0, 56.0], [32.0, 40.0, 90.0, 88.0]])
    masks = torch.zeros(2, 96, 96, dtype=torch.uint8)
    masks[0, 8:56, 8:56] = masks[1, 40:88, 32:90] = 1
    keypoints = torch.cat(
        [torch.rand(2, 17, 2, generator=torch.Generator().manual_seed(1)) * 40 + 40, torch.ones(2, 17, 1)], 2
    )
    target = {"boxes": boxes, "labels": torch.tensor([1, 1]), "masks": masks, "keypoints": keypoints}
    return Batch(([*_noise(2, 3, 96, 96)], [dict(target), dict(target)]))
