"""The gradient over time of recurrent layers, in English."""

from __future__ import annotations

from collections.abc import Mapping

TIMES: Mapping[str, str] = {
    "times.title": "Gradient over time",
    "times.lead": (
        "Recurrent layers run all their time steps in one call, so the gradient is measured at each position of the "
        "sequences that enter and leave them. At a layer's output it is what the loss and later layers send directly "
        "to that position; at its input it is the gradient of that tensor, all its uses included. A line at the input "
        "that falls toward position 0 shows how far back in time the gradient reaches."
    ),
    "times.no_input": (
        "The input of {layers} requires no gradient, so how far back it reaches was not measured there. "
        "gradflow.analyze_gradients measures it on one batch of floating-point inputs."
    ),
    "times.alt": "Gradient norm against the position in the sequence at several steps. {finding}",
    "table.times": (
        "At the last recorded step: the norm at the first position that receives any gradient over that at the last"
    ),
    "column.sequence": "Sequence",
    "column.positions": "Positions",
    "column.reach": "Less than 1 % before",
    "column.decades_over_time": "First over last, decades",
    "column.factor_over_time": "Factor per time step",
    "tensor.input": "input",
    "tensor.output": "output",
    "figure.times.title": "How far back in time does the gradient reach?",
    "figure.times.subtitle": "gradient norm at each position of the sequence",
    "figure.times.x": "position in the sequence (time steps)",
    "figure.times.x_short": "position in sequence",
    "figure.times.sequence": "{layer}, {tensor}",
    "figure.times.some": "{shown} of {n} sequences are drawn",
    "live.sequence": "Sequence",
    "live.position": "Position",
    "live.times.steps": "{n} of {of} recorded steps can be chosen here; tables/times.parquet holds all.",
    "finding.vanishing_over_time": (
        "{when} (step {step}) the gradient of {subject} fades on its way back in time{in_runs}. At the input of "
        "{layer} its norm at position {first} over that at position {last} is {decades}, a factor of {factor} per time "
        "step; less than 1 % of it arrives before position {reach}."
    ),
    "finding.exploding_over_time": (
        "{when} (step {step}) the gradient of {subject} grows on its way back in time{in_runs}. At the input of "
        "{layer} its norm at position {first} over that at position {last} is {decades}, a factor of {factor} per time "
        "step."
    ),
    "finding.zero_over_time": (
        "{when} (step {step}) the gradient of {subject} ends on its way back in time{in_runs}. At the input of "
        "{layer} it is exactly zero before position {first}; from position {last} back to there its norm changes "
        "by {decades}."
    ),
    "cause.step_below_one": (
        "Each time step passes on less gradient than it receives, and the attenuation multiplies along the sequence: "
        "the layer learns from late positions and hardly from early ones."
    ),
    "cause.step_above_one": (
        "Each time step passes on more gradient than it receives, and the growth multiplies along the sequence."
    ),
    "remedy.pool_over_time": (
        "Let the loss read all time steps: the maximum or mean of the outputs, or attention over them, instead of the "
        "last one."
    ),
    "remedy.gate_bias": (
        "Initialise the bias of the gate that keeps the state (an LSTM's forget gate, a GRU's update gate) to about "
        "the logarithm of the sequence length, 4.4 for 80 time steps (Tallec and Ollivier 2018)."
    ),
    "analyze.times.title": "How far back in time the gradient reaches",
    "analyze.times.caption": (
        "At the input of each recurrent layer. Decades: log10 of the norm at the first position over that at the "
        "last. Factor: per time step. 1 % from: the earliest position with at least 1 % of the last one's norm."
    ),
    "analyze.column.from": "from",
    "analyze.column.to": "back to",
    "analyze.column.reach": "1 % from",
}
