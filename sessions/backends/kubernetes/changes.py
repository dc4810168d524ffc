"""Watch the cluster and report every change.

`Reflector` keeps a copy of one kind of object up to date, by one list and one watch. When the watch
breaks, is silent for too long or has expired, it lists everything again and reports what differs.
`Changes` has one reflector per kind, a follower (see `output`) per container of a running build,
and polls notebooks that do not answer yet; all of them wake one queue. `Backend.changes` returns it
to the watch process.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

from sessions.backends import BuildReport, LogLines, ServerReport
from sessions.errors import BinderyError

from . import output, problems, reports
from .cluster import Cluster, Expired, Listing, Manifest, Query
from .labels import BUILDS, SERVERS, build_name
from .namespace import Namespace
from .output import Follower, LogCursor
from .podstatus import ReadinessProbe, claim_key, is_running
from .reports import Snapshot
from .site import Site

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between attempts to reach a cluster that does not answer."""


class Reflector:
    """A local copy of the cluster's objects of one kind, kept up to date by a thread.

    ``changed`` is called, in that thread, with the name of each object that is new, different or
    gone. ``objects`` maps names to objects; copy it before iterating. The thread ends with the
    process, or soon after `stop`.
    """

    def __init__(
        self,
        cluster: Cluster,
        kind: str,
        query: Query,
        changed: Callable[[str], None],
        *,
        pause: float = PAUSE,
    ) -> None:
        self.objects: dict[str, Manifest] = {}
        self.listed = threading.Event()
        self._cluster = cluster
        self._kind = kind
        self._query = query
        self._changed = changed
        self._pause = pause
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {kind}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread after the watch that is open now."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._follow(self._list())
            except Expired as error:
                log.info("listing %s again: %s", self._kind, error)
            except BinderyError as error:
                log.warning("cannot watch %s: %s", self._kind, error)
            except Exception:
                log.exception("cannot watch %s", self._kind)
            self._stopped.wait(self._pause)

    def _list(self) -> str:
        """Load everything as it is now; return the version from which to watch."""
        listing: Listing = self._cluster.list(self._kind, self._query)
        now = {thing["metadata"]["name"]: thing for thing in listing.items}
        before, self.objects = self.objects, now
        for name in before.keys() | now.keys():
            if _version(before.get(name)) != _version(now.get(name)):
                self._changed(name)
        self.listed.set()
        return listing.version

    def _follow(self, version: str) -> None:
        """Watch until something breaks; a watch that ends normally is opened again."""
        while not self._stopped.is_set():
            for what, thing in self._cluster.watch(self._kind, self._query, version):
                version = thing["metadata"]["resourceVersion"]
                if what != "BOOKMARK":
                    self._apply_event(what, thing)

    def _apply_event(self, what: str, thing: Manifest) -> None:
        name = thing["metadata"]["name"]
        if what == "DELETED":
            self.objects.pop(name, None)
        else:
            self.objects[name] = thing
        self._changed(name)


def _version(thing: Manifest | None) -> str:
    return str(thing["metadata"]["resourceVersion"]) if thing else ""


Report = BuildReport | ServerReport

WARNING_EVENTS = {"fieldSelector": "type=Warning"}
_PROBE_SECONDS = 0.1
"""Seconds between polls of notebooks that do not answer yet."""
_DEBOUNCE_SECONDS = 0.03
"""Seconds during which simultaneous events are collected."""
_POLL_SECONDS = 1.0


