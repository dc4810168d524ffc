"""Read what the portal uses: requests to the API server, statements, processors and memory.

Counters only ever grow; what a phase costs is the difference of two readings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg

from bench.drill.servers import Server
from bench.harness import use
from tests import processes
from tests.cluster.kube import Kube
from tests.stack import Stack

PARTS = ("web", "worker", "watch")
CLUSTER = ("kube-apiserver", "etcd", "kube-scheduler", "kube-controller-manager")
PRELOAD = "shared_preload_libraries=pg_stat_statements"
"""The option of PostgreSQL that counting needs."""
SCHEMA = "service-accounts"
"""The API server's class of requests by service accounts, of which the portal's is the only one."""

_DISPATCHED = re.compile(
    r'^apiserver_flowcontrol_dispatched_requests_total\{flow_schema="([^"]*)".*\} (\S+)$',
    re.MULTILINE,
)
_STATEMENTS = """
SELECT sum(calls) FROM pg_stat_statements
WHERE query !~* '^(begin|commit|rollback|savepoint|release)'
AND query !~ 'pg_stat_statements' AND query !~ '-- scale$'
"""
_FREQUENT = "SELECT calls, left(query, 200) FROM pg_stat_statements ORDER BY calls DESC LIMIT 12"


class Meters:
    """All meters of a portal on a cluster."""

    def __init__(self, kube: Kube, stack: Stack, database: str, server: Server) -> None:
        self._kube = kube
        self._stack = stack
        self._server = server
        self._connection = psycopg.connect(database, autocommit=True)
        self._connection.execute("CREATE EXTENSION pg_stat_statements")

    def forget_statements(self) -> None:
        """Begin anew to count statements."""
        self._connection.execute("SELECT pg_stat_statements_reset()")

    def read(self) -> dict[str, float]:
        """Return all counters by name; CPU in seconds."""
        found: dict[str, float] = {"requests": dispatched(self._metrics())[SCHEMA]}
        found["statements"] = int(self.row(_STATEMENTS)[0] or 0)
        return found | {
            f"CPU of {name}": use.seconds_with_ended(each) for name, each in self._pids().items()
        }

    def memory(self) -> dict[str, float]:
        """Return the MB of each part of the portal and of the API server, shared memory once."""
        pids = self._pids()
        names = (*PARTS, *CLUSTER[:2])
        return {name: round(use.memory(pids.get(name, ()))) for name in names}

    def row(self, query: str, *values: object) -> tuple[Any, ...]:
        """Return the only row of a query that is not counted if it ends with ``-- scale``."""
        return self._connection.execute(query, values).fetchone() or ()

    def frequent(self) -> list[tuple[int, str]]:
        """Return the most frequent statements with their number."""
        return self._connection.execute(_FREQUENT).fetchall()

    def _metrics(self) -> str:
        api = self._kube.core.api_client
        asked = api.param_serialize("GET", "/metrics", auth_settings=["BearerToken"])
        return str(api.call_api(*asked).response.data.decode())

    def _pids(self) -> dict[str, list[int]]:
        parents = {pid: processes.parent(pid) for pid in processes.everything()}
        roots = {name: pid for name in PARTS if (pid := self._stack.part(name))}
        roots["database"] = self._server.process.pid if self._server.process else 0
        found = {name: below(root, parents) for name, root in roots.items()}
        commands = {pid: processes.command(pid).split(" ")[0] for pid in parents}
        for name in CLUSTER:
            found[name] = [pid for pid, path in commands.items() if path.endswith(name)]
        return found


def dispatched(metrics: str) -> Counter[str]:
    """Return the number of requests by class from the API server's metrics.

    Watches and streams are not among them.
    """
    found: Counter[str] = Counter()
    for schema, number in _DISPATCHED.findall(metrics):
        found[schema] += int(float(number))
    return found


def below(root: int, parents: Mapping[int, int]) -> list[int]:
    """Return a process and all that it has started, and so on; ``parents`` by process."""
    found = [root]
    for pid in found:
        found += [each for each, parent in parents.items() if parent == pid]
    return found


def quantile(values: Iterable[float], part: float) -> float:
    """Return the value that this part of all reaches; 0 without any."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
