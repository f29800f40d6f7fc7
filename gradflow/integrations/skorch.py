"""skorch: a callback that records a `NeuralNet`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gradflow.integrations.attached import Records
from gradflow.integrations.optional import library
from gradflow.integrations.trackers import Logged

_callbacks = library("skorch.callbacks", extra="skorch", least="1.0")
SHOWN = ("total_grad_norm", "first_to_last_decades")  # in skorch's table of epochs


class GradientFlow(Records, _callbacks.Callback):  # type: ignore[name-defined]  # skorch is optional
    """Record every layer's gradient while a `skorch.NeuralNet` fits.

    Gradients are read where the optimizer uses them: accumulated and clipped. The norm before clipping is
    `unclipped_grad_norm` in `recording.steps`, if this callback comes before `GradientNormClipping`. Two numbers of
    each epoch go to `net.history` and so to skorch's table, findings are printed as they come. `partial_fit` goes on
    with the recording; `state_dict` and `load_state_dict` go on with it in another process.

    `path` is the recording's folder, which `gradflow.load` and `gradflow diagnose` read; options are those of
    `gradflow.record`: schedule, layers, weights, statistics, sinks, ...
    """

    def __init__(self, path: str | os.PathLike[str], **options: Any) -> None:
        super().__init__(path, **options)
        self.path, self.options = path, options
        self._latest: Mapping[str, float] = {}

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: N803  # skorch's
        """Attach the recorder."""
        optimizers = [getattr(net, f"{name}_") for name in net._optimizers]
        self._attached.attach(net.module_, optimizers, sinks=[Logged(self._keep)])
        fit_loop = net.fit_loop

        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return fit_loop(*args, **kwargs)
            except Exception:  # after which skorch calls no callback
                self.on_train_end(net)
                raise

        net.fit_loop = guarded

    def on_grad_computed(self, net: Any, named_parameters: Any, training: bool = False, **kwargs: Any) -> None:
        """Keep the norm before clipping."""
        if training:
            self._attached.before_step()

    def on_batch_end(
        self, net: Any, batch: Any = None, training: bool = False, loss: Any = None, **kwargs: Any
    ) -> None:
        """Keep the loss with the step that has just ended."""
        if training and loss is not None:
            self._attached.after_step(loss=loss.detach())

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Show two numbers in the table of epochs."""
        if self._attached.is_attached:
            self._attached.recorder.flush()
            for name in SHOWN:
                if f"gradflow/{name}" in self._latest:
                    net.history.record(name, self._latest[f"gradflow/{name}"])

    def on_train_end(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: N803  # skorch's
        """Let go of the model; skorch calls it after Ctrl-C, too."""
        vars(net).pop("fit_loop", None)
        self._attached.close()

    def _keep(self, numbers: Mapping[str, float], step: int) -> None:
        """Keep the numbers of the last flush for the table."""
        self._latest = numbers

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return what another callback like this is made with, for scikit-learn's `clone`."""
        return {"path": self.path, **self.options}
