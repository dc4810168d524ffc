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
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

from sessions.backends import BuildReport, LogPiece, ServerReport
from sessions.errors import BinderyError

from . import reports
from .cluster import Cluster, Expired, Listing, Manifest, Query
from .labels import BUILD, BUILDS, SERVERS, build_name
from .namespace import Namespace
from .output import Follower, Place
from .podstatus import Answering, is_running, label
from .reports import Sight
from .site import Site

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two attempts to reach a cluster that does not answer."""


class Reflector:
    """A local copy of the cluster's objects of one kind, kept up to date by a thread.

    ``changed`` is called, in that thread, with the name of each object that is new, different or
    gone. ``things`` maps names to objects; copy it before iterating. The thread ends with the
    process, or soon after `leave`.
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
        self.things: dict[str, Manifest] = {}
        self.listed = threading.Event()
        self._cluster = cluster
        self._kind = kind
        self._query = query
        self._changed = changed
        self._pause = pause
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {kind}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def leave(self) -> None:
        """Stop the thread after the watch that is open now."""
        self._left.set()

    def _run(self) -> None:
        while not self._left.is_set():
            try:
                self._follow(self._list())
            except Expired as error:
                log.info("%s are listed again: %s", self._kind, error)
            except BinderyError as error:
                log.warning("%s are not watched: %s", self._kind, error)
            except Exception:
                log.exception("%s are not watched", self._kind)
            self._left.wait(self._pause)

    def _list(self) -> str:
        """Load everything as it is now; return the version from which to watch."""
        listing: Listing = self._cluster.list(self._kind, self._query)
        now = {thing["metadata"]["name"]: thing for thing in listing.items}
        before, self.things = self.things, now
        for name in before.keys() | now.keys():
            if _version(before.get(name)) != _version(now.get(name)):
                self._changed(name)
        self.listed.set()
        return listing.version

    def _follow(self, version: str) -> None:
        """Watch until something breaks; a watch that ends normally is opened again."""
        while not self._left.is_set():
            for what, thing in self._cluster.watch(self._kind, self._query, version):
                version = thing["metadata"]["resourceVersion"]
                if what != "BOOKMARK":
                    self._take(what, thing)

    def _take(self, what: str, thing: Manifest) -> None:
        name = thing["metadata"]["name"]
        if what == "DELETED":
            self.things.pop(name, None)
        else:
            self.things[name] = thing
        self._changed(name)


def _version(thing: Manifest | None) -> str:
    return str(thing["metadata"]["resourceVersion"]) if thing else ""


Report = BuildReport | ServerReport

WARNINGS = {"fieldSelector": "involvedObject.kind=Pod,type=Warning"}
_TICK = 0.1
"""Seconds between two polls of the notebooks that do not answer yet."""
_GATHER = 0.03
"""Seconds during which simultaneous events are collected."""
_SECOND = 1.0


