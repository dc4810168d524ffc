"""``manage.py restore``: restore a backup of ``back_up`` into this installation.

`portal.backup.restore` does it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.backup import INCOMPLETE, manifest
from portal.backup.restore import RestoreResult, restore


class Command(BaseCommand):
    """The command ``restore``."""

    help = "Restore a backup into this installation, which must not be running."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder made by back_up")
        parser.add_argument(
            "--force",
            action="store_true",
            help="move existing data to a folder beside it, and restore",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        done = restore(options["folder"].absolute(), force=options["force"])
        for line in _summary(done):
            self.stdout.write(line)
        if done.incomplete:
            lines = [f"{folder}: {'; '.join(said)}" for folder, said in done.incomplete.items()]
            text = _("The restore is done, but these differ from what was backed up:")
            raise CommandError("\n".join([text, *lines]), returncode=INCOMPLETE)


def _summary(done: RestoreResult) -> list[str]:
    words = {"when": done.made.made, "people": done.people, "ended": done.ended}
    lines = [
        _(
            "Everything is as it was on %(when)s, with %(people)d people. %(ended)d "
            "notebooks that were running then have ended and can be started again."
        )
        % words
    ]
    if done.aside:
        where = ", ".join(str(folder) for folder in done.aside)
        lines.append(_("What was here before is in %(folder)s.") % {"folder": where})
    if done.tables:
        text = _(
            "Tables that this version does not know were moved to the schema %(schema)s: %(names)s."
        )
        lines.append(text % {"schema": done.schema, "names": ", ".join(done.tables)})
    if not done.made.is_complete:
        lines.append(_("That backup was incomplete. Missing from it:"))
        lines += manifest.describe_omissions(done.made, "missing")
    if done.erased:
        text = _("These people were erased since then and are back; erase them again: %(names)s.")
        lines.append(text % {"names": ", ".join(done.erased)})
    lines.append(_("Start the portal now."))
    return lines
