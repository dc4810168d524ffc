"""Export everything that the portal knows about a person, for that person, as files of an archive.

Each row is a line of JSON. Only the columns named here go out, so a secret that is added to a model
stays inside. ``ExportFile.covers`` lists the columns that a file covers: a test checks that each
column that leads to a person is in a file or in `EXCLUDED_COLUMNS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from auditlog.models import LogEntry
from axes.models import AccessAttempt
from django.contrib.admin.models import LogEntry as AdminEntry
from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from keys.models import KeyPair, KnownHost, Token
from portal.lib import streaming
from portal.lib.zipping import File, zip_pieces
from portal.models import Letter, SignIn, UsedName, User
from quotas.limits import effective_of
from quotas.models import Grant, LimitRequest, LimitSet
from sessions.models import (
    Access,
    Build,
    Event,
    Idempotency,
    LogChunk,
    Project,
    Session,
    Transition,
)


@dataclass(frozen=True)
class ExportFile:
    """A file of the archive: its title in words, its rows and their columns."""

    name: str
    title: str
    rows: Callable[[User], QuerySet[Any]]
    columns: tuple[str, ...]
    covers: tuple[str, ...] = ()


def _rows_of(model: Any, way: str = "user") -> Callable[[User], QuerySet[Any]]:
    return lambda user: model._default_manager.filter(**{way: user}).order_by("pk")


def _audit_about(user: User) -> QuerySet[Any]:
    """Return audit entries about the person's row, limits and grants."""
    own = Q(content_type=ContentType.objects.get_for_model(User), object_id=user.pk)
    entries: QuerySet[Any] = LogEntry.objects.filter(own | Q(additional_data__user=user.pk))
    return entries.order_by("pk")


def _builds(user: User) -> QuerySet[Any]:
    """Return their private builds, and the shared builds that they have used."""
    ids = Session.objects.filter(project__owner=user).values("build")
    return Build.objects.filter(Q(pk__in=ids, owner=None) | Q(owner=user)).order_by("pk")


_DONE = ("timestamp", "action", "content_type__model", "object_repr")
_BUILD = ("id", "url", "ref", "commit", "image", "state", "pack", "code", "message",
          "created", "started", "finished", "owner__username")  # fmt: skip
_SESSION = ("id", "project__name", "build", "state", "cpu_request", "cpu_limit",
            "memory_request_gb", "memory_limit_gb", "gpu", "gpu_type", "runs_on", "code", "message",
            "safe_mode", "created", "ready", "ended")  # fmt: skip

