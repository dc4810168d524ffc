"""Admin of projects: owner, state and history; stop, rebuild, keep, delete and restore."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.models import User
from portal.templatetags.bindery import ago, breakable_address, resources
from portal.templatetags.lifetimes import deletes_at, relative_time, until
from quotas.limits import Limits, limits_of, limits_of_many
from sessions import lifecycle
from sessions.admin import display, filters
from sessions.admin.bulk_action import BulkAction, ReadOnlyAdmin
from sessions.admin.display import project_timeline
from sessions.models import Project
from sessions.models.project import ACT_PERMISSION
from sessions.names import short_commit
from sessions.states import ProjectState

MAX_SESSIONS = 25


def owner_usernames(project: Project) -> set[str]:
    """Return the owner's username, as a set."""
    return {project.owner.username}


def stop_effect(project: Project) -> str:
    """Return what stopping does to the project; "" if nothing."""
    if not project.is_live or project.state == ProjectState.STOPPING:
        return ""
    if project.state == ProjectState.READY:
        return _("The running notebook is stopped. Unsaved work is lost.")
    return _("The launch is cancelled.")


def delete_effect(project: Project) -> str:
    """Return what deleting does to the project; "" if nothing."""
    days = settings.PORTAL_UNDO_DAYS
    if not days:
        return delete_for_good_effect(project)
    if project.removed:
        return ""
    template = ngettext(
        "The project is deleted and its notebook stopped. It can be restored for %(days)d day.",
        "The project is deleted and its notebook stopped. It can be restored for %(days)d days.",
        days,
    )
    return template % {"days": days}


def delete_for_good_effect(project: Project) -> str:
    """Return what deleting for good does to the project; "" if nothing."""
    if project.removed and not project.is_restorable:
        return ""
    if project.is_live and not project.removed:
        return _("The notebook is stopped, and the project is deleted for good with its files.")
    return _("The project is deleted for good with its files. Its owner’s own folder stays.")


def restore_effect(project: Project) -> str:
    """Return what restoring does to the project; "" if nothing."""
    if not project.is_restorable:
        return ""
    return _(
        "The project comes back with its files, stopped, and counts against its owner’s limit "
        "again."
    )


def rebuild_effect(project: Project) -> str:
    """Return what rebuilding does to the project; "" if nothing."""
    if project.is_live or project.removed:
        return ""
    return _("Its environment is rebuilt, then the notebook starts.")


def keep_effect(project: Project) -> str:
    """Return what keeping does to the project; "" if nothing."""
    if project.removed or not project.goes:
        return ""
    return _("It counts as just used, so it expires later.")


