"""What is said with each line of the log: the reference, and which rows it is about.

Kept in a context variable, which belongs to one request or one task and follows it through threads
and coroutines; `formats` writes what it has.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

REFERENCE = "reference"

_NOTHING: Mapping[str, int | str] = {}
_said: ContextVar[Mapping[str, int | str]] = ContextVar("said with each line", default=_NOTHING)


def said() -> Mapping[str, int | str]:
    """What is to be said with a line that is logged now."""
    return _said.get()


def reference() -> str:
    """The number of the request or the task that is under way: the log has the rest under it.

    A fresh one where neither is; `about` then binds it to what is logged.
    """
    return str(said().get(REFERENCE) or _fresh())


@contextmanager
def begun(**numbers: int | str) -> Iterator[str]:
    """Something begins, and gets a reference of its own; what is noted meanwhile ends with it.
    ``numbers`` are as in `about`."""
    before = said()
    try:
        yield begin(**numbers)
    finally:
        _said.set(before)


def begin(**numbers: int | str) -> str:
    """Something begins whose end is told elsewhere, by `end`."""
    number = _fresh()
    _said.set({REFERENCE: number, **numbers})
    return number


def end() -> None:
    """What `begin` began is over: nothing is said any more with what is logged."""
    _said.set(_NOTHING)


@contextmanager
def about(**numbers: int | str) -> Iterator[None]:
    """Lines that are logged meanwhile are about these: ``session=17``, never a person's name."""
    before = said()
    _said.set({**before, **numbers})
    try:
        yield
    finally:  # what was noted meanwhile stays
        ours = {name: before[name] for name in numbers if name in before}
        others = {name: value for name, value in said().items() if name not in numbers}
        _said.set({**others, **ours})


def note(**numbers: int | str) -> None:
    """The same for the rest of the request or the task; where neither is, for nothing."""
    if REFERENCE in said():
        _said.set({**said(), **numbers})


def _fresh() -> str:
    return secrets.token_hex(4)
