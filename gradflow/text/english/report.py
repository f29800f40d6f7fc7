"""The report, in English."""

from __future__ import annotations

from collections.abc import Mapping

HEAD: Mapping[str, str] = {
    "page.language": "en",
    "page.title": "Gradient flow: {subject}",
    "page.question.compare": "Do deeper networks train worse, and what do skip connections change?",
    "page.question.vanishing": "How fast does a gradient vanish or explode with depth?",
    "page.question.own": "How does the gradient flow through this network?",
    "value.unknown": "not noted",
    "list.and": "{first} and {last}",
    "page.contents": "Contents",
    "page.skip": "Skip to the findings",
    "page.evidence": "Figure",
    "page.see": "More",
    "page.unprinted": "Left out in print: {file} holds it.",
    "page.data": "Data",
    "page.print_figure": "PNG, 300 dpi",
    "page.footer": "Made by gradflow {version} from {runs}, {when}.",
    "headline.contrast": (
        "At {depth} layers the plain network misclassifies {plain_error} of its training set, the residual one "
        "{residual_error}: {difference}."
    ),
    "headline.variant": "{settings}: {said}",
    "headline.rise": (
        "From {shallow} to {deep} layers the training error of plain networks goes from {plain_first} to {plain_last}, "
        "that of residual ones from {residual_first} to {residual_last}; at {deep} layers they differ by {difference}."
    ),
    "headline.none": "No rule found a fault; the gradient was not measured at two layers that could be compared.",
    "headline.empty": "No step was recorded, so nothing is said of these runs.",
    "ran.compare": (
        "{families} networks of {depths} layers on {data} ({n_train} training images), {steps} steps of "
        "{batch_size} images each, {seeds}: {runs}."
    ),
    "ran.vanishing": (
        "{settings} fully connected networks of {depth} layers, {width} wide, at initialisation, {seeds} each."
    ),
    "ran.own": "{runs} of {model}; gradients at {steps}.",
}

SECTIONS: Mapping[str, str] = {
    "errors.title": "Errors after training",
    "degradation.title": "Degradation: training error against depth",
    "degradation.lead": (
        "A deeper network can represent all that a shallower one can, so a higher training error means that "
        "training did not find it: a fault of optimisation, not of overfitting."
    ),
    "degradation.caveat": (
        "These are errors after a fixed budget: every network got the same {steps} steps. What more steps would change "
        "was not measured here."
    ),
    "degradation.alt": "Training error after training against depth, a line for each family. {finding}",
    "degradation.alt_test": "Test error after training against depth, a line for each family. {finding}",
    "training.title": "Training curves",
    "training.lead": (
        "The minibatch error, averaged over windows of {window} steps, and the error on the whole training set "
        "where it was measured. A network that overfits learns its training set; one that degrades does not."
    ),
    "training.lead_loss": (
        "The loss of each step's batch; no error rate was recorded. A loss that stays level from the start is a "
        "network that never learned."
    ),
    "training.lead_loss_windows": (
        "The loss of each step's batch, averaged over windows of {window} steps; no error rate was recorded. A loss "
        "that stays level from the start is a network that never learned."
    ),
    "training.alt_loss": "Loss against training step for each network. {finding}",
    "training.alt": "Error against training step for each network. {finding}",
    "profile.title": "Gradient norm against depth",
    "profile.lead": (
        "The norm of the loss gradient at each weighted layer, on a logarithmic axis, after {steps} updates. A "
        "straight slope is a constant factor per layer; a flat line is an even flow."
    ),
    "profile.caption.out_grad_norm": "With respect to each layer's output. This is the signal that travels backward.",
    "profile.caption.grad_norm": "With respect to each layer's parameters. This is what the optimizer receives.",
    "profile.alt.out_grad_norm": "Activation gradient norm against layer depth at several steps. {finding}",
    "profile.alt.grad_norm": "Parameter gradient norm against layer depth at several steps. {finding}",
    "factor.title": "Factor per layer",
    "factor.lead": (
        "Walking backward, the activation gradient's norm changes by about the same factor at each layer of a "
        "stage. Below 1 it vanishes, above 1 it explodes. Measured at step 0 by a straight-line fit to the "
        "logarithm of the norm, without the first layer of each stage, with Student's 95 % interval over seeds."
    ),
    "factor.closed_form": (
        "For batch norm before ReLU without shortcuts the closed form is {factor} per layer (wide layers, at "
        "initialisation; Yang et al. 2019). Residual networks with batch norm in the branch follow a power law and "
        "have no constant factor."
    ),
    "heatmaps.title": "Every layer at every recorded step",
    "heatmaps.lead": (
        "One row per layer, from the input at the top; one column per recorded step; colour is the norm of the "
        "activation gradient, on a logarithmic scale that all networks share."
    ),
    "heatmaps.alt": "Activation gradient norm of every layer at every recorded step, one panel per network. {finding}",
    "weights.title": "Weight growth and effective learning rate",
    "weights.lead": (
        "The norm of the weights relative to step 0, and the effective learning rate: the learning rate over the "
        "squared norm of the weights."
    ),
    "weights.batch_norm": (
        "With batch norm the output does not depend on the scale of the weights, and a step turns them by about the "
        "effective learning rate. A network whose first steps inflate its weights then hardly moves."
    ),
    "weights.alt": "Weight norm relative to step 0, and effective learning rate, against training step. {finding}",
    "vanishing.title": "The vanishing gradient, measured",
    "vanishing.lead": (
        "Deep fully connected networks at initialisation, {seeds} each. A constant factor per layer multiplies: at "
        "{factor}, {after} of the gradient is left after {layers}."
    ),
    "vanishing.homogeneous": (
        "Both gradients are shown because they differ: in a ReLU network without bias and norm ⟨W, ∂L/∂W⟩ is the "
        "same number in every layer, so its weight-gradient profile is flat while its level vanishes."
    ),
    "vanishing.alt.out_grad_norm": (
        "Activation gradient norm relative to the last layer against layer depth, a line for each setting, closed "
        "forms dashed. {finding}"
    ),
    "vanishing.alt.grad_norm": (
        "Weight gradient norm relative to the last layer against layer depth, a line for each setting. {finding}"
    ),
    "vanishing.line": "{label}: {factor} per layer, {verdict}.",
    "vanishing.caption.out_grad_norm": "Activation gradients: the signal that travels backward.",
    "vanishing.caption.grad_norm": "Weight gradients: what the optimizer receives.",
    "findings.title": "Findings in words",
    "findings.lead": (
        "Each statement comes from its own measurement; vanishing, exploding, shattered and degraded are four "
        "different things, and none is inferred from another. An interval is Student's 95 % over seeds; with one "
        "seed there is none."
    ),
    "coverage.title": "Coverage",
    "coverage.lead": (
        "{measured} of {layers}, counted in every run, had a gradient measured at their output. The others:"
    ),
    "coverage.unprobed": "The probe “{probe}” found nothing in {runs}: {why}",
    "coverage.full": "All of {layers}, counted in every run, had a gradient measured at their output.",
    "method.title": "Method and reproduction",
    "method.lead": (
        "Gradients were recorded with hooks that leave training bit-identical. Norms are L2. Every number on this "
        "page comes from the recordings named here; nothing is smoothed unless the label says over how many steps."
    ),
    "method.overhead": "Recording took {recorder} of {recorded} of training: {share}.",
}

