"""Nothing is deleted without notice: each project is named in a letter that went out a whole day
before, or staff decide. With a real mail server, which comes and goes.
"""

from __future__ import annotations

import pytest

from bench.harness.ports import free_port
from portal.mail import outbox
from portal.models import Letter, User
from portal.models.mail import ATTEMPTS
from sessions import lifecycle
from sessions.culling import warn
from sessions.models import Condition, Project
from sessions.watch import conditions
from tests.culling.conftest import DAY, HOUR, MINUTE, Portal, now_is
from tests.fixtures import server

__all__ = ["server"]

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database,
    pytest.mark.usefixtures("server"),
]


def names(letter) -> set[str]:
    text = letter.get_body(("plain",)).get_content()
    return {
        line[2:].split()[0].removesuffix(":") for line in text.splitlines() if line.startswith("- ")
    }


class Away:
    """A missing mail server: within ``with Away(settings):`` nobody listens at its address."""

    def __init__(self, settings) -> None:
        self.settings = settings

    def __enter__(self) -> None:
        self.port, self.settings.EMAIL_PORT = self.settings.EMAIL_PORT, free_port()

    def __exit__(self, *_error: object) -> None:
        self.settings.EMAIL_PORT = self.port


def mail_condition(part: str) -> str:
    conditions.record_all()
    return Condition.objects.get(part=part).problem


def test_projects_due_hours_apart_are_both_named_a_day_before(ada, portal, unused, server):
    first = unused(ada, 6, repository="ada/flowers")
    second = unused(ada, 5.75, repository="ada/trees")
    portal.look()
    portal.live(6 * HOUR)
    assert [names(letter) for letter in server.letters] == [
        {"ada/flowers"},
        {"ada/flowers", "ada/trees"},
    ]
    portal.live(18 * HOUR)
    assert (bool(now_is(first).removed), bool(now_is(second).removed)) == (True, False)
    portal.live(6 * HOUR)
    assert now_is(second).removed == now_is(second).goes == portal.now
    assert len(server.letters) == 2


def test_mail_outage_postpones_deletion_until_a_day_after_the_letter(
    ada, portal, unused, server, settings
):
    project = unused(ada, 6)
    with Away(settings):
        portal.look()
        assert mail_condition("deletions") == ""  # not yet
        portal.live(3 * DAY)
        assert not now_is(project).removed
        assert now_is(project).goes > portal.now + 22 * HOUR  # as pages and API say
        assert mail_condition("deletions") == conditions.LETTERS_UNSENT
    portal.sleep(MINUTE)
    portal.look()
    (letter,) = server.letters
    assert "Friday, 6 November 2026 at 12:01 UTC" in letter["Subject"]
    assert now_is(project).goes == portal.now + DAY
    assert mail_condition("deletions") == ""
    portal.live(DAY - MINUTE)
    assert not now_is(project).removed
    portal.live(MINUTE)
    assert now_is(project).removed
    assert len(server.letters) == 1


def test_project_kept_while_the_letter_waits_is_not_in_it(ada, portal, unused, server, settings):
    kept, other = unused(ada, 6, repository="ada/kept"), unused(ada, 6, repository="ada/other")
    with Away(settings):
        portal.look()
        lifecycle.keep(now_is(kept), ada)
    portal.look()
    assert [names(letter) for letter in server.letters] == [{"ada/other"}]
    assert now_is(other).letter == Letter.objects.get()
    assert now_is(kept).goes is None


def test_project_due_while_a_letter_waits_is_in_that_letter(ada, portal, unused, server, settings):
    unused(ada, 6, repository="ada/flowers")
    unused(ada, 5.75, repository="ada/trees")
    with Away(settings):
        portal.look()
        portal.live(6 * HOUR)
    portal.look()
    assert [names(letter) for letter in server.letters] == [{"ada/flowers", "ada/trees"}]


def test_no_letter_is_sent_when_nothing_is_left_to_announce(ada, portal, unused, server, settings):
    project = unused(ada, 6)
    with Away(settings):
        portal.look()
        lifecycle.keep(now_is(project), ada)
    portal.look()
    assert server.letters == []
    assert not Letter.objects.exists()


