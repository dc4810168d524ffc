"""Wrong configuration is said at start, with a stable id, and stops nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.stack import PROJECT


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("PORTAL_SECRET_KEY_FILE", "/no/such/file", "portal.E002"),
        ("PORTAL_PORT", "eighty", "portal.E003"),
        ("PORTAL_PORT", "70000", "portal.E003"),
        ("PORTAL_BUILD_MEMORY_GB", "-1", "portal.E003"),
        ("PORTAL_DEBUG", "perhaps", "portal.E004"),
        ("PORTAL_BACKEND", "swarm", "portal.E005"),
        ("PORTAL_URL", "localhost", "portal.E006"),
        ("PORTAL_TRUSTED_GIT_HOSTS", "git.example.org:http", "portal.E007"),
        ("PORTAL_TRUSTED_HOSTS", "a:b:c", "portal.E007"),
        ("PORTAL_NGINX_SECRET", "short", "portal.E010"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(tmp_path, variable, value, code):
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={**os.environ, "PORTAL_DATA": str(tmp_path), variable: value},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"({code}) {variable}" in done.stderr
    assert "HINT" in done.stderr
    assert "Traceback" not in done.stderr
