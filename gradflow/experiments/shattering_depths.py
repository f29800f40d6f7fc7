"""Shattering by depth, at initialisation: plain and residual rectifier stacks, with and without batch norm."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import torch

from gradflow.experiments.recipe import check
from gradflow.hooks.environment import device_name, versions
from gradflow.models import rectifier_net
from gradflow.probe.gradient_agreement import LAGS, autocorrelation, shattering
from gradflow.recording import INPUT, Recording
from gradflow.settings import ShatteringSettings
from gradflow.theory import Norm

LINE = (-2.0, 2.0, 256)  # ends and points of the line of inputs along which gradients are compared

OnEvent = Callable[[Recording], object]


@dataclass(frozen=True)
class Setting:
    """One kind of network: what distinguishes it from the others, and what it is called."""

    name: str
    label: str
    family: str
    norm: Norm | None


SETTINGS = (
    Setting("plain", "plain", "plain", None),
    Setting("plain-batch-norm", "plain, batch norm", "plain", "batch"),
    Setting("residual", "residual", "residual", None),
    Setting("residual-batch-norm", "residual, batch norm", "residual", "batch"),
)


def shattering_by_depth(
    *,
    blocks: Iterable[int] = ShatteringSettings.blocks,
    width: int = ShatteringSettings.width,
    seeds: int = ShatteringSettings.seeds,
    n_inputs: int = ShatteringSettings.n_inputs,
    on_event: OnEvent | None = None,
) -> list[Recording]:
    """Measure how gradients of different inputs agree, network by network, before any training.

    Parameters
    ----------
    blocks : iterable of int
        Depths: blocks of one weighted layer each.
    width : int
        Units of each layer.
    seeds : int
        How many seeds: 0, 1, ... A seed draws weights and inputs.
    n_inputs : int
        Unrelated inputs, standard normal, (n_inputs, width).
    on_event : callable, optional
        Called with each recording as it is made.

    Returns
    -------
    list of Recording
        One per setting (`SETTINGS`), depth and seed. `probes` holds the correlation of the gradients of unrelated
        inputs (`gradflow.probe.shattering`) and their autocorrelation along 256 points from -2 to 2, read
        by the same kind of network with one input; both at the network's input. `meta` holds setting, label,
        family, norm, depth (the blocks), width, seed, n_inputs.

    Raises
    ------
    PlanError
        An argument is out of its range.

    Examples
    --------
    >>> recordings = shattering_by_depth(blocks=[2], width=16, seeds=1)
    >>> [recording.name for recording in recordings][:2]
    ['plain-2-seed0', 'plain-batch-norm-2-seed0']
    """
    depths = list(blocks)
    check(ShatteringSettings, blocks=depths, width=width, seeds=seeds, n_inputs=n_inputs)
    recordings = []
    for depth in depths:
        for setting in SETTINGS:
            for seed in range(seeds):
                recordings.append(_measure(setting, depth=depth, width=width, seed=seed, n_inputs=n_inputs))
                if on_event is not None:
                    on_event(recordings[-1])
    return recordings


def _measure(setting: Setting, *, depth: int, width: int, seed: int, n_inputs: int) -> Recording:
    """Return what the probes find at the input of one network."""
    started = datetime.now(UTC)
    generator = torch.Generator().manual_seed(seed)
    kind: dict[str, Any] = {"width": width, "norm": setting.norm, "skip": setting.family == "residual"}
    net = rectifier_net(depth, **kind, generator=generator)
    inputs = torch.randn(n_inputs, width, generator=generator)
    of_a_line = rectifier_net(depth, **kind, in_features=1, generator=generator)
    line = torch.linspace(*LINE)[:, None]
    probes = pd.concat(
        [shattering(net, inputs, seed=seed), autocorrelation(of_a_line, line, lags=LAGS, seed=seed)], ignore_index=True
    )
    meta = {
        "experiment": "shattering",
        "run": f"{setting.name}-{depth}-seed{seed}",
        "setting": f"{setting.name}-{depth}",
        "label": f"{setting.label}, {depth} blocks",
        "family": setting.family,
        "norm": setting.norm,
        "depth": depth,
        "width": width,
        "seed": seed,
        "n_inputs": n_inputs,
        "data": "standard normal inputs",
        "device": "cpu",
        "device_name": device_name(torch.device("cpu")),
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "started": started.isoformat(),
    }
    return Recording(probes=probes[probes["layer"] == INPUT], meta=meta)
