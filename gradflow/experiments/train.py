"""Train one network and record it, with the same public calls that any user has."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from gradflow.experiments.augmentation import PixelRange, augment
from gradflow.experiments.data import Dataset, batches, load_data
from gradflow.experiments.distributed import ALONE, Team
from gradflow.experiments.identity import data_digest, identity
from gradflow.experiments.planned_run import Run
from gradflow.experiments.probes import measure_probes
from gradflow.experiments.run_directory import CheckpointManager
from gradflow.experiments.schedules import LearningRate
from gradflow.experiments.update_step import Updater
from gradflow.hooks import Every, record
from gradflow.recording import Recording

PROFILE_STEPS = (0, 1, 10, 100)  # the steps whose profiles a report shows, besides the end
LEFT_OUT = ("parameters", "graph", "times")  # tables that say nothing of a run that its layers do not
PROGRESS_EVERY = 10
EVAL_BATCH = 512
AUGMENTATION_SEED = 2**31  # added to the run's seed: the order of images and their changes are drawn apart

Progress = Callable[[int], object]


def train(
    run: Run,
    *,
    on_step: Progress | None = None,
    recorded: bool = True,
    manager: CheckpointManager | None = None,
    team: Team = ALONE,
) -> Recording:
    """Train a network as the run says and return what was recorded.

    The row of step s describes the network after s updates: the gradient of the batch that update s + 1 uses, and,
    where they were measured, the errors on the whole training and test sets in eval mode. The last row, s = `steps`, is
    the trained network. Errors on whole sets are measured in float32, whatever the precision of the training.

    PyTorch's global random state, from which dropout draws, is seeded with the run's seed and put back afterwards.

    Parameters
    ----------
    run : Run
        From `plan`.
    on_step : callable, optional
        Called with the number of updates made, every few steps.
    recorded : bool
        False trains the same network with no gradient recorded: only losses and errors.
    manager : CheckpointManager, optional
        Keeps rows and checkpoints on disk as training goes on, and goes on from them.
    team : Team
        The processes that make the run together; this is the first, and the others call `train_along`.

    Returns
    -------
    Recording
        `meta["status"]` is "diverged" if any loss was not finite, with the first such step in `diverged_step`;
        `meta["resumed_at"]` holds the steps from which training went on after an interruption.
    """
    device = torch.device(run.device)
    with _seeded(run.seed, device):
        data = load_data(run.data).to(device)

        def make(place: Callable[[], Path] | None = None) -> Training:
            return Training(run, data, recorded=recorded, place=place, team=team)

        training = make() if manager is None else manager.start(make, identity(run))
        with training.recorder:
            training.begin()
            while training.step <= run.steps:
                if manager is not None:
                    manager.look(training)
                training.advance()
                if on_step is not None and (training.step - 1) % PROGRESS_EVERY == 0:
                    on_step(training.step - 1)
        return training.outcome()


def train_along(run: Run, team: Team) -> None:
    """Make a run's steps together with the process that calls `train`, which keeps what there is to keep."""
    device = torch.device(run.device)
    with _seeded(run.seed, device):
        training = Training(run, load_data(run.data).to(device), recorded=False, team=team)
        with training.recorder:
            training.begin()
            while training.step <= run.steps:
                training.advance()


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global random state, and put it back at the end."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def build(run: Run, data: Dataset) -> nn.Module:
    """Return the run's network, initialised from its seed without touching the global random state."""
    shape = tuple(data.train_images.shape[1:])
    return run.network.build(run.seed, input_shape=shape, num_classes=data.num_classes)


def _built(run: Run, data: Dataset) -> nn.Module:
    """Return the run's network where its data is."""
    return build(run, data).to(data.train_images.device)


