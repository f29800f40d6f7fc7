"""A trainer or tracker that is missing or too old is told of in one line, which names the extra."""

import importlib
import sys

import pytest

from gradflow.integrations import optional
from gradflow.integrations.optional import MissingLibraryError

TRAINERS = {
    "lightning": ("lightning", "lightning"),
    "transformers": ("transformers", "transformers"),
    "fastai": ("fastai", "fastai"),
    "ignite": ("ignite", "ignite"),
    "skorch": ("skorch", "skorch"),
}


def blocked(monkeypatch, package):
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize("name", TRAINERS)
def test_a_trainer_that_is_missing(monkeypatch, name):
    package, extra = TRAINERS[name]
    blocked(monkeypatch, package)
    monkeypatch.delitem(sys.modules, f"gradflow.integrations.{name}", raising=False)
    with pytest.raises(
        MissingLibraryError, match=rf"is not installed; pip install 'gradflow-torch\[{extra}\]'\."
    ) as said:
        importlib.import_module(f"gradflow.integrations.{name}")
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(("name", "package"), [("WandB", "wandb"), ("MLflow", "mlflow")])
def test_a_tracker_that_is_missing(monkeypatch, name, package):
    import gradflow.integrations

    blocked(monkeypatch, package)
    with pytest.raises(MissingLibraryError, match=rf"pip install 'gradflow-torch\[{package}\]'"):
        getattr(gradflow.integrations, name)(*([None] if name == "WandB" else []))


def test_a_version_that_is_too_old(monkeypatch):
    monkeypatch.setattr(optional, "version", lambda name: "1.9.5")
    with pytest.raises(
        MissingLibraryError, match=r"skorch 1\.9\.5 is too old, 1\.10 or newer is needed; pip install -U"
    ):
        optional.library("skorch", extra="skorch", least="1.10")
    assert optional.library("skorch", extra="skorch", least="1.9").__name__ == "skorch"
