"""Decide whether a person's limits leave room for a notebook, and with which resources.

A notebook gets what the repository's ``.resources`` asks for, within its owner's limits. The
repository's server is asked for the text once for each commit. Every build of that commit keeps it,
and so does every project at that commit.

`quotas.limits` locks and compares; this module counts what a person has in use, and says which
projects hold what.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import BigIntegerField, Count, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from portal.lib.db import CompiledQuery, Param
from portal.models import User
from quotas.fields import FIELDS
from quotas.limits import (
    Limits,
    Shortage,
    Usage,
    limits_of,
    lock_person,
    notebook_shortage,
    project_shortage,
)
from quotas.profiles import Profile, with_title
from quotas.resources import Resources, compute_resources
from quotas.resourcesfile import MAX_BYTES, ResourcesRefused, parse
from sessions.errors import BinderyError, QuotaExceeded, TemporaryError, UserError
from sessions.git import archive, read_file
from sessions.git.resolve import ResolvedRef
from sessions.models import Build, Project, Session
from sessions.providers import is_archive
from sessions.repofiles.configuration import encoding
from sessions.states import BUILD_ACTIVE, SessionState

from . import sshkey

FILE_NAME = ".resources"
NOTHING = Resources(0, 0, 0, 0)
"""The resources of a session that only builds: it has no notebook."""
UNREAD = gettext_noop(
    "The archive's files are too large to look for .resources in them before the build, so the "
    "notebook gets the usual resources."
)


@dataclass(frozen=True)
class Contents:
    """The contents of a commit: the text of its ``.resources``, and what identifies the rest.

    ``content`` is that of `Build`. ``notice`` is a sentence about what was not read; "" if all was.
    """

    resources: str
    content: str = ""
    notice: str = ""


def default_resources(limits: Limits, profiles: Iterable[Profile] = ()) -> Resources:
    """Return the resources of a notebook whose repository asks for nothing."""
    return with_title(compute_resources(parse(b""), limits), profiles)


def stored_contents(project: Project, commit: str) -> Contents | None:
    """Return the stored contents of a commit, or None if nobody has read it yet.

    A private repository's commit counts as read only for those who may know it.
    """
    if not commit:
        return None
    if project.resources is not None and project.commit == commit:
        return Contents(project.resources, project.content)
    rows = Build.objects.usable_by(project).filter(commit=commit, resources__isnull=False)
    row = rows.values_list("resources", "content").order_by("-id").first()
    return Contents(row[0] or "", row[1]) if row else None


def read_contents(project: Project, found: ResolvedRef) -> Contents:
    """Return the contents of a commit; ask the repository's server if they are not stored yet.

    Raises `UserError`, `QuotaExceeded` or `TemporaryError`.
    """
    if stored := stored_contents(project, found.commit):
        return stored
    try:
        result = _read_entry(project, found)
    except TemporaryError as error:
        if error.code != archive.TIMEOUT:
            raise
        return Contents("", notice=_(UNREAD))
    file = result.entry
    if file is not None and file.kind == "link":
        message = _(
            "The file .resources is a symbolic link, so what it asks for was not read. Replace it "
            "with a plain file."
        )
        raise UserError("resources.link", message)
    if file is None or file.kind != "file":
        return Contents("", result.rest_digest)
    content = _in_utf8(file.content)
    try:
        parse(content)
    except ResourcesRefused as refusal:
        raise _error(refusal) from None
    return Contents(content.decode("utf-8-sig"), result.rest_digest)


def _read_entry(project: Project, found: ResolvedRef) -> read_file.EntryAndRest:
    if is_archive(project.provider):
        return archive.read_entry(project.provider, project.url, found.commit, MAX_BYTES)
    identity = sshkey.fetch_identity(project)
    return read_file.read_entry(
        project.url, found.commit, FILE_NAME, MAX_BYTES, found.ref, identity=identity
    )


def _in_utf8(content: bytes) -> bytes:
    """Return a file in UTF-8; what is no text, or too long to be read, stays as it is."""
    try:
        return encoding.decode(content).encode() if len(content) <= MAX_BYTES else content
    except encoding.UndecodableText:
        return content


def expected_text(project: Project) -> str:
    """Return the ``.resources`` of the project's next start, "" if nobody has read it yet."""
    there = stored_contents(project, project.commit)
    return there.resources if there else ""


