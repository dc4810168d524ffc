"""Find a launch's commit and give it its build: a finished one, one in progress, or a new one.

`prepare` is the worker's first step. Where a repository's server has to be asked, a thread does the
work (`portal.lib.threadpool`), so that a slow server holds up nobody else, and one answer serves
all who ask the same within a few seconds (`sessions.git.sharing`); otherwise `prepare` does
it itself, like any other short task. As with all `steps`, it changes nothing more if it is run
twice, or twice at the same time.

One transaction settles everything that a launch needs, before anything is built: the notebook's
resources and whether there is room for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib.db import retry_after_deadlock
from portal.lib.text import storable
from portal.lib.threadpool import ThreadPool, Work
from quotas.resources import Resources
from sessions import capacity
from sessions.backends import get_backend
from sessions.backends.messages import BUILD_LIMIT, NO_SPACE
from sessions.errors import BinderyError, TemporaryError
from sessions.git import archive
from sessions.git.read_file import first_entry
from sessions.git.resolve import ResolvedRef, require_reachable, resolve
from sessions.git.sharing import Sharing
from sessions.models import Build, Project, RepositoryRule, Session
from sessions.names import image_name, short_commit
from sessions.progress import journal
from sessions.providers import Repository, is_archive, parse_repository
from sessions.providers.repository import is_private, path_spellings
from sessions.states import BuildState, Phase, SessionState

from . import admission, observations, previews, sshkey
from .admission import Contents, UserQuota
from .ending import handle_failures
from .queue import enqueue

MAX_THREADS, MAX_PER_HOST, MAX_PER_USER = 8, 3, 1
"""Limits for each of the four worker processes: a launch takes two seconds on a healthy server, and
at most fifty on one that is not; with content, as long again.
"""
_A_DAY = 86_400
_MISSING_REF = frozenset({"launch.ref-not-found", "launch.no-default-branch"})
_CONTENT_REF = "launch.content-ref-not-found"
"""Replaces their codes if the ref is the content's: the offers are no refs of the environment."""

_pool = ThreadPool(MAX_THREADS, MAX_PER_HOST, MAX_PER_USER)
_shared = Sharing()


def prepare(session_id: int) -> None:
    """Find the commit of a waiting session, and find or start the build of that commit.

    Return at once if a server has to be asked for it; a thread then does the work.
    """
    session = _waiting_session(session_id)
    if session and settings.IN_WORKER and _needs_server(session):
        project = session.project
        is_known = project.content_url and not _needs_environment(session)
        host = urlsplit(project.content_url if is_known else project.url).hostname or ""
        _pool.submit(Work(session_id, host, project.owner_id, partial(_find_build, session_id)))
    elif session:
        _find_build(session_id)


def _waiting_session(session_id: int) -> Session | None:
    rows = Session.objects.filter(pk=session_id, state=SessionState.WAITING, build=None)
    return rows.select_related("project__owner").first()


def _needs_server(session: Session) -> bool:
    """Return whether a repository's server may have to be asked for something."""
    return bool(session.project.content_url) or _needs_environment(session)


def _needs_environment(session: Session) -> bool:
    """Return whether the server of the environment's repository may have to be asked.

    That is: which commit it is, what it holds, or whether it is the repository's own.
    """
    project = session.project
    named = project.ref == project.commit or project.ref.startswith("refs/")
    return (
        session.force_build or named or admission.stored_contents(project, project.commit) is None
    )


def _find_build(session_id: int) -> None:
    """Find the commit, and find or start its build; what fails is told to the person."""
    session = _waiting_session(session_id)
    if session is None:  # it was stopped while it waited for a thread
        return
    project = session.project
    with handle_failures(session):
        found = _resolve(project, again=session.force_build)
        if found.url:
            project.provider, project.url = found.provider, found.url
            RepositoryRule.objects.require_allowed(project)
        _require_own_commit(project, project.url, found)
        contents = admission.read_contents(project, found)
        source = project.content_source
        content = _resolve_content(project, source) if source else None
        _attach_build(session, found, contents, content)


