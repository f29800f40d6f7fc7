"""Words of figures that compare: variants, published errors, errors along training, panels left out; in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

COMPARISONS: Mapping[str, str] = {
    "figure.published": "公布值：{source}",
    "figure.illustrative": "{family}，示意曲线，并非实测：{source}",
    "figure.difference.of": "差值，{settings}",
    "figure.own_axes": "各小图坐标轴不同",
    "figure.some_networks": "共 {n} 个网络，图中为 {shown} 个",
    "figure.learning.title": "更深的网络是否始终拟合得更差？",
    "figure.learning.train": "训练误差（细线）",
    "figure.learning.test": "测试误差（粗线）",
    "figure.learning_mean": "均值，n = {n} 个随机种子；未画区间",
}
