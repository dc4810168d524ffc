"""``manage.py reseal``: encrypt everything sealed with the first of ``PORTAL_ENCRYPTION_KEYS``.

`portal.health.sealed` lists the columns, `keys.sealing` encrypts.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from keys.sealing import ResealResult, SealedColumn, reseal
from portal.health.sealed import COLUMNS


class Command(BaseCommand):
    """The command ``reseal``."""

    help = (
        "Bring everything that is stored encrypted to the first of PORTAL_ENCRYPTION_KEYS. The "
        "portal may run, and it may be done again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes = {column: reseal(column) for column in COLUMNS}
        for column, outcome in outcomes.items():
            self.stdout.write(_summary(column, outcome))
        lost = {
            column: outcome.unreadable for column, outcome in outcomes.items() if outcome.unreadable
        }
        if lost:
            raise CommandError(
                "\n".join(_unreadable_message(column, whose) for column, whose in lost.items())
            )
        self.stdout.write(_("All of it is under the first key; no other is needed any more."))


def _summary(column: SealedColumn, outcome: ResealResult) -> str:
    text = _("%(what)s: %(moved)d brought to the first key, %(there)d were there already")
    return text % {
        "what": _name(column),
        "moved": outcome.resealed,
        "there": outcome.already_current,
    }


def _unreadable_message(column: SealedColumn, whose: Counter[str]) -> str:
    text = _(
        "%(what)s: %(count)d cannot be read with any of PORTAL_ENCRYPTION_KEYS and are left as "
        "they are. They are those of %(people)s. Add the key that they were stored with, if you "
        "still have it."
    )
    people = ", ".join(sorted(whose))
    return text % {"what": _name(column), "count": whose.total(), "people": people}


def _name(column: SealedColumn) -> str:
    return str(column.model._meta.verbose_name_plural)
