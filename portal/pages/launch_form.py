"""Parse the launch form, and make room for a launch by giving up another project."""

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
    """The fields of the launch form, as they were typed."""

    repository: str = ""
    ref: str = ""
    path: str = ""

    @classmethod
    def of(cls, sent: Mapping[str, str]) -> Wish:
        """Return the wish in submitted form data or a query string."""
        return cls(sent.get("repository", ""), sent.get("ref", ""), sent.get("path", ""))

    def __bool__(self) -> bool:
        return bool(self.repository.strip())

    @property
    def link(self) -> str:
        """The home page's address with this wish in its form."""
        named = {"repository": self.repository, "ref": self.ref, "path": self.path}
        return f"{reverse('home')}?{urlencode({k: v for k, v in named.items() if v})}"

    @property
    def understood(self) -> tuple[str, ...]:
        """The parts of the wish in a few words each; empty if it is not understood."""
        try:
            return self.understand()
        except BinderyError:
            return ()

    def understand(self) -> tuple[str, ...]:
        """Return the parts of the wish in a few words each. Raises `UserError` if that fails.

        The error says how to write it.
        """
        return providers.describe(providers.understand(self.repository, self.ref, self.path))


FIRST: dict[str, Callable[[Project, User], Any]] = {
    "stop": lifecycle.stop,
    "delete": lifecycle.delete,
}


def make_room(request: HttpRequest) -> None:
    """Stop or delete the project whose button was pressed, if any. Raises `BinderyError`."""
    for verb, act in FIRST.items():
        if name := request.POST.get(verb, "").replace("\0", ""):
            act(find(request, name), person(request))
