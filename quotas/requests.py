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

from . import changes
from .fields import FIELDS, format_day, format_limit
from .limits import effective_of, usage_by_user, usage_of_limit
from .models import Grant, LimitRequest

ANSWER_PERMISSION = "quotas.answer_limitrequest"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def notify_staff(limit_request: LimitRequest) -> None:
    """Write to the staff who may answer a new request."""
    if not outbox.is_mail_enabled():
        return
    has, used = effective_of(limit_request.user)[limit_request.limit].value, _usage(limit_request)
    context = {
        **_mail_context(limit_request),
        "current_limit": format_limit(limit_request.limit, has),
        "used": "" if used is None else format_limit(limit_request.limit, used),
        "page_url": _absolute_url("admin:quotas_limitrequest_change", limit_request.pk),
    }
    for one in _staff_who_may_answer().exclude(pk=limit_request.user_id):
        outbox.post(
            f"limit-request-{limit_request.pk}-asked-{one.pk}", one, "new_limit_request", context
        )


def notify_requester(limit_request: LimitRequest) -> None:
    """Write to the person that their request was answered."""
    if not outbox.is_mail_enabled():
        return
    context = {**_mail_context(limit_request), "page_url": f"{_absolute_url('account')}#requests"}
    if limit_request.grant:
        context["granted"] = format_limit(limit_request.limit, limit_request.grant.value)
        context["granted_until"] = format_day(limit_request.grant.until)
    outbox.post(
        f"limit-request-{limit_request.pk}-answered",
        limit_request.user,
        "limit_request_answered",
        context,
    )


def _mail_context(limit_request: LimitRequest) -> dict[str, Any]:
    return {
        "limit_request": limit_request,
        "person": limit_request.user,
        "limit": str(FIELDS[limit_request.limit]),
        "requested": format_limit(limit_request.limit, limit_request.value),
        "until": format_day(limit_request.until),
    }


def _staff_who_may_answer() -> Any:
    able = User.objects.with_perm(ANSWER_PERMISSION, include_superusers=True, backend=BACKEND)
    return able.filter(is_staff=True).exclude(email="").order_by("pk")


def _usage(limit_request: LimitRequest) -> float | None:
    return usage_of_limit(
        usage_by_user([limit_request.user])[limit_request.user_id], limit_request.limit
    )


def _absolute_url(name: str, *arguments: object) -> str:
    return f"{settings.PORTAL_URL}{reverse(name, args=arguments)}"


MAX_DAYS = 366
MAX_REQUESTS_PER_DAY = 10
"""Requests per person and day: each writes to all staff."""
_GPU = frozenset({"max_gpu", "total_gpu"})


def can_request(limit: str) -> bool:
    """Return whether more of a limit may be asked for here; a local back end has no GPUs.

    ``limit`` is a name of `quotas.fields.FIELDS`, or any other text.
    """
    return limit in FIELDS and not (limit in _GPU and settings.PORTAL_BACKEND == "local")


def submit(user: User, limit: str, value: float, until: date, why: str) -> LimitRequest:
    """Make a new request of this person, and write to the staff who may answer it.

    Raises `ValidationError` if that is not possible.
    """
    if not can_request(limit):
        raise ValidationError({"limit": _("You cannot ask for more of this here.")})
    _require_below_daily_maximum(user)
    limit_request = LimitRequest(user=user, limit=limit, value=value, until=until, why=why.strip())
    _require_valid_values(user, limit, value, until)
    limit_request.full_clean(validate_constraints=False)
    try:
        with transaction.atomic():
            limit_request.save(force_insert=True)
            notify_staff(limit_request)
    except IntegrityError:
        raise ValidationError(_already_open_message(user, limit)) from None
    return limit_request


def withdraw(limit_request: LimitRequest, user: User) -> None:
    """Withdraw one's own request. Raises `ValidationError` if it is not open any more."""
    mine = LimitRequest.objects.open().filter(pk=limit_request.pk, user=user)
    if not mine.update(state=LimitRequest.State.WITHDRAWN):
        raise ValidationError(_already_closed_message(limit_request))


