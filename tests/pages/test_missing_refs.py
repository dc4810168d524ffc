"""The page of a launch whose branch does not exist offers those that do."""

from __future__ import annotations

import re
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest

from sessions import lifecycle
from sessions.providers import parse_repository
from tests.githttp import GitServer

pytestmark = [pytest.mark.django_db, pytest.mark.servers, pytest.mark.usefixtures("backend")]


def choices(answer) -> dict[str, str]:
    """Return the refs that the links on the page lead to, by the links' text."""
    found = re.search(r'<ul class="ref-choices">(.*?)</ul>', answer.content.decode(), re.DOTALL)
    links = re.findall(r'<a href="([^"]*)">([^<]*)</a>', found[1] if found else "")
    return {
        text: parse_qs(urlsplit(link.replace("&amp;", "&")).query)["ref"][0] for link, text in links
    }


@pytest.mark.parametrize("ref", ["Feature/X", ""])
def test_branches_and_tags_can_be_chosen(ada, as_ada, git: GitServer, worker, ref):
    name = f"ada/choices{len(ref)}"
    url = git.repository(name, {"a": "1"})
    git.branch(name, "feature/x")
    git.tag(name, "v1")
    if not ref:
        folder = f"--git-dir={git.folder(name)}"
        subprocess.run(["git", folder, "symbolic-ref", "HEAD", "refs/heads/gone"], check=True)
    project = lifecycle.launch(ada, url, ref=ref)
    worker.run()
    answer = as_ada.get(f"/projects/{project.name}/")
    assert choices(answer) == {f"Launch {ref}": ref for ref in ("feature/x", "main", "v1")}
    assert as_ada.get(f"/?repository={url}&ref=feature/x").status_code == 200


def test_a_choice_keeps_where_the_link_leads(ada, git: GitServer, as_ada, worker):
    url = git.repository("ada/places", {"a": "1"})
    project = lifecycle.launch(ada, url, ref="gone", urlpath="rstudio/?a=b")
    worker.run()
    [link] = re.findall(
        r'<a href="([^"]*)">Launch main<', as_ada.get(f"/projects/{project.name}/").content.decode()
    )
    query = parse_qs(urlsplit(link.replace("&amp;", "&")).query)
    found = parse_repository(query["repository"][0])
    assert (found.url, found.ref, found.urlpath) == (url, "main", "rstudio/?a=b")
    assert "opens rstudio/?a=b" in as_ada.get(link.replace("&amp;", "&")).content.decode()


def test_other_failures_offer_nothing(ada, as_ada, git: GitServer, worker):
    project = lifecycle.launch(ada, git.lock("ada/secret"))
    worker.run()
    assert choices(as_ada.get(f"/projects/{project.name}/")) == {}
