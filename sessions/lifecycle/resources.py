"""What a notebook will be given: the repository's ``.resources`` within its owner's limits.

The text is asked of the repository's server once for each commit; every build of that commit
keeps it, and every project that stands there.
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
    """What a commit holds: the text of its ``.resources``, and what the rest of it is known by
    (`Build.content`)."""

    resources: str
    content: str = ""


def by_default(limits: Limits) -> Resources:
    """What a notebook gets whose repository asks for nothing."""
    return settle(parse(b""), limits)


def known(project: Project, commit: str) -> Contents | None:
    """What a commit holds, None where it was never read for those who may know."""
    if not commit:
        return None
    if project.resources is not None and project.commit == commit:
        return Contents(project.resources, project.content)
    rows = Build.objects.of(project).filter(commit=commit, resources__isnull=False)
    row = rows.values_list("resources", "content").order_by("-id").first()
    return Contents(row[0] or "", row[1]) if row else None


def read(project: Project, found: Resolved) -> Contents:
    """What a commit holds; asks the repository's server where nobody has yet.

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
    """What the project's next notebook will get within its owner's limits, as far as is known
    without asking anybody.

    Raises `UserError` or `QuotaExceeded` as `settled` does.
    """
    there = known(project, project.commit)
    return settled(there.resources if there else "", limits)[0]


def settled(text: str, limits: Limits) -> tuple[Resources, tuple[str, ...]]:
    """The resources that follow from the file for a person of these limits, and warnings for the
    log."""
    try:
        asked: Asked = parse(text.encode())
        return settle(asked, limits), asked.warnings
    except ResourcesRefused as refusal:
        raise _error(refusal) from None


def _error(refusal: ResourcesRefused) -> BinderyError:
    """What the file asks for is wrong, or more than this person may have."""
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
