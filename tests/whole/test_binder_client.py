"""BinderHub's published client, from npm, runs its loop against the whole portal."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.githttp import GitServer
from tests.stack import Api, Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("a build and notebooks", seconds=120),
]

FOLDER = Path(__file__).parent / "client"
ORDER = ["waiting", "fetching", "building", "pushing", "built", "launching", "ready"]
LOG = {"fetching", "building", "pushing"}


def run(stack: Stack, spec: str, until: str = "ready", **options: Any) -> list[dict[str, Any]]:
    """Return the events of the client's loop, which it closes after one in the phase ``until``."""
    assert (FOLDER / "node_modules").is_dir(), "bin/setup test installs the client"
    ask = {"spec": spec, "endpoint": f"{stack.url}/build", "options": options, "until": until}
    node = Path(sys.executable).with_name("node")
    # It never handles that its own loop has ended with an error, which ends node.
    program = [str(node), "--unhandled-rejections=warn", str(FOLDER / "client.js")]
    done = subprocess.run(
        [*program, json.dumps(ask)], capture_output=True, text=True, timeout=90 * stack.patience
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def phases(events: list[dict[str, Any]]) -> list[str]:
    return [phase for phase, _events in groupby(event["phase"] for event in events)]


def spec_of(git: GitServer) -> str:
    url = git.repository("ada/for-programs", {"index.ipynb": "{}"})
    return f"git/{quote(url, safe='')}/main"


def status(stack: Stack, url: str, token: str) -> int:
    """Return the status of the notebook's ``/api/status`` for a token, through the gateway."""
    host = url.removeprefix("http://").partition("/")[0]
    headers = {"Host": host, "Authorization": f"token {token}"}
    return httpx.get(f"{stack.url}/api/status", headers=headers, timeout=30).status_code


def test_a_build_alone_gives_an_image_and_starts_no_notebook(
    stack: Stack, git: GitServer, ada: Api
) -> None:
    servers = {each.name for each in (stack.data / "run").glob("server-*")}
    events = run(stack, spec_of(git), apiToken=ada.token, buildOnly=True)
    assert phases(events) == sorted(phases(events), key=ORDER.index)
    *_before, built, ready = events
    assert (built["phase"], ready["phase"]) == ("built", "ready")
    assert ready["imageName"] == built["imageName"]
    assert not {"url", "token"} & ready.keys()
    [project] = ada.http.get("projects/").json()
    assert (project["state"], project["code"]) == ("stopped", "")
    assert "launching" not in [item["phase"] for item in ada.story(project["name"])]
    assert {each.name for each in (stack.data / "run").glob("server-*")} <= servers


def test_a_launch_is_told_in_order_and_its_token_opens_this_notebook_only(
    stack: Stack, git: GitServer, ada: Api
) -> None:
    events = run(stack, spec_of(git), apiToken=ada.token)
    seen = phases(events)
    assert seen == sorted(seen, key=ORDER.index)
    assert seen[0] == "waiting"
    assert seen[-3:] == ["built", "launching", "ready"]
    ready = events[-1]
    assert ready["message"] == f"server running at {ready['url']}\n"
    assert ready["binder_persistent_request"].endswith(git.commit("ada/for-programs"))
    assert status(stack, ready["url"], ready["token"]) == 200
    assert status(stack, ready["url"], f"{ready['token']}x") == 401
    other = ada.launch(git.url("ada/for-programs"))
    address = ada.until(other, "ready")["url"]
    assert status(stack, address, ada.token) == 200
    assert status(stack, address, ready["token"]) == 401
    [again] = [event for event in run(stack, spec_of(git), apiToken=ada.token) if event.get("url")]
    assert again["url"] == ready["url"]
    assert again["token"] != ready["token"]


def test_a_closed_loop_ends_and_leaves_the_launch_alone(
    stack: Stack, git: GitServer, ada: Api
) -> None:
    events = run(stack, spec_of(git), until="waiting", apiToken=ada.token)
    assert phases(events) == ["waiting"]
    [project] = ada.http.get("projects/").json()
    ada.until(project["name"], "ready")


@pytest.mark.parametrize("options", [{"apiToken": "bdy_wrong"}, {}], ids=["a wrong one", "none"])
def test_without_a_valid_token_it_fails_at_once_and_is_not_tried_again(
    stack: Stack, git: GitServer, options: dict[str, str]
) -> None:
    # The client adds an event of its own about how it closed the loop.
    refused, *own = run(stack, spec_of(git), **options)
    assert refused["phase"] == "failed"
    assert "401" in refused["message"]
    assert [event["message"] for event in own] == ["Error in event stream: Error\n"]
