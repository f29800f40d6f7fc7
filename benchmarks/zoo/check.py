"""The checks of one model: left as it was, parameter norms right, output norms right."""

from __future__ import annotations

import copy
import math
import random
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

import gradflow

from .oracles import Answer, Key, answers, norm64, placed
from .specimen import SEED, Batch, LeftOutError, Specimen, first_that_runs, one_line, seed_all, tensors_in

TOLERANCE = 1e-6  # relative: parameters against .grad, outputs against the oracle in float64
TOLERANCE_FLOAT32 = 1e-4  # relative: outputs of models that do not run in float64
# Gradients that cancel to rounding noise have no digits to compare: differences under this share of the largest pass.
NOISE = {torch.float64: 1e-14, torch.float32: 1e-6}
MEASURED = ("measured", "measured at its base", "output is the input")
ABSENT = (
    "parameters only", "not called", "called without gradients", "not in the graph", "frozen", "no gradient", "lost",
    "compiled", "scripted", "failed",
)  # fmt: skip
STATUSES = (*MEASURED, *ABSENT)
NAMED = 3  # layers named per finding
QUICK_SECONDS = (
    0.7  # of processor time for a bare pass: slower models meet the oracle in float32 (float64 costs ten times)
)


@dataclass
class Pass:
    """One forward and backward pass."""

    model: nn.Module
    outputs: list[Tensor]
    random_state: list[Any]
    layers: pd.DataFrame = field(default_factory=pd.DataFrame)
    total_grad_norm: float = math.nan
    seconds: float = math.inf

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the parameters."""
        return next(parameter.dtype for parameter in self.model.parameters() if parameter.is_floating_point())


def check(candidates: Iterable[Specimen]) -> dict[str, Any]:
    """Return one row: what was tried, whether it held, and what did not.

    Never raises for what a model or the recorder does; the column `outcome` says how far it came: "checked", "left out"
    (too large, or it does not train here without gradflow either) or "failed under record".
    """
    began = time.perf_counter()
    row: dict[str, Any] = {"outcome": "left out", "note": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model, batch = first_that_runs(candidates)
            row |= {"parameters": sum(parameter.numel() for parameter in model.parameters()), "input": str(batch)}
            bare = _step(_copy(model), batch)
        except Exception as error:  # any library's own error is the row's content
            row["note"] = str(error)[:240] if isinstance(error, LeftOutError) else f"backward: {one_line(error)}"
            return row | {"seconds": round(time.perf_counter() - began, 1)}
        try:
            recorded = _recorded_step(_copy(model), batch)
            row |= _against_bare(recorded, bare, model, batch)
        except Exception as error:  # this is what the zoo looks for
            row |= {"outcome": "failed under record", "note": one_line(error)}
            return row | {"seconds": round(time.perf_counter() - began, 1)}
        row |= {"outcome": "checked"} | _against_oracle(model, batch, recorded, exactly=bare.seconds < QUICK_SECONDS)
    return row | {"seconds": round(time.perf_counter() - began, 1)}


def _against_bare(recorded: Pass, bare: Pass, model: nn.Module, batch: Batch) -> dict[str, Any]:
    """Compare a recorded pass in the model's own precision with the bare one, and its norms with `.grad`."""
    difference = first_difference(bare, recorded)
    if difference and first_difference(bare, _step(_copy(model), batch)):
        difference = f"two bare passes differ too: {difference}"
    wrong = list(wrong_parameters(recorded))
    counts = recorded.layers.status.value_counts()
    measured = recorded.layers.status.isin(MEASURED)
    return {
        "identical": not difference,
        "difference": difference,
        "parameters_right": not wrong,
        "wrong_parameters": "; ".join(wrong[:NAMED]),
        "layers": recorded.layers.layer.nunique(),
        "layers_measured": recorded.layers.layer[measured].nunique(),
        "rows": len(recorded.layers),
        **{status: int(counts.get(status, 0)) for status in STATUSES},
        "other_status": int(sum(n for status, n in counts.items() if status not in STATUSES)),
    }


def _against_oracle(model: nn.Module, batch: Batch, recorded: Pass, *, exactly: bool) -> dict[str, Any]:
    """Compare output norms with the oracle: in float64 if the model runs in it, with zeros added if it allows them."""
    recorded.model.zero_grad()
    causes = []
    for dtype in (torch.float64, torch.float32) if exactly else (torch.float32,):
        for zeros in (True, False):
            try:
                fitting = batch.to(dtype)
                if recorded.dtype != dtype:
                    recorded = _recorded_step(_copy(model).to(dtype), fitting)
                found = _compare(recorded, _copy(model).to(dtype), fitting, zeros=zeros)
            except Exception as error:  # the next, weaker comparison is tried
                causes.append(one_line(error))
                continue
            if found is None:
                causes.append("adding zeros changes the outputs")
                continue
            kind = "zero leaf" if zeros else "edge only"
            return found | {"oracle": f"{kind}, {str(dtype)[6:]}", "oracle_causes": "; ".join(causes)[:240]}
    return {"oracle": "none", "oracle_causes": "; ".join(causes)[:240]}


