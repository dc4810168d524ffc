"""What commands say of a backup: how much is in it, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.backup.manifest import Manifest

LINES = 50
"""How many lines are said at most; the manifest has all."""


def amount(made: Manifest) -> str:
    """Return, in words, how much is in a backup."""
    entries = sum(contents.entries for contents in made.folders.values())
    size = sum(contents.bytes for contents in made.folders.values())
    words = {
        "rows": sum(made.rows.values()),
        "folders": len(made.folders),
        "entries": entries,
        "size": _size(size),
    }
    return (
        _(
            "%(rows)d rows of the database; %(folders)d folders of people and projects with "
            "%(entries)d files and folders, %(size)s"
        )
        % words
    )


def lacking(made: Manifest, kind: str) -> Iterator[str]:
    """Yield a line for each kind of thing that was ``left_out`` of a backup or is ``missing``."""
    for number, (folder, each) in enumerate(made.lacking(kind)):
        if number == LINES:
            yield _("… and more: the manifest has all of them.")
            return
        yield _line(folder, each, kind)


def _line(folder: str, each: dict[str, Any], kind: str) -> str:
    names = [ascii(f"{folder}/{name}" if folder and name else name or folder)[1:-1]
             for name in each["names"]]  # fmt: skip
    more = each["count"] - len(names)
    if more > 0:
        names.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    words = {"why": each["why"], "names": ", ".join(names) or folder}
    text = _("Left out, %(why)s: %(names)s") if kind == "left_out" else _("%(why)s: %(names)s")
    return text % words


def _size(amount: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"
