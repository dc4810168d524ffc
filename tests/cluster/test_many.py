"""Many launches at once: everything in the cluster has its row, and every row its object."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.cluster.kube import Kube
from tests.githttp import GitServer
from tests.stack import Api, Stack, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.stack,
    pytest.mark.slow("many builds and notebooks of a cluster", seconds=1200),
]

SEED = 20261124
WITHIN = 400

COUNT = """
from sessions.models import Build
print(Build.objects.filter(url__contains='/many-{}/').count())
"""


@pytest.fixture(
    params=[(4, 1), (6, 5)],
    ids=lambda crowd: f"{crowd[0]} people with {crowd[1]} projects",
)
def crowd(request: pytest.FixtureRequest) -> tuple[int, int]:
    """How many people, and how many projects each; nobody may have more than five."""
    found: tuple[int, int] = request.param
    return found


@pytest.fixture
def people(stack: Stack, crowd: tuple[int, int]) -> Iterator[list[Api]]:
    with ExitStack() as open_:
        apis = []
        for name in names_of(crowd):
            stack.account(name)
            apis.append(open_.enter_context(stack.api(name)))
        yield apis
        for api in apis:
            for project in api.http.get("projects/").json():
                api.delete(project["name"])


def test_many_launches_build_each_repository_once_and_leave_nothing(
    stack: Stack,
    git: GitServer,
    people: list[Api],
    portal_kube: Kube,
    crowd: tuple[int, int],
) -> None:
    each = crowd[1]
    of_one = {number: {"index.ipynb": "{}", "n": f"{number} of {each}"} for number in range(each)}
    urls = [git.repository(f"many-{each}/{n}", files) for n, files in of_one.items()]
    wishes = [(api, url) for api in people[:-2] for url in urls]
    with ThreadPoolExecutor(len(wishes)) as pool:
        names = list(pool.map(lambda wish: (wish[0].launch(wish[1]), wish[0]), wishes))
    for name, api in names:
        api.until(name, "ready", within=WITHIN)
    assert stack.manage("shell", "-v0", "-c", COUNT.format(each)) == str(each)
    assert running(portal_kube) == {name for name, _api in names}

    names += [(api.launch(url), api) for api in people[-2:] for url in urls]
    left = stirred(dict(names))
    for name, api in left.items():
        api.until(name, "ready", "stopped", within=WITHIN)
    ready = {name for name, api in left.items() if api.project(name)["state"] == "ready"}
    had = people[:-2] + [left[name] for name in ready]
    eventually(lambda: running(portal_kube) == ready, within=120, what="just what has a row")

    for name, api in left.items():
        api.delete(name)
    eventually(lambda: nothing_but_claims(portal_kube), within=180, what="an empty namespace")
    owners = dict(zip(people, names_of(crowd), strict=True))
    assert {f"{owners[api]}-nfs-pvc" for api in had} <= portal_kube.names()["claims"]


def names_of(crowd: tuple[int, int]) -> list[str]:
    people, each = crowd
    return [f"person-{each}-{number}" for number in range(people)]


def stirred(projects: dict[str, Api]) -> dict[str, Api]:
    """Start, stop and delete them at random, faster than the portal can follow; return those that
    are left.
    """
    order = random.Random(SEED)
    left = dict(projects)
    for _round in range(3):
        for name in order.sample(sorted(left), len(left) // 2):
            if act(order, left[name], name) == "delete":
                del left[name]
    return left


def act(order: random.Random, api: Api, name: str) -> str:
    """Do something that fits the state or does not (a conflict is an answer, too) and return
    what.
    """
    verb = order.choice(["start", "stop", "stop", "delete"])
    if verb == "delete":
        api.delete(name)
    else:
        assert api.http.post(f"projects/{name}/{verb}/").status_code in {202, 409}
    return verb


def nothing_but_claims(kube: Kube) -> bool:
    names = kube.names()
    return not names["pods"] and not names["secrets"]


def running(kube: Kube) -> set[str]:
    """Return the projects that have both a pod and a Secret, or a note that the two differ."""
    names = kube.names()
    servers = {name for name in names["pods"] if not name.startswith("build-")}
    runs = {name for name in names["secrets"] if not name.endswith("-ssh-key")}
    if servers != runs:
        return {"pods and secrets differ"}
    return {name.rpartition("-")[0] for name in servers}