class Changes:
    """An endless iterable of changes; see `sessions.backends.Backend.changes`."""

    def __init__(
        self, cluster: Cluster, site: Site, readiness: ReadinessProbe, namespace: Namespace
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._site = site
        self._readiness = readiness
        self._wakeups: SimpleQueue[int] = SimpleQueue()  # a build that has lines, or 0
        self._followers: dict[int, Follower] = {}
        self._started_stages: dict[int, list[str]] = {}
        self._builds_with_output: set[int] = set()
        self._stopped = threading.Event()
        self._seen: dict[tuple[type[Report], int], Report] = {}
        self._had_pod: set[str] = set()
        self._builds = self._reflector("pods", {"labelSelector": BUILDS})
        self._pods = self._reflector("pods", {"labelSelector": SERVERS})
        self._secrets = self._reflector("secrets", {"labelSelector": SERVERS})
        self._events = self._reflector("events", WARNING_EVENTS)

    def _reflector(self, kind: str, query: dict[str, str]) -> Reflector:
        return Reflector(self._cluster, kind, query, lambda _name: self._wakeups.put(0))

    def __iter__(self) -> Iterator[Report | None]:
        reflectors = (self._builds, self._pods, self._secrets, self._events)
        for reflector in reflectors:
            reflector.start()
        threading.Thread(target=self._probe_readiness, daemon=True).start()
        try:
            yield from self._yield_forever()
        finally:
            self._stopped.set()
            for reflector in reflectors:
                reflector.stop()

    def _yield_forever(self) -> Iterator[Report | None]:
        polled_at = time.monotonic()
        while True:
            self._wait()
            yield from self._changed_reports()
            if time.monotonic() - polled_at >= _POLL_SECONDS:
                polled_at = time.monotonic()
                yield None

    def read_log_lines(self, build_id: int, cursor: LogCursor) -> LogLines | None:
        """Return new output of the running container at this place, or None."""
        follower = self._followers.get(build_id)
        if follower and (follower.cursor != cursor or follower.has_ended()):
            follower.stop()
            follower = None
        if follower is None:
            follower = Follower(self._cluster, build_id, cursor, self._wakeups.put)
            self._followers[build_id] = follower
        return follower.take_lines().to_log_lines()

    def build_pod(self, build_id: int) -> Manifest | None:
        """Return the pod of a build as last seen, or None."""
        return self._builds.objects.get(build_name(build_id))

    def _wait(self) -> None:
        """Wait until something happens, at most a second; many simultaneous events count as one."""
        try:
            self._builds_with_output.add(self._wakeups.get(timeout=_POLL_SECONDS))
            time.sleep(_DEBOUNCE_SECONDS)
            while True:
                self._builds_with_output.add(self._wakeups.get_nowait())
        except Empty:
            pass

    def _probe_readiness(self) -> None:
        """Poll notebooks in a thread of its own: a slow one must not hold up the rest."""
        while not self._stopped.wait(_PROBE_SECONDS):
            if self._readiness.probe(probe_addresses(list(self._pods.objects.values()))):
                self._wakeups.put(0)

    def _changed_reports(self) -> Iterator[Report]:
        """Yield reports that differ from those seen last, and builds whose output has grown."""
        if not self._all_listed():
            return
        grown, self._builds_with_output = self._builds_with_output, set()
        now: dict[tuple[type[Report], int], Report] = {}
        for report in self._all_reports():
            now[type(report), report.id] = report
        for key, report in now.items():
            has_lines = isinstance(report, BuildReport) and report.id in grown
            if has_lines or self._seen.get(key) != report:
                yield report
        for kind, number in self._seen.keys() - now.keys():
            if kind is BuildReport:
                self._stop_follower(number)
                yield BuildReport(number, True, *problems.build_lost())
        self._seen = now

    def _all_reports(self) -> Iterator[Report]:
        yield from self._build_reports()
        yield from self._server_reports()

    def _all_listed(self) -> bool:
        kinds = (self._builds, self._pods, self._secrets)
        return all(reflector.listed.is_set() for reflector in kinds)

    def _build_reports(self) -> Iterator[BuildReport]:
        pods = self._namespace.exclude_foreign(list(self._builds.objects.values()))
        warnings = latest_warnings(list(self._events.objects.values()))
        return reports.build_reports(pods, lambda pod: self._read_build(pod, warnings))

    def _read_build(self, pod: Manifest, warnings: Mapping[str, str]) -> BuildReport:
        """Return a build's report, and note that it has output if one of its containers has."""
        report, stages = reports.build_report(pod, warnings), output.started_stages(pod)
        number = report.id
        if stages and (number not in self._followers or stages != self._started_stages.get(number)):
            self._builds_with_output.add(number)
        self._started_stages[number] = stages
        return report

    def _server_reports(self) -> list[ServerReport]:
        pods, secrets = (
            {
                each["metadata"]["name"]: each
                for each in self._namespace.exclude_foreign(list(things.values()))
            }
            for things in (self._pods.objects, self._secrets.objects)
        )
        self._had_pod = (self._had_pod | pods.keys()) & secrets.keys()
        self._readiness.keep(pod["metadata"]["uid"] for pod in pods.values())
        warnings = latest_warnings(list(self._events.objects.values()))
        had_pod = frozenset(self._had_pod)
        now = datetime.now(UTC)
        snapshot = Snapshot(secrets, pods, self._readiness.ready_uids, warnings, had_pod, now)
        return reports.reports(snapshot, self._site)

    def _stop_follower(self, build_id: int) -> None:
        self._started_stages.pop(build_id, None)
        if follower := self._followers.pop(build_id, None):
            follower.stop()


def probe_addresses(pods: list[Manifest]) -> dict[str, str]:
    """Return uid and address of each pod that could answer."""
    return {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in pods if is_running(pod)}


def read_warnings(cluster: Cluster) -> dict[str, str]:
    """Ask the cluster for its warnings, and return them as `latest_warnings` does."""
    return latest_warnings(cluster.list("events", WARNING_EVENTS).items)


def latest_warnings(events: list[Manifest]) -> dict[str, str]:
    """Return the last warning for each object, by its uid; for a claim, also by its name."""
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    found = {}
    for event in events:
        about, said = event["involvedObject"], f"{event.get('reason')}: {event.get('message')}"
        found[about.get("uid", "")] = said
        if about.get("kind") == "PersistentVolumeClaim":
            found[claim_key(about.get("name", ""))] = said
    return found
