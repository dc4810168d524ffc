"""Who may learn the contents of a commit without asking the repository's server again."""

from __future__ import annotations

import pytest

from portal.models import User
from sessions.lifecycle.admission import Contents, stored_contents
from sessions.models import Build, Project

pytestmark = pytest.mark.django_db

PUBLIC, PRIVATE = "https://git.example.org/ada/x.git", "ssh://git@git.example.org/ada/x.git"
HERE, ELSEWHERE = "a" * 40, "b" * 40


def project_at(owner: User, url: str = PUBLIC, **more: str) -> Project:
    return Project.objects.create(owner=owner, name=f"{owner}-x", provider="git", url=url, **more)


def built(commit: str = HERE, resources: str | None = "gpu=1", **more: object) -> Build:
    fields = {"url": PUBLIC, "image": "i", "state": "built", "content": "files"}
    return Build.objects.create(**{**fields, "commit": commit, "resources": resources, **more})


def test_a_project_stores_the_contents_of_its_own_commit_only(ada):
    project = project_at(ada, commit=HERE, resources="cpur=2", content="mine")
    assert stored_contents(project, HERE) == Contents("cpur=2", "mine")
    assert stored_contents(project, ELSEWHERE) is None
    assert stored_contents(project, "") is None


def test_a_project_that_was_never_read_has_no_stored_contents(ada):
    assert stored_contents(project_at(ada, commit=HERE), HERE) is None


def test_empty_contents_are_stored_too(ada):
    project = project_at(ada, commit=HERE, resources="")
    assert stored_contents(project, HERE) == Contents("", "")


def test_the_newest_build_with_contents_is_used(ada):
    built(resources="gpu=2")
    built()
    built(resources=None)
    built(ELSEWHERE, "gpu=3")
    built(url="https://git.example.org/bob/x.git", resources="gpu=4")
    assert stored_contents(project_at(ada, commit=ELSEWHERE), HERE) == Contents("gpu=1", "files")


def test_only_ones_own_builds_of_a_private_repository_are_used(ada, bob):
    built(url=PRIVATE, owner=ada)
    built(url=PRIVATE)  # from before builds had owners
    assert stored_contents(project_at(ada, PRIVATE), HERE) == Contents("gpu=1", "files")
    assert stored_contents(project_at(bob, PRIVATE), HERE) is None
