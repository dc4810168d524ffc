"""Limit failed sign-ins per name and address, and show the page that says how long to wait.

django-axes keeps the count in the database, shared by all web processes; this module sets how to
count and what to say. `settings` configures it. `/sign-in/`, `/admin/login/` and the callbacks of
identity providers all pass `LoginThrottle`.
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
"""How many times as often an address may fail as one name from there: many people can share one."""


class LoginThrottle(AxesStandaloneBackend):  # type: ignore[misc]
    """The first of the authentication backends: people who are locked out reach no other one."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:
        """Check for a lockout, unless a command or a test calls it without a request."""
        if request is not None:
            super().authenticate(request, **credentials)


class FailureCounter(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts failures by name and address, and more generously by address alone."""

    def get_failures(self, request: HttpRequest, credentials: Any = None) -> int:
        """Return how near to the limit this attempt is, in failures of one name."""
        by_name, by_address = (
            attempts.aggregate(sum=Sum("failures_since_start"))["sum"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        named = (credentials or {}).get("username") is not None  # a provider's answer names nobody
        return max(by_name if named else 0, by_address // ADDRESS_TIMES)

    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **more: Any
    ) -> None:
        """Count a failure, except during a lockout.

        So the lockout does not grow longer, and nobody can fill the table, however they fail.
        """
        if request is not None and self.is_locked(request, credentials):
            request.axes_locked_out = True
        super().user_login_failed(sender, credentials, request, **more)

    def reset_user_attempts(self, request: HttpRequest, credentials: Any = None) -> int:
        """Forget this name's failures only; return how many there were.

        Otherwise the owner of an account could guess at others for ever by signing in now and then.
        """
        by_name, _by_address = self.filter_user_attempts(request, credentials)
        count: int = by_name.delete()[0]
        return count


def client_address(request: HttpRequest | Request) -> str | None:
    """Return the address that an attempt counts for; None if the request has no valid address.

    One household has a whole IPv6 network, so a /64 counts as one address. A strange proxy may send
    something that is no address.
    """
    try:
        plain = ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return None
    plain = getattr(plain, "ipv4_mapped", None) or plain
    if plain.version == 4:
        return str(plain)
    return str(ip_network((plain, 64), strict=False).network_address)


def describe_client(name: str | None, address: str | None, *rest: object) -> str:
    """Return name and address for the log, on one line whatever the name holds."""
    return f"{name!r} from {address}"


def lockout_response(request: HttpRequest, *rest: object) -> HttpResponse:
    """Return the page for people who are locked out."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    minutes = -(-seconds // 60)
    page = render(request, "portal/locked.html", {"minutes": minutes}, status=429)
    page["Retry-After"] = str(seconds)
    return page
