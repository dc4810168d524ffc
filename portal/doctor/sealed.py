"""Whether the keys open what is encrypted in the database."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from keys.resealing import Column, unreadable
from portal.doctor.finding import Finding
from portal.sealedcolumns import COLUMNS

SAMPLE = 200


def check() -> Iterator[Finding]:
    """The newest of each kind; ``manage.py reseal`` looks at all."""
    for column in COLUMNS:
        if lost := unreadable(column, SAMPLE):
            yield _finding(column, lost)


def _finding(column: Column, lost: int) -> Finding:
    message = _("%(what)s: %(lost)d of the newest %(sample)d are encrypted with an unknown key.")
    words = {"what": column.model._meta.verbose_name_plural, "lost": lost, "sample": SAMPLE}
    hint = _("Add the key that they were stored with to PORTAL_ENCRYPTION_KEYS (docs/keys.md).")
    return Finding("doctor.unreadable", message % words, hint)