def resources_text(project: Project, build: Build) -> str:
    """Return the project's own ``.resources``; the build's commit may have others."""
    return (build.resources if project.resources is None else project.resources) or ""


def resources_notes(project: Project, build: Build) -> tuple[str, ...]:
    """Return what the project's ``.resources`` says in vain, in sentences."""
    try:
        return parse(resources_text(project, build).encode()).warnings
    except ResourcesRefused:  # the launch has ended with that
        return ()


def _error(refusal: ResourcesRefused) -> BinderyError:
    """Return the error for a file that is wrong, or that asks for more than this person may use."""
    if refusal.limit:
        return QuotaExceeded(
            refusal.code,
            refusal.message,
            name=refusal.limit,
            asked=refusal.requested,
            allowed=refusal.allowed,
            line=refusal.line,
        )
    return UserError(refusal.code, refusal.message, line=refusal.line)


CODES = {
    "projects": "quota.projects",
    "running": "quota.running",
    "total_cpu": "quota.cpu",
    "total_memory_gb": "quota.memory",
    "total_gpu": "quota.gpu",
}


@dataclass(frozen=True)
class UserQuota:
    """A person's limits and what they have in use.

    If it comes from `lock`, nothing in it changes before the end of the transaction, which inserts
    what is admitted.
    """

    user: User
    limits: Limits
    usage: Usage

    def admit_project(self, *, again: bool = False) -> None:
        """Admit one more project. Raises `QuotaExceeded` if there is no room.

        ``again`` says that it is a deleted project to be restored.
        """
        _require(project_shortage(self.limits, self.usage), self.user, again=again)

    def admit_notebook(self, text: str) -> tuple[Resources, tuple[str, ...]]:
        """Admit a notebook; return its resources, and warnings for the log.

        ``text`` is the content of the repository's ``.resources``. Raises `UserError` if it is
        wrong, `QuotaExceeded` if it asks for more than one notebook may have or there is no room.
        """
        try:
            requested = parse(text.encode())
            wanted = compute_resources(requested, self.limits)
            line = requested.lines.get("gputype", 0)
            profile = Profile.objects.choose(self.user, wanted, line)
        except ResourcesRefused as refusal:
            raise _error(refusal) from None
        _require(notebook_shortage(self.limits, self.usage, wanted), self.user)
        return with_title(wanted, [profile] if profile else ()), requested.warnings

    def admit_session(self, text: str, *, build_only: bool) -> tuple[Resources, tuple[str, ...]]:
        """Admit a notebook like `admit_notebook`; a session that only builds needs no room."""
        return (NOTHING, ()) if build_only else self.admit_notebook(text)

    def may_start_build(self) -> bool:
        """Return whether one more build may be started for the person."""
        waiting = Session.objects.filter(project__owner=self.user, state=SessionState.WAITING)
        builds = waiting.filter(build__state__in=BUILD_ACTIVE).values("build").distinct()
        return builds.count() < self.limits.builds


def lock(user: User, excluding: Session | None = None) -> UserQuota:
    """Return the person's room and lock it until the end of the transaction; others who ask wait.

    ``excluding`` is a session that is counted already and that is now asked about itself.
    """
    lock_person(user.pk)
    return UserQuota(user, limits_of(user), usage_of(user, excluding))


def start_refusal(project: Project) -> QuotaExceeded | None:
    """Return why the project's notebook could not be started now, or None if it could.

    For a deleted project, return why it could not be restored. This is for a page: nothing is
    locked.
    """
    try:
        mine = UserQuota(project.owner, limits_of(project.owner), usage_of(project.owner))
        if project.removed:
            mine.admit_project(again=True)
        else:
            mine.admit_notebook(expected_text(project))
    except QuotaExceeded as error:
        return error
    except UserError:
        pass  # its own failure reports that
    return None


def usage_of(user: User, excluding: Session | None = None) -> Usage:
    """Return what the person has in use now. A notebook that is being stopped no longer counts."""
    apart = excluding.pk if excluding else 0
    usages = _by_owner(_PROJECTS(owner=user.pk), _HELD(owner=user.pk, apart=apart))
    return usages.get(user.pk, Usage())


