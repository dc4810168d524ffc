"""``manage.py back_up``: copy database, files and keys into a new folder while the portal runs.

`portal.backup.create` does it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from portal.backup import INCOMPLETE, manifest
from portal.backup.create import KEYS, back_up


class Command(BaseCommand):
    """The command ``back_up``."""

    help = "Back up the database, files and keys to a new folder. The portal can keep running."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="a folder that does not exist yet")
        parser.add_argument(
            "--without-keys",
            action="store_true",
            help="leave out the two keys, which decrypt the secrets in the database",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        target = options["folder"].absolute()
        made = back_up(target, with_keys=not options["without_keys"])
        text = _("The backup is in %(folder)s: %(what)s.")
        self.stdout.write(text % {"folder": target, "what": manifest.describe_size(made)})
        for line in manifest.describe_omissions(made, "left_out"):
            self.stdout.write(line)
        if absent := [key for key in KEYS if key not in made.files]:
            text = _(
                "Not in it: %(keys)s. Keep them too: without them, a restore is of little use."
            )
            self.stdout.write(text % {"keys": ", ".join(absent)})
        if not made.is_complete:
            text = _("The backup is kept, but it is incomplete. Missing from it:")
            lines = [text, *manifest.describe_omissions(made, "missing")]
            raise CommandError("\n".join(lines), returncode=INCOMPLETE)
