"""Turn keepers' folders into reports of builds and notebooks, read logs, and watch for changes."""

from __future__ import annotations

import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from django.utils.translation import gettext as _
from watchfiles import watch
from watchfiles._rust_notify import WatchfilesRustInternalError

from sessions.backends import BuildReport, LogLines, ServerReport
from sessions.backends.endings import MAX_LINES, ServerEnd, why_ended
from sessions.backends.messages import files_report
from sessions.backends.unreadable import read_each, unreadable_build, unreadable_server
from sessions.jupyter import refusals
from sessions.states import Phase

from . import environments, keeper_processes
from .folders import BUILD, SERVER, parse_run_folder
from .keeper import files, jobs, log, status
from .keeper.jupyter import BEGUN
from .keeper.status import Status

_MAX_READ_BYTES = 16_300
"""Bytes read at once: somewhat more than the longest line of `keeper.log`."""
_ILLEGIBLE = (ValueError, KeyError, TypeError, RecursionError)
"""Errors for JSON that is not what the portal has written."""


def build_reports(run: Path) -> list[BuildReport]:
    """Return a report for each keeper of a build, except forgotten ones."""
    return list(
        read_each(
            _kept_folders(run, BUILD),
            lambda each: build_report(*each),
            lambda each: each[1].name,
            lambda each, reference: unreadable_build(each[0], reference),
        )
    )


def server_reports(run: Path) -> list[ServerReport]:
    """Return a report for each keeper of a notebook, except forgotten ones."""
    return list(
        read_each(
            _kept_folders(run, SERVER),
            lambda each: server_report(*each),
            lambda each: each[1].name,
            lambda each, reference: unreadable_server(each[0], project_name(each[1]), reference),
        )
    )


def _kept_folders(run: Path, kind: str) -> Iterator[tuple[int, Path]]:
    for number, folder in keeper_processes.list_keepers(run, kind):
        if not (folder / keeper_processes.REMOVE).exists():
            yield number, folder


def build_report(number: int, folder: Path) -> BuildReport:
    """Return the build's report.

    One whose keeper vanished is finished with ``build.lost``, unless it had already put its result
    in place and only could not report it.
    """
    working, found = keeper_processes.is_alive(folder), status.read(folder)
    if found.state == status.ENDED:
        return BuildReport(number, True, found.code, found.message, found.pack)
    if working:
        return BuildReport(number)
    if (pack := _finished_buildpack(folder)) is not None:
        return BuildReport(number, True, buildpack=pack)
    if (folder / keeper_processes.CANCEL).exists():
        return BuildReport(number, True, "build.cancelled", _("The build was cancelled."))
    return BuildReport(
        number, True, "build.lost",
        _(
            "The build was interrupted because the machine or the portal was restarted. Start it "
            "again."
        ),
    )  # fmt: skip


def is_over(folder: Path) -> bool:
    """Return whether this run has ended or is to end; a lost one may be started again."""
    if (folder / keeper_processes.REMOVE).exists() or (folder / keeper_processes.CANCEL).exists():
        return True
    return build_report(0, folder).code != "build.lost" if folder.exists() else False


def _finished_buildpack(folder: Path) -> str | None:
    """Return the pack of what a build has finished; None if it has not."""
    try:
        environment = Path(json.loads(files.read_own(folder / jobs.FILE))["environment"])
    except (FileNotFoundError, *_ILLEGIBLE):
        return None
    found = environments.read_result(environment)
    return None if found is None else str(found.get("pack", ""))


def server_report(number: int, folder: Path) -> ServerReport:
    """Return the notebook's report; one whose keeper vanished is gone with ``spawn.lost``."""
    working, found = keeper_processes.is_alive(folder), status.read(folder)
    is_cancelled = (folder / keeper_processes.CANCEL).exists()
    state, code, message = _server_state(found, working, is_cancelled)
    address = found.address if state == "ready" else ""
    name, node = project_name(folder), platform.node()
    merged = files_report(found.files) if found.files else None
    return ServerReport(number, name, state, address, code, message, node, merged)


def _server_state(found: Status, working: bool, is_cancelled: bool) -> tuple[str, str, str]:
    if found.state == status.ENDED and found.end:
        return "gone", *why_ended(ServerEnd.from_facts(found.end))
    if found.state == status.ENDED:
        return "gone", found.code, found.message
    if not working and is_cancelled:  # before it could handle the signal
        return "gone", "", ""
    if not working:
        return (
            "gone",
            "spawn.lost",
            _(
                "The notebook stopped because its process was killed or the machine restarted. "
                "Your files are safe. Start it again."
            ),
        )
    return ("ready" if found.state == status.READY else "starting"), "", ""


def why_slow(folder: Path, seconds: float) -> tuple[str, str]:
    """Return code and sentence for a notebook that has not answered after ``seconds``."""
    answer, lines = refusals(_last_lines(folder))
    end = ServerEnd(has_begun=True, answer=answer, lines=lines[-MAX_LINES:], seconds=seconds)
    try:
        job = jobs.read(folder)
        built = environments.read_result(Path(job.environment)) or {}
    except (OSError, ValueError, KeyError, TypeError):
        return why_ended(end)
    runs = not isinstance(job, jobs.ServerJob) or job.runs_start
    script = str(built.get("start", "")) if runs else ""
    begun = not script or os.path.lexists(folder / "io" / BEGUN)
    return why_ended(replace(end, script=script, has_begun=begun))


