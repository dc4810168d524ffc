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
_fields: ContextVar[Mapping[str, int | str]] = ContextVar("said with each line", default=_NOTHING)


def current_fields() -> Mapping[str, int | str]:
    """Return the fields to write with a line that is logged now."""
    return _fields.get()


def reference() -> str:
    """Return the reference of the current request or task; the log has the rest under it.

    Outside of one, return a fresh reference, which `bound_fields` can bind to what is logged.
    """
    return str(current_fields().get(REFERENCE) or _new_reference())


@contextmanager
def log_scope(**fields: int | str) -> Iterator[str]:
    """Begin something with a reference of its own; at its end, restore the fields of before.

    Yields the reference. ``fields`` are as in `bound_fields`.
    """
    before = current_fields()
    try:
        yield begin_log_scope(**fields)
    finally:
        _fields.set(before)


def begin_log_scope(**fields: int | str) -> str:
    """Begin something whose end is reported by `end_log_scope`, and return its reference."""
    number = _new_reference()
    _fields.set({REFERENCE: number, **fields})
    return number


def end_log_scope() -> None:
    """End what `begin_log_scope` began: log lines carry no fields any more."""
    _fields.set(_NOTHING)


@contextmanager
def bound_fields(**fields: int | str) -> Iterator[None]:
    """Bind fields to the lines logged meanwhile, such as ``session=17``; never a person's name."""
    before = current_fields()
    _fields.set({**before, **fields})
    try:
        yield
    finally:  # keep fields that were noted meanwhile
        ours = {name: before[name] for name in fields if name in before}
        others = {name: value for name, value in current_fields().items() if name not in fields}
        _fields.set({**others, **ours})


def bind_fields(**fields: int | str) -> None:
    """Bind fields until the request or task ends; does nothing outside of one."""
    if REFERENCE in current_fields():
        _fields.set({**current_fields(), **fields})


def _new_reference() -> str:
    return secrets.token_hex(4)
