"""The errors of a launch, each with a stable code and a sentence for a person.

Three kinds, because three different things are done about them: what the person can mend
(`UserError`: never tried again), what passes by itself (`TemporaryError`: tried again after a
pause) and what is ours (`InternalError`: logged, shown with a reference). Neighbours raise
them; `lifecycle` turns them into a row's failure; the API and the pages show `code` and text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BinderyError(Exception):
    """Something that went wrong in a way we know.

    ``code`` is stable and part of the API; ``message`` says what happened, what it means and
    what to do next; ``details`` are further keys of the API's answer.
    """

    status = 400

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = details

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


class UserError(BinderyError):
    """The person can mend it; the same wish would fail again."""


class NotAllowed(BinderyError):
    """The person may see the thing, and not do this with it."""

    status = 403


class StateConflict(BinderyError):
    """The wish does not fit the state that the thing is in now."""

    status = 409


class QuotaExceeded(BinderyError):
    """A limit is reached; ``details`` say what holds it."""

    status = 409


class TemporaryError(BinderyError):
    """Somebody else's service does not answer now; trying again may help."""

    status = 503


class InternalError(BinderyError):
    """Our own fault; the log has the rest, under the reference in ``details``."""

    status = 500
