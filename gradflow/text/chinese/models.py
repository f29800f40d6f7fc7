"""The tables of networks and blocks, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

MODELS: Mapping[str, str] = {
    "models.title": "采用默认选项的网络",
    "models.head.network": "网络",
    "models.head.family": "网络类型",
    "models.head.block": "块类型",
    "models.head.layers": "带权层数",
    "models.head.parameters": "参数量",
    "models.head.multiply_adds": "乘加次数",
    "models.head.published": "论文",
    "models.for": "{model}：{channels} × {height} × {width} 的图像，{classes} 类。",
    "models.caption": (
        "带权层指卷积层与线性层；跳跃连接上的投影不计。Transformer 名称中的数字为其块数。乘加次数针对一张图像，不含归"
        "一化、激活与偏置；论文：He et al. 2015 表 1 的数值。"
    ),
    "models.stride": (
        "瓶颈块由 3x3 卷积做下采样，与 torchvision 相同。若如论文改由第一个 1x1 卷积做下采样（stride_on=1x1），"
        "则 {counted}，而论文公布的为 {published}。"
    ),
    "models.stride.counted": "resnet-{depth} 为 {multiply_adds}",
    "models.and": " 和 ",
    "models.blocks.title": "基本块与瓶颈块，{size} × {size} 的图像，批大小 {batch}",
    "models.blocks.head.block": "块",
    "models.blocks.head.parameters": "参数量",
    "models.blocks.head.multiply_adds": "乘加次数",
    "models.blocks.head.forward": "前向，ms",
    "models.blocks.head.backward": "反向，ms",
    "models.blocks.block": "{block} {before} → {after}",
    "models.blocks.time": "{median}（{low}–{high}）",
    "models.blocks.caption": (
        "中位数（95% 置信区间），各 n = {n}，轮流测量，使用本机 CPU 的 {threads}。反向：权重与输入的梯度。"
    ),
    "models.blocks.caption_alone": (
        "中位数，各 n = {n}，次数过少而无置信区间，轮流测量，使用本机 CPU 的 {threads}。反向：权重与输入的梯度。"
    ),
    "threads.one": "1 个线程",
    "threads.many": "{n} 个线程",
    "models.blocks.equal": (
        "在宽度相同时（输入 {width}、输出 {width}），基本块的参数量为瓶颈块的 {parameters} 倍，"
        "乘加次数为 {multiply_adds} 倍，用时为 {time} 倍。"
    ),
    "models.blocks.unequal": (
        "把 64 → 64 的基本块与 64 → 256 的瓶颈块相比，看不出任何节省：参数量分别为 {basic} 与 {bottleneck}，"
        "乘加次数分别为 {basic_adds} 与 {bottleneck_adds}。瓶颈块以此代价给出四倍的通道数；"
        "只有与给出同样多通道的基本块相比，它才有节省。"
    ),
}
