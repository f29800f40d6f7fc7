"""Words that recordings and frames hold as data, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "family.plain": "普通网络",
    "family.residual": "残差网络",
    "family.preactivation": "预激活残差网络",
    "word.sigmoid, PyTorch's default": "sigmoid，PyTorch 默认初始化",
    "word.sigmoid, Xavier": "sigmoid，Xavier 初始化",
    "word.tanh, PyTorch's default": "tanh，PyTorch 默认初始化",
    "word.ReLU, PyTorch's default": "ReLU，PyTorch 默认初始化",
    "word.ReLU, 0.8 of Kaiming": "ReLU，0.8 倍 Kaiming 初始化",
    "word.ReLU, Kaiming": "ReLU，Kaiming 初始化",
    "word.ReLU, batch norm": "ReLU，批归一化",
    "word.ReLU, batch norm, skips": "ReLU，批归一化，跳跃连接",
    "word.vanishes": "消失",
    "word.explodes": "爆炸",
    "word.flat": "持平",
    "word.power law": "幂律",
    "word.exponential": "指数律",
    "word.undecided": "未定",
    "word.no trend": "无趋势",
    "word.too few layers": "层数过少",
    "word.identity": "恒等",
    "word.projection": "投影",
    "word.concatenation": "拼接",
    "word.as it is": "原样",
    "word.without skips": "去除跳跃连接",
    "word.without branches": "去除残差分支",
    "word.plain twin": "普通孪生网络",
}
