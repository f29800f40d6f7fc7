import hashlib
import io
import tarfile

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from gradflow.experiments import DataError, load_data
from gradflow.experiments.data import CIFAR10_TEST, CIFAR10_TRAIN, batches, unpack_cifar10


def cifar_files(folder, n=12, seed=0):
    """Small files in CIFAR-10's binary format; returns the pixels and labels written."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name in (*CIFAR10_TRAIN, CIFAR10_TEST):
        labels = rng.integers(0, 10, size=n, dtype=np.uint8)
        pixels = rng.integers(0, 256, size=(n, 3, 32, 32), dtype=np.uint8)
        records = [bytes([label]) + image.tobytes() for label, image in zip(labels, pixels, strict=True)]
        (folder / name).write_bytes(b"".join(records))
        written[name] = (pixels, labels)
    return written


def test_digits_are_scikit_learns_to_the_bit():
    data, source = load_data("digits"), load_digits()
    images = source.images[:, None]
    train, test = train_test_split(np.arange(len(images)), test_size=0.2, random_state=0, stratify=source.target)
    normed = torch.from_numpy(((images - images[train].mean()) / images[train].std()).astype(np.float32))
    assert data.in_channels == 1
    assert data.num_classes == 10
    for part, found, labels in (
        (train, data.train_images, data.train_labels),
        (test, data.test_images, data.test_labels),
    ):
        assert found.shape == (len(part), 1, 8, 8)
        assert torch.equal(found, normed[part])
        assert labels.tolist() == source.target[part].tolist()


@pytest.mark.parametrize(("name", "n_train", "size"), [("digits", 1437, 8), ("mnist5k", 4000, 28)])
def test_split_is_stratified_and_normalised_on_the_training_part(name, n_train, size):
    data = load_data(name)
    assert data.train_images.shape == (n_train, 1, size, size)
    assert data.train_images.mean().item() == pytest.approx(0, abs=1e-5)
    assert data.train_images.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert abs(data.test_images.mean().item()) > 1e-5  # not normalised by itself
    shares = [labels.bincount() / len(labels) for labels in (data.train_labels, data.test_labels)]
    assert (shares[0] - shares[1]).abs().max() < 0.002


def test_cifar10_binary_format(tmp_path):
    written = cifar_files(tmp_path)
    data = load_data(f"cifar10:{tmp_path}")
    assert data.train_images.shape == (60, 3, 32, 32)
    assert data.test_images.shape == (12, 3, 32, 32)
    pixels, labels = written[CIFAR10_TEST]
    assert data.test_labels.tolist() == labels.tolist()
    scale, shift = torch.tensor(data.std).view(3, 1, 1), torch.tensor(data.mean).view(3, 1, 1)
    np.testing.assert_allclose((data.test_images * scale + shift).numpy(), pixels, atol=1e-3)
    train = np.concatenate([written[name][0] for name in CIFAR10_TRAIN])
    assert data.mean == pytest.approx(train.mean(axis=(0, 2, 3)).tolist())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / CIFAR10_TEST).unlink(), "cannot read .*test_batch.bin"),
        (lambda folder: (folder / CIFAR10_TEST).write_bytes(b"\x00" * 3074), "is damaged: 3074 bytes"),
        (lambda folder: (folder / CIFAR10_TEST).write_bytes(b""), "is damaged: 0 bytes"),
        (lambda folder: (folder / CIFAR10_TEST).write_bytes(b"\x0b" * 3073), "a label is 11"),
    ],
)
def test_damaged_cifar10_files_are_named(tmp_path, damage, message):
    cifar_files(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        load_data(f"cifar10:{tmp_path}")


def test_the_archive_is_unpacked_only_with_its_checksum(tmp_path):
    cifar_files(tmp_path / "made" / "cifar-10-batches-bin")
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "made" / "cifar-10-batches-bin", arcname="cifar-10-batches-bin")
    with pytest.raises(DataError, match="its MD5 is"):
        unpack_cifar10(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    unpack_cifar10(archive, tmp_path / "out", md5=hashlib.md5(archive.read_bytes()).hexdigest())
    assert load_data(f"cifar10:{tmp_path / 'out'}").num_classes == 10


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("../escaped.bin")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(tarfile.FilterError):
        unpack_cifar10(archive, tmp_path / "out", md5=hashlib.md5(archive.read_bytes()).hexdigest())
    assert not (tmp_path / "escaped.bin").exists()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "imagenet",
            "data must be one of digits, mnist5k, cifar10, cifar10:FOLDER or .*FACTORY; got 'imagenet'",
        ),
        ("digits:/tmp", "takes no folder"),
        ("cifar10:/no/such/folder", "/no/such/folder is not a directory"),
    ],
)
def test_bad_names(spec, message):
    with pytest.raises(DataError, match=message):
        load_data(spec)


def test_batches_visit_every_image_once_an_epoch_in_a_seeded_order():
    def first_epoch(seed):
        stream = batches(10, 3, torch.Generator().manual_seed(seed))
        return torch.cat([next(stream) for _ in range(3)]).tolist()

    assert first_epoch(0) == first_epoch(0) != first_epoch(1)
    assert len(set(first_epoch(0))) == 9
    with pytest.raises(DataError, match="at most the 10 training images; got 11"):
        next(batches(10, 11, torch.Generator()))
