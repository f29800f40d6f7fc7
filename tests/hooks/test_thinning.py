"""Many calls of a layer in one step: those that keep rows of their own, and the one that stands for the others."""

import math

import pytest
import torch

from gradflow.hooks.capture import ALL_CALLS, MEASURED, OutputGradientHook
from gradflow.hooks.layers import Layer
from gradflow.hooks.thinning import bounded


def outputs_of_one_layer(norms, counts):
    outputs = []
    for call, (norm, count) in enumerate(zip(norms, counts, strict=True)):
        output = OutputGradientHook(None, Layer(0, "cell", None, False, []), call, 0, 0)
        output.norm, output.n_nonfinite, output.status = norm, count, MEASURED
        outputs.append(output)
    return outputs


@pytest.mark.parametrize(("counts", "expected"), [((0, 2, 3, 4, 0, 0), 9), ((0, 2, -1, 4, 0, 0), -1)])
@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_calls_taken_together_have_the_norm_and_the_count_of_all(kind, counts, expected):
    norms = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    outputs = outputs_of_one_layer(map(kind, norms), counts)
    first, last, rest = bounded(outputs, 3)
    assert (first, last) == (outputs[0], outputs[5])
    assert (rest.call, rest.status, rest.n_nonfinite) == (ALL_CALLS, "measured", expected)
    assert float(rest.norm) == pytest.approx(math.sqrt(4 + 16 + 64 + 256))
