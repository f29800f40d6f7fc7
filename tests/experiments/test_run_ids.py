"""Run ids stay what they are: of the presets, full and scaled, and of drawn settings, in order and out of it.

run_ids.json holds a digest of the ids and labels of each case's runs, or "error". It was written by
`python test_run_ids.py > run_ids.json` before the settings became one model.
"""

import hashlib
import json
import os
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import torch

from gradflow.experiments import Override, plan
from gradflow.experiments.presets import PRESETS, read_preset
from gradflow.experiments.sweepfile import parse_sweep

SEED, COUNT = 1803, 1000
EXPECTED = Path(__file__).with_name("run_ids.json")
GOOD = {
    "steps": [1, 7, 300],
    "batch_size": [16, 64],
    "accumulate": [1, 2, 4],
    "optimizer": ["sgd", "adamw"],
    "lr": [0.1, 1, 1e-3],
    "momentum": [0, 0.5, 0.99],
    "weight_decay": [0, 1e-4],
    "schedule": ["cosine", "step", "constant"],
    "warmup": [0, 1],
    "warmup_until": [0.5, None],
    "augment": [["crop"], ["flip", "crop"], [], None],
    "clip": [1, 0.5, None],
    "precision": ["float32", "bf16"],
    "record_every": [1, 10],
    "eval_every": [5, 150],
    "probes": [["paths", "skips"], [], ["shattering"], None],
    "data": ["digits"],
    "model": ["cifar", "cifar", "mlp"],
    "widths": [[4, 4, 4], [8, 8, 8], [4, 8]],
    "norm": ["batch", "batch", "none", "layer", None],
    "activation": ["relu", "tanh"],
    "init": ["default", "kaiming"],
    "shortcut": ["A", "B"],
}
ANY = [
    0,
    -1,
    1,
    2,
    2.5,
    1.0,
    True,
    False,
    "x",
    "",
    "1",
    "none",
    None,
    [],
    [3],
    ["none"],
    [True],
    1e308,
    10**20,
    {"a": 1},
]
ANY += [float("nan"), float("inf"), [1, 2], "crop", ["crop", 3], [[4]], "4,4,4", 1e-320]
OTHER_NAMES = [
    "width",
    "heads",
    "processes",
    "stpes",
    "lrs",
    "depth",
    "depths",
    "family",
    "seed",
    "seeds",
    "vary",
    "title",
    "published",
    "x",
]
CONDITIONS = ["depth", "family", "seed", "lr", "augment", "clip"]
TOLD = {
    "title": ["T", "T", "T", 3],
    "question": ["Q?", ""],
    "published": [
        "tutorial",
        "he2015-table6",
        "x",
        [{"family": "plain", "depth": 8, "error": 0.5, "source": "s"}],
        [{"depth": 8}],
        3,
        [{"family": "plain", "depth": 8, "error": 1.5, "source": "s"}],
        [{"kind": "x", "eror": 1}],
        [],
    ],
    "experiment": ["compare", "compare", "x"],
}


def value_of(draw, name):
    """A value of a setting, one in thirty of them any."""
    if draw.random() < 0.03:
        return draw.choice(ANY)
    axes = {"depth": [8, 14], "family": ["plain", "residual"], "seed": [0, 1]}
    return draw.choice({**GOOD, **axes}.get(name, ANY))


def drawn_arguments(draw):
    """Arguments of a plan, as a file may hold them."""
    arguments = {"depths": draw.choice([*[[8], [8, 14]] * 9, [3]]), "seeds": draw.choice([1, 2, [3, 5]])}
    if draw.random() < 0.5:
        arguments["families"] = draw.choice([["plain"], ["residual"], ["plain", "residual"]])
    for name in draw.sample(sorted(GOOD), draw.choice([0, 1, 2, 3, 5])):
        arguments[name] = value_of(draw, name)
    if draw.random() < 0.1:
        arguments |= {"schedule": "multistep", "milestones": draw.choice([[2, 5], 3, [5, 2], "none", [2.5], [], None])}
    if draw.random() < 0.05:
        arguments[draw.choice(sorted(arguments))] = draw.choice(ANY)
    if draw.random() < 0.06:
        arguments[draw.choice(OTHER_NAMES)] = draw.choice(ANY)
    if draw.random() < 0.04:
        arguments |= {"model": "nets.py:make", "size": value_of(draw, "size")}
    if draw.random() < 0.3:
        names = draw.sample(
            [*sorted(GOOD), "depth", "family", "lr", *["seed", "lrs"] * (draw.random() < 0.1)], draw.choice([1, 1, 2])
        )
        arguments["vary"] = {name: [value_of(draw, name) for _ in range(draw.choice([1, 2, 2]))] for name in names}
        for name in names if draw.random() < 0.9 else ():
            arguments.pop(name, None)
            arguments.pop({"depth": "depths", "family": "families"}.get(name), None)
    if draw.random() < 0.2:
        wanted = draw.choice(sorted(GOOD))
        when = (
            {"depth": arguments["depths"][0]}
            if draw.random() < 0.7 and arguments.get("depths") == [8, 14]
            else condition(draw)
        )
        arguments["override"] = [{"when": when, "set": {wanted: value_of(draw, wanted)}}]
    if draw.random() < 0.15:
        arguments["leave_out"] = [condition(draw)]
    return arguments


