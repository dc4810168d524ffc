"""The disk of the whole portal is full: it says so, serves what it can, and recovers by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests import scratch
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import PASSWORD, Api, Stack, eventually, started
from tests.tightdisk import TightDisk, tight_disk

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("a portal of its own, whose disk is filled twice", seconds=300),
]

MEGABYTES = 3000
SHORTEN = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    print(cursor.fetchone()[0])
"""
SLOW = """#!/bin/bash
for tick in $(seq 10000); do echo "tick $tick"; sleep 0.05; done
"""


class Tight(NamedTuple):
    stack: Stack
    disk: TightDisk


@pytest.fixture(scope="module")
def tight(warm_data: Path, git_server: GitServer) -> Iterator[Tight]:
    """A portal whose data folder, database included, is on a disk that can be filled."""
    mount = scratch.folder() / "disk"
    mount.mkdir()
    with tight_disk(mount, MEGABYTES) as disk:
        small = Stack(
            data=mount / "data", inside=disk.inside, PORTAL_TRUSTED_GIT_HOSTS=git_server.host
        )
        small.warm_up(warm_data)
        with started(small):
            small.account("ada")
            yield Tight(small, disk)


def fill(tight: Tight) -> None:
    """Leave no room, not even what the database has reserved: its log, which it overwrites.

    The log is shortened by copying it into the database, which takes room, so that there is some
    before.
    """
    tight.disk.make_room()
    eventually(lambda: tight.stack.manage("shell", "-c", SHORTEN).endswith("0"), what="a short log")
    tight.disk.fill()


def browser(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.url, follow_redirects=True, timeout=60)


def send(client: httpx.Client, page: str, to: str, **fields: str) -> httpx.Response:
    """Submit the form of a page."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(page).text)
    assert token
    return client.post(to, data={"csrfmiddlewaretoken": token[1], **fields})


def sign_in(client: httpx.Client) -> httpx.Response:
    return send(client, "/sign-in/", "/sign-in/", username="ada", password=PASSWORD)


def ticks(api: Api, name: str) -> list[int]:
    found = re.findall(r"^tick (\d+)$", "\n".join(api.log(name)), re.MULTILINE)
    return [int(tick) for tick in found]


def test_a_portal_reports_and_survives_a_full_disk(tight: Tight, git_server: GitServer) -> None:
    stack, disk = tight
    url = git_server.repository("ada/plain", {"index.ipynb": "{}"})
    slow = git_server.repository("ada/endless", {"postBuild": SLOW}, executable=["postBuild"])
    with stack.api("ada") as ada, browser(stack) as home, browser(stack) as stranger:
        assert sign_in(home).status_code == 200
        stranger.get("/sign-in/")
        running = ada.launch(url)
        ada.until(running, "ready")
        parts = {name: stack.part(name) for name in ("web", "worker", "watch")}
        with Kernel(ada, running) as kernel:
            assert kernel.run("answer = 42; print('noted')") == "noted\n"

            building = ada.launch(slow)
            eventually(lambda: ticks(ada, building), within=90, what="the first line")
            fill(tight)
            ended = ada.until(building, "failed")
            assert ended["code"] == "build.out-of-space"
            said = ticks(ada, building)
            assert said == list(range(1, len(said) + 1))
            eventually(lambda: not grown(tight), what="the end of what was half built")

            fill(tight)
            while disk.free():
                disk.fill()
            assert home.get("/").status_code == 200
            assert home.get(f"/projects/{running}/").status_code == 200
            assert ada.project(running)["state"] == "ready"
            assert kernel.run("print(answer)") == "42\n"
            refused = [send(home, "/", "/launch/", repository=url), sign_in(stranger)]
            assert [page.status_code for page in refused] == [503, 503]
            assert all("disk is full" in page.text for page in refused)
            answer = ada.http.post("projects/", json={"repository": url})
            assert (answer.status_code, answer.json()["code"]) == (503, "disk.full")
            health = httpx.get(f"{stack.url}/health", timeout=30)
            assert health.status_code == 503
            assert health.json()["checks"]["database"] == "its disk is full"

            disk.make_room()
            eventually(stack.is_healthy, within=90, what="a healthy portal")
            assert sign_in(stranger).status_code == 200
            again = ada.launch(url)
            ada.until(again, "ready")
            assert kernel.run("print(answer)") == "42\n"
            assert {name: stack.part(name) for name in parts} == parts


def grown(tight: Tight) -> list[Path]:
    """Return the folders of builds that were begun and not finished."""
    return list((tight.disk.seen / "data" / "environments").glob("*.partial"))
