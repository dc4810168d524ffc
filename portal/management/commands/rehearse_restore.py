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
        "Restore a backup into a folder and a database of its own, and see whether people would "
        "find what they had. The portal may run; it is not touched."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that back_up has made")
        place = "where there is room for all of it (default: /var/tmp)"
        parser.add_argument("--place", type=Path, default=Path("/var/tmp"), help=place)  # noqa: S108
        parser.add_argument("--keys", type=Path, help="the folder where the two keys are kept")
        url = "address of an empty PostgreSQL database, where none can be made beside the portal's"
        parser.add_argument("--database", default="", metavar="URL", help=url)
        parser.add_argument("--keep", action="store_true", help="keep what was restored")
        parser.add_argument("--inspect", action="store_true", help="(the rehearsal's own step)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["inspect"]:
            self._inspect()
            return
        begun = time.monotonic()
        try:
            self._rehearse(options)
        except BackupError as error:
            text = _("The rehearsal failed. The portal is as it was.\n%(why)s")
            raise CommandError(text % {"why": error}) from error
        seconds = time.monotonic() - begun
        self.stdout.write(_("This backup can be restored: tried in %.0f seconds.") % seconds)

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
                self.stdout.write(_("It is kept: %s") % variables)

    def _inspect(self) -> None:
        if wrong := list(rehearsal.find_problems()):
            raise CommandError("\n".join(wrong))
        self.stdout.write(_("Keys open what is sealed, and pages show people what they had."))