def usage_of_many(users: Collection[User]) -> dict[int, Usage]:
    """Return what each of many people has in use, by their primary keys, in two queries."""
    usages = _by_owner(_projects(owner__in=users), _held(project__owner__in=users))
    return {user.pk: usages.get(user.pk, Usage()) for user in users}


def _by_owner(projects: Iterable[Any], held: Iterable[Any]) -> dict[int, Usage]:
    usages = {owner: Usage(projects=number) for owner, number in projects}
    for owner, *figures in held:
        usages[owner] = replace(
            usages.get(owner, Usage()), **dict(zip(_FIGURES, figures, strict=True))
        )
    return usages


def _projects(**whose: Any) -> QuerySet[Project, Any]:
    rows = Project.objects.existing().filter(**whose).values("owner")
    return rows.annotate(number=Count("pk")).values_list("owner", "number")


def _held(**whose: Any) -> QuerySet[Session, Any]:
    rows = Session.objects.holding_resources().filter(**whose).values("project__owner")
    return rows.annotate(**_FIGURES).values_list("project__owner", *_FIGURES)


_FIGURES: dict[str, Any] = {
    "running": Count("pk"),
    "cpu": Sum("cpu_request"),
    "memory_gb": Sum("memory_request_gb"),
    "gpu": Sum("gpu"),
}
_OWNER, _APART = Param("owner", BigIntegerField()), Param("apart", BigIntegerField())
_PROJECTS = CompiledQuery(lambda: _projects(owner=_OWNER))
_HELD = CompiledQuery(lambda: _held(project__owner=_OWNER).exclude(pk=_APART))


def projects_holding(user: User, code: str) -> QuerySet[Project]:
    """Return the projects that hold what a refusal with this code is about; none for others."""
    mine = Project.objects.existing().filter(owner=user).select_related("owner", "current__build")
    if code == CODES["projects"]:
        return mine.order_by("last_activity")
    if code not in CODES.values():
        return mine.none()
    running = mine.filter(current__in=Session.objects.holding_resources()).order_by("last_activity")
    return running.filter(current__gpu__gt=0) if code == CODES["total_gpu"] else running


def _require(shortage: Shortage | None, user: User, *, again: bool = False) -> None:
    if shortage is None:
        return
    code = CODES[shortage.limit]
    raise QuotaExceeded(
        code,
        shortage_message(shortage, again=again),
        limit=shortage.allowed,
        in_use=shortage.in_use,
        asked=shortage.requested,
        name=shortage.limit,
        projects=[_holder(each) for each in projects_holding(user, code)],
    )


def shortage_message(shortage: Shortage, *, again: bool = False) -> str:
    """Say what is short and how to make room; ``again`` is for a project that is to be restored."""
    allowed, in_use = f"{shortage.allowed:g}", f"{shortage.in_use:g}"
    values = {"allowed": allowed, "in_use": in_use, "requested": f"{shortage.requested:g}"}
    if shortage.limit == "projects" and again:
        template = ngettext(
            "You have %(in_use)s of %(allowed)s project. Delete one to restore another.",
            "You have %(in_use)s of %(allowed)s projects. Delete one to restore another.",
            int(shortage.allowed),
        )
    elif shortage.limit == "projects":
        template = ngettext(
            "You have %(in_use)s of %(allowed)s project. Delete one to launch another.",
            "You have %(in_use)s of %(allowed)s projects. Delete one to launch another.",
            int(shortage.allowed),
        )
    elif shortage.limit == "running":
        template = ngettext(
            "You have %(in_use)s of %(allowed)s notebook running. Stop one to start another.",
            "You have %(in_use)s of %(allowed)s notebooks running. Stop one to start another.",
            int(shortage.allowed),
        )
    else:
        values["unit"] = str(FIELDS[shortage.limit].unit)
        template = _(
            "This notebook needs %(requested)s %(unit)s, and your running notebooks already use "
            "%(in_use)s of your %(allowed)s %(unit)s. Stop one of them, or ask for more."
        )
    return template % values


def _holder(project: Project) -> dict[str, Any]:
    return {"name": project.name, "repository": project.repository, "state": project.state}
