"""Admin of requests for higher limits, with the open ones first, and the form that answers them.

Staff grant a request as asked or with other figures, or decline it. Nobody adds, changes or deletes
one here; `quotas.requests` moves it, and decides who may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.lib.admin import ReadOnlyMixin
from portal.models import User
from quotas import changes, requests
from quotas.fields import Effective, describe_source, format_day, format_limit, format_number
from quotas.limits import effective_of_many, usage_by_user, usage_of_limit
from quotas.models import LimitRequest
from quotas.requests import ANSWER_PERMISSION

DECISIONS = [("grant", gettext_lazy("Grant")), ("decline", gettext_lazy("Decline"))]


class AnswerForm(forms.Form):
    """The answer to a request, filled in as it was asked.

    `quotas.requests` checks what may be granted.
    """

    value = forms.FloatField(
        label=gettext_lazy("Amount"), widget=forms.NumberInput(attrs={"step": "any"})
    )
    until = forms.DateField(
        label=gettext_lazy("Until"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )
    answer = forms.CharField(
        label=gettext_lazy("Message to the person"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "Shown on their account page and in the email. Required to decline."
        ),
    )
    verdict = forms.ChoiceField(choices=DECISIONS, widget=forms.HiddenInput)

    limit_request: LimitRequest

    @classmethod
    def for_request(cls, limit_request: LimitRequest, data: Any = None) -> AnswerForm:
        """Return the form for a request, bound to ``data`` if given."""
        initial = {"value": f"{limit_request.value:g}", "until": limit_request.until}
        form = cls(data, initial=initial, use_required_attribute=False)
        form.limit_request = limit_request
        if data is not None and data.get("verdict") == "decline":
            form.fields["value"].required = form.fields["until"].required = False
        return form

    def send(self, by: User) -> str:
        """Send the answer and return a message about it; "" if the form has errors."""
        try:
            return self._send(by, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
            return ""

    def _send(self, by: User, *, verdict: str, value: Any, until: Any, answer: str) -> str:
        name = self.limit_request.user.username
        if verdict == "decline":
            requests.decline(self.limit_request, by, answer)
            return _("Declined: %(name)s will be told.") % {"name": name}
        requests.grant(self.limit_request, by, value, until, answer)
        words = {
            "name": name,
            "value": format_limit(self.limit_request.limit, value),
            "until": format_day(until),
        }
        return _("Granted: %(name)s has %(value)s until %(until)s.") % words


OPEN = Q(state=LimitRequest.State.OPEN)
MAX_EARLIER = 10


class RequesterLimits:
    """The limits and use of the people behind some requests, looked up for all of them at once."""

    def __init__(self, limit_requests: list[LimitRequest]) -> None:
        people = list({each.user_id: each.user for each in limit_requests}.values())
        self.limits: Mapping[int, Mapping[str, Effective]] = effective_of_many(people)
        self.usage = usage_by_user(people)

    def limit_of(self, limit_request: LimitRequest) -> Effective:
        """Return the limit in force for the person."""
        return self.limits[limit_request.user_id][limit_request.limit]

    def usage_of(self, limit_request: LimitRequest) -> str:
        """Return what the person uses of the limit; "" if nothing counts against it."""
        used = usage_of_limit(self.usage[limit_request.user_id], limit_request.limit)
        return "" if used is None else format_number(used)


@admin.register(LimitRequest)
class LimitRequestAdmin(ReadOnlyMixin, admin.ModelAdmin[LimitRequest]):
    """The list of requests, and the page that answers one."""

    list_display = ("user", "limit_label", "requested", "limits_and_usage", "reason", "outcome")
    list_display_links = ("user", "limit_label")
    list_filter = ("state", "limit", "created")
    list_select_related = ("user", "answered_by")
    search_fields = ("user__username", "user__email", "why")
    show_full_result_count = False
    ordering = (
        Case(When(OPEN, then=Value(0)), default=Value(1)).asc(),
        Case(When(OPEN, then=F("created"))).asc(),  # the longest wait comes first
        "-created",
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        limits = RequesterLimits(rows)
        for limit_request in rows:
            limit_request.requester_limits = limits
        changelist.result_list = rows
        return changelist

    @admin.display(description=gettext_lazy("limit"), ordering="limit")
    def limit_label(self, limit_request: LimitRequest) -> str:
        """Return the name of the limit."""
        return limit_request.get_limit_display()

    @admin.display(description=gettext_lazy("asks for"), ordering="until")
    def requested(self, limit_request: LimitRequest) -> str:
        """Return the value and the day until which it is asked for."""
        words = {
            "value": format_limit(limit_request.limit, limit_request.value),
            "until": format_day(limit_request.until),
        }
        return _("%(value)s until %(until)s") % words

    @admin.display(description=gettext_lazy("now"), empty_value="")
    def limits_and_usage(self, limit_request: Any) -> str:
        """Return what the person has and uses, while the request is open."""
        if limit_request.state != LimitRequest.State.OPEN:
            return ""
        limits: RequesterLimits = limit_request.requester_limits
        words = {
            "has": format_limit(limit_request.limit, limits.limit_of(limit_request).value),
        }
        used = limits.usage_of(limit_request)
        if not used:
            return _("has %(has)s") % words
        return _("has %(has)s, uses %(used)s") % {**words, "used": used}

    @admin.display(description=gettext_lazy("why"))
    def reason(self, limit_request: LimitRequest) -> str:
        """Return the person's reason, at most 100 characters of it."""
        return limit_request.why if len(limit_request.why) <= 100 else f"{limit_request.why[:99]}…"

    @admin.display(description=gettext_lazy("state"), ordering="created")
    def outcome(self, limit_request: LimitRequest) -> str:
        """Return how long it has been open, or how it was answered and by whom."""
        if limit_request.state == LimitRequest.State.OPEN:
            return _("open for %(time)s") % {"time": timesince(limit_request.created, depth=1)}
        if limit_request.answered_by is None:
            return limit_request.get_state_display()
        words = {
            "state": limit_request.get_state_display(),
            "name": limit_request.answered_by.username,
        }
        return _("%(state)s by %(name)s") % words

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the request; staff who may answer do so there.

        Raises `PermissionDenied` for others than staff who may view it, and `Http404`.
        """
        limit_request = self.get_object(request, object_id)
        if not self.has_view_permission(request, limit_request):
            raise PermissionDenied
        if limit_request is None:
            raise Http404
        if request.method != "POST":
            return self._page(request, limit_request, AnswerForm.for_request(limit_request))
        return self._answer(request, limit_request)

    def _answer(self, request: HttpRequest, limit_request: LimitRequest) -> HttpResponse:
        form = AnswerForm.for_request(limit_request, request.POST)
        sentence = form.send(_staff_user(request)) if form.is_valid() else ""
        if not sentence:
            limit_request.refresh_from_db()
            return self._page(request, limit_request, form, status=400)
        messages.success(request, sentence)
        return redirect("admin:quotas_limitrequest_changelist")

    def _page(
        self, request: HttpRequest, limit_request: LimitRequest, form: AnswerForm, status: int = 200
    ) -> HttpResponse:
        limits = RequesterLimits([limit_request])
        may = _staff_user(request).has_perm(ANSWER_PERMISSION)
        context = {
            **self.admin_site.each_context(request),
            "title": _("%(name)s asks for more") % {"name": limit_request.user.username},
            "opts": self.opts,
            "limit_request": limit_request,
            "current_limit": limits.limit_of(limit_request),
            "current_limit_source": describe_source(
                limits.limit_of(limit_request), limit_request.user.username
            ),
            "used": limits.usage_of(limit_request),
            "form": form,
            "can_answer": may and limit_request.state == LimitRequest.State.OPEN,
            "bound_errors": _grant_errors(_staff_user(request), limit_request) if may else (),
            "earlier_requests": _earlier(limit_request),
            "can_view_people": _staff_user(request).has_perm("portal.view_user"),
        }
        return TemplateResponse(
            request, "admin/quotas/limitrequest/answer.html", context, status=status
        )


def _staff_user(request: HttpRequest) -> User:
    by = request.user
    if not isinstance(by, User):
        raise PermissionDenied
    return by


def _grant_errors(by: User, limit_request: LimitRequest) -> list[str]:
    """Return why this person may not grant the request as asked."""
    try:
        changes.validate_grant(
            by, limit_request.limit, limit_request.value, limit_request.until, [limit_request.user]
        )
    except ValidationError as error:
        return error.messages
    return []


def _earlier(limit_request: LimitRequest) -> QuerySet[LimitRequest]:
    theirs = LimitRequest.objects.filter(user=limit_request.user_id).exclude(pk=limit_request.pk)
    return theirs.select_related("grant").order_by("-created")[:MAX_EARLIER]
