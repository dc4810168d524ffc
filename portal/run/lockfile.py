"""The lock that says that a portal works on this data folder, or that nobody may start one now."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import CommandError
from django.utils.translation import gettext as _


@contextmanager
def only_one() -> Iterator[None]:
    """Two portals on one data folder would start everything twice. Raises `CommandError`."""
    settings.PORTAL_DATA.mkdir(parents=True, exist_ok=True)
    with (settings.PORTAL_DATA / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = _("A portal runs on %(path)s already. End it first, or set PORTAL_DATA.")
            raise CommandError(text % {"path": settings.PORTAL_DATA}) from None
        yield
