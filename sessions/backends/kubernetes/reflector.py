"""A copy of what the cluster has of one kind, kept up to date by one list and one watch.

When the watch breaks, is silent for too long or has lost its place, everything is listed again
and what differs is told. The thread ends with the process, or soon after `Reflector.leave`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sessions.errors import BinderyError

from .cluster import Cluster, Expired, Listing, Manifest, Query

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds between two tries to reach a cluster that does not answer."""


class Reflector:
    """``changed`` is called, in this thread, with the name of each thing that is new, different
    or gone. ``things`` are by name; to be copied before they are walked through."""

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
        self._thread.start()

    def leave(self) -> None:
        """Nobody asks any more: what it watches for now is the last."""
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
        """Take everything as it is now; the version from which to watch."""
        listing: Listing = self._cluster.list(self._kind, self._query)
        now = {thing["metadata"]["name"]: thing for thing in listing.items}
        before, self.things = self.things, now
        for name in before.keys() | now.keys():
            if _version(before.get(name)) != _version(now.get(name)):
                self._changed(name)
        self.listed.set()
        return listing.version

    def _follow(self, version: str) -> None:
        """Watch until something breaks; a watch that ends well is only taken up again."""
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
