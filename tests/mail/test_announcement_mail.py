"""An announcement is also sent by mail, once to each person it is meant for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from portal.mail import announcements, outbox
from portal.models import Announcement, Letter, User
from portal.models.mail import ATTEMPTS
from sessions import tasks
from sessions.watch.reconcile import reconcile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("server")]

HOUR = timedelta(hours=1)


def announce(text: str = "On Friday nothing runs.", **more: Any) -> Announcement:
    return Announcement.objects.create(text=text, by_mail=True, **more)


def whom() -> list[str]:
    return sorted(Letter.objects.values_list("to__username", flat=True))


def test_every_active_person_with_an_address_gets_a_letter(ada, bob, server):
    User.objects.create_user("silent")
    User.objects.create_user("gone", "gone@example.org", is_active=False)
    announcement = announce(weight="warning", ends=timezone.now() + HOUR)
    announcements.write(announcement.pk)
    assert whom() == ["ada", "bob"]
    assert outbox.deliver_due() == 2
    letter = server.letters[0]
    assert letter["Subject"] == "Warning: On Friday nothing runs."
    for kind in ("plain", "html"):
        words = letter.get_body((kind,)).get_content()
        assert "On Friday nothing runs." in words
        assert "This applies until" in words
        assert "Sent to ada by Bindery" in words


def test_announcement_text_is_escaped_in_html(ada, server):
    announcements.write(announce("<b>Move</b> & more: https://status.example.org/?a=1&b=2").pk)
    outbox.deliver_due()
    page = server.letters[0].get_body(("html",)).get_content()
    assert "&lt;b&gt;Move&lt;/b&gt; &amp; more" in page
    assert 'href="https://status.example.org/?a=1&amp;b=2"' in page
    assert "<b>Move</b> & more" in server.letters[0].get_body(("plain",)).get_content()


def test_announcement_for_a_group_goes_only_to_its_members(ada, bob):
    group = Group.objects.create(name="physics")
    bob.groups.add(group)
    announcements.write(announce(group=group).pk)
    assert whom() == ["bob"]


def test_concurrent_tasks_write_each_letter_once(ada, bob):
    people = [User(username=f"p{n}", email=f"p{n}@example.org") for n in range(450)]
    User.objects.bulk_create(people)
    announcement = announce()

    def write(_number: int) -> None:
        try:
            tasks.write_letters(announcement.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    assert Letter.objects.count() == 452
    assert Announcement.objects.get().mailed
    assert announcements.due() == []


def test_interrupted_task_is_completed_by_the_next_one(ada, bob):
    announcement = announce()
    Letter.objects.create(key=f"announcement-{announcement.pk}-{ada.pk}", to=ada,
                          announcement=announcement)  # fmt: skip
    assert announcements.due() == [announcement.pk]
    announcements.write(announcement.pk)
    assert whom() == ["ada", "bob"]


def test_people_who_join_later_get_no_letter(ada, bob):
    announcement = announce()
    announcements.write(announcement.pk)
    User.objects.create_user("carol", "carol@example.org")
    announcements.write(announcement.pk)
    assert whom() == ["ada", "bob"]


def test_announcement_is_mailed_only_between_its_start_and_end(ada):
    now = timezone.now()
    announce(starts=now + HOUR, ends=now + 2 * HOUR)
    announce(starts=now - 2 * HOUR, ends=now - HOUR)
    assert announcements.due() == []


def test_deleted_announcement_is_sent_to_nobody_else(ada, bob, server):
    announcement = announce()
    announcements.write(announcement.pk)
    assert outbox.deliver_due(limit=1) == 1
    announcement.delete()
    announcements.write(announcement.pk)
    assert outbox.deliver_due() == 0
    assert len(server.letters) == 1


def test_personal_letters_are_sent_before_announcements(ada, server):
    announcements.write(announce().pk)
    wish = {"limit_request": None, "limit": "x", "requested": "1", "until": "then", "granted": ""}
    outbox.post("mine", ada, "limit_request_answered", wish)
    outbox.deliver_due(limit=1)
    assert server.letters[0]["Subject"].startswith("Declined")


def test_reconcile_queues_the_letters_and_the_admin_shows_delivery_counts(
    ada, bob, backend, server, as_root
):
    announcement = announce()
    reconcile()
    assert "sessions.tasks.write_letters" in [row.task["func"] for row in OrmQ.objects.all()]
    announcements.write(announcement.pk)
    server.refused = {"bob@example.org"}
    outbox.deliver_due()
    Letter.objects.filter(to=bob).update(attempts=ATTEMPTS)
    page = as_root.get("/admin/portal/announcement/").content.decode()
    assert "2 sent, 0 waiting, 1 failed" in page  # root has an address as well


def test_mail_option_is_gone_once_the_letters_are_written(ada, as_stan, backend):
    announcement = announce()
    announcements.write(announcement.pk)
    page = as_stan.get(f"/admin/portal/announcement/{announcement.pk}/change/")
    assert "by_mail" not in page.context["adminform"].form.fields


def test_mail_option_is_hidden_without_a_mail_server(settings, as_stan, backend):
    settings.PORTAL_EMAIL_URL = ""
    form = as_stan.get("/admin/portal/announcement/add/").context["adminform"].form
    assert "by_mail" not in form.fields
