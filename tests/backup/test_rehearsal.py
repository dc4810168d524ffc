"""``rehearse_restore``: a backup is tried beside the portal, and nothing of the trial is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from keys.keypairs import ensure
from portal.backup import rehearsal
from portal.backup.rehearsal import isolated_environment
from portal.models import User
from tests.past_sessions import ran
from tests.scripted import ScriptedBackend

KEY = "k" * 50
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow("two programs start, and a database is migrated", seconds=120),
]


@pytest.fixture
def kept(settings, tmp_path: Path, backend: ScriptedBackend, ada: User) -> Path:
    """A backup without the keys, of a portal in which ada has a key pair and a project."""
    settings.PORTAL_DATA = data = tmp_path / "data"
    settings.PORTAL_ENCRYPTION_KEYS = [KEY]
    name = ran(ada, timezone.now(), timezone.now()).project.name
    for path in (data / "homes" / "ada", data / "projects" / name):
        path.mkdir(parents=True)
        (path / "notes.txt").write_text("mine")
    (tmp_path / "safe").mkdir()
    (tmp_path / "safe" / "encryption-key").write_text(KEY)
    ensure(ada)
    call_command("back_up", tmp_path / "kept", "--without-keys")
    return tmp_path / "kept"


def rehearse(kept: Path, *words: object) -> None:
    place = kept.parent / "place"
    place.mkdir(exist_ok=True)
    try:
        call_command("rehearse_restore", kept, "--place", place, *words)
    finally:
        assert [*place.iterdir()] == []
    assert databases() == []


def databases() -> list[str]:
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'bindery_rehearsal%'")
        return [name for (name,) in cursor.fetchall()]


def test_good_backup_passes_and_leaves_the_portal_unchanged(kept, tmp_path, capsys):
    rehearse(kept, "--keys", tmp_path / "safe")
    said = capsys.readouterr().out
    assert "with 1 people" in said
    assert "pages show people what they had" in said
    assert "Start the portal" not in said
    assert (tmp_path / "data" / "homes" / "ada" / "notes.txt").exists()


def test_values_that_the_keys_cannot_open_are_found(kept, settings):
    assert [*rehearsal.find_unreadable_columns()] == []
    settings.PORTAL_ENCRYPTION_KEYS = ["another" * 8]
    found = [*rehearsal.find_unreadable_columns()]
    assert len(found) == 2  # her key pair, and the token of her notebook
    assert "1 cannot be decrypted with this encryption key" in found[0]


def test_failed_rehearsal_is_reported_and_leaves_nothing(kept):
    (kept / "manifest.json").unlink()
    with pytest.raises(CommandError, match="The portal is unchanged"):
        rehearse(kept)


def test_rehearsal_environment_has_no_outside_services(tmp_path):
    outside = {
        "REDIS_URL": "x", "PORTAL_EMAIL_URL_FILE": "x", "OIDC_ISSUER": "x", "DATABASE_URL": "x",
        "PORTAL_BACKEND": "kubernetes", "PORTAL_SECRET_KEY": "s", "PATH": "/bin",
    }  # fmt: skip
    assert isolated_environment(outside, tmp_path, "") == {
        "PORTAL_SECRET_KEY": "s", "PATH": "/bin", "PORTAL_DATA": str(tmp_path),
        "PORTAL_BACKEND": "local",
    }  # fmt: skip
