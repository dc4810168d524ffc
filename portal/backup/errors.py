"""What keeps a backup or a restore from being done; the message says what to do about it."""

from __future__ import annotations


class BackupError(Exception):
    """Nothing was made, or nothing was changed."""
