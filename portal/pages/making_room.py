"""Giving up a project that is in the way, before a launch or a start goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from portal.models import User
from portal.pages.asking import find, person
from sessions import lifecycle
from sessions.models import Project

FIRST: dict[str, Callable[[Project, User], Any]] = {
    "stop": lifecycle.stop,
    "delete": lifecycle.delete,
}


def make_room(request: HttpRequest) -> None:
    """Do what the button beside such a project asks for. Raises `BinderyError`."""
    for verb, act in FIRST.items():
        if name := request.POST.get(verb, "").replace("\0", ""):
            act(find(request, name), person(request))
