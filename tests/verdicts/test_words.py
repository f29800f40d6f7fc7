"""The words of every finding, for values at their extremes, against the numbers in them."""

import itertools
import math
import re

import numpy as np
import pandas as pd
import pytest

import gradflow
from gradflow import Recording
from gradflow.analysis.intervals import Interval
from gradflow.diagnosis.wording import sentence
from gradflow.text import LANGUAGES, catalogue, language, placeholders

NAN = math.nan


def interval(mean, spread=None, n=3):
    return Interval(mean, NAN, NAN, 1) if spread is None else Interval(mean, mean - spread, mean + spread, n)


# What each value of a sentence may be at its extremes.
DECADES = [
    interval(-323.3),
    interval(-2.01),
    interval(-0.04),
    interval(308.0),
    interval(-6.8, 4.2),
    interval(2.0, 0.0, 2),
]
FACTORS = [interval(1e-300), interval(0.999), interval(1.0, 0.0), interval(1e300, 5e299)]
SHARES = [interval(0.0), interval(1.0), interval(0.0004), interval(0.5, 0.5)]
COUNTS = [1, 2, 10**6]
STEPS = [0, 1, 10**9]
LOSSES = [0.0, 1e-38, 2.302585, 1e38]
DERIVED = {
    "ratio",
    "bounds",
    "at",
    "average",
    "in_runs",
    "over",
    "fold",
    "how",
    "placed",
    "within",
    "checked",
    "up_to",
    "span",
}  # made of other values
LAYERS = ["0", "(root)", "encoder.layers.11.self_attn.in_proj_weight"]
NETWORKS = ["plain-20", "residual-110, lr 0.1"]
PERCENT = ("early", "path", "share", "kept", "left", "fraction", "dropped", "threshold_percent")
NUMBERS = (
    "rms", "mean", "low", "high", "size", "spread", "change", "update", "most", "decay", "constant", "times_constant",
    "momentum", "begin", "end",
)  # fmt: skip
EXTREMES = {
    "when": ["start", "end", "batch"],
    "measure": ["out_grad_norm", "grad_norm"],
    "growth": FACTORS[1:],
    "slowdown": [1.0, 1e12],
    "difference": [interval(-1.0), interval(0.0, 0.0), interval(0.0104, 0.001), interval(1.0)],
    "threshold": [2.0, 10.0],
    "threshold_points": [0.01],
    "correlation": [interval(0.0), interval(-0.002, 0.003), interval(1.0)],
    "decades": DECADES,
    "factor": FACTORS,
    "reach": COUNTS,
    "dtype": ["float16", "bfloat16"],
    "shapes": ["8 × 8", "1"],
    "examples": ["0.weight, 0.bias", "alpha"],
    **dict.fromkeys(("train_error", "shallow_error", "residual_error"), SHARES),
    **dict.fromkeys(("layers", "steps", "seeds", "parameters", "tensors"), COUNTS),
    **dict.fromkeys(("step", "after", "n_more", "time"), STEPS),
    **dict.fromkeys(("loss", "certain", "there", "here", "smallest"), LOSSES),
    **dict.fromkeys(PERCENT, (0.0, 1e-9, 0.5, 1e9)),
    **dict.fromkeys(NUMBERS, LOSSES),
    **dict.fromkeys(("alike", "n_matrices", "entries", "n_entries", "n", "n_examples"), COUNTS),
    "activation": ["softmax"],
    "own": ["softmax"],
    **{name: ["(32, 64, 8, 8)"] for name in ("skip", "branch")},
    **dict.fromkeys(("variance", "lr", "fits"), LOSSES[1:]),
    **dict.fromkeys(("of", "lost"), COUNTS),
    "module": ["layer2.0"],
    "loss_name": ["cross_entropy"],
    # A layer, a position in a sequence or a loss, as the sentence has it.
    "first": ["0", 0, 2.302585],
    "last": ["encoder.layers.11.self_attn.in_proj_weight", 10**6, 1e38],
    **dict.fromkeys(("layer", "example", "user", "source", "parameter", "before", "behind"), LAYERS),
    **dict.fromkeys(("shallow", "residual"), NETWORKS),
}
RUNS = [{"n_runs": 1, "runs": 1}, {"n_runs": 1, "runs": 3}, {"n_runs": 3, "runs": 3}]
CHECKED = {"placed": True, "first": "0", "last": "24.head", "threshold": 2.0, "measure": "out_grad_norm", "step": 0}
AT_ENDS = [
    CHECKED | {"when": "start", "worst": -323.3, "decades": DECADES[0]},
    CHECKED
    | {"when": "end", "worst": 2.0, "decades": DECADES[5], "placed": False, "runs": 2, "n_runs": 1, "checked": 1},
    CHECKED
    | {
        "when": "batch",
        "worst": -6.8,
        "decades": DECADES[4],
        "runs": 3,
        "n_runs": 3,
        "layers": 3,
        "factor": FACTORS[0],
    },
    CHECKED
    | {
        "when": "end",
        "worst": -2.01,
        "decades": DECADES[1],
        "layers": 40,
        "factor": FACTORS[3],
        "activation": "Sigmoid",
    }
    | {"predicted": 0.141, "step": 10**9},
    CHECKED
    | {"when": "start", "worst": 308.0, "decades": DECADES[3], "factor": FACTORS[1], "first_call": 0, "last_call": 11},
    CHECKED
    | {"when": "start", "worst": -2.01, "decades": DECADES[1]}
    | {"before": "3", "behind": "4", "lost_decades": -2.0},
]
SINGULAR = re.compile(
    r"(?<![\d.,−×\w])1 (layer|parameter|tensor|run|step|seed)( with parameters| in the graph|, from \S+ to \S+,)* "
    r"(are|were|have|get|require|receive|ran only)\b"
)
ONE_OF_MANY = re.compile(
    r"(?<![\d.,−×\w])1 (seeds|layers|runs|steps|updates|parameters|tensors|calls|networks|units|entries|blocks)\b"
)
BROKEN = re.compile(r"\bnan\b|(?<!is )(?<!为 )\bNone\b|[{}]|  | [.,;:]|\.\.|,,|\binf\b|Interval\(|numpy")
WITHIN = re.compile(r"it is ([\d.,]+) times [^;]*?; up to ([\d.]+) times is normal")
KEYS = sorted(
    key.removeprefix("finding.")
    for key, words in catalogue("en").items()
    if key.startswith("finding.") and "{subject}" in words and not key.endswith("_line")
)


