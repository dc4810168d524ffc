"""The outbox: letters to people, stored with what they report, each sent once by the worker.

`post` writes a letter in its caller's transaction; while any are unsent, `sessions.watch.reconcile`
has the worker call `deliver_due`. Without a mail server nothing is written.
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
from portal.models.mail import ATTEMPTS

FIRST_RETRY_DELAY = timedelta(minutes=10)
"""Time before the second attempt. It doubles each time, so the last is a day after the first.
Attempts while no mail server is there do not count.
"""
MAX_SECONDS = 20.0
"""Seconds after which no further letter is begun; the next task does the rest."""
RENEWERS = {"going": "sessions.culling.warn.rewrite"}
"""Paths of functions that rewrite a letter just before it goes out, by the first word of its key.

Each returns whether there is still something to tell.
"""
SERVER_UNAVAILABLE = "the mail server is away"
"""How the error of a letter begins if no mail server was there to take it."""
SERVER_REFUSED = "the mail server refuses the portal"
"""How it begins if the server was there and did not accept the portal itself."""
NO_RECIPIENT = "the person has no address, or is disabled"

log = logging.getLogger(__name__)


def is_mail_enabled() -> bool:
    """Return whether this portal has a mail server to send letters with."""
    return bool(settings.PORTAL_EMAIL_URL)


def post(key: str, to: User, template: str, context: Mapping[str, Any], address: str = "") -> None:
    """Store a letter from ``templates/mail/<template>`` to a person; once for each ``key``.

    It goes to ``address`` if given, such as the one that the person had before. People without an
    address get none.
    """
    if is_mail_enabled() and (address or to.email):
        letter = render_letter(key, to, template, context)
        letter.address = address
        Letter.objects.bulk_create([letter], ignore_conflicts=True)


def render_letter(
    key: str,
    to: User | str,
    template: str,
    context: Mapping[str, Any],
    announcement: Announcement | None = None,
) -> Letter:
    """Return a letter to a person, or to an operator's address; it is not stored yet.

    ``key`` is unique to what the letter reports. ``template`` is a name without its ending in
    ``templates/mail``, which has a subject, a text and HTML for it; ``context`` is for all three.
    """
    words = {**context, "recipient": to, "portal_url": settings.PORTAL_URL}
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
    """Return the letters to try now: the oldest first, announcements last."""
    ours_first = F("announcement").asc(nulls_first=True)
    return (
        Letter.objects.unsent()
        .filter(_is_due(timezone.now()))
        .order_by(ours_first, "created", "pk")
    )


def server_problem() -> str:
    """Return `SERVER_UNAVAILABLE` or `SERVER_REFUSED` if the letter tried last met it, else ""."""
    last = Letter.objects.exclude(claimed=None).order_by("-claimed", "-pk").first()
    if last is None or last.sent is not None:
        return ""
    met = (each for each in (SERVER_UNAVAILABLE, SERVER_REFUSED) if last.error.startswith(each))
    return next(met, "")


def deliver_due(limit: int | None = None) -> int:
    """Send the letters that are due, and return how many went out.

    ``limit`` is the most letters to try; by default the number that the operator allows in a
    minute. Ends early if the mail server is away.
    """
    most = settings.PORTAL_LETTERS_A_MINUTE if limit is None else limit
    deadline = time.monotonic() + MAX_SECONDS
    sent = 0
    for pk in list(due().values_list("pk", flat=True)[:most]):
        try:
            sent += send(pk)
        except OSError:
            break  # no mail server: do not try the others in vain
        if time.monotonic() > deadline:
            break
    return sent


def send(pk: int) -> bool:
    """Send one letter if it is due, and return whether it went out.

    Whoever claims it first sends it. A claim that leads to nothing counts as an attempt, unless no
    mail server was there for any letter: then it is tried again at once, that is each minute.
    Raises `OSError` if the mail server cannot be reached.
    """
    now = timezone.now()
    mine = Letter.objects.unsent().filter(_is_due(now), pk=pk)
    if not mine.update(claimed=now, attempts=F("attempts") + 1):
        return False
    letter = Letter.objects.select_related("to").filter(pk=pk).first()
    if letter is None:  # taken back just now
        return False
    if not letter.recipient:
        Letter.objects.filter(pk=pk).update(attempts=ATTEMPTS, error=NO_RECIPIENT)
        return False
    if not _renew(letter):
        letter.delete()
        return False
    try:
        _deliver(letter)
    except (OSError, ValueError) as error:
        _record_failure(letter, error)
        if _is_server_error(error):
            raise
        return False
    Letter.objects.filter(pk=pk).update(sent=timezone.now(), error="")
    return True


def _renew(letter: Letter) -> bool:
    """Rewrite a letter whose facts may have changed; return whether it is still to be sent."""
    renew = RENEWERS.get(letter.key.partition("-")[0])
    return bool(import_string(renew)(letter)) if renew else True


def try_again(pk: int) -> bool:
    """Let a failed letter be tried from the beginning; return whether it had failed."""
    return bool(Letter.objects.failed().filter(pk=pk).update(attempts=0, claimed=None))


def _is_due(now: datetime) -> Q:
    """Return the condition: never tried, or last tried long enough ago for another attempt."""
    found = Q(attempts=0)
    for attempts in range(1, ATTEMPTS):
        found |= Q(attempts=attempts, claimed__lt=now - FIRST_RETRY_DELAY * 2 ** (attempts - 1))
    return found


def _deliver(letter: Letter) -> None:
    connection = get_connection()
    try:
        connection.send_messages([_message(letter)])
    finally:
        connection.close()  # Django leaves it open if the letter was refused


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
    """Return the same id for each attempt, so that a letter that arrives twice is shown once."""
    name = hashlib.sha256(f"{settings.PORTAL_URL} {key}".encode()).hexdigest()[:32]
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    return f"<{name}@{domain}>"


def _is_server_error(error: Exception) -> bool:
    """Return whether the error is about the server and not about this letter.

    smtplib's errors are OSErrors.
    """
    return isinstance(error, OSError) and not isinstance(
        error, smtplib.SMTPRecipientsRefused | smtplib.SMTPSenderRefused | smtplib.SMTPDataError
    )


def _is_server_available() -> bool:
    """Return whether a mail server answers now: if so, the letter that failed is to blame."""
    connection = get_connection()
    try:
        connection.open()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def _record_failure(letter: Letter, error: Exception) -> None:
    is_away = _is_server_error(error)
    refused = isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPNotSupportedError)
    met = SERVER_REFUSED if refused else SERVER_UNAVAILABLE
    why = (f"{met}: {error}" if is_away else str(error))[:255]
    attempts = letter.attempts
    if is_away and not _is_server_available():
        attempts -= 1
    Letter.objects.filter(pk=letter.pk).update(error=why, attempts=attempts)
    if attempts >= ATTEMPTS:
        log.error("gave up on letter %d after %d attempts: %s", letter.pk, ATTEMPTS, error)
    elif why != letter.error:  # logged once, not each minute
        log.warning("letter %d was not sent and will be retried: %s", letter.pk, error)
