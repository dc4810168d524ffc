"""Operators get a letter when a part has been unhealthy for ten minutes, and one when it has
recovered."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from portal.health import operator_alerts
from portal.mail import outbox
from portal.models import Letter
from sessions.models import Condition
from sessions.watch.reconcile import reconcile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("server")]

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def told(settings) -> None:
    settings.PORTAL_OPERATORS_MAIL = ["ops@example.org", "chief@example.org"]


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def subjects() -> list[str]:
    return list(Letter.objects.order_by("pk").values_list("subject", flat=True))


def test_ten_minutes_are_waited_for(now):
    Condition.objects.create(part="worker", problem="tasks wait", since=now)
    operator_alerts.send_alerts(now + 9 * MINUTE)
    assert subjects() == []
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert subjects() == ["Problem: worker (tasks wait)"] * 2


def test_an_episode_is_told_once_and_so_is_its_end(now):
    row = Condition.objects.create(part="worker", problem="tasks wait", since=now)
    for minutes in (11, 12, 60 * 24):
        operator_alerts.send_alerts(now + minutes * MINUTE)
    Condition.objects.record(row.part, "")
    for minutes in (11, 12):
        operator_alerts.send_alerts(now + minutes * MINUTE)
    assert subjects() == ["Problem: worker (tasks wait)"] * 2 + ["Resolved: worker"] * 2
    Condition.objects.update(problem="tasks wait", since=now + 60 * MINUTE)
    operator_alerts.send_alerts(now + 71 * MINUTE)
    assert len(subjects()) == 6


def test_what_was_unwell_for_a_moment_is_told_neither_way(now):
    Condition.objects.create(part="disk", problem="little room", since=now)
    operator_alerts.send_alerts(now + MINUTE)
    Condition.objects.record("disk", "")
    operator_alerts.send_alerts(now + 20 * MINUTE)
    assert subjects() == []


def test_the_letter_says_what_it_means_and_what_to_do(now, server):
    Condition.objects.create(part="activity", problem="not asked", since=now)
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert outbox.deliver_due() == 2
    assert {letter["To"] for letter in server.letters} == {"ops@example.org", "chief@example.org"}
    for kind in ("plain", "html"):
        words = " ".join(server.letters[0].get_body((kind,)).get_content().split())
        assert "until they are, none counts as idle" in words
        assert "its log says why" in words
        assert "/admin/" in words
        assert "Sent to the operators by Bindery" in words


def test_a_part_that_nobody_has_words_for_is_told_as_it_is(now):
    Condition.objects.create(part="teapot", problem="is short and stout", since=now)
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert "teapot: is short and stout" in Letter.objects.earliest("pk").text


def test_of_mail_itself_no_letter_tells(now):
    Condition.objects.create(part="mail", problem="away", since=now)
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert subjects() == []


def test_nobody_is_told_where_nobody_is_named(now, settings):
    settings.PORTAL_OPERATORS_MAIL = []
    Condition.objects.create(part="worker", problem="tasks wait", since=now)
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert subjects() == []


def test_reconcile_looks_each_minute(backend, now):
    Condition.objects.create(part="worker", problem="tasks wait", since=now - 11 * MINUTE)
    reconcile(alert=operator_alerts.send_alerts)
    assert len(subjects()) == 2
