"""Dump and load the portal's tables in a PostgreSQL database with PostgreSQL's own programs.

Tables of others in the same database are neither dumped nor touched. A dump is loaded in one
transaction that also drops the old tables: whatever happens, the database is either old or new.
`database` calls this module.

A table that any migration of this code has ever made is the portal's. An unknown table may belong
to a newer version, and block its migrations, if its name begins with one of the portal's own apps,
or with a model that the database lists for an app that this code lacks. It may also be a
stranger's, so it is never removed, only moved. All other tables are strangers' and stay.

Only PostgreSQL is checked: an SQLite file belongs to the portal alone.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from django.apps import apps
from django.db import connection, transaction
from django.db.backends.postgresql.client import DatabaseClient
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ModelState, ProjectState

from portal.backup.programs import (
    ProcessResult,
    output_tail,
    program_failed,
    program_missing,
    run,
    untranslated_environment,
)

OWN_LABELS = ("portal", "notebook_sessions", "quotas", "keys")
CONTENT_TYPES = "django_content_type"
_MODELS = f"SELECT app_label, model FROM {CONTENT_TYPES}"  # noqa: S608  our own name

_TABLES = """
    SELECT c.relname, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema()
      AND pg_has_role(c.relowner, 'USAGE') ORDER BY 1
"""
_DEPENDENTS = """
    SELECT DISTINCT r.ev_class::regclass::text FROM pg_depend d
      JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%(ours)s::regclass[])
      AND r.ev_class <> d.refobjid
    UNION SELECT conrelid::regclass::text FROM pg_constraint
    WHERE contype = 'f' AND confrelid = ANY(%(ours)s::regclass[])
      AND NOT conrelid = ANY(%(all)s::regclass[])
    ORDER BY 1
"""


@dataclass(frozen=True)
class Tables:
    """Tables in the database, all in ``schema``.

    This code knows those in ``known``; those in ``unknown`` may belong to another version.
    """

    schema: str
    known: list[str]
    unknown: list[str]

    def quoted(self, names: Collection[str]) -> list[str]:
        """Return the names quoted for SQL, with their schema."""
        return [f"{quote(self.schema)}.{quote(name)}" for name in names]


def quote(name: str) -> str:
    """Return an identifier quoted for PostgreSQL, whatever it contains."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def installed_tables() -> Tables:
    """Return the tables in this portal's PostgreSQL database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        (schema,) = cursor.fetchone()
        cursor.execute(_TABLES)
        names = [name for name, _schema in cursor.fetchall()]
    known = known_table_names()
    others = _models_of_other_apps(names)
    unknown = [name for name in names if name not in known and may_be_ours(name, others)]
    return Tables(schema, [name for name in names if name in known], unknown)


def dependents_of(tables: Tables) -> list[str]:
    """Return the views and tables of others that depend on the portal's."""
    ours = tables.quoted(tables.known)
    everything = ours + tables.quoted(tables.unknown)
    with connection.cursor() as cursor:
        cursor.execute(_DEPENDENTS, {"ours": ours, "all": everything})
        return [name for (name,) in cursor.fetchall()]


def known_table_names() -> set[str]:
    """Return the names of all tables that this code's migrations make or have ever made."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    state, names = ProjectState(), {MigrationRecorder.Migration._meta.db_table}
    for key in _in_order(loader):
        state = loader.graph.nodes[key].mutate_state(state, preserve=False)
        names.update(*(_tables(model) for model in state.models.values()))
    for model in apps.get_models(include_auto_created=True):
        names.add(model._meta.db_table)
    return names


def _in_order(loader: MigrationLoader) -> Iterator[tuple[str, str]]:
    done: set[tuple[str, str]] = set()
    for leaf in loader.graph.leaf_nodes():
        for key in loader.graph.forwards_plan(leaf):
            if key not in done:
                done.add(key)
                yield key


def _tables(model: ModelState) -> set[str]:
    table = str(model.options.get("db_table") or f"{model.app_label}_{model.name_lower}")
    many = {
        getattr(field, "db_table", None) or f"{table}_{name}"
        for name, field in model.fields.items()
        if field.many_to_many
    }
    return {table, *many}


def may_be_ours(name: str, others: Collection[str]) -> bool:
    """Return whether a table that this code does not know may belong to another version of it.

    It may if it is of one of the portal's own apps, of a model in ``others``, or a relation of such
    a model.
    """
    starts = (*(f"{label}_" for label in OWN_LABELS), *(f"{model}_" for model in others))
    return name in others or name.startswith(starts)


def _models_of_other_apps(names: Collection[str]) -> set[str]:
    """Return the tables of models that the database lists for apps that this code lacks."""
    if CONTENT_TYPES not in names:
        return set()
    known = {config.label for config in apps.get_app_configs()}
    with connection.cursor() as cursor:
        cursor.execute(_MODELS)
        return {f"{label}_{model}" for label, model in cursor.fetchall() if label not in known}


_COUNT = "SELECT COUNT(*) FROM {}"
_PORTABLE_OPTIONS = ["--no-owner", "--no-privileges"]
_TRIGRAM_OPERATORS = b"gin_trgm_ops"
"""Occurs in the definitions of the indexes of `portal.lib.db`."""
_NEW_SETTING = b"SET transaction_timeout"
"""Programs of PostgreSQL 17 and newer send this to older servers, too, which do not know it."""
_PIECE = 1 << 20


def dump(target: Path) -> dict[str, int]:
    """Dump the portal's tables, and return the number of rows per table in the dump."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        found = installed_tables()
        rows = _count_rows(found)
        wanted = [f"--table={name}" for name in found.quoted([*found.known, *found.unknown])]
        words = ["--format=custom", *_PORTABLE_OPTIONS, *wanted, f"--snapshot={snapshot}"]
        where, environment = _connection_arguments()
        run(
            ["pg_dump", *where[:-1], *words, f"--file={target}", where[-1]], environment=environment
        )
    run(["pg_restore", "--file=/dev/null", str(target)])  # reads and unpacks all of it
    return rows


