import pytest
import torch

from gradflow.errors import GradflowError
from gradflow.experiments.augmentation import CROP_SHARE, JITTER, PixelRange, augment

MEAN, STD = [100.0, 120.0, 90.0], [60.0, 50.0, 70.0]


def rgb(n=64, side=16, seed=0):
    """Images of pixels 0 to 255, at least one of them white, and the same normalised."""
    pixels = torch.randint(256, (n, 3, side, side), generator=torch.Generator().manual_seed(seed)).float()
    pixels[0, 1, 0, 0] = 255
    shift, scale = (torch.tensor(value).view(-1, 1, 1) for value in (MEAN, STD))
    return pixels, (pixels - shift) / scale


def drawn(images, names, seed=0, pixels=None):
    pixels = pixels or PixelRange.of(images, MEAN[: images.shape[1]], STD[: images.shape[1]])
    return augment(images, names, torch.Generator().manual_seed(seed), pixels)


def windows(image, pad):
    """Every window of an image's size within the image in its frame of zeros, by its offsets."""
    channels, height, width = image.shape
    framed = torch.zeros(channels, height + 2 * pad, width + 2 * pad)
    framed[:, pad : pad + height, pad : pad + width] = image
    return {
        (top, left): framed[:, top : top + height, left : left + width]
        for top in range(2 * pad + 1)
        for left in range(2 * pad + 1)
    }


@pytest.mark.parametrize(("side", "pad"), [(32, 4), (28, 3), (8, 1), (4, 1)])
def test_a_crop_is_a_window_of_the_padded_image(side, pad):
    images = torch.randn(400, 2, side, side, generator=torch.Generator().manual_seed(1))
    places = []
    for image, cropped in zip(images, drawn(images, ["crop"]), strict=True):
        places += [place for place, window in windows(image, pad).items() if torch.equal(window, cropped)]
    assert len(places) == len(images)
    counts = torch.tensor([places.count((row, column)) for row in range(2 * pad + 1) for column in range(2 * pad + 1)])
    expected = len(images) / counts.numel()
    assert ((counts - expected) ** 2 / expected).sum() < 2 * counts.numel() + 20  # chi-square: mean is counts - 1


def test_height_and_width_are_padded_by_their_own_share():
    images = torch.randn(200, 1, 8, 16)
    assert CROP_SHARE == 8
    rows = {tuple((crop != 0).any(2)[0].tolist()) for crop in drawn(images, ["crop"])}
    columns = {tuple((crop != 0).any(1)[0].tolist()) for crop in drawn(images, ["crop"])}
    assert len(rows) == 3
    assert len(columns) == 5


def test_half_of_the_images_are_flipped_and_the_others_as_they_were():
    images = torch.randn(1000, 1, 3, 3)
    found = drawn(images, ["flip"])
    flipped = [torch.equal(after, torch.flip(before, [2])) for before, after in zip(images, found, strict=True)]
    same = [torch.equal(after, before) for before, after in zip(images, found, strict=True)]
    assert all(a != b for a, b in zip(flipped, same, strict=True))
    assert 430 < sum(flipped) < 570


def jittered_by_hand(pixel, factors):
    """One image of pixels from 0 to 1, entry by entry; (3, height, width)."""
    brightness, contrast, saturation = factors

    def grey(image):
        return 0.2989 * image[0] + 0.587 * image[1] + 0.114 * image[2]

    bright = (pixel * brightness).clamp(0, 1)
    level = grey(bright).mean()
    hard = (contrast * bright + (1 - contrast) * level).clamp(0, 1)
    return torch.stack([(saturation * hard[c] + (1 - saturation) * grey(hard)).clamp(0, 1) for c in range(3)])


def test_jitter_changes_pixels_from_black_to_white():
    pixels, images = rgb()
    found = drawn(images, ["jitter"], seed=3)
    draws = torch.rand(3, len(images), 1, 1, 1, generator=torch.Generator().manual_seed(3)).squeeze()
    factors = 1 - JITTER + 2 * JITTER * draws
    shift, scale = (torch.tensor(value).view(-1, 1, 1) for value in (MEAN, STD))
    for number, image in enumerate(found):
        shown = (image * scale + shift) / 255
        assert torch.allclose(shown, jittered_by_hand(pixels[number] / 255, factors[:, number]), atol=1e-5)
        assert shown.min() > -1e-5
        assert shown.max() < 1 + 1e-5


def test_jitter_of_one_channel_has_no_saturation():
    images = torch.rand(16, 1, 4, 4)
    pixels = PixelRange(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    found = drawn(images, ["jitter"], seed=2, pixels=pixels)
    draws = torch.rand(3, 16, 1, 1, 1, generator=torch.Generator().manual_seed(2))
    brightness, contrast, _ = 1 - JITTER + 2 * JITTER * draws
    bright = (images * brightness).clamp(0, 1)
    level = bright.mean(dim=(1, 2, 3), keepdim=True)
    assert torch.allclose(found, (contrast * (bright - level) + level).clamp(0, 1), atol=1e-6)


def test_the_input_stays_and_the_same_seed_draws_the_same():
    _, images = rgb()
    before = images.clone()
    names = ["jitter", "flip", "crop"]
    first, again = drawn(images, names), drawn(images, names)
    assert torch.equal(images, before)
    assert torch.equal(first, again)
    assert torch.equal(first, drawn(images, ["crop", "flip", "jitter"]))
    assert not torch.equal(first, drawn(images, names, seed=1))
    assert drawn(images, []) is images


def test_the_global_random_state_is_left_alone():
    _, images = rgb(4)
    state = torch.random.get_rng_state()
    drawn(images, ["crop", "flip", "jitter"])
    assert torch.equal(torch.random.get_rng_state(), state)


def test_white_is_the_largest_pixel_of_all_channels():
    pixels = torch.tensor([[[[0.0, 16.0]], [[0.0, 4.0]]]])
    mean, std = torch.tensor([8.0, 2.0]).view(-1, 1, 1), torch.tensor([8.0, 2.0]).view(-1, 1, 1)
    found = PixelRange.of((pixels - mean) / std, mean=[8.0, 2.0], std=[8.0, 2.0])
    assert found.black.flatten().tolist() == [-1, -1]
    assert found.white.flatten().tolist() == [1, 7]


def test_what_cannot_be_augmented_is_named():
    with pytest.raises(GradflowError, match=r"channels, height, width\); got a batch of shape \(4, 7\)"):
        drawn(torch.randn(4, 7), ["flip"], pixels=PixelRange(torch.zeros(1), torch.ones(1)))
    with pytest.raises(GradflowError, match="1 or 3 channels; got 2"):
        drawn(torch.randn(4, 2, 3, 3), ["jitter"])


def test_jitter_without_a_range_is_named():
    with pytest.raises(GradflowError, match="jitter needs pixels"):
        augment(torch.randn(4, 1, 3, 3), ["jitter"], torch.Generator())
