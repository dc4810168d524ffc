"""Searches in the admin's lists, and the PostgreSQL index for them."""

from __future__ import annotations

import pytest
from django.db import connection, migrations

from portal.lib.db import index
from portal.models import User
from sessions.admin.filters import MAX_INLINE_KEYS, rows_in_any
from sessions.models import Project, Session
from sessions.states import ProjectState
from tests.admin.test_notebooks import listed
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

POSTGRESQL = connection.vendor == "postgresql"
"""Whether the tests run on PostgreSQL; SQLite has no such index, and silently goes without."""


@pytest.fixture
def projects(ada, bob, backend) -> dict[str, int]:
    """The rows of projects, by the text in their repository column."""
    names = {"red flowers": ada, "red_trees": ada, "100%": bob, 'so "called"': bob}
    rows = {name: project_in(ProjectState.READY, of, "lab/x").pk for name, of in names.items()}
    for name, row in rows.items():
        Project.objects.filter(pk=row).update(repository=name)
    return rows


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("FLOW", ["red flowers"]),
        ("red ada", ["red flowers", "red_trees"]),
        ("red bob", []),
        ('"red flowers"', ["red flowers"]),
        ("'flowers red'", []),
        ("d_t", ["red_trees"]),
        ("0%", ["100%"]),
        (r"so\ ", []),
        ('"', ['so "called"']),
        ('"so \\"called"', ['so "called"']),
        ("bob", ["100%", 'so "called"']),
    ],
)
def test_each_word_must_match_some_column(projects, vera, words, found):
    assert listed(vera, "project", q=words) == {projects[name] for name in found}
    sessions = Session.objects.filter(project__in=[projects[name] for name in found])
    assert listed(vera, "session", q=words) == {session.pk for session in sessions}


@pytest.mark.parametrize("more", [0, 1])
def test_search_works_with_many_matching_keys(projects, ada, more):
    names = [f"many-{number}" for number in range(MAX_INLINE_KEYS + more)]
    url = "https://git.example.org/many.git"
    Project.objects.bulk_create(Project(owner=ada, name=name, url=url) for name in names)
    many, hers = Project.objects.filter(name__contains="many"), Project.objects.filter(owner=ada)
    without = rows_in_any(Project.objects.exclude(name="many-0"), many)
    assert set(without.values_list("name", flat=True)) == set(names[1:])
    assert rows_in_any(Project.objects.all(), many, hers).count() == len(names) + 2


def test_row_that_matches_twice_is_listed_once(projects, vera, ada):
    User.objects.filter(pk=ada.pk).update(first_name="ada", last_name="ada", email="ada@ada.org")
    assert listed(vera, "project", q="ada") == {projects["red flowers"], projects["red_trees"]}


@pytest.fixture
def other(db):
    """A further index of a table, as a migration would make it."""
    return index("projects_by_ref", Project._meta.db_table, "ref")


def step(operation: migrations.RunPython, code: str) -> None:
    getattr(operation, code)(None, connection.SchemaEditorClass(connection, atomic=False))


def tell(statements: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statements)


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Project._meta.db_table)
    return {name for name, about in found.items() if about["index"]}


def test_searches_use_the_index(projects):
    if POSTGRESQL:
        tell("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    for column in ("name", "repository"):
        asked = Project.objects.filter(**{f"{column}__icontains": "flowers"})
        assert ("projects_by_parts" in asked.explain()) == POSTGRESQL
    by_commit = Project.objects.filter(commit__istartswith="0123456")
    assert ("projects_by_parts" in by_commit.explain()) == POSTGRESQL
    people = User.objects.filter(username__icontains="person")
    assert ("people_by_parts" in people.explain()) == POSTGRESQL


def test_migration_of_the_index_can_be_reversed(other):
    step(other, "code")
    assert ("projects_by_ref" in indexes()) == POSTGRESQL
    step(other, "reverse_code")
    step(other, "reverse_code")
    assert "projects_by_ref" not in indexes()


def test_missing_extension_is_logged_and_skips_the_index(other, caplog):
    if POSTGRESQL:
        tell("DROP EXTENSION pg_trgm CASCADE; CREATE ROLE nobody; SET LOCAL ROLE nobody")
    step(other, "code")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == POSTGRESQL
    assert all("Index projects_by_ref was not created" in each for each in said)
    assert all("permission denied to create extension" in each for each in said)
    if POSTGRESQL:
        tell("RESET ROLE")
    assert "projects_by_ref" not in indexes()