class Changes:
    """An endless iterable of changes; see `sessions.backends.Backend.changes`."""

    def __init__(
        self, cluster: Cluster, site: Site, answering: Answering, namespace: Namespace
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._site = site
        self._answering = answering
        self._awake: SimpleQueue[int] = SimpleQueue()  # a build that has lines, or 0
        self._followers: dict[int, Follower] = {}
        self._begun: dict[int, list[str]] = {}
        self._grown: set[int] = set()
        self._left = threading.Event()
        self._seen: dict[tuple[type[Report], int], Report] = {}
        self._had_pod: set[str] = set()
        self._builds = self._reflector("pods", {"labelSelector": BUILDS})
        self._pods = self._reflector("pods", {"labelSelector": SERVERS})
        self._secrets = self._reflector("secrets", {"labelSelector": SERVERS})
        self._events = self._reflector("events", WARNINGS)

    def _reflector(self, kind: str, query: dict[str, str]) -> Reflector:
        return Reflector(self._cluster, kind, query, lambda _name: self._awake.put(0))

    def __iter__(self) -> Iterator[Report | None]:
        reflectors = (self._builds, self._pods, self._secrets, self._events)
        for reflector in reflectors:
            reflector.start()
        threading.Thread(target=self._look_for_answers, daemon=True).start()
        try:
            yield from self._for_ever()
        finally:
            self._left.set()
            for reflector in reflectors:
                reflector.leave()

    def _for_ever(self) -> Iterator[Report | None]:
        looked = time.monotonic()
        while True:
            self._wait()
            yield from self._new()
            if time.monotonic() - looked >= _SECOND:
                looked = time.monotonic()
                yield None

    def piece(self, build_id: int, place: Place) -> LogPiece | None:
        """Return new output of the running container at this place, or None."""
        follower = self._followers.get(build_id)
        if follower and (follower.place != place or follower.has_ended()):
            follower.leave()
            follower = None
        if follower is None:
            follower = Follower(self._cluster, build_id, place, self._awake.put)
            self._followers[build_id] = follower
        return follower.piece().made()

    def build_pod(self, build_id: int) -> Manifest | None:
        """Return the pod of a build as last seen, or None."""
        return self._builds.things.get(build_name(build_id))

    def _wait(self) -> None:
        """Wait until something happens, at most a second; many simultaneous events count as one."""
        try:
            self._grown.add(self._awake.get(timeout=_SECOND))
            time.sleep(_GATHER)
            while True:
                self._grown.add(self._awake.get_nowait())
        except Empty:
            pass

    def _look_for_answers(self) -> None:
        """Poll notebooks in a thread of its own: a slow one must not hold up the rest."""
        while not self._left.wait(_TICK):
            if self._answering.ask(unanswered(list(self._pods.things.values()))):
                self._awake.put(0)

    def _new(self) -> Iterator[Report]:
        """Yield reports that differ from those seen last, and builds whose output has grown."""
        if not self._all_listed():
            return
        grown, self._grown = self._grown, set()
        now: dict[tuple[type[Report], int], Report] = {}
        for report in self._everything():
            now[type(report), report.id] = report
        for key, report in now.items():
            has_lines = isinstance(report, BuildReport) and report.id in grown
            if has_lines or self._seen.get(key) != report:
                yield report
        for kind, number in self._seen.keys() - now.keys():
            if kind is BuildReport:
                self._leave(number)
                yield BuildReport(number, True, *reports.lost())
        self._seen = now

    def _everything(self) -> Iterator[Report]:
        yield from self._build_reports()
        yield from self._server_reports()

    def _all_listed(self) -> bool:
        kinds = (self._builds, self._pods, self._secrets)
        return all(reflector.listed.is_set() for reflector in kinds)

    def _build_reports(self) -> Iterator[BuildReport]:
        for pod in self._namespace.own(list(self._builds.things.values())):
            number = int(label(pod, BUILD))
            stages = reports.begun_stages(pod)
            if stages and (number not in self._followers or stages != self._begun.get(number)):
                self._grown.add(number)
            self._begun[number] = stages
            yield reports.build_report(pod)

    def _server_reports(self) -> list[ServerReport]:
        pods, secrets = (
            {each["metadata"]["name"]: each for each in self._namespace.own(list(things.values()))}
            for things in (self._pods.things, self._secrets.things)
        )
        self._had_pod = (self._had_pod | pods.keys()) & secrets.keys()
        self._answering.keep(pod["metadata"]["uid"] for pod in pods.values())
        warnings = latest(list(self._events.things.values()))
        had_pod = frozenset(self._had_pod)
        now = datetime.now(UTC)
        sight = Sight(secrets, pods, self._answering.uids, warnings, had_pod, now)
        return reports.reports(sight, self._site)

    def _leave(self, build_id: int) -> None:
        self._begun.pop(build_id, None)
        if follower := self._followers.pop(build_id, None):
            follower.leave()


def unanswered(pods: list[Manifest]) -> dict[str, str]:
    """Return uid and address of each pod that could answer."""
    return {pod["metadata"]["uid"]: pod["status"]["podIP"] for pod in pods if is_running(pod)}


def latest(events: list[Manifest]) -> dict[str, str]:
    """Return the last warning for each pod, by the pod's uid."""
    events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    return {
        event["involvedObject"].get("uid", ""): f"{event.get('reason')}: {event.get('message')}"
        for event in events
    }
