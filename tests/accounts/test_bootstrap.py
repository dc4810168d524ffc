"""The first account: made once, with a password that only the portal's own user can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal.accounts import bootstrap
from portal.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(settings, tmp_path: Path) -> Path:
    settings.PORTAL_DATA = tmp_path
    settings.PORTAL_ADMIN_PASSWORD = ""
    return tmp_path / "admin-password"


def started() -> str:
    """Return what a start prints about the password."""
    return bootstrap.ensure_admin() or bootstrap.describe_password()


def account() -> User:
    return User.objects.get(username="admin")


def test_first_start_generates_a_password_and_shows_it(kept):
    said = started()
    password = kept.read_text().strip()
    assert password in said
    assert account().check_password(password)
    assert account().is_superuser
    assert kept.stat().st_mode & 0o777 == 0o600


def test_later_start_shows_only_where_the_password_is_stored(kept):
    bootstrap.ensure_admin()
    said = started()
    assert str(kept) in said
    assert kept.read_text().strip() not in said


def test_changed_password_is_no_longer_mentioned(kept):
    bootstrap.ensure_admin()
    admin = account()
    admin.set_password("another one")
    admin.save()
    assert str(kept) not in started()


def test_configured_password_is_used_but_not_shown_or_written_to_disk(kept, settings):
    settings.PORTAL_ADMIN_PASSWORD = "given by the operator"
    for _start in range(2):
        said = started()
        assert "PORTAL_ADMIN_PASSWORD" in said
        assert "given by the operator" not in said
    assert account().check_password("given by the operator")
    assert not kept.exists()


def test_no_admin_account_is_created_when_accounts_exist(kept, ada):
    bootstrap.ensure_admin()
    assert not User.objects.filter(username="admin").exists()