def test_project_that_just_missed_a_letter_is_named_in_another(ada, portal, unused, server):
    unused(ada, 6, repository="ada/flowers")
    portal.look()
    late = unused(ada, 6, repository="ada/late")
    Project.objects.filter(pk=late.pk).update(warned=portal.now, goes=portal.now + DAY)
    portal.sleep(MINUTE)
    portal.look()
    assert [names(letter) for letter in server.letters][1:] == [{"ada/flowers", "ada/late"}]


def test_project_kept_while_its_letter_is_written_stays_kept(ada, portal, unused):
    project = unused(ada, 6)
    portal.sends_letters = False
    portal.look()
    lifecycle.keep(now_is(project), ada)
    warn._reschedule(Project.objects.filter(pk=project.pk), portal.now + DAY)
    assert now_is(project).goes is None


def refused(portal: Portal, days: int) -> None:
    """Let this many days pass in which their letters are refused, with a check every six hours."""
    for _look in range(days * 4):
        portal.live(6 * HOUR)


@pytest.mark.slow("two weeks go by, with a look every six hours", seconds=120)
def test_staff_decide_after_two_weeks_of_refused_letters(
    ada, bob, as_stan, as_vera, stan, portal, unused, server
):
    server.refused = {"ada@example.org"}
    hers, his = unused(ada, 6), unused(bob, 6)
    untold = unused(ada, 6, repository="ada/untold")
    portal.look()
    refused(portal, 2)
    assert (bool(now_is(his).removed), now_is(hers).removed) == (True, None)
    assert (
        Letter.objects.get(to=ada).attempts < ATTEMPTS or not Project.objects.with_refused_letter()
    )
    refused(portal, 13)
    assert set(Project.objects.with_refused_letter()) == {hers, untold}
    assert "portal.undecided" in as_vera.get("/admin/").content.decode()
    address = "/admin/notebook_sessions/project/"
    page = as_stan.get(f"{address}?deletion=undecided").content.decode()
    shown = page.partition("<tbody>")[2]
    assert all(f"/project/{project.pk}/change/" in shown for project in (hers, untold))
    assert "bob" not in shown

    def decide(action: str, project: Project) -> None:
        chosen = {"action": action, "_selected_action": project.pk, "confirmed": "yes"}
        as_stan.post(address, chosen)

    decide("keep", hers)
    decide("delete", untold)
    assert now_is(hers).goes is None
    assert now_is(untold).removed
    assert not Project.objects.with_refused_letter()


@pytest.mark.slow("two weeks go by, with a look every six hours", seconds=120)
def test_corrected_address_gets_a_letter_within_a_day(ada, portal, unused, server):
    server.refused = {"ada@example.org"}
    project = unused(ada, 6)
    portal.look()
    refused(portal, 3)
    User.objects.filter(pk=ada.pk).update(email="ada@example.net")
    refused(portal, 1)
    assert server.letters[0]["To"] == "ada@example.net"
    assert now_is(project).goes
    refused(portal, 1)
    assert now_is(project).removed


@pytest.mark.parametrize("nobody", [{"email": ""}, {"is_active": False}], ids=str)
def test_warning_on_the_pages_suffices_for_people_without_letters(ada, portal, unused, nobody):
    User.objects.filter(pk=ada.pk).update(**nobody)
    project = unused(ada, 6)
    portal.look()
    portal.live(DAY)
    assert now_is(project).removed


def test_warning_on_the_pages_suffices_if_the_address_is_removed(ada, portal, unused, settings):
    project = unused(ada, 6)
    with Away(settings):
        portal.look()
        portal.live(DAY)
    User.objects.filter(pk=ada.pk).update(email="")
    portal.live(DAY)
    assert now_is(project).removed


def test_letter_sent_before_an_outage_does_not_count(ada, portal, unused, server, settings):
    project = unused(ada, 6)
    portal.look()
    portal.sleep(2 * HOUR)
    with Away(settings):
        portal.look()
        portal.live(2 * DAY)
        assert not now_is(project).removed
    portal.look()
    text = server.letters[1].get_body(("plain",)).get_content()
    assert "The portal was offline for a while" in text
    portal.live(DAY)
    assert now_is(project).removed


def test_resent_letter_keeps_its_message_id_and_allows_a_full_day(ada, portal, unused, server):
    project = unused(ada, 6)
    portal.look()
    Letter.objects.update(sent=None)  # the worker was killed before it could say so
    portal.sleep(20 * MINUTE)
    outbox.deliver_due()
    first, second = server.letters
    assert first["Message-ID"] == second["Message-ID"]
    assert now_is(project).goes == portal.now + DAY
