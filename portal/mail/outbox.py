"""Letters to people: written into the database with what they tell of, sent by the worker, once.

`post` writes one in its caller's transaction; `sessions.watch.reconcile` has the worker call
`deliver_due` while any are unsent. Nothing is written where no mail server is set.
"""

from __future__ import annotations

import hashlib
import logging
import smtplib
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import F, Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.module_loading import import_string

from portal.models import Announcement, Letter, User
from portal.models.letter import ATTEMPTS

PAUSE = timedelta(minutes=10)
"""Before the second attempt; it doubles each time, so the last one is a day after the first. Only
attempts count at which there was a mail server."""
PATIENCE = 20.0
"""Seconds after which no further letter is begun: what is left is for the next task."""
RENEWED = {"going": "sessions.culling.warn.renew"}
"""By the first word of their key: what writes letters anew just before they go out, and says
whether there is still something to tell."""
AWAY = "the mail server is away"
"""How the error begins of a letter that nobody was there to take."""
NOBODY = "the person has no address, or is disabled"

log = logging.getLogger(__name__)


def are_sent() -> bool:
    """Whether this portal has a mail server to send them by."""
    return bool(settings.PORTAL_EMAIL_URL)


def post(key: str, to: User, template: str, context: Mapping[str, Any], address: str = "") -> None:
    """Have the letter of ``templates/mail/<template>`` sent to a person, once for each ``key``; to
    their ``address`` of before, where that is given.

    People without an address get none.
    """
    if are_sent() and (address or to.email):
        letter = written(key, to, template, context)
        letter.address = address
        Letter.objects.bulk_create([letter], ignore_conflicts=True)


def written(
    key: str,
    to: User | str,
    template: str,
    context: Mapping[str, Any],
    announcement: Announcement | None = None,
) -> Letter:
    """A letter to a person, or to an address of the operator's; not stored yet."""
    words = {**context, "to": to, "portal": settings.PORTAL_URL}
    subject, text, html = (
        render_to_string(f"mail/{template}.{kind}", words)
        for kind in ("subject.txt", "txt", "html")
    )
    return Letter(
        key=key,
        to=to if isinstance(to, User) else None,
        address=to if isinstance(to, str) else "",
        subject=" ".join(subject.split())[:255],
        text=text.strip() + "\n",
        html=html,
        announcement=announcement,
    )


def due() -> QuerySet[Letter]:
    """The letters that are to be tried now: the oldest first, those to everybody last."""
    ours_first = F("announcement").asc(nulls_first=True)
    return (
        Letter.objects.unsent()
        .filter(_is_due(timezone.now()))
        .order_by(ours_first, "created", "pk")
    )


def server_is_away() -> bool:
    """Whether nobody was there to take the letter that was tried last."""
    last = Letter.objects.exclude(claimed=None).order_by("-claimed", "-pk").first()
    return last is not None and last.sent is None and last.error.startswith(AWAY)


def deliver_due(limit: int | None = None) -> int:
    """Send what is due, at most so many as the operator lets out in a minute, and say how many
    went out. Ends early where the mail server is away."""
    most = settings.PORTAL_LETTERS_A_MINUTE if limit is None else limit
    deadline = time.monotonic() + PATIENCE
    sent = 0
    for pk in list(due().values_list("pk", flat=True)[:most]):
        try:
            sent += send(pk)
        except OSError:
            break  # nobody to hand letters to: the others are not tried in vain
        if time.monotonic() > deadline:
            break
    return sent


def send(pk: int) -> bool:
    """Send one letter if it is due, and say whether it went out.

    Whoever claims it first sends it. A claim that leads to nothing counts as an attempt, unless
    nobody was there to take any letter: then it is tried again at once, which is each minute.
    Raises `OSError` where the mail server cannot be reached.
    """
    now = timezone.now()
    mine = Letter.objects.unsent().filter(_is_due(now), pk=pk)
    if not mine.update(claimed=now, attempts=F("attempts") + 1):
        return False
    letter = Letter.objects.select_related("to").filter(pk=pk).first()
    if letter is None:  # taken back just now
        return False
    if not letter.recipient:
        Letter.objects.filter(pk=pk).update(attempts=ATTEMPTS, error=NOBODY)
        return False
    if not _is_to_be_told(letter):
        letter.delete()
        return False
    try:
        _hand_over(letter)
    except (OSError, ValueError) as error:
        _note(letter, error)
        if _is_away(error):
            raise
        return False
    Letter.objects.filter(pk=pk).update(sent=timezone.now(), error="")
    return True


def _is_to_be_told(letter: Letter) -> bool:
    """Have the letter written anew where what it tells of may have changed since."""
    renew = RENEWED.get(letter.key.partition("-")[0])
    return bool(import_string(renew)(letter)) if renew else True


def try_again(pk: int) -> bool:
    """Have a letter that was given up tried from the beginning; say whether it was one."""
    return bool(Letter.objects.failed().filter(pk=pk).update(attempts=0, claimed=None))


def _is_due(now: datetime) -> Q:
    """Never tried, or last tried long enough ago for one more attempt."""
    found = Q(attempts=0)
    for attempts in range(1, ATTEMPTS):
        found |= Q(attempts=attempts, claimed__lt=now - PAUSE * 2 ** (attempts - 1))
    return found


def _hand_over(letter: Letter) -> None:
    connection = get_connection()
    try:
        connection.send_messages([_message(letter)])
    finally:
        connection.close()  # Django leaves it open where it was refused


def _message(letter: Letter) -> EmailMultiAlternatives:
    headers = {"Message-ID": _message_id(letter.key), "Auto-Submitted": "auto-generated"}
    message = EmailMultiAlternatives(
        letter.subject,
        letter.text,
        settings.DEFAULT_FROM_EMAIL,
        [letter.recipient],
        headers=headers,
    )
    message.attach_alternative(letter.html, "text/html")
    return message


def _message_id(key: str) -> str:
    """The same for each attempt: a letter that arrives twice after all is shown once."""
    name = hashlib.sha256(f"{settings.PORTAL_URL} {key}".encode()).hexdigest()[:32]
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    return f"<{name}@{domain}>"


def _is_away(error: Exception) -> bool:
    """Whether it was about the server, not about this letter. smtplib's errors are OSErrors."""
    return isinstance(error, OSError) and not isinstance(
        error, smtplib.SMTPRecipientsRefused | smtplib.SMTPSenderRefused | smtplib.SMTPDataError
    )


def _takes_letters() -> bool:
    """Whether somebody is there now who would take one: then it was about the one that failed."""
    connection = get_connection()
    try:
        connection.open()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _note(letter: Letter, error: Exception) -> None:
    is_away = _is_away(error)
    why = (f"{AWAY}: {error}" if is_away else str(error))[:255]
    attempts = letter.attempts
    if is_away and not _takes_letters():
        attempts -= 1
    Letter.objects.filter(pk=letter.pk).update(error=why, attempts=attempts)
    if attempts >= ATTEMPTS:
        log.error("letter %d was not sent in %d attempts: %s", letter.pk, ATTEMPTS, error)
    elif why != letter.error:  # said once, and not each minute
        log.warning("letter %d was not sent, and is tried again: %s", letter.pk, error)