def _last_lines(folder: Path) -> list[str]:
    try:
        with files.open_own(folder / log.FILE) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _MAX_READ_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except (OSError, ValueError):
        return []


def project_name(folder: Path) -> str:
    """Return the name of the project whose notebook runs there, "" if unknown."""
    try:
        return str(json.loads(files.read_own(folder / jobs.FILE))["name"])
    except (FileNotFoundError, *_ILLEGIBLE):
        return ""


def read_log_lines(folder: Path, position: str) -> LogLines | None:
    """Return the next whole lines of the log, all of one phase; a position is "<byte>:<phase>"."""
    offset, _colon, phase = position.partition(":")
    try:
        with files.open_own(folder / log.FILE) as file:
            size = os.fstat(file.fileno()).st_size
            if int(offset or 0) > size:
                return LogLines(
                    phase, _("… a power cut has taken lines …") + "\n", f"{size}:{phase}"
                )
            file.seek(int(offset or 0))
            read = file.read(_MAX_READ_BYTES)
    except (FileNotFoundError, ValueError):
        return None
    end = read.rfind(b"\n") + 1 or (len(read) if len(read) == _MAX_READ_BYTES else 0)
    return _parse_lines(read[:end], int(offset or 0), phase)


def _parse_lines(lines: bytes, offset: int, phase: str) -> LogLines | None:
    mark = log.PHASE_MARK.encode()
    while lines.startswith(mark):
        marker, _end, lines = lines.partition(b"\n")
        offset += len(marker) + 1
        named = marker[1:].decode("utf-8", "replace")
        phase = named if named in Phase.values else phase
    text = lines.partition(mark)[0]
    if not text:
        return None
    said = text.replace(b"\0", b"").decode("utf-8", "replace")  # a power cut leaves zeros
    return LogLines(phase, said, f"{offset + len(text)}:{phase}")


Report = BuildReport | ServerReport
_POLL_SECONDS = 1.0
_POLLS_BEFORE_RETRY = 30
"""Polls without inotify before inotify is tried again."""

logger = logging.getLogger(__name__)


class Changes:
    """An endless iterable of changed reports below ``run``; None about once a second.

    The kernel reports changed files (inotify); each second everything is read as well, because a
    keeper that was killed writes nothing. If inotify is exhausted, only the polling remains, and a
    log's size shows that it has grown.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._seen: dict[tuple[type[Report], int], Report] = {}
        self._sizes: dict[str, int] = {}

    def __iter__(self) -> Iterator[Report | None]:
        yield from self._changed_reports()
        yield None
        polled_at = time.monotonic()
        for grown in self._changed_logs():
            yield from self._changed_reports(grown)
            if time.monotonic() - polled_at >= _POLL_SECONDS:
                polled_at = time.monotonic()
                yield None

    def _changed_logs(self) -> Iterator[Set[str]]:
        """Yield, forever, the folders whose log may have grown; an empty set about each second."""
        known = self._folders()
        while True:
            try:
                yield from self._inotify_changes(known)
            except FileNotFoundError:
                pass  # a keeper's folder disappeared before it was watched
            except (OSError, WatchfilesRustInternalError) as error:
                logger.warning("polling every second, because files cannot be watched: %s", error)
                yield from self._polled_changes()
            there = self._folders()
            yield there - known  # anything written there before it was watched
            known = there

    def _inotify_changes(self, folders: Set[str]) -> Iterator[Set[str]]:
        """Yield changes of these folders from the kernel, until the set of folders changes.

        Only files that keepers themselves write are watched, and nothing below: a notebook may
        write into a folder there, and each of its files would be reported.
        """
        for changes in watch(
            self._run, *(self._run / name for name in folders), recursive=False,
            debounce=200, step=20, rust_timeout=1000, yield_on_timeout=True,
            watch_filter=self._is_relevant, raise_interrupt=True,
        ):  # fmt: skip
            yield {Path(path).parent.name for _change, path in changes if path.endswith("/log")}
            if self._folders() != folders:
                return

    def _polled_changes(self) -> Iterator[Set[str]]:
        for _look in range(_POLLS_BEFORE_RETRY):
            time.sleep(_POLL_SECONDS)
            before, self._sizes = self._sizes, dict(self._log_sizes())
            yield {name for name, size in self._sizes.items() if before.get(name) != size}

    def _log_sizes(self) -> Iterator[tuple[str, int]]:
        for name in self._folders():
            with suppress(FileNotFoundError):
                yield name, (self._run / name / log.FILE).lstat().st_size

    def _folders(self) -> Set[str]:
        return keeper_processes.run_folders(self._run)

    def _changed_reports(self, grown: Set[str] = frozenset()) -> Iterator[Report]:
        """Yield reports that differ from those seen last, and builds whose log has grown."""
        logs = {found for name in grown if (found := parse_run_folder(name)) and found[0] == BUILD}
        there: list[Report] = [*build_reports(self._run), *server_reports(self._run)]
        now = {(type(report), report.id): report for report in there}
        for key, report in now.items():
            has_lines = isinstance(report, BuildReport) and (BUILD, report.id) in logs
            if has_lines or self._seen.get(key) != report:
                yield report
        self._seen = now

    def _is_relevant(self, change: object, path: str) -> bool:
        is_own = os.path.dirname(path) == str(self._run)
        return is_own or path.endswith((f"/{log.FILE}", f"/{status.FILE}"))
