"""The command line's tables, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

CLI: Mapping[str, str] = {
    "cli.summary.title": "训练后，误差以百分比计",
    "cli.summary.diverged": "{n} 次发散",
    "cli.summary.caption": (
        "误差：整个数据集，评估模式，跨随机种子的均值 ± 95% 置信区间的半宽。比值：训练前首层与末层参数梯度范数之比，"
        "跨随机种子的几何平均。"
    ),
    "cli.toy.title": "算术：每层乘以 0.8",
    "cli.vanishing.title": "真实网络训练前的测量值",
    "cli.vanishing.caption": (
        "每层因子：第 l - 1 层与第 l 层输出处梯度范数之比，跨随机种子的几何平均 ± 95% 置信区间的半宽。输出、权重：从"
        "最后一层到第一层梯度范数变化的数量级。"
    ),
    "cli.column.family": "网络类型",
    "cli.column.depth": "深度",
    "cli.column.seeds": "n",
    "cli.column.train_error": "训练误差",
    "cli.column.test_error": "测试误差",
    "cli.column.ratio": "比值，第 0 步",
    "cli.column.seconds": "用时（秒）",
    "cli.column.layers": "层数",
    "cli.column.share": "剩余梯度",
    "cli.column.setting": "设置",
    "cli.column.factor": "每层因子",
    "cli.column.predicted": "闭式解",
    "cli.column.decades": "输出",
    "cli.column.weight_decades": "权重",
    "cli.column.verdict": "判定",
    "cli.where.report": "报告",
    "cli.where.figures": "图",
    "cli.where.tables": "表",
    "cli.where.recordings": "记录",
    "cli.where.recording": "记录",
    "cli.where.failed": "失败",
    "progress.runs": "运行",
    "progress.resumed": "从中断处（第 {step} 次更新）继续",
    "progress.failed": "失败，{reason}",
    "progress.errors": "训练误差 {train}，测试误差 {test}",
    "progress.diverged": "第 {step} 步发散，{errors}",
    "progress.earlier": "{errors}（先前已完成）",
    "progress.done": "{errors}，{seconds} 秒",
    "progress.took": "训练 {trained} 秒，共 {whole} 秒",
}
