"""Waking those who follow a story live, where Redis makes that possible.

The database is the truth and is looked at anyway; a lost wake-up costs a moment, never a line.
"""

from __future__ import annotations

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

GROUP = "bindery.stories"


def wake_readers() -> None:
    """Tell the web processes, once this transaction is committed, that there is more to read."""
    layer = get_channel_layer()
    if layer is not None:
        send = async_to_sync(layer.group_send)
        transaction.on_commit(lambda: send(GROUP, {"type": "more"}), robust=True)
