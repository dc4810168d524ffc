"""Letters: one for each occasion, sent once, retried for a day of refusals, and then dropped."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from bench.harness.ports import free_port
from portal.mail import outbox
from portal.models import Letter, User
from portal.models.mail import ATTEMPTS
from quotas import requests
from quotas.models import LimitRequest
from sessions import tasks
from sessions.watch.reconcile import reconcile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("server")]

WORDS = {"limit": "projects", "requested": "10", "until": "3 December 2026", "granted": "10"}


@pytest.fixture
def nobody_answers(server, settings) -> None:
    """Set the mail server's address to one at which nobody listens."""
    settings.EMAIL_PORT = free_port()


def write(to: User, key: str = "one", **more: object) -> Letter:
    limit_request = LimitRequest(user=to, limit="projects", value=10, why="A course, with many.")
    outbox.post(
        key,
        to,
        "limit_request_answered",
        {**WORDS, "limit_request": limit_request, "page_url": "http://x/y", **more},
    )
    return Letter.objects.get(key=key)


def later(**time: int) -> None:
    """Make it look as if this much time had passed since letters were tried."""
    for pk, claimed in Letter.objects.exclude(claimed=None).values_list("pk", "claimed"):
        assert claimed
        Letter.objects.filter(pk=pk).update(claimed=claimed - timedelta(**time))


def test_a_letter_arrives_as_text_and_html_with_the_same_words(ada, server):
    write(ada)
    assert outbox.deliver_due() == 1
    (letter,) = server.letters
    assert letter["To"] == "ada@example.org"
    assert letter["From"] == "Bindery <bindery@example.org>"
    assert letter["Subject"].startswith("Granted: projects, 10 until")
    assert letter["Auto-Submitted"] == "auto-generated"
    text = letter.get_body(("plain",)).get_content()
    page = letter.get_body(("html",)).get_content()
    for words in ("You asked for more (projects): 10 until", "Sent to ada by Bindery"):
        assert words in text
        assert words in page
    assert 'href="http://x/y"' in page
    assert "http://x/y" in text


def test_message_id_is_derived_from_the_occasion(ada, server):
    write(ada)
    write(ada, "two")
    outbox.deliver_due()
    ids = [letter["Message-ID"] for letter in server.letters]
    Letter.objects.all().delete()
    write(ada)
    outbox.deliver_due()
    assert len(set(ids)) == 2
    assert server.letters[2]["Message-ID"] == ids[0]
    assert ids[0].endswith("@example.org>")


def test_one_occasion_sends_one_letter_however_often_it_is_posted(ada, server):
    for _time in range(3):
        write(ada)
        outbox.deliver_due()
    assert len(server.letters) == Letter.objects.count() == 1


def test_rolled_back_transaction_writes_no_letter(ada):
    with transaction.atomic():
        write(ada)
        transaction.set_rollback(True)
    assert not Letter.objects.exists()


def test_concurrent_senders_send_a_letter_once(ada, server):
    letter = write(ada)

    def send(_number: int) -> bool:
        try:
            return outbox.send(letter.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(16))) == 1
    assert len(server.letters) == 1


def test_a_task_that_runs_twice_sends_once(ada, server):
    write(ada)
    tasks.send_letters()
    tasks.send_letters(newer="unknown")
    assert len(server.letters) == 1
    assert Letter.objects.get().sent


@pytest.mark.usefixtures("nobody_answers")
def test_unreachable_mail_server_uses_up_no_attempts(ada, caplog):
    write(ada)
    write(ada, "two")
    assert outbox.deliver_due() == 0
    attempts = Letter.objects.order_by("pk").values_list("attempts", flat=True)
    assert list(attempts) == [0, 0]
    assert "will be retried" in caplog.text


