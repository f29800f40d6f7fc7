"""Strips and lists of runs in the terminal, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

TERMINAL: Mapping[str, str] = {
    "terminal.strip.title": "训练前，各层输出的梯度范数随深度的变化",
    "terminal.strip.title_one": "各层输出的梯度范数随深度的变化",
    "terminal.strip.column.profile": "网络",
    "terminal.strip.column.input": "首层",
    "terminal.strip.column.strip": "自输入至输出",
    "terminal.strip.column.output": "末层",
    "terminal.strip.column.group": "每格层数",
    "terminal.strip.scale": "带权层上的对数刻度：{first} 自 {low} 起，{last} 至 {high}。",
    "terminal.strip.seeds": "范数为跨随机种子的几何平均。",
    "terminal.strip.grouped": "一格代表多层时（见末列），显示其几何平均。",
    "terminal.strip.zero": "{mark} 恰为零。",
    "terminal.strip.nonfinite": "{mark} 非有限值。",
    "terminal.strip.unmeasured": "{mark} 未测量。",
    "terminal.runs.title": "{folder}：{runs}，{statuses}",
    "terminal.runs.column.run": "运行",
    "terminal.runs.column.status": "状态",
    "terminal.runs.column.family": "网络类型",
    "terminal.runs.column.depth": "深度",
    "terminal.runs.column.seed": "种子",
    "terminal.runs.column.train_error": "训练 %",
    "terminal.runs.column.test_error": "测试 %",
    "terminal.runs.column.steps": "步数",
    "terminal.runs.column.wall_seconds": "用时",
    "terminal.runs.column.started": "开始，UTC",
    "runs.counted": "{n} 次{status}",
    "terminal.runs.caption": "误差为最近一次测量值。网络类型、深度与种子：用 --csv，或终端宽 {width} 列。",
    "terminal.status.done": "完成",
    "terminal.status.diverged": "发散",
    "terminal.status.recorded": "已记录",
    "terminal.status.running": "进行中",
    "terminal.status.stopped": "已停止",
    "terminal.status.waiting": "等待",
    "terminal.status.failed": "失败",
    "terminal.status.half-written": "未写完",
    "terminal.status.damaged": "损坏",
    "terminal.status.set aside": "已搁置",
}