STATUSES: Mapping[str, str] = {
    "status.output is the input": (
        "The layer returned its input unchanged, as an identity shortcut does. The value recorded is the gradient of "
        "that tensor, all its other uses included."
    ),
    "status.measured at its base": (
        "The output is a view that was changed in place. Its gradient was read at the tensor that it is a view of."
    ),
    "status.parameters only": (
        "The layer was not called as a module, or its output has no gradient. Its parameters' gradient was read."
    ),
    "status.not in the graph": (
        "The layer's output requires no gradient: nothing before it is trained, or it is detached there. In recordings "
        "of earlier versions, the layer may not have been called at all."
    ),
    "status.not called": "The layer was not called as a module.",
    "status.called without gradients": (
        "The layer was only called where gradients are switched off (no_grad or inference_mode)."
    ),
    "status.frozen": "Its parameters require no gradient, and none passed its output.",
    "status.no gradient": "The layer was called, but the loss does not depend on its output.",
    "status.lost": (
        "The output is a view of the input whose hook did not fire: it was changed in place, or nothing uses it."
    ),
    "status.compiled": "The layer runs inside torch.compile, where hooks would break the graph. Parameters were read.",
    "status.scripted": "TorchScript modules take no hooks. Parameters were read.",
    "status.not of the loss": (
        "Gradients arrived, but none was part of the gradient that the optimizer used: autograd.grad() was called, or "
        "zero_grad() cleared them before the step."
    ),
    "status.several passes": (
        "Several backward passes reached the output. Their sum is measured from the next recorded step on."
    ),
    "status.double backward": (
        "A backward pass went through the layer's derivative, which is computed from this output. The gradient of the "
        "loss cannot be separated from that term."
    ),
    "status.added": "The layer was added to the model. Its output is measured from the next recorded step on.",
    "status.gone": "The layer is no longer part of the model.",
    "status.skipped": "The gradient scaler skipped the step, and the gradient was gone before it could be read.",
    "status.too many calls": "More outputs of layers were seen in one step than are kept.",
    "status.failed": "Measuring raised an error.",
}

