"""Recordings laid out by hand, so that what must be found is known beforehand."""

import numpy as np
import pandas as pd

from gradflow import Recording

NAN = float("nan")


def chain(outputs, *, gradients=None, steps=3, kinds=None, losses=None, graph=True, parameters=None, meta=None, **more):
    """Return a chain of layers named a, b, c, ... of which those in capitals have no parameters.

    `outputs` maps layers, in execution order, to the norm at their output, or to one a step; `gradients` to that of
    their parameters, by default the same. `parameters` are rows of the table, for every step.
    """
    names = list(outputs)
    rows = []
    for step in range(steps):
        for order, name in enumerate(names):
            out = np.broadcast_to(outputs[name], steps)[step]
            own = np.broadcast_to((gradients or {}).get(name, outputs[name]), steps)[step]
            has = name == name.lower()
            rows.append((step, name, order, 9 if has else 0, has, out, own if has else NAN))
    columns = ["step", "layer", "order", "n_params", "weighted", "out_grad_norm", "grad_norm"]
    layers = pd.DataFrame(rows, columns=columns).assign(
        n_nonfinite=0,
        dtype="float32",
        weight_norm=lambda rows: 2.0 + rows["step"],
        kind="Linear",
        layer_depth=lambda rows: rows["order"] + 1,
        stage=0,
    )
    layers["n_nonfinite"] = (layers["out_grad_norm"].isna() | np.isinf(layers["out_grad_norm"])).astype(int) * 9
    layers = layers.assign(**more)
    tables = {"layers": layers}
    if graph:
        tables["graph"] = pd.DataFrame({"layer": names[1:], "source": names[:-1]})
    if parameters is not None:
        table = pd.DataFrame(parameters)
        tables["parameters"] = pd.concat([table.assign(step=step) for step in range(steps)])
    losses = [2.0 - 0.001 * step for step in range(steps)] if losses is None else losses
    frame = pd.DataFrame({"step": range(steps), "loss": losses})
    return Recording(steps=frame, meta={"run": "mine", **(meta or {})}, **tables)


def learnt(n=40):
    """Return losses that fall to a tenth."""
    return list(np.geomspace(2.0, 0.2, n))


def only(findings, key):
    (found,) = [finding for finding in findings if finding.key == key]
    return found


def keys(findings):
    return {finding.key for finding in findings if finding.severity in ("problem", "notice")}
