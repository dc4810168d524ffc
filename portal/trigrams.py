"""PostgreSQL's index for a search by a part of a word, as a step of a migration.

It needs the extension pg_trgm, which a database's owner may create since PostgreSQL 13, where the
server has it. Elsewhere the step does nothing, and such a search reads all rows: on SQLite in
silence, on PostgreSQL with a warning.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

log = logging.getLogger(__name__)


def index(name: str, table: str, *columns: str) -> migrations.RunPython:
    """For ``icontains`` and ``istartswith`` on these columns, as Django writes them."""

    def make(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor != "postgresql":
            return
        parts = ", ".join(f'UPPER("{column}"::text) gin_trgm_ops' for column in columns)
        try:
            with transaction.atomic(editor.connection.alias):
                editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
                editor.execute(f'CREATE INDEX "{name}" ON "{table}" USING gin ({parts})')
        except DatabaseError as error:
            log.warning(
                "There is no index %s, so that searches take longer the more rows there are: the "
                "database has no extension pg_trgm (%s). docs/configure.md says how to add both.",
                name,
                str(error).strip(),
            )

    def drop(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(f'DROP INDEX IF EXISTS "{name}"')

    return migrations.RunPython(make, drop)
