"""The portal's tables in a PostgreSQL database, dumped by its programs and brought back.

What others have in the same database is neither dumped nor touched. A dump is put back within one
transaction, in which the old tables go: whatever happens meanwhile, the database is one or the
other.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from django.db import connection, transaction
from django.db.backends.postgresql.client import DatabaseClient

from portal.backup import tables
from portal.backup.programs import Done, failed, last_words, missing, plain, run
from portal.backup.tables import Tables, quote

_COUNT = "SELECT COUNT(*) FROM {}"
_PLAIN = ["--no-owner", "--no-privileges"]
_SEARCH = b"gin_trgm_ops"
"""Stands in the indexes of `portal.lib.db`."""
_NEW_SETTING = b"SET transaction_timeout"
"""Programs of PostgreSQL 17 and newer say it to older servers, too, which do not know it."""
_PIECE = 1 << 20


def dump(target: Path) -> dict[str, int]:
    """Dump the portal's tables, and return how many rows each has in the dump."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        found = tables.found()
        rows = _counted(found)
        wanted = [f"--table={name}" for name in found.quoted([*found.known, *found.unknown])]
        words = ["--format=custom", *_PLAIN, *wanted, f"--snapshot={snapshot}"]
        where, environment = _where()
        run(
            ["pg_dump", *where[:-1], *words, f"--file={target}", where[-1]], environment=environment
        )
    run(["pg_restore", "--file=/dev/null", str(target)])  # reads and unpacks all of it
    return rows


def load(source: Path, aside: str) -> list[str]:
    """Put a dump in the place of the portal's tables; see `portal.backup.database.load`."""
    found = tables.found()
    with_search = _has_search()
    connection.close()
    with _psql() as write:
        write(b"BEGIN;\nSET client_min_messages = warning; SET lock_timeout = '60s';\n")
        for statement in _clearing(found, aside):
            write(statement.encode() + b";\n")
        for section in ("pre-data", "data", "post-data"):
            for piece in _script(source, section, with_search=with_search):
                write(piece)
        write(b"\nCOMMIT;\n")
    return found.unknown


def counted() -> dict[str, int]:
    return _counted(tables.found())


def _counted(found: Tables) -> dict[str, int]:
    rows = {}
    with connection.cursor() as cursor:
        for name, quoted in zip(found.known, found.quoted(found.known), strict=True):
            cursor.execute(_COUNT.format(quoted))
            (rows[name],) = cursor.fetchone()
    return rows


def _clearing(found: Tables, aside: str) -> Iterator[str]:
    """Yield what takes the old tables away."""
    if found.unknown:
        yield f"CREATE SCHEMA IF NOT EXISTS {quote(aside)}"
    for name in found.quoted(found.unknown):
        yield f"ALTER TABLE {name} SET SCHEMA {quote(aside)}"
    if found.known:
        yield f"DROP TABLE {', '.join(found.quoted(found.known))} CASCADE"


def _has_search() -> bool:
    """Whether the database has the extension of `portal.lib.db`, or gets it now."""
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
    """Yield the SQL of a part of a dump. Raises `BackupError` where it cannot be read."""
    words = ["pg_restore", *_PLAIN, f"--section={section}", "--file=-", str(source)]
    with tempfile.TemporaryFile() as said:
        try:
            reading = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said, env=plain())
        except FileNotFoundError:
            raise missing("pg_restore") from None
        with reading, cast(IO[bytes], reading.stdout) as script:
            yield from _settings(script)
            if section == "data":
                while piece := script.read(_PIECE):
                    yield piece
            else:
                yield from _definitions(script, with_search=with_search)
        if reading.returncode:
            raise failed("pg_restore", Done(reading.returncode, last_words(said)))


def _settings(script: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines with which a script begins, but for what an older server cannot read."""
    for line in script:
        if not line.startswith(_NEW_SETTING):
            yield line
        if line.startswith(b"SET row_security"):
            return


def _definitions(script: IO[bytes], *, with_search: bool) -> Iterator[bytes]:
    for line in script:
        is_search = _SEARCH in line and not with_search
        if not is_search and not line.startswith(b"COMMENT ON EXTENSION"):  # its owner's to say
            yield line


@contextmanager
def _psql() -> Iterator[Callable[[bytes], object]]:
    """Yield what hands SQL to ``psql``, which has done all of it after the block.

    Raises `BackupError` where it could not; if the block fails, it is ended in the middle.
    """
    where, environment = _where()
    words = ["psql", *where, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said,
                env=plain(environment),
            )  # fmt: skip
        except FileNotFoundError:
            raise missing("psql") from None
        script = cast(IO[bytes], process.stdin)
        try:
            with suppress(BrokenPipeError):  # it has said why
                yield script.write
                script.flush()
        except BaseException:
            process.kill()  # no end of its input, at which it might think that this was all
            raise
        finally:
            with suppress(BrokenPipeError):
                script.close()
            process.wait()
        if process.returncode:
            raise failed("psql", Done(process.returncode, last_words(said)))


def _where() -> tuple[list[str], dict[str, str]]:
    """Return the words that lead a program to the database, its name last, and the variables with
    which to do so: no password is a word."""
    (_program, *where), environment = DatabaseClient.settings_to_cmd_args_env(
        connection.settings_dict, []
    )
    return where, environment or {}
