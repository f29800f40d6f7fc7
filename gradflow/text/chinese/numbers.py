"""Words around numbers, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

NUMBERS: Mapping[str, str] = {
    "value.missing": "未测量",
    "interval.many": "{mean}（95% 置信区间 {low} 至 {high}，{n} 个随机种子）",
    "interval.same": "{mean}（{n} 个随机种子结果相同）",
    "interval.one": "{mean}（1 个随机种子，无置信区间）",
    "unit.percent": "{value}%",
    "unit.points": "{value} 个百分点",
    "unit.decades": "{value} 个数量级",
    "unit.seconds": "{value} 秒",
    "unit.minutes": "{value} 分钟",
    "unit.hours": "{value} 小时",
    "seeds.one": "1 个随机种子",
    "seeds.many": "{n} 个随机种子",
    "runs.one": "1 次运行",
    "runs.many": "{n} 次运行",
    "layers.one": "1 层",
    "layers.many": "{n} 层",
    "steps.one": "1 个记录步",
    "steps.many": "{n} 个记录步",
    "parameters.one": "1 个参数",
    "parameters.many": "{n} 个参数",
    "tensors.one": "1 个张量",
    "tensors.many": "{n} 个张量",
    "measure.out_grad_norm": "激活梯度",
    "measure.grad_norm": "参数梯度",
    "when.start": "训练前",
    "when.batch": "在该批数据上",
    "when.end": "在最后一个记录步",
}
