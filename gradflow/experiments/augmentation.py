"""Augmentation of whole batches: crop, flip, colour jitter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gradflow.errors import GradflowError

CROP_SHARE = 8  # a side is padded by an eighth at either end: 4 of 32, as in He et al. 2015; 3 of 28, 1 of 8
JITTER = (
    0.4  # brightness, contrast and saturation are multiplied by 1 - 0.4 to 1 + 0.4, as for ImageNet in fb.resnet.torch
)
GREY = (0.2989, 0.587, 0.114)  # shares of red, green and blue in brightness: ITU-R BT.601, torchvision's digits


@dataclass(frozen=True)
class PixelRange:
    """What black and white are in normalised images: tensors (channels, 1, 1) on the images' device."""

    black: Tensor
    white: Tensor

    @classmethod
    def of(cls, images: Tensor, mean: Sequence[float], std: Sequence[float]) -> PixelRange:
        """Return the range of images that were normalised as (pixel - mean) / std, with black at pixel 0.

        White is the largest pixel of all the images, so give the whole training set: 255 for CIFAR-10 and MNIST, 16
        for the digits.
        """
        shift, scale = (torch.tensor(value, dtype=torch.float64).view(-1, 1, 1) for value in (mean, std))
        largest = images.amax(dim=(0, 2, 3)).double().cpu().view(-1, 1, 1) * scale + shift
        black, white = -shift / scale, (largest.max() - shift) / scale
        return cls(black.to(images), white.to(images))


def augment(
    images: Tensor, names: Sequence[str], generator: torch.Generator, pixels: PixelRange | None = None
) -> Tensor:
    """Return a batch with each image changed at random; the input stays as it is.

    Parameters
    ----------
    images : Tensor
        Normalised, (batch, channels, height, width), on any device; all work is done there, a batch at once.
    names : sequence of str
        What is done, always in this order:

        - "crop": every side is padded by an eighth of it, at least one pixel, and a window of the old size is cut out
          at random. Padding is 0, the mean of the training set, as in He et al. 2015, section 4.2.
        - "flip": left and right are exchanged with probability 1/2.
        - "jitter": brightness, contrast and saturation, in this order, are each multiplied by a factor drawn
          uniformly from 0.6 to 1.4, as torchvision's `ColorJitter(0.4, 0.4, 0.4)` does in random order. The images
          are taken back to pixels from 0 (black) to 1 (white) for it, and cut off at both ends.
    generator : torch.Generator
        On the CPU, so that every device sees the same draws, each image its own.
    pixels : PixelRange, optional
        What black and white are; "jitter" alone needs it.

    Raises
    ------
    GradflowError
        The batch is not of images, or jitter is asked for with other than 1 or 3 channels, or without `pixels`.

    Examples
    --------
    >>> images = torch.rand(16, 1, 8, 8)
    >>> augment(images, ["crop", "flip"], torch.Generator().manual_seed(0)).shape
    torch.Size([16, 1, 8, 8])
    """
    if names and images.dim() != 4:
        shape = tuple(images.shape)
        raise GradflowError(f"augment needs images, (batch, channels, height, width); got a batch of shape {shape}.")
    if "crop" in names:
        images = _cropped(images, generator)
    if "flip" in names:
        images = _flipped(images, generator)
    if "jitter" in names:
        images = _jittered(images, generator, pixels)
    return images


def _cropped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return windows at random places of the padded images."""
    n, _, height, width = images.shape
    down, right = max(1, height // CROP_SHARE), max(1, width // CROP_SHARE)
    padded = functional.pad(images, (right, right, down, down))
    top = torch.randint(2 * down + 1, (n, 1), generator=generator)
    left = torch.randint(2 * right + 1, (n, 1), generator=generator)
    rows = (top + torch.arange(height)).to(images.device)[:, None, :, None]
    columns = (left + torch.arange(width)).to(images.device)[:, None, None, :]
    image = torch.arange(n, device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[image, channel, rows, columns]


def _flipped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return the images, each with probability 1/2 as in a mirror."""
    is_flipped = torch.randint(2, (len(images), 1, 1, 1), generator=generator).bool().to(images.device)
    return torch.where(is_flipped, images.flip(-1), images)


def _jittered(images: Tensor, generator: torch.Generator, pixels: PixelRange | None) -> Tensor:
    """Return the images with other brightness, contrast and saturation, each in its own measure."""
    if images.shape[1] not in (1, 3):
        raise GradflowError(f"jitter needs images of 1 or 3 channels; got {images.shape[1]}. Leave it out of augment.")
    if pixels is None:
        raise GradflowError("jitter needs pixels, what black and white are in these images; got none.")
    factors = 1 + JITTER * (2 * torch.rand(3, len(images), 1, 1, 1, generator=generator) - 1)
    brightness, contrast, saturation = factors.to(images)
    span = pixels.white - pixels.black
    shown = (images - pixels.black) / span
    shown = (shown * brightness).clamp(0, 1)
    shown = torch.lerp(_grey(shown).mean(dim=(1, 2, 3), keepdim=True), shown, contrast).clamp(0, 1)
    shown = torch.lerp(_grey(shown), shown, saturation).clamp(0, 1)
    return shown * span + pixels.black


def _grey(shown: Tensor) -> Tensor:
    """Return the brightness of each pixel, (batch, 1, height, width)."""
    if shown.shape[1] == 1:
        return shown
    weights = torch.tensor(GREY, device=shown.device, dtype=shown.dtype).view(-1, 1, 1)
    return (shown * weights).sum(dim=1, keepdim=True)
