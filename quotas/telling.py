"""Who is written to when somebody asks for more, and when staff have answered."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse

from portal import letters
from portal.models import User
from quotas.fields import FIELDS
from quotas.limits import effective_of
from quotas.models import LimitRequest
from quotas.uses import of_limit, uses_of
from quotas.wording import day, figure

ANSWERING = "quotas.answer_limitrequest"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def asked(wish: LimitRequest) -> None:
    """Tell the staff who may answer."""
    if not letters.are_sent():
        return
    has, used = effective_of(wish.user)[wish.limit].value, _used(wish)
    context = {
        **_about(wish),
        "has": figure(wish.limit, has),
        "used": "" if used is None else figure(wish.limit, used),
        "page": _address("admin:quotas_limitrequest_change", wish.pk),
    }
    for one in _who_may_answer().exclude(pk=wish.user_id):
        letters.post(f"limit-request-{wish.pk}-asked-{one.pk}", one, "asked", context)


def answered(wish: LimitRequest) -> None:
    """Tell the person."""
    if not letters.are_sent():
        return
    context = {**_about(wish), "page": f"{_address('account')}#requests"}
    if wish.grant:
        context["granted"] = figure(wish.limit, wish.grant.value)
        context["granted_until"] = day(wish.grant.until)
    letters.post(f"limit-request-{wish.pk}-answered", wish.user, "answered", context)


def _about(wish: LimitRequest) -> dict[str, Any]:
    return {
        "wish": wish,
        "person": wish.user,
        "limit": str(FIELDS[wish.limit]),
        "wanted": figure(wish.limit, wish.value),
        "until": day(wish.until),
    }


def _who_may_answer() -> Any:
    able = User.objects.with_perm(ANSWERING, include_superusers=True, backend=BACKEND)
    return able.filter(is_staff=True).exclude(email="").order_by("pk")


def _used(wish: LimitRequest) -> float | None:
    return of_limit(uses_of([wish.user])[wish.user_id], wish.limit)


def _address(name: str, *arguments: object) -> str:
    return f"{settings.PORTAL_URL}{reverse(name, args=arguments)}"
