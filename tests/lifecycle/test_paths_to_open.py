"""A launch link opens a file of that very name, else the one that its escapes mean."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from sessions import lifecycle, tasks
from tests.githttp import GitServer

pytestmark = [pytest.mark.servers, pytest.mark.django_db]

FILES = {"has%20space.ipynb": "{}", "has space.ipynb": "{}", "just a blank.ipynb": "{}"}


def opened(git: GitServer, user, query: str) -> str:
    git.repository("ada/files", FILES)
    link = f"/v2/git/{quote(git.url('ada/files'), safe='')}/HEAD?{query}"
    project = lifecycle.launch(user, link)
    tasks.prepare(project.current.pk)
    project.refresh_from_db()
    assert project.commit
    return project.path


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("labpath=has%2520space.ipynb", "has%20space.ipynb"),
        ("labpath=just%2Ba%2Bblank.ipynb", "just a blank.ipynb"),
        ("labpath=none%2520such", "none%20such"),
    ],
)
def test_a_file_of_that_very_name_wins_else_the_decoded_one(ada, backend, git, query, path):
    assert opened(git, ada, query) == path