def _resolve(project: Project, *, again: bool) -> ResolvedRef:
    """Return the project's commit; ask the server if it is not known yet, or ``again``."""
    if project.commit and not again:
        return ResolvedRef(project.commit, project.ref, project.path)
    if is_archive(project.provider):
        return archive.resolve(parse_repository(project.repository, path=project.path))
    repository, identity = project.as_repository(), sshkey.fetch_identity(project)
    ask = partial(resolve, repository, identity)
    if again or identity or not settings.IN_WORKER:
        found = ask()
    else:
        found = _shared.ask(("ref", repository), project.owner_id, ask)
    if project.content_url:  # what opens is the content's
        return replace(found, path=project.path)
    return replace(found, path=_existing_path(project, project.url, found))


def _resolve_content(project: Project, source: Repository) -> ResolvedRef:
    """Return the present commit of the content, "" if it is left out of this start.

    A project that had its content once starts with that if there is nothing new to be had, and one
    of a link for nbgitpuller starts in any case. Raises `BinderyError` for others.
    """
    try:
        RepositoryRule.objects.require_allowed(source)
        found = resolve(source, sshkey.fetch_identity(project, source.url))
        _require_own_commit(project, source.url, found)
        return replace(found, path=_existing_path(project, source.url, found))
    except BinderyError as error:
        message = _("The content, %(repository)s: %(message)s") % {
            "repository": source.repository,
            "message": error.message,
        }
        if not project.content_commit and not project.is_content_optional:
            code = _CONTENT_REF if error.code in _MISSING_REF else error.code
            raise type(error)(code, message, **error.details) from None
        return ResolvedRef(project.content_commit, source.ref, project.path, message)


def _existing_path(project: Project, url: str, found: ResolvedRef) -> str:
    """Return the path to open: the file of that very name, else the one that its escapes mean.

    Links are escaped once too often, or not at all. The server is asked only about such paths.
    """
    spellings = path_spellings(found.path)
    if len(spellings) < 2:
        return found.path
    identity = sshkey.fetch_identity(project, url)
    try:
        there = first_entry(url, found.commit, spellings, found.ref, identity)
    except BinderyError:  # whatever it is, reading the commit says so
        return found.path
    return there or found.path


def _require_own_commit(project: Project, url: str, found: ResolvedRef) -> None:
    """Check that the commit is that repository's own, where rules allow only certain repositories.

    A commit found under a branch or a tag is the repository's own, and stays so for a day. One
    found under another ref may be anybody's, such as a pull request's. Raises `UserError` if the
    commit may belong to another repository.
    """
    is_named = found.ref != found.commit and not found.ref.startswith("refs/")
    if is_named or not RepositoryRule.objects.exists():
        return
    whose = project.owner_id if is_private(url) else None
    builds = Build.objects.filter(url=url, owner=whose, commit=found.commit)
    digest = hashlib.sha256(repr((url, found.commit, whose)).encode()).hexdigest()
    known = f"own-commit:{digest}"
    own = builds.exclude(ref=found.commit).exclude(ref__startswith="refs/")
    if cache.get(known) or own.exists():
        return
    require_reachable(url, found.commit, sshkey.fetch_identity(project, url))
    cache.set(known, True, _A_DAY)


@retry_after_deadlock
def _attach_build(
    session: Session, resolved: ResolvedRef, contents: Contents, content: ResolvedRef | None
) -> None:
    """Have the session wait for the build of its commit, or continue at once if one is finished.

    The build of another commit also serves if the two differ only in ``.resources``. ``contents``
    are those of the commit, and ``content`` is that of the project. Raises `UserError` or
    `QuotaExceeded` if there can be no such notebook.
    """
    kept = (
        None if session.force_build else _finished_build(session.project, resolved.commit, contents)
    )
    with transaction.atomic():
        mine = admission.lock(session.project.owner, excluding=session)
        only = session.build_only
        wanted, warnings = mine.admit_session(contents.resources, build_only=only)
        capacity.require_possible(wanted)
        build = (kept and _hold_image(kept)) or _active_build(session, resolved, contents, mine)
        if build is not None and _claim(session, build, wanted):
            _store_resolved(session.project, resolved, contents, content)
            notices = filter(
                None, [resolved.notice, contents.notice, content.notice if content else ""]
            )
            for said in (*notices, *warnings, *_reuse_message(build, resolved)):
                journal.record(session, Phase.WAITING, said)
            if build.state != BuildState.BUILT:
                _begin_build(session, build)
    if build is not None:
        observations.continue_sessions(build)  # each in a transaction of its own