def values_of(key):
    """Values for a sentence of the catalogue, each at each of its extremes in turn."""
    fields = placeholders(f"finding.{key}") - {"subject"}
    turns = [{}]
    if "fold" in fields or "within" in fields:
        turns = [{"n_runs": 1, "runs": 1} | values for values in AT_ENDS]
    elif fields & {"in_runs", "over"}:
        turns = [runs | {"steps": steps} for runs in RUNS for steps in COUNTS]
    fields |= {"example", "last"} if "span" in fields else set()
    fields |= {"decades"} if "ratio" in fields else set()
    fields |= {"when"} if "at" in fields else set()
    given = {name: EXTREMES[name] for name in fields - DERIVED - set(turns[0])}
    longest = max([len(turns), *map(len, given.values())])
    for turn in range(longest):
        yield {name: choices[turn % len(choices)] for name, choices in given.items()} | turns[turn % len(turns)]


def check(words, lang):
    """What is wrong with the words of one sentence in themselves."""
    assert not BROKEN.search(words), words
    assert words == words.strip()
    assert words.endswith((".", "。", ":", "：")), words
    if lang == "en":
        assert not ONE_OF_MANY.search(words), words
        assert not SINGULAR.search(words), words
    else:
        assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{3,}", words), words  # English left standing


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("key", KEYS)
def test_the_words_of_a_finding_bear_extreme_values(key, lang):
    with language(lang):
        for values in values_of(key):
            check(sentence(key, "plain-20", values), lang)


N_LAYERS = (1, 2, 3, 40)
FACTOR = (1e-12, 0.2, 1.0, 1.3, 1e12)
LOSS = {
    "falling": lambda n: np.linspace(2.3, 0.01, n),
    "level": lambda n: np.full(n, 2.3),
    "rising": lambda n: np.geomspace(2.3, 1e30, n),
    "nan": lambda n: np.where(np.arange(n) < n / 2, 2.3, NAN),
    "none": lambda n: np.full(n, NAN),
    "zero": np.zeros,
}


