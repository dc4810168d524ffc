"""The account page: one's limits, asking for more, and seeing the answer."""

from __future__ import annotations

import re
from datetime import date

import pytest
from django.contrib.auth.models import Group

from quotas import requests
from quotas.fields import FIELDS
from quotas.models import Grant, LimitRequest, LimitSet
from sessions.states import ProjectState
from tests.making import in_days, words_of
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]


def form(**changed: object) -> dict[str, object]:
    sent = {"limit": "projects", "value": "10", "until": in_days(30), "why": "A course."}
    return {**sent, **changed}


def test_every_limit_has_a_link_to_request_more(as_ada):
    html = as_ada.get("/account/").content.decode()
    for name in FIELDS:
        assert html.count(f'href="?ask={name}#ask"') == 1


def test_usage_is_shown_beside_each_limit(ada, as_ada):
    project_in(ProjectState.READY, ada)
    project_in(ProjectState.STOPPED, ada)
    text = words_of(as_ada)
    for words in ("2 of 5", "1 of 20", "1 of 32 CPU", "1 of 128 GB", "0 of 5 GPU"):
        assert words in text


def test_each_limit_says_where_it_comes_from(ada, as_ada):
    group = Group.objects.create(name="physics")
    ada.groups.add(group)
    LimitSet.objects.create(running=7)
    LimitSet.objects.create(group=group, max_gpu=3)
    LimitSet.objects.create(user=ada, max_cpu=20)
    until = date(2126, 11, 3)
    Grant.objects.create(user=ada, limit="projects", value=9, until=until, reason="-")
    text = words_of(as_ada)
    assert re.search(r"0 of 7 set for everybody", text)
    assert "3 GPU set for the group physics" in text
    assert "20 CPU set for you" in text
    assert "0 of 9 granted until 3 November 2126" in text
    assert "64 GB the portal's default" in text.replace("&#x27;", "'")


def test_usage_above_a_lowered_limit_is_explained(ada, as_ada):
    project_in(ProjectState.READY, ada)
    project_in(ProjectState.READY, ada)
    assert "This is over your limit" not in words_of(as_ada)
    LimitSet.objects.create(user=ada, running=1, projects=1, total_cpu=1)
    text = words_of(as_ada)
    assert text.count("What is running keeps running; a new one has to wait.") == 2
    assert text.count("You keep all of them; delete some to launch another.") == 1


def test_limit_of_zero_has_no_bar(ada, as_ada):
    LimitSet.objects.create(user=ada, total_gpu=0)
    assert 'max="0' not in as_ada.get("/account/").content.decode()
    assert "0 of 0 GPU" in words_of(as_ada)


def test_gpus_cannot_be_requested_from_the_local_backend(as_ada, settings):
    settings.PORTAL_BACKEND = "local"
    html = as_ada.get("/account/").content.decode()
    assert "?ask=max_cpu#" in html
    assert "?ask=max_gpu#" not in html
    assert 'id="ask"' not in as_ada.get("/account/?ask=max_gpu").content.decode()
    assert as_ada.post("/account/ask/", form(limit="max_gpu")).status_code == 404


def test_link_opens_the_request_form_without_sending_it(as_ada):
    html = as_ada.get("/account/?ask=projects").content.decode()
    assert html.count('id="ask"') == 1
    assert 'min="6"' in html
    assert f'max="{in_days(366)}"' in html
    assert not LimitRequest.objects.exists()


@pytest.mark.parametrize("limit", ["", "no_such_limit", "<b>"])
def test_link_to_an_unknown_limit_opens_no_form(as_ada, limit):
    answer = as_ada.get("/account/", {"ask": limit})
    assert answer.status_code == 200
    assert 'id="ask"' not in answer.content.decode()


