"""What is found, where it comes from and what to try, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

FINDINGS: Mapping[str, str] = {
    "finding.diverged": "{subject}：{in_runs}损失不再是有限值，最早出现在第 {step} 步。",
    "finding.nonfinite_gradient": (
        "{subject}：第 {step} 步有梯度不再是有限值；按反向传播的顺序，{layer} 是最先出现的层。"
    ),
    "finding.in_runs": "{runs}中有 {n} 次",
    "finding.loss_rose": (
        "{subject}：{in_runs}损失最终高于初始值的 {threshold} 倍；最严重的一次由 {first} 升至 {last}"
        "（{steps}中最后十分之一的中位数）。"
    ),
    "finding.loss_level": (
        "{subject}：{in_runs}损失没有下降：起初为 {first}，最终为 {last}（{steps}中最后十分之一的中位数）。"
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
        "{when}（第 {step} 步），{subject} 的{measure}朝输入方向增大：首层与末层范数之比为 {decades}。"
        "在最长的阶段（{layers}）中，每层因子为 {factor}。"
    ),
    "finding.vanishing": (
        "{when}（第 {step} 步），{subject} 的{measure}朝输入方向减小：首层与末层范数之比为 {decades}。"
        "在最长的阶段（{layers}）中，每层因子为 {factor}。"
    ),
    "finding.stalled": (
        "{subject}：第一层权重范数的增长倍数为 {growth}。批归一化使权重的尺度无关紧要，因此在相同的学习率下，一次更新"
        "使其转动的幅度只有起初的 {slowdown} 分之一。"
    ),
    "finding.zero_gradient": "{subject}：有 {layers}的参数梯度在全部 {steps}上恰为零；按顺序第一个是 {example}。",
    "finding.zero_gradient_once": (
        "{subject}：有 {layers}的参数梯度在唯一的记录步上恰为零；按顺序第一个是 {example}。零初始化的层起初本应如此。"
    ),
    "finding.lost_gradient": (
        "{subject}：有 {layers}的参数梯度变为恰好为零，并一直保持到结束，最早出现在第 {step} 步；"
        "按顺序第一个是 {example}。"
    ),
    "finding.no_gradient": "{subject}：有 {layers}含参数却没有收到梯度；按顺序第一个是 {example}。",
    "finding.shattering_not_measured": "这些运行没有测量梯度破碎，因此对此不作结论。",
    "finding.ends_not_measured": "{subject}：没有在两层上测得梯度，因此对梯度消失或爆炸不作判断。",
    "finding.healthy": (
        "{subject}：各条规则均未发现问题。{when}（第 {step} 步），{measure}的首层与末层范数之比为 {decades}，在 ±"
        "{threshold} 个数量级以内。"
    ),
    "finding.healthy_trained": (
        "{subject}：各条规则均未发现问题。{when}（第 {step} 步），{measure}的首层与末层范数之比为 {decades}；训练误差"
        "最终为 {train_error}。"
    ),
    "finding.healthy_list": (
        "各条规则均未在这些网络中发现问题。{when}（第 {step} 步），{measure}的首层与末层范数之比为："
    ),
    "finding.healthy_line": "{subject}：{decades}",
    "finding.healthy_trained_line": "{subject}：{decades}；最终训练误差 {train_error}",
    "cause.factor_below_one": "每一层传回的梯度都小于它收到的梯度；这种衰减随深度逐层连乘。",
    "cause.factor_above_one": (
        "每一层传回的梯度都大于它收到的梯度；这种放大随深度逐层连乘。对于没有跳跃连接、批归一化位于 ReLU 之前的堆叠网"
        "络，闭式解为每层 √(π/(π−1)) = 1.211（Yang et al. 2019）。"
    ),
    "cause.scale_invariance": (
        "过大的初始梯度使权重膨胀，而权重的尺度又被批归一化消去；一次更新使权重转动的幅度与其范数的平方成反比（van La"
        "arhoven 2017）。"
    ),
    "cause.skip": "两个网络仅在残差连接上不同：数据、随机种子、步数与训练方案均相同。",
    "remedy.skip": "加入残差连接。",
    "remedy.shallower": "减少层数。",
    "remedy.budget": "延长训练，看差距中有多少源于训练预算。",
    "remedy.init": "使初始化的方差与激活函数匹配（ReLU 用 Kaiming 初始化，tanh 用增益 1）。",
    "remedy.norm": "在残差分支内部做归一化。",
    "remedy.warmup": "以较小的学习率开始（预热）。",
    "remedy.lower_lr": "降低学习率。",
    "remedy.clip": "按范数裁剪梯度。",
    "remedy.check_optimizer": "检查优化器是否持有这些参数；试试十倍的学习率，以及十分之一的学习率。",
    "remedy.check_graph": "检查该层的输出是否通向损失。",
    "remedy.other_activation": "检查是否有从不激活的单元；尝试带泄漏的激活函数（如 leaky ReLU）。",
    "remedy.logits": "返回 softmax 或 sigmoid 之前的值，即 logits。",
    "severity.problem": "问题",
    "severity.notice": "注意",
    "severity.healthy": "正常",
    "severity.unmeasured": "未测量",
}
