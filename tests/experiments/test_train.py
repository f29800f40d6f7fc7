import math

import pytest
import torch
from made import one_run
from torch import nn
from torch.nn import functional

from gradflow.experiments import load_data, train
from gradflow.experiments.train import build

SMALL = one_run("residual", steps=12, record_every=5, eval_every=5, widths=(4, 8, 8))


def test_same_seed_same_tables():
    first, second = train(SMALL), train(SMALL)
    assert first.layers.equals(second.layers)
    assert first.steps.equals(second.steps)


def test_recording_does_not_change_training():
    recorded, bare = train(SMALL), train(SMALL, recorded=False)
    columns = ["step", "loss", "batch_error", "train_error", "test_error", "lr"]
    assert bare.layers.empty
    assert recorded.steps[columns].equals(bare.steps[columns])


def test_what_is_recorded_when():
    recording = train(SMALL)
    assert sorted(recording.layers.step.unique()) == [0, 1, 5, 10, 12]
    steps = recording.steps.set_index("step")
    assert steps.index.tolist() == list(range(13))
    assert steps.train_error.dropna().index.tolist() == [5, 10, 12]
    assert steps.loss.notna().all()
    assert recording.meta["status"] == "done"
    assert (recording.layers[recording.layers.kind == "Conv2d"].weight_norm > 0).all()


def test_losses_and_errors_equal_a_hand_written_loop():
    recording = train(SMALL)
    data = load_data("digits")
    model = build(SMALL, data)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=SMALL.steps)
    order = torch.randperm(1437, generator=torch.Generator().manual_seed(0))
    losses = []
    for step in range(SMALL.steps):
        index = order[64 * step : 64 * (step + 1)]
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(data.train_images[index]), data.train_labels[index])
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    assert recording.steps.loss[:-1].tolist() == pytest.approx(losses, rel=1e-4)
    model.eval()
    with torch.no_grad():
        wrong = model(data.train_images).argmax(1) != data.train_labels
    assert recording.steps.train_error.iloc[-1] == pytest.approx(wrong.float().mean().item(), abs=2 / 1437)


def test_the_last_row_is_the_trained_network():
    recording = train(SMALL)
    last, before = (recording.layers[recording.layers.step == step].set_index("layer") for step in (12, 10))
    assert recording.steps.lr.iloc[-1] == 0
    assert (last.weight_norm["conv1"] != before.weight_norm["conv1"]).all()


OPTIONS = {
    "adamw": {"optimizer": "adamw", "lr": 1e-3},
    "accumulate": {"accumulate": 4},
    "step": {"schedule": "step"},
    "multistep": {"schedule": "multistep", "milestones": [2, 4]},
    "constant": {"schedule": "constant"},
    "warmup": {"warmup": 3},
    "warmup_until": {"warmup_until": 0.8},
    "augment": {"augment": ["crop", "flip", "jitter"]},
    "clip": {"clip": 0.1},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16", "clip": 0.1, "accumulate": 2},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_practice_trains_and_recording_does_not_change_it(options):
    run = one_run("residual", steps=6, record_every=2, eval_every=6, widths=[4, 4, 4], **options)
    recorded, bare, usual = train(run), train(run, recorded=False), train(one_run(steps=6, widths=[4, 4, 4]))
    columns = ["step", "loss", "batch_error", "train_error", "test_error", "lr"]
    assert recorded.steps[columns].equals(bare.steps[columns])
    assert not recorded.steps[columns].equals(usual.steps[columns])
    assert recorded.steps.loss.map(math.isfinite).all()
    assert sorted(recorded.layers.step.unique()) == [0, 1, 2, 4, 6]
    assert sorted(recorded.layers.backward.unique()) == list(range(run.recipe.accumulate))
    assert recorded.meta["status"] == "done"
    assert ("unclipped_grad_norm" in recorded.steps) == (run.recipe.clip is not None)


def test_the_paper_s_drops():
    recording = train(one_run(steps=8, schedule="step", lr=0.1, widths=[4, 4, 4]))  # at a half and three quarters
    assert recording.steps.lr.tolist() == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 3)


def test_a_low_rate_until_the_training_error_has_fallen():
    recording = train(one_run(steps=60, schedule="constant", lr=0.2, warmup_until=0.8, widths=[4, 4, 4]))
    steps = recording.steps
    low = steps.lr < 0.1
    assert sorted(set(steps.lr)) == pytest.approx([0.02, 0.2])
    switch = int((~low).idxmax())
    assert switch % 20 == 0
    assert steps.batch_error[switch - 20 : switch].mean() < 0.8
    assert switch == 20 or steps.batch_error[switch - 40 : switch - 20].mean() >= 0.8


def test_augmented_images_come_in_the_order_of_the_plain_ones():
    flipped, plain = (train(one_run(steps=4, augment=names, widths=[4, 4, 4])) for names in (["flip"], []))
    assert flipped.steps.loss[0] != plain.steps.loss[0]
    data = load_data("digits")
    model = build(one_run(widths=[4, 4, 4]), data)
    order = torch.randperm(1437, generator=torch.Generator().manual_seed(0))[:64]
    images, labels = data.train_images[order], data.train_labels[order]
    mirrored = torch.randint(2, (64,), generator=torch.Generator().manual_seed(2**31)).bool()
    images[mirrored] = torch.flip(images[mirrored], [3])
    assert flipped.steps.loss[0] == pytest.approx(functional.cross_entropy(model(images), labels).item(), rel=1e-5)


def test_a_diverged_run_is_recorded_and_says_so():
    recording = train(one_run("plain", steps=12, lr=1e30, widths=(4, 4, 4)))
    assert recording.meta["status"] == "diverged"
    step = recording.meta["diverged_step"]
    assert not math.isfinite(recording.steps.loss[step])
    assert recording.steps.loss[:step].map(math.isfinite).all()
    assert len(recording.steps) == 13


def test_building_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    train(one_run("plain", steps=1, widths=(4, 4, 4)))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_seeds_pair_the_families():
    data = load_data("digits")
    plain, residual = (build(one_run(family, seed=4), data) for family in ("plain", "residual"))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), residual.parameters(), strict=True))
    assert isinstance(plain, nn.Module)
