"""The page *My files* of a project: list, download and delete while its notebook does not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from portal.pages.responses import find_project, person, redirect_to, refused_response, signed_in
from sessions.backends import PersonFiles
from sessions.errors import BinderyError, NotAllowed, NotYet
from sessions.lifecycle import my_files
from sessions.models import Project
from sessions.repofiles.browse import FILE, FOLDER, MAX_ENTRIES, Entry

_TITLES = {"project": gettext_lazy("This project’s files"), "volume": gettext_lazy("Your folder")}


@never_cache
@require_safe
@signed_in
def files(request: HttpRequest, name: str) -> HttpResponseBase:
    """Show ``/projects/<name>/files/?path=…``; send a file, or with ``&zip=1`` a folder."""
    project, path = find_project(request, name), request.GET.get("path", "")
    try:
        found = my_files.open_files(project, person(request))
        with my_files.translated(path):
            if found.kind(path) == FILE:
                return my_files.file_response(found, path, project.owner)
            if "zip" in request.GET:
                return my_files.folder_response(found, path or name, project.owner)
            return render(request, "portal/files.html", _context(project, found, path))
    except NotYet as error:
        return _not_yet_response(request, project, error)
    except NotAllowed as error:
        return refused_response(request, error)
    except BinderyError as error:
        messages.error(request, error.message)
        return redirect(files_address(name) if path else reverse("project", args=[name]))


@require_POST
@signed_in
def delete_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Delete what the form names, and show the folder that it was in."""
    path = request.POST.get("path", "")
    try:
        found = my_files.open_files(find_project(request, name), person(request))
        with my_files.translated(path):
            is_gone = found.delete(path)
    except NotAllowed as error:
        return refused_response(request, error)
    except BinderyError as error:
        messages.error(request, error.message)
    else:
        deleted = _("%(path)s is deleted.")
        going_on = _("%(path)s is large: its deletion will take a while.")
        messages.success(request, (deleted if is_gone else going_on) % {"path": path})
    return redirect_to(request, files_address(name, path.rpartition("/")[0]))


def _not_yet_response(request: HttpRequest, project: Project, error: NotYet) -> HttpResponse:
    """Return a page that the browser replaces by asking again; that may become a download."""
    context = {"project": project, "error": error, "files_address": files_address(project.name)}
    page = render(request, "portal/files_not_yet.html", context, status=202)
    page["Refresh"] = str(error.retry_after)
    return page


def files_address(name: str, path: str = "", **more: str) -> str:
    """Return the address of a folder or file of the project."""
    query = {**({"path": path} if path else {}), **more}
    return reverse("files", args=[name]) + (f"?{urlencode(query)}" if query else "")


def _context(project: Project, found: PersonFiles, path: str) -> dict[str, Any]:
    entries = found.entries(path)
    return {
        "project": project,
        "path": path,
        "way": list(_way(project.name, path)),
        "entries": [_row(project.name, entry, path) for entry in entries],
        "most": MAX_ENTRIES if len(entries) >= MAX_ENTRIES else None,
        "zip_address": files_address(project.name, path, zip="1") if path else "",
    }


def _way(name: str, path: str) -> Iterator[tuple[str | Promise, str]]:
    """Yield title and address of each folder above, the first one first."""
    parts = [part for part in path.split("/") if part]
    yield _("My files"), files_address(name)
    for depth, part in enumerate(parts, 1):
        title = _TITLES.get(part, part) if depth == 1 else part
        yield title, files_address(name, "/".join(parts[:depth]))


def _row(name: str, entry: Entry, path: str) -> dict[str, Any]:
    address = files_address(name, entry.path) if entry.path and entry.kind in {FOLDER, FILE} else ""
    return {
        "entry": entry,
        "title": entry.name if path else _TITLES[entry.name],
        "address": address,
        "modified": my_files.modified_at(entry),
        "may_delete": bool(path and entry.path),
    }
