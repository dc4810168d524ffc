"""The doctor reports which limits on notebooks a machine does not allow."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sessions.backends.local import health, owners
from tests import scratch
from tests.backends.bare import ORDINARY

EXAMINE = """
import django, json, sys
django.setup()
from sessions.backends.local import health
print(json.dumps([[each.id, each.message, each.hint] for each in health._missing_limits()]))
"""
WITHOUT_NAMESPACES = ["sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"]


def problems(*before: str, as_root: bool = True) -> list[str]:
    """Return the ids of the problems of a portal that runs as root, or does not, started by these
    words.
    """
    data = scratch.folder()
    if not as_root and os.geteuid() == 0:
        os.chown(data, ORDINARY, ORDINARY)
    variables = {"PORTAL_DATA": str(data), "DJANGO_SETTINGS_MODULE": "portal.settings"}
    done = subprocess.run(
        [*before, sys.executable, "-c", EXAMINE],
        capture_output=True, text=True, check=True, env={**os.environ, **variables},
        **({} if as_root else owners.as_user(ORDINARY)),
    )  # fmt: skip
    subprocess.run(["rm", "-r", "--", data], check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert all(message and hint for _id, message, hint in found)
    return [identifier for identifier, _message, _hint in found]


def test_a_portal_that_runs_as_root_lacks_no_limits():
    if os.geteuid() == 0:
        assert [problem.id for problem in health._missing_limits()] == []


def test_a_portal_without_root_lacks_a_memory_group():
    assert problems(as_root=False) == ["local.no-memory-group"]


@pytest.mark.slow("a portal's settings are loaded in a namespace")
def test_a_machine_without_user_namespaces_is_reported():
    unshare = ["unshare", "--user", "--map-root-user", *WITHOUT_NAMESPACES]
    assert "local.no-namespaces" in problems(*unshare)
