"""Ask for higher limits; staff grant a request, which makes a grant, or decline it.

Each function moves a request once: of several concurrent calls one wins, and the others are told
what became of the request. Anything that is not possible is a `ValidationError` with a message for
the caller. Letters go to the staff who may answer, and to the person when they have. Pages and the
admin call this module.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.mail import outbox
from portal.models import User

from . import setting
from .admission import of_limit, uses_of
from .effective import day, figure
from .fields import FIELDS
from .limits import effective_of
from .models import Grant, LimitRequest

ANSWERING = "quotas.answer_limitrequest"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def asked(wish: LimitRequest) -> None:
    """Write to the staff who may answer a new request."""
    if not outbox.are_sent():
        return
    has, used = effective_of(wish.user)[wish.limit].value, _used(wish)
    context = {
        **_about(wish),
        "current_limit": figure(wish.limit, has),
        "used": "" if used is None else figure(wish.limit, used),
        "page_url": _address("admin:quotas_limitrequest_change", wish.pk),
    }
    for one in _who_may_answer().exclude(pk=wish.user_id):
        outbox.post(f"limit-request-{wish.pk}-asked-{one.pk}", one, "new_limit_request", context)


def answered(wish: LimitRequest) -> None:
    """Write to the person that their request was answered."""
    if not outbox.are_sent():
        return
    context = {**_about(wish), "page_url": f"{_address('account')}#requests"}
    if wish.grant:
        context["granted"] = figure(wish.limit, wish.grant.value)
        context["granted_until"] = day(wish.grant.until)
    outbox.post(f"limit-request-{wish.pk}-answered", wish.user, "limit_request_answered", context)


def _about(wish: LimitRequest) -> dict[str, Any]:
    return {
        "limit_request": wish,
        "person": wish.user,
        "limit": str(FIELDS[wish.limit]),
        "requested": figure(wish.limit, wish.value),
        "until": day(wish.until),
    }


def _who_may_answer() -> Any:
    able = User.objects.with_perm(ANSWERING, include_superusers=True, backend=BACKEND)
    return able.filter(is_staff=True).exclude(email="").order_by("pk")


def _used(wish: LimitRequest) -> float | None:
    return of_limit(uses_of([wish.user])[wish.user_id], wish.limit)


def _address(name: str, *arguments: object) -> str:
    return f"{settings.PORTAL_URL}{reverse(name, args=arguments)}"


MOST_DAYS = 366
MOST_A_DAY = 10
"""Requests per person and day: each writes to all staff."""
RIGHT = "quotas.answer_limitrequest"
_GPU = frozenset({"max_gpu", "total_gpu"})


def can_ask(limit: str) -> bool:
    """Return whether more of this limit may be asked for here; a local back end has no GPUs."""
    return limit in FIELDS and not (limit in _GPU and settings.PORTAL_BACKEND == "local")


def ask(user: User, limit: str, value: float, until: date, why: str) -> LimitRequest:
    """Make a new request of this person, and write to the staff who may answer it.

    Raises `ValidationError` if that is not possible.
    """
    if not can_ask(limit):
        raise ValidationError({"limit": _("There is no more of this to ask for here.")})
    _require_patience(user)
    wish = LimitRequest(user=user, limit=limit, value=value, until=until, why=why.strip())
    _require_figures(user, limit, value, until)
    wish.full_clean(validate_constraints=False)
    try:
        with transaction.atomic():
            wish.save(force_insert=True)
            asked(wish)
    except IntegrityError:
        raise ValidationError(_already_open(user, limit)) from None
    return wish


def withdraw(wish: LimitRequest, user: User) -> None:
    """Take back one's own request. Raises `ValidationError` if it is not open any more."""
    mine = LimitRequest.objects.open().filter(pk=wish.pk, user=user)
    if not mine.update(state=LimitRequest.State.WITHDRAWN):
        raise ValidationError(_what_became_of(wish))


