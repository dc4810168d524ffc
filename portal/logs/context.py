"""What is said with each line of the log: the reference, and which rows it is about.

Kept in context variables, which belong to one request or one task and follow it through threads
and coroutines. `structlog` holds them, `lines` writes them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import (
    bind_contextvars,
    bound_contextvars,
    clear_contextvars,
    get_contextvars,
)

REFERENCE = "reference"


def reference() -> str:
    """The number of the request or the task that is under way: the log has the rest under it.

    A fresh one where neither is; `about` then binds it to what is logged.
    """
    bound: str | None = get_contextvars().get(REFERENCE)
    return bound or _fresh()


@contextmanager
def begun(**numbers: int | str) -> Iterator[str]:
    """Something begins, and gets a reference of its own; what is noted meanwhile ends with it.
    ``numbers`` are as in `about`."""
    before = get_contextvars()
    try:
        yield begin(**numbers)
    finally:
        end()
        bind_contextvars(**before)


def begin(**numbers: int | str) -> str:
    """Something begins whose end is told elsewhere, by `end`."""
    number = _fresh()
    clear_contextvars()
    bind_contextvars(**{REFERENCE: number}, **numbers)
    return number


def end() -> None:
    """What `begin` began is over: nothing is said any more with what is logged."""
    clear_contextvars()


@contextmanager
def about(**numbers: int | str) -> Iterator[None]:
    """Lines that are logged meanwhile are about these: ``session=17``, never a person's name."""
    with bound_contextvars(**numbers):
        yield


def note(**numbers: int | str) -> None:
    """The same for the rest of the request or the task; where neither is, for nothing."""
    if REFERENCE in get_contextvars():
        bind_contextvars(**numbers)


def _fresh() -> str:
    return secrets.token_hex(4)
