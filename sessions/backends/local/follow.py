"""What changes in the run folders, as it changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Set
from pathlib import Path

from watchfiles import watch

from sessions.backends import BuildReport, ServerReport

from .folders import BUILD, parsed
from .keeper import log, status

Report = BuildReport | ServerReport
_SECOND = 1.0


class Changes:
    """Reports of what may have changed below ``run``, for ever; None about once a second.

    The kernel tells of files; each second everything is looked at as well, because a keeper
    that was killed writes nothing.
    """

    def __init__(self, run: Path, everything: Callable[[], list[Report]]) -> None:
        self._run = run
        self._everything = everything
        self._seen: dict[tuple[type[Report], int], Report] = {}

    def __iter__(self) -> Iterator[Report | None]:
        yield from self._new()
        yield None
        looked = time.monotonic()
        for changes in watch(
            self._run, debounce=200, step=20, rust_timeout=1000, yield_on_timeout=True,
            watch_filter=_tells, raise_interrupt=True,
        ):  # fmt: skip
            grown = {Path(path).parent.name for _change, path in changes if path.endswith("/log")}
            yield from self._new(grown)
            if time.monotonic() - looked >= _SECOND:
                looked = time.monotonic()
                yield None

    def _new(self, grown: Set[str] = frozenset()) -> Iterator[Report]:
        """What is not as it was seen last, and the builds whose log has grown."""
        logs = {found for name in grown if (found := parsed(name)) and found[0] == BUILD}
        now = {(type(report), report.id): report for report in self._everything()}
        for key, report in now.items():
            has_lines = isinstance(report, BuildReport) and (BUILD, report.id) in logs
            if has_lines or self._seen.get(key) != report:
                yield report
        self._seen = now


def _tells(change: object, path: str) -> bool:
    return path.endswith((f"/{log.FILE}", f"/{status.FILE}"))
