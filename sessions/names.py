"""Names that others rely on, as pure functions: projects (DNS labels), owners' folders, images.

And the name of a repository for people.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from urllib.parse import unquote

from anyascii import anyascii

MAX_LABEL_LENGTH = 63
ALPHABET = string.ascii_lowercase + string.digits
SUFFIX_LENGTH = 8


def project_name(repository: str, suffix: str | None = None) -> str:
    """Return ``<owner>-<repo>-<8 of a-z0-9>``, a DNS label of at most 63 characters.

    ``repository`` is the address as people write it: its last two parts count. Letters of other
    scripts are transliterated.
    """
    suffix = suffix or "".join(secrets.choice(ALPHABET) for _ in range(SUFFIX_LENGTH))
    parts = [slug(anyascii(part)) for part in _path_parts(repository)]
    start = "-".join([part for part in parts if part][-2:]) or "notebook"
    return f"{start[: MAX_LABEL_LENGTH - SUFFIX_LENGTH - 1].strip('-')}-{suffix}"


def _path_parts(repository: str) -> list[str]:
    path = re.sub(r"\.git/*$", "", readable_address(repository).rstrip("/"))
    return re.split(r"[/:]", path)


def repository_title(repository: str) -> str:
    """Return a heading for a repository's address: ``owner/name``, or what it has of it."""
    path = re.sub(r"^([a-z0-9+.-]+://[^/]*|[^/:]*@[^/:]*:)", "", repository, flags=re.IGNORECASE)
    return "/".join([part for part in _path_parts(path) if part][-2:]) or repository


def readable_address(repository: str) -> str:
    """Return an address without %-escapes, or as it is where that could mislead its reader."""
    decoded = unquote(repository)
    misleads = "%2f" in repository.lower() or "\ufffd" in decoded or not decoded.isprintable()
    return repository if misleads else decoded


def owner_slug(username: str) -> str:
    """Return the username as a DNS label; where that changes it, a hash keeps two people apart.

    Nobody can choose a username that is another person's label: a name that looks as if it ended in
    a hash gets a hash of its own.
    """
    plain = slug(username)
    hashed = re.fullmatch(r"(.*-)?[0-9a-f]{12}", plain)
    if plain == username and len(plain) <= MAX_LABEL_LENGTH - len("-nfs-pvc") and not hashed:
        return plain
    digest = hashlib.sha256(username.encode()).hexdigest()[:12]
    return f"{plain[:40].strip('-')}-{digest}".strip("-")


def slug(text: str) -> str:
    """Return ``text`` in lower-case letters, digits and single hyphens; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def image_name(repository: str, commit: str) -> str:
    """Return a name for a build's result that is unique, even among builds of the same commit."""
    return f"{project_name(repository, slug(commit)[:12].strip('-'))}-{secrets.token_hex(3)}"


def short_commit(commit: str) -> str:
    """Return the first seven digits of a commit; the version of an archive as it is."""
    return commit[:7] if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", commit) else commit
