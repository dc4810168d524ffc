"""Who asks, and which project they may see by its name."""

from __future__ import annotations

from typing import cast

from django.http import Http404
from rest_framework.request import Request

from portal.models import User
from sessions.models import Project


def person(request: Request) -> User:
    """Who asks; the permission classes have let nobody else in."""
    return cast(User, request.user)


def find(request: Request, name: str) -> Project:
    """A project that this person may see; what they may not see is not there."""
    project = Project.objects.named(name, request.user)
    if project is None:
        raise Http404
    return project


def find_or_deleted(request: Request, name: str) -> Project:
    """Like `find`, with those that are deleted and can be restored."""
    return Project.objects.deleted(name, request.user) or find(request, name)
