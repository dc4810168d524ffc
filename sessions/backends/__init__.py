"""The interface between the portal and whatever builds environments and runs notebooks.

`Backend` is all that the rest of the portal knows of a back end; ``PORTAL_BACKEND`` names the one
in use. The interface is level-based: ``ensure_*`` and ``remove_*`` may be repeated, in any order
and concurrently, and a report says how things *are*, never what changed. One contract suite
(``tests/backends/contract.py``) holds for every back end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from keys.keypairs import SshIdentity
from quotas.resources import Placement, Resources

from .contents import (
    BuildReport,
    Capacity,
    FilesReport,
    Image,
    Inventory,
    LogLines,
    Problem,
    ProjectSize,
    ServerReport,
    SetAsideItem,
)
from .personfiles import PersonFiles

__all__ = [
    "BACKENDS",
    "LOG_TRUNCATED",
    "Backend",
    "BuildReport",
    "BuildSpec",
    "Capacity",
    "ContentSpec",
    "FilesReport",
    "Image",
    "Inventory",
    "LogLines",
    "PersonFiles",
    "Problem",
    "ProjectSize",
    "ServerReport",
    "ServerSpec",
    "SetAsideItem",
    "get_backend",
]

BACKENDS = {
    "local": "sessions.backends.local.LocalBackend",
    "kubernetes": "sessions.backends.kubernetes.KubernetesBackend",
}


LOG_TRUNCATED = "… the log is too long: what follows was cut …"
"""The last line of a build log that was cut because it was too long."""


@dataclass(frozen=True)
class BuildSpec:
    """A repository at a commit, to be built into an image.

    ``url`` is what git clones, ``ref`` the branch or tag that the commit was found under (may be
    empty or a commit). The result is kept under the name ``image``. With ``no_cache``, nothing kept
    from earlier builds is used. ``identity`` holds the key that fetches a private repository; it is
    used for fetching only, never for a step of the build. ``archive`` is the provider if it is an
    archive (`sessions.git.archive`): then ``url`` is its page, and ``commit`` a version.
    """

    id: int
    url: str
    commit: str
    ref: str
    image: str
    no_cache: bool = False
    identity: SshIdentity | None = None
    archive: str = ""


@dataclass(frozen=True)
class ContentSpec:
    """A second repository at a commit, whose files a notebook gets in a ``folder`` of its home.

    ``url``, ``commit`` and ``ref`` are as in `BuildSpec`; the notebook's ``identity`` opens a
    private one. With ``unless_puller``, it is left out where the environment has nbgitpuller.
    """

    url: str
    commit: str
    ref: str
    folder: str
    unless_puller: bool = False


@dataclass(frozen=True)
class ServerSpec:
    """One notebook to run.

    ``id`` is the session's, ``name`` the project's (a DNS label), ``owner`` the person's name as a
    label, ``owner_id`` their row's number. ``volume`` names their volume and stays when they are
    renamed: it is mounted at ``/home/<owner>-nfs-pvc``, and also under the labels ``former_names``.
    ``digest`` is the one that the build's report gave for the image. ``url`` is the repository's
    address, ``token`` the notebook server's own, ``volume_gb`` the size of the person's volume when
    it is first made. ``identity`` is the person's own, for git and ssh in the notebook;
    ``author`` and ``email`` are for their commits. ``safe_mode`` is why it starts in safe mode
    (`sessions.jupyter`), "" for an ordinary start; ``keeps_start`` is whether the start script of
    the repository runs even so, as it was built and not as the person has changed it. ``placement``
    is the part of the profile that applies.
    """

    id: int
    name: str
    owner: str
    volume: str
    owner_id: int
    image: str
    commit: str
    url: str
    token: str = field(repr=False)
    resources: Resources
    digest: str = ""
    volume_gb: float = 10
    former_names: tuple[str, ...] = ()
    identity: SshIdentity | None = None
    author: str = ""
    email: str = ""
    safe_mode: str = ""
    keeps_start: bool = False
    content: ContentSpec | None = None
    placement: Placement = field(default_factory=Placement)


class Backend(Protocol):
    """A place that builds environments and runs notebooks."""

    def problems(self) -> list[Problem]:
        """Return what keeps launches from working now; empty when all is well. Fast (cached)."""

    def examine(self) -> Iterator[Problem]:
        """Yield every other problem found by checking everything the back end needs.

        For `portal.health.doctor`; may take a minute. Raises `TemporaryError` when nobody can say.
        """

    def check_access(self) -> list[Problem]:
        """Return which rights or credentials the portal lacks there; asked for once a minute.

        Raises `TemporaryError` when nobody can say.
        """

    def capacity(self) -> Capacity | None:
        """Return the total capacity, in use or not; None where the portal may not look.

        Raises `TemporaryError` when nobody can say.
        """

    def prepare(self) -> None:
        """Set up what has to be set up once (tools, folders); may take a minute."""

    def warm_up(self) -> None:
        """Begin to make what every first launch would wait for; returns at once.

        Raises `BinderyError` if that cannot begin: launches work all the same.
        """

    def installation(self) -> str:
        """Return the installation id of the place where things are kept, "" if it has none.

        Raises `TemporaryError` when nobody can say, and `NotAllowed` where the portal may not look.
        """

    def ensure_installation(self, installation_id: str) -> str:
        """Give the place this installation id unless it has one; return the id that it has now."""

    def inventory(self) -> Inventory:
        """Return all kept things but another installation's. Raises as `has_image` does."""

    def foreign(self) -> list[str]:
        """Return the names of things that carry another installation's id; they are left alone."""

    def assign_installation(self, known: Inventory) -> None:
        """Put the installation's id on those of these things that were made without one."""

    def set_aside(self, name: str) -> None:
        """Set aside, with the date, what is kept of the project ``name``, which has no row.

        Does nothing if nothing is kept. Raises `TemporaryError` when it cannot be done now.
        """

    def set_aside_items(self) -> list[SetAsideItem]:
        """Return what has been set aside and still exists. Raises as `has_image` does."""

    def set_aside_size(self, item_id: str) -> int | None:
        """Return the bytes that an item takes, None if unknown. Raises as `has_image` does."""

    def put_back(self, item_id: str) -> None:
        """Restore an item's name and place. Raises `StateConflict` if that is taken."""

    def remove_set_aside(self, item_id: str) -> None:
        """Remove an item for good; does nothing if it does not exist."""

    def has_image(self, image: str) -> bool:
        """Return whether a finished image exists. Raises `TemporaryError` when nobody can say."""

    def is_damaged(self, image: str) -> bool:
        """Return whether the portal's own part of a finished image was damaged after it was made.

        That part is not used again. Asked only when something failed; may take a second.
        """

    def images(self) -> list[Image]:
        """Return the kept images that are surely the portal's own. Raises as `has_image` does."""

    def image_size(self, image: str) -> int | None:
        """Return an image's bytes, None if unknown or absent. Raises as `has_image` does."""

    def remove_image(self, image: str) -> None:
        """Remove a finished image; notebooks that run from it go on.

        Does nothing if it does not exist. Raises `TemporaryError` when it cannot be done now, and
        `NotAllowed` where the portal may not: then the image stays as it is.
        """

    def ensure_build(self, spec: BuildSpec) -> None:
        """Start the build unless it is running or done. Returns at once."""

    def cancel_build(self, build_id: int) -> None:
        """Cancel the build and drop what it has made so far. A finished image stays."""

    def forget_build(self, build_id: int) -> None:
        """Drop what was kept for a build whose end and log are stored; end it if it runs."""

    def read_log(self, build_id: int, position: str) -> LogLines | None:
        """Return the next lines after ``position`` ("" is the beginning), or None."""

    def ensure_server(self, spec: ServerSpec) -> None:
        """Start the notebook unless it is running. Returns at once."""

    def remove_server(self, session_id: int) -> None:
        """Stop the notebook, gracefully first. Returns at once; a report says when it is gone."""

    def kill_server(self, session_id: int) -> None:
        """Kill a notebook that was told to stop and has not. Returns at once."""

    def forget_server(self, session_id: int) -> None:
        """Drop what belonged to a run of a notebook whose end is stored."""

    def why_slow(self, session_id: int, seconds: float) -> tuple[str, str]:
        """Return code and sentence for a notebook that has not answered after ``seconds``.

        Raises `TemporaryError` when nobody can say.
        """

    def renew_identity(self, volume: str, identity: SshIdentity) -> None:
        """Give these keys to the running notebooks of the volume's owner, within minutes."""

    def forget_identity(self, volume: str) -> None:
        """Drop the stored keys of the person with this volume; running notebooks keep theirs."""

    def adopt_volume(self, volume: str, owner_id: int) -> bool:
        """Accept as this person's files what was refused because the portal had not made it.

        Called when staff confirm whose it is. Return whether there was anything to adopt.
        """

    def remove_project(self, name: str, volume: str = "") -> bool:
        """Remove what outlives a run of this project; return whether all of it is gone.

        False means that removal is under way: ask again in a minute. ``volume`` names the person's
        volume, which may hold the project's files; nothing else in it is touched.
        """

    def open_files(self, name: str, volume: str) -> PersonFiles:
        """Return a project's files and its person's. Takes a few seconds at most.

        Raises `NotYet` while they are being made reachable: ask again. Raises `TemporaryError` when
        they cannot be reached now.
        """

    def measure_project(self, name: str, volume: str) -> ProjectSize | None:
        """Return the size of the project's kept files.

        None means that it is being measured: ask again in a minute. Raises `TemporaryError` when
        nobody can say.
        """

    def builds(self) -> list[BuildReport]:
        """Return all builds that the back end knows."""

    def servers(self) -> list[ServerReport]:
        """Return all notebooks that the back end knows, gone ones until `forget_server`."""

    def projects(self) -> list[str]:
        """Return the names of all projects of which something is kept (see `remove_project`)."""

    def sweep(self) -> list[str]:
        """Remove what was left half made and belongs to no run any more; return the names."""

    def changes(self) -> Iterator[BuildReport | ServerReport | None]:
        """Yield what may have changed, as it is now, forever; None about once a second.

        Starts with everything that exists. Also yields a `BuildReport` when its log has grown.
        """


@cache
def get_backend() -> Backend:
    """Return the back end that ``PORTAL_BACKEND`` names; one per process."""
    backend: Backend = import_string(BACKENDS[settings.PORTAL_BACKEND])()
    return backend
