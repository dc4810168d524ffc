"""Limit requests in the admin: open ones come first, and who may answer them there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.models import User
from quotas import requests
from quotas.limits import limits_of
from quotas.models import LimitRequest, SupportBounds
from sessions.states import ProjectState
from tests.making import in_days
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

LIST = "/admin/quotas/limitrequest/"


@pytest.fixture
def wish(ada) -> LimitRequest:
    return requests.submit(ada, "projects", 10, in_days(30), "A <b>course</b>.")


@pytest.fixture
def address(wish) -> str:
    return f"{LIST}{wish.pk}/change/"


def answer(verdict: str, **changed: object) -> dict[str, object]:
    return {"value": "10", "until": in_days(30), "answer": "", "verdict": verdict, **changed}


def test_open_requests_come_oldest_first_then_the_newest_answers(ada, bob, stan, as_stan):
    limits = ["projects", "running", "builds", "max_cpu", "max_memory_gb"]
    wishes = [requests.submit(ada, limit, 500, in_days(30), limit) for limit in limits]
    for number, wish in enumerate(wishes):
        LimitRequest.objects.filter(pk=wish.pk).update(
            created=timezone.now() - timedelta(hours=number)
        )
    for wish in wishes[:2]:
        requests.decline(wish, stan, "No.")
    shown = as_stan.get(LIST).context["cl"].result_list
    assert [wish.limit for wish in shown] == [
        "max_memory_gb", "max_cpu", "builds", "projects", "running",
    ]  # fmt: skip


def test_the_list_shows_the_limit_the_usage_and_the_request(ada, wish, as_vera):
    project_in(ProjectState.READY, ada)
    (row,) = as_vera.get(LIST).context["cl"].result_list
    cells = as_vera.get(LIST).content.decode()
    assert row.requester_limits.limit_of(row).value == 5
    assert "has 5, uses 1" in cells
    assert "10 until" in cells
    assert "A &lt;b&gt;course&lt;/b&gt;." in cells
    assert as_vera.get(LIST, {"q": "ada", "state": "open"}).status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_requests(
    wish, as_stan, django_assert_max_num_queries
):
    as_stan.get(LIST)
    with django_assert_max_num_queries(13):
        as_stan.get(LIST)
    for number in range(30):
        person = User.objects.create_user(f"person{number}")
        requests.submit(person, "projects", 10, in_days(30), "A course.")
    with django_assert_max_num_queries(13):
        assert as_stan.get(LIST).context["cl"].result_count == 31


def test_a_request_is_granted_as_submitted(ada, wish, address, stan, as_stan):
    page = as_stan.get(address).content.decode()
    assert 'value="10"' in page
    assert f'value="{in_days(30)}"' in page
    reply = as_stan.post(address, answer("grant"), follow=True)
    assert reply.redirect_chain == [(LIST, 302)]
    assert "Granted: ada has 10 until" in reply.content.decode()
    assert limits_of(ada).projects == 10
    wish.refresh_from_db()
    assert (wish.state, wish.answered_by) == ("granted", stan)


def test_a_request_is_granted_with_another_value_and_an_answer(ada, wish, address, as_stan):
    as_stan.post(address, answer("grant", value="8", answer="Eight will do."))
    wish.refresh_from_db()
    assert (wish.grant.value, wish.answer) == (8, "Eight will do.")
    assert limits_of(ada).projects == 8


def test_declining_needs_an_answer_and_no_figures(ada, wish, address, as_stan):
    blank = answer("decline", value="", until="")
    reply = as_stan.post(address, blank)
    assert reply.status_code == 400
    assert "Give a short reason" in reply.content.decode()
    assert as_stan.post(address, {**blank, "answer": "No room."}).status_code == 302
    wish.refresh_from_db()
    assert (wish.state, wish.answer) == ("declined", "No room.")
    assert limits_of(ada).projects == 5


@pytest.mark.parametrize("verdict", ["", "withdraw", "open"])
def test_any_other_verdict_is_refused(wish, address, as_stan, verdict):
    assert as_stan.post(address, answer(verdict)).status_code == 400
    wish.refresh_from_db()
    assert wish.state == "open"


def test_a_second_answer_is_refused_and_names_the_first(wish, address, stan, as_root):
    as_root.get(address)
    requests.grant(wish, stan, 9, in_days(10))
    reply = as_root.post(address, answer("decline", answer="No."))
    assert reply.status_code == 400
    page = reply.content.decode()
    assert "stan has already answered this request: it is granted." in page
    assert 'name="verdict"' not in page


def test_support_answers_within_the_bounds(ada, wish, address, as_sue):
    SupportBounds(projects=8, days=20).save()
    page = as_sue.get(address).content.decode()
    assert "Support may grant at most 8" in page
    assert as_sue.post(address, answer("grant")).status_code == 400
    assert as_sue.post(address, answer("grant", value="8")).status_code == 400
    assert limits_of(ada).projects == 5
    assert as_sue.post(address, answer("grant", value="8", until=in_days(20))).status_code == 302
    assert limits_of(ada).projects == 8


def test_a_viewer_sees_a_request_but_may_not_answer_it(wish, address, as_vera):
    page = as_vera.get(address)
    assert page.status_code == 200
    assert 'name="verdict"' not in page.content.decode()
    for verdict in ("grant", "decline"):
        assert as_vera.post(address, answer(verdict, answer="No.")).status_code == 403
    wish.refresh_from_db()
    assert wish.state == "open"


def test_other_people_are_sent_to_the_admin_sign_in(wish, address, as_ada, as_bob, as_eve):
    for client in (as_ada, as_bob, as_eve):
        for path in (LIST, address):
            assert client.get(path).url.startswith("/admin/login/")
            assert client.post(path, answer("grant")).url.startswith("/admin/login/")
    wish.refresh_from_db()
    assert wish.state == "open"


def test_nobody_may_add_or_delete_a_request_in_the_admin(wish, as_stan, as_root):
    for client in (as_stan, as_root):
        assert client.get(f"{LIST}add/").status_code == 403
        assert client.post(f"{LIST}{wish.pk}/delete/", {"post": "yes"}).status_code == 403
    assert LimitRequest.objects.count() == 1


def test_a_missing_request_is_404(as_stan, as_vera):
    for client in (as_stan, as_vera):
        for pk in ("999", "nothing"):
            assert client.get(f"{LIST}{pk}/change/").status_code == 404
