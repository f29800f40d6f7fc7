"""The degree of vanishing, and why networks stall, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

DEGREE: Mapping[str, str] = {
    "degree.title": "训练前后的梯度消失程度",
    "degree.lead": (
        "在各记录步上，首层与末层梯度范数之比，以数量级计：大于 0 表示输入端的梯度更大，小于 0 表示梯度朝输入方向消失"
        "。分别针对激活、参数以及 |g| |w|，即参数梯度范数与参数范数之积。"
    ),
    "degree.batch_norm": "使用批归一化时，权重的梯度与其范数成反比，因此 |g| |w| 与尺度无关。",
    "degree.turns": (
        "{network} 的梯度走势发生了反转：首层与末层的激活梯度之比在第 {first} 步为 {start}，在第 {last} 步为 {end}。"
    ),
    "degree.lasts": "在第 0 步与最后一个记录步之间，没有任何网络的激活梯度走势发生反转。",
    "degree.law": (
        "表中给出 AICc 较低的规律：指数律（每层因子恒定），或关于层深度的幂律。若二者的 AICc 之差小于 2，或该差的置信"
        "区间包含 0，则记为“未定”；若因子或指数的置信区间包含“无变化”，则记为“无趋势”。拟合残差按自相关处理，因为每一"
        "层都会把自身的偏差传给下一层。"
    ),
    "degree.alt": "若干步上首层与末层梯度范数之比，以数量级计，激活、参数以及梯度乘权重各占一格。{finding}",
    "degree.named.exponential": "指数律",
    "degree.named.power law": "幂律",
    "degree.named.undecided": "未定",
    "degree.named.no trend": "无趋势",
    "degree.named.too few layers": "层数过少",
    "table.degree": "激活梯度，首层与末层之比，以数量级计",
    "table.law": "各网络最长阶段中的激活梯度（不含该阶段的第一层）：每层因子，以及规律与 AICc 之差（指数律减幂律）",
    "cell.step": "第 {step} 步",
    "cell.factor_at": "每层因子，第 {step} 步",
    "cell.law_at": "规律，第 {step} 步",
    "cell.delta": "ΔAICc {delta}",
    "cell.delta_interval": "ΔAICc {delta}（{low} 至 {high}）",
    "why.title": "网络为何停滞",
    "why.lead": (
        "在批归一化之下，权重的尺度无关紧要，其梯度与权重正交：若不计权重衰减，每次更新都会使权重范数增大。过大的初始"
        "梯度使第一层的权重范数变得很大；而一次更新使这样的权重转动的幅度约为 lr / |w|²，余下的学习率可能不足以继续训"
        "练。下面逐环测量这一链条，既包括停滞的网络，也包括未停滞的网络。"
    ),
    "why.caveat": (
        "该链条是在这些运行中逐环测得的结果，并不说明权重范数较小时该网络就能训练成功：较小的第一步需另做实验，可用 -"
        "-warmup 或 --lr 进行。"
    ),
    "why.none": (
        "此处没有网络同时满足两点：训练效果不如与之比较的网络，且权重的增长使学习率近乎失效；表中仍列出各环节。"
    ),
    "why.others": "对照的同样环节：其他以同样方式停滞的网络，以及同深度而未停滞的网络。",
    "why.alt": "每个网络：训练前的梯度比、第一层权重的增长、有效学习率、训练结束时的梯度比、训练误差。{finding}",
    "why.stalled": "训练在何处停滞",
    "why.network": "{network} 的训练效果不如与之比较的网络，且其权重的增长使学习率近乎失效：",
    "why.start": "训练前，首层与末层的激活梯度之比为 {decades}。",
    "why.first": (
        "第一次更新后，第一层权重范数的增长倍数为 {growth}；由更新前的梯度算得的 √(1 + (lr |g| / |w|)²) 为 "
        "{predicted}。"
    ),
    "why.growth": (
        "到第 {step} 步，范数的增长倍数为 {growth}。在相同的学习率下，一次更新使这些权重转动的幅度只有起初的 "
        "{slowdown} 分之一。"
    ),
    "why.end": "此时首层与末层的激活梯度之比为 {decades}。",
    "why.vanished": "此时首层与末层的激活梯度之比为 {decades}：梯度已经消失。",
    "why.scaled": "若以不受权重尺度影响的 |g| |w| 计，则为 {decades}。",
    "why.error": "训练误差最终为 {error}。",
    "why.beside": (
        "{network}：训练前梯度比为 {start}；第 {step} 步时权重范数的增长倍数为 {growth}，梯度比为 {end}；训练误差为 "
        "{error}。"
    ),
    "table.stall": (
        "第一层，逐环列出。梯度为激活梯度的首层与末层之比，以数量级计；权重范数为相对于第 0 步的倍数，第一次更新一栏"
        "下方为由更新前的梯度预测的值；lr / |w|² 按同一学习率计算"
    ),
    "column.start_decades": "梯度，第 0 步",
    "column.first_growth": "权重范数，第一次更新后",
    "column.weight_growth": "权重范数，结束时",
    "column.effective_lr": "lr / |w|²，结束与开始之比，数量级",
    "column.end_decades": "梯度，结束时",
    "cell.predicted": "预测 {value}",
}
