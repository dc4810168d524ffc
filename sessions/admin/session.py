"""Admin of sessions: what ran where, with which resources, how long it took, and why it ended."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.models import User
from portal.templatetags.bindery import ago, breakable_address, resources
from sessions import lifecycle
from sessions.admin import display, filters
from sessions.admin.bulk_action import BulkAction, ReadOnlyAdmin
from sessions.admin.display import transition_entries
from sessions.admin.filters import rows_in_any
from sessions.admin.project import stop_effect
from sessions.errors import StateConflict
from sessions.models import Project, Session
from sessions.models.project import ACT_PERMISSION
from sessions.states import SESSION_LIVE


def stop(session: Session, user: User) -> Project:
    """Stop the project's notebook, if it is this session's and not a later one's.

    Raises `StateConflict` if the session is over.
    """
    if not Session.objects.live().filter(pk=session.pk).exists():
        message = gettext("It has already ended, so there is nothing to stop.")
        raise StateConflict("session.state", message)
    return lifecycle.stop(session.project, user)


def session_stop_effect(session: Session) -> str:
    """Return what stopping does to the session; "" if nothing."""
    return stop_effect(session.project) if session.state in SESSION_LIVE else ""


def owner_usernames(session: Session) -> set[str]:
    """Return the username of the project's owner, as a set."""
    return {session.project.owner.username}


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin[Session]):
    """The list of sessions, and the page of one with its history."""

    list_display = (
        "number",
        "project_and_owner",
        "state_badge",
        "resources_and_node",
        "created_ago",
        "time_to_ready",
        "duration",
        "reason",
    )
    list_filter = (
        filters.LiveFilter,
        ("state", filters.ChoicesFilter),
        filters.CodeFilter,
        ("created", filters.DateFilter),
        ("ended", filters.DateFilter),
        filters.GpuFilter,
        filters.SessionOwnerGroupFilter,
    )
    list_select_related = ("project__owner", "project__current__build", "build")
    linked_by = ("project__id__exact", "build__id__exact", "code__exact")
    search_fields = ("=node",)
    search_help_text = _("Project, repository, person, or full machine name")
    ordering = ("-pk",)
    actions = ("export",)
    bulk_actions = (
        BulkAction("stop", _("Stop"), ACT_PERMISSION, stop, session_stop_effect, owner_usernames),
    )
    columns = (
        ("id", lambda session: session.pk),
        ("project", lambda session: session.project.name),
        ("owner", lambda session: session.project.owner.username),
        ("repository", lambda session: session.project.repository),
        ("state", lambda session: session.state),
        ("cpu_request", lambda session: session.cpu_request),
        ("cpu_limit", lambda session: session.cpu_limit),
        ("memory_request_gb", lambda session: session.memory_request_gb),
        ("memory_limit_gb", lambda session: session.memory_limit_gb),
        ("gpu", lambda session: session.gpu),
        ("gpu_type", lambda session: session.gpu_type),
        ("runs_on", lambda session: session.runs_on),
        ("node", lambda session: session.node),
        ("created", lambda session: session.created),
        ("ready", lambda session: session.ready),
        ("ended", lambda session: session.ended),
        ("code", lambda session: session.code),
        ("message", lambda session: session.public_message),
    )
    fields = (
        ("project_link", "owner_link"),
        "build_link",
        ("state_badge", "resource_summary", "node"),
        ("created", "ready", "ended"),
        ("time_to_ready", "duration"),
        ("code", "attempts", "force_build", "build_only"),
        "error",
    )
    readonly_fields = (
        "error",
        "project_link",
        "owner_link",
        "build_link",
        "state_badge",
        "resource_summary",
        "time_to_ready",
        "duration",
    )

    @admin.display(description=_("session"), ordering="pk")
    def number(self, session: Session) -> int:
        """Return the session's id."""
        return session.pk

    @admin.display(description=_("project and owner"), ordering="project__name")
    def project_and_owner(self, session: Session) -> SafeString:
        """Return the repository, which links to the project's page, above its owner."""
        name = breakable_address(session.project.repository)
        return display.stacked(display.link(session.project, name), self.owner_link(session))

    @admin.display(description=_("resources and machine"), ordering="node")
    def resources_and_node(self, session: Session) -> SafeString:
        """Return the resources above the machine that the server is on."""
        return display.stacked(self.resource_summary(session), session.node)

    @admin.display(description=_("project"))
    def project_link(self, session: Session) -> SafeString:
        """Return a link to the project."""
        return display.link(session.project)

    @admin.display(description=_("owner"))
    def owner_link(self, session: Session) -> SafeString:
        """Return a link to the owner."""
        return display.link(session.project.owner, session.project.owner.username)

    @admin.display(description=_("error"))
    def error(self, session: Session) -> str:
        """Return the message that the owner sees."""
        return session.public_message

    @admin.display(description=_("build"))
    def build_link(self, session: Session) -> SafeString | str:
        """Return a link to the build; "" without one."""
        return display.link(session.build) if session.build else ""

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, session: Session) -> SafeString:
        """Return the state, coloured."""
        return display.state_badge(session)

    @admin.display(description=_("resources"))
    def resource_summary(self, session: Session) -> str:
        """Return the session's CPUs, memory and GPUs in one line."""
        return resources(session.resources)

    @admin.display(description=_("launched"), ordering="created")
    def created_ago(self, session: Session) -> SafeString | str:
        """Return how long ago it was launched."""
        return ago(session.created)

    @admin.display(description=_("until ready"))
    def time_to_ready(self, session: Session) -> SafeString | str:
        """Return the time from the launch until the server was ready."""
        took = display.format_duration(session.created, session.ready)
        return display.labelled(_("until ready"), took)

    @admin.display(description=_("lasted"))
    def duration(self, session: Session) -> SafeString | str:
        """Return how long the session lasted."""
        return display.labelled(_("lasted"), display.session_duration(session))

    @admin.display(description=_("why it ended"), ordering="code")
    def reason(self, session: Session) -> SafeString | str:
        """Return why the session ended."""
        return display.reason(session)

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:
        """Return what the list shows of other rows; an action on its rows needs the rest, too."""
        return ("project__owner",) if request.method == "GET" else self.list_select_related

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        """Find the sessions on this machine, and those of matching projects.

        Projects are searched as in their own list: they are few, so it is not done once per
        session.
        """
        if not search_term:
            return queryset, False
        of_projects = self.admin_site.get_model_admin(Project)
        found, _twice = of_projects.get_search_results(request, Project.objects.all(), search_term)
        here = Session.objects.filter(node__iexact=search_term)
        return rows_in_any(
            queryset, here, Session.objects.filter(project__in=found.values("pk"))
        ), False

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return the history that the session's page shows."""
        return {"timeline": transition_entries(Q(session=row))}
