"""The notebook servers' own tokens: derived, so that they are stored nowhere."""

from __future__ import annotations

from django.utils.crypto import salted_hmac


def server_token(session_id: int) -> str:
    """What the server of this session accepts; only the gateway ever sends it."""
    return salted_hmac("bindery.server", str(session_id), algorithm="sha256").hexdigest()
