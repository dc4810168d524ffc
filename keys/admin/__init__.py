"""The admin of keys and tokens; it shows nothing that opens anything."""

from keys.admin.token import KnownHostAdmin, TokenAdmin

__all__ = ["KnownHostAdmin", "TokenAdmin"]
