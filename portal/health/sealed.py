"""List every column that is stored encrypted, and check that the keys still open it.

`manage.py reseal` goes through all rows of `COLUMNS`, `doctor` through the newest.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from keys import keypairs
from keys.models import KeyPair
from keys.sealing import SealedColumn, count_unreadable
from portal.accounts.oidc.signins import REFRESH_TOKEN
from portal.models import SignIn
from sessions.models import Session, session

from .doctor import Finding

COLUMNS = (
    SealedColumn(KeyPair, "sealed", keypairs.SEAL_PURPOSE, "user__username"),
    SealedColumn(Session, "sealed_token", session.SEAL_PURPOSE, "project__owner__username"),
    SealedColumn(SignIn, "sealed", REFRESH_TOKEN, "user__username"),
)


SAMPLE = 200


def check_sealed() -> Iterator[Finding]:
    """Yield findings on the newest rows of each column; ``manage.py reseal`` checks all."""
    for column in COLUMNS:
        if lost := count_unreadable(column, SAMPLE):
            yield _finding(column, lost)


def _finding(column: SealedColumn, lost: int) -> Finding:
    message = _("%(what)s: %(lost)d of the newest %(sample)d are encrypted with an unknown key.")
    words = {"what": column.model._meta.verbose_name_plural, "lost": lost, "sample": SAMPLE}
    hint = _("Add the key that they were encrypted with to PORTAL_ENCRYPTION_KEYS (docs/keys.md).")
    return Finding("doctor.unreadable", message % words, hint)
