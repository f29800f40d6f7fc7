"""What theory says of a setting, and measured beside it, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

THEORY: Mapping[str, str] = {
    "theory.setting": "{activation}，{init}，{norm}，{skip}",
    "theory.init.default": "PyTorch 默认初始化",
    "theory.init.xavier": "Xavier 初始化",
    "theory.init.kaiming": "Kaiming 初始化",
    "theory.init.kaiming-0.8": "0.8 倍 Kaiming 初始化",
    "theory.init.critical": "临界初始化",
    "theory.norm.none": "无归一化",
    "theory.norm.batch": "批归一化",
    "theory.norm.layer": "层归一化",
    "theory.skip.yes": "有跳跃连接",
    "theory.skip.no": "无跳跃连接",
    "theory.row.variances": "权重，偏置",
    "theory.row.q": "不动点 q",
    "theory.row.chi": "χ",
    "theory.row.factor": "每层因子",
    "theory.row.left": "经过 {layers}后为原来的（倍）",
    "theory.bound.below": "低于 {bound}",
    "theory.bound.above": "高于 {bound}",
    "theory.row.critical": "临界值",
    "theory.row.verdict": "判定",
    "theory.row.source": "来源",
    "theory.row.holds": "适用于",
    "theory.variances": "σw² = {weights}，σb² = {biases}",
    "theory.gain": "σw² = {weights}，σb² = {biases}（权重 × {gain} / √fan_in）",
    "theory.no_critical": "无：没有任何具吸引性的方差不动点使 χ = 1",
    "theory.any_scale": "任意尺度：归一化将其消去",
    "theory.no_scale": "无：有跳跃连接时，χ 在任何尺度下都大于 1",
    "theory.limit": "{value}，深度趋于无穷时的极限",
    "theory.after": "经过 {layers}",
    "theory.never": "永不",
    "theory.verdict.flat.flat": "持平：梯度保持其范数。",
    "theory.verdict.exponential.vanishes": "消失：在传向输入的途中，每层将梯度乘以 {factor}。",
    "theory.verdict.exponential.explodes": "爆炸：在传向输入的途中，每层将梯度乘以 {factor}。",
    "theory.verdict.power_law.vanishes": "按深度的幂下降：每层因子从下方趋于 1。",
    "theory.verdict.power_law.explodes": "按深度的幂增长：每层因子从上方趋于 1。",
    "theory.verdict.stretched.vanishes": "按 exp(−c √深度) 下降：快于幂律，慢于恒定因子。",
    "theory.verdict.stretched.explodes": "按 exp(c √深度) 增长：快于幂律，慢于恒定因子。",
    "theory.source.he": "He et al. 2015 (arXiv 1502.01852)",
    "theory.source.schoenholz": "Schoenholz et al. 2017 (arXiv 1611.01232)",
    "theory.source.batch": "Yang et al. 2019 (arXiv 1902.08129)",
    "theory.source.layer": "据 Yang et al. 2019 (arXiv 1902.08129)",
    "theory.source.skip": "Yang & Schoenholz 2017 (arXiv 1712.08969)",
    "theory.source.normed_skip": "据 Yang & Schoenholz 2017 (arXiv 1712.08969)",
    "theory.holds": "训练前的宽层、大批次、均方为 1 的输入",
    "theory.holds_settled": "训练前的宽层，且方差已收敛到 q：偏差每经过一层乘以 {rate}",
    "theory.head.setting": "设置",
    "theory.head.factor": "因子",
    "theory.head.left": "倍数",
    "theory.head.layers": "层数",
    "theory.head.verdict": "判定",
    "theory.short.flat.flat": "持平",
    "theory.short.exponential.vanishes": "消失",
    "theory.short.exponential.explodes": "爆炸",
    "theory.short.power_law.vanishes": "下降，幂律",
    "theory.short.power_law.explodes": "增长，幂律",
    "theory.short.stretched.vanishes": "下降，拉伸指数",
    "theory.short.stretched.explodes": "增长，拉伸指数",
    "theory.caption": (
        "倍数：经过 {layers}后的梯度与原来之比。层数：直到梯度低于 {bound} 所需的层数；若梯度增长，则为直到高于 "
        "{inverse}。"
    ),
    "beside.title": "理论与测量对照",
    "beside.lead": (
        "训练前的每层因子，沿反向传播方向；测量值在一个阶段内得出，预测值针对无限宽的层。"
        "每个阶段的前两层与最后一层除外，因为闭式解在那里尚不成立；残差网络中仅第一层除外。存在差异并非错误："
        "闭式解不考虑有限宽度、小批次以及图像边界。"
    ),
    "beside.off": "在 {n} 个预测中，测量的每层因子与预测值的偏差，中位数为 {median}，最大为 {largest}（{where}）。",
    "beside.held": "{tested} 个 95% 置信区间中有 {held} 个包含预测值。",
    "beside.tends": (
        "残差网络的规律是深度的幂：其因子没有固定值，而是趋于 1。在第 {stage} 阶段测得：深度 {depths} 层时依次为 "
        "{factors}。"
    ),
    "beside.alt": "测量与预测的每层因子的相对差，每项一行。{finding}",
    "table.beside": "训练前，每层因子的测量值与预测值",
    "column.beside_predicted": "预测值",
    "column.beside_difference": "差值",
}
