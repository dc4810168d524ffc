"""Work out a notebook's resources: the repository's ``.resources`` within its owner's limits.

The repository's server is asked for the text once for each commit. Every build of that commit keeps
it, and so does every project at that commit.
"""

from __future__ import annotations

from dataclasses import dataclass

from quotas.limits import Limits
from quotas.resources import Resources, settle
from quotas.resourcesfile import MOST_BYTES, Asked, ResourcesRefused, parse
from sessions.errors import BinderyError, QuotaExceeded, UserError
from sessions.git import read_file
from sessions.git.resolve import Resolved
from sessions.models import Build, Project

from . import sshkey

NAME = ".resources"


@dataclass(frozen=True)
class Contents:
    """The contents of a commit: the text of its ``.resources``, and what identifies the rest.

    ``content`` is that of `Build`.
    """

    resources: str
    content: str = ""


def by_default(limits: Limits) -> Resources:
    """Return the resources of a notebook whose repository asks for nothing."""
    return settle(parse(b""), limits)


def known(project: Project, commit: str) -> Contents | None:
    """Return the stored contents of a commit, or None if nobody has read it yet.

    A private repository's commit counts as read only for those who may know it.
    """
    if not commit:
        return None
    if project.resources is not None and project.commit == commit:
        return Contents(project.resources, project.content)
    rows = Build.objects.of(project).filter(commit=commit, resources__isnull=False)
    row = rows.values_list("resources", "content").order_by("-id").first()
    return Contents(row[0] or "", row[1]) if row else None


def read(project: Project, found: Resolved) -> Contents:
    """Return the contents of a commit; ask the repository's server if they are not stored yet.

    Raises `UserError`, `QuotaExceeded` or `TemporaryError`.
    """
    return known(project, found.commit) or _asked(project, found)


def _asked(project: Project, found: Resolved) -> Contents:
    looked = read_file.look(
        project.url,
        found.commit,
        NAME,
        MOST_BYTES,
        found.ref,
        identity=sshkey.of(project.owner) if project.is_private else None,
    )
    file = looked.file
    if file is None or file.kind != "file":
        return Contents("", looked.rest)
    try:
        parse(file.content)
    except ResourcesRefused as refusal:
        raise _error(refusal) from None
    return Contents(file.content.decode(), looked.rest)


def expected(project: Project, limits: Limits) -> Resources:
    """Return the resources of the project's next notebook, as far as they are known.

    Nobody is asked for them. They are within the limits of the project's owner. Raises `UserError`
    or `QuotaExceeded` as `settled` does.
    """
    there = known(project, project.commit)
    return settled(there.resources if there else "", limits)[0]


def settled(text: str, limits: Limits) -> tuple[Resources, tuple[str, ...]]:
    """Return the resources for a person with these limits, and warnings for the log.

    ``text`` is the content of ``.resources``. Raises `UserError` if it is wrong, `QuotaExceeded` if
    it asks for more than the limits allow.
    """
    try:
        asked: Asked = parse(text.encode())
        return settle(asked, limits), asked.warnings
    except ResourcesRefused as refusal:
        raise _error(refusal) from None


def _error(refusal: ResourcesRefused) -> BinderyError:
    """Return the error for a file that is wrong, or that asks for more than this person may use."""
    if refusal.limit:
        return QuotaExceeded(
            refusal.code,
            refusal.message,
            name=refusal.limit,
            asked=refusal.asked,
            allowed=refusal.allowed,
            line=refusal.line,
        )
    return UserError(refusal.code, refusal.message, line=refusal.line)
