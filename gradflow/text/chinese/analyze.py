"""The analysis of one batch, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

ANALYZE: Mapping[str, str] = {
    "analyze.loss.own": "{name}，由调用者给定",
    "analyze.loss.model": "模型自身的损失",
    "analyze.loss.projection": (
        "输出的固定随机投影，即 <r, output> 在该批上的平均，r 服从标准正态分布，种子为 {seed}：未给定目标"
    ),
    "analyze.loss.mse": "均方误差",
    "analyze.loss.cross_entropy": "交叉熵",
    "analyze.title": "{name} 的梯度流动，一批数据",
    "analyze.fact.model": "模型",
    "analyze.parameters": "{model}，{parameters} 个参数",
    "analyze.fact.inputs": "输入",
    "analyze.fact.mode": "模式",
    "analyze.fact.loss": "损失",
    "analyze.fact.input_grad_norm": "输入处的梯度范数",
    "analyze.degree.title": "梯度是否消失或爆炸？",
    "analyze.degree.caption": (
        "数量级：首个与最后一个带权层梯度范数之比的 log10。每层因子：沿最长阶段反向传播，每经过一层范数乘以的因子；"
        "小于 1 为消失，大于 1 为爆炸；区间为对各层拟合的 95% 置信区间。"
    ),
    "analyze.measure.out_grad_norm": "激活梯度",
    "analyze.measure.grad_norm": "参数梯度",
    "analyze.measure.without skips": "  去除跳跃连接",
    "analyze.measure.plain twin": "  普通孪生网络",
    "analyze.measure.without branches": "  去除残差分支",
    "analyze.measure.grad_times_weight": "|梯度| × |权重|",
    "analyze.layers.title": "带权层，自输入起",
    "analyze.layers.caption": "条形：该层输出处的梯度范数，对数刻度，由最小到最大。",
    "analyze.worst.title": "异常的层",
    "analyze.worst.caption": "按参数的 |梯度| / |权重| 偏离带权层中位数的程度排列（归一化层则与其余归一化层相比）。",
    "analyze.reason.no gradient": "无梯度",
    "analyze.reason.not finite": "非有限值",
    "analyze.reason.exactly zero": "恰为零",
    "analyze.findings.title": "结论",
    "analyze.coverage.title": "输出梯度未能直接测量的层",
    "analyze.left_out": "其间还有 {n} 个",
    "analyze.degree.without": (
        "去除跳跃连接、去除残差分支：在相同的权重与激活值上，{where}去掉它们传回的部分之后的激活梯度。"
    ),
    "analyze.at_joins": "于汇合点 {joins} ",
    "analyze.inputs_unreached": "无：损失的梯度能到达参数，但到不了输入",
    "analyze.lesions.title": "去掉一个残差分支后的损失",
    "analyze.lesions.caption": (
        "保留全部残差分支时损失为 {loss}。在模型当前模式下，前向传播每次去掉一个分支：若损失几乎不变，说明其余残差块"
        "没有它也能工作。"
    ),
    "analyze.column.lesion": "变化",
    "analyze.column.lesion_loss": "损失",
    "analyze.column.lesion_status": "",
    "analyze.skips.title": "残差连接：{n} 个，自输入起",
    "analyze.skips.caption": (
        "在分叉处 g = s + b：s 经跳跃连接传回，b 经残差分支传回。占比：<s, g>/|g|²。|s|² 与 |b|² 为占 |g|² 的比例。"
        "夹角：s 与 b 之间。|F|/|x|：前向时残差分支与跳跃连接之比。"
    ),
    "analyze.column.measure": "指标",
    "analyze.column.decades": "数量级",
    "analyze.column.factor": "每层因子",
    "analyze.column.interval": "区间",
    "analyze.column.stage_layers": "层",
    "analyze.column.law": "规律",
    "analyze.column.join": "汇合于",
    "analyze.column.join_kind": "类型",
    "analyze.column.skip_share": "占比",
    "analyze.column.skip_sq": "|s|²",
    "analyze.column.branch_sq": "|b|²",
    "analyze.column.angle": "夹角",
    "analyze.column.branch_ratio": "|F|/|x|",
    "analyze.column.depth": "深度",
    "analyze.column.layer": "层",
    "analyze.column.kind": "类型",
    "analyze.column.out_grad_norm": "输出梯度",
    "analyze.column.bar": "",
    "analyze.column.grad_norm": "参数梯度",
    "analyze.column.act_rms": "输出均方根",
    "analyze.column.grad_per_weight": "梯度/权重",
    "analyze.column.off": "偏离中位数",
    "ran.analyze": "一批数据 {inputs} 通过 {model}（{parameters} 个参数，{mode}模式）。损失：{loss}。",
    "profile.lead_batch": "各带权层处损失梯度的范数，对数坐标。斜直线表示每层因子恒定；水平线表示梯度均匀流动。",
    "fact.inputs": "输入",
    "fact.mode": "模式",
    "fact.loss": "损失",
    "joins.one": "1 个残差连接",
    "joins.many": "{n} 个残差连接",
    "skips.title": "残差连接传递了什么",
    "skips.lead": "残差连接是在一次反向传播的自动微分计算图中找到的，无需任何标注。",
    "skips.lead_training": (
        "残差连接是在一次反向传播的自动微分计算图中找到的，无需任何标注。用第一个批次分别在第一次更新之前与最后一次更新之后测量。"
    ),
    "skips.lead_one": "{joins}，在该次反向传播的自动微分计算图中找到，无需任何标注。",
    "skips.definition": (
        "在路径分开处，梯度为 g = s + b：s 经跳跃连接传回，b 经残差分支传回。跳跃连接的占比为 ⟨s, g⟩ / |g|²；|s|²、"
        "|b|² 与 2⟨s, b⟩ 为占 |g|² 的比例，三者之和为 1。前向时，|F(x)| / |x| 表明残差块与恒等映射的接近程度。"
    ),
    "skips.twin": "在其普通孪生网络中（构建时即无跳跃连接，激活值亦为其自身的激活值），变化为 {change}。",
    "skips.without": (
        "{run}：从最后一层到第一层，激活梯度变化 {as_it_is}；{where}去除跳跃连接传回的部分后变化 {without_skips}，"
        "去除残差分支传回的部分后变化 {without_branches}。"
    ),
    "skips.caption.without": (
        "仅作用于反向传播；前向的激活值仍含跳跃连接。三条曲线的权重、激活值与损失均相同；{where}去除了跳跃连接或残差"
        "分支传回的部分。这不是构建时就没有跳跃连接的网络：后者是普通孪生网络。"
    ),
    "skips.every_join": "在每个汇合点",
    "skips.chosen_joins": "在汇合点 {joins} ",
    "skips.alt.share": "跳跃连接在梯度中的占比随深度的变化：{joins}，占比为 {low} 至 {high}。",
    "skips.alt.without": (
        "训练前激活梯度随深度的变化：原样、去除跳跃连接传回的部分后、去除残差分支传回的部分后；{networks}。"
    ),
    "skips.alt.none": "跳跃连接在梯度中的占比随深度的变化：没有任何汇合点传回梯度。",
    "table.skips": "各汇合点，自输入起；占 |g|² 的比例",
    "table.skips_without": "训练前：第一个与最后一个带权层的激活梯度之比，以数量级计",
    "column.as_it_is": "原样",
    "column.without_skips": "去除跳跃连接后",
    "column.without_branches": "去除残差分支后",
    "column.plain_twin": "普通孪生网络",
    "column.join": "汇合于",
    "column.join_kind": "类型",
    "column.skip_share": "跳跃连接占比",
    "column.skip_sq": "|s|²",
    "column.branch_sq": "|b|²",
    "column.cross": "2⟨s, b⟩",
    "column.angle": "s 与 b 的夹角",
    "column.branch_ratio": "|F(x)| / |x|",
    "column.lesion": "去掉残差分支后损失的变化",
}
