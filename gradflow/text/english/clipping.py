"""Gradient clipping, in English."""

from __future__ import annotations

from collections.abc import Mapping

CLIPPING: Mapping[str, str] = {
    "clipping.title": "Gradient clipping: how often it binds",
    "clipping.lead": (
        "The norm of the whole gradient was read before clipping and again where the optimizer used it. Clipping binds "
        "where the second is the smaller. A bound that binds at nearly every step is a change of the learning rate."
    ),
    "table.clipping": "Recorded steps at which clipping made the gradient smaller.",
    "column.clipped_steps": "bound / recorded steps",
    "column.clipped_share": "share",
    "column.clipped_kept": "norm kept, median where it bound",
    "column.clipped_last": "last step where it bound",
}
