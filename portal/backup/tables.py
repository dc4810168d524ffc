"""Tell which tables of a database are the portal's, also those of another version of it.

A table that any migration of this code has ever made is the portal's. An unknown table may belong
to a newer version, and block its migrations, if its name begins with one of the portal's own apps,
or with a model that the database lists for an app that this code lacks. It may also be a
stranger's, so it is never removed, only moved. All other tables are strangers' and stay.

Only PostgreSQL is checked: an SQLite file belongs to the portal alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ModelState, ProjectState

OWN_LABELS = ("portal", "notebook_sessions", "quotas", "keys")
CONTENT_TYPES = "django_content_type"
_MODELS = f"SELECT app_label, model FROM {CONTENT_TYPES}"  # noqa: S608  our own name

_TABLES = """
    SELECT c.relname, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname = current_schema()
      AND pg_has_role(c.relowner, 'USAGE') ORDER BY 1
"""
_USERS = """
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


def found() -> Tables:
    """Return the tables in this portal's PostgreSQL database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        (schema,) = cursor.fetchone()
        cursor.execute(_TABLES)
        names = [name for name, _schema in cursor.fetchall()]
    known = ever_made()
    others = _models_of_other_apps(names)
    unknown = [name for name in names if name not in known and may_be_ours(name, others)]
    return Tables(schema, [name for name in names if name in known], unknown)


def users_of(tables: Tables) -> list[str]:
    """Return the views and tables of others that depend on the portal's."""
    ours = tables.quoted(tables.known)
    everything = ours + tables.quoted(tables.unknown)
    with connection.cursor() as cursor:
        cursor.execute(_USERS, {"ours": ours, "all": everything})
        return [name for (name,) in cursor.fetchall()]


def ever_made() -> set[str]:
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