def load(source: Path, aside: str) -> list[str]:
    """Load a dump in place of the portal's tables; see `portal.backup.database.load`."""
    found = installed_tables()
    with_search = _has_trigram_extension()
    connection.close()
    with _psql() as write:
        write(b"BEGIN;\nSET client_min_messages = warning; SET lock_timeout = '60s';\n")
        for statement in _clearing_statements(found, aside):
            write(statement.encode() + b";\n")
        for section in ("pre-data", "data", "post-data"):
            for piece in _script(source, section, with_search=with_search):
                write(piece)
        write(b"\nCOMMIT;\n")
    return found.unknown


def count_rows() -> dict[str, int]:
    """Return the current number of rows in each of the portal's tables."""
    return _count_rows(installed_tables())


def _count_rows(found: Tables) -> dict[str, int]:
    rows = {}
    with connection.cursor() as cursor:
        for name, quoted in zip(found.known, found.quoted(found.known), strict=True):
            cursor.execute(_COUNT.format(quoted))
            (rows[name],) = cursor.fetchone()
    return rows


def _clearing_statements(found: Tables, aside: str) -> Iterator[str]:
    """Yield the statements that remove the old tables."""
    if found.unknown:
        yield f"CREATE SCHEMA IF NOT EXISTS {quote(aside)}"
    for name in found.quoted(found.unknown):
        yield f"ALTER TABLE {name} SET SCHEMA {quote(aside)}"
    if found.known:
        yield f"DROP TABLE {', '.join(found.quoted(found.known))} CASCADE"


def _has_trigram_extension() -> bool:
    """Return whether the database has the extension for `portal.lib.db`; create it if possible."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM pg_extension WHERE extname = 'pg_trgm'")
        if cursor.fetchone()[0]:
            return True
        cursor.execute(
            "SELECT COUNT(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"
            " AND has_database_privilege(current_database(), 'CREATE')"
        )
        if not cursor.fetchone()[0]:
            return False
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        return True


def _script(source: Path, section: str, *, with_search: bool) -> Iterator[bytes]:
    """Yield the SQL of one section of a dump. Raises `BackupError` if it cannot be read."""
    words = ["pg_restore", *_PORTABLE_OPTIONS, f"--section={section}", "--file=-", str(source)]
    with tempfile.TemporaryFile() as errors:
        try:
            reading = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=errors, env=untranslated_environment()
            )
        except FileNotFoundError:
            raise program_missing("pg_restore") from None
        with reading, cast(IO[bytes], reading.stdout) as script:
            yield from _settings(script)
            if section == "data":
                while piece := script.read(_PIECE):
                    yield piece
            else:
                yield from _definitions(script, with_search=with_search)
        if reading.returncode:
            raise program_failed(
                "pg_restore", ProcessResult(reading.returncode, output_tail(errors))
            )


def _settings(script: IO[bytes]) -> Iterator[bytes]:
    """Yield the first lines of a script, without those that an older server cannot read."""
    for line in script:
        if not line.startswith(_NEW_SETTING):
            yield line
        if line.startswith(b"SET row_security"):
            return


def _definitions(script: IO[bytes], *, with_search: bool) -> Iterator[bytes]:
    for line in script:
        is_search = _TRIGRAM_OPERATORS in line and not with_search
        if not is_search and not line.startswith(b"COMMENT ON EXTENSION"):  # only its owner may
            yield line


@contextmanager
def _psql() -> Iterator[Callable[[bytes], object]]:
    """Yield a function that sends SQL to ``psql``, which has run all of it after the block.

    Raises `BackupError` if it failed; if the block fails, ``psql`` is killed in the middle.
    """
    where, environment = _connection_arguments()
    words = ["psql", *where, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors,
                env=untranslated_environment(environment),
            )  # fmt: skip
        except FileNotFoundError:
            raise program_missing("psql") from None
        script = cast(IO[bytes], process.stdin)
        try:
            with suppress(BrokenPipeError):  # psql has said why
                yield script.write
                script.flush()
        except BaseException:
            process.kill()  # closing its input could make it take the script for complete
            raise
        finally:
            with suppress(BrokenPipeError):
                script.close()
            process.wait()
        if process.returncode:
            raise program_failed("psql", ProcessResult(process.returncode, output_tail(errors)))


def _connection_arguments() -> tuple[list[str], dict[str, str]]:
    """Return the arguments that lead a program to the database, its name last, and the variables.

    The password is a variable, never an argument.
    """
    (_program, *where), environment = DatabaseClient.settings_to_cmd_args_env(
        connection.settings_dict, []
    )
    return where, environment or {}
