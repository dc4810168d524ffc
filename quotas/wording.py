"""How limits are written: figures with their units, and where a figure comes from."""

from __future__ import annotations

from datetime import date

from django.utils import formats
from django.utils.translation import gettext as _

from quotas.effective import Effective, Source
from quotas.fields import FIELDS


def figure(limit: str, value: float) -> str:
    """A figure of this limit: ``5``, ``0.5 CPU``, ``7 days``; ``never`` for days without end."""
    if FIELDS[limit].endless and value == 0:
        return _("never")
    return f"{plain(value)} {FIELDS[limit].unit}".rstrip()


def plain(value: float) -> str:
    """A number as people write it: without an exponent, without zeros at its end."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def whence(found: Effective, name: str = "") -> str:
    """Where a figure comes from; said to the one who has it, unless they are named."""
    sentences = {
        Source.DEFAULT: _("the portal's default"),
        Source.SITE: _("set for everybody"),
        Source.GROUP: _("set for the group %(group)s"),
        Source.PERSON: _("set for %(name)s") if name else _("set for you"),
        Source.GRANT: _("granted until %(until)s"),
    }
    return sentences[found.source] % {
        "group": found.group,
        "name": name,
        "until": day(found.until),
    }


def day(date_: date | None) -> str:
    """A day as pages write it."""
    return formats.date_format(date_, "DATE_FORMAT") if date_ else ""
