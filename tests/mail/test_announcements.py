"""Announcements by staff are on every page, from their beginning to their end and no longer."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from portal.models import Announcement
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

HOUR = timedelta(hours=1)


def announce(text: str, weight: str = "news", **times: datetime) -> Announcement:
    return Announcement.objects.create(text=text, weight=weight, **times)


def test_announcement_is_on_every_page_even_when_signed_out(ada, as_ada, as_eve, backend):
    announce("On Friday nothing runs.", "warning")
    project = project_in(ProjectState.READY, ada)
    for address in ("/", "/account/", f"/projects/{project.name}/", "/no-such-page/"):
        assert "On Friday nothing runs." in as_ada.get(address).content.decode(), address
    for address in ("/", "/sign-in/", "/admin/login/", "/no-such-page/"):
        assert "On Friday nothing runs." in as_eve.get(address).content.decode(), address


def test_announcement_is_on_admin_pages(root, client, backend):
    announce("On Friday nothing runs.")
    client.force_login(root)
    for address in ("/admin/", "/admin/notebook_sessions/project/"):
        assert "On Friday nothing runs." in client.get(address).content.decode(), address


def test_weight_is_shown_as_a_word_and_an_icon(as_eve):
    announce("one", "warning")
    announce("two", "news")
    page = as_eve.get("/").content.decode()
    assert 'class="announcement weight-warning"' in page
    assert "<strong>Warning</strong>" in page
    assert "<strong>News</strong>" in page
    assert page.partition('class="announcements"')[2].partition("</section>")[0].count("<svg") == 2


def test_page_without_announcements_has_no_section_for_them(as_eve):
    assert "announcement" not in as_eve.get("/").content.decode()


def test_announcement_starts_and_ends_at_its_times(as_eve, monkeypatch):
    now = timezone.now()
    announce("soon", starts=now + HOUR, ends=now + 2 * HOUR)

    def page_at(moment: datetime) -> str:
        monkeypatch.setattr(timezone, "now", lambda: moment)
        return as_eve.get("/").content.decode()

    assert "soon" not in page_at(now)
    assert "soon" not in page_at(now + HOUR - timedelta(milliseconds=1))
    assert "soon" in page_at(now + HOUR)
    assert "soon" in page_at(now + 2 * HOUR - timedelta(milliseconds=1))
    assert "soon" not in page_at(now + 2 * HOUR)


def test_newest_announcement_comes_first(as_eve):
    now = timezone.now()
    announce("older", starts=now - 2 * HOUR)
    announce("newer", starts=now - HOUR)
    page = as_eve.get("/").content.decode()
    assert page.index("newer") < page.index("older")


def test_announcement_text_is_escaped_and_its_addresses_become_links(as_eve):
    announce('<script>alert(1)</script>\nSee https://status.example.org/a?b=1&c="x" now.')
    page = as_eve.get("/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>See" in page
    assert 'href="https://status.example.org/a?b=1&amp;c=' in page
    assert 'rel="noopener nofollow"' in page


def test_hostile_address_cannot_break_out_of_its_attribute(as_eve):
    announce("https://example.org/\"onmouseover=alert(1)//' javascript:alert(2)")
    page = as_eve.get("/").content.decode()
    shown = page.partition('class="announcements"')[2].partition("</section>")[0]
    assert '"onmouseover' not in shown
    assert 'href="javascript' not in shown


def test_all_announcements_take_one_query(as_eve, django_assert_num_queries):
    for text in ("one", "two", "three"):
        announce(text)
    with django_assert_num_queries(1):
        as_eve.get("/")
