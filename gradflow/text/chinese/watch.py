"""A run under way in the terminal, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

WATCH: Mapping[str, str] = {
    "watch.title": "{run}：{status}，{progress}，{age}",
    "watch.progress.of": "第 {step} 步，共 {steps} 步（{share}）",
    "watch.progress.so_far": "第 {step} 步",
    "watch.progress.none": "尚未完成任何一步",
    "watch.age": "最近一次数据在 {age}前",
    "watch.age.none": "尚无数据",
    "watch.column.measure": "指标",
    "watch.column.first": "最初",
    "watch.column.latest": "最近",
    "watch.column.step": "所在步",
    "watch.measure.loss": "批损失",
    "watch.measure.batch_error": "批误差",
    "watch.measure.train_error": "训练误差",
    "watch.measure.test_error": "测试误差",
    "watch.measure.lr": "学习率",
    "watch.measure.total_grad_norm": "梯度范数",
    "watch.nan": "NaN",
    "watch.lost": "自第 {step} 步起为 {value}",
    "watch.lost.sentence": "自第 {step} 步起，损失为 {value}。",
    "watch.strip": "第 {step} 步",
    "watch.strip.title": "各层输出的梯度范数随深度的变化",
    "watch.findings": "现有数据表明",
    "watch.findings.none": "现有数据不足以得出结论。",
    "watch.others": "其他进行中的运行",
    "watch.others.more": "另有 {n} 个未列出。",
    "watch.idle": "{folder}：没有进行中的运行，已完成 {n} 次",
    "watch.stopped": "其进程已不存在。重新执行原命令，即可从最近的检查点继续。",
    "watch.line": "{run}：{status}，{progress}，{measures}{age}",
    "watch.measured": "{measure} {value}，",
    "watch.finding": "{severity}：{sentence}",
}
