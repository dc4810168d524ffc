"""Each process of the portal loads what it needs: whatever else is loaded costs time and memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.stack import PROJECT

NOBODYS = {"redis", "psycopg", "kubernetes", "django_stubs_ext"}
"""What no process needs on one machine with SQLite."""
PROVIDERS = {"portal.oidc.calls"}
PAGES = {"portal.urls", "portal.admin", "sessions.api.views", "rest_framework.views"}

PROCESSES = {
    "up": ("portal.management.commands.up", {"aiohttp", *PAGES, *PROVIDERS}),
    "qcluster": ("django_q.cluster", {"aiohttp", *PAGES, *PROVIDERS}),
    "watch": ("sessions.management.commands.watch", {*PAGES, *PROVIDERS}),
    "web": ("portal.asgi", set[str]()),
}


def told(command: str, module: str, what: str) -> list[str]:
    """What a process has once it is loaded, an expression of several values."""
    program = (
        f"import gc, importlib, sys; sys.argv = ['manage.py', '{command}']; import django;"
        f"django.setup(); importlib.import_module('{module}'); print(*{what})"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"},
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.split()


def loaded(command: str, module: str) -> set[str]:
    return set(told(command, module, "sys.modules"))


@pytest.mark.parametrize("command", PROCESSES)
def test_a_process_loads_nothing_that_it_does_not_need(command):
    module, unneeded = PROCESSES[command]
    found = loaded(command, module)
    assert module in found
    assert not found & (unneeded | NOBODYS)


def test_web_has_all_pages_before_the_first_is_asked_for():
    assert loaded("web", "portal.asgi") >= PAGES


@pytest.mark.parametrize("command", ["web", "qcluster"])
def test_the_garbage_collector_passes_over_what_is_loaded(command):
    module, _unneeded = PROCESSES[command]
    kept, others = map(int, told(command, module, "(gc.get_freeze_count(), len(gc.get_objects()))"))
    assert kept > 5 * others
