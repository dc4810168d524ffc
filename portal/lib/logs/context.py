"""Keep the fields that are written with each log line: the reference, and which rows it is about.

They are in a context variable, which belongs to one request or task and follows it through threads
and coroutines. `formats` writes them.
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
    """Return the fields to write with a line that is logged now."""
    return _said.get()


def reference() -> str:
    """Return the reference of the current request or task; the log has the rest under it.

    Outside of one, return a fresh reference, which `about` can bind to what is logged.
    """
    return str(said().get(REFERENCE) or _fresh())


@contextmanager
def begun(**numbers: int | str) -> Iterator[str]:
    """Begin something with a reference of its own; at its end, restore the fields of before.

    Yields the reference. ``numbers`` are fields as in `about`.
    """
    before = said()
    try:
        yield begin(**numbers)
    finally:
        _said.set(before)


def begin(**numbers: int | str) -> str:
    """Begin something whose end is reported by `end`, and return its reference."""
    number = _fresh()
    _said.set({REFERENCE: number, **numbers})
    return number


def end() -> None:
    """End what `begin` began: log lines carry no fields any more."""
    _said.set(_NOTHING)


@contextmanager
def about(**numbers: int | str) -> Iterator[None]:
    """Bind fields to the lines logged meanwhile, such as ``session=17``; never a person's name."""
    before = said()
    _said.set({**before, **numbers})
    try:
        yield
    finally:  # keep fields that were noted meanwhile
        ours = {name: before[name] for name in numbers if name in before}
        others = {name: value for name, value in said().items() if name not in numbers}
        _said.set({**others, **ours})


def note(**numbers: int | str) -> None:
    """Bind fields until the request or task ends; does nothing outside of one."""
    if REFERENCE in said():
        _said.set({**said(), **numbers})


def _fresh() -> str:
    return secrets.token_hex(4)
