"""What staff see of keys and tokens: nothing that opens anything."""

from keys.admin.knownhost import KnownHostAdmin
from keys.admin.token import TokenAdmin

__all__ = ["KnownHostAdmin", "TokenAdmin"]
