"""A person's SSH key in their notebooks, with real git, ssh and server."""

from __future__ import annotations

import secrets
from functools import partial

import pytest

from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.sshd import SshServer
from tests.stack import Api, Stack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.slow("notebooks and fetches with a key", seconds=180)]

PRIVATE_OF = """
from keys import keypairs; from keys.models import KeyPair
print(keypairs.private_key(KeyPair.objects.get(user__username='{}')))
"""


def notebook(api: Api, git: GitServer, name: str = "plain") -> str:
    project = api.launch(git.repository(f"ada/{name}", {"index.ipynb": "{}"}))
    api.until(project, "ready")
    return project


def key(api: Api) -> str:
    answer = api.http.get("ssh-key/")
    assert answer.status_code == 200, answer.text
    public: str = answer.json()["public_key"]
    return public


def clone(url: str) -> str:
    """Return code that clones the repository, without options or settings, and prints the
    result.
    """
    target = f"/tmp/{secrets.token_hex(4)}"
    return f"""
import subprocess
command = ["git", "clone", "--quiet", {url!r}, {target!r}]
done = subprocess.run(command, stderr=subprocess.DEVNULL)
print(open({target!r} + "/secret.txt").read() if done.returncode == 0 else "refused", end="")
"""


def is_shown(kernel: Kernel, public: str) -> bool:
    shown = "print(open('/home/jovyan/.ssh/ssh.pub').read().strip(), end='')"
    return kernel.run(shown) == public


def private_of(stack: Stack, username: str) -> str:
    return stack.manage("shell", "-v0", "-c", PRIVATE_OF.format(username)) + "\n"


def test_git_in_a_notebook_uses_the_persons_current_key(
    stack: Stack, git: GitServer, ssh_server: SshServer, ada: Api, bob: Api
) -> None:
    ssh_server.repository("ada/diary", {"secret.txt": "read"})
    url = ssh_server.url("ada/diary")
    first, second, bobs = notebook(ada, git), notebook(ada, git), notebook(bob, git)
    before = key(ada)
    with Kernel(ada, first) as one, Kernel(ada, second) as two, Kernel(bob, bobs) as other:
        assert one.run(clone(url)) == "refused"
        ssh_server.allow(before, "ada/diary")
        assert [kernel.run(clone(url)) for kernel in (one, two, other)] == [
            "read",
            "read",
            "refused",
        ]
        old = private_of(stack, "ada")

        replaced = ada.http.post("ssh-key/rotate/")
        assert replaced.status_code == 200, replaced.text
        after = key(ada)
        assert after == replaced.json()["public_key"] != before
        for kernel in (one, two):
            eventually(partial(is_shown, kernel, after), what="the new key")
            assert kernel.run(clone(url)) == "refused"
        ssh_server.forbid(before)
        ssh_server.allow(after, "ada/diary")
        assert [kernel.run(clone(url)) for kernel in (one, two, other)] == [
            "read",
            "read",
            "refused",
        ]
    assert not ssh_server.reads(old, "ada/diary")
    assert ssh_server.reads(private_of(stack, "ada"), "ada/diary")
