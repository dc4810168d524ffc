"""Watch the run folders and yield reports as they change."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from pathlib import Path

from watchfiles import watch
from watchfiles._rust_notify import WatchfilesRustInternalError

from sessions.backends import BuildReport, ServerReport

from .folders import BUILD, parsed
from .keeper import log, status

Report = BuildReport | ServerReport
_SECOND = 1.0
_POLLS = 30
"""Polls without inotify before that is tried again."""

logger = logging.getLogger(__name__)


class Changes:
    """An endless iterable of changed reports below ``run``; None about once a second.

    The kernel reports changed files (inotify); each second everything is read as well, because a
    keeper that was killed writes nothing. If inotify is exhausted, only the polling remains, and a
    log's size shows that it has grown.
    """

    def __init__(self, run: Path, everything: Callable[[], list[Report]]) -> None:
        self._run = run
        self._everything = everything
        self._seen: dict[tuple[type[Report], int], Report] = {}
        self._sizes: dict[str, int] = {}

    def __iter__(self) -> Iterator[Report | None]:
        yield from self._new()
        yield None
        looked = time.monotonic()
        for grown in self._grown():
            yield from self._new(grown)
            if time.monotonic() - looked >= _SECOND:
                looked = time.monotonic()
                yield None

    def _grown(self) -> Iterator[Set[str]]:
        """Yield, forever, the folders whose log may have grown; an empty set about each second."""
        known = self._folders()
        while True:
            try:
                yield from self._noticed(known)
            except FileNotFoundError:
                pass  # a keeper's folder went away before it was watched
            except (OSError, WatchfilesRustInternalError) as error:
                logger.warning("looking each second, because files cannot be watched: %s", error)
                yield from self._polled()
            there = self._folders()
            yield there - known  # what was written there before it is watched
            known = there

    def _noticed(self, folders: Set[str]) -> Iterator[Set[str]]:
        """Yield changes of these folders from the kernel, until the set of folders changes.

        Only files that keepers themselves write are watched, and nothing below: a notebook may
        write into a folder there, and each of its files would be reported.
        """
        for changes in watch(
            self._run, *(self._run / name for name in folders), recursive=False,
            debounce=200, step=20, rust_timeout=1000, yield_on_timeout=True,
            watch_filter=self._tells, raise_interrupt=True,
        ):  # fmt: skip
            yield {Path(path).parent.name for _change, path in changes if path.endswith("/log")}
            if self._folders() != folders:
                return

    def _polled(self) -> Iterator[Set[str]]:
        for _look in range(_POLLS):
            time.sleep(_SECOND)
            before, self._sizes = self._sizes, dict(self._logs())
            yield {name for name, size in self._sizes.items() if before.get(name) != size}

    def _logs(self) -> Iterator[tuple[str, int]]:
        for name in self._folders():
            with suppress(FileNotFoundError):
                yield name, (self._run / name / log.FILE).stat().st_size

    def _folders(self) -> Set[str]:
        return {name for name in os.listdir(self._run) if parsed(name)}

    def _new(self, grown: Set[str] = frozenset()) -> Iterator[Report]:
        """Yield reports that differ from those seen last, and builds whose log has grown."""
        logs = {found for name in grown if (found := parsed(name)) and found[0] == BUILD}
        now = {(type(report), report.id): report for report in self._everything()}
        for key, report in now.items():
            has_lines = isinstance(report, BuildReport) and (BUILD, report.id) in logs
            if has_lines or self._seen.get(key) != report:
                yield report
        self._seen = now

    def _tells(self, change: object, path: str) -> bool:
        is_own = os.path.dirname(path) == str(self._run)
        return is_own or path.endswith((f"/{log.FILE}", f"/{status.FILE}"))
