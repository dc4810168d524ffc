"""The mail server: that it takes a connection and, where there is one, the name and password."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.translation import gettext as _

from portal import letters
from portal.doctor.finding import Finding
from portal.doctor.reasons import in_a_line
from portal.models import Letter


def check(mail_to: str = "") -> Iterator[Finding]:
    """``mail_to`` is sent a letter; without it, nothing is sent."""
    if not letters.are_sent():
        return
    try:
        with get_connection() as connection:
            if mail_to:
                _letter(mail_to, connection).send()
    except (OSError, ValueError) as error:
        yield Finding(
            "doctor.mail",
            _("The mail server takes no letters from here: %(why)s.") % {"why": in_a_line(error)},
            _("Look at PORTAL_EMAIL_URL and PORTAL_EMAIL_FROM, and at firewalls on the way."),
        )


def stored() -> Iterator[Finding]:
    """Letters that nobody got."""
    if failed := Letter.objects.failed().count():
        yield Finding(
            "doctor.letters",
            _("Letters could not be sent and are not tried again: %(count)d.") % {"count": failed},
            _("“Letters” in the admin says why, and has them tried once more."),
            advice=True,
        )


def _letter(to: str, connection: BaseEmailBackend) -> EmailMessage:
    subject, text = _("A letter of Bindery's doctor"), _("If you read this, letters arrive.")
    return EmailMessage(
        subject, f"{text}\n\n{settings.PORTAL_URL}\n", settings.DEFAULT_FROM_EMAIL, [to],
        connection=connection,
    )  # fmt: skip
