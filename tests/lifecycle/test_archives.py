"""Bans of an archive hold under each of its names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sessions import lifecycle, tasks
from sessions.errors import UserError
from sessions.models import RepositoryRule
from tests.replica import Replica

pytestmark = [pytest.mark.servers, pytest.mark.django_db]

PAGE = "https://zenodo.org/records/42"
DOI = "10.5281/zenodo.42"


@pytest.fixture
def replica(settings) -> Iterator[Replica]:
    with Replica() as replica:
        settings.PORTAL_ARCHIVE_HOSTS = replica.hosts
        replica.zenodo("42", {"index.ipynb": "{}"}, newest_of="41")
        yield replica


def test_a_banned_page_is_refused_at_once(ada, backend, replica):
    RepositoryRule.objects.create(pattern="zenodo.org/records/42")
    with pytest.raises(UserError) as refused:
        lifecycle.launch(ada, PAGE)
    assert refused.value.code == "launch.repository-banned"
    assert replica.asked == []


@pytest.mark.parametrize(
    "text",
    [DOI, f"{PAGE}/files/index.ipynb?download=1", "https://zenodo.org/record/42",
     "https://zenodo.org/doi/10.5281/zenodo.41"],
)  # fmt: skip
def test_another_name_of_a_banned_page_is_refused_once_it_is_resolved(
    ada, backend, replica, text: str
):
    RepositoryRule.objects.create(pattern="zenodo.org/records/42")
    project = lifecycle.launch(ada, text)
    tasks.prepare(project.current.pk)
    project.refresh_from_db()
    assert (project.current.state, project.current.code) == ("failed", "launch.repository-banned")


def test_where_archives_alone_are_allowed_a_doi_of_one_is_launched(ada, backend, replica):
    RepositoryRule.objects.create(pattern="zenodo.org/*", kind="allow")
    RepositoryRule.objects.create(pattern="doi.org/10.5281/*", kind="allow")
    project = lifecycle.launch(ada, DOI)
    tasks.prepare(project.current.pk)
    project.refresh_from_db()
    assert (project.url, project.commit) == (PAGE, "42")
