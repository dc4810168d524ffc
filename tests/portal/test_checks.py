"""Wrong configuration is reported at start, with a stable id, and stops nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from runpy import run_path
from unittest.mock import patch

import pytest
from django.core.checks import run_checks

from tests.stack import PROJECT

WRONG = [
    ("PORTAL_SECRET_KEY_FILE", "/no/such/file", "portal.E002"),
    ("PORTAL_PORT", "eighty", "portal.E003"),
    ("PORTAL_PORT", "70000", "portal.E003"),
    ("PORTAL_BUILD_MEMORY_GB", "-1", "portal.E003"),
    ("PORTAL_DEBUG", "perhaps", "portal.E004"),
    ("PORTAL_BACKEND", "swarm", "portal.E005"),
    ("PORTAL_URL", "localhost", "portal.E006"),
    ("PORTAL_TRUSTED_GIT_HOSTS", "git.example.org:http", "portal.E007"),
    ("PORTAL_TRUSTED_HOSTS", "a:b:c", "portal.E007"),
    ("PORTAL_EMAIL_URL", "mail.example.org", "portal.E008"),
    ("PORTAL_EMAIL_URL", "http://mail.example.org", "portal.E008"),
    ("PORTAL_EMAIL_URL", "smtp://", "portal.E008"),
    ("PORTAL_EMAIL_URL", "smtp://user:hunter2@host:port", "portal.E008"),
    ("PORTAL_EMAIL_FROM", "the portal", "portal.E008"),
    ("PORTAL_OPERATORS_MAIL", "ops@example.org, Ops", "portal.E009"),
    ("PORTAL_NGINX_SECRET", "short", "portal.E010"),
    ("PORTAL_TRUSTED_PROXIES", "localhost", "portal.E014"),
    ("PORTAL_TRUSTED_PROXIES", "10.0.0.0/33", "portal.E014"),
    ("PORTAL_CORS_ORIGINS", "*", "portal.E015"),
    ("PORTAL_CORS_ORIGINS", "https://book.example.org/", "portal.E015"),
    ("PORTAL_CORS_ORIGINS", "https://book.example.org:443", "portal.E015"),
    ("PORTAL_CORS_ORIGINS", "https://book.example.org:99999", "portal.E015"),
]


def _started_with(settings, **environment: str) -> None:
    """Give the settings the values that a portal has that is started with these variables."""
    with patch.dict(os.environ, environment):
        read = run_path(str(PROJECT / "portal/settings.py"))
    for name, value in read.items():
        if name.startswith(("ENVIRONMENT", "PORTAL_", "EMAIL_", "DEFAULT_FROM_")):
            setattr(settings, name, value)


@pytest.mark.parametrize(("variable", "value", "code"), WRONG)
def test_invalid_setting_is_reported_with_a_hint(settings, tmp_path, variable, value, code):
    good = {"PORTAL_DATA": str(tmp_path), "PORTAL_EMAIL_URL": "smtp://mail.example.org"}
    _started_with(settings, **{**good, variable: value})
    (found,) = [each for each in run_checks() if each.id == code]
    assert found.msg.startswith(f"{variable} ")
    assert found.hint
    assert found.is_serious()
    assert "hunter2" not in f"{found.msg} {found.hint}"


@pytest.mark.servers
def test_start_with_invalid_settings_reports_them_all(tmp_path):
    wrong = {"PORTAL_PORT": "eighty", "PORTAL_BACKEND": "swarm"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={**os.environ, "PORTAL_DATA": str(tmp_path), **wrong},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    for variable in wrong:
        (line,) = [line for line in done.stderr.splitlines() if f") {variable} " in line]
        assert "HINT" in done.stderr.partition(line)[2].splitlines()[1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "proxies", "told"),
    [
        ("https://notebooks.example.org", [], True),
        ("https://notebooks.example.org", ["127.0.0.1"], False),
        ("http://localhost:8000", [], False),
    ],
)
def test_missing_trusted_proxies_are_reported_with_the_line_to_add(settings, url, proxies, told):
    settings.GATEWAY_SCHEME = url.partition(":")[0]
    settings.PORTAL_TRUSTED_PROXIES = proxies
    found = [message for message in run_checks() if message.id == "portal.W014"]
    assert bool(found) is told
    assert all("PORTAL_TRUSTED_PROXIES=127.0.0.1,::1" in str(message.hint) for message in found)
