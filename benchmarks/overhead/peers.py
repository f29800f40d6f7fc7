"""Peers, each set up as its own documentation says, at its cheapest setting that looks at gradients every step.

Their packages are in `constraints-peers.txt`; one that is missing or fails is named in the table with its error.
"""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .variants import Loop, Variant
from .workloads import Workload


@contextmanager
def variants() -> Iterator[tuple[Variant, ...]]:
    """Give the peers' variants; what they write goes to a folder that is removed at the end."""
    with tempfile.TemporaryDirectory() as folder:
        yield (
            Variant("wandb.watch and run.log", lambda model, schedule: WandbWatch(model, folder)),
            Variant("Lightning grad_norm", lambda model, schedule: LightningNorms(model)),
            Variant("gradviz", lambda model, schedule: GradvizHooks(model)),
            Variant("torchexplorer", lambda model, schedule: Torchexplorer(model), one_round_in=4),
            Variant("delve", lambda model, schedule: DelveSaturation(model, folder)),
            Variant("cockpit, GradNorm", _cockpit_norms, loop=cockpit_loop),
            Variant("cockpit, economy", _cockpit_economy, one_round_in=4, loop=cockpit_loop),
        )
        _finish_wandb()


class WandbWatch:
    """wandb.watch: a histogram of each parameter's gradient, sent by run.log to a process of its own; offline."""

    def __init__(self, model: nn.Module, folder: str) -> None:
        import wandb

        settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
        self._run = wandb.run or wandb.init(mode="offline", dir=folder, project="overhead", settings=settings)
        self._run.watch(model, log="gradients", log_freq=1)

    def step(self, *, loss: Tensor) -> None:
        """Log the loss, which sends the histograms of this step with it."""
        self._run.log({"loss": loss.item()})


def _finish_wandb() -> None:
    try:
        import wandb
    except ImportError:
        return
    if wandb.run is not None:
        wandb.finish()


class LightningNorms:
    """What a Lightning module logs in on_before_optimizer_step: a dictionary of norms, left as tensors."""

    def __init__(self, model: nn.Module) -> None:
        from pytorch_lightning.utilities import grad_norm

        self._model = model
        self._grad_norm = grad_norm
        self.history: list[dict[str, Any]] = []

    def step(self, *, loss: Tensor) -> None:
        """Keep the norms of this step."""
        self.history.append(self._grad_norm(self._model, norm_type=2))


class GradvizHooks:
    """gradviz: a hook and a float per parameter."""

    def __init__(self, model: nn.Module) -> None:
        from gradviz import GradViz

        self._viz = GradViz(model)
        self._viz.attach()

    def step(self, *, loss: Tensor) -> None:
        """Count the step; the hooks have done the rest."""
        self._viz.step()


class Torchexplorer:
    """torchexplorer: histograms of gradients at modules and parameters, its picture not drawn (backend none)."""

    def __init__(self, model: nn.Module) -> None:
        import torchexplorer

        torchexplorer.watch(model, log=["io_grad", "params_grad"], log_freq=1, backend="none", verbose=False)

    def step(self, *, loss: Tensor) -> None:
        """Nothing: its hooks fire in backward."""


class DelveSaturation:
    """delve: covariance of each layer's output; its eigenvalues, taken once an epoch, are not in the step's time."""

    _numbers = itertools.count()

    def __init__(self, model: nn.Module, folder: str) -> None:
        from delve import SaturationTracker

        logging.getLogger("delve.logger").setLevel(logging.WARNING)

        savefile = str(Path(folder) / f"delve{next(self._numbers)}")
        self._tracker = SaturationTracker(savefile, save_to="csv", modules=model, stats=["lsat"], device="cpu")

    def step(self, *, loss: Tensor) -> None:
        """Nothing: its hooks fire in forward."""


def cockpit_loop(work: Workload, attach: Callable[[nn.Module], Any]) -> Loop:
    """Return a loop with the backward pass inside cockpit's context, as its documentation has it."""
    from backpack import extend

    torch.manual_seed(0)
    model = work.make()
    cockpit = attach(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    mean, each = extend(nn.CrossEntropyLoss()), nn.CrossEntropyLoss(reduction="none")
    targets = work.targets.flatten()
    numbers = itertools.count()

    def step() -> None:
        number = next(numbers)
        optimizer.zero_grad()
        outputs = model(work.inputs).flatten(0, -2)
        loss = mean(outputs, targets)
        info = {
            "batch_size": len(targets),
            "individual_losses": each(outputs, targets),
            "loss": loss,
            "optimizer": optimizer,
        }
        with cockpit(number, info=info):
            loss.backward(create_graph=cockpit.create_graph(number))
        optimizer.step()

    return Loop(step, model, cockpit)


def _cockpit_norms(model: nn.Module, schedule: int) -> Any:
    from cockpit import Cockpit, quantities
    from cockpit.utils.schedules import linear

    return Cockpit(model.parameters(), quantities=[quantities.GradNorm(track_schedule=linear(interval=1))])


def _cockpit_economy(model: nn.Module, schedule: int) -> Any:
    from backpack import extend
    from cockpit import Cockpit
    from cockpit.utils.configuration import configuration

    extend(model)
    return Cockpit(model.parameters(), quantities=configuration("economy"))
