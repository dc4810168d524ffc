"""Fixtures: the portal under attack, with its cast and the targets: notebooks, a private project,
and a notebook server that misbehaves. Made once for all attempts of a process.
"""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests import nginx
from tests.attacks import cast
from tests.attacks.attempt import LOCAL
from tests.attacks.cast import World
from tests.attacks.sandbox.eaters import RESOURCES
from tests.browser.conftest import launched
from tests.githttp import GitServer
from tests.scratch import folder
from tests.sshd import SshServer
from tests.stack import Api, Stack

HOSTILE = Path(__file__).with_name("hostile.py")
HANGING = 8
"""Number of repositories on a server that never answers."""
LOG = (
    "echo $OUTPUT; echo '</pre><h1 id=attack>x</h1><script>window.attacked = 1</script>';"
    " echo '<img src=x onerror=\"window.attacked = 1\">';"
    " printf 'turned \\342\\200\\256 round\\n'; printf 'hidden\\342\\200\\213 \\033[31mred\\010\\177\\n'"
)
"""Shell commands in the build of the private project; its log has their output."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all attacks in one process, which has one portal; and once more in ``make
    test-long``.
    """
    for item in items:
        if "tests/attacks/" in item.path.as_posix():
            item.add_marker(pytest.mark.attacks)
            if {"world", "chromium"} & set(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.stack)
                item.add_marker(pytest.mark.xdist_group("attacks"))
                item.add_marker(pytest.mark.slow("attempts on a whole portal", seconds=600))


@pytest.fixture(scope="session")
def attacked_backend() -> str:
    return LOCAL


@pytest.fixture(scope="session")
def world(
    stack: Stack, git_server: GitServer, ssh_server: SshServer, attacked_backend: str
) -> Iterator[World]:
    made = cast.made(stack, attacked_backend, _secrets(stack))
    made.words.update(_projects(made, git_server, ssh_server))
    secret = stack.environment.get("PORTAL_NGINX_SECRET", "")
    with Listening() as (abstract, path), nginx.running(stack.port, "localhost", secret) as front:
        made.words.update({"abstract": abstract, "unix": path, "nginx": str(front)})
        yield made
    for name in ("alice", "mallory", "carol"):
        with made.api(name) as api:
            for project in api.http.get("projects/").json():
                api.delete(project["name"])


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """A Chromium that lets pages of other sites send requests to this machine, as it would to a
    portal on the Internet; closed after this folder's tests, see `tests/browser`.
    """
    with launched("--disable-features=LocalNetworkAccessChecks") as browser:
        yield browser


def _secrets(stack: Stack) -> tuple[str, ...]:
    """Return values that only the portal itself may see."""
    kept = [path.read_text().strip() for path in stack.data.glob("*-key") if path.is_file()]
    given = [
        stack.environment.get(name, "") for name in ("PORTAL_ADMIN_PASSWORD", "PORTAL_NGINX_SECRET")
    ]
    return tuple(each for each in (*kept, *given) if each)


def _projects(world: World, git: GitServer, ssh: SshServer) -> dict[str, str]:
    """Launch the targets, all at once, and return the words for them."""
    plain = git.repository("alice/attacked", {"index.ipynb": "{}"})
    start = {
        "start": '#!/bin/sh\nexec python3 "$(dirname "$0")/hostile.py"\n',
        "hostile.py": HOSTILE.read_text(),
    }
    hostile = git.repository("alice/hostile", start, executable=["start"])
    forked = git.repository("good/forked", {"index.ipynb": "{}"})
    fork = git.branch("good/forked", "gone", {"index.ipynb": "{ }"})
    git.drop_branch("good/forked", "gone")
    small = git.repository("alice/small", {"index.ipynb": "{}", ".resources": RESOURCES})
    words = {"small": small, "forked": forked, "fork": fork, "plain": plain, "hanging": " ".join(git.hang(f"alice/hanging-{n}") for n in range(HANGING)), "git_host": git.host,
             "redirecting": git.redirect("alice/redirecting", f"http://127.0.0.1:{world.stack.port}/health"),
             "output_of_build": f"built-{secrets.token_hex(8)}",
             "output_of_notebook": f"said-{secrets.token_hex(8)}"}  # fmt: skip
    with world.api("alice") as alice, world.api("mallory") as mallory:
        words["alice_project"] = alice.launch(plain)
        words["hostile_project"] = words["mallory_project"] = mallory.launch(hostile)
        words["private_project"] = _private(alice, ssh, words)
        alice.until(words["alice_project"], "ready", within=240)
        mallory.until(words["hostile_project"], "ready", within=240)
        alice.until(words["private_project"], "ready", within=240)  # in safe mode, after a failure
    words["hostile"] = f"{words['hostile_project']}.localhost:{world.stack.port}"
    words["registry"] = world.stack.environment.get("PORTAL_REGISTRY", "")
    return words | _numbers(world, words)


def _private(alice: Api, ssh: SshServer, words: dict[str, str]) -> str:
    """Launch a private project of alice's, whose notebook prints something and fails to start."""
    name = f"alice/private-{secrets.token_hex(4)}"
    files = {
        "postBuild": f"#!/bin/sh\n{LOG}\n".replace("$OUTPUT", words["output_of_build"]),
        "start": f"#!/bin/sh\necho {words['output_of_notebook']}\nexit 3\n",
        "index.ipynb": "{}",
    }
    ssh.repository(name, files)
    answer = alice.http.get("ssh-key/")
    if answer.status_code == 404:
        answer = alice.http.post("ssh-key/rotate/")
    ssh.allow(answer.json()["public_key"], name)
    return alice.launch(ssh.url(name))


def _numbers(world: World, words: dict[str, str]) -> dict[str, str]:
    """Return the numbers of rows that staff pages are about."""
    project = f"select id from notebook_sessions_project where name = '{words['private_project']}'"
    number = world.row(project)[0]
    session = world.row(
        f"select min(id) from notebook_sessions_session where project_id = {number}"
    )[0]
    build = world.row(f"select build_id from notebook_sessions_session where id = {session}")[0]
    alice = world.row(
        f"select id from notebook_sessions_project where name = '{words['alice_project']}'"
    )[0]
    return {"private_project_pk": str(number), "private_session_pk": str(session),
            "private_build_pk": str(build), "alice_project_pk": str(alice)}  # fmt: skip


class Listening:
    """Sockets of the machine that send a word to whoever connects."""

    def __enter__(self) -> tuple[str, str]:
        self.name = f"attacked-{secrets.token_hex(8)}"
        self.path = folder() / "socket"
        self.sockets = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for each, address in zip(self.sockets, (f"\0{self.name}", str(self.path)), strict=True):
            each.bind(address)
            each.listen()
            threading.Thread(target=self._speak, args=[each], daemon=True).start()
        self.path.chmod(0o777)
        return self.name, str(self.path)

    @staticmethod
    def _speak(listener: socket.socket) -> None:
        try:
            while True:
                visitor, _ = listener.accept()
                visitor.sendall(b"reached")
                visitor.close()
        except OSError:
            return

    def __exit__(self, *why: object) -> None:
        for each in self.sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()
