"""What is found, where it comes from and what to try, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

FINDINGS: Mapping[str, str] = {
    "finding.diverged": "{subject}：{in_runs}损失变为 NaN 或无穷大，最早出现在第 {step} 步。",
    "finding.nonfinite_forward": (
        "{subject}：{in_runs}首个 NaN 或无穷大产生于第 {step} 步的前向传播：它出现在 {layer} 的输出中，而此前各层的输出"
        "均为有限值。"
    ),
    "finding.nonfinite_weights": (
        "{subject}：{in_runs}第 {step} 步开始时，{layer} 的权重已是 NaN 或无穷大；这是更早的一次更新造成的。"
    ),
    "finding.nonfinite_loss": (
        "{subject}：{in_runs}第 {step} 步的损失为 NaN 或无穷大，而记录到的各层输出均为有限值；问题出在损失函数。"
    ),
    "finding.nonfinite_from_loss": (
        "{subject}：{in_runs}第 {step} 步，梯度从损失最先到达 {layer} 的输出，在那里已是 NaN 或无穷大；"
        "它产生于损失函数、其反向传播，或所记录的层以外的运算。"
    ),
    "finding.nonfinite_with_loss": (
        "{subject}：{in_runs}第 {step} 步，梯度从损失最先到达 {layer} 的输出，在那里已是 NaN 或无穷大。没有记录是某层的"
        "输出在先还是损失函数在先；用 record(statistics=True) 可以查明。"
    ),
    "finding.nonfinite_backward": (
        "{subject}：{in_runs}首个 NaN 或无穷大的梯度产生于第 {step} 步的反向传播，位于 {source} 与 {layer} 之间："
        "{layer} 输出处的梯度是有限值，而它所使用的 {source} 的输出处则不是。"
    ),
    "finding.nonfinite_parameter": (
        "{subject}：{in_runs}第 {step} 步，参数 {source} 的梯度为 NaN 或无穷大，而各层输出的梯度均为有限值。"
    ),
    "finding.nonfinite_gradient": (
        "{subject}：{in_runs}第 {step} 步有梯度变为 NaN 或无穷大；按反向传播的顺序，{layer} 是最先出现的层。"
    ),
    "finding.nonfinite_other_pass": (
        "{subject}：{in_runs}第 {step} 步，{layer} 处有梯度为 NaN 或无穷大；所在的反向传播不属于优化器所用的梯度。"
    ),
    "note.first_to_run": "{layer} 之前没有其他已记录的层：网络的输入可能已含有该值。",
    "note.unrecorded": "第 {after} 步与第 {step} 步之间的各步没有记录：问题可能始于其间。",
    "note.finite_again": "在最后一个记录步上，所有梯度又都是有限值；使用损失缩放的训练会跳过这样的步。",
    "finding.in_runs": "{runs}中有 {n} 次",
    "finding.loss_rose": (
        "{subject}：{in_runs}损失最终高于初始值的 {threshold} 倍；最严重的一次在{steps}中由 {first} 升至 {last}。"
        "初始与最终的损失均取中位数。"
    ),
    "finding.loss_level": (
        "{subject}：{in_runs}损失没有下降：起初为 {first}，最终为 {last}（{steps}；分别取起初与最后若干步的中位数）。"
    ),
    "finding.probabilities": (
        "{subject}：输出是概率，而损失函数把它当作 logits，又施加了一次 softmax 或 sigmoid。该批次的损失为 {loss}；即使"
        "输出全部确定且正确，损失仍为 {certain}。"
    ),
    "finding.degraded": (
        "{subject} 的训练效果不如层数更少的 {shallow}：训练误差为 {train_error}，后者为 {shallow_error}。按随机种子配"
        "对，差值为 {difference}。"
    ),
    "finding.not_degraded": (
        "{subject} 的训练效果并不比层数更少的 {shallow} 差：训练误差为 {train_error}，后者为 {shallow_error}。按随机"
        "种子配对，差值为 {difference}。"
    ),
    "finding.degradation_unclear": (
        "{subject} 的训练效果是否不如 {shallow}，尚无定论：训练误差的配对差值为 {difference}，其置信区间"
        "既容许小于 {threshold_points}，也容许大于它。"
    ),
    "finding.skip_helps": (
        "{subject} 的训练效果不如 {residual}，后者的各层与之相同，并带有残差连接：训练误差为 {train_error}，后者为 "
        "{residual_error}。按随机种子配对，差值为 {difference}。"
    ),
    "finding.exploding": (
        "{when}（第 {step} 步），{subject} 的{measure}在{first}处是{last}处的 {fold} 倍{up_to}{in_runs}：{decades}。"
        "{how}{placed}"
    ),
    "finding.vanishing": (
        "{when}（第 {step} 步），{subject} 的{measure}在{first}处只有{last}处的 1/({fold}){up_to}{in_runs}：{decades}。"
        "{how}{placed}"
    ),
    "finding.up_to": "（最严重的一次），",
    "finding.layer": "层 {layer}",
    "finding.call": "层 {layer} 的第 {call} 次调用",
    "finding.per_layer": "在最长的阶段（{layers}{about}）中，每层因子为 {factor}{closed}。",
    "finding.per_call": "{layer} 的每次调用使其变为 {factor} 倍。",
    "finding.activation": "，激活函数为 {activation}",
    "finding.closed_form": "；闭式解为 {predicted}",
    "finding.lost_between": "变化主要发生在{before}与{behind}之间：{lost_decades}。",
    "finding.not_placed": "各层的深度未知，因此按模型自身的顺序比较。",
    "finding.within": "，在 ±{threshold} 个数量级以内",
    "finding.within_each": "，每次运行均在 ±{threshold} 个数量级以内",
    "finding.checked": "梯度与损失均未发现问题",
    "finding.checked_gradient": "梯度未发现问题",
    "finding.stalled": (
        "{subject}：第一层权重范数的增长倍数为 {growth}。批归一化使权重的尺度无关紧要，因此在相同的学习率下，一次更新"
        "使其转动的幅度只有起初的 {slowdown} 分之一。"
    ),
    "finding.over_all": "在全部 {steps}上",
    "finding.over_one": "在唯一的记录步上",
    "finding.zero_gradient_between": (
        "{subject}：{in_runs}梯度无法从 {user} 传回 {layer}。{layer} 处的{measure}{over}恰为零；使用其输出的 "
        "{user} 处，其中最后一步的范数为 {there}。参数没有梯度的共 {layers}，按顺序第一个是 {example}。"
    ),
    "finding.zero_from_loss": (
        "{subject}：{in_runs}损失没有传回梯度。在梯度本应最先到达的 {layer} 处，{measure}{over}已恰为零。"
        "参数没有梯度的共 {layers}，按顺序第一个是 {example}。"
    ),
    "finding.zero_underflow": (
        "{subject}：{in_runs}梯度在 {user} 与 {layer} 之间下溢。最后一个记录步上，{user} 处的范数为 {there}，"
        "而 {dtype} 能表示的最小值为 {smallest}；输出为 {user} 所用的 {layer} 处，所有元素{over}均为零。"
        "参数没有梯度的共 {layers}，按顺序第一个是 {example}。"
    ),
    "finding.near_stop": (
        "{subject}：{in_runs}几乎没有梯度从 {user} 传回 {layer}。第 {step} 步，{user} 输出处的范数为 {there}，"
        "而它所使用的 {layer} 的输出处为 {here}；含参数的 {layers}得到的梯度不会更多。"
    ),
    "finding.lost_gradient": (
        "{subject}：{in_runs}有 {layers}的参数梯度变为恰好为零，并一直保持到结束，最早出现在第 {step} 步；"
        "按顺序第一个是 {example}。"
    ),
    "finding.lost_gradient_between": (
        "{subject}：{in_runs}自第 {step} 步起，梯度无法从 {user} 传回 {layer}。{layer} 处的{measure}变为恰好为零，"
        "并一直保持到结束；使用其输出的 {user} 处，最后一个记录步的范数为 {there}。失去参数梯度的共 {layers}，"
        "按顺序第一个是 {example}。"
    ),
    "finding.lost_from_loss": (
        "{subject}：{in_runs}自第 {step} 步起，损失没有传回梯度。在梯度本应最先到达的 {layer} 处，{measure}变为"
        "恰好为零，并一直保持到结束。失去参数梯度的共 {layers}，按顺序第一个是 {example}。"
    ),
    "finding.lost_underflow": (
        "{subject}：{in_runs}自第 {step} 步起，梯度在 {user} 与 {layer} 之间下溢。最后一个记录步上，{user} 处的"
        "范数为 {there}，而 {dtype} 能表示的最小值为 {smallest}；输出为 {user} 所用的 {layer} 处，所有元素均为零。"
        "失去参数梯度的共 {layers}，按顺序第一个是 {example}。"
    ),
    "note.zero_init": "零初始化的层起初本应如此。",
    "note.more_stops": "梯度中断的其他位置：{n_more} 处。",
    "finding.zero_gradient": (
        "{subject}：{in_runs}有 {layers}的参数梯度{over}恰为零，尽管其输出收到了梯度，或没有测量输出处的梯度："
        "{example}。"
    ),
    "finding.zero_parameters": (
        "{subject}：{in_runs}有 {parameters}的梯度{over}恰为零，尽管所在层的输出收到了梯度：{example}。"
    ),
    "finding.parameter_without_gradient": (
        "{subject}：{in_runs}有 {parameters}没有收到梯度（.grad 为 None），尽管所在层的输出收到了梯度：{example}。"
    ),
    "finding.no_parameter_gradient": (
        "{subject}：{in_runs}各层输出收到了梯度，却没有任何参数带有梯度（.grad 为 None）。梯度在 step() 之前已被清"
        "除，或是用 torch.autograd.grad() 求得的。"
    ),
    "finding.attention_one_token": (
        "{subject}：{in_runs}在 {layers}中，{parameter} 的查询与键的梯度{over}恰为零，而值有梯度；按顺序第一个是 "
        "{example}。注意力每次只看到一个词元时便是如此：请检查批次与序列两个维度的次序（batch_first）。"
    ),
    "finding.recurrent_one_step": (
        "{subject}：{in_runs}在 {layers}中，{parameter} 的梯度{over}恰为零；按顺序第一个是 {example}。序列只有一个时"
        "间步时便是如此：请检查批次与时间两个维度的次序（batch_first）。"
    ),
    "finding.reverse_one_step": (
        "{subject}：{in_runs}在 {layers}中，{parameter} 的梯度{over}恰为零；按顺序第一个是 {example}。"
        "损失只用到反向一侧的第一步（即最后一个位置的输出）时便是如此；它走完全部时间步后的状态在 h_n 中。"
    ),
    "finding.no_gradient_anywhere": ("{subject}：{in_runs}含参数的 {layers}均没有收到梯度；按顺序第一个是 {example}。"),
    "finding.span": "从 {example} 到 {last}",
    "finding.cut_off": (
        "{subject}：{in_runs}含参数的 {layers}没有收到梯度（{span}）。第一个有梯度的层是 {user}；它所用的前面各层的输出"
        "已脱离计算图：可能用了 detach()、tensor.data、argmax，或经过 NumPy 计算。"
    ),
    "finding.cut_off_no_grad": (
        "{subject}：{in_runs}含参数的 {layers}没有收到梯度（{span}）：在第一个有梯度的层 {user} 之前，"
        "有些层在 torch.no_grad() 或推理模式下运行。"
    ),
    "finding.cut_off_outside": (
        "{subject}：{in_runs}含参数的 {layers}没有收到梯度（{span}）：在第一个有梯度的层 {user} 之前，"
        "有些层的参数需要梯度，输出却不需要。它们的权重以脱离计算图的方式使用，或在 torch.no_grad() 下运行。"
    ),
    "finding.not_of_the_loss": (
        "{subject}：{in_runs}含参数的 {layers}收到过梯度，但都不属于优化器所用的梯度；按顺序第一个是 {example}。"
    ),
    "finding.unused": (
        "{subject}：{in_runs}含参数的 {layers}运行过，但损失不依赖它们的输出；按顺序第一个是 {example}。"
    ),
    "finding.without_gradients": (
        "{subject}：{in_runs}含参数的 {layers}只在不计算梯度的情况下（torch.no_grad() 或推理模式）运行过；按顺序第一"
        "个是 {example}。"
    ),
    "finding.not_called": ("{subject}：{in_runs}含参数的 {layers}从未作为模块被调用；按顺序第一个是 {example}。"),
    "finding.no_gradient": "{subject}：{in_runs}有 {layers}含参数却没有收到梯度；按顺序第一个是 {example}。",
    "finding.unregistered": (
        "{subject}：{in_runs}计算图中有 {tensors}需要梯度，却不是模型的参数（形状：{shapes}），因此不在 "
        "model.parameters() 之中。放在 Python 列表或字典里的层不会被注册：请用 nn.ModuleList、nn.ModuleDict 或 "
        "nn.Parameter。"
    ),
    "finding.never_stepped": ("{subject}：{in_runs}优化器从未更新参数：记录期间没有一次 optimizer.step() 调用完成。"),
    "finding.lr_zero": "{subject}：{in_runs}学习率在每个记录步上都为零。",
    "finding.never_changed": (
        "{subject}：{in_runs}权重从未改变：带有梯度的全部 {parameters}，其范数{over}都相等。没有调用 optimizer.step()，"
        "或优化器不包含这些参数。"
    ),
    "finding.left_out": (
        "{subject}：{in_runs}有 {parameters}带有梯度，却不在任何被记录的优化器中，也没有观察到它们改变：{example}。"
    ),
    "finding.not_changed": (
        "{subject}：{in_runs}有 {parameters}带有梯度却从未改变，而其他参数有变化：{example}。它们的范数{over}都相等。"
    ),
    "finding.shattering_not_measured": "这些运行没有测量梯度破碎，因此对此不作结论。",
    "finding.ends_not_measured": ("{subject}：没有任何一条路径在两层上测得梯度，因此对梯度消失或爆炸不作判断。"),
    "finding.healthy": (
        "{subject}：{checked}。{when}（第 {step} 步），{measure}相差最大的两处为{first}与{last}：{decades}{within}。"
        "{placed}"
    ),
    "finding.healthy_trained": (
        "{subject}：{checked}。{when}（第 {step} 步），{measure}相差最大的两处为{first}与{last}：{decades}{within}；"
        "训练误差最终为 {train_error}。{placed}"
    ),
    "finding.healthy_list": "这些网络均未发现问题。{when}（第 {step} 步），{measure}在网络两端的范数之比为：",
    "finding.healthy_line": "{subject}：{decades}",
    "finding.healthy_trained_line": "{subject}：{decades}；最终训练误差 {train_error}",
    "cause.factor_below_one": "每一层传回的梯度都小于它收到的梯度；这种衰减随深度逐层连乘。",
    "cause.factor_above_one": "每一层传回的梯度都大于它收到的梯度；这种放大随深度逐层连乘。",
    "cause.batch_norm": (
        "每一层传回的梯度都大于它收到的梯度；这种放大随深度逐层连乘。对于没有跳跃连接、批归一化位于 ReLU 之前的堆叠网"
        "络，闭式解为每层 √(π/(π−1)) = 1.211（Yang et al. 2019）。"
    ),
    "cause.scale_invariance": (
        "过大的初始梯度使权重膨胀，而权重的尺度又被批归一化消去；一次更新使权重转动的幅度与其范数的平方成反比（van La"
        "arhoven 2017）。"
    ),
    "cause.skip": "两个网络仅在残差连接上不同：数据、随机种子、步数与训练方案均相同。",
    "cause.detached_parameter": (
        "前向传播使用的是脱离计算图的副本（.detach()、.data、no_grad 代码块），或自定义的 autograd 函数没有返回它的梯"
        "度。"
    ),
    "remedy.skip": "加入残差连接。",
    "remedy.shallower": "减少层数。",
    "remedy.budget": "延长训练，看差距中有多少源于训练预算。",
    "remedy.init": "按激活函数初始化权重（ReLU 用 Kaiming 初始化，tanh 用增益 1），偏置置零。",
    "remedy.relu": "把激活函数换成 ReLU，并使用 Kaiming 初始化。",
    "remedy.add_norm": "在每个隐藏层之后加入批归一化或层归一化。",
    "remedy.norm": "在残差分支内部做归一化。",
    "remedy.warmup": "以较小的学习率开始（预热）。",
    "remedy.lower_lr": "降低学习率：先试十分之一，再试百分之一。",
    "remedy.raise_lr": "提高学习率：先试十倍，再试一百倍。",
    "remedy.clip": "按范数裁剪梯度。",
    "remedy.check_optimizer": "检查优化器是否由这些参数构造。",
    "remedy.check_step": "检查 optimizer.step() 是否运行，以及优化器是否持有这些参数。",
    "remedy.check_graph": "检查该层的输出是否通向损失。",
    "remedy.other_activation": "尝试带泄漏的激活函数，例如 leaky ReLU。",
    "remedy.logits": "返回 softmax 或 sigmoid 之前的值，即 logits。",
    "severity.problem": "问题",
    "severity.notice": "注意",
    "severity.healthy": "正常",
    "severity.unmeasured": "未测量",
}
