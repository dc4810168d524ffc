"""SSH keys on the cluster: a private repository, git in its notebook, and a key that changes."""

from __future__ import annotations

import base64

import pytest

from tests.cluster.kube import Kube
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.sshd import SshServer
from tests.stack import Api, Stack, eventually

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.stack,
    pytest.mark.slow("a build from a private repository, and two notebooks", seconds=600),
]

# How a step of a build may look for the key by which its repository was fetched: as uid 0, and
# also in what other processes of its container see.
SEARCH = """#!/bin/sh
{
    find / -xdev -name 'ssh.priv*' -o -xdev -path '/run/bindery/*' -not -path '*/ca*' 2>/dev/null
    grep -rl 'OPENSSH PRIVATE' /run /tmp /dev/shm /etc /root /home /build /trusted /var 2>/dev/null
    ls -d /proc/[0-9]*/root/run/bindery/* 2>/dev/null | grep -v '/ca$'
    cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' |
        grep -iE 'ssh[_]|private[ ]key'
    cat /proc/[0-9]*/mounts | grep bindery/ | grep -v bindery/ca
} | sed 's/^/found: /'
echo searched
"""
PRIVATE = """
from keys import keypairs
from portal.models import User
print(keypairs.private_key(keypairs.ensure(User.objects.get(username="ada"))))
"""


def new_key(person: Api) -> str:
    """Replace the person's key pair and return the new public key."""
    answer = person.http.post("ssh-key/rotate/")
    assert answer.status_code in {200, 201}, answer.text
    return str(answer.json()["public_key"])


def shell(kernel: Kernel, command: str) -> str:
    """Run a command as a cell of the notebook; return its output and status."""
    code = f"""
import subprocess
done = subprocess.run(["sh", "-c", {command!r}], capture_output=True, text=True)
print(done.stdout, done.stderr, "status", done.returncode)
"""
    return kernel.run(code)


def keys(kube: Kube) -> set[str]:
    """Return the names of the Secrets with keys."""
    return {name for name in kube.names()["secrets"] if name.endswith("-key")}


def public(kube: Kube, secret: str) -> str:
    """Return the public key in the Secret, as notebooks get it."""
    data = kube.core.read_namespaced_secret(secret, kube.namespace).data
    return base64.b64decode(data["ssh.pub"]).decode()


def own_part(stack: Stack) -> str:
    """Return the line of ada's private key that is in no other key."""
    lines = stack.manage("shell", "-c", PRIVATE).splitlines()
    return lines[lines.index("-----BEGIN OPENSSH PRIVATE KEY-----") + 4]


def everything_but_secrets(kube: Kube, stack: Stack) -> str:
    """Return all objects of the portal but Secrets, their events, and the files in its data
    folder.
    """
    events = kube.core.list_namespaced_event(kube.namespace).items
    files = [path.read_bytes() for path in stack.data.rglob("*") if path.is_file()]
    return f"{kube.pods()} {events} {b''.join(files)!r}"


def test_a_private_repository_and_its_notebook_use_the_owners_key(
    stack: Stack, ada: Api, bob: Api, git: GitServer, ssh_server: SshServer, portal_kube: Kube
) -> None:
    base = stack.environment["PORTAL_PYTHON_IMAGE"]
    steps = f"FROM {base}\nUSER 0\nCOPY search.sh /\nRUN sh /search.sh\nUSER 1000\n"
    ssh_server.repository("ada/garden", {"Dockerfile": steps, "search.sh": SEARCH})
    ssh_server.repository("ada/more", {"word.txt": "for ada"})
    clone = f"cd $(mktemp -d) && git clone {ssh_server.url('ada/more')} . && cat word.txt"
    others = keys(portal_kube) - {"ada-ssh-key", "bob-ssh-key"}
    first = new_key(ada)
    ssh_server.allow(first, "ada/garden", "ada/more")

    name = ada.launch(ssh_server.url("ada/garden"))
    eventually(lambda: "fetching" in {e["phase"] for e in ada.story(name)}, what="the build")
    other = bob.launch(git.repository("ada/plain", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    assert "searched" in ada.log(name)
    assert not [line for line in ada.log(name) if line.startswith("found:")]
    assert "for ada" in opened(ada, name, clone)
    assert f"{first}\n" in opened(ada, name, "cat /home/jovyan/.ssh/ssh.pub")

    bob.until(other, "ready")
    assert "Permission denied" in opened(bob, other, clone)
    assert first not in opened(bob, other, "cat ~/.ssh/ssh.pub /run/bindery/ssh/*")
    refused = bob.launch(ssh_server.url("ada/garden"))
    assert bob.until(refused, "failed")["code"] == "launch.key-not-accepted"
    assert keys(portal_kube) - others == {"ada-ssh-key", "bob-ssh-key"}
    assert own_part(stack) not in everything_but_secrets(portal_kube, stack)

    second = new_key(ada)
    # That a Secret that changes is seen in notebooks is tried in `BackendContract`.
    eventually(lambda: second in public(portal_kube, "ada-ssh-key"), within=30, what="the new key")
    ada.delete(name)
    left = {"bob-ssh-key"}
    eventually(lambda: keys(portal_kube) - others == left, within=60, what="ada's key to go")


def opened(person: Api, name: str, command: str) -> str:
    with Kernel(person, name) as kernel:
        return shell(kernel, command)
