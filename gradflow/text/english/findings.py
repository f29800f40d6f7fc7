"""What is found, where it comes from and what to try, in English."""

from __future__ import annotations

from collections.abc import Mapping

FINDINGS: Mapping[str, str] = {
    "finding.diverged": "{subject}: the loss became NaN or infinite{in_runs}, first at step {step}.",
    "finding.nonfinite_forward": (
        "{subject}: the first NaN or infinity{in_runs} was made in the forward pass at step {step}: it is in the "
        "output of {layer}, and no output before it has one."
    ),
    "finding.nonfinite_weights": (
        "{subject}: the weights of {layer} were NaN or infinite already when step {step} began{in_runs}; an earlier "
        "update made them so."
    ),
    "finding.nonfinite_loss": (
        "{subject}: at step {step} the loss is NaN or infinite although every recorded output is finite{in_runs}; the "
        "loss function made it."
    ),
    "finding.nonfinite_from_loss": (
        "{subject}: at step {step} the gradient is NaN or infinite already at the output of {layer}, where it arrives "
        "from the loss{in_runs}; the loss function, its backward pass, or operations outside the recorded layers made "
        "it."
    ),
    "finding.nonfinite_with_loss": (
        "{subject}: at step {step} the gradient is NaN or infinite already at the output of {layer}, where it arrives "
        "from the loss{in_runs}. Whether a layer's output or the loss function was first was not recorded; "
        "record(statistics=True) shows it."
    ),
    "finding.nonfinite_backward": (
        "{subject}: the first NaN or infinite gradient{in_runs} was made in the backward pass of step {step}, between "
        "{source} and {layer}: the gradient is finite at the output of {layer} and not at that of {source}, which "
        "{layer} uses."
    ),
    "finding.nonfinite_parameter": (
        "{subject}: at step {step} the gradient of the parameters {source} is NaN or infinite{in_runs}, while the "
        "gradients of all outputs are finite."
    ),
    "finding.nonfinite_gradient": (
        "{subject}: a gradient became NaN or infinite at step {step}{in_runs}; in the backward pass layer {layer} was "
        "the first."
    ),
    "finding.nonfinite_other_pass": (
        "{subject}: at step {step} a gradient at {layer} is NaN or infinite{in_runs}, in a backward pass that is no "
        "part of the gradient that the optimizer used."
    ),
    "note.first_to_run": "No recorded layer runs before {layer}: the input of the network may hold it already.",
    "note.unrecorded": "Steps between {after} and {step} were not recorded: it may have begun there.",
    "note.finite_again": (
        "At the last recorded step all gradients are finite again; training with a scaled loss skips such steps."
    ),
    "finding.in_runs": " in {n} of {runs}",
    "finding.loss_rose": (
        "{subject}: the loss ended{in_runs} above {threshold} times its first value; at worst it went from {first} to "
        "{last} in {steps}. The first and the last losses are compared by their medians."
    ),
    "finding.loss_level": (
        "{subject}: the loss did not fall{in_runs}: it began at {first} and ended at {last} ({steps}; medians of the "
        "first and of the last losses)."
    ),
    "finding.probabilities": (
        "{subject}: the outputs are probabilities, and the loss takes them for logits: it applies a softmax or sigmoid "
        "of its own. On this batch it is {loss}; outputs that are certain and right would still have {certain}."
    ),
    "finding.degraded": (
        "{subject} trains worse than the shallower {shallow}: training error {train_error} against "
        "{shallow_error}. Paired by seed, the difference is {difference}."
    ),
    "finding.not_degraded": (
        "{subject} does not train worse than the shallower {shallow}: training error {train_error} against "
        "{shallow_error}. Paired by seed, the difference is {difference}."
    ),
    "finding.degradation_unclear": (
        "Whether {subject} trains worse than {shallow} is open: the paired difference in training error is "
        "{difference}, an interval that allows less than {threshold_points} as well as more."
    ),
    "finding.skip_helps": (
        "{subject} trains worse than {residual}, which has the same layers and residual connections: training "
        "error {train_error} against {residual_error}. Paired by seed, the difference is {difference}."
    ),
    "finding.exploding": (
        "{when} (step {step}) the {measure} of {subject} is {up_to}{fold} times larger at {first} than at {last}"
        "{in_runs}: {decades}.{how}{placed}"
    ),
    "finding.vanishing": (
        "{when} (step {step}) the {measure} of {subject} is {up_to}{fold} times smaller at {first} than at {last}"
        "{in_runs}: {decades}.{how}{placed}"
    ),
    "finding.up_to": "up to ",
    "finding.layer": "layer {layer}",
    "finding.call": "call {call} of layer {layer}",
    "finding.per_layer": " In the longest stage ({layers}{about}) it changes by {factor} per layer{closed}.",
    "finding.per_call": " It changes by {factor} from each call of {layer} to the one before.",
    "finding.activation": " with {activation}",
    "finding.closed_form": "; the closed form is {predicted}",
    "finding.lost_between": " Most of the change is between {before} and {behind}: {lost_decades}.",
    "finding.not_placed": " The depth of the layers is unknown; they are compared in the model's own order.",
    "finding.within": ", within {threshold} decades",
    "finding.within_each": ", in each run within {threshold} decades",
    "finding.checked": "no fault was found in gradient and loss",
    "finding.checked_gradient": "no fault was found in the gradient",
    "finding.stalled": (
        "{subject}: the weights of the first layer grew {growth}. Batch norm makes their scale irrelevant, so at "
        "an equal learning rate a step turns them {slowdown} times less than at the start."
    ),
    "finding.over_all": " at all of {steps}",
    "finding.over_one": " at the only recorded step",
    "finding.zero_gradient_between": (
        "{subject}: no gradient passes from {user} back to {layer}{in_runs}. The {measure} is exactly zero at {layer}"
        "{over}; at {user}, which uses its output, its norm is {there} at the last of them. Parameters without "
        "gradient: in {layers}, {example} first."
    ),
    "finding.zero_from_loss": (
        "{subject}: no gradient comes from the loss{in_runs}. The {measure} is exactly zero already at {layer}{over}, "
        "where it would arrive first. Parameters without gradient: in {layers}, {example} first."
    ),
    "finding.zero_underflow": (
        "{subject}: the gradient underflows between {user} and {layer}{in_runs}. At the last recorded step its norm is "
        "{there} at {user}, and {dtype} holds nothing smaller than {smallest}; at {layer}, whose output {user} uses, "
        "every entry is zero{over}. Parameters without gradient: in {layers}, {example} first."
    ),
    "finding.near_stop": (
        "{subject}: next to no gradient passes from {user} back to {layer}{in_runs}. At step {step} its norm is "
        "{there} at the output of {user} and {here} at that of {layer}, which {user} uses. No more than that reaches "
        "{layers} with parameters."
    ),
    "finding.lost_gradient": (
        "{subject}: the parameter gradient of {layers} became exactly zero and stayed so to the end{in_runs}, first at "
        "step {step}; first in order: {example}."
    ),
    "finding.lost_gradient_between": (
        "{subject}: since step {step} no gradient has passed from {user} back to {layer}{in_runs}. The {measure} "
        "became exactly zero at {layer} and stayed so to the end; at {user}, which uses its output, its norm is "
        "{there} at the last recorded step. Parameters that lost their gradient: in {layers}, {example} first."
    ),
    "finding.lost_from_loss": (
        "{subject}: since step {step} no gradient has come from the loss{in_runs}. The {measure} became exactly zero "
        "at {layer}, where it would arrive first, and stayed so to the end. Parameters that lost their gradient: in "
        "{layers}, {example} first."
    ),
    "finding.lost_underflow": (
        "{subject}: since step {step} the gradient has underflowed between {user} and {layer}{in_runs}. At the last "
        "recorded step its norm is {there} at {user}, and {dtype} holds nothing smaller than {smallest}; at {layer}, "
        "whose output {user} uses, every entry is zero. Parameters that lost their gradient: in {layers}, {example} "
        "first."
    ),
    "note.zero_init": "Zero-initialised layers start so by design.",
    "note.more_stops": "Other places where it stops: {n_more}.",
    "finding.zero_gradient": (
        "{subject}: the parameter gradient of {layers} is exactly zero{over}{in_runs}, although a gradient arrives "
        "at the output or none was looked for there: {example}."
    ),
    "finding.zero_parameters": (
        "{subject}: the gradient of {parameters} is exactly zero{over}{in_runs}, although a gradient arrives at the "
        "output of the layer: {example}."
    ),
    "finding.parameter_without_gradient": (
        "{subject}: {parameters} received no gradient (.grad is None){in_runs}, although a gradient arrives at the "
        "output of the layer: {example}."
    ),
    "finding.no_parameter_gradient": (
        "{subject}: gradients arrive at outputs, but no parameter has one (.grad is None){in_runs}. The gradients were "
        "cleared before step(), or taken with torch.autograd.grad()."
    ),
    "finding.attention_one_token": (
        "{subject}: queries and keys of {parameter} have a gradient of exactly zero in {layers}{over}{in_runs}, values "
        "have one; first in order: {example}. So it is where attention sees one token at a time: check the order of "
        "batch and sequence (batch_first)."
    ),
    "finding.recurrent_one_step": (
        "{subject}: the gradient of {parameter} is exactly zero in {layers}{over}{in_runs}; first in order: {example}. "
        "So it is where sequences have one step: check the order of batch and time (batch_first)."
    ),
    "finding.reverse_one_step": (
        "{subject}: the gradient of {parameter} is exactly zero in {layers}{over}{in_runs}; first in order: {example}. "
        "So it is where the loss uses only the first step that the reverse direction takes: the output at the last "
        "position. Its state after all steps is in h_n."
    ),
    "finding.no_gradient_anywhere": (
        "{subject}: no gradient arrived at any of {layers} with parameters{in_runs}; first in order: {example}."
    ),
    "finding.span": "from {example} to {last}",
    "finding.cut_off": (
        "{subject}: no gradient reaches {layers} with parameters, {span}{in_runs}. The first layer "
        "with a gradient is {user}; what it uses of the layers before it is cut off from the graph: by detach(), "
        "tensor.data, argmax or a step through NumPy."
    ),
    "finding.cut_off_no_grad": (
        "{subject}: no gradient reaches {layers} with parameters, {span}{in_runs}. The first layer "
        "with a gradient is {user}; layers before it ran under torch.no_grad() or in inference mode."
    ),
    "finding.cut_off_outside": (
        "{subject}: no gradient reaches {layers} with parameters, {span}{in_runs}. The first layer "
        "with a gradient is {user}; the output of the layers before it requires no gradient although their parameters "
        "do. Their weights are used detached, or they ran under torch.no_grad()."
    ),
    "finding.not_of_the_loss": (
        "{subject}: gradients arrived at {layers} with parameters, but none was part of the gradient that the "
        "optimizer used{in_runs}; first in order: {example}."
    ),
    "finding.unused": (
        "{subject}: the loss does not depend on the output of {layers} with parameters{in_runs}; first in order: "
        "{example}."
    ),
    "finding.without_gradients": (
        "{subject}: nothing is learnt in {layers} with parameters that only ran under torch.no_grad() or in inference "
        "mode{in_runs}; first in order: {example}."
    ),
    "finding.not_called": (
        "{subject}: the model never called {layers} with parameters as modules{in_runs}; first in order: {example}."
    ),
    "finding.no_gradient": (
        "{subject}: no gradient arrived at {layers} with parameters{in_runs}; first in order: {example}."
    ),
    "finding.unregistered": (
        "{subject}: the graph holds {tensors} that must be trained but that model.parameters() does not list{in_runs} "
        "(shapes: {shapes}). Layers in a Python list or dict are not registered: use nn.ModuleList, nn.ModuleDict or "
        "nn.Parameter."
    ),
    "finding.never_stepped": (
        "{subject}: the optimizer never stepped{in_runs}: no call of optimizer.step() finished during the recording."
    ),
    "finding.lr_zero": "{subject}: the learning rate was zero at every recorded step{in_runs}.",
    "finding.never_changed": (
        "{subject}: the weights never changed{in_runs}: the norms of all {parameters} with a gradient are equal{over}. "
        "optimizer.step() was not called, or not on these parameters."
    ),
    "finding.left_out": (
        "{subject}: no recorded optimizer holds {parameters} with a gradient{in_runs}, and nothing was seen to change "
        "them: {example}."
    ),
    "finding.not_changed": (
        "{subject}: {parameters} with a gradient never changed{in_runs}, while others did: {example}. Their norms are "
        "equal{over}."
    ),
    "finding.shattering_not_measured": (
        "Shattering of the gradient was not measured in these runs, so nothing is said about it."
    ),
    "finding.ends_not_measured": (
        "{subject}: the gradient was not measured at two layers of any path, so nothing is said about vanishing or "
        "exploding."
    ),
    "finding.healthy": (
        "{subject}: {checked}. {when} (step {step}) the {measure} differs most between {first} and {last}: "
        "{decades}{within}.{placed}"
    ),
    "finding.healthy_trained": (
        "{subject}: {checked}. {when} (step {step}) the {measure} differs most between {first} and {last}: "
        "{decades}{within}; the training error ends at {train_error}.{placed}"
    ),
    "finding.healthy_list": (
        "No fault was found in these networks. {when} (step {step}) the norm of the {measure} at one end of the "
        "network over that at the other is:"
    ),
    "finding.healthy_line": "{subject}: {decades}",
    "finding.healthy_trained_line": "{subject}: {decades}; training error at the end {train_error}",
    "cause.factor_below_one": (
        "Each layer passes on less gradient than it receives; the attenuation multiplies with depth."
    ),
    "cause.factor_above_one": (
        "Each layer passes on more gradient than it receives; the amplification multiplies with depth."
    ),
    "cause.batch_norm": (
        "Each layer passes on more gradient than it receives; the amplification multiplies with depth. For batch norm "
        "before ReLU in a stack without shortcuts the closed form is √(π/(π−1)) = 1.211 per layer (Yang et al. 2019)."
    ),
    "cause.scale_invariance": (
        "A large first gradient inflates weights that batch norm rescales; the turn a step makes falls with the "
        "square of their norm (van Laarhoven 2017)."
    ),
    "cause.skip": (
        "The two networks differ in the residual connections alone: data, seeds, steps and recipe are the same."
    ),
    "cause.detached_parameter": (
        "The forward pass uses a detached copy (.detach(), .data, a no_grad block), or a custom autograd function "
        "returns no gradient for it."
    ),
    "remedy.skip": "Add residual connections.",
    "remedy.shallower": "Use fewer layers.",
    "remedy.budget": "Train longer, to see how much of the gap is a matter of budget.",
    "remedy.init": (
        "Initialise the weights to suit the activation (Kaiming for ReLU, gain 1 for tanh) and the biases to zero."
    ),
    "remedy.relu": "Replace the activation by ReLU, with Kaiming initialisation.",
    "remedy.add_norm": "Add batch norm or layer norm behind each hidden layer.",
    "remedy.norm": "Normalise inside residual branches.",
    "remedy.warmup": "Start with a smaller learning rate (warm-up).",
    "remedy.lower_lr": "Lower the learning rate: try a tenth, then a hundredth of it.",
    "remedy.raise_lr": "Raise the learning rate: try ten times, then a hundred times as much.",
    "remedy.clip": "Clip the gradient's norm.",
    "remedy.check_optimizer": "Check that the optimizer was made from these parameters.",
    "remedy.check_step": "Check that optimizer.step() runs, and that the optimizer holds these parameters.",
    "remedy.check_graph": "Check that the layer's output reaches the loss.",
    "remedy.other_activation": "Try a leaky activation, such as leaky ReLU.",
    "remedy.logits": "Return what comes before the softmax or sigmoid: the logits.",
    "severity.problem": "Problem",
    "severity.notice": "Notice",
    "severity.healthy": "Healthy",
    "severity.unmeasured": "Not measured",
}
