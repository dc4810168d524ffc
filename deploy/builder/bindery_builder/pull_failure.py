"""Find out from the last line of skopeo or buildah why an image could not be pulled.

The line quotes the image's name and what the registry answered. Pure functions.
"""

from __future__ import annotations

import re
from typing import Final

_TRANSIENT: Final = re.compile(
    r"time(?:d )?out|connection (?:refused|reset)|unreachable|temporary failure"
    r"|\bEOF\b|server misbehaving|too many requests|StatusCode: 50\d|status code 50\d"
    r"|V1 container registry",  # its first request was lost, and a later one answered
    re.IGNORECASE,
)
_RATE_LIMIT: Final = re.compile(r"toomanyrequests|pull rate limit", re.IGNORECASE)
"""The Docker Hub's limit, which lasts for hours."""
_TAG_OR_DIGEST: Final = re.compile(r"(?:@sha\d+)?:[\w.-]+")
_SENTENCES: Final = {
    r"toomanyrequests|pull rate limit": (
        "its registry allows no more downloads for now. Try again in some hours; staff can give "
        "builds an account there (PORTAL_BASE_SECRET)."
    ),
    r"no such host": ("there is no registry of that name. Check the part before the first slash."),
    r"no image found in .* for (?:architecture|platform)": (
        "it does not exist for this portal's kind of processor. Choose an image that does."
    ),
    r"manifest unknown|name unknown|manifest.* not found|StatusCode: 404": (
        "it does not exist. Check its name and its tag."
    ),
    r"unauthorized|denied|authentication required|forbidden|invalid username": (
        "it does not exist, or this portal may not read it. Check its name; staff can give builds "
        "an account for its registry (PORTAL_BASE_SECRET)."
    ),
    r"x509|certificate|HTTP response to HTTPS|tls: ": (
        "the portal does not trust its registry's connection ({reason}). Tell the staff."
    ),
    _TRANSIENT.pattern: "its registry does not answer properly ({reason}). Try again later.",
}
_OTHER: Final = "{reason}. Check its name, and whether this portal may read it."


def is_transient(line: str, image: str) -> bool:
    """Return whether the reason is likely to go away by itself within minutes."""
    reason = _reason(line, image)
    return bool(_TRANSIENT.search(reason)) and not _RATE_LIMIT.search(reason)


def sentence(line: str, image: str) -> str:
    """Return why the image could not be pulled, and what to do."""
    reason = _reason(line, image)
    signs = ((re.compile(sign, re.IGNORECASE), text) for sign, text in _SENTENCES.items())
    found = next((text for sign, text in signs if sign.search(reason)), _OTHER)
    short = line.rpartition(": ")[2].strip('." ')
    return f"The image {image} could not be pulled: {found.format(reason=short)}"


def _reason(line: str, image: str) -> str:
    """Return the line without the name of the image, which may have any words in it."""
    host, slash, rest = image.partition("/")
    if not slash:
        return line
    path = _TAG_OR_DIGEST.sub("", rest)
    reason = line.rpartition(f"{host}/{path}")[2].replace(host, "").replace(f"/{path}/", "/")
    tag = _TAG_OR_DIGEST.match(reason)
    return reason[tag.end() :] if tag else reason
