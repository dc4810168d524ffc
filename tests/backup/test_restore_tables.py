"""Restore a database whose schema is another version's, beside tables of others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from portal.backup import postgresql
from portal.models import User
from tests.scripted import ScriptedBackend

pytestmark = pytest.mark.django_db(transaction=True)
POSTGRESQL = connection.vendor == "postgresql"
"""Whether the tests run on PostgreSQL; an SQLite file belongs to the portal alone and is replaced
as a whole."""

NEWER = """
CREATE TABLE quotas_future (id integer PRIMARY KEY, project_id integer NULL);
CREATE TABLE portal_user_badges (id integer PRIMARY KEY);
CREATE INDEX future_by_project ON quotas_future (project_id);
INSERT INTO quotas_future (id) VALUES (7);
"""
"""Statements that a newer version's migration runs."""
STRANGERS = """
CREATE TABLE invoices (id integer PRIMARY KEY);
CREATE TABLE auth_group_of_another (id integer PRIMARY KEY);
INSERT INTO invoices VALUES (1);
"""


def run(script: str) -> None:
    with connection.cursor() as cursor:
        for statement in filter(str.strip, script.split(";")):
            cursor.execute(statement)


def value(query: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


@pytest.fixture(autouse=True)
def database(settings, tmp_path: Path, backend: ScriptedBackend) -> Iterator[None]:
    """A database of this test's own; what it makes is removed afterwards."""
    settings.PORTAL_DATA = tmp_path / "data"
    (tmp_path / "data").mkdir()
    yield
    if POSTGRESQL:
        with connection.cursor() as cursor:
            cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_restore_%'")
            for (schema,) in cursor.fetchall():
                cursor.execute(f'DROP SCHEMA "{schema}" CASCADE')
    run("DROP VIEW IF EXISTS report; DROP TABLE IF EXISTS orders")
    names = ["quotas_future", "portal_user_badges", "invoices", "auth_group_of_another"]
    run(";".join(f"DROP TABLE IF EXISTS {name}" for name in names))
    MigrationRecorder.Migration.objects.filter(name="9999_future").delete()


def of_newer_version() -> None:
    run(NEWER)
    MigrationRecorder(connection).record_applied("quotas", "9999_future")


@pytest.fixture
def kept(tmp_path: Path, ada: User) -> Path:
    call_command("back_up", tmp_path / "kept")
    return tmp_path / "kept"


def test_older_backup_is_restored_over_a_newer_schema(kept):
    of_newer_version()
    call_command("restore", kept, "--force")
    assert ("quotas", "9999_future") not in MigrationRecorder(connection).applied_migrations()
    of_newer_version()  # no table or index of that name is there already
    assert User.objects.get().username == "ada"


def test_tables_of_a_newer_version_are_moved_aside_and_named(kept, capsys):
    of_newer_version()
    call_command("restore", kept, "--force")
    said = capsys.readouterr().out
    assert ("portal_user_badges, quotas_future" in said) == POSTGRESQL
    if POSTGRESQL:
        schema = value("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_restore_%'")
        assert value(f'SELECT id FROM "{schema}".quotas_future') == 7


def test_restore_succeeds_over_tables_left_by_a_newer_version(kept):
    """As `restore` did before: its migrations were gone, and its tables stayed."""
    run(NEWER)
    call_command("restore", kept, "--force")
    call_command("restore", kept, "--force")
    run(NEWER)


def test_foreign_tables_are_left_alone(kept):
    run(STRANGERS)
    call_command("restore", kept, "--force")
    if POSTGRESQL:
        assert value("SELECT id FROM invoices") == 1
        assert value("SELECT COUNT(*) FROM auth_group_of_another") == 0


def test_foreign_tables_are_not_backed_up(tmp_path, ada):
    run(STRANGERS)
    call_command("back_up", tmp_path / "kept")
    run("INSERT INTO invoices VALUES (2)")
    call_command("restore", tmp_path / "kept", "--force")
    if POSTGRESQL:
        assert value("SELECT COUNT(*) FROM invoices") == 2


@pytest.mark.parametrize(
    "script",
    [
        "CREATE VIEW report AS SELECT username FROM portal_user",
        "CREATE TABLE orders (id integer PRIMARY KEY, owner bigint REFERENCES portal_user (id))",
    ],
)
def test_foreign_objects_on_portal_tables_are_named_before_any_change(kept, ada, script):
    run(script)
    User.objects.update(email="later@example.org")
    if POSTGRESQL:
        with pytest.raises(CommandError, match=r"report|orders"):
            call_command("restore", kept, "--force")
        assert User.objects.get().email == "later@example.org"


def test_failed_load_leaves_the_database_unchanged(kept, ada, bob, tmp_path, monkeypatch):
    """Whatever ends it in the middle: all of it is one transaction, or one renaming."""
    if POSTGRESQL:
        program = tmp_path / "bin" / "pg_restore"
        program.parent.mkdir()
        real = shutil.which("pg_restore")
        last = 'case "$*" in *post-data*) echo broken >&2; exit 1;; esac'
        program.write_text(f'#!/bin/sh\n{last}\nexec {real} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        with pytest.raises(CommandError, match="broken"):
            call_command("restore", kept, "--force")
        assert User.objects.count() == 2
        monkeypatch.undo()
    call_command("restore", kept, "--force")
    assert User.objects.count() == 1


def test_missing_rows_are_noticed_after_the_load(kept, tmp_path):
    text = (kept / "manifest.json").read_text()
    (kept / "manifest.json").write_text(text.replace('"portal_user": 1', '"portal_user": 2'))
    with pytest.raises(CommandError, match="do not have as many rows as the backup: portal_user"):
        call_command("restore", kept, "--force")
    (kept / "manifest.json").write_text(text)
    call_command("restore", kept)  # half of one is there: no --force is needed
    assert User.objects.count() == 1


def test_every_table_of_this_version_is_known():
    names = set(connection.introspection.table_names())
    assert names <= postgresql.known_table_names() | {"sqlite_sequence"}


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("portal_badge", True), ("notebook_sessions_x", True), ("quotas_x", True), ("keys_x", True),
        ("reports_page", True), ("reports_page_readers", True),
        ("reports_pages", False), ("reports", False), ("invoices", False), ("auth_user_old", False),
        ("keyset", False), ("portals_x", False), ("my_portal_x", False), ("django_other", False),
    ],
)  # fmt: skip
def test_tables_of_other_versions_are_recognized_by_name(name, ours):
    assert postgresql.may_be_ours(name, {"reports_page"}) == ours


def test_quotes_in_names_are_escaped():
    assert postgresql.quote('a"b') == '"a""b"'