def test_sending_a_request_leads_to_its_status(ada, as_ada):
    answer = as_ada.post("/account/ask/", form())
    assert (answer.status_code, answer.url) == (303, "/account/#requests")
    wish = LimitRequest.objects.get()
    assert (wish.user, wish.limit, wish.value, wish.why) == (ada, "projects", 10, "A course.")
    text = words_of(as_ada)
    assert "Your request has been sent." in text
    assert "See your request" in text
    assert "Withdraw" in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"value": "5"}, "It must be more than your present 5."),
        ({"value": "6.5"}, "Enter a whole number."),
        ({"value": "many"}, "Enter a number."),
        ({"value": "nan"}, "Enter a number."),
        ({"until": "2001-01-01"}, "Choose a day after today, at most 366 days away."),
        ({"until": "soon"}, "Enter a valid date."),
        ({"why": ""}, "This field is required."),
        ({"why": "x" * 2001}, "at most 2000 characters"),
        ({"why": "a\0b"}, "Null characters are not allowed."),
    ],
)
def test_invalid_request_shows_the_error_and_keeps_the_input(as_ada, changed, said):
    answer = as_ada.post("/account/ask/", form(**changed))
    assert answer.status_code == 400
    html = answer.content.decode()
    assert said in html
    assert html.count('id="ask"') == 1
    if "why" not in changed:
        assert "A course.</textarea>" in html
    assert not LimitRequest.objects.exists()


def test_second_request_is_refused_while_the_first_is_open(as_ada):
    as_ada.post("/account/ask/", form())
    answer = as_ada.post("/account/ask/", form(value="20"))
    assert answer.status_code == 400
    assert "Withdraw that request before you make another" in answer.content.decode()
    assert LimitRequest.objects.get().value == 10


def test_only_the_requester_can_withdraw_a_request(as_ada, as_bob, as_stan, as_eve):
    as_ada.post("/account/ask/", form())
    wish = LimitRequest.objects.get()
    address = f"/account/requests/{wish.pk}/take-back/"
    assert as_bob.post(address).status_code == as_stan.post(address).status_code == 404
    assert as_eve.post(address).url.startswith("/sign-in/")
    assert as_ada.get(address).status_code == 405
    assert LimitRequest.objects.open().count() == 1
    assert as_ada.post(address).url == "/account/#requests"
    as_ada.post(address)
    assert LimitRequest.objects.get().state == "withdrawn"
    assert "This request was withdrawn" in words_of(as_ada)


def test_answer_is_shown_on_every_page_until_dismissed(ada, as_ada, as_bob, stan):
    wish = requests.submit(ada, "projects", 10, in_days(30), "A course.")
    requests.grant(wish, stan, 8, in_days(20), "Eight will do.")
    for _time in range(2):
        assert "Your request was granted. Projects: 8 until" in words_of(as_ada, "/")
    assert "granted" not in words_of(as_bob, "/")
    address = f"/account/requests/{wish.pk}/seen/"
    assert as_bob.post(address, {"next": "/"}).url == "/"
    assert "was granted" in words_of(as_ada, "/")
    assert as_ada.post(address, {"next": "/"}).url == "/"
    assert "was granted" not in words_of(as_ada, "/")


def test_viewing_the_account_page_dismisses_the_answer(ada, as_ada, stan):
    wish = requests.submit(ada, "projects", 10, in_days(30), "A course.")
    requests.decline(wish, stan, "Five <b>will</b> do.")
    assert "Your request was declined." in words_of(as_ada, "/")
    html = as_ada.get("/account/").content.decode()
    assert "Five &lt;b&gt;will&lt;/b&gt; do." in html
    assert "stan" in html
    assert "was declined" not in words_of(as_ada, "/")


def test_requests_of_other_people_are_not_shown(bob, as_ada, as_stan):
    requests.submit(bob, "projects", 10, in_days(30), "His own course.")
    for client in (as_ada, as_stan):
        assert "His own course" not in words_of(client)


def test_eve_is_sent_to_sign_in_and_no_request_is_made(as_eve, as_ada):
    assert as_eve.post("/account/ask/", form()).url == "/sign-in/?next=/account/ask/"
    assert as_ada.get("/account/ask/").url == "/account/"
    assert not LimitRequest.objects.exists()


def test_number_of_queries_does_not_grow_with_the_requests(
    ada, as_ada, stan, django_assert_num_queries
):
    as_ada.get("/account/")
    with django_assert_num_queries(16):
        as_ada.get("/account/")
    for number in range(5):
        wish = requests.submit(ada, "projects", 10 + number, in_days(30), "A course.")
        requests.grant(wish, stan, 10 + number, in_days(30))
    as_ada.get("/account/")
    with django_assert_num_queries(16):
        as_ada.get("/account/")
