"""Configure how this suite runs: a plugin loaded by name (`pyproject.toml`), before Django's
settings.

- Each process of pytest-xdist has a data folder and a Redis database of its own.
- A test has 60 seconds, or the time that ``slow`` asks for, with a reason.
- The fixtures that a test uses decide whether it runs again on PostgreSQL with Redis, and
  whether it needs servers.
- pytest-xdist is told of groups, which it cannot find by itself with pytest 9.2.
- Tests that took more than ten seconds without a reason are listed at the end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.nodeid import coerce_node_id
from _pytest.terminal import TerminalReporter

SLOW = 10.0
"""Seconds on a quiet machine from which a test needs a reason."""
SERVERS = frozenset({
    "away", "chromium", "data", "git", "git_server", "hostile", "notebook", "port", "redis",
    "registry", "ssh_server", "sshd", "stack",
})  # fmt: skip
"""Fixtures that start a server or a sandbox."""
PR_SET_PDEATHSIG = 1
"""From ``linux/prctl.h``."""
DATABASE = frozenset({"db", "transactional_db"})

if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # It ends, and what its tests have started, with the run, even if that is killed.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    _top = os.environ.get("PORTAL_DATA") or tempfile.mkdtemp(prefix="bindery-test-")
    _folder = Path(_top, worker)
    _folder.mkdir(parents=True, exist_ok=True)
    os.environ["PORTAL_DATA"] = str(_folder)
    if redis := os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = f"{redis}?db={worker.removeprefix('gw')}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        if slow := item.get_closest_marker("slow"):
            if not (slow.args and isinstance(slow.args[0], str)):
                raise pytest.UsageError(f"{item.nodeid} is marked slow and does not say why")
            # A portal that many tests share starts and ends in the time of all of them.
            is_shared = item.get_closest_marker("stack") is not None
            seconds = slow.kwargs.get("seconds", 60)
            item.add_marker(pytest.mark.timeout(seconds, func_only=is_shared))
        if used & SERVERS:
            item.add_marker(pytest.mark.servers)
        if used & DATABASE or item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.db)
        commits = _commits(item, used) and not item.get_closest_marker("one_database")
        if commits or "redis" in used:
            item.add_marker(pytest.mark.databases)
        if worker and (group := item.get_closest_marker("xdist_group")):
            # pytest-xdist 3.8 writes it into `_nodeid`, which pytest 9.2 does not read.
            item._id = coerce_node_id(f"{item.nodeid}@{group.args[0]}")


def _commits(item: pytest.Item, used: set[str]) -> bool:
    """Return whether the test is about transactions, locks or threads; otherwise it would not need
    to commit.
    """
    asked = item.get_closest_marker("django_db")
    return "transactional_db" in used or bool(asked and asked.kwargs.get("transaction"))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    unexplained = list(_unexplained(terminalreporter))
    if unexplained:
        terminalreporter.section(f"over {SLOW:g} s, and no reason given (mark.slow)")
    for report in sorted(unexplained, key=lambda report: -report.duration):
        terminalreporter.write_line(f"{report.duration:.1f}s {report.when} {report.nodeid}")


def _unexplained(reporter: TerminalReporter) -> Iterator[pytest.TestReport]:
    for outcome in ("passed", "failed"):
        for report in reporter.getreports(outcome):
            is_explained = {"slow", "stack"} & set(report.keywords)
            if report.duration > SLOW and not is_explained:
                yield report
