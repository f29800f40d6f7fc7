"""The sentences of a forecast, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

FORECAST: Mapping[str, str] = {
    "forecast.head": "对 {name} 的预测：{verdict}",
    "forecast.trial": (
        "在副本上试训：用 {optimizer} 更新 {updates} 次，学习率 {lr}，从 {n_examples} 个样本中取批，"
        "批大小 {batch_size}。"
    ),
    "forecast.verdict.doomed": "注定失败",
    "forecast.verdict.will train": "能在该任务上训练成功",
    "forecast.verdict.open": "尚无定论",
    "forecast.experimental": "{verdict}（实验性：正确率可能低于目标值 {target}）",
    "forecast.because.doomed": "因为：",
    "forecast.because.will train": "没有失败的征兆，且：",
    "forecast.because.open": "没有失败的征兆，但能训练成功的网络所具有的特征尚未出现：",
    "forecast.reason.below": "- {what}：{updates} 次更新后为 {value}（规则要求小于 {limit}）",
    "forecast.reason.above": "- {what}：{updates} 次更新后为 {value}（规则要求大于 {limit}）",
    "forecast.reason.diverged": "- 损失不再是有限值",
    "forecast.sign.gradient_decades": "梯度从最后一个隐藏层回传到第一个隐藏层变化的数量级",
    "forecast.sign.unlikeness": "1 减去最后一层输入处两个样本的平均余弦",
    "forecast.sign.update_ratio_min": "各层 |更新| / |权重| 的最小值",
    "forecast.sign.relative_error": "样本上的误差与总猜最常见类别的误差之比",
    "forecast.sign.relative_loss": "样本上的损失与训练前的损失之比",
    "forecast.table.updates": "{updates} 次更新",
    "forecast.table.sign": "测量值",
    "forecast.record.head": (
        "这类预测的命中率：在选定阈值时未曾用到的数据与因素下，对 {n} 个网络统计，其中 {failed} 个在 {budgets} 次更新"
        "内失败（95% Wilson 置信区间）："
    ),
    "forecast.record.doomed": "- 注定失败：正确 {right}；覆盖了失败网络中的 {caught}",
    "forecast.record.will_train": "- 能训练成功：正确 {right}；覆盖了成功网络中的 {caught}",
    "forecast.record.open": "- 尚无定论：其中 {failed} 失败",
    "forecast.record.share": "{hits} / {n}（{share}，{low} 至 {high}）",
    "forecast.record.none": "0 / 0",
    "forecast.record.source": "来源：{command}，{date}，{n} 个网络。",
    "forecast.blind": (
        "看不到的情形：梯度正常而因学习率或预算导致的失败（更新次数过少、步长过小，或到后期步长过大）。"
        "这类情形归为尚无定论。"
    ),
}
