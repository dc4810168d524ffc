"""How much there is to hand out: asked of the back end once a minute, kept in one row.

`reconcile` looks, so that no page has to wait for the back end; `statistics` sets what is in use
against it.
"""

from __future__ import annotations

import logging
from dataclasses import asdict

from django.utils import timezone

from sessions import backends
from sessions.errors import BinderyError
from sessions.models import Capacity

log = logging.getLogger(__name__)

_ROW = 1


def look() -> None:
    """Store what the back end has now. While nobody can say, what was known stays."""
    try:
        found = backends.get_backend().capacity() or backends.Capacity()
    except BinderyError as error:
        log.warning("the capacity is not known at present: %s", error)
        return
    figures = {**asdict(found), "gpu": None if found.gpu is None else int(found.gpu)}
    Capacity.objects.update_or_create(pk=_ROW, defaults={**figures, "at": timezone.now()})


def known() -> Capacity | None:
    """What was seen last, None before anybody has looked."""
    return Capacity.objects.filter(pk=_ROW).first()
