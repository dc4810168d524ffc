"""Read a build's parameters from the variables that every container of its pod gets.

There is no secret among them. Credentials that a stage needs are in files of their own
(`registries`, `fetch`), which only the container of that stage has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

WORK = Path("/build")
TRUSTED = Path("/trusted")
ACCOUNTS = Path("/run/bindery")
KEY = ACCOUNTS / "key"
PROXIES = frozenset({"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"})
"""Names (upper or lower case) of build arguments that need no ARG in the Dockerfile."""


@dataclass(frozen=True)
class BuildSpec:
    """The parameters of one build. Sizes are bytes; an empty text means that there is none.

    ``seconds`` is how long fetching may take, 0 without a limit of its own.
    ``archive`` is the kind of archive that keeps the files, "" for a Git server's; the two after it
    are the stand-ins of hosts, and the hosts that may be reached although they are private.
    """

    url: str
    commit: str
    image: str
    ref: str = ""
    cache: str = ""
    no_cache: bool = False
    base_image: str = ""
    python_image: str = ""
    insecure: tuple[str, ...] = ()
    own_prefix: str = ""
    repository_limit: int = 2_000_000_000
    log_limit: int = 10_000_000
    plain_http: bool = False
    seconds: int = 0
    ca: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    archive: str = ""
    archive_hosts: Mapping[str, str] = field(default_factory=dict)
    archive_trusted: frozenset[str] = frozenset()
    work: Path = WORK
    trusted: Path = TRUSTED
    key: Path = KEY
    accounts: Path = ACCOUNTS

    @property
    def repository(self) -> Path:
        """Return the folder into which the repository is cloned."""
        return self.work / "repository"

    @property
    def fetched(self) -> Path:
        """Return the file with what fetching has to say (`sessions.repofiles.gitclone`)."""
        return self.work / "fetched.json"

    @property
    def failed(self) -> Path:
        """Return the file with why the content of a notebook could not be fetched."""
        return self.work / "failed.json"

    @property
    def plan(self) -> Path:
        """Return the folder of the build's plan, with the Dockerfile and its context."""
        return self.work / "plan"

    @property
    def documents(self) -> Path:
        """Return the folder of the files that a Dockerfile has in here-documents, if any."""
        return self.plan / "documents"

    @property
    def ignore_file(self) -> Path:
        """Return the file that says what a Dockerfile's context leaves out, if any."""
        return self.plan / "ignore"

    @property
    def images(self) -> Path:
        """Return the folder in which `build` leaves its result for `push` (`export`)."""
        return self.work / "image"

    @property
    def declared(self) -> dict[str, str]:
        """Return the variables of steps that a Dockerfile has to declare so that steps see them."""
        return {k: v for k, v in self.variables.items() if k.lower() not in PROXIES}

    @property
    def proxies(self) -> dict[str, str]:
        """Return those variables that name a proxy, as they are spelled."""
        return {k: v for k, v in self.variables.items() if k.lower() in PROXIES}


def read(environment: Mapping[str, str]) -> BuildSpec:
    """Return the parameters in the variables `BUILD_…`. Raises `KeyError`, `ValueError`."""

    def text(name: str) -> str:
        return environment.get(f"BUILD_{name}", "")

    return BuildSpec(
        url=environment["BUILD_URL"],
        commit=environment["BUILD_COMMIT"],
        image=environment["BUILD_IMAGE"],
        ref=text("REF"),
        cache=text("CACHE"),
        no_cache=text("FRESH") == "1",
        base_image=text("BASE_IMAGE"),
        python_image=text("PYTHON_IMAGE"),
        insecure=tuple(host for host in text("INSECURE").split(",") if host),
        own_prefix=text("OWN_PREFIX"),
        repository_limit=int(text("REPOSITORY_LIMIT") or BuildSpec.repository_limit),
        log_limit=int(text("LOG_LIMIT") or BuildSpec.log_limit),
        plain_http=text("PLAIN_HTTP") == "1",
        seconds=int(text("SECONDS") or 0),
        ca=text("CA"),
        variables=json.loads(text("STEP_VARIABLES") or "{}"),
        archive=text("ARCHIVE"),
        archive_hosts=json.loads(text("ARCHIVE_HOSTS") or "{}"),
        archive_trusted=frozenset(text("ARCHIVE_TRUSTED").split()),
    )