def laid_out(n_layers, factor, n_steps, loss, seed=0, **changes):
    """A chain whose gradient changes by a factor a layer."""
    with np.errstate(over="ignore", under="ignore"):
        norms = np.float64(factor) ** np.arange(n_layers - 1, -1, -1) * (1 + 0.1 * seed)
    one_step = pd.DataFrame(
        {
            "layer": [f"layers.{number}" for number in range(n_layers)],
            "order": range(n_layers),
            "layer_depth": range(1, n_layers + 1),
            "stage": 0,
            "kind": "Linear",
            "weighted": True,
            "n_params": 10,
            "out_grad_norm": norms,
            "grad_norm": norms,
            "weight_norm": 1.0,
            "n_nonfinite": np.where(np.isfinite(norms), 0, 10),
            "status": "measured",
        }
    ).assign(**changes)
    steps = range(0, 10 * n_steps, 10)
    layers = pd.concat(
        [one_step.assign(step=step) for step in (steps[0], steps[-1])] if n_steps > 1 else [one_step.assign(step=0)]
    )
    meta = {"run": f"mine-{n_layers}-{seed}", "family": "mine", "depth": n_layers, "seed": seed}
    return Recording(layers=layers, steps=pd.DataFrame({"step": steps, "loss": LOSS[loss](n_steps)}), meta=meta)


def agree_with_their_numbers(finding):
    """What the words say of the numbers must be true of them."""
    words, values = str(finding), finding.values
    if "decades" in values:
        decades = values["decades"].mean
        assert finding.key not in ("vanishing", "exploding") or (decades < 0) == (finding.key == "vanishing")
        assert finding.severity != "healthy" or abs(decades) <= 2.0 + 1e-9 or "within" not in words
        assert finding.key not in ("vanishing", "exploding") or abs(decades) >= 2.0 or "of" in words
    for measured, limit in WITHIN.findall(words):
        assert float(measured.replace(",", "")) <= float(limit), words
    if finding.severity == "unmeasured":
        assert "times" not in words


CHAINS = [
    *itertools.product(N_LAYERS, FACTOR, [40], ["level"], [1]),
    *itertools.product([3], [0.01, 1.0], [1, 2, 40], LOSS, [1]),
    *itertools.product([1, 3], [0.01, 1.0, 100.0], [40], ["level", "falling"], [3]),
]


@pytest.mark.parametrize(("n_layers", "factor", "n_steps", "loss", "n_seeds"), CHAINS)
def test_what_is_said_of_chains_at_the_extremes_is_true_of_their_numbers(n_layers, factor, n_steps, loss, n_seeds):
    findings = gradflow.diagnose([laid_out(n_layers, factor, n_steps, loss, seed) for seed in range(n_seeds)])
    for finding in findings:
        agree_with_their_numbers(finding)
        for lang in LANGUAGES:
            with language(lang):
                check(str(finding), lang)
    true = (n_layers - 1) * math.log10(factor)
    if 2.5 < abs(true) < 300:
        assert ("vanishing" if true < 0 else "exploding") in {finding.key for finding in findings}
        assert "healthy" not in {finding.severity for finding in findings}


@pytest.mark.parametrize(
    "changes",
    [
        {"out_grad_norm": 0.0, "grad_norm": 0.0},
        {"out_grad_norm": NAN, "grad_norm": NAN, "n_nonfinite": -1},
        {"out_grad_norm": NAN, "grad_norm": NAN, "n_nonfinite": 10},
        {"out_grad_norm": NAN, "grad_norm": NAN, "status": "no gradient"},
        {"out_grad_norm": NAN, "grad_norm": NAN, "status": "frozen"},
        {"out_grad_norm": NAN, "grad_norm": NAN, "status": "not called"},
        {"out_grad_norm": NAN, "grad_norm": NAN, "status": "not in the graph"},
        {"out_grad_norm": math.inf, "grad_norm": math.inf, "n_nonfinite": 10},
    ],
    ids=["zero", "uncounted", "nan", "no gradient", "frozen", "not called", "not in the graph", "infinite"],
)
def test_what_is_said_where_no_gradient_is_a_number(changes):
    for n_layers, n_steps, n_seeds in ((1, 1, 1), (2, 2, 1), (3, 40, 1), (40, 40, 3)):
        runs = [laid_out(n_layers, 1.0, n_steps, "level", seed, **changes) for seed in range(n_seeds)]
        for finding in gradflow.diagnose(runs):
            assert finding.severity != "healthy", str(finding)
            for lang in LANGUAGES:
                with language(lang):
                    check(str(finding), lang)
