"""Operators get a letter when a part has been unhealthy for ten minutes, and one when it has
recovered.
"""

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


def test_operators_are_alerted_only_after_ten_minutes(now):
    Condition.objects.create(part="worker", problem="tasks wait", since=now)
    operator_alerts.send_alerts(now + 9 * MINUTE)
    assert subjects() == []
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert subjects() == ["Problem: worker (tasks wait)"] * 2


def test_each_episode_sends_one_alert_and_one_recovery_letter(now):
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


def test_short_episode_sends_no_letter(now):
    Condition.objects.create(part="disk", problem="little room", since=now)
    operator_alerts.send_alerts(now + MINUTE)
    Condition.objects.record("disk", "")
    operator_alerts.send_alerts(now + 20 * MINUTE)
    assert subjects() == []


def test_letter_explains_the_problem_and_what_to_do(now, server):
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


def test_unknown_part_is_reported_verbatim(now):
    Condition.objects.create(part="teapot", problem="is short and stout", since=now)
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert "teapot: is short and stout" in Letter.objects.earliest("pk").text


def test_mail_problems_send_no_letter(now):
    Condition.objects.create(part="mail", problem="away", since=now)
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert subjects() == []


def test_no_letter_is_sent_when_no_operator_is_configured(now, settings):
    settings.PORTAL_OPERATORS_MAIL = []
    Condition.objects.create(part="worker", problem="tasks wait", since=now)
    operator_alerts.send_alerts(now + 11 * MINUTE)
    assert subjects() == []


def test_reconcile_sends_the_alerts(backend, now):
    Condition.objects.create(part="worker", problem="tasks wait", since=now - 11 * MINUTE)
    reconcile(alert=operator_alerts.send_alerts)
    assert len(subjects()) == 2
