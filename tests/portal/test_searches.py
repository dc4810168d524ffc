"""Searches in the admin's lists, and the index that PostgreSQL has for them."""

from __future__ import annotations

import pytest
from django.db import connection, migrations

from portal.models import User
from portal.trigrams import index
from sessions.models import Project, Session
from sessions.states import ProjectState
from tests.portal.test_admin_notebooks import listed
from tests.stages import project_in

pytestmark = pytest.mark.django_db

postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="the embedded database has no such index"
)


@pytest.fixture
def projects(ada, bob, backend) -> dict[str, int]:
    """Their rows by what stands in the column of the repository."""
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
def test_each_word_stands_in_some_column(projects, vera, words, found):
    assert listed(vera, "project", q=words) == {projects[name] for name in found}
    sessions = Session.objects.filter(project__in=[projects[name] for name in found])
    assert listed(vera, "session", q=words) == {session.pk for session in sessions}


def test_a_row_that_has_it_twice_is_there_once(projects, vera, ada):
    User.objects.filter(pk=ada.pk).update(first_name="ada", last_name="ada", email="ada@ada.org")
    assert listed(vera, "project", q="ada") == {projects["red flowers"], projects["red_trees"]}


@pytest.fixture
def other(db):
    """A table's further index, as a migration would make it."""
    return index("projects_by_ref", Project._meta.db_table, "ref")


def step(operation: migrations.RunPython, code: str) -> None:
    with connection.schema_editor(atomic=False) as editor:
        getattr(operation, code)(None, editor)


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Project._meta.db_table)
    return {name for name, about in found.items() if about["index"]}


@postgresql
def test_what_a_search_asks_has_its_index(projects):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
    for column in ("name", "repository"):
        asked = Project.objects.filter(**{f"{column}__icontains": "flowers"})
        assert "projects_by_parts" in asked.explain()
    assert "projects_by_parts" in Project.objects.filter(commit__istartswith="0123456").explain()
    assert "people_by_parts" in User.objects.filter(username__icontains="person").explain()


@postgresql
def test_the_index_goes_as_it_came(other):
    step(other, "code")
    assert "projects_by_ref" in indexes()
    step(other, "reverse_code")
    step(other, "reverse_code")
    assert "projects_by_ref" not in indexes()


@postgresql
def test_without_the_extension_it_is_said_and_all_else_goes_on(other, caplog):
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION pg_trgm CASCADE; CREATE ROLE nobody; SET LOCAL ROLE nobody")
    step(other, "code")
    [record] = caplog.records
    assert "no index projects_by_ref" in record.getMessage()
    assert "permission denied to create extension" in record.getMessage()
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
    assert "projects_by_ref" not in indexes()