class Training:
    """A network under way: all that changes from step to step, to be taken as it is and brought back.

    Attributes
    ----------
    step : int
        Updates made so far; the next row is this step's.
    recorder : Recorder
        Streams to the folder that `place` returns, where it is given; it is asked when all else is made.
    """

    def __init__(
        self,
        run: Run,
        data: Dataset,
        *,
        recorded: bool = True,
        place: Callable[[], Path] | None = None,
        team: Team = ALONE,
    ) -> None:
        self._run = run
        self._team = team
        self._data = data
        self._model = _built(run, data)
        self._updater = Updater(self._model, run.recipe)
        self._rate = LearningRate(run.recipe)
        self._draws = torch.Generator().manual_seed(run.seed + AUGMENTATION_SEED)
        self._pixels = PixelRange.of(data.train_images, data.mean, data.std) if "jitter" in run.recipe.augment else None
        self._began = time.perf_counter()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._resumed_at: list[int] = []
        self._begin_at(0)
        self.recorder = record(
            self._model,
            scaler=self._updater.scaler,
            schedule=Every(run.record_every, also=(*PROFILE_STEPS, run.steps)) if recorded else _never,
            weights=True,
            path=None if place is None else place(),
            name=run.id,
            meta={**describe(run, data), "started": self._started},
        )

    def _begin_at(self, step: int) -> None:
        """Make ready for a step: the batches follow from seed and step alone."""
        batch_size, seed = self._run.recipe.batch_size, self._run.seed
        order = batches(len(self._data.train_labels), batch_size, torch.Generator().manual_seed(seed))
        self._order = itertools.islice(order, step, None)
        self._model.train()
        self.step = step

    def begin(self) -> None:
        """Bring the whole team to where its first process is; PartnerError if another could not make the network."""
        state = self._team.begin(self.state_dict() if self.step and self._team.is_first else None)
        if state is not None and not self._team.is_first:
            self.load_state_dict(state)
        self._updater.spread(self._team)

    def advance(self) -> None:
        """Measure and record one step and make its update; none after the last step."""
        run, updater, team = self._run, self._updater, self._team
        is_measured = team.is_first and _is_eval_due(run, self.step)
        errors = measure_errors(self._model, self._data) if is_measured else {}
        team.seed(run.seed, self.step)
        lr = self._rate.at(self.step)
        index = next(self._order).to(self._data.train_images.device)
        images = augment(self._data.train_images[index], run.recipe.augment, self._draws, self._pixels)
        labels = self._data.train_labels[index]
        loss, batch_error = team.means(*updater.forward_backward(team.part(images), team.part(labels)))
        norm = updater.unclipped_grad_norm
        self.recorder.step(loss=loss, batch_error=batch_error, lr=lr, unclipped_grad_norm=norm, **errors)
        self._rate.observe(batch_error)
        if self.step < run.steps:
            updater.update(lr)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next steps depend on; the rows so far are on disk on return."""
        device = self._data.train_images.device
        return {
            "step": self.step,
            "recorder": self.recorder.state_dict(),
            "model": self._model.state_dict(),
            "updater": self._updater.state_dict(),
            "rate": self._rate.state_dict(),
            "draws": self._draws.get_state(),
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "started": self._started,
            "seconds": time.perf_counter() - self._began,
            "resumed_at": self._resumed_at,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was taken.

        Raises
        ------
        ValueError
            It was taken of no step of this run. A state of another form raises whatever its parts do.
        """
        _check_state(state, self._run.steps)
        self.recorder.load_state_dict(state["recorder"])
        self._model.load_state_dict(state["model"])
        self._updater.load_state_dict(state["updater"])
        self._rate.load_state_dict(state["rate"])
        self._draws.set_state(state["draws"])
        torch.set_rng_state(state["random"])
        if state["device_random"] is not None:
            torch.cuda.set_rng_state(state["device_random"], self._data.train_images.device)
        self._started = state["started"]
        self._began = time.perf_counter() - state["seconds"]
        self._resumed_at = [*state["resumed_at"], state["step"]]
        self._begin_at(state["step"])

    def flush(self) -> None:
        """Bring the rows so far to the disk."""
        self.recorder.flush()

    def close(self) -> None:
        """Take the recorder off the model."""
        self.recorder.close()

    def outcome(self) -> Recording:
        """Return what was recorded, once the last step is done."""
        recording = self.recorder.recording
        untrained = partial(_built, self._run, self._data)
        probed = measure_probes(self._run, self._data, untrained, self._model)
        return recording.having(
            **{table: pd.DataFrame() for table in LEFT_OUT},
            skips=probed.skips,
            probes=probed.probes,
            meta={
                **recording.meta,
                **_outcome(recording),
                "not_probed": dict(probed.failed),
                "started": self._started,
                "wall_seconds": time.perf_counter() - self._began,
                "resumed_at": self._resumed_at,
                "data_digest": data_digest(self._run.data),
            },
        )


def _check_state(state: Mapping[str, Any], steps: int) -> None:
    """Raise ValueError unless a state's plain values can be those of a run of so many updates."""
    kinds = {"step": int, "started": str, "seconds": float, "resumed_at": list}
    wrong = [name for name, kind in kinds.items() if type(state[name]) is not kind]
    if wrong:
        raise ValueError(f"{wrong[0]} of a state cannot be {state[wrong[0]]!r}.")
    for step in (state["step"], *state["resumed_at"]):
        if type(step) is not int or not 0 <= step <= steps:
            raise ValueError(f"a state of a run of {steps} updates cannot be of step {step!r}.")
    if state["recorder"]["step"] != state["step"]:
        raise ValueError("a state and its recorder must be of one step.")


def _is_eval_due(run: Run, step: int) -> bool:
    return step > 0 and (step % run.eval_every == 0 or step == run.steps)


def measure_errors(model: nn.Module, data: Dataset) -> dict[str, float]:
    """Return the shares of the whole training and test sets that are classified wrongly, in eval mode.

    The network is in training mode afterwards.
    """
    model.eval()
    errors = {
        "train_error": _error(model, data.train_images, data.train_labels),
        "test_error": _error(model, data.test_images, data.test_labels),
    }
    model.train()
    return errors


@torch.inference_mode()
def _error(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    parts = zip(images.split(EVAL_BATCH), labels.split(EVAL_BATCH), strict=True)
    wrong = torch.stack([(model(image).argmax(dim=1) != label).sum() for image, label in parts])
    return wrong.sum().item() / len(labels)


def describe(run: Run, data: Dataset) -> dict[str, Any]:
    """Return what the recording's meta says of the run; `settings` is what shapes it besides family, depth and seed."""
    settings = json.loads(json.dumps(run.settings))  # tuples become lists, as they are read back
    return {
        "experiment": "compare",
        "family": run.family,
        "depth": run.depth,
        "seed": run.seed,
        **settings,
        "settings": settings,
        "record_every": run.record_every,
        "eval_every": run.eval_every,
        "probes": list(run.probes),
        "n_train": len(data.train_labels),
        "n_test": len(data.test_labels),
        "constant_error": _constant_error(data),
        "image_size": list(data.train_images.shape[1:]),
    }


def _constant_error(data: Dataset) -> float:
    """Return the training error of a network that answers every image with the most frequent class."""
    return 1.0 - torch.bincount(data.train_labels).max().item() / len(data.train_labels)


def _outcome(recording: Recording) -> dict[str, Any]:
    """Return whether the run diverged: the first step with a loss that is not finite."""
    steps = recording.steps
    broken = steps.step[~steps.loss.map(math.isfinite)]
    if len(broken):
        return {"status": "diverged", "diverged_step": int(broken.iloc[0])}
    return {"status": "done", "diverged_step": None}


def _never(step: int) -> bool:
    return False
