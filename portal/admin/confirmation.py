"""Run an admin action on many people: first a page that says what will happen to whom.

`actions` defines the actions; each is a `PeopleAction`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.models import User

MAX_PEOPLE = 500
"""How many people one action may change at once; for more, use a group."""


@dataclass(frozen=True)
class PeopleAction:
    """One action on people, and the words of its confirmation page.

    ``name`` is the action's name. ``consequences`` say what it means, ``excluded`` says who is left
    out and why. ``act`` does it to one person, with the form if there is one.
    """

    name: str
    title: str
    button: str
    consequences: list[str]
    act: Callable[[User, Any], Any]
    form: Callable[[Any], forms.BaseForm] | None = None
    excluded: str = ""


def run(
    admin: Any,
    request: HttpRequest,
    bulk_action: PeopleAction,
    chosen: QuerySet[User],
    possible: QuerySet[User],
) -> TemplateResponse | None:
    """Show the confirmation page; once confirmed, act on the chosen people who are ``possible``.

    Returns None when it is done, or when more than `MAX_PEOPLE` people were chosen.
    """
    if chosen.count() > MAX_PEOPLE:
        message = _("That is more than %(most)d people. Choose fewer, or use a group for them.")
        admin.message_user(request, message % {"most": MAX_PEOPLE}, messages.ERROR)
        return None
    people = list(possible.order_by("username"))
    confirmed = "confirmed" in request.POST
    form = bulk_action.form(request.POST if confirmed else None) if bulk_action.form else None
    if confirmed and people and (form is None or form.is_valid()):
        for person in people:
            bulk_action.act(person, form)
            admin.log_change(request, person, bulk_action.title)
        _report_done(admin, request, bulk_action, people)
        return None
    left_out = list(chosen.exclude(pk__in=[person.pk for person in people]).order_by("username"))
    return TemplateResponse(
        request,
        "admin/portal/user/confirm.html",
        {
            **admin.admin_site.each_context(request),
            "title": bulk_action.title,
            "opts": admin.opts,
            "bulk_action": bulk_action,
            "people": people,
            "excluded_people": left_out,
            "form": form,
            "media": admin.media,
            "checkbox_name": ACTION_CHECKBOX_NAME,
        },
    )


def _report_done(
    admin: Any, request: HttpRequest, bulk_action: PeopleAction, people: list[User]
) -> None:
    count = len(people)
    done = ngettext("%(what)s: done for %(name)s.", "%(what)s: done for %(count)d people.", count)
    values = {"what": bulk_action.title, "name": people[0].username, "count": count}
    admin.message_user(request, done % values, messages.SUCCESS)
