"""From what the portal wants (a spec) to what a keeper is told (a job), with the site's bounds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from sessions.addresses import Unresolvable
from sessions.backends import BuildSpec, ServerSpec
from sessions.errors import InternalError
from sessions.providers import rules

from . import people
from .folders import Folders
from .interpreters import interpreters, prefix
from .keeper.jobs import Bounds, BuildJob, Key, ServerJob
from .site import site

_PORTS = {"https": 443, "http": 80, "ssh": 22}
_LOG_OF_NOTEBOOK = 1_000_000


def build_job(spec: BuildSpec, folders: Folders, toolbox: Path) -> BuildJob:
    """What the build's keeper needs to know."""
    pythons = interpreters(people.builder())
    allowed = rules()
    return BuildJob(
        url=spec.url,
        commit=_commit(spec.commit),
        ref=spec.ref,
        environment=str(folders.environment(spec.image)),
        partial=str(folders.partial(spec.image, spec.id)),
        cache=str(folders.cache),
        pythons=pythons,
        repository_limit=settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6,
        bounds=_build_bounds(),
        site=site(str(toolbox), os.environ, _prefixes(pythons)),
        fetch_trusted=list(settings.PORTAL_TRUSTED_GIT_HOSTS),
        trusted=_trusted(spec.url),
        private=spec.identity is not None,
        closed=sorted(allowed.closed),
        fetch_front=allowed.front,
    )


def key(spec: BuildSpec) -> Key | None:
    """What opens a private repository; beside the job, since that lies in a file."""
    return Key(spec.identity.private, spec.identity.known_hosts) if spec.identity else None


def server_job(spec: ServerSpec, folders: Folders, toolbox: Path) -> ServerJob:
    """What the notebook's keeper needs to know."""
    memory = min(int(spec.resources.memory_limit_gb * 1e9), _machine())
    bounds = Bounds(memory, settings.PORTAL_SANDBOX_PROCESSES, log=_LOG_OF_NOTEBOOK)
    pythons = interpreters(people.builder())
    return ServerJob(
        name=spec.name,
        owner=spec.owner,
        environment=str(folders.environment(spec.image)),
        project=str(folders.project(spec.name)),
        volume=str(folders.volume(spec.volume)),
        former=list(spec.former),
        commit=_commit(spec.commit),
        url=spec.url,
        token=spec.token,
        cpus=min(spec.resources.cpu_limit, os.cpu_count() or 1),
        bounds=bounds,
        site=site(str(toolbox), os.environ, _prefixes(pythons)),
        trusted=_trusted(spec.url),
        closed=list(settings.PORTAL_CLOSED_PORTS),
    )


def _build_bounds() -> Bounds:
    return Bounds(
        memory=min(int(settings.PORTAL_BUILD_MEMORY_GB * 1e9), _machine()),
        processes=settings.PORTAL_SANDBOX_PROCESSES,
        disk=settings.PORTAL_BUILD_DISK_MB * 10**6,
        seconds=settings.PORTAL_BUILD_TIMEOUT,
        log=settings.PORTAL_LOG_LIMIT_MB * 10**6,
    )


def _machine() -> int:
    """The memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _prefixes(pythons: dict[str, str]) -> list[str]:
    return [top for path in pythons.values() if (top := prefix(path))]


def _commit(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text):
        raise InternalError("local.commit", f"{text!r} is not the id of a commit")
    return text


def _trusted(url: str) -> list[str]:
    """Private addresses for people's own code: package mirrors, and its own repository."""
    host, port = _host(url)
    allowed = rules()
    try:
        # Examples are fetched from the portal, but notebooks do not reach it.
        own = allowed.trusts(host, port) and not allowed.is_portal(host, port)
    except Unresolvable:
        own = False
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return [*settings.PORTAL_TRUSTED_HOSTS, *([address] if own else [])]


def _host(url: str) -> tuple[str, int]:
    """Host and port of a repository's address, also of the form ``git@host:path``."""
    if "://" not in url:
        return url.partition(":")[0].rpartition("@")[2], _PORTS["ssh"]
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