def test_all_letters_go_out_as_soon_as_the_mail_server_is_back(ada, server, settings, caplog):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    write(ada)
    write(ada, "two")
    for _minute in range(20):
        assert outbox.deliver_due() == 0
    assert outbox.server_problem() == outbox.SERVER_UNAVAILABLE
    assert len(caplog.records) == 1  # said once, not each minute
    settings.EMAIL_PORT = port
    assert outbox.deliver_due() == 2


def test_letter_that_breaks_the_connection_does_not_hold_up_others(ada, bob, server, settings):
    settings.EMAIL_TIMEOUT = 0.5
    server.breaks_on = {"ada@example.org"}
    write(ada)
    write(bob, "two")
    assert outbox.deliver_due() == 0
    assert Letter.objects.get(to=ada).attempts == 1
    assert outbox.deliver_due() == 1
    assert server.letters[0]["To"] == "bob@example.org"


def test_wrong_mail_password_uses_up_no_attempts(ada, server, settings):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "portal", "wrong"
    server.admits = False
    write(ada)
    for _minute in range(10):
        outbox.deliver_due()
    assert Letter.objects.get().attempts == 0
    server.admits = True
    assert outbox.deliver_due() == 1


def test_refused_letter_is_retried_later(ada, server):
    server.refused = {"ada@example.org"}
    write(ada)
    assert outbox.deliver_due() == 0
    server.refused = set()
    assert outbox.deliver_due() == 0
    later(minutes=11)
    assert outbox.deliver_due() == 1
    assert len(server.letters) == 1


def test_retries_back_off_and_end_after_eight_attempts(ada, server, caplog):
    server.refused = {"ada@example.org"}
    write(ada)
    pauses = []
    for attempt in range(1, ATTEMPTS + 1):
        outbox.deliver_due()
        assert Letter.objects.get().attempts == attempt
        pauses.append(10 * 2 ** (attempt - 1))
        later(minutes=pauses[-1] - 1)
        assert not outbox.due().exists()
        later(minutes=2)
    later(days=1000)
    assert outbox.deliver_due() == 0
    assert sum(pauses[:-1]) == 1270  # minutes: a day
    assert caplog.records[-1].levelno == logging.ERROR
    assert "after 8 attempts" in caplog.text


def test_one_refused_address_does_not_hold_up_other_letters(ada, bob, server):
    server.refused = {"ada@example.org"}
    write(ada)
    write(bob, "two")
    assert outbox.deliver_due() == 1
    assert server.letters[0]["To"] == "bob@example.org"


def test_letter_claimed_by_a_killed_sender_is_sent_later(ada, server):
    letter = write(ada)
    Letter.objects.update(claimed=timezone.now(), attempts=1)
    assert not outbox.send(letter.pk)
    later(minutes=11)
    assert outbox.send(letter.pk)


def test_disabled_people_and_people_without_an_address_get_no_letter(ada, bob, server):
    write(ada)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    User.objects.filter(pk=bob.pk).update(email="")
    bob.refresh_from_db()
    outbox.post("two", bob, "limit_request_answered", WORDS)
    assert outbox.deliver_due() == 0
    assert server.letters == []
    assert Letter.objects.count() == 1


def test_no_letter_is_written_without_a_mail_server(ada, settings):
    settings.PORTAL_EMAIL_URL = ""
    outbox.post("one", ada, "limit_request_answered", WORDS)
    assert not Letter.objects.exists()


def test_user_text_is_escaped_and_cannot_add_headers(ada, server):
    limit_request = LimitRequest(
        user=ada, limit="projects", value=10, answer="<b>no</b> & why\nBcc: x@y", answered_by=ada
    )
    limit = "projects\r\nBcc: eve@example.org"
    write(ada, limit_request=limit_request, limit=limit)
    outbox.deliver_due()
    (letter,) = server.letters
    assert letter["Bcc"] is None
    assert "<b>no</b> & why" in letter.get_body(("plain",)).get_content()
    assert "&lt;b&gt;no&lt;/b&gt; &amp; why" in letter.get_body(("html",)).get_content()


