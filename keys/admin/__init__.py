"""What staff see of keys and tokens: nothing that opens anything."""

from keys.admin.token import KnownHostAdmin, TokenAdmin

__all__ = ["KnownHostAdmin", "TokenAdmin"]
