"""Ada's private key is in her own notebook and nowhere else: all other places are searched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import PASSWORD, Api, Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("the portal's first build and notebook", seconds=180),
]

PRIVATE_AND_SEED = """
from cryptography.hazmat.primitives.serialization import *
from keys import keypairs; from keys.models import KeyPair
private = keypairs.private_key(KeyPair.objects.get(user__username='ada'))
print(private)
key = load_ssh_private_key(private.encode(), None)
print(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex())
"""
CLEARED_AFTER_EACH = ("bob",)
SHARED = ("environments", "toolbox", "cache", "static")
"""Folders that existed before her key, and are too large to read."""
ADDRESSES = [
    "me/",
    "projects/",
    "ssh-key/",
    "tokens/",
    "projects/{name}/",
    "projects/{name}/events/",
]
PAGES = ["/account/", "/projects/{name}/"]
FOR_STAFF = [
    "/admin/",
    "/admin/portal/user/",
    "/admin/portal/user/{person}/change/",
    "/admin/portal/user/{person}/history/",
    "/admin/keys/token/",
    "/admin/auditlog/logentry/",
    "/admin/notebook_sessions/project/",
    "/admin/notebook_sessions/session/",
    "/admin/notebook_sessions/session/{session}/change/",
]
LOOK = """
import subprocess
places = ["/run", "/home", "/tmp", "/dev/shm", "/etc", "/opt/toolbox"]
found = subprocess.run(["grep", "-rslaF", "-D", "skip", {needle!r}, *places], capture_output=True)
import glob
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    try:
        held = {needle!r}.encode() in open(path, "rb").read()
    except OSError:
        held = False
    print(path * held, end="")
print(" ".join(sorted(found.stdout.decode().split())), end="")
"""


@pytest.fixture(scope="module")
def notebook(git_server: GitServer, ada: Api) -> Iterator[str]:
    """Ada's notebook, for all these tests."""
    name = ada.launch(git_server.repository("ada/secretive", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    yield name
    ada.delete(name)


@pytest.fixture(scope="module")
def needles(stack: Stack, notebook: str) -> list[bytes]:
    """Return the lines of the private key that hold the secret number, and that number."""
    *private, seed = stack.manage("shell", "-v0", "-c", PRIVATE_AND_SEED).splitlines()
    secret_lines = private[4:6]  # the ones before say what is public
    return [line[:40].encode() for line in secret_lines] + [bytes.fromhex(seed), seed.encode()]


def held(text: bytes, needles: list[bytes]) -> bool:
    return any(needle in text for needle in needles)


def number(stack: Stack, expression: str) -> str:
    code = f"from portal.models import User; from sessions.models import Session; {expression}"
    return stack.manage("shell", "-v0", "-c", code)


@pytest.fixture
def staff(stack: Stack) -> Iterator[httpx.Client]:
    """A client signed in as the account `admin`."""
    with httpx.Client(base_url=stack.url, follow_redirects=True, timeout=30) as client:
        page = client.get("/sign-in/").text
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
        answer = client.post("/sign-in/", data=form, headers={"Referer": stack.url})
        assert answer.status_code == 200
        yield client


def test_the_private_key_is_in_its_owners_notebook(
    stack: Stack, ada: Api, notebook: str, needles: list[bytes]
) -> None:
    with Kernel(ada, notebook) as kernel:
        seen = kernel.run(LOOK.format(needle=needles[0].decode()))
    assert "/run/ssh/ssh.priv" in seen.split()
    assert "/proc/" not in seen


def test_the_private_key_is_in_no_other_persons_notebook(
    git: GitServer, bob: Api, needles: list[bytes]
) -> None:
    name = bob.launch(git.repository("ada/plain", {"index.ipynb": "{}"}))
    bob.until(name, "ready")
    with Kernel(bob, name) as kernel:
        assert kernel.run(LOOK.format(needle=needles[0].decode())) == ""


def test_the_portals_environment_is_not_in_a_notebook(
    stack: Stack, ada: Api, notebook: str
) -> None:
    password = stack.environment["PORTAL_ADMIN_PASSWORD"]
    with Kernel(ada, notebook) as kernel:
        assert kernel.run(LOOK.format(needle=password)) == ""
    forks_keepers = Path(f"/proc/{stack.part('keepers')}/environ").read_bytes()
    assert password.encode() not in forks_keepers


def test_the_private_key_is_in_no_file_except_its_owners_run_folders(
    stack: Stack, notebook: str, needles: list[bytes]
) -> None:
    files = [
        path
        for top in stack.data.iterdir()
        if top.name not in SHARED
        for path in ([top] if top.is_file() else top.rglob("*"))
        if path.is_file() and not path.is_symlink()
    ]
    assert stack.log in files
    assert {"keeper.log", "job.json", "db.sqlite3"} <= {path.name for path in files}
    found = [path for path in files if held(path.read_bytes(), needles)]
    places = {path.relative_to(stack.data).parts[0] + "/" + path.name for path in found}
    assert places == {"run/ssh.priv"}
    assert {path.stat().st_mode & 0o777 for path in found} == {0o600}


def test_the_private_key_is_in_no_process_environment_or_command_line(
    notebook: str, needles: list[bytes]
) -> None:
    for kind in ("environ", "cmdline"):
        for path in Path("/proc").glob(f"[0-9]*/{kind}"):
            try:
                text = path.read_bytes()
            except OSError:
                continue
            assert not held(text, needles), path


def test_no_database_column_has_the_private_key_in_clear(
    stack: Stack, notebook: str, needles: list[bytes]
) -> None:
    dump = stack.manage("dumpdata").encode()
    assert b'"keys.keypair"' in dump
    assert not held(dump, needles)


def test_no_page_and_no_api_response_contains_the_private_key(
    stack: Stack, ada: Api, notebook: str, needles: list[bytes], staff: httpx.Client
) -> None:
    places = {
        "name": notebook,
        "person": number(stack, "print(User.objects.get(username='ada').pk)"),
        "session": number(stack, f"print(Session.objects.get(project__name='{notebook}').pk)"),
    }
    answers = [ada.http.get(address.format(**places)) for address in ADDRESSES]
    answers += [staff.get(address.format(**places)) for address in [*PAGES, *FOR_STAFF]]
    for answer in answers:
        assert answer.status_code == 200, answer.url
        assert not held(answer.content, needles), answer.url
