"""Text that no file can hold is refused or written out at record(), never when the run is over."""

import os

import pytest
import torch
from torch import nn

import gradflow
from gradflow.storage import StorageError

HALF = "a\ud800"


def trained(model, **options):
    with gradflow.record(model, **options) as recorder:
        model(torch.ones(1, 2)).sum().backward()
        recorder.step(loss=1.0)
    return recorder.recording


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"name": HALF}, r"name holds '\\ud800', which is no character"),
        ({"meta": {"note": HALF}}, r"meta\['note'\] holds '\\ud800'"),
        ({"meta": {"note": {"deep": ["fine", HALF]}}}, r"meta\['note'\] holds"),
        ({"meta": {HALF: 1}}, r"meta\['a\\ud800'\] holds"),
    ],
)
def test_names_and_meta_are_refused(tmp_path, options, told):
    for path in (None, tmp_path / "run"):
        with pytest.raises(StorageError, match=told) as caught:
            gradflow.record(nn.Linear(2, 1), path=path, **options)
        str(caught.value).encode()
        assert "\n" not in str(caught.value)
    with pytest.raises(StorageError, match="holds"):
        gradflow.save(gradflow.Recording(meta=options.get("meta") or {"run": HALF}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_names_of_layers_and_parameters_are_written_out(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_parameter("w\udcff", nn.Parameter(torch.ones(2, 2)))

        def forward(self, x):
            return x @ self.get_parameter("w\udcff")

    model = nn.Sequential()
    model.add_module("in\ud800", nn.Linear(2, 2))
    model.add_module("é", Own())
    for path in (None, tmp_path / "run"):
        kept = trained(model, path=path)
        assert kept.layers.layer.tolist() == [r"in\xed\xa0\x80", "é"]
        assert kept.parameters.parameter.tolist() == ["weight", "bias", r"w\xff"]
        assert kept.graph.source.tolist() == [r"in\xed\xa0\x80"]


@pytest.mark.parametrize("path", [HALF, "a\0b"])
def test_a_path_that_no_file_system_takes_is_refused(tmp_path, path):
    with pytest.raises(StorageError, match="cannot write to") as caught:
        gradflow.record(nn.Linear(2, 1), path=tmp_path / path)
    str(caught.value).encode()
    assert "\n" not in str(caught.value)


def test_a_folder_whose_name_is_no_utf8_is_written_and_named(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/r\xff")
    assert trained(nn.Linear(2, 1), path=path).name == r"r\xff"
    assert gradflow.load(path).steps.loss.tolist() == [1.0]


def test_scalars_are_numbers_with_names_of_text():
    recorder = gradflow.record(nn.Linear(2, 1))
    with pytest.raises(ValueError, match=r"loss must be a number; got 'a\\ud800'\."):
        recorder.step(loss=HALF)
    with pytest.raises(ValueError, match=r"the name of the scalar 'a\\ud800' holds '\\ud800'"):
        recorder.step(**{HALF: 1.0})
    recorder.close()
