"""Lightning: gradients as its optimizers use them, training to the bit, exceptions, resuming, two processes."""

import logging
import math
import subprocess
import sys
import textwrap

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins import MixedPrecision
from steps import BATCH, TOLERANCE, data, handed, is_bare, load, losses, net, same, worst_error
from torch import nn

import gradflow
from gradflow.integrations.lightning import GradientFlow

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Automatic(lightning.LightningModule):
    def __init__(self, is_checkpointed=False, nesterov=False):
        super().__init__()
        self.net, self.nesterov, self.seen = net(is_checkpointed=is_checkpointed), nesterov, []

    def training_step(self, batch, index):
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.seen.append(loss.item())
        return loss

    def configure_optimizers(self):
        if self.nesterov:
            return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9, nesterov=True, foreach=True)
        return torch.optim.AdamW(self.parameters(), 1e-2)


class Manual(Automatic):
    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, index):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        loss = super().training_step(batch, index)
        self.manual_backward(loss)
        self.clip_gradients(optimizer, gradient_clip_val=0.05, gradient_clip_algorithm="norm")
        optimizer.step()


class Adversarial(lightning.LightningModule):
    def __init__(self, fails_at=None):
        super().__init__()
        torch.manual_seed(0)
        self.automatic_optimization, self.fails_at = False, fails_at
        self.G = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8))
        self.D = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
        self.of_d, self.of_g = [], []

    def training_step(self, batch, index):
        if index == self.fails_at:
            raise RuntimeError("boom")
        g, d = self.optimizers()
        fake = self.G(torch.randn(len(batch[0]), 4))
        loss = nn.functional.softplus(-self.D(batch[0])).mean() + nn.functional.softplus(self.D(fake.detach())).mean()
        d.zero_grad()
        self.manual_backward(loss)
        d.step()
        self.of_d.append(loss.item())
        loss = nn.functional.softplus(-self.D(fake)).mean()
        g.zero_grad()
        self.manual_backward(loss)
        g.step()
        self.of_g.append(loss.item())

    def configure_optimizers(self):
        return torch.optim.Adam(self.G.parameters(), 1e-3), torch.optim.Adam(self.D.parameters(), 1e-3)


def loader():
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*data()), batch_size=BATCH)


def fit(model, callbacks=(), epochs=1, ckpt_path=None, **options):
    torch.manual_seed(1)
    options = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False, **options}
    options.setdefault("enable_progress_bar", False)
    trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", callbacks=[*callbacks], **options)
    trainer.fit(model, loader(), ckpt_path=ckpt_path)
    return trainer


