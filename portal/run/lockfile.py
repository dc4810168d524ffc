"""Lock the data folder while a portal runs on it, or while none may be started."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import CommandError
from django.utils.translation import gettext as _


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the data folder's lock during the block: two portals would start everything twice.

    Raises `CommandError` if another portal holds it.
    """
    settings.PORTAL_DATA.mkdir(parents=True, exist_ok=True)
    with (settings.PORTAL_DATA / "up.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = _("A portal runs on %(path)s already. End it first, or set PORTAL_DATA.")
            raise CommandError(text % {"path": settings.PORTAL_DATA}) from None
        yield
