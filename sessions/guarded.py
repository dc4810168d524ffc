"""Doing many things of which each may fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec

from portal.logs import context
from sessions import awaydatabase, fulldisk
from sessions.errors import TemporaryError

log = logging.getLogger(__name__)

P = ParamSpec("P")


def guarded(work: Callable[P, object], *arguments: P.args, **more: P.kwargs) -> bool:
    """Do it, and say whether it could be done; a failure is logged, and keeps nothing else from
    being looked at."""
    with context.about(reference=context.reference()):
        try:
            work(*arguments, **more)
        except Exception as error:
            if _passes(error):
                log.warning("%s is tried again: %s", _name(work), error)
            else:
                log.exception("%s failed; it is tried again", _name(work))
            return False
    return True


def _passes(error: Exception) -> bool:
    behind = awaydatabase.is_behind(error) or fulldisk.is_behind(error)
    return isinstance(error, TemporaryError) or behind


def _name(work: Callable[..., object]) -> object:
    return getattr(work, "__name__", work)