EXPORT_FILES = (
    ExportFile("account", "your account: who you are, and how you sign in",
               lambda user: User.objects.filter(pk=user.pk),
               ("username", "first_name", "last_name", "email", "issuer", "subject", "claimed",
                "vouched_until", "is_active", "is_staff", "is_superuser", "date_joined",
                "last_login", "signed_out", "password_given", "password_chosen", "volume")),
    ExportFile("names", "names that you have or had here", _rows_of(UsedName),
               ("name", "since"), ("portal.UsedName.user",)),
    ExportFile("groups", "your groups", lambda user: user.groups.order_by("name"),
               ("name",), ("portal.User_groups.user",)),
    ExportFile("permissions", "permissions given to you personally",
               lambda user: user.user_permissions.order_by("pk"),
               ("content_type__app_label", "codename"), ("portal.User_user_permissions.user",)),
    ExportFile("limits-set", "limits set for you personally", _rows_of(LimitSet),
               tuple(field.name for field in LimitSet._meta.fields if field.name not in
                     {"id", "user", "group"}), ("quotas.LimitSet.user",)),
    ExportFile("grants", "higher limits granted to you for a time", _rows_of(Grant),
               ("limit", "value", "until", "reason", "given_by__username", "created"),
               ("quotas.Grant.user",)),
    ExportFile("requests", "your requests for higher limits", _rows_of(LimitRequest),
               ("limit", "value", "until", "why", "state", "created", "answer",
                "answered_by__username", "answered_at", "seen"), ("quotas.LimitRequest.user",)),
    ExportFile("letters", "emails to you", _rows_of(Letter, "to"),
               ("subject", "text", "created", "sent"), ("portal.Letter.to",)),
    ExportFile("projects", "your projects, including deleted ones", _rows_of(Project, "owner"),
               ("name", "provider", "repository", "ref", "commit", "path", "urlpath",
                "content_repository", "content_ref", "content_commit", "created",
                "last_activity", "removed", "drops"), ("notebook_sessions.Project.owner",)),
    ExportFile("sessions", "each run of your notebooks",
               _rows_of(Session, "project__owner"), _SESSION),
    ExportFile("transitions", "how each of these runs changed state",
               _rows_of(Transition, "session__project__owner"),
               ("session", "before", "after", "by", "why", "at")),
    ExportFile("events", "messages on your projects' pages",
               _rows_of(Event, "project__owner"),
               ("project__name", "session", "seq", "phase", "message", "code", "at")),
    ExportFile("builds", "builds of your notebooks’ environments", _builds, _BUILD,
               ("notebook_sessions.Build.owner",)),
    ExportFile("tokens", "your tokens, without their secrets", _rows_of(Token),
               ("name", "start", "scope", "created", "last_used", "expires"), ("keys.Token.user",)),
    ExportFile("ssh-key", "your SSH key's public half", _rows_of(KeyPair),
               ("public", "fingerprint", "created"), ("keys.KeyPair.user",)),
    ExportFile("ssh-servers", "SSH servers that you were the first to use",
               _rows_of(KnownHost, "first_user"),
               ("host", "fingerprint", "first_used"), ("keys.KnownHost.first_user",)),
    ExportFile("sign-ins", "your current sign-ins with an identity provider", _rows_of(SignIn),
               ("provider", "created", "refreshed", "due"), ("portal.SignIn.user",)),
    ExportFile("attempts", "recent failed sign-ins with your name",
               lambda user: AccessAttempt.objects.filter(username=user.username).order_by("pk"),
               ("attempt_time", "ip_address", "user_agent", "failures_since_start")),
    ExportFile("notebooks-open", "browsers that may open your notebooks", _rows_of(Access),
               ("project__name", "created"), ("notebook_sessions.Access.user",)),
    ExportFile("repeated-requests", "API requests that can be safely repeated",
               _rows_of(Idempotency),
               ("key", "status", "created"), ("notebook_sessions.Idempotency.user",)),
    ExportFile("changes-about-you", "changes to your account, limits and grants, and who made them",
               _audit_about, (*_DONE, "actor__username", "changes")),
    ExportFile("changes-by-you", "changes that you made", _rows_of(LogEntry, "actor"), _DONE,
               ("auditlog.LogEntry.actor",)),
    ExportFile("deeds-in-the-admin", "your actions in the admin", _rows_of(AdminEntry),
               ("action_time", "content_type__model", "object_repr", "change_message"),
               ("admin.LogEntry.user",)),
)  # fmt: skip

EXCLUDED_COLUMNS = {
    "quotas.Grant.given_by": "what staff gave to others is in the audit: changes-by-you",
    "quotas.LimitRequest.answered_by": "the request is the other person's; see deeds-in-the-admin",
    "portal.Erasure.person": "their erasure is in progress: they can no longer sign in",
    "notebook_sessions.Preview.owner": "a copy of a repository's file, which is kept for a day",
    "portal.Erasure.by": "about somebody else, so it is not disclosed",
}
"""Columns that lead to a person and are in no part, and why."""


def archive(user: User) -> StreamingHttpResponse:
    """Return everything about the person as a ZIP, sent while it is read."""
    today = timezone.localdate().isoformat()
    return streaming.zip_response(f"bindery-{today}.zip", zip_pieces(files(user)))


def files(user: User) -> Iterator[File]:
    """Yield the archive's files one by one; nothing is read before it is asked for."""
    yield "README.txt", [_readme(user)]
    for part in EXPORT_FILES:
        yield f"{part.name}.jsonl", _lines(part.rows(user).values(*part.columns).iterator(500))
    found = ({"limit": name, **asdict(limit)} for name, limit in effective_of(user).items())
    yield "limits.jsonl", _lines(found)
    for pk in Build.objects.filter(owner=user).order_by("pk").values_list("pk", flat=True):
        yield f"logs/build-{pk}.txt", _log(pk)


def _lines(rows: Iterable[Any]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False) + "\n"


def _log(build_id: int) -> Iterator[str]:
    texts = LogChunk.objects.filter(build=build_id).order_by("seq").values_list("text", flat=True)
    for text in texts.iterator(100):
        yield f"{text}\n"


def _readme(user: User) -> str:
    parts = "".join(f"{part.name}.jsonl: {part.title}\n" for part in EXPORT_FILES)
    return (
        f"Everything this portal knows about {user.username}.\n\n"
        "Each .jsonl file has one JSON object a line; times are in UTC. Secrets are not included:\n"
        "the portal never gives out tokens, passwords or the private half of your SSH key. Your\n"
        "own files are not included: you find them in your notebooks, in your own folder.\n\n"
        f"{parts}limits.jsonl: your current limits, and where each comes from\n"
        "logs/: the build logs of your private repositories\n"
    )