def _compare(recorded: Pass, model: nn.Module, batch: Batch, *, zeros: bool) -> dict[str, Any] | None:
    """Return the counts of rows right, wrong and missed, or None if adding zeros changes the outputs."""
    fresh = _copy(model)
    expected = _expected(recorded, model, batch, zeros=zeros)
    if expected is None:
        return None
    found = compare_rows(recorded.layers, expected, recorded.dtype)
    if zeros and found["outputs_wrong"]:
        # A tensor that an inner layer made, uses and hands on is another tensor once a zero is added: only in the
        # unchanged graph does its edge hold every use.
        edges = _expected(recorded, fresh, batch, zeros=False) or {}
        merged = {key: replace(answer, by_edge=edges[key].by_edge) for key, answer in expected.items() if key in edges}
        found = compare_rows(recorded.layers, expected | merged, recorded.dtype)
    return found


def _expected(recorded: Pass, model: nn.Module, batch: Batch, *, zeros: bool) -> dict[Key, Answer] | None:
    """Return the oracle's answers, or None if the outputs are not those of the recorded pass."""
    seed_all()
    modules = recorded.layers.loc[recorded.layers.kind != "Parameter", "layer"]
    with placed(model, list(dict.fromkeys(modules)), zeros=zeros) as places:
        outputs = list(tensors_in(model(*batch.args, **batch.kwargs)))
    same = len(outputs) == len(recorded.outputs) and all(
        torch.allclose(a, b, rtol=0, atol=0, equal_nan=True) for a, b in zip(outputs, recorded.outputs, strict=True)
    )
    return answers(loss_of(outputs), places) if same else None


def compare_rows(layers: pd.DataFrame, expected: Mapping[Key, Answer], dtype: torch.dtype) -> dict[str, Any]:
    """Compare every measured row with the oracle's norm, and look for outputs that have a gradient but no row."""
    tolerance = TOLERANCE if dtype == torch.float64 else TOLERANCE_FLOAT32
    noise = NOISE[dtype] * max((a.norm for a in expected.values() if a.norm and math.isfinite(a.norm)), default=0.0)
    measured = layers[layers.status.isin(MEASURED)]
    got: dict[Key, float] = dict(
        zip(zip(measured.layer, measured.call, measured.output, strict=True), measured.out_grad_norm, strict=True)
    )
    status = dict(zip(layers.layer, layers.status, strict=True))
    wrong, other_uses, missed, errors, n_compared, n_edge = [], [], [], [0.0], 0, 0
    for key, answer in expected.items():
        if answer.norm is None:
            continue
        if key not in got:
            missed.append(f"{key} {status.get(key[0])}")
            continue
        n_compared += 1
        n_edge += answer.by_zero is None or answer.is_input
        if is_close(got[key], answer.norm, tolerance, noise):
            errors.append(abs(got[key] / answer.norm - 1) if answer.norm > noise else 0.0)
        elif answer.by_edge is not None and is_close(got[key], answer.by_edge, tolerance, noise):
            other_uses.append(f"{key} {got[key]:.9g}, by its caller alone {answer.norm:.9g}")
        else:
            wrong.append(f"{key} {got[key]:.9g} for {answer.norm:.9g}")
    without = sum(key not in expected or expected[key].norm is None for key in got)
    return {
        "compared": n_compared,
        "compared_by_edge": n_edge,
        "without_oracle": without,
        "outputs_wrong": len(wrong),
        "wrong_outputs": "; ".join(wrong[:NAMED]),
        "other_uses": len(other_uses),
        "with_other_uses": "; ".join(other_uses[:NAMED]),
        "outputs_missed": len(missed),
        "missed_outputs": "; ".join(missed[:NAMED]),
        "largest_error": max(errors),
    }


def first_difference(a: Pass, b: Pass) -> str:
    """Return the name of the first thing that is not bit-identical, or an empty string."""
    named_a, named_b = _everything(a), _everything(b)
    for (name, left), (other, right) in zip(named_a, named_b, strict=False):
        if name != other or not _same_bits(left, right):
            return name
    return "" if _same_length(a, b) else "number of outputs, gradients or buffers"


