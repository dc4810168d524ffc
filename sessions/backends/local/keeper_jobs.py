"""Turn a spec of the portal into a keeper's job, with the site's limits.

Sandboxes get a few variables of the portal's own environment, and no secret.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from sessions.backends import BuildSpec, ContentSpec, ServerSpec
from sessions.egress.addresses import Unresolvable
from sessions.errors import InternalError
from sessions.git import archive
from sessions.providers import egress_rules, is_private
from sessions.repofiles import archives

from . import owners
from .folders import Folders
from .keeper.jobs import Bounds, BuildJob, Content, Key, ServerJob, Site
from .toolbox import interpreter_prefix, interpreters

# Certificates: their files appear in the sandbox at the same path.
_FILE_VARIABLES = frozenset({
    "AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "PIP_CERT",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE",
})  # fmt: skip
_INDEX_VARIABLES = frozenset({
    "CONDA_CHANNEL_ALIAS", "NPM_CONFIG_REGISTRY", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL",
    "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_INDEX_URL",
})  # fmt: skip
_PLAIN_VARIABLES = frozenset({
    "PIP_DEFAULT_TIMEOUT", "PIP_TRUSTED_HOST", "TZ", "UV_HTTP_TIMEOUT", "UV_INSECURE_HOST",
    "UV_SYSTEM_CERTS",
})  # fmt: skip

_TRUST = {"UV_SYSTEM_CERTS": "true"}  # trust a site's own certificate authority as its machine does


def sandbox_site(toolbox: str, environment: Mapping[str, str], extra: list[str]) -> Site:
    """Return what every sandbox gets; ``extra`` are further files and folders to show in it."""
    files = {name: environment[name] for name in _FILE_VARIABLES & environment.keys()}
    addresses = {
        name: environment[name]
        for name in _INDEX_VARIABLES & environment.keys()
        if all(_is_public(word) for word in environment[name].split())
    }
    plain = _TRUST | {name: environment[name] for name in _PLAIN_VARIABLES & environment.keys()}
    index = addresses.get("UV_DEFAULT_INDEX") or addresses.get("PIP_INDEX_URL")
    if index:  # one is for uv, one for pip, and both run in sandboxes
        addresses = {"UV_DEFAULT_INDEX": index, "PIP_INDEX_URL": index, **addresses}
    paths = sorted({path for path in files.values() if os.path.isabs(path)} | set(extra))
    return Site(toolbox, dict(sorted({**files, **addresses, **plain}.items())), paths)


def _is_public(address: str) -> bool:
    """Return whether an index's address may be shown: on the network, without a password."""
    parts = urlsplit(
        re.sub(r"^[\w.-]+=(?=https?:)", "", address)
    )  # in uv, an index may have a name
    return parts.scheme in {"http", "https"} and "@" not in parts.netloc


_PORTS = {"https": 443, "http": 80, "ssh": 22}
_LOG_OF_NOTEBOOK = 1_000_000


def build_job(spec: BuildSpec, folders: Folders, toolbox: Path) -> BuildJob:
    """Return the job of a build's keeper."""
    pythons = interpreters(owners.builder_uid())
    allowed = egress_rules()
    return BuildJob(
        url=spec.url,
        commit=_commit(spec.commit, is_archive=bool(spec.archive)),
        ref=spec.ref,
        environment=str(folders.environment(spec.image)),
        partial=str(folders.partial(spec.image, spec.id)),
        cache=str(folders.cache),
        pythons=pythons,
        repository_limit=settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6,
        bounds=_build_bounds(),
        site=sandbox_site(str(toolbox), os.environ, _interpreter_folders(pythons)),
        fetch_trusted=[
            *settings.PORTAL_TRUSTED_GIT_HOSTS,
            *(sorted(archive.stand_ins()) if spec.archive else []),
        ],
        trusted=_trusted(spec.url),
        private=spec.identity is not None,
        closed=sorted(allowed.closed_ports),
        fetch_front=allowed.portal_address,
        archive=spec.archive,
        archive_hosts=settings.PORTAL_ARCHIVE_HOSTS if spec.archive else {},
    )


def base_job(folders: Folders, toolbox: Path) -> BuildJob:
    """Return the job of the keeper that makes the base, and compiles what builds left to it."""
    pythons = interpreters(owners.builder_uid())
    return BuildJob(
        url="",
        commit="",
        ref="",
        environment="",
        partial=str(folders.cache / ".base.partial"),
        cache=str(folders.cache),
        pythons=pythons,
        repository_limit=0,
        bounds=_build_bounds(),
        site=sandbox_site(str(toolbox), os.environ, _interpreter_folders(pythons)),
        fetch_trusted=[],
        trusted=list(settings.PORTAL_TRUSTED_HOSTS),
        closed=sorted(egress_rules().closed_ports),
        environments=str(folders.environments),
    )


