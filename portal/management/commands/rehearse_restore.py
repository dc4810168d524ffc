"""``manage.py rehearse_restore``: restore a backup beside the portal, inspect it and remove it.

`portal.backup.rehearsal` does it.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.backup import rehearsal
from portal.backup.programs import BackupError


class Command(BaseCommand):
    """The command ``rehearse_restore``."""

    help = (
        "Restore a backup into a temporary folder and database, and check that people "
        "would find what they had. The portal can keep running; it is not touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder made by back_up")
        place = "a folder with enough space for all of it (default: /var/tmp)"
        parser.add_argument("--place", type=Path, default=Path("/var/tmp"), help=place)  # noqa: S108
        parser.add_argument("--keys", type=Path, help="the folder where the two keys are kept")
        url = "URL of an empty PostgreSQL database, if none can be created beside the portal's"
        parser.add_argument("--database", default="", metavar="URL", help=url)
        parser.add_argument("--keep", action="store_true", help="keep what was restored")
        parser.add_argument("--inspect", action="store_true", help="(used by the rehearsal itself)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["inspect"]:
            self._inspect()
            return
        begun = time.monotonic()
        try:
            self._rehearse(options)
        except BackupError as error:
            text = _("The rehearsal failed. The portal is unchanged.\n%(why)s")
            raise CommandError(text % {"why": error}) from error
        seconds = time.monotonic() - begun
        self.stdout.write(
            _("This backup can be restored: the rehearsal took %.0f seconds.") % seconds
        )

    def _rehearse(self, options: dict[str, Any]) -> None:
        source, keep = options["folder"].absolute(), options["keep"]
        url = options["database"]
        made = nullcontext(url) if url else rehearsal.scratch_database(keep=keep)
        with (
            rehearsal.scratch_folder(options["place"], source, keep=keep) as folder,
            made as address,
        ):
            for said in rehearsal.rehearse(source, folder, address, options["keys"]):
                self.stdout.write(said)
            if keep:
                variables = f"PORTAL_DATA={folder} DATABASE_URL={address}"
                self.stdout.write(_("The restored copy is kept: %s") % variables)

    def _inspect(self) -> None:
        if wrong := list(rehearsal.find_problems()):
            raise CommandError("\n".join(wrong))
        self.stdout.write(_("The keys decrypt all secrets, and pages show people what they had."))
