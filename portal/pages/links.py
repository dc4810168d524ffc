"""Launch links, as Binder has them, and the badges for them; `sessions.providers` reads the links.

Following a link starts nothing by itself, since any page can make a browser follow one. The page
of a launch link shows what it launches, and launches it by a form. It sends that form itself only
if its visitor came by a navigation of the whole window, and has launched this repository before or
the site has chosen so (``PORTAL_LAUNCH_LINKS``).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template import loader
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import etag, require_http_methods, require_safe

from portal.models import User
from portal.pages.launch import blocking_projects, make_room, projects_of
from portal.pages.responses import person, redirect_to
from sessions import lifecycle, providers
from sessions.api.endpoint import sent_address
from sessions.errors import BinderyError
from sessions.models import Project, RepositoryRule
from sessions.providers import Repository

_COMMIT_LIKE = re.compile(r"[0-9a-fA-F]{7,64}")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def launch_link(request: HttpRequest) -> HttpResponseBase:
    """Show what ``/v2/<provider>/<spec>`` launches; a POST launches it and goes to its project."""
    address = sent_address(request)
    if request.method == "POST" and not request.user.is_authenticated:
        return redirect_to(request, _sign_in_address(address))
    found: Repository | None = None
    try:
        found = providers.parse_launch_link(address)
        if request.method == "POST":
            return _launch(request, address)
        if request.user.is_authenticated:
            RepositoryRule.objects.require_allowed(found)
    except BinderyError as error:
        return _page(request, address, found, error)
    return _page(request, address, found)


def _launch(request: HttpRequest, address: str) -> HttpResponse:
    make_room(request)
    project = lifecycle.launch(person(request), address)
    return redirect_to(request, reverse("project", args=[project.name]))


def _sign_in_address(address: str) -> str:
    return f"{reverse('sign-in')}?{urlencode({'next': address})}"


def _page(
    request: HttpRequest,
    address: str,
    found: Repository | None,
    error: BinderyError | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {
        "error": error,
        "sign_in_address": _sign_in_address(address),
        "meant": _with_query(error.details.get("meant", ""), address) if error else "",
    }
    if found:
        label = providers.PROVIDERS[found.provider].label
        context["link_title"] = f"{label}: {found.repository}/{found.ref or 'HEAD'}"
        context["repository_summary"] = providers.describe(found)
        sources = filter(None, (found, found.content_source))
        context["is_private"] = all(providers.is_private(each.url) for each in sources)
    if found and request.user.is_authenticated:
        context |= projects_of(person(request))
        own = [each for each in context["projects"] if _is_of(each, found)]
        context["same_projects"] = own
        context["blocking_projects"] = blocking_projects(request, error)
        context["starts"] = not error and _starts(request, found)
    return render(
        request, "portal/launch_link.html", context, status=error.status if error else 200
    )


def _is_of(project: Project, found: Repository) -> bool:
    """Return whether a project is of a repository; that of an archive has the page's address."""
    same = providers.is_archive(found.provider) and project.repository == found.repository
    return same or project.url == found.url


def _with_query(link: str, address: str) -> str:
    """Return a link of ours with the query of the one that was followed."""
    query = address.partition("?")[2]
    return f"{link}?{query}" if link and query else link


def _starts(request: HttpRequest, found: Repository) -> bool:
    """Return whether the page may send its form by itself."""
    headers = request.headers
    is_visit = (
        headers.get("Sec-Fetch-Mode") == "navigate"
        and headers.get("Sec-Fetch-Dest") == "document"
        and "Sec-Purpose" not in headers  # the browser fetches it in case somebody looks at it
    )
    address = "" if found.path else found.urlpath
    return is_visit and (
        settings.PORTAL_LAUNCH_LINKS == "start" or _has_launched(person(request), found, address)
    )


def _has_launched(user: User, found: Repository, urlpath: str) -> bool:
    """Return whether this person has launched a repository, and its owner chose what is at its ref.

    With ``urlpath``, only launches that led to the same address count: it may be nbgitpuller's, and
    bring in any other repository. The same holds for content, of which all of this is true, too.

    So no stranger can bring in code of their own. Branches and tags are the owner's. Commits may be
    a fork's, and other refs anybody's, such as a pull request's: of these, only a commit counts
    that the person has launched, and a name with a slash only if it was that one.
    """
    one = Q(url=found.url)
    if providers.is_archive(found.provider):  # its projects have the address that it has led to
        one |= Q(repository=found.repository)
    launched = Project.objects.filter(one, _was(found.ref), owner=user)
    if source := found.content_source:
        launched = launched.filter(_was(source.ref, "content_"), content_url=source.url)
    place = Q(urlpath=urlpath)
    if source and found.is_content_optional:  # it has become the content where nbgitpuller is not
        place |= ~Q(urlpath__startswith=providers.PULL)
    return (launched.filter(place) if urlpath else launched).exists()


def _was(ref: str, prefix: str = "") -> Q:
    """Return the condition that a launch had what is at this ref, unless its owner chose that."""
    if re.fullmatch(r"[^/%]*", ref) and not _COMMIT_LIKE.fullmatch(ref):
        return Q()
    same = Q(**{f"{prefix}commit": ref})
    return same if ref.startswith("refs/") else same | Q(**{f"{prefix}ref": ref})


@require_safe
def repository_link(request: HttpRequest, user: str, name: str, path: str | None) -> HttpResponse:
    """Redirect ``/repo/<user>/<repository>[/<path>]`` to the launch link of its default branch."""
    link = f"/v2/gh/{quote(user, safe='')}/{quote(name, safe='')}/HEAD"
    file = (path or "").strip("/")
    return redirect(f"{link}?urlpath={quote(f'/{file}', safe='')}" if file else link)


@cache
def _badge() -> bytes:
    return loader.render_to_string("portal/badge.svg").encode()


@require_safe
@etag(lambda _request: f'"{hashlib.sha256(_badge()).hexdigest()[:32]}"')
@cache_control(public=True, max_age=3600)
def badge(request: HttpRequest) -> HttpResponse:
    """Send the badge for launch links, at each address that Binder's badges have."""
    return HttpResponse(_badge(), content_type="image/svg+xml")
