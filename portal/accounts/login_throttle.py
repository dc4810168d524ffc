"""Attempts to sign in: how many may fail before an address has to wait, and the page that says so.

django-axes keeps the count in the database, for all web processes together; here is how we count
and what we say. Set up in `settings`; `/sign-in/`, `/admin/login/` and the ways back from identity
providers all pass `Guard`.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

if TYPE_CHECKING:
    from rest_framework.request import Request

ADDRESS_TIMES = 20
"""An address may fail so many times as often as one name from there: many can be behind one."""


class Guard(AxesStandaloneBackend):  # type: ignore[misc]
    """The first of the authentication backends: whoever has to wait gets to no other one."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Without a request it is a command or a test that asks, and nobody from outside."""
        if request is not None:
            super().authenticate(request, **credentials)


class Attempts(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts by name and address, and more generously by address alone."""

    def get_failures(self, request: HttpRequest, credentials: Any = None) -> int:
        """How near to the limit this attempt is: the limit counts for one name."""
        by_name, by_address = (
            attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        named = (credentials or {}).get("username") is not None  # a provider's answer names nobody
        return max(by_name if named else 0, by_address // ADDRESS_TIMES)

    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **more: Any
    ) -> None:
        """Whoever has to wait anyway is not counted: neither does it last longer, nor can they
        fill the table, on whatever way they fail."""
        if request is not None and self.is_locked(request, credentials):
            request.axes_locked_out = True
        super().user_login_failed(sender, credentials, request, **more)

    def reset_user_attempts(self, request: HttpRequest, credentials: Any = None) -> int:
        """Forget this name's failures only: else whoever has an account could go on guessing
        at others for ever, by signing in now and then."""
        by_name, _by_address = self.filter_user_attempts(request, credentials)
        count: int = by_name.delete()[0]
        return count


def address(request: HttpRequest | Request) -> str | None:
    """Whose attempt it is. One household has a whole network of IPv6 addresses, so that counts
    as one; None for what is no address, such as what a strange proxy makes up."""
    try:
        plain = ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return None
    plain = getattr(plain, "ipv4_mapped", None) or plain
    if plain.version == 4:
        return str(plain)
    return str(ip_network((plain, 64), strict=False).network_address)


def who(name: str | None, address: str | None, *rest: object) -> str:
    """As the log has it, in one line whatever the name holds."""
    return f"{name!r} from {address}"


def locked(request: HttpRequest, *rest: object) -> HttpResponse:
    """The page for whoever has to wait."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    minutes = -(-seconds // 60)
    page = render(request, "portal/locked.html", {"minutes": minutes}, status=429)
    page["Retry-After"] = str(seconds)
    return page
