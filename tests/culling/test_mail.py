"""The letter of the day before: one for all projects that expire, in the portal's own time zone.
`test_told` covers deletions whose letter does not go out.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.models import Letter, User
from portal.templatetags.lifetimes import relative_time
from sessions import lifecycle
from tests.culling.conftest import DAY, HOUR, now_is

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database,
    pytest.mark.usefixtures("by_mail"),
]


def test_one_letter_names_every_project_that_expires(ada, bob, portal, unused):
    unused(ada, 6, repository="ada/flowers")
    unused(ada, 6.2, repository="ada/trees")
    unused(bob, 6, repository="bob/birds")
    portal.look()
    portal.live(3 * HOUR)
    hers = Letter.objects.get(to=ada)
    assert hers.subject == (
        "2 projects will be deleted unless you keep them,"
        " the first on Tuesday, 3 November 2026 at 12:00 UTC"
    )
    for body in (hers.text, hers.html):
        assert "ada/flowers" in body
        assert "ada/trees" in body
        assert "bob" not in body
        assert "/going/" in body
        assert "/home/ada-nfs-pvc" in body
        assert (
            "you can restore a project and its files in /home/jovyan on the portal for 14 days"
            in body
        )
    assert Letter.objects.get(to=bob).subject == (
        "bob/birds will be deleted on Tuesday, 3 November 2026 at 12:00 UTC unless you keep it"
    )


def test_later_deadline_brings_a_second_letter_with_every_project(ada, portal, unused):
    first = unused(ada, 6, repository="ada/flowers")
    unused(ada, 5.75, repository="ada/trees")
    portal.look()
    portal.live(6 * HOUR)
    earlier, later = Letter.objects.order_by("pk")
    assert "ada/trees" not in earlier.text
    assert "- ada/flowers (main): Tuesday, 3 November 2026 at 12:00 UTC" in later.text
    assert "- ada/trees (main): Tuesday, 3 November 2026 at 18:00 UTC" in later.text
    portal.live(18 * HOUR)
    assert now_is(first).removed
    assert Letter.objects.count() == 2


def test_letter_after_an_outage_explains_the_new_date(ada, portal, unused):
    unused(ada, 6)
    portal.look()
    portal.sleep(2 * HOUR)
    portal.look()
    first, again = Letter.objects.order_by("pk")
    assert "The portal was offline for a while" not in first.text
    assert "The portal was offline for a while" in again.text
    assert "3 November 2026 at 14:00 UTC" in again.subject


def test_project_kept_meanwhile_is_not_in_the_next_letter(ada, portal, unused):
    kept, other = unused(ada, 6, repository="ada/kept"), unused(ada, 6, repository="ada/other")
    portal.look()
    lifecycle.keep(now_is(kept), ada)
    portal.sleep(2 * HOUR)
    portal.look()
    assert "ada/kept" not in Letter.objects.latest("pk").text
    assert now_is(other).goes


def test_warning_holds_without_an_address_or_a_mail_server(ada, bob, portal, unused, settings):
    User.objects.filter(pk=ada.pk).update(email="")
    hers = unused(ada, 6)
    portal.look()
    settings.PORTAL_EMAIL_URL = ""
    his = unused(bob, 6)
    portal.look()
    assert not Letter.objects.exists()
    assert now_is(hers).goes
    assert now_is(his).goes


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("warned", "said"),
    [
        # 29 March 2026: the clock goes from 02:00 to 03:00, so a day later it is an hour later.
        (datetime(2026, 3, 28, 1, 30, tzinfo=UTC), "29 March 2026 at 03:30 CEST"),
        (datetime(2026, 3, 28, 0, 30, tzinfo=UTC), "29 March 2026 at 01:30 CET"),
        # 25 October 2026: the hour from 02:00 to 03:00 is there twice.
        (datetime(2026, 10, 24, 0, 30, tzinfo=UTC), "25 October 2026 at 02:30 CEST"),
        (datetime(2026, 10, 24, 1, 30, tzinfo=UTC), "25 October 2026 at 02:30 CET"),
        # That day is 25 hours long.
        (datetime(2026, 10, 24, 22, 30, tzinfo=UTC), "25 October 2026 at 23:30 CET"),
    ],
)
def test_letter_has_the_right_hour_when_the_clocks_change(
    ada, portal, unused, settings, warned, said
):
    settings.TIME_ZONE = "Europe/Berlin"
    portal.now = warned
    unused(ada, 6)
    portal.look()
    assert Letter.objects.get().subject.endswith(f"day, {said} unless you keep it")


def test_relative_times_read_naturally(portal):
    now = portal.now
    assert relative_time(now - HOUR) == "any moment now"
    assert relative_time(now + HOUR) == "today at 13:00 UTC"
    assert relative_time(now + DAY) == "tomorrow at 12:00 UTC"
    assert relative_time(now + 3 * DAY) == "on Thursday"
    assert relative_time(now + timedelta(days=30)) == "on 2 December"
