"""Private repositories, launched by a whole portal from a real SSH server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.kernel import Kernel
from tests.sshd import SshServer
from tests.stack import Api, Stack

pytestmark = [pytest.mark.stack, pytest.mark.slow("builds of private repositories", seconds=180)]

OWNERS = """
from sessions.models import Build
print(*Build.objects.filter(url='{}').order_by('pk').values_list('owner__username', flat=True))
"""
FILES = {"index.ipynb": "{}", "secret.txt": "kept", "postBuild": "#!/bin/sh\necho told to $USER\n"}


@pytest.fixture
def staff(stack: Stack) -> Iterator[Api]:
    with stack.api() as api:
        yield api


def key(api: Api) -> str:
    """Return the person's public key, which is made if they have launched nothing yet."""
    answer = api.http.get("ssh-key/")
    if answer.status_code == 404:
        answer = api.http.post("ssh-key/rotate/")
    public: str = answer.json()["public_key"]
    return public


def new(server: SshServer) -> tuple[str, str]:
    """Return name and address of a new repository that nobody may read yet."""
    name = f"ada/private-{secrets.token_hex(4)}"
    server.repository(name, FILES)
    return name, server.url(name)


def test_a_private_repository_runs_for_a_person_with_access(
    stack: Stack, ssh_server: SshServer, ada: Api, staff: Api
) -> None:
    name, url = new(ssh_server)
    ssh_server.allow(key(ada), name)
    project = ada.launch(url)
    ada.until(project, "ready")
    with Kernel(ada, project) as kernel:
        assert kernel.run("print(open('secret.txt').read(), end='')") == "kept"
    assert "told to jovyan" in ada.log(project)
    assert staff.project(project)["state"] == "ready"
    assert not [item for item in staff.story(project) if item.get("log")]
    assert stack.manage("shell", "-v0", "-c", OWNERS.format(url)) == "ada"


def test_a_person_without_access_is_told_to_copy_their_key(
    ssh_server: SshServer, ada: Api, bob: Api
) -> None:
    name, url = new(ssh_server)
    ssh_server.allow(key(ada), name)
    ssh_server.forbid(key(bob))
    project = bob.project(bob.launch(url))
    failed = bob.until(project["name"], "failed")
    assert failed["code"] == "launch.key-not-accepted"
    assert "Copy the public key from your account page" in failed["message"]


@pytest.mark.long
def test_two_people_with_access_have_separate_builds_and_logs(
    stack: Stack, ssh_server: SshServer, ada: Api, bob: Api
) -> None:
    name, url = new(ssh_server)
    ssh_server.allow(key(ada), name)
    first = ada.launch(url)
    ada.until(first, "ready")
    ssh_server.forbid(key(bob))
    refused = bob.launch(url, ref=ssh_server.git.commit(name))  # at her very commit
    assert bob.until(refused, "failed")["code"] == "launch.key-not-accepted"
    assert not bob.log(refused)[0]
    ssh_server.allow(key(bob), name)
    second = bob.launch(url)
    bob.until(second, "ready")
    assert stack.manage("shell", "-v0", "-c", OWNERS.format(url)) == "ada bob"
    assert "told to jovyan" in bob.log(second)
    assert bob.http.get(f"projects/{first}/events/").status_code == 404