def fetch_key(spec: BuildSpec | ServerSpec) -> Key | None:
    """Return the key that opens a private repository, or a notebook's private content.

    It is not part of the job, since that is stored in a file.
    """
    if isinstance(spec, ServerSpec) and not (spec.content and is_private(spec.content.url)):
        return None
    return Key(spec.identity.private, spec.identity.known_hosts) if spec.identity else None


def server_job(spec: ServerSpec, folders: Folders, toolbox: Path) -> ServerJob:
    """Return the job of a notebook's keeper."""
    memory = min(int(spec.resources.memory_limit_gb * 1e9), _machine_memory())
    bounds = Bounds(memory, settings.PORTAL_SANDBOX_PROCESSES, log=_LOG_OF_NOTEBOOK)
    pythons = interpreters(owners.builder_uid())
    return ServerJob(
        name=spec.name,
        owner=spec.owner,
        environment=str(folders.environment(spec.image)),
        project=str(folders.project(spec.name)),
        volume=str(folders.volume(spec.volume)),
        former=list(spec.former_names),
        author=spec.author,
        email=spec.email,
        commit=_commit(spec.commit, is_archive=True),
        url=spec.url,
        token=spec.token,
        cpus=min(spec.resources.cpu_limit, os.cpu_count() or 1),
        bounds=bounds,
        site=sandbox_site(str(toolbox), os.environ, _interpreter_folders(pythons)),
        trusted=_trusted(spec.url, *([spec.content.url] if spec.content else [])),
        closed=list(settings.PORTAL_CLOSED_PORTS),
        start_seconds=settings.PORTAL_SPAWN_TIMEOUT,
        safe_mode=spec.safe_mode,
        keeps_start=spec.keeps_start,
        content=_content(spec.content, spec.name, bounds, folders, toolbox),
    )


def _content(
    spec: ContentSpec | None, project: str, bounds: Bounds, folders: Folders, toolbox: Path
) -> Content | None:
    """Return the notebook's content; it is fetched within the notebook's bounds, and half its time.

    Only the clone is made of a build's job.
    """
    if spec is None:
        return None
    limit = settings.PORTAL_REPOSITORY_LIMIT_MB * 10**6
    seconds = settings.PORTAL_SPAWN_TIMEOUT // 2
    order = BuildSpec(0, spec.url, spec.commit, spec.ref, image=project)
    fetch = replace(
        build_job(order, folders, toolbox),
        environment="",
        partial=str(folders.project(project) / "content"),
        bounds=replace(bounds, disk=limit, seconds=seconds),
        private=is_private(spec.url),
    )
    return Content(fetch, spec.folder, spec.unless_puller)


def _build_bounds() -> Bounds:
    return Bounds(
        memory=min(int(settings.PORTAL_BUILD_MEMORY_GB * 1e9), _machine_memory()),
        processes=settings.PORTAL_SANDBOX_PROCESSES,
        disk=settings.PORTAL_BUILD_DISK_MB * 10**6,
        seconds=settings.PORTAL_BUILD_TIMEOUT,
        log=settings.PORTAL_LOG_LIMIT_MB * 10**6,
    )


def _machine_memory() -> int:
    """Return the memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _interpreter_folders(pythons: dict[str, str]) -> list[str]:
    return [top for path in pythons.values() if (top := interpreter_prefix(path))]


def _commit(text: str, *, is_archive: bool = False) -> str:
    if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text):
        return text
    if not is_archive or not archives.is_version(text):
        raise InternalError("local.commit", f"{text!r} is not the id of a commit")
    return text


def _trusted(*urls: str) -> list[str]:
    """Return the private addresses that people's code may reach.

    These are package mirrors, and its own repositories.
    """
    own = dict.fromkeys(each for url in urls if (each := _trusted_server(url)))
    return [*settings.PORTAL_TRUSTED_HOSTS, *own]


def _trusted_server(url: str) -> str:
    """Return host and port of a repository's server; "" for one that notebooks do not reach."""
    host, port = _host(url)
    allowed = egress_rules()
    try:
        # Examples are fetched from the portal, which notebooks cannot reach.
        own = allowed.trusts(host, port) and not allowed.is_portal(host, port)
    except Unresolvable:
        own = False
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return address if own else ""


def _host(url: str) -> tuple[str, int]:
    """Return host and port of a repository's address, also in the form ``git@host:path``."""
    if "://" not in url:
        return url.partition(":")[0].rpartition("@")[2], _PORTS["ssh"]
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
