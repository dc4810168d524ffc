"""What a person has typed into the launch form, and what was understood of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from sessions import providers
from sessions.errors import BinderyError


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
