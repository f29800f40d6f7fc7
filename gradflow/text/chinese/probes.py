"""What the probes find, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

PROBES: Mapping[str, str] = {
    "page.question.shattering": "不同输入的梯度是否一致？",
    "headline.probes": "仅记录了探针；探针的结果见下文。",
    "shattering.title": "不同输入的梯度是否一致？",
    "shattering.lead": (
        "不同输入传回的梯度之间的相关系数：1 表示完全一致；0 表示从一个样本学到的东西对下一个样本毫无参考价值（Balduz"
        "zi et al. 2017）。"
    ),
    "shattering.alt": "输入处梯度的相关系数随深度的变化：{networks}，{low} 至 {high}。",
    "shattering.alt_lags": "梯度沿一条输入直线的自相关，旁边为布朗噪声与白噪声。",
    "shattering.alt_layers": (
        "不同输入的梯度的相关系数随梯度已经过的层数的变化；在输入处，{networks}的值为 {low} 至 {high}。"
    ),
    "shattering.before": (
        "在第一次更新之前用第一个批次测得；批归一化的统计量视为常数，因为它们使同一批次中的输入相互耦合。"
    ),
    "networks.one": "1 个网络",
    "networks.many": "{n} 个网络",
    "table.shattering": "各网络的输入处，对输入对取平均",
    "column.correlation": "相关系数",
    "column.inputs_norm": "归一化",
    "column.correlation_predicted": "闭式解",
    "paths.title": "梯度所走的路径有多长？",
    "paths.lead": (
        "一条路径在每个残差块处要么走跳跃连接，要么走残差分支；其长度为所走残差分支的个数。中等长度的路径最多，"
        "但每个分支都会缩放梯度，因此某一长度的占比等于其路径数乘以一条路径带来的梯度（Veit et al. 2016）。"
    ),
    "paths.said": "{run}：{blocks}；平均长度为 {mean}，一半的梯度经由长度为 {quarter} 至 {most}的路径传回。",
    "paths.said_published": (
        "{run}：{blocks}；平均长度为 {mean}，{share} 的梯度经由长度为 {shortest} 至 {longest} 个残差块的路径传回，"
        "这是针对 {published}公布的范围（{source}）。"
    ),
    "paths.none": "{run}：没有有限的梯度到达输入。",
    "paths.alt": "按长度给出路径数、单条路径的梯度以及梯度占比。{said}",
    "table.paths": "梯度路径的长度，以残差块计",
    "column.blocks": "残差块",
    "column.path_mean": "平均长度",
    "column.path_middle": "中间一半",
    "column.path_nearly_all": "其中的 99%",
    "blocks.one": "1 个残差块",
    "blocks.many": "{n} 个残差块",
    "finding.shattered": (
        "{subject}：经过 {layers}之后，不同输入的梯度几乎毫无共同之处：它们在输入处的相关系数为 {correlation}，"
        "低于 {threshold}。"
    ),
    "finding.shattering_unclear": (
        "{subject} 的梯度是否破碎，尚无定论：经过 {layers}之后，不同输入之间的相关系数为 {correlation}，其置信区间包含"
        "阈值 {threshold}。"
    ),
    "finding.gradients_agree": (
        "{subject}：不同输入的梯度没有破碎：经过 {layers}之后，它们在输入处的相关系数为 {correlation}；"
        "阈值为 {threshold}。"
    ),
    "cause.shattering": (
        "被某个输入激活的单元中，有一半也被另一个输入激活，因此在没有跳跃连接时，批归一化之后的每个整流层都会使相关系"
        "数减半；有残差连接时，相关系数按深度的幂下降（Balduzzi et al. 2017）。"
    ),
}