def grant(wish: LimitRequest, by: User, value: float, until: date, answer: str = "") -> Grant:
    """Grant ``value`` until the day ``until``, which may differ from what was asked for.

    Raises `PermissionDenied` if ``by`` may not answer, `ValidationError` if it is not possible.
    """
    _require_right(by)
    given = Grant(user=wish.user, limit=wish.limit, value=value, until=until, given_by=by)
    given.reason = _shortened(answer.strip() or wish.why)
    with transaction.atomic():
        _answer(wish, LimitRequest.State.GRANTED, by, answer)  # first, so that nobody else can
        _require_figures(wish.user, wish.limit, value, until)
        setting.require_bounds(by, wish.limit, value, until, [wish.user])
        given.full_clean()
        given.save(force_insert=True)
        LimitRequest.objects.filter(pk=wish.pk).update(grant=given)
        answered(LimitRequest.objects.get(pk=wish.pk))
    return given


def decline(wish: LimitRequest, by: User, answer: str) -> None:
    """Decline a request, with the reason in ``answer``.

    Raises `PermissionDenied` if ``by`` may not answer, `ValidationError` if it is not possible.
    """
    _require_right(by)
    if not answer.strip():
        raise ValidationError({"answer": _("Say in a word why not: the person reads it.")})
    with transaction.atomic():
        _answer(wish, LimitRequest.State.DECLINED, by, answer)
        answered(LimitRequest.objects.get(pk=wish.pk))


def mark_seen(user: User, **which: Any) -> int:
    """Mark the answers to this person's requests as seen; return how many were new."""
    news = LimitRequest.objects.news_for(user).filter(**which)
    return news.update(seen=timezone.now()) if news.exists() else 0  # viewing takes no lock


def _answer(wish: LimitRequest, state: LimitRequest.State, by: User, answer: str) -> None:
    fields = {"answer": answer.strip(), "answered_by": by, "answered_at": timezone.now()}
    unanswered = LimitRequest.objects.open().filter(pk=wish.pk)
    if not unanswered.update(state=state, **fields):
        raise ValidationError(_what_became_of(wish))


def _require_right(by: User) -> None:
    if not by.has_perm(RIGHT):
        raise PermissionDenied


def _require_patience(user: User) -> None:
    since = timezone.now() - timedelta(days=1)
    if LimitRequest.objects.filter(user=user, created__gt=since).count() >= MOST_A_DAY:
        message = _("You have asked for something %(number)d times since yesterday. Ask tomorrow.")
        raise ValidationError(message % {"number": MOST_A_DAY})


def _require_figures(user: User, limit: str, value: float, until: date) -> None:
    """Require more than the person has, a whole number where it counts, and a bounded time."""
    has, amount = effective_of(user)[limit].value, FIELDS[limit].amount
    today = timezone.localdate()
    wrong: dict[str, str] = {}
    if not amount(value) > amount(has):  # this way round, NaN is refused too
        wrong["value"] = _("It must be more than the %(has)s of now.") % {"has": figure(limit, has)}
    elif FIELDS[limit].whole and not float(value).is_integer():
        wrong["value"] = _("Give a whole number.")
    if not today < until <= today + timedelta(days=MOST_DAYS):
        wrong["until"] = _("Give a day after today, %(days)d days away at most.") % {
            "days": MOST_DAYS
        }
    if wrong:
        raise ValidationError(wrong)


def _already_open(user: User, limit: str) -> str:
    return _(
        "You have asked for more of this already (%(limit)s), and staff have not answered yet."
        " Take that back first to ask for something else."
    ) % {"limit": FIELDS[limit]}


def _what_became_of(wish: LimitRequest) -> str:
    now = LimitRequest.objects.select_related("answered_by").get(pk=wish.pk)
    if now.state == LimitRequest.State.WITHDRAWN:
        return _("It has been taken back, so there is nothing left to answer.")
    by = now.answered_by.username if now.answered_by else _("staff")
    return _("%(name)s has answered it already: it is %(state)s. Nothing was changed.") % {
        "name": by,
        "state": now.get_state_display(),
    }


def _shortened(reason: str) -> str:
    most = Grant._meta.get_field("reason").max_length or 500
    return reason if len(reason) <= most else f"{reason[: most - 1]}…"
