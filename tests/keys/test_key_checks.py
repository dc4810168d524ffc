"""Errors in the encryption keys are reported at start, before anybody's key is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keys.apps import check_key_is_shared
from portal.lib.env import Environment
from tests.stack import PROJECT

LONG = "a-key-that-is-as-long-as-it-should-be-and-longer"
SPREAD = [
    {"PORTAL_BACKEND": "kubernetes"},
    {"DATABASE_URL": "postgres://user:password@db.example.org/portal"},
]


def checked(data: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env={**plain, "PORTAL_DATA": str(data), **variables},
        capture_output=True,
        text=True,
    )


def test_a_short_key_is_an_error_even_after_a_long_one(tmp_path: Path) -> None:
    done = checked(tmp_path, PORTAL_ENCRYPTION_KEYS=f"{'x' * 40},short")
    assert done.returncode == 1
    assert "(keys.E001) PORTAL_ENCRYPTION_KEYS" in done.stderr
    assert "token_urlsafe" in done.stderr
    assert "short\n" not in done.stderr


def test_a_distributed_portal_is_warned_of_a_local_key_file(tmp_path: Path) -> None:
    done = checked(tmp_path, **SPREAD[0])
    assert done.returncode == 0
    assert "(keys.W001) PORTAL_ENCRYPTION_KEYS" in done.stderr
    assert "encryption-key" in done.stderr


@pytest.mark.parametrize("spread", SPREAD)
def test_every_sign_of_a_distributed_portal_gives_the_warning(
    settings, spread: dict[str, str]
) -> None:
    assert warnings(settings, spread) == ["keys.W001"]


@pytest.mark.parametrize("spread", SPREAD)
def test_a_configured_key_gives_no_warning(
    settings, spread: dict[str, str], tmp_path: Path
) -> None:
    assert warnings(settings, {**spread, "PORTAL_ENCRYPTION_KEYS": LONG}) == []
    file = tmp_path / "keys"
    file.write_text(LONG)
    assert warnings(settings, {**spread, "PORTAL_ENCRYPTION_KEYS_FILE": str(file)}) == []


def warnings(settings, variables: dict[str, str]) -> list[str | None]:
    settings.ENVIRONMENT = Environment(variables)
    settings.PORTAL_BACKEND = variables.get("PORTAL_BACKEND", "local")
    return [message.id for message in check_key_is_shared()]


def test_an_embedded_portal_creates_a_valid_private_key_file(tmp_path: Path) -> None:
    done = checked(tmp_path)
    assert (done.returncode, "keys." in done.stderr) == (0, False)
    assert (tmp_path / "encryption-key").stat().st_mode & 0o777 == 0o600