def grant(
    limit_request: LimitRequest, by: User, value: float, until: date, answer: str = ""
) -> Grant:
    """Grant ``value`` until the day ``until``, which may differ from what was asked for.

    Raises `PermissionDenied` if ``by`` may not answer, `ValidationError` if it is not possible.
    """
    _require_permission(by)
    given = Grant(
        user=limit_request.user, limit=limit_request.limit, value=value, until=until, given_by=by
    )
    given.reason = _truncate(answer.strip() or limit_request.why)
    with transaction.atomic():
        # First, so that nobody else can.
        _close(limit_request, LimitRequest.State.GRANTED, by, answer)
        _require_valid_values(limit_request.user, limit_request.limit, value, until)
        changes.validate_grant(by, limit_request.limit, value, until, [limit_request.user])
        given.full_clean()
        given.save(force_insert=True)
        LimitRequest.objects.filter(pk=limit_request.pk).update(grant=given)
        notify_requester(LimitRequest.objects.get(pk=limit_request.pk))
    return given


def decline(limit_request: LimitRequest, by: User, answer: str) -> None:
    """Decline a request, with the reason in ``answer``.

    Raises `PermissionDenied` if ``by`` may not answer, `ValidationError` if it is not possible.
    """
    _require_permission(by)
    if not answer.strip():
        raise ValidationError({"answer": _("Give a short reason: the person will read it.")})
    with transaction.atomic():
        _close(limit_request, LimitRequest.State.DECLINED, by, answer)
        notify_requester(LimitRequest.objects.get(pk=limit_request.pk))


def mark_seen(user: User, **which: Any) -> int:
    """Mark the answers to this person's requests as seen; return how many were new."""
    unseen = LimitRequest.objects.unseen_answers_for(user).filter(**which)
    return unseen.update(seen=timezone.now()) if unseen.exists() else 0  # viewing takes no lock


def _close(limit_request: LimitRequest, state: LimitRequest.State, by: User, answer: str) -> None:
    fields = {"answer": answer.strip(), "answered_by": by, "answered_at": timezone.now()}
    unanswered = LimitRequest.objects.open().filter(pk=limit_request.pk)
    if not unanswered.update(state=state, **fields):
        raise ValidationError(_already_closed_message(limit_request))


def _require_permission(by: User) -> None:
    if not by.has_perm(ANSWER_PERMISSION):
        raise PermissionDenied


def _require_below_daily_maximum(user: User) -> None:
    since = timezone.now() - timedelta(days=1)
    if LimitRequest.objects.filter(user=user, created__gt=since).count() >= MAX_REQUESTS_PER_DAY:
        message = _("You have made %(number)d requests since yesterday. Ask again tomorrow.")
        raise ValidationError(message % {"number": MAX_REQUESTS_PER_DAY})


def _require_valid_values(user: User, limit: str, value: float, until: date) -> None:
    """Require more than the person has, a whole number where it counts, and a bounded time."""
    has, amount = effective_of(user)[limit].value, FIELDS[limit].amount
    today = timezone.localdate()
    wrong: dict[str, str] = {}
    if not amount(value) > amount(has):  # this way round, NaN is refused too
        wrong["value"] = _("It must be more than your present %(has)s.") % {
            "has": format_limit(limit, has)
        }
    elif FIELDS[limit].whole and not float(value).is_integer():
        wrong["value"] = _("Enter a whole number.")
    if not today < until <= today + timedelta(days=MAX_DAYS):
        wrong["until"] = _("Choose a day after today, at most %(days)d days away.") % {
            "days": MAX_DAYS
        }
    if wrong:
        raise ValidationError(wrong)


def _already_open_message(user: User, limit: str) -> str:
    return _(
        "You have already asked for more of this (%(limit)s), and staff have not answered "
        "yet. Withdraw that request before you make another."
    ) % {"limit": FIELDS[limit]}


def _already_closed_message(limit_request: LimitRequest) -> str:
    now = LimitRequest.objects.select_related("answered_by").get(pk=limit_request.pk)
    if now.state == LimitRequest.State.WITHDRAWN:
        return _("This request was withdrawn, so there is nothing to answer.")
    by = now.answered_by.username if now.answered_by else _("staff")
    return _(
        "%(name)s has already answered this request: it is %(state)s. Nothing was changed."
    ) % {
        "name": by,
        "state": now.get_state_display(),
    }


def _truncate(reason: str) -> str:
    most = Grant._meta.get_field("reason").max_length or 500
    return reason if len(reason) <= most else f"{reason[: most - 1]}…"
