"""``manage.py move_provider OLD NEW``: link accounts of one identity provider to another.

`portal.accounts.relink` does it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.accounts.relink import move_provider


class Command(BaseCommand):
    """The command ``move_provider``."""

    help = (
        "Link the accounts of an identity provider to another one, so that people keep their "
        "projects and files when it is replaced. Run it before anybody signs in with the new one. "
        "It can be repeated."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare both issuers, the file of subjects, and ``--dry-run``."""
        parser.add_argument("old", help="the issuer until now, exactly as OIDC_OP_ISSUER was")
        parser.add_argument("new", help="the new issuer, exactly as OIDC_OP_ISSUER will be")
        parser.add_argument(
            "--subjects",
            type=Path,
            help="a CSV file without a header: old subject, new subject. Without it, subjects stay",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        subjects = _read_subjects(options["subjects"]) if options["subjects"] else None
        result = move_provider(options["old"], options["new"], subjects, dry_run=options["dry_run"])
        moved = _("would be linked to the new provider") if options["dry_run"] else _("linked")
        self.stdout.write(f"{len(result.moved)} {moved}")
        for name in result.unmapped:
            self.stdout.write(_("%(name)s: no new subject, left alone") % {"name": name})
        for name, other in result.taken:
            text = _("%(name)s: %(other)s already has the new identity; join the two in the admin")
            self.stdout.write(text % {"name": name, "other": other})
        if not (result.moved or result.unmapped or result.taken):
            raise CommandError(_("No account has this issuer. Compare it character by character."))


def _read_subjects(path: Path) -> dict[str, str]:
    """Return new subjects by old ones. Raises `CommandError` for anything else."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(_("%(path)s: %(why)s") % {"path": path, "why": error}) from None
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or not all(each.strip() for each in row):
            text = _("%(path)s, row %(number)d: not two subjects, separated by a comma")
            raise CommandError(text % {"path": path, "number": number})
    subjects = {old.strip(): new.strip() for old, new in rows}
    if len(set(subjects.values())) < len(rows):
        raise CommandError(_("%(path)s: a subject is there twice") % {"path": path})
    return subjects