class ProjectChangeList(ChangeList):
    """The list's page, where each row has its owner's limits."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        found = limits_of_many({project.owner for project in self.result_list})
        for project in self.result_list:
            project.owners_limits = found[project.owner_id]


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin[Project]):
    """The list of projects, and the page of one with its history and sessions."""

    list_display = (
        "project_and_owner",
        "state_badge",
        "resource_summary",
        "commit_link",
        "activity_and_deletion",
        "links",
    )
    list_filter = (
        filters.StateFilter,
        filters.DeletedFilter,
        filters.DeletionFilter,
        filters.ProviderFilter,
        ("last_activity", filters.DateFilter),
        filters.OwnerGroupFilter,
    )
    list_select_related = ("owner", "current__build")
    linked_by = ("owner__id__exact",)
    search_fields = ("name", "repository", "owner__username", "^commit")
    search_help_text = gettext_lazy("Name, repository, person or commit")
    list_display_links = None
    ordering = ("-last_activity",)
    actions = ("export",)
    bulk_actions = (
        BulkAction(
            "stop",
            gettext_lazy("Stop"),
            ACT_PERMISSION,
            lifecycle.stop,
            stop_effect,
            owner_usernames,
        ),
        BulkAction(
            "rebuild",
            gettext_lazy("Rebuild"),
            ACT_PERMISSION,
            lifecycle.rebuild,
            rebuild_effect,
            owner_usernames,
        ),
        BulkAction(
            "keep",
            gettext_lazy("Keep"),
            ACT_PERMISSION,
            lifecycle.keep,
            keep_effect,
            owner_usernames,
        ),
        BulkAction(
            "delete",
            gettext_lazy("Delete"),
            ACT_PERMISSION,
            lifecycle.delete,
            delete_effect,
            owner_usernames,
            True,
        ),
        BulkAction(
            "restore",
            gettext_lazy("Restore"),
            ACT_PERMISSION,
            lifecycle.restore,
            restore_effect,
            owner_usernames,
        ),
        BulkAction(
            "delete_for_good",
            gettext_lazy("Delete for good"),
            ACT_PERMISSION,
            partial(lifecycle.delete, for_good=True),
            delete_for_good_effect,
            owner_usernames,
            True,
        ),
    )
    columns = (
        ("name", lambda project: project.name),
        ("owner", lambda project: project.owner.username),
        ("provider", lambda project: project.provider),
        ("repository", lambda project: project.repository),
        ("ref", lambda project: project.ref),
        ("commit", lambda project: project.commit),
        ("content", lambda project: project.content_repository),
        ("state", lambda project: project.state.value),
        ("code", lambda project: project.current.code if project.current else ""),
        ("created", lambda project: project.created),
        ("last_activity", lambda project: project.last_activity),
        ("deleted", lambda project: project.removed),
        ("restorable_until", lambda project: project.drops if project.is_restorable else None),
    )
    fields = (
        ("name", "page_link"),
        "owner_link",
        ("repository", "provider"),
        ("ref", "commit", "path"),
        ("content_repository", "content_ref", "content_commit"),
        ("state_badge", "resource_summary"),
        "reason",
        ("created", "last_activity", "deletion", "removed"),
    )
    readonly_fields = (
        "owner_link",
        "state_badge",
        "resource_summary",
        "reason",
        "page_link",
        "deletion",
    )

    @admin.display(description=gettext_lazy("project and owner"), ordering="repository")
    def project_and_owner(self, project: Project) -> SafeString:
        """Return the repository, which links to the project's page, above its owner."""
        return display.stacked(
            display.link(project, breakable_address(project.repository)), self.owner_link(project)
        )

    @admin.display(description=gettext_lazy("more"))
    def links(self, project: Project) -> SafeString:
        """Return links to the project's sessions and to its page in the portal."""
        return format_html("{} {}", self.sessions_link(project), self.page_link(project))

    @admin.display(description=gettext_lazy("owner"))
    def owner_link(self, project: Project) -> SafeString:
        """Return a link to the owner."""
        return display.link(project.owner, project.owner.username)

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, project: Project) -> SafeString:
        """Return the state, coloured."""
        return display.state_badge(project)

    @admin.display(description=gettext_lazy("resources"))
    def resource_summary(self, project: Project) -> str:
        """Return the resources of the current session; "" without one."""
        return resources(project.current.resources) if project.current else ""

    @admin.display(description=gettext_lazy("commit"))
    def commit_link(self, project: Project) -> SafeString | str:
        """Return the short commit, as a link to its build if there is one."""
        build = project.current.build if project.current else None
        return (
            display.link(build, short_commit(project.commit))
            if build
            else short_commit(project.commit)
        )

    @admin.display(description=gettext_lazy("last activity"), ordering="last_activity")
    def activity_and_deletion(self, project: Project) -> SafeString | str:
        """Return the last activity above the date of deletion."""
        return display.stacked(ago(project.last_activity), self.deletion(project))

    @admin.display(description=gettext_lazy("expiry"))
    def deletion(self, project: Project) -> SafeString | str:
        """Return when the project expires or, once deleted, until when it can be restored."""
        if project.is_restorable and project.drops:
            words = (_("deleted"), _("restorable"), until(project.drops))
            return format_html("{}, {} {}", *words)
        found = None if project.removed else deletes_at(project, self._limits(project))
        return _("expires %(when)s") % {"when": relative_time(found)} if found else ""

    def _limits(self, project: Project) -> Limits:
        """Return the owner's limits; a list has looked them up for all its rows at once."""
        known: Limits | None = getattr(project, "owners_limits", None)
        return known or limits_of(project.owner)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ProjectChangeList]:
        return ProjectChangeList

    @admin.display(description=gettext_lazy("runs"))
    def sessions_link(self, project: Project) -> SafeString:
        """Return a link to the list of its sessions."""
        return display.link_to_list("session", _("Sessions"), project__id__exact=project.pk)

    @admin.display(description=gettext_lazy("why"))
    def reason(self, project: Project) -> SafeString | str:
        """Return why its current session ended; "" without one."""
        return display.reason(project.current) if project.current else ""

    @admin.display(description=gettext_lazy("page"))
    def page_link(self, project: Project) -> SafeString | str:
        """Return a link to its page in the portal; "" if it has none any more."""
        if project.removed and not project.is_restorable:
            return ""
        return format_html(
            '<a href="{}">{}</a>', reverse("project", args=[project.name]), _("Page")
        )

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return the history and sessions that the project's page shows."""
        return {
            "list_query": "?deleted=all"
            if row.removed
            else "",  # so that the actions can find the row
            "timeline": project_timeline(row),
            **display.sessions_context(row, cast(User, request.user), MAX_SESSIONS),
        }
