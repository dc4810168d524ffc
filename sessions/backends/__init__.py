"""The seam between the portal and whatever builds environments and runs notebooks.

`Backend` is all that the rest of the portal knows of a back end; ``PORTAL_BACKEND`` names the
one in use. Everything here is level-based: ``ensure_*`` and ``remove_*`` may be repeated, in
any order and at the same time, and a report says how things *are*, never what changed. One
contract suite (``tests/backends/contract.py``) holds for every back end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from keys.keypairs import Identity
from quotas.resources import Resources

BACKENDS = {
    "local": "sessions.backends.local.LocalBackend",
    "kubernetes": "sessions.backends.kubernetes.KubernetesBackend",
}


CUT = "… the log is too long: what follows was cut …"
"""The last line of a build's output of which no more is kept."""


@dataclass(frozen=True)
class BuildSpec:
    """A repository at a commit, to be made into an image.

    ``url`` is what git clones, ``ref`` the branch or tag that the commit was found under (may
    be empty or a commit). ``image`` is the name under which the result is kept. ``fresh``: what
    was kept from earlier builds is not used. ``identity`` is whose key fetches a private
    repository: for the fetching alone, never for a step of the build.
    """

    id: int
    url: str
    commit: str
    ref: str
    image: str
    fresh: bool = False
    identity: Identity | None = None


@dataclass(frozen=True)
class ServerSpec:
    """One notebook to be run.

    ``id`` is the session's, ``name`` the project's (a DNS label), ``owner`` the person's name as a
    label, ``owner_id`` their row's number. ``volume`` names their volume, whatever they are called:
    it is seen at ``/home/<owner>-nfs-pvc``, and so under the labels ``former``. ``digest`` is what
    the build's report said of the image. ``url`` is the repository's address, ``token`` the
    notebook server's own, ``volume_gb`` the size of the person's volume when it is first made.
    ``identity`` is the person's own, for git and ssh in the notebook.
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
    former: tuple[str, ...] = ()
    identity: Identity | None = None


@dataclass(frozen=True)
class BuildReport:
    """How a build is. ``finished`` with an empty ``code`` means that the image is there; of one
    that goes on, ``code`` and ``message`` tell what it waits for before it can begin.

    ``digest`` tells the very image where the back end has such, ``resources`` is the text of
    the repository's ``.resources`` where the build has read it. ``marked``: it bears the id of its
    place (see `Backend.installation`).
    """

    id: int
    finished: bool = False
    code: str = ""
    message: str = ""
    pack: str = ""
    digest: str = ""
    resources: str = ""
    marked: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class FilesReport:
    """What became of a project's files at a start: ``said`` tells their person, "" where there is
    nothing to say, ``again`` that it may have been told at an earlier start; ``size`` is the bytes
    that they take, None where nobody knows."""

    said: str = ""
    size: int | None = None
    again: bool = False


@dataclass(frozen=True)
class ServerReport:
    """How a notebook is: ``starting``, ``ready`` (answers at ``address``) or ``gone``.

    ``address`` is ``unix:/path`` or ``http://host:port``. ``code`` and ``message`` tell why it
    is gone, the code empty when it ended because it was told to; or what it waits for while it is
    starting. ``node`` is the machine that it is on, where that is known. ``files``: see there,
    None where the back end says nothing of them. ``marked`` as in `BuildReport`.
    """

    id: int
    name: str
    state: str
    address: str = ""
    code: str = ""
    message: str = ""
    node: str = ""
    files: FilesReport | None = None
    marked: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class LogPiece:
    """Whole lines of a build's output after a position, all of one ``phase``.

    ``position`` is what to ask with next; opaque. No lines: there are no more at present.
    """

    phase: str
    text: str
    position: str


@dataclass(frozen=True)
class Capacity:
    """What all machines together have for notebooks and builds: CPUs, memory in GB (10⁹ bytes)
    and GPUs; ``disk_gb`` and ``disk_free_gb`` of where environments and people's files are
    kept. None for what nobody can tell."""

    cpu: float | None = None
    memory_gb: float | None = None
    gpu: float | None = None
    disk_gb: float | None = None
    disk_free_gb: float | None = None


@dataclass(frozen=True)
class Image:
    """A finished image that is kept: ``size`` in bytes, None where nobody knows."""

    name: str
    size: int | None = None


@dataclass(frozen=True)
class ProjectSize:
    """The bytes that a project's kept files take, None where nobody can say."""

    size: int | None


@dataclass(frozen=True)
class Found:
    """What is kept in the place where a back end works: the names of projects, the names of
    people's volumes, the numbers of notebooks and builds."""

    projects: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    sessions: frozenset[int] = frozenset()
    builds: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Aside:
    """Something that no row asked for, set aside: ``id`` is what the back end calls it now,
    ``name`` what it was called before."""

    id: str
    name: str


@dataclass(frozen=True)
class Problem:
    """Why the back end cannot do its work, for staff: ``hint`` says what to do about it."""

    id: str
    message: str
    hint: str


