"""Ask archives of research data for what `resolve` and `read_file` ask a Git server for.

An archive's version stands in for a commit, and its page's address for the address to clone. The
asking is done by the program of `sessions.repofiles.archives`, in a process of its own within the
bounds of git's, and with its only way out (`process`).
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from sessions.egress.addresses import EgressRules
from sessions.errors import TemporaryError, UserError
from sessions.providers import Repository, archive_page, egress_rules
from sessions.repofiles import archives

from .process import Git, Outcome, run_with_git
from .read_file import EntryAndRest, TreeEntry
from .resolve import ResolvedRef

RESOLVE_SECONDS, READ_SECONDS = 18, 28
"""The program ends itself before the deadlines that `process` and the worker have."""
_SPARE = 2
TIMEOUT = "archive.timeout"
"""The code for what takes longer than that."""
_STALL_SECONDS, _WAIT_SECONDS = 10, 12


def resolve(repository: Repository) -> ResolvedRef:
    """Return the version that is meant now, with the archive's key and the address of its page.

    Raises UserError if it is not there for everybody, TemporaryError if the archive is not there.
    """
    url, kind = repository.url, repository.provider
    if repository.is_doi and kind != "figshare":  # whose DOIs have the number of the article
        url = _ask("address", RESOLVE_SECONDS, url=url, doi=repository.repository)["url"]
        found = archive_page(url)
        if found is None:
            url = _ask("address", RESOLVE_SECONDS, url=url)["url"]
            found = archive_page(url)
        if found is None:
            raise _unknown(repository.repository, url)
        kind, url = found
    told = _ask("resolve", RESOLVE_SECONDS, kind=kind, url=url)
    return ResolvedRef(_version(told), "", repository.path, provider=kind, url=str(told["url"]))


def read_entry(kind: str, url: str, version: str, max_bytes: int) -> EntryAndRest:
    """Return the file ``.resources`` of a version, at most one byte more than ``max_bytes``.

    ``kind`` and ``url`` are those that `resolve` gave with the version. Raises as `resolve`.
    """
    told = _ask("read", READ_SECONDS, kind=kind, url=url, version=version)
    content = told.get("content")
    if content is None:
        return EntryAndRest(None, "")
    return EntryAndRest(TreeEntry("file", base64.b64decode(content)[: max_bytes + 1]), "")


def fetch_rules() -> EgressRules:
    """Return what may be reached: the stand-ins of hosts, too."""
    known = egress_rules()
    return EgressRules(
        known.trusted | stand_ins(),
        known.closed_ports,
        known.named_ports,
        known.portal_address,
    )


def stand_ins() -> frozenset[str]:
    """Return the hosts that stand in for archives' own, as an entry of trusted hosts each."""
    found = [urlsplit(address) for address in settings.PORTAL_ARCHIVE_HOSTS.values()]
    usual = {"http": 80, "https": 443}
    return frozenset(
        f"{each.netloc.rpartition('@')[2].removesuffix(f':{each.port}')}:"
        f"{each.port or usual[each.scheme]}"
        for each in found
    )


def _ask(mode: str, seconds: int, **wish: Any) -> dict[str, Any]:
    """Return what the program answers. Raises UserError or TemporaryError."""
    url = str(wish["url"])
    limit = settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6
    wish |= {
        "mode": mode,
        "limit": limit,
        "seconds": seconds,
        "stall": _STALL_SECONDS,
        "wait": _WAIT_SECONDS,
        "hosts": settings.PORTAL_ARCHIVE_HOSTS,
    }

    async def run(git: Git) -> Outcome:
        words = [sys.executable, "-I", "-S", "-c", archives.PROGRAM]
        return await git.run_program([*words, json.dumps(wish | {"scratch": git.home})])

    outcome = run_with_git(run, url, seconds + _SPARE, limit, rules=fetch_rules())
    try:
        told: dict[str, Any] = json.loads(outcome.output)
    except ValueError:
        raise _no_answer(outcome) from None
    if "code" in told:
        kind = TemporaryError if told.get("temporary") else UserError
        raise kind(told["code"], told["message"])
    return told


def _version(told: dict[str, Any]) -> str:
    version = str(told["version"])
    if not archives.is_version(version):
        raise UserError("archive.not-json", _("The archive names no version that can be used."))
    return version


def _no_answer(outcome: Outcome) -> TemporaryError:
    message = _("The archive could not be asked: %(why)s Try again later.")
    why = outcome.stderr.strip().splitlines()[-1:] or [_("it took too long.")]
    return TemporaryError(TIMEOUT, message % {"why": why[0][:300]})


def _unknown(doi: str, url: str) -> UserError:
    message = _(
        "The DOI %(doi)s leads to %(url)s, which is none of the archives that can be launched "
        "here. If a Git repository is named there, paste its address."
    )
    return UserError("archive.unknown", message % {"doi": doi, "url": url[:300]})
