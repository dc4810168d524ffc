"""Write letters to operators when a part has had a problem for a while, and when it is well again.

`PORTAL_OPERATORS_MAIL` names them. The letters themselves record what was told, so that each is
written once, however often this runs.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from portal.mail import outbox
from portal.models import Letter
from sessions.models import Condition
from sessions.watch.conditions import describe_problem

ALERT_AFTER = timedelta(minutes=10)
"""A problem that ends sooner is not reported."""
MAIL_PART = "mail"
"""The part whose problems no letter can report."""


def send_alerts(now: datetime) -> None:
    """Write the letters that are due; none if nobody is to be told."""
    if not (outbox.is_mail_enabled() and settings.PORTAL_OPERATORS_MAIL):
        return
    for row in Condition.objects.exclude(part=MAIL_PART):
        if not row.problem:
            _report_recovery(row)
        elif row.since < now - ALERT_AFTER:
            _write_letters(f"unwell-{row.part}-{int(row.since.timestamp())}", row)


def _report_recovery(row: Condition) -> None:
    """Report once that the problem reported last has ended."""
    last = Letter.objects.filter(key__startswith=f"unwell-{row.part}-").order_by("-pk").first()
    if last:
        _write_letters(last.key.rpartition("-")[0].removeprefix("un"), row)


def _write_letters(occasion: str, row: Condition) -> None:
    if Letter.objects.filter(key__startswith=f"{occasion}-").exists():
        return
    Letter.objects.bulk_create(
        [
            outbox.render_letter(
                f"{occasion}-{_digest(address)}", address, "condition", _mail_context(row)
            )
            for address in settings.PORTAL_OPERATORS_MAIL
        ],
        ignore_conflicts=True,  # somebody else has written it just now
    )


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def _mail_context(row: Condition) -> dict[str, Any]:
    return {"condition": row, "problem": describe_problem(row.part, row.problem)}
