"""Each process of the portal loads only what it needs: more costs time and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

import pytest

from tests.stack import PROJECT

pytestmark = pytest.mark.xdist_group("loaded")

NOBODYS = {"redis", "psycopg", "kubernetes", "django_stubs_ext"}
"""Modules that no process needs on one machine with SQLite."""
PROVIDERS = {"portal.accounts.oidc.client"}
PAGES = {"portal.urls", "portal.admin", "sessions.api.views", "rest_framework.views"}

PROCESSES = {
    "up": ("portal.management.commands.up", {"aiohttp", *PAGES, *PROVIDERS}),
    "qcluster": ("django_q.cluster", {"aiohttp", *PAGES, *PROVIDERS}),
    "watch": ("sessions.management.commands.watch", {*PAGES, *PROVIDERS}),
    "web": ("portal.asgi", set[str]()),
}


@cache
def told(command: str) -> tuple[int, int, set[str]]:
    """Load a process and return how many objects the garbage collector skips, how many it does not,
    and the modules.
    """
    module, _unneeded = PROCESSES[command]
    program = (
        f"import gc, importlib, sys; sys.argv = ['manage.py', '{command}']; import django;"
        f"django.setup(); importlib.import_module('{module}');"
        "print(gc.get_freeze_count(), len(gc.get_objects()), *sys.modules)"
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
    kept, others, *modules = done.stdout.split()
    return int(kept), int(others), set(modules)


@pytest.mark.parametrize("command", PROCESSES)
def test_process_imports_nothing_that_it_does_not_need(command):
    module, unneeded = PROCESSES[command]
    _kept, _others, found = told(command)
    assert module in found
    assert not found & (unneeded | NOBODYS)


def test_web_imports_all_pages_before_the_first_request():
    _kept, _others, found = told("web")
    assert found >= PAGES


@pytest.mark.parametrize("command", ["web", "qcluster"])
def test_garbage_collector_skips_the_imported_objects(command):
    kept, others, _modules = told(command)
    assert kept > 5 * others