def wrong_parameters(recorded: Pass) -> Iterator[str]:
    """Yield each layer whose `grad_norm` or `weight_norm`, and the total, that are not those of `.grad` in float64."""
    owned: dict[str, list[tuple[float, float | None]]] = {}
    first = recorded.layers.drop_duplicates("layer").set_index("layer")
    for name, parameter in recorded.model.named_parameters():
        norms = (norm64(parameter), None if parameter.grad is None else norm64(parameter.grad))
        # What a container owns is a layer by itself.
        owner = name if name in first.index else name.rpartition(".")[0] or "(root)"
        owned.setdefault(owner, []).append(norms)
    for layer, norms_of in owned.items():
        gradients = [gradient for _, gradient in norms_of if gradient is not None]
        for column, parts in (("grad_norm", gradients), ("weight_norm", [weight for weight, _ in norms_of])):
            expected = math.hypot(*parts) if parts else math.nan
            got = first[column].get(layer, math.inf)
            if not is_close(got, expected, TOLERANCE):
                yield f"{layer} {column} {got:.9g} for {expected:.9g}"
    total = math.hypot(*(gradient for norms_of in owned.values() for _, gradient in norms_of if gradient is not None))
    if not is_close(recorded.total_grad_norm, total, TOLERANCE):
        yield f"total_grad_norm {recorded.total_grad_norm:.9g} for {total:.9g}"


def is_close(got: float, expected: float, tolerance: float, noise: float = 0.0) -> bool:
    """Whether two norms agree; NaN agrees with NaN and inf with inf."""
    if not math.isfinite(expected):
        return got == expected or (math.isnan(got) and math.isnan(expected))
    return abs(got - expected) <= tolerance * expected + noise


def loss_of(outputs: Iterable[Tensor]) -> Tensor:
    """Mean squared distance of every floating output from fixed noise.

    Noise and not zero: the sum of squares of a normalised output is a constant, and its gradient rounding error.
    """
    generator = torch.Generator().manual_seed(SEED)
    loss: Tensor | None = None
    for output in outputs:
        if output.requires_grad and output.numel():
            noise = torch.randn(output.shape, generator=generator).to(output.dtype)
            part = (output - noise).abs().square().mean()
            loss = part if loss is None else loss + part.to(loss.dtype)
    if loss is None:
        raise LeftOutError("no output requires a gradient")
    return loss


def _step(model: nn.Module, batch: Batch, after_backward: Callable[[], object] = lambda: None) -> Pass:
    seed_all()
    began = time.process_time()
    outputs = list(tensors_in(model(*batch.args, **batch.kwargs)))
    loss_of(outputs).backward()  # type: ignore[no-untyped-call]  # torch's own
    after_backward()
    seconds = time.process_time() - began
    state = [torch.get_rng_state(), random.getstate(), np.random.get_state()]
    return Pass(model, [output.detach() for output in outputs], state, seconds=seconds)


def _recorded_step(model: nn.Module, batch: Batch) -> Pass:
    with gradflow.record(model, weights=True) as recorder:
        done = _step(model, batch, after_backward=recorder.step)
    recording = recorder.recording
    done.layers = recording.layers
    done.total_grad_norm = float(recording.steps.total_grad_norm.iloc[0])
    return done


def _copy(model: nn.Module) -> nn.Module:
    """Return a copy in the same state."""
    return copy.deepcopy(model)


def _everything(done: Pass) -> Iterator[tuple[str, Any]]:
    yield from ((f"output {number}", output) for number, output in enumerate(done.outputs))
    yield from ((f"gradient of {name}", parameter.grad) for name, parameter in done.model.named_parameters())
    yield from ((f"buffer {name}", buffer) for name, buffer in done.model.named_buffers())
    yield "torch's random state", done.random_state[0]
    yield "random state", done.random_state[1]
    yield from (("NumPy's random state", np.asarray(part).tolist()) for part in done.random_state[2])


def _same_length(a: Pass, b: Pass) -> bool:
    return sum(1 for _ in _everything(a)) == sum(1 for _ in _everything(b))


def _same_bits(left: Any, right: Any) -> bool:
    if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        return bool(left is right or left == right)
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return torch.equal(_bits(left), _bits(right))


def _bits(tensor: Tensor) -> Tensor:
    """Return the bits as integers, so that NaN equals the same NaN and 0.0 differs from -0.0."""
    dense = tensor.detach().to_dense().contiguous().reshape(-1)
    dense = torch.view_as_real(dense) if dense.is_complex() else dense
    return dense.view({1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[dense.element_size()])
