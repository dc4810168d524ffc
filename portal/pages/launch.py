"""The launch form, and the page that it stands on together with the person's projects.

The fields are described while somebody types. At a limit, the form offers to give up a project.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from html import escape
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from portal.models import User
from portal.pages.responses import find_project, htmx, person, redirect_to, signed_in
from portal.run.examples import list_examples
from quotas.limits import limits_of
from quotas.profiles import Profile, gpu_types
from sessions import lifecycle, providers
from sessions.errors import BinderyError
from sessions.lifecycle.admission import default_resources
from sessions.models import Project
from sessions.providers import Linkable, Repository

RECENT_PERIOD = timedelta(days=7)
ROOM_ACTIONS: dict[str, Callable[[Project, User], Any]] = {
    "stop": lifecycle.stop,
    "delete": lifecycle.delete,
}


@dataclass(frozen=True)
class LaunchFields:
    """The fields of the launch form, as they were typed."""

    repository: str = ""
    ref: str = ""
    path: str = ""
    content: str = ""

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> LaunchFields:
        """Return the fields in submitted form data or a query string."""
        names = ("repository", "ref", "path", "content")
        return cls(*(data.get(name, "") for name in names))

    @classmethod
    def of(cls, project: Project, ref: str | None = None) -> LaunchFields:
        """Return the fields that launch a project's repository again, or at another ref.

        The form has no field for an address on the notebook's host: there, it is a launch link.
        """
        ref = project.ref if ref is None else ref
        if not project.urlpath:
            source = project.content_source
            return cls(project.repository, ref, project.path, source.as_content if source else "")
        return cls(providers.launch_link(replace(project.as_repository(), ref=ref)))

    def __bool__(self) -> bool:
        return bool(self.repository.strip())

    @property
    def link(self) -> str:
        """Return the home page's address with these fields in its form."""
        named = asdict(self)
        return f"{reverse('home')}?{urlencode({k: v for k, v in named.items() if v})}"

    @property
    def description(self) -> tuple[str, ...]:
        """Return what is to be launched, in a few words a part; empty if it is not understood."""
        try:
            return providers.describe(self.parse())
        except BinderyError:
            return ()

    def parse(self) -> Repository:
        """Return what is to be launched. Raises `UserError`, which says how to write it."""
        return providers.parse_repository(
            self.repository, self.ref, self.path, content=self.content
        )


class ShareText(NamedTuple):
    """A text to copy: where it belongs, and the text."""

    label: str
    text: str


def share_texts(request: HttpRequest, of: Linkable) -> list[ShareText]:
    """Return the launch link of a repository or project, and its badge in three languages."""
    link = request.build_absolute_uri(providers.launch_link(of))
    picture = request.build_absolute_uri("/badge_logo.svg")
    return [
        ShareText(_("Address"), link),
        ShareText("Markdown", f"[![Binder]({picture})]({link})"),
        ShareText("reStructuredText", f".. image:: {picture}\n   :target: {link}"),
        ShareText("HTML", f'<a href="{escape(link)}"><img src="{picture}" alt="Binder"></a>'),
    ]


def make_room(request: HttpRequest) -> None:
    """Stop or delete the project whose button was pressed, if any. Raises `BinderyError`."""
    for verb, act in ROOM_ACTIONS.items():
        if name := request.POST.get(verb, "").replace("\0", ""):
            act(find_project(request, name), person(request))


@never_cache
@require_safe
@signed_in
def understand(request: HttpRequest) -> HttpResponseBase:
    """Return a fragment that says what is understood of the fields, without asking the network."""
    fields = LaunchFields.from_data(request.GET)
    if not htmx(request):
        return redirect(fields.link)
    context: dict[str, object] = {"is_fragment": True, **_understood(request, fields)}
    return render(request, "portal/_launch_preview.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def launch(request: HttpRequest) -> HttpResponseBase:
    """Launch and go on to the project's page; errors are shown on the form.

    A GET comes from the way back after signing in, and launches nothing.
    """
    if request.method in {"GET", "HEAD"}:
        return redirect("home")
    fields = LaunchFields.from_data(request.POST)
    try:
        make_room(request)
        project = lifecycle.launch(person(request), **asdict(fields))
    except BinderyError as error:
        return render_home(request, fields, error)
    return redirect_to(request, reverse("project", args=[project.name]))


def render_home(
    request: HttpRequest, fields: LaunchFields, error: BinderyError | None = None
) -> HttpResponse:
    """Return the home page with ``fields`` in the launch form and ``error`` below its field.

    For htmx, an error returns the form alone.
    """
    template = "portal/_launch_form.html" if htmx(request) and error else "portal/home.html"
    context = {
        "launch": fields,
        **_understood(request, fields),
        **({"error": error} if error else {}),
        "blocking_projects": blocking_projects(request, error),
        **projects_of(person(request)),
        **deleted_context(person(request)),
    }
    return render(request, template, context, status=error.status if error else 200)


def _understood(request: HttpRequest, fields: LaunchFields) -> dict[str, Any]:
    """Return what is understood of the fields and how to share it, or the error instead."""
    try:
        found = fields.parse() if fields else None
    except BinderyError as error:
        return {"error": error}
    if found is None:
        return {}
    return {
        "repository_summary": providers.describe(found),
        "share_texts": share_texts(request, found),
    }


def projects_of(user: User) -> dict[str, Any]:
    """Return the person's own projects, running ones first, and how many more they may have."""
    projects = sorted(Project.objects.own(user), key=lambda project: not project.is_live)
    limits = limits_of(user)
    profiles: Any = SimpleLazyObject(
        lambda: Profile.objects.available_to(user)
    )  # for the form only
    return {
        "projects": projects,
        "limits": limits,
        "project_limit": limits.projects,
        "default_resources": SimpleLazyObject(lambda: default_resources(limits, profiles)),
        "gpu_types": SimpleLazyObject(lambda: gpu_types(profiles)),
        "examples": list_examples(),
    }


def blocking_projects(request: HttpRequest, error: BinderyError | None) -> list[Project]:
    """Return the projects that use up a limit, so that one of them can be given up."""
    named = [each["name"] for each in error.details.get("projects", [])] if error else []
    return list(Project.objects.visible_to(person(request)).filter(name__in=named))


def deleted_context(user: User) -> dict[str, Any]:
    """Return this person's deleted projects, each with a link that launches it anew.

    These are all that can be restored, and those that the portal deleted in the last
    `RECENT_PERIOD`.
    """
    gone = Project.objects.deleted_of(user, timezone.now() - RECENT_PERIOD)
    return {
        "deleted_projects": [(each, LaunchFields.of(each).link) for each in gone],
        "restorable_count": sum(each.is_restorable for each in gone),
        "unused_count": sum(each.goes is not None for each in gone),
    }
