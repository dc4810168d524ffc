"""Report what cannot be read, so that one thing that nobody understands does not hide all others.

A status file that a power cut has filled with nonsense, or a pod with the portal's labels that
somebody made by hand: reading it fails each time. Where it has a number, its run has ended, with a
reference to the log; otherwise it is passed over.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TypeVar

from django.utils.translation import gettext as _

from portal.lib.logs import context
from sessions.errors import BinderyError

from . import BuildReport, ServerReport

T = TypeVar("T")
R = TypeVar("R")

CODE = "internal"
log = logging.getLogger(__name__)


def read_each(
    things: Iterable[T],
    read: Callable[[T], R | None],
    name: Callable[[T], str],
    otherwise: Callable[[T, str], R | None] = lambda _thing, _reference: None,
) -> Iterator[R]:
    """Yield ``read(thing)`` for each; where that fails, ``otherwise(thing, reference)``.

    None is left out. Errors of a disk or a service are no matter of one thing, so they are raised.
    """
    for thing in things:
        try:
            found = read(thing)
        except (OSError, BinderyError):
            raise
        except Exception as error:  # noqa: BLE001  any; it is logged once
            reference = _reference(name(thing), type(error).__name__)
            found = otherwise(thing, reference)
        if found is not None:
            yield found


def unreadable_build(number: int | None, reference: str) -> BuildReport | None:
    """Return the report of a build whose status cannot be read; None without its number."""
    if number is None:
        return None
    return BuildReport(number, True, CODE, unreadable_message(reference))


def unreadable_server(number: int | None, name: str, reference: str) -> ServerReport | None:
    """Return the report of a notebook whose status cannot be read; None without its number."""
    if number is None:
        return None
    return ServerReport(number, name, "gone", code=CODE, message=unreadable_message(reference))


def unreadable_message(reference: str) -> str:
    """Return the message for people whose run ended for a report that nobody understood."""
    message = _(
        "The portal could not understand the report about this run, so it was ended. Your files "
        "are safe. Start it again; if it happens again, give the staff the reference %(reference)s."
    )
    return message % {"reference": reference}


@lru_cache(maxsize=1024)
def _reference(name: str, error: str) -> str:
    """Log a thing once, with where its reading fails, and return the reference to that."""
    reference = context.reference()
    with context.bound_fields(reference=reference):
        log.error("%s cannot be read (%s)\n%s", name, error, traceback.format_exc())
    return reference
