"""Measure a large upload through the gateway: its speed, and that it is not kept in memory."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from functools import partial
from http.client import HTTPConnection
from time import perf_counter
from typing import NamedTuple

from bench.harness import use
from bench.harness.figures import Figure
from bench.harness.ground import Ground
from bench.harness.turns import in_turn
from bench.peers import proxy

PIECE = bytes(1_000_000)
WITHIN = 120
ROUNDS = 2


class Upload(NamedTuple):
    """Megabytes a second, and by how many megabytes the process grew meanwhile."""

    rate: float
    grown: float


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield the speed and the growth of the process."""
    ours, theirs, size = ground.gateway, ground.proxies["live"], ground.plan.upload_bytes
    port = int(theirs.url.rpartition(":")[2])
    sides = {
        "ours": partial(upload, ours.port, ours.headers("live"), ours.pid, size),
        "theirs": partial(upload, port, {"Host": "localhost"}, theirs.pid, size),
    }
    given = in_turn(sides, ROUNDS, ground.plan.chance("upload"))
    what = f"upload of {size / 1e9:g} GB"
    rates = ([each.rate for each in given[name]] for name in ("ours", "theirs"))
    growth = ([max(each.grown, 0) for each in given[name]] for name in ("ours", "theirs"))
    yield _figure(f"{what}", "MB/s", *rates, more_is_better=True)
    yield _figure(f"{what}, memory of the process grows by", "MB", *growth)


def _figure(
    what: str, unit: str, ours: list[float], theirs: list[float], *, more_is_better: bool = False
) -> Figure:
    return Figure(what, unit, ours, proxy.NAME, theirs, more_is_better)


def upload(port: int, headers: Mapping[str, str], pid: int, size: int) -> Upload:
    """Send ``size`` bytes, and check that all have arrived."""
    before = use.resident(pid)
    with use.highest(partial(use.resident, pid)) as most:
        began = perf_counter()
        connection = HTTPConnection("127.0.0.1", port, timeout=WITHIN)
        connection.putrequest("POST", "/sink", skip_host=True)
        for name, value in {**headers, "Content-Length": str(size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        _send(connection.sock, size)
        answer = connection.getresponse()
        said = answer.read()
        seconds = perf_counter() - began
        connection.close()
    if answer.status != 200 or str(size).encode() not in said:
        raise ConnectionError(f"{answer.status} {said[:200]!r}")
    return Upload(size / 1e6 / seconds, most[0] - before)


def _send(there: socket.socket, size: int) -> None:
    for start in range(0, size, len(PIECE)):
        there.sendall(PIECE[: size - start])