TABLES: Mapping[str, str] = {
    "table.summary": "After training; and the gradient's norm before training, first layer over last",
    "table.paired_difference": "Plain minus residual training error, paired by seed",
    "table.factor": "Factor per layer at step 0, one row per network",
    "table.one_seed": "{caption}. 1 seed each, no interval",
    "table.toy": "A factor of {factor} per layer: what is left of the gradient. Arithmetic, not a measurement",
    "table.vanishing": "Measured beside the closed form, one row per setting",
    "table.coverage": "Layers whose output gradient was not measured as such, by status",
}

DEFINITIONS: Mapping[str, str] = {
    "definition.train_error": (
        "Training error: share of the whole training set classified wrongly, in evaluation mode, after training."
    ),
    "definition.batch_error": "Minibatch error: share of one step's batch classified wrongly, in training mode.",
    "definition.majority": (
        "Majority class: a network that always answers the most frequent class. Its training error is a dotted line, "
        "where it was recorded; one that has learnt stays below."
    ),
    "definition.out_grad_norm": "Activation gradient: L2 norm of the loss gradient with respect to a layer's output.",
    "definition.grad_norm": (
        "Parameter gradient: L2 norm of the loss gradient with respect to all of a layer's own parameters."
    ),
    "definition.layer_depth": (
        "Layer depth: weighted layers (convolutions, fully connected) on the longest way from the input; norms and "
        "activations share the depth of the layer they follow."
    ),
    "definition.decades": (
        "First over last, in decades: base-ten logarithm of the norm at the first weighted layer over that at the "
        "last. −2 decades is a hundredth."
    ),
    "definition.factor": (
        "Factor per layer: e to minus the slope of ln(norm) on layer depth within a stage; above 1 the norm grows on "
        "its way back to the input."
    ),
    "definition.stage": "Stage: a run of layers with one size of feature map.",
    "definition.effective_lr": (
        "Effective learning rate: learning rate over squared weight norm (van Laarhoven 2017)."
    ),
    "definition.interval": (
        "Interval: Student's t, 95 %, over seeds; for norms and factors over their logarithms; of errors, cut at 0 and "
        "100 %."
    ),
}

COLUMNS: Mapping[str, str] = {
    "column.network": "Network",
    "column.n": "Seeds",
    "column.train_error": "Training error",
    "column.test_error": "Test error",
    "column.grad_ratio": "Parameter gradient, decades",
    "column.out_grad_ratio": "Activation gradient, decades",
    "column.seconds": "Time per run",
    "column.depth": "Depth",
    "column.pairs": "Pairs",
    "column.difference": "Plain minus residual, points",
    "cell.stage": "Stage {number}",
    "column.factor": "Factor per layer, measured",
    "column.closed_form": "Closed form",
    "column.layers": "Layers",
    "column.example": "The first",
    "column.layer_kind": "Kind",
    "column.status": "Status",
    "column.runs": "Runs",
    "column.layers_passed": "Layers passed",
    "column.gradient_left": "Gradient left",
    "column.setting": "Setting",
    "column.predicted": "Closed form (difference)",
    "column.decades": "First over last layer, decades",
    "column.weight_factor": "Weight gradient, factor per layer",
    "column.verdict": "Verdict",
    "cell.one_seed": "1 seed, no interval",
    "cell.same": "same in all {n}",
    "cell.interval": "{low} to {high}",
    "cell.power_law": "power law",
}

FACTS: Mapping[str, str] = {
    "fact.command": "Command",
    "fact.model": "Model",
    "fact.data": "Data",
    "fact.n_train": "Training images",
    "fact.n_inputs": "Inputs of a measurement",
    "fact.n_test": "Test images",
    "fact.widths": "Channels of the stages",
    "fact.width": "Width",
    "fact.shortcut": "Shortcut option",
    "fact.steps": "Steps",
    "fact.batch_size": "Batch size",
    "fact.lr": "Learning rate",
    "fact.schedule": "Schedule",
    "fact.warmup": "Warm-up steps",
    "fact.momentum": "Momentum",
    "fact.weight_decay": "Weight decay",
    "fact.record_every": "Steps between records",
    "fact.eval_every": "Steps between errors",
    "fact.seed": "Seeds",
    "fact.device": "Device",
    "fact.device_name": "Processor",
    "fact.threads": "Threads per run",
    "fact.dtype": "Numbers",
    "fact.gradients": "Gradients",
    "fact.page_command": "Page written by",
    "fact.versions": "Versions",
    "fact.started": "Started",
    "fact.wall_seconds": "Time, all runs together",
    "method.span": "{first} to {last}",
}
