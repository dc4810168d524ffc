"""Record what a person is told about a project, and read it from any cursor.

A project's timeline is its events and, between them, the log of the build in play. Events belong to
a project, log chunks to a build that several projects may share; `read` merges them in the order in
which they happened. `broadcast` follows the timeline live.

A cursor is a reader's place in the timeline, as one whole number. It holds the event's number in
the upper 21 bits and the log chunk's in the lower 32, so that it only ever grows, and fits a
JavaScript number (53 bits).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import chain, islice, takewhile
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import BigIntegerField, F

from portal.lib.db import CompiledQuery, Param
from portal.lib.text import readable, storable
from sessions import disclosure
from sessions.backends import LogLines
from sessions.models import Build, Event, LogChunk, Project, Session
from sessions.repofiles.configuration import summary
from sessions.states import FOLLOWS_BUILD, Phase

from .notify import wake_readers

CHUNK_BITS = 32
MAX_CURSOR = 2**53 - 1


class Cursor(NamedTuple):
    """The place after event ``event`` and after chunk ``chunk`` of the build in play there."""

    event: int = 0
    chunk: int = 0

    def pack(self) -> int:
        """Return the cursor as one number."""
        return self.event << CHUNK_BITS | self.chunk


def unpack_cursor(number: int) -> Cursor:
    """Return the cursor that `Cursor.pack` wrote; the beginning if the number is not valid."""
    if not 0 <= number <= MAX_CURSOR:
        return Cursor()
    return Cursor(number >> CHUNK_BITS, number & (1 << CHUNK_BITS) - 1)


def parse_cursor(text: str) -> int:
    """Parse a cursor from outside; an empty one is the beginning.

    Raises `ValueError` for nonsense.
    """
    return int(text) if text.strip() else 0


PAGE_SIZE = 500
_REPORT_CHUNKS = 3
_MAX_REPORT_LINES, _MAX_REPORT_LINE = 100, 1000
MAX_CHUNK = 200_000
"""Longest piece of a log, in characters; back ends hand out much shorter ones."""

_PROJECT, _SEQ = Param("project", BigIntegerField()), Param("seq", BigIntegerField())
_WRITTEN: CompiledQuery[int] = CompiledQuery(
    lambda: Project.objects.filter(pk=_PROJECT).values_list("events_written", flat=True)
)
_BEFORE: CompiledQuery[tuple[int | None, str]] = CompiledQuery(
    lambda: Event.objects.filter(project=_PROJECT, seq=_SEQ).values_list("build", "phase")
)


class Page(NamedTuple):
    """Some items of a timeline and the cursor to continue with."""

    items: list[dict[str, Any]]
    next: int


@transaction.atomic(savepoint=False)
def record(
    session: Session, phase: Phase, message: str, *, build: Build | None = None, code: str = ""
) -> None:
    """Add an event to the timeline of the session's project.

    The project's counter is raised first: that locks the row, so events are numbered in the order
    in which they become visible.
    """
    project = Project.objects.filter(pk=session.project_id)
    project.update(events_written=F("events_written") + 1)
    [seq] = _WRITTEN(project=session.project_id)
    before = _BEFORE(project=session.project_id, seq=seq - 1)
    followed = next((build for build, phase in before if phase in FOLLOWS_BUILD), None)
    log_build = followed or (build.pk if build and phase not in FOLLOWS_BUILD else None)
    upto = Build.objects.values_list("chunks", flat=True).get(pk=log_build) if log_build else 0
    Event.objects.create(
        project_id=session.project_id,
        seq=seq,
        session=session,
        build_id=build.pk if build else followed,
        upto=upto,
        phase=phase,
        message=readable(message),
        code=storable(code, 64),
    )
    wake_readers()


def append(build: Build, piece: LogLines) -> bool:
    """Add output to a build's log, with invisible characters made visible.

    Return False if another process has added it already. The position in the back end's output
    moves in the same transaction, so that a line is neither lost nor doubled however often its
    reader is killed.
    """
    with transaction.atomic():
        row = Build.objects.filter(pk=build.pk, position=build.position)
        if not row.update(position=piece.position, chunks=F("chunks") + 1):
            return False
        seq = Build.objects.values_list("chunks", flat=True).get(pk=build.pk)
        text = readable(piece.text.removesuffix("\n"), MAX_CHUNK)
        LogChunk.objects.create(build=build, seq=seq, phase=piece.phase, text=text)
        wake_readers()
    build.position = piece.position
    return True


def read(project_id: int, after: int = 0, limit: int = PAGE_SIZE) -> Page:
    """Return the next items of a project's timeline after a cursor, at most about ``limit``."""
    cursor = unpack_cursor(after)
    before = Event.objects.filter(project=project_id, seq=cursor.event).first()
    events = Event.objects.filter(project=project_id, seq__gt=cursor.event).order_by("seq")
    items: list[dict[str, Any]] = []
    for event in chain(events.select_related("project")[:limit], [None]):
        for chunk in _log_between(before, event, cursor.chunk, limit - len(items)):
            cursor = cursor._replace(chunk=chunk.seq)
            items.append(_chunk_item(chunk, cursor))
        if event is None or len(items) >= limit:
            break
        cursor, before = Cursor(event.seq), event
        items.append(_event_item(event, cursor))
    return Page(items, cursor.pack())


