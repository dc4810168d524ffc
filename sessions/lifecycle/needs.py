"""What a notebook will be given: the repository's ``.resources`` within its owner's limits.

The text is asked of the repository's server once for each commit; every build of that commit
keeps it.
"""

from __future__ import annotations

from portal.models import User
from quotas.limits import Limits, limits_of
from quotas.resources import Resources, settle
from quotas.resourcesfile import MOST_BYTES, Asked, ResourcesRefused, parse
from sessions import gitfile
from sessions.errors import BinderyError, QuotaExceeded, UserError
from sessions.gitremote import Resolved
from sessions.lifecycle import sshkey
from sessions.models import Build, Project

NAME = ".resources"


def by_default(limits: Limits) -> Resources:
    """What a notebook gets whose repository asks for nothing."""
    return settle(parse(b""), limits)


def known(project: Project, commit: str) -> str | None:
    """The file's text at a commit, None where it was never read for those who may know."""
    rows = Build.objects.of(project).filter(commit=commit, resources__isnull=False)
    return rows.values_list("resources", flat=True).order_by("-id").first()


def read(project: Project, found: Resolved) -> str:
    """The file's text at a commit; asks the repository's server where nobody has yet.

    Raises `UserError`, `QuotaExceeded` or `TemporaryError`.
    """
    text = known(project, found.commit)
    if text is not None:
        return text
    file = gitfile.read(
        project.url,
        found.commit,
        NAME,
        MOST_BYTES,
        found.ref,
        identity=sshkey.of(project.owner) if project.is_private else None,
    )
    if file is None or file.kind != "file":
        return ""
    try:
        parse(file.content)
    except ResourcesRefused as refusal:
        raise _error(refusal) from None
    return file.content.decode()


def expected(project: Project) -> Resources:
    """What the project's next notebook will get, as far as is known without asking anybody.

    Raises `UserError` or `QuotaExceeded` as `settled` does.
    """
    return settled(known(project, project.commit) or "", project.owner)[0]


def settled(text: str, owner: User) -> tuple[Resources, tuple[str, ...]]:
    """The resources that follow from the file for this person, and warnings for the log."""
    try:
        asked: Asked = parse(text.encode())
        return settle(asked, limits_of(owner)), asked.warnings
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
