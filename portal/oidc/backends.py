"""Keep browsers signed in whose session names an authentication backend by its former path.

Django accepts a session only while the path stored in it is one of ``AUTHENTICATION_BACKENDS``.
Nobody signs in with these. They can go once sessions from before version 0.2 have ended, that is
``SESSION_COOKIE_AGE`` after the upgrade.
"""

from __future__ import annotations

from typing import Any

from portal.accounts.oidc import backends


class Password(backends.Password):
    """The password backend, for sessions only."""

    def authenticate(self, *args: Any, **kwargs: Any) -> None:
        """Return nobody: the backend at the present path signs people in."""


class ByProvider(backends.ByProvider):
    """The identity providers' backend, for sessions only."""

    def authenticate(self, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Return nobody: the backend at the present path signs people in."""