def condition(draw):
    """What an override or a combination that is left out may name."""
    if draw.random() < 0.7:
        return {"seed": draw.choice([0, 1, 3])} | draw.choice([{}, {"depth": 8}, {"family": "plain"}])
    return {name: value_of(draw, name) for name in draw.sample(CONDITIONS, draw.choice([1, 2]))}


def toml(value):
    """A value as TOML writes it; None is the word "none"."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool | str) or value is None:
        return json.dumps("none" if value is None else value)
    return repr(value)


def drawn_runs(draw):
    """The runs of one drawn case."""
    arguments, kind, is_scaled = drawn_arguments(draw), draw.choice(["plan", "file", "given"]), False
    more = {name: value_of(draw, name) for name in draw.sample(sorted(TOLD), 2)} if draw.random() < 0.2 else {}
    told = {name: draw.choice(TOLD[name]) for name in more}
    if draw.random() < 0.15:
        names = draw.sample(sorted(GOOD), draw.choice([1, 2]))
        told["scaled"] = {"how": "less", **{name: value_of(draw, name) for name in names}}
        is_scaled = draw.random() < 0.7
    given = {name: value_of(draw, name) for name in draw.sample(sorted(GOOD), draw.choice([1, 2]))}
    given |= draw.choice([{}, {"depths": (8,)}, {"seeds": 1}, {"vary": {"lr": (0.1, 0.2)}}, {"families": ("plain",)}])
    if kind == "plan":
        overrides = arguments.pop("override", [])
        if isinstance(overrides, list):
            arguments["overrides"] = [Override(**one) for one in overrides]
        return plan(**{"device": "cpu", **arguments})
    content = "\n".join(f"{json.dumps(name)} = {toml(value)}" for name, value in {**arguments, **told}.items())
    sweep = parse_sweep(content, source="drawn.toml", scaled=is_scaled)
    return sweep.plan({"device": "cpu", **(given if kind == "given" else {})})


def outcome(make, *arguments, lines=False):
    """The digest of what is made, or "error"; with `lines`, what the error says."""
    try:
        ids = [run.id + run.label for run in make(*arguments)]
    except (ValueError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}" if lines else "error"
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:8]


def preset_runs(name, scaled):
    """The runs of a preset."""
    return read_preset(name, scaled=scaled).plan({"device": "cpu"})


def outcomes(count=COUNT, *, lines=False):
    """Outcomes by case, in the working folder; the versions of torch and gradflow, which ids hold, are left out."""
    Path("nets.py").write_text("def make(size=0, width=0, **options): ...\n")
    with (
        mock.patch("gradflow.experiments.planned_run.installed_version", return_value="0"),
        mock.patch.object(torch, "__version__", "0"),
    ):
        made = {
            f"{name}{' scaled' * scaled}": outcome(preset_runs, name, scaled, lines=lines)
            for name in PRESETS
            for scaled in (False, True)
        }
        drawn = {str(case): outcome(drawn_runs, random.Random(f"{SEED} {case}"), lines=lines) for case in range(count)}
        return {**made, **drawn}


def test_presets_and_drawn_settings_make_the_runs_that_they_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = json.loads(EXPECTED.read_text())
    assert outcomes() == expected
    errors = list(expected.values()).count("error")
    assert min(errors, len(expected) - errors) > COUNT / 4  # both kinds are drawn


if __name__ == "__main__":
    with TemporaryDirectory() as empty:
        os.chdir(empty)
        json.dump(outcomes(), sys.stdout, indent=0)
