"""Previews: of which file, made once for all who wait, and never in the way of a launch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from bench.harness.ports import free_port
from keys.keypairs import identity_of
from sessions import lifecycle, retention, tasks
from sessions.models import Preview, Project
from sessions.preview import run
from sessions.states import ProjectState
from tests.githttp import GitServer
from tests.sshd import SshServer

pytestmark = [pytest.mark.servers, pytest.mark.django_db(transaction=True)]

README = {"README.md": "# Flowers\n"}
CELL = {"cell_type": "markdown", "metadata": {}, "source": "# Bees"}
NOTEBOOK = json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [CELL]})


@pytest.fixture
def sshd(settings) -> Iterator[SshServer]:
    with SshServer() as server:
        settings.PORTAL_TRUSTED_GIT_HOSTS = [server.host]
        yield server


def made(worker) -> Preview:
    worker.run()
    return Preview.objects.get()


@pytest.mark.parametrize(
    ("path", "name", "html"),
    [
        ("", "README.md", "<h1>Flowers</h1>"),
        ("a/bees.ipynb", "a/bees.ipynb", "<h1>Bees</h1>"),
        ("a", "a/README.rst", "<pre>Bees</pre>"),
        ("none.ipynb", "README.md", "<h1>Flowers</h1>"),
        ("flower.png", "README.md", "<h1>Flowers</h1>"),
        ("link.md", "README.md", "<h1>Flowers</h1>"),
    ],
)
def test_what_a_launch_opens_is_shown_else_the_readme(
    git: GitServer, ada, backend, worker, path, name, html
):
    files = {"a/bees.ipynb": NOTEBOOK, "a/README.rst": "Bees", "flower.png": "\x89PNG"}
    url = git.repository("ada/flowers", README | files)
    git.symlink("ada/flowers", "link.md", "/etc/passwd")
    lifecycle.launch(ada, url, path=path)
    preview = made(worker)
    assert (preview.name, preview.code) == (name, "")
    assert html in preview.html


def test_without_a_readme_there_is_none(git: GitServer, ada, backend, worker):
    lifecycle.launch(ada, git.repository("ada/without-readme", {"x.py": "1"}))
    preview = made(worker)
    assert (preview.name, preview.html, preview.code) == ("", "", "")


def test_all_who_wait_for_a_commit_share_one_and_a_finished_build_makes_none(
    git: GitServer, ada, bob, backend, worker, bring_up
):
    url = git.repository("ada/flowers", README)
    project = lifecycle.launch(ada, url)
    preview = made(worker)
    lifecycle.launch(bob, url)
    assert made(worker).made == preview.made
    bring_up(project)
    Preview.objects.all().delete()
    lifecycle.launch(bob, url)
    assert "make_preview" not in worker.run()


def test_the_contents_file_is_shown_where_there_is_content(git: GitServer, ada, backend, worker):
    course = git.repository("ada/course", {"a.ipynb": NOTEBOOK})
    lifecycle.launch(ada, git.repository("ada/env", README), content=course, path="a.ipynb")
    preview = made(worker)
    assert (preview.url, preview.commit) == (course, git.commit("ada/course"))
    assert preview.name == "a.ipynb"


def test_a_private_repositorys_preview_is_its_owners_alone(sshd, ada, bob, backend, worker):
    sshd.repository("ada/diary", README)
    for person in (ada, bob):
        sshd.allow(identity_of(person).public, "ada/diary")
        lifecycle.launch(person, sshd.url("ada/diary"))
    worker.run()
    shown = Preview.objects.order_by("pk")
    assert [preview.owner for preview in shown] == [ada, bob]
    assert all("Flowers" in preview.html for preview in shown)
    hers = Project.objects.get(owner=ada)
    assert Preview.objects.of(hers) == shown[0]


def test_a_file_that_cannot_be_shown_is_said_to_be_so_and_the_launch_goes_on(
    git: GitServer, ada, backend, worker, bring_up
):
    files: dict[str, str | bytes] = {"large.ipynb": b" " * 50_000_000, "no.ipynb": "no"}
    url = git.repository("ada/unreadable", files)
    codes = {"large.ipynb": run.TOO_LARGE_CODE, "no.ipynb": run.INVALID_CODE}
    for path, code in codes.items():
        project = lifecycle.launch(ada, url, path=path)
        worker.run()
        preview = Preview.objects.get(path=path)
        assert (preview.name, preview.html, preview.code) == (path, "", code)
    assert bring_up(project).state == ProjectState.READY


def test_a_server_that_is_away_is_asked_again_at_the_next_launch(
    git: GitServer, ada, backend, settings
):
    project = lifecycle.launch(ada, git.repository("ada/flowers", README))
    tasks.prepare(project.current.pk)
    host = f"127.0.0.1:{free_port()}"
    settings.PORTAL_TRUSTED_GIT_HOSTS = [host]
    Preview.objects.update(url=f"http://{host}/ada/flowers.git")
    tasks.make_preview(Preview.objects.get().pk)
    assert not Preview.objects.exists()


def test_one_that_was_lost_is_made_at_the_next_launch(git: GitServer, ada, bob, backend, worker):
    url = git.repository("ada/flowers", README)
    tasks.prepare(lifecycle.launch(ada, url).current.pk)
    worker.lose()
    assert Preview.objects.get().is_pending
    long_ago = timezone.now() - timedelta(minutes=5)
    Preview.objects.update(created=long_ago)
    assert not Preview.objects.get().is_pending
    lifecycle.launch(bob, url)
    assert made(worker).name == "README.md"


def test_a_day_later_it_is_removed(git: GitServer, ada, backend, worker):
    lifecycle.launch(ada, git.repository("ada/flowers", README))
    made(worker)
    retention.tidy()
    assert Preview.objects.exists()
    Preview.objects.update(created=timezone.now() - timedelta(days=1, minutes=1))
    retention.tidy()
    assert not Preview.objects.exists()