class Backend(Protocol):
    def problems(self) -> list[Problem]:
        """What keeps launches from working now; empty when all is well. Quick (cached)."""

    def examine(self) -> Iterator[Problem]:
        """Whatever else is not as the work needs it, asked of everything that is needed; for
        `portal.health.doctor`. May take a minute. Raises `TemporaryError` when nobody can say."""

    def capacity(self) -> Capacity | None:
        """How much there is to hand out, in use or not; None where the portal may not look.

        Raises `TemporaryError` when nobody can say.
        """

    def prepare(self) -> None:
        """Make ready what can be made ready once (tools, folders); may take a minute."""

    def installation(self) -> str:
        """Return the id that the place bears where things are kept, "" where it has none. Raises
        `TemporaryError` when nobody can say, and `NotAllowed` where the portal may not look."""

    def give_installation(self, wanted: str) -> str:
        """Have the place bear this id unless it has one, and return the id that it bears now."""

    def found(self) -> Found:
        """Return all that is kept in the place, without what bears another id. Raises
        `TemporaryError` when nobody can say."""

    def foreign(self) -> list[str]:
        """Return what there is in the place that bears another id, by name; it is left alone."""

    def mark(self, known: Found) -> None:
        """Have those of these things that were made before there was an id bear that of the
        place."""

    def set_aside(self, name: str) -> None:
        """Put away what is kept of a project that nobody knows, with the date; nothing is removed.
        What is not there is no error."""

    def asides(self) -> list[Aside]:
        """Return what was set aside and is there."""

    def aside_size(self, aside: str) -> int | None:
        """Return the bytes that it takes, None where nobody knows."""

    def put_back(self, aside: str) -> None:
        """Give it its name and its place again. Raises `StateConflict` where that is taken."""

    def remove_aside(self, aside: str) -> None:
        """Remove it for good; what is not there is no error."""

    def has_image(self, image: str) -> bool:
        """Whether a finished image is there. Raises `TemporaryError` when nobody can say."""

    def images(self) -> list[Image]:
        """The finished images that are kept, as far as the back end can list them and they can be
        nobody else's. Raises `TemporaryError` when nobody can say.
        """

    def image_size(self, image: str) -> int | None:
        """The bytes that an image takes, None where nobody knows or it is not there. Raises
        `TemporaryError` when nobody can say."""

    def remove_image(self, image: str) -> None:
        """Drop a finished image; notebooks that run from it go on. One that is not there is no
        error. Raises `TemporaryError` when it cannot be done now, and `NotAllowed` where the
        portal may not: then the image stays as it is."""

    def ensure_build(self, spec: BuildSpec) -> None:
        """Start the build unless it runs or is done. Returns at once."""

    def cancel_build(self, build_id: int) -> None:
        """End the build and forget what it has made so far. A finished image stays."""

    def forget_build(self, build_id: int) -> None:
        """The build's end and log are stored: drop what was kept for them. One that goes on all
        the same is ended at once."""

    def read_log(self, build_id: int, position: str) -> LogPiece | None:
        """The next lines after ``position`` ("" is the beginning), or None when none are there."""

    def ensure_server(self, spec: ServerSpec) -> None:
        """Start the notebook unless it runs. Returns at once."""

    def remove_server(self, session_id: int) -> None:
        """Stop the notebook, kindly first. Returns at once; a report says when it is gone."""

    def end_server(self, session_id: int) -> None:
        """End at once a notebook that was told to stop and does not. Returns at once."""

    def forget_server(self, session_id: int) -> None:
        """The notebook's end is stored: drop what belonged to this run of it."""

    def renew_identity(self, volume: str, identity: Identity) -> None:
        """Give the running notebooks of the person with this volume these keys, within minutes."""

    def forget_identity(self, volume: str) -> None:
        """Drop what is kept of the keys of the person with this volume; who has notebooks running
        keeps them there."""

    def adopt_volume(self, volume: str, owner_id: int) -> bool:
        """Take what lies in the volume's place, and was refused for not being the portal's, for the
        files of this person: staff say that it is. Return whether there was such a thing."""

    def remove_project(self, name: str, volume: str = "") -> bool:
        """Drop what outlives a run of this project, and whether all of it is gone: if not, it is
        on its way, ask again in a minute. ``volume`` names the person's, in which the project's
        files may be kept; nothing else in it is touched."""

    def measure_project(self, name: str, volume: str) -> ProjectSize | None:
        """Return what the project's kept files take; None while that is looked up: ask again in a
        minute. Raises `TemporaryError` when nobody can say."""

    def builds(self) -> list[BuildReport]:
        """All builds that the back end knows."""

    def servers(self) -> list[ServerReport]:
        """All notebooks that the back end knows, gone ones until `forget_server`."""

    def projects(self) -> list[str]:
        """The names of all projects of which something is kept (see `remove_project`)."""

    def sweep(self) -> list[str]:
        """Drop what was left half made and belongs to no run any more; what it was, by name."""

    def changes(self) -> Iterator[BuildReport | ServerReport | None]:
        """Yield what may have changed, as it is now, for ever; None about once a second.

        Starts with everything there is. Yields a `BuildReport` as well when the log has grown.
        """


@cache
def get_backend() -> Backend:
    """The back end that ``PORTAL_BACKEND`` names; one for each process."""
    backend: Backend = import_string(BACKENDS[settings.PORTAL_BACKEND])()
    return backend
