"""Measure how long it takes to ask a thousand running notebooks for their activity, and the memory.

    python -m bench.activity [--servers 1000] [--rounds 6]

The notebooks are stand-ins on loopback in a separate process; some are slow, silent, hang up or
answer nonsense. Prints a line for each round: the wall time and the CPU time for asking, parsing
and storing together; how many have answered; and the current and peak memory of this process. With
``--json``, the same for programs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import django

SLOW, SILENT, CLOSING, NONSENSE = 20, 50, 33, 25
"""One in this many notebooks behaves that way."""


class Round(NamedTuple):
    """The measurements of one round. Memory in MB (2²⁰ bytes)."""

    number: int
    seconds: float
    cpu: float
    answered: int
    memory: float
    most: float


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.servers)
        return
    with tempfile.TemporaryDirectory() as folder, notebooks(options.servers) as addresses:
        os.environ["PORTAL_DATA"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
        django.setup()
        fill(addresses)
        if options.json:
            print(json.dumps([each._asdict() for each in measure(options.rounds)]))
        else:
            show(measure(options.rounds))


def serve(number: int) -> None:
    """Serve ``number`` notebooks until standard input ends; print their addresses."""
    from tests.culling.servers import (  # noqa: PLC0415
        Servers,
        closing,
        saying,
        silent,
    )

    busy = b'[{"execution_state": "busy", "connections": 1}]'
    others = {SILENT: silent, CLOSING: closing, NONSENSE: saying(b"[" * 100_000)}
    others[SLOW] = saying(busy, pause=1)
    with Servers() as servers:
        for n in range(1, number + 1):
            manner = next((other for each, other in others.items() if n % each == 0), saying(busy))
            print(servers.add(manner), flush=True)
        sys.stdin.read()


@contextmanager
def notebooks(number: int) -> Iterator[list[str]]:
    """Start ``number`` stand-ins and yield their addresses."""
    command = [sys.executable, "-m", "bench.activity", "--serve", "--servers", str(number)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin  # noqa: S101 -- for the type checker
        assert process.stdout  # noqa: S101
        yield [process.stdout.readline().strip() for _each in range(number)]
        process.stdin.close()


def fill(addresses: list[str]) -> None:
    """Make a database in which each of them is somebody's notebook."""
    from django.core.management import call_command  # noqa: PLC0415

    from portal.models import User  # noqa: PLC0415
    from sessions.models import Project, Session  # noqa: PLC0415
    from sessions.states import SessionState  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    ada = User.objects.create_user("ada")
    bounds = dict.fromkeys(("cpu_request", "cpu_limit", "memory_request_gb", "memory_limit_gb"), 1)
    projects = [Project(owner=ada, name=f"p{n}", url="u") for n in range(len(addresses))]
    Project.objects.bulk_create(projects)
    Session.objects.bulk_create(
        Session(project=project, state=SessionState.READY, address=address, **bounds)
        for project, address in zip(projects, addresses, strict=True)
    )


def show(rounds: Iterator[Round]) -> None:
    """Print the rounds as a Markdown table."""
    print("| round | seconds | CPU seconds | answered | memory now, MB | at most, MB |")
    print("|---|---|---|---|---|---|")
    for number, seconds, cpu, answered, memory, most in rounds:
        print(f"| {number} | {seconds:.2f} | {cpu:.2f} | {answered} | {memory:.1f} | {most:.1f} |")


def measure(rounds: int) -> Iterator[Round]:
    """Yield the measurements of each round."""
    from django.utils import timezone  # noqa: PLC0415

    from sessions.culling.activity import probe_all  # noqa: PLC0415
    from sessions.models import Session  # noqa: PLC0415

    for number in range(1, rounds + 1):
        at, begun, cpu = timezone.now(), time.perf_counter(), time.process_time()
        probe_all()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        answered = Session.objects.filter(asked__gte=at).count()
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        yield Round(number, seconds, cpu, answered, _memory(), most)


def _memory() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1024**2


if __name__ == "__main__":
    main()
