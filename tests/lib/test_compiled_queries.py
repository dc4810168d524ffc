"""Prepared queries return the same as those that are composed each time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.models import Token
from portal.lib.db import CompiledQuery, Param
from portal.models import User
from sessions.models import Project

pytestmark = pytest.mark.databases

NAME = Param("name", models.CharField())


def by_name() -> CompiledQuery[User]:
    return CompiledQuery(lambda: User.objects.filter(username=NAME))


def test_each_call_uses_its_own_values(ada, bob) -> None:
    prepared = by_name()
    assert [prepared(name=name) for name in ("ada", "bob", "eve", "ada")] == [
        [ada],
        [bob],
        [],
        [ada],
    ]


def test_compiled_query_sends_the_same_sql_as_django(ada) -> None:
    prepared = by_name()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        prepared(name="ada")
        list(User.objects.filter(username="ada"))
    ours, djangos = [each["sql"].replace("(", "").replace(")", "") for each in asked]
    assert ours == djangos


def test_hostile_values_are_passed_as_parameters(ada) -> None:
    for name in ("' OR 1=1 --", "%s", "%(name)s", "ada'; DROP TABLE portal_user; --", "\\", "%"):
        assert by_name()(name=name) == []
    assert by_name()(name="ada") == [ada]


def test_rows_include_the_selected_relations(ada) -> None:
    Project.objects.create(owner=ada, name="flowers", url="u")
    prepared = CompiledQuery(lambda: Project.objects.filter(name=NAME).select_related("owner"))
    (project,) = prepared(name="flowers")
    with CaptureQueriesContext(connection) as more:
        assert project.owner == ada
        assert project.created.tzinfo
    assert not more.captured_queries


def test_datetimes_are_converted_in_both_directions(ada) -> None:
    token, _secret = Token.objects.issue(ada, "one")
    moment = Param("moment", models.DateTimeField())
    prepared = CompiledQuery(
        lambda: Token.objects.filter(expires__gt=moment).values_list("pk", "expires")
    )
    assert prepared(moment=timezone.now()) == [(token.pk, token.expires)]
    assert token.expires
    assert prepared(moment=token.expires + timedelta(seconds=1)) == []


def test_returned_row_can_be_saved_like_any_other(ada) -> None:
    (person,) = by_name()(name="ada")
    person.email = "countess@example.org"
    person.save()
    person.groups.add(Group.objects.create(name="poets"))
    ada.refresh_from_db()
    assert ada.email == "countess@example.org"
    assert [group.name for group in ada.groups.all()] == ["poets"]


def test_query_with_a_value_that_changes_is_refused(ada) -> None:
    prepared = CompiledQuery(lambda: Token.objects.filter(expires__gt=timezone.now()))
    with pytest.raises(ValueError, match="is different each time it is made"):
        prepared()


def test_missing_parameter_raises_key_error(ada) -> None:
    with pytest.raises(KeyError, match="name"):
        by_name()(nam="ada")


def test_each_thread_gets_its_own_rows(transactional_db) -> None:
    names = [f"person-{number}" for number in range(16)]
    for name in names:
        User.objects.create_user(name)
    prepared = by_name()

    def found(name: str) -> list[str]:
        try:
            return [person.username for person in prepared(name=name)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(found, names * 10)) == [[name] for name in names * 10]
