"""Titles, questions and scalings of the presets, in Chinese; those of a user's own sweep stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

PRESETS: Mapping[str, str] = {
    "preset.balduzzi2017-shattering.title": "Balduzzi et al. 2017，梯度破碎",
    "preset.balduzzi2017-shattering.question": "不同输入的梯度是否随深度越来越不一致，跳跃连接能否减缓这一点？",
    "preset.he2015-fig6.title": "He et al. 2015，图 6",
    "preset.he2015-fig6.question": "普通网络的训练误差是否随深度上升，而残差网络的是否下降？",
    "preset.he2015-table6.title": "He et al. 2015，表 6",
    "preset.he2015-table6.question": "20 至 110 层的残差网络能达到怎样的测试误差？",
    "preset.smoke.title": "冒烟测试",
    "preset.smoke.question": "一次简短的比较能否从头到尾运行，又显示出什么？",
    "preset.tutorial.title": "教程中的比较",
    "preset.tutorial.question": "普通网络的误差是否随深度上升，而残差网络的不上升？",
    "preset.veit2016-paths.title": "Veit et al. 2016，有效路径",
    "preset.veit2016-paths.question": "在训练好的残差网络中，梯度所走的路径有多长？",
    "preset.how.units": "至多 16 个块，每块 64 个单元",
    "preset.how.digits": (
        "以 8x8 像素的 digits 代替 CIFAR-10，宽度减半，300 次更新，每次 64 张图像，学习率 0.02（余弦），无数据增强"
    ),
    "preset.how.half": "宽度减半，以 150 次更新代替 300 次",
}
