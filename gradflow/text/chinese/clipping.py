"""Gradient clipping, in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

CLIPPING: Mapping[str, str] = {
    "clipping.title": "梯度裁剪：生效的频率",
    "clipping.lead": (
        "整体梯度的范数在裁剪前读取一次，在优化器使用处再读取一次；后者较小即表示裁剪生效。若裁剪几乎每一步都生效，则"
        "等同于改变了学习率。"
    ),
    "table.clipping": "裁剪使梯度变小的记录步。",
    "column.clipped_steps": "生效步数 / 记录步数",
    "column.clipped_share": "占比",
    "column.clipped_kept": "保留的范数，生效时的中位数",
    "column.clipped_last": "最后一次生效的步",
}
