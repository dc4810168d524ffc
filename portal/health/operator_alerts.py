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
from sessions.watch.conditions import in_words

AFTER = timedelta(minutes=10)
"""A problem that ends sooner is not reported."""
UNTELLABLE = "mail"
"""The part whose problems no letter can report."""


def tell(now: datetime) -> None:
    """Write the letters that are due; none if nobody is to be told."""
    if not (outbox.are_sent() and settings.PORTAL_OPERATORS_MAIL):
        return
    for row in Condition.objects.exclude(part=UNTELLABLE):
        if not row.problem:
            _well(row)
        elif row.since < now - AFTER:
            _write(f"unwell-{row.part}-{int(row.since.timestamp())}", row)


def _well(row: Condition) -> None:
    """Report once that the problem reported last has ended."""
    last = Letter.objects.filter(key__startswith=f"unwell-{row.part}-").order_by("-pk").first()
    if last:
        _write(last.key.rpartition("-")[0].removeprefix("un"), row)


def _write(occasion: str, row: Condition) -> None:
    if Letter.objects.filter(key__startswith=f"{occasion}-").exists():
        return
    Letter.objects.bulk_create(
        [
            outbox.written(f"{occasion}-{_digest(address)}", address, "condition", _about(row))
            for address in settings.PORTAL_OPERATORS_MAIL
        ],
        ignore_conflicts=True,  # somebody else has written it just now
    )


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def _about(row: Condition) -> dict[str, Any]:
    return {"condition": row, "problem": in_words(row.part, row.problem)}
