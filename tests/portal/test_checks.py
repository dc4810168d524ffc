"""Wrong configuration is reported at start, with a stable id, and stops nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.checks import run_checks

from tests.stack import PROJECT

pytestmark = [pytest.mark.xdist_group("checks"), pytest.mark.servers]

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
    ("PORTAL_EMAIL_URL", "smtp://user:secret@host:port", "portal.E008"),
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


def rounds() -> Iterator[dict[str, str]]:
    """Yield environments that together cover every value of each variable."""
    turns = Counter(variable for variable, _value, _code in WRONG)
    for turn in range(max(turns.values())):
        values: dict[str, list[str]] = {variable: [] for variable in turns}
        for variable, value, _code in WRONG:
            values[variable].append(value)
        yield {variable: each[turn] for variable, each in values.items() if turn < len(each)}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """Start several portals at once; return what each prints, by variable and value."""
    found: dict[tuple[str, str], str] = {}
    for given in rounds():
        told = _said(tmp_path_factory.mktemp("data"), given)
        found.update(dict.fromkeys(given.items(), told))
    return found


def _said(data: Path, given: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={**os.environ, "PORTAL_DATA": str(data), **given},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize(("variable", "value", "code"), WRONG)
def test_invalid_setting_is_reported_with_a_hint(said, variable, value, code):
    text = said[variable, value]
    (line,) = [line for line in text.splitlines() if f"({code}) {variable} " in line]
    assert "HINT" in text.partition(line)[2].splitlines()[1]
    assert "Traceback" not in text


def test_password_in_an_invalid_setting_is_not_shown(said):
    assert "secret" not in said["PORTAL_EMAIL_URL", "smtp://user:secret@host:port"].lower()


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
