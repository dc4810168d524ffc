"""The table of outside services in the docs has the code's own time limits and bounds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from portal import handler
from portal import settings as portal_settings
from portal.accounts.oidc import client
from portal.lib import cache
from sessions import tasks
from sessions.backends.kubernetes import cluster, registry
from sessions.git import process, read_file
from sessions.lifecycle import builds, ending, queue
from sessions.progress import notify

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\d)")
WEB_SECONDS, WORKER_SECONDS = 60, 50
"""Values that `portal.settings` gives to web and worker; this process is neither."""


def _cache_seconds() -> float:
    """Return the time limit that the builder, a program of its own, has for the build cache."""
    source = (ROOT / "deploy/builder/bindery_builder/programs.py").read_text()
    return float(re.findall(r"CACHE_TIMEOUT: Final = ([\d.]+)", source)[0])


NUMBERS = {
    "Git server": [
        process.DEADLINE_SECONDS,
        read_file.DEADLINE_SECONDS,
        builds.MAX_THREADS,
        builds.MAX_PER_HOST,
        builds.MAX_PER_USER,
        ending.MAX_ATTEMPTS,
    ],
    "package index": [settings.PORTAL_BUILD_SILENCE, settings.PORTAL_BUILD_TIMEOUT],
    "identity provider": [
        settings.OIDC_TIMEOUT,
        client.MAX_WAITING,
        tasks.MAX_PER_SERVICE,
        client.PAUSE_SECONDS,
    ],
    "mail server": [settings.EMAIL_TIMEOUT, tasks.MAX_PER_SERVICE],
    "Redis": [
        cache.REDIS_SECONDS,
        notify.TIMEOUT_SECONDS,
        cache.MAX_WAITING,
        cache.PAUSE_SECONDS,
    ],
    "PostgreSQL": [
        portal_settings.POSTGRESQL_PATIENCE["connect_timeout"],
        WEB_SECONDS,
        WORKER_SECONDS,
        handler.THREADS,
        503,
    ],
    "Kubernetes API": [
        cluster.CONNECT_SECONDS,
        cluster.READ_SECONDS,
        cluster.MAX_WAITING,
        cluster.PAUSE_SECONDS,
    ],
    "registry": [
        *registry.TIMEOUT,
        registry.MAX_WAITING,
        registry.PAUSE_SECONDS,
        _cache_seconds(),
    ],
}
"""The numbers in each service's row, in order."""


def rows() -> dict[str, str]:
    text = (ROOT / "docs/monitor.md").read_text()
    table = text.partition("## When an outside service does not answer")[2].partition("\n\n`")[0]
    found = (line.split("|", 2) for line in table.splitlines() if line.startswith("| "))
    return {name.strip(): rest for _edge, name, rest in found if name.strip() != "service"}


def test_the_docs_name_each_service():
    assert rows().keys() == NUMBERS.keys()


@pytest.mark.parametrize("service", NUMBERS)
def test_the_docs_give_the_codes_own_numbers(service: str):
    assert [float(each) for each in NUMBER.findall(rows()[service])] == NUMBERS[service]


def test_web_and_worker_have_the_documented_time_for_a_statement():
    source = (ROOT / "portal/settings.py").read_text()
    assert f"DATABASE_SECONDS = {WEB_SECONDS}.0 if IN_WEB else {WORKER_SECONDS}.0" in source


def test_a_worker_counts_as_stalled_after_two_minutes():
    assert queue.STALLED_AFTER.total_seconds() == 120
