"""Why an archive's files cannot be had: each reason has a stable code and a sentence for people."""

from __future__ import annotations

import json
import re
import ssl
from contextlib import suppress
from urllib.error import URLError
from urllib.parse import urlsplit

from sessions.repofiles.gitclone.command import shown

_TUNNEL = re.compile(r"Tunnel connection failed: (\d+)")


class ArchiveError(Exception):
    """A reason for people why an archive's files cannot be had; ``code`` is stable.

    ``temporary`` means that trying again may help.
    """

    def __init__(self, code: str, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.temporary = code, message, temporary


def host_of(url: str) -> str:
    """Return the host of an address, for a sentence."""
    with suppress(ValueError):
        return shown(urlsplit(url).hostname or url)
    return shown(url)


def size_text(number: int) -> str:
    """Return a number of bytes for people."""
    return f"{number / 1e9:.3g} GB" if number >= 1e8 else f"{number / 1e6:.3g} MB"


def too_large(limit: int) -> ArchiveError:
    """Return the error for an archive with more bytes than a repository may have."""
    return ArchiveError(
        "archive.too-large",
        f"The archive's files take more than {size_text(limit)}, the limit here. Launch a smaller "
        "repository, and download large files when the notebook runs.",
    )


def unreachable(url: str, error: Exception) -> ArchiveError:
    """Return why there was no connection to the host of an address."""
    reason = error.reason if isinstance(error, URLError) else error
    tunnel = _TUNNEL.search(str(reason))
    if tunnel and tunnel[1] == "403":
        return private_address(url)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return ArchiveError(
            "archive.certificate",
            f"The certificate of {host_of(url)} is not valid, so nothing was fetched from it.",
        )
    return ArchiveError(
        "archive.unreachable", f"{host_of(url)} cannot be reached. Try again later.", temporary=True
    )


def private_address(url: str) -> ArchiveError:
    """Return the error for an address that the proxy refuses."""
    return ArchiveError(
        "archive.address-private",
        f"The archive leads to {host_of(url)}, which is not on the public Internet, so the portal "
        "does not fetch from it. Tell those who run the archive.",
    )


def refusal(host: str, status: int, body: bytes) -> ArchiveError:
    """Return the error for an answer that is one; ``body`` is how it begins."""
    if status in {401, 403}:
        return no_permission(host)
    if status == 404:
        return missing(host)
    if status == 410:
        return withdrawn(host, body)
    if status in {429, 500, 502, 503, 504}:
        return busy(host)
    message = f"{host} answered with an error ({status}). Check the address, or try again later."
    return ArchiveError("archive.refused", message)


def no_permission(host: str) -> ArchiveError:
    """Return the error for what is not public."""
    return ArchiveError(
        "archive.private",
        f"{host} does not give this to everybody: it is private, or restricted to some people. The "
        "portal fetches only what is public. Ask its authors to publish it, or launch another one.",
    )


def missing(host: str) -> ArchiveError:
    """Return the error for what is not there."""
    return ArchiveError(
        "archive.not-found",
        f"{host} has nothing at this address. Check it; what is not published cannot be launched.",
    )


def withdrawn(host: str, body: bytes) -> ArchiveError:
    """Return the error for what is gone for good, with what the archive says about it."""
    note = ""
    with suppress(ValueError, AttributeError, TypeError):
        found = json.loads(body)
        grave = found.get("tombstone") or {}
        note = shown(str(grave.get("note") or found.get("message") or ""))
    told = f" It says: “{note}”." if note else ""
    return ArchiveError(
        "archive.withdrawn",
        f"{host} has withdrawn this for good.{told} Look there for a newer version.",
    )


def busy(host: str) -> ArchiveError:
    """Return the error for a host that does not answer as it should at present."""
    return ArchiveError(
        "archive.busy",
        f"{host} is busy or has a fault. Try again in a few minutes.",
        temporary=True,
    )


def too_slow(url: str) -> ArchiveError:
    """Return the error for a host that sends next to nothing."""
    return ArchiveError(
        "archive.slow",
        f"{host_of(url)} sends next to nothing, so the download was given up. Try again later.",
        temporary=True,
    )


def cut_off(url: str) -> ArchiveError:
    """Return the error for an answer that ended early."""
    return ArchiveError(
        "archive.incomplete",
        f"{host_of(url)} sent less than it had promised. Try again later.",
        temporary=True,
    )


def damaged(name: str) -> ArchiveError:
    """Return the error for a file that is not what the archive says it is."""
    return ArchiveError(
        "archive.damaged",
        f"The file {shown(name)} did not arrive as the archive describes it: its size or its MD5 "
        "differs. Try again later; if it happens again, tell those who run the archive.",
        temporary=True,
    )


def bad_package(name: str, why: str) -> ArchiveError:
    """Return the error for a packed file that cannot be unpacked."""
    return ArchiveError(
        "archive.bad-package",
        f"The file {shown(name)} cannot be unpacked: {why}. Ask its authors for a new version.",
    )
