"""Gradient clipping, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

CLIPPING: Mapping[str, str] = {
    "clipping.title": "梯度裁剪：起作用的频率",
    "clipping.lead": (
        "整体梯度的范数在裁剪前读取一次，在优化器使用处再读取一次；后者较小即为裁剪起了作用。"
        "若裁剪几乎每一步都起作用，则它等同于改变了学习率。"
    ),
    "table.clipping": "裁剪使梯度变小的记录步。",
    "column.clipped_steps": "起作用的步 / 记录步",
    "column.clipped_share": "占比",
    "column.clipped_kept": "保留的范数，起作用时的中位数",
    "column.clipped_last": "最后一次起作用的步",
}
