import torch
from torchvision.transforms import functional

from gradflow.experiments.augmentation import JITTER, PixelRange, augment


def test_jitter_is_torchvisions_image_by_image():
    pixels = torch.rand(32, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    pixels[0, 0, 0, 0] = 1.0
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
    shift, scale = (torch.tensor(value).view(-1, 1, 1) for value in (mean, std))
    images = (pixels - shift) / scale
    found = augment(images, ["jitter"], torch.Generator().manual_seed(7), PixelRange.of(images, mean, std))
    draws = torch.rand(3, 32, 1, 1, 1, generator=torch.Generator().manual_seed(7)).flatten(1)
    for image, after, factors in zip(pixels, found, (1 - JITTER + 2 * JITTER * draws).T.tolist(), strict=True):
        expected = functional.adjust_brightness(image, factors[0])
        expected = functional.adjust_contrast(expected, factors[1])
        expected = functional.adjust_saturation(expected, factors[2])
        assert torch.allclose(after * scale + shift, expected, atol=1e-5)
