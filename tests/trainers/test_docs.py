"""The pages on trainers and trackers are true: their code runs."""

import re
from pathlib import Path

import pytest
import torch
from steps import BATCH, Net, data, load, net
from torch import nn

import gradflow

DOCS = Path(__file__).parents[2] / "docs"
TRAINERS, TRACKERS = (
    re.findall(r"```python\n(.*?)```", (DOCS / f"{page}.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    for page in ("trainers", "trackers")
)


def block(blocks, word):
    (found,) = [one for one in blocks if word in one]
    return found


def surroundings():
    model = net()
    return {
        "gradflow": gradflow,
        "nn": nn,
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), 0.1),
        "loader": torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data()), batch_size=BATCH),
        "loss_function": nn.functional.cross_entropy,
    }


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_lightning():
    import lightning
    from test_lightning import Automatic

    exec(
        block(TRAINERS, "lightning.Trainer"),
        {**surroundings(), "lightning": lightning, "lightning_module": Automatic()},
    )
    assert len(load("run").steps) == 12


def test_transformers(tmp_path):
    import transformers
    from test_transformers import Rows, language_model

    arguments = transformers.TrainingArguments(str(tmp_path / "out"), use_cpu=True, report_to=[], max_steps=2)
    names = {"transformers": transformers, "model": language_model(), "arguments": arguments, "rows": Rows()}
    exec(block(TRAINERS, "transformers.Trainer"), names)
    assert len(load("run").steps) == 2


def test_accelerate():
    from accelerate import Accelerator

    exec(block(TRAINERS, "accelerator.prepare"), {**surroundings(), "accelerator": Accelerator(cpu=True)})
    assert load("run").steps["loss"].notna().tolist() == [True] * 6


def test_fastai(tmp_path):
    from fastai.optimizer import SGD
    from test_fastai import learner

    exec(block(TRAINERS, "integrations.fastai"), {"learner": learner(net(), SGD, tmp_path)})
    assert len(load("run").steps) == 12


def test_ignite():
    from ignite.engine import create_supervised_trainer

    names = surroundings()
    engine = create_supervised_trainer(names["model"], names["optimizer"], names["loss_function"])
    exec(block(TRAINERS, "integrations.ignite"), {**names, "engine": engine})
    assert len(load("run").steps) == 12


def test_skorch():
    import skorch

    inputs, targets = data()
    exec(
        block(TRAINERS, "integrations.skorch"),
        {**surroundings(), "skorch": skorch, "Module": Net, "inputs": inputs, "targets": targets},
    )
    assert len(load("run").steps) > 2


def test_gan(capsys):
    names = {"gradflow": gradflow}
    for name in ("generator", "discriminator"):
        names[name] = nn.Linear(4, 4)
        names[f"{name}_optimizer"] = torch.optim.SGD(names[name].parameters(), 0.1)

    def train_gan():
        fake = names["generator"](torch.ones(2, 4))
        for name, x in (("discriminator", fake.detach()), ("generator", fake)):
            names["discriminator"](x).square().mean().backward()
            names[f"{name}_optimizer"].step()
            names["discriminator"].zero_grad()

    exec(block(TRAINERS, "recorders"), {**names, "train_gan": train_gan})
    assert "grad_norm" in capsys.readouterr().out


def test_trackers(tmp_path, capsys):
    import mlflow
    import wandb
    from torch.utils.tensorboard import SummaryWriter

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_experiment("docs")
    names = {**surroundings(), "writer": SummaryWriter(tmp_path / "tb")}
    names["run"] = wandb.init(mode="offline", dir=tmp_path, settings=wandb.Settings(silent=True))
    exec(block(TRACKERS, "MLflow()"), names)
    step(names)
    names["recorder"].close()
    names["run"].finish()
    mlflow.end_run()
    (line,) = (tmp_path / "gradients.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert line.startswith("0,")
    shown = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", TABLE, flags=re.MULTILINE)))
    head = (tmp_path / "gradients.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {*head} - {"step"} <= {*shown}
    # step() was not called before the optimizer's step, and nobody asked for findings
    assert {*shown} - {*head} == {"unclipped_grad_norm", "findings"}
    exec(block(TRACKERS, "Console"), names)
    step(names)
    names["recorder"].close()
    assert capsys.readouterr().out.startswith("0 ")


TABLE = (DOCS / "trackers.md").read_text(encoding="utf-8")


def step(names):
    inputs, targets = data()
    names["optimizer"].zero_grad()
    names["loss_function"](names["model"](inputs), targets).backward()
    names["optimizer"].step()
