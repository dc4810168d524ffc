"""Admin of builds: their pack, duration and log, and who waits for them."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.models import User
from portal.templatetags.bindery import ago, breakable_address
from sessions import lifecycle
from sessions.admin import display, filters
from sessions.admin.bulk_action import BulkAction, ReadOnlyAdmin
from sessions.admin.display import transition_entries
from sessions.errors import StateConflict
from sessions.models import Build, LogChunk, Project, Removal, RemovalKind, Session
from sessions.models.project import ACT_PERMISSION
from sessions.names import short_commit
from sessions.progress import journal
from sessions.states import BUILD_ACTIVE, BuildState, SessionState

MAX_LOG_CHUNKS = 100
MAX_SESSIONS = 100
MAX_NAMED_USERS = 20


def cancel_effect(build: Build) -> str:
    """Return what cancelling does to the build; "" if nothing."""
    if build.state not in BUILD_ACTIVE:
        return ""
    return _("The build stops, and every launch waiting for it fails.")


def rebuild(build: Build, user: User) -> None:
    """Rebuild the projects whose launch failed with this build.

    Raises `StateConflict` if there are none.
    """
    projects = list(failed_projects(build))
    if not projects:
        raise StateConflict("build.state", _("No project has been waiting since it failed."))
    for project in projects:
        lifecycle.rebuild(project, user)


def rebuild_effect(build: Build) -> str:
    """Return what rebuilding does for the build's projects; "" if nothing."""
    if build.state in BUILD_ACTIVE or not failed_projects(build).exists():
        return ""
    return _("Projects whose launch failed because of it are rebuilt and started.")


def failed_projects(build: Build) -> QuerySet[Project]:
    """Return the projects whose launch failed with the build and that still exist."""
    failed = Project.objects.existing().filter(current__build=build)
    return failed.in_state(SessionState.FAILED).select_related("owner", "current__build")


def waiting_usernames(build: Build) -> set[str]:
    """Return the usernames of those who wait for the build, or whose launch failed with it."""
    waiting = build.sessions.filter(state=SessionState.WAITING)
    names = set(waiting.values_list("project__owner__username", flat=True))
    return names or {project.owner.username for project in failed_projects(build)}