def test_sender_logs_in_with_the_configured_user_and_password(ada, server, settings):
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "portal", "a password"
    write(ada)
    outbox.deliver_due()
    assert len(server.logins) == len(server.letters) == 1


def test_reconcile_queues_a_task_for_unsent_letters(ada, backend, server):
    def handed_over() -> list[tuple[int, ...]]:
        reconcile()
        tasks = [row.task for row in OrmQ.objects.all()]
        return [task["args"] for task in tasks if task["func"].endswith(".send_letters")]

    assert handed_over() == []
    write(ada)
    assert handed_over() == [()]


def test_limit_request_and_its_answer_are_mailed_to_the_right_people(ada, vera, stan, server):
    until = timezone.localdate() + timedelta(days=30)
    limit_request = requests.submit(ada, "projects", 10, until, "A course, with <many>.")
    outbox.deliver_due()
    (asked,) = server.letters
    assert asked["To"] == "stan@example.org"
    assert asked["Subject"] == "Request from ada: projects, 10 instead of 5"
    text = asked.get_body(("plain",)).get_content()
    assert "> A course, with <many>." in text
    assert f"/admin/quotas/limitrequest/{limit_request.pk}/change/" in text
    requests.grant(limit_request, stan, 8, until, "Eight will do.")
    outbox.deliver_due()
    answered = server.letters[1]
    assert answered["To"] == "ada@example.org"
    assert answered["Subject"].startswith("Granted: projects, 8 until")
    assert "> Eight will do." in answered.get_body(("plain",)).get_content()


def test_hanging_mail_server_is_left_alone_and_retries_keep_the_message_id(ada, server, settings):
    settings.EMAIL_TIMEOUT = 0.5
    server.silent = True
    write(ada)
    write(ada, "two")
    assert outbox.deliver_due() == 0
    assert outbox.server_problem() == outbox.SERVER_UNAVAILABLE
    server.silent = False
    later(minutes=11)
    assert outbox.deliver_due() == 2
    assert not outbox.server_problem()
    names = [letter["Message-ID"] for letter in server.letters]
    assert len(names) == 3 and len(set(names)) == 2  # mail programs show it once


def test_refused_address_does_not_mark_the_server_as_unavailable(ada, server):
    server.refused = {"ada@example.org"}
    write(ada)
    outbox.deliver_due()
    assert not outbox.server_problem()
    assert "nobody of that name" in Letter.objects.get().error


def test_letters_per_minute_are_limited(ada, server, settings):
    settings.PORTAL_LETTERS_A_MINUTE = 2
    for key in ("one", "two", "three"):
        write(ada, key)
    assert outbox.deliver_due() == 2
    assert outbox.deliver_due() == 1


def test_staff_see_undeliverable_letters_and_can_retry_them(ada, server, as_stan, as_vera, backend):
    server.refused = {"ada@example.org"}
    letter = write(ada)
    Letter.objects.update(attempts=ATTEMPTS - 1, claimed=timezone.now() - timedelta(days=2))
    outbox.deliver_due()
    assert "portal.mail.outbox" in as_vera.get("/admin/").content.decode()
    page = as_vera.get("/admin/portal/letter/?stands=failed").content.decode()
    assert "nobody of that name" in page and letter.subject in page
    chosen = {"action": "try_again", "_selected_action": letter.pk}
    as_vera.post("/admin/portal/letter/", {**chosen, "confirmed": "yes"})
    assert not outbox.due().exists()
    assert (
        "sent within about a minute"
        in as_stan.post("/admin/portal/letter/", chosen).content.decode()
    )
    server.refused = set()
    as_stan.post("/admin/portal/letter/", {**chosen, "confirmed": "yes"})
    assert outbox.deliver_due() == 1
    assert "portal.mail.outbox" not in as_vera.get("/admin/").content.decode()
