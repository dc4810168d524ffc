"""Launch, wait and measure, phase by phase."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from bench.scale.costs import quantile
from bench.scale.stage import Stage
from tests.stack import NO_AUTHORITIES

RUSH_SECONDS = 60.0
REST_SECONDS = 60.0
AT_ONCE = 16
READY_WITHIN = 150.0
FILES = {"index.ipynb": "{}"}

Phase = dict[str, Any]

_READY = """SELECT count(*) FROM notebook_sessions_session
WHERE ready IS NOT NULL AND ended IS NULL -- scale"""
_TIMES = """SELECT array_agg(extract(epoch FROM ready - created)::float)
FROM notebook_sessions_session WHERE created >= %s AND ready IS NOT NULL -- scale"""
_NOW = "SELECT clock_timestamp() -- scale"


class Play:
    """A run in which each of the stage's people launches one notebook."""

    def __init__(self, stage: Stage, rush: int, builds: int) -> None:
        self._stage = stage
        self._rush, self._builds = rush, builds
        self._tokens = list(stage.tokens.values())
        self._ready = 0

    def phases(self) -> Iterator[Phase]:
        """Yield what each phase has cost: the first, filling, a rush, builds, rest."""
        url = self._stage.git.repository("scale/same", FILES)
        others = [
            self._stage.git.repository(f"scale/{number}", FILES | {"number": str(number)})
            for number in range(self._builds)
        ]
        if (fill := len(self._tokens) - self._rush - self._builds) > 0:
            yield self._measured("fill", lambda: self._launch(fill, [url]))
        yield self._measured("rush", lambda: self._launch(self._rush, [url], RUSH_SECONDS))
        yield self._measured("builds", lambda: self._launch(self._builds, others))
        yield self._measured("rest", self._rest)

    def _measured(self, name: str, work: Callable[[], Phase]) -> Phase:
        meters = self._stage.meters
        meters.forget_statements()
        before, began = meters.read(), time.monotonic()
        found = work()
        seconds = time.monotonic() - began
        after = meters.read()
        spent = {what: round(value - before.get(what, 0), 2) for what, value in after.items()}
        return {
            "phase": name,
            "notebooks": self._ready,
            "seconds": round(seconds, 1),
            **found,
            **spent,
            "MB": meters.memory(),
            "frequent": meters.frequent(),
        }

    def _rest(self) -> Phase:
        time.sleep(REST_SECONDS)
        return {}

    def _launch(self, number: int, urls: Sequence[str], seconds: float = 0.0) -> Phase:
        """Have so many people launch these in turn, within so many seconds, until all are ready."""
        tokens, self._tokens = self._tokens[:number], self._tokens[number:]
        began, since = time.monotonic(), self._stage.meters.row(_NOW)[0]

        def launch(at: int) -> tuple[int, float]:
            time.sleep(max(0.0, began + at * seconds / number - time.monotonic()))
            return self._ask(tokens[at], urls[at % len(urls)])

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(launch, range(number)))
        accepted = sum(status == httpx.codes.CREATED for status, _took in answers)
        waits = [took for _status, took in answers]
        asked = time.monotonic() - began
        self._wait(self._ready + accepted)
        times = self._stage.meters.row(_TIMES, since)[0] or []
        return {
            "launched": number,
            "accepted": accepted,
            "asked for": round(asked, 1),
            "answer p50, p95": [round(quantile(waits, part), 2) for part in (0.5, 0.95)],
            "ready": len(times),
            "ready p50, p95, last": [round(quantile(times, part), 1) for part in (0.5, 0.95, 1)],
        }

    def _ask(self, token: str, url: str) -> tuple[int, float]:
        """Launch; return the status and the seconds until it came."""
        address = f"{self._stage.stack.url}/api/v1/projects/"
        headers, began = {"Authorization": f"Bearer {token}"}, time.monotonic()
        body = {"repository": url}
        try:
            answer = httpx.post(
                address, json=body, headers=headers, timeout=30, verify=NO_AUTHORITIES
            )
        except httpx.HTTPError:
            return 0, time.monotonic() - began
        return answer.status_code, time.monotonic() - began

    def _wait(self, number: int) -> None:
        """Wait until so many notebooks are ready, but not for ever."""
        latest = time.monotonic() + READY_WITHIN
        while time.monotonic() < latest:
            self._ready = int(self._stage.meters.row(_READY)[0])
            if self._ready >= number:
                return
            time.sleep(0.5)
