"""Tell whether the portal can take a launch, for ``/health`` and `portal.run.supervisor`.

It asks only the database and waits for nothing: watch records the state of the other parts in rows
(`sessions.watch.conditions`). Without a database it reports what this process remembers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal import VERSION
from sessions import outages
from sessions.backends import get_backend
from sessions.installation import ownership
from sessions.installation.known import OwnershipStatus
from sessions.models import Condition, Heartbeat, HeartbeatName
from sessions.watch import conditions

OK = "ok"
FAILING = "failing"
UNCLEAR = "unknown"
# The stable words of ``states``: `deploy/portal/healthcheck.py` and other programs compare them.

REQUIRED_PARTS = ("database", "worker", "watch", "backend", ownership.PART)
"""The parts without which no launch works. Problems of other parts are only reported."""
TOLERATED = frozenset({"", OwnershipStatus.UNREADABLE.value})
"""Problems with which launches still work."""

# Words for programs and operators: short, in English, and safe for outsiders to read.
NO_HEARTBEAT = "no heartbeat"
UNREACHABLE = "cannot be reached"
REFUSED = "refuses the portal"
NOT_MIGRATED = "migrations are missing"
UNKNOWN = "unknown without the database"
UNWATCHED = "unknown without watch"


# PostgreSQL's and PgBouncer's words; a failed connection has no code.
_REFUSAL = re.compile(
    r"authentication failed|no pg_hba\.conf entry|password required|permission denied"
    r"|(?:role|database) .* does not exist|no such (?:user|database)",
    re.IGNORECASE,
)


class PartState(NamedTuple):
    """A part's problem, "" if it is well, and since when."""

    problem: str
    since: datetime

    @property
    def state(self) -> str:
        """Return `OK`, `FAILING` or `UNCLEAR`: unlike the problem's sentence, it never changes."""
        if not self.problem:
            return OK
        return UNCLEAR if self.problem in {UNKNOWN, UNWATCHED} else FAILING


class HealthResponse(JsonResponse):
    """A JSON answer that is not logged as an error.

    Django logs every answer above 499 as our error unless it is marked as logged; a 503 here is
    none.
    """

    _has_been_logged = True


@never_cache
@require_safe
def health(request: HttpRequest) -> HealthResponse:
    """Answer 200 if a launch would work, else 503; ``checks`` has the same keys either way.

    ``checks`` are sentences, ``states`` the same in stable words for programs.
    With a ``nonce`` in the query string, the answer has a ``proof`` too.
    """
    found = part_states()
    is_well = all(found[part].problem in TOLERATED for part in REQUIRED_PARTS)
    about = {
        "status": OK if is_well else "unavailable",
        "checks": {part: state.problem or OK for part, state in found.items()},
        "states": {part: state.state for part, state in found.items()},
        "since": {part: state.since.isoformat(timespec="seconds") for part, state in found.items()},
    }
    if nonce := request.GET.get("nonce"):
        about["proof"] = proof(nonce[:64])
    return HealthResponse(about, status=200 if is_well else 503)


def proof(nonce: str) -> str:
    """Return an answer that only a portal of this version with this site's secret key can give."""
    return salted_hmac(
        "portal.health.checks.proof", f"{VERSION} {nonce}", algorithm="sha256"
    ).hexdigest()


def part_states() -> dict[str, PartState]:
    """Return the state of each part; quick, and never fails."""
    since: dict[tuple[str, str], datetime] = {}
    try:
        if _is_migrated():
            rows = {row.part: row for row in Condition.objects.all()}
            alive = Heartbeat.objects.filter(name=HeartbeatName.WATCH).first()
            problems, since = _problems(rows), _since_by_problem(rows.values(), alive)
        else:
            problems = _without_database(NOT_MIGRATED)
    except (DatabaseError, InterfaceError) as error:
        problems = _without_database(REFUSED if _REFUSAL.search(str(error)) else UNREACHABLE)
    return {part: _state(part, problem, since) for part, problem in problems.items()}


def _without_database(why: str) -> dict[str, str]:
    unknown = dict.fromkeys({*REQUIRED_PARTS, *_seen}, UNKNOWN)
    return unknown | {"database": why, "backend": _of_backend("")}


def _problems(rows: dict[str, Condition]) -> dict[str, str]:
    is_watched = Heartbeat.objects.is_watched()
    noted = {part: row.problem if is_watched else UNWATCHED for part, row in rows.items()}
    return (
        {ownership.PART: ""}
        | noted
        | {
            "database": outages.DISK_FULL_PROBLEM if outages.is_database_disk_full() else "",
            "worker": conditions.worker_problem(),
            "watch": "" if is_watched else NO_HEARTBEAT,
            "backend": _of_backend(noted.get(conditions.BACKEND, "") if is_watched else ""),
        }
    )


def _of_backend(noted: str) -> str:
    """Prefer the problems that this process knows; otherwise take what watch has recorded."""
    return ", ".join(problem.id for problem in get_backend().problems()) or noted


def _since_by_problem(
    rows: Iterable[Condition], alive: Heartbeat | None
) -> dict[tuple[str, str], datetime]:
    """Return by part and problem since when parts have been as they are."""
    since = {(row.part, row.problem): row.since for row in rows}
    if alive:
        since |= {("watch", ""): alive.since, ("watch", NO_HEARTBEAT): alive.at}
    return since


_seen: dict[str, PartState] = {}


def _state(part: str, problem: str, since: dict[tuple[str, str], datetime]) -> PartState:
    """Use the time that a row has for it, or else the time when this process first saw it."""
    known = _seen.get(part)
    first = known.since if known and known.problem == problem else timezone.now()
    _seen[part] = PartState(problem, since.get((part, problem), first))
    return _seen[part]


def _is_migrated() -> bool:
    return _migrations() <= set(MigrationRecorder(connection).applied_migrations())


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    """List all migrations that this code comes with."""
    return frozenset(MigrationLoader(None).disk_migrations)
