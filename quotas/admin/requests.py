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

from portal.models import User
from quotas import requests, setting
from quotas.admission import of_limit, uses_of
from quotas.effective import Effective, day, figure, plain, whence
from quotas.limits import effective_of_many
from quotas.models import LimitRequest
from quotas.requests import RIGHT

VERDICTS = [("grant", gettext_lazy("Grant")), ("decline", gettext_lazy("Decline"))]


class AnswerForm(forms.Form):
    """The answer to a request, filled in as it was asked.

    `quotas.requests` checks what may be granted.
    """

    value = forms.FloatField(
        label=gettext_lazy("How much"), widget=forms.NumberInput(attrs={"step": "any"})
    )
    until = forms.DateField(
        label=gettext_lazy("Until"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
    )
    answer = forms.CharField(
        label=gettext_lazy("A word to the person"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("They read it on their page and in the letter. Declining needs it."),
    )
    verdict = forms.ChoiceField(choices=VERDICTS, widget=forms.HiddenInput)

    wish: LimitRequest

    @classmethod
    def of(cls, wish: LimitRequest, sent: Any = None) -> AnswerForm:
        """Return the form for a request, bound to ``sent`` if given."""
        asked = {"value": f"{wish.value:g}", "until": wish.until}
        form = cls(sent, initial=asked, use_required_attribute=False)
        form.wish = wish
        if sent is not None and sent.get("verdict") == "decline":
            form.fields["value"].required = form.fields["until"].required = False
        return form

    def send(self, by: User) -> str:
        """Send the answer and return a message about it; "" if the form has errors."""
        try:
            return self._send(by, **self.cleaned_data)
        except ValidationError as error:
            self.add_error(None, error)
            return ""

    def _send(self, by: User, verdict: str, value: Any, until: Any, answer: str) -> str:
        name = self.wish.user.username
        if verdict == "decline":
            requests.decline(self.wish, by, answer)
            return _("Declined: %(name)s is told.") % {"name": name}
        requests.grant(self.wish, by, value, until, answer)
        words = {"name": name, "value": figure(self.wish.limit, value), "until": day(until)}
        return _("Granted: %(name)s has %(value)s until %(until)s.") % words


OPEN = Q(state=LimitRequest.State.OPEN)
EARLIER_SHOWN = 10


class Standing:
    """The limits and use of the people behind some requests, looked up for all of them at once."""

    def __init__(self, wishes: list[LimitRequest]) -> None:
        people = list({wish.user_id: wish.user for wish in wishes}.values())
        self.limits: Mapping[int, Mapping[str, Effective]] = effective_of_many(people)
        self.uses = uses_of(people)

    def has(self, wish: LimitRequest) -> Effective:
        """Return the limit in force for the person."""
        return self.limits[wish.user_id][wish.limit]

    def used(self, wish: LimitRequest) -> str:
        """Return what the person uses of the limit; "" if nothing counts against it."""
        used = of_limit(self.uses[wish.user_id], wish.limit)
        return "" if used is None else plain(used)


@admin.register(LimitRequest)
class LimitRequestAdmin(admin.ModelAdmin[LimitRequest]):
    """The list of requests, and the page that answers one."""

    list_display = ("user", "what", "asked", "standing", "reason", "became")
    list_display_links = ("user", "what")
    list_filter = ("state", "limit", "created")
    list_select_related = ("user", "answered_by")
    search_fields = ("user__username", "user__email", "why")
    show_full_result_count = False
    ordering = (
        Case(When(OPEN, then=Value(0)), default=Value(1)).asc(),
        Case(When(OPEN, then=F("created"))).asc(),  # the longest wait comes first
        "-created",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        shown = list(changes.result_list)
        standing = Standing(shown)
        for wish in shown:
            wish.standing = standing
        changes.result_list = shown
        return changes

    @admin.display(description=gettext_lazy("limit"), ordering="limit")
    def what(self, wish: LimitRequest) -> str:
        return wish.get_limit_display()

    @admin.display(description=gettext_lazy("asks for"), ordering="until")
    def asked(self, wish: LimitRequest) -> str:
        words = {"value": figure(wish.limit, wish.value), "until": day(wish.until)}
        return _("%(value)s until %(until)s") % words

    @admin.display(description=gettext_lazy("now"), empty_value="")
    def standing(self, wish: Any) -> str:
        """Return what the person has and uses, while the request is open."""
        if wish.state != LimitRequest.State.OPEN:
            return ""
        words = {"has": figure(wish.limit, wish.standing.has(wish).value)}
        used = wish.standing.used(wish)
        if not used:
            return _("has %(has)s") % words
        return _("has %(has)s, uses %(used)s") % {**words, "used": used}

    @admin.display(description=gettext_lazy("why"))
    def reason(self, wish: LimitRequest) -> str:
        return wish.why if len(wish.why) <= 100 else f"{wish.why[:99]}…"

    @admin.display(description=gettext_lazy("state"), ordering="created")
    def became(self, wish: LimitRequest) -> str:
        if wish.state == LimitRequest.State.OPEN:
            return _("open for %(time)s") % {"time": timesince(wish.created, depth=1)}
        if wish.answered_by is None:
            return wish.get_state_display()
        words = {"state": wish.get_state_display(), "name": wish.answered_by.username}
        return _("%(state)s by %(name)s") % words

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the request; staff who may answer do so there."""
        wish = self.get_object(request, object_id)
        if not self.has_view_permission(request, wish):
            raise PermissionDenied
        if wish is None:
            raise Http404
        if request.method != "POST":
            return self._page(request, wish, AnswerForm.of(wish))
        return self._answer(request, wish)

    def _answer(self, request: HttpRequest, wish: LimitRequest) -> HttpResponse:
        form = AnswerForm.of(wish, request.POST)
        sentence = form.send(_by(request)) if form.is_valid() else ""
        if not sentence:
            wish.refresh_from_db()
            return self._page(request, wish, form, status=400)
        messages.success(request, sentence)
        return redirect("admin:quotas_limitrequest_changelist")

    def _page(
        self, request: HttpRequest, wish: LimitRequest, form: AnswerForm, status: int = 200
    ) -> HttpResponse:
        standing = Standing([wish])
        may = _by(request).has_perm(RIGHT)
        context = {
            **self.admin_site.each_context(request),
            "title": _("%(name)s asks for more") % {"name": wish.user.username},
            "opts": self.opts,
            "limit_request": wish,
            "current_limit": standing.has(wish),
            "current_limit_source": whence(standing.has(wish), wish.user.username),
            "used": standing.used(wish),
            "form": form,
            "can_answer": may and wish.state == LimitRequest.State.OPEN,
            "bound_errors": _beyond(_by(request), wish) if may else (),
            "earlier_requests": _earlier(wish),
            "can_view_people": _by(request).has_perm("portal.view_user"),
        }
        return TemplateResponse(
            request, "admin/quotas/limitrequest/answer.html", context, status=status
        )


def _by(request: HttpRequest) -> User:
    by = request.user
    if not isinstance(by, User):
        raise PermissionDenied
    return by


def _beyond(by: User, wish: LimitRequest) -> list[str]:
    """Return why this person may not grant the request as asked."""
    try:
        setting.require_bounds(by, wish.limit, wish.value, wish.until, [wish.user])
    except ValidationError as error:
        return error.messages
    return []


def _earlier(wish: LimitRequest) -> QuerySet[LimitRequest]:
    theirs = LimitRequest.objects.filter(user=wish.user_id).exclude(pk=wish.pk)
    return theirs.select_related("grant").order_by("-created")[:EARLIER_SHOWN]