@admin.register(Build)
class BuildAdmin(ReadOnlyAdmin[Build]):
    """The list of builds, and the page of one with its log, history and sessions."""

    list_display = (
        "number",
        "repository_and_commit",
        "state_badge",
        "pack",
        "created_ago",
        "duration",
        "waiting",
        "reason",
    )
    list_filter = (
        ("state", filters.ChoicesFilter),
        filters.BuildCodeFilter,
        ("fresh", filters.BooleanFilter),
        ("created", filters.DateFilter),
        ("finished", filters.DateFilter),
    )
    search_fields = ("url", "^commit", "^image")
    search_help_text = gettext_lazy("Repository, commit or image")
    ordering = ("-pk",)
    actions = ("export",)
    bulk_actions = (
        BulkAction(
            "cancel",
            gettext_lazy("Cancel"),
            "notebook_sessions.cancel_build",
            lifecycle.cancel_build,
            cancel_effect,
            waiting_usernames,
            True,
        ),
        BulkAction(
            "rebuild",
            gettext_lazy("Rebuild"),
            ACT_PERMISSION,
            rebuild,
            rebuild_effect,
            waiting_usernames,
        ),
    )
    columns = (
        ("id", lambda build: build.pk),
        ("repository", lambda build: build.url),
        ("private_to", lambda build: build.owner.username if build.owner else ""),
        ("ref", lambda build: build.ref),
        ("commit", lambda build: build.commit),
        ("state", lambda build: build.state),
        ("pack", lambda build: build.pack),
        ("without_cache", lambda build: build.fresh),
        ("attempts", lambda build: build.attempts),
        ("created", lambda build: build.created),
        ("started", lambda build: build.started),
        ("finished", lambda build: build.finished),
        ("code", lambda build: build.code),
        ("message", lambda build: build.public_message),
        ("image", lambda build: build.image),
    )
    fields = (
        ("repository", "private_to"),
        ("ref", "commit"),
        ("state_badge", "pack", "fresh"),
        ("created", "started", "finished"),
        ("duration", "attempts"),
        "waiting_users",
        ("code", "error"),
        ("image", "digest", "image_size"),
        ("used", "image_status"),
        "resources_text",
    )
    readonly_fields = (
        "error",
        "resources_text",
        "repository",
        "private_to",
        "state_badge",
        "duration",
        "waiting_users",
        "image_size",
        "image_status",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Build]:
        waiting = Session.objects.filter(build=OuterRef("pk"), state=SessionState.WAITING)
        count = waiting.order_by().values("build").annotate(n=Count("pk")).values("n")
        rows = super().get_queryset(request).select_related("owner")
        return rows.annotate(waiting=Coalesce(Subquery(count, output_field=IntegerField()), 0))

    @admin.display(description=gettext_lazy("build"), ordering="pk")
    def number(self, build: Build) -> int:
        """Return the build's id."""
        return build.pk

    @admin.display(description=gettext_lazy("repository and commit"), ordering="url")
    def repository_and_commit(self, build: Build) -> SafeString:
        """Return the repository, which links to the build's page, above the short commit."""
        return display.stacked(
            display.link(build, self.repository(build)), short_commit(build.commit)
        )

    @admin.display(description=gettext_lazy("repository"))
    def repository(self, build: Build) -> SafeString:
        """Return the repository's address, with places where a line may break."""
        return breakable_address(build.url)

    @admin.display(description=gettext_lazy("private to"))
    def private_to(self, build: Build) -> SafeString | str:
        """Return a link to the owner of a private build; "" for a shared one."""
        return display.link(build.owner, build.owner.username) if build.owner else ""

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_badge(self, build: Build) -> SafeString:
        """Return the state, coloured."""
        return display.state_badge(build)

    @admin.display(description=gettext_lazy("begun"), ordering="created")
    def created_ago(self, build: Build) -> SafeString | str:
        """Return how long ago the build began."""
        return ago(build.created)

    @admin.display(description=gettext_lazy("took"))
    def duration(self, build: Build) -> SafeString | str:
        """Return how long the build took, with the column's name for narrow screens."""
        return display.labelled(_("took"), display.build_duration(build))

    @admin.display(description=gettext_lazy("waiting"))
    def waiting(self, build: Any) -> SafeString | str:
        """Return the number of sessions that wait for it, as a link to them; "" if none do."""
        if not build.waiting:
            return ""
        count = display.link_to_list("session", build.waiting, build__id__exact=build.pk)
        return display.labelled(_("waiting"), count)

    @admin.display(description=gettext_lazy("why it ended"), ordering="code")
    def reason(self, build: Build) -> SafeString | str:
        """Return why the build ended."""
        return display.reason(build)

    @admin.display(description=gettext_lazy("error"))
    def error(self, build: Build) -> str:
        """Return the message that the owner of a project sees."""
        return build.public_message

    @admin.display(description=gettext_lazy("resources"))
    def resources_text(self, build: Build) -> str:
        """Return the repository's ``.resources``; "" for a private one: that is its owner's."""
        return (build.resources or "") if build.owner_id is None else ""

    @admin.display(description=gettext_lazy("used by"))
    def waiting_users(self, build: Build) -> str:
        """Return the usernames of those who wait for it, the first few in alphabetical order."""
        names = sorted(waiting_usernames(build))
        return ", ".join(names[:MAX_NAMED_USERS]) + (" …" if len(names) > MAX_NAMED_USERS else "")

    @admin.display(description=gettext_lazy("image size"))
    def image_size(self, build: Build) -> str:
        """Return the size of the image for people; "" if unknown."""
        return filesizeformat(build.size) if build.size else ""

    @admin.display(description=gettext_lazy("image"))
    def image_status(self, build: Build) -> str:
        """Return whether the image is there, or why it is gone."""
        if build.state != BuildState.BUILT or not build.dropped:
            return _("there") if build.state == BuildState.BUILT else ""
        removal = Removal.objects.filter(kind=RemovalKind.IMAGE, name=build.image).first()
        if removal is None:
            return _("gone: it was missing when someone needed it")
        words = {"when": date_format(removal.at, "DATE_FORMAT"), "why": removal.why}
        return _("gone, removed on %(when)s: %(why)s") % words

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.log_text)
        return [path("<int:pk>/log.txt", view, name="build_log"), *super().get_urls()]

    def log_text(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Serve the whole log as plain text; only the owner gets that of a private repository.

        Raises `Http404` for everyone else.
        """
        user = cast(User, request.user)
        build = Build.objects.visible_to(user).filter(pk=pk).first()
        if build is None or not build.shows_log_to(user):
            raise Http404
        return StreamingHttpResponse(
            journal.log_text(pk),
            content_type="text/plain; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="build-{pk}.log.txt"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return the history, sessions and log that the build's page shows, as far as allowed."""
        shows_log = row.shows_log_to(request.user)
        chunks = LogChunk.objects.filter(build=row) if shows_log else LogChunk.objects.none()
        newest = chunks.order_by("-seq")[:MAX_LOG_CHUNKS]
        return {
            "timeline": transition_entries(Q(build=row)),
            **display.sessions_context(row, cast(User, request.user), MAX_SESSIONS),
            "shows_log": shows_log,
            "lines": "\n".join(chunk.text for chunk in reversed(newest)),
            "is_active": row.state in BUILD_ACTIVE,
        }