CASES = {
    "plain": ({}, {}),
    "accumulated": ({"accumulate_grad_batches": 2}, {}),
    "clipped": ({"gradient_clip_val": 0.05}, {}),
    "bf16": ({"precision": "bf16-mixed"}, {}),
    "checkpointed": ({}, {"is_checkpointed": True}),
    "all": (
        {"accumulate_grad_batches": 3, "gradient_clip_val": 0.05, "precision": "bf16-mixed"},
        {"is_checkpointed": True},
    ),
    "nesterov": ({}, {"nesterov": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_norms_are_those_that_the_optimizer_uses_and_training_is_the_same(tmp_path, monkeypatch, case):
    options, of_model = CASES[case]
    bare = Automatic(**of_model)
    fit(bare, **options)
    model, callback = Automatic(**of_model), GradientFlow(tmp_path / "run")
    with handed(monkeypatch) as steps:
        fit(model, [callback], **options)
    recording = load(tmp_path / "run")
    assert worst_error(recording, model, steps) < TOLERANCE
    assert same(bare, model)
    assert bare.seen == model.seen
    assert is_bare(model)
    n = options.get("accumulate_grad_batches", 1)
    means = [sum(model.seen[i : i + n]) / n for i in range(0, len(model.seen), n)]
    assert losses(recording) == pytest.approx(means, rel=1e-6)
    unclipped, total = recording.steps["unclipped_grad_norm"], recording.steps["total_grad_norm"]
    if "gradient_clip_val" in options:
        assert (unclipped > 0.0501).all()
        assert total.to_numpy() == pytest.approx(0.05, rel=1e-3)
    else:
        assert unclipped.to_numpy() == pytest.approx(total.to_numpy(), rel=1e-6)
    assert callback.recording.layers.equals(recording.layers)


def test_fp16_with_a_scaler_that_skips_a_step(tmp_path, monkeypatch):
    def fit_half(model, callbacks):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=1000)  # too large at first
        precision = MixedPrecision("16-mixed", "cpu", scaler=scaler)
        return fit(model, callbacks, epochs=4, plugins=[precision], gradient_clip_val=0.05)

    bare, model = Automatic(), Automatic()
    fit_half(bare, [])
    with handed(monkeypatch) as steps:
        fit_half(model, [GradientFlow(tmp_path / "run")])
    recording = load(tmp_path / "run")
    assert same(bare, model)
    skipped = recording.steps["skipped"]
    assert 0 < skipped.sum() < len(skipped) == 24
    assert len(steps) == 24 - skipped.sum()
    made = recording.steps.loc[~skipped, "step"].tolist()
    assert recording.steps.loc[~skipped, "total_grad_norm"].to_numpy() == pytest.approx(0.05, rel=1e-3)
    for step, used in zip(made, steps, strict=True):
        rows = recording.layers.query(f"step == {step} and call == 0 and grad_norm > 0").drop_duplicates("layer")
        for row in rows.itertuples():
            own = [used[id(p)] for p in model.get_submodule(row.layer).parameters(recurse=False)]
            assert row.grad_norm == pytest.approx(math.hypot(*own), rel=TOLERANCE)
    assert losses(recording) == pytest.approx(model.seen)


def test_manual_optimisation(tmp_path, monkeypatch):
    bare, model = Manual(), Manual()
    fit(bare)
    with handed(monkeypatch) as steps:
        fit(model, [GradientFlow(tmp_path / "run")])
    recording = load(tmp_path / "run")
    assert worst_error(recording, model, steps) < TOLERANCE
    assert recording.steps["total_grad_norm"].to_numpy() == pytest.approx(0.05, rel=1e-3)
    assert losses(recording) == pytest.approx(model.seen)
    assert same(bare, model)


def test_two_optimizers_that_oppose_each_other(tmp_path, monkeypatch):
    bare, model = Adversarial(), Adversarial()
    fit(bare)
    with handed(monkeypatch) as steps:
        fit(model, [GradientFlow(tmp_path / "run")])
    recording = load(tmp_path / "run")
    assert same(bare, model)
    both = [{**d, **g} for d, g in zip(steps[::2], steps[1::2], strict=True)]  # D steps first, then G
    assert worst_error(recording, model, both) < TOLERANCE
    assert recording.steps["loss_1"].tolist() == pytest.approx(model.of_d)
    assert recording.steps["loss_0"].tolist() == pytest.approx(model.of_g)
    assert recording.steps["loss"].isna().all()


def test_an_exception_leaves_no_hook_and_the_next_training_goes_on(tmp_path):
    model = Adversarial(fails_at=2)
    callback = GradientFlow(tmp_path / "run")
    with pytest.raises(RuntimeError, match="boom"):
        fit(model, [callback])
    assert is_bare(model)
    assert len(load(tmp_path / "run").steps) == 2
    model.fails_at = None
    fit(model, [callback])
    assert load(tmp_path / "run").steps["step"].tolist() == [*range(2 + 6)]


def test_a_resumed_training_goes_on_with_the_recording_of_its_checkpoint(tmp_path, monkeypatch):
    whole = Automatic()
    with handed(monkeypatch) as steps:
        fit(whole, [GradientFlow(tmp_path / "whole")], epochs=3)
    saving = ModelCheckpoint(dirpath=tmp_path, filename="{epoch}", save_top_k=-1)
    fit(Automatic(), [GradientFlow(tmp_path / "run"), saving], epochs=2, enable_checkpointing=True)
    assert len(load(tmp_path / "run").steps) == 12
    again = Automatic()  # from the first epoch's end: the second epoch's rows are made anew
    fit(again, [GradientFlow(tmp_path / "run")], epochs=3, ckpt_path=tmp_path / "epoch=0.ckpt")
    found = load(tmp_path / "run")
    assert same(whole, again)
    assert found.steps["step"].tolist() == [*range(18)]
    assert len(steps) == 18
    assert found.layers.equals(load(tmp_path / "whole").layers)


def test_a_folder_of_another_training_is_refused_in_one_line(tmp_path):
    fit(Automatic(), [GradientFlow(tmp_path / "run")])
    model = Automatic()
    with pytest.raises(
        gradflow.storage.StorageError, match="already holds the recording of another training"
    ) as raised:
        fit(model, [GradientFlow(tmp_path / "run")])
    assert "\n" not in str(raised.value)
    assert is_bare(model)
    with pytest.raises(ValueError, match="optimizer comes from the trainer"):
        GradientFlow(tmp_path / "run", optimizer=None)


def test_two_callbacks_on_one_model_are_refused(tmp_path):
    with pytest.raises(RuntimeError, match="more than one stateful callback of type `GradientFlow`"):  # Lightning's
        fit(Automatic(), [GradientFlow(tmp_path / "a"), GradientFlow(tmp_path / "b")])


def test_numbers_go_to_the_trainers_logger_and_findings_to_its_output(tmp_path, capsys):
    logger = CSVLogger(tmp_path, name="", version="")
    model = Automatic()
    model.net.middle.register_forward_hook(lambda module, args, output: output.detach())  # cuts the first layer off
    fit(model, [GradientFlow(tmp_path / "run")], logger=logger, enable_progress_bar=True, log_every_n_steps=1)
    said = capsys.readouterr()
    assert "gradflow: " in said.out + said.err
    head = (tmp_path / "metrics.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"gradflow/total_grad_norm", "gradflow/zero_layers"} <= set(head)


def test_findings_come_while_the_network_trains_and_may_stop_it(tmp_path):
    def cut_off():
        model = Automatic()
        model.net.middle.register_forward_hook(lambda module, args, output: output.detach())
        return model

    seen = []
    model = cut_off()
    fit(model, [GradientFlow(tmp_path / "told", on_finding=lambda finding: seen.append(len(model.seen)))], epochs=5)
    assert seen
    assert min(seen) < len(model.seen) == 30
    model = cut_off()
    with pytest.raises(gradflow.TrainingStoppedError):
        fit(model, [GradientFlow(tmp_path / "run", on_finding="stop")], epochs=5)
    assert len(model.seen) == len(load(tmp_path / "run").steps) < 30
    assert is_bare(model)


def test_two_processes(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
            import sys, pathlib, torch, lightning, pickle
            sys.path.insert(0, sys.argv[2])
            import test_lightning, steps, gradflow, pytest
            folder, recorded = pathlib.Path(sys.argv[1]), sys.argv[3] == "recorded"
            model, patch = test_lightning.Automatic(), pytest.MonkeyPatch()
            with steps.handed(patch) as used:
                test_lightning.fit(
                    model, [test_lightning.GradientFlow(folder / "run")] if recorded else [],
                    strategy="ddp", devices=2, gradient_clip_val=0.05,
                )
            if model.global_rank == 0:
                torch.save(model.state_dict(), folder / f"{sys.argv[3]}.pt")
                if recorded:
                    print("worst", steps.worst_error(steps.load(folder / "run"), model, used))
        """),
        encoding="utf-8",
    )
    folder = str(tmp_path), str(__file__).rpartition("/")[0]
    said = {
        kind: subprocess.run(
            [sys.executable, str(script), *folder, kind], capture_output=True, text=True, timeout=200, check=False
        )
        for kind in ("bare", "recorded")
    }
    assert not said["recorded"].returncode, said["recorded"].stderr[-2000:]
    assert float(said["recorded"].stdout.split("worst ")[1].split()[0]) < TOLERANCE
    bare, recorded = (torch.load(tmp_path / f"{kind}.pt") for kind in said)
    assert all(torch.equal(bare[name], recorded[name]) for name in bare)
    assert len(load(tmp_path / "run").steps) == 3  # 48 rows, 8 at a time in each of two processes
