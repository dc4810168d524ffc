"""Read what archives answer, in which anything may be missing or of another type."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from .failures import ArchiveError, host_of

_UTC = timezone.utc  # noqa: UP017  (Python 3.10)


def address_in(address: Any, page: str) -> str:
    """Return an address of an API's answer, encrypted if the archive's page is."""
    if not re.match(r"https?://[^/@]+(/|$)", str(address)) or not _can_be_split(str(address)):
        raise ArchiveError(
            "archive.not-json",
            f"{host_of(page)} gave no address for a file. Try again later.",
        )
    return re.sub(r"^http:", "https:", str(address)) if page.startswith("https:") else str(address)


def _can_be_split(address: str) -> bool:
    """Return whether an address has parts, and no characters that no address can have."""
    try:
        address.encode()
        return bool(urlsplit(address).hostname)
    except ValueError:
        return False


def md5_in(text: Any) -> str:
    """Return the MD5 that an archive gives, "" for a checksum of another kind."""
    found = re.fullmatch(r"(?:md5:)?([0-9a-f]{32})", str(text or "").lower())
    return found[1] if found else ""


def get(found: Any, *keys: str) -> Any:
    """Return what is below these keys of a JSON object; None if it is not there."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def list_of(found: Any, key: str = "") -> list[Any]:
    """Return a list of a JSON object; an empty one if it is not there."""
    inner = get(found, key) if key else found
    return inner if isinstance(inner, list) else []


def number_of(value: Any) -> int | None:
    """Return a whole number of a JSON object; None if it is none."""
    return int(value) if isinstance(value, (int, float)) and 0 <= value < 2**62 else None


def epoch(text: Any) -> int:
    """Return the seconds since 1970 of a time as archives write it, in UTC unless it says."""
    try:
        found = datetime.fromisoformat(re.sub(r"Z$", "+00:00", str(text)))
    except ValueError:
        return 0
    return int((found if found.tzinfo else found.replace(tzinfo=_UTC)).timestamp())
