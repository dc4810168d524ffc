"""The errors of a launch, each with a stable code and a sentence for a person.

There are three kinds, because each is handled differently: an error that the person can mend
(`UserError`: never tried again), one that passes by itself (`TemporaryError`: tried again after a
pause) and our own (`InternalError`: logged, shown with a reference). The other modules raise them;
`sessions.lifecycle` turns them into a row's failure; the API and the pages show `code` and text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class BinderyError(Exception):
    """An error of a kind that we know.

    ``code`` is stable and part of the API; ``message`` says what happened, what it means and what
    to do next; ``details`` are further keys of the API's answer.
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
    """An error that the person can mend; the same request would fail again."""


class NotAllowed(BinderyError):
    """A refusal: the person may see the thing, but may not do this with it."""

    status = 403


class StateConflict(BinderyError):
    """A request that does not fit the present state of the thing."""

    status = 409


class QuotaExceeded(BinderyError):
    """A limit that is reached; ``details`` say what uses it up."""

    status = 409


class TemporaryError(BinderyError):
    """Somebody else's service that does not answer now; trying again may help."""

    status = 503


class BackendAway(TemporaryError):
    """A back end that does not answer: time passes, but none that counts."""


class BackendRefuses(TemporaryError):
    """A back end that does not let the portal do something: a right is missing, perhaps briefly."""


class NoRoom(TemporaryError):
    """Something that others hold: what asks for it waits in the queue until it is free."""


class NotYet(TemporaryError):
    """Says that something is being prepared: ask again in ``retry_after`` seconds."""

    def __init__(self, code: str, message: str, retry_after: int) -> None:
        super().__init__(code, message, retry_after=retry_after)
        self.retry_after = retry_after


class InternalError(BinderyError):
    """Our own fault; the log has the rest, under the reference in ``details``."""

    status = 500
