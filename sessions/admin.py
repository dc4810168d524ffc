"""Projects, sessions and builds for staff to look at. Acting on them is the project page's task,
so that nothing here moves a state behind `lifecycle`'s back.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from sessions.models import Build, LogChunk, Project, Session

LOG_CHUNKS = 100


class LookOnly:
    """Nobody adds, changes or deletes here."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class SessionsOfProject(LookOnly, admin.TabularInline[Session, Project]):
    model = Session
    fk_name = "project"
    fields = ["state", "build", "created", "ready", "ended", "code", "message"]
    ordering = ["-id"]
    show_change_link = True


@admin.register(Project)
class ProjectAdmin(LookOnly, admin.ModelAdmin[Project]):
    list_display = ["name", "owner", "repository", "short_commit", "state", "last_activity", "page"]
    list_filter = ["provider", ("removed", admin.EmptyFieldListFilter), "current__state"]
    list_select_related = ["owner", "current__build"]
    search_fields = ["name", "repository", "owner__username", "commit"]
    ordering = ["-last_activity"]
    inlines = [SessionsOfProject]
    show_full_result_count = False

    @admin.display(description=_("commit"))
    def short_commit(self, project: Project) -> str:
        return project.commit[:7]

    @admin.display(description=_("state"))
    def state(self, project: Project) -> str:
        return str(project.state.label)

    @admin.display(description="")
    def page(self, project: Project) -> SafeString | str:
        if project.removed:
            return ""
        return format_html(
            '<a href="{}">{}</a>', reverse("project", args=[project.name]), _("Page")
        )


@admin.register(Session)
class SessionAdmin(LookOnly, admin.ModelAdmin[Session]):
    list_display = ["id", "project", "owner", "state", "created", "ready", "ended", "code"]
    list_filter = ["state", "code"]
    list_select_related = ["project__owner"]
    search_fields = ["project__name", "project__owner__username", "code"]
    ordering = ["-id"]
    show_full_result_count = False

    @admin.display(description=_("owner"))
    def owner(self, session: Session) -> str:
        return session.project.owner.username


@admin.register(Build)
class BuildAdmin(LookOnly, admin.ModelAdmin[Build]):
    list_display = ["id", "url", "commit", "state", "pack", "created", "finished", "code"]
    list_filter = ["state", "pack", "code"]
    search_fields = ["url", "commit", "image"]
    ordering = ["-id"]
    show_full_result_count = False

    def get_fields(self, request: HttpRequest, obj: Build | None = None) -> Any:
        return [*super().get_fields(request, obj), "end_of_log"]

    def get_readonly_fields(self, request: HttpRequest, obj: Build | None = None) -> Any:
        return ["end_of_log"]

    @admin.display(description=_("end of the log"))
    def end_of_log(self, build: Build) -> SafeString:
        newest = LogChunk.objects.filter(build=build).order_by("-seq")[:LOG_CHUNKS]
        text = "\n".join(chunk.text for chunk in reversed(newest))
        return format_html('<pre class="log" tabindex="0">{}</pre>', text)