def read_events(project_id: int, after: int = 0, limit: int = PAGE_SIZE) -> Page:
    """Return the next events after a cursor, without the log.

    This is for people who may see the project but not the output of its builds and notebooks.
    """
    events = Event.objects.filter(project=project_id, seq__gt=unpack_cursor(after).event)
    page = events.order_by("seq").select_related("project")[:limit]
    items = [_event_item(redacted(event), Cursor(event.seq)) for event in page]
    return Page(items, items[-1]["cursor"] if items else after)


def read_log(build_id: int, after: int = 0, limit: int = PAGE_SIZE) -> Page:
    """Return the next pieces of a build's log after a cursor, which here is a piece's number.

    Staff follow this: the whole log, whichever projects wait for the build.
    """
    chunks = LogChunk.objects.filter(build=build_id, seq__gt=after).order_by("seq")[:limit]
    items = [_chunk_item(chunk, Cursor(chunk=chunk.seq)) for chunk in chunks]
    return Page(items, items[-1]["cursor"] if items else after)


def redacted(event: Event) -> Event:
    """Return the event as anyone but a private project's owner may read it; never save it."""
    event.message = disclosure.redact(event.message, event.code, event.phase)
    return event


def launch_start(project: Project) -> int:
    """Return the cursor from which the timeline of the current launch begins.

    A start that is repeated in safe mode is a session of its own, and belongs to the same launch.
    """
    events = Event.objects.filter(project=project).order_by("seq")
    first = events.filter(session=project.current).first()
    if first and first.phase != Phase.WAITING:
        begun = events.filter(phase=Phase.WAITING, code="", seq__lt=first.seq).last()
        first = events.filter(session=begun.session).first() if begun else first
    return Cursor(first.seq - 1).pack() if first else 0


async def log_text(build_id: int) -> AsyncIterator[str]:
    """Yield a build's whole log, in pieces."""
    texts = LogChunk.objects.filter(build=build_id).values_list("text", flat=True)
    async for text in texts.aiterator():
        yield text + "\n"


def file_report(build_id: int) -> list[str]:
    """Return what a build's log says about the repository's files; nothing if it does not yet."""
    chunks = LogChunk.objects.filter(build=build_id).order_by("seq")
    first = chunks.filter(text__contains=summary.HEADING).values_list("seq", flat=True).first()
    if first is None:
        return []
    texts = chunks.filter(seq__gte=first).values_list("text", flat=True)[:_REPORT_CHUNKS]
    lines = "\n".join(texts).splitlines()
    after = lines[lines.index(summary.HEADING) + 1 :] if summary.HEADING in lines else []
    block = takewhile(lambda line: not line.startswith("── "), after)
    return [line[:_MAX_REPORT_LINE] for line in islice(block, _MAX_REPORT_LINES)]


def _log_between(
    before: Event | None, after: Event | None, seen: int, limit: int
) -> Iterator[LogChunk]:
    """Return the chunks between two neighbouring events, or after the last one."""
    follows = before is not None and before.phase in FOLLOWS_BUILD
    build_id = before.build_id if before and follows else after.build_id if after else None
    if build_id is None or (after and after.phase in FOLLOWS_BUILD and not follows):
        return iter(())
    start = max(seen, before.upto) if before and follows else seen
    chunks = LogChunk.objects.filter(build=build_id, seq__gt=start).order_by("seq")
    if after is not None:
        chunks = chunks.filter(seq__lte=after.upto)
    return iter(chunks[: max(limit, 0)])


def _event_item(event: Event, cursor: Cursor) -> dict[str, Any]:
    item = {
        "cursor": cursor.pack(),
        "at": event.at.isoformat(),
        "phase": event.phase,
        "message": event.message,
    }
    if event.code:
        item["code"] = event.code
    if event.phase == Phase.READY:
        item["url"] = event.project.notebook_url
    return item


def _chunk_item(chunk: LogChunk, cursor: Cursor) -> dict[str, Any]:
    return {
        "cursor": cursor.pack(),
        "at": chunk.at.isoformat(),
        "phase": chunk.phase,
        "message": chunk.text,
        "log": True,
    }