def _store_resolved(
    project: Project, found: ResolvedRef, contents: Contents, content: ResolvedRef | None
) -> None:
    opened = found.path if project.is_content_optional or not content else content.path
    Project.objects.filter(pk=project.pk).update(
        provider=project.provider,
        url=project.url,
        commit=found.commit,
        ref=found.ref,
        path=opened,
        tail="",
        content_commit=content.commit if content else "",
        content_ref=content.ref if content else project.content_ref,
        content_tail="" if content and content.commit else project.content_tail,
        resources=storable(contents.resources),
        content=contents.content,
    )


def _reuse_message(build: Build, found: ResolvedRef) -> Iterator[str]:
    """Yield the message for a session whose build is of another commit."""
    if build.commit != found.commit:
        message = _(
            "Commit %(commit)s has the same files as commit %(other)s, except perhaps .resources, "
            "so no new build is needed: the notebook gets the environment and files of %(other)s, "
            "and the resources that %(commit)s asks for."
        )
        yield message % {"commit": short_commit(found.commit), "other": short_commit(build.commit)}


def _claim(session: Session, build: Build, wanted: Resources) -> bool:
    """Give the session this build; return False if it already had one, and change nothing then."""
    unclaimed = Session.objects.filter(pk=session.pk, state=SessionState.WAITING, build=None)
    return bool(unclaimed.update(build=build, code="", message="", **asdict(wanted)))


def _begin_build(session: Session, build: Build) -> None:
    message = _("Building the environment of commit %(commit)s.")
    message %= {"commit": short_commit(build.commit)}
    journal.record(session, Phase.FETCHING, message, build=build)
    enqueue("start_build", build.pk)
    previews.request(session.project_id)


def _hold_image(build: Build) -> Build | None:
    """Return the build, or None if its image has been dropped meanwhile.

    From now on the image stays, since `sessions.retention.images` looks at the same row and at who
    uses it.
    """
    kept = Build.objects.with_image().filter(pk=build.pk)
    return build if kept.update(used=timezone.now()) else None


def _finished_build(project: Project, commit: str, contents: Contents) -> Build | None:
    build = Build.objects.newest_built(project, commit, contents.content)
    if build and _is_absent(build.image):
        Build.objects.filter(pk=build.pk).update(dropped=True)
        return None
    return build


def _is_absent(image: str) -> bool:
    """Return whether the image is known to be gone.

    While nobody can tell, it counts as there: a machine may have it, and if not, the spawn says so.
    """
    try:
        return not get_backend().has_image(image)
    except TemporaryError:
        return False


def _active_build(
    session: Session, found: ResolvedRef, contents: Contents, mine: UserQuota
) -> Build | None:
    """Return the build in progress, or a new one.

    Return None if none can be started at present; the session then says why.
    """
    project = session.project
    content = "" if session.force_build else contents.content
    active = Build.objects.active().usable_by(project).with_content(found.commit, content)
    if build := active.select_for_update(no_key=True).first():
        return build
    if not mine.may_start_build():
        _wait(session, BUILD_LIMIT, _("Waiting for one of your other builds to finish."))
        return None
    if capacity.is_disk_nearly_full():
        _wait(session, NO_SPACE, capacity.no_space_message())
        return None
    try:
        with transaction.atomic():
            return Build.objects.create(
                owner=project.owner if project.is_private else None,
                archive=project.provider if is_archive(project.provider) else "",
                url=project.url,
                ref=found.ref,
                commit=found.commit,
                image=image_name(project.repository, found.commit),
                fresh=session.force_build,
                resources=storable(contents.resources),
                content=contents.content,
            )
    except IntegrityError:  # another launch inserted it first
        return active.filter(commit=found.commit).get()


def _wait(session: Session, code: str, message: str) -> None:
    """Record once why a build cannot be started yet. `prepare` is tried again."""
    waiting = Session.objects.filter(pk=session.pk, state=SessionState.WAITING, build=None)
    if waiting.exclude(code=code).update(code=code, message=message):
        journal.record(session, Phase.WAITING, message, code=code)
