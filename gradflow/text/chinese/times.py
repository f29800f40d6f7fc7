"""The gradient over time of recurrent layers, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

TIMES: Mapping[str, str] = {
    "times.title": "梯度随时间的变化",
    "times.lead": (
        "循环层在一次调用中运行全部时间步，因此在输入序列与输出序列的每个位置测量梯度。在层的输出处，它是损失及后续层"
        "直接传给该位置的梯度；在层的输入处，它是该张量的梯度，包含其所有用途。输入处的曲线若向位置 0 下降，就显示出"
        "梯度沿时间能回传多远。"
    ),
    "times.no_input": (
        "{layers} 的输入不需要梯度，因此那里没有测量梯度能回传多远。gradflow.analyze_gradients 可以用一个批次的浮点"
        "输入进行测量。"
    ),
    "times.alt": "若干步时，序列各位置的梯度范数。{finding}",
    "table.times": "最后一个记录步：最早得到梯度的位置与最后一个位置的范数之比",
    "column.sequence": "序列",
    "column.positions": "位置",
    "column.reach": "此前不足 1 %",
    "column.decades_over_time": "首末位置之比，数量级",
    "column.factor_over_time": "每个时间步的系数",
    "tensor.input": "输入",
    "tensor.output": "输出",
    "figure.times.title": "梯度沿时间能回传多远？",
    "figure.times.subtitle": "序列各位置的梯度范数",
    "figure.times.x": "序列中的位置（时间步）",
    "figure.times.x_short": "序列中的位置",
    "figure.times.sequence": "{layer}，{tensor}",
    "figure.times.some": "仅绘出 {n} 个序列中的 {shown} 个",
    "live.sequence": "序列",
    "live.position": "位置",
    "live.times.steps": "{of} 个记录步中有 {n} 个可在此选择；tables/times.parquet 含全部。",
    "finding.vanishing_over_time": (
        "{when}（第 {step} 步），{subject} 的梯度{in_runs}沿时间回传时逐渐消失：在 {layer} 的输入处，位置 {first} 与"
        "位置 {last} 的范数之比为 {decades}，每个时间步的系数为 {factor}；位置 {reach} 之前得到的梯度不足 1 %。"
    ),
    "finding.exploding_over_time": (
        "{when}（第 {step} 步），{subject} 的梯度{in_runs}沿时间回传时逐渐增大：在 {layer} 的输入处，位置 {first} 与"
        "位置 {last} 的范数之比为 {decades}，每个时间步的系数为 {factor}。"
    ),
    "finding.zero_over_time": (
        "{when}（第 {step} 步），{subject} 的梯度{in_runs}沿时间回传时中断：在 {layer} 的输入处，位置 {first} 之前的"
        "梯度恰为零；从位置 {last} 回传到该处，范数变化为 {decades}。"
    ),
    "cause.step_below_one": (
        "每个时间步传出的梯度都小于收到的梯度，衰减沿序列逐步相乘：该层从靠后的位置学习，而几乎无法从靠前的位置学习。"
    ),
    "cause.step_above_one": "每个时间步传出的梯度都大于收到的梯度，增长沿序列逐步相乘。",
    "remedy.pool_over_time": "让损失读取所有时间步：对输出取最大值或平均值，或使用注意力，而不是只取最后一个。",
    "remedy.gate_bias": (
        "将保持状态的门（LSTM 的遗忘门、GRU 的更新门）的偏置初始化为约等于序列长度的对数，80 个时间步时为 4.4"
        "（Tallec 与 Ollivier 2018）。"
    ),
    "analyze.times.title": "梯度沿时间能回传多远",
    "analyze.times.caption": (
        "在每个循环层的输入处。数量级：首个位置与最后一个位置的范数之比的常用对数。系数：每个时间步。1 % 起点：范数"
        "至少为最后一个位置的 1 % 的最早位置。"
    ),
    "analyze.column.from": "从",
    "analyze.column.to": "回传至",
    "analyze.column.reach": "1 % 起点",
}
