"""Parse the launch form, and make room for a launch by giving up another project.

What a person has typed into the launch form, and what was understood of it.

Giving up a project that is in the way, before a launch or a start goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from portal.models import User
from sessions import lifecycle, providers
from sessions.errors import BinderyError
from sessions.models import Project

from .responses import find, person


@dataclass(frozen=True)
class Wish:
    """The fields of the form, as they were typed."""

    repository: str = ""
    ref: str = ""
    path: str = ""

    @classmethod
    def of(cls, sent: Mapping[str, str]) -> Wish:
        """The wish in a form or a query that was sent."""
        return cls(sent.get("repository", ""), sent.get("ref", ""), sent.get("path", ""))

    def __bool__(self) -> bool:
        return bool(self.repository.strip())

    @property
    def link(self) -> str:
        """The home page with this wish in its form."""
        named = {"repository": self.repository, "ref": self.ref, "path": self.path}
        return f"{reverse('home')}?{urlencode({k: v for k, v in named.items() if v})}"

    @property
    def understood(self) -> tuple[str, ...]:
        """The parts of it in a few words each; empty where it is not understood."""
        try:
            return self.understand()
        except BinderyError:
            return ()

    def understand(self) -> tuple[str, ...]:
        """The parts of it in a few words each. Raises `UserError` with how to write it."""
        return providers.describe(providers.understand(self.repository, self.ref, self.path))


FIRST: dict[str, Callable[[Project, User], Any]] = {
    "stop": lifecycle.stop,
    "delete": lifecycle.delete,
}


def make_room(request: HttpRequest) -> None:
    """Do what the button beside such a project asks for. Raises `BinderyError`."""
    for verb, act in FIRST.items():
        if name := request.POST.get(verb, "").replace("\0", ""):
            act(find(request, name), person(request))
