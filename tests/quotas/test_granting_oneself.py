"""Support staff cannot give more to themselves, by any of the four ways to grant."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.utils import timezone

from portal.models import User
from quotas import requests
from quotas.limits import defaults, limits_of
from quotas.models import Grant, LimitRequest, SupportBounds
from tests.admin.pages import filled_in

pytestmark = pytest.mark.django_db

HAS = defaults()["projects"]
MORE = HAS + 1


@pytest.fixture(autouse=True)
def bounds(db) -> None:
    SupportBounds.objects.create(projects=100, days=365)


def soon() -> date:
    return timezone.localdate() + timedelta(days=3)


def wish_of(user: User) -> LimitRequest:
    return requests.submit(user, "projects", MORE, soon(), "A course.")


def test_support_may_not_grant_their_own_request(sue):
    wish = wish_of(sue)
    with pytest.raises(ValidationError) as refusal:
        requests.grant(wish, sue, MORE, soon())
    assert refusal.value.message_dict == {
        "value": ["You cannot grant more to yourself. Ask an operator."]
    }
    wish.refresh_from_db()
    assert (wish.state, wish.answered_by, wish.grant) == ("open", None, None)
    assert limits_of(sue).projects == HAS


def test_the_page_of_their_own_request_refuses_the_grant(sue, as_sue):
    address = f"/admin/quotas/limitrequest/{wish_of(sue).pk}/change/"
    assert "You cannot grant more to yourself" in as_sue.get(address).text
    sent = {"value": MORE, "until": soon(), "answer": "", "verdict": "grant"}
    answer = as_sue.post(address, sent)
    assert answer.status_code == 400
    assert "You cannot grant more to yourself" in answer.text
    assert limits_of(sue).projects == HAS
    assert LimitRequest.objects.get().state == "open"


def test_a_colleague_may_grant_it_and_operators_may_grant_their_own(ada, sue, stan):
    for who, by in ((ada, sue), (sue, stan), (stan, stan)):
        requests.grant(wish_of(who), by, MORE, soon())
        assert limits_of(who).projects == MORE


def test_a_bulk_grant_that_includes_oneself_is_refused(ada, sue, as_sue):
    fields = {"limit": "projects", "value": MORE, "until": soon().isoformat(), "reason": "course"}
    chosen = {ACTION_CHECKBOX_NAME: [ada.pk, sue.pk]}
    sent = {"action": "grant", **chosen, "confirmed": "yes", **fields}
    answer = as_sue.post("/admin/portal/user/", sent)
    assert "value" in answer.context["form"].errors
    assert not Grant.objects.exists()


def test_the_page_of_their_own_account_refuses_a_grant(sue, as_sue):
    """Also where they were given the right to change people, themselves among them."""
    sue.user_permissions.add(Permission.objects.get(codename="change_user"))
    page = f"/admin/portal/user/{sue.pk}/change/"
    grant = {"limit": "projects", "value": MORE, "until": soon().isoformat(), "reason": "course"}
    sent = {f"grants-0-{name}": value for name, value in grant.items()}
    form = {**filled_in(as_sue.get(page)), **sent, "grants-TOTAL_FORMS": "1", "_save": "Save"}
    answer = as_sue.post(page, {name: value for name, value in form.items() if value is not None})
    assert "You cannot grant more to yourself" in answer.text
    assert not Grant.objects.exists()
